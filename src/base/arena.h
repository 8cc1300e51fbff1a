/*
 * Memory that dies together: allocate many, free once. Not for threads. Blocks double from `first_block_bytes` up to 64 KiB.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/base.h"

struct arena_block;
struct arena {
    struct arena_block *head; /* current block; older ones behind it */
    size_t next_block_bytes;
    size_t used_bytes;        /* asked for so far */
};

void arena_init(struct arena *a, size_t first_block_bytes);
void arena_deinit(struct arena *a);
/* Empties it and keeps one block, of at most 64 KiB, for what comes next. */
void arena_reset(struct arena *a);
/* Aligned for any type; never NULL. */
void *arena_alloc(struct arena *a, size_t size_bytes);
void *arena_zalloc(struct arena *a, size_t size_bytes);
str arena_str(struct arena *a, str s);          /* a copy, NUL-terminated behind its end */
char *arena_cstr(struct arena *a, str s);       /* the same as a C string */
str arena_printf(struct arena *a, const char *format, ...) PRINTF_LIKE(2, 3);
#define ARENA_NEW(a, type) ((type *)arena_zalloc((a), sizeof(type)))
#define ARENA_ARRAY(a, type, count) ((type *)arena_array((a), sizeof(type), (count)))
void *arena_array(struct arena *a, size_t size_bytes, size_t count); /* zeroed; checks the product */

#endif
