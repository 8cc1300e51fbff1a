/*
 * A growing byte buffer with a hard maximum. Past the maximum, writes are dropped and `overflow` stays set: write freely,
 * check once at the end.
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"

struct buf {
    char *data; /* heap, or NULL while empty */
    size_t len;
    size_t cap;
    size_t max; /* the most bytes it may ever hold */
    bool overflow;
};

/* An empty buffer that never holds more than `max_bytes`; allocates nothing yet. */
void buf_init(struct buf *b, size_t max_bytes);
void buf_deinit(struct buf *b);
/* Empties it and clears `overflow`; keeps the memory. */
void buf_clear(struct buf *b);
void buf_append(struct buf *b, const void *data, size_t len);
void buf_str(struct buf *b, str s);
void buf_text(struct buf *b, const char *text); /* NUL-terminated */
void buf_byte(struct buf *b, char byte);
void buf_printf(struct buf *b, const char *format, ...) PRINTF_LIKE(2, 3);
/* Room for `len` more bytes and a pointer to it (then call buf_commit), or NULL with overflow set. */
NODISCARD char *buf_reserve(struct buf *b, size_t len);
void buf_commit(struct buf *b, size_t len);
/* Removes the first `len` bytes by moving the rest down. */
void buf_consume(struct buf *b, size_t len);
/* The content, valid until the next change. */
static inline str buf_view(const struct buf *b)
{
    return (str){b->data, b->len};
}
/* The content with a NUL after it (not counted), valid until the next change; "" if empty. */
const char *buf_cstr(struct buf *b);
/* The memory, now the caller's (mem_free), NUL-terminated; the buffer is empty again. Never NULL. */
char *buf_take(struct buf *b, size_t *len);
/* `s` as a JSON string with its quotes; invalid UTF-8 becomes U+FFFD. */
void buf_json_string(struct buf *b, str s);

/* The shortest decimal digits that read back as the finite `n` (1 to 17, without trailing zeros; "0" for 0; no sign), NUL-terminated,
 * and the exponent of the first digit: 1.5e3 gives "15" and 3. */
void double_digits(double n, char digits[18], int *exponent);
/* `n` as a JSON number in the layout of Go and JavaScript: shortest, exponent form below 1e-6 and from 1e21. Not finite: null. */
void buf_double(struct buf *b, double n);

#endif
