/*
 * Where configuration text comes from: file:PATH, env:NAME[:-DEFAULT], yaml:TEXT.
 *
 * A provider gives text. What the text means is decided in one place for all of them: it is read as
 * YAML; a YAML string is worth its raw text, quotes included; text that is no YAML at all is a
 * string too; anything else has its type, and keeps its raw text for fields that want text. http:
 * and https: are refused: reading over the network at start is a way not to start.
 *
 * Errors never show the text itself, which may hold a secret. Specification: the stock providers of
 * the OpenTelemetry Collector.
 */
#include "base/limits.h"
#include "config/resolve.h"
#include "io/file.h"

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

bool location_split(str location, str *scheme, str *opaque)
{
    if (!str_cut(location, ':', scheme, opaque) || scheme->len < 2 || !is_letter(scheme->data[0]))
        return false;
    for (size_t i = 1; i < scheme->len; i++) {
        char c = scheme->data[i];
        if (!is_letter(c) && !is_digit(c) && c != '+' && c != '.' && c != '-')
            return false;
    }
    return true;
}

bool scheme_is_known(str scheme)
{
    return str_eqz(scheme, "file") || str_eqz(scheme, "env") || str_eqz(scheme, "yaml");
}

static bool retrieve_file(struct resolver *r, str path, struct retrieved *out, struct err *err)
{
    if (path.len == 0 || memchr(path.data, '\0', path.len) != NULL)
        return err_set(err, "unable to read the file file:: a path is missing");
    struct buf text;
    buf_init(&text, LIMIT_CONFIG_FILE_BYTES);
    bool ok = file_read(arena_cstr(r->arena, path), &text, err);
    if (ok) {
        out->source = path;
        out->text = arena_str(r->arena, buf_view(&text));
    } else {
        err_wrap(err, "unable to read the file file:%.*s", STR_ARG(path));
    }
    buf_deinit(&text);
    return ok;
}

static bool is_variable_name(str name)
{
    if (name.len == 0 || !(is_letter(name.data[0]) || name.data[0] == '_'))
        return false;
    for (size_t i = 1; i < name.len; i++)
        if (!is_letter(name.data[i]) && !is_digit(name.data[i]) && name.data[i] != '_')
            return false;
    return true;
}

static bool retrieve_env(struct resolver *r, str opaque, struct retrieved *out, struct err *err)
{
    size_t at;
    bool has_default = str_find(opaque, STR(":-"), &at);
    str name = has_default ? str_make(opaque.data, at) : opaque;
    if (!is_variable_name(name))
        return err_set(err,
                       "environment variable \"%.*s\" has invalid name: must match regex "
                       "^[a-zA-Z_][a-zA-Z0-9_]*$",
                       STR_ARG(name));
    str value;
    if (!env_get(arena_cstr(r->arena, name), &value)) {
        value = has_default ? str_skip(opaque, at + 2) : STR("");
        out->is_unset = !has_default;
    }
    out->source = arena_printf(r->arena, "env:%.*s", STR_ARG(name));
    out->text = arena_str(r->arena, value);
    return true;
}

bool provider_retrieve(struct resolver *r, str scheme, str opaque, struct retrieved *out,
                       struct err *err)
{
    *out = (struct retrieved){0};
    if (str_eqz(scheme, "env"))
        return retrieve_env(r, opaque, out, err);
    if (str_eqz(scheme, "file"))
        return retrieve_file(r, opaque, out, err);
    if (str_eqz(scheme, "yaml")) {
        out->source = STR("yaml:");
        out->text = arena_str(r->arena, opaque);
        return true;
    }
    if (str_eqz(scheme, "http") || str_eqz(scheme, "https"))
        return err_set(
            err,
            "scheme \"%.*s\" is not supported: baton reads no configuration over the network; "
            "put it into a file (schemes: env, file, yaml)",
            STR_ARG(scheme));
    return err_set(
        err, "scheme \"%.*s\" is not supported for uri \"%.*s:%.*s\" (schemes: env, file, yaml)",
        STR_ARG(scheme), STR_ARG(scheme), STR_ARG(opaque));
}

struct node *provider_value(struct resolver *r, const struct retrieved *from, struct err *hint)
{
    struct node *n;
    hint->text[0] = '\0';
    if (yaml_parse(r->arena, from->source, from->text, &n, hint) && n->kind != NODE_STRING)
        return n;
    n = ARENA_NEW(r->arena, struct node);
    n->kind = NODE_STRING;
    n->quoted = true;
    n->place = (struct place){.source = from->source, .line = 1, .column = 1};
    n->text = from->text;
    return n;
}
