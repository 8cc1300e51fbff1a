/*
 * Entities of a pod: the pod itself, and one for each container that has a status.
 *
 * A pod's owners name its workload. A ReplicaSet or Job counts only if it is known here, and stands
 * for the Deployment or CronJob that owns it; found by namespace and name, as in the reference.
 *
 * Containers are told apart by their id, which is empty for those that never started: of several
 * with one id only the last in status.containerStatuses is an entity. So a container that starts or
 * restarts is a new entity, and the old one vanishes.
 *
 * Invariant: entity_containers are sorted by id, no id twice; sets are compared in one pass.
 *
 * Specification: k8s_cluster.md 4.1, 4.4 (workload resolution below the table), 8.0 rows 2, 5, 8.
 */
#include "receivers/k8s_cluster/entity_records.h"

#include <stdlib.h>

#define CONTAINER_TYPE STR("container")
#define CONTAINER_ID_KEY STR("container.id")

static const struct pod_object *pod_of(const struct object *o)
{
    return CONTAINER_OF(o, const struct pod_object, object);
}

/* ---- the pod ---- */

static str phase_text(const struct entity_writer *w, const struct pod_object *pod)
{
    switch ((enum pod_phase)pod->phase) {
    case POD_PHASE_PENDING:
        return STR("Pending");
    case POD_PHASE_RUNNING:
        return STR("Running");
    case POD_PHASE_SUCCEEDED:
        return STR("Succeeded");
    case POD_PHASE_FAILED:
        return STR("Failed");
    case POD_PHASE_UNKNOWN:
    case POD_PHASE_EMPTY:
        return STR("Unknown");
    case POD_PHASE_OTHER:
        break;
    }
    return entity_text(w, pod->phase_text);
}

static void put_workload(struct entity_writer *w, const struct object_owner *owner)
{
    entity_put_atom(w, STR("k8s.workload.kind"), owner->kind);
    entity_put_atom(w, STR("k8s.workload.name"), owner->name);
}

/* The workload behind an owner of kind `via`: its own owner of kind `beyond` if it has one, else itself. */
static void put_resolved(struct entity_writer *w, const struct object *pod, enum owner_kind via,
                         enum object_kind via_kind, enum owner_kind beyond)
{
    const struct object_owner *owner = entity_owner_of_kind(pod, w->owner_kinds[via]);
    if (owner == NULL)
        return;
    const struct object *between = entity_find_by_name(w, via_kind, pod->namespace, owner->name);
    if (between == NULL) {
        log_debug(&w->k->receiver->base.logger,
                  "The owner of a pod is not known: its entity names no workload",
                  F_STR("pod", object_name(pod)), F_STR("kind", entity_text(w, owner->kind)),
                  F_STR("name", entity_text(w, owner->name)));
        return;
    }
    const struct object_owner *above = entity_owner_of_kind(between, w->owner_kinds[beyond]);
    put_workload(w, above != NULL ? above : owner);
    if (above != NULL)
        entity_put_owner(w, between, above);
    else
        entity_put_owner(w, pod, owner);
}

void entity_describe_pod(struct entity_writer *w, const struct object *o)
{
    const struct pod_object *pod = pod_of(o);
    entity_put_labels(w, STR("k8s.pod.label."), o);
    entity_put_created(w, STR("pod.creation_timestamp"), o);
    entity_put(w, STR("k8s.pod.phase"), phase_text(w, pod));
    if (pod->status_reason != 0)
        entity_put_atom(w, STR("k8s.pod.status_reason"), pod->status_reason);
    entity_put_atom(w, STR("k8s.node.name"), pod->node);
    size_t count;
    const struct object_owner *owners = entity_owners(o, &count);
    for (size_t i = 0; i < count; i++) {
        entity_put_owner(w, o, &owners[i]);
        if (owners[i].kind != w->owner_kinds[OWNER_REPLICA_SET] &&
            owners[i].kind != w->owner_kinds[OWNER_JOB])
            put_workload(w, &owners[i]);
    }
    const struct object *service = entity_find_service(w, o);
    if (service != NULL)
        entity_put(w, entity_key(w, STR("k8s.service."), object_name(service), STR("")), STR(""));
    put_resolved(w, o, OWNER_JOB, KIND_JOB, OWNER_CRON_JOB);
    put_resolved(w, o, OWNER_REPLICA_SET, KIND_REPLICA_SET, OWNER_DEPLOYMENT);
    entity_put_atom(w, STR("k8s.namespace.name"), o->namespace);
    entity_put(w, STR("k8s.pod.name"), object_name(o));
}

/* ---- its containers ---- */

static size_t id_bytes(const struct container *c)
{
    return (c->flags & CONTAINER_ID_IS_HEX) != 0 ? CONTAINER_ID_TEXT_BYTES / 2 : c->id_len;
}

/* Orders by id: hexadecimal ones, kept as bytes, before others. */
static int compare_ids(const struct object *a_pod, const struct container *a,
                       const struct object *b_pod, const struct container *b)
{
    bool a_is_hex = (a->flags & CONTAINER_ID_IS_HEX) != 0;
    bool b_is_hex = (b->flags & CONTAINER_ID_IS_HEX) != 0;
    if (a_is_hex != b_is_hex)
        return a_is_hex ? -1 : 1;
    return str_compare(str_make(object_at(a_pod, a->id_at), id_bytes(a)),
                       str_make(object_at(b_pod, b->id_at), id_bytes(b)));
}

static int compare_containers(const void *a, const void *b, void *arg)
{
    const struct object *pod = arg;
    const struct container *x = *(const struct container *const *)a;
    const struct container *y = *(const struct container *const *)b;
    int order = compare_ids(pod, x, pod, y);
    return order != 0 ? order : (int)x->status_index - (int)y->status_index;
}

static void collect_containers(struct entity_containers *set, const struct object *o)
{
    set->count = 0;
    if (o == NULL)
        return;
    const struct pod_object *pod = pod_of(o);
    if (set->cap < pod->container_count) {
        set->cap = (size_t)pod->container_count * 2;
        set->items = mem_realloc(set->items, set->cap * sizeof *set->items);
    }
    size_t count = 0;
    for (size_t i = 0; i < pod->container_count; i++)
        if ((pod->containers[i].flags & CONTAINER_HAS_STATUS) != 0)
            set->items[count++] = &pod->containers[i];
    if (count > 1) {
        /* The pod is only read. */
        qsort_r(set->items, count, sizeof *set->items, compare_containers, (void *)(uintptr_t)o);
    }
    for (size_t i = 0; i < count; i++)
        if (i + 1 == count || compare_ids(o, set->items[i], o, set->items[i + 1]) != 0)
            set->items[set->count++] = set->items[i];
}

static void put_container_state(struct entity_writer *w, const struct container *c)
{
    str key = STR("container.status");
    switch ((enum container_state)c->state) {
    case CONTAINER_RUNNING:
        entity_put(w, key, STR("running"));
        break;
    case CONTAINER_TERMINATED:
        entity_put(w, key, STR("terminated"));
        entity_put_atom(w, STR("container.status.reason"), c->reason);
        break;
    case CONTAINER_WAITING:
        entity_put(w, key, STR("waiting"));
        entity_put_atom(w, STR("container.status.reason"), c->reason);
        break;
    case CONTAINER_STATE_NONE:
        break;
    }
    if (c->started_s != INT64_MIN)
        entity_put_time(w, STR("container.creation_timestamp"), c->started_s);
}

void entity_write_container_states(struct entity_writer *w, const struct object *o)
{
    const struct pod_object *pod = pod_of(o);
    char uid[UID_TEXT_BYTES], id[CONTAINER_ID_TEXT_BYTES];
    collect_containers(&w->after, o);
    for (size_t i = 0; i < w->after.count; i++) {
        const struct container *c = w->after.items[i];
        if ((c->flags & CONTAINER_HAS_IMAGE) != 0) {
            entity_put_atom(w, STR("container.image.name"), c->image_name);
            entity_put_atom(w, STR("container.image.tag"), c->image_tag);
        }
        entity_put_atom(w, STR("k8s.container.name"), c->name);
        entity_put(w, STR("k8s.pod.name"), object_name(o));
        entity_put(w, STR("k8s.pod.uid"), object_uid(o, uid));
        entity_put_atom(w, STR("k8s.namespace.name"), o->namespace);
        entity_put_atom(w, STR("k8s.node.name"), pod->node);
        put_container_state(w, c);
        entity_end_state(w, CONTAINER_TYPE, CONTAINER_ID_KEY, container_id(o, c, id));
    }
}

/* The next container of `before` from *i on that `after` has not; NULL if there is none. *k goes along in `after`. */
static const struct container *next_vanished(const struct entity_writer *w,
                                             const struct object *before,
                                             const struct object *after, size_t *i, size_t *k)
{
    while (*i < w->before.count) {
        const struct container *c = w->before.items[(*i)++];
        int order = 1;
        for (; *k < w->after.count; (*k)++) {
            order = compare_ids(after, w->after.items[*k], before, c);
            if (order >= 0)
                break;
        }
        if (*k == w->after.count || order != 0)
            return c;
    }
    return NULL;
}

void entity_write_container_deletes(struct entity_writer *w, const struct object *before,
                                    const struct object *after)
{
    collect_containers(&w->before, before);
    collect_containers(&w->after, after);
    size_t i = 0, k = 0;
    const struct container *c;
    char id[CONTAINER_ID_TEXT_BYTES];
    while ((c = next_vanished(w, before, after, &i, &k)) != NULL)
        entity_add_delete(w, CONTAINER_TYPE, CONTAINER_ID_KEY, container_id(before, c, id));
}

bool entity_any_container_vanished(struct entity_writer *w, const struct object *before,
                                   const struct object *after)
{
    collect_containers(&w->before, before);
    collect_containers(&w->after, after);
    size_t i = 0, k = 0;
    return next_vanished(w, before, after, &i, &k) != NULL;
}
