/* A watch on one Lease over a connection: what is asked, what is told, how it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "kube/lease.h"
#include "test_world.h"

#define LEASE(type, name, rv, holder)                                                              \
    "{\"type\":\"" type "\",\"object\":{\"kind\":\"Lease\",\"metadata\":{\"name\":\"" name         \
    "\",\"resourceVersion\":\"" rv "\"},\"spec\":{\"holderIdentity\":\"" holder "\"}}}\n"
#define BOOKMARK(rv, annotations)                                                                  \
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":"     \
    "\"" rv "\"" annotations "},\"spec\":{}}}\n"
#define END_OF_INITIAL ",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}"

static const char all[] = LEASE("ADDED", "x", "10", "p") BOOKMARK("11", END_OF_INITIAL)
    LEASE("ADDED", "stranger", "12", "q") LEASE("MODIFIED", "x", "13", "") BOOKMARK("14", "")
        LEASE("DELETED", "x", "15", "");
static const char all_events[] = "opened;seen 10 p;synced 11;seen 13 ;bookmark 14;deleted 15;";

struct fixture {
    struct world w;
    struct test_server server;
    struct kube_client *client;
    struct lease_watch *watch;
    char request[1024];
    int status;
    const char *text; /* of the answer */
    size_t len;
    size_t piece; /* bytes of one write, 0: all */
    bool hold;    /* do not end the answer */
    bool cut;     /* end it by closing the connection */
    struct buf events;
    struct kube_result end;
    char reason[64], message[256];
    int free_at; /* frees the watch within that event, counted from 1 */
    int event_count;
};

static void handle(struct test_conn *c, const struct test_request *r, void *arg)
{
    struct fixture *f = arg;
    snprintf(f->request, sizeof f->request, "%.*s", (int)strcspn(r->text, "\r"), r->text);
    if (f->status != 200) {
        conn_answer(c, f->status, "", f->text);
        return;
    }
    conn_printf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    size_t piece = f->piece == 0 ? f->len : f->piece;
    for (size_t at = 0; at < f->len && !c->ended; at += piece) {
        size_t len = f->len - at < piece ? f->len - at : piece;
        conn_printf(c, "%zx\r\n%.*s\r\n", len, (int)len, f->text + at);
    }
    if (f->hold)
        conn_wait_for_close(c);
    else if (f->cut)
        c->ended = true;
    else
        conn_printf(c, "0\r\n\r\n");
}

static void on_event(void *arg, enum lease_event event, const struct lease *lease,
                     const struct kube_result *result)
{
    static const char *const names[] = {"opened", "seen", "deleted", "synced", "bookmark", "ended"};
    struct fixture *f = arg;
    f->event_count++;
    assert_int_equal(event == LEASE_ENDED, result != NULL);
    if (event == LEASE_ENDED) {
        f->end = *result;
        str_put(f->reason, sizeof f->reason, result->reason);
        str_put(f->message, sizeof f->message, result->message);
    } else {
        buf_text(&f->events, names[event]);
        if (event == LEASE_SEEN)
            buf_printf(&f->events, " %.*s %.*s", STR_ARG(lease->resource_version),
                       STR_ARG(lease->holder));
        else if (lease != NULL)
            buf_printf(&f->events, " %.*s", STR_ARG(lease->resource_version));
        buf_byte(&f->events, ';');
    }
    if (f->event_count == f->free_at) {
        lease_watch_free(f->watch);
        f->watch = NULL;
    }
    if (event == LEASE_ENDED || f->watch == NULL)
        loop_stop(f->w.loop);
}

static struct fixture *fixture_new(void)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    struct err err;
    char cluster[128];
    world_init(&f->w);
    buf_init(&f->events, 65536);
    f->status = 200;
    f->text = all;
    f->len = sizeof all - 1;
    server_start(&f->server, false, NULL, handle, f);
    snprintf(cluster, sizeof cluster, "    server: http://127.0.0.1:%u", f->server.port);
    f->client = world_client(&f->w, cluster, "    {}", &err);
    assert_non_null(f->client);
    return f;
}

static void fixture_free(struct fixture *f)
{
    lease_watch_free(f->watch);
    kube_client_free(f->client);
    server_stop(&f->server);
    buf_deinit(&f->events);
    world_deinit(&f->w);
    mem_free(f);
}

/* Watches until the end, or until it was freed. */
static void watch(struct fixture *f)
{
    buf_clear(&f->events);
    f->event_count = 0;
    f->watch = lease_watch_start(f->client, STR("ns"), STR("x"), true, STR_NONE, 300,
                                 f->hold ? 100 : 0, on_event, f);
    world_run(&f->w);
}

static void watch_to_end(struct fixture *f)
{
    watch(f);
    lease_watch_free(f->watch);
    f->watch = NULL;
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", text, part);
}

static void test_request(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    watch_to_end(f);
    assert_string_equal(
        f->request,
        "GET /apis/coordination.k8s.io/v1/namespaces/ns/leases?watch=true&allowWatchBookmarks=true&"
        "fieldSelector=metadata.name%3Dx&timeoutSeconds=300&sendInitialEvents=true&"
        "resourceVersionMatch=NotOlderThan HTTP/1.1");
    assert_string_equal(buf_cstr(&f->events), all_events);
    assert_int_equal(f->end.outcome, HTTP_DONE);
    assert_int_equal(f->end.status, 200);
    assert_string_equal(f->end.err.text, "");
    f->watch =
        lease_watch_start(f->client, STR("ns"), STR("x"), false, STR("42"), 0, 0, on_event, f);
    world_run(&f->w);
    assert_string_equal(
        f->request,
        "GET /apis/coordination.k8s.io/v1/namespaces/ns/leases?watch=true&allowWatchBookmarks=true&"
        "fieldSelector=metadata.name%3Dx&resourceVersion=42 HTTP/1.1");
    fixture_free(f);
}

static void test_pieces(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    for (size_t piece = 1; piece < 40; piece++) {
        f->piece = piece;
        watch_to_end(f);
        assert_string_equal(buf_cstr(&f->events), all_events);
        assert_int_equal(f->end.outcome, HTTP_DONE);
    }
    fixture_free(f);
}

/* The answer ends after every byte: in order (the server's time limit), and by a cut connection. */
static void test_ends_everywhere(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    for (size_t len = 0; len < sizeof all; len++) {
        bool is_between = len == 0 || all[len - 1] == '\n' || all[len] == '\n';
        f->len = len;
        f->cut = len % 3 == 2;
        watch_to_end(f);
        assert_int_equal(f->end.outcome, is_between && !f->cut ? HTTP_DONE : HTTP_BROKEN);
        assert_int_equal(f->end.status, 200);
        assert_int_equal(f->end.err.text[0] == '\0', f->end.outcome == HTTP_DONE);
        /* Nothing but the beginning of what the whole stream says. */
        assert_int_equal(strncmp(buf_cstr(&f->events), all_events, f->events.len), 0);
    }
    fixture_free(f);
}

static void test_error_event(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    static const char text[] =
        LEASE("ADDED", "x", "10",
              "p") "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"too "
                   "old resource version: 1 (2)\",\"reason\":\"Expired\",\"code\":410}}\n" LEASE(
                       "ADDED", "x", "11", "p");
    f->text = text;
    f->len = sizeof text - 1;
    for (int i = 0; i < 2; i++) {
        f->piece = (size_t)i; /* all at once, byte by byte */
        watch_to_end(f);
        assert_string_equal(buf_cstr(&f->events), "opened;seen 10 p;");
        assert_int_equal(f->end.outcome, HTTP_DONE);
        assert_int_equal(f->end.status, 410);
        assert_string_equal(f->reason, "Expired");
        assert_string_equal(f->message, "too old resource version: 1 (2)");
        assert_string_equal(
            f->end.err.text,
            "watch of Lease ns/x: 410 Gone (Expired): too old resource version: 1 (2)");
    }
    static const char nameless[] = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\","
                                   "\"details\":{\"retryAfterSeconds\":1}}}\n";
    f->text = nameless;
    f->len = sizeof nameless - 1;
    watch_to_end(f);
    assert_int_equal(f->end.status, 500);
    assert_int_equal(f->end.retry_after_ms, 1000);
    fixture_free(f);
}

static void test_malformed_event(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    static const char text[] = LEASE(
        "ADDED", "x", "10",
        "p") "{\"type\":\"MODIFIED\",\"object\":{\"metadata\":{\"name\":7}}}\n" LEASE("ADDED", "x",
                                                                                      "11", "p");
    f->text = text;
    f->len = sizeof text - 1;
    watch_to_end(f);
    assert_string_equal(buf_cstr(&f->events), "opened;seen 10 p;");
    assert_int_equal(f->end.outcome, HTTP_BROKEN);
    assert_contains(
        f->end.err.text,
        "watch of Lease ns/x: a MODIFIED event: Lease: metadata.name: expected a string");
    fixture_free(f);
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *text, *reason;
    } cases[] = {
        {403, "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"leases is forbidden\"}",
         "Forbidden"},
        {410, "{\"kind\":\"Status\",\"reason\":\"Expired\"}", "Expired"},
        {422,
         "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":\"sendInitialEvents is "
         "forbidden\"}",
         "Invalid"},
        {404, "404 page not found\n", ""},
    };
    struct fixture *f = fixture_new();
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        f->status = cases[i].status;
        f->text = cases[i].text;
        watch_to_end(f);
        assert_int_equal(f->events.len, 0);
        assert_int_equal(f->end.outcome, HTTP_DONE);
        assert_int_equal(f->end.status, cases[i].status);
        assert_string_equal(f->reason, cases[i].reason);
        assert_contains(f->end.err.text, "/namespaces/ns/leases: 4");
    }
    fixture_free(f);
}

static void test_silence(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    f->hold = true;
    watch_to_end(f);
    assert_string_equal(buf_cstr(&f->events), all_events);
    assert_int_equal(f->end.outcome, HTTP_TIMEOUT);
    fixture_free(f);
}

static void test_free_within_each_event(void **state)
{
    (void)state;
    for (int at = 1; at <= 7; at++) {
        struct fixture *f = fixture_new();
        f->free_at = at;
        watch(f);
        assert_null(f->watch);
        assert_int_equal(f->event_count, at);
        fixture_free(f);
    }
}

static void test_free_while_it_runs(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    f->hold = true;
    f->watch =
        lease_watch_start(f->client, STR("ns"), STR("x"), true, STR_NONE, 300, 0, on_event, f);
    lease_watch_free(f->watch);
    f->watch =
        lease_watch_start(f->client, STR("ns"), STR("x"), true, STR_NONE, 300, 0, on_event, f);
    while (f->event_count == 0)
        world_run_for_ms(&f->w, 1);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_ends_everywhere),
        cmocka_unit_test(test_error_event),
        cmocka_unit_test(test_malformed_event),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_free_within_each_event),
        cmocka_unit_test(test_free_while_it_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
