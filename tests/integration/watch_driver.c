/*
 * Watches resources of an API server through kube/watches.h, and says what its stores hold.
 *
 *   watch_driver KUBECONFIG [key=value ...] RESOURCE ...
 *
 * RESOURCE: group/version/plural, "core" for the group without a name; one namespace of it with "@NAMESPACE" behind it. An
 * object is decoded by the codec of its kind; of a plural that is none of the 17 kinds, by the JSON codec of
 * clusterresourcequotas.
 * Keys: qps, burst, fields (a number), json (1: never protobuf), idle_ms, streaming_idle_ms, linger_ms, not_served_ms, forbidden_ms, backoff_ms, backoff_max_ms.
 *
 * Reads commands from standard input, one a line, and answers each with one line of JSON on standard output; the log goes to
 * standard error. Ends with its input.
 *
 *   state              {"synced": every watch is, "watches": [{label, synced, trouble, version, count, and counters}]}
 *   dump N             the objects of the N-th watch as they are in the store: {"version", "objects": {uid: version}}
 *   changes N          what was told of the N-th watch since the last such command: {"added", "updated", "deleted", "by_list"}
 *   join N FIELDS      another user of the N-th watch
 *   leave N            the last one that joined leaves
 *   memory             {"resident", "heap"}
 *
 * The driver keeps its own copy of each store from changes alone, and ends with a failure when the two are not the same.
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/map.h"
#include "io/file.h"
#include "io/log_writer.h"
#include "kube/watches.h"
#include "wire/json.h"

#include "driver_input.h"

#define MS INT64_C(1000000)
enum { WATCHES_MAX = 512, USERS_MAX = 4 };

struct seen {
    uint64_t resource_version;
    uint8_t uid[16];
};
struct driver;
struct use {
    struct driver *driver;
    struct watch *watch;
    struct watch_user users[USERS_MAX];
    size_t user_count;
    struct map copy; /* of struct seen, by uid: made from changes alone */
    uint64_t added, updated, deleted, by_list;
};

static void copy_clear(struct use *u)
{
    size_t pos = 0;
    str key;
    void *seen;
    while (map_next(&u->copy, &pos, &key, &seen))
        mem_free(map_remove(&u->copy, key));
}

struct driver {
    struct loop *loop;
    struct log *log;
    struct logger logger;
    struct watches *set;
    struct use uses[WATCHES_MAX];
    size_t use_count;
    bool json;
    struct object_codec json_codecs[KIND_COUNT];
    struct driver_input input;
};

/* -- changes -- */

static void note(struct use *u, const struct object *o)
{
    struct seen *seen = map_get(&u->copy, str_make((const char *)o->uid, sizeof o->uid));
    if (seen == NULL) {
        seen = mem_zalloc(sizeof *seen);
        memcpy(seen->uid, o->uid, sizeof seen->uid);
        map_put(&u->copy, str_make((const char *)seen->uid, sizeof seen->uid), seen);
    }
    seen->resource_version = o->resource_version;
}

static void on_change(void *arg, const struct watch_change *c)
{
    struct use *u = arg;
    u->by_list += c->by_list;
    if (c->kind == WATCH_DELETED) {
        CHECK(c->after == NULL && c->before != NULL);
        struct seen *seen = map_remove(&u->copy, str_make((const char *)c->before->uid, 16));
        CHECK(seen != NULL && seen->resource_version == c->before->resource_version);
        mem_free(seen);
        u->deleted++;
        return;
    }
    CHECK((c->kind == WATCH_ADDED) == (c->before == NULL) && c->after != NULL);
    const struct seen *seen = map_get(&u->copy, str_make((const char *)c->after->uid, 16));
    CHECK((seen == NULL) == (c->before == NULL));
    *(c->kind == WATCH_ADDED ? &u->added : &u->updated) += 1;
    note(u, c->after);
}

/* Who is not joined is not told. */
static void check_copy(struct use *u)
{
    uint32_t cursor = 0;
    const struct object *o;
    size_t count = 0;
    if (u->user_count == 0)
        return;
    while ((o = store_next(watch_store(u->watch), &cursor)) != NULL) {
        const struct seen *seen = map_get(&u->copy, str_make((const char *)o->uid, 16));
        CHECK(seen != NULL && seen->resource_version == o->resource_version);
        count++;
    }
    CHECK(count == map_count(&u->copy) && count == watch_store(u->watch)->count);
}

/* -- answers -- */

static void answer(struct buf *b)
{
    buf_byte(b, '\n');
    CHECK(!b->overflow && write(STDOUT_FILENO, b->data, b->len) == (ssize_t)b->len);
    buf_deinit(b);
}

static void say_state(struct driver *d)
{
    static const char *const troubles[] = {"well", "forbidden", "not_served", "failing"};
    struct buf b;
    bool all = true;
    buf_init(&b, 4 * MIB);
    buf_text(&b, "{\"watches\": [");
    for (size_t i = 0; i < d->use_count; i++) {
        struct use *u = &d->uses[i];
        struct watch_stats stats;
        watch_statistics(u->watch, &stats);
        bool synced = u->user_count > 0;
        for (size_t k = 0; k < u->user_count; k++)
            synced = synced && watch_is_synced(u->watch, &u->users[k]);
        all = all && synced;
        buf_printf(&b, "%s{\"label\": ", i == 0 ? "" : ", ");
        buf_json_string(&b, watch_label(u->watch));
        buf_printf(&b,
                   ", \"synced\": %s, \"trouble\": \"%s\", \"version\": \"%.*s\", \"count\": %zu, \"bytes\": %zu, "
                   "\"lists\": %" PRIu64 ", \"watch_requests\": %" PRIu64 ", \"events\": %" PRIu64
                   ", \"decode_failures\": %" PRIu64 ", \"received\": %" PRIu64 "}",
                   synced ? "true" : "false", troubles[watch_trouble(u->watch)],
                   STR_ARG(watch_resource_version(u->watch)), stats.object_count, stats.bytes,
                   stats.lists, stats.watch_requests, stats.events, stats.decode_failures,
                   stats.bytes_received);
    }
    buf_printf(&b, "], \"synced\": %s}", all ? "true" : "false");
    answer(&b);
}

static void say_dump(struct driver *d, struct use *u)
{
    struct buf b;
    char uid[UID_TEXT_BYTES];
    uint32_t cursor = 0;
    const struct object *o;
    (void)d;
    check_copy(u);
    buf_init(&b, 64 * MIB);
    buf_printf(&b, "{\"version\": \"%.*s\", \"objects\": {",
               STR_ARG(watch_resource_version(u->watch)));
    for (bool first = true; (o = store_next(watch_store(u->watch), &cursor)) != NULL;
         first = false) {
        buf_text(&b, first ? "" : ", ");
        buf_json_string(&b, object_uid(o, uid));
        buf_printf(&b, ": \"%" PRIu64 "\"", o->resource_version);
    }
    buf_text(&b, "}}");
    answer(&b);
}

static void say_changes(struct use *u)
{
    struct buf b;
    buf_init(&b, 4 * KIB);
    buf_printf(&b,
               "{\"added\": %" PRIu64 ", \"updated\": %" PRIu64 ", \"deleted\": %" PRIu64
               ", \"by_list\": %" PRIu64 "}",
               u->added, u->updated, u->deleted, u->by_list);
    u->added = u->updated = u->deleted = u->by_list = 0;
    answer(&b);
}

static void say_memory(void)
{
    struct buf b, text;
    struct err err;
    str total, rest, resident;
    uint64_t pages = 0;
    struct mallinfo2 info = mallinfo2();
    buf_init(&text, 4 * KIB);
    CHECK(file_read("/proc/self/statm", &text, &err));
    CHECK(str_cut(buf_view(&text), ' ', &total, &rest) && str_cut(rest, ' ', &resident, &rest) &&
          str_to_u64(resident, &pages));
    buf_deinit(&text);
    buf_init(&b, 4 * KIB);
    buf_printf(&b, "{\"resident\": %" PRIu64 ", \"heap\": %zu}",
               pages * (uint64_t)sysconf(_SC_PAGESIZE), info.uordblks + info.hblkhd);
    answer(&b);
}

static void say_done(void)
{
    struct buf b;
    buf_init(&b, 16);
    buf_text(&b, "{}");
    answer(&b);
}

/* -- commands -- */

static void join(struct driver *d, struct use *u, unsigned fields)
{
    CHECK(u->user_count < USERS_MAX);
    struct watch_user *user = &u->users[u->user_count];
    *user = (struct watch_user){.arg = u, .fields = fields};
    if (u->user_count++ == 0) { /* one is enough to keep the copy */
        uint32_t cursor = 0;
        const struct object *o;
        user->on_change = on_change;
        copy_clear(u);
        while ((o = store_next(watch_store(u->watch), &cursor)) != NULL)
            note(u, o);
    }
    (void)d;
    watch_join(u->watch, user);
}

static void run_command(void *arg, str line)
{
    struct driver *d = arg;
    str word, rest, number, fields;
    uint64_t n = 0, m = 0;
    str_cut(line, ' ', &word, &rest);
    str_cut(rest, ' ', &number, &fields);
    struct use *u = str_to_u64(number, &n) && n < d->use_count ? &d->uses[n] : NULL;
    if (str_eqz(word, "state")) {
        say_state(d);
    } else if (str_eqz(word, "memory")) {
        say_memory();
    } else if (u == NULL) {
        fprintf(stderr, "what is \"%.*s\"?\n", STR_ARG(line));
        exit(2);
    } else if (str_eqz(word, "dump")) {
        say_dump(d, u);
    } else if (str_eqz(word, "changes")) {
        say_changes(u);
    } else if (str_eqz(word, "join") && str_to_u64(fields, &m)) {
        join(d, u, (unsigned)m);
        say_done();
    } else if (str_eqz(word, "leave") && u->user_count > 0) {
        watch_leave(u->watch, &u->users[--u->user_count]);
        say_done();
    }
}

/* -- life -- */

/* The codec of the kind, asked for JSON. */
static struct object *decode_json(const struct object_codec *codec, struct object_pool *pool, unsigned fields,
                                  enum object_format format, str bytes, struct err *err)
{
    for (int kind = 0; kind < KIND_COUNT; kind++) {
        const struct object_codec *c = object_codec_of((enum object_kind)kind);
        if (c->kind == codec->kind)
            return c->decode(c, pool, fields, format, bytes, err);
    }
    return NULL;
}

static const struct object_codec *codec_of(struct driver *d, const char *group, const char *plural)
{
    enum object_kind kind = KIND_CLUSTER_RESOURCE_QUOTA;
    for (int k = 0; k < KIND_COUNT; k++) {
        const struct object_resource *r = object_resource_of((enum object_kind)k);
        if (strcmp(r->group, group) == 0 && strcmp(r->plural, plural) == 0)
            kind = (enum object_kind)k;
    }
    if (!d->json)
        return object_codec_of(kind);
    d->json_codecs[kind] = *object_codec_of(kind);
    d->json_codecs[kind].has_protobuf = false;
    d->json_codecs[kind].decode = decode_json;
    return &d->json_codecs[kind];
}

static void add_watch(struct driver *d, struct watch_config *config, const char *text)
{
    str group, rest, version, plural, namespace;
    struct err err;
    CHECK(d->use_count < WATCHES_MAX);
    CHECK(str_cut(str_from(text), '/', &group, &rest) && str_cut(rest, '/', &version, &plural));
    config->namespaced = str_cut(plural, '@', &plural, &namespace);
    char *group_text = str_dup(str_eqz(group, "core") ? STR("") : group);
    char *plural_text = str_dup(plural);
    config->group = str_from(group_text);
    config->version = version;
    config->plural = str_from(plural_text);
    config->namespace = namespace;
    config->codec = codec_of(d, group_text, plural_text);
    struct use *u = &d->uses[d->use_count++];
    u->driver = d;
    map_init(&u->copy, loop_hash_key(d->loop));
    u->watch = watches_get(d->set, config, &err);
    if (u->watch == NULL) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    mem_free(group_text);
    mem_free(plural_text);
}

static void set_option(struct driver *d, struct watch_periods *p, struct watch_config *config, str key, str value)
{
    int64_t n;
    const struct {
        const char *key;
        int64_t *target;
        int64_t unit;
    } options[] = {
        {"idle_ms", &p->watch_idle_ms, 1},
        {"streaming_idle_ms", &p->streaming_idle_ms, 1},
        {"linger_ms", &p->linger_ms, 1},
        {"not_served_ms", &p->list_watch.not_served_ns, MS},
        {"forbidden_ms", &p->list_watch.forbidden_ns, MS},
        {"backoff_ms", &p->list_watch.backoff_min_ns, MS},
        {"backoff_max_ms", &p->list_watch.backoff_max_ns, MS},
        {"burst", &config->burst, 1},
    };
    CHECK(str_to_i64(value, &n));
    if (str_eqz(key, "idle_ms"))
        p->watch_first_ms = n;
    if (str_eqz(key, "qps"))
        config->qps = (double)n;
    if (str_eqz(key, "json"))
        d->json = n == 1;
    if (str_eqz(key, "fields"))
        config->fields = (unsigned)n;
    for (size_t i = 0; i < COUNT_OF(options); i++)
        if (str_eqz(key, options[i].key))
            *options[i].target = n * options[i].unit;
}

static void stop(struct driver *d)
{
    for (size_t i = 0; i < d->use_count; i++) {
        struct use *u = &d->uses[i];
        check_copy(u);
        while (u->user_count > 0)
            watch_leave(u->watch, &u->users[--u->user_count]);
        watch_unref(u->watch);
        copy_clear(u);
        map_deinit(&u->copy);
    }
    watches_free(d->set);
}

int main(int argc, char **argv)
{
    static struct driver driver;
    struct driver *d = &driver;
    struct err err;
    if (argc < 3) {
        fprintf(stderr, "usage: watch_driver KUBECONFIG [key=value ...] RESOURCE ...\n");
        return 2;
    }
    d->log = driver_log_new(LOG_DEBUG, &d->loop);
    d->logger.log = d->log;
    d->loop = loop_new(&d->logger, &err);
    CHECK(d->loop != NULL);
    d->set = watches_new(d->loop, &d->logger);
    struct watch_periods periods = watch_periods_default;
    struct watch_config config = {
        .kube = {.auth = KUBE_AUTH_KUBECONFIG, .kubeconfig_path = str_from(argv[1])}};
    bool was_set = false;
    for (int i = 2; i < argc; i++) {
        str key, value;
        if (str_cut(str_from(argv[i]), '=', &key, &value)) {
            set_option(d, &periods, &config, key, value);
            continue;
        }
        if (!was_set)
            watches_set_periods(d->set, &periods);
        was_set = true;
        add_watch(d, &config, argv[i]);
    }
    for (size_t i = 0; i < d->use_count; i++)
        join(d, &d->uses[i], config.fields);
    driver_input_begin(&d->input, d->loop, run_command, d);
    loop_run(d->loop);
    driver_input_end(&d->input);
    stop(d);
    loop_free(d->loop);
    log_free(d->log);
    return 0;
}
