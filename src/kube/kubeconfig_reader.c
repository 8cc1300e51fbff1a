/*
 * Typed access to the fields of a kubeconfig stanza.
 *
 * Every error names file, line, column and field, but never a value: values are tokens and
 * passwords. Numbers and booleans where a text belongs are taken as the text that was written
 * (`token: 1234`), because nobody means anything else by it. Errors are sticky, so that a stanza is
 * read field by field and judged once.
 */
#include "kube/kubeconfig_reader.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/limits.h"
#include "wire/text.h"

void stanza_refuse(struct stanza *s, const struct node *at, const char *field, const char *format,
                   ...)
{
    if (s->failed)
        return;
    s->failed = true;
    char reason[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    struct buf place;
    buf_init(&place, ERR_TEXT_MAX);
    if (at == NULL)
        at = s->node;
    if (at != NULL)
        place_print(&place, &at->place);
    err_set(s->err, "%s%s[%.*s].%s%s%s: %s", buf_cstr(&place), s->section, STR_ARG(s->name),
            s->member, field[0] == '\0' ? "" : ".", field, reason);
    buf_deinit(&place);
}

void stanza_warn(const struct stanza *s, const char *message)
{
    str where = s->node == NULL ? STR_NONE : s->node->place.source;
    log_warn(s->logger, message, F_CSTR("section", s->section), F_STR("name", s->name),
             F_STR("file", where));
}

/* Aliases let a small file name a large text many times, and each name is a copy here. */
static bool has_room(struct stanza *s, const struct node *at, const char *field)
{
    if (s->access->arena.used_bytes <= LIMIT_KUBECONFIG_TEXT_BYTES)
        return true;
    stanza_refuse(s, at, field, "too much text in cluster and user");
    return false;
}

static const struct node *get(const struct node *from, const char *field)
{
    if (from == NULL || from->kind != NODE_MAP)
        return NULL;
    const struct node *found = node_get(from, str_from(field));
    return found == NULL || found->kind == NODE_NULL ? NULL : found;
}

const struct node *stanza_get(const struct stanza *s, const char *field)
{
    return get(s->node, field);
}

str stanza_text(struct stanza *s, const struct node *from, const char *field)
{
    const struct node *n = get(from, field);
    if (n == NULL)
        return STR_NONE;
    if (n->kind == NODE_MAP || n->kind == NODE_LIST) {
        stanza_refuse(s, n, field, "expected a text");
        return STR_NONE;
    }
    size_t pos;
    if (str_find(n->text, str_make("", 1), &pos)) {
        stanza_refuse(s, n, field, "a NUL character in a text");
        return STR_NONE;
    }
    if (n->text.len == 0 || !has_room(s, n, field))
        return STR_NONE;
    return arena_str(&s->access->arena, n->text);
}

bool stanza_item_is_text(struct stanza *s, const struct node *item, const char *field)
{
    bool is_text = item->kind != NODE_MAP && item->kind != NODE_LIST && item->kind != NODE_NULL;
    if (!is_text)
        stanza_refuse(s, item, field, "expected a list of texts");
    return is_text && has_room(s, item, field);
}

bool stanza_bool(struct stanza *s, const struct node *from, const char *field)
{
    const struct node *n = get(from, field);
    if (n == NULL)
        return false;
    if (n->kind != NODE_BOOL) {
        stanza_refuse(s, n, field, "expected true or false");
        return false;
    }
    return n->boolean;
}

str path_resolve(struct arena *a, str directory, str path)
{
    if (path.len == 0 || path.data[0] == '/' || directory.len == 0)
        return arena_str(a, path);
    return arena_printf(a, "%.*s/%.*s", STR_ARG(directory), STR_ARG(path));
}

str stanza_path(struct stanza *s, const char *field)
{
    str path = stanza_text(s, s->node, field);
    return path.len == 0 ? STR_NONE : path_resolve(&s->access->arena, s->directory, path);
}

struct pem_source stanza_pem(struct stanza *s, const char *field, const char *data_field)
{
    struct pem_source source = {.path = stanza_path(s, field)};
    str encoded = stanza_text(s, s->node, data_field);
    if (encoded.len == 0)
        return source;
    struct buf pem;
    buf_init(&pem, LIMIT_SMALL_FILE_BYTES);
    if (!base64_decode(encoded, &pem) || pem.overflow || pem.len == 0)
        stanza_refuse(s, stanza_get(s, data_field), data_field, "expected PEM text in base64");
    else
        source.text = arena_str(&s->access->arena, buf_view(&pem));
    buf_deinit(&pem);
    if (source.path.len > 0) {
        stanza_warn(s, "Both a file and data are given for a certificate or key; the data is used");
        source.path = STR_NONE;
    }
    return source;
}

const struct node *stanza_list(struct stanza *s, const struct node *from, const char *field)
{
    const struct node *n = get(from, field);
    if (n != NULL && n->kind != NODE_LIST) {
        stanza_refuse(s, n, field, "expected a list");
        return NULL;
    }
    return n;
}
