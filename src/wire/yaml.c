/*
 * YAML into a tree of nodes with their places, over libyaml's event interface.
 *
 * Life of a document: libyaml turns bytes into events; one recursive reader (bounded by
 * LIMIT_CONFIG_DEPTH) turns them into nodes. An anchor is remembered when its node is complete; an
 * alias copies that node, so that later stages may change one place without the other. A mapping
 * takes the entries of its `<<` in after its own ones, which therefore win.
 *
 * Spans: libyaml counts characters, we bytes; marks come nearly in order, so that a cursor walks
 * from one to the next. The end of a block collection is that of the last thing in it, since its
 * own event comes after comments. (In UTF-16, spans mean nothing.)
 *
 * Invariants: every node made, copies included, is counted against LIMIT_CONFIG_NODES, so that
 * nested aliases cannot grow without bound; no map has a key twice; keys are never NULL. After an
 * error nothing of the tree is used.
 *
 * Specification: YAML 1.1 as libyaml reads it, meanings as yaml.v3 gives them (only the first
 * document of a stream counts; tags other than !!str !!int !!float !!bool !!null !!timestamp
 * !!binary are ignored and leave scalars strings).
 */
#include <yaml.h>

#include "base/limits.h"
#include "base/map.h"
#include "wire/text.h"
#include "wire/yaml.h"

/* Maps with more keys than this look for duplicates through a hash. */
enum { SMALL_MAP_KEYS = 16 };
/* Configuration is the operator's own, so that a fixed hash key does no harm; LIMIT_CONFIG_NODES
 * bounds the rest. */
static const uint64_t hash_key[2] = {0x62617a6f6e2d7961, 0x6d6c2d6b65797321};

struct anchor {
    struct node *node;
    bool complete;
};
struct reader {
    yaml_parser_t parser;
    yaml_event_t event;
    struct arena *arena;
    struct err *err;
    str source;
    str text;
    size_t node_count;
    struct map anchors; /* name -> struct anchor */
    size_t mark_index;  /* a mark of libyaml, which counts characters, ... */
    uint32_t mark_byte; /* ... and the byte where it is */
    uint32_t last_end;  /* end of the last scalar, alias or bracket: where a block ends */
};

void place_print(struct buf *b, const struct place *p)
{
    if (p == NULL || p->source.len == 0)
        return;
    buf_str(b, p->source);
    if (p->line > 0)
        buf_printf(b, ":%" PRIu32 ":%" PRIu32, p->line, p->column);
    buf_text(b, ": ");
}

struct node *node_get(const struct node *map, str key)
{
    if (map == NULL || map->kind != NODE_MAP)
        return NULL;
    for (struct node *n = map->first; n != NULL; n = n->next)
        if (str_eq(n->key, key))
            return n;
    return NULL;
}

static struct place mark_place(const struct reader *r, yaml_mark_t mark)
{
    return (struct place){r->source, (uint32_t)mark.line + 1, (uint32_t)mark.column + 1};
}

static bool is_inside_character(str text, uint32_t at)
{
    return at < text.len && ((unsigned char)text.data[at] & 0xc0) == 0x80;
}

static uint32_t mark_offset(struct reader *r, yaml_mark_t mark)
{
    for (; r->mark_index < mark.index && r->mark_byte < r->text.len; r->mark_index++)
        do
            r->mark_byte++;
        while (is_inside_character(r->text, r->mark_byte));
    for (; r->mark_index > mark.index && r->mark_byte > 0; r->mark_index--)
        do
            r->mark_byte--;
        while (r->mark_byte > 0 && is_inside_character(r->text, r->mark_byte));
    return r->mark_byte;
}

/* Of the event in r->event, which is whole in itself: a scalar, an alias, the end of a flow. */
static struct byte_span event_span(struct reader *r)
{
    struct byte_span span = {.begin = mark_offset(r, r->event.start_mark)};
    span.end = mark_offset(r, r->event.end_mark);
    if (span.end > r->last_end)
        r->last_end = span.end;
    return span;
}

static void *fail(struct reader *r, struct place place, const char *text)
{
    err_set(r->err, "%.*s:%" PRIu32 ":%" PRIu32 ": %s", STR_ARG(place.source), place.line,
            place.column, text);
    return NULL;
}

/* libyaml tells only the byte offset of characters that it cannot read. */
static struct place offset_place(const struct reader *r, size_t offset)
{
    struct place p = {r->source, 1, 1};
    for (size_t i = 0; i < offset && i < r->text.len; i++) {
        unsigned char c = (unsigned char)r->text.data[i];
        if (c == '\n') {
            p.line++;
            p.column = 1;
        } else if ((c & 0xc0) != 0x80) {
            p.column++;
        }
    }
    return p;
}

/* For messages: in quotes, without control characters. */
static str quoted(struct reader *r, str text)
{
    struct buf b;
    buf_init(&b, 64 * KIB);
    buf_json_string(&b, text);
    str s = arena_str(r->arena, buf_view(&b));
    buf_deinit(&b);
    return s;
}

static bool has_byte_at(const struct reader *r, size_t index, char byte)
{
    return index < r->text.len && r->text.data[index] == byte;
}

static void *fail_parser(struct reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_READER_ERROR) {
        struct place at = offset_place(r, p->problem_offset);
        if (p->problem_value == -1)
            return fail(r, at, p->problem);
        err_set(r->err, "%.*s:%" PRIu32 ":%" PRIu32 ": %s (0x%02X); the text must be UTF-8",
                STR_ARG(at.source), at.line, at.column, p->problem, (unsigned)p->problem_value);
        return NULL;
    }
    const char *problem = p->problem == NULL ? "cannot be read as YAML" : p->problem;
    struct place at = mark_place(r, p->problem_mark);
    const char *hint = has_byte_at(r, p->problem_mark.index, '\t')
                           ? "; this is a tab: YAML is indented with spaces"
                           : "";
    if (p->context == NULL || p->context_mark.line == p->problem_mark.line)
        err_set(r->err, "%.*s:%" PRIu32 ":%" PRIu32 ": %s%s%s%s", STR_ARG(at.source), at.line,
                at.column, problem, p->context == NULL ? "" : " ",
                p->context == NULL ? "" : p->context, hint);
    else
        err_set(r->err, "%.*s:%" PRIu32 ":%" PRIu32 ": %s %s that began at line %zu%s",
                STR_ARG(at.source), at.line, at.column, problem, p->context,
                p->context_mark.line + 1, hint);
    return NULL;
}

/* The next event into r->event; the one before must be deleted. */
static bool advance(struct reader *r)
{
    yaml_event_delete(&r->event);
    if (!yaml_parser_parse(&r->parser, &r->event)) {
        fail_parser(r);
        return false;
    }
    return true;
}

static struct node *new_node(struct reader *r, enum node_kind kind, struct place place)
{
    if (++r->node_count > LIMIT_CONFIG_NODES) {
        err_set(r->err,
                "%.*s:%" PRIu32 ":%" PRIu32 ": more than %d values, aliases counted at each use",
                STR_ARG(place.source), place.line, place.column, LIMIT_CONFIG_NODES);
        return NULL;
    }
    struct node *n = ARENA_NEW(r->arena, struct node);
    n->kind = kind;
    n->place = place;
    return n;
}

static void append(struct node *parent, struct node *child)
{
    child->next = NULL;
    if (parent->last == NULL)
        parent->first = child;
    else
        parent->last->next = child;
    parent->last = child;
    parent->count++;
}

static struct node *fail_depth(struct reader *r, struct place place)
{
    err_set(r->err, "%.*s:%" PRIu32 ":%" PRIu32 ": nested deeper than %d levels",
            STR_ARG(place.source), place.line, place.column, LIMIT_CONFIG_DEPTH);
    return NULL;
}

static struct node *copy_node(struct reader *r, const struct node *from, uint32_t depth)
{
    if (depth > LIMIT_CONFIG_DEPTH)
        return fail_depth(r, from->place);
    struct node *n = new_node(r, from->kind, from->place);
    if (n == NULL)
        return NULL;
    *n = *from;
    n->first = n->last = n->next = NULL;
    n->count = 0;
    n->aliased = true;
    for (const struct node *child = from->first; child != NULL; child = child->next) {
        struct node *copy = copy_node(r, child, depth + 1);
        if (copy == NULL)
            return NULL;
        append(n, copy);
    }
    return n;
}

static struct anchor *remember(struct reader *r, const yaml_char_t *name, struct node *n)
{
    if (name == NULL)
        return NULL;
    struct anchor *a = ARENA_NEW(r->arena, struct anchor);
    a->node = n;
    str key = arena_str(r->arena, str_from((const char *)name));
    /* The newer definition takes the older one's place; the map keeps the older key's bytes, which
     * live as long. */
    map_put(&r->anchors, key, a);
    return a;
}

static struct node *read_alias(struct reader *r, uint32_t depth)
{
    struct place place = mark_place(r, r->event.start_mark);
    struct byte_span span = event_span(r);
    str name = str_from((const char *)r->event.data.alias.anchor);
    const struct anchor *a = map_get(&r->anchors, name);
    if (a == NULL || !a->complete) {
        err_set(r->err,
                a == NULL ? "%.*s:%" PRIu32 ":%" PRIu32 ": unknown anchor %.*s referenced"
                          : "%.*s:%" PRIu32 ":%" PRIu32 ": anchor %.*s value contains itself",
                STR_ARG(place.source), place.line, place.column, STR_ARG(quoted(r, name)));
        return NULL;
    }
    struct node *copy = copy_node(r, a->node, depth);
    if (copy != NULL) {
        copy->key = STR_NONE; /* was the original's; the new one's parent sets its own */
        copy->span = span;
    }
    return copy;
}

/* "tag:yaml.org,2002:int" -> "int"; anything else: empty. */
static str short_tag(const yaml_char_t *tag)
{
    str prefix = STR("tag:yaml.org,2002:");
    str text = str_from((const char *)tag);
    return str_starts_with(text, prefix) ? str_skip(text, prefix.len) : STR("");
}

static const char *kind_tag(enum node_kind kind)
{
    static const char *const names[] = {"null", "bool", "int", "float", "str", "seq", "map"};
    return names[kind];
}

/* What an explicit tag makes of a scalar. */
static bool apply_tag(struct reader *r, struct node *n, const yaml_char_t *full_tag)
{
    str tag = short_tag(full_tag);
    if (str_eqz(tag, "binary")) {
        struct buf bytes;
        buf_init(&bytes, LIMIT_CONFIG_FILE_BYTES);
        bool ok = base64_decode(n->text, &bytes);
        if (ok)
            n->text = arena_str(r->arena, buf_view(&bytes));
        buf_deinit(&bytes);
        n->quoted = true;
        yaml_resolve_scalar(n);
        if (!ok)
            fail(r, n->place, "!!binary value contains invalid base64 data");
        return ok;
    }
    bool known = str_eqz(tag, "int") || str_eqz(tag, "float") || str_eqz(tag, "bool") ||
                 str_eqz(tag, "null") || str_eqz(tag, "timestamp");
    n->quoted = !known; /* !!str, and tags of somebody's own */
    yaml_resolve_scalar(n);
    if (!known || str_eqz(tag, "timestamp") || str_eqz(tag, kind_tag(n->kind)))
        return true;
    if (str_eqz(tag, "float") && n->kind == NODE_INT) {
        n->kind = NODE_DOUBLE;
        n->real = (double)n->integer;
        return true;
    }
    err_set(r->err, "%.*s:%" PRIu32 ":%" PRIu32 ": cannot decode !!%s %.*s as a !!%.*s",
            STR_ARG(n->place.source), n->place.line, n->place.column, kind_tag(n->kind),
            STR_ARG(quoted(r, n->text)), STR_ARG(tag));
    return false;
}

static struct node *read_scalar(struct reader *r)
{
    struct node *n = new_node(r, NODE_STRING, mark_place(r, r->event.start_mark));
    if (n == NULL)
        return NULL;
    n->text = arena_str(
        r->arena, str_make((const char *)r->event.data.scalar.value, r->event.data.scalar.length));
    n->quoted = r->event.data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    n->anchored = r->event.data.scalar.anchor != NULL;
    n->span = event_span(r);
    const yaml_char_t *tag = r->event.data.scalar.tag;
    if (tag != NULL && strcmp((const char *)tag, "!") != 0) {
        if (!apply_tag(r, n, tag))
            return NULL;
    } else {
        yaml_resolve_scalar(n);
    }
    struct anchor *a = remember(r, r->event.data.scalar.anchor, n);
    if (a != NULL)
        a->complete = true;
    return n;
}

static struct node *read_node(struct reader *r, uint32_t depth);

static struct node *read_list(struct reader *r, uint32_t depth)
{
    struct node *list = new_node(r, NODE_LIST, mark_place(r, r->event.start_mark));
    if (list == NULL)
        return NULL;
    list->flow = r->event.data.sequence_start.style == YAML_FLOW_SEQUENCE_STYLE;
    list->anchored = r->event.data.sequence_start.anchor != NULL;
    list->span.begin = mark_offset(r, r->event.start_mark);
    struct anchor *a = remember(r, r->event.data.sequence_start.anchor, list);
    for (;;) {
        if (!advance(r))
            return NULL;
        if (r->event.type == YAML_SEQUENCE_END_EVENT)
            break;
        struct node *item = read_node(r, depth + 1);
        if (item == NULL)
            return NULL;
        append(list, item);
    }
    list->span.end = list->flow ? event_span(r).end : r->last_end;
    if (a != NULL)
        a->complete = true;
    return list;
}

/* Keys are text: other scalars in the form that they mean (0x10 is "16"). */
static bool key_text(struct reader *r, const struct node *key, str *text)
{
    switch (key->kind) {
    case NODE_STRING:
        *text = key->text;
        return true;
    case NODE_BOOL:
        *text = key->boolean ? STR("true") : STR("false");
        return true;
    case NODE_INT:
        *text = arena_printf(r->arena, "%" PRId64, key->integer);
        return true;
    case NODE_DOUBLE:
        *text = key->text;
        return true;
    case NODE_NULL:
        fail(r, key->place, "a key is missing or null");
        return false;
    default:
        fail(r, key->place, "a key must be a word, not a list or a map");
        return false;
    }
}

static bool is_merge_key(const struct reader *r)
{
    if (r->event.type != YAML_SCALAR_EVENT ||
        strcmp((const char *)r->event.data.scalar.value, "<<") != 0)
        return false;
    const yaml_char_t *tag = r->event.data.scalar.tag;
    if (tag != NULL && strcmp((const char *)tag, "!") != 0)
        return str_eqz(short_tag(tag), "merge");
    return r->event.data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* Finds members by key: a plain walk while there are few, a hash from then on. */
struct key_index {
    struct map map;
    bool hashed;
};

static struct node *index_find(const struct key_index *index, const struct node *map, str key)
{
    return index->hashed ? map_get(&index->map, key) : node_get(map, key);
}

static void index_added(struct key_index *index, struct node *map)
{
    if (index->hashed) {
        map_put(&index->map, map->last->key, map->last);
    } else if (map->count > SMALL_MAP_KEYS) {
        map_init(&index->map, hash_key);
        index->hashed = true;
        for (struct node *n = map->first; n != NULL; n = n->next)
            map_put(&index->map, n->key, n);
    }
}

/* The entries of one merged map that `map` does not have. Takes them out of `from`, which is a copy
 * of its own. */
static void merge_one(struct key_index *index, struct node *map, struct node *from)
{
    for (struct node *n = from->first, *next; n != NULL; n = next) {
        next = n->next;
        if (index_find(index, map, n->key) == NULL) {
            n->key_span = (struct byte_span){0};
            append(map, n);
            index_added(index, map);
        }
    }
}

static bool merge_entries(struct reader *r, struct key_index *index, struct node *map,
                          struct node *merge)
{
    bool ok = merge->kind == NODE_MAP || merge->kind == NODE_LIST;
    for (const struct node *n = merge->first; ok && merge->kind == NODE_LIST && n != NULL;
         n = n->next)
        ok = n->kind == NODE_MAP;
    if (!ok) {
        fail(r, merge->place, "map merge (<<) requires map or sequence of maps as the value");
        return false;
    }
    if (merge->kind == NODE_MAP)
        merge_one(index, map, merge);
    else
        for (struct node *n = merge->first; n != NULL; n = n->next)
            merge_one(index, map, n);
    return true;
}

static bool read_member(struct reader *r, struct key_index *index, struct node *map,
                        struct node **merge, uint32_t depth)
{
    bool is_merge = is_merge_key(r);
    struct node *key = read_node(r, depth + 1);
    str text;
    if (key == NULL || !key_text(r, key, &text))
        return false;
    const struct node *before = is_merge ? *merge : index_find(index, map, text);
    if (before != NULL) {
        const struct place *p = is_merge ? &before->place : &before->key_place;
        err_set(r->err,
                "%.*s:%" PRIu32 ":%" PRIu32 ": mapping key %.*s already defined at line %" PRIu32
                ", column %" PRIu32,
                STR_ARG(key->place.source), key->place.line, key->place.column,
                STR_ARG(quoted(r, text)), p->line, p->column);
        return false;
    }
    if (!advance(r))
        return false;
    struct node *value = read_node(r, depth + 1);
    if (value == NULL)
        return false;
    if (is_merge) {
        *merge = value;
        return true;
    }
    value->key = text;
    value->key_place = key->place;
    value->key_span = key->span;
    append(map, value);
    index_added(index, map);
    return true;
}

static struct node *read_map(struct reader *r, uint32_t depth)
{
    struct node *map = new_node(r, NODE_MAP, mark_place(r, r->event.start_mark));
    if (map == NULL)
        return NULL;
    map->flow = r->event.data.mapping_start.style == YAML_FLOW_MAPPING_STYLE;
    map->anchored = r->event.data.mapping_start.anchor != NULL;
    map->span.begin = mark_offset(r, r->event.start_mark);
    struct anchor *a = remember(r, r->event.data.mapping_start.anchor, map);
    struct key_index index = {.hashed = false};
    struct node *merge = NULL;
    bool ok;
    while ((ok = advance(r)) && r->event.type != YAML_MAPPING_END_EVENT)
        if (!(ok = read_member(r, &index, map, &merge, depth)))
            break;
    if (ok)
        map->span.end = map->flow ? event_span(r).end : r->last_end;
    if (ok && merge != NULL)
        ok = merge_entries(r, &index, map, merge);
    if (index.hashed)
        map_deinit(&index.map);
    if (a != NULL)
        a->complete = true;
    return ok ? map : NULL;
}

/* The node whose first event is in r->event. A NULL answer has set the error. */
static struct node *read_node(struct reader *r, uint32_t depth)
{
    if (depth > LIMIT_CONFIG_DEPTH)
        return fail_depth(r, mark_place(r, r->event.start_mark));
    switch (r->event.type) {
    case YAML_ALIAS_EVENT:
        return read_alias(r, depth);
    case YAML_SCALAR_EVENT:
        return read_scalar(r);
    case YAML_SEQUENCE_START_EVENT:
        return read_list(r, depth);
    case YAML_MAPPING_START_EVENT:
        return read_map(r, depth);
    default:
        return fail(r, mark_place(r, r->event.start_mark), "a value is missing here");
    }
}

static bool read_document(struct reader *r, struct node **root)
{
    if (!advance(r) || !advance(r)) /* STREAM-START, then DOCUMENT-START or STREAM-END */
        return false;
    if (r->event.type == YAML_STREAM_END_EVENT) {
        *root = new_node(r, NODE_NULL, mark_place(r, r->event.start_mark));
        return true;
    }
    if (!advance(r) || (*root = read_node(r, 1)) == NULL || !advance(r))
        return false;
    /* What follows the first document is not read. Bytes and tokens right behind it must be good,
     * grammar need not be. */
    struct err behind, *err = r->err;
    r->err = &behind;
    bool more = !advance(r) || r->event.type != YAML_STREAM_END_EVENT;
    r->err = err;
    (*root)->more_documents = more;
    if (r->parser.error != YAML_NO_ERROR && r->parser.error != YAML_PARSER_ERROR) {
        *err = behind;
        return false;
    }
    return true;
}

bool yaml_parse(struct arena *a, str source, str text, struct node **root, struct err *err)
{
    struct reader r = {.arena = a, .err = err, .source = arena_str(a, source), .text = text};
    if (str_starts_with(text, STR("\xef\xbb\xbf")))
        r.mark_byte = 3; /* a byte order mark is not counted by marks */
    *root = NULL;
    CHECK(yaml_parser_initialize(&r.parser));
    yaml_parser_set_input_string(
        &r.parser, (const unsigned char *)(text.data == NULL ? "" : text.data), text.len);
    map_init(&r.anchors, hash_key);
    bool ok = read_document(&r, root);
    yaml_event_delete(&r.event);
    map_deinit(&r.anchors);
    yaml_parser_delete(&r.parser);
    return ok;
}
