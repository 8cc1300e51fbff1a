/*
 * Inside of entity events: entities.c keeps the journal and decides at a change of leader what must be sent, entity_sender.c sends it.
 */
#ifndef RECEIVERS_K8S_CLUSTER_ENTITIES_H
#define RECEIVERS_K8S_CLUSTER_ENTITIES_H

#include "receivers/k8s_cluster/entity_records.h"
#include "receivers/k8s_cluster/journal.h"
#include "receivers/k8s_cluster/position.h"

/* A stream of a kind that has entities, as this replica sees it, leading or not. */
struct entity_stream {
    const struct k8s_stream *stream;
    bool live;              /* its store is full */
    bool carried;           /* not live yet; what is below is that of another receiver, before a reload */
    bool torn;              /* not live yet; and the reload fell into a list */
    int64_t live_since_ns;  /* boot time */
    uint64_t version;       /* up to it the store has seen everything; 0: versions are no numbers here */
    uint64_t fingerprint;   /* sum over its objects */
    /* The journal: entries of this stream from number `first` on lead from the state of `floor` to the store. */
    uint64_t first;
    struct stream_mark floor;
    bool turned_back;       /* versions once went back: etcd was restored */
    bool listing;           /* a list brings changes; their entries begin at list_first */
    uint64_t list_first;
    /* While sending: entries below send_from do not count, and those up to skip_version were sent by the predecessor. */
    uint64_t send_from;
    uint64_t skip_version, skip_fingerprint;
    int64_t skip_until_ns;
};

/* How far a stream was sent. */
struct entity_progress {
    struct stream_mark sent;
    bool full_due;   /* all of its objects must be sent, as it is not known what was: until then `sent` means nothing */
    bool repeat_due; /* all of its objects are to be sent, as the interval has passed */
};
/* How far all was sent. Copied before each batch, so that a batch that is withheld changes nothing. */
struct entity_cursor {
    uint64_t next;         /* entry of the journal */
    bool within;           /* going through the store of `stream`, at `place` */
    uint32_t stream, place;
    int64_t repeated_ms;   /* when the last repetition that is complete was due, since 1970 */
    struct entity_progress *progress; /* of each stream */
};

enum entity_state {
    ENTITIES_IDLE,    /* not leading */
    ENTITIES_WAITING, /* leading, but not all stores are full */
    ENTITIES_SENDING,
};
/* For own metrics. */
struct entity_counters {
    uint64_t batches, records, deletes;  /* handed over; deletes are records too */
    uint64_t gap_streams, gap_objects;   /* sent in full, as it was not known what had been sent */
    uint64_t dropped_changes;            /* that left the journal before there was room for them */
    uint64_t repetitions;
};
struct entities {
    struct k8s_cluster *k;
    struct loop *loop;
    struct entity_writer writer;
    struct journal journal;
    size_t journal_bytes_max;
    struct entity_stream *streams;
    size_t stream_count;
    uint32_t *index; /* of k's streams: place in `streams`, UINT32_MAX if it has no entities */
    uint64_t streams_hash;
    enum entity_state state;
    int64_t activated_ns;    /* boot time */
    bool repeating;          /* a repetition is under way, due at repeat_ms */
    int64_t repeat_ms;
    bool drop_told;
    struct entity_cursor now, draft;
    struct stream_mark *marks; /* scratch */
    struct loop_task task;     /* sends one batch */
    struct loop_timer flush;   /* gathers changes for a moment */
    struct loop_timer clock;
    struct entity_counters counters;
};

/* -- entities.c -- */
/* All objects of this stream must be sent; `is_gap`: as changes may be missing. */
void entities_send_full(struct entities *e, size_t stream, bool is_gap);

/* The next entry of the journal is passed by this cursor. Must it be sent? */
bool entities_pass(struct entities *e, struct entity_cursor *c);

/* -- entity_sender.c -- */
void entity_sender_init(struct entities *e);
void entity_sender_deinit(struct entities *e);
/* There is something to send. */
void entity_sender_wake(struct entities *e);
/* Stops until it is woken again. */
void entity_sender_stop(struct entities *e);
/* Begins a repetition if one is due. ms until the next is due, INT64_MAX if never. */
int64_t entity_sender_repeat(struct entities *e);

#endif
