/*
 * JSON merge patch, strategic merge patch, JSON patch.
 *
 * Life of one: the stored object is parsed into a tree, the patch is applied to it in place, and
 * the result goes through the same schema and rules as a PUT. Values of the patch are copied into
 * the target, so that both trees stay whole.
 *
 * Limits: a JSON patch has at most LIMIT_SIM_PATCH_OPERATIONS, and "copy" may not blow the document
 * up past LIMIT_SIM_PATCHED_BYTES.
 *
 * Specification: RFC 7386, RFC 6902, RFC 6901; Kubernetes' strategic merge patch.
 */
#include "kubesim/patch.h"

#include "kubesim/limits.h"

/* -- merge patch -- */

/* A patch value on its own: without the members that are null. */
static struct dom *without_nulls(struct arena *a, const struct dom *patch)
{
    struct dom *empty = dom_new(a, DOM_OBJECT);
    return patch->type == DOM_OBJECT ? patch_merge(a, empty, patch) : dom_copy(a, patch);
}

struct dom *patch_merge(struct arena *a, struct dom *target, const struct dom *patch)
{
    if (patch->type != DOM_OBJECT)
        return dom_copy(a, patch);
    if (target->type != DOM_OBJECT)
        target = dom_new(a, DOM_OBJECT);
    for (const struct dom *m = patch->first; m != NULL; m = m->next) {
        struct dom *old = dom_get(target, m->key);
        if (m->type == DOM_NULL) {
            dom_remove(target, m->key);
        } else if (old != NULL && m->type == DOM_OBJECT && old->type == DOM_OBJECT) {
            patch_merge(a, old, m);
        } else {
            dom_set(target, m->key, without_nulls(a, m));
        }
    }
    return target;
}

/* -- strategic merge -- */

static bool is_directive(str key)
{
    return str_eqz(key, "$patch") || str_eqz(key, "$retainKeys") ||
           str_starts_with(key, STR("$setElementOrder/")) ||
           str_starts_with(key, STR("$deleteFromPrimitiveList/"));
}

static bool list_has(const struct dom *list, const struct dom *value)
{
    for (const struct dom *i = list->first; i != NULL; i = i->next) {
        if (dom_equal(i, value))
            return true;
    }
    return false;
}

static void delete_from_list(struct dom *target, str name, const struct dom *values)
{
    struct dom *list = dom_get(target, name);
    if (list == NULL || list->type != DOM_ARRAY || values->type != DOM_ARRAY)
        return;
    for (size_t i = list->count; i-- > 0;) {
        if (list_has(values, dom_item(list, i)))
            dom_remove_item(list, i);
    }
    if (list->count == 0)
        dom_remove(target, name);
}

/* What is new comes first, as in kube-apiserver. */
static void add_to_set(struct arena *a, struct dom *list, const struct dom *values)
{
    size_t at = 0;
    for (const struct dom *v = values->first; v != NULL; v = v->next) {
        if (!list_has(list, v))
            dom_insert(list, at++, dom_copy(a, v));
    }
}

static void merge_by_key(struct arena *a, struct dom *list, const struct dom *values,
                         const char *key)
{
    for (const struct dom *v = values->first; v != NULL; v = v->next) {
        str id = dom_text(v, key); /* empty: an item without the key, or no object at all */
        size_t at = 0;
        struct dom *item = id.len > 0 ? list->first : NULL;
        for (; item != NULL && !str_eq(dom_text(item, key), id); item = item->next)
            at++;
        bool deletes = str_eqz(dom_text(v, "$patch"), "delete");
        if (deletes && item != NULL)
            dom_remove_item(list, at);
        else if (item != NULL)
            patch_strategic(a, item, v);
        else if (!deletes)
            dom_append(list, dom_copy(a, v));
    }
}

static void merge_member(struct arena *a, struct dom *target, const struct dom *m)
{
    struct dom *old = dom_get(target, m->key);
    bool both_lists = old != NULL && old->type == DOM_ARRAY && m->type == DOM_ARRAY;
    bool both_objects = old != NULL && old->type == DOM_OBJECT && m->type == DOM_OBJECT;
    if (m->type == DOM_NULL)
        dom_remove(target, m->key);
    else if (both_lists && str_eqz(m->key, "finalizers"))
        add_to_set(a, old, m);
    else if (both_lists && str_eqz(m->key, "ownerReferences"))
        merge_by_key(a, old, m, "uid");
    else if (both_objects && !str_eqz(dom_text(m, "$patch"), "delete"))
        patch_strategic(a, old, m);
    else if (m->type == DOM_OBJECT && str_eqz(dom_text(m, "$patch"), "delete"))
        dom_remove(target, m->key);
    else if (m->type == DOM_OBJECT)
        dom_set(target, m->key, patch_strategic(a, dom_new(a, DOM_OBJECT), m));
    else
        dom_set(target, m->key, dom_copy(a, m));
}

static void retain_keys(struct dom *target, const struct dom *names)
{
    for (struct dom *m = target->first, *next; m != NULL; m = next) {
        bool keep = false;
        next = m->next;
        for (const struct dom *n = names->first; n != NULL; n = n->next)
            keep = keep || (n->type == DOM_STRING && str_eq(n->text, m->key));
        if (!keep)
            dom_remove(target, m->key);
    }
}

struct dom *patch_strategic(struct arena *a, struct dom *target, const struct dom *patch)
{
    static const str prefix = {"$deleteFromPrimitiveList/", sizeof "$deleteFromPrimitiveList/" - 1};
    if (patch->type != DOM_OBJECT)
        return dom_copy(a, patch);
    if (str_eqz(dom_text(patch, "$patch"), "replace")) {
        while (target->first != NULL)
            dom_remove(target, target->first->key);
    }
    const struct dom *retain = dom_getz(patch, "$retainKeys");
    if (retain != NULL && retain->type == DOM_ARRAY)
        retain_keys(target, retain);
    for (const struct dom *m = patch->first; m != NULL; m = m->next) {
        if (str_starts_with(m->key, prefix))
            delete_from_list(target, str_skip(m->key, prefix.len), m);
        if (!is_directive(m->key))
            merge_member(a, target, m);
    }
    return target;
}

/* -- JSON patch -- */

/* "a~1b" -> "a/b" */
static str unescape_step(struct arena *a, str step)
{
    char *out = arena_alloc(a, step.len + 1);
    size_t len = 0;
    for (size_t i = 0; i < step.len; i++) {
        char c = step.data[i];
        if (c == '~' && i + 1 < step.len && (step.data[i + 1] == '0' || step.data[i + 1] == '1'))
            c = step.data[++i] == '0' ? '~' : '/';
        out[len++] = c;
    }
    return str_make(out, len);
}

static bool index_of(str step, size_t count, size_t *index)
{
    uint64_t n;
    bool canonical = step.len == 1 || (step.len > 1 && step.data[0] != '0');
    if (!canonical || !str_to_u64(step, &n) || n >= count)
        return false;
    *index = (size_t)n;
    return true;
}

static struct dom *child_of(struct dom *parent, str step)
{
    size_t i;
    if (parent->type == DOM_ARRAY)
        return index_of(step, parent->count, &i) ? dom_item(parent, i) : NULL;
    return dom_get(parent, step);
}

struct pointer {
    struct dom *parent; /* of the place; NULL: the whole document is meant */
    str step;
};

static bool resolve(struct arena *a, struct dom *root, str path, struct pointer *p, struct err *err)
{
    *p = (struct pointer){0};
    if (path.len == 0)
        return true;
    if (path.data[0] != '/')
        return err_set_code(err, 400, "JSON patch: path '%.*s' must be empty or start with '/'",
                            STR_ARG(path));
    str rest = str_skip(path, 1), step;
    struct dom *at = root;
    for (size_t depth = 0;; depth++) {
        bool more = str_cut(rest, '/', &step, &rest);
        if (depth == LIMIT_SIM_PATCH_DEPTH)
            return err_set_code(err, 422, "JSON patch: a path has more than %d steps",
                                LIMIT_SIM_PATCH_DEPTH);
        step = unescape_step(a, step);
        if (!more)
            break;
        at = child_of(at, step);
        if (at == NULL)
            return err_set_code(err, 422, "JSON patch: nothing at '%.*s' of the object",
                                STR_ARG(path));
    }
    *p = (struct pointer){at, step};
    return at->type == DOM_OBJECT || at->type == DOM_ARRAY ||
           err_set_code(err, 422, "JSON patch: '%.*s' leads into a value without members",
                        STR_ARG(path));
}

static struct dom *value_at(struct dom *root, const struct pointer *p)
{
    return p->parent == NULL ? root : child_of(p->parent, p->step);
}

static bool missing(str path, struct err *err)
{
    return err_set_code(err, 422, "JSON patch: nothing at '%.*s' of the object", STR_ARG(path));
}

static bool do_add(struct dom **root, const struct pointer *p, str path, struct dom *value,
                   struct err *err)
{
    size_t index;
    if (p->parent == NULL) {
        *root = value;
        return true;
    }
    if (p->parent->type == DOM_OBJECT) {
        dom_set(p->parent, p->step, value);
        return true;
    }
    if (str_eqz(p->step, "-"))
        index = p->parent->count;
    else if (!index_of(p->step, p->parent->count + 1, &index))
        return missing(path, err);
    dom_insert(p->parent, index, value);
    return true;
}

static bool do_remove(const struct pointer *p, str path, struct err *err)
{
    size_t index;
    if (p->parent == NULL)
        return err_set_code(err, 422, "JSON patch: the whole object cannot be removed");
    if (p->parent->type == DOM_OBJECT)
        return dom_remove(p->parent, p->step) || missing(path, err);
    if (!index_of(p->step, p->parent->count, &index))
        return missing(path, err);
    dom_remove_item(p->parent, index);
    return true;
}

static size_t dom_size(const struct dom *d)
{
    size_t size = sizeof *d + d->text.len + d->key.len;
    for (const struct dom *c = d->first; c != NULL; c = c->next)
        size += dom_size(c);
    return size;
}

struct json_patch {
    struct arena *a;
    struct dom *root;
    size_t copied_bytes;
};

static bool do_move(struct json_patch *j, const struct dom *op, str path, bool keep,
                    struct err *err)
{
    str from = dom_text(op, "from");
    struct pointer source, place;
    if (dom_getz(op, "from") == NULL)
        return err_set_code(err, 400, "JSON patch: move and copy need 'from'");
    if (!keep && str_starts_with(path, from) && path.len > from.len && path.data[from.len] == '/')
        return err_set_code(err, 422, "JSON patch: '%.*s' cannot be moved into itself",
                            STR_ARG(from));
    if (!resolve(j->a, j->root, from, &source, err))
        return false;
    struct dom *value = value_at(j->root, &source);
    if (value == NULL)
        return missing(from, err);
    j->copied_bytes += dom_size(value);
    if (j->copied_bytes > LIMIT_SIM_PATCHED_BYTES)
        return err_set_code(err, 422, "JSON patch: it moves and copies more than %zu bytes",
                            LIMIT_SIM_PATCHED_BYTES);
    value = dom_copy(j->a, value);
    if (!keep && !do_remove(&source, from, err))
        return false;
    return resolve(j->a, j->root, path, &place, err) && do_add(&j->root, &place, path, value, err);
}

static bool do_operation(struct json_patch *j, const struct dom *op, struct err *err)
{
    str name = dom_text(op, "op"), path = dom_text(op, "path");
    const struct dom *value = dom_getz(op, "value");
    struct pointer place;
    bool needs_value = str_eqz(name, "add") || str_eqz(name, "replace") || str_eqz(name, "test");
    if (dom_getz(op, "path") == NULL || dom_getz(op, "path")->type != DOM_STRING)
        return err_set_code(err, 422, "JSON patch: an operation needs 'path'");
    if (needs_value && value == NULL)
        return err_set_code(err, 422, "JSON patch: %.*s needs 'value'", STR_ARG(name));
    if (str_eqz(name, "move") || str_eqz(name, "copy"))
        return do_move(j, op, path, str_eqz(name, "copy"), err);
    if (!resolve(j->a, j->root, path, &place, err))
        return false;
    if (str_eqz(name, "remove"))
        return do_remove(&place, path, err);
    if (str_eqz(name, "add"))
        return do_add(&j->root, &place, path, dom_copy(j->a, value), err);
    struct dom *old = value_at(j->root, &place);
    if (str_eqz(name, "test"))
        return (old != NULL && dom_equal(old, value)) ||
               err_set_code(err, 422, "JSON patch: the value at '%.*s' is not the one tested for",
                            STR_ARG(path));
    if (!str_eqz(name, "replace"))
        return err_set_code(err, 422, "JSON patch: there is no operation '%.*s'", STR_ARG(name));
    if (old == NULL)
        return missing(path, err);
    if (place.parent != NULL && place.parent->type == DOM_ARRAY && !do_remove(&place, path, err))
        return false;
    return do_add(&j->root, &place, path, dom_copy(j->a, value), err);
}

struct dom *patch_json(struct arena *a, struct dom *target, const struct dom *patch,
                       struct err *err)
{
    struct json_patch j = {.a = a, .root = target};
    if (patch->type != DOM_ARRAY) {
        err_set_code(err, 400, "JSON patch: it must be an array of operations");
        return NULL;
    }
    if (patch->count > LIMIT_SIM_PATCH_OPERATIONS) {
        err_set_code(err, 400, "JSON patch: at most %d operations are allowed",
                     LIMIT_SIM_PATCH_OPERATIONS);
        return NULL;
    }
    for (const struct dom *op = patch->first; op != NULL; op = op->next) {
        if (op->type != DOM_OBJECT) {
            err_set_code(err, 400, "JSON patch: an operation must be an object");
            return NULL;
        }
        if (!do_operation(&j, op, err))
            return NULL;
    }
    return j.root;
}
