/* The set of watches without a server: nobody in these tests watches anything, but three watches have statistics. Link instead of
 * kube/watches.c. */
#include "kube/object.h"
#include "kube/watches.h"

struct watch {
    uint64_t number;
};
struct watches {
    struct loop *loop;
    struct object_pool pool;
    struct watch watches[3];
};

struct watches *watches_new(struct loop *loop, const struct logger *logger)
{
    (void)logger;
    struct watches *set = mem_zalloc(sizeof *set);
    set->loop = loop;
    object_pool_init(&set->pool, loop_hash_key(loop));
    for (size_t i = 0; i < COUNT_OF(set->watches); i++)
        set->watches[i].number = i;
    return set;
}

void watches_free(struct watches *set)
{
    object_pool_deinit(&set->pool);
    mem_free(set);
}

struct object_pool *watches_pool(struct watches *set)
{
    return &set->pool;
}

void watches_each(struct watches *set, void (*fn)(void *arg, struct watch *w), void *arg)
{
    for (size_t i = 0; i < COUNT_OF(set->watches); i++)
        fn(arg, &set->watches[i]);
}

/* Two with equal labels, and a third. */
void watch_describe(const struct watch *w, struct buf *resource, str *namespace, str *selectors)
{
    buf_text(resource, w->number < 2 ? "v1/pods" : "apps/v1/deployments");
    *namespace = w->number < 2 ? STR("") : STR("shop");
    *selectors = w->number < 2 ? STR("labelSelector=a%3D%22b%22") : STR("");
}

void watch_statistics(const struct watch *w, struct watch_stats *stats)
{
    uint64_t n = w->number + 1;
    *stats = (struct watch_stats){.object_count = n,
                                  .bytes = 10 * n,
                                  .lists = 20 * n,
                                  .watch_requests = 30 * n,
                                  .events = 40 * n,
                                  .decode_failures = 50 * n,
                                  .bytes_received = 60 * n};
}

enum watch_trouble watch_trouble(const struct watch *w)
{
    return w->number < 2 ? WATCH_FORBIDDEN : WATCH_WELL;
}
