/*
 * A watch on Leases as a stream of JSON documents {"type": ..., "object": ...}, one after the
 * other.
 *
 * Bytes arrive in pieces that have nothing to do with documents. The framer finds the end of each
 * document; only what is cut off at the end of a piece is copied and kept. A document that is
 * complete within a piece is read where it lies.
 *
 * Whatever the server sends, the stream ends in a defined way: an ERROR event gives its Status,
 * anything that is no watch event gives an error with the reason, and nothing is read after either.
 *
 * Specification: Kubernetes API concepts, "Efficient detection of changes"; the bookmark annotation
 * of KEP-3157.
 */
#include "kube/lease_stream.h"

#include "base/limits.h"

enum { STREAM_ARENA_BYTES = 512 };

void lease_stream_init(struct lease_stream *s)
{
    memset(s, 0, sizeof *s);
    buf_init(&s->pending, LIMIT_LEASE_BYTES + 4096);
    arena_init(&s->arena, STREAM_ARENA_BYTES);
    lease_init(&s->lease);
}

void lease_stream_deinit(struct lease_stream *s)
{
    buf_deinit(&s->pending);
    arena_deinit(&s->arena);
    lease_deinit(&s->lease);
}

bool lease_stream_is_between(const struct lease_stream *s)
{
    return str_trim(buf_view(&s->pending)).len == 0;
}

static enum lease_stream_step broken(struct lease_stream *s)
{
    s->over = true;
    return LEASE_STREAM_BROKEN;
}

static enum lease_stream_step bookmark(const struct lease_stream *s)
{
    str end = lease_annotation_get(&s->lease, STR("k8s.io/initial-events-end"));
    return str_eqz(end, "true") ? LEASE_STREAM_SYNCED : LEASE_STREAM_BOOKMARK;
}

static enum lease_stream_step read_error(struct lease_stream *s, str object, struct err *err)
{
    struct json j;
    json_init(&j, object);
    status_read_json(&s->status, &s->arena, &j);
    s->over = true;
    s->status.reason = arena_str(&s->arena, s->status.reason);
    s->status.message = arena_str(&s->arena, s->status.message);
    if (s->status.found)
        return LEASE_STREAM_ERROR;
    err_set(err, "an ERROR event without a Status in it");
    return LEASE_STREAM_BROKEN;
}

static enum lease_stream_step read_event(struct lease_stream *s, str type, str object,
                                         struct err *err)
{
    if (str_eqz(type, "ERROR"))
        return read_error(s, object, err);
    enum lease_stream_step step;
    if (str_eqz(type, "ADDED") || str_eqz(type, "MODIFIED"))
        step = LEASE_STREAM_SEEN;
    else if (str_eqz(type, "DELETED"))
        step = LEASE_STREAM_DELETED;
    else if (str_eqz(type, "BOOKMARK"))
        step = LEASE_STREAM_BOOKMARK;
    else {
        err_set(err, "an event of type \"%.*s\"", type.len > 40 ? 40 : (int)type.len, type.data);
        return broken(s);
    }
    if (!lease_parse(&s->lease, object, err)) {
        err_wrap(err, "a %.*s event", STR_ARG(type));
        return broken(s);
    }
    return step == LEASE_STREAM_BOOKMARK ? bookmark(s) : step;
}

static enum lease_stream_step read_document(struct lease_stream *s, str document, struct err *err)
{
    struct json j;
    str key, type = STR_NONE, object = STR_NONE;
    arena_deinit(&s->arena);
    arena_init(&s->arena, STREAM_ARENA_BYTES);
    json_init(&j, document);
    bool is_object = json_object(&j);
    while (is_object && json_key(&j, &key)) {
        if (str_eqz(key, "type"))
            json_get_string(&j, &s->arena, &type);
        else if (str_eqz(key, "object"))
            object = json_raw(&j);
        else
            json_skip(&j);
    }
    if (is_object && !json_finish(&j, err)) {
        err_wrap(err, "watch event");
        return broken(s);
    }
    if (!is_object || type.len == 0 || object.len == 0) {
        err_set(err, "expected a watch event with type and object");
        return broken(s);
    }
    return read_event(s, type, object, err);
}

enum lease_stream_step lease_stream_next(struct lease_stream *s, str *data, struct err *err)
{
    if (s->over) {
        *data = str_skip(*data, data->len);
        return LEASE_STREAM_MORE;
    }
    bool is_complete;
    size_t used = json_frame(&s->framer, *data, &is_complete);
    str piece = str_make(data->data, used);
    *data = str_skip(*data, used);
    bool is_whole = is_complete && s->pending.len == 0;
    if (!is_whole)
        buf_str(&s->pending, piece);
    if (s->pending.overflow) {
        err_set(err, "an event of more than %zu bytes", s->pending.max);
        return broken(s);
    }
    if (!is_complete)
        return LEASE_STREAM_MORE;
    enum lease_stream_step step = read_document(s, is_whole ? piece : buf_view(&s->pending), err);
    buf_clear(&s->pending);
    return step;
}
