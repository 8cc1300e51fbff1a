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
    LW_CHECKING,   /* a list of one object after a break: did the server's version go back? */
    LW_WATCHING,
    LW_WAITING,    /* for the timer: backoff, Retry-After, a kind that is not served */
};
enum list_watch_event_kind {
    LW_START,
    LW_STOP,
    LW_RELIST,    /* the store needs a list of everything (more fields are wanted of its objects) */
    LW_OPENED,    /* the server accepted the request */
    LW_OBJECT,    /* any object or deletion: resource_version */
    LW_BOOKMARK,  /* resource_version */
    LW_SYNCED,    /* end of the initial events: resource_version */
    LW_PAGE,      /* list metadata: resource_version, continue_token */
    LW_LIST_END,  /* the page is complete */
    LW_ERROR,     /* an ERROR event in the stream, or an answer with an error status: status, reason, retry_after_ms, too_large */
    LW_ENDED,     /* the answer or stream ended; `broken`: not in order (cut, timeout, no connection, unreadable bytes) */
    LW_TIMER,
    LW_LEAVE,     /* the connection should be closed: a watch that was accepted goes on on another one */
};
struct list_watch_event {
    enum list_watch_event_kind kind;
    str resource_version, continue_token;
    int status;
    str reason;
    int64_t retry_after_ms;  /* -1: not said */
    bool in_stream;          /* ERROR: an event of a watch, not the status of the answer */
    bool too_large;          /* 504 with cause ResourceVersionTooLarge */
    bool broken, refused;    /* ENDED: `refused`: no connection was made, or no credential is there */
    bool stalled;            /* ENDED: nothing came for too long */
    bool unreadable;         /* ENDED: what came could not be decoded */
    uint64_t random;         /* for jitter */
};
enum list_watch_request {
    LW_REQUEST_NONE,
    LW_REQUEST_STREAM, /* watch with initial events */
    LW_REQUEST_LIST,   /* a page of the list */
    LW_REQUEST_CHECK,  /* a list of one object; its object does not count */
    LW_REQUEST_WATCH,
};
enum list_watch_page { LW_PAGE_FIRST, LW_PAGE_SAME, LW_PAGE_NEXT };
/* Done in this order: cancel, mark, sweep, request. */
struct list_watch_actions {
    bool cancel;                       /* end the request under way, without an event */
    bool mark;                         /* a new list of everything begins: nothing of the store is seen yet */
    bool replace;                      /* with mark: objects are taken from this list even if their version is the one that is there */
    bool sweep;                        /* the list is complete: what was not seen is gone */
    bool synced;                       /* with the sweep: the store is equal to the server's, show it */
    enum list_watch_request request;   /* begin this one: list_watch_query says how */
    enum list_watch_page page;         /* of LIST: without a token, with the one of the last request, or with the one of its PAGE event */
    int64_t timer_ns;                  /* set the timer to this boot time; 0: none */
    /* for logs and status, said once for each change */
    enum list_watch_say {
        LW_SAY_NOTHING,
        LW_SAY_FORBIDDEN,
        LW_SAY_NOT_SERVED,
        LW_SAY_FAILING,
        LW_SAY_WELL_AGAIN,
        LW_SAY_EXPIRED,    /* a list is needed because the version was too old */
        LW_SAY_WENT_BACK,  /* the server's version is lower than what was seen: a restored etcd */
        LW_SAY_NO_STREAMING,
        LW_SAY_NO_PROTOBUF,
    } say;
};
struct list_watch_periods {
    int64_t backoff_min_ns, backoff_max_ns, backoff_reset_ns;
    int64_t not_served_ns, forbidden_ns; /* between two tries, with half as much jitter on top */
};

struct list_watch {
    const struct list_watch_periods *periods;
    enum list_watch_state state;
    enum list_watch_request request;   /* under way, or to be made after the wait */
    bool has_streaming;                /* the server may know sendInitialEvents; false for good after a refusal */
    bool wants_protobuf;               /* false after it could not be read */
    bool synced_once;                  /* the store was complete, and was not emptied since */
    bool watch_forbidden;              /* until one is accepted; lists may be allowed all the same, and are then made again and again */
    bool is_polling;                   /* the list under way takes the place of a watch that was just refused */
    bool full_list;                    /* in one page: a token expired */
    bool replacing;                    /* the list under way, or the next one, is one with `replace` */
    bool first_page, has_next_page;    /* of the list under way */
    bool anything_came;                /* on the request under way, since it was opened */
    bool bookmarks_come, is_quiet;     /* the server sends bookmarks; it may be one that does not */
    enum list_watch_say said;          /* NOTHING: all is well */
    unsigned failure_count;            /* in a row */
    unsigned stream_failure_count, watch_failure_count, unreadable_count;
    int64_t last_failure_ns, opened_ns, expired_ns;
    char resource_version[RESOURCE_VERSION_MAX]; /* everything up to it is in the store; empty: unknown */
    char list_version[RESOURCE_VERSION_MAX];     /* of the list under way */
};
void list_watch_init(struct list_watch *m, bool wants_protobuf, const struct list_watch_periods *periods);
struct list_watch_actions list_watch_step(struct list_watch *m, const struct list_watch_event *event, int64_t now_ns);
/* The query of the request that the last actions named, percent-encoded, without '?'; selectors are the caller's. timeout_s: of
 * watches, random in [300, 600). */
struct buf;
void list_watch_query(const struct list_watch *m, int64_t timeout_s, str continue_token, struct buf *query);
/* Whether a stream on which nothing comes for longer than bookmarks take is dead. */
bool list_watch_expects_bookmarks(const struct list_watch *m);
/* Whether nothing has come on the request under way since it was opened. */
bool list_watch_awaits_first(const struct list_watch *m);

#endif
