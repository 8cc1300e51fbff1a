/*
 * The exporter `sim` and the backend behind it, which writes down each tick that arrives.
 *
 * Life of a batch: consume -> a parcel is on its way to the backend -> it arrives: noted, accepted or refused -> the answer comes
 * back -> outcome. A parcel or answer that got lost is sent again after a while, with the same content, until a stop's deadline.
 */
#include "world.h"

#include "exporters/exporters.h"

enum { REPEAT_MS = 5000 };

struct backend {
    int64_t slow_until_ns, down_until_ns, refuses_until_ns;
};

/* Of a process; outlives its exporters. */
struct sender {
    struct list pending; /* struct sending */
    uint64_t next_id;
};
struct sending {
    struct list link;
    uint64_t id;
    struct exporter *exporter;
    struct batch *batch;
    struct loop_timer timer;
};
struct state {
    struct replica *replica;
    size_t pending_count;
    bool stopping;
    struct loop_timer deadline;
};
struct report {
    struct parcel answer;
    struct event arrival;
    struct replica *replica;
    uint64_t id, process;
    int64_t tick_ns, left_ns;
    enum receiver_index receiver;
    enum outcome outcome;
};

void backend_new(struct world *w)
{
    w->backend = mem_zalloc(sizeof *w->backend);
}

void backend_trouble(struct world *w, enum backend_trouble kind, int64_t until_ns)
{
    int64_t *until[BACKEND_TROUBLE_COUNT] = {
        [BACKEND_SLOW] = &w->backend->slow_until_ns,
        [BACKEND_DOWN] = &w->backend->down_until_ns,
        [BACKEND_REFUSES] = &w->backend->refuses_until_ns,
    };
    *until[kind] = until_ns;
}

/* -- the exporter -- */

static void check_stopped(struct exporter *e)
{
    struct state *s = e->base.state;
    if (!s->stopping || s->pending_count > 0)
        return;
    s->stopping = false;
    loop_timer_clear(&s->deadline);
    exporter_stopped(e);
}

static void settle(struct sending *x, enum outcome outcome)
{
    struct exporter *e = x->exporter;
    struct state *s = e->base.state;
    loop_timer_clear(&x->timer);
    list_remove(&x->link);
    bool was_full = s->pending_count-- >= s->replica->world->settings->room;
    batch_outcome(x->batch, outcome);
    batch_unref(x->batch);
    mem_free(x);
    if (was_full)
        exporter_room(e);
    check_stopped(e);
}

static void on_answer(void *arg, bool alive)
{
    struct report *p = arg;
    struct sender *sender = p->replica->sender;
    bool found = false;
    list_for_each_safe (node, &sender->pending) {
        struct sending *x = CONTAINER_OF(node, struct sending, link);
        if (!alive || found || x->id != p->id)
            continue;
        found = true;
        settle(x, p->outcome);
    }
    mem_free(p);
}

static void on_arrival(void *arg)
{
    struct report *p = arg;
    struct world *w = p->replica->world;
    const struct backend *b = w->backend;
    bool was_sent = p->left_ns <= p->replica->crashed_ns; /* else it died before it came to that */
    if (w->now_ns < b->down_until_ns || !was_sent) {
        mem_free(p);
        return;
    }
    int64_t back_ns = w->now_ns + net_latency(w, &p->replica->link);
    if (w->now_ns < b->slow_until_ns)
        back_ns += chance_between(&w->net_chance, 0, BACKEND_SLOW_NS);
    p->outcome = w->now_ns < b->refuses_until_ns ? OUTCOME_REFUSED : OUTCOME_SENT;
    world_trace(w, "backend: tick %" PRId64 " of p%" PRIu64 "%s", p->tick_ns, p->process,
                p->outcome == OUTCOME_SENT ? "" : " refused");
    if (p->outcome == OUTCOME_SENT)
        check_arrived(w, p->receiver, p->process, p->tick_ns);
    p->answer.fn = on_answer;
    p->answer.arg = p;
    sim_loop_deliver(p->replica->loop, &p->answer, back_ns);
}

static enum receiver_index receiver_of(const struct batch *b)
{
    return str_eqz(b->origin.receiver_id, "dummy") ? RECEIVER_DUMMY : RECEIVER_CLUSTER;
}

static void send(struct sending *x)
{
    const struct state *s = x->exporter->base.state;
    struct replica *r = s->replica;
    struct world *w = r->world;
    struct report *p = mem_zalloc(sizeof *p);
    p->replica = r;
    p->id = x->id;
    p->process = r->process;
    p->tick_ns = x->batch->origin.tick_ns;
    p->receiver = receiver_of(x->batch);
    event_init(&p->arrival, on_arrival, p);
    p->left_ns = sim_loop_world_ns(r->loop);
    world_at(w, &p->arrival, p->left_ns + net_latency(w, &r->link));
    loop_timer_set_after(&x->timer, REPEAT_MS * MS);
}

static void on_repeat(void *arg)
{
    send(arg);
}

static bool sim_create(struct exporter *e, const void *config, struct err *err)
{
    (void)config, (void)err;
    struct state *s = mem_zalloc(sizeof *s);
    s->replica = sim_loop_replica(e->base.loop);
    if (s->replica->sender == NULL) {
        s->replica->sender = mem_zalloc(sizeof *s->replica->sender);
        list_init(&s->replica->sender->pending);
    }
    e->base.state = s;
    return true;
}

static void sim_consume(struct exporter *e, struct batch *take_batch)
{
    struct state *s = e->base.state;
    struct sender *sender = s->replica->sender;
    struct sending *x = mem_zalloc(sizeof *x);
    check_handed_over(s->replica, receiver_of(take_batch), take_batch->origin.tick_ns);
    if (receiver_of(take_batch) == RECEIVER_CLUSTER)
        cluster_read(s->replica, take_batch);
    x->id = sender->next_id++;
    x->exporter = e;
    x->batch = take_batch;
    loop_timer_init(e->base.loop, &x->timer, "sim repeat", on_repeat, x);
    list_append(&sender->pending, &x->link);
    s->pending_count++;
    send(x);
}

static bool sim_has_room(const struct exporter *e)
{
    const struct state *s = e->base.state;
    return s->pending_count < s->replica->world->settings->room;
}

static void on_deadline(void *arg)
{
    struct exporter *e = arg;
    const struct state *s = e->base.state;
    list_for_each_safe (node, &s->replica->sender->pending) {
        struct sending *x = CONTAINER_OF(node, struct sending, link);
        if (x->exporter == e)
            settle(x, OUTCOME_DROPPED);
    }
}

static void sim_stop(struct exporter *e, int64_t deadline_ns)
{
    struct state *s = e->base.state;
    s->stopping = true;
    loop_timer_init(e->base.loop, &s->deadline, "sim deadline", on_deadline, e);
    loop_timer_set(&s->deadline, deadline_ns);
    check_stopped(e);
}

static void sim_destroy(struct exporter *e)
{
    mem_free(e->base.state);
    e->base.state = NULL;
}

static const struct config_schema schema = {.name = "sim", .size = 1};

const struct exporter_type sim_exporter = {
    .name = "sim",
    .signals = SIGNAL_METRICS | SIGNAL_LOGS | SIGNAL_TRACES,
    .stability = "beta",
    .schema = &schema,
    .create = sim_create,
    .consume = sim_consume,
    .has_room = sim_has_room,
    .stop = sim_stop,
    .destroy = sim_destroy,
};
