/* Random configurations with singleton_receiver_creator, in random layouts: what is loaded from the migrated file is what the
 * rewriting in memory makes of the old one, and the lines that have nothing to do with it are still there.
 *
 * usage: test_migrate_settings [SEED]   (one round, and both files are printed) */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "config/migrate.h"
#include "service/settings.h"
#include "settings_fakes.h"
#include "tests/unit/config/sorted_tree.h"

enum { ROUNDS = 1000, PART_MAX = 6 };

static uint64_t only_seed;

/* ---- a small world of values ---- */

struct part {
    enum { TEXT, MAP, LIST } kind;
    const char *key; /* as member */
    str text;        /* TEXT: what it means; `raw`: written as it is */
    bool raw;
    const char *anchor, *alias; /* rendered before it, or in its place */
    struct part *items[16];
    size_t count;
};
struct world {
    struct arena arena;
    uint64_t seed;
    unsigned step; /* columns */
    bool comments, carriage_returns;
    unsigned comment_count;
    unsigned anchor_count;
    const char *anchors[8]; /* of whole settings of `dummy` */
};

static unsigned pick(struct world *w, unsigned below)
{
    w->seed ^= w->seed << 13;
    w->seed ^= w->seed >> 7;
    w->seed ^= w->seed << 17;
    return (unsigned)(w->seed >> 11) % below;
}

static struct part *text(struct world *w, const char *key, const char *s)
{
    struct part *v = ARENA_NEW(&w->arena, struct part);
    v->key = key;
    v->text = str_from(s);
    return v;
}

static struct part *raw(struct world *w, const char *key, const char *s)
{
    struct part *v = text(w, key, s);
    v->raw = true;
    return v;
}

static struct part *group(struct world *w, int kind, const char *key)
{
    struct part *v = text(w, key, "");
    v->kind = kind == LIST ? LIST : MAP;
    return v;
}

static struct part *put(struct part *into, struct part *v)
{
    assert_true(into->count < COUNT_OF(into->items));
    into->items[into->count++] = v;
    return v;
}

static void shuffle(struct world *w, struct part *v)
{
    for (size_t i = v->count; i > 1; i--) {
        size_t k = pick(w, (unsigned)i);
        struct part *other = v->items[i - 1];
        v->items[i - 1] = v->items[k];
        v->items[k] = other;
    }
}

static const char *format(struct world *w, const char *pattern, const char *a, unsigned b)
{
    return arena_printf(&w->arena, pattern, a, b).data;
}

/* ---- how it is written ---- */

static void render(struct world *w, struct buf *b, const struct part *v, unsigned indent, bool flow);

static void comment(struct world *w, struct buf *b)
{
    buf_printf(b, "# c%u%s", w->comment_count++, pick(w, 4) == 0 ? "\t: {x" : "");
}

static void break_line(struct world *w, struct buf *b, unsigned indent)
{
    buf_printf(b, "%s%*s", w->carriage_returns ? "\r\n" : "\n", indent, "");
}

static void render_text(struct world *w, struct buf *b, const struct part *v, unsigned indent, bool flow)
{
    if (v->raw) {
        buf_str(b, v->text);
        return;
    }
    size_t at;
    bool simple = !str_find(v->text, STR(":"), &at) && !str_find(v->text, STR("{"), &at);
    unsigned style = pick(w, flow || v->key == NULL ? 4 : 5);
    if (style == 1 || !simple)
        buf_printf(b, "\"%.*s\"", STR_ARG(v->text));
    else if (style == 2)
        buf_printf(b, "'%.*s'", STR_ARG(v->text));
    else if (style == 4) {
        buf_text(b, pick(w, 2) == 0 ? "|-" : ">-");
        break_line(w, b, indent + w->step);
        buf_str(b, v->text);
    } else
        buf_str(b, v->text);
}

static void render_key(struct world *w, struct buf *b, const char *key)
{
    switch (strcmp(key, "<<") == 0 ? 6 : pick(w, 6)) {
    case 0:
        buf_printf(b, "\"%s\"", key);
        break;
    case 1:
        buf_printf(b, "'%s'", key);
        break;
    default:
        buf_text(b, key);
    }
    buf_byte(b, ':');
}

static void render_flow(struct world *w, struct buf *b, const struct part *v)
{
    buf_byte(b, v->kind == MAP ? '{' : '[');
    for (size_t i = 0; i < v->count; i++) {
        if (i > 0)
            buf_text(b, pick(w, 3) == 0 ? " ,  " : ", ");
        if (pick(w, 12) == 0) {
            if (w->comments) {
                buf_byte(b, ' ');
                comment(w, b);
            }
            break_line(w, b, 2 + pick(w, 8));
        }
        if (v->kind == MAP) {
            render_key(w, b, v->items[i]->key);
            buf_byte(b, ' ');
        }
        render(w, b, v->items[i], 0, true);
    }
    if (v->count > 0 && pick(w, 5) == 0)
        buf_byte(b, ',');
    buf_byte(b, v->kind == MAP ? '}' : ']');
}

static void render_block(struct world *w, struct buf *b, const struct part *v, unsigned indent)
{
    for (size_t i = 0; i < v->count; i++) {
        const struct part *item = v->items[i];
        if (b->len > 0)
            break_line(w, b, indent);
        while (w->comments && pick(w, 5) == 0) {
            comment(w, b);
            break_line(w, b, indent);
        }
        if (v->kind == MAP)
            render_key(w, b, item->key);
        else
            buf_byte(b, '-');
        bool block = item->kind != TEXT && item->count > 0 && item->alias == NULL && v->kind == MAP &&
                     pick(w, 4) > 0;
        if (!block) {
            buf_byte(b, ' ');
            size_t before = b->len;
            render(w, b, item, indent, false);
            bool scalar_lines = item->kind == TEXT && b->len > before && strchr("|>", b->data[before]) != NULL;
            if (w->comments && !scalar_lines && pick(w, 5) == 0) {
                buf_byte(b, ' ');
                comment(w, b);
            }
            continue;
        }
        if (item->anchor != NULL)
            buf_printf(b, " &%s", item->anchor);
        if (w->comments && pick(w, 5) == 0) {
            buf_byte(b, ' ');
            comment(w, b);
        }
        render_block(w, b, item, indent + (item->kind == LIST && pick(w, 2) == 0 ? 0 : w->step));
    }
}

static void render(struct world *w, struct buf *b, const struct part *v, unsigned indent, bool flow)
{
    if (v->alias != NULL)
        buf_printf(b, "*%s ", v->alias);
    else if (v->anchor != NULL)
        buf_printf(b, "&%s ", v->anchor);
    if (v->alias != NULL)
        return;
    if (v->kind == TEXT)
        render_text(w, b, v, indent, flow);
    else
        render_flow(w, b, v);
}

/* ---- configurations ---- */

static const char *const names[] = {"", "/a", "/b", "/a/b", "/k8s-cluster", "/x.y"};

static struct part *dummy_settings(struct world *w, const char *key)
{
    struct part *v = group(w, MAP, key);
    if (pick(w, 4) == 0)
        return raw(w, key, pick(w, 2) == 0 ? "" : "null");
    if (w->anchor_count > 0 && pick(w, 3) == 0) {
        const char *anchor = w->anchors[pick(w, w->anchor_count)];
        if (pick(w, 2) == 0) {
            v->alias = anchor;
            return v;
        }
        put(v, raw(w, "<<", format(w, "*%s ", anchor, 0)));
    }
    if (pick(w, 2) == 0)
        put(v, text(w, "interval", pick(w, 2) == 0 ? "90s" : "2m"));
    if (pick(w, 2) == 0)
        put(v, text(w, "note", pick(w, 2) == 0 ? "a note" : "n: {x"));
    else if (pick(w, 3) == 0)
        put(v, raw(w, "note", "\"${env:BATON_TEST_NOTE:-from the environment}\""));
    shuffle(w, v);
    if (v->count > 0 && w->anchor_count < COUNT_OF(w->anchors) && pick(w, 4) == 0) {
        v->anchor = format(w, "%s%u", "settings", w->anchor_count);
        w->anchors[w->anchor_count++] = v->anchor;
    }
    return v;
}

static struct part *old_receiver(struct world *w, const char *key)
{
    struct part *v = group(w, MAP, key), *receiver = group(w, MAP, "receiver");
    struct part *election = group(w, MAP, "leader_election");
    static const char *const leases[] = {"l1", "l2", "telemetry-agent"};
    if (pick(w, 2) == 0)
        put(v, text(w, "auth_type", pick(w, 3) == 0 ? "none" : "serviceAccount"));
    if (pick(w, 6) == 0)
        put(v, text(w, "context", "kind"));
    if (pick(w, 5) > 0)
        put(election, pick(w, 4) > 0 ? text(w, "lease_name", leases[pick(w, 3)])
                                     : raw(w, "lease_name", "\"${env:BATON_TEST_LEASE:-l9}\""));
    if (pick(w, 5) > 0)
        put(election, text(w, "lease_namespace", pick(w, 3) == 0 ? "n" : "kyma-system"));
    if (pick(w, 3) == 0)
        put(election, text(w, "lease_duration", "30s"));
    if (pick(w, 3) == 0)
        put(election, pick(w, 4) > 0 ? text(w, "renew_deadline", "12s") : raw(w, "renew_deadline", "12"));
    if (pick(w, 6) == 0)
        put(election, text(w, "unknown", "x"));
    shuffle(w, election);
    if (election->count > 0)
        put(v, election);
    bool dummy = pick(w, 4) > 0;
    key = format(w, dummy ? "dummy%s" : "nop%s", names[pick(w, COUNT_OF(names))], 0);
    put(receiver, dummy ? dummy_settings(w, key) : raw(w, key, pick(w, 2) == 0 ? "{}" : ""));
    put(v, receiver);
    shuffle(w, v);
    return v;
}

static bool has(const struct part *v, const char *key)
{
    for (size_t i = 0; i < v->count; i++)
        if (strcmp(v->items[i]->key, key) == 0)
            return true;
    return false;
}

static struct part *receivers(struct world *w, struct part *ids)
{
    struct part *v = group(w, MAP, "receivers");
    unsigned count = 1 + pick(w, PART_MAX);
    for (unsigned i = 0; i < count; i++) {
        bool old = i == 0 || pick(w, 2) == 0;
        const char *key = format(w, old ? MIGRATE_OLD_TYPE "%s" : "dummy%s", names[pick(w, COUNT_OF(names))], 0);
        if (has(v, key))
            continue;
        put(v, old ? old_receiver(w, key) : dummy_settings(w, key));
        put(ids, text(w, NULL, key));
    }
    /* In order: an alias comes behind its anchor. */
    return v;
}

static struct part *pipeline(struct world *w, const struct part *ids, const char *key)
{
    struct part *v = group(w, MAP, key), *list = group(w, LIST, "receivers");
    for (size_t i = 0; i < ids->count; i++)
        if (pick(w, 3) > 0 || (i + 1 == ids->count && list->count == 0))
            put(list, text(w, NULL, ids->items[i]->text.data));
    put(v, list);
    struct part *exporters = put(v, group(w, LIST, "exporters"));
    put(exporters, text(w, NULL, "debug"));
    if (pick(w, 3) == 0)
        put(v, raw(w, "processors", "[batch]"));
    shuffle(w, v);
    return v;
}

static struct part *service(struct world *w, const struct part *ids, bool health)
{
    struct part *v = group(w, MAP, "service"), *pipelines = group(w, MAP, "pipelines");
    unsigned extensions = pick(w, 4);
    if (health && extensions > 0)
        put(put(v, group(w, LIST, "extensions")), text(w, NULL, "health_check"));
    else if (extensions == 1)
        put(v, group(w, LIST, "extensions"));
    else if (extensions == 2)
        put(v, raw(w, "extensions", pick(w, 2) == 0 ? "" : "null"));
    put(pipelines, pipeline(w, ids, "metrics"));
    if (pick(w, 2) == 0)
        put(pipelines, pipeline(w, ids, "metrics/2"));
    if (pick(w, 6) == 0)
        put(pipelines, pipeline(w, ids, "logs"));
    put(v, pipelines);
    if (pick(w, 3) == 0)
        put(v, raw(w, "telemetry", "{logs: {level: debug}}"));
    shuffle(w, v);
    return v;
}

static struct part *configuration(struct world *w)
{
    struct part *root = group(w, MAP, NULL), *ids = group(w, LIST, NULL);
    unsigned extensions = pick(w, 5);
    put(root, receivers(w, ids));
    put(root, raw(w, "exporters", "{debug: }"));
    put(root, raw(w, "processors", "{batch: }"));
    if (extensions == 0)
        put(root, raw(w, "extensions", pick(w, 2) == 0 ? "" : "~"));
    else if (extensions == 1)
        put(root, group(w, MAP, "extensions"));
    else if (extensions > 2) {
        struct part *v = put(root, group(w, MAP, "extensions"));
        put(v, raw(w, "health_check", pick(w, 2) == 0 ? "" : "{}"));
        if (pick(w, 3) == 0)
            put(put(v, group(w, MAP, "k8s_leader_elector/a")), text(w, "lease_name", "there already"));
    }
    put(root, service(w, ids, extensions > 2));
    shuffle(w, root);
    return root;
}

/* ---- the property ---- */

static str render_world(struct world *w)
{
    struct buf b;
    buf_init(&b, MIB);
    w->step = 1 + pick(w, 4);
    w->comments = pick(w, 3) > 0;
    w->carriage_returns = pick(w, 5) == 0;
    if (pick(w, 10) == 0)
        buf_text(&b, "---");
    const struct part *root = configuration(w);
    if (pick(w, 6) == 0) {
        if (b.len > 0)
            break_line(w, &b, 0);
        render_flow(w, &b, root);
    } else {
        render_block(w, &b, root, 0);
    }
    if (pick(w, 3) > 0)
        break_line(w, &b, 0);
    str s = arena_str(&w->arena, buf_view(&b));
    buf_deinit(&b);
    return s;
}

static char *loaded(struct world *w, str yaml, size_t *errors, bool *old)
{
    const struct config_source source = {.location = arena_printf(&w->arena, "yaml:%.*s", STR_ARG(yaml))};
    struct settings *s = settings_load(&fake_types, &source, 1);
    struct buf b;
    size_t at, len;
    buf_init(&b, MIB);
    settings_print(&b, s, false, false);
    struct node *root;
    struct err err;
    assert_true(yaml_parse(&w->arena, STR("printed"), buf_view(&b), &root, &err));
    sort_maps(root);
    buf_clear(&b);
    yaml_print(&b, root);
    config_messages_print(&b, &s->messages, true, false);
    *errors = s->messages.error_count;
    *old = false;
    for (const struct config_message *m = s->messages.first; m != NULL; m = m->next)
        *old = *old || str_find(m->text, STR(MIGRATE_OLD_TYPE), &at);
    settings_free(s);
    return buf_take(&b, &len);
}

static size_t count_comments(str s)
{
    size_t count = 0, at;
    while (str_find(s, STR("# c"), &at)) {
        count++;
        s = str_skip(s, at + 1);
    }
    return count;
}

static enum migrate_result check(uint64_t seed)
{
    struct world w = {.seed = seed * 0x9e3779b97f4a7c15u + 1};
    struct config_messages m;
    size_t old_errors, new_errors;
    bool old_old, new_old;
    str new;
    arena_init(&w.arena, 4096);
    config_messages_init(&m, &w.arena);
    str old = render_world(&w);
    enum migrate_result result = migrate_text(&w.arena, STR("old"), old, &m, &new);
    if (only_seed > 0)
        printf("%.*s\n=====\n%.*s\n", STR_ARG(old), STR_ARG(new));
    if (result == MIGRATE_FAILED || result == MIGRATE_NOTHING) {
        struct buf b;
        buf_init(&b, MIB);
        config_messages_print(&b, &m, true, false);
        fail_msg("seed %" PRIu64 ": result %d\n%s%.*s", seed, result, buf_cstr(&b), STR_ARG(old));
    }
    char *from_old = loaded(&w, old, &old_errors, &old_old);
    char *from_new = loaded(&w, new, &new_errors, &new_old);
    if (strcmp(from_old, from_new) != 0 || old_errors + new_errors > 0 || !old_old || new_old)
        fail_msg("seed %" PRIu64 ": in memory\n%s\nfrom the file\n%s\nold\n%.*s\nnew\n%.*s", seed,
                 from_old, from_new, STR_ARG(old), STR_ARG(new));
    if (count_comments(old) != count_comments(new))
        fail_msg("seed %" PRIu64 ": comments were lost or doubled; old\n%.*s\nnew\n%.*s", seed,
                 STR_ARG(old), STR_ARG(new));
    mem_free(from_old);
    mem_free(from_new);
    arena_deinit(&w.arena);
    return result;
}

static void test_file_is_what_memory_makes(void **state)
{
    (void)state;
    if (only_seed > 0) {
        check(only_seed);
        return;
    }
    size_t counts[4] = {0};
    for (uint64_t seed = 1; seed <= ROUNDS; seed++)
        counts[check(seed)]++;
    assert_true(counts[MIGRATE_DONE] > ROUNDS / 4 && counts[MIGRATE_PARTLY] > ROUNDS / 10);
}

int main(int argc, char **argv)
{
    if (argc > 1 && !str_to_u64(str_from(argv[1]), &only_seed))
        return 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_is_what_memory_makes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
