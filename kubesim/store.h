/*
 * Objects of one resource: the current state in key order, and a window of the latest changes from which watches start and from
 * which an earlier state is reconstructed (pages of a list, rollback). Objects never change: a new version is a new object.
 */
#ifndef KUBESIM_STORE_H
#define KUBESIM_STORE_H

#include "base/list.h"
#include "kubesim/kinds.h"
#include "kubesim/selector.h"

/* -- objects -- */
struct sim_object {
    size_t refs;
    const struct sim_kind *kind;
    str key; /* "namespace/name", or "name" without namespaces: the order of lists */
    str namespace, name, uid;
    uint64_t resource_version;
    int64_t created_ns;
    bool deleting;    /* has a deletionTimestamp */
    bool finalizers;  /* has some left */
    struct sim_label *labels;
    size_t label_count;
    str body;         /* {"metadata":{...},...}: without kind and apiVersion */
    str metadata;     /* the {...} in it */
    size_t version_offset, version_len; /* digits of resourceVersion in body */
};
/* From a tree in the kind's order whose metadata is complete but for the text of resourceVersion; 0 leaves that out (only for
 * objects that are shown but not stored). One reference is the caller's. NULL if it is larger than LIMIT_SIM_OBJECT_BYTES. */
struct sim_object *object_new(const struct sim_kind *kind, const struct dom *tree, uint64_t resource_version);
struct sim_object *object_ref(struct sim_object *o);
void object_unref(struct sim_object *o); /* NULL is fine */
/* All but the resourceVersion is the same. */
bool object_same(const struct sim_object *x, const struct sim_object *y);
/* The body, or only {"metadata":...}, behind `"kind":..,"apiVersion":..` if `typed`, with another resourceVersion unless 0. */
struct object_form {
    bool typed, only_metadata;
    uint64_t resource_version;
};
void object_print(struct buf *b, const struct sim_object *o, struct object_form form);

/* -- tables -- */
enum sim_change { SIM_ADDED, SIM_MODIFIED, SIM_DELETED };
struct sim_event {
    enum sim_change change;
    uint64_t resource_version;
    int64_t time_ns;            /* steady clock */
    struct sim_object *object;  /* DELETED: the last state */
    struct sim_object *previous; /* NULL if ADDED */
};
struct sim_node;
struct sim_table {
    const struct sim_kind *kind;
    uint64_t hash_key[2];
    struct sim_node *root;
    size_t count;
    struct sim_event *ring; /* event n is at n % ring_cap */
    size_t ring_cap, ring_max;
    uint64_t first, next;   /* numbers of the oldest event and of the next one */
    uint64_t ring_version;  /* state at this version and later can be reconstructed from the ring */
    uint64_t oldest_version; /* watches and pages may start here or later; at least ring_version */
    struct list watches;
};
void table_init(struct sim_table *t, const struct sim_kind *kind, const uint64_t hash_key[2], size_t window_events,
                uint64_t resource_version);
void table_deinit(struct sim_table *t);
struct sim_object *table_get(const struct sim_table *t, str key); /* borrowed, NULL if it is not there */
/* Changes the state and appends to the window; takes its own references. */
const struct sim_event *table_put(struct sim_table *t, struct sim_object *o, int64_t time_ns);
const struct sim_event *table_delete(struct sim_table *t, struct sim_object *o, uint64_t resource_version, int64_t time_ns);
static inline const struct sim_event *table_event(const struct sim_table *t, uint64_t number)
{
    return &t->ring[number % t->ring_cap];
}
/* Forgets all changes: watches and pages start at `resource_version` or later. */
void table_forget(struct sim_table *t, uint64_t resource_version);

/* -- reading many -- */
struct object_list { /* referenced objects in key order */
    struct sim_object **items;
    size_t count, cap;
};
void object_list_deinit(struct object_list *l);
struct table_query {
    str namespace;            /* empty: all */
    const struct label_selector *labels;
    const struct field_selector *fields;
    str start;                /* first key; empty: from the beginning */
    size_t limit;             /* 0: all */
    uint64_t resource_version; /* state at that version; 0: now. Not before ring_version. */
};
bool query_match(const struct table_query *q, const struct sim_object *o);
/* Fills an empty list; `remaining` is the number of matches that the limit kept out. */
void table_list(const struct sim_table *t, const struct table_query *q, struct object_list *out, size_t *remaining);
/* The state goes back to `resource_version` (not before ring_version); the window is forgotten. */
void table_rollback(struct sim_table *t, uint64_t resource_version);

#endif
