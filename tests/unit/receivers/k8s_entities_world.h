/*
 * Entity events of k8s_cluster in a world of a test: replicas with stores that the test fills, a loop whose time the test moves, and
 * the service's side, which keeps what was handed over as text.
 */
#ifndef K8S_ENTITIES_WORLD_H
#define K8S_ENTITIES_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "receivers/k8s_cluster/entities.h"
#include "tests/unit/service/fake_loop.h"

#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)

/* A fake of the shared watches. */
struct watch {
    struct store store;
    char version[24];
    bool synced;
    unsigned lacks; /* fields that a list under way will bring */
    enum watch_trouble trouble;
};

/* One batch as the service got it. */
struct handed_over {
    char **records; /* "state k8s.pod {k8s.pod.uid=u} {a=b, c=d} 300000", "delete container {container.id=}" */
    size_t record_count;
    char *position;
    size_t arena_bytes;
    int64_t time_ns;
};
enum { WORLD_STREAMS_MAX = 600, NOT_LIMITED = 1000000 };
struct replica {
    struct loop *loop;
    struct object_pool pool;
    struct receiver receiver;
    struct k8s_cluster_config config;
    struct k8s_cluster k;
    struct watch watches[WORLD_STREAMS_MAX];
    struct k8s_stream streams[WORLD_STREAMS_MAX];
    struct logger logger;
    int64_t lease_duration_ns; /* 30 s unless the test says otherwise */
    size_t room;      /* batches that exporters still take */
    bool gate_closed;
    struct handed_over *batches;
    size_t batch_count, batch_cap;
    char *position;   /* of the last batch */
};
/* Streams of all kinds that have entity events, in the whole cluster, or of each namespace ("a b c"). */
struct replica *replica_new(struct loop *loop, int64_t interval_ns, const char *namespaces);
void replica_free(struct replica *r);
/* Of a kind; the first that has this namespace or all. */
struct k8s_stream *replica_stream(struct replica *r, enum object_kind kind, str namespace);

struct object *replica_decode(struct replica *r, enum object_kind kind, const char *json);
/* As the watch brings it: ADDED or MODIFIED; the version is the object's. */
void replica_put(struct replica *r, enum object_kind kind, const char *json);
void replica_put_object(struct replica *r, struct k8s_stream *s, struct object *take_object, bool by_list);
void replica_delete(struct replica *r, struct k8s_stream *s, const char *uid, uint64_t version, bool by_list);
/* A bookmark, or the end of a list. */
void replica_set_version(struct k8s_stream *s, uint64_t version);
/* All streams are full, at this version. */
void replica_sync(struct replica *r, uint64_t version);
void replica_activate(struct replica *r, const char *position);
void replica_run_ms(struct replica *r, int64_t ms);
/* The position of the last batch, "" before the first; replica_forget keeps it. */
const char *replica_position(const struct replica *r);

size_t replica_record_count(const struct replica *r);
const char *replica_record(const struct replica *r, size_t index); /* over all batches */
/* How many records begin with this text. */
size_t replica_count(const struct replica *r, const char *beginning);
/* Fails unless exactly these records (NULL-terminated) were handed over since the last call, in any order. */
void replica_expect(struct replica *r, ...);
void replica_forget(struct replica *r); /* the records so far */

#endif
