/*
 * ResourceQuotas and OpenShift's ClusterResourceQuotas: one point for each resource that is counted.
 *
 * Amounts come from the status, rounded up; keys that end in ".cpu" count millicores, the bare key
 * "cpu" whole cores, as in the reference.
 *
 * Specification: k8s_cluster, table of metrics.
 */
#include "receivers/k8s_cluster/emit.h"

static void emit_amounts(struct emit *e, enum k8s_metric_id id, const struct object *o,
                         uint32_t amounts_at, size_t count)
{
    const struct resource_amount *amounts = object_at(o, amounts_at);
    for (size_t i = 0; i < count; i++) {
        const struct attribute resource = {.key = k8s_point_attributes[POINT_RESOURCE].name,
                                           .value =
                                               VALUE_OF_STR(emit_text(e, amounts[i].resource))};
        emit_int_with(e, id, &resource, 1, amounts[i].value);
    }
}

void emit_quota(struct emit *e, const struct object *o)
{
    const struct quota_object *q = (const struct quota_object *)o;
    emit_resource(e, ENTITY_RESOURCE_QUOTA, o);
    for (size_t i = 0; i < e->plan->metric_count; i++) {
        enum k8s_metric_id id = e->plan->metrics[i];
        if (id == K8S_RESOURCE_QUOTA_HARD_LIMIT)
            emit_amounts(e, id, o, q->hard_at, q->hard_count);
        else
            emit_amounts(e, id, o, q->used_at, q->used_count);
    }
}

static void emit_applied(struct emit *e, enum k8s_metric_id id, const struct object *o)
{
    const struct cluster_quota_object *q = (const struct cluster_quota_object *)o;
    const struct cluster_quota_namespace *namespaces = object_at(o, q->namespaces_at);
    struct emit_sums sums;
    emit_sums_begin(&sums, e, id);
    for (size_t i = 0; i < q->namespace_count; i++) {
        const struct cluster_quota_namespace *n = &namespaces[i];
        bool limits = id == K8S_APPLIED_QUOTA_LIMIT;
        const struct resource_amount *amounts = object_at(o, limits ? n->hard_at : n->used_at);
        size_t count = limits ? n->hard_count : n->used_count;
        for (size_t k = 0; k < count; k++) {
            const str values[] = {emit_text(e, n->namespace), emit_text(e, amounts[k].resource)};
            emit_sums_add(&sums, values, amounts[k].value);
        }
    }
    emit_sums_end(&sums);
}

void emit_cluster_quota(struct emit *e, const struct object *o)
{
    const struct cluster_quota_object *q = (const struct cluster_quota_object *)o;
    emit_resource(e, ENTITY_CLUSTER_QUOTA, o);
    for (size_t i = 0; i < e->plan->metric_count; i++) {
        enum k8s_metric_id id = e->plan->metrics[i];
        if (id == K8S_CLUSTER_QUOTA_LIMIT)
            emit_amounts(e, id, o, q->hard_at, q->hard_count);
        else if (id == K8S_CLUSTER_QUOTA_USED)
            emit_amounts(e, id, o, q->used_at, q->used_count);
        else
            emit_applied(e, id, o);
    }
}
