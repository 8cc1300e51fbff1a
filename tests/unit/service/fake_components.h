/*
 * Components that do what a test says and write down what they are asked. Types: receivers `pull`, `cold` (pull, never warm),
 * `push`, `both` (ticks of metrics, pushes of logs); processors `pass`, `derive`; exporter `sink`; extensions `elect`, `plain`.
 */
#ifndef FAKE_COMPONENTS_H
#define FAKE_COMPONENTS_H

#include "election/elector.h"
#include "service/component.h"

enum { SEEN_MAX = 8192, HELD_MAX = 1024 };

struct fake_seen {
    enum signal signal;
    char receiver[32];
    int64_t tick_ns, start_ns, seen_ns;
    uint64_t term;
    int64_t number; /* of the batch in its tick */
    char resource_token[64], scope_token[64]; /* attribute `token` */
    char header[64]; /* "name: token" that requests are to carry */
    size_t token_count; /* attributes of that name in all resources and scopes */
};

/* What a component of this id does; made at the first mention, outlives the component. */
struct fake {
    char id[32];
    bool alive;          /* started and not destroyed */
    bool fail_create, fail_start, fail_activate;
    bool fatal_at_start;
    struct component *component; /* while alive */

    bool not_ready;      /* receivers */
    int64_t collect_takes_ns;
    void (*during_collect)(struct receiver *r);
    size_t collects, abandons, rooms;
    bool active;
    char position[64];   /* at the latest activate */

    bool full;           /* exporters */
    bool hold;           /* outcomes wait for fake_settle */
    bool hang;           /* stop waits for fake_let_stop */
    enum outcome outcome;
    struct fake_seen seen[SEEN_MAX];
    size_t seen_count;
    struct batch *held[HELD_MAX];
    size_t held_count;
    bool stop_asked;
    int64_t deadline_ns;

    bool quiesced;       /* extensions */
};

extern const struct components fake_components;
struct fake *fake(const char *id);
void fakes_reset(void);
/* "create x, start x, ..." since the last call. */
const char *fake_trace(void);
/* Settles the batch number `index` of those that are held. */
void fake_settle_one(struct fake *exporter, size_t index, enum outcome outcome);
void fake_settle(struct fake *exporter, enum outcome outcome);
void fake_let_stop(struct fake *exporter);
/* A `push` or `both` receiver hands a batch over. */
bool fake_push(struct fake *receiver, const char *position);
bool fake_push_has_room(struct fake *receiver);

#endif
