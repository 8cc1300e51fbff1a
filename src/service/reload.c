/*
 * Reload: change over to a configuration that was read again, without handing leadership over and
 * without losing or repeating a tick.
 *
 * Life of a reload: read and check -> create the new graph (electors of the same Lease get another
 * reference) -> apply the settings of own metrics and logs -> stop the old graph (stop.c): its electors are given up,
 * which releases only those that the new graph does not use -> carry over where receivers stand ->
 * start the new one. Up to the stop everything can fail without a trace.
 *
 * A SIGHUP during a reload is remembered; one during a stop is not.
 *
 * Specification: design 9; collector_host 2.2 (whose reference stops first and dies of a broken
 * file).
 */
#include "service/own_metrics.h"
#include "service/ready.h"
#include "service/service_internal.h"

/* Creating the new graph may have changed what it shares with the running one. */
static void reinstate(struct service *s)
{
    s->generation++;
    for (size_t i = 0; i < s->graph->extension_count; i++) {
        struct extension *x = &s->graph->extensions[i].extension;
        if (x->type->reinstate != NULL)
            x->type->reinstate(x);
    }
}

/* Own metrics and logs as the new settings say; after an error as before. */
static bool change_telemetry(struct service *s, const struct settings *settings, struct err *err)
{
    bool ok = !s->config.serves_own_metrics || own_metrics_apply(s->own_metrics, settings, err);
    ok = ok &&
         logging_apply(s->config.log, s->config.outputs, settings, str_from(s->instance_id), err);
    if (!ok && s->config.serves_own_metrics)
        own_metrics_restore(s->own_metrics, s->graph->settings);
    return ok;
}

bool receiver_stops_for_reload(const struct receiver *r)
{
    return r->base.service->next != NULL && !r->base.service->ending;
}

void service_reload(struct service *s)
{
    if (s->phase != PHASE_RUNNING) {
        s->reload_again = s->phase != PHASE_NEW && s->phase < PHASE_STOPPED && !s->ending;
        return;
    }
    struct settings *settings =
        settings_load(s->config.components, s->config.sources, s->config.source_count);
    if (settings->messages.error_count > 0) {
        service_log_messages(s, settings, true);
        settings_free(settings);
        return;
    }
    service_log_messages(s, settings, false);
    struct err err;
    s->generation++;
    s->next = graph_new(s, settings, &err);
    bool ok = s->next != NULL && ready_open(s->ready, s->next, &err);
    if (ok && !change_telemetry(s, settings, &err)) {
        ready_cancel(s->ready);
        ok = false;
    }
    if (!ok) {
        log_error(&s->logger, "Reload failed; the old configuration goes on", F_ERR(&err));
        reinstate(s);
        graph_free(s->next);
        s->next = NULL;
        return;
    }
    ready_commit(s->ready);
    log_warn(&s->logger, "Config updated, restart service");
    service_stop_begin(s, false);
}

void reload_continue(struct service *s)
{
    graph_carry(s->graph, s->next);
    graph_free(s->graph);
    s->graph = s->next;
    s->next = NULL;
    service_start_graph(s);
    if (s->reload_again && s->phase == PHASE_RUNNING) {
        s->reload_again = false;
        service_reload(s);
    }
}
