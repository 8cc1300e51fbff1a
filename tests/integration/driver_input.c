/* See driver_input.h. Lines are cut from what has come so far; a command may take as long as it likes, the next waits. */
#include "driver_input.h"

#include <unistd.h>

#include "base/limits.h"

static void take(void *arg)
{
    struct driver_input *d = arg;
    char bytes[4096];
    ssize_t count = read(STDIN_FILENO, bytes, sizeof bytes);
    if (count <= 0) {
        loop_stop(d->loop);
        return;
    }
    buf_append(&d->bytes, bytes, (size_t)count);
    str line, rest;
    while (str_cut(buf_view(&d->bytes), '\n', &line, &rest)) {
        size_t used = line.len + 1;
        d->run(d->arg, line);
        buf_consume(&d->bytes, used);
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct driver_input *d = poll->data;
    loop_call(d->loop, "driver command", take, d);
}

void driver_input_begin(struct driver_input *d, struct loop *loop, void (*run)(void *arg, str line), void *arg)
{
    d->loop = loop;
    d->run = run;
    d->arg = arg;
    buf_init(&d->bytes, 64 * KIB);
    CHECK(uv_poll_init(loop_uv(loop), &d->poll, STDIN_FILENO) == 0);
    d->poll.data = d;
    CHECK(uv_poll_start(&d->poll, UV_READABLE, on_readable) == 0);
}

void driver_input_end(struct driver_input *d)
{
    uv_close((uv_handle_t *)&d->poll, NULL);
    buf_deinit(&d->bytes);
}

static int64_t wall(void *arg)
{
    struct loop **loop = arg;
    return *loop == NULL ? 0 : loop_wall_ns(*loop);
}

static void write_log(void *arg, str line)
{
    (void)arg;
    (void)!write(STDERR_FILENO, line.data, line.len);
}

struct log *driver_log_new(enum log_level level, struct loop **loop)
{
    return log_new(&(struct log_config){.level = level, .sink = write_log, .wall_ns = wall, .wall_arg = loop});
}
