/*
 * For the tests of the HTTP client: servers in threads that do exactly what a test wants (plain or TLS), servers of other people as child
 * processes, and the client's side of an exchange.
 *
 * Everything fails the test by assert in the main thread; a serving thread only records. alarm() bounds every test program.
 */
#ifndef TESTS_UNIT_IO_PEER_H
#define TESTS_UNIT_IO_PEER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/limits.h"
#include "io/http_client.h"
#include "io/loop.h"

#define MS INT64_C(1000000)

/* -- servers in threads -- */

enum { PEER_CONNECTIONS_MAX = 256, PEER_SEEN_MAX = 64 * 1024 * 1024 };

struct peer;
struct peer_connection {
    struct peer *peer;
    int fd, index;
    SSL *ssl;
    pthread_t thread;
    struct buf input; /* read and not yet taken */
};
struct peer {
    int listen_fd, port;
    SSL_CTX *tls;
    void (*serve)(struct peer_connection *c);
    void *arg;
    pthread_t thread;
    pthread_mutex_t mutex;
    struct peer_connection connections[PEER_CONNECTIONS_MAX];
    atomic_int accepted, requests, closed_by_client;
    atomic_bool release; /* lets a server that waits for it go on */
    struct buf seen;     /* requests as they came, under the mutex */
};

static inline bool peer_read_more(struct peer_connection *c)
{
    char *at = buf_reserve(&c->input, 65536);
    if (at == NULL)
        return false;
    ssize_t got = c->ssl != NULL ? SSL_read(c->ssl, at, 65536) : read(c->fd, at, 65536);
    if (got <= 0)
        return false;
    buf_commit(&c->input, (size_t)got);
    return true;
}

static inline bool peer_write(struct peer_connection *c, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t put =
            c->ssl != NULL ? SSL_write(c->ssl, at, (int)len) : send(c->fd, at, len, MSG_NOSIGNAL);
        if (put <= 0)
            return false;
        at += put;
        len -= (size_t)put;
    }
    return true;
}

static inline bool peer_text(struct peer_connection *c, const char *text)
{
    return peer_write(c, text, strlen(text));
}

/* Reads `len` bytes and gives them away; valid until the next read. */
static inline const char *peer_take(struct peer_connection *c, size_t len)
{
    static _Thread_local char taken[1 << 20];
    if (len > sizeof(taken))
        return NULL;
    while (c->input.len < len)
        if (!peer_read_more(c))
            return NULL;
    memcpy(taken, c->input.data, len);
    buf_consume(&c->input, len);
    return taken;
}

/* Reads one request with its body (by Content-Length), keeps it in peer->seen; false at the end of the connection. */
static inline bool peer_request(struct peer_connection *c)
{
    size_t head_len, at;
    while (!str_find(buf_view(&c->input), STR("\r\n\r\n"), &head_len))
        if (!peer_read_more(c))
            return false;
    head_len += 4;
    uint64_t body_len = 0;
    str head = str_make(c->input.data, head_len), value, rest;
    if (str_find(head, STR("Content-Length: "), &at)) {
        str_cut(str_skip(head, at + 16), '\r', &value, &rest);
        if (!str_to_u64(value, &body_len))
            return false;
    }
    while (c->input.len < head_len + body_len)
        if (!peer_read_more(c))
            return false;
    pthread_mutex_lock(&c->peer->mutex);
    buf_append(&c->peer->seen, c->input.data, head_len + body_len);
    pthread_mutex_unlock(&c->peer->mutex);
    buf_consume(&c->input, head_len + body_len);
    atomic_fetch_add(&c->peer->requests, 1);
    return true;
}

static inline void peer_wait_release(const struct peer *p)
{
    while (!atomic_load(&p->release))
        usleep(1000);
}

static inline void *peer_connection_thread(void *arg)
{
    struct peer_connection *c = arg;
    bool ok = true;
    if (c->peer->tls != NULL) {
        c->ssl = SSL_new(c->peer->tls);
        SSL_set_fd(c->ssl, c->fd);
        ok = SSL_accept(c->ssl) == 1;
    }
    if (ok)
        c->peer->serve(c);
    if (c->ssl != NULL) {
        if (ok)
            (void)SSL_shutdown(c->ssl);
        SSL_free(c->ssl);
    }
    shutdown(c->fd,
             SHUT_RDWR); /* closed by peer_stop, so that the number is not used again before */
    OPENSSL_thread_stop();
    return NULL;
}

static inline void *peer_thread(void *arg)
{
    struct peer *p = arg;
    for (;;) {
        int fd = accept4(p->listen_fd, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0)
            return NULL;
        int index = atomic_load(&p->accepted);
        if (index == PEER_CONNECTIONS_MAX) {
            close(fd);
            continue;
        }
        struct peer_connection *c = &p->connections[index];
        *c = (struct peer_connection){.peer = p, .fd = fd, .index = index};
        buf_init(&c->input, PEER_SEEN_MAX);
        atomic_fetch_add(&p->accepted, 1); /* before an answer can be seen */
        if (pthread_create(&c->thread, NULL, peer_connection_thread, c) != 0)
            abort();
    }
}

static inline int listen_on(int family, int backlog, int *port)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    assert_true(fd >= 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    struct sockaddr_in6 address = {0};
    socklen_t len = family == AF_INET6 ? sizeof(struct sockaddr_in6) : sizeof(struct sockaddr_in);
    if (family == AF_INET6) {
        address.sin6_family = AF_INET6;
        address.sin6_addr = in6addr_loopback;
    } else {
        struct sockaddr_in *v4 = (struct sockaddr_in *)&address;
        v4->sin_family = AF_INET;
        v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    }
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    assert_int_equal(listen(fd, backlog), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &len), 0);
    *port = ntohs(address.sin6_port); /* at the same place for both families */
    return fd;
}

static inline struct peer *peer_start_on(int family, void (*serve)(struct peer_connection *),
                                         void *arg, SSL_CTX *tls)
{
    struct peer *p = calloc(1, sizeof(*p));
    p->listen_fd = listen_on(family, 128, &p->port);
    p->serve = serve;
    p->arg = arg;
    p->tls = tls;
    pthread_mutex_init(&p->mutex, NULL);
    buf_init(&p->seen, PEER_SEEN_MAX);
    assert_int_equal(pthread_create(&p->thread, NULL, peer_thread, p), 0);
    return p;
}

static inline struct peer *peer_start(void (*serve)(struct peer_connection *), void *arg)
{
    return peer_start_on(AF_INET, serve, arg, NULL);
}

static inline void peer_stop(struct peer *p)
{
    atomic_store(&p->release, true);
    shutdown(p->listen_fd, SHUT_RDWR); /* ends accept */
    pthread_join(p->thread, NULL);
    close(p->listen_fd);
    for (int i = 0; i < p->accepted; i++)
        shutdown(p->connections[i].fd, SHUT_RDWR);
    for (int i = 0; i < p->accepted; i++) {
        pthread_join(p->connections[i].thread, NULL);
        close(p->connections[i].fd);
        buf_deinit(&p->connections[i].input);
    }
    SSL_CTX_free(p->tls);
    buf_deinit(&p->seen);
    pthread_mutex_destroy(&p->mutex);
    free(p);
}

/* What was requested so far, as text; valid until the peer stops. */
static inline const char *peer_seen(struct peer *p)
{
    pthread_mutex_lock(&p->mutex);
    const char *text = buf_cstr(&p->seen);
    pthread_mutex_unlock(&p->mutex);
    return text;
}

/* Answers each request of a connection with the text in `arg`. */
static inline void serve_text(struct peer_connection *c)
{
    while (peer_request(c))
        if (!peer_text(c, c->peer->arg))
            return;
    atomic_fetch_add(&c->peer->closed_by_client, 1);
}

/* -- servers of others -- */

static inline bool can_connect(int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bool ok = connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0;
    close(fd);
    return ok;
}

static inline int free_port(void)
{
    int port;
    close(listen_on(AF_INET, 1, &port));
    return port;
}

/* Starts args with output to `log_path` and waits until it listens on the port. */
static inline pid_t process_start(const char *const args[], int port, const char *log_path)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        int fd = open(log_path, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        dup2(fd, STDOUT_FILENO);
        dup2(fd, STDERR_FILENO);
        execvp(args[0], (char *const *)(uintptr_t)args);
        _exit(127);
    }
    for (int i = 0; i < 1500; i++) {
        int status;
        if (can_connect(port))
            return pid;
        if (waitpid(pid, &status, WNOHANG) == pid)
            fail_msg("%s could not be started (see %s)", args[0], log_path);
        usleep(10000);
    }
    fail_msg("%s does not listen", args[0]);
    return -1;
}

static inline void process_stop(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

/* -- the client's side -- */

struct world {
    struct loop *loop;
    struct http_client *client;
    struct log *log;
    struct logger logger;
    struct buf logged;
    int pending; /* exchanges that are not done */
};

struct exchange {
    struct world *world;
    struct http_call *call;
    int headers_count, data_count, done_count;
    struct buf data; /* from on_data */
    struct buf body; /* from the result */
    enum http_outcome outcome;
    int status, status_at_headers;
    bool http2, reused;
    uint32_t http2_error;
    char err[ERR_TEXT_MAX];
    /* names to copy from the answer */
    const char *header_name, *trailer_name;
    char header[256], trailer[256]; /* "(none)" if absent */
    size_t abort_after;             /* of data; 0: never */
    void (*in_headers)(struct exchange *);
    void (*in_data)(struct exchange *);
    void (*in_done)(struct exchange *);
    struct exchange *other;
    void *user;
};

static inline void world_sink(void *arg, str line)
{
    buf_str(arg, line);
}
static inline int64_t world_wall(void *arg)
{
    (void)arg;
    return INT64_C(1700000000) * 1000 * MS;
}

static inline struct world *world_new(const struct http_client_config *config)
{
    struct world *w = calloc(1, sizeof(*w));
    struct err err = {0};
    buf_init(&w->logged, 1 << 20);
    w->log = log_new(&(struct log_config){
        .level = LOG_INFO, .sink = world_sink, .sink_arg = &w->logged, .wall_ns = world_wall});
    w->logger.log = w->log;
    w->loop = loop_new(&w->logger, &err);
    assert_non_null(w->loop);
    w->client = http_client_new(w->loop, &w->logger, config, &err);
    if (w->client == NULL)
        fail_msg("%s", err.text);
    return w;
}

static inline void world_free(struct world *w)
{
    http_client_free(w->client);
    loop_free(w->loop);
    log_free(w->log);
    buf_deinit(&w->logged);
    free(w);
}

static inline void exchange_on_headers(void *arg, const struct http_response *r)
{
    struct exchange *x = arg;
    x->headers_count++;
    x->status_at_headers = http_response_status(r);
    if (x->in_headers != NULL)
        x->in_headers(x);
}

static inline bool exchange_on_data(void *arg, str data)
{
    struct exchange *x = arg;
    x->data_count++;
    buf_str(&x->data, data);
    if (x->in_data != NULL)
        x->in_data(x);
    return x->abort_after == 0 || x->data.len < x->abort_after;
}

static inline void exchange_on_done(void *arg, const struct http_result *result)
{
    struct exchange *x = arg;
    str value;
    x->done_count++;
    x->call = NULL;
    x->outcome = result->outcome;
    x->status = http_response_status(result->response);
    x->http2 = http_response_is_http2(result->response);
    x->reused = result->connection_reused;
    x->http2_error = result->http2_error;
    (void)snprintf(x->err, sizeof(x->err), "%s", result->err.text);
    buf_str(&x->body, result->body);
    if (x->header_name != NULL)
        (void)snprintf(x->header, sizeof(x->header), "%.*s",
                       STR_ARG(http_response_header(result->response, x->header_name, &value)
                                   ? value
                                   : STR("(none)")));
    if (x->trailer_name != NULL)
        (void)snprintf(x->trailer, sizeof(x->trailer), "%.*s",
                       STR_ARG(http_response_trailer(result->response, x->trailer_name, &value)
                                   ? value
                                   : STR("(none)")));
    if (--x->world->pending == 0)
        loop_stop(x->world->loop);
    if (x->in_done != NULL)
        x->in_done(x);
}

/* Sends `request` (its callbacks are set here; on_data only if `streamed`). */
static inline void exchange_start(struct world *w, struct exchange *x, struct http_request request,
                                  bool streamed)
{
    x->world = w;
    if (x->data.max == 0)
        buf_init(&x->data, PEER_SEEN_MAX);
    if (x->body.max == 0)
        buf_init(&x->body, PEER_SEEN_MAX);
    if (request.method == NULL)
        request.method = "GET";
    request.on_headers = exchange_on_headers;
    request.on_data = streamed ? exchange_on_data : NULL;
    request.on_done = exchange_on_done;
    request.arg = x;
    w->pending++;
    int before = x->done_count;
    x->call = http_send(w->client, &request);
    assert_non_null(x->call);
    assert_int_equal(x->done_count, before); /* never before it returned */
}

static inline void exchange_run(struct world *w, struct exchange *x, struct http_request request,
                                bool streamed)
{
    exchange_start(w, x, request, streamed);
    while (x->done_count == 0) /* it may have been stopped before */
        loop_run(w->loop);
    assert_int_equal(x->done_count, 1);
}

static inline void exchange_free(struct exchange *x)
{
    buf_deinit(&x->data);
    buf_deinit(&x->body);
}

static inline void exchange_cancelled(struct exchange *x)
{
    x->call = NULL;
    if (--x->world->pending == 0)
        loop_stop(x->world->loop);
}

static inline str url_of(const struct peer *p, const char *path)
{
    static char text[8][1024];
    static int next;
    char *at = text[next++ % 8];
    return str_make(at, (size_t)snprintf(at, sizeof(text[0]), "%s://127.0.0.1:%d%s",
                                         p->tls != NULL ? "https" : "http", p->port, path));
}

static inline void check_outcome(const struct exchange *x, enum http_outcome outcome)
{
    if (x->outcome != outcome)
        fail_msg("outcome %d instead of %d: %s", (int)x->outcome, (int)outcome, x->err);
    if (outcome == HTTP_DONE)
        assert_string_equal(x->err, "");
    else
        assert_true(strlen(x->err) > 10);
}

/* Runs the loop for a while. */
static inline void stop_loop(void *loop)
{
    loop_stop(loop);
}
static inline void run_for_ms(struct world *w, int64_t ms)
{
    struct loop_timer timer;
    loop_timer_init(w->loop, &timer, "run for", stop_loop, w->loop);
    loop_timer_set_after(&timer, ms * MS);
    loop_run(w->loop);
    loop_timer_clear(&timer);
}

/* Runs the loop until the counter has that value (at most 10 s). */
static inline void run_until(struct world *w, const atomic_int *counter, int value)
{
    for (int i = 0; i < 10000 && atomic_load(counter) < value; i++)
        run_for_ms(w, 1);
    assert_int_equal(atomic_load(counter), value);
}

#endif
