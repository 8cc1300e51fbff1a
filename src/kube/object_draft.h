/*
 * For codecs, of built-in kinds and of others: a draft is an object while it is read, views into the input and the pool's scratch arena;
 * protobuf and JSON fill the same one, and sealing makes the compact block from it.
 *
 * A kind: a draft structure that begins with struct draft, hooks that read its members, one that seals it (struct kind_codec).
 */
#ifndef KUBE_OBJECT_DRAFT_H
#define KUBE_OBJECT_DRAFT_H

#include "kube/object.h"
#include "wire/json.h"
#include "wire/pb.h"

static const int64_t time_unset = INT64_MIN;

/* A map of texts, or of resources to quantities, as it is read. */
struct draft_pair {
    str key, value;
    uint32_t order;
};
struct draft_map {
    struct draft_pair *pairs;
    uint32_t count, cap;
    bool unsorted;
};

struct draft_owner {
    struct draft_owner *next;
    str kind, name, uid;
    bool controller;
};

struct kind_codec;
struct draft {
    const struct kind_codec *kind;
    struct arena *scratch;
    struct object_pool *pool;
    unsigned fields; /* enum object_fields, of those that mean something to the kind */
    str name, namespace, uid, resource_version;
    int64_t created_s;
    struct draft_map labels, annotations;
    struct draft_owner *owners, **owners_end;
    uint32_t owner_count;
    bool keeps_annotations;
    const char *wanted_label; /* is looked for even if labels are not kept */
    str wanted_value;
};

struct workload_members;
struct kind_codec {
    struct object_codec codec;
    enum object_kind kind; /* KIND_COUNT: none of the built-in ones */
    struct object_resource resource;
    size_t draft_bytes;
    void (*init)(struct draft *d); /* of a zeroed draft; may be NULL */
    /* A member of the object beside its metadata: takes or skips the value. */
    void (*read_pb)(struct draft *d, struct pb *p);
    void (*read_json)(struct draft *d, str key, struct json *j);
    struct object *(*seal)(struct draft *d);
    const struct workload_members *workload; /* of object_workload.c */
};
extern const struct kind_codec kind_pod, kind_node, kind_namespace, kind_replication_controller, kind_resource_quota, kind_service,
    kind_daemon_set, kind_deployment, kind_replica_set, kind_stateful_set, kind_job, kind_cron_job, kind_hpa, kind_endpoint_slice,
    kind_persistent_volume, kind_persistent_volume_claim, kind_cluster_resource_quota;

struct object *kind_decode(const struct object_codec *codec, struct object_pool *pool, unsigned fields, enum object_format format,
                           str bytes, struct err *err);

static inline bool draft_wants(const struct draft *d, unsigned fields)
{
    return (d->fields & fields) != 0;
}
/* Room for one more entry of a list: NULL past the limit. */
void *draft_entry(struct draft *d, uint32_t *count, size_t size_bytes);

/* -- values: a JSON value of another type is skipped, and *out stays as it is -- */
void draft_json_text(struct draft *d, struct json *j, str *out);
void draft_json_i32(struct json *j, int32_t *out);
void draft_json_bool(struct json *j, bool *out);
int64_t draft_pb_time(struct pb *p); /* a meta/v1 Time: seconds, or time_unset */
void draft_json_time(struct draft *d, struct json *j, int64_t *out);
/* Enters an object or array; false (and skipped) if it is none. */
bool draft_json_object(struct json *j);
bool draft_json_array(struct json *j);
/* A quantity as text; null is "0". False if it is neither string nor number. */
bool draft_json_quantity(struct draft *d, struct json *j, str *out);

/* -- maps -- */
struct draft_pair draft_pb_pair(struct pb *p, bool quantity); /* one entry */
void draft_map_add(struct draft *d, struct draft_map *m, str key, str value);
void draft_map_pb(struct draft *d, struct draft_map *m, struct pb *p, bool quantities);
void draft_map_json(struct draft *d, struct draft_map *m, struct json *j, bool quantities);
void draft_map_sort(struct draft_map *m); /* by key, each one once */

/* -- blocks: offset 0 is the kind's structure, zeroed -- */
uint32_t block_begin(struct draft *d, size_t size_bytes);
uint32_t block_reserve(struct draft *d, size_t size_bytes, size_t align); /* zeroed; pointers into the block move */
uint32_t block_put(struct draft *d, str bytes);                           /* not aligned */
static inline void *block_at(const struct draft *d, uint32_t offset)
{
    return d->pool->block.data + offset;
}
atom block_atom(struct draft *d, str text);
/* Labels or a selector: struct object_label. */
uint32_t block_labels(struct draft *d, struct draft_map *m, uint16_t *count);
/* Quantities that are some: struct resource_amount; `is_milli` says which unit a resource counts in. */
uint32_t block_amounts(struct draft *d, struct draft_map *m, bool (*is_milli)(str resource), uint16_t *count);
/* Adds metadata and texts, and gives the finished object. */
struct object *block_finish(struct draft *d);

/* -- releasing -- */
void release_labels(struct object_pool *pool, const struct object *o, uint32_t at, uint16_t count);
void release_amounts(struct object_pool *pool, const struct object *o, uint32_t at, uint16_t count);

#endif
