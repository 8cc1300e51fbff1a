/*
 * Structured logging in the shape of the OpenTelemetry Collector (zap's console and JSON encoders).
 *
 * Life of a line: log_enabled decides by level; sampling decides whether this (level, message) was
 * seen too often; the line is built in a buffer of its own (so that a sink may log) and handed to
 * the sink as a whole, newline included.
 *
 *   console: time TAB level TAB [logger TAB] [caller TAB] message [TAB {"key": value, ...}]
 *   json:    {"level":, "ts":, "logger":, "caller": "folder/file.c:12", "msg":, "key": value, ...}
 *
 * Fields of the log come before those of the logger, and those before the line's own.
 *
 * Invariants: one call gives one line, whatever is in messages and values: control characters are
 * escaped (newlines and tabs of a multi_line logger's console messages are not), invalid UTF-8
 * becomes U+FFFD. A line never exceeds LIMIT_LOG_LINE_BYTES: the message may take three quarters,
 * values share the rest, cut_mark stands where something is missing, and JSON stays JSON.
 *
 * Sampling: within a tick the first `initial` lines of a (level, message) pass, then every
 * `thereafter`th. The table is bounded; a crowd of different messages pushes counters out, which
 * lets more lines through, never fewer.
 */
#include "base/log.h"

#include "base/buf.h"
#include "base/limits.h"
#include "base/map.h"

#include <math.h>
#include <time.h>

#define MESSAGE_END_BYTES (LIMIT_LOG_LINE_BYTES / 4 * 3)
#define VALUE_END_BYTES (LIMIT_LOG_LINE_BYTES - 8 * KIB)
#define FIELD_END_BYTES (LIMIT_LOG_LINE_BYTES - 4 * KIB) /* no field begins behind it */
enum { SAMPLE_SETS = 256, SAMPLE_WAYS = 4 }; /* 24 KiB; the program has some hundred messages */

static const char cut_mark[] = "...[cut]";

struct sample {
    uint64_t hash;
    int64_t start_ns; /* of the tick it counts in */
    uint64_t count;   /* 0: free */
};

struct log {
    struct log_config config;
    char *fields; /* owner of config.fields_json */
    struct sample samples[SAMPLE_SETS][SAMPLE_WAYS];
};

/* Where a text stands decides which characters may be there as they are. */
enum text_place { IN_JSON, IN_COLUMN, IN_LINES };

struct log *log_new(const struct log_config *config)
{
    CHECK(config->sink != NULL && config->wall_ns != NULL);
    struct log *log = mem_zalloc(sizeof *log);
    log->config.sink = config->sink;
    log->config.sink_arg = config->sink_arg;
    log->config.wall_ns = config->wall_ns;
    log->config.wall_arg = config->wall_arg;
    log_configure(log, config);
    return log;
}

void log_free(struct log *log)
{
    if (log == NULL)
        return;
    mem_free(log->fields);
    mem_free(log);
}

void log_configure(struct log *log, const struct log_config *config)
{
    char *fields = str_dup(config->fields_json); /* may be a view of the old ones */
    mem_free(log->fields);
    log->fields = fields;
    log->config.fields_json = str_make(fields, config->fields_json.len);
    log->config.level = config->level;
    log->config.encoding = config->encoding;
    log->config.disable_caller = config->disable_caller;
    log->config.sampling = config->sampling;
}

bool log_level_parse(str text, enum log_level *level)
{
    static const struct {
        const char *name;
        enum log_level level;
    } names[] = {
        {"debug", LOG_DEBUG}, {"info", LOG_INFO},    {"", LOG_INFO},       {"warn", LOG_WARN},
        {"error", LOG_ERROR}, {"dpanic", LOG_ERROR}, {"panic", LOG_ERROR}, {"fatal", LOG_ERROR},
    };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eq_nocase(text, str_from(names[i].name))) {
            *level = names[i].level;
            return true;
        }
    }
    return false;
}

bool log_enabled(const struct logger *logger, enum log_level level)
{
    return logger->log != NULL && level >= logger->log->config.level && level < LOG_OFF;
}

/* The counter of `hash`; if it has none, the one that is free, else the oldest of its set, emptied.
 */
static struct sample *sample_find(struct log *log, uint64_t hash)
{
    struct sample *set = log->samples[hash % SAMPLE_SETS];
    struct sample *victim = &set[0];
    for (int i = 0; i < SAMPLE_WAYS; i++) {
        if (set[i].count > 0 && set[i].hash == hash)
            return &set[i];
        if (victim->count > 0 && (set[i].count == 0 || set[i].start_ns < victim->start_ns))
            victim = &set[i];
    }
    *victim = (struct sample){.hash = hash};
    return victim;
}

static bool sample_passes(struct log *log, enum log_level level, str message, int64_t now_ns)
{
    const struct log_sampling *sampling = &log->config.sampling;
    if (!sampling->enabled || sampling->tick_ns <= 0)
        return true;
    const uint64_t key[2] = {(uint64_t)level, 0};
    struct sample *sample = sample_find(log, sip_hash(key, message));
    /* A clock that went back begins a new tick too; otherwise it could silence a message for long.
     */
    if (sample->count == 0 || now_ns < sample->start_ns ||
        now_ns - sample->start_ns >= sampling->tick_ns) {
        sample->start_ns = now_ns;
        sample->count = 0;
    }
    sample->count++;
    if (sample->count <= sampling->initial)
        return true;
    return sampling->thereafter > 0 &&
           (sample->count - sampling->initial) % sampling->thereafter == 0;
}

/* Bytes of the character at the start of `s` if it may stand there as it is, else 0. */
static size_t plain_len(str s, enum text_place place)
{
    unsigned char c = (unsigned char)s.data[0];
    if (c < 0x80) {
        if (c < 0x20)
            return place == IN_LINES && (c == '\n' || c == '\t');
        return c != 0x7f && (place != IN_JSON || (c != '"' && c != '\\'));
    }
    /* C2 80 to C2 9F are the C1 controls: some terminals obey them. */
    if (c == 0xc2 && s.len > 1 && (unsigned char)s.data[1] < 0xa0)
        return 0;
    return str_utf8_len(s);
}

/* Writes what plain_len refused at the start of `s`; returns its length. */
static size_t put_escaped(struct buf *b, str s)
{
    unsigned char c = (unsigned char)s.data[0];
    if (c == 0xc2 && str_utf8_len(s) == 2) {
        buf_printf(b, "\\u%04x", (unsigned)(unsigned char)s.data[1]);
        return 2;
    }
    if (c >= 0x80)
        buf_text(b, "\xef\xbf\xbd");
    else if (c == '"' || c == '\\')
        buf_printf(b, "\\%c", c);
    else if (c == '\n' || c == '\r' || c == '\t')
        buf_printf(b, "\\%c", c == '\n' ? 'n' : c == '\r' ? 'r' : 't');
    else
        buf_printf(b, "\\u%04x", (unsigned)c);
    return 1;
}

/* `s` as its place allows; stops before the buffer holds more than `end` bytes and says so with
 * cut_mark. */
static void put_text(struct buf *b, str s, enum text_place place, size_t end)
{
    enum { ESCAPE_MAX = 6 };
    while (s.len > 0) {
        size_t run = 0, room = b->len < end ? end - b->len : 0;
        bool cut = false;
        while (run < s.len) {
            size_t len = plain_len(str_skip(s, run), place);
            if (len == 0)
                break;
            if (run + len > room) {
                cut = true;
                break;
            }
            run += len;
        }
        buf_append(b, s.data, run);
        s = str_skip(s, run);
        if (cut || (s.len > 0 && room - run < ESCAPE_MAX)) {
            buf_text(b, cut_mark);
            return;
        }
        if (s.len > 0)
            s = str_skip(s, put_escaped(b, s));
    }
}

/* JSON that somebody else wrote, with our white space. Whatever it holds, what is written is one
 * line. */
static void put_raw_json(struct buf *b, str raw, bool spaced)
{
    bool in_string = false, escaped = false;
    for (size_t i = 0; i < raw.len; i++) {
        unsigned char c = (unsigned char)raw.data[i];
        if (in_string && !escaped && c >= 0x20 && c != '"' && c != '\\') {
            buf_byte(b, (char)c);
        } else if (c < 0x20) {
            if (in_string)
                put_escaped(b, str_make(raw.data + i, 1));
            escaped = false;
        } else if (in_string) {
            buf_byte(b, (char)c);
            in_string = c != '"' || escaped;
            escaped = c == '\\' && !escaped;
        } else if (c != ' ') {
            buf_byte(b, (char)c);
            in_string = c == '"';
            if (spaced && (c == ',' || c == ':'))
                buf_byte(b, ' ');
        }
    }
    if (in_string)
        buf_byte(b, '"');
}

/* The members of an object, after each other. */
struct members {
    struct buf *b;
    bool spaced; /* ", " and ": " */
    bool some;   /* one was written */
};

static void put_comma(struct members *m)
{
    if (m->some)
        buf_text(m->b, m->spaced ? ", " : ",");
    m->some = true;
}

static void put_key(struct members *m, const char *key)
{
    put_comma(m);
    buf_json_string(m->b, str_from(key));
    buf_text(m->b, m->spaced ? ": " : ":");
}

/* Members that were written beforehand, as `"k": v, "k2": v2`. */
static void put_fragment(struct members *m, str fragment)
{
    if (str_trim(fragment).len == 0)
        return;
    if (fragment.len >= VALUE_END_BYTES / 2 || m->b->len + 2 * fragment.len > VALUE_END_BYTES) {
        put_key(m, "fields");
        buf_printf(m->b, "\"%s\"", cut_mark);
        return;
    }
    put_comma(m);
    put_raw_json(m->b, fragment, m->spaced);
}

static void put_string_value(struct buf *b, str s, size_t end)
{
    buf_byte(b, '"');
    put_text(b, s, IN_JSON, end);
    buf_byte(b, '"');
}

static void put_field(struct members *m, const struct log_field *field)
{
    struct buf *b = m->b;
    put_key(m, field->key);
    switch (field->kind) {
    case LOG_FIELD_STR:
        put_string_value(b, field->text, VALUE_END_BYTES);
        break;
    case LOG_FIELD_INT:
        buf_printf(b, "%" PRId64, field->number);
        break;
    case LOG_FIELD_DOUBLE:
        if (isfinite(field->real))
            buf_double(b, field->real);
        else
            buf_text(b, isnan(field->real) ? "\"NaN\"" : field->real > 0 ? "\"+Inf\"" : "\"-Inf\"");
        break;
    case LOG_FIELD_BOOL:
        buf_text(b, field->number != 0 ? "true" : "false");
        break;
    case LOG_FIELD_RAW_JSON:
        if (str_trim(field->text).len == 0)
            buf_text(b, "null");
        else if (field->text.len >= VALUE_END_BYTES / 6 ||
                 b->len + 6 * field->text.len > VALUE_END_BYTES)
            put_string_value(b, str_from(cut_mark), LIMIT_LOG_LINE_BYTES);
        else
            put_raw_json(b, field->text, m->spaced);
        break;
    }
}

static void put_all_fields(struct members *m, const struct logger *logger,
                           const struct log_field *fields, size_t field_count)
{
    put_fragment(m, logger->log->config.fields_json);
    put_fragment(m, logger->fields_json);
    for (size_t i = 0; i < field_count; i++) {
        if (m->b->len + 2 * strlen(fields[i].key) > FIELD_END_BYTES) {
            put_comma(m);
            buf_printf(m->b, "\"fields\"%s\"%s\"", m->spaced ? ": " : ":", cut_mark);
            return;
        }
        put_field(m, &fields[i]);
    }
}

/* 2006-01-02T15:04:05.000Z */
static void put_time(struct buf *b, int64_t wall_ns)
{
    int64_t seconds = wall_ns / 1000000000 - (wall_ns % 1000000000 < 0);
    int64_t millis = (wall_ns - seconds * 1000000000) / 1000000;
    time_t time = (time_t)seconds;
    struct tm tm;
    CHECK(gmtime_r(&time, &tm) != NULL);
    buf_printf(b, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
               tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)millis);
}

/* folder/file.c:line */
static void put_caller(struct buf *b, const char *file, int line)
{
    int slashes = 0;
    const char *start = file + strlen(file);
    while (start > file && !(start[-1] == '/' && ++slashes == 2))
        start--;
    buf_printf(b, "%s:%d", start, line);
}

static const char *level_name(enum log_level level)
{
    static const char *const names[] = {"debug", "info", "warn", "error"};
    return names[level];
}

struct line {
    const struct logger *logger;
    enum log_level level;
    int64_t now_ns;
    const char *file; /* NULL: no caller */
    int number;
    str message;
    const struct log_field *fields;
    size_t field_count;
};

static void put_console(struct buf *b, const struct line *line)
{
    const struct logger *logger = line->logger;
    put_time(b, line->now_ns);
    buf_printf(b, "\t%s\t", level_name(line->level));
    if (logger->name != NULL && logger->name[0] != '\0') {
        put_text(b, str_from(logger->name), IN_COLUMN, MESSAGE_END_BYTES);
        buf_byte(b, '\t');
    }
    if (line->file != NULL) {
        put_caller(b, line->file, line->number);
        buf_byte(b, '\t');
    }
    put_text(b, line->message, logger->multi_line ? IN_LINES : IN_COLUMN, MESSAGE_END_BYTES);
    size_t before = b->len;
    buf_text(b, "\t{");
    struct members members = {.b = b, .spaced = true};
    put_all_fields(&members, logger, line->fields, line->field_count);
    if (members.some)
        buf_byte(b, '}');
    else
        b->len = before;
}

static void put_json(struct buf *b, const struct line *line)
{
    const struct logger *logger = line->logger;
    buf_printf(b, "{\"level\":\"%s\",\"ts\":\"", level_name(line->level));
    put_time(b, line->now_ns);
    buf_byte(b, '"');
    if (logger->name != NULL && logger->name[0] != '\0') {
        buf_text(b, ",\"logger\":");
        put_string_value(b, str_from(logger->name), MESSAGE_END_BYTES);
    }
    if (line->file != NULL) {
        buf_text(b, ",\"caller\":\"");
        put_caller(b, line->file, line->number);
        buf_byte(b, '"');
    }
    buf_text(b, ",\"msg\":");
    put_string_value(b, line->message, MESSAGE_END_BYTES);
    struct members members = {.b = b, .some = true};
    put_all_fields(&members, logger, line->fields, line->field_count);
    buf_byte(b, '}');
}

void log_write(const struct logger *logger, enum log_level level, const char *file, int line,
               str message, const struct log_field *fields, size_t field_count)
{
    if (!log_enabled(logger, level))
        return;
    struct log *log = logger->log;
    int64_t now_ns = log->config.wall_ns(log->config.wall_arg);
    if (!logger->unsampled && !sample_passes(log, level, message, now_ns))
        return;
    struct line parts = {
        .logger = logger,
        .level = level,
        .now_ns = now_ns,
        .file = log->config.disable_caller || logger->no_caller ? NULL : file,
        .number = line,
        .message = message,
        .fields = fields,
        .field_count = field_count,
    };
    struct buf b;
    buf_init(&b, LIMIT_LOG_LINE_BYTES);
    if (log->config.encoding == LOG_JSON)
        put_json(&b, &parts);
    else
        put_console(&b, &parts);
    buf_byte(&b, '\n');
    CHECK(!b.overflow); /* the ends above leave room for it */
    log->config.sink(log->config.sink_arg, buf_view(&b));
    buf_deinit(&b);
}
