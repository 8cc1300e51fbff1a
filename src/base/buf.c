/*
 * Growing byte buffer with a hard maximum, and the two pieces of text that everything above writes:
 * JSON strings and floating point numbers.
 *
 * Life of a buffer: buf_init names the most it may ever hold; the first write allocates; growth
 * doubles up to the maximum. A write that would pass the maximum is dropped as a whole, and so is
 * everything after it, so that what is there is always a prefix of what was written; `overflow`
 * says so until buf_clear.
 *
 * Invariants: len <= cap, len <= max; data is NULL only while cap is 0. cap may be one more than
 * max, for the NUL of buf_cstr.
 *
 * Numbers: RFC 8259 for JSON; layout as ECMA-262 Number::toString, which Go's encoding/json
 * follows. The program never calls setlocale, so printf and strtod use a point.
 */
#include "base/buf.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { FIRST_CAP_BYTES = 64 };

void buf_init(struct buf *b, size_t max_bytes)
{
    *b = (struct buf){.max = max_bytes};
}

void buf_deinit(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){.max = b->max};
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->overflow = false;
}

/* Makes cap at least `need` bytes, by doubling but not past max + 1. */
static void buf_grow(struct buf *b, size_t need)
{
    if (need <= b->cap)
        return;
    size_t most = b->max == SIZE_MAX ? SIZE_MAX : b->max + 1;
    size_t cap = b->cap < FIRST_CAP_BYTES ? FIRST_CAP_BYTES : b->cap;
    while (cap < need)
        cap = cap > SIZE_MAX / 2 ? SIZE_MAX : cap * 2;
    if (cap > most)
        cap = most;
    CHECK(cap >= need);
    b->data = mem_realloc(b->data, cap);
    b->cap = cap;
}

char *buf_reserve(struct buf *b, size_t len)
{
    CHECK(b->len <= b->cap);
    if (b->overflow || b->len > b->max || len > b->max - b->len) {
        b->overflow = true;
        return NULL;
    }
    buf_grow(b, b->len + len == 0 ? 1 : b->len + len);
    return b->data + b->len;
}

void buf_commit(struct buf *b, size_t len)
{
    CHECK(len <= b->cap - b->len);
    b->len += len;
}

void buf_append(struct buf *b, const void *data, size_t len)
{
    if (len == 0)
        return;
    char *room = buf_reserve(b, len);
    if (room == NULL)
        return;
    memcpy(room, data, len);
    b->len += len;
}

void buf_str(struct buf *b, str s)
{
    buf_append(b, s.data, s.len);
}

void buf_text(struct buf *b, const char *text)
{
    buf_append(b, text, strlen(text));
}

void buf_byte(struct buf *b, char byte)
{
    if (b->len < b->cap && b->len < b->max && !b->overflow)
        b->data[b->len++] = byte;
    else
        buf_append(b, &byte, 1);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    char small[256];
    va_list args;
    va_start(args, format);
    int printed = vsnprintf(small, sizeof small, format, args);
    va_end(args);
    CHECK(printed >= 0);
    size_t len = (size_t)printed;
    if (len < sizeof small) {
        buf_append(b, small, len);
        return;
    }
    if (buf_reserve(b, len) == NULL)
        return;
    buf_grow(b, b->len + len + 1); /* vsnprintf writes a NUL */
    va_start(args, format);
    vsnprintf(b->data + b->len, len + 1, format, args);
    va_end(args);
    b->len += len;
}

void buf_consume(struct buf *b, size_t len)
{
    CHECK(len <= b->len);
    b->len -= len;
    if (b->len > 0)
        memmove(b->data, b->data + len, b->len);
}

const char *buf_cstr(struct buf *b)
{
    buf_grow(b, b->len + 1);
    b->data[b->len] = '\0';
    return b->data;
}

char *buf_take(struct buf *b, size_t *len)
{
    buf_cstr(b);
    char *data = b->data;
    if (len != NULL)
        *len = b->len;
    *b = (struct buf){.max = b->max};
    return data;
}

/* The escape of a character that may not stand in a JSON string as it is. */
static void json_escape(struct buf *b, char c)
{
    switch (c) {
    case '"':
        buf_text(b, "\\\"");
        break;
    case '\\':
        buf_text(b, "\\\\");
        break;
    case '\n':
        buf_text(b, "\\n");
        break;
    case '\r':
        buf_text(b, "\\r");
        break;
    case '\t':
        buf_text(b, "\\t");
        break;
    default:
        buf_printf(b, "\\u%04x", (unsigned)(unsigned char)c);
    }
}

void buf_json_string(struct buf *b, str s)
{
    buf_byte(b, '"');
    size_t start = 0; /* what is from here on can be copied as it is */
    for (size_t i = 0; i < s.len;) {
        unsigned char c = (unsigned char)s.data[i];
        if (c < 0x80 && c >= 0x20 && c != '"' && c != '\\') {
            i++;
            continue;
        }
        size_t len = c < 0x80 ? 0 : str_utf8_len(str_skip(s, i));
        if (len > 0) {
            i += len;
            continue;
        }
        buf_append(b, s.data + start, i - start);
        if (c < 0x80)
            json_escape(b, s.data[i]);
        else
            buf_text(b, "\xef\xbf\xbd"); /* U+FFFD */
        start = ++i;
    }
    if (s.len > start)
        buf_append(b, s.data + start, s.len - start);
    buf_byte(b, '"');
}

/* Splits "-d.ddde+XX" as printf's %e writes it. */
static void split_exponent_form(const char *text, char digits[18], int *exponent)
{
    size_t count = 0;
    for (; *text != 'e' && *text != '\0'; text++) {
        if (*text >= '0' && *text <= '9' && count < 17)
            digits[count++] = *text;
    }
    while (count > 1 && digits[count - 1] == '0')
        count--;
    digits[count] = '\0';
    *exponent = *text == 'e' ? (int)strtol(text + 1, NULL, 10) : 0;
}

static bool reads_back(double n, const char *text)
{
    double back = strtod(text, NULL);
    return memcmp(&back, &n, sizeof n) == 0;
}

void double_digits(double n, char digits[18], int *exponent)
{
    char text[32] = "";
    n = fabs(n);
    CHECK(isfinite(n));
    /* Up to 15 digits every decimal survives the way to double and back, so %.15g finds the
     * shortest of those at once; only subnormal numbers, with fewer bits, need the search from one
     * digit on. */
    for (int precision = n < 0x1p-1022 ? 1 : 15; precision <= 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision - 1, n);
        if (reads_back(n, text))
            break;
        /* Below a power of two doubles lie twice as close, so the nearest decimal may read back as
         * the neighbour below while the next decimal above still reads back as n. */
        if (precision == 16) {
            char above[32];
            memcpy(above, text, sizeof above);
            if (above[16] < '9') { /* "d." and 15 digits: the last one */
                above[16]++;
                if (reads_back(n, above)) {
                    memcpy(text, above, sizeof text);
                    break;
                }
            }
        }
    }
    split_exponent_form(text, digits, exponent);
}

void buf_double(struct buf *b, double n)
{
    if (!isfinite(n)) {
        buf_text(b, "null");
        return;
    }
    if (fabs(n) < 1e15 && n == trunc(n) && !(n == 0 && signbit(n))) {
        buf_printf(b, "%" PRId64, (int64_t)n);
        return;
    }
    char digits[18];
    int exponent;
    double_digits(n, digits, &exponent);
    if (signbit(n))
        buf_byte(b, '-');
    int count = (int)strlen(digits);
    if (n == 0) {
        buf_byte(b, '0');
    } else if (exponent < -6 || exponent >= 21) {
        buf_printf(b, "%c%s%se%c%d", digits[0], count > 1 ? "." : "", digits + 1,
                   exponent < 0 ? '-' : '+', abs(exponent));
    } else if (exponent < 0) {
        buf_printf(b, "0.%.*s%s", -exponent - 1, "00000", digits);
    } else if (count <= exponent + 1) {
        buf_printf(b, "%s%.*s", digits, exponent + 1 - count, "00000000000000000000");
    } else {
        buf_printf(b, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
    }
}
