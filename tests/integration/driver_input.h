/* What drivers have in common: commands from standard input, one a line, and a log on standard error. */
#ifndef TEST_DRIVER_INPUT_H
#define TEST_DRIVER_INPUT_H

#include "base/buf.h"
#include "base/log.h"
#include "io/loop.h"
#include "io/loop_uv.h"

struct driver_input {
    struct loop *loop;
    struct buf bytes;
    uv_poll_t poll;
    void (*run)(void *arg, str line);
    void *arg;
};
/* Calls `run` for each line; the end of the input stops the loop. */
void driver_input_begin(struct driver_input *d, struct loop *loop, void (*run)(void *arg, str line), void *arg);
/* After the loop has ended, before it is freed. */
void driver_input_end(struct driver_input *d);
/* `*loop` is looked at with each line, and may be NULL until there is one. */
struct log *driver_log_new(enum log_level level, struct loop **loop);

#endif
