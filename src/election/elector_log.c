/*
 * What the log says of an election: one line for each change, on both sides, naming the holder; failures once when they begin and
 * once when they end; a missing permission with the Role that grants it.
 */
#include "base/limits.h"
#include "election/elector_internal.h"

#define SECONDS(ns) ((double)(ns) / 1e9)

void elector_print_role(struct buf *out, const struct elector *e)
{
    if (e->main != NULL)
        e = e->main;
    buf_printf(out,
               "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: "
               "baton-%.*s, namespace: %.*s}, rules: "
               "[{apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [%.*s",
               STR_ARG(e->name), STR_ARG(e->namespace), STR_ARG(e->name));
    if (e->config.standby == STANDBY_AUTO)
        buf_printf(out, ", %.*s", STR_ARG(e->standby->name));
    buf_printf(out, "], verbs: [get, watch, update]}, "
                    "{apiGroups: [coordination.k8s.io], resources: [leases], verbs: [create]}]}");
}

static str holder_name(const struct elector *e)
{
    if (!e->current_present)
        return STR("(no Lease)");
    return e->current.holder.len > 0 ? e->current.holder : STR("(nobody)");
}

static void log_led(struct elector *e)
{
    static const char *const from[] = {"unknown", "released", "expired", "own"};
    log_info(&e->logger, "This replica leads now", F_STR("identity", e->identity),
             F_INT("transitions", e->current.transitions), F_STR("lease_uid", e->current.uid),
             F_CSTR("predecessor", from[e->inheritance]));
}

static void log_lost(struct elector *e, const char *why)
{
    double led_s = SECONDS(loop_boot_ns(e->loop) - e->led_since_ns);
    log_warn(&e->logger, "This replica does not lead any more", F_CSTR("reason", why),
             F_STR("holder", holder_name(e)), F_DOUBLE("led_for_s", led_s));
}

static void log_deadline(struct elector *e)
{
    double deadline_s = SECONDS(e->machine.config.renew_deadline_ns);
    int64_t left_ns = e->machine.gate_ns - loop_boot_ns(e->loop);
    if (e->machine.config.keep) /* then it stops at nothing but an answer */
        log_warn(&e->logger, "Renewals of the Lease have failed since the renew deadline",
                 F_DOUBLE("renew_deadline_s", deadline_s));
    else
        log_warn(&e->logger, "Renewals of the Lease have failed since the renew deadline",
                 F_DOUBLE("renew_deadline_s", deadline_s),
                 F_DOUBLE("stops_emitting_in_s", left_ns > 0 ? SECONDS(left_ns) : 0));
}

static void log_forbidden(struct elector *e)
{
    static const char *const verbs[] = {"", "get", "create", "update", "update", "update"};
    struct buf role;
    buf_init(&role, 4 * KIB);
    elector_print_role(&role, e);
    log_error(&e->logger,
              "No permission for the Lease: apply this Role and bind it to the collector's service "
              "account; trying on",
              F_CSTR("verb", verbs[e->call_kind]), F_STR("role", buf_view(&role)));
    buf_deinit(&role);
}

void elector_log_alone(struct elector *e)
{
    if (!e->orders.alone) {
        log_info(&e->logger, "The standby's Lease can be used now");
        return;
    }
    struct buf role;
    buf_init(&role, 4 * KIB);
    elector_print_role(&role, e);
    log_warn(&e->logger,
             "No permission for the standby's Lease: no replica is kept warm, as with standby: "
             "cold; apply this Role and bind it to the collector's service account",
             F_STR("standby_lease", e->standby->name), F_STR("role", buf_view(&role)));
    buf_deinit(&role);
}

void elector_log_standby(struct elector *second, enum election_report report)
{
    const struct logger *logger = &second->logger;
    switch (report) {
    case REPORT_LED:
        log_info(logger, "This replica stands by: it is the next to lead",
                 F_STR("identity", second->identity));
        break;
    case REPORT_FOLLOWING:
        log_info(logger, "Another replica is the next to lead",
                 F_STR("holder", holder_name(second)));
        break;
    case REPORT_LOST_FOREIGN:
        log_warn(logger, "This replica is not the next to lead any more",
                 F_CSTR("reason", "the standby's Lease carries another name"),
                 F_STR("holder", holder_name(second)));
        break;
    case REPORT_FORBIDDEN: /* said with what follows from it */
    case REPORT_RELEASED:
    case REPORT_FREE:
        break;
    case REPORT_LOST_GATE:
    case REPORT_GATE_REOPENED:
        log_debug(logger, report == REPORT_LOST_GATE ? "The standby's Lease was not renewed in time"
                                                     : "The standby's Lease is renewed again");
        break;
    default:
        elector_log_report(second, report);
        break;
    }
}

void elector_log_report(struct elector *e, enum election_report report)
{
    switch (report) {
    case REPORT_LED:
        log_led(e);
        break;
    case REPORT_LOST_FOREIGN:
        log_lost(e, "the Lease carries another name");
        break;
    case REPORT_LOST_GATE:
        log_lost(e, "no renewal succeeded in time");
        break;
    case REPORT_KEPT:
        log_warn(&e->logger, "The Lease was not renewed in time; going on all the same, by "
                             "on_api_outage: keep. Another replica may lead as well now");
        break;
    case REPORT_GATE_REOPENED:
        log_info(&e->logger, "This replica leads again: a late renewal succeeded and nobody else "
                             "had claimed the Lease");
        break;
    case REPORT_RENEW_DEADLINE:
        log_deadline(e);
        break;
    case REPORT_FOLLOWING:
        if (e->current_present && str_eq(e->current.holder, e->identity))
            log_warn(&e->logger,
                     "Another replica leads, this one stands by; both have the same identity: give "
                     "each its own",
                     F_STR("holder", holder_name(e)));
        else
            log_info(&e->logger, "Another replica leads, this one stands by",
                     F_STR("holder", holder_name(e)));
        break;
    case REPORT_FREE:
        log_debug(&e->logger, "The Lease is free, claiming it", F_STR("holder", holder_name(e)));
        break;
    case REPORT_GONE:
        log_warn(&e->logger, "The Lease was deleted",
                 F_BOOL("recreating_now", e->machine.state == ELECTION_LEADING));
        break;
    case REPORT_EDITED:
        log_warn(&e->logger, "Somebody else shortened our Lease, renewing it at once",
                 F_INT("duration_s", e->current.duration_s));
        break;
    case REPORT_CLEARED:
        log_warn(
            &e->logger,
            "The holder was removed from the Lease by hand: waiting until it can not act any more");
        break;
    case REPORT_FORBIDDEN:
        log_forbidden(e);
        break;
    case REPORT_RELEASED:
        log_info(&e->logger, "The Lease is released");
        break;
    case REPORT_RELEASE_FAILED:
        log_warn(&e->logger, "The Lease could not be released in time: the next replica has to "
                             "wait until it expires");
        break;
    }
}

/* One bit. An answer that was late must not hide the refusals behind it, nor an authority that is not
 * trusted. */
static unsigned failure_kind(const struct kube_result *result)
{
    enum { CREDENTIALS = 6, NO_ANSWER };
    if (result->credentials_failed)
        return 1U << CREDENTIALS;
    if (result->outcome != HTTP_DONE)
        return 1U << (NO_ANSWER + (unsigned)result->outcome);
    return 1U << (unsigned)(result->status / 100);
}

void elector_log_failure(struct elector *e, const struct kube_result *result)
{
    if (e->call_kind == CALL_CREATE && result->status == 404) {
        if (!e->namespace_logged)
            log_error(&e->logger,
                      "The Lease cannot be created: its namespace does not exist; trying on",
                      F_STR("namespace", e->namespace), F_ERR(&result->err));
        e->namespace_logged = true;
        return;
    }
    unsigned kind = failure_kind(result);
    if ((e->failures_told & kind) == 0)
        log_warn(&e->logger, "A call for the Lease failed, trying on", F_ERR(&result->err));
    else
        log_debug(&e->logger, "A call for the Lease failed", F_ERR(&result->err));
    e->failures_told |= kind;
}

void elector_log_recovery(struct elector *e)
{
    if (e->failures_told != 0)
        log_info(&e->logger, "Calls for the Lease succeed again");
    e->failures_told = 0;
    if (e->current_present)
        e->namespace_logged = false;
}
