/*
 * Reading and watching a Lease without being a candidate.
 *
 * Life: lease_watcher_read asks once -> lease_watcher_watch: a watch that begins with the present state and is opened again whenever
 * it ends -> lease_watcher_deinit.
 *
 * When does it expire? A candidate counts from when it saw the last change; who looks once cannot. So a record that was read is
 * judged by its renewTime on the API server's clock (the Date header: the machine at hand may be wrong), and one that arrives as a
 * change by the moment of its arrival.
 */
#include "service/lease_watcher.h"

#include "base/limits.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define REQUEST_TIMEOUT_MS 10000
#define RETRY_FIRST_NS (100 * MS)
#define RETRY_MAX_NS (5 * SECOND)
#define WATCH_TIMEOUT_S 600

static void on_watch_timer(void *arg);

static void on_expiry_timer(void *arg)
{
    struct lease_watcher *r = arg;
    r->on_change(r->arg);
}

void lease_watcher_init(struct lease_watcher *r)
{
    r->call = NULL;
    r->watch = NULL;
    r->initial = true;
    r->failure_count = 0;
    loop_timer_init(r->loop, &r->watch_timer, "lease watch", on_watch_timer, r);
    loop_timer_init(r->loop, &r->expiry_timer, "lease expiry", on_expiry_timer, r);
}

void lease_watcher_deinit(struct lease_watcher *r)
{
    if (r->call != NULL)
        kube_cancel(r->call);
    r->call = NULL;
    lease_watch_free(r->watch);
    r->watch = NULL;
    loop_timer_clear(&r->watch_timer);
    loop_timer_clear(&r->expiry_timer);
}

int64_t lease_watcher_now_ns(const struct lease_watcher *r)
{
    return loop_wall_ns(r->loop) + *r->server_ahead_ns;
}

/* ---- what is known ---- */

static void set_expiry(struct lease_watcher *r, int64_t from_ns)
{
    struct lease_half *h = r->half;
    int64_t now_ns = lease_watcher_now_ns(r);
    /* A holder whose clock is ahead does not hold it for longer. */
    h->expires_ns = (from_ns < now_ns ? from_ns : now_ns) + h->lease.duration_s * SECOND;
    loop_timer_clear(&r->expiry_timer);
    if (r->watch != NULL && h->lease.holder.len > 0 && h->expires_ns > now_ns)
        loop_timer_set_after(&r->expiry_timer, h->expires_ns - now_ns + MS);
}

static void set_clock(struct lease_watcher *r, int64_t server_time_ns)
{
    if (server_time_ns <= 0)
        return;
    /* It tells whole seconds, cut off: on the average it is half a second later. */
    int64_t ahead_ns = server_time_ns + SECOND / 2 - loop_wall_ns(r->loop);
    *r->server_ahead_ns = ahead_ns > 3 * SECOND / 2 || ahead_ns < -3 * SECOND / 2 ? ahead_ns : 0;
}

void lease_watcher_take(struct lease_watcher *r, const struct kube_result *result)
{
    struct lease_half *h = r->half;
    set_clock(r, result->server_time_ns);
    h->err = result->err;
    if (result->outcome != HTTP_DONE || result->credentials_failed) {
        h->known = LEASE_FAILED;
    } else if (result->status < 300) {
        h->err.text[0] = '\0';
        h->known = lease_parse(&h->lease, result->body, &h->err) ? LEASE_HERE : LEASE_FAILED;
        if (h->known == LEASE_HERE)
            set_expiry(r, h->lease.renew_ns);
        else
            err_wrap(&h->err, "the answer is not a Lease");
    } else if (result->status == 404) {
        h->known = LEASE_ABSENT;
        h->err.text[0] = '\0';
    } else {
        h->known = result->status == 403 ? LEASE_FORBIDDEN : LEASE_FAILED;
    }
}

/* ---- once ---- */

static void on_read(void *arg, const struct kube_result *result)
{
    struct lease_watcher *r = arg;
    r->call = NULL;
    lease_watcher_take(r, result);
    r->on_change(r->arg);
}

void lease_watcher_read(struct lease_watcher *r)
{
    CHECK(r->call == NULL);
    struct buf path;
    buf_init(&path, 4 * KIB);
    lease_path(&path, r->namespace, r->name);
    r->call = kube_send(r->client, &(struct kube_request){
                                       .lane = KUBE_LANE_LEASE,
                                       .method = "GET",
                                       .path = buf_view(&path),
                                       .timeout_ms = REQUEST_TIMEOUT_MS,
                                       .body_max = LIMIT_LEASE_BYTES,
                                       .on_done = on_read,
                                       .arg = r,
                                   });
    buf_deinit(&path);
}

/* ---- from then on ---- */

static void on_seen(struct lease_watcher *r, const struct lease *lease)
{
    struct lease_half *h = r->half;
    bool known = h->known == LEASE_HERE && str_eq(h->lease.uid, lease->uid) &&
                 !resource_version_newer(lease->resource_version, h->lease.resource_version);
    r->saw_lease = true;
    if (known) {
        set_expiry(r, h->expires_ns - h->lease.duration_s * SECOND);
        return;
    }
    bool is_change = h->known == LEASE_HERE || h->known == LEASE_ABSENT;
    lease_copy(&h->lease, lease);
    h->known = LEASE_HERE;
    h->err.text[0] = '\0';
    set_expiry(r, is_change ? lease_watcher_now_ns(r) : lease->renew_ns);
    r->on_change(r->arg);
}

static void on_absent(struct lease_watcher *r)
{
    bool is_change = r->half->known != LEASE_ABSENT;
    r->half->known = LEASE_ABSENT;
    loop_timer_clear(&r->expiry_timer);
    if (is_change)
        r->on_change(r->arg);
}

static void on_ended(struct lease_watcher *r, const struct kube_result *result)
{
    lease_watch_free(r->watch);
    r->watch = NULL;
    bool done = result->outcome == HTTP_DONE;
    int64_t delay_ns = RETRY_FIRST_NS << (r->failure_count < 6 ? r->failure_count : 6);
    if (done && (result->status == 400 || result->status == 422))
        r->initial =
            false; /* a server from before streaming lists; without a version it shows the present state as well */
    bool orderly = done && (result->status == 200 || result->status == 410);
    r->failure_count = orderly ? 0 : r->failure_count + 1;
    loop_timer_set_after(&r->watch_timer, delay_ns < RETRY_MAX_NS ? delay_ns : RETRY_MAX_NS);
    if (!done || result->status != 403)
        return;
    r->half->known = LEASE_FORBIDDEN;
    r->half->err = result->err;
    r->on_change(r->arg);
}

static void on_event(void *arg, enum lease_event event, const struct lease *lease,
                     const struct kube_result *result)
{
    struct lease_watcher *r = arg;
    switch (event) {
    case LEASE_OPENED:
        r->failure_count = 0;
        break;
    case LEASE_SEEN:
        on_seen(r, lease);
        break;
    case LEASE_DELETED:
        on_absent(r);
        break;
    case LEASE_SYNCED:
        if (!r->saw_lease)
            on_absent(r);
        break;
    case LEASE_BOOKMARK:
        break;
    case LEASE_ENDED:
        on_ended(r, result);
        break;
    }
}

static void on_watch_timer(void *arg)
{
    struct lease_watcher *r = arg;
    r->saw_lease = false;
    r->watch = lease_watch_start(r->client, r->namespace, r->name, r->initial, STR_NONE,
                                 WATCH_TIMEOUT_S, LIMIT_WATCH_IDLE_MS, on_event, r);
}

void lease_watcher_watch(struct lease_watcher *r)
{
    if (r->watch == NULL && !loop_timer_armed(&r->watch_timer))
        on_watch_timer(r);
}
