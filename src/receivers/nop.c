/*
 * `nop`: a receiver of every signal that never delivers anything. For pipelines that must exist and
 * for measuring the rest of the program.
 */
#include "receivers/receivers.h"

static bool nop_create(struct receiver *r, const void *config, struct err *err)
{
    (void)r, (void)config, (void)err;
    return true;
}

static void nop_destroy(struct receiver *r)
{
    (void)r;
}

static const struct config_schema schema = {.name = "nop", .size = 1};

const struct receiver_type nop_receiver = {
    .name = "nop",
    .signals = SIGNAL_METRICS | SIGNAL_LOGS | SIGNAL_TRACES,
    .kind = RECEIVER_PUSH,
    .can_be_warm = true,
    .stability = "beta",
    .schema = &schema,
    .create = nop_create,
    .destroy = nop_destroy,
};
