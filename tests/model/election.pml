/*
 * Candidates, an API server, a clock and faults around the election machine of machine.pml. Checked with Spin; run.py holds
 * the list of runs and of mutations that must be refuted, docs/election.md says what the properties mean to a user.
 *
 * L == 1: every candidate campaigns for the main Lease. L == 2: only the holder of the standby Lease claims the main one.
 *
 * protocol.pml is smaller and rougher, and has no bounds of time.
 *
 * Time moves when nothing that is due now is left undone: a running candidate's timers, messages and watch events that have
 * been under way for as long as they may. So everything happens within its bound, in any order. What goes beyond a bound is a
 * fault, and of those each run allows a number:
 *   pause     a candidate does nothing until it is resumed, which may be never; its clock goes on
 *   crash     it forgets everything; a request on its way still arrives; another process may start in its place
 *   lose      a request or an answer never arrives; a lost request may also arrive at any later time (STRAY), and of several that are
 *             based on the same version any one
 *   refuse, forbid   the server answers an error, or that this is not permitted, and has done nothing
 *   watch     a watch breaks; it may stay away for any time
 *   hand      somebody deletes the main Lease, clears its holder, or shortens the recorded duration
 *   standby-hand   the same with the standby Lease
 *   stop, yield, hold   a planned end, a hand-over on purpose, a time without claims
 *   deny      one candidate may not write the main Lease (no fault that is counted: from the beginning)
 *   proof     somebody notices that the process behind a record is dead, and says so, sooner or later (the same)
 *
 * Checked in every run
 *   - never two candidates past the gate of the main Lease;
 *   - from the last fault on, the main Lease is led again within `bound` units, as long as one candidate runs (so a lost leader is
 *     always replaced, and there is never for ever no candidate);
 *   - time can always go on (no deadlock);
 *   - every step of a candidate is a row of transitions.txt;
 *   - where a run asks for it (`undisturbed`): who leads after the last fault leads for ever.
 */
#ifndef N
#define N 2
#endif
#ifndef L
#define L 1
#endif
#define MARGIN 1
#define RETRY 1
#define TIMEOUT (DELAY + 1)
#define STOP_WAIT 2

#define MAIN 0
#define STANDBY 1
#define IX(c, l) ((c) * L + (l))
#define WHO(i) ((i) / L)
#define LEASE(i) ((i) % L)
/* What run.py gives in the environment; the same for all of a run. */
hidden byte mutation, collecting, undisturbed;
hidden byte prompt; /* messages take no time, and arrive in a fixed order: fewer states, for three candidates with two Leases */
hidden short faults;
hidden byte D;     /* lease duration */
hidden byte DELAY; /* of request and answer together, and of a watch event */
hidden byte bound;
hidden byte limits; /* what cannot be promised may happen: two may be past the gate then */
hidden byte RENEWAL; /* between renewals */

/* Kinds of faults; run.py has the names in this order. */
#define LOSE 1
#define REFUSE 2
#define WATCH 4
#define PAUSE 8
#define CRASH 16
#define STOP 32
#define YIELD 64
#define HOLD 128
#define HAND 256
#define DENY 512
#define PROOF 1024
#define FORBID 2048
#define STANDBY_HAND 4096
#define HAS(kind) ((faults & kind) != 0)

c_decl {
    \#include "transitions.h"
    static int setting(const char *name)
    {
        const char *text = getenv(name);
        return text == NULL ? 0 : atoi(text);
    }
};

#if L == 1
#define keep_proof(i) skip
#define watch_for_trouble(i, outcome_of_call) skip
#endif
#include "machine.pml"

machine m[N * L];
short rec[L];        /* what the server has */
byte rec_reference;  /* of the standby Lease */
bit up[N], paused[N];
byte to_start = N;   /* at the beginning */
byte budget;
byte leaderless;
bit deleted_once;
byte denied = N;     /* who may not write the main Lease; N: nobody */
#define DENIED(i) (LEASE(i) == MAIN && denied == WHO(i))
#if L == 2
byte trouble[N];      /* the main Lease is free and cannot be claimed: for so long, from 1; 0: no trouble */
bit giving_up[N];
bit saw_others[N];    /* somebody else held the standby Lease once: so there was a main one, too */
byte proof_reference[N]; /* the version of the main Lease that the replaced standby record carried */
byte proof_in[N];     /* nobody has written it since D before then */
#endif
bit led;

#define RUNS(c) (up[c] && !paused[c])
#define MAY(kind) (budget > 0 && HAS(kind))
#define FAULT budget--; leaderless = 0; led = 0; printf("FAULT\n")

hidden byte j, v, rank, code;
hidden byte used;
hidden short r;
hidden byte ref;

/* ---- the server ---- */

inline push(k, item, carried)
{
    if
    :: m[k].watch_lags -> skip
    :: !m[k].watch_lags && m[k].event0 == 0 -> m[k].event0 = item; m[k].reference0 = carried
    :: !m[k].watch_lags && m[k].event0 != 0 && m[k].event1 == 0 -> m[k].event1 = item; m[k].reference1 = carried
    :: else -> m[k].watch_lags = 1
    fi
}

inline store(l, holder, form, carried)
{
    rec[l] = REC(VERSION(rec[l]) + 1, holder, form);
    if
    :: l == STANDBY -> rec_reference = carried
    :: else
    fi;
    j = 0;
    do
    :: j < N ->
        if
        :: m[IX(j, l)].watch -> push(IX(j, l), rec[l], carried)
        :: else
        fi;
        j++
    :: else -> break
    od
}

#define STALE(l, expected) (VERSION(rec[l]) != (expected) && !MUT(NO_PRECONDITION))

inline serve(i)
{
    printf("SERVE %d %d\n", i, m[i].call);
    m[i].phase = ANSWERED;
    m[i].outcome = OK;
    if
    :: m[i].call == GET ->
        m[i].outcome = (IS_PRESENT(rec[LEASE(i)]) -> OK : NOT_FOUND)
    :: m[i].call != GET && DENIED(i) ->
        m[i].outcome = FORBIDDEN
    :: m[i].call == CREATE && !DENIED(i) ->
        if
        :: IS_PRESENT(rec[LEASE(i)]) -> m[i].outcome = CONFLICT
        :: else -> store(LEASE(i), ME(i), HELD, m[i].sent_reference)
        fi
    :: else ->
        if
        :: !IS_PRESENT(rec[LEASE(i)]) || STALE(LEASE(i), m[i].expected) -> m[i].outcome = CONFLICT
        :: else ->
            if
            :: m[i].call == RELEASE -> store(LEASE(i), 0, RELEASED, m[i].sent_reference)
            :: else -> store(LEASE(i), ME(i), HELD, m[i].sent_reference)
            fi
        fi
    fi;
    if
    :: m[i].outcome == OK ->
        m[i].answer = rec[LEASE(i)];
        m[i].answer_reference = (LEASE(i) == STANDBY -> rec_reference : 0)
    :: else
    fi
}

/* A write that its client has given up arrives after all. */
inline serve_stray(i)
{
    printf("STRAY %d %d\n", i, m[i].stray);
    leaderless = 0;
    if
    :: (m[i].stray == CREATE && !IS_PRESENT(rec[LEASE(i)])) ||
       (m[i].stray != CREATE && IS_PRESENT(rec[LEASE(i)]) && !STALE(LEASE(i), m[i].stray_expected)) ->
        v = (m[i].stray_ghost || (MUT(FORGETFUL_HAND) && m[i].call > GET) -> GHOST : ME(i));
        if
        :: m[i].stray == RELEASE -> store(LEASE(i), 0, RELEASED, m[i].stray_reference)
        :: else -> store(LEASE(i), v, HELD, m[i].stray_reference)
        fi
    :: else
    fi;
    forget_stray(i)
}

inline forget_stray(i)
{
    m[i].stray = NONE;
    m[i].stray_expected = 0;
    m[i].stray_reference = 0;
    m[i].stray_ghost = 0
}

/* Two writes that do the same, whichever of them arrives: the second one to arrive is refused. */
#define IS_LIKE_STRAY(i) (!m[i].stray_ghost && m[i].stray_expected == m[i].expected && m[i].stray_reference == m[i].sent_reference && \
                          (m[i].stray == CREATE) == (m[i].call == CREATE) && (m[i].stray == RELEASE) == (m[i].call == RELEASE))
#define CAN_STRAY(i) (m[i].call == GET || m[i].stray == NONE || IS_LIKE_STRAY(i))

inline stray_away(i)
{
    m[i].phase = LOST;
    if
    :: m[i].call != GET ->
        m[i].stray = m[i].call;
        m[i].stray_expected = m[i].expected;
        m[i].stray_reference = m[i].sent_reference
    :: else
    fi
}

/* ---- what reaches a candidate ---- */

#define KIND_OF(i, x) \
    (HOLDER(x) == ME(i) -> (FORM(x) == EDITED -> 2 : 1) : (HOLDER(x) != 0 -> 3 : (FORM(x) == CLEARED -> 4 : 5)))

inline see(i, item, carried)
{
    step_begin(i);
    if
    :: !IS_PRESENT(item) && m[i].seen && VERSION(item) <= VERSION(m[i].known) -> code = E_DELETED_OLD
    :: !IS_PRESENT(item) && !(m[i].seen && VERSION(item) <= VERSION(m[i].known)) ->
        code = E_DELETED;
        if
        :: m[i].state != STOPPED ->
            m[i].known = REC(VERSION(item), HOLDER(m[i].known), FORM(m[i].known));
            observe_absent(i)
        :: else
        fi
    :: else ->
        code = E_SEEN_OLD + (IS_NEWER(i, item) -> KIND_OF(i, item) : 0);
        if
        :: m[i].state != STOPPED -> observe(i, item, carried, 0)
        :: else
        fi
    fi;
    step_end(i, code)
}

inline deliver(i)
{
    r = m[i].event0;
    ref = m[i].reference0;
    m[i].event0 = m[i].event1;
    m[i].reference0 = m[i].reference1;
    m[i].event1 = 0;
    m[i].reference1 = 0;
    m[i].event_late = 0;
    see(i, r, ref)
}

inline answered(i)
{
    step_begin(i);
    if
    :: m[i].outcome == OK && m[i].call == GET ->
        code = E_GOT_OLD + (IS_NEWER(i, m[i].answer) -> KIND_OF(i, m[i].answer) : 0)
    :: m[i].outcome == OK && m[i].call != GET -> code = E_OK
    :: m[i].outcome == NOT_FOUND -> code = E_GOT_ABSENT
    :: m[i].outcome == CONFLICT -> code = E_CONFLICT
    :: m[i].outcome == REFUSED -> code = E_REFUSED
    :: m[i].outcome == FORBIDDEN -> code = E_FORBIDDEN
    fi;
    watch_for_trouble(i, code);
    call_done(i, code);
    step_end(i, code)
}

inline timed_out(i)
{
    step_begin(i);
    watch_for_trouble(i, E_UNKNOWN);
    call_done(i, E_UNKNOWN);
    step_end(i, E_UNKNOWN)
}

inline watch_down(i)
{
    m[i].event0 = 0;
    m[i].event1 = 0;
    m[i].reference0 = 0;
    m[i].reference1 = 0;
    m[i].event_late = 0;
    m[i].watch_lags = 0;
    step_begin(i);
    m[i].watch = 0;
    m[i].watched = 0;
    if
    :: m[i].state <= FOLLOWING && m[i].act == NONE -> act_later(i, GET, (m[i].seen -> RETRY : 0))
    :: else
    fi;
    step_end(i, E_WATCH_DOWN)
}

inline watch_up(i)
{
    step_begin(i);
    m[i].watch = 1;
    m[i].watched = 0;
    if
    :: m[i].state <= FOLLOWING && m[i].act == GET && m[i].seen && !m[i].asleep && !m[i].failing -> act_never(i)
    :: else
    fi;
    step_end(i, E_WATCH_UP);
    r = rec[LEASE(i)];
    ref = rec_reference;
    if
    :: IS_PRESENT(r) -> see(i, r, ref)
    :: !IS_PRESENT(r) && m[i].call == NONE ->
        step_begin(i);
        observe_absent(i);
        step_end(i, E_ABSENT)
    :: else
    fi
}

inline told_stop(c, l)
{
    step_begin(IX(c, l));
    stop(IX(c, l));
    step_end(IX(c, l), E_STOP)
}

#if L == 2
#define TOLD_STOP_TOO(c) told_stop(c, STANDBY)
#else
#define TOLD_STOP_TOO(c) skip
#endif

inline told_mode(i, new_mode, existed)
{
    step_begin(i);
    change_mode(i, new_mode, existed);
    step_end(i, (new_mode == CAMPAIGNS -> E_CAMPAIGN : (new_mode == HOLDS -> E_HOLD : E_REST)))
}

inline told_yield(i)
{
    step_begin(i);
    yield(i);
    step_end(i, E_YIELD)
}

inline told_proof(i, version, gone_in)
{
    step_begin(i);
    proven(i, version, gone_in);
    step_end(i, E_PROVEN)
}

#include "standby.pml"

/* ---- processes die and start ---- */

inline start(c, l)
{
    step_begin(IX(c, l));
    act_later(IX(c, l), GET, RETRY);
    step_end(IX(c, l), E_START)
}

#define RENAMED(c, x) (HOLDER(x) == (c) + 1 -> REC(VERSION(x), GHOST, FORM(x)) : (x))

/* The records that carry the dead process's name belong to nobody who could know them again. */
inline bury(c, l)
{
    rec[l] = RENAMED(c, rec[l]);
    j = 0;
    do
    :: j < N ->
        m[IX(j, l)].known = RENAMED(c, m[IX(j, l)].known);
        m[IX(j, l)].answer = RENAMED(c, m[IX(j, l)].answer);
        m[IX(j, l)].event0 = RENAMED(c, m[IX(j, l)].event0);
        m[IX(j, l)].event1 = RENAMED(c, m[IX(j, l)].event1);
        j++
    :: else -> break
    od
}

#if L == 2
#define FORGET_UNCHANGED(c, l) ; m[IX(c, l)].unchanged_in = 0
#else
#define FORGET_UNCHANGED(c, l)
#endif

inline end_process(c, l)
{
    bury(c, l);
    if
    :: m[IX(c, l)].phase == ASKED && m[IX(c, l)].call != GET && m[IX(c, l)].stray == NONE ->
        m[IX(c, l)].stray = m[IX(c, l)].call;
        m[IX(c, l)].stray_expected = m[IX(c, l)].expected;
        m[IX(c, l)].stray_reference = m[IX(c, l)].sent_reference;
        m[IX(c, l)].stray_ghost = 1
    :: m[IX(c, l)].stray != NONE -> m[IX(c, l)].stray_ghost = 1
    :: else
    fi;
    end_call(IX(c, l));
    act_never(IX(c, l));
    close_gate(IX(c, l));
    m[IX(c, l)].state = LEARNING;
    m[IX(c, l)].seen = 0;
    m[IX(c, l)].present = 0;
    m[IX(c, l)].confirming = 0;
    m[IX(c, l)].failing = 0;
    m[IX(c, l)].watch = 0;
    m[IX(c, l)].known = 0;
    m[IX(c, l)].reference = 0;
    m[IX(c, l)].promised_in = 0;
    m[IX(c, l)].claim_in = 0;
    m[IX(c, l)].look_age = 0;
    m[IX(c, l)].unanswered = 0;
    m[IX(c, l)].unanswered_expected = 0;
    m[IX(c, l)].watched = 0;
    m[IX(c, l)].mode = CAMPAIGNS;
    m[IX(c, l)].asleep = 0;
    m[IX(c, l)].event0 = 0;
    m[IX(c, l)].event1 = 0;
    m[IX(c, l)].reference0 = 0;
    m[IX(c, l)].reference1 = 0;
    m[IX(c, l)].event_late = 0;
    m[IX(c, l)].watch_lags = 0;
    m[IX(c, l)].stopping = 0;
    m[IX(c, l)].stop_in = 0;
    m[IX(c, l)].hold_in = 0;
    m[IX(c, l)].proof = 0
    FORGET_UNCHANGED(c, l)
}

#if L == 2
#define END_PROCESS(c) end_process(c, MAIN); end_process(c, STANDBY); trouble[c] = 0; giving_up[c] = 0; \
                       saw_others[c] = 0; proof_reference[c] = 0; proof_in[c] = 0; \
                       m[IX(c, MAIN)].mode = RESTS; up[c] = 0; paused[c] = 0
#define START(c) up[c] = 1; m[IX(c, MAIN)].mode = RESTS; start(c, MAIN); start(c, STANDBY)
#else
#define END_PROCESS(c) end_process(c, MAIN); up[c] = 0; paused[c] = 0
#define START(c) up[c] = 1; start(c, MAIN)
#endif

#include "ranks.pml"

/* After every event of a candidate: what it means for its other Lease, the invariant, and the canonical form of the state. */
#if L == 2
#define DONE(c) d_step { again = 0; \
                         do :: again < 2 -> couple(c); make_ranks(); again++ :: else -> break od; \
                         check_gates(); make_canonical() }
hidden byte again;
#else
#define DONE(c) d_step { check_gates(); make_canonical() }
#endif

inline check_gates()
{
    j = 0;
    v = 0;
    do
    :: j < N -> v = v + ACTS(IX(j, MAIN)); j++
    :: else -> break
    od;
    assert(v <= 1 || limits) /* never two past the gate */
}

/* ---- time ---- */

#define WATCH_IS_DUE(i) (L == 2 && !m[i].watch && WATCHES(i) && m[i].state != STOPPED && (IS_PRESENT(rec[LEASE(i)]) || m[i].call == NONE))
#define FREE(i) (!(m[i].phase == ASKED && m[i].age >= DELAY) && \
                 (!RUNS(WHO(i)) || \
                  !(DUE(i) || (m[i].event_late && m[i].event0 != 0) || (m[i].phase == ANSWERED && m[i].age >= DELAY) || \
                    (m[i].call != NONE && m[i].age >= TIMEOUT) || (m[i].watch_lags && m[i].event0 == 0) || WATCH_IS_DUE(i))))
#if N * L == 1
#define ALL_FREE (to_start == 0 && FREE(0))
#elif N * L == 2
#define ALL_FREE (to_start == 0 && FREE(0) && FREE(1))
#elif N * L == 3
#define ALL_FREE (to_start == 0 && FREE(0) && FREE(1) && FREE(2))
#elif N * L == 4
#define ALL_FREE (to_start == 0 && FREE(0) && FREE(1) && FREE(2) && FREE(3))
#elif N * L == 6
#define ALL_FREE (to_start == 0 && FREE(0) && FREE(1) && FREE(2) && FREE(3) && FREE(4) && FREE(5))
#endif

inline count_down(x)
{
    if
    :: x > 0 && x != NEVER -> x--
    :: else
    fi
}

inline age_machine(i, drifts)
{
    count_down(m[i].promised_in);
    count_down(m[i].claim_in);
    count_down(m[i].act_in);
    count_down(m[i].stop_in);
    count_down(m[i].hold_in);
#if L == 2
    count_down(m[i].unchanged_in);
#endif
    if
    :: m[i].gate > 0 && drifts && !m[i].drifted -> m[i].drifted = 1
    :: m[i].gate > 0 && !(drifts && !m[i].drifted) -> m[i].gate--
    :: else
    fi;
    if
    :: m[i].gate == 0 -> m[i].drifted = 0
    :: else
    fi;
    if
    :: m[i].call != NONE && m[i].age < D -> m[i].age++
    :: else
    fi;
    if
    :: m[i].unanswered > 0 && m[i].unanswered < D + 1 -> m[i].unanswered++
    :: else
    fi;
    if
    :: m[i].seen && !m[i].watched && m[i].look_age < LONG_AGO -> m[i].look_age++
    :: else
    fi;
    m[i].event_late = (m[i].event0 != 0)
}

inline count_leaderless()
{
    v = 0;
    used = 0;
    j = 0;
    do
    :: j < N ->
        v = v + ACTS(IX(j, MAIN));
        used = used || (RUNS(j) && !DENIED(IX(j, MAIN)) && m[IX(j, MAIN)].state != STOPPED && (L == 2 || m[IX(j, MAIN)].mode == CAMPAIGNS));
        j++
    :: else -> break
    od;
    leaderless = (v > 0 || !used -> 0 : (leaderless + 1));
    assert(leaderless <= bound); /* a lost leader is always replaced */
    assert(!led || v == 1); /* who leads once, undisturbed, leads for ever */
    led = (undisturbed && v == 1)
}

inline tick(drifts)
{
    printf("TICK drift %d, main Lease %d\n", drifts, rec[MAIN]);
    rank = 0;
    do
    :: rank < N * L -> age_machine(rank, drifts); rank++
    :: else -> break
    od;
#if L == 2
    rank = 0;
    do
    :: rank < N ->
        count_down(proof_in[rank]);
        if
        :: trouble[rank] > 0 && trouble[rank] < 9 -> trouble[rank]++
        :: else
        fi;
        rank++
    :: else -> break
    od;
#endif
    count_leaderless();
    check_gates();
    make_canonical()
}

proctype clock()
{
    do
    :: d_step { ALL_FREE -> tick(0) }
    :: d_step { ALL_FREE -> tick(1) }
    od
}

/* ---- a candidate and its messages ---- */

#define BUSY(i) (m[i].phase == ASKED || (RUNS(WHO(i)) && (m[i].phase == ANSWERED || (m[i].watch && m[i].event0 != 0))))
#if N * L == 1
#define ANY_BUSY(limit) ((limit) > 0 && BUSY(0))
#elif N * L == 2
#define ANY_BUSY(limit) (((limit) > 0 && BUSY(0)) || ((limit) > 1 && BUSY(1)))
#elif N * L == 3
#define ANY_BUSY(limit) (((limit) > 0 && BUSY(0)) || ((limit) > 1 && BUSY(1)) || ((limit) > 2 && BUSY(2)))
#elif N * L == 4
#define ANY_BUSY(limit) (((limit) > 0 && BUSY(0)) || ((limit) > 1 && BUSY(1)) || ((limit) > 2 && BUSY(2)) || ((limit) > 3 && BUSY(3)))
#elif N * L == 6
#define ANY_BUSY(limit) (((limit) > 0 && BUSY(0)) || ((limit) > 1 && BUSY(1)) || ((limit) > 2 && BUSY(2)) || \
                         ((limit) > 3 && BUSY(3)) || ((limit) > 4 && BUSY(4)) || ((limit) > 5 && BUSY(5)))
#endif
#define IN_TURN(i) (!prompt || !ANY_BUSY(i))
#define QUIET (!prompt || !ANY_BUSY(N * L))

#define NEWS(i) \
    :: d_step { RUNS(c) && DUE(i) && QUIET -> step_begin(i); step_end(i, E_TIMER) } \
    :: d_step { m[i].phase == ASKED && IN_TURN(i) -> serve(i) } \
    :: d_step { RUNS(c) && m[i].phase == ANSWERED && IN_TURN(i) -> answered(i) } \
    :: d_step { RUNS(c) && m[i].call != NONE && m[i].phase != ASKED && m[i].age >= TIMEOUT -> timed_out(i) } \
    :: d_step { RUNS(c) && m[i].watch && m[i].event0 != 0 && IN_TURN(i) -> deliver(i) } \
    :: d_step { RUNS(c) && m[i].watch_lags && m[i].event0 == 0 -> watch_down(i) } \
    :: d_step { QUIET && RUNS(c) && !m[i].watch && WATCHES(i) && m[i].state != STOPPED && \
                (IS_PRESENT(rec[LEASE(i)]) || m[i].call == NONE) -> watch_up(i) } \
    :: d_step { m[i].stray != NONE && QUIET -> serve_stray(i) }

#define LOSSES(i) \
    :: d_step { MAY(LOSE) && m[i].phase == ASKED && CAN_STRAY(i) -> FAULT; stray_away(i) } \
    :: d_step { MAY(LOSE) && m[i].phase == ANSWERED -> FAULT; m[i].phase = LOST; m[i].answer = 0; \
                m[i].answer_reference = 0; m[i].outcome = OK }

proctype candidate(byte c)
{
    atomic { d_step { QUIET -> to_start--; START(c) }; DONE(c) };
    do
    :: atomic {
    if
    NEWS(IX(c, MAIN))
#if L == 2
    NEWS(IX(c, STANDBY))
#endif
    LOSSES(IX(c, MAIN))
#if L == 2
    LOSSES(IX(c, STANDBY))
#endif
    :: d_step { MAY(REFUSE) && m[IX(c, MAIN)].phase == ASKED ->
                FAULT; m[IX(c, MAIN)].phase = ANSWERED; m[IX(c, MAIN)].outcome = REFUSED }
#if L == 2
    :: d_step { MAY(REFUSE) && m[IX(c, STANDBY)].phase == ASKED ->
                FAULT; m[IX(c, STANDBY)].phase = ANSWERED; m[IX(c, STANDBY)].outcome = REFUSED }
    :: d_step { QUIET && MAY(WATCH) && RUNS(c) && m[IX(c, STANDBY)].watch -> FAULT; watch_down(IX(c, STANDBY)) }
#endif
    :: d_step { MAY(FORBID) && m[IX(c, MAIN)].phase == ASKED ->
                FAULT; m[IX(c, MAIN)].phase = ANSWERED; m[IX(c, MAIN)].outcome = FORBIDDEN }
    :: d_step { QUIET && MAY(WATCH) && RUNS(c) && m[IX(c, MAIN)].watch -> FAULT; watch_down(IX(c, MAIN)) }
    :: d_step { QUIET && MAY(PAUSE) && RUNS(c) -> FAULT; printf("PAUSE %d\n", c); paused[c] = 1 }
    :: d_step { QUIET && paused[c] -> printf("RESUME %d\n", c); paused[c] = 0; leaderless = 0 }
    :: d_step { QUIET && MAY(CRASH) && up[c] -> FAULT; printf("CRASH %d\n", c); END_PROCESS(c) }
    :: d_step { QUIET && MAY(STOP) && RUNS(c) && m[IX(c, MAIN)].state != STOPPED && !m[IX(c, MAIN)].stopping ->
                FAULT; told_stop(c, MAIN); TOLD_STOP_TOO(c) }
    :: d_step { RUNS(c) && m[IX(c, MAIN)].state == STOPPED && m[IX(c, L - 1)].state == STOPPED -> END_PROCESS(c); leaderless = 0 }
    /* A process that starts when the Lease is gone knows nothing of the one who still counts on it: a known limit. */
    :: d_step { QUIET && !up[c] && (IS_PRESENT(rec[MAIN]) || rec[MAIN] == 0 || limits) -> leaderless = 0; START(c) }
    :: d_step { QUIET && MAY(YIELD) && RUNS(c) && m[IX(c, MAIN)].state != STOPPED ->
                FAULT; told_yield(IX(c, MAIN)) }
    :: d_step { QUIET && MAY(HOLD) && (prompt || N == 1) && RUNS(c) && m[IX(c, MAIN)].mode == CAMPAIGNS ->
                FAULT; told_mode(IX(c, MAIN), HOLDS, 0) }
    :: d_step { QUIET && MAY(HOLD) && RUNS(c) && m[IX(c, MAIN)].mode == CAMPAIGNS && m[IX(c, MAIN)].state != STOPPED ->
                FAULT; m[IX(c, MAIN)].watch = 0; m[IX(c, MAIN)].watched = 0; m[IX(c, MAIN)].watch_lags = 0;
                m[IX(c, MAIN)].event0 = 0; m[IX(c, MAIN)].event1 = 0; m[IX(c, MAIN)].event_late = 0;
                told_mode(IX(c, MAIN), RESTS, 0) }
    :: d_step { L == 1 && RUNS(c) && m[IX(c, MAIN)].mode != CAMPAIGNS ->
                leaderless = 0; told_mode(IX(c, MAIN), CAMPAIGNS, 0) }
    /* Somebody has seen that the process of this record has ended, and says so, sooner or later. */
    :: d_step { HAS(PROOF) && RUNS(c) && m[IX(c, MAIN)].proof == 0 && m[IX(c, MAIN)].present &&
                HOLDER(m[IX(c, MAIN)].known) == GHOST ->
                m[IX(c, MAIN)].proof = VERSION(m[IX(c, MAIN)].known) }
    :: d_step { RUNS(c) && m[IX(c, MAIN)].proof != 0 ->
                ref = m[IX(c, MAIN)].proof; m[IX(c, MAIN)].proof = 0; told_proof(IX(c, MAIN), ref, 0) }
    fi;
    DONE(c) }
    od
}

/* ---- hands ---- */

#if L == 1
#define KNOWS(c) (up[c] && m[IX(c, MAIN)].seen && m[IX(c, MAIN)].call != CREATE && m[IX(c, MAIN)].stray != CREATE)
#else
#define KNOWS(c) (up[c] && (m[IX(c, MAIN)].seen || saw_others[c]) && m[IX(c, MAIN)].call != CREATE && m[IX(c, MAIN)].stray != CREATE)
#endif
#define ALL_KNOW (KNOWS(0) && KNOWS(N / 2) && KNOWS(N - 1))

proctype hands()
{
    do
    /* Known limits: a Lease that comes and goes again before a late watch or the next read shows it is not noticed; and a creation
     * that is under way cannot say that it knows of none. */
    :: d_step { MAY(HAND) && (L == 1 || QUIET) && IS_PRESENT(rec[MAIN]) && (limits || (!deleted_once && ALL_KNOW)) ->
                FAULT; deleted_once = 1; store(MAIN, 0, ABSENT, 0); make_canonical() }
    :: d_step { MAY(HAND) && (L == 1 || QUIET) && HOLDER(rec[MAIN]) != 0 ->
                FAULT; store(MAIN, 0, CLEARED, 0); make_canonical() }
    /* The form of a release, by hand, is a release: others would lead beside one who does not see it in time. */
    :: d_step { N == 1 && MAY(HAND) && HOLDER(rec[MAIN]) != 0 ->
                FAULT; store(MAIN, 0, RELEASED, 0); make_canonical() }
    :: d_step { MAY(HAND) && (L == 1 || QUIET) && HOLDER(rec[MAIN]) != 0 && FORM(rec[MAIN]) == HELD ->
                FAULT; store(MAIN, HOLDER(rec[MAIN]), EDITED, 0); make_canonical() }
#if L == 2
    /* On the standby Lease, whatever and whenever: two may believe that they stand by, and still only one leads. */
    :: d_step { QUIET && MAY(STANDBY_HAND) && IS_PRESENT(rec[STANDBY]) -> FAULT; store(STANDBY, 0, ABSENT, 0); make_canonical() }
    :: d_step { QUIET && MAY(STANDBY_HAND) && HOLDER(rec[STANDBY]) != 0 -> FAULT; store(STANDBY, 0, CLEARED, 0); make_canonical() }
    :: d_step { QUIET && MAY(STANDBY_HAND) && HOLDER(rec[STANDBY]) != 0 && FORM(rec[STANDBY]) == HELD ->
                FAULT; store(STANDBY, HOLDER(rec[STANDBY]), EDITED, rec_reference); make_canonical() }
#endif
    od
}

init
{
    c_code {
        mutation = setting("MUTATION");
        collecting = setting("COLLECTING");
        undisturbed = setting("UNDISTURBED");
        faults = setting("FAULTS");
        D = setting("DURATION");
        DELAY = setting("DELAY");
        prompt = setting("PROMPT");
        bound = setting("BOUND");
        limits = setting("LIMITS");
        RENEWAL = setting("RENEWAL");
        now.budget = setting("BUDGET");
    };
    atomic {
        denied = (HAS(DENY) -> 0 : N);
        byte k = 0;
        do
        :: k < N -> run candidate(k); k++
        :: else -> k = 0; break
        od;
        run clock();
        run hands()
    }
}
