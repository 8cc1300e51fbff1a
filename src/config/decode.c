/*
 * From a tree to a typed structure by its field table: blocks and their order of things. Values are
 * in decode_value.c.
 *
 * Life of a block: defaults (inner blocks first, so that the outer one may change them), then each
 * written key finds its field and is decoded over the default. When the whole structure was
 * readable, checks run, inner blocks first. Every fault is a message at the place of its value;
 * decoding goes on with the next key, so that all faults are found in one go.
 *
 * Null keeps the default, as if the key were not written. An optional block is off, off with
 * defaults ready (any mention turns it on), or on; `enabled: false` inside turns it off, and then
 * its rules do not apply. Specification: the OpenTelemetry Collector's confmap decoding; where that
 * drops a fraction in silence (1.5 as an integer), this is an error.
 */
#include "config/decode.h"

#include "base/nearest.h"

static void decode_block(struct decoder *d, const struct config_schema *schema,
                         const struct node *node, str path, char *out, bool is_optional);

static bool is_inner(const struct config_field *f)
{
    return !f->deprecated && (f->type == CONFIG_BLOCK || f->type == CONFIG_OPTIONAL);
}

static bool *optional_flag(const struct config_field *f, char *out)
{
    return (bool *)(void *)(out + f->flag_offset);
}

static bool is_zero(const char *bytes, size_t count)
{
    return count == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, count - 1) == 0);
}

static void apply_defaults(const struct config_schema *schema, char *out)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (is_inner(&schema->fields[i]))
            apply_defaults(schema->fields[i].block, out + schema->fields[i].offset);
    if (schema->defaults != NULL)
        schema->defaults(out);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct config_field *f = &schema->fields[i];
        if (!is_inner(f))
            continue;
        if (is_zero(out + f->offset, f->block->size))
            apply_defaults(f->block, out + f->offset);
        if (f->type == CONFIG_OPTIONAL)
            *optional_flag(f, out) = f->optional == OPTIONAL_SOME;
    }
}

static void decode_blocks(struct decoder *d, const struct config_field *f, const struct node *n,
                          str path, struct config_blocks *out)
{
    bool is_map = f->type == CONFIG_BLOCK_MAP;
    if (n->kind == NODE_NULL) {
        *out = (struct config_blocks){0};
        return;
    }
    if (is_map && n->kind != NODE_MAP) {
        decode_not_a_map(d, n, path);
        return;
    }
    if (!is_map && !decode_check_list(d, n, path))
        return;
    struct config_blocks blocks = {.items = arena_array(d->arena, f->block->size, n->count),
                                   .keys = is_map ? ARENA_ARRAY(d->arena, str, n->count) : NULL};
    for (const struct node *item = n->first; item != NULL; item = item->next) {
        str item_path = is_map ? path_join(d->arena, path, item->key)
                               : path_index(d->arena, path, blocks.count);
        char *block = (char *)blocks.items + blocks.count * f->block->size;
        if (is_map)
            blocks.keys[blocks.count] = item->key;
        apply_defaults(f->block, block);
        decode_block(d, f->block, item, item_path, block, false);
        blocks.count++;
    }
    *out = blocks;
}

static void decode_optional(struct decoder *d, const struct config_field *f, const struct node *n,
                            str path, char *out, bool *on)
{
    if (n->kind == NODE_NULL && (f->optional == OPTIONAL_NONE || n->has_original)) {
        *on = false; /* a variable that is not set does not turn anything on */
        return;
    }
    *on = true;
    const struct node *enabled = node_get(n, STR("enabled"));
    if (enabled != NULL && enabled->kind != NODE_BOOL)
        config_error(d->messages, &enabled->place, path,
                     "unexpected type %s for 'enabled': expected 'true' or 'false'",
                     node_kind_name(enabled));
    else if (enabled != NULL)
        *on = enabled->boolean;
    /* What is off is read all the same, so that a wrong key is found, and then forgotten. */
    void *defaults = arena_alloc(d->arena, f->block->size);
    memcpy(defaults, out, f->block->size);
    decode_block(d, f->block, n, path, out, true);
    if (!*on)
        memcpy(out, defaults, f->block->size);
}

/* Not what a variable without a value has become: that empties the field. */
static bool is_plain_null(const struct node *n)
{
    return n->kind == NODE_NULL && !n->has_original;
}

static void decode_field(struct decoder *d, const struct config_field *f, const struct node *n,
                         str path, char *out)
{
    char *member = out + f->offset;
    if (f->deprecated) {
        config_warning(d->messages, &n->key_place, path, "is deprecated and has no effect%s%s",
                       f->note == NULL ? "" : ": ", f->note == NULL ? "" : f->note);
    } else if (f->type == CONFIG_BLOCK) {
        decode_block(d, f->block, n, path, member, false);
    } else if (f->type == CONFIG_OPTIONAL) {
        decode_optional(d, f, n, path, member, optional_flag(f, out));
    } else if (is_plain_null(n) && f->type != CONFIG_ANY) {
        return; /* the default stays */
    } else if (f->type == CONFIG_BLOCK_LIST || f->type == CONFIG_BLOCK_MAP) {
        decode_blocks(d, f, n, path, (void *)member);
    } else {
        decode_value(d, f, n, path, member);
    }
}

static const struct config_field *find_field(const struct config_schema *schema, str key)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (str_eqz(key, schema->fields[i].key))
            return &schema->fields[i];
    return NULL;
}

static void unknown_key(struct decoder *d, const struct config_schema *schema, const struct node *n,
                        str path)
{
    str *words = ARENA_ARRAY(d->arena, str, schema->field_count);
    size_t count = 0;
    for (size_t i = 0; i < schema->field_count; i++)
        if (!schema->fields[i].deprecated)
            words[count++] = str_from(schema->fields[i].key);
    str nearest = nearest_word(n->key, words, count);
    if (nearest.len > 0) {
        config_error(d->messages, &n->key_place, path,
                     "has invalid keys: %.*s; did you mean \"%.*s\"?", STR_ARG(n->key),
                     STR_ARG(nearest));
    } else if (count == 0) {
        config_error(d->messages, &n->key_place, path,
                     "has invalid keys: %.*s; there are no settings here", STR_ARG(n->key));
    } else {
        str choices = config_choices(d->arena, STR(""), words, count);
        config_error(d->messages, &n->key_place, path, "has invalid keys: %.*s (valid keys: %.*s)",
                     STR_ARG(n->key), STR_ARG(choices));
    }
}

/* Over the defaults that are in `out`. */
static void decode_block(struct decoder *d, const struct config_schema *schema,
                         const struct node *node, str path, char *out, bool is_optional)
{
    if (node->kind != NODE_MAP && node->kind != NODE_NULL) {
        decode_not_a_map(d, node, path);
        return;
    }
    for (const struct node *n = node->first; n != NULL; n = n->next) {
        const struct config_field *f = find_field(schema, n->key);
        if (is_optional && str_eqz(n->key, "enabled"))
            continue;
        if (f == NULL) {
            unknown_key(d, schema, n, path);
            continue;
        }
        if (f->means_written && !is_plain_null(n))
            *optional_flag(f, out) = true;
        decode_field(d, f, n, path_join(d->arena, path, n->key), out);
    }
}

static void check_block(struct decoder *d, const struct config_schema *schema,
                        const struct node *node, str path, const struct place *place, char *out);

/* `n` NULL: the field was not written; faults of its block are then shown at `place`, that of the
 * block around it. */
static void check_field(struct decoder *d, const struct config_field *f, const struct node *n,
                        str path, const struct place *place, char *out)
{
    str inner = path_join(d->arena, path, str_from(f->key));
    const struct place *at = n != NULL ? &n->place : place;
    if (f->type == CONFIG_BLOCK || (f->type == CONFIG_OPTIONAL && *optional_flag(f, out))) {
        check_block(d, f->block, n, inner, at, out + f->offset);
    } else if (f->type == CONFIG_BLOCK_LIST || f->type == CONFIG_BLOCK_MAP) {
        const struct config_blocks *blocks = (void *)(out + f->offset);
        const struct node *item = n == NULL ? NULL : n->first;
        for (size_t i = 0; i < blocks->count; i++) {
            str item_path = blocks->keys == NULL ? path_index(d->arena, inner, i)
                                                 : path_join(d->arena, inner, blocks->keys[i]);
            check_block(d, f->block, item, item_path, item != NULL ? &item->place : at,
                        (char *)blocks->items + i * f->block->size);
            item = item == NULL ? NULL : item->next;
        }
    }
}

static void check_block(struct decoder *d, const struct config_schema *schema,
                        const struct node *node, str path, const struct place *place, char *out)
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (!schema->fields[i].deprecated)
            check_field(d, &schema->fields[i], node_get(node, str_from(schema->fields[i].key)),
                        path, place, out);
    if (schema->check == NULL)
        return;
    const struct node unwritten = {.kind = NODE_NULL, .place = *place};
    struct config_check check = {d->messages, node == NULL ? &unwritten : node, path, d->arena};
    schema->check(out, &check);
}

void *config_decode(struct arena *a, const struct config_schema *schema, const struct node *node,
                    str path, const struct place *place, struct config_messages *m)
{
    struct decoder d = {a, m};
    char *out = arena_zalloc(a, schema->size);
    const struct node unwritten = {.kind = NODE_NULL};
    const struct place *at = place != NULL ? place : node != NULL ? &node->place : &unwritten.place;
    size_t errors = m->error_count;
    apply_defaults(schema, out);
    decode_block(&d, schema, node == NULL ? &unwritten : node, path, out, false);
    if (m->error_count == errors)
        check_block(&d, schema, node, path, at, out);
    return out;
}
