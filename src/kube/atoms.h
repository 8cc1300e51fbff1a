/*
 * Interned strings: namespaces, nodes, images, label keys, reasons; texts that many objects share are kept once. An atom is a
 * small number; equal texts have equal atoms. Reference-counted: the last holder frees the text.
 */
#ifndef KUBE_ATOMS_H
#define KUBE_ATOMS_H

#include "base/arena.h"

typedef uint32_t atom; /* 0: the empty text, which needs no reference */

struct atoms;
struct atoms *atoms_new(const uint64_t hash_key[2]);
void atoms_free(struct atoms *a); /* all references must be gone */
/* The atom of this text with one more reference, the caller's. */
atom atoms_get(struct atoms *a, str text);
/* The atom of a text that is there already, without a reference; 0 if there is none (or the text is empty). */
atom atoms_find(const struct atoms *a, str text);
void atoms_ref(struct atoms *a, atom n);
void atoms_unref(struct atoms *a, atom n);
/* Valid while a reference is held; NUL-terminated behind its end. */
str atoms_text(const struct atoms *a, atom n);
size_t atoms_count(const struct atoms *a);
size_t atoms_bytes(const struct atoms *a); /* all memory of it */

/* Copies of atoms' texts in an arena, each one about once: for what outlives the objects. Zero it for another arena. */
enum { ATOM_COPIES = 512 };
struct atom_copies {
    struct {
        atom atom;
        str text;
    } slots[ATOM_COPIES];
};
str atom_copies_text(struct atom_copies *c, const struct atoms *a, struct arena *arena, atom n);

#endif
