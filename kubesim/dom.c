/*
 * A JSON document as a tree.
 *
 * Life of one: dom_parse reads a request body with the pull reader of wire/ into the arena of the
 * request; the schema and the patches change the tree in place; dom_print makes the bytes that the
 * store keeps; the tree dies with the arena.
 *
 * Invariants: `count` is the number of nodes from `first` to `last`; a node is in one tree at a
 * time; depth is bounded by the reader (64 levels), so recursion is bounded, too: patches cannot
 * nest deeper than the two documents they combine, except JSON patch "copy", which bounds the
 * result itself.
 *
 * Specification: RFC 8259. Duplicate names: the last one counts, as in Go.
 */
#include "kubesim/dom.h"

#include <stdlib.h>

#include "kubesim/limits.h"
#include "wire/json.h"

static struct dom *parse_value(struct arena *a, struct json *j, const char **problem);

static void link_last(struct dom *parent, struct dom *child)
{
    child->next = NULL;
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

static struct dom *parse_object(struct arena *a, struct json *j, const char **problem)
{
    struct dom *object = dom_new(a, DOM_OBJECT);
    str key;
    if (!json_object(j))
        return object;
    while (json_key(j, &key)) {
        if (object->count >= LIMIT_SIM_MEMBERS) {
            *problem = "an object has too many members";
            return object;
        }
        key = arena_str(a, key); /* the reader reuses its buffer */
        struct dom *value = parse_value(a, j, problem);
        if (*problem != NULL)
            return object;
        value->key = key;
        link_last(object, value);
    }
    return object;
}

static struct dom *parse_array(struct arena *a, struct json *j, const char **problem)
{
    struct dom *array = dom_new(a, DOM_ARRAY);
    if (!json_array(j))
        return array;
    while (json_item(j)) {
        if (array->count >= LIMIT_SIM_ITEMS) {
            *problem = "an array has too many items";
            return array;
        }
        struct dom *value = parse_value(a, j, problem);
        if (*problem != NULL)
            return array;
        link_last(array, value);
    }
    return array;
}

static struct dom *parse_value(struct arena *a, struct json *j, const char **problem)
{
    struct dom *d = dom_new(a, DOM_NULL);
    bool truth = false;
    switch (json_peek(j)) {
    case JSON_OBJECT:
        return parse_object(a, j, problem);
    case JSON_ARRAY:
        return parse_array(a, j, problem);
    case JSON_STRING:
        d->type = DOM_STRING;
        if (!json_get_string(j, a, &d->text) && !json_failed(j))
            *problem = "a string cannot be read";
        break;
    case JSON_NUMBER:
        d->type = DOM_NUMBER;
        d->text = json_raw(j);
        break;
    case JSON_BOOL:
        d->type = json_get_bool(j, &truth) && truth ? DOM_TRUE : DOM_FALSE;
        break;
    case JSON_NULL:
        json_skip(j);
        break;
    case JSON_NONE:
        *problem = "a value was expected";
        break;
    }
    if (json_failed(j))
        *problem = "not valid JSON";
    return d;
}

struct dom *dom_parse(struct arena *a, str text, struct err *err)
{
    struct json j;
    const char *problem = NULL;
    json_init(&j, text);
    struct dom *d = parse_value(a, &j, &problem);
    if (problem != NULL && !json_failed(&j)) {
        err_set(err, "%s", problem);
        return NULL;
    }
    return json_finish(&j, err) ? d : NULL;
}

void dom_print(struct buf *b, const struct dom *d)
{
    const char *separator = "";
    switch (d->type) {
    case DOM_NULL:
        buf_text(b, "null");
        return;
    case DOM_FALSE:
        buf_text(b, "false");
        return;
    case DOM_TRUE:
        buf_text(b, "true");
        return;
    case DOM_NUMBER:
        buf_str(b, d->text);
        return;
    case DOM_STRING:
        buf_json_string(b, d->text);
        return;
    case DOM_ARRAY:
    case DOM_OBJECT:
        break;
    }
    buf_byte(b, d->type == DOM_ARRAY ? '[' : '{');
    for (const struct dom *child = d->first; child != NULL; child = child->next) {
        buf_text(b, separator);
        separator = ",";
        if (d->type == DOM_OBJECT) {
            buf_json_string(b, child->key);
            buf_byte(b, ':');
        }
        dom_print(b, child);
    }
    buf_byte(b, d->type == DOM_ARRAY ? ']' : '}');
}

struct dom *dom_new(struct arena *a, enum dom_type type)
{
    struct dom *d = ARENA_NEW(a, struct dom);
    d->type = type;
    return d;
}

struct dom *dom_string(struct arena *a, str text)
{
    struct dom *d = dom_new(a, DOM_STRING);
    d->text = text;
    return d;
}

struct dom *dom_number(struct arena *a, int64_t n)
{
    struct dom *d = dom_new(a, DOM_NUMBER);
    d->text = arena_printf(a, "%" PRId64, n);
    return d;
}

struct dom *dom_copy(struct arena *a, const struct dom *d)
{
    struct dom *copy = dom_new(a, d->type);
    copy->text = d->text;
    for (const struct dom *child = d->first; child != NULL; child = child->next) {
        struct dom *c = dom_copy(a, child);
        c->key = child->key;
        link_last(copy, c);
    }
    return copy;
}

struct dom *dom_get(const struct dom *object, str key)
{
    struct dom *found = NULL;
    if (object == NULL || object->type != DOM_OBJECT)
        return NULL;
    for (struct dom *m = object->first; m != NULL; m = m->next) {
        if (str_eq(m->key, key))
            found = m;
    }
    return found;
}

struct dom *dom_getz(const struct dom *object, const char *key)
{
    return dom_get(object, str_from(key));
}

str dom_text(const struct dom *object, const char *key)
{
    const struct dom *d = dom_getz(object, key);
    return d != NULL && d->type == DOM_STRING ? d->text : STR_NONE;
}

void dom_set(struct dom *object, str key, struct dom *value)
{
    struct dom *previous = NULL, *place = NULL, *place_previous = NULL;
    CHECK(object->type == DOM_OBJECT);
    for (struct dom *m = object->first; m != NULL; previous = m, m = m->next) {
        if (str_eq(m->key, key)) {
            place = m;
            place_previous = previous;
        }
    }
    value->key = key;
    if (place == NULL) {
        link_last(object, value);
        return;
    }
    value->next = place->next;
    if (place_previous == NULL)
        object->first = value;
    else
        place_previous->next = value;
    if (object->last == place)
        object->last = value;
}

/* Takes out the node that follows `previous` (NULL: the first one). */
static void unlink_after(struct dom *parent, struct dom *previous)
{
    struct dom *node = previous == NULL ? parent->first : previous->next;
    if (previous == NULL)
        parent->first = node->next;
    else
        previous->next = node->next;
    if (parent->last == node)
        parent->last = previous;
    node->next = NULL;
    parent->count--;
}

bool dom_remove(struct dom *object, str key)
{
    bool removed = false;
    struct dom *previous = NULL;
    CHECK(object->type == DOM_OBJECT);
    for (struct dom *m = object->first, *next; m != NULL; m = next) {
        next = m->next;
        if (str_eq(m->key, key)) {
            unlink_after(object, previous);
            removed = true;
        } else {
            previous = m;
        }
    }
    return removed;
}

void dom_append(struct dom *array, struct dom *value)
{
    CHECK(array->type == DOM_ARRAY);
    link_last(array, value);
}

void dom_insert(struct dom *array, size_t index, struct dom *value)
{
    CHECK(array->type == DOM_ARRAY && index <= array->count);
    if (index == array->count) {
        link_last(array, value);
        return;
    }
    struct dom **place = &array->first;
    for (size_t i = 0; i < index; i++)
        place = &(*place)->next;
    value->next = *place;
    *place = value;
    array->count++;
}

struct dom *dom_item(const struct dom *array, size_t index)
{
    struct dom *item = array->first;
    for (size_t i = 0; i < index && item != NULL; i++)
        item = item->next;
    return item;
}

void dom_remove_item(struct dom *array, size_t index)
{
    CHECK(array->type == DOM_ARRAY && index < array->count);
    unlink_after(array, index == 0 ? NULL : dom_item(array, index - 1));
}

struct dom_place {
    struct dom *node;
    size_t index;
};

static int compare_places(const void *x, const void *y)
{
    const struct dom_place *a = x, *b = y;
    int order = str_compare(a->node->key, b->node->key);
    if (order != 0)
        return order;
    return a->index < b->index ? -1 : a->index > b->index;
}

static struct dom_place *sorted_places(struct arena *a, const struct dom *object)
{
    struct dom_place *places = ARENA_ARRAY(a, struct dom_place, object->count + 1);
    size_t i = 0;
    for (struct dom *m = object->first; m != NULL; m = m->next, i++)
        places[i] = (struct dom_place){m, i};
    qsort(places, object->count, sizeof places[0], compare_places);
    return places;
}

str dom_unique(struct arena *a, struct dom *object)
{
    str twice = STR_NONE;
    CHECK(object->type == DOM_OBJECT);
    if (object->count < 2)
        return STR_NONE;
    struct dom_place *places = sorted_places(a, object);
    bool *drop = ARENA_ARRAY(a, bool, object->count);
    for (size_t i = 0; i + 1 < object->count; i++) {
        if (str_eq(places[i].node->key, places[i + 1].node->key)) {
            drop[places[i].index] = true;
            twice = places[i].node->key;
        }
    }
    size_t index = 0;
    struct dom *previous = NULL;
    for (struct dom *m = object->first, *next; m != NULL; m = next, index++) {
        next = m->next;
        if (drop[index])
            unlink_after(object, previous);
        else
            previous = m;
    }
    return twice;
}

void dom_sort(struct arena *a, struct dom *object)
{
    CHECK(object->type == DOM_OBJECT);
    size_t count = object->count;
    struct dom_place *places = sorted_places(a, object);
    object->first = object->last = NULL;
    object->count = 0;
    for (size_t i = 0; i < count; i++)
        link_last(object, places[i].node);
}

bool dom_equal(const struct dom *x, const struct dom *y)
{
    if (x->type != y->type || x->count != y->count)
        return false;
    if (x->type == DOM_STRING || x->type == DOM_NUMBER)
        return str_eq(x->text, y->text);
    if (x->type == DOM_ARRAY) {
        const struct dom *i = x->first, *j = y->first;
        for (; i != NULL; i = i->next, j = j->next) {
            if (!dom_equal(i, j))
                return false;
        }
        return true;
    }
    for (const struct dom *m = x->first; m != NULL; m = m->next) {
        const struct dom *one = dom_get(x, m->key), *other = dom_get(y, m->key);
        if (other == NULL || !dom_equal(one, other))
            return false;
    }
    return true;
}

bool dom_i64(const struct dom *d, int64_t *n)
{
    return d != NULL && d->type == DOM_NUMBER && str_to_i64(d->text, n);
}

const char *dom_type_name(const struct dom *d)
{
    static const char *const names[] = {"null",   "bool",  "bool",  "number",
                                        "string", "array", "object"};
    return names[d->type];
}
