/*
 * When a PULL receiver ticks: pure arithmetic on wall clock times, no clock and no timers. Ticks are at t with
 * t = phase (mod interval) in ns since 1970; the number of a tick comes from its target, never from "now", so that two replicas
 * and two terms mean the same tick by the same time stamp.
 */
#ifndef SERVICE_TICK_SCHEDULE_H
#define SERVICE_TICK_SCHEDULE_H

#include "election/elector.h"

struct tick_schedule {
    int64_t interval_ns; /* > 0 */
    int64_t phase_ns;    /* 0 .. interval - 1 */
    int64_t start_ns;    /* start of the receiver's series */
    int64_t done_ns;     /* ticks up to here are over: emitted, begun or given up. INT64_MIN: none */
    bool fresh;          /* the first tick is due at once and has a time of its own */
    bool catching_up;    /* after a hand-over in order: overdue ticks come one by one, not only the newest */
    bool repeating;      /* with catching_up: too many of them means the newest few, not only one */
    int64_t repeat_ns;   /* ticks up to here are repeated ones: a crashed predecessor may have sent them. 0: none */
};

/* Where all replicas tick: a hash of the Lease's uid and the receiver's id, under a fixed key. Not gated: `lease_uid` empty. */
int64_t tick_phase(str lease_uid, str receiver_id, int64_t interval_ns);

/* Nobody ticked before: one tick at once with its own time, then aligned. */
void tick_schedule_fresh(struct tick_schedule *s, int64_t interval_ns, int64_t phase_ns, int64_t now_ns);

/* What a new term begins with. Returns how the note was taken: INHERIT_NONE (fresh) also for a note that cannot be used: another
 * interval, no tick in it, or from the future. `*maybe_sent` counts due ticks that the predecessor may have sent and that are
 * therefore left out (EXPIRED only; those after its last known one). */
enum inheritance tick_schedule_inherit(struct tick_schedule *s, int64_t interval_ns, int64_t phase_ns, enum inheritance inheritance,
                                       const struct note_entry *entry, int64_t gate_closed_ns, int64_t now_ns,
                                       uint64_t *maybe_sent);
/* After an inheritance of INHERIT_EXPIRED with this entry: ticks after the last one that was acknowledged come (again), each with its own
 * time, instead of being left out; of those that are overdue the newest LIMIT_TICKS_CAUGHT_UP. */
void tick_schedule_repeat(struct tick_schedule *s, const struct note_entry *entry);
/* Goes on where the same process stood (a reload): as after a release. */
void tick_schedule_resume(struct tick_schedule *s, const struct tick_schedule *earlier);
/* Ticks up to `time_ns` are over, whatever a note says. */
void tick_schedule_pass(struct tick_schedule *s, int64_t time_ns);

/* The first tick after `time_ns`; INT64_MAX when there is none in the range of int64. */
int64_t tick_schedule_after(const struct tick_schedule *s, int64_t time_ns);

struct tick_due {
    bool due;
    int64_t time_ns;  /* of the tick to emit; if none is due: of the next one */
    uint64_t skipped; /* ticks before it that are given up for it */
};
struct tick_due tick_schedule_due(const struct tick_schedule *s, int64_t now_ns);
/* A tick begins (or is given up): it and all before it are over. */
void tick_schedule_begin(struct tick_schedule *s, const struct tick_due *due, int64_t now_ns);
/* A tick ended at `now_ns`: those that fell due meanwhile are skipped; returns how many. While catching up, and after a first tick
 * with a time of its own, which may be shortly before one of the grid: none. */
uint64_t tick_schedule_finish(struct tick_schedule *s, int64_t now_ns);

/* How long a timer for a tick at `target_ns` is to run: rounded up to milliseconds, at most LIMIT_TICK_TIMER_MS (the wall clock
 * may step meanwhile), 0 if it is due. */
int64_t tick_timer_delay(int64_t target_ns, int64_t now_ns);

#endif
