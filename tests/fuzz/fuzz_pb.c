/*
 * Protobuf cursor and writer: any bytes. Reading never leaves the input, a message that reads well
 * writes again to one that reads the same, and taking a value with the wrong wire type is always an
 * error.
 */
#include "wire/pb.h"

enum { DEPTH_MAX = 20 };

/* Reads a message and writes all its fields again, so that nested ones are descended into wherever
 * their bytes are a message. */
static bool copy_message(struct pb *p, struct buf *out, int depth);

static bool is_message(str bytes, int depth)
{
    struct buf scratch;
    buf_init(&scratch, 1 << 22);
    struct pb p;
    pb_init(&p, bytes);
    bool ok = bytes.len > 0 && depth < DEPTH_MAX && copy_message(&p, &scratch, depth);
    buf_deinit(&scratch);
    return ok;
}

static void check_wrong_type(const struct pb *p)
{
    struct pb wrong = *p;
    if (p->wire == PB_BYTES)
        CHECK(pb_u64(&wrong) == 0);
    else
        CHECK(pb_bytes(&wrong).len == 0);
    CHECK(pb_failed(&wrong) && !pb_next(&wrong) && pb_fixed64(&wrong) == 0 && wrong.pos == p->pos);
}

static bool copy_message(struct pb *p, struct buf *out, int depth)
{
    while (pb_next(p)) {
        check_wrong_type(p);
        struct pb skipped = *p;
        pb_skip(&skipped);
        switch (p->wire) {
        case PB_VARINT:
            pb_put_u64_always(out, p->field, pb_u64(p));
            break;
        case PB_FIXED64:
            pb_put_fixed64_always(out, p->field, pb_fixed64(p));
            break;
        case PB_FIXED32: {
            uint32_t n = pb_fixed32(p);
            pb_put_varint_raw(out, (uint64_t)p->field << 3 | PB_FIXED32);
            buf_append(out, &n, sizeof n);
            break;
        }
        case PB_BYTES: {
            struct pb again = *p;
            str bytes = pb_bytes(&again);
            if (depth < 4 && is_message(bytes, depth + 1)) {
                struct pb child = pb_message(p);
                size_t mark = pb_open(out, p->field);
                CHECK(copy_message(&child, out, depth + 1));
                pb_close(out, mark);
                pb_join(p, &child);
            } else {
                pb_put_bytes_always(out, p->field, pb_bytes(p));
            }
            break;
        }
        }
        CHECK(p->pos == skipped.pos && pb_failed(p) == pb_failed(&skipped));
        CHECK(p->pos >= p->start && p->pos <= p->end);
    }
    return !pb_failed(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    struct buf once, twice;
    buf_init(&once, 1 << 22);
    buf_init(&twice, 1 << 22);
    struct pb p;
    pb_init(&p, str_make((const char *)data, size));
    bool ok = copy_message(&p, &once, 0);
    CHECK(pb_finish(&p, "message", NULL) == ok);
    CHECK(!once.overflow &&
          (!ok || once.len <= size)); /* the writer is minimal, the input need not be */
    if (ok) {
        pb_init(&p, buf_view(&once));
        CHECK(copy_message(&p, &twice, 0));
        CHECK(str_eq(buf_view(&once), buf_view(&twice)));
    }
    uint64_t n;
    pb_init(&p, str_make((const char *)data, size));
    while (pb_packed_u64(&p, &n))
        ;
    pb_init(&p, str_make((const char *)data, size));
    while (pb_packed_fixed64(&p, &n))
        ;
    CHECK(pb_failed(&p) == (size % 8 != 0));
    buf_deinit(&once);
    buf_deinit(&twice);
    return 0;
}
