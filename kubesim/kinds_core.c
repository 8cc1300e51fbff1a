/*
 * The rest of v1: Node, ReplicationController, ResourceQuota, Service, PersistentVolume,
 * PersistentVolumeClaim, Endpoints. (Namespace is in kinds.c, Pod in kinds_pod.c.)
 *
 * Nobody schedules, binds or counts here: a status is what somebody writes to .../status, except the
 * phases that objects are born with.
 *
 * Specification: k8s.io/api/core/v1 v0.35: types.go in its order, numbers of generated.proto; which
 * fields are born with a value, from the registry strategies and defaults of kube-apiserver.
 */
#include "kubesim/kinds.h"

static const struct sim_field taint_fields[] = {
    {"key", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"value", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"effect", 3, SIM_STRING, SIM_ALWAYS, NULL},
    {"timeAdded", 4, SIM_TIME, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field node_spec_fields[] = {
    {"podCIDR", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"podCIDRs", 7, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"providerID", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"unschedulable", 4, SIM_BOOL, SIM_OMIT_EMPTY, NULL},
    {"taints", 5, SIM_OBJECTS, SIM_OMIT_EMPTY, taint_fields},
    {"externalID", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_OPEN_END,
};

static const struct sim_field node_condition_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"status", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"lastHeartbeatTime", 3, SIM_TIME, SIM_ALWAYS, NULL},
    {"lastTransitionTime", 4, SIM_TIME, SIM_ALWAYS, NULL},
    {"reason", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field node_address_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"address", 2, SIM_STRING, SIM_ALWAYS, NULL},
    SIM_END,
};

static const struct sim_field daemon_endpoint_fields[] = {
    {"Port", 1, SIM_INT32, SIM_ALWAYS, NULL},
    SIM_END,
};

static const struct sim_field node_daemon_endpoints_fields[] = {
    {"kubeletEndpoint", 1, SIM_OBJECT, SIM_ALWAYS, daemon_endpoint_fields},
    SIM_END,
};

static const struct sim_field node_system_info_fields[] = {
    {"machineID", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"systemUUID", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"bootID", 3, SIM_STRING, SIM_ALWAYS, NULL},
    {"kernelVersion", 4, SIM_STRING, SIM_ALWAYS, NULL},
    {"osImage", 5, SIM_STRING, SIM_ALWAYS, NULL},
    {"containerRuntimeVersion", 6, SIM_STRING, SIM_ALWAYS, NULL},
    {"kubeletVersion", 7, SIM_STRING, SIM_ALWAYS, NULL},
    {"kubeProxyVersion", 8, SIM_STRING, SIM_ALWAYS, NULL},
    {"operatingSystem", 9, SIM_STRING, SIM_ALWAYS, NULL},
    {"architecture", 10, SIM_STRING, SIM_ALWAYS, NULL},
    SIM_OPEN_END,
};

static const struct sim_field node_status_fields[] = {
    {"capacity", 1, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"allocatable", 2, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"phase", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"conditions", 4, SIM_OBJECTS, SIM_OMIT_EMPTY, node_condition_fields},
    {"addresses", 5, SIM_OBJECTS, SIM_OMIT_EMPTY, node_address_fields},
    {"daemonEndpoints", 6, SIM_OBJECT, SIM_ALWAYS, node_daemon_endpoints_fields},
    {"nodeInfo", 7, SIM_OBJECT, SIM_ALWAYS, node_system_info_fields},
    SIM_OPEN_END,
};

static const struct sim_field node_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, node_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, node_status_fields},
    SIM_END,
};

static const struct sim_field replication_controller_spec_fields[] = {
    {"replicas", 1, SIM_INT32, SIM_POINTER, NULL},
    {"minReadySeconds", 4, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"selector", 2, SIM_STRING_MAP, SIM_OMIT_EMPTY, NULL},
    {"template", 3, SIM_OBJECT, SIM_POINTER, sim_pod_template_fields},
    SIM_END,
};

static const struct sim_field replication_controller_condition_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"status", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"lastTransitionTime", 3, SIM_TIME, SIM_ALWAYS, NULL},
    {"reason", 4, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field replication_controller_status_fields[] = {
    {"replicas", 1, SIM_INT32, SIM_ALWAYS, NULL},
    {"fullyLabeledReplicas", 2, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"readyReplicas", 4, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"availableReplicas", 5, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"observedGeneration", 3, SIM_INT64, SIM_OMIT_EMPTY, NULL},
    {"conditions", 6, SIM_OBJECTS, SIM_OMIT_EMPTY, replication_controller_condition_fields},
    SIM_END,
};

static const struct sim_field replication_controller_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, replication_controller_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, replication_controller_status_fields},
    SIM_END,
};

static const struct sim_field resource_quota_spec_fields[] = {
    {"hard", 1, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"scopes", 2, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    SIM_OPEN_END,
};

static const struct sim_field resource_quota_status_fields[] = {
    {"hard", 1, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"used", 2, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field resource_quota_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, resource_quota_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, resource_quota_status_fields},
    SIM_END,
};

static const struct sim_field service_port_fields[] = {
    {"name", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"protocol", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"appProtocol", 6, SIM_STRING, SIM_POINTER, NULL},
    {"port", 3, SIM_INT32, SIM_ALWAYS, NULL},
    {"targetPort", 4, SIM_INT_OR_STRING, SIM_OMIT_EMPTY, NULL},
    {"nodePort", 5, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field service_spec_fields[] = {
    {"ports", 1, SIM_OBJECTS, SIM_OMIT_EMPTY, service_port_fields},
    {"selector", 2, SIM_STRING_MAP, SIM_OMIT_EMPTY, NULL},
    {"clusterIP", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"clusterIPs", 18, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"type", 4, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"externalIPs", 5, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"sessionAffinity", 7, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"loadBalancerIP", 8, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"loadBalancerSourceRanges", 9, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"externalName", 10, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"externalTrafficPolicy", 11, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"healthCheckNodePort", 12, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"publishNotReadyAddresses", 13, SIM_BOOL, SIM_OMIT_EMPTY, NULL},
    {"ipFamilies", 19, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"ipFamilyPolicy", 17, SIM_STRING, SIM_POINTER, NULL},
    {"allocateLoadBalancerNodePorts", 20, SIM_BOOL, SIM_POINTER, NULL},
    {"loadBalancerClass", 21, SIM_STRING, SIM_POINTER, NULL},
    {"internalTrafficPolicy", 22, SIM_STRING, SIM_POINTER, NULL},
    {"trafficDistribution", 23, SIM_STRING, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field load_balancer_ingress_fields[] = {
    {"ip", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"hostname", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"ipMode", 3, SIM_STRING, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field load_balancer_status_fields[] = {
    {"ingress", 1, SIM_OBJECTS, SIM_OMIT_EMPTY, load_balancer_ingress_fields},
    SIM_END,
};

static const struct sim_field condition_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"status", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"observedGeneration", 3, SIM_INT64, SIM_OMIT_EMPTY, NULL},
    {"lastTransitionTime", 4, SIM_TIME, SIM_ALWAYS, NULL},
    {"reason", 5, SIM_STRING, SIM_ALWAYS, NULL},
    {"message", 6, SIM_STRING, SIM_ALWAYS, NULL},
    SIM_END,
};

static const struct sim_field service_status_fields[] = {
    {"loadBalancer", 1, SIM_OBJECT, SIM_ALWAYS, load_balancer_status_fields},
    {"conditions", 2, SIM_OBJECTS, SIM_OMIT_EMPTY, condition_fields},
    SIM_END,
};

static const struct sim_field service_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, service_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, service_status_fields},
    SIM_END,
};

static const struct sim_field persistent_volume_spec_fields[] = {
    {"capacity", 1, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"", 2, SIM_OBJECT, SIM_EMPTY, NULL}, /* PersistentVolumeSource: inline in JSON */
    {"accessModes", 3, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"claimRef", 4, SIM_OBJECT, SIM_POINTER, sim_object_reference_fields},
    {"persistentVolumeReclaimPolicy", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"storageClassName", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"mountOptions", 7, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"volumeMode", 8, SIM_STRING, SIM_POINTER, NULL},
    {"volumeAttributesClassName", 10, SIM_STRING, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field persistent_volume_status_fields[] = {
    {"phase", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"reason", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"lastPhaseTransitionTime", 4, SIM_TIME, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field persistent_volume_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, persistent_volume_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, persistent_volume_status_fields},
    SIM_END,
};

static const struct sim_field volume_resource_requirements_fields[] = {
    {"limits", 1, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"requests", 2, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field persistent_volume_claim_spec_fields[] = {
    {"accessModes", 1, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"selector", 4, SIM_OBJECT, SIM_POINTER, sim_label_selector_fields},
    {"resources", 2, SIM_OBJECT, SIM_ALWAYS, volume_resource_requirements_fields},
    {"volumeName", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"storageClassName", 5, SIM_STRING, SIM_POINTER, NULL},
    {"volumeMode", 6, SIM_STRING, SIM_POINTER, NULL},
    {"volumeAttributesClassName", 9, SIM_STRING, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field persistent_volume_claim_condition_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"status", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"lastProbeTime", 3, SIM_TIME, SIM_ALWAYS, NULL},
    {"lastTransitionTime", 4, SIM_TIME, SIM_ALWAYS, NULL},
    {"reason", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field persistent_volume_claim_status_fields[] = {
    {"phase", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"accessModes", 2, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"capacity", 3, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"conditions", 4, SIM_OBJECTS, SIM_OMIT_EMPTY, persistent_volume_claim_condition_fields},
    {"allocatedResources", 5, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"currentVolumeAttributesClassName", 8, SIM_STRING, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field persistent_volume_claim_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, persistent_volume_claim_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, persistent_volume_claim_status_fields},
    SIM_END,
};

static const struct sim_field endpoint_address_fields[] = {
    {"ip", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"hostname", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"nodeName", 4, SIM_STRING, SIM_POINTER, NULL},
    {"targetRef", 2, SIM_OBJECT, SIM_POINTER, sim_object_reference_fields},
    SIM_END,
};

static const struct sim_field endpoint_port_fields[] = {
    {"name", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"port", 2, SIM_INT32, SIM_ALWAYS, NULL},
    {"protocol", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"appProtocol", 4, SIM_STRING, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field endpoint_subset_fields[] = {
    {"addresses", 1, SIM_OBJECTS, SIM_OMIT_EMPTY, endpoint_address_fields},
    {"notReadyAddresses", 2, SIM_OBJECTS, SIM_OMIT_EMPTY, endpoint_address_fields},
    {"ports", 3, SIM_OBJECTS, SIM_OMIT_EMPTY, endpoint_port_fields},
    SIM_END,
};

static const struct sim_field endpoints_fields[] = {
    {"subsets", 2, SIM_OBJECTS, SIM_OMIT_EMPTY, endpoint_subset_fields},
    SIM_END,
};

static void pending_prepare(struct arena *a, struct dom *object, const struct dom *old)
{
    if (old == NULL)
        dom_set(dom_getz(object, "status"), STR("phase"), dom_string(a, STR("Pending")));
}

const struct sim_kind sim_node_kind = {
    .group = "",
    .version = "v1",
    .kind = "Node",
    .list_kind = "NodeList",
    .plural = "nodes",
    .singular = "node",
    .short_name = "no",
    .unconditional_update = true,
    .has_status = true,
    .keeps_status = true,
    .fields = node_fields,
    .columns = {{"Name", "name"},
                {"Version", "status.nodeInfo.kubeletVersion"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_replication_controller_kind = {
    .group = "",
    .version = "v1",
    .kind = "ReplicationController",
    .list_kind = "ReplicationControllerList",
    .plural = "replicationcontrollers",
    .singular = "replicationcontroller",
    .short_name = "rc",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .has_generation = true,
    .fields = replication_controller_fields,
    .defaults = {{"spec.replicas", "1"}},
    .columns = {{"Name", "name"},
                {"Desired", "spec.replicas"},
                {"Current", "status.replicas"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_resource_quota_kind = {
    .group = "",
    .version = "v1",
    .kind = "ResourceQuota",
    .list_kind = "ResourceQuotaList",
    .plural = "resourcequotas",
    .singular = "resourcequota",
    .short_name = "quota",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .returns_deleted = true,
    .fields = resource_quota_fields,
    .columns = {{"Name", "name"}, {"Age", "age"}, {NULL}},
};

const struct sim_kind sim_service_kind = {
    .group = "",
    .version = "v1",
    .kind = "Service",
    .list_kind = "ServiceList",
    .plural = "services",
    .singular = "service",
    .short_name = "svc",
    .namespaced = true,
    .create_on_update = true,
    .unconditional_update = true,
    .has_status = true,
    .names = SIM_NAMES_LABEL,
    .returns_deleted = true,
    .fields = service_fields,
    .defaults = {{"spec.type", "\"ClusterIP\""},
                 {"spec.sessionAffinity", "\"None\""},
                 {"spec.internalTrafficPolicy", "\"Cluster\""}},
    .columns = {{"Name", "name"},
                {"Type", "spec.type"},
                {"Cluster-IP", "spec.clusterIP"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_persistent_volume_kind = {
    .group = "",
    .version = "v1",
    .kind = "PersistentVolume",
    .list_kind = "PersistentVolumeList",
    .plural = "persistentvolumes",
    .singular = "persistentvolume",
    .short_name = "pv",
    .unconditional_update = true,
    .has_status = true,
    .returns_deleted = true,
    .fields = persistent_volume_fields,
    .defaults = {{"spec.persistentVolumeReclaimPolicy", "\"Retain\""},
                 {"spec.volumeMode", "\"Filesystem\""}},
    .prepare = pending_prepare,
    .columns = {{"Name", "name"},
                {"Capacity", "spec.capacity.storage"},
                {"Status", "status.phase"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_persistent_volume_claim_kind = {
    .group = "",
    .version = "v1",
    .kind = "PersistentVolumeClaim",
    .list_kind = "PersistentVolumeClaimList",
    .plural = "persistentvolumeclaims",
    .singular = "persistentvolumeclaim",
    .short_name = "pvc",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .returns_deleted = true,
    .fields = persistent_volume_claim_fields,
    .defaults = {{"spec.volumeMode", "\"Filesystem\""}},
    .prepare = pending_prepare,
    .columns = {{"Name", "name"},
                {"Status", "status.phase"},
                {"Volume", "spec.volumeName"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_endpoints_kind = {
    .group = "",
    .version = "v1",
    .kind = "Endpoints",
    .list_kind = "EndpointsList",
    .plural = "endpoints",
    .singular = "endpoints",
    .short_name = "ep",
    .namespaced = true,
    .create_on_update = true,
    .unconditional_update = true,
    .fields = endpoints_fields,
    .columns = {{"Name", "name"}, {"Age", "age"}, {NULL}},
};
