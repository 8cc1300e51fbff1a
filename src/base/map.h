/*
 * Hash map from byte strings to pointers: SipHash-1-3 under the loop's random key, open addressing, insertion order kept for
 * iteration. Keys are views: the caller keeps their bytes alive (usually inside the value).
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/base.h"

struct map_entry {
    str key;
    void *value; /* NULL: removed */
    uint64_t hash;
};
struct map {
    struct map_entry *entries; /* in order of insertion */
    uint32_t *slots;           /* index + 1 into entries, 0 = free, UINT32_MAX = removed */
    size_t entry_count, entry_cap, slot_count, live_count;
    uint64_t key[2];
};

uint64_t sip_hash(const uint64_t key[2], str data);

void map_init(struct map *m, const uint64_t hash_key[2]);
void map_deinit(struct map *m);
/* The value, or NULL. */
void *map_get(const struct map *m, str key);
/* Sets or replaces (the key's view too, since the old key may die with the old value); value must not be NULL. Returns the value
 * that was there, or NULL. */
void *map_put(struct map *m, str key, void *value);
/* Returns the value that was there, or NULL. */
void *map_remove(struct map *m, str key);
static inline size_t map_count(const struct map *m)
{
    return m->live_count;
}
/* Iterates in order of insertion: start with *pos = 0; false at the end. Removing the current entry is allowed, putting is not. */
bool map_next(const struct map *m, size_t *pos, str *key, void **value);

#endif
