/*
 * Watches on resources, shared by all that want the same: one request, one store, whatever number of receivers. A set belongs to the
 * process and outlives a reload, so that stores do too.
 *
 * Life of a use: watches_get (a reference; nothing is sent) -> watch_join (the first one starts the watch) -> changes and states ->
 * watch_leave (the last one ends it, after LIMIT_WATCH_LINGER_MS: a reload joins again) -> watch_unref.
 */
#ifndef KUBE_WATCHES_H
#define KUBE_WATCHES_H

#include "base/list.h"
#include "kube/client.h"
#include "kube/list_watch.h"
#include "kube/store.h"

struct watches;
struct watches *watches_new(struct loop *loop, const struct logger *logger);
/* All watches must be given back. */
void watches_free(struct watches *set);
struct object_pool *watches_pool(struct watches *set);

/* What a test or a bench makes shorter; before the first watches_get. */
struct watch_periods {
    struct list_watch_periods list_watch;
    int64_t watch_idle_ms, watch_first_ms, streaming_idle_ms, list_idle_ms, linger_ms; /* limits.h */
};
extern const struct watch_periods watch_periods_default;
void watches_set_periods(struct watches *set, const struct watch_periods *periods);

struct watch_config {
    struct kube_config kube;
    double qps;       /* of requests that are no watches, for each client; 0: 5 */
    int64_t burst;    /* 0: 10 */
    str group, version, plural;
    bool namespaced;
    str namespace;    /* empty: all */
    str label_selector, field_selector;
    const struct object_codec *codec;
    unsigned fields;  /* enum object_fields; the union over all users is kept: a later user with more makes it list again */
};
struct watch;
/* A new reference to the watch on these; makes one if there is none (its client included, nothing is sent). */
struct watch *watches_get(struct watches *set, const struct watch_config *config, struct err *err);
/* The last one frees it; nobody may use it then. */
void watch_unref(struct watch *w);

enum watch_change_kind { WATCH_ADDED, WATCH_UPDATED, WATCH_DELETED };
struct watch_change {
    enum watch_change_kind kind;
    const struct object *before, *after; /* borrowed; ref them to keep them. Equal versions: read again with more fields */
    uint64_t resource_version;           /* of the change: for DELETED that of the deletion; 0: not a number, or a sweep found it */
    bool by_list;                        /* noticed by a list, not told by the watch */
};
enum watch_trouble {
    WATCH_WELL,
    WATCH_FORBIDDEN,
    WATCH_NOT_SERVED,
    WATCH_FAILING,
};
struct watch_user {
    struct list link;
    /* After the store changed, also while it is not synced yet. May be NULL. Must not join, leave or unref. */
    void (*on_change)(void *arg, const struct watch_change *change);
    /* Synced for the first time (for this user: also with its fields), lost (cleared), or another trouble. From the loop. May be NULL. */
    void (*on_state)(void *arg);
    void *arg;
    unsigned fields;
    bool joined;
    bool state_due; /* the watch's own */
};
/* From the loop, on_state follows soon if it is synced already. */
void watch_join(struct watch *w, struct watch_user *user);
void watch_leave(struct watch *w, struct watch_user *user);

/* The store is full for this user (or the kind is not served, or forbidden: then there is nothing to wait for). */
bool watch_is_synced(const struct watch *w, const struct watch_user *user);
enum watch_trouble watch_trouble(const struct watch *w);
static inline bool watch_is_denied(const struct watch *w)
{
    return watch_trouble(w) == WATCH_FORBIDDEN || watch_trouble(w) == WATCH_NOT_SERVED;
}
/* What the trouble is, for a status; "" if there is none. */
str watch_trouble_text(const struct watch *w);
struct store *watch_store(struct watch *w); /* read only */
/* The version up to which the store has seen everything, as text. Bookmarks move it. "" before the first sync, and while a list that was
 * read is taken over: its deletes come in slices, and the watch may go on meanwhile. */
str watch_resource_version(const struct watch *w);
/* Group, version, resource and namespace for logs: "pods", "apps/v1 deployments in shop". */
str watch_label(const struct watch *w);
struct kube_client *watch_client(struct watch *w);

/* Memory and traffic, for own metrics and tests. */
struct watch_stats {
    size_t object_count, bytes;        /* of the store */
    uint64_t lists, watch_requests, events, decode_failures, bytes_received;
};
/* "apps/v1/deployments" or "v1/pods" is appended to `resource`; the others belong to the watch, and are empty for all. */
void watch_describe(const struct watch *w, struct buf *resource, str *namespace, str *selectors);
void watch_statistics(const struct watch *w, struct watch_stats *stats);
void watches_each(struct watches *set, void (*fn)(void *arg, struct watch *w), void *arg);

#endif
