/*
 * What is generated: for each kind the file in cluster/ that shows what its objects look like, how
 * many there are, and how they vary.
 *
 * A file has places (template.h) for what differs in text from object to object. What differs
 * otherwise (numbers, and what is there at all) makes another variant: the tree of the file is
 * changed here, and the result is a template of its own.
 *
 * The numbers of objects and of their quantities are chosen so that 10,000 pods and what belongs to
 * them give 155,594 points of default metrics: 15 for a pod, of which 14 are those of its two
 * containers, and 5,594 for everything else.
 */
#include "kubesim/generate.h"

extern const char cluster_namespace[], cluster_node[], cluster_deployment[], cluster_replica_set[],
    cluster_pod[], cluster_service[], cluster_endpoint_slice[], cluster_job[], cluster_cron_job[],
    cluster_daemon_set[], cluster_stateful_set[], cluster_hpa[], cluster_quota[],
    cluster_replication_controller[], cluster_volume[], cluster_volume_claim[];

static struct dom *parse(struct arena *a, const char *json)
{
    struct err err;
    struct dom *d = dom_parse(a, str_from(json), &err);
    CHECK(d != NULL);
    return d;
}

static void set_number(struct arena *a, struct dom *object, const char *key, int64_t n)
{
    dom_set(object, str_from(key), dom_number(a, n));
}

/* -- pods: the first container is the one that has trouble -- */

static void not_ready(struct arena *a, struct dom *status, const char *type)
{
    struct dom *c = dom_getz(status, "conditions")->first;
    while (!str_eqz(dom_text(c, "type"), type))
        c = c->next;
    dom_set(c, STR("status"), dom_string(a, STR("False")));
    dom_set(c, STR("reason"), dom_string(a, STR("ContainersNotReady")));
    dom_set(c, STR("message"), dom_string(a, STR("containers with unready status: [app]")));
}

static void set_creating(struct arena *a, struct dom *status)
{
    static const char *const absent[] = {"containerID", "started", "allocatedResources",
                                         "resources"};
    struct dom *statuses = dom_getz(status, "containerStatuses");
    dom_set(status, STR("phase"), dom_string(a, STR("Pending")));
    dom_remove(status, STR("podIP"));
    dom_remove(status, STR("podIPs"));
    not_ready(a, status, "PodReadyToStartContainers");
    for (struct dom *c = statuses->first; c != NULL; c = c->next) {
        dom_set(c, STR("state"), parse(a, "{\"waiting\":{\"reason\":\"ContainerCreating\"}}"));
        dom_set(c, STR("ready"), dom_new(a, DOM_FALSE));
        dom_set(c, STR("imageID"), dom_string(a, STR("")));
        for (size_t i = 0; i < COUNT_OF(absent); i++)
            dom_remove(c, str_from(absent[i]));
    }
}

/* Evicted pods have no statuses of containers. */
static void set_evicted(struct arena *a, struct dom *status)
{
    dom_set(status, STR("phase"), dom_string(a, STR("Failed")));
    dom_set(status, STR("reason"), dom_string(a, STR("Evicted")));
    dom_set(status, STR("message"), dom_string(a, STR("the node was low on memory")));
    dom_remove(status, STR("containerStatuses"));
}

static void vary_pod(struct arena *a, struct dom *pod, uint32_t variant)
{
    static const char finished[] = "{\"terminated\":{\"exitCode\":%d,\"reason\":\"%s\","
                                   "\"startedAt\":\"2026-01-05T08:30:07Z\","
                                   "\"finishedAt\":\"2026-01-05T11:14:52Z\"}}";
    enum gen_pod_state state = (enum gen_pod_state)(variant / GEN_RESTARTS);
    uint32_t restarts = variant % GEN_RESTARTS;
    struct dom *status = dom_getz(pod, "status");
    struct dom *first = dom_getz(status, "containerStatuses")->first;
    bool oom = state == POD_OOM_KILLED;
    set_number(a, first, "restartCount", restarts);
    if (restarts > 0) {
        str last = arena_printf(a, finished, oom ? 137 : 1, oom ? "OOMKilled" : "Error");
        dom_set(first, STR("lastState"), parse(a, last.data));
    }
    if (state == POD_CRASHING)
        dom_set(first, STR("state"),
                parse(a, "{\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off "
                         "5m0s restarting failed container\"}}"));
    if (state == POD_RUNNING || oom)
        return;
    dom_set(first, STR("ready"), dom_new(a, DOM_FALSE));
    not_ready(a, status, "Ready");
    not_ready(a, status, "ContainersReady");
    if (state == POD_CREATING)
        set_creating(a, status);
    else if (state == POD_EVICTED)
        set_evicted(a, status);
}

/* -- replicas -- */

static void vary_replicas(struct arena *a, struct dom *object, uint32_t variant)
{
    static const char *const availables[] = {"readyReplicas", "availableReplicas"};
    static const char *const totals[] = {"replicas", "updatedReplicas", "fullyLabeledReplicas"};
    int64_t desired = variant / GEN_REPLICAS, available = variant % GEN_REPLICAS;
    struct dom *status = dom_getz(object, "status");
    set_number(a, dom_getz(object, "spec"), "replicas", desired);
    for (size_t i = 0; i < COUNT_OF(totals); i++) {
        if (dom_getz(status, totals[i]) != NULL)
            set_number(a, status, totals[i], desired);
    }
    for (size_t i = 0; i < COUNT_OF(availables); i++)
        set_number(a, status, availables[i], available);
    if (desired > available && dom_getz(status, "updatedReplicas") != NULL)
        set_number(a, status, "unavailableReplicas", desired - available);
}

const struct gen_source gen_sources[GEN_KINDS] = {
    [GEN_NAMESPACE] = {"Namespace", cluster_namespace, 500, GEN_NAMESPACE, NULL},
    [GEN_NODE] = {"Node", cluster_node, 100, GEN_NODE, NULL},
    [GEN_DEPLOYMENT] = {"Deployment", cluster_deployment, 10, GEN_DEPLOYMENT, vary_replicas},
    [GEN_REPLICA_SET] = {"ReplicaSet", cluster_replica_set, 10, GEN_DEPLOYMENT, vary_replicas},
    [GEN_POD] = {"Pod", cluster_pod, 1, GEN_REPLICA_SET, vary_pod},
    [GEN_SERVICE] = {"Service", cluster_service, 20, GEN_SERVICE, NULL},
    [GEN_ENDPOINT_SLICE] = {"EndpointSlice", cluster_endpoint_slice, 20, GEN_SERVICE, NULL},
    [GEN_JOB] = {"Job", cluster_job, 100, GEN_CRON_JOB, NULL},
    [GEN_CRON_JOB] = {"CronJob", cluster_cron_job, 200, GEN_CRON_JOB, NULL},
    [GEN_DAEMON_SET] = {"DaemonSet", cluster_daemon_set, 1000, GEN_DAEMON_SET, NULL},
    [GEN_STATEFUL_SET] = {"StatefulSet", cluster_stateful_set, 200, GEN_STATEFUL_SET, NULL},
    [GEN_HPA] = {"HorizontalPodAutoscaler", cluster_hpa, 100, GEN_HPA, NULL},
    [GEN_QUOTA] = {"ResourceQuota", cluster_quota, 500, GEN_QUOTA, NULL},
    [GEN_REPLICATION_CONTROLLER] = {"ReplicationController", cluster_replication_controller, 500,
                                    GEN_REPLICATION_CONTROLLER, NULL},
    [GEN_VOLUME] = {"PersistentVolume", cluster_volume, 100, GEN_VOLUME, NULL},
    [GEN_VOLUME_CLAIM] = {"PersistentVolumeClaim", cluster_volume_claim, 100, GEN_VOLUME_CLAIM,
                          NULL},
};
