/* The receiver's life on fake watches: when it is ready, what a tick gives while resources and objects come and go, what it says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/limits.h"
#include "receivers/kymastats/kymastats.h"
#include "tests/unit/service/fake_loop.h"

#define SECOND INT64_C(1000000000)
static const int64_t tick_ns = 1700000010 * SECOND, start_ns = 1700000000 * SECOND;

/* ---- watches without a server ---- */

struct watch {
    char label[128], version[24];
    struct store store;
    struct watch_user *user;
    bool synced;
    enum watch_trouble trouble;
};

enum { WATCHES_MAX = 8 };
static struct object_pool pool;
static struct watch *watches[WATCHES_MAX];
static size_t watch_count, refuse_after = WATCHES_MAX;
static struct log *test_log;
static char logged[1 << 16];

struct watches *service_watches(struct service *s)
{
    (void)s;
    return (struct watches *)watches;
}

struct object_pool *watches_pool(struct watches *set)
{
    (void)set;
    return &pool;
}

struct watch *watches_get(struct watches *set, const struct watch_config *config, struct err *err)
{
    (void)set;
    assert_ptr_equal(config->codec, custom_resource_codec);
    assert_int_equal(config->namespace.len + config->fields, 0);
    if (watch_count >= refuse_after) {
        err_set(err, "no such surroundings");
        return NULL;
    }
    struct watch *w = mem_zalloc(sizeof *w);
    snprintf(w->label, sizeof w->label, "%.*s/%.*s %.*s", STR_ARG(config->group),
             STR_ARG(config->version), STR_ARG(config->plural));
    store_init(&w->store, &pool);
    watches[watch_count++] = w;
    return w;
}

void watch_unref(struct watch *w)
{
    assert_null(w->user);
    for (size_t i = 0; i < watch_count; i++)
        if (watches[i] == w)
            watches[i] = watches[--watch_count];
    store_deinit(&w->store);
    mem_free(w);
}

void watch_join(struct watch *w, struct watch_user *user)
{
    assert_null(w->user);
    w->user = user;
}

void watch_leave(struct watch *w, struct watch_user *user)
{
    assert_ptr_equal(w->user, user);
    w->user = NULL;
}

bool watch_is_synced(const struct watch *w, const struct watch_user *user)
{
    assert_true(w->user == NULL || w->user == user);
    return w->synced || w->trouble == WATCH_FORBIDDEN || w->trouble == WATCH_NOT_SERVED;
}

enum watch_trouble watch_trouble(const struct watch *w)
{
    return w->trouble;
}

str watch_trouble_text(const struct watch *w)
{
    return w->trouble == WATCH_FAILING ? STR("500 conversion webhook") : STR("");
}

struct store *watch_store(struct watch *w)
{
    return &w->store;
}

str watch_resource_version(const struct watch *w)
{
    return str_from(w->version);
}

str watch_label(const struct watch *w)
{
    return str_from(w->label);
}

static void set_state(struct watch *w, bool synced, enum watch_trouble trouble)
{
    w->synced = synced;
    w->trouble = trouble;
    w->user->on_state(w->user->arg);
}

/* One version of an object, up to which the watch has seen everything. */
static void put_as(struct watch *w, unsigned number, unsigned uid, unsigned version,
                   const char *status)
{
    char json[512];
    struct err err;
    struct object *before = NULL;
    snprintf(json, sizeof json,
             "{\"metadata\":{\"name\":\"object-%u\",\"namespace\":\"shop\",\"uid\":\"%08x-0000-"
             "0000-0000-000000000000\",\"resourceVersion\":\"%u\"}%s}",
             number, uid, version, status);
    struct object *o = custom_resource_codec->decode(custom_resource_codec, &pool, 0, FORMAT_JSON,
                                                     str_from(json), &err);
    if (o == NULL)
        fail_msg("%s", err.text);
    store_put(&w->store, o, &before);
    object_unref(&pool, before);
    snprintf(w->version, sizeof w->version, "%u", version);
}

static void put(struct watch *w, unsigned number, unsigned version, const char *status)
{
    put_as(w, number, number, version, status);
}

static const char ready[] = ",\"status\":{\"state\":\"Ready\",\"conditions\":[]}";

static void remove_object(struct watch *w, unsigned number)
{
    uint8_t uid[16] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                       (uint8_t)number};
    struct object *o = store_remove(&w->store, uid);
    assert_non_null(o);
    object_unref(&pool, o);
}

/* ---- the service ---- */

static struct batch *emitted[64];
static size_t emitted_count, ready_count;
static bool gate_open;

bool receiver_emit(struct receiver *r, struct batch *take_batch)
{
    assert_non_null(r);
    if (!gate_open) {
        batch_unref(take_batch);
        return false;
    }
    assert_true(emitted_count < COUNT_OF(emitted));
    emitted[emitted_count++] = take_batch;
    return true;
}

void receiver_ready(struct receiver *r)
{
    assert_true(r->type->is_ready(r));
    ready_count++;
}

/* ---- one receiver ---- */

struct world {
    struct arena arena;
    struct config_messages messages;
    struct loop *loop;
    struct receiver receiver;
    const struct receiver_type *type;
    struct tick tick;
};

static void take_line(void *arg, str line)
{
    (void)arg;
    size_t used = strlen(logged);
    assert_true(used + line.len < sizeof logged);
    memcpy(logged + used, line.data, line.len);
    logged[used + line.len] = '\0';
}

static int64_t no_time(void *arg)
{
    (void)arg;
    return 0;
}

static size_t log_count(const char *text)
{
    size_t count = 0;
    for (const char *at = logged; (at = strstr(at, text)) != NULL; at += strlen(text))
        count++;
    return count;
}

static const char two[] = "resources: [{group: g, version: v1, resource: as}, {group: g, version: "
                          "v1, resource: bs}]\n";

static bool world_create(struct world *w, const char *settings, struct err *err)
{
    static const uint64_t hash_key[2] = {1, 2};
    const struct log_config log_config = {
        .level = LOG_DEBUG, .sink = take_line, .wall_ns = no_time};
    struct node *root;
    *w = (struct world){.type = &kymastats_receiver};
    emitted_count = ready_count = 0;
    gate_open = true;
    logged[0] = '\0';
    test_log = log_new(&log_config);
    object_pool_init(&pool, hash_key);
    w->loop = fake_loop_new(100 * SECOND, start_ns);
    arena_init(&w->arena, 4096);
    config_messages_init(&w->messages, &w->arena);
    str yaml = arena_printf(&w->arena, "%s%s", two, settings);
    assert_true(yaml_parse(&w->arena, STR("test.yaml"), yaml, &root, err));
    const void *config = config_decode(&w->arena, &kymastats_schema, root, STR("receiver"),
                                       &root->place, &w->messages);
    assert_int_equal(w->messages.error_count, 0);
    w->receiver = (struct receiver){
        .base = {.loop = w->loop, .logger = {.log = test_log}},
        .type = &kymastats_receiver,
        .signals = SIGNAL_METRICS,
    };
    return w->type->create(&w->receiver, config, err);
}

static void world_open(struct world *w, const char *settings)
{
    struct err err;
    if (!world_create(w, settings, &err) || !w->type->start(&w->receiver, &err))
        fail_msg("%s", err.text);
    assert_int_equal(watch_count, 2);
    assert_string_equal(watches[0]->label, "g/v1 as");
    assert_string_equal(watches[1]->label, "g/v1 bs");
}

static void world_free(struct world *w)
{
    assert_int_equal(watch_count, 0);
    while (emitted_count > 0)
        batch_unref(emitted[--emitted_count]);
    object_pool_deinit(&pool);
    log_free(test_log);
    arena_deinit(&w->arena);
    loop_free(w->loop);
}

static void world_close(struct world *w)
{
    w->type->stop(&w->receiver);
    for (size_t i = 0; i < watch_count; i++) {
        uint32_t place = 0;
        const struct object *o;
        while ((o = store_next(&watches[i]->store, &place)) != NULL)
            object_unref(&pool, store_remove(&watches[i]->store, o->uid));
    }
    w->type->destroy(&w->receiver);
    world_free(w);
}

static bool is_ready(const struct world *w)
{
    return w->type->is_ready(&w->receiver);
}

static enum step step(struct world *w)
{
    w->tick.time_ns = tick_ns;
    w->tick.start_ns = start_ns;
    enum step s = w->type->collect(&w->receiver, &w->tick);
    assert_int_equal(s == STEP_DONE, w->tick.cursor == NULL);
    return s;
}

/* A whole tick; "as object-1, bs object-7": its resources in order. */
static void expect_tick(struct world *w, const char *expected)
{
    struct buf got;
    size_t first = emitted_count;
    buf_init(&got, 1 << 20);
    while (step(w) == STEP_MORE) {
    }
    for (size_t i = first; i < emitted_count; i++)
        for (const struct resource *r = emitted[i]->resources; r != NULL; r = r->next)
            buf_printf(&got, "%s%.*s %.*s", got.len > 0 ? ", " : "",
                       STR_ARG(r->attributes.items[2].value.text),
                       STR_ARG(r->attributes.items[3].value.text));
    assert_string_equal(buf_cstr(&got), expected);
    buf_deinit(&got);
}

/* ---- readiness ---- */

static void test_ready(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    assert_false(is_ready(&w));
    set_state(watches[0], true, WATCH_WELL);
    assert_false(is_ready(&w));
    set_state(watches[1], true, WATCH_WELL);
    assert_true(is_ready(&w));
    assert_int_equal(ready_count, 1);
    fake_loop_run(w.loop, 100 * SECOND);
    assert_int_equal(log_count("not waited for"), 0);
    world_close(&w);
    assert_true(w.type->can_be_warm && w.type->kind == RECEIVER_PULL);
    assert_string_equal(w.type->stability, "alpha");
}

static void test_what_cannot_be_watched_is_not_waited_for(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    set_state(watches[0], false, WATCH_NOT_SERVED);
    set_state(watches[1], false, WATCH_FORBIDDEN);
    assert_true(is_ready(&w));
    assert_int_equal(log_count("g/v1 as (not served), g/v1 bs (forbidden)"), 1);
    expect_tick(&w, "");
    world_close(&w);
}

static void test_what_fails_is_waited_for_some_seconds(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    put(watches[0], 1, 5, ready);
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], false, WATCH_FAILING);
    fake_loop_run(w.loop, LIMIT_FAILING_WAIT_MS * INT64_C(1000000) - SECOND);
    assert_false(is_ready(&w));
    fake_loop_run(w.loop, 2 * SECOND);
    assert_true(is_ready(&w));
    assert_int_equal(ready_count, 1);
    assert_int_equal(log_count("g/v1 bs (requests fail)"), 2); /* given up, and ready without it */
    expect_tick(&w, "as object-1");
    put(watches[1], 2, 6, ready); /* half a list */
    expect_tick(&w, "as object-1");
    set_state(watches[1], true, WATCH_WELL);
    expect_tick(&w, "as object-1, bs object-2");
    world_close(&w);
}

static void test_a_slow_list_is_waited_for(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    set_state(watches[0], true, WATCH_WELL);
    fake_loop_run(w.loop, 600 * SECOND);
    assert_false(is_ready(&w));
    assert_int_equal(log_count("g/v1 bs (not complete yet)"), 1);
    set_state(watches[1], false, WATCH_FAILING);
    assert_true(is_ready(&w));
    world_close(&w);
}

static void test_initial_delay(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "initial_delay: 5s");
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], true, WATCH_WELL);
    fake_loop_run(w.loop, 4 * SECOND);
    assert_false(is_ready(&w));
    fake_loop_run(w.loop, 2 * SECOND);
    assert_true(is_ready(&w));
    assert_int_equal(ready_count, 1);
    world_close(&w);
    world_open(&w, "initial_delay: 0");
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], true, WATCH_WELL);
    assert_true(is_ready(&w));
    world_close(&w);
}

static void test_a_second_start_finds_full_stores(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    world_open(&w, "");
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], true, WATCH_WELL);
    w.type->stop(&w.receiver);
    assert_true(w.type->start(&w.receiver, &err));
    assert_true(is_ready(&w));
    assert_int_equal(ready_count, 2);
    world_close(&w);
}

static void test_create_fails(void **state)
{
    (void)state;
    for (refuse_after = 0; refuse_after < 2; refuse_after++) {
        struct world w;
        struct err err;
        assert_false(world_create(&w, "", &err));
        assert_string_equal(err.text, "no such surroundings");
        world_free(&w);
    }
    refuse_after = WATCHES_MAX;
}

/* ---- ticks ---- */

static void test_resources_come_and_go(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    put(watches[0], 1, 5, ready);
    put(watches[1], 2, 6, ready);
    put(watches[1], 3, 7, ",\"status\":{}");
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], true, WATCH_WELL);
    expect_tick(&w, "as object-1, bs object-2");
    remove_object(watches[1], 2); /* its definition is deleted */
    remove_object(watches[1], 3);
    set_state(watches[1], false, WATCH_NOT_SERVED);
    assert_true(is_ready(&w));
    expect_tick(&w, "as object-1");
    set_state(watches[1], false, WATCH_WELL); /* it is back, and being listed */
    put(watches[1], 4, 9, ready);
    assert_true(is_ready(&w));
    expect_tick(&w, "as object-1");
    set_state(watches[1], true, WATCH_WELL);
    expect_tick(&w, "as object-1, bs object-4");
    set_state(watches[0], true, WATCH_FAILING); /* what is known of it stays */
    expect_tick(&w, "as object-1, bs object-4");
    assert_int_equal(ready_count, 1);
    world_close(&w);
}

enum { MANY = 5000 };

static void test_many_objects(void **state)
{
    (void)state;
    struct world w;
    static bool seen[2 * MANY];
    memset(seen, 0, sizeof seen);
    world_open(&w, "");
    for (unsigned i = 0; i < MANY; i++)
        put(watches[0], i, i + 1,
            ",\"status\":{\"state\":\"Ready\",\"conditions\":[{\"type\":\"A\",\"status\":\"True\","
            "\"reason\":\"x\"},{\"type\":\"B\",\"status\":\"False\",\"reason\":\"x\"}]}");
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], true, WATCH_WELL);
    unsigned round = 0;
    for (; step(&w) == STEP_MORE; round++) { /* meanwhile objects come, go and change */
        put(watches[0], MANY + round, MANY + 10 + 2 * round, ready);
        put(watches[0], MANY - 1 - round, MANY + 11 + 2 * round, ready);
        remove_object(watches[0], round);
        /* One of those that were told of is created again, where the walk is still to come. */
        remove_object(watches[0], MANY / 2 + round);
        put_as(watches[0], round, 2 * MANY + round, MANY + 12 + 2 * round, ready);
    }
    assert_in_range(round, 2, 20);
    for (size_t i = 0; i < emitted_count; i++) {
        size_t bytes = emitted[i]->arena.used_bytes;
        assert_in_range(bytes, 1, 8 * LIMIT_TICK_BATCH_BYTES);
        for (const struct resource *r = emitted[i]->resources; r != NULL; r = r->next) {
            uint64_t number;
            str name = str_skip(r->attributes.items[3].value.text, strlen("object-"));
            assert_true(str_to_u64(name, &number) && number < COUNT_OF(seen));
            assert_false(seen[number]);
            seen[number] = true;
            for (const struct metric *m = r->scopes->metrics; m != NULL; m = m->next)
                for (const struct point *p = m->first; p != NULL; p = p->next)
                    assert_true(p->time_ns == tick_ns && p->start_ns == start_ns);
        }
    }
    for (unsigned i = round; i < MANY; i++) /* whatever was there throughout */
        assert_true(seen[i] || i - MANY / 2 < round);
    world_close(&w);
}

static void test_the_gate_closes(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    for (unsigned i = 0; i < MANY; i++)
        put(watches[0], i, i + 1, ready);
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], true, WATCH_WELL);
    assert_int_equal(step(&w), STEP_MORE);
    gate_open = false;
    assert_int_equal(step(&w), STEP_DONE);
    gate_open = true;
    assert_int_equal(step(&w), STEP_MORE); /* another tick, from the beginning */
    assert_true(str_eqz(emitted[1]->resources->attributes.items[3].value.text, "object-0"));
    w.type->abandon(&w.receiver, &w.tick);
    assert_null(w.tick.cursor);
    world_close(&w);
}

/* ---- what is said ---- */

static const char left_out[] = "A resource without a status",
                  conditions_left_out[] = "Conditions of a resource";

static void test_each_version_is_spoken_of_once(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    put(watches[0], 1, 5, "");
    put(watches[0], 2, 6, ready);
    put(watches[0], 3, 7,
        ",\"status\":{\"conditions\":[{\"type\":\"A\",\"status\":\"True\",\"reason\":\"x\"},{"
        "\"type\":\"B\",\"status\":true,\"reason\":\"x\"},3]}");
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], true, WATCH_WELL);
    assert_int_equal(log_count(left_out), 0); /* not before a tick: a standby says nothing */
    for (int i = 0; i < 3; i++)
        expect_tick(&w, "as object-2, as object-3");
    assert_int_equal(log_count(left_out), 1);
    assert_int_equal(log_count("\"kind\": \"as\", \"namespace\": \"shop\", \"name\": \"object-1\""),
                     1);
    assert_int_equal(log_count(conditions_left_out), 1);
    assert_int_equal(log_count("\"count\": 2, \"first\": 1, \"reason\": \"its status is missing or "
                               "no text\""),
                     1);
    assert_int_equal(log_count("has no status.state"), 1);
    put(watches[0], 1, 8, ",\"status\":\"Ready\"");
    expect_tick(&w, "as object-2, as object-3");
    expect_tick(&w, "as object-2, as object-3");
    assert_int_equal(log_count(left_out), 2);
    assert_int_equal(log_count(conditions_left_out), 1);
    /* newer than what the watch vouches for: perhaps more comes before it, so it waits its turn */
    put(watches[0], 1, 20, "");
    snprintf(watches[0]->version, sizeof watches[0]->version, "10");
    expect_tick(&w, "as object-2, as object-3");
    assert_int_equal(log_count(left_out), 2);
    snprintf(watches[0]->version, sizeof watches[0]->version, "20");
    expect_tick(&w, "as object-2, as object-3");
    expect_tick(&w, "as object-2, as object-3");
    assert_int_equal(log_count(left_out), 3);
    /* etcd was restored: versions are given out again */
    put(watches[0], 1, 3, "");
    expect_tick(&w, "as object-2, as object-3");
    expect_tick(&w, "as object-2, as object-3");
    assert_int_equal(log_count(left_out), 4);
    world_close(&w);
}

/* A list is being taken over, or the permission was gone for a while: nothing new is known of the objects. */
static void test_a_watch_without_a_version_makes_nothing_new(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    put(watches[0], 1, 5, "");
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], true, WATCH_WELL);
    expect_tick(&w, "");
    assert_int_equal(log_count(left_out), 1);
    watches[0]->version[0] = '\0';
    expect_tick(&w, "");
    snprintf(watches[0]->version, sizeof watches[0]->version, "5");
    expect_tick(&w, "");
    assert_int_equal(log_count(left_out), 1);
    world_close(&w);
}

static void test_only_some_lines_a_tick(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    for (unsigned i = 0; i < 30; i++)
        put(watches[0], i, i + 1, "");
    for (unsigned i = 0; i < 3; i++)
        put(watches[1], 100 + i, i + 1, "");
    set_state(watches[0], true, WATCH_WELL);
    set_state(watches[1], true, WATCH_WELL);
    for (int i = 0; i < 3; i++)
        expect_tick(&w, "");
    assert_int_equal(log_count(left_out), LIMIT_ODD_WARNINGS);
    assert_int_equal(log_count("More resources have no status"), 1);
    assert_int_equal(log_count("\"count\": 23}"), 1);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_what_cannot_be_watched_is_not_waited_for),
        cmocka_unit_test(test_what_fails_is_waited_for_some_seconds),
        cmocka_unit_test(test_a_slow_list_is_waited_for),
        cmocka_unit_test(test_initial_delay),
        cmocka_unit_test(test_a_second_start_finds_full_stores),
        cmocka_unit_test(test_create_fails),
        cmocka_unit_test(test_resources_come_and_go),
        cmocka_unit_test(test_many_objects),
        cmocka_unit_test(test_the_gate_closes),
        cmocka_unit_test(test_each_version_is_spoken_of_once),
        cmocka_unit_test(test_a_watch_without_a_version_makes_nothing_new),
        cmocka_unit_test(test_only_some_lines_a_tick),
    };
    return cmocka_run_group_tests_name("kymastats", tests, NULL, NULL);
}
