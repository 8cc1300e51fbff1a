/*
 * service.telemetry: baton's own logs and metrics, and what it accepts of the rest.
 *
 * Own traces do not exist; their keys are read and checked for shape, so that a
 * configuration written for the Go collector is taken as it is. So are metrics::views. The resource has two forms: the old
 * map of names to strings (null removes a default), and `attributes`, a list of name and value.
 * Specification: collector_host 1.6, 11.
 */
#include "base/limits.h"
#include "service/settings_internal.h"

#define SECOND INT64_C(1000000000)

static const char *const log_levels[] = {"debug",  "info",  "warn",  "warning", "error",
                                         "dpanic", "panic", "fatal", NULL};
static const enum log_level levels[] = {LOG_DEBUG, LOG_INFO,  LOG_WARN,  LOG_WARN,
                                        LOG_ERROR, LOG_ERROR, LOG_ERROR, LOG_ERROR};
enum { DEFAULT_LOG_LEVEL = 1 };
static const char *const encodings[] = {"console", "json", NULL};
static const char *const detail_levels[] = {"none", "basic", "normal", "detailed", NULL};
enum { DETAIL_NONE, DETAIL_BASIC, DETAIL_NORMAL, DETAIL_DETAILED };

#define T(member) offsetof(struct telemetry_settings, member)
#define LOGS(member) offsetof(struct log_settings, member)
#define SAMPLING(member) offsetof(struct log_sampling_settings, member)
#define METRICS(member) offsetof(struct own_metrics_settings, member)
#define TRACES(member) offsetof(struct own_traces_settings, member)

static const struct config_field sampling_fields[] = {
    {.key = "enabled", .type = CONFIG_BOOL, .offset = SAMPLING(enabled)},
    {.key = "tick", .type = CONFIG_DURATION, .offset = SAMPLING(tick_ns)},
    {.key = "initial",
     .type = CONFIG_INT,
     .offset = SAMPLING(initial),
     .min = 0,
     .max = UINT32_MAX},
    {.key = "thereafter",
     .type = CONFIG_INT,
     .offset = SAMPLING(thereafter),
     .min = 0,
     .max = UINT32_MAX},
};
static const struct config_schema sampling_schema = {
    .name = "sampling",
    .size = sizeof(struct log_sampling_settings),
    .fields = sampling_fields,
    .field_count = COUNT_OF(sampling_fields),
};

static const struct config_field logs_fields[] = {
    {.key = "level",
     .type = CONFIG_ENUM,
     .offset = LOGS(level),
     .choices = log_levels,
     .choices_any_case = true},
    {.key = "development", .type = CONFIG_BOOL, .offset = LOGS(development)},
    {.key = "encoding", .type = CONFIG_ENUM, .offset = LOGS(encoding), .choices = encodings},
    {.key = "disable_caller", .type = CONFIG_BOOL, .offset = LOGS(disable_caller)},
    {.key = "disable_stacktrace", .type = CONFIG_BOOL, .offset = LOGS(disable_stacktrace)},
    {.key = "sampling", .type = CONFIG_BLOCK, .offset = LOGS(sampling), .block = &sampling_schema},
    {.key = "output_paths", .type = CONFIG_STR_LIST, .offset = LOGS(output_paths)},
    {.key = "error_output_paths", .type = CONFIG_STR_LIST, .offset = LOGS(error_output_paths)},
    {.key = "initial_fields", .type = CONFIG_ANY, .offset = LOGS(initial_fields)},
    {.key = "processors", .type = CONFIG_ANY, .offset = LOGS(processors)},
    {.key = "disable_zap_resource", .type = CONFIG_BOOL, .offset = LOGS(disable_zap_resource)},
};
static const struct config_field metrics_fields[] = {
    {.key = "level",
     .type = CONFIG_ENUM,
     .offset = METRICS(level),
     .choices = detail_levels,
     .choices_any_case = true},
    {.key = "readers", .type = CONFIG_ANY, .offset = METRICS(readers)},
    {.key = "views", .type = CONFIG_ANY, .offset = METRICS(views)},
    {.key = "address", .deprecated = true, .note = "the Go collector removed it as well"},
};
static const struct config_field traces_fields[] = {
    {.key = "level",
     .type = CONFIG_ENUM,
     .offset = TRACES(level),
     .choices = detail_levels,
     .choices_any_case = true},
    {.key = "propagators", .type = CONFIG_STR_LIST, .offset = TRACES(propagators)},
    {.key = "processors", .type = CONFIG_ANY, .offset = TRACES(processors)},
    {.key = "sampler", .type = CONFIG_ANY, .offset = TRACES(sampler)},
    {.key = "limits", .type = CONFIG_ANY, .offset = TRACES(limits)},
};

static void check_logs(void *config, struct config_check *c);
static void check_metrics(void *config, struct config_check *c);
static const struct config_schema logs_schema = {
    .name = "logs",
    .size = sizeof(struct log_settings),
    .fields = logs_fields,
    .field_count = COUNT_OF(logs_fields),
    .check = check_logs,
};
static const struct config_schema metrics_schema = {
    .name = "metrics",
    .size = sizeof(struct own_metrics_settings),
    .fields = metrics_fields,
    .field_count = COUNT_OF(metrics_fields),
    .check = check_metrics,
};
static const struct config_schema traces_schema = {
    .name = "traces",
    .size = sizeof(struct own_traces_settings),
    .fields = traces_fields,
    .field_count = COUNT_OF(traces_fields),
};
static const struct config_field telemetry_fields[] = {
    {.key = "logs", .type = CONFIG_BLOCK, .offset = T(logs), .block = &logs_schema},
    {.key = "metrics", .type = CONFIG_BLOCK, .offset = T(metrics), .block = &metrics_schema},
    {.key = "traces", .type = CONFIG_BLOCK, .offset = T(traces), .block = &traces_schema},
    {.key = "resource", .type = CONFIG_ANY, .offset = T(resource)},
};

static void telemetry_defaults(void *config)
{
    static const str stderr_path = {"stderr", 6};
    const struct config_strs standard = {(str *)&stderr_path,
                                         1}; /* lists of defaults are never written to */
    struct telemetry_settings *t = config;
    t->logs.level = DEFAULT_LOG_LEVEL;
    t->logs.sampling.enabled = true;
    t->logs.sampling.tick_ns = 10 * SECOND;
    t->logs.sampling.initial = 10;
    t->logs.sampling.thereafter = 100;
    t->logs.output_paths = standard;
    t->logs.error_output_paths = standard;
    t->metrics.level = DETAIL_NORMAL;
    t->traces.level = DETAIL_BASIC;
}
const struct config_schema telemetry_schema = {
    .name = "telemetry",
    .size = sizeof(struct telemetry_settings),
    .fields = telemetry_fields,
    .field_count = COUNT_OF(telemetry_fields),
    .defaults = telemetry_defaults,
};

/* ---- rules ---- */

static bool is_null(const struct node *n)
{
    return n == NULL || n->kind == NODE_NULL;
}

static void check_logs(void *config, struct config_check *c)
{
    const struct log_settings *logs = config;
    if (!is_null(logs->initial_fields) && logs->initial_fields->kind != NODE_MAP)
        config_problem(c, "initial_fields", "expected a map or struct");
    if (!is_null(logs->processors) && logs->processors->count > 0)
        config_caution(c, "processors", "has no effect: baton does not export its own logs");
    if (logs->output_paths.count == 0)
        config_problem(c, "output_paths", "must name at least one of stderr, stdout or a file");
}

bool is_metrics_reader(const struct node *n)
{
    const struct node *kind = n->first;
    return n->kind == NODE_MAP && n->count == 1 &&
           (str_eqz(kind->key, "pull") || str_eqz(kind->key, "periodic")) &&
           !is_null(node_get(kind, STR("exporter"))) &&
           node_get(kind, STR("exporter"))->kind == NODE_MAP;
}

static void check_metrics(void *config, struct config_check *c)
{
    const struct own_metrics_settings *metrics = config;
    const struct node *readers = metrics->readers;
    if (!is_null(readers) && readers->kind != NODE_LIST)
        config_problem(c, "readers", "source data must be an array or slice");
    else if (!is_null(readers) && readers->count == 0 && metrics->level != DETAIL_NONE)
        config_problem(
            c, "readers",
            "collector telemetry metrics reader should exist when metric level is not none");
    for (const struct node *n = is_null(readers) || readers->kind != NODE_LIST ? NULL
                                                                               : readers->first;
         n != NULL; n = n->next) {
        if (!is_metrics_reader(n)) {
            config_problem(
                c, "readers",
                "each reader must be a map with one key, pull or periodic, that has an exporter");
            break;
        }
    }
    if (!is_null(metrics->views) && metrics->level != DETAIL_DETAILED)
        config_problem(c, "views",
                       "can only be set when service::telemetry::metrics::level is detailed");
}

/* ---- into settings ---- */

static void print_value(struct buf *b, const struct node *n)
{
    if (n->kind == NODE_MAP || n->kind == NODE_LIST) {
        bool is_map = n->kind == NODE_MAP;
        buf_byte(b, is_map ? '{' : '[');
        for (const struct node *child = n->first; child != NULL; child = child->next) {
            if (child != n->first)
                buf_text(b, ", ");
            if (is_map) {
                buf_json_string(b, child->key);
                buf_text(b, ": ");
            }
            print_value(b, child);
        }
        buf_byte(b, is_map ? '}' : ']');
        return;
    }
    node_print_json(b, n);
    if (!b->overflow)
        b->len--; /* its newline */
}

static str initial_fields(struct loader *l, const struct node *fields)
{
    struct buf b;
    buf_init(&b, LIMIT_LOG_LINE_BYTES);
    for (const struct node *n = is_null(fields) ? NULL : fields->first; n != NULL; n = n->next) {
        if (n != fields->first)
            buf_text(&b, ", ");
        buf_json_string(&b, n->key);
        buf_text(&b, ": ");
        print_value(&b, n);
    }
    if (b.overflow)
        config_error(l->m, &fields->place, STR("service::telemetry::logs::initial_fields"),
                     "larger than %zu bytes", LIMIT_LOG_LINE_BYTES);
    str text = arena_str(l->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static const char resource_path[] = "service::telemetry::resource";

/* Text of a resource attribute; false after an error. A null is no text. */
static bool resource_text(struct loader *l, const struct node *n, str name, str *text)
{
    *text = STR_NONE;
    if (n->kind == NODE_NULL)
        return true;
    if (n->has_original) {
        *text = n->original.data == NULL ? STR("") : n->original;
    } else if (n->kind == NODE_STRING) {
        *text = n->text.data == NULL ? STR("") : n->text;
    } else {
        config_error(
            l->m, &n->place, settings_path(l->arena, resource_path, name),
            "expected type 'string'; put the value in quotes, or null to remove the attribute");
        return false;
    }
    return true;
}

static void add_resource(struct loader *l, str key, str value)
{
    l->s->resource.items[l->s->resource.count++] = (struct config_pair){key, value};
}

static void load_resource_list(struct loader *l, const struct node *attributes)
{
    for (const struct node *n = attributes->first; n != NULL; n = n->next) {
        const struct node *name = node_get(n, STR("name")), *value = node_get(n, STR("value"));
        if (name == NULL || name->kind != NODE_STRING || value == NULL) {
            config_error(l->m, &n->place, STR("service::telemetry::resource::attributes"),
                         "expected a map with the keys name and value");
            continue;
        }
        str text = value->text;
        if (value->kind == NODE_STRING || value->kind == NODE_NULL || value->has_original) {
            if (!resource_text(l, value, name->text, &text))
                continue;
        } else {
            struct buf b;
            buf_init(&b, LIMIT_LOG_LINE_BYTES);
            print_value(&b, value);
            text = arena_str(l->arena, buf_view(&b));
            buf_deinit(&b);
        }
        add_resource(l, name->text, text);
    }
}

static void load_resource(struct loader *l, const struct node *resource)
{
    if (is_null(resource))
        return;
    if (resource->kind != NODE_MAP) {
        config_error(l->m, &resource->place, str_from(resource_path), "expected a map or struct");
        return;
    }
    const struct node *attributes = node_get(resource, STR("attributes"));
    bool is_list = attributes != NULL && attributes->kind == NODE_LIST;
    l->s->resource.items = ARENA_ARRAY(l->arena, struct config_pair,
                                       resource->count + (is_list ? attributes->count : 0));
    for (const struct node *n = resource->first; n != NULL; n = n->next) {
        str text;
        if (is_list && (n == attributes || str_eqz(n->key, "schema_url") ||
                        str_starts_with(n->key, STR("detection"))))
            continue;
        if (is_list || str_eqz(n->key, "attributes_list")) {
            config_error(l->m, &n->key_place, settings_path(l->arena, resource_path, n->key), "%s",
                         is_list ? "plain attributes and the list `attributes` cannot stand side "
                                   "by side; move this one into the list"
                                 : "is not supported; use `attributes`, a list of name and value");
            continue;
        }
        if (resource_text(l, n, n->key, &text))
            add_resource(l, n->key, text);
    }
    if (is_list)
        load_resource_list(l, attributes);
}

void load_telemetry(struct loader *l, const struct telemetry_settings *t)
{
    struct settings *s = l->s;
    s->logs.level = levels[t->logs.level];
    s->logs.encoding = t->logs.encoding == 0 ? LOG_CONSOLE : LOG_JSON;
    s->logs.disable_caller = t->logs.disable_caller;
    s->logs.disable_zap_resource = t->logs.disable_zap_resource;
    s->logs.sampling = (struct log_sampling){
        .enabled = t->logs.sampling.enabled,
        .tick_ns = t->logs.sampling.tick_ns,
        .initial = (uint32_t)t->logs.sampling.initial,
        .thereafter = (uint32_t)t->logs.sampling.thereafter,
    };
    s->logs.output_paths = t->logs.output_paths;
    s->logs.initial_fields_json =
        is_null(t->logs.initial_fields) || t->logs.initial_fields->kind != NODE_MAP
            ? STR("")
            : initial_fields(l, t->logs.initial_fields);
    load_resource(l, t->resource);
    if (t->metrics.level != DETAIL_NONE)
        load_metrics_readers(l, t->metrics.readers);
}
