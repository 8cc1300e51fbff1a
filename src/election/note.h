/*
 * The hand-over note: what a leader leaves in an annotation of the Lease for whoever leads next. JSON, versioned, tagged with
 * the fencing token (Lease uid, transitions) of the term that wrote it, at most LIMIT_NOTE_BYTES.
 *
 *   {"v":1,"uid":"...","transitions":7,"receivers":[{"id":"dummy/foo","interval":1000000000,
 *    "phase":5,"start":1,"enqueued":2,"acknowledged":3,"position":"..."}]}      all numbers in ns, times since 1970
 */
#ifndef ELECTION_NOTE_H
#define ELECTION_NOTE_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/list.h"
#include "election/elector.h"

#define NOTE_ANNOTATION "baton.dev/note"
#define INCARNATION_ANNOTATION "baton.dev/incarnation"
/* "<lease uid>/<transitions>": the leader of that term is asked to hand over. Goes with the release, or with the next claim. */
#define YIELD_ANNOTATION "baton.dev/yield"
/* On the standby Lease: "true" or "false", and "<uid>/<resourceVersion>" of the main Lease as last seen. */
#define SYNCED_ANNOTATION "baton.dev/synced"
#define MAIN_ANNOTATION "baton.dev/main"

struct note_receiver {
    str id;
    struct note_entry entry;
    char *room; /* in the arena, for the position of a receiver that was put */
    size_t room_bytes;
};
struct note {
    struct arena arena;
    str lease_uid;
    int32_t transitions;
    struct note_receiver *receivers; /* the one that was put last comes first */
    size_t receiver_count, receiver_cap;
};
void note_init(struct note *n);
void note_deinit(struct note *n);
/* Empties it. */
void note_clear(struct note *n);
/* Adds or replaces; texts are copied. */
void note_put(struct note *n, str receiver_id, const struct note_entry *entry);
const struct note_entry *note_find(const struct note *n, str receiver_id);
/* Appends the text; receivers that do not fit into LIMIT_NOTE_BYTES, those that were put longest ago, are left out: their number is
 * returned. */
size_t note_print(struct buf *out, const struct note *n);
/* False (and empty) if it is malformed or of another version; err says why. */
NODISCARD bool note_parse(struct note *n, str text, struct err *err);

#endif
