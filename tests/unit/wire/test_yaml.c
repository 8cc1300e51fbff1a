/* YAML: meanings of scalars against a table that yaml.v3 printed, trees with places, faults with
 * places, limits, printing. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "wire/yaml.h"

struct fixture {
    struct arena arena;
    struct err err;
    struct node *root;
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

/* From memory of the exact size, so that the sanitizer sees reads past the end. */
static bool parse_bytes(struct fixture *f, str text)
{
    char *exact = mem_alloc(text.len);
    if (text.len > 0)
        memcpy(exact, text.data, text.len);
    bool ok = yaml_parse(&f->arena, STR("f.yaml"), str_make(exact, text.len), &f->root, &f->err);
    mem_free(exact);
    return ok;
}

static bool parse(struct fixture *f, const char *text)
{
    return parse_bytes(f, str_from(text));
}

/* ---- scalars ---- */

struct scalar {
    const char *text;
    enum node_kind kind;
    const char *value;
};

/* Printed by yaml.v3 3.0.4 from an untyped decode; times are text here. */
static const struct scalar scalars[] = {
    {"0123", NODE_INT, "83"},
    {"0o17", NODE_INT, "15"},
    {"0x1F", NODE_INT, "31"},
    {"0b101", NODE_INT, "5"},
    {"1_000", NODE_INT, "1000"},
    {"yes", NODE_STRING, "yes"},
    {"no", NODE_STRING, "no"},
    {"on", NODE_STRING, "on"},
    {"off", NODE_STRING, "off"},
    {"y", NODE_STRING, "y"},
    {"n", NODE_STRING, "n"},
    {"Yes", NODE_STRING, "Yes"},
    {"TRUE", NODE_BOOL, "true"},
    {"True", NODE_BOOL, "true"},
    {"true", NODE_BOOL, "true"},
    {"tRue", NODE_STRING, "tRue"},
    {"~", NODE_NULL, ""},
    {"null", NODE_NULL, ""},
    {"Null", NODE_NULL, ""},
    {"NULL", NODE_NULL, ""},
    {"nULL", NODE_STRING, "nULL"},
    {".inf", NODE_DOUBLE, "inf"},
    {"-.inf", NODE_DOUBLE, "-inf"},
    {"+.INF", NODE_DOUBLE, "inf"},
    {".nan", NODE_DOUBLE, "nan"},
    {".NaN", NODE_DOUBLE, "nan"},
    {"+.nan", NODE_STRING, "+.nan"},
    {"08", NODE_DOUBLE, "8.0"},
    {"09", NODE_DOUBLE, "9.0"},
    {"0_8", NODE_DOUBLE, "8.0"},
    {"-0123", NODE_INT, "-83"},
    {"-0o17", NODE_INT, "-15"},
    {"-0b11", NODE_INT, "-3"},
    {"+0x1f", NODE_INT, "31"},
    {"0b-1", NODE_INT, "-1"},
    {"0o-7", NODE_INT, "-7"},
    {"0o+7", NODE_INT, "7"},
    {"-0b-1", NODE_STRING, "-0b-1"},
    {"0b2", NODE_STRING, "0b2"},
    {"0o8", NODE_STRING, "0o8"},
    {"0x", NODE_STRING, "0x"},
    {"0b", NODE_STRING, "0b"},
    {"0o", NODE_STRING, "0o"},
    {"+", NODE_STRING, "+"},
    {".", NODE_STRING, "."},
    {"..", NODE_STRING, ".."},
    {"1.", NODE_DOUBLE, "1.0"},
    {"1.e3", NODE_DOUBLE, "1000.0"},
    {"1e3", NODE_DOUBLE, "1000.0"},
    {"1E+3", NODE_DOUBLE, "1000.0"},
    {"1e", NODE_STRING, "1e"},
    {"1e+", NODE_STRING, "1e+"},
    {"-.5", NODE_DOUBLE, "-0.5"},
    {"+.5", NODE_DOUBLE, "0.5"},
    {".5", NODE_DOUBLE, "0.5"},
    {".5e1", NODE_DOUBLE, "5.0"},
    {"._5", NODE_STRING, "._5"},
    {".5_0", NODE_DOUBLE, "0.5"},
    {".5_", NODE_STRING, ".5_"},
    {"1__0", NODE_INT, "10"},
    {"1_", NODE_INT, "1"},
    {"_1", NODE_STRING, "_1"},
    {"-_1", NODE_INT, "-1"},
    {"18446744073709551615", NODE_DOUBLE, "1.8446744073709552e+19"},
    {"18446744073709551616", NODE_DOUBLE, "1.8446744073709552e+19"},
    {"9223372036854775807", NODE_INT, "9223372036854775807"},
    {"9223372036854775808", NODE_DOUBLE, "9.223372036854776e+18"},
    {"-9223372036854775808", NODE_INT, "-9223372036854775808"},
    {"-9223372036854775809", NODE_DOUBLE, "-9.223372036854776e+18"},
    {"+9223372036854775808", NODE_DOUBLE, "9.223372036854776e+18"},
    {"0xffffffffffffffff", NODE_DOUBLE, "1.8446744073709552e+19"},
    {"0x1ffffffffffffffff", NODE_STRING, "0x1ffffffffffffffff"},
    {"-0x8000000000000000", NODE_INT, "-9223372036854775808"},
    {"-0x8000000000000001", NODE_STRING, "-0x8000000000000001"},
    {"0b1111111111111111111111111111111111111111111111111111111111111111", NODE_DOUBLE,
     "1.8446744073709552e+19"},
    {"0b11111111111111111111111111111111111111111111111111111111111111111", NODE_STRING,
     "0b11111111111111111111111111111111111111111111111111111111111111111"},
    {"0777777777777777777777", NODE_INT, "9223372036854775807"},
    {"01777777777777777777777", NODE_DOUBLE, "1.8446744073709552e+19"},
    {"1e309", NODE_STRING, "1e309"},
    {"-1e309", NODE_STRING, "-1e309"},
    {"1e-999", NODE_DOUBLE, "0.0"},
    {".1e999", NODE_STRING, ".1e999"},
    {"2001-01-01", NODE_STRING, "2001-01-01"},
    {"2001-1-1", NODE_STRING, "2001-1-1"},
    {"2001-01-01T00:00:00Z", NODE_STRING, "2001-01-01T00:00:00Z"},
    {"12:30:45", NODE_STRING, "12:30:45"},
    {"1:20", NODE_STRING, "1:20"},
    {"1.2.3", NODE_STRING, "1.2.3"},
    {"0.0.0.0", NODE_STRING, "0.0.0.0"},
    {"127.0.0.1", NODE_STRING, "127.0.0.1"},
    {"1e3e3", NODE_STRING, "1e3e3"},
    {"--1", NODE_STRING, "--1"},
    {"+-1", NODE_STRING, "+-1"},
    {"0x1.8p1", NODE_STRING, "0x1.8p1"},
    {"0x_1", NODE_INT, "1"},
    {"0_x1", NODE_INT, "1"},
    {"infinity", NODE_STRING, "infinity"},
    {"nan", NODE_STRING, "nan"},
    {"inf", NODE_STRING, "inf"},
    {"+inf", NODE_STRING, "+inf"},
    {"-nan", NODE_STRING, "-nan"},
    {"1d", NODE_STRING, "1d"},
    {"10s", NODE_STRING, "10s"},
    {"0XFF", NODE_INT, "255"},
    {"0B11", NODE_INT, "3"},
    {"0O17", NODE_INT, "15"},
    {"00", NODE_INT, "0"},
    {"0", NODE_INT, "0"},
    {"-0", NODE_INT, "0"},
    {"+0", NODE_INT, "0"},
    {"0.0", NODE_DOUBLE, "0.0"},
    {"-0.0", NODE_DOUBLE, "-0.0"},
    {"1_0.5_0e1_0", NODE_DOUBLE, "105000000000.0"},
    {"0e0", NODE_DOUBLE, "0.0"},
    {"00.5", NODE_DOUBLE, "0.5"},
    {"0.5_", NODE_DOUBLE, "0.5"},
    {"4_2", NODE_INT, "42"},
    {"0b1_0", NODE_INT, "2"},
    {"0x_", NODE_STRING, "0x_"},
    {"__", NODE_STRING, "__"},
    {"0__", NODE_INT, "0"},
    {"5.", NODE_DOUBLE, "5.0"},
    {"111111111111111111111111111111", NODE_DOUBLE, "1.111111111111111e+29"},
};

static void check_scalar(const struct scalar *s, const struct node *n)
{
    char text[64];
    if (n->kind != s->kind)
        fail_msg("\"%s\": kind %d, not %d", s->text, n->kind, s->kind);
    switch (n->kind) {
    case NODE_BOOL:
        assert_string_equal(n->boolean ? "true" : "false", s->value);
        break;
    case NODE_INT:
        snprintf(text, sizeof text, "%" PRId64, n->integer);
        assert_string_equal(text, s->value);
        break;
    case NODE_DOUBLE:
        if (strcmp(s->value, "nan") == 0)
            assert_true(isnan(n->real));
        else if (n->real != strtod(s->value, NULL))
            fail_msg("\"%s\": %.17g, not %s", s->text, n->real, s->value);
        break;
    case NODE_STRING:
        assert_true(str_eqz(n->text, s->value));
        break;
    default:
        break;
    }
}

static void test_scalars(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(scalars); i++) {
        char doc[256];
        if (!parse(f, scalars[i].text))
            fail_msg("\"%s\": %s", scalars[i].text, f->err.text);
        check_scalar(&scalars[i], f->root);
        /* In a list, and quoted. */
        snprintf(doc, sizeof doc, "- %s\n- '%s'", scalars[i].text, scalars[i].text);
        assert_true(parse(f, doc));
        check_scalar(&scalars[i], f->root->first);
        assert_int_equal(f->root->last->kind, NODE_STRING);
        assert_true(str_eqz(f->root->last->text, scalars[i].text));
    }
}

static void test_long_numbers(void **state)
{
    struct fixture *f = *state;
    char text[501];
    memset(text, '1', 500);
    text[500] = '\0';
    assert_true(parse(f, text)); /* out of a double's range: text, as in yaml.v3 */
    assert_int_equal(f->root->kind, NODE_STRING);
    text[200] = '\0';
    assert_true(parse(f, text));
    assert_int_equal(f->root->kind, NODE_DOUBLE);
    memset(text, '_', 500);
    text[0] = '7';
    assert_true(parse(f, text));
    assert_int_equal(f->root->kind, NODE_INT);
    assert_int_equal(f->root->integer, 7);
}

static void test_tags(void **state)
{
    struct fixture *f = *state;
    static const struct scalar tagged[] = {
        {"!!str 123", NODE_STRING, "123"}, {"!!int \"3\"", NODE_INT, "3"},
        {"!!float 3", NODE_DOUBLE, "3"},   {"!own 12", NODE_STRING, "12"},
        {"! 12", NODE_INT, "12"},          {"!!binary aGk=", NODE_STRING, "hi"},
        {"!!null ~", NODE_NULL, ""},       {"!!bool 'true'", NODE_BOOL, "true"},
        {"!!str", NODE_STRING, ""},        {"!!timestamp 2001-01-01", NODE_STRING, "2001-01-01"},
    };
    for (size_t i = 0; i < COUNT_OF(tagged); i++) {
        if (!parse(f, tagged[i].text))
            fail_msg("%s: %s", tagged[i].text, f->err.text);
        check_scalar(&tagged[i], f->root);
    }
    assert_false(parse(f, "a: !!int abc"));
    assert_string_equal(f->err.text, "f.yaml:1:4: cannot decode !!str \"abc\" as a !!int");
    assert_false(parse(f, "!!bool yes"));
    assert_false(parse(f, "!!binary '%'"));
}

/* ---- trees ---- */

static const struct node *at(const struct node *n, const char *key)
{
    const struct node *found = node_get(n, str_from(key));
    if (found == NULL)
        fail_msg("no key %s", key);
    return found;
}

static void check_place(const struct node *n, unsigned line, unsigned column)
{
    assert_true(str_eqz(n->place.source, "f.yaml"));
    assert_int_equal(n->place.line, line);
    assert_int_equal(n->place.column, column);
}

static void test_places(void **state)
{
    struct fixture *f = *state;
    assert_true(parse(f, "# comment\na: 1\nbé:\n  - x\n  -   'y'\n  - {k: v}\nc: |\n  text\n"));
    const struct node *a = at(f->root, "a"), *b = at(f->root, "b\xc3\xa9"), *c = at(f->root, "c");
    check_place(f->root, 2, 1);
    check_place(a, 2, 4);
    assert_int_equal(a->key_place.line, 2);
    assert_int_equal(a->key_place.column, 1);
    assert_int_equal(b->kind, NODE_LIST);
    assert_int_equal(b->count, 3);
    check_place(b, 4, 3);
    check_place(b->first, 4, 5);
    check_place(b->first->next, 5, 7);
    check_place(at(b->last, "k"), 6, 9);
    assert_int_equal(at(b->last, "k")->key_place.column, 6);
    check_place(c, 7, 4);
    assert_true(str_eqz(c->text, "text\n"));
    assert_true(c->quoted);
    assert_null(node_get(f->root, STR("nosuch")));
    assert_null(node_get(a, STR("a")));
    assert_null(node_get(NULL, STR("a")));
}

static void test_empty(void **state)
{
    struct fixture *f = *state;
    static const char *const empty[] = {"",      "\n\n",         "# only a comment\n",
                                        "---\n", "--- ~\n...\n", "\xef\xbb\xbf"};
    for (size_t i = 0; i < COUNT_OF(empty); i++) {
        assert_true(parse(f, empty[i]));
        assert_int_equal(f->root->kind, NODE_NULL);
    }
    assert_true(yaml_parse(&f->arena, STR("x"), STR_NONE, &f->root, &f->err));
    assert_int_equal(f->root->kind, NODE_NULL);
}

static void test_byte_order_mark(void **state)
{
    struct fixture *f = *state;
    assert_true(parse(f, "\xef\xbb\xbf"
                         "a: 1"));
    assert_int_equal(at(f->root, "a")->integer, 1);
    assert_true(parse_bytes(f, str_make("\xff\xfe"
                                        "a\0:\0 \0"
                                        "2\0",
                                        10))); /* UTF-16, little endian */
    assert_int_equal(at(f->root, "a")->integer, 2);
}

static void test_first_document(void **state)
{
    struct fixture *f = *state;
    assert_true(parse(f, "a: 1\n---\nb: [\n"));
    assert_int_equal(f->root->count, 1);
    assert_true(f->root->more_documents);
    assert_true(parse(f, "{a: 1} junk"));
    assert_true(f->root->more_documents);
    assert_true(parse(f, "---\na: 1\n...\n"));
    assert_false(f->root->more_documents);
    assert_false(parse(f, "a: 1\n---\n\xff"));
}

static void test_keys(void **state)
{
    struct fixture *f = *state;
    assert_true(parse(f, "1: a\n0x10: b\ntrue: c\n1.50: d\n'': e\n"));
    at(f->root, "1");
    at(f->root, "16");
    at(f->root, "true");
    at(f->root, "1.50");
    at(f->root, "");
    assert_false(parse(f, "? [a]\n: b\n"));
    assert_string_equal(f->err.text, "f.yaml:1:3: a key must be a word, not a list or a map");
    assert_false(parse(f, "x: {~: b}\n"));
    assert_string_equal(f->err.text, "f.yaml:1:5: a key is missing or null");
}

static void test_anchors(void **state)
{
    struct fixture *f = *state;
    assert_true(parse(f, "a: &x [1, {b: 2}]\nc: *x\nd: &x 5\ne: *x\nf: [*x]\n"));
    const struct node *c = at(f->root, "c");
    assert_int_equal(c->count, 2);
    assert_int_equal(at(c->last, "b")->integer, 2);
    assert_ptr_not_equal(c->last, at(f->root, "a")->last); /* a copy */
    check_place(c->last, 1, 11);
    assert_int_equal(at(f->root, "e")->integer, 5);
    assert_int_equal(at(f->root, "f")->first->integer, 5);
    assert_int_equal(at(f->root, "f")->first->key.len, 0);
    assert_false(parse(f, "a: *x"));
    assert_string_equal(f->err.text, "f.yaml:1:4: unknown anchor \"x\" referenced");
    assert_false(parse(f, "a: &x [1, *x]"));
    assert_string_equal(f->err.text, "f.yaml:1:11: anchor \"x\" value contains itself");
}

static void test_merge_keys(void **state)
{
    struct fixture *f = *state;
    assert_true(parse(f, "b: &b {x: 1, y: 2}\nc: &c {y: 3, z: 4}\nd: {<<: *b, y: 9}\ne: {<<: [*b, "
                         "*c]}\nf: {<<: {<<: *c, q: 1}}\n"
                         "g: {'<<': 1}\n"));
    const struct node *d = at(f->root, "d"), *e = at(f->root, "e");
    assert_int_equal(d->count, 2);
    assert_int_equal(at(d, "y")->integer, 9); /* its own wins, wherever it stands */
    assert_int_equal(at(d, "x")->integer, 1);
    assert_int_equal(at(e, "y")->integer, 2); /* the earlier of a list wins */
    assert_int_equal(at(e, "z")->integer, 4);
    assert_int_equal(at(at(f->root, "f"), "z")->integer, 4);
    assert_null(node_get(d, STR("<<")));
    assert_int_equal(at(at(f->root, "g"), "<<")->integer, 1); /* quoted: a key like any other */
    static const char *const bad[] = {"a: {<<: 5}", "a: {<<: }", "a: {<<: [1]}",
                                      "a: {<<: [{b: 1}, x]}", "a: &x 1\nb: {<<: *x}"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        assert_false(parse(f, bad[i]));
        assert_non_null(
            strstr(f->err.text, "map merge (<<) requires map or sequence of maps as the value"));
    }
    assert_false(parse(f, "a: {<<: {b: 1}, <<: {c: 1}}"));
}

/* ---- faults ---- */

static void test_duplicates(void **state)
{
    struct fixture *f = *state;
    assert_false(parse(f, "a: 1\nb: 2\n\"a\": 3\n"));
    assert_string_equal(f->err.text,
                        "f.yaml:3:1: mapping key \"a\" already defined at line 1, column 1");
    assert_false(parse(f, "x: {k: 1, k: 1}"));
    assert_false(parse(f, "1: a\n0x1: b\n"));
    assert_false(parse(f, "\"a\\nb\": 1\n\"a\\nb\": 1\n"));
    assert_null(strchr(f->err.text, '\n')); /* the key cannot break the message's line */
    /* Large maps look through a hash. */
    struct buf b;
    buf_init(&b, MIB);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "key%d: %d\n", i, i);
    assert_true(parse_bytes(f, buf_view(&b)));
    assert_int_equal(f->root->count, 1000);
    assert_int_equal(at(f->root, "key999")->integer, 999);
    buf_text(&b, "key17: x\n");
    assert_false(parse_bytes(f, buf_view(&b)));
    assert_string_equal(
        f->err.text, "f.yaml:1001:1: mapping key \"key17\" already defined at line 18, column 1");
    buf_deinit(&b);
}

static void test_faults(void **state)
{
    struct fixture *f = *state;
    static const struct {
        const char *text, *place, *reason;
    } faults[] = {
        {"a: [1\n", "f.yaml:2:1: ", "did not find expected ',' or ']'"},
        {"a:\n  - b\n c: d\n", "f.yaml:3:2: ", "did not find expected key"},
        {"a:\n\tb: 1\n", "f.yaml:2:1: ", "this is a tab: YAML is indented with spaces"},
        {"a: 'x", "f.yaml:1:6: ", "found unexpected end of stream"},
        {"a: b: c", "f.yaml:1:5: ", "mapping values are not allowed in this context"},
        {"a: \"\\q\"", "f.yaml:1:5: ", "found unknown escape character"},
        {"a: @x", "f.yaml:1:4: ", "found character that cannot start any token"},
        {"a: 1\nb: \xff",
         "f.yaml:2:4: ", "invalid leading UTF-8 octet (0xFF); the text must be UTF-8"},
        {"\xc3\xa9: \xc3", "f.yaml:1:4: ", "incomplete UTF-8 octet sequence"},
        {"a: \x01", "f.yaml:1:4: ", "control characters are not allowed"},
        {"%YAML 3.0\n---\na: 1", "f.yaml:1:1: ", "found incompatible YAML document"},
    };
    for (size_t i = 0; i < COUNT_OF(faults); i++) {
        if (parse(f, faults[i].text))
            fail_msg("%s: read", faults[i].text);
        if (strncmp(f->err.text, faults[i].place, strlen(faults[i].place)) != 0 ||
            strstr(f->err.text, faults[i].reason) == NULL)
            fail_msg("%s: %s", faults[i].text, f->err.text);
    }
}

static void repeat(struct buf *b, const char *text, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_text(b, text);
}

static void test_depth(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, MIB);
    repeat(&b, "[", LIMIT_CONFIG_DEPTH - 1);
    buf_text(&b, "x");
    repeat(&b, "]", LIMIT_CONFIG_DEPTH - 1);
    assert_true(parse_bytes(f, buf_view(&b)));
    buf_clear(&b);
    repeat(&b, "[", LIMIT_CONFIG_DEPTH);
    buf_text(&b, "x");
    repeat(&b, "]", LIMIT_CONFIG_DEPTH);
    assert_false(parse_bytes(f, buf_view(&b)));
    assert_string_equal(f->err.text, "f.yaml:1:65: nested deeper than 64 levels");
    buf_clear(&b);
    repeat(&b, "- ", 100000);
    assert_false(parse_bytes(f, buf_view(&b)));
    /* Aliases in aliases: each line is one level deeper than the one before. */
    buf_clear(&b);
    buf_text(&b, "a0: &a0 x\n");
    for (int i = 1; i < 100; i++)
        buf_printf(&b, "a%d: &a%d [*a%d]\n", i, i, i - 1);
    assert_false(parse_bytes(f, buf_view(&b)));
    assert_non_null(strstr(f->err.text, "nested deeper than 64 levels"));
    buf_deinit(&b);
}

static void test_node_limit(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, 4 * MIB);
    buf_text(&b, "a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
    for (int i = 1; i < 9; i++)
        buf_printf(&b, "a%d: &a%d [*a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d, *a%d]\n", i, i,
                   i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1, i - 1);
    assert_false(parse_bytes(f, buf_view(&b)));
    assert_non_null(strstr(f->err.text, "more than 200000 values"));
    assert_true(f->arena.used_bytes < 100 * MIB);
    buf_clear(&b);
    repeat(&b, "- x\n", LIMIT_CONFIG_NODES - 1); /* and the list */
    assert_true(parse_bytes(f, buf_view(&b)));
    buf_text(&b, "- x\n");
    assert_false(parse_bytes(f, buf_view(&b)));
    buf_deinit(&b);
}

/* ---- printing ---- */

static const char *print(struct fixture *f, const struct node *n, bool json)
{
    struct buf b;
    buf_init(&b, MIB);
    if (json)
        node_print_json(&b, n);
    else
        yaml_print(&b, n);
    const char *text = arena_cstr(&f->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static void test_print(void **state)
{
    struct fixture *f = *state;
    assert_true(parse(f, "a: {b: [1, x, {c: d, e: [f, []]}, [g, [h]]], i: {}}\nj: 'yes'\nk: "
                         "\"a\\nb\"\nl: ~\nm: 2.50\nn: '012'\n"));
    assert_string_equal(print(f, f->root, false), "a:\n"
                                                  "    b:\n"
                                                  "        - 1\n"
                                                  "        - x\n"
                                                  "        - c: d\n"
                                                  "          e:\n"
                                                  "              - f\n"
                                                  "              - []\n"
                                                  "        - - g\n"
                                                  "          - - h\n"
                                                  "    i: {}\n"
                                                  "j: \"yes\"\n"
                                                  "k: \"a\\nb\"\n"
                                                  "l: null\n"
                                                  "m: 2.5\n"
                                                  "\"n\": \"012\"\n");
    assert_string_equal(print(f, f->root, true), "{\n"
                                                 "  \"a\": {\n"
                                                 "    \"b\": [\n"
                                                 "      1,\n"
                                                 "      \"x\",\n"
                                                 "      {\n"
                                                 "        \"c\": \"d\",\n"
                                                 "        \"e\": [\n"
                                                 "          \"f\",\n"
                                                 "          []\n"
                                                 "        ]\n"
                                                 "      },\n"
                                                 "      [\n"
                                                 "        \"g\",\n"
                                                 "        [\n"
                                                 "          \"h\"\n"
                                                 "        ]\n"
                                                 "      ]\n"
                                                 "    ],\n"
                                                 "    \"i\": {}\n"
                                                 "  },\n"
                                                 "  \"j\": \"yes\",\n"
                                                 "  \"k\": \"a\\nb\",\n"
                                                 "  \"l\": null,\n"
                                                 "  \"m\": 2.5,\n"
                                                 "  \"n\": \"012\"\n"
                                                 "}\n");
}

static const char *const texts[] = {
    "",
    " ",
    "a ",
    " a",
    "a: b",
    "a:",
    "a #b",
    "#a",
    "- a",
    "-",
    "?",
    "*a",
    "&a",
    "!a",
    "|",
    ">",
    "%a",
    "@a",
    "`a",
    "{a",
    "[a",
    "a]",
    "'a'",
    "\"a\"",
    "a\tb",
    "a\rb",
    "~",
    "null",
    "0x10",
    "1_0",
    "1:20",
    ".inf",
    "+1",
    "<<",
    "=",
    "On",
    "no",
    "a\\b",
    "\xc2\x85",
    "\xe2\x80\xa8",
    "\x7f",
    "\x01",
    "---",
    "...",
    "\xef\xbb\xbf",
    "\xf0\x9f\x98\x80",
    "\xc3\xa9",
    "2001-01-01",
    "12:30:45",
    "a\n\nb\n",
    "http://x:1/a?b#c",
    "[REDACTED]",
    "a,b",
    "1e3",
    "0o7",
    "-",
    "-1",
    "${x}",
};

/* Every string must come back the same, whatever it looks like. */
static void test_print_strings(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(texts) + COUNT_OF(scalars); i++) {
        const char *text = i < COUNT_OF(texts) ? texts[i] : scalars[i - COUNT_OF(texts)].text;
        struct node value = {.kind = NODE_STRING, .text = str_from(text), .key = str_from(text)};
        struct node map = {.kind = NODE_MAP, .first = &value, .last = &value, .count = 1};
        const char *printed = print(f, &map, false);
        if (!parse(f, printed) || !str_eqz(f->root->first->text, text) ||
            f->root->first->kind != NODE_STRING || !str_eqz(f->root->first->key, text))
            fail_msg("printed %s, read %s", printed, f->err.text);
    }
    /* A long key, and bytes that are no UTF-8. */
    char key[3000];
    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    struct node inner = {.kind = NODE_INT, .integer = 1, .key = STR("a")};
    struct node value = {
        .kind = NODE_MAP, .key = str_from(key), .first = &inner, .last = &inner, .count = 1};
    struct node map = {.kind = NODE_MAP, .first = &value, .last = &value, .count = 1};
    assert_true(parse(f, print(f, &map, false)));
    assert_int_equal(at(at(f->root, key), "a")->integer, 1);
    struct node bad = {.kind = NODE_STRING,
                       .text = STR("a\xff"
                                   "b")};
    assert_true(parse(f, print(f, &bad, false)));
    assert_true(str_eqz(f->root->text, "a\xef\xbf\xbd"
                                       "b"));
}

static void test_print_numbers(void **state)
{
    struct fixture *f = *state;
    static const double reals[] = {0.1,  1,   -1, 1e300, 5e-324, 1.0 / 3, 123456789012345680.0,
                                   1e15, -0.0};
    for (size_t i = 0; i < COUNT_OF(reals); i++) {
        struct node n = {.kind = NODE_DOUBLE, .real = reals[i]};
        assert_true(parse(f, print(f, &n, false)));
        assert_int_equal(f->root->kind, NODE_DOUBLE);
        assert_true(f->root->real == reals[i]);
    }
    struct node n = {.kind = NODE_DOUBLE, .real = -INFINITY};
    assert_string_equal(print(f, &n, false), "-.inf\n");
    assert_string_equal(print(f, &n, true), "\"-.inf\"\n");
}

static void test_place_print(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    place_print(&b, &(struct place){.source = STR("a.yaml"), .line = 3, .column = 7});
    place_print(&b, &(struct place){.source = STR("--set x")});
    place_print(&b, &(struct place){.line = 3});
    place_print(&b, NULL);
    assert_string_equal(buf_cstr(&b), "a.yaml:3:7: --set x: ");
    buf_deinit(&b);
}

/* ---- spans ---- */

/* The node at a path like "a/b/2", with its text as the span says. */
static void expect_span(struct fixture *f, const char *text, const char *path, const char *key,
                        const char *value)
{
    if (!parse(f, text))
        fail_msg("%s", f->err.text);
    const struct node *n = f->root;
    str rest = str_from(path), part;
    while (rest.len > 0) {
        str_cut(rest, '/', &part, &rest);
        uint64_t index;
        if (n->kind == NODE_MAP) {
            n = node_get(n, part);
        } else {
            assert_true(str_to_u64(part, &index));
            n = n->first;
            while (index-- > 0)
                n = n->next;
        }
        assert_non_null(n);
    }
    if (key != NULL) {
        str got = str_make(text + n->key_span.begin, n->key_span.end - n->key_span.begin);
        if (!str_eqz(got, key))
            fail_msg("%s: key is \"%.*s\", should be \"%s\"", path, STR_ARG(got), key);
    }
    str got = str_make(text + n->span.begin, n->span.end - n->span.begin);
    if (!str_eqz(got, value))
        fail_msg("%s: value is \"%.*s\", should be \"%s\"", path, STR_ARG(got), value);
}

static void test_spans(void **state)
{
    struct fixture *f = *state;
    const char *text = "\xef\xbb\xbf# é 漢\r\n'a é': \"x🙂\" # c\r\nb: &k [1, {c: , d: y z}, *k2 ]\r\n"
                       "k2:\r\n- |\r\n  t\r\n\r\n# c\r\n-\r\n- q: r\r\n  s: !!str 5 # d\r\n\r\n# end\r\nz:";
    /* an alias must come behind its anchor */
    assert_false(parse(f, text));
    text = "\xef\xbb\xbf# é 漢\r\n'a é': &k2 \"x🙂\" # c\r\nb: &k [1, {c: , d: y z}, *k2 ]\r\n"
           "k2:\r\n- |\r\n  t\r\n\r\n# c\r\n-\r\n- q: r\r\n  s: !!str 5 # d\r\n\r\n# end\r\nz:";
    expect_span(f, text, "a é", "'a é'", "&k2 \"x🙂\"");
    expect_span(f, text, "b", "b", "&k [1, {c: , d: y z}, *k2 ]");
    expect_span(f, text, "b/0", NULL, "1");
    expect_span(f, text, "b/1", NULL, "{c: , d: y z}");
    expect_span(f, text, "b/1/c", "c", "");
    expect_span(f, text, "b/1/d", "d", "y z");
    expect_span(f, text, "b/2", NULL, "*k2");
    expect_span(f, text, "k2", "k2", "- |\r\n  t\r\n\r\n# c\r\n-\r\n- q: r\r\n  s: !!str 5");
    expect_span(f, text, "k2/0", NULL, "|\r\n  t\r\n\r\n");
    expect_span(f, text, "k2/1", NULL, "");
    expect_span(f, text, "k2/2", NULL, "q: r\r\n  s: !!str 5");
    expect_span(f, text, "k2/2/s", "s", "!!str 5");
    expect_span(f, text, "z", "z", "");
    assert_true(f->root->last->span.begin == strlen(text));
    assert_true(node_get(f->root, STR("b"))->anchored && node_get(f->root, STR("b"))->flow);
    assert_false(node_get(f->root, STR("k2"))->flow);
}

static void test_spans_of_aliases(void **state)
{
    struct fixture *f = *state;
    const char *text = "a: &a {x: 1}\nb: *a\nc: {<<: *a, y: 2}\nd:\n  e: f\n  <<: {z: 3}\n";
    expect_span(f, text, "b", "b", "*a");
    expect_span(f, text, "c", "c", "{<<: *a, y: 2}");
    expect_span(f, text, "d", "d", "e: f\n  <<: {z: 3}");
    const struct node *b = node_get(f->root, STR("b")), *c = node_get(f->root, STR("c"));
    assert_true(b->aliased && b->first->aliased && !c->aliased);
    /* what was merged is not written where it is found */
    assert_int_equal(node_get(c, STR("x"))->key_span.end, 0);
    assert_true(node_get(c, STR("y"))->key_span.end > 0);
    assert_int_equal(node_get(node_get(f->root, STR("d")), STR("z"))->key_span.end, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_scalars, setup, teardown),
        cmocka_unit_test_setup_teardown(test_long_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_tags, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(test_byte_order_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(test_first_document, setup, teardown),
        cmocka_unit_test_setup_teardown(test_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_anchors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_duplicates, setup, teardown),
        cmocka_unit_test_setup_teardown(test_faults, setup, teardown),
        cmocka_unit_test_setup_teardown(test_depth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_limit, setup, teardown),
        cmocka_unit_test_setup_teardown(test_print, setup, teardown),
        cmocka_unit_test_setup_teardown(test_print_strings, setup, teardown),
        cmocka_unit_test_setup_teardown(test_print_numbers, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spans, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spans_of_aliases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_place_print, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
