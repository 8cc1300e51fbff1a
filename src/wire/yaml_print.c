/*
 * Trees as text: block YAML with four spaces a level, and JSON with two.
 *
 * Strings are written plain only where every YAML reader, old ones included, reads the same string
 * back (so `yes`, `12:30` and 2001-01-01 get quotes); else double-quoted, with escapes for all that
 * is not printable. Values that came out of a whole
 * ${...} are written as what they mean. What yaml_print writes, yaml_parse reads back as the same
 * tree.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/yaml.h"

enum { YAML_INDENT = 4, JSON_INDENT = 2 };
/* A key with its escapes must fit into the 1024 characters in which a reader looks for its colon;
 * longer ones get a `?`. */
enum { SIMPLE_KEY_BYTES = 160 };

static void print_double(struct buf *b, double real, bool json)
{
    if (!isfinite(real)) {
        const char *text = isnan(real) ? ".nan" : real < 0 ? "-.inf" : ".inf";
        buf_printf(b, json ? "\"%s\"" : "%s", text);
        return;
    }
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, real);
        if (strtod(text, NULL) == real)
            break;
    }
    buf_text(b, text);
    /* Without a fraction it would be read back as a whole number. */
    if (strpbrk(text, ".e") == NULL)
        buf_text(b, ".0");
}

/* Length of the UTF-8 sequence at `s` and its code point; 0 if it is none. */
static size_t decode_utf8(str s, uint32_t *code)
{
    unsigned char c = (unsigned char)s.data[0];
    size_t len = c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
    if (len > s.len || !str_is_utf8(str_make(s.data, len)))
        return 0;
    *code = len == 1 ? c : c & (0xffu >> (len + 1));
    for (size_t i = 1; i < len; i++)
        *code = *code << 6 | ((unsigned char)s.data[i] & 0x3fu);
    return len;
}

static void print_quoted(struct buf *b, str s)
{
    buf_byte(b, '"');
    while (s.len > 0) {
        uint32_t code = 0xfffd;
        size_t len = decode_utf8(s, &code);
        bool printable = code >= 0x20 && (code < 0x7f || code > 0x9f) && code != 0x2028 &&
                         code != 0x2029 && code != 0xfeff && code != 0xfffe && code != 0xffff;
        if (code == '"' || code == '\\')
            buf_printf(b, "\\%c", (char)code);
        else if (code == '\n')
            buf_text(b, "\\n");
        else if (code == '\t')
            buf_text(b, "\\t");
        else if (!printable || len == 0)
            buf_printf(b, "\\u%04X", (unsigned)code);
        else
            buf_append(b, s.data, len);
        s = str_skip(s, len == 0 ? 1 : len);
    }
    buf_byte(b, '"');
}

/* Words that are no strings in YAML 1.1, of which many readers are. */
static bool is_old_bool(str s)
{
    static const char *const old[] = {"y", "n", "yes", "no", "on", "off", "="};
    for (size_t i = 0; i < COUNT_OF(old); i++)
        if (str_eq_nocase(s, str_from(old[i])))
            return true;
    return false;
}

static bool is_plain(str s)
{
    if (s.len == 0 || is_old_bool(s))
        return false;
    struct node probe = {.text = s};
    yaml_resolve_scalar(&probe);
    if (probe.kind != NODE_STRING)
        return false;
    bool word = false; /* a character that no number and no time has */
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.data[i];
        bool last = i + 1 == s.len;
        if (c <= ' ' ? c != ' ' || last || s.data[i + 1] == '#' : c >= 0x7f)
            return false;
        if (c == ':' && (last || s.data[i + 1] == ' '))
            return false;
        word = word || strchr("0123456789:.+-_,tTzZeE ", c) == NULL;
    }
    return strchr("-?:,[]{}#&*!|>'\"%@` =<~", s.data[0]) == NULL &&
           (word || isalpha((unsigned char)s.data[0]));
}

static void print_scalar(struct buf *b, const struct node *n)
{
    switch (n->kind) {
    case NODE_NULL:
        buf_text(b, "null");
        break;
    case NODE_BOOL:
        buf_text(b, n->boolean ? "true" : "false");
        break;
    case NODE_INT:
        buf_printf(b, "%" PRId64, n->integer);
        break;
    case NODE_DOUBLE:
        print_double(b, n->real, false);
        break;
    case NODE_LIST:
        buf_text(b, "[]");
        break;
    case NODE_MAP:
        buf_text(b, "{}");
        break;
    case NODE_STRING:
        if (is_plain(n->text))
            buf_str(b, n->text);
        else
            print_quoted(b, n->text);
        break;
    }
}

static bool is_collection(const struct node *n)
{
    return (n->kind == NODE_LIST || n->kind == NODE_MAP) && n->first != NULL;
}

static void print_children(struct buf *b, const struct node *n, int indent);

static void print_member(struct buf *b, const struct node *child, int indent)
{
    bool is_long = child->key.len > SIMPLE_KEY_BYTES;
    if (is_long)
        buf_text(b, "? ");
    print_scalar(b, &(struct node){.kind = NODE_STRING, .text = child->key});
    if (is_long)
        buf_printf(b, "\n%*s", indent, "");
    buf_byte(b, ':');
    if (is_collection(child)) {
        buf_printf(b, "\n%*s", indent + YAML_INDENT, "");
        print_children(b, child, indent + YAML_INDENT);
    } else {
        buf_byte(b, ' ');
        print_scalar(b, child);
        buf_byte(b, '\n');
    }
}

/* `b` stands behind `indent` columns, where the first child goes; each other child begins a line.
 */
static void print_children(struct buf *b, const struct node *n, int indent)
{
    for (const struct node *child = n->first; child != NULL; child = child->next) {
        if (child != n->first)
            buf_printf(b, "%*s", indent, "");
        if (n->kind == NODE_MAP) {
            print_member(b, child, indent);
            continue;
        }
        buf_text(b, "- ");
        if (is_collection(child)) {
            print_children(b, child, indent + 2);
        } else {
            print_scalar(b, child);
            buf_byte(b, '\n');
        }
    }
}

void yaml_print(struct buf *b, const struct node *n)
{
    if (is_collection(n)) {
        print_children(b, n, 0);
    } else {
        print_scalar(b, n);
        buf_byte(b, '\n');
    }
}

static void print_json(struct buf *b, const struct node *n, int indent)
{
    if (n->kind == NODE_STRING) {
        buf_json_string(b, n->text);
    } else if (n->kind == NODE_DOUBLE) {
        print_double(b, n->real, true);
    } else if (!is_collection(n)) {
        print_scalar(b, n);
    } else {
        bool is_map = n->kind == NODE_MAP;
        buf_byte(b, is_map ? '{' : '[');
        for (const struct node *child = n->first; child != NULL; child = child->next) {
            buf_printf(b, "%s\n%*s", child == n->first ? "" : ",", indent + JSON_INDENT, "");
            if (is_map) {
                buf_json_string(b, child->key);
                buf_text(b, ": ");
            }
            print_json(b, child, indent + JSON_INDENT);
        }
        buf_printf(b, "\n%*s%c", indent, "", is_map ? '}' : ']');
    }
}

void node_print_json(struct buf *b, const struct node *n)
{
    print_json(b, n, 0);
    buf_byte(b, '\n');
}
