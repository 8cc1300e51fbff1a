/*
 * When a PULL receiver ticks.
 *
 * Life of a tick: tick_schedule_due says that it is due (or when to look again, at most a second
 * ahead) -> tick_schedule_begin puts it behind us -> batches are handed over ->
 * tick_schedule_finish gives up what fell due meanwhile.
 *
 * Invariants
 *  - done_ns only grows: a wall clock that goes back waits until it has come round again, it never
 *    repeats a tick.
 *  - the next tick is the first of the grid after done_ns, however late we look.
 *  - ticks are given up only by the rules below, and each one is counted.
 *
 * Overdue ticks. In the ordinary course only the newest is emitted: its values are nearest to the
 * truth. After a hand-over in order (release, our own earlier term, a reload) the hole is ours to
 * fill: each overdue tick comes with its own time, as long as they are few; a hole of more than
 * LIMIT_TICKS_CAUGHT_UP ticks was an outage, not a hand-over. After a crash what may have been sent is
 * left out, unless it is to be repeated: then the newest LIMIT_TICKS_CAUGHT_UP come, for a Lease that
 * had to expire is a hole of more ticks than that at short intervals.
 */
#include "service/tick_schedule.h"

#include <endian.h>

#include "base/limits.h"
#include "base/map.h"

#define MS INT64_C(1000000)

/* Fixed, so that all replicas agree on a phase; its digits mean nothing. */
static const uint64_t phase_key[2] = {UINT64_C(0x62a70e1d5c3f9b84), UINT64_C(0x1f8e46d2b0973ca5)};

int64_t tick_phase(str lease_uid, str receiver_id, int64_t interval_ns)
{
    CHECK(interval_ns > 0);
    /* Both hashed by themselves: no pair of texts can be cut at another place and mean the same. */
    uint64_t parts[2] = {lease_uid.len == 0 ? 0 : htole64(sip_hash(phase_key, lease_uid)),
                         htole64(sip_hash(phase_key, receiver_id))};
    uint64_t hash = sip_hash(phase_key, str_make((const char *)parts, sizeof parts));
    return (int64_t)(hash % (uint64_t)interval_ns);
}

static int64_t add_saturated(int64_t a, int64_t b)
{
    int64_t sum;
    if (__builtin_add_overflow(a, b, &sum))
        return b > 0 ? INT64_MAX : INT64_MIN;
    return sum;
}

static int64_t sub_saturated(int64_t a, int64_t b)
{
    int64_t difference;
    if (__builtin_sub_overflow(a, b, &difference))
        return b < 0 ? INT64_MAX : INT64_MIN;
    return difference;
}

/* How far `time_ns` is past the tick at or before it: 0 .. interval - 1. */
static int64_t past_tick(const struct tick_schedule *s, int64_t time_ns)
{
    int64_t rest = time_ns % s->interval_ns;
    if (rest < 0)
        rest += s->interval_ns;
    rest -= s->phase_ns;
    return rest < 0 ? rest + s->interval_ns : rest;
}

int64_t tick_schedule_after(const struct tick_schedule *s, int64_t time_ns)
{
    return add_saturated(time_ns, s->interval_ns - past_tick(s, time_ns));
}

static void set(struct tick_schedule *s, int64_t interval_ns, int64_t phase_ns)
{
    CHECK(interval_ns > 0 && phase_ns >= 0 && phase_ns < interval_ns);
    *s = (struct tick_schedule){
        .interval_ns = interval_ns, .phase_ns = phase_ns, .done_ns = INT64_MIN};
}

void tick_schedule_fresh(struct tick_schedule *s, int64_t interval_ns, int64_t phase_ns,
                         int64_t now_ns)
{
    set(s, interval_ns, phase_ns);
    s->start_ns = now_ns;
    s->fresh = true;
}

static bool entry_is_usable(const struct note_entry *entry, int64_t interval_ns, int64_t now_ns)
{
    int64_t ahead_max_ns =
        interval_ns > LIMIT_NOTE_AHEAD_MS * MS ? interval_ns : LIMIT_NOTE_AHEAD_MS * MS;
    return entry->interval_ns == interval_ns && entry->phase_ns >= 0 &&
           entry->phase_ns < interval_ns && entry->enqueued_ns > 0 &&
           sub_saturated(entry->enqueued_ns, now_ns) <= ahead_max_ns;
}

/* Ticks after `from_ns` and not after `to_ns`. */
static uint64_t count_between(const struct tick_schedule *s, int64_t from_ns, int64_t to_ns)
{
    int64_t first_ns = tick_schedule_after(s, from_ns);
    if (first_ns == INT64_MAX || first_ns > to_ns)
        return 0;
    return ((uint64_t)to_ns - (uint64_t)first_ns) / (uint64_t)s->interval_ns + 1;
}

enum inheritance tick_schedule_inherit(struct tick_schedule *s, int64_t interval_ns,
                                       int64_t phase_ns, enum inheritance inheritance,
                                       const struct note_entry *entry, int64_t gate_closed_ns,
                                       int64_t now_ns, uint64_t *maybe_sent)
{
    *maybe_sent = 0;
    if (inheritance == INHERIT_NONE || !entry_is_usable(entry, interval_ns, now_ns)) {
        tick_schedule_fresh(s, interval_ns, phase_ns, now_ns);
        return INHERIT_NONE;
    }
    set(s, interval_ns, entry->phase_ns);
    s->done_ns = entry->enqueued_ns;
    /* A series cannot begin after a point of it. */
    s->start_ns = entry->start_ns > 0 && entry->start_ns <= entry->enqueued_ns ? entry->start_ns
                                                                               : entry->enqueued_ns;
    s->catching_up = inheritance != INHERIT_EXPIRED;
    if (inheritance == INHERIT_EXPIRED) {
        /* We lead now, so it was closed by now at the latest. */
        int64_t closed_ns = gate_closed_ns < now_ns ? gate_closed_ns : now_ns;
        *maybe_sent = count_between(s, s->done_ns, closed_ns);
        tick_schedule_pass(s, closed_ns);
    }
    return inheritance;
}

void tick_schedule_repeat(struct tick_schedule *s, const struct note_entry *entry)
{
    bool known = entry->acknowledged_ns > 0 && entry->acknowledged_ns <= entry->enqueued_ns;
    s->repeat_ns = s->done_ns;
    s->done_ns = known ? entry->acknowledged_ns : s->start_ns;
    s->catching_up = s->repeating = true;
}

void tick_schedule_resume(struct tick_schedule *s, const struct tick_schedule *earlier)
{
    *s = *earlier;
    s->catching_up = !s->fresh;
}

void tick_schedule_pass(struct tick_schedule *s, int64_t time_ns)
{
    if (time_ns > s->done_ns)
        s->done_ns = time_ns;
}

struct tick_due tick_schedule_due(const struct tick_schedule *s, int64_t now_ns)
{
    if (s->fresh && now_ns > s->done_ns)
        return (struct tick_due){.due = true, .time_ns = now_ns};
    struct tick_due due = {.time_ns = tick_schedule_after(s, s->done_ns)};
    if (due.time_ns == INT64_MAX || due.time_ns > now_ns)
        return due;
    due.due = true;
    uint64_t count = count_between(s, s->done_ns, now_ns);
    if (count == 1 || (s->catching_up && count <= LIMIT_TICKS_CAUGHT_UP))
        return due;
    uint64_t kept = s->repeating ? LIMIT_TICKS_CAUGHT_UP : 1;
    due.skipped = count - kept;
    due.time_ns = now_ns - past_tick(s, now_ns) - (int64_t)(kept - 1) * s->interval_ns;
    return due;
}

void tick_schedule_begin(struct tick_schedule *s, const struct tick_due *due, int64_t now_ns)
{
    CHECK(due->due && due->time_ns > s->done_ns);
    s->done_ns = due->time_ns;
    s->fresh = false;
    if ((due->skipped > 0 && !s->repeating) || tick_schedule_after(s, s->done_ns) > now_ns)
        s->catching_up = s->repeating = false;
}

uint64_t tick_schedule_finish(struct tick_schedule *s, int64_t now_ns)
{
    bool has_own_time =
        past_tick(s, s->done_ns) != 0; /* the first of the grid may follow at once */
    if (s->catching_up || has_own_time)
        return 0;
    uint64_t covered = count_between(s, s->done_ns, now_ns);
    if (covered > 0)
        s->done_ns = now_ns - past_tick(s, now_ns);
    return covered;
}

int64_t tick_timer_delay(int64_t target_ns, int64_t now_ns)
{
    if (target_ns <= now_ns)
        return 0;
    int64_t left_ns = sub_saturated(target_ns, now_ns);
    if (left_ns > LIMIT_TICK_TIMER_MS * MS)
        return LIMIT_TICK_TIMER_MS * MS;
    return (left_ns + MS - 1) / MS * MS;
}
