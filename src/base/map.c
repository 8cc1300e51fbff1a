/*
 * Hash map from byte strings to pointers.
 *
 * Two arrays: `entries` holds keys and values in order of insertion, `slots` (a power of two, at
 * least twice entry_cap) holds for each hash position the index of an entry. Probing is linear. A
 * removed entry keeps its place with value NULL and its slot becomes a tombstone, so that iteration
 * may remove; only a put that finds `entries` full compacts or grows them, and then the slots are
 * built anew without tombstones.
 *
 * Invariants: live_count <= entry_count <= entry_cap <= slot_count / 2; no more than entry_count
 * slots are in use (a tombstone belongs to a dead entry), so a probe always meets a free slot.
 *
 * Keys can be chosen by strangers (label keys, names of objects), hence SipHash (Aumasson and
 * Bernstein, "SipHash: a fast short-input PRF") with one round for each word and three at the end,
 * under a random key.
 */
#include "base/map.h"

static const uint32_t slot_free = 0;
static const uint32_t slot_removed = UINT32_MAX;
enum { ENTRY_CAP_MIN = 8 };

static inline uint64_t rotate_left(uint64_t x, unsigned bits)
{
    return (x << bits) | (x >> (64 - bits));
}

static inline void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[2] += v[3];
    v[1] = rotate_left(v[1], 13) ^ v[0];
    v[3] = rotate_left(v[3], 16) ^ v[2];
    v[0] = rotate_left(v[0], 32);
    v[2] += v[1];
    v[0] += v[3];
    v[1] = rotate_left(v[1], 17) ^ v[2];
    v[3] = rotate_left(v[3], 21) ^ v[0];
    v[2] = rotate_left(v[2], 32);
}

uint64_t sip_hash(const uint64_t key[2], str data)
{
    uint64_t v[4] = {
        key[0] ^ UINT64_C(0x736f6d6570736575),
        key[1] ^ UINT64_C(0x646f72616e646f6d),
        key[0] ^ UINT64_C(0x6c7967656e657261),
        key[1] ^ UINT64_C(0x7465646279746573),
    };
    const char *p = data.data;
    size_t left = data.len;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word;
        memcpy(&word, p, 8); /* little-endian machines only, see below */
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)(data.len & 0xff) << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)(unsigned char)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
               "protobuf fixed fields are read as they stand");

void map_init(struct map *m, const uint64_t hash_key[2])
{
    *m = (struct map){.key = {hash_key[0], hash_key[1]}};
}

void map_deinit(struct map *m)
{
    mem_free(m->entries);
    mem_free(m->slots);
    *m = (struct map){.key = {m->key[0], m->key[1]}};
}

static void map_check(const struct map *m)
{
    CHECK(m->live_count <= m->entry_count && m->entry_count <= m->entry_cap);
    CHECK(m->entry_cap <= m->slot_count / 2 && (m->slot_count & (m->slot_count - 1)) == 0);
}

/* The slot of `key`, or SIZE_MAX. */
static size_t find_slot(const struct map *m, str key, uint64_t hash)
{
    if (m->slot_count == 0)
        return SIZE_MAX;
    size_t mask = m->slot_count - 1;
    for (size_t at = hash & mask, probes = 0;; at = (at + 1) & mask, probes++) {
        CHECK(probes < m->slot_count);
        uint32_t slot = m->slots[at];
        if (slot == slot_free)
            return SIZE_MAX;
        if (slot == slot_removed)
            continue;
        const struct map_entry *entry = &m->entries[slot - 1];
        if (entry->hash == hash && str_eq(entry->key, key))
            return at;
    }
}

/* Points the first slot from `hash` on that holds no entry at entry `index`. */
static void place(struct map *m, uint64_t hash, size_t index)
{
    size_t mask = m->slot_count - 1;
    size_t at = hash & mask;
    while (m->slots[at] != slot_free && m->slots[at] != slot_removed)
        at = (at + 1) & mask;
    m->slots[at] = (uint32_t)(index + 1);
}

/* Closes the gaps that removals left, then fits the arrays to what is alive. */
static void rebuild(struct map *m)
{
    size_t kept = 0;
    for (size_t i = 0; i < m->entry_count; i++) {
        if (m->entries[i].value != NULL)
            m->entries[kept++] = m->entries[i];
    }
    CHECK(kept == m->live_count);
    m->entry_count = kept;
    /* At least a third of the new room is free, so that the next rebuild is that many puts away. */
    size_t cap = ENTRY_CAP_MIN;
    while (cap - cap / 3 < kept + 1)
        cap *= 2;
    CHECK(cap < UINT32_MAX / 2);
    if (cap != m->entry_cap) {
        m->entries = mem_realloc(m->entries, cap * sizeof *m->entries);
        m->entry_cap = cap;
        m->slot_count = cap * 2;
        m->slots = mem_realloc(m->slots, m->slot_count * sizeof *m->slots);
    }
    memset(m->slots, 0, m->slot_count * sizeof *m->slots);
    for (size_t i = 0; i < m->entry_count; i++)
        place(m, m->entries[i].hash, i);
    map_check(m);
}

void *map_get(const struct map *m, str key)
{
    if (m->live_count == 0)
        return NULL;
    size_t at = find_slot(m, key, sip_hash(m->key, key));
    return at == SIZE_MAX ? NULL : m->entries[m->slots[at] - 1].value;
}

void *map_put(struct map *m, str key, void *value)
{
    CHECK(value != NULL);
    map_check(m);
    uint64_t hash = sip_hash(m->key, key);
    size_t at = find_slot(m, key, hash);
    if (at != SIZE_MAX) {
        struct map_entry *entry = &m->entries[m->slots[at] - 1];
        void *old = entry->value;
        entry->key = key;
        entry->value = value;
        return old;
    }
    if (m->entry_count == m->entry_cap)
        rebuild(m);
    m->entries[m->entry_count] = (struct map_entry){key, value, hash};
    place(m, hash, m->entry_count);
    m->entry_count++;
    m->live_count++;
    return NULL;
}

void *map_remove(struct map *m, str key)
{
    map_check(m);
    if (m->live_count == 0)
        return NULL;
    size_t at = find_slot(m, key, sip_hash(m->key, key));
    if (at == SIZE_MAX)
        return NULL;
    struct map_entry *entry = &m->entries[m->slots[at] - 1];
    void *old = entry->value;
    CHECK(old != NULL);
    *entry = (struct map_entry){0};
    m->slots[at] = slot_removed;
    m->live_count--;
    return old;
}

bool map_next(const struct map *m, size_t *pos, str *key, void **value)
{
    while (*pos < m->entry_count) {
        const struct map_entry *entry = &m->entries[(*pos)++];
        if (entry->value == NULL)
            continue;
        if (key != NULL)
            *key = entry->key;
        if (value != NULL)
            *value = entry->value;
        return true;
    }
    return false;
}
