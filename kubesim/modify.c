/*
 * patch: the stored object, changed by the body, then on as an update.
 *
 * Life of one: the content type says how the body is to be applied (patch.c); the result is read
 * like the body of a PUT and goes through update_tree, which answers. A patch without
 * resourceVersion cannot conflict: calls are executed one after the other. Server-side apply
 * (application/apply-patch+yaml with a JSON body) is a merge patch that may create; nobody keeps
 * field managers.
 *
 * Specification: kube-apiserver's patch handler; its errors: 415, 400 for a patch that cannot be
 * read, 422 for one that does not fit.
 */
#include "kubesim/sim.h"

#include "kubesim/patch.h"

enum patch_type { PATCH_NONE, PATCH_MERGE, PATCH_STRATEGIC, PATCH_JSON, PATCH_APPLY };

static enum patch_type read_type(str content_type)
{
    str type, parameters;
    str_cut(content_type, ';', &type, &parameters);
    type = str_trim(type);
    if (str_eqz(type, "application/merge-patch+json"))
        return PATCH_MERGE;
    if (str_eqz(type, "application/strategic-merge-patch+json"))
        return PATCH_STRATEGIC;
    if (str_eqz(type, "application/json-patch+json"))
        return PATCH_JSON;
    if (str_eqz(type, "application/apply-patch+yaml"))
        return PATCH_APPLY;
    return PATCH_NONE;
}

static void drop_nulls(struct dom *d)
{
    for (struct dom *m = d->first, *next; m != NULL; m = next) {
        next = m->next;
        if (d->type == DOM_OBJECT && m->type == DOM_NULL)
            dom_remove(d, m->key);
        else
            drop_nulls(m);
    }
}

static struct dom *apply(struct kubesim_call *call, enum patch_type type, struct dom *target,
                         const struct dom *patch)
{
    struct arena *a = &call->arena;
    struct err err;
    if (type == PATCH_JSON) {
        struct dom *d = patch_json(a, target, patch, &err);
        struct status f = {.code = 422, .reason = "Invalid", .has_details = true};
        if (d == NULL && err.code == 422) {
            f.message = arena_str(a, str_from(err.text));
            answer_status(call, &f);
        } else if (d == NULL) {
            fail_bad_request(call, "%s", err.text);
        }
        return d;
    }
    if (patch->type != DOM_OBJECT) {
        fail_bad_request(call, "the patch must be a JSON object");
        return NULL;
    }
    return type == PATCH_STRATEGIC ? patch_strategic(a, target, patch)
                                   : patch_merge(a, target, patch);
}

static bool check_result(struct kubesim_call *call, const struct dom *tree)
{
    str name = dom_text(dom_getz(tree, "metadata"), "name");
    str namespace = dom_text(dom_getz(tree, "metadata"), "namespace");
    if (!str_eq(name, call->attributes.name))
        return fail_bad_request(call, "metadata.name cannot become '%.*s': the URL says '%.*s'",
                                STR_ARG(name), STR_ARG(call->attributes.name));
    if (call->table->kind->namespaced && namespace.len > 0 &&
        !str_eq(namespace, call->attributes.namespace))
        return fail_bad_request(call,
                                "metadata.namespace cannot become '%.*s': the URL says '%.*s'",
                                STR_ARG(namespace), STR_ARG(call->attributes.namespace));
    return true;
}

/* The patched document as text again, so that it is read like any other body. */
static str print_result(struct kubesim_call *call, const struct dom *d)
{
    struct buf b;
    buf_init(&b, LIMIT_SIM_PATCHED_BYTES);
    dom_print(&b, d);
    str text = b.overflow ? STR_NONE : arena_str(&call->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

void verb_patch(struct kubesim_call *call)
{
    enum patch_type type = read_type(call->request.content_type);
    struct sim_object *old = call_object(call, call->attributes.name);
    struct err err;
    if (type == PATCH_NONE) {
        struct status f = {.code = 415,
                           .reason = "UnsupportedMediaType",
                           .has_details = true,
                           .message = STR("the Content-Type must be one of the patch types")};
        answer_status(call, &f);
        return;
    }
    if (old == NULL && type != PATCH_APPLY) {
        fail_not_found(call, call->table->kind, call->attributes.name);
        return;
    }
    struct dom *patch = dom_parse(&call->arena, call->request.body, &err);
    if (patch == NULL) {
        fail_bad_request(call, "the patch cannot be read: %s", err.text);
        return;
    }
    struct dom *target =
        old != NULL ? sim_object_tree(&call->arena, old) : dom_new(&call->arena, DOM_OBJECT);
    target = apply(call, type, target, patch);
    if (target == NULL)
        return;
    drop_nulls(target);
    str text = print_result(call, target);
    if (text.data == NULL) {
        fail_bad_request(call, "the patched object is too large");
        return;
    }
    struct dom *tree = read_patched(call, text);
    if (tree == NULL || !check_result(call, tree))
        return;
    if (old != NULL)
        update_tree(call, tree, old, true);
    else
        create_tree(call, tree, true);
}
