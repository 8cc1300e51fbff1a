/*
 * Log lines: whatever is in messages, names and values, one call gives one line; in JSON encoding
 * json-c reads it.
 */
#include <json-c/json.h>

#include "base/limits.h"
#include "base/log.h"

struct line {
    enum log_encoding encoding;
    unsigned count;
};

static void sink(void *arg, str text)
{
    struct line *line = arg;
    line->count++;
    CHECK(text.len > 0 && text.len <= LIMIT_LOG_LINE_BYTES);
    CHECK(memchr(text.data, '\n', text.len) == text.data + text.len - 1);
    for (size_t i = 0; i + 1 < text.len; i++)
        CHECK((unsigned char)text.data[i] >= 0x20 ||
              (text.data[i] == '\t' && line->encoding == LOG_CONSOLE));
    if (line->encoding == LOG_CONSOLE)
        return;
    CHECK(str_is_utf8(text));
    struct json_tokener *tokener = json_tokener_new_ex(1000);
    json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *object = json_tokener_parse_ex(tokener, text.data, (int)text.len);
    CHECK(object != NULL && json_object_is_type(object, json_type_object));
    json_object_put(object);
    json_tokener_free(tokener);
}

static int64_t clock_ns(void *arg)
{
    (void)arg;
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size);
    char *name = str_dup(text);
    for (enum log_encoding encoding = LOG_CONSOLE; encoding <= LOG_JSON; encoding++) {
        struct line line = {.encoding = encoding};
        const struct log_config config = {
            .encoding = encoding, .sink = sink, .sink_arg = &line, .wall_ns = clock_ns};
        struct logger logger = {.log = log_new(&config), .name = name};
        log_info(&logger, "plain", F_STR("value", text), F_CSTR("name", name));
        log_write(&logger, LOG_ERROR, __FILE__, __LINE__, text, NULL, 0);
        CHECK(line.count == 2);
        if (encoding ==
            LOG_CONSOLE) { /* raw JSON is trusted to be JSON, but not to be one line of it */
            logger.fields_json = text;
            log_info(&logger, "raw", F_JSON("value", text));
            CHECK(line.count == 3);
        }
        log_free(logger.log);
    }
    mem_free(name);
    return 0;
}
