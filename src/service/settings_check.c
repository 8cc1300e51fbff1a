/*
 * Rules over a whole configuration: is there enough of it, does every reference lead somewhere,
 * does every component fit the signal of its pipelines, can the named extensions elect.
 *
 * References to ids whose own section already had an error (unknown type, connectors) are not
 * reported again. Components that nothing uses are read and checked for themselves, but need not
 * fit anything: as in the reference they are never made. Specification: collector_host 1.8, 2.4;
 * the reference finds faulty elector references only at start, here they are found by `validate`,
 * and each of the three faults has its own text.
 */
#include "service/settings_internal.h"

static struct component_settings *find(struct loader *l, enum component_kind kind, str id)
{
    for (size_t i = 0; i < l->s->component_count; i++)
        if (l->s->components[i].kind == kind && str_eq(l->s->components[i].id, id))
            return &l->s->components[i];
    return NULL;
}

/* Nothing was written there; a section of faulty ids is not empty. */
static bool is_empty(const struct loader *l, enum component_kind kind)
{
    const struct node *section = node_get(l->s->root, str_from(kind_section(kind)));
    return section == NULL || section->kind == NODE_NULL ||
           (section->kind == NODE_MAP && section->count == 0);
}

/* Place of item `index` of the list under `key`, of the list, or of what it belongs to. */
static const struct place *item_place(const struct node *list, size_t index,
                                      const struct place *otherwise)
{
    if (list == NULL)
        return otherwise;
    const struct node *item = list->first;
    while (item != NULL && index-- > 0)
        item = item->next;
    return item != NULL ? &item->place : &list->place;
}

/* " (configured: a, b; did you mean "a"?)" */
static str describe_configured(struct loader *l, enum component_kind kind, str wrong)
{
    str *ids = ARENA_ARRAY(l->arena, str, l->s->component_count);
    size_t count = 0;
    for (size_t i = 0; i < l->s->component_count; i++)
        if (l->s->components[i].kind == kind)
            ids[count++] = l->s->components[i].id;
    if (count == 0)
        return arena_printf(l->arena, "; there are no %s", kind_section(kind));
    str choices = config_choices(l->arena, wrong, ids, count);
    return arena_printf(l->arena, " (configured: %.*s)", STR_ARG(choices));
}

/* ---- enough of everything ---- */

static bool has_connectors(const struct loader *l)
{
    return l->connectors != NULL && l->connectors->count > 0;
}

static void check_sections(struct loader *l)
{
    bool empty = !has_connectors(l);
    for (enum component_kind kind = COMPONENT_RECEIVER; kind <= COMPONENT_EXTENSION; kind++)
        empty = empty && is_empty(l, kind);
    if (empty) {
        config_error(l->m, &l->s->root->place, STR(""), "empty configuration file");
        return;
    }
    if (is_empty(l, COMPONENT_RECEIVER))
        config_error(l->m, &l->s->root->place, STR("receivers"),
                     "no receiver configuration specified in config");
    if (is_empty(l, COMPONENT_EXPORTER))
        config_error(l->m, &l->s->root->place, STR("exporters"),
                     "no exporter configuration specified in config");
    const struct node *service = node_get(l->s->root, STR("service"));
    const struct node *pipelines = node_get(service, STR("pipelines"));
    if (pipelines == NULL || pipelines->count == 0)
        config_error(l->m,
                     pipelines != NULL ? &pipelines->key_place
                     : service != NULL ? &service->key_place
                                       : &l->s->root->place,
                     STR("service::pipelines"), "service must have at least one pipeline");
}

static void check_extensions(struct loader *l)
{
    struct config_strs *list = &l->s->extensions;
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        str id = list->items[i];
        const struct place *place = item_place(l->extensions, i, &l->s->root->place);
        struct component_settings *c = find(l, COMPONENT_EXTENSION, id);
        const struct config_strs before = {list->items, kept};
        if (strs_contain(&before, id)) {
            config_warning(l->m, place, STR("service::extensions"), "\"%.*s\" is listed twice",
                           STR_ARG(id));
            continue;
        }
        list->items[kept++] = id;
        if (c != NULL) {
            c->used = true;
            continue;
        }
        str configured = describe_configured(l, COMPONENT_EXTENSION, id);
        config_error(l->m, place, STR("service::extensions"),
                     "references extension \"%.*s\" which is not configured%.*s", STR_ARG(id),
                     STR_ARG(configured));
    }
    list->count = kept;
}

/* ---- pipelines ---- */

static str supported_signals(struct arena *a, unsigned signals)
{
    struct buf b;
    buf_init(&b, 64);
    for (unsigned s = SIGNAL_METRICS; s <= SIGNAL_TRACES; s <<= 1)
        if ((signals & s) != 0)
            buf_printf(&b, "%s%s", b.len == 0 ? "" : ", ", signal_name((enum signal)s));
    str text = arena_str(a, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static void check_signal(struct loader *l, const struct pipeline_settings *p,
                         const struct component_settings *c, const struct place *place, str path)
{
    struct type_info info;
    if (c->type == NULL || !type_find(l->components, c->kind, c->type_name, &info) ||
        (info.signals & p->signal) != 0)
        return;
    str signals = supported_signals(l->arena, info.signals);
    config_error(l->m, place, path,
                 "failed to create \"%.*s\" %s for data type \"%s\": telemetry type is not "
                 "supported (%s supports: %.*s)",
                 STR_ARG(c->id), kind_word(c->kind), signal_name(p->signal), info.name,
                 STR_ARG(signals));
}

/* One list of a pipeline. Ids that stand there again are left out, for processors with an error. */
static void check_list(struct loader *l, struct pipeline_settings *p, const struct node *node,
                       enum component_kind kind, struct config_strs *list)
{
    const struct node *written = node_get(node, str_from(kind_section(kind)));
    str path = settings_path(l->arena, "service::pipelines", p->id);
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        str id = list->items[i];
        const struct place *place = item_place(written, i, &p->place);
        const struct config_strs before = {list->items, kept};
        struct component_settings *c = find(l, kind, id);
        if (id.len == 0)
            continue; /* was no id: reported when it was read */
        if (strs_contain(&before, id)) {
            if (kind == COMPONENT_PROCESSOR)
                config_error(l->m, place, path, "references processor \"%.*s\" multiple times",
                             STR_ARG(id));
            continue;
        }
        list->items[kept++] = id;
        if (c != NULL) {
            c->used = true;
            check_signal(l, p, c, place, path);
        } else if (node_get(l->connectors, id) == NULL &&
                   (kind == COMPONENT_PROCESSOR || !is_empty(l, kind))) {
            str configured = describe_configured(l, kind, id);
            config_error(l->m, place, path, "references %s \"%.*s\" which is not configured%.*s",
                         kind_word(kind), STR_ARG(id), STR_ARG(configured));
        }
    }
    list->count = kept;
}

/* What is there but of a wrong type was reported when it was read. */
static bool lacks(const struct node *pipeline, enum component_kind kind)
{
    const struct node *list = node_get(pipeline, str_from(kind_section(kind)));
    if (pipeline->kind != NODE_MAP && pipeline->kind != NODE_NULL)
        return false;
    return list == NULL || list->kind == NODE_NULL || (list->kind == NODE_LIST && list->count == 0);
}

static void check_pipelines(struct loader *l)
{
    for (size_t i = 0; i < l->s->pipeline_count; i++) {
        struct pipeline_settings *p = &l->s->pipelines[i];
        const struct node *node = l->pipeline_sources[i].node;
        str path = settings_path(l->arena, "service::pipelines", p->id);
        if (lacks(node, COMPONENT_RECEIVER))
            config_error(l->m, &p->place, path, "must have at least one receiver");
        if (lacks(node, COMPONENT_EXPORTER))
            config_error(l->m, &p->place, path, "must have at least one exporter");
        check_list(l, p, node, COMPONENT_RECEIVER, &p->receivers);
        check_list(l, p, node, COMPONENT_PROCESSOR, &p->processors);
        check_list(l, p, node, COMPONENT_EXPORTER, &p->exporters);
    }
}

/* ---- election ---- */

/* "leader_elector, k8s_leader_elector": types that can elect, all spellings. */
static str elector_types(struct loader *l)
{
    struct type_info info;
    struct buf b;
    buf_init(&b, 4096);
    for (size_t i = 0; type_at(l->components, COMPONENT_EXTENSION, i, &info); i++) {
        if (!info.is_elector)
            continue;
        buf_printf(&b, "%s%s", b.len == 0 ? "" : ", ", info.name);
        for (size_t k = 0; info.aliases != NULL && info.aliases[k] != NULL; k++)
            buf_printf(&b, ", %s", info.aliases[k]);
    }
    str text = arena_str(l->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static void check_elector(struct loader *l, const struct component_settings *c)
{
    str path =
        arena_printf(l->arena, "receivers::%.*s::%.*s", STR_ARG(c->id), STR_ARG(c->elector_key));
    str id = c->elector_id;
    const struct component_settings *x = find(l, COMPONENT_EXTENSION, id);
    struct type_info info;
    if (x == NULL) {
        str configured = describe_configured(l, COMPONENT_EXTENSION, id);
        config_error(l->m, &c->elector_place, path,
                     "receiver \"%.*s\" names extension \"%.*s\", which is not configured%.*s; "
                     "configure it under extensions and "
                     "list it in service::extensions",
                     STR_ARG(c->id), STR_ARG(id), STR_ARG(configured));
    } else if (x->type == NULL) {
        return; /* its unknown type was reported */
    } else if (type_find(l->components, COMPONENT_EXTENSION, x->type_name, &info) &&
               !info.is_elector) {
        str types = elector_types(l);
        config_error(l->m, &c->elector_place, path,
                     "receiver \"%.*s\" names extension \"%.*s\", which is of type \"%s\" and not "
                     "a leader elector; name an "
                     "extension of type %.*s",
                     STR_ARG(c->id), STR_ARG(id), info.name, STR_ARG(types));
    } else if (!strs_contain(&l->s->extensions, id)) {
        config_error(l->m, &c->elector_place, path,
                     "receiver \"%.*s\" names extension \"%.*s\", which is configured but missing "
                     "from service::extensions; add "
                     "it there",
                     STR_ARG(c->id), STR_ARG(id));
    }
}

void check_settings(struct loader *l)
{
    size_t before = l->m->error_count;
    check_sections(l);
    check_extensions(l);
    check_pipelines(l);
    for (size_t i = 0; i < l->s->component_count; i++) {
        const struct component_settings *c = &l->s->components[i];
        if (c->kind == COMPONENT_RECEIVER && c->used && c->elector_id.len > 0)
            check_elector(l, c);
    }
    l->m->rule_error_count += l->m->error_count - before;
}
