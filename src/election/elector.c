/*
 * The elector: the pure machine of election.c with its clock, its API calls, its watch and its users; twice, for there is a
 * second candidacy on the standby's Lease (elector_standby.c).
 *
 * Life of an elector: elector_get makes it (client, identity, incarnation; nothing is sent) -> elector_start: watch and first
 * step -> steps on every event until the last elector_unref -> EVENT_STOP: both Leases are released -> freed, `done` called.
 *
 * Invariants
 *  - every event passes through elector_step, which reads the boot time itself; the machine never sees a cached clock.
 *  - users are told from elector_step only, after both machines have settled.
 *  - the gate that receivers ask is the machine's deadline and `leading`, never `leading` alone.
 */
#include "election/elector.h"

#include <unistd.h>

#include "base/limits.h"
#include "base/map.h"
#include "election/elector_internal.h"
#include "election/identity.h"
#include "wire/text.h"

#define MS INT64_C(1000000)

/* ---- the set ---- */

struct elector_set *elector_set_new(struct loop *loop, const struct logger *logger)
{
    struct elector_set *set = mem_zalloc(sizeof *set);
    set->loop = loop;
    set->logger = *logger;
    list_init(&set->electors);
    list_init(&set->clients);
    return set;
}

void elector_set_free(struct elector_set *set)
{
    if (set == NULL)
        return;
    CHECK(list_empty(&set->electors) && list_empty(&set->clients));
    mem_free(set);
}

static struct elector_client *client_get(struct elector_set *set, const struct kube_config *config,
                                         struct err *err)
{
    struct kube_client *kube = kube_client_new(set->loop, &set->logger, config, err);
    if (kube == NULL)
        return NULL;
    list_for_each (node, &set->clients) {
        struct elector_client *c = CONTAINER_OF(node, struct elector_client, link);
        if (str_eq(kube_client_key(c->kube), kube_client_key(kube))) {
            kube_client_free(kube);
            c->ref_count++;
            return c;
        }
    }
    struct elector_client *c = mem_zalloc(sizeof *c);
    c->kube = kube;
    c->ref_count = 1;
    list_append(&set->clients, &c->link);
    return c;
}

static void client_unref(struct elector_client *c)
{
    if (--c->ref_count > 0)
        return;
    list_remove(&c->link);
    kube_client_free(c->kube);
    mem_free(c);
}

/* ---- making and configuring ---- */

static int64_t request_timeout_ns(const struct elector_config *c)
{
    if (c->request_timeout_ns > 0)
        return c->request_timeout_ns;
    int64_t ns = c->renew_deadline_ns / 4 < c->retry_period_ns ? c->renew_deadline_ns / 4
                                                               : c->retry_period_ns;
    return ns < 500 * MS ? 500 * MS : ns;
}

static void configure(struct elector *e, const struct elector_config *c)
{
    bool renews = e->machine.state == ELECTION_LEADING &&
                  (e->machine.config.duration_ns != c->lease_duration_ns ||
                   e->machine.config.renew_deadline_ns != c->renew_deadline_ns);
    elector_dead_configure(e, c);
    e->config =
        *c; /* its texts are used while an elector is made only; e->name and so on are copies */
    e->request_timeout_ns = request_timeout_ns(c);
    e->machine.config.duration_ns = c->lease_duration_ns;
    e->machine.config.renew_deadline_ns = c->renew_deadline_ns;
    e->machine.config.retry_period_ns = c->retry_period_ns;
    e->machine.config.call_timeout_ns = e->request_timeout_ns;
    e->machine.config.margin_ns = c->safety_margin_ns;
    e->machine.config.release = c->release_on_shutdown;
    e->machine.config.keep = c->keep_on_outage && e->main == NULL;
    if (renews) /* the Lease is to say what is so now */
        loop_timer_set(&e->timer, election_renew_anew(&e->machine, loop_boot_ns(e->loop)));
}

static void configure_both(struct elector *e, const struct elector_config *c)
{
    configure(e, c);
    configure(e->standby, c);
    e->standby->machine.config.poll_ns = c->crowd ? c->lease_duration_ns : 0;
    e->pair.mode = c->standby;
    e->pair.crowd = c->crowd;
}

/* Of extensions of one configuration each may leave the identity to the other. */
static bool has_identity(const struct elector *e, const struct elector_config *c)
{
    return c->identity.len == 0 || str_eq(e->identity, c->identity);
}

/* A key that was removed asks for another identity than the one it named. */
static bool keeps_identity(const struct elector *e, const struct elector_config *c)
{
    return c->identity.len == 0 ? !e->identity_is_configured : str_eq(e->identity, c->identity);
}

static bool same_settings(const struct elector *e, const struct elector_config *c)
{
    return e->config.lease_duration_ns == c->lease_duration_ns &&
           e->config.renew_deadline_ns == c->renew_deadline_ns &&
           e->config.retry_period_ns == c->retry_period_ns &&
           e->config.safety_margin_ns == c->safety_margin_ns &&
           e->config.release_on_shutdown == c->release_on_shutdown &&
           e->config.standby == c->standby && e->config.crowd == c->crowd &&
           e->config.keep_on_outage == c->keep_on_outage &&
           e->config.handover_wait_ns == c->handover_wait_ns && elector_dead_is_configured(e, c) &&
           e->request_timeout_ns == request_timeout_ns(c) && has_identity(e, c);
}

static void on_timer(void *arg)
{
    elector_step_kind(arg, EVENT_TIMER);
}

static void on_pair_timer(void *arg)
{
    elector_settle(arg);
    elector_dead_follow(arg);
}

static void on_done(void *arg);

static void say_lease(struct elector *e, const struct logger *logger)
{
    struct buf text;
    buf_init(&text, 4 * KIB);
    buf_text(&text, "\"lease\": ");
    buf_json_string(&text,
                    arena_printf(&e->arena, "%.*s/%.*s", STR_ARG(e->namespace), STR_ARG(e->name)));
    e->logger = *logger;
    e->logger.fields_json = arena_str(&e->arena, buf_view(&text));
    buf_deinit(&text);
}

/* What both candidacies have; name, namespace, identity and socket are set. */
static void candidacy_init(struct elector *e, const struct election_config *config)
{
    e->loop = e->set->loop;
    say_lease(e, &e->set->logger);
    election_init(&e->machine, config);
    lease_init(&e->current);
    note_init(&e->note);
    note_init(&e->predecessor.note);
    list_init(&e->users);
    e->watch_initial = true;
    loop_timer_init(e->loop, &e->timer, "elector timer", on_timer, e);
    loop_timer_init(e->loop, &e->watch_timer, "elector watch", elector_watch_timer, e);
    loop_timer_init(e->loop, &e->pair_timer, "elector standby", on_pair_timer, e);
    loop_task_init(e->loop, &e->done_task, "elector done", on_done, e);
}

/* The candidacy on the standby's Lease. */
static struct elector *second_new(struct elector *e, const struct election_config *config)
{
    struct elector *second = mem_zalloc(sizeof *second);
    second->main = e;
    second->set = e->set;
    second->client = e->client;
    second->socket_fd = -1;
    arena_init(&second->arena, 512);
    second->name = arena_printf(&second->arena, "%.*s" ELECTOR_STANDBY_SUFFIX, STR_ARG(e->name));
    second->namespace = e->namespace;
    second->identity = e->identity;
    second->incarnation = e->incarnation;
    candidacy_init(second, config);
    return second;
}

static struct elector *elector_new(struct elector_set *set, struct elector_client *client,
                                   const struct elector_config *config, str namespace)
{
    struct elector *e = mem_zalloc(sizeof *e);
    e->set = set;
    e->client = client;
    arena_init(&e->arena, 512);
    e->name = arena_str(&e->arena, config->lease_name);
    e->namespace = arena_str(&e->arena, namespace);
    struct buf text;
    buf_init(&text, 4 * KIB);
    str pod_uid;
    identity_choose(set->loop, client->kube, config->identity, &text, &pod_uid);
    e->identity = arena_str(&e->arena, buf_view(&text));
    e->identity_is_configured = config->identity.len > 0;
    buf_clear(&text);
    incarnation_make(set->loop, &text);
    e->incarnation = arena_str(&e->arena, buf_view(&text));
    buf_deinit(&text);

    struct election_config machine = {
        .duration_ns = config->lease_duration_ns,
        .margin_ns = config->safety_margin_ns,
        .stagger_ns = (int64_t)(loop_random_u64(set->loop) % 200) * MS,
        .may_take_back =
            identity_is_exclusive(e->identity, pod_uid, e->namespace, e->name, &e->socket_fd),
    };
    candidacy_init(e, &machine);
    e->standby = second_new(e, &machine);
    standby_init(&e->pair, config->standby, config->crowd);
    configure_both(e, config);
    list_append(&set->electors, &e->link);
    return e;
}

/* One that this configuration has, or one of an older configuration that can go on under its name. */
static struct elector *find(const struct elector_set *set, const struct elector_client *client,
                            const struct elector_config *config, str namespace, uint64_t generation)
{
    struct elector *older = NULL;
    list_for_each (node, &set->electors) {
        struct elector *e = CONTAINER_OF(node, struct elector, link);
        if (e->client != client || !str_eq(e->name, config->lease_name) ||
            !str_eq(e->namespace, namespace) || e->ref_count == 0)
            continue;
        if (e->generation == generation)
            return e;
        if (keeps_identity(e, config))
            older = e;
    }
    return older;
}

struct elector *elector_get(struct elector_set *set, const struct elector_config *config,
                            uint64_t generation, struct err *err)
{
    struct elector_client *client = client_get(set, &config->kube, err);
    if (client == NULL)
        return NULL;
    str namespace = config->lease_namespace.len > 0 ? config->lease_namespace
                                                    : kube_client_namespace(client->kube);
    if (namespace.len == 0) {
        client_unref(client);
        err_set(err, "lease_namespace is not set, and neither POD_NAMESPACE nor the credentials "
                     "name a namespace");
        return NULL;
    }
    struct elector *e = find(set, client, config, namespace, generation);
    if (e == NULL) {
        e = elector_new(set, client, config, namespace);
        e->generation = generation;
        e->ref_count = 1;
        return e;
    }
    client_unref(client); /* the elector holds one of its own */
    if (e->generation == generation && !same_settings(e, config)) {
        err_set(err,
                "another extension uses the Lease %.*s/%.*s with other durations, identity or "
                "options: give both the same",
                STR_ARG(namespace), STR_ARG(e->name));
        return NULL;
    }
    if (e->generation != generation) {
        configure_both(e, config);
        elector_settle(e);
    }
    e->generation = generation;
    e->ref_count++;
    return e;
}

void elector_start(struct elector *e)
{
    if (e->started)
        return;
    e->started = true;
    log_info(&e->logger, "Campaigning for the Lease", F_STR("identity", e->identity),
             F_STR("server", kube_client_server(e->client->kube)));
    elector_dead_begin(e);
    e->standby->started = true;
    elector_settle(e);
}

/* ---- the end ---- */

static void candidacy_free(struct elector *e)
{
    elector_call_cancel(e);
    elector_watch_end(e);
    elector_dead_end(e);
    mem_free(e->container_name);
    mem_free(e->termination_message_path);
    loop_timer_clear(&e->timer);
    loop_timer_clear(&e->watch_timer);
    loop_timer_clear(&e->pair_timer);
    loop_task_cancel(&e->done_task);
    if (e->socket_fd >= 0)
        close(e->socket_fd);
    lease_deinit(&e->current);
    note_deinit(&e->note);
    note_deinit(&e->predecessor.note);
    mem_free(e->token.text);
    arena_deinit(&e->arena);
    mem_free(e);
}

static void elector_free(struct elector *e)
{
    struct elector_client *client = e->client;
    list_remove(&e->link);
    candidacy_free(e->standby);
    candidacy_free(e);
    client_unref(client);
}

static void on_done(void *arg)
{
    struct elector *e = arg;
    void (*done)(void *) = e->done;
    void *done_arg = e->done_arg;
    CHECK(list_empty(&e->users));
    elector_free(e);
    if (done != NULL)
        done(done_arg);
}

/* `done` for a reference that was not the last one. */
struct early_done {
    struct loop_task task;
    void (*done)(void *arg);
    void *arg;
};

static void on_early_done(void *arg)
{
    struct early_done early = *(struct early_done *)arg;
    mem_free(arg);
    early.done(early.arg);
}

void elector_unref(struct elector *e, void (*done)(void *arg), void *arg)
{
    CHECK(e->ref_count > 0);
    if (--e->ref_count > 0) {
        if (done == NULL)
            return;
        struct early_done *early = mem_zalloc(sizeof *early);
        early->done = done;
        early->arg = arg;
        loop_task_init(e->loop, &early->task, "elector unref", on_early_done, early);
        loop_task_post(&early->task);
        return;
    }
    e->done = done;
    e->done_arg = arg;
    if (!e->started) {
        loop_task_post(&e->done_task);
        return;
    }
    loop_timer_clear(&e->pair_timer);
    elector_step_kind(e, EVENT_STOP);
    elector_step_kind(e->standby, EVENT_STOP);
}

/* ---- users ---- */

void elector_join(struct elector *e, struct elector_user *user)
{
    user->told_role = ROLE_COLD;
    user->told_asked = false;
    list_append(&e->users, &user->link);
    e->had_users = true;
    if (e->role != ROLE_COLD)
        loop_timer_set(&e->timer, loop_boot_ns(e->loop)); /* the next step tells it */
}

void elector_leave(struct elector *e, struct elector_user *user)
{
    (void)e;
    list_remove(&user->link);
}

void elector_yield(struct elector *e)
{
    elector_step_kind(e, EVENT_YIELD);
}

void elector_prove(struct elector *e, str lease_uid, str resource_version)
{
    struct election_event event = {
        .kind = EVENT_PROVEN, .random = loop_random_u64(e->loop), .gone_ns = loop_boot_ns(e->loop)};
    event.lease.uid = sip_hash(loop_hash_key(e->loop), lease_uid);
    if (str_to_u64(resource_version, &event.lease.version))
        elector_step(e, &event);
}

bool elector_may_emit(const struct elector *e)
{
    return e->leading && election_may_act(&e->machine, loop_boot_ns(e->loop));
}

uint64_t elector_term(const struct elector *e)
{
    return e->term;
}

enum standby elector_standby(const struct elector *e)
{
    return e->config.standby;
}

int64_t elector_lease_duration_ns(const struct elector *e)
{
    return e->config.lease_duration_ns;
}

str elector_lease_name(const struct elector *e)
{
    return e->name;
}

str elector_identity(const struct elector *e)
{
    return e->identity;
}

str elector_lease_namespace(const struct elector *e)
{
    return e->namespace;
}

void elector_statistics(const struct elector *e, struct elector_stats *stats)
{
    *stats = (struct elector_stats){
        .leading = e->leading,
        .renewed_ns = e->machine.renewed_ns,
        .gate_ns = e->leading ? e->machine.gate_ns : 0,
        .terms = e->term,
        .terms_lost = e->terms_lost,
        .renewals = e->renewals,
        .renewals_failed = e->renewals_failed,
        .calls_failed = e->calls_failed + e->standby->calls_failed,
        .dead_holders = e->dead_holders,
    };
    elector_standby_statistics(e, stats);
}

void electors_each(struct elector_set *set, void (*fn)(void *arg, struct elector *e), void *arg)
{
    list_for_each (node, &set->electors)
        fn(arg, CONTAINER_OF(node, struct elector, link));
}

str elector_lease_uid(const struct elector *e)
{
    return e->current_present ? e->current.uid : STR_NONE;
}

/* ---- steps ---- */

static void begin_term(struct elector *e, bool reopened)
{
    e->term++;
    e->led_since_ns = loop_boot_ns(e->loop);
    elector_inherit(e, reopened);
    e->leading = true;
}

static void carry_out_report(struct elector *e, enum election_report report)
{
    switch (report) {
    case REPORT_LED:
    case REPORT_GATE_REOPENED:
        begin_term(e, report == REPORT_GATE_REOPENED);
        break;
    case REPORT_LOST_FOREIGN:
    case REPORT_LOST_GATE:
        e->terms_lost += e->leading;
        e->leading = false;
        break;
    default:
        break;
    }
    elector_log_report(e, report);
}

static void carry_out(struct elector *e, enum election_report report)
{
    if (e->main == NULL)
        carry_out_report(e, report);
    else
        elector_log_standby(e, report);
}

void elector_step_alone(struct elector *e, const struct election_event *event)
{
    struct election_actions out;
    election_step(&e->machine, event, loop_boot_ns(e->loop), &out);
    if (out.cancel)
        elector_call_cancel(e);
    /* The call first: what it waits for is the network. */
    if (out.call != CALL_NONE)
        elector_call_start(e, out.call, out.fresh_connection);
    for (size_t i = 0; i < out.report_count; i++)
        carry_out(e, out.reports[i]);
    if (e->machine.state >= ELECTION_RELEASING)
        e->leading = false;
    elector_facts_update(e);
    if (out.wake_ns == INT64_MAX)
        loop_timer_clear(&e->timer);
    else
        loop_timer_set(&e->timer, out.wake_ns);
}

void elector_step(struct elector *e, const struct election_event *event)
{
    struct elector *main = e->main != NULL ? e->main : e;
    elector_step_alone(e, event);
    elector_settle(main);
    elector_facts_tell(main);
    elector_dead_follow(main);
    bool stopped =
        main->machine.state == ELECTION_STOPPED && main->standby->machine.state == ELECTION_STOPPED;
    if (stopped && main->ref_count == 0) {
        elector_watch_end(main);
        elector_watch_end(main->standby);
        loop_task_post(&main->done_task);
    }
}

void elector_step_kind(struct elector *e, enum election_event_kind kind)
{
    const struct election_event event = {.kind = kind, .random = loop_random_u64(e->loop)};
    elector_step(e, &event);
}
