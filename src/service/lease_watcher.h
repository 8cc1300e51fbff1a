/* One Lease seen from outside, by somebody who is no candidate: read once, watched from then on if asked. */
#ifndef SERVICE_LEASE_WATCHER_H
#define SERVICE_LEASE_WATCHER_H

#include "service/lease_view.h"

struct lease_watcher {
    struct loop *loop;
    struct kube_client *client;
    str namespace, name;
    struct lease_half *half;   /* what is known, kept up to date */
    int64_t *server_ahead_ns;  /* the API server's clock less ours, as far as they differ by more than its seconds show */
    void (*on_change)(void *arg); /* from the loop: after the read, and with each new version or expiry while watched */
    void *arg;

    struct kube_call *call;
    struct lease_watch *watch;
    struct loop_timer watch_timer, expiry_timer;
    bool initial, saw_lease;   /* of the watch */
    uint32_t failure_count;
};
/* The fields before `call` are the caller's. */
void lease_watcher_init(struct lease_watcher *r);
void lease_watcher_deinit(struct lease_watcher *r); /* ends what is under way */
/* Asks once; on_change follows whatever comes of it. */
void lease_watcher_read(struct lease_watcher *r);
/* Watches until it is ended. No permission to watch makes the half LEASE_FORBIDDEN; other failures are tried on. */
void lease_watcher_watch(struct lease_watcher *r);
/* The wall clock of the API server, about. */
int64_t lease_watcher_now_ns(const struct lease_watcher *r);
/* An answer with a Lease in it (status below 300), or what went wrong, into the half. */
void lease_watcher_take(struct lease_watcher *r, const struct kube_result *result);

#endif
