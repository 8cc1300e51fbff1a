/*
 * Answers of list and watch into steps: what both encodings share, and protobuf.
 *
 * Life of a piece: watch_stream_next takes bytes from it until something is complete. That is read
 * where it lies if all of it is in the piece; else it is gathered in `pending`, which is emptied by
 * the call after the one that gave it out, and given back if it has become large.
 *
 * A protobuf list is one message that may have hundreds of megabytes: magic, runtime.Unknown, in
 * its field `raw` the list message, whose items are fields. It is read field by field, and no more
 * than one item is ever kept. A protobuf watch is a row of frames: length in four bytes, big
 * endian, then a WatchEvent without magic, in which the object stands in an envelope with magic.
 *
 * Whatever comes, a stream ends in a defined way: ERROR gives the Status, BROKEN the reason, and
 * nothing is read after either. The steps do not depend on where the bytes are cut.
 *
 * Specification: Kubernetes API concepts (protobuf encoding, watch); runtime.Unknown, meta/v1
 * WatchEvent, ListMeta and ObjectMeta; the bookmark annotation of KEP-3157.
 */
#include "kube/watch_stream.h"

#include "base/limits.h"
#include "wire/pb.h"

enum {
    ARENA_BYTES = 512,
    PENDING_KEPT_BYTES = 16 * 1024,  /* most streams have few large objects */
    LIST_META_BYTES_MAX = 64 * 1024, /* a continue token is the greatest part of it */
    DOCUMENT_AROUND_BYTES = 4096,    /* of a JSON event, around the object */
    VARINT_SHIFT_MAX = 63,
    MAGIC_BYTES = 4,
    FRAME_HEAD_BYTES = 4,
};
static const str magic = {"k8s\0", MAGIC_BYTES};

/* States of protobuf streams; a new stream begins in the first of its sort. */
enum {
    FRAME_HEAD,
    FRAME_BODY,
    LIST_MAGIC = 0,
    LIST_TAG,
    LIST_LENGTH,
    LIST_VALUE,
    LIST_VARINT, /* to be skipped */
    LIST_SKIP,
};

bool watch_stream_init(struct watch_stream *s, bool is_list, str content_type, struct err *err)
{
    str type, parameters;
    memset(s, 0, sizeof *s);
    buf_init(&s->pending, LIMIT_WATCH_EVENT_BYTES + DOCUMENT_AROUND_BYTES);
    arena_init(&s->arena, ARENA_BYTES);
    s->is_list = is_list;
    str_cut(content_type, ';', &type, &parameters);
    type = str_trim(type);
    if (str_eq_nocase(type, STR("application/vnd.kubernetes.protobuf")))
        s->format = FORMAT_PROTOBUF;
    else if (str_eq_nocase(type, STR("application/json")))
        s->format = FORMAT_JSON;
    else
        return err_set(err, "the answer is \"%.*s\", expected Kubernetes' protobuf or JSON",
                       type.len > 100 ? 100 : (int)type.len, type.len == 0 ? "" : type.data);
    return true;
}

void watch_stream_deinit(struct watch_stream *s)
{
    buf_deinit(&s->pending);
    arena_deinit(&s->arena);
}

enum stream_step watch_stream_broken(struct watch_stream *s, struct err *err, const char *reason)
{
    s->over = true;
    err_set(err, "%s", reason);
    return STREAM_BROKEN;
}

/* What was given out of `pending` is not needed any more. */
static void release_pending(struct watch_stream *s)
{
    if (!s->pending_is_read)
        return;
    if (s->pending.cap > PENDING_KEPT_BYTES)
        buf_deinit(&s->pending);
    buf_clear(&s->pending);
    s->pending_is_read = false;
}

/* -- events and metadata -- */

static void read_annotations(struct pb *meta, struct watch_meta *m)
{
    struct pb entry = pb_message(meta);
    str key = STR_NONE, value = STR_NONE;
    while (pb_next(&entry)) {
        if (entry.field == 1)
            key = pb_bytes(&entry);
        else if (entry.field == 2)
            value = pb_bytes(&entry);
        else
            pb_skip(&entry);
    }
    pb_join(meta, &entry);
    if (str_eqz(key, "k8s.io/initial-events-end"))
        m->ends_initial_events = str_eqz(value, "true");
}

static void read_protobuf_meta(struct pb *p, struct watch_meta *m)
{
    struct pb meta = pb_message(p);
    while (pb_next(&meta)) {
        switch (meta.field) {
        case 1: /* ObjectMeta.name */
            m->name = pb_bytes(&meta);
            break;
        case 3: /* ObjectMeta.namespace */
            m->namespace = pb_bytes(&meta);
            break;
        case 5: /* ObjectMeta.uid */
            m->uid = pb_bytes(&meta);
            break;
        case 6: /* ObjectMeta.resourceVersion */
            m->resource_version = pb_bytes(&meta);
            break;
        case 12: /* ObjectMeta.annotations */
            read_annotations(&meta, m);
            break;
        default:
            pb_skip(&meta);
        }
    }
    pb_join(p, &meta);
}

static void read_json_annotations(struct json *j, struct arena *a, struct watch_meta *m)
{
    str key, value = STR_NONE;
    if (!json_object(j)) {
        json_skip(j);
        return;
    }
    while (json_key(j, &key)) {
        if (!str_eqz(key, "k8s.io/initial-events-end"))
            json_skip(j);
        else if (json_get_string(j, a, &value))
            m->ends_initial_events = str_eqz(value, "true");
    }
}

static void read_json_meta(struct json *j, struct arena *a, struct watch_meta *m)
{
    str key;
    if (!json_object(j)) {
        json_skip(j);
        return;
    }
    while (json_key(j, &key)) {
        if (str_eqz(key, "name"))
            json_get_string(j, a, &m->name);
        else if (str_eqz(key, "namespace"))
            json_get_string(j, a, &m->namespace);
        else if (str_eqz(key, "uid"))
            json_get_string(j, a, &m->uid);
        else if (str_eqz(key, "resourceVersion"))
            json_get_string(j, a, &m->resource_version);
        else if (str_eqz(key, "annotations"))
            read_json_annotations(j, a, m);
        else
            json_skip(j);
    }
}

bool watch_meta_read(struct watch_meta *m, enum object_format format, str object, struct arena *a,
                     struct err *err)
{
    *m = (struct watch_meta){0};
    if (format == FORMAT_PROTOBUF) {
        struct pb p;
        pb_init(&p, object);
        while (pb_next(&p)) {
            if (p.field == 1) /* metadata of every kind */
                read_protobuf_meta(&p, m);
            else
                pb_skip(&p);
        }
        return pb_finish(&p, "object", err);
    }
    struct json j;
    str key;
    json_init(&j, object);
    if (!json_object(&j))
        return err_set(err, "the object is no JSON object");
    while (json_key(&j, &key)) {
        if (str_eqz(key, "metadata"))
            read_json_meta(&j, a, m);
        else
            json_skip(&j);
    }
    return json_finish(&j, err);
}

static enum stream_step error_event(struct watch_stream *s, str object, struct err *err)
{
    status_parse(&s->status, &s->arena, object);
    s->over = true;
    s->status.reason = arena_str(&s->arena, s->status.reason);
    s->status.message = arena_str(&s->arena, s->status.message);
    return s->status.found ? STREAM_ERROR
                           : watch_stream_broken(s, err, "an ERROR event without a Status in it");
}

static enum stream_step bookmark(struct watch_stream *s, str object, struct err *err)
{
    struct watch_meta meta;
    if (!watch_meta_read(&meta, s->format, object, &s->arena, err)) {
        s->over = true;
        err_wrap(err, "a BOOKMARK event");
        return STREAM_BROKEN;
    }
    s->resource_version = meta.resource_version;
    return meta.ends_initial_events ? STREAM_SYNCED : STREAM_BOOKMARK;
}

enum stream_step watch_stream_event(struct watch_stream *s, str type, str object, struct err *err)
{
    s->bytes = object;
    if (str_eqz(type, "ADDED") || str_eqz(type, "MODIFIED"))
        return STREAM_OBJECT;
    if (str_eqz(type, "DELETED"))
        return STREAM_DELETED;
    if (str_eqz(type, "BOOKMARK"))
        return bookmark(s, object, err);
    if (str_eqz(type, "ERROR"))
        return error_event(s, object, err);
    s->over = true;
    err_set(err, "an event of type \"%.*s\"", type.len > 40 ? 40 : (int)type.len,
            type.len == 0 ? "" : type.data);
    return STREAM_BROKEN;
}

enum stream_step watch_stream_page(struct watch_stream *s, str resource_version, str continue_token)
{
    s->has_page = true;
    s->resource_version = resource_version;
    s->continue_token = continue_token;
    return STREAM_PAGE;
}

enum stream_step watch_stream_end(struct watch_stream *s, struct err *err)
{
    if (!s->has_page)
        return watch_stream_broken(s, err, "a list without metadata");
    s->over = true;
    return STREAM_END;
}

/* -- protobuf -- */

/* The next `need` bytes in one piece; false (all of `*data` is taken) if they have not come yet. */
static bool take(struct watch_stream *s, str *data, size_t need, str *out)
{
    if (s->pending.len == 0 && data->len >= need) {
        *out = str_make(data->data, need);
        *data = str_skip(*data, need);
        return true;
    }
    size_t missing = need - s->pending.len;
    size_t len = data->len < missing ? data->len : missing;
    buf_str(&s->pending, str_make(data->data, len));
    *data = str_skip(*data, len);
    if (s->pending.len < need)
        return false;
    *out = buf_view(&s->pending);
    s->pending_is_read = true;
    return true;
}

/* The message in an envelope of runtime.Unknown behind the magic. */
static bool open_envelope(str bytes, str *raw, struct err *err)
{
    if (!str_starts_with(bytes, magic))
        return err_set(err, "an object without the magic bytes of its encoding");
    struct pb p;
    pb_init(&p, str_skip(bytes, magic.len));
    *raw = STR_NONE;
    while (pb_next(&p)) {
        if (p.field == 2) /* runtime.Unknown.raw */
            *raw = pb_bytes(&p);
        else
            pb_skip(&p);
    }
    return pb_finish(&p, "envelope", err);
}

static void read_raw_extension(struct pb *event, str *object)
{
    struct pb p = pb_message(event);
    while (pb_next(&p)) {
        if (p.field == 1) /* runtime.RawExtension.raw */
            *object = pb_bytes(&p);
        else
            pb_skip(&p);
    }
    pb_join(event, &p);
}

static enum stream_step read_frame(struct watch_stream *s, str frame, struct err *err)
{
    struct pb p;
    str type = STR_NONE, object = STR_NONE, raw;
    pb_init(&p, frame);
    while (pb_next(&p)) {
        if (p.field == 1) /* WatchEvent.type */
            type = pb_bytes(&p);
        else if (p.field == 2) /* WatchEvent.object */
            read_raw_extension(&p, &object);
        else
            pb_skip(&p);
    }
    if (!pb_finish(&p, "watch event", err) || !open_envelope(object, &raw, err)) {
        s->over = true;
        return STREAM_BROKEN;
    }
    /* A Status is read with its envelope. */
    return watch_stream_event(s, type, str_eqz(type, "ERROR") ? object : raw, err);
}

static enum stream_step protobuf_watch(struct watch_stream *s, str *data, struct err *err)
{
    str bytes;
    if (s->state == FRAME_HEAD) {
        if (!take(s, data, FRAME_HEAD_BYTES, &bytes))
            return STREAM_MORE;
        const unsigned char *b = (const unsigned char *)bytes.data;
        s->need = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        if (s->need > LIMIT_WATCH_EVENT_BYTES) {
            s->over = true;
            err_set(err, "a frame of %" PRIu64 " bytes, at most %zu", s->need,
                    LIMIT_WATCH_EVENT_BYTES);
            return STREAM_BROKEN;
        }
        s->state = FRAME_BODY;
        release_pending(s);
    }
    if (!take(s, data, (size_t)s->need, &bytes))
        return STREAM_MORE;
    s->state = FRAME_HEAD;
    return read_frame(s, bytes, err);
}

/* -- protobuf list -- */

/* 1: `number` is complete; 0: more bytes are needed; -1: there is no such number. */
static int take_varint(struct watch_stream *s, str *data)
{
    while (data->len > 0) {
        uint8_t byte = (uint8_t)data->data[0];
        if ((s->in_raw && s->left == 0) || (s->shift == VARINT_SHIFT_MAX && byte > 1))
            return -1;
        *data = str_skip(*data, 1);
        s->left -= s->in_raw;
        s->number |= (uint64_t)(byte & 0x7F) << s->shift;
        s->shift += 7;
        if (byte < 0x80) {
            s->shift = 0;
            return 1;
        }
    }
    return 0;
}

static bool list_tag(struct watch_stream *s)
{
    static const uint8_t fixed[] = {[PB_FIXED64] = 8, [PB_FIXED32] = 4};
    uint64_t tag = s->number;
    s->number = 0;
    if (tag >> 3 == 0 || tag >> 3 > UINT32_MAX >> 3)
        return false;
    s->field = (uint32_t)(tag >> 3);
    switch (tag & 7) {
    case PB_VARINT:
        s->state = LIST_VARINT;
        return true;
    case PB_BYTES:
        s->state = LIST_LENGTH;
        return true;
    case PB_FIXED64:
    case PB_FIXED32:
        s->state = LIST_SKIP;
        s->need = fixed[tag & 7];
        if (s->in_raw && s->need > s->left)
            return false;
        s->left -= s->in_raw ? s->need : 0;
        return true;
    default:
        return false;
    }
}

/* A length is there: what to do with that many bytes. */
static bool list_length(struct watch_stream *s, struct err *err)
{
    enum { TYPE = 1, RAW = 2, METADATA = 1, ITEM = 2 };
    uint64_t len = s->number;
    s->number = 0;
    if (s->in_raw && len > s->left)
        return err_set(err, "a length that goes past the end of the list");
    if (!s->in_raw && s->field == RAW) {
        s->in_raw = true;
        s->left = len;
        s->state = LIST_TAG;
        return true;
    }
    s->left -= s->in_raw ? len : 0;
    s->need = len;
    bool is_wanted = s->in_raw ? s->field == METADATA || s->field == ITEM : s->field == TYPE;
    s->state = is_wanted ? LIST_VALUE : len > 0 ? LIST_SKIP : LIST_TAG;
    size_t max = s->in_raw && s->field == ITEM ? LIMIT_WATCH_EVENT_BYTES : LIST_META_BYTES_MAX;
    return !is_wanted || len <= max ||
           err_set(err, "%s of %" PRIu64 " bytes, at most %zu",
                   max == LIMIT_WATCH_EVENT_BYTES ? "an item" : "metadata", len, max);
}

static enum stream_step list_type(struct watch_stream *s, str bytes, struct err *err)
{
    struct pb p;
    str kind = STR_NONE;
    pb_init(&p, bytes);
    while (pb_next(&p)) {
        if (p.field == 2) /* runtime.TypeMeta.kind */
            kind = pb_bytes(&p);
        else
            pb_skip(&p);
    }
    if (pb_failed(&p) || !str_ends_with(kind, STR("List"))) {
        s->over = true;
        err_set(err, "the answer is a \"%.*s\", expected a list",
                kind.len > 60 ? 60 : (int)kind.len, kind.len == 0 ? "" : kind.data);
        return STREAM_BROKEN;
    }
    return STREAM_MORE;
}

static enum stream_step list_metadata(struct watch_stream *s, str bytes, struct err *err)
{
    struct pb p;
    str resource_version = STR_NONE, continue_token = STR_NONE;
    pb_init(&p, bytes);
    while (pb_next(&p)) {
        if (p.field == 2) /* ListMeta.resourceVersion */
            resource_version = pb_bytes(&p);
        else if (p.field == 3) /* ListMeta.continue */
            continue_token = pb_bytes(&p);
        else
            pb_skip(&p);
    }
    if (pb_failed(&p))
        return watch_stream_broken(s, err, "list metadata that is no protobuf");
    return watch_stream_page(s, resource_version, continue_token);
}

/* A whole value. MORE: nothing to tell. */
static enum stream_step list_value(struct watch_stream *s, str bytes, struct err *err)
{
    s->state = LIST_TAG;
    if (!s->in_raw)
        return list_type(s, bytes, err);
    if (s->field == 1)
        return list_metadata(s, bytes, err);
    s->bytes = bytes;
    return STREAM_OBJECT;
}

static void list_skip(struct watch_stream *s, str *data)
{
    size_t len = data->len < s->need ? data->len : (size_t)s->need;
    *data = str_skip(*data, len);
    s->need -= len;
    if (s->need == 0)
        s->state = LIST_TAG;
}

/* One field's tag, number or length. False: broken. */
static bool list_number(struct watch_stream *s, str *data, struct err *err)
{
    int found = take_varint(s, data);
    bool ok = found >= 0;
    if (found == 1) {
        if (s->state == LIST_LENGTH)
            return list_length(s, err);
        if (s->state == LIST_TAG)
            ok = list_tag(s);
        else
            s->state = LIST_TAG;
        s->number = 0;
    }
    return ok || err_set(err, "a list that is no protobuf");
}

static enum stream_step protobuf_list(struct watch_stream *s, str *data, struct err *err)
{
    for (;;) {
        str bytes;
        enum stream_step step = STREAM_MORE;
        bool is_empty_value = s->state == LIST_VALUE && s->need == 0;
        if (s->in_raw && s->left == 0 && s->state == LIST_TAG && s->shift == 0)
            return watch_stream_end(s, err);
        if (data->len == 0 && !is_empty_value)
            return STREAM_MORE;
        switch (s->state) {
        case LIST_MAGIC:
            if (!take(s, data, MAGIC_BYTES, &bytes))
                return STREAM_MORE;
            if (!str_eq(bytes, magic))
                return watch_stream_broken(s, err, "an answer without the magic bytes of protobuf");
            s->state = LIST_TAG;
            break;
        case LIST_VALUE:
            if (!take(s, data, (size_t)s->need, &bytes))
                return STREAM_MORE;
            step = list_value(s, bytes, err);
            break;
        case LIST_SKIP:
            list_skip(s, data);
            break;
        default:
            if (!list_number(s, data, err)) {
                s->over = true;
                return STREAM_BROKEN;
            }
        }
        if (step != STREAM_MORE)
            return step;
        release_pending(s);
    }
}

/* -- both -- */

static void forget_last_step(struct watch_stream *s)
{
    release_pending(s);
    if (s->arena.used_bytes > 0) {
        arena_deinit(&s->arena);
        arena_init(&s->arena, ARENA_BYTES);
    }
    s->bytes = s->resource_version = s->continue_token = STR_NONE;
}

enum stream_step watch_stream_next(struct watch_stream *s, str *data, struct err *err)
{
    forget_last_step(s);
    if (s->over) {
        *data = str_skip(*data, data->len);
        return STREAM_MORE;
    }
    if (s->format == FORMAT_PROTOBUF)
        return s->is_list ? protobuf_list(s, data, err) : protobuf_watch(s, data, err);
    return s->is_list ? watch_stream_json_list(s, data, err)
                      : watch_stream_json_watch(s, data, err);
}

bool watch_stream_is_between(const struct watch_stream *s)
{
    if (s->over)
        return true;
    if (s->is_list)
        return false;
    if (s->format == FORMAT_PROTOBUF && s->state != FRAME_HEAD)
        return false;
    return s->pending_is_read || str_trim(buf_view(&s->pending)).len == 0;
}
