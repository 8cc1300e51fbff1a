/* Shared by the files of the elector; not for others. */
#ifndef ELECTION_ELECTOR_INTERNAL_H
#define ELECTION_ELECTOR_INTERNAL_H

#include "election/election.h"
#include "election/elector.h"
#include "election/note.h"
#include "election/standby.h"
#include "kube/lease.h"

/* Writes that may have reached the server without our seeing the answer; by their renewTime we know our own hand. */
enum { ELECTOR_ATTEMPTS = 4, ELECTOR_UNANSWERED_MAX = 60 };

struct elector_client {
    struct list link;
    struct kube_client *kube;
    uint32_t ref_count;
};

struct elector_set {
    struct loop *loop;
    struct logger logger;
    struct list electors;
    struct list clients; /* one for each server and credential, shared by the electors */
};

/* What the record said when our claim went out: decides what we inherit. */
struct elector_predecessor {
    bool valid;
    enum election_holder holder;
    bool released;
    int64_t gate_closed_ns; /* boot time */
    struct note note;       /* empty if there was none to trust */
};

/* What data of the present term carries. */
struct elector_token {
    char *text; /* heap */
    size_t len, uid_len;
    uint64_t term; /* for which it was made */
};

/* One candidacy on one Lease. Each elector has a second one inside, on the standby Lease: without users and note, known to
 * nobody outside, and idle unless the mode is STANDBY_AUTO. */
struct elector {
    struct list link;
    struct elector *standby; /* NULL in the second one */
    struct elector *main;    /* of the second one: whose it is */
    struct elector_set *set;
    struct loop *loop;
    struct logger logger;
    uint32_t ref_count;
    uint64_t generation;
    bool started;

    struct arena arena;      /* texts of the configuration */
    struct elector_config config;
    int64_t request_timeout_ns;
    str namespace, name, identity, incarnation;
    bool identity_is_configured;
    int socket_fd;           /* -1: none */
    struct elector_client *client;

    struct election machine;
    struct loop_timer timer;
    struct kube_call *call;
    enum election_call call_kind;
    int64_t attempts_ns[ELECTOR_ATTEMPTS]; /* renewTime of our latest writes */
    size_t attempt_next;
    /* And of the first ones since a write was answered: all of them are based on the same version, so one at most stands; when a server
     * that was held up goes on, it is one of the first. */
    int64_t unanswered_ns[ELECTOR_UNANSWERED_MAX];
    size_t unanswered_count;
    int64_t answered_ns;     /* renewTime of the record as the latest answer showed it */
    int64_t stands_ns;       /* the same of the latest answer that showed a record of our own */
    bool namespace_logged;
    unsigned failures_told;  /* in a row, one bit for each kind: no answer and why, credentials, each hundred of HTTP status */

    struct lease current;    /* newest known record, for the next write */
    bool current_present;
    uint64_t current_version;

    struct lease_watch *watch;
    bool watch_wanted;
    struct loop_timer watch_timer;
    bool watch_initial;      /* ask for sendInitialEvents: false once the server refused it */
    bool watch_anew;         /* the last one ended since its version was forgotten: begin with what is there */
    bool watch_denied;       /* 403 was said */
    bool watch_saw_lease;
    uint32_t watch_failures;
    uint64_t watch_version;  /* newest version that the watch delivered */
    int64_t watch_started_ns;
    uint64_t written_version; /* of a write of ours that the watch is to show */
    int64_t written_ns;       /* when its answer came, boot time */

    struct list users;
    bool had_users;
    bool leading;            /* the gate is, or was a moment ago, open */
    struct standby_pair pair;
    struct standby_orders orders;
    struct loop_timer pair_timer;
    enum elector_role role;  /* what users are told */
    bool synced_logged, gives_up_logged;
    uint64_t term;
    struct elector_token token;
    bool note_is_stale;      /* the Lease was recreated: the note that went with it names no uid */
    bool yield_asked;        /* the record asks this term to hand over, and that was logged */
    int64_t led_since_ns;    /* boot time */
    uint64_t terms_lost, renewals, renewals_failed, calls_failed;

    struct dead_holder *dead; /* NULL: not started, or off */
    enum dead_holder_check dead_check;
    char *container_name, *termination_message_path;
    bool mark_left;           /* in the termination message */
    uint64_t dead_holders;

    struct note note;        /* what we leave behind */
    size_t note_left_out;
    struct elector_predecessor predecessor;
    enum inheritance inheritance;
    bool has_noted;          /* in this term somebody has, so that the note is ours */
    int64_t inherited_gate_closed_ns; /* wall clock */

    void (*done)(void *arg);
    void *done_arg;
    struct loop_task done_task;
};

/* Feeds the machine and carries out what it says; then what follows for the other candidacy. */
void elector_step(struct elector *e, const struct election_event *event);
/* The machine alone. */
void elector_step_alone(struct elector *e, const struct election_event *event);
void elector_step_kind(struct elector *e, enum election_event_kind kind);

/* elector_call.c: requests and what their answers mean */
void elector_call_start(struct elector *e, enum election_call call, bool fresh_connection);
void elector_call_cancel(struct elector *e);
/* The machine's view of a record; also keeps it as `current` if it is newer or `authoritative`. */
struct election_lease elector_view(struct elector *e, const struct lease *lease, bool authoritative);

/* elector_watch.c */
void elector_watch_want(struct elector *e, bool wanted);
void elector_watch_restart(struct elector *e);
void elector_watch_wrote(struct elector *e, uint64_t version); /* a write of ours stands */
void elector_watch_answered(struct elector *e);                /* a call was: is the watch, too? */
void elector_watch_end(struct elector *e);
void elector_watch_timer(void *arg);

/* elector_dead.c: claims before the expiry, where the holder is proven to be dead */
void elector_dead_configure(struct elector *e, const struct elector_config *config); /* begins anew if they changed */
bool elector_dead_is_configured(const struct elector *e, const struct elector_config *config);
void elector_dead_begin(struct elector *e);
void elector_dead_follow(struct elector *e); /* after each step */
void elector_dead_end(struct elector *e);

/* elector_standby.c: the two candidacies of an elector */
void elector_settle(struct elector *e);
/* Puts what the standby says of itself, and of the main Lease, on its record. */
void elector_standby_write(struct elector *second, struct lease *lease);
void elector_standby_statistics(const struct elector *e, struct elector_stats *stats);
/* At a claim of the standby Lease: keeps what the record before says. */
void elector_standby_remember(struct elector *second);

/* elector_log.c */
void elector_log_standby(struct elector *second, enum election_report report);
void elector_log_alone(struct elector *e);
void elector_log_report(struct elector *e, enum election_report report);
void elector_log_failure(struct elector *e, const struct kube_result *result);
void elector_log_recovery(struct elector *e);
/* The Role that this elector needs, as one line of YAML. */
void elector_print_role(struct buf *out, const struct elector *e);

/* elector_note.c */
/* At a claim: keeps what the record says of the predecessor. */
void elector_remember_predecessor(struct elector *e);
/* At the beginning of a term: what we inherit. */
void elector_inherit(struct elector *e, bool reopened);
/* The note annotation for the next write of a term with these transitions. */
void elector_note_write(struct elector *e, struct lease *lease);

/* elector_facts.c: after each step, before users are told that they lead, and after */
void elector_facts_update(struct elector *e);
void elector_facts_tell(struct elector *e);

#endif
