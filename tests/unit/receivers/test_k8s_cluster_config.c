/* Keys, defaults and errors of k8s_cluster, through the real decoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "kube/client.h"
#include "receivers/k8s_cluster/config.h"

#define SECOND INT64_C(1000000000)

struct decoded {
    struct arena arena;
    struct config_messages messages;
    const struct k8s_cluster_config *config;
};

static void decode(struct decoded *d, const char *yaml)
{
    struct node *root;
    struct err err;
    arena_init(&d->arena, 4096);
    config_messages_init(&d->messages, &d->arena);
    assert_true(yaml_parse(&d->arena, STR("test.yaml"), str_from(yaml), &root, &err));
    d->config = config_decode(&d->arena, &k8s_cluster_schema, root, STR("receivers::k8s_cluster"),
                              &root->place, &d->messages);
}

static void decode_well(struct decoded *d, const char *yaml)
{
    decode(d, yaml);
    if (d->messages.error_count > 0)
        fail_msg("%s: %.*s", yaml, STR_ARG(d->messages.first->text));
}

static bool says(const struct decoded *d, const char *text)
{
    for (const struct config_message *m = d->messages.first; m != NULL; m = m->next) {
        size_t at;
        if (str_find(m->text, str_from(text), &at))
            return true;
    }
    return false;
}

/* One error with this text, at this line and column. */
static void assert_error(const char *yaml, unsigned line, unsigned column, const char *text)
{
    struct decoded d;
    decode(&d, yaml);
    if (d.messages.error_count != 1 || !says(&d, text))
        fail_msg("%s: %zu errors: %.*s", yaml, d.messages.error_count,
                 STR_ARG(d.messages.first == NULL ? STR("") : d.messages.first->text));
    for (const struct config_message *m = d.messages.first; m != NULL; m = m->next) {
        if (!m->is_error)
            continue;
        assert_int_equal(m->place.line, line);
        assert_int_equal(m->place.column, column);
    }
    arena_deinit(&d.arena);
}

static void assert_fine(const char *yaml)
{
    struct decoded d;
    decode_well(&d, yaml);
    arena_deinit(&d.arena);
}

static void test_defaults(void **state)
{
    (void)state;
    struct decoded d;
    decode_well(&d, "");
    const struct k8s_cluster_config *c = d.config;
    assert_int_equal(c->auth_type, KUBE_AUTH_SERVICE_ACCOUNT);
    assert_int_equal(c->collection_interval_ns, 10 * SECOND);
    assert_int_equal(c->metadata_collection_interval_ns, 300 * SECOND);
    assert_int_equal(c->node_conditions.count, 1);
    assert_true(str_eqz(c->node_conditions.items[0], "Ready"));
    assert_int_equal(c->allocatable_types.count, 0);
    assert_int_equal(c->metadata_exporters.count, 0);
    assert_int_equal(c->distribution, DISTRIBUTION_KUBERNETES);
    assert_int_equal(k8s_namespaces(c).count, 0);
    assert_true(c->qps == 0);
    assert_int_equal(c->burst, 0);
    assert_false(c->spec_image_fallback);
    for (size_t i = 0; i < K8S_METRIC_COUNT; i++)
        assert_int_equal(c->metrics.items[i].enabled, k8s_metrics[i].enabled);
    for (size_t i = 0; i < ATTR_COUNT; i++)
        assert_int_equal(c->resource_attributes.items[i].enabled,
                         k8s_resource_attributes[i].enabled);
    const struct metric_config *m = &c->metrics.items[K8S_SERVICE_ENDPOINT_COUNT];
    assert_int_equal(m->attribute_mask, k8s_metrics[K8S_SERVICE_ENDPOINT_COUNT].attributes);
    assert_int_equal(m->attributes.count, 3);
    assert_int_equal(m->aggregation, AGGREGATE_AVG);
    arena_deinit(&d.arena);
}

static void test_all_keys(void **state)
{
    (void)state;
    struct decoded d;
    decode_well(&d, "auth_type: kubeConfig\n"
                    "context: prod\n"
                    "kube_api_qps: 12.5\n"
                    "kube_api_burst: 20\n"
                    "collection_interval: 30s\n"
                    "node_conditions_to_report: [Ready, PIDPressure, anything at all]\n"
                    "allocatable_types_to_report: [cpu, nvidia.com/gpu]\n"
                    "distribution: openshift\n"
                    "metadata_collection_interval: 0\n"
                    "namespaces: [a, b]\n"
                    "spec_image_fallback: true\n"
                    "metrics:\n"
                    "  k8s.pod.phase: {enabled: false}\n"
                    "  k8s.node.condition: {enabled: true}\n"
                    "  k8s.service.endpoint.count:\n"
                    "    enabled: true\n"
                    "    attributes: [k8s.service.endpoint.condition]\n"
                    "    aggregation_strategy: sum\n"
                    "resource_attributes:\n"
                    "  k8s.pod.uid: {enabled: false}\n"
                    "  k8s.namespace.name:\n"
                    "    metrics_include: [{strict: shop}, {regexp: '^kube-'}]\n"
                    "    metrics_exclude: [{regexp: x$}]\n");
    const struct k8s_cluster_config *c = d.config;
    assert_int_equal(c->auth_type, KUBE_AUTH_KUBECONFIG);
    assert_true(str_eqz(c->context, "prod"));
    assert_true(c->qps == 12.5);
    assert_int_equal(c->burst, 20);
    assert_int_equal(c->collection_interval_ns, 30 * SECOND);
    assert_int_equal(c->node_conditions.count, 3);
    assert_int_equal(c->allocatable_types.count, 2);
    assert_int_equal(c->distribution, DISTRIBUTION_OPENSHIFT);
    assert_int_equal(c->metadata_collection_interval_ns, 0);
    assert_int_equal(k8s_namespaces(c).count, 2);
    assert_true(c->spec_image_fallback);
    assert_false(k8s_metric_enabled(c, K8S_POD_PHASE));
    assert_true(k8s_metric_enabled(c, K8S_NODE_CONDITION));
    const struct metric_config *m = &c->metrics.items[K8S_SERVICE_ENDPOINT_COUNT];
    assert_true(m->enabled);
    assert_int_equal(m->attribute_mask, POINT(ENDPOINT_CONDITION));
    assert_int_equal(m->aggregation, AGGREGATE_SUM);
    assert_false(k8s_attribute_enabled(c, ATTR_POD_UID));
    assert_true(k8s_attribute_enabled(c, ATTR_NAMESPACE_NAME));
    const struct attribute_config *a = &c->resource_attributes.items[ATTR_NAMESPACE_NAME];
    assert_int_equal(a->metrics_include.count, 2);
    assert_int_equal(a->metrics_exclude.count, 1);
    arena_deinit(&d.arena);
}

/* As a template leaves it that has no value for the key. */
static void test_null_attributes_are_all_attributes(void **state)
{
    (void)state;
    struct decoded d;
    decode_well(&d, "metrics:\n"
                    "  k8s.service.endpoint.count:\n"
                    "    attributes:\n"
                    "    aggregation_strategy:\n"
                    "  openshift.appliedclusterquota.used: {attributes: ~}\n");
    const struct k8s_cluster_config *c = d.config;
    const struct metric_config *m = &c->metrics.items[K8S_SERVICE_ENDPOINT_COUNT];
    assert_int_equal(m->attribute_mask, k8s_metrics[K8S_SERVICE_ENDPOINT_COUNT].attributes);
    assert_int_equal(m->aggregation, AGGREGATE_AVG);
    assert_false(m->is_aggregated);
    m = &c->metrics.items[K8S_APPLIED_QUOTA_USED];
    assert_int_equal(m->attribute_mask, k8s_metrics[K8S_APPLIED_QUOTA_USED].attributes);
    arena_deinit(&d.arena);
}

static void test_namespaces(void **state)
{
    (void)state;
    struct decoded d;
    decode_well(&d, "namespace: old");
    assert_int_equal(k8s_namespaces(d.config).count, 1);
    assert_true(str_eqz(k8s_namespaces(d.config).items[0], "old"));
    assert_true(says(&d, "deprecated"));
    arena_deinit(&d.arena);
    decode_well(&d, "{namespace: old, namespaces: [new]}");
    assert_int_equal(k8s_namespaces(d.config).count, 1);
    assert_true(str_eqz(k8s_namespaces(d.config).items[0], "new"));
    assert_true(says(&d, "no effect beside namespaces"));
    arena_deinit(&d.arena);
    decode_well(&d, "namespaces: [a, b, a]");
    assert_int_equal(k8s_namespaces(d.config).count, 2);
    assert_true(says(&d, "lists a twice"));
    arena_deinit(&d.arena);
    assert_error("namespaces: [a, '']", 1, 13, "is no name of a namespace");
    assert_error("namespaces: [A/b]", 1, 13, "\"A/b\" is no name of a namespace");
    assert_error("namespace: a b", 1, 12, "no name of a namespace");
}

static void test_simple_errors(void **state)
{
    (void)state;
    assert_error("auth_type: token", 1, 12, "invalid authType for kubernetes: token");
    assert_error("auth_type: tls", 1, 12, "tls is not supported");
    assert_fine("auth_type: none");
    assert_error("kube_api_qps: -1", 1, 15, "must not be negative");
    assert_error("kube_api_qps: .nan", 1, 15, "must not be negative");
    assert_error("kube_api_burst: -1", 1, 17, "must not be negative");
    assert_error("collection_interval: 0", 1, 22, "collection_interval must be at least 10ms");
    assert_error("collection_interval: -5s", 1, 22, "collection_interval must be at least 10ms");
    assert_error("collection_interval: 5", 1, 22, "collection_interval must be at least 10ms");
    assert_error("metadata_collection_interval: -1s", 1, 31, "must not be negative");
    assert_error("distribution: rancher", 1, 15,
                 "\"rancher\" is not a supported distribution. Must be one of: \"openshift\", "
                 "\"kubernetes\"");
    assert_error("auth_type: none\ncollection_intervall: 1s", 2, 1,
                 "did you mean \"collection_interval\"");
    assert_error("k8s_leader_elector: x", 1, 1, "k8s_leader_elector"); /* the host takes it out */
    struct decoded d;
    decode_well(&d, "metadata_exporters: [signalfx]");
    assert_true(says(&d, "no exporter here takes metadata"));
    arena_deinit(&d.arena);
}

static void test_metric_errors(void **state)
{
    (void)state;
    assert_error("metrics:\n  k8s.pod.phases: {enabled: true}", 2, 3,
                 "did you mean \"k8s.pod.phase\"");
    assert_error("metrics: {k8s.pod.phase: {attributes: []}}", 1, 27, "attributes");
    assert_error("metrics: {k8s.pod.phase: {enabled: 1}}", 1, 36, "bool");
    assert_error("metrics:\n  k8s.service.endpoint.count:\n    attributes: [zone]", 3, 17,
                 "metric k8s.service.endpoint.count doesn't have an attribute zone, valid "
                 "attributes: [k8s.service.endpoint.address_type, k8s.service.endpoint.condition, "
                 "k8s.service.endpoint.zone]");
    assert_error("metrics: {openshift.appliedclusterquota.used: {attributes: "
                 "[k8s.namespace.name]}}",
                 1, 60,
                 "resource is a required attribute for openshift.appliedclusterquota.used metric "
                 "and must be included");
    assert_error("metrics: {openshift.appliedclusterquota.limit: {aggregation_strategy: median}}",
                 1, 71,
                 "invalid aggregation strategy \"median\", valid strategies: [sum, avg, min, max]");
    assert_fine("metrics: {k8s.service.endpoint.count: {attributes: []}}");
    assert_fine("metrics: {openshift.appliedclusterquota.limit: {attributes: [resource], "
                "aggregation_strategy: max}}");
}

static void test_attribute_errors(void **state)
{
    (void)state;
    assert_error("resource_attributes: {k8s.pod.uuid: {enabled: true}}", 1, 23,
                 "did you mean \"k8s.pod.uid\"");
    assert_error("resource_attributes: {k8s.pod.uid: {metrics_include: [{}]}}", 1, 55,
                 "must specify either strict or regexp");
    assert_error("resource_attributes: {k8s.pod.uid: {metrics_exclude: [{strict: a, regexp: b}]}}",
                 1, 55, "strict and regexp cannot be used together");
    assert_error("resource_attributes: {k8s.pod.uid: {metrics_exclude: [{regexp: 'a(b'}]}}", 1, 64,
                 "error parsing regexp: missing closing parenthesis");
    assert_error("resource_attributes: {k8s.pod.uid: {metrics_exclude: [{glob: a}]}}", 1, 56,
                 "glob");
}

/* What print-config writes can be read in again and says the same. */
static void test_round_trip(void **state)
{
    (void)state;
    struct decoded d, again;
    struct buf first, second;
    buf_init(&first, 1 << 20);
    buf_init(&second, 1 << 20);
    decode_well(&d, "metrics: {k8s.service.endpoint.count: {attributes: [], aggregation_strategy: "
                    "min}}\nresource_attributes: {k8s.pod.uid: {metrics_include: [{regexp: "
                    "a.*b}]}}\ncollection_interval: 1m");
    yaml_print(&first, config_encode(&d.arena, &k8s_cluster_schema, d.config, false));
    decode(&again, buf_cstr(&first));
    /* an empty half of a filter is printed, and counts as not given */
    assert_int_equal(again.messages.error_count, 0);
    assert_int_equal(again.config->metrics.items[K8S_SERVICE_ENDPOINT_COUNT].attribute_mask, 0);
    yaml_print(&second, config_encode(&again.arena, &k8s_cluster_schema, again.config, false));
    assert_true(str_eq(buf_view(&first), buf_view(&second)));
    arena_deinit(&d.arena);
    arena_deinit(&again.arena);
    buf_deinit(&first);
    buf_deinit(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_null_attributes_are_all_attributes),
        cmocka_unit_test(test_namespaces),
        cmocka_unit_test(test_simple_errors),
        cmocka_unit_test(test_metric_errors),
        cmocka_unit_test(test_attribute_errors),
        cmocka_unit_test(test_round_trip),
    };
    return cmocka_run_group_tests_name("k8s_cluster_config", tests, NULL, NULL);
}
