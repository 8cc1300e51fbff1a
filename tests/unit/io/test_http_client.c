/* The HTTP client on HTTP/1.1 without TLS: requests as sent, answers, limits, timeouts, broken servers, cancelling and freeing. */
#include "tests/unit/io/peer.h"

#include "io/http_internal.h"

static const struct http_client_config plain;

/* -- requests as they go out -- */

static char ok_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: one\r\nx-a:  two \r\n\r\nhi";

static void test_get_sends_nothing_that_was_not_asked_for(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&plain);
    struct exchange x = {.header_name = "X-a"};
    exchange_run(w, &x, (struct http_request){.url = url_of(p, "/a/../b?q=%20#frag")}, false);
    check_outcome(&x, HTTP_DONE);
    assert_int_equal(x.status, 200);
    assert_int_equal(x.headers_count, 1);
    assert_true(str_eqz(buf_view(&x.body), "hi"));
    assert_string_equal(x.header, "two"); /* the last one */
    char expected[256];
    (void)snprintf(expected, sizeof(expected), "GET /a/../b?q=%%20 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", p->port);
    assert_string_equal(peer_seen(p), expected);
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

static void test_headers_and_body(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&(struct http_client_config){.user_agent = STR("baton/1")});
    const str headers[] = {STR("Content-Type: application/x-protobuf"), STR("X-Empty:"), STR("Authorization:  Bearer t "),
                           STR("accept: a/b")};
    struct exchange x = {0};
    {
        char body[] = "a\0b";
        exchange_start(w, &x,
                       (struct http_request){.method = "PUT", .url = url_of(p, "/x"), .headers = headers, .header_count = 4,
                                             .body = str_make(body, 3)},
                       false);
        memset(body, 'z', sizeof(body)); /* it was copied */
    }
    loop_run(w->loop);
    check_outcome(&x, HTTP_DONE);
    char expected[512];
    int len = snprintf(expected, sizeof(expected),
                       "PUT /x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: baton/1\r\n"
                       "Content-Type: application/x-protobuf\r\nX-Empty:\r\nAuthorization: Bearer t\r\naccept: a/b\r\n"
                       "Content-Length: 3\r\n\r\na",
                       p->port);
    (void)peer_seen(p);
    assert_true(str_starts_with(buf_view(&p->seen), str_make(expected, (size_t)len)));
    assert_memory_equal(p->seen.data + p->seen.len - 3, "a\0b", 3);
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

static void test_methods(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        str body;
        const char *line, *length;
    } cases[] = {
        {"POST", STR(""), "POST / HTTP/1.1\r\n", "Content-Length: 0\r\n"},
        {"PUT", STR(""), "PUT / HTTP/1.1\r\n", "Content-Length: 0\r\n"},
        {"PATCH", STR("{}"), "PATCH / HTTP/1.1\r\n", "Content-Length: 2\r\n"},
        {"DELETE", STR(""), "DELETE / HTTP/1.1\r\n", NULL},
        {"DELETE", STR("{}"), "DELETE / HTTP/1.1\r\n", "Content-Length: 2\r\n"},
        {"HEAD", STR(""), "HEAD / HTTP/1.1\r\n", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        /* a HEAD has no body whatever the length says */
        static char no_body[] = "HTTP/1.1 200 OK\r\nContent-Length: 77\r\n\r\n";
        struct peer *p = peer_start(serve_text, strcmp(cases[i].method, "HEAD") == 0 ? no_body : ok_answer);
        struct world *w = world_new(&plain);
        struct exchange x = {0};
        exchange_run(w, &x,
                     (struct http_request){.method = cases[i].method, .url = url_of(p, "/"), .body = cases[i].body,
                                           .body_static = true},
                     false);
        check_outcome(&x, HTTP_DONE);
        const char *seen = peer_seen(p);
        assert_ptr_equal(strstr(seen, cases[i].line), seen);
        if (cases[i].length != NULL)
            assert_non_null(strstr(seen, cases[i].length));
        else
            assert_null(strstr(seen, "Content-Length"));
        assert_null(strstr(seen, "Content-Type"));
        exchange_free(&x);
        world_free(w);
        peer_stop(p);
    }
}

static void test_large_body_is_not_announced(void **state)
{
    (void)state;
    enum { LEN = 4000000 };
    char *body = malloc(LEN);
    for (size_t i = 0; i < LEN; i++)
        body[i] = (char)(i * 31 >> 3);
    struct peer *p = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    exchange_run(w, &x,
                 (struct http_request){.method = "POST", .url = url_of(p, "/"), .body = str_make(body, LEN), .body_static = true}, false);
    check_outcome(&x, HTTP_DONE);
    assert_true(p->seen.len > LEN);
    assert_memory_equal(p->seen.data + p->seen.len - LEN, body, LEN);
    p->seen.len -= LEN;
    assert_null(strstr(peer_seen(p), "Expect"));
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
    free(body);
}

static void expect_not_sent(struct http_request request, const char *text, const char *secret)
{
    struct peer *p = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    if (request.url.len == 0)
        request.url = url_of(p, "/");
    exchange_run(w, &x, request, false);
    check_outcome(&x, HTTP_CONNECT_FAILED);
    if (strstr(x.err, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, x.err);
    if (secret != NULL)
        assert_null(strstr(x.err, secret));
    assert_int_equal(p->accepted, 0);
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

static void test_bad_requests_are_not_sent(void **state)
{
    (void)state;
    expect_not_sent((struct http_request){.url = STR("file:///etc/passwd")}, "not a URL", NULL);
    expect_not_sent((struct http_request){.url = STR("no url at all")}, "not a URL", NULL);
    expect_not_sent((struct http_request){.url = STR("gopher://127.0.0.1:1/")}, "gopher", NULL);
    expect_not_sent((struct http_request){.url = STR("http://127.0.0.1/a\r\nX: y")}, "forbidden byte", NULL);
    expect_not_sent((struct http_request){.url = STR("http://127.0.0.1/a\0b")}, "forbidden byte", NULL);
    str smuggled = STR("Authorization: Bearer topsecret\r\nX-Evil: 1");
    expect_not_sent((struct http_request){.headers = &smuggled, .header_count = 1}, "header \"Authorization\"", "topsecret");
    str nameless = STR("topsecret");
    expect_not_sent((struct http_request){.headers = &nameless, .header_count = 1}, "header", "topsecret");
    char *long_url = malloc(LIMIT_HTTP_URL_BYTES + 2);
    memset(long_url, 'a', LIMIT_HTTP_URL_BYTES + 1);
    memcpy(long_url, "http://127.0.0.1/", 17);
    expect_not_sent((struct http_request){.url = str_make(long_url, LIMIT_HTTP_URL_BYTES + 1)}, "too long", NULL);
    free(long_url);
}

static void test_error_names_url_without_secrets(void **state)
{
    (void)state;
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    char url[128];
    int port = free_port();
    (void)snprintf(url, sizeof(url), "http://user:pass@127.0.0.1:%d/path@x?token=topsecret#also", port);
    exchange_run(w, &x, (struct http_request){.url = str_from(url)}, false);
    check_outcome(&x, HTTP_CONNECT_FAILED);
    (void)snprintf(url, sizeof(url), "GET http://127.0.0.1:%d/path@x: cannot connect: ", port);
    assert_ptr_equal(strstr(x.err, url), x.err);
    assert_null(strstr(x.err, "secret"));
    assert_null(strstr(x.err, "pass"));
    assert_int_equal(x.status, 0);
    exchange_free(&x);
    world_free(w);
}

/* -- answers -- */

struct answer_case {
    const char *answer;
    enum http_outcome outcome;
    int status;
    const char *body;
    const char *header, *trailer; /* of X-H and X-T */
};

/* Writes the answer and ends the connection. */
static void serve_once(struct peer_connection *c)
{
    if (peer_request(c))
        peer_text(c, c->peer->arg);
}

static void test_answers(void **state)
{
    (void)state;
    static const struct answer_case cases[] = {
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-H: h\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\nX-T: t1\r\nx-t: t2\r\n\r\n", HTTP_DONE, 200,
         "abcd", "h", "t2"},
        {"HTTP/1.1 200 OK\r\nX-H: h\r\nX-T: not a trailer\r\n\r\nuntil the end", HTTP_DONE, 200, "until the end", "h", "(none)"},
        {"HTTP/1.1 100 Continue\r\nX-H: early\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-H: hint\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", HTTP_DONE, 204, "",
         "(none)", "(none)"},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 1\r\n\r\nx", HTTP_DONE, 302, "x", "(none)", "(none)"},
        {"HTTP/1.1 500 No\r\nContent-Length: 4\r\nX-H:\r\n\r\nbody", HTTP_DONE, 500, "body", "", "(none)"},
        {"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", HTTP_DONE, 401, "", "(none)", "(none)"},
        {"HTTP/1.0 200 OK\r\nX-H: a:b: c\r\n\r\n", HTTP_DONE, 200, "", "a:b: c", "(none)"},
        /* broken ones */
        {"", HTTP_BROKEN, 0, "", NULL, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Le", HTTP_BROKEN, 200, "", NULL, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", HTTP_BROKEN, 200, "short", NULL, NULL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", HTTP_BROKEN, 200, "ab", NULL, NULL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n", HTTP_BROKEN, 200, "", NULL, NULL},
        {"SSH-2.0-OpenSSH_9.2\r\n", HTTP_BROKEN, 0, "", NULL, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", HTTP_DONE, 200, "abc", NULL, NULL}, /* the first counts */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int streamed = 0; streamed < 2; streamed++) {
            const struct answer_case *k = &cases[i];
            struct peer *p = peer_start(serve_once, (void *)(uintptr_t)k->answer);
            struct world *w = world_new(&plain);
            struct exchange x = {.header_name = "X-H", .trailer_name = "x-T"};
            exchange_run(w, &x, (struct http_request){.url = url_of(p, "/"), .timeout_ms = 10000}, streamed);
            if (i + 1 < COUNT_OF(cases)) {
                check_outcome(&x, k->outcome);
                assert_int_equal(x.status, k->status);
                const struct buf *got = streamed && k->status < 300 ? &x.data : &x.body;
                assert_true(str_eqz(buf_view(got), k->body));
                if (k->header != NULL)
                    assert_string_equal(x.header, k->header);
                if (k->trailer != NULL)
                    assert_string_equal(x.trailer, k->trailer);
                assert_int_equal(x.headers_count, k->outcome == HTTP_DONE || k->body[0] != '\0' || x.headers_count);
            } else {
                assert_true(x.outcome == HTTP_DONE || x.outcome == HTTP_BROKEN); /* libcurl's to decide; it must end */
            }
            exchange_free(&x);
            world_free(w);
            peer_stop(p);
        }
}

/* -- limits -- */

static void serve_much(struct peer_connection *c)
{
    const size_t *len = c->peer->arg;
    char *body = malloc(*len + 1);
    memset(body, 'b', *len);
    while (peer_request(c)) {
        char head[128];
        bool error = strstr(peer_seen(c->peer), "GET /error") != NULL;
        (void)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", error ? "503 Busy" : "200 OK", *len);
        if (!peer_text(c, head) || !peer_write(c, body, *len))
            break;
    }
    free(body);
}

static void get_much(size_t len, size_t body_max, const char *path, bool streamed, struct exchange *x)
{
    struct peer *p = peer_start(serve_much, &len);
    struct world *w = world_new(&plain);
    exchange_run(w, x, (struct http_request){.url = url_of(p, path), .body_max = body_max}, streamed);
    world_free(w);
    peer_stop(p);
}

static void test_body_limits(void **state)
{
    (void)state;
    struct exchange x = {0};
    get_much(1000, 1000, "/", false, &x);
    check_outcome(&x, HTTP_DONE);
    assert_int_equal(x.body.len, 1000);
    exchange_free(&x);

    x = (struct exchange){0};
    get_much(1001, 1000, "/", false, &x);
    check_outcome(&x, HTTP_TOO_LARGE);
    assert_int_equal(x.status, 200);
    assert_true(x.body.len <= 1000);
    exchange_free(&x);

    x = (struct exchange){0};
    get_much(LIMIT_HTTP_BODY_BYTES, 0, "/", false, &x);
    check_outcome(&x, HTTP_DONE);
    assert_int_equal(x.body.len, LIMIT_HTTP_BODY_BYTES);
    exchange_free(&x);

    x = (struct exchange){0};
    get_much(LIMIT_HTTP_BODY_BYTES + 1, 0, "/", false, &x);
    check_outcome(&x, HTTP_TOO_LARGE);
    exchange_free(&x);

    x = (struct exchange){0}; /* streams have no limit */
    get_much(LIMIT_HTTP_BODY_BYTES + 1, 0, "/", true, &x);
    check_outcome(&x, HTTP_DONE);
    assert_int_equal(x.data.len, LIMIT_HTTP_BODY_BYTES + 1);
    assert_int_equal(x.body.len, 0);
    exchange_free(&x);
}

static void test_error_body_limits(void **state)
{
    (void)state;
    for (int streamed = 0; streamed < 2; streamed++) {
        struct exchange x = {0};
        get_much(LIMIT_HTTP_ERROR_BODY_BYTES + 100000, 0, "/error", streamed, &x);
        check_outcome(&x, HTTP_DONE);
        assert_int_equal(x.status, 503);
        assert_int_equal(x.body.len, LIMIT_HTTP_ERROR_BODY_BYTES);
        assert_int_equal(x.data_count, 0);
        exchange_free(&x);
    }
    struct exchange x = {0};
    get_much(1000, 10, "/error", false, &x);
    check_outcome(&x, HTTP_DONE);
    assert_int_equal(x.body.len, 10);
    exchange_free(&x);
    x = (struct exchange){0};
    get_much(LIMIT_HTTP_BODY_BYTES + 1, 0, "/error", false, &x);
    check_outcome(&x, HTTP_TOO_LARGE);
    exchange_free(&x);
}

static void serve_headers(struct peer_connection *c)
{
    const size_t *len = c->peer->arg;
    if (!peer_request(c) || !peer_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"))
        return;
    for (size_t sent = 0; sent + 1000 <= *len; sent += 1000) {
        char line[1001];
        memset(line, 'h', sizeof(line));
        memcpy(line, "X: ", 3);
        memcpy(line + 998, "\r\n", 2);
        if (!peer_write(c, line, 1000))
            return;
    }
    peer_text(c, "\r\n");
}

static void test_header_limit(void **state)
{
    (void)state;
    static const size_t lengths[] = {60000, 70000, 10000000};
    for (size_t i = 0; i < COUNT_OF(lengths); i++) {
        struct peer *p = peer_start(serve_headers, (void *)(uintptr_t)&lengths[i]);
        struct world *w = world_new(&plain);
        struct exchange x = {0};
        exchange_run(w, &x, (struct http_request){.url = url_of(p, "/")}, false);
        check_outcome(&x, lengths[i] < LIMIT_HTTP_HEADER_BYTES ? HTTP_DONE : HTTP_TOO_LARGE);
        exchange_free(&x);
        world_free(w);
        peer_stop(p);
    }
}

static void test_abort_from_on_data(void **state)
{
    (void)state;
    size_t len = 1000000;
    struct peer *p = peer_start(serve_much, &len);
    struct world *w = world_new(&plain);
    struct exchange x = {.abort_after = 100000};
    exchange_run(w, &x, (struct http_request){.url = url_of(p, "/")}, true);
    check_outcome(&x, HTTP_ABORTED);
    assert_in_range(x.data.len, 100000, 100000 + LIMIT_HTTP_BUFFER_BYTES);
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

/* -- connections -- */

static void test_connections_are_reused_or_not(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&plain);
    static const struct {
        bool fresh, drop, reused;
        int accepted;
    } steps[] = {
        {false, false, false, 1}, {false, false, true, 1}, {true, false, false, 2}, {false, false, true, 2}, {false, true, false, 3},
    };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct exchange x = {0};
        if (steps[i].drop) {
            http_client_drop_connections(w->client);
            run_until(w, &p->closed_by_client, 2); /* the idle ones are closed at once */
        }
        exchange_run(w, &x, (struct http_request){.url = url_of(p, "/"), .fresh_connection = steps[i].fresh}, false);
        check_outcome(&x, HTTP_DONE);
        assert_int_equal(x.reused, steps[i].reused);
        assert_int_equal(p->accepted, steps[i].accepted);
        exchange_free(&x);
    }
    world_free(w);
    peer_stop(p);
}

/* Sends headers and waits; the rest comes after the release. */
static void serve_slowly(struct peer_connection *c)
{
    while (peer_request(c)) {
        if (!peer_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc"))
            return;
        peer_wait_release(c->peer);
        if (!peer_text(c, "def"))
            return;
    }
    atomic_fetch_add(&c->peer->closed_by_client, 1);
}

static void test_drop_spares_busy_connections_and_closes_idle_ones(void **state)
{
    (void)state;
    struct peer *slow = peer_start(serve_slowly, NULL), *quick = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&plain);
    struct exchange busy = {0}, idle = {0}, next = {0};
    exchange_start(w, &busy, (struct http_request){.url = url_of(slow, "/")}, true);
    run_until(w, &slow->requests, 1);
    w->pending = 0;
    exchange_run(w, &idle, (struct http_request){.url = url_of(quick, "/")}, false);
    http_client_drop_connections(w->client);
    run_until(w, &quick->closed_by_client, 1); /* while the busy one goes on */
    assert_int_equal(slow->closed_by_client, 0);
    atomic_store(&slow->release, true);
    w->pending = 2;
    exchange_start(w, &next, (struct http_request){.url = url_of(slow, "/")}, false);
    w->pending = 2;
    loop_run(w->loop);
    check_outcome(&busy, HTTP_DONE);
    assert_true(str_eqz(buf_view(&busy.data), "abcdef"));
    check_outcome(&next, HTTP_DONE);
    assert_int_equal(slow->accepted, 2);
    exchange_free(&busy);
    exchange_free(&idle);
    exchange_free(&next);
    world_free(w);
    peer_stop(slow);
    peer_stop(quick);
}

static size_t pool_count(const struct world *w)
{
    size_t count = 0;
    list_for_each(node, &w->client->pools)
        count++;
    return count;
}

static void test_idle_connections_are_closed_after_a_while(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    exchange_run(w, &x, (struct http_request){.url = url_of(p, "/")}, false);
    struct http_pool *pool = CONTAINER_OF(w->client->pools.next, struct http_pool, node);
    assert_true(loop_timer_armed(&pool->idle_timer));
    int64_t left_ms = (pool->idle_timer.deadline_ns - loop_boot_ns(w->loop)) / MS;
    assert_in_range(left_ms, LIMIT_HTTP_IDLE_POOL_MS - 5000, LIMIT_HTTP_IDLE_POOL_MS);
    loop_timer_set_after(&pool->idle_timer, 0);
    run_until(w, &p->closed_by_client, 1);
    assert_int_equal(pool_count(w), 0);
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

static void serve_forever(struct peer_connection *c)
{
    if (peer_request(c) && peer_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx"))
        peer_wait_release(c->peer);
}

static void test_long_streams_are_spread_over_pools(void **state)
{
    (void)state;
    enum { COUNT = LIMIT_HTTP_LONG_STREAMS + 1 };
    static struct exchange streams[COUNT];
    struct peer *p = peer_start(serve_forever, NULL);
    struct world *w = world_new(&plain);
    for (int i = 0; i < COUNT; i++)
        exchange_start(w, &streams[i], (struct http_request){.url = url_of(p, "/"), .stream = true}, true);
    run_until(w, &p->requests, COUNT);
    assert_int_equal(pool_count(w), 2);
    struct http_pool *first = CONTAINER_OF(w->client->pools.next, struct http_pool, node);
    assert_int_equal(first->stream_count, LIMIT_HTTP_LONG_STREAMS);
    for (int i = 0; i < COUNT; i++) {
        http_cancel(streams[i].call);
        exchange_free(&streams[i]);
    }
    assert_int_equal(first->stream_count, 0);
    assert_int_equal(first->call_count, 0);
    run_for_ms(w, 1);
    world_free(w);
    peer_stop(p);
}

static void test_connections_max(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&(struct http_client_config){.connections_max = 2});
    static struct exchange xs[20];
    for (size_t i = 0; i < COUNT_OF(xs); i++)
        exchange_start(w, &xs[i], (struct http_request){.url = url_of(p, "/")}, false);
    loop_run(w->loop);
    for (size_t i = 0; i < COUNT_OF(xs); i++) {
        check_outcome(&xs[i], HTTP_DONE);
        exchange_free(&xs[i]);
    }
    assert_in_range(p->accepted, 1, 2);
    world_free(w);
    peer_stop(p);
}

static void test_ipv6_literal(void **state)
{
    (void)state;
    struct peer *p = peer_start_on(AF_INET6, serve_text, ok_answer, NULL);
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    char url[64], host[64];
    (void)snprintf(url, sizeof(url), "http://[::1]:%d/", p->port);
    (void)snprintf(host, sizeof(host), "\r\nHost: [::1]:%d\r\n", p->port);
    exchange_run(w, &x, (struct http_request){.url = str_from(url)}, false);
    check_outcome(&x, HTTP_DONE);
    assert_non_null(strstr(peer_seen(p), host));
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

static void test_host_name_and_proxy_environment_ignored(void **state)
{
    (void)state;
    setenv("http_proxy", "http://127.0.0.1:1", 1);
    setenv("all_proxy", "http://127.0.0.1:1", 1);
    struct peer *p = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    char url[64];
    (void)snprintf(url, sizeof(url), "http://localhost:%d/", p->port); /* resolved in a thread, ::1 refused if tried first */
    exchange_run(w, &x, (struct http_request){.url = str_from(url)}, false);
    check_outcome(&x, HTTP_DONE);
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
    unsetenv("http_proxy");
    unsetenv("all_proxy");
}

/* -- time -- */

static void test_timeout(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_slowly, NULL);
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    int64_t start_ns = loop_boot_ns(w->loop);
    exchange_run(w, &x, (struct http_request){.url = url_of(p, "/"), .timeout_ms = 150}, true);
    int64_t took_ms = (loop_boot_ns(w->loop) - start_ns) / MS;
    check_outcome(&x, HTTP_TIMEOUT);
    assert_in_range(took_ms, 150, 2000);
    assert_int_equal(x.status, 200);
    assert_true(str_eqz(buf_view(&x.data), "abc"));
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

/* One byte every 50 ms, ten times, then silence. */
static void serve_drops(struct peer_connection *c)
{
    if (!peer_request(c) || !peer_text(c, "HTTP/1.1 200 OK\r\n\r\n"))
        return;
    for (int i = 0; i < 10; i++) {
        usleep(50000);
        if (!peer_text(c, "."))
            return;
    }
    peer_wait_release(c->peer);
}

static void test_idle_timeout_counts_from_the_last_data(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_drops, NULL);
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    int64_t start_ns = loop_boot_ns(w->loop);
    exchange_run(w, &x, (struct http_request){.url = url_of(p, "/"), .idle_timeout_ms = 300, .stream = true}, true);
    int64_t took_ms = (loop_boot_ns(w->loop) - start_ns) / MS;
    check_outcome(&x, HTTP_TIMEOUT);
    assert_int_equal(x.data.len, 10);
    assert_in_range(took_ms, 500 + 300, 5000);
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

static void test_connect_timeout(void **state)
{
    (void)state;
    /* a full backlog drops further SYNs */
    int port, fd = listen_on(AF_INET, 0, &port), filler[8];
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    for (size_t i = 0; i < COUNT_OF(filler); i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(filler[i], (struct sockaddr *)&address, sizeof(address));
    }
    struct world *w = world_new(&(struct http_client_config){.connect_timeout_ms = 200});
    struct exchange x = {0};
    char url[64];
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
    int64_t start_ns = loop_boot_ns(w->loop);
    exchange_run(w, &x, (struct http_request){.url = str_from(url)}, false);
    int64_t took_ms = (loop_boot_ns(w->loop) - start_ns) / MS;
    check_outcome(&x, HTTP_CONNECT_FAILED);
    assert_in_range(took_ms, 190, 3000);
    exchange_free(&x);
    world_free(w);
    for (size_t i = 0; i < COUNT_OF(filler); i++)
        close(filler[i]);
    close(fd);
}

/* -- requests are not repeated -- */

/* The first request of a connection is answered, the second is read and the connection cut. */
static void serve_one_then_cut(struct peer_connection *c)
{
    if (peer_request(c) && peer_text(c, ok_answer))
        (void)peer_request(c);
}

static void test_post_is_not_repeated_on_a_dead_connection(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_one_then_cut, NULL);
    struct world *w = world_new(&plain);
    struct exchange first = {0}, second = {0};
    exchange_run(w, &first, (struct http_request){.url = url_of(p, "/")}, false);
    exchange_run(w, &second, (struct http_request){.method = "POST", .url = url_of(p, "/"), .body = STR("once")}, false);
    check_outcome(&first, HTTP_DONE);
    check_outcome(&second, HTTP_BROKEN);
    assert_int_equal(p->requests, 2); /* libcurl does connect again, but sends nothing */
    exchange_free(&first);
    exchange_free(&second);
    world_free(w);
    peer_stop(p);
}

static void test_connection_closed_while_idle_is_replaced(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_once, ok_answer);
    struct world *w = world_new(&plain);
    for (int i = 0; i < 3; i++) {
        struct exchange x = {0};
        exchange_run(w, &x, (struct http_request){.method = "POST", .url = url_of(p, "/"), .body = STR("b")}, false);
        check_outcome(&x, HTTP_DONE);
        exchange_free(&x);
        /* wait for the server's end of the connection */
        for (int tries = 0; tries < 1000; tries++) {
            char byte;
            const struct http_pool *pool = CONTAINER_OF(w->client->pools.next, struct http_pool, node);
            if (pool->open_count == 0 || recv(pool->open_fds[0], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
                break;
            usleep(1000);
        }
    }
    assert_int_equal(p->requests, 3);
    world_free(w);
    peer_stop(p);
}

/* -- cancelling -- */

static void cancel_self(struct exchange *x)
{
    http_cancel(x->call);
    exchange_cancelled(x);
}

static void cancel_other(struct exchange *x)
{
    if (x->other->call == NULL)
        return;
    http_cancel(x->other->call);
    exchange_cancelled(x->other);
}

static void test_cancel_before_anything_happened(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_text, ok_answer);
    struct world *w = world_new(&plain);
    struct exchange gone = {0}, x = {0};
    exchange_start(w, &gone, (struct http_request){.url = url_of(p, "/gone"), .timeout_ms = 1000}, true);
    cancel_self(&gone);
    exchange_run(w, &x, (struct http_request){.url = url_of(p, "/")}, false);
    check_outcome(&x, HTTP_DONE);
    assert_int_equal(gone.headers_count + gone.done_count, 0);
    assert_null(strstr(peer_seen(p), "gone"));
    exchange_free(&x);
    exchange_free(&gone);
    world_free(w);
    peer_stop(p);
}

static void test_cancel_self_in_headers_and_data(void **state)
{
    (void)state;
    for (int in_data = 0; in_data < 2; in_data++) {
        struct peer *p = peer_start(serve_text, ok_answer);
        struct world *w = world_new(&plain);
        struct exchange gone = {0}, x = {0};
        if (in_data)
            gone.in_data = cancel_self;
        else
            gone.in_headers = cancel_self;
        exchange_start(w, &gone, (struct http_request){.url = url_of(p, "/"), .idle_timeout_ms = 5000}, true);
        loop_run(w->loop);
        assert_int_equal(gone.done_count, 0);
        assert_int_equal(gone.headers_count, 1);
        assert_int_equal(gone.data_count, in_data);
        assert_true(list_empty(&w->client->calls) && list_empty(&w->client->ended));
        exchange_run(w, &x, (struct http_request){.url = url_of(p, "/")}, false); /* the client works on */
        check_outcome(&x, HTTP_DONE);
        exchange_free(&x);
        exchange_free(&gone);
        world_free(w);
        peer_stop(p);
    }
}

static void test_cancel_other_in_each_callback(void **state)
{
    (void)state;
    for (int where = 0; where < 3; where++) {
        struct peer *p = peer_start(serve_text, ok_answer), *slow = peer_start(serve_slowly, NULL);
        struct world *w = world_new(&plain);
        struct exchange victim = {0}, x = {.other = &victim};
        if (where == 0)
            x.in_headers = cancel_other;
        else if (where == 1)
            x.in_data = cancel_other;
        else
            x.in_done = cancel_other;
        exchange_start(w, &victim, (struct http_request){.url = url_of(slow, "/")}, true);
        run_until(w, &slow->requests, 1);
        exchange_start(w, &x, (struct http_request){.url = url_of(p, "/")}, true);
        while (w->pending > 0)
            loop_run(w->loop);
        check_outcome(&x, HTTP_DONE);
        assert_int_equal(victim.done_count, 0);
        exchange_free(&x);
        exchange_free(&victim);
        world_free(w);
        peer_stop(p);
        peer_stop(slow);
    }
}

static void cancel_by_timer(void *arg)
{
    cancel_self(arg);
}

static void test_cancel_from_a_timer(void **state)
{
    (void)state;
    struct peer *slow = peer_start(serve_slowly, NULL);
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    struct loop_timer timer;
    loop_timer_init(w->loop, &timer, "cancel", cancel_by_timer, &x);
    exchange_start(w, &x, (struct http_request){.url = url_of(slow, "/")}, true);
    loop_timer_set_after(&timer, 50 * MS);
    loop_run(w->loop);
    assert_int_equal(x.done_count, 0);
    atomic_store(&slow->release, true);
    run_for_ms(w, 20);
    assert_int_equal(x.done_count, 0);
    exchange_free(&x);
    world_free(w);
    peer_stop(slow);
}

/* Many calls that cancel each other at random points; nothing is called twice or after its end. */
static void test_cancel_storm(void **state)
{
    (void)state;
    enum { COUNT = 64 };
    struct peer *p = peer_start(serve_text, ok_answer);
    for (unsigned round = 0; round < 8; round++) {
        static struct exchange xs[COUNT];
        memset(xs, 0, sizeof(xs));
        struct world *w = world_new(&(struct http_client_config){.connections_max = 8});
        for (unsigned i = 0; i < COUNT; i++) {
            xs[i].other = &xs[(i * 7 + round) % COUNT];
            void (*const at[])(struct exchange *) = {cancel_other, NULL, NULL};
            if (&xs[i] != xs[i].other) {
                xs[i].in_headers = at[(i + round) % 3];
                xs[i].in_data = at[(i + round + 1) % 3];
                xs[i].in_done = at[(i + round + 2) % 3];
            }
            exchange_start(w, &xs[i], (struct http_request){.url = url_of(p, "/")}, true);
        }
        while (w->pending > 0)
            loop_run(w->loop);
        int done = 0;
        for (unsigned i = 0; i < COUNT; i++) {
            assert_true(xs[i].done_count <= 1);
            assert_null(xs[i].call);
            done += xs[i].done_count;
            exchange_free(&xs[i]);
        }
        assert_in_range(done, 1, COUNT - 1);
        world_free(w);
    }
    peer_stop(p);
}

/* -- freeing the client -- */

static void free_client(struct exchange *x)
{
    struct world *w = x->world;
    http_client_free(w->client);
    w->client = NULL;
    w->pending = 0;
    loop_stop(w->loop);
}

static void test_free_in_each_callback(void **state)
{
    (void)state;
    for (int where = 0; where < 4; where++) {
        struct peer *p = peer_start(serve_text, ok_answer), *slow = peer_start(serve_slowly, NULL);
        struct world *w = world_new(&plain);
        struct exchange x = {0}, others[3] = {0}, refused = {0};
        x.in_headers = where == 0 ? free_client : NULL;
        x.in_data = where == 1 ? free_client : NULL;
        x.in_done = where == 2 ? free_client : NULL;
        for (int i = 0; i < 3; i++)
            exchange_start(w, &others[i], (struct http_request){.url = url_of(slow, "/"), .timeout_ms = 60000, .idle_timeout_ms = 60000}, true);
        run_until(w, &slow->requests, 3);
        if (where == 3) { /* within the task that starts calls */
            refused.in_done = free_client;
            exchange_start(w, &refused, (struct http_request){.url = STR("bad")}, true);
        }
        exchange_start(w, &x, (struct http_request){.url = url_of(p, "/")}, true);
        loop_run(w->loop);
        assert_null(w->client);
        assert_int_equal(x.done_count, where == 2);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(others[i].done_count, 0);
            exchange_free(&others[i]);
        }
        exchange_free(&x);
        exchange_free(&refused);
        world_free(w);
        peer_stop(p);
        peer_stop(slow);
    }
}

static void test_free_while_connecting_and_while_resolving(void **state)
{
    (void)state;
    struct world *w = world_new(&plain);
    struct exchange xs[3] = {0};
    struct peer *slow = peer_start(serve_slowly, NULL);
    exchange_start(w, &xs[0], (struct http_request){.url = url_of(slow, "/")}, true);
    exchange_start(w, &xs[1], (struct http_request){.url = STR("http://localhost:1/")}, true);
    exchange_start(w, &xs[2], (struct http_request){.url = STR("http://localhost:2/")}, true);
    loop_stop(w->loop);
    loop_run(w->loop);
    run_for_ms(w, 0);
    for (int i = 0; i < 3; i++)
        exchange_free(&xs[i]);
    world_free(w);
    peer_stop(slow);
}

/* -- sending from callbacks -- */

static void send_next(struct exchange *x)
{
    struct exchange *next = x->other;
    if (next != NULL && next->done_count == 0 && next->call == NULL)
        exchange_start(x->world, next, *(const struct http_request *)x->user, true);
}

static void test_send_from_each_callback(void **state)
{
    (void)state;
    for (int where = 0; where < 3; where++) {
        struct peer *p = peer_start(serve_text, ok_answer);
        struct world *w = world_new(&plain);
        struct http_request request = {.url = url_of(p, "/")};
        struct exchange next = {0}, x = {.other = &next, .user = &request};
        x.in_headers = where == 0 ? send_next : NULL;
        x.in_data = where == 1 ? send_next : NULL;
        x.in_done = where == 2 ? send_next : NULL;
        exchange_start(w, &x, request, true);
        while (w->pending > 0)
            loop_run(w->loop);
        check_outcome(&x, HTTP_DONE);
        check_outcome(&next, HTTP_DONE);
        exchange_free(&x);
        exchange_free(&next);
        world_free(w);
        peer_stop(p);
    }
}

/* -- a server of others: Python's -- */

static void test_python_http_server(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_http_XXXXXX", path[64], port_text[16], url[64], log_path[64], command[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/big", folder);
    (void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
    enum { LEN = 3000000 };
    char *content = malloc(LEN);
    for (size_t i = 0; i < LEN; i++)
        content[i] = (char)(i ^ i >> 8);
    FILE *file = fopen(path, "w");
    assert_int_equal(fwrite(content, 1, LEN, file), LEN);
    fclose(file);
    int port = free_port();
    (void)snprintf(port_text, sizeof(port_text), "%d", port);
    const char *const args[] = {"/usr/bin/python3", "-m", "http.server", "--bind", "127.0.0.1", "--protocol", "HTTP/1.1",
                                "--directory",      folder, port_text, NULL};
    pid_t pid = process_start(args, port, log_path);
    struct world *w = world_new(&plain);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/big", port);
    for (int i = 0; i < 3; i++) {
        struct exchange x = {.header_name = "content-length"};
        exchange_run(w, &x, (struct http_request){.url = str_from(url)}, true);
        check_outcome(&x, HTTP_DONE);
        assert_true(str_eq(buf_view(&x.data), str_make(content, LEN)));
        assert_true(x.data_count >= LEN / (int)LIMIT_HTTP_BUFFER_BYTES);
        assert_string_equal(x.header, "3000000");
        assert_int_equal(x.reused, i > 0);
        exchange_free(&x);
    }
    struct exchange head = {0}, missing = {0}, post = {0};
    exchange_run(w, &head, (struct http_request){.method = "HEAD", .url = str_from(url)}, true);
    check_outcome(&head, HTTP_DONE);
    assert_int_equal(head.data.len, 0);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%d/missing", port);
    exchange_run(w, &missing, (struct http_request){.url = str_from(url)}, true);
    check_outcome(&missing, HTTP_DONE);
    assert_int_equal(missing.status, 404);
    assert_true(missing.body.len > 0 && missing.data.len == 0);
    exchange_run(w, &post, (struct http_request){.method = "POST", .url = str_from(url)}, true);
    check_outcome(&post, HTTP_DONE);
    assert_int_equal(post.status, 501);
    exchange_free(&head);
    exchange_free(&missing);
    exchange_free(&post);
    world_free(w);
    process_stop(pid);
    free(content);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    alarm(55);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_get_sends_nothing_that_was_not_asked_for),
        cmocka_unit_test(test_headers_and_body),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_large_body_is_not_announced),
        cmocka_unit_test(test_bad_requests_are_not_sent),
        cmocka_unit_test(test_error_names_url_without_secrets),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_body_limits),
        cmocka_unit_test(test_error_body_limits),
        cmocka_unit_test(test_header_limit),
        cmocka_unit_test(test_abort_from_on_data),
        cmocka_unit_test(test_connections_are_reused_or_not),
        cmocka_unit_test(test_drop_spares_busy_connections_and_closes_idle_ones),
        cmocka_unit_test(test_idle_connections_are_closed_after_a_while),
        cmocka_unit_test(test_long_streams_are_spread_over_pools),
        cmocka_unit_test(test_connections_max),
        cmocka_unit_test(test_ipv6_literal),
        cmocka_unit_test(test_host_name_and_proxy_environment_ignored),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_idle_timeout_counts_from_the_last_data),
        cmocka_unit_test(test_connect_timeout),
        cmocka_unit_test(test_post_is_not_repeated_on_a_dead_connection),
        cmocka_unit_test(test_connection_closed_while_idle_is_replaced),
        cmocka_unit_test(test_cancel_before_anything_happened),
        cmocka_unit_test(test_cancel_self_in_headers_and_data),
        cmocka_unit_test(test_cancel_other_in_each_callback),
        cmocka_unit_test(test_cancel_from_a_timer),
        cmocka_unit_test(test_cancel_storm),
        cmocka_unit_test(test_free_in_each_callback),
        cmocka_unit_test(test_free_while_connecting_and_while_resolving),
        cmocka_unit_test(test_send_from_each_callback),
        cmocka_unit_test(test_python_http_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
