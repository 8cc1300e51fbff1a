/* Between the script, which says when something happens, and the faults, which are what happens. */
#ifndef SIM_SCRIPT_H
#define SIM_SCRIPT_H

#include "world.h"

enum sort {
    PLANNED, /* SIGTERM and a successor, updates, reloads: nothing may get lost */
    MILD,    /* short pauses, cuts, lagging watches: nothing may get lost, if nothing else is near */
    HARD,    /* crashes, partitions, edited Leases: excused for as long as the recovery is promised to take */
};
struct fault {
    const char *name;
    enum sort sort;
    void (*happen)(struct world *w, struct replica *r); /* `r`: the leader, mostly */
};
extern const struct fault faults[];
extern const size_t fault_count;

/* -- script.c, for faults -- */
int64_t script_between(struct world *w, int64_t low, int64_t high);
bool script_percent(struct world *w, uint64_t percent);
struct replica *script_victim(struct world *w); /* mostly the leader; NULL if nobody is there */
/* What is over at `end_ns` may be felt until somebody leads again in any case. */
void script_excuse(struct world *w, int64_t end_ns, const char *why);
/* The same, of the API server or the way to it. */
void script_outage(struct world *w, int64_t end_ns, const char *why);
/* A mild fault until `end_ns`: no excuse, unless something else is near. */
void script_mild(struct world *w, int64_t end_ns, const char *why);
bool script_is_quiet(const struct world *w); /* nothing is near */
void script_planned(struct world *w, const char *why);
void script_planned_again(struct world *w); /* one that belongs to it, and needs no other successor */
bool script_has_successor(const struct world *w); /* somebody could lead at once if the leader went */
void script_restart_later(struct world *w, int slot, bool same_pod, int64_t delay_ns);
/* No process starts before. */
void script_no_start_until(struct world *w, int64_t at_ns);
bool script_may_start(const struct world *w);
void script_rollout(struct world *w);

#endif
