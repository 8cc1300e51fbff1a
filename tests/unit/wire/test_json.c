/* JSON reader: the grammar of RFC 8259 in good and bad texts, values, positions of errors. The fuzzer compares with json-c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/json.h"

/* A text of the exact size on the heap, so that the sanitizer sees reads past the end. */
struct exact {
    char *data;
    struct json j;
};

static struct exact exact_new(str text)
{
    struct exact e = {.data = mem_alloc(text.len)};
    if (text.len > 0)
        memcpy(e.data, text.data, text.len);
    json_init(&e.j, str_make(e.data, text.len));
    return e;
}

/* Reads everything, value by value. */
static void read_value(struct json *j, struct arena *a)
{
    str s;
    int64_t i;
    bool b;
    switch (json_peek(j)) {
    case JSON_OBJECT:
        json_object(j);
        while (json_key(j, &s))
            read_value(j, a);
        break;
    case JSON_ARRAY:
        json_array(j);
        while (json_item(j))
            read_value(j, a);
        break;
    case JSON_STRING:
        json_get_string(j, a, &s);
        break;
    case JSON_NUMBER:
        json_get_i64(j, &i);
        break;
    default:
        json_get_bool(j, &b);
    }
}

/* Skipping and reading must agree; gives the error, empty if there is none. */
static const char *check(str text, struct err *err)
{
    struct err by_reading = {0};
    struct arena a;
    arena_init(&a, 64);
    *err = (struct err){0};
    struct exact e = exact_new(text);
    json_skip(&e.j);
    bool skipped = json_finish(&e.j, err);
    mem_free(e.data);
    e = exact_new(text);
    read_value(&e.j, &a);
    bool read = json_finish(&e.j, &by_reading);
    mem_free(e.data);
    arena_deinit(&a);
    if (skipped != read)
        fail_msg("%.*s: skipped: %s; read: %s", STR_ARG(text), err->text, by_reading.text);
    assert_int_equal(skipped, err->text[0] == '\0');
    return err->text;
}

static void test_good_texts(void **state)
{
    (void)state;
    static const char *const good[] = {
        "{}",
        "[]",
        "0",
        "-0",
        "1",
        "12",
        "-12",
        "0.5",
        "1.5e3",
        "1E+3",
        "1e-3",
        "0e0",
        "1e999",
        "-1e-999",
        "\"\"",
        "\"a\"",
        "true",
        "false",
        "null",
        " \t\r\n1 \t\r\n",
        "[1]",
        "[1,2]",
        "[ 1 , 2 ]",
        "[[],{}]",
        "{\"a\":1}",
        "{ \"a\" : 1 , \"b\" : [ ] }",
        "{\"\":0}",
        "{\"a\":1,\"a\":2}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u0041\"",
        "\"\\ud83d\\ude00\"",
        "\"\\uD800\"",
        "\"\\u0000\"",
        "\"\x7f\"",
        "\"\xc2\x80\"",
        "\"\xed\x9f\xbf\"",
        "\"\xf4\x8f\xbf\xbf\"",
        "{\"\\u0061\\n\":1}",
        "[[[[[[[[]]]]]]]]",
        "123456789012345678901234567890",
        "\"12345678\\n12345678\"",
        "\"1234567\xe2\x82\xac\"",
    };
    struct err err;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        if (check(str_from(good[i]), &err)[0] != '\0')
            fail_msg("%s: %s", good[i], err.text);
    }
}

static void test_bad_texts(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } bad[] = {
        {"", "line 1 column 1: the text ends"},
        {"  \n ", "line 2 column 2: the text ends"},
        {"{", "column 2: the text ends"},
        {"[", "column 2: the text ends"},
        {"[1", "column 3: the text ends"},
        {"[1,", "column 4: the text ends"},
        {"{\"a\"", "column 5: the text ends"},
        {"{\"a\":", "column 6: the text ends"},
        {"{\"a\":1", "column 7: the text ends"},
        {"{\"a\":1,", "column 8: the text ends"},
        {"\"abc", "column 5: the text ends"},
        {"\"abc\\", "the text ends"},
        {"\"\\u12", "the text ends"},
        {"-", "the text ends"},
        {"1.", "the text ends"},
        {"1e", "the text ends"},
        {"1e+", "the text ends"},
        {"[1,]", "column 4: "},
        {"[,1]", "column 2: expected a value"},
        {"[1,,2]", "column 4: expected a value"},
        {"[1 2]", "column 4: expected a comma or ]"},
        {"[1}", "column 3: expected a comma or ]"},
        {"{\"a\":1]", "column 7: expected a comma or }"},
        {"{\"a\":1,}", "column 8: "},
        {"{\"a\":1 \"b\":2}", "column 8: expected a comma or }"},
        {"{,}", "column 2: expected a key in quotes"},
        {"{a:1}", "column 2: expected a key in quotes"},
        {"{1:1}", "column 2: expected a key in quotes"},
        {"{\"a\" 1}", "column 6: expected a colon"},
        {"{\"a\"::1}", "column 6: expected a value"},
        {"{\"a\":}", "column 6: expected a value"},
        {"]", "column 1: expected a value"},
        {"}", "column 1: expected a value"},
        {"[]]", "column 3: there is text after"},
        {"{}{}", "column 3: there is text after"},
        {"1 2", "column 3: there is text after"},
        {"01", "may not begin with 0"},
        {"-01", "may not begin with 0"},
        {"00", "may not begin with 0"},
        {"+1", "expected a value"},
        {".5", "expected a value"},
        {"[1.]", "column 4: expected a digit"},
        {"[1.e3]", "expected a digit"},
        {"[1ex]", "expected a digit"},
        {"[1e+]", "expected a digit"},
        {"[-]", "expected a digit"},
        {"[--1]", "expected a digit"},
        {"[- 1]", "expected a digit"},
        {"0x10", "there is text after"},
        {"1_0", "there is text after"},
        {"NaN", "expected a value"},
        {"Infinity", "expected a value"},
        {"-Infinity", "expected a digit"},
        {"True", "expected a value"},
        {"truE", "unknown word"},
        {"tru", "unknown word"},
        {"nul", "unknown word"},
        {"nullx", "there is text after"},
        {"falsey", "there is text after"},
        {"'a'", "expected a value"},
        {"[\"a\nb\"]", "column 4: control character"},
        {"\"\t\"", "control character"},
        {"\"\x1f\"", "control character"},
        {"\"1234567890\x01\"", "column 12: control character"},
        {"\"\\x41\"", "column 2: unknown escape"},
        {"\"\\U0041\"", "unknown escape"},
        {"\"\\'\"", "unknown escape"},
        {"\"\\u12g4\"", "column 6: expected four hexadecimal digits"},
        {"\"\\u 123\"", "expected four hexadecimal digits"},
        {"\"\\u+123\"", "expected four hexadecimal digits"},
        {"\"\x80\"", "invalid UTF-8"},
        {"\"\xc0\xaf\"", "invalid UTF-8"},
        {"\"\xe2\x82\"", "invalid UTF-8"},
        {"\"\xed\xa0\x80\"", "invalid UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "invalid UTF-8"},
        {"{\"\xff\":1}", "column 3: invalid UTF-8"},
        {"\xef\xbb\xbf{}", "column 1: expected a value"},
        {"/* x */ 1", "expected a value"},
        {"1 // x", "there is text after"},
        {"[1]\n\n  x", "line 3 column 3: there is text after"},
        {"\v1", "expected a value"},
    };
    struct err err;
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (strstr(check(str_from(bad[i].text), &err), bad[i].error) == NULL || err.text[0] == '\0')
            fail_msg("%s: \"%s\", expected \"%s\"", bad[i].text, err.text, bad[i].error);
    }
    assert_non_null(strstr(check(str_make("[1]\0", 4), &err), "there is text after"));
    assert_non_null(strstr(check(str_make("[\0001]", 4), &err), "expected a value"));
}

static const char *skip_error(str text, struct err *err)
{
    *err = (struct err){0};
    struct exact e = exact_new(text);
    json_skip(&e.j);
    (void)!json_finish(&e.j, err);
    mem_free(e.data);
    return err->text;
}

static void test_depth(void **state)
{
    (void)state;
    struct err err;
    static char text[8 * 10010];
    static const int depths[] = {1, 63, 64, 65, 128, 9999, 10000, 10001, 10005};
    for (size_t n = 0; n < COUNT_OF(depths); n++) {
        for (int kind = 0; kind < 3; kind++) {
            int depth = depths[n];
            size_t len = 0;
            for (int i = 0; i < depth; i++)
                len += (size_t)snprintf(text + len, sizeof text - len, "%s",
                                        kind == 1 || (kind == 2 && i % 3) ? "{\"a\":" : "[");
            if (kind == 1 || kind == 2)
                len += (size_t)snprintf(text + len, sizeof text - len, "1");
            for (int i = depth - 1; i >= 0; i--)
                text[len++] = kind == 1 || (kind == 2 && i % 3) ? '}' : ']';
            const char *error = skip_error(str_make(text, len), &err);
            if (depth <= 10000)
                assert_string_equal(error, "");
            else
                assert_non_null(strstr(error, "more than 10000 deep"));
            if (depth > 10000 || depth == 1)
                continue;
            text[len - 1] = text[len - 1] == ']' ? '}' : ']'; /* the outermost, wrong */
            assert_non_null(strstr(skip_error(str_make(text, len), &err), "expected a comma or"));
        }
    }
    /* What the caller enters is bounded by what struct json has room for; the rest may be skipped. */
    memset(text, '[', 80);
    memset(text + 80, ']', 80);
    struct json j;
    json_init(&j, str_make(text, 160));
    for (int i = 0; i < 64; i++) {
        assert_true(json_array(&j));
        assert_true(json_item(&j));
    }
    struct json other = j;
    json_skip(&j);
    assert_false(json_failed(&j));
    assert_false(json_array(&other));
    assert_true(json_failed(&other));
    assert_non_null(strstr(other.error, "more than 64 deep"));
}

static void test_pull(void **state)
{
    (void)state;
    struct json j;
    struct arena a;
    str key, s = STR("unchanged");
    int64_t n = 77;
    bool b = false;
    double d = 77;
    arena_init(&a, 64);
    json_init(&j, STR("{\"skip\": {\"x\": [1, {\"y\": \"}\"}]}, \"name\": \"web\", \"count\": 3, "
                      "\"ready\": true, \"ratio\": 0.5, \"list\": [\"a\", 2, null]} "));
    assert_int_equal(json_peek(&j), JSON_OBJECT);
    assert_false(json_array(&j)); /* nothing consumed, no error */
    assert_true(json_object(&j));
    assert_true(json_key(&j, &key) && str_eqz(key, "skip"));
    json_skip(&j);
    assert_true(json_key(&j, &key) && str_eqz(key, "name"));
    assert_false(json_get_i64(&j, &n)); /* another type: skipped */
    assert_int_equal(n, 77);
    assert_true(json_key(&j, &key) && str_eqz(key, "count"));
    assert_false(json_get_string(&j, &a, &s));
    assert_true(str_eqz(s, "unchanged"));
    assert_true(json_key(&j, &key) && str_eqz(key, "ready"));
    assert_false(json_get_double(&j, &d));
    assert_true(json_key(&j, &key) && str_eqz(key, "ratio"));
    assert_false(json_get_bool(&j, &b));
    assert_true(json_key(&j, &key) && str_eqz(key, "list"));
    assert_false(json_object(&j));
    assert_true(json_array(&j));
    assert_true(json_item(&j) && json_get_string(&j, &a, &s) && str_eqz(s, "a"));
    assert_true(json_item(&j) && json_get_i64(&j, &n) && n == 2);
    assert_true(json_item(&j));
    assert_int_equal(json_peek(&j), JSON_NULL);
    assert_false(json_get_bool(&j, &b));
    assert_false(json_item(&j));
    assert_false(json_key(&j, &key));
    assert_int_equal(json_peek(&j), JSON_NONE);
    assert_true(json_finish(&j, NULL));
    arena_deinit(&a);
}

static void test_errors_are_sticky(void **state)
{
    (void)state;
    struct json j;
    struct arena a;
    struct err err;
    str key, s = STR("unchanged");
    int64_t n = 77;
    arena_init(&a, 64);
    json_init(&j, STR("{\"a\":\n tru, \"b\": 1}"));
    assert_true(json_object(&j));
    assert_true(json_key(&j, &key));
    json_skip(&j);
    assert_true(json_failed(&j));
    const char *pos = j.pos;
    assert_false(json_key(&j, &key));
    assert_false(json_item(&j));
    assert_false(json_object(&j));
    assert_false(json_array(&j));
    assert_false(json_get_i64(&j, &n));
    assert_false(json_get_string(&j, &a, &s));
    assert_int_equal(json_raw(&j).len, 0);
    assert_int_equal(json_peek(&j), JSON_NONE);
    assert_ptr_equal(j.pos, pos);
    assert_true(n == 77 && str_eqz(s, "unchanged"));
    assert_false(json_finish(&j, &err));
    assert_string_equal(err.text, "line 2 column 2: unknown word: expected true, false or null");
    json_init(&j, STR("[1, 2]")); /* left in the middle */
    assert_true(json_array(&j));
    assert_true(json_item(&j));
    json_skip(&j);
    assert_false(json_finish(&j, &err));
    assert_non_null(strstr(err.text, "not read to its end"));
    arena_deinit(&a);
}

static void check_string(str text, str want)
{
    struct arena a;
    str s;
    arena_init(&a, 64);
    struct exact e = exact_new(text);
    assert_true(json_get_string(&e.j, &a, &s));
    assert_true(json_finish(&e.j, NULL));
    if (!str_eq(s, want))
        fail_msg("%.*s gave %.*s", STR_ARG(text), STR_ARG(s));
    bool in_text = s.data >= e.data && s.data <= e.data + text.len;
    assert_int_equal(in_text,
                     memchr(text.data, '\\', text.len) == NULL); /* copied only if it must be */
    mem_free(e.data);
    arena_deinit(&a);
}

static void test_strings(void **state)
{
    (void)state;
    check_string(STR("\"\""), STR(""));
    check_string(STR("\"plain \xe2\x82\xac\""), STR("plain \xe2\x82\xac"));
    check_string(STR("\"\\\"\\\\\\/\\b\\f\\n\\r\\t\""), STR("\"\\/\b\f\n\r\t"));
    check_string(STR("\"\\u0000\\u0041\\u007f\\u0080\\u07ff\\u0800\\uffff\\u20AC\""),
                 STR("\0A\x7f\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xe2\x82\xac"));
    check_string(STR("\"a\\ud83d\\ude00b\""), STR("a\xf0\x9f\x98\x80"
                                                  "b"));
    check_string(STR("\"\\ud800\\udc00\\udbff\\udfff\""), STR("\xf0\x90\x80\x80\xf4\x8f\xbf\xbf"));
    check_string(STR("\"\\ud800\""), STR("\xef\xbf\xbd"));
    check_string(STR("\"\\ud800x\""), STR("\xef\xbf\xbdx"));
    check_string(STR("\"\\udc00\\ud800\""), STR("\xef\xbf\xbd\xef\xbf\xbd"));
    check_string(STR("\"\\ud800\\u0041\""), STR("\xef\xbf\xbd"
                                                "A"));
    check_string(STR("\"\\ud800\\ud83d\\ude00\""), STR("\xef\xbf\xbd\xf0\x9f\x98\x80"));
    check_string(STR("\"\\udc00\\udc00\""), STR("\xef\xbf\xbd\xef\xbf\xbd"));
    check_string(STR("\"\\ud800\\n\""), STR("\xef\xbf\xbd\n"));
}

static void test_keys(void **state)
{
    (void)state;
    struct json j;
    struct err err;
    str key;
    char text[8000];
    json_init(&j, STR("{\"k:{\\\"port\\\":80}\":{\".\":{}},\"plain\":1,\"\\u0061\":2}"));
    assert_true(json_object(&j));
    assert_true(json_key(&j, &key) && str_eqz(key, "k:{\"port\":80}"));
    json_skip(&j);
    assert_true(json_key(&j, &key) && str_eqz(key, "plain"));
    json_skip(&j);
    assert_true(json_key(&j, &key) && str_eqz(key, "a"));
    json_skip(&j);
    assert_false(json_key(&j, &key));
    assert_true(json_finish(&j, NULL));
    for (int len = 1022; len < 1028;
         len++) { /* with an escape there is a limit, in every form of it */
        for (int kind = 0; kind < 3; kind++) {
            size_t at = (size_t)snprintf(text, sizeof text, "{\"");
            for (int i = 0; i < len; i++)
                at += (size_t)snprintf(text + at, sizeof text - at, "%s",
                                       kind == 0   ? "x"
                                       : kind == 1 ? (i == 0 ? "\\n" : "x")
                                                   : "\\u0041");
            at += (size_t)snprintf(text + at, sizeof text - at, "\":1}");
            json_init(&j, str_make(text, at));
            assert_true(json_object(&j));
            bool ok = json_key(&j, &key);
            assert_int_equal(ok, kind == 0 || len <= 1024);
            if (ok)
                assert_int_equal(key.len, len);
            else
                assert_false(json_finish(&j, &err) || strstr(err.text, "1024") == NULL);
        }
    }
}

static void test_i64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t n;
    } cases[] = {
        {"0", true, 0},
        {"-0", true, 0},
        {"-12", true, -12},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1.0", false, 0},
        {"1e3", false, 0},
        {"0.5", false, 0},
        {"99999999999999999999999", false, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t n = 77;
        struct json j;
        json_init(&j, str_from(cases[i].text));
        assert_int_equal(json_get_i64(&j, &n), cases[i].ok);
        assert_true(n == (cases[i].ok ? cases[i].n : 77));
        assert_true(json_finish(&j, NULL)); /* consumed either way, and no error */
    }
}

/* Against strtod, bit by bit. */
static void test_double(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "-0.0e5",
        "1",
        "1.5",
        "-1.5e-3",
        "1e22",
        "1e23",
        "123456789012345e7",
        "123456789012345e8",
        "1e-22",
        "1e-23",
        "0.1",
        "0.3",
        "9007199254740993",
        "2.2250738585072011e-308",
        "5e-324",
        "1e-400",
        "-1e-99999999999999999999",
        "0e99999999999999999999",
        "1.7976931348623157e308",
        "0.000000000000000000000000000001e30",
        "1e0000000000000000000000000000000000000000000000000000000000000000000000000000000003",
        "1234567890123456789012345678901234567890123456789012345678901234567890"};
    double d, want;
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct json j;
        json_init(&j, str_from(texts[i]));
        want = strtod(texts[i], NULL);
        assert_true(json_get_double(&j, &d));
        if (memcmp(&d, &want, sizeof d) != 0)
            fail_msg("%s: %a, expected %a", texts[i], d, want);
    }
    srand(5);
    for (int i = 0; i < 200000; i++) {
        char text[64];
        snprintf(text, sizeof text, "%s%d.%0*d%s%d", i % 2 ? "-" : "", rand() % 100000,
                 1 + rand() % 9, rand() % 1000000,
                 i % 3 == 0   ? "e"
                 : i % 3 == 1 ? "E-"
                              : "e+",
                 rand() % 40);
        struct json j;
        json_init(&j, str_from(text));
        want = strtod(text, NULL);
        if (!json_get_double(&j, &d) || memcmp(&d, &want, sizeof d) != 0 || !json_finish(&j, NULL))
            fail_msg("%s: %a, expected %a", text, d, want);
    }
    for (int i = 0; i < 200000; i++) { /* as many digits as a double has, or one more */
        char text[64];
        snprintf(text, sizeof text, "%d%08d%0*de%d", 1 + rand() % 9, rand() % 100000000, 6 + i % 3,
                 rand() % 1000000, rand() % 50 - 25);
        struct json j;
        json_init(&j, str_from(text));
        want = strtod(text, NULL);
        if (!json_get_double(&j, &d) || memcmp(&d, &want, sizeof d) != 0)
            fail_msg("%s: %a, expected %a", text, d, want);
    }
    d = 77;
    struct json j;
    json_init(&j, STR("[1e309, -1e309, 1e99999999999999999999]"));
    assert_true(json_array(&j));
    while (json_item(&j))
        assert_false(json_get_double(&j, &d));
    assert_true(json_finish(&j, NULL) && d == 77);
}

static void test_raw(void **state)
{
    (void)state;
    struct json j;
    str key;
    json_init(&j, STR(" {\"a\" : [1, {\"b\":2} ] , \"c\":  \"x\\n\"}"));
    assert_true(json_object(&j));
    assert_true(json_key(&j, &key));
    assert_true(str_eqz(json_raw(&j), "[1, {\"b\":2} ]"));
    assert_true(json_key(&j, &key));
    assert_true(str_eqz(json_raw(&j), "\"x\\n\""));
    assert_false(json_key(&j, &key));
    assert_true(json_finish(&j, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_texts),
        cmocka_unit_test(test_bad_texts),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_pull),
        cmocka_unit_test(test_errors_are_sticky),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_i64),
        cmocka_unit_test(test_double),
        cmocka_unit_test(test_raw),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
