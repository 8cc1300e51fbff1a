/* Slabs against a list of blocks whose content is checked, and their memory against what is in use. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/slab.h"

enum { BLOCKS = 4000, SLAB_ROOM = 32 * 1024 };

struct block {
    unsigned char *bytes;
    size_t size;
    unsigned char fill;
};

static uint32_t next_random(uint64_t *state)
{
    *state = *state * UINT64_C(6364136223846793005) + 1442695040888963407;
    return (uint32_t)(*state >> 33);
}

static void check_and_free(struct slab_set *set, struct block *b)
{
    for (size_t i = 0; i < b->size; i++)
        if (b->bytes[i] != b->fill)
            fail_msg("byte %zu of a block of %zu changed", i, b->size);
    slab_free(set, b->bytes, b->size);
    b->bytes = NULL;
}

static size_t random_size(uint64_t *seed)
{
    switch (next_random(seed) % 10) {
    case 0:
        return next_random(seed) % 20000;
    case 1:
        return next_random(seed) % 4;
    default:
        return next_random(seed) % 600;
    }
}

/* Blocks do not overlap, are aligned, and survive what happens around them. */
static void test_blocks_are_apart(void **state)
{
    (void)state;
    struct slab_set *set = slab_set_new();
    static struct block blocks[BLOCKS];
    uint64_t seed = 7;
    for (int i = 0; i < 200000; i++) {
        struct block *b = &blocks[next_random(&seed) % BLOCKS];
        if (b->bytes != NULL) {
            check_and_free(set, b);
            continue;
        }
        b->size = random_size(&seed);
        b->fill = (unsigned char)i;
        b->bytes = slab_alloc(set, b->size);
        assert_int_equal((uintptr_t)b->bytes % 16, 0);
        memset(b->bytes, b->fill, b->size);
    }
    for (int i = 0; i < BLOCKS; i++)
        if (blocks[i].bytes != NULL)
            check_and_free(set, &blocks[i]);
    slab_set_free(set);
}

static void test_sizes_are_rounded_little(void **state)
{
    (void)state;
    for (size_t size = 1; size <= 8192; size++) {
        size_t rounded = slab_rounded(size);
        assert_true(rounded >= size && rounded % 16 == 0);
        assert_true(size <= 1024 ? rounded - size < 16 : rounded - size < size / 8);
        assert_true(slab_rounded(size + 1) >= rounded);
    }
    assert_int_equal(slab_rounded(8193), 8193);
}

static size_t resident_bytes(void)
{
    unsigned long all = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "r");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &all, &resident), 2);
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* 40 MB are taken and given back: the process is as small as before, but for one slab a class. */
static void test_shrinking_gives_memory_back(void **state)
{
    (void)state;
    enum { COUNT = 100000, SIZE = 400 };
    struct slab_set *set = slab_set_new();
    void **blocks = calloc(COUNT, sizeof *blocks);
    size_t empty = slab_set_bytes(set), before = resident_bytes();
    for (int i = 0; i < COUNT; i++) {
        blocks[i] = slab_alloc(set, SIZE);
        memset(blocks[i], 1, SIZE);
    }
    size_t full = slab_set_bytes(set), full_resident = resident_bytes();
    assert_true(full >= (size_t)COUNT * SIZE && full < (size_t)COUNT * SIZE / 100 * 102);
    /* One of a thousand stays: slabs without one go. */
    for (int i = 0; i < COUNT; i++)
        if (i % 1000 != 0)
            slab_free(set, blocks[i], SIZE);
    assert_true(slab_set_bytes(set) <= empty + 101 * SLAB_ROOM);
    for (int i = 0; i < COUNT; i += 1000)
        slab_free(set, blocks[i], SIZE);
    assert_true(slab_set_bytes(set) <= empty + SLAB_ROOM);
    size_t after = resident_bytes();
    assert_true(full_resident > before + (size_t)COUNT * SIZE / 2);
    assert_true(after < before + (full_resident - before) / 4);
    slab_set_free(set);
    free(blocks);
}

/* A block that comes and goes at the border of a slab does not map one each time; free blocks are used again. */
static void test_free_blocks_are_used_again(void **state)
{
    (void)state;
    struct slab_set *set = slab_set_new();
    void *first[100];
    for (size_t i = 0; i < COUNT_OF(first); i++)
        first[i] = slab_alloc(set, 64);
    void *again = first[50];
    slab_free(set, first[50], 64);
    first[50] = slab_alloc(set, 50); /* of the same class */
    assert_ptr_equal(first[50], again);
    size_t bytes = slab_set_bytes(set);
    for (int i = 0; i < 1000; i++)
        slab_free(set, slab_alloc(set, 128), 128);
    assert_true(slab_set_bytes(set) == bytes + SLAB_ROOM);
    for (size_t i = 0; i < COUNT_OF(first); i++)
        slab_free(set, first[i], i == 50 ? 50 : 64);
    slab_set_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_are_apart),
        cmocka_unit_test(test_sizes_are_rounded_little),
        cmocka_unit_test(test_shrinking_gives_memory_back),
        cmocka_unit_test(test_free_blocks_are_used_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
