/* Locations to one tree: providers, merge, ${...} against a table that the reference's resolver printed, limits, places. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "config/config.h"

struct fixture {
    struct arena arena;
    struct config_messages messages;
    struct node *root;
    char dir[64];
};

static const char *const variables[][2] = {
    {"A", "0123"},
    {"B", "true"},
    {"C", "[a, b]"},
    {"D", "text"},
    {"E", ""},
    {"Q", "'quoted'"},
    {"N", "B"},
    {"R", "${D}"},
    {"L", "${L}"},
    {"M", "{k: ${A}, l: x${D}}"},
    {"H", "true # c"},
    {"I", "5 # ${D}"},
    {"J", "5 # ${foo:x}"},
    {"K", "$$"},
    {"P", "a: b: c"},
    {"T", "2001-01-01"},
    {"U8", "x${E}y"},
    {"S", "[1, ${B}] # ${D}"},
    {"W", "host"},
    {"ML", "a\nb"},
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    arena_init(&f->arena, 1024);
    config_messages_init(&f->messages, &f->arena);
    snprintf(f->dir, sizeof f->dir, "/tmp/baton_resolve_XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    for (size_t i = 0; i < COUNT_OF(variables); i++)
        setenv(variables[i][0], variables[i][1], 1);
    unsetenv("UNSET");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char command[128];
    static const char *const names[] = {"a.yaml", "b.yaml", "c.yaml"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        snprintf(command, sizeof command, "%s/%s", f->dir, names[i]);
        unlink(command);
    }
    rmdir(f->dir);
    arena_deinit(&f->arena);
    mem_free(f);
    return 0;
}

static const char *write_file(struct fixture *f, const char *name, str text)
{
    const char *path = arena_printf(&f->arena, "%s/%s", f->dir, name).data;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text.data == NULL ? "" : text.data, 1, text.len, file), text.len);
    fclose(file);
    return path;
}

/* Up to the NULL; "=" in front of a --set. */
static bool resolve(struct fixture *f, const char *const *locations)
{
    struct config_source sources[8];
    size_t count = 0;
    for (; locations[count] != NULL; count++) {
        bool is_set = locations[count][0] == '=';
        sources[count] = (struct config_source){str_from(locations[count] + is_set), is_set};
    }
    config_messages_init(&f->messages, &f->arena);
    return config_resolve(&f->arena, sources, count, &f->messages, &f->root);
}

static const char *messages(struct fixture *f)
{
    struct buf b;
    buf_init(&b, MIB);
    config_messages_print(&b, &f->messages, true, true);
    const char *text = arena_cstr(&f->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static void compact(struct buf *b, const struct node *n)
{
    bool is_map = n->kind == NODE_MAP;
    if (!is_map && n->kind != NODE_LIST) {
        node_print_json(b, n);
        b->len--; /* its newline */
        return;
    }
    buf_byte(b, is_map ? '{' : '[');
    for (const struct node *child = n->first; child != NULL; child = child->next) {
        if (child != n->first)
            buf_byte(b, ',');
        if (is_map) {
            buf_json_string(b, child->key);
            buf_byte(b, ':');
        }
        compact(b, child);
    }
    buf_byte(b, is_map ? '}' : ']');
}

static const char *json(struct fixture *f, const struct node *n)
{
    struct buf b;
    buf_init(&b, MIB);
    compact(&b, n);
    const char *text = arena_cstr(&f->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static void check(struct fixture *f, const char *const *locations, const char *expected)
{
    if (!resolve(f, locations))
        fail_msg("%s", messages(f));
    assert_string_equal(json(f, f->root), expected);
}
#define CHECK_JSON(f, expected, ...)                                                               \
    check((f), (const char *const[]){__VA_ARGS__, NULL}, (expected))

static void refuse(struct fixture *f, const char *const *locations, const char *expected)
{
    assert_false(resolve(f, locations));
    assert_true(f->messages.error_count > 0);
    if (strcmp(messages(f), expected) != 0)
        fail_msg("got: %s\nnot: %s", messages(f), expected);
}
#define CHECK_REFUSED(f, expected, ...)                                                            \
    refuse((f), (const char *const[]){__VA_ARGS__, NULL}, (expected))

/* ---- ${...} ---- */

/* What the reference's resolver (confmap v1.55.0) makes of a value: as JSON, and as text for a text field (NULL: no text). If the
 * JSON is NULL the text is its error. */
static const struct {
    const char *value, *json, *text;
} expansions[] = {
    {"${A}", "83", "0123"},
    {"${env:A}", "83", "0123"},
    {"x${A}y", "\"x0123y\"", "x0123y"},
    {"${A}${A}", "\"01230123\"", "01230123"},
    {"${B}", "true", "true"},
    {"x${B}", "\"xtrue\"", "xtrue"},
    {"${C}", "[\"a\",\"b\"]", "[a, b]"},
    {"x${C}", "\"x[a, b]\"", "x[a, b]"},
    {"${D}", "\"text\"", "text"},
    {"${E}", "null", ""},
    {"x${E}y", "\"xy\"", "xy"},
    {"${Q}", "\"'quoted'\"", "'quoted'"},
    {"x${Q}", "\"x'quoted'\"", "x'quoted'"},
    {"${env:${N}}", "true", "true"},
    {"${${N}}", "true", "true"},
    {"${R}", "\"text\"", "text"},
    {"x${R}", "\"xtext\"", "xtext"},
    {"${M}", "\"{k: 0123, l: xtext}\"", "{k: 0123, l: xtext}"},
    {"${H}", "true", "true # c"},
    {"x${H}", "\"xtrue # c\"", "xtrue # c"},
    {"${I}", "5", "5 # text"},
    {"${J}", "5", NULL},
    {"${K}", "\"$\"", "$"},
    {"x${K}${D}", "\"x$text\"", "x$text"},
    {"${P}", "\"a: b: c\"", "a: b: c"},
    {"${S}", "\"[1, true] # text\"", "[1, true] # text"},
    {"${U8}", "\"xy\"", "xy"},
    {"${T}", "\"2001-01-01\"", "2001-01-01"},
    {"${ML}", "\"a\\nb\"", "a\nb"},
    {"${UNSET}", "null", ""},
    {"x${UNSET}y", "\"xy\"", "xy"},
    {"${env:UNSET:-5}", "5", "5"},
    {"${env:UNSET:-}", "null", ""},
    {"${env:UNSET:-a:-b}", "\"a:-b\"", "a:-b"},
    {"${env:A:-z}", "83", "0123"},
    {"${env:E:-z}", "null", ""},
    {"${env:UNSET:-${D}}", "\"text\"", "text"},
    {"${env:UNSET:-[1, 2]}", "[1,2]", "[1, 2]"},
    {"${yaml:7}", "7", "7"},
    {"${yaml:a: b}", "{\"a\":\"b\"}", "a: b"},
    {"$${A}", "\"${A}\"", "${A}"},
    {"$$${A}", "\"$0123\"", "$0123"},
    {"$$$${A}", "\"$${A}\"", "$${A}"},
    {"$$$$${A}", "\"$$0123\"", "$$0123"},
    {"$A", "\"$A\"", "$A"},
    {"$$A", "\"$A\"", "$A"},
    {"$", "\"$\"", "$"},
    {"$$", "\"$\"", "$"},
    {"$$$", "\"$$\"", "$$"},
    {"$${A} ${B}", "\"${A} ${B}\"", "${A} ${B}"},
    {"${B} $${A}", "\"true ${A}\"", "true ${A}"},
    {"${A} $${B} ${D}", "\"0123 ${B} ${D}\"", "0123 ${B} ${D}"},
    {"}", "\"}\"", "}"},
    {"${", "\"${\"", "${"},
    {"${A", "\"${A\"", "${A"},
    {"A}", "\"A}\"", "A}"},
    {"}${A}", "\"}0123\"", "}0123"},
    {"a}b${A}c}", "\"a}b0123c}\"", "a}b0123c}"},
    {"${A}}", "\"0123}\"", "0123}"},
    {"{${A}}", "\"{0123}\"", "{0123}"},
    {"$}", "\"$}\"", "$}"},
    {"${W}:4317", "\"host:4317\"", "host:4317"},
    {"[${W}]:4317", "\"[host]:4317\"", "[host]:4317"},
    {"${L}", NULL, "too many recursive expansions"},
    {"x${L}", NULL, "too many recursive expansions"},
    {"${foo:bar}", NULL, "scheme \"foo\" is not supported for uri \"foo:bar\""},
    {"${a:b}", NULL, "invalid uri: \"a:b\""},
    {"${env:1a}", NULL,
     "environment variable \"1a\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"},
    {"${}", NULL,
     "environment variable \"\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"},
    {"${:}", NULL, "invalid uri: \":\""},
    {"${env:}", NULL,
     "environment variable \"\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"},
    {"${env:A$B}", NULL, "the uri \"env:A$B\" contains unsupported characters ('$')"},
    {"${ A}", NULL,
     "environment variable \" A\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"},
    {"${A }", NULL,
     "environment variable \"A \" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"},
    {"${env:A B}", NULL,
     "environment variable \"A B\" has invalid name: must match regex ^[a-zA-Z_][a-zA-Z0-9_]*$"},
    {"${http://x}", NULL, "scheme \"http\" is not supported"},
    {"${file:/nonexistent/x}", NULL,
     "unable to read the file file:/nonexistent/x: cannot open /nonexistent/x: No such file or "
     "directory"},
    {"${env:A}-${env:D}", "\"0123-text\"", "0123-text"},
    {"${D}${D}x${D}", "\"texttextxtext\"", "texttextxtext"},
    {"a ${D} b ${UNSET} c", "\"a text b  c\"", "a text b  c"},
};

static void test_expansions(void **state)
{
    struct fixture *f = *state;
    for (size_t i = 0; i < COUNT_OF(expansions); i++) {
        struct buf doc;
        buf_init(&doc, 4096);
        buf_text(&doc, "m: {v: ");
        buf_json_string(&doc, str_from(expansions[i].value));
        buf_text(&doc, "}\n");
        const char *path = write_file(f, "a.yaml", buf_view(&doc));
        buf_deinit(&doc);
        bool ok = resolve(f, (const char *const[]){path, NULL});
        if (ok != (expansions[i].json != NULL))
            fail_msg("%s: %s", expansions[i].value, ok ? "no error" : messages(f));
        if (!ok) {
            char expected[512];
            snprintf(expected, sizeof expected, "%s:1:8: m::v: %s", path, expansions[i].text);
            if (strncmp(messages(f), expected, strlen(expected)) != 0)
                fail_msg("%s: got %s, not %s", expansions[i].value, messages(f), expected);
            continue;
        }
        const struct node *n = node_get(node_get(f->root, STR("m")), STR("v"));
        assert_string_equal(json(f, n), expansions[i].json);
        const str *text = n->has_original ? &n->original : n->kind == NODE_STRING ? &n->text : NULL;
        if (text == NULL)
            assert_null(expansions[i].text);
        else
            assert_true(expansions[i].text != NULL && str_eqz(*text, expansions[i].text));
        assert_int_equal(n->place.column,
                         8); /* where it was written, not where the value came from */
        assert_true(str_eqz(n->place.source, path));
    }
}

static void test_unset_is_told_once(void **state)
{
    struct fixture *f = *state;
    const char *path = write_file(
        f, "a.yaml",
        STR("a: ${env:UNSET}\nb: [x, \"-${UNSET}-${UNSET}\"]\nc: ${env:UNSET:-x}\nd: ${E}\n"));
    char expected[700];
    assert_true(resolve(f, (const char *const[]){path, NULL}));
    snprintf(expected, sizeof expected,
             "%s:1:4: a: Configuration references unset environment variable UNSET, taken as "
             "empty; ${env:UNSET:-value} gives it a default\n"
             "%s:2:8: b::1: Configuration references unset environment variable UNSET, taken as "
             "empty; ${env:UNSET:-value} gives it a default\n",
             path, path);
    assert_string_equal(messages(f), expected);
    assert_int_equal(f->messages.warning_count, 2);
}

/* The shell's form of a default is a likely mistake. */
static void test_default_without_scheme(void **state)
{
    struct fixture *f = *state;
    CHECK_REFUSED(f,
                  "yaml:: a: invalid uri: \"HOST_X:-...\"; write ${env:HOST_X:-...} to give a "
                  "variable a default\n",
                  "yaml:a: x${HOST_X:-s3cret}");
    CHECK_REFUSED(f,
                  "yaml:: a: invalid uri: \"HOST:-...\"; write ${env:HOST:-...} to give a variable "
                  "a default\n",
                  "yaml:a: ${HOST:-}");
}

static void test_files_in_values(void **state)
{
    struct fixture *f = *state;
    const char *b = write_file(f, "b.yaml", STR("# of its own\nk: [1, \"${B}\"]\nx::y: ${D}\n"));
    const char *a = write_file(f, "a.yaml", arena_printf(&f->arena, "v: ${file:%s}\n", b));
    CHECK_JSON(f, "{\"v\":{\"k\":[1,true],\"x\":{\"y\":\"text\"}}}", a);
    const struct node *v = node_get(f->root, STR("v"));
    assert_true(str_eqz(v->place.source, a));
    assert_true(str_eqz(v->first->place.source, b));
    assert_int_equal(v->first->place.line, 2);
    assert_true(v->first->first->expanded);
    assert_true(str_starts_with(v->original, STR("# of its own\nk: [1, \"true\"]\n")));
}

/* Errors do not stop at the first value, and keys are not expanded. */
static void test_all_errors(void **state)
{
    struct fixture *f = *state;
    CHECK_REFUSED(
        f,
        "yaml:: a: scheme \"foo\" is not supported for uri \"foo:1\" (schemes: env, file, yaml)\n"
        "yaml:: b::0: invalid uri: \"a:b\"\n",
        "yaml:{a: '${foo:1}', b: ['${a:b}'], '${D}': 1}");
    CHECK_JSON(f, "{\"${D}\":1}", "yaml:'${D}': 1");
}

/* ---- limits ---- */

static void test_rounds(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, MIB);
    /* A chain of 999 references is followed to its end, one of 1000 is not: the reference's bound. */
    for (int last = LIMIT_CONFIG_EXPANSIONS - 1; last <= LIMIT_CONFIG_EXPANSIONS; last++) {
        for (int i = 1; i <= last; i++) {
            char name[32], value[32];
            snprintf(name, sizeof name, "CHAIN_%d", i);
            snprintf(value, sizeof value, i == last ? "end" : "${CHAIN_%d}", i + 1);
            setenv(name, value, 1);
        }
        if (last < LIMIT_CONFIG_EXPANSIONS)
            CHECK_JSON(f, "{\"a\":\"end\"}", "yaml:a: ${CHAIN_1}");
        else
            CHECK_REFUSED(f, "yaml:: a: too many recursive expansions\n", "yaml:a: ${CHAIN_1}");
    }
    buf_deinit(&b);
}

static void test_growth(void **state)
{
    struct fixture *f = *state;
    setenv("DOUBLE", "${DOUBLE}${DOUBLE}x", 1);
    setenv("PAIR", "[\"${PAIR}\", \"${PAIR}\"]", 1);
    setenv("COMMENT", "[1] # ${COMMENT} ${COMMENT}", 1);
    CHECK_REFUSED(f, "yaml:: a: references expand to more than 16777216 bytes\n",
                  "yaml:a: x${DOUBLE}");
    CHECK_REFUSED(f, "yaml:: a: references expand to more than 16777216 bytes\n",
                  "yaml:a: ${PAIR}");
    /* Each level deeper once, its raw text without a reference: the way to the bound on depth. */
    for (int i = 0; i < LIMIT_CONFIG_DEPTH; i++) {
        char name[32], value[64];
        snprintf(name, sizeof name, "LEVEL_%d", i);
        snprintf(value, sizeof value, "[\"${LEVEL_%d}\"]", i + 1);
        setenv(name, value, 1);
    }
    assert_false(resolve(f, (const char *const[]){"yaml:a: ${LEVEL_0}", NULL}));
    assert_non_null(strstr(messages(f), "references nest deeper than 64 levels"));
    assert_false(resolve(f, (const char *const[]){"yaml:a: ${COMMENT}", NULL}));
}

static void test_node_budget(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, MIB);
    buf_text(&b, "[");
    for (int i = 0; i < 1000; i++)
        buf_text(&b, "1,");
    buf_text(&b, "1]");
    setenv("WIDE", buf_cstr(&b), 1);
    buf_clear(&b);
    for (int i = 0; i < 250; i++)
        buf_printf(&b, "k%d: ${WIDE}\n", i);
    const char *a = write_file(f, "a.yaml", buf_view(&b));
    assert_false(resolve(f, (const char *const[]){a, NULL}));
    assert_non_null(
        strstr(messages(f), ":200:7: k199: references bring in more than 200000 values\n"));
    buf_deinit(&b);
}

static void test_file_size(void **state)
{
    struct fixture *f = *state;
    struct buf b;
    buf_init(&b, 8 * MIB);
    buf_text(&b, "a: 1\n#");
    memset(buf_reserve(&b, LIMIT_CONFIG_FILE_BYTES), 'x', LIMIT_CONFIG_FILE_BYTES);
    buf_commit(&b, LIMIT_CONFIG_FILE_BYTES - b.len);
    CHECK_JSON(f, "{\"a\":1}", write_file(f, "a.yaml", buf_view(&b)));
    buf_byte(&b, 'x');
    assert_false(resolve(f, (const char *const[]){write_file(f, "a.yaml", buf_view(&b)), NULL}));
    assert_non_null(strstr(messages(f), "is larger than the 4194304 bytes allowed"));
    buf_deinit(&b);
}

/* ---- merge ---- */

static void test_merge(void **state)
{
    struct fixture *f = *state;
    CHECK_JSON(f, "{\"a\":{\"x\":1,\"y\":{\"z\":5},\"w\":2},\"l\":[3],\"s\":{\"m\":1}}",
               "yaml:{a: {x: 1, y: {z: 2}}, l: [1, 2], s: text}",
               "yaml:{a: {y: {z: 5}, w: 2}, l: [3], s: {m: 1}}");
    CHECK_JSON(f, "{\"a\":null,\"b\":1}", "yaml:{a: {x: 1}, b: {y: 1}}", "yaml:{a: , b: 1}");
    CHECK_JSON(f, "{\"a\":{\"y\":1}}", "yaml:{a: }", "yaml:{a: {y: 1}}");
    CHECK_JSON(f, "{\"a\":{\"x\":1}}", "yaml:{a: {x: 1}}", "yaml:{a: {}}");
    CHECK_JSON(f, "{\"a\":1}", "yaml:a: 1", "yaml:", "yaml:# nothing");
    CHECK_JSON(f, "{}", "yaml:");
}

static void test_path_keys(void **state)
{
    struct fixture *f = *state;
    CHECK_JSON(f, "{\"a\":{\"b\":{\"c\":1,\"d\":2},\"e\":3}}",
               "yaml:{a::b::c: 1, a: {b::d: 2}, a::e: 3}");
    CHECK_JSON(f, "{\"a\":{\"b\":2}}", "yaml:{a::b: 1, a: {b: 2}}"); /* the later wins */
    CHECK_JSON(f, "{\"a\":{\"\":{\"b\":1}},\"c:d\":1}", "yaml:{a::::b: 1, 'c:d': 1}");
    CHECK_JSON(f, "{\"a\":[{\"b::c\":1}]}", "yaml:{a: [{b::c: 1}]}"); /* not in lists */
    struct buf b;
    buf_init(&b, MIB);
    buf_text(&b, "yaml:a");
    for (int i = 0; i < LIMIT_CONFIG_DEPTH + 1; i++)
        buf_text(&b, "::a");
    buf_text(&b, ": 1");
    CHECK_REFUSED(f, "yaml:: nested deeper than 64 levels\n", buf_cstr(&b));
    buf_deinit(&b);
}

static void test_sets(void **state)
{
    struct fixture *f = *state;
    CHECK_JSON(f, "{\"a\":{\"b\":2,\"c\":[1,{\"x\":\"y\"}],\"d\":null,\"e\":\"x=y\"}}", "=a.b=2",
               "yaml:a: {b: 1}", "= a.c = [1, {x: y}]", "=a.d=", "=a.e=x=y");
    CHECK_JSON(f, "{\"a\":83}", "=a=${A}");
    CHECK_REFUSED(f, "--set: missing equal sign\n", "=a.b");
    CHECK_REFUSED(f,
                  "--set a.token:1:17: mapping values are not allowed in this context (the "
                  "contents are not valid YAML)\n",
                  "=a.token=s3cret: s3cret");
    assert_true(resolve(f, (const char *const[]){"=a.b=2", NULL}));
    const struct node *b = node_get(node_get(f->root, STR("a")), STR("b"));
    assert_true(str_eqz(b->place.source, "--set a.b"));
    assert_int_equal(b->place.line, 0);
}

static void test_places(void **state)
{
    struct fixture *f = *state;
    const char *a = write_file(f, "a.yaml", STR("m:\n  x: 1\n  y: 1\n")),
               *b = write_file(f, "b.yaml", STR("\nm:\n  y: 2\n"));
    CHECK_JSON(f, "{\"m\":{\"x\":1,\"y\":2}}", a, arena_printf(&f->arena, "file:%s", b).data);
    const struct node *m = node_get(f->root, STR("m")), *x = node_get(m, STR("x")),
                      *y = node_get(m, STR("y"));
    assert_true(str_eqz(x->place.source, a));
    assert_int_equal(x->place.line, 2);
    assert_true(str_eqz(y->place.source, b));
    assert_int_equal(y->place.line, 3);
    assert_int_equal(y->place.column, 6);
}

/* ---- locations ---- */

static void test_bad_locations(void **state)
{
    struct fixture *f = *state;
    CHECK_REFUSED(f, "at least one config flag must be provided\n", NULL);
    CHECK_REFUSED(f, "unsupported scheme on URI \"foo:bar\" (schemes: env, file, yaml)\n",
                  "foo:bar");
    CHECK_REFUSED(f, "invalid uri: \"1a:b\"\n", "1a:b");
    CHECK_REFUSED(f,
                  "unable to read the file file:/nonexistent/x: cannot open /nonexistent/x: No "
                  "such file or directory\n",
                  "/nonexistent/x");
    CHECK_REFUSED(f, "unable to read the file file:: a path is missing\n", "file:");
    CHECK_REFUSED(
        f, "unable to read the file file:C:x: cannot open C:x: No such file or directory\n", "C:x");
    CHECK_REFUSED(f,
                  "environment variable \"a b\" has invalid name: must match regex "
                  "^[a-zA-Z_][a-zA-Z0-9_]*$\n",
                  "env:a b");
    assert_false(resolve(f, (const char *const[]){"https://x/y", NULL}));
    assert_non_null(strstr(messages(f), "baton reads no configuration over the network"));
    /* All that cannot be read is told at once. */
    assert_false(resolve(f, (const char *const[]){"/nonexistent/x", "yaml:[", "=x", NULL}));
    assert_int_equal(f->messages.error_count, 3);
}

static void test_bad_contents(void **state)
{
    struct fixture *f = *state;
    CHECK_REFUSED(f,
                  "yaml:: retrieved value (type=string) cannot be used as a Conf: a map is needed "
                  "(receivers:, exporters:, service: ...)\n",
                  "yaml:text");
    const char *a = write_file(f, "a.yaml", STR("- 1\n"));
    char expected[300];
    snprintf(expected, sizeof expected,
             "%s:1:1: retrieved value (type=list) cannot be used as a Conf: a map is needed "
             "(receivers:, exporters:, service: ...)\n",
             a);
    CHECK_REFUSED(f, expected, a);
    a = write_file(f, "a.yaml", STR("a: 1\nb: [\n"));
    snprintf(expected, sizeof expected, "%s:3:1: did not find the expected node content", a);
    assert_false(resolve(f, (const char *const[]){a, NULL}));
    snprintf(expected, sizeof expected, "%s:3:1: ", a);
    assert_true(strncmp(messages(f), expected, strlen(expected)) == 0);
    assert_non_null(strstr(messages(f), "(the contents are not valid YAML)"));
    a = write_file(f, "a.yaml", STR("a: 1\n---\nb: 2\n"));
    snprintf(expected, sizeof expected,
             "%s:1:1: only the first YAML document is read, more text follows it\n", a);
    CHECK_JSON(f, "{\"a\":1}", a);
    assert_string_equal(messages(f), expected);
}

static void test_env_location(void **state)
{
    struct fixture *f = *state;
    setenv("CFG", "a:\n  b: ${B}", 1);
    CHECK_JSON(f, "{\"a\":{\"b\":true}}", "env:CFG");
    assert_true(str_eqz(node_get(f->root, STR("a"))->place.source, "env:CFG"));
    CHECK_JSON(f, "{}", "env:UNSET");
    assert_string_equal(messages(f),
                        "env:UNSET: this environment variable is not set, taken as empty\n");
    CHECK_JSON(f, "{\"x\":1}", "env:UNSET:-x: 1");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_expansions, setup, teardown),
        cmocka_unit_test_setup_teardown(test_unset_is_told_once, setup, teardown),
        cmocka_unit_test_setup_teardown(test_default_without_scheme, setup, teardown),
        cmocka_unit_test_setup_teardown(test_files_in_values, setup, teardown),
        cmocka_unit_test_setup_teardown(test_all_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_rounds, setup, teardown),
        cmocka_unit_test_setup_teardown(test_growth, setup, teardown),
        cmocka_unit_test_setup_teardown(test_node_budget, setup, teardown),
        cmocka_unit_test_setup_teardown(test_file_size, setup, teardown),
        cmocka_unit_test_setup_teardown(test_merge, setup, teardown),
        cmocka_unit_test_setup_teardown(test_path_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sets, setup, teardown),
        cmocka_unit_test_setup_teardown(test_places, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_locations, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_contents, setup, teardown),
        cmocka_unit_test_setup_teardown(test_env_location, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
