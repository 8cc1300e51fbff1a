/*
 * baton's own metrics: a page in the Prometheus text format at /metrics of each reader that service::telemetry::metrics names, made when
 * somebody asks for it.
 */
#ifndef SERVICE_OWN_METRICS_H
#define SERVICE_OWN_METRICS_H

#include "service/metrics_page.h"
#include "service/settings.h"

struct service;
struct own_metrics;
struct own_metrics *own_metrics_new(struct service *s);
void own_metrics_free(struct own_metrics *m); /* NULL: nothing; closes what is open */
/* Serves what these settings say; an address that stays the same stays open. An address that was written in the configuration and cannot be
 * had is an error, after which nothing is served; the default one is tried again now and then, after one warning. */
NODISCARD bool own_metrics_apply(struct own_metrics *m, const struct settings *settings, struct err *err);
/* The same after an error, with the settings of before: whatever cannot be had is tried again later. */
void own_metrics_restore(struct own_metrics *m, const struct settings *settings);
/* Closes everything. */
void own_metrics_close(struct own_metrics *m);

/* own_metrics_text.c: all families. */
void own_metrics_text(const struct service *s, struct metrics_page *p);

#endif
