/*
 * Prometheus text exposition: comments with help and type, then one line for each sample.
 *
 * Life of a family: metrics_page_family remembers it -> the first sample writes HELP and TYPE ->
 * samples; the next family ends it.
 *
 * Numbers are written as they are: counters as integers, so that nothing is rounded before 2^53,
 * where the readers' doubles end.
 *
 * Specification: Prometheus exposition formats, text 0.0.4; names and suffixes as the OpenTelemetry
 * exporter for Prometheus makes them (collector_host 1.6 and 9).
 */
#include "service/metrics_page.h"

#include "base/limits.h"

void metrics_page_init(struct metrics_page *p, struct buf *out,
                       const struct metrics_page_options *options)
{
    *p = (struct metrics_page){.out = out, .options = *options};
    buf_init(&p->name, KIB);
}

void metrics_page_deinit(struct metrics_page *p)
{
    buf_deinit(&p->name);
}

void metrics_page_family(struct metrics_page *p, const struct metrics_family *family)
{
    p->family = family;
    p->has_sample = false;
    buf_clear(&p->name);
    buf_text(&p->name, family->name);
    if (family->exact_name)
        return;
    if (p->options.units && family->unit != NULL)
        buf_printf(&p->name, "_%s", family->unit);
    if (p->options.type_suffix && family->kind == FAMILY_COUNTER)
        buf_text(&p->name, "_total");
}

static void write_head(struct metrics_page *p)
{
    static const char *const kinds[] = {"gauge", "counter"};
    const char *name = buf_cstr(&p->name);
    buf_printf(p->out, "# HELP %s %s\n# TYPE %s %s\n", name, p->family->help, name,
               kinds[p->family->kind]);
    p->has_sample = true;
}

static void next_label(struct metrics_page *p)
{
    buf_byte(p->out, p->has_label ? ',' : '{');
    p->has_label = true;
}

void metrics_page_begin(struct metrics_page *p)
{
    if (!p->has_sample)
        write_head(p);
    buf_str(p->out, buf_view(&p->name));
    p->has_label = false;
    if (p->options.constant_labels.len > 0) {
        next_label(p);
        buf_str(p->out, p->options.constant_labels);
    }
    if (p->options.scope) {
        next_label(p);
        buf_text(p->out, "otel_scope_name=\"baton\",otel_scope_schema_url=\"\","
                         "otel_scope_version=\"" BATON_VERSION "\"");
    }
}

void metrics_page_label(struct metrics_page *p, const char *key, str value)
{
    next_label(p);
    buf_text(p->out, key);
    buf_byte(p->out, '=');
    metrics_label_value(p->out, value);
}

static void end_labels(struct metrics_page *p)
{
    buf_text(p->out, p->has_label ? "} " : " ");
}

void metrics_page_end(struct metrics_page *p, double value)
{
    end_labels(p);
    buf_double(p->out, value);
    buf_byte(p->out, '\n');
}

void metrics_page_end_count(struct metrics_page *p, uint64_t value)
{
    end_labels(p);
    buf_printf(p->out, "%" PRIu64 "\n", value);
}

void metrics_label_value(struct buf *out, str value)
{
    buf_byte(out, '"');
    for (size_t i = 0; i < value.len; i++) {
        char c = value.data[i];
        if (c == '\n') {
            buf_text(out, "\\n");
            continue;
        }
        if (c == '"' || c == '\\')
            buf_byte(out, '\\');
        buf_byte(out, c);
    }
    buf_byte(out, '"');
}

void metrics_label_name(struct buf *out, str key)
{
    for (size_t i = 0; i < key.len; i++) {
        char c = key.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        bool is_digit = c >= '0' && c <= '9';
        if (is_digit && i == 0)
            buf_byte(out, '_');
        buf_byte(out, is_letter || is_digit ? c : '_');
    }
}
