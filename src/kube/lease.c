/*
 * Lease objects: read from JSON, written for POST and PUT.
 *
 * A PUT replaces the whole object, so what others put into it has to come back: labels, owner
 * references, finalizers, foreign annotations and fields of newer API versions. Annotations are
 * taken apart, because ours live there; the other members that we do not use are kept as the JSON
 * they came in. What only the server writes (managedFields, generation, deletionTimestamp ...) is
 * dropped: the server fills it in from the stored object, and managedFields alone is half of a
 * Lease.
 *
 * Life of a lease: lease_init, then any number of lease_parse, lease_copy and lease_annotation_set,
 * then lease_deinit. All texts that these put into it live in its arena; callers may point fields
 * at their own bytes.
 *
 * Invariant: the annotation array has room for the next power of two of its count (at least 4).
 *
 * Specification: coordination.k8s.io/v1 Lease, meta/v1 ObjectMeta and MicroTime (six digits when
 * written, any when read).
 */
#include "kube/lease.h"

#include "base/limits.h"
#include "wire/json.h"
#include "wire/text.h"

enum {
    LEASE_ARENA_BYTES = 1024,
    ANNOTATIONS_MIN = 4,
    LEASE_WASTE_BYTES = 64 * 1024, /* garbage of replaced annotations that is not worth a copy */
};

void lease_init(struct lease *l)
{
    memset(l, 0, sizeof *l);
    arena_init(&l->arena, LEASE_ARENA_BYTES);
}

void lease_deinit(struct lease *l)
{
    arena_deinit(&l->arena);
    memset(l, 0, sizeof *l);
}

/* -- annotations -- */

static struct lease_annotation *annotation_find(const struct lease *l, str key)
{
    for (size_t i = 0; i < l->annotation_count; i++)
        if (str_eq(l->annotations[i].key, key))
            return &l->annotations[i];
    return NULL;
}

/* Takes views that live in the arena already. */
static void annotation_append(struct lease *l, str key, str value)
{
    size_t count = l->annotation_count;
    bool is_full = count == 0 || (count >= ANNOTATIONS_MIN && (count & (count - 1)) == 0);
    if (is_full) {
        size_t capacity = count == 0 ? ANNOTATIONS_MIN : 2 * count;
        struct lease_annotation *grown = ARENA_ARRAY(&l->arena, struct lease_annotation, capacity);
        if (count > 0)
            memcpy(grown, l->annotations, count * sizeof *grown);
        l->annotations = grown;
    }
    l->annotations[l->annotation_count++] = (struct lease_annotation){key, value};
}

str lease_annotation_get(const struct lease *l, str key)
{
    const struct lease_annotation *found = annotation_find(l, key);
    return found == NULL ? STR_NONE : found->value;
}

static size_t lease_live_bytes(const struct lease *l)
{
    size_t bytes = l->name.len + l->namespace.len + l->uid.len + l->resource_version.len +
                   l->holder.len + l->metadata_rest.len + l->spec_rest.len;
    for (size_t i = 0; i < l->annotation_count; i++)
        bytes += l->annotations[i].key.len + l->annotations[i].value.len + sizeof(str) * 4;
    return bytes;
}

/* Somebody who sets annotations on one object for days must not fill the memory with old values. */
static void lease_drop_garbage(struct lease *l)
{
    if (l->arena.used_bytes <= LEASE_WASTE_BYTES + 2 * lease_live_bytes(l))
        return;
    struct lease compact;
    lease_init(&compact);
    lease_copy(&compact, l);
    lease_deinit(l);
    *l = compact;
}

void lease_annotation_set(struct lease *l, str key, str value)
{
    struct lease_annotation *found = annotation_find(l, key);
    if (value.len == 0) {
        if (found != NULL) {
            size_t after = (size_t)(l->annotations + l->annotation_count - (found + 1));
            memmove(found, found + 1, after * sizeof *found);
            l->annotation_count--;
        }
        return;
    }
    if (found == NULL)
        annotation_append(l, arena_str(&l->arena, key), arena_str(&l->arena, value));
    else if (!str_eq(found->value, value))
        found->value = arena_str(&l->arena, value);
    lease_drop_garbage(l);
}

/* -- reading -- */

struct lease_reader {
    struct lease *lease;
    struct json json;
    struct buf rest; /* members of the present object that are kept as they are */
    struct err *err;
    bool failed; /* err holds the reason; a failure of the JSON reader itself is in there */
};

static void reader_refuse(struct lease_reader *r, const char *field, const char *expected)
{
    if (!r->failed && !json_failed(&r->json))
        err_set(r->err, "Lease: %s: expected %s", field, expected);
    r->failed = true;
}

/* JSON null counts as absent, as everywhere in Kubernetes. */
static bool reader_skip_null(struct lease_reader *r)
{
    if (json_peek(&r->json) != JSON_NULL)
        return false;
    json_skip(&r->json);
    return true;
}

static bool reader_text(struct lease_reader *r, const char *field, str *out)
{
    if (reader_skip_null(r))
        return false;
    str text;
    if (!json_get_string(&r->json, &r->lease->arena, &text)) {
        reader_refuse(r, field, "a string");
        return false;
    }
    bool is_view = text.data >= r->json.start && text.data < r->json.end;
    *out = is_view ? arena_str(&r->lease->arena, text) : text;
    return true;
}

static void reader_int32(struct lease_reader *r, const char *field, int32_t *out)
{
    if (reader_skip_null(r))
        return;
    int64_t number;
    if (json_get_i64(&r->json, &number) && number >= 0 && number <= INT32_MAX)
        *out = (int32_t)number;
    else
        reader_refuse(r, field, "a whole number from 0 to 2147483647");
}

/* A time that cannot be read is no reason to refuse the object: expiry is counted from our own
 * observation. */
static void reader_time(struct lease_reader *r, const char *field, int64_t *out)
{
    str text;
    if (reader_text(r, field, &text) && !rfc3339_parse(text, out))
        *out = 0;
}

static void reader_keep(struct lease_reader *r, str key)
{
    if (r->rest.len > 0)
        buf_byte(&r->rest, ',');
    buf_json_string(&r->rest, key);
    buf_byte(&r->rest, ':');
    buf_str(&r->rest, json_raw(&r->json));
}

static str reader_take_rest(struct lease_reader *r)
{
    if (r->rest.overflow)
        reader_refuse(r, "the object", "less text");
    str rest = r->rest.len == 0 ? STR_NONE : arena_str(&r->lease->arena, buf_view(&r->rest));
    buf_clear(&r->rest);
    return rest;
}

static void reader_annotations(struct lease_reader *r)
{
    if (reader_skip_null(r))
        return;
    if (!json_object(&r->json)) {
        reader_refuse(r, "metadata.annotations", "an object");
        return;
    }
    str key;
    while (!r->failed && json_key(&r->json, &key)) {
        str kept = arena_str(&r->lease->arena, key);
        str value = STR_NONE;
        reader_text(r, "metadata.annotations", &value);
        annotation_append(r->lease, kept, value);
    }
}

/* Written by the server alone; in a PUT it takes them from the stored object. */
static bool is_server_owned(str key)
{
    static const char *const names[] = {
        "managedFields", "selfLink",          "creationTimestamp",
        "generation",    "deletionTimestamp", "deletionGracePeriodSeconds",
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (str_eqz(key, names[i]))
            return true;
    return false;
}

static void reader_metadata(struct lease_reader *r)
{
    if (!json_object(&r->json)) {
        reader_refuse(r, "metadata", "an object");
        return;
    }
    struct lease *l = r->lease;
    str key;
    while (!r->failed && json_key(&r->json, &key)) {
        if (str_eqz(key, "name"))
            reader_text(r, "metadata.name", &l->name);
        else if (str_eqz(key, "namespace"))
            reader_text(r, "metadata.namespace", &l->namespace);
        else if (str_eqz(key, "uid"))
            reader_text(r, "metadata.uid", &l->uid);
        else if (str_eqz(key, "resourceVersion"))
            reader_text(r, "metadata.resourceVersion", &l->resource_version);
        else if (str_eqz(key, "annotations"))
            reader_annotations(r);
        else if (is_server_owned(key))
            json_skip(&r->json);
        else
            reader_keep(r, key);
    }
    l->metadata_rest = reader_take_rest(r);
}

static void reader_spec(struct lease_reader *r)
{
    if (reader_skip_null(r))
        return;
    if (!json_object(&r->json)) {
        reader_refuse(r, "spec", "an object");
        return;
    }
    struct lease *l = r->lease;
    str key;
    while (!r->failed && json_key(&r->json, &key)) {
        if (str_eqz(key, "holderIdentity"))
            l->has_holder = reader_text(r, "spec.holderIdentity", &l->holder);
        else if (str_eqz(key, "leaseDurationSeconds"))
            reader_int32(r, "spec.leaseDurationSeconds", &l->duration_s);
        else if (str_eqz(key, "acquireTime"))
            reader_time(r, "spec.acquireTime", &l->acquire_ns);
        else if (str_eqz(key, "renewTime"))
            reader_time(r, "spec.renewTime", &l->renew_ns);
        else if (str_eqz(key, "leaseTransitions"))
            reader_int32(r, "spec.leaseTransitions", &l->transitions);
        else
            reader_keep(r, key);
    }
    l->spec_rest = reader_take_rest(r);
}

static void reader_document(struct lease_reader *r)
{
    if (!json_object(&r->json)) {
        reader_refuse(r, "the document", "a JSON object");
        return;
    }
    str key;
    while (!r->failed && json_key(&r->json, &key)) {
        if (str_eqz(key, "metadata")) {
            reader_metadata(r);
        } else if (str_eqz(key, "spec")) {
            reader_spec(r);
        } else if (str_eqz(key, "kind")) {
            str kind = STR("Lease");
            reader_text(r, "kind", &kind);
            if (!str_eqz(kind, "Lease"))
                reader_refuse(r, "kind", "\"Lease\"");
        } else {
            json_skip(&r->json);
        }
    }
}

bool lease_parse(struct lease *l, str json, struct err *err)
{
    lease_deinit(l);
    lease_init(l);
    if (json.len > LIMIT_LEASE_BYTES)
        return err_set(err, "Lease: %zu bytes, more than the %zu that are read", json.len,
                       (size_t)LIMIT_LEASE_BYTES);
    struct lease_reader reader = {.lease = l, .err = err};
    json_init(&reader.json, json);
    buf_init(&reader.rest, 2 * LIMIT_LEASE_BYTES);
    reader_document(&reader);
    buf_deinit(&reader.rest);
    if (reader.failed && !json_failed(&reader.json))
        return false;
    if (!json_finish(&reader.json, err))
        return err_wrap(err, "Lease");
    return true;
}

/* -- writing -- */

static void write_time(struct json_writer *w, str key, int64_t unix_ns)
{
    if (unix_ns == 0)
        return;
    struct buf text;
    buf_init(&text, 64);
    rfc3339_print(&text, unix_ns, 6);
    json_write_key_string(w, key, buf_view(&text));
    buf_deinit(&text);
}

static void write_metadata(struct json_writer *w, const struct lease *l)
{
    json_write_object(w);
    json_write_key_string(w, STR("name"), l->name);
    json_write_key_string(w, STR("namespace"), l->namespace);
    if (l->uid.len > 0)
        json_write_key_string(w, STR("uid"), l->uid);
    if (l->resource_version.len > 0)
        json_write_key_string(w, STR("resourceVersion"), l->resource_version);
    if (l->annotation_count > 0) {
        json_write_key(w, STR("annotations"));
        json_write_object(w);
        for (size_t i = 0; i < l->annotation_count; i++)
            json_write_key_string(w, l->annotations[i].key, l->annotations[i].value);
        json_write_object_end(w);
    }
    if (l->metadata_rest.len > 0)
        json_write_raw(w, l->metadata_rest);
    json_write_object_end(w);
}

static void write_spec(struct json_writer *w, const struct lease *l)
{
    json_write_object(w);
    json_write_key_string(w, STR("holderIdentity"), l->holder);
    if (l->duration_s != 0) {
        json_write_key(w, STR("leaseDurationSeconds"));
        json_write_i64(w, l->duration_s);
    }
    write_time(w, STR("acquireTime"), l->acquire_ns);
    write_time(w, STR("renewTime"), l->renew_ns);
    json_write_key(w, STR("leaseTransitions"));
    json_write_i64(w, l->transitions);
    if (l->spec_rest.len > 0)
        json_write_raw(w, l->spec_rest);
    json_write_object_end(w);
}

void lease_print(struct buf *b, const struct lease *l)
{
    struct json_writer w = {.out = b};
    json_write_object(&w);
    json_write_key_string(&w, STR("apiVersion"), STR("coordination.k8s.io/v1"));
    json_write_key_string(&w, STR("kind"), STR("Lease"));
    json_write_key(&w, STR("metadata"));
    write_metadata(&w, l);
    json_write_key(&w, STR("spec"));
    write_spec(&w, l);
    json_write_object_end(&w);
}

void lease_copy(struct lease *to, const struct lease *from)
{
    CHECK(to != from);
    lease_deinit(to);
    lease_init(to);
    struct arena *a = &to->arena;
    to->name = arena_str(a, from->name);
    to->namespace = arena_str(a, from->namespace);
    to->uid = arena_str(a, from->uid);
    to->resource_version = arena_str(a, from->resource_version);
    to->holder = arena_str(a, from->holder);
    to->has_holder = from->has_holder;
    to->duration_s = from->duration_s;
    to->acquire_ns = from->acquire_ns;
    to->renew_ns = from->renew_ns;
    to->transitions = from->transitions;
    for (size_t i = 0; i < from->annotation_count; i++)
        annotation_append(to, arena_str(a, from->annotations[i].key),
                          arena_str(a, from->annotations[i].value));
    to->metadata_rest = arena_str(a, from->metadata_rest);
    to->spec_rest = arena_str(a, from->spec_rest);
}

/* -- small things -- */

static bool decimal_digits(str s, str *digits)
{
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (s.data[i] < '0' || s.data[i] > '9')
            return false;
    while (s.len > 1 && s.data[0] == '0')
        s = str_skip(s, 1);
    *digits = s;
    return true;
}

bool resource_version_newer(str a, str b)
{
    if (!decimal_digits(a, &a) || !decimal_digits(b, &b))
        return false;
    if (a.len != b.len)
        return a.len > b.len;
    return memcmp(a.data, b.data, a.len) > 0;
}

void lease_path(struct buf *b, str namespace, str name)
{
    buf_text(b, "/apis/coordination.k8s.io/v1/namespaces/");
    url_encode(b, namespace);
    buf_text(b, "/leases");
    if (name.len > 0) {
        buf_byte(b, '/');
        url_encode(b, name);
    }
}
