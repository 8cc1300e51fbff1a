/* The Prometheus text format: names and suffixes, labels and their escapes, families without samples. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/limits.h"
#include "service/metrics_page.h"

static const struct metrics_family bytes = {"a_size", "bytes", FAMILY_GAUGE, false, "How large."};
static const struct metrics_family events = {"a_events", NULL, FAMILY_COUNTER, false, "How many."};
static const struct metrics_family seconds = {"a_work", "seconds", FAMILY_COUNTER, false, "How long."};
static const struct metrics_family old = {"a_old_total", "bytes", FAMILY_COUNTER, true, "As it was."};

static void write_all(struct metrics_page *p)
{
    metrics_page_family(p, &bytes);
    metrics_page_begin(p);
    metrics_page_end_count(p, UINT64_MAX);
    metrics_page_family(p, &events); /* none */
    metrics_page_family(p, &seconds);
    metrics_page_begin(p);
    metrics_page_label(p, "k", STR("a\\b\"c\nd"));
    metrics_page_label(p, "empty", STR(""));
    metrics_page_end(p, 0.25);
    metrics_page_begin(p);
    metrics_page_label(p, "k", STR("x"));
    metrics_page_end(p, 1e22);
    metrics_page_family(p, &old);
    metrics_page_begin(p);
    metrics_page_end_count(p, 0);
}

static void check(struct metrics_page_options options, const char *expected)
{
    struct buf out;
    struct metrics_page p;
    buf_init(&out, MIB);
    metrics_page_init(&p, &out, &options);
    write_all(&p);
    metrics_page_deinit(&p);
    assert_string_equal(buf_cstr(&out), expected);
    buf_deinit(&out);
}

static void test_plain(void **state)
{
    (void)state;
    check((struct metrics_page_options){0}, "# HELP a_size How large.\n"
                                            "# TYPE a_size gauge\n"
                                            "a_size 18446744073709551615\n"
                                            "# HELP a_work How long.\n"
                                            "# TYPE a_work counter\n"
                                            "a_work{k=\"a\\\\b\\\"c\\nd\",empty=\"\"} 0.25\n"
                                            "a_work{k=\"x\"} 1e+22\n"
                                            "# HELP a_old_total As it was.\n"
                                            "# TYPE a_old_total counter\n"
                                            "a_old_total 0\n");
}

#define SCOPE "otel_scope_name=\"baton\",otel_scope_schema_url=\"\",otel_scope_version=\"" BATON_VERSION "\""

static void test_everything_on(void **state)
{
    (void)state;
    check((struct metrics_page_options){.scope = true, .units = true, .type_suffix = true, .constant_labels = STR("c=\"d\"")},
          "# HELP a_size_bytes How large.\n"
          "# TYPE a_size_bytes gauge\n"
          "a_size_bytes{c=\"d\"," SCOPE "} 18446744073709551615\n"
          "# HELP a_work_seconds_total How long.\n"
          "# TYPE a_work_seconds_total counter\n"
          "a_work_seconds_total{c=\"d\"," SCOPE ",k=\"a\\\\b\\\"c\\nd\",empty=\"\"} 0.25\n"
          "a_work_seconds_total{c=\"d\"," SCOPE ",k=\"x\"} 1e+22\n"
          "# HELP a_old_total As it was.\n"
          "# TYPE a_old_total counter\n"
          "a_old_total{c=\"d\"," SCOPE "} 0\n");
}

static void test_label_names(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, KIB);
    metrics_label_name(&out, STR("9service.name-\xc3\xa4_B2"));
    assert_string_equal(buf_cstr(&out), "_9service_name____B2");
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_everything_on),
        cmocka_unit_test(test_label_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
