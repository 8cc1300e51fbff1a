/*
 * A whole configuration, decoded and checked: components with their typed structures, pipelines, the service's own settings.
 * Behaviour: collector_host top level; every rule that `validate` can check without starting anything is checked here.
 */
#ifndef SERVICE_SETTINGS_H
#define SERVICE_SETTINGS_H

#include "base/log.h"
#include "config/config.h"
#include "service/component.h"

struct component_settings {
    enum component_kind kind;
    str id, type_name, name; /* "dummy/foo", "dummy", "foo" */
    const void *type;        /* const struct receiver_type * and so on */
    const struct config_schema *schema;
    const struct node *node; /* without the elector key */
    void *config;            /* typed, by the schema */
    struct place place;      /* of the id */
    /* Receivers: the extension named by `leaderelector`, `leader_elector` or `k8s_leader_elector`; empty: not elected. The key is
     * taken out before the receiver's schema sees the node. */
    str elector_id, elector_key;
    struct place elector_place;
    bool used;               /* in a pipeline or in service.extensions */
};
struct pipeline_settings {
    enum signal signal;
    str id; /* "metrics/x" */
    struct config_strs receivers, processors, exporters;
    struct place place;
};
/* Where own metrics can be read. */
struct metrics_reader {
    bool is_default;  /* not written in the configuration */
    str host;         /* empty: all addresses */
    uint16_t port;    /* 0: the system chooses */
    bool without_scope_info, without_units, without_type_suffix;
    bool has_constant_labels; /* attributes of the resource on every sample: those of `included`, or all, without `excluded` */
    struct config_strs included, excluded;
};
struct settings {
    struct arena arena;      /* holds everything here */
    struct config_messages messages;
    const struct node *root; /* resolved */
    struct component_settings *components;
    size_t component_count;
    struct pipeline_settings *pipelines;
    size_t pipeline_count;
    struct config_strs extensions; /* service.extensions */
    struct {
        enum log_level level;
        enum log_encoding encoding;
        bool disable_caller, disable_zap_resource;
        struct log_sampling sampling;
        struct config_strs output_paths; /* default stderr */
        str initial_fields_json;
    } logs;
    struct metrics_reader *metrics_readers; /* none: metrics::level is none */
    size_t metrics_reader_count;
    struct config_pairs resource; /* service.telemetry.resource: additions; a null (value.data is NULL) removes */
    const void *service;          /* the service section as decoded, for settings_print */
};

/* Reads, decodes and checks. Never NULL; good if messages.error_count is 0. Free with settings_free. */
struct settings *settings_load(const struct components *components, const struct config_source *sources, size_t count);
void settings_free(struct settings *s);
const struct component_settings *settings_find(const struct settings *s, enum component_kind kind, str id);
/* Resolved configuration with defaults, as YAML or JSON. */
void settings_print(struct buf *b, const struct settings *s, bool as_json, bool redact);

#endif
