/*
 * Lists and watches, protobuf and JSON: the steps do not depend on where the bytes are cut, and whatever a step gives can be read.
 * First byte: bit 0 a list, bit 1 JSON. Second byte: the pieces of the second run are one byte longer than it says.
 */
#include "base/base.h"
#include "base/map.h"
#include "kube/watch_stream.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void note(struct buf *out, struct watch_stream *s, enum stream_step step,
                 const struct err *err)
{
    static const uint64_t key[2] = {1, 2};
    struct watch_meta meta;
    struct arena arena;
    arena_init(&arena, 64);
    buf_printf(out, "%d ", (int)step);
    switch (step) {
    case STREAM_OBJECT:
    case STREAM_DELETED:
        (void)watch_meta_read(&meta, s->format, s->bytes, &arena, NULL);
        buf_printf(out, "%zu %" PRIu64 " %" PRIu64 " ", s->bytes.len, sip_hash(key, s->bytes), sip_hash(key, meta.uid));
        break;
    case STREAM_ERROR:
        status_print(out, s->status.code, &s->status);
        break;
    case STREAM_BROKEN:
        buf_text(out, err->text);
        break;
    default:
        buf_json_string(out, s->resource_version);
        buf_json_string(out, s->continue_token);
    }
    arena_deinit(&arena);
}

static void run(bool is_list, bool is_json, str data, size_t piece, struct buf *out)
{
    struct watch_stream s;
    str type = is_json ? STR("application/json") : STR("application/vnd.kubernetes.protobuf;stream=watch");
    CHECK(watch_stream_init(&s, is_list, type, NULL));
    while (data.len > 0) {
        size_t len = data.len < piece ? data.len : piece;
        char *exact = mem_alloc(len);
        memcpy(exact, data.data, len);
        str rest = str_make(exact, len);
        struct err err = {0};
        for (;;) {
            enum stream_step step = watch_stream_next(&s, &rest, &err);
            if (step == STREAM_MORE)
                break;
            note(out, &s, step, &err);
        }
        CHECK(rest.len == 0);
        mem_free(exact);
        data = str_skip(data, len);
    }
    buf_printf(out, " %d", watch_stream_is_between(&s));
    watch_stream_deinit(&s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct buf whole, cut;
    buf_init(&whole, 64 << 20);
    buf_init(&cut, 64 << 20);
    str text = str_make((const char *)data + 2, size - 2);
    run((data[0] & 1) != 0, (data[0] & 2) != 0, text, SIZE_MAX, &whole);
    run((data[0] & 1) != 0, (data[0] & 2) != 0, text, (size_t)data[1] + 1, &cut);
    CHECK(str_eq(buf_view(&whole), buf_view(&cut)));
    buf_deinit(&whole);
    buf_deinit(&cut);
    return 0;
}
