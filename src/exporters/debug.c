/*
 * Exporter `debug`: writes what arrives to the log, or plain to files, in the reference's layout at
 * three verbosities. No retry; a batch counts as sent once its text is with the writer thread.
 *
 * Life of a batch: sampled (both of its lines or none) -> a line with counts -> at normal and
 * detailed a second one that holds the text -> settled, all within the same call. With the internal
 * logger these are Info lines of the log; without it they go to output_paths, without time and
 * level.
 *
 * Invariant: a line is at most LIMIT_LOG_LINE_BYTES long; what is cut off is marked.
 *
 * Specification: collector_host 7.1. Differs: sampling counts batches of a signal, not equal texts.
 */
#include "base/limits.h"
#include "exporters/exporters.h"
#include "io/log_writer.h"
#include "service/queue.h"
#include "telemetry/debug_text.h"

enum verbosity { VERBOSITY_NONE, VERBOSITY_BASIC, VERBOSITY_NORMAL, VERBOSITY_DETAILED };
static const char *const verbosities[] = {"none", "basic", "normal", "detailed", NULL};

enum { OUTPUTS_MAX = 4 };
/* The log keeps three quarters of a line for the message. */
#define TEXT_BYTES_MAX (LIMIT_LOG_LINE_BYTES / 4 * 3 - KIB)

struct debug_config {
    int verbosity;
    int64_t sampling_initial, sampling_thereafter;
    bool use_internal_logger, queue_enabled;
    struct config_strs output_paths;
    struct queue_config queue;
};

struct debug {
    const struct debug_config *config;
    struct logger logger;
    struct log_writer *outputs[OUTPUTS_MAX];
    size_t output_count;
    struct {
        int64_t end_ns; /* of the second in which it counts */
        uint64_t count;
    } sampling[3];               /* per signal */
    uint64_t sent[SIGNAL_COUNT]; /* items */
};

static void debug_defaults(void *config)
{
    struct debug_config *c = config;
    *c = (struct debug_config){.verbosity = VERBOSITY_BASIC,
                               .sampling_initial = 2,
                               .sampling_thereafter = 1,
                               .use_internal_logger = true};
}

static void debug_check(void *config, struct config_check *check)
{
    const struct debug_config *c = config;
    if (c->verbosity == VERBOSITY_NONE)
        config_problem(check, "verbosity",
                       "verbosity level \"None\" is not supported: use basic, normal or detailed");
    if (c->use_internal_logger && c->output_paths.count > 0)
        config_problem(check, "output_paths",
                       "output_paths is not supported when use_internal_logger is true");
    if (c->output_paths.count > OUTPUTS_MAX)
        config_problem(check, "output_paths", "%zu paths, at most %d", c->output_paths.count,
                       OUTPUTS_MAX);
    if (c->sampling_initial < 0 || c->sampling_thereafter < 0)
        config_problem(check, c->sampling_initial < 0 ? "sampling_initial" : "sampling_thereafter",
                       "must not be negative");
    if (c->queue_enabled)
        config_caution(check, "sending_queue", "has no effect: this exporter is never busy");
}

static const struct config_field debug_fields[] = {
    {.key = "verbosity",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct debug_config, verbosity),
     .choices = verbosities,
     .choices_any_case = true},
    {.key = "sampling_initial",
     .type = CONFIG_INT,
     .offset = offsetof(struct debug_config, sampling_initial)},
    {.key = "sampling_thereafter",
     .type = CONFIG_INT,
     .offset = offsetof(struct debug_config, sampling_thereafter)},
    {.key = "use_internal_logger",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct debug_config, use_internal_logger)},
    {.key = "output_paths",
     .type = CONFIG_STR_LIST,
     .offset = offsetof(struct debug_config, output_paths)},
    {.key = "sending_queue",
     .type = CONFIG_OPTIONAL,
     .offset = offsetof(struct debug_config, queue),
     .block = &queue_config_schema,
     .optional = OPTIONAL_DEFAULT,
     .flag_offset = offsetof(struct debug_config, queue_enabled)},
};
static const struct config_schema debug_schema = {
    .name = "debug",
    .size = sizeof(struct debug_config),
    .fields = debug_fields,
    .field_count = COUNT_OF(debug_fields),
    .defaults = debug_defaults,
    .check = debug_check,
};

static bool debug_create(struct exporter *e, const void *config, struct err *err)
{
    (void)err;
    struct debug *d = mem_zalloc(sizeof *d);
    d->config = config;
    d->logger = e->base.logger;
    d->logger.no_caller = true;
    d->logger.multi_line = true;
    d->logger.unsampled = true; /* it has sampling keys of its own */
    e->base.state = d;
    return true;
}

static bool debug_start(struct exporter *e, struct err *err)
{
    struct debug *d = e->base.state;
    if (d->config->use_internal_logger)
        return true;
    const str standard = STR("stdout");
    size_t count = d->config->output_paths.count > 0 ? d->config->output_paths.count : 1;
    for (size_t i = 0; i < count; i++) {
        char *path = str_dup(d->config->output_paths.count > 0 ? d->config->output_paths.items[i]
                                                               : standard);
        struct log_writer *w = log_writer_new(path, err);
        mem_free(path);
        if (w == NULL)
            return false;
        d->outputs[d->output_count++] = w;
    }
    return true;
}

/* The first `initial` batches of a second, then each `thereafter`th; a second begins with the first
 * batch after the last one. */
static bool is_sampled(struct debug *d, enum signal signal, int64_t now_ns)
{
    size_t i = signal_index(signal);
    if (now_ns >= d->sampling[i].end_ns) {
        d->sampling[i].end_ns = now_ns + 1000000000;
        d->sampling[i].count = 0;
    }
    uint64_t n = ++d->sampling[i].count;
    uint64_t initial = (uint64_t)d->config->sampling_initial;
    uint64_t thereafter = (uint64_t)d->config->sampling_thereafter;
    return n <= initial || (thereafter > 0 && (n - initial) % thereafter == 0);
}

static void write_plain(struct debug *d, str message, const struct log_field *fields,
                        size_t field_count)
{
    struct buf line;
    buf_init(&line, LIMIT_LOG_LINE_BYTES);
    buf_str(&line, message);
    for (size_t i = 0; i < field_count; i++)
        buf_printf(&line, "%s\"%s\": %" PRId64, i == 0 ? "\t{" : ", ", fields[i].key,
                   fields[i].number);
    buf_text(&line, field_count > 0 ? "}\n" : "\n");
    for (size_t i = 0; i < d->output_count; i++)
        log_writer_write(d->outputs[i], buf_view(&line));
    buf_deinit(&line);
}

/* `fields` begins with the signal, which only the log shows. */
static void write_line(struct debug *d, str message, const struct log_field *fields,
                       size_t field_count)
{
    if (!d->config->use_internal_logger)
        write_plain(d, message, fields + 1, field_count - 1);
    else
        log_write(&d->logger, LOG_INFO, __FILE__, __LINE__, message, fields, field_count);
}

static void write_counts(struct debug *d, const struct batch *b)
{
    const struct log_field signal = F_CSTR("otelcol.signal", signal_name(b->signal));
    const struct log_field metrics[] = {signal, F_INT("resource metrics", b->resource_count),
                                        F_INT("metrics", b->metric_count),
                                        F_INT("data points", b->item_count)};
    const struct log_field logs[] = {signal, F_INT("resource logs", b->resource_count),
                                     F_INT("log records", b->item_count)};
    const struct log_field traces[] = {signal, F_INT("resource spans", b->resource_count),
                                       F_INT("spans", b->item_count)};
    switch (b->signal) {
    case SIGNAL_METRICS:
        write_line(d, STR("Metrics"), metrics, COUNT_OF(metrics));
        break;
    case SIGNAL_LOGS:
        write_line(d, STR("Logs"), logs, COUNT_OF(logs));
        break;
    case SIGNAL_TRACES:
        write_line(d, STR("Traces"), traces, COUNT_OF(traces));
        break;
    }
}

static void write_text(struct debug *d, const struct batch *b)
{
    const struct log_field signal = F_CSTR("otelcol.signal", signal_name(b->signal));
    const str cut_mark = STR("\n...[cut]\n");
    const str whole_line_mark = str_skip(cut_mark, 1);
    struct buf text;
    buf_init(&text, TEXT_BYTES_MAX);
    if (d->config->verbosity == VERBOSITY_NORMAL)
        debug_text_normal(&text, b);
    else
        debug_text_detailed(&text, b);
    if (text.overflow) {
        text.max += cut_mark.len;
        text.overflow = false;
        buf_str(&text, str_ends_with(buf_view(&text), STR("\n")) ? whole_line_mark : cut_mark);
    }
    write_line(d, buf_view(&text), &signal, 1);
    buf_deinit(&text);
}

static void debug_consume(struct exporter *e, struct batch *take_batch)
{
    struct debug *d = e->base.state;
    bool visible = !d->config->use_internal_logger || log_enabled(&d->logger, LOG_INFO);
    if (visible && is_sampled(d, take_batch->signal, loop_boot_ns(e->base.loop))) {
        write_counts(d, take_batch);
        if (d->config->verbosity > VERBOSITY_BASIC)
            write_text(d, take_batch);
    }
    d->sent[signal_index(take_batch->signal)] += take_batch->item_count;
    batch_outcome(take_batch, OUTCOME_SENT);
    batch_unref(take_batch);
}

static void debug_statistics(const struct exporter *e, struct exporter_stats *stats)
{
    const struct debug *d = e->base.state;
    memcpy(stats->sent, d->sent, sizeof stats->sent);
}

static void debug_stop(struct exporter *e, int64_t deadline_ns)
{
    struct debug *d = e->base.state;
    int64_t wait_ms = (deadline_ns - loop_boot_ns(e->base.loop)) / 1000000;
    for (size_t i = 0; i < d->output_count; i++)
        log_writer_free(d->outputs[i], wait_ms < 500 ? wait_ms : 500);
    d->output_count = 0;
    exporter_stopped(e);
}

static void debug_destroy(struct exporter *e)
{
    struct debug *d = e->base.state;
    for (size_t i = 0; d != NULL && i < d->output_count; i++)
        log_writer_free(d->outputs[i], 0);
    mem_free(d);
}

const struct exporter_type debug_exporter = {
    .name = "debug",
    .signals = SIGNAL_METRICS | SIGNAL_LOGS | SIGNAL_TRACES,
    .stability = "alpha",
    .schema = &debug_schema,
    .create = debug_create,
    .start = debug_start,
    .consume = debug_consume,
    .stop = debug_stop,
    .statistics = debug_statistics,
    .destroy = debug_destroy,
};
