/*
 * Bytes as text and back: base64 (RFC 4648 sections 4 and 5), hexadecimal digits, percent encoding
 * (RFC 3986 section 2.1).
 *
 * Decoders append to a buffer whose maximum is the limit; on malformed text, or when it does not
 * fit, they give false and leave the buffer's content as it was, so that half a token or
 * certificate never gets any further.
 */
#include "wire/text.h"

/* Value of a base64 digit, or -1. */
static int base64_digit(char c, bool url)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == (url ? '-' : '+'))
        return 62;
    if (c == (url ? '_' : '/'))
        return 63;
    return -1;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Digits in groups of four; what is left at the end is the tail of the bytes, so that padding is
 * only checked, never needed. */
static bool decode(str text, struct buf *out, bool url)
{
    uint32_t group = 0;
    size_t digit_count = 0, pad_count = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!url && is_space(c))
            continue;
        if (!url && c == '=') {
            pad_count++;
            continue;
        }
        int digit = base64_digit(c, url);
        if (digit < 0 || pad_count > 0)
            return false;
        group = group << 6 | (uint32_t)digit;
        if (++digit_count % 4 == 0) {
            const char bytes[3] = {(char)(group >> 16), (char)(group >> 8), (char)group};
            buf_append(out, bytes, sizeof bytes);
            group = 0;
        }
    }
    size_t tail = digit_count % 4;
    if (tail == 1 || (pad_count > 0 && (tail == 0 || tail + pad_count != 4)))
        return false;
    group <<= 6 * (4 - tail);
    if (tail >= 2)
        buf_byte(out, (char)(group >> 16));
    if (tail == 3)
        buf_byte(out, (char)(group >> 8));
    return !out->overflow;
}

static bool decode_or_nothing(str text, struct buf *out, bool url)
{
    size_t len = out->len;
    if (decode(text, out, url))
        return true;
    out->len = len;
    return false;
}

bool base64_decode(str text, struct buf *out)
{
    return decode_or_nothing(text, out, false);
}

bool base64url_decode(str text, struct buf *out)
{
    return decode_or_nothing(text, out, true);
}

void base64_encode(struct buf *out, str bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < bytes.len; i += 3) {
        size_t count = bytes.len - i < 3 ? bytes.len - i : 3;
        uint32_t group = 0;
        for (size_t k = 0; k < 3; k++)
            group = group << 8 | (k < count ? (uint8_t)bytes.data[i + k] : 0u);
        const char text[4] = {
            digits[group >> 18 & 63],
            digits[group >> 12 & 63],
            count > 1 ? digits[group >> 6 & 63] : '=',
            count > 2 ? digits[group & 63] : '=',
        };
        buf_append(out, text, sizeof text);
    }
}

void hex_encode(struct buf *out, str bytes)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < bytes.len; i++) {
        uint8_t byte = (uint8_t)bytes.data[i];
        const char text[2] = {digits[byte >> 4], digits[byte & 15]};
        buf_append(out, text, sizeof text);
    }
}

static bool is_unreserved(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_' || c == '~';
}

void url_encode(struct buf *out, str s)
{
    static const char digits[] = "0123456789ABCDEF";
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte = (uint8_t)s.data[i];
        if (is_unreserved(s.data[i])) {
            buf_byte(out, s.data[i]);
        } else {
            const char text[3] = {'%', digits[byte >> 4], digits[byte & 15]};
            buf_append(out, text, sizeof text);
        }
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool url_decode(str s, struct buf *out)
{
    size_t len = out->len;
    for (size_t i = 0; i < s.len; i++) {
        if (s.data[i] != '%') {
            buf_byte(out, s.data[i]);
            continue;
        }
        int high = s.len - i > 2 ? hex_digit(s.data[i + 1]) : -1;
        int low = s.len - i > 2 ? hex_digit(s.data[i + 2]) : -1;
        if (high < 0 || low < 0) {
            out->len = len;
            return false;
        }
        buf_byte(out, (char)(high << 4 | low));
        i += 2;
    }
    if (!out->overflow)
        return true;
    out->len = len;
    return false;
}
