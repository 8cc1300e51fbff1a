/*
 * The elector's API calls: a read, a creation, and three kinds of update, each with the resourceVersion and uid last seen. What
 * the server answers becomes one of six outcomes; only an answer, or a connection that never stood, counts as "not executed".
 */
#include <stdio.h>

#include "base/limits.h"
#include "base/map.h"
#include "election/elector_internal.h"

#define MS INT64_C(1000000)
#define SECOND_NS (1000 * MS)
/* Two attempts fit into the time that a stop waits for a release. */
#define RELEASE_TIMEOUT_NS (900 * MS)

/* Is this record, under our identity and incarnation, one that we wrote? A client-go process with our identity keeps our
 * annotation, but not our renewTime. */
static bool is_our_hand(const struct elector *e, const struct lease *lease)
{
    str incarnation, duration;
    str_cut(lease_annotation_get(lease, STR(INCARNATION_ANNOTATION)), '/', &incarnation, &duration);
    if (!str_eq(incarnation, e->incarnation))
        return false;
    if (lease->renew_ns == 0)
        return false;
    if (e->machine.state == ELECTION_LEADING && lease->renew_ns == e->stands_ns)
        return true; /* however many renewals were refused since */
    for (size_t i = 0; i < ELECTOR_ATTEMPTS; i++) {
        if (lease->renew_ns == e->attempts_ns[i])
            return true;
    }
    for (size_t i = 0; i < e->unanswered_count; i++) {
        if (lease->renew_ns == e->unanswered_ns[i])
            return true;
    }
    return false;
}

static enum election_holder holder_of(const struct elector *e, const struct lease *lease)
{
    if (lease->holder.len == 0)
        return HOLDER_NONE;
    if (!str_eq(lease->holder, e->identity))
        return HOLDER_OTHER;
    return is_our_hand(e, lease) ? HOLDER_ME : HOLDER_TWIN;
}

/* How long the holder may act by what this record says. A hand that shortens spec.leaseDurationSeconds cannot shorten what the
 * holder counts on until it notices; so the longer one of the two counts for everybody else. */
static int64_t duration_of(const struct lease *lease, enum election_holder holder)
{
    int64_t duration_s = lease->duration_s;
    uint64_t written_s = 0;
    str incarnation, written;
    if (holder == HOLDER_OTHER || holder == HOLDER_TWIN) {
        str_cut(lease_annotation_get(lease, STR(INCARNATION_ANNOTATION)), '/', &incarnation,
                &written);
        if (str_to_u64(written, &written_s) && written_s < INT32_MAX &&
            (int64_t)written_s > duration_s)
            duration_s = (int64_t)written_s;
    }
    return duration_s * SECOND_NS;
}

struct election_lease elector_view(struct elector *e, const struct lease *lease, bool authoritative)
{
    const uint64_t *key = loop_hash_key(e->loop);
    enum election_holder holder = holder_of(e, lease);
    struct election_lease view = {
        .uid = sip_hash(key, lease->uid),
        .holder = holder,
        .holder_hash = sip_hash(key, lease->holder),
        .duration_ns = duration_of(lease, holder),
        .transitions = (uint32_t)lease->transitions,
        .renew_ns = lease->renew_ns,
        .released = lease->holder.len == 0 && lease->duration_s == 1,
        .pristine = lease->holder.len == 0 && lease->renew_ns == 0 && lease->acquire_ns == 0 &&
                    lease->transitions == 0,
    };
    if (!str_to_u64(lease->resource_version, &view.version))
        view.version = 0;
    /* As the machine decides: what was known when the call was sent yields to its answer, what the watch has shown since, a deletion
     * too, does not. */
    uint64_t asked_version = e->machine.call_version;
    bool is_reused = e->current_present && view.version == e->current_version &&
                     view.renew_ns != e->current.renew_ns; /* of a restored etcd */
    bool is_news = view.version > e->current_version || is_reused ||
                   (authoritative && view.version < asked_version) ||
                   (!e->current_present && e->current_version <= asked_version);
    if (is_news) {
        if (lease != &e->current)
            lease_copy(&e->current, lease);
        e->current_version = view.version;
        e->current_present = true;
    }
    return view;
}

static enum call_outcome outcome_of(const struct elector *e, const struct kube_result *result)
{
    if (result->credentials_failed || result->outcome == HTTP_CONNECT_FAILED)
        return CALL_REFUSED;
    if (result->outcome != HTTP_DONE)
        return CALL_UNKNOWN;
    switch (result->status) {
    case 200:
    case 201:
        return CALL_OK;
    case 409:
        return CALL_CONFLICT;
    case 404: /* of a creation: the namespace is missing */
        return e->call_kind == CALL_CREATE ? CALL_REFUSED : CALL_NOT_FOUND;
    case 403:
        return CALL_FORBIDDEN;
    case 500:
    case 502:
    case 504: /* a proxy or a timeout behind the server: the write may have gone through */
        return CALL_UNKNOWN;
    default:
        return CALL_REFUSED;
    }
}

static void on_call_done(void *arg, const struct kube_result *result)
{
    struct elector *e = arg;
    struct kube_result unreadable;
    e->call = NULL;
    struct election_event event = {
        .kind = EVENT_CALL_DONE,
        .outcome = outcome_of(e, result),
        .retry_after_ns = result->retry_after_ms > 0 ? result->retry_after_ms * MS : 0,
        .random = loop_random_u64(e->loop),
    };
    if (event.outcome == CALL_OK) {
        struct lease lease;
        struct err err;
        lease_init(&lease);
        if (lease_parse(&lease, result->body, &err)) {
            /* An answer to a write may be overtaken by the watch; a read is the truth. */
            event.lease = elector_view(e, &lease, e->call_kind == CALL_GET);
            /* By our renewTime: the version also grows when somebody annotates the Lease. */
            event.lease.as_answered = lease.renew_ns == e->answered_ns;
            e->answered_ns = lease.renew_ns;
            if (event.lease.holder == HOLDER_ME)
                e->stands_ns = lease.renew_ns;
        } else { /* something between us and the server answered */
            unreadable = *result;
            err_wrap(&err, "the answer to %s is not a Lease",
                     e->call_kind == CALL_GET ? "a read" : "a write");
            unreadable.err = err;
            result = &unreadable;
            event.outcome = CALL_UNKNOWN;
        }
        lease_deinit(&lease);
    }
    /* Unless the watch has shown one that was made after the server had looked. A write that found nothing is followed by a read. */
    if (event.outcome == CALL_NOT_FOUND && e->call_kind == CALL_GET &&
        e->current_version <= e->machine.call_version)
        e->current_present = false;
    bool failed = event.outcome == CALL_REFUSED || event.outcome == CALL_UNKNOWN;
    if (failed)
        elector_log_failure(e, result);
    else if (event.outcome != CALL_FORBIDDEN)
        elector_log_recovery(e);
    if (event.outcome == CALL_OK && e->call_kind != CALL_GET)
        e->unanswered_count = 0;
    bool is_renewal = e->call_kind == CALL_RENEW;
    e->calls_failed += failed || event.outcome == CALL_FORBIDDEN;
    e->renewals += is_renewal && event.outcome == CALL_OK;
    e->renewals_failed += is_renewal && event.outcome != CALL_OK;
    bool watch_is_behind = e->call_kind == CALL_GET && event.outcome == CALL_OK &&
                           e->watch != NULL && e->machine.watch_up &&
                           event.lease.version > e->watch_version;
    if (event.outcome == CALL_UNKNOWN && result->outcome != HTTP_DONE) {
        /* The connection may be dead. Over HTTP/2 the next calls would join it again, whatever the
         * call in between found out over a fresh one. */
        kube_client_drop_connections(e->client->kube, KUBE_LANE_LEASE);
        kube_client_drop_connections(e->client->kube, KUBE_LANE_WATCH);
    }
    if (event.outcome == CALL_UNKNOWN || watch_is_behind)
        elector_watch_restart(e); /* it may be as dead as this call's connection */
    else if (event.outcome == CALL_OK && e->call_kind != CALL_GET)
        elector_watch_wrote(e, event.lease.version);
    if (event.outcome == CALL_OK)
        elector_watch_answered(e);
    if (e->main == NULL)
        standby_main_call_done(&e->pair, e->call_kind, event.outcome, loop_boot_ns(e->loop));
    elector_step(e, &event);
}

static void fill_write(struct elector *e, struct lease *lease, enum election_call call)
{
    if (e->current_present) {
        lease_copy(lease, &e->current);
    } else {
        lease->name = e->name;
        lease->namespace = e->namespace;
        lease->transitions = e->machine.state == ELECTION_LEADING ? e->current.transitions : 0;
    }
    /* Whole microseconds, as the server keeps; never the same twice, for it is our signature. */
    int64_t now_ns = loop_wall_ns(e->loop) / 1000 * 1000;
    for (size_t i = 0; i < ELECTOR_ATTEMPTS; i++) {
        if (now_ns <= e->attempts_ns[i])
            now_ns = e->attempts_ns[i] + 1000;
    }
    e->attempts_ns[e->attempt_next++ % ELECTOR_ATTEMPTS] = now_ns;
    if (e->unanswered_count < ELECTOR_UNANSWERED_MAX)
        e->unanswered_ns[e->unanswered_count++] = now_ns;
    bool ours = e->current_present && e->machine.lease.holder == HOLDER_ME;
    lease->renew_ns = now_ns;
    if (call == CALL_CREATE || !ours || call == CALL_RELEASE)
        lease->acquire_ns = now_ns;
    if (call == CALL_CLAIM && !ours)
        lease->transitions = lease->transitions == INT32_MAX ? 0 : lease->transitions + 1;
    if (call == CALL_RELEASE) {
        lease->holder = STR_NONE;
        lease->duration_s = 1;
    } else {
        lease->holder = e->identity;
        lease->duration_s = (int32_t)(e->machine.config.duration_ns / SECOND_NS);
    }
    lease->has_holder = true;
    char incarnation[64];
    int len = snprintf(incarnation, sizeof incarnation, "%.*s/%" PRId64, STR_ARG(e->incarnation),
                       e->machine.config.duration_ns / SECOND_NS);
    lease_annotation_set(lease, STR(INCARNATION_ANNOTATION), str_make(incarnation, (size_t)len));
    /* A request to hand over is of one term: it goes with it. */
    if (call == CALL_RELEASE || call == CALL_CLAIM || call == CALL_CREATE)
        lease_annotation_set(lease, STR(YIELD_ANNOTATION), STR_NONE);
    if (e->main != NULL)
        elector_standby_write(e, lease);
    else
        elector_note_write(e, lease);
}

void elector_call_start(struct elector *e, enum election_call call, bool fresh_connection)
{
    CHECK(e->call == NULL);
    bool is_write = call != CALL_GET;
    e->call_kind = call;
    struct buf path, body;
    buf_init(&path, 4 * KIB);
    buf_init(&body, LIMIT_LEASE_BYTES);
    lease_path(&path, e->namespace, call == CALL_CREATE ? STR_NONE : e->name);
    if (is_write) {
        bool claims =
            call == CALL_CLAIM || (call == CALL_CREATE && e->machine.state != ELECTION_LEADING);
        if (claims && e->main != NULL)
            elector_standby_remember(e);
        else if (claims)
            elector_remember_predecessor(e);
        struct lease lease;
        lease_init(&lease);
        fill_write(e, &lease, call);
        lease_print(&body, &lease);
        lease_deinit(&lease);
    }
    const struct kube_request request = {
        .lane = KUBE_LANE_LEASE,
        .method = call == CALL_GET      ? "GET"
                  : call == CALL_CREATE ? "POST"
                                        : "PUT",
        .path = buf_view(&path),
        .body = buf_view(&body),
        .timeout_ms = (call == CALL_RELEASE && e->request_timeout_ns > RELEASE_TIMEOUT_NS
                           ? RELEASE_TIMEOUT_NS
                           : e->request_timeout_ns) /
                      MS,
        .fresh_connection = fresh_connection,
        .body_max = LIMIT_LEASE_BYTES,
        .on_done = on_call_done,
        .arg = e,
    };
    e->call = kube_send(e->client->kube, &request);
    buf_deinit(&path);
    buf_deinit(&body);
}

void elector_call_cancel(struct elector *e)
{
    if (e->call != NULL)
        kube_cancel(e->call);
    e->call = NULL;
}
