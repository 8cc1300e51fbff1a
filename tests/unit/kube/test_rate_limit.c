/* Token bucket: a burst, then one request each 1/qps seconds, in order of asking. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kube/rate_limit.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

static void test_burst_then_rate(void **state)
{
    (void)state;
    struct rate_limit r;
    rate_limit_init(&r, 5, 10);
    for (int i = 0; i < 10; i++)
        assert_int_equal(rate_limit_take(&r, SECOND), SECOND);
    for (int i = 1; i <= 20; i++)
        assert_int_equal(rate_limit_take(&r, SECOND), SECOND + i * 200 * MS);
}

static void test_tokens_come_back(void **state)
{
    (void)state;
    struct rate_limit r;
    rate_limit_init(&r, 5, 2);
    assert_int_equal(rate_limit_take(&r, 0), 0);
    assert_int_equal(rate_limit_take(&r, 0), 0);
    assert_int_equal(rate_limit_take(&r, 0), 200 * MS);
    /* The token of 200 ms was taken in advance. */
    assert_int_equal(rate_limit_take(&r, 300 * MS), 400 * MS);
    /* Never more than a burst, however long nobody asks. */
    assert_int_equal(rate_limit_take(&r, 1000 * SECOND), 1000 * SECOND);
    assert_int_equal(rate_limit_take(&r, 1000 * SECOND), 1000 * SECOND);
    assert_int_equal(rate_limit_take(&r, 1000 * SECOND), 1000 * SECOND + 200 * MS);
}

static void test_raise(void **state)
{
    (void)state;
    struct rate_limit r;
    rate_limit_init(&r, 5, 10);
    rate_limit_raise(&r, 2, 20, SECOND);
    assert_true(r.qps == 5 && r.burst == 20);
    rate_limit_raise(&r, 50, 3, SECOND);
    assert_true(r.qps == 50 && r.burst == 20);
    for (int i = 0; i < 20; i++)
        assert_int_equal(rate_limit_take(&r, SECOND), SECOND);
    assert_int_equal(rate_limit_take(&r, SECOND), SECOND + 20 * MS);
}

/* What was taken in advance is a number of tokens, not of seconds. */
static void test_raise_of_a_debt(void **state)
{
    (void)state;
    struct rate_limit r;
    rate_limit_init(&r, 0.001, 2);
    for (int i = 0; i < 5; i++)
        rate_limit_take(&r, SECOND);
    rate_limit_raise(&r, 10, 2, SECOND);
    assert_int_equal(rate_limit_take(&r, SECOND), SECOND + 400 * MS);
}

static void test_odd_numbers(void **state)
{
    (void)state;
    struct rate_limit r;
    rate_limit_init(&r, 0.001, 1);
    assert_int_equal(rate_limit_take(&r, 7), 7);
    assert_int_equal(rate_limit_take(&r, 7), 7 + 1000 * SECOND);
    rate_limit_init(&r, 1e12, INT64_MAX);
    for (int i = 0; i < 100; i++)
        assert_int_equal(rate_limit_take(&r, 7), 7);
    rate_limit_init(&r, 1e-300, 1);
    assert_int_equal(rate_limit_take(&r, 7), 7);
    assert_true(rate_limit_take(&r, 7) > 1000 * SECOND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_burst_then_rate),
        cmocka_unit_test(test_tokens_come_back),
        cmocka_unit_test(test_raise),
        cmocka_unit_test(test_raise_of_a_debt),
        cmocka_unit_test(test_odd_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
