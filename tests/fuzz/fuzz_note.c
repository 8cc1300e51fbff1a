/* Any text as a hand-over note: refused, or printed and read back to the same. */
#include "base/limits.h"
#include "election/note.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct note n, back;
    struct err err;
    note_init(&n);
    note_init(&back);
    if (note_parse(&n, str_make((const char *)data, size), &err)) {
        struct buf text;
        buf_init(&text, 64 * KIB);
        size_t left_out = note_print(&text, &n);
        CHECK(note_parse(&back, buf_view(&text), &err));
        CHECK(back.receiver_count == n.receiver_count - left_out);
        CHECK(str_eq(back.lease_uid, n.lease_uid) && back.transitions == n.transitions);
        buf_deinit(&text);
    }
    note_deinit(&n);
    note_deinit(&back);
    return 0;
}
