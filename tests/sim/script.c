/*
 * What happens in a run beside the ordinary: one thing after the other with random gaps, chosen by the seed, until a calm end. The
 * things themselves are in faults.c. Also who starts again after an end, and rolling updates.
 */
#include "script.h"

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
    int64_t mild_until_ns; /* a mild fault and its consequences */
    int64_t planned_ns;    /* the latest planned change */
    int64_t no_start_until_ns;
    bool rolling;
    uint64_t count;
};

/* -- settings -- */

const struct settings_of_seed *script_settings(uint64_t seed, int64_t duration_ns)
{
    static const struct {
        int64_t lease_s, deadline_s, retry_ms, margin_ms;
    } leases[] = {
        {15, 10, 2000, 1000}, {15, 10, 2000, 1000},  {15, 10, 2000, 1000}, {15, 10, 2000, 1000},
        {30, 20, 5000, 1000}, {60, 40, 10000, 2000}, {8, 5, 1000, 1000},   {20, 12, 3000, 2000},
    };
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
    /* 70 % of what the margin bears, each way */
    s->rate_ppm_max = (int)(s->margin_ns * 350000 / s->lease_ns);
    if (s->rate_ppm_max > 15000)
        s->rate_ppm_max = 15000;
    s->offset_ns_max = offsets_ns[chance_below(&c, COUNT_OF(offsets_ns))];
    s->lag_ns = chance_percent(&c, 30) ? chance_between(&c, 10, 1500) * MS : 0;
    s->fault_gap_ns = chance_between(&c, 1, 10) * chance_between(&c, 10, 60) * SECOND;
    unsigned mode = (unsigned)chance_below(&c, 100);
    s->standby = mode < 60 ? STANDBY_AUTO : mode < 85 ? STANDBY_WARM : STANDBY_COLD;
    s->crowd = s->standby == STANDBY_AUTO && chance_percent(&c, 20);
    s->has_cluster = chance_percent(&c, 25);
    s->same_pods = chance_percent(&c, 50);
    for (size_t i = 0; i < fault_count; i++)
        if (chance_percent(&c, faults[i].sort == HARD ? 30 : 60))
            s->faults |= UINT64_C(1) << i;
    s->faults |= 1; /* the first one: SIGTERM */
    static const int64_t wrong_by_ns[] = {2 * MINUTE, 30 * MINUTE, 6 * HOUR};
    s->wrong_clocks = chance_percent(&c, 12);
    if (s->wrong_clocks)
        s->offset_ns_max = wrong_by_ns[chance_below(&c, COUNT_OF(wrong_by_ns))];
    s->keeps = chance_percent(&c, 10);
    s->repeats = chance_percent(&c, 25);
    s->room = (size_t)(chance_percent(&c, 50) ? 8 : chance_between(&c, 1, 4));
    return s;
}

/* -- for faults -- */

static struct script *script_of(const struct world *w)
{
    return w->script;
}

int64_t script_between(struct world *w, int64_t low, int64_t high)
{
    return chance_between(&w->script_chance, low, high);
}

bool script_percent(struct world *w, uint64_t percent)
{
    return chance_percent(&w->script_chance, percent);
}

struct replica *script_victim(struct world *w)
{
    struct replica *leader = world_leader(w);
    if (leader != NULL && script_percent(w, 60))
        return leader;
    struct replica *found[SLOTS_MAX];
    size_t count = 0;
    for (int i = 0; i < w->slot_count; i++)
        if (w->replicas[i] != NULL)
            found[count++] = w->replicas[i];
    return count == 0 ? NULL : found[chance_below(&w->script_chance, count)];
}

void script_excuse(struct world *w, int64_t end_ns, const char *why)
{
    int64_t tail_ns = 2 * w->settings->lease_ns + 3 * w->settings->retry_ns + 10 * SECOND;
    if (w->leases_denied_until_ns > end_ns)
        end_ns = w->leases_denied_until_ns;
    /* A crash before, which nobody has taken over from, was to cost nothing: that is over, too. */
    int64_t back_ns = w->settings->repeats ? 2 * w->settings->lease_ns : 2 * SECOND;
    check_excuse(w, EXCUSED_ALL, w->now_ns - back_ns, end_ns + tail_ns, why);
}

void script_outage(struct world *w, int64_t end_ns, const char *why)
{
    check_excuse(w, EXCUSED_KEEPING, w->now_ns, end_ns + w->settings->lease_ns, why);
    script_excuse(w, end_ns, why);
}

void script_mild(struct world *w, int64_t end_ns, const char *why)
{
    struct script *s = script_of(w);
    if (s->mild_until_ns > w->now_ns || w->now_ns - s->planned_ns < 12 * SECOND)
        script_excuse(w, end_ns, why); /* two at a time are not mild any more */
    if (end_ns + 12 * SECOND > s->mild_until_ns)
        s->mild_until_ns = end_ns + 12 * SECOND;
}

bool script_is_quiet(const struct world *w)
{
    return !check_is_excused(w, EXCUSED_ALL, w->now_ns - SECOND, w->now_ns + SECOND) &&
           script_of(w)->mild_until_ns < w->now_ns;
}

/* How many could take over now. */
static int ready_count(const struct world *w)
{
    int count = 0;
    for (int i = 0; i < w->slot_count; i++) {
        const struct replica *r = w->replicas[i];
        count += r != NULL && !r->stopping && w->now_ns - r->started_ns > 5 * SECOND;
    }
    return count;
}

bool script_has_successor(const struct world *w)
{
    return ready_count(w) >= 2 && world_successor_is_ready(w);
}

void script_planned(struct world *w, const char *why)
{
    struct script *s = script_of(w);
    /* Of two replicas one hands over to the other, which must not go at the same moment. */
    bool is_crossing = w->now_ns - s->planned_ns < 6 * SECOND && world_alive(w) < 3;
    if (s->mild_until_ns > w->now_ns || is_crossing || !script_has_successor(w))
        script_excuse(w, w->now_ns, why);
    s->planned_ns = w->now_ns;
}

void script_planned_again(struct world *w)
{
    script_of(w)->planned_ns = w->now_ns;
}

void script_no_start_until(struct world *w, int64_t at_ns)
{
    script_of(w)->no_start_until_ns = at_ns;
}

bool script_may_start(const struct world *w)
{
    return w->now_ns >= script_of(w)->no_start_until_ns;
}

uint64_t script_count(const struct world *w)
{
    return script_of(w)->count;
}

/* -- starts and ends -- */

static void on_restart(void *arg)
{
    struct restart *x = arg;
    struct world *w = x->world;
    if (!script_may_start(w)) {
        world_at(w, &x->event, script_of(w)->no_start_until_ns);
        return;
    }
    if (w->replicas[x->slot] == NULL) {
        if (world_alive(w) == 0)
            script_excuse(w, w->now_ns, "nobody was there");
        replica_start(w, x->slot, x->same_pod);
    }
    mem_free(x);
}

void script_restart_later(struct world *w, int slot, bool same_pod, int64_t delay_ns)
{
    struct restart *x = mem_zalloc(sizeof *x);
    x->world = w;
    x->slot = slot;
    x->same_pod = same_pod;
    if (world_alive(w) == 0)
        check_excuse(w, EXCUSED_ALL, w->now_ns - 2 * SECOND, w->now_ns + delay_ns + 2 * MINUTE,
                     "nobody is there");
    event_init(&x->event, on_restart, x);
    world_at(w, &x->event, w->now_ns + delay_ns);
}

void script_process_ended(struct replica *r)
{
    struct world *w = r->world;
    if (!r->replaced)
        script_restart_later(w, r->slot, false, script_between(w, 0, 20 * SECOND));
}

/* -- rolling updates: one new, one old, and so on -- */

static void rollout_start(struct rollout *x)
{
    struct world *w = x->world;
    x->has_new = false;
    for (int i = 0; i < w->slot_count && !x->has_new; i++) {
        if (w->replicas[i] != NULL)
            continue;
        x->has_new = true;
        replica_start(w, i, false);
    }
}

static void rollout_end(struct rollout *x)
{
    struct world *w = x->world;
    for (int i = 0; i < w->slot_count; i++) {
        struct replica *r = w->replicas[i];
        if (r == NULL || r->process != x->processes[x->at] || !x->has_new || r->stopping)
            continue;
        r->replaced = true;
        script_of(w)->count++;
        script_planned(w, "an update near something else");
        check_lets_go(r);
        replica_terminate(r);
    }
    x->at++;
}

static void on_rollout(void *arg)
{
    struct rollout *x = arg;
    struct world *w = x->world;
    if (x->at == x->count) {
        script_of(w)->rolling = false;
        mem_free(x);
        return;
    }
    if (x->starts && !script_may_start(w)) {
        world_at(w, &x->event, script_of(w)->no_start_until_ns);
        return;
    }
    if (x->starts)
        rollout_start(x);
    else
        rollout_end(x);
    x->starts = !x->starts;
    int64_t least_ns = x->starts ? 0 : 5100 * MS;
    world_at(w, &x->event, w->now_ns + script_between(w, least_ns, 30 * SECOND));
}

void script_rollout(struct world *w)
{
    if (script_of(w)->rolling)
        return;
    struct rollout *x = mem_zalloc(sizeof *x);
    x->world = w;
    for (int i = 0; i < w->slot_count; i++)
        if (w->replicas[i] != NULL)
            x->processes[x->count++] = w->replicas[i]->process;
    x->starts = true;
    script_of(w)->rolling = true;
    event_init(&x->event, on_rollout, x);
    world_at(w, &x->event, w->now_ns);
}

/* -- the course of things -- */

static void on_next(void *arg)
{
    struct world *w = arg;
    struct script *s = script_of(w);
    size_t f;
    do
        f = chance_below(&w->script_chance, fault_count);
    while ((w->settings->faults >> f & 1) == 0);
    struct replica *r = script_victim(w);
    if (r != NULL) {
        s->count++;
        world_trace(w, "== %s (p%" PRIu64 ")", faults[f].name, r->process);
        faults[f].happen(w, r);
    }
    int64_t gap_ns = script_between(w, 100 * MS, 2 * w->settings->fault_gap_ns);
    if (script_percent(w, 15)) /* some come close together */
        gap_ns = script_between(w, 1 * MS, 3 * SECOND);
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
    world_trace(w,
                "seed %" PRIu64 ": %d replicas, lease %" PRId64 " s, ticks each %" PRId64
                " s, watches late by %" PRId64 " ms, standby %d%s%s%s%s",
                w->seed, settings->replica_count, settings->lease_ns / SECOND,
                settings->interval_ns / SECOND, settings->lag_ns / MS, (int)settings->standby,
                settings->crowd ? ", crowd" : "", settings->wrong_clocks ? ", wrong clocks" : "",
                settings->keeps ? ", keep" : "", settings->repeats ? ", repeat" : "");
    check_excuse(w, EXCUSED_ALL, 0, 2 * settings->lease_ns + 20 * SECOND, "the beginning");
    for (int i = 0; i < settings->replica_count; i++)
        script_restart_later(w, i, false,
                             script_between(w, 0, settings->is_crowd ? MINUTE : 10 * SECOND));
    event_init(&s->next, on_next, w);
    if (settings->is_crowd) {
        crowd_new(w);
        return;
    }
    world_at(w, &s->next, script_between(w, 30 * SECOND, 30 * SECOND + settings->fault_gap_ns));
}
