/*
 * One multi handle of libcurl on the loop: sockets by uv_poll, libcurl's one timer by a loop_timer.
 *
 * Life of a pool: made by the first call that finds none with room; libcurl tells us which sockets
 * it waits for and when it wants to be called, we tell libcurl what happened, and then collect the
 * transfers that are over. A pool without calls closes its connections after
 * LIMIT_HTTP_IDLE_POOL_MS by being retired; a retired pool takes no calls and is freed with its
 * last one.
 *
 * A pool has one HTTP/2 connection. libcurl keeps requests waiting for a connection that is being set up (CURLOPT_PIPEWAIT) only as
 * long as it knows of none to the host. Later, when the server has sent the connection away (GOAWAY) or it is full, each request
 * would open one for itself: 90 refused watches, 90 connections. So we refuse the socket; the request goes to another pool, where
 * all wait for the first, and this pool takes no calls but in place of those that end.
 *
 * A connection that was sent away stays open until its last watch ends, up to ten minutes. Each watch sent again may cost another
 * connection, so they stay, but for LIMIT_HTTP_DRAINING_CONNECTIONS: with more the smallest is emptied (http_pool_thin).
 *
 * libcurl cannot be told to close idle connections of a handle that is still used, so we open the
 * sockets ourselves, know which are idle (those it does not wait for), and shut these down.
 *
 * libcurl 7.88.1 can forget HTTP/2 data that it has read from a socket but that did not fit into a transfer's buffer: nothing wakes it
 * up until more comes on the connection, which may be never. So after each turn in which HTTP/2 data came, the sockets of the pool are
 * reported readable once more, until nothing comes (test: a large answer on cleartext HTTP/2).
 *
 * Invariants: libcurl's functions are never called from within libcurl's callbacks; calls are
 * removed from a handle only by http_call_finish and http_cancel at depth 0 of libcurl.
 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/http_internal.h"
#include "io/loop_uv.h"

enum { NS_PER_MS = 1000000, LOOKS_MAX = 4 };

struct http_socket {
    struct list node; /* in pool->sockets; in none once it is closing */
    struct http_pool *pool;
    curl_socket_t fd;
    int events;
    bool resting;   /* until the pool's rest is over: not polled, or not for writing */
    unsigned looks; /* in a row at a writable socket that sent nothing, at most LOOKS_MAX */
    uv_poll_t poll;
};

/* -- what libcurl ended -- */

static void collect_done(struct http_pool *pool)
{
    int left;
    for (CURLMsg *message = curl_multi_info_read(pool->multi, &left); message != NULL;
         message = curl_multi_info_read(pool->multi, &left)) {
        CHECK(message->msg == CURLMSG_DONE);
        CURLcode code = message->data.result; /* gone with the handle */
        struct http_call *call = NULL;
        curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        http_call_curl_done(call, code);
    }
}

/* The kernel refused to watch a socket: libcurl gives the whole handle up. */
static void abandon(struct http_pool *pool)
{
    http_pool_retire(pool);
    while (pool->call_count > 0) {
        struct http_call *call = NULL;
        list_for_each (node, &pool->client->calls)
            if (CONTAINER_OF(node, struct http_call, node)->pool == pool)
                call = CONTAINER_OF(node, struct http_call, node);
        if (call == NULL)
            break; /* the others were cancelled */
        http_call_finish(call, HTTP_BROKEN, CURLE_ABORTED_BY_CALLBACK);
    }
}

static void act(struct http_pool *pool, curl_socket_t fd, int mask)
{
    int running;
    struct http_client *client = pool->client;
    http_client_enter(client);
    CURLMcode code = curl_multi_socket_action(pool->multi, fd, mask, &running);
    collect_done(pool);
    if (code != CURLM_OK)
        abandon(pool);
    if (pool->stirred)
        loop_task_post(&pool->again);
    http_client_leave(client);
}

/* -- sockets that libcurl waits for -- */

/* A server that streams a list writes object by object; woken for each, we would spend more on system calls than on the objects. So
 * a pool of nothing but lists and watches looks at its sockets at most once a millisecond: what came meanwhile is read in one go. */

struct socket_event {
    struct http_socket *s;
    int mask;
};

static void socket_closed(uv_handle_t *handle)
{
    mem_free(CONTAINER_OF(handle, struct http_socket, poll));
}

static void socket_forget(struct http_socket *s)
{
    list_remove(&s->node);
    uv_close((uv_handle_t *)&s->poll, socket_closed);
}

static void on_socket(uv_poll_t *poll, int status, int events);

static void rest(struct http_socket *s)
{
    struct http_pool *pool = s->pool;
    if (s->events != UV_READABLE || pool->patient_count == 0 ||
        pool->patient_count < pool->call_count)
        return;
    (void)uv_poll_stop(&s->poll);
    s->resting = true;
    loop_timer_set_after(&pool->rest_timer, (int64_t)LIMIT_HTTP_REST_MS * NS_PER_MS);
}

static void rest_is_over(void *arg)
{
    struct http_pool *pool = arg;
    list_for_each (node, &pool->sockets) {
        struct http_socket *s = CONTAINER_OF(node, struct http_socket, node);
        if (!s->resting)
            continue;
        s->resting = false;
        (void)uv_poll_start(&s->poll, s->events, on_socket);
    }
}

/* Is there a body that is not out, and has none gone on since the last time? */
static bool is_stuck(struct http_pool *pool)
{
    curl_off_t sum = 0;
    bool waits = false;
    list_for_each (node, &pool->client->calls) {
        const struct http_call *call = CONTAINER_OF(node, struct http_call, node);
        curl_off_t sent;
        if (call->pool != pool ||
            curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &sent) != CURLE_OK)
            continue;
        sum += sent;
        waits |= sent < (curl_off_t)call->body.len;
    }
    bool goes_on = sum != pool->sent;
    pool->sent = sum;
    return waits && !goes_on;
}

/* libcurl 7.88.1 asks for writability as long as a body is not out, also while the server's HTTP/2 window is closed: a socket that
 * can always be written to would be reported for ever, in vain. What opens the window comes as something to read, which is looked at
 * at once; if it is something else that it waits for, a look now and then finds it. */
static void rest_writing(struct http_socket *s, int mask)
{
    struct http_pool *pool = s->pool;
    if (!pool->is_http2 || (s->events & UV_WRITABLE) == 0)
        return;
    bool rests = mask == CURL_CSELECT_OUT && is_stuck(pool);
    if (rests) {
        loop_timer_set_after(&pool->rest_timer,
                             ((int64_t)LIMIT_HTTP_REST_MS << s->looks) * NS_PER_MS);
        s->looks += s->looks < LOOKS_MAX ? 1 : 0;
    } else {
        s->looks = 0;
    }
    if (rests || s->resting)
        (void)uv_poll_start(&s->poll, rests ? s->events & ~UV_WRITABLE : s->events, on_socket);
    s->resting = rests;
}

static void socket_act(void *arg)
{
    const struct socket_event *event = arg;
    struct http_socket *s = event->s;
    act(s->pool, s->fd, event->mask);
    /* libuv stops a handle that reports an error; libcurl may still want it. `s` itself lives until
     * the next turn. */
    if (uv_is_closing((uv_handle_t *)&s->poll))
        return;
    if (!uv_is_active((uv_handle_t *)&s->poll))
        (void)uv_poll_start(&s->poll, s->events, on_socket);
    if (event->mask == CURL_CSELECT_IN)
        rest(s);
    rest_writing(s, event->mask);
}

static void on_socket(uv_poll_t *poll, int status, int events)
{
    struct http_socket *s = CONTAINER_OF(poll, struct http_socket, poll);
    struct socket_event event = {.s = s};
    if (status < 0)
        event.mask = CURL_CSELECT_ERR;
    if (events & UV_READABLE)
        event.mask |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        event.mask |= CURL_CSELECT_OUT;
    loop_call(s->pool->client->loop, "http socket", socket_act, &event);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    (void)easy;
    struct http_pool *pool = arg;
    struct http_socket *s = socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (s != NULL)
            socket_forget(s);
        curl_multi_assign(pool->multi, fd, NULL);
        return 0;
    }
    if (s == NULL) {
        s = mem_zalloc(sizeof(*s));
        s->pool = pool;
        s->fd = fd;
        if (uv_poll_init_socket(loop_uv(pool->client->loop), &s->poll, fd) != 0) {
            mem_free(s);
            return -1; /* the transfer fails */
        }
        list_append(&pool->sockets, &s->node);
        CHECK(curl_multi_assign(pool->multi, fd, s) == CURLM_OK);
    }
    s->resting = false;
    s->events = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    return uv_poll_start(&s->poll, s->events, on_socket) == 0 ? 0 : -1;
}

/* Reports all sockets as readable. */
static void look_again(void *arg)
{
    struct http_pool *pool = arg;
    struct http_client *client = pool->client;
    size_t count = 0, used = 0;
    pool->stirred = false;
    list_for_each (counted, &pool->sockets)
        count++;
    curl_socket_t *fds = mem_alloc(count * sizeof(*fds)); /* the list changes under way */
    list_for_each (node, &pool->sockets)
        fds[used++] = CONTAINER_OF(node, struct http_socket, node)->fd;
    http_client_enter(client); /* keeps the pool */
    for (size_t i = 0; i < count; i++)
        act(pool, fds[i], CURL_CSELECT_IN);
    mem_free(fds);
    http_client_leave(client);
}

/* -- sockets of connections -- */

static void socket_options(curl_socket_t fd)
{
    static const struct {
        int level, name, value;
    } options[] = {
        {SOL_SOCKET, SO_KEEPALIVE, 1},
        {IPPROTO_TCP, TCP_KEEPIDLE, LIMIT_HTTP_KEEPALIVE_IDLE_S},
        {IPPROTO_TCP, TCP_KEEPINTVL, LIMIT_HTTP_KEEPALIVE_INTERVAL_S},
        {IPPROTO_TCP, TCP_KEEPCNT, LIMIT_HTTP_KEEPALIVE_PROBES},
        {IPPROTO_TCP, TCP_USER_TIMEOUT, LIMIT_HTTP_UNACKED_MS},
        {IPPROTO_TCP, TCP_NODELAY, 1},
    };
    for (size_t i = 0; i < COUNT_OF(options); i++)
        (void)setsockopt(fd, options[i].level, options[i].name, &options[i].value, sizeof(int));
}

curl_socket_t http_pool_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    struct http_call *call = arg;
    struct http_pool *pool = call->pool;
    if (pool->open_count == 0) { /* a new beginning, for libcurl too */
        pool->is_http2 = false;
        pool->calls_max = SIZE_MAX;
    }
    call->turned_away = pool->is_http2;
    if (call->turned_away)
        return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    call->no_descriptor = fd < 0 && (errno == EMFILE || errno == ENFILE);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    socket_options(fd);
    if (pool->open_count == pool->open_cap) {
        pool->open_cap = pool->open_cap == 0 ? 4 : pool->open_cap * 2;
        pool->open_fds = mem_realloc(pool->open_fds, pool->open_cap * sizeof(int));
    }
    pool->open_fds[pool->open_count++] = fd;
    return fd;
}

int http_pool_close_socket(void *arg, curl_socket_t fd)
{
    struct http_pool *pool = arg;
    for (size_t i = 0; i < pool->open_count; i++)
        if (pool->open_fds[i] == fd) {
            pool->open_fds[i] = pool->open_fds[--pool->open_count];
            break;
        }
    return close(fd);
}

static bool is_waited_for(const struct http_pool *pool, int fd)
{
    list_for_each (node, &pool->sockets)
        if (CONTAINER_OF(node, struct http_socket, node)->fd == fd)
            return true;
    return false;
}

void http_pool_retire(struct http_pool *pool)
{
    pool->retired = true;
    for (size_t i = 0; i < pool->open_count; i++)
        if (!is_waited_for(pool, pool->open_fds[i]))
            (void)shutdown(pool->open_fds[i], SHUT_RDWR);
}

/* -- timers -- */

static int on_curl_timer(CURLM *multi, long timeout_ms, void *arg)
{
    (void)multi;
    struct http_pool *pool = arg;
    if (timeout_ms < 0)
        loop_timer_clear(&pool->curl_timer);
    else
        loop_timer_set_after(&pool->curl_timer, (int64_t)timeout_ms * NS_PER_MS);
    return 0;
}

static void curl_timer_fired(void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void idle_timer_fired(void *arg)
{
    struct http_pool *pool = arg;
    struct http_client *client = pool->client;
    http_client_enter(client);
    http_pool_retire(pool);
    http_client_leave(client);
}

/* -- life -- */

static struct http_pool *pool_new(struct http_client *client)
{
    struct http_pool *pool = mem_zalloc(sizeof(*pool));
    pool->client = client;
    pool->multi = curl_multi_init();
    CHECK(pool->multi != NULL);
    pool->calls_max = SIZE_MAX;
    list_init(&pool->sockets);
    loop_timer_init(client->loop, &pool->curl_timer, "http timer", curl_timer_fired, pool);
    loop_timer_init(client->loop, &pool->rest_timer, "http rest", rest_is_over, pool);
    loop_timer_init(client->loop, &pool->idle_timer, "http idle timer", idle_timer_fired, pool);
    loop_task_init(client->loop, &pool->again, "http again", look_again, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING,
                      client->version == HTTP_2_TLS ? CURLPIPE_MULTIPLEX : CURLPIPE_NOTHING);
    curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)LIMIT_HTTP_IDLE_CONNECTIONS);
    if (client->connections_max > 0)
        curl_multi_setopt(pool->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, client->connections_max);
    list_append(&client->pools, &pool->node);
    loop_task_post(&client->thin);
    return pool;
}

void http_pool_free(struct http_pool *pool)
{
    CHECK(pool->call_count == 0);
    list_remove(&pool->node);
    curl_multi_cleanup(pool->multi);
    loop_timer_clear(&pool->curl_timer);
    loop_timer_clear(&pool->idle_timer);
    loop_timer_clear(&pool->rest_timer);
    loop_task_cancel(&pool->again);
    list_for_each_safe (node, &pool->sockets)
        socket_forget(CONTAINER_OF(node, struct http_socket, node));
    mem_free(pool->open_fds);
    mem_free(pool);
}

static bool has_room(const struct http_pool *pool, const struct http_call *call)
{
    return !pool->retired && pool->call_count < pool->calls_max &&
           (!call->stream || pool->stream_count < LIMIT_HTTP_LONG_STREAMS) &&
           !(call->fresh && pool->is_http2);
}

/* The newest: older ones may have been sent away. */
static struct http_pool *pool_with_room(const struct http_call *call)
{
    struct http_pool *found = NULL;
    list_for_each (node, &call->client->pools) {
        struct http_pool *pool = CONTAINER_OF(node, struct http_pool, node);
        if (has_room(pool, call))
            found = pool;
    }
    return found != NULL ? found : pool_new(call->client);
}

void http_pool_start(struct http_call *call)
{
    struct http_pool *pool = pool_with_room(call);
    call->pool = pool;
    pool->call_count++;
    pool->stream_count += call->stream;
    pool->patient_count += call->piece_bytes_max > 0;
    loop_timer_clear(&pool->idle_timer);
    curl_easy_setopt(call->easy, CURLOPT_CLOSESOCKETDATA, pool);
    CHECK(curl_multi_add_handle(pool->multi, call->easy) == CURLM_OK);
}

void http_pool_remove(struct http_call *call)
{
    struct http_pool *pool = call->pool;
    CHECK(curl_multi_remove_handle(pool->multi, call->easy) == CURLM_OK);
    call->pool = NULL;
    pool->call_count--;
    pool->stream_count -= call->stream;
    pool->patient_count -= call->piece_bytes_max > 0;
    pool->answered_count -= call->answered;
    call->answered = false;
    if (pool->call_count == 0 && pool->calls_max < SIZE_MAX)
        http_pool_retire(pool);
    else if (pool->call_count == 0 && !pool->retired)
        loop_timer_set_after(&pool->idle_timer, (int64_t)LIMIT_HTTP_IDLE_POOL_MS * NS_PER_MS);
}

void http_pool_move(struct http_call *call)
{
    call->pool->calls_max = call->pool->call_count - 1;
    http_pool_remove(call);
    http_pool_start(call);
}

/* -- connections that end with their streams -- */

void http_pool_answered(struct http_call *call)
{
    struct http_pool *pool = call->pool;
    struct http_client *client = call->client;
    if (pool == NULL || !pool->is_http2 || call->answered)
        return;
    call->answered = true;
    pool->answered_count++;
    if (pool->answered_count > client->answered_most) {
        client->answered_most = pool->answered_count;
        loop_task_post(&client->thin);
    }
}

/* How many connections there may be: as many as all calls need if each takes what the best one took, and those that drain. A server
 * that allows few streams has many connections that are full, none of which may be emptied into another one. */
static size_t pools_max(const struct http_client *client)
{
    size_t calls = 0, each = client->answered_most;
    list_for_each (node, &client->pools)
        calls += CONTAINER_OF(node, struct http_pool, node)->call_count;
    if (each == 0)
        each = 1;
    if (each > LIMIT_HTTP_LONG_STREAMS)
        each = LIMIT_HTTP_LONG_STREAMS;
    return (calls + each - 1) / each + LIMIT_HTTP_DRAINING_CONNECTIONS;
}

/* The pool with the fewest streams of those that take no more calls. */
static struct http_pool *smallest_to_end(const struct http_client *client)
{
    struct http_pool *found = NULL;
    list_for_each (node, &client->pools) {
        struct http_pool *pool = CONTAINER_OF(node, struct http_pool, node);
        bool ends = pool->retired || pool->calls_max < SIZE_MAX;
        if (ends && !pool->asked && pool->stream_count > 0 &&
            (found == NULL || pool->stream_count < found->stream_count))
            found = pool;
    }
    return found;
}

/* The first call of the pool from `number` on that can leave. */
static struct http_call *next_to_leave(const struct http_pool *pool, uint64_t number)
{
    list_for_each (node, &pool->client->calls) {
        struct http_call *call = CONTAINER_OF(node, struct http_call, node);
        if (call->pool == pool && call->number >= number && call->on_leave != NULL)
            return call;
    }
    return NULL;
}

static void ask_to_leave(struct http_pool *pool)
{
    pool->asked = true;
    http_pool_retire(pool);
    for (struct http_call *call = next_to_leave(pool, 0); call != NULL;) {
        uint64_t number = call->number;
        call->on_leave(call->arg); /* `call` may be over */
        call = next_to_leave(pool, number + 1);
    }
}

void http_pool_thin(void *arg)
{
    struct http_client *client = arg;
    size_t pool_count = 0;
    http_client_enter(client); /* keeps pools and calls */
    list_for_each (node, &client->pools) {
        CONTAINER_OF(node, struct http_pool, node)->asked = false;
        pool_count++;
    }
    for (size_t most = pools_max(client); pool_count > most; pool_count--) {
        struct http_pool *pool = smallest_to_end(client);
        if (pool == NULL)
            break;
        ask_to_leave(pool);
    }
    http_client_leave(client);
}
