/*
 * The objects of one watch.
 *
 * Life of an object in it: store_put gives it a place, the one that was freed last or a new one at
 * the end, and an entry in the table by uid; a newer version takes the same place; store_remove or
 * store_sweep frees it. A cursor is the number of the next place, so that it needs no knowledge of
 * what comes and goes.
 *
 * `generations` of a free place is the next free one + 1. `slots` is a hash table by uid of places
 * + 1 with linear probing, at most three quarters full; a removal moves later members of the run
 * up. Growing it looks at each object once; they are fetched ahead, which is most of the time.
 *
 * Walks: each takes the clock's number when it begins, and sees what was born before. The clock moves
 * on only if something was born at its present number, so that ticks of a quiet store do not use it
 * up. What a list brings may be there beside the object of the same name that it replaces, until that
 * is swept; so walks that begin meanwhile take the number of the list.
 *
 * Groups: a table from the number of a group to the first of its places, and a chain in both
 * directions through places. So a member leaves without a search.
 */
#include "kube/store.h"

enum { PLACES_MIN = 16, SLOTS_MIN = 32, PREFETCH = 8 };

struct group_slot {
    uint64_t group; /* 0: free */
    uint32_t first; /* place + 1 */
};
struct group_link {
    uint32_t next, prev; /* place + 1; 0: none */
};
struct store_groups {
    struct group_slot *slots;
    uint32_t slot_count, count;
    struct group_link *links; /* by place, place_cap of them */
};

void store_init(struct store *s, struct object_pool *pool)
{
    *s = (struct store){.pool = pool, .generation = 1, .clock = 1};
}

static void free_tables(struct store *s)
{
    mem_free(s->places);
    mem_free(s->generations);
    mem_free(s->births);
    mem_free(s->slots);
    if (s->groups != NULL) {
        mem_free(s->groups->slots);
        mem_free(s->groups->links);
        mem_free(s->groups);
    }
}

void store_deinit(struct store *s)
{
    for (uint32_t i = 0; i < s->place_count; i++)
        object_unref(s->pool, s->places[i]);
    free_tables(s);
    *s = (struct store){.pool = s->pool};
}

void store_reset(struct store *s)
{
    CHECK(s->count == 0);
    uint64_t (*group_of)(const struct object *o) = s->group_of;
    free_tables(s);
    *s = (struct store){.pool = s->pool, .generation = 1, .clock = s->clock};
    if (group_of != NULL)
        store_group_by(s, group_of);
}

/* -- by uid -- */

static uint64_t mix(uint64_t n)
{
    n *= UINT64_C(0x9e3779b97f4a7c15); /* spreads over the high bits */
    return n ^ n >> 32;
}

static uint32_t uid_hash(const struct store *s, const uint8_t uid[16])
{
    uint64_t halves[2];
    memcpy(halves, uid, sizeof halves);
    return (uint32_t)mix(mix(halves[0] ^ s->pool->hash_key[0]) + halves[1]);
}

/* The slot of the object with this uid, or the free one where it belongs. */
static uint32_t find_slot(const struct store *s, const uint8_t uid[16])
{
    uint32_t mask = s->slot_count - 1;
    for (uint32_t at = uid_hash(s, uid) & mask;; at = (at + 1) & mask) {
        uint32_t slot = s->slots[at];
        if (slot == 0 || memcmp(s->places[slot - 1]->uid, uid, 16) == 0)
            return at;
    }
}

static void resize_slots(struct store *s, uint32_t slot_count)
{
    mem_free(s->slots);
    s->slots = mem_zalloc(slot_count * sizeof *s->slots);
    s->slot_count = slot_count;
    uint32_t mask = slot_count - 1;
    for (uint32_t place = 0; place < s->place_count; place++) {
        if (place + PREFETCH < s->place_count)
            __builtin_prefetch(s->places[place + PREFETCH]);
        if (s->places[place] == NULL)
            continue;
        uint32_t at = uid_hash(s, s->places[place]->uid) & mask;
        while (s->slots[at] != 0)
            at = (at + 1) & mask;
        s->slots[at] = place + 1;
    }
}

static void reserve_slot(struct store *s)
{
    CHECK(s->count < UINT32_MAX / 4);
    if (s->slot_count == 0)
        resize_slots(s, SLOTS_MIN);
    else if (s->count + 1 > s->slot_count / 4 * 3)
        resize_slots(s, 2 * s->slot_count);
}

/* Frees the slot; what was pushed behind it by collisions moves up. */
static void remove_slot(struct store *s, uint32_t hole)
{
    uint32_t mask = s->slot_count - 1;
    for (uint32_t at = (hole + 1) & mask; s->slots[at] != 0; at = (at + 1) & mask) {
        uint32_t home = uid_hash(s, s->places[s->slots[at] - 1]->uid) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            s->slots[hole] = s->slots[at];
            hole = at;
        }
    }
    s->slots[hole] = 0;
}

/* -- groups -- */

static uint32_t find_group(const struct store_groups *g, uint64_t group)
{
    uint32_t mask = g->slot_count - 1;
    uint32_t at = (uint32_t)mix(group) & mask;
    while (g->slots[at].group != 0 && g->slots[at].group != group)
        at = (at + 1) & mask;
    return at;
}

static void grow_groups(struct store_groups *g)
{
    struct store_groups old = *g;
    g->slot_count = old.slot_count == 0 ? SLOTS_MIN : 2 * old.slot_count;
    g->slots = mem_zalloc(g->slot_count * sizeof *g->slots);
    for (uint32_t i = 0; i < old.slot_count; i++)
        if (old.slots[i].group != 0)
            g->slots[find_group(g, old.slots[i].group)] = old.slots[i];
    mem_free(old.slots);
}

static void remove_group(struct store_groups *g, uint32_t hole)
{
    uint32_t mask = g->slot_count - 1;
    for (uint32_t at = (hole + 1) & mask; g->slots[at].group != 0; at = (at + 1) & mask) {
        uint32_t home = (uint32_t)mix(g->slots[at].group) & mask;
        if (((at - home) & mask) >= ((at - hole) & mask)) {
            g->slots[hole] = g->slots[at];
            hole = at;
        }
    }
    g->slots[hole] = (struct group_slot){0};
    g->count--;
}

static void join_group(struct store *s, uint32_t place, uint64_t group)
{
    struct store_groups *g = s->groups;
    if (group == 0)
        return;
    if (g->count + 1 > g->slot_count / 4 * 3)
        grow_groups(g);
    struct group_slot *slot = &g->slots[find_group(g, group)];
    if (slot->group == 0) {
        *slot = (struct group_slot){.group = group};
        g->count++;
    }
    g->links[place] = (struct group_link){.next = slot->first};
    if (slot->first != 0)
        g->links[slot->first - 1].prev = place + 1;
    slot->first = place + 1;
}

static void leave_group(struct store *s, uint32_t place, uint64_t group)
{
    struct store_groups *g = s->groups;
    if (group == 0)
        return;
    uint32_t at = find_group(g, group);
    struct group_link link = g->links[place];
    CHECK(g->slots[at].group == group);
    if (link.next != 0)
        g->links[link.next - 1].prev = link.prev;
    if (link.prev != 0)
        g->links[link.prev - 1].next = link.next;
    else
        g->slots[at].first = link.next;
    if (g->slots[at].first == 0)
        remove_group(g, at);
}

/* The object of a place changes: NULL for none. */
static void regroup(struct store *s, uint32_t place, const struct object *before,
                    const struct object *after)
{
    if (s->groups == NULL)
        return;
    uint64_t old = before == NULL ? 0 : s->group_of(before);
    uint64_t new = after == NULL ? 0 : s->group_of(after);
    if (old == new)
        return;
    leave_group(s, place, old);
    join_group(s, place, new);
}

void store_group_by(struct store *s, uint64_t (*group_of)(const struct object *o))
{
    if (s->groups != NULL) {
        CHECK(s->group_of == group_of);
        return;
    }
    s->group_of = group_of;
    s->groups = mem_zalloc(sizeof *s->groups);
    if (s->place_cap > 0)
        s->groups->links = mem_zalloc(s->place_cap * sizeof *s->groups->links);
    for (uint32_t i = 0; i < s->place_count; i++)
        if (s->places[i] != NULL)
            join_group(s, i, group_of(s->places[i]));
}

struct object *store_group_next(const struct store *s, uint64_t group, uint32_t *cursor)
{
    const struct store_groups *g = s->groups;
    CHECK(g != NULL);
    if (*cursor == UINT32_MAX || g->slot_count == 0 || group == 0)
        return NULL;
    uint32_t next = *cursor == 0 ? g->slots[find_group(g, group)].first : *cursor;
    if (next == 0)
        return NULL;
    uint32_t after = g->links[next - 1].next;
    *cursor = after == 0 ? UINT32_MAX : after;
    return s->places[next - 1];
}

/* -- places -- */

static uint32_t take_place(struct store *s)
{
    if (s->free_place != 0) {
        uint32_t place = s->free_place - 1;
        s->free_place = s->generations[place];
        return place;
    }
    if (s->place_count == s->place_cap) {
        uint32_t cap = s->place_cap < PLACES_MIN ? PLACES_MIN : s->place_cap + s->place_cap / 4;
        s->places = mem_realloc(s->places, cap * sizeof *s->places);
        s->generations = mem_realloc(s->generations, cap * sizeof *s->generations);
        s->births = mem_realloc(s->births, cap * sizeof *s->births);
        if (s->groups != NULL)
            s->groups->links = mem_realloc(s->groups->links, cap * sizeof *s->groups->links);
        s->place_cap = cap;
    }
    return s->place_count++;
}

static void free_place(struct store *s, uint32_t place)
{
    s->places[place] = NULL;
    s->generations[place] = s->free_place;
    s->free_place = place + 1;
}

static bool is_same(const struct object *there, const struct object *o)
{
    bool has_all = (o->fields & ~there->fields) == 0;
    return o->resource_version != 0 && o->resource_version == there->resource_version && has_all;
}

enum store_change store_put(struct store *s, struct object *take_object, struct object **before)
{
    struct object *o = take_object;
    reserve_slot(s);
    uint32_t at = find_slot(s, o->uid);
    *before = NULL;
    if (s->slots[at] == 0) {
        uint32_t place = take_place(s);
        s->places[place] = o;
        s->generations[place] = s->generation;
        s->births[place] = s->newest_birth = s->clock;
        s->slots[at] = place + 1;
        s->count++;
        s->object_bytes += o->size_bytes;
        regroup(s, place, NULL, o);
        return STORE_ADDED;
    }
    uint32_t place = s->slots[at] - 1;
    struct object *there = s->places[place];
    s->generations[place] = s->generation;
    if (!s->takes_same && is_same(there, o)) {
        object_unref(s->pool, o);
        return STORE_SAME;
    }
    regroup(s, place, there, o);
    s->places[place] = o;
    s->object_bytes += o->size_bytes;
    s->object_bytes -= there->size_bytes;
    *before = there;
    return STORE_UPDATED;
}

static struct object *take_out(struct store *s, uint32_t slot)
{
    uint32_t place = s->slots[slot] - 1;
    struct object *o = s->places[place];
    regroup(s, place, o, NULL);
    remove_slot(s, slot);
    free_place(s, place);
    s->count--;
    s->object_bytes -= o->size_bytes;
    if (s->count < s->slot_count / 8 && s->slot_count > SLOTS_MIN)
        resize_slots(s, s->slot_count / 2);
    return o;
}

struct object *store_remove(struct store *s, const uint8_t uid[16])
{
    if (s->count == 0)
        return NULL;
    uint32_t at = find_slot(s, uid);
    return s->slots[at] == 0 ? NULL : take_out(s, at);
}

struct object *store_get(const struct store *s, const uint8_t uid[16])
{
    if (s->count == 0)
        return NULL;
    uint32_t slot = s->slots[find_slot(s, uid)];
    return slot == 0 ? NULL : s->places[slot - 1];
}

/* What is born from now on is told from what was born before. */
static uint32_t clock_now(struct store *s)
{
    if (s->newest_birth == s->clock)
        s->clock++;
    return s->clock;
}

void store_mark(struct store *s)
{
    s->generation++;
    s->sweep_place = 0;
    if (s->list_clock == 0)
        s->list_clock = clock_now(s);
}

struct object *store_sweep(struct store *s, uint32_t *budget)
{
    while (s->sweep_place<s->place_count && * budget> 0) {
        uint32_t place = s->sweep_place++;
        (*budget)--;
        const struct object *o = s->places[place];
        if (o != NULL && s->generations[place] != s->generation)
            return take_out(s, find_slot(s, o->uid));
    }
    if (*budget > 0)
        s->list_clock = 0;
    return NULL;
}

struct object *store_next(const struct store *s, uint32_t *cursor)
{
    while (*cursor < s->place_count) {
        struct object *o = s->places[(*cursor)++];
        if (o != NULL)
            return o;
    }
    return NULL;
}

struct store_walk store_walk_begin(struct store *s)
{
    return (struct store_walk){.end = s->list_clock != 0 ? s->list_clock : clock_now(s)};
}

struct object *store_walk_next(const struct store *s, struct store_walk *walk)
{
    struct object *o;
    do
        o = store_next(s, &walk->place);
    while (o != NULL && s->births[walk->place - 1] >= walk->end);
    return o;
}

bool store_is_settled(const struct store *s, const struct object *o)
{
    return s->list_clock == 0 || s->births[s->slots[find_slot(s, o->uid)] - 1] < s->list_clock;
}

size_t store_bytes(const struct store *s)
{
    size_t place_bytes = sizeof *s->places + sizeof *s->generations + sizeof *s->births;
    size_t bytes = s->object_bytes + s->place_cap * place_bytes + s->slot_count * sizeof *s->slots;
    if (s->groups != NULL)
        bytes += sizeof *s->groups + s->groups->slot_count * sizeof *s->groups->slots +
                 s->place_cap * sizeof *s->groups->links;
    return bytes;
}
