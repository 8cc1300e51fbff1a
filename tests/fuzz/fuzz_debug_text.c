/* The debug text of a batch from the input: no fault, lines end, and a small buffer holds the
 * beginning of the whole text. */
#include "base/limits.h"
#include "telemetry/debug_text.h"
#include "tests/fuzz/telemetry/fuzz_batch.h"

static void check_text(void (*print)(struct buf *, const struct batch *), const struct batch *b)
{
    struct buf whole, small;
    buf_init(&whole, 64 * MIB);
    print(&whole, b);
    CHECK(whole.overflow || whole.len == 0 || whole.data[whole.len - 1] == '\n');
    CHECK((whole.len == 0) == (b->resource_count == 0));
    buf_init(&small, whole.len / 2);
    print(&small, b);
    CHECK(small.len <= whole.len / 2 && str_starts_with(buf_view(&whole), buf_view(&small)));
    buf_deinit(&small);
    buf_deinit(&whole);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, data + size};
    struct batch *b = take_batch(&in);
    check_text(debug_text_normal, b);
    check_text(debug_text_detailed, b);
    batch_unref(b);
    return 0;
}
