/*
 * A plan carried out on the text of a file: what `baton migrate` writes.
 *
 * Life of a migration: the text is read into a tree whose nodes know their bytes -> plan -> edits at
 * these bytes (the old receiver's entry, references in pipelines, the two places for extensions) ->
 * the new text is read again and compared with the plan carried out on the tree. Only if both are
 * the same configuration it is handed out. So the edits may be simple: what they cannot do right
 * (an anchor that went away while something still refers to it, a tag, a key with `?`) is refused
 * and never written wrong.
 *
 * What has nothing to do with it keeps its bytes. The old receiver's child keeps its own text, moved
 * to the left; style follows the surroundings: blocks in blocks, brackets in brackets, double quotes
 * where the surroundings are JSON. An anchored child is left unchanged for its other users and
 * merged into the new receiver by `<<`. Specification: leader_election 3.4.
 */
#include "config/migrate_edit.h"
#include "base/limits.h"
#include "config/resolve.h"

struct rewriter {
    struct editor e;
    struct migration p;
    struct config_messages *m;
    const struct node *receivers, *extensions, *service; /* of the root */
    struct comments *comments;                           /* of each old receiver */
    size_t step;                                         /* columns of one level in this file */
    bool json;                                           /* keys in double quotes, in braces */
};

static bool refuse(struct rewriter *w, const struct place *place, str path, const char *why)
{
    config_error(w->m, place, path, "%s", why);
    return false;
}

static str take(struct rewriter *w, struct buf *b)
{
    str text = arena_str(w->e.arena, buf_view(b));
    buf_deinit(b);
    return text;
}

/* ---- the receiver ---- */

static void put_member(struct rewriter *w, struct buf *b, const struct old_singleton *s)
{
    buf_text(b, w->json ? "\"k8s_leader_elector\": " : "k8s_leader_elector: ");
    scalar_print(b, s->lease->extension_id, w->json);
}

static void put_receiver_comments(struct rewriter *w, struct buf *b, const struct comment *list,
                                  uint32_t at, size_t indent)
{
    if (list != NULL && at > 0 && strchr(" \t\n", w->e.text.data[at - 1]) == NULL)
        buf_byte(b, ' ');
    for (; list != NULL; list = list->next) {
        buf_str(b, list->text);
        buf_newline(&w->e, b, indent);
    }
}

/* Is the child written here, in the old receiver's own entry? */
static bool child_is_here(const struct old_singleton *s)
{
    const struct node *receiver = node_get(s->node, STR("receiver"));
    return !s->node->aliased && !receiver->aliased && receiver->key_span.end > 0 &&
           s->child->key_span.end > 0;
}

/* A child that stands somewhere else is written out. */
static void put_resolved(struct rewriter *w, struct buf *b, const struct old_singleton *s,
                         bool block, size_t indent)
{
    struct node map = *s->child, *elector = ARENA_NEW(w->e.arena, struct node);
    struct buf text;
    map.first = map.last = NULL;
    map.count = 0;
    map.kind = NODE_MAP;
    *elector = (struct node){.kind = NODE_STRING, .text = s->lease->extension_id};
    elector->key = STR("k8s_leader_elector");
    for (const struct node *c = s->child->first; c != NULL || elector != NULL;) {
        struct node *copy = elector;
        if (c != NULL) {
            copy = ARENA_NEW(w->e.arena, struct node);
            *copy = *c;
            copy->next = NULL;
            c = c->next;
        } else {
            elector = NULL;
        }
        if (map.last == NULL)
            map.first = copy;
        else
            map.last->next = copy;
        map.last = copy;
        map.count++;
    }
    buf_init(&text, LIMIT_CONFIG_FILE_BYTES);
    if (block)
        yaml_print(&text, &map);
    else
        node_print_json(&text, &map);
    str rest = str_trim(buf_view(&text)), line;
    buf_text(b, block ? "" : " ");
    for (bool more = true; more;) {
        more = str_cut(rest, '\n', &line, &rest);
        if (block)
            buf_newline(&w->e, b, indent + w->step);
        buf_str(b, line);
        if (!block && more)
            buf_text(b, w->e.newline);
    }
    buf_deinit(&text);
}

/* The child's block of lines, from behind its key; `shift` is how far it moves. */
static bool put_block(struct rewriter *w, struct buf *b, const struct old_singleton *s,
                      int64_t shift, size_t indent)
{
    const struct node *child = s->child;
    uint32_t end = block_end(&w->e, child->span.end);
    size_t member;
    if (child->anchored) {
        /* Its other users get no elector: it is merged, one level deeper. */
        buf_byte(b, ':');
        buf_newline(&w->e, b, indent + w->step);
        put_member(w, b, s);
        buf_newline(&w->e, b, indent + w->step);
        buf_text(b, "<<: ");
        copy_shifted(&w->e, b, child->span.begin, end, shift + (int64_t)w->step);
        return true;
    }
    if (!indent_of(&w->e, child->span.begin, &member))
        return false;
    member = (size_t)((int64_t)member + shift);
    if (block_is_open(&w->e, child)) {
        copy_shifted(&w->e, b, child->key_span.end, child->span.begin, shift);
        put_member(w, b, s);
        buf_newline(&w->e, b, member);
        copy_shifted(&w->e, b, child->span.begin, end, shift);
        return true;
    }
    copy_shifted(&w->e, b, child->key_span.end, end, shift);
    buf_newline(&w->e, b, member);
    put_member(w, b, s);
    return true;
}

/* A child whose value is in braces, an alias, or nothing; `block`: its key has a line of its own. */
static void put_inline(struct rewriter *w, struct buf *b, const struct old_singleton *s, bool block,
                       size_t indent)
{
    const struct node *child = s->child;
    str raw = editor_raw(&w->e, child->span);
    const char *before, *after;
    if (child->kind == NODE_NULL && block) {
        buf_newline(&w->e, b, indent + w->step);
        put_member(w, b, s);
    } else if (child->kind == NODE_NULL) {
        buf_text(b, " {");
        put_member(w, b, s);
        buf_byte(b, '}');
    } else if (child->aliased && block) {
        buf_newline(&w->e, b, indent + w->step);
        buf_printf(b, "<<: %.*s", STR_ARG(raw));
        buf_newline(&w->e, b, indent + w->step);
        put_member(w, b, s);
    } else if (child->aliased || child->anchored) {
        buf_printf(b, " {<<: %.*s, ", STR_ARG(raw)); /* in quotes it merges nothing */
        put_member(w, b, s);
        buf_byte(b, '}');
    } else {
        uint32_t at = flow_end(&w->e, child, &before, &after);
        buf_printf(b, " %.*s%s", (int)(at - child->span.begin), raw.data, before);
        put_member(w, b, s);
        buf_text(b, after);
        buf_str(b, editor_raw(&w->e, (struct byte_span){at, child->span.end}));
    }
}

static void put_key(struct rewriter *w, struct buf *b, const struct old_singleton *s, bool here)
{
    if (here && str_eq(s->new_id, s->child_id))
        buf_str(b, editor_raw(&w->e, s->child->key_span));
    else
        scalar_print(b, s->new_id, w->json);
}

static bool edit_receiver(struct rewriter *w, const struct old_singleton *s)
{
    const struct node *n = s->node, *child = s->child;
    bool block = !w->receivers->flow, here = child_is_here(s), ok = true;
    bool child_block = here && child->kind == NODE_MAP && !child->flow && !child->aliased;
    size_t indent = 0, child_indent = 0;
    str path = arena_printf(w->e.arena, "receivers::%.*s", STR_ARG(s->id));
    struct buf b;
    if (n->key_span.end == 0 || w->receivers->aliased)
        return refuse(w, &s->place, path,
                      "comes by an alias, `<<` or a key with ::, which cannot be edited: write it "
                      "out");
    if (block && !indent_of(&w->e, n->key_span.begin, &indent))
        return refuse(w, &s->place, path, "the key must begin its line");
    if (child_block && !indent_of(&w->e, child->key_span.begin, &child_indent))
        return refuse(w, &child->key_place, path, "the key must begin its line");
    uint32_t end = block ? block_end(&w->e, n->span.end) : n->span.end;
    struct byte_span child_span = {0};
    if (here) {
        child_span.begin = child->key_span.begin;
        child_span.end =
            child->span.end > child->key_span.end ? child->span.end : child->key_span.end;
        child_span.end = child_block ? block_end(&w->e, child_span.end) : child_span.end;
    }
    bool new_section = w->extensions == NULL || w->extensions->kind == NODE_NULL;
    bool extension_lines = new_section ? !w->p.root->flow : !w->extensions->flow;
    struct comments *comments = &w->comments[s - w->p.singletons];
    comments_gather(&w->e, s, child_span, end, !extension_lines || !s->owns_lease, comments);
    buf_init(&b, LIMIT_CONFIG_FILE_BYTES * 2);
    put_receiver_comments(w, &b, comments->receiver, n->key_span.begin, indent);
    put_key(w, &b, s, here);
    if (!child_block)
        buf_byte(&b, ':');
    if (child_block)
        ok = put_block(w, &b, s, (int64_t)indent - (int64_t)child_indent, indent);
    else if (here)
        put_inline(w, &b, s, block && !node_get(n, STR("receiver"))->flow, indent);
    else
        put_resolved(w, &b, s, block, indent);
    editor_replace(&w->e, n->key_span.begin, end, take(w, &b));
    return ok || refuse(w, &s->place, path, "its layout cannot be edited");
}

/* ---- the extension ---- */

/* A value as it was written, unless it stands elsewhere or would mean something else in braces. */
static void put_value(struct rewriter *w, struct buf *b, const struct node *n, bool flow)
{
    str raw = n->span.end > 0 && !n->aliased ? editor_raw(&w->e, n->span) : STR("");
    size_t at;
    bool plain = raw.len > 0 && raw.data[0] != '"' && raw.data[0] != '\'';
    bool keep = raw.len > 0 && !str_find(raw, STR("\n"), &at) && !(plain && w->json);
    for (size_t i = 0; keep && flow && plain && i < raw.len; i++)
        keep = strchr(",[]{}", raw.data[i]) == NULL;
    if (keep)
        buf_str(b, raw);
    else
        scalar_print(b, n->text, w->json);
}

static void put_extension_lines(struct rewriter *w, struct buf *b, const struct old_lease *lease,
                                const struct comments *comments, size_t indent)
{
    for (const struct comment *c = comments->extension; c != NULL; c = c->next) {
        buf_str(b, c->text);
        buf_newline(&w->e, b, indent);
    }
    scalar_print(b, lease->extension_id, false);
    buf_byte(b, ':');
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (lease->settings[i] == NULL)
            continue;
        for (const struct comment *c = comments->above[i]; c != NULL; c = c->next) {
            buf_newline(&w->e, b, indent + w->step);
            buf_str(b, c->text);
        }
        buf_newline(&w->e, b, indent + w->step);
        buf_printf(b, "%s: ", lease_setting_keys[i]);
        put_value(w, b, lease->settings[i], false);
        for (const struct comment *c = comments->beside[i]; c != NULL; c = c->next)
            buf_printf(b, " %.*s", STR_ARG(c->text));
    }
}

static void put_extension_flow(struct rewriter *w, struct buf *b, const struct old_lease *lease)
{
    const char *separator = "";
    const char *quote = w->json ? "\"" : "";
    scalar_print(b, lease->extension_id, w->json);
    buf_text(b, ": {");
    for (size_t i = 0; i < SETTING_COUNT; i++) {
        if (lease->settings[i] == NULL)
            continue;
        buf_printf(b, "%s%s%s%s: ", separator, quote, lease_setting_keys[i], quote);
        put_value(w, b, lease->settings[i], true);
        separator = ", ";
    }
    buf_byte(b, '}');
}

/* All new extensions: entries at `indent`, the first at the present position; or members of braces. */
static void put_extensions(struct rewriter *w, struct buf *b, bool flow, size_t indent)
{
    size_t count = 0;
    for (size_t i = 0; i < w->p.singleton_count; i++) {
        const struct old_singleton *s = &w->p.singletons[i];
        if (!s->owns_lease)
            continue;
        if (count++ > 0 && flow)
            buf_text(b, ", ");
        else if (count > 1)
            buf_newline(&w->e, b, indent);
        if (flow)
            put_extension_flow(w, b, s->lease);
        else
            put_extension_lines(w, b, s->lease, &w->comments[i], indent);
    }
}

/* A section that was not there goes in front of the receivers. */
static bool new_extensions(struct rewriter *w)
{
    uint32_t key = w->receivers->key_span.begin, at = key;
    size_t indent = 0;
    struct buf b;
    buf_init(&b, LIMIT_CONFIG_FILE_BYTES);
    if (w->p.root->flow) {
        buf_text(&b, w->json ? "\"extensions\": {" : "extensions: {");
        put_extensions(w, &b, true, 0);
        buf_text(&b, "},");
        if (indent_of(&w->e, key, &indent))
            buf_newline(&w->e, &b, indent);
        else
            buf_byte(&b, ' ');
    } else {
        bool ok = indent_of(&w->e, key, &indent);
        at = comments_begin(&w->e, key);
        buf_spaces(&b, indent);
        buf_text(&b, "extensions:");
        buf_newline(&w->e, &b, indent + w->step);
        put_extensions(w, &b, false, indent + w->step);
        buf_text(&b, w->e.newline);
        uint32_t above = at > 0 ? line_begin(&w->e, at - 1) : at;
        if (above < at && line_end(&w->e, above) == above) /* blank lines between sections */
            buf_text(&b, w->e.newline);
        if (!ok) {
            buf_deinit(&b);
            return refuse(w, &w->receivers->key_place, STR("receivers"),
                          "the key must begin its line");
        }
    }
    editor_replace(&w->e, at, at, take(w, &b));
    return true;
}

/* Columns of the keys of a block of members. */
static bool members_indent(struct rewriter *w, const struct node *map, size_t *indent,
                           uint32_t *first)
{
    for (const struct node *n = map->first; n != NULL; n = n->next) {
        if (n->key_span.end == 0)
            continue;
        *first = n->key_span.begin;
        return indent_of(&w->e, n->key_span.begin, indent);
    }
    return false;
}

static bool add_extensions(struct rewriter *w)
{
    const struct node *n = w->extensions;
    const char *before, *after;
    uint32_t at, first;
    size_t indent = 0;
    struct buf b;
    buf_init(&b, LIMIT_CONFIG_FILE_BYTES);
    if (n->kind == NODE_NULL && w->p.root->flow) {
        buf_text(&b, is_behind_blank(&w->e, n->span.begin) ? "{" : " {");
        put_extensions(w, &b, true, 0);
        buf_byte(&b, '}');
        editor_replace(&w->e, n->span.begin, n->span.end, take(w, &b));
    } else if (n->kind == NODE_NULL) {
        bool ok = indent_of(&w->e, n->key_span.begin, &indent);
        buf_newline(&w->e, &b, indent + w->step);
        put_extensions(w, &b, false, indent + w->step);
        bool blank = n->span.end > n->span.begin && is_behind_blank(&w->e, n->span.begin);
        editor_replace(&w->e, n->span.begin - blank, n->span.end, STR(""));
        at = block_end(&w->e, n->span.end);
        editor_replace(&w->e, at, at, take(w, &b));
        return ok || refuse(w, &n->key_place, STR("extensions"), "the key must begin its line");
    } else if (n->flow) {
        at = flow_end(&w->e, n, &before, &after);
        buf_text(&b, before);
        put_extensions(w, &b, true, 0);
        buf_text(&b, after);
        editor_replace(&w->e, at, at, take(w, &b));
    } else if (members_indent(w, n, &indent, &first)) {
        at = block_is_open(&w->e, n) ? first : block_end(&w->e, n->span.end);
        if (at != first)
            buf_newline(&w->e, &b, indent);
        put_extensions(w, &b, false, indent);
        if (at == first)
            buf_newline(&w->e, &b, indent);
        editor_replace(&w->e, at, at, take(w, &b));
    } else {
        buf_deinit(&b);
        return refuse(w, &n->place, STR("extensions"), "its layout cannot be edited");
    }
    return true;
}

static bool edit_extensions(struct rewriter *w)
{
    if (w->extensions == NULL)
        return new_extensions(w);
    if (w->extensions->kind != NODE_NULL && w->extensions->kind != NODE_MAP)
        return refuse(w, &w->extensions->place, STR("extensions"),
                      node_is_reference(w->extensions)
                          ? "comes from a ${...}: nothing can be added to it; write it here"
                          : "expected a map of extensions");
    if (w->extensions->aliased || w->extensions->key_span.end == 0)
        return refuse(w, &w->extensions->place, STR("extensions"),
                      "comes by an alias, `<<` or a key with ::, which cannot be edited: write it "
                      "out");
    return add_extensions(w);
}

/* ---- the service ---- */

/* The ids for service.extensions, with `separator` between them. */
static size_t put_ids(struct rewriter *w, struct buf *b, const char *separator, size_t indent)
{
    size_t count = 0;
    for (size_t i = 0; i < w->p.lease_count; i++) {
        if (!w->p.leases[i].used)
            continue;
        if (count++ > 0 && indent == SIZE_MAX)
            buf_text(b, separator);
        if (indent != SIZE_MAX) {
            buf_newline(&w->e, b, indent);
            buf_text(b, "- ");
        }
        scalar_print(b, w->p.leases[i].extension_id, w->json);
    }
    return count;
}

static void put_id_list(struct rewriter *w, struct buf *b, bool with_key)
{
    buf_text(b, !with_key ? "[" : w->json ? "\"extensions\": [" : "extensions: [");
    put_ids(w, b, ", ", SIZE_MAX);
    buf_byte(b, ']');
}

static bool new_id_list(struct rewriter *w)
{
    const struct node *service = w->service;
    const char *before, *after;
    struct buf b;
    buf_init(&b, LIMIT_CONFIG_FILE_BYTES);
    if (service->flow) {
        uint32_t at = flow_end(&w->e, service, &before, &after);
        buf_text(&b, before);
        put_id_list(w, &b, true);
        buf_text(&b, after);
        editor_replace(&w->e, at, at, take(w, &b));
        return true;
    }
    uint32_t first = 0;
    size_t indent = 0;
    if (!members_indent(w, service, &indent, &first)) {
        buf_deinit(&b);
        return refuse(w, &service->place, STR("service"), "its layout cannot be edited");
    }
    uint32_t at = comments_begin(&w->e, first);
    buf_spaces(&b, indent);
    put_id_list(w, &b, true);
    buf_text(&b, w->e.newline);
    editor_replace(&w->e, at, at, take(w, &b));
    return true;
}

/* Columns in front of the dash of the first item. */
static bool dash_indent(struct rewriter *w, const struct node *list, size_t *indent)
{
    uint32_t at = list->first->span.begin;
    while (at > 0 && strchr(" \t\r\n", w->e.text.data[at - 1]) != NULL)
        at--;
    return at > 0 && w->e.text.data[at - 1] == '-' && indent_of(&w->e, at - 1, indent);
}

static bool add_ids(struct rewriter *w, const struct node *list)
{
    const char *before, *after;
    size_t indent = 0;
    uint32_t at = 0;
    bool ok = true;
    struct buf b;
    buf_init(&b, LIMIT_CONFIG_FILE_BYTES);
    if (list->kind == NODE_NULL) {
        buf_text(&b, is_behind_blank(&w->e, list->span.begin) ? "" : " ");
        put_id_list(w, &b, false);
        editor_replace(&w->e, list->span.begin, list->span.end, take(w, &b));
    } else if (list->flow) {
        at = flow_end(&w->e, list, &before, &after);
        buf_text(&b, before);
        put_ids(w, &b, ", ", SIZE_MAX);
        buf_text(&b, after);
        editor_replace(&w->e, at, at, take(w, &b));
    } else {
        ok = dash_indent(w, list, &indent);
        put_ids(w, &b, "", indent);
        at = block_end(&w->e, list->span.end);
        editor_replace(&w->e, at, at, take(w, &b));
    }
    return ok || refuse(w, &list->place, STR("service::extensions"), "its layout cannot be edited");
}

static bool edit_service(struct rewriter *w)
{
    bool used = false;
    for (size_t i = 0; i < w->p.lease_count; i++)
        used = used || w->p.leases[i].used;
    if (!used)
        return true;
    const struct node *list = node_get(w->service, STR("extensions"));
    if (w->service->aliased || w->service->key_span.end == 0)
        return refuse(w, &w->service->place, STR("service"),
                      "comes by an alias, `<<` or a key with ::, which cannot be edited: write it "
                      "out");
    if (list == NULL)
        return new_id_list(w);
    if (list->kind != NODE_NULL && list->kind != NODE_LIST)
        return refuse(w, &list->place, STR("service::extensions"),
                      node_is_reference(list)
                          ? "comes from a ${...}: nothing can be added to it; write it here"
                          : "expected a list of extensions");
    if (list->aliased || list->key_span.end == 0)
        return refuse(w, &list->place, STR("service::extensions"),
                      "comes by an alias, `<<` or a key with ::, which cannot be edited: write it "
                      "out");
    return add_ids(w, list);
}

/* An id keeps its kind of quotes. One that several pipelines have by an alias is edited once. */
static void edit_references(struct rewriter *w)
{
    for (size_t i = 0; i < w->p.reference_count; i++) {
        const struct old_reference *r = &w->p.references[i];
        struct byte_span span = r->item->span;
        bool known = false;
        for (const struct edit *e = w->e.edits; e != NULL; e = e->next)
            known = known || (e->begin == span.begin && e->end == span.end);
        if (known)
            continue;
        struct buf b;
        buf_init(&b, LIMIT_CONFIG_FILE_BYTES);
        str raw = editor_raw(&w->e, span);
        bool quoted = raw.len > 0 && raw.data[0] == '"';
        scalar_print(&b, r->singleton->new_id, quoted);
        if (raw.len > 0 && raw.data[0] == '\'' && b.data[0] != '"') {
            buf_clear(&b);
            buf_printf(&b, "'%.*s'", STR_ARG(r->singleton->new_id));
        }
        editor_replace(&w->e, span.begin, span.end, take(w, &b));
    }
}

/* ---- what this file does not show ---- */

/* Pipelines may stand in another file, or name receivers through ${...}: then they cannot be kept in step. */
static void check_references(struct rewriter *w, bool unused)
{
    const struct node *pipelines = node_get(w->service, STR("pipelines"));
    for (const struct node *n = pipelines != NULL ? pipelines->first : NULL; n != NULL;
         n = n->next) {
        const struct node *list = node_get(n, STR("receivers"));
        str id, path = arena_printf(w->e.arena, "service::pipelines::%.*s", STR_ARG(n->key));
        if (list != NULL && list->kind == NODE_STRING && node_is_reference(list) && unused)
            refuse(w, &list->place, path, "this ${...} may name an old receiver: write the list");
        for (const struct node *item = list != NULL ? list->first : NULL; item != NULL;
             item = item->next) {
            if (item->kind != NODE_STRING)
                continue;
            bool known = false;
            for (size_t i = 0; i < w->p.reference_count; i++)
                known = known || w->p.references[i].item == item;
            if (!known && id_is_old(w->e.arena, item->text, &id))
                config_error(w->m, &item->place, path,
                             "\"%.*s\" is not among the receivers of this file: what it becomes "
                             "must be written here by hand",
                             STR_ARG(id));
            else if (unused && node_is_reference(item))
                refuse(w, &item->place, path, "this ${...} may name an old receiver: write its id");
        }
    }
}

static void check_whole(struct rewriter *w)
{
    bool unused = false;
    const struct node *pipelines = node_get(w->service, STR("pipelines"));
    if (w->m->error_count > 0)
        return;
    for (size_t i = 0; i < w->p.singleton_count; i++)
        unused = unused || !w->p.singletons[i].used;
    if (w->p.singleton_count > 0 && (pipelines == NULL || pipelines->kind != NODE_MAP)) {
        const struct old_singleton *s = &w->p.singletons[0];
        config_error(
            w->m, &s->place, STR("receivers"),
            "this file has no service::pipelines, where \"%.*s\" is to be replaced by "
            "\"%.*s\": migrate a file that is a whole configuration, or write that by hand",
            STR_ARG(s->id), STR_ARG(s->new_id));
        return;
    }
    check_references(w, unused);
}

/* ---- is it what it should be? ---- */

static bool same_tree(const struct node *a, const struct node *b);

/* Members may stand in another order; most do not. */
static bool same_members(const struct node *a, const struct node *b)
{
    const struct node *next = b->first;
    if (a->count != b->count)
        return false;
    for (const struct node *n = a->first; n != NULL; n = n->next) {
        const struct node *other =
            next != NULL && str_eq(next->key, n->key) ? next : node_get(b, n->key);
        if (other == NULL || !same_tree(n, other))
            return false;
        next = other->next;
    }
    return true;
}

static bool same_tree(const struct node *a, const struct node *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case NODE_NULL:
        return true;
    case NODE_BOOL:
        return a->boolean == b->boolean;
    case NODE_INT:
        return a->integer == b->integer;
    case NODE_DOUBLE:
        return a->real == b->real || (a->real != a->real && b->real != b->real);
    case NODE_STRING:
        return str_eq(a->text, b->text);
    case NODE_MAP:
        return same_members(a, b);
    case NODE_LIST:
        break;
    }
    const struct node *x = a->first, *y = b->first;
    for (; x != NULL && y != NULL; x = x->next, y = y->next)
        if (!same_tree(x, y))
            return false;
    return x == NULL && y == NULL;
}

static bool read_tree(struct arena *a, str source, str text, struct config_messages *m,
                      struct node **root, struct err *err)
{
    struct resolver r = {.arena = a, .messages = m};
    return yaml_parse(a, source, text, root, err) &&
           ((*root)->kind != NODE_MAP || merge_split_keys(&r, *root, err));
}

/* Carries the plan out on the tree and compares. */
static bool verify(struct rewriter *w, str source, str text)
{
    struct node *root;
    struct err err = {.text = "it would mean something else"};
    bool ok = read_tree(w->e.arena, source, text, w->m, &root, &err);
    migration_apply(&w->p);
    if (ok && same_tree(w->p.root, root))
        return true;
    struct buf b;
    buf_init(&b, LIMIT_MIGRATE_SHOWN_BYTES);
    buf_text(&b, "the layout of this file (anchors, tags, keys with ?) is too involved to be "
                 "edited; write the new form by hand");
    if (!ok)
        buf_printf(&b, " (else: %s)", err.text);
    config_error_text(w->m, &w->p.singletons[0].place, STR("receivers"), buf_view(&b));
    buf_deinit(&b);
    return false;
}

static void init(struct rewriter *w, struct arena *a, str text)
{
    size_t at;
    w->receivers = node_get(w->p.root, STR("receivers"));
    w->extensions = node_get(w->p.root, STR("extensions"));
    w->service = node_get(w->p.root, STR("service"));
    w->comments = ARENA_ARRAY(a, struct comments, w->p.singleton_count);
    bool crlf = str_find(text, STR("\n"), &at) && at > 0 && text.data[at - 1] == '\r';
    w->e = (struct editor){.arena = a, .text = text, .newline = crlf ? "\r\n" : "\n"};
    w->step = 2;
    if (w->receivers == NULL || w->receivers->kind != NODE_MAP || w->receivers->count == 0)
        return;
    const struct node *first = w->receivers->first;
    bool lines = !w->p.root->flow && !w->receivers->flow && first->key_span.end > 0;
    if (lines && first->key_place.column > w->receivers->key_place.column)
        w->step = first->key_place.column - w->receivers->key_place.column;
    w->json =
        w->receivers->flow && first->key_span.end > 0 && text.data[first->key_span.begin] == '"';
}

static enum migrate_result rewrite(struct rewriter *w, str source, str *out)
{
    struct config_messages *m = w->m;
    for (size_t i = 0; i < w->p.singleton_count; i++)
        if (!edit_receiver(w, &w->p.singletons[i]))
            return MIGRATE_FAILED;
    if (!edit_extensions(w) || !edit_service(w))
        return MIGRATE_FAILED;
    edit_references(w);
    if (!editor_apply(&w->e, out)) {
        refuse(w, &w->p.singletons[0].place, STR("receivers"),
               "aliases make edits overlap: write the new form by hand");
        return MIGRATE_FAILED;
    }
    if (!verify(w, source, *out) || m->error_count > 0)
        return MIGRATE_FAILED;
    migration_advise(&w->p);
    return w->p.lost_count > 0 ? MIGRATE_PARTLY : MIGRATE_DONE;
}

enum migrate_result migrate_text(struct arena *a, str source, str text, struct config_messages *m,
                                 str *out)
{
    struct rewriter w = {.m = m};
    struct node *root;
    struct err err;
    *out = STR_NONE;
    if (!str_is_utf8(text)) {
        config_error(m, &(struct place){source, 1, 1}, STR(""), "the text must be UTF-8");
        return MIGRATE_FAILED;
    }
    if (!read_tree(a, source, text, m, &root, &err)) {
        config_error(m, NULL, STR(""), "%s", err.text);
        return MIGRATE_FAILED;
    }
    if (root->kind != NODE_MAP && root->kind != NODE_NULL) {
        config_error(m, &root->place, STR(""),
                     "expected a map (receivers:, exporters:, service: ...)");
        return MIGRATE_FAILED;
    }
    if (root->more_documents)
        config_warning(m, &root->place, STR(""),
                       "only the first YAML document is read and migrated; more text follows it");
    migration_plan(&w.p, a, root, m);
    init(&w, a, text);
    check_whole(&w);
    enum migrate_result result = m->error_count > 0         ? MIGRATE_FAILED
                                 : w.p.singleton_count == 0 ? MIGRATE_NOTHING
                                                            : rewrite(&w, source, out);
    if (result == MIGRATE_NOTHING)
        *out = text;
    if (result == MIGRATE_FAILED)
        *out = STR_NONE;
    return result;
}
