/*
 * The program around the service: logs, loop, signals, exit status.
 *
 * Life: logs to stderr -> loop, signals (from here on a SIGTERM ends the program in order, also
 * while it starts) -> configuration -> service -> loop until the service has ended.
 *
 * Signals: the first SIGTERM or SIGINT stops in order, exit status 0; another one ends the wait for
 * the next leader, if there is one, else the program, at once, exit status 1; SIGHUP reloads.
 *
 * Specification: collector_host 1.1 (exit codes), 2.2. Differs: a second signal has an effect.
 */
#include "service/service.h"

#include <signal.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/loop_uv.h"

enum { FLUSH_AT_EXIT_MS = 1000, FLUSH_AT_ONCE_MS = 500, SIGNUM_COUNT = 3 };

struct process {
    struct log_outputs *outputs;
    struct log *log;
    struct logger logger;
    struct loop *loop;
    struct service *service;
    struct loop_signal signals[SIGNUM_COUNT];
    bool stop_asked, ended;
    int exit_status;
};

static int64_t wall_ns(void *arg)
{
    const struct process *p = arg;
    return p->loop == NULL ? 0 : loop_wall_ns(p->loop);
}

static void on_end(void *arg, int exit_status)
{
    struct process *p = arg;
    p->exit_status = exit_status;
    p->ended = true;
    loop_stop(p->loop);
}

static void on_stop_signal(struct process *p, const char *name)
{
    log_info(&p->logger, "Received signal from OS", F_CSTR("signal", name));
    if (!p->stop_asked) {
        p->stop_asked = true;
        service_stop(p->service);
        return;
    }
    if (p->service != NULL && service_stop_waiting(p->service)) {
        log_warn(&p->logger, "Second signal, not waiting for the next leader to be ready");
        return;
    }
    log_error(&p->logger,
              "Second signal, ending at once: the Lease may stay held, data may be lost");
    log_outputs_flush(p->outputs, FLUSH_AT_ONCE_MS);
    _exit(1);
}

static void on_signal(void *arg, int signum)
{
    struct process *p = arg;
    switch (signum) {
    case SIGHUP:
        log_info(&p->logger, "Received signal from OS", F_CSTR("signal", "hangup"));
        service_reload(p->service);
        break;
    case SIGINT:
        on_stop_signal(p, "interrupt");
        break;
    default:
        on_stop_signal(p, "terminated");
        break;
    }
}

static bool process_init(struct process *p, struct err *err)
{
    static const int signums[SIGNUM_COUNT] = {SIGTERM, SIGINT, SIGHUP};
    signal(SIGPIPE, SIG_IGN); /* a closed pipe is an error of that write */
    p->outputs = log_outputs_new(err);
    if (p->outputs == NULL)
        return false;
    const struct log_config log_config = {
        .level = LOG_INFO,
        .sink = log_outputs_write,
        .sink_arg = p->outputs,
        .wall_ns = wall_ns,
        .wall_arg = p,
    };
    p->log = log_new(&log_config);
    p->logger = (struct logger){.log = p->log};
    p->loop = loop_new(&p->logger, err);
    if (p->loop == NULL)
        return false;
    for (size_t i = 0; i < SIGNUM_COUNT; i++)
        if (!loop_signal_start(p->loop, &p->signals[i], signums[i], on_signal, p, err))
            return false;
    return true;
}

static void process_deinit(struct process *p)
{
    service_free(p->service);
    for (size_t i = 0; i < SIGNUM_COUNT; i++)
        if (p->signals[i].loop != NULL)
            loop_signal_stop(&p->signals[i]);
    if (p->loop != NULL)
        loop_free(p->loop);
    p->loop = NULL;
    log_free(p->log);
    log_outputs_free(p->outputs, FLUSH_AT_EXIT_MS);
}

static void write_error(struct process *p, const char *text)
{
    struct buf line;
    buf_init(&line, LIMIT_LOG_LINE_BYTES);
    buf_printf(&line, "Error: %s\n", text);
    log_outputs_write(p->outputs, buf_view(&line));
    buf_deinit(&line);
}

static struct settings *load(struct process *p, const struct components *components,
                             const struct config_source *sources, size_t source_count)
{
    struct settings *settings = settings_load(components, sources, source_count);
    if (settings->messages.error_count == 0)
        return settings;
    struct buf text;
    buf_init(&text, LIMIT_LOG_LINE_BYTES / 2);
    buf_text(&text, "invalid configuration:\n");
    config_messages_print(&text, &settings->messages, true, false);
    write_error(p, buf_cstr(&text));
    buf_deinit(&text);
    settings_free(settings);
    return NULL;
}

int service_run(const struct components *components, const struct config_source *sources,
                size_t source_count, str feature_gates)
{
    struct process p = {.exit_status = 1};
    struct err err;
    if (!process_init(&p, &err)) {
        if (p.outputs != NULL)
            write_error(&p, err.text);
        process_deinit(&p);
        return 1;
    }
    struct settings *settings = load(&p, components, sources, source_count);
    if (settings != NULL) {
        const struct service_config config = {
            .loop = p.loop,
            .log = p.log,
            .outputs = p.outputs,
            .components = components,
            .sources = sources,
            .source_count = source_count,
            .feature_gates = feature_gates,
            .serves_own_metrics = true,
            .on_end = on_end,
            .arg = &p,
        };
        p.service = service_new(&config);
        service_start(p.service, settings);
        while (!p.ended)
            loop_run(p.loop);
    }
    int exit_status = p.exit_status;
    process_deinit(&p);
    return exit_status;
}
