/* Edits of a YAML text at the spans of its nodes, for migrate_text.c, not for others. */
#ifndef CONFIG_MIGRATE_EDIT_H
#define CONFIG_MIGRATE_EDIT_H

#include "config/migrate_internal.h"

struct edit {
    struct edit *next;
    uint32_t begin, end; /* of the old text; empty: an insertion */
    str text;
};
struct editor {
    struct arena *arena;
    str text;
    const char *newline; /* of this file */
    struct edit *edits;  /* in order of `begin`; of equal ones in the order in which they were made */
};
void editor_replace(struct editor *e, uint32_t begin, uint32_t end, str text);
/* The new text, in the arena. False: edits overlap. */
NODISCARD bool editor_apply(const struct editor *e, str *out);

/* -- the text around a position -- */
str editor_raw(const struct editor *e, struct byte_span span);
bool is_behind_blank(const struct editor *e, uint32_t at);
uint32_t line_begin(const struct editor *e, uint32_t at);
uint32_t line_end(const struct editor *e, uint32_t at); /* at the line break, or the end of the text */
/* Where lines behind a block that ends at `end` would be inserted: the end of its last line, a comment there included. */
uint32_t block_end(const struct editor *e, uint32_t end);
/* Columns in front of `at`, if these are spaces only. */
bool indent_of(const struct editor *e, uint32_t at, size_t *indent);
/* The begin of the line of a key, or of the comments right above it that are indented like it. */
uint32_t comments_begin(const struct editor *e, uint32_t key);
/* Where another member goes in a list or map in brackets, and what stands around it there. */
uint32_t flow_end(const struct editor *e, const struct node *n, const char **before, const char **after);
/* Would lines behind it become part of its last value? (A block scalar at the end of a text without a line break.) */
bool block_is_open(const struct editor *e, const struct node *n);
/* The text from `begin` to `end`, lines behind the first moved by `shift` columns. */
void copy_shifted(const struct editor *e, struct buf *b, uint32_t begin, uint32_t end, int64_t shift);
void buf_spaces(struct buf *b, size_t count);
void buf_newline(const struct editor *e, struct buf *b, size_t indent);

/* -- comments of what goes away (migrate_comments.c) -- */
struct comment {
    struct comment *next;
    str text; /* from # to the end of the line */
};
struct comments {
    struct comment *receiver;             /* for above the receiver, in order */
    struct comment *extension;            /* above the extension */
    struct comment *above[SETTING_COUNT]; /* each setting of that */
    struct comment *beside[SETTING_COUNT];
};
/* Comments between begin of the key of `s` and `end`, those in and behind its child (from `child_begin` to `child_end`) left out.
 * All go to the receiver if the extension has no lines of its own (`to_receiver`). */
void comments_gather(const struct editor *e, const struct old_singleton *s, struct byte_span child, uint32_t end, bool to_receiver,
                     struct comments *out);

#endif
