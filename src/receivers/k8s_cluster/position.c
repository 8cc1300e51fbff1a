/*
 * Text of a position. Life of one: printed with each batch of entity events, noted by the service
 * when exporters have acknowledged the batch, read by the next leader.
 *
 * Invariants
 *  - what position_parse accepts prints to the same text again.
 *  - 180 streams take at most about 1.5 KiB while their versions are within 30 million of each
 *    other; the note has 4 KiB for all receivers.
 *  - a text that was cut, edited or belongs to other streams is refused as a whole: a wrong mark
 *    would lose events, none only repeats them.
 */
#include "receivers/k8s_cluster/position.h"

#include "base/map.h"

enum {
    HASH_CHARS = 6,
    PRINT_CHARS = FINGERPRINT_BITS / 6,
    GROUP_BITS = 5,
    GROUP_MORE = 1 << GROUP_BITS,
    VERSION_UNKNOWN = 0,
    VERSION_NOTHING = 1,
    VERSION_FIRST = 2,
};
static const char format_version = '1';

static uint64_t hash_text(uint64_t seed, str text)
{
    /* No secret, as all replicas must agree: it guards against accidents, not against intent. */
    const uint64_t key[2] = {seed, UINT64_C(0x706f736974696f6e)};
    return sip_hash(key, text);
}

uint64_t position_hash(uint64_t so_far, unsigned kind, str namespace)
{
    return hash_text(hash_text(so_far, namespace) + kind, STR("stream"));
}

/* ---- characters ---- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static int digit_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '-' ? 62 : c == '_' ? 63 : -1;
}

static void put_fixed(struct buf *out, uint64_t number, int chars)
{
    for (int i = 0; i < chars; i++, number >>= 6)
        buf_byte(out, alphabet[number & 63]);
}

static void put_number(struct buf *out, uint64_t number)
{
    for (; number >= GROUP_MORE; number >>= GROUP_BITS)
        buf_byte(out, alphabet[GROUP_MORE | (number & (GROUP_MORE - 1))]);
    buf_byte(out, alphabet[number]);
}

static bool take_fixed(str *text, uint64_t *number, int chars)
{
    *number = 0;
    if (text->len < (size_t)chars)
        return false;
    for (int i = 0; i < chars; i++) {
        int digit = digit_of(text->data[i]);
        if (digit < 0)
            return false;
        *number |= (uint64_t)digit << (6 * i);
    }
    *text = str_skip(*text, (size_t)chars);
    return true;
}

static bool take_number(str *text, uint64_t *number)
{
    *number = 0;
    for (int shift = 0; text->len > 0; shift += GROUP_BITS) {
        int digit = digit_of(text->data[0]);
        if (digit < 0 || shift > 60)
            return false;
        *text = str_skip(*text, 1);
        uint64_t group = (uint64_t)digit & (GROUP_MORE - 1);
        if (shift == 60 && group > 15) /* beyond 64 bits */
            return false;
        *number |= group << shift;
        if (digit < GROUP_MORE)
            return shift == 0 || group != 0; /* one text for one number */
    }
    return false;
}

/* ---- positions ---- */

/* No API server counts beyond 63 bits. */
static bool has_text(const struct stream_mark *m)
{
    return m->known && m->version <= INT64_MAX;
}

void position_print(struct buf *out, uint64_t streams_hash, int64_t repeated_ms,
                    const struct stream_mark *marks, size_t count)
{
    size_t start = out->len;
    uint64_t base = 0;
    for (size_t i = 0; i < count; i++)
        if (has_text(&marks[i]) && marks[i].version > base)
            base = marks[i].version;
    buf_byte(out, format_version);
    put_fixed(out, streams_hash, HASH_CHARS);
    put_number(out, base);
    put_number(out, repeated_ms < 0 ? 0 : (uint64_t)repeated_ms);
    for (size_t i = 0; i < count; i++) {
        const struct stream_mark *m = &marks[i];
        if (!has_text(m)) {
            put_number(out, VERSION_UNKNOWN);
            continue;
        }
        put_number(out, m->version == 0 ? VERSION_NOTHING : base - m->version + VERSION_FIRST);
        put_fixed(out, m->fingerprint, PRINT_CHARS);
    }
    if (out->overflow)
        return;
    put_fixed(out, hash_text(0, str_skip(buf_view(out), start)), HASH_CHARS);
}

static bool take_mark(str *text, uint64_t base, struct stream_mark *m)
{
    uint64_t version;
    *m = (struct stream_mark){.known = false};
    if (!take_number(text, &version))
        return false;
    if (version == VERSION_UNKNOWN)
        return true;
    m->known = true;
    if (version != VERSION_NOTHING) {
        if (version - VERSION_FIRST >= base)
            return false;
        m->version = base - (version - VERSION_FIRST);
    }
    return take_fixed(text, &m->fingerprint, PRINT_CHARS);
}

/* Reads all behind the check; marks may be NULL. */
static bool take_body(str text, uint64_t streams_hash, int64_t *repeated_ms,
                      struct stream_mark *marks, size_t count, struct err *err)
{
    uint64_t hash, base, repeated;
    const uint64_t hash_mask = (UINT64_C(1) << (6 * HASH_CHARS)) - 1;
    if (!take_fixed(&text, &hash, HASH_CHARS) || !take_number(&text, &base) ||
        !take_number(&text, &repeated) || base > INT64_MAX || repeated > INT64_MAX)
        return err_set(err, "position: malformed at its beginning");
    if (hash != (streams_hash & hash_mask))
        return err_set(err, "position: belongs to other kinds or namespaces than are watched now");
    uint64_t highest = 0;
    for (size_t i = 0; i < count; i++) {
        struct stream_mark mark;
        if (!take_mark(&text, base, &mark))
            return err_set(err, "position: malformed at stream %zu of %zu", i + 1, count);
        if (mark.version > highest)
            highest = mark.version;
        if (marks != NULL)
            marks[i] = mark;
    }
    if (text.len > 0 || highest != base)
        return err_set(err, "position: malformed at its end");
    *repeated_ms = (int64_t)repeated;
    return true;
}

bool position_parse(str text, uint64_t streams_hash, int64_t *repeated_ms,
                    struct stream_mark *marks, size_t count, struct err *err)
{
    if (text.len < 1 + HASH_CHARS || text.data[0] != format_version)
        return err_set(err, "position: expected a text that begins with '%c'", format_version);
    str body = str_make(text.data, text.len - HASH_CHARS);
    str check_text = str_skip(text, body.len);
    uint64_t check;
    uint64_t expected = hash_text(0, body) & ((UINT64_C(1) << (6 * HASH_CHARS)) - 1);
    if (!take_fixed(&check_text, &check, HASH_CHARS) || check != expected)
        return err_set(err, "position: cut or edited, as its check does not fit");
    body = str_skip(body, 1);
    int64_t repeated;
    return take_body(body, streams_hash, &repeated, NULL, count, err) &&
           take_body(body, streams_hash, repeated_ms, marks, count, err);
}
