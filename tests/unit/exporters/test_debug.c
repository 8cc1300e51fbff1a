/* Exporter debug: its lines, byte by byte, in the log and in files; sampling; what it refuses. */
#include "harness.h"

#include <stdlib.h>
#include <unistd.h>

#include "../service/fake_loop.h"
#include "exporters/exporters.h"
#include "io/file.h"

#define WALL_NS (INT64_C(1767268800) * SECOND + 400 * MS) /* 2026-01-01T12:00:00.4 */
#define STAMP "2026-01-01T12:00:00.400Z\tinfo\t"
#define OWN "\"otelcol.component.id\": \"test\", "

static struct loop *new_loop(void)
{
    return fake_loop_new(1000 * SECOND, WALL_NS);
}

static void free_all(struct harness *h)
{
    struct loop *loop = h->loop;
    harness_free(h);
    loop_free(loop);
}

/* ---- batches ---- */

static const struct metric_desc gauge = {.name = STR("g"), .unit = STR("1"), .type = METRIC_GAUGE};

static struct batch *metrics(void)
{
    struct batch *b = batch_new(SIGNAL_METRICS);
    struct scope *s = batch_scope(b, batch_resource(b));
    for (int m = 0; m < 2; m++)
        for (int p = 0; p < 1 + m; p++) {
            struct metric *metric = p == 0 ? batch_metric(b, s, &gauge) : s->last;
            batch_point(b, metric)->value = VALUE_OF_INT(10 * m + p);
        }
    return b;
}

static struct batch *logs(size_t count, str body)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    struct scope *s = batch_scope(b, batch_resource(b));
    for (size_t i = 0; i < count; i++)
        batch_log(b, s)->body = VALUE_OF_STR(body);
    return b;
}

static struct batch *spans(void)
{
    struct batch *b = batch_new(SIGNAL_TRACES);
    batch_resource(b);
    batch_span(b, batch_scope(b, batch_resource(b)))->name = STR("s");
    return b;
}

static void consume_all(struct harness *h)
{
    harness_consume(h, metrics());
    harness_consume(h, logs(2, STR("hi")));
    harness_consume(h, spans());
    assert_int_equal(h->outcomes[OUTCOME_SENT], 3);
}

/* ---- the log ---- */

static void test_basic(void **state)
{
    (void)state;
    struct harness *h = harness_new(&debug_exporter, new_loop(), "{}");
    assert_true(h->exporter.type->start(&h->exporter, NULL));
    consume_all(h);
    assert_string_equal(
        buf_cstr(&h->log_text), STAMP
        "Metrics\t{" OWN "\"otelcol.signal\": \"metrics\", \"resource metrics\": 1, \"metrics\": "
        "2, \"data points\": 3}\n" STAMP "Logs\t{" OWN
        "\"otelcol.signal\": \"logs\", \"resource logs\": 1, \"log records\": 2}\n" STAMP
        "Traces\t{" OWN "\"otelcol.signal\": \"traces\", \"resource spans\": 2, \"spans\": 1}\n");
    free_all(h);
}

static void test_normal(void **state)
{
    (void)state;
    struct harness *h = harness_new(&debug_exporter, new_loop(), "{verbosity: Normal}");
    harness_consume(h, metrics());
    assert_string_equal(buf_cstr(&h->log_text), STAMP
                        "Metrics\t{" OWN "\"otelcol.signal\": \"metrics\", \"resource metrics\": "
                        "1, \"metrics\": 2, \"data points\": 3}\n" STAMP
                        "ResourceMetrics #0\nScopeMetrics #0\ng{} 0\ng{} 10\ng{} 11\n"
                        "\t{" OWN "\"otelcol.signal\": \"metrics\"}\n");
    free_all(h);
}

static void test_detailed(void **state)
{
    (void)state;
    struct harness *h = harness_new(&debug_exporter, new_loop(), "{verbosity: detailed}");
    harness_consume(h, logs(1, STR("hi")));
    assert_true(harness_logged(h, STAMP "ResourceLog #0\nResource SchemaURL: \nScopeLogs #0\n"));
    assert_true(harness_logged(h, "\nBody: Str(hi)\n"));
    assert_true(harness_logged(h, "\nFlags: 0\n\t{" OWN "\"otelcol.signal\": \"logs\"}\n"));
    free_all(h);
}

/* In JSON it stays one line. */
static void test_json(void **state)
{
    (void)state;
    struct harness *h = harness_new(&debug_exporter, new_loop(), "{verbosity: normal}");
    struct loop *loop = h->loop;
    struct log_config config = {.level = LOG_INFO, .encoding = LOG_JSON};
    log_configure(h->log, &config);
    harness_consume(h, logs(1, STR("a\"b\nc")));
    assert_string_equal(buf_cstr(&h->log_text),
                        "{\"level\":\"info\",\"ts\":\"2026-01-01T12:00:00.400Z\",\"msg\":\"Logs\","
                        "\"otelcol.component.id\":\"test\","
                        "\"otelcol.signal\":\"logs\",\"resource logs\":1,\"log records\":1}\n"
                        "{\"level\":\"info\",\"ts\":\"2026-01-01T12:00:00.400Z\",\"msg\":"
                        "\"ResourceLog #0\\nScopeLog #0\\na\\\"b\\nc \\n\","
                        "\"otelcol.component.id\":\"test\",\"otelcol.signal\":\"logs\"}\n");
    harness_free(h);
    loop_free(loop);
}

static void test_silent_log(void **state)
{
    (void)state;
    struct harness *h = harness_new(&debug_exporter, new_loop(), "{verbosity: detailed}");
    struct log_config config = {.level = LOG_WARN};
    log_configure(h->log, &config);
    harness_consume(h, metrics());
    assert_int_equal(h->log_text.len, 0);
    assert_int_equal(h->outcomes[OUTCOME_SENT], 1);
    free_all(h);
}

static size_t count_lines(const struct harness *h, const char *text)
{
    size_t count = 0, at;
    for (str rest = buf_view(&h->log_text); str_find(rest, str_from(text), &at); count++)
        rest = str_skip(rest, at + 1);
    return count;
}

static void test_sampling(void **state)
{
    (void)state;
    struct harness *h =
        harness_new(&debug_exporter, new_loop(),
                    "{sampling_initial: 3, sampling_thereafter: 4, verbosity: normal}");
    for (int i = 1; i <= 20; i++) {
        harness_clear_log(h);
        harness_consume(h, logs(1, STR("hi")));
        bool wanted = i <= 3 || (i - 3) % 4 == 0;
        assert_int_equal(count_lines(h, "Logs\t"), wanted);
        assert_int_equal(count_lines(h, "hi"), wanted); /* both lines or none */
        fake_loop_spend(h->loop, 40 * MS);
    }
    harness_clear_log(h);
    for (int i = 0; i < 4; i++)
        harness_consume(h, metrics()); /* a count of its own */
    assert_int_equal(count_lines(h, "Metrics\t"), 3);
    fake_loop_spend(h->loop, 200 * MS); /* a second after the first batch */
    for (int i = 0; i < 4; i++)
        harness_consume(h, logs(1, STR("hi")));
    assert_int_equal(count_lines(h, "Logs\t"), 3);
    assert_int_equal(h->outcomes[OUTCOME_SENT], 28); /* unseen, but sent */
    free_all(h);
    h = harness_new(&debug_exporter, new_loop(), "{sampling_initial: 1, sampling_thereafter: 0}");
    for (int i = 0; i < 10; i++)
        harness_consume(h, logs(1, STR("hi")));
    assert_int_equal(count_lines(h, "Logs\t"), 1);
    free_all(h);
    h = harness_new(&debug_exporter, new_loop(), "{}"); /* 2 and 1: everything */
    for (int i = 0; i < 10; i++)
        harness_consume(h, logs(1, STR("hi")));
    assert_int_equal(count_lines(h, "Logs\t"), 10);
    free_all(h);
}

/* The log's own sampling does not apply: ten equal lines in ten seconds would be the end of it. */
static void test_not_sampled_twice(void **state)
{
    (void)state;
    struct harness *h = harness_new(&debug_exporter, new_loop(), "{}");
    struct log_config config = {
        .level = LOG_INFO,
        .sampling = {.enabled = true, .tick_ns = 10 * SECOND, .initial = 10, .thereafter = 100}};
    log_configure(h->log, &config);
    for (int i = 0; i < 50; i++)
        harness_consume(h, logs(1, STR("hi")));
    assert_int_equal(count_lines(h, "Logs\t"), 50);
    free_all(h);
}

/* ---- files ---- */

struct file {
    char path[64];
};

static void temp_file(struct file *f)
{
    snprintf(f->path, sizeof f->path, "/tmp/baton-test-XXXXXX");
    int fd = mkstemp(f->path);
    assert_true(fd >= 0);
    close(fd);
}

static void read_back(const struct file *f, struct buf *content)
{
    struct err err;
    buf_init(content, 64 * MIB);
    if (!file_read(f->path, content, &err))
        fail_msg("%s", err.text);
}

static struct harness *with_files(const char *more, const struct file *a, const struct file *b)
{
    char yaml[512];
    snprintf(yaml, sizeof yaml, "{use_internal_logger: false, %soutput_paths: [%s%s%s]}", more,
             a->path, b == NULL ? "" : ", ", b == NULL ? "" : b->path);
    struct harness *h = harness_new(&debug_exporter, new_loop(), yaml);
    assert_true(h->exporter.type->start(&h->exporter, NULL));
    return h;
}

static void stop(struct harness *h)
{
    h->exporter.type->stop(&h->exporter, loop_boot_ns(h->loop) + 5 * SECOND);
    assert_int_equal(h->stopped_count, 1);
}

static void test_files(void **state)
{
    (void)state;
    struct file a, b;
    temp_file(&a);
    temp_file(&b);
    struct harness *h = with_files("verbosity: normal, ", &a, &b);
    consume_all(h);
    stop(h); /* writes all */
    assert_int_equal(h->log_text.len, 0);
    static const char expected[] =
        "Metrics\t{\"resource metrics\": 1, \"metrics\": 2, \"data points\": 3}\n"
        "ResourceMetrics #0\nScopeMetrics #0\ng{} 0\ng{} 10\ng{} 11\n\n"
        "Logs\t{\"resource logs\": 1, \"log records\": 2}\n"
        "ResourceLog #0\nScopeLog #0\nhi \nhi \n\n"
        "Traces\t{\"resource spans\": 2, \"spans\": 1}\n"
        "ResourceTraces #0\nResourceTraces #1\nScopeTraces #1\ns  \n\n";
    struct buf in_a, in_b;
    read_back(&a, &in_a);
    read_back(&b, &in_b);
    assert_string_equal(buf_cstr(&in_a), expected);
    assert_string_equal(buf_cstr(&in_b), expected);
    buf_deinit(&in_a);
    buf_deinit(&in_b);
    unlink(a.path);
    unlink(b.path);
    free_all(h);
}

/* Nothing is named: standard output. */
static void test_standard_output(void **state)
{
    (void)state;
    struct file a;
    temp_file(&a);
    struct harness *h = harness_new(&debug_exporter, new_loop(), "{use_internal_logger: false}");
    fflush(stdout);
    int before = dup(STDOUT_FILENO);
    assert_true(before >= 0 && freopen(a.path, "w", stdout) != NULL);
    bool started = h->exporter.type->start(&h->exporter, NULL);
    harness_consume(h, logs(1, STR("hi")));
    stop(h);
    fflush(stdout);
    assert_true(dup2(before, STDOUT_FILENO) >= 0);
    close(before);
    assert_true(started);
    struct buf content;
    read_back(&a, &content);
    assert_string_equal(buf_cstr(&content), "Logs\t{\"resource logs\": 1, \"log records\": 1}\n");
    buf_deinit(&content);
    unlink(a.path);
    free_all(h);
}

static void test_cut(void **state)
{
    (void)state;
    struct file a;
    temp_file(&a);
    struct harness *h = with_files("verbosity: normal, ", &a, NULL);
    char *body = mem_alloc(10000);
    memset(body, 'x', 10000);
    harness_consume(h, logs(100, str_make(body, 10000)));
    stop(h);
    struct buf content;
    read_back(&a, &content);
    assert_true(content.len > 700 * KIB && content.len < 768 * KIB);
    assert_true(str_ends_with(buf_view(&content), STR("x \n...[cut]\n\n")));
    buf_deinit(&content);
    unlink(a.path);
    free_all(h);
    h = harness_new(&debug_exporter, new_loop(), "{verbosity: detailed}");
    harness_consume(h, logs(100, str_make(body, 10000)));
    assert_true(harness_logged(h, "...[cut]\n\t{" OWN "\"otelcol.signal\": \"logs\"}\n"));
    mem_free(body);
    free_all(h);
}

static void test_bad_path(void **state)
{
    (void)state;
    struct harness *h = harness_new(&debug_exporter, new_loop(),
                                    "{use_internal_logger: false, output_paths: [/nonexistent/x]}");
    struct err err;
    assert_false(h->exporter.type->start(&h->exporter, &err));
    size_t at;
    assert_true(str_find(str_from(err.text), STR("/nonexistent/x"), &at));
    free_all(h);
    struct file a;
    temp_file(&a);
    char yaml[256];
    snprintf(yaml, sizeof yaml, "{use_internal_logger: false, output_paths: [%s, /nonexistent/x]}",
             a.path);
    h = harness_new(&debug_exporter, new_loop(), yaml);
    assert_false(h->exporter.type->start(&h->exporter, &err)); /* the first one is open */
    free_all(h);
    unlink(a.path);
}

static void test_config(void **state)
{
    (void)state;
    const struct exporter_type *t = &debug_exporter;
    harness_check(t, "{verbosity: none}", 1, 0, "verbosity level \"None\" is not supported");
    harness_check(t, "{verbosity: loud}", 1, 0,
                  "invalid value \"loud\" (valid values: basic, detailed, none, normal)");
    harness_check(t, "{output_paths: [stdout]}", 1, 0,
                  "output_paths is not supported when use_internal_logger is true");
    harness_check(t, "{use_internal_logger: false, output_paths: [a, b, c, d, e]}", 1, 0,
                  "5 paths, at most 4");
    harness_check(t, "{sampling_initial: -1}", 1, 0,
                  "exporters::test::sampling_initial: must not be negative");
    harness_check(t, "{sampling_thereafter: -1}", 1, 0,
                  "exporters::test::sampling_thereafter: must not be negative");
    harness_check(t,
                  "{use_internal_logger: false, output_paths: [a, b, c, d], sampling_initial: 0, "
                  "sampling_thereafter: 0}",
                  0, 0, "");
    harness_check(t, "{sending_queue: }", 0, 1, "exporters::test::sending_queue: has no effect");
    harness_check(t,
                  "{sending_queue: {enabled: false}, verbosity: DETAILED, use_internal_logger: "
                  "false, output_paths: [stdout, stderr]}",
                  0, 0, "");
    harness_check(t, "{loglevel: debug}", 1, 0, "has invalid keys: loglevel");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_normal),
        cmocka_unit_test(test_detailed),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_silent_log),
        cmocka_unit_test(test_sampling),
        cmocka_unit_test(test_not_sampled_twice),
        cmocka_unit_test(test_standard_output),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_bad_path),
        cmocka_unit_test(test_config),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
