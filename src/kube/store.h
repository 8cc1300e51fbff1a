/*
 * The objects of one watch, by uid, with a place that each keeps for its life: a cursor over places sees every object that is there
 * throughout exactly once, whatever comes and goes meanwhile. A walk moreover sees no name twice, though an object be deleted and
 * created again under way.
 */
#ifndef KUBE_STORE_H
#define KUBE_STORE_H

#include "kube/object.h"

struct store {
    struct object_pool *pool;
    struct object **places;      /* NULL: free */
    uint32_t *generations;       /* of the place: the list in which it was last seen */
    uint32_t *births;            /* of the place: `clock` when its object came */
    uint32_t place_count, place_cap, free_place; /* free places are chained */
    uint32_t *slots;             /* by uid: place + 1; open addressing, no marks of removed ones */
    uint32_t slot_count, count;
    uint32_t generation;
    uint32_t clock;              /* counts walks and lists between which objects came; goes on when the store is cleared */
    uint32_t newest_birth;
    uint32_t list_clock;         /* when the list began that is not swept yet; 0: there is none */
    size_t object_bytes;         /* blocks of its objects */
    bool takes_same;             /* see store_put */
    uint32_t sweep_place;        /* the next one to look at */
    /* optional index of groups, see store_group_by */
    uint64_t (*group_of)(const struct object *o);
    struct store_groups *groups;
};
void store_init(struct store *s, struct object_pool *pool);
void store_deinit(struct store *s);
/* All memory is given back; walks that are under way find nothing any more, whatever is put in afterwards. No objects are in it. */
void store_reset(struct store *s);

enum store_change { STORE_ADDED, STORE_UPDATED, STORE_SAME };
/* Takes the reference. *before gets the object that was there (a reference, the caller's) or NULL. STORE_SAME: same resourceVersion as the
 * one that is there, which also has all fields (enum object_fields) of the new one, and stays (unless `takes_same`: then it is
 * STORE_UPDATED); before is NULL. Marks it as seen. */
enum store_change store_put(struct store *s, struct object *take_object, struct object **before);
/* The object that was there, its reference now the caller's, or NULL. */
struct object *store_remove(struct store *s, const uint8_t uid[16]);
struct object *store_get(const struct store *s, const uint8_t uid[16]); /* borrowed */

/* A new list begins: nothing is seen yet. */
void store_mark(struct store *s);
/* After the list: takes out the next object that was not seen since store_mark (its reference is the caller's), looking at no more than
 * `*budget` places, which it counts down. NULL with budget left: nothing is left; NULL with *budget 0: call again. */
struct object *store_sweep(struct store *s, uint32_t *budget);

/* The next object at or behind place *cursor, which moves behind it; NULL at the end. Start with 0. Borrowed. */
struct object *store_next(const struct store *s, uint32_t *cursor);

/* The same for objects that were there when the walk began, of which no two have one name: who comes later may be one of them created
 * again. While a list is taken over, what it brought may be, too, and is left out until the sweep is through. May be broken off. */
struct store_walk {
    uint32_t place;
    uint32_t end; /* of births that count; 0: not begun */
};
struct store_walk store_walk_begin(struct store *s);
struct object *store_walk_next(const struct store *s, struct store_walk *walk);

/* False: this object of the store came with a list that is not swept yet, and may be there beside the one that it replaces. */
bool store_is_settled(const struct store *s, const struct object *o);

/* Keeps an index of objects by a number (0: in no group). A store has one: asked for again, it must be by the same function. Cheapest
 * before the first object. */
void store_group_by(struct store *s, uint64_t (*group_of)(const struct object *o));
/* Members of a group in no order: start with *cursor = 0; NULL at the end. Borrowed; the store must not change in between. */
struct object *store_group_next(const struct store *s, uint64_t group, uint32_t *cursor);

/* All memory of it, objects included. */
size_t store_bytes(const struct store *s);

#endif
