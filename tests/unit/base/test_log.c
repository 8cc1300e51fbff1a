/* Log lines byte by byte, forging attempts, limits, sampling. JSON is checked with json-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "base/log.h"

struct fixture {
    struct buf out;
    unsigned line_count;
    int64_t now_ns;
    struct log_config config;
    struct log *log;
    struct logger logger;
};

static void sink(void *arg, str line)
{
    struct fixture *f = arg;
    buf_clear(&f->out);
    buf_str(&f->out, line);
    assert_false(f->out.overflow);
    f->line_count++;
}

static int64_t clock_ns(void *arg)
{
    return ((struct fixture *)arg)->now_ns;
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    buf_init(&f->out, 2 * LIMIT_LOG_LINE_BYTES);
    f->now_ns = INT64_C(1744879244559999999); /* 2025-04-17T08:40:44.559Z */
    f->config = (struct log_config){
        .level = LOG_DEBUG, .sink = sink, .sink_arg = f, .wall_ns = clock_ns, .wall_arg = f};
    f->log = log_new(&f->config);
    f->logger = (struct logger){.log = f->log};
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    log_free(f->log);
    buf_deinit(&f->out);
    mem_free(f);
    return 0;
}

#define TIME "2025-04-17T08:40:44.559Z"
#define WRITE(f, message, ...)                                                                     \
    do {                                                                                           \
        const struct log_field fields_[] = {{0}, ##__VA_ARGS__};                                   \
        log_write(&(f)->logger, LOG_INFO, "../src/some/room/file.c", 12, (message), fields_ + 1,   \
                  COUNT_OF(fields_) - 1);                                                          \
    } while (0)

static void test_console(void **state)
{
    struct fixture *f = *state;
    WRITE(f, STR("Ready"));
    assert_string_equal(buf_cstr(&f->out), TIME "\tinfo\troom/file.c:12\tReady\n");
    WRITE(f, STR("Ready"), F_CSTR("s", "a\"b"), F_INT("i", -5), F_DOUBLE("d", 0.25),
          F_BOOL("t", true), F_BOOL("n", false),
          F_JSON("j", STR("{\"a\":[1,2],\"b\":\"x, y: z\"}")));
    assert_string_equal(
        buf_cstr(&f->out), TIME
        "\tinfo\troom/file.c:12\tReady\t{\"s\": \"a\\\"b\", \"i\": -5, \"d\": 0.25, \"t\": true, "
        "\"n\": false, \"j\": {\"a\": [1, 2], \"b\": \"x, y: z\"}}\n");
    WRITE(f, STR("d"), F_DOUBLE("a", NAN), F_DOUBLE("b", INFINITY), F_DOUBLE("c", -INFINITY),
          F_JSON("e", STR_NONE));
    assert_string_equal(buf_cstr(&f->out), TIME "\tinfo\troom/file.c:12\td\t{\"a\": \"NaN\", "
                                                "\"b\": \"+Inf\", \"c\": \"-Inf\", \"e\": null}\n");
    f->now_ns = -1;
    f->logger.no_caller = true;
    f->logger.name = "otelcol";
    WRITE(f, STR("m"));
    assert_string_equal(buf_cstr(&f->out), "1969-12-31T23:59:59.999Z\tinfo\totelcol\tm\n");
}

static void test_json(void **state)
{
    struct fixture *f = *state;
    f->config.encoding = LOG_JSON;
    f->config.fields_json = STR("\"resource\": {\"service.name\": \"x y\"}");
    log_configure(f->log, &f->config);
    f->logger.fields_json = STR("\"otelcol.component.id\": \"debug\"");
    f->logger.name = "n";
    WRITE(f, STR("a\nb\"c"), F_INT("i", 1), F_JSON("j", STR("[1, {\"k\": 2}]")));
    assert_string_equal(buf_cstr(&f->out),
                        "{\"level\":\"info\",\"ts\":\"" TIME
                        "\",\"logger\":\"n\",\"caller\":\"room/file.c:12\",\"msg\":\"a\\nb\\\"c\","
                        "\"resource\":{\"service.name\":\"x "
                        "y\"},\"otelcol.component.id\":\"debug\",\"i\":1,\"j\":[1,{\"k\":2}]}\n");
    f->config.disable_caller = true;
    f->config.fields_json = STR_NONE;
    log_configure(f->log, &f->config);
    f->logger.fields_json = STR_NONE;
    f->logger.name = NULL;
    WRITE(f, STR(""));
    assert_string_equal(buf_cstr(&f->out),
                        "{\"level\":\"info\",\"ts\":\"" TIME "\",\"msg\":\"\"}\n");
}

static void test_order_of_fields(void **state)
{
    struct fixture *f = *state;
    f->config.fields_json = STR("\"a\":1,\"b\":\"2\"");
    log_configure(f->log, &f->config);
    f->config.fields_json = STR_NONE; /* the log has a copy */
    f->logger.fields_json = STR("\"c\": 3");
    WRITE(f, STR("m"), F_INT("d", 4));
    assert_string_equal(
        buf_cstr(&f->out),
        TIME "\tinfo\troom/file.c:12\tm\t{\"a\": 1, \"b\": \"2\", \"c\": 3, \"d\": 4}\n");
    f->logger.fields_json = STR("  ");
    WRITE(f, STR("m"));
    assert_string_equal(buf_cstr(&f->out),
                        TIME "\tinfo\troom/file.c:12\tm\t{\"a\": 1, \"b\": \"2\"}\n");
}

static void test_macros_and_levels(void **state)
{
    struct fixture *f = *state;
    enum log_level level;
    struct err err;
    err_set(&err, "broken");
    log_warn(&f->logger, "m", F_ERR(&err));
    assert_true(str_ends_with(buf_view(&f->out), STR("\tm\t{\"error\": \"broken\"}\n")));
    size_t pos;
    assert_true(str_find(buf_view(&f->out), STR("\twarn\tbase/test_log.c:"), &pos));
    f->config.level = LOG_WARN;
    log_configure(f->log, &f->config);
    f->line_count = 0;
    log_debug(&f->logger, "m");
    log_info(&f->logger, "m");
    log_write(&f->logger, LOG_INFO, "f", 1, STR("m"), NULL, 0);
    assert_int_equal(f->line_count, 0);
    log_warn(&f->logger, "m");
    log_error(&f->logger, "m");
    assert_int_equal(f->line_count, 2);
    f->config.level = LOG_OFF;
    log_configure(f->log, &f->config);
    log_error(&f->logger, "m");
    assert_int_equal(f->line_count, 2);
    const struct logger nobody = {0};
    log_error(&nobody, "m");
    assert_true(log_level_parse(STR("WaRn"), &level) && level == LOG_WARN);
    assert_true(log_level_parse(STR("fatal"), &level) && level == LOG_ERROR);
    assert_true(log_level_parse(STR("dpanic"), &level) && level == LOG_ERROR);
    assert_true(log_level_parse(STR("debug"), &level) && level == LOG_DEBUG);
    assert_false(log_level_parse(STR("warning "), &level));
}

static void test_no_forging(void **state)
{
    struct fixture *f = *state;
    str evil = STR("a\n2025\tinfo\tx\r\x1b[2J\x7f\xc2\x85\xc2\x9b\xff\0z\\");
    f->logger.name = "n\nx";
    WRITE(f, evil, F_STR("v", evil), F_JSON("j", STR("[1,\n\"a\nb\", \"c\\\"")));
    assert_string_equal(
        buf_cstr(&f->out), TIME
        "\tinfo\tn\\nx\troom/"
        "file.c:12\ta\\n2025\\tinfo\\tx\\r\\u001b[2J\\u007f\\u0085\\u009b\xef\xbf\xbd\\u0000z\\\t"
        "{\"v\": "
        "\"a\\n2025\\tinfo\\tx\\r\\u001b[2J\\u007f\\u0085\\u009b\xef\xbf\xbd\\u0000z\\\\\", "
        "\"j\": [1, \"a\\nb\", \"c\\\"\"}\n");
    f->logger.name = NULL;
    f->logger.multi_line = true;
    WRITE(f, STR("one\n\ttwo\r\x1b\n"), F_CSTR("v", "x\ny"));
    assert_string_equal(buf_cstr(&f->out), TIME
                        "\tinfo\troom/file.c:12\tone\n\ttwo\\r\\u001b\n\t{\"v\": \"x\\ny\"}\n");
    f->config.encoding = LOG_JSON;
    log_configure(f->log, &f->config);
    WRITE(f, STR("one\n\ttwo\n"));
    assert_true(str_ends_with(buf_view(&f->out), STR("\"msg\":\"one\\n\\ttwo\\n\"}\n")));
}

static struct json_object *parse(const char *text)
{
    enum json_tokener_error error;
    struct json_object *object = json_tokener_parse_verbose(text, &error);
    if (object == NULL)
        fail_msg("%s: %.200s", json_tokener_error_desc(error), text);
    return object;
}

/* Long texts of every kind, in every place: the line stays within its limit, is one line, says that
 * it was cut, and is JSON. */
static void test_limit(void **state)
{
    struct fixture *f = *state;
    static const char *const fillings[] = {"a", "\"", "\x01", "\xff", "\xe2\x82\xac", "\xc2\x85"};
    f->config.encoding = LOG_JSON;
    log_configure(f->log, &f->config);
    struct buf big;
    buf_init(&big, 4 * LIMIT_LOG_LINE_BYTES);
    for (size_t i = 0; i < COUNT_OF(fillings); i++) {
        buf_clear(&big);
        while (big.len < LIMIT_LOG_LINE_BYTES + 100)
            buf_text(&big, fillings[i]);
        for (int where = 0; where < 4; where++) {
            str none = STR("m"), b = buf_view(&big);
            WRITE(f, where != 1 ? b : none, F_STR("v", where != 0 ? b : none),
                  F_STR("w", where >= 2 ? b : none), F_INT("n", 5));
            assert_true(f->out.len <= LIMIT_LOG_LINE_BYTES);
            assert_true(f->out.len > LIMIT_LOG_LINE_BYTES / 2);
            assert_ptr_equal(memchr(f->out.data, '\n', f->out.len), f->out.data + f->out.len - 1);
            assert_true(str_is_utf8(buf_view(&f->out)));
            size_t pos;
            assert_true(str_find(buf_view(&f->out), STR("...[cut]"), &pos));
            struct json_object *object = parse(buf_cstr(&f->out)), *n;
            assert_true(json_object_object_get_ex(object, "n", &n));
            json_object_put(object);
        }
        f->logger.fields_json = buf_view(&big);
        WRITE(f, STR("m"), F_JSON("j", buf_view(&big)), F_INT("n", 5));
        f->logger.fields_json = STR_NONE;
        assert_true(str_ends_with(
            buf_view(&f->out),
            STR("\"msg\":\"m\",\"fields\":\"...[cut]\",\"j\":\"...[cut]\",\"n\":5}\n")));
    }
    buf_deinit(&big);
}

static void test_many_fields(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 100000 };
    struct log_field *fields = mem_zalloc(COUNT * sizeof *fields);
    for (int i = 0; i < COUNT; i++)
        fields[i] = F_CSTR("some_key", "some value\x01");
    f->config.encoding = LOG_JSON;
    log_configure(f->log, &f->config);
    log_write(&f->logger, LOG_INFO, "a/b", 1, STR("m"), fields, COUNT);
    assert_true(f->out.len <= LIMIT_LOG_LINE_BYTES);
    assert_true(str_ends_with(buf_view(&f->out), STR(",\"fields\":\"...[cut]\"}\n")));
    json_object_put(parse(buf_cstr(&f->out)));
    mem_free(fields);
}

static unsigned write_times(struct fixture *f, const char *message, unsigned times)
{
    f->line_count = 0;
    for (unsigned i = 0; i < times; i++)
        WRITE(f, str_from(message));
    return f->line_count;
}

static void test_sampling(void **state)
{
    struct fixture *f = *state;
    const int64_t second = 1000000000;
    f->config.sampling = (struct log_sampling){
        .enabled = true, .tick_ns = 10 * second, .initial = 10, .thereafter = 100};
    log_configure(f->log, &f->config);
    assert_int_equal(write_times(f, "a", 9), 9);
    assert_int_equal(write_times(f, "a", 1), 1);
    assert_int_equal(write_times(f, "a", 99), 0);
    assert_int_equal(write_times(f, "a", 1), 1); /* the 110th */
    assert_int_equal(write_times(f, "b", 1), 1); /* each message for itself */
    log_error(&f->logger, "a");                  /* and each level */
    assert_int_equal(f->line_count, 2);
    f->now_ns += 10 * second - 1;
    assert_int_equal(write_times(f, "a", 99), 0);
    f->now_ns += 1;
    assert_int_equal(write_times(f, "a", 1000), 10 + 9);
    f->now_ns -= 100 * second; /* a clock that goes back silences nobody */
    assert_int_equal(write_times(f, "a", 1), 1);
    f->config.sampling.thereafter = 0;
    log_configure(f->log, &f->config);
    f->now_ns += 200 * second;
    assert_int_equal(write_times(f, "a", 1000), 10);
    f->config.sampling.enabled = false;
    log_configure(f->log, &f->config);
    assert_int_equal(write_times(f, "a", 1000), 1000);
}

/* More messages than the table has room for: nothing new is ever swallowed. */
static void test_sampling_table_is_bounded(void **state)
{
    struct fixture *f = *state;
    f->config.sampling =
        (struct log_sampling){.enabled = true, .tick_ns = INT64_MAX, .initial = 1, .thereafter = 0};
    log_configure(f->log, &f->config);
    for (unsigned i = 0; i < 20000; i++) {
        char message[16];
        snprintf(message, sizeof message, "%u", i);
        assert_int_equal(write_times(f, message, 3), 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_console, setup, teardown),
        cmocka_unit_test_setup_teardown(test_json, setup, teardown),
        cmocka_unit_test_setup_teardown(test_order_of_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_macros_and_levels, setup, teardown),
        cmocka_unit_test_setup_teardown(test_no_forging, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_many_fields, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sampling, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sampling_table_is_bounded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
