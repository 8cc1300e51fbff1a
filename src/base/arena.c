/*
 * Memory that dies together.
 *
 * Life of an arena: nothing is allocated until the first request. Requests are cut from the current
 * block, 16 byte aligned; when it is full a new one, twice as large up to 64 KiB, takes its place.
 * A request larger than the next block gets a block of its own, linked *behind* the current one, so
 * that the rest of the current block is still used.
 *
 * Under AddressSanitizer the unused rest of a block is not guarded; overruns inside a block go
 * unseen. Tests of code that parses input therefore run with first_block_bytes as small as they
 * like: each request then tends to have its own block.
 */
#include "base/arena.h"

#include <stdarg.h>
#include <stdio.h>

enum { BLOCK_BYTES_MIN = 64, BLOCK_BYTES_MAX = 64 * 1024, ALIGNMENT = 16 };

struct arena_block {
    struct arena_block *next; /* older */
    size_t used, size;        /* bytes of data */
    _Alignas(ALIGNMENT) char data[];
};

void arena_init(struct arena *a, size_t first_block_bytes)
{
    if (first_block_bytes < BLOCK_BYTES_MIN)
        first_block_bytes = BLOCK_BYTES_MIN;
    if (first_block_bytes > BLOCK_BYTES_MAX)
        first_block_bytes = BLOCK_BYTES_MAX;
    *a = (struct arena){.next_block_bytes = first_block_bytes};
}

void arena_deinit(struct arena *a)
{
    struct arena_block *block = a->head;
    while (block != NULL) {
        struct arena_block *older = block->next;
        mem_free(block);
        block = older;
    }
    *a = (struct arena){.next_block_bytes = a->next_block_bytes};
}

void arena_reset(struct arena *a)
{
    struct arena_block *kept = a->head;
    if (kept == NULL)
        return;
    if (kept->size > BLOCK_BYTES_MAX) {
        arena_deinit(a);
        return;
    }
    struct arena_block *older = kept->next;
    kept->next = NULL;
    kept->used = 0;
    a->head = older;
    arena_deinit(a);
    a->head = kept;
}

static struct arena_block *block_new(size_t size_bytes)
{
    CHECK(size_bytes <= SIZE_MAX - sizeof(struct arena_block));
    struct arena_block *block = mem_alloc(sizeof *block + size_bytes);
    *block = (struct arena_block){.size = size_bytes};
    return block;
}

void *arena_alloc(struct arena *a, size_t size_bytes)
{
    CHECK(size_bytes <= SIZE_MAX / 2);
    CHECK(a->next_block_bytes > 0);
    size_t rounded = (size_bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    if (rounded == 0)
        rounded = ALIGNMENT;
    a->used_bytes += size_bytes;
    struct arena_block *block = a->head;
    if (block == NULL || block->size - block->used < rounded) {
        if (rounded > a->next_block_bytes && block != NULL) {
            struct arena_block *own = block_new(rounded);
            own->used = rounded;
            own->next = block->next;
            block->next = own;
            return own->data;
        }
        block = block_new(rounded > a->next_block_bytes ? rounded : a->next_block_bytes);
        block->next = a->head;
        a->head = block;
        if (a->next_block_bytes < BLOCK_BYTES_MAX)
            a->next_block_bytes *= 2;
    }
    void *ptr = block->data + block->used;
    block->used += rounded;
    return ptr;
}

void *arena_zalloc(struct arena *a, size_t size_bytes)
{
    void *ptr = arena_alloc(a, size_bytes);
    memset(ptr, 0, size_bytes);
    return ptr;
}

void *arena_array(struct arena *a, size_t size_bytes, size_t count)
{
    size_t total;
    CHECK(!__builtin_mul_overflow(size_bytes, count, &total));
    return arena_zalloc(a, total);
}

char *arena_cstr(struct arena *a, str s)
{
    CHECK(s.len < SIZE_MAX);
    char *copy = arena_alloc(a, s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}

str arena_str(struct arena *a, str s)
{
    return str_make(arena_cstr(a, s), s.len);
}

str arena_printf(struct arena *a, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int printed = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    CHECK(printed >= 0);
    size_t len = (size_t)printed;
    if (len < sizeof small)
        return arena_str(a, str_make(small, len));
    char *text = arena_alloc(a, len + 1);
    va_start(args, format);
    vsnprintf(text, len + 1, format, args);
    va_end(args);
    return str_make(text, len);
}
