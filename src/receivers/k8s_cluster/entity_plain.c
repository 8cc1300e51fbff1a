/*
 * Entities of the kinds that run nothing: nodes, namespaces, services, volumes and their claims.
 *
 * Of a node's conditions only those that every kubelet sets are told: others may come and go all
 * the time.
 *
 * Specification: k8s_cluster.md 4.4, 8.0 rows 2, 3 and 5.
 */
#include "receivers/k8s_cluster/entity_records.h"

/* The atom's text in ASCII lower case. */
static void put_lower(struct entity_writer *w, str key, atom value)
{
    str text = entity_text(w, value);
    char *copy = str_dup(text);
    for (size_t i = 0; i < text.len; i++)
        if (copy[i] >= 'A' && copy[i] <= 'Z')
            copy[i] = (char)(copy[i] - 'A' + 'a');
    entity_put(w, key, str_make(copy, text.len));
    mem_free(copy);
}

void entity_describe_node(struct entity_writer *w, const struct object *o)
{
    static const struct {
        const char *type;
        str key;
    } told[] = {
        {"Ready", STR("k8s.node.condition_ready")},
        {"MemoryPressure", STR("k8s.node.condition_memory_pressure")},
        {"DiskPressure", STR("k8s.node.condition_disk_pressure")},
        {"PIDPressure", STR("k8s.node.condition_pid_pressure")},
        {"NetworkUnavailable", STR("k8s.node.condition_network_unavailable")},
    };
    const struct node_object *node = CONTAINER_OF(o, const struct node_object, object);
    entity_put_labels(w, STR("k8s.node.label."), o);
    entity_put(w, STR("k8s.node.name"), object_name(o));
    entity_put_created(w, STR("node.creation_timestamp"), o);
    const struct node_condition *conditions = object_at(o, node->conditions_at);
    for (size_t i = 0; i < node->condition_count; i++)
        for (size_t k = 0; k < COUNT_OF(told); k++)
            if (str_eqz(entity_text(w, conditions[i].type), told[k].type))
                put_lower(w, told[k].key, conditions[i].status);
}

void entity_describe_namespace(struct entity_writer *w, const struct object *o)
{
    const struct namespace_object *n = CONTAINER_OF(o, const struct namespace_object, object);
    entity_put(w, STR("k8s.namespace.name"), object_name(o));
    if (n->phase == 0)
        entity_put(w, STR("k8s.namespace.phase"), STR("unknown"));
    else
        put_lower(w, STR("k8s.namespace.phase"), n->phase);
    entity_put_created(w, STR("k8s.namespace.creation_timestamp"), o);
}

void entity_describe_service(struct entity_writer *w, const struct object *o)
{
    const struct service_object *s = CONTAINER_OF(o, const struct service_object, object);
    entity_put_atom(w, STR("k8s.namespace.name"), o->namespace);
    entity_put(w, STR("k8s.service.name"), object_name(o));
    entity_put_created(w, STR("k8s.service.creation_timestamp"), o);
    const struct object_label *selector = object_at(o, s->selector_at);
    for (size_t i = 0; i < s->selector_count; i++)
        entity_put_atom(
            w,
            entity_key(w, STR("k8s.service.selector."), entity_text(w, selector[i].key), STR("")),
            selector[i].value);
    entity_put_labels(w, STR("k8s.service.label."), o);
    entity_put_annotations(w, STR("k8s.service.annotation."), o);
}

void entity_describe_volume(struct entity_writer *w, const struct object *o)
{
    entity_put(w, STR("k8s.persistentvolume.name"), object_name(o));
    entity_put_created(w, STR("k8s.persistentvolume.creation_timestamp"), o);
    entity_put_labels(w, STR("k8s.persistentvolume.label."), o);
    entity_put_annotations(w, STR("k8s.persistentvolume.annotation."), o);
}

void entity_describe_claim(struct entity_writer *w, const struct object *o)
{
    const struct persistent_volume_claim *claim =
        CONTAINER_OF(o, const struct persistent_volume_claim, object);
    entity_put(w, STR("k8s.persistentvolumeclaim.name"), object_name(o));
    entity_put_atom(w, STR("k8s.namespace.name"), o->namespace);
    entity_put_created(w, STR("k8s.persistentvolumeclaim.creation_timestamp"), o);
    if (claim->volume_name != 0)
        entity_put_atom(w, STR("k8s.persistentvolume.name"), claim->volume_name);
    entity_put_labels(w, STR("k8s.persistentvolumeclaim.label."), o);
    entity_put_annotations(w, STR("k8s.persistentvolumeclaim.annotation."), o);
}
