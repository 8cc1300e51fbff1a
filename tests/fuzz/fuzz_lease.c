/* Lease objects: what is read can be written and read again, and is the same. */
#include "base/limits.h"
#include "kube/lease.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void print(struct buf *b, const struct lease *l)
{
    buf_init(b, 32 * LIMIT_LEASE_BYTES);
    lease_print(b, l);
    CHECK(!b->overflow);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lease first, second;
    struct err err;
    lease_init(&first);
    lease_init(&second);
    if (lease_parse(&first, str_make((const char *)data, size), &err)) {
        struct buf once, twice;
        lease_copy(&second, &first);
        print(&once, &second);
        if (once.len <= LIMIT_LEASE_BYTES) { /* escapes may make it longer */
            if (!lease_parse(&second, buf_view(&once), &err))
                CHECK(str_eq(str_from(err.text), STR_NONE));
            print(&twice, &second);
            CHECK(str_eq(buf_view(&once), buf_view(&twice)));
            CHECK(str_eq(first.holder, second.holder) &&
                  first.annotation_count == second.annotation_count);
            buf_deinit(&twice);
        }
        buf_deinit(&once);
        lease_annotation_set(&first, STR("a"), STR("b"));
        CHECK(str_eqz(lease_annotation_get(&first, STR("a")), "b"));
    }
    lease_deinit(&first);
    lease_deinit(&second);
    return 0;
}
