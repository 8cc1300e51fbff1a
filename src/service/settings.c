/*
 * A whole configuration: read, decoded, checked.
 *
 * Life of a load: locations to one tree (config_resolve) -> what is of the past rewritten
 * (migrate_tree) -> sections to components (settings_components.c) -> service section (settings_pipelines.c, settings_telemetry.c) -> rules
 * over the whole (settings_check.c). Faults are collected on the way; only an unreadable source
 * ends it early. Everything lives in the arena of the settings.
 *
 * Specification: collector_host 1.
 */
#include "config/migrate.h"
#include "service/settings_internal.h"

static const struct config_field service_fields[] = {
    {.key = "extensions",
     .type = CONFIG_ID_LIST,
     .offset = offsetof(struct service_settings, extensions)},
    {.key = "pipelines",
     .type = CONFIG_ANY,
     .offset = offsetof(struct service_settings, pipelines)},
    {.key = "telemetry",
     .type = CONFIG_BLOCK,
     .offset = offsetof(struct service_settings, telemetry),
     .block = &telemetry_schema},
};
const struct config_schema service_schema = {
    .name = "service",
    .size = sizeof(struct service_settings),
    .fields = service_fields,
    .field_count = COUNT_OF(service_fields),
};

static const char *const sections[] = {"receivers",  "processors", "exporters",
                                       "connectors", "extensions", "service"};

static void check_top_level(struct loader *l, const struct node *root)
{
    for (const struct node *n = root->first; n != NULL; n = n->next) {
        str words[COUNT_OF(sections)];
        bool known = false;
        for (size_t i = 0; i < COUNT_OF(sections); i++) {
            words[i] = str_from(sections[i]);
            known = known || str_eq(words[i], n->key);
        }
        if (known)
            continue;
        str choices = config_choices(l->arena, n->key, words, COUNT_OF(words));
        config_error(l->m, &n->key_place, STR(""), "'' has invalid keys: %.*s (valid keys: %.*s)%s",
                     STR_ARG(n->key), STR_ARG(choices),
                     str_starts_with(n->key, STR("x-"))
                         ? "; blocks that only hold anchors are not allowed either"
                         : "");
    }
}

static void load_connectors(struct loader *l, const struct node *connectors)
{
    if (connectors == NULL || connectors->kind == NODE_NULL)
        return;
    if (connectors->kind != NODE_MAP) {
        config_error(l->m, &connectors->place, STR("connectors"), "expected a map");
        return;
    }
    l->connectors = connectors;
    for (const struct node *n = connectors->first; n != NULL; n = n->next) {
        str type, rest;
        str_cut(n->key, '/', &type, &rest);
        missing_add(l, "connectors", str_trim(type), n->key, &n->key_place);
    }
}

static void load_service(struct loader *l, const struct node *root)
{
    const struct node *node = node_get(root, STR("service"));
    const struct place *place = node != NULL ? &node->key_place : &root->place;
    const struct service_settings *service =
        config_decode(l->arena, &service_schema, node, STR("service"), place, l->m);
    l->s->service = service;
    l->s->extensions = service->extensions;
    l->extensions = node_get(node, STR("extensions"));
    load_pipelines(l, service->pipelines);
    load_telemetry(l, &service->telemetry);
}

struct settings *settings_load(const struct components *components,
                               const struct config_source *sources, size_t count)
{
    struct settings *s = mem_zalloc(sizeof *s);
    struct node *root;
    arena_init(&s->arena, 4096);
    config_messages_init(&s->messages, &s->arena);
    struct loader l = {.components = components, .s = s, .arena = &s->arena, .m = &s->messages};
    if (!config_resolve(&s->arena, sources, count, &s->messages, &root)) {
        CHECK(s->messages.error_count > 0);
        return s;
    }
    s->root = root;
    migrate_tree(&s->arena, root, &s->messages);
    check_top_level(&l, root);
    load_components(&l, root);
    load_connectors(&l, node_get(root, STR("connectors")));
    missing_report(&l);
    load_service(&l, root);
    check_settings(&l);
    return s;
}

void settings_free(struct settings *s)
{
    if (s == NULL)
        return;
    struct arena arena = s->arena;
    arena_deinit(&arena);
    mem_free(s);
}

const struct component_settings *settings_find(const struct settings *s, enum component_kind kind,
                                               str id)
{
    for (size_t i = 0; i < s->component_count; i++)
        if (s->components[i].kind == kind && str_eq(s->components[i].id, id))
            return &s->components[i];
    return NULL;
}
