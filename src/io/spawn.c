/*
 * Runs another program without waiting for it.
 *
 * Life of a call: spawn_run starts the program in a session (and so a process group) of its own,
 * with /dev/null as stdin, a pipe as stdout and our stderr. It is over when the program has ended
 * and its stdout was read to the end; a program that left a child behind with its stdout open is
 * waited for LIMIT_EXEC_EOF_WAIT_MS longer. Then `done` is called and the call is freed as soon as
 * libuv has let go of its two handles.
 *
 * When time is up, or stdout is larger than LIMIT_EXEC_OUTPUT_BYTES, or the call is cancelled, the
 * whole process group is killed. A cancelled call lives on until the process was waited for, so
 * that no zombie stays.
 *
 * stdout is a pipe rather than libuv's socket pair: programs may open /dev/stdout, which fails on a
 * socket.
 */
#include "io/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "io/loop_uv.h"

extern char **environ;

enum { NS_PER_MS = 1000000, READ_BYTES = 16 * 1024 };

struct spawn_call {
    struct loop *loop;
    void (*done)(void *arg, const struct spawn_result *result);
    void *arg;
    uv_process_t process;
    uv_pipe_t pipe;
    unsigned open_handle_count; /* the call is freed when there are none left */
    struct loop_timer timeout;
    struct loop_timer eof_wait;
    struct loop_task failed; /* tells of a program that could not be started */
    bool spawned;            /* `process` is a handle of libuv's, started or not */
    bool running, eof, finished;
    struct spawn_result result;
    struct buf output;
    char read_buffer[READ_BYTES];
};

/* -- the environment of the program -- */

static bool same_variable(const char *a, const char *b)
{
    const char *end = strchr(a, '=');
    size_t len = end == NULL ? strlen(a) : (size_t)(end - a) + 1;
    return strncmp(a, b, len) == 0;
}

static bool overridden(const char *variable, char *const extra[])
{
    for (size_t i = 0; extra != NULL && extra[i] != NULL; i++)
        if (same_variable(extra[i], variable))
            return true;
    return false;
}

/* Ours without what `extra` sets anew, then `extra`. The array is the caller's, the texts are not.
 */
static char **merged_environment(char *const extra[])
{
    size_t count = 0, extra_count = 0, used = 0;
    while (environ != NULL && environ[count] != NULL)
        count++;
    while (extra != NULL && extra[extra_count] != NULL)
        extra_count++;
    char **merged = mem_alloc((count + extra_count + 1) * sizeof(char *));
    for (size_t i = 0; i < count; i++)
        if (!overridden(environ[i], extra))
            merged[used++] = environ[i];
    for (size_t i = 0; i < extra_count; i++)
        merged[used++] = extra[i];
    merged[used] = NULL;
    return merged;
}

/* -- end of a call -- */

static void on_handle_closed(uv_handle_t *handle)
{
    struct spawn_call *call = handle->data;
    if (--call->open_handle_count == 0) {
        buf_deinit(&call->output);
        mem_free(call);
    }
}

static void close_handle(uv_handle_t *handle)
{
    if (!uv_is_closing(handle))
        uv_close(handle, on_handle_closed);
}

static void kill_group(struct spawn_call *call)
{
    if (call->running)
        (void)kill(-call->process.pid, SIGKILL);
}

/* No callback from here on. */
static void call_finish(struct spawn_call *call)
{
    call->finished = true;
    loop_timer_clear(&call->timeout);
    loop_timer_clear(&call->eof_wait);
    loop_task_cancel(&call->failed);
    close_handle((uv_handle_t *)&call->pipe);
    if (call->spawned && !call->running)
        close_handle((uv_handle_t *)&call->process);
}

static void call_report(void *arg)
{
    struct spawn_call *call = arg;
    call_finish(call);
    call->result.output = buf_view(&call->output);
    call->done(call->arg, &call->result);
}

static void report_if_over(struct spawn_call *call)
{
    if (call->running || call->finished)
        return;
    if (call->eof)
        loop_call(call->loop, "spawned program ended", call_report, call);
    else if (!loop_timer_armed(&call->eof_wait))
        loop_timer_set_after(&call->eof_wait, (int64_t)LIMIT_EXEC_EOF_WAIT_MS * NS_PER_MS);
}

/* -- events -- */

static void on_exit_status(uv_process_t *process, int64_t exit_status, int term_signal)
{
    struct spawn_call *call = process->data;
    call->running = false;
    call->result.exit_code = term_signal != 0 ? -1 : (int)exit_status;
    call->result.signal_number = term_signal;
    if (call->finished)
        close_handle((uv_handle_t *)process);
    else
        report_if_over(call);
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buffer)
{
    (void)suggested;
    struct spawn_call *call = handle->data;
    *buffer = uv_buf_init(call->read_buffer, sizeof(call->read_buffer));
}

static void on_read(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct spawn_call *call = stream->data;
    if (got > 0 && !call->output.overflow) {
        buf_append(&call->output, buffer->base, (size_t)got);
        if (call->output.overflow) {
            err_set_code(&call->result.err, EFBIG, "the program wrote more than %zu bytes",
                         (size_t)LIMIT_EXEC_OUTPUT_BYTES);
            kill_group(call);
        }
    }
    if (got < 0) {
        uv_read_stop(stream);
        call->eof = true;
        report_if_over(call);
    }
}

static void on_timeout(void *arg)
{
    struct spawn_call *call = arg;
    call->result.timed_out = true;
    err_set_code(&call->result.err, ETIMEDOUT, "the program did not end in time and was killed");
    kill_group(call); /* its end is reported when it was waited for */
}

/* -- start -- */

/* Starts the program; 0 or a libuv error. */
static int start(struct spawn_call *call, char *const args[], char *const env[])
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) != 0)
        return -errno;
    int rc = uv_pipe_open(&call->pipe, fds[0]); /* makes it non-blocking */
    if (rc != 0) {
        close(fds[0]);
        close(fds[1]);
        return rc;
    }
    char **merged = merged_environment(env);
    uv_stdio_container_t stdio[3] = {
        {.flags = UV_IGNORE},
        {.flags = UV_INHERIT_FD, .data.fd = fds[1]},
        {.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
    };
    if (fcntl(STDERR_FILENO, F_GETFD) < 0)
        stdio[2].flags = UV_IGNORE;
    const uv_process_options_t options = {
        .exit_cb = on_exit_status,
        .file = args[0],
        .args = (char **)(uintptr_t)args, /* not written to */
        .env = merged,
        .flags = UV_PROCESS_DETACHED, /* a session of its own */
        .stdio_count = 3,
        .stdio = stdio,
    };
    call->spawned = true;
    call->open_handle_count++;
    rc = uv_spawn(loop_uv(call->loop), &call->process, &options);
    mem_free(merged);
    close(fds[1]);
    return rc;
}

struct spawn_call *spawn_run(struct loop *loop, char *const args[], char *const env[],
                             int64_t timeout_ms,
                             void (*done)(void *arg, const struct spawn_result *result), void *arg)
{
    CHECK(args[0] != NULL && timeout_ms > 0);
    struct spawn_call *call = mem_zalloc(sizeof(*call));
    call->loop = loop;
    call->done = done;
    call->arg = arg;
    call->result.exit_code = -1;
    buf_init(&call->output, LIMIT_EXEC_OUTPUT_BYTES);
    loop_timer_init(loop, &call->timeout, "spawned program timeout", on_timeout, call);
    loop_timer_init(loop, &call->eof_wait, "spawned program end of output", call_report, call);
    loop_task_init(loop, &call->failed, "spawned program failed", call_report, call);
    CHECK(uv_pipe_init(loop_uv(loop), &call->pipe, 0) == 0);
    call->pipe.data = call;
    call->process.data = call;
    call->open_handle_count = 1;
    int rc = start(call, args, env);
    if (rc != 0) {
        err_set_code(&call->result.err, -rc, "cannot run \"%s\": %s", args[0], uv_strerror(rc));
        loop_task_post(&call->failed);
        return call;
    }
    call->running = true;
    call->result.started = true;
    loop_timer_set_after(&call->timeout, timeout_ms * NS_PER_MS);
    CHECK(uv_read_start((uv_stream_t *)&call->pipe, on_alloc, on_read) == 0);
    return call;
}

void spawn_cancel(struct spawn_call *call)
{
    kill_group(call);
    call_finish(call);
}
