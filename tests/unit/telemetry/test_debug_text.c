/*
 * The text of the debug exporter against what the reference printed of the same batches (golden/),
 * and the few places where we follow a newer reference than the one that made those files.
 *
 * "test_debug_text --write FOLDER" writes the batches as OTLP requests instead:
 * regenerate_golden.sh sends them to the reference.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/limits.h"
#include "telemetry/debug_text.h"
#include "telemetry/otlp.h"
#include "telemetry/value_text.h"
#include "tests/unit/telemetry/golden_batches.h"

#define assert_text(buf, text) assert_string_equal(buf_cstr(&(buf)), (text))

static void read_golden(struct buf *out, const char *name, const char *verbosity)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/golden/%s.%s.txt", TEST_SOURCE_DIR, name, verbosity);
    FILE *f = fopen(path, "rb");
    if (f == NULL)
        fail_msg("cannot open %s", path);
    char chunk[4096];
    for (size_t len; (len = fread(chunk, 1, sizeof chunk, f)) > 0;)
        buf_append(out, chunk, len);
    fclose(f);
    assert_true(out->len > 100 && !out->overflow);
}

/* Names the first line that differs, since the texts are long. */
static void assert_same_lines(struct buf *got, struct buf *expected, const char *name)
{
    str a = buf_view(got), b = buf_view(expected);
    for (size_t line = 1; a.len > 0 || b.len > 0; line++) {
        str a_line, b_line;
        str_cut(a, '\n', &a_line, &a);
        str_cut(b, '\n', &b_line, &b);
        if (!str_eq(a_line, b_line))
            fail_msg("%s:%zu:\n got      %.*s\n expected %.*s", name, line, STR_ARG(a_line),
                     STR_ARG(b_line));
    }
    assert_true(str_eq(buf_view(got), buf_view(expected)));
}

static void test_golden(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(golden_batches); i++) {
        const struct golden_batch *g = &golden_batches[i];
        struct batch *b = g->make();
        struct buf got, expected;
        buf_init(&got, MIB);
        buf_init(&expected, MIB);
        debug_text_normal(&got, b);
        read_golden(&expected, g->name, "normal");
        assert_same_lines(&got, &expected, g->name);
        buf_clear(&got);
        buf_clear(&expected);
        debug_text_detailed(&got, b);
        read_golden(&expected, g->name, "detailed");
        assert_same_lines(&got, &expected, g->name);
        buf_deinit(&got);
        buf_deinit(&expected);
        batch_unref(b);
    }
}

static void test_empty_batch_has_no_text(void **state)
{
    (void)state;
    struct batch *b = batch_new(SIGNAL_LOGS);
    struct buf out;
    buf_init(&out, 100);
    debug_text_normal(&out, b);
    debug_text_detailed(&out, b);
    assert_int_equal(out.len, 0);
    buf_deinit(&out);
    batch_unref(b);
}

static void test_text_is_cut_at_the_maximum(void **state)
{
    (void)state;
    struct batch *b = golden_metrics();
    struct buf all, cut;
    buf_init(&all, MIB);
    debug_text_detailed(&all, b);
    assert_false(all.overflow);
    for (size_t max = 0; max < 3000; max += 7) {
        buf_init(&cut, max);
        debug_text_detailed(&cut, b);
        assert_true(cut.overflow);
        assert_true(cut.len <= max);
        assert_true(str_starts_with(buf_view(&all), buf_view(&cut)));
        buf_deinit(&cut);
    }
    buf_deinit(&all);
    batch_unref(b);
}

static void check_value(struct value v, const char *expected)
{
    struct buf out;
    buf_init(&out, MIB);
    value_text(&out, &v);
    assert_text(out, expected);
    assert_int_equal(out.len, strlen(expected));
    buf_deinit(&out);
}

/* What follows is the text of version 1.70.0 of the reference's data library. */
static void test_values_of_the_newer_reference(void **state)
{
    (void)state;
    check_value(VALUE_OF_DOUBLE(NAN), "NaN");
    check_value(VALUE_OF_DOUBLE(INFINITY), "Infinity");
    check_value(VALUE_OF_DOUBLE(-INFINITY), "-Infinity");
    check_value(VALUE_OF_DOUBLE(-0.0), "-0");
    check_value((struct value){.kind = VALUE_SLICE, .slice = {golden_with_nan, 2}}, "");
    const struct attribute around[] = {ATTR_SLICE("deeper", golden_with_nan)};
    check_value((struct value){.kind = VALUE_MAP, .map = {around, 1}}, "");
    const struct attribute items[] = {
        ATTR_STR("z", "a<b>&c\"\\\n\r\t\b\f\x01\x7f\xe2\x80\xa8\xe2\x80\xa9\xc3\xa9\xff\xfez"),
        ATTR_BYTES("by", "\x01\x02\x03\xff"),
        ATTR_BYTES("by0", ""),
        {TEXT("em"), {.kind = VALUE_MAP}},
        {TEXT("es"), {.kind = VALUE_SLICE}},
        ATTR_STR("dup", "first"),
        ATTR_STR("dup", "second"),
        ATTR_STR("\xff", "bad key"),
    };
    check_value(
        (struct value){.kind = VALUE_MAP, .map = {items, COUNT_OF(items)}},
        "{\"by\":\"AQID/w==\",\"by0\":null,\"dup\":\"second\",\"em\":{},\"es\":[],"
        "\"z\":\"a<b>&c\\\"\\\\\\n\\r\\t\\b\\f\\u0001\x7f\\u2028\\u2029\xc3\xa9\\ufffd\\ufffdz\","
        "\"\\ufffd\":\"bad key\"}");
    /* A cut character, and a NUL. */
    const struct attribute cut[] = {ATTR_STR("a\0b", "\xe2\x80")};
    check_value((struct value){.kind = VALUE_MAP, .map = {cut, 1}},
                "{\"a\\u0000b\":\"\\ufffd\\ufffd\"}");
}

static void test_deep_values_end(void **state)
{
    (void)state;
    static struct value deep[2 * LIMIT_VALUE_DEPTH];
    for (size_t i = 0; i < COUNT_OF(deep); i++) {
        deep[i] = (struct value){.kind = VALUE_SLICE};
        if (i + 1 < COUNT_OF(deep))
            deep[i].slice.items = &deep[i + 1], deep[i].slice.count = 1;
    }
    struct buf out;
    buf_init(&out, MIB);
    value_text(&out, &deep[0]);
    assert_int_equal(out.len, 2 * LIMIT_VALUE_DEPTH + 4);
    assert_true(str_find(buf_view(&out), STR("[null]"), &(size_t){0}));
    buf_deinit(&out);
}

static void check_fixed(double n, const char *expected)
{
    struct buf out;
    buf_init(&out, MIB);
    fixed_text(&out, n);
    assert_text(out, expected);
    buf_deinit(&out);
}

static void test_fixed_text(void **state)
{
    (void)state;
    check_fixed(NAN, "NaN");
    check_fixed(-NAN, "NaN");
    check_fixed(INFINITY, "+Inf");
    check_fixed(-INFINITY, "-Inf");
    check_fixed(1.0 / 3, "0.333333");
    check_fixed(0.0000005, "0.000000");
    check_fixed(-0.0000006, "-0.000001");
    check_fixed(1e22, "10000000000000000000000.000000");
}

static void test_id_text(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 100);
    id_text(&out, (const uint8_t[4]){0}, 4);
    assert_int_equal(out.len, 0);
    id_text(&out, (const uint8_t[4]){0, 0, 0, 0xa1}, 4);
    assert_text(out, "000000a1");
    buf_deinit(&out);
}

static int write_requests(const char *folder)
{
    for (size_t i = 0; i < COUNT_OF(golden_batches); i++) {
        struct batch *b = golden_batches[i].make();
        struct otlp_cursor c;
        otlp_cursor_init(&c, b, MIB);
        struct buf out;
        buf_init(&out, MIB);
        size_t item_count;
        CHECK(otlp_next(&c, &out, &item_count) == OTLP_REQUEST && item_count == b->item_count);
        char path[1024];
        snprintf(path, sizeof path, "%s/%s.%s.otlp", folder, golden_batches[i].name,
                 signal_name(b->signal));
        FILE *f = fopen(path, "wb");
        if (f == NULL || fwrite(out.data, 1, out.len, f) != out.len || fclose(f) != 0) {
            perror(path);
            return 1;
        }
        buf_deinit(&out);
        batch_unref(b);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_requests(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden),
        cmocka_unit_test(test_empty_batch_has_no_text),
        cmocka_unit_test(test_text_is_cut_at_the_maximum),
        cmocka_unit_test(test_values_of_the_newer_reference),
        cmocka_unit_test(test_deep_values_end),
        cmocka_unit_test(test_fixed_text),
        cmocka_unit_test(test_id_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
