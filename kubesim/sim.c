/*
 * The simulator as a whole: how it starts, how it ends, and the switches that change the world at
 * once.
 *
 * Life of one: kubesim_new makes a table for each kind and the namespaces that every cluster has;
 * then calls come and go; the switches (freeze, restart, rollback, compact, drop) do to all calls
 * and tables what happens to real servers.
 */
#include "kubesim/sim.h"

#include "kubesim/generate.h"

#include <stdio.h>

void kubesim_freeze(struct kubesim *sim, bool frozen)
{
    sim->frozen = frozen;
    sim->frozen_until_ns = INT64_MAX;
    if (frozen)
        return;
    /* Whatever was held is due now; watches and answers that were already there only need their
     * readers. */
    sim_wake_at(sim, 0);
    list_for_each (node, &sim->calls) {
        struct kubesim_call *call = CONTAINER_OF(node, struct kubesim_call, node);
        if (call->phase == CALL_ANSWERED)
            call_notify(call);
    }
}

static void cut_all(struct kubesim *sim, int64_t down_ns)
{
    list_for_each_safe (node, &sim->calls) {
        struct kubesim_call *call = CONTAINER_OF(node, struct kubesim_call, node);
        if (call->is_control)
            continue;
        if (call->abandoned) {
            call_destroy(call);
            continue;
        }
        bool head_was_visible = kubesim_call_head(call) != NULL;
        call_cut(call, !head_was_visible);
        call_notify(call);
    }
    if (sim->config.connections_cut != NULL)
        sim->config.connections_cut(sim->config.arg, down_ns);
}

void kubesim_restart(struct kubesim *sim, int64_t down_ns)
{
    kubesim_freeze(sim, false);
    cut_all(sim, down_ns);
    for (size_t i = 0; i < sim->table_count; i++)
        table_forget(sim->tables[i], sim->resource_version);
}

bool kubesim_rollback(struct kubesim *sim, uint64_t resource_version, struct err *err)
{
    if (resource_version > sim->resource_version)
        return err_set(
            err, "resourceVersion %" PRIu64 " has not been reached: the present one is %" PRIu64,
            resource_version, sim->resource_version);
    for (size_t i = 0; i < sim->table_count; i++) {
        if (resource_version < sim->tables[i]->ring_version)
            return err_set(
                err,
                "resourceVersion %" PRIu64 " is out of reach: %s can go back to %" PRIu64 " only",
                resource_version, sim->tables[i]->kind->plural, sim->tables[i]->ring_version);
    }
    kubesim_freeze(sim, false);
    cut_all(sim, 0);
    for (size_t i = 0; i < sim->table_count; i++)
        table_rollback(sim->tables[i], resource_version);
    sim->resource_version = resource_version;
    churn_follow_tables(sim);
    return true;
}

void kubesim_compact(struct kubesim *sim)
{
    for (size_t i = 0; i < sim->table_count; i++)
        sim->tables[i]->oldest_version = sim->resource_version;
}

size_t kubesim_drop_watches(struct kubesim *sim, enum kubesim_drop how, str user, str resource)
{
    size_t count = 0;
    list_for_each (node, &sim->calls) {
        struct kubesim_call *call = CONTAINER_OF(node, struct kubesim_call, node);
        if (call->watch == NULL || call->watch->over ||
            (user.len > 0 && !str_eq(user, call->identity.user)) ||
            (resource.len > 0 && !str_eq(resource, call->attributes.resource)))
            continue;
        watch_drop(call->watch, how);
        call_notify(call);
        count++;
    }
    return count;
}

/* -- the simulator itself -- */

static void add_first_namespaces(struct kubesim *sim)
{
    static const char *const names[] = {"kube-system", "kube-public", "kube-node-lease", "default"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        char body[128];
        snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"%s\"}}", names[i]);
        struct kubesim_request request = {
            .method = "POST", .path = STR("/api/v1/namespaces"), .body = str_from(body)};
        struct kubesim_call *call = call_new(sim, &request);
        call_classify(call);
        verb_create(call); /* nobody has to be asked for permission */
        CHECK(call->head.status == 201);
        call_destroy(call);
    }
}

static struct sim_table *new_table(const struct kubesim *sim, const struct sim_kind *kind)
{
    struct sim_table *t = mem_zalloc(sizeof *t);
    table_init(t, kind, sim->config.hash_key, sim->config.window_events, 1);
    return t;
}

struct kubesim *kubesim_new(const struct kubesim_config *config)
{
    struct kubesim *sim = mem_zalloc(sizeof *sim);
    sim->config = *config;
    if (sim->config.window_events == 0)
        sim->config.window_events = LIMIT_SIM_WINDOW_EVENTS;
    if (sim->config.bookmark_interval_ns == 0)
        sim->config.bookmark_interval_ns = INT64_C(60000000000);
    sim->config.anonymous_user = str_from(
        str_dup(config->anonymous_user.len > 0 ? config->anonymous_user : STR("system:anonymous")));
    sim->wake_ns = sim->frozen_until_ns = INT64_MAX;
    sim->resource_version = 1;
    sim->next_rule_id = sim->next_fault_id = 1;
    list_init(&sim->calls);
    sim_journal_init(&sim->journal);
    while (sim_kinds_builtin[sim->table_count] != NULL)
        sim->table_count++;
    sim->tables = mem_zalloc((sim->table_count + 1) * sizeof(struct sim_table *));
    for (size_t i = 0; i < sim->table_count; i++)
        sim->tables[i] = new_table(sim, sim_kinds_builtin[i]);
    if (sim->config.openshift)
        sim->tables[sim->table_count++] = new_table(sim, &sim_cluster_resource_quota_kind);
    add_first_namespaces(sim);
    return sim;
}

void kubesim_free(struct kubesim *sim)
{
    list_for_each_safe (node, &sim->calls)
        call_destroy(CONTAINER_OF(node, struct kubesim_call, node));
    for (size_t i = 0; i < sim->table_count; i++) {
        table_deinit(sim->tables[i]);
        mem_free(sim->tables[i]);
    }
    mem_free(sim->tables);
    generator_free(sim->generator);
    auth_free(sim);
    faults_clear(sim, 0);
    sim_journal_deinit(&sim->journal);
    mem_free((char *)(uintptr_t)sim->config.anonymous_user.data);
    mem_free(sim);
}

uint64_t kubesim_resource_version(const struct kubesim *sim)
{
    return sim->resource_version;
}

struct sim_table *sim_table_find(const struct kubesim *sim, str group, str version, str resource)
{
    for (size_t i = 0; i < sim->table_count; i++) {
        const struct sim_kind *k = sim->tables[i]->kind;
        if (str_eqz(group, k->group) && str_eqz(version, k->version) &&
            str_eqz(resource, k->plural))
            return sim->tables[i];
    }
    return NULL;
}

struct sim_table *sim_table_of_kind(const struct kubesim *sim, const char *kind)
{
    for (size_t i = 0; i < sim->table_count; i++) {
        if (strcmp(sim->tables[i]->kind->kind, kind) == 0)
            return sim->tables[i];
    }
    return NULL;
}
