/*
 * kubesim: a subset of kube-apiserver in memory. Requests go in, pieces of answers come out; no I/O, no clock, no thread of its
 * own, so that it serves HTTP (http.h) and a simulation with virtual time alike.
 *
 *   struct kubesim *sim = kubesim_new(&config);
 *   kubesim_user_set(sim, STR("admin"), STR("system:masters"), STR("secret"));
 *   struct kubesim_call *call = kubesim_call_start(sim, &request, on_ready, arg);
 *   head = kubesim_call_head(call);                       NULL while there is no answer: wait for on_ready
 *   while ((state = kubesim_call_read(call, data, sizeof data, &len)) == KUBESIM_DATA) ...
 *   kubesim_call_free(call);                              whenever the answer is complete or the client has left
 *
 * Calls into one simulator must come from one thread at a time. Whatever depends on time happens in kubesim_tick.
 * Specification: kube-apiserver v1.35 as far as tests/integration/kubesim_vs_apiserver.py compares the two.
 */
#ifndef KUBESIM_CORE_H
#define KUBESIM_CORE_H

#include "base/err.h"

struct kubesim;
struct kubesim_call;

struct kubesim_config {
    int64_t (*wall_ns)(void *arg); /* wall clock, ns since 1970: time stamps of objects and of the request log */
    int64_t (*now_ns)(void *arg);  /* steady clock, ns: delays, bookmarks, timeouts */
    void (*random)(void *arg, void *out, size_t size_bytes); /* uids, generated names, time limits of watches */
    /* All connections are to be closed, idle ones as well, and for `down_ns` new ones too (_sim/restart). May be NULL. Called from
     * inside another function of the simulator: only take note. */
    void (*connections_cut)(void *arg, int64_t down_ns);
    void *arg;
    uint64_t hash_key[2];
    size_t window_events;          /* changes that each resource remembers for watches; 0: LIMIT_SIM_WINDOW_EVENTS */
    int64_t bookmark_interval_ns;  /* 0: one minute */
    bool openshift;                /* serve quota.openshift.io/v1 clusterresourcequotas, too */
    bool rbac;                     /* false: a known user may do everything that no rule denies; true: Roles and bindings decide */
    str anonymous_user;            /* who sends no credentials; empty: system:anonymous, who may only ask for health and version */
};

struct kubesim *kubesim_new(const struct kubesim_config *config);
/* Frees its calls, too: their pointers are invalid afterwards. */
void kubesim_free(struct kubesim *sim);
/* Adds a user or replaces groups (separated by commas) and token. False if there are too many. */
NODISCARD bool kubesim_user_set(struct kubesim *sim, str name, str groups, str token);
/* "user:verb:resource[:namespace[:name]]", each part a name, a list with commas, or "*". Deny goes before allow. */
NODISCARD bool kubesim_rule_add(struct kubesim *sim, bool allow, str text, struct err *err);
/* Everything that is due: delayed requests and answers, bookmarks, ends of watches. Gives the now_ns at which to call again
 * (INT64_MAX: when something else has happened). */
int64_t kubesim_tick(struct kubesim *sim);
uint64_t kubesim_resource_version(const struct kubesim *sim);

/* -- requests -- */
struct kubesim_request {
    const char *method;
    str path;  /* as it was sent, still percent-encoded */
    str query; /* without '?', still encoded */
    str authorization, content_type, accept, impersonate_user, impersonate_group; /* headers; empty: not there */
    str body;
    bool body_too_long; /* it was longer than LIMIT_SIM_BODY_BYTES; `body` is then to be empty */
};
struct kubesim_head {
    int status;
    const char *content_type;
    int64_t content_length; /* -1: not known beforehand */
    int retry_after_s;      /* 0: no header */
    str warning;            /* value of a Warning header, or empty */
};
enum kubesim_state {
    KUBESIM_WAIT, /* nothing now; on_ready will be called */
    KUBESIM_DATA,
    KUBESIM_END,  /* the answer is complete */
    KUBESIM_CUT,  /* close the connection in the middle; also before any head */
};
/* Copies the request. `on_ready` tells that head or data or the end may have come since the last WAIT; it is never called from
 * inside this call's own functions, but from inside any other, and must not call the simulator. */
struct kubesim_call *kubesim_call_start(struct kubesim *sim, const struct kubesim_request *request,
                                        void (*on_ready)(void *arg), void *arg);
/* NULL while there is none; ask kubesim_call_read whether there will ever be one. Valid until the call is freed. */
const struct kubesim_head *kubesim_call_head(const struct kubesim_call *call);
/* Up to `size` bytes of the body. Before there is a head it gives WAIT or CUT. */
enum kubesim_state kubesim_call_read(struct kubesim_call *call, char *data, size_t size, size_t *len);
/* Also when the client has left early. A request that a fault still delays is executed all the same when its time comes: it was
 * under way. */
void kubesim_call_free(struct kubesim_call *call);

/* -- switches, as under /_sim/ -- */
void kubesim_freeze(struct kubesim *sim, bool frozen); /* nothing is answered or executed until false */
void kubesim_compact(struct kubesim *sim);             /* watches and pages from now on start at the present only: 410 */
enum kubesim_drop { KUBESIM_DROP_END, KUBESIM_DROP_CUT, KUBESIM_DROP_ERROR, KUBESIM_DROP_STALL };
/* Ends all watches of `user` on `resource` (empty: all): normally, in the middle of an event, with an ERROR event 410, or not at all but
 * silently. Gives their number. */
size_t kubesim_drop_watches(struct kubesim *sim, enum kubesim_drop how, str user, str resource);
void kubesim_restart(struct kubesim *sim, int64_t down_ns); /* cuts everything, keeps the objects, forgets the windows */
/* Objects and resourceVersion as they were at `resource_version`, as after a restored backup; cuts everything. */
NODISCARD bool kubesim_rollback(struct kubesim *sim, uint64_t resource_version, struct err *err);
/* Fills the tables with a generated cluster, once: "pods=10000[,nodes=100][,deployments=1000]...[,seed=1]"; kinds by their plurals, in
 * proportion to the pods if they are not named. */
NODISCARD bool kubesim_generate(struct kubesim *sim, str spec, struct err *err);
/* So many changes a second happen to the generated cluster from now on, in kubesim_tick; 0: none. */
NODISCARD bool kubesim_churn(struct kubesim *sim, uint32_t changes_per_s, struct err *err);
/* A fault rule as JSON, see control.c. */
NODISCARD bool kubesim_fault_add(struct kubesim *sim, str json, uint64_t *id, struct err *err);

#endif
