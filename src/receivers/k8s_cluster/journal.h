/*
 * The latest changes of all streams in the order in which they came, each with references on its objects. Changes are numbered; the
 * oldest leave first. Who keeps a journal decides when, and what that means for it.
 */
#ifndef RECEIVERS_K8S_CLUSTER_JOURNAL_H
#define RECEIVERS_K8S_CLUSTER_JOURNAL_H

#include "kube/object.h"

struct journal_entry {
    struct object *before; /* of a deletion, or if entities of it vanished; else NULL */
    struct object *after;  /* NULL: a deletion */
    uint64_t version;      /* of the change; 0: not known */
    uint64_t step;         /* what it adds to the fingerprint of its stream */
    int64_t at_ns;         /* boot time */
    uint32_t stream;
    bool by_list;          /* came in the order of a list, not of versions */
};
struct journal {
    struct object_pool *pool;
    struct journal_entry *ring;
    size_t cap;                    /* a power of two */
    uint64_t first, end;           /* numbers of the oldest and of the next one */
    size_t bytes;                  /* of entries and the objects that they alone may hold */
};
void journal_init(struct journal *j, struct object_pool *pool);
void journal_deinit(struct journal *j);
/* Takes the references of the entry. */
void journal_add(struct journal *j, const struct journal_entry *take_entry);
/* That of a number from `first` to `end` - 1; valid until the next call that changes the journal. */
struct journal_entry *journal_at(const struct journal *j, uint64_t number);
/* The oldest leaves. */
void journal_drop(struct journal *j);
static inline bool journal_is_empty(const struct journal *j)
{
    return j->first == j->end;
}

/* A number of an object in this version, the same in all processes. Their sum over a stream, wrapping around, tells whether two replicas
 * have the same objects in the same versions, in whatever order they came. NULL: 0. */
uint64_t object_fingerprint(const struct object *o);

#endif
