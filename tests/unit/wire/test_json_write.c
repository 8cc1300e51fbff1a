/* JSON writer and framer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "wire/json.h"

static void test_writer(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    struct json_writer w = {.out = &b};
    json_write_object(&w);
    json_write_key(&w, STR("a"));
    json_write_i64(&w, INT64_MIN);
    json_write_key(&w, STR("b\n"));
    json_write_array(&w);
    json_write_array(&w);
    json_write_array_end(&w);
    json_write_object(&w);
    json_write_object_end(&w);
    json_write_u64(&w, UINT64_MAX);
    json_write_i64(&w, INT64_MAX);
    json_write_i64(&w, 0);
    json_write_double(&w, 0.1);
    json_write_double(&w, NAN);
    json_write_bool(&w, true);
    json_write_bool(&w, false);
    json_write_null(&w);
    json_write_string(&w, STR("x\"y"));
    json_write_raw(&w, STR("{\"r\": 1}"));
    json_write_array_end(&w);
    json_write_key(&w, STR("c"));
    json_write_object(&w);
    json_write_key(&w, STR("d"));
    json_write_string(&w, STR_NONE);
    json_write_object_end(&w);
    json_write_object_end(&w);
    assert_string_equal(buf_cstr(&b),
                        "{\"a\":-9223372036854775808,\"b\\n\":[[],{},18446744073709551615,"
                        "9223372036854775807,0,0.1,null,true,false,null,"
                        "\"x\\\"y\",{\"r\": 1}],\"c\":{\"d\":\"\"}}");
    struct json j;
    json_init(&j, buf_view(&b));
    json_skip(&j);
    assert_true(json_finish(&j, NULL));
    buf_deinit(&b);
}

static void test_writer_overflow(void **state)
{
    (void)state;
    for (size_t max = 0; max < 30; max++) {
        struct buf b;
        buf_init(&b, max);
        struct json_writer w = {.out = &b};
        json_write_object(&w);
        json_write_key(&w, STR("key"));
        json_write_string(&w, STR("a value\n"));
        json_write_key(&w, STR("n"));
        json_write_i64(&w, 1);
        json_write_object_end(&w);
        assert_int_equal(b.overflow, max < strlen("{\"key\":\"a value\\n\",\"n\":1}"));
        assert_true(b.len <= max);
        buf_deinit(&b);
    }
}

static const char stream[] =
    "{\"a\":\"}{\\\"\\\\\",\"b\":[1,{}]}\n{\"c\":[[]]}[] 12 \"x\\\"]\"\ttrue\n}null ";
static const char *const documents[] = {"{\"a\":\"}{\\\"\\\\\",\"b\":[1,{}]}",
                                        "\n{\"c\":[[]]}",
                                        "[]",
                                        " 12 ",
                                        "\"x\\\"]\"",
                                        "\ttrue\n",
                                        "}",
                                        "null "};

/* Cut at every place, and byte by byte. */
static void test_framer_cuts(void **state)
{
    (void)state;
    for (size_t cut = 0; cut <= sizeof stream; cut++) {
        struct json_framer f = {0};
        size_t start = 0, pos = 0, found = 0, len = strlen(stream);
        while (pos < len) {
            size_t piece = cut == sizeof stream ? pos + 1 : pos < cut ? cut : len;
            if (piece > len)
                piece = len;
            bool complete;
            size_t used = json_frame(&f, str_make(stream + pos, piece - pos), &complete);
            assert_true(used > 0 && used <= piece - pos);
            pos += used;
            if (!complete)
                continue;
            assert_true(found < COUNT_OF(documents));
            assert_true(str_eq(str_make(stream + start, pos - start), str_from(documents[found])));
            start = pos;
            found++;
        }
        assert_int_equal(found, COUNT_OF(documents));
    }
}

static void test_framer_incomplete(void **state)
{
    (void)state;
    struct json_framer f = {0};
    bool complete = true;
    assert_int_equal(json_frame(&f, STR_NONE, &complete), 0);
    assert_false(complete || f.started);
    assert_int_equal(json_frame(&f, STR(" \n"), &complete), 2);
    assert_false(complete || f.started);
    assert_int_equal(json_frame(&f, STR("{\"a"), &complete), 3);
    assert_true(!complete && f.started);
    assert_int_equal(json_frame(&f, STR("\\"), &complete), 1);
    assert_int_equal(json_frame(&f, STR("\"}\"}rest"), &complete), 4);
    assert_true(complete && !f.started && f.depth == 0);
    assert_int_equal(json_frame(&f, STR("12"), &complete),
                     2); /* the end of the stream may end it */
    assert_true(!complete && f.started);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writer),
        cmocka_unit_test(test_writer_overflow),
        cmocka_unit_test(test_framer_cuts),
        cmocka_unit_test(test_framer_incomplete),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
