/* The HTTP server with real sockets on loopback: requests, limits, slow peers, the end. The clients share the loop's thread. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/http_server.h"

#define MS INT64_C(1000000)
enum { TURNS_MAX = 20000, BIG_BYTES = 3 * 1024 * 1024 };

struct fixture {
    struct log *log;
    struct loop *loop;
    struct http_server *server;
    struct loop_timer timer;
    int handled;
};

static void drop_line(void *arg, str line)
{
    (void)arg, (void)line;
}

static int64_t no_clock(void *arg)
{
    (void)arg;
    return 0;
}

static void handle(void *arg, str path, struct http_reply *reply)
{
    struct fixture *f = arg;
    f->handled++;
    if (str_eqz(path, "/big") || str_eqz(path, "/too-big")) {
        size_t len = str_eqz(path, "/big") ? (size_t)BIG_BYTES : LIMIT_HTTP_SERVER_BODY_BYTES + 1;
        char *filler = mem_alloc(len);
        memset(filler, 'x', len);
        buf_append(&reply->body, filler, len);
        mem_free(filler);
    } else if (str_eqz(path, "/page")) {
        reply->content_type = "text/x-page";
        buf_text(&reply->body, "the page\n");
    } else {
        reply->status = 404;
    }
}

static void on_turn(void *arg)
{
    struct fixture *f = arg;
    loop_stop(f->loop);
}

static int setup(void **state)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    const struct log_config config = {.level = LOG_ERROR, .sink = drop_line, .wall_ns = no_clock};
    struct err err;
    alarm(50);
    f->log = log_new(&config);
    const struct logger logger = {.log = f->log};
    f->loop = loop_new(&logger, &err);
    assert_non_null(f->loop);
    loop_timer_init(f->loop, &f->timer, "turn", on_turn, f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    http_server_free(f->server);
    loop_timer_clear(&f->timer);
    loop_free(f->loop);
    log_free(f->log);
    mem_free(f);
    return 0;
}

static void serve(struct fixture *f, const char *host, int64_t request_ms)
{
    const struct http_server_config config = {.host = str_from(host), .request_ms = request_ms, .handle = handle, .arg = f};
    struct err err;
    f->server = http_server_new(f->loop, &config, &err);
    if (f->server == NULL)
        fail_msg("%s", err.text);
    assert_int_not_equal(http_server_port(f->server), 0);
}

/* A little of the loop. */
static void turn(struct fixture *f)
{
    loop_timer_set_after(&f->timer, MS / 2);
    loop_run(f->loop);
}

static int client(struct fixture *f, int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    uint16_t port = htons(http_server_port(f->server));
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    int rc = family == AF_INET ? connect(fd, (struct sockaddr *)&v4, sizeof v4) : connect(fd, (struct sockaddr *)&v6, sizeof v6);
    assert_int_equal(rc, 0);
    assert_int_equal(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static void say(int fd, const char *text)
{
    assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads what is there; false at the end of the connection. */
static bool hear(int fd, struct buf *in)
{
    char bytes[65536];
    for (;;) {
        ssize_t got = recv(fd, bytes, sizeof bytes, 0);
        if (got < 0 && errno == EAGAIN)
            return true;
        if (got <= 0)
            return false;
        buf_append(in, bytes, (size_t)got);
    }
}

static void hear_all(struct fixture *f, int fd, struct buf *in)
{
    buf_init(in, 8 * MIB);
    for (int i = 0; hear(fd, in); i++) {
        assert_true(i < TURNS_MAX);
        turn(f);
    }
    close(fd);
}

static bool has(const struct buf *b, const char *text)
{
    size_t pos;
    return str_find(buf_view(b), str_from(text), &pos);
}

/* One request on a connection of its own; the whole answer. */
static void ask(struct fixture *f, const char *request, struct buf *in)
{
    int fd = client(f, AF_INET);
    say(fd, request);
    hear_all(f, fd, in);
}

#define CLOSING " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

static void test_answers(void **state)
{
    struct fixture *f = *state;
    serve(f, "localhost", 0);
    struct buf in;
    ask(f, "GET /page?x=1" CLOSING, &in);
    assert_true(str_starts_with(buf_view(&in), STR("HTTP/1.1 200 OK\r\n")));
    assert_true(has(&in, "Content-Type: text/x-page\r\n") && has(&in, "Content-Length: 9\r\n"));
    assert_true(str_ends_with(buf_view(&in), STR("\r\n\r\nthe page\n")));
    buf_deinit(&in);
    ask(f, "HEAD /page" CLOSING, &in);
    assert_true(str_starts_with(buf_view(&in), STR("HTTP/1.1 200 ")) && has(&in, "Content-Length: 9\r\n"));
    assert_true(str_ends_with(buf_view(&in), STR("\r\n\r\n")));
    buf_deinit(&in);
    ask(f, "GET /nothing" CLOSING, &in);
    assert_true(str_starts_with(buf_view(&in), STR("HTTP/1.1 404 ")));
    buf_deinit(&in);
    int handled = f->handled;
    ask(f, "POST /page HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc", &in);
    assert_true(str_starts_with(buf_view(&in), STR("HTTP/1.1 405 ")) && has(&in, "Allow: GET, HEAD\r\n"));
    buf_deinit(&in);
    assert_int_equal(f->handled, handled);
}

static void test_a_large_page_and_one_too_large(void **state)
{
    struct fixture *f = *state;
    serve(f, "127.0.0.1", 0);
    struct buf in;
    ask(f, "GET /big" CLOSING, &in);
    assert_true(in.len > BIG_BYTES && in.len < BIG_BYTES + 1000);
    buf_deinit(&in);
    ask(f, "GET /too-big" CLOSING, &in);
    assert_true(str_starts_with(buf_view(&in), STR("HTTP/1.1 500 ")) && has(&in, "larger than"));
    buf_deinit(&in);
}

static void test_junk_and_endless_headers(void **state)
{
    struct fixture *f = *state;
    serve(f, "127.0.0.1", 0);
    struct buf in;
    ask(f, "\x16\x03\x01 what\r\n\r\n", &in); /* as of a client that speaks TLS */
    buf_deinit(&in);
    int fd = client(f, AF_INET);
    say(fd, "GET /page HTTP/1.1\r\n");
    buf_init(&in, MIB);
    char line[1024];
    (void)snprintf(line, sizeof line, "X: %0*d\r\n", 1000, 0);
    size_t sent = 0;
    while (hear(fd, &in) && sent < 10 * LIMIT_HTTP_SERVER_REQUEST_BYTES) {
        ssize_t got = send(fd, line, strlen(line), MSG_NOSIGNAL);
        sent += got > 0 ? (size_t)got : 0;
        turn(f);
    }
    assert_true(sent < 10 * LIMIT_HTTP_SERVER_REQUEST_BYTES);
    close(fd);
    buf_deinit(&in);
    assert_int_equal(f->handled, 0);
    ask(f, "GET /page" CLOSING, &in);
    assert_true(has(&in, "the page"));
    buf_deinit(&in);
}

static void test_several_requests_on_one_connection(void **state)
{
    struct fixture *f = *state;
    serve(f, "", 0);
    int fd = client(f, AF_INET);
    struct buf in;
    buf_init(&in, MIB);
    for (int i = 1; i <= 3; i++) {
        say(fd, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
        for (int n = 0; !has(&in, "the page\n"); n++) {
            assert_true(n < TURNS_MAX && hear(fd, &in));
            turn(f);
        }
        buf_clear(&in);
        assert_int_equal(f->handled, i);
    }
    say(fd, "GET /page HTTP/1.1\r\nHost: x\r\n\r\nGET /page" CLOSING); /* in one packet */
    buf_deinit(&in);
    hear_all(f, fd, &in);
    assert_int_equal(f->handled, 5);
    buf_deinit(&in);
}

static void test_more_clients_than_connections(void **state)
{
    struct fixture *f = *state;
    serve(f, "127.0.0.1", 0);
    enum { CLIENTS = 3 * LIMIT_HTTP_SERVER_CONNECTIONS };
    int fds[CLIENTS];
    struct buf in;
    for (int i = 0; i < CLIENTS; i++) {
        fds[i] = client(f, AF_INET);
        say(fds[i], i % 2 == 0 ? "GET /page" CLOSING : "GET /big" CLOSING);
        turn(f);
    }
    for (int i = 0; i < CLIENTS; i++) {
        hear_all(f, fds[i], &in);
        assert_true(str_starts_with(buf_view(&in), STR("HTTP/1.1 200 ")));
        buf_deinit(&in);
    }
    assert_int_equal(f->handled, CLIENTS);
}

static void test_slow_peers_do_not_keep_others_out(void **state)
{
    struct fixture *f = *state;
    serve(f, "127.0.0.1", 300);
    int slow[LIMIT_HTTP_SERVER_CONNECTIONS];
    for (size_t i = 0; i < COUNT_OF(slow); i++)
        slow[i] = client(f, AF_INET);
    int one_page_and_no_more = slow[0];
    say(one_page_and_no_more, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n");
    say(slow[1], "GET /big HTTP/1.1\r\nHost: x\r\n\r\n"); /* and reads nothing */
    for (int i = 0; i < 20; i++)
        turn(f);
    int fd = client(f, AF_INET);
    say(fd, "GET /page" CLOSING);
    struct buf in;
    buf_init(&in, MIB);
    for (int n = 0; hear(fd, &in); n++) {
        assert_true(n < TURNS_MAX);
        for (size_t i = 2; i < COUNT_OF(slow); i++) /* a byte now and then buys no time */
            (void)send(slow[i], "G", 1, MSG_NOSIGNAL);
        turn(f);
    }
    close(fd);
    assert_true(has(&in, "the page"));
    buf_clear(&in);
    for (size_t i = 0; i < COUNT_OF(slow); i++) {
        for (int n = 0; hear(slow[i], &in); n++) {
            assert_true(n < TURNS_MAX);
            turn(f);
        }
        close(slow[i]);
    }
    buf_deinit(&in);
}

/* While all connections are taken the listening socket is not watched; it is again when they end in one go. */
static void test_connections_that_end_together_make_room(void **state)
{
    enum { REQUEST_MS = 50 };
    struct fixture *f = *state;
    serve(f, "127.0.0.1", REQUEST_MS);
    int slow[LIMIT_HTTP_SERVER_CONNECTIONS];
    for (size_t i = 0; i < COUNT_OF(slow); i++)
        slow[i] = client(f, AF_INET);
    turn(f);
    int64_t late_ns = loop_boot_ns(f->loop) + 2 * REQUEST_MS * MS;
    const struct timespec ms = {.tv_nsec = MS};
    while (loop_boot_ns(f->loop) < late_ns) /* as a busy machine does: all deadlines are over at once */
        (void)nanosleep(&ms, NULL);
    struct buf in;
    ask(f, "GET /page" CLOSING, &in);
    assert_true(has(&in, "the page"));
    buf_deinit(&in);
    for (size_t i = 0; i < COUNT_OF(slow); i++)
        close(slow[i]);
}

static void test_end_with_open_connections(void **state)
{
    struct fixture *f = *state;
    serve(f, "127.0.0.1", 0);
    int idle = client(f, AF_INET), half = client(f, AF_INET), busy = client(f, AF_INET);
    say(half, "GET /pa");
    say(busy, "GET /big HTTP/1.1\r\nHost: x\r\n\r\n");
    for (int i = 0; i < 20; i++)
        turn(f);
    assert_int_equal(f->handled, 1);
    uint16_t port = http_server_port(f->server);
    http_server_free(f->server);
    const struct http_server_config again = {.host = STR("127.0.0.1"), .port = port, .handle = handle, .arg = f};
    struct err err;
    f->server = http_server_new(f->loop, &again, &err); /* the port is free at once */
    assert_non_null(f->server);
    int fds[] = {idle, half, busy};
    for (size_t i = 0; i < COUNT_OF(fds); i++) {
        struct buf in;
        hear_all(f, fds[i], &in);
        buf_deinit(&in);
    }
}

static void test_addresses(void **state)
{
    struct fixture *f = *state;
    struct buf in;
    struct err err;
    int probe = socket(AF_INET6, SOCK_STREAM, 0);
    const struct sockaddr_in6 loopback = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    bool has_v6 = probe >= 0 && bind(probe, (const struct sockaddr *)&loopback, sizeof loopback) == 0;
    close(probe);
    for (size_t i = 0; has_v6 && i < 2; i++) {
        serve(f, i == 0 ? "::1" : "::", 0);
        int fd = client(f, AF_INET6);
        say(fd, "GET /page" CLOSING);
        hear_all(f, fd, &in);
        assert_true(has(&in, "the page"));
        buf_deinit(&in);
        if (i == 0)
            http_server_free(f->server);
    }
    if (!has_v6)
        serve(f, "", 0);
    ask(f, "GET /page" CLOSING, &in); /* "::" takes IPv4 as well */
    assert_true(has(&in, "the page"));
    buf_deinit(&in);

    struct http_server_config config = {.host = STR("::"), .port = http_server_port(f->server), .handle = handle};
    char expected[128];
    (void)snprintf(expected, sizeof expected, "cannot listen on [::]:%u: Address already in use", config.port);
    if (has_v6) {
        assert_null(http_server_new(f->loop, &config, &err));
        assert_int_equal(err.code, EADDRINUSE);
        assert_string_equal(err.text, expected);
    }
    config.host = STR("192.0.2.1"); /* not ours */
    assert_null(http_server_new(f->loop, &config, &err));
    assert_int_equal(err.code, EADDRNOTAVAIL);
    config.host = STR("no host");
    assert_null(http_server_new(f->loop, &config, &err));
    assert_non_null(strstr(err.text, "cannot listen on no host:"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_answers),
        TEST(test_a_large_page_and_one_too_large),
        TEST(test_junk_and_endless_headers),
        TEST(test_several_requests_on_one_connection),
        TEST(test_more_clients_than_connections),
        TEST(test_slow_peers_do_not_keep_others_out),
        TEST(test_connections_that_end_together_make_room),
        TEST(test_end_with_open_connections),
        TEST(test_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
