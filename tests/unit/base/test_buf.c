/* Buffers: limits, sticky overflow, JSON strings and numbers. Strings are checked with json-c,
 * numbers by reading them back. */
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

static void test_growth(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100000);
    assert_null(b.data);
    assert_string_equal(buf_cstr(&b), "");
    for (int i = 0; i < 100000; i++)
        buf_byte(&b, (char)('a' + i % 26));
    assert_false(b.overflow);
    assert_int_equal(b.len, 100000);
    assert_int_equal(strlen(buf_cstr(&b)), 100000); /* the NUL has room even at the maximum */
    for (size_t i = 0; i < b.len; i++)
        assert_int_equal(b.data[i], 'a' + i % 26);
    buf_byte(&b, 'x');
    assert_true(b.overflow);
    assert_int_equal(b.len, 100000);
    buf_deinit(&b);
    buf_text(&b, "again"); /* keeps its maximum */
    assert_string_equal(buf_cstr(&b), "again");
    buf_deinit(&b);
}

static void test_overflow_is_sticky(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 8);
    buf_text(&b, "12345");
    buf_text(&b, "6789"); /* does not fit: dropped as a whole */
    assert_true(b.overflow);
    buf_text(&b, "6"); /* would fit, but what is there must be a prefix */
    buf_byte(&b, '6');
    buf_printf(&b, "%d", 6);
    assert_null(buf_reserve(&b, 1));
    assert_string_equal(buf_cstr(&b), "12345");
    buf_consume(&b, 4);
    assert_true(b.overflow);
    assert_string_equal(buf_cstr(&b), "5");
    buf_clear(&b);
    assert_false(b.overflow);
    buf_text(&b, "12345678");
    assert_false(b.overflow);
    assert_string_equal(buf_cstr(&b), "12345678");
    assert_null(buf_reserve(&b, SIZE_MAX));
    buf_deinit(&b);
    buf_init(&b, 0);
    buf_append(&b, NULL, 0);
    buf_str(&b, STR_NONE);
    assert_false(b.overflow);
    assert_string_equal(buf_cstr(&b), "");
    buf_byte(&b, 'x');
    assert_true(b.overflow);
    buf_deinit(&b);
}

static void test_printf(void **state)
{
    (void)state;
    for (size_t len = 250; len < 260; len++) { /* around the size of the first try */
        struct buf b;
        buf_init(&b, len);
        buf_printf(&b, "%*d", (int)len, 7);
        assert_false(b.overflow);
        assert_int_equal(b.len, len);
        assert_int_equal(b.data[len - 1], '7');
        assert_int_equal(b.data[0], ' ');
        buf_deinit(&b);
        buf_init(&b, len - 1);
        buf_printf(&b, "%*d", (int)len, 7);
        assert_true(b.overflow);
        assert_int_equal(b.len, 0);
        buf_deinit(&b);
    }
}

static void test_reserve_consume_take(void **state)
{
    (void)state;
    struct buf b;
    size_t len;
    buf_init(&b, 1000);
    char *room = buf_reserve(&b, 10);
    assert_non_null(room);
    memcpy(room, "0123456789", 10);
    buf_commit(&b, 7);
    assert_true(str_eqz(buf_view(&b), "0123456"));
    buf_consume(&b, 0);
    buf_consume(&b, 3);
    assert_true(str_eqz(buf_view(&b), "3456"));
    char *taken = buf_take(&b, &len);
    assert_int_equal(len, 4);
    assert_string_equal(taken, "3456");
    mem_free(taken);
    assert_int_equal(b.len, 0);
    taken = buf_take(&b, NULL); /* empty: never NULL */
    assert_string_equal(taken, "");
    mem_free(taken);
    buf_deinit(&b);
}

static void check_json_string(str s, const char *want)
{
    struct buf b;
    buf_init(&b, 1 << 20);
    buf_json_string(&b, s);
    assert_string_equal(buf_cstr(&b), want);
    buf_deinit(&b);
}

static void test_json_string(void **state)
{
    (void)state;
    check_json_string(STR_NONE, "\"\"");
    check_json_string(STR("a\"b\\c/<>&\x7f"), "\"a\\\"b\\\\c/<>&\x7f\"");
    check_json_string(STR("\b\f\n\r\t\x1f\0"), "\"\\u0008\\u000c\\n\\r\\t\\u001f\\u0000\"");
    check_json_string(STR("\xe2\x82\xac\xf0\x9f\x98\x80"), "\"\xe2\x82\xac\xf0\x9f\x98\x80\"");
    check_json_string(STR("\xff"
                          "a\xe2\x82"),
                      "\"\xef\xbf\xbd"
                      "a\xef\xbf\xbd\xef\xbf\xbd\"");
    check_json_string(STR("\xed\xa0\x80"), "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void test_json_string_by_json_c(void **state)
{
    (void)state;
    srand(1);
    for (int round = 0; round < 20000; round++) {
        char text[24];
        size_t len = (size_t)rand() % sizeof text;
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(rand() % 3 == 0 ? rand() % 32 : 32 + rand() % 96);
        struct buf b;
        buf_init(&b, 1000);
        buf_json_string(&b, str_make(text, len));
        struct json_tokener *tokener = json_tokener_new();
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
        struct json_object *object = json_tokener_parse_ex(tokener, buf_cstr(&b), (int)b.len + 1);
        assert_non_null(object);
        assert_int_equal(json_object_get_string_len(object), len);
        assert_memory_equal(json_object_get_string(object), text, len);
        json_object_put(object);
        json_tokener_free(tokener);
        buf_deinit(&b);
    }
}

static void check_double(double n, const char *want)
{
    struct buf b;
    buf_init(&b, 100);
    buf_double(&b, n);
    assert_string_equal(buf_cstr(&b), want);
    buf_deinit(&b);
}

static void test_double_layout(void **state)
{
    (void)state;
    check_double(0, "0");
    check_double(-0.0, "-0");
    check_double(1, "1");
    check_double(-1.5, "-1.5");
    check_double(0.1, "0.1");
    check_double(100, "100");
    check_double(123456789012345680.0, "123456789012345680");
    check_double(1e15, "1000000000000000");
    check_double(1e20, "100000000000000000000");
    check_double(1.5e20, "150000000000000000000");
    check_double(1e21, "1e+21");
    check_double(1.25e100, "1.25e+100");
    check_double(0.000001, "0.000001");
    check_double(0.0000015, "0.0000015");
    check_double(1e-7, "1e-7");
    check_double(-1.5e-10, "-1.5e-10");
    check_double(5e-324, "5e-324");
    check_double(1.7976931348623157e308, "1.7976931348623157e+308");
    check_double(0x1p-44,
                 "5.684341886080802e-14"); /* the nearest 16 digits read back as another number */
    check_double(9007199254740993.0, "9007199254740992");
    check_double(NAN, "null");
    check_double(INFINITY, "null");
    check_double(-INFINITY, "null");
}

/* Every double reads back, and no shorter text would have (tried with printf on all shorter
 * precisions). */
static void test_double_random(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int round = 0; round < 100000; round++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        uint64_t bits = seed ^ seed >> 29;
        if (round % 4 == 0)
            bits = (uint64_t)(round / 4 % 2046) << 52; /* powers of two */
        else if (round % 4 == 1)
            bits &= UINT64_C(0x800fffffffffffff) >> round % 50; /* subnormal */
        double n, back;
        memcpy(&n, &bits, sizeof n);
        if (!isfinite(n))
            continue;
        struct buf b;
        buf_init(&b, 100);
        buf_double(&b, n);
        back = strtod(buf_cstr(&b), NULL);
        if (memcmp(&back, &n, sizeof n) != 0)
            fail_msg("%a gave %s", n, buf_cstr(&b));
        buf_deinit(&b);
        char digits[18], text[40];
        int exponent;
        double_digits(n, digits, &exponent);
        int count = (int)strlen(digits);
        if (count > 1) {
            snprintf(text, sizeof text, "%.*e", count - 2, n);
            if (strtod(text, NULL) == n)
                fail_msg("%a: %s has %d digits, but %s is enough", n, digits, count, text);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_growth),        cmocka_unit_test(test_overflow_is_sticky),
        cmocka_unit_test(test_printf),        cmocka_unit_test(test_reserve_consume_take),
        cmocka_unit_test(test_json_string),   cmocka_unit_test(test_json_string_by_json_c),
        cmocka_unit_test(test_double_layout), cmocka_unit_test(test_double_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
