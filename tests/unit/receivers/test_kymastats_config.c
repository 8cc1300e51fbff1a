/* Keys, defaults and errors of kymastats, through the real decoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "kube/client.h"
#include "receivers/kymastats/config.h"

#define SECOND INT64_C(1000000000)
#define ONE "resources: [{group: g.io, version: v1, resource: things}]\n"

struct decoded {
    struct arena arena;
    struct config_messages messages;
    const struct kymastats_config *config;
};

static void decode(struct decoded *d, const char *yaml)
{
    struct node *root;
    struct err err;
    arena_init(&d->arena, 4096);
    config_messages_init(&d->messages, &d->arena);
    assert_true(yaml_parse(&d->arena, STR("test.yaml"), str_from(yaml), &root, &err));
    d->config = config_decode(&d->arena, &kymastats_schema, root, STR("receivers::kymastats"),
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
    const struct place *place = &d.messages.first->place;
    if (place->line != line || place->column != column)
        fail_msg("%s: at %u:%u", yaml, (unsigned)place->line, (unsigned)place->column);
    arena_deinit(&d.arena);
}

static void test_defaults(void **state)
{
    (void)state;
    struct decoded d;
    decode_well(&d, ONE);
    const struct kymastats_config *c = d.config;
    assert_int_equal(c->auth_type, KUBE_AUTH_SERVICE_ACCOUNT);
    assert_int_equal(c->context.len, 0);
    assert_int_equal(c->collection_interval_ns, 60 * SECOND);
    assert_int_equal(c->initial_delay_ns, SECOND);
    assert_false(c->has_initial_delay);
    assert_int_equal(c->timeout_ns, 0);
    for (size_t i = 0; i < KYMA_METRIC_COUNT; i++) {
        const struct metric_config *m = &c->metrics.items[i];
        assert_true(m->enabled);
        assert_false(m->is_aggregated);
        assert_int_equal(m->aggregation, AGGREGATE_AVG);
        assert_int_equal(m->attribute_mask, kyma_metric_attributes[i]);
        assert_int_equal(m->attributes.count, i == KYMA_STATUS_CONDITIONS ? 8 : 6);
    }
    for (size_t i = 0; i < KYMA_ATTR_COUNT; i++)
        assert_true(c->resource_attributes.items[i].enabled);
    arena_deinit(&d.arena);
}

static void test_all_keys(void **state)
{
    (void)state;
    struct decoded d;
    decode_well(&d, "auth_type: kubeConfig\n"
                    "context: prod\n"
                    "collection_interval: 30s\n"
                    "initial_delay: 5s\n"
                    "timeout: 10s\n"
                    "resources:\n"
                    "- {group: operator.kyma-project.io, version: v1beta1, resource: telemetries}\n"
                    "- {version: v1, resource: pods}\n"
                    "metrics:\n"
                    "  kyma.resource.status.state: {enabled: false}\n"
                    "  kyma.resource.status.conditions:\n"
                    "    attributes: [type, name]\n"
                    "    aggregation_strategy: max\n"
                    "resource_attributes:\n"
                    "  k8s.resource.group: {enabled: false}\n"
                    "  k8s.resource.name:\n"
                    "    metrics_include: [{strict: default}, {regexp: ^a}]\n"
                    "    metrics_exclude: [{regexp: x$}]\n");
    const struct kymastats_config *c = d.config;
    assert_int_equal(c->auth_type, KUBE_AUTH_KUBECONFIG);
    assert_true(str_eqz(c->context, "prod"));
    assert_int_equal(c->collection_interval_ns, 30 * SECOND);
    assert_int_equal(c->initial_delay_ns, 5 * SECOND);
    assert_true(c->has_initial_delay);
    assert_int_equal(c->timeout_ns, 10 * SECOND);
    assert_int_equal(c->resources.count, 2);
    const struct kyma_resource_config *r = c->resources.items;
    assert_true(str_eqz(r[0].group, "operator.kyma-project.io"));
    assert_true(str_eqz(r[0].version, "v1beta1") && str_eqz(r[0].resource, "telemetries"));
    assert_true(str_eqz(r[1].group, "") && str_eqz(r[1].resource, "pods"));
    assert_false(c->metrics.items[KYMA_STATUS_STATE].enabled);
    const struct metric_config *m = &c->metrics.items[KYMA_STATUS_CONDITIONS];
    assert_true(m->enabled && m->is_aggregated);
    assert_int_equal(m->attribute_mask, 1U << KYMA_POINT_TYPE | 1U << KYMA_POINT_NAME);
    assert_int_equal(m->aggregation, AGGREGATE_MAX);
    assert_false(c->resource_attributes.items[KYMA_ATTR_GROUP].enabled);
    assert_true(c->resource_attributes.items[KYMA_ATTR_NAME].enabled);
    assert_int_equal(c->resource_attributes.items[KYMA_ATTR_NAME].metrics_include.count, 2);
    assert_int_equal(c->resource_attributes.items[KYMA_ATTR_NAME].metrics_exclude.count, 1);
    arena_deinit(&d.arena);
}

static void test_errors(void **state)
{
    (void)state;
    assert_error("auth_type: none", 1, 1, "empty resources");
    assert_error("resources: []", 1, 12, "empty resources");
    assert_error("resources: [{group: g.io, resource: things}]", 1, 13, "must be set");
    assert_error("resources: [{version: v1}]", 1, 13, "must be set: the plural name");
    assert_error("resources: [{version: v1, resources: things}]", 1, 27, "did you mean");
    assert_error(ONE "auth_type: token", 2, 12, "invalid authType for kubernetes: token");
    assert_error(ONE "auth_type: tls", 2, 12, "invalid authType for kubernetes: tls");
    assert_error(ONE "collection_interval: 0s", 2, 22,
                 "\"collection_interval\": requires positive value");
    assert_error(ONE "collection_interval: -5s", 2, 22,
                 "\"collection_interval\": requires positive value");
    assert_error(ONE "collection_interval: 5", 2, 22, "collection_interval must be at least 10ms");
    assert_error(ONE "timeout: -1s", 2, 10, "\"timeout\": requires positive value");
    assert_error(ONE "metrics: {kyma.resource.status.stat: {}}", 2, 11,
                 "did you mean \"kyma.resource.status.state\"");
    assert_error(ONE "metrics: {kyma.resource.status.state: {attributes: [type]}}", 2, 52,
                 "metric kyma.resource.status.state doesn't have an attribute type, valid "
                 "attributes: [group, kind, name, namespace, state, version]");
    assert_error(ONE "metrics: {kyma.resource.status.conditions: {attributes: [state]}}", 2, 57,
                 "metric kyma.resource.status.conditions doesn't have an attribute state, valid "
                 "attributes: [group, kind, name, namespace, reason, status, type, version]");
    assert_error(ONE "metrics: {kyma.resource.status.state: {aggregation_strategy: median}}", 2, 62,
                 "invalid aggregation strategy \"median\", valid strategies: [sum, avg, min, "
                 "max]");
    assert_error(ONE "resource_attributes: {k8s.resource.nam: {}}", 2, 23,
                 "did you mean \"k8s.resource.name\"");
    assert_error(ONE "resource_attributes: {k8s.resource.name: {metrics_include: [{}]}}", 2, 61,
                 "must specify either strict or regexp");
}

static void test_cautions(void **state)
{
    (void)state;
    struct decoded d;
    decode_well(&d, "resources:\n"
                    "- {group: g.io, version: v1, resource: things}\n"
                    "- {group: g.io, version: v2, resource: things}\n"
                    "- {group: g.io, version: v1, resource: things}\n");
    assert_int_equal(d.config->resources.count, 2);
    assert_true(says(&d, "lists g.io/v1 things twice"));
    arena_deinit(&d.arena);
    decode_well(&d, ONE "context: prod");
    assert_true(says(&d, "has no effect unless auth_type is kubeConfig"));
    arena_deinit(&d.arena);
    decode_well(&d, ONE "metrics: {kyma.resource.status.conditions: {attributes: []}}");
    assert_int_equal(d.config->metrics.items[KYMA_STATUS_CONDITIONS].attribute_mask, 0);
    assert_true(d.config->metrics.items[KYMA_STATUS_CONDITIONS].is_aggregated);
    arena_deinit(&d.arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all_keys),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_cautions),
    };
    return cmocka_run_group_tests_name("kymastats_config", tests, NULL, NULL);
}
