/* Settings of `k8s_cluster`. */
#ifndef RECEIVERS_K8S_CLUSTER_CONFIG_H
#define RECEIVERS_K8S_CLUSTER_CONFIG_H

#include "receivers/k8s_cluster/table.h"
#include "service/metric_settings.h"

enum k8s_distribution { DISTRIBUTION_OPENSHIFT, DISTRIBUTION_KUBERNETES };

struct k8s_metrics_config {
    struct metric_config items[K8S_METRIC_COUNT];
};
struct k8s_attributes_config {
    struct attribute_config items[ATTR_COUNT];
};

struct k8s_cluster_config {
    str auth_type_text;
    int auth_type; /* enum kube_auth, from the text */
    str context;
    double qps; /* 0: the client's default */
    int64_t burst;
    int64_t collection_interval_ns;
    int64_t metadata_collection_interval_ns; /* 0: no periodic repetition */
    struct config_strs node_conditions, allocatable_types;
    struct config_strs metadata_exporters;
    str distribution_text;
    int distribution; /* enum k8s_distribution, from the text */
    str namespace;    /* deprecated form of a list of one */
    struct config_strs namespaces;
    struct k8s_metrics_config metrics;
    struct k8s_attributes_config resource_attributes;
    bool spec_image_fallback;
};

extern const struct config_schema k8s_cluster_schema;

static inline bool k8s_metric_enabled(const struct k8s_cluster_config *c, enum k8s_metric_id id)
{
    return c->metrics.items[id].enabled;
}
static inline bool k8s_attribute_enabled(const struct k8s_cluster_config *c, enum k8s_resource_attribute id)
{
    return c->resource_attributes.items[id].enabled;
}
/* The namespaces to watch; none: all of the cluster. */
static inline struct config_strs k8s_namespaces(const struct k8s_cluster_config *c)
{
    if (c->namespaces.count > 0 || c->namespace.len == 0)
        return c->namespaces;
    return (struct config_strs){.items = (str *)&c->namespace, .count = 1};
}

#endif
