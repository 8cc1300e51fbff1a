/*
 * Calls over cleartext HTTP/2: libcurl connects (names, several addresses, proxies, timeouts), then
 * the socket is ours and nghttp2 speaks on it. libcurl 7.88.1 can send only one request on such a
 * connection, and copies a body four times on its way; here a body goes from the caller's memory
 * to the socket, many frames with one system call.
 *
 * Life of a call: http_h2c_start finds a connection to the call's origin and opens a stream on it.
 * If there is none, the call's own easy handle connects (CURLOPT_CONNECT_ONLY), while later calls
 * to the same origin wait; http_h2c_connected takes a duplicate of the socket and opens all their
 * streams, or fails them all. A connecting call that ends early wakes the waiting ones, the first
 * of which connects anew. Answers go through http_call_line and http_call_data as those of libcurl.
 *
 * Life of a connection: made for a socket; takes calls until it is told not to (GOAWAY, dropped,
 * idle for LIMIT_HTTP_IDLE_POOL_MS); closed when it is broken or has no calls and takes none; freed
 * by the http_client_leave that ends the handler, since nghttp2 may be on the stack.
 *
 * Output: nghttp2 gives frames; control frames and frame heads are copied to `scratch`, bodies are
 * pointed to. What did not fit into the socket stays in `parts`. When a call ends, what `parts`
 * still need of its body is copied, for the caller may free it, and a begun frame must be ended.
 *
 * Invariants: nghttp2 is entered only from conn_read and conn_write, which never nest; calls are
 * looked up by stream, never kept in nghttp2; a closed connection has no calls.
 *
 * Specification: RFC 9113; sections are named where they matter.
 */
#include <errno.h>
#include <fcntl.h>
#include <nghttp2/nghttp2.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/limits.h"
#include "io/http_internal.h"
#include "io/loop_uv.h"

enum {
    NS_PER_MS = 1000000,
    PARTS_MAX = 64,                /* of one system call: 32 frames of 16 KiB */
    SCRATCH_BYTES = 32 * 1024,     /* of one system call: frame heads and control frames */
    CONTROL_BYTES_MAX = 17 * 1024, /* that nghttp2 gives at a time: a frame of 16 KiB */
    FRAME_HEAD_BYTES = 9,
    READ_BYTES = 16 * 1024,
    READS_PER_TURN = 64,        /* 1 MiB: a handler has 10 ms */
    WRITES_PER_TURN = 4,        /* 2 MiB */
    WINDOW_BYTES = 1024 * 1024, /* for answers */
    HEADERS_MAX = 64,           /* of a request */
};

struct h2c_socket {
    uv_poll_t poll; /* outlives the connection until libuv has closed it */
};

struct h2c {
    struct list node; /* in client->h2cs */
    struct http_client *client;
    char *origin;
    int fd, events;
    struct h2c_socket *socket;
    nghttp2_session *session;
    struct list calls; /* with an open stream */
    size_t call_count;
    struct loop_task write_task;
    struct loop_timer idle_timer; /* armed while there are no calls */
    bool draining;                /* takes no new calls */
    bool closed;
    struct iovec parts[PARTS_MAX]; /* output that is due, in order */
    size_t part_count;
    struct buf rest; /* copies of what parts needed of calls that ended */
    size_t scratch_len;
    char scratch[SCRATCH_BYTES];
};

/* ---- ends ---- */

static struct http_call *call_of(const struct h2c *c, int32_t stream)
{
    list_for_each (node, &c->calls) {
        struct http_call *call = CONTAINER_OF(node, struct http_call, h2c_node);
        if (call->stream_id == stream)
            return call;
    }
    return NULL;
}

static void explain(struct http_call *call, const char *what, const char *detail)
{
    if (call->curl_error[0] == '\0')
        (void)snprintf(call->curl_error, sizeof(call->curl_error), "%s%s", what, detail);
}

static void end_broken(struct http_call *call)
{
    http_call_finish(call,
                     call->stop == HTTP_STOP_TOO_LARGE ? HTTP_TOO_LARGE
                     : call->stop == HTTP_STOP_ABORTED ? HTTP_ABORTED
                                                       : HTTP_BROKEN,
                     CURLE_OK);
}

static void socket_closed(uv_handle_t *handle)
{
    mem_free(CONTAINER_OF(handle, struct h2c_socket, poll));
}

static void conn_close(struct h2c *c, const char *why)
{
    if (c->closed)
        return;
    c->closed = true;
    uv_close((uv_handle_t *)&c->socket->poll, socket_closed);
    close(c->fd);
    loop_task_cancel(&c->write_task);
    loop_timer_clear(&c->idle_timer);
    while (!list_empty(&c->calls)) {
        struct http_call *call = CONTAINER_OF(c->calls.next, struct http_call, h2c_node);
        explain(call, why, "");
        end_broken(call);
    }
}

static void conn_free(struct h2c *c)
{
    CHECK(c->closed && c->call_count == 0);
    list_remove(&c->node);
    nghttp2_session_del(c->session);
    buf_deinit(&c->rest);
    mem_free(c->origin);
    mem_free(c);
}

static void conn_drain(struct h2c *c)
{
    c->draining = true;
    if (c->call_count == 0)
        conn_close(c, "");
}

void http_h2c_sweep(struct http_client *client)
{
    list_for_each_safe (node, &client->h2cs) {
        struct h2c *c = CONTAINER_OF(node, struct h2c, node);
        if (c->closed)
            conn_free(c);
    }
}

void http_h2c_drop(struct http_client *client)
{
    list_for_each (node, &client->h2cs)
        conn_drain(CONTAINER_OF(node, struct h2c, node));
}

static void idle_fired(void *arg)
{
    struct h2c *c = arg;
    struct http_client *client = c->client;
    http_client_enter(client);
    conn_drain(c);
    http_client_leave(client);
}

/* ---- output ---- */

static void add_part(struct h2c *c, const void *data, size_t len)
{
    CHECK(c->part_count < PARTS_MAX);
    c->parts[c->part_count++] = (struct iovec){(void *)(uintptr_t)data, len};
}

static void add_copy(struct h2c *c, const void *data, size_t len)
{
    CHECK(len <= SCRATCH_BYTES - c->scratch_len);
    char *at = c->scratch + c->scratch_len;
    memcpy(at, data, len);
    c->scratch_len += len;
    struct iovec *last = c->part_count == 0 ? NULL : &c->parts[c->part_count - 1];
    if (last != NULL && (char *)last->iov_base + last->iov_len == at)
        last->iov_len += len;
    else
        add_part(c, at, len);
}

static bool has_space(const struct h2c *c)
{
    return c->part_count + 2 < PARTS_MAX && c->scratch_len + CONTROL_BYTES_MAX <= SCRATCH_BYTES;
}

/* nghttp2: how much of a body can go into the next frame. */
static ssize_t read_body(nghttp2_session *session, int32_t stream, uint8_t *data, size_t len,
                         uint32_t *flags, nghttp2_data_source *source, void *arg)
{
    (void)session, (void)data, (void)source;
    const struct http_call *call = call_of(arg, stream);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    size_t left = call->body.len - call->body_sent;
    *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
    if (left <= len)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)(left < len ? left : len);
}

/* nghttp2: a frame of a body is due. */
static int send_body(nghttp2_session *session, nghttp2_frame *frame, const uint8_t *head,
                     size_t len, nghttp2_data_source *source, void *arg)
{
    (void)session, (void)source;
    struct h2c *c = arg;
    struct http_call *call = call_of(c, frame->hd.stream_id);
    if (call == NULL)
        return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    if (!has_space(c))
        return NGHTTP2_ERR_WOULDBLOCK;
    CHECK(frame->data.padlen == 0 && len <= call->body.len - call->body_sent);
    add_copy(c, head, FRAME_HEAD_BYTES);
    if (len > 0)
        add_part(c, call->body.data + call->body_sent, len);
    call->body_sent += len;
    return 0;
}

/* Frames into parts, as far as there is space for them. */
static bool fill(struct h2c *c)
{
    while (has_space(c)) {
        const uint8_t *data;
        ssize_t len = nghttp2_session_mem_send(c->session, &data);
        if (len < 0)
            return false;
        if (len == 0)
            break;
        add_copy(c, data, (size_t)len);
    }
    return true;
}

static void drop_sent(struct h2c *c, size_t len)
{
    size_t i = 0;
    while (i < c->part_count && len >= c->parts[i].iov_len)
        len -= c->parts[i++].iov_len;
    if (i < c->part_count) {
        c->parts[i].iov_base = (char *)c->parts[i].iov_base + len;
        c->parts[i].iov_len -= len;
    }
    c->part_count -= i;
    memmove(c->parts, c->parts + i, c->part_count * sizeof(c->parts[0]));
    if (c->part_count == 0) {
        c->scratch_len = 0;
        buf_deinit(&c->rest);
    }
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void conn_wait(struct h2c *c)
{
    int events = UV_READABLE | (c->part_count > 0 ? UV_WRITABLE : 0);
    if (events == c->events)
        return;
    c->events = events;
    if (uv_poll_start(&c->socket->poll, events, on_poll) != 0)
        conn_close(c, "the socket cannot be watched");
}

/* Writes until nothing is due, the socket is full, or it is another handler's turn. */
static void conn_write(struct h2c *c)
{
    bool more = true;
    for (int i = 0; i < WRITES_PER_TURN && more; i++) {
        if (!fill(c))
            conn_close(c, "HTTP/2 failed while sending");
        if (c->closed)
            return;
        more = c->part_count > 0;
        if (!more)
            break;
        struct msghdr message = {.msg_iov = c->parts, .msg_iovlen = c->part_count};
        ssize_t sent = sendmsg(c->fd, &message, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            conn_close(c, strerror(errno));
            return;
        }
        drop_sent(c, sent < 0 ? 0 : (size_t)sent);
        more = c->part_count == 0;
    }
    if (more)
        loop_task_post(&c->write_task);
    if (!nghttp2_session_want_read(c->session) && c->part_count == 0)
        conn_close(c, "the server ended the connection");
    else
        conn_wait(c);
}

static void write_task(void *arg)
{
    struct h2c *c = arg;
    struct http_client *client = c->client;
    http_client_enter(client);
    conn_write(c);
    http_client_leave(client);
}

/* What is due of a call's body goes into memory of our own. */
static void keep_parts(struct h2c *c, str body)
{
    bool needed = false;
    size_t total = 0;
    for (size_t i = 0; i < c->part_count; i++) {
        const char *at = c->parts[i].iov_base;
        needed |= body.len > 0 && at >= body.data && at < body.data + body.len;
        total += c->parts[i].iov_len;
    }
    if (!needed)
        return;
    struct buf all;
    buf_init(&all, total);
    for (size_t i = 0; i < c->part_count; i++)
        buf_append(&all, c->parts[i].iov_base, c->parts[i].iov_len);
    buf_deinit(&c->rest);
    c->rest = all;
    c->scratch_len = 0;
    c->part_count = 0;
    add_part(c, all.data, all.len);
}

/* ---- input ---- */

/* The answer is complete, whether or not all of the body was sent (RFC 9113 section 8.1). */
static void end_complete(struct http_call *call)
{
    call->answer_ended = true;
    if (call->response.head_done)
        http_call_finish(call, HTTP_DONE, CURLE_OK);
    else
        end_broken(call);
}

static bool feed_line(struct http_call *call, str name, str value)
{
    struct buf line;
    buf_init(&line, LIMIT_HTTP_HEADER_BYTES);
    if (str_eqz(name, ":status"))
        buf_printf(&line, "HTTP/2 %.*s \r\n", STR_ARG(value));
    else if (name.len > 0 && name.data[0] != ':')
        buf_printf(&line, "%.*s: %.*s\r\n", STR_ARG(name), STR_ARG(value));
    bool ok = !line.overflow && (line.len == 0 || http_call_line(call, buf_view(&line)));
    buf_deinit(&line);
    return ok;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name,
                     size_t name_len, const uint8_t *value, size_t value_len, uint8_t flags,
                     void *arg)
{
    (void)session, (void)flags;
    struct http_call *call = call_of(arg, frame->hd.stream_id);
    if (call != NULL && !feed_line(call, str_make((const char *)name, name_len),
                                   str_make((const char *)value, value_len)))
        if (!call->silenced)
            end_broken(call);
    return 0;
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *arg)
{
    (void)session;
    struct h2c *c = arg;
    if (frame->hd.type == NGHTTP2_GOAWAY)
        c->draining = true;
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct http_call *call = call_of(c, frame->hd.stream_id);
    if (call != NULL && frame->hd.type == NGHTTP2_HEADERS && !http_call_line(call, STR("\r\n")) &&
        !call->silenced)
        end_broken(call);
    call = call_of(c, frame->hd.stream_id); /* if it still is one */
    if (call != NULL && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0)
        end_complete(call);
    return 0;
}

static int on_chunk(nghttp2_session *session, uint8_t flags, int32_t stream, const uint8_t *data,
                    size_t len, void *arg)
{
    (void)session, (void)flags;
    struct http_call *call = call_of(arg, stream);
    if (call != NULL && !http_call_data(call, str_make((const char *)data, len)) && !call->silenced)
        end_broken(call);
    return 0;
}

/* Reset by the server, or refused because of GOAWAY: a stream that ended well was taken off by on_frame. */
static int on_stream_close(nghttp2_session *session, int32_t stream, uint32_t code, void *arg)
{
    (void)session;
    struct http_call *call = call_of(arg, stream);
    if (call == NULL)
        return 0;
    call->http2_error = code;
    explain(call, "the server reset the stream: ", nghttp2_http2_strerror(code));
    call->stream_id = 0; /* gone in nghttp2 */
    end_broken(call);
    return 0;
}

/* A request that waited for its turn when GOAWAY came. */
static int on_not_sent(nghttp2_session *session, const nghttp2_frame *frame, int code, void *arg)
{
    (void)code;
    if (frame->hd.type != NGHTTP2_HEADERS)
        return 0;
    return on_stream_close(session, frame->hd.stream_id, NGHTTP2_REFUSED_STREAM, arg);
}

static void conn_read(struct h2c *c)
{
    uint8_t data[READ_BYTES];
    for (int i = 0; i < READS_PER_TURN && !c->closed; i++) {
        ssize_t got = recv(c->fd, data, sizeof(data), 0);
        if (got < 0 && (errno == EAGAIN || errno == EINTR))
            break;
        if (got <= 0) {
            conn_close(c, got == 0 ? "the server closed the connection" : strerror(errno));
            return;
        }
        ssize_t used = nghttp2_session_mem_recv(c->session, data, (size_t)got);
        if (used < 0) {
            conn_close(c, nghttp2_strerror((int)used));
            return;
        }
        if ((size_t)got < sizeof(data))
            break;
    }
    if (!c->closed && c->draining && c->call_count == 0)
        conn_close(c, "");
    if (!c->closed)
        conn_write(c);
}

struct poll_event {
    struct h2c *c;
    int events;
};

static void poll_act(void *arg)
{
    const struct poll_event *event = arg;
    struct http_client *client = event->c->client;
    http_client_enter(client);
    if (event->events & UV_READABLE)
        conn_read(event->c);
    else
        conn_write(event->c);
    http_client_leave(client);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct h2c *c = poll->data;
    struct poll_event event = {c, events};
    if (status < 0) { /* libuv has stopped it; reading finds the error */
        event.events = UV_READABLE;
        c->events = 0;
    }
    loop_call(c->client->loop, "http2 socket", poll_act, &event);
}

/* ---- connections ---- */

static nghttp2_session *session_new(struct h2c *c)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_session *session;
    CHECK(nghttp2_session_callbacks_new(&callbacks) == 0);
    nghttp2_session_callbacks_set_send_data_callback(callbacks, send_body);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_chunk);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_session_callbacks_set_on_frame_not_send_callback(callbacks, on_not_sent);
    CHECK(nghttp2_session_client_new(&session, callbacks, c) == 0);
    nghttp2_session_callbacks_del(callbacks);
    const nghttp2_settings_entry settings[] = {
        {NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
        {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, WINDOW_BYTES},
        {NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)LIMIT_HTTP_HEADER_BYTES},
    };
    CHECK(nghttp2_submit_settings(session, NGHTTP2_FLAG_NONE, settings, COUNT_OF(settings)) == 0);
    CHECK(nghttp2_session_set_local_window_size(session, NGHTTP2_FLAG_NONE, 0, WINDOW_BYTES) == 0);
    return session;
}

/* Takes the descriptor. */
static struct h2c *conn_new(struct http_client *client, const char *origin, int fd)
{
    struct h2c *c = mem_zalloc(sizeof(*c));
    c->client = client;
    c->origin = str_dup(str_from(origin));
    c->fd = fd;
    list_init(&c->calls);
    loop_task_init(client->loop, &c->write_task, "http2 write", write_task, c);
    loop_timer_init(client->loop, &c->idle_timer, "http2 idle", idle_fired, c);
    c->socket = mem_zalloc(sizeof(*c->socket));
    CHECK(uv_poll_init_socket(loop_uv(client->loop), &c->socket->poll, fd) == 0);
    c->socket->poll.data = c;
    c->session = session_new(c);
    loop_timer_set_after(&c->idle_timer, (int64_t)LIMIT_HTTP_IDLE_POOL_MS * NS_PER_MS);
    list_append(&client->h2cs, &c->node);
    return c;
}

static struct h2c *conn_find(const struct http_client *client, const char *origin)
{
    list_for_each (node, &client->h2cs) {
        struct h2c *c = CONTAINER_OF(node, struct h2c, node);
        if (!c->closed && !c->draining && strcmp(c->origin, origin) == 0)
            return c;
    }
    return NULL;
}

/* ---- requests ---- */

struct request {
    nghttp2_nv items[HEADERS_MAX];
    size_t count;
    struct arena arena;
};

static void add_header(struct request *r, str name, str value)
{
    char *lower = arena_cstr(&r->arena, name); /* RFC 9113 section 8.2 */
    for (size_t i = 0; i < name.len; i++)
        lower[i] = lower[i] >= 'A' && lower[i] <= 'Z' ? (char)(lower[i] + 32) : lower[i];
    if (r->count < HEADERS_MAX)
        r->items[r->count] = (nghttp2_nv){(uint8_t *)lower, (uint8_t *)(uintptr_t)value.data,
                                          name.len, value.len, NGHTTP2_NV_FLAG_NONE};
    r->count++;
}

/* "host:port" and "/path?query" of a URL that libcurl has found good. */
static void split_url(str url, str *authority, str *path)
{
    size_t at;
    if (str_find(url, STR("://"), &at))
        url = str_skip(url, at + 3);
    str fragment;
    str_cut(url, '#', &url, &fragment);
    size_t end = 0;
    while (end < url.len && url.data[end] != '/' && url.data[end] != '?')
        end++;
    *authority = str_make(url.data, end);
    *path = str_skip(url, end);
    while (str_find(*authority, STR("@"), &at))
        *authority = str_skip(*authority, at + 1);
}

/* The lines that were made for libcurl: "Name: value", "Name;" without a value, "Name:" to leave one out. */
static void add_lines(struct request *r, const struct http_call *call)
{
    for (const struct curl_slist *line = call->headers; line != NULL; line = line->next) {
        str text = str_from(line->data), name, value;
        if (str_cut(text, ':', &name, &value)) {
            value = str_trim(value);
            if (value.len > 0 && !str_eq_nocase(name, STR("Host")))
                add_header(r, name, value);
        } else if (str_ends_with(text, STR(";"))) {
            add_header(r, str_make(text.data, text.len - 1), STR(""));
        }
    }
}

static str host_header(const struct http_call *call, str otherwise)
{
    for (const struct curl_slist *line = call->headers; line != NULL; line = line->next) {
        str name, value;
        if (str_cut(str_from(line->data), ':', &name, &value) && str_eq_nocase(name, STR("Host")))
            return str_trim(value);
    }
    return otherwise;
}

static void add_pseudo_headers(struct request *r, const struct http_call *call)
{
    str authority, path;
    split_url(str_from(call->url), &authority, &path);
    if (path.len == 0 || path.data[0] != '/')
        path = arena_printf(&r->arena, "/%.*s", STR_ARG(path));
    add_header(r, STR(":method"), str_from(call->method));
    add_header(r, STR(":scheme"), STR("http"));
    add_header(r, STR(":path"), path);
    add_header(r, STR(":authority"), host_header(call, authority));
}

static void submit(struct h2c *c, struct http_call *call, bool reused)
{
    struct request r = {.count = 0};
    arena_init(&r.arena, 1024);
    add_pseudo_headers(&r, call);
    if (call->client->user_agent != NULL)
        add_header(&r, STR("user-agent"), str_from(call->client->user_agent));
    if (call->sends)
        add_header(&r, STR("content-length"), arena_printf(&r.arena, "%zu", call->body.len));
    add_lines(&r, call);
    nghttp2_data_provider body = {.read_callback = read_body};
    int32_t stream = r.count > HEADERS_MAX
                         ? NGHTTP2_ERR_INVALID_ARGUMENT
                         : nghttp2_submit_request(c->session, NULL, r.items, r.count,
                                                  call->body.len > 0 ? &body : NULL, NULL);
    arena_deinit(&r.arena);
    if (stream < 0) { /* too many headers; or the connection has used up its 2^30 streams */
        c->draining |= stream == NGHTTP2_ERR_STREAM_ID_NOT_AVAILABLE;
        explain(call, "cannot be sent: ", nghttp2_strerror(stream));
        end_broken(call);
        if (c->draining && c->call_count == 0)
            conn_close(c, "");
        return;
    }
    call->h2c_state = H2C_OPEN;
    call->connection = c;
    call->stream_id = stream;
    call->reused = reused;
    list_append(&c->calls, &call->h2c_node);
    c->call_count++;
    loop_timer_clear(&c->idle_timer);
    loop_task_post(&c->write_task);
}

/* ---- connecting ---- */

/* Another call that is in this state, to the same origin; older ones first. */
static struct http_call *peer_of(const struct http_client *client, const char *origin,
                                 enum h2c_state state)
{
    list_for_each (node, &client->calls) {
        struct http_call *call = CONTAINER_OF(node, struct http_call, node);
        if (call->h2c_state == state && strcmp(call->origin, origin) == 0)
            return call;
    }
    return NULL;
}

void http_h2c_start(struct http_call *call)
{
    struct http_client *client = call->client;
    struct h2c *c = call->fresh ? NULL : conn_find(client, call->origin);
    if (c != NULL) {
        submit(c, call, true);
    } else if (!call->fresh && peer_of(client, call->origin, H2C_CONNECTING) != NULL) {
        call->h2c_state = H2C_WAITING;
    } else {
        call->h2c_state = call->fresh ? H2C_CONNECTING_ALONE : H2C_CONNECTING;
        curl_easy_setopt(call->easy, CURLOPT_CONNECT_ONLY, 1L);
        http_pool_start(call);
    }
}

/* Those that wait for a connection begin anew. */
static void restart_waiting(struct http_client *client, const char *origin)
{
    for (struct http_call *call = peer_of(client, origin, H2C_WAITING); call != NULL;
         call = peer_of(client, origin, H2C_WAITING)) {
        call->h2c_state = H2C_NONE;
        call->started = false;
        loop_task_post(&client->start);
    }
}

/* All that waited for this call's connection share its fate. */
static void fail_waiting(struct http_client *client, const char *origin, CURLcode code,
                         const char *reason)
{
    for (struct http_call *call = peer_of(client, origin, H2C_WAITING); call != NULL;
         call = peer_of(client, origin, H2C_WAITING)) {
        call->h2c_state = H2C_NONE;
        explain(call, reason, "");
        http_call_finish(call, HTTP_CONNECT_FAILED, code);
    }
}

void http_h2c_connected(struct http_call *call, CURLcode code)
{
    struct http_client *client = call->client;
    bool alone = call->h2c_state == H2C_CONNECTING_ALONE;
    curl_socket_t of_curl = CURL_SOCKET_BAD;
    int fd = -1;
    if (code == CURLE_OK &&
        curl_easy_getinfo(call->easy, CURLINFO_ACTIVESOCKET, &of_curl) == CURLE_OK)
        fd = fcntl(of_curl, F_DUPFD_CLOEXEC, 0);
    char *origin = str_dup(str_from(call->origin));
    call->no_descriptor |= code == CURLE_OK && fd < 0;
    char *reason = str_dup(str_from(http_call_failure(call, code)));
    call->h2c_state = H2C_NONE;
    if (fd >= 0) {
        http_pool_remove(call); /* closes libcurl's descriptor of the socket */
        struct h2c *c = conn_new(client, origin, fd);
        c->draining = alone;
        submit(c, call, false);
        if (!alone)
            restart_waiting(client, origin);
    } else {
        explain(call, reason, "");
        http_call_finish(call, HTTP_CONNECT_FAILED, code);
        if (!alone)
            fail_waiting(client, origin, code, reason);
    }
    mem_free(origin);
    mem_free(reason);
}

void http_h2c_leave(struct http_call *call)
{
    struct h2c *c = call->connection;
    enum h2c_state state = call->h2c_state;
    call->h2c_state = H2C_NONE;
    if (state == H2C_CONNECTING)
        restart_waiting(call->client, call->origin);
    if (state != H2C_OPEN)
        return;
    list_remove(&call->h2c_node);
    c->call_count--;
    call->connection = NULL;
    if (c->draining && c->call_count == 0)
        conn_close(c, "");
    if (c->closed)
        return;
    keep_parts(c, call->body);
    bool sent = nghttp2_session_get_stream_local_close(c->session, call->stream_id) == 1;
    if (call->stream_id > 0 && !(call->answer_ended && sent))
        (void)nghttp2_submit_rst_stream(c->session, NGHTTP2_FLAG_NONE, call->stream_id,
                                        call->answer_ended ? NGHTTP2_NO_ERROR : NGHTTP2_CANCEL);
    loop_task_post(&c->write_task);
    if (c->call_count == 0)
        loop_timer_set_after(&c->idle_timer, (int64_t)LIMIT_HTTP_IDLE_POOL_MS * NS_PER_MS);
}

void http_h2c_close(struct http_client *client)
{
    list_for_each (node, &client->h2cs)
        conn_close(CONTAINER_OF(node, struct h2c, node), "");
    http_h2c_sweep(client);
}
