/*
 * create and update: from a request body to a stored object.
 *
 * Life of a write: read_object parses the body and brings it into the kind's form (400); the
 * namespace must be there (404); names are generated, what the server decides is filled in; the
 * rules are checked (422); store_commit makes the new version, publishes it to the watches and
 * answers. An update that changes nothing keeps its resourceVersion and makes no event.
 *
 * Order of the checks, which decides which error is seen, as measured: body, names in body and URL,
 * namespace, uid precondition (409), resourceVersion missing (422), unreadable (500) or stale
 * (409), rules (422).
 *
 * Specification: kube-apiserver's generic registry store and rest.BeforeCreate/BeforeUpdate.
 */
#include "kubesim/sim.h"

#include "kubesim/proto.h"
#include "wire/text.h"

str object_key(struct arena *a, str namespace, str name)
{
    if (namespace.len == 0)
        return name;
    return arena_printf(a, "%.*s/%.*s", STR_ARG(namespace), STR_ARG(name));
}

struct sim_object *call_object(struct kubesim_call *call, str name)
{
    str namespace = call->table->kind->namespaced ? call->attributes.namespace : STR_NONE;
    return table_get(call->table, object_key(&call->arena, namespace, name));
}

bool read_dry_run(struct kubesim_call *call, bool *dry_run)
{
    str text;
    struct sim_causes causes = {.arena = &call->arena};
    *dry_run = query_get(&call->query, "dryRun", &text) && text.len > 0;
    if (!*dry_run || str_eqz(text, "All"))
        return true;
    causes_other(&causes, "FieldValueNotSupported", STR("dryRun"),
                 "Unsupported value: \"%.*s\": supported values: \"All\"", STR_ARG(text));
    return fail_options(call, "CreateOptions", &causes);
}

/* -- reading the body -- */

static bool read_strictness(struct kubesim_call *call, enum sim_strictness *strictness)
{
    str text = STR_NONE;
    struct sim_causes causes = {.arena = &call->arena};
    /* kube-apiserver's default is Warn, whose warnings only kubectl reads. */
    *strictness = SIM_WARN;
    if (!query_get(&call->query, "fieldValidation", &text) || text.len == 0 ||
        str_eqz(text, "Warn"))
        return true;
    if (str_eqz(text, "Ignore"))
        *strictness = SIM_LENIENT;
    else if (str_eqz(text, "Strict"))
        *strictness = SIM_STRICT;
    else {
        causes_other(
            &causes, "FieldValueNotSupported", STR("fieldValidation"),
            "Unsupported value: \"%.*s\": supported values: \"\", \"Ignore\", \"Strict\", \"Warn\"",
            STR_ARG(text));
        return fail_options(call, "CreateOptions", &causes);
    }
    return true;
}

static str join(struct arena *a, const str *items, size_t count, const char *before,
                const char *after)
{
    struct buf b;
    buf_init(&b, 16 * KIB);
    for (size_t i = 0; i < count; i++) {
        buf_printf(&b, "%s%s", i == 0 ? "" : ", ", before);
        if (before[0] != '\0')
            buf_json_string(&b, items[i]);
        else
            buf_str(&b, items[i]);
        buf_text(&b, after);
    }
    str text = arena_str(a, buf_view(&b));
    buf_deinit(&b);
    return text;
}

/* The whole object cannot be read: 400, but 422 for the outcome of a patch. */
static struct dom *unreadable(struct kubesim_call *call, bool from_patch, str problem)
{
    const struct sim_kind *kind = call->table->kind;
    struct sim_causes causes = {.arena = &call->arena};
    if (from_patch) {
        causes_invalid(&causes, STR("patch"), STR("..."), "%.*s", STR_ARG(problem));
        fail_invalid(call, STR_NONE, "", "", STR_NONE, &causes);
    } else {
        fail_bad_request(call, "%s in version \"%s\" cannot be read: %.*s", kind->kind,
                         kind->version, STR_ARG(problem));
    }
    return NULL;
}

static struct dom *normalise(struct kubesim_call *call, struct dom *d, bool from_patch)
{
    enum sim_strictness strictness;
    struct arena *a = &call->arena;
    if (!read_strictness(call, &strictness))
        return NULL;
    struct sim_schema_report report = {.arena = a, .collect = strictness != SIM_LENIENT};
    struct dom *tree = schema_apply(call->table->kind, d, &report);
    if (report.failed)
        return unreadable(call, from_patch, report.problem);
    if (report.strange_count == 0)
        return tree;
    if (strictness == SIM_STRICT) {
        str list = join(a, report.strange, report.strange_count, "", "");
        return unreadable(call, from_patch,
                          arena_printf(a, "strict decoding: %.*s", STR_ARG(list)));
    }
    call->head.warning = join(a, report.strange, report.strange_count, "299 - ", "");
    return tree;
}

static bool check_type(struct kubesim_call *call, const struct dom *d, bool from_patch)
{
    const struct sim_kind *kind = call->table->kind;
    const struct dom *k = dom_getz(d, "kind"), *v = dom_getz(d, "apiVersion");
    str wanted = kind_api_version(&call->arena, kind);
    bool kind_ok = k == NULL || k->type == DOM_NULL ||
                   (k->type == DOM_STRING && k->text.len == 0) ||
                   (k->type == DOM_STRING && str_eqz(k->text, kind->kind));
    bool version_ok = v == NULL || v->type == DOM_NULL ||
                      (v->type == DOM_STRING && v->text.len == 0) ||
                      (v->type == DOM_STRING && str_eq(v->text, wanted));
    if (kind_ok && version_ok)
        return true;
    unreadable(call, from_patch,
               arena_printf(&call->arena, "kind %s of apiVersion %.*s was expected", kind->kind,
                            STR_ARG(wanted)));
    return false;
}

enum media { MEDIA_OTHER, MEDIA_JSON, MEDIA_PROTOBUF };

static enum media media_type(str content_type)
{
    str type, parameters;
    str_cut(content_type, ';', &type, &parameters);
    type = str_trim(type);
    if (type.len == 0 || str_eq_nocase(type, STR("application/json")) || str_eqz(type, "*/*"))
        return MEDIA_JSON;
    return str_eq_nocase(type, STR("application/vnd.kubernetes.protobuf")) ? MEDIA_PROTOBUF
                                                                           : MEDIA_OTHER;
}

struct dom *read_body(struct kubesim_call *call, const struct sim_field *fields, bool has_metadata,
                      struct err *err)
{
    if (fields != NULL && media_type(call->request.content_type) == MEDIA_PROTOBUF)
        return proto_read(&call->arena, call->request.body, fields, has_metadata, err);
    return dom_parse(&call->arena, call->request.body, err);
}

/* Parsed already; NULL: could not be. */
static struct dom *accept_object(struct kubesim_call *call, struct dom *d, bool from_patch,
                                 const struct err *err)
{
    if (d != NULL && d->type == DOM_NULL)
        d = dom_new(&call->arena, DOM_OBJECT); /* as Go decodes it */
    if (d == NULL || d->type != DOM_OBJECT) {
        fail_bad_request(call, "the body must be a %s: %s", call->table->kind->kind,
                         d == NULL ? err->text : "it is not an object");
        return NULL;
    }
    return check_type(call, d, from_patch) ? normalise(call, d, from_patch) : NULL;
}

struct dom *read_object(struct kubesim_call *call)
{
    struct err err;
    const struct sim_field *fields = call->table->kind->fields;
    enum media media = media_type(call->request.content_type);
    if (media == MEDIA_OTHER || (media == MEDIA_PROTOBUF && fields == NULL)) {
        struct status f = {.code = 415,
                           .reason = "UnsupportedMediaType",
                           .message =
                               STR("the body must be application/json or, for built-in kinds, "
                                   "application/vnd.kubernetes.protobuf")};
        answer_status(call, &f);
        return NULL;
    }
    return accept_object(call, read_body(call, fields, true, &err), false, &err);
}

struct dom *read_patched(struct kubesim_call *call, str text)
{
    struct err err;
    return accept_object(call, dom_parse(&call->arena, text, &err), true, &err);
}

/* -- commit -- */

static void set_text(struct dom *object, const char *key, struct dom *value)
{
    if (value == NULL)
        dom_remove(object, str_from(key));
    else
        dom_set(object, str_from(key), value);
}

/* Metadata in the order in which it is always printed. */
static void order_metadata(struct kubesim_call *call, struct dom *tree)
{
    static const char *const order[] = {
        "name",       "generateName",      "namespace",         "uid",
        "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
        "labels",     "annotations",       "ownerReferences",   "finalizers"};
    /* resourceVersion is not among them: it is printed with the object. */
    struct dom *metadata = dom_getz(tree, "metadata"), *sorted = dom_new(&call->arena, DOM_OBJECT);
    for (size_t i = 0; i < COUNT_OF(order); i++) {
        struct dom *m = dom_getz(metadata, order[i]);
        if (m == NULL)
            continue;
        dom_remove(metadata, str_from(order[i]));
        dom_set(sorted, str_from(order[i]), m);
    }
    dom_set(tree, STR("metadata"), sorted);
}

struct sim_object *store_commit(struct kubesim_call *call, struct dom *tree, struct sim_object *old,
                                bool dry_run)
{
    struct kubesim *sim = call->sim;
    order_metadata(call, tree);
    struct sim_object *o = sim_object_new(call->table->kind, tree, sim->resource_version + 1);
    if (o == NULL) {
        fail_internal(call, "the object is too large to be kept");
        return NULL;
    }
    if (old != NULL && sim_object_same(o, old)) {
        sim_object_unref(o);
        return old;
    }
    if (dry_run) {
        sim_object_unref(o);
        o = sim_object_new(call->table->kind, tree, old == NULL ? 0 : old->resource_version);
        answer_object(call, old == NULL ? 201 : 200, o);
        sim_object_unref(o);
        return NULL;
    }
    sim->resource_version++;
    table_put(call->table, o, sim_now(sim));
    watches_notify(call->table);
    sim_object_unref(o); /* the table has its own */
    return o;
}

/* -- create -- */

static struct dom *new_uid(struct kubesim_call *call)
{
    unsigned char r[16];
    const struct kubesim_config *c = &call->sim->config;
    c->random(c->arg, r, sizeof r);
    r[6] = (unsigned char)((r[6] & 0x0f) | 0x40); /* version 4 */
    r[8] = (unsigned char)((r[8] & 0x3f) | 0x80);
    return dom_string(
        &call->arena,
        arena_printf(&call->arena,
                     "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", r[0],
                     r[1], r[2], r[3], r[4], r[5], r[6], r[7], r[8], r[9], r[10], r[11], r[12],
                     r[13], r[14], r[15]));
}

static void generate_name(struct kubesim_call *call, struct dom *metadata)
{
    static const char letters[] = "bcdfghjklmnpqrstvwxz2456789";
    str prefix = dom_text(metadata, "generateName");
    const struct kubesim_config *c = &call->sim->config;
    unsigned char r[5];
    char suffix[6] = "";
    if (dom_text(metadata, "name").len > 0 || prefix.len == 0)
        return;
    c->random(c->arg, r, sizeof r);
    for (size_t i = 0; i < sizeof r; i++)
        suffix[i] = letters[r[i] % (sizeof letters - 1)];
    prefix.len = prefix.len > 58 ? 58 : prefix.len;
    dom_set(
        metadata, STR("name"),
        dom_string(&call->arena, arena_printf(&call->arena, "%.*s%s", STR_ARG(prefix), suffix)));
}

static struct dom *time_now(struct kubesim_call *call)
{
    const struct kubesim_config *c = &call->sim->config;
    struct buf b;
    buf_init(&b, 64);
    rfc3339_print(&b, c->wall_ns(c->arg), 0);
    struct dom *d = dom_string(&call->arena, arena_str(&call->arena, buf_view(&b)));
    buf_deinit(&b);
    return d;
}

/* The namespace must be there and not be going away. */
static bool check_namespace(struct kubesim_call *call)
{
    str namespace = call->attributes.namespace;
    struct sim_table *namespaces = sim_table_of_kind(call->sim, "Namespace");
    struct sim_causes causes = {.arena = &call->arena};
    if (!call->table->kind->namespaced)
        return true;
    const struct sim_object *o = table_get(namespaces, namespace);
    if (o == NULL)
        return fail_not_found(call, namespaces->kind, namespace);
    if (!o->deleting)
        return true;
    str why = arena_printf(&call->arena, "namespace %.*s is being terminated", STR_ARG(namespace));
    causes_other(&causes, "NamespaceTerminating", STR("metadata.namespace"), "%.*s", STR_ARG(why));
    str resource = kind_resource(&call->arena, call->table->kind);
    struct status f = {.code = 403,
                       .reason = "Forbidden",
                       .has_details = true,
                       .name = call->attributes.name,
                       .group = call->attributes.group,
                       .kind = call->attributes.resource,
                       .causes = &causes};
    f.message =
        arena_printf(&call->arena, "%.*s \"%.*s\" is forbidden: %.*s, nothing can be created in it",
                     STR_ARG(resource), STR_ARG(call->attributes.name), STR_ARG(why));
    answer_status(call, &f);
    return false;
}

static bool check_rules(struct kubesim_call *call, const struct dom *tree)
{
    const struct sim_kind *kind = call->table->kind;
    struct sim_causes causes = {.arena = &call->arena};
    const struct dom *metadata = dom_getz(tree, "metadata");
    metadata_check(kind, metadata, &causes);
    if (kind->check != NULL)
        kind->check(tree, &causes);
    if (causes.count == 0)
        return true;
    return fail_invalid(call, kind_qualified(&call->arena, kind), kind->kind, kind->group,
                        dom_text(metadata, "name"), &causes);
}

void create_tree(struct kubesim_call *call, struct dom *tree, bool by_update)
{
    struct arena *a = &call->arena;
    const struct sim_kind *kind = call->table->kind;
    struct dom *metadata = dom_getz(tree, "metadata");
    str version = dom_text(metadata, "resourceVersion");
    bool dry_run;
    call->attributes.name = dom_text(metadata, "name");
    if (!read_dry_run(call, &dry_run) || !check_namespace(call))
        return;
    generate_name(call, metadata);
    set_text(metadata, "namespace",
             kind->namespaced ? dom_string(a, call->attributes.namespace) : NULL);
    set_text(metadata, "uid", new_uid(call));
    set_text(metadata, "creationTimestamp", time_now(call));
    set_text(metadata, "deletionTimestamp", NULL);
    set_text(metadata, "deletionGracePeriodSeconds", NULL);
    if (kind->has_generation)
        set_text(metadata, "generation", dom_number(a, 1));
    if (kind->has_status && !kind->keeps_status)
        set_text(tree, "status", schema_empty(kind, "status", a));
    schema_defaults(kind, tree, a);
    if (kind->prepare != NULL)
        kind->prepare(a, tree, NULL);
    if (!check_rules(call, tree))
        return;
    str name = dom_text(metadata, "name");
    if (!by_update && !dry_run && version.len > 0 && !str_eqz(version, "0")) {
        fail_internal(call, "resourceVersion must not be set on what is to be created");
        return;
    }
    if (call_object(call, name) != NULL) {
        str resource = kind_resource(a, kind);
        struct status f = {.code = 409,
                           .reason = "AlreadyExists",
                           .has_details = true,
                           .name = name,
                           .group = str_from(kind->group),
                           .kind = str_from(kind->plural)};
        f.message =
            arena_printf(a, "%.*s \"%.*s\" already exists", STR_ARG(resource), STR_ARG(name));
        answer_status(call, &f);
        return;
    }
    struct sim_object *o = store_commit(call, tree, NULL, dry_run);
    if (o != NULL)
        answer_object(call, 201, o);
}

static bool check_namespace_of_body(struct kubesim_call *call, const struct dom *tree)
{
    str namespace = dom_text(dom_getz(tree, "metadata"), "namespace");
    if (!call->table->kind->namespaced || namespace.len == 0 ||
        str_eq(namespace, call->attributes.namespace))
        return true;
    return fail_bad_request(call, "metadata.namespace is '%.*s' in the body and '%.*s' in the URL",
                            STR_ARG(namespace), STR_ARG(call->attributes.namespace));
}

void verb_create(struct kubesim_call *call)
{
    struct dom *tree = read_object(call);
    if (tree != NULL && check_namespace_of_body(call, tree))
        create_tree(call, tree, false);
}

/* -- update -- */

static bool check_preconditions(struct kubesim_call *call, const struct dom *tree,
                                const struct sim_object *old, bool from_patch)
{
    const struct sim_kind *kind = call->table->kind;
    const struct dom *metadata = dom_getz(tree, "metadata");
    str version = dom_text(metadata, "resourceVersion"), uid = dom_text(metadata, "uid");
    str old_uid = old == NULL ? STR_NONE : old->uid, name = call->attributes.name;
    struct sim_causes causes = {.arena = &call->arena};
    uint64_t number = 0;
    if (uid.len > 0 && !str_eq(uid, old_uid) && !from_patch)
        return fail_conflict(call, kind, name,
                             "the uid in the request, %.*s, is not that of the object, %.*s",
                             STR_ARG(uid), STR_ARG(old_uid));
    if (old == NULL)
        return true;
    if (version.len > 0 && !str_to_u64(version, &number))
        return fail_internal(call, "metadata.resourceVersion: '%.*s' is not a number",
                             STR_ARG(version));
    if (number == 0 && !kind->unconditional_update) {
        causes_invalid(&causes, STR("metadata.resourceVersion"), STR("0"),
                       "must be specified for an update");
        return fail_invalid(call, kind_resource(&call->arena, kind), kind->plural, kind->group,
                            name, &causes);
    }
    if (number != 0 && number != old->resource_version)
        return fail_conflict(call, kind, name,
                             "the object has been modified since resourceVersion %" PRIu64
                             "; read it again and repeat the change",
                             number);
    if (uid.len > 0 && !str_eq(uid, old_uid)) {
        causes_invalid(&causes, STR("metadata.uid"), STR("..."), "cannot be changed");
        return fail_invalid(call, kind_qualified(&call->arena, kind), kind->kind, kind->group, name,
                            &causes);
    }
    return true;
}

/* What an update cannot change comes from the old object. */
static void keep_from_old(struct kubesim_call *call, struct dom *tree, const struct dom *old)
{
    static const char *const kept[] = {
        "uid",       "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds",
        "namespace", "generation"};
    struct arena *a = &call->arena;
    struct dom *metadata = dom_getz(tree, "metadata");
    const struct dom *old_metadata = dom_getz(old, "metadata");
    bool is_status = str_eqz(call->attributes.subresource, "status");
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        const struct dom *m = dom_getz(old_metadata, kept[i]);
        set_text(metadata, kept[i], m == NULL ? NULL : dom_copy(a, m));
    }
    if (!call->table->kind->has_status)
        return;
    if (is_status) {
        /* Only the status counts, and labels and annotations as in most kinds. */
        for (const struct dom *m = old->first; m != NULL; m = m->next) {
            if (!str_eqz(m->key, "status") && !str_eqz(m->key, "metadata"))
                dom_set(tree, m->key, dom_copy(a, m));
        }
    } else {
        const struct dom *status = dom_getz(old, "status");
        set_text(tree, "status", status == NULL ? NULL : dom_copy(a, status));
    }
}

/* For kinds without spec: everything but the metadata, and of that the labels and annotations. */
static bool same_content(const struct dom *tree, const struct dom *old)
{
    static const char *const names[] = {"labels", "annotations"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct dom *m = dom_getz(dom_getz(tree, "metadata"), names[i]);
        const struct dom *n = dom_getz(dom_getz(old, "metadata"), names[i]);
        if ((m == NULL) != (n == NULL) || (m != NULL && !dom_equal(m, n)))
            return false;
    }
    for (const struct dom *m = tree->first; m != NULL; m = m->next) {
        const struct dom *n = dom_get(old, m->key);
        if (!str_eqz(m->key, "metadata") && (n == NULL || !dom_equal(m, n)))
            return false;
    }
    return tree->count == old->count;
}

static void count_generation(struct kubesim_call *call, struct dom *tree, const struct dom *old)
{
    int64_t generation = 0;
    struct dom *metadata = dom_getz(tree, "metadata");
    const struct dom *spec = dom_getz(tree, "spec"), *old_spec = dom_getz(old, "spec");
    if (!call->table->kind->has_generation)
        return;
    if (spec != NULL && old_spec != NULL ? dom_equal(spec, old_spec) : same_content(tree, old))
        return;
    (void)dom_i64(dom_getz(metadata, "generation"), &generation);
    set_text(metadata, "generation", dom_number(&call->arena, generation + 1));
}

void update_tree(struct kubesim_call *call, struct dom *tree, struct sim_object *old,
                 bool from_patch)
{
    const struct sim_kind *kind = call->table->kind;
    bool dry_run;
    if (!read_dry_run(call, &dry_run) || !check_preconditions(call, tree, old, from_patch))
        return;
    struct dom *old_tree = sim_object_tree(&call->arena, old);
    keep_from_old(call, tree, old_tree);
    schema_defaults(kind, tree, &call->arena);
    if (kind->prepare != NULL)
        kind->prepare(&call->arena, tree, old_tree);
    count_generation(call, tree, old_tree);
    if (!check_rules(call, tree))
        return;
    struct sim_object *o = store_commit(call, tree, old, dry_run);
    if (o == NULL)
        return;
    answer_object(call, 200, o);
    if (o->deleting && !o->finalizers && kind->namespaced)
        sim_store_remove(call->sim, call->table, o); /* that was the last one that held it */
}

void verb_update(struct kubesim_call *call)
{
    const struct sim_kind *kind = call->table->kind;
    str name = call->attributes.name;
    struct dom *tree = read_object(call);
    if (tree == NULL)
        return;
    str body_name = dom_text(dom_getz(tree, "metadata"), "name");
    if (!str_eq(body_name, name)) {
        fail_bad_request(call, "metadata.name is '%.*s' in the body and '%.*s' in the URL",
                         STR_ARG(body_name), STR_ARG(name));
        return;
    }
    if (!check_namespace_of_body(call, tree))
        return;
    struct sim_object *old = call_object(call, name);
    if (old != NULL)
        update_tree(call, tree, old, false);
    else if (!kind->create_on_update)
        fail_not_found(call, kind, name);
    else if (check_preconditions(call, tree, NULL, false))
        create_tree(call, tree, true);
}
