/*
 * The component interface: one const table for each receiver, processor, exporter and extension. The service owns the life
 * cycle, the component is passive. Order of a start: extensions, exporters, processors, receivers; of a stop: receivers,
 * processors, exporters, extensions.
 *
 * Life of a receiver: create -> start -> (activate -> collect* -> deactivate)* -> stop -> destroy. Between activate and
 * deactivate it leads (or needs no leader). `deactivate` and `stop` without `activate` or `start` never happen.
 */
#ifndef SERVICE_COMPONENT_H
#define SERVICE_COMPONENT_H

#include "config/config.h"
#include "io/loop.h"
#include "telemetry/batch.h"

struct service;
struct elector;
struct elector_config;

enum component_kind { COMPONENT_RECEIVER, COMPONENT_PROCESSOR, COMPONENT_EXPORTER, COMPONENT_EXTENSION };

/* As in the reference; moves that it does not allow are ignored (Permanent goes only to Stopping, and so on). */
enum component_status {
    STATUS_NONE, STATUS_STARTING, STATUS_OK, STATUS_RECOVERABLE_ERROR, STATUS_PERMANENT_ERROR, STATUS_FATAL_ERROR,
    STATUS_STOPPING, STATUS_STOPPED,
};

/* What every instance has. */
struct component {
    enum component_kind kind;
    str id;               /* as written: "dummy/foo" */
    struct service *service;
    struct loop *loop;
    struct logger logger; /* with otelcol.component.id and otelcol.component.kind */
    void *state;          /* the component's own, set in create */
    enum component_status status;
};
/* Reports a change of state, logged and passed to whom it concerns. FATAL ends the program in an orderly way. `reason` may be NULL. */
void component_report(struct component *c, enum component_status status, const struct err *reason);

/* ---- receivers ---- */
struct receiver_type;
struct receiver {
    struct component base;
    const struct receiver_type *type;
    unsigned signals; /* those of the pipelines that use it */
};
/* One round of a PULL receiver: a cursor that goes on where the last batch ended. */
struct tick {
    int64_t time_ns;  /* stamp of every point of this tick, wall clock */
    int64_t start_ns; /* start of the receiver's series; survives changes of leader */
    uint64_t step;    /* 0 for the first call of this tick */
    void *cursor;     /* the receiver's; NULL at the first call; set to NULL when done */
};
enum step { STEP_MORE, STEP_DONE };
/* Where a PUSH receiver goes on; opaque text of its own, empty at a fresh start. */
struct position {
    str text;
};
enum receiver_kind { RECEIVER_PULL, RECEIVER_PUSH };
struct receiver_type {
    const char *name;              /* as in YAML */
    const char *const *aliases;    /* other names, NULL-terminated; may be NULL */
    unsigned signals;              /* SIGNAL_METRICS | ... that it can deliver */
    enum receiver_kind kind;
    bool can_be_warm;              /* false: always cold, e.g. a listener */
    bool has_positions;            /* PULL: emits with positions as well, beside its ticks */
    const char *stability;         /* "alpha" */
    const struct config_schema *schema;
    /* `config` lives as long as the receiver. Allocates state, does no I/O. */
    bool (*create)(struct receiver *r, const void *config, struct err *err);
    /* PULL: ns between ticks, constant. */
    int64_t (*interval_ns)(const struct receiver *r);
    /* Warm part: stores, clients. May be NULL. */
    bool (*start)(struct receiver *r, struct err *err);
    /* PULL: are the stores full, so that a tick is complete? NULL: always. When it becomes true call receiver_ready. */
    bool (*is_ready)(const struct receiver *r);
    /* Leading: continue after this position. May be NULL. */
    bool (*activate)(struct receiver *r, struct position position, struct err *err);
    /* PULL: hand over one batch of this tick by receiver_emit (or none), then MORE or DONE. Called again when queues have room. */
    enum step (*collect)(struct receiver *r, struct tick *tick);
    /* A tick that ended early (the gate closed, stop): free its cursor. May be NULL if there never is one. */
    void (*abandon)(struct receiver *r, struct tick *tick);
    /* A signal for which receiver_has_room said no may have room again. May be NULL; only between activate and deactivate. */
    void (*on_room)(struct receiver *r);
    void (*deactivate)(struct receiver *r); /* may be NULL */
    void (*stop)(struct receiver *r);       /* may be NULL */
    /* A reload: `to` of the same type and id, not started yet, takes what `from`, which was stopped, has gathered. May be NULL. */
    void (*carry)(struct receiver *from, struct receiver *to);
    void (*destroy)(struct receiver *r);
};
/* Hands a batch to all pipelines of its signal that use this receiver. Takes the caller's reference. Checks the gate: false if
 * the batch was withheld because this replica does not lead any more. Fills origin and delivery. */
bool receiver_emit(struct receiver *r, struct batch *take_batch);
/* The same outside of ticks: `position` is noted as acknowledged when all exporters have sent this batch and all before it that had one.
 * False also while a stop is under way: the successor goes on from the position. */
bool receiver_emit_at(struct receiver *r, struct batch *take_batch, struct position position);
/* Do all exporters of this signal take another batch now? If not, on_room is called when that may have changed. */
bool receiver_has_room(struct receiver *r, enum signal signal);
void receiver_ready(struct receiver *r);
/* Is it stopped for a reload? Then `carry` may follow, and `destroy` does. */
bool receiver_stops_for_reload(const struct receiver *r);
/* Of the Lease that gates it; 0 if none does. */
int64_t receiver_lease_duration_ns(const struct receiver *r);

/* ---- processors ---- */
struct processor_type;
struct processor {
    struct component base;
    const struct processor_type *type;
};
struct processor_type {
    const char *name;
    const char *const *aliases;
    unsigned signals;
    const char *stability;
    const struct config_schema *schema;
    bool (*create)(struct processor *p, const void *config, struct err *err);
    bool (*start)(struct processor *p, struct err *err); /* may be NULL */
    /* Takes the reference; passes on what comes out by processor_emit. */
    void (*process)(struct processor *p, struct batch *take_batch);
    void (*stop)(struct processor *p); /* passes on what it holds; may be NULL */
    void (*destroy)(struct processor *p);
};
/* Who takes a batch owes one outcome for it. Passing the same batch on passes that on too; a derived batch (delivery.pending 0)
 * owes to its own delivery, which the processor fills so that it settles what the processor took. */
void processor_emit(struct processor *p, struct batch *take_batch);

/* Signals as indexes of arrays. */
enum { SIGNAL_COUNT = 3 };
static inline size_t signal_index(enum signal s)
{
    return (size_t)s >> 1;
}

/* ---- exporters ---- */
/* For own metrics; counted since the exporter was created. By signal_index. */
struct exporter_stats {
    uint64_t sent[SIGNAL_COUNT], send_failed[SIGNAL_COUNT], enqueue_failed[SIGNAL_COUNT]; /* data points, log records, spans */
    bool has_queue;
    uint64_t queue_size[SIGNAL_COUNT], queue_capacity; /* in what the queue counts: requests, items or bytes */
    uint64_t queue_bytes;                              /* memory of what waits */
    uint64_t requests, retries;                        /* attempts; those of them that were not the first */
};
struct exporter_type;
struct exporter {
    struct component base;
    const struct exporter_type *type;
    unsigned signals;
};
struct exporter_type {
    const char *name;
    const char *const *aliases;
    unsigned signals;
    const char *stability;
    const struct config_schema *schema;
    bool (*create)(struct exporter *e, const void *config, struct err *err);
    bool (*start)(struct exporter *e, struct err *err); /* may be NULL; must not wait for the backend */
    /* Takes the reference. Calls batch_outcome exactly once for it, now or later. */
    void (*consume)(struct exporter *e, struct batch *take_batch);
    /* May another batch come now? NULL: always. When it turns true again call exporter_room. */
    bool (*has_room)(const struct exporter *e);
    /* Drains until `deadline_ns` (boot time), then drops the rest with outcomes; calls exporter_stopped once, now or later. */
    void (*stop)(struct exporter *e, int64_t deadline_ns);
    /* Fills what it counts of `stats`, which is zeroed. NULL: it counts nothing. */
    void (*statistics)(const struct exporter *e, struct exporter_stats *stats);
    void (*destroy)(struct exporter *e);
};
void exporter_room(struct exporter *e);
void exporter_stopped(struct exporter *e);

/* ---- extensions ---- */
/* What an elector's extension asks for the receivers that name it. Texts live as long as its configuration. */
struct elector_options {
    bool repeats_after_crash; /* ticks that a crashed predecessor may have sent come again, instead of being left out */
    /* Names under which data carries the fencing token: an attribute of each resource, of each scope, a header of each request;
     * empty: not there. */
    str fencing_resource, fencing_scope, fencing_header;
    str ready_endpoint; /* host:port where the service says whether this replica is ready; empty: nowhere */
};
struct extension_type;
struct extension {
    struct component base;
    const struct extension_type *type;
};
struct extension_type {
    const char *name;
    const char *const *aliases;
    const char *stability;
    const struct config_schema *schema;
    bool (*create)(struct extension *x, const void *config, struct err *err);
    bool (*start)(struct extension *x, struct err *err); /* may be NULL */
    /* The elector behind it: this extension can be named by a receiver's `leaderelector` key. NULL hook: it is none. */
    struct elector *(*elector)(struct extension *x);
    /* NULL hook: nothing of it. */
    const struct elector_options *(*options)(const struct extension *x);
    /* For commands that look at the Lease from outside: what its elector would be made of. NULL hook: it has none. */
    bool (*lease)(const void *config, struct elector_config *out, struct err *err);
    /* Does it ask for the metrics of singleton_receiver_creator for its elector? NULL: no. */
    bool (*has_old_metrics)(const struct extension *x);
    /* At a stop, before the exporters drain: the work that this extension gates is finished and acknowledged (or its bound passed).
     * The leader elector releases its Lease here. Calls extension_quiesced once, now or later. May be NULL. */
    void (*quiesce)(struct extension *x);
    /* A reload failed after components of the new configuration were created: this one goes on with its own settings, also in
     * what it shares with them. May be NULL. */
    void (*reinstate)(struct extension *x);
    /* Calls extension_stopped once, now or later. */
    void (*stop)(struct extension *x);
    void (*destroy)(struct extension *x); /* started and stopped, or never started */
};
void extension_quiesced(struct extension *x);
void extension_stopped(struct extension *x);

/* For the leader elector extension: the process's electors, and the number of this loaded configuration. */
struct elector_set;
struct elector_set *service_electors(struct service *s);
uint64_t service_generation(const struct service *s);
/* The watches on the API server that all receivers of the process share. Get them in `create`, so that they outlive a reload; join in
 * `start`, leave in `stop`, give them back in `destroy`. */
struct watches;
struct watches *service_watches(struct service *s);
/* A feature gate of the command line. */
bool service_gate_enabled(const struct service *s, const char *name);
/* While held, the service does not end: for work that outlives its component, such as an elector that still releases. */
void service_hold(struct service *s);
void service_release(struct service *s);

/* ---- the table of everything that can be configured: components.c ---- */
struct components {
    const struct receiver_type *const *receivers;   /* each list is NULL-terminated, sorted by name */
    const struct processor_type *const *processors;
    const struct exporter_type *const *exporters;
    const struct extension_type *const *extensions;
};

#endif
