/* Custom resources of kymastats: whatever the bytes are, what is read of them is within bounds, and all of it is given back. */
#include "base/limits.h"
#include "receivers/kymastats/codec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const struct object_pool *pool, atom n, size_t size)
{
    str text = atoms_text(pool->atoms, n);
    CHECK(text.len <= size && str_is_utf8(text)); /* an escape never becomes longer than it is */
}

static void check_object(const struct object_pool *pool, const struct object *o, size_t size)
{
    const struct custom_resource *r = custom_resource_of(o);
    CHECK(o->refs == 1 && o->kind == KIND_COUNT && o->fields == 0 && o->meta_at == 0);
    CHECK(o->name_at + o->name_len <= o->size_bytes && o->uid_at + o->uid_len <= o->size_bytes);
    CHECK(sizeof *r + r->condition_count * sizeof(struct custom_condition) <= o->size_bytes);
    CHECK(r->condition_count <= LIMIT_OBJECT_ENTRIES);
    CHECK(r->has_status || (!r->has_state && !r->has_conditions));
    CHECK(r->has_state || r->state == 0);
    CHECK(r->has_conditions || (r->condition_count == 0 && r->fault_count == 0));
    CHECK(r->fault_count == 0 || r->fault <= CONDITION_NO_REASON);
    check_text(pool, r->state, size);
    for (size_t i = 0; i < r->condition_count; i++) {
        check_text(pool, custom_conditions(r)[i].type, size);
        check_text(pool, custom_conditions(r)[i].status, size);
        check_text(pool, custom_conditions(r)[i].reason, size);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint64_t hash_key[2] = {1, 2};
    const struct object_codec *codec = custom_resource_codec;
    str bytes = str_make((const char *)data, size);
    struct object_pool pool;
    struct err err = {.text = ""};
    object_pool_init(&pool, hash_key);
    struct object *first = codec->decode(codec, &pool, ~0U, FORMAT_JSON, bytes, &err);
    struct object *second = codec->decode(codec, &pool, 0, FORMAT_JSON, bytes, NULL);
    CHECK((first == NULL) == (second == NULL) && (first == NULL) == (err.text[0] != '\0'));
    if (first != NULL) {
        check_object(&pool, first, size);
        CHECK(first->size_bytes == second->size_bytes);
        CHECK(memcmp(first, second, first->size_bytes) == 0);
    }
    object_unref(&pool, first);
    object_unref(&pool, second);
    CHECK(pool.object_count == 0 && pool.object_bytes == 0 && atoms_count(pool.atoms) == 0);
    object_pool_deinit(&pool);
    return 0;
}
