/*
 * The program around the service, as a process of its own: real loop, real signals, its log read
 * line by line. Nothing here waits for a time, only for lines and for the end of the process.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "service/service.h"

/* -- components: a receiver that ticks ten times a second, an exporter that logs -- */

struct no_config {
    bool hang, fatal, fail;
};
static const struct config_field fields[] = {
    {.key = "hang", .type = CONFIG_BOOL, .offset = offsetof(struct no_config, hang)},
    {.key = "fatal", .type = CONFIG_BOOL, .offset = offsetof(struct no_config, fatal)},
    {.key = "fail", .type = CONFIG_BOOL, .offset = offsetof(struct no_config, fail)},
};
static const struct config_schema schema = {.name = "test",
                                            .size = sizeof(struct no_config),
                                            .fields = fields,
                                            .field_count = COUNT_OF(fields)};

static bool tick_create(struct receiver *r, const void *config, struct err *err)
{
    (void)r, (void)config, (void)err;
    return true;
}
static int64_t tick_interval_ns(const struct receiver *r)
{
    (void)r;
    return INT64_C(100000000);
}
static enum step tick_collect(struct receiver *r, struct tick *tick)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    batch_log(b, batch_scope(b, batch_resource(b)))->time_ns = tick->time_ns;
    receiver_emit(r, b);
    return STEP_DONE;
}
static void tick_destroy(struct receiver *r)
{
    (void)r;
}
static const struct receiver_type tick_type = {
    .name = "tick",
    .signals = SIGNAL_LOGS,
    .kind = RECEIVER_PULL,
    .can_be_warm = true,
    .stability = "alpha",
    .schema = &schema,
    .create = tick_create,
    .interval_ns = tick_interval_ns,
    .collect = tick_collect,
    .destroy = tick_destroy,
};

static bool out_create(struct exporter *e, const void *config, struct err *err)
{
    (void)err;
    e->base.state = (void *)(uintptr_t)config;
    return true;
}
static bool out_start(struct exporter *e, struct err *err)
{
    const struct no_config *c = e->base.state;
    if (c->fatal) {
        struct err reason;
        err_set(&reason, "cannot go on");
        component_report(&e->base, STATUS_FATAL_ERROR, &reason);
    }
    return c->fail ? err_set(err, "the port is taken") : true;
}
static void out_consume(struct exporter *e, struct batch *take_batch)
{
    log_info(&e->base.logger, "tick", F_INT("time", take_batch->origin.tick_ns));
    batch_outcome(take_batch, OUTCOME_SENT);
    batch_unref(take_batch);
}
static void out_stop(struct exporter *e, int64_t deadline_ns)
{
    const struct no_config *c = e->base.state;
    (void)deadline_ns;
    log_info(&e->base.logger, "asked to stop");
    if (!c->hang)
        exporter_stopped(e);
}
static void out_destroy(struct exporter *e)
{
    (void)e;
}
static const struct exporter_type out_type = {
    .name = "out",
    .signals = SIGNAL_LOGS,
    .stability = "alpha",
    .schema = &schema,
    .create = out_create,
    .start = out_start,
    .consume = out_consume,
    .stop = out_stop,
    .destroy = out_destroy,
};

static const struct receiver_type *const receivers[] = {&tick_type, NULL};
static const struct processor_type *const processors[] = {NULL};
static const struct exporter_type *const exporters[] = {&out_type, NULL};
static const struct extension_type *const extensions[] = {NULL};
static const struct components components = {receivers, processors, exporters, extensions};

/* -- the process -- */

struct process {
    char folder[64], config[128];
    pid_t pid;
    int log_fd;
    char text[4 * 1024 * 1024];
    size_t len;
};

#define YAML(out)                                                                                  \
    "receivers: {tick: {}}\nexporters: {out: {" out "}}\n"                                         \
    "service: {pipelines: {logs: {receivers: [tick], exporters: [out]}},\n"                        \
    "  telemetry: {logs: {sampling: {enabled: false}}}}\n"

static void rewrite(struct process *p, const char *yaml)
{
    FILE *f = fopen(p->config, "w");
    assert_non_null(f);
    assert_true(fputs(yaml, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static struct process *begin(const char *yaml)
{
    struct process *p = calloc(1, sizeof *p);
    snprintf(p->folder, sizeof p->folder, "/tmp/test_run_XXXXXX");
    assert_non_null(mkdtemp(p->folder));
    snprintf(p->config, sizeof p->config, "%s/config.yaml", p->folder);
    rewrite(p, yaml);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    p->pid = fork();
    assert_true(p->pid >= 0);
    if (p->pid == 0) {
        dup2(fds[1], STDERR_FILENO);
        close(fds[0]);
        close(fds[1]);
        struct config_source source = {.location = str_from(p->config)};
        int status = service_run(&components, &source, 1, STR_NONE);
        free(p);
        exit(status);
    }
    close(fds[1]);
    p->log_fd = fds[0];
    return p;
}

static int64_t now_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* Reads more of the log; false at its end. */
static bool read_more(struct process *p)
{
    struct pollfd poll_fd = {.fd = p->log_fd, .events = POLLIN};
    if (poll(&poll_fd, 1, 20000) != 1) {
        kill(p->pid, SIGKILL);
        fail_msg("nothing new for 20 s after:\n%s", p->text);
    }
    assert_true(p->len + 1 < sizeof p->text);
    ssize_t got = read(p->log_fd, p->text + p->len, sizeof p->text - 1 - p->len);
    assert_true(got >= 0);
    p->len += (size_t)got;
    p->text[p->len] = '\0';
    return got > 0;
}

static size_t count(const struct process *p, const char *text)
{
    size_t n = 0;
    for (const char *at = p->text; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

/* Until the log has `text` `n` times. */
static void await(struct process *p, const char *text, size_t n)
{
    while (count(p, text) < n)
        if (!read_more(p))
            fail_msg("the log ended without \"%s\":\n%s", text, p->text);
}

static int end(struct process *p)
{
    while (read_more(p)) {
    }
    int status;
    assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
    if (!WIFEXITED(status))
        fail_msg("ended by signal %d:\n%s", WTERMSIG(status), p->text);
    close(p->log_fd);
    return WEXITSTATUS(status);
}

static void forget(struct process *p)
{
    unlink(p->config);
    char path[160];
    snprintf(path, sizeof path, "%s/log", p->folder);
    unlink(path);
    rmdir(p->folder);
    free(p);
}

static void test_signals_stop_it(void **state)
{
    (void)state;
    static const struct {
        int number;
        const char *line;
    } signals[] = {{SIGTERM, "\"signal\": \"terminated\"}"},
                   {SIGINT, "\"signal\": \"interrupt\"}"}};
    for (size_t i = 0; i < COUNT_OF(signals); i++) {
        struct process *p = begin(YAML(""));
        await(p, "Everything is ready. Begin running and processing data.", 1);
        await(p, "\ttick\t", 3);
        kill(p->pid, signals[i].number);
        assert_int_equal(end(p), 0);
        assert_int_equal(count(p, "Received signal from OS"), 1);
        const char *received = strstr(p->text, "Received signal from OS");
        assert_non_null(strstr(p->text, signals[i].line));
        const char *starting = strstr(received, "Starting shutdown...");
        assert_non_null(starting);
        assert_non_null(strstr(starting, "Shutdown complete."));
        assert_non_null(strstr(p->text, "Starting baton..."));
        /* time, level, caller, message, fields; the resource on each line */
        assert_non_null(strstr(p->text, "\tinfo\tservice/service.c:"));
        assert_int_equal(count(p, "\"service.name\": \"baton\""), count(p, "\n"));
        forget(p);
    }
}

static void test_a_second_signal_ends_it_at_once(void **state)
{
    (void)state;
    struct process *p = begin(YAML("hang: true"));
    await(p, "\ttick\t", 1);
    kill(p->pid, SIGTERM);
    await(p, "asked to stop", 1);
    int64_t asked_ms = now_ms();
    kill(p->pid, SIGINT);
    assert_int_equal(end(p), 1);
    assert_true(now_ms() - asked_ms < 4000); /* and not after the drain's 6 s */
    assert_int_equal(count(p, "Second signal"), 1);
    assert_int_equal(count(p, "Shutdown complete."), 0);
    forget(p);
}

static void test_user_signal_ends_nothing(void **state)
{
    (void)state;
    struct process *p = begin(YAML(""));
    await(p, "\ttick\t", 1);
    kill(p->pid, SIGUSR1);
    await(p, "Nothing to hand over: this replica leads by no Lease", 1);
    await(p, "\ttick\t", count(p, "\ttick\t") + 2);
    kill(p->pid, SIGTERM);
    assert_int_equal(end(p), 0);
    forget(p);
}

static void test_hangup_reloads(void **state)
{
    (void)state;
    struct process *p = begin(YAML(""));
    await(p, "\ttick\t", 2);
    rewrite(p, "receivers: [broken");
    kill(p->pid, SIGHUP);
    await(p, "the old one goes on", 1);
    await(p, "\ttick\t", count(p, "\ttick\t") + 2);
    rewrite(p, "receivers: {tick: {}}\nexporters: {out/new: {}}\n"
               "service: {pipelines: {logs: {receivers: [tick], exporters: [out/new]}},\n"
               "  telemetry: {logs: {encoding: json, sampling: {enabled: false}}, resource: {zone: "
               "a}}}\n");
    kill(p->pid, SIGHUP);
    await(p, "\"otelcol.component.id\":\"out/new\"", 3);
    await(p, "\"msg\":\"Config updated, restart service\"", 1);
    assert_true(count(p, "\"zone\"") > 0);
    kill(p->pid, SIGTERM);
    assert_int_equal(end(p), 0);
    /* Ten a second, none missing, none twice, over both reloads. */
    int64_t last = 0;
    size_t ticks = 0;
    for (const char *at = p->text; (at = strstr(at, "\"time\":")) != NULL; at++) {
        int64_t time = strtoll(at + 7, NULL, 10);
        if (ticks > 1)
            assert_int_equal(time, last + INT64_C(100000000));
        last = time;
        ticks++;
    }
    assert_true(ticks >= 7);
    forget(p);
}

static void test_it_does_not_start(void **state)
{
    (void)state;
    struct process *p =
        begin("receivers: {tick: {}, nosuch: {}}\nexporters: {out: {fail: 7}}\n"
              "service: {pipelines: {logs: {receivers: [tick], exporters: [out]}}}\n");
    assert_int_equal(end(p), 1);
    assert_int_equal(strncmp(p->text, "Error: invalid configuration:\n", 30), 0);
    assert_non_null(strstr(p->text, "config.yaml:1:23")); /* all of them, each with its place */
    assert_non_null(strstr(p->text, "config.yaml:2:25"));
    assert_int_equal(count(p, "Starting baton"), 0);
    forget(p);

    p = begin(YAML("fail: true"));
    assert_int_equal(end(p), 1);
    assert_non_null(strstr(p->text, "failed to start \\\"out\\\" exporter: the port is taken"));
    forget(p);

    p = begin(YAML("fatal: true"));
    assert_int_equal(end(p), 1);
    assert_non_null(strstr(p->text, "Asynchronous error received, terminating process"));
    assert_non_null(strstr(p->text, "out: cannot go on"));
    assert_non_null(strstr(p->text, "Shutdown complete."));
    forget(p);
}

static void test_output_paths(void **state)
{
    (void)state;
    struct process *p = begin("");
    assert_int_equal(end(p), 1);
    forget(p);

    char yaml[1024];
    p = begin(YAML("")); /* for its folder */
    await(p, "\ttick\t", 1);
    snprintf(yaml, sizeof yaml,
             "receivers: {tick: {}}\nexporters: {out: {}}\n"
             "service: {pipelines: {logs: {receivers: [tick], exporters: [out]}},\n"
             "  telemetry: {logs: {output_paths: [stderr, %s/log], disable_caller: true, "
             "initial_fields: {site: here}}}}\n",
             p->folder);
    rewrite(p, yaml);
    kill(p->pid, SIGHUP);
    await(p, "\"site\": \"here\"", 3);
    /* An output that cannot be opened: everything stays as it is. */
    snprintf(yaml, sizeof yaml,
             "receivers: {tick: {}}\nexporters: {out: {}}\n"
             "service: {pipelines: {logs: {receivers: [tick], exporters: [out]}},\n"
             "  telemetry: {logs: {output_paths: [stderr, %s/no/log]}}}\n",
             p->folder);
    rewrite(p, yaml);
    kill(p->pid, SIGHUP);
    await(p, "Reload failed; the old configuration goes on", 1);
    await(p, "\"site\": \"here\"", count(p, "\"site\": \"here\"") + 2);
    kill(p->pid, SIGTERM);
    assert_int_equal(end(p), 0);
    /* The file has what stderr had since it was opened. */
    char path[160];
    char file[65536];
    snprintf(path, sizeof path, "%s/log", p->folder);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    size_t len = fread(file, 1, sizeof file - 1, f);
    fclose(f);
    file[len] = '\0';
    const char *same = strstr(p->text, "{\"site\": \"here\"");
    assert_non_null(same);
    while (same > p->text && same[-1] != '\n')
        same--;
    assert_string_equal(file, same);
    forget(p);
}

int main(void)
{
    signal(SIGPIPE, SIG_IGN);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_signals_stop_it),
        cmocka_unit_test(test_a_second_signal_ends_it_at_once),
        cmocka_unit_test(test_user_signal_ends_nothing),
        cmocka_unit_test(test_hangup_reloads),
        cmocka_unit_test(test_it_does_not_start),
        cmocka_unit_test(test_output_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
