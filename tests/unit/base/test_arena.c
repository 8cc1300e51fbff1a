/* Arenas: alignment, blocks of every size, no overlap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "base/arena.h"

static void test_no_overlap(void **state)
{
    (void)state;
    srand(1);
    for (size_t first = 0; first < 300000; first = first * 3 + 1) {
        enum { COUNT = 300 };
        struct arena a;
        char *pieces[COUNT];
        size_t sizes[COUNT], total = 0;
        arena_init(&a, first);
        for (int i = 0; i < COUNT; i++) {
            sizes[i] = (size_t)(rand() % 20 == 0 ? rand() % 200000 : rand() % 100);
            pieces[i] = arena_alloc(&a, sizes[i]);
            assert_int_equal((uintptr_t)pieces[i] % 16, 0);
            memset(pieces[i], i & 0xff, sizes[i]);
            total += sizes[i];
        }
        assert_int_equal(a.used_bytes, total);
        for (int i = 0; i < COUNT; i++) {
            for (size_t k = 0; k < sizes[i]; k++) {
                if ((unsigned char)pieces[i][k] != (i & 0xff))
                    fail_msg("piece %d of %zu bytes was overwritten at %zu", i, sizes[i], k);
            }
        }
        arena_deinit(&a);
    }
}

static void test_zero_size_is_unique(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64);
    void *one = arena_alloc(&a, 0), *two = arena_alloc(&a, 0);
    assert_non_null(one);
    assert_ptr_not_equal(one, two);
    arena_deinit(&a);
    arena_deinit(&a);
    assert_non_null(arena_alloc(&a, 1)); /* usable again */
    arena_deinit(&a);
}

static void test_texts(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 64);
    str s = arena_str(&a, STR("a\0b"));
    assert_int_equal(s.len, 3);
    assert_memory_equal(s.data, "a\0b", 4);
    assert_string_equal(arena_cstr(&a, STR_NONE), "");
    assert_true(str_eqz(arena_printf(&a, "%d-%s", 5, "x"), "5-x"));
    for (int len = 250; len < 260; len++) {
        s = arena_printf(&a, "%*d", len, 7);
        assert_int_equal(s.len, len);
        assert_int_equal(strlen(s.data), len);
        assert_int_equal(s.data[len - 1], '7');
    }
    arena_deinit(&a);
}

static void test_zeroed(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024);
    memset(arena_alloc(&a, 500), 0xff, 500);
    const uint64_t *array = ARENA_ARRAY(&a, uint64_t, 1000);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(array[i], 0);
    struct thing {
        int x;
        void *p;
    } *thing = ARENA_NEW(&a, struct thing);
    assert_int_equal(thing->x, 0);
    assert_null(thing->p);
    arena_deinit(&a);
}

/* After a reset one block is used again; large ones are gone. */
static void test_reset(void **state)
{
    (void)state;
    struct arena a;
    arena_init(&a, 1024);
    arena_reset(&a);
    char *first = arena_alloc(&a, 100);
    arena_reset(&a);
    assert_ptr_equal(arena_alloc(&a, 100), first);
    for (int i = 0; i < 1000; i++)
        memset(arena_alloc(&a, 500), i, 500);
    memset(arena_alloc(&a, 200000), 1, 200000);
    arena_reset(&a);
    assert_int_equal(a.used_bytes, 0);
    char *kept = arena_alloc(&a, 60000); /* the last block was of 64 KiB */
    arena_reset(&a);
    assert_ptr_equal(arena_alloc(&a, 60000), kept);
    arena_deinit(&a);
    arena_alloc(&a, 200000);
    arena_reset(&a); /* a first block of that size is not kept */
    assert_null(a.head);
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_overlap),
        cmocka_unit_test(test_zero_size_is_unique),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_zeroed),
        cmocka_unit_test(test_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
