/*
 * Error answers of an API server.
 *
 * The decoder is chosen by the first bytes, not by Content-Type: errors are not always in the
 * encoding that was asked for (a 429 of priority and fairness and a 404 of an unknown path are
 * text, some 503 are JSON whatever the Accept header said).
 *
 * Nothing here is trusted: a message may come from a proxy or a stranger, so it is cut and its
 * control characters go before it reaches a log line.
 *
 * Specification: meta/v1 Status and StatusDetails, runtime.Unknown (the protobuf envelope).
 */
#include "kube/status.h"

#include "base/limits.h"
#include "wire/pb.h"

static void status_init(struct kube_status *s)
{
    *s = (struct kube_status){.retry_after_s = -1};
}

/* -- JSON -- */

static void read_details(struct kube_status *s, struct json *j)
{
    if (!json_object(j)) {
        json_skip(j);
        return;
    }
    str key;
    while (json_key(j, &key)) {
        int64_t seconds;
        if (!str_eqz(key, "retryAfterSeconds"))
            json_skip(j);
        else if (json_get_i64(j, &seconds) && seconds > 0 && seconds <= INT32_MAX)
            s->retry_after_s = seconds;
    }
}

void status_read_json(struct kube_status *s, struct arena *a, struct json *j)
{
    status_init(s);
    if (!json_object(j)) {
        json_skip(j);
        return;
    }
    str key, kind = STR_NONE;
    while (json_key(j, &key)) {
        int64_t code;
        if (str_eqz(key, "kind"))
            json_get_string(j, a, &kind);
        else if (str_eqz(key, "reason"))
            json_get_string(j, a, &s->reason);
        else if (str_eqz(key, "message"))
            json_get_string(j, a, &s->message);
        else if (str_eqz(key, "details"))
            read_details(s, j);
        else if (!str_eqz(key, "code"))
            json_skip(j);
        else if (json_get_i64(j, &code) && code >= 100 && code <= 599)
            s->code = (int)code;
    }
    s->found = !json_failed(j) && str_eqz(kind, "Status");
    if (!s->found)
        status_init(s);
}

/* -- protobuf -- */

/* The envelope: type = 1 {apiVersion = 1, kind = 2}, raw = 2. */
static bool read_envelope(str body, str *raw)
{
    struct pb p;
    pb_init(&p, body);
    bool is_status = false;
    while (pb_next(&p)) {
        if (p.field == 1) { /* runtime.Unknown.typeMeta */
            struct pb type = pb_message(&p);
            while (pb_next(&type)) {
                if (type.field == 2) /* runtime.TypeMeta.kind */
                    is_status = str_eqz(pb_bytes(&type), "Status");
                else
                    pb_skip(&type);
            }
        } else if (p.field == 2) { /* runtime.Unknown.raw */
            *raw = pb_bytes(&p);
        } else {
            pb_skip(&p);
        }
    }
    return is_status && !pb_failed(&p);
}

static void read_protobuf(struct kube_status *s, str body)
{
    str raw = STR_NONE;
    if (!read_envelope(body, &raw))
        return;
    struct pb p;
    pb_init(&p, raw);
    while (pb_next(&p)) {
        switch (p.field) {
        case 3: /* Status.message */
            s->message = pb_bytes(&p);
            break;
        case 4: /* Status.reason */
            s->reason = pb_bytes(&p);
            break;
        case 5: { /* Status.details */
            struct pb details = pb_message(&p);
            while (pb_next(&details)) {
                if (details.field != 5) { /* StatusDetails.retryAfterSeconds */
                    pb_skip(&details);
                    continue;
                }
                int32_t seconds = pb_i32(&details);
                if (seconds > 0)
                    s->retry_after_s = seconds;
            }
            break;
        }
        case 6: { /* Status.code */
            int32_t code = pb_i32(&p);
            if (code >= 100 && code <= 599)
                s->code = code;
            break;
        }
        default:
            pb_skip(&p);
        }
    }
    if (pb_failed(&p))
        status_init(s);
    else
        s->found = true;
}

/* -- any body -- */

static void read_text(struct kube_status *s, str body)
{
    body = str_trim(body);
    s->is_html = body.len > 0 && body.data[0] == '<';
    if (s->is_html) {
        s->message =
            STR("the answer is HTML: not from an API server but a proxy or another server");
        return;
    }
    str line, rest;
    str_cut(body, '\n', &line, &rest);
    line = str_trim(line);
    if (str_is_utf8(line))
        s->message = line;
}

void status_parse(struct kube_status *s, struct arena *a, str body)
{
    static const str magic = {"k8s\0", 4};
    status_init(s);
    if (str_starts_with(body, magic)) {
        read_protobuf(s, str_skip(body, magic.len));
        return;
    }
    str text = str_trim(body);
    if (text.len == 0 || text.data[0] != '{') {
        read_text(s, body);
        return;
    }
    struct json j;
    json_init(&j, text);
    status_read_json(s, a, &j);
    if (!s->found)
        read_text(s, body);
}

/* -- for people -- */

static const char *status_phrase(int http_status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {409, "Conflict"},
        {410, "Gone"},
        {413, "Request Entity Too Large"},
        {415, "Unsupported Media Type"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {500, "Internal Server Error"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < COUNT_OF(phrases); i++)
        if (phrases[i].status == http_status)
            return phrases[i].phrase;
    return NULL;
}

static void print_line(struct buf *b, str text)
{
    size_t len = text.len;
    if (len > LIMIT_STATUS_MESSAGE_BYTES) {
        len = LIMIT_STATUS_MESSAGE_BYTES;
        while (len > 0 && ((unsigned char)text.data[len] & 0xC0) == 0x80)
            len--; /* not inside a character */
    }
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        buf_byte(b, c < 0x20 || c == 0x7F ? ' ' : text.data[i]);
    }
    if (len < text.len)
        buf_text(b, "...");
}

void status_print(struct buf *b, int http_status, const struct kube_status *s)
{
    buf_printf(b, "%d", http_status);
    const char *phrase = status_phrase(http_status);
    if (phrase != NULL)
        buf_printf(b, " %s", phrase);
    if (s->reason.len > 0) {
        buf_text(b, " (");
        print_line(b, s->reason);
        buf_byte(b, ')');
    }
    if (s->message.len > 0) {
        buf_text(b, ": ");
        print_line(b, s->message);
    }
}
