/*
 * Configurations: documents, cut at NUL bytes, merged, expanded and decoded by a schema with every type of field. Whatever was
 * decoded without an error is encoded, and that decodes to the same.
 */
#include "base/limits.h"
#include "tests/unit/config/decode_schema.h"

enum { SOURCES_MAX = 4 };

static const struct all *decode(struct arena *a, const struct node *root, struct config_messages *m)
{
    return config_decode(a, &all_schema, root, STR("c"), NULL, m);
}

static void check_encode(struct arena *a, const struct all *config)
{
    struct buf first, second;
    struct node *root;
    struct err err;
    struct config_messages m;
    buf_init(&first, 64 * MIB);
    buf_init(&second, 64 * MIB);
    yaml_print(&first, config_encode(a, &all_schema, config, false));
    CHECK(yaml_parse(a, STR("again"), buf_view(&first), &root, &err));
    config_messages_init(&m, a);
    yaml_print(&second, config_encode(a, &all_schema, decode(a, root, &m), false));
    CHECK(m.error_count == 0);
    CHECK(str_eq(buf_view(&first), buf_view(&second)));
    buf_clear(&second);
    yaml_print(&second, config_encode(a, &all_schema, config, true));
    buf_deinit(&first);
    buf_deinit(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct config_messages m;
    struct config_source sources[SOURCES_MAX];
    struct node *root;
    size_t count = 0;
    str rest = {(const char *)data, size}, text;
    bool more = true;
    arena_init(&a, 4096);
    while (more && count < SOURCES_MAX) {
        more = str_cut(rest, '\0', &text, &rest);
        sources[count++].location = arena_printf(&a, "yaml:%.*s", STR_ARG(text));
        sources[count - 1].is_set = false;
    }
    config_messages_init(&m, &a);
    bool ok = config_resolve(&a, sources, count, &m, &root);
    CHECK(ok == (m.error_count == 0));
    if (ok) {
        const struct all *config = decode(&a, root, &m);
        /* Only text that can be printed comes back the same. */
        if (m.error_count == 0 && str_is_utf8(str_make((const char *)data, size)))
            check_encode(&a, config);
    }
    struct buf b;
    buf_init(&b, 64 * MIB);
    config_messages_print(&b, &m, true, true);
    buf_deinit(&b);
    arena_deinit(&a);
    return 0;
}
