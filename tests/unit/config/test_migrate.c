/* The end of singleton_receiver_creator: each rule of the migration and each layout of files as a golden pair, and the rewriting
 * in memory.
 *
 * golden/migrate/NAME.old.yaml is migrated; NAME.new.yaml is what must come out (none: it must fail), NAME.says the outcome and all
 * messages. With an argument (any), .says files are written instead of compared: read them before they are kept. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "config/migrate.h"
#include "config/resolve.h"
#include "io/file.h"
#include "tests/unit/config/sorted_tree.h"

#define GOLDEN TEST_SOURCE_DIR "/golden/migrate/"

static bool regenerate;

static const char *const results[] = {"nothing", "done", "partly", "failed"};

struct fixture {
    struct arena arena;
    struct config_messages messages;
};

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    arena_init(&f->arena, 4096);
    config_messages_init(&f->messages, &f->arena);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_deinit(&f->arena);
    mem_free(f);
    return 0;
}

static bool read_text(struct fixture *f, const char *path, str *text)
{
    struct buf b;
    struct err err;
    buf_init(&b, MIB);
    bool ok = file_read(path, &b, &err);
    *text = arena_str(&f->arena, buf_view(&b));
    buf_deinit(&b);
    return ok;
}

/* From memory of the exact size, so that the sanitizer sees reads past the end. */
static enum migrate_result migrate(struct fixture *f, str text, str *out)
{
    char *exact = mem_alloc(text.len);
    if (text.len > 0)
        memcpy(exact, text.data, text.len);
    enum migrate_result result =
        migrate_text(&f->arena, STR("f"), str_make(exact, text.len), &f->messages, out);
    *out = arena_str(&f->arena, *out);
    mem_free(exact);
    return result;
}

static str messages_text(struct fixture *f, const struct config_messages *m)
{
    struct buf b;
    buf_init(&b, MIB);
    for (const struct config_message *c = m->first; c != NULL; c = c->next) {
        struct config_message alone = *c;
        alone.next = NULL;
        const struct config_messages one = {.first = &alone, .last = &alone};
        buf_text(&b, c->is_error ? "error: " : "warning: ");
        config_messages_print(&b, &one, true, true);
    }
    str text = arena_str(&f->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static struct node *tree(struct fixture *f, str text)
{
    struct node *root;
    struct err err;
    struct resolver r = {.arena = &f->arena, .messages = &f->messages};
    if (!yaml_parse(&f->arena, STR("f"), text, &root, &err))
        fail_msg("%s\n%.*s", err.text, STR_ARG(text));
    assert_true(root->kind != NODE_MAP || merge_split_keys(&r, root, &err));
    return root;
}

static str printed(struct fixture *f, struct node *root)
{
    struct buf b;
    buf_init(&b, MIB);
    sort_maps(root);
    yaml_print(&b, root);
    str text = arena_str(&f->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static void assert_text(const char *name, const char *what, str got, str wanted)
{
    if (!str_eq(got, wanted))
        fail_msg("%s: %s is\n%.*s\nand should be\n%.*s\n", name, what, STR_ARG(got),
                 STR_ARG(wanted));
}

/* In memory the same comes out. */
static void check_tree(struct fixture *f, const char *name, str old, str new)
{
    struct config_messages m;
    struct node *root = tree(f, old);
    config_messages_init(&m, &f->arena);
    migrate_tree(&f->arena, root, &m);
    assert_int_equal(m.error_count, 0);
    assert_text(name, "the configuration in memory", printed(f, root), printed(f, tree(f, new)));
}

static void check_golden(struct fixture *f, const char *name)
{
    char path[512];
    str old, new, says, got;
    config_messages_init(&f->messages, &f->arena);
    snprintf(path, sizeof path, GOLDEN "%s.old.yaml", name);
    assert_true(read_text(f, path, &old));
    snprintf(path, sizeof path, GOLDEN "%s.new.yaml", name);
    bool has_new = read_text(f, path, &new);
    enum migrate_result result = migrate(f, old, &got);
    str messages = messages_text(f, &f->messages);
    str heard = arena_printf(&f->arena, "%s\n%.*s", results[result], STR_ARG(messages));
    snprintf(path, sizeof path, GOLDEN "%s.says", name);
    if (regenerate) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        assert_int_equal(fwrite(heard.data, 1, heard.len, file), heard.len);
        fclose(file);
    }
    if (!read_text(f, path, &says))
        fail_msg("%s: no file of messages; they are\n%.*s", name, STR_ARG(heard));
    assert_text(name, "the outcome", heard, says);
    assert_text(name, "the new file", got, has_new ? new : STR(""));
    assert_true(has_new == (result != MIGRATE_FAILED));
    if (!has_new)
        return;
    check_tree(f, name, old, new);
    str again;
    assert_int_equal(migrate(f, new, &again), MIGRATE_NOTHING);
    assert_text(name, "the file when migrated again", again, new);
}

static void test_golden(void **state)
{
    struct dirent **entries;
    size_t count = 0;
    int entry_count = scandir(GOLDEN, &entries, NULL, alphasort);
    assert_true(entry_count > 0);
    for (int i = 0; i < entry_count; i++) {
        str name = str_from(entries[i]->d_name);
        if (str_ends_with(name, STR(".old.yaml"))) {
            char text[256];
            snprintf(text, sizeof text, "%.*s", (int)name.len - 9, name.data);
            check_golden(*state, text);
            count++;
        }
        free(entries[i]);
    }
    free(entries);
    assert_true(count > 20);
}

int main(int argc, char **argv)
{
    (void)argv;
    regenerate = argc > 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_golden, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
