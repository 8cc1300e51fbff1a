/*
 * v1 Pod, and the tables that other kinds share with it.
 *
 * What is left out here (volumes, probes, environment, affinity and so on) is kept in JSON as it was
 * sent and is not in protobuf: nobody who reads protobuf from this server looks at it.
 *
 * Specification: k8s.io/api/core/v1 v0.35: types.go in its order, numbers of generated.proto.
 */
#include "kubesim/kinds.h"

static const struct sim_field container_port_fields[] = {
    {"name", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"hostPort", 2, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"containerPort", 3, SIM_INT32, SIM_ALWAYS, NULL},
    {"protocol", 4, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"hostIP", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field resource_requirements_fields[] = {
    {"limits", 1, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"requests", 2, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    SIM_OPEN_END,
};

static const struct sim_field container_fields[] = {
    {"name", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"image", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"command", 3, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"args", 4, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    {"workingDir", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"ports", 6, SIM_OBJECTS, SIM_OMIT_EMPTY, container_port_fields},
    {"resources", 8, SIM_OBJECT, SIM_ALWAYS, resource_requirements_fields},
    {"restartPolicy", 24, SIM_STRING, SIM_POINTER, NULL},
    {"terminationMessagePath", 13, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"terminationMessagePolicy", 20, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"imagePullPolicy", 14, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"stdin", 16, SIM_BOOL, SIM_OMIT_EMPTY, NULL},
    {"stdinOnce", 17, SIM_BOOL, SIM_OMIT_EMPTY, NULL},
    {"tty", 18, SIM_BOOL, SIM_OMIT_EMPTY, NULL},
    SIM_OPEN_END,
};

static const struct sim_field pod_spec_fields[] = {
    {"initContainers", 20, SIM_OBJECTS, SIM_OMIT_EMPTY, container_fields},
    {"containers", 2, SIM_OBJECTS, SIM_ALWAYS, container_fields},
    {"restartPolicy", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"terminationGracePeriodSeconds", 4, SIM_INT64, SIM_POINTER, NULL},
    {"activeDeadlineSeconds", 5, SIM_INT64, SIM_POINTER, NULL},
    {"dnsPolicy", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"nodeSelector", 7, SIM_STRING_MAP, SIM_OMIT_EMPTY, NULL},
    {"serviceAccountName", 8, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"serviceAccount", 9, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"automountServiceAccountToken", 21, SIM_BOOL, SIM_POINTER, NULL},
    {"nodeName", 10, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"hostNetwork", 11, SIM_BOOL, SIM_OMIT_EMPTY, NULL},
    {"hostPID", 12, SIM_BOOL, SIM_OMIT_EMPTY, NULL},
    {"hostIPC", 13, SIM_BOOL, SIM_OMIT_EMPTY, NULL},
    {"shareProcessNamespace", 27, SIM_BOOL, SIM_POINTER, NULL},
    {"hostname", 16, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"subdomain", 17, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"schedulerName", 19, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"priorityClassName", 24, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"priority", 25, SIM_INT32, SIM_POINTER, NULL},
    {"runtimeClassName", 29, SIM_STRING, SIM_POINTER, NULL},
    {"enableServiceLinks", 30, SIM_BOOL, SIM_POINTER, NULL},
    {"preemptionPolicy", 31, SIM_STRING, SIM_POINTER, NULL},
    {"overhead", 32, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"setHostnameAsFQDN", 35, SIM_BOOL, SIM_POINTER, NULL},
    {"hostUsers", 37, SIM_BOOL, SIM_POINTER, NULL},
    {"resources", 40, SIM_OBJECT, SIM_POINTER, resource_requirements_fields},
    {"hostnameOverride", 41, SIM_STRING, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field pod_condition_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"observedGeneration", 7, SIM_INT64, SIM_OMIT_EMPTY, NULL},
    {"status", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"lastProbeTime", 3, SIM_TIME, SIM_ALWAYS, NULL},
    {"lastTransitionTime", 4, SIM_TIME, SIM_ALWAYS, NULL},
    {"reason", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field ip_fields[] = {
    {"ip", 1, SIM_STRING, SIM_ALWAYS, NULL},
    SIM_END,
};

static const struct sim_field container_state_waiting_fields[] = {
    {"reason", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field container_state_running_fields[] = {
    {"startedAt", 1, SIM_TIME, SIM_ALWAYS, NULL},
    SIM_END,
};

static const struct sim_field container_state_terminated_fields[] = {
    {"exitCode", 1, SIM_INT32, SIM_ALWAYS, NULL},
    {"signal", 2, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"reason", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 4, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"startedAt", 5, SIM_TIME, SIM_ALWAYS, NULL},
    {"finishedAt", 6, SIM_TIME, SIM_ALWAYS, NULL},
    {"containerID", 7, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field container_state_fields[] = {
    {"waiting", 1, SIM_OBJECT, SIM_POINTER, container_state_waiting_fields},
    {"running", 2, SIM_OBJECT, SIM_POINTER, container_state_running_fields},
    {"terminated", 3, SIM_OBJECT, SIM_POINTER, container_state_terminated_fields},
    SIM_END,
};

static const struct sim_field container_status_fields[] = {
    {"name", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"state", 2, SIM_OBJECT, SIM_ALWAYS, container_state_fields},
    {"lastState", 3, SIM_OBJECT, SIM_ALWAYS, container_state_fields},
    {"ready", 4, SIM_BOOL, SIM_ALWAYS, NULL},
    {"restartCount", 5, SIM_INT32, SIM_ALWAYS, NULL},
    {"image", 6, SIM_STRING, SIM_ALWAYS, NULL},
    {"imageID", 7, SIM_STRING, SIM_ALWAYS, NULL},
    {"containerID", 8, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"started", 9, SIM_BOOL, SIM_POINTER, NULL},
    {"allocatedResources", 10, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"resources", 11, SIM_OBJECT, SIM_POINTER, resource_requirements_fields},
    {"stopSignal", 15, SIM_STRING, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field pod_status_fields[] = {
    {"observedGeneration", 17, SIM_INT64, SIM_OMIT_EMPTY, NULL},
    {"phase", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"conditions", 2, SIM_OBJECTS, SIM_OMIT_EMPTY, pod_condition_fields},
    {"message", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"reason", 4, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"nominatedNodeName", 11, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"hostIP", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"hostIPs", 16, SIM_OBJECTS, SIM_OMIT_EMPTY, ip_fields},
    {"podIP", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"podIPs", 12, SIM_OBJECTS, SIM_OMIT_EMPTY, ip_fields},
    {"startTime", 7, SIM_TIME, SIM_POINTER, NULL},
    {"initContainerStatuses", 10, SIM_OBJECTS, SIM_OMIT_EMPTY, container_status_fields},
    {"containerStatuses", 8, SIM_OBJECTS, SIM_OMIT_EMPTY, container_status_fields},
    {"qosClass", 9, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"resize", 14, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"allocatedResources", 19, SIM_QUANTITY_MAP, SIM_OMIT_EMPTY, NULL},
    {"resources", 20, SIM_OBJECT, SIM_POINTER, resource_requirements_fields},
    SIM_OPEN_END,
};

static const struct sim_field pod_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, pod_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, pod_status_fields},
    SIM_END,
};

const struct sim_field sim_pod_template_fields[] = {
    {"metadata", 1, SIM_OBJECT, SIM_ALWAYS, sim_metadata_fields},
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, pod_spec_fields},
    SIM_END,
};

const struct sim_field sim_object_reference_fields[] = {
    {"kind", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"namespace", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"name", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"uid", 4, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"apiVersion", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"resourceVersion", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"fieldPath", 7, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field label_selector_requirement_fields[] = {
    {"key", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"operator", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"values", 3, SIM_STRINGS, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

const struct sim_field sim_label_selector_fields[] = {
    {"matchLabels", 1, SIM_STRING_MAP, SIM_OMIT_EMPTY, NULL},
    {"matchExpressions", 2, SIM_OBJECTS, SIM_OMIT_EMPTY, label_selector_requirement_fields},
    SIM_END,
};

/* -- what the server decides -- */

/* 2: requests and limits of cpu and memory are equal, 0: there are none, 1: anything else. */
static int container_class(const struct dom *container)
{
    static const char *const names[] = {"cpu", "memory"};
    const struct dom *resources = dom_getz(container, "resources");
    const struct dom *limits = dom_getz(resources, "limits");
    const struct dom *requests = dom_getz(resources, "requests");
    bool any = false, equal = true;
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        str limit = dom_text(limits, names[i]), request = dom_text(requests, names[i]);
        any = any || limit.len > 0 || request.len > 0;
        equal = equal && limit.len > 0 && (request.len == 0 || str_eq(limit, request));
    }
    return !any ? 0 : equal ? 2 : 1;
}

static str qos_class(const struct dom *spec)
{
    const struct dom *containers = dom_getz(spec, "containers");
    int lowest = 2, highest = 0;
    for (const struct dom *c = containers == NULL ? NULL : containers->first; c != NULL;
         c = c->next) {
        int class = container_class(c);
        lowest = class < lowest ? class : lowest;
        highest = class > highest ? class : highest;
    }
    if (highest == 0)
        return STR("BestEffort");
    return lowest == 2 ? STR("Guaranteed") : STR("Burstable");
}

static void pod_prepare(struct arena *a, struct dom *object, const struct dom *old)
{
    struct dom *status = dom_getz(object, "status");
    if (old != NULL)
        return;
    dom_set(status, STR("phase"), dom_string(a, STR("Pending")));
    dom_set(status, STR("qosClass"), dom_string(a, qos_class(dom_getz(object, "spec"))));
}

const struct sim_kind sim_pod_kind = {
    .group = "",
    .version = "v1",
    .kind = "Pod",
    .list_kind = "PodList",
    .plural = "pods",
    .singular = "pod",
    .short_name = "po",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .has_generation = true,
    .returns_deleted = true,
    .fields = pod_fields,
    .defaults = {{"spec.restartPolicy", "\"Always\""},
                 {"spec.terminationGracePeriodSeconds", "30"},
                 {"spec.dnsPolicy", "\"ClusterFirst\""},
                 {"spec.schedulerName", "\"default-scheduler\""},
                 {"spec.enableServiceLinks", "true"}},
    .prepare = pod_prepare,
    .columns = {{"Name", "name"}, {"Status", "status.phase"}, {"Age", "age"}, {NULL}},
};
