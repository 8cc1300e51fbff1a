/*
 * Entity events as log records of a batch: what an object says about its entities (entity_records.c, entity_pod.c, entity_workload.c,
 * entity_plain.c). No journal and no positions here.
 */
#ifndef RECEIVERS_K8S_CLUSTER_ENTITY_RECORDS_H
#define RECEIVERS_K8S_CLUSTER_ENTITY_RECORDS_H

#include "receivers/k8s_cluster/k8s_cluster.h"

struct entity_attribute {
    struct attribute attribute;
    size_t order;
};
/* Containers of a pod that have a status, one for each id, in order of the ids. */
struct entity_containers {
    const struct container **items;
    size_t count, cap;
};
/* Kinds of owners that lead on to another one. */
enum owner_kind { OWNER_REPLICA_SET, OWNER_JOB, OWNER_DEPLOYMENT, OWNER_CRON_JOB, OWNER_KIND_COUNT };

/* Writes into one batch after another; all texts are copied into the batch. */
struct entity_writer {
    const struct k8s_cluster *k;
    struct object_pool *pool;
    atom owner_kinds[OWNER_KIND_COUNT];
    int64_t now_ns;                        /* time of the records */
    struct batch *batch;                   /* NULL until there is a record */
    struct scope *scope;
    size_t state_count, delete_count;      /* records since entity_writer_begin */
    struct entity_attribute *items;        /* of the record under construction */
    size_t item_count, item_cap;
    struct entity_containers before, after; /* scratch */
};
/* Before the first object of the stores: it lets services, replica sets and jobs be found by namespace and name. */
void entity_writer_init(struct entity_writer *w, const struct k8s_cluster *k, struct object_pool *pool);
void entity_writer_deinit(struct entity_writer *w);

void entity_writer_begin(struct entity_writer *w, int64_t now_ns);
/* The batch, its reference now the caller's; NULL if nothing was written since entity_writer_begin. */
struct batch *entity_writer_end(struct entity_writer *w);
static inline size_t entity_writer_records(const struct entity_writer *w)
{
    return w->state_count + w->delete_count;
}
static inline size_t entity_writer_bytes(const struct entity_writer *w)
{
    return w->batch == NULL ? 0 : w->batch->arena.used_bytes;
}

/* Have objects of this kind entities? */
bool entity_kind_has_events(enum object_kind kind);
/* One state record for each entity of the object. */
void entity_write_states(struct entity_writer *w, const struct object *o);
/* One delete record for each entity of `before` that `after` has not; NULL: for all. */
void entity_write_deletes(struct entity_writer *w, const struct object *before, const struct object *after);
/* Would that write any, `after` not being NULL? */
bool entity_any_vanished(struct entity_writer *w, const struct object *before, const struct object *after);

/* -- for the files of the kinds -- */
/* An attribute of the record under construction; of equal keys the last counts. `key` is static or in the batch, `value` is copied. */
void entity_put(struct entity_writer *w, str key, str value);
void entity_put_atom(struct entity_writer *w, str key, atom value);
void entity_put_time(struct entity_writer *w, str key, int64_t seconds); /* INT64_MIN: not set */
void entity_put_created(struct entity_writer *w, str key, const struct object *o);
/* All labels or annotations, PREFIX before each key. */
void entity_put_labels(struct entity_writer *w, str prefix, const struct object *o);
void entity_put_annotations(struct entity_writer *w, str prefix, const struct object *o);
/* "k8s.KIND.name" and "k8s.KIND.uid" of an owner, KIND in lower case. */
void entity_put_owner(struct entity_writer *w, const struct object *o, const struct object_owner *owner);
/* A key in the batch. */
str entity_key(struct entity_writer *w, str prefix, str middle, str suffix);
str entity_text(const struct entity_writer *w, atom n);
const struct object_owner *entity_owners(const struct object *o, size_t *count);
/* The first owner of this kind, or NULL. */
const struct object_owner *entity_owner_of_kind(const struct object *o, atom kind);
/* An object by name, or NULL: of ReplicaSets and Jobs, in all streams that may have it. */
const struct object *entity_find_by_name(const struct entity_writer *w, enum object_kind kind, atom namespace, atom name);
/* The first service by name whose selector matches the pod, or NULL. */
const struct object *entity_find_service(const struct entity_writer *w, const struct object *pod);

/* Ends the record: what was put since the last one is its attributes. */
void entity_end_state(struct entity_writer *w, str type, str id_key, str id);
void entity_add_delete(struct entity_writer *w, str type, str id_key, str id);

void entity_describe_pod(struct entity_writer *w, const struct object *o);
void entity_describe_workload(struct entity_writer *w, const struct object *o);
void entity_describe_node(struct entity_writer *w, const struct object *o);
void entity_describe_namespace(struct entity_writer *w, const struct object *o);
void entity_describe_service(struct entity_writer *w, const struct object *o);
void entity_describe_volume(struct entity_writer *w, const struct object *o);
void entity_describe_claim(struct entity_writer *w, const struct object *o);
/* As entity_write_states and so on, of the containers of a pod. */
void entity_write_container_states(struct entity_writer *w, const struct object *pod);
void entity_write_container_deletes(struct entity_writer *w, const struct object *before, const struct object *after);
bool entity_any_container_vanished(struct entity_writer *w, const struct object *before, const struct object *after);

#endif
