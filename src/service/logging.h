/*
 * The process's logs as service::telemetry::logs says: where lines go, and the fields that are on each.
 */
#ifndef SERVICE_LOGGING_H
#define SERVICE_LOGGING_H

#include "service/settings.h"

/* Where finished lines go: any number of writers. */
struct log_outputs;
/* Writes to stderr until log_outputs_set. NULL with err if no writer can be made. */
struct log_outputs *log_outputs_new(struct err *err);
/* Changes over to these paths; when one cannot be opened nothing changes. Files are opened anew, so that a reload follows a
 * rotation. */
NODISCARD bool log_outputs_set(struct log_outputs *o, const struct config_strs *paths, struct err *err);
void log_outputs_write(void *outputs, str line); /* fits `sink` of struct log_config */
void log_outputs_flush(struct log_outputs *o, int64_t wait_ms);
void log_outputs_free(struct log_outputs *o, int64_t wait_ms);

/* What this process says of itself: service.name, service.version, service.instance.id and the configured attributes, by key. The
 * array is the caller's (mem_free), its texts belong to the settings and to `instance_id`. */
size_t logging_resource(const struct settings *settings, str instance_id, struct config_pair **items);
/* Fields of every line: logs::initial_fields, then `resource` (unless it is switched off). */
void logging_fields(struct buf *out, const struct settings *settings, str instance_id);
/* Configures `log` and, if not NULL, `outputs`. False: nothing has changed. */
NODISCARD bool logging_apply(struct log *log, struct log_outputs *outputs, const struct settings *settings, str instance_id,
                             struct err *err);
/* A random UUID (version 4) as text: 36 characters and a NUL. */
void uuid_make(struct loop *loop, char text[37]);

#endif
