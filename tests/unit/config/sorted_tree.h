/* Trees with the members of all maps in order of their keys, for comparisons. */
#ifndef TEST_SORTED_TREE_H
#define TEST_SORTED_TREE_H

#include <stdlib.h>

#include "wire/yaml.h"

static inline int by_key(const void *a, const void *b)
{
    return str_compare((*(const struct node *const *)a)->key, (*(const struct node *const *)b)->key);
}

static inline void sort_maps(struct node *n)
{
    struct node **items = mem_alloc((n->count + 1) * sizeof *items);
    size_t count = 0;
    for (struct node *c = n->first; c != NULL; c = c->next) {
        sort_maps(c);
        items[count++] = c;
    }
    if (n->kind == NODE_MAP) {
        qsort(items, count, sizeof *items, by_key);
        n->first = NULL;
        for (size_t i = count; i-- > 0;) {
            items[i]->next = n->first;
            n->first = items[i];
        }
    }
    mem_free(items);
}

#endif
