/*
 * What happens in a run beside the ordinary: chosen by the seed, one thing after the other with random gaps, until a calm end.
 *
 * Three sorts of events:
 *   planned   SIGTERM and a successor, rolling updates, reloads          nothing may get lost
 *   mild      short pauses, short cuts, lagging watches, a slow backend  nothing may get lost, if nothing else is near
 *   hard      crashes, partitions, long pauses, edited Leases            excused for as long as the recovery is promised to take
 */
#include "world.h"

#include <stdio.h>

enum fault {
    TERM,
    ROLLOUT,
    RELOAD,
    SHORT_PAUSE,
    STALL,
    CUT,
    LAG,
    COMPACT,
    DROP_WATCHES,
    SHORT_RESTART,
    BACKEND_IS_SLOW,
    SLOW_ANSWERS,
    CRASH,
    CRASH_TWO,
    PAUSE,
    PARTITION,
    FADING,
    LOSSY,
    REFUSED,
    RESTART,
    SERVER_ERRORS,
    FREEZE,
    LATE_WRITES,
    DELETED,
    FOREIGN,
    TWIN,
    CLEARED,
    SHORTENED,
    BACKEND_IS_DOWN,
    BACKEND_SAYS_NO,
    WALL_STEP,
    FAULT_COUNT
};
static const char *const names[FAULT_COUNT] = {
    "term",
    "rollout",
    "reload",
    "short pause",
    "stall",
    "cut",
    "lag",
    "compact",
    "drop watches",
    "short restart",
    "backend slow",
    "slow answers",
    "crash",
    "crash of two",
    "pause",
    "partition",
    "fading link",
    "lossy link",
    "refused",
    "restart",
    "server errors",
    "freeze",
    "late writes",
    "Lease deleted",
    "foreign holder",
    "twin holder",
    "holder cleared",
    "duration shortened",
    "backend down",
    "backend refuses",
    "wall clock step",
};
static bool is_planned(enum fault f)
{
    return f <= RELOAD;
}
static bool is_mild(enum fault f)
{
    return f > RELOAD && f < CRASH;
}

struct restart {
    struct event event;
    struct world *world;
    int slot;
    bool same_pod;
};
struct rollout {
    struct event event;
    struct world *world;
    uint64_t processes[SLOTS_MAX]; /* to be replaced */
    int count, at;
    bool starts; /* next: a new one, else the end of an old one */
    bool has_new;
};
struct script {
    struct event next;
    int64_t calm_ns;       /* no fault begins after this */
    int64_t mild_until_ns; /* a mild fault or its consequences */
    int64_t planned_ns;    /* the latest planned change */
    int64_t down_since_ns; /* everybody is down or going */
    /* A newcomer that finds no Lease takes it at once: if somebody deleted it and its leader could not make it again yet, both lead.
     * Nothing on the server tells the newcomer; a known limit. Neither is a Lease noticed that comes and goes twice. */
    int64_t no_start_until_ns;
    bool rolling;
};

/* -- settings -- */

const struct settings_of_seed *script_settings(uint64_t seed, int64_t duration_ns)
{
    static const struct {
        int64_t lease_s, deadline_s, retry_ms, margin_ms;
    } leases[] = {{15, 10, 2000, 1000}, {15, 10, 2000, 1000}, {15, 10, 2000, 1000},
                  {15, 10, 2000, 1000}, {30, 20, 5000, 1000}, {60, 40, 10000, 2000},
                  {8, 5, 1000, 1000},   {20, 12, 3000, 2000}};
    static const int64_t intervals_s[] = {10, 10, 10, 30, 5, 60, 15, 2};
    static const int64_t offsets_ns[] = {0, 0, 1 * MS, 5 * MS, 20 * MS};
    struct settings_of_seed *s = mem_zalloc(sizeof *s);
    struct chance c;
    chance_seed(&c, seed, 0);
    size_t lease = chance_below(&c, COUNT_OF(leases));
    s->replica_count = (int)chance_between(&c, 2, 4) + (chance_percent(&c, 10) ? 2 : 0);
    s->lease_ns = leases[lease].lease_s * SECOND;
    s->deadline_ns = leases[lease].deadline_s * SECOND;
    s->retry_ns = leases[lease].retry_ms * MS;
    s->margin_ns = leases[lease].margin_ms * MS;
    s->interval_ns = intervals_s[chance_below(&c, COUNT_OF(intervals_s))] * SECOND;
    s->duration_ns = duration_ns;
    s->rate_ppm_max =
        (int)(s->margin_ns * 350000 / s->lease_ns); /* 70 % of what the margin bears, each way */
    if (s->rate_ppm_max > 15000)
        s->rate_ppm_max = 15000;
    s->offset_ns_max = offsets_ns[chance_below(&c, COUNT_OF(offsets_ns))];
    s->fault_gap_ns = chance_between(&c, 1, 10) * chance_between(&c, 10, 60) * SECOND;
    s->same_pods = chance_percent(&c, 50);
    s->faults = 0;
    for (int i = 0; i < FAULT_COUNT; i++)
        if (chance_percent(&c, i < CRASH ? 60 : 30))
            s->faults |= 1U << i;
    s->faults |= 1U << TERM;
    return s;
}

/* -- helpers -- */

static struct script *script_of(const struct world *w)
{
    return w->script;
}

static int64_t between(struct world *w, int64_t low, int64_t high)
{
    return chance_between(&w->script_chance, low, high);
}

static bool percent(struct world *w, uint64_t p)
{
    return chance_percent(&w->script_chance, p);
}

/* Mostly the leader. NULL if nobody is there. */
static struct replica *victim(struct world *w)
{
    struct replica *leader = world_leader(w);
    if (leader != NULL && percent(w, 60))
        return leader;
    struct replica *found[SLOTS_MAX];
    size_t count = 0;
    for (int i = 0; i < SLOTS_MAX; i++)
        if (w->replicas[i] != NULL)
            found[count++] = w->replicas[i];
    return count == 0 ? NULL : found[chance_below(&w->script_chance, count)];
}

static int free_slot(const struct world *w)
{
    for (int i = 0; i < SLOTS_MAX; i++)
        if (w->replicas[i] == NULL)
            return i;
    return -1;
}

/* What is over at `end_ns` may be felt until somebody leads again in any case. */
static void excuse_hard(struct world *w, int64_t end_ns, const char *why)
{
    int64_t tail_ns = 2 * w->settings->lease_ns + 3 * w->settings->retry_ns + 10 * SECOND;
    check_excuse(w, w->now_ns - 2 * SECOND, end_ns + tail_ns, why);
}

static void mild(struct world *w, int64_t end_ns, const char *why)
{
    struct script *s = script_of(w);
    if (s->mild_until_ns > w->now_ns || w->now_ns - s->planned_ns < 12 * SECOND)
        excuse_hard(w, end_ns, why); /* two at a time are not mild any more */
    if (end_ns + 12 * SECOND > s->mild_until_ns)
        s->mild_until_ns = end_ns + 12 * SECOND;
}

static void planned(struct world *w, const char *why)
{
    struct script *s = script_of(w);
    int ready = 0;
    for (int i = 0; i < SLOTS_MAX; i++)
        ready += w->replicas[i] != NULL && !w->replicas[i]->stopping &&
                 w->now_ns - w->replicas[i]->started_ns > 5 * SECOND;
    if (s->mild_until_ns > w->now_ns || ready < 2)
        excuse_hard(w, w->now_ns, why);
    s->planned_ns = w->now_ns;
}

static void on_restart(void *arg)
{
    struct restart *x = arg;
    struct world *w = x->world;
    if (w->now_ns < script_of(w)->no_start_until_ns) {
        world_at(w, &x->event, script_of(w)->no_start_until_ns);
        return;
    }
    if (w->replicas[x->slot] == NULL) {
        if (world_alive(w) == 0)
            excuse_hard(w, w->now_ns, "nobody was there");
        replica_start(w, x->slot, x->same_pod);
    }
    mem_free(x);
}

static void restart_later(struct world *w, int slot, bool same_pod, int64_t delay_ns)
{
    struct restart *x = mem_zalloc(sizeof *x);
    x->world = w;
    x->slot = slot;
    x->same_pod = same_pod;
    if (world_alive(w) == 0)
        check_excuse(w, w->now_ns - 2 * SECOND, w->now_ns + delay_ns, "nobody is there");
    event_init(&x->event, on_restart, x);
    world_at(w, &x->event, w->now_ns + delay_ns);
}

void script_process_ended(struct replica *r)
{
    if (!r->replaced)
        restart_later(r->world, r->slot, false, between(r->world, 0, 20 * SECOND));
}

static void terminate(struct world *w, struct replica *r)
{
    if (r->stopping)
        return;
    planned(w, "SIGTERM near something else");
    check_lets_go(r);
    replica_terminate(r);
}

/* -- rolling updates: one new, one old, and so on -- */

static void on_rollout(void *arg)
{
    struct rollout *x = arg;
    struct world *w = x->world;
    if (x->at == x->count) {
        script_of(w)->rolling = false;
        mem_free(x);
        return;
    }
    if (x->starts && w->now_ns < script_of(w)->no_start_until_ns) {
        world_at(w, &x->event, script_of(w)->no_start_until_ns);
        return;
    }
    if (x->starts) {
        int slot = free_slot(w);
        x->has_new = slot >= 0;
        if (x->has_new)
            replica_start(w, slot, false);
    } else {
        bool has_new = x->has_new;
        for (int i = 0; i < SLOTS_MAX; i++)
            if (w->replicas[i] != NULL && w->replicas[i]->process == x->processes[x->at] &&
                has_new) {
                w->replicas[i]->replaced = !w->replicas[i]->stopping;
                terminate(w, w->replicas[i]);
            }
        x->at++;
    }
    x->starts = !x->starts;
    world_at(w, &x->event, w->now_ns + between(w, x->starts ? 0 : 5100 * MS, 30 * SECOND));
}

static void rollout(struct world *w)
{
    struct rollout *x = mem_zalloc(sizeof *x);
    x->world = w;
    for (int i = 0; i < SLOTS_MAX; i++)
        if (w->replicas[i] != NULL)
            x->processes[x->count++] = w->replicas[i]->process;
    x->starts = true;
    script_of(w)->rolling = true;
    event_init(&x->event, on_rollout, x);
    world_at(w, &x->event, w->now_ns);
}

/* -- faults -- */

static void crash(struct world *w, struct replica *r)
{
    int slot = r->slot;
    excuse_hard(w, w->now_ns, "crash");
    replica_crash(r);
    restart_later(w, slot, w->settings->same_pods,
                  between(w, 0, percent(w, 30) ? 2 * SECOND : 90 * SECOND));
}

static void server_rule(struct world *w, const char *json)
{
    struct err err;
    uint64_t id;
    if (!kubesim_fault_add(w->server, str_from(json), &id, &err))
        world_fail(w, "fault rule: %s", err.text);
}

/* All processes, but not the admin. */
#define USERS                                                                                      \
    "\"user\":\"slot-0,slot-1,slot-2,slot-3,slot-4,slot-5,slot-6,slot-7,slot-8,slot-9,slot-10,"    \
    "slot-11,slot-12,slot-13,slot-14,slot-15\""

static void server_errors(struct world *w)
{
    static const char *const effects[] = {
        "\"status\":500",
        "\"status\":500,\"execute\":true",
        "\"status\":503",
        "\"status\":504,\"execute\":true",
        "\"status\":429,\"retry_after\":1",
        "\"cut\":\"after\"",
        "\"cut\":\"before\"",
        "\"hang\":\"after\"",
        "\"cut\":\"middle\"",
    };
    char json[512];
    snprintf(json, sizeof json,
             "{\"match\":{" USERS ",\"resource\":\"leases\",\"method\":\"%s\"},\"times\":%d,%s}",
             percent(w, 70) ? "PUT" : "GET", (int)between(w, 1, 6),
             effects[chance_below(&w->script_chance, COUNT_OF(effects))]);
    world_trace(w, "server errors: %s", json);
    server_rule(w, json);
    excuse_hard(w, w->now_ns + 60 * SECOND, "server errors");
}

static void late_writes(struct world *w)
{
    char json[512];
    snprintf(json, sizeof json,
             "{\"match\":{" USERS
             ",\"resource\":\"leases\",\"method\":\"%s\"},\"times\":%d,\"%s\":%d}",
             percent(w, 80) ? "PUT" : "POST", (int)between(w, 1, 4),
             percent(w, 50) ? "delay_ms" : "answer_delay_ms", (int)between(w, 500, 30000));
    world_trace(w, "late writes: %s", json);
    server_rule(w, json);
    excuse_hard(w, w->now_ns + 90 * SECOND, "late writes");
}

static void hand(struct world *w, enum hand what, const char *why)
{
    struct replica *leader = world_leader(w);
    int64_t lease_ns = w->settings->lease_ns;
    if (leader == NULL || (what == HAND_DELETE && w->now_ns < script_of(w)->no_start_until_ns) ||
        !server_hand(w, what))
        return;
    if (what == HAND_DELETE)
        script_of(w)->no_start_until_ns = w->now_ns + 2 * lease_ns + 30 * SECOND;
    bool healthy = !check_is_excused(w, w->now_ns - SECOND, w->now_ns + SECOND) &&
                   script_of(w)->mild_until_ns < w->now_ns;
    excuse_hard(w, w->now_ns, why);
    if ((what == HAND_FOREIGN || what == HAND_TWIN) && healthy)
        check_gate_soon_closed(w, leader, 300 * MS, "another one holds the Lease");
    if (what == HAND_FOREIGN && healthy)
        check_foreign_term(w, w->now_ns + SECOND, w->now_ns + lease_ns - SECOND);
}

static void freeze(struct world *w, int64_t for_ns);

struct thaw {
    struct event event;
    struct world *world;
};

static void on_thaw(void *arg)
{
    struct thaw *t = arg;
    t->world->server_is_frozen = false;
    kubesim_freeze(t->world->server, false);
    server_kick(t->world);
    mem_free(t);
}

static void freeze(struct world *w, int64_t for_ns)
{
    struct thaw *t = mem_zalloc(sizeof *t);
    t->world = w;
    w->server_is_frozen = true;
    kubesim_freeze(w->server, true);
    event_init(&t->event, on_thaw, t);
    world_at(w, &t->event, w->now_ns + for_ns);
}

static void do_mild(struct world *w, struct replica *r, enum fault f)
{
    int64_t now_ns = w->now_ns, for_ns;
    switch (f) {
    case SHORT_PAUSE:
        for_ns = between(w, 1, 400) * MS;
        mild(w, now_ns + for_ns, names[f]);
        sim_loop_pause(r->loop, now_ns + for_ns);
        break;
    case STALL: /* somewhere in a handler; long ones are hard */
        for_ns = percent(w, 50) ? between(w, 1, 300) * MS : between(w, 1, 40) * SECOND;
        mild(w, now_ns + 30 * SECOND, names[f]);
        if (for_ns > 300 * MS)
            excuse_hard(w, now_ns + 30 * SECOND + for_ns, "long stall");
        sim_loop_stall(r->loop, (uint32_t)between(w, 1, 60), for_ns);
        break;
    case CUT:
        mild(w, now_ns, names[f]);
        net_cut(w, r);
        break;
    case LAG:
        for_ns = between(w, 10, 120) * SECOND;
        mild(w, now_ns, names[f]);
        r->link.lag_ns = between(w, 100, 1500) * MS;
        r->link.lag_until_ns = now_ns + for_ns;
        break;
    case COMPACT:
        kubesim_compact(w->server);
        server_kick(w);
        break;
    case DROP_WATCHES:
        mild(w, now_ns, names[f]);
        kubesim_drop_watches(w->server,
                             (enum kubesim_drop)between(w, KUBESIM_DROP_END, KUBESIM_DROP_ERROR),
                             STR_NONE, STR_NONE);
        server_kick(w);
        break;
    case SHORT_RESTART:
        for_ns = between(w, 0, 1500) * MS;
        mild(w, now_ns + for_ns, names[f]);
        kubesim_restart(w->server, for_ns);
        net_cut_all(w);
        server_kick(w);
        break;
    case SLOW_ANSWERS:
        for_ns = between(w, 5, 60) * SECOND;
        mild(w, now_ns + for_ns, names[f]);
        r->link.slow_ns = between(w, 100, 900) * MS;
        r->link.slow_until_ns = now_ns + for_ns;
        break;
    default:
        mild(w, now_ns, names[f]);
        backend_trouble(w, BACKEND_SLOW, now_ns + between(w, 1, 60) * SECOND);
        break;
    }
}

static void partition(struct world *w, struct replica *r, const char *why)
{
    int64_t for_ns = between(w, 1, 60) * SECOND;
    int which = (int)between(w, 0, 3); /* up, down, both, both */
    net_block(w, r, which != 1, which != 0, w->now_ns + for_ns, percent(w, 50));
    excuse_hard(w, w->now_ns + for_ns + 15 * SECOND, why);
}

static void do_hard(struct world *w, struct replica *r, enum fault f)
{
    int64_t now_ns = w->now_ns, for_ns = between(w, 1, 60) * SECOND;
    switch (f) {
    case CRASH_TWO:
        crash(w, r);
        r = victim(w);
        if (r != NULL)
            crash(w, r);
        break;
    case CRASH:
        crash(w, r);
        break;
    case PAUSE:
        sim_loop_pause(r->loop, now_ns + for_ns);
        excuse_hard(w, now_ns + for_ns, names[f]);
        break;
    case PARTITION:
        partition(w, r, names[f]);
        break;
    case FADING: /* slower and slower, then silent */
        r->link.slow_ns = between(w, 500, 4000) * MS;
        r->link.slow_until_ns = now_ns + for_ns;
        excuse_hard(w, now_ns + for_ns, names[f]);
        if (percent(w, 70))
            net_block(w, r, percent(w, 70), percent(w, 70),
                      now_ns + for_ns + between(w, 5, 40) * SECOND, percent(w, 50));
        excuse_hard(w, now_ns + for_ns + 60 * SECOND, names[f]);
        break;
    case LOSSY:
        r->link.lossy_until_ns = now_ns + for_ns;
        excuse_hard(w, now_ns + for_ns, names[f]);
        break;
    case REFUSED:
        r->link.refused_until_ns = now_ns + for_ns;
        excuse_hard(w, now_ns + for_ns, names[f]);
        break;
    case RESTART:
        kubesim_restart(w->server, for_ns);
        net_cut_all(w);
        server_kick(w);
        excuse_hard(w, now_ns + for_ns, names[f]);
        break;
    case SERVER_ERRORS:
        server_errors(w);
        break;
    case LATE_WRITES:
        late_writes(w);
        break;
    case FREEZE:
        freeze(w, for_ns);
        excuse_hard(w, now_ns + for_ns, names[f]);
        break;
    case DELETED:
        hand(w, HAND_DELETE, names[f]);
        break;
    case FOREIGN:
        hand(w, HAND_FOREIGN, names[f]);
        break;
    case TWIN:
        hand(w, HAND_TWIN, names[f]);
        break;
    case CLEARED:
        hand(w, HAND_CLEAR, names[f]);
        break;
    case SHORTENED:
        hand(w, HAND_SHORTEN, names[f]);
        break;
    case BACKEND_IS_DOWN:
    case BACKEND_SAYS_NO:
        backend_trouble(w, f == BACKEND_IS_DOWN ? BACKEND_DOWN : BACKEND_REFUSES, now_ns + for_ns);
        excuse_hard(w, now_ns + for_ns + 30 * SECOND, names[f]);
        break;
    default:
        sim_loop_step_wall(r->loop,
                           between(w, -w->settings->offset_ns_max, w->settings->offset_ns_max));
        break;
    }
}

static void happen(struct world *w, enum fault f)
{
    struct script *s = script_of(w);
    struct replica *r = victim(w);
    if (r == NULL)
        return;
    world_trace(w, "== %s (p%" PRIu64 ")", names[f], r->process);
    if (f == ROLLOUT && !s->rolling)
        rollout(w);
    else if (f == TERM)
        terminate(w, r);
    else if (f == RELOAD) {
        planned(w, "SIGHUP near something else");
        replica_reload(r);
    } else if (is_mild(f))
        do_mild(w, r, f);
    else if (!is_planned(f))
        do_hard(w, r, f);
}

static void on_next(void *arg)
{
    struct world *w = arg;
    struct script *s = script_of(w);
    int tries = 0;
    enum fault f;
    do
        f = (enum fault)chance_below(&w->script_chance, FAULT_COUNT);
    while ((w->settings->faults & (1U << f)) == 0 && ++tries < 1000);
    happen(w, f);
    int64_t gap_ns = between(w, 100 * MS, 2 * w->settings->fault_gap_ns);
    if (percent(w, 15)) /* some come close together */
        gap_ns = between(w, 1 * MS, 3 * SECOND);
    if (w->now_ns + gap_ns < s->calm_ns)
        world_at(w, &s->next, w->now_ns + gap_ns);
}

void script_new(struct world *w)
{
    struct script *s = mem_zalloc(sizeof *s);
    const struct settings_of_seed *settings = w->settings;
    w->script = s;
    s->planned_ns = -HOUR;
    s->calm_ns = w->end_ns - 4 * settings->lease_ns - 5 * settings->interval_ns - 5 * MINUTE;
    world_trace(w, "seed %" PRIu64 ": %d replicas, lease %" PRId64 " s, ticks each %" PRId64 " s",
                w->seed, settings->replica_count, settings->lease_ns / SECOND,
                settings->interval_ns / SECOND);
    check_excuse(w, 0, 2 * settings->lease_ns + 20 * SECOND, "the beginning");
    for (int i = 0; i < settings->replica_count; i++)
        restart_later(w, i, false, between(w, 0, 10 * SECOND));
    event_init(&s->next, on_next, w);
    world_at(w, &s->next, between(w, 30 * SECOND, 30 * SECOND + settings->fault_gap_ns));
}
