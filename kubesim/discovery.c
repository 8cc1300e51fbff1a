/*
 * What is served: /api, /apis, groups, versions, resources; and as much of OpenAPI v3 as kubectl
 * needs to know that the server understands fieldValidation and patches.
 *
 * Everything is printed from the kinds of the tables when it is asked for, so a new kind needs
 * nothing here.
 *
 * Specification: metav1 APIVersions, APIGroupList, APIGroup, APIResourceList; version.Info. Without
 * aggregated discovery, which clients treat as optional.
 */
#include "kubesim/sim.h"

static void print_verbs(struct buf *b, const struct sim_kind *k)
{
    buf_text(b, "\"verbs\":[\"create\",\"delete\",");
    buf_text(b, k->no_collection_delete ? "" : "\"deletecollection\",");
    buf_text(b, "\"get\",\"list\",\"patch\",\"update\",\"watch\"]");
}

static void print_resource(struct buf *b, const struct sim_kind *k, const char **separator)
{
    buf_printf(b, "%s{\"name\":\"%s\",\"singularName\":\"%s\",\"namespaced\":%s,\"kind\":\"%s\",",
               *separator, k->plural, k->singular, k->namespaced ? "true" : "false", k->kind);
    *separator = ",";
    print_verbs(b, k);
    if (k->short_name != NULL)
        buf_printf(b, ",\"shortNames\":[\"%s\"]", k->short_name);
    buf_byte(b, '}');
    if (k->has_status)
        buf_printf(b,
                   ",{\"name\":\"%s/"
                   "status\",\"singularName\":\"\",\"namespaced\":%s,\"kind\":\"%s\",\"verbs\":["
                   "\"get\",\"patch\",\"update\"]}",
                   k->plural, k->namespaced ? "true" : "false", k->kind);
}

/* False: no kind of that group and version. */
static bool print_resources(struct buf *b, const struct kubesim *sim, str group, str version)
{
    const char *separator = "";
    buf_printf(b,
               "{\"kind\":\"APIResourceList\",\"apiVersion\":\"v1\",\"groupVersion\":\"%.*s%s%.*"
               "s\",\"resources\":[",
               STR_ARG(group), group.len > 0 ? "/" : "", STR_ARG(version));
    for (size_t i = 0; i < sim->table_count; i++) {
        const struct sim_kind *k = sim->tables[i]->kind;
        if (str_eqz(group, k->group) && str_eqz(version, k->version))
            print_resource(b, k, &separator);
    }
    buf_text(b, "]}\n");
    return separator[0] != '\0';
}

/* The first kind of each group (all=false) or of each version of `group`. */
static bool is_first(const struct kubesim *sim, size_t index, bool by_version)
{
    const struct sim_kind *k = sim->tables[index]->kind;
    for (size_t i = 0; i < index; i++) {
        const struct sim_kind *other = sim->tables[i]->kind;
        if (strcmp(k->group, other->group) == 0 &&
            (!by_version || strcmp(k->version, other->version) == 0))
            return false;
    }
    return true;
}

static void print_group_version(struct buf *b, const struct sim_kind *k)
{
    buf_printf(b, "{\"groupVersion\":\"%s/%s\",\"version\":\"%s\"}", k->group, k->version,
               k->version);
}

static void print_group(struct buf *b, const struct kubesim *sim, const struct sim_kind *first,
                        bool typed)
{
    const char *separator = "";
    buf_printf(b, "{%s\"name\":\"%s\",\"versions\":[",
               typed ? "\"kind\":\"APIGroup\",\"apiVersion\":\"v1\"," : "", first->group);
    for (size_t i = 0; i < sim->table_count; i++) {
        const struct sim_kind *k = sim->tables[i]->kind;
        if (strcmp(k->group, first->group) != 0 || !is_first(sim, i, true))
            continue;
        buf_text(b, separator);
        separator = ",";
        print_group_version(b, k);
    }
    buf_text(b, "],\"preferredVersion\":");
    print_group_version(b, first);
    buf_byte(b, '}');
}

static void print_groups(struct buf *b, const struct kubesim *sim)
{
    const char *separator = "";
    buf_text(b, "{\"kind\":\"APIGroupList\",\"apiVersion\":\"v1\",\"groups\":[");
    for (size_t i = 0; i < sim->table_count; i++) {
        const struct sim_kind *k = sim->tables[i]->kind;
        if (k->group[0] == '\0' || !is_first(sim, i, false))
            continue;
        buf_text(b, separator);
        separator = ",";
        print_group(b, sim, k, false);
    }
    buf_text(b, "]}\n");
}

static void print_index(struct buf *b, const struct kubesim *sim)
{
    buf_text(b, "{\"paths\":[\"/api\",\"/api/v1\",\"/apis\"");
    for (size_t i = 0; i < sim->table_count; i++) {
        const struct sim_kind *k = sim->tables[i]->kind;
        if (k->group[0] != '\0' && is_first(sim, i, true))
            buf_printf(b, ",\"/apis/%s/%s\"", k->group, k->version);
    }
    buf_text(b, ",\"/healthz\",\"/livez\",\"/openapi/v3\",\"/readyz\",\"/version\"]}\n");
}

static const struct sim_kind *first_of_group(const struct kubesim *sim, str group)
{
    for (size_t i = 0; i < sim->table_count; i++) {
        if (str_eqz(group, sim->tables[i]->kind->group))
            return sim->tables[i]->kind;
    }
    return NULL;
}

void discovery_answer(struct kubesim_call *call)
{
    const struct route *r = &call->route;
    const struct kubesim *sim = call->sim;
    bool legacy = r->segment_count > 0 && str_eqz(r->segments[0], "api");
    bool found = !r->too_deep;
    struct buf b;
    buf_init(&b, 1 * MIB);
    if (r->type == ROUTE_INDEX) {
        print_index(&b, sim);
    } else if (legacy && r->segment_count == 1) {
        buf_text(
            &b,
            "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"],\"serverAddressByClientCIDRs\":[]}\n");
    } else if (!legacy && r->segment_count == 1) {
        print_groups(&b, sim);
    } else if (first_of_group(sim, r->group) == NULL) {
        answer_text(call, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
        buf_deinit(&b);
        return;
    } else if (r->version.len == 0) {
        print_group(&b, sim, first_of_group(sim, r->group), true);
        buf_byte(&b, '\n');
    } else {
        found = print_resources(&b, sim, r->group, r->version) && found &&
                r->segment_count == (legacy ? 2 : 3);
    }
    if (found)
        answer_json(call, 200, &b);
    else
        fail_no_such_resource(call);
    buf_deinit(&b);
}

void version_answer(struct kubesim_call *call)
{
    answer_text(
        call, 200, "application/json",
        STR("{\"major\":\"1\",\"minor\":\"35\",\"gitVersion\":\"v1.35.0+kubesim\",\"gitCommit\":"
            "\"\","
            "\"gitTreeState\":\"clean\",\"buildDate\":\"1970-01-01T00:00:00Z\",\"goVersion\":\"\","
            "\"compiler\":\"cc\",\"platform\":\"linux/amd64\"}\n"));
}

/* -- OpenAPI v3 -- */

static void print_openapi_index(struct buf *b, const struct kubesim *sim)
{
    const char *separator = "";
    buf_text(b, "{\"paths\":{");
    for (size_t i = 0; i < sim->table_count; i++) {
        const struct sim_kind *k = sim->tables[i]->kind;
        bool core = k->group[0] == '\0';
        if (!is_first(sim, i, true))
            continue;
        buf_printf(b, "%s\"%s%s/%s\":{\"serverRelativeURL\":\"/openapi/v3/%s%s/%s\"}", separator,
                   core ? "api" : "apis/", k->group, k->version, core ? "api" : "apis/", k->group,
                   k->version);
        separator = ",";
    }
    buf_text(b, "}}\n");
}

static void print_openapi_kind(struct buf *b, const struct sim_kind *k)
{
    bool core = k->group[0] == '\0';
    buf_printf(
        b,
        "\"/%s%s/%s/%s%s/"
        "{name}\":{\"patch\":{\"parameters\":[{\"name\":\"fieldValidation\",\"in\":\"query\","
        "\"schema\":{\"type\":\"string\"}}],\"requestBody\":{\"content\":{\"application/"
        "merge-patch+json\":{},"
        "\"application/"
        "json-patch+json\":{}}},\"responses\":{},\"x-kubernetes-group-version-kind\":{\"group\":\"%"
        "s\","
        "\"version\":\"%s\",\"kind\":\"%s\"}}}",
        core ? "api" : "apis/", k->group, k->version,
        k->namespaced ? "namespaces/{namespace}/" : "", k->plural, k->group, k->version, k->kind);
}

void openapi_answer(struct kubesim_call *call)
{
    const struct route *r = &call->route;
    const struct kubesim *sim = call->sim;
    bool core = r->segment_count == 4 && str_eqz(r->segments[2], "api");
    bool grouped = r->segment_count == 5 && str_eqz(r->segments[2], "apis");
    struct buf b;
    const char *separator = "";
    if (r->segment_count < 2 || !str_eqz(r->segments[1], "v3") ||
        (r->segment_count > 2 && !core && !grouped)) {
        answer_text(call, 404, "text/plain; charset=utf-8", STR("404 page not found\n"));
        return;
    }
    buf_init(&b, 4 * MIB);
    if (r->segment_count == 2) {
        print_openapi_index(&b, sim);
    } else {
        str group = core ? STR_NONE : r->segments[3],
            version = core ? r->segments[3] : r->segments[4];
        buf_text(&b, "{\"openapi\":\"3.0.0\",\"info\":{\"title\":\"kubesim\",\"version\":\"v1.35."
                     "0\"},\"paths\":{");
        for (size_t i = 0; i < sim->table_count; i++) {
            const struct sim_kind *k = sim->tables[i]->kind;
            if (!str_eqz(group, k->group) || !str_eqz(version, k->version))
                continue;
            buf_text(&b, separator);
            separator = ",";
            print_openapi_kind(&b, k);
        }
        buf_text(&b, "}}\n");
    }
    answer_json(call, 200, &b);
    buf_deinit(&b);
}
