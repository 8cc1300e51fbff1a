/*
 * Handing over on purpose: a leader gives its Lease up as at a stop, and goes on as a candidate.
 *
 * Life of a hand-over: asked for (SIGUSR1, or an annotation on the Lease) -> everything goes on while the replica that is to lead
 * next fills its stores, as at a stop -> no new tick; the receivers of this elector finish theirs
 * and hear what became of their data, at most LIMIT_STOP_ACKNOWLEDGE_MS -> the elector releases the Lease with the note, and the
 * receivers are told that they do not lead -> they may lead again. Who leads next goes on after the last tick, so nothing is missing.
 *
 * Invariants
 *  - one hand-over for each elector, however many extensions name it; a request while one is under way is the same request.
 *  - receivers drain only while a hand-over waits for them; whatever ends it (the release, a lost Lease, a stop) lets them go.
 *  - nothing here calls the elector from within its own callbacks: the way on is a task.
 *
 * Specification: leader_election 8 number 19, design 5.6.
 */
#include "service/service_internal.h"

#include "base/limits.h"

#define MS INT64_C(1000000)

struct handover {
    struct graph *graph;
    struct elector *elector;
    struct elector_user user;
    bool joined, leads;
    bool waiting;            /* for the next leader to be ready */
    bool draining;           /* receivers finish */
    int64_t asked_ns;        /* boot time */
    uint64_t term;           /* that is to end */
    struct loop_timer timer; /* its bound */
    struct loop_task task;
    bool timed_out;
};

static bool is_ours(const struct handover *h, const struct receiver_node *n)
{
    return n->elector == h->elector;
}

static bool is_busy(const struct handover *h)
{
    const struct graph *g = h->graph;
    for (size_t i = 0; i < g->receiver_count; i++)
        if (is_ours(h, &g->receivers[i]) && receiver_node_busy(&g->receivers[i]))
            return true;
    return false;
}

/* A tick that is stuck half sent goes into the note now, which the release carries. */
static void end_ticks(struct handover *h)
{
    struct graph *g = h->graph;
    for (size_t i = 0; i < g->receiver_count; i++)
        if (is_ours(h, &g->receivers[i]) && g->receivers[i].running)
            ticks_end(&g->receivers[i]);
}

/* Receivers may work again; those that were stopped in the middle are told by their elector when it is their turn. */
static void let_go(struct handover *h)
{
    struct graph *g = h->graph;
    h->waiting = h->draining = h->timed_out = false;
    loop_timer_clear(&h->timer);
    loop_task_cancel(&h->task);
    for (size_t i = 0; i < g->receiver_count; i++)
        if (is_ours(h, &g->receivers[i]))
            receiver_node_resume(&g->receivers[i]);
}

static void log_lease(const struct handover *h, const char *message)
{
    log_info(&h->graph->service->logger, message,
             F_STR("namespace", elector_lease_namespace(h->elector)),
             F_STR("lease", elector_lease_name(h->elector)));
}

static void advance(void *arg)
{
    struct handover *h = arg;
    if (!h->waiting && !h->draining)
        return;
    if (!h->leads || elector_term(h->elector) != h->term) { /* lost meanwhile */
        let_go(h);
        return;
    }
    bool busy = is_busy(h);
    if (h->waiting || (busy && !h->timed_out))
        return;
    h->graph->service->drains_unfinished += busy;
    if (busy)
        log_warn(&h->graph->service->logger,
                 "Not everything was acknowledged in time; handing over all the same",
                 F_STR("lease", elector_lease_name(h->elector)),
                 F_INT("waited_ms", LIMIT_STOP_ACKNOWLEDGE_MS));
    end_ticks(h);
    elector_yield(h->elector); /* the receivers hear of it within, when the release is under way */
    let_go(h);
}

static void drain(struct handover *h)
{
    struct graph *g = h->graph;
    log_lease(h, "Handing over: the running tick is finished, then the Lease is released");
    h->waiting = false;
    h->draining = true;
    loop_timer_set_after(&h->timer, LIMIT_STOP_ACKNOWLEDGE_MS * MS);
    for (size_t i = 0; i < g->receiver_count; i++)
        if (is_ours(h, &g->receivers[i]))
            receiver_node_drain(&g->receivers[i]);
    loop_task_post(&h->task);
}

static void wait_or_drain(struct handover *h)
{
    h->waiting = elector_awaits_standby(h->elector, h->asked_ns);
    if (h->waiting)
        loop_timer_set_after(&h->timer, LIMIT_HANDOVER_LOOK_MS * MS);
    else
        drain(h);
}

static void on_timer(void *arg)
{
    struct handover *h = arg;
    if (h->waiting) {
        wait_or_drain(h);
        return;
    }
    h->timed_out = true;
    advance(h);
}

static void begin(struct handover *h)
{
    if (h->waiting || h->draining || !h->leads)
        return;
    h->term = elector_term(h->elector);
    h->asked_ns = loop_boot_ns(h->graph->service->loop);
    wait_or_drain(h);
    if (h->waiting)
        log_lease(h, "Going on until the next leader is ready to take over");
}

static void on_role(void *arg, enum elector_role role)
{
    struct handover *h = arg;
    h->leads = role == ROLE_LEADING;
    if (h->waiting || h->draining)
        loop_task_post(&h->task);
}

static void on_asked(void *arg)
{
    begin(arg);
}

/* ---- for the service ---- */

static bool has_handover(const struct graph *g, const struct elector *e)
{
    for (size_t i = 0; i < g->handover_count; i++)
        if (g->handovers[i].elector == e)
            return true;
    return false;
}

void handovers_begin(struct graph *g)
{
    struct loop *loop = g->service->loop;
    g->handovers = ARENA_ARRAY(&g->arena, struct handover, g->extension_count);
    for (size_t i = 0; i < g->extension_count; i++) {
        struct extension *x = &g->extensions[i].extension;
        struct elector *e = x->type->elector == NULL ? NULL : x->type->elector(x);
        if (e == NULL || has_handover(g, e))
            continue;
        struct handover *h = &g->handovers[g->handover_count++];
        h->graph = g;
        h->elector = e;
        h->user = (struct elector_user){.on_role = on_role, .on_asked = on_asked, .arg = h};
        loop_timer_init(loop, &h->timer, "hand-over", on_timer, h);
        loop_task_init(loop, &h->task, "hand-over", advance, h);
        h->joined = true;
        elector_join(e, &h->user);
    }
}

void handovers_leave(struct graph *g)
{
    for (size_t i = 0; i < g->handover_count; i++) {
        struct handover *h = &g->handovers[i];
        if (!h->joined)
            continue;
        let_go(h);
        h->joined = h->leads = false;
        elector_leave(h->elector, &h->user);
    }
    g->handover_count = 0;
}

void handovers_advance_later(struct graph *g)
{
    for (size_t i = 0; g != NULL && i < g->handover_count; i++)
        if (g->handovers[i].draining)
            loop_task_post(&g->handovers[i].task);
}

void service_yield(struct service *s)
{
    bool any = false;
    if (s->phase != PHASE_RUNNING) {
        log_info(&s->logger, "Nothing is handed over during a reload or a stop");
        return;
    }
    for (size_t i = 0; i < s->graph->handover_count; i++) {
        any = any || s->graph->handovers[i].leads;
        begin(&s->graph->handovers[i]);
    }
    if (!any)
        log_info(&s->logger, "Nothing to hand over: this replica leads by no Lease");
}
