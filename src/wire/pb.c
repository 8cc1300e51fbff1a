/*
 * Protobuf without generated code. Specification: protobuf.dev/programming-guides/encoding.
 *
 * Life of a reader: pb_init over the bytes of a message; pb_next moves to a field and leaves the
 * cursor in front of its value, which exactly one call must take or skip; nested messages are
 * cursors of their own over the same bytes.
 *
 * Invariants: start <= pos <= end. After an error pos stays where it was found, and pb_next gives
 * false and values 0 or nothing. As strict as Go's decoder, which the API server and the collector
 * use: no groups, field numbers 1 to 2^29-1, varints of at most 64 bits in at most ten bytes, wire
 * type as the caller expects.
 *
 * Life of a nested message in the writer: pb_open writes the tag and one byte for the length;
 * pb_close knows the length and moves the body up when it needs more bytes. So the output is what
 * protoc's own writers give, byte for byte.
 */
#include "wire/pb.h"

enum { VARINT_BYTES_MAX = 10 };
static const uint64_t field_max = (UINT64_C(1) << 29) - 1;

void pb_init(struct pb *p, str bytes)
{
    const char *start = bytes.data == NULL ? "" : bytes.data;
    *p = (struct pb){.start = (const uint8_t *)start,
                     .pos = (const uint8_t *)start,
                     .end = (const uint8_t *)start + bytes.len};
}

static void fail(struct pb *p, const char *reason)
{
    if (p->error == NULL)
        p->error = reason;
}

static uint64_t read_long_varint(struct pb *p)
{
    uint64_t n = 0;
    const uint8_t *at = p->pos;
    for (unsigned i = 0; i < VARINT_BYTES_MAX; i++, at++) {
        if (at == p->end) {
            fail(p, "the bytes end within a varint");
            return 0;
        }
        if (i == VARINT_BYTES_MAX - 1 && *at > 1)
            break;
        n |= (uint64_t)(*at & 0x7f) << (7 * i);
        if (*at < 0x80) {
            p->pos = at + 1;
            return n;
        }
    }
    fail(p, "a varint of more than 64 bits");
    return 0;
}

static inline uint64_t read_varint(struct pb *p)
{
    if (p->pos < p->end && *p->pos < 0x80)
        return *p->pos++;
    return read_long_varint(p);
}

bool pb_next(struct pb *p)
{
    if (p->error != NULL || p->pos == p->end)
        return false;
    const uint8_t *start = p->pos;
    uint64_t tag = read_varint(p);
    uint64_t field = tag >> 3, wire = tag & 7;
    if (p->error != NULL)
        return false;
    if (field == 0 || field > field_max)
        fail(p, "a field number out of range");
    else if (wire == 3 || wire == 4)
        fail(p, "a group, which no message here has");
    else if (wire > 5)
        fail(p, "an unknown wire type");
    if (p->error != NULL) {
        p->pos = start;
        return false;
    }
    p->field = (uint32_t)field;
    p->wire = (enum pb_wire)wire;
    return true;
}

/* Whether a value of wire type `wire` can be read now. */
static inline bool expect(struct pb *p, enum pb_wire wire)
{
    if (p->error == NULL && p->wire != wire)
        fail(p, "a field with another wire type than its schema has");
    return p->error == NULL;
}

uint64_t pb_u64(struct pb *p)
{
    return expect(p, PB_VARINT) ? read_varint(p) : 0;
}

int64_t pb_i64(struct pb *p)
{
    return (int64_t)pb_u64(p);
}

int32_t pb_i32(struct pb *p)
{
    return (int32_t)(uint32_t)pb_u64(p);
}

bool pb_bool(struct pb *p)
{
    return pb_u64(p) != 0;
}

int64_t pb_zigzag(struct pb *p)
{
    uint64_t n = pb_u64(p);
    return (int64_t)(n >> 1 ^ (0 - (n & 1)));
}

/* The next `len` bytes, or NULL with the error set. */
static const uint8_t *take(struct pb *p, uint64_t len)
{
    if (len > (uint64_t)(p->end - p->pos)) {
        fail(p, "a length that goes past the end");
        return NULL;
    }
    const uint8_t *bytes = p->pos;
    p->pos += len;
    return bytes;
}

static uint64_t read_fixed64(struct pb *p)
{
    uint64_t n = 0;
    const uint8_t *bytes = take(p, sizeof n);
    if (bytes != NULL)
        memcpy(&n, bytes, sizeof n); /* little-endian, as checked in map.c */
    return n;
}

uint64_t pb_fixed64(struct pb *p)
{
    return expect(p, PB_FIXED64) ? read_fixed64(p) : 0;
}

uint32_t pb_fixed32(struct pb *p)
{
    uint32_t n = 0;
    const uint8_t *bytes = expect(p, PB_FIXED32) ? take(p, sizeof n) : NULL;
    if (bytes != NULL)
        memcpy(&n, bytes, sizeof n);
    return n;
}

double pb_double(struct pb *p)
{
    uint64_t bits = pb_fixed64(p);
    double n;
    memcpy(&n, &bits, sizeof n);
    return n;
}

str pb_bytes(struct pb *p)
{
    if (!expect(p, PB_BYTES))
        return STR_NONE;
    const uint8_t *start = p->pos;
    uint64_t len = read_varint(p);
    const uint8_t *bytes = p->error == NULL ? take(p, len) : NULL;
    if (bytes == NULL) {
        p->pos = start;
        return STR_NONE;
    }
    return str_make((const char *)bytes, (size_t)len);
}

struct pb pb_message(struct pb *p)
{
    struct pb child;
    str bytes = pb_bytes(p);
    /* Also an empty one lies within the parent, so that pb_join can tell where an error was. */
    pb_init(&child, bytes.data == NULL ? str_make((const char *)p->pos, 0) : bytes);
    return child;
}

void pb_join(struct pb *parent, const struct pb *child)
{
    if (parent->error != NULL || child->error == NULL)
        return;
    parent->error = child->error;
    if (child->pos >= parent->start && child->pos <= parent->end)
        parent->pos = child->pos;
}

void pb_skip(struct pb *p)
{
    if (p->error != NULL)
        return;
    switch (p->wire) {
    case PB_VARINT:
        read_varint(p);
        break;
    case PB_FIXED64:
        take(p, 8);
        break;
    case PB_BYTES:
        pb_bytes(p);
        break;
    case PB_FIXED32:
        take(p, 4);
        break;
    }
}

bool pb_packed_u64(struct pb *p, uint64_t *n)
{
    if (p->error != NULL || p->pos == p->end)
        return false;
    uint64_t value = read_varint(p);
    if (p->error != NULL)
        return false;
    *n = value;
    return true;
}

bool pb_packed_fixed64(struct pb *p, uint64_t *n)
{
    if (p->error != NULL || p->pos == p->end)
        return false;
    uint64_t value = read_fixed64(p);
    if (p->error != NULL)
        return false;
    *n = value;
    return true;
}

bool pb_finish(const struct pb *p, const char *what, struct err *err)
{
    if (p->error == NULL)
        return true;
    return err_set(err, "%s: %s at byte %zu", what, p->error, (size_t)(p->pos - p->start));
}

/* -- writer -- */

static size_t varint_encode(uint8_t out[VARINT_BYTES_MAX], uint64_t n)
{
    size_t len = 0;
    while (n >= 0x80) {
        out[len++] = (uint8_t)(n | 0x80);
        n >>= 7;
    }
    out[len++] = (uint8_t)n;
    return len;
}

void pb_put_varint_raw(struct buf *b, uint64_t n)
{
    uint8_t bytes[VARINT_BYTES_MAX];
    buf_append(b, bytes, varint_encode(bytes, n));
}

/* A tag and, in the same write, the varint behind it. */
static void put_tag_varint(struct buf *b, uint32_t field, enum pb_wire wire, uint64_t n)
{
    uint8_t bytes[2 * VARINT_BYTES_MAX];
    CHECK(field > 0 && field <= field_max);
    size_t len = varint_encode(bytes, (uint64_t)field << 3 | (uint64_t)wire);
    len += varint_encode(bytes + len, n);
    buf_append(b, bytes, len);
}

static void put_tag_fixed(struct buf *b, uint32_t field, enum pb_wire wire, const void *value,
                          size_t value_len)
{
    uint8_t bytes[VARINT_BYTES_MAX + sizeof(uint64_t)];
    CHECK(field > 0 && field <= field_max && value_len <= sizeof(uint64_t));
    size_t len = varint_encode(bytes, (uint64_t)field << 3 | (uint64_t)wire);
    memcpy(bytes + len, value, value_len);
    buf_append(b, bytes, len + value_len);
}

void pb_put_u64_always(struct buf *b, uint32_t field, uint64_t n)
{
    put_tag_varint(b, field, PB_VARINT, n);
}

void pb_put_u64(struct buf *b, uint32_t field, uint64_t n)
{
    if (n != 0)
        pb_put_u64_always(b, field, n);
}

void pb_put_zigzag(struct buf *b, uint32_t field, int64_t n)
{
    pb_put_u64(b, field, (uint64_t)n << 1 ^ (n < 0 ? UINT64_MAX : 0));
}

void pb_put_fixed64_always(struct buf *b, uint32_t field, uint64_t n)
{
    put_tag_fixed(b, field, PB_FIXED64, &n, sizeof n);
}

void pb_put_fixed64(struct buf *b, uint32_t field, uint64_t n)
{
    if (n != 0)
        pb_put_fixed64_always(b, field, n);
}

void pb_put_fixed32(struct buf *b, uint32_t field, uint32_t n)
{
    if (n != 0)
        put_tag_fixed(b, field, PB_FIXED32, &n, sizeof n);
}

void pb_put_double_always(struct buf *b, uint32_t field, double n)
{
    put_tag_fixed(b, field, PB_FIXED64, &n, sizeof n);
}

void pb_put_bytes_always(struct buf *b, uint32_t field, str s)
{
    put_tag_varint(b, field, PB_BYTES, s.len);
    buf_str(b, s);
}

void pb_put_bytes(struct buf *b, uint32_t field, str s)
{
    if (s.len > 0)
        pb_put_bytes_always(b, field, s);
}

size_t pb_open(struct buf *b, uint32_t field)
{
    put_tag_varint(b, field, PB_BYTES, 0);
    return b->len;
}

void pb_close(struct buf *b, size_t mark)
{
    if (b->overflow)
        return; /* what is there is of no use any more */
    CHECK(mark > 0 && mark <= b->len);
    uint8_t length[VARINT_BYTES_MAX];
    size_t body_len = b->len - mark;
    size_t length_len = varint_encode(length, body_len);
    if (length_len > 1) {
        if (buf_reserve(b, length_len - 1) == NULL)
            return;
        memmove(b->data + mark + length_len - 1, b->data + mark, body_len);
        buf_commit(b, length_len - 1);
    }
    memcpy(b->data + mark - 1, length, length_len);
}
