/*
 * The readers of own metrics: which addresses are served, and how each wants its page.
 *
 * Life of an endpoint: made when settings name its address -> open, or (the default address only)
 * waiting until it can be had -> closed when settings do not name it any more, or at the end. What a
 * reader wants of the page is exchanged with each settings; the socket stays.
 *
 * Several replicas on one machine all have the default address: the first one gets it, the others
 * say so once and go on, since no data may be lost for want of a page about it.
 *
 * Specification: collector_host 1.6 (keys, defaults) and 9. Differs: the reference ends when the
 * default address is taken.
 */
#include "service/own_metrics.h"

#include "base/limits.h"
#include "io/http_server.h"
#include "service/logging.h"
#include "service/service_internal.h"

#define MS INT64_C(1000000)

struct endpoint {
    struct list link;
    struct own_metrics *owner;
    char *host;
    uint16_t port;
    bool is_default;            /* not written in the configuration */
    bool is_wanted;             /* by the settings that are being applied */
    struct http_server *server; /* NULL: waiting for the address */
    struct metrics_page_options options;
};
struct own_metrics {
    struct service *service;
    struct list endpoints;
    struct loop_timer timer; /* tries again */
    struct arena arena;      /* texts of the settings applied last */
    str target_info;         /* labels */
};

/* ---- a request ---- */

static void put_target_info(const struct own_metrics *m, struct buf *out)
{
    buf_text(out, "# HELP target_info What this process says of itself.\n"
                  "# TYPE target_info gauge\ntarget_info");
    if (m->target_info.len > 0)
        buf_printf(out, "{%.*s}", STR_ARG(m->target_info));
    buf_text(out, " 1\n");
}

static void handle(void *arg, str path, struct http_reply *reply)
{
    const struct endpoint *e = arg;
    if (!str_eqz(path, "/metrics")) {
        reply->status = 404;
        buf_text(&reply->body, "not found; the metrics are at /metrics\n");
        return;
    }
    struct metrics_page page;
    reply->content_type = "text/plain; version=0.0.4; charset=utf-8";
    metrics_page_init(&page, &reply->body, &e->options);
    own_metrics_text(e->owner->service, &page);
    put_target_info(e->owner, &reply->body);
    metrics_page_deinit(&page);
}

/* ---- endpoints ---- */

static bool endpoint_open(struct endpoint *e, struct err *err)
{
    const struct http_server_config config = {
        .host = str_from(e->host), .port = e->port, .handle = handle, .arg = e};
    const struct service *s = e->owner->service;
    e->server = http_server_new(s->loop, &config, err);
    if (e->server == NULL)
        return false;
    log_info(&s->logger, "Serving own metrics", F_CSTR("host", e->host),
             F_INT("port", http_server_port(e->server)), F_CSTR("path", "/metrics"));
    return true;
}

static void endpoint_free(struct endpoint *e)
{
    list_remove(&e->link);
    http_server_free(e->server);
    mem_free(e->host);
    mem_free(e);
}

static struct endpoint *endpoint_get(struct own_metrics *m, const struct metrics_reader *r)
{
    list_for_each (node, &m->endpoints) {
        struct endpoint *e = CONTAINER_OF(node, struct endpoint, link);
        if (!e->is_wanted && e->port == r->port && str_eqz(r->host, e->host))
            return e;
    }
    struct endpoint *e = mem_zalloc(sizeof *e);
    e->owner = m;
    e->host = str_dup(r->host);
    e->port = r->port;
    list_append(&m->endpoints, &e->link);
    return e;
}

static void retry_later(struct own_metrics *m)
{
    if (!loop_timer_armed(&m->timer))
        loop_timer_set_after(&m->timer, LIMIT_OWN_METRICS_RETRY_MS * MS);
}

static void on_retry(void *arg)
{
    struct own_metrics *m = arg;
    list_for_each (node, &m->endpoints) {
        struct endpoint *e = CONTAINER_OF(node, struct endpoint, link);
        struct err err;
        if (e->server == NULL && !endpoint_open(e, &err))
            retry_later(m);
    }
}

static void say_waiting(const struct endpoint *e, const struct err *err)
{
    log_warn(&e->owner->service->logger,
             e->is_default
                 ? "Own metrics are not served yet: another process has the default address. "
                   "Trying on; set another port in service::telemetry::metrics::readers, or "
                   "service::telemetry::metrics::level to none"
                 : "Own metrics are not served any more at this address. Trying on",
             F_ERR(err));
}

/* ---- settings ---- */

static void put_resource_label(struct buf *out, const struct config_pair *attribute)
{
    if (out->len > 0)
        buf_byte(out, ',');
    metrics_label_name(out, attribute->key);
    buf_byte(out, '=');
    metrics_label_value(out, attribute->value);
}

static bool strs_have(const struct config_strs *list, str s)
{
    for (size_t i = 0; i < list->count; i++)
        if (str_eq(list->items[i], s))
            return true;
    return false;
}

static str resource_labels(struct arena *arena, const struct config_pair *items, size_t count,
                           const struct metrics_reader *reader)
{
    struct buf labels;
    buf_init(&labels, LIMIT_LOG_LINE_BYTES);
    for (size_t i = 0; i < count; i++) {
        bool is_in = reader == NULL ||
                     (!strs_have(&reader->excluded, items[i].key) &&
                      (reader->included.count == 0 || strs_have(&reader->included, items[i].key)));
        if (is_in)
            put_resource_label(&labels, &items[i]);
    }
    str text = arena_str(arena, buf_view(&labels));
    buf_deinit(&labels);
    return text;
}

static void set_options(struct own_metrics *m, struct endpoint *e, const struct metrics_reader *r,
                        const struct config_pair *resource, size_t count)
{
    e->is_wanted = true;
    e->is_default = r->is_default;
    e->options = (struct metrics_page_options){
        .scope = !r->without_scope_info,
        .units = !r->without_units,
        .type_suffix = !r->without_type_suffix,
        .constant_labels =
            r->has_constant_labels ? resource_labels(&m->arena, resource, count, r) : STR(""),
    };
}

static void close_unwanted(struct own_metrics *m)
{
    list_for_each_safe (node, &m->endpoints) {
        struct endpoint *e = CONTAINER_OF(node, struct endpoint, link);
        if (!e->is_wanted)
            endpoint_free(e);
    }
}

/* What the settings want, closed or open as it was. */
static void configure(struct own_metrics *m, const struct settings *settings)
{
    struct config_pair *resource;
    size_t count = logging_resource(settings, str_from(m->service->instance_id), &resource);
    arena_reset(&m->arena);
    m->target_info = resource_labels(&m->arena, resource, count, NULL);
    list_for_each (node, &m->endpoints)
        CONTAINER_OF(node, struct endpoint, link)->is_wanted = false;
    for (size_t i = 0; i < settings->metrics_reader_count; i++) {
        const struct metrics_reader *r = &settings->metrics_readers[i];
        set_options(m, endpoint_get(m, r), r, resource, count);
    }
    mem_free(resource);
    close_unwanted(m); /* before others are opened: they may be on the same port */
}

bool own_metrics_apply(struct own_metrics *m, const struct settings *settings, struct err *err)
{
    configure(m, settings);
    list_for_each (node, &m->endpoints) {
        struct endpoint *e = CONTAINER_OF(node, struct endpoint, link);
        if (e->server != NULL || endpoint_open(e, err))
            continue;
        if (!e->is_default) {
            own_metrics_close(m);
            return err_wrap(err, "service::telemetry::metrics::readers");
        }
        say_waiting(e, err);
        retry_later(m);
    }
    return true;
}

void own_metrics_restore(struct own_metrics *m, const struct settings *settings)
{
    configure(m, settings);
    list_for_each (node, &m->endpoints) {
        struct endpoint *e = CONTAINER_OF(node, struct endpoint, link);
        struct err err;
        if (e->server != NULL || endpoint_open(e, &err))
            continue;
        say_waiting(e, &err);
        retry_later(m);
    }
}

/* ---- life ---- */

struct own_metrics *own_metrics_new(struct service *s)
{
    struct own_metrics *m = mem_zalloc(sizeof *m);
    m->service = s;
    list_init(&m->endpoints);
    arena_init(&m->arena, 512);
    loop_timer_init(s->loop, &m->timer, "own metrics", on_retry, m);
    return m;
}

void own_metrics_close(struct own_metrics *m)
{
    loop_timer_clear(&m->timer);
    list_for_each_safe (node, &m->endpoints)
        endpoint_free(CONTAINER_OF(node, struct endpoint, link));
}

void own_metrics_free(struct own_metrics *m)
{
    if (m == NULL)
        return;
    own_metrics_close(m);
    arena_deinit(&m->arena);
    mem_free(m);
}
