/* Any text as a position of entity events: refused, or printed again to the same text. The check at its end is mended first, else nothing
 * would come past it; the first byte is the number of streams. */
#include "base/limits.h"
#include "base/map.h"
#include "receivers/k8s_cluster/position.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What position.c puts at the end: printing a position with no stream and taking its check would not do, as it is of another text. */
static void append_check(struct buf *text)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    const uint64_t key[2] = {0, UINT64_C(0x706f736974696f6e)};
    uint64_t hash = sip_hash(key, buf_view(text));
    for (int i = 0; i < 6; i++, hash >>= 6)
        buf_byte(text, alphabet[hash & 63]);
}

static void check(str text, size_t count)
{
    struct stream_mark marks[256];
    struct err err;
    int64_t repeated_ms;
    if (!position_parse(text, 0, &repeated_ms, marks, count, &err))
        return;
    CHECK(repeated_ms >= 0);
    struct buf again;
    buf_init(&again, 64 * KIB);
    position_print(&again, 0, repeated_ms, marks, count);
    CHECK(str_eq(buf_view(&again), text));
    buf_deinit(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    str text = str_make((const char *)data + 1, size - 1);
    check(text, data[0]);
    struct buf mended;
    buf_init(&mended, 64 * KIB);
    buf_text(&mended, "1AAAAAA");
    buf_str(&mended, text);
    append_check(&mended);
    if (!mended.overflow)
        check(buf_view(&mended), data[0]);
    buf_deinit(&mended);
    return 0;
}
