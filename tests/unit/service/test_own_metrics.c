/* Own metrics of a service in a world of fakes: what the page says, which addresses are served, and what a reload changes. */
#include "world.h"

#define DEFAULT "localhost:8888"
#define READERS(list)                                                                                                              \
    "receivers: {pull: {}}\nexporters: {sink: {}}\n"                                                                               \
    "service:\n  telemetry: {metrics: {readers: [" list "]}}\n"                                                                    \
    "  pipelines: {metrics: {receivers: [pull], exporters: [sink]}}\n"
#define AT(host, port) "{pull: {exporter: {prometheus: {host: '" host "', port: " port "}}}}"

static struct world *begin(const char *yaml)
{
    struct world *w = world_new(yaml);
    world_start(w);
    world_run(w, 0);
    return w;
}

/* The page; to be freed. */
static char *page(const char *address)
{
    struct http_reply reply;
    size_t len;
    if (!fake_http_server_get(address, "/metrics", &reply))
        fail_msg("nothing listens on %s", address);
    assert_int_equal(reply.status, 200);
    assert_string_equal(reply.content_type, "text/plain; version=0.0.4; charset=utf-8");
    return buf_take(&reply.body, &len);
}

static void expect(const char *text, const char *line)
{
    char with_ends[512];
    (void)snprintf(with_ends, sizeof with_ends, "\n%s\n", line);
    if (strstr(text, with_ends) == NULL)
        fail_msg("no line \"%s\" in:\n%s", line, text);
}

static void expect_all(const char *text, const char *const *lines, size_t count)
{
    for (size_t i = 0; i < count; i++)
        expect(text, lines[i]);
}

static void test_receivers_and_exporters(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "otelcol_process_uptime 2.5",
        "# TYPE otelcol_process_uptime counter",
        "# TYPE otelcol_receiver_accepted_metric_points counter",
        "otelcol_receiver_accepted_metric_points{receiver=\"pull\",transport=\"\"} 3",
        "otelcol_receiver_refused_metric_points{receiver=\"pull\",transport=\"\"} 0",
        "baton_receiver_active{receiver=\"pull\"} 1",
        "baton_receiver_ticks{receiver=\"pull\",result=\"emitted\"} 3",
        "baton_receiver_ticks{receiver=\"pull\",result=\"skipped\"} 0",
        "baton_receiver_batches{receiver=\"pull\",result=\"emitted\"} 3",
        "baton_receiver_batch_outcomes{receiver=\"pull\",outcome=\"sent\"} 3",
        "otelcol_exporter_sent_metric_points{exporter=\"sink\"} 1",
        "otelcol_exporter_send_failed_metric_points{exporter=\"sink\"} 4",
        "otelcol_exporter_enqueue_failed_metric_points{exporter=\"sink\"} 7",
        "# TYPE otelcol_exporter_queue_size gauge",
        "otelcol_exporter_queue_size{data_type=\"metrics\",exporter=\"sink\"} 10",
        "otelcol_exporter_queue_capacity{data_type=\"metrics\",exporter=\"sink\"} 1000",
        "baton_exporter_queue_bytes{exporter=\"sink\"} 123456",
        "baton_exporter_requests{exporter=\"sink\"} 13",
        "baton_exporter_retries{exporter=\"sink\"} 14",
        "baton_loop_slow_handlers{handler=\"fake \\\"slow\\\" handler\"} 3",
    };
    struct world *w = begin(YAML_PLAIN);
    world_run(w, 2500 * MS);
    char *text = page(DEFAULT);
    expect_all(text, lines, COUNT_OF(lines));
    assert_null(strstr(text, "log_records")); /* in no pipeline */
    assert_null(strstr(text, "singleton"));
    assert_non_null(strstr(text, "\ntarget_info{service_instance_id=\""));
    mem_free(text);
    struct http_reply reply;
    assert_true(fake_http_server_get(DEFAULT, "/", &reply));
    assert_int_equal(reply.status, 404);
    buf_deinit(&reply.body);
    assert_int_equal(world_end(w), 0);
}

static void test_watches_with_equal_labels_are_added_up(void **state)
{
    (void)state;
#define PODS "{resource=\"v1/pods\",namespace=\"\",selector=\"labelSelector=a%3D%22b%22\""
#define DEPLOYMENTS "{resource=\"apps/v1/deployments\",namespace=\"shop\",selector=\"\""
    static const char *const lines[] = {
        "baton_watch_objects" PODS "} 3",
        "baton_watch_objects" DEPLOYMENTS "} 3",
        "baton_watch_store_bytes" PODS "} 30",
        "baton_watch_lists" PODS "} 60",
        "baton_watch_requests" PODS "} 90",
        "baton_watch_events" PODS "} 120",
        "baton_watch_decode_failures" DEPLOYMENTS "} 150",
        "baton_watch_received_bytes" DEPLOYMENTS "} 180",
        "baton_watch_trouble" PODS ",trouble=\"forbidden\"} 2",
    };
    struct world *w = begin(YAML_PLAIN);
    char *text = page(DEFAULT);
    expect_all(text, lines, COUNT_OF(lines));
    assert_null(strstr(text, "baton_watch_trouble" DEPLOYMENTS));
    assert_non_null(strstr(text, "\nbaton_object_pool_bytes "));
    mem_free(text);
    assert_int_equal(world_end(w), 0);
}

static void test_ticks_around_a_crash(void **state)
{
    (void)state;
    static const char *const options[] = {"", ", repeat: true"};
    static const char *const lines[][2] = {
        {"baton_receiver_ticks_left_out{receiver=\"pull\"} 3", "baton_receiver_ticks_repeated{receiver=\"pull\"} 0"},
        {"baton_receiver_ticks_left_out{receiver=\"pull\"} 0", "baton_receiver_ticks_repeated{receiver=\"pull\"} 4"},
    };
    for (size_t i = 0; i < COUNT_OF(options); i++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml,
                 "extensions: {elect: {lease: l%s}}\nreceivers: {pull: {k8s_leader_elector: elect}, pull/free: {}}\nexporters: {sink: {}}\n"
                 "service: {extensions: [elect], pipelines: {metrics: {receivers: [pull, pull/free], exporters: [sink]}}}\n",
                 options[i]);
        struct world *w = begin(yaml);
        int64_t now = BEGIN_NS, last = now - 4500 * MS;
        fake_elector_inherit(world_elector(w, "l"), "pull",
                             (struct note_entry){.interval_ns = SECOND, .phase_ns = last % SECOND, .start_ns = last - 9 * SECOND,
                                                 .enqueued_ns = last, .acknowledged_ns = last - SECOND});
        fake_elector_lead(world_elector(w, "l"), INHERIT_EXPIRED, now - SECOND);
        world_run(w, SECOND);
        char *text = page(DEFAULT);
        expect_all(text, lines[i], 2);
        assert_null(strstr(text, "ticks_left_out{receiver=\"pull/free\"}"));
        mem_free(text);
        assert_int_equal(world_end(w), 0);
    }
}

static void test_elections(void **state)
{
    (void)state;
#define LEASE "{lease=\"l\",namespace=\"\"} "
    static const char *const standing_by[] = {
        "baton_leader_elector_is_leader" LEASE "0",
        "baton_leader_elector_terms" LEASE "0",
        "baton_leader_elector_gate_open_seconds" LEASE "0",
        "otelcol_receiver_singleton_leader_status{lease=\"l\"} 0",
        "otelcol_receiver_singleton_lease_acquired_total{lease=\"l\"} 0",
        "otelcol_receiver_singleton_lease_lost_total{lease=\"l\"} 1",
        "# TYPE otelcol_receiver_singleton_leader_status gauge",
        "# TYPE otelcol_receiver_singleton_lease_lost_total counter",
    };
    static const char *const leading[] = {
        "baton_leader_elector_is_leader" LEASE "1",
        "baton_leader_elector_terms" LEASE "1",
        "baton_leader_elector_terms_lost" LEASE "0",
        "baton_leader_elector_renewals" LEASE "7",
        "baton_leader_elector_renewals_failed" LEASE "2",
        "baton_leader_elector_calls_failed" LEASE "5",
        "baton_leader_elector_dead_holders" LEASE "6",
        "baton_leader_elector_last_renewal_age_seconds" LEASE "1.5",
        "baton_leader_elector_gate_open_seconds" LEASE "12.5",
        "otelcol_receiver_singleton_leader_status{lease=\"l\"} 1",
        "otelcol_receiver_singleton_lease_acquired_total{lease=\"l\"} 1",
        "otelcol_receiver_singleton_lease_lost_total{lease=\"l\"} 1",
        "otelcol_receiver_singleton_lease_slowpath_total{lease=\"l\"} 2",
    };
    struct world *w = begin("extensions: {elect: {lease: l, old_metrics: true}, elect/other: {lease: other}}\n"
                            "receivers: {pull: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
                            "service: {extensions: [elect, elect/other], pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n");
    char *text = page(DEFAULT);
    expect_all(text, standing_by, COUNT_OF(standing_by));
    assert_null(strstr(text, "last_renewal_age"));
    assert_null(strstr(text, "singleton_leader_status{lease=\"other\"}")); /* it did not ask */
    expect(text, "baton_leader_elector_is_leader{lease=\"other\",namespace=\"\"} 0");
    expect(text, "baton_receiver_active{receiver=\"pull\"} 0");
    mem_free(text);
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    text = page(DEFAULT);
    expect_all(text, leading, COUNT_OF(leading));
    mem_free(text);
    fake_elector_lose(world_elector(w, "l"));
    world_run(w, SECOND);
    text = page(DEFAULT);
    expect(text, "otelcol_receiver_singleton_lease_lost_total{lease=\"l\"} 2");
    mem_free(text);
    assert_int_equal(world_end(w), 0);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    while ((text = strstr(text, part)) != NULL) {
        text += strlen(part);
        n++;
    }
    return n;
}

/* A reload that changes the credentials or the identity: until the old candidate is gone there are two for one Lease. A series may
 * appear only once; it is that of the one that leads. */
static void test_two_electors_of_one_lease(void **state)
{
    (void)state;
    struct world *w = begin(YAML_GATED);
    struct elector *e = world_elector(w, "l");
    struct elector twin = {.set = e->set, .config = e->config};
    list_init(&twin.users);
    list_append(&world_electors(w)->electors, &twin.link);
    for (int leads = 0; leads < 2; leads++) {
        twin.leading = leads == 1;
        char *text = page(DEFAULT);
        assert_int_equal(count(text, "baton_leader_elector_is_leader{"), 1);
        assert_int_equal(count(text, "baton_leader_elector_gate_open_seconds{"), 1);
        assert_int_equal(count(text, "baton_leader_elector_role{"), 3);
        assert_int_equal(count(text, "baton_leader_elector_last_renewal_age_seconds{"), leads);
        mem_free(text);
    }
    list_remove(&twin.link);
    assert_int_equal(world_end(w), 0);
}

/* Two extensions share the elector of their Lease: what it did counts once. */
static void test_old_metrics_of_a_shared_elector(void **state)
{
    (void)state;
    struct world *w =
        begin("extensions: {elect: {lease: l, old_metrics: true}, elect/same: {lease: l, old_metrics: true}}\n"
              "receivers: {pull: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
              "service: {extensions: [elect, elect/same], pipelines: {metrics: {receivers: [pull], exporters: [sink]}}}\n");
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    char *text = page(DEFAULT);
    expect(text, "otelcol_receiver_singleton_lease_acquired_total{lease=\"l\"} 1");
    expect(text, "otelcol_receiver_singleton_lease_lost_total{lease=\"l\"} 1");
    mem_free(text);
    assert_int_equal(world_end(w), 0);
}

static void test_withheld_items_are_refused(void **state)
{
    (void)state;
    struct world *w = begin("extensions: {elect: {lease: l}}\n"
                            "receivers: {push: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"
                            "service: {extensions: [elect], pipelines: {logs: {receivers: [push], exporters: [sink]}}}\n");
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, 0);
    assert_true(fake_push(fake("push"), "1"));
    assert_true(fake_push(fake("push"), "2"));
    fake_elector_lose(world_elector(w, "l"));
    assert_false(fake_push(fake("push"), "3"));
    char *text = page(DEFAULT);
    expect(text, "otelcol_receiver_accepted_log_records{receiver=\"push\",transport=\"\"} 2");
    expect(text, "otelcol_receiver_refused_log_records{receiver=\"push\",transport=\"\"} 1");
    expect(text, "otelcol_exporter_sent_log_records{exporter=\"sink\"} 2");
    expect(text, "otelcol_exporter_queue_size{data_type=\"logs\",exporter=\"sink\"} 11");
    assert_null(strstr(text, "metric_points"));
    assert_null(strstr(text, "baton_receiver_ticks"));
    mem_free(text);
    assert_int_equal(world_end(w), 0);
}

static void test_shapes_of_two_readers(void **state)
{
    (void)state;
    struct world *w = begin("receivers: {pull: {}}\nexporters: {sink: {}}\n"
                            "service:\n"
                            "  telemetry:\n"
                            "    resource: {service.name: 'a \"name\"', k8s.pod.name: p, service.instance.id: ~}\n"
                            "    metrics:\n"
                            "      readers:\n"
                            "      - pull: {exporter: {prometheus: {host: '', port: 1}}}\n"
                            "      - pull: {exporter: {prometheus: {host: h, port: 2, without_units: false,\n"
                            "          without_type_suffix: false, without_scope_info: false, with_resource_constant_labels:\n"
                            "          {included: [service.name, service.version], excluded: [service.instance.id]}}}}\n"
                            "      - pull: {exporter: {prometheus: {host: h, port: 3, with_resource_constant_labels: {}}}}\n"
                            "      - periodic: {exporter: {console: {}}}\n"
                            "  pipelines: {metrics: {receivers: [pull], exporters: [sink]}}\n");
    assert_int_equal(fake_http_server_count(), 3);
    assert_true(world_logged(w, "baton sends its own metrics nowhere"));
    char *text = page(":1");
    expect(text, "otelcol_process_uptime 0");
    expect(text, "target_info{k8s_pod_name=\"p\",service_name=\"a \\\"name\\\"\",service_version=\"" BATON_VERSION "\"} 1");
    mem_free(text);
    text = page("h:2");
    expect(text, "otelcol_process_uptime_seconds_total{service_name=\"a \\\"name\\\"\",service_version=\"" BATON_VERSION
                 "\",otel_scope_name=\"baton\",otel_scope_schema_url=\"\",otel_scope_version=\"" BATON_VERSION "\"} 0");
    mem_free(text);
    text = page("h:3");
    expect(text, "otelcol_process_uptime{k8s_pod_name=\"p\",service_name=\"a \\\"name\\\"\",service_version=\"" BATON_VERSION "\"} 0");
    mem_free(text);
    assert_int_equal(world_end(w), 0);
}

static void test_level_none(void **state)
{
    (void)state;
    struct world *w = begin("receivers: {pull: {}}\nexporters: {sink: {}}\n"
                            "service:\n  telemetry: {metrics: {level: none}}\n"
                            "  pipelines: {metrics: {receivers: [pull], exporters: [sink]}}\n");
    assert_int_equal(fake_http_server_count(), 0);
    assert_true(world_logged(w, "Internal metrics telemetry disabled"));
    assert_int_equal(world_end(w), 0);
}

static void test_the_default_address_is_taken(void **state)
{
    (void)state;
    struct world *w = world_new(YAML_PLAIN);
    fake_http_server_refuse(DEFAULT);
    world_start(w);
    world_run(w, 95 * SECOND);
    assert_int_equal(fake_http_server_count(), 0);
    assert_true(fake("sink")->seen_count > 90); /* data goes on */
    assert_int_equal(world_log_count(w, "Own metrics are not served yet"), 1);
    fake_http_server_refuse(NULL);
    world_run(w, 30 * SECOND);
    assert_int_equal(fake_http_server_count(), 1);
    assert_int_equal(world_end(w), 0);
}

static void test_a_given_address_is_taken(void **state)
{
    (void)state;
    struct world *w = world_new(READERS(AT("h", "1") ", " AT("h", "2")));
    fake_http_server_refuse("h:2");
    world_start(w);
    world_run(w, SECOND);
    assert_true(w->ended);
    assert_true(world_logged(w, "service::telemetry::metrics::readers: cannot listen on h:2: Address already in use"));
    assert_int_equal(fake_http_server_count(), 0);
    assert_int_equal(world_end(w), 1);
}

static void test_reload(void **state)
{
    (void)state;
    struct world *w = begin(READERS(AT("h", "1") ", " AT("h", "2")));
    size_t opened = fake_http_server_opened();
    /* One stays and is not opened again, one goes, one comes. */
    world_rewrite(w, READERS(AT("h", "3") ", {pull: {exporter: {prometheus: {host: h, port: 2, without_units: false}}}}"));
    service_reload(w->service);
    world_run(w, SECOND);
    assert_int_equal(fake_http_server_opened(), opened + 1);
    assert_int_equal(fake_http_server_count(), 2);
    char *text = page("h:2"); /* and looks as the new settings say */
    assert_non_null(strstr(text, "\notelcol_process_uptime_seconds 1\n"));
    mem_free(text);
    /* An address that cannot be had: all as before. */
    fake_http_server_refuse("h:4");
    world_rewrite(w, READERS(AT("h", "3") ", " AT("h", "4")));
    service_reload(w->service);
    world_run(w, SECOND);
    assert_true(world_logged(w, "Reload failed; the old configuration goes on"));
    assert_int_equal(fake_http_server_count(), 2);
    text = page("h:2");
    assert_non_null(strstr(text, "\notelcol_process_uptime_seconds 2\n"));
    mem_free(text);
    mem_free(page("h:3"));
    /* None at all, and the default again. */
    world_rewrite(w, "receivers: {pull: {}}\nexporters: {sink: {}}\n"
                     "service:\n  telemetry: {metrics: {level: none}}\n"
                     "  pipelines: {metrics: {receivers: [pull], exporters: [sink]}}\n");
    service_reload(w->service);
    world_run(w, SECOND);
    assert_int_equal(fake_http_server_count(), 0);
    world_rewrite(w, YAML_PLAIN);
    service_reload(w->service);
    world_run(w, SECOND);
    mem_free(page(DEFAULT));
    assert_int_equal(world_end(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_receivers_and_exporters),
        cmocka_unit_test(test_watches_with_equal_labels_are_added_up),
        cmocka_unit_test(test_ticks_around_a_crash),
        cmocka_unit_test(test_elections),
        cmocka_unit_test(test_two_electors_of_one_lease),
        cmocka_unit_test(test_old_metrics_of_a_shared_elector),
        cmocka_unit_test(test_withheld_items_are_refused),
        cmocka_unit_test(test_shapes_of_two_readers),
        cmocka_unit_test(test_level_none),
        cmocka_unit_test(test_the_default_address_is_taken),
        cmocka_unit_test(test_a_given_address_is_taken),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
