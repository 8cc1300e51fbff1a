/*
 * YAML into a tree that keeps line and column, over libyaml's events. Scalars keep their text and quoting; what they mean
 * (yaml.v3's rules: `yes` is a string, 0123 is octal) is asked for when they are used. Aliases are copied, `<<` merged,
 * duplicate keys are errors. Bounds: LIMIT_CONFIG_DEPTH, LIMIT_CONFIG_NODES. Nodes know the bytes that they were read from, for who
 * edits the text.
 */
#ifndef WIRE_YAML_H
#define WIRE_YAML_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum node_kind { NODE_NULL, NODE_BOOL, NODE_INT, NODE_DOUBLE, NODE_STRING, NODE_LIST, NODE_MAP };

/* Where a node was written: file name as given on the command line (or "yaml:...", "env:NAME"), 1-based line and column. */
struct place {
    str source;
    uint32_t line, column;
};

/* Bytes of the text: from `begin` up to, not including, `end`. A null that nobody wrote is empty; 0, 0: not written in this text. */
struct byte_span {
    uint32_t begin, end;
};

struct node {
    enum node_kind kind;
    struct place place;
    str key;            /* as member of a map */
    struct place key_place;
    struct byte_span span;     /* of the value with its anchor and tag; of an alias that alone */
    struct byte_span key_span; /* 0, 0: came by `<<` or is part of a key with "::" */
    bool flow;            /* list or map in [] or {} */
    bool anchored;
    bool aliased;         /* stands for the value of an anchor: what is below it has the spans of that */
    str text;           /* scalar: raw text as written without quotes */
    bool quoted;        /* scalar in quotes or a block: always a string */
    bool has_original;  /* after ${...} of the whole value: `original` is the provider's text */
    str original;
    bool expanded;      /* came out of a ${...}: may be a secret, not to be shown in messages */
    str written;        /* a text with ${...}, before that was expanded; empty for what came with it */
    bool more_documents; /* root: text follows the first document, and is not read */
    bool boolean;
    int64_t integer;
    double real;
    struct node *first, *last, *next; /* items or members in order */
    size_t count;
};

/* The document (an empty one is NODE_NULL). err: "source:line:column: reason". Nodes live in the arena; `source` too. */
NODISCARD bool yaml_parse(struct arena *a, str source, str text, struct node **root, struct err *err);
/* Kind and value of plain scalar text by yaml.v3's rules. */
void yaml_resolve_scalar(struct node *n);
struct node *node_get(const struct node *map, str key);
/* For "file:line:column: " in front of messages. */
void place_print(struct buf *b, const struct place *p);
/* A tree as YAML text (maps in order, block style), or JSON. */
void yaml_print(struct buf *b, const struct node *n);
void node_print_json(struct buf *b, const struct node *n);

#endif
