/*
 * service.pipelines: ids "signal[/name]", and the lists of component ids. What the ids refer to is
 * checked in settings_check.c.
 *
 * A receiver or exporter that stands twice in one pipeline counts once, as in the reference's
 * graph; a processor that does is an error (settings_check.c). Specification:
 * collector_host 1.5, 1.6.
 */
#include "service/settings_internal.h"

static const struct config_field pipeline_fields[] = {
    {.key = "receivers",
     .type = CONFIG_ID_LIST,
     .offset = offsetof(struct pipeline_settings, receivers)},
    {.key = "processors",
     .type = CONFIG_ID_LIST,
     .offset = offsetof(struct pipeline_settings, processors)},
    {.key = "exporters",
     .type = CONFIG_ID_LIST,
     .offset = offsetof(struct pipeline_settings, exporters)},
};
static const struct config_schema pipeline_schema = {
    .name = "pipeline",
    .size = sizeof(struct pipeline_settings),
    .fields = pipeline_fields,
    .field_count = COUNT_OF(pipeline_fields),
};

bool strs_contain(const struct config_strs *list, str s)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq(list->items[i], s))
            return true;
    return false;
}

static bool signal_parse(str text, enum signal *signal)
{
    for (unsigned s = SIGNAL_METRICS; s <= SIGNAL_TRACES; s <<= 1) {
        if (str_eqz(text, signal_name((enum signal)s))) {
            *signal = (enum signal)s;
            return true;
        }
    }
    return false;
}

static bool load_id(struct loader *l, const struct node *n, struct pipeline_settings *p)
{
    struct err err;
    str type, name, path = STR("service::pipelines");
    if (!component_id_parse(n->key, &type, &name, &err)) {
        config_error(l->m, &n->key_place, path, "%s", err.text);
        return false;
    }
    if (!signal_parse(type, &p->signal)) {
        if (str_eqz(type, "profiles"))
            config_error(l->m, &n->key_place, path,
                         "pipeline \"%.*s\": baton does not support the profiles signal",
                         STR_ARG(n->key));
        else
            config_error(l->m, &n->key_place, path,
                         "in \"%.*s\" id: unknown pipeline signal: \"%.*s\" (valid values: logs, "
                         "metrics, traces)",
                         STR_ARG(n->key), STR_ARG(type));
        return false;
    }
    p->id = settings_canonical_id(l->arena, type, name);
    p->place = n->key_place;
    for (size_t i = 0; i < l->s->pipeline_count; i++) {
        if (str_eq(l->s->pipelines[i].id, p->id)) {
            config_error(l->m, &n->key_place, path,
                         "duplicate name \"%.*s\" after unmarshaling %.*s", STR_ARG(n->key),
                         STR_ARG(p->id));
            return false;
        }
    }
    return true;
}

void load_pipelines(struct loader *l, const struct node *pipelines)
{
    struct settings *s = l->s;
    if (pipelines == NULL || pipelines->kind == NODE_NULL)
        return;
    if (pipelines->kind != NODE_MAP) {
        config_error(l->m, &pipelines->place, STR("service::pipelines"),
                     "expected a map of pipelines, such as \"metrics:\"");
        return;
    }
    s->pipelines = ARENA_ARRAY(l->arena, struct pipeline_settings, pipelines->count);
    l->pipeline_sources = ARENA_ARRAY(l->arena, struct pipeline_source, pipelines->count);
    for (const struct node *n = pipelines->first; n != NULL; n = n->next) {
        struct pipeline_settings id = {0};
        if (!load_id(l, n, &id))
            continue;
        str path = settings_path(l->arena, "service::pipelines", id.id);
        struct pipeline_settings *p = &s->pipelines[s->pipeline_count];
        *p = *(const struct pipeline_settings *)config_decode(l->arena, &pipeline_schema, n, path,
                                                              &id.place, l->m);
        p->signal = id.signal;
        p->id = id.id;
        p->place = id.place;
        l->pipeline_sources[s->pipeline_count++].node = n;
    }
}
