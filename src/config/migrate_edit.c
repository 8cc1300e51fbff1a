/*
 * Edits of a YAML text: what stands at a position, and replacements that are carried out together.
 *
 * Positions are bytes of the old text throughout; nothing moves until editor_apply. Lines end with
 * LF or CR LF, new lines end as the first one of the file does. Other line breaks of YAML (a lone
 * CR, U+2028) are not seen as such: the result is compared with what it should mean, so that the
 * worst that can happen is a refusal.
 */
#include "config/migrate_edit.h"
#include "base/limits.h"

void editor_replace(struct editor *e, uint32_t begin, uint32_t end, str text)
{
    struct edit **at = &e->edits;
    while (*at != NULL && (*at)->begin <= begin)
        at = &(*at)->next;
    struct edit *edit = ARENA_NEW(e->arena, struct edit);
    *edit = (struct edit){.next = *at, .begin = begin, .end = end, .text = text};
    *at = edit;
}

bool editor_apply(const struct editor *e, str *out)
{
    struct buf b;
    uint32_t at = 0;
    bool ok = true;
    buf_init(&b, 4 * LIMIT_CONFIG_FILE_BYTES);
    for (const struct edit *edit = e->edits; ok && edit != NULL; edit = edit->next) {
        ok = edit->begin >= at && edit->end >= edit->begin && edit->end <= e->text.len;
        if (!ok)
            break;
        buf_append(&b, e->text.data + at, edit->begin - at);
        buf_str(&b, edit->text);
        at = edit->end;
    }
    if (ok)
        buf_str(&b, str_skip(e->text, at));
    ok = ok && !b.overflow;
    *out = ok ? arena_str(e->arena, buf_view(&b)) : STR_NONE;
    buf_deinit(&b);
    return ok;
}

/* ---- the text around a position ---- */

str editor_raw(const struct editor *e, struct byte_span span)
{
    CHECK(span.begin <= span.end && span.end <= e->text.len);
    return str_make(e->text.data + span.begin, span.end - span.begin);
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

bool is_behind_blank(const struct editor *e, uint32_t at)
{
    return at > 0 && is_blank(e->text.data[at - 1]);
}

uint32_t line_begin(const struct editor *e, uint32_t at)
{
    while (at > 0 && e->text.data[at - 1] != '\n')
        at--;
    if (at == 0 && str_starts_with(e->text, STR("\xef\xbb\xbf")))
        return 3;
    return at;
}

uint32_t line_end(const struct editor *e, uint32_t at)
{
    while (at < e->text.len && e->text.data[at] != '\n')
        at++;
    return at < e->text.len && at > 0 && e->text.data[at - 1] == '\r' ? at - 1 : at;
}

uint32_t block_end(const struct editor *e, uint32_t end)
{
    if (end == 0 || e->text.data[end - 1] != '\n')
        return line_end(e, end);
    end--; /* behind a block scalar */
    return end > 0 && e->text.data[end - 1] == '\r' ? end - 1 : end;
}

bool indent_of(const struct editor *e, uint32_t at, size_t *indent)
{
    uint32_t begin = line_begin(e, at);
    *indent = at - begin;
    for (uint32_t i = begin; i < at; i++)
        if (e->text.data[i] != ' ')
            return false;
    return true;
}

uint32_t comments_begin(const struct editor *e, uint32_t key)
{
    size_t indent, above;
    uint32_t begin = line_begin(e, key);
    if (!indent_of(e, key, &indent))
        return begin;
    uint32_t at = begin;
    while (at > 0) {
        uint32_t line = line_begin(e, at - 1), first = line;
        while (first < at && e->text.data[first] == ' ')
            first++;
        if (first == at || e->text.data[first] != '#' || !indent_of(e, first, &above) ||
            above != indent)
            return at;
        at = line;
        if (line <= 3)
            return begin; /* the head of the file stays its head */
    }
    return at;
}

uint32_t flow_end(const struct editor *e, const struct node *n, const char **before,
                  const char **after)
{
    uint32_t last = 0;
    bool empty_value = false;
    *before = *after = "";
    for (const struct node *c = n->first; c != NULL; c = c->next) {
        if (n->kind == NODE_MAP && c->key_span.end == 0)
            continue;
        uint32_t end = c->span.end > c->key_span.end ? c->span.end : c->key_span.end;
        if (end > last) {
            last = end;
            empty_value = c->span.begin == c->span.end;
        }
    }
    if (last > 0) {
        *before = empty_value ? " , " : ", ";
        return last;
    }
    char open = n->kind == NODE_MAP ? '{' : '[', close = n->kind == NODE_MAP ? '}' : ']';
    uint32_t at = n->span.begin;
    while (at < n->span.end && e->text.data[at] != open)
        at++;
    at = at < n->span.end ? at + 1 : at;
    uint32_t next = at;
    while (next < n->span.end && (is_blank(e->text.data[next]) || e->text.data[next] == '\n' ||
                                  e->text.data[next] == '\r'))
        next++;
    *after = next < n->span.end && e->text.data[next] == close ? "" : ", ";
    return at;
}

bool block_is_open(const struct editor *e, const struct node *n)
{
    if (n->span.end < e->text.len || e->text.len == 0 || e->text.data[e->text.len - 1] == '\n')
        return false;
    while ((n->kind == NODE_MAP || n->kind == NODE_LIST) && n->last != NULL)
        n = n->last;
    char first = n->span.begin < e->text.len ? e->text.data[n->span.begin] : '"';
    return n->quoted && first != '"' && first != '\'';
}

/* ---- writing ---- */

void buf_spaces(struct buf *b, size_t count)
{
    for (; count > 0; count--)
        buf_byte(b, ' ');
}

void buf_newline(const struct editor *e, struct buf *b, size_t indent)
{
    buf_text(b, e->newline);
    buf_spaces(b, indent);
}

void copy_shifted(const struct editor *e, struct buf *b, uint32_t begin, uint32_t end,
                  int64_t shift)
{
    const char *text = e->text.data;
    for (uint32_t at = begin; at < end;) {
        buf_byte(b, text[at]);
        if (text[at++] != '\n')
            continue;
        for (int64_t i = shift; i < 0 && at < end && text[at] == ' '; i++)
            at++;
        if (at < end && text[at] != '\n' && text[at] != '\r' && shift > 0)
            buf_spaces(b, (size_t)shift);
    }
}
