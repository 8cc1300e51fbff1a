/*
 * The three patches on any two documents. What comes out must print and read back as the same document; a merge patch must be the
 * same when it is applied twice.
 * Input: target, byte 0x1e, patch.
 */
#include <stdio.h>
#include <stdlib.h>

#include "kubesim/limits.h"
#include "kubesim/patch.h"

static void check_reads_back(struct arena *a, const struct dom *d)
{
    struct buf b;
    struct err err;
    buf_init(&b, LIMIT_SIM_PATCHED_BYTES);
    dom_print(&b, d);
    struct dom *again = b.overflow ? NULL : dom_parse(a, buf_view(&b), &err);
    /* Two documents of 64 levels can make one that is too deep to be read. */
    if (again != NULL) {
        struct buf c;
        buf_init(&c, LIMIT_SIM_PATCHED_BYTES);
        dom_print(&c, again);
        CHECK(str_eq(buf_view(&b), buf_view(&c)));
        buf_deinit(&c);
    }
    buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str first, second;
    struct arena a;
    struct err err;
    arena_init(&a, 4096);
    str_cut(str_make((const char *)data, size), 0x1e, &first, &second);
    struct dom *target = dom_parse(&a, first, &err), *patch = dom_parse(&a, second, &err);
    if (target != NULL && patch != NULL) {
        struct dom *once = patch_merge(&a, dom_copy(&a, target), patch);
        struct dom *twice = patch_merge(&a, dom_copy(&a, once), patch);
        CHECK(dom_equal(once, twice));
        check_reads_back(&a, once);
        if (target->type == DOM_OBJECT)
            check_reads_back(&a, patch_strategic(&a, dom_copy(&a, target), patch));
        struct dom *changed = patch_json(&a, dom_copy(&a, target), patch, &err);
        CHECK(changed != NULL || err.code == 400 || err.code == 422);
        if (changed != NULL)
            check_reads_back(&a, changed);
    }
    arena_deinit(&a);
    return 0;
}
