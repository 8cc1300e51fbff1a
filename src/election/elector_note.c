/*
 * The hand-over note in an elector: reading the predecessor's at a claim, keeping our own, writing it with each renewal and with
 * the release. A claim writes what was inherited again under its own token, so that a second crash does not lose it.
 */
#include "election/elector_internal.h"

#include "base/limits.h"

/* The first note on a receiver is written so soon after its first tick. */
#define NOTE_DELAY_NS INT64_C(50000000)

/* Reads the note of `current` if the record's own token vouches for it: client-go leaders keep annotations they do not know, so a
 * note may be older than the term before ours. */
static void read_note(struct elector *e, struct note *note)
{
    note_clear(note);
    str text = lease_annotation_get(&e->current, STR(NOTE_ANNOTATION));
    if (text.len == 0)
        return;
    struct err err;
    if (!note_parse(note, text, &err)) {
        log_warn(&e->logger, "Ignoring the hand-over note of the previous leader", F_ERR(&err));
        return;
    }
    if (!str_eq(note->lease_uid, e->current.uid) || note->transitions != e->current.transitions)
        note_clear(note);
}

void elector_remember_predecessor(struct elector *e)
{
    struct elector_predecessor *p = &e->predecessor;
    bool retry = e->current_present && e->machine.lease.holder == HOLDER_ME && p->valid;
    if (retry)
        return; /* the answer to our first claim was lost: what it saw is what counts */
    p->valid = true;
    p->released = e->current_present && e->machine.lease.released;
    p->holder = e->current_present ? e->machine.lease.holder : HOLDER_NONE;
    if (e->current_present)
        read_note(e, &p->note);
    else
        note_clear(&p->note);
    /* By its own clocks it closed a margin earlier. How much of that margin was needed for the difference between its clocks and ours
     * nobody knows: what it may have sent in it counts as sent. */
    p->gate_closed_ns = e->machine.promised_ns;
    if (p->holder == HOLDER_TWIN && e->machine.config.may_take_back)
        p->gate_closed_ns = loop_boot_ns(e->loop); /* a dead process of this pod */
    if (e->machine.gone_ns != 0)                   /* proven: it may have acted until then */
        p->gate_closed_ns = e->machine.gone_ns;
}

static int64_t gate_closed_wall_ns(const struct elector *e)
{
    return loop_wall_ns(e->loop) - (loop_boot_ns(e->loop) - e->predecessor.gate_closed_ns);
}

void elector_inherit(struct elector *e, bool reopened)
{
    struct elector_predecessor *p = &e->predecessor;
    e->inherited_gate_closed_ns = gate_closed_wall_ns(e);
    bool is_due = p->valid && p->holder != HOLDER_ME; /* nobody has inherited from it yet */
    /* A term that closed before anybody heard of it has noted nothing: what the predecessor may have sent still counts as sent. */
    if (reopened && !is_due && !e->has_noted)
        return;
    if ((reopened && !is_due) || (p->valid && p->holder == HOLDER_ME)) {
        e->inheritance = INHERIT_OWN;
    } else if (p->note.receiver_count == 0) {
        e->inheritance = INHERIT_NONE;
        note_clear(&e->note);
    } else {
        e->inheritance = p->released ? INHERIT_RELEASED : INHERIT_EXPIRED;
        note_clear(&e->note);
        for (size_t i = p->note.receiver_count; i-- > 0;) /* in the same order */
            note_put(&e->note, p->note.receivers[i].id, &p->note.receivers[i].entry);
    }
    e->has_noted = e->inheritance == INHERIT_OWN;
    p->valid = false;
}

void elector_note_set(struct elector *e, str receiver_id, const struct note_entry *entry)
{
    const struct note_entry *known = note_find(&e->note, receiver_id);
    bool leads = e->leading || e->machine.state == ELECTION_RELEASING;
    /* A term that has just been lost may still have our name on the Lease: what is half sent belongs into its release. What is not
     * newer than the note is of an earlier term. */
    if (!leads && known != NULL && known->enqueued_ns >= entry->enqueued_ns)
        return;
    e->has_noted = e->has_noted || leads;
    bool is_new = known == NULL;
    note_put(&e->note, receiver_id, entry);
    if (is_new && e->leading) /* a crash before the next renewal must not lose it */
        loop_timer_set(&e->timer,
                       election_renew_soon(&e->machine, loop_boot_ns(e->loop) + NOTE_DELAY_NS));
}

enum inheritance elector_note_get(const struct elector *e, str receiver_id,
                                  struct note_entry *entry, int64_t *gate_closed_ns)
{
    const struct note_entry *found = note_find(&e->note, receiver_id);
    *gate_closed_ns = e->inherited_gate_closed_ns;
    if (found == NULL || e->inheritance == INHERIT_NONE)
        return INHERIT_NONE;
    *entry = *found;
    return e->inheritance;
}

/* Whoever comes next finds an orderly release: what the predecessor may have sent until its gate closed, nobody else tells. */
static void count_as_sent(struct elector *e)
{
    struct note *note = &e->predecessor.note;
    int64_t closed_ns = gate_closed_wall_ns(e);
    for (size_t i = 0; i < note->receiver_count; i++) {
        struct note_entry *entry = &note->receivers[i].entry;
        if (entry->enqueued_ns < closed_ns)
            entry->enqueued_ns = closed_ns;
    }
}

void elector_note_write(struct elector *e, struct lease *lease)
{
    /* Until the term begins its note is the predecessor's, under our token: at the claim, at a renewal if the claim's answer came too late
     * to be of use, and when all is given back because this process ends. Our own is of an earlier term then, if there is one at all. */
    const struct elector_predecessor *p = &e->predecessor;
    bool inherited = p->valid && p->holder != HOLDER_ME;
    if (inherited && e->call_kind == CALL_RELEASE && !p->released)
        count_as_sent(e);
    struct note *note = inherited ? &e->predecessor.note : &e->note;
    note->lease_uid = lease->uid;
    note->transitions = lease->transitions;
    struct buf text;
    buf_init(&text, 2 * LIMIT_NOTE_BYTES);
    size_t left_out = note_print(&text, note);
    lease_annotation_set(lease, STR(NOTE_ANNOTATION), buf_view(&text));
    buf_deinit(&text);
    note->lease_uid = STR_NONE;
    if (left_out > e->note_left_out)
        log_warn(&e->logger,
                 "The hand-over note is full: some receivers start afresh after a change of leader",
                 F_INT("receivers_left_out", left_out), F_INT("limit_bytes", LIMIT_NOTE_BYTES));
    e->note_left_out = left_out;
}
