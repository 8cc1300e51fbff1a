/*
 * `nop`: an exporter of every signal that takes everything and keeps nothing. For pipelines that
 * must exist and for measuring the rest of the program.
 */
#include "exporters/exporters.h"

static bool nop_create(struct exporter *e, const void *config, struct err *err)
{
    (void)e, (void)config, (void)err;
    return true;
}

static void nop_consume(struct exporter *e, struct batch *take_batch)
{
    (void)e;
    batch_outcome(take_batch, OUTCOME_SENT);
    batch_unref(take_batch);
}

static void nop_stop(struct exporter *e, int64_t deadline_ns)
{
    (void)deadline_ns;
    exporter_stopped(e);
}

static void nop_destroy(struct exporter *e)
{
    (void)e;
}

static const struct config_schema schema = {.name = "nop", .size = 1};

const struct exporter_type nop_exporter = {
    .name = "nop",
    .signals = SIGNAL_METRICS | SIGNAL_LOGS | SIGNAL_TRACES,
    .stability = "beta",
    .schema = &schema,
    .create = nop_create,
    .consume = nop_consume,
    .stop = nop_stop,
    .destroy = nop_destroy,
};
