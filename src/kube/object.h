/*
 * Objects of the API server, cut down to the fields that receivers need, each in one block of memory.
 *
 * An object is immutable once made and reference-counted: a change is a new object. Texts that repeat are atoms; the name, and what else
 * is unique, stands in the block behind the structure (`_at` members are byte offsets from the start of the block). Uids are 16 bytes;
 * container ids are 32 bytes if they are 64 hex digits. Labels, selectors, annotations and amounts are sorted by key, each key once
 * (the last one of several, as everywhere in Kubernetes).
 *
 * Reading never fails because of a value: a quantity that is none, a time outside of the years 1678 to 2261, JSON of another type counts
 * as absent. Only bytes that are no protobuf or JSON fail. Of lists and maps the first LIMIT_OBJECT_ENTRIES entries are kept.
 *
 * Field numbers and meanings: k8s.io/api (core/v1, apps/v1, batch/v1, autoscaling/v2, discovery/v1), k8s.io/apimachinery meta/v1.
 */
#ifndef KUBE_OBJECT_H
#define KUBE_OBJECT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "kube/atoms.h"

enum object_kind {
    KIND_POD,
    KIND_NODE,
    KIND_NAMESPACE,
    KIND_REPLICATION_CONTROLLER,
    KIND_RESOURCE_QUOTA,
    KIND_SERVICE,
    KIND_DAEMON_SET,
    KIND_DEPLOYMENT,
    KIND_REPLICA_SET,
    KIND_STATEFUL_SET,
    KIND_JOB,
    KIND_CRON_JOB,
    KIND_HPA,
    KIND_ENDPOINT_SLICE,
    KIND_PERSISTENT_VOLUME,
    KIND_PERSISTENT_VOLUME_CLAIM,
    KIND_CLUSTER_RESOURCE_QUOTA, /* OpenShift; JSON only */
    KIND_COUNT
};

/* What of an object is kept beside the fields that every user of its kind needs. */
enum object_fields {
    OBJECT_METADATA = 1,         /* creation time, labels, owners, annotations (Service, PersistentVolume, PersistentVolumeClaim), and all
                                  * that only entity events need: started_s, selectors, schedule, volume name */
    OBJECT_STATES = 2,           /* containers: state and reason; pods: status reason, QoS class */
    OBJECT_LAST_TERMINATED = 4,  /* containers: reason of the last termination */
    OBJECT_SPEC_IMAGE = 8,       /* take the image of the spec where that of the status is a bare digest or empty */
};

struct object_codec;

struct object {
    uint32_t refs;
    uint32_t size_bytes;       /* of the block */
    uint64_t resource_version; /* 0: not a decimal number */
    uint8_t uid[16];           /* of a uid that is no lower-case 8-4-4-4-12 hex text: a hash of it */
    atom namespace;            /* 0: cluster-scoped */
    uint32_t name_at, uid_at;  /* uid_at: its text if it is not canonical, else 0 */
    uint16_t name_len, uid_len;
    uint32_t meta_at;          /* struct object_meta, 0: not kept */
    uint8_t kind;              /* enum object_kind; KIND_COUNT: of a codec of its own */
    uint8_t fields;            /* enum object_fields that were kept */
    const struct object_codec *codec;
};

struct object_label {
    atom key, value;
};
struct object_owner {
    atom kind, name;
    uint8_t uid[16];
    uint32_t uid_at; /* its text if it is not canonical, else 0 */
    uint16_t uid_len;
    bool controller;
};
struct object_annotation {
    atom key;
    uint32_t value_at, value_len;
};
struct object_meta {
    int64_t created_s; /* since 1970; INT64_MIN: unset */
    uint32_t labels_at, owners_at, annotations_at;
    uint16_t label_count, owner_count, annotation_count;
};

/* A resource and an amount of it; milli where the metrics of the kind count so. */
struct resource_amount {
    atom resource;
    int64_t value;
};

enum container_quantity {
    CPU_LIMIT, /* milli */
    CPU_REQUEST,
    MEMORY_LIMIT,
    MEMORY_REQUEST,
    STORAGE_LIMIT,
    STORAGE_REQUEST,
    EPHEMERAL_STORAGE_LIMIT,
    EPHEMERAL_STORAGE_REQUEST,
    CONTAINER_QUANTITY_COUNT
};
/* Of several states, which only broken writers set, the first in this order: running, terminated, waiting. */
enum container_state { CONTAINER_STATE_NONE, CONTAINER_RUNNING, CONTAINER_TERMINATED, CONTAINER_WAITING };
enum container_flags {
    CONTAINER_HAS_SPEC = 1,
    CONTAINER_HAS_STATUS = 2,
    CONTAINER_READY = 4,
    CONTAINER_HAS_IMAGE = 8, /* the image text follows the grammar: image_name and image_tag */
    CONTAINER_HAS_LAST_TERMINATED = 16,
    CONTAINER_ID_IS_HEX = 32,
};
/* One entry of spec.containers with its status (the first entry of status.containerStatuses of that name), in the order of the spec;
 * behind them the entries of status.containerStatuses that belong to none (without CONTAINER_HAS_SPEC), in their order. */
struct container {
    atom name;
    atom image_name, image_tag;
    atom reason;                 /* of the state, OBJECT_STATES or OBJECT_METADATA, as the state */
    atom last_terminated_reason; /* OBJECT_LAST_TERMINATED */
    int32_t restart_count;
    uint32_t id_at;              /* prefix "runtime://" cut off; 32 bytes if CONTAINER_ID_IS_HEX */
    uint32_t quantities_at;      /* int64_t each, of those in quantity_mask, in order of the enum */
    uint16_t id_len, status_index; /* its place in status.containerStatuses */
    uint8_t quantity_mask;       /* 1 << enum container_quantity */
    uint8_t flags, state;
    int64_t started_s;           /* of running or terminated, OBJECT_METADATA; INT64_MIN: unset, or not kept */
};
enum pod_phase {
    POD_PHASE_OTHER,
    POD_PHASE_PENDING,
    POD_PHASE_RUNNING,
    POD_PHASE_SUCCEEDED,
    POD_PHASE_FAILED,
    POD_PHASE_UNKNOWN,
    POD_PHASE_EMPTY
};
struct pod_object {
    struct object object;
    atom node;          /* spec.nodeName */
    atom phase_text;    /* only if POD_PHASE_OTHER */
    atom status_reason; /* OBJECT_STATES or OBJECT_METADATA */
    atom qos_class;     /* OBJECT_STATES */
    uint16_t container_count;
    uint8_t phase;
    struct container containers[];
};

struct node_condition {
    atom type, status;
};
struct node_object {
    struct object object;
    atom kubelet_version, container_runtime_version, os_image, operating_system;
    uint32_t conditions_at, allocatable_at; /* struct node_condition, struct resource_amount (cpu: milli) */
    uint16_t condition_count, allocatable_count;
};

struct namespace_object {
    struct object object;
    atom phase;
};

/* ReplicationController, Deployment, ReplicaSet, StatefulSet, DaemonSet, Job, CronJob, HorizontalPodAutoscaler: numbers. */
enum workload_count {
    SPEC_REPLICAS,
    STATUS_AVAILABLE,
    STATEFUL_READY = 2, /* StatefulSet */
    STATEFUL_CURRENT,
    STATEFUL_UPDATED,
    DAEMON_CURRENT_SCHEDULED = 0, /* DaemonSet */
    DAEMON_DESIRED_SCHEDULED,
    DAEMON_MISSCHEDULED,
    DAEMON_READY,
    JOB_COMPLETIONS = 0, /* Job */
    JOB_PARALLELISM,
    JOB_ACTIVE,
    JOB_SUCCEEDED,
    JOB_FAILED,
    CRON_JOB_ACTIVE = 0, /* CronJob: entries of status.active */
    HPA_MIN = 0,         /* HorizontalPodAutoscaler */
    HPA_MAX,
    HPA_CURRENT,
    HPA_DESIRED,
    WORKLOAD_COUNT_MAX = 5
};
struct workload_object {
    struct object object;
    int32_t counts[WORKLOAD_COUNT_MAX]; /* enum workload_count of the kind */
    uint8_t present;                    /* 1 << index: of the pointer fields (spec.replicas, completions ...) those that are set */
    atom target_api_version, target_kind, target_name; /* HPA: spec.scaleTargetRef */
    atom schedule, concurrency_policy;                 /* CronJob, OBJECT_METADATA */
};

struct quota_object {
    struct object object;
    uint32_t hard_at, used_at; /* struct resource_amount: milli if the resource ends in ".cpu", else whole */
    uint16_t hard_count, used_count;
};
struct cluster_quota_namespace {
    atom namespace;
    uint32_t hard_at, used_at;
    uint16_t hard_count, used_count;
};
struct cluster_quota_object {
    struct object object;
    uint32_t hard_at, used_at; /* status.total */
    uint16_t hard_count, used_count;
    uint32_t namespaces_at;
    uint16_t namespace_count;
};

struct service_object {
    struct object object;
    atom type;
    atom traffic_distribution;
    uint32_t ingress_count;
    uint32_t selector_at; /* struct object_label, OBJECT_METADATA */
    uint16_t selector_count;
    bool has_traffic_distribution, publish_not_ready_addresses;
};

enum address_type { ADDRESS_OTHER, ADDRESS_IPV4, ADDRESS_IPV6, ADDRESS_FQDN };
/* Endpoints of one zone, counted. */
struct endpoint_zone {
    atom zone;
    uint32_t ready, serving, terminating;
};
struct endpoint_slice {
    struct object object;
    atom service; /* label kubernetes.io/service-name */
    uint8_t address_type;
    uint32_t zones_at;
    uint16_t zone_count;
};

struct persistent_volume {
    struct object object;
    atom phase, storage_class, reclaim_policy;
    int64_t capacity_bytes;
    bool has_capacity;
};
struct persistent_volume_claim {
    struct object object;
    atom phase, storage_class;
    atom volume_name; /* OBJECT_METADATA */
    int64_t capacity_bytes, request_bytes;
    bool has_capacity, has_request;
};

/* Behind an `_at` member. */
static inline const void *object_at(const struct object *o, uint32_t offset)
{
    return (const char *)o + offset;
}
static inline str object_name(const struct object *o)
{
    return str_make(object_at(o, o->name_at), o->name_len);
}
enum { UID_TEXT_BYTES = 36, CONTAINER_ID_TEXT_BYTES = 64 };
/* The uid as text: in the block, or written into `buffer` (no NUL). */
str object_uid(const struct object *o, char buffer[UID_TEXT_BYTES]);
str owner_uid(const struct object *o, const struct object_owner *owner, char buffer[UID_TEXT_BYTES]);
str container_id(const struct object *o, const struct container *c, char buffer[CONTAINER_ID_TEXT_BYTES]);
static inline bool container_has_quantity(const struct container *c, enum container_quantity q)
{
    return (c->quantity_mask & 1U << q) != 0;
}
/* One that it has. */
int64_t container_quantity(const struct object *o, const struct container *c, enum container_quantity q);
/* NULL if OBJECT_METADATA was not asked for. */
static inline const struct object_meta *object_meta(const struct object *o)
{
    return o->meta_at == 0 ? NULL : object_at(o, o->meta_at);
}
/* The 16 bytes under which an object of this uid is kept. */
void uid_parse(str text, const uint64_t hash_key[2], uint8_t uid[16], bool *canonical);

/* -- memory -- */

/* Blocks of all objects of a process, from slabs by size, and the atoms in them. */
struct object_pool {
    struct atoms *atoms;
    uint64_t hash_key[2];
    struct slab_set *slabs;
    size_t object_count, object_bytes; /* blocks in use, rounded up as the slabs round */
    struct arena scratch;              /* of the object that is being decoded */
    struct buf block;                  /* the block that is being built */
};
void object_pool_init(struct object_pool *pool, const uint64_t hash_key[2]);
void object_pool_deinit(struct object_pool *pool); /* all objects must be gone */
/* All memory of it: slabs with what is free in them, atoms. */
size_t object_pool_bytes(const struct object_pool *pool);

static inline struct object *object_ref(struct object *o)
{
    o->refs++;
    return o;
}
/* NULL is fine. The last one gives back the atoms that the object holds, and its block. */
void object_unref(struct object_pool *pool, struct object *o);

/* -- codecs: bytes of the API server to objects -- */
enum object_format { FORMAT_PROTOBUF, FORMAT_JSON };
struct object_codec {
    const char *kind;  /* "Pod", for messages */
    bool has_protobuf; /* else JSON is all it reads */
    unsigned fields;   /* enum object_fields that mean something to it */
    /* The object of these bytes (protobuf: the message without its envelope; JSON: the document) with one reference; NULL with err that
     * says what was expected and where. `fields`: enum object_fields. Takes at most 10 ms for 1.5 MB. */
    struct object *(*decode)(const struct object_codec *codec, struct object_pool *pool, unsigned fields, enum object_format format,
                             str bytes, struct err *err);
    /* Gives back the atoms of its own; those of struct object and object_meta are not its affair. NULL: there are none. */
    void (*release)(struct object_pool *pool, const struct object *o);
};
/* Of the built-in kinds. */
const struct object_codec *object_codec_of(enum object_kind kind);

/* Where the objects of a kind are: "pods" of group "" version "v1". */
struct object_resource {
    const char *group, *version, *plural;
    bool namespaced;
};
const struct object_resource *object_resource_of(enum object_kind kind);
const char *object_kind_name(enum object_kind kind); /* "Pod" */

#endif
