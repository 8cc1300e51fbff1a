/*
 * What every other file stands on: failed checks, memory that must be there, and operations on byte
 * views.
 *
 * Memory: the program cannot do anything useful without the small amounts it asks for here, so
 * exhaustion ends it with a clear line instead of an error path that no test ever walks. What input
 * can make large has a limit of its own elsewhere.
 *
 * Strings are bytes. Where UTF-8 matters (RFC 3629: at most four bytes, shortest form, no
 * surrogates, up to U+10FFFF), str_utf8_len is the one place that knows its rules.
 */
#include "base/base.h"

#include <limits.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>

_Noreturn void check_failed(const char *file, int line, const char *condition)
{
    fprintf(stderr, "internal error: %s:%d: check failed: %s\n", file, line, condition);
    abort();
}

static _Noreturn void memory_exhausted(size_t size_bytes)
{
    fprintf(stderr, "out of memory: could not get %zu bytes\n", size_bytes);
    abort();
}

/* A tick of a large cluster goes through some buffers of a megabyte, each used for a moment. By default the C library maps memory
 * for each and gives it back, so that every byte of the tick costs a page fault; instead it keeps what a tick needs in flight. */
enum { MMAP_FROM_BYTES = 8 << 20, KEEP_FREE_BYTES = 8 << 20 };

void mem_setup(void)
{
    (void)mallopt(M_MMAP_THRESHOLD, MMAP_FROM_BYTES);
    (void)mallopt(M_TRIM_THRESHOLD, KEEP_FREE_BYTES);
    /* Helper threads (names, packing) allocate little: an arena for each would cost more than it gains. */
    (void)mallopt(M_ARENA_MAX, 1);
}

void *mem_alloc(size_t size_bytes)
{
    void *ptr = malloc(size_bytes == 0 ? 1 : size_bytes);
    if (ptr == NULL)
        memory_exhausted(size_bytes);
    return ptr;
}

void *mem_zalloc(size_t size_bytes)
{
    void *ptr = calloc(1, size_bytes == 0 ? 1 : size_bytes);
    if (ptr == NULL)
        memory_exhausted(size_bytes);
    return ptr;
}

void *mem_realloc(void *ptr, size_t size_bytes)
{
    void *moved = realloc(ptr, size_bytes == 0 ? 1 : size_bytes);
    if (moved == NULL)
        memory_exhausted(size_bytes);
    return moved;
}

void mem_free(void *ptr)
{
    free(ptr);
}

int str_compare(str a, str b)
{
    size_t common = a.len < b.len ? a.len : b.len;
    int order = common == 0 ? 0 : memcmp(a.data, b.data, common);
    if (order != 0)
        return order;
    return (a.len > b.len) - (a.len < b.len);
}

static char ascii_lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c + ('a' - 'A')) : c;
}

bool str_eq_nocase(str a, str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    }
    return true;
}

bool str_starts_with(str s, str prefix)
{
    return s.len >= prefix.len && str_eq(str_make(s.data, prefix.len), prefix);
}

bool str_ends_with(str s, str suffix)
{
    return s.len >= suffix.len && str_eq(str_skip(s, s.len - suffix.len), suffix);
}

str str_skip(str s, size_t count)
{
    if (count == 0)
        return s; /* NULL + 0 is not allowed either */
    if (count > s.len)
        count = s.len;
    return count == 0 ? s : str_make(s.data + count, s.len - count);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

str str_trim(str s)
{
    while (s.len > 0 && is_space(s.data[0]))
        s = str_skip(s, 1);
    while (s.len > 0 && is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

bool str_find(str s, str needle, size_t *pos)
{
    if (needle.len == 0) {
        *pos = 0;
        return true;
    }
    if (needle.len > s.len)
        return false;
    const char *found = memmem(s.data, s.len, needle.data, needle.len);
    if (found == NULL)
        return false;
    *pos = (size_t)(found - s.data);
    return true;
}

bool str_cut(str s, char separator, str *head, str *rest)
{
    const char *found = s.len == 0 ? NULL : memchr(s.data, separator, s.len);
    if (found == NULL) {
        *head = s;
        *rest = STR_NONE;
        return false;
    }
    size_t len = (size_t)(found - s.data);
    *head = str_make(s.data, len);
    *rest = str_skip(s, len + 1);
    return true;
}

bool str_to_u64(str s, uint64_t *value)
{
    uint64_t n = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
        uint64_t digit = (uint64_t)(s.data[i] - '0');
        if (n > (UINT64_MAX - digit) / 10)
            return false;
        n = n * 10 + digit;
    }
    *value = n;
    return true;
}

bool str_to_i64(str s, int64_t *value)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    uint64_t n;
    if (!str_to_u64(negative ? str_skip(s, 1) : s, &n))
        return false;
    if (n > (uint64_t)INT64_MAX + negative)
        return false;
    *value = negative ? (int64_t)(0 - n) : (int64_t)n;
    return true;
}

size_t str_utf8_len(str s)
{
    if (s.len == 0)
        return 0;
    const unsigned char *p = (const unsigned char *)s.data;
    if (p[0] < 0x80)
        return 1;
    /* The range of the second byte keeps out overlong forms, surrogates and what is past U+10FFFF.
     */
    unsigned char low = 0x80, high = 0xbf;
    size_t len;
    if (p[0] >= 0xc2 && p[0] <= 0xdf) {
        len = 2;
    } else if (p[0] >= 0xe0 && p[0] <= 0xef) {
        len = 3;
        low = p[0] == 0xe0 ? 0xa0 : 0x80;
        high = p[0] == 0xed ? 0x9f : 0xbf;
    } else if (p[0] >= 0xf0 && p[0] <= 0xf4) {
        len = 4;
        low = p[0] == 0xf0 ? 0x90 : 0x80;
        high = p[0] == 0xf4 ? 0x8f : 0xbf;
    } else {
        return 0;
    }
    if (s.len < len || p[1] < low || p[1] > high)
        return 0;
    for (size_t i = 2; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
    }
    return len;
}

bool str_is_utf8(str s)
{
    while (s.len > 0) {
        uint64_t word;
        if (s.len >= sizeof word) { /* most text is ASCII: eight bytes at once */
            memcpy(&word, s.data, sizeof word);
            if ((word & UINT64_C(0x8080808080808080)) == 0) {
                s = str_skip(s, sizeof word);
                continue;
            }
        }
        size_t len = str_utf8_len(s);
        if (len == 0)
            return false;
        s = str_skip(s, len);
    }
    return true;
}

char *str_dup(str s)
{
    char *copy = mem_alloc(s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = '\0';
    return copy;
}
