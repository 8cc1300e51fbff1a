/*
 * The elector's watch on its Lease. It answers "is there a Lease, who holds it" and goes on; while it is down or not allowed, the machine
 * reads instead. A normal end (the server closes watches every few minutes) is followed by a new one without a word.
 */
#include "base/limits.h"
#include "election/elector_internal.h"

#define MS INT64_C(1000000)
#define SECOND_NS (1000 * MS)
#define WATCH_DENIED_RETRY_NS (60 * SECOND_NS)
#define WATCH_RETRY_FIRST_NS (100 * MS)
#define WATCH_RETRY_MAX_NS (5 * SECOND_NS)
#define WATCH_LAG_NS SECOND_NS   /* between a write and its event */
#define WATCH_SHORT_NS SECOND_NS /* one that ends sooner counts as a failure */
/* Until it begins to be answered; a busy server lets it wait for some seconds. */
#define WATCH_OPEN_NS (10 * SECOND_NS)

static void on_watch_event(void *arg, enum lease_event kind, const struct lease *lease,
                           const struct kube_result *result);

static void watch_begin(struct elector *e)
{
    CHECK(e->watch == NULL);
    loop_timer_clear(&e->watch_timer);
    /* Between 5 and 10 minutes, as client-go does, so that a fleet's watches do not end together. */
    int64_t timeout_s = 300 + (int64_t)(loop_random_u64(e->loop) % 300);
    bool from_anywhere = e->watch_initial || e->watch_anew || !e->current_present;
    str version = from_anywhere ? STR_NONE : e->current.resource_version;
    e->watch_saw_lease = false;
    e->watch_version = 0;
    e->watch_started_ns = loop_boot_ns(e->loop);
    e->watch = lease_watch_start(e->client->kube, e->namespace, e->name, e->watch_initial, version,
                                 timeout_s, LIMIT_WATCH_IDLE_MS, on_watch_event, e);
}

void elector_watch_want(struct elector *e, bool wanted)
{
    if (e->watch_wanted == wanted)
        return;
    e->watch_wanted = wanted;
    if (wanted) {
        watch_begin(e);
        return;
    }
    elector_watch_end(e);
    const struct election_event down = {.kind = EVENT_WATCH_DOWN,
                                        .random = loop_random_u64(e->loop)};
    elector_step_alone(e, &down);
}

void elector_watch_end(struct elector *e)
{
    if (e->watch != NULL)
        lease_watch_free(e->watch);
    e->watch = NULL;
    loop_timer_clear(&e->watch_timer);
}

void elector_watch_restart(struct elector *e)
{
    if (e->watch == NULL || e->machine.stop_requested)
        return;
    elector_watch_end(e);
    e->machine.watch_up = false;
    loop_timer_set_after(&e->watch_timer, 0);
}

/* Who writes has a probe for nothing: a watch that does not show our own writes is as silent as a quiet one, and dead. Bookmarks would
 * tell a minute or two later; until then a request to hand over or a foreign hand is seen at the next renewal only. */
void elector_watch_wrote(struct elector *e, uint64_t version)
{
    int64_t now_ns = loop_boot_ns(e->loop);
    bool is_shown = e->watch == NULL || e->watch_version >= e->written_version ||
                    e->watch_started_ns >= e->written_ns;
    if (!is_shown && now_ns - e->written_ns < WATCH_LAG_NS)
        return; /* it may be on its way */
    if (!is_shown) {
        log_debug(&e->logger, "The watch on the Lease does not show our own writes, watching anew");
        kube_client_drop_connections(e->client->kube, KUBE_LANE_WATCH);
        elector_watch_restart(e);
    }
    e->written_version = version;
    e->written_ns = now_ns;
}

/* Sent into a connection that was dead, it would be found out by its silence only, after a minute and a half. */
void elector_watch_answered(struct elector *e)
{
    bool is_late = e->watch != NULL && !e->machine.watch_up &&
                   loop_boot_ns(e->loop) - e->watch_started_ns >= WATCH_OPEN_NS;
    if (!is_late)
        return;
    log_debug(&e->logger, "The watch on the Lease is not answered, but calls are; watching anew");
    kube_client_drop_connections(e->client->kube, KUBE_LANE_WATCH);
    elector_watch_restart(e);
}

void elector_watch_timer(void *arg)
{
    struct elector *e = arg;
    if (e->watch == NULL && e->watch_wanted && !e->machine.stop_requested)
        watch_begin(e);
}

static void say_denied(struct elector *e, const struct kube_result *result)
{
    if (e->watch_denied)
        return;
    e->watch_denied = true;
    struct buf role;
    buf_init(&role, 4 * KIB);
    elector_print_role(&role, e);
    log_warn(&e->logger,
             "No permission to watch the Lease: it is read every retry_period instead, and a "
             "change of leader takes longer",
             F_ERR(&result->err), F_STR("role", buf_view(&role)));
    buf_deinit(&role);
}

/* When to watch again; 0: at once and without a word to the machine. */
static int64_t ended(struct elector *e, const struct kube_result *result)
{
    bool was_short = loop_boot_ns(e->loop) - e->watch_started_ns < WATCH_SHORT_NS;
    bool orderly = result->outcome == HTTP_DONE && (result->status == 200 || result->status == 410);
    e->watch_anew = result->outcome == HTTP_DONE && result->status == 410;
    if (orderly && !was_short) {
        e->watch_failures = 0;
        return 0;
    }
    if (result->outcome == HTTP_DONE && result->status == 403) {
        say_denied(e, result);
        return WATCH_DENIED_RETRY_NS;
    }
    if (result->outcome == HTTP_DONE && (result->status == 422 || result->status == 400) &&
        e->watch_initial) {
        e->watch_initial = false; /* a server from before streaming lists */
        log_debug(&e->logger,
                  "The API server does not offer sendInitialEvents, watching from a read instead",
                  F_ERR(&result->err));
        return WATCH_RETRY_FIRST_NS;
    }
    uint32_t doublings = e->watch_failures < 8 ? e->watch_failures : 8;
    e->watch_failures++;
    log_debug(&e->logger, "The watch on the Lease ended", F_INT("status", result->status),
              F_ERR(&result->err));
    int64_t delay_ns = WATCH_RETRY_FIRST_NS << doublings;
    delay_ns = delay_ns < WATCH_RETRY_MAX_NS ? delay_ns : WATCH_RETRY_MAX_NS;
    return delay_ns / 2 + (int64_t)(loop_random_u64(e->loop) % (uint64_t)(delay_ns / 2));
}

static void on_ended(struct elector *e, const struct kube_result *result)
{
    lease_watch_free(e->watch);
    e->watch = NULL;
    if (e->machine.stop_requested)
        return;
    int64_t delay_ns = ended(e, result);
    loop_timer_set_after(&e->watch_timer, delay_ns);
    if (delay_ns > 0)
        elector_step_kind(e, EVENT_WATCH_DOWN);
}

static void on_lease(struct elector *e, const struct lease *lease, enum election_event_kind kind)
{
    struct election_event event = {.kind = kind, .random = loop_random_u64(e->loop)};
    if (kind == EVENT_DELETED) {
        uint64_t version = 0;
        if (!str_to_u64(lease->resource_version, &version) ||
            (e->current_present && version <= e->current_version))
            return;
        event.lease.version = version;
        e->current_version = version;
        e->current_present = false;
    } else {
        event.lease = elector_view(e, lease, false);
        e->watch_version = event.lease.version;
    }
    e->watch_failures = 0;
    elector_step(e, &event);
}

/* The initial state has no Lease. It is of the bookmark's version, and may be of before an answer that was here sooner. */
static void on_absent(struct elector *e, const struct lease *bookmark)
{
    uint64_t version;
    bool is_old = e->current_present && str_to_u64(bookmark->resource_version, &version) &&
                  version < e->current_version;
    if (is_old || e->call != NULL) /* the answer to the call decides */
        return;
    e->current_present = false;
    elector_step_kind(e, EVENT_ABSENT);
}

static void on_watch_event(void *arg, enum lease_event kind, const struct lease *lease,
                           const struct kube_result *result)
{
    struct elector *e = arg;
    switch (kind) {
    case LEASE_OPENED:
        if (e->watch_denied)
            log_info(&e->logger, "The Lease can be watched now");
        e->watch_denied = false;
        elector_step_kind(e, EVENT_WATCH_UP);
        break;
    case LEASE_SEEN:
        e->watch_saw_lease = true;
        on_lease(e, lease, EVENT_SEEN);
        break;
    case LEASE_DELETED:
        on_lease(e, lease, EVENT_DELETED);
        break;
    case LEASE_SYNCED:
        if (!e->watch_saw_lease)
            on_absent(e, lease);
        break;
    case LEASE_BOOKMARK:
        break;
    case LEASE_ENDED:
        on_ended(e, result);
        break;
    }
}
