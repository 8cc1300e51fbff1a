/*
 * Values of fields: one function for each type of the field table.
 *
 * Types are strict, there is no conversion but these: text with commas to a list of texts, text to
 * durations, enums and ids, a whole number to a duration (nanoseconds), and the raw text of a
 * ${...} to a text. A null that came out of a ${...} makes texts, numbers and lists empty; a
 * written null never comes here. Values of fields marked secret never reach a message.
 */
#include <math.h>

#include "base/limits.h"
#include "config/decode.h"
#include "wire/text.h"

str path_join(struct arena *a, str path, str key)
{
    if (path.len == 0)
        return key;
    return arena_printf(a, "%.*s::%.*s", STR_ARG(path), STR_ARG(key));
}

str path_index(struct arena *a, str path, size_t index)
{
    return arena_printf(a, "%.*s::%zu", STR_ARG(path), index);
}

const char *node_kind_name(const struct node *n)
{
    static const char *const names[] = {"nil", "bool", "int", "float64", "string", "list", "map"};
    return names[n->kind];
}

/* A value in quotes for a message, cut; empty for what may be a secret, and collections. */
static str show(struct decoder *d, const struct config_field *f, const struct node *n)
{
    enum { SHOWN_BYTES_MAX = 100 };
    if (f->secret || n->expanded || n->kind == NODE_LIST || n->kind == NODE_MAP ||
        n->kind == NODE_NULL)
        return STR("");
    struct buf b;
    buf_init(&b, 4 * KIB);
    buf_byte(&b, ' ');
    buf_json_string(&b, n->text.len > SHOWN_BYTES_MAX ? str_make(n->text.data, SHOWN_BYTES_MAX)
                                                      : n->text);
    str shown = arena_str(d->arena, buf_view(&b));
    buf_deinit(&b);
    return shown;
}

static void wrong_type(struct decoder *d, const struct config_field *f, const struct node *n,
                       str path, const char *expected, const char *hint)
{
    str shown = show(d, f, n);
    config_error(d->messages, &n->place, path,
                 "expected type '%s', got unconvertible type '%s'%.*s%s%s", expected,
                 node_kind_name(n), STR_ARG(shown), hint[0] == '\0' ? "" : "; ", hint);
}

/* Text fields: what was written, or the provider's raw text. */
static bool text_of(const struct node *n, str *text)
{
    if (n->has_original)
        *text = n->original;
    else if (n->kind == NODE_STRING)
        *text = n->text;
    else if (n->kind == NODE_NULL)
        *text = STR("");
    else
        return false;
    return true;
}

static void decode_str(struct decoder *d, const struct config_field *f, const struct node *n,
                       str path, str *out)
{
    if (text_of(n, out))
        return;
    bool scalar = n->kind != NODE_LIST && n->kind != NODE_MAP;
    wrong_type(d, f, n, path, "string", scalar ? "put the value in quotes" : "");
}

static bool is_yes_or_no(str s)
{
    static const char *const words[] = {"yes", "no", "on", "off", "y", "n", "true", "false"};
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (str_eq_nocase(s, str_from(words[i])))
            return true;
    return false;
}

static void decode_bool(struct decoder *d, const struct config_field *f, const struct node *n,
                        str path, bool *out)
{
    if (n->kind == NODE_BOOL)
        *out = n->boolean;
    else if (n->kind == NODE_NULL)
        *out = false;
    else
        wrong_type(d, f, n, path, "bool",
                   n->kind == NODE_STRING && is_yes_or_no(n->text)
                       ? "only true and false, without quotes, are of type bool"
                       : "write true or false");
}

/* A whole number; floats without a fraction count (1e3). */
static bool whole_number(const struct node *n, int64_t *out)
{
    if (n->kind == NODE_INT) {
        *out = n->integer;
        return true;
    }
    if (n->kind != NODE_DOUBLE || n->real != trunc(n->real) || fabs(n->real) >= 9.2e18)
        return false;
    *out = (int64_t)n->real;
    return true;
}

static void decode_int(struct decoder *d, const struct config_field *f, const struct node *n,
                       str path, int64_t *out)
{
    int64_t value = 0;
    if (n->kind != NODE_NULL && !whole_number(n, &value)) {
        wrong_type(d, f, n, path, "int",
                   n->kind == NODE_STRING   ? "write a whole number without quotes"
                   : n->kind == NODE_DOUBLE ? "a whole number of at most 64 bits is needed"
                                            : "");
        return;
    }
    if (f->min < f->max && (value < f->min || value > f->max)) {
        if (f->max == INT64_MAX)
            config_error(d->messages, &n->place, path, "must be at least %" PRId64 ", got %" PRId64,
                         f->min, value);
        else
            config_error(d->messages, &n->place, path,
                         "must be between %" PRId64 " and %" PRId64 ", got %" PRId64, f->min,
                         f->max, value);
        return;
    }
    *out = value;
}

static void decode_double(struct decoder *d, const struct config_field *f, const struct node *n,
                          str path, double *out)
{
    if (n->kind == NODE_DOUBLE)
        *out = n->real;
    else if (n->kind == NODE_INT)
        *out = (double)n->integer;
    else if (n->kind == NODE_NULL)
        *out = 0;
    else
        wrong_type(d, f, n, path, "float64",
                   n->kind == NODE_STRING ? "write a number without quotes" : "");
}

static void decode_duration(struct decoder *d, const struct config_field *f, const struct node *n,
                            str path, int64_t *out)
{
    struct err err;
    int64_t ns = 0;
    if (n->kind == NODE_STRING) {
        if (duration_parse(n->text, &ns, &err)) {
            *out = ns;
        } else {
            str shown = show(d, f, n);
            config_error(d->messages, &n->place, path,
                         "%s%.*s; write a duration such as 10s or 1m30s", err.text, STR_ARG(shown));
        }
    } else if (n->kind == NODE_NULL || whole_number(n, &ns)) {
        *out = ns;
    } else {
        wrong_type(d, f, n, path, "time.Duration", "write a duration such as 10s or 1m30s");
    }
}

/* Choices that are written without quotes, and that YAML takes for a boolean: auto | true | false. */
static bool bool_choice(const struct config_field *f, const struct node *n, str *text)
{
    if (n->kind != NODE_BOOL)
        return false;
    *text = n->boolean ? STR("true") : STR("false");
    for (size_t i = 0; f->choices[i] != NULL; i++) {
        if (str_eq(*text, str_from(f->choices[i])))
            return true;
    }
    return false;
}

static void decode_enum(struct decoder *d, const struct config_field *f, const struct node *n,
                        str path, int *out)
{
    str text;
    if (n->kind == NODE_NULL)
        return;
    if (!bool_choice(f, n, &text) && !text_of(n, &text)) {
        wrong_type(d, f, n, path, "string", "");
        return;
    }
    size_t count = 0;
    for (; f->choices[count] != NULL; count++) {
        str choice = str_from(f->choices[count]);
        if (f->choices_any_case ? str_eq_nocase(text, choice) : str_eq(text, choice)) {
            *out = (int)count;
            return;
        }
    }
    str *words = ARENA_ARRAY(d->arena, str, count);
    for (size_t i = 0; i < count; i++)
        words[i] = str_from(f->choices[i]);
    const struct node shown_node = {.kind = NODE_STRING, .text = text, .expanded = n->expanded};
    str shown = show(d, f, &shown_node);
    str choices = config_choices(d->arena, text, words, count);
    config_error(d->messages, &n->place, path, "invalid value%.*s (valid values: %.*s)",
                 STR_ARG(shown), STR_ARG(choices));
}

static void decode_id(struct decoder *d, const struct config_field *f, const struct node *n,
                      str path, str *out)
{
    struct err err;
    str type, name;
    if (n->kind == NODE_NULL)
        *out = STR("");
    else if (n->kind != NODE_STRING)
        wrong_type(d, f, n, path, "component.ID", "write an id: type or type/name");
    else if (!component_id_parse(n->text, &type, &name, &err))
        config_error(d->messages, &n->place, path, "%s",
                     n->expanded ? "what the variable holds is no component id (type or type/name)"
                                 : err.text);
    else if (name.len > 0)
        *out = arena_printf(d->arena, "%.*s/%.*s", STR_ARG(type), STR_ARG(name));
    else
        *out = type;
}

/* Text at commas; no text is no item. */
static void split(struct decoder *d, str text, struct config_strs *out)
{
    size_t count = text.len == 0 ? 0 : 1;
    for (size_t i = 0; i < text.len; i++)
        count += text.data[i] == ',';
    out->items = ARENA_ARRAY(d->arena, str, count);
    out->count = count;
    for (size_t i = 0; i < count; i++)
        str_cut(text, ',', &out->items[i], &text);
}

void decode_not_a_map(struct decoder *d, const struct node *n, str path)
{
    config_error(d->messages, &n->place, path, "expected a map or struct, got \"%s\"",
                 node_kind_name(n));
}

bool decode_check_list(struct decoder *d, const struct node *n, str path)
{
    if (n->kind != NODE_LIST)
        config_error(d->messages, &n->place, path, "source data must be an array or slice, got %s",
                     node_kind_name(n));
    return n->kind == NODE_LIST;
}

static void decode_list(struct decoder *d, const struct config_field *f, const struct node *n,
                        str path, struct config_strs *out)
{
    bool is_ids = f->type == CONFIG_ID_LIST;
    if (n->kind == NODE_NULL) {
        *out = (struct config_strs){0};
        return;
    }
    if (!is_ids && n->kind == NODE_STRING) {
        split(d, n->text, out);
        return;
    }
    if (!decode_check_list(d, n, path))
        return;
    struct config_strs list = {.items = ARENA_ARRAY(d->arena, str, n->count)};
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        str item_path = path_index(d->arena, path, list.count);
        if (is_ids && item->kind == NODE_NULL)
            config_error(d->messages, &item->place, item_path, "id must not be empty");
        else if (is_ids)
            decode_id(d, f, item, item_path, &list.items[list.count++]);
        else
            decode_str(d, f, item, item_path, &list.items[list.count++]);
    }
    *out = list;
}

/* The second form of a map: a list of {name, value}. */
static void decode_pair_list(struct decoder *d, const struct config_field *f, const struct node *n,
                             str path, struct config_pairs *out)
{
    size_t index = 0;
    out->items = ARENA_ARRAY(d->arena, struct config_pair, n->count);
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        str item_path = path_index(d->arena, path, index++);
        const struct node *name = node_get(item, STR("name")),
                          *value = node_get(item, STR("value"));
        if (name == NULL || item->count != (value == NULL ? 1 : 2)) {
            config_error(d->messages, &item->place, item_path,
                         "expected a map with the keys name and value");
            continue;
        }
        struct config_pair *pair = &out->items[out->count];
        decode_str(d, f, name, path_join(d->arena, item_path, STR("name")), &pair->key);
        if (value != NULL)
            decode_str(d, f, value, path_join(d->arena, item_path, STR("value")), &pair->value);
        for (size_t i = 0; i < out->count; i++)
            if (str_eq(out->items[i].key, pair->key))
                config_error(d->messages, &name->place, item_path,
                             "duplicate keys in map-style list: [%.*s]", STR_ARG(pair->key));
        out->count++;
    }
}

static void decode_pairs(struct decoder *d, const struct config_field *f, const struct node *n,
                         str path, struct config_pairs *out)
{
    struct config_pairs pairs = {0};
    if (n->kind == NODE_LIST) {
        decode_pair_list(d, f, n, path, &pairs);
    } else if (n->kind == NODE_MAP) {
        pairs.items = ARENA_ARRAY(d->arena, struct config_pair, n->count);
        for (const struct node *item = n->first; item != NULL; item = item->next) {
            struct config_pair *pair = &pairs.items[pairs.count++];
            pair->key = item->key;
            decode_str(d, f, item, path_join(d->arena, path, item->key), &pair->value);
        }
    } else if (n->kind != NODE_NULL) {
        decode_not_a_map(d, n, path);
        return;
    }
    *out = pairs;
}

void decode_value(struct decoder *d, const struct config_field *f, const struct node *n, str path,
                  void *member)
{
    switch (f->type) {
    case CONFIG_STR:
        decode_str(d, f, n, path, member);
        break;
    case CONFIG_BOOL:
        decode_bool(d, f, n, path, member);
        break;
    case CONFIG_INT:
        decode_int(d, f, n, path, member);
        break;
    case CONFIG_DOUBLE:
        decode_double(d, f, n, path, member);
        break;
    case CONFIG_DURATION:
        decode_duration(d, f, n, path, member);
        break;
    case CONFIG_ENUM:
        decode_enum(d, f, n, path, member);
        break;
    case CONFIG_STR_LIST:
    case CONFIG_ID_LIST:
        decode_list(d, f, n, path, member);
        break;
    case CONFIG_STR_MAP:
        decode_pairs(d, f, n, path, member);
        break;
    case CONFIG_ID:
        decode_id(d, f, n, path, member);
        break;
    case CONFIG_ANY:
        *(const struct node **)member = n;
        break;
    case CONFIG_BLOCK:
    case CONFIG_OPTIONAL:
    case CONFIG_BLOCK_LIST:
    case CONFIG_BLOCK_MAP:
        CHECK(false);
    }
}
