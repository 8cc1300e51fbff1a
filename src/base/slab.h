/*
 * Small blocks by size: blocks of one size class are cut from slabs, free ones are used again, and a slab without any block in use goes
 * back to the system, so that memory falls again after a shrink. Sizes above the largest class come from the heap.
 *
 * The caller says the size again when it gives a block back. Not for threads.
 */
#ifndef BASE_SLAB_H
#define BASE_SLAB_H

#include "base/base.h"

struct slab_set;
struct slab_set *slab_set_new(void);
void slab_set_free(struct slab_set *set); /* all blocks must be given back */
/* Aligned for any type; never NULL; not zeroed. */
void *slab_alloc(struct slab_set *set, size_t size_bytes);
void slab_free(struct slab_set *set, void *block, size_t size_bytes);
/* What a block of this size takes. */
size_t slab_rounded(size_t size_bytes);
/* All memory of it: slabs with what is free in them, large blocks, itself. */
size_t slab_set_bytes(const struct slab_set *set);

#endif
