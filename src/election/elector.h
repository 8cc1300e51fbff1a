/*
 * Leadership of one Lease in this process: the election state machine with its timers and API calls, the gate, and the
 * hand-over note. One elector for each Lease and client in a process, shared by all that ask for it, also across a reload.
 */
#ifndef ELECTION_ELECTOR_H
#define ELECTION_ELECTOR_H

#include "base/list.h"
#include "election/dead_holder.h"
#include "io/loop.h"
#include "kube/client.h"

struct elector_set; /* all electors of a process, by Lease and client */
struct elector_set *elector_set_new(struct loop *loop, const struct logger *logger);
/* All electors must be gone. */
void elector_set_free(struct elector_set *set);

/* What a replica that does not lead does for receivers that can be warm. */
enum standby {
    STANDBY_COLD, /* nothing */
    STANDBY_WARM, /* watches, keeps its stores full, emits nothing */
    STANDBY_AUTO, /* warm on one replica, which holds a second Lease, `<name>-standby`; cold on the others */
};
#define ELECTOR_STANDBY_SUFFIX "-standby"

/* What a replica is to do now. */
enum elector_role { ROLE_COLD, ROLE_WARM, ROLE_LEADING };

struct elector_config {
    struct kube_config kube;
    str lease_name, lease_namespace; /* namespace empty: that of the client, else an error */
    str identity;                    /* empty: pod name and uid, else host name and random */
    int64_t lease_duration_ns;       /* whole seconds */
    int64_t renew_deadline_ns;
    int64_t retry_period_ns;
    int64_t safety_margin_ns;        /* the gate closes so long before the Lease may be taken */
    int64_t request_timeout_ns;      /* of one call; 0: min(retry_period, renew_deadline / 4), at least 500 ms */
    bool release_on_shutdown;
    enum standby standby;
    enum dead_holder_check dead_holder_check;
    str container_name;              /* of the collector in its pod; empty: all regular ones count */
    str termination_message_path;    /* of the collector's container; empty: none */
    bool crowd;                      /* STANDBY_AUTO: cold replicas read the standby Lease now and then, without a watch */
    bool keep_on_outage;             /* the gate stays open while the API server does not say that somebody else leads */
    int64_t handover_wait_ns;        /* STANDBY_AUTO: see elector_awaits_standby */
};

struct elector;
/* A new reference to the elector of that Lease; makes one if there is none (client included, nothing is sent). A Lease that
 * `generation` (a number for each loaded configuration) already uses with other settings is an error; an elector of an older
 * generation takes the new settings over, unless they give it another identity: that is another candidate. */
struct elector *elector_get(struct elector_set *set, const struct elector_config *config, uint64_t generation, struct err *err);
/* Begins to campaign; harmless if it does. */
void elector_start(struct elector *e);
/* Gives the reference up. The last one ends candidacy: the Lease is released (waiting at most 2 s for it), then `done` is
 * called, in any case later from the loop. */
void elector_unref(struct elector *e, void (*done)(void *arg), void *arg);

/* Somebody who acts only while this process leads. */
struct elector_user {
    struct list link;
    void (*on_role)(void *arg, enum elector_role role); /* from the loop; on every change, and soon after joining if it is not COLD */
    bool (*is_synced)(void *arg); /* WARM: would it go on at once if it led now? NULL: always */
    /* Somebody asked by the Lease that this process hands over; NULL: not told. Only later calls may change the elector. */
    void (*on_asked)(void *arg);
    void *arg;
    enum elector_role told_role; /* the elector's: what it was told last */
    bool told_asked;             /* the same */
};
void elector_join(struct elector *e, struct elector_user *user);
void elector_leave(struct elector *e, struct elector_user *user);
/* What is_synced of a user says may have changed. */
void elector_user_synced(struct elector *e);

/* Gives leadership up and goes on as a candidate, who does not claim the Lease again before somebody else has led or one lease
 * duration has passed. Nothing happens if this process does not lead. */
void elector_yield(struct elector *e);
/* Whoever holds the Lease with this uid at this resourceVersion does not act any more, for certain: claims at once if that is the
 * newest version known. */
void elector_prove(struct elector *e, str lease_uid, str resource_version);

/* The gate: reads the clock. True only if no other replica can lead now. */
bool elector_may_emit(const struct elector *e);
/* Counts this process's terms, from 1; 0: never led. */
uint64_t elector_term(const struct elector *e);
/* What fences the present (or last) term off: "<lease uid>/<transitions>"; empty: never led. Valid until the next term. */
str elector_fencing_token(const struct elector *e);
/* For a replica that is COLD: why it would matter if another one ended now; NULL: it would not, for somebody stands by with full stores
 * (STANDBY_AUTO), or leads (STANDBY_COLD, or no permission for the standby Lease). */
const char *elector_lacks(const struct elector *e);
enum standby elector_standby(const struct elector *e);
enum elector_role elector_present_role(const struct elector *e);
/* Not COLD, and all users are synced. */
bool elector_is_synced(const struct elector *e);
/* STANDBY_AUTO: another replica holds the standby Lease and says that it is synced. */
bool elector_has_synced_standby(const struct elector *e);
/* This process leads and is about to end: should it go on for a while? True while another replica stands by that is not synced yet,
 * for at most the configured wait after `since_ns` (boot time). */
bool elector_awaits_standby(const struct elector *e, int64_t since_ns);
int64_t elector_lease_duration_ns(const struct elector *e);
str elector_lease_name(const struct elector *e);
str elector_identity(const struct elector *e);
str elector_lease_namespace(const struct elector *e);
/* The Lease's uid, empty while unknown; for phases that all replicas agree on. */
str elector_lease_uid(const struct elector *e);

/* For own metrics and tests; counted since the elector was made. */
struct elector_stats {
    bool leading;
    enum elector_role role;
    bool has_standby;          /* STANDBY_AUTO: some replica holds the standby Lease, this one included */
    bool standby_is_synced;    /* and says that it is synced */
    int64_t renewed_ns;        /* boot time at which the last successful write of this term was sent */
    int64_t gate_ns;           /* boot time at which the gate closes; 0: closed */
    uint64_t terms, terms_lost; /* lost: to another holder, or no renewal came in time; a release is no loss */
    uint64_t renewals, renewals_failed;
    uint64_t calls_failed;     /* of all kinds; a lost race for a free Lease is no failure */
    uint64_t dead_holders;     /* claims before the expiry, for the holder was proven to be dead */
};
void elector_statistics(const struct elector *e, struct elector_stats *stats);
void electors_each(struct elector_set *set, void (*fn)(void *arg, struct elector *e), void *arg);

/* -- the hand-over note: what the successor must know of each receiver -- */
struct note_entry {
    int64_t interval_ns;
    int64_t phase_ns;        /* ticks are at multiples of interval plus phase */
    int64_t start_ns;        /* start of the series, 0: none */
    int64_t enqueued_ns;     /* last tick whose batches were handed to the queues, all or as many as it had come to; 0: none */
    int64_t acknowledged_ns; /* last tick that every exporter has acknowledged, 0: none */
    str position;            /* PUSH receivers: acknowledged; may be empty */
};
/* What we write with the next renewal and with the release. Cheap; for a term that leads or has just been lost. */
void elector_note_set(struct elector *e, str receiver_id, const struct note_entry *entry);
enum inheritance {
    INHERIT_NONE,     /* no predecessor, no note, or one that cannot be trusted */
    INHERIT_RELEASED, /* handed over in order: go on after enqueued */
    INHERIT_EXPIRED,  /* crashed or cut off: its gate was closed at *gate_closed_ns (wall clock) at the latest */
    INHERIT_OWN,      /* our own earlier term; a restarted container that takes its own Lease back has INHERIT_EXPIRED */
};
/* What the note said of this receiver when the present term began. Valid while leading. */
enum inheritance elector_note_get(const struct elector *e, str receiver_id, struct note_entry *entry, int64_t *gate_closed_ns);

#endif
