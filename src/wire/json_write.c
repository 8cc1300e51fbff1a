/*
 * JSON writer: text goes straight into a buffer, commas come by themselves.
 *
 * Life of a document: calls in document order; one flag is enough to know whether a comma is due,
 * since an opening bracket and a key clear it and every finished value sets it. Room is the
 * buffer's affair (overflow is sticky there). That objects are closed and keys precede values is
 * the caller's affair.
 */
#include "wire/json.h"

static void before_value(struct json_writer *w)
{
    if (w->need_comma)
        buf_byte(w->out, ',');
    w->need_comma = true;
}

void json_write_object(struct json_writer *w)
{
    before_value(w);
    buf_byte(w->out, '{');
    w->need_comma = false;
}

void json_write_object_end(struct json_writer *w)
{
    buf_byte(w->out, '}');
    w->need_comma = true;
}

void json_write_array(struct json_writer *w)
{
    before_value(w);
    buf_byte(w->out, '[');
    w->need_comma = false;
}

void json_write_array_end(struct json_writer *w)
{
    buf_byte(w->out, ']');
    w->need_comma = true;
}

void json_write_key(struct json_writer *w, str key)
{
    before_value(w);
    buf_json_string(w->out, key);
    buf_byte(w->out, ':');
    w->need_comma = false;
}

void json_write_string(struct json_writer *w, str s)
{
    before_value(w);
    buf_json_string(w->out, s);
}

static void put_decimal(struct buf *b, bool negative, uint64_t n)
{
    char text[21]; /* a sign and 20 digits */
    size_t at = sizeof text;
    do {
        text[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    if (negative)
        text[--at] = '-';
    buf_append(b, text + at, sizeof text - at);
}

void json_write_i64(struct json_writer *w, int64_t n)
{
    before_value(w);
    put_decimal(w->out, n < 0, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

void json_write_u64(struct json_writer *w, uint64_t n)
{
    before_value(w);
    put_decimal(w->out, false, n);
}

void json_write_double(struct json_writer *w, double n)
{
    before_value(w);
    buf_double(w->out, n);
}

void json_write_bool(struct json_writer *w, bool b)
{
    before_value(w);
    buf_text(w->out, b ? "true" : "false");
}

void json_write_null(struct json_writer *w)
{
    before_value(w);
    buf_text(w->out, "null");
}

void json_write_raw(struct json_writer *w, str raw)
{
    before_value(w);
    buf_str(w->out, raw);
}

void json_write_key_string(struct json_writer *w, str key, str value)
{
    json_write_key(w, key);
    json_write_string(w, value);
}

void json_write_key_i64(struct json_writer *w, str key, int64_t value)
{
    json_write_key(w, key);
    json_write_i64(w, value);
}
