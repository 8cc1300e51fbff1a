/* A service in a world of fakes: loop, elector, components; the configuration is real YAML. */
#ifndef WORLD_H
#define WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "fake_components.h"
#include "fake_elector.h"
#include "fake_http_server.h"
#include "fake_loop.h"
#include "service/service.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
/* The wall clock at the start: 12:00:00.4 of some day. */
#define BEGIN_NS (INT64_C(1767268800) * SECOND + 400 * MS)

struct world {
    struct loop *loop;
    struct log *log;
    struct buf log_text;
    struct config_source source;
    struct service *service;
    bool ended;
    int exit_status;
};

/* A service that is not started yet; the text is YAML. */
struct world *world_new(const char *yaml);
void world_start(struct world *w);
/* What a reload will read. */
void world_rewrite(struct world *w, const char *yaml);
void world_run(struct world *w, int64_t duration_ns);
/* Stops if nobody has, waits, frees; returns the exit status. */
int world_end(struct world *w);
struct elector_set *world_electors(struct world *w);
struct elector *world_elector(struct world *w, const char *lease);
bool world_logged(struct world *w, const char *text);
size_t world_log_count(struct world *w, const char *text);
struct receiver_counters world_counters(struct world *w, const char *id);

/* One receiver, one exporter, not gated. */
#define YAML_PLAIN                                                                                                                 \
    "receivers: {pull: {}}\nexporters: {sink: {}}\n"                                                                               \
    "service: {pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n"
/* The same with an elector of the Lease `l`. */
#define YAML_GATED                                                                                                                 \
    "extensions: {elect: {lease: l}}\n"                                                                                            \
    "receivers: {pull: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"                                                      \
    "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n"

#endif
