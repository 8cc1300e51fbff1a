/*
 * A receiver in the service: when it may work, and where it goes on.
 *
 * Life: start (warm part) -> begin: not gated ones are activated at once, gated ones join their
 * elector -> (activated as a term begins -> deactivated as it ends)* -> drain: no new work -> leave
 * -> stop. A receiver that cannot be warm is started and stopped with each term; with an elector
 * whose replicas are not all warm the others are, too, by the role that it gives to this one.
 *
 * Invariants
 *  - the hooks come in the order that component.h promises, whatever is asked for twice or too
 * late.
 *  - a term begins where the predecessor ended (its note), never before what this process itself
 * has begun: a note may be older than that.
 *  - after leave, the elector is not touched any more: the extension may have given it up.
 *
 * Specification: leader_election 1.3, 1.4 (what must not happen), design 5.10 and 5.11.
 */
#include "service/service_internal.h"

#include "base/limits.h"

static const struct receiver_type *type_of(const struct receiver_node *n)
{
    return n->receiver.type;
}

static bool has_positions(const struct receiver_node *n)
{
    return type_of(n)->kind == RECEIVER_PUSH || type_of(n)->has_positions;
}

static bool call_start(struct receiver_node *n, struct err *err)
{
    if (type_of(n)->start != NULL && !type_of(n)->start(&n->receiver, err))
        return false;
    n->started = true;
    return true;
}

static void call_stop(struct receiver_node *n)
{
    if (!n->started)
        return;
    n->started = false;
    if (type_of(n)->stop != NULL)
        type_of(n)->stop(&n->receiver);
}

bool receiver_node_start(struct receiver_node *n, struct err *err)
{
    component_set_status(&n->receiver.base, STATUS_STARTING);
    if (!n->starts_by_role && !call_start(n, err))
        return false;
    component_started(&n->receiver.base, true);
    return true;
}

/* ---- where a term begins ---- */

static const char *inheritance_name(enum inheritance inheritance)
{
    static const char *const names[] = {"none", "released", "expired", "own"};
    return names[inheritance];
}

/* There is a note, and the schedule cannot go on by it. */
static void log_afresh(const struct receiver_node *n, enum inheritance found,
                       const struct note_entry *entry, int64_t interval_ns)
{
    const struct logger *logger = &n->receiver.base.logger;
    if (entry->enqueued_ns == 0 && entry->position.len > 0)
        return; /* it came to no tick, and is good for the position */
    if (found == INHERIT_OWN && entry->interval_ns != interval_ns) /* a reload */
        log_info(logger, "Another interval than before: starting afresh",
                 F_INT("interval_ns", interval_ns), F_INT("before_ns", entry->interval_ns));
    else
        log_warn(
            logger, "The previous leader's note on this receiver cannot be used; starting afresh",
            F_INT("last_tick_ns", entry->enqueued_ns), F_INT("interval_ns", entry->interval_ns));
}

/* The schedule by the predecessor's note; `*maybe_sent` as in tick_schedule_inherit. */
static void inherit_schedule(struct receiver_node *n, int64_t interval_ns, int64_t now_ns)
{
    struct receiver_progress *p = &n->progress;
    const struct receiver *r = &n->receiver;
    struct note_entry entry = {0};
    int64_t gate_closed_ns = 0;
    uint64_t maybe_sent;
    enum inheritance found = elector_note_get(n->elector, r->base.id, &entry, &gate_closed_ns);
    int64_t phase_ns = tick_phase(elector_lease_uid(n->elector), r->base.id, interval_ns);
    enum inheritance taken = tick_schedule_inherit(&p->schedule, interval_ns, phase_ns, found,
                                                   &entry, gate_closed_ns, now_ns, &maybe_sent);
    if (found != INHERIT_NONE && taken == INHERIT_NONE)
        log_afresh(n, found, &entry, interval_ns);
    p->enqueued_ns = taken == INHERIT_NONE ? 0 : entry.enqueued_ns;
    p->acknowledged_ns = taken == INHERIT_NONE ? 0 : entry.acknowledged_ns;
    if (taken == INHERIT_EXPIRED && n->options != NULL && n->options->repeats_after_crash) {
        tick_schedule_repeat(&p->schedule, &entry);
        maybe_sent = 0;
    }
    n->counters.ticks_left_out += maybe_sent;
    log_info(&r->base.logger, "Collecting as leader", F_CSTR("inherited", inheritance_name(taken)),
             F_INT("ticks_maybe_sent_by_predecessor", maybe_sent));
}

static void begin_schedule(struct receiver_node *n, bool resume)
{
    struct receiver_progress *p = &n->progress;
    int64_t interval_ns = type_of(n)->interval_ns(&n->receiver);
    int64_t now_ns = loop_wall_ns(n->receiver.base.loop);
    const struct tick_schedule earlier = p->schedule;
    if (resume) {
        tick_schedule_resume(&p->schedule, &earlier);
        return;
    }
    if (n->gated)
        inherit_schedule(n, interval_ns, now_ns);
    else
        tick_schedule_fresh(&p->schedule, interval_ns,
                            tick_phase(STR_NONE, n->receiver.base.id, interval_ns), now_ns);
    if (p->has_schedule)
        tick_schedule_pass(&p->schedule, earlier.done_ns);
    p->has_schedule = true;
    /* What is over by now is so for a successor too, noted by the predecessor or not: a release before our first tick must not make it
     * fill a hole that is none. */
    if (n->gated && !p->schedule.fresh && p->schedule.done_ns > p->enqueued_ns)
        p->enqueued_ns = p->schedule.done_ns;
}

static void begin_position(struct receiver_node *n, bool resume)
{
    if (resume)
        return;
    struct note_entry entry = {0};
    int64_t gate_closed_ns;
    bool found = n->gated && elector_note_get(n->elector, n->receiver.base.id, &entry,
                                              &gate_closed_ns) != INHERIT_NONE;
    mem_free(n->progress.position);
    n->progress.position = found && entry.position.len > 0 ? str_dup(entry.position) : NULL;
}

/* A term that begins while we are on the way out collects nothing, but its note must not be older than what we have handed over. */
static void note_if_newer(struct receiver_node *n)
{
    struct note_entry entry = {0};
    int64_t gate_closed_ns;
    bool found =
        elector_note_get(n->elector, n->receiver.base.id, &entry, &gate_closed_ns) != INHERIT_NONE;
    if (n->progress.enqueued_ns > 0 && (!found || entry.enqueued_ns < n->progress.enqueued_ns))
        receiver_node_note(n);
}

static void activate(struct receiver_node *n)
{
    if (n->draining && n->joined)
        note_if_newer(n);
    if (n->active || n->draining)
        return;
    struct err err;
    if (!n->started && !call_start(n, &err)) {
        err_wrap(&err, "starting as leader failed");
        component_report(&n->receiver.base, STATUS_PERMANENT_ERROR, &err);
        return;
    }
    uint64_t term = n->gated ? elector_term(n->elector) : 0;
    bool resume = n->resumes && n->progress.term == term &&
                  (n->progress.has_schedule || type_of(n)->kind == RECEIVER_PUSH);
    n->resumes = false;
    n->progress.term = term;
    n->gate_closed_logged = false;
    if (type_of(n)->kind == RECEIVER_PULL)
        begin_schedule(n, resume && n->has_same_ticks);
    if (has_positions(n))
        begin_position(n, resume);
    if (n->progress.enqueued_ns > 0)
        receiver_node_note(n);
    n->active = true;
    struct position position = {.text = str_from(n->progress.position)};
    if (type_of(n)->activate != NULL && !type_of(n)->activate(&n->receiver, position, &err)) {
        n->active = false;
        err_wrap(&err, "beginning to collect failed");
        component_report(&n->receiver.base, STATUS_PERMANENT_ERROR, &err);
        return;
    }
    if (type_of(n)->kind == RECEIVER_PULL)
        ticks_begin(n);
}

static void deactivate(struct receiver_node *n)
{
    if (n->active) {
        if (type_of(n)->kind == RECEIVER_PULL)
            ticks_end(n);
        if (type_of(n)->deactivate != NULL)
            type_of(n)->deactivate(&n->receiver);
        n->active = false;
    }
    if (n->cold)
        call_stop(n);
}

static void start_warm(struct receiver_node *n)
{
    struct err err;
    if (n->cold || n->started || n->draining || call_start(n, &err))
        return;
    err_wrap(&err, "starting as standby failed");
    component_report(&n->receiver.base, STATUS_PERMANENT_ERROR, &err);
}

static void on_role(void *arg, enum elector_role role)
{
    struct receiver_node *n = arg;
    switch (role) {
    case ROLE_LEADING:
        activate(n);
        break;
    case ROLE_WARM:
        deactivate(n);
        start_warm(n);
        break;
    case ROLE_COLD:
        deactivate(n);
        if (n->starts_by_role)
            call_stop(n);
        break;
    }
}

static bool is_synced(void *arg)
{
    const struct receiver_node *n = arg;
    if (n->cold)
        return true;
    return n->started && (type_of(n)->is_ready == NULL || type_of(n)->is_ready(&n->receiver));
}

void receiver_node_begin(struct receiver_node *n)
{
    if (!n->gated) {
        activate(n);
        return;
    }
    CHECK(n->elector != NULL && !n->joined);
    n->user.on_role = on_role;
    n->user.is_synced = is_synced;
    n->user.arg = n;
    n->joined = true;
    elector_join(n->elector, &n->user);
}

void receiver_node_note(struct receiver_node *n)
{
    if (!n->joined)
        return;
    const struct receiver_progress *p = &n->progress;
    struct note_entry entry = {
        .enqueued_ns = p->enqueued_ns,
        .acknowledged_ns = p->acknowledged_ns,
        .position = str_from(p->position),
    };
    if (type_of(n)->kind == RECEIVER_PULL) {
        entry.interval_ns = p->schedule.interval_ns;
        entry.phase_ns = p->schedule.phase_ns;
        entry.start_ns = p->schedule.start_ns;
    }
    elector_note_set(n->elector, n->receiver.base.id, &entry);
}

/* ---- the end ---- */

void receiver_node_drain(struct receiver_node *n)
{
    n->draining = true;
    if (type_of(n)->kind == RECEIVER_PUSH && n->gated)
        deactivate(n);
}

void receiver_node_resume(struct receiver_node *n)
{
    if (!n->draining)
        return;
    n->draining = false;
    if (n->active)
        ticks_wake(n);
    else if (n->joined) /* what it was told meanwhile */
        on_role(n, n->user.told_role);
}

bool receiver_node_busy(const struct receiver_node *n)
{
    return n->running || (n->gated && n->in_flight > 0);
}

void receiver_node_leave(struct receiver_node *n)
{
    n->draining = true;
    deactivate(n);
    if (n->joined)
        elector_leave(n->elector, &n->user);
    n->joined = false;
    n->elector = NULL;
}

void receiver_node_stop(struct receiver_node *n)
{
    receiver_node_leave(n);
    bool was_started = n->started;
    component_set_status(&n->receiver.base, STATUS_STOPPING);
    call_stop(n);
    if (was_started || n->starts_by_role)
        component_set_status(&n->receiver.base, STATUS_STOPPED);
}
