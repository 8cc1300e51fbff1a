/*
 * Component status: what each component says of itself, and what the service does about it. A fatal
 * status ends the program in an orderly way, from a task of its own: components report from within
 * their hooks.
 *
 * Specification: collector_host 2.2 and 2.3. Differs: the exit status after a fatal one is 1.
 */
#include "service/service_internal.h"

static bool is_allowed(enum component_status from, enum component_status to)
{
    enum {
        NONE = 1 << STATUS_NONE,
        STARTING = 1 << STATUS_STARTING,
        OK = 1 << STATUS_OK,
        RECOVERABLE = 1 << STATUS_RECOVERABLE_ERROR,
        PERMANENT = 1 << STATUS_PERMANENT_ERROR,
        FATAL = 1 << STATUS_FATAL_ERROR,
        STOPPING = 1 << STATUS_STOPPING,
        STOPPED = 1 << STATUS_STOPPED,
    };
    static const unsigned moves[] = {
        [STATUS_NONE] = STARTING,
        [STATUS_STARTING] = OK | RECOVERABLE | PERMANENT | FATAL | STOPPING,
        [STATUS_OK] = OK | RECOVERABLE | PERMANENT | FATAL | STOPPING,
        [STATUS_RECOVERABLE_ERROR] = RECOVERABLE | OK | PERMANENT | FATAL | STOPPING,
        [STATUS_PERMANENT_ERROR] = STOPPING,
        [STATUS_FATAL_ERROR] = 0,
        [STATUS_STOPPING] = RECOVERABLE | PERMANENT | FATAL | STOPPED,
        [STATUS_STOPPED] = 0,
    };
    return (moves[from] & 1U << to) != 0;
}

void component_set_status(struct component *c, enum component_status status)
{
    if (is_allowed(c->status, status))
        c->status = status;
}

void component_started(struct component *c, bool ok)
{
    if (!ok)
        component_set_status(c, STATUS_PERMANENT_ERROR);
    else if (c->status == STATUS_STARTING) /* it may have said more itself */
        component_set_status(c, STATUS_OK);
}

void component_report(struct component *c, enum component_status status, const struct err *reason)
{
    if (!is_allowed(c->status, status))
        return;
    enum component_status before = c->status;
    c->status = status;
    str text = reason == NULL ? STR("no reason given") : str_from(reason->text);
    switch (status) {
    case STATUS_OK:
        if (before == STATUS_RECOVERABLE_ERROR)
            log_info(&c->logger, "Component has recovered");
        break;
    case STATUS_RECOVERABLE_ERROR:
        log_warn(&c->logger, "Component reports a recoverable error", F_STR("error", text));
        break;
    case STATUS_PERMANENT_ERROR:
        log_error(&c->logger, "Component reports a permanent error", F_STR("error", text));
        break;
    case STATUS_FATAL_ERROR: {
        struct service *s = c->service;
        if (!s->fatal_pending)
            err_set(&s->fatal, "%.*s: %.*s", STR_ARG(c->id), STR_ARG(text));
        s->fatal_pending = true;
        loop_task_post(&s->fatal_task);
        break;
    }
    default:
        break;
    }
}
