/*
 * Whole requests at the simulator: paths, queries, selectors, headers and bodies, several in one input, with two watches in between, one
 * of them in protobuf. Each answer must be complete and, if it says so, JSON or protobuf.
 * Input: requests separated by byte 0x1e; each is "METHOD URI\nCONTENT-TYPE\nACCEPT\nBODY".
 */
#include <stdio.h>
#include <stdlib.h>

#include "kubesim/core.h"
#include "kubesim/dom.h"
#include "wire/pb.h"

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

/* "k8s\0", then four fields and nothing behind them. */
static void check_envelope(str body)
{
    struct pb p;
    uint32_t field = 1;
    CHECK(str_starts_with(body, str_make("k8s", 4)));
    pb_init(&p, str_skip(body, 4));
    for (; pb_next(&p); field++) {
        CHECK(p.field == field && p.wire == PB_BYTES);
        if (field == 2) {
            struct pb object = pb_message(&p);
            while (pb_next(&object))
                pb_skip(&object);
            CHECK(!pb_failed(&object));
        } else {
            pb_skip(&p);
        }
    }
    CHECK(!pb_failed(&p) && field == 5);
}

static void check_frames(str rest, bool complete)
{
    while (rest.len >= 4) {
        const unsigned char *n = (const unsigned char *)rest.data;
        size_t len = (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3];
        struct pb p, extension;
        if (len > rest.len - 4)
            break;
        pb_init(&p, str_make(rest.data + 4, len));
        rest = str_skip(rest, 4 + len);
        CHECK(pb_next(&p) && p.field == 1);
        pb_skip(&p);
        CHECK(pb_next(&p) && p.field == 2);
        extension = pb_message(&p);
        CHECK(pb_next(&extension) && extension.field == 1);
        check_envelope(pb_bytes(&extension));
        CHECK(!pb_next(&extension) && !pb_next(&p) && !pb_failed(&extension) && !pb_failed(&p));
    }
    CHECK(rest.len == 0 || !complete);
}

/* One JSON document in each line, or protobuf, unless the connection was cut or the answer is text. */
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
    if (head != NULL && str_eqz(str_from(head->content_type), "application/vnd.kubernetes.protobuf") && state == KUBESIM_END &&
        str_starts_with(buf_view(&b), str_make("k8s", 4))) /* a fault may send anything */
        check_envelope(buf_view(&b));
    if (head != NULL && str_eqz(str_from(head->content_type), "application/vnd.kubernetes.protobuf;stream=watch"))
        check_frames(buf_view(&b), state != KUBESIM_CUT);
    buf_deinit(&b);
}

/* Large clusters and fast churn only take time: a switch with a number of more than two digits (an escape may hide the switch). */
static bool takes_long(str path, str query, str body)
{
    size_t digits = 0;
    if (memmem(path.data, path.len, "_sim", 4) == NULL && memchr(path.data, '%', path.len) == NULL)
        return false;
    for (size_t i = 0; i < query.len + body.len; i++) {
        char c = i < query.len ? query.data[i] : body.data[i - query.len];
        digits = c >= '0' && c <= '9' ? digits + 1 : 0;
        if (digits > 2)
            return true;
    }
    return false;
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
    if (path.len > 0 && takes_long(path, query, text))
        return;
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
                                    .openshift = true,
                                    .hash_key = {1, 2}};
    struct kubesim *sim = kubesim_new(&config);
    struct kubesim_request watch = {.method = "GET",
                                    .path = STR("/apis/coordination.k8s.io/v1/leases"),
                                    .query = STR("watch=1&allowWatchBookmarks=true"),
                                    .authorization = STR("Bearer t")};
    str rest = str_make((const char *)data, size), request;
    CHECK(kubesim_user_set(sim, STR("u"), STR("system:masters"), STR("t")));
    struct kubesim_request pods = watch;
    pods.path = STR("/api/v1/pods");
    pods.accept = STR("application/vnd.kubernetes.protobuf");
    struct kubesim_call *watcher = kubesim_call_start(sim, &watch, NULL, NULL);
    struct kubesim_call *pod_watcher = kubesim_call_start(sim, &pods, NULL, NULL);
    while (rest.len > 0) {
        str_cut(rest, 0x1e, &request, &rest);
        one_request(sim, request);
        drain(watcher);
        drain(pod_watcher);
        clock.now_ns += 40000000000;
        kubesim_tick(sim);
    }
    drain(watcher);
    kubesim_call_free(watcher);
    drain(pod_watcher);
    kubesim_call_free(pod_watcher);
    one_request(sim, STR("POST /_sim/unfreeze\n\n\n"));
    one_request(sim, STR("DELETE /_sim/faults\n\n\n"));
    kubesim_tick(sim);
    one_request(sim, STR("GET /apis/coordination.k8s.io/v1/leases\n\n\n"));
    kubesim_free(sim);
    return 0;
}
