/*
 * A JSON document as a tree in an arena. Numbers keep their text, members their order. For what the simulator must look into
 * and change; it answers from finished bytes.
 */
#ifndef KUBESIM_DOM_H
#define KUBESIM_DOM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

enum dom_type { DOM_NULL, DOM_FALSE, DOM_TRUE, DOM_NUMBER, DOM_STRING, DOM_ARRAY, DOM_OBJECT };

struct dom {
    enum dom_type type;
    str key;  /* if it is a member of an object */
    str text; /* DOM_NUMBER as it stood, DOM_STRING decoded */
    struct dom *first, *last, *next;
    size_t count; /* of items or members */
};

/* NULL with "line L column C: ..." if it is not exactly one document. `text` must live as long as the tree. A member that is there
 * twice counts as its last value, but both are kept: see dom_unique. */
struct dom *dom_parse(struct arena *a, str text, struct err *err);
void dom_print(struct buf *b, const struct dom *d);

struct dom *dom_new(struct arena *a, enum dom_type type);
struct dom *dom_string(struct arena *a, str text); /* keeps the view */
struct dom *dom_number(struct arena *a, int64_t n);
struct dom *dom_copy(struct arena *a, const struct dom *d); /* deep; texts stay views; without the key */

/* The member, or NULL; also if `object` is NULL or not an object. */
struct dom *dom_get(const struct dom *object, str key);
struct dom *dom_getz(const struct dom *object, const char *key);
/* Text of a string member; empty if there is none. */
str dom_text(const struct dom *object, const char *key);
/* Sets or replaces a member in place (keeps its position); `value` must not be in another tree. */
void dom_set(struct dom *object, str key, struct dom *value);
/* Takes all members of this name out; false if there was none. */
bool dom_remove(struct dom *object, str key);
/* Adds an item to an array. */
void dom_append(struct dom *array, struct dom *value);
/* Makes `array` hold `value` at `index` (at most its count), pushing the rest back. */
void dom_insert(struct dom *array, size_t index, struct dom *value);
struct dom *dom_item(const struct dom *array, size_t index); /* NULL past the end */
void dom_remove_item(struct dom *array, size_t index);
/* Of members of the same name only the last one stays. Gives the name of one that was there twice, or STR_NONE. Sorts nothing. */
str dom_unique(struct arena *a, struct dom *object);
/* Orders members by name, as Go prints maps. */
void dom_sort(struct arena *a, struct dom *object);
/* Same value; the order of members does not matter. */
bool dom_equal(const struct dom *x, const struct dom *y);
/* A whole number in range; false if `d` is NULL or anything else. */
bool dom_i64(const struct dom *d, int64_t *n);
const char *dom_type_name(const struct dom *d); /* "string", "number", ...; for messages */

#endif
