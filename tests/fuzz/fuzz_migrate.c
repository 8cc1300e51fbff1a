/*
 * Files with singleton_receiver_creator. Whatever is said to be migrated can be read, has none of it left, comes out of another
 * migration as it is, and is what the rewriting in memory makes of the old file; its difference can be shown.
 */
#include "base/limits.h"
#include "config/migrate.h"
#include "config/resolve.h"
#include "tests/unit/config/sorted_tree.h"
#include "wire/diff.h"

static str printed(struct arena *a, struct node *root)
{
    struct buf b;
    buf_init(&b, 64 * MIB);
    sort_maps(root);
    yaml_print(&b, root);
    str text = arena_str(a, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static struct node *tree(struct arena *a, str text, struct config_messages *m)
{
    struct node *root;
    struct err err;
    struct resolver r = {.arena = a, .messages = m};
    CHECK(yaml_parse(a, STR("f"), text, &root, &err));
    CHECK(root->kind != NODE_MAP || merge_split_keys(&r, root, &err));
    return root;
}

static void check_new(struct arena *a, str old, str new)
{
    struct config_messages m;
    struct buf diff;
    str again;
    config_messages_init(&m, a);
    struct node *in_memory = tree(a, old, &m), *from_file = tree(a, new, &m);
    const struct node *receivers = node_get(from_file, STR("receivers"));
    for (const struct node *n = receivers == NULL ? NULL : receivers->first; n != NULL; n = n->next) {
        str type, name;
        str_cut(n->key, '/', &type, &name);
        CHECK(!str_eqz(str_trim(type), MIGRATE_OLD_TYPE));
    }
    CHECK(migrate_text(a, STR("f"), new, &m, &again) == MIGRATE_NOTHING && str_eq(new, again));
    migrate_tree(a, in_memory, &m);
    CHECK(m.error_count == 0);
    CHECK(str_eq(printed(a, in_memory), printed(a, from_file)));
    buf_init(&diff, 64 * MIB);
    unified_diff(&diff, STR("f"), STR("f"), old, new);
    CHECK((diff.len > 0) == !str_eq(old, new));
    buf_deinit(&diff);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena a;
    struct config_messages m;
    str text = {(const char *)data, size}, out;
    arena_init(&a, 4096);
    config_messages_init(&m, &a);
    enum migrate_result result = migrate_text(&a, STR("f"), text, &m, &out);
    CHECK((result == MIGRATE_FAILED) == (m.error_count > 0));
    if (result == MIGRATE_NOTHING)
        CHECK(str_eq(text, out));
    else if (result != MIGRATE_FAILED)
        check_new(&a, text, out);
    struct buf b;
    buf_init(&b, 64 * MIB);
    config_messages_print(&b, &m, true, true);
    buf_deinit(&b);
    arena_deinit(&a);
    return 0;
}
