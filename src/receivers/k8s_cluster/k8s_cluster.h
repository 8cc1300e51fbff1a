/*
 * Inside of the receiver `k8s_cluster`.
 *
 *   k8s_cluster.c  its life: streams, readiness, ticks     config.c    settings and their checks
 *   table.c        every metric and attribute, once: names, units, defaults, descriptions (docs are made from it)
 *   collect.c      one tick as a cursor over all stores     emit_*.c    points of each kind
 *   entities.c     entity events in a logs pipeline         entity_*.c  their texts     journal.c, position.c  what was sent
 */
#ifndef RECEIVERS_K8S_CLUSTER_H
#define RECEIVERS_K8S_CLUSTER_H

#include "kube/watches.h"
#include "receivers/k8s_cluster/config.h"
#include "receivers/receivers.h"

struct k8s_cluster;

/* One watch on one kind in one namespace (or all). In k->streams sorted by kind, then by namespace. */
struct k8s_stream {
    struct k8s_cluster *owner;
    enum object_kind kind;
    str namespace; /* empty: all */
    struct watch *watch;
    struct watch_user user;
    bool is_missing; /* forbidden or not served when the receiver became ready, and not synced since: nobody waits for it */
};

struct collector;
struct entities;
struct k8s_cluster {
    struct receiver *receiver;
    const struct k8s_cluster_config *config;
    struct k8s_stream *streams;
    size_t stream_count;
    size_t kind_first[KIND_COUNT], kind_count[KIND_COUNT]; /* streams of each kind */
    struct entities *entities;   /* NULL unless a logs pipeline wants them */
    struct collector *collector; /* what collect.c keeps between ticks */
    bool ready_told;
    struct loop_timer silence;   /* then the log says what is waited for */
    bool entity_spec_format;     /* feature gate: entity events as the newest specification has them */
};

/* The object of this kind and uid in any of its streams; NULL if it is not there. Borrowed. */
const struct object *k8s_cluster_find(const struct k8s_cluster *k, enum object_kind kind, const uint8_t uid[16]);

/* -- entities.c: entity events -- */
enum { ENTITY_FIELDS = OBJECT_METADATA | OBJECT_STATES }; /* what they need of objects */
/* Nothing is sent before entities_activate; changes are noted from the first sync on, so that a warm standby can go on where the
 * leader ended. */
struct entities *entities_new(struct k8s_cluster *k);
void entities_free(struct entities *e);
void entities_change(struct entities *e, const struct k8s_stream *stream, const struct watch_change *change);
/* A stream was synced, or its store was cleared. */
void entities_state(struct entities *e, const struct k8s_stream *stream);
/* Leading: sends what came after the position; a full state if that is not known any more, or at a fresh start. */
void entities_activate(struct entities *e, struct position position);
void entities_deactivate(struct entities *e);
void entities_room(struct entities *e); /* exporters take batches again */
/* The watches are left: what changes from now on is not seen, until entities_state says that a stream is synced again. */
void entities_stop(struct entities *e);
/* The journal of `from`, which is used no more, goes over, if both have the same watches. */
void entities_carry(struct entities *e, struct entities *from);
/* The watches are joined: goes on with a journal that was carried, where no change was missed. */
void entities_start(struct entities *e);

#endif
