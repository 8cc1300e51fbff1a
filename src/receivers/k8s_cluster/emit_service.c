/*
 * Services: ingress points of the load balancer, and endpoints, counted from the EndpointSlices that
 * name the service.
 *
 * Endpoints of all its slices are added up by address type and zone, and give three points each:
 * ready, serving, terminating. Slices are found by an index of their store: the group of a slice
 * is the number of its namespace and service name, both atoms. A slice that a list has just brought
 * waits until what the list has not is gone: else endpoints of one that was made again count twice.
 *
 * Specification: k8s_cluster, table of metrics (k8s.service.*).
 */
#include "receivers/k8s_cluster/emit.h"

struct endpoint_group {
    struct endpoint_group *next;
    enum address_type type;
    atom zone;
    int64_t ready, serving, terminating;
};
struct endpoint_groups {
    struct arena arena;
    struct endpoint_group *first, *last;
};

static uint64_t group_number(atom namespace, atom service)
{
    return service == 0 ? 0 : (uint64_t) namespace << 32 | service;
}

uint64_t endpoint_slice_group(const struct object *o)
{
    return group_number(o->namespace, ((const struct endpoint_slice *)o)->service);
}

static struct endpoint_group *find_group(struct endpoint_groups *g, enum address_type type,
                                         atom zone)
{
    for (struct endpoint_group *group = g->first; group != NULL; group = group->next)
        if (group->type == type && group->zone == zone)
            return group;
    struct endpoint_group *group = ARENA_NEW(&g->arena, struct endpoint_group);
    group->type = type;
    group->zone = zone;
    if (g->last == NULL)
        g->first = group;
    else
        g->last->next = group;
    g->last = group;
    return group;
}

static void add_slice(struct endpoint_groups *g, const struct object *o)
{
    const struct endpoint_slice *slice = (const struct endpoint_slice *)o;
    const struct endpoint_zone *zones = object_at(o, slice->zones_at);
    if (slice->address_type == ADDRESS_OTHER)
        return;
    for (size_t i = 0; i < slice->zone_count; i++) {
        struct endpoint_group *group =
            find_group(g, (enum address_type)slice->address_type, zones[i].zone);
        group->ready += zones[i].ready;
        group->serving += zones[i].serving;
        group->terminating += zones[i].terminating;
    }
}

static void emit_endpoints(struct emit *e, const struct object *o, const struct store *slices)
{
    static const str types[] = {
        [ADDRESS_IPV4] = STR("IPv4"), [ADDRESS_IPV6] = STR("IPv6"), [ADDRESS_FQDN] = STR("FQDN")};
    struct endpoint_groups groups = {0};
    struct emit_sums sums;
    const struct object *slice;
    uint64_t number = group_number(o->namespace, atoms_find(e->pool->atoms, object_name(o)));
    uint32_t cursor = 0;
    if (number == 0)
        return; /* no slice has a label with this name */
    arena_init(&groups.arena, 1024);
    while ((slice = store_group_next(slices, number, &cursor)) != NULL)
        if (store_is_settled(slices, slice))
            add_slice(&groups, slice);
    emit_sums_begin(&sums, e, K8S_SERVICE_ENDPOINT_COUNT);
    for (const struct endpoint_group *g = groups.first; g != NULL; g = g->next) {
        str type = types[g->type], zone = emit_text(e, g->zone);
        emit_sums_add(&sums, (const str[]){type, STR("ready"), zone}, g->ready);
        emit_sums_add(&sums, (const str[]){type, STR("serving"), zone}, g->serving);
        emit_sums_add(&sums, (const str[]){type, STR("terminating"), zone}, g->terminating);
    }
    emit_sums_end(&sums);
    arena_deinit(&groups.arena);
}

void emit_service(struct emit *e, const struct object *o, const struct store *slices)
{
    const struct service_object *service = (const struct service_object *)o;
    emit_resource(e, ENTITY_SERVICE, o);
    for (size_t i = 0; i < e->plan->metric_count; i++) {
        enum k8s_metric_id id = e->plan->metrics[i];
        if (id == K8S_SERVICE_ENDPOINT_COUNT && slices != NULL)
            emit_endpoints(e, o, slices);
        else if (id == K8S_SERVICE_INGRESS_COUNT &&
                 str_eqz(atoms_text(e->pool->atoms, service->type), "LoadBalancer"))
            emit_int(e, id, service->ingress_count);
    }
}
