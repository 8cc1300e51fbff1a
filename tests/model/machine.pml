/*
 * The election machine of one candidate on one Lease, as src/election/election.c has it, in units of time instead of
 * nanoseconds. Included by election.pml, which is the world around it.
 *
 * Life of a step: step_begin notes where the machine stands -> the event's inline -> step_end carries out what is due, and
 * looks the step up in the table of transitions (transitions.txt): a step that is not there is an error of the model, as it is
 * one of the program when check_trace.py meets it in a trace.
 *
 * Time: every field that ends in `_in` counts down to 0 as the clock ticks; NEVER does not count. `gate` is what is left of
 * the gate: the candidate may act while it is greater than 0, whether it runs or is paused.
 *
 * Records: a Lease's state is one number, version * 32 + holder * 4 + form. Versions are ranks: after each step the versions
 * that anybody still knows are renumbered from 1, so that a run without end has finitely many states.
 */

/* A rule that is broken on purpose, see run.py; the numbers are the order of its list. */
#define MUT(number) (mutation == number)
#define FLAG_GATE 1
#define NO_MARGIN 2
#define RESPONSE_DEADLINE 3
#define FOREIGN_IGNORED 4
#define LATE_EVENT 5
#define CREATE_AT_ONCE 6
#define CLEARED_IS_FREE 7
#define EDITED_COUNTS 8
#define NO_PRECONDITION 9
#define LATE_NOT_FOUND 10
#define YIELD_UNSEEN 11
#define OLD_PROOF 12
#define PROOF_AT_ONCE 13
#define NO_GIVING_UP 14
#define ANSWERED_BY_READ 15
#define RELEASE_WITH_OPEN_GATE 16
#define LAST_UNANSWERED 17
#define FORGETFUL_HAND 18

/* FLAG_GATE: a flag that the candidate's own code clears, instead of the deadline. */
#define FLAG_FOLLOWS(i) m[i].flag = (MUT(FLAG_GATE) && m[i].gate > 0)
#define FLAG_DUE(i) (m[i].flag && m[i].gate == 0)
#define ACTS(i) (m[i].gate > 0 || m[i].flag)

/* ---- records ---- */
#define REC(version, holder, form) ((version) * 32 + (holder) * 4 + (form))
#define VERSION(r) ((r) / 32)
#define HOLDER(r) (((r) / 4) % 8)
#define FORM(r) ((r) % 4)
/* forms without a holder (holder 0) */
#define ABSENT 0
#define RELEASED 1
#define CLEARED 2
/* forms with a holder */
#define HELD 0
#define EDITED 3 /* a hand shortened the duration */
#define IS_PRESENT(r) (HOLDER(r) != 0 || FORM(r) != ABSENT)
#define GHOST (N + 1) /* the name of a process that died */
#define ME(i) (WHO(i) + 1)

/* ---- states, calls, events; the names in transitions.txt are in this order ---- */
#define LEARNING 0
#define FOLLOWING 1
#define CLAIMING 2
#define LEADING 3
#define RELEASING 4
#define STOPPED 5

#define NONE 0
#define GET 1
#define CREATE 2
#define CLAIM 3
#define RENEW 4
#define RELEASE 5

#define E_START 0
#define E_TIMER 1
#define E_SEEN_OLD 2
#define E_SEEN_MINE 3
#define E_SEEN_EDITED 4
#define E_SEEN_OTHER 5
#define E_SEEN_CLEARED 6
#define E_SEEN_RELEASED 7
#define E_ABSENT 8
#define E_DELETED 9
#define E_DELETED_OLD 10
#define E_WATCH_UP 11
#define E_WATCH_DOWN 12
#define E_GOT_OLD 13
#define E_GOT_MINE 14
#define E_GOT_EDITED 15
#define E_GOT_OTHER 16
#define E_GOT_CLEARED 17
#define E_GOT_RELEASED 18
#define E_GOT_ABSENT 19
#define E_OK 20
#define E_CONFLICT 21
#define E_REFUSED 22
#define E_FORBIDDEN 23
#define E_UNKNOWN 24
#define E_STOP 25
#define E_YIELD 26
#define E_HOLD 27
#define E_CAMPAIGN 28
#define E_REST 29
#define E_PROVEN 30

/* ---- outcomes of a call under way, once the server has answered ---- */
#define OK 0
#define NOT_FOUND 1
#define CONFLICT 2
#define REFUSED 3
#define FORBIDDEN 4

/* ---- where a call is ---- */
#define IDLE 0
#define ASKED 1    /* on its way to the server */
#define ANSWERED 2 /* on its way back */
#define LOST 3     /* nothing will come */

#define NEVER 15
#define LONG_AGO 3 /* longer than from one read to the end of the next one */

/* modes */
#define CAMPAIGNS 0
#define HOLDS 1 /* looks, claims nothing */
#define RESTS 2 /* asks nothing */

typedef machine {
    byte state;
    bit seen;
    bit present;
    bit confirming;
    bit failing;          /* the last call gave no knowledge */
    bit watch;
    short known;          /* record last seen; its version is kept when the Lease went away */
    byte reference;       /* standby Lease: version of the main Lease that the known record carries */
    byte promised_in;     /* somebody else may act until then */
    byte claim_in;
    byte act;             /* next call, and when */
    byte act_in;
    byte call;            /* under way */
    byte phase;
    byte age;             /* since it was sent */
    byte expected;        /* version known when it was sent */
    byte outcome;
    short answer;
    byte answer_reference;
    byte sent_reference;  /* standby Lease: what the call under way carries */
    byte unanswered;      /* age, plus 1, of the first write since the last success that may stand unanswered */
    byte unanswered_expected;
    byte stray;           /* a write that the client gave up and that may still reach the server; it stands for all that are alike */
    byte stray_expected;
    byte stray_reference;
    bit stray_ghost;      /* of a process that is dead */
    byte gate;
    bit flag;             /* only with the mutation FLAG_GATE */
    bit drifted;          /* the clock has lost its one unit since the last renewal */
    byte look_age;        /* since a read or the watch last said how things are, up to LONG_AGO */
    bit watched;          /* the watch that is up has said it */
    short event0;         /* what the watch has not delivered yet, oldest first; 0: nothing */
    short event1;
    byte reference0;
    byte reference1;
    bit event_late;
    bit watch_lags;       /* more happened than fits: the watch breaks after these */
    bit stopping;
    byte stop_in;
    byte hold_in;         /* no claims until then */
    byte mode;
    bit asleep;           /* it rested, and has not looked since */
    byte proof;           /* version of a record whose holder is known to be dead; told later */
#if L == 2
    byte unchanged_in;    /* the known record has been so for D then */
#endif
};

hidden byte before_state, before_call, before_gate, after_state, after_gate, event_code;
hidden byte started_call; /* by this step */
hidden byte row_missing, was_asleep, is_new;
hidden byte not_now, no_claim_now; /* what is due is left to the next timer */
hidden byte wait_in;

#define step_begin(i) \
    before_state = m[i].state; before_call = m[i].call; before_gate = (m[i].gate > 0); started_call = NONE; \
    not_now = 0; no_claim_now = 0

#define MAY_CLAIM(i) (m[i].mode == CAMPAIGNS && !m[i].asleep && m[i].hold_in == 0)
#define CAN_CALL(i) (m[i].call == NONE)
#define ACT_DUE(i) (m[i].act != NONE && m[i].act_in == 0 && \
                    (CAN_CALL(i) || (m[i].state == RELEASING && m[i].call != RELEASE)))
#define CLAIM_DUE(i) (m[i].state == FOLLOWING && CAN_CALL(i) && m[i].claim_in == 0 && MAY_CLAIM(i))
/* Knowledge that a write should not rest on: look again first. */
#define IN_DOUBT(i) (m[i].seen && (!m[i].present || (!m[i].watch && m[i].look_age >= 2)))
/* A read that is due goes first: knowledge is known to be old. */
#define CLAIM_WAITS(i) (no_claim_now || (m[i].act == GET && m[i].act_in == 0))
#define STOP_DUE(i) (m[i].state == RELEASING && m[i].stop_in == 0)
#define DUE(i) (m[i].state != STOPPED && (ACT_DUE(i) || CLAIM_DUE(i) || STOP_DUE(i) || FLAG_DUE(i)))

inline act_later(i, item, when)
{
    m[i].act = item;
    m[i].act_in = when;
    not_now = 0
}

/* In a moment: before time moves on, but not in this step. */
inline act_soon(i, what)
{
    act_later(i, what, 0);
    not_now = 1
}

inline act_never(i)
{
    m[i].act = NONE;
    m[i].act_in = 0
}

inline start_call(i, item)
{
    m[i].call = item;
    m[i].phase = ASKED;
    m[i].age = 0;
    m[i].expected = VERSION(m[i].known);
    started_call = item;
#if L == 2
    if
    :: LEASE(i) == STANDBY ->
        m[i].sent_reference = (m[IX(WHO(i), MAIN)].present -> VERSION(m[IX(WHO(i), MAIN)].known) : 0)
    :: else
    fi;
#endif
    act_never(i)
}

inline end_call(i)
{
    m[i].call = NONE;
    m[i].phase = IDLE;
    m[i].age = 0;
    m[i].expected = 0;
    m[i].answer = 0;
    m[i].answer_reference = 0;
    m[i].sent_reference = 0;
    m[i].outcome = OK
}

inline close_gate(i)
{
    m[i].gate = 0;
    m[i].drifted = 0;
    FLAG_FOLLOWS(i)
}

/* When a candidate that only looks may claim what it sees: into wait_in. */
inline claim_time(i)
{
    if
    :: !m[i].seen -> wait_in = 0
    :: m[i].seen && m[i].present && HOLDER(m[i].known) == 0 && FORM(m[i].known) == RELEASED -> wait_in = 0
    :: m[i].seen && m[i].present && HOLDER(m[i].known) == ME(i) -> wait_in = 0
    :: else -> wait_in = m[i].promised_in
    fi
}

inline learn(i, r, ref)
{
    if /* after a yield somebody else has led: the record says so, or is the release of a term that was never seen. Records have no terms here:
          while we release, what is released is taken for our own */
    :: HOLDER(r) != 0 && HOLDER(r) != ME(i) -> m[i].hold_in = 0
    :: m[i].seen && HOLDER(r) == 0 && FORM(r) == RELEASED && HOLDER(m[i].known) != ME(i) && m[i].state != RELEASING -> m[i].hold_in = 0
    :: else
    fi;
    m[i].known = r;
    m[i].reference = ref;
    m[i].seen = 1;
    m[i].present = 1;
    m[i].confirming = 0;
    m[i].promised_in = D;
#if L == 2
    m[i].unchanged_in = (LEASE(i) == STANDBY -> D : 0);
#endif
    if
    :: HOLDER(r) == 0 && FORM(r) == RELEASED -> m[i].promised_in = 0
    :: else
    fi;
    if
    :: MUT(CLEARED_IS_FREE) && HOLDER(r) == 0 -> m[i].promised_in = 0
    :: MUT(EDITED_COUNTS) && HOLDER(r) != 0 && HOLDER(r) != ME(i) && FORM(r) == EDITED -> m[i].promised_in = 1
    :: else
    fi
}

/* A read or the watch said how things are. */
inline looked(i)
{
    m[i].asleep = 0;
    m[i].look_age = 0;
    m[i].watched = m[i].watch
}

inline follow(i)
{
    m[i].state = FOLLOWING;
    claim_time(i);
    m[i].claim_in = wait_in;
    act_never(i);
    if
    :: !m[i].watch -> act_later(i, GET, RETRY)
    :: else
    fi
}

inline lose(i)
{
    close_gate(i);
    follow(i)
}

/* A newer version while we lead. */
inline leader_sees(i, r, ref)
{
    learn(i, r, ref);
    if
    :: HOLDER(r) != ME(i) && !MUT(FOREIGN_IGNORED) -> lose(i)
    :: HOLDER(r) == ME(i) && FORM(r) == EDITED ->
        close_gate(i);
        act_later(i, RENEW, 0)
    :: else
    fi
}

#define IS_LATE_FOREIGN(i, r) (MUT(LATE_EVENT) && m[i].state == LEADING && HOLDER(r) != ME(i))
#define IS_NEWER(i, r) (!m[i].seen || VERSION(r) > VERSION(m[i].known) || IS_LATE_FOREIGN(i, r))

inline observe(i, r, ref, own_read)
{
    was_asleep = m[i].asleep;
    is_new = IS_NEWER(i, r) || (own_read && !m[i].present && VERSION(r) == VERSION(m[i].known)); /* it is back */
    if
    :: is_new || own_read || VERSION(r) == VERSION(m[i].known) -> looked(i)
    :: else
    fi;
    if
    :: !is_new ->
        if
        :: m[i].state == FOLLOWING && (own_read || (was_asleep && !m[i].asleep)) -> follow(i)
        :: else
        fi
    :: is_new && m[i].state == LEADING -> leader_sees(i, r, ref)
    :: else ->
        learn(i, r, ref);
        if
        :: m[i].state == LEARNING || m[i].state == FOLLOWING -> follow(i)
        :: else /* the answer of our write decides */
        fi
    fi
}

/* There is no Lease. */
inline observe_absent(i)
{
    if /* it went away now, or it may have been there meanwhile: wait as for a cleared name */
    :: MUT(CREATE_AT_ONCE) ->
        m[i].promised_in = 0;
        m[i].confirming = 1
    :: !MUT(CREATE_AT_ONCE) && (m[i].present || (m[i].seen && !m[i].watched && m[i].look_age >= LONG_AGO)) ->
        m[i].promised_in = D;
        m[i].confirming = 0
    :: else
    fi;
    m[i].present = 0;
    looked(i);
    if
    :: m[i].state == LEADING && m[i].gate > 0 -> act_later(i, CREATE, 0)
    :: m[i].state == LEADING && m[i].gate == 0 -> lose(i)
    :: m[i].state == LEARNING || m[i].state == FOLLOWING -> follow(i)
    :: else
    fi
}

#define GATE_LENGTH (MUT(NO_MARGIN) -> D : D - MARGIN)

inline write_succeeded(i)
{
    m[i].unanswered = 0;
    m[i].unanswered_expected = 0;
    if
    :: m[i].seen && m[i].present && VERSION(m[i].known) > VERSION(m[i].answer) && HOLDER(m[i].known) != ME(i) ->
        if
        :: m[i].state == LEADING -> lose(i)
        :: else -> follow(i)
        fi
    :: m[i].seen && !m[i].present && VERSION(m[i].known) > VERSION(m[i].answer) && VERSION(m[i].known) > m[i].expected ->
        if /* deleted meanwhile */
        :: m[i].state == LEADING -> act_later(i, CREATE, 0)
        :: else -> follow(i)
        fi
    :: else ->
        if
        :: m[i].seen && m[i].present && VERSION(m[i].known) > VERSION(m[i].answer) -> skip /* edited meanwhile */
        :: else -> learn(i, m[i].answer, m[i].answer_reference)
        fi;
        m[i].state = LEADING;
        m[i].drifted = 0;
        wait_in = (MUT(RESPONSE_DEADLINE) -> 0 : m[i].age);
        m[i].gate = (wait_in < GATE_LENGTH -> (GATE_LENGTH - wait_in) : 0);
        if
        :: FORM(m[i].known) == EDITED -> close_gate(i)
        :: else
        fi;
        if
        :: m[i].gate > 0 && m[i].age < RENEWAL -> wait_in = RENEWAL - m[i].age
        :: else -> wait_in = 0 /* the answer came too late to be of use */
        fi;
        act_later(i, RENEW, wait_in)
    fi
}

/* The watch has shown a Lease while the read was under way: that there is none may be from before. */
#define IS_LATE_NOT_FOUND(i) (m[i].seen && m[i].present && VERSION(m[i].known) > m[i].expected && !MUT(LATE_NOT_FOUND))

/* Our record, in a version behind that of an unanswered write. */
#define IS_CARRIED_OUT(i) (m[i].unanswered != 0 && HOLDER(m[i].answer) == ME(i) && FORM(m[i].answer) != EDITED && \
                           VERSION(m[i].answer) > m[i].unanswered_expected)

inline got(i)
{
    if
    :: m[i].outcome == NOT_FOUND && IS_LATE_NOT_FOUND(i) ->
        if
        :: m[i].state <= FOLLOWING -> follow(i)
        :: m[i].state == LEADING -> act_later(i, GET, 0)
        :: else
        fi
    :: m[i].outcome == NOT_FOUND && !IS_LATE_NOT_FOUND(i) -> observe_absent(i)
    :: m[i].outcome != NOT_FOUND && IS_CARRIED_OUT(i) && m[i].unanswered <= GATE_LENGTH -> /* its answer, so to say */
        m[i].age = (MUT(ANSWERED_BY_READ) -> m[i].age : (m[i].unanswered - 1));
        write_succeeded(i)
    :: else ->
        if
        :: m[i].outcome != NOT_FOUND && IS_CARRIED_OUT(i) -> m[i].unanswered = 0; m[i].unanswered_expected = 0
        :: else
        fi;
        observe(i, m[i].answer, m[i].answer_reference, 1);
        if
        :: m[i].state == LEADING && m[i].act == NONE -> act_later(i, RENEW, 0)
        :: m[i].state == FOLLOWING && HOLDER(m[i].known) == ME(i) -> m[i].claim_in = 0
        :: else
        fi
    fi
}

/* A claim or creation that did not succeed; `ending` is its event. */
inline claim_failed(i, ending)
{
    m[i].state = (m[i].seen -> FOLLOWING : LEARNING);
    claim_time(i);
    m[i].claim_in = (ending == E_FORBIDDEN && wait_in < RETRY -> RETRY : wait_in);
    no_claim_now = 1;
    if
    :: ending == E_CONFLICT && VERSION(m[i].known) > m[i].expected -> /* the watch has shown who won */
        if
        :: !m[i].watch -> act_later(i, GET, RETRY)
        :: else
        fi
    :: else ->
        if
        :: ending == E_CONFLICT || ending == E_UNKNOWN -> m[i].claim_in = NEVER
        :: else
        fi;
        if
        :: ending == E_CONFLICT && m[i].watch -> act_later(i, GET, RETRY)
        :: ending == E_UNKNOWN -> act_later(i, GET, 0)
        :: ending == E_CONFLICT && !m[i].watch -> act_soon(i, GET)
        :: !m[i].seen && ending == E_REFUSED -> act_soon(i, GET)
        :: !m[i].seen && ending == E_FORBIDDEN -> act_later(i, GET, RETRY)
        :: else
        fi
    fi
}

inline call_failed(i, call_before, ending)
{
    if
    :: ending == E_UNKNOWN && call_before != GET && (m[i].unanswered == 0 || MUT(LAST_UNANSWERED)) ->
        m[i].unanswered = m[i].age + 1;
        m[i].unanswered_expected = m[i].expected
    :: else
    fi;
    m[i].confirming = 0;
    if
    :: m[i].state == CLAIMING -> claim_failed(i, ending)
    :: m[i].state == LEADING && (ending == E_UNKNOWN || ending == E_CONFLICT) && call_before != GET ->
        act_later(i, GET, 0)
    :: m[i].state == LEADING && !((ending == E_UNKNOWN || ending == E_CONFLICT) && call_before != GET) ->
        if
        :: ending == E_FORBIDDEN -> act_later(i, (m[i].present -> RENEW : CREATE), RETRY)
        :: else -> act_soon(i, (m[i].present -> RENEW : CREATE))
        fi
    :: else ->
        no_claim_now = 1;
        if
        :: call_before == GET && ending == E_FORBIDDEN -> act_later(i, GET, RETRY)
        :: call_before == GET && ending != E_FORBIDDEN -> act_soon(i, GET)
        :: else -> act_later(i, GET, 0)
        fi;
        if
        :: ending == E_FORBIDDEN && m[i].claim_in < RETRY -> m[i].claim_in = RETRY
        :: else
        fi
    fi
}

/* `sure`: what the Lease is now is known. */
inline finish_release(i, sure)
{
    end_call(i);
    act_never(i);
    close_gate(i);
    m[i].stop_in = 0;
    if
    :: m[i].stopping -> m[i].state = STOPPED
    :: else -> /* after a yield: a candidate again, who lets others go first */
        m[i].hold_in = (m[i].hold_in != 0 -> D : 0);
        follow(i);
        m[i].state = (m[i].seen -> FOLLOWING : LEARNING);
        if
        :: !(sure) || (!m[i].seen && !MUT(YIELD_UNSEEN)) -> act_later(i, GET, 0)
        :: else
        fi
    fi
}

inline release_done(i, call_before, ending)
{
    if
    :: call_before == RELEASE && ending == E_OK ->
        if
        :: VERSION(m[i].answer) > VERSION(m[i].known) -> learn(i, m[i].answer, m[i].answer_reference)
        :: else
        fi;
        finish_release(i, 1)
    :: (call_before == CLAIM || call_before == CREATE) &&
       (ending == E_CONFLICT || ending == E_REFUSED || ending == E_FORBIDDEN) ->
        finish_release(i, 0) /* nothing of ours is there */
    :: ending == E_GOT_ABSENT && !IS_LATE_NOT_FOUND(i) ->
        m[i].present = 0;
        m[i].promised_in = D;
        finish_release(i, 1)
    :: call_before != RELEASE && ending <= E_OK && ending != E_GOT_ABSENT -> /* a write or read that was under way */
        if
        :: VERSION(m[i].answer) > VERSION(m[i].known) -> learn(i, m[i].answer, m[i].answer_reference)
        :: else
        fi;
        end_call(i);
        if
        :: HOLDER(m[i].known) == ME(i) -> start_call(i, RELEASE)
        :: else -> finish_release(i, (HOLDER(m[i].known) == 0 && FORM(m[i].known) == RELEASED))
        fi
    :: ending == E_GOT_ABSENT && IS_LATE_NOT_FOUND(i) -> /* it was made after the server had looked */
        end_call(i);
        if
        :: HOLDER(m[i].known) == ME(i) -> start_call(i, RELEASE)
        :: else -> finish_release(i, (HOLDER(m[i].known) == 0 && FORM(m[i].known) == RELEASED))
        fi
    :: else ->
        end_call(i);
        if
        :: ending == E_FORBIDDEN -> act_later(i, (call_before == GET -> GET : RELEASE), RETRY)
        :: call_before == GET && ending != E_FORBIDDEN -> act_soon(i, GET)
        :: call_before != GET && ending == E_REFUSED -> act_soon(i, RELEASE)
        :: else -> act_later(i, GET, 0)
        fi
    fi
}

/* The end of the call under way; `ending` is the event. */
inline call_done(i, ending)
{
    before_call = m[i].call;
    if
    :: ending >= E_GOT_OLD && ending <= E_OK -> m[i].failing = 0
    :: ending > E_OK && m[i].state != STOPPED &&
       !(m[i].state == RELEASING && before_call != RELEASE && before_call != RENEW && before_call != GET) -> m[i].failing = 1
    :: else
    fi;
    if
    :: m[i].state == RELEASING -> release_done(i, before_call, ending)
    :: m[i].state == STOPPED -> skip
    :: m[i].state < RELEASING && ending == E_OK -> write_succeeded(i)
    :: m[i].state < RELEASING && ending >= E_GOT_OLD && ending <= E_GOT_ABSENT -> got(i)
    :: else -> call_failed(i, before_call, ending)
    fi;
    if /* release_done may have begun another one */
    :: before_state == RELEASING -> skip
    :: else -> end_call(i)
    fi
}

/* Is there, or may there be, a record with our name? */
#define HAS_SOMETHING(i) (m[i].state == LEADING || m[i].state == CLAIMING || \
                          (m[i].seen && m[i].present && HOLDER(m[i].known) == ME(i)))

inline begin_release(i)
{
    if
    :: !MUT(RELEASE_WITH_OPEN_GATE) -> close_gate(i)
    :: else
    fi;
    m[i].state = RELEASING;
    m[i].stop_in = STOP_WAIT;
    act_never(i);
    if
    :: m[i].call == NONE -> start_call(i, RELEASE)
    :: else -> act_later(i, RELEASE, RETRY)
    fi
}

inline stop(i)
{
    m[i].stopping = 1;
    if
    :: m[i].state == RELEASING -> skip /* a yield, which ends as a stop now */
    :: m[i].state != RELEASING && HAS_SOMETHING(i) -> begin_release(i)
    :: else -> finish_release(i, 1)
    fi
}

inline yield(i)
{
    if
    :: m[i].state < RELEASING && HAS_SOMETHING(i) ->
        m[i].hold_in = STOP_WAIT + D;
        begin_release(i)
    :: else
    fi
}

/* `existed`: there was such a Lease, by other evidence. */
inline change_mode(i, new_mode, existed)
{
    was_asleep = (m[i].mode == RESTS) || (existed && !m[i].seen);
    m[i].mode = new_mode;
    if /* as if it had been seen: a record that anything replaces */
    :: existed && !m[i].seen ->
        m[i].seen = 1;
        m[i].present = 1;
        m[i].promised_in = D
    :: else
    fi;
    if
    :: was_asleep && new_mode != RESTS && m[i].state <= FOLLOWING ->
        m[i].asleep = 1;
        m[i].confirming = 0;
        m[i].look_age = LONG_AGO;
        m[i].watched = 0;
        claim_time(i);
        m[i].claim_in = (m[i].seen -> wait_in : NEVER);
        if
        :: m[i].call == NONE -> act_later(i, GET, RETRY)
        :: else
        fi
    :: else
    fi
}

/* Whoever holds the Lease by this version acts no more in `gone_in`. */
inline proven(i, version, gone_in)
{
    if
    :: m[i].seen && m[i].present && (VERSION(m[i].known) == version || MUT(OLD_PROOF)) && HOLDER(m[i].known) != ME(i) &&
       gone_in < m[i].promised_in ->
        m[i].promised_in = gone_in;
        if
        :: m[i].state == FOLLOWING -> m[i].claim_in = gone_in
        :: else
        fi
    :: else
    fi
}

/* What a timer would do, and what is due after any event. */
inline settle(i)
{
    if
    :: STOP_DUE(i) -> /* woken late: what this step was about to start is not started at all */
        started_call = NONE;
        finish_release(i, 0)
    :: else
    fi;
    if /* who rests asks nothing */
    :: m[i].mode == RESTS && m[i].state <= FOLLOWING ->
        act_never(i);
        if
        :: m[i].call == GET && started_call == NONE -> end_call(i)
        :: else
        fi
    :: else
    fi;
    if
    :: m[i].state != STOPPED && ACT_DUE(i) && started_call == NONE && !not_now ->
        if /* it hangs; what it wrote, the conflict will tell */
        :: m[i].call != NONE -> wait_in = m[i].expected; end_call(i); m[i].expected = wait_in
        :: else
        fi;
        wait_in = m[i].act;
        if /* what was seen since a claim went out may be somebody else's, who is not to be released */
        :: wait_in == RELEASE && HOLDER(m[i].known) != ME(i) && VERSION(m[i].known) != m[i].expected -> wait_in = GET
        :: else
        fi;
        start_call(i, wait_in)
    :: else
    fi;
    if
    :: CLAIM_DUE(i) && !CLAIM_WAITS(i) && IN_DOUBT(i) && !m[i].confirming ->
        m[i].confirming = 1;
        start_call(i, GET)
    :: CLAIM_DUE(i) && !CLAIM_WAITS(i) && !(IN_DOUBT(i) && !m[i].confirming) ->
        m[i].state = CLAIMING;
        start_call(i, (m[i].present -> CLAIM : CREATE))
    :: else
    fi
}

/* `code` is the event; the call that the row names is the one that this step started. */
inline step_end(i, happened)
{
    event_code = happened;
    settle(i);
    FLAG_FOLLOWS(i);
    keep_proof(i);
    if /* what means nothing in this state is 0, so that states are equal that behave alike */
    :: m[i].state != FOLLOWING -> m[i].claim_in = 0
    :: else
    fi;
    if
    :: m[i].state == LEADING -> m[i].promised_in = 0
    :: else
    fi;
    after_state = m[i].state;
    after_gate = (m[i].gate > 0);
    c_code {
        row_missing = !transition_is_known(before_state, before_call, before_gate, event_code,
                                           after_state, started_call, after_gate);
    };
    printf("STEP %d %d %d %d %d %d %d %d left: promised %d claim %d gate %d known %d\n",
           i, before_state, before_call, before_gate, event_code, after_state, started_call, after_gate,
           m[i].promised_in, m[i].claim_in, m[i].gate, m[i].known); /* for --replay */
    assert(!row_missing || collecting)
}
