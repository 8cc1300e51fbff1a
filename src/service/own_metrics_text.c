/*
 * What the page of own metrics says, from counters that components keep anyway: nothing is gathered
 * while nobody asks.
 *
 * Names that the Go collector has as well begin with otelcol_ and mean the same, so that its
 * dashboards work; what only baton has begins with baton_.
 *
 * Order of the text: process, receivers, exporters, elections, watches, the loop. A family's samples
 * must stand together, so each family walks over its components by itself; the lists are short.
 *
 * Two watches with equal labels (other credentials, another selection of fields) are added up, since
 * a series may appear only once. So are two Leases of one name in the four old metrics, which do not
 * know namespaces.
 *
 * Specification: collector_host 9; leader_election 3.3 (the old metrics).
 */
#include "io/process_usage.h"
#include "kube/object.h"
#include "kube/watches.h"
#include "service/own_metrics.h"
#include "service/service_internal.h"

#define SECONDS(ns) ((double)(ns) / 1e9)

static const char *const data_types[SIGNAL_COUNT] = {"metrics", "logs", "traces"};

static void one_count(struct metrics_page *p, const struct metrics_family *family, uint64_t value)
{
    metrics_page_family(p, family);
    metrics_page_begin(p);
    metrics_page_end_count(p, value);
}

static void one_value(struct metrics_page *p, const struct metrics_family *family, double value)
{
    metrics_page_family(p, family);
    metrics_page_begin(p);
    metrics_page_end(p, value);
}

static void put_process(struct metrics_page *p, const struct service *s)
{
    static const struct metrics_family uptime = {"otelcol_process_uptime", "seconds",
                                                 FAMILY_COUNTER, false,
                                                 "Time since this process began to serve."},
                                       cpu = {"otelcol_process_cpu_seconds", NULL, FAMILY_COUNTER,
                                              false,
                                              "Processor time of this process, user and system."},
                                       rss = {"otelcol_process_memory_rss", "bytes", FAMILY_GAUGE,
                                              false, "Resident memory of this process."};
    struct process_usage usage;
    process_usage_read(&usage);
    one_value(p, &uptime, SECONDS(loop_boot_ns(s->loop) - s->begun_ns));
    one_value(p, &cpu, usage.cpu_s);
    one_count(p, &rss, usage.rss_bytes);
}

/* ---- receivers ---- */

static void put_receiver_items(struct metrics_page *p, const struct graph *g,
                               const struct metrics_family families[SIGNAL_COUNT], bool accepted)
{
    for (size_t signal = 0; signal < SIGNAL_COUNT; signal++) {
        metrics_page_family(p, &families[signal]);
        for (size_t i = 0; i < g->receiver_count; i++) {
            const struct receiver_node *n = &g->receivers[i];
            if ((n->receiver.signals & (1U << signal)) == 0)
                continue;
            metrics_page_begin(p);
            metrics_page_label(p, "receiver", n->receiver.base.id);
            metrics_page_label(p, "transport", STR(""));
            metrics_page_end_count(p, accepted ? n->counters.accepted_items[signal]
                                               : n->counters.refused_items[signal]);
        }
    }
}

static void put_parts(struct metrics_page *p, const struct receiver_node *n, const char *key,
                      const char *const names[], const uint64_t values[], size_t count)
{
    for (size_t i = 0; i < count; i++) {
        metrics_page_begin(p);
        metrics_page_label(p, "receiver", n->receiver.base.id);
        metrics_page_label(p, key, str_from(names[i]));
        metrics_page_end_count(p, values[i]);
    }
}

static void put_ticks(struct metrics_page *p, const struct graph *g)
{
    static const char *const results[] = {"emitted", "skipped", "withheld", "abandoned"};
    static const struct metrics_family family = {
        "baton_receiver_ticks", NULL, FAMILY_COUNTER, false,
        "Rounds of collection that were due, by what became of them."};
    metrics_page_family(p, &family);
    for (size_t i = 0; i < g->receiver_count; i++) {
        const struct receiver_counters *c = &g->receivers[i].counters;
        const uint64_t values[] = {c->ticks_emitted, c->ticks_skipped, c->ticks_withheld,
                                   c->ticks_abandoned};
        if (g->receivers[i].receiver.type->kind == RECEIVER_PULL)
            put_parts(p, &g->receivers[i], "result", results, values, COUNT_OF(results));
    }
}

static void put_crash_ticks(struct metrics_page *p, const struct graph *g)
{
    static const struct metrics_family families[] = {
        {"baton_receiver_ticks_left_out", NULL, FAMILY_COUNTER, false,
         "Ticks that a crashed leader may have emitted, and that its successor therefore left out."},
        {"baton_receiver_ticks_repeated", NULL, FAMILY_COUNTER, false,
         "Emitted ticks that a crashed leader may have emitted as well."}};
    for (size_t which = 0; which < COUNT_OF(families); which++) {
        metrics_page_family(p, &families[which]);
        for (size_t i = 0; i < g->receiver_count; i++) {
            const struct receiver_node *n = &g->receivers[i];
            if (n->receiver.type->kind != RECEIVER_PULL || !n->gated)
                continue;
            metrics_page_begin(p);
            metrics_page_label(p, "receiver", n->receiver.base.id);
            metrics_page_end_count(p, which == 0 ? n->counters.ticks_left_out
                                                 : n->counters.ticks_repeated);
        }
    }
}

static void put_batches(struct metrics_page *p, const struct graph *g)
{
    static const char *const results[] = {"emitted", "withheld"};
    static const char *const outcomes[] = {"sent", "dropped", "refused"};
    static const struct metrics_family
        batches = {"baton_receiver_batches", NULL, FAMILY_COUNTER, false,
                   "Batches that a receiver made: handed to its pipelines, or withheld because "
                   "this replica might not lead any more."},
        settled = {"baton_receiver_batch_outcomes", NULL, FAMILY_COUNTER, false,
                   "Handed over batches by what became of them at the worst of their exporters."};
    metrics_page_family(p, &batches);
    for (size_t i = 0; i < g->receiver_count; i++) {
        const struct receiver_counters *c = &g->receivers[i].counters;
        const uint64_t values[] = {c->batches_emitted, c->batches_withheld};
        put_parts(p, &g->receivers[i], "result", results, values, COUNT_OF(results));
    }
    metrics_page_family(p, &settled);
    for (size_t i = 0; i < g->receiver_count; i++)
        put_parts(p, &g->receivers[i], "outcome", outcomes, g->receivers[i].counters.outcomes,
                  COUNT_OF(outcomes));
}

static void put_receivers(struct metrics_page *p, const struct graph *g)
{
    static const struct metrics_family
        accepted[SIGNAL_COUNT] =
            {
                {"otelcol_receiver_accepted_metric_points", NULL, FAMILY_COUNTER, false,
                 "Data points that a receiver handed to its pipelines."},
                {"otelcol_receiver_accepted_log_records", NULL, FAMILY_COUNTER, false,
                 "Log records that a receiver handed to its pipelines."},
                {"otelcol_receiver_accepted_spans", NULL, FAMILY_COUNTER, false,
                 "Spans that a receiver handed to its pipelines."},
            },
        refused[SIGNAL_COUNT] =
            {
                {"otelcol_receiver_refused_metric_points", NULL, FAMILY_COUNTER, false,
                 "Data points that were withheld from the pipelines."},
                {"otelcol_receiver_refused_log_records", NULL, FAMILY_COUNTER, false,
                 "Log records that were withheld from the pipelines."},
                {"otelcol_receiver_refused_spans", NULL, FAMILY_COUNTER, false,
                 "Spans that were withheld from the pipelines."},
            },
        active = {"baton_receiver_active", NULL, FAMILY_GAUGE, false,
                  "1 while the receiver collects: it leads, or needs no leader."};
    put_receiver_items(p, g, accepted, true);
    put_receiver_items(p, g, refused, false);
    metrics_page_family(p, &active);
    for (size_t i = 0; i < g->receiver_count; i++) {
        metrics_page_begin(p);
        metrics_page_label(p, "receiver", g->receivers[i].receiver.base.id);
        metrics_page_end_count(p, g->receivers[i].active);
    }
    put_ticks(p, g);
    put_crash_ticks(p, g);
    put_batches(p, g);
}

/* ---- exporters ---- */

/* One value of each exporter and signal. */
enum exporter_value { SENT, SEND_FAILED, ENQUEUE_FAILED, QUEUE_SIZE, QUEUE_CAPACITY };

static uint64_t exporter_value(const struct exporter_stats *stats, enum exporter_value which,
                               size_t signal)
{
    switch (which) {
    case SENT:
        return stats->sent[signal];
    case SEND_FAILED:
        return stats->send_failed[signal];
    case ENQUEUE_FAILED:
        return stats->enqueue_failed[signal];
    case QUEUE_SIZE:
        return stats->queue_size[signal];
    case QUEUE_CAPACITY:
        return stats->queue_capacity;
    }
    return 0;
}

static bool exporter_stats_get(const struct exporter_node *n, struct exporter_stats *stats)
{
    *stats = (struct exporter_stats){0};
    if (n->exporter.type->statistics == NULL)
        return false;
    n->exporter.type->statistics(&n->exporter, stats);
    return true;
}

static void put_exporter_signal(struct metrics_page *p, const struct graph *g, size_t signal,
                                enum exporter_value which)
{
    bool of_queue = which == QUEUE_SIZE || which == QUEUE_CAPACITY;
    for (size_t i = 0; i < g->exporter_count; i++) {
        const struct exporter_node *n = &g->exporters[i];
        struct exporter_stats stats;
        if ((n->exporter.signals & (1U << signal)) == 0 || !exporter_stats_get(n, &stats) ||
            (of_queue && !stats.has_queue))
            continue;
        metrics_page_begin(p);
        if (of_queue)
            metrics_page_label(p, "data_type", str_from(data_types[signal]));
        metrics_page_label(p, "exporter", n->exporter.base.id);
        metrics_page_end_count(p, exporter_value(&stats, which, signal));
    }
}

static void put_exporter_items(struct metrics_page *p, const struct graph *g)
{
    static const struct metrics_family families[3][SIGNAL_COUNT] = {
        {
            {"otelcol_exporter_sent_metric_points", NULL, FAMILY_COUNTER, false,
             "Data points that the backend took."},
            {"otelcol_exporter_sent_log_records", NULL, FAMILY_COUNTER, false,
             "Log records that the backend took."},
            {"otelcol_exporter_sent_spans", NULL, FAMILY_COUNTER, false,
             "Spans that the backend took."},
        },
        {
            {"otelcol_exporter_send_failed_metric_points", NULL, FAMILY_COUNTER, false,
             "Data points that were given up after they had been in the queue."},
            {"otelcol_exporter_send_failed_log_records", NULL, FAMILY_COUNTER, false,
             "Log records that were given up after they had been in the queue."},
            {"otelcol_exporter_send_failed_spans", NULL, FAMILY_COUNTER, false,
             "Spans that were given up after they had been in the queue."},
        },
        {
            {"otelcol_exporter_enqueue_failed_metric_points", NULL, FAMILY_COUNTER, false,
             "Data points for which the queue had no room."},
            {"otelcol_exporter_enqueue_failed_log_records", NULL, FAMILY_COUNTER, false,
             "Log records for which the queue had no room."},
            {"otelcol_exporter_enqueue_failed_spans", NULL, FAMILY_COUNTER, false,
             "Spans for which the queue had no room."},
        },
    };
    for (size_t which = 0; which < COUNT_OF(families); which++)
        for (size_t signal = 0; signal < SIGNAL_COUNT; signal++) {
            metrics_page_family(p, &families[which][signal]);
            put_exporter_signal(p, g, signal, (enum exporter_value)which);
        }
}

static void put_queues(struct metrics_page *p, const struct graph *g)
{
    static const struct metrics_family
        sizes[] = {{"otelcol_exporter_queue_size", NULL, FAMILY_GAUGE, false,
                    "What is in the sending queue now, in requests, items or bytes as its sizer "
                    "says."},
                   {"otelcol_exporter_queue_capacity", NULL, FAMILY_GAUGE, false,
                    "What the sending queue may hold, in the same; signals share it."}},
        totals[] = {
            {"baton_exporter_queue_bytes", NULL, FAMILY_GAUGE, false,
             "Memory of what waits in the sending queue, encoded or not."},
            {"baton_exporter_requests", NULL, FAMILY_COUNTER, false, "Attempts to send a request."},
            {"baton_exporter_retries", NULL, FAMILY_COUNTER, false,
             "Those of them that were not the first of their request."}};
    for (size_t which = 0; which < COUNT_OF(sizes); which++) {
        metrics_page_family(p, &sizes[which]);
        for (size_t signal = 0; signal < SIGNAL_COUNT; signal++)
            put_exporter_signal(p, g, signal, (enum exporter_value)(QUEUE_SIZE + which));
    }
    for (size_t which = 0; which < COUNT_OF(totals); which++) {
        metrics_page_family(p, &totals[which]);
        for (size_t i = 0; i < g->exporter_count; i++) {
            const struct exporter_node *n = &g->exporters[i];
            struct exporter_stats stats;
            if (!exporter_stats_get(n, &stats) || (!stats.has_queue && stats.requests == 0))
                continue;
            const uint64_t values[] = {stats.queue_bytes, stats.requests, stats.retries};
            metrics_page_begin(p);
            metrics_page_label(p, "exporter", n->exporter.base.id);
            metrics_page_end_count(p, values[which]);
        }
    }
}

/* ---- elections ---- */

static bool is_leading(const struct elector *e)
{
    struct elector_stats stats;
    elector_statistics(e, &stats);
    return stats.leading;
}

static bool have_equal_labels(const struct elector *a, const struct elector *b)
{
    return str_eq(elector_lease_name(a), elector_lease_name(b)) &&
           str_eq(elector_lease_namespace(a), elector_lease_namespace(b));
}

/* Into a list of pointers. Of two with equal labels (a reload changes the credentials or the identity, and the old one is not gone
 * yet; or there are two servers) the one that leads. */
static void collect_elector(void *arg, struct elector *e)
{
    struct buf *list = arg;
    struct elector **known = (struct elector **)(void *)list->data;
    for (size_t i = 0; i < list->len / sizeof(struct elector *); i++) {
        if (!have_equal_labels(known[i], e))
            continue;
        if (is_leading(e) && !is_leading(known[i]))
            known[i] = e;
        return;
    }
    buf_append(list, &e, sizeof(struct elector *));
}

static void put_election_times(struct metrics_page *p, int64_t now_ns,
                               struct elector *const *electors, size_t count)
{
    static const struct metrics_family
        age = {"baton_leader_elector_last_renewal_age_seconds", NULL, FAMILY_GAUGE, false,
               "Time since the last successful renewal was sent; only while this replica leads."},
        open = {"baton_leader_elector_gate_open_seconds", NULL, FAMILY_GAUGE, false,
                "How long this replica may still emit without another renewal; 0: it may not."};
    metrics_page_family(p, &age);
    for (size_t i = 0; i < count; i++) {
        struct elector_stats stats;
        elector_statistics(electors[i], &stats);
        if (!stats.leading)
            continue;
        metrics_page_begin(p);
        metrics_page_label(p, "lease", elector_lease_name(electors[i]));
        metrics_page_label(p, "namespace", elector_lease_namespace(electors[i]));
        metrics_page_end(p, SECONDS(now_ns - stats.renewed_ns));
    }
    metrics_page_family(p, &open);
    for (size_t i = 0; i < count; i++) {
        struct elector_stats stats;
        elector_statistics(electors[i], &stats);
        metrics_page_begin(p);
        metrics_page_label(p, "lease", elector_lease_name(electors[i]));
        metrics_page_label(p, "namespace", elector_lease_namespace(electors[i]));
        metrics_page_end(p, stats.gate_ns > now_ns ? SECONDS(stats.gate_ns - now_ns) : 0);
    }
}

static void put_roles(struct metrics_page *p, struct elector *const *electors, size_t count)
{
    static const char *const roles[] = {"cold", "warm", "leading"}; /* as the enum */
    static const struct metrics_family
        role = {"baton_leader_elector_role", NULL, FAMILY_GAUGE, false,
                "1 for the role that this replica has now."},
        standby = {"baton_leader_elector_has_standby", NULL, FAMILY_GAUGE, false,
                   "1 if a replica, this one or another, holds the standby's Lease."},
        synced = {"baton_leader_elector_standby_synced", NULL, FAMILY_GAUGE, false,
                  "1 if that replica says that its stores are full."};
    const struct metrics_family *families[] = {&role, &standby, &synced};
    for (size_t which = 0; which < COUNT_OF(families); which++) {
        metrics_page_family(p, families[which]);
        for (size_t i = 0; i < count; i++) {
            struct elector_stats stats;
            elector_statistics(electors[i], &stats);
            bool by_role = which == 0;
            if (!by_role && elector_standby(electors[i]) != STANDBY_AUTO)
                continue;
            for (size_t k = 0; k < (by_role ? COUNT_OF(roles) : 1); k++) {
                metrics_page_begin(p);
                metrics_page_label(p, "lease", elector_lease_name(electors[i]));
                metrics_page_label(p, "namespace", elector_lease_namespace(electors[i]));
                if (by_role)
                    metrics_page_label(p, "role", str_from(roles[k]));
                metrics_page_end_count(p, by_role      ? k == (size_t)stats.role
                                          : which == 1 ? stats.has_standby
                                                       : stats.standby_is_synced);
            }
        }
    }
}

static void put_elections(struct metrics_page *p, const struct service *s)
{
    static const struct metrics_family families[] = {
        {"baton_leader_elector_is_leader", NULL, FAMILY_GAUGE, false,
         "1 while this replica leads by this Lease."},
        {"baton_leader_elector_terms", NULL, FAMILY_COUNTER, false,
         "How often this process began to lead."},
        {"baton_leader_elector_terms_lost", NULL, FAMILY_COUNTER, false,
         "Terms that ended by another holder or for lack of a renewal in time; a release is no "
         "loss."},
        {"baton_leader_elector_renewals", NULL, FAMILY_COUNTER, false,
         "Renewals of the Lease that succeeded."},
        {"baton_leader_elector_renewals_failed", NULL, FAMILY_COUNTER, false,
         "Renewals of the Lease that did not."},
        {"baton_leader_elector_calls_failed", NULL, FAMILY_COUNTER, false,
         "Calls to the API server for the Lease, of any kind, that failed or were forbidden."},
        {"baton_leader_elector_dead_holders", NULL, FAMILY_COUNTER, false,
         "Claims before the Lease expired, since the holder was proven to be dead."},
    };
    struct buf list;
    buf_init(&list, SIZE_MAX);
    electors_each(s->electors, collect_elector, &list);
    struct elector *const *electors = (struct elector *const *)(void *)list.data;
    size_t count = list.len / sizeof(struct elector *);
    for (size_t which = 0; which < COUNT_OF(families); which++) {
        metrics_page_family(p, &families[which]);
        for (size_t i = 0; i < count; i++) {
            struct elector_stats stats;
            elector_statistics(electors[i], &stats);
            const uint64_t values[] = {stats.leading,     stats.terms,           stats.terms_lost,
                                       stats.renewals,    stats.renewals_failed, stats.calls_failed,
                                       stats.dead_holders};
            metrics_page_begin(p);
            metrics_page_label(p, "lease", elector_lease_name(electors[i]));
            metrics_page_label(p, "namespace", elector_lease_namespace(electors[i]));
            metrics_page_end_count(p, values[which]);
        }
    }
    put_election_times(p, loop_boot_ns(s->loop), electors, count);
    put_roles(p, electors, count);
    buf_deinit(&list);
}

/* singleton_receiver_creator's; its count of losses begins with the one that client-go tells at the start. */
enum { OLD_STATUS, OLD_ACQUIRED, OLD_LOST, OLD_SLOWPATH, OLD_COUNT };
struct old_row {
    str lease;
    uint64_t values[OLD_COUNT];
};

/* The elector of an extension that asks for the old metrics; NULL: it does not, or has given it up at a stop. */
static const struct elector *old_elector(struct extension_node *n)
{
    struct extension *x = &n->extension;
    bool asks = x->type->has_old_metrics != NULL && x->type->has_old_metrics(x);
    return asks ? x->type->elector(x) : NULL;
}

/* Two extensions may share one. */
static bool is_counted(const struct graph *g, size_t index, const struct elector *e)
{
    for (size_t i = 0; i < index; i++)
        if (old_elector(&g->extensions[i]) == e)
            return true;
    return false;
}

static void add_old_row(struct old_row *rows, size_t *count, const struct elector *e)
{
    struct elector_stats stats;
    elector_statistics(e, &stats);
    str lease = elector_lease_name(e);
    size_t at = 0;
    while (at < *count && !str_eq(rows[at].lease, lease))
        at++;
    if (at == *count)
        rows[(*count)++] = (struct old_row){.lease = lease};
    rows[at].values[OLD_STATUS] |= stats.leading;
    rows[at].values[OLD_ACQUIRED] += stats.terms;
    rows[at].values[OLD_LOST] += stats.terms_lost + 1;
    rows[at].values[OLD_SLOWPATH] += stats.renewals_failed;
}

static void put_old_election_metrics(struct metrics_page *p, const struct graph *g)
{
    static const struct metrics_family families[OLD_COUNT] = {
        {"otelcol_receiver_singleton_leader_status", NULL, FAMILY_GAUGE, true,
         "1 while this replica leads by this Lease."},
        {"otelcol_receiver_singleton_lease_acquired_total", NULL, FAMILY_COUNTER, true,
         "How often this process began to lead."},
        {"otelcol_receiver_singleton_lease_lost_total", NULL, FAMILY_COUNTER, true,
         "How often this process stopped leading, and once for its start."},
        {"otelcol_receiver_singleton_lease_slowpath_total", NULL, FAMILY_COUNTER, true,
         "Renewals that failed, so that the Lease had to be read again."},
    };
    struct old_row *rows = mem_zalloc((g->extension_count + 1) * sizeof *rows);
    size_t count = 0;
    for (size_t i = 0; i < g->extension_count; i++) {
        const struct elector *e = old_elector(&g->extensions[i]);
        if (e != NULL && !is_counted(g, i, e))
            add_old_row(rows, &count, e);
    }
    for (size_t which = 0; which < OLD_COUNT; which++) {
        metrics_page_family(p, &families[which]);
        for (size_t i = 0; i < count; i++) {
            metrics_page_begin(p);
            metrics_page_label(p, "lease", rows[i].lease);
            metrics_page_end_count(p, rows[i].values[which]);
        }
    }
    mem_free(rows);
}

/* ---- watches ---- */

struct watch_row {
    str resource, namespace, selectors;
    struct watch_stats stats;
    uint64_t troubles[WATCH_FAILING + 1];
};
struct watch_rows {
    struct arena arena;
    struct buf rows;
};

static void collect_watch(void *arg, struct watch *w)
{
    struct watch_rows *list = arg;
    struct watch_row row = {0};
    struct buf resource;
    buf_init(&resource, 1024);
    watch_describe(w, &resource, &row.namespace, &row.selectors);
    row.resource = arena_str(&list->arena, buf_view(&resource));
    buf_deinit(&resource);
    watch_statistics(w, &row.stats);
    row.troubles[watch_trouble(w)] = 1;
    struct watch_row *rows = (struct watch_row *)(void *)list->rows.data;
    for (size_t i = 0; i < list->rows.len / sizeof row; i++) {
        if (!str_eq(rows[i].resource, row.resource) || !str_eq(rows[i].namespace, row.namespace) ||
            !str_eq(rows[i].selectors, row.selectors))
            continue;
        rows[i].stats.object_count += row.stats.object_count;
        rows[i].stats.bytes += row.stats.bytes;
        rows[i].stats.events += row.stats.events;
        rows[i].stats.lists += row.stats.lists;
        rows[i].stats.watch_requests += row.stats.watch_requests;
        rows[i].stats.decode_failures += row.stats.decode_failures;
        rows[i].stats.bytes_received += row.stats.bytes_received;
        for (size_t k = 0; k < COUNT_OF(row.troubles); k++)
            rows[i].troubles[k] += row.troubles[k];
        return;
    }
    buf_append(&list->rows, &row, sizeof row);
}

static void begin_watch(struct metrics_page *p, const struct watch_row *row)
{
    metrics_page_begin(p);
    metrics_page_label(p, "resource", row->resource);
    metrics_page_label(p, "namespace", row->namespace);
    metrics_page_label(p, "selector", row->selectors);
}

static void put_watch_troubles(struct metrics_page *p, const struct watch_row *rows, size_t count)
{
    static const char *const names[] = {"", "forbidden", "not_served", "failing"};
    static const struct metrics_family family = {
        "baton_watch_trouble", NULL, FAMILY_GAUGE, false,
        "Watches that cannot be kept up, and why; those without trouble do not appear."};
    metrics_page_family(p, &family);
    for (size_t i = 0; i < count; i++)
        for (size_t k = WATCH_FORBIDDEN; k <= WATCH_FAILING; k++) {
            if (rows[i].troubles[k] == 0)
                continue;
            begin_watch(p, &rows[i]);
            metrics_page_label(p, "trouble", str_from(names[k]));
            metrics_page_end_count(p, rows[i].troubles[k]);
        }
}

static void put_watches(struct metrics_page *p, const struct service *s)
{
    static const struct metrics_family
        families[] = {{"baton_watch_objects", NULL, FAMILY_GAUGE, false,
                       "Objects that are kept of this resource."},
                      {"baton_watch_store_bytes", NULL, FAMILY_GAUGE, false,
                       "Memory of the store of this resource: its objects and their index."},
                      {"baton_watch_events", NULL, FAMILY_COUNTER, false,
                       "Objects that lists and watches delivered, deletions included."},
                      {"baton_watch_lists", NULL, FAMILY_COUNTER, false,
                       "Requests for a list, each page counted."},
                      {"baton_watch_requests", NULL, FAMILY_COUNTER, false,
                       "Requests for a watch."},
                      {"baton_watch_decode_failures", NULL, FAMILY_COUNTER, false,
                       "Objects that could not be read."},
                      {"baton_watch_received_bytes", NULL, FAMILY_COUNTER, false,
                       "Bytes that lists and watches delivered."}},
        pool = {"baton_object_pool_bytes", NULL, FAMILY_GAUGE, false,
                "Memory of all stores together: objects, shared strings, and what is free in "
                "their slabs."};
    struct watch_rows list;
    arena_init(&list.arena, 1024);
    buf_init(&list.rows, SIZE_MAX);
    watches_each(s->watches, collect_watch, &list);
    const struct watch_row *rows = (const struct watch_row *)(void *)list.rows.data;
    size_t count = list.rows.len / sizeof *rows;
    for (size_t which = 0; which < COUNT_OF(families); which++) {
        metrics_page_family(p, &families[which]);
        for (size_t i = 0; i < count; i++) {
            const struct watch_stats *w = &rows[i].stats;
            const uint64_t values[] = {w->object_count,  w->bytes,          w->events,
                                       w->lists,         w->watch_requests, w->decode_failures,
                                       w->bytes_received};
            begin_watch(p, &rows[i]);
            metrics_page_end_count(p, values[which]);
        }
    }
    put_watch_troubles(p, rows, count);
    one_count(p, &pool, object_pool_bytes(watches_pool(s->watches)));
    buf_deinit(&list.rows);
    arena_deinit(&list.arena);
}

/* ---- the loop ---- */

static void put_slow_handler(void *arg, const char *name, uint64_t count)
{
    struct metrics_page *p = arg;
    metrics_page_begin(p);
    metrics_page_label(p, "handler", str_from(name));
    metrics_page_end_count(p, count);
}

void own_metrics_text(const struct service *s, struct metrics_page *p)
{
    static const struct metrics_family slow = {
        "baton_loop_slow_handlers", NULL, FAMILY_COUNTER, false,
        "How often this handler held the event loop up for more than 10 ms."};
    static const struct metrics_family unfinished = {
        "baton_drains_unfinished", NULL, FAMILY_COUNTER, false,
        "Stops and reloads at which leadership was let go before everything was acknowledged."};
    put_process(p, s);
    if (s->graph != NULL) {
        put_receivers(p, s->graph);
        put_exporter_items(p, s->graph);
        put_queues(p, s->graph);
        put_old_election_metrics(p, s->graph);
    }
    put_elections(p, s);
    metrics_page_family(p, &unfinished);
    metrics_page_begin(p);
    metrics_page_end_count(p, s->drains_unfinished);
    put_watches(p, s);
    metrics_page_family(p, &slow);
    loop_slow_each(s->loop, put_slow_handler, p);
}
