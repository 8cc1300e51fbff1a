/*
 * ${...} in values.
 *
 * Life of a text: the first `}` and the last `${` before it are the innermost reference. If that is
 * the whole text, the value of the provider takes its place, with its type and its raw text; else
 * its raw text is put in. Then it starts over with what there is now, up to LIMIT_CONFIG_EXPANSIONS
 * times. Values that came from a provider are treated alike. At the end $$ becomes $.
 *
 * An odd number of $ before `${` makes it literal, and ends the search in this text, even if
 * references follow: the reference does so, and configurations rely on it without knowing. Keys are
 * never expanded.
 *
 * Invariants: what references bring in is counted (nodes, bytes) and bounded, since a reference may
 * name itself twice. Specification: the OpenTelemetry Collector's confmap.
 */
#include "base/limits.h"
#include "config/resolve.h"

/* The way from the root to a node, for messages. */
struct trail {
    const struct trail *up;
    str key; /* in maps */
    size_t index;
    bool in_list;
};

static void print_trail(struct buf *b, const struct trail *t)
{
    if (t->up == NULL)
        return;
    print_trail(b, t->up);
    if (b->len > 0)
        buf_text(b, "::");
    if (t->in_list)
        buf_printf(b, "%zu", t->index);
    else
        buf_str(b, t->key);
}

static str trail_path(struct resolver *r, const struct trail *t)
{
    struct buf b;
    buf_init(&b, 64 * KIB);
    print_trail(&b, t);
    str path = arena_str(r->arena, buf_view(&b));
    buf_deinit(&b);
    return path;
}

static bool fail(struct resolver *r, const struct node *n, const struct trail *t, const char *text)
{
    config_error(r->messages, &n->place, trail_path(r, t), "%s", text);
    return false;
}

/* The last "${" of the text. */
static bool find_last_open(str s, size_t *at)
{
    while (s.len > 0) {
        const char *dollar = memrchr(s.data, '$', s.len);
        if (dollar == NULL)
            return false;
        *at = (size_t)(dollar - s.data);
        if (*at + 1 < s.len && s.data[*at + 1] == '{')
            return true;
        s.len = *at;
    }
    return false;
}

/* The reference to expand next, with its ${ and }. */
static bool find_reference(str text, str *reference)
{
    size_t close, open;
    if (!str_find(text, STR("${"), &open))
        return false;
    while (str_find(text, STR("}"), &close)) {
        if (!find_last_open(str_make(text.data, close + 1), &open)) {
            text = str_skip(text, close + 1);
            continue;
        }
        size_t dollars = 0;
        while (dollars < open && text.data[open - 1 - dollars] == '$')
            dollars++;
        *reference = str_make(text.data + open, close + 1 - open);
        return dollars % 2 == 0;
    }
    return false;
}

/* What `reference` stands for. The text counts against the budget. */
static bool retrieve(struct resolver *r, const struct node *n, const struct trail *t, str reference,
                     struct retrieved *out, struct err *err)
{
    str uri = str_make(reference.data + 2, reference.len - 3), scheme, opaque;
    size_t at;
    if (r->expanded_bytes > LIMIT_CONFIG_EXPANDED_BYTES || r->node_count > LIMIT_CONFIG_NODES)
        return err_set(err, "references before this one were too much");
    if (!str_find(uri, STR(":"), &at)) {
        scheme = STR("env");
        opaque = uri;
    } else if (str_find(uri, STR(":-"), &at) && memchr(uri.data, ':', uri.len) == uri.data + at) {
        /* As in a shell. The default is not shown. */
        return err_set(
            err, "invalid uri: \"%.*s:-...\"; write ${env:%.*s:-...} to give a variable a default",
            (int)at, uri.data, (int)at, uri.data);
    } else if (!location_split(uri, &scheme, &opaque)) {
        return err_set(err, "invalid uri: \"%.*s\"", STR_ARG(uri));
    }
    if (str_find(opaque, STR("$"), &at))
        return err_set(err, "the uri \"%.*s:%.*s\" contains unsupported characters ('$')",
                       STR_ARG(scheme), STR_ARG(opaque));
    if (!provider_retrieve(r, scheme, opaque, out, err))
        return false;
    r->expanded_bytes += out->text.len;
    if (r->expanded_bytes > LIMIT_CONFIG_EXPANDED_BYTES)
        return err_set(err, "references expand to more than %zu bytes",
                       LIMIT_CONFIG_EXPANDED_BYTES);
    if (out->is_unset)
        config_warning(r->messages, &n->place, trail_path(r, t),
                       "Configuration references unset environment variable %.*s, taken as empty; "
                       "${env:%.*s:-value} "
                       "gives it a default",
                       STR_ARG(opaque), STR_ARG(opaque));
    return true;
}

/* The first occurrence of a reference, by its first byte: texts may be megabytes of references. */
static bool find_again(str text, str reference, size_t *at)
{
    for (size_t i = 0; i < text.len; i++) {
        const char *dollar = memchr(text.data + i, '$', text.len - i);
        if (dollar == NULL)
            return false;
        i = (size_t)(dollar - text.data);
        if (str_starts_with(str_skip(text, i), reference)) {
            *at = i;
            return true;
        }
    }
    return false;
}

/* `text` with every occurrence of `reference` replaced. */
static bool put_in(struct resolver *r, struct buf *out, str text, str reference, str value,
                   struct err *err)
{
    size_t at;
    while (find_again(text, reference, &at)) {
        buf_append(out, text.data, at);
        buf_str(out, value);
        text = str_skip(text, at + reference.len);
    }
    buf_str(out, text);
    r->expanded_bytes += out->len;
    if (out->overflow || r->expanded_bytes > LIMIT_CONFIG_EXPANDED_BYTES)
        return err_set(err, "references expand to more than %zu bytes",
                       LIMIT_CONFIG_EXPANDED_BYTES);
    return true;
}

/* The state of one text while its references are expanded. */
struct work {
    struct resolver *r;
    struct node *node;
    const struct trail *trail;
    uint32_t rounds; /* done on the way here */
    struct buf text; /* present text, if `own`; else it is the node's */
    bool own;
};

static bool one_round(struct work *w, struct err *err)
{
    if (++w->rounds >= LIMIT_CONFIG_EXPANSIONS)
        return err_set(err, "too many recursive expansions");
    return true;
}

enum outcome { DONE, WHOLE, FAILED };

/* Expands references inside the text until none is left (DONE) or one is all of it (WHOLE, *whole).
 */
static enum outcome expand_inside(struct work *w, str *text, str *whole, struct err *err)
{
    while (find_reference(*text, whole)) {
        if (!one_round(w, err))
            return FAILED;
        if (whole->len == text->len)
            return WHOLE;
        struct retrieved got;
        struct buf next;
        if (!retrieve(w->r, w->node, w->trail, *whole, &got, err))
            return FAILED;
        buf_init(&next, LIMIT_CONFIG_EXPANDED_BYTES);
        bool ok = put_in(w->r, &next, *text, *whole, got.text, err);
        buf_deinit(&w->text);
        w->text = next;
        if (!ok)
            return FAILED;
        *text = buf_view(&w->text);
    }
    return DONE;
}

static str unescape(struct resolver *r, str text)
{
    size_t at;
    if (!str_find(text, STR("$$"), &at))
        return text;
    char *out = arena_alloc(r->arena, text.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        out[len++] = text.data[i];
        if (text.data[i] == '$' && i + 1 < text.len && text.data[i + 1] == '$')
            i++;
    }
    out[len] = '\0';
    return str_make(out, len);
}

static bool expand_node(struct resolver *r, struct node *n, const struct trail *t, uint32_t rounds,
                        uint32_t depth);

/* The raw text beside a typed value may hold references as well. If they cannot be expanded, there
 * is no raw text; only one that never ends is an error. */
static bool expand_original(struct resolver *r, struct node *n, const struct trail *t,
                            uint32_t rounds, struct err *err)
{
    struct work w = {.r = r, .node = n, .trail = t, .rounds = rounds};
    str text = n->original, whole;
    buf_init(&w.text, LIMIT_CONFIG_EXPANDED_BYTES);
    n->has_original = expand_inside(&w, &text, &whole, err) == DONE;
    if (n->has_original)
        n->original = unescape(r, arena_str(r->arena, text));
    buf_deinit(&w.text);
    return w.rounds < LIMIT_CONFIG_EXPANSIONS && r->expanded_bytes <= LIMIT_CONFIG_EXPANDED_BYTES;
}

static void mark_expanded(struct node *n)
{
    n->expanded = true;
    for (struct node *child = n->first; child != NULL; child = child->next)
        mark_expanded(child);
}

/* A typed value takes the node's place; position, key and place stay. */
static bool take_value(struct work *w, const struct node *value, str raw, uint32_t depth,
                       struct err *err)
{
    struct resolver *r = w->r;
    struct node *n = w->node;
    r->node_count += node_tree_count(value);
    if (r->node_count > LIMIT_CONFIG_NODES)
        return err_set(err, "references bring in more than %d values", LIMIT_CONFIG_NODES);
    if (depth + node_tree_depth(value) > LIMIT_CONFIG_DEPTH)
        return err_set(err, "references nest deeper than %d levels", LIMIT_CONFIG_DEPTH);
    struct node before = *n;
    *n = *value;
    n->key = before.key;
    n->key_place = before.key_place;
    n->place = before.place;
    n->next = before.next;
    n->span = before.span;
    n->key_span = before.key_span;
    n->original = raw;
    n->written = before.text;
    mark_expanded(n);
    if (n->kind == NODE_MAP && !merge_split_keys(r, n, err))
        return false;
    return true;
}

static void take_text(struct work *w, str text)
{
    struct node *n = w->node;
    n->kind = NODE_STRING;
    n->quoted = true;
    n->expanded = true;
    n->written = n->text;
    n->text = unescape(w->r, arena_str(w->r->arena, text));
}

static bool expand_text(struct resolver *r, struct node *n, const struct trail *t, uint32_t rounds,
                        uint32_t depth)
{
    struct work w = {.r = r, .node = n, .trail = t, .rounds = rounds};
    struct err err;
    str text = n->text, whole;
    enum outcome outcome;
    bool ok = true;
    buf_init(&w.text, LIMIT_CONFIG_EXPANDED_BYTES);
    while ((outcome = expand_inside(&w, &text, &whole, &err)) == WHOLE) {
        struct retrieved got;
        struct err hint;
        if (!(ok = retrieve(r, n, t, whole, &got, &err)))
            break;
        const struct node *value = provider_value(r, &got, &hint);
        if (value->kind == NODE_STRING) {
            text = value->text;
            continue;
        }
        ok = take_value(&w, value, got.text, depth, &err);
        break;
    }
    ok = ok && outcome != FAILED;
    if (ok && outcome == DONE)
        take_text(&w, text);
    else if (ok)
        ok = expand_original(r, n, t, w.rounds, &err);
    buf_deinit(&w.text);
    if (!ok)
        return fail(r, n, t, err.text);
    return outcome == DONE || expand_node(r, n, t, w.rounds, depth);
}

/* Goes on after an error, so that all are found. */
static bool expand_node(struct resolver *r, struct node *n, const struct trail *t, uint32_t rounds,
                        uint32_t depth)
{
    size_t index = 0;
    str reference;
    bool ok = true;
    if (n->kind == NODE_STRING) {
        if (find_reference(n->text, &reference))
            return expand_text(r, n, t, rounds, depth);
        n->text = unescape(r, n->text);
        return true;
    }
    for (struct node *child = n->first; child != NULL; child = child->next) {
        const struct trail below = {t, child->key, index++, n->kind == NODE_LIST};
        ok = expand_node(r, child, &below, rounds, depth + 1) && ok;
    }
    return ok;
}

bool expand_all(struct resolver *r, struct node *root)
{
    const struct trail top = {0};
    return expand_node(r, root, &top, 0, 1);
}
