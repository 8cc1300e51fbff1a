/* Collected messages: order, doubles, bounds, printing; and the guesser behind "did you mean". */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "config/config.h"

static void test_messages(void **state)
{
    (void)state;
    struct arena a;
    struct config_messages m;
    struct buf b;
    arena_init(&a, 1024);
    buf_init(&b, MIB);
    config_messages_init(&m, &a);
    struct place p = {.source = STR("a.yaml"), .line = 1, .column = 2};
    config_error(&m, &p, STR("x::y"), "first %d", 1);
    config_warning(&m, &p, STR(""), "careful");
    config_error(&m, NULL, STR(""), "second");
    config_error(&m, &p, STR("x::y"), "first %d", 1); /* known */
    config_error(&m, &p, STR("a\nb"), "third");
    assert_int_equal(m.error_count, 3);
    assert_int_equal(m.warning_count, 1);
    config_messages_print(&b, &m, true, true);
    assert_string_equal(
        buf_cstr(&b),
        "a.yaml:1:2: x::y: first 1\na.yaml:1:2: careful\nsecond\na.yaml:1:2: a?b: third\n");
    buf_clear(&b);
    config_messages_print(&b, &m, false, true);
    assert_string_equal(buf_cstr(&b), "a.yaml:1:2: careful\n");
    buf_deinit(&b);
    arena_deinit(&a);
}

static void test_too_many(void **state)
{
    (void)state;
    struct arena a;
    struct config_messages m;
    struct buf b;
    arena_init(&a, 1024);
    buf_init(&b, MIB);
    config_messages_init(&m, &a);
    for (int i = 0; i < LIMIT_CONFIG_MESSAGES + 5; i++) {
        config_error(&m, NULL, STR(""), "error %d", i);
        config_warning(&m, NULL, STR(""), "warning %d", i);
    }
    assert_int_equal(m.error_count, LIMIT_CONFIG_MESSAGES + 5);
    config_messages_print(&b, &m, true, false);
    assert_non_null(strstr(buf_cstr(&b), "error 199\nand 5 more errors\n"));
    assert_null(strstr(buf_cstr(&b), "error 200"));
    buf_clear(&b);
    config_messages_print(&b, &m, false, true);
    assert_non_null(strstr(buf_cstr(&b), "warning 199\nand 5 more warnings\n"));
    buf_deinit(&b);
    arena_deinit(&a);
}

static void test_long_text(void **state)
{
    (void)state;
    struct arena a;
    struct config_messages m;
    static char text[3 * ERR_TEXT_MAX];
    memset(text, 'x', sizeof text - 1);
    arena_init(&a, 1024);
    config_messages_init(&m, &a);
    config_error(&m, NULL, STR(""), "%s", text);
    assert_int_equal(m.first->text.len, ERR_TEXT_MAX - 1);
    arena_deinit(&a);
}

static void test_choices(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024);
    str words[] = {STR("none"), STR("basic"), STR("detailed")};
    assert_true(str_eqz(config_choices(&a, STR("basik"), words, 3),
                        "basic, detailed, none; did you mean \"basic\"?"));
    assert_true(str_eqz(config_choices(&a, STR("zzz"), words, 3), "basic, detailed, none"));
    assert_true(str_eqz(config_choices(&a, STR("zzz"), NULL, 0), ""));
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_too_many),
        cmocka_unit_test(test_long_text),
        cmocka_unit_test(test_choices),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
