/*
 * The objects of one resource.
 *
 * Life of a change: table_put or table_delete exchanges the object in the tree and appends an event
 * that holds the state before and after it. The window is a ring that grows up to its maximum and
 * then drops its oldest event; what was dropped moves `ring_version` and `oldest_version` up, and
 * whoever asks for something older gets 410.
 *
 * The tree is a treap: keys in order, priorities from SipHash of the key under a random key, so
 * that no order of insertions makes it deep (about 40 levels at 100,000 objects). An earlier state
 * is the present one with the newer events undone.
 *
 * Invariants: a node's key is its object's key; events are in ascending order of resourceVersion;
 * oldest_version >= ring_version.
 */
#include "kubesim/store.h"

#include <stdlib.h>

#include "base/map.h"

struct sim_node {
    struct sim_node *left, *right;
    uint64_t priority;
    struct sim_object *object;
};

enum { RING_START = 64 };

void table_init(struct sim_table *t, const struct sim_kind *kind, const uint64_t hash_key[2],
                size_t window_events, uint64_t resource_version)
{
    *t = (struct sim_table){.kind = kind, .ring_max = window_events};
    t->hash_key[0] = hash_key[0];
    t->hash_key[1] = hash_key[1];
    t->ring_cap = window_events < RING_START ? window_events : RING_START;
    t->ring = mem_zalloc(t->ring_cap * sizeof t->ring[0]);
    t->ring_version = t->oldest_version = resource_version;
    list_init(&t->watches);
}

static void free_nodes(struct sim_node *n)
{
    if (n == NULL)
        return;
    free_nodes(n->left);
    free_nodes(n->right);
    sim_object_unref(n->object);
    mem_free(n);
}

static void drop_oldest(struct sim_table *t)
{
    struct sim_event *e = &t->ring[t->first % t->ring_cap];
    t->ring_version = e->resource_version;
    if (t->oldest_version < t->ring_version)
        t->oldest_version = t->ring_version;
    sim_object_unref(e->object);
    sim_object_unref(e->previous);
    t->first++;
}

void table_forget(struct sim_table *t, uint64_t resource_version)
{
    while (t->first < t->next)
        drop_oldest(t);
    t->ring_version = t->oldest_version = resource_version;
}

void table_widen(struct sim_table *t, size_t window_events)
{
    if (t->ring_max < window_events)
        t->ring_max = window_events;
}

void table_deinit(struct sim_table *t)
{
    CHECK(list_empty(&t->watches));
    table_forget(t, 0);
    free_nodes(t->root);
    mem_free(t->ring);
}

/* -- tree -- */

static struct sim_node *node_find(struct sim_node *n, str key)
{
    while (n != NULL) {
        int order = str_compare(key, n->object->key);
        if (order == 0)
            return n;
        n = order < 0 ? n->left : n->right;
    }
    return NULL;
}

/* Keys below `key` to *left, the others to *right. */
static void node_split(struct sim_node *n, str key, struct sim_node **left, struct sim_node **right)
{
    while (n != NULL) {
        if (str_compare(n->object->key, key) < 0) {
            *left = n;
            left = &n->right;
            n = n->right;
        } else {
            *right = n;
            right = &n->left;
            n = n->left;
        }
    }
    *left = *right = NULL;
}

static void node_insert(struct sim_table *t, struct sim_object *o)
{
    struct sim_node *n = mem_zalloc(sizeof *n);
    n->priority = sip_hash(t->hash_key, o->key);
    n->object = sim_object_ref(o);
    struct sim_node **place = &t->root;
    while (*place != NULL && (*place)->priority >= n->priority)
        place = str_compare(o->key, (*place)->object->key) < 0 ? &(*place)->left : &(*place)->right;
    node_split(*place, o->key, &n->left, &n->right);
    *place = n;
    t->count++;
}

static void node_remove(struct sim_table *t, str key)
{
    struct sim_node **place = &t->root;
    while (*place != NULL) {
        int order = str_compare(key, (*place)->object->key);
        if (order == 0)
            break;
        place = order < 0 ? &(*place)->left : &(*place)->right;
    }
    struct sim_node *n = *place, *left, *right;
    CHECK(n != NULL);
    left = n->left;
    right = n->right;
    while (left != NULL && right != NULL) {
        struct sim_node *higher = left->priority >= right->priority ? left : right;
        *place = higher;
        if (higher == left) {
            place = &left->right;
            left = left->right;
        } else {
            place = &right->left;
            right = right->left;
        }
    }
    *place = left != NULL ? left : right;
    sim_object_unref(n->object);
    mem_free(n);
    t->count--;
}

/* Calls `visit` in key order from `start` on until it says false. */
static bool node_visit(const struct sim_node *n, str start,
                       bool (*visit)(void *arg, struct sim_object *o), void *arg)
{
    if (n == NULL)
        return true;
    if (str_compare(n->object->key, start) < 0)
        return node_visit(n->right, start, visit, arg);
    return node_visit(n->left, start, visit, arg) && visit(arg, n->object) &&
           node_visit(n->right, start, visit, arg);
}

struct sim_object *table_get(const struct sim_table *t, str key)
{
    struct sim_node *n = node_find(t->root, key);
    return n == NULL ? NULL : n->object;
}

/* -- changes -- */

static void ring_grow(struct sim_table *t)
{
    size_t cap = t->ring_cap * 2 < t->ring_max ? t->ring_cap * 2 : t->ring_max;
    struct sim_event *ring = mem_zalloc(cap * sizeof ring[0]);
    for (uint64_t i = t->first; i < t->next; i++)
        ring[i % cap] = t->ring[i % t->ring_cap];
    mem_free(t->ring);
    t->ring = ring;
    t->ring_cap = cap;
}

/* Takes the references in `event`. */
static const struct sim_event *append(struct sim_table *t, struct sim_event event)
{
    if (t->next - t->first == t->ring_cap && t->ring_cap < t->ring_max)
        ring_grow(t);
    if (t->next - t->first == t->ring_cap)
        drop_oldest(t);
    struct sim_event *e = &t->ring[t->next % t->ring_cap];
    *e = event;
    t->next++;
    return e;
}

const struct sim_event *table_put(struct sim_table *t, struct sim_object *o, int64_t time_ns)
{
    struct sim_node *n = node_find(t->root, o->key);
    struct sim_event event = {SIM_ADDED, o->resource_version, time_ns, sim_object_ref(o), NULL};
    if (n == NULL) {
        node_insert(t, o);
    } else {
        event.change = SIM_MODIFIED;
        event.previous = n->object;
        n->object = sim_object_ref(o);
    }
    return append(t, event);
}

const struct sim_event *table_delete(struct sim_table *t, struct sim_object *o,
                                     uint64_t resource_version, int64_t time_ns)
{
    struct sim_event event = {SIM_DELETED, resource_version, time_ns, sim_object_ref(o),
                              sim_object_ref(o)};
    node_remove(t, event.object->key);
    return append(t, event);
}

/* -- reading many -- */

static void list_add(struct object_list *l, struct sim_object *o)
{
    if (l->count == l->cap) {
        l->cap = l->cap == 0 ? 16 : l->cap * 2;
        l->items = mem_realloc(l->items, l->cap * sizeof(l->items[0]));
    }
    l->items[l->count++] = sim_object_ref(o);
}

void object_list_deinit(struct object_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        sim_object_unref(l->items[i]);
    mem_free(l->items);
    *l = (struct object_list){0};
}

static bool labels_match(const struct label_selector *selector, const struct sim_object *o)
{
    struct label_room room;
    size_t count;
    const struct sim_label *labels = sim_object_labels(o, &room, &count);
    return label_selector_match(selector, labels, count);
}

bool query_match(const struct table_query *q, const struct sim_object *o)
{
    return (q->namespace.len == 0 || str_eq(q->namespace, o->namespace)) &&
           (q->fields == NULL || field_selector_match(q->fields, o->name, o->namespace)) &&
           (q->labels == NULL || q->labels->count == 0 || labels_match(q->labels, o));
}

/* An object that has changed after the wanted version, as it was then. */
struct past {
    struct sim_object *object; /* NULL: was not there */
};
struct visitor {
    const struct table_query *query;
    struct object_list *out;
    size_t remaining;
    struct map *past;   /* key -> struct past, or NULL: the present is wanted */
    struct past **gone; /* those that are not there any more, in key order */
    size_t gone_count, gone_pos;
};

static void take(struct visitor *v, struct sim_object *o)
{
    if (o == NULL || !query_match(v->query, o))
        return;
    if (v->query->limit == 0 || v->out->count < v->query->limit)
        list_add(v->out, o);
    else
        v->remaining++;
}

/* What was there before `key`; NULL: all the rest. */
static void take_gone(struct visitor *v, const str *key)
{
    for (; v->gone_pos < v->gone_count; v->gone_pos++) {
        struct sim_object *o = v->gone[v->gone_pos]->object;
        if (key != NULL && str_compare(o->key, *key) > 0)
            return;
        if (str_compare(o->key, v->query->start) >= 0)
            take(v, o);
    }
}

static bool visit(void *arg, struct sim_object *o)
{
    struct visitor *v = arg;
    str namespace = v->query->namespace;
    /* Keys of one namespace are together: "a/..." comes before "a0". */
    if (namespace.len > 0 && str_compare(o->namespace, namespace) > 0 &&
        !str_starts_with(o->key, namespace))
        return false;
    take_gone(v, &o->key);
    if (v->past != NULL && o->resource_version > v->query->resource_version) {
        struct past *past = map_get(v->past, o->key);
        CHECK(past != NULL);
        o = past->object;
    }
    take(v, o);
    return true;
}

static int compare_past(const void *x, const void *y)
{
    struct past *const *a = x, *const *b = y;
    return str_compare((*a)->object->key, (*b)->object->key);
}

/* Everything that has changed after the version, as it was then. */
static void collect_past(const struct sim_table *t, uint64_t resource_version, struct map *past)
{
    CHECK(resource_version >= t->ring_version);
    for (uint64_t i = t->next; i > t->first; i--) {
        const struct sim_event *e = table_event(t, i - 1);
        if (e->resource_version <= resource_version)
            break;
        struct past *p = map_get(past, e->object->key);
        if (p == NULL) {
            p = mem_zalloc(sizeof *p);
            map_put(past, e->object->key, p);
        }
        p->object = e->previous;
    }
}

static void list_at_version(const struct sim_table *t, struct visitor *v, str start)
{
    struct map past;
    size_t pos = 0;
    void *value;
    str key;
    map_init(&past, t->hash_key);
    collect_past(t, v->query->resource_version, &past);
    v->past = &past;
    v->gone = mem_zalloc((map_count(&past) + 1) * sizeof(struct past *));
    while (map_next(&past, &pos, &key, &value)) {
        struct past *p = value;
        if (p->object != NULL && node_find(t->root, key) == NULL)
            v->gone[v->gone_count++] = p;
    }
    qsort(v->gone, v->gone_count, sizeof(struct past *), compare_past);
    node_visit(t->root, start, visit, v);
    take_gone(v, NULL);
    pos = 0;
    while (map_next(&past, &pos, &key, &value))
        mem_free(value);
    map_deinit(&past);
    mem_free(v->gone);
}

void table_list(const struct sim_table *t, const struct table_query *q, struct object_list *out,
                size_t *remaining)
{
    struct visitor v = {.query = q, .out = out};
    const struct sim_event *last = t->next > t->first ? table_event(t, t->next - 1) : NULL;
    bool present =
        q->resource_version == 0 || last == NULL || last->resource_version <= q->resource_version;
    str start = str_compare(q->start, q->namespace) > 0 ? q->start : q->namespace;
    *out = (struct object_list){0};
    if (present)
        node_visit(t->root, start, visit, &v);
    else
        list_at_version(t, &v, start);
    *remaining = v.remaining;
}

void table_rollback(struct sim_table *t, uint64_t resource_version)
{
    struct object_list list;
    size_t remaining;
    struct table_query all = {.resource_version = resource_version};
    table_list(t, &all, &list, &remaining);
    free_nodes(t->root);
    t->root = NULL;
    t->count = 0;
    for (size_t i = 0; i < list.count; i++)
        node_insert(t, list.items[i]);
    object_list_deinit(&list);
    table_forget(t, resource_version);
}
