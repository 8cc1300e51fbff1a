/*
 * What becomes of each `singleton_receiver_creator`: decided on the tree, changed nowhere.
 *
 * Life of a plan: every old receiver is found under `receivers`; its Lease becomes an extension (two
 * receivers on one Lease share it); its only child becomes a receiver with an id that is free; then
 * the pipelines that name it are looked up. The rewriting in memory (migrate_tree.c) and in text
 * (migrate_text.c) follow the same plan, so that both give the same configuration.
 *
 * The old receiver said nothing about what it did not understand, and ran one child of several at
 * random. Here what had no effect is left out with a warning, what is ambiguous or would not have
 * worked is an error. A value that is or came from a ${...} is not judged: a file is rewritten where
 * its environment is not known.
 *
 * Specification: leader_election 3.1 (both forms of the old schema, of which the later one takes all
 * keys of the earlier), 3.4 (rules).
 */
#include "config/migrate_internal.h"
#include "wire/text.h"

const char *const lease_setting_keys[SETTING_COUNT] = {
    "auth_type",      "context",        "lease_name",   "lease_namespace",
    "lease_duration", "renew_deadline", "retry_period",
};
/* What the old receiver took where nothing was written. */
static const char *const fallbacks[SETTING_COUNT] = {
    "serviceAccount", "", "singleton-receiver", "default", "15s", "10s", "2s",
};

static bool is_duration(enum lease_setting s)
{
    return s >= SETTING_LEASE_DURATION;
}

bool node_is_reference(const struct node *n)
{
    size_t at;
    return n->expanded || (n->kind == NODE_STRING && str_find(n->text, STR("${"), &at));
}

static str canonical_id(struct arena *a, str type, str name)
{
    if (name.len == 0)
        return type;
    return arena_printf(a, "%.*s/%.*s", STR_ARG(type), STR_ARG(name));
}

bool id_is_old(struct arena *a, str text, str *canonical)
{
    struct err err;
    str type, name;
    if (!component_id_parse(text, &type, &name, &err) || !str_eqz(type, MIGRATE_OLD_TYPE))
        return false;
    *canonical = canonical_id(a, type, name);
    return true;
}

static str path_of(const struct migration *p, const struct old_singleton *s, const char *below)
{
    return arena_printf(p->arena, "receivers::%.*s%s", STR_ARG(s->id), below);
}

static void leave_out(struct migration *p, const struct node *n, str path, const char *why)
{
    p->lost_count++;
    config_warning(p->messages, &n->key_place, path, "%s; it is left out", why);
}

/* ---- ids that are free ---- */

static bool section_has(const struct migration *p, const char *section, str id)
{
    struct err err;
    str type, name, id_type, id_name;
    const struct node *map = node_get(p->root, str_from(section));
    str_cut(id, '/', &id_type, &id_name);
    if (map == NULL || map->kind != NODE_MAP)
        return false;
    for (const struct node *n = map->first; n != NULL; n = n->next)
        if (component_id_parse(n->key, &type, &name, &err) && str_eq(type, id_type) &&
            str_eq(name, id_name))
            return true;
    return false;
}

static bool receiver_taken(const struct migration *p, str id)
{
    for (size_t i = 0; i < p->singleton_count; i++)
        if (str_eq(p->singletons[i].new_id, id))
            return true;
    return section_has(p, "receivers", id);
}

static bool extension_taken(const struct migration *p, str id)
{
    for (size_t i = 0; i < p->lease_count; i++)
        if (str_eq(p->leases[i].extension_id, id))
            return true;
    return section_has(p, "extensions", id);
}

/* `wanted`, or with a number behind it. */
static str free_id(const struct migration *p, str wanted,
                   bool (*taken)(const struct migration *p, str id))
{
    str id = wanted;
    size_t at;
    const char *separator = str_find(wanted, STR("/"), &at) ? "_" : "/";
    for (unsigned i = 2; taken(p, id); i++)
        id = arena_printf(p->arena, "%.*s%s%u", STR_ARG(wanted), separator, i);
    return id;
}

/* ---- the Lease ---- */

/* Puts the value of one setting into the Lease, or says why not. */
static void take_setting(struct migration *p, struct old_lease *lease, enum lease_setting which,
                         const struct node *n, str path)
{
    struct err err;
    int64_t ns;
    if (n->kind == NODE_NULL && !n->expanded)
        return;
    if (node_is_reference(n)) {
        lease->settings[which] = n;
        return;
    }
    if (n->kind != NODE_STRING && is_duration(which)) {
        str why =
            arena_printf(p->arena, "the old receiver ignored a %s that is not text, and took %s",
                         lease_setting_keys[which], fallbacks[which]);
        leave_out(p, n, path, arena_cstr(p->arena, why));
    } else if (n->kind != NODE_STRING) {
        config_error(p->messages, &n->place, path, "must be text%s",
                     n->kind == NODE_LIST || n->kind == NODE_MAP ? "" : "; put it in quotes");
    } else if (is_duration(which) && !duration_parse(n->text, &ns, &err)) {
        config_error(p->messages, &n->place, path, "%s", err.text);
    } else if ((which == SETTING_LEASE_NAME || which == SETTING_LEASE_NAMESPACE) &&
               n->text.len == 0) {
        config_error(p->messages, &n->place, path, "must not be empty");
    } else if (which == SETTING_AUTH_TYPE && !str_eqz(n->text, "serviceAccount") &&
               !str_eqz(n->text, "kubeConfig") && !str_eqz(n->text, "none")) {
        config_error(p->messages, &n->place, path,
                     "authentication type: \"%.*s\" is not supported: use serviceAccount, "
                     "kubeConfig or none",
                     STR_ARG(n->text));
    } else {
        lease->settings[which] = n;
    }
}

static void take_lease_keys(struct migration *p, const struct old_singleton *s,
                            struct old_lease *lease, const struct node *election)
{
    if (election == NULL || (election->kind == NODE_NULL && !election->expanded))
        return;
    str base = path_of(p, s, "::leader_election");
    if (election->kind != NODE_MAP) {
        config_error(p->messages, &election->place, base, "%s",
                     node_is_reference(election)
                         ? "comes from a ${...}, which cannot be taken apart: write its keys here"
                         : "expected a map with lease_name and lease_namespace");
        return;
    }
    for (const struct node *n = election->first; n != NULL; n = n->next) {
        str path = arena_printf(p->arena, "%.*s::%.*s", STR_ARG(base), STR_ARG(n->key));
        size_t i = SETTING_LEASE_NAME;
        while (i < SETTING_COUNT && !str_eqz(n->key, lease_setting_keys[i]))
            i++;
        if (i < SETTING_COUNT)
            take_setting(p, lease, (enum lease_setting)i, n, path);
        else
            leave_out(p, n, path, "the old receiver ignored this key");
    }
}

static const struct node *fallback_node(struct migration *p, enum lease_setting which,
                                        const struct place *place)
{
    struct node *n = ARENA_NEW(p->arena, struct node);
    n->kind = NODE_STRING;
    n->text = str_from(fallbacks[which]);
    n->place = n->key_place = *place;
    n->key = str_from(lease_setting_keys[which]);
    return n;
}

/* Name and namespace had defaults in the first form of the schema: these are written out. */
static void fill_in_names(struct migration *p, const struct old_singleton *s,
                          struct old_lease *lease, const struct node *election, size_t errors)
{
    for (size_t i = SETTING_LEASE_NAME; i <= SETTING_LEASE_NAMESPACE; i++) {
        if (lease->settings[i] != NULL || p->messages->error_count > errors)
            continue;
        const struct place *place = election != NULL ? &election->key_place : &s->place;
        lease->settings[i] = fallback_node(p, (enum lease_setting)i, place);
        config_warning(p->messages, place, path_of(p, s, "::leader_election"),
                       "%s is not set: the old default \"%s\" is written; every collector that "
                       "leaves it out shares this Lease",
                       lease_setting_keys[i], fallbacks[i]);
    }
}

static bool same_value(const struct node *a, const struct node *b, enum lease_setting which)
{
    struct err err;
    int64_t a_ns, b_ns;
    str a_text = a != NULL ? a->text : str_from(fallbacks[which]);
    str b_text = b != NULL ? b->text : str_from(fallbacks[which]);
    if (is_duration(which) && duration_parse(a_text, &a_ns, &err) &&
        duration_parse(b_text, &b_ns, &err))
        return a_ns == b_ns;
    return str_eq(a_text, b_text);
}

/* The extension for this Lease: the one that is there already, or a new one. */
static struct old_lease *intern_lease(struct migration *p, const struct old_singleton *s,
                                      const struct old_lease *new)
{
    for (size_t i = 0; i < p->lease_count; i++) {
        struct old_lease *old = &p->leases[i];
        if (!same_value(old->settings[SETTING_LEASE_NAME], new->settings[SETTING_LEASE_NAME],
                        SETTING_LEASE_NAME) ||
            !same_value(old->settings[SETTING_LEASE_NAMESPACE],
                        new->settings[SETTING_LEASE_NAMESPACE], SETTING_LEASE_NAMESPACE))
            continue;
        for (size_t k = 0; k < SETTING_COUNT; k++) {
            if (same_value(old->settings[k], new->settings[k], (enum lease_setting)k))
                continue;
            p->lost_count++;
            config_warning(p->messages,
                           new->settings[k] != NULL ? &new->settings[k]->key_place : &s->place,
                           path_of(p, s, ""),
                           "%s differs from that of another receiver on the same Lease; both share "
                           "extension \"%.*s\", which has that of the first",
                           lease_setting_keys[k], STR_ARG(old->extension_id));
        }
        return old;
    }
    struct old_lease *lease = &p->leases[p->lease_count];
    *lease = *new;
    lease->extension_id =
        free_id(p, canonical_id(p->arena, STR("k8s_leader_elector"), s->name), extension_taken);
    p->lease_count++;
    return lease;
}

/* ---- the child ---- */

static bool is_elector_key(str key)
{
    return str_eqz(key, "k8s_leader_elector") || str_eqz(key, "leader_elector") ||
           str_eqz(key, "leaderelector");
}

static bool check_child(const struct migration *p, const struct old_singleton *s,
                        const struct node *child)
{
    struct err err;
    str type, name, path = path_of(p, s, "::receiver");
    if (!component_id_parse(child->key, &type, &name, &err)) {
        config_error(p->messages, &child->key_place, path, "%s", err.text);
        return false;
    }
    if (str_eqz(type, MIGRATE_OLD_TYPE)) {
        config_error(p->messages, &child->key_place, path, "a %s inside another one",
                     MIGRATE_OLD_TYPE);
        return false;
    }
    path = arena_printf(p->arena, "%.*s::%.*s", STR_ARG(path), STR_ARG(child->key));
    if (child->kind != NODE_MAP && (child->kind != NODE_NULL || child->expanded)) {
        config_error(p->messages, &child->place, path, "%s",
                     node_is_reference(child)
                         ? "comes from a ${...}: the key k8s_leader_elector cannot be added to it"
                         : "expected a map of settings");
        return false;
    }
    for (const struct node *n = child->first; n != NULL; n = n->next) {
        if (!is_elector_key(n->key))
            continue;
        config_error(p->messages, &n->key_place, path,
                     "names a leader elector of its own (%.*s), beside the Lease of the %s around "
                     "it: keep one of them",
                     STR_ARG(n->key), MIGRATE_OLD_TYPE);
        return false;
    }
    return true;
}

/* The one member of `receiver`, or NULL after an error. */
static struct node *find_child(const struct migration *p, const struct old_singleton *s,
                               const struct node *receiver)
{
    str path = path_of(p, s, "::receiver");
    const struct place *place = receiver != NULL ? &receiver->place : &s->place;
    if (receiver != NULL && node_is_reference(receiver) && receiver->kind != NODE_MAP) {
        config_error(p->messages, place, path,
                     "comes from a ${...}, which cannot be taken apart: write it here");
        return NULL;
    }
    if (receiver == NULL || receiver->kind == NODE_NULL ||
        (receiver->kind == NODE_MAP && receiver->count == 0)) {
        config_error(p->messages, place, path, "there is no receiver in it");
        return NULL;
    }
    if (receiver->kind != NODE_MAP) {
        config_error(p->messages, place, path, "expected a map with one receiver");
        return NULL;
    }
    if (receiver->count > 1) {
        config_error(p->messages, &receiver->first->next->key_place, path,
                     "holds %zu receivers, of which the old receiver ran one at random: keep one; "
                     "the others need a %s of their own",
                     receiver->count, MIGRATE_OLD_TYPE);
        return NULL;
    }
    return check_child(p, s, receiver->first) ? receiver->first : NULL;
}

static void choose_id(const struct migration *p, struct old_singleton *s, const struct node *child)
{
    struct err err;
    str type, name;
    bool good = component_id_parse(child->key, &type, &name, &err);
    CHECK(good);
    s->child_id = canonical_id(p->arena, type, name);
    if (!receiver_taken(p, s->child_id)) {
        s->new_id = s->child_id;
        return;
    }
    str new_name = s->name.len > 0 ? s->name : STR(MIGRATE_OLD_TYPE);
    s->new_id = free_id(p, canonical_id(p->arena, type, new_name), receiver_taken);
}

/* ---- all of it ---- */

static void plan_singleton(struct migration *p, struct old_singleton *s)
{
    struct old_lease lease = {.place = s->place};
    const struct node *receiver = NULL, *election = NULL;
    size_t errors = p->messages->error_count;
    if (s->node->kind != NODE_MAP && s->node->kind != NODE_NULL) {
        config_error(p->messages, &s->node->place, path_of(p, s, ""), "%s",
                     node_is_reference(s->node)
                         ? "comes from a ${...}, which cannot be taken apart: write it here"
                         : "expected a map");
        return;
    }
    for (const struct node *n = s->node->first; n != NULL; n = n->next) {
        str path = arena_printf(p->arena, "receivers::%.*s::%.*s", STR_ARG(s->id), STR_ARG(n->key));
        if (str_eqz(n->key, "receiver"))
            receiver = n;
        else if (str_eqz(n->key, "leader_election"))
            election = n;
        else if (str_eqz(n->key, "auth_type"))
            take_setting(p, &lease, SETTING_AUTH_TYPE, n, path);
        else if (str_eqz(n->key, "context"))
            take_setting(p, &lease, SETTING_CONTEXT, n, path);
        else
            leave_out(p, n, path, "the old receiver ignored this key");
    }
    take_lease_keys(p, s, &lease, election);
    fill_in_names(p, s, &lease, election, errors);
    struct node *child = find_child(p, s, receiver);
    if (p->messages->error_count > errors)
        return;
    choose_id(p, s, child);
    size_t leases = p->lease_count;
    s->lease = intern_lease(p, s, &lease);
    s->owns_lease = p->lease_count > leases;
    s->child = child;
}

static struct old_singleton *find_singleton(struct migration *p, str text)
{
    str id;
    if (!id_is_old(p->arena, text, &id))
        return NULL;
    for (size_t i = 0; i < p->singleton_count; i++)
        if (str_eq(p->singletons[i].id, id))
            return &p->singletons[i];
    return NULL;
}

static void plan_pipeline(struct migration *p, const struct node *pipeline)
{
    str signal, name;
    const struct node *list = node_get(pipeline, STR("receivers"));
    str_cut(pipeline->key, '/', &signal, &name);
    if (list == NULL || list->kind != NODE_LIST)
        return;
    for (struct node *item = list->first; item != NULL; item = item->next) {
        struct old_singleton *s = item->kind == NODE_STRING ? find_singleton(p, item->text) : NULL;
        if (s == NULL || s->child == NULL)
            continue;
        s->used = s->lease->used = true;
        p->references[p->reference_count++] = (struct old_reference){item, pipeline, s};
        if (!str_eqz(str_trim(signal), "metrics"))
            config_warning(
                p->messages, &item->place,
                arena_printf(p->arena, "service::pipelines::%.*s", STR_ARG(pipeline->key)),
                "%s works in pipelines of metrics only; \"%.*s\" takes its place here "
                "as well",
                MIGRATE_OLD_TYPE, STR_ARG(s->new_id));
    }
}

static size_t count_receivers(const struct node *pipelines)
{
    size_t count = 0;
    if (pipelines == NULL || pipelines->kind != NODE_MAP)
        return 0;
    for (const struct node *n = pipelines->first; n != NULL; n = n->next) {
        const struct node *list = node_get(n, STR("receivers"));
        count += list == NULL ? 0 : list->count;
    }
    return count;
}

static void find_singletons(struct migration *p, const struct node *receivers)
{
    p->singletons = ARENA_ARRAY(p->arena, struct old_singleton, receivers->count);
    p->leases = ARENA_ARRAY(p->arena, struct old_lease, receivers->count);
    for (struct node *n = receivers->first; n != NULL; n = n->next) {
        struct err err;
        str type, name;
        bool good = component_id_parse(n->key, &type, &name, &err);
        if (!str_eqz(type, MIGRATE_OLD_TYPE))
            continue;
        struct old_singleton s = {.node = n, .name = name, .place = n->key_place};
        s.id = canonical_id(p->arena, type, name);
        if (!good)
            config_error(p->messages, &n->key_place, STR("receivers"), "%s", err.text);
        else if (find_singleton(p, n->key) != NULL)
            config_error(p->messages, &n->key_place, STR("receivers"),
                         "duplicate name \"%.*s\" after unmarshaling %.*s", STR_ARG(n->key),
                         STR_ARG(s.id));
        else
            p->singletons[p->singleton_count++] = s;
    }
}

void migration_plan(struct migration *p, struct arena *a, struct node *root,
                    struct config_messages *m)
{
    const struct node *receivers = node_get(root, STR("receivers"));
    struct node *pipelines = node_get(node_get(root, STR("service")), STR("pipelines"));
    *p = (struct migration){.arena = a, .root = root, .messages = m};
    if (receivers == NULL || receivers->kind != NODE_MAP)
        return;
    find_singletons(p, receivers);
    for (size_t i = 0; i < p->singleton_count; i++)
        plan_singleton(p, &p->singletons[i]);
    p->references = ARENA_ARRAY(a, struct old_reference, count_receivers(pipelines));
    for (struct node *n = pipelines == NULL ? NULL : pipelines->first;
         n != NULL && pipelines->kind == NODE_MAP && p->singleton_count > 0; n = n->next)
        plan_pipeline(p, n);
    for (size_t i = 0; i < p->singleton_count; i++) {
        const struct old_singleton *s = &p->singletons[i];
        if (s->child != NULL && !s->used)
            config_warning(m, &s->place, path_of(p, s, ""),
                           "no pipeline uses it, so that %s has no part in an election either",
                           arena_cstr(a, s->new_id));
    }
}
