/*
 * What can happen. Each fault is a function and a line in the table at the end; which ones a run knows is chosen by its seed.
 *
 * Who adds one decides what it excuses: nothing (planned), nothing unless something else is near (script_mild), or everything until
 * the recovery that is promised (script_excuse).
 */
#include "script.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"

static int64_t between(struct world *w, int64_t low, int64_t high)
{
    return script_between(w, low, high);
}

/* -- planned -- */

static void term(struct world *w, struct replica *r)
{
    if (r->stopping)
        return;
    script_planned(w, "SIGTERM near something else");
    check_lets_go(r);
    replica_terminate(r);
}

static void rollout(struct world *w, struct replica *r)
{
    (void)r;
    script_rollout(w);
}

static void reload(struct world *w, struct replica *r)
{
    script_planned(w, "SIGHUP near something else");
    replica_reload(r);
}

/* The leader hands over, by SIGUSR1 or because its Lease asks for it, and goes on as a candidate. */
static void yield(struct world *w, struct replica *r)
{
    r = world_leader(w);
    if (r == NULL || r->stopping || r->signal_pending)
        return;
    bool ready = script_has_successor(w);
    /* A signal that comes during a reload is dropped. */
    bool by_lease = script_percent(w, 50) || !service_is_running(r->service);
    script_planned(w, "a yield near something else");
    if (!by_lease)
        replica_yield(r);
    else if (!server_hand(w, HAND_YIELD))
        return;
    check_hands_over(r, by_lease ? 3 * (r->link.lag_ns + w->settings->lag_ns) + SECOND : 0, ready);
}

/* One yield after the other, each as soon as the next one leads: what each learns of the Lease begins in the middle. */
struct row {
    struct event event;
    struct world *world;
    uint64_t asked; /* the process; 0: nobody yet */
    uint64_t script_count;
    int64_t asked_ns, patience_ns;
    int left;
};

static void on_row(void *arg)
{
    struct row *x = arg;
    struct world *w = x->world;
    struct replica *leader = world_leader(w);
    bool taken = leader != NULL && leader->process != x->asked;
    bool disturbed = script_count(w) != x->script_count || !script_is_quiet(w);
    if (!disturbed && !taken && w->now_ns - x->asked_ns > x->patience_ns)
        world_fail(w, "%.1f s after p%" PRIu64 " was asked to hand over, in a row, %s",
                   (double)(w->now_ns - x->asked_ns) / 1e9, x->asked,
                   leader == NULL ? "nobody leads" : "it still leads");
    if (disturbed || (taken && (x->left == 0 || !server_hand(w, HAND_YIELD)))) {
        mem_free(x);
        return;
    }
    if (taken) {
        x->asked = leader->process;
        x->asked_ns = w->now_ns;
        x->left--;
        script_planned_again(w);
    }
    world_at(w, &x->event, w->now_ns + (taken ? 0 : between(w, 1, 50) * MS));
}

/* In a crowd those that are outside look once in a lease duration: there a row takes its time. So it does where a backend or a reload
 * is waited for. */
static void yields(struct world *w, struct replica *r)
{
    r = world_leader(w);
    int64_t lag_ns = 0;
    bool is_busy = check_is_excused(w, EXCUSED_TICKS, w->now_ns - SECOND, w->now_ns + SECOND);
    for (int i = 0; i < w->slot_count; i++) {
        const struct replica *each = w->replicas[i];
        bool is_late = each != NULL && each->link.lag_until_ns > w->now_ns;
        if (is_late && each->link.lag_ns > lag_ns)
            lag_ns = each->link.lag_ns;
        is_busy = is_busy || (each != NULL && !service_is_running(each->service));
    }
    lag_ns += w->settings->lag_ns;
    int64_t patience_ns = 2 * SECOND + 6 * lag_ns;
    if (is_busy || r == NULL || r->stopping || r->signal_pending || w->settings->crowd ||
        !script_is_quiet(w) || !script_has_successor(w) || patience_ns > w->settings->lease_ns / 2)
        return;
    struct row *x = mem_zalloc(sizeof *x);
    *x = (struct row){.world = w,
                      .script_count = script_count(w),
                      .patience_ns = patience_ns,
                      .asked_ns = w->now_ns,
                      .left = (int)between(w, 2, 8)};
    script_planned(w, "yields near something else");
    event_init(&x->event, on_row, x);
    world_at(w, &x->event, w->now_ns);
}

/* -- mild -- */

static void short_pause(struct world *w, struct replica *r)
{
    int64_t for_ns = between(w, 1, 400) * MS;
    script_mild(w, w->now_ns + for_ns, "short pause");
    sim_loop_pause(r->loop, w->now_ns + for_ns);
}

/* Somewhere in a handler; excused when it comes. */
static void stall(struct world *w, struct replica *r)
{
    bool is_long = script_percent(w, 50);
    int64_t for_ns = is_long ? between(w, 1, 40) * SECOND : between(w, 1, 300) * MS;
    sim_loop_stall(r->loop, (uint32_t)between(w, 1, 60), for_ns);
}

static void cut(struct world *w, struct replica *r)
{
    script_mild(w, w->now_ns, "cut");
    net_cut(w, r);
}

/* Not even mild: a watch that is late by so much costs nothing. */
static void lag(struct world *w, struct replica *r)
{
    r->link.lag_ns = between(w, 100, 1500) * MS;
    r->link.lag_until_ns = w->now_ns + between(w, 10, 120) * SECOND;
}

static void compact(struct world *w, struct replica *r)
{
    (void)r;
    kubesim_compact(w->server);
    server_kick(w);
}

static void drop_watches(struct world *w, struct replica *r)
{
    (void)r;
    enum kubesim_drop how = (enum kubesim_drop)between(w, KUBESIM_DROP_END, KUBESIM_DROP_ERROR);
    script_mild(w, w->now_ns, "drop watches");
    kubesim_drop_watches(w->server, how, STR_NONE, STR_NONE);
    server_kick(w);
}

static void restart_server(struct world *w, int64_t down_ns)
{
    kubesim_restart(w->server, down_ns);
    net_cut_all(w);
    server_kick(w);
}

static void short_restart(struct world *w, struct replica *r)
{
    (void)r;
    int64_t for_ns = between(w, 0, 1500) * MS;
    script_mild(w, w->now_ns + for_ns, "short restart");
    restart_server(w, for_ns);
}

static void slow_answers(struct world *w, struct replica *r)
{
    int64_t for_ns = between(w, 5, 60) * SECOND;
    script_mild(w, w->now_ns + for_ns, "slow answers");
    r->link.slow_ns = between(w, 100, 900) * MS;
    r->link.slow_until_ns = w->now_ns + for_ns;
}

/* Its answers are late; what was sent has arrived all the same. All receivers together have some six batches an interval: where the exporter
 * takes few of them at a time, ticks are skipped. */
static void backend_slow(struct world *w, struct replica *r)
{
    (void)r;
    int64_t until_ns = w->now_ns + between(w, 1, 300) * SECOND;
    backend_trouble(w, BACKEND_SLOW, until_ns);
    if (w->settings->interval_ns * (int64_t)w->settings->room / 8 < BACKEND_SLOW_NS)
        check_excuse(w, EXCUSED_TICKS, w->now_ns - 10 * SECOND, until_ns + 90 * SECOND,
                     "the backend is slower than the ticks");
}

/* -- processes -- */

/* The Lease must run out, then the next one must notice and claim. */
static int64_t takeover_ns(const struct world *w)
{
    const struct settings_of_seed *s = w->settings;
    return s->lease_ns + s->lease_ns * s->rate_ppm_max / 1000000 + s->lag_ns + 3 * SECOND;
}

static void crash_one(struct world *w, struct replica *r)
{
    bool leads = world_leader(w) == r;
    bool quiet = script_is_quiet(w) && w->replicas[r->slot]->link.lag_until_ns < w->now_ns &&
                 (!leads || world_successor_is_ready(w));
    if (!quiet)
        script_excuse(w, w->now_ns, "a crash near something else");
    else if (leads && !(w->settings->repeats && takeover_ns(w) < 4 * w->settings->interval_ns))
        check_excuse(w, EXCUSED_ALL, w->now_ns - SECOND, w->now_ns + takeover_ns(w), "crash");
    script_mild(w, w->now_ns + takeover_ns(w), "crash");
    int slot = r->slot;
    replica_crash(r);
    int64_t longest_ns = script_percent(w, 30) ? 2 * SECOND : 90 * SECOND;
    script_restart_later(w, slot, w->settings->same_pods, between(w, 0, longest_ns));
}

static void crash(struct world *w, struct replica *r)
{
    crash_one(w, r);
}

static void crash_two(struct world *w, struct replica *r)
{
    script_excuse(w, w->now_ns + takeover_ns(w), "a crash of two");
    crash_one(w, r);
    r = script_victim(w);
    if (r != NULL)
        crash_one(w, r);
}

static void pause(struct world *w, struct replica *r)
{
    int64_t for_ns = between(w, 1, 60) * SECOND;
    sim_loop_pause(r->loop, w->now_ns + for_ns);
    script_excuse(w, w->now_ns + for_ns, "pause");
}

/* As its next batch is handed over. */
static void pause_in_tick(struct world *w, struct replica *r)
{ /* excused when it comes */
    r->pause_in_tick_ns = between(w, 1, 60) * SECOND;
}

/* An NTP step, within what is promised of the clocks; by up to ten minutes where they are wrong. After a step back a leader waits
 * until the time of its last tick has come round again. */
static void wall_step(struct world *w, struct replica *r)
{
    int64_t most_ns = w->settings->offset_ns_max;
    int64_t to_ns = between(w, -most_ns, most_ns);
    if (w->settings->wrong_clocks) {
        to_ns = r->offset_ns + between(w, -10 * MINUTE, 10 * MINUTE);
        r->wall_seen_ns = later_ns(r->wall_seen_ns, w->now_ns + r->offset_ns);
        if (r->wall_seen_ns > w->now_ns + to_ns)
            check_excuse(w, EXCUSED_TICKS, w->now_ns, r->wall_seen_ns - to_ns, "a clock went back");
    }
    sim_loop_step_wall(r->loop, to_ns - r->offset_ns);
    r->offset_ns = to_ns;
}

/* -- network -- */

static void partition(struct world *w, struct replica *r)
{
    int64_t for_ns = between(w, 1, 60) * SECOND;
    int which = (int)between(w, 0, 3); /* up, down, both, both */
    net_block(w, r, which != 1, which != 0, w->now_ns + for_ns, script_percent(w, 50));
    script_outage(w, w->now_ns + for_ns + 15 * SECOND, "partition");
}

/* Slower and slower, then silent. */
static void fading(struct world *w, struct replica *r)
{
    int64_t until_ns = w->now_ns + between(w, 1, 60) * SECOND;
    r->link.slow_ns = between(w, 500, 4000) * MS;
    r->link.slow_until_ns = until_ns;
    if (script_percent(w, 70))
        net_block(w, r, script_percent(w, 70), script_percent(w, 70),
                  until_ns + between(w, 5, 40) * SECOND, script_percent(w, 50));
    script_outage(w, until_ns + 60 * SECOND, "fading link");
}

static void lossy(struct world *w, struct replica *r)
{
    r->link.lossy_until_ns = w->now_ns + between(w, 1, 60) * SECOND;
    script_outage(w, r->link.lossy_until_ns, "lossy link");
    /* A request that is lost keeps its watch silent, and a store empty, until that is noticed. */
    check_excuse(w, EXCUSED_ALL, w->now_ns, r->link.lossy_until_ns + 75 * SECOND,
                 "a lost request for a watch");
}

static void refused(struct world *w, struct replica *r)
{
    r->link.refused_until_ns = w->now_ns + between(w, 1, 60) * SECOND;
    script_outage(w, r->link.refused_until_ns, "refused");
}

/* -- the API server -- */

static void long_restart(struct world *w, struct replica *r)
{
    (void)r;
    int64_t for_ns = between(w, 1, 60) * SECOND;
    restart_server(w, for_ns);
    script_outage(w, w->now_ns + for_ns, "long restart");
}

/* All processes, but not the admin. */
#define ALL_USERS                                                                                  \
    "slot-0,slot-1,slot-2,slot-3,slot-4,slot-5,slot-6,slot-7,slot-8,slot-9,slot-10,slot-11,"       \
    "slot-12,slot-13,slot-14,slot-15"

/* What the server does by a rule of the script ends when it is said to end, used up or not. */
struct rule {
    struct event event;
    struct world *world;
    const char *kind; /* as in its path: faults, rules */
    uint64_t id;
};

static void on_rule_ends(void *arg)
{
    struct rule *rule = arg;
    struct world *w = rule->world;
    char path[64];
    struct buf answer;
    buf_init(&answer, MIB);
    snprintf(path, sizeof path, "/_sim/%s/%" PRIu64, rule->kind, rule->id);
    int status = server_ask(w, "DELETE", path, STR_NONE, &answer);
    if (status / 100 != 2)
        world_fail(w, "a rule cannot be taken away: status %d", status);
    world_trace(w, "server: %s %" PRIu64 " is gone", rule->kind, rule->id);
    buf_deinit(&answer);
    mem_free(rule);
}

static void rule_ends(struct world *w, const char *kind, uint64_t id, int64_t at_ns)
{
    struct rule *rule = mem_zalloc(sizeof *rule);
    rule->world = w;
    rule->kind = kind;
    rule->id = id;
    event_init(&rule->event, on_rule_ends, rule);
    world_at(w, &rule->event, at_ns);
}

static void server_rule(struct world *w, const char *method, int times, const char *effect,
                        int64_t until_ns)
{
    char json[512];
    struct err err;
    uint64_t id;
    snprintf(json, sizeof json,
             "{\"match\":{\"user\":\"" ALL_USERS
             "\",\"resource\":\"leases\",\"method\":\"%s\"},\"times\":%d,%s}",
             method, times, effect);
    world_trace(w, "server: %s %d times %s", method, times, effect);
    if (!kubesim_fault_add(w->server, str_from(json), &id, &err))
        world_fail(w, "fault rule: %s", err.text);
    rule_ends(w, "faults", id, until_ns);
}

static void server_errors(struct world *w, struct replica *r)
{
    static const char *const effects[] = {
        "\"status\":500",
        "\"status\":500,\"execute\":true",
        "\"status\":503",
        "\"status\":504,\"execute\":true",
        "\"status\":429,\"retry_after\":5",
        "\"cut\":\"after\"",
        "\"cut\":\"before\"",
        "\"hang\":\"after\"",
        "\"cut\":\"middle\"",
    };
    (void)r;
    const char *effect = effects[chance_below(&w->script_chance, COUNT_OF(effects))];
    int64_t until_ns = w->now_ns + 60 * SECOND;
    server_rule(w, script_percent(w, 70) ? "PUT" : "GET", (int)between(w, 1, 6), effect, until_ns);
    script_outage(w, until_ns, "server errors");
}

static void late_writes(struct world *w, struct replica *r)
{
    char effect[64];
    (void)r;
    snprintf(effect, sizeof effect, "\"%s\":%d",
             script_percent(w, 50) ? "delay_ms" : "answer_delay_ms", (int)between(w, 500, 30000));
    int64_t until_ns = w->now_ns + 90 * SECOND;
    server_rule(w, script_percent(w, 80) ? "PUT" : "POST", (int)between(w, 1, 4), effect, until_ns);
    script_outage(w, until_ns, "late writes");
}

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

static void freeze(struct world *w, struct replica *r)
{
    (void)r;
    int64_t for_ns = between(w, 1, 60) * SECOND;
    struct thaw *t = mem_zalloc(sizeof *t);
    t->world = w;
    w->server_is_frozen = true;
    kubesim_freeze(w->server, true);
    event_init(&t->event, on_thaw, t);
    world_at(w, &t->event, w->now_ns + for_ns);
    /* Lists that were asked for meanwhile are given up after a minute. */
    int64_t lists_ns = w->settings->has_cluster ? LIMIT_LIST_IDLE_MS * MS : 0;
    script_outage(w, w->now_ns + for_ns + lists_ns, "freeze");
}

/* -- permissions, taken away and given back -- */

/* A watch that was denied is tried again once a minute; until then the Lease is read each retry_period, and changes take longer. */
static int64_t denied_tail_ns(void)
{
    return 65 * SECOND;
}

/* `slot` -1: all. Watches that are open stay so, as on a real server, unless they are cut. */
static void deny(struct world *w, int slot, const char *verbs, const char *resource,
                 const char *name, int64_t until_ns)
{
    bool is_lease = strcmp(resource, "leases") == 0;
    if (is_lease && until_ns + denied_tail_ns() > w->leases_denied_until_ns)
        w->leases_denied_until_ns = until_ns + denied_tail_ns();
    char json[512], user[32] = "*";
    size_t at;
    struct buf answer;
    if (slot >= 0)
        snprintf(user, sizeof user, "slot-%d", slot);
    snprintf(json, sizeof json,
             "{\"allow\":false,\"user\":\"%s\",\"verb\":\"%s\",\"resource\":\"%s\","
             "\"namespace\":\"default\",\"name\":\"%s\"}",
             slot < 0 ? ALL_USERS : user, verbs, resource, name);
    world_trace(w, "RBAC: %s may not %s %s %s until %.3f", user, verbs, resource, name,
                (double)until_ns / 1e9);
    buf_init(&answer, MIB);
    int status = server_ask(w, "POST", "/_sim/rules", str_from(json), &answer);
    uint64_t rule = 0;
    str text = buf_view(&answer);
    if (status / 100 == 2 && str_find(text, STR(":"), &at))
        rule = strtoull(answer.data + at + 1, NULL, 10);
    if (rule == 0)
        world_fail(w, "a rule is not taken: status %d, %.*s", status, STR_ARG(text));
    buf_deinit(&answer);
    rule_ends(w, "rules", rule, until_ns);
    if (w->settings->keeps && strcmp(resource, "leases") == 0) /* no answer says who else leads */
        check_excuse(w, EXCUSED_KEEPING, w->now_ns, until_ns + w->settings->lease_ns, "denied");
    if (script_percent(w, 50))
        kubesim_drop_watches(w->server, KUBESIM_DROP_END, slot < 0 ? STR_NONE : str_from(user),
                             str_from(resource));
    server_kick(w);
}

static const char *some_lease(struct world *w)
{
    static const char *const names[] = {"the-lease", "the-lease", "the-lease-standby", "*"};
    return names[script_between(w, 0, COUNT_OF(names) - 1)];
}

/* Who leads keeps its Lease without reading it; who does not, campaigns more slowly. */
static void denied_reads(struct world *w, struct replica *r)
{
    static const char *const verbs[] = {"get", "watch", "watch,list", "get,watch,list"};
    int64_t until_ns = w->now_ns + between(w, 1, 120) * SECOND;
    script_mild(w, until_ns + denied_tail_ns(), "denied reads");
    deny(w, r->slot, verbs[script_between(w, 0, COUNT_OF(verbs) - 1)], "leases", some_lease(w),
         until_ns);
}

/* Of one: whoever may takes over when the Lease has run out. Of all: nobody leads until it is mended. */
static void denied_writes(struct world *w, struct replica *r)
{
    static const char *const verbs[] = {"update", "update", "update,create"};
    int64_t until_ns = w->now_ns + between(w, 1, 120) * SECOND;
    const char *name = some_lease(w);
    bool of_all = script_percent(w, 20);
    bool loses = of_all || world_leader(w) == r;
    if (of_all)
        script_excuse(w, until_ns + denied_tail_ns(), "denied writes of all");
    else if (loses && script_is_quiet(w) && script_has_successor(w))
        check_excuse(w, EXCUSED_ALL, w->now_ns - SECOND, w->now_ns + takeover_ns(w),
                     "denied writes");
    else if (loses || !script_is_quiet(w))
        script_excuse(w, until_ns,
                      "denied writes near something else"); /* maybe nobody else is there */
    script_mild(w, until_ns + denied_tail_ns(), "denied writes");
    deny(w, of_all ? -1 : r->slot, verbs[script_between(w, 0, COUNT_OF(verbs) - 1)], "leases", name,
         until_ns);
}

/* The leader dies while who stands by may not claim: it gives its place to one that may. */
static void denied_standby(struct world *w, struct replica *r)
{
    const struct settings_of_seed *s = w->settings;
    r = world_leader(w);
    struct replica *standby = world_standby(w);
    bool is_fit = s->standby == STANDBY_AUTO && world_alive(w) >= 3 && script_is_quiet(w) &&
                  script_has_successor(w);
    if (!is_fit || r == NULL || standby == NULL || standby == r || r->stopping)
        return;
    int64_t until_ns = w->now_ns + between(w, 60, 120) * SECOND;
    /* The next one stands by at once, in a crowd after one duration and a fifth, and waits until it has itself seen the Lease run out. */
    int64_t next_ns =
        s->lease_ns + 3 * s->retry_ns + 8 * SECOND + (s->crowd ? s->lease_ns * 5 / 4 : 0);
    check_excuse(w, EXCUSED_ALL, w->now_ns - SECOND, w->now_ns + takeover_ns(w) + next_ns,
                 "a crash, and the standby may not claim");
    script_mild(w, until_ns + denied_tail_ns(), "denied standby");
    deny(w, standby->slot, "update,create", "leases", "the-lease", until_ns);
    int slot = r->slot;
    replica_crash(r);
    script_restart_later(w, slot, false, between(w, 60, 120) * SECOND);
}

/* Leases are not touched by it. */
static void denied_pods(struct world *w, struct replica *r)
{
    static const char *const verbs[] = {"list", "watch", "watch,list"};
    int64_t until_ns = w->now_ns + between(w, 1, 120) * SECOND;
    script_mild(w, until_ns + denied_tail_ns(), "denied pods");
    w->pods_denied_until_ns = until_ns + denied_tail_ns();
    deny(w, script_percent(w, 30) ? -1 : r->slot, verbs[script_between(w, 0, COUNT_OF(verbs) - 1)],
         "pods", "*", until_ns);
}

/* -- hands on the Lease -- */

/* The former leader, if it was done. */
static struct replica *hand(struct world *w, enum hand what, const char *why)
{
    struct replica *leader = world_leader(w);
    if (leader == NULL || !server_hand(w, what))
        return NULL;
    world_trace(w, "the Lease of p%" PRIu64 " is edited: %s", leader->process, why);
    return leader;
}

/* A half-open watch is found out after a while only. */
static bool watches_are_alive(const struct world *w)
{
    return script_is_quiet(w) &&
           !check_is_excused(w, EXCUSED_ALL, w->now_ns - 2 * MINUTE, w->now_ns);
}

/* How long a leader may take to see an edit: its watch may just be beginning again. */
static int64_t notice_ns(const struct world *w, const struct replica *r)
{
    return 700 * MS + 3 * (r->link.lag_ns + w->settings->lag_ns);
}

/* A newcomer that finds no Lease takes it at once: if somebody deleted it and its leader could not make it again yet, both lead.
 * Nothing on the server tells the newcomer; a known limit. Neither is a Lease noticed that comes and goes twice. */
static void deleted(struct world *w, struct replica *r)
{
    (void)r;
    bool has_newcomer =
        w->leases_denied_until_ns > w->now_ns; /* who has not seen the Lease yet, or may not */
    for (int i = 0; i < w->slot_count; i++)
        has_newcomer |=
            w->replicas[i] != NULL && w->now_ns - w->replicas[i]->started_ns < 10 * SECOND;
    if (script_may_start(w) && !has_newcomer && hand(w, HAND_DELETE, "deleted") != NULL)
        script_no_start_until(w, w->now_ns + 2 * w->settings->lease_ns + 30 * SECOND);
    script_excuse(w, w->now_ns, "Lease deleted");
}

static void twin(struct world *w, struct replica *r)
{
    (void)r;
    bool quiet = watches_are_alive(w);
    struct replica *leader = hand(w, HAND_TWIN, "another program under its name");
    if (leader != NULL && quiet)
        check_gate_soon_closed(w, leader, notice_ns(w, leader),
                               "another one holds the Lease under its name");
    script_excuse(w, w->now_ns, "twin holder");
}

static void cleared(struct world *w, struct replica *r)
{
    (void)r;
    (void)hand(w, HAND_CLEAR, "holder removed");
    script_excuse(w, w->now_ns, "holder cleared");
}

static void shortened(struct world *w, struct replica *r)
{
    (void)r;
    (void)hand(w, HAND_SHORTEN, "duration 1 s");
    script_excuse(w, w->now_ns, "duration shortened");
}

/* Another program that leads for a while, renews, and then gives the Lease back or not. */
struct foreign {
    struct event event;
    struct world *world;
    int64_t since_ns, until_ns; /* since: 0: who led before may not have known */
};

static void on_foreign(void *arg)
{
    struct foreign *f = arg;
    struct world *w = f->world;
    bool gives_back = w->now_ns >= f->until_ns && script_percent(w, 50);
    if (w->now_ns < f->until_ns && server_hand(w, HAND_FOREIGN_RENEW)) {
        world_at(w, &f->event, w->now_ns + 2 * SECOND);
        return;
    }
    if (gives_back && server_hand(w, HAND_FOREIGN_RELEASE) && f->since_ns > 0)
        check_foreign_term(w, f->since_ns, w->now_ns);
    script_excuse(w, w->now_ns, "the end of a foreign holder");
    mem_free(f);
}

static void foreign(struct world *w, struct replica *r)
{
    (void)r;
    bool quiet = watches_are_alive(w);
    struct replica *leader = hand(w, HAND_FOREIGN, "another holder");
    if (leader == NULL)
        return;
    int64_t lag_ns = notice_ns(w, leader);
    if (quiet)
        check_gate_soon_closed(w, leader, lag_ns, "another one holds the Lease");
    struct foreign *f = mem_zalloc(sizeof *f);
    f->world = w;
    f->since_ns = quiet ? w->now_ns + SECOND + lag_ns : 0;
    /* It must not give back what it has taken away before the one that held it can have noticed. */
    f->until_ns = w->now_ns + w->settings->lease_ns + between(w, 0, 60) * SECOND;
    script_excuse(w, f->until_ns, "foreign holder");
    event_init(&f->event, on_foreign, f);
    world_at(w, &f->event, w->now_ns + 2 * SECOND);
}

/* -- the backend -- */

static void backend_away(struct world *w, enum backend_trouble kind, const char *why)
{
    int64_t until_ns = w->now_ns + between(w, 1, 60) * SECOND;
    backend_trouble(w, kind, until_ns);
    check_excuse(w, EXCUSED_TICKS, w->now_ns - 10 * SECOND, until_ns + 90 * SECOND, why);
}

static void backend_down(struct world *w, struct replica *r)
{
    (void)r;
    backend_away(w, BACKEND_DOWN, "backend down");
}

static void backend_refuses(struct world *w, struct replica *r)
{
    (void)r;
    backend_away(w, BACKEND_REFUSES, "backend refuses");
}

const struct fault faults[] = {
    {"term", PLANNED, term},
    {"rollout", PLANNED, rollout},
    {"reload", PLANNED, reload},
    {"short pause", MILD, short_pause},
    {"stall", MILD, stall},
    {"cut", MILD, cut},
    {"lag", MILD, lag},
    {"compact", MILD, compact},
    {"drop watches", MILD, drop_watches},
    {"short restart", MILD, short_restart},
    {"slow answers", MILD, slow_answers},
    {"backend slow", MILD, backend_slow},
    {"wall clock step", MILD, wall_step},
    {"crash", HARD, crash},
    {"crash of two", HARD, crash_two},
    {"pause", HARD, pause},
    {"pause in a tick", HARD, pause_in_tick},
    {"partition", HARD, partition},
    {"fading link", HARD, fading},
    {"lossy link", HARD, lossy},
    {"refused", HARD, refused},
    {"long restart", HARD, long_restart},
    {"server errors", HARD, server_errors},
    {"late writes", HARD, late_writes},
    {"freeze", HARD, freeze},
    {"Lease deleted", HARD, deleted},
    {"foreign holder", HARD, foreign},
    {"twin holder", HARD, twin},
    {"holder cleared", HARD, cleared},
    {"duration shortened", HARD, shortened},
    {"backend down", HARD, backend_down},
    {"backend refuses", HARD, backend_refuses},
    {"yield", PLANNED, yield},
    {"denied reads", MILD, denied_reads},
    {"denied writes", HARD, denied_writes},
    {"denied standby", HARD, denied_standby},
    {"denied pods", MILD, denied_pods},
    {"yields in a row", PLANNED, yields},
};
const size_t fault_count = COUNT_OF(faults);
