/* The receiver's life on fake watches: what it watches, when it is ready, what a tick gives while objects come and go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/limits.h"
#include "receivers/k8s_cluster/k8s_cluster.h"
#include "tests/unit/service/fake_loop.h"

#define SECOND INT64_C(1000000000)

/* ---- watches without a server ---- */

struct watch {
    char label[128];
    unsigned fields;
    double qps;
    int64_t burst;
    struct store store;
    struct watch_user *user;
    bool synced;
    enum watch_trouble trouble;
};

enum { WATCHES_MAX = 64 };
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
    if (watch_count >= refuse_after) {
        err_set(err, "no such surroundings");
        return NULL;
    }
    struct watch *w = mem_zalloc(sizeof *w);
    snprintf(w->label, sizeof w->label, "%.*s%s%.*s %.*s%s%.*s", STR_ARG(config->group),
             config->group.len > 0 ? "/" : "", STR_ARG(config->version), STR_ARG(config->plural),
             config->namespace.len > 0 ? " in " : "", STR_ARG(config->namespace));
    w->fields = config->fields;
    w->qps = config->qps;
    w->burst = config->burst;
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
    assert_int_equal(user->fields, w->fields);
    user->joined = true;
    w->user = user;
}

void watch_leave(struct watch *w, struct watch_user *user)
{
    assert_ptr_equal(w->user, user);
    w->user = NULL;
    user->joined = false;
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
    return w->trouble == WATCH_FAILING ? STR("connection refused") : STR("");
}

struct store *watch_store(struct watch *w)
{
    return &w->store;
}

str watch_label(const struct watch *w)
{
    return str_from(w->label);
}

static struct watch *find_watch(const char *label)
{
    for (size_t i = 0; i < watch_count; i++)
        if (strcmp(watches[i]->label, label) == 0)
            return watches[i];
    return NULL;
}

static struct watch *the_watch(const char *label)
{
    struct watch *w = find_watch(label);
    if (w == NULL)
        fail_msg("%s is not watched", label);
    return w;
}

static void sync_watch(struct watch *w)
{
    w->synced = true;
    w->user->on_state(w->user->arg);
}

static void sync_all(void)
{
    for (size_t i = 0; i < watch_count; i++)
        if (watches[i]->user != NULL && !watches[i]->synced && watches[i]->trouble == WATCH_WELL)
            sync_watch(watches[i]);
}

static void put(struct watch *w, enum object_kind kind, const char *json)
{
    struct err err;
    struct object *before = NULL;
    const struct object_codec *codec = object_codec_of(kind);
    struct object *o = codec->decode(codec, &pool, w->fields, FORMAT_JSON, str_from(json), &err);
    if (o == NULL)
        fail_msg("%s", err.text);
    store_put(&w->store, o, &before);
    object_unref(&pool, before);
}

static void put_pod_as(struct watch *w, unsigned number, unsigned uid)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"metadata\":{\"name\":\"pod-%u\",\"namespace\":\"a\",\"uid\":\"%08x-0000-0000-0000-"
             "000000000000\",\"resourceVersion\":\"%u\"},\"spec\":{\"containers\":[{\"name\":\"c\","
             "\"resources\":{\"limits\":{\"cpu\":\"1\"}}}]},\"status\":{\"phase\":\"Running\"}}",
             number, uid, uid);
    put(w, KIND_POD, json);
}

static void put_pod(struct watch *w, unsigned number)
{
    put_pod_as(w, number, number);
}

static void remove_pod(struct watch *w, unsigned number)
{
    uint8_t uid[16] = {(uint8_t)(number >> 24), (uint8_t)(number >> 16), (uint8_t)(number >> 8),
                       (uint8_t)number};
    struct object *o = store_remove(&w->store, uid);
    assert_non_null(o);
    object_unref(&pool, o);
}

/* ---- the service ---- */

static struct batch *emitted[WATCHES_MAX];
static size_t emitted_count, ready_count;
static bool gate_open, spec_format;

bool service_gate_enabled(const struct service *s, const char *name)
{
    (void)s;
    assert_string_equal(name, "pkg.experimentalmetricmetadata.useEntityEventsSpecification");
    return spec_format;
}

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

static bool reloading;
bool receiver_stops_for_reload(const struct receiver *r)
{
    assert_non_null(r);
    return reloading;
}

void receiver_ready(struct receiver *r)
{
    assert_true(r->type->is_ready(r));
    ready_count++;
}

/* ---- entity events: which of their functions are called ---- */

static char calls[256];
static int entities_dummy;

static void note(const char *call)
{
    size_t used = strlen(calls);
    snprintf(calls + used, sizeof calls - used, "%s", call);
}

struct entities *entities_new(struct k8s_cluster *k)
{
    assert_true(k->stream_count > 0);
    note(k->entity_spec_format ? "new-spec " : "new ");
    return (struct entities *)&entities_dummy;
}
void entities_free(struct entities *e)
{
    assert_ptr_equal(e, &entities_dummy);
    note("free ");
}
void entities_change(struct entities *e, const struct k8s_stream *stream,
                     const struct watch_change *change)
{
    (void)e;
    note(change->kind == WATCH_ADDED ? "added-" : "changed-");
    note(object_kind_name(stream->kind));
    note(" ");
}
void entities_state(struct entities *e, const struct k8s_stream *stream)
{
    (void)e;
    (void)stream;
    if (strstr(calls, "state ") == NULL)
        note("state ");
}
void entities_activate(struct entities *e, struct position position)
{
    (void)e;
    note(position.text.len > 0 ? "activate-at " : "activate ");
}
void entities_deactivate(struct entities *e)
{
    (void)e;
    note("deactivate ");
}
void entities_room(struct entities *e)
{
    (void)e;
    note("room ");
}
void entities_stop(struct entities *e)
{
    (void)e;
    note("stop ");
}
void entities_carry(struct entities *e, struct entities *from)
{
    assert_ptr_equal(e, from); /* there is one dummy */
    note("carry ");
}
void entities_start(struct entities *e)
{
    assert_ptr_equal(e, &entities_dummy);
    note("start ");
}

/* ---- one receiver ---- */

struct world {
    struct arena arena;
    struct config_messages messages;
    struct loop *loop;
    struct receiver receiver;
    const struct receiver_type *type;
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

static bool was_logged(const char *text)
{
    return strstr(logged, text) != NULL;
}

static bool world_create(struct world *w, const char *yaml, unsigned signals, struct err *err)
{
    static const uint64_t hash_key[2] = {1, 2};
    const struct log_config log_config = {
        .level = LOG_DEBUG, .sink = take_line, .wall_ns = no_time};
    struct node *root;
    *w = (struct world){.type = &k8s_cluster_receiver};
    emitted_count = ready_count = 0;
    gate_open = true;
    logged[0] = calls[0] = '\0';
    test_log = log_new(&log_config);
    object_pool_init(&pool, hash_key);
    w->loop = fake_loop_new(100 * SECOND, 1700000000 * SECOND);
    arena_init(&w->arena, 4096);
    config_messages_init(&w->messages, &w->arena);
    assert_true(yaml_parse(&w->arena, STR("test.yaml"), str_from(yaml), &root, err));
    const void *config = config_decode(&w->arena, &k8s_cluster_schema, root, STR("receiver"),
                                       &root->place, &w->messages);
    assert_int_equal(w->messages.error_count, 0);
    w->receiver = (struct receiver){
        .base = {.loop = w->loop, .logger = {.log = test_log}},
        .type = &k8s_cluster_receiver,
        .signals = signals,
    };
    return w->type->create(&w->receiver, config, err);
}

static void world_open(struct world *w, const char *yaml, unsigned signals)
{
    struct err err;
    if (!world_create(w, yaml, signals, &err))
        fail_msg("%s", err.text);
}

static void world_start(struct world *w)
{
    struct err err;
    if (!w->type->start(&w->receiver, &err))
        fail_msg("%s", err.text);
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

static void world_close(struct world *w, bool started)
{
    if (started)
        w->type->stop(&w->receiver);
    w->type->destroy(&w->receiver);
    world_free(w);
}

static void assert_watched(const char *const *labels, size_t count)
{
    for (size_t i = 0; i < count; i++)
        the_watch(labels[i]);
    if (watch_count != count)
        for (size_t i = 0; i < watch_count; i++)
            print_message("watched: %s\n", watches[i]->label);
    assert_int_equal(watch_count, count);
}
#define ASSERT_WATCHED(...)                                                                        \
    assert_watched((const char *const[]){__VA_ARGS__},                                             \
                   COUNT_OF(((const char *const[]){__VA_ARGS__})))

/* ---- what is watched ---- */

static void test_default_kinds(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "", SIGNAL_METRICS);
    /* no metric of a service is on */
    ASSERT_WATCHED("v1 pods", "v1 nodes", "v1 namespaces", "v1 replicationcontrollers",
                   "v1 resourcequotas", "apps/v1 daemonsets", "apps/v1 deployments",
                   "apps/v1 replicasets", "apps/v1 statefulsets", "batch/v1 jobs",
                   "batch/v1 cronjobs", "autoscaling/v2 horizontalpodautoscalers");
    assert_int_equal(the_watch("v1 pods")->fields, 0);
    world_close(&w, false);
}

static void test_kinds_of_entity_events(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "", SIGNAL_LOGS);
    ASSERT_WATCHED("v1 pods", "v1 nodes", "v1 namespaces", "v1 replicationcontrollers",
                   "v1 services", "apps/v1 daemonsets", "apps/v1 deployments",
                   "apps/v1 replicasets", "apps/v1 statefulsets", "batch/v1 jobs",
                   "batch/v1 cronjobs", "autoscaling/v2 horizontalpodautoscalers",
                   "v1 persistentvolumes", "v1 persistentvolumeclaims");
    for (size_t i = 0; i < watch_count; i++)
        assert_int_equal(watches[i]->fields, OBJECT_METADATA | OBJECT_STATES);
    world_close(&w, false);
}

static void test_optional_kinds(void **state)
{
    (void)state;
    struct world w;
    world_open(&w,
               "kube_api_qps: 7\nkube_api_burst: 9\ndistribution: openshift\n"
               "metrics: {k8s.service.endpoint.count: {enabled: true}, "
               "k8s.persistentvolume.status.phase: {enabled: true}, "
               "k8s.persistentvolumeclaim.storage.request: {enabled: true}, k8s.hpa.max_replicas: "
               "{enabled: false}}",
               SIGNAL_METRICS | SIGNAL_LOGS);
    assert_int_equal(watch_count, 17);
    the_watch("v1 services");
    the_watch("discovery.k8s.io/v1 endpointslices");
    the_watch("v1 persistentvolumes");
    the_watch("v1 persistentvolumeclaims");
    the_watch("quota.openshift.io/v1 clusterresourcequotas");
    assert_true(watches[0]->qps == 7);
    assert_int_equal(watches[0]->burst, 9);
    world_close(&w, false);
    /* nothing but pods, for a container's metric and two attributes */
    world_open(&w,
               "node_conditions_to_report: []\n"
               "metrics: {k8s.pod.phase: {enabled: false}, k8s.container.status.state: {enabled: "
               "true}, k8s.namespace.phase: {enabled: false}, k8s.replicaset.desired: {enabled: "
               "false}, k8s.replicaset.available: {enabled: false}}\n"
               "resource_attributes: {k8s.container.status.last_terminated_reason: {enabled: "
               "true}}\nspec_image_fallback: true",
               SIGNAL_METRICS);
    assert_null(find_watch("v1 nodes"));
    assert_null(find_watch("v1 namespaces"));
    assert_null(find_watch("apps/v1 replicasets"));
    assert_int_equal(the_watch("v1 pods")->fields,
                     OBJECT_STATES | OBJECT_LAST_TERMINATED | OBJECT_SPEC_IMAGE);
    world_close(&w, false);
    world_open(&w,
               "metrics: {k8s.namespace.phase: {enabled: false}}\nresource_attributes: "
               "{k8s.cluster.uid: {enabled: true}}",
               SIGNAL_METRICS);
    the_watch("v1 namespaces");
    world_close(&w, false);
}

static void test_namespaces(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "namespaces: [b, a]\ndistribution: openshift", SIGNAL_METRICS);
    assert_int_equal(watch_count, 2 * 10); /* without nodes and namespaces */
    the_watch("v1 pods in a");
    the_watch("v1 pods in b");
    assert_null(find_watch("v1 nodes"));
    assert_null(find_watch("quota.openshift.io/v1 clusterresourcequotas"));
    world_start(&w);
    assert_true(was_logged("Only some namespaces are watched"));
    assert_true(was_logged("\"b,a\""));
    world_close(&w, true);
}

static void test_refused_surroundings(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    refuse_after = 3;
    assert_false(world_create(&w, "", SIGNAL_METRICS | SIGNAL_LOGS, &err));
    assert_string_equal(err.text, "no such surroundings");
    assert_string_equal(calls, "");
    refuse_after = WATCHES_MAX;
    world_free(&w);
}

static void test_metadata_exporters(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    world_open(&w, "metadata_exporters: [signalfx]", SIGNAL_METRICS);
    assert_false(w.type->start(&w.receiver, &err));
    assert_non_null(strstr(err.text, "signalfx"));
    for (size_t i = 0; i < watch_count; i++)
        assert_null(watches[i]->user);
    world_close(&w, false);
}

/* ---- readiness ---- */

static void test_ready(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "", SIGNAL_METRICS);
    assert_int_equal(w.type->interval_ns(&w.receiver), 10 * SECOND);
    world_start(&w);
    struct watch *jobs = the_watch("batch/v1 jobs"), *pods = the_watch("v1 pods"),
                 *crons = the_watch("batch/v1 cronjobs");
    crons->trouble = WATCH_NOT_SERVED;
    crons->user->on_state(crons->user->arg);
    jobs->trouble = WATCH_FORBIDDEN;
    jobs->user->on_state(jobs->user->arg);
    pods->trouble = WATCH_FAILING;
    pods->user->on_state(pods->user->arg);
    put_pod(pods, 1);
    sync_all();
    assert_int_equal(ready_count, 0);
    assert_false(w.type->is_ready(&w.receiver));
    pods->trouble = WATCH_WELL;
    sync_watch(pods);
    assert_int_equal(ready_count, 1);
    assert_true(was_logged("All watches are synced"));
    assert_true(was_logged("batch/v1 jobs (forbidden), batch/v1 cronjobs (not served)"));
    assert_true(was_logged("\"objects\": 1"));
    logged[0] = '\0';
    fake_loop_run(w.loop, 120 * SECOND);
    assert_false(was_logged("Still waiting"));
    /* lost and full again: ready again, without another line */
    pods->synced = false;
    pods->user->on_state(pods->user->arg);
    assert_false(w.type->is_ready(&w.receiver));
    sync_watch(pods);
    assert_int_equal(ready_count, 2);
    assert_false(was_logged("All watches are synced"));
    world_close(&w, true);
}

/* The permission for a kind comes, but its list does not: nobody waited for it before, and nobody does now. */
static void test_a_missing_kind_that_fails_holds_up_no_tick(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "", SIGNAL_METRICS);
    world_start(&w);
    struct watch *jobs = the_watch("batch/v1 jobs");
    jobs->trouble = WATCH_FORBIDDEN;
    sync_all();
    assert_true(w.type->is_ready(&w.receiver));
    jobs->synced = false;
    jobs->trouble = WATCH_WELL; /* the list begins */
    jobs->user->on_state(jobs->user->arg);
    assert_true(w.type->is_ready(&w.receiver));
    jobs->trouble = WATCH_FAILING;
    jobs->user->on_state(jobs->user->arg);
    assert_true(w.type->is_ready(&w.receiver));
    /* Once it was there, it counts. */
    jobs->trouble = WATCH_WELL;
    sync_watch(jobs);
    assert_true(w.type->is_ready(&w.receiver));
    jobs->synced = false;
    jobs->user->on_state(jobs->user->arg);
    assert_false(w.type->is_ready(&w.receiver));
    world_close(&w, true);
}

static void test_silence(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "", SIGNAL_METRICS);
    world_start(&w);
    the_watch("v1 pods")->trouble = WATCH_FAILING;
    sync_all();
    fake_loop_run(w.loop, 59 * SECOND);
    assert_false(was_logged("Still waiting"));
    fake_loop_run(w.loop, 2 * SECOND);
    assert_true(was_logged("Still waiting"));
    assert_true(was_logged("\"v1 pods (requests fail)\", \"error\": \"connection refused\""));
    logged[0] = '\0';
    fake_loop_run(w.loop, 600 * SECOND);
    assert_false(was_logged("Still waiting")); /* once */
    world_close(&w, true);
}

static void test_nothing_to_watch(void **state)
{
    (void)state;
    struct world w;
    char yaml[8192] = "node_conditions_to_report: []\nmetrics:\n";
    for (size_t i = 0; i < K8S_METRIC_COUNT; i++)
        snprintf(yaml + strlen(yaml), sizeof yaml - strlen(yaml), "  %.*s: {enabled: false}\n",
                 STR_ARG(k8s_metrics[i].desc.name));
    world_open(&w, yaml, SIGNAL_METRICS);
    assert_int_equal(watch_count, 0);
    world_start(&w);
    assert_int_equal(ready_count, 1);
    struct tick tick = {.time_ns = 2, .start_ns = 1};
    assert_int_equal(w.type->collect(&w.receiver, &tick), STEP_DONE);
    assert_int_equal(emitted_count, 0);
    assert_null(tick.cursor);
    world_close(&w, true);
}

/* ---- ticks ---- */

static void count_pods(unsigned *seen, size_t count)
{
    memset(seen, 0, count * sizeof *seen);
    for (size_t i = 0; i < emitted_count; i++) {
        for (const struct resource *r = emitted[i]->resources; r != NULL; r = r->next) {
            if (!str_eqz(r->scopes->metrics->desc->name, "k8s.pod.phase"))
                continue;
            str name = r->attributes.items[1].value.text;
            uint64_t number;
            assert_true(str_to_u64(str_skip(name, 4), &number));
            assert_true(number < count);
            seen[number]++;
            assert_int_equal(r->scopes->metrics->first->time_ns, 77);
            assert_int_equal(r->scopes->metrics->first->start_ns, 5);
        }
    }
}

/* Objects that are there throughout come exactly once, whatever comes and goes between batches; names that are created again at most once. */
static void test_tick_while_objects_come_and_go(void **state)
{
    (void)state;
    enum { PODS = 4000, ALL = 5000 };
    static unsigned seen[ALL];
    struct world w;
    world_open(&w, "", SIGNAL_METRICS);
    world_start(&w);
    struct watch *pods = the_watch("v1 pods");
    for (unsigned i = 0; i < PODS; i++)
        put_pod(pods, i);
    put(the_watch("v1 nodes"), KIND_NODE,
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\"},\"status\":{}}");
    sync_all();
    struct tick tick = {.time_ns = 77, .start_ns = 5};
    unsigned removed = 0, added = PODS;
    while (w.type->collect(&w.receiver, &tick) == STEP_MORE) {
        tick.step++;
        for (unsigned i = 0; i < 100; i++, removed += 7) {
            remove_pod(pods, removed);
            put_pod(pods, added++);
            put_pod_as(pods, removed, ALL + removed); /* at another place */
        }
    }
    assert_null(tick.cursor);
    assert_in_range(emitted_count, 3, 10);
    count_pods(seen, ALL);
    for (unsigned i = 0; i < PODS; i++) {
        bool was_removed = i % 7 == 0 && i < removed;
        if (was_removed ? seen[i] > 1 : seen[i] != 1)
            fail_msg("pod %u came %u times", i, seen[i]);
    }
    for (unsigned i = PODS; i < ALL; i++)
        assert_in_range(seen[i], 0, 1);
    /* the node's values come last */
    const struct resource *last = emitted[emitted_count - 1]->last_resource;
    assert_true(str_eqz(last->scopes->metrics->desc->name, "k8s.node.condition_ready"));
    world_close(&w, true);
}

static void test_closed_gate(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "", SIGNAL_METRICS);
    world_start(&w);
    for (unsigned i = 0; i < 4000; i++)
        put_pod(the_watch("v1 pods"), i);
    sync_all();
    struct tick tick = {.time_ns = 77, .start_ns = 5};
    assert_int_equal(w.type->collect(&w.receiver, &tick), STEP_MORE);
    assert_non_null(tick.cursor);
    gate_open = false;
    assert_int_equal(w.type->collect(&w.receiver, &tick), STEP_DONE);
    assert_null(tick.cursor);
    w.type->abandon(&w.receiver, &tick); /* nothing is left to free */
    /* abandoned in the middle */
    gate_open = true;
    tick = (struct tick){.time_ns = 78, .start_ns = 5};
    assert_int_equal(w.type->collect(&w.receiver, &tick), STEP_MORE);
    w.type->abandon(&w.receiver, &tick);
    assert_null(tick.cursor);
    world_close(&w, true);
}

static unsigned calls_of_a_tick(struct world *w)
{
    struct tick tick = {.time_ns = 77, .start_ns = 5};
    unsigned count = 1;
    while (w->type->collect(&w->receiver, &tick) == STEP_MORE)
        count++;
    return count;
}

/* Many objects without a point do not make one long call. */
static void test_objects_that_a_filter_drops(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "resource_attributes: {k8s.namespace.name: {metrics_include: [{strict: z}]}}",
               SIGNAL_METRICS);
    world_start(&w);
    for (unsigned i = 0; i < 20000; i++)
        put_pod(the_watch("v1 pods"), i);
    sync_all();
    assert_in_range(calls_of_a_tick(&w), 2, 10);
    assert_int_equal(emitted_count, 0);
    world_close(&w, true);
}

static void test_objects_without_points(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "", SIGNAL_METRICS);
    world_start(&w);
    for (unsigned i = 0; i < 70000; i++) {
        char json[128];
        snprintf(json, sizeof json,
                 "{\"metadata\":{\"name\":\"r\",\"uid\":\"%08x-0000-0000-0000-000000000000\"}}", i);
        put(the_watch("apps/v1 replicasets"), KIND_REPLICA_SET, json); /* no spec.replicas */
    }
    sync_all();
    assert_in_range(calls_of_a_tick(&w), 3, 5);
    assert_int_equal(emitted_count, 0);
    world_close(&w, true);
}

static void test_order_and_cluster_uid(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "resource_attributes: {k8s.cluster.uid: {enabled: true}}", SIGNAL_METRICS);
    world_start(&w);
    put_pod(the_watch("v1 pods"), 1);
    put(the_watch("v1 nodes"), KIND_NODE,
        "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\"},\"status\":{}}");
    put(the_watch("v1 namespaces"), KIND_NAMESPACE,
        "{\"metadata\":{\"name\":\"kube-system\",\"uid\":\"01234567-89ab-cdef-0123-456789abcdef\"},"
        "\"status\":{\"phase\":\"Active\"}}");
    put(the_watch("apps/v1 deployments"), KIND_DEPLOYMENT,
        "{\"metadata\":{\"name\":\"d\",\"namespace\":\"a\",\"uid\":\"u\"}}");
    put(the_watch("batch/v1 jobs"), KIND_JOB,
        "{\"metadata\":{\"name\":\"j\",\"namespace\":\"a\",\"uid\":\"u\"}}");
    sync_all();
    static const char *const first_metrics[] = {"k8s.pod.phase",       "k8s.container.cpu_limit",
                                                "k8s.namespace.phase", "k8s.deployment.available",
                                                "k8s.job.active_pods", "k8s.node.condition_ready"};
    struct tick tick = {.time_ns = 77, .start_ns = 5};
    assert_int_equal(w.type->collect(&w.receiver, &tick), STEP_DONE);
    assert_int_equal(emitted_count, 1);
    size_t i = 0;
    for (const struct resource *r = emitted[0]->resources; r != NULL; r = r->next) {
        const struct attribute *last = &r->attributes.items[r->attributes.count - 1];
        assert_true(i < COUNT_OF(first_metrics));
        assert_true(str_eqz(r->scopes->metrics->desc->name, first_metrics[i++]));
        assert_true(str_eqz(last->key, "k8s.cluster.uid"));
        assert_true(str_eqz(last->value.text, "01234567-89ab-cdef-0123-456789abcdef"));
    }
    assert_int_equal(i, COUNT_OF(first_metrics));
    world_close(&w, true);
}

/* Each namespace's services find the slices of their own namespace. */
static void test_services_by_namespace(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "namespaces: [a, b]\nmetrics: {k8s.service.endpoint.count: {enabled: true}}",
               SIGNAL_METRICS);
    world_start(&w);
    for (const char *n = "ab"; *n != '\0'; n++) {
        char label[64], json[512];
        snprintf(label, sizeof label, "v1 services in %c", *n);
        snprintf(json, sizeof json,
                 "{\"metadata\":{\"name\":\"web\",\"namespace\":\"%c\",\"uid\":\"s-%c\"},\"spec\":{"
                 "\"type\":\"ClusterIP\"}}",
                 *n, *n);
        put(the_watch(label), KIND_SERVICE, json);
    }
    put(the_watch("discovery.k8s.io/v1 endpointslices in b"), KIND_ENDPOINT_SLICE,
        "{\"metadata\":{\"name\":\"e\",\"namespace\":\"b\",\"uid\":\"e\",\"labels\":{\"kubernetes."
        "io/service-name\":\"web\"}},\"addressType\":\"IPv4\",\"endpoints\":[{\"conditions\":{}}]}");
    sync_all();
    struct tick tick = {.time_ns = 77, .start_ns = 5};
    assert_int_equal(w.type->collect(&w.receiver, &tick), STEP_DONE);
    assert_int_equal(emitted_count, 1);
    assert_int_equal(emitted[0]->resource_count, 1);
    assert_true(str_eqz(emitted[0]->resources->attributes.items[0].value.text, "s-b"));
    assert_int_equal(emitted[0]->item_count, 3);
    world_close(&w, true);
}

/* ---- entity events ---- */

/* Watches are followed until the journal of changes has gone over. */
static void test_reload_with_entity_events(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "", SIGNAL_LOGS);
    world_start(&w);
    const struct watch *pods = the_watch("v1 pods");
    reloading = true;
    w.type->stop(&w.receiver);
    reloading = false;
    assert_non_null(pods->user);
    w.type->carry(&w.receiver, &w.receiver);
    w.type->destroy(&w.receiver); /* and each watch_unref sees to it that nobody is joined */
    assert_string_equal(calls, "new start carry free ");
    world_free(&w);
}

static void test_entity_events(void **state)
{
    (void)state;
    struct world w;
    struct err err;
    spec_format = true;
    world_open(&w, "", SIGNAL_LOGS);
    spec_format = false;
    world_start(&w);
    struct watch *pods = the_watch("v1 pods");
    put_pod(pods, 1);
    uint32_t place = 0;
    const struct object *o = store_next(&pods->store, &place);
    const struct watch_change change = {.kind = WATCH_ADDED, .after = o};
    pods->user->on_change(pods->user->arg, &change);
    sync_all();
    assert_true(w.type->activate(&w.receiver, (struct position){.text = STR("p")}, &err));
    w.type->on_room(&w.receiver);
    w.type->deactivate(&w.receiver);
    const struct k8s_cluster *k = w.receiver.base.state;
    assert_ptr_equal(k8s_cluster_find(k, KIND_POD, o->uid), o);
    assert_null(k8s_cluster_find(k, KIND_JOB, o->uid));
    struct tick tick = {.time_ns = 77, .start_ns = 5};
    assert_int_equal(w.type->collect(&w.receiver, &tick), STEP_DONE); /* no metrics wanted */
    assert_int_equal(emitted_count, 0);
    w.type->stop(&w.receiver);
    w.type->destroy(&w.receiver);
    assert_string_equal(calls,
                        "new-spec start added-Pod state activate-at room deactivate stop free ");
    world_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_default_kinds),
        cmocka_unit_test(test_kinds_of_entity_events),
        cmocka_unit_test(test_optional_kinds),
        cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_refused_surroundings),
        cmocka_unit_test(test_metadata_exporters),
        cmocka_unit_test(test_ready),
        cmocka_unit_test(test_a_missing_kind_that_fails_holds_up_no_tick),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_nothing_to_watch),
        cmocka_unit_test(test_tick_while_objects_come_and_go),
        cmocka_unit_test(test_closed_gate),
        cmocka_unit_test(test_objects_that_a_filter_drops),
        cmocka_unit_test(test_objects_without_points),
        cmocka_unit_test(test_order_and_cluster_uid),
        cmocka_unit_test(test_services_by_namespace),
        cmocka_unit_test(test_entity_events),
        cmocka_unit_test(test_reload_with_entity_events),
    };
    return cmocka_run_group_tests_name("k8s_cluster", tests, NULL, NULL);
}
