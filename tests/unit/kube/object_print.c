/* See object_print.h. */
#include "tests/unit/kube/object_print.h"

#include "wire/json.h"

struct printer {
    struct json_writer w;
    const struct object_pool *pool;
    const struct object *o;
};

static void put_text(struct printer *p, str s)
{
    struct buf *b = p->w.out;
    if (p->w.need_comma)
        buf_byte(b, ',');
    buf_byte(b, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        if (c >= 0x20 && c < 0x7f && c != '"' && c != '\\')
            buf_byte(b, (char)c);
        else
            buf_printf(b, "\\u%04x", c);
    }
    buf_byte(b, '"');
    p->w.need_comma = true;
}

static void put_key(struct printer *p, const char *key)
{
    json_write_key(&p->w, str_from(key));
}

static void text(struct printer *p, const char *key, str s)
{
    put_key(p, key);
    put_text(p, s);
}

static void atom_text(struct printer *p, const char *key, atom n)
{
    text(p, key, atoms_text(p->pool->atoms, n));
}

static void number(struct printer *p, const char *key, int64_t n)
{
    put_key(p, key);
    json_write_i64(&p->w, n);
}

static void boolean(struct printer *p, const char *key, bool b)
{
    put_key(p, key);
    json_write_bool(&p->w, b);
}

static void time_s(struct printer *p, const char *key, int64_t s)
{
    put_key(p, key);
    if (s == INT64_MIN)
        json_write_null(&p->w);
    else
        json_write_i64(&p->w, s);
}

static void open_list(struct printer *p, const char *key)
{
    put_key(p, key);
    json_write_array(&p->w);
}

static void labels(struct printer *p, const char *key, uint32_t at, uint16_t count)
{
    const struct object_label *list = object_at(p->o, at);
    open_list(p, key);
    for (uint16_t i = 0; i < count; i++) {
        json_write_array(&p->w);
        put_text(p, atoms_text(p->pool->atoms, list[i].key));
        put_text(p, atoms_text(p->pool->atoms, list[i].value));
        json_write_array_end(&p->w);
    }
    json_write_array_end(&p->w);
}

static void amounts(struct printer *p, const char *key, uint32_t at, uint16_t count)
{
    const struct resource_amount *list = object_at(p->o, at);
    open_list(p, key);
    for (uint16_t i = 0; i < count; i++) {
        json_write_array(&p->w);
        put_text(p, atoms_text(p->pool->atoms, list[i].resource));
        json_write_i64(&p->w, list[i].value);
        json_write_array_end(&p->w);
    }
    json_write_array_end(&p->w);
}

static void meta(struct printer *p, const struct object_meta *m)
{
    char buffer[UID_TEXT_BYTES];
    time_s(p, "created", m->created_s);
    labels(p, "labels", m->labels_at, m->label_count);
    const struct object_owner *owners = object_at(p->o, m->owners_at);
    open_list(p, "owners");
    for (uint16_t i = 0; i < m->owner_count; i++) {
        json_write_object(&p->w);
        atom_text(p, "kind", owners[i].kind);
        atom_text(p, "name", owners[i].name);
        text(p, "uid", owner_uid(p->o, &owners[i], buffer));
        boolean(p, "controller", owners[i].controller);
        json_write_object_end(&p->w);
    }
    json_write_array_end(&p->w);
    const struct object_annotation *annotations = object_at(p->o, m->annotations_at);
    open_list(p, "annotations");
    for (uint16_t i = 0; i < m->annotation_count; i++) {
        json_write_array(&p->w);
        put_text(p, atoms_text(p->pool->atoms, annotations[i].key));
        put_text(p, str_make(object_at(p->o, annotations[i].value_at), annotations[i].value_len));
        json_write_array_end(&p->w);
    }
    json_write_array_end(&p->w);
}

static void container(struct printer *p, const struct container *c)
{
    char buffer[CONTAINER_ID_TEXT_BYTES];
    json_write_object(&p->w);
    atom_text(p, "name", c->name);
    number(p, "flags", c->flags & ~CONTAINER_ID_IS_HEX);
    open_list(p, "quantities");
    for (unsigned q = 0; q < CONTAINER_QUANTITY_COUNT; q++) {
        if (container_has_quantity(c, q))
            json_write_i64(&p->w, container_quantity(p->o, c, q));
        else
            json_write_null(&p->w);
    }
    json_write_array_end(&p->w);
    if ((c->flags & CONTAINER_HAS_STATUS) != 0) {
        number(p, "status", c->status_index);
        text(p, "id", container_id(p->o, c, buffer));
        atom_text(p, "image", c->image_name);
        atom_text(p, "tag", c->image_tag);
        number(p, "restarts", c->restart_count);
        number(p, "state", c->state);
        atom_text(p, "reason", c->reason);
        atom_text(p, "last", c->last_terminated_reason);
        time_s(p, "started", c->started_s);
    }
    json_write_object_end(&p->w);
}

static void pod(struct printer *p, const struct pod_object *o)
{
    atom_text(p, "node", o->node);
    number(p, "phase", o->phase);
    atom_text(p, "phase_text", o->phase_text);
    atom_text(p, "reason", o->status_reason);
    atom_text(p, "qos", o->qos_class);
    open_list(p, "containers");
    for (uint16_t i = 0; i < o->container_count; i++)
        container(p, &o->containers[i]);
    json_write_array_end(&p->w);
}

static void node(struct printer *p, const struct node_object *o)
{
    atom_text(p, "kubelet", o->kubelet_version);
    atom_text(p, "runtime", o->container_runtime_version);
    atom_text(p, "os_image", o->os_image);
    atom_text(p, "os", o->operating_system);
    const struct node_condition *conditions = object_at(p->o, o->conditions_at);
    open_list(p, "conditions");
    for (uint16_t i = 0; i < o->condition_count; i++) {
        json_write_array(&p->w);
        put_text(p, atoms_text(p->pool->atoms, conditions[i].type));
        put_text(p, atoms_text(p->pool->atoms, conditions[i].status));
        json_write_array_end(&p->w);
    }
    json_write_array_end(&p->w);
    amounts(p, "allocatable", o->allocatable_at, o->allocatable_count);
}

static void workload(struct printer *p, const struct workload_object *o)
{
    open_list(p, "counts");
    for (unsigned i = 0; i < WORKLOAD_COUNT_MAX; i++)
        json_write_i64(&p->w, o->counts[i]);
    json_write_array_end(&p->w);
    number(p, "present", o->present);
    atom_text(p, "target_version", o->target_api_version);
    atom_text(p, "target_kind", o->target_kind);
    atom_text(p, "target_name", o->target_name);
    atom_text(p, "schedule", o->schedule);
    atom_text(p, "policy", o->concurrency_policy);
}

static void service(struct printer *p, const struct service_object *o)
{
    atom_text(p, "type", o->type);
    boolean(p, "has_distribution", o->has_traffic_distribution);
    atom_text(p, "distribution", o->traffic_distribution);
    boolean(p, "publish", o->publish_not_ready_addresses);
    number(p, "ingress", o->ingress_count);
    labels(p, "selector", o->selector_at, o->selector_count);
}

static void endpoint_slice(struct printer *p, const struct endpoint_slice *o)
{
    atom_text(p, "service", o->service);
    number(p, "address_type", o->address_type);
    const struct endpoint_zone *zones = object_at(p->o, o->zones_at);
    open_list(p, "zones");
    for (uint16_t i = 0; i < o->zone_count; i++) {
        json_write_array(&p->w);
        put_text(p, atoms_text(p->pool->atoms, zones[i].zone));
        json_write_i64(&p->w, zones[i].ready);
        json_write_i64(&p->w, zones[i].serving);
        json_write_i64(&p->w, zones[i].terminating);
        json_write_array_end(&p->w);
    }
    json_write_array_end(&p->w);
}

static void capacity(struct printer *p, const char *key, bool has, int64_t bytes)
{
    put_key(p, key);
    if (has)
        json_write_i64(&p->w, bytes);
    else
        json_write_null(&p->w);
}

static void volume(struct printer *p, const struct persistent_volume *o)
{
    atom_text(p, "phase", o->phase);
    atom_text(p, "class", o->storage_class);
    atom_text(p, "reclaim", o->reclaim_policy);
    capacity(p, "capacity", o->has_capacity, o->capacity_bytes);
}

static void claim(struct printer *p, const struct persistent_volume_claim *o)
{
    atom_text(p, "phase", o->phase);
    atom_text(p, "class", o->storage_class);
    atom_text(p, "volume", o->volume_name);
    capacity(p, "capacity", o->has_capacity, o->capacity_bytes);
    capacity(p, "request", o->has_request, o->request_bytes);
}

static void cluster_quota(struct printer *p, const struct cluster_quota_object *o)
{
    amounts(p, "hard", o->hard_at, o->hard_count);
    amounts(p, "used", o->used_at, o->used_count);
    const struct cluster_quota_namespace *namespaces = object_at(p->o, o->namespaces_at);
    open_list(p, "namespaces");
    for (uint16_t i = 0; i < o->namespace_count; i++) {
        json_write_object(&p->w);
        atom_text(p, "namespace", namespaces[i].namespace);
        amounts(p, "hard", namespaces[i].hard_at, namespaces[i].hard_count);
        amounts(p, "used", namespaces[i].used_at, namespaces[i].used_count);
        json_write_object_end(&p->w);
    }
    json_write_array_end(&p->w);
}

static void of_kind(struct printer *p)
{
    const void *o = p->o;
    switch ((enum object_kind)p->o->kind) {
    case KIND_POD:
        pod(p, o);
        break;
    case KIND_NODE:
        node(p, o);
        break;
    case KIND_NAMESPACE:
        atom_text(p, "phase", ((const struct namespace_object *)o)->phase);
        break;
    case KIND_RESOURCE_QUOTA:
        amounts(p, "hard", ((const struct quota_object *)o)->hard_at, ((const struct quota_object *)o)->hard_count);
        amounts(p, "used", ((const struct quota_object *)o)->used_at, ((const struct quota_object *)o)->used_count);
        break;
    case KIND_SERVICE:
        service(p, o);
        break;
    case KIND_ENDPOINT_SLICE:
        endpoint_slice(p, o);
        break;
    case KIND_PERSISTENT_VOLUME:
        volume(p, o);
        break;
    case KIND_PERSISTENT_VOLUME_CLAIM:
        claim(p, o);
        break;
    case KIND_CLUSTER_RESOURCE_QUOTA:
        cluster_quota(p, o);
        break;
    default:
        workload(p, o);
    }
}

void object_print(struct buf *b, const struct object_pool *pool, const struct object *o)
{
    struct printer p = {{.out = b}, pool, o};
    char buffer[UID_TEXT_BYTES];
    json_write_object(&p.w);
    text(&p, "kind", str_from(o->codec->kind));
    text(&p, "name", object_name(o));
    atom_text(&p, "namespace", o->namespace);
    text(&p, "uid", object_uid(o, buffer));
    put_key(&p, "version");
    json_write_u64(&p.w, o->resource_version);
    if (object_meta(o) != NULL)
        meta(&p, object_meta(o));
    of_kind(&p);
    json_write_object_end(&p.w);
}
