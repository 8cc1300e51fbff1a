/*
 * Decoding an object: its metadata, which all kinds share, and the order of the steps.
 *
 * Life of a decode: a draft on the stack or in the pool's scratch arena; the members of the object
 * one after the other, metadata here and the others by the kind's hook; if the bytes were right to
 * the end, the kind's seal makes the block. All scratch memory is dropped at once.
 *
 * A protobuf field or JSON key that comes twice means what it means to Go's decoders: single values
 * are replaced, messages and JSON objects merge, protobuf lists grow, JSON lists begin anew.
 *
 * Specification: apimachinery meta/v1 ObjectMeta (generated.proto), JSON names as in types.go.
 */
#include "kube/object_draft.h"

#include "base/limits.h"

/* What kubectl writes there is the whole object again. */
static const char last_applied[] = "kubectl.kubernetes.io/last-applied-configuration";

static bool keeps_annotation(str key)
{
    return !str_starts_with(key, str_from(last_applied));
}

static struct draft_owner *add_owner(struct draft *d)
{
    struct draft_owner *owner = draft_entry(d, &d->owner_count, sizeof *owner);
    if (owner == NULL)
        return NULL;
    *d->owners_end = owner;
    d->owners_end = &owner->next;
    return owner;
}

/* -- protobuf -- */

static void owner_pb(struct draft *d, struct pb *p)
{
    struct draft_owner *owner = add_owner(d);
    if (owner == NULL) {
        pb_skip(p);
        return;
    }
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        switch (m.field) { /* meta/v1 OwnerReference */
        case 1:
            owner->kind = pb_bytes(&m);
            break;
        case 3:
            owner->name = pb_bytes(&m);
            break;
        case 4:
            owner->uid = pb_bytes(&m);
            break;
        case 6:
            owner->controller = pb_bool(&m);
            break;
        default:
            pb_skip(&m);
        }
    }
    pb_join(p, &m);
}

static void label_pb(struct draft *d, struct pb *p)
{
    if (!draft_wants(d, OBJECT_METADATA) && d->wanted_label == NULL) {
        pb_skip(p);
        return;
    }
    struct draft_pair pair = draft_pb_pair(p, false);
    if (d->wanted_label != NULL && str_eqz(pair.key, d->wanted_label))
        d->wanted_value = pair.value;
    if (draft_wants(d, OBJECT_METADATA))
        draft_map_add(d, &d->labels, pair.key, pair.value);
}

static void annotation_pb(struct draft *d, struct pb *p)
{
    struct draft_pair pair = draft_pb_pair(p, false);
    if (keeps_annotation(pair.key))
        draft_map_add(d, &d->annotations, pair.key, pair.value);
}

static void metadata_pb(struct draft *d, struct pb *p)
{
    bool full = draft_wants(d, OBJECT_METADATA);
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        switch (m.field) { /* meta/v1 ObjectMeta */
        case 1:
            d->name = pb_bytes(&m);
            break;
        case 3:
            d->namespace = pb_bytes(&m);
            break;
        case 5:
            d->uid = pb_bytes(&m);
            break;
        case 6:
            d->resource_version = pb_bytes(&m);
            break;
        case 8:
            d->created_s = draft_pb_time(&m);
            break;
        case 11:
            label_pb(d, &m);
            break;
        case 12:
            if (full && d->keeps_annotations)
                annotation_pb(d, &m);
            else
                pb_skip(&m);
            break;
        case 13:
            if (full)
                owner_pb(d, &m);
            else
                pb_skip(&m);
            break;
        default:
            pb_skip(&m);
        }
    }
    pb_join(p, &m);
}

static bool read_pb(struct draft *d, str bytes, struct err *err)
{
    struct pb p;
    pb_init(&p, bytes);
    while (pb_next(&p)) {
        if (p.field == 1) /* metadata of every kind */
            metadata_pb(d, &p);
        else
            d->kind->read_pb(d, &p);
    }
    return pb_finish(&p, d->kind->codec.kind, err);
}

/* -- JSON -- */

static void owner_json(struct draft *d, struct json *j)
{
    struct draft_owner *owner = add_owner(d);
    if (owner == NULL) {
        json_skip(j);
        return;
    }
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "kind"))
            draft_json_text(d, j, &owner->kind);
        else if (str_eqz(key, "name"))
            draft_json_text(d, j, &owner->name);
        else if (str_eqz(key, "uid"))
            draft_json_text(d, j, &owner->uid);
        else if (str_eqz(key, "controller"))
            draft_json_bool(j, &owner->controller);
        else
            json_skip(j);
    }
}

static void owners_json(struct draft *d, struct json *j)
{
    d->owner_count = 0;
    d->owners = NULL;
    d->owners_end = &d->owners;
    if (!draft_json_array(j))
        return;
    while (json_item(j))
        owner_json(d, j);
}

static void labels_json(struct draft *d, struct json *j)
{
    struct draft_map labels = {0}, *all = draft_wants(d, OBJECT_METADATA) ? &d->labels : &labels;
    draft_map_json(d, all, j, false);
    for (uint32_t i = 0; d->wanted_label != NULL && i < all->count; i++)
        if (str_eqz(all->pairs[i].key, d->wanted_label))
            d->wanted_value = all->pairs[i].value;
}

static void annotations_json(struct draft *d, struct json *j)
{
    struct draft_map *m = &d->annotations;
    draft_map_json(d, m, j, false);
    uint32_t kept = 0;
    for (uint32_t i = 0; i < m->count; i++)
        if (keeps_annotation(m->pairs[i].key))
            m->pairs[kept++] = m->pairs[i];
    m->count = kept;
}

static void metadata_json(struct draft *d, struct json *j)
{
    bool full = draft_wants(d, OBJECT_METADATA);
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "name"))
            draft_json_text(d, j, &d->name);
        else if (str_eqz(key, "namespace"))
            draft_json_text(d, j, &d->namespace);
        else if (str_eqz(key, "uid"))
            draft_json_text(d, j, &d->uid);
        else if (str_eqz(key, "resourceVersion"))
            draft_json_text(d, j, &d->resource_version);
        else if (str_eqz(key, "creationTimestamp"))
            draft_json_time(d, j, &d->created_s);
        else if (str_eqz(key, "labels") && (full || d->wanted_label != NULL))
            labels_json(d, j);
        else if (str_eqz(key, "annotations") && full && d->keeps_annotations)
            annotations_json(d, j);
        else if (str_eqz(key, "ownerReferences") && full)
            owners_json(d, j);
        else
            json_skip(j);
    }
}

static bool read_json(struct draft *d, str text, struct err *err)
{
    struct json j;
    json_init(&j, text);
    if (json_object(&j)) {
        str key;
        while (json_key(&j, &key)) {
            if (str_eqz(key, "metadata"))
                metadata_json(d, &j);
            else
                d->kind->read_json(d, key, &j);
        }
    } else if (!json_failed(&j)) {
        return err_set(err, "%s: expected a JSON object", d->kind->codec.kind);
    }
    return json_finish(&j, err) || err_wrap(err, "%s", d->kind->codec.kind);
}

/* -- both -- */

struct object *kind_decode(const struct object_codec *codec, struct object_pool *pool,
                           unsigned fields, enum object_format format, str bytes, struct err *err)
{
    const struct kind_codec *kind = CONTAINER_OF(codec, struct kind_codec, codec);
    if (bytes.len > LIMIT_WATCH_EVENT_BYTES) {
        err_set(err, "%s: %zu bytes, expected at most %zu", codec->kind, bytes.len,
                LIMIT_WATCH_EVENT_BYTES);
        return NULL;
    }
    struct draft *d = arena_zalloc(&pool->scratch, kind->draft_bytes);
    d->kind = kind;
    d->scratch = &pool->scratch;
    d->pool = pool;
    d->fields = fields & codec->fields;
    d->created_s = time_unset;
    d->owners_end = &d->owners;
    if (kind->init != NULL)
        kind->init(d);
    bool ok;
    if (format == FORMAT_JSON)
        ok = read_json(d, bytes, err);
    else if (codec->has_protobuf)
        ok = read_pb(d, bytes, err);
    else
        ok = err_set(err, "%s: expected JSON: this kind has no protobuf form", codec->kind);
    struct object *object = ok ? kind->seal(d) : NULL;
    arena_reset(&pool->scratch);
    if (pool->block.cap > LIMIT_OBJECT_SCRATCH_BYTES)
        buf_deinit(&pool->block);
    return object;
}
