/*
 * A batch from the input, cut at a limit from the input: each request is within the limit and valid
 * protobuf, and the requests together hold the same leaves, in the same order and under the same
 * headers, as one request without a limit.
 */
#include "base/limits.h"
#include "telemetry/otlp.h"
#include "tests/fuzz/telemetry/fuzz_batch.h"
#include "tests/unit/telemetry/otlp_flatten.h"

static void match(const struct otlp_leaves *whole, size_t *at, const struct otlp_leaves *part)
{
    for (size_t i = 0; i < part->count; i++) {
        while (*at < whole->count && !whole->items[*at].is_item &&
               !otlp_leaf_eq(whole->items[*at], part->items[i]))
            (*at)++; /* a container without items that was too large */
        CHECK(*at < whole->count && otlp_leaf_eq(whole->items[*at], part->items[i]));
        (*at)++;
    }
}

static void cut(const struct batch *b, size_t request_max, const struct otlp_leaves *whole)
{
    struct otlp_cursor c;
    struct buf out;
    buf_init(&out, request_max);
    otlp_cursor_init(&c, b, SIZE_MAX);
    size_t at = 0, items = 0, item_count;
    enum otlp_step step;
    while ((step = otlp_next(&c, &out, &item_count)) != OTLP_END) {
        CHECK(out.len <= request_max && !out.overflow);
        items += item_count;
        if (step == OTLP_ITEM_TOO_LARGE) {
            CHECK(item_count == 1 && out.len == 0);
            while (at < whole->count && !whole->items[at].is_item)
                at++;
            at++;
        } else {
            struct otlp_leaves part = {0};
            otlp_flatten(&part, b->signal, buf_view(&out));
            CHECK(!part.failed && part.count > 0);
            match(whole, &at, &part);
            mem_free(part.items);
        }
        buf_clear(&out);
    }
    for (; at < whole->count; at++)
        CHECK(!whole->items[at].is_item);
    CHECK(items == b->item_count);
    buf_deinit(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    size_t request_max = (size_t)take_byte(&in) << 8;
    request_max |= take_byte(&in);
    struct batch *b = take_batch(&in);
    struct otlp_cursor c;
    struct otlp_leaves whole = {0};
    struct buf out;
    size_t item_count = 0;
    buf_init(&out, 64 * MIB);
    otlp_cursor_init(&c, b, SIZE_MAX);
    if (otlp_next(&c, &out, &item_count) == OTLP_REQUEST)
        otlp_flatten(&whole, b->signal, buf_view(&out));
    CHECK(!whole.failed && item_count == b->item_count);
    cut(b, request_max, &whole);
    if (out.len > 0)
        cut(b, out.len - 1, &whole);
    buf_deinit(&out);
    mem_free(whole.items);
    batch_unref(b);
    return 0;
}
