/*
 * The ticks of a PULL receiver: tick_schedule.c with a clock, a timer and the exporters' room.
 *
 * Life of a tick: the timer says that it is due -> the receiver is ready, all exporters downstream
 * have room, the gate is open -> collect, one batch a call, each from a task of its own, waiting
 * whenever an exporter is full -> finished: the note says that it was handed over -> the timer runs
 * for the next one. Or it is abandoned in the middle: the gate closed, or a stop ran out of time.
 *
 * Invariants
 *  - one tick at a time; no handler collects more than one batch.
 *  - a tick that got one batch out is never begun again, here or by a successor; one that got none
 *    out may be.
 *  - a due tick waits for the receiver, for room and for the gate without being given up; only a
 *    newer due tick replaces it, counted.
 */
#include "service/service_internal.h"

#include "base/limits.h"
#include "wire/text.h"

#define MS INT64_C(1000000)

enum {
    LOOK_AGAIN_MS = 100, /* at a closed gate */
    RFC3339_NS_BYTES = 40
};

/* Why ticks are skipped. */
static const char before_term[] = "they fell due before this replica began";
static const char not_ready[] = "the receiver was not ready";
static const char exporter_full[] = "an exporter was full";
static const char not_leading[] = "this replica might not have led";
static const char clock_forward[] = "the wall clock went forward";
static const char not_run[] = "this process did not run: it was stopped, or got no processor";
static const char busy[] = "this process was busy";
static const char long_tick[] = "the tick before took longer than the interval";

static void arm(struct receiver_node *n)
{
    struct loop *loop = n->receiver.base.loop;
    int64_t now_ns = loop_wall_ns(loop);
    struct tick_due due = tick_schedule_due(&n->progress.schedule, now_ns);
    int64_t delay_ns = tick_timer_delay(due.time_ns, now_ns);
    loop_timer_set_after(&n->timer, delay_ns);
    n->looks_at_boot_ns = loop_boot_ns(loop) + delay_ns;
    n->cpu_before_ns = loop_cpu_ns(loop);
    bool clock_went_back = !due.due && due.time_ns - now_ns > n->progress.schedule.interval_ns +
                                                                  LIMIT_NOTE_AHEAD_MS * MS;
    if (clock_went_back && !n->clock_back_logged)
        log_warn(&n->receiver.base.logger,
                 "The wall clock went back: no ticks until it has passed the last one again",
                 F_DOUBLE("seconds", (double)(due.time_ns - now_ns) / 1e9));
    n->clock_back_logged = clock_went_back;
}

/* `count` of them, up to `last_ns`. */
static void count_skipped(struct receiver_node *n, uint64_t count, int64_t last_ns, const char *why)
{
    if (count == 0)
        return;
    n->counters.ticks_skipped += count;
    struct buf first, last;
    buf_init(&first, RFC3339_NS_BYTES);
    buf_init(&last, RFC3339_NS_BYTES);
    rfc3339_print(&first, last_ns - (int64_t)(count - 1) * n->progress.schedule.interval_ns, 9);
    rfc3339_print(&last, last_ns, 9);
    log_warn(&n->receiver.base.logger, "Ticks skipped", F_INT("count", count),
             F_STR("first", buf_view(&first)), F_STR("last", buf_view(&last)),
             F_CSTR("reason", why));
    buf_deinit(&first);
    buf_deinit(&last);
}

/* A due tick that the gate holds back. Looked at again later: a renewal that comes late opens the
 * gate in the same term. */
static void withhold(struct receiver_node *n)
{
    if (!n->tick_withheld)
        n->counters.ticks_withheld++;
    n->tick_withheld = true;
    if (!n->gate_closed_logged)
        log_warn(&n->receiver.base.logger,
                 "Withholding a tick: this replica may not lead any more");
    n->gate_closed_logged = true;
    n->held_by = not_leading;
    loop_timer_set_after(&n->timer, LOOK_AGAIN_MS * MS);
}

/* What is sent outside of ticks waits for its own exporters only, and ticks do not wait for those. */
static bool has_room(const struct receiver_node *n)
{
    return receiver_node_has_room(n, n->receiver.type->has_positions ? SIGNAL_METRICS : ~0U);
}

static bool did_not_run(const struct receiver_node *n, int64_t passed_ns)
{
    return loop_cpu_ns(n->receiver.base.loop) - n->cpu_before_ns < passed_ns / 2;
}

/* What kept the due tick waiting until now; if nothing did, we come too late ourselves. */
static const char *delay_reason(const struct receiver_node *n)
{
    if (n->held_by != NULL)
        return n->held_by;
    struct loop *loop = n->receiver.base.loop;
    int64_t late_ns = loop_boot_ns(loop) - n->looks_at_boot_ns;
    if (late_ns < n->progress.schedule.interval_ns / 2)
        return clock_forward;
    return did_not_run(n, late_ns) ? not_run : busy;
}

/* Of a tick that has just ended. */
static const char *length_reason(const struct receiver_node *n)
{
    if (n->held_by != NULL)
        return n->held_by;
    return did_not_run(n, loop_boot_ns(n->receiver.base.loop) - n->begun_boot_ns) ? not_run
                                                                                  : long_tick;
}

static bool begin_tick(struct receiver_node *n)
{
    const struct receiver_type *type = n->receiver.type;
    int64_t now_ns = loop_wall_ns(n->receiver.base.loop);
    struct tick_due due = tick_schedule_due(&n->progress.schedule, now_ns);
    if (n->draining)
        return false;
    if (!due.due) {
        n->held_by = NULL;
        arm(n);
        return false;
    }
    if (type->is_ready != NULL && !type->is_ready(&n->receiver)) {
        n->held_by = not_ready;
        return false; /* receiver_ready wakes us */
    }
    n->waiting_for_room = !has_room(n);
    if (n->waiting_for_room) {
        n->held_by = exporter_full;
        return false;
    }
    if (n->gated && !elector_may_emit(n->elector)) {
        withhold(n);
        return false;
    }
    n->before = n->progress.schedule;
    tick_schedule_begin(&n->progress.schedule, &due, now_ns);
    n->skipped_before = due.skipped;
    n->skipped_reason = delay_reason(n);
    n->held_by = NULL;
    n->begun_boot_ns = loop_boot_ns(n->receiver.base.loop);
    n->cpu_before_ns = loop_cpu_ns(n->receiver.base.loop);
    int64_t start_ns = n->progress.schedule.start_ns;
    n->tick = (struct tick){.time_ns = due.time_ns,
                            .start_ns = start_ns < due.time_ns ? start_ns : due.time_ns};
    n->hand_over = hand_over_open(n, due.time_ns);
    n->gate_closed = false;
    n->tick_withheld = false;
    n->running = true;
    return true;
}

static void close_tick(struct receiver_node *n, bool complete)
{
    struct hand_over *h = n->hand_over;
    n->hand_over = NULL;
    n->running = false;
    n->waiting_for_room = false;
    hand_over_close(h, complete);
}

/* A tick has got something out: what was given up for it will not come any more. */
static void settle_skipped(struct receiver_node *n)
{
    count_skipped(n, n->skipped_before, n->tick.time_ns - n->progress.schedule.interval_ns,
                  n->skipped_reason);
    n->skipped_before = 0;
}

static void abandon_tick(struct receiver_node *n)
{
    if (n->hand_over->batch_count > 0)
        settle_skipped(n);
    if (n->receiver.type->abandon != NULL)
        n->receiver.type->abandon(&n->receiver, &n->tick);
    if (n->hand_over->batch_count == 0) {
        n->progress.schedule = n->before; /* nobody has seen any of it */
    } else if (n->tick.time_ns > n->progress.enqueued_ns) {
        /* Half of it is on its way: whoever comes next must not emit it once more. */
        n->progress.enqueued_ns = n->tick.time_ns;
        receiver_node_note(n);
    }
    n->tick_withheld = n->gate_closed;
    if (n->gate_closed)
        n->counters.ticks_withheld++;
    else
        n->counters.ticks_abandoned++;
    close_tick(n, false);
}

static void finish_tick(struct receiver_node *n)
{
    int64_t tick_ns = n->tick.time_ns;
    const char *reason = length_reason(n);
    settle_skipped(n);
    n->counters.ticks_emitted++;
    n->counters.ticks_repeated += tick_ns <= n->progress.schedule.repeat_ns;
    if (tick_ns > n->progress.enqueued_ns)
        n->progress.enqueued_ns = tick_ns;
    receiver_node_note(n);
    close_tick(n, true);
    uint64_t covered =
        tick_schedule_finish(&n->progress.schedule, loop_wall_ns(n->receiver.base.loop));
    count_skipped(n, covered, n->progress.schedule.done_ns, reason);
}

static void on_task(void *arg)
{
    struct receiver_node *n = arg;
    if (!n->active)
        return;
    if (!n->running) {
        if (!begin_tick(n))
            return;
    } else {
        n->waiting_for_room = !has_room(n);
        if (n->waiting_for_room) {
            n->held_by = exporter_full;
            return;
        }
    }
    enum step step = n->receiver.type->collect(&n->receiver, &n->tick);
    n->tick.step++;
    if (n->gate_closed)
        abandon_tick(n);
    else if (step == STEP_MORE)
        loop_task_post(&n->task);
    else
        finish_tick(n);
    if (n->running)
        return;
    if (n->draining)
        service_advance_later(n->graph->service);
    else
        arm(n);
}

void ticks_init(struct receiver_node *n)
{
    struct loop *loop = n->receiver.base.loop;
    loop_timer_init(loop, &n->timer, "receiver tick", on_task, n);
    loop_task_init(loop, &n->task, "receiver collect", on_task, n);
}

void ticks_begin(struct receiver_node *n)
{
    n->tick_withheld = false;
    n->held_by = before_term;
    loop_task_post(&n->task);
}

void ticks_end(struct receiver_node *n)
{
    loop_timer_clear(&n->timer);
    loop_task_cancel(&n->task);
    if (n->running)
        abandon_tick(n);
    n->waiting_for_room = false;
}

void ticks_wake(struct receiver_node *n)
{
    if (n->active)
        loop_task_post(&n->task);
}
