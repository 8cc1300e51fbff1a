/*
 * Answers of list and watch, cut anywhere, into objects: protobuf lists and frames, JSON lists and documents. What is complete in a
 * piece is read where it lies; only a cut-off rest is copied. No connection and no clock here.
 */
#ifndef KUBE_WATCH_STREAM_H
#define KUBE_WATCH_STREAM_H

#include "base/buf.h"
#include "kube/object.h"
#include "kube/status.h"
#include "wire/json.h"

enum stream_step {
    STREAM_MORE,     /* all bytes are eaten */
    STREAM_OBJECT,   /* list: an item; watch: ADDED or MODIFIED. `bytes` */
    STREAM_DELETED,  /* watch: `bytes` is the last state */
    STREAM_BOOKMARK, /* watch: `resource_version` only */
    STREAM_SYNCED,   /* watch: the bookmark that ends the initial events; `resource_version` */
    STREAM_PAGE,     /* list: the metadata was read (before or behind the items, as they come): `resource_version`, `continue_token` */
    STREAM_END,      /* list: complete */
    STREAM_ERROR,    /* watch: an ERROR event, `status`; the stream is over */
    STREAM_BROKEN,   /* neither list nor watch: err; the stream is over */
};
struct watch_stream {
    bool is_list;
    enum object_format format; /* of the answer, by its Content-Type */
    struct buf pending;        /* beginning of an item, frame or document */
    struct arena arena;        /* of the present step */
    struct json_framer framer;
    unsigned state;            /* the reader's own from here */
    size_t left, skip;
    bool over;
    /* what the last step gave, valid until the next call */
    str bytes;
    str resource_version;      /* of bookmarks and list metadata */
    str continue_token;
    struct kube_status status;
};
/* `content_type` of the answer; false if it is neither protobuf nor JSON. */
NODISCARD bool watch_stream_init(struct watch_stream *s, bool is_list, str content_type, struct err *err);
void watch_stream_deinit(struct watch_stream *s);
/* The next step in `*data`, from which it takes the bytes it used. Call until it says MORE. */
enum stream_step watch_stream_next(struct watch_stream *s, str *data, struct err *err);
/* The bytes ended where a document, a frame or the list is complete. */
bool watch_stream_is_between(const struct watch_stream *s);

#endif
