/* Settings of `kymastats`, and the names of what it emits. */
#ifndef RECEIVERS_KYMASTATS_CONFIG_H
#define RECEIVERS_KYMASTATS_CONFIG_H

#include "service/metric_settings.h"

enum kyma_metric { KYMA_STATUS_CONDITIONS, KYMA_STATUS_STATE, KYMA_METRIC_COUNT };

/* In order of their names, as points have them. */
enum kyma_point_attribute {
    KYMA_POINT_GROUP,
    KYMA_POINT_KIND,
    KYMA_POINT_NAME,
    KYMA_POINT_NAMESPACE,
    KYMA_POINT_REASON,
    KYMA_POINT_STATE,
    KYMA_POINT_STATUS,
    KYMA_POINT_TYPE,
    KYMA_POINT_VERSION,
    KYMA_POINT_COUNT
};
extern const str kyma_point_names[KYMA_POINT_COUNT];
/* 1 << enum kyma_point_attribute, of all that points of this metric have. */
extern const unsigned kyma_metric_attributes[KYMA_METRIC_COUNT];

enum kyma_resource_attribute {
    KYMA_ATTR_NAMESPACE,
    KYMA_ATTR_GROUP,
    KYMA_ATTR_KIND,
    KYMA_ATTR_NAME,
    KYMA_ATTR_VERSION,
    KYMA_ATTR_COUNT
};
extern const str kyma_attribute_names[KYMA_ATTR_COUNT];

struct kyma_resource_config {
    str group, version, resource; /* `resource`: the plural */
};
struct kymastats_config {
    str auth_type_text;
    int auth_type; /* enum kube_auth, from the text */
    str context;
    int64_t collection_interval_ns;
    int64_t initial_delay_ns;
    bool has_initial_delay; /* it was written */
    int64_t timeout_ns;
    struct config_blocks resources; /* struct kyma_resource_config, each once */
    struct {
        struct metric_config items[KYMA_METRIC_COUNT];
    } metrics;
    struct {
        struct attribute_config items[KYMA_ATTR_COUNT];
    } resource_attributes;
};
extern const struct config_schema kymastats_schema;

#endif
