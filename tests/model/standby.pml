/*
 * What binds the two Leases of one candidate together, as src/election/standby.c decides it after each step of either machine: only who
 * holds the standby Lease claims the main one, who leads gives the standby Lease up, and so does who cannot claim; and a standby record
 * that has run out proves how long the main Lease has not been written. Included by election.pml.
 */
#if L == 2
#define MAIN_OF(c) m[IX(c, MAIN)]
#define STANDBY_OF(c) m[IX(c, STANDBY)]
#define LED(c) (MAIN_OF(c).state == LEADING)
#define HELD_STANDBY(c) (STANDBY_OF(c).state == LEADING)
#define WRITES_MAIN(c) (MAIN_OF(c).state == CLAIMING || MAIN_OF(c).state == RELEASING)
#define FIRST_IN_LINE(c) (HELD_STANDBY(c) && !giving_up[c])
#define MAIN_MODE(c) (FIRST_IN_LINE(c) && !LED(c) -> CAMPAIGNS : (LED(c) || WRITES_MAIN(c) -> HOLDS : RESTS))
#define STANDBY_MODE(c) (LED(c) || MAIN_OF(c).state == RELEASING -> HOLDS : CAMPAIGNS)
#define WATCHES(i) (LEASE(i) == STANDBY || m[i].mode != RESTS)
#define LEADS(c) (LED(c) && MAIN_OF(c).gate > 0)

inline forget_watch(i)
{
    m[i].watch = 0;
    m[i].watched = 0;
    m[i].watch_lags = 0;
    m[i].event0 = 0;
    m[i].event1 = 0;
    m[i].event_late = 0
}

/* What src/election/standby.c decides after each step of either machine. */
inline couple_running(c)
{
    saw_others[c] = saw_others[c] || (HOLDER(STANDBY_OF(c).known) != 0 && HOLDER(STANDBY_OF(c).known) != c + 1);
    giving_up[c] = HELD_STANDBY(c) && !LED(c) && !MUT(NO_GIVING_UP) &&
                   (giving_up[c] || (trouble[c] > 2 * RETRY && STANDBY_OF(c).gate > 0));
    if
    :: !HELD_STANDBY(c) || LED(c) -> trouble[c] = 0
    :: else
    fi;
    if
    :: MAIN_OF(c).mode != MAIN_MODE(c) ->
        code = MAIN_MODE(c);
        if
        :: code == RESTS -> forget_watch(IX(c, MAIN))
        :: else
        fi;
        told_mode(IX(c, MAIN), code, saw_others[c])
    :: else
    fi;
    if
    :: STANDBY_OF(c).mode != STANDBY_MODE(c) -> code = STANDBY_MODE(c); told_mode(IX(c, STANDBY), code, 0)
    :: else
    fi;
    if
    :: (LEADS(c) || giving_up[c]) && STANDBY_OF(c).state < RELEASING && HAS_SOMETHING(IX(c, STANDBY)) ->
        told_yield(IX(c, STANDBY))
    :: else
    fi;
    if
    :: proof_reference[c] != 0 && HELD_STANDBY(c) && MAIN_OF(c).mode == CAMPAIGNS && MAIN_OF(c).state == FOLLOWING &&
       !MAIN_OF(c).asleep && MAIN_OF(c).present ->
        ref = proof_reference[c];
        wait_in = proof_in[c];
        proof_reference[c] = 0;
        proof_in[c] = 0;
        code = wait_in;
        told_proof(IX(c, MAIN), ref, code)
    :: else
    fi
}

inline couple(c)
{
    if
    :: RUNS(c) && !MAIN_OF(c).stopping -> couple_running(c)
    :: else
    fi
}

/* The standby record that a claim is about to replace. */
inline keep_proof(i)
{
    if
    :: LEASE(i) == STANDBY && started_call == CLAIM && HOLDER(m[i].known) != ME(i) ->
        proof_reference[WHO(i)] = m[i].reference;
        proof_in[WHO(i)] = (proof_reference[WHO(i)] != 0 && !MUT(PROOF_AT_ONCE) -> m[i].unchanged_in : 0)
    :: LEASE(i) == STANDBY && started_call == CREATE ->
        proof_reference[WHO(i)] = 0;
        proof_in[WHO(i)] = 0
    :: else
    fi
}

inline watch_for_trouble(i, outcome_of_call)
{
    if
    :: LEASE(i) == MAIN && (outcome_of_call == E_FORBIDDEN ||
                            (m[i].state == CLAIMING && (outcome_of_call == E_REFUSED || outcome_of_call == E_UNKNOWN))) ->
        trouble[WHO(i)] = (trouble[WHO(i)] == 0 -> 1 : trouble[WHO(i)])
    :: LEASE(i) == MAIN && m[i].state == CLAIMING && (outcome_of_call == E_OK || outcome_of_call == E_CONFLICT) ->
        trouble[WHO(i)] = 0
    :: else
    fi
}
#else
#define couple(c) skip
#define WATCHES(i) (m[i].mode != RESTS)
#endif
