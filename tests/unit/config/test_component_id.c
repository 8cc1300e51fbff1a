/* Ids: the reference's rules and texts, classes of Unicode at their boundaries. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "config/config.h"

static void good(const char *text, const char *type, const char *name)
{
    struct err err;
    str t, n;
    if (!component_id_parse(str_from(text), &t, &n, &err))
        fail_msg("%s: %s", text, err.text);
    assert_true(str_eqz(t, type));
    assert_true(str_eqz(n, name));
}

static void bad(const char *text, const char *expected)
{
    struct err err;
    str t, n;
    assert_false(component_id_parse(str_from(text), &t, &n, &err));
    assert_string_equal(err.text, expected);
}

static void test_good(void **state)
{
    (void)state;
    good("nop", "nop", "");
    good("k8s_cluster/a", "k8s_cluster", "a");
    good(" a / b ", "a", "b");
    good("\ta\n", "a", "");
    good("a/b/c", "a", "b/c");
    good("a//", "a", "/");
    good("A9_z/-.:,;!?()[]{}#%&*@'\"\\_", "A9_z", "-.:,;!?()[]{}#%&*@'\"\\_");
    good("a/\xc3\xa9\xe4\xb8\xad\xd0\x96", "a", "\xc3\xa9\xe4\xb8\xad\xd0\x96");
}

static void test_bad(void **state)
{
    (void)state;
    bad("", "id must not be empty");
    bad("  ", "id must not be empty");
    bad("/x", "in \"/x\" id: the part before / should not be empty");
    bad(" /x", "in \" /x\" id: the part before / should not be empty");
    bad("x/", "in \"x/\" id: the part after / should not be empty");
    bad("x/ ", "in \"x/ \" id: the part after / should not be empty");
    bad("a b", "in \"a b\" id: invalid character(s) in type \"a b\"");
    bad("1a/x", "in \"1a/x\" id: invalid character(s) in type \"1a\"");
    bad("_a", "in \"_a\" id: invalid character(s) in type \"_a\"");
    bad("a-b", "in \"a-b\" id: invalid character(s) in type \"a-b\"");
    bad("\xc3\xa9", "in \"\xc3\xa9\" id: invalid character(s) in type \"\xc3\xa9\"");
    bad("a/b c", "in \"b c\" id: invalid character(s) in name \"b c\"");
    bad("a/b\tc", "in \"b\\tc\" id: invalid character(s) in name \"b\\tc\"");
    bad("a/\xff", "in \"\xef\xbf\xbd\" id: invalid character(s) in name \"\xef\xbf\xbd\"");
}

static void test_lengths(void **state)
{
    (void)state;
    char text[LIMIT_COMPONENT_NAME_BYTES + 4];
    memset(text, 'a', sizeof text);
    struct err err;
    str type, name;
    assert_true(component_id_parse(str_make(text, 63), &type, &name, &err));
    assert_false(component_id_parse(str_make(text, 64), &type, &name, &err));
    text[1] = '/';
    assert_true(
        component_id_parse(str_make(text, LIMIT_COMPONENT_NAME_BYTES + 2), &type, &name, &err));
    assert_false(
        component_id_parse(str_make(text, LIMIT_COMPONENT_NAME_BYTES + 3), &type, &name, &err));
    assert_string_equal(err.text,
                        "the name of an id is longer than 1024 characters (1025 characters)");
}

/* Names that Go's ^[^\pZ\pC\pS]+$ takes and refuses: first and last of ranges, and their neighbours. */
static void test_classes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool good;
    } rows[] = {
        {"+", false},
        {"<", false},
        {"=", false},
        {"$", false},
        {"^", false},
        {"`", false},
        {"|", false},
        {"~", false},
        {"\x7f", false},
        {"\xc2\xa0", false},         /* U+00A0, a space */
        {"\xc2\xa1", true},          /* U+00A1, inverted exclamation mark */
        {"\xc2\xa9", false},         /* U+00A9, copyright */
        {"\xc2\xaa", true},          /* U+00AA, feminine ordinal */
        {"\xc3\x97", false},         /* U+00D7, multiplication */
        {"\xc3\x98", true},          /* U+00D8 */
        {"\xe2\x80\x8b", false},     /* U+200B, zero width space */
        {"\xe2\x80\x94", true},      /* U+2014, dash */
        {"\xe2\x80\xa8", false},     /* U+2028, line separator */
        {"\xe2\x82\xac", false},     /* U+20AC, euro */
        {"\xe3\x80\x80", false},     /* U+3000, ideographic space */
        {"\xe3\x80\x81", true},      /* U+3001, ideographic comma */
        {"\xef\xbb\xbf", false},     /* U+FEFF */
        {"\xef\xbf\xbd", false},     /* U+FFFD */
        {"\xf0\x9f\x98\x80", false}, /* U+1F600, a face */
        {"\xf0\xa0\x80\x80", true},  /* U+20000, a letter */
        {"\xf4\x8f\xbf\xbd", false}, /* U+10FFFD, private use */
        {"\xee\x80\x80", false},     /* U+E000, private use */
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        char text[16];
        struct err err;
        str type, name;
        snprintf(text, sizeof text, "a/%sb", rows[i].name);
        if (component_id_parse(str_from(text), &type, &name, &err) != rows[i].good)
            fail_msg("row %zu", i);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_classes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
