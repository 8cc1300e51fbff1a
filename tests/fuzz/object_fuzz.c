/* See object_fuzz.h. */
#include "tests/fuzz/object_fuzz.h"

#include "base/limits.h"
#include "tests/unit/kube/object_print.h"

static void check_object(const struct object_pool *pool, const struct object *o, unsigned fields)
{
    CHECK(o->refs == 1 && o->size_bytes >= sizeof *o);
    CHECK(o->name_at + o->name_len <= o->size_bytes && o->uid_at + o->uid_len <= o->size_bytes);
    CHECK((o->fields & ~fields) == 0);
    CHECK(object_meta(o) == NULL || (fields & OBJECT_METADATA) != 0);
    if (o->kind == KIND_POD) {
        const struct pod_object *pod = (const struct pod_object *)o;
        for (unsigned i = 0; i < pod->container_count; i++) {
            const struct container *c = &pod->containers[i];
            CHECK((c->flags & (CONTAINER_HAS_SPEC | CONTAINER_HAS_STATUS)) != 0);
            CHECK(((c->flags & CONTAINER_HAS_IMAGE) != 0) == (c->image_name != 0));
            CHECK(c->id_at + c->id_len <= o->size_bytes);
        }
    }
    CHECK(pool->object_count >= 1);
}

void object_fuzz(enum object_kind kind, unsigned fields, enum object_format format, str bytes)
{
    static const uint64_t hash_key[2] = {1, 2};
    const struct object_codec *codec = object_codec_of(kind);
    struct object_pool pool;
    struct err err = {.text = ""};
    object_pool_init(&pool, hash_key);
    struct object *first = codec->decode(codec, &pool, fields, format, bytes, &err);
    struct object *second = codec->decode(codec, &pool, fields, format, bytes, NULL);
    CHECK((first == NULL) == (second == NULL) && (first == NULL) == (err.text[0] != '\0'));
    if (first != NULL) {
        struct buf a, b;
        buf_init(&a, 64 * MIB);
        buf_init(&b, 64 * MIB);
        check_object(&pool, first, fields);
        object_print(&a, &pool, first);
        object_unref(&pool, first);
        object_print(&b, &pool, second);
        CHECK(!a.overflow && str_eq(buf_view(&a), buf_view(&b)));
        buf_deinit(&a);
        buf_deinit(&b);
    }
    object_unref(&pool, second);
    CHECK(pool.object_count == 0 && pool.object_bytes == 0 && atoms_count(pool.atoms) == 0);
    object_pool_deinit(&pool);
}
