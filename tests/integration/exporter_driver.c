/*
 * Drives one exporter by hand, without the service: for tests that need batches which no receiver makes.
 *
 *   exporter_driver TYPE YAML       the exporter's type, and its configuration as YAML
 *
 * Reads commands from standard input, one a line, and answers each with a line of JSON on standard output; the log goes to
 * standard error. Ends after `stop`, or when its input ends.
 *
 *   feed SIGNAL ITEMS BYTES COUNT   COUNT batches of ITEMS items with a text of BYTES bytes each, handed over as the exporter
 *                                   has room; answers when the last one was
 *   push SIGNAL ITEMS BYTES COUNT   the same without asking for room
 *   settle                          answers when every batch has an outcome
 *   stats                           answers at once
 *   stop MS                         stops with that deadline; the answer comes when the exporter has stopped
 *
 * Answers: outcomes so far, batches that owe one, threads, resident memory, heap in use.
 */
#include <dirent.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "exporters/exporters.h"
#include "io/file.h"
#include "io/log_writer.h"
#include "io/loop_uv.h"
#include "wire/text.h"

#define MS INT64_C(1000000)

struct driver {
    struct loop *loop;
    struct log *log;
    struct logger logger;
    struct exporter exporter;
    struct buf input;
    uv_poll_t stdin_poll;
    bool input_ended, stopping;
    bool starving; /* a feed waits for room */
    bool settling; /* an answer waits for outcomes */
    enum signal signal;
    size_t items, bytes, left; /* of the feed under way */
    size_t open_count;
    int outcomes[3];
    uint64_t number; /* of the next item */
};

static void next_command(struct driver *d);

/* ---- answers ---- */

static size_t thread_count(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    CHECK(dir != NULL);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

static size_t resident_bytes(void)
{
    struct buf text;
    struct err err;
    str total, rest, resident;
    uint64_t pages = 0;
    buf_init(&text, 4 * KIB);
    CHECK(file_read("/proc/self/statm", &text, &err));
    CHECK(str_cut(buf_view(&text), ' ', &total, &rest) && str_cut(rest, ' ', &resident, &rest) &&
          str_to_u64(resident, &pages));
    buf_deinit(&text);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

static void answer(struct driver *d, const char *what)
{
    bool room = d->exporter.type->has_room == NULL || d->exporter.type->has_room(&d->exporter);
    printf("{\"answer\": \"%s\", \"sent\": %d, \"dropped\": %d, \"refused\": %d, \"open\": %zu, "
           "\"room\": %s, \"threads\": %zu, "
           "\"rss\": %zu, \"heap\": %zu}\n",
           what, d->outcomes[OUTCOME_SENT], d->outcomes[OUTCOME_DROPPED],
           d->outcomes[OUTCOME_REFUSED], d->open_count, room ? "true" : "false", thread_count(),
           resident_bytes(), mallinfo2().uordblks);
    fflush(stdout);
}

/* ---- batches ---- */

static void on_outcome(void *arg, enum outcome worst)
{
    struct driver *d = arg;
    d->outcomes[worst]++;
    d->open_count--;
    if (d->settling && d->open_count == 0) {
        d->settling = false;
        answer(d, "settle");
        next_command(d);
    }
}

static const struct metric_desc gauge = {.name = STR("driver"), .type = METRIC_GAUGE};

static void fill_metrics(struct driver *d, struct batch *b, struct scope *s)
{
    struct metric *m = batch_metric(b, s, &gauge);
    for (size_t i = 0; i < d->items; i++) {
        str text = arena_printf(&b->arena, "%010" PRIu64 "%*s", d->number++,
                                d->bytes > 10 ? (int)d->bytes - 10 : 0, "");
        const struct attribute a = {.key = STR("text"), .value = VALUE_OF_STR(text)};
        struct point *p = batch_point(b, m);
        p->time_ns = loop_wall_ns(d->loop);
        p->attributes = batch_attributes(b, &a, 1);
        p->value = VALUE_OF_INT((int64_t)i);
    }
}

static void fill_logs(struct driver *d, struct batch *b, struct scope *s)
{
    for (size_t i = 0; i < d->items; i++) {
        char *text = arena_alloc(&b->arena, d->bytes + 11);
        memset(text, '.', d->bytes + 11);
        snprintf(text, 11, "%010" PRIu64, d->number++);
        text[10] = '.';
        for (size_t k = 11; k < d->bytes; k++) /* hard to compress */
            text[k] = (char)('!' + (k * 2654435761U + d->number * 40503U + (k * k >> 3)) % 90);
        struct log_record *r = batch_log(b, s);
        r->time_ns = loop_wall_ns(d->loop);
        r->body = VALUE_OF_STR(str_make(text, d->bytes < 10 ? 10 : d->bytes));
    }
}

static void fill_spans(struct driver *d, struct batch *b, struct scope *s)
{
    for (size_t i = 0; i < d->items; i++) {
        struct span *span = batch_span(b, s);
        span->name = arena_printf(&b->arena, "%010" PRIu64, d->number++);
        span->trace_id[0] = span->span_id[0] = 1;
        span->start_ns = span->end_ns = loop_wall_ns(d->loop);
    }
}

static void consume_one(struct driver *d)
{
    struct batch *b = batch_new(d->signal);
    struct scope *s = batch_scope(b, batch_resource(b));
    s->name = STR("driver");
    if (d->signal == SIGNAL_METRICS)
        fill_metrics(d, b, s);
    else if (d->signal == SIGNAL_LOGS)
        fill_logs(d, b, s);
    else
        fill_spans(d, b, s);
    b->delivery =
        (struct delivery){.pending = 1, .worst = OUTCOME_SENT, .fn = on_outcome, .arg = d};
    d->open_count++;
    d->exporter.type->consume(&d->exporter, b);
}

static void feed(struct driver *d)
{
    while (d->left > 0) {
        if (d->exporter.type->has_room != NULL && !d->exporter.type->has_room(&d->exporter)) {
            d->starving = true;
            return;
        }
        d->left--;
        consume_one(d);
    }
    answer(d, "feed");
}

void exporter_room(struct exporter *e)
{
    struct driver *d = CONTAINER_OF(e, struct driver, exporter);
    if (!d->starving)
        return;
    d->starving = false;
    feed(d);
    if (!d->starving)
        next_command(d);
}

void exporter_stopped(struct exporter *e)
{
    struct driver *d = CONTAINER_OF(e, struct driver, exporter);
    answer(d, "stop");
    loop_stop(d->loop);
}

/* ---- commands ---- */

static size_t number_of(str *rest)
{
    str word;
    uint64_t n = 0;
    str_cut(*rest, ' ', &word, rest);
    if (!str_to_u64(word, &n)) {
        fprintf(stderr, "exporter_driver: \"%.*s\" is not a number\n", STR_ARG(word));
        exit(2);
    }
    return (size_t)n;
}

static void stop(struct driver *d, int64_t drain_ns)
{
    d->stopping = true;
    uv_poll_stop(&d->stdin_poll);
    d->exporter.type->stop(&d->exporter, loop_boot_ns(d->loop) + drain_ns);
}

static void command(struct driver *d, str line)
{
    str word, rest;
    str_cut(line, ' ', &word, &rest);
    if (str_eqz(word, "feed") || str_eqz(word, "push")) {
        bool asks = str_eqz(word, "feed");
        str_cut(rest, ' ', &word, &rest);
        d->signal = str_eqz(word, "metrics") ? SIGNAL_METRICS
                    : str_eqz(word, "logs")  ? SIGNAL_LOGS
                                             : SIGNAL_TRACES;
        d->items = number_of(&rest);
        d->bytes = number_of(&rest);
        d->left = number_of(&rest);
        if (asks) {
            feed(d);
            return;
        }
        for (; d->left > 0; d->left--)
            consume_one(d);
        answer(d, "push");
    } else if (str_eqz(word, "settle")) {
        d->settling = d->open_count > 0;
        if (!d->settling)
            answer(d, "settle");
    } else if (str_eqz(word, "stats")) {
        answer(d, "stats");
    } else if (str_eqz(word, "stop")) {
        stop(d, (int64_t)number_of(&rest) * MS);
    } else {
        fprintf(stderr, "exporter_driver: unknown command \"%.*s\"\n", STR_ARG(line));
        exit(2);
    }
}

/* One after the other: a command that waits holds up those behind it, except stop. */
static void next_command(struct driver *d)
{
    str line, rest;
    while (!d->stopping && str_cut(buf_view(&d->input), '\n', &line, &rest)) {
        if ((d->starving || d->settling) && !str_starts_with(line, STR("st"))) /* stats, stop */
            return;
        char *copy = str_dup(line);
        buf_consume(&d->input, line.len + 1);
        command(d, str_from(copy));
        mem_free(copy);
    }
    if (d->input_ended && !d->stopping && !d->starving && !d->settling)
        stop(d, 0);
}

static void on_input(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct driver *d = poll->data;
    char data[4096];
    ssize_t got = read(STDIN_FILENO, data, sizeof data);
    if (got > 0) {
        buf_append(&d->input, data, (size_t)got);
    } else {
        uv_poll_stop(poll);
        d->input_ended = true;
    }
    next_command(d);
}

/* ---- life ---- */

static int64_t wall_ns(void *arg)
{
    const struct driver *d = arg;
    return d->loop == NULL ? 0 : loop_wall_ns(d->loop);
}

static const void *read_config(const struct exporter_type *type, const char *yaml,
                               struct arena *arena)
{
    struct node *root;
    struct err err;
    struct config_messages messages;
    struct buf text;
    arena_init(arena, 1024);
    config_messages_init(&messages, arena);
    buf_init(&text, MIB);
    if (!yaml_parse(arena, STR("driver"), str_from(yaml), &root, &err)) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    const void *config = config_decode(arena, type->schema, root, STR(""), NULL, &messages);
    config_messages_print(&text, &messages, true, true);
    fputs(buf_cstr(&text), stderr);
    buf_deinit(&text);
    if (messages.error_count > 0)
        exit(2);
    return config;
}

static void run(struct driver *d, const struct exporter_type *type, const void *config)
{
    struct err err;
    d->exporter.type = type;
    d->exporter.base.id = str_from(type->name);
    d->exporter.base.loop = d->loop;
    d->exporter.base.logger = d->logger;
    CHECK(type->create(&d->exporter, config, &err));
    if (type->start != NULL && !type->start(&d->exporter, &err)) {
        fprintf(stderr, "start: %s\n", err.text);
        type->destroy(&d->exporter);
        exit(1);
    }
    CHECK(uv_poll_init(loop_uv(d->loop), &d->stdin_poll, STDIN_FILENO) == 0);
    d->stdin_poll.data = d;
    CHECK(uv_poll_start(&d->stdin_poll, UV_READABLE, on_input) == 0);
    answer(d, "ready");
    loop_run(d->loop);
    uv_close((uv_handle_t *)&d->stdin_poll, NULL);
    type->destroy(&d->exporter);
}

int main(int argc, char **argv)
{
    static const struct exporter_type *const types[] = {&debug_exporter, &otlp_grpc_exporter};
    const struct exporter_type *type = NULL;
    for (size_t i = 0; i < COUNT_OF(types) && argc == 3; i++)
        type = strcmp(argv[1], types[i]->name) == 0 ? types[i] : type;
    if (type == NULL) {
        fprintf(stderr, "usage: exporter_driver TYPE YAML\n");
        return 2;
    }
    struct driver d = {0};
    struct err err;
    struct arena arena;
    buf_init(&d.input, MIB);
    struct log_writer *writer = log_writer_new("stderr", &err);
    CHECK(writer != NULL);
    const struct log_config config = {.level = LOG_DEBUG,
                                      .sink = log_writer_write,
                                      .sink_arg = writer,
                                      .wall_ns = wall_ns,
                                      .wall_arg = &d};
    d.log = log_new(&config);
    d.logger.log = d.log;
    d.loop = loop_new(&d.logger, &err);
    CHECK(d.loop != NULL);
    run(&d, type, read_config(type, argv[2], &arena));
    loop_free(d.loop);
    log_free(d.log);
    log_writer_free(writer, 1000);
    buf_deinit(&d.input);
    arena_deinit(&arena);
    return 0;
}
