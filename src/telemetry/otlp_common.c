/*
 * What all signals share: values, attributes, resources, scopes, and the noting of sizes
 * (otlp_put.h).
 *
 * An attribute with a plain value needs no note: its size follows from the lengths at hand. Maps
 * and slices note the size of their list, so that a value nested N deep is walked twice, not N
 * times. Values nested deeper than LIMIT_VALUE_DEPTH are written as empty values; this bounds the
 * stack.
 *
 * Specification: opentelemetry-proto common/v1 and resource/v1.
 */
#include "base/limits.h"
#include "telemetry/otlp_put.h"

static const char replacement[3] = {'\xef', '\xbf', '\xbd'}; /* U+FFFD */

void otlp_put_deinit(struct otlp_put *p)
{
    mem_free(p->sizes);
    *p = (struct otlp_put){0};
}

void otlp_put_reset(struct otlp_put *p)
{
    p->size = p->size_count = p->size_next = 0;
    p->mend = false;
}

size_t otlp_size_note(struct otlp_put *p)
{
    if (p->size_count == p->size_cap) {
        p->size_cap = p->size_cap == 0 ? 64 : p->size_cap * 2;
        p->sizes = mem_realloc(p->sizes, p->size_cap * sizeof *p->sizes);
    }
    return p->size_count++;
}

size_t otlp_size_take(struct otlp_put *p)
{
    CHECK(p->size_next < p->size_count);
    return p->sizes[p->size_next++];
}

size_t otlp_text_size_mended(struct otlp_put *p, str s)
{
    if (str_is_utf8(s))
        return s.len;
    p->mend = true;
    size_t size = 0;
    while (s.len > 0) {
        size_t len = str_utf8_len(s);
        size += len == 0 ? sizeof replacement : len;
        s = str_skip(s, len == 0 ? 1 : len);
    }
    return size;
}

void otlp_text_write_mended(struct otlp_put *p, str s)
{
    while (s.len > 0) {
        size_t len = str_utf8_len(s);
        if (len == 0)
            write_bytes(p, replacement, sizeof replacement);
        else
            write_bytes(p, s.data, len);
        s = str_skip(s, len == 0 ? 1 : len);
    }
}

bool otlp_is_zero(const uint8_t *id, size_t len)
{
    uint8_t seen = 0;
    for (size_t i = 0; i < len; i++)
        seen |= id[i];
    return seen == 0;
}

static size_t count_list(struct otlp_put *p, const struct value *v, unsigned depth);
static void write_list(struct otlp_put *p, const struct value *v, unsigned depth);

/* Size of an AnyValue's fields. *inner: size of the text or the list in it. */
OTLP_INLINE size_t value_size(struct otlp_put *p, const bool write, const struct value *v,
                              unsigned depth, size_t *inner)
{
    switch (v->kind) {
    case VALUE_EMPTY:
        return 0;
    case VALUE_STR:
        *inner = text_size(p, write, v->text);
        return 1 + varint_size(*inner) + *inner;
    case VALUE_BYTES:
        *inner = v->text.len;
        return 1 + varint_size(*inner) + *inner;
    case VALUE_BOOL:
        return 2;
    case VALUE_INT:
        return 1 + varint_size((uint64_t)v->integer);
    case VALUE_DOUBLE:
        return 1 + sizeof v->real;
    case VALUE_MAP:
    case VALUE_SLICE:
        if (depth >= LIMIT_VALUE_DEPTH)
            return 0;
        *inner = write ? otlp_size_take(p) : count_list(p, v, depth + 1);
        return 1 + varint_size(*inner) + *inner;
    }
    check_failed(__FILE__, __LINE__, "known kind of value");
    return 0;
}

/* The fields of an AnyValue. */
static inline void write_value(struct otlp_put *p, const struct value *v, unsigned depth,
                               size_t inner)
{
    switch (v->kind) {
    case VALUE_EMPTY:
        break;
    case VALUE_STR:
        write_tag(p, 1, PB_BYTES);
        write_varint(p, inner);
        write_text(p, v->text);
        break;
    case VALUE_BOOL:
        put_u64_always(p, true, 2, v->boolean);
        break;
    case VALUE_INT:
        put_u64_always(p, true, 3, (uint64_t)v->integer);
        break;
    case VALUE_DOUBLE:
        put_double_always(p, true, 4, v->real);
        break;
    case VALUE_MAP:
    case VALUE_SLICE:
        if (depth >= LIMIT_VALUE_DEPTH)
            break;
        write_tag(p, v->kind == VALUE_SLICE ? 5 : 6, PB_BYTES);
        write_varint(p, inner);
        write_list(p, v, depth + 1);
        break;
    case VALUE_BYTES:
        write_tag(p, 7, PB_BYTES);
        write_varint(p, inner);
        write_bytes(p, v->text.data, v->text.len);
        break;
    }
}

OTLP_INLINE void put_value(struct otlp_put *p, const bool write, uint32_t field,
                           const struct value *v, unsigned depth)
{
    size_t inner = 0;
    size_t size = value_size(p, write, v, depth, &inner);
    if (!write) {
        p->size += tag_size(field) + varint_size(size) + size;
        return;
    }
    write_tag(p, field, PB_BYTES);
    write_varint(p, size);
    write_value(p, v, depth, inner);
}

enum { SHORT_TEXTS_BYTES = 121 }; /* key and text of an attribute that takes less than 128 bytes */

/* Most attributes are a short key with a short text: each length in it takes one byte. False: it is not such a one. */
OTLP_INLINE bool put_short_attribute(struct otlp_put *p, const bool write, uint32_t field,
                                     const struct attribute *a)
{
    str key = a->key, text = a->value.text;
    if (a->value.kind != VALUE_STR || key.len == 0 || key.len > SHORT_TEXTS_BYTES ||
        text.len > SHORT_TEXTS_BYTES - key.len)
        return false;
    if (write ? p->mend : !text_is_ascii(key) || !text_is_ascii(text))
        return false;
    if (!write) {
        p->size += tag_size(field) + key.len + text.len + 7;
        return true;
    }
    write_tag(p, field, PB_BYTES);
    *p->pos++ = (uint8_t)(key.len + text.len + 6);
    write_tag(p, 1, PB_BYTES);
    *p->pos++ = (uint8_t)key.len;
    write_few_bytes(p, key.data, key.len);
    write_tag(p, 2, PB_BYTES);
    *p->pos++ = (uint8_t)(text.len + 2);
    write_tag(p, 1, PB_BYTES); /* AnyValue.string_value */
    *p->pos++ = (uint8_t)text.len;
    write_few_bytes(p, text.data, text.len);
    return true;
}

/* A KeyValue. Its value is written even when empty: some readers take "no value" for a missing
 * attribute. */
OTLP_INLINE void put_attribute(struct otlp_put *p, const bool write, uint32_t field,
                               const struct attribute *a, unsigned depth)
{
    if (put_short_attribute(p, write, field, a))
        return;
    size_t inner = 0;
    size_t key = text_size(p, write, a->key);
    size_t value = value_size(p, write, &a->value, depth, &inner);
    size_t size = (key == 0 ? 0 : 1 + varint_size(key) + key) + 1 + varint_size(value) + value;
    if (!write) {
        p->size += tag_size(field) + varint_size(size) + size;
        return;
    }
    write_tag(p, field, PB_BYTES);
    write_varint(p, size);
    if (key > 0) {
        write_tag(p, 1, PB_BYTES);
        write_varint(p, key);
        write_text(p, a->key);
    }
    write_tag(p, 2, PB_BYTES);
    write_varint(p, value);
    write_value(p, &a->value, depth, inner);
}

/* ArrayValue and KeyValueList have the same shape: 1 values. */
OTLP_INLINE void put_list(struct otlp_put *p, const bool write, const struct value *v,
                          unsigned depth)
{
    if (v->kind == VALUE_MAP) {
        for (size_t i = 0; i < v->map.count; i++)
            put_attribute(p, write, 1, &v->map.items[i], depth);
    } else {
        for (size_t i = 0; i < v->slice.count; i++)
            put_value(p, write, 1, &v->slice.items[i], depth);
    }
}

static size_t count_list(struct otlp_put *p, const struct value *v, unsigned depth)
{
    size_t mark = otlp_size_note(p);
    size_t outer = p->size;
    p->size = 0;
    put_list(p, false, v, depth);
    size_t inner = p->size;
    p->sizes[mark] = inner;
    p->size = outer;
    return inner;
}

static void write_list(struct otlp_put *p, const struct value *v, unsigned depth)
{
    put_list(p, true, v, depth);
}

void otlp_put_attributes(struct otlp_put *p, bool write, uint32_t field, struct attributes list)
{
    if (write) {
        for (size_t i = 0; i < list.count; i++)
            put_attribute(p, true, field, &list.items[i], 0);
    } else {
        for (size_t i = 0; i < list.count; i++)
            put_attribute(p, false, field, &list.items[i], 0);
    }
}

void otlp_put_value(struct otlp_put *p, bool write, uint32_t field, const struct value *v)
{
    if (write)
        put_value(p, true, field, v, 0);
    else
        put_value(p, false, field, v, 0);
}

/* resource/v1 Resource.entity_refs = 3: common/v1 EntityRef */
OTLP_INLINE void put_entity_ref(struct otlp_put *p, const bool write, const struct entity_ref *e)
{
    size_t mark = put_open(p, write, 3);
    put_text(p, write, 1, e->schema_url);
    put_text(p, write, 2, e->type);
    for (size_t i = 0; i < e->id_key_count; i++)
        put_text_always(p, write, 3, e->id_keys[i]);
    for (size_t i = 0; i < e->description_key_count; i++)
        put_text_always(p, write, 4, e->description_keys[i]);
    put_close(p, write, 3, mark);
}

OTLP_INLINE void put_resource(struct otlp_put *p, const bool write, const struct resource *r)
{
    if (r->attributes.count == 0 && r->dropped_attribute_count == 0 && r->entity_ref_count == 0)
        return;
    size_t mark = put_open(p, write, 1);
    otlp_put_attributes(p, write, 1, r->attributes);
    put_u64(p, write, 2, r->dropped_attribute_count);
    for (size_t i = 0; i < r->entity_ref_count; i++)
        put_entity_ref(p, write, &r->entity_refs[i]);
    put_close(p, write, 1, mark);
}

void otlp_put_resource(struct otlp_put *p, bool write, const struct resource *r)
{
    if (write)
        put_resource(p, true, r);
    else
        put_resource(p, false, r);
}

OTLP_INLINE void put_scope(struct otlp_put *p, const bool write, const struct scope *s)
{
    if (s->name.len == 0 && s->version.len == 0 && s->attributes.count == 0 &&
        s->dropped_attribute_count == 0)
        return;
    size_t mark = put_open(p, write, 1);
    put_text(p, write, 1, s->name);
    put_text(p, write, 2, s->version);
    otlp_put_attributes(p, write, 3, s->attributes);
    put_u64(p, write, 4, s->dropped_attribute_count);
    put_close(p, write, 1, mark);
}

void otlp_put_scope(struct otlp_put *p, bool write, const struct scope *s)
{
    if (write)
        put_scope(p, true, s);
    else
        put_scope(p, false, s);
}
