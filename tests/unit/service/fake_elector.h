/*
 * election/elector.h without a server: the test says who leads and what the predecessor left. Link instead of the elector in
 * election/.
 */
#ifndef FAKE_ELECTOR_H
#define FAKE_ELECTOR_H

#include "election/elector.h"

enum { FAKE_NOTES_MAX = 32, FAKE_POSITION_MAX = 128 };

struct fake_note {
    char id[64];
    struct note_entry entry;
    char position[FAKE_POSITION_MAX];
};

struct elector {
    struct list link;
    struct elector_set *set;
    struct elector_config config; /* texts point into `texts` */
    char texts[3][300];
    uint64_t generation;
    uint32_t ref_count;
    bool started, leading;
    bool gate_open;               /* while leading */
    bool others_lead;             /* what is known of somebody else */
    size_t yield_count;
    int64_t yielded_ns;           /* boot time of the latest */
    int64_t yielded_tick_ns;      /* newest tick that was noted by then: what the release says */
    char token[96];
    bool stands_by;               /* this one, by STANDBY_AUTO */
    bool another_stands_by, another_is_synced;
    size_t synced_calls;          /* of elector_user_synced */
    uint64_t term;
    struct list users;
    enum inheritance inheritance;
    int64_t gate_closed_ns;
    struct fake_note inherited[FAKE_NOTES_MAX], written[FAKE_NOTES_MAX];
    size_t inherited_count, written_count;
    struct loop_timer timer;      /* ends a release */
    struct loop_task tell_task;
    void (*done)(void *arg);
    void *arg;
};

struct elector_set {
    struct loop *loop;
    struct list electors;
    char uid[64];
    int64_t release_takes_ns;  /* between the release call and its answer */
    size_t release_count;      /* Leases released by the one that led */
    int64_t released_ns;       /* boot time of the latest release call */
    size_t made_count;
    const char *refuse;        /* elector_get fails with this text */
};

/* The elector of that Lease; NULL if there is none. */
struct elector *fake_elector_find(struct elector_set *set, const char *lease_name);
/* Begins a term and tells the users. What was inherited is set before. */
void fake_elector_lead(struct elector *e, enum inheritance inheritance, int64_t gate_closed_ns);
void fake_elector_lose(struct elector *e);
/* The Lease asks it to hand over. */
void fake_elector_ask(struct elector *e);
void fake_elector_stand_by(struct elector *e, bool stands_by);
void fake_elector_inherit(struct elector *e, const char *receiver_id, struct note_entry entry);
/* What the service wrote last; NULL if nothing. */
const struct fake_note *fake_elector_written(const struct elector *e, const char *receiver_id);

#endif
