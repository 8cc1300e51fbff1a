/*
 * service.telemetry.metrics.readers: where own metrics can be read, and in what shape.
 *
 * A reader that pulls has a Prometheus exporter with host and port; `periodic` readers would send
 * metrics somewhere, which baton does not, and are said to have no effect. Without the key there is
 * one reader, on localhost:8888, all suffixes off. With level none there is none at all.
 *
 * Specification: collector_host 1.6; the resource's labels as the reference's filter treats them:
 * names are compared exactly, excluded goes first, an empty `included` means all.
 */
#include "service/settings_internal.h"

enum { DEFAULT_PORT = 8888 };

struct constant_labels_config {
    struct config_strs included, excluded;
};
struct prometheus_config {
    str host;
    int64_t port;
    bool without_scope_info, without_units, without_type_suffix, has_constant_labels;
    struct constant_labels_config constant_labels;
};

#define LABELS(member) offsetof(struct constant_labels_config, member)
#define PROMETHEUS(member) offsetof(struct prometheus_config, member)

static void check_labels(void *config, struct config_check *c)
{
    const struct constant_labels_config *labels = config;
    for (size_t i = 0; i < labels->included.count; i++)
        if (strs_contain(&labels->excluded, labels->included.items[i]))
            config_problem(c, "excluded", "%.*s is in both lists",
                           STR_ARG(labels->included.items[i]));
}

static const struct config_field labels_fields[] = {
    {.key = "included", .type = CONFIG_STR_LIST, .offset = LABELS(included)},
    {.key = "excluded", .type = CONFIG_STR_LIST, .offset = LABELS(excluded)},
};
static const struct config_schema labels_schema = {
    .name = "with_resource_constant_labels",
    .size = sizeof(struct constant_labels_config),
    .fields = labels_fields,
    .field_count = COUNT_OF(labels_fields),
    .check = check_labels,
};

static void prometheus_defaults(void *config)
{
    struct prometheus_config *p = config;
    p->without_scope_info = p->without_units = p->without_type_suffix = true;
}

static void check_prometheus(void *config, struct config_check *c)
{
    (void)config;
    if (!config_given(c, "host"))
        config_problem(c, "host",
                       "host must be specified: an address of this machine, localhost, or \"\" for "
                       "all addresses");
    if (!config_given(c, "port"))
        config_problem(c, "port", "port must be specified");
}

static const struct config_field prometheus_fields[] = {
    {.key = "host", .type = CONFIG_STR, .offset = PROMETHEUS(host)},
    {.key = "port", .type = CONFIG_INT, .offset = PROMETHEUS(port), .min = 0, .max = UINT16_MAX},
    {.key = "without_scope_info", .type = CONFIG_BOOL, .offset = PROMETHEUS(without_scope_info)},
    {.key = "without_units", .type = CONFIG_BOOL, .offset = PROMETHEUS(without_units)},
    {.key = "without_type_suffix", .type = CONFIG_BOOL, .offset = PROMETHEUS(without_type_suffix)},
    {.key = "with_resource_constant_labels",
     .type = CONFIG_OPTIONAL,
     .offset = PROMETHEUS(constant_labels),
     .flag_offset = PROMETHEUS(has_constant_labels),
     .optional = OPTIONAL_NONE,
     .block = &labels_schema},
};
static const struct config_schema prometheus_schema = {
    .name = "prometheus",
    .size = sizeof(struct prometheus_config),
    .fields = prometheus_fields,
    .field_count = COUNT_OF(prometheus_fields),
    .defaults = prometheus_defaults,
    .check = check_prometheus,
};

static void add_reader(struct loader *l, const struct prometheus_config *p)
{
    l->s->metrics_readers[l->s->metrics_reader_count++] = (struct metrics_reader){
        .host = p->host,
        .port = (uint16_t)p->port,
        .without_scope_info = p->without_scope_info,
        .without_units = p->without_units,
        .without_type_suffix = p->without_type_suffix,
        .has_constant_labels = p->has_constant_labels,
        .included = p->constant_labels.included,
        .excluded = p->constant_labels.excluded,
    };
}

static void load_reader(struct loader *l, const struct node *reader, size_t index)
{
    str path = arena_printf(l->arena, "service::telemetry::metrics::readers::%zu::%.*s::exporter",
                            index, STR_ARG(reader->first->key));
    if (str_eqz(reader->first->key, "periodic")) {
        config_warning(l->m, &reader->place, path,
                       "has no effect: baton sends its own metrics nowhere, it serves them: use "
                       "pull with the exporter prometheus");
        return;
    }
    const struct node *exporter = node_get(reader->first, STR("exporter"));
    const struct node *prometheus = exporter->first;
    if (exporter->count != 1 || !str_eqz(prometheus->key, "prometheus")) {
        config_error(l->m, &exporter->place, path, "a pull reader needs the exporter prometheus");
        return;
    }
    size_t errors = l->m->error_count;
    const struct prometheus_config *p = config_decode(
        l->arena, &prometheus_schema, prometheus,
        arena_printf(l->arena, "%.*s::prometheus", STR_ARG(path)), &prometheus->place, l->m);
    if (l->m->error_count == errors)
        add_reader(l, p);
}

void load_metrics_readers(struct loader *l, const struct node *readers)
{
    bool is_default = readers == NULL || readers->kind == NODE_NULL;
    l->s->metrics_readers =
        ARENA_ARRAY(l->arena, struct metrics_reader, is_default ? 1 : readers->count);
    if (is_default) {
        const struct prometheus_config standard = {.host = STR("localhost"),
                                                   .port = DEFAULT_PORT,
                                                   .without_scope_info = true,
                                                   .without_units = true,
                                                   .without_type_suffix = true};
        add_reader(l, &standard);
        l->s->metrics_readers[0].is_default = true;
        return;
    }
    size_t index = 0;
    for (const struct node *n = readers->kind == NODE_LIST ? readers->first : NULL; n != NULL;
         n = n->next)
        if (is_metrics_reader(n))
            load_reader(l, n, index++);
}
