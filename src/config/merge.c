/*
 * Several trees into one: maps are merged key by key, everything else is replaced, a null replaces
 * a map.
 *
 * The later value wins and brings its place along, so that messages show where the value in force
 * was written. "::" in a key is a path: `a::b: 1` is `a: {b: 1}`, and both may stand side by side
 * in one file (the later wins, as between files). Specification: the OpenTelemetry Collector's
 * confmap on koanf.
 */
#include "base/limits.h"
#include "config/resolve.h"

static void append(struct node *parent, struct node *child)
{
    child->next = NULL;
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

/* `old` becomes `new` but stays where it is in its map. */
static void replace(struct node *old, const struct node *new)
{
    struct node *next = old->next;
    *old = *new;
    old->next = next;
}

static void merge_member(struct node *into, struct node *member)
{
    struct node *old = node_get(into, member->key);
    if (old == NULL)
        append(into, member);
    else if (old->kind == NODE_MAP && member->kind == NODE_MAP)
        merge_into(old, member);
    else
        replace(old, member);
}

void merge_into(struct node *into, struct node *from)
{
    for (struct node *member = from->first, *next; member != NULL; member = next) {
        next = member->next;
        merge_member(into, member);
    }
}

static bool find_delimiter(str key, size_t *at)
{
    return str_find(key, STR("::"), at);
}

static bool has_path_key(const struct node *map)
{
    size_t at;
    for (const struct node *n = map->first; n != NULL; n = n->next)
        if (find_delimiter(n->key, &at))
            return true;
    return false;
}

/* a::b::c with its value as a: {b: {c: value}}. NULL if there are too many parts. */
static struct node *nest(struct resolver *r, struct node *value)
{
    str rest = value->key;
    size_t at, parts = 0;
    struct node *outer = NULL, *parent = NULL;
    while (find_delimiter(rest, &at)) {
        if (++parts > LIMIT_CONFIG_DEPTH)
            return NULL;
        struct node *map = ARENA_NEW(r->arena, struct node);
        map->kind = NODE_MAP;
        map->place = map->key_place = value->key_place;
        map->key = str_make(rest.data, at);
        rest = str_skip(rest, at + 2);
        if (parent == NULL)
            outer = map;
        else
            append(parent, map);
        parent = map;
    }
    value->key = rest;
    if (parent == NULL)
        return value;
    value->key_span = (struct byte_span){0};
    append(parent, value);
    return outer;
}

static bool split_keys(struct resolver *r, struct node *map, uint32_t depth, struct err *err)
{
    if (depth > LIMIT_CONFIG_DEPTH)
        return err_set(err, "nested deeper than %d levels", LIMIT_CONFIG_DEPTH);
    if (has_path_key(map)) {
        struct node *member = map->first;
        map->first = map->last = NULL;
        map->count = 0;
        for (struct node *next; member != NULL; member = next) {
            next = member->next;
            struct node *nested = nest(r, member);
            if (nested == NULL)
                return err_set(err, "nested deeper than %d levels", LIMIT_CONFIG_DEPTH);
            merge_member(map, nested);
        }
    }
    for (struct node *n = map->first; n != NULL; n = n->next)
        if (n->kind == NODE_MAP && !split_keys(r, n, depth + 1, err))
            return false;
    return true;
}

bool merge_split_keys(struct resolver *r, struct node *map, struct err *err)
{
    return split_keys(r, map, 1, err);
}

size_t node_tree_count(const struct node *n)
{
    size_t count = 1;
    for (const struct node *child = n->first; child != NULL; child = child->next)
        count += node_tree_count(child);
    return count;
}

uint32_t node_tree_depth(const struct node *n)
{
    uint32_t deepest = 0;
    for (const struct node *child = n->first; child != NULL; child = child->next) {
        uint32_t depth = node_tree_depth(child);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}
