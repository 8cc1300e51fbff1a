/*
 * From the locations of the command line to one tree.
 *
 * Life of a configuration: each --config, then each --set, is retrieved, must be a map, has its
 * "::" keys split and is merged over what there is; then references are expanded. Every location is
 * read even if one before it failed, so that all faults of reading are shown together; expansion
 * happens only if all were read.
 *
 * A place names the file as it was given. Text from the command line itself is named "--set KEY" or
 * "yaml:", without its values, which may be secrets. Specification: the OpenTelemetry Collector's
 * confmap resolver.
 */
#include "base/limits.h"
#include "config/resolve.h"

/* A location without a colon, and one that begins with a drive letter, is a file. */
static bool is_bare_path(str location)
{
    size_t at;
    if (!str_find(location, STR(":"), &at))
        return true;
    return at == 1 && ((location.data[0] | 0x20) >= 'a' && (location.data[0] | 0x20) <= 'z');
}

static bool retrieve_location(struct resolver *r, str location, struct retrieved *out,
                              struct err *err)
{
    str scheme, opaque;
    if (is_bare_path(location))
        return provider_retrieve(r, STR("file"), location, out, err);
    if (!location_split(location, &scheme, &opaque))
        return err_set(err, "invalid uri: \"%.*s\"", STR_ARG(location));
    if (!scheme_is_known(scheme) && !str_starts_with(scheme, STR("http")))
        return err_set(err, "unsupported scheme on URI \"%.*s\" (schemes: env, file, yaml)",
                       STR_ARG(location));
    return provider_retrieve(r, scheme, opaque, out, err);
}

/* --set a.b=v is the YAML a::b: v. */
static bool retrieve_set(struct resolver *r, str setting, struct retrieved *out, struct err *err)
{
    str key, value;
    if (!str_cut(setting, '=', &key, &value))
        return err_set(err, "missing equal sign");
    key = str_trim(key);
    struct buf b;
    buf_init(&b, LIMIT_CONFIG_FILE_BYTES);
    for (size_t i = 0; i < key.len; i++) {
        if (key.data[i] == '.')
            buf_text(&b, "::");
        else
            buf_byte(&b, key.data[i]);
    }
    buf_text(&b, ": ");
    buf_str(&b, str_trim(value));
    out->source = arena_printf(r->arena, "--set %.*s", STR_ARG(key));
    out->text = arena_str(r->arena, buf_view(&b));
    buf_deinit(&b);
    return true;
}

/* On the command line line and column mean nothing. */
static void forget_lines(struct node *n)
{
    n->place.line = n->key_place.line = 0;
    for (struct node *child = n->first; child != NULL; child = child->next)
        forget_lines(child);
}

static bool read_source(struct resolver *r, const struct config_source *source, struct node **map)
{
    struct retrieved got = {0};
    struct err err, hint;
    bool ok = source->is_set ? retrieve_set(r, source->location, &got, &err)
                             : retrieve_location(r, source->location, &got, &err);
    if (!ok) {
        config_error(r->messages, NULL, STR(""), "%s%s", source->is_set ? "--set: " : "", err.text);
        return false;
    }
    if (got.is_unset)
        config_warning(r->messages, NULL, STR(""),
                       "%.*s: this environment variable is not set, taken as empty",
                       STR_ARG(got.source));
    struct node *n = provider_value(r, &got, &hint);
    bool from_command_line = source->is_set || str_eqz(got.source, "yaml:");
    if (from_command_line)
        forget_lines(n);
    if (n->kind != NODE_MAP && n->kind != NODE_NULL) {
        if (hint.text[0] != '\0')
            config_error(r->messages, NULL, STR(""), "%s (the contents are not valid YAML)",
                         hint.text);
        else
            config_error(r->messages, &n->place, STR(""),
                         "retrieved value (type=%s) cannot be used as a Conf: a map is needed "
                         "(receivers:, exporters:, service: ...)",
                         n->kind == NODE_LIST ? "list" : "string");
        return false;
    }
    if (n->more_documents && !from_command_line)
        config_warning(r->messages, &n->place, STR(""),
                       "only the first YAML document is read, more text follows it");
    if (n->kind == NODE_MAP && !merge_split_keys(r, n, &err)) {
        config_error(r->messages, &n->place, STR(""), "%s", err.text);
        return false;
    }
    *map = n->kind == NODE_MAP ? n : NULL;
    return true;
}

bool config_resolve(struct arena *a, const struct config_source *sources, size_t count,
                    struct config_messages *m, struct node **root)
{
    struct resolver r = {.arena = a, .messages = m};
    bool ok = true;
    *root = ARENA_NEW(a, struct node);
    (*root)->kind = NODE_MAP;
    if (count == 0) {
        config_error(m, NULL, STR(""), "at least one config flag must be provided");
        return false;
    }
    for (int sets = 0; sets <= 1; sets++) {
        for (size_t i = 0; i < count; i++) {
            struct node *map = NULL;
            if (sources[i].is_set != (sets == 1))
                continue;
            if (!read_source(&r, &sources[i], &map))
                ok = false;
            else if (map != NULL && (*root)->place.source.len == 0)
                (*root)->place = map->place;
            if (map != NULL)
                merge_into(*root, map);
        }
    }
    return ok && expand_all(&r, *root);
}
