/*
 * Whole requests at the simulator: paths, queries, selectors, headers and bodies, several in one input, with a watch in between. Each
 * answer must be complete and, if it says so, JSON.
 * Input: requests separated by byte 0x1e; each is "METHOD URI\nCONTENT-TYPE\nACCEPT\nBODY".
 */
#include <stdio.h>
#include <stdlib.h>

#include "kubesim/core.h"
#include "kubesim/dom.h"

struct clock {
    int64_t now_ns;
    uint32_t random;
};

static int64_t now(void *arg)
{
    return ((struct clock *)arg)->now_ns;
}

static void random_bytes(void *arg, void *out, size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((unsigned char *)out)[i] = (unsigned char)((((struct clock *)arg)->random += 101) >> 3);
}

static void check_json(str line, bool required)
{
    struct arena a;
    struct err err;
    arena_init(&a, 4096);
    bool ok = dom_parse(&a, line, &err) != NULL;
    if (required && !ok)
        fprintf(stderr, "%s in: %.*s\n", err.text, STR_ARG(line));
    CHECK(ok || !required);
    arena_deinit(&a);
}

/* One JSON document in each line, unless the connection was cut or the answer is text. */
static void drain(struct kubesim_call *call)
{
    struct buf b;
    char data[4096];
    size_t len;
    enum kubesim_state state;
    buf_init(&b, (size_t)256 << 20);
    while ((state = kubesim_call_read(call, data, sizeof data, &len)) == KUBESIM_DATA)
        buf_append(&b, data, len);
    const struct kubesim_head *head = kubesim_call_head(call);
    if (head != NULL && state != KUBESIM_CUT &&
        str_eqz(str_from(head->content_type), "application/json")) {
        str rest = buf_view(&b), line;
        while (rest.len > 0) {
            str_cut(rest, '\n', &line, &rest);
            if (line.len > 0)
                check_json(line, true);
        }
    }
    buf_deinit(&b);
}

static void one_request(struct kubesim *sim, str text)
{
    str method, uri, path, query, content_type, accept;
    char name[16];
    str_cut(text, ' ', &method, &text);
    str_cut(text, '\n', &uri, &text);
    str_cut(text, '\n', &content_type, &text);
    str_cut(text, '\n', &accept, &text);
    str_cut(uri, '?', &path, &query);
    snprintf(name, sizeof name, "%.*s", (int)(method.len < 15 ? method.len : 15),
             method.len > 0 ? method.data : "");
    struct kubesim_request r = {.method = name,
                                .path = path,
                                .query = query,
                                .authorization = STR("Bearer t"),
                                .content_type = content_type,
                                .accept = accept,
                                .body = text};
    struct kubesim_call *call = kubesim_call_start(sim, &r, NULL, NULL);
    drain(call);
    kubesim_call_free(call);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct clock clock = {.now_ns = 1000000000, .random = 1};
    struct kubesim_config config = {.wall_ns = now,
                                    .now_ns = now,
                                    .random = random_bytes,
                                    .arg = &clock,
                                    .window_events = 8,
                                    .hash_key = {1, 2}};
    struct kubesim *sim = kubesim_new(&config);
    struct kubesim_request watch = {.method = "GET",
                                    .path = STR("/apis/coordination.k8s.io/v1/leases"),
                                    .query = STR("watch=1&allowWatchBookmarks=true"),
                                    .authorization = STR("Bearer t")};
    str rest = str_make((const char *)data, size), request;
    CHECK(kubesim_user_set(sim, STR("u"), STR("system:masters"), STR("t")));
    struct kubesim_call *watcher = kubesim_call_start(sim, &watch, NULL, NULL);
    while (rest.len > 0) {
        str_cut(rest, 0x1e, &request, &rest);
        one_request(sim, request);
        drain(watcher);
        clock.now_ns += 40000000000;
        kubesim_tick(sim);
    }
    drain(watcher);
    kubesim_call_free(watcher);
    one_request(sim, STR("POST /_sim/unfreeze\n\n\n"));
    one_request(sim, STR("DELETE /_sim/faults\n\n\n"));
    kubesim_tick(sim);
    one_request(sim, STR("GET /apis/coordination.k8s.io/v1/leases\n\n\n"));
    kubesim_free(sim);
    return 0;
}
