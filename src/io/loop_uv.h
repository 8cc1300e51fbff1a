/* The parts of the loop that only code with file descriptors uses; not in the simulation. */
#ifndef IO_LOOP_UV_H
#define IO_LOOP_UV_H

#include <uv.h>

#include "io/loop.h"

uv_loop_t *loop_uv(struct loop *loop);

/* Calls `fn(arg, signum)` in the loop's thread for each arrival of the signal. */
struct loop_signal {
    struct loop *loop;
    void (*fn)(void *arg, int signum);
    void *arg;
    uv_signal_t handle;
};
NODISCARD bool loop_signal_start(struct loop *loop, struct loop_signal *s, int signum, void (*fn)(void *, int), void *arg,
                                 struct err *err);
/* `s` must stay valid until the loop has run once more or is freed. */
void loop_signal_stop(struct loop_signal *s);

#endif
