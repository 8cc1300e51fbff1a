/*
 * Settings of `k8s_cluster`: keys, defaults, and rules that can be checked without a cluster.
 *
 * The keys of `metrics` and `resource_attributes` come from the lists of table.h: a metric that is
 * added there can be configured at once. Three metrics have attributes that may be left out; their
 * blocks have two keys more. What the checks derive from texts (numbers of auth_type, distribution
 * and strategy, the mask of attributes) is kept beside the texts, which print-config shows.
 *
 * Specification: k8s_cluster 1. Differs: intervals that would stop the reference with a panic are
 * refused, so is auth_type tls; a namespace that is listed twice is watched once.
 */
#include "receivers/k8s_cluster/config.h"

#include <math.h>

#include "base/limits.h"
#include "kube/client.h"
#include "wire/text.h"

#define SECOND INT64_C(1000000000)

/* ---- metrics.<name> ---- */

static const struct config_schema metric_schema = {
    .name = "metric",
    .size = sizeof(struct metric_config),
    .fields = metric_config_fields,
    .field_count = METRIC_FIELDS_ENABLED,
};

static void check_metric(struct metric_config *c, enum k8s_metric_id id, struct config_check *check)
{
    const struct k8s_metric *metric = &k8s_metrics[id];
    str names[POINT_ATTRIBUTE_COUNT];
    for (size_t i = 0; i < POINT_ATTRIBUTE_COUNT; i++)
        names[i] = k8s_point_attributes[i].name;
    metric_config_check(c,
                        &(struct metric_attributes){
                            .metric = metric->desc.name,
                            .names = names,
                            .name_count = POINT_ATTRIBUTE_COUNT,
                            .all = metric->attributes,
                            .required = metric->attributes & ~metric->recommended,
                        },
                        check);
}

static void check_endpoint_count(void *config, struct config_check *check)
{
    check_metric(config, K8S_SERVICE_ENDPOINT_COUNT, check);
}
static void check_applied_limit(void *config, struct config_check *check)
{
    check_metric(config, K8S_APPLIED_QUOTA_LIMIT, check);
}
static void check_applied_used(void *config, struct config_check *check)
{
    check_metric(config, K8S_APPLIED_QUOTA_USED, check);
}

#define REDUCIBLE_SCHEMA(check_)                                                                   \
    {                                                                                              \
        .name = "metric", .size = sizeof(struct metric_config), .fields = metric_config_fields,    \
        .field_count = METRIC_FIELDS_ALL, .defaults = metric_config_defaults, .check = check_      \
    }
static const struct config_schema endpoint_count_schema = REDUCIBLE_SCHEMA(check_endpoint_count),
                                  applied_limit_schema = REDUCIBLE_SCHEMA(check_applied_limit),
                                  applied_used_schema = REDUCIBLE_SCHEMA(check_applied_used);

#define SCHEMA_OF(id)                                                                              \
    (K8S_##id == K8S_SERVICE_ENDPOINT_COUNT ? &endpoint_count_schema                               \
     : K8S_##id == K8S_APPLIED_QUOTA_LIMIT  ? &applied_limit_schema                                \
     : K8S_##id == K8S_APPLIED_QUOTA_USED   ? &applied_used_schema                                 \
                                            : &metric_schema)
static const struct config_field metrics_fields[] = {
#define X(id, name, ...)                                                                           \
    {.key = name,                                                                                  \
     .type = CONFIG_BLOCK,                                                                         \
     .block = SCHEMA_OF(id),                                                                       \
     .offset = offsetof(struct k8s_metrics_config, items[K8S_##id])},
    K8S_METRICS(X)
#undef X
};

static void metrics_defaults(void *config)
{
    struct k8s_metrics_config *c = config;
    for (size_t i = 0; i < K8S_METRIC_COUNT; i++)
        c->items[i].enabled = k8s_metrics[i].enabled;
}

static const struct config_schema metrics_schema = {
    .name = "metrics",
    .size = sizeof(struct k8s_metrics_config),
    .fields = metrics_fields,
    .field_count = COUNT_OF(metrics_fields),
    .defaults = metrics_defaults,
};

/* ---- resource_attributes.<name> ---- */

static const struct config_field attributes_fields[] = {
#define X(id, name, ...)                                                                           \
    {.key = name,                                                                                  \
     .type = CONFIG_BLOCK,                                                                         \
     .block = &attribute_config_schema,                                                            \
     .offset = offsetof(struct k8s_attributes_config, items[ATTR_##id])},
    K8S_RESOURCE_ATTRIBUTES(X)
#undef X
};

static void attributes_defaults(void *config)
{
    struct k8s_attributes_config *c = config;
    for (size_t i = 0; i < ATTR_COUNT; i++)
        c->items[i].enabled = k8s_resource_attributes[i].enabled;
}

static const struct config_schema attributes_schema = {
    .name = "resource_attributes",
    .size = sizeof(struct k8s_attributes_config),
    .fields = attributes_fields,
    .field_count = COUNT_OF(attributes_fields),
    .defaults = attributes_defaults,
};

/* ---- the receiver ---- */

static void defaults(void *config)
{
    static const str conditions[] = {STR("Ready")};
    struct k8s_cluster_config *c = config;
    c->auth_type_text = str_from(kube_auth_names[KUBE_AUTH_SERVICE_ACCOUNT]);
    c->collection_interval_ns = 10 * SECOND;
    c->metadata_collection_interval_ns = 300 * SECOND;
    /* never written to: a list is replaced, not changed */
    c->node_conditions = (struct config_strs){(str *)conditions, COUNT_OF(conditions)};
    c->distribution_text = STR("kubernetes");
}

static void check_connection(struct k8s_cluster_config *c, struct config_check *check)
{
    c->auth_type = -1;
    for (int i = 0; kube_auth_names[i] != NULL; i++)
        if (str_eqz(c->auth_type_text, kube_auth_names[i]))
            c->auth_type = i;
    if (c->auth_type < 0)
        config_problem(check, "auth_type",
                       "invalid authType for kubernetes: %.*s (valid types: serviceAccount, "
                       "kubeConfig, none)",
                       STR_ARG(c->auth_type_text));
    else if (c->auth_type == KUBE_AUTH_TLS)
        config_problem(check, "auth_type",
                       "tls is not supported: no key says where the server and the certificates "
                       "are; use kubeConfig with a client certificate in the file");
    if (c->context.len > 0 && c->auth_type != KUBE_AUTH_KUBECONFIG)
        config_caution(check, "context", "has no effect unless auth_type is kubeConfig");
    if (!(c->qps >= 0) || !isfinite(c->qps))
        config_problem(check, "kube_api_qps", "kube_api_qps must not be negative");
    if (c->burst < 0)
        config_problem(check, "kube_api_burst", "kube_api_burst must not be negative");
}

static void check_intervals(const struct k8s_cluster_config *c, struct config_check *check)
{
    if (c->collection_interval_ns < LIMIT_INTERVAL_MIN_MS * SECOND / 1000)
        config_problem(check, "collection_interval", "collection_interval must be at least %dms",
                       LIMIT_INTERVAL_MIN_MS);
    if (c->metadata_collection_interval_ns < 0)
        config_problem(check, "metadata_collection_interval",
                       "metadata_collection_interval must not be negative; 0 repeats nothing");
}

static void check_distribution(struct k8s_cluster_config *c, struct config_check *check)
{
    if (str_eqz(c->distribution_text, "openshift"))
        c->distribution = DISTRIBUTION_OPENSHIFT;
    else if (str_eqz(c->distribution_text, "kubernetes"))
        c->distribution = DISTRIBUTION_KUBERNETES;
    else
        config_problem(check, "distribution",
                       "\"%.*s\" is not a supported distribution. Must be one of: \"openshift\", "
                       "\"kubernetes\"",
                       STR_ARG(c->distribution_text));
}

static bool seen_before(const struct config_strs *list, size_t count, str text)
{
    for (size_t i = 0; i < count; i++)
        if (str_eq(list->items[i], text))
            return true;
    return false;
}

static void check_namespaces(struct k8s_cluster_config *c, struct config_check *check)
{
    struct err err;
    struct config_strs once = {.items = ARENA_ARRAY(check->arena, str, c->namespaces.count)};
    if (c->namespace.len > 0 && !dns_label_check(c->namespace, &err))
        config_problem(check, "namespace", "no name of a namespace: %s", err.text);
    if (c->namespace.len > 0)
        config_caution(check, "namespace", "is deprecated%s",
                       c->namespaces.count > 0 ? ", and has no effect beside namespaces"
                                               : ": use namespaces, a list");
    for (size_t i = 0; i < c->namespaces.count; i++) {
        str namespace = c->namespaces.items[i];
        if (!dns_label_check(namespace, &err))
            config_problem(check, "namespaces", "\"%.*s\" is no name of a namespace: %s",
                           STR_ARG(namespace), err.text);
        else if (seen_before(&once, once.count, namespace))
            config_caution(check, "namespaces", "lists %.*s twice", STR_ARG(namespace));
        else
            once.items[once.count++] = namespace;
    }
    c->namespaces = once;
}

static void check(void *config, struct config_check *check)
{
    struct k8s_cluster_config *c = config;
    check_connection(c, check);
    check_intervals(c, check);
    check_distribution(c, check);
    check_namespaces(c, check);
    if (c->metadata_exporters.count > 0)
        config_caution(check, "metadata_exporters",
                       "no exporter here takes metadata: the receiver will not start; entity "
                       "events in a logs pipeline carry the same");
}

#define FIELD(key_, type_, member)                                                                 \
    {                                                                                              \
        .key = key_, .type = type_, .offset = offsetof(struct k8s_cluster_config, member)          \
    }
static const struct config_field fields[] = {
    FIELD("auth_type", CONFIG_STR, auth_type_text),
    FIELD("context", CONFIG_STR, context),
    FIELD("kube_api_qps", CONFIG_DOUBLE, qps),
    FIELD("kube_api_burst", CONFIG_INT, burst),
    FIELD("collection_interval", CONFIG_DURATION, collection_interval_ns),
    FIELD("node_conditions_to_report", CONFIG_STR_LIST, node_conditions),
    FIELD("allocatable_types_to_report", CONFIG_STR_LIST, allocatable_types),
    FIELD("metadata_exporters", CONFIG_STR_LIST, metadata_exporters),
    FIELD("distribution", CONFIG_STR, distribution_text),
    FIELD("metadata_collection_interval", CONFIG_DURATION, metadata_collection_interval_ns),
    FIELD("namespace", CONFIG_STR, namespace),
    FIELD("namespaces", CONFIG_STR_LIST, namespaces),
    {.key = "metrics",
     .type = CONFIG_BLOCK,
     .block = &metrics_schema,
     .offset = offsetof(struct k8s_cluster_config, metrics)},
    {.key = "resource_attributes",
     .type = CONFIG_BLOCK,
     .block = &attributes_schema,
     .offset = offsetof(struct k8s_cluster_config, resource_attributes)},
    FIELD("spec_image_fallback", CONFIG_BOOL, spec_image_fallback),
};
const struct config_schema k8s_cluster_schema = {
    .name = "k8s_cluster",
    .size = sizeof(struct k8s_cluster_config),
    .fields = fields,
    .field_count = COUNT_OF(fields),
    .defaults = defaults,
    .check = check,
};
