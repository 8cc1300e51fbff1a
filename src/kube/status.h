/*
 * What an API server's error says: a Status object in JSON or protobuf, or the plain text of those who answer without one
 * (priority and fairness, proxies, unknown paths).
 */
#ifndef KUBE_STATUS_H
#define KUBE_STATUS_H

#include "base/arena.h"
#include "wire/json.h"

struct kube_status {
    bool found;      /* it was a Status object */
    int code;        /* HTTP status in the object, 0 if none */
    str reason;      /* "Conflict"; empty if none */
    str message;     /* of the object, else the first line of the text */
    bool is_html;    /* a page, of a proxy most likely */
    int64_t retry_after_s; /* -1: not said */
};

/* Never fails: what cannot be read leaves fields empty. Texts are views into `body` or live in the arena. */
void status_parse(struct kube_status *s, struct arena *a, str body);
/* The Status object that the reader stands before (ERROR events of a watch). */
void status_read_json(struct kube_status *s, struct arena *a, struct json *j);

/* "409 Conflict (Conflict): message", on one line, at most LIMIT_STATUS_MESSAGE_BYTES of the message. */
void status_print(struct buf *b, int http_status, const struct kube_status *s);

#endif
