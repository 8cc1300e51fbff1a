/*
 * A crowd: many candidates with `crowd: true` in one world, as in a DaemonSet, and a script of its own.
 *
 * Life: all start within a minute -> peace, in which the load on both Leases is measured -> the leader is terminated and hands over ->
 * leader and standby crash together -> somebody leads again -> the end, with the checks of each world.
 *
 * No fault but these: the load that is promised is the one of a cluster that is well.
 */
#include "script.h"

#include <stdio.h>

enum {
    PEACE_FROM_S = 120,
    PEACE_TO_S = 210,
    TERM_S = 215,
    CRASH_S = 260,
    END_S = 360,
    LOAD_MAX_PER_S = 80, /* requests and events of watches, for 1,000 candidates */
    CONFLICTS_MAX = 20,  /* at one change */
};

struct crowd {
    struct event peace, peace_end, term, crash, led;
    struct world *world;
    uint64_t requests, pieces, conflicts;
    int64_t crashed_ns;
    bool led_again;
};

const struct settings_of_seed *crowd_settings(int candidates)
{
    struct settings_of_seed *s = mem_zalloc(sizeof *s);
    *s = (struct settings_of_seed){
        .replica_count = candidates,
        .lease_ns = 15 * SECOND,
        .deadline_ns = 10 * SECOND,
        .retry_ns = 2 * SECOND,
        .margin_ns = SECOND,
        .interval_ns = 10 * SECOND,
        .duration_ns = END_S * SECOND,
        .rate_ppm_max = 200,
        .standby = STANDBY_AUTO,
        .crowd = true,
        .is_crowd = true,
        .room = 8,
    };
    return s;
}

static void begin_count(struct crowd *c)
{
    c->requests = c->world->request_count;
    c->pieces = c->world->event_piece_count;
    c->conflicts = c->world->conflict_count;
}

static void on_peace(void *arg)
{
    begin_count(arg);
}

static void on_peace_end(void *arg)
{
    struct crowd *c = arg;
    struct world *w = c->world;
    double seconds = PEACE_TO_S - PEACE_FROM_S;
    double requests = (double)(w->request_count - c->requests) / seconds;
    double pieces = (double)(w->event_piece_count - c->pieces) / seconds;
    printf("crowd: %d candidates, %.1f requests and %.1f events of watches a second\n",
           w->settings->replica_count, requests, pieces);
    if (requests + pieces > LOAD_MAX_PER_S)
        world_fail(w, "%.1f requests and events a second, expected at most %d", requests + pieces,
                   LOAD_MAX_PER_S);
}

static void on_conflicts(struct crowd *c, const char *when)
{
    uint64_t conflicts = c->world->conflict_count - c->conflicts;
    printf("crowd: %" PRIu64 " conflicts %s\n", conflicts, when);
    if (conflicts > CONFLICTS_MAX)
        world_fail(c->world, "%" PRIu64 " conflicts %s, expected at most %d", conflicts, when,
                   CONFLICTS_MAX);
}

/* No tick may be missing: nothing is excused. */
static void on_term(void *arg)
{
    struct crowd *c = arg;
    struct replica *leader = world_leader(c->world);
    begin_count(c);
    if (leader == NULL || !world_successor_is_ready(c->world)) {
        world_fail(c->world, "nobody leads, or nobody stands by, in peace");
        return;
    }
    check_lets_go(leader);
    leader->replaced = true;
    replica_terminate(leader);
}

static void on_led(void *arg)
{
    struct crowd *c = arg;
    struct world *w = c->world;
    if (world_leader(w) != NULL) {
        printf("crowd: somebody leads %.1f s after leader and standby crashed\n",
               (double)(w->now_ns - c->crashed_ns) / 1e9);
        on_conflicts(c, "after the crash");
        return;
    }
    /* Both durations, and a reading of who is in the crowd. */
    if (w->now_ns - c->crashed_ns > 2 * w->settings->lease_ns + w->settings->lease_ns * 6 / 5)
        world_fail(w, "nobody leads %.1f s after leader and standby crashed",
                   (double)(w->now_ns - c->crashed_ns) / 1e9);
    world_at(w, &c->led, w->now_ns + 100 * MS);
}

static void on_crash(void *arg)
{
    struct crowd *c = arg;
    struct world *w = c->world;
    struct replica *leader = world_leader(w), *standby = world_standby(w);
    on_conflicts(c, "after the hand-over");
    begin_count(c);
    if (leader == NULL || standby == NULL) {
        world_fail(w, "nobody leads, or nobody stands by, %d s after a hand-over",
                   CRASH_S - TERM_S);
        return;
    }
    c->crashed_ns = w->now_ns;
    check_excuse(w, EXCUSED_ALL, w->now_ns - 2 * SECOND, w->now_ns + 4 * w->settings->lease_ns,
                 "leader and standby crash");
    replica_crash(leader);
    replica_crash(standby);
    world_at(w, &c->led, w->now_ns + 100 * MS);
}

void crowd_new(struct world *w)
{
    struct crowd *c = mem_zalloc(sizeof *c);
    c->world = w;
    event_init(&c->peace, on_peace, c);
    event_init(&c->peace_end, on_peace_end, c);
    event_init(&c->term, on_term, c);
    event_init(&c->crash, on_crash, c);
    event_init(&c->led, on_led, c);
    world_at(w, &c->peace, PEACE_FROM_S * SECOND);
    world_at(w, &c->peace_end, PEACE_TO_S * SECOND);
    world_at(w, &c->term, TERM_S * SECOND);
    world_at(w, &c->crash, CRASH_S * SECOND);
}
