/*
 * The sections receivers, processors, exporters and extensions: ids, types, typed configurations.
 *
 * A receiver's election key (one of three spellings) is taken out of its node here, before the
 * receiver's own schema sees it, so that every receiver can be elected. Whether it names a fitting
 * extension is a rule over the whole, in settings_check.c.
 *
 * Ids with an unknown type are kept, without a type, so that what refers to them is not reported a
 * second time; they are reported together (settings_missing.c). Specification: collector_host 1.5, 1.6, 1.8; leader_election 0 (spellings).
 */
#include "service/settings_internal.h"

static const char *const elector_keys[] = {"leaderelector", "leader_elector", "k8s_leader_elector"};

static bool is_elector_key(str key)
{
    for (size_t i = 0; i < COUNT_OF(elector_keys); i++)
        if (str_eqz(key, elector_keys[i]))
            return true;
    return false;
}

str settings_path(struct arena *a, const char *section, str id)
{
    return arena_printf(a, "%s::%.*s", section, STR_ARG(id));
}

str settings_canonical_id(struct arena *a, str type, str name)
{
    if (name.len == 0)
        return arena_str(a, type);
    return arena_printf(a, "%.*s/%.*s", STR_ARG(type), STR_ARG(name));
}

/* ---- the election key ---- */

static void take_elector(struct loader *l, struct component_settings *c, const struct node *n,
                         str path)
{
    struct err err;
    str type, name, key_path = arena_printf(l->arena, "%.*s::%.*s", STR_ARG(path), STR_ARG(n->key));
    if (c->elector_key.len > 0) {
        config_error(l->m, &n->key_place, key_path,
                     "\"%.*s\" and \"%.*s\" are spellings of one key; keep one of them",
                     STR_ARG(c->elector_key), STR_ARG(n->key));
        return;
    }
    if (n->kind == NODE_NULL)
        return;
    c->elector_key = n->key;
    c->elector_place = n->place;
    if (n->kind != NODE_STRING)
        config_error(l->m, &n->place, key_path,
                     "must be the id of a leader elector extension, such as k8s_leader_elector");
    else if (!component_id_parse(n->text, &type, &name, &err))
        config_error(l->m, &n->place, key_path, "%s",
                     n->expanded ? "what the variable holds is no component id" : err.text);
    else
        c->elector_id = settings_canonical_id(l->arena, type, name);
}

/* A copy of the receiver's node without the election key. */
static const struct node *without_elector(struct loader *l, struct component_settings *c,
                                          const struct node *from, str path)
{
    if (from->kind != NODE_MAP)
        return from;
    struct node *map = ARENA_NEW(l->arena, struct node);
    *map = *from;
    map->first = map->last = NULL;
    map->count = 0;
    for (const struct node *n = from->first; n != NULL; n = n->next) {
        if (is_elector_key(n->key)) {
            take_elector(l, c, n, path);
            continue;
        }
        struct node *member = ARENA_NEW(l->arena, struct node);
        *member = *n;
        member->next = NULL;
        if (map->last == NULL)
            map->first = member;
        else
            map->last->next = member;
        map->last = member;
        map->count++;
    }
    return map;
}

/* ---- one component ---- */

static void load_component(struct loader *l, struct component_settings *c, const struct node *n)
{
    struct type_info info;
    if (!type_find(l->components, c->kind, c->type_name, &info)) {
        missing_add(l, kind_section(c->kind), c->type_name, c->id, &c->place);
        return;
    }
    /* All spellings of a leader elector are equal; elsewhere an alias is an old name. */
    if (!str_eqz(c->type_name, info.name) && !info.is_elector)
        config_warning(l->m, &c->place, str_from(kind_section(c->kind)),
                       "\"%.*s\" alias is deprecated; use \"%s\" instead", STR_ARG(c->type_name),
                       info.name);
    str path = settings_path(l->arena, kind_section(c->kind), c->id);
    c->type = info.type;
    c->schema = info.schema;
    c->node = c->kind == COMPONENT_RECEIVER ? without_elector(l, c, n, path) : n;
    c->config = config_decode(l->arena, c->schema, c->node, path, &c->place, l->m);
}

/* Fills `c` with the id; false after an error. */
static bool load_id(struct loader *l, struct component_settings *c, enum component_kind kind,
                    const struct node *n)
{
    struct err err;
    str path = str_from(kind_section(kind));
    if (!component_id_parse(n->key, &c->type_name, &c->name, &err)) {
        config_error(l->m, &n->key_place, path, "%s", err.text);
        return false;
    }
    c->kind = kind;
    c->id = settings_canonical_id(l->arena, c->type_name, c->name);
    c->place = n->key_place;
    if (settings_find(l->s, kind, c->id) != NULL) {
        config_error(l->m, &n->key_place, path, "duplicate name \"%.*s\" after unmarshaling %.*s",
                     STR_ARG(n->key), STR_ARG(c->id));
        return false;
    }
    return true;
}

static void load_section(struct loader *l, enum component_kind kind, const struct node *section)
{
    if (section == NULL || section->kind == NODE_NULL)
        return;
    if (section->kind != NODE_MAP) {
        config_error(l->m, &section->place, str_from(kind_section(kind)),
                     "expected a map of ids to configurations, such as \"%s:\"",
                     kind == COMPONENT_EXTENSION ? "leader_elector" : "nop");
        return;
    }
    for (const struct node *n = section->first; n != NULL; n = n->next) {
        struct component_settings c = {0};
        if (!load_id(l, &c, kind, n))
            continue;
        load_component(l, &c, n);
        l->s->components[l->s->component_count++] = c;
    }
}

void load_components(struct loader *l, const struct node *root)
{
    const struct node *sections[COMPONENT_EXTENSION + 1];
    size_t count = 0;
    for (enum component_kind kind = COMPONENT_RECEIVER; kind <= COMPONENT_EXTENSION; kind++) {
        sections[kind] = node_get(root, str_from(kind_section(kind)));
        count += sections[kind] == NULL ? 0 : sections[kind]->count;
    }
    l->s->components = ARENA_ARRAY(l->arena, struct component_settings, count);
    for (enum component_kind kind = COMPONENT_RECEIVER; kind <= COMPONENT_EXTENSION; kind++)
        load_section(l, kind, sections[kind]);
}
