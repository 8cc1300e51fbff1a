/*
 * YAML: any bytes. A tree has the counts it says, no key twice, no more levels and nodes than allowed; printed as YAML and as JSON
 * it reads back as the same tree.
 */
#include <stdlib.h>

#include "base/limits.h"
#include "wire/yaml.h"

static size_t check_tree(const struct node *n, uint32_t depth)
{
    size_t total = 1, count = 0;
    CHECK(depth <= LIMIT_CONFIG_DEPTH);
    for (const struct node *child = n->first; child != NULL; child = child->next) {
        CHECK(n->kind == NODE_MAP || n->kind == NODE_LIST);
        CHECK(n->kind == NODE_LIST || node_get(n, child->key) == child);
        CHECK(child->next != NULL || n->last == child);
        CHECK(child->place.line > 0 && child->place.column > 0);
        total += check_tree(child, depth + 1);
        count++;
    }
    CHECK(count == n->count);
    return total;
}

/* Text that is no UTF-8 (possible only by !!binary) is printed as U+FFFD; JSON has no infinity, and its strings may hold characters
 * that break lines in YAML. */
static bool is_text_printable(str s, bool json)
{
    for (size_t i = 0; json && i < s.len; i++)
        if ((unsigned char)s.data[i] >= 0x7f)
            return false;
    return str_is_utf8(s);
}

static bool is_printable(const struct node *n, bool json)
{
    if (!is_text_printable(n->key, json) ||
        (n->kind == NODE_STRING && !is_text_printable(n->text, json)))
        return false;
    if (json && n->kind == NODE_DOUBLE && (n->real - n->real != 0))
        return false;
    for (const struct node *child = n->first; child != NULL; child = child->next)
        if (!is_printable(child, json))
            return false;
    return true;
}

static void check_same(const struct node *a, const struct node *b)
{
    CHECK(a->kind == b->kind && a->count == b->count);
    CHECK(a->kind != NODE_STRING || str_eq(a->text, b->text));
    CHECK(a->kind != NODE_INT || a->integer == b->integer);
    CHECK(a->kind != NODE_BOOL || a->boolean == b->boolean);
    CHECK(a->kind != NODE_DOUBLE || a->real == b->real ||
          (a->real != a->real && b->real != b->real));
    const struct node *y = b->first;
    for (const struct node *x = a->first; x != NULL; x = x->next, y = y->next) {
        CHECK(str_eq(x->key, y->key));
        check_same(x, y);
    }
}

static void check_print(struct arena *a, const struct node *root, bool json)
{
    struct buf b;
    struct node *again;
    struct err err;
    if (!is_printable(root, json))
        return;
    buf_init(&b, 64 * MIB);
    if (json)
        node_print_json(&b, root);
    else
        yaml_print(&b, root);
    CHECK(!b.overflow && str_is_utf8(buf_view(&b)));
    CHECK(yaml_parse(a, STR("again"), buf_view(&b), &again, &err));
    check_same(root, again);
    buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct node *root;
    struct err err;
    arena_init(&a, 4096);
    err.text[0] = '\0';
    if (yaml_parse(&a, STR("f"), str_make((const char *)data, size), &root, &err)) {
        CHECK(check_tree(root, 1) <= LIMIT_CONFIG_NODES);
        check_print(&a, root, false);
        check_print(&a, root, true);
    } else {
        CHECK(strncmp(err.text, "f:", 2) == 0);
    }
    arena_deinit(&a);
    return 0;
}
