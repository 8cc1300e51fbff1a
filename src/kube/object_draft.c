/*
 * Drafts: values and maps of objects while they are read, and the block that becomes of them.
 *
 * A map is an array of pairs in the order of arrival. The API server writes maps sorted, so that
 * sorting is mostly nothing but having looked; what is not sorted, or doubled, is put in order at
 * the end, where of equal keys the last one stays.
 *
 * A block is built in a buffer of the pool, because its size is known only at the end; then it is
 * copied into a block of the slabs. Offsets stay true, pointers do not. The buffer cannot overflow:
 * the input has at most LIMIT_WATCH_EVENT_BYTES, a byte of it makes less than a handful of bytes,
 * and lists of small things are cut at LIMIT_OBJECT_ENTRIES.
 *
 * Specification: the zero values and null rules of Go's decoders for Kubernetes objects.
 */
#include "kube/object_draft.h"

#include <stdlib.h>

#include "base/limits.h"
#include "base/slab.h"
#include "wire/quantity.h"
#include "wire/text.h"

enum { PAIRS_MIN = 8, BLOCK_ALIGN = 8 };
static const int64_t ns_per_s = 1000000000;

void *draft_entry(struct draft *d, uint32_t *count, size_t size_bytes)
{
    if (*count == LIMIT_OBJECT_ENTRIES)
        return NULL;
    (*count)++;
    return arena_zalloc(d->scratch, size_bytes);
}

/* -- values -- */

void draft_json_text(struct draft *d, struct json *j, str *out)
{
    (void)json_get_string(j, d->scratch, out);
}

void draft_json_i32(struct json *j, int32_t *out)
{
    int64_t n;
    if (json_get_i64(j, &n) && n >= INT32_MIN && n <= INT32_MAX)
        *out = (int32_t)n;
}

void draft_json_bool(struct json *j, bool *out)
{
    (void)json_get_bool(j, out);
}

int64_t draft_pb_time(struct pb *p)
{
    struct pb time = pb_message(p);
    bool is_set = time.pos < time.end; /* the zero time is an empty message */
    int64_t seconds = 0;
    while (pb_next(&time)) {
        if (time.field == 1) /* meta/v1 Time.seconds */
            seconds = pb_i64(&time);
        else if (time.field == 2) /* nanos, which JSON does not have either */
            pb_i32(&time);
        else
            pb_skip(&time);
    }
    pb_join(p, &time);
    bool in_range = seconds > INT64_MIN / ns_per_s && seconds < INT64_MAX / ns_per_s;
    return is_set && in_range ? seconds : time_unset;
}

void draft_json_time(struct draft *d, struct json *j, int64_t *out)
{
    str text = STR_NONE;
    int64_t ns;
    *out = time_unset;
    if (!json_get_string(j, d->scratch, &text) || !rfc3339_parse(text, &ns))
        return;
    int64_t seconds = ns / ns_per_s - (ns % ns_per_s < 0);
    if (seconds > INT64_MIN / ns_per_s && seconds < INT64_MAX / ns_per_s)
        *out = seconds;
}

bool draft_json_object(struct json *j)
{
    if (json_object(j))
        return true;
    json_skip(j);
    return false;
}

bool draft_json_array(struct json *j)
{
    if (json_array(j))
        return true;
    json_skip(j);
    return false;
}

bool draft_json_quantity(struct draft *d, struct json *j, str *out)
{
    switch (json_peek(j)) {
    case JSON_STRING:
        if (!json_get_string(j, d->scratch, out))
            return false;
        *out = str_trim(*out);
        return true;
    case JSON_NUMBER:
        *out = json_raw(j);
        return true;
    case JSON_NULL:
        json_skip(j);
        *out = STR("0");
        return true;
    default:
        json_skip(j);
        return false;
    }
}

/* -- maps -- */

void draft_map_add(struct draft *d, struct draft_map *m, str key, str value)
{
    if (m->count == LIMIT_OBJECT_ENTRIES)
        return;
    if (m->count == m->cap) {
        uint32_t cap = m->cap == 0 ? PAIRS_MIN : 2 * m->cap;
        struct draft_pair *grown = arena_alloc(d->scratch, cap * sizeof *grown);
        if (m->count > 0)
            memcpy(grown, m->pairs, m->count * sizeof *grown);
        m->pairs = grown;
        m->cap = cap;
    }
    if (m->count > 0 && str_compare(m->pairs[m->count - 1].key, key) >= 0)
        m->unsorted = true;
    m->pairs[m->count] = (struct draft_pair){key, value, m->count};
    m->count++;
}

static str pb_quantity(struct pb *p)
{
    struct pb quantity = pb_message(p);
    str text = STR("0"); /* an empty message is the zero quantity */
    while (pb_next(&quantity)) {
        if (quantity.field == 1) /* api/resource Quantity.string */
            text = pb_bytes(&quantity);
        else
            pb_skip(&quantity);
    }
    pb_join(p, &quantity);
    return text;
}

struct draft_pair draft_pb_pair(struct pb *p, bool quantity)
{
    struct pb entry = pb_message(p);
    struct draft_pair pair = {.value = quantity ? STR("0") : STR_NONE};
    while (pb_next(&entry)) {
        if (entry.field == 1) /* key */
            pair.key = pb_bytes(&entry);
        else if (entry.field == 2) /* value */
            pair.value = quantity ? pb_quantity(&entry) : pb_bytes(&entry);
        else
            pb_skip(&entry);
    }
    pb_join(p, &entry);
    return pair;
}

void draft_map_pb(struct draft *d, struct draft_map *m, struct pb *p, bool quantities)
{
    struct draft_pair pair = draft_pb_pair(p, quantities);
    draft_map_add(d, m, pair.key, pair.value);
}

void draft_map_json(struct draft *d, struct draft_map *m, struct json *j, bool quantities)
{
    if (json_peek(j) == JSON_NULL)
        m->count = 0;
    if (!draft_json_object(j))
        return;
    str key;
    while (json_key(j, &key)) {
        bool escaped = key.data == j->key_text; /* overwritten by the next one */
        if (escaped)
            key = arena_str(d->scratch, key);
        str value = STR_NONE;
        bool is_null = json_peek(j) == JSON_NULL;
        bool is_value = quantities ? draft_json_quantity(d, j, &value)
                                   : json_get_string(j, d->scratch, &value) || is_null;
        if (is_value)
            draft_map_add(d, m, key, value);
    }
}

static int compare_pairs(const void *a, const void *b)
{
    const struct draft_pair *x = a, *y = b;
    int order = str_compare(x->key, y->key);
    return order != 0 ? order : x->order < y->order ? -1 : 1;
}

void draft_map_sort(struct draft_map *m)
{
    if (!m->unsorted)
        return;
    qsort(m->pairs, m->count, sizeof *m->pairs, compare_pairs);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        if (i + 1 < m->count && str_eq(m->pairs[i].key, m->pairs[i + 1].key))
            continue;
        m->pairs[kept++] = m->pairs[i];
    }
    m->count = kept;
    m->unsorted = false;
}

/* -- blocks -- */

uint32_t block_begin(struct draft *d, size_t size_bytes)
{
    buf_clear(&d->pool->block);
    return block_reserve(d, size_bytes, BLOCK_ALIGN);
}

uint32_t block_reserve(struct draft *d, size_t size_bytes, size_t align)
{
    struct buf *block = &d->pool->block;
    size_t padding = (align - block->len % align) % align;
    char *room = buf_reserve(block, padding + size_bytes);
    CHECK(room != NULL);
    memset(room, 0, padding + size_bytes);
    buf_commit(block, padding + size_bytes);
    return (uint32_t)(block->len - size_bytes);
}

uint32_t block_put(struct draft *d, str bytes)
{
    struct buf *block = &d->pool->block;
    buf_str(block, bytes);
    CHECK(!block->overflow);
    return (uint32_t)(block->len - bytes.len);
}

atom block_atom(struct draft *d, str text)
{
    return atoms_get(d->pool->atoms, text);
}

uint32_t block_labels(struct draft *d, struct draft_map *m, uint16_t *count)
{
    draft_map_sort(m);
    *count = (uint16_t)m->count;
    if (m->count == 0)
        return 0;
    uint32_t at = block_reserve(d, m->count * sizeof(struct object_label), BLOCK_ALIGN);
    struct object_label *labels = block_at(d, at);
    for (uint32_t i = 0; i < m->count; i++) {
        labels[i].key = block_atom(d, m->pairs[i].key);
        labels[i].value = block_atom(d, m->pairs[i].value);
    }
    return at;
}

uint32_t block_amounts(struct draft *d, struct draft_map *m, bool (*is_milli)(str resource),
                       uint16_t *count)
{
    draft_map_sort(m);
    *count = 0;
    uint32_t at = 0;
    for (uint32_t i = 0; i < m->count; i++) {
        int64_t value, milli;
        if (!quantity_parse(m->pairs[i].value, &value, &milli))
            continue;
        uint32_t entry = block_reserve(d, sizeof(struct resource_amount), BLOCK_ALIGN);
        if (at == 0)
            at = entry;
        struct resource_amount *amount = block_at(d, entry);
        amount->resource = block_atom(d, m->pairs[i].key);
        amount->value = is_milli(m->pairs[i].key) ? milli : value;
        (*count)++;
    }
    return at;
}

void release_labels(struct object_pool *pool, const struct object *o, uint32_t at, uint16_t count)
{
    const struct object_label *labels = object_at(o, at);
    for (uint16_t i = 0; i < count; i++) {
        atoms_unref(pool->atoms, labels[i].key);
        atoms_unref(pool->atoms, labels[i].value);
    }
}

void release_amounts(struct object_pool *pool, const struct object *o, uint32_t at, uint16_t count)
{
    const struct resource_amount *amounts = object_at(o, at);
    for (uint16_t i = 0; i < count; i++)
        atoms_unref(pool->atoms, amounts[i].resource);
}

/* -- finishing -- */

static uint32_t put_owners(struct draft *d, uint16_t *count)
{
    *count = (uint16_t)d->owner_count;
    if (d->owner_count == 0)
        return 0;
    size_t size_bytes = d->owner_count * sizeof(struct object_owner);
    uint32_t first = block_reserve(d, size_bytes, BLOCK_ALIGN), at = first;
    for (const struct draft_owner *o = d->owners; o != NULL; o = o->next) {
        struct object_owner owner = {.kind = block_atom(d, o->kind),
                                     .name = block_atom(d, o->name),
                                     .controller = o->controller};
        bool canonical;
        uid_parse(o->uid, d->pool->hash_key, owner.uid, &canonical);
        if (!canonical) {
            str text = str_make(o->uid.data, o->uid.len < LIMIT_OBJECT_TEXT_BYTES
                                                 ? o->uid.len
                                                 : LIMIT_OBJECT_TEXT_BYTES);
            owner.uid_at = block_put(d, text);
            owner.uid_len = (uint16_t)text.len;
        }
        memcpy(block_at(d, at), &owner, sizeof owner);
        at += (uint32_t)sizeof owner;
    }
    return first;
}

static uint32_t put_annotations(struct draft *d, uint16_t *count)
{
    struct draft_map *m = &d->annotations;
    draft_map_sort(m);
    *count = (uint16_t)m->count;
    if (m->count == 0)
        return 0;
    size_t size_bytes = m->count * sizeof(struct object_annotation);
    uint32_t first = block_reserve(d, size_bytes, BLOCK_ALIGN), at = first;
    for (uint32_t i = 0; i < m->count; i++) {
        str value = m->pairs[i].value;
        struct object_annotation annotation = {block_atom(d, m->pairs[i].key), block_put(d, value),
                                               (uint32_t)value.len};
        memcpy(block_at(d, at), &annotation, sizeof annotation);
        at += (uint32_t)sizeof annotation;
    }
    return first;
}

static uint32_t put_meta(struct draft *d)
{
    uint32_t at = block_reserve(d, sizeof(struct object_meta), BLOCK_ALIGN);
    struct object_meta meta = {.created_s = d->created_s};
    meta.labels_at = block_labels(d, &d->labels, &meta.label_count);
    meta.owners_at = put_owners(d, &meta.owner_count);
    meta.annotations_at = put_annotations(d, &meta.annotation_count);
    memcpy(block_at(d, at), &meta, sizeof meta);
    return at;
}

/* An object without a uid, which no API server stores, is known by its name. */
static void identify(struct draft *d, struct object *o, bool *canonical)
{
    str uid = d->uid;
    if (uid.len == 0)
        uid = arena_printf(d->scratch, "%.*s/%.*s", STR_ARG(d->namespace), STR_ARG(d->name));
    uid_parse(uid, d->pool->hash_key, o->uid, canonical);
    if (d->uid.len == 0)
        *canonical = false;
}

struct object *block_finish(struct draft *d)
{
    struct object_pool *pool = d->pool;
    struct object o = {.refs = 1,
                       .kind = (uint8_t)d->kind->kind,
                       .fields = (uint8_t)d->fields,
                       .codec = &d->kind->codec};
    if (!str_to_u64(d->resource_version, &o.resource_version))
        o.resource_version = 0;
    bool canonical;
    identify(d, &o, &canonical);
    o.namespace = block_atom(d, d->namespace);
    if (draft_wants(d, OBJECT_METADATA))
        o.meta_at = put_meta(d);
    size_t max = LIMIT_OBJECT_TEXT_BYTES;
    o.name_len = (uint16_t)(d->name.len < max ? d->name.len : max);
    o.name_at = block_put(d, str_make(d->name.data, o.name_len));
    if (!canonical) {
        o.uid_len = (uint16_t)(d->uid.len < max ? d->uid.len : max);
        o.uid_at = block_put(d, str_make(d->uid.data, o.uid_len));
    }
    o.size_bytes = (uint32_t)pool->block.len;
    memcpy(block_at(d, 0), &o, sizeof o);
    struct object *object = slab_alloc(pool->slabs, o.size_bytes);
    memcpy(object, pool->block.data, o.size_bytes);
    pool->object_count++;
    pool->object_bytes += slab_rounded(o.size_bytes);
    return object;
}
