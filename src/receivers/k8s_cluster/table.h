/*
 * Every metric and attribute of `k8s_cluster`, once: configuration, points and the docs page are made from the lists below.
 *
 * Names, units, types and defaults: those of the Go receiver (metadata of v0.149.0 and the newest documentation). Descriptions are ours.
 */
#ifndef RECEIVERS_K8S_CLUSTER_TABLE_H
#define RECEIVERS_K8S_CLUSTER_TABLE_H

#include "kube/object.h"
#include "telemetry/batch.h"

/* What has a resource of its own in the data. In the order in which a tick goes through them. */
enum k8s_entity {
    ENTITY_POD,
    ENTITY_CONTAINER,
    ENTITY_NODE, /* k8s.node.condition */
    ENTITY_NAMESPACE,
    ENTITY_REPLICATION_CONTROLLER,
    ENTITY_RESOURCE_QUOTA,
    ENTITY_DEPLOYMENT,
    ENTITY_REPLICA_SET,
    ENTITY_DAEMON_SET,
    ENTITY_STATEFUL_SET,
    ENTITY_JOB,
    ENTITY_CRON_JOB,
    ENTITY_HPA,
    ENTITY_CLUSTER_QUOTA,
    ENTITY_SERVICE,
    ENTITY_PERSISTENT_VOLUME,
    ENTITY_PERSISTENT_VOLUME_CLAIM,
    ENTITY_NODE_VALUES, /* conditions and allocatables by name; no entity reference */
    ENTITY_COUNT
};

/* -- attributes of points: X(id, name, description) -- */
#define K8S_POINT_ATTRIBUTES(X)                                                                                                     \
    X(CONDITION, "condition", "Type of the condition, as it stands on the node")                                                    \
    X(CONTAINER_STATUS_REASON, "k8s.container.status.reason",                                                                       \
      "ContainerCreating, CrashLoopBackOff, CreateContainerConfigError, ErrImagePull, ImagePullBackOff, OOMKilled, Completed, "     \
      "Error or ContainerCannotRun")                                                                                                \
    X(CONTAINER_STATUS_STATE, "k8s.container.status.state", "running, waiting or terminated")                                       \
    X(NAMESPACE_NAME, "k8s.namespace.name", "Namespace that the amount belongs to")                                                 \
    X(PERSISTENT_VOLUME_PHASE, "k8s.persistentvolume.status.phase", "Pending, Available, Bound, Released or Failed")                \
    X(PERSISTENT_VOLUME_CLAIM_PHASE, "k8s.persistentvolumeclaim.status.phase", "Pending, Bound or Lost")                            \
    X(ENDPOINT_ADDRESS_TYPE, "k8s.service.endpoint.address_type", "IPv4, IPv6 or FQDN")                                             \
    X(ENDPOINT_CONDITION, "k8s.service.endpoint.condition", "ready, serving or terminating")                                        \
    X(ENDPOINT_ZONE, "k8s.service.endpoint.zone", "Zone of the endpoint; empty if none is known")                                   \
    X(RESOURCE, "resource", "What the quota counts, such as requests.cpu, pods or count/jobs.batch")
enum k8s_point_attribute {
#define X(id, ...) POINT_##id,
    K8S_POINT_ATTRIBUTES(X)
#undef X
    POINT_ATTRIBUTE_COUNT
};
#define POINT(id) (1U << POINT_##id)

/* -- metrics, sorted by name: X(id, name, enabled by default, unit, GAUGE or SUM (cumulative, not monotonic), INT or DOUBLE, entity,
 *    attributes of its points, those of them that the configuration may leave out, description) -- */
#define K8S_METRICS(X)                                                                                                              \
    X(CONTAINER_CPU_LIMIT, "k8s.container.cpu_limit", true, "{cpu}", GAUGE, DOUBLE, CONTAINER, 0, 0,                                \
      "CPU that the container may use at most")                                                                                     \
    X(CONTAINER_CPU_REQUEST, "k8s.container.cpu_request", true, "{cpu}", GAUGE, DOUBLE, CONTAINER, 0, 0,                            \
      "CPU set aside for the container")                                                                                            \
    X(CONTAINER_EPHEMERAL_LIMIT, "k8s.container.ephemeralstorage_limit", true, "By", GAUGE, INT, CONTAINER, 0, 0,                   \
      "Ephemeral storage that the container may use at most")                                                                       \
    X(CONTAINER_EPHEMERAL_REQUEST, "k8s.container.ephemeralstorage_request", true, "By", GAUGE, INT, CONTAINER, 0, 0,               \
      "Ephemeral storage set aside for the container")                                                                              \
    X(CONTAINER_MEMORY_LIMIT, "k8s.container.memory_limit", true, "By", GAUGE, INT, CONTAINER, 0, 0,                                \
      "Memory that the container may use at most")                                                                                  \
    X(CONTAINER_MEMORY_REQUEST, "k8s.container.memory_request", true, "By", GAUGE, INT, CONTAINER, 0, 0,                            \
      "Memory set aside for the container")                                                                                         \
    X(CONTAINER_READY, "k8s.container.ready", true, "", GAUGE, INT, CONTAINER, 0, 0,                                                \
      "1 if the container is ready, 0 if not")                                                                                      \
    X(CONTAINER_RESTARTS, "k8s.container.restarts", true, "{restart}", GAUGE, INT, CONTAINER, 0, 0,                                 \
      "Restarts that the kubelet remembers; it may forget")                                                                         \
    X(CONTAINER_STATUS_REASON, "k8s.container.status.reason", false, "{container}", SUM, INT, CONTAINER,                            \
      POINT(CONTAINER_STATUS_REASON), 0, "1 for the reason why the container waits or ended, 0 for the others")                     \
    X(CONTAINER_STATUS_STATE, "k8s.container.status.state", false, "{container}", SUM, INT, CONTAINER,                              \
      POINT(CONTAINER_STATUS_STATE), 0, "1 for the state of the container, 0 for the others")                                       \
    X(CONTAINER_STORAGE_LIMIT, "k8s.container.storage_limit", true, "By", GAUGE, INT, CONTAINER, 0, 0,                              \
      "Storage that the container may use at most")                                                                                 \
    X(CONTAINER_STORAGE_REQUEST, "k8s.container.storage_request", true, "By", GAUGE, INT, CONTAINER, 0, 0,                          \
      "Storage set aside for the container")                                                                                        \
    X(CRON_JOB_ACTIVE_JOBS, "k8s.cronjob.active_jobs", true, "{job}", GAUGE, INT, CRON_JOB, 0, 0,                                   \
      "Jobs of the cron job that run now")                                                                                          \
    X(DAEMON_SET_CURRENT, "k8s.daemonset.current_scheduled_nodes", true, "{node}", GAUGE, INT, DAEMON_SET, 0, 0,                    \
      "Nodes that run the daemon and should")                                                                                       \
    X(DAEMON_SET_DESIRED, "k8s.daemonset.desired_scheduled_nodes", true, "{node}", GAUGE, INT, DAEMON_SET, 0, 0,                    \
      "Nodes that should run the daemon")                                                                                           \
    X(DAEMON_SET_MISSCHEDULED, "k8s.daemonset.misscheduled_nodes", true, "{node}", GAUGE, INT, DAEMON_SET, 0, 0,                    \
      "Nodes that run the daemon and should not")                                                                                   \
    X(DAEMON_SET_READY, "k8s.daemonset.ready_nodes", true, "{node}", GAUGE, INT, DAEMON_SET, 0, 0,                                  \
      "Nodes on which the daemon is ready")                                                                                         \
    X(DEPLOYMENT_AVAILABLE, "k8s.deployment.available", true, "{pod}", GAUGE, INT, DEPLOYMENT, 0, 0,                                \
      "Available pods of the deployment")                                                                                           \
    X(DEPLOYMENT_DESIRED, "k8s.deployment.desired", true, "{pod}", GAUGE, INT, DEPLOYMENT, 0, 0,                                    \
      "Pods that the deployment asks for")                                                                                          \
    X(HPA_CURRENT, "k8s.hpa.current_replicas", true, "{pod}", GAUGE, INT, HPA, 0, 0,                                                \
      "Pods of the scaled object that the autoscaler last saw")                                                                     \
    X(HPA_DESIRED, "k8s.hpa.desired_replicas", true, "{pod}", GAUGE, INT, HPA, 0, 0,                                                \
      "Pods that the autoscaler asks for")                                                                                          \
    X(HPA_MAX, "k8s.hpa.max_replicas", true, "{pod}", GAUGE, INT, HPA, 0, 0,                                                        \
      "Most pods to which the autoscaler may scale up")                                                                             \
    X(HPA_MIN, "k8s.hpa.min_replicas", true, "{pod}", GAUGE, INT, HPA, 0, 0,                                                        \
      "Fewest pods to which the autoscaler may scale down")                                                                         \
    X(JOB_ACTIVE_PODS, "k8s.job.active_pods", true, "{pod}", GAUGE, INT, JOB, 0, 0,                                                 \
      "Pods of the job that run or wait to")                                                                                        \
    X(JOB_DESIRED_PODS, "k8s.job.desired_successful_pods", true, "{pod}", GAUGE, INT, JOB, 0, 0,                                    \
      "Successful pods after which the job is complete")                                                                            \
    X(JOB_FAILED_PODS, "k8s.job.failed_pods", true, "{pod}", GAUGE, INT, JOB, 0, 0,                                                 \
      "Pods of the job that failed")                                                                                                \
    X(JOB_MAX_PARALLEL_PODS, "k8s.job.max_parallel_pods", true, "{pod}", GAUGE, INT, JOB, 0, 0,                                     \
      "Pods that the job may run at a time")                                                                                        \
    X(JOB_SUCCESSFUL_PODS, "k8s.job.successful_pods", true, "{pod}", GAUGE, INT, JOB, 0, 0,                                         \
      "Pods of the job that succeeded")                                                                                             \
    X(NAMESPACE_PHASE, "k8s.namespace.phase", true, "", GAUGE, INT, NAMESPACE, 0, 0,                                                \
      "1 active, 0 terminating, -1 not known")                                                                                      \
    X(NODE_CONDITION, "k8s.node.condition", false, "{condition}", GAUGE, INT, NODE, POINT(CONDITION), 0,                            \
      "Each condition of the node: 1 true, 0 false, -1 unknown")                                                                    \
    X(PERSISTENT_VOLUME_PHASE, "k8s.persistentvolume.status.phase", false, "{persistentvolume}", SUM, INT, PERSISTENT_VOLUME,       \
      POINT(PERSISTENT_VOLUME_PHASE), 0, "1 for the phase of the volume, 0 for the others")                                         \
    X(PERSISTENT_VOLUME_CAPACITY, "k8s.persistentvolume.storage.capacity", false, "By", SUM, INT, PERSISTENT_VOLUME, 0, 0,          \
      "Size of the volume")                                                                                                         \
    X(PERSISTENT_VOLUME_CLAIM_PHASE, "k8s.persistentvolumeclaim.status.phase", false, "{persistentvolumeclaim}", SUM, INT,          \
      PERSISTENT_VOLUME_CLAIM, POINT(PERSISTENT_VOLUME_CLAIM_PHASE), 0, "1 for the phase of the claim, 0 for the others")           \
    X(PERSISTENT_VOLUME_CLAIM_CAPACITY, "k8s.persistentvolumeclaim.storage.capacity", false, "By", SUM, INT,                        \
      PERSISTENT_VOLUME_CLAIM, 0, 0, "Size of the volume that the claim got")                                                       \
    X(PERSISTENT_VOLUME_CLAIM_REQUEST, "k8s.persistentvolumeclaim.storage.request", false, "By", SUM, INT,                          \
      PERSISTENT_VOLUME_CLAIM, 0, 0, "Size that the claim asks for")                                                                \
    X(POD_PHASE, "k8s.pod.phase", true, "", GAUGE, INT, POD, 0, 0,                                                                  \
      "1 pending, 2 running, 3 succeeded, 4 failed, 5 unknown")                                                                     \
    X(POD_STATUS_REASON, "k8s.pod.status_reason", false, "", GAUGE, INT, POD, 0, 0,                                                 \
      "1 Evicted, 2 NodeAffinity, 3 NodeLost, 4 Shutdown, 5 UnexpectedAdmissionError, 6 any other reason or none")                  \
    X(REPLICA_SET_AVAILABLE, "k8s.replicaset.available", true, "{pod}", GAUGE, INT, REPLICA_SET, 0, 0,                              \
      "Available pods of the replica set")                                                                                          \
    X(REPLICA_SET_DESIRED, "k8s.replicaset.desired", true, "{pod}", GAUGE, INT, REPLICA_SET, 0, 0,                                  \
      "Pods that the replica set asks for")                                                                                         \
    X(REPLICATION_CONTROLLER_AVAILABLE, "k8s.replication_controller.available", true, "{pod}", GAUGE, INT,                          \
      REPLICATION_CONTROLLER, 0, 0, "Available pods of the replication controller")                                                 \
    X(REPLICATION_CONTROLLER_DESIRED, "k8s.replication_controller.desired", true, "{pod}", GAUGE, INT,                              \
      REPLICATION_CONTROLLER, 0, 0, "Pods that the replication controller asks for")                                                \
    X(RESOURCE_QUOTA_HARD_LIMIT, "k8s.resource_quota.hard_limit", true, "{resource}", GAUGE, INT, RESOURCE_QUOTA,                   \
      POINT(RESOURCE), 0, "Most of the resource that the namespace may use; millicores if it ends in .cpu")                         \
    X(RESOURCE_QUOTA_USED, "k8s.resource_quota.used", true, "{resource}", GAUGE, INT, RESOURCE_QUOTA, POINT(RESOURCE), 0,           \
      "Use of the resource in the namespace; millicores if it ends in .cpu")                                                        \
    X(SERVICE_ENDPOINT_COUNT, "k8s.service.endpoint.count", false, "{endpoint}", GAUGE, INT, SERVICE,                               \
      POINT(ENDPOINT_ADDRESS_TYPE) | POINT(ENDPOINT_CONDITION) | POINT(ENDPOINT_ZONE),                                              \
      POINT(ENDPOINT_ADDRESS_TYPE) | POINT(ENDPOINT_CONDITION) | POINT(ENDPOINT_ZONE), "Endpoints behind the service")              \
    X(SERVICE_INGRESS_COUNT, "k8s.service.load_balancer.ingress.count", false, "{ingress}", GAUGE, INT, SERVICE, 0, 0,              \
      "Ingress points that the load balancer gave the service")                                                                     \
    X(STATEFUL_SET_CURRENT, "k8s.statefulset.current_pods", true, "{pod}", GAUGE, INT, STATEFUL_SET, 0, 0,                          \
      "Pods of the stateful set's current revision")                                                                                \
    X(STATEFUL_SET_DESIRED, "k8s.statefulset.desired_pods", true, "{pod}", GAUGE, INT, STATEFUL_SET, 0, 0,                          \
      "Pods that the stateful set asks for")                                                                                        \
    X(STATEFUL_SET_AVAILABLE, "k8s.statefulset.pod.available", false, "{pod}", SUM, INT, STATEFUL_SET, 0, 0,                        \
      "Available pods of the stateful set")                                                                                         \
    X(STATEFUL_SET_READY, "k8s.statefulset.ready_pods", true, "{pod}", GAUGE, INT, STATEFUL_SET, 0, 0,                              \
      "Ready pods of the stateful set")                                                                                             \
    X(STATEFUL_SET_UPDATED, "k8s.statefulset.updated_pods", true, "{pod}", GAUGE, INT, STATEFUL_SET, 0, 0,                          \
      "Pods of the stateful set's newest revision")                                                                                 \
    X(APPLIED_QUOTA_LIMIT, "openshift.appliedclusterquota.limit", true, "{resource}", GAUGE, INT, CLUSTER_QUOTA,                    \
      POINT(NAMESPACE_NAME) | POINT(RESOURCE), POINT(NAMESPACE_NAME),                                                               \
      "Most of the resource by namespace; millicores if it ends in .cpu")                                                           \
    X(APPLIED_QUOTA_USED, "openshift.appliedclusterquota.used", true, "{resource}", GAUGE, INT, CLUSTER_QUOTA,                      \
      POINT(NAMESPACE_NAME) | POINT(RESOURCE), POINT(NAMESPACE_NAME),                                                               \
      "Use of the resource by namespace; millicores if it ends in .cpu")                                                            \
    X(CLUSTER_QUOTA_LIMIT, "openshift.clusterquota.limit", true, "{resource}", GAUGE, INT, CLUSTER_QUOTA, POINT(RESOURCE), 0,       \
      "Most of the resource in all selected projects; millicores if it ends in .cpu")                                               \
    X(CLUSTER_QUOTA_USED, "openshift.clusterquota.used", true, "{resource}", GAUGE, INT, CLUSTER_QUOTA, POINT(RESOURCE), 0,         \
      "Use of the resource in all selected projects; millicores if it ends in .cpu")
enum k8s_metric_id {
#define X(id, ...) K8S_##id,
    K8S_METRICS(X)
#undef X
    K8S_METRIC_COUNT
};

/* -- attributes of resources, sorted by name: X(id, name, STR or BOOL, enabled by default, description) -- */
#define K8S_RESOURCE_ATTRIBUTES(X)                                                                                                  \
    X(CONTAINER_ID, "container.id", STR, true, "Id at the container runtime; empty while it has none")                              \
    X(CONTAINER_IMAGE_NAME, "container.image.name", STR, true, "Image of the container, without tag and digest")                    \
    X(CONTAINER_IMAGE_TAG, "container.image.tag", STR, true, "Tag of the image; latest if it has none")                             \
    X(CONTAINER_RUNTIME, "container.runtime", STR, false, "Container runtime of the node")                                          \
    X(CONTAINER_RUNTIME_VERSION, "container.runtime.version", STR, false, "Version of the container runtime")                       \
    X(CLUSTER_UID, "k8s.cluster.uid", STR, false, "Uid of the cluster, which is that of its namespace kube-system")                 \
    X(CONTAINER_NAME, "k8s.container.name", STR, true, "Name of the container in its pod")                                          \
    X(CONTAINER_LAST_TERMINATED_REASON, "k8s.container.status.last_terminated_reason", STR, false,                                  \
      "Why the container ended the last time")                                                                                      \
    X(CRON_JOB_NAME, "k8s.cronjob.name", STR, true, "Name of the cron job")                                                         \
    X(CRON_JOB_UID, "k8s.cronjob.uid", STR, true, "Uid of the cron job")                                                            \
    X(DAEMON_SET_NAME, "k8s.daemonset.name", STR, true, "Name of the daemon set")                                                   \
    X(DAEMON_SET_UID, "k8s.daemonset.uid", STR, true, "Uid of the daemon set")                                                      \
    X(DEPLOYMENT_NAME, "k8s.deployment.name", STR, true, "Name of the deployment")                                                  \
    X(DEPLOYMENT_UID, "k8s.deployment.uid", STR, true, "Uid of the deployment")                                                     \
    X(HPA_NAME, "k8s.hpa.name", STR, true, "Name of the autoscaler")                                                                \
    X(HPA_TARGET_API_VERSION, "k8s.hpa.scaletargetref.apiversion", STR, false, "API version of the scaled object")                  \
    X(HPA_TARGET_KIND, "k8s.hpa.scaletargetref.kind", STR, false, "Kind of the scaled object")                                      \
    X(HPA_TARGET_NAME, "k8s.hpa.scaletargetref.name", STR, false, "Name of the scaled object")                                      \
    X(HPA_UID, "k8s.hpa.uid", STR, true, "Uid of the autoscaler")                                                                   \
    X(JOB_NAME, "k8s.job.name", STR, true, "Name of the job")                                                                       \
    X(JOB_UID, "k8s.job.uid", STR, true, "Uid of the job")                                                                          \
    X(KUBELET_VERSION, "k8s.kubelet.version", STR, false, "Version of the node's kubelet")                                          \
    X(NAMESPACE_NAME, "k8s.namespace.name", STR, true, "Namespace in which the object is")                                          \
    X(NAMESPACE_UID, "k8s.namespace.uid", STR, true, "Uid of the namespace")                                                        \
    X(NODE_NAME, "k8s.node.name", STR, true, "Name of the node; empty while the pod has none")                                      \
    X(NODE_UID, "k8s.node.uid", STR, true, "Uid of the node")                                                                       \
    X(PERSISTENT_VOLUME_NAME, "k8s.persistentvolume.name", STR, true, "Name of the volume")                                         \
    X(PERSISTENT_VOLUME_RECLAIM_POLICY, "k8s.persistentvolume.reclaim_policy", STR, false,                                          \
      "What happens to the volume when its claim goes")                                                                             \
    X(PERSISTENT_VOLUME_UID, "k8s.persistentvolume.uid", STR, true, "Uid of the volume")                                            \
    X(PERSISTENT_VOLUME_CLAIM_NAME, "k8s.persistentvolumeclaim.name", STR, true, "Name of the volume claim")                        \
    X(PERSISTENT_VOLUME_CLAIM_UID, "k8s.persistentvolumeclaim.uid", STR, true, "Uid of the volume claim")                           \
    X(POD_NAME, "k8s.pod.name", STR, true, "Name of the pod")                                                                       \
    X(POD_QOS_CLASS, "k8s.pod.qos_class", STR, false, "Quality of service class of the pod")                                        \
    X(POD_UID, "k8s.pod.uid", STR, true, "Uid of the pod")                                                                          \
    X(REPLICA_SET_NAME, "k8s.replicaset.name", STR, true, "Name of the replica set")                                                \
    X(REPLICA_SET_UID, "k8s.replicaset.uid", STR, true, "Uid of the replica set")                                                   \
    X(REPLICATION_CONTROLLER_NAME, "k8s.replicationcontroller.name", STR, true, "Name of the replication controller")               \
    X(REPLICATION_CONTROLLER_UID, "k8s.replicationcontroller.uid", STR, true, "Uid of the replication controller")                  \
    X(RESOURCE_QUOTA_NAME, "k8s.resourcequota.name", STR, true, "Name of the quota")                                                \
    X(RESOURCE_QUOTA_UID, "k8s.resourcequota.uid", STR, true, "Uid of the quota")                                                   \
    X(SERVICE_NAME, "k8s.service.name", STR, true, "Name of the service")                                                           \
    X(SERVICE_PUBLISH_NOT_READY, "k8s.service.publish_not_ready_addresses", BOOL, false,                                            \
      "Whether pods that are not ready get traffic")                                                                                \
    X(SERVICE_TRAFFIC_DISTRIBUTION, "k8s.service.traffic_distribution", STR, false, "Preference among endpoints")                   \
    X(SERVICE_TYPE, "k8s.service.type", STR, true, "ClusterIP, NodePort, LoadBalancer or ExternalName")                             \
    X(SERVICE_UID, "k8s.service.uid", STR, true, "Uid of the service")                                                              \
    X(STATEFUL_SET_NAME, "k8s.statefulset.name", STR, true, "Name of the stateful set")                                             \
    X(STATEFUL_SET_UID, "k8s.statefulset.uid", STR, true, "Uid of the stateful set")                                                \
    X(STORAGE_CLASS_NAME, "k8s.storageclass.name", STR, true, "Storage class of the volume or claim")                               \
    X(CLUSTER_QUOTA_NAME, "openshift.clusterquota.name", STR, true, "Name of the cluster quota")                                    \
    X(CLUSTER_QUOTA_UID, "openshift.clusterquota.uid", STR, true, "Uid of the cluster quota")                                       \
    X(OS_DESCRIPTION, "os.description", STR, false, "Operating system of the node, in words")                                       \
    X(OS_TYPE, "os.type", STR, false, "Operating system of the node, such as linux")
enum k8s_resource_attribute {
#define X(id, ...) ATTR_##id,
    K8S_RESOURCE_ATTRIBUTES(X)
#undef X
    ATTR_COUNT
};

struct k8s_metric {
    struct metric_desc desc;
    enum value_kind value;
    enum k8s_entity entity;
    bool enabled;                     /* by default */
    unsigned attributes, recommended; /* POINT(...); `recommended` may be left out by the configuration */
};
extern const struct k8s_metric k8s_metrics[K8S_METRIC_COUNT];

struct k8s_attribute {
    str name;
    enum value_kind value;
    bool enabled; /* by default */
    str description;
};
extern const struct k8s_attribute k8s_resource_attributes[ATTR_COUNT];
extern const struct k8s_attribute k8s_point_attributes[POINT_ATTRIBUTE_COUNT];

enum { ENTITY_ATTRIBUTES_MAX = 9 };
/* The attributes of a resource in their order: first the one that identifies it, then those that describe it, then others. */
struct k8s_entity_desc {
    str type;          /* of the entity reference; empty: none */
    const char *title; /* for docs */
    enum object_kind kind;
    uint8_t attributes[ENTITY_ATTRIBUTES_MAX]; /* enum k8s_resource_attribute */
    uint8_t attribute_count, description_count;
};
extern const struct k8s_entity_desc k8s_entities[ENTITY_COUNT];

#endif
