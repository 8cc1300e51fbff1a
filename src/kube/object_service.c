/*
 * Services and their EndpointSlices.
 *
 * Of a slice only numbers are kept: how many of its endpoints are ready, serving and terminating in
 * each zone. A condition that is not set: ready counts as true, serving as ready says, terminating
 * as false.
 *
 * Specification: core/v1 and discovery/v1 generated.proto of k8s.io/api.
 */
#include "kube/object_draft.h"

#include "base/map.h"

enum { SPEC = 2, STATUS = 3 };
enum { ZONE_BUCKETS = 1024 }; /* few are used, but a slice may be made to have thousands of zones */

/* -- Service -- */

struct service_draft {
    struct draft draft;
    str type, traffic_distribution;
    bool has_traffic_distribution, publish_not_ready_addresses;
    uint32_t ingress_count;
    struct draft_map selector;
};

static void service_init(struct draft *d)
{
    d->keeps_annotations = true;
}

static void service_spec_pb(struct service_draft *service, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        switch (m.field) { /* ServiceSpec */
        case 2:
            if (draft_wants(&service->draft, OBJECT_METADATA))
                draft_map_pb(&service->draft, &service->selector, &m, false);
            else
                pb_skip(&m);
            break;
        case 4:
            service->type = pb_bytes(&m);
            break;
        case 13:
            service->publish_not_ready_addresses = pb_bool(&m);
            break;
        case 23:
            service->has_traffic_distribution = true;
            service->traffic_distribution = pb_bytes(&m);
            break;
        default:
            pb_skip(&m);
        }
    }
    pb_join(p, &m);
}

static void load_balancer_pb(struct service_draft *service, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) { /* LoadBalancerStatus.ingress */
            pb_bytes(&m);
            service->ingress_count++;
        } else {
            pb_skip(&m);
        }
    }
    pb_join(p, &m);
}

static void service_pb(struct draft *d, struct pb *p)
{
    struct service_draft *service = (struct service_draft *)d;
    if (p->field == SPEC) {
        service_spec_pb(service, p);
        return;
    }
    if (p->field != STATUS) {
        pb_skip(p);
        return;
    }
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* ServiceStatus.loadBalancer */
            load_balancer_pb(service, &m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void traffic_distribution_json(struct service_draft *service, struct json *j)
{
    bool is_text = json_peek(j) == JSON_STRING;
    service->traffic_distribution = STR_NONE;
    draft_json_text(&service->draft, j, &service->traffic_distribution);
    service->has_traffic_distribution = is_text;
}

static void service_spec_json(struct service_draft *service, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "selector") && draft_wants(&service->draft, OBJECT_METADATA))
            draft_map_json(&service->draft, &service->selector, j, false);
        else if (str_eqz(key, "type"))
            draft_json_text(&service->draft, j, &service->type);
        else if (str_eqz(key, "publishNotReadyAddresses"))
            draft_json_bool(j, &service->publish_not_ready_addresses);
        else if (str_eqz(key, "trafficDistribution"))
            traffic_distribution_json(service, j);
        else
            json_skip(j);
    }
}

static void load_balancer_json(struct service_draft *service, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (!str_eqz(key, "ingress")) {
            json_skip(j);
            continue;
        }
        service->ingress_count = 0;
        if (!draft_json_array(j))
            continue;
        while (json_item(j)) {
            json_skip(j);
            service->ingress_count++;
        }
    }
}

static void service_json(struct draft *d, str key, struct json *j)
{
    struct service_draft *service = (struct service_draft *)d;
    if (str_eqz(key, "spec")) {
        service_spec_json(service, j);
        return;
    }
    if (!str_eqz(key, "status")) {
        json_skip(j);
        return;
    }
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "loadBalancer"))
            load_balancer_json(service, j);
        else
            json_skip(j);
    }
}

static struct object *service_seal(struct draft *d)
{
    struct service_draft *draft = (struct service_draft *)d;
    block_begin(d, sizeof(struct service_object));
    struct service_object s = {.type = block_atom(d, draft->type),
                               .traffic_distribution = block_atom(d, draft->traffic_distribution),
                               .ingress_count = draft->ingress_count,
                               .has_traffic_distribution = draft->has_traffic_distribution,
                               .publish_not_ready_addresses = draft->publish_not_ready_addresses};
    s.selector_at = block_labels(d, &draft->selector, &s.selector_count);
    memcpy(block_at(d, 0), &s, sizeof s);
    return block_finish(d);
}

static void service_release(struct object_pool *pool, const struct object *o)
{
    const struct service_object *s = (const struct service_object *)o;
    atoms_unref(pool->atoms, s->type);
    atoms_unref(pool->atoms, s->traffic_distribution);
    release_labels(pool, o, s->selector_at, s->selector_count);
}

const struct kind_codec kind_service = {
    .codec = {"Service", true, OBJECT_METADATA, kind_decode, service_release},
    .kind = KIND_SERVICE,
    .resource = {"", "v1", "services", true},
    .draft_bytes = sizeof(struct service_draft),
    .init = service_init,
    .read_pb = service_pb,
    .read_json = service_json,
    .seal = service_seal,
};

/* -- EndpointSlice -- */

struct zone_draft {
    struct zone_draft *next, *next_in_bucket;
    str name;
    uint32_t ready, serving, terminating;
};
struct slice_draft {
    struct draft draft;
    str address_type;
    struct zone_draft *zones, **zones_end;
    uint32_t zone_count;
    struct zone_draft *buckets[ZONE_BUCKETS]; /* by name */
};
enum condition { UNSET, CONDITION_FALSE, CONDITION_TRUE };
struct endpoint_draft {
    str zone;
    enum condition ready, serving, terminating;
};

static void clear_zones(struct slice_draft *slice)
{
    slice->zones = NULL;
    slice->zones_end = &slice->zones;
    slice->zone_count = 0;
    memset(slice->buckets, 0, sizeof slice->buckets);
}

static void slice_init(struct draft *d)
{
    clear_zones((struct slice_draft *)d);
    d->wanted_label = "kubernetes.io/service-name";
}

static struct zone_draft *find_zone(struct slice_draft *slice, str name)
{
    uint64_t hash = sip_hash(slice->draft.pool->hash_key, name);
    struct zone_draft **bucket = &slice->buckets[hash % ZONE_BUCKETS];
    for (struct zone_draft *z = *bucket; z != NULL; z = z->next_in_bucket)
        if (str_eq(z->name, name))
            return z;
    struct zone_draft *z = draft_entry(&slice->draft, &slice->zone_count, sizeof *z);
    if (z == NULL)
        return NULL;
    z->name = name;
    z->next_in_bucket = *bucket;
    *bucket = z;
    *slice->zones_end = z;
    slice->zones_end = &z->next;
    return z;
}

static void count_endpoint(struct slice_draft *slice, const struct endpoint_draft *endpoint)
{
    struct zone_draft *zone = find_zone(slice, endpoint->zone);
    if (zone == NULL)
        return;
    bool ready = endpoint->ready != CONDITION_FALSE;
    zone->ready += ready;
    zone->serving += endpoint->serving == UNSET ? ready : endpoint->serving == CONDITION_TRUE;
    zone->terminating += endpoint->terminating == CONDITION_TRUE;
}

static enum condition condition_pb(struct pb *p)
{
    return pb_bool(p) ? CONDITION_TRUE : CONDITION_FALSE;
}

static void conditions_pb(struct endpoint_draft *endpoint, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 1) /* EndpointConditions.ready */
            endpoint->ready = condition_pb(&m);
        else if (m.field == 2) /* serving */
            endpoint->serving = condition_pb(&m);
        else if (m.field == 3) /* terminating */
            endpoint->terminating = condition_pb(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void endpoint_pb(struct slice_draft *slice, struct pb *p)
{
    struct endpoint_draft endpoint = {.zone = STR_NONE};
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 2) /* Endpoint.conditions */
            conditions_pb(&endpoint, &m);
        else if (m.field == 7) /* zone */
            endpoint.zone = pb_bytes(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
    count_endpoint(slice, &endpoint);
}

static void slice_pb(struct draft *d, struct pb *p)
{
    struct slice_draft *slice = (struct slice_draft *)d;
    if (p->field == 2) /* EndpointSlice.endpoints */
        endpoint_pb(slice, p);
    else if (p->field == 4) /* addressType */
        slice->address_type = pb_bytes(p);
    else
        pb_skip(p);
}

static void condition_json(enum condition *condition, struct json *j)
{
    bool is_true;
    *condition = UNSET; /* null */
    if (json_get_bool(j, &is_true))
        *condition = is_true ? CONDITION_TRUE : CONDITION_FALSE;
}

static void conditions_json(struct endpoint_draft *endpoint, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "ready"))
            condition_json(&endpoint->ready, j);
        else if (str_eqz(key, "serving"))
            condition_json(&endpoint->serving, j);
        else if (str_eqz(key, "terminating"))
            condition_json(&endpoint->terminating, j);
        else
            json_skip(j);
    }
}

static void endpoint_json(struct slice_draft *slice, struct json *j)
{
    struct endpoint_draft endpoint = {.zone = STR_NONE};
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "conditions"))
            conditions_json(&endpoint, j);
        else if (str_eqz(key, "zone"))
            draft_json_text(&slice->draft, j, &endpoint.zone);
        else
            json_skip(j);
    }
    count_endpoint(slice, &endpoint);
}

static void slice_json(struct draft *d, str key, struct json *j)
{
    struct slice_draft *slice = (struct slice_draft *)d;
    if (str_eqz(key, "addressType")) {
        draft_json_text(d, j, &slice->address_type);
    } else if (str_eqz(key, "endpoints")) {
        clear_zones(slice);
        if (!draft_json_array(j))
            return;
        while (json_item(j))
            endpoint_json(slice, j);
    } else {
        json_skip(j);
    }
}

static enum address_type address_type_of(str text)
{
    return str_eqz(text, "IPv4")   ? ADDRESS_IPV4
           : str_eqz(text, "IPv6") ? ADDRESS_IPV6
           : str_eqz(text, "FQDN") ? ADDRESS_FQDN
                                   : ADDRESS_OTHER;
}

static struct object *slice_seal(struct draft *d)
{
    const struct slice_draft *draft = (const struct slice_draft *)d;
    block_begin(d, sizeof(struct endpoint_slice));
    struct endpoint_slice slice = {.service = block_atom(d, d->wanted_value),
                                   .address_type = (uint8_t)address_type_of(draft->address_type),
                                   .zone_count = (uint16_t)draft->zone_count};
    for (const struct zone_draft *z = draft->zones; z != NULL; z = z->next) {
        uint32_t at =
            block_reserve(d, sizeof(struct endpoint_zone), _Alignof(struct endpoint_zone));
        if (slice.zones_at == 0)
            slice.zones_at = at;
        struct endpoint_zone *zone = block_at(d, at);
        *zone =
            (struct endpoint_zone){block_atom(d, z->name), z->ready, z->serving, z->terminating};
    }
    memcpy(block_at(d, 0), &slice, sizeof slice);
    return block_finish(d);
}

static void slice_release(struct object_pool *pool, const struct object *o)
{
    const struct endpoint_slice *slice = (const struct endpoint_slice *)o;
    atoms_unref(pool->atoms, slice->service);
    const struct endpoint_zone *zones = object_at(o, slice->zones_at);
    for (uint16_t i = 0; i < slice->zone_count; i++)
        atoms_unref(pool->atoms, zones[i].zone);
}

const struct kind_codec kind_endpoint_slice = {
    .codec = {"EndpointSlice", true, 0, kind_decode, slice_release},
    .kind = KIND_ENDPOINT_SLICE,
    .resource = {"discovery.k8s.io", "v1", "endpointslices", true},
    .draft_bytes = sizeof(struct slice_draft),
    .init = slice_init,
    .read_pb = slice_pb,
    .read_json = slice_json,
    .seal = slice_seal,
};
