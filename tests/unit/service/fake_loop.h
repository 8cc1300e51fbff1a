/*
 * io/loop.h with a clock of its own, for tests: nothing waits, a test says how far time goes. Link instead of the loop in io/.
 */
#ifndef FAKE_LOOP_H
#define FAKE_LOOP_H

#include "io/loop.h"

struct loop *fake_loop_new(int64_t boot_ns, int64_t wall_ns);
/* Calls everything that is due until `duration_ns` has passed. Tasks cost no time. */
void fake_loop_run(struct loop *loop, int64_t duration_ns);
/* Tasks only, no timer: "the same turn". */
void fake_loop_settle(struct loop *loop);
/* All timers that are due, before the tasks that are posted: when an answer and a timer come out of the same wait. */
void fake_loop_fire(struct loop *loop);
/* The wall clock steps. */
void fake_loop_step_wall(struct loop *loop, int64_t by_ns);
/* Time that passes inside a handler, which computes. */
void fake_loop_spend(struct loop *loop, int64_t ns);
/* Time that passes while nothing runs. */
void fake_loop_pause(struct loop *loop, int64_t ns);
bool fake_loop_was_stopped(const struct loop *loop);

#endif
