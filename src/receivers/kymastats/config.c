/*
 * Settings of `kymastats`: keys, defaults, and rules that can be checked without a cluster.
 *
 * Specification: kyma_receivers 1.1, collector_host 3.1 (interval, delay, timeout). Differs: a
 * resource without version or name, which no server could list, is an error here and not at each
 * scrape; one that is listed twice is watched once.
 */
#include "receivers/kymastats/config.h"

#include "base/limits.h"
#include "kube/client.h"

#define SECOND INT64_C(1000000000)

const str kyma_point_names[KYMA_POINT_COUNT] = {
    [KYMA_POINT_GROUP] = STR("group"),     [KYMA_POINT_KIND] = STR("kind"),
    [KYMA_POINT_NAME] = STR("name"),       [KYMA_POINT_NAMESPACE] = STR("namespace"),
    [KYMA_POINT_REASON] = STR("reason"),   [KYMA_POINT_STATE] = STR("state"),
    [KYMA_POINT_STATUS] = STR("status"),   [KYMA_POINT_TYPE] = STR("type"),
    [KYMA_POINT_VERSION] = STR("version"),
};

enum {
    OBJECT_ATTRIBUTES = 1U << KYMA_POINT_GROUP | 1U << KYMA_POINT_KIND | 1U << KYMA_POINT_NAME |
                        1U << KYMA_POINT_NAMESPACE | 1U << KYMA_POINT_VERSION,
};
const unsigned kyma_metric_attributes[KYMA_METRIC_COUNT] = {
    [KYMA_STATUS_CONDITIONS] = OBJECT_ATTRIBUTES | 1U << KYMA_POINT_REASON |
                               1U << KYMA_POINT_STATUS | 1U << KYMA_POINT_TYPE,
    [KYMA_STATUS_STATE] = OBJECT_ATTRIBUTES | 1U << KYMA_POINT_STATE,
};

#define CONDITIONS_NAME "kyma.resource.status.conditions"
#define STATE_NAME "kyma.resource.status.state"
static const char *const metric_names[KYMA_METRIC_COUNT] = {
    [KYMA_STATUS_CONDITIONS] = CONDITIONS_NAME,
    [KYMA_STATUS_STATE] = STATE_NAME,
};

const str kyma_attribute_names[KYMA_ATTR_COUNT] = {
    [KYMA_ATTR_NAMESPACE] = STR("k8s.namespace.name"),
    [KYMA_ATTR_GROUP] = STR("k8s.resource.group"),
    [KYMA_ATTR_KIND] = STR("k8s.resource.kind"),
    [KYMA_ATTR_NAME] = STR("k8s.resource.name"),
    [KYMA_ATTR_VERSION] = STR("k8s.resource.version"),
};

/* ---- metrics ---- */

static void check_metric(struct metric_config *c, enum kyma_metric id, struct config_check *check)
{
    metric_config_check(c,
                        &(struct metric_attributes){
                            .metric = str_from(metric_names[id]),
                            .names = kyma_point_names,
                            .name_count = KYMA_POINT_COUNT,
                            .all = kyma_metric_attributes[id],
                        },
                        check);
}

static void check_conditions(void *config, struct config_check *check)
{
    check_metric(config, KYMA_STATUS_CONDITIONS, check);
}
static void check_state(void *config, struct config_check *check)
{
    check_metric(config, KYMA_STATUS_STATE, check);
}

static void metric_defaults(void *config)
{
    struct metric_config *c = config;
    metric_config_defaults(c);
    c->enabled = true;
}

#define METRIC_SCHEMA(check_)                                                                      \
    {                                                                                              \
        .name = "metric", .size = sizeof(struct metric_config), .fields = metric_config_fields,    \
        .field_count = METRIC_FIELDS_ALL, .defaults = metric_defaults, .check = check_             \
    }
static const struct config_schema conditions_schema = METRIC_SCHEMA(check_conditions),
                                  state_schema = METRIC_SCHEMA(check_state);

#define METRICS_OFFSET(id) (sizeof(struct metric_config) * (id))
static const struct config_field metrics_fields[KYMA_METRIC_COUNT] = {
    {.key = CONDITIONS_NAME,
     .type = CONFIG_BLOCK,
     .block = &conditions_schema,
     .offset = METRICS_OFFSET(KYMA_STATUS_CONDITIONS)},
    {.key = STATE_NAME,
     .type = CONFIG_BLOCK,
     .block = &state_schema,
     .offset = METRICS_OFFSET(KYMA_STATUS_STATE)},
};
static const struct config_schema metrics_schema = {
    .name = "metrics",
    .size = sizeof(struct metric_config[KYMA_METRIC_COUNT]),
    .fields = metrics_fields,
    .field_count = COUNT_OF(metrics_fields),
};

/* ---- resource attributes ---- */

static void attributes_defaults(void *config)
{
    struct attribute_config *items = config;
    for (size_t i = 0; i < KYMA_ATTR_COUNT; i++)
        items[i].enabled = true;
}

#define ATTRIBUTE(key_, id)                                                                        \
    {                                                                                              \
        .key = key_, .type = CONFIG_BLOCK, .block = &attribute_config_schema,                      \
        .offset = sizeof(struct attribute_config) * (id)                                           \
    }
static const struct config_field attributes_fields[KYMA_ATTR_COUNT] = {
    ATTRIBUTE("k8s.namespace.name", KYMA_ATTR_NAMESPACE),
    ATTRIBUTE("k8s.resource.group", KYMA_ATTR_GROUP),
    ATTRIBUTE("k8s.resource.kind", KYMA_ATTR_KIND),
    ATTRIBUTE("k8s.resource.name", KYMA_ATTR_NAME),
    ATTRIBUTE("k8s.resource.version", KYMA_ATTR_VERSION),
};
static const struct config_schema attributes_schema = {
    .name = "resource_attributes",
    .size = sizeof(struct attribute_config[KYMA_ATTR_COUNT]),
    .fields = attributes_fields,
    .field_count = COUNT_OF(attributes_fields),
    .defaults = attributes_defaults,
};

/* ---- resources ---- */

static void check_resource(void *config, struct config_check *check)
{
    const struct kyma_resource_config *c = config;
    if (c->version.len == 0)
        config_problem(check, "version", "must be set, such as v1beta1");
    if (c->resource.len == 0)
        config_problem(check, "resource", "must be set: the plural name, such as telemetries");
}

#define RESOURCE_FIELD(name)                                                                       \
    {                                                                                              \
        .key = #name, .type = CONFIG_STR, .offset = offsetof(struct kyma_resource_config, name)    \
    }
static const struct config_field resource_fields[] = {
    RESOURCE_FIELD(group),
    RESOURCE_FIELD(version),
    RESOURCE_FIELD(resource),
};
static const struct config_schema resource_schema = {
    .name = "resource",
    .size = sizeof(struct kyma_resource_config),
    .fields = resource_fields,
    .field_count = COUNT_OF(resource_fields),
    .check = check_resource,
};

/* ---- the receiver ---- */

static void defaults(void *config)
{
    struct kymastats_config *c = config;
    c->auth_type_text = str_from(kube_auth_names[KUBE_AUTH_SERVICE_ACCOUNT]);
    c->collection_interval_ns = 60 * SECOND;
    c->initial_delay_ns = SECOND;
}

static void check_connection(struct kymastats_config *c, struct config_check *check)
{
    c->auth_type = -1;
    for (int i = 0; kube_auth_names[i] != NULL; i++)
        if (i != KUBE_AUTH_TLS && str_eqz(c->auth_type_text, kube_auth_names[i]))
            c->auth_type = i;
    if (c->auth_type < 0)
        config_problem(check, "auth_type",
                       "invalid authType for kubernetes: %.*s (valid types: serviceAccount, "
                       "kubeConfig, none)",
                       STR_ARG(c->auth_type_text));
    if (c->context.len > 0 && c->auth_type != KUBE_AUTH_KUBECONFIG)
        config_caution(check, "context", "has no effect unless auth_type is kubeConfig");
}

static void check_times(struct kymastats_config *c, struct config_check *check)
{
    if (c->collection_interval_ns <= 0)
        config_problem(check, "collection_interval",
                       "\"collection_interval\": requires positive value");
    else if (c->collection_interval_ns < LIMIT_INTERVAL_MIN_MS * SECOND / 1000)
        config_problem(check, "collection_interval", "collection_interval must be at least %dms",
                       LIMIT_INTERVAL_MIN_MS);
    if (c->timeout_ns < 0)
        config_problem(check, "timeout", "\"timeout\": requires positive value");
}

static bool is_same(const struct kyma_resource_config *a, const struct kyma_resource_config *b)
{
    return str_eq(a->group, b->group) && str_eq(a->version, b->version) &&
           str_eq(a->resource, b->resource);
}

static void check_resources(struct kymastats_config *c, struct config_check *check)
{
    struct kyma_resource_config *items = c->resources.items;
    size_t kept = 0;
    if (c->resources.count == 0)
        config_problem(check, "resources", "empty resources");
    for (size_t i = 0; i < c->resources.count; i++) {
        size_t k = 0;
        while (k < kept && !is_same(&items[k], &items[i]))
            k++;
        if (k == kept)
            items[kept++] = items[i];
        else
            config_caution(check, "resources", "lists %.*s%s%.*s %.*s twice",
                           STR_ARG(items[i].group), items[i].group.len > 0 ? "/" : "",
                           STR_ARG(items[i].version), STR_ARG(items[i].resource));
    }
    c->resources.count = kept;
}

static void check(void *config, struct config_check *check)
{
    struct kymastats_config *c = config;
    check_connection(c, check);
    check_times(c, check);
    check_resources(c, check);
}

#define FIELD(key_, type_, member)                                                                 \
    {                                                                                              \
        .key = key_, .type = type_, .offset = offsetof(struct kymastats_config, member)            \
    }
#define BLOCK(key_, type_, member, block_)                                                         \
    {                                                                                              \
        .key = key_, .type = type_, .offset = offsetof(struct kymastats_config, member),           \
        .block = block_                                                                            \
    }
static const struct config_field fields[] = {
    FIELD("auth_type", CONFIG_STR, auth_type_text),
    FIELD("context", CONFIG_STR, context),
    FIELD("collection_interval", CONFIG_DURATION, collection_interval_ns),
    {.key = "initial_delay",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct kymastats_config, initial_delay_ns),
     .means_written = true,
     .flag_offset = offsetof(struct kymastats_config, has_initial_delay)},
    FIELD("timeout", CONFIG_DURATION, timeout_ns),
    BLOCK("resources", CONFIG_BLOCK_LIST, resources, &resource_schema),
    BLOCK("metrics", CONFIG_BLOCK, metrics, &metrics_schema),
    BLOCK("resource_attributes", CONFIG_BLOCK, resource_attributes, &attributes_schema),
};
const struct config_schema kymastats_schema = {
    .name = "kymastats",
    .size = sizeof(struct kymastats_config),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .defaults = defaults,
    .check = check,
};
