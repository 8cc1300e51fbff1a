/*
 * Which verb a request is, and who carries it out.
 *
 * Life of a request here: call_classify puts method and path into the words of authorization (verb,
 * resource, name; name also from a field selector); call_execute asks whether the user may, whether
 * the answer can have an acceptable form, and hands on.
 *
 * Specification: kube-apiserver's RequestInfo; the errors of its paths: plain text 404 for groups
 * that are not there, a Status for resources, 405 for methods.
 */
#include "kubesim/sim.h"

static const char *resource_verb(const struct kubesim_call *call)
{
    const char *method = call->request.method;
    bool has_name = call->route.name.len > 0;
    if (strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0)
        return has_name ? "get" : query_bool(&call->query, "watch") ? "watch" : "list";
    if (strcmp(method, "POST") == 0)
        return "create";
    if (strcmp(method, "PUT") == 0)
        return "update";
    if (strcmp(method, "PATCH") == 0)
        return "patch";
    if (strcmp(method, "DELETE") == 0)
        return has_name ? "delete" : "deletecollection";
    return "";
}

static const char *path_verb(const char *method)
{
    static const char *const verbs[][2] = {
        {"GET", "get"},       {"POST", "post"}, {"PUT", "put"},        {"PATCH", "patch"},
        {"DELETE", "delete"}, {"HEAD", "head"}, {"OPTIONS", "options"}};
    for (size_t i = 0; i < COUNT_OF(verbs); i++) {
        if (strcmp(method, verbs[i][0]) == 0)
            return verbs[i][1];
    }
    return "";
}

/* Rules for one name apply to a list or a watch that a field selector limits to that name. */
static str name_of_selector(struct kubesim_call *call)
{
    struct field_selector fields;
    struct err err;
    str text;
    if (!query_get(&call->query, "fieldSelector", &text) ||
        !field_selector_parse(&fields, &call->arena, text, &err))
        return STR_NONE;
    return field_selector_name(&fields);
}

void call_classify(struct kubesim_call *call)
{
    const struct route *r = &call->route;
    struct attributes *a = &call->attributes;
    a->path = call->request.path;
    a->is_resource = r->type == ROUTE_RESOURCE;
    if (!a->is_resource) {
        a->verb = path_verb(call->request.method);
        return;
    }
    a->verb = resource_verb(call);
    a->group = r->group;
    a->resource = r->resource;
    a->subresource = r->subresource;
    a->namespace = r->namespace;
    a->name = r->name.len > 0 ? r->name : name_of_selector(call);
    if (!r->too_deep)
        call->table = sim_table_find(call->sim, r->group, r->version, r->resource);
}

static bool group_is_served(const struct kubesim *sim, str group)
{
    for (size_t i = 0; i < sim->table_count; i++) {
        if (str_eqz(group, sim->tables[i]->kind->group))
            return true;
    }
    return false;
}

static void execute_item(struct kubesim_call *call)
{
    const char *verb = call->attributes.verb;
    if (strcmp(verb, "get") == 0 && strcmp(call->request.method, "GET") == 0)
        verb_get(call);
    else if (strcmp(verb, "update") == 0)
        verb_update(call);
    else if (strcmp(verb, "patch") == 0)
        verb_patch(call);
    else if (strcmp(verb, "delete") == 0 && call->route.subresource.len == 0)
        verb_delete(call);
    else
        fail_method(call);
}

static void execute_collection(struct kubesim_call *call)
{
    const char *verb = call->attributes.verb;
    const struct sim_kind *kind = call->table->kind;
    bool everywhere = kind->namespaced && !call->route.in_namespace;
    if (strcmp(call->request.method, "GET") == 0 && strcmp(verb, "watch") == 0)
        verb_watch(call);
    else if (strcmp(call->request.method, "GET") == 0)
        verb_list(call);
    else if (strcmp(verb, "create") == 0 && !everywhere)
        verb_create(call);
    else if (strcmp(verb, "deletecollection") == 0 && !kind->no_collection_delete && !everywhere)
        verb_delete_collection(call);
    else
        fail_method(call);
}

static void execute_resource(struct kubesim_call *call)
{
    const struct route *r = &call->route;
    const struct sim_kind *kind = call->table == NULL ? NULL : call->table->kind;
    if (!group_is_served(call->sim, r->group)) {
        answer_text(call, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
        return;
    }
    bool wrong_scope =
        kind != NULL && (kind->namespaced ? r->name.len > 0 && !r->in_namespace : r->in_namespace);
    bool unknown_part = kind != NULL && r->subresource.len > 0 &&
                        !(kind->has_status && str_eqz(r->subresource, "status"));
    if (kind == NULL || wrong_scope || unknown_part)
        fail_no_such_resource(call);
    else if (r->name.len > 0)
        execute_item(call);
    else
        execute_collection(call);
}

static bool is_get(const struct kubesim_call *call)
{
    return strcmp(call->request.method, "GET") == 0;
}

static bool check_accept(struct kubesim_call *call)
{
    if (call_accept(call, ACCEPT_MANY).view != VIEW_NONE)
        return true;
    struct status f = {
        .code = 406,
        .reason = "NotAcceptable",
        .has_details = true,
        .message = STR("nothing that Accept names is available; there is application/json and, for "
                       "built-in kinds, application/vnd.kubernetes.protobuf")};
    answer_status(call, &f);
    return false;
}

void call_execute(struct kubesim_call *call)
{
    const char *text_type = "text/plain; charset=utf-8";
    if (!auth_check(call))
        return;
    if (call->request.body_too_long) {
        struct status f = {.code = 413, .reason = "RequestEntityTooLarge"};
        f.message =
            arena_printf(&call->arena, "a request body may have %zu bytes", LIMIT_SIM_BODY_BYTES);
        answer_status(call, &f);
        return;
    }
    switch (call->route.type) {
    case ROUTE_RESOURCE:
        if (check_accept(call))
            execute_resource(call);
        break;
    case ROUTE_HEALTH:
        answer_text(call, 200, text_type, STR("ok"));
        break;
    case ROUTE_VERSION:
        if (is_get(call))
            version_answer(call);
        else
            fail_method(call);
        break;
    case ROUTE_INDEX:
    case ROUTE_DISCOVERY:
        discovery_answer(call);
        break;
    case ROUTE_OPENAPI:
        openapi_answer(call);
        break;
    case ROUTE_UNKNOWN:
    case ROUTE_CONTROL:
        answer_text(call, 404, text_type, STR("404 page not found\n"));
        break;
    }
}
