/* The set of watches without a server: nobody in these tests watches anything. Link instead of kube/watches.c. */
#include "kube/watches.h"

struct watches {
    struct loop *loop;
};

struct watches *watches_new(struct loop *loop, const struct logger *logger)
{
    (void)logger;
    struct watches *set = mem_zalloc(sizeof *set);
    set->loop = loop;
    return set;
}

void watches_free(struct watches *set)
{
    mem_free(set);
}
