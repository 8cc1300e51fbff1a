/*
 * Inside of the receiver `kymastats`.
 *
 *   kymastats.c  its life: watches, readiness     config.c  settings and their checks     codec.c  what is kept of an object
 *   collect.c    one tick as a cursor             emit.c    points of one object          odd.c    what is said of odd objects
 */
#ifndef RECEIVERS_KYMASTATS_H
#define RECEIVERS_KYMASTATS_H

#include "kube/watches.h"
#include "receivers/kymastats/emit.h"
#include "receivers/receivers.h"

struct kymastats;
/* One configured resource. */
struct kyma_stream {
    struct kymastats *owner;
    const struct kyma_resource_config *resource;
    struct watch *watch;
    struct watch_user user;
    uint64_t told_version; /* objects up to this version were looked at for what is odd */
};
struct kymastats {
    struct receiver *receiver;
    const struct kymastats_config *config;
    struct kyma_stream *streams;
    size_t stream_count;
    struct kyma_emit emit;
    bool is_ready;              /* stays, whatever happens to a resource later */
    bool is_delayed;            /* initial_delay is not over */
    bool is_patience_over;      /* resources that fail are not waited for any more */
    struct loop_timer delay, patience;
};

/* -- collect.c -- */
enum step kymastats_collect(struct kymastats *k, struct tick *tick);
void kymastats_abandon(struct tick *tick);

/* -- odd.c: each version of an object is spoken of once, by the replica that leads -- */
struct odd_walk {
    uint64_t from, to;  /* versions of this walk: from < version <= to */
    unsigned line_count;
    uint64_t unsaid_count;
};
/* A walk through all objects of a stream begins, or has come to its end. */
void odd_begin(struct odd_walk *walk, const struct kyma_stream *s);
void odd_end(struct odd_walk *walk, struct kyma_stream *s);
void odd_look(struct odd_walk *walk, const struct kyma_stream *s, const struct object *o);
/* The tick is over. */
void odd_sum_up(const struct odd_walk *walk, const struct kymastats *k);

#endif
