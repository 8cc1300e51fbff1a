/*
 * JSON pull reader. Specification: RFC 8259.
 *
 * Life of a reader: json_init points it at the text; the caller asks for what it expects and skips
 * the rest; json_finish says where and why it failed, if it did. Nothing is allocated but decoded
 * strings (those with escapes), in the caller's arena.
 *
 * Invariants: start <= pos <= end. After an error pos stays where it was found and nothing is
 * consumed any more. `depth` counts the objects and arrays that were entered; first[depth] says
 * that none of the members of the innermost was read yet. All that is read or skipped is checked
 * completely: a text that json_skip accepts is a JSON text.
 *
 * Strictness: no trailing commas, comments, leading zeros, bare control characters or other
 * literals. An escaped surrogate without its other half, which the grammar allows and JavaScript
 * writes, reads as U+FFFD. Doubled keys are the caller's affair.
 *
 * Speed: objects from an API server are mostly skipped. Strings, the bulk of them, are scanned
 * eight bytes at a time for what ends or complicates them; skipping keeps its nesting in one bit a
 * level.
 */
#include "wire/json.h"

#include <math.h>
#include <stdlib.h>

enum {
    DEPTH_MAX = 64,         /* entered by the caller; struct json has room for it */
    SKIP_DEPTH_MAX = 10000, /* as in Go's decoder, so that no object of an API server is deeper */
};

void json_init(struct json *j, str text)
{
    const char *start = text.data == NULL ? "" : text.data;
    j->start = j->pos = start;
    j->end = start + text.len;
    j->error = NULL;
    j->error_offset = 0;
    j->depth = 0;
    j->first[0] = true;
}

static bool fail(struct json *j, const char *at, const char *reason)
{
    if (j->error == NULL) {
        j->error = reason;
        j->error_offset = (size_t)(at - j->start);
    }
    return false;
}

static bool fail_end(struct json *j)
{
    return fail(j, j->end, "the text ends before its last value does");
}

static const char *skip_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

bool json_finish(struct json *j, struct err *err)
{
    if (j->error == NULL) {
        j->pos = skip_space(j->pos, j->end);
        if (j->depth > 0)
            fail(j, j->pos, "the document was not read to its end");
        else if (j->pos < j->end)
            fail(j, j->pos, "there is text after the document");
    }
    if (j->error == NULL)
        return true;
    size_t line = 1, line_start = 0;
    for (size_t i = 0; i < j->error_offset; i++) {
        if (j->start[i] == '\n') {
            line++;
            line_start = i + 1;
        }
    }
    return err_set(err, "line %zu column %zu: %s", line, j->error_offset - line_start + 1,
                   j->error);
}

/* -- scanning: each takes the position of a value and gives the position behind it, or NULL with
 * the error set -- */

#define EACH_BYTE(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The first byte of a string's content that needs a look: quote, backslash, control character, not
 * ASCII; or `end`. */
static inline const char *scan_plain(const char *p, const char *end)
{
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        uint64_t quote = word ^ EACH_BYTE('"');
        uint64_t backslash = word ^ EACH_BYTE('\\');
        /* The top bit of a byte that is smaller than what is subtracted; a borrow can only spoil
         * bytes behind the first hit. */
        uint64_t hit = ((word - EACH_BYTE(0x20)) & ~word) | ((quote - EACH_BYTE(1)) & ~quote) |
                       ((backslash - EACH_BYTE(1)) & ~backslash) | word;
        hit &= EACH_BYTE(0x80);
        if (hit != 0)
            return p + (__builtin_ctzll(hit) >> 3);
        p += 8;
    }
    while (p < end && (unsigned char)*p >= 0x20 && (unsigned char)*p < 0x80 && *p != '"' &&
           *p != '\\')
        p++;
    return p;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Checks the escape whose backslash is at p. */
static const char *scan_escape(struct json *j, const char *p)
{
    if (j->end - p < 2) {
        fail_end(j);
        return NULL;
    }
    switch (p[1]) {
    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return p + 2;
    case 'u':
        for (int i = 2; i < 6; i++) {
            if (p + i >= j->end) {
                fail_end(j);
                return NULL;
            }
            if (hex_digit(p[i]) < 0) {
                fail(j, p + i, "expected four hexadecimal digits after \\u");
                return NULL;
            }
        }
        return p + 6;
    default:
        fail(j, p, "unknown escape in a string");
        return NULL;
    }
}

/* A string from its opening quote on. */
static const char *scan_string(struct json *j, const char *p, bool *has_escapes)
{
    p++;
    for (;;) {
        p = scan_plain(p, j->end);
        if (p == j->end) {
            fail_end(j);
            return NULL;
        }
        unsigned char c = (unsigned char)*p;
        if (c == '"')
            return p + 1;
        if (c == '\\') {
            *has_escapes = true;
            p = scan_escape(j, p);
            if (p == NULL)
                return NULL;
        } else if (c >= 0x80) {
            size_t len = str_utf8_len(str_make(p, (size_t)(j->end - p)));
            if (len == 0) {
                fail(j, p, "invalid UTF-8 in a string");
                return NULL;
            }
            p += len;
        } else {
            fail(j, p, "control character in a string: it must be escaped");
            return NULL;
        }
    }
}

static const char *scan_digits(struct json *j, const char *p)
{
    const char *start = p;
    while (p < j->end && *p >= '0' && *p <= '9')
        p++;
    if (p > start)
        return p;
    if (p == j->end)
        fail_end(j);
    else
        fail(j, p, "expected a digit");
    return NULL;
}

static const char *scan_number(struct json *j, const char *p)
{
    if (*p == '-')
        p++;
    bool zero = p < j->end && *p == '0';
    const char *whole = p;
    p = scan_digits(j, p);
    if (p == NULL)
        return NULL;
    if (zero && p - whole > 1) {
        fail(j, whole, "a number may not begin with 0");
        return NULL;
    }
    if (p < j->end && *p == '.') {
        p = scan_digits(j, p + 1);
        if (p == NULL)
            return NULL;
    }
    if (p < j->end && (*p == 'e' || *p == 'E')) {
        p++;
        if (p < j->end && (*p == '+' || *p == '-'))
            p++;
        p = scan_digits(j, p);
    }
    return p;
}

static const char *scan_literal(struct json *j, const char *p)
{
    str left = str_make(p, (size_t)(j->end - p));
    str word = *p == 't' ? STR("true") : *p == 'f' ? STR("false") : STR("null");
    if (str_starts_with(left, word))
        return p + word.len;
    fail(j, p, "unknown word: expected true, false or null");
    return NULL;
}

static enum json_type type_at(char c)
{
    switch (c) {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return c == '-' || (c >= '0' && c <= '9') ? JSON_NUMBER : JSON_NONE;
    }
}

/* A value that is neither object nor array. */
static const char *scan_scalar(struct json *j, const char *p)
{
    bool has_escapes;
    switch (type_at(*p)) {
    case JSON_STRING:
        return scan_string(j, p, &has_escapes);
    case JSON_NUMBER:
        return scan_number(j, p);
    case JSON_BOOL:
    case JSON_NULL:
        return scan_literal(j, p);
    default:
        fail(j, p, "expected a value");
        return NULL;
    }
}

/* A key with its colon and the space behind it; p is at what should be its quote. */
static const char *scan_key(struct json *j, const char *p, bool *has_escapes, const char **key_end)
{
    if (p == j->end) {
        fail_end(j);
        return NULL;
    }
    if (*p != '"') {
        fail(j, p, "expected a key in quotes");
        return NULL;
    }
    p = scan_string(j, p, has_escapes);
    if (p == NULL)
        return NULL;
    *key_end = p;
    p = skip_space(p, j->end);
    if (p == j->end) {
        fail_end(j);
        return NULL;
    }
    if (*p != ':') {
        fail(j, p, "expected a colon after the key");
        return NULL;
    }
    return skip_space(p + 1, j->end);
}

/* Where a skip stands in the objects and arrays that it entered: bit n of `objects` says that the
 * one at depth n is an object; `is_object`: the innermost is. */
struct nesting {
    uint32_t depth;
    bool is_object;
    uint64_t objects[SKIP_DEPTH_MAX / 64 + 1];
};

static void nesting_enter(struct nesting *n, bool is_object)
{
    uint64_t bit = UINT64_C(1) << n->depth % 64, *word = &n->objects[n->depth / 64];
    if (n->depth % 64 == 0)
        *word = 0;
    *word = is_object ? *word | bit : *word & ~bit;
    n->is_object = is_object;
    n->depth++;
}

static void nesting_leave(struct nesting *n)
{
    n->depth--;
    if (n->depth > 0)
        n->is_object = (n->objects[(n->depth - 1) / 64] >> (n->depth - 1) % 64 & 1) != 0;
}

/* Behind a value: leaves what ends here; gives the position of the next value, or with depth 0 the
 * end of it all. */
static const char *scan_after_value(struct json *j, const char *p, struct nesting *n)
{
    bool has_escapes;
    const char *key_end;
    while (n->depth > 0) {
        bool object = n->is_object;
        p = skip_space(p, j->end);
        if (p == j->end) {
            fail_end(j);
            return NULL;
        }
        if (*p == ',') {
            p = skip_space(p + 1, j->end);
            return object ? scan_key(j, p, &has_escapes, &key_end) : p;
        }
        if (*p != (object ? '}' : ']')) {
            fail(j, p, object ? "expected a comma or }" : "expected a comma or ]");
            return NULL;
        }
        p++;
        nesting_leave(n);
    }
    return p;
}

/* Any value, from its first byte on. */
static const char *scan_value(struct json *j, const char *p)
{
    struct nesting n;
    bool has_escapes;
    const char *key_end;
    n.depth = 0;
    n.is_object = false;
    do {
        if (p == j->end) {
            fail_end(j);
            return NULL;
        }
        char c = *p;
        if (c != '{' && c != '[') {
            p = scan_scalar(j, p);
        } else {
            if (n.depth >= SKIP_DEPTH_MAX) {
                fail(j, p, "objects and arrays nested more than 10000 deep");
                return NULL;
            }
            nesting_enter(&n, c == '{');
            p = skip_space(p + 1, j->end);
            if (p == j->end || *p != (c == '{' ? '}' : ']')) {
                if (c == '{')
                    p = scan_key(j, p, &has_escapes, &key_end);
                if (p == NULL)
                    return NULL;
                continue; /* with its first value */
            }
            p++;
            nesting_leave(&n);
        }
        if (p == NULL)
            return NULL;
        p = scan_after_value(j, p, &n);
        if (p == NULL)
            return NULL;
    } while (n.depth > 0);
    return p;
}

/* -- reading -- */

enum json_type json_peek(struct json *j)
{
    if (j->error != NULL)
        return JSON_NONE;
    j->pos = skip_space(j->pos, j->end);
    if (j->pos == j->end)
        return JSON_NONE;
    enum json_type type = type_at(*j->pos);
    if (type == JSON_NONE)
        fail(j, j->pos, "expected a value");
    return type;
}

/* As json_peek for those who need a value: there being none is an error. */
static enum json_type need_value(struct json *j)
{
    enum json_type type = json_peek(j);
    if (type == JSON_NONE)
        fail_end(j);
    return type;
}

static bool enter(struct json *j, enum json_type type)
{
    if (need_value(j) != type)
        return false;
    if (j->depth >= DEPTH_MAX)
        return fail(j, j->pos, "objects and arrays nested more than 64 deep");
    j->pos++;
    j->depth++;
    j->first[j->depth] = true;
    return true;
}

bool json_object(struct json *j)
{
    return enter(j, JSON_OBJECT);
}

bool json_array(struct json *j)
{
    return enter(j, JSON_ARRAY);
}

/* To the next member of the innermost object or array, or out of it: false then and after an error.
 */
static bool next_member(struct json *j, char closing)
{
    if (j->error != NULL)
        return false;
    CHECK(j->depth > 0);
    j->pos = skip_space(j->pos, j->end);
    if (j->pos == j->end)
        return fail_end(j);
    if (*j->pos == closing) {
        j->pos++;
        j->depth--;
        return false;
    }
    if (j->first[j->depth]) {
        j->first[j->depth] = false;
        return true;
    }
    if (*j->pos != ',')
        return fail(j, j->pos, closing == '}' ? "expected a comma or }" : "expected a comma or ]");
    j->pos = skip_space(j->pos + 1, j->end);
    if (j->pos < j->end && *j->pos == closing)
        return fail(j, j->pos, "a comma may not stand behind the last member");
    return true;
}

bool json_item(struct json *j)
{
    return next_member(j, ']');
}

/* The code unit of "\uXXXX" at p. */
static uint32_t code_unit(const char *p)
{
    uint32_t unit = 0;
    for (int i = 2; i < 6; i++)
        unit = unit << 4 | (uint32_t)hex_digit(p[i]);
    return unit;
}

static char *put_utf8(char *out, uint32_t c)
{
    if (c < 0x80) {
        *out++ = (char)c;
    } else if (c < 0x800) {
        *out++ = (char)(0xc0 | c >> 6);
        *out++ = (char)(0x80 | (c & 0x3f));
    } else if (c < 0x10000) {
        *out++ = (char)(0xe0 | c >> 12);
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    } else {
        *out++ = (char)(0xf0 | c >> 18);
        *out++ = (char)(0x80 | (c >> 12 & 0x3f));
        *out++ = (char)(0x80 | (c >> 6 & 0x3f));
        *out++ = (char)(0x80 | (c & 0x3f));
    }
    return out;
}

/* Decodes the escape at *p, which scan_escape accepted, and moves behind it; with the other half of
 * a surrogate pair. */
static char *decode_escape(char *out, const char **p, const char *end)
{
    static const char plain[] = "\"\\/bfnrt", meaning[] = "\"\\/\b\f\n\r\t";
    if ((*p)[1] != 'u') {
        *out++ = meaning[strchr(plain, (*p)[1]) - plain];
        *p += 2;
        return out;
    }
    uint32_t c = code_unit(*p);
    *p += 6;
    if (c >= 0xd800 && c <= 0xdfff) {
        bool high = c < 0xdc00 && end - *p >= 6 && (*p)[0] == '\\' && (*p)[1] == 'u';
        uint32_t low = high ? code_unit(*p) : 0;
        if (low >= 0xdc00 && low <= 0xdfff) {
            c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
            *p += 6;
        } else {
            c = 0xfffd;
        }
    }
    return put_utf8(out, c);
}

/* Decodes the checked content of a string into `out`, which has room for raw.len bytes (decoding
 * never makes it longer). */
static size_t decode_string(char *out, str raw)
{
    char *start = out;
    const char *p = raw.data, *end = raw.data + raw.len;
    while (p < end) {
        const char *escape = memchr(p, '\\', (size_t)(end - p));
        size_t len = (size_t)((escape == NULL ? end : escape) - p);
        memcpy(out, p, len);
        out += len;
        p += len;
        if (p < end)
            out = decode_escape(out, &p, end);
    }
    return (size_t)(out - start);
}

bool json_key(struct json *j, str *key)
{
    if (!next_member(j, '}'))
        return false;
    bool has_escapes = false;
    const char *start = j->pos, *key_end;
    const char *value = scan_key(j, start, &has_escapes, &key_end);
    if (value == NULL)
        return false;
    str raw = str_make(start + 1, (size_t)(key_end - start) - 2);
    if (has_escapes) {
        /* Six bytes of text make at least one, so that what could never fit is refused before
         * decoding. */
        char decoded[6 * sizeof j->key_text];
        size_t len = raw.len <= sizeof decoded ? decode_string(decoded, raw) : SIZE_MAX;
        if (len > sizeof j->key_text)
            return fail(j, start, "a key with escapes is longer than 1024 bytes");
        memcpy(j->key_text, decoded, len);
        raw = str_make(j->key_text, len);
    }
    *key = raw;
    j->pos = value;
    return true;
}

void json_skip(struct json *j)
{
    if (need_value(j) == JSON_NONE)
        return;
    const char *p = scan_value(j, j->pos);
    if (p != NULL)
        j->pos = p;
}

str json_raw(struct json *j)
{
    if (need_value(j) == JSON_NONE)
        return STR_NONE;
    const char *start = j->pos;
    json_skip(j);
    return j->error != NULL ? STR_NONE : str_make(start, (size_t)(j->pos - start));
}

/* The text of the next value if it is of `type`; else skips it. False then and after an error. */
static bool take_scalar(struct json *j, enum json_type type, str *text)
{
    bool wanted = json_peek(j) == type;
    *text = json_raw(j);
    return wanted && j->error == NULL;
}

bool json_get_string(struct json *j, struct arena *a, str *out)
{
    if (need_value(j) != JSON_STRING) {
        json_skip(j);
        return false;
    }
    bool has_escapes = false;
    const char *start = j->pos;
    const char *p = scan_string(j, start, &has_escapes);
    if (p == NULL)
        return false;
    j->pos = p;
    str raw = str_make(start + 1, (size_t)(p - start) - 2);
    if (has_escapes) {
        char *decoded = arena_alloc(a, raw.len);
        raw = str_make(decoded, decode_string(decoded, raw));
    }
    *out = raw;
    return true;
}

bool json_get_i64(struct json *j, int64_t *out)
{
    str text;
    return take_scalar(j, JSON_NUMBER, &text) && str_to_i64(text, out);
}

/* A checked number of at most 15 digits and a small power of ten: both are exact in a double, so
 * one operation rounds right. */
static bool small_double(str text, double *out)
{
    static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    uint64_t digits = 0;
    size_t digit_count = 0, fraction_count = 0, i = 0;
    bool negative = text.data[0] == '-', in_fraction = false;
    for (i = negative; i < text.len && text.data[i] != 'e' && text.data[i] != 'E'; i++) {
        if (text.data[i] == '.') {
            in_fraction = true;
            continue;
        }
        digits = digits * 10 + (uint64_t)(text.data[i] - '0');
        if (++digit_count > 15)
            return false;
        fraction_count += in_fraction;
    }
    int64_t exponent = 0;
    str tail = str_skip(text, i + 1);
    if (str_starts_with(tail, STR("+")))
        tail = str_skip(tail, 1);
    if (i < text.len && !str_to_i64(tail, &exponent))
        return false;
    if (exponent < -100 || exponent > 100)
        return false;
    exponent -= (int64_t)fraction_count;
    if (exponent < -22 || exponent > 22)
        return false;
    double n =
        exponent < 0 ? (double)digits / powers[-exponent] : (double)digits * powers[exponent];
    *out = negative ? -n : n;
    return true;
}

bool json_get_double(struct json *j, double *out)
{
    str text;
    if (!take_scalar(j, JSON_NUMBER, &text))
        return false;
    if (small_double(text, out))
        return true;
    char small[64];
    char *copy = text.len < sizeof small ? small : mem_alloc(text.len + 1);
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    double n = strtod(copy, NULL);
    if (copy != small)
        mem_free(copy);
    if (!isfinite(n))
        return false;
    *out = n;
    return true;
}

bool json_get_bool(struct json *j, bool *out)
{
    str text;
    if (!take_scalar(j, JSON_BOOL, &text))
        return false;
    *out = text.data[0] == 't';
    return true;
}
