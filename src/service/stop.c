/*
 * Stopping a graph, at the end or for a reload: a row of phases, each with a bound, so that a stop
 * takes as long as it must and never for ever.
 *
 *   hand-over   at the end only: everything goes on while the replica that is to lead next fills its
 *               stores (at most the elector's handover_wait; a second signal ends it)
 *   ticks       no new tick; the gated receivers finish theirs and hear what became of their data
 *               (at most LIMIT_STOP_ACKNOWLEDGE_MS), then they leave their electors
 *   quiesce     all extensions at once: electors release their Leases (LIMIT_STOP_QUIESCE_MS)
 *   last ticks  receivers that nobody gates finish theirs (within the first bound)
 *   exporters   receivers, then processors are stopped; exporters drain (LIMIT_STOP_DRAIN_MS)
 *   extensions  the rest
 *
 * Invariants
 *  - a phase that has nothing to wait for is passed within the same call: a SIGTERM between two
 * ticks reaches the release of the Lease without going through the loop.
 *  - components answer from within their hooks; answers only post a task, so nobody is freed under
 *    its own feet.
 *  - only what was started is stopped.
 *
 * Specification: collector_host 2.1 and 2.2, leader_election 8.1, design 5.6.
 */
#include "service/service_internal.h"

#include "base/limits.h"

#define MS INT64_C(1000000)

static bool is_stopping(const struct service *s)
{
    return s->phase >= PHASE_HANDOVER && s->phase <= PHASE_EXTENSIONS;
}

/* ---- what each phase waits for ---- */

static bool receivers_are_busy(const struct graph *g, bool gated)
{
    for (size_t i = 0; i < g->receiver_count; i++)
        if (g->receivers[i].gated == gated && receiver_node_busy(&g->receivers[i]))
            return true;
    return false;
}

static bool extensions_are_quiet(const struct graph *g)
{
    for (size_t i = 0; i < g->extension_count; i++)
        if (g->extensions[i].started && !g->extensions[i].quiesced)
            return false;
    return true;
}

static bool exporters_are_stopped(const struct graph *g)
{
    for (size_t i = 0; i < g->exporter_count; i++)
        if (g->exporters[i].started && !g->exporters[i].stopped)
            return false;
    return true;
}

static bool extensions_are_stopped(const struct graph *g)
{
    for (size_t i = 0; i < g->extension_count; i++)
        if (g->extensions[i].started && !g->extensions[i].stopped)
            return false;
    return true;
}

struct awaiting {
    int64_t since_ns;
    bool any;
};

static void ask_elector(void *arg, struct elector *e)
{
    struct awaiting *a = arg;
    a->any = a->any || elector_awaits_standby(e, a->since_ns);
}

static bool awaits_standby(const struct service *s)
{
    struct awaiting a = {.since_ns = s->stop_begun_ns};
    electors_each(s->electors, ask_elector, &a);
    return a.any;
}

static bool phase_is_over(const struct service *s)
{
    const struct graph *g = s->graph;
    switch (s->phase) {
    case PHASE_HANDOVER:
        return s->phase_timed_out || !awaits_standby(s);
    case PHASE_TICKS:
        return s->phase_timed_out || !receivers_are_busy(g, true);
    case PHASE_QUIESCE:
        return s->phase_timed_out || extensions_are_quiet(g);
    case PHASE_LAST_TICKS:
        return s->phase_timed_out || !receivers_are_busy(g, false);
    case PHASE_EXPORTERS: /* its memory is needed until it has answered, however long that takes */
        return exporters_are_stopped(g);
    case PHASE_EXTENSIONS:
        return extensions_are_stopped(g);
    default:
        return false;
    }
}

/* ---- entering ---- */

static void bound_phase(struct service *s, int64_t deadline_ns)
{
    s->phase_timed_out = deadline_ns <= loop_boot_ns(s->loop);
    loop_timer_set(&s->phase_timer, deadline_ns);
}

static void enter_handover(struct service *s)
{
    s->phase_timed_out = false;
    s->awaits_standby = awaits_standby(s);
    if (s->awaits_standby)
        log_info(&s->logger, "Going on until the next leader is ready to take over");
    loop_timer_set_after(&s->phase_timer, LIMIT_HANDOVER_LOOK_MS * MS);
}

static void enter_ticks(struct service *s)
{
    if (s->awaits_standby)
        log_info(&s->logger, "Handing over",
                 F_DOUBLE("waited_s", (double)(loop_boot_ns(s->loop) - s->stop_begun_ns) / 1e9));
    s->awaits_standby = false;
    s->stop_begun_ns = loop_boot_ns(s->loop);
    bound_phase(s, s->stop_begun_ns + LIMIT_STOP_ACKNOWLEDGE_MS * MS);
    handovers_leave(s->graph);
    for (size_t i = 0; i < s->graph->receiver_count; i++)
        receiver_node_drain(&s->graph->receivers[i]);
}

static void enter_quiesce(struct service *s)
{
    struct graph *g = s->graph;
    /* The last outcome may have come in the same turn of the loop as the timer. */
    bool unfinished = s->phase_timed_out && receivers_are_busy(g, true);
    s->drains_unfinished += unfinished;
    if (unfinished)
        log_warn(&s->logger,
                 s->ending
                     ? "Not everything was acknowledged in time; letting go of leadership all the "
                       "same"
                     : "Not everything was acknowledged in time; changing over all the same",
                 F_INT("waited_ms", LIMIT_STOP_ACKNOWLEDGE_MS));
    for (size_t i = 0; i < g->receiver_count; i++)
        if (g->receivers[i].gated)
            receiver_node_leave(&g->receivers[i]);
    bound_phase(s, loop_boot_ns(s->loop) + LIMIT_STOP_QUIESCE_MS * MS);
    for (size_t i = g->extension_count; i-- > 0;) {
        struct extension_node *n = &g->extensions[i];
        n->quiesced = n->extension.type->quiesce == NULL;
        if (n->started && !n->quiesced)
            n->extension.type->quiesce(&n->extension);
    }
}

static void stop_processors(struct graph *g)
{
    for (size_t i = 0; i < g->pipeline_count; i++)
        for (size_t k = 0; k < g->pipelines[i].processor_count; k++) {
            struct processor_node *n = &g->pipelines[i].processors[k];
            if (!n->started)
                continue;
            component_set_status(&n->processor.base, STATUS_STOPPING);
            if (n->processor.type->stop != NULL)
                n->processor.type->stop(&n->processor);
            n->started = false;
            component_set_status(&n->processor.base, STATUS_STOPPED);
        }
}

_Static_assert(LIMIT_WATCH_LINGER_MS >
                   LIMIT_STOP_ACKNOWLEDGE_MS + 2 * LIMIT_STOP_QUIESCE_MS + LIMIT_STOP_DRAIN_MS,
               "stores last until a reload is over");

static void enter_exporters(struct service *s)
{
    struct graph *g = s->graph;
    for (size_t i = g->receiver_count; i-- > 0;)
        receiver_node_stop(&g->receivers[i]);
    stop_processors(g);
    int64_t deadline_ns = loop_boot_ns(s->loop) + LIMIT_STOP_DRAIN_MS * MS;
    bound_phase(s, deadline_ns + 1000 * MS);
    for (size_t i = 0; i < g->exporter_count; i++) {
        struct exporter_node *n = &g->exporters[i];
        if (!n->started)
            continue;
        component_set_status(&n->exporter.base, STATUS_STOPPING);
        n->exporter.type->stop(&n->exporter, deadline_ns);
    }
}

static void enter_extensions(struct service *s)
{
    struct graph *g = s->graph;
    bound_phase(s, loop_boot_ns(s->loop) + LIMIT_STOP_QUIESCE_MS * MS);
    for (size_t i = g->extension_count; i-- > 0;) {
        struct extension_node *n = &g->extensions[i];
        if (!n->started)
            continue;
        component_set_status(&n->extension.base, STATUS_STOPPING);
        n->extension.type->stop(&n->extension);
    }
}

static void enter_phase(struct service *s, enum service_phase phase)
{
    s->phase = phase;
    switch (phase) {
    case PHASE_HANDOVER:
        enter_handover(s);
        break;
    case PHASE_TICKS:
        enter_ticks(s);
        break;
    case PHASE_QUIESCE:
        enter_quiesce(s);
        break;
    case PHASE_LAST_TICKS:
        if (s->phase_timed_out && !extensions_are_quiet(s->graph))
            log_warn(&s->logger, "An extension did not let go in time",
                     F_INT("waited_ms", LIMIT_STOP_QUIESCE_MS));
        bound_phase(s, s->stop_begun_ns + LIMIT_STOP_ACKNOWLEDGE_MS * MS);
        break;
    case PHASE_EXPORTERS:
        enter_exporters(s);
        break;
    case PHASE_EXTENSIONS:
        enter_extensions(s);
        break;
    default:
        break;
    }
}

static void advance(void *arg)
{
    struct service *s = arg;
    if (!is_stopping(s))
        return;
    while (phase_is_over(s))
        enter_phase(s, s->phase + 1);
    if (s->phase != PHASE_STOPPED)
        return;
    loop_timer_clear(&s->phase_timer);
    if (s->ending)
        service_end(s);
    else
        reload_continue(s);
}

static void log_overdue(struct service *s)
{
    const struct graph *g = s->graph;
    for (size_t i = 0; s->phase == PHASE_EXPORTERS && i < g->exporter_count; i++)
        if (g->exporters[i].started && !g->exporters[i].stopped)
            log_error(&g->exporters[i].exporter.base.logger,
                      "The exporter does not stop; still waiting for it");
    for (size_t i = 0; s->phase == PHASE_EXTENSIONS && i < g->extension_count; i++)
        if (g->extensions[i].started && !g->extensions[i].stopped)
            log_error(&g->extensions[i].extension.base.logger,
                      "The extension does not stop; still waiting for it");
}

static void on_phase_timer(void *arg)
{
    struct service *s = arg;
    if (s->phase == PHASE_HANDOVER) {
        loop_timer_set_after(&s->phase_timer, LIMIT_HANDOVER_LOOK_MS * MS);
    } else {
        s->phase_timed_out = true;
        log_overdue(s);
    }
    advance(s);
}

void stop_init(struct service *s)
{
    loop_timer_init(s->loop, &s->phase_timer, "service stop", on_phase_timer, s);
    loop_task_init(s->loop, &s->advance_task, "service stop", advance, s);
}

/* ---- from outside ---- */

void service_advance_later(struct service *s)
{
    handovers_advance_later(s->graph);
    if (is_stopping(s))
        loop_task_post(&s->advance_task);
}

void service_stop_begin(struct service *s, bool ending)
{
    CHECK(s->phase == PHASE_RUNNING);
    s->ending = ending;
    s->stop_begun_ns = loop_boot_ns(s->loop);
    /* After a failure nobody is to wait for it to happen again. */
    enter_phase(s, ending && s->exit_status == 0 ? PHASE_HANDOVER : PHASE_TICKS);
    advance(s);
}

bool service_stop_waiting(struct service *s)
{
    if (s->phase != PHASE_HANDOVER)
        return false;
    s->phase_timed_out = true;
    advance(s);
    return true;
}

void service_stop(struct service *s)
{
    if (s->phase == PHASE_RUNNING) {
        log_info(&s->logger, "Starting shutdown...");
        service_stop_begin(s, true);
    } else if (is_stopping(s) && !s->ending) {
        /* In the middle of a reload: what was to come next goes first, so that the electors have no
         * other user. */
        log_info(&s->logger, "Starting shutdown...");
        s->ending = true;
        graph_free(s->next);
        s->next = NULL;
    }
}

void exporter_stopped(struct exporter *e)
{
    struct exporter_node *n = CONTAINER_OF(e, struct exporter_node, exporter);
    CHECK(n->started && !n->stopped);
    n->stopped = true;
    component_set_status(&e->base, STATUS_STOPPED);
    service_advance_later(e->base.service);
}

void extension_quiesced(struct extension *x)
{
    struct extension_node *n = CONTAINER_OF(x, struct extension_node, extension);
    CHECK(n->started);
    n->quiesced = true;
    service_advance_later(x->base.service);
}

void extension_stopped(struct extension *x)
{
    struct extension_node *n = CONTAINER_OF(x, struct extension_node, extension);
    CHECK(n->started && !n->stopped);
    n->stopped = true;
    component_set_status(&x->base, STATUS_STOPPED);
    service_advance_later(x->base.service);
}
