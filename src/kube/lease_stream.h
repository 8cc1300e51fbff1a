/* The bytes of a JSON watch on Leases, cut anywhere, into events. No connection and no clock here. */
#ifndef KUBE_LEASE_STREAM_H
#define KUBE_LEASE_STREAM_H

#include "kube/lease.h"
#include "kube/status.h"
#include "wire/json.h"

enum lease_stream_step {
    LEASE_STREAM_MORE,     /* all bytes are eaten */
    LEASE_STREAM_SEEN,     /* ADDED, MODIFIED: `lease` */
    LEASE_STREAM_DELETED,  /* `lease`, as it was last */
    LEASE_STREAM_BOOKMARK, /* `lease` has a resource version only */
    LEASE_STREAM_SYNCED,   /* the bookmark that ends the initial events */
    LEASE_STREAM_ERROR,    /* an ERROR event: `status`; the stream is over */
    LEASE_STREAM_BROKEN,   /* what came is no watch event: `err` of lease_stream_next; the stream is over */
};
struct lease_stream {
    struct json_framer framer;
    struct buf pending; /* the beginning of a document that is not complete */
    struct arena arena; /* of the present event */
    bool over;
    struct lease lease;
    struct kube_status status;
};
void lease_stream_init(struct lease_stream *s);
void lease_stream_deinit(struct lease_stream *s);
/* The next event in `*data`, from which it takes the bytes it used. Call until it says MORE. `lease` and `status` stay valid
 * until the next call. */
enum lease_stream_step lease_stream_next(struct lease_stream *s, str *data, struct err *err);
/* The bytes ended where a document is complete. */
bool lease_stream_is_between(const struct lease_stream *s);

#endif
