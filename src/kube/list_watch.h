/*
 * The state machine of list and watch on one resource (and namespace): what to ask next, and when, so that the store always becomes equal
 * to a fresh list. No clock, no sockets, no memory of its own; the same code runs in the program and in a simulation.
 *
 *   actions = list_watch_step(&machine, &event, now_ns);
 *
 * Specification: Kubernetes API concepts (list, watch, resource versions), KEP-3157; numbers of client-go's reflector.
 */
#ifndef KUBE_LIST_WATCH_H
#define KUBE_LIST_WATCH_H

#include "base/base.h"

enum { RESOURCE_VERSION_MAX = 64, CONTINUE_TOKEN_MAX = 4096 };

enum list_watch_state {
    LW_IDLE,       /* not started */
    LW_STREAMING,  /* watch with initial events, before SYNCED */
    LW_LISTING,    /* pages */
    LW_WATCHING,
    LW_WAITING,    /* for the timer: backoff, Retry-After, a kind that is not served */
};
enum list_watch_event_kind {
    LW_START,
    LW_STOP,
    LW_OPENED,    /* the server accepted the request */
    LW_OBJECT,    /* any object or deletion: resource_version */
    LW_BOOKMARK,  /* resource_version */
    LW_SYNCED,    /* end of the initial events: resource_version */
    LW_PAGE,      /* list metadata: resource_version, continue_token */
    LW_LIST_END,  /* the page is complete */
    LW_ERROR,     /* an ERROR event in the stream, or an answer with an error status: status, reason, retry_after_ms, too_large */
    LW_ENDED,     /* the answer or stream ended; `broken`: not in order (cut, timeout, no connection, unreadable bytes) */
    LW_TIMER,
};
struct list_watch_event {
    enum list_watch_event_kind kind;
    str resource_version, continue_token;
    int status;
    str reason;
    int64_t retry_after_ms;  /* -1: not said */
    bool too_large;          /* 504 with cause ResourceVersionTooLarge */
    bool no_such_path;       /* 404 that is not a Status: the resource is not served */
    bool broken, refused;    /* ENDED: `refused`: no connection was made */
    bool unreadable;         /* ENDED: what came could not be decoded */
    uint64_t random;         /* for jitter */
};
enum list_watch_request { LW_REQUEST_NONE, LW_REQUEST_STREAM, LW_REQUEST_LIST, LW_REQUEST_WATCH };
struct list_watch_actions {
    bool cancel;                       /* end the request under way, without an event */
    enum list_watch_request request;   /* then begin this one: list_watch_query says how */
    bool mark;                         /* before it: a new list of everything begins */
    bool sweep;                        /* the list is complete: what was not seen is gone */
    bool synced;                       /* with the first sweep: the store may be shown */
    bool reset;                        /* everything seen since `mark` does not count: another list follows */
    int64_t timer_ns;                  /* of boot time; 0: none */
    /* for logs and status, said once for each change */
    enum { LW_SAY_NOTHING, LW_SAY_FORBIDDEN, LW_SAY_NOT_SERVED, LW_SAY_FAILING, LW_SAY_WELL_AGAIN, LW_SAY_EXPIRED } say;
};
struct list_watch {
    enum list_watch_state state;
    bool has_streaming;                /* the server may know sendInitialEvents; false for good after a refusal */
    bool wants_protobuf;               /* false after it could not be read */
    bool synced_once, version_unusable;
    char resource_version[RESOURCE_VERSION_MAX]; /* to watch from; empty: none */
    char list_version[RESOURCE_VERSION_MAX];
    char continue_token[CONTINUE_TOKEN_MAX];
    unsigned failure_count, unreadable_count;
    int64_t last_failure_ns, opened_ns, wait_until_ns;
    bool anything_came, full_list;
    int said;
};
void list_watch_init(struct list_watch *m, bool wants_protobuf);
struct list_watch_actions list_watch_step(struct list_watch *m, const struct list_watch_event *event, int64_t now_ns);
/* The query of the request that the last actions named, percent-encoded, without '?'. timeout_s: of watches, random in [300, 600). */
struct buf;
void list_watch_query(const struct list_watch *m, enum list_watch_request request, int64_t timeout_s, struct buf *query);

#endif
