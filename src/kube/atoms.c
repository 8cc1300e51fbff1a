/*
 * Interned strings.
 *
 * Life of a text: atoms_get finds it by its hash, or copies it into a block (length, bytes, NUL)
 * and gives it the number of a free entry; the last atoms_unref frees the block and chains the
 * entry for the next text. Numbers of texts that are gone are used again.
 *
 * Two arrays: `entries` by number, and `slots`, a hash table of numbers (open addressing, linear
 * probing, at most three quarters full) without marks of removed ones: a removal moves later
 * members of the same run up. Entries keep 32 bits of the hash, so that growing the table does not
 * touch the texts.
 *
 * Texts come from a cluster's users: SipHash under a random key, as in base/map.
 */
#include "kube/atoms.h"

#include "base/map.h"
#include "base/slab.h"

enum { ENTRY_CAP_MIN = 64, SLOT_COUNT_MIN = 128 };

struct atom_text {
    uint32_t len;
    char bytes[];
};
struct atom_entry {
    struct atom_text *text; /* NULL: free */
    uint32_t refs;          /* of a free one: the next free entry */
    uint32_t hash;
};
struct atoms {
    struct atom_entry *entries; /* entry 0 is the empty text */
    uint32_t entry_count, entry_cap, free_entry, live_count;
    uint32_t *slots; /* numbers; 0: free */
    uint32_t slot_count;
    struct slab_set *slabs;
    uint64_t key[2];
};

struct atoms *atoms_new(const uint64_t hash_key[2])
{
    struct atoms *a = mem_zalloc(sizeof *a);
    a->key[0] = hash_key[0];
    a->key[1] = hash_key[1];
    a->slabs = slab_set_new();
    a->entry_cap = ENTRY_CAP_MIN;
    a->entries = mem_zalloc(a->entry_cap * sizeof *a->entries);
    a->entry_count = 1;
    a->slot_count = SLOT_COUNT_MIN;
    a->slots = mem_zalloc(a->slot_count * sizeof *a->slots);
    return a;
}

void atoms_free(struct atoms *a)
{
    if (a == NULL)
        return;
    CHECK(a->live_count == 0);
    slab_set_free(a->slabs);
    mem_free(a->entries);
    mem_free(a->slots);
    mem_free(a);
}

static size_t text_bytes(size_t len)
{
    return sizeof(struct atom_text) + len + 1;
}

static uint32_t hash_of(const struct atoms *a, str text)
{
    return (uint32_t)sip_hash(a->key, text);
}

/* The slot of this text, or the free one where it belongs. */
static uint32_t find_slot(const struct atoms *a, str text, uint32_t hash)
{
    uint32_t mask = a->slot_count - 1;
    for (uint32_t at = hash & mask;; at = (at + 1) & mask) {
        atom n = a->slots[at];
        if (n == 0)
            return at;
        const struct atom_entry *entry = &a->entries[n];
        if (entry->hash == hash && str_eq(str_make(entry->text->bytes, entry->text->len), text))
            return at;
    }
}

static void grow_slots(struct atoms *a)
{
    CHECK(a->slot_count <= UINT32_MAX / 4);
    mem_free(a->slots);
    a->slot_count *= 2;
    a->slots = mem_zalloc(a->slot_count * sizeof *a->slots);
    uint32_t mask = a->slot_count - 1;
    for (atom n = 1; n < a->entry_count; n++) {
        if (a->entries[n].text == NULL)
            continue;
        uint32_t at = a->entries[n].hash & mask;
        while (a->slots[at] != 0)
            at = (at + 1) & mask;
        a->slots[at] = n;
    }
}

static atom take_entry(struct atoms *a)
{
    atom n = a->free_entry;
    if (n != 0) {
        a->free_entry = a->entries[n].refs;
        return n;
    }
    if (a->entry_count == a->entry_cap) {
        CHECK(a->entry_cap <= UINT32_MAX / 4);
        /* By half: at 100,000 texts doubling would leave 1.6 MB unused. */
        a->entry_cap += a->entry_cap / 2;
        a->entries = mem_realloc(a->entries, a->entry_cap * sizeof *a->entries);
    }
    return a->entry_count++;
}

static atom add(struct atoms *a, str text, uint32_t hash)
{
    CHECK(text.len < UINT32_MAX);
    if (a->live_count + 1 > a->slot_count / 4 * 3)
        grow_slots(a);
    uint32_t at = find_slot(a, text, hash);
    atom n = take_entry(a);
    struct atom_text *copy = slab_alloc(a->slabs, text_bytes(text.len));
    copy->len = (uint32_t)text.len;
    memcpy(copy->bytes, text.data, text.len);
    copy->bytes[text.len] = '\0';
    a->entries[n] = (struct atom_entry){copy, 1, hash};
    a->slots[at] = n;
    a->live_count++;
    return n;
}

atom atoms_get(struct atoms *a, str text)
{
    if (text.len == 0)
        return 0;
    uint32_t hash = hash_of(a, text);
    atom n = a->slots[find_slot(a, text, hash)];
    if (n == 0)
        return add(a, text, hash);
    CHECK(a->entries[n].refs < UINT32_MAX);
    a->entries[n].refs++;
    return n;
}

atom atoms_find(const struct atoms *a, str text)
{
    return text.len == 0 ? 0 : a->slots[find_slot(a, text, hash_of(a, text))];
}

static struct atom_entry *live_entry(const struct atoms *a, atom n)
{
    CHECK(n < a->entry_count);
    struct atom_entry *entry = &a->entries[n];
    CHECK(entry->text != NULL && entry->refs > 0);
    return entry;
}

void atoms_ref(struct atoms *a, atom n)
{
    if (n == 0)
        return;
    struct atom_entry *entry = live_entry(a, n);
    CHECK(entry->refs < UINT32_MAX);
    entry->refs++;
}

/* Frees the slot of an atom; what was pushed behind it by collisions moves up. */
static void remove_slot(struct atoms *a, atom n)
{
    uint32_t mask = a->slot_count - 1;
    uint32_t hole = a->entries[n].hash & mask;
    while (a->slots[hole] != n)
        hole = (hole + 1) & mask;
    for (uint32_t at = (hole + 1) & mask; a->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t home = a->entries[a->slots[at]].hash & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            a->slots[hole] = a->slots[at];
            hole = at;
        }
    }
    a->slots[hole] = 0;
}

void atoms_unref(struct atoms *a, atom n)
{
    if (n == 0)
        return;
    struct atom_entry *entry = live_entry(a, n);
    if (--entry->refs > 0)
        return;
    remove_slot(a, n);
    slab_free(a->slabs, entry->text, text_bytes(entry->text->len));
    *entry = (struct atom_entry){.refs = a->free_entry};
    a->free_entry = n;
    a->live_count--;
}

str atoms_text(const struct atoms *a, atom n)
{
    if (n == 0)
        return STR("");
    const struct atom_text *text = live_entry(a, n)->text;
    return str_make(text->bytes, text->len);
}

size_t atoms_count(const struct atoms *a)
{
    return a->live_count;
}

size_t atoms_bytes(const struct atoms *a)
{
    return sizeof *a + a->entry_cap * sizeof *a->entries + a->slot_count * sizeof *a->slots +
           slab_set_bytes(a->slabs);
}

str atom_copies_text(struct atom_copies *c, const struct atoms *a, struct arena *arena, atom n)
{
    if (n == 0)
        return STR("");
    size_t at = n % ATOM_COPIES;
    if (c->slots[at].atom != n) {
        c->slots[at].atom = n;
        c->slots[at].text = arena_str(arena, atoms_text(a, n));
    }
    return c->slots[at].text;
}
