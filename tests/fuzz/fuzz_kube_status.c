/* Error bodies in every encoding; the line that is printed of them is one line of bounded length. */
#include "base/limits.h"
#include "kube/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct kube_status s;
    struct arena a;
    struct buf line;
    arena_init(&a, 256);
    buf_init(&line, 4 * LIMIT_STATUS_MESSAGE_BYTES);
    status_parse(&s, &a, str_make((const char *)data, size));
    status_print(&line, 409, &s);
    CHECK(!line.overflow && s.retry_after_s >= -1);
    for (size_t i = 0; i < line.len; i++)
        CHECK((unsigned char)line.data[i] >= 0x20);
    buf_deinit(&line);
    arena_deinit(&a);
    return 0;
}
