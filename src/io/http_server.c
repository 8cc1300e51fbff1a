/*
 * libmicrohttpd on our loop: it keeps its sockets in an epoll set of its own, that set is one
 * descriptor of ours, and whenever it is readable, or libmicrohttpd's timeout has passed, MHD_run
 * does what there is to do.
 *
 * Life of a connection: accepted if fewer than LIMIT_HTTP_SERVER_CONNECTIONS are open, else it waits
 * in the kernel's queue -> requests, each within LIMIT_HTTP_SERVER_REQUEST_MS of the one before (or
 * of the beginning) -> closed by the peer, or shut down by our timer: bytes that come one by one buy
 * no time, so that slow peers cannot keep others out.
 *
 * Invariants
 *  - MHD_run is never entered from within one of its callbacks.
 *  - connections are in the order in which their time runs out; the timer is set to the first.
 *
 * We open the listening socket ourselves: the reason of a failure is worth telling, and the port can
 * be asked for.
 */
#include "io/http_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/list.h"
#include "io/loop_uv.h"

#define MS INT64_C(1000000)

struct http_server {
    struct loop *loop;
    struct http_server_config config; /* without host */
    struct MHD_Daemon *daemon;
    uint16_t port;
    uv_poll_t poll;
    struct loop_timer timer;          /* libmicrohttpd's */
    struct loop_timer deadline_timer; /* of the first connection */
    struct list connections;
    bool has_ended; /* a connection, within MHD_run */
};
struct connection {
    struct list link;
    int fd;
    int64_t deadline_ns;
};

/* ---- listening ---- */

static bool address_error(const struct http_server_config *config, int code, const char *why,
                          struct err *err)
{
    size_t colon;
    bool is_v6 = str_find(config->host, STR(":"), &colon);
    return err_set_code(err, code, "cannot listen on %s%.*s%s:%u: %s", is_v6 ? "[" : "",
                        STR_ARG(config->host), is_v6 ? "]" : "", config->port, why);
}

/* A listening socket, or -1 with errno. */
static int listen_on(const struct addrinfo *address)
{
    const int on = 1, off = 0;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (address->ai_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 &&
        listen(fd, LIMIT_HTTP_SERVER_CONNECTIONS) == 0)
        return fd;
    int code = errno;
    close(fd);
    errno = code;
    return -1;
}

/* Tries all addresses of `host`; -1 with errno, or with *lookup, the resolver's error. */
static int listen_on_host(const char *host, uint16_t port, int *lookup)
{
    struct buf service;
    buf_init(&service, 16);
    buf_printf(&service, "%u", port);
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *addresses = NULL;
    *lookup = getaddrinfo(host, buf_cstr(&service), &hints, &addresses);
    buf_deinit(&service);
    int fd = -1;
    for (const struct addrinfo *a = addresses; *lookup == 0 && a != NULL && fd < 0; a = a->ai_next)
        fd = listen_on(a);
    int code = errno;
    if (addresses != NULL)
        freeaddrinfo(addresses);
    errno = code;
    return fd;
}

static bool server_listen(const struct http_server_config *config, int *fd, struct err *err)
{
    int lookup = 0;
    if (config->host.len == 0) {
        *fd = listen_on_host("::", config->port, &lookup);
        if (*fd < 0 && (lookup != 0 || errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
            *fd = listen_on_host("0.0.0.0", config->port, &lookup);
    } else if (str_eqz(config->host, "localhost")) {
        *fd = listen_on_host("127.0.0.1", config->port, &lookup);
    } else {
        char *host = str_dup(config->host);
        *fd = listen_on_host(host, config->port, &lookup);
        mem_free(host);
    }
    if (*fd >= 0)
        return true;
    if (lookup != 0 && lookup != EAI_SYSTEM)
        return address_error(config, 0, gai_strerror(lookup), err);
    return address_error(config, errno, strerror(errno), err);
}

static uint16_t port_of(int fd)
{
    struct sockaddr_storage address;
    socklen_t len = sizeof address;
    CHECK(getsockname(fd, (struct sockaddr *)&address, &len) == 0);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

/* ---- connections and their time ---- */

static void set_deadline_timer(struct http_server *s)
{
    if (list_empty(&s->connections)) {
        loop_timer_clear(&s->deadline_timer);
        return;
    }
    const struct connection *first = CONTAINER_OF(s->connections.next, struct connection, link);
    loop_timer_set(&s->deadline_timer, first->deadline_ns);
}

/* Its time begins again. */
static void give_time(struct http_server *s, struct connection *c)
{
    c->deadline_ns = loop_boot_ns(s->loop) + s->config.request_ms * MS;
    list_remove(&c->link);
    list_append(&s->connections, &c->link);
    set_deadline_timer(s);
}

static void on_connection(void *arg, struct MHD_Connection *connection, void **context,
                          enum MHD_ConnectionNotificationCode what)
{
    struct http_server *s = arg;
    struct connection *c = *context;
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
        c = mem_zalloc(sizeof *c);
        c->fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
        list_init(&c->link);
        *context = c;
        give_time(s, c);
        return;
    }
    list_remove(&c->link);
    mem_free(c);
    *context = NULL;
    s->has_ended = true;
    set_deadline_timer(s);
}

/* libmicrohttpd notices that the socket has ended, and closes it. */
static void on_deadline(void *arg)
{
    struct http_server *s = arg;
    int64_t now_ns = loop_boot_ns(s->loop);
    list_for_each_safe (node, &s->connections) {
        struct connection *c = CONTAINER_OF(node, struct connection, link);
        if (c->deadline_ns > now_ns)
            break;
        list_remove(&c->link); /* the fd may be another's before long */
        (void)shutdown(c->fd, SHUT_RDWR);
    }
    set_deadline_timer(s);
}

/* ---- requests ---- */

static enum MHD_Result send_reply(struct MHD_Connection *connection, struct http_reply *reply)
{
    size_t len;
    char *body = buf_take(&reply->body, &len);
    struct MHD_Response *response =
        MHD_create_response_from_buffer_with_free_callback(len, body, mem_free);
    if (response == NULL) {
        mem_free(body);
        return MHD_NO;
    }
    (void)MHD_add_response_header(response, "Content-Type", reply->content_type);
    if (reply->status == MHD_HTTP_METHOD_NOT_ALLOWED)
        (void)MHD_add_response_header(response, "Allow", "GET, HEAD");
    enum MHD_Result result = MHD_queue_response(connection, reply->status, response);
    MHD_destroy_response(response);
    return result;
}

static enum MHD_Result on_request(void *arg, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **context)
{
    (void)version, (void)upload;
    struct http_server *s = arg;
    bool is_get = strcmp(method, "GET") == 0 || strcmp(method, "HEAD") == 0;
    if (is_get && *context == NULL) {
        *context = s; /* an answer this early would end the connection; the second call follows */
        return MHD_YES;
    }
    struct http_reply reply = {.status = MHD_HTTP_OK, .content_type = "text/plain; charset=utf-8"};
    buf_init(&reply.body, LIMIT_HTTP_SERVER_BODY_BYTES);
    *upload_size = 0;
    if (is_get) {
        s->config.handle(s->config.arg, str_from(url), &reply);
        if (reply.body.overflow) {
            buf_clear(&reply.body);
            reply.status = MHD_HTTP_INTERNAL_SERVER_ERROR;
            reply.content_type = "text/plain; charset=utf-8";
            buf_printf(&reply.body, "larger than %zu bytes\n", LIMIT_HTTP_SERVER_BODY_BYTES);
        }
    } else {
        reply.status = MHD_HTTP_METHOD_NOT_ALLOWED;
        buf_text(&reply.body, "only GET and HEAD\n");
    }
    enum MHD_Result result = send_reply(connection, &reply);
    buf_deinit(&reply.body);
    return result;
}

static void on_completed(void *arg, struct MHD_Connection *connection, void **context,
                         enum MHD_RequestTerminationCode how)
{
    (void)context;
    struct http_server *s = arg;
    struct connection *c =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    if (how == MHD_REQUEST_TERMINATED_COMPLETED_OK && c != NULL)
        give_time(s, c);
}

/* ---- driving it ---- */

static void run(void *arg)
{
    struct http_server *s = arg;
    s->has_ended = false;
    (void)MHD_run(s->daemon);
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    if (s->has_ended) /* at the limit it does not watch its listening socket, until the next MHD_run */
        loop_timer_set_after(&s->timer, 0);
    else if (MHD_get_timeout(s->daemon, &timeout_ms) == MHD_YES)
        loop_timer_set_after(&s->timer, (int64_t)timeout_ms * MS);
    else
        loop_timer_clear(&s->timer);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    struct http_server *s = CONTAINER_OF(poll, struct http_server, poll);
    loop_call(s->loop, "http server", run, s);
}

/* ---- life ---- */

static bool daemon_start(struct http_server *s, int fd)
{
    s->daemon = MHD_start_daemon(
        MHD_USE_EPOLL, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, fd,
        MHD_OPTION_CONNECTION_LIMIT, (unsigned)LIMIT_HTTP_SERVER_CONNECTIONS,
        MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LIMIT_HTTP_SERVER_REQUEST_BYTES,
        MHD_OPTION_NOTIFY_CONNECTION, on_connection, s, MHD_OPTION_NOTIFY_COMPLETED, on_completed,
        s, MHD_OPTION_END);
    if (s->daemon == NULL)
        return false;
    int epoll_fd = MHD_get_daemon_info(s->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    CHECK(uv_poll_init(loop_uv(s->loop), &s->poll, epoll_fd) == 0);
    CHECK(uv_poll_start(&s->poll, UV_READABLE, on_poll) == 0);
    return true;
}

struct http_server *http_server_new(struct loop *loop, const struct http_server_config *config,
                                    struct err *err)
{
    int fd;
    if (!server_listen(config, &fd, err))
        return NULL;
    struct http_server *s = mem_zalloc(sizeof *s);
    s->loop = loop;
    s->config = *config;
    s->config.host = STR_NONE;
    if (config->request_ms == 0)
        s->config.request_ms = LIMIT_HTTP_SERVER_REQUEST_MS;
    s->port = port_of(fd);
    list_init(&s->connections);
    loop_timer_init(loop, &s->timer, "http server", run, s);
    loop_timer_init(loop, &s->deadline_timer, "http server deadline", on_deadline, s);
    if (daemon_start(s, fd))
        return s;
    close(fd);
    mem_free(s);
    address_error(config, 0, "libmicrohttpd does not start", err);
    return NULL;
}

static void on_closed(uv_handle_t *handle)
{
    mem_free(CONTAINER_OF((uv_poll_t *)handle, struct http_server, poll));
}

void http_server_free(struct http_server *s)
{
    if (s == NULL)
        return;
    CHECK(uv_poll_stop(&s->poll) == 0); /* before its descriptor is gone */
    MHD_stop_daemon(s->daemon);
    CHECK(list_empty(&s->connections));
    loop_timer_clear(&s->timer);
    loop_timer_clear(&s->deadline_timer);
    uv_close((uv_handle_t *)&s->poll, on_closed);
}

uint16_t http_server_port(const struct http_server *s)
{
    return s->port;
}
