/* What client tests share: a loop that cannot hang, a captured log, a folder, results kept after their callback. */
#ifndef TEST_WORLD_H
#define TEST_WORLD_H

#include <dirent.h>
#include <ftw.h>

#include "kube/client.h"
#include "test_server.h"

struct world {
    struct loop *loop;
    struct logger logger;
    struct buf log_text;
    char dir[64];
    struct loop_timer guard;
    size_t waiting_for; /* results; world_run returns when it is 0 */
};

static inline void world_log(void *arg, str line)
{
    struct world *w = arg;
    buf_str(&w->log_text, line);
}

static inline int64_t world_clock(void *arg)
{
    (void)arg;
    return 0;
}

static inline void world_hangs(void *arg)
{
    struct world *w = arg;
    fprintf(stderr, "nothing happened for 30 s; log:\n%s\n", buf_cstr(&w->log_text));
    CHECK(w->waiting_for == 0);
    abort();
}

static inline void world_init(struct world *w)
{
    struct err err;
    memset(w, 0, sizeof *w);
    buf_init(&w->log_text, 4 << 20);
    w->logger.log =
        log_new(&(struct log_config){.level = LOG_INFO, .sink = world_log, .sink_arg = w, .wall_ns = world_clock});
    w->loop = loop_new(&w->logger, &err);
    CHECK(w->loop != NULL);
    loop_timer_init(w->loop, &w->guard, "guard", world_hangs, w);
    snprintf(w->dir, sizeof w->dir, "/tmp/kube_test_XXXXXX");
    CHECK(mkdtemp(w->dir) != NULL);
}

static inline int world_remove(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static inline void world_deinit(struct world *w)
{
    loop_free(w->loop);
    log_free(w->logger.log);
    buf_deinit(&w->log_text);
    nftw(w->dir, world_remove, 8, FTW_DEPTH | FTW_PHYS);
}

static inline void world_run(struct world *w)
{
    loop_timer_set_after(&w->guard, INT64_C(30000000000));
    loop_run(w->loop);
    loop_timer_clear(&w->guard);
}

/* Lets everything that is due happen. */
static inline void world_stop(void *arg)
{
    struct world *w = arg;
    loop_stop(w->loop);
}
static inline void world_run_for_ms(struct world *w, int64_t ms)
{
    struct loop_timer t;
    loop_timer_init(w->loop, &t, "end", world_stop, w);
    loop_timer_set_after(&t, ms * 1000000);
    loop_run(w->loop);
    loop_timer_clear(&t); /* somebody else may have stopped the loop */
}

static inline size_t world_logged(struct world *w, const char *text)
{
    size_t count = 0;
    for (const char *at = strstr(buf_cstr(&w->log_text), text); at != NULL; at = strstr(at + 1, text))
        count++;
    return count;
}

/* A file in the world's folder: its path. */
static inline const char *world_path(struct world *w, const char *name)
{
    static char paths[8][256];
    static unsigned turn;
    turn = (turn + 1) % 8;
    snprintf(paths[turn], sizeof paths[0], "%s/%s", w->dir, name);
    return paths[turn];
}
static inline const char *world_put(struct world *w, const char *name, const char *text)
{
    const char *path = world_path(w, name);
    file_put(path, text);
    return path;
}

/* -- results -- */

struct outcome {
    struct world *world;
    size_t count;
    enum http_outcome outcome;
    int status;
    char reason[128], message[2048], body[65536], err[ERR_TEXT_MAX];
    int64_t retry_after_ms, server_time_ns;
    bool credentials_failed;
};

static inline void str_put(char *to, size_t size, str from)
{
    snprintf(to, size, "%.*s", STR_ARG(from));
}

static inline void outcome_done(void *arg, const struct kube_result *r)
{
    struct outcome *o = arg;
    o->count++;
    o->outcome = r->outcome;
    o->status = r->status;
    str_put(o->reason, sizeof o->reason, r->reason);
    str_put(o->message, sizeof o->message, r->message);
    str_put(o->body, sizeof o->body, r->body);
    str_put(o->err, sizeof o->err, str_from(r->err.text));
    o->retry_after_ms = r->retry_after_ms;
    o->server_time_ns = r->server_time_ns;
    o->credentials_failed = r->credentials_failed;
    CHECK(o->world->waiting_for > 0);
    if (--o->world->waiting_for == 0)
        loop_stop(o->world->loop);
}

/* A kubeconfig in the world's folder with these fields of cluster and user, each line of them indented by four spaces. */
static inline struct kube_client *world_client(struct world *w, const char *cluster, const char *user, struct err *err)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_printf(&text, "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
                      "clusters:\n- name: c\n  cluster:\n%s\nusers:\n- name: u\n  user:\n%s\n",
               cluster, user);
    const char *path = world_put(w, "config", buf_cstr(&text));
    buf_deinit(&text);
    struct kube_config config = {.auth = KUBE_AUTH_KUBECONFIG, .kubeconfig_path = str_from(path)};
    return kube_client_new(w->loop, &w->logger, &config, err);
}

static inline struct kube_call *world_send(struct world *w, struct kube_client *client, struct kube_request request,
                                           struct outcome *o)
{
    memset(o, 0, sizeof *o);
    o->world = w;
    w->waiting_for++;
    if (request.method == NULL)
        request.method = "GET";
    if (request.path.len == 0)
        request.path = STR("/x");
    request.on_done = outcome_done;
    request.arg = o;
    return kube_send(client, &request);
}

/* Sends and waits. */
static inline void world_call(struct world *w, struct kube_client *client, struct kube_request request, struct outcome *o)
{
    world_send(w, client, request, o);
    world_run(w);
}

#endif
