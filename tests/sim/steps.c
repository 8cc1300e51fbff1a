/*
 * The simulation with the steps of its election machines on standard output, for tests/model/check_trace.py: linked with
 * --wrap=election_step, so that each call of the program comes here first.
 *
 * Machines with `keep` are left out: their gate stays open beyond its time on purpose, which the model does not have.
 */
#include <stdio.h>

#include "tests/model/step_trace.h"

void __real_election_step(struct election *m, const struct election_event *event, int64_t now_ns,
                          struct election_actions *out);
void __wrap_election_step(struct election *m, const struct election_event *event, int64_t now_ns,
                          struct election_actions *out);

void __wrap_election_step(struct election *m, const struct election_event *event, int64_t now_ns,
                          struct election_actions *out)
{
    struct election before = *m;
    __real_election_step(m, event, now_ns, out);
    if (before.config.keep)
        return;
    step_trace_print(stdout, 0, &before, event, m, out->call, now_ns);
    fflush(stdout); /* a simulated process may end by a crash */
}
