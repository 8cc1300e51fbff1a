/*
 * Decompression: any bytes; and compression, which must bring every input back. The output never
 * passes its maximum.
 */
#include "wire/compress.h"

static void check_decompress(enum compression c, str text)
{
    static const char before[] = "before";
    struct buf out;
    struct err err;
    buf_init(&out, 1 << 16);
    buf_text(&out, before);
    bool ok = decompress_bytes(c, text, &out, &err);
    CHECK(out.len <= out.max && !out.overflow && out.len >= strlen(before));
    CHECK(memcmp(out.data, before, strlen(before)) == 0);
    CHECK(ok || out.len == strlen(before));
    buf_deinit(&out);
}

static void check_round_trip(enum compression c, str text)
{
    struct buf packed, out;
    struct err err;
    buf_init(&packed, 1 << 20);
    buf_init(&out, text.len);
    CHECK(compress_bytes(c, text, &packed, &err));
    CHECK(decompress_bytes(c, buf_view(&packed), &out, &err));
    CHECK(str_eq(buf_view(&out), text));
    if (text.len > 0) { /* one byte less is too little */
        struct buf tight;
        buf_init(&tight, text.len - 1);
        CHECK(!decompress_bytes(c, buf_view(&packed), &tight, &err) && tight.len == 0);
        buf_deinit(&tight);
    }
    buf_deinit(&packed);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 1 << 16)
        return 0;
    str text = str_make((const char *)data, size);
    for (enum compression c = COMPRESS_NONE; c <= COMPRESS_ZSTD; c++) {
        check_decompress(c, text);
        check_round_trip(c, text);
    }
    return 0;
}
