/*
 * Decodes objects and prints them, for tests/integration/test_objects.py.
 *
 * stdin: frames of kind, format, fields (a byte each), a zero byte, the length (32 bits, little-endian) and as many bytes.
 * stdout: for each frame one line: the object as JSON, or "error: " and the reason.
 */
#include <stdio.h>

#include "base/limits.h"
#include "tests/unit/kube/object_print.h"

static bool read_all(void *to, size_t len)
{
    return fread(to, 1, len, stdin) == len;
}

int main(void)
{
    static const uint64_t hash_key[2] = {1, 2};
    struct object_pool pool;
    struct buf line;
    uint8_t head[4];
    object_pool_init(&pool, hash_key);
    buf_init(&line, 256 * MIB);
    while (read_all(head, sizeof head)) {
        uint32_t len;
        CHECK(head[0] < KIND_COUNT && read_all(&len, sizeof len));
        char *bytes = mem_alloc(len); /* of the exact size, so that a sanitizer sees reads past the end */
        CHECK(read_all(bytes, len));
        struct err err;
        const struct object_codec *codec = object_codec_of(head[0]);
        struct object *o = codec->decode(codec, &pool, head[2], head[1], str_make(bytes, len), &err);
        mem_free(bytes); /* what is decoded does not point into it */
        buf_clear(&line);
        if (o == NULL)
            buf_printf(&line, "error: %s", err.text);
        else
            object_print(&line, &pool, o);
        CHECK(!line.overflow);
        object_unref(&pool, o);
        printf("%.*s\n", STR_ARG(buf_view(&line)));
    }
    CHECK(pool.object_count == 0 && atoms_count(pool.atoms) == 0);
    object_pool_deinit(&pool);
    buf_deinit(&line);
    return 0;
}
