/* Errors: context in front, codes, cutting of long texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/err.h"

static void test_set_and_wrap(void **state)
{
    (void)state;
    struct err err;
    assert_false(err_set_code(&err, 404, "not found: %s", "x"));
    assert_int_equal(err.code, 404);
    assert_string_equal(err.text, "not found: x");
    assert_false(err_wrap(&err, "lease %s/%s", "ns", "name"));
    assert_int_equal(err.code, 404); /* stays */
    assert_string_equal(err.text, "lease ns/name: not found: x");
    err_set(&err, "again: %s", err.text); /* its own text as an argument */
    assert_string_equal(err.text, "again: lease ns/name: not found: x");
    assert_int_equal(err.code, 0);
    err_wrap(&err, "%s", err.text);
    assert_string_equal(err.text,
                        "again: lease ns/name: not found: x: again: lease ns/name: not found: x");
    assert_false(err_set(NULL, "x"));
    assert_false(err_set_code(NULL, 1, "x"));
    assert_false(err_wrap(NULL, "x"));
}

static void test_cut(void **state)
{
    (void)state;
    static struct err err;
    static char longer[3 * ERR_TEXT_MAX];
    memset(longer, 'a', sizeof longer - 1);
    for (int len = ERR_TEXT_MAX - 5; len < ERR_TEXT_MAX + 5; len++) {
        err_set(&err, "%.*s", len, longer);
        bool fits = len < ERR_TEXT_MAX;
        assert_int_equal(strlen(err.text), fits ? len : ERR_TEXT_MAX - 1);
        assert_int_equal(strcmp(err.text + strlen(err.text) - 3, "...") == 0, !fits);
    }
    err_set(&err, "%s", longer);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_wrap(&err, "front");
    assert_memory_equal(err.text, "front: aaa", 10);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    err_wrap(&err, "%s", longer);
    assert_int_equal(strlen(err.text), ERR_TEXT_MAX - 1);
    for (int shift = 0; shift < 3; shift++) { /* never within a character */
        for (int i = 0; i + 3 < (int)sizeof longer; i += 3)
            memcpy(longer + i, "\xe2\x82\xac", 3);
        err_set(&err, "%.*s%s", shift, "xx", longer);
        assert_true(str_is_utf8(str_from(err.text)));
        assert_string_equal(err.text + strlen(err.text) - 3, "...");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_set_and_wrap),
                                       cmocka_unit_test(test_cut)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
