/*
 * Lists and watches in JSON.
 *
 * A watch is a row of documents {"type": ..., "object": ...}; the framer finds the end of each.
 *
 * A list is one document that may have hundreds of megabytes: {"kind": ..., "metadata": {...},
 * "items": [...]} in any order. Its own members are read by a state machine over single bytes, the
 * values and items are framed; metadata and each item are read when they are complete, other
 * members are passed over without being kept. An item that is cut off is gathered in `pending`.
 *
 * Specification: RFC 8259; Kubernetes API concepts. The outermost level of a list is checked as
 * strictly as by the reader: commas and colons where they belong.
 */
#include "base/limits.h"
#include "kube/watch_stream.h"

enum {
    JSON_START,
    JSON_MEMBER, /* a key, or the end of the list */
    JSON_KEY,    /* within one */
    JSON_COLON,
    JSON_VALUE,
    JSON_WHOLE,  /* within a value that is read when it is complete */
    JSON_PASSED, /* within a value that is not wanted */
    JSON_WORD,   /* within a number, true, false or null */
    JSON_ITEMS,  /* an item, or the end of the items */
    JSON_ITEM,   /* within one */
};
enum { KEY_OTHER, KEY_KIND, KEY_METADATA, KEY_ITEMS };

static bool is_space(char c)
{
    return c == ' ' || c == '\n' || c == '\t' || c == '\r';
}

/* Takes what belongs to the value under way; true if it is complete, all of it in *whole. */
static bool gather(struct watch_stream *s, str *data, bool is_kept, str *whole)
{
    bool is_complete;
    size_t used = json_frame(&s->framer, *data, &is_complete);
    str piece = str_make(data->data, used);
    *data = str_skip(*data, used);
    *whole = piece;
    if (!is_kept || (is_complete && s->pending.len == 0))
        return is_complete;
    buf_str(&s->pending, piece);
    *whole = buf_view(&s->pending);
    s->pending_is_read = is_complete;
    return is_complete;
}

static enum stream_step too_large(struct watch_stream *s, struct err *err)
{
    s->over = true;
    err_set(err, "an event or item of more than %zu bytes", s->pending.max);
    return STREAM_BROKEN;
}

/* -- watch -- */

static enum stream_step read_document(struct watch_stream *s, str document, struct err *err)
{
    struct json j;
    str key, type = STR_NONE, object = STR_NONE;
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
        s->over = true;
        return STREAM_BROKEN;
    }
    if (type.len == 0 || object.len == 0)
        return watch_stream_broken(s, err, "expected a watch event with type and object");
    return watch_stream_event(s, type, object, err);
}

enum stream_step watch_stream_json_watch(struct watch_stream *s, str *data, struct err *err)
{
    str document;
    bool is_complete = gather(s, data, true, &document);
    if (s->pending.overflow)
        return too_large(s, err);
    return is_complete ? read_document(s, document, err) : STREAM_MORE;
}

/* -- list -- */

static enum stream_step read_list_meta(struct watch_stream *s, str text, struct err *err)
{
    struct json j;
    str key, resource_version = STR_NONE, continue_token = STR_NONE;
    json_init(&j, text);
    bool is_object = json_object(&j);
    while (is_object && json_key(&j, &key)) {
        if (str_eqz(key, "resourceVersion"))
            json_get_string(&j, &s->arena, &resource_version);
        else if (str_eqz(key, "continue"))
            json_get_string(&j, &s->arena, &continue_token);
        else
            json_skip(&j);
    }
    if (!is_object)
        return watch_stream_broken(s, err, "metadata of the list is no object");
    if (!json_finish(&j, err)) {
        err_wrap(err, "metadata of the list");
        s->over = true;
        return STREAM_BROKEN;
    }
    return watch_stream_page(s, resource_version, continue_token);
}

static enum stream_step read_kind(struct watch_stream *s, str text, struct err *err)
{
    struct json j;
    str kind = STR_NONE;
    json_init(&j, text);
    json_get_string(&j, &s->arena, &kind);
    if (str_ends_with(kind, STR("List")))
        return STREAM_MORE;
    s->over = true;
    err_set(err, "the answer is a \"%.*s\", expected a list", kind.len > 60 ? 60 : (int)kind.len,
            kind.len == 0 ? "" : kind.data);
    return STREAM_BROKEN;
}

static unsigned key_of(str text)
{
    static const struct {
        const char *text;
        unsigned key;
    } keys[] = {{"\"kind\"", KEY_KIND}, {"\"metadata\"", KEY_METADATA}, {"\"items\"", KEY_ITEMS}};
    for (size_t i = 0; i < COUNT_OF(keys); i++)
        if (str_eqz(text, keys[i].text))
            return keys[i].key;
    return KEY_OTHER;
}

/* The first byte of a value. */
static bool begin_value(struct watch_stream *s, char c, str *data)
{
    bool is_framed = c == '{' || c == '[' || c == '"';
    if (s->key == KEY_ITEMS && c == '[') {
        s->state = JSON_ITEMS;
        s->need_comma = false;
        *data = str_skip(*data, 1);
    } else if (s->key == KEY_ITEMS && is_framed) {
        return false;
    } else if (is_framed) {
        bool is_wanted = s->key == KEY_KIND || s->key == KEY_METADATA;
        s->state = is_wanted ? JSON_WHOLE : JSON_PASSED;
    } else {
        s->state = JSON_WORD; /* "items": null is an empty list */
    }
    return true;
}

/* Takes the punctuation before a member or an item. False: something else stands there. */
static bool take_separator(struct watch_stream *s, char c, str *data, char opening, unsigned within)
{
    if (s->need_comma) {
        s->need_comma = false;
        *data = str_skip(*data, 1);
        return c == ',';
    }
    if (c != opening)
        return false;
    s->state = within;
    return true;
}

/* Between values: one byte that is no white space. False: it does not belong there. */
static bool take_byte(struct watch_stream *s, str *data)
{
    char c = data->data[0];
    switch (s->state) {
    case JSON_START:
        s->state = JSON_MEMBER;
        *data = str_skip(*data, 1);
        return c == '{';
    case JSON_MEMBER:
        return take_separator(s, c, data, '"', JSON_KEY);
    case JSON_COLON:
        s->state = JSON_VALUE;
        *data = str_skip(*data, 1);
        return c == ':';
    case JSON_VALUE:
        return begin_value(s, c, data);
    default: /* JSON_ITEMS */
        if (c != ']')
            return take_separator(s, c, data, '{', JSON_ITEM);
        *data = str_skip(*data, 1);
        s->state = JSON_MEMBER;
        s->need_comma = true;
        return true;
    }
}

static void pass_word(struct watch_stream *s, str *data)
{
    size_t i = 0;
    while (i < data->len && !is_space(data->data[i]) && data->data[i] != ',' &&
           data->data[i] != '}')
        i++;
    if (i < data->len) {
        s->state = JSON_MEMBER;
        s->need_comma = true;
    }
    *data = str_skip(*data, i);
}

/* A value is complete. */
static enum stream_step end_value(struct watch_stream *s, str whole, struct err *err)
{
    unsigned state = s->state;
    s->need_comma = true;
    switch (state) {
    case JSON_KEY:
        s->key = key_of(whole);
        s->state = JSON_COLON;
        return STREAM_MORE;
    case JSON_ITEM:
        s->state = JSON_ITEMS;
        s->bytes = whole;
        return STREAM_OBJECT;
    case JSON_WHOLE:
        s->state = JSON_MEMBER;
        return s->key == KEY_KIND ? read_kind(s, whole, err) : read_list_meta(s, whole, err);
    default: /* JSON_PASSED */
        s->state = JSON_MEMBER;
        return STREAM_MORE;
    }
}

/* Within a value. */
static enum stream_step take_value(struct watch_stream *s, str *data, struct err *err)
{
    str whole;
    bool is_complete = gather(s, data, s->state != JSON_PASSED, &whole);
    if (s->pending.overflow)
        return too_large(s, err);
    if (!is_complete)
        return STREAM_MORE;
    enum stream_step step = end_value(s, whole, err);
    if (step == STREAM_MORE) {
        buf_clear(&s->pending);
        s->pending_is_read = false;
    }
    return step;
}

enum stream_step watch_stream_json_list(struct watch_stream *s, str *data, struct err *err)
{
    while (data->len > 0) {
        enum stream_step step = STREAM_MORE;
        switch (s->state) {
        case JSON_KEY:
        case JSON_WHOLE:
        case JSON_PASSED:
        case JSON_ITEM:
            step = take_value(s, data, err);
            break;
        case JSON_WORD:
            pass_word(s, data);
            break;
        default:
            if (is_space(data->data[0]))
                *data = str_skip(*data, 1);
            else if (s->state == JSON_MEMBER && data->data[0] == '}')
                return watch_stream_end(s, err);
            else if (!take_byte(s, data))
                return watch_stream_broken(s, err, "a list that is no JSON");
        }
        if (step != STREAM_MORE)
            return step;
    }
    return STREAM_MORE;
}
