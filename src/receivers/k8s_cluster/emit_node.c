/*
 * Nodes: all conditions in one metric (off by default), and metrics that the configuration names,
 * one for each condition and each allocatable resource.
 *
 * The named ones have a resource of their own, which filters do not reach, and no start time; both
 * as in the reference. A condition that a node does not have counts as unknown, a resource that it
 * does not have gives no point.
 *
 * Specification: k8s_cluster 3.5 and its table of metrics (k8s.node.*).
 */
#include "receivers/k8s_cluster/emit.h"

static int64_t status_number(const struct emit *e, atom status)
{
    str text = atoms_text(e->pool->atoms, status);
    if (str_eqz(text, "True"))
        return 1;
    return str_eqz(text, "Unknown") ? -1 : 0;
}

void emit_node(struct emit *e, const struct object *o)
{
    const struct node_object *node = (const struct node_object *)o;
    const struct node_condition *conditions = object_at(o, node->conditions_at);
    emit_resource(e, ENTITY_NODE, o);
    if (e->plan->metric_count == 0)
        return;
    for (size_t i = 0; i < node->condition_count; i++) {
        const struct attribute type = {.key = k8s_point_attributes[POINT_CONDITION].name,
                                       .value = VALUE_OF_STR(emit_text(e, conditions[i].type))};
        emit_int_with(e, K8S_NODE_CONDITION, &type, 1, status_number(e, conditions[i].status));
    }
}

/* The metrics that the configuration names, described in the present batch. */
static const struct metric_desc *named_descs(struct emit *e)
{
    if (e->named != NULL)
        return e->named;
    struct arena *a = &e->batch->arena;
    size_t count = e->condition_count + e->allocatable_count;
    struct metric_desc *descs = ARENA_ARRAY(a, struct metric_desc, count);
    for (size_t i = 0; i < count; i++) {
        descs[i] = i < e->condition_count ? e->conditions[i].desc
                                          : e->allocatables[i - e->condition_count].desc;
        descs[i].name = arena_str(a, descs[i].name);
        descs[i].description = arena_str(a, descs[i].description);
        descs[i].unit = arena_str(a, descs[i].unit);
    }
    e->named = descs;
    return descs;
}

static int64_t condition_number(const struct emit *e, const struct node_object *node, atom type)
{
    const struct node_condition *conditions = object_at(&node->object, node->conditions_at);
    for (size_t i = 0; i < node->condition_count; i++)
        if (conditions[i].type == type)
            return status_number(e, conditions[i].status);
    return -1;
}

static const struct resource_amount *find_allocatable(const struct node_object *node, atom resource)
{
    const struct resource_amount *amounts = object_at(&node->object, node->allocatable_at);
    for (size_t i = 0; i < node->allocatable_count; i++)
        if (amounts[i].resource == resource)
            return &amounts[i];
    return NULL;
}

void emit_node_values(struct emit *e, const struct object *o)
{
    const struct node_object *node = (const struct node_object *)o;
    const struct metric_desc *descs = named_descs(e);
    emit_resource(e, ENTITY_NODE_VALUES, o);
    for (size_t i = 0; i < e->condition_count; i++)
        emit_named(e, &descs[i], VALUE_OF_INT(condition_number(e, node, e->conditions[i].key)));
    for (size_t i = 0; i < e->allocatable_count; i++) {
        const struct emit_named *named = &e->allocatables[i];
        const struct resource_amount *amount = find_allocatable(node, named->key);
        if (amount == NULL)
            log_debug(e->logger, "A node does not say how much of a resource it has",
                      F_STR("node", e->name),
                      F_STR("resource", atoms_text(e->pool->atoms, named->key)));
        else
            emit_named(e, &descs[e->condition_count + i],
                       named->is_cpu ? VALUE_OF_DOUBLE((double)amount->value / 1000)
                                     : VALUE_OF_INT(amount->value));
    }
}
