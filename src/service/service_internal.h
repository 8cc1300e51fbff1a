/* Shared by the files of the running service; not for others. */
#ifndef SERVICE_SERVICE_INTERNAL_H
#define SERVICE_SERVICE_INTERNAL_H

#include "base/list.h"
#include "election/elector.h"
#include "service/service.h"
#include "service/tick_schedule.h"

struct graph;
struct pipeline;

struct extension_node {
    struct extension extension;
    bool created, started, quiesced, stopped;
};
struct exporter_node {
    struct exporter exporter;
    bool created, started, stopped;
};
struct processor_node {
    struct processor processor;
    struct pipeline *pipeline;
    size_t index; /* in the pipeline */
    bool created, started;
};
struct pipeline {
    const struct pipeline_settings *settings;
    struct processor_node *processors;
    size_t processor_count;
    struct exporter_node **exporters;
    size_t exporter_count;
};

/* What was handed over and is not settled yet: all batches of a tick, or one batch with a position. In a list of its node, in order,
 * until it and all before it are settled. */
struct hand_over {
    struct list link;
    struct receiver_node *node;
    uint32_t pending;   /* batches without an outcome */
    uint64_t batch_count;
    bool closed;        /* no more batches will come */
    bool complete;      /* closed in the ordinary way, not abandoned */
    enum outcome worst;
    int64_t tick_ns;
    uint64_t term;      /* in which it was handed over */
    char *position;     /* or NULL */
};

/* Where a receiver stands; moves across a reload. */
struct receiver_progress {
    bool has_schedule;
    struct tick_schedule schedule;
    int64_t enqueued_ns, acknowledged_ns;
    char *position;             /* acknowledged; heap, or NULL */
    uint64_t term;              /* of the elector, when it was last active */
};

struct receiver_node {
    struct receiver receiver;
    struct graph *graph;
    struct pipeline **pipelines;
    size_t pipeline_count;
    bool created, started;

    bool gated;
    bool cold;                   /* cannot be warm: started and stopped with each term */
    bool starts_by_role;         /* the elector says when it is started and stopped */
    struct elector *elector;     /* NULL if not gated, and after it was left */
    const void *elector_identity;
    const struct elector_options *options; /* NULL: none */
    struct elector_user user;
    bool joined;
    bool active;                 /* between activate and deactivate */
    bool draining;               /* a stop is under way: no new tick */
    bool gate_closed_logged;     /* in this term */

    struct receiver_progress progress;
    bool resumes;                /* progress came from before a reload and was not used yet */
    bool has_same_ticks;         /* and its schedule goes on, too */
    struct list ticks;           /* hand_overs of ticks, and of batches without a position */
    struct list positions;       /* hand_overs with a position: a slow tick must not hold them up */
    unsigned waiting_signals;    /* for which receiver_has_room said no */
    struct loop_task room_task;
    size_t in_flight;            /* batches whose outcome is to come */
    struct receiver_counters counters;

    /* PULL: ticks.c */
    struct loop_timer timer;
    struct loop_task task;
    struct tick tick;
    bool running;                /* a tick is in progress */
    bool gate_closed;            /* a batch of it was withheld */
    bool waiting_for_room;
    struct tick_schedule before; /* as it was before this tick */
    uint64_t skipped_before;     /* ticks that were given up for this one */
    const char *skipped_reason;  /* static */
    const char *held_by;         /* what the due tick waited for, or the one in progress; NULL: nothing. Static */
    int64_t looks_at_boot_ns;    /* when the timer fires */
    int64_t begun_boot_ns;       /* of the tick in progress */
    int64_t cpu_before_ns;       /* the loop's processor time when that timer was set, or that tick begun */
    struct hand_over *hand_over; /* of this tick */
    bool tick_withheld;          /* the due tick was counted as withheld */
    bool clock_back_logged;
};

/* One loaded configuration with its components. Owns the settings. */
struct graph {
    struct service *service;
    struct settings *settings;
    struct arena arena;
    struct extension_node *extensions;
    size_t extension_count;
    struct exporter_node *exporters;
    size_t exporter_count;
    struct receiver_node *receivers;
    size_t receiver_count;
    struct pipeline *pipelines;
    size_t pipeline_count;
    struct handover *handovers; /* one for each elector, while it runs */
    size_t handover_count;
};

enum service_phase {
    PHASE_NEW,
    PHASE_RUNNING,
    /* a stop, or the first half of a reload; in this order */
    PHASE_HANDOVER,   /* all goes on, until the next leader is ready */
    PHASE_TICKS,      /* gated receivers finish and are acknowledged */
    PHASE_QUIESCE,    /* extensions let go: Leases are released */
    PHASE_LAST_TICKS, /* the other receivers finish */
    PHASE_EXPORTERS,  /* receivers and processors are stopped, exporters drain */
    PHASE_EXTENSIONS,
    PHASE_STOPPED,
    PHASE_ENDED,      /* graph gone; waits for holders only */
};

struct service {
    struct service_config config;
    struct loop *loop;
    struct logger logger;
    char instance_id[37];
    struct elector_set *electors;
    struct watches *watches;
    struct own_metrics *own_metrics;
    struct ready *ready;
    int64_t begun_ns;             /* boot time */
    uint64_t generation;
    struct graph *graph;          /* running, starting or stopping */
    struct graph *next;           /* created, waits for the old one to stop */
    enum service_phase phase;
    bool ending;                  /* the stop ends the service; else a reload */
    bool reload_again;            /* asked for during a reload */
    bool was_started;
    int exit_status;
    size_t holder_count;
    int64_t stop_begun_ns;
    bool awaits_standby;
    uint64_t drains_unfinished;   /* stops and hand-overs at which leadership was let go before all was acknowledged */
    bool phase_timed_out;
    struct loop_timer phase_timer;
    struct loop_task advance_task, end_task, fatal_task;
    bool fatal_pending;
    struct err fatal;
};

/* graph.c */
/* All components created, nothing started; NULL with err. Takes the settings in any case. */
struct graph *graph_new(struct service *s, struct settings *take_settings, struct err *err);
/* Everything must be stopped, or never have been started. */
void graph_free(struct graph *g);
/* Starts everything in order; false: the failure is logged, and what is marked as started is to be stopped. */
bool graph_start(struct graph *g, struct err *err);
/* What receivers of the same id, interval and elector did so far, from the old graph (stopped) to the new (not started). */
void graph_carry(struct graph *from, struct graph *to);
struct receiver_node *graph_receiver(const struct graph *g, str id);

/* receivers.c: the life of a receiver; each is harmless when there is nothing to do */
bool receiver_node_start(struct receiver_node *n, struct err *err);
void receiver_node_begin(struct receiver_node *n); /* all is started: activates, or joins its elector */
void receiver_node_drain(struct receiver_node *n); /* no new work */
bool receiver_node_busy(const struct receiver_node *n);
void receiver_node_leave(struct receiver_node *n); /* deactivates, leaves the elector */
void receiver_node_stop(struct receiver_node *n);
/* After a drain that no stop followed: goes on if it leads. */
void receiver_node_resume(struct receiver_node *n);
/* Tells the elector where the receiver stands. */
void receiver_node_note(struct receiver_node *n);

/* ticks.c */
void ticks_init(struct receiver_node *n);
void ticks_begin(struct receiver_node *n); /* activated; n->progress.schedule is set */
void ticks_end(struct receiver_node *n);   /* abandons a tick in progress */
void ticks_wake(struct receiver_node *n);  /* ready, or there is room */

/* fan_out.c */
struct hand_over *hand_over_open(struct receiver_node *n, int64_t tick_ns);
void fan_out_init(struct receiver_node *n);
/* May settle and free it. */
void hand_over_close(struct hand_over *h, bool complete);
bool receiver_node_has_room(const struct receiver_node *n, unsigned signals);

/* fencing.c: puts the token of the present term on a batch that nobody has seen yet */
void fencing_stamp(const struct receiver_node *n, struct batch *b);

/* yield.c: handing over on purpose */
void handovers_begin(struct graph *g); /* all is started */
void handovers_leave(struct graph *g); /* a stop begins; harmless if they never began */
void handovers_advance_later(struct graph *g); /* a receiver that drains may have finished */

/* stop.c */
void stop_init(struct service *s);
void service_stop_begin(struct service *s, bool ending);
void service_advance_later(struct service *s);
/* Frees what is there and ends, once nobody holds the service. */
void service_end(struct service *s);

/* service.c */
/* Starts s->graph; a failure leads to a stop. */
void service_start_graph(struct service *s);
/* Warnings, or the errors of a reload. */
void service_log_messages(struct service *s, const struct settings *settings, bool errors);

/* reload.c */
void reload_continue(struct service *s); /* the old graph has stopped */

/* status.c */
void component_set_status(struct component *c, enum component_status status);
/* What a start hook said: OK, or a permanent error. */
void component_started(struct component *c, bool ok);

#endif
