/* watch: where it starts, what it shows, how it ends; bookmarks by a clock that the test moves. */
#include "world.h"

#include <stdio.h>
#include <string.h>

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w, NULL);
    return 0;
}

static int setup_small_window(void **state)
{
    struct kubesim_config config = {.window_events = 3};
    (void)state;
    world_init(&w, &config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_deinit(&w);
    return 0;
}

static void make(const char *name)
{
    char body[300];
    snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"%s\"}}", name);
    assert_answer(post(&w, LEASES, body), 201, NULL);
}

static void change(const char *name, const char *holder)
{
    char path[200], body[300];
    snprintf(path, sizeof path, LEASES "/%s", name);
    snprintf(body, sizeof body, "{\"spec\":{\"holderIdentity\":\"%s\"}}", holder);
    assert_answer(patch(&w, path, body), 200, NULL);
}

static void watch_from(struct watcher *x, const char *options, uint64_t version)
{
    char path[400];
    snprintf(path, sizeof path, LEASES "?watch=1&%s&resourceVersion=%" PRIu64, options, version);
    watch(&w, x, path);
}

static void test_from_nothing(void **state)
{
    struct watcher x;
    (void)state;
    make("b");
    make("a");
    watch(&w, &x, LEASES "?watch=true");
    assert_string_equal(events(&w, &x), "ADDED a,ADDED b/WAIT");
    assert_int_equal(x.ready, 0);
    make("c");
    change("a", "x");
    assert_int_equal(x.ready, 1); /* once for each time the reader waits */
    del(&w, LEASES "/b");
    assert_string_equal(events(&w, &x), "ADDED c,MODIFIED a,DELETED b/WAIT");
    assert_string_equal(events(&w, &x), "/WAIT");
    assert_answer(post(&w, NAMESPACES, "{\"metadata\":{\"name\":\"n\"}}"), 201, NULL);
    assert_answer(post(&w, "/apis/coordination.k8s.io/v1/namespaces/n/leases",
                       "{\"metadata\":{\"name\":\"other\"}}"),
                  201, NULL);
    assert_int_equal(x.ready, 1);
    assert_string_equal(events(&w, &x), "/WAIT");
    watch_end(&x);
}

static void test_from_a_version(void **state)
{
    struct watcher x;
    (void)state;
    make("a");
    uint64_t version = kubesim_resource_version(w.sim);
    make("b");
    change("a", "x");
    watch_from(&x, "", version);
    assert_string_equal(events(&w, &x), "ADDED b,MODIFIED a/WAIT");
    watch_end(&x);
    watch_from(&x, "", version + 1);
    assert_string_equal(events(&w, &x), "MODIFIED a/WAIT");
    watch_end(&x);
    watch_from(&x, "", version + 2);
    assert_string_equal(events(&w, &x), "/WAIT");
    watch_end(&x);
    /* A version that is still to come: nothing before it. */
    watch_from(&x, "", version + 4);
    change("a", "1");
    change("a", "2");
    assert_string_equal(events(&w, &x), "/WAIT");
    change("a", "3");
    assert_string_equal(events(&w, &x), "MODIFIED a/WAIT");
    watch_end(&x);
}

static void test_versions_in_events(void **state)
{
    struct watcher x;
    (void)state;
    make("a");
    watch_from(&x, "", kubesim_resource_version(w.sim));
    uint64_t before = kubesim_resource_version(w.sim);
    del(&w, LEASES "/a");
    struct answer a = take(&w, x.call);
    assert_string_equal(text_at(&w, a.json, "type"), "DELETED");
    char version[32];
    snprintf(version, sizeof version, "%" PRIu64, before + 1);
    assert_string_equal(text_at(&w, a.json, "object.metadata.resourceVersion"), version);
    assert_string_equal(text_at(&w, a.json, "object.kind"), "Lease");
    watch_end(&x);
}

static void label(const char *name, const char *value)
{
    char path[200], body[300];
    snprintf(path, sizeof path, LEASES "/%s", name);
    snprintf(body, sizeof body, "{\"metadata\":{\"labels\":{\"l\":\"%s\"}}}", value);
    assert_answer(patch(&w, path, body), 200, NULL);
}

static void test_selectors(void **state)
{
    struct watcher by_label, by_name;
    (void)state;
    make("a");
    watch_from(&by_label, "labelSelector=l%3D1", kubesim_resource_version(w.sim));
    watch_from(&by_name, "fieldSelector=metadata.name%3Db", kubesim_resource_version(w.sim));
    label("a", "1");
    change("a", "x");
    label("a", "2");
    label("a", "3");
    assert_int_equal(by_label.ready, 0);
    assert_string_equal(events(&w, &by_label), "ADDED a,MODIFIED a,DELETED a/WAIT");
    label("a", "1");
    assert_int_equal(by_label.ready, 1);
    assert_string_equal(events(&w, &by_label), "ADDED a/WAIT");
    label("a", "2");
    /* The former state, with the version of the change. */
    struct answer a = take(&w, by_label.call);
    char version[32];
    snprintf(version, sizeof version, "%" PRIu64, kubesim_resource_version(w.sim));
    assert_string_equal(text_at(&w, a.json, "type"), "DELETED");
    assert_string_equal(text_at(&w, a.json, "object.metadata.labels.l"), "1");
    assert_string_equal(text_at(&w, a.json, "object.metadata.resourceVersion"), version);
    del(&w, LEASES "/a");
    assert_string_equal(events(&w, &by_label), "/WAIT");
    assert_string_equal(events(&w, &by_name), "/WAIT");
    assert_int_equal(by_name.ready, 0); /* not woken for others */
    make("b");
    assert_int_equal(by_name.ready, 1);
    assert_string_equal(events(&w, &by_name), "ADDED b/WAIT");
    watch_end(&by_label);
    watch_end(&by_name);
}

static void test_initial_events(void **state)
{
    static const char options[] = "?watch=1&sendInitialEvents=true&resourceVersionMatch="
                                  "NotOlderThan&allowWatchBookmarks=true";
    struct watcher x;
    char path[400];
    (void)state;
    snprintf(path, sizeof path, LEASES "%s", options);
    watch(&w, &x, path);
    assert_string_equal(events(&w, &x), "BOOKMARK initial/WAIT");
    watch_end(&x);
    make("a");
    make("b");
    watch(&w, &x, path);
    make("c"); /* after the watch began, before it is read */
    assert_string_equal(events(&w, &x), "ADDED a,ADDED b,BOOKMARK initial,ADDED c/WAIT");
    watch_end(&x);
    snprintf(path, sizeof path, LEASES "%s&fieldSelector=metadata.name%%3Dnope", options);
    watch(&w, &x, path);
    struct answer a = take(&w, x.call);
    char version[32];
    snprintf(version, sizeof version, "%" PRIu64, kubesim_resource_version(w.sim));
    assert_string_equal(text_at(&w, a.json, "object.metadata.resourceVersion"), version);
    assert_string_equal(text_at(&w, a.json, "object.metadata.annotations"),
                        "{\"k8s.io/initial-events-end\":\"true\"}");
    assert_string_equal(text_at(&w, a.json, "object.kind"), "Lease");
    watch_end(&x);
    snprintf(path, sizeof path, LEASES "%s&resourceVersion=9999", options);
    watch(&w, &x, path);
    assert_string_equal(events(&w, &x), "ERROR 504/END");
    watch_end(&x);
    watch(&w, &x, LEASES "?watch=1&sendInitialEvents=true&resourceVersionMatch=NotOlderThan");
    assert_string_equal(events(&w, &x), "ADDED a,ADDED b,ADDED c/WAIT");
    watch_end(&x);
    watch(&w, &x, LEASES "?watch=1&sendInitialEvents=false&resourceVersionMatch=NotOlderThan");
    assert_string_equal(events(&w, &x), "/WAIT");
    watch_end(&x);
    watch(&w, &x, LEASES "?watch=1&allowWatchBookmarks=true&resourceVersion=0");
    assert_string_equal(events(&w, &x), "ADDED a,ADDED b,ADDED c,BOOKMARK initial/WAIT");
    watch_end(&x);
}

static void test_refusals(void **state)
{
    static const struct {
        const char *query;
        int status;
        const char *reason;
    } cases[] = {
        {"resourceVersion=x", 500, NULL},
        {"sendInitialEvents=true", 422, "Invalid"},
        {"sendInitialEvents=true&resourceVersionMatch=Exact&resourceVersion=1", 422, "Invalid"},
        {"resourceVersionMatch=NotOlderThan&resourceVersion=1", 422, "Invalid"},
        {"continue=x", 422, "Invalid"},
        {"labelSelector=,", 400, "BadRequest"},
        {"fieldSelector=x", 400, "BadRequest"},
        {"timeoutSeconds=x", 400, "BadRequest"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char path[300];
        snprintf(path, sizeof path, LEASES "?watch=1&%s", cases[i].query);
        print_message("%s\n", path);
        assert_answer(get(&w, path), cases[i].status, cases[i].reason);
    }
}

static void test_window(void **state)
{
    struct watcher x, slow;
    (void)state;
    make("a");
    uint64_t version = kubesim_resource_version(w.sim);
    watch_from(&slow, "", version);
    change("a", "1");
    change("a", "2");
    change("a", "3");
    watch_from(&x, "", version);
    assert_string_equal(events(&w, &x), "MODIFIED a,MODIFIED a,MODIFIED a/WAIT");
    watch_end(&x);
    change("a", "4");
    watch_from(&x, "", version);
    assert_string_equal(events(&w, &x), "ERROR 410/END");
    watch_end(&x);
    watch_from(&x, "", version + 1);
    assert_string_equal(events(&w, &x), "MODIFIED a,MODIFIED a,MODIFIED a/WAIT");
    watch_end(&x);
    /* Who reads too slowly is ended, not served with a hole. */
    assert_string_equal(events(&w, &slow), "/END");
    watch_end(&slow);
}

static void test_compact(void **state)
{
    struct watcher open, x;
    (void)state;
    make("a");
    uint64_t version = kubesim_resource_version(w.sim);
    watch_from(&open, "", version);
    change("a", "1");
    kubesim_compact(w.sim);
    watch_from(&x, "", version);
    struct answer a = take(&w, x.call);
    assert_string_equal(text_at(&w, a.json, "type"), "ERROR");
    assert_string_equal(text_at(&w, a.json, "object.reason"), "Expired");
    assert_string_equal(text_at(&w, a.json, "object.code"), "410");
    watch_end(&x);
    watch_from(&x, "", version + 1);
    assert_string_equal(events(&w, &x), "/WAIT");
    watch_end(&x);
    /* Watches that stand go on. */
    assert_string_equal(events(&w, &open), "MODIFIED a/WAIT");
    watch_end(&open);
}

static void test_time_limit(void **state)
{
    struct watcher x, bookmarks;
    (void)state;
    watch(&w, &x, LEASES "?watch=1&timeoutSeconds=10&resourceVersion=1");
    watch(&w, &bookmarks,
          LEASES "?watch=1&timeoutSeconds=10&resourceVersion=1&allowWatchBookmarks=true");
    assert_string_equal(events(&w, &x), "/WAIT");
    assert_string_equal(events(&w, &bookmarks), "/WAIT");
    world_pass(&w, 8 * SECOND - 1);
    assert_int_equal(bookmarks.ready, 0);
    world_pass(&w, 1);
    assert_int_equal(bookmarks.ready, 1);
    assert_string_equal(events(&w, &bookmarks), "BOOKMARK/WAIT");
    world_pass(&w, 2 * SECOND - 1);
    assert_int_equal(x.ready, 0);
    world_pass(&w, 1);
    assert_int_equal(x.ready, 1);
    assert_string_equal(events(&w, &x), "/END");
    assert_string_equal(events(&w, &bookmarks), "/END");
    watch_end(&x);
    watch_end(&bookmarks);
}

static void test_bookmarks(void **state)
{
    struct watcher x;
    int count = 0;
    (void)state;
    make("a");
    watch(&w, &x, LEASES "?watch=1&allowWatchBookmarks=true&timeoutSeconds=600");
    assert_string_equal(events(&w, &x), "ADDED a,BOOKMARK initial/WAIT");
    for (int s = 0; s < 597; s++) {
        world_pass(&w, SECOND);
        const char *got = events(&w, &x);
        if (strcmp(got, "BOOKMARK/WAIT") == 0)
            count++;
        else
            assert_string_equal(got, "/WAIT");
    }
    assert_int_equal(count, 9);
    /* Another resource moves the version; the bookmark says so, after the events before it. */
    assert_answer(post(&w, NAMESPACES, "{\"metadata\":{\"name\":\"n\"}}"), 201, NULL);
    change("a", "x");
    world_pass(&w, SECOND);
    assert_string_equal(events(&w, &x), "MODIFIED a,BOOKMARK/WAIT");
    watch_end(&x);
}

static void test_default_time_limit(void **state)
{
    struct watcher x;
    (void)state;
    watch(&w, &x, LEASES "?watch=1");
    events(&w, &x);
    world_pass(&w, 1799 * SECOND);
    assert_string_equal(events(&w, &x), "/WAIT");
    world_pass(&w, 1801 * SECOND);
    assert_string_equal(events(&w, &x), "/END");
    watch_end(&x);
}

static void test_drop(void **state)
{
    struct watcher x[4], namespaces;
    (void)state;
    make("a");
    for (size_t i = 0; i < 4; i++) {
        watch(&w, &x[i], LEASES "?watch=1");
        events(&w, &x[i]);
        watch(&w, &namespaces, NAMESPACES "?watch=1&resourceVersion=5");
        assert_int_equal(kubesim_drop_watches(w.sim, (enum kubesim_drop)i, STR("nobody"), STR_NONE),
                         0);
        assert_int_equal(
            kubesim_drop_watches(w.sim, (enum kubesim_drop)i, STR("admin"), STR("leases")), 1);
        assert_string_equal(events(&w, &namespaces), "/WAIT");
        watch_end(&namespaces);
        assert_int_equal(x[i].ready, 1);
        const char *const expected[] = {"/END", ".../CUT", "ERROR 410/END", "/WAIT"};
        assert_string_equal(events(&w, &x[i]), expected[i]);
        if (i == KUBESIM_DROP_STALL) {
            change("a", "x");
            world_pass(&w, 10000 * SECOND);
            assert_string_equal(events(&w, &x[i]), "/WAIT");
        }
        watch_end(&x[i]);
    }
}

static void test_other_forms(void **state)
{
    struct watcher x;
    (void)state;
    make("a");
    watch_as(&w, &x, LEASES "?watch=1&allowWatchBookmarks=true", NULL,
             "application/json;as=Table;v=v1;g=meta.k8s.io");
    struct answer a = take(&w, x.call);
    str first, rest;
    struct err err;
    str_cut(a.body, '\n', &first, &rest);
    const struct dom *d = dom_parse(&w.arena, first, &err);
    assert_string_equal(text_at(&w, d, "object.kind"), "Table");
    assert_string_equal(text_at(&w, d, "object.rows.0.cells.0"), "a");
    assert_true(at(d, "object.columnDefinitions")->count == 3);
    d = dom_parse(&w.arena, str_trim(rest), &err);
    assert_non_null(d);
    assert_string_equal(text_at(&w, d, "type"), "BOOKMARK");
    assert_string_equal(text_at(&w, d, "object.columnDefinitions"), "null");
    watch_end(&x);
    watch_as(&w, &x, LEASES "?watch=1", NULL,
             "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io");
    a = take(&w, x.call);
    assert_string_equal(text_at(&w, a.json, "object.kind"), "PartialObjectMetadata");
    watch_end(&x);
}

static void test_many_watchers(void **state)
{
    enum { COUNT = 300 };
    static struct watcher x[COUNT];
    (void)state;
    make("a");
    for (int i = 0; i < COUNT; i++) {
        watch(&w, &x[i], LEASES "?watch=1&fieldSelector=metadata.name%3Da");
        assert_string_equal(events(&w, &x[i]), "ADDED a/WAIT");
    }
    change("a", "x");
    for (int i = 0; i < COUNT; i++) {
        assert_int_equal(x[i].ready, 1);
        assert_string_equal(events(&w, &x[i]), "MODIFIED a/WAIT");
        watch_end(&x[i]);
    }
}

static void test_freed_with_the_simulator(void **state)
{
    struct watcher x;
    (void)state;
    watch(&w, &x, LEASES "?watch=1");
    /* teardown frees the rest */
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_from_nothing),
        CASE(test_from_a_version),
        CASE(test_versions_in_events),
        CASE(test_selectors),
        CASE(test_initial_events),
        CASE(test_refusals),
        cmocka_unit_test_setup_teardown(test_window, setup_small_window, teardown),
        CASE(test_compact),
        CASE(test_time_limit),
        CASE(test_bookmarks),
        CASE(test_default_time_limit),
        CASE(test_drop),
        CASE(test_other_forms),
        CASE(test_many_watchers),
        CASE(test_freed_with_the_simulator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
