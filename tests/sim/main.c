/*
 * The simulation's command line. Each seed runs in a process of its own: a failed CHECK, a crash or an endless loop is the failure of
 * that seed alone, and memory that crashed replicas leave behind goes with it.
 *
 *   sim [--seed N | --first K --seeds N] [--crowd C] [--minutes M] [--jobs J] [--trace] [--logs]
 */
#include "world.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { JOBS_MAX = 64, SECONDS_MAX = 120, RSS_KIB_MAX = 256 * 1024, FAILURES_SHOWN = 20 };

struct options {
    uint64_t first, count;
    int64_t minutes;
    int jobs;
    int crowd; /* candidates; 0: none */
    bool one, trace, logs, stop_at_first, quiet;
};
struct totals {
    uint64_t failed, ticks, terms, requests, events, traces;
    int64_t simulated_ns;
};
struct job {
    pid_t pid; /* 0: free */
    uint64_t seed;
};

static int64_t real_ns(void)
{
    struct timespec ts;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
    return ts.tv_sec * SECOND + ts.tv_nsec;
}

static void usage(void)
{
    fprintf(
        stderr,
        "usage: sim [--seed N | --first K --seeds N] [--crowd C] [--minutes M] [--jobs J] [--trace] "
        "[--logs] [--stop-at-first]\n"
        "  --seed N         one seed, and print the hash of its trace\n"
        "  --first, --seeds a range of seeds (1 and 100)\n"
        "  --crowd C        one world of so many candidates with `crowd: true`, and what they cost\n"
        "  --minutes M      simulated time of each (60)\n"
        "  --jobs J         processes at a time (as many as there are processors)\n"
        "  --trace, --logs  print what happens, and what the processes log\n"
        "  --stop-at-first  end at the first failure\n");
    exit(2);
}

static uint64_t number(int argc, char **argv, int *at)
{
    uint64_t value = 0;
    if (*at + 1 >= argc || !str_to_u64(str_from(argv[*at + 1]), &value) ||
        value > INT64_MAX / HOUR * 60) {
        fprintf(stderr, "sim: %s wants a number\n", argv[*at]);
        usage();
    }
    (*at)++;
    return value;
}

static void parse(struct options *o, int argc, char **argv)
{
    *o = (struct options){
        .first = 1, .count = 100, .minutes = 60, .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN)};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--seed") == 0) {
            o->first = number(argc, argv, &i);
            o->count = 1;
            o->one = true;
        } else if (strcmp(argv[i], "--first") == 0) {
            o->first = number(argc, argv, &i);
        } else if (strcmp(argv[i], "--seeds") == 0) {
            o->count = number(argc, argv, &i);
        } else if (strcmp(argv[i], "--minutes") == 0) {
            o->minutes = (int64_t)number(argc, argv, &i);
        } else if (strcmp(argv[i], "--jobs") == 0) {
            o->jobs = (int)number(argc, argv, &i);
        } else if (strcmp(argv[i], "--crowd") == 0) {
            o->crowd = (int)number(argc, argv, &i);
            o->one = true;
        } else if (strcmp(argv[i], "--trace") == 0) {
            o->trace = true;
        } else if (strcmp(argv[i], "--logs") == 0) {
            o->logs = true;
        } else if (strcmp(argv[i], "--stop-at-first") == 0) {
            o->stop_at_first = true;
        } else {
            usage();
        }
    }
    if (o->jobs < 1 || o->jobs > JOBS_MAX)
        o->jobs = o->jobs < 1 ? 1 : JOBS_MAX;
    if (o->crowd != 0 && (o->crowd < 3 || o->crowd > SLOTS_MAX)) {
        fprintf(stderr, "sim: --crowd must be from 3 to %d\n", SLOTS_MAX);
        exit(2);
    }
    if (o->minutes < 12 || o->minutes > 100000) {
        fprintf(stderr, "sim: --minutes must be from 12 to 100000\n");
        exit(2);
    }
}

static int run_one(const struct options *o)
{
    struct outcome_of_run out;
    if (o->crowd > 0)
        world_run_crowd(o->first, o->crowd, o->trace, &out);
    else
        world_run(o->first, o->minutes * MINUTE, o->trace, o->logs, &out);
    printf("seed %" PRIu64 ": trace %016" PRIx64 ", %" PRIu64 " ticks, %" PRIu64 " terms, %" PRIu64
           " requests, %" PRIu64 " events\n",
           o->first, out.trace_hash, out.tick_count, out.term_count, out.request_count,
           out.event_count);
    if (out.failed)
        printf("seed %" PRIu64 " FAILED: %s\n", o->first, out.failure);
    return out.failed ? 1 : 0;
}

static void start(const struct options *o, struct job *job, struct outcome_of_run *slot,
                  uint64_t seed)
{
    *slot = (struct outcome_of_run){.failed = true};
    fflush(stdout);
    job->seed = seed;
    job->pid = fork();
    CHECK(job->pid >= 0);
    if (job->pid != 0)
        return;
    alarm(SECONDS_MAX);
    struct outcome_of_run out;
    world_run(seed, o->minutes * MINUTE, false, false, &out);
    *slot = out;
    _exit(0);
}

static void finish(const struct options *o, struct totals *t, uint64_t seed,
                   struct outcome_of_run *out, int status, const struct rusage *usage)
{
    if (WIFSIGNALED(status))
        snprintf(out->failure, sizeof out->failure, "ended by signal %d%s", WTERMSIG(status),
                 WTERMSIG(status) == 14 ? " (it took too long)" : "");
    else if (WEXITSTATUS(status) != 0)
        snprintf(out->failure, sizeof out->failure, "ended with status %d", WEXITSTATUS(status));
    else if (!out->failed && usage->ru_maxrss > RSS_KIB_MAX) {
        out->failed = true;
        snprintf(out->failure, sizeof out->failure, "it took %ld MiB of memory",
                 usage->ru_maxrss / 1024);
    }
    t->traces += out->trace_hash; /* whatever the order */
    t->ticks += out->tick_count;
    t->terms += out->term_count;
    t->requests += out->request_count;
    t->events += out->event_count;
    t->simulated_ns += out->simulated_ns;
    if (!out->failed)
        return;
    t->failed++;
    if (t->failed <= FAILURES_SHOWN)
        printf("seed %" PRIu64 " FAILED: %s\n    replay: tests/sim/sim --seed %" PRIu64
               " --minutes %" PRId64 " --trace\n",
               seed, out->failure, seed, o->minutes);
}

static void wait_for_one(const struct options *o, struct totals *t, struct job *jobs,
                         struct outcome_of_run *slots)
{
    int status;
    struct rusage usage;
    pid_t pid = wait4(-1, &status, 0, &usage);
    for (int i = 0; i < o->jobs; i++) {
        if (jobs[i].pid != pid)
            continue;
        jobs[i].pid = 0;
        finish(o, t, jobs[i].seed, &slots[i], status, &usage);
    }
}

static int run_many(const struct options *o)
{
    struct job jobs[JOBS_MAX] = {0};
    struct totals t = {0};
    struct outcome_of_run *slots = mmap(NULL, JOBS_MAX * sizeof *slots, PROT_READ | PROT_WRITE,
                                        MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(slots != MAP_FAILED);
    int64_t begun_ns = real_ns();
    int running = 0;
    uint64_t next = 0;
    while (next < o->count || running > 0) {
        bool more = next < o->count && !(o->stop_at_first && t.failed > 0);
        if (!more && running == 0)
            break;
        if (more && running < o->jobs) {
            int free_job = 0;
            while (jobs[free_job].pid != 0)
                free_job++;
            start(o, &jobs[free_job], &slots[free_job], o->first + next++);
            running++;
        } else {
            wait_for_one(o, &t, jobs, slots);
            running--;
        }
    }
    double real_s = (double)(real_ns() - begun_ns) / 1e9,
           simulated_s = (double)t.simulated_ns / 1e9;
    printf("seeds %" PRIu64 " to %" PRIu64 ": %" PRIu64
           " failed; %.0f h simulated in %.1f s, %.0f times as fast as real time\n"
           "%" PRIu64 " ticks, %" PRIu64 " terms, %" PRIu64 " requests, %" PRIu64
           " events; all traces %016" PRIx64 "\n",
           o->first, o->first + next - 1, t.failed, simulated_s / 3600, real_s,
           simulated_s / real_s, t.ticks, t.terms, t.requests, t.events, t.traces);
    return t.failed > 0 ? 1 : 0;
}

int main(int argc, char **argv)
{
    struct options o;
    mallopt(M_TRIM_THRESHOLD, 64 << 20); /* freed memory is taken again soon */
    mallopt(M_TOP_PAD, 1 << 20);
    parse(&o, argc, argv);
    return o.one ? run_one(&o) : run_many(&o);
}
