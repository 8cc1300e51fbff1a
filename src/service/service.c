/*
 * The service: one running graph, and what goes on around it.
 *
 * Life: service_new -> service_start: logs configured, graph created and started -> running
 * (reloads exchange the graph, reload.c) -> stop (stop.c) -> on_end -> service_free.
 *
 * Invariants
 *  - on_end is called exactly once, from a task of its own, after every component, elector and
 * holder has gone.
 *  - components call back into the service from within their hooks; whatever could free them waits
 *    for a task.
 *
 * Specification: collector_host 2.1 and 2.2, design 6 and 9.
 */
#include "service/service_internal.h"

#include <unistd.h>

#include "base/limits.h"
#include "kube/watches.h"
#include "service/feature_gates.h"
#include "service/own_metrics.h"
#include "service/ready.h"

static void on_end(void *arg)
{
    struct service *s = arg;
    CHECK(s->phase == PHASE_ENDED && s->holder_count == 0 && s->graph == NULL && s->next == NULL);
    if (s->was_started)
        log_info(&s->logger, "Shutdown complete.");
    s->config.on_end(s->config.arg, s->exit_status);
}

static void on_fatal(void *arg)
{
    struct service *s = arg;
    s->exit_status = 1;
    log_error(&s->logger, "Asynchronous error received, terminating process", F_ERR(&s->fatal));
    service_stop(s);
}

struct service *service_new(const struct service_config *config)
{
    struct service *s = mem_zalloc(sizeof *s);
    s->config = *config;
    s->loop = config->loop;
    s->logger = (struct logger){.log = config->log};
    uuid_make(s->loop, s->instance_id);
    s->electors = elector_set_new(s->loop, &s->logger);
    s->watches = watches_new(s->loop, &s->logger);
    s->own_metrics = own_metrics_new(s);
    s->ready = ready_new(s);
    s->begun_ns = loop_boot_ns(s->loop);
    loop_task_init(s->loop, &s->end_task, "service end", on_end, s);
    loop_task_init(s->loop, &s->fatal_task, "service fatal error", on_fatal, s);
    stop_init(s);
    return s;
}

void service_free(struct service *s)
{
    if (s == NULL)
        return;
    CHECK(s->phase == PHASE_ENDED && s->holder_count == 0);
    loop_timer_clear(&s->phase_timer);
    loop_task_cancel(&s->advance_task);
    loop_task_cancel(&s->fatal_task);
    loop_task_cancel(&s->end_task);
    own_metrics_free(s->own_metrics);
    ready_free(s->ready);
    elector_set_free(s->electors);
    watches_free(s->watches);
    mem_free(s);
}

/* ---- start ---- */

void service_log_messages(struct service *s, const struct settings *settings, bool errors)
{
    for (const struct config_message *m = settings->messages.first; m != NULL; m = m->next) {
        if (m->is_error != errors)
            continue;
        struct buf text;
        buf_init(&text, 4 * KIB);
        place_print(&text, &m->place);
        str place = buf_view(&text);
        if (str_ends_with(place, STR(": ")))
            place.len -= 2;
        if (errors)
            log_error(&s->logger, "The new configuration is not valid; the old one goes on",
                      F_STR("place", place), F_STR("path", m->path), F_STR("error", m->text));
        else
            log_warn(&s->logger, "Configuration warning", F_STR("place", place),
                     F_STR("path", m->path), F_STR("warning", m->text));
        buf_deinit(&text);
    }
}

void service_start_graph(struct service *s)
{
    struct err err;
    s->phase = PHASE_RUNNING;
    s->was_started = true;
    if (!graph_start(s->graph, &err)) {
        log_error(&s->logger, "Start failed", F_ERR(&err));
        s->exit_status = 1;
        service_stop(s);
        return;
    }
    log_info(&s->logger, "Everything is ready. Begin running and processing data.");
}

static bool own_metrics_start(struct service *s, struct err *err)
{
    const struct settings *settings = s->graph->settings;
    if (!s->config.serves_own_metrics)
        return true;
    if (settings->metrics_reader_count == 0)
        log_info(&s->logger, "Internal metrics telemetry disabled");
    return own_metrics_apply(s->own_metrics, settings, err);
}

void service_start(struct service *s, struct settings *take_settings)
{
    CHECK(s->phase == PHASE_NEW);
    struct err err;
    bool ok = logging_apply(s->config.log, s->config.outputs, take_settings,
                            str_from(s->instance_id), &err);
    if (ok) {
        service_log_messages(s, take_settings, false);
        s->generation++;
        s->graph = graph_new(s, take_settings, &err);
        ok = s->graph != NULL && own_metrics_start(s, &err) && ready_open(s->ready, s->graph, &err);
    } else {
        settings_free(take_settings);
    }
    if (!ok) {
        log_error(&s->logger, "Start failed", F_ERR(&err));
        s->exit_status = 1;
        service_end(s);
        return;
    }
    log_info(&s->logger, "Starting baton...", F_CSTR("Version", BATON_VERSION),
             F_INT("NumCPU", sysconf(_SC_NPROCESSORS_ONLN)));
    service_start_graph(s);
}

/* ---- end ---- */

void service_end(struct service *s)
{
    s->phase = PHASE_ENDED;
    own_metrics_close(s->own_metrics);
    ready_close(s->ready);
    graph_free(s->next);
    graph_free(s->graph);
    s->next = NULL;
    s->graph = NULL;
    if (s->holder_count == 0)
        loop_task_post(&s->end_task);
}

void service_hold(struct service *s)
{
    s->holder_count++;
}

void service_release(struct service *s)
{
    CHECK(s->holder_count > 0);
    if (--s->holder_count == 0 && s->phase == PHASE_ENDED)
        loop_task_post(&s->end_task);
}

/* ---- questions ---- */

struct elector_set *service_electors(struct service *s)
{
    return s->electors;
}

struct watches *service_watches(struct service *s)
{
    return s->watches;
}

bool service_gate_enabled(const struct service *s, const char *name)
{
    return feature_gates_enabled(s->config.feature_gates, name);
}

uint64_t service_generation(const struct service *s)
{
    return s->generation;
}

bool service_is_running(const struct service *s)
{
    return s->phase == PHASE_RUNNING;
}

bool service_receiver_counters(const struct service *s, str id, struct receiver_counters *out)
{
    const struct receiver_node *n = s->graph == NULL ? NULL : graph_receiver(s->graph, id);
    if (n == NULL)
        return false;
    *out = n->counters;
    return true;
}

static enum component_status processor_status(const struct graph *g, str id)
{
    enum component_status worst = STATUS_NONE;
    for (size_t i = 0; i < g->pipeline_count; i++)
        for (size_t k = 0; k < g->pipelines[i].processor_count; k++) {
            const struct component *c = &g->pipelines[i].processors[k].processor.base;
            if (str_eq(c->id, id) && c->status > worst)
                worst = c->status;
        }
    return worst;
}

enum component_status service_component_status(const struct service *s, enum component_kind kind,
                                               str id)
{
    const struct graph *g = s->graph;
    if (g == NULL)
        return STATUS_NONE;
    if (kind == COMPONENT_PROCESSOR)
        return processor_status(g, id);
    const struct receiver_node *r = kind == COMPONENT_RECEIVER ? graph_receiver(g, id) : NULL;
    if (r != NULL)
        return r->receiver.base.status;
    for (size_t i = 0; kind == COMPONENT_EXPORTER && i < g->exporter_count; i++)
        if (str_eq(g->exporters[i].exporter.base.id, id))
            return g->exporters[i].exporter.base.status;
    for (size_t i = 0; kind == COMPONENT_EXTENSION && i < g->extension_count; i++)
        if (str_eq(g->extensions[i].extension.base.id, id))
            return g->extensions[i].extension.base.status;
    return STATUS_NONE;
}
