/* What the files of watches share: watches.c (the set, users, life), watch_client.c (clients and who may send), watch_run.c (one watch
 * at work), watch_log.c (what it says). */
#ifndef KUBE_WATCH_INTERNAL_H
#define KUBE_WATCH_INTERNAL_H

#include "base/limits.h"
#include "kube/discovery.h"
#include "kube/rate_limit.h"
#include "kube/watch_stream.h"
#include "kube/watches.h"

struct watches {
    struct loop *loop;
    struct logger logger, trouble_logger; /* the second one: said once for each watch and change, so never sampled */
    struct watch_periods periods;
    struct object_pool pool;
    struct list watches; /* those that can be found and those that are being emptied */
    struct list clients;
};

/* A client of the API server, shared by the watches with equal keys. */
struct watch_client {
    struct list link;
    struct watches *set;
    struct kube_client *kube;
    unsigned refs;
    struct rate_limit limit;
    struct list queue;       /* struct watch: lists that wait for a token or for a place */
    unsigned list_count;     /* lists under way */
    struct loop_timer timer; /* the next token */
    uint64_t drop_count;     /* how often connections were given up as hung */
    bool no_streaming;       /* the server refused a streaming list */
    bool is_unreachable;     /* said once for all of its watches */
    unsigned unreachable_count; /* watches for which it was said, and that are not well yet */
};

struct watch {
    struct list link;
    struct watches *set;
    struct watch_client *client;
    char *group, *version, *plural, *namespace, *selectors; /* selectors: encoded, with a '&' in front of each; or "" */
    bool namespaced;
    const struct object_codec *codec;
    char *label, *path;
    unsigned refs;
    struct list users;
    bool is_running, is_dying; /* dying: no references, its store is being emptied */
    struct loop_timer linger;
    struct loop_task state_task;
    /* the store */
    struct store store;
    unsigned decode_fields;   /* of objects from now on */
    unsigned list_fields;     /* of the list under way, from its first object on */
    unsigned complete_fields; /* of every object in the store */
    bool synced, sync_due;    /* sync_due: when the sweep is over */
    struct loop_task sweep_task;
    /* the machine and its request */
    struct list_watch machine;
    struct loop_timer timer;
    struct list queue_link; /* in client->queue */
    int64_t ticket_ns;      /* when it may be sent */
    bool has_place;         /* counted in client->list_count */
    bool was_told_to_wait;  /* by Retry-After: the next request counts, whatever it is */
    struct kube_call *call;
    uint64_t drop_count;    /* of the client when the call was made */
    uint64_t attempt;       /* number of the request under way */
    struct loop_timer watchdog; /* while a request is under way */
    int64_t last_byte_ns;
    bool has_stream, list_ended, is_http2;
    struct watch_stream stream;
    char *page_token, *next_token; /* of the page under way and of the one behind it; NULL: none */
    /* for logs */
    enum watch_trouble trouble;
    char *trouble_text; /* NULL: none */
    char *denied_text;  /* of the last 403; NULL: there was none */
    struct discovery *discovery; /* what there is in place of a resource that is not served; NULL: nobody asks */
    bool denied_watch;  /* it was a watch, not a list */
    bool said_by_client;
    int64_t list_started_ns, decode_logged_ns;
    uint64_t decode_failures_logged;
    struct watch_stats stats;
};

/* watches.c */
/* Tells all users of the present state, from the loop. */
void watch_state_changed(struct watch *w);
/* The sweep is over and the store of a dying watch is empty: the watch is gone. */
void watch_free(struct watch *w);

/* watch_client.c */
struct watch_client *watch_client_get(struct watches *set, const struct watch_config *config, struct err *err);
void watch_client_unref(struct watch_client *c);
/* Sends the request of the watch's machine by watch_send, now or when its turn comes. */
void watch_client_enqueue(struct watch *w);
/* Takes it out of the queue, or gives its place to another. */
void watch_client_release(struct watch *w);
/* Nothing comes on the call of the watch: new ones get other connections. Once for all that hang on the same. */
void watch_client_give_up_connection(struct watch *w);

/* watch_run.c */
void watch_run_start(struct watch *w);
void watch_run_stop(struct watch *w); /* the store stays */
void watch_run_relist(struct watch *w);
void watch_run_empty(struct watch *w); /* begins to take out all objects */
void watch_send(struct watch *w);

/* watch_log.c */
void watch_say(struct watch *w, enum list_watch_say what, const struct err *err);
/* Not served any more, or given up: no line about what there is in its place. */
void watch_say_no_offer(struct watch *w);
/* It is not run any more. */
void watch_say_stopped(struct watch *w);
void watch_say_synced(struct watch *w, bool is_first);
void watch_say_undecodable(struct watch *w, const struct watch_meta *meta, const struct err *err);

#endif
