/*
 * Changes that happen to a generated cluster by themselves, so many a second.
 *
 * Life of a change: kubesim_tick asks what is due; the next numbers of a random sequence, which
 * depends on the seed only, choose what happens; the state of the generator changes, and the objects
 * that show it are put into the tables as an API server's clients would do it. Each such object is
 * one change.
 *
 *   a pod gets ready or not, crashes, is killed, recovers     the pod
 *   a pod goes away, is made again, starts                    the pod, three times
 *   a deployment gets one pod more or less                    the pod
 *   and whenever that changes the number of ready or wanted pods, replica set and deployment
 *
 * What somebody else has changed or deleted is left alone.
 *
 * Invariant: a pod that is alive here and in the table has the same incarnation in both.
 */
#include "kubesim/generate.h"

#include "kubesim/sim.h"

static const int64_t SECOND_NS = 1000000000;
static const int64_t STEP_NS = 1000000; /* changes that are closer are made together */
enum { TRIES_MAX = 20 };                /* until a throw of the dice hits something */

static uint32_t random_below(struct generator *g, uint32_t limit)
{
    return (uint32_t)(gen_hash(g->random++, 4, 4) % limit);
}

static enum gen_pod_state state_of(const struct gen_pod *p)
{
    return (enum gen_pod_state)(p->variant / GEN_RESTARTS);
}

static uint32_t deployment_of(const struct generator *g, uint32_t pod)
{
    return pod / g->pods_for_deployment;
}

/* -- changes -- */

/* The object as the state says now; an existing one only if it is still ours. */
static void put_object(struct kubesim *sim, enum gen_kind kind, uint32_t number)
{
    struct generator *g = sim->generator;
    struct sim_table *t = g->tables[kind];
    struct sim_object *o = gen_object(g, kind, number, sim->resource_version + 1);
    const struct sim_object *old = table_get(t, o->key);
    bool is_new_pod = old == NULL && kind == GEN_POD && g->pods[number].alive;
    if (is_new_pod || (old != NULL && old->template != NULL)) {
        sim->resource_version++;
        *(old == NULL ? &g->created : &g->modified) += 1;
        table_put(t, o, sim_now(sim));
        watches_notify(t);
    }
    sim_object_unref(o);
}

static void put_deployment(struct kubesim *sim, uint32_t number)
{
    put_object(sim, GEN_REPLICA_SET, number);
    put_object(sim, GEN_DEPLOYMENT, number);
}

static void wait_for_turn(struct generator *g, uint32_t pod)
{
    if (g->waiting_count == g->waiting_cap) {
        size_t cap = g->waiting_cap == 0 ? 64 : g->waiting_cap * 2;
        uint32_t *waiting = mem_zalloc(cap * sizeof waiting[0]);
        for (size_t i = 0; i < g->waiting_count; i++)
            waiting[i] = g->waiting[(g->waiting_first + i) % g->waiting_cap];
        mem_free(g->waiting);
        g->waiting = waiting;
        g->waiting_first = 0;
        g->waiting_cap = cap;
    }
    g->waiting[(g->waiting_first + g->waiting_count++) % g->waiting_cap] = pod;
}

static void create_pod(struct kubesim *sim, uint32_t number)
{
    struct generator *g = sim->generator;
    struct gen_pod *p = &g->pods[number];
    p->incarnation = ++p->highest;
    p->variant = POD_CREATING * GEN_RESTARTS;
    p->alive = true;
    put_object(sim, GEN_POD, number);
    wait_for_turn(g, number);
}

static void delete_pod(struct kubesim *sim, uint32_t number)
{
    struct generator *g = sim->generator;
    struct sim_object *o = gen_object(g, GEN_POD, number, 0);
    struct sim_object *stored = table_get(g->tables[GEN_POD], o->key);
    if (stored != NULL && stored->template != NULL) {
        sim_store_remove(sim, g->tables[GEN_POD], stored);
        g->deleted++;
    }
    sim_object_unref(o);
    g->pods[number].alive = false;
}

static void change_status(struct kubesim *sim, uint32_t number)
{
    static const enum gen_pod_state next[] = {POD_RUNNING, POD_NOT_READY, POD_CRASHING,
                                              POD_OOM_KILLED};
    struct generator *g = sim->generator;
    struct gen_pod *p = &g->pods[number];
    uint32_t restarts = p->variant % GEN_RESTARTS;
    enum gen_pod_state state = POD_RUNNING;
    if (state_of(p) == POD_RUNNING)
        state = next[random_below(g, COUNT_OF(next))];
    /* Whatever brings a running pod down has restarted a container, or will. */
    if (state_of(p) == POD_RUNNING && state != POD_NOT_READY)
        restarts = restarts + 1 < GEN_RESTARTS ? restarts + 1 : 1;
    p->variant = (uint16_t)((unsigned)state * GEN_RESTARTS + restarts);
    put_object(sim, GEN_POD, number);
}

/* The pod that has waited longest is made, or starts. */
static void go_on(struct kubesim *sim)
{
    struct generator *g = sim->generator;
    uint32_t number = g->waiting[g->waiting_first], deployment = deployment_of(g, number);
    struct gen_pod *p = &g->pods[number];
    g->waiting_first = (g->waiting_first + 1) % g->waiting_cap;
    g->waiting_count--;
    if (number - deployment * g->pods_for_deployment >= g->desired[deployment])
        return; /* nobody wants it any more */
    if (!p->alive) {
        create_pod(sim, number);
    } else if (state_of(p) == POD_CREATING) {
        p->variant = POD_RUNNING * GEN_RESTARTS;
        put_object(sim, GEN_POD, number);
        put_deployment(sim, deployment);
    }
}

static void scale(struct kubesim *sim, uint32_t deployment)
{
    struct generator *g = sim->generator;
    uint32_t desired = g->desired[deployment], first = deployment * g->pods_for_deployment;
    /* Most are as large as they began. */
    bool up = desired <= 1 || random_below(g, 8) != 0;
    if (up ? desired >= g->pods_for_deployment : desired <= 1)
        return;
    g->desired[deployment] = up ? desired + 1 : desired - 1;
    if (up && !g->pods[first + desired].alive)
        create_pod(sim, first + desired);
    else if (!up && g->pods[first + desired - 1].alive)
        delete_pod(sim, first + desired - 1);
    put_deployment(sim, deployment);
}

static void change_something(struct kubesim *sim)
{
    struct generator *g = sim->generator;
    uint32_t dice = random_below(g, 100), number = random_below(g, g->counts[GEN_POD]);
    struct gen_pod *p = &g->pods[number];
    if (dice < 4) {
        scale(sim, deployment_of(g, number));
    } else if (p->alive && dice < 14) {
        if (dice < 5) { /* evicted pods are seen as such before they go */
            p->variant = POD_EVICTED * GEN_RESTARTS;
            put_object(sim, GEN_POD, number);
        }
        delete_pod(sim, number);
        wait_for_turn(g, number);
        put_deployment(sim, deployment_of(g, number));
    } else if (g->waiting_count > 0 && dice < 50) {
        go_on(sim);
    } else if (p->alive && state_of(p) != POD_CREATING) {
        uint32_t before = gen_available(g, deployment_of(g, number));
        change_status(sim, number);
        if (gen_available(g, deployment_of(g, number)) != before)
            put_deployment(sim, deployment_of(g, number));
    }
}

/* -- pace -- */

static uint64_t change_count(const struct generator *g)
{
    return g->created + g->modified + g->deleted;
}

bool kubesim_churn(struct kubesim *sim, uint32_t changes_per_s, struct err *err)
{
    struct generator *g = sim->generator;
    if (g == NULL || g->counts[GEN_POD] == 0)
        return err_set(err, "churn: there are no generated pods");
    g->churn_rate = changes_per_s;
    g->churn_next_ns = sim_now(sim);
    return true;
}

int64_t churn_run(struct kubesim *sim, int64_t now_ns)
{
    struct generator *g = sim->generator;
    if (g == NULL || g->churn_rate == 0)
        return INT64_MAX;
    /* Who was frozen, or too slow, does not catch up with more than that. */
    if (g->churn_next_ns < now_ns - SECOND_NS)
        g->churn_next_ns = now_ns - SECOND_NS;
    while (g->churn_next_ns <= now_ns) {
        uint64_t before = change_count(g), made = 0;
        for (int i = 0; i < TRIES_MAX && made == 0; i++) {
            change_something(sim);
            made = change_count(g) - before;
        }
        g->churn_next_ns += (int64_t)(made + (made == 0)) * SECOND_NS / g->churn_rate;
    }
    return g->churn_next_ns > now_ns + STEP_NS ? g->churn_next_ns : now_ns + STEP_NS;
}

void churn_follow_tables(struct kubesim *sim)
{
    struct generator *g = sim->generator;
    struct object_list list;
    struct table_query all = {0};
    size_t remaining;
    if (g == NULL)
        return;
    uint32_t count = g->pods_for_deployment * g->counts[GEN_DEPLOYMENT];
    for (uint32_t n = 0; n < count; n++)
        g->pods[n].alive = false;
    table_list(g->tables[GEN_POD], &all, &list, &remaining);
    for (size_t i = 0; i < list.count; i++) {
        const struct sim_object *o = list.items[i];
        struct gen_pod *p = o->template == NULL ? NULL : &g->pods[o->values.number];
        if (p == NULL)
            continue;
        p->incarnation = o->values.incarnation;
        p->variant = (uint16_t)o->values.variant;
        p->alive = true;
    }
    object_list_deinit(&list);
    table_list(g->tables[GEN_DEPLOYMENT], &all, &list, &remaining);
    for (size_t i = 0; i < list.count; i++) {
        if (list.items[i]->template != NULL)
            g->desired[list.items[i]->values.number] = list.items[i]->values.variant / GEN_REPLICAS;
    }
    object_list_deinit(&list);
    g->waiting_count = 0;
    for (uint32_t n = 0; n < count; n++) {
        uint32_t slot = n % g->pods_for_deployment;
        bool wanted = slot < g->desired[deployment_of(g, n)];
        if (wanted && (!g->pods[n].alive || state_of(&g->pods[n]) == POD_CREATING))
            wait_for_turn(g, n);
    }
}
