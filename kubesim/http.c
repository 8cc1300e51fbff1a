/*
 * HTTP for the simulator, by libmicrohttpd in its external epoll mode: everything in the caller's
 * thread.
 *
 * Life of a request: the URI callback makes an exchange (it alone sees the URI as it was sent); the
 * handler collects the body and starts a call; when the call has a head, the response is queued,
 * whose body reader asks the call for bytes. Whenever the call has nothing yet, the connection is
 * suspended, and the call's on_ready resumes it; that is how a watch waits without a thread. The
 * library does not look at suspended connections, so a second epoll watches them for clients that
 * leave.
 *
 * Cut connections: a handler that says no, or a body reader that ends with an error, makes the
 * library close the socket.
 *
 * Invariant: an exchange is in the `watched` epoll exactly while its connection is suspended.
 */
#include "kubesim/http.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <microhttpd.h>

#include "base/buf.h"
#include "base/list.h"
#include "kubesim/limits.h"
#include "wire/text.h"

struct kubesim_http {
    struct kubesim *sim;
    struct MHD_Daemon *daemon;
    int watched; /* epoll: suspended connections whose client may leave */
    struct list connections;
    bool cut_pending;
    const struct MHD_Connection *current; /* whose handler runs: a restart spares it */
    const struct MHD_Connection *spared;
    int64_t down_until_ns;
};

struct connection {
    struct list node;
    int fd;
    const struct MHD_Connection *handle;
};

struct exchange {
    struct kubesim_http *http;
    struct MHD_Connection *connection;
    char *uri;
    struct buf body;
    bool started, body_too_long, suspended, gone;
    struct kubesim_call *call;
};

enum {
    CONNECTIONS_MAX = 10000,
    CONNECTION_MEMORY_BYTES = 128 * 1024,
    BLOCK_BYTES = 32 * 1024,
    EVENTS_MAX = 64
};

static int64_t steady_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* -- waiting -- */

static int socket_of(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
}

static void suspend(struct exchange *e)
{
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLONESHOT, .data.ptr = e};
    CHECK(!e->suspended);
    e->suspended = true;
    MHD_suspend_connection(e->connection);
    if (epoll_ctl(e->http->watched, EPOLL_CTL_ADD, socket_of(e->connection), &event) != 0)
        CHECK(errno == ENOMEM || errno == ENOSPC); /* then it is noticed with the next write */
}

static void resume(struct exchange *e)
{
    if (!e->suspended)
        return;
    e->suspended = false;
    epoll_ctl(e->http->watched, EPOLL_CTL_DEL, socket_of(e->connection), NULL);
    MHD_resume_connection(e->connection);
}

static void on_ready(void *arg)
{
    resume(arg);
}

/* Clients that left while we had nothing for them. */
static void find_gone(struct kubesim_http *http)
{
    struct epoll_event events[EVENTS_MAX];
    int count = epoll_wait(http->watched, events, EVENTS_MAX, 0);
    for (int i = 0; i < count; i++) {
        struct exchange *e = events[i].data.ptr;
        e->gone = true;
        kubesim_call_free(e->call);
        e->call = NULL;
        resume(e);
    }
}

/* -- answering -- */

static ssize_t read_body(void *arg, uint64_t pos, char *data, size_t size)
{
    struct exchange *e = arg;
    size_t len;
    (void)pos;
    if (e->gone)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    switch (kubesim_call_read(e->call, data, size, &len)) {
    case KUBESIM_DATA:
        return (ssize_t)len;
    case KUBESIM_WAIT:
        suspend(e);
        return 0;
    case KUBESIM_END:
        return MHD_CONTENT_READER_END_OF_STREAM;
    case KUBESIM_CUT:
        break;
    }
    return MHD_CONTENT_READER_END_WITH_ERROR;
}

static void add_headers(struct MHD_Response *response, const struct kubesim_head *head)
{
    char number[16];
    MHD_add_response_header(response, "Content-Type", head->content_type);
    MHD_add_response_header(response, "Cache-Control", "no-cache, private");
    if (head->retry_after_s > 0) {
        snprintf(number, sizeof number, "%d", head->retry_after_s);
        MHD_add_response_header(response, "Retry-After", number);
    }
    if (head->warning.len > 0) {
        char *warning = str_dup(head->warning);
        MHD_add_response_header(response, "Warning", warning);
        mem_free(warning);
    }
}

static enum MHD_Result go_on(struct exchange *e)
{
    char nothing[1];
    size_t len;
    if (e->gone)
        return MHD_NO;
    const struct kubesim_head *head = kubesim_call_head(e->call);
    if (head == NULL) {
        if (kubesim_call_read(e->call, nothing, 0, &len) != KUBESIM_WAIT)
            return MHD_NO; /* closes the connection */
        suspend(e);
        return MHD_YES;
    }
    uint64_t size = head->content_length >= 0 ? (uint64_t)head->content_length : MHD_SIZE_UNKNOWN;
    struct MHD_Response *response =
        MHD_create_response_from_callback(size, BLOCK_BYTES, read_body, e, NULL);
    CHECK(response != NULL);
    add_headers(response, head);
    enum MHD_Result result = MHD_queue_response(e->connection, (unsigned)head->status, response);
    MHD_destroy_response(response);
    return result;
}

static str header(struct MHD_Connection *c, const char *name)
{
    return str_from(MHD_lookup_connection_value(c, MHD_HEADER_KIND, name));
}

static void start_call(struct exchange *e, const char *method)
{
    str path, query;
    str_cut(str_from(e->uri), '?', &path, &query);
    struct kubesim_request request = {
        .method = method,
        .path = path,
        .query = query,
        .authorization = header(e->connection, "Authorization"),
        .content_type = header(e->connection, "Content-Type"),
        .accept = header(e->connection, "Accept"),
        .impersonate_user = header(e->connection, "Impersonate-User"),
        .impersonate_group = header(e->connection, "Impersonate-Group"),
        .body = e->body_too_long ? STR_NONE : buf_view(&e->body),
        .body_too_long = e->body_too_long,
    };
    e->http->current = e->connection;
    e->call = kubesim_call_start(e->http->sim, &request, on_ready, e);
    e->http->current = NULL;
    buf_deinit(&e->body);
}

/* -- library callbacks -- */

static void *on_uri(void *arg, const char *uri, struct MHD_Connection *connection)
{
    struct exchange *e = mem_zalloc(sizeof *e);
    e->http = arg;
    e->connection = connection;
    e->uri = str_dup(str_from(uri));
    buf_init(&e->body, LIMIT_SIM_BODY_BYTES);
    return e;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *size, void **context)
{
    struct exchange *e = *context;
    (void)arg, (void)connection, (void)url, (void)version;
    if (!e->started) {
        e->started = true;
        return MHD_YES;
    }
    if (*size > 0) {
        buf_append(&e->body, data, *size);
        e->body_too_long = e->body.overflow;
        *size = 0;
        return MHD_YES;
    }
    if (e->call == NULL && !e->gone)
        start_call(e, method);
    return go_on(e);
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode code)
{
    struct exchange *e = *context;
    (void)arg, (void)connection, (void)code;
    if (e == NULL)
        return;
    if (e->suspended)
        epoll_ctl(e->http->watched, EPOLL_CTL_DEL, socket_of(e->connection), NULL);
    if (e->call != NULL)
        kubesim_call_free(e->call);
    buf_deinit(&e->body);
    mem_free(e->uri);
    mem_free(e);
    *context = NULL;
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    struct kubesim_http *http = arg;
    struct connection *c = *context;
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        int on = 1;
        c = mem_zalloc(sizeof *c);
        c->fd = socket_of(connection);
        c->handle = connection;
        setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        list_append(&http->connections, &c->node);
        *context = c;
    } else if (c != NULL) {
        list_remove(&c->node);
        mem_free(c);
        *context = NULL;
    }
}

static enum MHD_Result on_accept(void *arg, const struct sockaddr *address, socklen_t len)
{
    struct kubesim_http *http = arg;
    (void)address, (void)len;
    return steady_ns() < http->down_until_ns ? MHD_NO : MHD_YES;
}

PRINTF_LIKE(2, 0) static void on_log(void *arg, const char *format, va_list args)
{
    /* Broken connections are what this server is for. */
    (void)arg, (void)format, (void)args;
}

/* -- life -- */

struct kubesim_http *kubesim_http_new(int listen_fd, const char *cert_pem, const char *key_pem,
                                      struct err *err)
{
    struct kubesim_http *http = mem_zalloc(sizeof *http);
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
    struct MHD_OptionItem tls[] = {{MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)(uintptr_t)cert_pem},
                                   {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)(uintptr_t)key_pem},
                                   {MHD_OPTION_END, 0, NULL}};
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    list_init(&http->connections);
    http->watched = epoll_create1(EPOLL_CLOEXEC);
    CHECK(http->watched >= 0);
    http->daemon = MHD_start_daemon(
        flags | (cert_pem != NULL ? MHD_USE_TLS : 0), 0, on_accept, http, on_request, http,
        MHD_OPTION_EXTERNAL_LOGGER, on_log, NULL, MHD_OPTION_LISTEN_SOCKET, listen_fd,
        MHD_OPTION_URI_LOG_CALLBACK, on_uri, http, MHD_OPTION_NOTIFY_COMPLETED, on_completed, http,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, http, MHD_OPTION_CONNECTION_LIMIT,
        (unsigned)CONNECTIONS_MAX, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY_BYTES, MHD_OPTION_ARRAY, cert_pem != NULL ? tls : none,
        MHD_OPTION_END);
    if (http->daemon != NULL)
        return http;
    err_set(err, "the HTTP server does not start%s",
            cert_pem != NULL ? ": are certificate and key a pair?" : "");
    close(http->watched);
    mem_free(http);
    return NULL;
}

void kubesim_http_serve(struct kubesim_http *http, struct kubesim *sim)
{
    http->sim = sim;
}

void kubesim_http_cut(struct kubesim_http *http, int64_t down_ns)
{
    http->cut_pending = true;
    http->spared = http->current;
    http->down_until_ns = steady_ns() + down_ns;
}

static void cut_connections(struct kubesim_http *http)
{
    list_for_each (node, &http->connections) {
        struct connection *c = CONTAINER_OF(node, struct connection, node);
        if (c->handle != http->spared)
            shutdown(c->fd, SHUT_RDWR);
    }
    http->cut_pending = false;
    http->spared = NULL;
}

void kubesim_http_fds(const struct kubesim_http *http, int fds[KUBESIM_HTTP_FDS])
{
    fds[0] = MHD_get_daemon_info(http->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    fds[1] = http->watched;
}

int kubesim_http_step(struct kubesim_http *http)
{
    unsigned long long library_ms;
    int64_t timeout_ms = INT32_MAX;
    find_gone(http);
    int64_t due_ns = kubesim_tick(http->sim);
    MHD_run(http->daemon);
    if (http->cut_pending)
        cut_connections(http);
    /* What ran may have made something due. */
    int64_t again_ns = kubesim_tick(http->sim);
    due_ns = again_ns < due_ns ? again_ns : due_ns;
    if (due_ns != INT64_MAX) {
        int64_t left_ns = due_ns - steady_ns();
        timeout_ms = left_ns <= 0 ? 0 : (left_ns + 999999) / 1000000;
    }
    if (MHD_get_timeout(http->daemon, &library_ms) == MHD_YES &&
        library_ms < (unsigned long long)timeout_ms)
        timeout_ms = (int64_t)library_ms;
    return timeout_ms >= INT32_MAX ? -1 : (int)timeout_ms;
}

void kubesim_http_free(struct kubesim_http *http)
{
    /* Suspended connections would keep the library waiting. */
    list_for_each (node, &http->connections)
        shutdown(CONTAINER_OF(node, struct connection, node)->fd, SHUT_RDWR);
    kubesim_restart(http->sim, 0);
    MHD_run(http->daemon);
    MHD_stop_daemon(http->daemon);
    close(http->watched);
    mem_free(http);
}

int kubesim_listen(str endpoint_text, uint16_t *port, struct err *err)
{
    struct endpoint endpoint;
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = SOCK_STREAM,
                             .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    char port_text[8];
    int on = 1;
    if (!endpoint_parse(endpoint_text, &endpoint, err))
        return -1;
    char *host = str_dup(endpoint.host);
    snprintf(port_text, sizeof port_text, "%u", endpoint.port);
    int problem = getaddrinfo(host[0] == '\0' ? NULL : host, port_text, &hints, &found);
    mem_free(host);
    if (problem != 0) {
        err_set(err, "listen on '%.*s': %s", STR_ARG(endpoint_text), gai_strerror(problem));
        return -1;
    }
    int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool ok = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
              bind(fd, found->ai_addr, found->ai_addrlen) == 0 && listen(fd, SOMAXCONN) == 0 &&
              getsockname(fd, (struct sockaddr *)&address, &len) == 0;
    freeaddrinfo(found);
    if (!ok) {
        err_set(err, "listen on '%.*s': %s", STR_ARG(endpoint_text), strerror(errno));
        if (fd >= 0)
            close(fd);
        return -1;
    }
    *port = ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                                : ((struct sockaddr_in *)&address)->sin_port);
    return fd;
}
