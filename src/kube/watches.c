/*
 * The watches of a process: who wants what, and for how long.
 *
 * Life of a watch: watches_get finds the one on the same thing or makes it -> the first user that
 * joins starts it -> the last one that leaves stops it after a while (a reload leaves and joins
 * again within that), and the store is emptied -> the last reference frees it, emptied first: a
 * store of 100,000 objects is taken down in slices, too.
 *
 * Fields: objects are decoded with the fields that any user, ever, asked for. When a user joins
 * with more than the store was read with, everything is listed again into the same store, and that
 * user is synced when the list is complete; the others do not notice.
 *
 * Invariants: users are joined only to a watch that runs; a dying watch is found by nobody.
 */
#include "kube/watch_internal.h"

#include "wire/text.h"

#define MS_NS INT64_C(1000000)

const struct watch_periods watch_periods_default = {
    .list_watch =
        {
            .backoff_min_ns = 800 * MS_NS,
            .backoff_max_ns = 5000 * MS_NS, /* twice that with the jitter */
            .backoff_reset_ns = 120000 * MS_NS,
            .not_served_ns = 18000 * MS_NS, /* with the jitter: found within 27 s of being there */
            .forbidden_ns = 30000 * MS_NS,
        },
    .watch_idle_ms = LIMIT_WATCH_IDLE_MS,
    .watch_first_ms = LIMIT_WATCH_FIRST_MS,
    .streaming_idle_ms = LIMIT_STREAMING_IDLE_MS,
    .list_idle_ms = LIMIT_LIST_IDLE_MS,
    .linger_ms = LIMIT_WATCH_LINGER_MS,
};

/* -- the set -- */

struct watches *watches_new(struct loop *loop, const struct logger *logger)
{
    struct watches *set = mem_zalloc(sizeof *set);
    set->loop = loop;
    set->logger = *logger;
    set->trouble_logger = *logger;
    set->trouble_logger.unsampled = true;
    set->periods = watch_periods_default;
    object_pool_init(&set->pool, loop_hash_key(loop));
    list_init(&set->watches);
    list_init(&set->clients);
    return set;
}

void watches_free(struct watches *set)
{
    if (set == NULL)
        return;
    list_for_each_safe (node, &set->watches) {
        struct watch *w = CONTAINER_OF(node, struct watch, link);
        CHECK(w->is_dying);
        watch_free(w);
    }
    CHECK(list_empty(&set->clients));
    object_pool_deinit(&set->pool);
    mem_free(set);
}

struct object_pool *watches_pool(struct watches *set)
{
    return &set->pool;
}

void watches_set_periods(struct watches *set, const struct watch_periods *periods)
{
    CHECK(list_empty(&set->watches));
    set->periods = *periods;
}

void watches_each(struct watches *set, void (*fn)(void *arg, struct watch *w), void *arg)
{
    list_for_each (node, &set->watches) {
        struct watch *w = CONTAINER_OF(node, struct watch, link);
        if (!w->is_dying)
            fn(arg, w);
    }
}

/* -- one watch -- */

static char *take_text(struct buf *b)
{
    size_t len;
    CHECK(!b->overflow);
    return buf_take(b, &len);
}

/* "apps/v1 deployments in shop" */
static char *label_new(const struct watch_config *c)
{
    struct buf b;
    buf_init(&b, 4 * KIB);
    if (c->group.len > 0)
        buf_printf(&b, "%.*s/%.*s ", STR_ARG(c->group), STR_ARG(c->version));
    buf_str(&b, c->plural);
    if (c->namespace.len > 0)
        buf_printf(&b, " in %.*s", STR_ARG(c->namespace));
    if (c->label_selector.len > 0)
        buf_printf(&b, " with labels %.*s", STR_ARG(c->label_selector));
    if (c->field_selector.len > 0)
        buf_printf(&b, " with fields %.*s", STR_ARG(c->field_selector));
    b.overflow = false; /* a cut label is one, too */
    return take_text(&b);
}

static char *path_new(const struct watch_config *c)
{
    struct buf b;
    buf_init(&b, LIMIT_HTTP_URL_BYTES);
    buf_text(&b, c->group.len > 0 ? "/apis/" : "/api");
    url_encode(&b, c->group);
    buf_byte(&b, '/');
    url_encode(&b, c->version);
    if (c->namespace.len > 0) {
        buf_text(&b, "/namespaces/");
        url_encode(&b, c->namespace);
    }
    buf_byte(&b, '/');
    url_encode(&b, c->plural);
    return take_text(&b);
}

static bool print_selectors(struct buf *b, const struct watch_config *c, struct err *err)
{
    buf_init(b, LIMIT_SELECTOR_BYTES);
    if (c->label_selector.len > 0) {
        buf_text(b, "&labelSelector=");
        url_encode(b, c->label_selector);
    }
    if (c->field_selector.len > 0) {
        buf_text(b, "&fieldSelector=");
        url_encode(b, c->field_selector);
    }
    if (!b->overflow)
        return true;
    buf_deinit(b);
    return err_set(err, "the selectors of %.*s are longer than %zu bytes", STR_ARG(c->plural),
                   LIMIT_SELECTOR_BYTES);
}

static bool is_same(const struct watch *w, const struct watch_client *client,
                    const struct watch_config *c, const char *selectors)
{
    return !w->is_dying && w->client == client && w->codec == c->codec &&
           str_eqz(c->group, w->group) && str_eqz(c->version, w->version) &&
           str_eqz(c->plural, w->plural) && str_eqz(c->namespace, w->namespace) &&
           strcmp(selectors, w->selectors) == 0;
}

static struct watch *find(struct watches *set, const struct watch_client *client,
                          const struct watch_config *config, const char *selectors)
{
    list_for_each (node, &set->watches) {
        struct watch *w = CONTAINER_OF(node, struct watch, link);
        if (is_same(w, client, config, selectors))
            return w;
    }
    return NULL;
}

static void linger_over(void *arg);
static void tell_states(void *arg);

static struct watch *watch_new(struct watches *set, struct watch_client *take_client,
                               const struct watch_config *c, char *take_selectors)
{
    struct watch *w = mem_zalloc(sizeof *w);
    w->set = set;
    w->client = take_client;
    w->group = str_dup(c->group);
    w->version = str_dup(c->version);
    w->plural = str_dup(c->plural);
    w->namespace = str_dup(c->namespace);
    w->selectors = take_selectors;
    w->codec = c->codec;
    w->label = label_new(c);
    w->path = path_new(c);
    list_init(&w->users);
    list_init(&w->queue_link);
    store_init(&w->store, &set->pool);
    list_watch_init(&w->machine, c->codec->has_protobuf, &set->periods.list_watch);
    loop_timer_init(set->loop, &w->linger, "watch linger", linger_over, w);
    loop_task_init(set->loop, &w->state_task, "watch state", tell_states, w);
    loop_task_init(set->loop, &w->sweep_task, "watch sweep", NULL, NULL);
    list_append(&set->watches, &w->link);
    return w;
}

/* What means something to the kind: the rest must not cause another list. */
static unsigned wanted_fields(const struct watch *w, unsigned fields)
{
    return fields & w->codec->fields;
}

struct watch *watches_get(struct watches *set, const struct watch_config *config, struct err *err)
{
    struct buf selectors;
    CHECK(config->namespaced || config->namespace.len == 0);
    if (!print_selectors(&selectors, config, err))
        return NULL;
    struct watch_client *client = watch_client_get(set, config, err);
    if (client == NULL) {
        buf_deinit(&selectors);
        return NULL;
    }
    char *selector_text = take_text(&selectors);
    struct watch *w = find(set, client, config, selector_text);
    if (w == NULL) {
        w = watch_new(set, client, config, selector_text);
    } else {
        watch_client_unref(client); /* it has one */
        mem_free(selector_text);
    }
    w->refs++;
    if (!w->is_running)
        w->decode_fields |= wanted_fields(w, config->fields);
    return w;
}

void watch_free(struct watch *w)
{
    CHECK(w->refs == 0 && list_empty(&w->users) && !w->is_running);
    uint32_t budget;
    struct object *o;
    store_mark(&w->store);
    do {
        budget = UINT32_MAX;
        while ((o = store_sweep(&w->store, &budget)) != NULL)
            object_unref(&w->set->pool, o);
    } while (budget == 0);
    store_deinit(&w->store);
    loop_timer_clear(&w->linger);
    loop_task_cancel(&w->sweep_task);
    loop_task_cancel(&w->state_task);
    list_remove(&w->link);
    watch_client_unref(w->client);
    mem_free(w->group);
    mem_free(w->version);
    mem_free(w->plural);
    mem_free(w->namespace);
    mem_free(w->selectors);
    mem_free(w->label);
    mem_free(w->path);
    mem_free(w->trouble_text);
    mem_free(w->denied_text);
    mem_free(w);
}

void watch_unref(struct watch *w)
{
    CHECK(w->refs > 0);
    if (--w->refs > 0)
        return;
    CHECK(list_empty(&w->users));
    loop_timer_clear(&w->linger);
    loop_task_cancel(&w->state_task);
    if (w->is_running)
        watch_run_stop(w);
    w->is_dying = true;
    if (w->store.count == 0)
        watch_free(w);
    else
        watch_run_empty(w);
}

/* -- users -- */

void watch_state_changed(struct watch *w)
{
    if (list_empty(&w->users))
        return;
    list_for_each (node, &w->users)
        CONTAINER_OF(node, struct watch_user, link)->state_due = true;
    loop_task_post(&w->state_task);
}

static struct watch_user *next_due(struct watch *w)
{
    list_for_each (node, &w->users) {
        struct watch_user *user = CONTAINER_OF(node, struct watch_user, link);
        if (user->state_due)
            return user;
    }
    return NULL;
}

/* Users may join, leave and give the watch back while they are told. */
static void tell_states(void *arg)
{
    struct watch *w = arg;
    struct watch_user *user;
    w->refs++;
    while ((user = next_due(w)) != NULL) {
        user->state_due = false;
        if (user->on_state != NULL)
            user->on_state(user->arg);
    }
    watch_unref(w);
}

void watch_join(struct watch *w, struct watch_user *user)
{
    CHECK(!user->joined && w->refs > 0);
    user->joined = true;
    user->state_due = true;
    list_append(&w->users, &user->link);
    loop_timer_clear(&w->linger);
    unsigned fields = wanted_fields(w, user->fields);
    bool wants_more = (fields & ~w->decode_fields) != 0;
    w->decode_fields |= fields;
    if (!w->is_running)
        watch_run_start(w);
    else if (wants_more)
        watch_run_relist(w);
    if (watch_is_synced(w, user))
        loop_task_post(&w->state_task);
}

void watch_leave(struct watch *w, struct watch_user *user)
{
    CHECK(user->joined);
    user->joined = false;
    list_remove(&user->link);
    if (list_empty(&w->users))
        loop_timer_set_after(&w->linger, w->set->periods.linger_ms * MS_NS);
}

static void linger_over(void *arg)
{
    struct watch *w = arg;
    watch_run_stop(w);
    mem_free(w->trouble_text);
    w->trouble_text = NULL;
    w->trouble = WATCH_WELL;
    w->synced = false;
    watch_run_empty(w);
}

/* -- questions -- */

bool watch_is_synced(const struct watch *w, const struct watch_user *user)
{
    if (w->synced)
        return (wanted_fields(w, user->fields) & ~w->complete_fields) == 0;
    return watch_is_denied(w) && w->store.count == 0;
}

enum watch_trouble watch_trouble(const struct watch *w)
{
    return w->trouble;
}

str watch_trouble_text(const struct watch *w)
{
    return w->trouble_text == NULL ? STR("") : str_from(w->trouble_text);
}

struct store *watch_store(struct watch *w)
{
    return &w->store;
}

str watch_resource_version(const struct watch *w)
{
    bool taking_over =
        w->sync_due; /* the list is read, but what it has not is still in the store */
    return w->synced && !taking_over ? str_from(w->machine.resource_version) : STR("");
}

str watch_label(const struct watch *w)
{
    return str_from(w->label);
}

struct kube_client *watch_client(struct watch *w)
{
    return w->client->kube;
}

void watch_describe(const struct watch *w, struct buf *resource, str *namespace, str *selectors)
{
    if (w->group[0] != '\0')
        buf_printf(resource, "%s/", w->group);
    buf_printf(resource, "%s/%s", w->version, w->plural);
    *namespace = str_from(w->namespace);
    *selectors = str_skip(str_from(w->selectors), 1);
}

void watch_statistics(const struct watch *w, struct watch_stats *stats)
{
    *stats = w->stats;
    stats->object_count = w->store.count;
    stats->bytes = store_bytes(&w->store);
}
