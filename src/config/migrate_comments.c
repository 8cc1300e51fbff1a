/*
 * Comments in the text of an old receiver, which is taken apart: whose are they, and where do they
 * go?
 *
 * The keys and values of the old receiver are visited in order of the text; a comment can only stand
 * in the gaps between them. On the line of what is before it a comment belongs to that, else to what
 * comes next. Those of settings of the Lease go with them into the extension; all others go above
 * the receiver that stays.
 */
#include "config/migrate_edit.h"

enum { TO_RECEIVER = -2, TO_EXTENSION = -1 }; /* else a setting */

struct gatherer {
    const struct editor *e;
    struct comments *out;
    bool to_receiver;
    uint32_t at; /* end of the last key or value */
    int owner;   /* of that */
    uint32_t child_begin, child_end;
};

static void add(struct gatherer *g, int owner, bool beside, str text)
{
    if (g->to_receiver)
        owner = TO_RECEIVER;
    struct comment **list = owner == TO_RECEIVER    ? &g->out->receiver
                            : owner == TO_EXTENSION ? &g->out->extension
                            : beside                ? &g->out->beside[owner]
                                                    : &g->out->above[owner];
    while (*list != NULL)
        list = &(*list)->next;
    *list = ARENA_NEW(g->e->arena, struct comment);
    (*list)->text = text;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Behind the child, what is indented like it belongs to it. */
static bool is_of_child(const struct gatherer *g, uint32_t at)
{
    size_t indent, child_indent;
    return g->at == g->child_end && indent_of(g->e, g->child_begin, &child_indent) &&
           indent_of(g->e, at, &indent) && indent >= child_indent;
}

/* The comments up to `end`, where something of `owner` begins. */
static void gap(struct gatherer *g, uint32_t end, int owner)
{
    const char *text = g->e->text.data;
    bool same_line = g->at == 0 || text[g->at - 1] != '\n';
    for (uint32_t i = g->at; i < end; i++) {
        if (text[i] == '\n')
            same_line = false;
        if (text[i] != '#' || (i > 0 && !is_space(text[i - 1])))
            continue;
        uint32_t stop = line_end(g->e, i);
        stop = stop < end ? stop : end;
        int whose = same_line ? g->owner : is_of_child(g, i) ? TO_RECEIVER : owner;
        add(g, whose, same_line, editor_raw(g->e, (struct byte_span){i, stop}));
        i = stop - 1;
    }
}

static void pass(struct gatherer *g, struct byte_span span, int owner)
{
    if (span.end == 0 || span.begin < g->at)
        return;
    gap(g, span.begin, owner);
    g->at = span.end;
    g->owner = owner;
}

/* A value and all in it. */
static void pass_value(struct gatherer *g, const struct node *n, int owner)
{
    bool inside = (n->kind == NODE_MAP || n->kind == NODE_LIST) && !n->aliased;
    if (!inside) {
        pass(g, n->span, owner);
        return;
    }
    for (const struct node *c = n->first; c != NULL; c = c->next) {
        if (n->kind == NODE_MAP && c->key_span.end == 0)
            continue;
        pass(g, c->key_span, owner);
        pass_value(g, c, owner);
    }
}

/* Members of the old receiver, or of its leader_election. */
static void pass_setting(struct gatherer *g, const struct old_singleton *s, const struct node *n)
{
    int owner = TO_RECEIVER;
    for (size_t i = 0; i < SETTING_COUNT; i++)
        if (s->lease->settings[i] == n)
            owner = (int)i;
    pass(g, n->key_span, owner);
    pass_value(g, n, owner);
}

void comments_gather(const struct editor *e, const struct old_singleton *s, struct byte_span child,
                     uint32_t end, bool to_receiver, struct comments *out)
{
    struct gatherer g = {
        .e = e, .out = out, .to_receiver = to_receiver, .at = s->node->key_span.end};
    g.owner = TO_RECEIVER;
    g.child_begin = child.begin;
    g.child_end = child.end;
    for (const struct node *n = s->node->aliased ? NULL : s->node->first; n != NULL; n = n->next) {
        if (n->key_span.end == 0)
            continue;
        if (str_eqz(n->key, "receiver")) {
            pass(&g, n->key_span, TO_RECEIVER);
            pass(&g, child.end > 0 ? child : n->span, TO_RECEIVER);
        } else if (str_eqz(n->key, "leader_election") && n->kind == NODE_MAP && !n->aliased) {
            pass(&g, n->key_span, TO_EXTENSION);
            for (const struct node *c = n->first; c != NULL; c = c->next)
                if (c->key_span.end > 0)
                    pass_setting(&g, s, c);
        } else {
            pass_setting(&g, s, n);
        }
    }
    gap(&g, end, TO_RECEIVER);
}
