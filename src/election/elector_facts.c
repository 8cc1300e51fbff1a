/*
 * What others ask about the election and about the present term: the fencing token, whether a replica may be spared, whether somebody
 * asked the leader to hand over.
 *
 * The token is "<lease uid>/<transitions>". Of two tokens with the same uid the one with the greater number is of the later term; the
 * uid is there because a Lease that is deleted and made again counts from the beginning. It is made when a term begins, and again
 * only if this leader recreated its Lease, which changes the uid. It is not read from the record each time: somebody who edits the
 * record by hand must not change what data says.
 *
 * The note on a Lease that was created could not carry the uid, which the server chooses; so a leader that recreated its Lease
 * writes the note again at once.
 *
 * A request to hand over names a token. It is for the leader of that very term; each user is told once, also one who joins while it
 * is there.
 */
#include "base/limits.h"
#include "election/elector_internal.h"

static void make_token(struct elector *e)
{
    struct elector_token *t = &e->token;
    struct buf text;
    buf_init(&text, LIMIT_LEASE_BYTES);
    buf_printf(&text, "%.*s/%" PRId32, STR_ARG(e->current.uid), e->current.transitions);
    mem_free(t->text);
    t->text = buf_take(&text, &t->len);
    t->uid_len = e->current.uid.len;
    t->term = e->term;
}

void elector_facts_update(struct elector *e)
{
    const struct elector_token *t = &e->token;
    if (!e->leading || !e->current_present)
        return;
    /* The gate may have opened again within what is one term for everybody else: then the text stays the same. */
    bool same_uid = str_eq(e->current.uid, str_make(t->text, t->uid_len));
    if (t->term == e->term && same_uid)
        return;
    e->note_is_stale = t->term == e->term && e->note.receiver_count > 0;
    make_token(e);
}

str elector_fencing_token(const struct elector *e)
{
    return str_make(e->token.text, e->token.len);
}

const char *elector_lacks(const struct elector *e)
{
    bool is_pair = e->config.standby == STANDBY_AUTO && !e->orders.alone;
    if (is_pair)
        return elector_has_synced_standby(e)
                   ? NULL
                   : "no other replica stands by with full stores, as far as this one knows";
    return election_is_held(&e->machine, loop_boot_ns(e->loop))
               ? NULL
               : "nobody leads, as far as this replica knows";
}

static bool is_asked(const struct elector *e)
{
    if (!e->leading || !e->current_present)
        return false;
    str token = lease_annotation_get(&e->current, STR(YIELD_ANNOTATION));
    return token.len > 0 && str_eq(token, elector_fencing_token(e));
}

void elector_facts_tell(struct elector *e)
{
    /* The watch may show the new Lease before the creation's own answer is here: then after that. */
    if (e->note_is_stale && e->machine.call == CALL_NONE) {
        loop_timer_set(&e->timer, election_renew_soon(&e->machine, loop_boot_ns(e->loop)));
        e->note_is_stale = false;
    }
    bool asked = is_asked(e);
    if (asked && !e->yield_asked)
        log_info(&e->logger, "This replica is asked by its Lease to hand over");
    e->yield_asked = asked;
    list_for_each_safe (node, &e->users) {
        struct elector_user *user = CONTAINER_OF(node, struct elector_user, link);
        bool is_new = asked && !user->told_asked;
        user->told_asked = asked;
        if (is_new && user->on_asked != NULL)
            user->on_asked(user->arg);
    }
}
