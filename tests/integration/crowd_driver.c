/*
 * Many candidates for one Lease in one process and on one loop: each has its own elector, client, connections, identity and
 * incarnation, as processes of their own would have.
 *
 *   crowd_driver KUBECONFIG LEASE NAMESPACE [key=value ...]
 *
 * Keys: count, duration_ms, deadline_ms, retry_ms, standby (cold, warm, auto), crowd (0, 1), spread_ms (their starts are spread over it).
 *
 * Reads commands from standard input, one a line, and answers each with one line of JSON on standard output; the log goes to
 * standard error. Ends with its input, without releasing anything.
 *
 *   state              {"started", "leaders": [number of each candidate that leads], "may_emit_most": most gates that were open at the
 *                      same time, looked at each 5 ms, "terms", "terms_lost", "renewals_failed", "calls_failed", "resident"}
 *   release N          candidate N ends in order
 *   crash N            candidate N ends without releasing the Lease
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/limits.h"
#include "election/elector.h"
#include "io/file.h"

#include "driver_input.h"

#define MS INT64_C(1000000)
#define LOOK_NS (5 * MS)
#define START_STEP_NS (20 * MS)
enum { CANDIDATES_MAX = 5000 };

struct driver;
struct candidate {
    struct driver *driver;
    struct elector_set *set;
    struct elector *elector; /* NULL: not started, or gone */
    struct elector_user user;
    bool is_ending;
};
struct driver {
    struct loop *loop;
    struct log *log;
    struct logger logger;
    struct elector_config config;
    struct candidate candidates[CANDIDATES_MAX];
    size_t count, started;
    int64_t spread_ns, begun_ns;
    size_t may_emit_most;
    struct loop_timer look, start;
    struct driver_input input;
};

/* -- candidates -- */

static void on_role(void *arg, enum elector_role role)
{
    (void)arg, (void)role;
}

static struct elector *get(struct driver *d, size_t n, uint64_t generation, bool release)
{
    struct err err;
    char name[64];
    struct elector_config config = d->config;
    config.identity = str_make(name, (size_t)snprintf(name, sizeof name, "candidate %zu", n));
    config.release_on_shutdown = release;
    struct elector *e = elector_get(d->candidates[n].set, &config, generation, &err);
    if (e == NULL) {
        fprintf(stderr, "%s\n", err.text);
        exit(2);
    }
    return e;
}

static void start(struct driver *d, size_t n)
{
    struct candidate *c = &d->candidates[n];
    c->driver = d;
    c->set = elector_set_new(d->loop, &d->logger);
    c->elector = get(d, n, 1, true);
    c->user = (struct elector_user){.on_role = on_role, .arg = c};
    elector_join(c->elector, &c->user);
    elector_start(c->elector);
}

static void on_start(void *arg)
{
    struct driver *d = arg;
    int64_t passed_ns = loop_boot_ns(d->loop) - d->begun_ns;
    size_t due = d->spread_ns == 0 || passed_ns >= d->spread_ns
                     ? d->count
                     : (size_t)((double)passed_ns / (double)d->spread_ns * (double)d->count);
    while (d->started < due)
        start(d, d->started++);
    if (d->started < d->count)
        loop_timer_set_after(&d->start, START_STEP_NS);
}

static void on_gone(void *arg)
{
    struct candidate *c = arg;
    elector_set_free(c->set);
    c->set = NULL;
}

static void end(struct candidate *c, bool release)
{
    struct driver *d = c->driver;
    size_t n = (size_t)(c - d->candidates);
    CHECK(c->elector != NULL && !c->is_ending);
    c->is_ending = true;
    if (!release) /* other settings by a new reference, as after a reload */
        elector_unref(get(d, n, 2, false), NULL, NULL);
    elector_leave(c->elector, &c->user);
    elector_unref(c->elector, on_gone, c);
    c->elector = NULL;
}

static void on_look(void *arg)
{
    struct driver *d = arg;
    size_t open = 0;
    for (size_t i = 0; i < d->started; i++)
        open += d->candidates[i].elector != NULL && elector_may_emit(d->candidates[i].elector);
    if (open > d->may_emit_most)
        d->may_emit_most = open;
    loop_timer_set_after(&d->look, LOOK_NS);
}

/* -- answers -- */

static void answer(struct buf *b)
{
    buf_byte(b, '\n');
    CHECK(!b->overflow && write(STDOUT_FILENO, b->data, b->len) == (ssize_t)b->len);
    buf_deinit(b);
}

static uint64_t resident_bytes(void)
{
    struct buf text;
    struct err err;
    str total, rest, resident;
    uint64_t pages = 0;
    buf_init(&text, 4 * KIB);
    CHECK(file_read("/proc/self/statm", &text, &err));
    CHECK(str_cut(buf_view(&text), ' ', &total, &rest) && str_cut(rest, ' ', &resident, &rest) &&
          str_to_u64(resident, &pages));
    buf_deinit(&text);
    return pages * (uint64_t)sysconf(_SC_PAGESIZE);
}

static void say_state(struct driver *d)
{
    struct elector_stats sum = {0};
    struct buf b;
    bool first = true;
    buf_init(&b, 64 * KIB);
    buf_text(&b, "{\"leaders\": [");
    for (size_t i = 0; i < d->started; i++) {
        struct elector_stats stats;
        if (d->candidates[i].elector == NULL)
            continue;
        elector_statistics(d->candidates[i].elector, &stats);
        if (stats.leading)
            buf_printf(&b, "%s%zu", first ? "" : ", ", i);
        first = first && !stats.leading;
        sum.terms += stats.terms;
        sum.terms_lost += stats.terms_lost;
        sum.renewals_failed += stats.renewals_failed;
        sum.calls_failed += stats.calls_failed;
    }
    buf_printf(&b,
               "], \"started\": %zu, \"may_emit_most\": %zu, \"terms\": %" PRIu64
               ", \"terms_lost\": %" PRIu64 ", \"renewals_failed\": %" PRIu64
               ", \"calls_failed\": %" PRIu64 ", \"resident\": %" PRIu64 "}",
               d->started, d->may_emit_most, sum.terms, sum.terms_lost, sum.renewals_failed,
               sum.calls_failed, resident_bytes());
    answer(&b);
}

static void run_command(void *arg, str line)
{
    struct driver *d = arg;
    str word, number;
    uint64_t n = 0;
    str_cut(line, ' ', &word, &number);
    if (str_eqz(word, "state")) {
        say_state(d);
        return;
    }
    bool release = str_eqz(word, "release");
    if ((!release && !str_eqz(word, "crash")) || !str_to_u64(number, &n) || n >= d->started ||
        d->candidates[n].elector == NULL) {
        fprintf(stderr, "what is \"%.*s\"?\n", STR_ARG(line));
        exit(2);
    }
    end(&d->candidates[n], release);
    struct buf b;
    buf_init(&b, 16);
    buf_text(&b, "{}");
    answer(&b);
}

/* -- life -- */

static void set_option(struct driver *d, str key, str value)
{
    struct elector_config *c = &d->config;
    int64_t n = 0;
    if (str_eqz(key, "standby")) {
        c->standby = str_eqz(value, "cold")   ? STANDBY_COLD
                     : str_eqz(value, "warm") ? STANDBY_WARM
                                              : STANDBY_AUTO;
        return;
    }
    CHECK(str_to_i64(value, &n));
    if (str_eqz(key, "count"))
        d->count = (size_t)n;
    else if (str_eqz(key, "duration_ms"))
        c->lease_duration_ns = n * MS;
    else if (str_eqz(key, "deadline_ms"))
        c->renew_deadline_ns = n * MS;
    else if (str_eqz(key, "retry_ms"))
        c->retry_period_ns = n * MS;
    else if (str_eqz(key, "crowd"))
        c->crowd = n == 1;
    else if (str_eqz(key, "spread_ms"))
        d->spread_ns = n * MS;
    else
        CHECK(false);
}

static void configure(struct driver *d, int argc, char **argv)
{
    d->config = (struct elector_config){
        .kube = {.auth = KUBE_AUTH_KUBECONFIG, .kubeconfig_path = str_from(argv[1])},
        .lease_name = str_from(argv[2]),
        .lease_namespace = str_from(argv[3]),
        .lease_duration_ns = 15000 * MS,
        .renew_deadline_ns = 10000 * MS,
        .retry_period_ns = 2000 * MS,
        .safety_margin_ns = 1000 * MS,
        .request_timeout_ns = 5000 * MS, /* one processor does the work of a thousand */
        .dead_holder_check = DEAD_HOLDER_OFF,
    };
    d->count = 10;
    for (int i = 4; i < argc; i++) {
        str key, value;
        CHECK(str_cut(str_from(argv[i]), '=', &key, &value));
        set_option(d, key, value);
    }
    CHECK(d->count <= CANDIDATES_MAX);
}

int main(int argc, char **argv)
{
    static struct driver driver;
    struct driver *d = &driver;
    struct err err;
    if (argc < 4) {
        fprintf(stderr, "usage: crowd_driver KUBECONFIG LEASE NAMESPACE [key=value ...]\n");
        return 2;
    }
    configure(d, argc, argv);
    d->log = driver_log_new(LOG_WARN, &d->loop);
    d->logger.log = d->log;
    d->loop = loop_new(&d->logger, &err);
    CHECK(d->loop != NULL);
    loop_timer_init(d->loop, &d->look, "gates", on_look, d);
    loop_timer_init(d->loop, &d->start, "starts", on_start, d);
    d->begun_ns = loop_boot_ns(d->loop);
    loop_timer_set_after(&d->look, 0);
    loop_timer_set_after(&d->start, 0);
    driver_input_begin(&d->input, d->loop, run_command, d);
    loop_run(d->loop);
    return 0; /* whatever the candidates have under way ends with the process */
}
