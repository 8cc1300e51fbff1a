/* Fault rules and switches: what goes wrong, when it is executed, and what the client sees. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#define LEASE_A "{\"metadata\":{\"name\":\"a\"},\"spec\":{\"holderIdentity\":\"h\"}}"

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_deinit(&w);
    return 0;
}

static uint64_t fault(const char *json)
{
    struct err err;
    uint64_t id = 0;
    if (!kubesim_fault_add(w.sim, str_from(json), &id, &err))
        fail_msg("%s", err.text);
    return id;
}

static void count_ready(void *arg)
{
    ++*(int *)arg;
}

static bool exists(const char *name)
{
    char path[200];
    snprintf(path, sizeof path, LEASES "/%s", name);
    return get(&w, path).status == 200;
}

static void test_status(void **state)
{
    (void)state;
    fault("{\"match\":{\"verb\":\"create\"},\"times\":2,\"status\":503,\"retry_after\":7,"
          "\"message\":\"down\"}");
    struct answer a = post(&w, LEASES, LEASE_A);
    assert_answer(a, 503, "ServiceUnavailable");
    assert_int_equal(a.retry_after_s, 7);
    assert_string_equal(text_at(&w, a.json, "message"), "down");
    assert_string_equal(text_at(&w, a.json, "details.retryAfterSeconds"), "7");
    assert_false(exists("a"));
    assert_answer(post(&w, LEASES, LEASE_A), 503, "ServiceUnavailable");
    assert_answer(post(&w, LEASES, LEASE_A), 201, NULL);
    fault("{\"match\":{\"path\":\"readyz\"},\"status\":500,\"body\":\"not yet\"}");
    a = get(&w, "/readyz");
    assert_int_equal(a.status, 500);
    assert_true(str_eqz(a.body, "not yet"));
}

static void test_executed_all_the_same(void **state)
{
    (void)state;
    fault("{\"match\":{\"method\":\"POST\"},\"status\":500,\"execute\":true,\"reason\":\"Odd\","
          "\"times\":1}");
    assert_answer(post(&w, LEASES, LEASE_A), 500, "Odd");
    assert_true(exists("a"));
}

static void test_matching(void **state)
{
    (void)state;
    fault("{\"match\":{\"user\":\"a,b\",\"verb\":\"get,list\",\"resource\":\"leases\","
          "\"namespace\":\"default\",\"name\":\"x\"},\"status\":418}");
    assert_int_equal(get(&w, LEASES "/x").status, 404);
    assert_int_equal(
        ask(&w, (struct asked){.method = "GET", .path = LEASES "/x", .user = "a"}).status, 418);
    assert_int_equal(
        ask(&w, (struct asked){.method = "GET", .path = LEASES "/y", .user = "a"}).status, 404);
    assert_int_equal(ask(&w, (struct asked){.method = "GET",
                                            .path = LEASES "?fieldSelector=metadata.name%3Dx",
                                            .user = "b"})
                         .status,
                     418);
    assert_int_equal(
        ask(&w, (struct asked){.method = "DELETE", .path = LEASES "/x", .user = "a"}).status, 404);
    assert_int_equal(
        ask(&w, (struct asked){.method = "GET", .path = NAMESPACES "/x", .user = "a"}).status, 404);
}

static void test_skip_and_times(void **state)
{
    static const int expected[] = {200, 200, 429, 429, 429, 200};
    (void)state;
    fault("{\"match\":{\"path\":\"/readyz\"},\"skip\":2,\"times\":3,\"status\":429}");
    for (size_t i = 0; i < COUNT_OF(expected); i++)
        assert_int_equal(get(&w, "/readyz").status, expected[i]);
}

static void test_probability(void **state)
{
    int hits[2] = {0, 0};
    char first[1000];
    (void)state;
    for (int round = 0; round < 2; round++) {
        uint64_t id = fault(
            "{\"match\":{\"path\":\"/readyz\"},\"probability\":0.25,\"seed\":11,\"status\":500}");
        for (size_t i = 0; i < sizeof first; i++) {
            bool hit = get(&w, "/readyz").status == 500;
            hits[round] += hit;
            if (round == 0)
                first[i] = hit;
            else
                assert_int_equal(first[i], hit); /* the same seed, the same requests */
        }
        char path[64];
        snprintf(path, sizeof path, "/_sim/faults/%" PRIu64, id);
        assert_answer(del(&w, path), 200, NULL);
    }
    assert_in_range(hits[0], 180, 320);
}

static void test_delay_before(void **state)
{
    int ready = 0;
    (void)state;
    fault("{\"match\":{\"verb\":\"create\"},\"delay_ms\":100}");
    struct kubesim_call *call = start(
        &w, (struct asked){.method = "POST", .path = LEASES, .body = LEASE_A}, count_ready, &ready);
    assert_int_equal(take(&w, call).state, KUBESIM_WAIT);
    world_pass(&w, 100 * MS - 1);
    assert_int_equal(ready, 0);
    assert_false(exists("a"));
    world_pass(&w, 1);
    assert_int_equal(ready, 1);
    assert_true(exists("a"));
    assert_answer(take(&w, call), 201, NULL);
    kubesim_call_free(call);
}

static void test_delay_of_the_answer(void **state)
{
    int ready = 0;
    (void)state;
    fault("{\"match\":{\"verb\":\"create\"},\"answer_delay_ms\":100,\"times\":1}");
    struct kubesim_call *call = start(
        &w, (struct asked){.method = "POST", .path = LEASES, .body = LEASE_A}, count_ready, &ready);
    assert_true(exists("a"));
    assert_int_equal(take(&w, call).state, KUBESIM_WAIT);
    world_pass(&w, 100 * MS);
    assert_int_equal(ready, 1);
    assert_answer(take(&w, call), 201, NULL);
    kubesim_call_free(call);
}

static void test_a_delayed_write_outlives_its_client(void **state)
{
    (void)state;
    fault("{\"match\":{\"verb\":\"create,get\"},\"delay_ms\":100,\"times\":2}");
    kubesim_call_free(start(&w, (struct asked){.method = "GET", .path = LEASES "/x"}, NULL, NULL));
    kubesim_call_free(
        start(&w, (struct asked){.method = "POST", .path = LEASES, .body = LEASE_A}, NULL, NULL));
    assert_false(exists("a"));
    world_pass(&w, 100 * MS);
    assert_true(exists("a"));
}

static void test_cuts(void **state)
{
    (void)state;
    fault("{\"match\":{\"verb\":\"create\"},\"cut\":\"before\",\"times\":1}");
    struct answer a = post(&w, LEASES, LEASE_A);
    assert_int_equal(a.state, KUBESIM_CUT);
    assert_int_equal(a.status, 0);
    assert_false(exists("a"));
    fault("{\"match\":{\"verb\":\"create\"},\"cut\":\"after\",\"times\":1}");
    a = post(&w, LEASES, LEASE_A);
    assert_int_equal(a.state, KUBESIM_CUT);
    assert_int_equal(a.status, 0);
    assert_true(exists("a"));
    fault("{\"match\":{\"verb\":\"list\"},\"cut\":\"middle\",\"times\":1}");
    a = get(&w, LEASES);
    assert_int_equal(a.state, KUBESIM_CUT);
    assert_int_equal(a.status, 200);
    assert_true(a.body.len > 0);
    assert_null(a.json);
    assert_answer(get(&w, LEASES), 200, NULL);
}

static void test_hangs(void **state)
{
    int ready = 0;
    (void)state;
    fault("{\"match\":{\"verb\":\"create\"},\"hang\":true,\"times\":1}");
    struct kubesim_call *before = start(
        &w, (struct asked){.method = "POST", .path = LEASES, .body = LEASE_A}, count_ready, &ready);
    fault("{\"match\":{\"verb\":\"create\"},\"hang\":\"after\",\"times\":1}");
    assert_false(exists("a"));
    struct kubesim_call *after = start(
        &w, (struct asked){.method = "POST", .path = LEASES, .body = LEASE_A}, count_ready, &ready);
    assert_true(exists("a"));
    world_pass(&w, 100000 * SECOND);
    assert_int_equal(ready, 0);
    assert_int_equal(take(&w, before).state, KUBESIM_WAIT);
    assert_int_equal(take(&w, after).state, KUBESIM_WAIT);
    kubesim_call_free(before);
    kubesim_call_free(after);
}

static void test_faults_of_watches(void **state)
{
    struct watcher x;
    (void)state;
    post(&w, LEASES, LEASE_A);
    fault("{\"match\":{\"verb\":\"watch\"},\"status\":403,\"times\":1}");
    assert_answer(get(&w, LEASES "?watch=1"), 403, "Forbidden");
    fault("{\"match\":{\"verb\":\"watch\"},\"cut\":\"after\",\"times\":1}");
    struct answer a = get(&w, LEASES "?watch=1");
    assert_int_equal(a.status, 200);
    assert_int_equal(a.state, KUBESIM_CUT);
    assert_int_equal(a.body.len, 0);
    fault("{\"match\":{\"verb\":\"watch\"},\"cut\":\"middle\",\"times\":1}");
    watch(&w, &x, LEASES "?watch=1");
    assert_string_equal(events(&w, &x), ".../CUT");
    watch_end(&x);
    fault("{\"match\":{\"verb\":\"watch\"},\"cut\":\"before\",\"times\":1}");
    watch(&w, &x, LEASES "?watch=1");
    assert_string_equal(events(&w, &x), "/CUT");
    watch_end(&x);
    fault("{\"match\":{\"verb\":\"watch\"},\"stall\":true,\"times\":1}");
    watch(&w, &x, LEASES "?watch=1");
    assert_string_equal(events(&w, &x), "/WAIT");
    assert_int_equal(kubesim_call_head(x.call)->status, 200);
    patch(&w, LEASES "/a", "{\"spec\":{\"holderIdentity\":\"x\"}}");
    world_pass(&w, 10000 * SECOND);
    assert_string_equal(events(&w, &x), "/WAIT");
    watch_end(&x);
}

static void test_late_events(void **state)
{
    struct watcher x;
    char path[200];
    (void)state;
    post(&w, LEASES, LEASE_A);
    fault("{\"match\":{\"verb\":\"watch\"},\"event_delay_ms\":500}");
    snprintf(path, sizeof path, LEASES "?watch=1&resourceVersion=%" PRIu64,
             kubesim_resource_version(w.sim));
    watch(&w, &x, path);
    assert_string_equal(events(&w, &x), "/WAIT");
    patch(&w, LEASES "/a", "{\"spec\":{\"holderIdentity\":\"1\"}}");
    world_pass(&w, 300 * MS);
    patch(&w, LEASES "/a", "{\"spec\":{\"holderIdentity\":\"2\"}}");
    world_pass(&w, 200 * MS - 1);
    assert_int_equal(x.ready, 0);
    assert_string_equal(events(&w, &x), "/WAIT");
    world_pass(&w, 1);
    assert_int_equal(x.ready, 1);
    assert_string_equal(events(&w, &x), "MODIFIED a/WAIT");
    world_pass(&w, 300 * MS);
    assert_string_equal(events(&w, &x), "MODIFIED a/WAIT");
    watch_end(&x);
}

static void test_bookmarks_do_not_overtake_late_events(void **state)
{
    struct watcher x;
    char path[200];
    (void)state;
    post(&w, LEASES, LEASE_A);
    fault("{\"match\":{\"verb\":\"watch\"},\"event_delay_ms\":100000}");
    snprintf(path, sizeof path, LEASES "?watch=1&allowWatchBookmarks=true&resourceVersion=%" PRIu64,
             kubesim_resource_version(w.sim));
    watch(&w, &x, path);
    world_pass(&w, 50 * SECOND);
    patch(&w, LEASES "/a", "{\"spec\":{\"holderIdentity\":\"1\"}}");
    world_pass(&w, 99 * SECOND);
    assert_string_equal(events(&w, &x), "/WAIT");
    world_pass(&w, SECOND);
    assert_string_equal(events(&w, &x), "MODIFIED a,BOOKMARK/WAIT");
    watch_end(&x);
}

static void test_bad_faults(void **state)
{
    static const char *const cases[] = {"",
                                        "[]",
                                        "{\"statsu\":500}",
                                        "{\"status\":\"500\"}",
                                        "{\"status\":99}",
                                        "{\"status\":600}",
                                        "{\"match\":{\"foo\":\"x\"}}",
                                        "{\"match\":[]}",
                                        "{\"match\":{\"verb\":1}}",
                                        "{\"probability\":2}",
                                        "{\"probability\":\"x\"}",
                                        "{\"delay_ms\":-1}",
                                        "{\"cut\":\"never\"}",
                                        "{\"hang\":\"middle\"}",
                                        "{\"times\":1.5}",
                                        "{\"stall\":1}",
                                        "{\"execute\":\"yes\"}"};
    struct err err;
    uint64_t id;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        print_message("%s\n", cases[i]);
        assert_false(kubesim_fault_add(w.sim, str_from(cases[i]), &id, &err));
        assert_answer(post(&w, "/_sim/faults", cases[i]), 400, "BadRequest");
    }
    assert_true(str_eqz(get(&w, "/_sim/faults").body, "[]\n"));
    for (int i = 0; i < 1000; i++)
        fault("{\"status\":0}");
    assert_false(kubesim_fault_add(w.sim, STR("{}"), &id, &err));
}

static void test_control_of_faults(void **state)
{
    (void)state;
    struct answer a =
        post(&w, "/_sim/faults", "{\"match\":{\"path\":\"/readyz\"},\"status\":500,\"times\":5}");
    assert_int_equal(a.status, 201);
    get(&w, "/readyz");
    a = get(&w, "/_sim/faults");
    assert_string_equal(text_at(&w, a.json, "0.hits"), "1");
    assert_string_equal(text_at(&w, a.json, "0.left"), "4");
    assert_string_equal(text_at(&w, a.json, "0.fault.status"), "500");
    del(&w, "/_sim/faults/999");
    assert_int_equal(get(&w, "/readyz").status, 500);
    del(&w, "/_sim/faults");
    assert_int_equal(get(&w, "/readyz").status, 200);
}

static void test_freeze(void **state)
{
    struct watcher x;
    int ready = 0;
    (void)state;
    watch(&w, &x, LEASES "?watch=1");
    events(&w, &x);
    kubesim_freeze(w.sim, true);
    struct kubesim_call *call = start(
        &w, (struct asked){.method = "POST", .path = LEASES, .body = LEASE_A}, count_ready, &ready);
    kubesim_call_free(start(
        &w,
        (struct asked){.method = "POST", .path = LEASES, .body = "{\"metadata\":{\"name\":\"b\"}}"},
        NULL, NULL));
    kubesim_call_free(start(&w, (struct asked){.method = "GET", .path = LEASES}, NULL, NULL));
    world_pass(&w, 5000 * SECOND);
    assert_int_equal(ready, 0);
    assert_int_equal(take(&w, call).state, KUBESIM_WAIT);
    assert_int_equal(get(&w, "/_sim/state").status, 200);
    assert_answer(post(&w, "/_sim/unfreeze", ""), 200, NULL);
    world_pass(&w, 0);
    assert_int_equal(ready, 1);
    assert_answer(take(&w, call), 201, NULL);
    kubesim_call_free(call);
    assert_true(exists("a"));
    assert_true(exists("b")); /* it was under way, although its client had gone */
    assert_string_equal(events(&w, &x), "ADDED a,ADDED b/END"); /* its time had passed meanwhile */
    watch_end(&x);
}

static void test_freeze_for_a_while(void **state)
{
    int ready = 0;
    (void)state;
    assert_answer(post(&w, "/_sim/freeze", "{\"for_ms\":3000}"), 200, NULL);
    struct kubesim_call *call =
        start(&w, (struct asked){.method = "GET", .path = "/readyz"}, count_ready, &ready);
    world_pass(&w, 3 * SECOND - 1);
    assert_int_equal(ready, 0);
    world_pass(&w, 1);
    assert_int_equal(ready, 1);
    assert_int_equal(take(&w, call).status, 200);
    kubesim_call_free(call);
    assert_answer(post(&w, "/_sim/freeze", "{\"for\":3000}"), 400, "BadRequest");
    assert_answer(post(&w, "/_sim/freeze", "{\"for_ms\":-1}"), 400, "BadRequest");
    assert_int_equal(get(&w, "/readyz").status, 200);
}

static void test_restart(void **state)
{
    struct watcher x;
    int ready = 0;
    (void)state;
    post(&w, LEASES, LEASE_A);
    uint64_t version = kubesim_resource_version(w.sim);
    patch(&w, LEASES "/a", "{\"spec\":{\"holderIdentity\":\"x\"}}");
    watch(&w, &x, LEASES "?watch=1");
    events(&w, &x);
    fault("{\"match\":{\"verb\":\"get\"},\"hang\":true,\"times\":1}");
    struct kubesim_call *hung =
        start(&w, (struct asked){.method = "GET", .path = LEASES "/a"}, count_ready, &ready);
    take(&w, hung);
    assert_answer(post(&w, "/_sim/restart", ""), 200, NULL);
    assert_int_equal(w.cuts, 1);
    assert_int_equal(ready, 1);
    assert_int_equal(take(&w, hung).state, KUBESIM_CUT);
    kubesim_call_free(hung);
    assert_string_equal(events(&w, &x), "/CUT");
    watch_end(&x);
    assert_true(exists("a"));
    char path[200];
    snprintf(path, sizeof path, LEASES "?watch=1&resourceVersion=%" PRIu64, version);
    watch(&w, &x, path);
    assert_string_equal(events(&w, &x), "ERROR 410/END");
    watch_end(&x);
}

static void test_rollback(void **state)
{
    struct watcher x;
    char body[100], path[200];
    (void)state;
    post(&w, LEASES, LEASE_A);
    post(&w, LEASES, "{\"metadata\":{\"name\":\"b\"}}");
    uint64_t version = kubesim_resource_version(w.sim);
    const char *before = arena_cstr(&w.arena, get(&w, LEASES).body);
    patch(&w, LEASES "/a", "{\"spec\":{\"holderIdentity\":\"x\"}}");
    del(&w, LEASES "/b");
    post(&w, LEASES, "{\"metadata\":{\"name\":\"c\"}}");
    post(&w, NAMESPACES, "{\"metadata\":{\"name\":\"n\"}}");
    uint64_t future = kubesim_resource_version(w.sim);
    watch(&w, &x, LEASES "?watch=1");
    events(&w, &x);
    snprintf(body, sizeof body, "{\"resource_version\":%" PRIu64 "}", version);
    assert_answer(post(&w, "/_sim/rollback", body), 200, NULL);
    assert_string_equal(events(&w, &x), "/CUT");
    watch_end(&x);
    assert_string_equal(arena_cstr(&w.arena, get(&w, LEASES).body), before);
    assert_int_equal(get(&w, NAMESPACES "/n").status, 404);
    assert_int_equal(kubesim_resource_version(w.sim), version);
    /* Who asks from the future that never was waits in silence, as with a real server. */
    snprintf(path, sizeof path, LEASES "?watch=1&resourceVersion=%" PRIu64, future);
    watch(&w, &x, path);
    patch(&w, LEASES "/a", "{\"spec\":{\"holderIdentity\":\"y\"}}");
    assert_string_equal(events(&w, &x), "/WAIT");
    watch_end(&x);
    assert_answer(post(&w, "/_sim/rollback", "{\"resource_version\":99999}"), 400, "BadRequest");
    assert_answer(post(&w, "/_sim/rollback", "{\"resource_version\":1}"), 400, "BadRequest");
    assert_answer(post(&w, "/_sim/rollback", "{}"), 400, "BadRequest");
}

static void test_control_of_watches(void **state)
{
    struct watcher x;
    (void)state;
    watch(&w, &x, LEASES "?watch=1");
    events(&w, &x);
    assert_answer(post(&w, "/_sim/drop_watches", "{\"how\":\"never\"}"), 400, "BadRequest");
    assert_answer(post(&w, "/_sim/drop_watches", "{\"resource\":\"leases\",\"user\":\"a\"}"), 200,
                  NULL);
    assert_string_equal(events(&w, &x), "/WAIT");
    struct answer a = post(&w, "/_sim/drop_watches", "{\"how\":\"error\",\"resource\":\"leases\"}");
    assert_string_equal(text_at(&w, a.json, "dropped"), "1");
    assert_string_equal(events(&w, &x), "ERROR 410/END");
    watch_end(&x);
}

static void test_journal(void **state)
{
    struct watcher x;
    (void)state;
    assert_answer(del(&w, "/_sim/requests"), 200, NULL);
    get(&w, LEASES "/a");
    get(&w, LEASES "/b");
    post(&w, LEASES, LEASE_A);
    watch_as(&w, &x, LEASES "?watch=1&fieldSelector=metadata.name%3Da", "a", NULL);
    struct answer a = get(&w, "/_sim/requests?last=2");
    assert_string_equal(text_at(&w, a.json, "total"), "4");
    assert_string_equal(text_at(&w, a.json, "open_watches"), "1");
    assert_string_equal(text_at(&w, a.json, "watches.0.user"), "a");
    assert_string_equal(text_at(&w, a.json, "watches.0.name"), "a");
    assert_string_equal(
        text_at(&w, a.json, "counters.0"),
        "{\"verb\":\"get\",\"resource\":\"leases\",\"user\":\"admin\",\"count\":2}");
    assert_int_equal(at(a.json, "requests")->count, 2);
    assert_string_equal(text_at(&w, a.json, "requests.0.verb"), "create");
    assert_string_equal(text_at(&w, a.json, "requests.0.status"), "201");
    assert_string_equal(text_at(&w, a.json, "requests.0.time"), "2026-01-02T03:04:05.000000Z");
    assert_string_equal(text_at(&w, a.json, "requests.1.verb"), "watch");
    watch_end(&x);
    assert_string_equal(text_at(&w, get(&w, "/_sim/requests").json, "open_watches"), "0");
    for (int i = 0; i < 10050; i++)
        get(&w, "/readyz");
    a = get(&w, "/_sim/requests?last=99999");
    assert_int_equal(at(a.json, "requests")->count, 10000);
    assert_string_equal(text_at(&w, a.json, "total"), "10054");
    assert_answer(get(&w, "/_sim/requests?last=x"), 400, "BadRequest");
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_status),
        CASE(test_executed_all_the_same),
        CASE(test_matching),
        CASE(test_skip_and_times),
        CASE(test_probability),
        CASE(test_delay_before),
        CASE(test_delay_of_the_answer),
        CASE(test_a_delayed_write_outlives_its_client),
        CASE(test_cuts),
        CASE(test_hangs),
        CASE(test_faults_of_watches),
        CASE(test_late_events),
        CASE(test_bookmarks_do_not_overtake_late_events),
        CASE(test_bad_faults),
        CASE(test_control_of_faults),
        CASE(test_freeze),
        CASE(test_freeze_for_a_while),
        CASE(test_restart),
        CASE(test_rollback),
        CASE(test_control_of_watches),
        CASE(test_journal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
