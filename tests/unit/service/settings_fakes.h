/* Component types that can be configured and nothing else, for the tests of settings and commands. */
#ifndef TEST_SETTINGS_FAKES_H
#define TEST_SETTINGS_FAKES_H

#include "service/component.h"

#define SECOND INT64_C(1000000000)

struct dummy_config {
    int64_t interval_ns;
    str note;
};
static inline void dummy_config_defaults(void *config)
{
    ((struct dummy_config *)config)->interval_ns = 60 * SECOND;
}
static inline void dummy_config_check(void *config, struct config_check *c)
{
    if (((const struct dummy_config *)config)->interval_ns < SECOND)
        config_problem(c, "interval", "must be at least 1s");
}
static const struct config_field dummy_config_fields[] = {
    {.key = "interval",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct dummy_config, interval_ns)},
    {.key = "note", .type = CONFIG_STR, .offset = offsetof(struct dummy_config, note)},
};
static const struct config_schema dummy_config_schema = {.name = "dummy",
                                                         .size = sizeof(struct dummy_config),
                                                         .fields = dummy_config_fields,
                                                         .field_count = 2,
                                                         .defaults = dummy_config_defaults,
                                                         .check = dummy_config_check};

struct push_config {
    str endpoint;
    struct config_pairs headers;
};
static const struct config_field push_config_fields[] = {
    {.key = "endpoint", .type = CONFIG_STR, .offset = offsetof(struct push_config, endpoint)},
    {.key = "headers",
     .type = CONFIG_STR_MAP,
     .offset = offsetof(struct push_config, headers),
     .secret = true},
};
static const struct config_schema push_config_schema = {.name = "push",
                                                        .size = sizeof(struct push_config),
                                                        .fields = push_config_fields,
                                                        .field_count = 2};
static const struct config_schema empty_schema = {.name = "empty"};

/* The keys of the leader elector, without its rules. */
struct elector_config {
    str auth_type, context, lease_name, lease_namespace;
    int64_t lease_duration_ns, renew_deadline_ns, retry_period_ns;
};
#define ELECTOR_FIELD(name, kind, member)                                                          \
    {                                                                                              \
        .key = name, .type = kind, .offset = offsetof(struct elector_config, member)               \
    }
static const struct config_field elector_config_fields[] = {
    ELECTOR_FIELD("auth_type", CONFIG_STR, auth_type),
    ELECTOR_FIELD("context", CONFIG_STR, context),
    ELECTOR_FIELD("lease_name", CONFIG_STR, lease_name),
    ELECTOR_FIELD("lease_namespace", CONFIG_STR, lease_namespace),
    ELECTOR_FIELD("lease_duration", CONFIG_DURATION, lease_duration_ns),
    ELECTOR_FIELD("renew_deadline", CONFIG_DURATION, renew_deadline_ns),
    ELECTOR_FIELD("retry_period", CONFIG_DURATION, retry_period_ns),
};
static const struct config_schema elector_config_schema = {.name = "k8s_leader_elector",
                                                           .size = sizeof(struct elector_config),
                                                           .fields = elector_config_fields,
                                                           .field_count =
                                                               COUNT_OF(elector_config_fields)};

enum { ALL_SIGNALS = SIGNAL_METRICS | SIGNAL_LOGS | SIGNAL_TRACES };

static inline struct elector *fake_type_elector(struct extension *x)
{
    (void)x;
    return NULL;
}

static const char *const push_aliases[] = {"push", NULL};
static const char *const elector_aliases[] = {"leaderelector", "leader_elector", NULL};
static const struct receiver_type fake_dummy = {.name = "dummy",
                                                .signals = SIGNAL_METRICS | SIGNAL_LOGS,
                                                .stability = "alpha",
                                                .schema = &dummy_config_schema};
static const struct receiver_type fake_nop = {
    .name = "nop", .signals = ALL_SIGNALS, .stability = "beta", .schema = &empty_schema};
static const struct processor_type fake_batch = {
    .name = "batch", .signals = ALL_SIGNALS, .stability = "beta", .schema = &empty_schema};
static const struct exporter_type fake_debug = {
    .name = "debug", .signals = ALL_SIGNALS, .schema = &empty_schema};
static const struct exporter_type fake_push = {.name = "push_grpc",
                                               .aliases = push_aliases,
                                               .signals = SIGNAL_METRICS,
                                               .stability = "stable",
                                               .schema = &push_config_schema};
static const struct extension_type fake_health = {
    .name = "health_check", .stability = "beta", .schema = &empty_schema};
static const struct extension_type fake_elector_type = {.name = "k8s_leader_elector",
                                                        .aliases = elector_aliases,
                                                        .stability = "alpha",
                                                        .schema = &elector_config_schema,
                                                        .elector = fake_type_elector};

static const struct receiver_type *const fake_receivers[] = {&fake_dummy, &fake_nop, NULL};
static const struct processor_type *const fake_processors[] = {&fake_batch, NULL};
static const struct exporter_type *const fake_exporters[] = {&fake_debug, &fake_push, NULL};
static const struct extension_type *const fake_extensions[] = {&fake_health, &fake_elector_type,
                                                               NULL};
static const struct components fake_types = {fake_receivers, fake_processors, fake_exporters,
                                             fake_extensions};

#endif
