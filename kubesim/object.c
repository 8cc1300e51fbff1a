/*
 * One version of one object: its bytes as clients get them, and what the server itself looks at,
 * parsed once.
 *
 * Life of one: printed from the tree of a request by object_new; then shared by the table, the
 * window of changes (as the new and later as the previous state) and the lists being sent, counted
 * by references. It never changes; where a client must see another resourceVersion (a deletion has
 * its own), object_print exchanges the digits on the way out.
 *
 * Invariant: everything is in one block of memory, the strings point into it.
 */
#include "kubesim/store.h"

#include <stdio.h>

#include "kubesim/limits.h"
#include "wire/text.h"

/* Prints {"metadata":...,...} and notes where the digits of the resourceVersion are. */
static void print_body(struct buf *b, const struct dom *tree, struct sim_object *o,
                       size_t metadata_at[2])
{
    const char *separator = "";
    buf_text(b, "{\"metadata\":");
    metadata_at[0] = b->len;
    buf_byte(b, '{');
    for (const struct dom *m = dom_getz(tree, "metadata")->first; m != NULL; m = m->next) {
        if (o->resource_version == 0 && str_eqz(m->key, "resourceVersion"))
            continue;
        buf_text(b, separator);
        separator = ",";
        buf_json_string(b, m->key);
        buf_byte(b, ':');
        if (str_eqz(m->key, "resourceVersion")) {
            o->version_offset = b->len + 1;
            buf_printf(b, "\"%" PRIu64 "\"", o->resource_version);
            o->version_len = b->len - o->version_offset - 1;
        } else {
            dom_print(b, m);
        }
    }
    buf_byte(b, '}');
    metadata_at[1] = b->len;
    for (const struct dom *m = tree->first; m != NULL; m = m->next) {
        if (str_eqz(m->key, "metadata"))
            continue;
        buf_byte(b, ',');
        buf_json_string(b, m->key);
        buf_byte(b, ':');
        dom_print(b, m);
    }
    buf_byte(b, '}');
}

static str copy_to(char **at, str s)
{
    char *start = *at;
    if (s.len > 0)
        memcpy(start, s.data, s.len);
    *at += s.len;
    return str_make(start, s.len);
}

static void copy_labels(struct sim_object *o, const struct dom *labels, char **at)
{
    size_t i = 0;
    if (labels == NULL)
        return;
    for (const struct dom *m = labels->first; m != NULL; m = m->next, i++) {
        o->labels[i].key = copy_to(at, m->key);
        o->labels[i].value = copy_to(at, m->text);
    }
    o->label_count = i;
}

struct sim_object *object_new(const struct sim_kind *kind, const struct dom *tree,
                              uint64_t resource_version)
{
    const struct dom *metadata = dom_getz(tree, "metadata");
    const struct dom *labels = dom_getz(metadata, "labels");
    str name = dom_text(metadata, "name"), namespace = dom_text(metadata, "namespace");
    str uid = dom_text(metadata, "uid");
    size_t label_count = labels == NULL ? 0 : labels->count, label_bytes = 0, metadata_at[2];
    struct sim_object head = {.refs = 1, .kind = kind, .resource_version = resource_version};
    struct buf body;
    buf_init(&body, LIMIT_SIM_OBJECT_BYTES);
    print_body(&body, tree, &head, metadata_at);
    if (body.overflow) {
        buf_deinit(&body);
        return NULL;
    }
    for (const struct dom *m = labels == NULL ? NULL : labels->first; m != NULL; m = m->next)
        label_bytes += m->key.len + m->text.len;
    struct sim_object *o = mem_alloc(sizeof *o + label_count * sizeof o->labels[0] + label_bytes +
                                     namespace.len + 1 + name.len + uid.len + body.len);
    *o = head;
    o->labels = (struct sim_label *)(o + 1);
    char *at = (char *)(o->labels + label_count);
    copy_labels(o, labels, &at);
    char *key = at;
    o->namespace = copy_to(&at, namespace);
    if (namespace.len > 0)
        copy_to(&at, STR("/"));
    o->name = copy_to(&at, name);
    o->key = str_make(key, (size_t)(at - key));
    o->uid = copy_to(&at, uid);
    o->body = copy_to(&at, buf_view(&body));
    o->metadata = str_make(o->body.data + metadata_at[0], metadata_at[1] - metadata_at[0]);
    o->deleting = dom_getz(metadata, "deletionTimestamp") != NULL;
    o->finalizers = dom_getz(metadata, "finalizers") != NULL;
    if (!rfc3339_parse(dom_text(metadata, "creationTimestamp"), &o->created_ns))
        o->created_ns = 0;
    buf_deinit(&body);
    return o;
}

struct sim_object *object_ref(struct sim_object *o)
{
    o->refs++;
    return o;
}

void object_unref(struct sim_object *o)
{
    if (o != NULL && --o->refs == 0)
        mem_free(o);
}

bool object_same(const struct sim_object *x, const struct sim_object *y)
{
    return x->version_offset == y->version_offset &&
           memcmp(x->body.data, y->body.data, x->version_offset) == 0 &&
           str_eq(str_skip(x->body, x->version_offset + x->version_len),
                  str_skip(y->body, y->version_offset + y->version_len));
}

void object_print(struct buf *b, const struct sim_object *o, struct object_form form)
{
    str rest = str_skip(o->body, 1);
    if (form.only_metadata)
        rest.len = (size_t)(o->metadata.data + o->metadata.len - rest.data);
    buf_byte(b, '{');
    if (form.typed && form.only_metadata)
        buf_text(b, "\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",");
    else if (form.typed)
        buf_printf(b, "\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\",", o->kind->kind, o->kind->group,
                   o->kind->group[0] == '\0' ? "" : "/", o->kind->version);
    if (form.resource_version != 0) {
        buf_append(b, rest.data, o->version_offset - 1);
        buf_printf(b, "%" PRIu64, form.resource_version);
        rest = str_skip(rest, o->version_offset - 1 + o->version_len);
    }
    buf_str(b, rest);
    if (form.only_metadata)
        buf_byte(b, '}');
}
