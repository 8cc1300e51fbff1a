/* Patterns, filters and sums of metric receivers. Their keys in a configuration: test_k8s_cluster_config, test_kymastats_config. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "service/metric_settings.h"
#include "service/text_pattern.h"

static const uint64_t hash_key[2] = {1, 2};

static bool finds(const char *regexp, const char *text)
{
    struct err err;
    struct text_pattern *p = text_pattern_new(str_from(regexp), &err);
    if (p == NULL)
        fail_msg("%s: %s", regexp, err.text);
    bool found = text_pattern_matches(p, str_from(text));
    text_pattern_free(p);
    return found;
}

static void test_patterns(void **state)
{
    (void)state;
    struct err err;
    assert_true(finds("b", "abc")); /* not anchored */
    assert_false(finds("^b", "abc"));
    assert_true(finds("^kube-.*m$", "kube-system"));
    assert_false(finds("kube$", "kube\n")); /* as RE2: only at the very end */
    assert_false(finds("a.b", "a\nb"));
    assert_true(finds("(?s)a.b", "a\nb"));
    assert_true(finds("(?i)KÄSE", "käse"));
    assert_false(finds("\\d", "\u0663")); /* ASCII digits only */
    assert_true(finds("(?P<name>x)+", "xx"));
    assert_true(finds("\\p{Greek}", "α"));
    assert_true(finds("", "anything"));
    assert_false(finds("ab", "a\xffZ"));
    assert_true(finds("b", "a\xff b")); /* bytes that are no UTF-8 are passed over */
    /* exponential elsewhere: gives up */
    assert_false(finds("^(a+)+$", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa!"));
    assert_null(text_pattern_new(STR("a\\C"), &err));
    assert_null(text_pattern_new(STR("[z-a]"), &err));
    assert_non_null(strstr(err.text, "error parsing regexp"));
}

static void test_filter(void **state)
{
    (void)state;
    struct match_config include[] = {{.strict = STR("shop")}, {.regexp = STR("^kube-")}},
                        exclude[] = {{.regexp = STR("x$")}};
    struct attribute_config config = {.enabled = true};
    struct attribute_filter f;
    struct arena a;
    arena_init(&a, 1024);
    assert_false(attribute_config_filters(&config));
    config.metrics_include = (struct config_blocks){.items = include, .count = 2};
    config.metrics_exclude = (struct config_blocks){.items = exclude, .count = 1};
    assert_true(attribute_config_filters(&config));
    attribute_filter_init(&f, &a, &config);
    assert_true(attribute_filter_passes(&f, STR("shop")));
    assert_false(attribute_filter_passes(&f, STR("shops")));
    assert_true(attribute_filter_passes(&f, STR("kube-system")));
    assert_false(attribute_filter_passes(&f, STR("kube-x")));
    assert_false(attribute_filter_passes(&f, STR("")));
    attribute_filter_deinit(&f);
    config.metrics_include.count = 0;
    attribute_filter_init(&f, &a, &config);
    assert_true(attribute_filter_passes(&f, STR("")));
    assert_false(attribute_filter_passes(&f, STR("x")));
    attribute_filter_deinit(&f);
    arena_deinit(&a);
}

static void test_sums(void **state)
{
    (void)state;
    struct point_sums s;
    point_sums_begin(&s, hash_key);
    point_sums_add(&s, (const str[]){STR("a"), STR("bc")}, 2, 1);
    point_sums_add(&s, (const str[]){STR("ab"), STR("c")}, 2, 5); /* another one */
    point_sums_add(&s, (const str[]){STR("a"), STR("bc")}, 2, -4);
    point_sums_add(&s, (const str[]){STR("ab"), STR("c")}, 2, INT64_MAX);
    const struct point_sum *first = s.first, *second = first->next;
    assert_true(str_eqz(first->key[1], "bc") && str_eqz(second->key[1], "c"));
    assert_null(second->next);
    assert_int_equal(point_sum_value(first, AGGREGATE_AVG), -1); /* -3 / 2, cut off */
    assert_int_equal(point_sum_value(first, AGGREGATE_SUM), -3);
    assert_int_equal(point_sum_value(first, AGGREGATE_MIN), -4);
    assert_int_equal(point_sum_value(first, AGGREGATE_MAX), 1);
    assert_int_equal(point_sum_value(second, AGGREGATE_SUM), INT64_MAX);
    point_sums_end(&s);
    point_sums_begin(&s, hash_key); /* no attribute left: one point */
    point_sums_add(&s, NULL, 0, 1);
    point_sums_add(&s, NULL, 0, 2);
    assert_int_equal(point_sum_value(s.first, AGGREGATE_SUM), 3);
    assert_null(s.first->next);
    point_sums_end(&s);
}

/* Two quotas without a bound in sight: their average lies between them, whatever their sum. */
static void test_averages_of_large_amounts(void **state)
{
    (void)state;
    struct point_sums s;
    point_sums_begin(&s, hash_key);
    point_sums_add(&s, NULL, 0, INT64_MAX);
    point_sums_add(&s, NULL, 0, INT64_MAX);
    assert_int_equal(point_sum_value(s.first, AGGREGATE_AVG), INT64_MAX);
    assert_int_equal(point_sum_value(s.first, AGGREGATE_SUM), INT64_MAX);
    point_sums_add(&s, NULL, 0, INT64_MIN);
    point_sums_add(&s, NULL, 0, INT64_MIN);
    assert_int_equal(point_sum_value(s.first, AGGREGATE_AVG), 0); /* -2 / 4 */
    assert_int_equal(point_sum_value(s.first, AGGREGATE_SUM), -2);
    point_sums_add(&s, NULL, 0, INT64_MIN);
    assert_int_equal(point_sum_value(s.first, AGGREGATE_SUM), INT64_MIN);
    point_sums_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_patterns),
        cmocka_unit_test(test_filter),
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_averages_of_large_amounts),
    };
    return cmocka_run_group_tests_name("metric_settings", tests, NULL, NULL);
}
