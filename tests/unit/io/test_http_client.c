/* The HTTP client on HTTP/1.1 without TLS: requests as sent, answers, limits, broken servers. */
#include "tests/unit/io/peer.h"

static const struct http_client_config plain;

/* -- requests as they go out -- */

static char ok_answer[] =
    "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-A: one\r\nx-a:  two \r\n\r\nhi";

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
    (void)snprintf(expected, sizeof(expected),
                   "GET /a/../b?q=%%20 HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n", p->port);
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
    const str headers[] = {STR("Content-Type: application/x-protobuf"), STR("X-Empty:"),
                           STR("Authorization:  Bearer t "), STR("accept: a/b")};
    struct exchange x = {0};
    {
        char body[] = "a\0b";
        exchange_start(w, &x,
                       (struct http_request){.method = "PUT",
                                             .url = url_of(p, "/x"),
                                             .headers = headers,
                                             .header_count = 4,
                                             .body = str_make(body, 3)},
                       false);
        memset(body, 'z', sizeof(body)); /* it was copied */
    }
    loop_run(w->loop);
    check_outcome(&x, HTTP_DONE);
    char expected[512];
    int len = snprintf(expected, sizeof(expected),
                       "PUT /x HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: baton/1\r\n"
                       "Content-Type: application/x-protobuf\r\nX-Empty:\r\nAuthorization: Bearer "
                       "t\r\naccept: a/b\r\n"
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
        struct peer *p =
            peer_start(serve_text, strcmp(cases[i].method, "HEAD") == 0 ? no_body : ok_answer);
        struct world *w = world_new(&plain);
        struct exchange x = {0};
        exchange_run(w, &x,
                     (struct http_request){.method = cases[i].method,
                                           .url = url_of(p, "/"),
                                           .body = cases[i].body,
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
                 (struct http_request){.method = "POST",
                                       .url = url_of(p, "/"),
                                       .body = str_make(body, LEN),
                                       .body_static = true},
                 false);
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
    expect_not_sent((struct http_request){.url = STR("http://127.0.0.1/a\r\nX: y")},
                    "forbidden byte", NULL);
    expect_not_sent((struct http_request){.url = STR("http://127.0.0.1/a\0b")}, "forbidden byte",
                    NULL);
    str smuggled = STR("Authorization: Bearer topsecret\r\nX-Evil: 1");
    expect_not_sent((struct http_request){.headers = &smuggled, .header_count = 1},
                    "header \"Authorization\"", "topsecret");
    str nameless = STR("topsecret");
    expect_not_sent((struct http_request){.headers = &nameless, .header_count = 1}, "header",
                    "topsecret");
    char *long_url = malloc(LIMIT_HTTP_URL_BYTES + 2);
    memset(long_url, 'a', LIMIT_HTTP_URL_BYTES + 1);
    memcpy(long_url, "http://127.0.0.1/", 17);
    expect_not_sent((struct http_request){.url = str_make(long_url, LIMIT_HTTP_URL_BYTES + 1)},
                    "too long", NULL);
    free(long_url);
}

static void test_error_names_url_without_secrets(void **state)
{
    (void)state;
    struct world *w = world_new(&plain);
    struct exchange x = {0};
    char url[128];
    int port = free_port();
    (void)snprintf(url, sizeof(url), "http://user:pass@127.0.0.1:%d/path@x?token=topsecret#also",
                   port);
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
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-H: "
         "h\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\nX-T: t1\r\nx-t: t2\r\n\r\n",
         HTTP_DONE, 200, "abcd", "h", "t2"},
        {"HTTP/1.1 200 OK\r\nX-H: h\r\nX-T: not a trailer\r\n\r\nuntil the end", HTTP_DONE, 200,
         "until the end", "h", "(none)"},
        {"HTTP/1.1 100 Continue\r\nX-H: early\r\n\r\nHTTP/1.1 103 Early Hints\r\nX-H: "
         "hint\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
         HTTP_DONE, 204, "", "(none)", "(none)"},
        {"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 1\r\n\r\nx",
         HTTP_DONE, 302, "x", "(none)", "(none)"},
        {"HTTP/1.1 500 No\r\nContent-Length: 4\r\nX-H:\r\n\r\nbody", HTTP_DONE, 500, "body", "",
         "(none)"},
        {"HTTP/1.1 401 No\r\nWWW-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n", HTTP_DONE, 401,
         "", "(none)", "(none)"},
        {"HTTP/1.0 200 OK\r\nX-H: a:b: c\r\n\r\n", HTTP_DONE, 200, "", "a:b: c", "(none)"},
        /* broken ones */
        {"", HTTP_BROKEN, 0, "", NULL, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Le", HTTP_BROKEN, 200, "", NULL, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nshort", HTTP_BROKEN, 200, "short", NULL,
         NULL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", HTTP_BROKEN, 200, "ab",
         NULL, NULL},
        {"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot hex\r\n", HTTP_BROKEN, 200, "",
         NULL, NULL},
        {"SSH-2.0-OpenSSH_9.2\r\n", HTTP_BROKEN, 0, "", NULL, NULL},
        {"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", HTTP_DONE, 200,
         "abc", NULL, NULL}, /* the first counts */
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        for (int streamed = 0; streamed < 2; streamed++) {
            const struct answer_case *k = &cases[i];
            struct peer *p = peer_start(serve_once, (void *)(uintptr_t)k->answer);
            struct world *w = world_new(&plain);
            struct exchange x = {.header_name = "X-H", .trailer_name = "x-T"};
            exchange_run(w, &x, (struct http_request){.url = url_of(p, "/"), .timeout_ms = 10000},
                         streamed);
            if (i + 1 < COUNT_OF(cases)) {
                check_outcome(&x, k->outcome);
                assert_int_equal(x.status, k->status);
                const struct buf *got = streamed && k->status < 300 ? &x.data : &x.body;
                assert_true(str_eqz(buf_view(got), k->body));
                if (k->header != NULL)
                    assert_string_equal(x.header, k->header);
                if (k->trailer != NULL)
                    assert_string_equal(x.trailer, k->trailer);
                assert_int_equal(x.headers_count,
                                 k->outcome == HTTP_DONE || k->body[0] != '\0' || x.headers_count);
            } else {
                assert_true(x.outcome == HTTP_DONE ||
                            x.outcome == HTTP_BROKEN); /* libcurl's to decide; it must end */
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
        (void)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n",
                       error ? "503 Busy" : "200 OK", *len);
        if (!peer_text(c, head) || !peer_write(c, body, *len))
            break;
    }
    free(body);
}

static void get_much(size_t len, size_t body_max, const char *path, bool streamed,
                     struct exchange *x)
{
    struct peer *p = peer_start(serve_much, &len);
    struct world *w = world_new(&plain);
    exchange_run(w, x, (struct http_request){.url = url_of(p, path), .body_max = body_max},
                 streamed);
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

/* -- a server of others: Python's -- */

static void test_python_http_server(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_http_XXXXXX", path[64], port_text[16], url[64], log_path[64],
         command[64];
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
    const char *const args[] = {
        "/usr/bin/python3", "-m",          "http.server", "--bind",  "127.0.0.1", "--protocol",
        "HTTP/1.1",         "--directory", folder,        port_text, NULL};
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
        cmocka_unit_test(test_python_http_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
