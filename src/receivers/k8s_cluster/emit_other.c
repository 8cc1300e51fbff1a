/*
 * Namespaces, and volumes with their claims.
 *
 * Specification: k8s_cluster, table of metrics (k8s.namespace.*, k8s.persistentvolume*).
 */
#include "receivers/k8s_cluster/emit.h"

void emit_namespace(struct emit *e, const struct object *o)
{
    str phase = atoms_text(e->pool->atoms, ((const struct namespace_object *)o)->phase);
    emit_resource(e, ENTITY_NAMESPACE, o);
    if (e->plan->metric_count > 0)
        emit_int(e, K8S_NAMESPACE_PHASE,
                 str_eqz(phase, "Active") ? 1
                 : phase.len == 0         ? -1
                                          : 0); /* Terminating, and what is not known yet */
}

void emit_persistent_volume(struct emit *e, const struct object *o)
{
    static const str phases[] = {STR("Pending"), STR("Available"), STR("Bound"), STR("Released"),
                                 STR("Failed")};
    const struct persistent_volume *v = (const struct persistent_volume *)o;
    emit_resource(e, ENTITY_PERSISTENT_VOLUME, o);
    for (size_t i = 0; i < e->plan->metric_count; i++) {
        enum k8s_metric_id id = e->plan->metrics[i];
        if (id == K8S_PERSISTENT_VOLUME_PHASE)
            emit_choice(e, id, POINT_PERSISTENT_VOLUME_PHASE, phases, COUNT_OF(phases),
                        atoms_text(e->pool->atoms, v->phase));
        else if (v->has_capacity)
            emit_int(e, id, v->capacity_bytes);
    }
}

void emit_persistent_volume_claim(struct emit *e, const struct object *o)
{
    static const str phases[] = {STR("Pending"), STR("Bound"), STR("Lost")};
    const struct persistent_volume_claim *c = (const struct persistent_volume_claim *)o;
    emit_resource(e, ENTITY_PERSISTENT_VOLUME_CLAIM, o);
    for (size_t i = 0; i < e->plan->metric_count; i++) {
        enum k8s_metric_id id = e->plan->metrics[i];
        if (id == K8S_PERSISTENT_VOLUME_CLAIM_PHASE)
            emit_choice(e, id, POINT_PERSISTENT_VOLUME_CLAIM_PHASE, phases, COUNT_OF(phases),
                        atoms_text(e->pool->atoms, c->phase));
        else if (id == K8S_PERSISTENT_VOLUME_CLAIM_CAPACITY && c->has_capacity)
            emit_int(e, id, c->capacity_bytes);
        else if (id == K8S_PERSISTENT_VOLUME_CLAIM_REQUEST && c->has_request)
            emit_int(e, id, c->request_bytes);
    }
}
