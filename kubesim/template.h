/*
 * Objects of which there are many: bytes with places of fixed width that are filled in while they are printed.
 *
 * A place is '~', a letter, and more '~' up to the width of that letter: "app-~p~~~" is filled with five characters for 'p'. Places
 * may stand in any text of the object, in metadata.name, namespace, uid and labels, too; the same in JSON and protobuf, since no length
 * changes.
 */
#ifndef KUBESIM_TEMPLATE_H
#define KUBESIM_TEMPLATE_H

#include "kubesim/store.h"

/* Writes what stands for a letter, always the same number of characters, none of which needs an escape in JSON; gives that number,
 * 0 if there is no such letter. `out` NULL: only the number. */
typedef size_t template_fill(const struct sim_values *values, uint64_t seed, char letter, char *out);

struct template_place {
    uint32_t offset;
    char letter;
};
struct template_bytes {
    struct sim_image image;
    struct template_place *places;
    size_t place_count;
};
struct template_label {
    str key, value; /* the value with its places */
};
struct sim_template {
    const struct sim_kind *kind;
    uint32_t id[2]; /* for its owner */
    template_fill *fill;
    uint64_t seed;
    int64_t created_ns;
    struct template_bytes json, protobuf; /* a custom kind has no protobuf: its data is NULL */
    str namespace, name, uid;             /* with their places */
    struct template_label labels[LABELS_GENERATED_MAX];
    size_t label_count;
    struct arena arena; /* of everything above */
};
/* `tree` as for sim_object_new. */
struct sim_template *template_new(const struct sim_kind *kind, const struct dom *tree, template_fill *fill, uint64_t seed);
void template_free(struct sim_template *t);
/* `text` with its places filled, to `out`, which has room for text.len. */
void template_text(const struct sim_template *t, const struct sim_values *values, str text, char *out);

#endif
