/* Typed decoding: every type with good and bad values, optional blocks, defaults, checks, places and texts of messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "decode_schema.h"

struct fixture {
    struct arena arena;
    struct config_messages messages;
    const struct all *all;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    arena_init(&f->arena, 1024);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_deinit(&f->arena);
    mem_free(f);
    return 0;
}

/* The text as a map under path "c"; with "$" in front of a value's variable name X expanded from the environment. */
static const struct all *decode(struct fixture *f, const char *text)
{
    struct node *root;
    struct config_source source = {.location = arena_printf(&f->arena, "yaml:%s", text)};
    config_messages_init(&f->messages, &f->arena);
    assert_true(config_resolve(&f->arena, &source, 1, &f->messages, &root));
    f->all = config_decode(&f->arena, &all_schema, root, STR("c"), NULL, &f->messages);
    return f->all;
}

static const char *messages(struct fixture *f, bool errors, bool warnings)
{
    struct buf b;
    buf_init(&b, MIB);
    config_messages_print(&b, &f->messages, errors, warnings);
    const char *text = arena_cstr(&f->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static const struct all *good(struct fixture *f, const char *text)
{
    decode(f, text);
    if (f->messages.error_count > 0)
        fail_msg("%s: %s", text, messages(f, true, true));
    return f->all;
}

/* `expected`: the messages without the place "yaml:: ". */
static void bad(struct fixture *f, const char *text, const char *expected)
{
    struct buf plain;
    decode(f, text);
    buf_init(&plain, MIB);
    for (const struct config_message *m = f->messages.first; m != NULL; m = m->next)
        if (m->is_error)
            buf_printf(&plain, "%s%.*s: %.*s", plain.len == 0 ? "" : "\n", STR_ARG(m->path),
                       STR_ARG(m->text));
    assert_string_equal(buf_cstr(&plain), expected);
    buf_deinit(&plain);
}

static void test_defaults(void **state)
{
    struct fixture *f = *state;
    static const char *const nothing[] = {"",
                                          "text:\nflag:\nnumber:\nwait:\nreal:\nlevel:\nwords:\nid:"
                                          "\nids:\nheaders:\nblock:\nitems:\ntable:\nany:\n"
                                          "quiet:\non:\ndeep:\n"};
    for (size_t i = 0; i < COUNT_OF(nothing); i++) {
        const struct all *c = good(f, nothing[i]);
        assert_true(str_eqz(c->text, "standard"));
        assert_true(c->flag);
        assert_int_equal(c->number, 42);
        assert_int_equal(c->wait_ns, 10 * SECOND);
        assert_true(c->real == 0.5);
        assert_int_equal(c->level, 1);
        assert_int_equal(c->words.count, 2);
        assert_int_equal(c->ids.count, 0);
        assert_int_equal(c->block.size, 7);
        assert_int_equal(c->ready.size, 99);
        assert_int_equal(c->ready.wait_ns, 2 * SECOND);
        assert_true(c->deep.flag);
        assert_true(c->deep.inner_on);
        assert_int_equal(c->deep.inner.size, 7); /* although the outer block's defaults wiped it */
        assert_false(c->quiet_on);
        assert_false(c->ready_on);
        assert_true(c->on_on);
    }
    assert_non_null(config_decode(&f->arena, &all_schema, NULL, STR("c"), NULL, &f->messages));
}

static void test_scalars(void **state)
{
    struct fixture *f = *state;
    const struct all *c = good(f, "text: x y\nflag: False\nnumber: 0x10\nlimited: 10\nat_least: "
                                  "0\nwait: 1m30s\nreal: 3\nlevel: DETAILED\nid: ' a / b '\n");
    assert_true(str_eqz(c->text, "x y"));
    assert_false(c->flag);
    assert_int_equal(c->number, 16);
    assert_int_equal(c->limited, 10);
    assert_int_equal(c->wait_ns, 90 * SECOND);
    assert_true(c->real == 3);
    assert_int_equal(c->level, 2);
    assert_true(str_eqz(c->id, "a/b"));
    assert_int_equal(good(f, "number: 1e3")->number, 1000);
    assert_int_equal(good(f, "number: -9223372036854775808")->number, INT64_MIN);
    assert_int_equal(good(f, "wait: 5")->wait_ns, 5); /* nanoseconds */
    assert_int_equal(good(f, "wait: 0")->wait_ns, 0);
    assert_int_equal(good(f, "wait: -1.5s")->wait_ns, -3 * SECOND / 2);
    assert_true(str_eqz(good(f, "text: 2001-01-01")->text, "2001-01-01"));
    assert_true(good(f, "real: .inf")->real > 1e308);
}

static void test_wrong_scalars(void **state)
{
    struct fixture *f = *state;
    bad(f, "text: 5",
        "c::text: expected type 'string', got unconvertible type 'int' \"5\"; put the value in "
        "quotes");
    bad(f, "text: [a]", "c::text: expected type 'string', got unconvertible type 'list'");
    bad(f, "flag: yes",
        "c::flag: expected type 'bool', got unconvertible type 'string' \"yes\"; only true and "
        "false, without quotes, are of type bool");
    bad(f, "flag: 'true'",
        "c::flag: expected type 'bool', got unconvertible type 'string' \"true\"; only true and "
        "false, without quotes, are of type bool");
    bad(f, "flag: 1",
        "c::flag: expected type 'bool', got unconvertible type 'int' \"1\"; write true or false");
    bad(f, "number: '5'",
        "c::number: expected type 'int', got unconvertible type 'string' \"5\"; write a whole "
        "number without quotes");
    bad(f, "number: 1.5",
        "c::number: expected type 'int', got unconvertible type 'float64' \"1.5\"; a whole number "
        "of at most 64 bits is needed");
    bad(f, "number: 18446744073709551615",
        "c::number: expected type 'int', got unconvertible type 'float64' "
        "\"18446744073709551615\"; a whole number of at most 64 bits is needed");
    bad(f, "number: .nan",
        "c::number: expected type 'int', got unconvertible type 'float64' \".nan\"; a whole number "
        "of at most 64 bits is needed");
    bad(f, "limited: 11", "c::limited: must be between 1 and 10, got 11");
    bad(f, "limited: 0", "c::limited: must be between 1 and 10, got 0");
    bad(f, "at_least: -1", "c::at_least: must be at least 0, got -1");
    bad(f, "real: x",
        "c::real: expected type 'float64', got unconvertible type 'string' \"x\"; write a number "
        "without quotes");
    bad(f, "wait: 10 s",
        "c::wait: time: unknown unit \"10 s\"; write a duration such as 10s or 1m30s");
    bad(f, "wait: '10'",
        "c::wait: time: missing unit in duration \"10\"; write a duration such as 10s or 1m30s");
    bad(f, "wait: ''",
        "c::wait: time: invalid duration \"\"; write a duration such as 10s or 1m30s");
    bad(f, "wait: 1.5",
        "c::wait: expected type 'time.Duration', got unconvertible type 'float64' \"1.5\"; write a "
        "duration such as 10s or 1m30s");
    bad(f, "wait: {}",
        "c::wait: expected type 'time.Duration', got unconvertible type 'map'; write a duration "
        "such as 10s or 1m30s");
    bad(f, "level: detaild",
        "c::level: invalid value \"detaild\" (valid values: basic, detailed, none; did you mean "
        "\"detailed\"?)");
    bad(f, "level: 1", "c::level: expected type 'string', got unconvertible type 'int' \"1\"");
    bad(f, "mode: Basic",
        "c::mode: invalid value (valid values: basic, detailed, none; did you mean \"basic\"?)");
    bad(f, "id: 5",
        "c::id: expected type 'component.ID', got unconvertible type 'int' \"5\"; write an id: "
        "type or type/name");
    bad(f, "id: a b", "c::id: in \"a b\" id: invalid character(s) in type \"a b\"");
}

static void test_lists(void **state)
{
    struct fixture *f = *state;
    const struct all *c = good(f, "words: [x, y, z]\nids: [a, ' b/c ']");
    assert_int_equal(c->words.count, 3);
    assert_true(str_eqz(c->words.items[2], "z"));
    assert_true(str_eqz(c->ids.items[1], "b/c"));
    c = good(f, "words: a, b,");
    assert_int_equal(c->words.count, 3);
    assert_true(str_eqz(c->words.items[1], " b"));
    assert_true(str_eqz(c->words.items[2], ""));
    assert_int_equal(good(f, "words: ''")->words.count, 0);
    assert_int_equal(good(f, "words: []")->words.count, 0); /* replaces the default */
    c = good(f, "words: [a, null]");
    assert_true(str_eqz(c->words.items[1], ""));
    bad(f, "words: 5", "c::words: source data must be an array or slice, got int");
    bad(f, "words: {a: b}", "c::words: source data must be an array or slice, got map");
    bad(f, "words: [a, 1, true]",
        "c::words::1: expected type 'string', got unconvertible type 'int' \"1\"; put the value in "
        "quotes\n"
        "c::words::2: expected type 'string', got unconvertible type 'bool' \"true\"; put the "
        "value in quotes");
    bad(f, "ids: a", "c::ids: source data must be an array or slice, got string");
    bad(f, "ids: [a, null]", "c::ids::1: id must not be empty");
    bad(f, "ids: [a/]", "c::ids::0: in \"a/\" id: the part after / should not be empty");
}

static void test_maps(void **state)
{
    struct fixture *f = *state;
    const struct all *c = good(f, "labels: {a: b, C: '1', e: }");
    assert_int_equal(c->labels.count, 3);
    assert_true(str_eqz(c->labels.items[1].key, "C"));
    assert_true(str_eqz(c->labels.items[1].value, "1"));
    assert_true(str_eqz(c->labels.items[2].value, ""));
    c = good(f, "headers: [{name: a, value: b}, {name: c}]");
    assert_int_equal(c->headers.count, 2);
    assert_true(str_eqz(c->headers.items[0].value, "b"));
    assert_true(str_eqz(c->headers.items[1].key, "c"));
    bad(f, "labels: x", "c::labels: expected a map or struct, got \"string\"");
    bad(f, "labels: {a: 1}",
        "c::labels::a: expected type 'string', got unconvertible type 'int' \"1\"; put the value "
        "in quotes");
    bad(f, "headers: {a: 1}",
        "c::headers::a: expected type 'string', got unconvertible type 'int'; put the value in "
        "quotes");
    bad(f, "headers: [{name: a, value: b}, {name: a, value: c}]",
        "c::headers::1: duplicate keys in map-style list: [a]");
    bad(f, "headers: [{name: a, other: b}, {value: b}, x]",
        "c::headers::0: expected a map with the keys name and value\nc::headers::1: expected a map "
        "with the keys name and value\n"
        "c::headers::2: expected a map with the keys name and value");
}

static void test_blocks(void **state)
{
    struct fixture *f = *state;
    const struct all *c = good(
        f, "block: {size: 1}\nitems: [{size: 2}, {name: x}, null]\ntable: {k: {size: 3}, l: }");
    assert_int_equal(c->block.size, 1);
    assert_int_equal(c->block.wait_ns, 2 * SECOND);
    assert_int_equal(c->items.count, 3);
    const struct inner *items = c->items.items, *table = c->table.items;
    assert_int_equal(items[0].size, 2);
    assert_int_equal(items[1].size, 7);
    assert_int_equal(items[2].size, 7);
    assert_null(c->items.keys);
    assert_int_equal(c->table.count, 2);
    assert_true(str_eqz(c->table.keys[1], "l"));
    assert_int_equal(table[0].size, 3);
    assert_int_equal(table[1].size, 7);
    bad(f, "block: x", "c::block: expected a map or struct, got \"string\"");
    bad(f, "items: {}", "c::items: source data must be an array or slice, got map");
    bad(f, "table: []", "c::table: expected a map or struct, got \"list\"");
    bad(f, "items: [{size: x}]\ntable: {k: {siz: 1}}",
        "c::items::0::size: expected type 'int', got unconvertible type 'string' \"x\"; write a "
        "whole number without quotes\n"
        "c::table::k: has invalid keys: siz; did you mean \"size\"?");
    bad(f, "items: [{size: 1}, {size: 0}]\ntable: {k: {size: -1}}\nblock: {size: 0}",
        "c::block::size: must be positive\nc::items::1::size: must be positive\nc::table::k::size: "
        "must be positive");
}

static void test_optional(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text;
        bool quiet, ready, on;
        int64_t ready_size;
    } rows[] = {
        {"quiet:\nready:\non:", false, true, true, 99},
        {"quiet: {}\nready: {}\non: {}", true, true, true, 99},
        {"quiet: {enabled: true}\nready: {enabled: true, size: 5}\non: {enabled: false}", true,
         true, false, 5},
        {"quiet: {enabled: false}\nready: {enabled: false, size: 5}\non: {size: 0, enabled: false}",
         false, false, false, 99},
        {"quiet: ${env:CONFIG_TEST_UNSET}\nready: ${env:CONFIG_TEST_UNSET}\non: "
         "${env:CONFIG_TEST_UNSET}",
         false, false, false, 99},
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        const struct all *c = good(f, rows[i].text);
        assert_int_equal(c->quiet_on, rows[i].quiet);
        assert_int_equal(c->ready_on, rows[i].ready);
        assert_int_equal(c->on_on, rows[i].on);
        assert_int_equal(c->ready.size, rows[i].ready_size);
    }
    bad(f, "ready: {enabled: 'false'}",
        "c::ready: unexpected type string for 'enabled': expected 'true' or 'false'");
    bad(f, "ready: x", "c::ready: expected a map or struct, got \"string\"");
    bad(f, "ready: {enabled: false, nosuch: 1}",
        "c::ready: has invalid keys: nosuch (valid keys: name, size, wait)");
    bad(f, "ready: {size: 0}", "c::ready::size: must be positive");
    bad(f, "block: {enabled: true}",
        "c::block: has invalid keys: enabled (valid keys: name, size, wait)");
}

static void test_any(void **state)
{
    struct fixture *f = *state;
    assert_null(good(f, "")->any);
    assert_int_equal(good(f, "any: {a: 1}")->any->count, 1);
    assert_int_equal(good(f, "any:")->any->kind, NODE_NULL);
}

static void test_unknown_keys(void **state)
{
    struct fixture *f = *state;
    bad(f, "Text: x\nnumbr: 1\nblock: {sized: 1}\nzzzzzzzzzzz: 1\n",
        "c: has invalid keys: Text; did you mean \"text\"?\nc: has invalid keys: numbr; did you "
        "mean \"number\"?\n"
        "c::block: has invalid keys: sized; did you mean \"size\"?\n"
        "c: has invalid keys: zzzzzzzzzzz (valid keys: any, at_least, block, deep, delay, flag, headers, "
        "id, ids, items, labels, level, limited, mode, "
        "number, on, quiet, ready, real, secret_any, table, text, token, wait, words)");
    static const struct config_schema none = {.name = "none"};
    struct node member = {.kind = NODE_NULL, .key = STR("x")};
    struct node map = {.kind = NODE_MAP, .first = &member, .last = &member, .count = 1};
    config_messages_init(&f->messages, &f->arena);
    config_decode(&f->arena, &none, &map, STR("n"), NULL, &f->messages);
    assert_string_equal(messages(f, true, true),
                        "n: has invalid keys: x; there are no settings here\n");
}

static void test_checks(void **state)
{
    struct fixture *f = *state;
    bad(f, "number: 13", "c::number: must not be 13");
    assert_int_equal(f->messages.rule_error_count, 1);
    bad(f, "number: 14", "c: the whole is wrong");
    bad(f, "number: x\nblock: {size: 0}", /* rules are not asked about what could not be read */
        "c::number: expected type 'int', got unconvertible type 'string' \"x\"; write a whole "
        "number without quotes");
    assert_int_equal(f->messages.rule_error_count, 0);
    good(f, "labels: {}\nblock: {wait: 2m}\nold: anything\n");
    assert_string_equal(messages(f, true, true),
                        "yaml:: c::old: is deprecated and has no effect: use text\n"
                        "yaml:: c::block::wait: is long\nyaml:: c::labels: is not a good idea\n");
    assert_int_equal(f->messages.warning_count, 3);
}

static void test_places(void **state)
{
    struct fixture *f = *state;
    struct node *root;
    struct err err;
    struct place at = {.source = STR("p.yaml"), .line = 9, .column = 9};
    assert_true(yaml_parse(&f->arena, STR("p.yaml"),
                           STR("number: 14\nblock:\n  size: -1\nnosuch:\n  a: 1\n"), &root, &err));
    config_messages_init(&f->messages, &f->arena);
    config_decode(&f->arena, &all_schema, root, STR("c"), &at, &f->messages);
    assert_non_null(strstr(messages(f, true, true), "p.yaml:4:1: c: has invalid keys: nosuch"));
    assert_true(
        yaml_parse(&f->arena, STR("p.yaml"), STR("number: 14\nblock:\n  size: -1\n"), &root, &err));
    config_messages_init(&f->messages, &f->arena);
    config_decode(&f->arena, &all_schema, root, STR("c"), &at, &f->messages);
    assert_string_equal(
        messages(f, true, true),
        "p.yaml:3:9: c::block::size: must be positive\np.yaml:1:1: c: the whole is wrong\n");
    config_messages_init(&f->messages, &f->arena);
    config_decode(&f->arena, &all_schema, &(struct node){.kind = NODE_STRING, .text = STR("x")},
                  STR("c"), &at, &f->messages);
    assert_int_equal(f->messages.error_count, 1);
}

/* Values of variables and of secret fields stay out of every message. */
static void test_secrets(void **state)
{
    struct fixture *f = *state;
    static const char *const texts[] = {
        "token: [s3cret]",
        "token: {s3cret: 1}",
        "mode: s3cret",
        "headers: [s3cret]",
        "headers: {a: [s3cret]}",
        "flag: ${env:CONFIG_TEST_SECRET}",
        "number: ${env:CONFIG_TEST_SECRET}",
        "wait: ${env:CONFIG_TEST_SECRET}",
        "level: ${env:CONFIG_TEST_SECRET}",
        "id: ${env:CONFIG_TEST_SECRET}",
        "ids: [\"${env:CONFIG_TEST_SECRET}\"]",
        "block: ${env:CONFIG_TEST_SECRET}",
        "number: a${env:CONFIG_TEST_SECRET}b",
        "wait: ${env:CONFIG_TEST_MAP}",
    };
    setenv("CONFIG_TEST_SECRET", "s3cret x", 1);
    setenv("CONFIG_TEST_MAP", "{a: s3cret}", 1);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        decode(f, texts[i]);
        assert_int_not_equal(f->messages.error_count, 0);
        if (strstr(messages(f, true, true), "s3cret") != NULL)
            fail_msg("%s: %s", texts[i], messages(f, true, true));
    }
}

/* A text field takes what the variable holds, a typed field what it means. */
static void test_expanded(void **state)
{
    struct fixture *f = *state;
    setenv("CONFIG_TEST_X", "0123", 1);
    assert_true(str_eqz(good(f, "text: ${env:CONFIG_TEST_X}")->text, "0123"));
    assert_int_equal(good(f, "number: ${env:CONFIG_TEST_X}")->number, 83);
    assert_true(str_eqz(good(f, "words: [\"${env:CONFIG_TEST_X}\"]")->words.items[0], "0123"));
    assert_true(
        str_eqz(good(f, "labels: {a: \"${env:CONFIG_TEST_X}\"}")->labels.items[0].value, "0123"));
    assert_int_equal(good(f, "any: ${env:CONFIG_TEST_X}")->any->integer, 83);
    setenv("CONFIG_TEST_X", "[a, b]", 1);
    assert_int_equal(good(f, "words: ${env:CONFIG_TEST_X}")->words.count, 2);
    assert_true(str_eqz(good(f, "text: ${env:CONFIG_TEST_X}")->text, "[a, b]"));
    setenv("CONFIG_TEST_X", "a,b,c", 1);
    assert_int_equal(good(f, "words: ${env:CONFIG_TEST_X}")->words.count, 3);
    setenv("CONFIG_TEST_X", "{size: 3}", 1);
    assert_int_equal(good(f, "block: ${env:CONFIG_TEST_X}")->block.size, 3);
    /* Not set: texts, numbers and lists are empty rather than standard; blocks and choices keep their defaults. */
    const struct all *c =
        good(f, "text: ${env:CONFIG_TEST_UNSET}\nnumber: ${env:CONFIG_TEST_UNSET}\nflag: "
                "${env:CONFIG_TEST_UNSET}\n"
                "wait: ${env:CONFIG_TEST_UNSET}\nwords: ${env:CONFIG_TEST_UNSET}\nlevel: "
                "${env:CONFIG_TEST_UNSET}\n"
                "block: ${env:CONFIG_TEST_UNSET}\nid: ${env:CONFIG_TEST_UNSET}\n");
    assert_int_equal(c->text.len, 0);
    assert_int_equal(c->number, 0);
    assert_false(c->flag);
    assert_int_equal(c->wait_ns, 0);
    assert_int_equal(c->words.count, 0);
    assert_int_equal(c->level, 1);
    assert_int_equal(c->block.size, 7);
    assert_int_equal(c->id.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_defaults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_wrong_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_lists, setup, teardown),
        cmocka_unit_test_setup_teardown(test_maps, setup, teardown),
        cmocka_unit_test_setup_teardown(test_blocks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_optional, setup, teardown),
        cmocka_unit_test_setup_teardown(test_any, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unknown_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_secrets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_expanded, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
