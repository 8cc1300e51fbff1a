/*
 * A ring of changes.
 *
 * Life of an entry: journal_add at the end -> read, any number of times, by its number ->
 * journal_drop when it is the oldest: its references are given back.
 *
 * What an entry costs: itself and the objects that it refers to. The object after a change is the
 * store's too, until the next change of it, and then that entry's or nobody's; it is counted with
 * the first. So the sum errs to the safe side.
 *
 * Invariants: numbers never come again; ring[number & (cap - 1)] is the entry; cap is 0 or holds
 * all entries.
 */
#include "receivers/k8s_cluster/journal.h"

#include "base/map.h"

enum { FIRST_CAP = 64 };

void journal_init(struct journal *j, struct object_pool *pool)
{
    *j = (struct journal){.pool = pool};
}

void journal_deinit(struct journal *j)
{
    while (!journal_is_empty(j))
        journal_drop(j);
    mem_free(j->ring);
    *j = (struct journal){.pool = j->pool};
}

static size_t cost_of(const struct journal_entry *e)
{
    size_t bytes = sizeof *e;
    if (e->before != NULL)
        bytes += e->before->size_bytes;
    if (e->after != NULL)
        bytes += e->after->size_bytes;
    return bytes;
}

static void resize(struct journal *j, size_t cap)
{
    struct journal_entry *ring = mem_alloc(cap * sizeof *ring);
    for (uint64_t n = j->first; n < j->end; n++)
        ring[n & (cap - 1)] = j->ring[n & (j->cap - 1)];
    mem_free(j->ring);
    j->ring = ring;
    j->cap = cap;
}

void journal_add(struct journal *j, const struct journal_entry *take_entry)
{
    CHECK(take_entry->before != NULL || take_entry->after != NULL);
    if (j->end - j->first == j->cap)
        resize(j, j->cap == 0 ? FIRST_CAP : j->cap * 2);
    j->ring[j->end & (j->cap - 1)] = *take_entry;
    j->end++;
    j->bytes += cost_of(take_entry);
}

struct journal_entry *journal_at(const struct journal *j, uint64_t number)
{
    CHECK(number >= j->first && number < j->end);
    return &j->ring[number & (j->cap - 1)];
}

void journal_drop(struct journal *j)
{
    struct journal_entry *e = journal_at(j, j->first);
    size_t cost = cost_of(e);
    CHECK(j->bytes >= cost);
    j->bytes -= cost;
    j->first++;
    object_unref(j->pool, e->before);
    object_unref(j->pool, e->after);
    /* Memory of a burst goes back once it is over. */
    if (j->cap > FIRST_CAP && j->end - j->first <= j->cap / 8)
        resize(j, j->cap / 2);
}

uint64_t object_fingerprint(const struct object *o)
{
    static const uint64_t key[2] = {3, 4}; /* all replicas must agree, so it is no secret */
    if (o == NULL)
        return 0;
    char bytes[sizeof o->uid + sizeof o->resource_version];
    memcpy(bytes, o->uid, sizeof o->uid);
    memcpy(bytes + sizeof o->uid, &o->resource_version, sizeof o->resource_version);
    if (o->uid_at == 0)
        return sip_hash(key, str_make(bytes, sizeof bytes));
    /* A uid of another form: its 16 bytes depend on the process. */
    uint64_t hash = sip_hash(key, str_make(object_at(o, o->uid_at), o->uid_len));
    return hash ^ o->resource_version * UINT64_C(0x9e3779b97f4a7c15);
}
