/*
 * One version of one object: its bytes as clients get them, and what the server itself looks at,
 * parsed once.
 *
 * Life of one: printed as JSON from the tree of a request by sim_object_new; then shared by the table,
 * the window of changes (as the new and later as the previous state) and the lists being sent,
 * counted by references. It never changes. Its protobuf is made when somebody first asks for it,
 * and kept. A generated object has neither: it is printed from its template each time.
 *
 * The resourceVersion is not in the bytes: sim_object_print puts it into the gap, so that a deletion
 * can show the last state with a version of its own.
 *
 * Invariant: everything but the protobuf is in one block of memory, the strings point into it.
 */
#include "kubesim/store.h"

#include <stdio.h>

#include "kubesim/limits.h"
#include "kubesim/proto.h"
#include "kubesim/template.h"
#include "wire/pb.h"
#include "wire/text.h"

enum { VERSION_FIELD = 6 }; /* meta/v1 ObjectMeta.resourceVersion = 6 */

/* -- bytes -- */

static void print_member(struct buf *b, const char *separator, const struct dom *m)
{
    buf_text(b, separator);
    buf_json_string(b, m->key);
    buf_byte(b, ':');
    dom_print(b, m);
}

static bool is_before_version(const struct dom *m)
{
    static const char *const names[] = {"name", "generateName", "namespace", "uid"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (str_eqz(m->key, names[i]))
            return true;
    }
    return false;
}

static void print_json_image(struct buf *b, const struct dom *tree, struct sim_image *image)
{
    size_t start = b->len;
    const char *separator = "";
    const struct dom *m = dom_getz(tree, "metadata")->first;
    buf_text(b, "\"metadata\":{");
    for (; m != NULL && is_before_version(m); m = m->next, separator = ",")
        print_member(b, separator, m);
    image->gap = b->len - start;
    for (; m != NULL; m = m->next) {
        if (!str_eqz(m->key, "resourceVersion"))
            print_member(b, ",", m); /* there is always a name in front */
    }
    buf_byte(b, '}');
    image->metadata_end = b->len - start;
    for (m = tree->first; m != NULL; m = m->next) {
        if (!str_eqz(m->key, "metadata"))
            print_member(b, ",", m);
    }
    image->end = b->len - start;
}

void image_print(struct buf *b, const struct sim_kind *kind, const struct dom *tree, bool protobuf,
                 struct sim_image *image)
{
    size_t start = b->len;
    const struct dom *metadata = dom_getz(tree, "metadata");
    *image = (struct sim_image){0};
    if (!protobuf) {
        print_json_image(b, tree, image);
        return;
    }
    proto_write(b, metadata, sim_metadata_fields, 0, VERSION_FIELD);
    image->gap = b->len - start;
    proto_write(b, metadata, sim_metadata_fields, VERSION_FIELD, UINT32_MAX);
    image->metadata_end = b->len - start;
    if (kind->fields != NULL) /* of a custom resource only the metadata can be asked for */
        proto_write(b, tree, kind->fields, 1, UINT32_MAX);
    image->end = b->len - start;
}

/* -- life -- */

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

static void copy_key(struct sim_object *o, str namespace, str name, char **at)
{
    char *key = *at;
    o->namespace = copy_to(at, namespace);
    if (namespace.len > 0)
        copy_to(at, STR("/"));
    o->name = copy_to(at, name);
    o->key = str_make(key, (size_t)(*at - key));
}

struct sim_object *sim_object_new(const struct sim_kind *kind, const struct dom *tree,
                                  uint64_t resource_version)
{
    const struct dom *metadata = dom_getz(tree, "metadata");
    const struct dom *labels = dom_getz(metadata, "labels");
    str name = dom_text(metadata, "name"), namespace = dom_text(metadata, "namespace");
    str uid = dom_text(metadata, "uid");
    size_t label_count = labels == NULL ? 0 : labels->count, label_bytes = 0;
    struct sim_image json;
    struct buf body;
    buf_init(&body, LIMIT_SIM_OBJECT_BYTES);
    image_print(&body, kind, tree, false, &json);
    if (body.overflow) {
        buf_deinit(&body);
        return NULL;
    }
    for (const struct dom *m = labels == NULL ? NULL : labels->first; m != NULL; m = m->next)
        label_bytes += m->key.len + m->text.len;
    struct sim_object *o = mem_alloc(sizeof *o + label_count * sizeof o->labels[0] + label_bytes +
                                     namespace.len + 1 + name.len + uid.len + body.len);
    *o = (struct sim_object){
        .refs = 1, .kind = kind, .resource_version = resource_version, .json = json};
    o->labels = (struct sim_label *)(o + 1);
    char *at = (char *)(o->labels + label_count);
    copy_labels(o, labels, &at);
    copy_key(o, namespace, name, &at);
    o->uid = copy_to(&at, uid);
    o->json.data = copy_to(&at, buf_view(&body)).data;
    o->deleting = dom_getz(metadata, "deletionTimestamp") != NULL;
    o->finalizers = dom_getz(metadata, "finalizers") != NULL;
    if (!rfc3339_parse(dom_text(metadata, "creationTimestamp"), &o->created_ns))
        o->created_ns = 0;
    buf_deinit(&body);
    return o;
}

struct sim_object *sim_object_new_generated(const struct sim_template *t,
                                            const struct sim_values *values,
                                            uint64_t resource_version)
{
    char namespace[256], name[256];
    CHECK(t->namespace.len <= sizeof namespace && t->name.len <= sizeof name);
    template_text(t, values, t->namespace, namespace);
    template_text(t, values, t->name, name);
    struct sim_object *o = mem_alloc(sizeof *o + t->namespace.len + 1 + t->name.len + t->uid.len);
    *o = (struct sim_object){.refs = 1,
                             .kind = t->kind,
                             .resource_version = resource_version,
                             .created_ns = t->created_ns,
                             .template = t,
                             .values = *values};
    char *at = (char *)(o + 1);
    copy_key(o, str_make(namespace, t->namespace.len), str_make(name, t->name.len), &at);
    template_text(t, values, t->uid, at);
    o->uid = str_make(at, t->uid.len);
    return o;
}

struct sim_object *sim_object_ref(struct sim_object *o)
{
    o->refs++;
    return o;
}

void sim_object_unref(struct sim_object *o)
{
    if (o == NULL || --o->refs > 0)
        return;
    mem_free((char *)(uintptr_t)o->protobuf.data);
    mem_free(o);
}

bool sim_object_same(const struct sim_object *x, const struct sim_object *y)
{
    return x->template == NULL && y->template == NULL && x->json.end == y->json.end &&
           memcmp(x->json.data, y->json.data, x->json.end) == 0;
}

struct dom *sim_object_tree(struct arena *a, struct sim_object *o)
{
    struct err err;
    struct buf b;
    buf_init(&b, 2 * LIMIT_SIM_OBJECT_BYTES);
    sim_object_print(&b, o, (struct object_form){0});
    struct dom *tree = dom_parse(a, arena_str(a, buf_view(&b)), &err);
    CHECK(tree != NULL); /* we printed it ourselves */
    buf_deinit(&b);
    return tree;
}

static const struct sim_image *protobuf_image(struct sim_object *o)
{
    struct arena a;
    struct buf b;
    size_t len;
    if (o->template != NULL)
        return &o->template->protobuf.image;
    if (o->protobuf.data != NULL)
        return &o->protobuf;
    arena_init(&a, 16 * KIB);
    buf_init(&b, 2 * LIMIT_SIM_OBJECT_BYTES);
    image_print(&b, o->kind, sim_object_tree(&a, o), true, &o->protobuf);
    CHECK(!b.overflow);
    o->protobuf.data = buf_take(&b, &len);
    arena_deinit(&a);
    return &o->protobuf;
}

/* -- printing -- */

static uint64_t shown_version(const struct sim_object *o, struct object_form form)
{
    return form.resource_version != 0 ? form.resource_version : o->resource_version;
}

size_t sim_object_protobuf_size(struct sim_object *o, struct object_form form)
{
    char digits[24];
    const struct sim_image *image = protobuf_image(o);
    uint64_t version = shown_version(o, form);
    size_t len = version == 0 ? 0 : (size_t)snprintf(digits, sizeof digits, "%" PRIu64, version);
    size_t metadata = image->metadata_end + proto_bytes_size(len);
    return proto_bytes_size(metadata) + (form.only_metadata ? 0 : image->end - image->metadata_end);
}

/* Fills the places of a generated object whose bytes start at `start` and have `inserted` more in the gap. */
static void fill_places(struct buf *b, const struct sim_object *o, bool protobuf, size_t start,
                        size_t inserted, size_t end)
{
    const struct sim_template *t = o->template;
    const struct template_bytes *bytes = protobuf ? &t->protobuf : &t->json;
    if (b->overflow)
        return;
    for (size_t i = 0; i < bytes->place_count && bytes->places[i].offset < end; i++) {
        const struct template_place *p = &bytes->places[i];
        size_t shift = p->offset >= bytes->image.gap ? inserted : 0;
        t->fill(&o->values, t->seed, p->letter, b->data + start + p->offset + shift);
    }
}

static void print_protobuf(struct buf *b, struct sim_object *o, struct object_form form)
{
    char digits[24] = "";
    const struct sim_image *image = protobuf_image(o);
    uint64_t version = shown_version(o, form);
    size_t end = form.only_metadata ? image->metadata_end : image->end;
    if (version != 0)
        snprintf(digits, sizeof digits, "%" PRIu64, version);
    size_t version_size = proto_bytes_size(strlen(digits));
    proto_bytes_begin(b, 1, image->metadata_end + version_size);
    size_t start = b->len;
    buf_append(b, image->data, image->gap);
    pb_put_bytes_always(b, VERSION_FIELD, str_from(digits));
    buf_append(b, image->data + image->gap, end - image->gap);
    if (o->template != NULL)
        fill_places(b, o, true, start, version_size, end);
}

static void print_json(struct buf *b, struct sim_object *o, struct object_form form)
{
    const struct sim_image *image = o->template != NULL ? &o->template->json.image : &o->json;
    size_t end = form.only_metadata ? image->metadata_end : image->end;
    uint64_t version = shown_version(o, form);
    buf_byte(b, '{');
    if (form.typed && form.only_metadata)
        buf_text(b, "\"kind\":\"PartialObjectMetadata\",\"apiVersion\":\"meta.k8s.io/v1\",");
    else if (form.typed)
        buf_printf(b, "\"kind\":\"%s\",\"apiVersion\":\"%s%s%s\",", o->kind->kind, o->kind->group,
                   o->kind->group[0] == '\0' ? "" : "/", o->kind->version);
    size_t start = b->len;
    buf_append(b, image->data, image->gap);
    if (version != 0)
        buf_printf(b, ",\"resourceVersion\":\"%" PRIu64 "\"", version);
    size_t inserted = b->len - start - image->gap;
    buf_append(b, image->data + image->gap, end - image->gap);
    if (o->template != NULL)
        fill_places(b, o, false, start, inserted, end);
    buf_byte(b, '}');
}

void sim_object_print(struct buf *b, struct sim_object *o, struct object_form form)
{
    if (form.protobuf)
        print_protobuf(b, o, form);
    else
        print_json(b, o, form);
}

const struct sim_label *sim_object_labels(const struct sim_object *o, struct label_room *room,
                                          size_t *count)
{
    const struct sim_template *t = o->template;
    char *at = room->text;
    *count = o->label_count;
    if (t == NULL)
        return o->labels;
    *count = t->label_count;
    for (size_t i = 0; i < t->label_count; i++) {
        template_text(t, &o->values, t->labels[i].value, at);
        room->items[i] = (struct sim_label){t->labels[i].key, str_make(at, t->labels[i].value.len)};
        at += t->labels[i].value.len;
    }
    return room->items;
}
