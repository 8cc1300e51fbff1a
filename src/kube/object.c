/*
 * Objects: their pool, their uids, and the table of kinds.
 *
 * Life of an object: a codec seals it into a block of the pool, with one reference; whoever keeps
 * it takes one more; the last object_unref gives the atoms back that stand in it, and the block.
 * Nothing in it changes in between.
 *
 * Uids: the server gives version 4 UUIDs in lower case, which are 16 bytes without loss. Any other
 * text is kept in the block, and the 16 bytes are two keyed hashes of it. That one of those equals
 * the uid of another object is as likely as two random UUIDs being equal.
 */
#include "kube/object.h"

#include "base/limits.h"
#include "base/map.h"
#include "base/slab.h"
#include "kube/object_draft.h"

enum { SCRATCH_BYTES = 4096, HEX_BYTES = 32 };

/* -- uids and container ids -- */

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_dash_place(size_t i)
{
    return i == 8 || i == 13 || i == 18 || i == 23;
}

static bool uuid_parse(str text, uint8_t uid[16])
{
    if (text.len != UID_TEXT_BYTES)
        return false;
    size_t digits = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (is_dash_place(i)) {
            if (text.data[i] != '-')
                return false;
            continue;
        }
        int value = hex_value(text.data[i]);
        if (value < 0)
            return false;
        uid[digits / 2] = (uint8_t)(digits % 2 == 0 ? value << 4 : uid[digits / 2] | value);
        digits++;
    }
    return true;
}

void uid_parse(str text, const uint64_t hash_key[2], uint8_t uid[16], bool *canonical)
{
    *canonical = uuid_parse(text, uid);
    if (*canonical)
        return;
    uint64_t other_key[2] = {~hash_key[0], ~hash_key[1]};
    uint64_t halves[2] = {sip_hash(hash_key, text), sip_hash(other_key, text)};
    memcpy(uid, halves, 16);
}

static char *put_hex(char *out, uint8_t byte)
{
    static const char digits[] = "0123456789abcdef";
    *out++ = digits[byte >> 4];
    *out++ = digits[byte & 15];
    return out;
}

static str uid_print(const uint8_t uid[16], char buffer[UID_TEXT_BYTES])
{
    char *out = buffer;
    for (size_t i = 0; i < 16; i++) {
        if (is_dash_place((size_t)(out - buffer)))
            *out++ = '-';
        out = put_hex(out, uid[i]);
    }
    return str_make(buffer, UID_TEXT_BYTES);
}

str object_uid(const struct object *o, char buffer[UID_TEXT_BYTES])
{
    if (o->uid_at != 0)
        return str_make(object_at(o, o->uid_at), o->uid_len);
    return uid_print(o->uid, buffer);
}

str owner_uid(const struct object *o, const struct object_owner *owner, char buffer[UID_TEXT_BYTES])
{
    if (owner->uid_at != 0)
        return str_make(object_at(o, owner->uid_at), owner->uid_len);
    return uid_print(owner->uid, buffer);
}

str container_id(const struct object *o, const struct container *c,
                 char buffer[CONTAINER_ID_TEXT_BYTES])
{
    if ((c->flags & CONTAINER_ID_IS_HEX) == 0)
        return str_make(object_at(o, c->id_at), c->id_len);
    const uint8_t *bytes = object_at(o, c->id_at);
    char *out = buffer;
    for (size_t i = 0; i < HEX_BYTES; i++)
        out = put_hex(out, bytes[i]);
    return str_make(buffer, CONTAINER_ID_TEXT_BYTES);
}

int64_t container_quantity(const struct object *o, const struct container *c,
                           enum container_quantity q)
{
    CHECK(container_has_quantity(c, q));
    const int64_t *quantities = object_at(o, c->quantities_at);
    return quantities[__builtin_popcount(c->quantity_mask & ((1U << q) - 1))];
}

/* -- memory -- */

void object_pool_init(struct object_pool *pool, const uint64_t hash_key[2])
{
    *pool = (struct object_pool){.hash_key = {hash_key[0], hash_key[1]}};
    pool->atoms = atoms_new(hash_key);
    pool->slabs = slab_set_new();
    arena_init(&pool->scratch, SCRATCH_BYTES);
    buf_init(&pool->block, UINT32_MAX / 2);
}

void object_pool_deinit(struct object_pool *pool)
{
    CHECK(pool->object_count == 0);
    atoms_free(pool->atoms);
    slab_set_free(pool->slabs);
    arena_deinit(&pool->scratch);
    buf_deinit(&pool->block);
    *pool = (struct object_pool){0};
}

size_t object_pool_bytes(const struct object_pool *pool)
{
    return slab_set_bytes(pool->slabs) + atoms_bytes(pool->atoms) + pool->block.cap;
}

static void release_meta(struct object_pool *pool, const struct object *o)
{
    const struct object_meta *meta = object_meta(o);
    if (meta == NULL)
        return;
    release_labels(pool, o, meta->labels_at, meta->label_count);
    const struct object_owner *owners = object_at(o, meta->owners_at);
    for (uint16_t i = 0; i < meta->owner_count; i++) {
        atoms_unref(pool->atoms, owners[i].kind);
        atoms_unref(pool->atoms, owners[i].name);
    }
    const struct object_annotation *annotations = object_at(o, meta->annotations_at);
    for (uint16_t i = 0; i < meta->annotation_count; i++)
        atoms_unref(pool->atoms, annotations[i].key);
}

void object_unref(struct object_pool *pool, struct object *o)
{
    if (o == NULL)
        return;
    CHECK(o->refs > 0);
    if (--o->refs > 0)
        return;
    if (o->codec->release != NULL)
        o->codec->release(pool, o);
    release_meta(pool, o);
    atoms_unref(pool->atoms, o->namespace);
    CHECK(pool->object_count > 0);
    pool->object_count--;
    pool->object_bytes -= slab_rounded(o->size_bytes);
    slab_free(pool->slabs, o, o->size_bytes);
}

/* -- kinds -- */

static const struct kind_codec *const kinds[KIND_COUNT] = {
    [KIND_POD] = &kind_pod,
    [KIND_NODE] = &kind_node,
    [KIND_NAMESPACE] = &kind_namespace,
    [KIND_REPLICATION_CONTROLLER] = &kind_replication_controller,
    [KIND_RESOURCE_QUOTA] = &kind_resource_quota,
    [KIND_SERVICE] = &kind_service,
    [KIND_DAEMON_SET] = &kind_daemon_set,
    [KIND_DEPLOYMENT] = &kind_deployment,
    [KIND_REPLICA_SET] = &kind_replica_set,
    [KIND_STATEFUL_SET] = &kind_stateful_set,
    [KIND_JOB] = &kind_job,
    [KIND_CRON_JOB] = &kind_cron_job,
    [KIND_HPA] = &kind_hpa,
    [KIND_ENDPOINT_SLICE] = &kind_endpoint_slice,
    [KIND_PERSISTENT_VOLUME] = &kind_persistent_volume,
    [KIND_PERSISTENT_VOLUME_CLAIM] = &kind_persistent_volume_claim,
    [KIND_CLUSTER_RESOURCE_QUOTA] = &kind_cluster_resource_quota,
};

const struct object_codec *object_codec_of(enum object_kind kind)
{
    CHECK(kind < KIND_COUNT);
    return &kinds[kind]->codec;
}

const struct object_resource *object_resource_of(enum object_kind kind)
{
    CHECK(kind < KIND_COUNT);
    return &kinds[kind]->resource;
}

const char *object_kind_name(enum object_kind kind)
{
    return object_codec_of(kind)->kind;
}
