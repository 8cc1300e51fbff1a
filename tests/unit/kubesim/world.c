#include "world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int64_t world_now(void *arg)
{
    return ((struct world *)arg)->now_ns;
}

static int64_t world_wall(void *arg)
{
    return ((struct world *)arg)->wall_ns;
}

static void world_random(void *arg, void *out, size_t size)
{
    struct world *w = arg;
    unsigned char *bytes = out;
    for (size_t i = 0; i < size; i++) {
        w->random = w->random * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        bytes[i] = (unsigned char)(w->random >> 56);
    }
}

static void world_cut(void *arg, int64_t down_ns)
{
    (void)down_ns;
    ((struct world *)arg)->cuts++;
}

void world_init(struct world *w, const struct kubesim_config *config)
{
    struct kubesim_config c = config == NULL ? (struct kubesim_config){0} : *config;
    *w = (struct world){.now_ns = 5 * SECOND, .wall_ns = INT64_C(1767323045) * SECOND, .random = 1};
    c.now_ns = world_now;
    c.wall_ns = world_wall;
    c.random = world_random;
    c.connections_cut = world_cut;
    c.arg = w;
    c.hash_key[0] = 7;
    c.hash_key[1] = 9;
    arena_init(&w->arena, 64 * 1024);
    w->sim = kubesim_new(&c);
    assert_true(kubesim_user_set(w->sim, STR("admin"), STR("system:masters"), STR("admin-token")));
    assert_true(kubesim_user_set(w->sim, STR("a"), STR(""), STR("a-token")));
    assert_true(kubesim_user_set(w->sim, STR("b"), STR("gang,crew"), STR("b-token")));
}

void world_deinit(struct world *w)
{
    kubesim_free(w->sim);
    arena_deinit(&w->arena);
}

void world_pass(struct world *w, int64_t ns)
{
    int64_t end = w->now_ns + ns;
    for (;;) {
        int64_t due = kubesim_tick(w->sim);
        if (due > end)
            break;
        int64_t step = due > w->now_ns ? due - w->now_ns : 0;
        w->now_ns += step;
        w->wall_ns += step;
    }
    w->wall_ns += end - w->now_ns;
    w->now_ns = end;
    kubesim_tick(w->sim);
}

struct kubesim_call *start(struct world *w, struct asked a, void (*on_ready)(void *arg), void *arg)
{
    str path, query;
    const char *user = a.user == NULL ? "admin" : a.user;
    str_cut(str_from(a.path), '?', &path, &query);
    struct kubesim_request r = {
        .method = a.method,
        .path = path,
        .query = query,
        .authorization =
            user[0] == '\0' ? STR_NONE : arena_printf(&w->arena, "Bearer %s-token", user),
        .content_type = str_from(a.content_type),
        .accept = str_from(a.accept),
        .body = str_from(a.body),
    };
    return kubesim_call_start(w->sim, &r, on_ready, arg);
}

struct answer take(struct world *w, struct kubesim_call *call)
{
    struct answer a = {0};
    struct buf b;
    struct err err;
    char data[777]; /* odd on purpose */
    size_t len;
    buf_init(&b, (size_t)1 << 30);
    while ((a.state = kubesim_call_read(call, data, sizeof data, &len)) == KUBESIM_DATA) {
        assert_true(len > 0 && len <= sizeof data);
        buf_append(&b, data, len);
    }
    const struct kubesim_head *head = kubesim_call_head(call);
    if (head != NULL) {
        a.status = head->status;
        a.retry_after_s = head->retry_after_s;
        a.warning = arena_str(&w->arena, head->warning);
        if (head->content_length >= 0 && a.state == KUBESIM_END)
            assert_int_equal(head->content_length, b.len);
    }
    a.body = arena_str(&w->arena, buf_view(&b));
    buf_deinit(&b);
    a.json = a.body.len > 0 ? dom_parse(&w->arena, a.body, &err) : NULL;
    return a;
}

struct answer ask(struct world *w, struct asked a)
{
    struct kubesim_call *call = start(w, a, NULL, NULL);
    struct answer answer = take(w, call);
    kubesim_call_free(call);
    return answer;
}

struct answer get(struct world *w, const char *path)
{
    return ask(w, (struct asked){.method = "GET", .path = path});
}

struct answer post(struct world *w, const char *path, const char *body)
{
    return ask(w, (struct asked){.method = "POST", .path = path, .body = body});
}

struct answer put(struct world *w, const char *path, const char *body)
{
    return ask(w, (struct asked){.method = "PUT", .path = path, .body = body});
}

struct answer patch(struct world *w, const char *path, const char *body)
{
    return ask(w, (struct asked){.method = "PATCH",
                                 .path = path,
                                 .body = body,
                                 .content_type = "application/merge-patch+json"});
}

struct answer del(struct world *w, const char *path)
{
    return ask(w, (struct asked){.method = "DELETE", .path = path});
}

void check_answer(struct answer a, int status, const char *reason, const char *file, int line)
{
    const struct dom *found = at(a.json, "reason");
    bool same = found == NULL ? reason == NULL : reason != NULL && str_eqz(found->text, reason);
    if (a.status == status && same)
        return;
    fprintf(stderr, "%s:%d: expected %d %s, got %d %.*s\n", file, line, status,
            reason == NULL ? "" : reason, a.status, (int)(a.body.len < 1000 ? a.body.len : 1000),
            a.body.data);
    fail();
}

const struct dom *at(const struct dom *d, const char *path)
{
    str rest = str_from(path), step;
    while (rest.len > 0 && d != NULL) {
        uint64_t index;
        str_cut(rest, '.', &step, &rest);
        if (d->type == DOM_ARRAY)
            d = str_to_u64(step, &index) ? dom_item(d, (size_t)index) : NULL;
        else
            d = dom_get(d, step);
    }
    return d;
}

const char *text_at(struct world *w, const struct dom *d, const char *path)
{
    const struct dom *found = at(d, path);
    struct buf b;
    if (found == NULL)
        return "";
    if (found->type == DOM_STRING)
        return arena_cstr(&w->arena, found->text);
    buf_init(&b, 1 << 20);
    dom_print(&b, found);
    const char *text = arena_cstr(&w->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

static void count_ready(void *arg)
{
    ((struct watcher *)arg)->ready++;
}

void watch_as(struct world *w, struct watcher *x, const char *path, const char *user,
              const char *accept)
{
    *x = (struct watcher){0};
    x->call =
        start(w, (struct asked){.method = "GET", .path = path, .user = user, .accept = accept},
              count_ready, x);
}

void watch(struct world *w, struct watcher *x, const char *path)
{
    watch_as(w, x, path, NULL, NULL);
}

void watch_end(struct watcher *x)
{
    kubesim_call_free(x->call);
    x->call = NULL;
}

static void print_event(struct world *w, struct buf *b, str line)
{
    struct err err;
    const struct dom *d = dom_parse(&w->arena, line, &err);
    if (d == NULL) {
        buf_text(b, "...");
        return;
    }
    const char *type = text_at(w, d, "type");
    buf_text(b, type);
    if (strcmp(type, "ERROR") == 0)
        buf_printf(b, " %s", text_at(w, d, "object.code"));
    else if (strcmp(type, "BOOKMARK") == 0 && at(d, "object.metadata.annotations") != NULL)
        buf_text(b, " initial");
    else if (strcmp(type, "BOOKMARK") != 0)
        buf_printf(b, " %s", text_at(w, d, "object.metadata.name"));
}

const char *events(struct world *w, struct watcher *x)
{
    static const char *const states[] = {"WAIT", "DATA", "END", "CUT"};
    struct answer a = take(w, x->call);
    struct buf b;
    str rest = a.body, line;
    buf_init(&b, 1 << 24);
    while (rest.len > 0) {
        str_cut(rest, '\n', &line, &rest);
        if (b.len > 0)
            buf_byte(&b, ',');
        print_event(w, &b, line);
    }
    buf_printf(&b, "/%s", states[a.state]);
    const char *text = arena_cstr(&w->arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}
