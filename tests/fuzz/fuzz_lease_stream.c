/* Watch streams: the events do not depend on where the bytes are cut. The first byte says how long the pieces are. */
#include "kube/lease_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(struct buf *out, const struct lease_stream *s, enum lease_stream_step step,
                 const struct err *err)
{
    buf_printf(out, "%d ", (int)step);
    if (step == LEASE_STREAM_ERROR)
        status_print(out, s->status.code, &s->status);
    else if (step == LEASE_STREAM_BROKEN)
        buf_text(out, err->text);
    else
        lease_print(out, &s->lease);
}

static void run(str data, size_t piece, struct buf *out)
{
    struct lease_stream s;
    lease_stream_init(&s);
    while (data.len > 0) {
        size_t len = data.len < piece ? data.len : piece;
        char *exact = mem_alloc(len);
        memcpy(exact, data.data, len);
        str rest = str_make(exact, len);
        struct err err = {0};
        for (;;) {
            enum lease_stream_step step = lease_stream_next(&s, &rest, &err);
            if (step == LEASE_STREAM_MORE)
                break;
            note(out, &s, step, &err);
        }
        mem_free(exact);
        data = str_skip(data, len);
    }
    buf_printf(out, " %d", lease_stream_is_between(&s));
    lease_stream_deinit(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct buf whole, cut;
    buf_init(&whole, 64 << 20);
    buf_init(&cut, 64 << 20);
    str text = str_make((const char *)data + 1, size - 1);
    run(text, SIZE_MAX, &whole);
    run(text, (size_t)data[0] + 1, &cut);
    CHECK(str_eq(buf_view(&whole), buf_view(&cut)));
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
