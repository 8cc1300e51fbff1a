/*
 * ${...}: lines of the input are the variables A, B, C, the rest is a value. Expansion ends, within its bounds, and gives the same
 * when it is done again; a value without a dollar sign stays as it is.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "config/config.h"

static str set_variable(struct arena *a, char name, str *rest)
{
    str line;
    str_cut(*rest, '\n', &line, rest);
    for (size_t i = 0; i < line.len; i++)
        if (line.data[i] == '\0')
            line.len = i;
    str setting = arena_printf(a, "%c=%.*s", name, STR_ARG(line));
    CHECK(putenv((char *)setting.data) == 0);
    return line;
}

static bool expand(struct arena *a, str value, struct node **n)
{
    struct buf doc;
    struct config_messages m;
    struct node *root;
    buf_init(&doc, 64 * MIB);
    buf_text(&doc, "yaml:{k: [");
    buf_json_string(&doc, value);
    buf_text(&doc, "]}");
    struct config_source source = {.location = arena_str(a, buf_view(&doc))};
    buf_deinit(&doc);
    config_messages_init(&m, a);
    bool ok = config_resolve(a, &source, 1, &m, &root);
    CHECK(ok == (m.error_count == 0));
    *n = ok ? node_get(root, STR("k"))->first : NULL;
    return ok;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct node *first, *second;
    str rest = {(const char *)data, size};
    arena_init(&a, 4096);
    for (char name = 'A'; name <= 'C'; name++)
        set_variable(&a, name, &rest);
    /* JSON strings may hold what YAML does not take, such as U+007F: then there is nothing to expand. */
    for (size_t i = 0; i < rest.len; i++)
        if ((unsigned char)rest.data[i] < ' ' || (unsigned char)rest.data[i] >= 0x7f)
            rest.len = i;
    bool ok = expand(&a, rest, &first);
    CHECK(ok == expand(&a, rest, &second));
    if (ok) {
        struct buf one, two;
        buf_init(&one, 256 * MIB);
        buf_init(&two, 256 * MIB);
        yaml_print(&one, first);
        yaml_print(&two, second);
        CHECK(str_eq(buf_view(&one), buf_view(&two)));
        buf_deinit(&one);
        buf_deinit(&two);
        if (rest.len == 0 || memchr(rest.data, '$', rest.len) == NULL)
            CHECK(first->kind == NODE_STRING && str_eq(first->text, rest));
    }
    for (char name = 'A'; name <= 'C'; name++)
        unsetenv((char[]){name, '\0'});
    arena_deinit(&a);
    return 0;
}
