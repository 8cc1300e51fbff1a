/*
 * Values of resource attributes, from the object (and container) of the present resource.
 *
 * An attribute without a value is absent where the reference leaves it out, and an empty text
 * everywhere else. Texts live in the present batch.
 *
 * Specification: k8s_cluster 3.3 (which are present when), 3.4 (containers).
 */
#include "receivers/k8s_cluster/emit.h"

static const struct value absent = {.kind = VALUE_EMPTY};

static struct value text_of(struct emit *e, atom n)
{
    return VALUE_OF_STR(emit_text(e, n));
}

static struct value id_of_container(struct emit *e, const struct object *pod)
{
    const struct container *c = e->container;
    struct arena *a = &e->batch->arena;
    if ((c->flags & CONTAINER_ID_IS_HEX) == 0) {
        char unused[CONTAINER_ID_TEXT_BYTES];
        str id = container_id(pod, c, unused);
        return VALUE_OF_STR(id.len == 0 ? STR("") : arena_str(a, id));
    }
    return VALUE_OF_STR(container_id(pod, c, arena_alloc(a, CONTAINER_ID_TEXT_BYTES)));
}

static struct value of_container(struct emit *e, enum k8s_resource_attribute id,
                                 const struct object *pod)
{
    const struct container *c = e->container;
    switch (id) {
    case ATTR_CONTAINER_ID:
        return id_of_container(e, pod);
    case ATTR_CONTAINER_NAME:
        return text_of(e, c->name);
    case ATTR_CONTAINER_IMAGE_NAME:
        return (c->flags & CONTAINER_HAS_IMAGE) != 0 ? text_of(e, c->image_name) : absent;
    case ATTR_CONTAINER_IMAGE_TAG:
        return (c->flags & CONTAINER_HAS_IMAGE) != 0 ? text_of(e, c->image_tag) : absent;
    case ATTR_CONTAINER_LAST_TERMINATED_REASON:
        return (c->flags & CONTAINER_HAS_LAST_TERMINATED) != 0
                   ? text_of(e, c->last_terminated_reason)
                   : absent;
    default:
        CHECK(false);
    }
}

/* One side of "containerd://1.7.2", if it is not empty and there is exactly one "://". */
static struct value runtime_of(struct emit *e, const struct node_object *node, bool version)
{
    str text = emit_text(e, node->container_runtime_version), separator = STR("://");
    size_t at, again;
    if (!str_find(text, separator, &at))
        return absent;
    str rest = str_skip(text, at + separator.len);
    if (str_find(rest, separator, &again))
        return absent;
    str side = version ? rest : str_make(text.data, at);
    return side.len > 0 ? VALUE_OF_STR(side) : absent;
}

static struct value of_node(struct emit *e, enum k8s_resource_attribute id, const struct object *o)
{
    const struct node_object *node = (const struct node_object *)o;
    switch (id) {
    case ATTR_KUBELET_VERSION:
        return text_of(e, node->kubelet_version);
    case ATTR_CONTAINER_RUNTIME:
        return runtime_of(e, node, false);
    case ATTR_CONTAINER_RUNTIME_VERSION:
        return runtime_of(e, node, true);
    case ATTR_OS_DESCRIPTION:
        return text_of(e, node->os_image);
    case ATTR_OS_TYPE:
        return text_of(e, node->operating_system);
    default:
        CHECK(false);
    }
}

static struct value of_service(struct emit *e, enum k8s_resource_attribute id,
                               const struct object *o)
{
    const struct service_object *service = (const struct service_object *)o;
    switch (id) {
    case ATTR_SERVICE_TYPE:
        return text_of(e, service->type);
    case ATTR_SERVICE_PUBLISH_NOT_READY:
        return VALUE_OF_BOOL(service->publish_not_ready_addresses);
    case ATTR_SERVICE_TRAFFIC_DISTRIBUTION:
        return service->has_traffic_distribution ? text_of(e, service->traffic_distribution)
                                                 : absent;
    default:
        CHECK(false);
    }
}

static struct value storage_class_of(struct emit *e, const struct object *o)
{
    if (o->kind == KIND_PERSISTENT_VOLUME)
        return text_of(e, ((const struct persistent_volume *)o)->storage_class);
    return text_of(e, ((const struct persistent_volume_claim *)o)->storage_class);
}

struct value emit_attribute(struct emit *e, enum k8s_resource_attribute id, const struct object *o)
{
    if (e->is_uid[id])
        return VALUE_OF_STR(e->uid);
    if (e->is_name[id])
        return VALUE_OF_STR(e->name);
    switch (id) {
    case ATTR_NAMESPACE_NAME:
        return o->kind == KIND_NAMESPACE ? VALUE_OF_STR(e->name) : text_of(e, o->namespace);
    case ATTR_NODE_NAME:
        return o->kind == KIND_NODE ? VALUE_OF_STR(e->name)
                                    : text_of(e, ((const struct pod_object *)o)->node);
    case ATTR_CONTAINER_ID:
    case ATTR_CONTAINER_NAME:
    case ATTR_CONTAINER_IMAGE_NAME:
    case ATTR_CONTAINER_IMAGE_TAG:
    case ATTR_CONTAINER_LAST_TERMINATED_REASON:
        return of_container(e, id, o);
    case ATTR_POD_QOS_CLASS:
        return text_of(e, ((const struct pod_object *)o)->qos_class);
    case ATTR_KUBELET_VERSION:
    case ATTR_CONTAINER_RUNTIME:
    case ATTR_CONTAINER_RUNTIME_VERSION:
    case ATTR_OS_DESCRIPTION:
    case ATTR_OS_TYPE:
        return of_node(e, id, o);
    case ATTR_SERVICE_TYPE:
    case ATTR_SERVICE_PUBLISH_NOT_READY:
    case ATTR_SERVICE_TRAFFIC_DISTRIBUTION:
        return of_service(e, id, o);
    case ATTR_HPA_TARGET_API_VERSION:
        return text_of(e, ((const struct workload_object *)o)->target_api_version);
    case ATTR_HPA_TARGET_KIND:
        return text_of(e, ((const struct workload_object *)o)->target_kind);
    case ATTR_HPA_TARGET_NAME:
        return text_of(e, ((const struct workload_object *)o)->target_name);
    case ATTR_STORAGE_CLASS_NAME:
        return storage_class_of(e, o);
    case ATTR_PERSISTENT_VOLUME_RECLAIM_POLICY:
        return text_of(e, ((const struct persistent_volume *)o)->reclaim_policy);
    case ATTR_CLUSTER_UID:
        return e->cluster_uid.len > 0 ? VALUE_OF_STR(arena_str(&e->batch->arena, e->cluster_uid))
                                      : absent;
    default:
        CHECK(false);
    }
}
