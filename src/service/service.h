/*
 * The running collector: components in a graph, started and stopped in order, ticks, fan-out, reload.
 *
 * service_new -> service_start -> (service_reload)* -> service_stop -> on_end -> service_free. All in the loop's thread.
 */
#ifndef SERVICE_SERVICE_H
#define SERVICE_SERVICE_H

#include "service/logging.h"
#include "service/settings.h"

struct service;
struct service_config {
    struct loop *loop;
    struct log *log;
    struct log_outputs *outputs; /* follow logs::output_paths; NULL: they stay as they are */
    const struct components *components;
    const struct config_source *sources; /* read again at a reload; must outlive the service */
    size_t source_count;
    str feature_gates;                   /* of the command line, "a,-b"; checked; must outlive the service */
    bool serves_own_metrics;             /* as service::telemetry::metrics says; else that has no effect */
    /* Called once, from the loop: everything has ended, service_free may be called. 0: stopped as asked. */
    void (*on_end)(void *arg, int exit_status);
    void *arg;
};
struct service *service_new(const struct service_config *config);
/* Builds and starts everything. `take_settings` must be free of errors. What fails is logged, what was started is stopped again,
 * and on_end follows with status 1. */
void service_start(struct service *s, struct settings *take_settings);
/* Orderly stop: ticks end, electors release, exporters drain; then on_end. Harmless if it is under way. */
void service_stop(struct service *s);
/* Ends the wait for another replica to be ready to lead, which goes before the rest of a stop; false: it does not wait. */
bool service_stop_waiting(struct service *s);
/* Reads the configuration again and changes over to it; a bad one is logged and changes nothing. */
void service_reload(struct service *s);
/* After on_end only. */
void service_free(struct service *s);

/* The whole program: logs, signals, loop, service. Returns its exit status. */
int service_run(const struct components *components, const struct config_source *sources, size_t source_count, str feature_gates);

/* What a receiver did so far, over all terms and reloads. */
struct receiver_counters {
    uint64_t ticks_emitted;   /* all batches handed over */
    uint64_t ticks_skipped;   /* never begun: an earlier one took too long, or the hole was too long to be filled */
    uint64_t ticks_withheld;  /* due while another replica might have led */
    uint64_t ticks_abandoned; /* begun and not finished */
    uint64_t batches_emitted, batches_withheld;
    uint64_t outcomes[3];     /* of emitted batches, by enum outcome */
    uint64_t accepted_items[SIGNAL_COUNT], refused_items[SIGNAL_COUNT]; /* handed over; withheld at the gate */
};
/* False if there is no such receiver in a pipeline. */
bool service_receiver_counters(const struct service *s, str id, struct receiver_counters *out);
/* STATUS_NONE if there is no such component. A processor is looked for in all pipelines; the worst counts. */
enum component_status service_component_status(const struct service *s, enum component_kind kind, str id);
bool service_is_running(const struct service *s);

#endif
