/*
 * A cluster made of numbers: objects of all kinds whose names, uids and values follow from a seed, and changes that happen to them.
 * Everything here is printed from templates (template.h).
 */
#ifndef KUBESIM_GENERATE_H
#define KUBESIM_GENERATE_H

#include "base/map.h"
#include "kubesim/template.h"

struct kubesim;

/* The order in which they are made. */
enum gen_kind {
    GEN_NAMESPACE,
    GEN_NODE,
    GEN_DEPLOYMENT,
    GEN_REPLICA_SET,
    GEN_POD,
    GEN_SERVICE,
    GEN_ENDPOINT_SLICE,
    GEN_JOB,
    GEN_CRON_JOB,
    GEN_DAEMON_SET,
    GEN_STATEFUL_SET,
    GEN_HPA,
    GEN_QUOTA,
    GEN_REPLICATION_CONTROLLER,
    GEN_VOLUME,
    GEN_VOLUME_CLAIM,
    GEN_KINDS
};
struct gen_source {
    const char *kind;       /* as in struct sim_kind */
    const char *json;       /* an object with places: a file of cluster/ */
    uint32_t pods_for_each; /* by default there is one for so many pods */
    enum gen_kind owner;    /* whose uid '~o' is */
    void (*vary)(struct arena *a, struct dom *object, uint32_t variant); /* NULL: there is only variant 0 */
};
extern const struct gen_source gen_sources[GEN_KINDS];

/* Variants of pods: state * GEN_RESTARTS + restarts. Of deployments and replica sets: desired * GEN_REPLICAS + available. Of others: 0. */
enum gen_pod_state { POD_RUNNING, POD_NOT_READY, POD_CRASHING, POD_CREATING, POD_OOM_KILLED, POD_EVICTED, POD_STATES };
enum { GEN_RESTARTS = 32, GEN_REPLICAS = 65536 };

struct gen_pod {
    uint32_t incarnation, highest; /* how often it has been made; the other one remembers that across a rollback */
    uint16_t variant;
    bool alive;
};
struct generator {
    uint64_t seed, random;
    struct sim_table *tables[GEN_KINDS];
    uint32_t counts[GEN_KINDS];
    uint32_t pods_for_deployment;
    /* The state that the objects are printed from. Of deployment d there are to be the first desired[d] of its pods. */
    struct gen_pod *pods;
    uint32_t *desired;
    struct map templates; /* by kind and variant, made when first needed */
    /* churn.c */
    uint32_t churn_rate;    /* changes a second */
    int64_t churn_next_ns;
    uint32_t *waiting;      /* pods that are to be made or to start, a ring */
    size_t waiting_first, waiting_count, waiting_cap;
    uint64_t created, modified, deleted;
};

template_fill gen_fill;
uint64_t gen_hash(uint64_t seed, uint64_t a, uint64_t b); /* 64 well mixed bits */
/* A new object of this number as the generator's state says; one reference is the caller's. */
struct sim_object *gen_object(struct generator *g, enum gen_kind kind, uint32_t number, uint64_t resource_version);
/* Pods of deployment `number` that are ready. */
uint32_t gen_available(const struct generator *g, uint32_t number);
void generator_free(struct generator *g); /* NULL is fine; after all its objects */

/* -- churn.c -- */
/* Makes the changes that are due; gives the now_ns at which the next one is (INT64_MAX: none). `sim` may have no generator. */
int64_t churn_run(struct kubesim *sim, int64_t now_ns);
/* The tables have been set back: the state follows them. */
void churn_follow_tables(struct kubesim *sim);

#endif
