/* str operations, UTF-8, memory and failed checks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/base.h"

static void test_compare(void **state)
{
    (void)state;
    assert_true(str_compare(STR("a"), STR("b")) < 0);
    assert_true(str_compare(STR("b"), STR("a")) > 0);
    assert_int_equal(str_compare(STR("ab"), STR("ab")), 0);
    assert_true(str_compare(STR("a"), STR("ab")) < 0);
    assert_true(str_compare(STR("ab"), STR("a")) > 0);
    assert_true(str_compare(STR("\xff"), STR("a")) > 0); /* bytes, not chars */
    assert_true(str_compare(STR("a\0b"), STR("a\0c")) < 0);
    assert_int_equal(str_compare(STR_NONE, STR("")), 0);
    assert_true(str_compare(STR_NONE, STR("a")) < 0);
    assert_true(str_eq(STR_NONE, STR("")));
    assert_false(str_eq(STR("a"), STR("b")));
    assert_true(str_eq_nocase(STR("Content-TYPE"), STR("content-type")));
    assert_false(str_eq_nocase(STR("["), STR("{"))); /* differ in bit 5 as letters do */
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_false(str_eq_nocase(STR("\xc3\x84"), STR("\xc3\xa4"))); /* ASCII only */
}

static void test_parts(void **state)
{
    (void)state;
    str head, rest;
    size_t pos = 99;
    assert_true(str_starts_with(STR("abc"), STR("ab")));
    assert_true(str_starts_with(STR("abc"), STR_NONE));
    assert_false(str_starts_with(STR("ab"), STR("abc")));
    assert_true(str_ends_with(STR("abc"), STR("bc")));
    assert_true(str_ends_with(STR_NONE, STR_NONE));
    assert_false(str_ends_with(STR("abc"), STR("ab")));
    assert_true(str_eqz(str_skip(STR("abc"), 2), "c"));
    assert_int_equal(str_skip(STR("abc"), 4).len, 0);
    assert_int_equal(str_skip(STR_NONE, 4).len, 0);
    assert_true(str_eqz(str_trim(STR(" \t\r\n\v\fa b ")), "a b"));
    assert_int_equal(str_trim(STR("  ")).len, 0);
    assert_true(str_find(STR("abcabc"), STR("ca"), &pos) && pos == 2);
    assert_true(str_find(STR("abc"), STR_NONE, &pos) && pos == 0);
    assert_false(str_find(STR_NONE, STR("a"), &pos));
    assert_false(str_find(STR("ab"), STR("abc"), &pos));
    assert_true(str_cut(STR("a=b=c"), '=', &head, &rest));
    assert_true(str_eqz(head, "a") && str_eqz(rest, "b=c"));
    assert_true(str_cut(STR("a="), '=', &head, &rest));
    assert_true(str_eqz(head, "a") && rest.len == 0);
    assert_false(str_cut(STR("a"), '=', &head, &rest));
    assert_true(str_eqz(head, "a") && rest.len == 0);
    assert_false(str_cut(STR_NONE, '=', &head, &rest));
    char *copy = str_dup(STR("x\0y"));
    assert_memory_equal(copy, "x\0y", 4);
    mem_free(copy);
    copy = str_dup(STR_NONE);
    assert_string_equal(copy, "");
    mem_free(copy);
}

static void test_numbers(void **state)
{
    (void)state;
    uint64_t u = 7;
    int64_t i = 7;
    assert_true(str_to_u64(STR("18446744073709551615"), &u) && u == UINT64_MAX);
    assert_true(str_to_u64(STR("0"), &u) && u == 0);
    assert_true(str_to_u64(STR("007"), &u) && u == 7);
    static const char *const bad[] = {
        "",   "18446744073709551616", "99999999999999999999", "-1", "+1", " 1", "1 ", "1x", "0x1",
        "1.0"};
    for (size_t n = 0; n < COUNT_OF(bad); n++) {
        u = 42;
        assert_false(str_to_u64(str_from(bad[n]), &u));
        assert_int_equal(u, 42);
    }
    assert_true(str_to_i64(STR("9223372036854775807"), &i) && i == INT64_MAX);
    assert_true(str_to_i64(STR("-9223372036854775808"), &i) && i == INT64_MIN);
    assert_true(str_to_i64(STR("-0"), &i) && i == 0);
    assert_false(str_to_i64(STR("9223372036854775808"), &i));
    assert_false(str_to_i64(STR("-9223372036854775809"), &i));
    assert_false(str_to_i64(STR("-"), &i));
    assert_false(str_to_i64(STR("--1"), &i));
}

/* Against the definition: encode each code point in each length and see whether exactly the
 * shortest, legal one is accepted. */
static void test_utf8_all_code_points(void **state)
{
    (void)state;
    for (uint32_t c = 0; c < 0x120000; c++) {
        const unsigned char two[] = {(unsigned char)(0xc0 | c >> 6),
                                     (unsigned char)(0x80 | (c & 63))};
        const unsigned char three[] = {(unsigned char)(0xe0 | c >> 12),
                                       (unsigned char)(0x80 | (c >> 6 & 63)),
                                       (unsigned char)(0x80 | (c & 63))};
        const unsigned char four[] = {
            (unsigned char)(0xf0 | c >> 18), (unsigned char)(0x80 | (c >> 12 & 63)),
            (unsigned char)(0x80 | (c >> 6 & 63)), (unsigned char)(0x80 | (c & 63))};
        if (c < 0x800 && str_is_utf8(str_make((const char *)two, 2)) != (c >= 0x80))
            fail_msg("U+%04X in two bytes", c);
        bool surrogate = c >= 0xd800 && c <= 0xdfff;
        if (c < 0x10000 &&
            str_is_utf8(str_make((const char *)three, 3)) != (c >= 0x800 && !surrogate))
            fail_msg("U+%04X in three bytes", c);
        if (str_is_utf8(str_make((const char *)four, 4)) != (c >= 0x10000 && c <= 0x10ffff))
            fail_msg("U+%04X in four bytes", c);
    }
}

static void test_utf8_pieces(void **state)
{
    (void)state;
    assert_true(str_is_utf8(STR_NONE));
    assert_true(str_is_utf8(STR("plain text, more than eight bytes")));
    static const str whole = {"12345678\xe2\x82\xac 1234 \xf0\x9f\x98\x80", 21};
    assert_true(str_is_utf8(whole));
    for (size_t len = 0; len <= whole.len; len++) {
        bool cut = (len > 8 && len < 11) || (len > 17 && len < 21);
        assert_int_equal(str_is_utf8(str_make(whole.data, len)), !cut);
    }
    for (int byte = 0x80; byte < 0x100; byte++) { /* none of them stands alone */
        const char text[] = {'a', (char)byte, 'b'};
        assert_false(str_is_utf8(str_make(text, 3)));
        assert_false(str_is_utf8(str_make(text, 2)));
    }
    assert_int_equal(str_utf8_len(STR("\xe2\x82\xac"
                                      "a")),
                     3);
    assert_int_equal(str_utf8_len(STR("\xe2\x82")), 0);
    assert_int_equal(str_utf8_len(STR("\xe2\x82"
                                      "a")),
                     0);
    assert_int_equal(str_utf8_len(STR("\xf0\x9f\x98\xff")), 0);
}

static void test_memory(void **state)
{
    (void)state;
    void *a = mem_alloc(0), *b = mem_zalloc(0);
    assert_non_null(a);
    assert_non_null(b);
    assert_ptr_not_equal(a, b);
    a = mem_realloc(a, 0);
    assert_non_null(a);
    mem_free(a);
    mem_free(b);
    mem_free(NULL);
}

static void test_failed_check_ends_the_program(void **state)
{
    (void)state;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        CHECK(child != 0);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compare),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_utf8_all_code_points),
        cmocka_unit_test(test_utf8_pieces),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_failed_check_ends_the_program),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
