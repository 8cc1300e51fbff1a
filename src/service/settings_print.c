/*
 * The configuration in force, with all defaults, as YAML or JSON: what print-config shows. Can be
 * read in again (unless secrets were redacted). The receiver's election key, which its schema does
 * not know, is put back at the end of its block.
 */
#include "service/settings_internal.h"

static struct node *new_map(struct arena *a)
{
    struct node *n = ARENA_NEW(a, struct node);
    n->kind = NODE_MAP;
    return n;
}

static void append(struct node *parent, struct node *child, str key)
{
    child->key = key;
    child->next = NULL;
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

static struct node *new_text(struct arena *a, str text)
{
    struct node *n = ARENA_NEW(a, struct node);
    n->kind = NODE_STRING;
    n->quoted = true;
    n->text = text;
    return n;
}

static struct node *print_ids(struct arena *a, const struct config_strs *ids)
{
    struct node *list = ARENA_NEW(a, struct node);
    list->kind = NODE_LIST;
    for (size_t i = 0; i < ids->count; i++)
        append(list, new_text(a, ids->items[i]), STR_NONE);
    return list;
}

static struct node *print_section(struct arena *a, const struct settings *s,
                                  enum component_kind kind, bool redact)
{
    struct node *section = new_map(a);
    for (size_t i = 0; i < s->component_count; i++) {
        const struct component_settings *c = &s->components[i];
        if (c->kind != kind || c->type == NULL)
            continue;
        struct node *n = config_encode(a, c->schema, c->config, redact);
        if (c->elector_id.len > 0)
            append(n, new_text(a, c->elector_id), c->elector_key);
        append(section, n, c->id);
    }
    return section;
}

static struct node *print_pipelines(struct arena *a, const struct settings *s)
{
    struct node *pipelines = new_map(a);
    for (size_t i = 0; i < s->pipeline_count; i++) {
        const struct pipeline_settings *p = &s->pipelines[i];
        struct node *n = new_map(a);
        append(n, print_ids(a, &p->receivers), STR("receivers"));
        append(n, print_ids(a, &p->processors), STR("processors"));
        append(n, print_ids(a, &p->exporters), STR("exporters"));
        append(pipelines, n, p->id);
    }
    return pipelines;
}

void settings_print(struct buf *b, const struct settings *s, bool as_json, bool redact)
{
    struct arena a;
    arena_init(&a, 4096);
    struct node *root = new_map(&a);
    for (enum component_kind kind = COMPONENT_RECEIVER; kind <= COMPONENT_EXTENSION; kind++)
        append(root, print_section(&a, s, kind, redact), str_from(kind_section(kind)));
    if (s->service != NULL) {
        const struct service_settings *service = s->service;
        struct node *n = new_map(&a);
        append(n, print_ids(&a, &s->extensions), STR("extensions"));
        append(n, print_pipelines(&a, s), STR("pipelines"));
        append(n, config_encode(&a, &telemetry_schema, &service->telemetry, redact),
               STR("telemetry"));
        append(root, n, STR("service"));
    }
    if (as_json)
        node_print_json(b, root);
    else
        yaml_print(b, root);
    arena_deinit(&a);
}
