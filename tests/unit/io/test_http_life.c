/*
 * The HTTP client on HTTP/1.1 without TLS: connections and when they are closed, timeouts, what is not sent twice, cancelling, freeing and
 * sending from within callbacks.
 */
#include "tests/unit/io/peer.h"

#include <dirent.h>
#include <dlfcn.h>
#include <netdb.h>

#include "io/http_internal.h"

static const struct http_client_config plain;
static char ok_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi";

/* Writes the answer and ends the connection. */
static void serve_once(struct peer_connection *c)
{
    if (peer_request(c))
        peer_text(c, c->peer->arg);
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
        {false, false, false, 1}, {false, false, true, 1}, {true, false, false, 2},
        {false, false, true, 2},  {false, true, false, 3},
    };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        struct exchange x = {0};
        if (steps[i].drop) {
            http_client_drop_connections(w->client);
            run_until(w, &p->closed_by_client, 2); /* the idle ones are closed at once */
        }
        exchange_run(
            w, &x, (struct http_request){.url = url_of(p, "/"), .fresh_connection = steps[i].fresh},
            false);
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
    list_for_each (node, &w->client->pools)
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
        exchange_start(w, &streams[i], (struct http_request){.url = url_of(p, "/"), .stream = true},
                       true);
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
    (void)snprintf(url, sizeof(url), "http://localhost:%d/",
                   p->port); /* resolved in a thread, ::1 refused if tried first */
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
    exchange_run(
        w, &x, (struct http_request){.url = url_of(p, "/"), .idle_timeout_ms = 300, .stream = true},
        true);
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

/* -- a name server that does not answer -- */

static atomic_bool name_server_answers;
static atomic_int names_asked;

static size_t thread_count(void)
{
    size_t count = 0;
    DIR *dir = opendir("/proc/self/task");
    assert_non_null(dir);
    for (const struct dirent *entry = readdir(dir); entry != NULL; entry = readdir(dir))
        count += entry->d_name[0] != '.';
    closedir(dir);
    return count;
}

/* Stands before the one of libc, for libcurl too. */
int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    if (node != NULL && strcmp(node, "hang.invalid") == 0) {
        atomic_fetch_add(&names_asked, 1);
        while (!atomic_load(&name_server_answers))
            usleep(1000);
        return EAI_AGAIN;
    }
    int (*next)(const char *, const char *, const struct addrinfo *, struct addrinfo **);
    *(void **)&next = dlsym(RTLD_NEXT, "getaddrinfo");
    return next(node, service, hints, result);
}

/* The loop waits for no name server: neither at a timeout, nor at a cancel, nor when the client is freed. */
static void test_hanging_name_server(void **state)
{
    (void)state;
    /* Those of the tests before may still be ending. */
    for (int i = 0; i < 1000 && thread_count() > 1; i++)
        usleep(10000);
    size_t threads = thread_count();
    struct world *w = world_new(&plain);
    struct exchange late = {0}, cancelled = {0}, freed = {0};
    struct http_request request = {.url = STR("http://hang.invalid/"), .timeout_ms = 200};
    int64_t start_ns = loop_boot_ns(w->loop);
    exchange_start(w, &late, request, true);
    request.timeout_ms = 0;
    exchange_start(w, &cancelled, request, true);
    exchange_start(w, &freed, request, true);
    run_until(w, &names_asked, 3);
    http_cancel(cancelled.call);
    w->pending -= 2;
    while (late.done_count == 0)
        loop_run(w->loop);
    check_outcome(&late, HTTP_TIMEOUT);
    world_free(w);
    w = world_new(&plain);
    assert_true(loop_boot_ns(w->loop) - start_ns < 5000 * MS);
    world_free(w);
    atomic_store(&name_server_answers, true);
    for (int i = 0; i < 1000 && thread_count() > threads; i++)
        usleep(10000);
    assert_int_equal(thread_count(), threads); /* the threads ended and cleaned up */
    exchange_free(&late);
    exchange_free(&cancelled);
    exchange_free(&freed);
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
    exchange_run(
        w, &second,
        (struct http_request){.method = "POST", .url = url_of(p, "/"), .body = STR("once")}, false);
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
        exchange_run(
            w, &x, (struct http_request){.method = "POST", .url = url_of(p, "/"), .body = STR("b")},
            false);
        check_outcome(&x, HTTP_DONE);
        exchange_free(&x);
        /* wait for the server's end of the connection */
        for (int tries = 0; tries < 1000; tries++) {
            char byte;
            const struct http_pool *pool =
                CONTAINER_OF(w->client->pools.next, struct http_pool, node);
            if (pool->open_count == 0 ||
                recv(pool->open_fds[0], &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0)
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
    exchange_start(w, &gone, (struct http_request){.url = url_of(p, "/gone"), .timeout_ms = 1000},
                   true);
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
        exchange_start(w, &gone,
                       (struct http_request){.url = url_of(p, "/"), .idle_timeout_ms = 5000}, true);
        loop_run(w->loop);
        assert_int_equal(gone.done_count, 0);
        assert_int_equal(gone.headers_count, 1);
        assert_int_equal(gone.data_count, in_data);
        assert_true(list_empty(&w->client->calls) && list_empty(&w->client->ended));
        exchange_run(w, &x, (struct http_request){.url = url_of(p, "/")},
                     false); /* the client works on */
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
            exchange_start(w, &others[i],
                           (struct http_request){.url = url_of(slow, "/"),
                                                 .timeout_ms = 60000,
                                                 .idle_timeout_ms = 60000},
                           true);
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

int main(void)
{
    alarm(55);
    const struct CMUnitTest tests[] = {
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
        cmocka_unit_test(test_hanging_name_server),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
