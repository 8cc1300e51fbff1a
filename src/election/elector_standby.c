/*
 * The two candidacies of an elector, on the main Lease and on the standby's: carries out what standby.c decides, writes on the
 * standby's record what others need to know, and tells users their role.
 *
 * Invariants
 *  - decided anew after every step of either machine, until nothing is left to carry out; users are told after that.
 *  - what the record says of the stores is written again at once when it is not true any more.
 */
#include "base/limits.h"
#include "base/map.h"
#include "election/elector_internal.h"

#define MS INT64_C(1000000)
/* The standby writes soon after the leader has, so that its record names the main Lease's newest version most of the time. */
#define FOLLOW_WRITE_NS (50 * MS)

/* ---- the record ---- */

static bool says_synced(const struct elector *second)
{
    return second->current_present &&
           str_eqz(lease_annotation_get(&second->current, STR(SYNCED_ANNOTATION)), "true");
}

/* "<uid>/<resourceVersion>" of the main Lease as known; empty if there is none. */
static void print_main(struct buf *out, const struct elector *e)
{
    if (e->current_present && e->machine.seen && e->machine.present)
        buf_printf(out, "%.*s/%.*s", STR_ARG(e->current.uid), STR_ARG(e->current.resource_version));
}

void elector_standby_write(struct elector *second, struct lease *lease)
{
    const struct elector *e = second->main;
    bool synced = second->call_kind != CALL_RELEASE && elector_is_synced(e);
    struct buf text;
    buf_init(&text, 4 * KIB);
    print_main(&text, e);
    lease_annotation_set(lease, STR(SYNCED_ANNOTATION), synced ? STR("true") : STR("false"));
    lease_annotation_set(lease, STR(MAIN_ANNOTATION), buf_view(&text));
    buf_deinit(&text);
}

void elector_standby_remember(struct elector *second)
{
    uint64_t uid = 0, version = 0;
    str uid_text, version_text;
    str_cut(lease_annotation_get(&second->current, STR(MAIN_ANNOTATION)), '/', &uid_text,
            &version_text);
    if (second->current_present && uid_text.len > 0 && str_to_u64(version_text, &version))
        uid = sip_hash(loop_hash_key(second->loop), uid_text);
    standby_keep_proof(&second->main->pair, &second->machine, uid, version);
}

/* Does the record still say what is so? */
static void write_news(struct elector *e)
{
    struct elector *second = e->standby;
    const struct election *m = &second->machine;
    if (m->state != ELECTION_LEADING || m->call != CALL_NONE || m->failure_count > 0)
        return;
    int64_t now_ns = loop_boot_ns(e->loop), at_ns = INT64_MAX;
    struct buf text;
    buf_init(&text, 4 * KIB);
    print_main(&text, e);
    bool main_is_old =
        !str_eq(buf_view(&text), lease_annotation_get(&second->current, STR(MAIN_ANNOTATION)));
    buf_deinit(&text);
    if (elector_is_synced(e) != says_synced(second))
        at_ns = now_ns;
    else if (main_is_old && now_ns - m->renewed_ns >= election_renew_interval_ns(&m->config) / 2)
        at_ns = now_ns + FOLLOW_WRITE_NS;
    if (at_ns != INT64_MAX)
        loop_timer_set(&second->timer, election_renew_soon(&second->machine, at_ns));
}

/* ---- questions ---- */

enum elector_role elector_present_role(const struct elector *e)
{
    return e->role;
}

bool elector_is_synced(const struct elector *e)
{
    if (e->role == ROLE_COLD)
        return false;
    list_for_each (node, &e->users) {
        struct elector_user *user = CONTAINER_OF(node, struct elector_user, link);
        bool synced =
            user->told_role == e->role && (user->is_synced == NULL || user->is_synced(user->arg));
        if (!synced)
            return false;
    }
    return true;
}

static bool another_stands_by(const struct elector *e)
{
    return e->config.standby == STANDBY_AUTO &&
           election_is_held(&e->standby->machine, loop_boot_ns(e->loop));
}

bool elector_has_synced_standby(const struct elector *e)
{
    return another_stands_by(e) && says_synced(e->standby);
}

bool elector_awaits_standby(const struct elector *e, int64_t since_ns)
{
    return e->role == ROLE_LEADING && another_stands_by(e) && !says_synced(e->standby) &&
           loop_boot_ns(e->loop) - since_ns < e->config.handover_wait_ns;
}

void elector_standby_statistics(const struct elector *e, struct elector_stats *stats)
{
    bool mine = e->standby->machine.state == ELECTION_LEADING;
    stats->role = e->role;
    stats->has_standby = mine || another_stands_by(e);
    stats->standby_is_synced = (mine && says_synced(e->standby)) || elector_has_synced_standby(e);
}

/* ---- users ---- */

static void tell_users(struct elector *e)
{
    /* A user may leave, or another join, while being told: begin again until all know. */
    for (bool all_told = false; !all_told;) {
        all_told = true;
        list_for_each (node, &e->users) {
            struct elector_user *user = CONTAINER_OF(node, struct elector_user, link);
            if (user->told_role == e->role)
                continue;
            user->told_role = e->role;
            all_told = false;
            user->on_role(user->arg, e->role);
            break;
        }
    }
}

static void log_synced(struct elector *e)
{
    bool stands_by = e->standby->machine.state == ELECTION_LEADING && e->role == ROLE_WARM;
    if (!stands_by)
        e->synced_logged = false;
    if (!stands_by || e->synced_logged || !elector_is_synced(e))
        return;
    e->synced_logged = true;
    log_info(&e->logger, "This standby is synced: it can go on at once");
}

static void log_gives_up(struct elector *e)
{
    enum log_level level = e->gives_up_logged ? LOG_DEBUG : LOG_WARN;
    e->gives_up_logged = true;
    LOG_AT(&e->logger, level,
           "This replica gives standing by up: it cannot claim the Lease, which is free; another "
           "one may try",
           F_BOOL("forbidden", e->machine.forbidden_calls != 0));
}

/* ---- carrying out ---- */

void elector_settle(struct elector *e)
{
    struct elector *second = e->standby;
    struct standby_orders *orders = &e->orders;
    if (!e->started || e->machine.stop_requested)
        return;
    struct election_event event;
    bool for_main;
    do {
        bool was_alone = orders->alone;
        standby_decide(&e->pair, &e->machine, &second->machine, loop_boot_ns(e->loop), orders);
        if (orders->alone != was_alone)
            elector_log_alone(e);
        if (orders->gives_up)
            log_gives_up(e);
        elector_watch_want(e, orders->watch_main);
        elector_watch_want(second, orders->watch_standby);
        bool more = standby_next_event(orders, &e->machine, &second->machine, &event, &for_main);
        if (!more)
            break;
        event.random = loop_random_u64(e->loop);
        elector_step_alone(for_main ? e : second, &event);
    } while (true);
    if (orders->renew_standby)
        loop_timer_set(&second->timer,
                       election_renew_soon(&second->machine, loop_boot_ns(e->loop)));
    if (orders->wake_ns == INT64_MAX)
        loop_timer_clear(&e->pair_timer);
    else
        loop_timer_set(&e->pair_timer, orders->wake_ns);
    e->gives_up_logged = e->gives_up_logged && !e->leading;
    e->role = orders->role;
    tell_users(e);
    log_synced(e);
    write_news(e);
}

void elector_user_synced(struct elector *e)
{
    log_synced(e);
    write_news(e);
}
