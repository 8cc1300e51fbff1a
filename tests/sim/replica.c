/*
 * Processes: each runs the real service, elector and receivers on a loop of its own.
 *
 * Life: replica_start -> the configuration is read and the service started, in a turn of its loop -> signals come as deliveries ->
 * it ends in order (and is freed, which must leave no timer behind), or it crashes: then it is never called again, and its memory
 * stays as it is until the run is over.
 */
#include "world.h"

#include <stdio.h>

#include "base/limits.h"
#include "election/elector_internal.h"
#include "extensions/extensions.h"
#include "receivers/receivers.h"
#include "service/service_internal.h"

static const struct receiver_type *const receivers[] = {&dummy_receiver, &k8s_cluster_receiver,
                                                        NULL};
static const struct processor_type *const processors[] = {NULL};
static const struct exporter_type *const exporters[] = {&sim_exporter, NULL};
static const struct extension_type *const extensions[] = {&leader_elector_extension, NULL};
static const struct components components = {receivers, processors, exporters, extensions};

static void log_sink(void *arg, str line)
{
    const struct replica *r = arg;
    if (!r->world->print_logs)
        return;
    line = str_trim(line);
    printf("%11.6f p%" PRIu64 " says: %.*s\n", (double)r->world->now_ns / 1e9, r->process,
           STR_ARG(line));
}

static int64_t log_wall_ns(void *arg)
{
    const struct replica *r = arg;
    return EPOCH_NS + r->world->now_ns; /* not by the loop: printing must not change what happens */
}

static const char *const standby_names[] = {"cold", "warm", "auto"};

static char *make_yaml(const struct settings_of_seed *s, bool logs)
{
    struct buf b;
    buf_init(&b, 64 * KIB);
    buf_printf(&b,
               "yaml:extensions:\n  k8s_leader_elector:\n    auth_type: none\n"
               "    lease_name: the-lease\n    lease_namespace: default\n"
               "    lease_duration: %" PRId64 "ms\n    renew_deadline: %" PRId64 "ms\n"
               "    retry_period: %" PRId64 "ms\n    safety_margin: %" PRId64
               "ms\n    standby: %s\n%s%s%s",
               s->lease_ns / MS, s->deadline_ns / MS, s->retry_ns / MS, s->margin_ns / MS,
               standby_names[s->standby], s->crowd ? "    crowd: true\n" : "",
               s->keeps ? "    on_api_outage: keep\n" : "",
               s->repeats ? "    after_crash: repeat\n" : "");
    buf_printf(&b,
               "receivers:\n  dummy: {interval: %" PRId64 "ms, allow_short_interval: true, "
               "k8s_leader_elector: k8s_leader_elector}\n",
               s->interval_ns / MS);
    if (s->has_cluster)
        buf_printf(&b,
                   "  k8s_cluster: {auth_type: none, collection_interval: %" PRId64
                   "ms, k8s_leader_elector: k8s_leader_elector}\n",
                   s->interval_ns / MS);
    buf_printf(&b,
               "exporters: {sim: {}}\n"
               "service:\n  extensions: [k8s_leader_elector]\n"
               "  pipelines:\n    metrics: {receivers: [dummy%s], exporters: [sim]}\n"
               "    logs: {receivers: [dummy], exporters: [sim]}\n"
               "  telemetry: {logs: {level: %s}, metrics: {level: none}}\n",
               s->has_cluster ? ", k8s_cluster" : "", logs ? "debug" : "error");
    size_t len;
    return buf_take(&b, &len);
}

/* -- the end -- */

static void on_exit_event(void *arg)
{
    struct replica *r = arg;
    struct world *w = r->world;
    world_trace(w, "p%" PRIu64 " has ended", r->process);
    w->current = r;
    service_free(r->service);
    r->service = NULL;
    w->current = NULL;
    r->dead = true;
    sim_loop_kill(r->loop);
    net_forget(w, r);
    log_free(r->log);
    mem_free(r->yaml);
    w->replicas[r->slot] = NULL;
    script_process_ended(r);
}

static void on_end(void *arg, int exit_status)
{
    struct replica *r = arg;
    struct world *w = r->world;
    r->ended = true;
    if (exit_status != 0)
        world_fail(w, "p%" PRIu64 " ended with status %d", r->process, exit_status);
    struct event *e = mem_zalloc(sizeof *e);
    event_init(e, on_exit_event, r);
    world_at(w, e, w->now_ns);
}

/* -- the beginning -- */

static void begin(void *arg, bool alive)
{
    struct replica *r = arg;
    if (!alive)
        return;
    const struct log_config log_config = {
        .level = r->world->print_logs ? LOG_DEBUG : LOG_OFF,
        .sink = log_sink,
        .sink_arg = r,
        .wall_ns = log_wall_ns,
        .wall_arg = r,
    };
    r->log = log_new(&log_config);
    const struct service_config config = {
        .loop = r->loop,
        .log = r->log,
        .components = &components,
        .sources = &r->source,
        .source_count = 1,
        .on_end = on_end,
        .arg = r,
    };
    r->service = service_new(&config);
    struct settings *settings = settings_load(&components, &r->source, 1);
    if (settings->messages.error_count > 0) {
        struct buf text;
        buf_init(&text, 64 * KIB);
        config_messages_print(&text, &settings->messages, true, true);
        world_fail(r->world, "configuration: %s", buf_cstr(&text));
        return;
    }
    service_start(r->service, settings);
}

struct replica *replica_start(struct world *w, int slot, bool same_pod)
{
    CHECK(w->replicas[slot] == NULL);
    const struct settings_of_seed *s = w->settings;
    struct replica *r = mem_zalloc(sizeof *r);
    r->world = w;
    r->slot = slot;
    r->process = ++w->process_count;
    if (!same_pod || w->pods[slot] == 0)
        w->pods[slot] = ++w->pod_count;
    snprintf(r->pod_name, sizeof r->pod_name, "baton-%d", slot);
    snprintf(r->pod_uid, sizeof r->pod_uid, "00000000-0000-4000-8000-%012" PRIu64, w->pods[slot]);
    r->link.latency_ns = chance_between(&w->net_chance, 200 * US, 5 * MS);
    r->link.jitter_ns = chance_between(&w->net_chance, 100 * US, 20 * MS);
    r->rate_ppm = chance_between(&w->net_chance, -s->rate_ppm_max, s->rate_ppm_max);
    r->offset_ns = chance_between(&w->net_chance, -s->offset_ns_max, s->offset_ns_max);
    r->loop = sim_loop_new(w, r, 100 + r->process, (int)r->rate_ppm, r->offset_ns);
    r->started_ns = w->now_ns;
    r->wall_seen_ns = INT64_MIN;
    r->crashed_ns = INT64_MAX;
    r->yaml = make_yaml(s, w->print_logs);
    r->source.location = str_from(r->yaml);
    r->begin.fn = begin;
    r->begin.arg = r;
    w->replicas[slot] = r;
    world_trace(w,
                "p%" PRIu64 " starts in slot %d, pod %" PRIu64 ", clock %+" PRId64
                " ppm, wall %+" PRId64 " us",
                r->process, slot, w->pods[slot], r->rate_ppm, r->offset_ns / US);
    sim_loop_deliver(r->loop, &r->begin, w->now_ns);
    return r;
}

/* -- signals -- */

void replica_crash(struct replica *r)
{
    struct world *w = r->world;
    world_trace(w, "p%" PRIu64 " crashes", r->process);
    r->dead = true;
    r->crashed_ns = w->now_ns;
    check_crashed(r);
    sim_loop_kill(r->loop);
    net_forget(w, r);
    w->replicas[r->slot] = NULL;
}

static void on_signal(void *arg, bool alive)
{
    struct replica *r = arg;
    r->signal_pending = false;
    if (!alive || r->service == NULL)
        return;
    switch (r->signal_kind) {
    case SIGNAL_STOP:
        service_stop(r->service);
        break;
    case SIGNAL_RELOAD:
        service_reload(r->service);
        break;
    case SIGNAL_YIELD:
        service_yield(r->service);
        break;
    }
}

static void signal_send(struct replica *r, enum replica_signal kind)
{
    if (r->signal_pending)
        return;
    r->signal_pending = true;
    r->signal_kind = kind;
    r->signal.fn = on_signal;
    r->signal.arg = r;
    sim_loop_deliver(r->loop, &r->signal, r->world->now_ns);
}

void replica_terminate(struct replica *r)
{
    if (r->stopping || r->signal_pending)
        return;
    r->stopping = true;
    r->stop_asked_ns = r->world->now_ns;
    world_trace(r->world, "p%" PRIu64 " gets SIGTERM", r->process);
    signal_send(r, SIGNAL_STOP);
}

void replica_reload(struct replica *r)
{
    world_trace(r->world, "p%" PRIu64 " gets SIGHUP", r->process);
    signal_send(r, SIGNAL_RELOAD);
}

void replica_yield(struct replica *r)
{
    world_trace(r->world, "p%" PRIu64 " gets SIGUSR1", r->process);
    signal_send(r, SIGNAL_YIELD);
}

/* -- questions -- */

static void take_elector(void *arg, struct elector *e)
{
    struct elector **found = arg;
    if (*found == NULL)
        *found = e;
}

struct elector *replica_elector(const struct replica *r)
{
    struct elector *found = NULL;
    if (r != NULL && r->service != NULL)
        electors_each(service_electors(r->service), take_elector, &found);
    return found;
}

bool replica_may_emit(const struct replica *r)
{
    const struct elector *e = replica_elector(r);
    if (e == NULL)
        return false;
    bool in_handler = sim_loop_observe(r->loop, true);
    bool may = elector_may_emit(e);
    sim_loop_observe(r->loop, !in_handler);
    return may;
}

int world_alive(const struct world *w)
{
    int count = 0;
    for (int i = 0; i < w->slot_count; i++)
        count += w->replicas[i] != NULL && !w->replicas[i]->stopping;
    return count;
}

struct replica *world_leader(const struct world *w)
{
    for (int i = 0; i < w->slot_count; i++)
        if (w->replicas[i] != NULL && replica_may_emit(w->replicas[i]))
            return w->replicas[i];
    return NULL;
}

struct replica *world_standby(struct world *w)
{
    struct lease_now standby;
    size_t at;
    server_lease(w, "the-lease-standby", &standby);
    for (int i = 0; i < w->slot_count; i++)
        if (w->replicas[i] != NULL &&
            str_find(str_from(standby.holder), str_from(w->replicas[i]->pod_uid), &at))
            return w->replicas[i];
    return NULL;
}

bool world_successor_is_ready(const struct world *w)
{
    if (w->settings->standby != STANDBY_AUTO)
        return true;
    const struct replica *leader = world_leader(w);
    return leader != NULL && elector_has_synced_standby(replica_elector(leader));
}
