/* What is encoded can be decoded again to the same; secrets are out of it when asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "decode_schema.h"

static const char *const configurations[] = {
    "",
    "text: ''\nflag: false\nnumber: -1\nwait: 1h0m0.5s\nreal: 2\nlevel: none\nwords: []\nid: "
    "a/b\nids: [a, b/c]\nlabels: {a: b, '': '1'}\n",
    "quiet: {size: 3}\nready:\non: {enabled: false}\n",
    "quiet:\nready: {enabled: false}\non: {name: 'yes', wait: 1ns}\ndeep: {inner: {enabled: "
    "false}}\n",
    "items: [{size: 1}, {name: '0123'}]\ntable: {'a: b': {size: 2}, c: }\nany: {x: [1, {y: ~}], z: "
    "'1'}\ndeep: {flag: false, inner: {size: 9}}\n",
    "token: s3cret\nheaders: {authorization: s3cret}\nsecret_any: {a: s3cret}\nmode: detailed\n",
};

static const struct all *decode(struct arena *a, const char *text)
{
    struct node *root;
    struct err err;
    struct config_messages m;
    config_messages_init(&m, a);
    if (!yaml_parse(a, STR("x"), str_from(text), &root, &err))
        fail_msg("%s\n%s", err.text, text);
    const struct all *all = config_decode(a, &all_schema, root, STR(""), NULL, &m);
    assert_int_equal(m.error_count, 0);
    return all;
}

static const char *encode(struct arena *a, const struct all *all, bool redact, bool json)
{
    struct buf b;
    buf_init(&b, MIB);
    const struct node *n = config_encode(a, &all_schema, all, redact);
    if (json)
        node_print_json(&b, n);
    else
        yaml_print(&b, n);
    const char *text = arena_cstr(a, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static void test_round_trip(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(configurations); i++) {
        struct arena a;
        arena_init(&a, 4096);
        const struct all *first = decode(&a, configurations[i]);
        const char *text = encode(&a, first, false, false), *json = encode(&a, first, false, true);
        const struct all *second = decode(&a, text);
        assert_string_equal(text, encode(&a, second, false, false));
        assert_int_equal(first->quiet_on, second->quiet_on);
        assert_int_equal(first->ready_on, second->ready_on);
        assert_int_equal(first->on_on, second->on_on);
        assert_int_equal(first->deep.inner_on, second->deep.inner_on);
        assert_int_equal(first->wait_ns, second->wait_ns);
        assert_true(str_eq(first->token, second->token));
        assert_string_equal(text, encode(&a, decode(&a, json), false, false)); /* JSON is YAML */
        arena_deinit(&a);
    }
}

static void test_values(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    const char *text = encode(&a, decode(&a, configurations[1]), false, false);
    static const char *const lines[] = {"text: \"\"\n",
                                        "flag: false\n",
                                        "number: -1\n",
                                        "wait: 1h0m0.5s\n",
                                        "real: 2.0\n",
                                        "level: none\n",
                                        "words: []\n",
                                        "id: a/b\n",
                                        "ids:\n    - a\n    - b/c\n",
                                        "labels:\n    a: b\n    \"\": \"1\"\n",
                                        "quiet: null\n",
                                        "ready:\n    enabled: false\n",
                                        "block:\n    size: 7\n    wait: 2s\n    name: \"\"\n"};
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (strstr(text, lines[i]) == NULL)
            fail_msg("no %s in\n%s", lines[i], text);
    assert_null(strstr(text, "old"));
    arena_deinit(&a);
}

/* A key that means something by being written is printed only if it was: the default, printed, would turn that on. */
static void test_written_fields(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_written;
        const char *line;
    } cases[] = {
        {"", false, NULL},
        {"delay: 1s\n", true, "delay: 1s\n"}, /* the default, but written */
        {"delay: 5s\n", true, "delay: 5s\n"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena a;
        arena_init(&a, 4096);
        const struct all *first = decode(&a, cases[i].text);
        const char *text = encode(&a, first, false, false);
        const struct all *second = decode(&a, text);
        assert_int_equal(first->delay_written, cases[i].is_written);
        assert_int_equal(second->delay_written, cases[i].is_written);
        assert_true(first->delay_ns == second->delay_ns);
        if (cases[i].line == NULL)
            assert_null(strstr(text, "delay"));
        else
            assert_non_null(strstr(text, cases[i].line));
        arena_deinit(&a);
    }
}

static void test_secrets(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 4096);
    const struct all *all = decode(&a, configurations[5]);
    for (int json = 0; json <= 1; json++) {
        const char *hidden = encode(&a, all, true, json), *shown = encode(&a, all, false, json);
        assert_null(strstr(hidden, "s3cret"));
        assert_non_null(strstr(hidden, "[REDACTED]"));
        assert_non_null(strstr(hidden, "authorization"));
        assert_non_null(strstr(shown, "s3cret"));
        assert_null(strstr(shown, "[REDACTED]"));
    }
    /* What is not set is not redacted: it would look as if it were. */
    assert_null(strstr(encode(&a, decode(&a, ""), true, false), "token: \"[RED"));
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_written_fields),
        cmocka_unit_test(test_secrets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
