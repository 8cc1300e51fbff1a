/*
 * What every file may use: fixed-width types, attributes, checks that stay on in release builds, and `str`, a view of bytes.
 */
#ifndef BASE_BASE_H
#define BASE_BASE_H

#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define NODISCARD __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_index, first_arg) __attribute__((format(printf, format_index, first_arg)))
#define UNUSED __attribute__((unused))
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* The structure of type `type` whose member `member` is at `ptr`. */
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Ends the program with file, line and the condition: for our own mistakes only, never for bad input. */
#define CHECK(condition)                                                                           \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0))                                                     \
            check_failed(__FILE__, __LINE__, #condition);                                          \
    } while (0)
_Noreturn void check_failed(const char *file, int line, const char *condition);

/* Once at the start of the program: how the C library keeps memory. */
void mem_setup(void);
/* Memory that the program cannot go on without: these end the program when there is none. Zero-sized requests give a unique pointer. */
void *mem_alloc(size_t size_bytes);
void *mem_zalloc(size_t size_bytes);
void *mem_realloc(void *ptr, size_t size_bytes);
void mem_free(void *ptr);

/* A view of bytes that somebody else owns; not NUL-terminated; data may be NULL only if len is 0. */
typedef struct {
    const char *data;
    size_t len;
} str;

#define STR(literal) ((str){"" literal, sizeof(literal) - 1})
#define STR_NONE ((str){NULL, 0})
/* For printf: "%.*s" with STR_ARG(s). */
#define STR_ARG(s) (int)(s).len, (s).data == NULL ? "" : (s).data

static inline str str_from(const char *text)
{
    return (str){text, text == NULL ? 0 : strlen(text)};
}
static inline str str_make(const char *data, size_t len)
{
    return (str){data, len};
}
static inline bool str_eq(str a, str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}
static inline bool str_eqz(str a, const char *b)
{
    return str_eq(a, str_from(b));
}
/* Orders by bytes, a prefix before what is longer: <0, 0, >0. */
int str_compare(str a, str b);
bool str_eq_nocase(str a, str b); /* ASCII only */
bool str_starts_with(str s, str prefix);
bool str_ends_with(str s, str suffix);
str str_skip(str s, size_t count);             /* without the first `count` bytes (at most all) */
str str_trim(str s);                           /* without ASCII white space at both ends */
bool str_find(str s, str needle, size_t *pos); /* first occurrence */
/* Cuts at the first `separator`: head before it, rest after it. False (head = s, rest = empty) if there is none. */
bool str_cut(str s, char separator, str *head, str *rest);
/* Whole text as a decimal number: false if empty, with other characters, or out of range. */
NODISCARD bool str_to_u64(str s, uint64_t *value);
NODISCARD bool str_to_i64(str s, int64_t *value);
bool str_is_utf8(str s);
/* Bytes of the UTF-8 character at the start of `s` (1 to 4), or 0 if there is none: empty, cut, overlong, a surrogate. */
size_t str_utf8_len(str s);
/* A NUL-terminated copy on the heap, owned by the caller (mem_free). */
char *str_dup(str s);

#endif
