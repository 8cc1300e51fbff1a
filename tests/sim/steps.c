/*
 * The simulation with the steps of its election machines, for tests/model/check_trace.py: linked with --wrap=election_step, so that
 * each call of the program comes here first, and with --wrap=world_run, which knows the seed.
 *
 * With STEPS=FILE in the environment each world appends to it what it has not written before: a step is the same for the model however
 * often it is taken. Without, all steps go to standard output, among what else a run prints (`--seed N --trace`).
 *
 * Machines with `keep` are left out: their gate stays open beyond its time on purpose, which the model does not have.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/model/step_trace.h"
#include "tests/sim/world.h"

enum { STEPS_MAX = 4096 }; /* different ones of a world; some hundreds are usual */

static uint64_t the_seed;
static uint64_t steps_written[STEPS_MAX]; /* hashes; 0: free */

void __real_election_step(struct election *m, const struct election_event *event, int64_t now_ns,
                          struct election_actions *out);
void __wrap_election_step(struct election *m, const struct election_event *event, int64_t now_ns,
                          struct election_actions *out);
void __real_world_run(uint64_t seed, int64_t duration_ns, bool print_trace, bool print_logs,
                      struct outcome_of_run *out);
void __wrap_world_run(uint64_t seed, int64_t duration_ns, bool print_trace, bool print_logs,
                      struct outcome_of_run *out);

/* Each world has a process of its own. */
void __wrap_world_run(uint64_t seed, int64_t duration_ns, bool print_trace, bool print_logs,
                      struct outcome_of_run *out)
{
    the_seed = seed;
    setvbuf(stdout, NULL, _IOLBF, 0); /* several worlds write to it */
    __real_world_run(seed, duration_ns, print_trace, print_logs, out);
}

static bool is_first(const char *line)
{
    uint64_t hash = UINT64_C(0xCBF29CE484222325);
    for (const char *c = line; *c != '\0'; c++)
        hash = (hash ^ (unsigned char)*c) * UINT64_C(0x100000001B3);
    hash |= 1;
    size_t at = (hash >> 20) % STEPS_MAX;
    for (size_t tries = 0; tries < STEPS_MAX; tries++) {
        uint64_t *slot = &steps_written[(at + tries) % STEPS_MAX];
        if (*slot == hash)
            return false;
        if (*slot == 0) {
            *slot = hash;
            return true;
        }
    }
    return true;
}

/* At once, for a simulated process may end by a crash. */
static void append(const char *path, const char *line)
{
    int fd = open(path, O_WRONLY | O_APPEND | O_CREAT, 0644);
    if (fd < 0 || write(fd, line, strlen(line)) != (ssize_t)strlen(line)) {
        perror(path);
        exit(2);
    }
    close(fd);
}

void __wrap_election_step(struct election *m, const struct election_event *event, int64_t now_ns,
                          struct election_actions *out)
{
    struct election before = *m;
    __real_election_step(m, event, now_ns, out);
    if (before.config.keep)
        return;
    char line[STEP_TRACE_LINE];
    step_trace_line(line, sizeof line, the_seed, &before, event, m, out->call, now_ns);
    const char *path = getenv("STEPS");
    if (path == NULL)
        fputs(line, stdout);
    else if (is_first(line))
        append(path, line);
}
