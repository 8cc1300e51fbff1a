/*
 * `baton migrate [--in-place] [--diff] FILE...`
 *
 * Life of a file: read -> migrate_text -> its new text to stdout, or over the file, or the difference
 * shown. Each file is a whole configuration; one that fails does not keep the others from being done.
 * Without --in-place nothing is written to disk. Everything that is said goes to stderr, so that
 * stdout holds YAML or a diff and nothing else.
 *
 * A file that needs nothing comes out as it is. One that could be migrated but for some settings
 * comes out without them, and the exit status is 1.
 */
#include "service/command_migrate.h"

#include "base/limits.h"
#include "io/file.h"
#include "wire/diff.h"

static void print_messages(struct buf *errors, const struct config_messages *m)
{
    for (const struct config_message *message = m->first; message != NULL;
         message = message->next) {
        struct config_message alone = *message;
        alone.next = NULL;
        const struct config_messages one = {.first = &alone, .last = &alone};
        buf_text(errors, message->is_error ? "Error: " : "Warning: ");
        config_messages_print(errors, &one, true, true);
    }
    if (m->error_count + m->warning_count > LIMIT_CONFIG_MESSAGES)
        buf_printf(errors, "%zu errors, %zu warnings in all\n", m->error_count, m->warning_count);
}

static bool deliver(const struct migrate_request *r, const char *path, str old, str new,
                    struct buf *out, struct err *err)
{
    str name = str_from(path);
    if (r->diff)
        unified_diff(out, name, name, old, new);
    if (r->in_place)
        return str_eq(old, new) || file_replace(path, new, err);
    if (!r->diff)
        buf_str(out, new);
    return true;
}

static const char *outcome(enum migrate_result result, bool in_place)
{
    switch (result) {
    case MIGRATE_NOTHING:
        return "has no " MIGRATE_OLD_TYPE ", unchanged";
    case MIGRATE_DONE:
        return in_place ? "migrated" : "can be migrated";
    case MIGRATE_PARTLY:
        return in_place ? "migrated, but for what the warnings say"
                        : "can be migrated, but for what the warnings say";
    case MIGRATE_FAILED:
        break;
    }
    return "could not be migrated, unchanged";
}

/* True if all of it was carried over. */
static bool migrate_file(const struct migrate_request *r, const char *path, struct buf *out,
                         struct buf *errors)
{
    struct arena a;
    struct config_messages m;
    struct buf text;
    struct err err;
    arena_init(&a, 4096);
    config_messages_init(&m, &a);
    buf_init(&text, LIMIT_CONFIG_FILE_BYTES);
    err.text[0] = '\0';
    bool ok = file_read(path, &text, &err);
    if (ok) {
        str new, old = buf_view(&text);
        enum migrate_result result = migrate_text(&a, str_from(path), old, &m, &new);
        print_messages(errors, &m);
        if (result != MIGRATE_FAILED && !deliver(r, path, old, new, out, &err))
            ok = false;
        else
            buf_printf(errors, "%s: %s\n", path, outcome(result, r->in_place));
        ok = ok && (result == MIGRATE_DONE || result == MIGRATE_NOTHING);
    }
    if (err.text[0] != '\0')
        buf_printf(errors, "Error: %s\n", err.text);
    buf_deinit(&text);
    arena_deinit(&a);
    return ok;
}

int command_migrate(const struct migrate_request *request, struct buf *out, struct buf *errors)
{
    bool ok = true;
    if (request->path_count == 0) {
        buf_text(errors, "Error: which file? baton migrate [--in-place] [--diff] FILE...\n");
        return 1;
    }
    if (request->path_count > 1 && !request->in_place && !request->diff) {
        buf_text(errors, "Error: several files would run into one on stdout: use --diff to look at "
                         "them, --in-place to write them\n");
        return 1;
    }
    for (size_t i = 0; i < request->path_count; i++)
        ok = migrate_file(request, request->paths[i], out, errors) && ok;
    return ok ? 0 : 1;
}
