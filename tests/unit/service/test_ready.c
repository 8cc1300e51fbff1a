/* /ready and /live: every state of a replica, and what a reload does to the addresses. */
#include "world.h"

#define AT "localhost:9999"

static struct world *begin(const char *extensions, const char *receivers, const char *list)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml,
             "extensions: {%s}\nreceivers: {%s, pull/free: {}}\nexporters: {sink: {}}\n"
             "service: {telemetry: {metrics: {level: none}}, extensions: [%s], pipelines: {metrics: {receivers: [pull, pull/free], "
             "exporters: [sink]}}}\n",
             extensions, receivers, list);
    struct world *w = world_new(yaml);
    world_start(w);
    world_run(w, 0);
    return w;
}

static struct world *begin_one(const char *more)
{
    char extensions[256];
    snprintf(extensions, sizeof extensions, "elect: {lease: l, ready: '" AT "'%s}", more);
    return begin(extensions, "pull: {k8s_leader_elector: elect}", "elect");
}

static void expect_path(const char *path, unsigned status, const char *body)
{
    struct http_reply reply;
    if (!fake_http_server_get(AT, path, &reply))
        fail_msg("nothing listens on " AT);
    assert_string_equal(buf_cstr(&reply.body), body);
    assert_int_equal(reply.status, status);
    buf_deinit(&reply.body);
}

static void expect(unsigned status, const char *elector)
{
    char body[1024];
    snprintf(body, sizeof body, "{\"ready\":%s,\"electors\":[{\"id\":\"elect\",\"namespace\":\"\",\"lease\":\"l\",%s}]}\n",
             status == 200 ? "true" : "false", elector);
    expect_path("/ready", status, body);
    expect_path("/live", 200, "{\"live\":true}\n");
}
#define NOT_FULL "\"ready\":false,\"reason\":\"stores are not full yet: pull\""

static void test_leader_and_warm_standby_need_full_stores(void **state)
{
    (void)state;
    struct world *w = begin_one("");
    fake("pull/free")->not_ready = true; /* not of this elector */
    expect(200, "\"role\":\"warm\",\"ready\":true");
    fake("pull")->not_ready = true;
    expect(503, "\"role\":\"warm\"," NOT_FULL);
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    expect(503, "\"role\":\"leader\"," NOT_FULL);
    fake("pull")->not_ready = false;
    expect(200, "\"role\":\"leader\",\"ready\":true");
    expect_path("/", 404, "not found; there are /ready and /live\n");
    assert_int_equal(world_end(w), 0);
}

static void test_cold_replica_needs_a_leader(void **state)
{
    (void)state;
    struct world *w = begin_one(", standby: cold");
    struct elector *e = world_elector(w, "l");
    expect(503, "\"role\":\"cold\",\"ready\":false,\"reason\":\"no leader\"");
    e->others_lead = true;
    fake("pull")->not_ready = true; /* it has no stores */
    expect(200, "\"role\":\"cold\",\"ready\":true");
    e->others_lead = false;
    fake_elector_lead(e, INHERIT_NONE, 0);
    expect(503, "\"role\":\"leader\"," NOT_FULL);
    fake("pull")->not_ready = false;
    expect(200, "\"role\":\"leader\",\"ready\":true");
    assert_int_equal(world_end(w), 0);
}

static void test_auto(void **state)
{
    (void)state;
    struct world *w = begin_one(", standby: auto");
    struct elector *e = world_elector(w, "l");
    expect(503, "\"role\":\"cold\",\"ready\":false,\"reason\":\"no standby\"");
    e->another_stands_by = e->another_is_synced = true;
    expect(200, "\"role\":\"cold\",\"ready\":true");
    fake("pull")->not_ready = true;
    fake_elector_stand_by(e, true);
    expect(503, "\"role\":\"warm\"," NOT_FULL);
    fake("pull")->not_ready = false;
    expect(200, "\"role\":\"warm\",\"ready\":true");
    fake_elector_lead(e, INHERIT_NONE, 0);
    expect(200, "\"role\":\"leader\",\"ready\":true");
    assert_int_equal(world_end(w), 0);
}

static void test_receiver_that_cannot_be_warm(void **state)
{
    (void)state;
    struct world *w = begin("elect: {lease: l, ready: '" AT "'}", "cold: {k8s_leader_elector: elect}, pull: {}", "elect");
    expect(200, "\"role\":\"warm\",\"ready\":true");
    assert_int_equal(world_end(w), 0);
}

static void test_several_electors_at_one_address(void **state)
{
    (void)state;
    struct world *w = begin("elect: {lease: l, ready: '" AT "'}, elect/b: {lease: m, ready: '" AT "', standby: cold}, elect/c: {lease: n}",
                            "pull: {k8s_leader_elector: elect}", "elect, elect/b, elect/c");
    assert_int_equal(fake_http_server_count(), 1);
    expect_path("/ready", 503,
                "{\"ready\":false,\"electors\":[{\"id\":\"elect\",\"namespace\":\"\",\"lease\":\"l\",\"role\":\"warm\",\"ready\":true},"
                "{\"id\":\"elect/b\",\"namespace\":\"\",\"lease\":\"m\",\"role\":\"cold\",\"ready\":false,\"reason\":\"no leader\"}]}\n");
    assert_int_equal(world_end(w), 0);
}

static void test_not_ready_while_stopping(void **state)
{
    (void)state;
    struct world *w = begin_one("");
    fake_elector_lead(world_elector(w, "l"), INHERIT_NONE, 0);
    world_run(w, SECOND);
    fake("sink")->hang = true;
    service_stop(w->service);
    world_run(w, SECOND);
    expect_path("/ready", 503, "{\"ready\":false,\"reason\":\"the service is starting or stopping\"}\n");
    expect_path("/live", 200, "{\"live\":true}\n");
    fake_let_stop(fake("sink"));
    assert_int_equal(world_end(w), 0);
}

static void test_an_address_that_is_taken(void **state)
{
    (void)state;
    struct world *w = world_new("extensions: {elect: {lease: l, ready: '" AT "'}}\nreceivers: {pull: {}}\nexporters: {sink: {}}\n"
                                "service: {telemetry: {metrics: {level: none}}, extensions: [elect], pipelines: {metrics: {receivers: "
                                "[pull], exporters: [sink]}}}\n");
    fake_http_server_refuse(AT);
    world_start(w);
    world_run(w, SECOND);
    assert_true(w->ended);
    assert_true(world_logged(w, "extension \\\"elect\\\": ready_endpoint: cannot listen on " AT));
    assert_int_equal(world_end(w), 1);
}

#define RELOADED(options)                                                                                                          \
    "extensions: {elect: {lease: l" options "}}\nreceivers: {pull: {k8s_leader_elector: elect}}\nexporters: {sink: {}}\n"          \
    "service: {telemetry: {metrics: {level: none}}, extensions: [elect], pipelines: {metrics: {receivers: [pull], exporters: "     \
    "[sink]}}}\n"

static void reload(struct world *w, const char *yaml)
{
    world_rewrite(w, yaml);
    service_reload(w->service);
    world_run(w, SECOND);
}

static void test_reload(void **state)
{
    (void)state;
    struct world *w = begin_one("");
    size_t opened = fake_http_server_opened();
    reload(w, RELOADED(", ready: '" AT "', duration: 5s"));
    assert_int_equal(fake_http_server_opened(), opened); /* the same socket */
    expect(200, "\"role\":\"warm\",\"ready\":true");
    /* A new address that cannot be had changes nothing. */
    fake_http_server_refuse("localhost:7777");
    reload(w, RELOADED(", ready: 'localhost:7777'"));
    assert_true(world_logged(w, "Reload failed"));
    expect(200, "\"role\":\"warm\",\"ready\":true");
    assert_int_equal(fake_http_server_count(), 1);
    fake_http_server_refuse(NULL);
    reload(w, RELOADED(", ready: 'localhost:7777'"));
    struct http_reply reply;
    assert_false(fake_http_server_get(AT, "/ready", &reply));
    assert_true(fake_http_server_get("localhost:7777", "/ready", &reply));
    buf_deinit(&reply.body);
    reload(w, RELOADED(""));
    assert_int_equal(fake_http_server_count(), 0);
    assert_int_equal(world_end(w), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_leader_and_warm_standby_need_full_stores),
        cmocka_unit_test(test_cold_replica_needs_a_leader),
        cmocka_unit_test(test_auto),
        cmocka_unit_test(test_receiver_that_cannot_be_warm),
        cmocka_unit_test(test_several_electors_at_one_address),
        cmocka_unit_test(test_not_ready_while_stopping),
        cmocka_unit_test(test_an_address_that_is_taken),
        cmocka_unit_test(test_reload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
