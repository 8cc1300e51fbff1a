/* Runs another program off the loop: stdin is /dev/null, stdout captured up to LIMIT_EXEC_OUTPUT_BYTES, stderr passes through. */
#ifndef IO_SPAWN_H
#define IO_SPAWN_H

#include "io/loop.h"

struct spawn_result {
    bool started;      /* false: err says why (code ENOENT: command not found) */
    bool timed_out;    /* killed after timeout_ms */
    int exit_code;     /* -1 if ended by a signal */
    int signal_number;
    str output;
    struct err err;    /* code ETIMEDOUT: killed after timeout_ms; EFBIG: killed, the output was too large and is cut */
};
struct spawn_call;
/* `args` (NULL-terminated, args[0] = command; looked up in PATH without a slash) and `env` ("K=V", NULL-terminated, added to
 * ours) are copied. Calls back exactly once unless cancelled. */
struct spawn_call *spawn_run(struct loop *loop, char *const args[], char *const env[], int64_t timeout_ms,
                             void (*done)(void *arg, const struct spawn_result *result), void *arg);
void spawn_cancel(struct spawn_call *call); /* kills the process; no callback */

#endif
