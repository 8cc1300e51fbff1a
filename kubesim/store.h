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
/* An object as bytes with one gap, where its resourceVersion goes; so one body serves whatever version has to be shown.
 * JSON: `"metadata":{...},"spec":...` without the outer braces. Protobuf: the fields of the metadata, then the fields of the object
 * behind the metadata. */
struct sim_image {
    const char *data;
    size_t gap, metadata_end, end; /* offsets */
};
/* Prints a tree in the kind's order whose metadata is complete; a resourceVersion in it is passed over. */
void image_print(struct buf *b, const struct sim_kind *kind, const struct dom *tree, bool protobuf,
                 struct sim_image *image); /* `data` is not set: it starts where the buffer ended */

struct sim_template;
/* What fills the places of a template, see generate.c. */
struct sim_values {
    uint8_t kind, owner;
    uint32_t number, incarnation;
    uint32_t parent, node, space; /* numbers of owner, node and namespace */
    uint32_t variant;
};
struct sim_object {
    size_t refs;
    const struct sim_kind *kind;
    str key; /* "namespace/name", or "name" without namespaces: the order of lists */
    str namespace, name, uid;
    uint64_t resource_version;
    int64_t created_ns;
    bool deleting;    /* has a deletionTimestamp */
    bool finalizers;  /* has some left */
    /* Either these: */
    struct sim_label *labels;
    size_t label_count;
    struct sim_image json;
    struct sim_image protobuf; /* made when it is first asked for */
    /* or these: a generated object exists as a few numbers. */
    const struct sim_template *template;
    struct sim_values values;
};
/* From a tree in the kind's order whose metadata is complete but for the resourceVersion. One reference is the caller's. NULL if it
 * is larger than LIMIT_SIM_OBJECT_BYTES. */
struct sim_object *sim_object_new(const struct sim_kind *kind, const struct dom *tree, uint64_t resource_version);
/* One that is printed from the template whenever it is asked for. The template must outlive it. */
struct sim_object *sim_object_new_generated(const struct sim_template *t, const struct sim_values *values,
                                        uint64_t resource_version);
struct sim_object *sim_object_ref(struct sim_object *o);
void sim_object_unref(struct sim_object *o); /* NULL is fine */
/* All but the resourceVersion is the same. */
bool sim_object_same(const struct sim_object *x, const struct sim_object *y);
/* The object, or only its metadata, with another resourceVersion unless 0. `typed` (JSON only): with kind and apiVersion. An object
 * whose own version is 0, too, is printed without one: it is shown but not stored. */
struct object_form {
    bool protobuf, typed, only_metadata;
    uint64_t resource_version;
};
void sim_object_print(struct buf *b, struct sim_object *o, struct object_form form);
/* Bytes that sim_object_print will write in protobuf. */
size_t sim_object_protobuf_size(struct sim_object *o, struct object_form form);
struct dom *sim_object_tree(struct arena *a, struct sim_object *o);

/* Labels of any object; those of a generated one are printed into the room. */
enum { LABELS_GENERATED_MAX = 8, LABEL_ROOM_BYTES = 512 };
struct label_room {
    struct sim_label items[LABELS_GENERATED_MAX];
    char text[LABEL_ROOM_BYTES];
};
const struct sim_label *sim_object_labels(const struct sim_object *o, struct label_room *room, size_t *count);

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
/* Remembers at least so many changes from now on. */
void table_widen(struct sim_table *t, size_t window_events);
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
