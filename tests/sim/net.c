/*
 * io/http_client.h over a network that can be slow, lossy, cut or silent, with the simulated API server at its other end.
 *
 * Life of an exchange: http_send -> the request is on its way -> it arrives: a call of the server -> whenever the server has
 * something, it is read and sent back as a delivery, in order -> the client has its end. The client may leave at any point (cancel,
 * timeout, death of its process); a request that is on its way arrives all the same and is executed.
 *
 * Invariants: deliveries of one exchange come in order; after a part of an answer got lost nothing more of it comes.
 */
#include "world.h"

#include <stdio.h>

#include "base/limits.h"

struct http_response {
    int status;
    char type[64];
    char retry_after[16];
};

struct http_client {
    struct loop *loop;
    struct list calls;
    int64_t born_ns; /* of its connections, world time */
};

struct exchange {
    struct list link;
    struct world *world;
    struct replica *replica;
    struct http_call *call; /* NULL: the client has left */
    char *method, *path, *query, *body;
    size_t body_len;
    char authorization[48], accept[128], type[96];
    bool is_stream, is_lost, on_its_way, over;
    struct event arrival, pump;
    struct kubesim_call *server;
    int64_t left_ns, last_delivery_ns;
    size_t deliveries;
};

struct http_call {
    struct list link;
    struct http_client *client;
    struct exchange *exchange;
    struct http_request request; /* callbacks and limits; texts are not kept */
    struct http_response response;
    struct buf body;
    char url[160];
    struct loop_timer timeout, idle;
    int64_t idle_ns;
};

/* What comes back at once. */
enum end { END_NONE, END_COMPLETE, END_CUT, END_REFUSED };
struct piece {
    struct parcel delivery;
    struct exchange *exchange;
    bool has_head;
    struct http_response head;
    char *data;
    size_t len;
    enum end end;
};

/* -- life of an exchange -- */

static void exchange_check(struct exchange *x)
{
    if (x->call != NULL || x->deliveries > 0 || x->on_its_way)
        return;
    if (x->server != NULL)
        kubesim_call_free(x->server);
    x->server = NULL;
    world_cancel(x->world, &x->pump);
    list_remove(&x->link);
    mem_free(x->method);
    mem_free(x->path);
    mem_free(x->query);
    mem_free(x->body);
    mem_free(x);
}

/* The server's end is done with: nothing more will come from there. */
static void exchange_end_server(struct exchange *x)
{
    if (x->server != NULL)
        kubesim_call_free(x->server);
    x->server = NULL;
    x->over = true;
    world_cancel(x->world, &x->pump);
}

/* -- the client's end -- */

static void call_free(struct http_call *call)
{
    loop_timer_clear(&call->timeout);
    loop_timer_clear(&call->idle);
    list_remove(&call->link);
    buf_deinit(&call->body);
    struct exchange *x = call->exchange;
    call->exchange = NULL;
    mem_free(call);
    if (x != NULL) {
        x->call = NULL;
        exchange_check(x);
    }
}

static void call_finish(struct http_call *call, enum http_outcome outcome, const char *why)
{
    struct http_result result = {.outcome = outcome, .response = &call->response};
    struct http_call gone = *call; /* its user may free the client */
    call->body = (struct buf){0};
    call_free(call);
    result.response = &gone.response;
    result.body = buf_view(&gone.body);
    if (outcome != HTTP_DONE)
        err_set(&result.err, "%s %s: %s", gone.request.method, gone.url, why);
    gone.request.on_done(gone.request.arg, &result);
    buf_deinit(&gone.body);
}

static void on_timeout(void *arg)
{
    call_finish(arg, HTTP_TIMEOUT, "no answer in time");
}

static void idle_restart(struct http_call *call)
{
    if (call->idle_ns > 0)
        loop_timer_set_after(&call->idle, call->idle_ns);
}

/* False if the call is gone. */
static bool take_data(struct exchange *x, str data)
{
    struct http_call *call = x->call;
    idle_restart(call);
    if (call->request.on_data == NULL || call->response.status >= 300) {
        buf_str(&call->body, data);
        if (!call->body.overflow)
            return true;
        call_finish(call, HTTP_TOO_LARGE, "the answer is too large");
        return false;
    }
    size_t step = call->request.piece_bytes_max > 0 ? call->request.piece_bytes_max : data.len;
    while (data.len > 0) {
        str piece = str_make(data.data, data.len < step ? data.len : step);
        data = str_skip(data, piece.len);
        bool more = call->request.on_data(call->request.arg, piece);
        if (x->call == NULL)
            return false;
        if (!more) {
            call_finish(call, HTTP_ABORTED, "the reader has had enough");
            return false;
        }
    }
    return true;
}

static void take_piece(struct piece *p)
{
    struct exchange *x = p->exchange;
    struct http_call *call = x->call;
    if (p->end == END_REFUSED) {
        call_finish(call, HTTP_CONNECT_FAILED, "connection refused");
        return;
    }
    if (p->has_head) {
        call->response = p->head;
        idle_restart(call);
        if (call->request.on_headers != NULL)
            call->request.on_headers(call->request.arg, &call->response);
        if (x->call == NULL)
            return;
    }
    if (p->len > 0 && !take_data(x, str_make(p->data, p->len)))
        return;
    if (p->end == END_COMPLETE)
        call_finish(call, HTTP_DONE, "");
    else if (p->end == END_CUT)
        call_finish(call, HTTP_BROKEN, "the connection broke");
}

static void on_piece(void *arg, bool alive)
{
    struct piece *p = arg;
    struct exchange *x = p->exchange;
    if (alive && x->call != NULL)
        take_piece(p);
    x->deliveries--;
    mem_free(p->data);
    mem_free(p);
    exchange_check(x);
}

static void send_piece(struct exchange *x, struct piece *p, int64_t at_ns)
{
    p->exchange = x;
    p->delivery.fn = on_piece;
    p->delivery.arg = p;
    x->deliveries++;
    if (at_ns < x->last_delivery_ns)
        at_ns = x->last_delivery_ns;
    x->last_delivery_ns = at_ns;
    sim_loop_deliver(x->replica->loop, &p->delivery, at_ns);
}

static void send_end(struct exchange *x, enum end end, int64_t at_ns)
{
    struct piece *p = mem_zalloc(sizeof *p);
    p->end = end;
    send_piece(x, p, at_ns);
}

/* -- from the server to the client -- */

int64_t net_latency(struct world *w, const struct link_state *l)
{
    return l->latency_ns + chance_between(&w->net_chance, 0, l->jitter_ns);
}

/* When what leaves the server now arrives; INT64_MAX: never. */
static int64_t way_back(struct exchange *x)
{
    struct world *w = x->world;
    struct link_state *l = &x->replica->link;
    int64_t at_ns = w->now_ns + net_latency(w, l);
    if (w->now_ns < l->slow_until_ns)
        at_ns += chance_between(&w->net_chance, 0, l->slow_ns);
    if (x->is_stream && w->settings->lag_ns > 0)
        at_ns += chance_between(&w->net_chance, 0, w->settings->lag_ns);
    if (x->is_stream && w->now_ns < l->lag_until_ns)
        at_ns += chance_between(&w->net_chance, l->lag_ns / 2, l->lag_ns);
    if (w->now_ns < l->down_until_ns) {
        if (!l->holds)
            return INT64_MAX;
        at_ns += l->down_until_ns - w->now_ns + chance_between(&w->net_chance, 0, 3 * SECOND);
    }
    if (!x->is_stream && w->now_ns < l->lossy_until_ns && chance_percent(&w->net_chance, 15))
        return INT64_MAX;
    return at_ns;
}

static void read_head(const struct kubesim_head *from, struct http_response *to)
{
    to->status = from->status;
    snprintf(to->type, sizeof to->type, "%s", from->content_type == NULL ? "" : from->content_type);
    if (from->retry_after_s > 0)
        snprintf(to->retry_after, sizeof to->retry_after, "%d", from->retry_after_s);
}

/* Reads what the server has; false: nothing at all. */
static bool read_server(struct exchange *x, struct piece *p)
{
    static const size_t room = 64 * KIB;
    struct buf *data = &x->world->answer;
    const struct kubesim_head *head = kubesim_call_head(x->server);
    if (head != NULL && x->last_delivery_ns == 0) {
        read_head(head, &p->head);
        p->has_head = true;
    }
    buf_clear(data);
    for (bool more = true; more;) {
        size_t len;
        char *to = buf_reserve(data, room);
        CHECK(to != NULL);
        switch (kubesim_call_read(x->server, to, room, &len)) {
        case KUBESIM_WAIT:
            more = false;
            break;
        case KUBESIM_DATA:
            buf_commit(data, len);
            break;
        case KUBESIM_END:
            p->end = END_COMPLETE;
            more = false;
            break;
        case KUBESIM_CUT:
            p->end = END_CUT;
            more = false;
            break;
        }
    }
    p->len = data->len;
    if (data->len > 0)
        p->data = str_dup(buf_view(data));
    return p->has_head || p->len > 0 || p->end != END_NONE;
}

static void on_pump(void *arg)
{
    struct exchange *x = arg;
    struct world *w = x->world;
    if (x->server == NULL)
        return;
    struct piece *p = mem_zalloc(sizeof *p);
    if (!read_server(x, p)) {
        mem_free(p);
        return;
    }
    world_trace(w, "server -> p%" PRIu64 " %s %s: status %d, %zu bytes%s", x->replica->process,
                x->method, x->path, p->has_head ? p->head.status : 0, p->len,
                p->end == END_CUT        ? ", cut"
                : p->end == END_COMPLETE ? ", end"
                                         : "");
    w->conflict_count += p->has_head && p->head.status == 409;
    w->event_piece_count += x->is_stream && !p->has_head && p->len > 0;
    int64_t at_ns = x->is_lost ? INT64_MAX : way_back(x);
    if (p->end != END_NONE)
        exchange_end_server(x);
    if (at_ns == INT64_MAX) {
        x->is_lost = true;
        mem_free(p->data);
        mem_free(p);
        exchange_check(x);
        return;
    }
    send_piece(x, p, at_ns);
}

static void on_ready(void *arg)
{
    struct exchange *x = arg;
    if (!event_is_set(&x->pump))
        world_at(x->world, &x->pump, x->world->now_ns);
}

/* -- from the client to the server -- */

static void on_arrival(void *arg)
{
    struct exchange *x = arg;
    struct world *w = x->world;
    x->on_its_way = false;
    if (x->left_ns >
        x->replica->crashed_ns) { /* the handler was held up, and died before it came to that */
        exchange_check(x);
        return;
    }
    if (w->now_ns < w->server_down_until_ns) {
        send_end(x, END_REFUSED, w->now_ns + net_latency(w, &x->replica->link));
        return;
    }
    w->request_count++;
    world_trace(w, "p%" PRIu64 " -> server %s %s?%s", x->replica->process, x->method, x->path,
                x->query);
    check_lease_write(x->replica, str_from(x->path), str_make(x->body, x->body_len));
    const struct kubesim_request request = {
        .method = x->method,
        .path = str_from(x->path),
        .query = str_from(x->query),
        .authorization = str_from(x->authorization),
        .content_type = str_from(x->type),
        .accept = str_from(x->accept),
        .body = str_make(x->body, x->body_len),
    };
    x->server = kubesim_call_start(w->server, &request, on_ready, x);
    on_ready(x);
    server_kick(w);
    if (x->call == NULL)
        exchange_check(x);
}

static void copy_header(struct exchange *x, str header)
{
    str name, value;
    if (!str_cut(header, ':', &name, &value))
        return;
    value = str_trim(value);
    if (str_eq_nocase(name, STR("accept")))
        snprintf(x->accept, sizeof x->accept, "%.*s", STR_ARG(value));
    else if (str_eq_nocase(name, STR("content-type")))
        snprintf(x->type, sizeof x->type, "%.*s", STR_ARG(value));
}

static void copy_request(struct exchange *x, const struct http_request *r)
{
    str rest = r->url, path, query = STR_NONE;
    size_t at;
    if (str_find(rest, STR("://"), &at))
        rest = str_skip(rest, at + 3);
    if (str_find(rest, STR("/"), &at))
        rest = str_skip(rest, at);
    str_cut(rest, '?', &path, &query);
    x->method = str_dup(str_from(r->method));
    x->path = str_dup(path);
    x->query = str_dup(query);
    x->body = str_dup(r->body);
    x->body_len = r->body.len;
    for (size_t i = 0; i < r->header_count; i++)
        copy_header(x, r->headers[i]);
    snprintf(x->authorization, sizeof x->authorization, "Bearer slot-%d", x->replica->slot % USERS);
}

/* When the request arrives; 0: never, and nobody hears of it; -1: refused. */
static int64_t way_there(struct exchange *x, const struct http_client *client, bool fresh)
{
    struct world *w = x->world;
    const struct link_state *l = &x->replica->link;
    int64_t now_ns = sim_loop_world_ns(x->replica->loop);
    int64_t at_ns = now_ns + net_latency(w, l);
    if (now_ns < l->refused_until_ns)
        return -1;
    if (now_ns < l->up_until_ns) {
        if (!l->holds)
            return 0;
        at_ns += l->up_until_ns - now_ns + chance_between(&w->net_chance, 0, 3 * SECOND);
    }
    if (now_ns < l->hung_until_ns && !fresh && client->born_ns <= l->hung_until_ns &&
        client->born_ns < now_ns)
        return 0;
    if (now_ns < l->lossy_until_ns && chance_percent(&w->net_chance, 15))
        return 0;
    return at_ns;
}

struct http_call *http_send(struct http_client *client, const struct http_request *request)
{
    struct replica *r = sim_loop_replica(client->loop);
    struct world *w = r->world;
    struct http_call *call = mem_zalloc(sizeof *call);
    struct exchange *x = mem_zalloc(sizeof *x);
    call->client = client;
    call->exchange = x;
    call->request = *request;
    snprintf(call->url, sizeof call->url, "%.*s", STR_ARG(request->url));
    buf_init(&call->body, request->body_max > 0 ? request->body_max : LIMIT_HTTP_BODY_BYTES);
    loop_timer_init(client->loop, &call->timeout, "http timeout", on_timeout, call);
    loop_timer_init(client->loop, &call->idle, "http idle", on_timeout, call);
    if (request->timeout_ms > 0)
        loop_timer_set_after(&call->timeout, request->timeout_ms * MS);
    call->idle_ns = request->idle_timeout_ms * MS;
    idle_restart(call);
    list_append(&client->calls, &call->link);
    x->world = w;
    x->replica = r;
    x->call = call;
    x->is_stream = request->stream;
    copy_request(x, request);
    list_append(&w->exchanges, &x->link);
    event_init(&x->arrival, on_arrival, x);
    event_init(&x->pump, on_pump, x);
    x->left_ns = sim_loop_world_ns(client->loop);
    int64_t at_ns = way_there(x, client, request->fresh_connection);
    if (request->fresh_connection)
        client->born_ns = sim_loop_world_ns(client->loop);
    if (at_ns > 0) {
        x->on_its_way = true;
        world_at(w, &x->arrival, at_ns);
    } else if (at_ns < 0) {
        send_end(x, END_REFUSED, sim_loop_world_ns(client->loop) + net_latency(w, &r->link));
    }
    return call;
}

void http_cancel(struct http_call *call)
{
    call_free(call);
}

/* -- clients -- */

struct http_client *http_client_new(struct loop *loop, const struct logger *logger,
                                    const struct http_client_config *config, struct err *err)
{
    (void)logger, (void)config, (void)err;
    struct http_client *client = mem_zalloc(sizeof *client);
    client->loop = loop;
    client->born_ns = sim_loop_world_ns(loop);
    list_init(&client->calls);
    return client;
}

void http_client_free(struct http_client *client)
{
    if (client == NULL)
        return;
    while (!list_empty(&client->calls))
        call_free(CONTAINER_OF(client->calls.next, struct http_call, link));
    mem_free(client);
}

void http_client_drop_connections(struct http_client *client)
{
    client->born_ns = sim_loop_world_ns(client->loop);
}

bool http_client_set_tls(struct http_client *client, const struct http_tls *tls, struct err *err)
{
    (void)tls, (void)err;
    http_client_drop_connections(client);
    return true;
}

int http_response_status(const struct http_response *r)
{
    return r->status;
}

bool http_response_header(const struct http_response *r, const char *name, str *value)
{
    if (str_eq_nocase(str_from(name), STR("content-type")))
        *value = str_from(r->type);
    else if (str_eq_nocase(str_from(name), STR("retry-after")))
        *value = str_from(r->retry_after);
    else
        return false;
    return value->len > 0;
}

bool http_response_trailer(const struct http_response *r, const char *name, str *value)
{
    (void)r, (void)name, (void)value;
    return false;
}

bool http_response_is_http2(const struct http_response *r)
{
    (void)r;
    return true;
}

/* -- what the world does to connections -- */

static void cut(struct exchange *x)
{
    struct world *w = x->world;
    if (x->call == NULL || x->over)
        return;
    if (x->on_its_way && chance_percent(&w->net_chance, 50)) {
        world_cancel(w, &x->arrival);
        x->on_its_way = false;
    }
    exchange_end_server(x);
    if (!x->on_its_way)
        send_end(x, END_CUT, w->now_ns + net_latency(w, &x->replica->link));
}

void net_cut(struct world *w, struct replica *r)
{
    list_for_each_safe (node, &w->exchanges) {
        struct exchange *x = CONTAINER_OF(node, struct exchange, link);
        if (x->replica == r)
            cut(x);
    }
}

void net_cut_all(struct world *w)
{
    list_for_each_safe (node, &w->exchanges)
        cut(CONTAINER_OF(node, struct exchange, link));
}

/* What was sent before the end is still on its way. */
void net_forget(struct world *w, struct replica *r)
{
    list_for_each_safe (node, &w->exchanges) {
        struct exchange *x = CONTAINER_OF(node, struct exchange, link);
        if (x->replica != r)
            continue;
        x->call = NULL; /* its memory goes with the process */
        x->is_lost = true;
        exchange_check(x);
    }
}

void net_block(struct world *w, struct replica *r, bool up, bool down, int64_t until_ns, bool holds)
{
    struct link_state *l = &r->link;
    l->holds = holds;
    if (up && until_ns > l->up_until_ns)
        l->up_until_ns = until_ns;
    if (down && until_ns > l->down_until_ns)
        l->down_until_ns = until_ns;
    if (!holds) /* connections that were there may stay dead for a while */
        l->hung_until_ns = until_ns + chance_between(&w->net_chance, 0, 15 * SECOND);
}
