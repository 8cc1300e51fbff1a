/*
 * Text of values as the reference prints them.
 *
 * A plain value is its text. Maps and slices are JSON as Go's encoding/json writes it from a map:
 * keys in the order of their bytes, of equal keys the last one, U+2028 and U+2029 escaped, invalid
 * bytes written as the escape of U+FFFD. The reference up to v0.151 also escaped < > and &; we
 * follow the newer form. JSON knows no NaN: a map or slice that holds one prints as nothing.
 *
 * Nested deeper than LIMIT_VALUE_DEPTH: null.
 */
#include "telemetry/value_text.h"

#include <math.h>
#include <stdlib.h>

#include "base/limits.h"
#include "wire/text.h"

const char *value_kind_name(enum value_kind kind)
{
    static const char *const names[] = {
        [VALUE_EMPTY] = "Empty",   [VALUE_STR] = "Str",     [VALUE_BOOL] = "Bool",
        [VALUE_INT] = "Int",       [VALUE_MAP] = "Map",     [VALUE_SLICE] = "Slice",
        [VALUE_DOUBLE] = "Double", [VALUE_BYTES] = "Bytes",
    };
    CHECK((size_t)kind < COUNT_OF(names));
    return names[kind];
}

/* Whether JSON can say it: no NaN and no infinity. */
static bool is_finite_throughout(const struct value *v, unsigned depth)
{
    if (v->kind == VALUE_DOUBLE)
        return isfinite(v->real);
    if (depth >= LIMIT_VALUE_DEPTH)
        return true;
    if (v->kind == VALUE_MAP) {
        for (size_t i = 0; i < v->map.count; i++) {
            if (!is_finite_throughout(&v->map.items[i].value, depth + 1))
                return false;
        }
    } else if (v->kind == VALUE_SLICE) {
        for (size_t i = 0; i < v->slice.count; i++) {
            if (!is_finite_throughout(&v->slice.items[i], depth + 1))
                return false;
        }
    }
    return true;
}

static void json_escape(struct buf *out, unsigned char c)
{
    /* Each character that has a short escape, then its letter. */
    static const char letters[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    const char *found = c == 0 ? NULL : strchr(letters, c);
    if (found != NULL)
        buf_printf(out, "\\%c", found[1]);
    else
        buf_printf(out, "\\u%04x", c);
}

static void json_text(struct buf *out, str s)
{
    buf_byte(out, '"');
    while (s.len > 0) {
        /* A run that stands as it is. */
        size_t run = 0;
        while (run < s.len && (unsigned char)s.data[run] >= 0x20 &&
               (unsigned char)s.data[run] < 0x80 && s.data[run] != '"' && s.data[run] != '\\')
            run++;
        buf_append(out, s.data, run);
        s = str_skip(s, run);
        if (s.len == 0)
            break;
        size_t len = str_utf8_len(s);
        if (len == 0)
            buf_text(out, "\\ufffd");
        else if (len == 1)
            json_escape(out, (unsigned char)s.data[0]);
        else if (len == 3 && memcmp(s.data, "\xe2\x80\xa8", 3) == 0)
            buf_text(out, "\\u2028");
        else if (len == 3 && memcmp(s.data, "\xe2\x80\xa9", 3) == 0)
            buf_text(out, "\\u2029");
        else
            buf_append(out, s.data, len);
        s = str_skip(s, len == 0 ? 1 : len);
    }
    buf_byte(out, '"');
}

/* By key, then by place in the map. */
static int compare_attributes(const void *left, const void *right)
{
    const struct attribute *a = *(const struct attribute *const *)left;
    const struct attribute *b = *(const struct attribute *const *)right;
    int order = str_compare(a->key, b->key);
    return order != 0 ? order : (a > b) - (a < b);
}

static void json_value(struct buf *out, const struct value *v, unsigned depth);

static void json_map(struct buf *out, const struct value *v, unsigned depth)
{
    size_t count = v->map.count;
    buf_byte(out, '{');
    const struct attribute **sorted = mem_alloc(count * sizeof *sorted);
    for (size_t i = 0; i < count; i++)
        sorted[i] = &v->map.items[i];
    if (count > 0)
        qsort(sorted, count, sizeof *sorted, compare_attributes);
    bool first = true;
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && str_eq(sorted[i]->key, sorted[i + 1]->key))
            continue;
        if (!first)
            buf_byte(out, ',');
        first = false;
        json_text(out, sorted[i]->key);
        buf_byte(out, ':');
        json_value(out, &sorted[i]->value, depth + 1);
    }
    mem_free(sorted);
    buf_byte(out, '}');
}

static void json_slice(struct buf *out, const struct value *v, unsigned depth)
{
    buf_byte(out, '[');
    for (size_t i = 0; i < v->slice.count; i++) {
        if (i > 0)
            buf_byte(out, ',');
        json_value(out, &v->slice.items[i], depth + 1);
    }
    buf_byte(out, ']');
}

static void json_value(struct buf *out, const struct value *v, unsigned depth)
{
    bool is_nested = v->kind == VALUE_MAP || v->kind == VALUE_SLICE;
    if (v->kind == VALUE_EMPTY || (v->kind == VALUE_BYTES && v->text.len == 0) ||
        (is_nested && depth >= LIMIT_VALUE_DEPTH)) {
        buf_text(out, "null");
    } else if (v->kind == VALUE_MAP) {
        json_map(out, v, depth);
    } else if (v->kind == VALUE_SLICE) {
        json_slice(out, v, depth);
    } else if (v->kind == VALUE_STR) {
        json_text(out, v->text);
    } else if (v->kind == VALUE_BYTES) {
        buf_byte(out, '"');
        base64_encode(out, v->text);
        buf_byte(out, '"');
    } else {
        value_text(out, v);
    }
}

void value_text(struct buf *out, const struct value *v)
{
    switch (v->kind) {
    case VALUE_EMPTY:
        break;
    case VALUE_STR:
        buf_str(out, v->text);
        break;
    case VALUE_BOOL:
        buf_text(out, v->boolean ? "true" : "false");
        break;
    case VALUE_INT:
        buf_printf(out, "%" PRId64, v->integer);
        break;
    case VALUE_DOUBLE:
        if (isnan(v->real))
            buf_text(out, "NaN");
        else if (isinf(v->real))
            buf_text(out, v->real > 0 ? "Infinity" : "-Infinity");
        else
            buf_double(out, v->real);
        break;
    case VALUE_MAP:
    case VALUE_SLICE:
        if (is_finite_throughout(v, 0))
            json_value(out, v, 0);
        break;
    case VALUE_BYTES:
        base64_encode(out, v->text);
        break;
    }
}

void fixed_text(struct buf *out, double n)
{
    if (isnan(n))
        buf_text(out, "NaN");
    else if (isinf(n))
        buf_text(out, n > 0 ? "+Inf" : "-Inf");
    else
        buf_printf(out, "%f", n);
}

void id_text(struct buf *out, const uint8_t *id, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (id[i] != 0) {
            hex_encode(out, str_make((const char *)id, len));
            return;
        }
    }
}
