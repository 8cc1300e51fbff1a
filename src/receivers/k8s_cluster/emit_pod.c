/*
 * Pods and their containers.
 *
 * A pod gives its own resource, then one for each entry of spec.containers that has a request, a
 * limit or a status. Init and ephemeral containers give none, nor do statuses without a spec.
 * A container that never started has its status all the same: not ready, no id.
 *
 * Specification: k8s_cluster 3.4 and its table of metrics (k8s.pod.*, k8s.container.*), 8.1.
 */
#include "receivers/k8s_cluster/emit.h"

/* The index of `text`, or `count`. */
static size_t index_of(const str *words, size_t count, str text)
{
    size_t i = 0;
    while (i < count && !str_eq(words[i], text))
        i++;
    return i;
}

static int64_t phase_number(enum pod_phase phase)
{
    enum { UNKNOWN = 5 };
    switch (phase) {
    case POD_PHASE_PENDING:
        return 1;
    case POD_PHASE_RUNNING:
        return 2;
    case POD_PHASE_SUCCEEDED:
        return 3;
    case POD_PHASE_FAILED:
        return 4;
    case POD_PHASE_UNKNOWN:
    case POD_PHASE_OTHER:
    case POD_PHASE_EMPTY:
        return UNKNOWN;
    }
    CHECK(false);
}

static int64_t status_reason_number(str reason)
{
    static const str reasons[] = {STR("Evicted"), STR("NodeAffinity"), STR("NodeLost"),
                                  STR("Shutdown"), STR("UnexpectedAdmissionError")};
    return (int64_t)index_of(reasons, COUNT_OF(reasons), reason) + 1;
}

static void emit_states(struct emit *e, const struct container *c)
{
    static const str states[] = {STR("running"), STR("waiting"), STR("terminated")};
    static const str names[] = {[CONTAINER_RUNNING] = STR("running"),
                                [CONTAINER_WAITING] = STR("waiting"),
                                [CONTAINER_TERMINATED] = STR("terminated")};
    if (c->state != CONTAINER_STATE_NONE)
        emit_choice(e, K8S_CONTAINER_STATUS_STATE, POINT_CONTAINER_STATUS_STATE, states,
                    COUNT_OF(states), names[c->state]);
}

static void emit_reasons(struct emit *e, const struct container *c)
{
    static const str reasons[] = {STR("ContainerCreating"),
                                  STR("CrashLoopBackOff"),
                                  STR("CreateContainerConfigError"),
                                  STR("ErrImagePull"),
                                  STR("ImagePullBackOff"),
                                  STR("OOMKilled"),
                                  STR("Completed"),
                                  STR("Error"),
                                  STR("ContainerCannotRun")};
    bool has_reason = c->state == CONTAINER_TERMINATED || c->state == CONTAINER_WAITING;
    emit_choice(e, K8S_CONTAINER_STATUS_REASON, POINT_CONTAINER_STATUS_REASON, reasons,
                COUNT_OF(reasons), has_reason ? atoms_text(e->pool->atoms, c->reason) : STR(""));
}

static void emit_quantity(struct emit *e, const struct object *pod, enum k8s_metric_id id,
                          enum container_quantity quantity)
{
    if (container_has_quantity(e->container, quantity))
        emit_int(e, id, container_quantity(pod, e->container, quantity));
}

static void emit_cpu(struct emit *e, const struct object *pod, enum k8s_metric_id id,
                     enum container_quantity quantity)
{
    if (container_has_quantity(e->container, quantity))
        emit_double(e, id, (double)container_quantity(pod, e->container, quantity) / 1000);
}

static void emit_container_metric(struct emit *e, const struct object *pod, enum k8s_metric_id id)
{
    const struct container *c = e->container;
    bool has_status = (c->flags & CONTAINER_HAS_STATUS) != 0;
    switch (id) {
    case K8S_CONTAINER_CPU_LIMIT:
        emit_cpu(e, pod, id, CPU_LIMIT);
        break;
    case K8S_CONTAINER_CPU_REQUEST:
        emit_cpu(e, pod, id, CPU_REQUEST);
        break;
    case K8S_CONTAINER_EPHEMERAL_LIMIT:
        emit_quantity(e, pod, id, EPHEMERAL_STORAGE_LIMIT);
        break;
    case K8S_CONTAINER_EPHEMERAL_REQUEST:
        emit_quantity(e, pod, id, EPHEMERAL_STORAGE_REQUEST);
        break;
    case K8S_CONTAINER_MEMORY_LIMIT:
        emit_quantity(e, pod, id, MEMORY_LIMIT);
        break;
    case K8S_CONTAINER_MEMORY_REQUEST:
        emit_quantity(e, pod, id, MEMORY_REQUEST);
        break;
    case K8S_CONTAINER_STORAGE_LIMIT:
        emit_quantity(e, pod, id, STORAGE_LIMIT);
        break;
    case K8S_CONTAINER_STORAGE_REQUEST:
        emit_quantity(e, pod, id, STORAGE_REQUEST);
        break;
    case K8S_CONTAINER_READY:
        if (has_status)
            emit_int(e, id, (c->flags & CONTAINER_READY) != 0);
        break;
    case K8S_CONTAINER_RESTARTS:
        if (has_status)
            emit_int(e, id, c->restart_count);
        break;
    case K8S_CONTAINER_STATUS_REASON:
        if (has_status)
            emit_reasons(e, c);
        break;
    case K8S_CONTAINER_STATUS_STATE:
        if (has_status)
            emit_states(e, c);
        break;
    default:
        CHECK(false);
    }
}

void emit_pod(struct emit *e, const struct object *o)
{
    const struct pod_object *pod = (const struct pod_object *)o;
    const struct emit_plan *plan = &e->plans[ENTITY_POD];
    emit_resource(e, ENTITY_POD, o);
    for (size_t i = 0; i < plan->metric_count; i++) {
        if (plan->metrics[i] == K8S_POD_PHASE)
            emit_int(e, K8S_POD_PHASE, phase_number((enum pod_phase)pod->phase));
        else
            emit_int(e, K8S_POD_STATUS_REASON,
                     status_reason_number(atoms_text(e->pool->atoms, pod->status_reason)));
    }
    plan = &e->plans[ENTITY_CONTAINER];
    for (size_t i = 0; i < pod->container_count; i++) {
        if ((pod->containers[i].flags & CONTAINER_HAS_SPEC) == 0)
            break; /* statuses that belong to none are behind the others */
        emit_resource(e, ENTITY_CONTAINER, o);
        e->container = &pod->containers[i];
        for (size_t k = 0; k < plan->metric_count; k++)
            emit_container_metric(e, o, plan->metrics[k]);
    }
}
