/* Durations and times: against tables that Go made, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "go_tables.h"
#include "wire/text.h"

static void test_durations_as_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(go_durations); i++) {
        int64_t ns = 77;
        struct err err = {0};
        str text = str_make(go_durations[i].text, go_durations[i].len);
        bool ok = duration_parse(text, &ns, &err);
        if (ok != (go_durations[i].error == NULL))
            fail_msg("%s: %s", go_durations[i].text, ok ? "accepted" : err.text);
        if (ok && ns != go_durations[i].ns)
            fail_msg("%s: %" PRId64 ", expected %" PRId64, go_durations[i].text, ns,
                     go_durations[i].ns);
        if (!ok) {
            assert_string_equal(err.text, go_durations[i].error);
            assert_int_equal(ns, 77);
        }
    }
}

static void test_duration_texts_as_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(go_duration_texts); i++) {
        struct buf b;
        int64_t ns;
        buf_init(&b, 100);
        duration_print(&b, go_duration_texts[i].ns);
        assert_string_equal(buf_cstr(&b), go_duration_texts[i].text);
        assert_true(duration_parse(buf_view(&b), &ns, NULL));
        assert_true(ns == go_duration_texts[i].ns);
        buf_deinit(&b);
    }
}

static void check_print(int64_t ns, int digits, const char *want)
{
    struct buf b;
    buf_init(&b, 100);
    rfc3339_print(&b, ns, digits);
    assert_string_equal(buf_cstr(&b), want);
    buf_deinit(&b);
}

static void test_times_as_go(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(go_times); i++) {
        int64_t ns = 1;
        struct buf b;
        check_print(go_times[i].ns, 0, go_times[i].seconds);
        check_print(go_times[i].ns, 6, go_times[i].micros);
        check_print(go_times[i].ns, 9, go_times[i].nanos);
        assert_true(rfc3339_parse(str_from(go_times[i].nanos), &ns));
        assert_true(ns == go_times[i].ns);
        buf_init(&b, 100);
        go_time_print(&b, go_times[i].ns);
        assert_string_equal(buf_cstr(&b), go_times[i].go);
        buf_deinit(&b);
        if (go_times[i].ns == INT64_MIN)
            continue; /* its whole second does not fit */
        int64_t seconds = go_times[i].ns / 1000000000 - (go_times[i].ns % 1000000000 < 0);
        assert_true(http_date_parse(str_from(go_times[i].http), &ns));
        assert_true(ns == seconds * 1000000000);
    }
    check_print(1500000, 3, "1970-01-01T00:00:00.001Z");
}

static void test_rfc3339_forms(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ns;
    } good[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"1970-01-01T05:30:00+05:30", 0},
        {"1969-12-31T16:00:00.000000001-08:00", 1},
        {"1970-01-01T00:00:00-00:00", 0},
        {"1970-01-01t00:00:00z", 0},
        {"1970-01-01T00:00:00.1Z", 100000000},
        {"1970-01-01T00:00:00.1234567891234Z", 123456789}, /* cut, not rounded */
        {"1970-01-01T00:00:00.9999999999Z", 999999999},
        {"2000-02-29T00:00:00Z", INT64_C(951782400000000000)},
        {"2262-04-11T23:47:16.854775807Z", INT64_MAX},
        {"1677-09-21T00:12:43.145224192Z", INT64_MIN},
    };
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        int64_t ns = 77;
        if (!rfc3339_parse(str_from(good[i].text), &ns) || ns != good[i].ns)
            fail_msg("%s: %" PRId64, good[i].text, ns);
    }
    static const char *const bad[] = {
        "",
        "Z",
        "1970-01-01",
        "1970-01-01T00:00:00",
        "1970-01-01 00:00:00Z",
        "1970-01-01T00:00Z",
        "1970-01-01T00:00:00.Z",
        "1970-01-01T00:00:00,5Z",
        "1970-01-01T24:00:00Z",
        "1970-01-01T00:60:00Z",
        "2016-12-31T23:59:60Z",
        "1970-00-01T00:00:00Z",
        "1970-13-01T00:00:00Z",
        "1970-01-00T00:00:00Z",
        "1970-01-32T00:00:00Z",
        "1970-04-31T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "1970-01-01T00:00:00+24:00",
        "1970-01-01T00:00:00+00:60",
        "1970-01-01T00:00:00+0000",
        "1970-01-01T00:00:00+00",
        "1970-01-01T00:00:00ZZ",
        "1970-01-01T00:00:00Z ",
        " 1970-01-01T00:00:00Z",
        "70-01-01T00:00:00Z",
        "+1970-01-01T00:00:00Z",
        "1970-1-01T00:00:00Z",
        "1970-01-01T0:00:00Z",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59Z",
        "2262-04-11T23:47:16.854775808Z",
        "1677-09-21T00:12:43.145224191Z",
        "2262-04-11T23:47:17Z",
        "1677-09-21T00:12:43Z",
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        int64_t ns = 77;
        if (rfc3339_parse(str_from(bad[i]), &ns) || ns != 77)
            fail_msg("%s was accepted as %" PRId64, bad[i], ns);
    }
    static const char *const beyond[] = {"1677-09-21T00:12:43.145224191Z", "0001-01-01T00:00:00Z",
                                         "2262-04-11T23:47:16.854775808Z", "9999-12-31T23:59:59Z"};
    for (size_t i = 0; i < COUNT_OF(beyond); i++) {
        int64_t ns = 77;
        assert_true(rfc3339_parse_nearest(str_from(beyond[i]), &ns));
        assert_true(ns == (i < 2 ? INT64_MIN : INT64_MAX));
        assert_true(rfc3339_parse_nearest(str_from(good[i].text), &ns) && ns == good[i].ns);
        assert_false(rfc3339_parse_nearest(str_from(bad[i]), &ns));
    }
}

static void test_http_date(void **state)
{
    (void)state;
    int64_t ns = 0;
    assert_true(http_date_parse(STR(" Sun, 06 Nov 1994 08:49:37 GMT "), &ns));
    assert_true(ns == INT64_C(784111777000000000));
    static const char *const bad[] = {"",
                                      "Sun, 06 Nov 1994 08:49:37",
                                      "Sun, 06 Nov 1994 08:49:37 CET",
                                      "Sun, 31 Feb 1994 08:49:37 GMT",
                                      "Son, 06 Nov 1994 08:49:37 GMT",
                                      "Sun, 6 Nov 1994 08:49:37 GMT",
                                      "Sun, 06 Nov 9999 08:49:37 GMT",
                                      "Sunday, 06-Nov-94 08:49:37 GMT",
                                      "Sun Nov  6 08:49:37 1994"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        if (http_date_parse(str_from(bad[i]), &ns))
            fail_msg("%s was accepted", bad[i]);
    }
}

static void test_retry_after(void **state)
{
    (void)state;
    const int64_t now = INT64_C(784111777000000000);
    int64_t delay = 77;
    assert_true(retry_after_parse(STR("120"), now, &delay) && delay == INT64_C(120000000000));
    assert_true(retry_after_parse(STR(" 0 "), now, &delay) && delay == 0);
    assert_true(retry_after_parse(STR("Sun, 06 Nov 1994 08:49:40 GMT"), now, &delay) &&
                delay == INT64_C(3000000000));
    assert_true(retry_after_parse(STR("Sun, 06 Nov 1994 08:49:30 GMT"), now, &delay) && delay == 0);
    assert_true(retry_after_parse(STR("9223372037"), now, &delay) && delay == INT64_MAX);
    assert_true(retry_after_parse(STR("99999999999999999999999"), now, &delay) &&
                delay == INT64_MAX);
    assert_true(retry_after_parse(STR("Sun, 06 Nov 1994 08:49:40 GMT"), INT64_MIN, &delay) &&
                delay == INT64_MAX);
    delay = 77;
    static const char *const bad[] = {"", "-1", "1.5", "1s", "+1", "soon", "1 2"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(retry_after_parse(str_from(bad[i]), now, &delay));
    assert_int_equal(delay, 77);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_durations_as_go), cmocka_unit_test(test_duration_texts_as_go),
        cmocka_unit_test(test_times_as_go),     cmocka_unit_test(test_rfc3339_forms),
        cmocka_unit_test(test_http_date),       cmocka_unit_test(test_retry_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
