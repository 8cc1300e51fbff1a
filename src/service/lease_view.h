/*
 * What people are shown of an election: the Lease, the standby's Lease beside it, and the hand-over note, as a table, as JSON, or as
 * one line. Nothing is sent and no clock is read here.
 */
#ifndef SERVICE_LEASE_VIEW_H
#define SERVICE_LEASE_VIEW_H

#include "election/note.h"
#include "kube/lease.h"
#include "wire/json.h"

/* What is known of one Lease. */
enum lease_known {
    LEASE_UNKNOWN,   /* not asked yet */
    LEASE_HERE,
    LEASE_ABSENT,
    LEASE_FORBIDDEN,
    LEASE_FAILED,    /* no answer, or one that cannot be used */
};
struct lease_half {
    enum lease_known known;
    struct lease lease;  /* LEASE_HERE */
    int64_t expires_ns;  /* LEASE_HERE with a holder: wall clock of the API server */
    struct err err;      /* FORBIDDEN, FAILED */
};
struct lease_view {
    str namespace, name;
    struct lease_half main, standby;
};
void lease_view_init(struct lease_view *v, str namespace, str name);
void lease_view_deinit(struct lease_view *v);

/* LEASE_HERE comes in three states; the others are what is known. */
enum lease_state { LEASE_STATE_HELD, LEASE_STATE_EXPIRED, LEASE_STATE_FREE, LEASE_STATE_ABSENT, LEASE_STATE_FORBIDDEN, LEASE_STATE_FAILED };
enum lease_state lease_half_state(const struct lease_half *h, int64_t now_ns);
/* "held", "expired", "free", "absent", "forbidden", "failed": stable, for programs. */
const char *lease_state_name(enum lease_state s);

/* A paragraph: one line a fact, then the note as a table. */
void lease_view_table(struct buf *out, const struct lease_view *v, int64_t now_ns);
/* One object; docs/lease.md lists its keys. */
void lease_view_json(struct json_writer *w, const struct lease_view *v, int64_t now_ns);
/* Who leads and who stands by, in one line without times; changes only when one of the two does. */
void lease_view_line(struct buf *out, const struct lease_view *v, int64_t now_ns);

#endif
