/*
 * Who asks, and whether he may.
 *
 * Life of a question: the bearer token names a user (401 if it is unknown, the anonymous user if
 * there is none); Impersonate-User makes him another one if he may; then, in this order: a deny
 * rule says no; health and version are for all, discovery for all that are known; the group
 * system:masters may everything; an allow rule says yes; without --rbac everybody known may; with
 * it, Roles and bindings decide, read from the stored objects each time.
 *
 * Specification: kube-apiserver's authentication and RBAC as far as static tokens go, and the texts
 * of its 403.
 */
#include "kubesim/sim.h"

#include "kubesim/limits.h"

static const char MASTERS[] = "system:masters";

/* -- users -- */

static void user_free(struct sim_user *u)
{
    mem_free(u->name);
    mem_free(u->groups);
    mem_free(u->token);
    mem_free(u);
}

bool kubesim_user_set(struct kubesim *sim, str name, str groups, str token)
{
    size_t count = 0;
    struct sim_user **place = &sim->users;
    for (; *place != NULL && !str_eqz(name, (*place)->name); place = &(*place)->next)
        count++;
    if (*place == NULL && count >= LIMIT_SIM_USERS)
        return false;
    struct sim_user *u = mem_zalloc(sizeof *u), *old = *place;
    u->name = str_dup(name);
    u->groups = str_dup(groups);
    u->token = str_dup(token);
    u->next = old == NULL ? NULL : old->next;
    *place = u;
    if (old != NULL)
        user_free(old);
    return true;
}

static const struct sim_user *user_find(const struct kubesim *sim, str name)
{
    for (const struct sim_user *u = sim->users; u != NULL; u = u->next) {
        if (str_eqz(name, u->name))
            return u;
    }
    return NULL;
}

static const struct sim_user *user_of_token(const struct kubesim *sim, str token)
{
    for (const struct sim_user *u = sim->users; u != NULL && token.len > 0; u = u->next) {
        if (str_eqz(token, u->token))
            return u;
    }
    return NULL;
}

static void set_identity(struct kubesim_call *call, str name, str groups)
{
    const struct sim_user *known = user_find(call->sim, name);
    if (known != NULL && groups.len == 0)
        groups = str_from(known->groups);
    call->identity.user = arena_str(&call->arena, name);
    call->identity.groups = arena_str(&call->arena, groups);
}

static bool impersonate(struct kubesim_call *call)
{
    str name = call->request.impersonate_user;
    struct attributes what = {
        .verb = "impersonate", .is_resource = true, .resource = STR("users"), .name = name};
    if (name.len == 0)
        return true;
    if (auth_allowed(call->sim, &call->identity, &what)) {
        set_identity(call, name, call->request.impersonate_group);
        return true;
    }
    call->attributes = what;
    return fail_forbidden(call, arena_printf(&call->arena,
                                             "User \"%.*s\" cannot impersonate resource \"users\" "
                                             "in API group \"\" at the cluster scope",
                                             STR_ARG(call->identity.user)));
}

bool auth_identify(struct kubesim_call *call)
{
    str header = str_trim(call->request.authorization), scheme, token;
    str_cut(header, ' ', &scheme, &token);
    token = str_trim(token);
    if (!str_eq_nocase(scheme, STR("bearer")) || token.len == 0) {
        set_identity(call, call->sim->config.anonymous_user, STR_NONE);
        return impersonate(call);
    }
    const struct sim_user *u = user_of_token(call->sim, token);
    if (u != NULL) {
        set_identity(call, str_from(u->name), str_from(u->groups));
        return impersonate(call);
    }
    struct status f = {.code = 401, .reason = "Unauthorized", .message = STR("Unauthorized")};
    answer_status(call, &f);
    return false;
}

/* -- rules -- */

bool name_in_list(const char *list, str name)
{
    str rest = str_from(list), item;
    while (rest.len > 0) {
        str_cut(rest, ',', &item, &rest);
        if (str_eqz(item, "*") || str_eq(item, name))
            return true;
    }
    return false;
}

void rule_add(struct kubesim *sim, bool allow, const str parts[5])
{
    struct sim_rule *r = mem_zalloc(sizeof *r), **place = &sim->rules;
    char **texts[] = {&r->user, &r->verb, &r->resource, &r->namespace, &r->name};
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        *texts[i] = str_dup(parts[i].len == 0 ? STR("*") : parts[i]);
    r->allow = allow;
    r->id = sim->next_rule_id++;
    while (*place != NULL)
        place = &(*place)->next;
    *place = r;
}

bool kubesim_rule_add(struct kubesim *sim, bool allow, str text, struct err *err)
{
    str parts[5] = {STR_NONE}, rest = text;
    size_t count = 0, existing = 0;
    for (const struct sim_rule *r = sim->rules; r != NULL; r = r->next)
        existing++;
    if (existing >= LIMIT_SIM_RULES)
        return err_set(err, "more than %d rules", LIMIT_SIM_RULES);
    while (rest.len > 0 && count < COUNT_OF(parts))
        str_cut(rest, ':', &parts[count++], &rest);
    if (count < 3 || rest.len > 0)
        return err_set(err,
                       "rule '%.*s': expected user:verb:resource[:namespace[:name]], each a name, "
                       "a list with commas, or *",
                       STR_ARG(text));
    rule_add(sim, allow, parts);
    return true;
}

static bool rule_matches(const struct sim_rule *r, const struct identity *who,
                         const struct attributes *what)
{
    return name_in_list(r->user, who->user) && name_in_list(r->verb, str_from(what->verb)) &&
           name_in_list(r->resource, what->resource) &&
           name_in_list(r->namespace, what->namespace) && name_in_list(r->name, what->name);
}

static bool rules_say(const struct kubesim *sim, bool allow, const struct identity *who,
                      const struct attributes *what)
{
    for (const struct sim_rule *r = sim->rules; r != NULL && what->is_resource; r = r->next) {
        if (r->allow == allow && rule_matches(r, who, what))
            return true;
    }
    return false;
}

/* -- Roles and bindings -- */

static bool list_has(const struct dom *list, str wanted)
{
    if (list == NULL || list->type != DOM_ARRAY)
        return false;
    for (const struct dom *i = list->first; i != NULL; i = i->next) {
        if (i->type == DOM_STRING && (str_eq(i->text, wanted) || str_eqz(i->text, "*")))
            return true;
    }
    return false;
}

static bool role_rule_allows(struct arena *a, const struct dom *rule, const struct attributes *what)
{
    str resource = what->resource;
    const struct dom *names = dom_getz(rule, "resourceNames");
    if (!list_has(dom_getz(rule, "verbs"), str_from(what->verb)))
        return false;
    if (!what->is_resource) {
        const struct dom *urls = dom_getz(rule, "nonResourceURLs");
        return list_has(urls, what->path);
    }
    if (what->subresource.len > 0)
        resource = arena_printf(a, "%.*s/%.*s", STR_ARG(resource), STR_ARG(what->subresource));
    if (!list_has(dom_getz(rule, "apiGroups"), what->group) ||
        !list_has(dom_getz(rule, "resources"), resource))
        return false;
    return names == NULL || names->count == 0 ||
           (what->name.len > 0 && list_has(names, what->name));
}

static bool role_allows(struct kubesim *sim, struct arena *a, const struct dom *role_ref,
                        str namespace, const struct attributes *what)
{
    bool in_cluster = str_eqz(dom_text(role_ref, "kind"), "ClusterRole");
    struct sim_table *roles = sim_table_of_kind(sim, in_cluster ? "ClusterRole" : "Role");
    if (!in_cluster && namespace.len == 0)
        return false;
    str key = object_key(a, in_cluster ? STR_NONE : namespace, dom_text(role_ref, "name"));
    struct sim_object *role = table_get(roles, key);
    const struct dom *rules = role == NULL ? NULL : dom_getz(sim_object_tree(a, role), "rules");
    for (const struct dom *r = rules == NULL ? NULL : rules->first; r != NULL; r = r->next) {
        if (role_rule_allows(a, r, what))
            return true;
    }
    return false;
}

static bool subject_is(struct arena *a, const struct dom *subject, const struct identity *who)
{
    str kind = dom_text(subject, "kind"), name = dom_text(subject, "name"),
        namespace = dom_text(subject, "namespace");
    if (str_eqz(kind, "User"))
        return str_eq(name, who->user);
    if (str_eqz(kind, "Group"))
        return str_eqz(name, "system:authenticated") ||
               name_in_list(arena_cstr(a, who->groups), name);
    if (str_eqz(kind, "ServiceAccount"))
        return str_eq(
            arena_printf(a, "system:serviceaccount:%.*s:%.*s", STR_ARG(namespace), STR_ARG(name)),
            who->user);
    return false;
}

static bool bindings_allow(struct kubesim *sim, const char *kind, str namespace,
                           const struct identity *who, const struct attributes *what)
{
    struct table_query q = {.namespace = namespace};
    struct object_list list;
    size_t remaining;
    bool allowed = false;
    table_list(sim_table_of_kind(sim, kind), &q, &list, &remaining);
    for (size_t i = 0; i < list.count && !allowed; i++) {
        struct arena a;
        arena_init(&a, 4 * KIB);
        const struct dom *binding = sim_object_tree(&a, list.items[i]);
        const struct dom *subjects = dom_getz(binding, "subjects");
        bool bound = false;
        for (const struct dom *s = subjects == NULL ? NULL : subjects->first; s != NULL && !bound;
             s = s->next)
            bound = subject_is(&a, s, who);
        allowed = bound && role_allows(sim, &a, dom_getz(binding, "roleRef"), namespace, what);
        arena_deinit(&a);
    }
    object_list_deinit(&list);
    return allowed;
}

/* -- the answer -- */

static bool is_anonymous(const struct identity *who)
{
    return str_eqz(who->user, "system:anonymous");
}

static bool is_public(str path)
{
    static const char *const paths[] = {"/version", "/readyz", "/livez", "/healthz"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        str p = str_from(paths[i]);
        if (str_eq(path, p) || (str_starts_with(path, p) && path.data[p.len] == '/'))
            return true;
    }
    return false;
}

static bool is_discovery(str path)
{
    static const char *const paths[] = {"/api", "/apis", "/openapi"};
    for (size_t i = 0; i < COUNT_OF(paths); i++) {
        str p = str_from(paths[i]);
        if (str_eq(path, p) || (str_starts_with(path, p) && path.data[p.len] == '/'))
            return true;
    }
    return false;
}

bool auth_allowed(struct kubesim *sim, const struct identity *who, const struct attributes *what)
{
    if (rules_say(sim, false, who, what))
        return false;
    if (!what->is_resource && is_public(what->path))
        return true;
    if (is_anonymous(who))
        return false;
    if (!what->is_resource && is_discovery(what->path))
        return true;
    if (who->groups.len > 0) {
        str rest = who->groups, group;
        while (rest.len > 0) {
            str_cut(rest, ',', &group, &rest);
            if (str_eqz(group, MASTERS))
                return true;
        }
    }
    if (rules_say(sim, true, who, what) || !sim->config.rbac)
        return true;
    return bindings_allow(sim, "ClusterRoleBinding", STR_NONE, who, what) ||
           (what->is_resource && what->namespace.len > 0 &&
            bindings_allow(sim, "RoleBinding", what->namespace, who, what));
}

bool auth_check(struct kubesim_call *call)
{
    const struct attributes *what = &call->attributes;
    struct arena *a = &call->arena;
    str user = call->identity.user, resource = what->resource, scope = STR("at the cluster scope");
    if (auth_allowed(call->sim, &call->identity, what))
        return true;
    if (!what->is_resource)
        return fail_forbidden(call,
                              arena_printf(a, "forbidden: User \"%.*s\" cannot %s path \"%.*s\"",
                                           STR_ARG(user), what->verb, STR_ARG(what->path)));
    if (what->subresource.len > 0)
        resource = arena_printf(a, "%.*s/%.*s", STR_ARG(resource), STR_ARG(what->subresource));
    if (what->namespace.len > 0)
        scope = arena_printf(a, "in the namespace \"%.*s\"", STR_ARG(what->namespace));
    return fail_forbidden(
        call,
        arena_printf(a, "User \"%.*s\" cannot %s resource \"%.*s\" in API group \"%.*s\" %.*s",
                     STR_ARG(user), what->verb, STR_ARG(resource), STR_ARG(what->group),
                     STR_ARG(scope)));
}

void auth_free(struct kubesim *sim)
{
    while (sim->users != NULL) {
        struct sim_user *u = sim->users;
        sim->users = u->next;
        user_free(u);
    }
    rules_clear(sim, 0);
}

void rules_clear(struct kubesim *sim, uint64_t id)
{
    struct sim_rule **place = &sim->rules;
    while (*place != NULL) {
        struct sim_rule *r = *place;
        if (id != 0 && r->id != id) {
            place = &r->next;
            continue;
        }
        *place = r->next;
        char *const texts[] = {r->user, r->verb, r->resource, r->namespace, r->name};
        for (size_t i = 0; i < COUNT_OF(texts); i++)
            mem_free(texts[i]);
        mem_free(r);
    }
}
