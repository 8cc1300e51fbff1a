/* Quantities against apimachinery, by a table that its library printed (kube_tables/main.go). */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "wire/quantity.h"

#include "kube_tables.h"

static void test_as_apimachinery(void **state)
{
    (void)state;
    size_t good = 0, saturating = 0;
    for (size_t i = 0; i < COUNT_OF(go_quantities); i++) {
        int64_t value = -1, milli = -1;
        bool ok = quantity_parse(str_from(go_quantities[i].text), &value, &milli);
        if (ok != go_quantities[i].ok || value != go_quantities[i].value || milli != go_quantities[i].milli)
            print_error("%s: %d %lld %lld\n", go_quantities[i].text, ok, (long long)value, (long long)milli);
        assert_int_equal(ok, go_quantities[i].ok);
        assert_true(value == go_quantities[i].value);
        assert_true(milli == go_quantities[i].milli);
        good += ok;
        saturating += go_quantities[i].saturates;
    }
    assert_true(good > 1000 && COUNT_OF(go_quantities) - good > 200 && saturating > 200);
}

/* The table of the conversions, and of the values where ours and Go's differ on purpose. */
static void test_known_conversions(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t value, milli;
    } cases[] = {
        {"100m", 1, 100},
        {"1500m", 2, 1500},
        {"-1500m", -2, -1500},
        {"1", 1, 1000},
        {"128Mi", 134217728, INT64_C(134217728000)},
        {"1e3", 1000, 1000000},
        {"250u", 1, 1},
        {"1.5Gi", 1610612736, INT64_C(1610612736000)},
        {"1E", INT64_C(1000000000000000000), INT64_MAX},
        {"10E", INT64_MAX, INT64_MAX},
        {"1e19", INT64_MAX, INT64_MAX},
        {"9223372036854775807", INT64_MAX, INT64_MAX},
        {"9223372036854775808", INT64_MAX, INT64_MAX},
        {"16Ei", INT64_MAX, INT64_MAX},
        {"-16Ei", -INT64_MAX, INT64_MIN}, /* capped before it gets its sign */
        {"-9223372036854775808", INT64_MIN, INT64_MIN},
        {"-1e19", INT64_MIN, INT64_MIN},
        /* exponents on which the Go parser does not come back */
        {"1e2147483648", INT64_MAX, INT64_MAX},
        {"-1e2147483647", INT64_MIN, INT64_MIN},
        {"1e-2147483648", 1, 1},
        {"0e2147483648", 0, 0},
        {"1e9223372036854775807", INT64_MAX, INT64_MAX},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        int64_t value, milli;
        assert_true(quantity_parse(str_from(cases[i].text), &value, &milli));
        assert_true(value == cases[i].value);
        assert_true(milli == cases[i].milli);
    }
}

/* A text of a megabyte takes no longer than it takes to read. */
static void test_long_texts(void **state)
{
    (void)state;
    static char text[1 << 20];
    int64_t value, milli;
    memset(text, '9', sizeof text);
    assert_true(quantity_parse(str_make(text, sizeof text), &value, &milli));
    assert_true(value == INT64_MAX && milli == INT64_MAX);
    text[sizeof text / 2] = '.';
    assert_true(quantity_parse(str_make(text, sizeof text), &value, &milli) && value == INT64_MAX);
    memset(text, '0', sizeof text);
    text[1] = '.';
    text[sizeof text - 1] = '1';
    assert_true(quantity_parse(str_make(text, sizeof text), &value, &milli));
    assert_true(value == 1 && milli == 1);
    assert_false(quantity_parse(str_make("1m\0", 3), &value, &milli));
    assert_false(quantity_parse(str_make("1\0", 2), &value, &milli));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_apimachinery),
        cmocka_unit_test(test_known_conversions),
        cmocka_unit_test(test_long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
