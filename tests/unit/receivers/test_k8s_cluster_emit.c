/* Points of each kind, from JSON as the API server gives it: every worked example, and what is odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "receivers/k8s_cluster/emit.h"

static const int64_t tick_ns = 1700000010000000000, start_ns = 1700000000000000000;
static const uint64_t hash_key[2] = {1, 2};

/* ---- what comes out, as text ---- */

static void print_value(struct buf *b, const struct value *v)
{
    switch (v->kind) {
    case VALUE_STR:
        buf_str(b, v->text);
        break;
    case VALUE_BOOL:
        buf_text(b, v->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        buf_printf(b, "%" PRId64, v->integer);
        break;
    case VALUE_DOUBLE:
        buf_double(b, v->real);
        buf_text(b, " double");
        break;
    default:
        fail_msg("unexpected kind of value %d", (int)v->kind);
    }
}

static void print_attributes(struct buf *b, const struct attributes *a)
{
    buf_text(b, "{");
    for (size_t i = 0; i < a->count; i++) {
        buf_printf(b, "%s%.*s=", i > 0 ? ", " : "", STR_ARG(a->items[i].key));
        print_value(b, &a->items[i].value);
    }
    buf_text(b, "}");
}

static void print_keys(struct buf *b, const str *keys, size_t count)
{
    buf_text(b, "[");
    for (size_t i = 0; i < count; i++)
        buf_printf(b, "%s%.*s", i > 0 ? " " : "", STR_ARG(keys[i]));
    buf_text(b, "]");
}

static void print_metric(struct buf *b, const struct metric *m, bool is_named)
{
    assert_true(m->point_count > 0);
    for (const struct point *p = m->first; p != NULL; p = p->next) {
        buf_printf(b, "  %.*s", STR_ARG(m->desc->name));
        if (p->attributes.count > 0)
            print_attributes(b, &p->attributes);
        buf_text(b, " = ");
        print_value(b, &p->value);
        if (is_named)
            buf_printf(b, " \"%.*s\"", STR_ARG(m->desc->unit));
        buf_text(b, "\n");
        assert_int_equal(p->time_ns, tick_ns);
        assert_int_equal(p->start_ns, is_named ? 0 : start_ns);
        assert_int_equal(p->flags, 0);
    }
}

static void print_batch(struct buf *b, const struct batch *batch)
{
    size_t points = 0, resources = 0;
    for (const struct resource *r = batch->resources; r != NULL; r = r->next) {
        resources++;
        print_attributes(b, &r->attributes);
        assert_true(r->entity_ref_count <= 1);
        if (r->entity_ref_count == 1) {
            const struct entity_ref *ref = r->entity_refs;
            buf_printf(b, " %.*s", STR_ARG(ref->type));
            print_keys(b, ref->id_keys, ref->id_key_count);
            print_keys(b, ref->description_keys, ref->description_key_count);
            assert_int_equal(ref->schema_url.len, 0);
        }
        buf_text(b, "\n");
        assert_true(str_eqz(r->schema_url, "https://opentelemetry.io/schemas/1.18.0"));
        const struct scope *s = r->scopes;
        assert_non_null(s);
        assert_null(s->next);
        assert_true(str_eqz(s->name, "github.com/open-telemetry/opentelemetry-collector-contrib/"
                                     "receiver/k8sclusterreceiver"));
        assert_true(str_eqz(s->version, BATON_VERSION));
        assert_int_equal(s->schema_url.len, 0);
        assert_non_null(s->metrics);
        for (const struct metric *m = s->metrics; m != NULL; m = m->next) {
            const char *start = (const char *)k8s_metrics, *at = (const char *)m->desc;
            print_metric(b, m, at < start || at >= start + sizeof k8s_metrics);
            points += m->point_count;
        }
    }
    assert_int_equal(points, batch->item_count);
    assert_int_equal(resources, batch->resource_count);
}

/* ---- a receiver without a loop ---- */

struct world {
    struct arena arena;
    struct config_messages messages;
    struct object_pool pool;
    struct logger logger;
    struct emit emit;
    unsigned fields;
    struct store slices;
    struct object *objects[16];
    size_t object_count;
    struct batch *batch;
    str cluster_uid;
};

static void world_open(struct world *w, const char *yaml)
{
    struct node *root;
    struct err err;
    *w = (struct world){.fields = OBJECT_STATES | OBJECT_LAST_TERMINATED};
    arena_init(&w->arena, 4096);
    config_messages_init(&w->messages, &w->arena);
    assert_true(yaml_parse(&w->arena, STR("test.yaml"), str_from(yaml), &root, &err));
    const struct k8s_cluster_config *config = config_decode(
        &w->arena, &k8s_cluster_schema, root, STR("receiver"), &root->place, &w->messages);
    if (w->messages.error_count > 0)
        fail_msg("%.*s", STR_ARG(w->messages.first->text));
    object_pool_init(&w->pool, hash_key);
    emit_init(&w->emit, config, &w->pool, &w->logger);
    store_init(&w->slices, &w->pool);
    store_group_by(&w->slices, endpoint_slice_group);
    w->batch = batch_new(SIGNAL_METRICS);
    emit_begin(&w->emit, w->batch, tick_ns, start_ns);
}

/* Also takes everything the batch could refer to away before it is looked at. */
static void world_close(struct world *w, const char *expected)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    emit_deinit(&w->emit);
    memset(&w->emit, 0x5a, sizeof w->emit);
    for (size_t i = 0; i < w->object_count; i++)
        object_unref(&w->pool, w->objects[i]);
    store_deinit(&w->slices);
    assert_int_equal(atoms_count(w->pool.atoms), 0);
    object_pool_deinit(&w->pool);
    arena_deinit(&w->arena);
    print_batch(&text, w->batch);
    if (!str_eqz(buf_view(&text), expected))
        fail_msg("got:\n%.*sexpected:\n%s", STR_ARG(buf_view(&text)), expected);
    batch_unref(w->batch);
    buf_deinit(&text);
}

static struct object *decode(struct world *w, enum object_kind kind, const char *json)
{
    struct err err;
    const struct object_codec *codec = object_codec_of(kind);
    struct object *o = codec->decode(codec, &w->pool, w->fields, FORMAT_JSON, str_from(json), &err);
    if (o == NULL)
        fail_msg("%s: %s", json, err.text);
    return o;
}

static void add(struct world *w, enum k8s_entity entity, const char *json)
{
    struct object *o = decode(w, k8s_entities[entity].kind, json);
    assert_true(w->object_count < COUNT_OF(w->objects));
    w->objects[w->object_count++] = o;
    emit_object(&w->emit, entity, o, &w->slices);
}

static void add_slice(struct world *w, const char *json)
{
    struct object *before = NULL;
    store_put(&w->slices, decode(w, KIND_ENDPOINT_SLICE, json), &before);
    if (before != NULL)
        object_unref(&w->pool, before);
}

/* One object, one configuration. */
static void check(const char *yaml, enum k8s_entity entity, const char *json, const char *expected)
{
    struct world w;
    world_open(&w, yaml);
    add(&w, entity, json);
    world_close(&w, expected);
}

/* ---- pods ---- */

static const char running_pod[] =
    "{\"metadata\":{\"name\":\"web-1\",\"namespace\":\"shop\",\"uid\":\"p-1\"},"
    "\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"app\",\"image\":\"reg.io/web:2.1\","
    "\"resources\":{\"requests\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"},\"limits\":{\"cpu\":"
    "\"1500m\",\"nvidia.com/gpu\":\"1\"}}}]},"
    "\"status\":{\"phase\":\"Running\",\"qosClass\":\"Burstable\",\"containerStatuses\":[{\"name\":"
    "\"app\",\"image\":\"reg.io/web:2.1\",\"ready\":true,\"restartCount\":2,\"containerID\":"
    "\"containerd://c0ffee\",\"state\":{\"running\":{\"startedAt\":\"2026-01-01T00:00:00Z\"}}}]}}";

static const char pending_pod[] =
    "{\"metadata\":{\"name\":\"bad\",\"namespace\":\"shop\",\"uid\":\"p-2\"},"
    "\"spec\":{\"containers\":[{\"name\":\"app\",\"resources\":{\"requests\":{\"memory\":\"1500m\"}"
    "}},{\"name\":\"side\"}]},"
    "\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"name\":\"app\",\"image\":\"reg.io/"
    "x:1\",\"ready\":false,\"restartCount\":0,\"containerID\":\"\",\"state\":{\"waiting\":{"
    "\"reason\":\"ErrImagePull\"}}}]}}";

static void test_running_pod(void **state)
{
    (void)state;
    check("", ENTITY_POD, running_pod,
          "{k8s.pod.uid=p-1, k8s.pod.name=web-1, k8s.namespace.name=shop, k8s.node.name=n1} "
          "k8s.pod[k8s.pod.uid][k8s.pod.name]\n"
          "  k8s.pod.phase = 2\n"
          "{container.id=c0ffee, k8s.container.name=app, container.image.name=reg.io/web, "
          "container.image.tag=2.1, k8s.pod.uid=p-1, k8s.pod.name=web-1, k8s.namespace.name=shop, "
          "k8s.node.name=n1} k8s.container[container.id][k8s.container.name container.image.name "
          "container.image.tag]\n"
          "  k8s.container.cpu_limit = 1.5 double\n"
          "  k8s.container.cpu_request = 0.25 double\n"
          "  k8s.container.memory_request = 67108864\n"
          "  k8s.container.ready = 1\n"
          "  k8s.container.restarts = 2\n");
}

static void test_pending_pod(void **state)
{
    (void)state;
    check("", ENTITY_POD, pending_pod,
          "{k8s.pod.uid=p-2, k8s.pod.name=bad, k8s.namespace.name=shop, k8s.node.name=} "
          "k8s.pod[k8s.pod.uid][k8s.pod.name]\n"
          "  k8s.pod.phase = 1\n"
          "{container.id=, k8s.container.name=app, container.image.name=reg.io/x, "
          "container.image.tag=1, k8s.pod.uid=p-2, k8s.pod.name=bad, k8s.namespace.name=shop, "
          "k8s.node.name=} k8s.container[container.id][k8s.container.name container.image.name "
          "container.image.tag]\n"
          "  k8s.container.memory_request = 2\n"
          "  k8s.container.ready = 0\n"
          "  k8s.container.restarts = 0\n");
    check("metrics:\n"
          "  k8s.pod.phase: {enabled: false}\n"
          "  k8s.pod.status_reason: {enabled: true}\n"
          "  k8s.container.memory_request: {enabled: false}\n"
          "  k8s.container.ready: {enabled: false}\n"
          "  k8s.container.restarts: {enabled: false}\n"
          "  k8s.container.status.reason: {enabled: true}\n"
          "  k8s.container.status.state: {enabled: true}\n"
          "resource_attributes:\n"
          "  k8s.pod.uid: {enabled: false}\n"
          "  k8s.pod.qos_class: {enabled: true}\n"
          "  container.image.name: {enabled: false}\n"
          "  container.image.tag: {enabled: false}\n"
          "  k8s.container.status.last_terminated_reason: {enabled: true}\n",
          ENTITY_POD, pending_pod,
          "{k8s.pod.name=bad, k8s.pod.qos_class=, k8s.namespace.name=shop, k8s.node.name=}\n"
          "  k8s.pod.status_reason = 6\n"
          "{container.id=, k8s.container.name=app, k8s.pod.name=bad, k8s.namespace.name=shop, "
          "k8s.node.name=} k8s.container[container.id][k8s.container.name]\n"
          "  k8s.container.status.reason{k8s.container.status.reason=ContainerCreating} = 0\n"
          "  k8s.container.status.reason{k8s.container.status.reason=CrashLoopBackOff} = 0\n"
          "  k8s.container.status.reason{k8s.container.status.reason=CreateContainerConfigError} "
          "= 0\n"
          "  k8s.container.status.reason{k8s.container.status.reason=ErrImagePull} = 1\n"
          "  k8s.container.status.reason{k8s.container.status.reason=ImagePullBackOff} = 0\n"
          "  k8s.container.status.reason{k8s.container.status.reason=OOMKilled} = 0\n"
          "  k8s.container.status.reason{k8s.container.status.reason=Completed} = 0\n"
          "  k8s.container.status.reason{k8s.container.status.reason=Error} = 0\n"
          "  k8s.container.status.reason{k8s.container.status.reason=ContainerCannotRun} = 0\n"
          "  k8s.container.status.state{k8s.container.status.state=running} = 0\n"
          "  k8s.container.status.state{k8s.container.status.state=waiting} = 1\n"
          "  k8s.container.status.state{k8s.container.status.state=terminated} = 0\n");
}

/* What is absent, what is empty: a limit without a status, a status of an init container, images that do not parse. */
static void test_odd_containers(void **state)
{
    (void)state;
    check("resource_attributes: {k8s.container.status.last_terminated_reason: {enabled: true}, "
          "k8s.pod.name: {enabled: false}, k8s.namespace.name: {enabled: false}, k8s.node.name: "
          "{enabled: false}}\n"
          "metrics: {k8s.container.status.state: {enabled: true}, k8s.container.status.reason: "
          "{enabled: false}}\n",
          ENTITY_POD,
          "{\"metadata\":{\"name\":\"odd\",\"namespace\":\"a\",\"uid\":\"0f8fad5b-d9cb-469f-a165-"
          "70867728950e\"},\"spec\":{\"initContainers\":[{\"name\":\"init\",\"resources\":{"
          "\"limits\":{\"cpu\":\"1\"}}}],\"containers\":[{\"name\":\"waits\",\"resources\":{"
          "\"limits\":{\"ephemeral-storage\":\"1Gi\",\"storage\":\"1k\"}}},{\"name\":\"ended\"}]},"
          "\"status\":{\"containerStatuses\":[{\"name\":\"ended\",\"image\":\"UPPER\",\"ready\":"
          "false,\"restartCount\":7,\"containerID\":\"docker://"
          "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\",\"state\":{"
          "\"terminated\":{\"exitCode\":1,\"reason\":\"Error\"}},\"lastState\":{\"terminated\":{"
          "\"reason\":\"OOMKilled\"}}},{\"name\":\"nobody\",\"ready\":true,\"restartCount\":1,"
          "\"image\":\"x\"}]}}",
          "{k8s.pod.uid=0f8fad5b-d9cb-469f-a165-70867728950e} k8s.pod[k8s.pod.uid][]\n"
          "  k8s.pod.phase = 5\n"
          "{container.id=, k8s.container.name=waits, "
          "k8s.pod.uid=0f8fad5b-d9cb-469f-a165-70867728950e} "
          "k8s.container[container.id][k8s.container.name]\n"
          "  k8s.container.ephemeralstorage_limit = 1073741824\n"
          "  k8s.container.storage_limit = 1000\n"
          "{container.id=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff, "
          "k8s.container.name=ended, k8s.container.status.last_terminated_reason=OOMKilled, "
          "k8s.pod.uid=0f8fad5b-d9cb-469f-a165-70867728950e} "
          "k8s.container[container.id][k8s.container.name "
          "k8s.container.status.last_terminated_reason]\n"
          "  k8s.container.ready = 0\n"
          "  k8s.container.restarts = 7\n"
          "  k8s.container.status.state{k8s.container.status.state=running} = 0\n"
          "  k8s.container.status.state{k8s.container.status.state=waiting} = 0\n"
          "  k8s.container.status.state{k8s.container.status.state=terminated} = 1\n");
}

/* A complete entity reference is shared in a batch; one with less in it is not. */
static void test_entity_references_in_one_batch(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "metrics: {k8s.container.restarts: {enabled: false}}\n"
                   "resource_attributes: {k8s.pod.uid: {enabled: false}, k8s.pod.name: {enabled: "
                   "false}, k8s.namespace.name: {enabled: false}, k8s.node.name: {enabled: false}, "
                   "container.image.tag: {enabled: false}}");
    add(&w, ENTITY_POD,
        "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":{\"containers\":[{\"name\":\"a\"},{"
        "\"name\":\"b\"},{\"name\":\"c\"}]},\"status\":{\"containerStatuses\":[{\"name\":\"a\","
        "\"image\":\"x\"},{\"name\":\"b\",\"image\":\"\"},{\"name\":\"c\",\"image\":\"y\"}]}}");
    const struct resource *r = w.batch->resources->next;
    assert_ptr_equal(r->entity_refs, r->next->next->entity_refs);
    assert_ptr_not_equal(r->entity_refs, r->next->entity_refs);
    world_close(&w, "{}\n  k8s.pod.phase = 5\n"
                    "{container.id=, k8s.container.name=a, container.image.name=x} "
                    "k8s.container[container.id][k8s.container.name container.image.name]\n"
                    "  k8s.container.ready = 0\n"
                    "{container.id=, k8s.container.name=b} "
                    "k8s.container[container.id][k8s.container.name]\n"
                    "  k8s.container.ready = 0\n"
                    "{container.id=, k8s.container.name=c, container.image.name=y} "
                    "k8s.container[container.id][k8s.container.name container.image.name]\n"
                    "  k8s.container.ready = 0\n");
}

static void test_pod_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        int phase, reason;
    } cases[] = {
        {"\"phase\":\"Pending\",\"reason\":\"Evicted\"", 1, 1},
        {"\"phase\":\"Running\",\"reason\":\"NodeAffinity\"", 2, 2},
        {"\"phase\":\"Succeeded\",\"reason\":\"NodeLost\"", 3, 3},
        {"\"phase\":\"Failed\",\"reason\":\"Shutdown\"", 4, 4},
        {"\"phase\":\"Unknown\",\"reason\":\"UnexpectedAdmissionError\"", 5, 5},
        {"\"phase\":\"\",\"reason\":\"\"", 5, 6},
        {"\"phase\":\"Dreaming\",\"reason\":\"Other\"", 5, 6},
        {"", 5, 6},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[256], expected[256];
        snprintf(json, sizeof json,
                 "{\"metadata\":{\"name\":\"p\",\"uid\":\"u\"},\"spec\":{},\"status\":{%s}}",
                 cases[i].status);
        snprintf(expected, sizeof expected,
                 "{k8s.pod.uid=u} k8s.pod[k8s.pod.uid][]\n  k8s.pod.phase = %d\n  "
                 "k8s.pod.status_reason = %d\n",
                 cases[i].phase, cases[i].reason);
        check("metrics: {k8s.pod.status_reason: {enabled: true}}\nresource_attributes: "
              "{k8s.pod.name: {enabled: false}, k8s.namespace.name: {enabled: false}, "
              "k8s.node.name: {enabled: false}}",
              ENTITY_POD, json, expected);
    }
}

/* ---- nodes ---- */

static const char node[] =
    "{\"metadata\":{\"name\":\"n1\",\"uid\":\"u-1\"},\"status\":{\"allocatable\":{\"cpu\":"
    "\"3920m\",\"memory\":\"8Gi\",\"pods\":\"110\"},\"conditions\":[{\"type\":\"Ready\",\"status\":"
    "\"True\"},{\"type\":\"DiskPressure\",\"status\":\"Unknown\"},{\"type\":\"Odd\",\"status\":"
    "\"Maybe\"}],\"nodeInfo\":{\"kubeletVersion\":\"v1.35.0\",\"containerRuntimeVersion\":"
    "\"containerd://1.7.2\",\"osImage\":\"Debian 12\",\"operatingSystem\":\"linux\"}}}";

static void test_node(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "node_conditions_to_report: [Ready, PIDPressure, Odd]\n"
                   "allocatable_types_to_report: [cpu, memory, pods, hugepages-2Mi]\n"
                   "metrics: {k8s.node.condition: {enabled: true}}\n");
    add(&w, ENTITY_NODE, node);
    emit_object(&w.emit, ENTITY_NODE_VALUES, w.objects[0], NULL);
    world_close(&w, "{k8s.node.uid=u-1, k8s.node.name=n1} k8s.node[k8s.node.uid][k8s.node.name]\n"
                    "  k8s.node.condition{condition=Ready} = 1\n"
                    "  k8s.node.condition{condition=DiskPressure} = -1\n"
                    "  k8s.node.condition{condition=Odd} = 0\n"
                    "{k8s.node.uid=u-1, k8s.node.name=n1}\n"
                    "  k8s.node.condition_ready = 1 \"\"\n"
                    "  k8s.node.condition_pid_pressure = -1 \"\"\n"
                    "  k8s.node.condition_odd = 0 \"\"\n"
                    "  k8s.node.allocatable_cpu = 3.92 double \"{cpu}\"\n"
                    "  k8s.node.allocatable_memory = 8589934592 \"By\"\n"
                    "  k8s.node.allocatable_pods = 110 \"{pod}\"\n");
}

/* Nothing of a batch is used in the next one: texts, uid and name, descriptions, entity references. */
static void test_batches_share_nothing(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "metrics: {k8s.node.condition: {enabled: true}}");
    add(&w, ENTITY_NODE, node);
    emit_object(&w.emit, ENTITY_NODE_VALUES, w.objects[0], NULL);
    struct batch *first = w.batch;
    w.batch = batch_new(SIGNAL_METRICS);
    emit_begin(&w.emit, w.batch, tick_ns, start_ns);
    emit_object(&w.emit, ENTITY_NODE, w.objects[0], NULL);
    emit_object(&w.emit, ENTITY_NODE_VALUES, w.objects[0], NULL);
    const struct resource *a = first->resources, *b = w.batch->resources;
    for (size_t i = 0; i < a->attributes.count; i++)
        assert_ptr_not_equal(a->attributes.items[i].value.text.data,
                             b->attributes.items[i].value.text.data);
    assert_ptr_not_equal(a->entity_refs, b->entity_refs);
    assert_ptr_not_equal(a->scopes->metrics->first->attributes.items[0].value.text.data,
                         b->scopes->metrics->first->attributes.items[0].value.text.data);
    assert_ptr_not_equal(a->next->scopes->metrics->desc, b->next->scopes->metrics->desc);
    batch_unref(first);
    world_close(&w, "{k8s.node.uid=u-1, k8s.node.name=n1} k8s.node[k8s.node.uid][k8s.node.name]\n"
                    "  k8s.node.condition{condition=Ready} = 1\n"
                    "  k8s.node.condition{condition=DiskPressure} = -1\n"
                    "  k8s.node.condition{condition=Odd} = 0\n"
                    "{k8s.node.uid=u-1, k8s.node.name=n1}\n"
                    "  k8s.node.condition_ready = 1 \"\"\n");
}

static void test_node_attributes(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "allocatable_types_to_report: [nvidia.com/gpu]\n"
                   "metrics: {k8s.node.condition: {enabled: true}}\n"
                   "resource_attributes:\n"
                   "  k8s.node.name: {metrics_exclude: [{strict: n1}]}\n"
                   "  k8s.kubelet.version: {enabled: true}\n"
                   "  container.runtime: {enabled: true}\n"
                   "  container.runtime.version: {enabled: true}\n"
                   "  os.description: {enabled: true}\n"
                   "  os.type: {enabled: true}\n");
    add(&w, ENTITY_NODE, node); /* the filter drops it, and does not reach the other resource */
    emit_object(&w.emit, ENTITY_NODE_VALUES, w.objects[0], NULL);
    add(&w, ENTITY_NODE,
        "{\"metadata\":{\"name\":\"n2\",\"uid\":\"u-2\"},\"status\":{"
        "\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\"}]}}");
    add(&w, ENTITY_NODE_VALUES,
        "{\"metadata\":{\"name\":\"n3\",\"uid\":\"u-3\"},\"status\":{\"allocatable\":{\"nvidia.com/"
        "gpu\":\"8\"},\"nodeInfo\":{\"containerRuntimeVersion\":\"a://b://c\"}}}");
    world_close(
        &w,
        "{k8s.node.uid=u-1, k8s.node.name=n1, k8s.kubelet.version=v1.35.0, "
        "container.runtime=containerd, container.runtime.version=1.7.2, os.description=Debian 12, "
        "os.type=linux}\n"
        "  k8s.node.condition_ready = 1 \"\"\n"
        "{k8s.node.uid=u-2, k8s.node.name=n2, k8s.kubelet.version=} "
        "k8s.node[k8s.node.uid][k8s.node.name k8s.kubelet.version]\n"
        "  k8s.node.condition{condition=Ready} = 0\n"
        "{k8s.node.uid=u-3, k8s.node.name=n3, k8s.kubelet.version=, os.description=, os.type=}\n"
        "  k8s.node.condition_ready = -1 \"\"\n"
        "  k8s.node.allocatable_nvidia_com/gpu = 8 \"{nvidia.com/gpu}\"\n");
    check("node_conditions_to_report: []", ENTITY_NODE_VALUES, node, "");
}

/* ---- numbers ---- */

#define META "{\"metadata\":{\"name\":\"x\",\"namespace\":\"shop\",\"uid\":\"u\"},"

/* `points` empty: no resource at all */
static void check_plain(enum k8s_entity entity, const char *json, const char *attribute,
                        const char *points)
{
    char expected[1024] = "";
    if (points[0] != '\0')
        snprintf(expected, sizeof expected,
                 "{%s.uid=u, %s.name=x, k8s.namespace.name=shop} %s[%s.uid][%s.name]\n%s",
                 attribute, attribute, attribute, attribute, attribute, points);
    check("metrics: {k8s.statefulset.pod.available: {enabled: true}}", entity, json, expected);
}

static void test_workloads(void **state)
{
    (void)state;
    check_plain(ENTITY_DEPLOYMENT,
                META "\"spec\":{\"replicas\":3},\"status\":{\"availableReplicas\":2}}",
                "k8s.deployment", "  k8s.deployment.available = 2\n  k8s.deployment.desired = 3\n");
    check_plain(ENTITY_DEPLOYMENT, META "\"spec\":{}}", "k8s.deployment",
                "  k8s.deployment.available = 0\n  k8s.deployment.desired = 1\n");
    check_plain(ENTITY_REPLICA_SET, META "\"spec\":{\"replicas\":0},\"status\":{\"replicas\":0}}",
                "k8s.replicaset", "  k8s.replicaset.available = 0\n  k8s.replicaset.desired = 0\n");
    check_plain(ENTITY_REPLICA_SET, META "\"spec\":{},\"status\":{\"availableReplicas\":1}}",
                "k8s.replicaset", "");
    check_plain(ENTITY_REPLICATION_CONTROLLER,
                META "\"spec\":{\"replicas\":4},\"status\":{\"availableReplicas\":1}}",
                "k8s.replicationcontroller",
                "  k8s.replication_controller.available = 1\n"
                "  k8s.replication_controller.desired = 4\n");
    check_plain(ENTITY_REPLICATION_CONTROLLER, META "\"spec\":{}}", "k8s.replicationcontroller",
                "");
    check_plain(ENTITY_DAEMON_SET,
                META "\"status\":{\"currentNumberScheduled\":1,\"desiredNumberScheduled\":2,"
                     "\"numberMisscheduled\":3,\"numberReady\":4}}",
                "k8s.daemonset",
                "  k8s.daemonset.current_scheduled_nodes = 1\n"
                "  k8s.daemonset.desired_scheduled_nodes = 2\n"
                "  k8s.daemonset.misscheduled_nodes = 3\n"
                "  k8s.daemonset.ready_nodes = 4\n");
    check_plain(ENTITY_STATEFUL_SET,
                META "\"spec\":{\"replicas\":5},\"status\":{\"currentReplicas\":1,"
                     "\"readyReplicas\":2,\"updatedReplicas\":3,\"availableReplicas\":4}}",
                "k8s.statefulset",
                "  k8s.statefulset.current_pods = 1\n"
                "  k8s.statefulset.desired_pods = 5\n"
                "  k8s.statefulset.pod.available = 4\n"
                "  k8s.statefulset.ready_pods = 2\n"
                "  k8s.statefulset.updated_pods = 3\n");
    check_plain(ENTITY_STATEFUL_SET, META "\"status\":{\"readyReplicas\":2}}", "k8s.statefulset",
                "");
    check_plain(ENTITY_CRON_JOB, META "\"status\":{\"active\":[{},{}]}}", "k8s.cronjob",
                "  k8s.cronjob.active_jobs = 2\n");
    check_plain(ENTITY_CRON_JOB, META "\"spec\":{}}", "k8s.cronjob",
                "  k8s.cronjob.active_jobs = 0\n");
}

static void test_jobs(void **state)
{
    (void)state;
    check_plain(ENTITY_JOB,
                META "\"spec\":{\"parallelism\":4},\"status\":{\"active\":2,\"failed\":1}}",
                "k8s.job",
                "  k8s.job.active_pods = 2\n"
                "  k8s.job.failed_pods = 1\n"
                "  k8s.job.max_parallel_pods = 4\n"
                "  k8s.job.successful_pods = 0\n");
    check_plain(ENTITY_JOB, META "\"spec\":{\"completions\":0}}", "k8s.job",
                "  k8s.job.active_pods = 0\n"
                "  k8s.job.desired_successful_pods = 0\n"
                "  k8s.job.failed_pods = 0\n"
                "  k8s.job.successful_pods = 0\n");
}

static void test_hpa(void **state)
{
    (void)state;
    check("resource_attributes: {k8s.hpa.scaletargetref.apiversion: {enabled: true}, "
          "k8s.hpa.scaletargetref.kind: {enabled: true}, k8s.hpa.scaletargetref.name: {enabled: "
          "true}}",
          ENTITY_HPA,
          META "\"spec\":{\"maxReplicas\":9,\"scaleTargetRef\":{\"kind\":\"Deployment\",\"name\":"
               "\"web\"}},\"status\":{\"desiredReplicas\":3}}",
          "{k8s.hpa.uid=u, k8s.hpa.name=x, k8s.hpa.scaletargetref.apiversion=, "
          "k8s.hpa.scaletargetref.kind=Deployment, k8s.hpa.scaletargetref.name=web, "
          "k8s.namespace.name=shop} k8s.hpa[k8s.hpa.uid][k8s.hpa.name "
          "k8s.hpa.scaletargetref.apiversion k8s.hpa.scaletargetref.kind "
          "k8s.hpa.scaletargetref.name]\n"
          "  k8s.hpa.current_replicas = 0\n"
          "  k8s.hpa.desired_replicas = 3\n"
          "  k8s.hpa.max_replicas = 9\n"
          "  k8s.hpa.min_replicas = 1\n");
    check_plain(ENTITY_HPA, META "\"spec\":{\"minReplicas\":0,\"maxReplicas\":1}}", "k8s.hpa",
                "  k8s.hpa.current_replicas = 0\n"
                "  k8s.hpa.desired_replicas = 0\n"
                "  k8s.hpa.max_replicas = 1\n"
                "  k8s.hpa.min_replicas = 0\n");
}

static void test_namespace(void **state)
{
    (void)state;
    static const struct {
        const char *phase;
        int number;
    } cases[] = {{"Active", 1}, {"Terminating", 0}, {"", -1}, {"Odd", 0}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[256], expected[256];
        snprintf(json, sizeof json,
                 "{\"metadata\":{\"name\":\"shop\",\"uid\":\"u\"},\"status\":{\"phase\":\"%s\"}}",
                 cases[i].phase);
        snprintf(expected, sizeof expected,
                 "{k8s.namespace.uid=u, k8s.namespace.name=shop} "
                 "k8s.namespace[k8s.namespace.uid][k8s.namespace.name]\n  k8s.namespace.phase = "
                 "%d\n",
                 cases[i].number);
        check("", ENTITY_NAMESPACE, json, expected);
    }
}

/* ---- quotas ---- */

static void test_quota(void **state)
{
    (void)state;
    check("", ENTITY_RESOURCE_QUOTA,
          "{\"metadata\":{\"name\":\"q\",\"namespace\":\"shop\",\"uid\":\"rq\"},\"status\":{"
          "\"hard\":{\"limits.cpu\":\"2\",\"cpu\":\"1500m\",\"pods\":\"10\",\"requests.memory\":"
          "\"1Gi\"},\"used\":{\"limits.cpu\":\"250m\",\"pods\":\"3\"}}}",
          "{k8s.resourcequota.uid=rq, k8s.resourcequota.name=q, k8s.namespace.name=shop} "
          "k8s.resourcequota[k8s.resourcequota.uid][k8s.resourcequota.name]\n"
          "  k8s.resource_quota.hard_limit{resource=cpu} = 2\n"
          "  k8s.resource_quota.hard_limit{resource=limits.cpu} = 2000\n"
          "  k8s.resource_quota.hard_limit{resource=pods} = 10\n"
          "  k8s.resource_quota.hard_limit{resource=requests.memory} = 1073741824\n"
          "  k8s.resource_quota.used{resource=limits.cpu} = 250\n"
          "  k8s.resource_quota.used{resource=pods} = 3\n");
    check("", ENTITY_RESOURCE_QUOTA, META "\"spec\":{\"hard\":{\"pods\":\"1\"}}}", "");
}

static const char cluster_quota[] =
    "{\"metadata\":{\"name\":\"q\",\"uid\":\"cq\"},\"status\":{\"total\":{\"hard\":{\"pods\":"
    "\"10\"},\"used\":{\"pods\":\"7\"}},\"namespaces\":[{\"namespace\":\"a\",\"status\":{\"hard\":{"
    "\"pods\":\"10\",\"limits.cpu\":\"1\"},\"used\":{\"pods\":\"3\"}}},{\"namespace\":\"b\","
    "\"status\":{\"hard\":{\"pods\":\"5\"},\"used\":{\"pods\":\"4\"}}}]}}";
#define CLUSTER_QUOTA_RESOURCE                                                                     \
    "{openshift.clusterquota.uid=cq, openshift.clusterquota.name=q} "                              \
    "openshift.clusterquota[openshift.clusterquota.uid][openshift.clusterquota.name]\n"
#define CLUSTER_QUOTA_TOTAL                                                                        \
    "  openshift.clusterquota.limit{resource=pods} = 10\n"                                         \
    "  openshift.clusterquota.used{resource=pods} = 7\n"

static void test_cluster_quota(void **state)
{
    (void)state;
    check("", ENTITY_CLUSTER_QUOTA, cluster_quota,
          CLUSTER_QUOTA_RESOURCE
          "  openshift.appliedclusterquota.limit{k8s.namespace.name=a, resource=limits.cpu} = "
          "1000\n"
          "  openshift.appliedclusterquota.limit{k8s.namespace.name=a, resource=pods} = 10\n"
          "  openshift.appliedclusterquota.limit{k8s.namespace.name=b, resource=pods} = 5\n"
          "  openshift.appliedclusterquota.used{k8s.namespace.name=a, resource=pods} = 3\n"
          "  openshift.appliedclusterquota.used{k8s.namespace.name=b, resource=pods} = "
          "4\n" CLUSTER_QUOTA_TOTAL);
    check("metrics:\n"
          "  openshift.appliedclusterquota.limit: {attributes: [resource]}\n"
          "  openshift.appliedclusterquota.used: {attributes: [resource], aggregation_strategy: "
          "sum}\n",
          ENTITY_CLUSTER_QUOTA, cluster_quota,
          CLUSTER_QUOTA_RESOURCE
          "  openshift.appliedclusterquota.limit{resource=limits.cpu} = 1000\n"
          "  openshift.appliedclusterquota.limit{resource=pods} = 7\n" /* 15 / 2, cut */
          "  openshift.appliedclusterquota.used{resource=pods} = 7\n" CLUSTER_QUOTA_TOTAL);
    check("metrics:\n"
          "  openshift.appliedclusterquota.limit: {attributes: [resource], aggregation_strategy: "
          "min}\n"
          "  openshift.appliedclusterquota.used: {attributes: [resource], aggregation_strategy: "
          "max}\n",
          ENTITY_CLUSTER_QUOTA, cluster_quota,
          CLUSTER_QUOTA_RESOURCE
          "  openshift.appliedclusterquota.limit{resource=limits.cpu} = 1000\n"
          "  openshift.appliedclusterquota.limit{resource=pods} = 5\n"
          "  openshift.appliedclusterquota.used{resource=pods} = 4\n" CLUSTER_QUOTA_TOTAL);
}

/* ---- services ---- */

#define SLICE(name, type, endpoints)                                                               \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"shop\",\"uid\":\"" name                  \
    "\",\"labels\":{\"kubernetes.io/service-name\":\"web\"}},\"addressType\":\"" type              \
    "\",\"endpoints\":[" endpoints "]}"
static const char service[] =
    "{\"metadata\":{\"name\":\"web\",\"namespace\":\"shop\",\"uid\":\"s-1\"},\"spec\":{\"type\":"
    "\"LoadBalancer\"},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"1.2.3.4\"}]}}}";
#define SERVICE_RESOURCE                                                                           \
    "{k8s.service.uid=s-1, k8s.service.name=web, k8s.service.type=LoadBalancer, "                  \
    "k8s.namespace.name=shop} k8s.service[k8s.service.uid][k8s.service.name k8s.service.type]\n"
#define ENDPOINTS(zone, condition)                                                                 \
    "  k8s.service.endpoint.count{k8s.service.endpoint.address_type=IPv4, "                        \
    "k8s.service.endpoint.condition=" condition ", k8s.service.endpoint.zone=" zone "} = "
static const char *const three_endpoints =
    SLICE("one", "IPv4",
          "{\"addresses\":[\"10.0.0.1\",\"10.0.0.2\"],\"zone\":\"z1\",\"conditions\":{\"ready\":"
          "true}},{\"zone\":\"z1\",\"conditions\":{\"ready\":false,\"serving\":true,"
          "\"terminating\":true}},{\"conditions\":{}}");

static void test_service(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "metrics: {k8s.service.endpoint.count: {enabled: true}, "
                   "k8s.service.load_balancer.ingress.count: {enabled: true}}");
    add_slice(&w, three_endpoints);
    add_slice(&w, SLICE("two", "Pigeon", "{\"conditions\":{}}"));
    add_slice(&w, SLICE("three", "IPv6", ""));
    add(&w, ENTITY_SERVICE, service);
    world_close(
        &w,
        SERVICE_RESOURCE
            ENDPOINTS("z1", "ready") "1\n" ENDPOINTS("z1", "serving") "2\n" ENDPOINTS("z1", "terminating") "1\n" ENDPOINTS(
                "",
                "ready") "1\n" ENDPOINTS("",
                                         "serving") "1\n" ENDPOINTS("",
                                                                    "terminating") "0\n"
                                                                                   "  k8s.service.load_balancer.ingress.count = 1\n");
}

/* The watch was cut; meanwhile a slice was made again, under its own name. */
static void test_endpoints_count_once_while_slices_are_listed_again(void **state)
{
    (void)state;
    struct world w;
    uint32_t budget = UINT32_MAX;
    struct object *gone;
    world_open(&w, "metrics: {k8s.service.endpoint.count: {enabled: true, attributes: "
                   "[k8s.service.endpoint.condition], aggregation_strategy: sum}}");
    add_slice(&w, three_endpoints);
    store_mark(&w.slices);
    add_slice(&w, "{\"metadata\":{\"name\":\"one\",\"namespace\":\"shop\",\"uid\":\"again\","
                  "\"labels\":{\"kubernetes.io/service-name\":\"web\"}},\"addressType\":"
                  "\"IPv4\",\"endpoints\":[{},{},{},{}]}");
    add(&w, ENTITY_SERVICE, service);
    while ((gone = store_sweep(&w.slices, &budget)) != NULL)
        object_unref(&w.pool, gone);
    add(&w, ENTITY_SERVICE, service);
    world_close(&w, SERVICE_RESOURCE
                "  k8s.service.endpoint.count{k8s.service.endpoint.condition=ready} = 2\n"
                "  k8s.service.endpoint.count{k8s.service.endpoint.condition=serving} = 3\n"
                "  k8s.service.endpoint.count{k8s.service.endpoint.condition=terminating} = "
                "1\n" SERVICE_RESOURCE
                "  k8s.service.endpoint.count{k8s.service.endpoint.condition=ready} = 4\n"
                "  k8s.service.endpoint.count{k8s.service.endpoint.condition=serving} = 4\n"
                "  k8s.service.endpoint.count{k8s.service.endpoint.condition=terminating} = 0\n");
}

static void test_service_merged(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "metrics: {k8s.service.endpoint.count: {enabled: true, attributes: "
                   "[k8s.service.endpoint.condition], aggregation_strategy: sum}}");
    add_slice(&w, three_endpoints);
    add_slice(&w, SLICE("two", "IPv4", "{\"zone\":\"z1\",\"conditions\":{}}"));
    add(&w, ENTITY_SERVICE, service);
    world_close(&w, SERVICE_RESOURCE
                "  k8s.service.endpoint.count{k8s.service.endpoint.condition=ready} = 3\n"
                "  k8s.service.endpoint.count{k8s.service.endpoint.condition=serving} = 4\n"
                "  k8s.service.endpoint.count{k8s.service.endpoint.condition=terminating} = 1\n");
    world_open(&w, "metrics: {k8s.service.endpoint.count: {enabled: true, attributes: []}}");
    add_slice(&w, three_endpoints);
    add(&w, ENTITY_SERVICE, service);
    world_close(&w, SERVICE_RESOURCE "  k8s.service.endpoint.count = 1\n"); /* 6 / 6 */
}

static void test_service_without_points(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "metrics: {k8s.service.endpoint.count: {enabled: true}, "
                   "k8s.service.load_balancer.ingress.count: {enabled: true}}\n"
                   "resource_attributes: {k8s.service.publish_not_ready_addresses: {enabled: "
                   "true}, k8s.service.traffic_distribution: {enabled: true}}");
    add(&w, ENTITY_SERVICE, META "\"spec\":{\"type\":\"ClusterIP\"}}");
    add(&w, ENTITY_SERVICE,
        META "\"spec\":{\"type\":\"LoadBalancer\",\"publishNotReadyAddresses\":true,"
             "\"trafficDistribution\":\"PreferClose\"}}");
    add(&w, ENTITY_SERVICE, META "\"spec\":{\"type\":\"LoadBalancer\"}}");
    world_close(&w, "{k8s.service.uid=u, k8s.service.name=x, k8s.service.type=LoadBalancer, "
                    "k8s.service.publish_not_ready_addresses=true, k8s.namespace.name=shop, "
                    "k8s.service.traffic_distribution=PreferClose} "
                    "k8s.service[k8s.service.uid][k8s.service.name k8s.service.type "
                    "k8s.service.publish_not_ready_addresses]\n"
                    "  k8s.service.load_balancer.ingress.count = 0\n"
                    "{k8s.service.uid=u, k8s.service.name=x, k8s.service.type=LoadBalancer, "
                    "k8s.service.publish_not_ready_addresses=false, k8s.namespace.name=shop} "
                    "k8s.service[k8s.service.uid][k8s.service.name k8s.service.type "
                    "k8s.service.publish_not_ready_addresses]\n"
                    "  k8s.service.load_balancer.ingress.count = 0\n");
}

/* ---- volumes ---- */

static void test_volumes(void **state)
{
    (void)state;
    const char *yaml =
        "metrics: {k8s.persistentvolume.status.phase: {enabled: true}, "
        "k8s.persistentvolume.storage.capacity: {enabled: true}, "
        "k8s.persistentvolumeclaim.status.phase: {enabled: true}, "
        "k8s.persistentvolumeclaim.storage.capacity: {enabled: true}, "
        "k8s.persistentvolumeclaim.storage.request: {enabled: true}}\n"
        "resource_attributes: {k8s.persistentvolume.reclaim_policy: {enabled: true}}";
    check(yaml, ENTITY_PERSISTENT_VOLUME,
          "{\"metadata\":{\"name\":\"x\",\"uid\":\"u\"},\"spec\":{\"capacity\":{\"storage\":"
          "\"1Gi\"},\"storageClassName\":\"fast\"},\"status\":{\"phase\":\"Bound\"}}",
          "{k8s.persistentvolume.uid=u, k8s.persistentvolume.name=x, k8s.storageclass.name=fast, "
          "k8s.persistentvolume.reclaim_policy=} "
          "k8s.persistentvolume[k8s.persistentvolume.uid][k8s.persistentvolume.name "
          "k8s.storageclass.name k8s.persistentvolume.reclaim_policy]\n"
          "  k8s.persistentvolume.status.phase{k8s.persistentvolume.status.phase=Pending} = 0\n"
          "  k8s.persistentvolume.status.phase{k8s.persistentvolume.status.phase=Available} = 0\n"
          "  k8s.persistentvolume.status.phase{k8s.persistentvolume.status.phase=Bound} = 1\n"
          "  k8s.persistentvolume.status.phase{k8s.persistentvolume.status.phase=Released} = 0\n"
          "  k8s.persistentvolume.status.phase{k8s.persistentvolume.status.phase=Failed} = 0\n"
          "  k8s.persistentvolume.storage.capacity = 1073741824\n");
    check(yaml, ENTITY_PERSISTENT_VOLUME_CLAIM,
          META "\"spec\":{\"resources\":{\"requests\":{\"storage\":\"1500m\"}}},\"status\":{"
               "\"phase\":\"Odd\"}}",
          "{k8s.persistentvolumeclaim.uid=u, k8s.persistentvolumeclaim.name=x, "
          "k8s.namespace.name=shop, k8s.storageclass.name=} "
          "k8s.persistentvolumeclaim[k8s.persistentvolumeclaim.uid][k8s.persistentvolumeclaim."
          "name]\n"
          "  k8s.persistentvolumeclaim.status.phase{k8s.persistentvolumeclaim.status.phase="
          "Pending} = 0\n"
          "  k8s.persistentvolumeclaim.status.phase{k8s.persistentvolumeclaim.status.phase=Bound} "
          "= 0\n"
          "  k8s.persistentvolumeclaim.status.phase{k8s.persistentvolumeclaim.status.phase=Lost} "
          "= 0\n"
          "  k8s.persistentvolumeclaim.storage.request = 2\n");
}

/* ---- filters, and what is off ---- */

static void add_namespaces(struct world *w)
{
    add(w, ENTITY_NAMESPACE,
        "{\"metadata\":{\"name\":\"shop\",\"uid\":\"1\"},\"status\":{\"phase\":\"Active\"}}");
    add(w, ENTITY_NAMESPACE,
        "{\"metadata\":{\"name\":\"kube-system\",\"uid\":\"2\"},\"status\":{\"phase\":\"Active\"}}");
    add(w, ENTITY_NAMESPACE,
        "{\"metadata\":{\"name\":\"kube-public\",\"uid\":\"3\"},\"status\":{\"phase\":\"Active\"}}");
}

#define NAMESPACE(uid, name)                                                                       \
    "{k8s.namespace.uid=" uid ", k8s.namespace.name=" name                                         \
    "} k8s.namespace[k8s.namespace.uid][k8s.namespace.name]\n  k8s.namespace.phase = 1\n"

static void test_filters(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "resource_attributes: {k8s.namespace.name: {metrics_include: [{strict: shop}, "
                   "{regexp: '^kube-'}], metrics_exclude: [{strict: kube-public}]}}");
    add_namespaces(&w);
    world_close(&w, NAMESPACE("1", "shop") NAMESPACE("2", "kube-system"));
    world_open(&w,
               "resource_attributes: {k8s.namespace.name: {metrics_exclude: [{regexp: kube}]}}");
    add_namespaces(&w);
    world_close(&w, NAMESPACE("1", "shop"));
    /* an attribute that is off, or not of this kind, filters nothing */
    world_open(&w, "resource_attributes: {k8s.namespace.uid: {enabled: false, metrics_include: "
                   "[{strict: none}]}, k8s.pod.name: {metrics_include: [{strict: none}]}}");
    add_namespaces(&w);
    world_close(&w, "{k8s.namespace.name=shop}\n  k8s.namespace.phase = 1\n"
                    "{k8s.namespace.name=kube-system}\n  k8s.namespace.phase = 1\n"
                    "{k8s.namespace.name=kube-public}\n  k8s.namespace.phase = 1\n");
    /* of a boolean; and one container of a pod without the others */
    world_open(&w, "metrics: {k8s.service.load_balancer.ingress.count: {enabled: true}}\n"
                   "resource_attributes: {k8s.service.publish_not_ready_addresses: {enabled: true, "
                   "metrics_include: [{strict: 'true'}]}}");
    add(&w, ENTITY_SERVICE, service);
    world_close(&w, "");
    world_open(&w, "resource_attributes: {container.image.tag: {metrics_exclude: [{strict: "
                   "'2.1'}]}}");
    add(&w, ENTITY_POD, running_pod);
    world_close(&w, "{k8s.pod.uid=p-1, k8s.pod.name=web-1, k8s.namespace.name=shop, "
                    "k8s.node.name=n1} k8s.pod[k8s.pod.uid][k8s.pod.name]\n"
                    "  k8s.pod.phase = 2\n");
}

static void test_cluster_uid(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "resource_attributes: {k8s.cluster.uid: {enabled: true}}");
    add_namespaces(&w);
    batch_unref(w.batch);
    w.batch = batch_new(SIGNAL_METRICS);
    emit_begin(&w.emit, w.batch, tick_ns, start_ns);
    w.emit.cluster_uid = STR("c-1");
    emit_object(&w.emit, ENTITY_NAMESPACE, w.objects[0], NULL);
    world_close(&w, "{k8s.namespace.uid=1, k8s.namespace.name=shop, k8s.cluster.uid=c-1} "
                    "k8s.namespace[k8s.namespace.uid][k8s.namespace.name]\n"
                    "  k8s.namespace.phase = 1\n");
}

static void test_what_is_wanted(void **state)
{
    (void)state;
    struct world w;
    world_open(&w,
               "metrics: {k8s.namespace.phase: {enabled: false}}\nnode_conditions_to_report: []");
    assert_false(emit_wants(w.emit.config, ENTITY_NAMESPACE));
    assert_false(emit_wants(w.emit.config, ENTITY_NODE));
    assert_false(emit_wants(w.emit.config, ENTITY_NODE_VALUES));
    assert_false(emit_wants(w.emit.config, ENTITY_SERVICE));
    assert_true(emit_wants(w.emit.config, ENTITY_POD));
    add_namespaces(&w);
    world_close(&w, "");
}

/* What bounds a batch is near what it has on the wire. */
static void test_estimate(void **state)
{
    (void)state;
    struct world w;
    world_open(&w, "");
    add(&w, ENTITY_POD, running_pod);
    size_t one = w.emit.encoded_bytes;
    assert_in_range(one, 900, 1600);
    emit_object(&w.emit, ENTITY_POD, w.objects[0], NULL);
    assert_int_equal(w.emit.encoded_bytes, 2 * one);
    emit_begin(&w.emit, w.batch, tick_ns, start_ns);
    assert_int_equal(w.emit.encoded_bytes, 0);
    batch_unref(w.batch);
    w.batch = batch_new(SIGNAL_METRICS);
    world_close(&w, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_running_pod),
        cmocka_unit_test(test_pending_pod),
        cmocka_unit_test(test_odd_containers),
        cmocka_unit_test(test_entity_references_in_one_batch),
        cmocka_unit_test(test_pod_numbers),
        cmocka_unit_test(test_node),
        cmocka_unit_test(test_batches_share_nothing),
        cmocka_unit_test(test_node_attributes),
        cmocka_unit_test(test_workloads),
        cmocka_unit_test(test_jobs),
        cmocka_unit_test(test_hpa),
        cmocka_unit_test(test_namespace),
        cmocka_unit_test(test_quota),
        cmocka_unit_test(test_cluster_quota),
        cmocka_unit_test(test_service),
        cmocka_unit_test(test_endpoints_count_once_while_slices_are_listed_again),
        cmocka_unit_test(test_service_merged),
        cmocka_unit_test(test_service_without_points),
        cmocka_unit_test(test_volumes),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_cluster_uid),
        cmocka_unit_test(test_what_is_wanted),
        cmocka_unit_test(test_estimate),
    };
    return cmocka_run_group_tests_name("k8s_cluster_emit", tests, NULL, NULL);
}
