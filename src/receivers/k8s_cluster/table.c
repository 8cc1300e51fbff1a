/*
 * The tables behind table.h, made from its lists.
 *
 * Life of an entry: a line of a list gives its number (table.h), its row here, its configuration
 * key (config.c) and its line on the docs page (a test makes that page and compares). Points refer
 * to the descriptions here: they are static, so that batches may outlive the receiver.
 *
 * Invariants: rows are sorted by name, which is the order of metrics in the data; the first
 * attribute of an entity identifies it, the next description_count ones describe it.
 *
 * Specification: k8s_cluster 3.3 and its two tables.
 */
#include "receivers/k8s_cluster/table.h"

#define TYPE_GAUGE METRIC_GAUGE
#define TYPE_SUM METRIC_SUM
#define TEMPORALITY_OF_GAUGE TEMPORALITY_UNSPECIFIED
#define TEMPORALITY_OF_SUM TEMPORALITY_CUMULATIVE

const struct k8s_metric k8s_metrics[K8S_METRIC_COUNT] = {
#define X(id, name_, on, unit_, type_, value_, entity_, attributes_, recommended_, description_)   \
    [K8S_##id] = {.desc = {.name = STR(name_),                                                     \
                           .description = STR(description_),                                       \
                           .unit = STR(unit_),                                                     \
                           .type = TYPE_##type_,                                                   \
                           .temporality = TEMPORALITY_OF_##type_},                                 \
                  .value = VALUE_##value_,                                                         \
                  .entity = ENTITY_##entity_,                                                      \
                  .enabled = on,                                                                   \
                  .attributes = attributes_,                                                       \
                  .recommended = recommended_},
    K8S_METRICS(X)
#undef X
};

const struct k8s_attribute k8s_resource_attributes[ATTR_COUNT] = {
#define X(id, name_, value_, on, description_)                                                     \
    [ATTR_##id] = {STR(name_), VALUE_##value_, on, STR(description_)},
    K8S_RESOURCE_ATTRIBUTES(X)
#undef X
};

const struct k8s_attribute k8s_point_attributes[POINT_ATTRIBUTE_COUNT] = {
#define X(id, name_, description_) [POINT_##id] = {STR(name_), VALUE_STR, true, STR(description_)},
    K8S_POINT_ATTRIBUTES(X)
#undef X
};

/* uid, name and namespace are all that most kinds have */
#define PLAIN_ENTITY(kind_, attribute, type_, title_)                                              \
    {                                                                                              \
        .type = STR(type_), .title = title_, .kind = KIND_##kind_,                                 \
        .attributes = {ATTR_##attribute##_UID, ATTR_##attribute##_NAME, ATTR_NAMESPACE_NAME},      \
        .attribute_count = 3, .description_count = 1                                               \
    }

const struct k8s_entity_desc k8s_entities[ENTITY_COUNT] = {
    [ENTITY_POD] = {.type = STR("k8s.pod"),
                    .title = "Pod",
                    .kind = KIND_POD,
                    .attributes = {ATTR_POD_UID, ATTR_POD_NAME, ATTR_POD_QOS_CLASS,
                                   ATTR_NAMESPACE_NAME, ATTR_NODE_NAME},
                    .attribute_count = 5,
                    .description_count = 2},
    [ENTITY_CONTAINER] = {.type = STR("k8s.container"),
                          .title = "Container of a Pod",
                          .kind = KIND_POD,
                          .attributes = {ATTR_CONTAINER_ID, ATTR_CONTAINER_NAME,
                                         ATTR_CONTAINER_IMAGE_NAME, ATTR_CONTAINER_IMAGE_TAG,
                                         ATTR_CONTAINER_LAST_TERMINATED_REASON, ATTR_POD_UID,
                                         ATTR_POD_NAME, ATTR_NAMESPACE_NAME, ATTR_NODE_NAME},
                          .attribute_count = 9,
                          .description_count = 4},
    [ENTITY_NODE] = {.type = STR("k8s.node"),
                     .title = "Node",
                     .kind = KIND_NODE,
                     .attributes = {ATTR_NODE_UID, ATTR_NODE_NAME, ATTR_KUBELET_VERSION},
                     .attribute_count = 3,
                     .description_count = 2},
    [ENTITY_NAMESPACE] = {.type = STR("k8s.namespace"),
                          .title = "Namespace",
                          .kind = KIND_NAMESPACE,
                          .attributes = {ATTR_NAMESPACE_UID, ATTR_NAMESPACE_NAME},
                          .attribute_count = 2,
                          .description_count = 1},
    [ENTITY_REPLICATION_CONTROLLER] =
        PLAIN_ENTITY(REPLICATION_CONTROLLER, REPLICATION_CONTROLLER, "k8s.replicationcontroller",
                     "ReplicationController"),
    [ENTITY_RESOURCE_QUOTA] =
        PLAIN_ENTITY(RESOURCE_QUOTA, RESOURCE_QUOTA, "k8s.resourcequota", "ResourceQuota"),
    [ENTITY_DEPLOYMENT] = PLAIN_ENTITY(DEPLOYMENT, DEPLOYMENT, "k8s.deployment", "Deployment"),
    [ENTITY_REPLICA_SET] = PLAIN_ENTITY(REPLICA_SET, REPLICA_SET, "k8s.replicaset", "ReplicaSet"),
    [ENTITY_DAEMON_SET] = PLAIN_ENTITY(DAEMON_SET, DAEMON_SET, "k8s.daemonset", "DaemonSet"),
    [ENTITY_STATEFUL_SET] =
        PLAIN_ENTITY(STATEFUL_SET, STATEFUL_SET, "k8s.statefulset", "StatefulSet"),
    [ENTITY_JOB] = PLAIN_ENTITY(JOB, JOB, "k8s.job", "Job"),
    [ENTITY_CRON_JOB] = PLAIN_ENTITY(CRON_JOB, CRON_JOB, "k8s.cronjob", "CronJob"),
    [ENTITY_HPA] = {.type = STR("k8s.hpa"),
                    .title = "HorizontalPodAutoscaler",
                    .kind = KIND_HPA,
                    .attributes = {ATTR_HPA_UID, ATTR_HPA_NAME, ATTR_HPA_TARGET_API_VERSION,
                                   ATTR_HPA_TARGET_KIND, ATTR_HPA_TARGET_NAME, ATTR_NAMESPACE_NAME},
                    .attribute_count = 6,
                    .description_count = 4},
    [ENTITY_CLUSTER_QUOTA] = {.type = STR("openshift.clusterquota"),
                              .title = "ClusterResourceQuota (OpenShift)",
                              .kind = KIND_CLUSTER_RESOURCE_QUOTA,
                              .attributes = {ATTR_CLUSTER_QUOTA_UID, ATTR_CLUSTER_QUOTA_NAME},
                              .attribute_count = 2,
                              .description_count = 1},
    [ENTITY_SERVICE] = {.type = STR("k8s.service"),
                        .title = "Service",
                        .kind = KIND_SERVICE,
                        .attributes = {ATTR_SERVICE_UID, ATTR_SERVICE_NAME, ATTR_SERVICE_TYPE,
                                       ATTR_SERVICE_PUBLISH_NOT_READY, ATTR_NAMESPACE_NAME,
                                       ATTR_SERVICE_TRAFFIC_DISTRIBUTION},
                        .attribute_count = 6,
                        .description_count = 3},
    [ENTITY_PERSISTENT_VOLUME] = {.type = STR("k8s.persistentvolume"),
                                  .title = "PersistentVolume",
                                  .kind = KIND_PERSISTENT_VOLUME,
                                  .attributes = {ATTR_PERSISTENT_VOLUME_UID,
                                                 ATTR_PERSISTENT_VOLUME_NAME,
                                                 ATTR_STORAGE_CLASS_NAME,
                                                 ATTR_PERSISTENT_VOLUME_RECLAIM_POLICY},
                                  .attribute_count = 4,
                                  .description_count = 3},
    [ENTITY_PERSISTENT_VOLUME_CLAIM] = {.type = STR("k8s.persistentvolumeclaim"),
                                        .title = "PersistentVolumeClaim",
                                        .kind = KIND_PERSISTENT_VOLUME_CLAIM,
                                        .attributes = {ATTR_PERSISTENT_VOLUME_CLAIM_UID,
                                                       ATTR_PERSISTENT_VOLUME_CLAIM_NAME,
                                                       ATTR_NAMESPACE_NAME,
                                                       ATTR_STORAGE_CLASS_NAME},
                                        .attribute_count = 4,
                                        .description_count = 1},
    [ENTITY_NODE_VALUES] = {.title = "Node, by the names of the configuration",
                            .kind = KIND_NODE,
                            .attributes = {ATTR_NODE_UID, ATTR_NODE_NAME, ATTR_KUBELET_VERSION,
                                           ATTR_CONTAINER_RUNTIME, ATTR_CONTAINER_RUNTIME_VERSION,
                                           ATTR_OS_DESCRIPTION, ATTR_OS_TYPE},
                            .attribute_count = 7},
};
