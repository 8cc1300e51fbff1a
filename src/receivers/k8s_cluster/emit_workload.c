/*
 * Kinds whose metrics are plain numbers of the object: replicas, pods, jobs, nodes.
 *
 * A number that the API server always fills in counts as its default (1) if it is missing all the
 * same; optional ones then give no point. ReplicaSets, ReplicationControllers and StatefulSets
 * without spec.replicas give nothing at all, as in the reference.
 *
 * Specification: k8s_cluster, table of metrics.
 */
#include "receivers/k8s_cluster/emit.h"

enum absence { IS_ZERO, IS_ONE, NO_POINT, NO_OBJECT };
struct number {
    uint8_t count;   /* enum workload_count */
    uint8_t absence; /* enum absence: what it means that the object does not have it */
};

static const struct number numbers[K8S_METRIC_COUNT] = {
    [K8S_CRON_JOB_ACTIVE_JOBS] = {CRON_JOB_ACTIVE, IS_ZERO},
    [K8S_DAEMON_SET_CURRENT] = {DAEMON_CURRENT_SCHEDULED, IS_ZERO},
    [K8S_DAEMON_SET_DESIRED] = {DAEMON_DESIRED_SCHEDULED, IS_ZERO},
    [K8S_DAEMON_SET_MISSCHEDULED] = {DAEMON_MISSCHEDULED, IS_ZERO},
    [K8S_DAEMON_SET_READY] = {DAEMON_READY, IS_ZERO},
    [K8S_DEPLOYMENT_AVAILABLE] = {STATUS_AVAILABLE, IS_ZERO},
    [K8S_DEPLOYMENT_DESIRED] = {SPEC_REPLICAS, IS_ONE},
    [K8S_HPA_CURRENT] = {HPA_CURRENT, IS_ZERO},
    [K8S_HPA_DESIRED] = {HPA_DESIRED, IS_ZERO},
    [K8S_HPA_MAX] = {HPA_MAX, IS_ZERO},
    [K8S_HPA_MIN] = {HPA_MIN, IS_ONE},
    [K8S_JOB_ACTIVE_PODS] = {JOB_ACTIVE, IS_ZERO},
    [K8S_JOB_DESIRED_PODS] = {JOB_COMPLETIONS, NO_POINT},
    [K8S_JOB_FAILED_PODS] = {JOB_FAILED, IS_ZERO},
    [K8S_JOB_MAX_PARALLEL_PODS] = {JOB_PARALLELISM, NO_POINT},
    [K8S_JOB_SUCCESSFUL_PODS] = {JOB_SUCCEEDED, IS_ZERO},
    [K8S_REPLICA_SET_AVAILABLE] = {STATUS_AVAILABLE, IS_ZERO},
    [K8S_REPLICA_SET_DESIRED] = {SPEC_REPLICAS, NO_OBJECT},
    [K8S_REPLICATION_CONTROLLER_AVAILABLE] = {STATUS_AVAILABLE, IS_ZERO},
    [K8S_REPLICATION_CONTROLLER_DESIRED] = {SPEC_REPLICAS, NO_OBJECT},
    [K8S_STATEFUL_SET_AVAILABLE] = {STATUS_AVAILABLE, IS_ZERO},
    [K8S_STATEFUL_SET_CURRENT] = {STATEFUL_CURRENT, IS_ZERO},
    [K8S_STATEFUL_SET_DESIRED] = {SPEC_REPLICAS, NO_OBJECT},
    [K8S_STATEFUL_SET_READY] = {STATEFUL_READY, IS_ZERO},
    [K8S_STATEFUL_SET_UPDATED] = {STATEFUL_UPDATED, IS_ZERO},
};

static bool needs_replicas(enum k8s_entity entity)
{
    return entity == ENTITY_REPLICA_SET || entity == ENTITY_REPLICATION_CONTROLLER ||
           entity == ENTITY_STATEFUL_SET;
}

void emit_workload(struct emit *e, enum k8s_entity entity, const struct object *o)
{
    const struct workload_object *w = (const struct workload_object *)o;
    if (needs_replicas(entity) && (w->present & 1U << SPEC_REPLICAS) == 0)
        return;
    emit_resource(e, entity, o);
    for (size_t i = 0; i < e->plan->metric_count; i++) {
        enum k8s_metric_id id = e->plan->metrics[i];
        const struct number *n = &numbers[id];
        bool is_present = n->absence == IS_ZERO || (w->present & 1U << n->count) != 0;
        if (is_present)
            emit_int(e, id, w->counts[n->count]);
        else if (n->absence == IS_ONE)
            emit_int(e, id, 1);
    }
}
