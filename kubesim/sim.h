/*
 * Inside of the simulator: the state, a call, and what its files offer each other.
 *
 *   sim.c      the whole: start, end, switches
 *   call.c     life of a call: held, delayed, executed, read; faults around it; the tick
 *   verbs.c    which verb a request is, who may do it, and who does it
 *   read.c     get, list          watch.c   watch
 *   write.c    create, update     delete.c  delete     modify.c   patch -> update
 *   answer.c   finished answers and Status objects     table_view.c  kubectl's tables
 *   auth.c     tokens, rules, Roles                    fault.c    fault rules
 *   discovery.c  what is served                        control.c  /_sim/...       journal.c  which requests there were
 */
#ifndef KUBESIM_SIM_H
#define KUBESIM_SIM_H

#include "kubesim/core.h"
#include "kubesim/limits.h"
#include "kubesim/proto.h"
#include "kubesim/request.h"

/* -- users and rules (auth.c) -- */
struct sim_user {
    struct sim_user *next;
    char *name, *groups, *token; /* groups separated by commas */
};
struct sim_rule {
    struct sim_rule *next;
    uint64_t id;
    bool allow;
    char *user, *verb, *resource, *namespace, *name; /* "*", or names separated by commas */
};
struct identity {
    str user, groups;
};
/* What a request wants to do, in words of authorization. */
struct attributes {
    const char *verb;
    bool is_resource;
    str group, resource, subresource, namespace, name; /* of a resource */
    str path;                                          /* of anything else */
};

/* -- faults (fault.c) -- */
enum fault_point { FAULT_NEVER, FAULT_BEFORE, FAULT_MIDDLE, FAULT_AFTER };
struct sim_fault {
    struct sim_fault *next;
    uint64_t id, hits;
    char *json; /* as it was given */
    /* match; NULL: any */
    char *method, *path, *user, *verb, *resource, *namespace, *name;
    int64_t times; /* left; -1: no end */
    int64_t skip;  /* matches that are let through first */
    double probability;
    uint64_t random_state;
    /* effect */
    int status;
    bool execute; /* although a status is answered */
    char *reason, *message, *body, *content_type;
    int64_t retry_after_s, delay_ns, answer_delay_ns, event_delay_ns;
    enum fault_point cut, hang;
    bool stall;
};

/* -- journal of requests (journal.c) -- */
struct journal_entry {
    uint64_t id;
    int64_t wall_ns, duration_ns; /* duration until the answer; -1: none yet */
    char *method, *path, *query, *user, *resource, *namespace, *name;
    const char *verb;
    int status;      /* 0: none yet, or cut */
    uint64_t fault;  /* id of the rule that hit it */
};
struct journal_count {
    const char *verb;
    char *resource, *user;
    uint64_t count;
};
struct journal {
    struct journal_entry *entries; /* entry id is at id % cap */
    size_t cap;                    /* grows up to LIMIT_SIM_REQUEST_LOG */
    uint64_t next_id;              /* first is 1 */
    uint64_t first_id;             /* oldest that counts, after a reset */
    struct journal_count *counts;
    size_t count_count, count_cap;
};

struct kubesim {
    struct kubesim_config config;
    uint64_t resource_version; /* of the last change anywhere */
    struct sim_table **tables;
    size_t table_count;
    struct sim_user *users;
    struct sim_rule *rules;
    struct sim_fault *faults;
    uint64_t next_rule_id, next_fault_id;
    struct journal journal;
    struct generator *generator; /* NULL: nothing is generated */
    struct list calls;
    bool frozen;
    int64_t frozen_until_ns;
    int64_t wake_ns; /* nothing is due before */
};

/* -- calls -- */
enum call_phase {
    CALL_HELD,     /* the simulator is frozen */
    CALL_DELAYED,  /* not executed before due_ns */
    CALL_HUNG,     /* never answered */
    CALL_ANSWERED, /* executed; not visible before due_ns */
};
enum call_source { SOURCE_BUFFER, SOURCE_LIST, SOURCE_WATCH };

/* A long list that is printed while it is read. */
struct list_source {
    struct object_list objects;
    size_t pos;
    struct accepted form;
    int include_object; /* enum include_object */
};
struct sim_watch {
    struct list node; /* in table->watches */
    struct kubesim_call *call;
    struct sim_table *table;
    struct table_query query; /* which objects; selectors point to `options` */
    struct list_options options;
    struct accepted form;
    int include_object;
    bool columns_sent;
    struct object_list initial;
    size_t initial_pos;
    bool initial_bookmark; /* to be sent when `initial` is through */
    uint64_t initial_version;
    uint64_t next_event;   /* number in the table's ring */
    uint64_t after_version; /* events up to here are not for this watch */
    bool bookmarks, bookmark_due, last_bookmark_done, over, stalled, cut_next;
    int64_t deadline_ns, bookmark_ns, event_delay_ns;
};

struct kubesim_call {
    struct list node;
    struct kubesim *sim;
    struct arena arena; /* the request's copy and all that belongs to it */
    struct kubesim_request request;
    struct route route;
    struct query query;
    struct identity identity;
    struct attributes attributes;
    struct sim_table *table;  /* of the resource, NULL if it is not served */
    const struct sim_fault *fault; /* effect, or NULL */
    enum call_phase phase;
    int64_t due_ns, started_ns;
    uint64_t journal_id;
    bool is_control, abandoned;
    void (*on_ready)(void *arg);
    void *ready_arg;
    /* the answer */
    struct kubesim_head head; /* status 0: cut without an answer */
    enum call_source source;
    struct buf out;   /* printed and not read yet, from out_pos on */
    size_t out_pos, sent;
    int64_t cut_at;   /* bytes of the body after which the connection is cut; -1: never */
    bool cut;         /* at the end of what is in `out`, cut instead of ending */
    bool waiting;     /* the reader has seen WAIT */
    struct list_source list;
    struct sim_watch *watch;
};

/* The earliest time of several. */
void sim_wake_at(struct kubesim *sim, int64_t now_ns);
int64_t sim_now(const struct kubesim *sim);
struct sim_table *sim_table_find(const struct kubesim *sim, str group, str version, str resource);
struct sim_table *sim_table_of_kind(const struct kubesim *sim, const char *kind);
struct kubesim_call *call_new(struct kubesim *sim, const struct kubesim_request *request);
void call_destroy(struct kubesim_call *call);
/* The answer ends here, with a cut connection; with `head_too` there was none at all. */
void call_cut(struct kubesim_call *call, bool head_too);
/* Tells the reader of the call, if it waits. */
void call_notify(struct kubesim_call *call);

/* -- verbs.c -- */
void call_classify(struct kubesim_call *call); /* sets attributes and table */
void call_execute(struct kubesim_call *call);  /* leaves an answer, a list or a watch */

/* -- answer.c: each makes the call's answer -- */
struct status {
    bool success;
    int code;
    const char *reason; /* may be NULL */
    str message;
    bool has_details;
    str name, group, kind, uid;
    const struct sim_causes *causes;
    int retry_after_s;
    str continue_token;
};
void answer_status(struct kubesim_call *call, const struct status *f);
void sim_status_print(struct buf *b, const struct status *f);
void sim_status_print_protobuf(struct buf *b, const struct status *f); /* without envelope */
extern const struct proto_type sim_status_type;
/* What Accept asks for; VIEW_NONE only where it was not checked before (verbs.c). */
struct accepted call_accept(const struct kubesim_call *call, enum accept_for what);
struct proto_type sim_object_type(const struct sim_kind *kind, enum view view);
void answer_text(struct kubesim_call *call, int status, const char *content_type, str body);
void answer_json(struct kubesim_call *call, int status, const struct buf *json); /* copies */
void answer_object(struct kubesim_call *call, int status, struct sim_object *o);
/* The same with another resourceVersion, unless that is 0. */
void answer_object_at(struct kubesim_call *call, int status, struct sim_object *o, uint64_t version);
bool fail_bad_request(struct kubesim_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
bool fail_internal(struct kubesim_call *call, const char *format, ...) PRINTF_LIKE(2, 3);
bool fail_not_found(struct kubesim_call *call, const struct sim_kind *kind, str name);
bool fail_no_such_resource(struct kubesim_call *call);
bool fail_method(struct kubesim_call *call);
bool fail_conflict(struct kubesim_call *call, const struct sim_kind *kind, str name, const char *format, ...)
    PRINTF_LIKE(4, 5);
bool fail_invalid(struct kubesim_call *call, str kind_name, const char *kind, const char *group, str name,
                  const struct sim_causes *causes);
/* 422 for options, e.g. "ListOptions". */
bool fail_options(struct kubesim_call *call, const char *kind, const struct sim_causes *causes);
bool fail_expired(struct kubesim_call *call, str continue_token, const char *format, ...) PRINTF_LIKE(3, 4);
/* Sets both; `f` points to `causes`. */
void failure_version_too_large(struct kubesim_call *call, uint64_t version, struct status *f,
                               struct sim_causes *causes);
bool fail_version_too_large(struct kubesim_call *call, uint64_t version);
bool fail_forbidden(struct kubesim_call *call, str text);

/* -- table_view.c -- */
enum include_object { INCLUDE_METADATA, INCLUDE_NONE, INCLUDE_OBJECT };
/* False: 400 was answered. */
NODISCARD bool include_object_parse(struct kubesim_call *call, int *include);
/* `"columnDefinitions":[...]`, or null if they were sent before. */
void table_columns_print(struct buf *b, const struct sim_kind *kind, bool null);
void table_row_print(struct buf *b, struct sim_object *o, uint64_t resource_version, int include,
                     int64_t wall_ns);
void age_print(struct buf *b, int64_t age_ns); /* as kubectl shows ages: "5m12s" */

/* -- read.c, write.c, delete.c, modify.c, watch.c -- */
void verb_get(struct kubesim_call *call);
void verb_list(struct kubesim_call *call);
void list_fill(struct kubesim_call *call); /* prints more of a long list */
void verb_create(struct kubesim_call *call);
void verb_update(struct kubesim_call *call);
void verb_patch(struct kubesim_call *call);
void verb_delete(struct kubesim_call *call);
void verb_delete_collection(struct kubesim_call *call);
void verb_watch(struct kubesim_call *call);
/* The checks that list and watch share. False: an answer was made. */
NODISCARD bool list_options_check(struct kubesim_call *call, const struct list_options *o);
void watch_fill(struct kubesim_call *call);
void watch_tick(struct sim_watch *w, int64_t now_ns);
void sim_watch_free(struct sim_watch *w);
/* Ends it; how it looks to the client is `how`. */
void watch_drop(struct sim_watch *w, enum kubesim_drop how);
/* Tells the watches of a table about its newest event. */
void watches_notify(struct sim_table *t);

/* Puts a tree whose metadata is complete in place of `old` (NULL: creates). The stored object is borrowed; NULL: an answer was made.
 * If nothing changes, `old` stays with its resourceVersion. */
struct sim_object *store_commit(struct kubesim_call *call, struct dom *tree, struct sim_object *old, bool dry_run);
/* Deletes, also the contents of a namespace and the namespace that becomes empty. */
void sim_store_remove(struct kubesim *sim, struct sim_table *t, struct sim_object *o);
/* Carries on with an update after the new object's tree is known. `from_patch` decides on the form of some errors. */
void update_tree(struct kubesim_call *call, struct dom *tree, struct sim_object *old, bool from_patch);
void create_tree(struct kubesim_call *call, struct dom *tree, bool by_update);
/* The body as a checked tree of the call's kind; NULL: an answer was made. */
struct dom *read_object(struct kubesim_call *call);
/* The same for the outcome of a patch, which has other errors. */
struct dom *read_patched(struct kubesim_call *call, str text);
/* The body as it is, JSON or protobuf by Content-Type (fields NULL: only JSON). */
struct dom *read_body(struct kubesim_call *call, const struct sim_field *fields, bool has_metadata, struct err *err);
/* `dryRun` of the query; false: an answer was made. */
NODISCARD bool read_dry_run(struct kubesim_call *call, bool *dry_run);
str object_key(struct arena *a, str namespace, str name);
/* The stored object of this name in the namespace of the call; borrowed, or NULL. */
struct sim_object *call_object(struct kubesim_call *call, str name);

/* -- auth.c -- */
/* False: 401 was answered. */
NODISCARD bool auth_identify(struct kubesim_call *call);
/* False: 403 was answered. */
NODISCARD bool auth_check(struct kubesim_call *call);
bool auth_allowed(struct kubesim *sim, const struct identity *who, const struct attributes *what);
void auth_free(struct kubesim *sim);
void rule_add(struct kubesim *sim, bool allow, const str parts[5]); /* user, verb, resource, namespace, name; empty: all */
void rules_clear(struct kubesim *sim, uint64_t id);                 /* 0: all */
bool name_in_list(const char *list, str name); /* "*" or "a,b,c" */

/* -- fault.c -- */
/* The rule that hits this call, as a copy of its effect in the call's arena, or NULL. */
const struct sim_fault *fault_pick(struct kubesim_call *call);
void fault_answer(struct kubesim_call *call);
void faults_clear(struct kubesim *sim, uint64_t id); /* 0: all */
void faults_print(struct buf *b, const struct kubesim *sim);

/* -- journal.c -- */
void sim_journal_init(struct journal *j);
void sim_journal_deinit(struct journal *j);
void sim_journal_open(struct kubesim_call *call);
void sim_journal_close(struct kubesim_call *call); /* the answer is there */
void journal_reset(struct journal *j);
void journal_print(struct buf *b, const struct kubesim *sim, uint64_t last);

/* -- discovery.c, control.c -- */
void discovery_answer(struct kubesim_call *call);
void openapi_answer(struct kubesim_call *call);
void version_answer(struct kubesim_call *call);
void control_execute(struct kubesim_call *call);

#endif
