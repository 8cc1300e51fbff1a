/*
 * coordination.k8s.io/v1 Lease: JSON codec that keeps what it does not know, and a watch on one Lease.
 */
#ifndef KUBE_LEASE_H
#define KUBE_LEASE_H

#include "base/arena.h"
#include "base/buf.h"
#include "kube/client.h"

struct lease_annotation {
    str key, value;
};
struct lease {
    struct arena arena; /* holds all texts */
    str name, namespace, uid, resource_version;
    str holder;             /* empty: released or never held */
    bool has_holder;        /* the field was there */
    int32_t duration_s;     /* 0: absent */
    int64_t acquire_ns, renew_ns; /* since 1970; 0: absent or unreadable */
    int32_t transitions;
    struct lease_annotation *annotations;
    size_t annotation_count;
    str metadata_rest;      /* members of metadata that we keep as raw JSON: `"labels":{...},"ownerReferences":[...]`, no managedFields */
    str spec_rest;          /* the same for spec: strategy, preferredHolder and what is unknown */
};
void lease_init(struct lease *l);
void lease_deinit(struct lease *l);
/* err says what is wrong with which field. Unknown members are kept. Times are parsed leniently. */
NODISCARD bool lease_parse(struct lease *l, str json, struct err *err);
/* The object for POST or PUT: resourceVersion and uid are written if not empty; times with six digits; holder written even if empty. */
void lease_print(struct buf *b, const struct lease *l);
/* Deep copy into an initialised lease. */
void lease_copy(struct lease *to, const struct lease *from);
str lease_annotation_get(const struct lease *l, str key); /* empty if absent */
/* Sets or replaces; an empty value removes. */
void lease_annotation_set(struct lease *l, str key, str value);

/* "resourceVersion a is newer than b": decimal numbers by length and digits; false if either is not a number. */
bool resource_version_newer(str a, str b);

/* -- calls -- */
void lease_path(struct buf *b, str namespace, str name); /* name empty: the collection */

/* -- watch on one Lease: fieldSelector metadata.name, sendInitialEvents, bookmarks -- */
enum lease_event {
    LEASE_OPENED,   /* the stream stands (HTTP 200) */
    LEASE_SEEN,     /* ADDED or MODIFIED */
    LEASE_DELETED,
    LEASE_SYNCED,   /* end of the initial events, which are of its resource_version: no LEASE_SEEN before it means that there is no Lease */
    LEASE_BOOKMARK,
    LEASE_ENDED,    /* the stream is over; `result` says why (status 200: normal end, or an ERROR event: status and reason of it) */
};
struct lease_watch;
/* `on_event` from the loop; after LEASE_ENDED nothing more comes and the watch is to be freed (may be done inside the callback).
 * `initial` true: sendInitialEvents (servers without it answer 422: then call again with initial = false after a GET, from
 * resource_version). No event at all for `idle_timeout_ms` ends it (bookmarks come about once a minute). */
struct lease_watch *lease_watch_start(struct kube_client *client, str namespace, str name, bool initial, str resource_version,
                                      int64_t timeout_s, int64_t idle_timeout_ms,
                                      void (*on_event)(void *arg, enum lease_event event, const struct lease *lease,
                                                       const struct kube_result *result),
                                      void *arg);
void lease_watch_free(struct lease_watch *w);

#endif
