/*
 * Points of one object into a batch. No loop, no watches: what is enabled comes from the configuration, what is said from the object.
 *
 *   emit_begin(e, batch, tick); emit_object(e, ENTITY_POD, object, NULL); ... then hand the batch on, and begin the next one
 */
#ifndef RECEIVERS_K8S_CLUSTER_EMIT_H
#define RECEIVERS_K8S_CLUSTER_EMIT_H

#include "base/log.h"
#include "kube/store.h"
#include "receivers/k8s_cluster/config.h"

#define K8S_SCOPE_NAME "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sclusterreceiver"
#define K8S_SCHEMA_URL "https://opentelemetry.io/schemas/1.18.0"

/* What of an entity is enabled, in the order of the data. */
struct emit_plan {
    enum k8s_entity entity;
    bool has_id, has_filters;
    uint8_t metric_count, attribute_count, description_count; /* attributes: id, description, others */
    uint8_t metrics[16];                                      /* enum k8s_metric_id */
    uint8_t attributes[ENTITY_ATTRIBUTES_MAX + 1];            /* enum k8s_resource_attribute */
};
/* A node metric named by the configuration. */
struct emit_named {
    atom key; /* condition type or resource */
    struct metric_desc desc; /* texts belong to the emitter */
    bool is_cpu;
};
struct emit {
    const struct k8s_cluster_config *config;
    struct object_pool *pool;
    const struct logger *logger;
    struct emit_plan plans[ENTITY_COUNT];
    struct attribute_filter filters[ATTR_COUNT];
    bool is_uid[ATTR_COUNT], is_name[ATTR_COUNT]; /* metadata.uid and metadata.name of the object */
    struct emit_named *conditions, *allocatables;
    size_t condition_count, allocatable_count;
    struct arena arena; /* of what lives as long as this */
    size_t metric_bytes[K8S_METRIC_COUNT]; /* of a metric with one point, encoded, about */
    /* the present batch */
    struct batch *batch;
    int64_t time_ns, start_ns;
    str cluster_uid;      /* empty: not known */
    size_t encoded_bytes; /* about */
    const struct entity_ref *entity_refs[ENTITY_COUNT]; /* complete ones; NULL: not made yet */
    const struct metric_desc *named; /* of conditions, then of allocatables; NULL: not made yet */
    struct atom_copies texts;
    const struct object *object; /* whose uid and name are in the batch */
    str uid, name;
    /* the present resource */
    const struct emit_plan *plan;
    const struct container *container; /* ENTITY_CONTAINER */
    struct scope *scope;  /* NULL: no point yet */
    struct metric *metric;
    bool dropped;         /* a filter left this resource out */
};

/* `config`, `pool` and `logger` stay until emit_deinit. */
void emit_init(struct emit *e, const struct k8s_cluster_config *config, struct object_pool *pool, const struct logger *logger);
void emit_deinit(struct emit *e);
/* Does any metric of this entity come out? */
bool emit_wants(const struct k8s_cluster_config *config, enum k8s_entity entity);
/* What follows goes into this batch (its reference stays the caller's). */
void emit_begin(struct emit *e, struct batch *batch, int64_t time_ns, int64_t start_ns);
/* All resources of this entity and object: ENTITY_POD with its containers, each other entity one or none. `slices`: the EndpointSlices of
 * the namespace, for services; NULL: none. */
void emit_object(struct emit *e, enum k8s_entity entity, const struct object *o, const struct store *slices);

/* The group of an EndpointSlice in its store: that of its service. */
uint64_t endpoint_slice_group(const struct object *o);

/* -- for the emit_*.c files -- */

/* Points that follow belong to a resource of this entity; it is made with the first of them. */
void emit_resource(struct emit *e, enum k8s_entity entity, const struct object *o);
/* A point, with the attributes given, of the metric; points of a metric come one after the other. */
void emit_int(struct emit *e, enum k8s_metric_id id, int64_t value);
void emit_double(struct emit *e, enum k8s_metric_id id, double value);
void emit_int_with(struct emit *e, enum k8s_metric_id id, const struct attribute *attributes, size_t count, int64_t value);
/* One point for each of `choices`: 1 for the one at `chosen`, 0 for the others. */
void emit_choice(struct emit *e, enum k8s_metric_id id, enum k8s_point_attribute attribute, const str *choices, size_t count, str chosen);
/* The same for a metric that is not in the table; without a start time. */
void emit_named(struct emit *e, const struct metric_desc *desc, struct value value);
/* Text of an atom, good as long as the batch. */
str emit_text(struct emit *e, atom n);

/* Several points into one where their attributes are equal; used if the configuration chose attributes. */
struct emit_sums {
    struct emit *emit;
    enum k8s_metric_id id;
    struct point_sums sums;
};
void emit_sums_begin(struct emit_sums *s, struct emit *e, enum k8s_metric_id id);
/* `values`: of all attributes of the metric, in order of their numbers. They stay until emit_sums_end. */
void emit_sums_add(struct emit_sums *s, const str *values, int64_t value);
void emit_sums_end(struct emit_sums *s);

/* emit_pod.c */
void emit_pod(struct emit *e, const struct object *o);
/* emit_node.c */
void emit_node(struct emit *e, const struct object *o);
void emit_node_values(struct emit *e, const struct object *o);
/* emit_workload.c: everything that is numbers */
void emit_workload(struct emit *e, enum k8s_entity entity, const struct object *o);
/* emit_quota.c */
void emit_quota(struct emit *e, const struct object *o);
void emit_cluster_quota(struct emit *e, const struct object *o);
/* emit_service.c */
void emit_service(struct emit *e, const struct object *o, const struct store *slices);
/* emit_other.c */
void emit_namespace(struct emit *e, const struct object *o);
void emit_persistent_volume(struct emit *e, const struct object *o);
void emit_persistent_volume_claim(struct emit *e, const struct object *o);

/* attributes.c: the value of a resource attribute; VALUE_EMPTY: absent. */
struct value emit_attribute(struct emit *e, enum k8s_resource_attribute id, const struct object *o);

#endif
