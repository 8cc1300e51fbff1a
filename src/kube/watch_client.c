/*
 * Clients of the API server, and which of their watches may send a list.
 *
 * Life of a client: made for the first watch that needs it, found again by its key (server,
 * credentials, options), freed with its last watch.
 *
 * Life of a list in the queue: watch_client_enqueue gives it a ticket, the time at which its token
 * is there (`qps`, `burst`); when that has come and fewer than LIMIT_LISTS_AT_ONCE are under way,
 * it is sent; watch_client_release gives the place to the next one.
 *
 * Watches do not count, as in client-go, unless the server asked to wait. Nor does the look at the
 * version after a break: it belongs to the watch that is taken up again. It needs a place, though.
 */
#include "kube/watch_internal.h"

#define QPS_DEFAULT 5.0 /* as client-go */
#define BURST_DEFAULT 10

static void pump(void *arg);

static struct watch_client *find(const struct watches *set, str key)
{
    list_for_each (node, &set->clients) {
        struct watch_client *c = CONTAINER_OF(node, struct watch_client, link);
        if (str_eq(kube_client_key(c->kube), key))
            return c;
    }
    return NULL;
}

/* The files are read anew each time, for they may be others now. What is strange in them is said for a client that is new. */
struct watch_client *watch_client_get(struct watches *set, const struct watch_config *config,
                                      struct err *err)
{
    static const struct logger silent = {.log = NULL};
    double qps = config->qps > 0 ? config->qps : QPS_DEFAULT;
    int64_t burst = config->burst > 0 ? config->burst : BURST_DEFAULT;
    struct kube_client *kube = kube_client_new(set->loop, &silent, &config->kube, err);
    if (kube == NULL)
        return NULL;
    struct watch_client *c = find(set, kube_client_key(kube));
    kube_client_free(kube);
    if (c != NULL) {
        rate_limit_raise(&c->limit, qps, burst, loop_boot_ns(set->loop));
        c->refs++;
        return c;
    }
    kube = kube_client_new(set->loop, &set->logger, &config->kube, err);
    if (kube == NULL)
        return NULL;
    c = mem_zalloc(sizeof *c);
    c->set = set;
    c->kube = kube;
    c->refs = 1;
    rate_limit_init(&c->limit, qps, burst);
    list_init(&c->queue);
    loop_timer_init(set->loop, &c->timer, "watch queue", pump, c);
    list_append(&set->clients, &c->link);
    return c;
}

void watch_client_unref(struct watch_client *c)
{
    CHECK(c->refs > 0);
    if (--c->refs > 0)
        return;
    CHECK(list_empty(&c->queue) && c->list_count == 0);
    loop_timer_clear(&c->timer);
    list_remove(&c->link);
    kube_client_free(c->kube);
    mem_free(c);
}

static bool needs_place(const struct watch *w)
{
    return w->machine.request == LW_REQUEST_LIST || w->machine.request == LW_REQUEST_CHECK;
}

/* Sends all whose time has come, in order of arrival. */
static void pump(void *arg)
{
    struct watch_client *c = arg;
    int64_t now_ns = loop_boot_ns(c->set->loop), next_ns = INT64_MAX;
    list_for_each_safe (node, &c->queue) {
        struct watch *w = CONTAINER_OF(node, struct watch, queue_link);
        if (needs_place(w) && c->list_count >= LIMIT_LISTS_AT_ONCE)
            continue; /* the release of a place comes back here */
        if (w->ticket_ns > now_ns) {
            next_ns = w->ticket_ns < next_ns ? w->ticket_ns : next_ns;
            continue;
        }
        list_remove(&w->queue_link);
        w->has_place = needs_place(w);
        c->list_count += w->has_place;
        watch_send(w);
    }
    if (next_ns < INT64_MAX)
        loop_timer_set(&c->timer, next_ns);
}

void watch_client_enqueue(struct watch *w)
{
    struct watch_client *c = w->client;
    CHECK(list_empty(&w->queue_link) && !w->has_place);
    w->ticket_ns = loop_boot_ns(c->set->loop);
    if (w->machine.request == LW_REQUEST_LIST || w->was_told_to_wait)
        w->ticket_ns = rate_limit_take(&c->limit, w->ticket_ns);
    w->was_told_to_wait = false;
    list_append(&c->queue, &w->queue_link);
    pump(c);
}

void watch_client_release(struct watch *w)
{
    list_remove(&w->queue_link);
    if (!w->has_place)
        return;
    w->has_place = false;
    w->client->list_count--;
    pump(w->client);
}

void watch_client_give_up_connection(struct watch *w)
{
    struct watch_client *c = w->client;
    if (w->call == NULL || w->drop_count != c->drop_count)
        return;
    c->drop_count++;
    kube_client_drop_connections(c->kube, KUBE_LANE_WATCH);
    kube_client_drop_connections(c->kube, KUBE_LANE_LIST); /* it goes the same way */
}
