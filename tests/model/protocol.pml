/*
 * The rules of docs/election.md alone, without the machine that carries them out (machine.pml): N candidates, the main Lease and, with L == 2,
 * the standby's Lease that decides who may claim the main one. It is rough enough to be searched with any number of pauses and late
 * messages, which election.pml counts. run.py says with which flags, and which mutations it must refute.
 *
 * How it stays small
 *   - Versions are not numbers. A write is accepted if it is based on the present version, so all that counts is whether what a
 *     candidate knows, has sent, or has noted is still the present version: one bit each, cleared for everybody by each write.
 *   - Times are ages in whole units that stop at D, a lease duration: older makes no difference.
 * So the state space is finite without a bound on time: what holds here holds for ever.
 *
 * Time moves on whenever it likes, and nobody has to act: a pause of any length, a message that is late by any time, a watch that
 * is down, are all the same here, namely a step that is not taken yet. Two phases:
 *   faulty   messages get lost, candidates crash and start again, yield, hands delete and clear the main Lease (each kind at most
 *            FAULTS times, together). Checked: never two candidates past the gate.
 *   calm     from a moment that Spin chooses: no more faults, messages arrive within a unit, and time waits for what is due.
 *            Checked: nobody leads for at most BOUND units, again and again; and time never stands still.
 */
#ifndef N
#define N 2
#endif
#ifndef L
#define L 2
#endif
#ifndef D
#define D 3 /* lease duration */
#endif
#ifndef DELAY
#define DELAY 1 /* units that a request and its answer take at most in the calm */
#endif
#ifndef FAULTS
#define FAULTS 2
#endif
#ifndef DENIED
#define DENIED 0 /* so many candidates have no permission to write the main Lease */
#endif
#ifndef BOUND
#define BOUND (2 * D + 3)
#endif
#ifdef SLOW_CLOCK
#define MARGIN 1
#else
#define MARGIN 0 /* perfect clocks need none */
#endif
#ifdef MUT_NO_MARGIN
#undef MARGIN
#define MARGIN 0
#endif

#define MAIN 0
#define SECOND 1
#define NOBODY N
#define RETRIES 2

/* What the server keeps of each Lease. */
byte holder[L];        /* NOBODY: none */
bool present[L];
bool released[L];      /* nobody holds it, in the form of a release */
bool note_is_present;  /* the standby's record names the present version of the main Lease */

/* What candidate c knows of Lease l: IX(c, l). */
#define IX(c, l) ((c) * L + (l))
#define LEASE(i) ((i) % L)
bool fresh[N * L];     /* what it knows is the present version */
bool known[N * L];     /* it knows anything */
byte seen_holder[N * L];
bool seen_released[N * L], seen_present[N * L];
byte age[N * L];       /* since it first saw that version, or since it saw the Lease gone or cleared */
byte gate[N * L];      /* units for which it may act; 0: closed */
bool leads[N * L];     /* the last word it has is that it holds the Lease */

/* Its one call for each Lease. */
#define IDLE 0
#define CLAIM 1
#define RENEW 2
#define RELEASE 3
byte call[N * L];
bool call_fresh[N * L]; /* based on the present version */
bool call_note[N * L];  /* what a write of the standby's record says of the main Lease is its present version */
byte call_age[N * L];
#define ON_ITS_WAY 0
#define DONE 1
#define REFUSED 2
byte call_state[N * L];
bool answer_fresh[N * L]; /* the version that the answer carries is the present one */

bool alive[N], rests[N]; /* rests: gave the standby's Lease up, until somebody else has it or a duration has passed */
byte rest_age[N], failures[N];
bool took_expired[N];    /* it took a record of the standby that had run out, */
bool proof[N];           /* and that record names the present version of the main Lease: not written for a duration */
bool waits[N * L];       /* after a refusal, until the next unit */
byte since_skip[N];      /* units since its clock stood still for one */
byte faults_left = FAULTS;
bool calm;
byte without; /* units of the calm in which nobody led, in a row */

#define DENIED_ONE(c) ((c) < DENIED)
#define OLDER(a) a = (a < D -> a + 1 : D)

#define OPEN(who) (gate[IX(who, MAIN)] > 0)
#if N == 2
#define SAFE (!(OPEN(0) && OPEN(1)))
#define LED (OPEN(0) || OPEN(1))
#define SOMEBODY ((alive[0] && !DENIED_ONE(0)) || (alive[1] && !DENIED_ONE(1)))
#else
#define SAFE (!(OPEN(0) && OPEN(1)) && !(OPEN(0) && OPEN(2)) && !(OPEN(1) && OPEN(2)))
#define LED (OPEN(0) || OPEN(1) || OPEN(2))
#define SOMEBODY ((alive[0] && !DENIED_ONE(0)) || (alive[1] && !DENIED_ONE(1)) || (alive[2] && !DENIED_ONE(2)))
#endif

/* Everything that somebody else may have been promised by what was seen has run out. */
#define EXPIRED(i) (age[i] >= D)
#ifdef MUT_CLEARED_IS_FREE
#define FREE(i) (seen_present[i] && seen_holder[i] == NOBODY)
#else
#define FREE(i) (seen_present[i] && seen_released[i])
#endif
#ifdef MUT_CREATE_AT_ONCE
#define GONE(i) (!seen_present[i])
#else
#define GONE(i) (false)
#endif
#define CLAIMABLE(c, i) (known[i] && fresh[i] && seen_holder[i] != c && (FREE(i) || GONE(i) || EXPIRED(i)))
/* A write whose answer was lost: the name is ours, so it may be claimed again. */
#define OURS(c, i) (known[i] && fresh[i] && seen_present[i] && seen_holder[i] == c && !leads[i])

#if L == 2
#define MAY_CLAIM_MAIN(c) (leads[IX(c, SECOND)])
#define WANTS_SECOND(c) (!leads[IX(c, MAIN)] && !rests[c])
#ifdef MUT_PROOF_WITHOUT_VERSION
#define IS_PROVEN(c) (took_expired[c] && fresh[IX(c, MAIN)])
#else
#define IS_PROVEN(c) (proof[c] && fresh[IX(c, MAIN)])
#endif
#else
#define MAY_CLAIM_MAIN(c) (true)
#define WANTS_SECOND(c) (false)
#define IS_PROVEN(c) (false)
#endif
#define CLAIMS_MAIN(c) (MAY_CLAIM_MAIN(c) && !rests[c] && !leads[IX(c, MAIN)] && call[IX(c, MAIN)] == IDLE && !waits[IX(c, MAIN)] && \
    (CLAIMABLE(c, IX(c, MAIN)) || OURS(c, IX(c, MAIN)) || (IS_PROVEN(c) && known[IX(c, MAIN)])))
#define CLAIMS_SECOND(c) (L == 2 && WANTS_SECOND(c) && !leads[IX(c, L - 1)] && call[IX(c, L - 1)] == IDLE && !waits[IX(c, L - 1)] && \
    (CLAIMABLE(c, IX(c, L - 1)) || OURS(c, IX(c, L - 1))))
#define RENEWS(i) (leads[i] && call[i] == IDLE && !waits[i] && gate[i] < D - MARGIN && fresh[i] && (seen_present[i] || gate[i] > 0))
#define GIVES_UP_SECOND(c) (L == 2 && leads[IX(c, L - 1)] && call[IX(c, L - 1)] == IDLE && !waits[IX(c, L - 1)] && fresh[IX(c, L - 1)] && (leads[IX(c, MAIN)] || rests[c]))
#define LOOKS(i) (!fresh[i] && call[i] == IDLE)

/* What is written makes all older knowledge old. */
inline written(l)
{
    k = 0;
    do
    :: k < N ->
        fresh[IX(k, l)] = false;
        call_fresh[IX(k, l)] = false;
        answer_fresh[IX(k, l)] = false;
        if
        :: l == MAIN -> proof[k] = false;
#if L == 2
            call_note[IX(k, SECOND)] = false
#endif
        :: else
        fi;
        k++
    :: else -> break
    od;
    if
    :: l == MAIN -> note_is_present = false
    :: else
    fi;
    k = 0
}

inline forget_call(i)
{
    call[i] = IDLE; call_fresh[i] = false; call_age[i] = 0; call_state[i] = ON_ITS_WAY; answer_fresh[i] = false; call_note[i] = false
}

inline send(i, what)
{
    if
    :: L == 2 && LEASE(i) == SECOND && what == CLAIM ->
        took_expired[c] = (EXPIRED(i) && seen_present[i] && seen_holder[i] != NOBODY && seen_holder[i] != c);
        proof[c] = (took_expired[c] && note_is_present)
    :: else
    fi;
    call[i] = what; call_fresh[i] = fresh[i]; call_age[i] = 0; call_state[i] = ON_ITS_WAY;
#if L == 2
    call_note[i] = (LEASE(i) == SECOND && known[IX(c, MAIN)] && seen_present[IX(c, MAIN)] && fresh[IX(c, MAIN)])
#endif
}
/* Reads, or is told by its watch, what the server has at this moment. */
inline observe(i)
{
    if
    :: !fresh[i] -> age[i] = 0
    :: else
    fi;
    known[i] = true;
    fresh[i] = true;
    seen_holder[i] = holder[LEASE(i)];
    seen_present[i] = present[LEASE(i)];
    seen_released[i] = released[LEASE(i)];
    if
    :: leads[i] && (seen_holder[i] != c || !seen_present[i]) -> /* a foreign name in a newer version, or it is gone */
        if
        :: !seen_present[i] && gate[i] > 0 /* only who may act now creates it anew at once */
        :: else -> leads[i] = false; gate[i] = 0
        fi
    :: else
    fi;
    if
    :: rests[c] && seen_present[i] && seen_holder[i] != c && seen_holder[i] != NOBODY -> rests[c] = false; rest_age[c] = 0; failures[c] = 0
    :: else
    fi
}

/* The server does what was asked, if it is based on the present version. */
inline execute(i)
{
    if
#ifdef MUT_NO_VERSION_CHECK
    :: !(LEASE(i) == MAIN && DENIED_ONE(c)) ->
#else
    :: call_fresh[i] && !(LEASE(i) == MAIN && DENIED_ONE(c)) ->
#endif
        was_note = call_note[i];
        written(LEASE(i));
        present[LEASE(i)] = true;
        holder[LEASE(i)] = (call[i] == RELEASE -> NOBODY : c);
        released[LEASE(i)] = (call[i] == RELEASE);
        if
        :: LEASE(i) != MAIN -> note_is_present = was_note
        :: else
        fi;
        was_note = false;
        call_state[i] = DONE;
        answer_fresh[i] = true
    :: else -> call_state[i] = REFUSED
    fi
}

/* The answer to a write. */
inline answer(i)
{
    if
    :: call_state[i] == REFUSED ->
        waits[i] = true;
        if
#ifndef MUT_NEVER_GIVES_UP
        :: L == 2 && LEASE(i) == MAIN && call[i] == CLAIM ->
            failures[c] = (failures[c] < RETRIES -> failures[c] + 1 : RETRIES);
            if
            :: failures[c] == RETRIES -> rests[c] = true; rest_age[c] = 0
            :: else
            fi
#endif
        :: else
        fi
    :: call_state[i] == DONE && call[i] == RELEASE ->
        known[i] = true; seen_holder[i] = NOBODY; seen_released[i] = true; seen_present[i] = true; fresh[i] = answer_fresh[i]; age[i] = 0
    :: call_state[i] == DONE && call[i] != RELEASE ->
        known[i] = true; seen_holder[i] = c; seen_released[i] = false; seen_present[i] = true; fresh[i] = answer_fresh[i]; age[i] = 0;
        leads[i] = true;
        if
        :: LEASE(i) == MAIN -> failures[c] = 0
        :: else
        fi;
#ifdef MUT_DEADLINE_FROM_ANSWER
        gate[i] = D - MARGIN;
#else
        gate[i] = (call_age[i] < D - MARGIN -> D - MARGIN - call_age[i] : 0);
#endif
        assert(SAFE) /* gates open here and nowhere else */
    fi;
    forget_call(i)
}

inline forget()
{
    m = 0;
    do
    :: m < L ->
        fresh[IX(c, m)] = false; known[IX(c, m)] = false; waits[IX(c, m)] = false; seen_holder[IX(c, m)] = NOBODY; seen_released[IX(c, m)] = false;
        seen_present[IX(c, m)] = false; age[IX(c, m)] = 0; gate[IX(c, m)] = 0; leads[IX(c, m)] = false;
        if /* what is on its way arrives at the server before the process starts again, or never */
        :: call[IX(c, m)] != IDLE && call_state[IX(c, m)] == ON_ITS_WAY -> late = IX(c, m); execute(late)
        :: true
        fi;
        forget_call(IX(c, m));
        m++
    :: else -> break
    od;
    m = 0; late = 0;
    rests[c] = false; rest_age[c] = 0; failures[c] = 0; proof[c] = false; took_expired[c] = false
}

/* Steps of a candidate: all of them, as far as they are possible. */
inline act(i)
{
    if
    :: CLAIMS_MAIN(c) && LEASE(i) == MAIN -> send(i, CLAIM)
    :: CLAIMS_SECOND(c) && LEASE(i) == L - 1 && L == 2 -> send(i, CLAIM)
    :: GIVES_UP_SECOND(c) && LEASE(i) == L - 1 -> leads[i] = false; gate[i] = 0; send(i, RELEASE)
    :: RENEWS(i) && !(GIVES_UP_SECOND(c) && LEASE(i) == L - 1) -> send(i, RENEW)
    fi
}
#define ACTS(c, i) ((CLAIMS_MAIN(c) && LEASE(i) == MAIN) || (CLAIMS_SECOND(c) && LEASE(i) == L - 1 && L == 2) || (GIVES_UP_SECOND(c) && LEASE(i) == L - 1) || \
    (RENEWS(i) && !(GIVES_UP_SECOND(c) && LEASE(i) == L - 1)))
#define DUE(c, i) (ACTS(c, i) || LOOKS(i) || (call[i] != IDLE && (call_age[i] >= DELAY || call_state[i] == REFUSED)))

proctype candidate(byte c)
{
    byte k, m, late;
    bool was_note;
    do
    :: atomic { alive[c] && LOOKS(IX(c, 0)) -> observe(IX(c, 0)) }
    :: atomic { alive[c] && ACTS(c, IX(c, 0)) -> act(IX(c, 0)) }
    :: atomic { alive[c] && call[IX(c, 0)] != IDLE && call_state[IX(c, 0)] == ON_ITS_WAY -> execute(IX(c, 0)) }
    :: atomic { alive[c] && call[IX(c, 0)] != IDLE && call_state[IX(c, 0)] != ON_ITS_WAY -> answer(IX(c, 0)) }
#if L == 2
    :: atomic { alive[c] && LOOKS(IX(c, 1)) -> observe(IX(c, 1)) }
    /* Nobody's gate depends on it, so a call for it is one step; late or lost, it is a step that is not taken. */
    :: atomic { alive[c] && ACTS(c, IX(c, 1)) -> act(IX(c, 1)); execute(IX(c, 1)); answer(IX(c, 1)) }
#endif
    /* A newer version is seen while a call is under way: the watch does not wait for it. */
    :: atomic { alive[c] && call[IX(c, 0)] != IDLE && !fresh[IX(c, 0)] && call_state[IX(c, 0)] != DONE -> observe(IX(c, 0)) }
    /* faults */
    :: atomic { !calm && faults_left > 0 && alive[c] && call[IX(c, 0)] != IDLE -> /* request or answer is lost */
        faults_left--; forget_call(IX(c, 0)); fresh[IX(c, 0)] = false }
    :: atomic { !calm && faults_left > 0 && alive[c] -> faults_left--; alive[c] = false; forget() } /* crash */
    :: atomic { !calm && !alive[c] -> alive[c] = true } /* another process starts in its place */
    :: atomic { !calm && faults_left > 0 && alive[c] && leads[IX(c, MAIN)] && call[IX(c, MAIN)] == IDLE && fresh[IX(c, MAIN)] ->
        faults_left--; /* yield, or stop and start again */
        leads[IX(c, MAIN)] = false;
#ifndef MUT_RELEASE_WITH_OPEN_GATE
        gate[IX(c, MAIN)] = 0;
#endif
        rests[c] = true; rest_age[c] = 0;
        send(IX(c, MAIN), RELEASE) }
    od
}

/* Somebody with kubectl. */
proctype hand()
{
    byte k;
    do
    :: atomic { !calm && faults_left > 0 && present[MAIN] -> faults_left--; written(MAIN); present[MAIN] = false; holder[MAIN] = NOBODY; released[MAIN] = false }
    :: atomic { !calm && faults_left > 0 && present[MAIN] && holder[MAIN] != NOBODY -> faults_left--; written(MAIN); holder[MAIN] = NOBODY; released[MAIN] = false }
    od
}

inline grow_old(who)
{
    l = 0;
    do
    :: l < L ->
        OLDER(age[IX(who, l)]);
        waits[IX(who, l)] = false;
        if
        :: call[IX(who, l)] != IDLE -> OLDER(call_age[IX(who, l)])
        :: else
        fi;
#ifdef MUT_FLAG
        skip;
#else
        if
        :: gate[IX(who, l)] > 0 ->
            gate[IX(who, l)]--;
            if
            :: gate[IX(who, l)] == 0 && !seen_present[IX(who, l)] -> leads[IX(who, l)] = false
            :: else
            fi
        :: else
        fi;
#endif
        l++
    :: else -> break
    od;
    l = 0;
    if
    :: rests[who] ->
        OLDER(rest_age[who]);
        if
        :: rest_age[who] == D -> rests[who] = false; rest_age[who] = 0; failures[who] = 0
        :: else
        fi
    :: else
    fi
}

#define DUE_OF(c) (alive[c] && (DUE(c, IX(c, 0)) || (L == 2 && DUE(c, IX(c, L - 1)))))
#if N == 2
#define ANY_DUE (DUE_OF(0) || DUE_OF(1))
#else
#define ANY_DUE (DUE_OF(0) || DUE_OF(1) || DUE_OF(2))
#endif

proctype time()
{
    byte c, l;
    do
    :: atomic { !calm -> calm = true }
    :: atomic { !(calm && ANY_DUE) ->
        do
        :: c < N ->
            if
            :: !alive[c]
#ifdef SLOW_CLOCK
            :: alive[c] && since_skip[c] == D -> since_skip[c] = 0 /* its clock stands still for one unit of D + 1 */
#endif
            :: alive[c] ->
#ifdef SLOW_CLOCK
                OLDER(since_skip[c]);
#endif
                grow_old(c)
            fi;
            c++
        :: else -> break
        od;
        c = 0;
        if
        :: calm && SOMEBODY && !LED -> without++; assert(without <= BOUND)
        :: else -> without = 0
        fi }
    od
}

init
{
    byte n;
    atomic {
        n = 0;
        do
        :: n < N * L -> seen_holder[n] = NOBODY; n++
        :: else -> break
        od;
        n = 0;
        do
        :: n < L -> holder[n] = NOBODY; n++
        :: else -> break
        od;
        n = 0;
        do
        :: n < N -> alive[n] = true; run candidate(n); n++
        :: else -> break
        od;
        run hand();
        run time();
        n = 0
    }
}
