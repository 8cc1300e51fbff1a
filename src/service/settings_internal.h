/* Between the settings_*.c files and commands.c, not for others. */
#ifndef SERVICE_SETTINGS_INTERNAL_H
#define SERVICE_SETTINGS_INTERNAL_H

#include "service/settings.h"

/* -- settings_types.c: what the four kinds of component types have in common -- */
struct type_info {
    const void *type;
    const char *name;
    const char *const *aliases; /* or NULL */
    const struct config_schema *schema;
    const char *stability;
    unsigned signals; /* extensions: 0 */
    bool is_elector;
};
/* The type at `index` of its list; false behind the last. */
bool type_at(const struct components *components, enum component_kind kind, size_t index, struct type_info *info);
/* By name or alias. */
bool type_find(const struct components *components, enum component_kind kind, str name, struct type_info *info);
const char *kind_word(enum component_kind kind);    /* "receiver" */
const char *kind_section(enum component_kind kind); /* "receivers" */

/* -- one load -- */
struct pipeline_source { /* what a pipeline's messages point at */
    const struct node *node;
};
struct missing_component { /* of a type that baton does not have */
    struct missing_component *next;
    const char *section;
    str type, id;
    struct place place;
};
struct loader {
    const struct components *components;
    struct settings *s;
    struct arena *arena;
    struct config_messages *m;
    const struct node *connectors; /* their ids, all of them refused; NULL: none */
    const struct node *extensions; /* service.extensions as written */
    struct pipeline_source *pipeline_sources;
    struct missing_component *missing;
    size_t missing_count;
};
/* settings_missing.c: all of them become one error. */
void missing_add(struct loader *l, const char *section, str type, str id, const struct place *place);
void missing_report(struct loader *l);
/* settings_components.c: the four sections; ids that cannot be used are kept with a NULL type, for references to them. */
void load_components(struct loader *l, const struct node *root);
/* settings_pipelines.c: service.pipelines. */
void load_pipelines(struct loader *l, const struct node *pipelines);
/* settings_check.c: rules over the whole. */
void check_settings(struct loader *l);

/* settings_telemetry.c: service.telemetry. */
struct log_sampling_settings {
    bool enabled;
    int64_t tick_ns, initial, thereafter;
};
struct log_settings {
    int level, encoding;
    bool development, disable_caller, disable_stacktrace, disable_zap_resource;
    struct log_sampling_settings sampling;
    struct config_strs output_paths, error_output_paths;
    const struct node *initial_fields, *processors;
};
struct own_metrics_settings {
    int level;
    const struct node *readers, *views;
};
struct own_traces_settings {
    int level;
    struct config_strs propagators;
    const struct node *processors, *sampler, *limits;
};
struct telemetry_settings {
    struct log_settings logs;
    struct own_metrics_settings metrics;
    struct own_traces_settings traces;
    const struct node *resource;
};
extern const struct config_schema telemetry_schema;
/* settings_readers.c: into settings.metrics_readers; what is no reader by its shape is left out. */
void load_metrics_readers(struct loader *l, const struct node *readers);
/* `pull` or `periodic`, which hold an exporter. */
bool is_metrics_reader(const struct node *n);
/* Into settings.logs, settings.resource and settings.metrics_readers. */
void load_telemetry(struct loader *l, const struct telemetry_settings *t);

/* service: extensions, pipelines (as written), telemetry. */
struct service_settings {
    struct config_strs extensions;
    const struct node *pipelines;
    struct telemetry_settings telemetry;
};
extern const struct config_schema service_schema;

str settings_path(struct arena *a, const char *section, str id);
/* "type/name", trimmed. */
str settings_canonical_id(struct arena *a, str type, str name);
bool strs_contain(const struct config_strs *list, str s);

#endif
