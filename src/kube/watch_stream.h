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
    STREAM_END,      /* list: complete, PAGE came before it */
    STREAM_ERROR,    /* watch: an ERROR event, `status`; the stream is over */
    STREAM_BROKEN,   /* neither list nor watch: err; the stream is over */
};
struct watch_stream {
    bool is_list;
    enum object_format format; /* of the answer, by its Content-Type */
    struct buf pending;        /* beginning of an item, frame or document */
    struct arena arena;        /* of the present step */
    /* the readers' own from here */
    struct json_framer framer;
    unsigned state;            /* watch_stream.c, watch_stream_json.c */
    bool pending_is_read;      /* by the last step: to be emptied */
    bool over, has_page;
    bool in_raw;               /* protobuf list: within the list message itself */
    bool need_comma;           /* JSON list */
    unsigned key;              /* JSON list: of the member under way */
    uint32_t field;            /* protobuf list: of the value under way */
    uint64_t left;             /* protobuf list: bytes of the list message that are to come */
    uint64_t need;             /* protobuf: bytes of the value or frame under way */
    uint64_t number;           /* protobuf list: varint under way */
    unsigned shift;
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

/* What list and watch themselves need of an object, whatever its kind. */
struct watch_meta {
    str name, namespace, uid, resource_version; /* views into the object, or in the arena */
    bool ends_initial_events;                   /* of a bookmark: annotation k8s.io/initial-events-end */
};
/* False with err if the object cannot be read to its end; what was found until then is there all the same. */
bool watch_meta_read(struct watch_meta *m, enum object_format format, str object, struct arena *a, struct err *err);

/* -- between watch_stream.c and watch_stream_json.c -- */
enum stream_step watch_stream_broken(struct watch_stream *s, struct err *err, const char *reason);
/* The step of a watch event of this type with this object. */
enum stream_step watch_stream_event(struct watch_stream *s, str type, str object, struct err *err);
/* ListMeta was read. */
enum stream_step watch_stream_page(struct watch_stream *s, str resource_version, str continue_token);
/* The list is complete. */
enum stream_step watch_stream_end(struct watch_stream *s, struct err *err);
enum stream_step watch_stream_json_list(struct watch_stream *s, str *data, struct err *err);
enum stream_step watch_stream_json_watch(struct watch_stream *s, str *data, struct err *err);

#endif
