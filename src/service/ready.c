/*
 * Readiness: may a rollout go on, now that this replica runs?
 *
 * Life of an endpoint: made when an elector of a loaded configuration names it -> answers -> closed when none does any more. A reload
 * that keeps the address keeps the socket.
 *
 *   who                              is ready when
 *   the leader, a warm standby       its receivers' stores are full: the next tick is complete
 *   a cold replica, standby: auto    another one stands by with full stores
 *   a cold replica, standby: cold    somebody leads
 *
 * So a rolling update waits, with each new pod, until ending the next old one costs nothing. An answer is about this moment, from what
 * is known here; nobody is asked for it. /live says only that the loop turns: it does not fail because the API server or a backend is
 * away, for restarting this process would mend neither.
 *
 * Specification: leader_election 8, design 5.12.
 */
#include "service/ready.h"

#include "base/limits.h"
#include "io/http_server.h"
#include "service/service_internal.h"
#include "wire/json.h"
#include "wire/text.h"

struct ready_endpoint {
    struct list link;
    struct ready *owner;
    char *host;
    uint16_t port;
    bool is_wanted; /* by the graph that is being opened */
    bool is_new;
    struct http_server *server;
};
struct ready {
    struct service *service;
    struct list endpoints;
};

/* ---- what is said ---- */

static bool is_full(const struct receiver_node *n)
{
    const struct receiver_type *type = n->receiver.type;
    if (!type->can_be_warm && !n->active)
        return true; /* it begins with its term: there is nothing to fill before */
    return n->started && (type->is_ready == NULL || type->is_ready(&n->receiver));
}

/* Appends why not; nothing: it is ready. */
static void put_reason(struct buf *out, const struct graph *g, const struct elector *e)
{
    if (elector_present_role(e) == ROLE_COLD) {
        const char *lack = elector_lacks(e);
        if (lack != NULL)
            buf_text(out, lack);
        return;
    }
    for (size_t i = 0; i < g->receiver_count; i++) {
        const struct receiver_node *n = &g->receivers[i];
        if (n->elector != e || is_full(n))
            continue;
        buf_text(out, out->len == 0 ? "stores are not full yet: " : ", ");
        buf_str(out, n->receiver.base.id);
    }
}

static bool endpoint_is(const struct ready_endpoint *e, const struct extension *x)
{
    const struct elector_options *o = x->type->options == NULL ? NULL : x->type->options(x);
    struct endpoint parsed;
    return o != NULL && o->ready_endpoint.len > 0 &&
           endpoint_parse(o->ready_endpoint, &parsed, NULL) && parsed.port == e->port &&
           str_eqz(parsed.host, e->host);
}

/* One elector's object; true if it is ready. */
static bool write_elector(struct json_writer *w, const struct graph *g, const struct extension *x,
                          const struct elector *e)
{
    static const char *const roles[] = {"cold", "warm", "leader"}; /* as the enum */
    struct buf reason;
    buf_init(&reason, 64 * KIB);
    put_reason(&reason, g, e);
    bool ready = reason.len == 0;
    json_write_object(w);
    json_write_key_string(w, STR("id"), x->base.id);
    json_write_key_string(w, STR("namespace"), elector_lease_namespace(e));
    json_write_key_string(w, STR("lease"), elector_lease_name(e));
    json_write_key_string(w, STR("role"), str_from(roles[elector_present_role(e)]));
    json_write_key(w, STR("ready"));
    json_write_bool(w, ready);
    if (!ready)
        json_write_key_string(w, STR("reason"), buf_view(&reason));
    json_write_object_end(w);
    buf_deinit(&reason);
    return ready;
}

static bool write_electors(struct json_writer *w, const struct ready_endpoint *endpoint)
{
    const struct graph *g = endpoint->owner->service->graph;
    bool ready = true;
    json_write_key(w, STR("electors"));
    json_write_array(w);
    for (size_t i = 0; i < g->extension_count; i++) {
        struct extension *x = &g->extensions[i].extension;
        struct elector *e =
            endpoint_is(endpoint, x) && x->type->elector != NULL ? x->type->elector(x) : NULL;
        if (e != NULL)
            ready = write_elector(w, g, x, e) && ready;
    }
    json_write_array_end(w);
    return ready;
}

static void answer_ready(const struct ready_endpoint *endpoint, struct http_reply *reply)
{
    const struct service *s = endpoint->owner->service;
    struct buf electors;
    buf_init(&electors, LIMIT_HTTP_SERVER_BODY_BYTES);
    struct json_writer w = {.out = &electors};
    bool running = s->phase == PHASE_RUNNING && s->graph != NULL;
    bool ready = running && write_electors(&w, endpoint);
    if (!running)
        json_write_key_string(&w, STR("reason"), STR("the service is starting or stopping"));
    buf_printf(&reply->body, "{\"ready\":%s,%.*s}\n", ready ? "true" : "false",
               STR_ARG(buf_view(&electors)));
    buf_deinit(&electors);
    reply->status = ready ? 200 : 503;
    reply->content_type = "application/json";
}

static void handle(void *arg, str path, struct http_reply *reply)
{
    if (str_eqz(path, "/ready")) {
        answer_ready(arg, reply);
    } else if (str_eqz(path, "/live")) {
        reply->content_type = "application/json";
        buf_text(&reply->body, "{\"live\":true}\n");
    } else {
        reply->status = 404;
        buf_text(&reply->body, "not found; there are /ready and /live\n");
    }
}

/* ---- endpoints ---- */

static void endpoint_free(struct ready_endpoint *e)
{
    list_remove(&e->link);
    http_server_free(e->server);
    mem_free(e->host);
    mem_free(e);
}

static bool endpoint_open(struct ready *r, const struct endpoint *address, struct err *err)
{
    list_for_each (node, &r->endpoints) {
        struct ready_endpoint *e = CONTAINER_OF(node, struct ready_endpoint, link);
        if (e->port != address->port || !str_eqz(address->host, e->host))
            continue;
        e->is_wanted = true;
        return true;
    }
    struct ready_endpoint *e = mem_zalloc(sizeof *e);
    const struct http_server_config config = {
        .host = address->host, .port = address->port, .handle = handle, .arg = e};
    e->owner = r;
    e->host = str_dup(address->host);
    e->port = address->port;
    e->is_wanted = e->is_new = true;
    e->server = http_server_new(r->service->loop, &config, err);
    list_append(&r->endpoints, &e->link);
    if (e->server == NULL) {
        endpoint_free(e);
        return false;
    }
    log_info(&r->service->logger, "Serving readiness", F_CSTR("host", e->host),
             F_INT("port", http_server_port(e->server)), F_CSTR("paths", "/ready /live"));
    return true;
}

static void close_those(struct ready *r, bool is_new, bool unwanted)
{
    list_for_each_safe (node, &r->endpoints) {
        struct ready_endpoint *e = CONTAINER_OF(node, struct ready_endpoint, link);
        if ((is_new && e->is_new) || (unwanted && !e->is_wanted))
            endpoint_free(e);
        else
            e->is_new = false;
    }
}

bool ready_open(struct ready *r, const struct graph *g, struct err *err)
{
    list_for_each (node, &r->endpoints)
        CONTAINER_OF(node, struct ready_endpoint, link)->is_wanted = false;
    for (size_t i = 0; i < g->extension_count; i++) {
        const struct extension *x = &g->extensions[i].extension;
        const struct elector_options *o = x->type->options == NULL ? NULL : x->type->options(x);
        struct endpoint address;
        if (o == NULL || o->ready_endpoint.len == 0)
            continue;
        if (endpoint_parse(o->ready_endpoint, &address, err) && endpoint_open(r, &address, err))
            continue;
        ready_cancel(r);
        return err_wrap(err, "extension \"%.*s\": ready_endpoint", STR_ARG(x->base.id));
    }
    return true;
}

void ready_commit(struct ready *r)
{
    close_those(r, false, true);
}

void ready_cancel(struct ready *r)
{
    close_those(r, true, false);
}

/* ---- life ---- */

struct ready *ready_new(struct service *s)
{
    struct ready *r = mem_zalloc(sizeof *r);
    r->service = s;
    list_init(&r->endpoints);
    return r;
}

void ready_close(struct ready *r)
{
    list_for_each_safe (node, &r->endpoints)
        endpoint_free(CONTAINER_OF(node, struct ready_endpoint, link));
}

void ready_free(struct ready *r)
{
    if (r == NULL)
        return;
    ready_close(r);
    mem_free(r);
}
