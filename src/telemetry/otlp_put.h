/*
 * Private to otlp*.c: how a protobuf message is written from a batch.
 *
 * A message is described once, as a function over `struct otlp_put` that runs twice: with write = false it adds up sizes, with
 * write = true it writes into memory of exactly that size. `write` is a constant where the functions below are called, so the
 * compiler makes two straight programs out of one description, and they cannot disagree about a field. The size of a nested
 * message is noted on the first run, in the order in which messages begin, and taken on the second.
 */
#ifndef TELEMETRY_OTLP_PUT_H
#define TELEMETRY_OTLP_PUT_H

#include <endian.h>

#include "telemetry/batch.h"
#include "wire/pb.h"

#define OTLP_INLINE static inline __attribute__((always_inline))

struct otlp_put {
    uint8_t *pos;  /* write: where the next byte goes */
    size_t size;   /* count: bytes of the current message so far */
    bool mend;     /* set by counting: a text is not UTF-8, so the lengths of texts are not their sizes */
    size_t *sizes; /* of nested messages; heap */
    size_t size_count, size_cap, size_next;
};

void otlp_put_deinit(struct otlp_put *p);
/* Forgets all sizes: a new count begins. */
void otlp_put_reset(struct otlp_put *p);
/* Room for a size of which the value comes later; gives its index. */
size_t otlp_size_note(struct otlp_put *p);
/* The next size on the second run. */
size_t otlp_size_take(struct otlp_put *p);
/* Size of a text with bytes over 0x7f when U+FFFD stands for each byte that is not UTF-8; sets mend if there is one. */
size_t otlp_text_size_mended(struct otlp_put *p, str s);
void otlp_text_write_mended(struct otlp_put *p, str s);
bool otlp_is_zero(const uint8_t *id, size_t len);

OTLP_INLINE size_t varint_size(uint64_t n)
{
    unsigned bits = 63 - (unsigned)__builtin_clzll(n | 1);
    return (bits * 9 + 73) / 64;
}

OTLP_INLINE void write_varint(struct otlp_put *p, uint64_t n)
{
    while (n >= 0x80) {
        *p->pos++ = (uint8_t)(n | 0x80);
        n >>= 7;
    }
    *p->pos++ = (uint8_t)n;
}

OTLP_INLINE void write_bytes(struct otlp_put *p, const void *data, size_t len)
{
    if (len > 0)
        memcpy(p->pos, data, len);
    p->pos += len;
}

/* The same for few bytes, without a call: pieces of fixed size, of which the last two overlap. */
OTLP_INLINE void write_few_bytes(struct otlp_put *p, const char *data, size_t len)
{
    uint8_t *to = p->pos;
    p->pos += len;
    if (len >= 16) {
        for (size_t i = 0; i + 16 < len; i += 16)
            memcpy(to + i, data + i, 16);
        memcpy(to + len - 16, data + len - 16, 16);
    } else if (len >= 8) {
        memcpy(to, data, 8);
        memcpy(to + len - 8, data + len - 8, 8);
    } else if (len >= 4) {
        memcpy(to, data, 4);
        memcpy(to + len - 4, data + len - 4, 4);
    } else {
        for (size_t i = 0; i < len; i++)
            to[i] = (uint8_t)data[i];
    }
}

OTLP_INLINE void write_fixed64(struct otlp_put *p, uint64_t n)
{
    n = htole64(n);
    memcpy(p->pos, &n, sizeof n);
    p->pos += sizeof n;
}

OTLP_INLINE size_t tag_size(uint32_t field)
{
    return field < 16 ? 1 : 2;
}

OTLP_INLINE void write_tag(struct otlp_put *p, uint32_t field, enum pb_wire wire)
{
    write_varint(p, field << 3 | wire);
}

OTLP_INLINE uint64_t double_bits(double n)
{
    uint64_t bits;
    memcpy(&bits, &n, sizeof bits);
    return bits;
}

OTLP_INLINE void put_u64_always(struct otlp_put *p, const bool write, uint32_t field, uint64_t n)
{
    if (!write) {
        p->size += tag_size(field) + varint_size(n);
        return;
    }
    write_tag(p, field, PB_VARINT);
    write_varint(p, n);
}

OTLP_INLINE void put_u64(struct otlp_put *p, const bool write, uint32_t field, uint64_t n)
{
    if (n != 0)
        put_u64_always(p, write, field, n);
}

/* int32 and enums: negative numbers take ten bytes, as 64 bit ones. */
OTLP_INLINE void put_i32(struct otlp_put *p, const bool write, uint32_t field, int32_t n)
{
    put_u64(p, write, field, (uint64_t)(int64_t)n);
}

/* sint32: zigzag. */
OTLP_INLINE void put_sint32(struct otlp_put *p, const bool write, uint32_t field, int32_t n)
{
    put_u64(p, write, field, ((uint32_t)n << 1) ^ (n < 0 ? UINT32_MAX : 0));
}

OTLP_INLINE void put_fixed64_always(struct otlp_put *p, const bool write, uint32_t field,
                                    uint64_t n)
{
    if (!write) {
        p->size += tag_size(field) + sizeof n;
        return;
    }
    write_tag(p, field, PB_FIXED64);
    write_fixed64(p, n);
}

OTLP_INLINE void put_fixed64(struct otlp_put *p, const bool write, uint32_t field, uint64_t n)
{
    if (n != 0)
        put_fixed64_always(p, write, field, n);
}

OTLP_INLINE void put_time(struct otlp_put *p, const bool write, uint32_t field, int64_t ns)
{
    put_fixed64(p, write, field, (uint64_t)ns);
}

OTLP_INLINE void put_fixed32(struct otlp_put *p, const bool write, uint32_t field, uint32_t n)
{
    if (n == 0)
        return;
    if (!write) {
        p->size += tag_size(field) + sizeof n;
        return;
    }
    write_tag(p, field, PB_FIXED32);
    n = htole32(n);
    write_bytes(p, &n, sizeof n);
}

OTLP_INLINE void put_double_always(struct otlp_put *p, const bool write, uint32_t field, double n)
{
    put_fixed64_always(p, write, field, double_bits(n));
}

/* Without presence: left out if +0, but -0 is written. */
OTLP_INLINE void put_double(struct otlp_put *p, const bool write, uint32_t field, double n)
{
    put_fixed64(p, write, field, double_bits(n));
}

OTLP_INLINE void put_optional(struct otlp_put *p, const bool write, uint32_t field, bool has,
                              double n)
{
    if (has)
        put_double_always(p, write, field, n);
}

OTLP_INLINE bool text_is_ascii(str s)
{
    uint64_t word, seen = 0;
    size_t i = 0;
    for (; s.len - i >= sizeof word; i += sizeof word) {
        memcpy(&word, s.data + i, sizeof word);
        seen |= word;
    }
    if (i < s.len && s.len >= sizeof word) { /* the rest, with some that were seen */
        memcpy(&word, s.data + s.len - sizeof word, sizeof word);
        seen |= word;
        i = s.len;
    }
    for (; i < s.len; i++)
        seen |= (uint8_t)s.data[i];
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

OTLP_INLINE size_t text_size(struct otlp_put *p, const bool write, str s)
{
    if (write ? !p->mend : text_is_ascii(s))
        return s.len;
    return otlp_text_size_mended(p, s);
}

OTLP_INLINE void write_text(struct otlp_put *p, str s)
{
    if (__builtin_expect(p->mend, 0))
        otlp_text_write_mended(p, s);
    else
        write_bytes(p, s.data, s.len);
}

OTLP_INLINE void put_text_always(struct otlp_put *p, const bool write, uint32_t field, str s)
{
    size_t size = text_size(p, write, s);
    if (!write) {
        p->size += tag_size(field) + varint_size(size) + size;
        return;
    }
    write_tag(p, field, PB_BYTES);
    write_varint(p, size);
    write_text(p, s);
}

OTLP_INLINE void put_text(struct otlp_put *p, const bool write, uint32_t field, str s)
{
    if (s.len > 0)
        put_text_always(p, write, field, s);
}

/* Trace and span ids: left out if all zero. */
OTLP_INLINE void put_id(struct otlp_put *p, const bool write, uint32_t field, const uint8_t *id,
                        size_t len)
{
    if (otlp_is_zero(id, len))
        return;
    if (!write) {
        p->size += tag_size(field) + 1 + len;
        return;
    }
    write_tag(p, field, PB_BYTES);
    write_varint(p, len);
    write_bytes(p, id, len);
}

/* Doubles and fixed64 numbers, packed. */
OTLP_INLINE void put_packed64(struct otlp_put *p, const bool write, uint32_t field,
                              const void *items, size_t count)
{
    if (count == 0)
        return;
    size_t size = count * sizeof(uint64_t);
    if (!write) {
        p->size += tag_size(field) + varint_size(size) + size;
        return;
    }
    write_tag(p, field, PB_BYTES);
    write_varint(p, size);
    const char *item = items;
    for (size_t i = 0; i < count; i++, item += sizeof(uint64_t)) {
        uint64_t bits;
        memcpy(&bits, item, sizeof bits);
        write_fixed64(p, bits);
    }
}

/* Nested message: size_t m = put_open(...); fields; put_close(...). While counting, the size of the outer message waits where the
 * size of the inner one will be noted. */
OTLP_INLINE size_t put_open(struct otlp_put *p, const bool write, uint32_t field)
{
    if (write) {
        write_tag(p, field, PB_BYTES);
        write_varint(p, otlp_size_take(p));
        return 0;
    }
    size_t mark = otlp_size_note(p);
    p->sizes[mark] = p->size;
    p->size = 0;
    return mark;
}

OTLP_INLINE void put_close(struct otlp_put *p, const bool write, uint32_t field, size_t mark)
{
    if (write)
        return;
    size_t inner = p->size;
    p->size = p->sizes[mark] + tag_size(field) + varint_size(inner) + inner;
    p->sizes[mark] = inner;
}

/* Messages, each counted (write false) or written. */
void otlp_put_attributes(struct otlp_put *p, bool write, uint32_t field, struct attributes list);
/* An AnyValue in `field`. */
void otlp_put_value(struct otlp_put *p, bool write, uint32_t field, const struct value *v);
/* Field 1 of Resource{Metrics,Logs,Spans} and of Scope{Metrics,Logs,Spans}; nothing if all of it is unset. */
void otlp_put_resource(struct otlp_put *p, bool write, const struct resource *r);
void otlp_put_scope(struct otlp_put *p, bool write, const struct scope *s);
/* What stands in a Metric before its data, in the data behind the points, and in a Metric behind the data. */
void otlp_put_metric_head(struct otlp_put *p, bool write, const struct metric_desc *d);
void otlp_put_data_tail(struct otlp_put *p, bool write, const struct metric_desc *d);
void otlp_put_metric_tail(struct otlp_put *p, bool write, const struct metric_desc *d);
/* The field of Metric that holds data of this type; 0 for METRIC_EMPTY. */
uint32_t otlp_data_field(enum metric_type type);
/* Items with their tags. */
void otlp_put_point(struct otlp_put *p, bool write, enum metric_type type, const struct point *pt);
void otlp_put_log(struct otlp_put *p, bool write, const struct log_record *r);
void otlp_put_span(struct otlp_put *p, bool write, const struct span *s);

#endif
