/*
 * Protobuf without generated code: a cursor over bytes and a writer. Reader errors are sticky; nothing is copied.
 *
 *   struct pb p;  pb_init(&p, bytes);
 *   while (pb_next(&p)) {
 *       switch (p.field) {
 *       case 1: name = pb_bytes(&p); break;      // wire type is checked
 *       case 3: count = pb_i64(&p); break;
 *       default: pb_skip(&p);
 *       }
 *   }
 *   if (pb_failed(&p)) ...
 *
 * Writer: nested messages get their length by back-patching; the length takes as many bytes as it needs.
 */
#ifndef WIRE_PB_H
#define WIRE_PB_H

#include "base/buf.h"
#include "base/err.h"

enum pb_wire { PB_VARINT = 0, PB_FIXED64 = 1, PB_BYTES = 2, PB_FIXED32 = 5 };

struct pb {
    const uint8_t *pos, *end, *start;
    uint32_t field;
    enum pb_wire wire;
    const char *error; /* NULL while all is well */
};
void pb_init(struct pb *p, str bytes);
static inline bool pb_failed(const struct pb *p)
{
    return p->error != NULL;
}
/* Moves to the next field; false at the end or after an error. Groups, field 0, lengths past the end, varints over 10 bytes: error. */
bool pb_next(struct pb *p);
uint64_t pb_u64(struct pb *p);   /* varint; another wire type is an error and gives 0 */
int64_t pb_i64(struct pb *p);
int32_t pb_i32(struct pb *p);    /* truncated from 64 bits, as the format says */
bool pb_bool(struct pb *p);
uint64_t pb_fixed64(struct pb *p);
uint32_t pb_fixed32(struct pb *p);
double pb_double(struct pb *p);
int64_t pb_zigzag(struct pb *p); /* sint32 and sint64 */
str pb_bytes(struct pb *p);      /* strings, bytes and messages: a view into the input */
struct pb pb_message(struct pb *p); /* a cursor over the nested message; check its error too (pb_join) */
void pb_join(struct pb *parent, const struct pb *child); /* takes the child's error over */
void pb_skip(struct pb *p);
/* Packed fields: the next bare number of the cursor that pb_message gave; false at the end or after an error. A reader must take
 * the unpacked form too (p.wire is then not PB_BYTES). */
bool pb_packed_u64(struct pb *p, uint64_t *n);
bool pb_packed_fixed64(struct pb *p, uint64_t *n);
NODISCARD bool pb_finish(const struct pb *p, const char *what, struct err *err); /* "what: reason at byte N" */

/* Writers: the tag, then the value. `always` variants do not leave zero out. */
void pb_put_varint_raw(struct buf *b, uint64_t n);
void pb_put_u64(struct buf *b, uint32_t field, uint64_t n);       /* left out if 0 */
void pb_put_u64_always(struct buf *b, uint32_t field, uint64_t n);
void pb_put_fixed64(struct buf *b, uint32_t field, uint64_t n);   /* left out if 0 */
void pb_put_fixed64_always(struct buf *b, uint32_t field, uint64_t n);
void pb_put_zigzag(struct buf *b, uint32_t field, int64_t n);     /* left out if 0 */
void pb_put_fixed32(struct buf *b, uint32_t field, uint32_t n);   /* left out if 0 */
void pb_put_double_always(struct buf *b, uint32_t field, double n);
void pb_put_bytes(struct buf *b, uint32_t field, str s);          /* left out if empty */
void pb_put_bytes_always(struct buf *b, uint32_t field, str s);
/* Nested message: mark = pb_open(b, field); ...; pb_close(b, mark). */
size_t pb_open(struct buf *b, uint32_t field);
void pb_close(struct buf *b, size_t mark);

#endif
