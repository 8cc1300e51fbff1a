/* Points of custom resources, from JSON as the API server gives it: what is ordinary, and what is odd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "receivers/kymastats/emit.h"

static const int64_t tick_ns = 1700000010000000000, start_ns = 1700000000000000000;
static const uint64_t hash_key[2] = {1, 2};

static void print_attributes(struct buf *b, const struct attributes *a)
{
    buf_text(b, "{");
    for (size_t i = 0; i < a->count; i++) {
        assert_int_equal(a->items[i].value.kind, VALUE_STR);
        buf_printf(b, "%s%.*s=%.*s", i > 0 ? ", " : "", STR_ARG(a->items[i].key),
                   STR_ARG(a->items[i].value.text));
    }
    buf_text(b, "}");
}

static void print_batch(struct buf *b, const struct batch *batch)
{
    size_t points = 0;
    for (const struct resource *r = batch->resources; r != NULL; r = r->next) {
        print_attributes(b, &r->attributes);
        buf_text(b, "\n");
        const struct scope *s = r->scopes;
        assert_int_equal(r->schema_url.len + s->schema_url.len + r->entity_ref_count, 0);
        assert_null(s->next);
        assert_true(str_eqz(s->name, "github.com/kyma-project/opentelemetry-collector-components/"
                                     "receiver/kymastatsreceiver"));
        assert_true(str_eqz(s->version, BATON_VERSION));
        assert_non_null(s->metrics);
        for (const struct metric *m = s->metrics; m != NULL; m = m->next) {
            assert_int_equal(m->desc->type, METRIC_GAUGE);
            assert_true(str_eqz(m->desc->unit, "1") && m->desc->description.len > 0);
            assert_true(m->point_count > 0);
            for (const struct point *p = m->first; p != NULL; p = p->next) {
                buf_printf(b, "  %.*s", STR_ARG(m->desc->name));
                print_attributes(b, &p->attributes);
                assert_int_equal(p->value.kind, VALUE_INT);
                buf_printf(b, " = %" PRId64 "\n", p->value.integer);
                assert_int_equal(p->time_ns, tick_ns);
                assert_int_equal(p->start_ns, start_ns);
                points++;
            }
        }
    }
    assert_int_equal(points, batch->item_count);
}

/* The points of one object of the resource telemetries; all that the batch could refer to is gone when it is looked at. */
static void check(const char *settings, const char *json, const char *expected)
{
    struct arena arena;
    struct config_messages messages;
    struct object_pool pool;
    struct kyma_emit emit;
    struct node *root;
    struct err err;
    struct buf text;
    arena_init(&arena, 4096);
    config_messages_init(&messages, &arena);
    str yaml = arena_printf(&arena,
                            "resources: [{group: operator.kyma-project.io, version: v1beta1, "
                            "resource: telemetries}]\n%s",
                            settings);
    assert_true(yaml_parse(&arena, STR("test.yaml"), yaml, &root, &err));
    const struct kymastats_config *config =
        config_decode(&arena, &kymastats_schema, root, STR("receiver"), &root->place, &messages);
    if (messages.error_count > 0)
        fail_msg("%.*s", STR_ARG(messages.first->text));
    object_pool_init(&pool, hash_key);
    struct object *o = custom_resource_codec->decode(custom_resource_codec, &pool, 0, FORMAT_JSON,
                                                     str_from(json), &err);
    if (o == NULL)
        fail_msg("%s: %s", json, err.text);
    struct batch *batch = batch_new(SIGNAL_METRICS);
    kyma_emit_init(&emit, config, &pool);
    kyma_emit_begin(&emit, batch, tick_ns, start_ns);
    kyma_emit_resource(&emit, config->resources.items);
    kyma_emit_object(&emit, o);
    assert_int_equal(batch->item_count == 0, emit.encoded_bytes == 0);
    kyma_emit_deinit(&emit);
    memset(&emit, 0x5a, sizeof emit);
    object_unref(&pool, o);
    object_pool_deinit(&pool);
    arena_deinit(&arena);
    buf_init(&text, 1 << 20);
    print_batch(&text, batch);
    if (!str_eqz(buf_view(&text), expected))
        fail_msg("got:\n%.*sexpected:\n%s", STR_ARG(buf_view(&text)), expected);
    batch_unref(batch);
    buf_deinit(&text);
}

#define OBJECT(status)                                                                             \
    "{\"metadata\":{\"name\":\"default\",\"namespace\":\"kyma-system\"}" status "}"
#define RESOURCE                                                                                   \
    "{k8s.namespace.name=kyma-system, k8s.resource.group=operator.kyma-project.io, "               \
    "k8s.resource.kind=telemetries, k8s.resource.name=default, k8s.resource.version=v1beta1}\n"
#define CONDITION(reason, status, type)                                                            \
    "  kyma.resource.status.conditions{group=operator.kyma-project.io, kind=telemetries, "         \
    "name=default, namespace=kyma-system, reason=" reason ", status=" status ", type=" type        \
    ", version=v1beta1}"
#define STATE(state)                                                                               \
    "  kyma.resource.status.state{group=operator.kyma-project.io, kind=telemetries, "              \
    "name=default, namespace=kyma-system, state=" state ", version=v1beta1} = 1\n"

static const char ordinary[] = OBJECT(",\"status\":{\"state\":\"Ready\",\"conditions\":["
                                      "{\"type\":\"A\",\"status\":\"True\",\"reason\":\"x\"},"
                                      "{\"type\":\"B\",\"status\":\"False\",\"reason\":\"y\"},"
                                      "{\"type\":\"C\",\"status\":\"Unknown\",\"reason\":\"\"}]}");

static void test_an_ordinary_object(void **state)
{
    (void)state;
    check("", ordinary,
          RESOURCE CONDITION("x", "True", "A") " = 1\n" CONDITION(
              "y", "False", "B") " = 0\n" CONDITION("", "Unknown", "C") " = -1\n" STATE("Ready"));
}

static void test_no_namespace(void **state)
{
    (void)state;
    check("", "{\"metadata\":{\"name\":\"a\"},\"status\":{\"state\":\"Ready\"}}",
          "{k8s.resource.group=operator.kyma-project.io, k8s.resource.kind=telemetries, "
          "k8s.resource.name=a, k8s.resource.version=v1beta1}\n"
          "  kyma.resource.status.state{group=operator.kyma-project.io, kind=telemetries, name=a, "
          "namespace=, state=Ready, version=v1beta1} = 1\n");
}

static void test_odd_objects(void **state)
{
    (void)state;
    check("", OBJECT(""), "");
    check("", OBJECT(",\"status\":\"Ready\""), "");
    check("", OBJECT(",\"status\":[{\"state\":\"Ready\"}]"), "");
    check("", OBJECT(",\"status\":{}"), "");
    check("", OBJECT(",\"status\":{\"conditions\":[]}"), "");
    check("", OBJECT(",\"status\":{\"conditions\":{},\"state\":\"Error\"}"),
          RESOURCE STATE("Error"));
    check("", OBJECT(",\"status\":{\"state\":\"\"}"), RESOURCE STATE(""));
    check("",
          OBJECT(",\"status\":{\"state\":1,\"conditions\":[true,{\"type\":\"A\",\"status\":true,"
                 "\"reason\":\"x\"},{\"type\":\"A\",\"status\":\"true\",\"reason\":\"x\"}]}"),
          RESOURCE CONDITION("x", "true", "A") " = -1\n");
    check("", OBJECT(",\"status\":{\"state\":\"\xc3\xa4\"}"), RESOURCE STATE("\xc3\xa4"));
}

#define TWICE                                                                                      \
    OBJECT(",\"status\":{\"conditions\":[{\"type\":\"A\",\"status\":\"True\",\"reason\":\"x\"},"   \
           "{\"type\":\"A\",\"status\":\"False\",\"reason\":\"y\"},"                               \
           "{\"type\":\"A\",\"status\":\"True\",\"reason\":\"x\"}]}")

static void test_conditions_of_one_type(void **state)
{
    (void)state;
    check("", TWICE,
          RESOURCE CONDITION("x", "True", "A") " = 1\n" CONDITION(
              "y", "False", "A") " = 0\n" CONDITION("x", "True", "A") " = 1\n");
    check("metrics: {kyma.resource.status.conditions: {aggregation_strategy: sum}}", TWICE,
          RESOURCE CONDITION("x", "True", "A") " = 2\n" CONDITION("y", "False", "A") " = 0\n");
#define TYPE_ONLY(strategy)                                                                           \
    "metrics: {kyma.resource.status.conditions: {attributes: [type], aggregation_strategy: " strategy \
    "}}"
    check(TYPE_ONLY("avg"), TWICE, RESOURCE "  kyma.resource.status.conditions{type=A} = 0\n");
    check(TYPE_ONLY("sum"), TWICE, RESOURCE "  kyma.resource.status.conditions{type=A} = 2\n");
    check(TYPE_ONLY("min"), TWICE, RESOURCE "  kyma.resource.status.conditions{type=A} = 0\n");
    check(TYPE_ONLY("max"), TWICE, RESOURCE "  kyma.resource.status.conditions{type=A} = 1\n");
    check("metrics: {kyma.resource.status.conditions: {attributes: [version, name, type]}}", TWICE,
          RESOURCE "  kyma.resource.status.conditions{name=default, type=A, version=v1beta1} = "
                   "0\n");
    check("metrics: {kyma.resource.status.conditions: {attributes: []}}", TWICE,
          RESOURCE "  kyma.resource.status.conditions{} = 0\n");
    check(
        "metrics: {kyma.resource.status.state: {attributes: [state]}}", ordinary,
        RESOURCE CONDITION("x", "True", "A") " = 1\n" CONDITION(
            "y", "False",
            "B") " = 0\n" CONDITION("", "Unknown",
                                    "C") " = -1\n  kyma.resource.status.state{state=Ready} = 1\n");
}

static void test_metrics_off(void **state)
{
    (void)state;
    check("metrics: {kyma.resource.status.conditions: {enabled: false}}", ordinary,
          RESOURCE STATE("Ready"));
    check("metrics: {kyma.resource.status.state: {enabled: false}}",
          OBJECT(",\"status\":{\"state\":\"Ready\"}"), "");
    check(
        "metrics: {kyma.resource.status.state: {enabled: false}, kyma.resource.status.conditions: "
        "{enabled: false}}",
        ordinary, "");
}

static void test_resource_attributes(void **state)
{
    (void)state;
    const char *object = OBJECT(",\"status\":{\"state\":\"Ready\"}");
    check("resource_attributes: {k8s.namespace.name: {enabled: false}, k8s.resource.group: "
          "{enabled: false}, k8s.resource.kind: {enabled: false}, k8s.resource.name: {enabled: "
          "false}, k8s.resource.version: {enabled: false}}",
          object, "{}\n" STATE("Ready"));
    check("resource_attributes: {k8s.resource.name: {metrics_include: [{regexp: ^def}]}}", object,
          RESOURCE STATE("Ready"));
    check("resource_attributes: {k8s.resource.name: {metrics_include: [{strict: other}]}}", object,
          "");
    check("resource_attributes: {k8s.resource.kind: {metrics_exclude: [{strict: telemetries}]}}",
          object, "");
    check("resource_attributes: {k8s.resource.name: {enabled: false, metrics_include: [{strict: "
          "other}]}, k8s.resource.version: {enabled: false}, k8s.resource.group: {enabled: "
          "false}}",
          object,
          "{k8s.namespace.name=kyma-system, k8s.resource.kind=telemetries}\n" STATE("Ready"));
    /* an attribute that is not there filters nothing */
    check("resource_attributes: {k8s.namespace.name: {metrics_include: [{strict: other}]}}",
          "{\"metadata\":{\"name\":\"a\"},\"status\":{\"state\":\"x\"}}",
          "{k8s.resource.group=operator.kyma-project.io, k8s.resource.kind=telemetries, "
          "k8s.resource.name=a, k8s.resource.version=v1beta1}\n"
          "  kyma.resource.status.state{group=operator.kyma-project.io, kind=telemetries, name=a, "
          "namespace=, state=x, version=v1beta1} = 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_ordinary_object), cmocka_unit_test(test_no_namespace),
        cmocka_unit_test(test_odd_objects),        cmocka_unit_test(test_conditions_of_one_type),
        cmocka_unit_test(test_metrics_off),        cmocka_unit_test(test_resource_attributes),
    };
    return cmocka_run_group_tests_name("kymastats_emit", tests, NULL, NULL);
}
