/*
 * A typed structure back into a tree, defaults included, for print-config.
 *
 * What comes out can be read in again and gives the same structure (tests hold it to that), unless
 * secrets were redacted: blocks that are off are written so that they stay off, ids that are not
 * set are null. Deprecated fields are left out, and so are those that nobody wrote and that would
 * mean something else if somebody had.
 */
#include "base/limits.h"
#include "config/config.h"
#include "wire/text.h"

static const char redacted_text[] = "[REDACTED]";

static struct node *new_node(struct arena *a, enum node_kind kind)
{
    struct node *n = ARENA_NEW(a, struct node);
    n->kind = kind;
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

static struct node *encode_str(struct arena *a, str text, bool redact)
{
    struct node *n = new_node(a, NODE_STRING);
    n->quoted = true;
    n->text = redact && text.len > 0 ? str_from(redacted_text) : text;
    return n;
}

static struct node *encode_strs(struct arena *a, const struct config_strs *strs, bool redact)
{
    struct node *list = new_node(a, NODE_LIST);
    for (size_t i = 0; i < strs->count; i++)
        append(list, encode_str(a, strs->items[i], redact), STR_NONE);
    return list;
}

static struct node *encode_pairs(struct arena *a, const struct config_pairs *pairs, bool redact)
{
    struct node *map = new_node(a, NODE_MAP);
    for (size_t i = 0; i < pairs->count; i++)
        append(map, encode_str(a, pairs->items[i].value, redact), pairs->items[i].key);
    return map;
}

static struct node *encode_duration(struct arena *a, int64_t ns)
{
    struct buf b;
    buf_init(&b, 64);
    duration_print(&b, ns);
    struct node *n = encode_str(a, arena_str(a, buf_view(&b)), false);
    buf_deinit(&b);
    return n;
}

static struct node *encode_blocks(struct arena *a, const struct config_field *f,
                                  const struct config_blocks *blocks, bool redact)
{
    struct node *n = new_node(a, f->type == CONFIG_BLOCK_MAP ? NODE_MAP : NODE_LIST);
    for (size_t i = 0; i < blocks->count; i++) {
        const char *block = (const char *)blocks->items + i * f->block->size;
        append(n, config_encode(a, f->block, block, redact),
               blocks->keys == NULL ? STR_NONE : blocks->keys[i]);
    }
    return n;
}

static struct node *encode_optional(struct arena *a, const struct config_field *f, const char *out,
                                    bool redact)
{
    if (*(const bool *)(const void *)(out + f->flag_offset))
        return config_encode(a, f->block, out + f->offset, redact);
    if (f->optional == OPTIONAL_NONE)
        return new_node(a, NODE_NULL);
    struct node *map = new_node(a, NODE_MAP);
    append(map, new_node(a, NODE_BOOL), STR("enabled"));
    return map;
}

static struct node *encode_any(struct arena *a, const struct node *any, bool redact)
{
    if (any == NULL)
        return new_node(a, NODE_NULL);
    if (redact && any->kind != NODE_NULL)
        return encode_str(a, str_from(redacted_text), false);
    struct node *n = ARENA_NEW(a, struct node);
    *n = *any; /* shares its members, which are not changed */
    return n;
}

static struct node *encode_field(struct arena *a, const struct config_field *f, const char *out,
                                 bool redact)
{
    const void *member = out + f->offset;
    bool hide = redact && f->secret;
    struct node *n;
    switch (f->type) {
    case CONFIG_STR:
        return encode_str(a, *(const str *)member, hide);
    case CONFIG_ID:
        return ((const str *)member)->len == 0 ? new_node(a, NODE_NULL)
                                               : encode_str(a, *(const str *)member, hide);
    case CONFIG_BOOL:
        n = new_node(a, NODE_BOOL);
        n->boolean = *(const bool *)member;
        return n;
    case CONFIG_INT:
        n = new_node(a, NODE_INT);
        n->integer = *(const int64_t *)member;
        return n;
    case CONFIG_DOUBLE:
        n = new_node(a, NODE_DOUBLE);
        n->real = *(const double *)member;
        return n;
    case CONFIG_DURATION:
        return encode_duration(a, *(const int64_t *)member);
    case CONFIG_ENUM:
        return encode_str(a, str_from(f->choices[*(const int *)member]), hide);
    case CONFIG_STR_LIST:
    case CONFIG_ID_LIST:
        return encode_strs(a, member, hide);
    case CONFIG_STR_MAP:
        return encode_pairs(a, member, hide);
    case CONFIG_BLOCK:
        return config_encode(a, f->block, member, redact);
    case CONFIG_OPTIONAL:
        return encode_optional(a, f, out, redact);
    case CONFIG_BLOCK_LIST:
    case CONFIG_BLOCK_MAP:
        return encode_blocks(a, f, member, redact);
    case CONFIG_ANY:
        return encode_any(a, *(const struct node *const *)member, hide);
    }
    CHECK(false);
}

struct node *config_encode(struct arena *a, const struct config_schema *schema, const void *config,
                           bool redact)
{
    struct node *map = new_node(a, NODE_MAP);
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct config_field *f = &schema->fields[i];
        bool is_left_out = f->means_written &&
                           !*(const bool *)(const void *)((const char *)config + f->flag_offset);
        if (!f->deprecated && !is_left_out)
            append(map, encode_field(a, f, config, redact), str_from(f->key));
    }
    return map;
}
