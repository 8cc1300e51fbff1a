/*
 * delete, of one object or of a collection.
 *
 * Life of a deletion: preconditions (409), then either the object goes at once, with a
 * resourceVersion of its own for the DELETED event; or, while it has finalizers, it only gets a
 * deletionTimestamp and goes with the update that takes the last one off. There are no controllers,
 * so the one for namespaces is played here: a deleted namespace is Terminating, its contents go at
 * once (those without finalizers), and the namespace with the last of them.
 *
 * Specification: kube-apiserver's generic registry store, DeleteOptions; the namespace controller's
 * order of events.
 */
#include "kubesim/sim.h"

#include <stdio.h>

#include "wire/text.h"

static const struct sim_field precondition_fields[] = {
    {"uid", 1, SIM_STRING, SIM_POINTER, NULL},
    {"resourceVersion", 2, SIM_STRING, SIM_POINTER, NULL},
    {NULL}};
static const struct sim_field options_fields[] = {
    {"gracePeriodSeconds", 1, SIM_INT64, SIM_POINTER, NULL},
    {"preconditions", 2, SIM_OBJECT, SIM_POINTER, precondition_fields},
    {"orphanDependents", 3, SIM_BOOL, SIM_POINTER, NULL},
    {"propagationPolicy", 4, SIM_STRING, SIM_POINTER, NULL},
    {"dryRun", 5, SIM_STRINGS, SIM_POINTER, NULL},
    {NULL}};

struct delete_options {
    str uid, version; /* preconditions; empty: none */
    bool dry_run;
};

static bool check_policy(struct kubesim_call *call, const struct dom *body)
{
    static const char *const policies[] = {"", "Foreground", "Background", "Orphan"};
    struct sim_causes causes = {.arena = &call->arena};
    str policy = dom_text(body, "propagationPolicy");
    if (policy.len == 0)
        (void)query_get(&call->query, "propagationPolicy", &policy);
    for (size_t i = 0; i < COUNT_OF(policies); i++) {
        if (str_eqz(policy, policies[i]))
            return true;
    }
    causes_other(
        &causes, "FieldValueNotSupported", STR("propagationPolicy"),
        "Unsupported value: \"%.*s\": supported values: \"Foreground\", \"Background\", \"Orphan\"",
        STR_ARG(policy));
    return fail_options(call, "DeleteOptions", &causes);
}

static bool read_options(struct kubesim_call *call, struct delete_options *o)
{
    struct err err;
    const struct dom *body = NULL;
    *o = (struct delete_options){0};
    if (str_trim(call->request.body).len > 0) {
        body = read_body(call, options_fields, false, &err);
        if (body == NULL || body->type != DOM_OBJECT)
            return fail_bad_request(call, "the body must be DeleteOptions: %s",
                                    body == NULL ? err.text : "it is not an object");
    }
    const struct dom *preconditions = dom_getz(body, "preconditions");
    o->uid = dom_text(preconditions, "uid");
    o->version = dom_text(preconditions, "resourceVersion");
    const struct dom *dry = dom_getz(body, "dryRun");
    o->dry_run = dry != NULL && dry->count > 0;
    if (!o->dry_run && !read_dry_run(call, &o->dry_run))
        return false;
    return check_policy(call, body);
}

/* -- removal -- */

static void remove_one(struct kubesim *sim, struct sim_table *t, struct sim_object *o)
{
    sim->resource_version++;
    table_delete(t, o, sim->resource_version, sim_now(sim));
    watches_notify(t);
}

static bool namespace_is_empty(const struct kubesim *sim, str namespace)
{
    for (size_t i = 0; i < sim->table_count; i++) {
        struct table_query q = {.namespace = namespace, .limit = 1};
        struct object_list list;
        size_t remaining;
        if (!sim->tables[i]->kind->namespaced)
            continue;
        table_list(sim->tables[i], &q, &list, &remaining);
        bool empty = list.count == 0;
        object_list_deinit(&list);
        if (!empty)
            return false;
    }
    return true;
}

/* A new version of `o` that says when it was deleted. */
static struct sim_object *mark_deleted(struct kubesim_call *call, struct sim_table *t,
                                       struct sim_object *o, bool dry_run)
{
    struct arena *a = &call->arena;
    const struct kubesim_config *c = &call->sim->config;
    struct dom *tree = sim_object_tree(a, o), *metadata = dom_getz(tree, "metadata");
    struct sim_table *own = call->table;
    struct buf b;
    if (o->deleting)
        return o;
    buf_init(&b, 64);
    rfc3339_print(&b, c->wall_ns(c->arg), 0);
    dom_set(metadata, STR("deletionTimestamp"), dom_string(a, arena_str(a, buf_view(&b))));
    buf_deinit(&b);
    if (strcmp(t->kind->kind, "Namespace") != 0) {
        dom_set(metadata, STR("deletionGracePeriodSeconds"), dom_number(a, 0));
    } else if (dom_getz(tree, "status") != NULL) {
        dom_set(dom_getz(tree, "status"), STR("phase"), dom_string(a, STR("Terminating")));
    }
    call->table = t;
    struct sim_object *marked = store_commit(call, tree, o, dry_run);
    call->table = own;
    return marked;
}

static void delete_contents(struct kubesim_call *call, str namespace)
{
    struct kubesim *sim = call->sim;
    for (size_t i = 0; i < sim->table_count; i++) {
        struct table_query q = {.namespace = namespace};
        struct object_list list;
        size_t remaining;
        if (!sim->tables[i]->kind->namespaced)
            continue;
        table_list(sim->tables[i], &q, &list, &remaining);
        for (size_t j = 0; j < list.count; j++) {
            if (list.items[j]->finalizers)
                mark_deleted(call, sim->tables[i], list.items[j], false);
            else
                remove_one(sim, sim->tables[i], list.items[j]);
        }
        object_list_deinit(&list);
    }
}

static void remove_empty_namespace(struct kubesim *sim, str name)
{
    struct sim_table *namespaces = sim_table_of_kind(sim, "Namespace");
    struct sim_object *o = table_get(namespaces, name);
    if (o != NULL && o->deleting && namespace_is_empty(sim, name))
        remove_one(sim, namespaces, o);
}

void sim_store_remove(struct kubesim *sim, struct sim_table *t, struct sim_object *o)
{
    sim_object_ref(o);
    remove_one(sim, t, o);
    if (o->namespace.len > 0)
        remove_empty_namespace(sim, o->namespace);
    sim_object_unref(o);
}

/* -- one object -- */

static bool check_preconditions(struct kubesim_call *call, const struct delete_options *options,
                                const struct sim_object *o)
{
    char version[24];
    snprintf(version, sizeof version, "%" PRIu64, o->resource_version);
    if (options->uid.len > 0 && !str_eq(options->uid, o->uid))
        return fail_conflict(call, o->kind, o->name,
                             "the uid in the precondition, %.*s, is not that of the object, %.*s",
                             STR_ARG(options->uid), STR_ARG(o->uid));
    if (options->version.len > 0 && !str_eqz(options->version, version))
        return fail_conflict(
            call, o->kind, o->name,
            "the resourceVersion in the precondition, %.*s, is not that of the object, %s",
            STR_ARG(options->version), version);
    return true;
}

static void answer_success(struct kubesim_call *call, const struct sim_object *o)
{
    struct status done = {.success = true,
                          .has_details = true,
                          .name = o->name,
                          .group = str_from(o->kind->group),
                          .kind = str_from(o->kind->plural),
                          .uid = o->uid};
    answer_status(call, &done);
}

static bool is_immortal(const struct sim_object *o)
{
    static const char *const names[] = {"default", "kube-system", "kube-public"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (strcmp(o->kind->kind, "Namespace") == 0 && str_eqz(o->name, names[i]))
            return true;
    }
    return false;
}

void verb_delete(struct kubesim_call *call)
{
    struct delete_options options;
    struct sim_object *o = call_object(call, call->attributes.name);
    bool is_namespace = strcmp(call->table->kind->kind, "Namespace") == 0;
    if (!read_options(call, &options))
        return;
    if (o == NULL) {
        fail_not_found(call, call->table->kind, call->attributes.name);
        return;
    }
    if (is_immortal(o)) {
        fail_forbidden(call, STR("this namespace may not be deleted"));
        return;
    }
    if (!check_preconditions(call, &options, o))
        return;
    if (o->finalizers || is_namespace) {
        struct sim_object *marked = mark_deleted(call, call->table, o, options.dry_run);
        if (marked == NULL)
            return;
        answer_object(call, 200, marked);
        if (is_namespace) {
            delete_contents(call, call->attributes.name);
            remove_empty_namespace(call->sim, call->attributes.name);
        }
        return;
    }
    if (o->kind->returns_deleted)
        answer_object_at(call, 200, o, options.dry_run ? 0 : call->sim->resource_version + 1);
    else
        answer_success(call, o);
    if (!options.dry_run)
        sim_store_remove(call->sim, call->table, o);
}

/* -- collection -- */

void verb_delete_collection(struct kubesim_call *call)
{
    struct delete_options options;
    struct list_options o;
    struct err err;
    struct object_list list;
    size_t remaining;
    if (!read_options(call, &options))
        return;
    if (!list_options_parse(&o, &call->arena, &call->query, &err)) {
        fail_bad_request(call, "%s", err.text);
        return;
    }
    struct table_query q = {
        .namespace = call->attributes.namespace, .labels = &o.labels, .fields = &o.fields};
    verb_list(call); /* the answer: what was there */
    if (call->head.status != 200 || options.dry_run)
        return;
    table_list(call->table, &q, &list, &remaining);
    for (size_t i = 0; i < list.count; i++) {
        if (list.items[i]->finalizers)
            mark_deleted(call, call->table, list.items[i], false);
        else
            sim_store_remove(call->sim, call->table, list.items[i]);
    }
    object_list_deinit(&list);
}
