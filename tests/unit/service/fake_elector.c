#include "fake_elector.h"

#include <stdio.h>

struct elector_set *elector_set_new(struct loop *loop, const struct logger *logger)
{
    (void)logger;
    struct elector_set *set = mem_zalloc(sizeof *set);
    set->loop = loop;
    list_init(&set->electors);
    snprintf(set->uid, sizeof set->uid, "uid-1");
    return set;
}

void elector_set_free(struct elector_set *set)
{
    CHECK(list_empty(&set->electors));
    mem_free(set);
}

struct elector *fake_elector_find(struct elector_set *set, const char *lease_name)
{
    list_for_each (node, &set->electors) {
        struct elector *e = CONTAINER_OF(node, struct elector, link);
        if (e->ref_count > 0 && str_eqz(e->config.lease_name, lease_name))
            return e;
    }
    return NULL;
}

static void on_released(void *arg)
{
    struct elector *e = arg;
    CHECK(list_empty(&e->users));
    list_remove(&e->link);
    loop_timer_clear(&e->timer);
    loop_task_cancel(&e->tell_task);
    void (*done)(void *) = e->done;
    void *done_arg = e->arg;
    mem_free(e);
    if (done != NULL)
        done(done_arg);
}

static void tell(struct elector *e)
{
    for (bool again = true; again;) {
        again = false;
        list_for_each (node, &e->users) {
            struct elector_user *user = CONTAINER_OF(node, struct elector_user, link);
            enum elector_role role = elector_present_role(e);
            if (user->told_role == role)
                continue;
            user->told_role = role;
            again = true;
            user->on_role(user->arg, role);
            break;
        }
    }
}

static void on_tell(void *arg)
{
    tell(arg);
}

static str keep(char *to, size_t size, str from)
{
    CHECK(from.len < size);
    if (from.len > 0)
        memcpy(to, from.data, from.len);
    return str_make(to, from.len);
}

static void configure(struct elector *e, const struct elector_config *config)
{
    e->config = *config;
    e->config.lease_name = keep(e->texts[0], sizeof e->texts[0], config->lease_name);
    e->config.lease_namespace = keep(e->texts[1], sizeof e->texts[1], config->lease_namespace);
    e->config.identity = keep(e->texts[2], sizeof e->texts[2], config->identity);
}

struct elector *elector_get(struct elector_set *set, const struct elector_config *config,
                            uint64_t generation, struct err *err)
{
    if (set->refuse != NULL) {
        err_set(err, "%s", set->refuse);
        return NULL;
    }
    char name[300];
    snprintf(name, sizeof name, "%.*s", STR_ARG(config->lease_name));
    struct elector *e = fake_elector_find(set, name);
    if (e == NULL) {
        e = mem_zalloc(sizeof *e);
        e->set = set;
        list_init(&e->users);
        list_append(&set->electors, &e->link);
        loop_timer_init(set->loop, &e->timer, "fake release", on_released, e);
        loop_task_init(set->loop, &e->tell_task, "fake tell", on_tell, e);
        set->made_count++;
    } else if (e->generation == generation &&
               e->config.lease_duration_ns != config->lease_duration_ns) {
        err_set(err, "another extension uses this Lease with other settings");
        return NULL;
    }
    configure(e, config);
    e->generation = generation;
    e->ref_count++;
    return e;
}

void elector_start(struct elector *e)
{
    e->started = true;
}

struct early {
    struct loop_task task;
    void (*done)(void *);
    void *arg;
};

static void on_early(void *arg)
{
    struct early early = *(struct early *)arg;
    mem_free(arg);
    early.done(early.arg);
}

void elector_unref(struct elector *e, void (*done)(void *arg), void *arg)
{
    CHECK(e->ref_count > 0);
    if (--e->ref_count > 0) {
        struct early *early = mem_zalloc(sizeof *early);
        early->done = done;
        early->arg = arg;
        loop_task_init(e->set->loop, &early->task, "fake unref", on_early, early);
        loop_task_post(&early->task);
        return;
    }
    e->done = done;
    e->arg = arg;
    if (e->started && e->leading) {
        e->set->release_count++;
        e->set->released_ns = loop_boot_ns(e->set->loop);
        loop_timer_set_after(&e->timer, e->set->release_takes_ns);
    } else {
        loop_timer_set_after(&e->timer, 0);
    }
    e->leading = false;
}

void elector_join(struct elector *e, struct elector_user *user)
{
    user->told_role = ROLE_COLD;
    list_append(&e->users, &user->link);
    if (elector_present_role(e) != ROLE_COLD)
        loop_task_post(&e->tell_task);
}

void elector_leave(struct elector *e, struct elector_user *user)
{
    (void)e;
    list_remove(&user->link);
}

void elector_user_synced(struct elector *e)
{
    e->synced_calls++;
}

enum elector_role elector_present_role(const struct elector *e)
{
    if (e->leading)
        return ROLE_LEADING;
    return e->stands_by || e->config.standby == STANDBY_WARM ? ROLE_WARM : ROLE_COLD;
}

bool elector_is_synced(const struct elector *e)
{
    list_for_each (node, &e->users) {
        struct elector_user *user = CONTAINER_OF(node, struct elector_user, link);
        if (user->is_synced != NULL && !user->is_synced(user->arg))
            return false;
    }
    return elector_present_role(e) != ROLE_COLD;
}

bool elector_has_synced_standby(const struct elector *e)
{
    return e->another_stands_by && e->another_is_synced;
}

bool elector_awaits_standby(const struct elector *e, int64_t since_ns)
{
    return e->leading && e->another_stands_by && !e->another_is_synced &&
           loop_boot_ns(e->set->loop) - since_ns < e->config.handover_wait_ns;
}

bool elector_may_emit(const struct elector *e)
{
    return e->leading && e->gate_open;
}

uint64_t elector_term(const struct elector *e)
{
    return e->term;
}

str elector_fencing_token(const struct elector *e)
{
    struct elector *mutable = (struct elector *)e;
    int len = snprintf(mutable->token, sizeof mutable->token, "%s/%" PRIu64, e->set->uid, e->term);
    return str_make(e->token, (size_t)len);
}

const char *elector_lacks(const struct elector *e)
{
    if (e->config.standby == STANDBY_AUTO)
        return elector_has_synced_standby(e) ? NULL : "no standby";
    return e->others_lead ? NULL : "no leader";
}

void elector_yield(struct elector *e)
{
    if (!e->leading)
        return;
    e->yield_count++;
    e->yielded_ns = loop_boot_ns(e->set->loop);
    e->yielded_tick_ns = 0;
    for (size_t i = 0; i < e->written_count; i++)
        if (e->written[i].entry.enqueued_ns > e->yielded_tick_ns)
            e->yielded_tick_ns = e->written[i].entry.enqueued_ns;
    e->leading = false;
    tell(e);
}

void fake_elector_ask(struct elector *e)
{
    list_for_each (node, &e->users) {
        struct elector_user *user = CONTAINER_OF(node, struct elector_user, link);
        if (user->on_asked != NULL)
            user->on_asked(user->arg);
    }
}

enum standby elector_standby(const struct elector *e)
{
    return e->config.standby;
}

int64_t elector_lease_duration_ns(const struct elector *e)
{
    return e->config.lease_duration_ns;
}

str elector_lease_name(const struct elector *e)
{
    return e->config.lease_name;
}

str elector_identity(const struct elector *e)
{
    return e->config.identity;
}

str elector_lease_namespace(const struct elector *e)
{
    return e->config.lease_namespace;
}

void elector_statistics(const struct elector *e, struct elector_stats *stats)
{
    int64_t now_ns = loop_boot_ns(e->set->loop);
    *stats = (struct elector_stats){.leading = e->leading,
                                    .role = elector_present_role(e),
                                    .has_standby = e->stands_by || e->another_stands_by,
                                    .standby_is_synced = e->another_is_synced,
                                    .renewed_ns = now_ns - INT64_C(1500000000),
                                    .gate_ns = e->gate_open ? now_ns + INT64_C(12500000000) : 0,
                                    .terms = e->term,
                                    .terms_lost = e->term - e->leading,
                                    .renewals = 7,
                                    .renewals_failed = 2,
                                    .calls_failed = 5,
                                    .dead_holders = 6};
}

void electors_each(struct elector_set *set, void (*fn)(void *arg, struct elector *e), void *arg)
{
    list_for_each (node, &set->electors)
        fn(arg, CONTAINER_OF(node, struct elector, link));
}

str elector_lease_uid(const struct elector *e)
{
    return str_from(e->set->uid);
}

static struct fake_note *find(struct fake_note *notes, size_t *count, str id, bool make)
{
    for (size_t i = 0; i < *count; i++)
        if (str_eqz(id, notes[i].id))
            return &notes[i];
    if (!make)
        return NULL;
    CHECK(*count < FAKE_NOTES_MAX && id.len < sizeof notes->id);
    struct fake_note *n = &notes[(*count)++];
    memcpy(n->id, id.data, id.len);
    n->id[id.len] = '\0';
    return n;
}

static void put(struct fake_note *n, const struct note_entry *entry)
{
    n->entry = *entry;
    n->entry.position = keep(n->position, sizeof n->position, entry->position);
}

void elector_note_set(struct elector *e, str receiver_id, const struct note_entry *entry)
{
    if (e->leading)
        put(find(e->written, &e->written_count, receiver_id, true), entry);
}

enum inheritance elector_note_get(const struct elector *e, str receiver_id,
                                  struct note_entry *entry, int64_t *gate_closed_ns)
{
    struct elector *mutable = (struct elector *)e;
    struct fake_note *n = find(mutable->inherited, &mutable->inherited_count, receiver_id, false);
    *gate_closed_ns = e->gate_closed_ns;
    if (n == NULL || e->inheritance == INHERIT_NONE)
        return INHERIT_NONE;
    *entry = n->entry;
    return e->inheritance;
}

void fake_elector_lead(struct elector *e, enum inheritance inheritance, int64_t gate_closed_ns)
{
    CHECK(e->started && !e->leading);
    if (inheritance == INHERIT_OWN)
        for (size_t i = 0; i < e->written_count; i++)
            put(find(e->inherited, &e->inherited_count, str_from(e->written[i].id), true),
                &e->written[i].entry);
    e->inheritance = inheritance;
    e->gate_closed_ns = gate_closed_ns;
    e->leading = true;
    e->gate_open = true;
    e->term++;
    tell(e);
}

void fake_elector_lose(struct elector *e)
{
    e->leading = false;
    tell(e);
}

void fake_elector_stand_by(struct elector *e, bool stands_by)
{
    e->stands_by = stands_by;
    tell(e);
}

void fake_elector_inherit(struct elector *e, const char *receiver_id, struct note_entry entry)
{
    put(find(e->inherited, &e->inherited_count, str_from(receiver_id), true), &entry);
}

const struct fake_note *fake_elector_written(const struct elector *e, const char *receiver_id)
{
    struct elector *mutable = (struct elector *)e;
    return find(mutable->written, &mutable->written_count, str_from(receiver_id), false);
}
