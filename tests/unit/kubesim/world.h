/* A simulator with a clock that only moves when the test moves it, and random numbers that are the same each time. */
#ifndef KUBESIM_TEST_WORLD_H
#define KUBESIM_TEST_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"
#include "kubesim/core.h"
#include "kubesim/dom.h"

#define LEASES "/apis/coordination.k8s.io/v1/namespaces/default/leases"
#define ALL_LEASES "/apis/coordination.k8s.io/v1/leases"
#define NAMESPACES "/api/v1/namespaces"
#define T0 "2026-01-02T03:04:05.123456Z"
#define SECOND INT64_C(1000000000)
#define MS INT64_C(1000000)

struct world {
    struct kubesim *sim;
    int64_t now_ns, wall_ns;
    uint64_t random;
    int cuts; /* calls of connections_cut */
    struct arena arena;
};
void world_init(struct world *w, const struct kubesim_config *config); /* clocks and random are set here; config may be NULL */
void world_deinit(struct world *w);
void world_pass(struct world *w, int64_t ns); /* time goes on, in steps to whatever is due */

struct answer {
    enum kubesim_state state; /* how reading ended: END, CUT, or WAIT */
    int status;               /* 0: no head */
    int retry_after_s;
    str warning;
    str body;                 /* in the world's arena */
    struct dom *json;         /* NULL if the body is not JSON */
};
struct asked {
    const char *method, *path; /* the path may have a query */
    const char *body, *content_type, *user, *accept;
};
/* user: "admin" if NULL; "" sends no token. */
struct kubesim_call *start(struct world *w, struct asked a, void (*on_ready)(void *arg), void *arg);
/* Everything that can be read now, appended to nothing that was read before. */
struct answer take(struct world *w, struct kubesim_call *call);
struct answer ask(struct world *w, struct asked a); /* start, take, free */
struct answer get(struct world *w, const char *path);
struct answer post(struct world *w, const char *path, const char *body);
struct answer put(struct world *w, const char *path, const char *body);
struct answer patch(struct world *w, const char *path, const char *body); /* merge patch */
struct answer del(struct world *w, const char *path);
/* The status and the reason of a Status (NULL: none). */
#define assert_answer(answer, status_, reason_) check_answer((answer), (status_), (reason_), __FILE__, __LINE__)
void check_answer(struct answer a, int status, const char *reason, const char *file, int line);

/* "a.b.0.c" of a document; NULL if it is not there. */
const struct dom *at(const struct dom *d, const char *path);
/* The same as text: strings as they are, numbers, true; "" if it is not there. */
const char *text_at(struct world *w, const struct dom *d, const char *path);

/* A watch and what came out of it: "ADDED name version" ... in lines. */
struct watcher {
    struct kubesim_call *call;
    int ready; /* calls of on_ready */
};
void watch(struct world *w, struct watcher *x, const char *path);
void watch_as(struct world *w, struct watcher *x, const char *path, const char *user, const char *accept);
void watch_end(struct watcher *x);
/* Reads it and gives "ADDED a,MODIFIED a,BOOKMARK,ERROR 410" and how it stands after a slash: "/WAIT", "/END", "/CUT". A part of an
 * event at the end is "...". */
const char *events(struct world *w, struct watcher *x);

#endif
