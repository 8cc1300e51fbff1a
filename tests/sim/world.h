/*
 * The simulated world: one API server, replicas of the real program, a backend, clocks and a network, all in virtual time and all
 * decided by one seed. See docs/simulation.md.
 *
 *   main.c     command line, worker processes        world.c    time, the queue of events, randomness, the trace
 *   loop.c     io/loop.h                             net.c      io/http_client.h and the network behind it
 *   process.c  the rest of io/: environment, files   server.c   the API server (kubesim's core) and hands that edit it
 *   replica.c  processes: start, crash, pause, stop  backend.c  an exporter and the backend that it sends to
 *   script.c   when something goes wrong              faults.c   what it is
 *   cluster.c  objects of the cluster                check.c    what must hold
 *   crowd.c    1,000 candidates, with a script of their own
 *
 * Nothing here may depend on addresses, real time or anything else that differs between two runs.
 */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/list.h"
#include "election/elector.h"
#include "base/buf.h"
#include "io/http_client.h"
#include "kubesim/core.h"
#include "service/service.h"

#define US INT64_C(1000)
#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
/* Wall time at world time 0: some day at noon. */
#define EPOCH_NS (INT64_C(1767268800) * SECOND)

enum { SLOTS = 16, SLOTS_MAX = 1024, USERS = 16, PODS_MAX = 4096 };
enum receiver_index { RECEIVER_DUMMY, RECEIVER_CLUSTER, RECEIVER_COUNT };

static inline int64_t later_ns(int64_t a_ns, int64_t b_ns)
{
    return a_ns > b_ns ? a_ns : b_ns;
}

/* -- randomness: streams that do not disturb each other -- */
struct chance {
    uint64_t state;
};
void chance_seed(struct chance *c, uint64_t seed, uint64_t stream);
uint64_t chance_next(struct chance *c);
/* 0 .. below - 1 */
uint64_t chance_below(struct chance *c, uint64_t below);
/* Both ends included. */
int64_t chance_between(struct chance *c, int64_t low, int64_t high);
bool chance_percent(struct chance *c, uint64_t percent);

/* -- events: a heap by time, then by order of setting -- */
struct event {
    int64_t at_ns;
    uint64_t order;
    size_t heap_index; /* SIZE_MAX: not set */
    void (*fn)(void *arg);
    void *arg;
};
void event_init(struct event *e, void (*fn)(void *arg), void *arg);
static inline bool event_is_set(const struct event *e)
{
    return e->heap_index != SIZE_MAX;
}

/* -- the world -- */
struct replica;
struct exchange;
struct settings_of_seed;

/* What the network between one replica and the API server is like now. World times. */
struct link_state {
    int64_t latency_ns, jitter_ns;      /* each way */
    int64_t slow_until_ns, slow_ns;     /* answers take up to so much longer */
    int64_t up_until_ns, down_until_ns; /* nothing passes to, from the server */
    bool holds;                         /* what is blocked comes later, as TCP repeats it; else it is gone and the streams with it */
    int64_t refused_until_ns;           /* connections are refused */
    int64_t lossy_until_ns;             /* some requests and answers get lost */
    int64_t lag_until_ns, lag_ns;       /* events of watches come so much later */
    int64_t hung_until_ns;              /* connections that were there are dead, new ones are not */
};

/* A time in which not everything can be expected; why is for the trace. */
enum excused { EXCUSED_TICKS = 1 /* they may not arrive */, EXCUSED_ALL = 3 /* nor may anybody lead */,
               EXCUSED_KEEPING = 4 /* the API server is away: with `keep` two may lead */ };
struct excuse {
    int64_t from_ns, to_ns; /* world time */
    unsigned what;
    const char *why;
};

struct world {
    uint64_t seed;
    int64_t now_ns, end_ns;
    struct event **heap;
    size_t heap_count, heap_cap;
    uint64_t next_order, event_count;

    const struct settings_of_seed *settings;
    struct chance script_chance, net_chance, server_chance;
    uint64_t hash_key[2];

    struct kubesim *server;
    struct event server_tick;
    int64_t server_down_until_ns;
    bool server_is_frozen;
    uint64_t request_count, conflict_count, event_piece_count; /* the last: what came on watches after their heads */
    struct list exchanges;
    struct buf answer; /* what the server has just said; its memory stays */

    int slot_count;
    struct replica *replicas[SLOTS_MAX]; /* running processes by slot; NULL: none */
    struct replica *current;             /* whose handler runs; NULL: nobody's */
    uint64_t pods[SLOTS_MAX];            /* number of the pod in each slot */
    uint64_t pod_count;
    uint64_t process_count;

    struct backend *backend;
    struct check *check;
    struct script *script;
    uint64_t lease_writer;               /* process of the latest write to the Lease */
    struct cluster *cluster;             /* NULL: no k8s_cluster receiver */
    int64_t leases_denied_until_ns;      /* to some replica: it may not know, or be allowed, what it needs after another fault */
    int64_t pods_denied_until_ns;        /* and what was not seen meanwhile is there again */

    bool print_trace, print_logs;
    uint64_t trace_hash;
    bool failed;
    char failure[1024];
};

/* What the seed has chosen for the whole run. */
struct settings_of_seed {
    int replica_count;
    int64_t lease_ns, deadline_ns, retry_ns, margin_ns, interval_ns, duration_ns;
    int rate_ppm_max;          /* clocks run faster or slower by at most so much */
    int64_t offset_ns_max;     /* wall clocks are off by at most so much */
    bool wrong_clocks;         /* that is minutes or hours: ticks have names that nobody can foresee */
    int64_t fault_gap_ns;      /* mean time between faults */
    uint64_t faults;           /* bit i: the fault i of faults.c */
    int64_t lag_ns;            /* events of watches are late by up to so much, always */
    enum standby standby;
    bool crowd;
    bool keeps;                /* on_api_outage: keep */
    bool repeats;              /* after_crash: repeat */
    size_t room;               /* batches that an exporter takes before the first is acknowledged; few: a tick waits in the middle */
    bool has_cluster;          /* a k8s_cluster receiver beside the dummy */
    bool is_crowd;             /* the world of crowd.c */
    bool same_pods;            /* a crashed process comes back in its pod */
    int backend_delay_ms;
};

void world_at(struct world *w, struct event *e, int64_t at_ns);
void world_cancel(struct world *w, struct event *e);
/* One line of the trace: part of the hash always, printed if asked. */
void world_trace(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);
/* The first failure counts; the run ends. */
void world_fail(struct world *w, const char *format, ...) PRINTF_LIKE(2, 3);
struct outcome_of_run {
    bool failed;
    char failure[1024];
    uint64_t trace_hash, event_count, request_count, tick_count, term_count;
    int64_t simulated_ns;
};
void world_run(uint64_t seed, int64_t duration_ns, bool print_trace, bool print_logs, struct outcome_of_run *out);

/* The world of crowd.c. */
void world_run_crowd(uint64_t seed, int candidates, bool print_trace, struct outcome_of_run *out);
const struct settings_of_seed *crowd_settings(int candidates);
void crowd_new(struct world *w);

/* -- loops (loop.c) -- */
/* Something that comes to a process from outside: handled in a turn of its loop, unless the process has died by then. */
struct parcel {
    struct list link;
    struct event event;
    struct loop *loop;
    void (*fn)(void *arg, bool alive); /* false: there is nobody left; free what is yours */
    void *arg;
};
struct loop *sim_loop_new(struct world *w, struct replica *r, uint64_t stream, int rate_ppm, int64_t wall_offset_ns);
/* World time as the handler that runs has it: later than now if it was held up. */
int64_t sim_loop_world_ns(const struct loop *loop);
void sim_loop_deliver(struct loop *loop, struct parcel *d, int64_t at_ns);
/* Handlers do not run until then; clocks go on. */
void sim_loop_pause(struct loop *loop, int64_t until_ns);
bool sim_loop_paused(const struct loop *loop);
/* The handler that reads the clock for the `reads`th time from now is held up there for so long. */
void sim_loop_stall(struct loop *loop, uint32_t reads, int64_t stall_ns);
/* Checks read clocks without being noticed. Gives whether a handler runs, for the call that ends the observation. */
bool sim_loop_observe(struct loop *loop, bool observes);
void sim_loop_step_wall(struct loop *loop, int64_t by_ns);
void sim_loop_kill(struct loop *loop); /* no handler ever again */
struct chance *sim_loop_chance(struct loop *loop);
struct replica *sim_loop_replica(const struct loop *loop);
struct world *sim_loop_world(const struct loop *loop);

/* -- network (net.c) -- */
void net_cut(struct world *w, struct replica *r);       /* all connections of this replica break */
void net_cut_all(struct world *w);
void net_forget(struct world *w, struct replica *r);    /* the process is gone */
void net_block(struct world *w, struct replica *r, bool up, bool down, int64_t until_ns, bool holds);
int64_t net_latency(struct world *w, const struct link_state *l);

/* -- server (server.c) -- */
void server_new(struct world *w);
void server_kick(struct world *w); /* what may be due now is done */
enum hand {
    HAND_DELETE, HAND_TWIN, HAND_CLEAR, HAND_SHORTEN, HAND_YIELD,
    HAND_FOREIGN, HAND_FOREIGN_RENEW, HAND_FOREIGN_RELEASE, /* what another program does; the last two only if it holds it */
};
/* Edits the Lease as admin. False if there is none to edit so. */
bool server_hand(struct world *w, enum hand what);
struct lease_now {
    bool exists;
    char holder[128], uid[64], version[32];
    int64_t transitions;
};
void server_lease(struct world *w, const char *name, struct lease_now *out);

/* A request of the admin, who sits beside the server; status. */
int server_ask(struct world *w, const char *method, const char *path, str body, struct buf *answer);
bool server_frozen(const struct world *w);

/* -- the objects of the cluster (cluster.c) -- */
void cluster_new(struct world *w);
void cluster_read(struct replica *r, const struct batch *batch); /* of a tick, as it is handed over */

/* -- replicas (replica.c) -- */
struct replica {
    struct world *world;
    int slot;
    uint64_t process;      /* number of this process in the world, from 1 */
    char pod_name[32], pod_uid[40];
    struct link_state link;
    struct loop *loop;
    struct log *log;
    struct config_source source;
    char *yaml;
    struct service *service;
    bool dead, stopping, ended;
    bool replaced;         /* by another one: it does not come back */
    int64_t started_ns, stop_asked_ns, rate_ppm;
    int64_t crashed_ns;    /* INT64_MAX: it did not */
    int64_t offset_ns;     /* of the wall clock */
    int64_t wall_seen_ns;  /* what it showed before a step, at most; since EPOCH_NS */
    uint64_t term_seen, lost_seen, term_inherited;
    int64_t alone_until_ns; /* what it sent while it took itself for alone has arrived by then */
    uint64_t term_handed[RECEIVER_COUNT]; /* term of last_tick_ns */
    int repeated[RECEIVER_COUNT];         /* ticks of that one */
    int64_t pause_in_tick_ns; /* > 0: it stops for so long when it hands the next batch over */
    int64_t last_tick_ns[RECEIVER_COUNT]; /* handed over */
    struct sender *sender; /* backend.c */
    int64_t cluster_tick_ns, cluster_begun_ns; /* the tick of k8s_cluster that is being read */
    uint64_t cluster_seen[PODS_MAX / 64];      /* pods in it */
    struct parcel begin, signal;
    enum replica_signal { SIGNAL_STOP, SIGNAL_RELOAD, SIGNAL_YIELD } signal_kind;
    bool signal_pending;
};
struct replica *replica_start(struct world *w, int slot, bool same_pod);
void replica_crash(struct replica *r);
void replica_terminate(struct replica *r);
void replica_reload(struct replica *r);
void replica_yield(struct replica *r);
struct elector *replica_elector(const struct replica *r); /* NULL: none */
bool replica_may_emit(const struct replica *r);
int world_alive(const struct world *w);
/* Could somebody go on at once if the leader went? */
bool world_successor_is_ready(const struct world *w);
/* Who leads, as far as gates say; NULL: nobody. */
struct replica *world_leader(const struct world *w);
/* Who holds the standby's Lease; NULL: none that runs. */
struct replica *world_standby(struct world *w);
void process_set_world(struct world *w);

/* -- backend (backend.c) -- */
extern const struct exporter_type sim_exporter;
void backend_new(struct world *w);
enum backend_trouble { BACKEND_SLOW, BACKEND_DOWN, BACKEND_REFUSES, BACKEND_TROUBLE_COUNT };
#define BACKEND_SLOW_NS (4 * SECOND) /* at most until a batch is acknowledged */
void backend_trouble(struct world *w, enum backend_trouble kind, int64_t until_ns);

/* -- checks (check.c) -- */
void check_new(struct world *w);
void check_excuse(struct world *w, enum excused what, int64_t from_ns, int64_t to_ns, const char *why);
void check_turn(struct world *w, struct replica *r);           /* after each turn of a replica */
void check_handed_over(struct replica *r, enum receiver_index receiver, int64_t tick_ns);    /* a batch of a tick came out of the fan-out */
/* What a handler that is held up has not come to yet did not happen. */
void check_crashed(struct replica *r);
void check_arrived(struct world *w, enum receiver_index receiver, uint64_t process, int64_t tick_ns);
bool check_is_excused(const struct world *w, enum excused what, int64_t from_ns, int64_t to_ns);
void check_foreign_term(struct world *w, int64_t from_ns, int64_t to_ns);
void check_lease_write(struct replica *r, str path, str body);
void check_gate_soon_closed(struct world *w, struct replica *r, int64_t within_ns, const char *why);
void check_lets_go(struct replica *r);
/* It was asked to hand over, and hears of it within `heard_ns`; `successor`: somebody else is ready. */
void check_hands_over(struct replica *r, int64_t heard_ns, bool successor);
void check_end(struct world *w);
uint64_t check_tick_count(const struct world *w);
uint64_t check_term_count(const struct world *w);

/* -- script (script.c) -- */
void script_new(struct world *w);
/* How many things the script has done: whoever expects something soon may ask whether it was left alone. */
uint64_t script_count(const struct world *w);
/* A process has ended in order; its slot is free. */
void script_process_ended(struct replica *r);
const struct settings_of_seed *script_settings(uint64_t seed, int64_t duration_ns);

#endif
