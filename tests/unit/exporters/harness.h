/* One exporter by itself: its configuration from YAML, a log in memory, and what it tells the service. */
#ifndef HARNESS_H
#define HARNESS_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "service/component.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

struct harness {
    struct loop *loop;
    struct log *log;
    struct buf log_text;
    struct arena arena;
    struct config_messages messages;
    struct buf messages_text;
    struct exporter exporter;
    size_t stopped_count, room_count;
    int outcomes[3];
};

/* Configuration read, nothing created. */
struct harness *harness_load(const struct exporter_type *type, struct loop *loop, const char *yaml);
/* The same, which must be without errors, and created. */
struct harness *harness_new(const struct exporter_type *type, struct loop *loop, const char *yaml);
/* Destroys the exporter if there is one; not the loop. */
void harness_free(struct harness *h);
/* The configuration gives so many errors and warnings, and a message with this text. */
void harness_check(const struct exporter_type *type, const char *yaml, size_t errors, size_t warnings, const char *text);
bool harness_logged(const struct harness *h, const char *text);
void harness_clear_log(struct harness *h);
/* Gives the batch a delivery that counts into h->outcomes, and hands it over. */
void harness_consume(struct harness *h, struct batch *take_batch);

#endif
