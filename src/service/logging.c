/*
 * The process's logs: outputs, and the fields that every line has.
 *
 * Life of the outputs: stderr from the start, so that a bad configuration can be reported -> the
 * configured paths once they are known -> exchanged at each reload. Writers to stderr and stdout
 * are kept, files are opened anew (a reload is how rotation is told to a daemon).
 *
 * Specification: collector_host 1.6 (service::telemetry::logs, resource) and 11.
 */
#include "service/logging.h"

#include "base/limits.h"
#include "io/log_writer.h"

enum { WAIT_FOR_OLD_FILE_MS = 100 };

struct output {
    str path; /* heap */
    struct log_writer *writer;
};
struct log_outputs {
    struct output *items;
    size_t count;
};

static bool is_standard(str path)
{
    return str_eqz(path, "stderr") || str_eqz(path, "stdout");
}

static void output_free(struct output *o, int64_t wait_ms)
{
    log_writer_free(o->writer, wait_ms);
    mem_free((char *)o->path.data);
}

static struct log_writer *take_standard(struct log_outputs *o, str path)
{
    for (size_t i = 0; i < o->count; i++)
        if (o->items[i].writer != NULL && is_standard(path) && str_eq(o->items[i].path, path)) {
            struct log_writer *w = o->items[i].writer;
            o->items[i].writer = NULL;
            return w;
        }
    return NULL;
}

bool log_outputs_set(struct log_outputs *o, const struct config_strs *paths, struct err *err)
{
    /* First all that can fail: an entry without a writer is one that exists already. */
    struct output *items = mem_zalloc(paths->count * sizeof *items);
    bool ok = true;
    size_t count = 0;
    for (; ok && count < paths->count; count++) {
        struct output *item = &items[count];
        char *path = str_dup(paths->items[count]);
        item->path = str_from(path);
        bool have = false;
        for (size_t i = 0; i < o->count; i++)
            have |= is_standard(item->path) && str_eq(o->items[i].path, item->path);
        for (size_t i = 0; i < count; i++) /* named twice: two writers */
            have = have && !str_eq(items[i].path, item->path);
        if (!have) {
            item->writer = log_writer_new(path, err);
            ok = item->writer != NULL;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (!ok && items[i].writer == NULL)
            mem_free((char *)items[i].path.data);
        else if (!ok)
            output_free(&items[i], 0);
        else if (items[i].writer == NULL)
            items[i].writer = take_standard(o, items[i].path);
    }
    if (!ok) {
        mem_free(items);
        return err_wrap(err, "service::telemetry::logs::output_paths");
    }
    for (size_t i = 0; i < o->count; i++) {
        if (o->items[i].writer != NULL)
            log_writer_free(o->items[i].writer, WAIT_FOR_OLD_FILE_MS);
        mem_free((char *)o->items[i].path.data);
    }
    mem_free(o->items);
    o->items = items;
    o->count = count;
    return true;
}

struct log_outputs *log_outputs_new(struct err *err)
{
    struct log_outputs *o = mem_zalloc(sizeof *o);
    str path = STR("stderr");
    if (log_outputs_set(o, &(struct config_strs){&path, 1}, err))
        return o;
    mem_free(o);
    return NULL;
}

void log_outputs_write(void *outputs, str line)
{
    struct log_outputs *o = outputs;
    for (size_t i = 0; i < o->count; i++)
        log_writer_write(o->items[i].writer, line);
}

void log_outputs_flush(struct log_outputs *o, int64_t wait_ms)
{
    for (size_t i = 0; i < o->count; i++)
        log_writer_flush(o->items[i].writer, wait_ms);
}

void log_outputs_free(struct log_outputs *o, int64_t wait_ms)
{
    if (o == NULL)
        return;
    for (size_t i = 0; i < o->count; i++)
        output_free(&o->items[i], wait_ms);
    mem_free(o->items);
    mem_free(o);
}

/* ---- fields ---- */

static void resource_put(struct config_pair *items, size_t *count, struct config_pair pair)
{
    size_t at = 0;
    while (at < *count && str_compare(items[at].key, pair.key) < 0)
        at++;
    bool is_there = at < *count && str_eq(items[at].key, pair.key);
    bool is_null = pair.value.data == NULL;
    if (is_there && is_null) {
        memmove(&items[at], &items[at + 1], (*count - at - 1) * sizeof *items);
        (*count)--;
    } else if (!is_null) {
        if (!is_there) {
            memmove(&items[at + 1], &items[at], (*count - at) * sizeof *items);
            (*count)++;
        }
        items[at] = pair;
    }
}

size_t logging_resource(const struct settings *settings, str instance_id,
                        struct config_pair **items)
{
    const struct config_pairs *more = &settings->resource;
    *items = mem_zalloc((more->count + 3) * sizeof **items);
    size_t count = 0;
    resource_put(*items, &count, (struct config_pair){STR("service.instance.id"), instance_id});
    resource_put(*items, &count, (struct config_pair){STR("service.name"), STR("baton")});
    resource_put(*items, &count, (struct config_pair){STR("service.version"), STR(BATON_VERSION)});
    for (size_t i = 0; i < more->count; i++)
        resource_put(*items, &count, more->items[i]);
    return count;
}

void logging_fields(struct buf *out, const struct settings *settings, str instance_id)
{
    buf_str(out, settings->logs.initial_fields_json);
    if (settings->logs.disable_zap_resource)
        return;
    struct config_pair *items;
    size_t count = logging_resource(settings, instance_id, &items);
    if (out->len > 0)
        buf_text(out, ", ");
    buf_text(out, "\"resource\": {");
    for (size_t i = 0; i < count; i++) {
        buf_text(out, i == 0 ? "" : ", ");
        buf_json_string(out, items[i].key);
        buf_text(out, ": ");
        buf_json_string(out, items[i].value);
    }
    buf_text(out, "}");
    mem_free(items);
}

bool logging_apply(struct log *log, struct log_outputs *outputs, const struct settings *settings,
                   str instance_id, struct err *err)
{
    struct buf fields;
    buf_init(&fields, LIMIT_LOG_LINE_BYTES);
    logging_fields(&fields, settings, instance_id);
    bool ok = !fields.overflow;
    if (!ok)
        err_set(err,
                "service::telemetry: initial_fields and resource are longer than a log line may be "
                "(%zu bytes)",
                LIMIT_LOG_LINE_BYTES);
    else if (outputs != NULL)
        ok = log_outputs_set(outputs, &settings->logs.output_paths, err);
    if (ok) {
        const struct log_config config = {
            .level = settings->logs.level,
            .encoding = settings->logs.encoding,
            .disable_caller = settings->logs.disable_caller,
            .fields_json = buf_view(&fields),
            .sampling = settings->logs.sampling,
        };
        log_configure(log, &config);
    }
    buf_deinit(&fields);
    return ok;
}

void uuid_make(struct loop *loop, char text[37])
{
    uint8_t b[16];
    loop_random(loop, b, sizeof b);
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* RFC 9562: version 4 */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80); /* and its variant */
    size_t at = 0;
    for (size_t i = 0; i < sizeof b; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            text[at++] = '-';
        text[at++] = "0123456789abcdef"[b[i] >> 4];
        text[at++] = "0123456789abcdef"[b[i] & 0x0f];
    }
    text[at] = '\0';
}
