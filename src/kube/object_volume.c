/*
 * PersistentVolumes and PersistentVolumeClaims: capacity, phase, class.
 *
 * Of the maps of quantities only "storage" counts; what is no quantity counts as not there.
 *
 * Specification: core/v1 generated.proto of k8s.io/api.
 */
#include "kube/object_draft.h"
#include "wire/quantity.h"

enum { SPEC = 2, STATUS = 3 };

struct volume_draft {
    struct draft draft;
    str phase, storage_class, reclaim_policy, volume_name;
    struct draft_map capacity, requests;
};

static void init(struct draft *d)
{
    d->keeps_annotations = true;
}

/* The bytes of "storage". */
static bool storage_of(struct draft_map *m, int64_t *bytes)
{
    draft_map_sort(m);
    int64_t milli;
    for (uint32_t i = 0; i < m->count; i++)
        if (str_eqz(m->pairs[i].key, "storage"))
            return quantity_parse(m->pairs[i].value, bytes, &milli);
    return false;
}

/* -- PersistentVolume -- */

static void volume_pb(struct draft *d, struct pb *p)
{
    struct volume_draft *volume = (struct volume_draft *)d;
    if (p->field != SPEC && p->field != STATUS) {
        pb_skip(p);
        return;
    }
    bool spec = p->field == SPEC;
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (spec && m.field == 1) /* PersistentVolumeSpec.capacity */
            draft_map_pb(d, &volume->capacity, &m, true);
        else if (spec && m.field == 5) /* persistentVolumeReclaimPolicy */
            volume->reclaim_policy = pb_bytes(&m);
        else if (spec && m.field == 6) /* storageClassName */
            volume->storage_class = pb_bytes(&m);
        else if (!spec && m.field == 1) /* PersistentVolumeStatus.phase */
            volume->phase = pb_bytes(&m);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void volume_json(struct draft *d, str part, struct json *j)
{
    struct volume_draft *volume = (struct volume_draft *)d;
    bool spec = str_eqz(part, "spec");
    if (!spec && !str_eqz(part, "status")) {
        json_skip(j);
        return;
    }
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (spec && str_eqz(key, "capacity"))
            draft_map_json(d, &volume->capacity, j, true);
        else if (spec && str_eqz(key, "persistentVolumeReclaimPolicy"))
            draft_json_text(d, j, &volume->reclaim_policy);
        else if (spec && str_eqz(key, "storageClassName"))
            draft_json_text(d, j, &volume->storage_class);
        else if (!spec && str_eqz(key, "phase"))
            draft_json_text(d, j, &volume->phase);
        else
            json_skip(j);
    }
}

static struct object *volume_seal(struct draft *d)
{
    struct volume_draft *draft = (struct volume_draft *)d;
    block_begin(d, sizeof(struct persistent_volume));
    struct persistent_volume v = {.phase = block_atom(d, draft->phase),
                                  .storage_class = block_atom(d, draft->storage_class),
                                  .reclaim_policy = block_atom(d, draft->reclaim_policy)};
    v.has_capacity = storage_of(&draft->capacity, &v.capacity_bytes);
    memcpy(block_at(d, 0), &v, sizeof v);
    return block_finish(d);
}

static void volume_release(struct object_pool *pool, const struct object *o)
{
    const struct persistent_volume *v = (const struct persistent_volume *)o;
    atoms_unref(pool->atoms, v->phase);
    atoms_unref(pool->atoms, v->storage_class);
    atoms_unref(pool->atoms, v->reclaim_policy);
}

const struct kind_codec kind_persistent_volume = {
    .codec = {"PersistentVolume", true, OBJECT_METADATA, kind_decode, volume_release},
    .kind = KIND_PERSISTENT_VOLUME,
    .resource = {"", "v1", "persistentvolumes", false},
    .draft_bytes = sizeof(struct volume_draft),
    .init = init,
    .read_pb = volume_pb,
    .read_json = volume_json,
    .seal = volume_seal,
};

/* -- PersistentVolumeClaim -- */

static void claim_resources_pb(struct volume_draft *volume, struct pb *p)
{
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (m.field == 2) /* VolumeResourceRequirements.requests */
            draft_map_pb(&volume->draft, &volume->requests, &m, true);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void claim_pb(struct draft *d, struct pb *p)
{
    struct volume_draft *volume = (struct volume_draft *)d;
    if (p->field != SPEC && p->field != STATUS) {
        pb_skip(p);
        return;
    }
    bool spec = p->field == SPEC;
    struct pb m = pb_message(p);
    while (pb_next(&m)) {
        if (spec && m.field == 2) /* PersistentVolumeClaimSpec.resources */
            claim_resources_pb(volume, &m);
        else if (spec && m.field == 3) /* volumeName */
            volume->volume_name = pb_bytes(&m);
        else if (spec && m.field == 5) /* storageClassName */
            volume->storage_class = pb_bytes(&m);
        else if (!spec && m.field == 1) /* PersistentVolumeClaimStatus.phase */
            volume->phase = pb_bytes(&m);
        else if (!spec && m.field == 3) /* capacity */
            draft_map_pb(d, &volume->capacity, &m, true);
        else
            pb_skip(&m);
    }
    pb_join(p, &m);
}

static void claim_resources_json(struct volume_draft *volume, struct json *j)
{
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (str_eqz(key, "requests"))
            draft_map_json(&volume->draft, &volume->requests, j, true);
        else
            json_skip(j);
    }
}

static void claim_json(struct draft *d, str part, struct json *j)
{
    struct volume_draft *volume = (struct volume_draft *)d;
    bool spec = str_eqz(part, "spec");
    if (!spec && !str_eqz(part, "status")) {
        json_skip(j);
        return;
    }
    str key;
    if (!draft_json_object(j))
        return;
    while (json_key(j, &key)) {
        if (spec && str_eqz(key, "resources"))
            claim_resources_json(volume, j);
        else if (spec && str_eqz(key, "volumeName"))
            draft_json_text(d, j, &volume->volume_name);
        else if (spec && str_eqz(key, "storageClassName"))
            draft_json_text(d, j, &volume->storage_class);
        else if (!spec && str_eqz(key, "phase"))
            draft_json_text(d, j, &volume->phase);
        else if (!spec && str_eqz(key, "capacity"))
            draft_map_json(d, &volume->capacity, j, true);
        else
            json_skip(j);
    }
}

static struct object *claim_seal(struct draft *d)
{
    struct volume_draft *draft = (struct volume_draft *)d;
    block_begin(d, sizeof(struct persistent_volume_claim));
    struct persistent_volume_claim c = {.phase = block_atom(d, draft->phase),
                                        .storage_class = block_atom(d, draft->storage_class)};
    if (draft_wants(d, OBJECT_METADATA))
        c.volume_name = block_atom(d, draft->volume_name);
    c.has_capacity = storage_of(&draft->capacity, &c.capacity_bytes);
    c.has_request = storage_of(&draft->requests, &c.request_bytes);
    memcpy(block_at(d, 0), &c, sizeof c);
    return block_finish(d);
}

static void claim_release(struct object_pool *pool, const struct object *o)
{
    const struct persistent_volume_claim *c = (const struct persistent_volume_claim *)o;
    atoms_unref(pool->atoms, c->phase);
    atoms_unref(pool->atoms, c->storage_class);
    atoms_unref(pool->atoms, c->volume_name);
}

const struct kind_codec kind_persistent_volume_claim = {
    .codec = {"PersistentVolumeClaim", true, OBJECT_METADATA, kind_decode, claim_release},
    .kind = KIND_PERSISTENT_VOLUME_CLAIM,
    .resource = {"", "v1", "persistentvolumeclaims", true},
    .draft_bytes = sizeof(struct volume_draft),
    .init = init,
    .read_pb = claim_pb,
    .read_json = claim_json,
    .seal = claim_seal,
};
