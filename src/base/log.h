/*
 * Structured logging in the shape of the OpenTelemetry Collector: level, caller, message, fields; console or JSON.
 * `struct log` decides level, encoding and sampling and hands finished lines to a sink (io/log_writer in the program).
 * A `struct logger` is a log with fields that belong to a component; copy it freely. For the loop's thread only.
 * Input cannot forge a line: control characters are escaped in messages and values. Overlong lines are cut, visibly.
 *
 *   log_warn(logger, "Lease renewal failed", F_STR("lease", name), F_ERR(&err), F_INT("status", 500));
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/err.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_encoding { LOG_CONSOLE, LOG_JSON };

struct log_field {
    const char *key;
    enum { LOG_FIELD_STR, LOG_FIELD_INT, LOG_FIELD_DOUBLE, LOG_FIELD_BOOL, LOG_FIELD_RAW_JSON } kind;
    str text; /* STR, RAW_JSON */
    int64_t number;
    double real;
};
#define F_STR(k, s) ((struct log_field){.key = (k), .kind = LOG_FIELD_STR, .text = (s)})
#define F_CSTR(k, s) ((struct log_field){.key = (k), .kind = LOG_FIELD_STR, .text = str_from(s)})
#define F_INT(k, n) ((struct log_field){.key = (k), .kind = LOG_FIELD_INT, .number = (int64_t)(n)})
#define F_DOUBLE(k, n) ((struct log_field){.key = (k), .kind = LOG_FIELD_DOUBLE, .real = (n)})
#define F_BOOL(k, b) ((struct log_field){.key = (k), .kind = LOG_FIELD_BOOL, .number = (b)})
#define F_JSON(k, s) ((struct log_field){.key = (k), .kind = LOG_FIELD_RAW_JSON, .text = (s)})
#define F_ERR(e) ((struct log_field){.key = "error", .kind = LOG_FIELD_STR, .text = str_from((e)->text)})

struct log;
struct log_sampling {
    bool enabled;
    int64_t tick_ns;     /* default 10 s */
    uint32_t initial;    /* default 10 */
    uint32_t thereafter; /* default 100 */
};
struct log_config {
    enum log_level level;
    enum log_encoding encoding;
    bool disable_caller;
    str fields_json; /* fields of every line, as `"k": v, "k2": v2` without braces; copied; may be empty */
    struct log_sampling sampling;
    /* One whole line with its newline; must not block. */
    void (*sink)(void *arg, str line);
    void *sink_arg;
    /* Wall clock, ns since 1970, for time stamps and sampling. */
    int64_t (*wall_ns)(void *arg);
    void *wall_arg;
};
struct log *log_new(const struct log_config *config);
void log_free(struct log *log);
/* Changes everything but sink and clock (after the configuration was read, or at a reload). */
void log_configure(struct log *log, const struct log_config *config);
bool log_level_parse(str text, enum log_level *level); /* any case; dpanic, panic, fatal count as error */

struct logger {
    struct log *log;
    const char *name; /* logger column, or NULL */
    str fields_json;  /* as above; the caller keeps it alive */
    bool no_caller;
    bool multi_line;  /* console: newlines and tabs of messages are written as they are (the debug exporter) */
    bool unsampled;   /* decides by itself which lines to leave out */
};
/* False for a logger without a log, which swallows everything. */
bool log_enabled(const struct logger *logger, enum log_level level);
void log_write(const struct logger *logger, enum log_level level, const char *file, int line, str message,
               const struct log_field *fields, size_t field_count);

#define LOG_AT(logger, level, message, ...)                                                        \
    do {                                                                                           \
        if (log_enabled((logger), (level))) {                                                      \
            const struct log_field log_fields_[] = {{0}, ##__VA_ARGS__};                           \
            log_write((logger), (level), __FILE__, __LINE__, str_from(message), log_fields_ + 1,   \
                      COUNT_OF(log_fields_) - 1);                                                  \
        }                                                                                          \
    } while (0)
#define log_debug(logger, message, ...) LOG_AT(logger, LOG_DEBUG, message, ##__VA_ARGS__)
#define log_info(logger, message, ...) LOG_AT(logger, LOG_INFO, message, ##__VA_ARGS__)
#define log_warn(logger, message, ...) LOG_AT(logger, LOG_WARN, message, ##__VA_ARGS__)
#define log_error(logger, message, ...) LOG_AT(logger, LOG_ERROR, message, ##__VA_ARGS__)

#endif
