/*
 * Objects in Kubernetes' protobuf, from the same trees and tables as JSON.
 *
 * Life of one: an object that is asked for in protobuf is parsed from its JSON once, written here
 * field by field in the order of the numbers, and the bytes are kept with the object.
 *
 * What Go's generated encoder does and this one, too: every field that is no pointer is written,
 * with zero if it is absent; nested messages, too; times that are not set are empty messages; maps
 * are sorted by key (they are in the tree).
 *
 * Specification: k8s.io/api's generated.proto and generated.pb.go; runtime.Unknown behind "k8s\0";
 * metav1.WatchEvent behind its length in four bytes, big-endian.
 */
#include "kubesim/proto.h"

#include "kubesim/limits.h"
#include "wire/pb.h"
#include "wire/text.h"

static void write_time(struct buf *b, uint32_t number, const struct dom *value)
{
    int64_t unix_ns;
    size_t mark = pb_open(b, number);
    if (value != NULL && value->type == DOM_STRING && rfc3339_parse(value->text, &unix_ns)) {
        int64_t seconds = unix_ns / 1000000000, nanos = unix_ns % 1000000000;
        if (nanos < 0) {
            seconds--;
            nanos += 1000000000;
        }
        pb_put_u64_always(b, 1, (uint64_t)seconds);
        pb_put_u64_always(b, 2, (uint64_t)nanos);
    }
    pb_close(b, mark);
}

static void write_quantity(struct buf *b, uint32_t number, str text)
{
    size_t mark = pb_open(b, number);
    pb_put_bytes_always(b, 1, text);
    pb_close(b, mark);
}

static void write_int_or_string(struct buf *b, uint32_t number, const struct dom *value)
{
    int64_t n = 0;
    bool is_text = value != NULL && value->type == DOM_STRING;
    size_t mark = pb_open(b, number);
    (void)dom_i64(value, &n);
    pb_put_u64_always(b, 1, is_text);
    pb_put_u64_always(b, 2, (uint64_t)n);
    pb_put_bytes_always(b, 3, is_text ? value->text : STR_NONE);
    pb_close(b, mark);
}

static void write_raw(struct buf *b, uint32_t number, const struct dom *value)
{
    struct buf text;
    size_t mark = pb_open(b, number);
    buf_init(&text, LIMIT_SIM_OBJECT_BYTES);
    dom_print(&text, value);
    pb_put_bytes_always(b, 1, buf_view(&text));
    buf_deinit(&text);
    pb_close(b, mark);
}

static void write_map(struct buf *b, uint32_t number, const struct dom *map, bool quantities)
{
    for (const struct dom *m = map->first; m != NULL; m = m->next) {
        size_t mark = pb_open(b, number);
        pb_put_bytes_always(b, 1, m->key);
        if (quantities)
            write_quantity(b, 2, m->text);
        else
            pb_put_bytes_always(b, 2, m->text);
        pb_close(b, mark);
    }
}

static void write_items(struct buf *b, const struct sim_field *f, const struct dom *array)
{
    for (const struct dom *item = array->first; item != NULL; item = item->next) {
        if (f->type == SIM_STRINGS) {
            pb_put_bytes_always(b, f->number, item->text);
        } else {
            size_t mark = pb_open(b, f->number);
            proto_write(b, item, f->fields, 0, UINT32_MAX);
            pb_close(b, mark);
        }
    }
}

/* `value` NULL: absent, and no pointer. */
static void write_field(struct buf *b, const struct sim_field *f, const struct dom *value)
{
    int64_t n = 0;
    size_t mark;
    switch (f->type) {
    case SIM_ANY:
        break;
    case SIM_STRING:
        pb_put_bytes_always(b, f->number, value == NULL ? STR_NONE : value->text);
        break;
    case SIM_BOOL:
        pb_put_u64_always(b, f->number, value != NULL && value->type == DOM_TRUE);
        break;
    case SIM_INT32:
    case SIM_INT64:
        (void)dom_i64(value, &n);
        pb_put_u64_always(b, f->number, (uint64_t)n);
        break;
    case SIM_TIME:
    case SIM_MICRO_TIME:
        write_time(b, f->number, value);
        break;
    case SIM_STRING_MAP:
    case SIM_QUANTITY_MAP:
        if (value != NULL)
            write_map(b, f->number, value, f->type == SIM_QUANTITY_MAP);
        break;
    case SIM_STRINGS:
    case SIM_OBJECTS:
        if (value != NULL)
            write_items(b, f, value);
        break;
    case SIM_OBJECT:
        mark = pb_open(b, f->number);
        if (f->fields != NULL)
            proto_write(b, value, f->fields, 0, UINT32_MAX);
        pb_close(b, mark);
        break;
    case SIM_QUANTITY:
        write_quantity(b, f->number, value == NULL ? STR("0") : value->text);
        break;
    case SIM_INT_OR_STRING:
        write_int_or_string(b, f->number, value);
        break;
    case SIM_RAW:
        if (value != NULL)
            write_raw(b, f->number, value);
        break;
    }
}

static const struct sim_field *next_field(const struct sim_field *fields, uint32_t last)
{
    const struct sim_field *next = NULL;
    for (; fields->name != NULL; fields++) {
        if (fields->number > last && (next == NULL || fields->number < next->number))
            next = fields;
    }
    return next;
}

void proto_write(struct buf *b, const struct dom *object, const struct sim_field *fields,
                 uint32_t after, uint32_t before)
{
    const struct sim_field *f;
    for (uint32_t last = after; (f = next_field(fields, last)) != NULL && f->number < before;
         last = f->number) {
        const struct dom *value = f->presence == SIM_EMPTY ? NULL : dom_getz(object, f->name);
        bool absent = value == NULL || value->type == DOM_NULL;
        if (absent && (f->presence == SIM_POINTER || f->presence == SIM_IGNORED))
            continue;
        write_field(b, f, absent ? NULL : value);
    }
}

/* -- around objects -- */

static size_t varint_size(uint64_t n)
{
    size_t size = 1;
    for (; n >= 0x80; n >>= 7)
        size++;
    return size;
}

size_t proto_bytes_size(size_t len)
{
    return 1 + varint_size(len) + len;
}

void proto_bytes_begin(struct buf *b, uint32_t field, size_t len)
{
    CHECK(field < 16);
    buf_byte(b, (char)(field << 3 | PB_BYTES));
    pb_put_varint_raw(b, len);
}

static size_t type_size(const struct proto_type *type)
{
    size_t group_len = strlen(type->group);
    size_t version_len = group_len + (group_len > 0) + strlen(type->version);
    return proto_bytes_size(version_len) + proto_bytes_size(strlen(type->kind));
}

size_t proto_envelope_size(const struct proto_type *type, size_t object_len)
{
    return 4 + proto_bytes_size(type_size(type)) + proto_bytes_size(object_len) + 4;
}

void proto_envelope_begin(struct buf *b, const struct proto_type *type, size_t object_len)
{
    size_t group_len = strlen(type->group);
    buf_append(b, "k8s", 4);
    proto_bytes_begin(b, 1, type_size(type));
    proto_bytes_begin(b, 1, group_len + (group_len > 0) + strlen(type->version));
    buf_text(b, type->group);
    buf_text(b, group_len > 0 ? "/" : "");
    buf_text(b, type->version);
    proto_bytes_begin(b, 2, strlen(type->kind));
    buf_text(b, type->kind);
    proto_bytes_begin(b, 2, object_len);
}

void proto_envelope_end(struct buf *b)
{
    proto_bytes_begin(b, 3, 0); /* contentEncoding, contentType */
    proto_bytes_begin(b, 4, 0);
}

void proto_frame_begin(struct buf *b, const char *event_type, const struct proto_type *type,
                       size_t object_len)
{
    size_t envelope = proto_envelope_size(type, object_len), raw = proto_bytes_size(envelope);
    size_t frame = proto_bytes_size(strlen(event_type)) + proto_bytes_size(raw);
    for (int shift = 24; shift >= 0; shift -= 8)
        buf_byte(b, (char)(frame >> shift & 0xff));
    proto_bytes_begin(b, 1, strlen(event_type));
    buf_text(b, event_type);
    proto_bytes_begin(b, 2, raw);
    proto_bytes_begin(b, 1, envelope);
    proto_envelope_begin(b, type, object_len);
}
