/*
 * Exporter `otlp_grpc` (alias `otlp`): OTLP over unary gRPC calls, HTTP/2 with or without TLS.
 *
 * Life of a batch: the sending queue (service/queue) cuts and packs it; each request is one POST of
 * one framed message; the answer (otlp_answer) becomes sent, retry or never.
 *
 * All requests share one connection. There is no HTTP/2 ping, so a request that got no byte of an
 * answer in time is a reason not to use its connection for others.
 *
 * A request whose batch says so carries one header more, with the fencing token of the term in which
 * the batch was made.
 *
 * Invariant: header lines and URLs are made once, in the arena; they and the payload outlive each
 * call, since the queue ends or cancels all calls before it is freed.
 *
 * Specification: collector_host 4.1, 4.3, 4.4, 4.6, otlp_wire 2 and 3. TLS choice, :authority and
 * the verified name are those of the reference's gRPC library.
 */
#include "base/limits.h"
#include "exporters/exporters.h"
#include "exporters/otlp_answer.h"
#include "exporters/otlp_config.h"
#include "service/queue.h"
#include "wire/compress.h"
#include "wire/grpc.h"
#include "wire/text.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)
#define RESPONSE_MAX (4 * MIB)
#define PACK_HERE_BYTES                                                                            \
    (1 * MIB) /* compressed in 0.3 ms, or 2 ms where vector instructions are missing */
#define SENT_AT_ONCE_BYTES (64 * KIB) /* the window of a stream, unless the server widens it */

struct keepalive_config {
    int64_t time_ns, timeout_ns;
    bool permit_without_stream;
};
struct otlp_config {
    str endpoint, compression, authority, balancer_name, user_agent;
    int64_t timeout_ns, read_buffer_size, write_buffer_size;
    bool wait_for_ready, keepalive_on;
    struct keepalive_config keepalive;
    struct tls_client_config tls;
    struct config_pairs headers;
    struct retry_config retry;
    struct queue_config queue;
    const struct node *auth, *middlewares;
};

struct otlp {
    struct exporter *exporter;
    const struct otlp_config *config;
    struct http_client *client;
    struct queue *queue;
    struct arena arena; /* URLs, header lines, server name */
    enum compression compression;
    bool cleartext;
    str server_name; /* to verify instead of the endpoint's host; empty: the host */
    str urls[3];     /* per signal */
    str *headers;
    size_t header_count;
    struct loop_timer reload_timer;
    uint64_t tls_stamp;
};

/* ---- configuration ---- */

static void otlp_defaults(void *config)
{
    struct otlp_config *c = config;
    c->compression = STR("gzip");
    c->timeout_ns = 5 * SECOND;
    c->write_buffer_size = 512 * 1024;
    c->balancer_name = STR("round_robin");
}

/* The part of the endpoint that names host and port. */
static str endpoint_address(str endpoint)
{
    static const char *const prefixes[] = {"http://", "https://", "dns:///", "passthrough:///"};
    for (size_t i = 0; i < COUNT_OF(prefixes); i++) {
        if (str_starts_with(endpoint, str_from(prefixes[i])))
            return str_skip(endpoint, strlen(prefixes[i]));
    }
    return endpoint;
}

static void check_endpoint(struct config_check *check, str endpoint)
{
    struct err err;
    struct endpoint parsed;
    size_t at;
    if (endpoint.len == 0)
        config_problem(check, "endpoint",
                       "requires a non-empty \"endpoint\": host:port of an OTLP gRPC server");
    else if (str_starts_with(endpoint, STR("unix:")))
        config_problem(check, "endpoint", "Unix sockets are not supported: give host:port");
    else if (str_find(endpoint, STR("@"), &at)) /* not shown: there may be a password */
        config_problem(
            check, "endpoint",
            "must not contain user info (\"@\"): give host:port, and credentials in `headers`");
    else if (!endpoint_parse(endpoint_address(endpoint), &parsed, &err))
        config_problem(check, "endpoint", "%s", err.text);
    else if (parsed.host.len == 0)
        config_problem(check, "endpoint", "names no host: give host:port");
}

/* NULL if gRPC lets a client send it as metadata. */
static const char *header_owner(str name)
{
    if (str_eq_nocase(name, STR("user-agent")))
        return "set `user_agent` instead";
    if (str_eq_nocase(name, STR("host")))
        return "set `authority` instead";
    if (name.len >= 5 && str_eq_nocase(str_make(name.data, 5), STR("grpc-")))
        return "gRPC's own headers are reserved";
    return grpc_is_reserved_name(name) ? "the exporter sets it" : NULL;
}

static bool is_printable(str value)
{
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < 0x20 || value.data[i] > 0x7e)
            return false;
    }
    return true;
}

/* Values are secret: no message shows one. */
static void check_headers(struct config_check *check, const struct config_pairs *headers)
{
    for (size_t i = 0; i < headers->count; i++) {
        str name = headers->items[i].key, value = headers->items[i].value;
        const char *owner = header_owner(name);
        if (!grpc_is_metadata_name(name))
            config_problem(
                check, "headers",
                "\"%.*s\" is not a header name: letters, digits, '-', '_' and '.' are allowed",
                STR_ARG(name));
        else if (owner != NULL)
            config_caution(check, "headers", "\"%.*s\" is ignored: %s", STR_ARG(name), owner);
        else if (!grpc_is_binary_name(name) && !is_printable(value))
            config_problem(check, "headers",
                           "the value of \"%.*s\" holds a line break or another character that is "
                           "not printable ASCII",
                           STR_ARG(name));
    }
}

static void check_extensions(struct config_check *check, const struct otlp_config *c)
{
    if (c->auth != NULL && c->auth->kind != NODE_NULL)
        config_problem(
            check, "auth",
            "authenticator extensions are not supported: give the credential in `headers`");
    if (c->middlewares != NULL && c->middlewares->kind != NODE_NULL && c->middlewares->count > 0)
        config_problem(check, "middlewares",
                       "middleware extensions are not supported: remove them");
    if (!str_eqz(c->balancer_name, "round_robin") && !str_eqz(c->balancer_name, "pick_first") &&
        c->balancer_name.len > 0)
        config_problem(check, "balancer_name",
                       "invalid balancer_name: %.*s (round_robin or pick_first)",
                       STR_ARG(c->balancer_name));
    if (c->keepalive_on)
        config_caution(
            check, "keepalive",
            "has no effect: TCP keep-alive probes find a dead connection instead of HTTP/2 pings");
    if (c->wait_for_ready)
        config_caution(check, "wait_for_ready",
                       "has no effect: a request waits in the queue while there is no connection");
}

static bool compression_parse(str text, enum compression *out)
{
    *out = COMPRESS_NONE;
    if (str_eqz(text, "gzip"))
        *out = COMPRESS_GZIP;
    else if (str_eqz(text, "zstd"))
        *out = COMPRESS_ZSTD;
    else
        return text.len == 0 || str_eqz(text, "none");
    return true;
}

static void otlp_check(void *config, struct config_check *check)
{
    const struct otlp_config *c = config;
    enum compression compression;
    check_endpoint(check, c->endpoint);
    if (!compression_parse(c->compression, &compression))
        config_problem(check, "compression",
                       "unsupported compression type \"%.*s\": use gzip, zstd or none",
                       STR_ARG(c->compression));
    if (c->timeout_ns < 0)
        config_problem(check, "timeout", "'timeout' must be non-negative");
    if (!is_printable(c->authority))
        config_problem(check, "authority", "is not a host name");
    if (!is_printable(c->user_agent))
        config_problem(check, "user_agent", "holds a character that is not printable ASCII");
    check_headers(check, &c->headers);
    check_extensions(check, c);
}

#define KEEPALIVE_FIELD(k, t, member)                                                              \
    {                                                                                              \
        .key = (k), .type = (t), .offset = offsetof(struct keepalive_config, member)               \
    }
static const struct config_field keepalive_fields[] = {
    KEEPALIVE_FIELD("time", CONFIG_DURATION, time_ns),
    KEEPALIVE_FIELD("timeout", CONFIG_DURATION, timeout_ns),
    KEEPALIVE_FIELD("permit_without_stream", CONFIG_BOOL, permit_without_stream),
};

static void keepalive_defaults(void *config)
{
    *(struct keepalive_config *)config =
        (struct keepalive_config){.time_ns = 10 * SECOND, .timeout_ns = 10 * SECOND};
}

static const struct config_schema keepalive_schema = {
    .name = "keepalive",
    .size = sizeof(struct keepalive_config),
    .fields = keepalive_fields,
    .field_count = COUNT_OF(keepalive_fields),
    .defaults = keepalive_defaults,
};

#define OTLP_FIELD(k, t, member, ...)                                                              \
    {                                                                                              \
        .key = (k), .type = (t), .offset = offsetof(struct otlp_config, member), ##__VA_ARGS__     \
    }
static const struct config_field otlp_fields[] = {
    OTLP_FIELD("endpoint", CONFIG_STR, endpoint),
    OTLP_FIELD("compression", CONFIG_STR, compression),
    OTLP_FIELD("tls", CONFIG_BLOCK, tls, .block = &tls_client_schema),
    OTLP_FIELD("headers", CONFIG_STR_MAP, headers, .secret = true),
    OTLP_FIELD("timeout", CONFIG_DURATION, timeout_ns),
    OTLP_FIELD("retry_on_failure", CONFIG_BLOCK, retry, .block = &retry_config_schema),
    OTLP_FIELD("sending_queue", CONFIG_OPTIONAL, queue, .block = &queue_config_schema,
               .optional = OPTIONAL_SOME,
               .flag_offset = offsetof(struct otlp_config, queue.enabled)),
    OTLP_FIELD("keepalive", CONFIG_OPTIONAL, keepalive, .block = &keepalive_schema,
               .optional = OPTIONAL_NONE,
               .flag_offset = offsetof(struct otlp_config, keepalive_on)),
    OTLP_FIELD("read_buffer_size", CONFIG_INT, read_buffer_size),
    OTLP_FIELD("write_buffer_size", CONFIG_INT, write_buffer_size),
    OTLP_FIELD("wait_for_ready", CONFIG_BOOL, wait_for_ready),
    OTLP_FIELD("balancer_name", CONFIG_STR, balancer_name),
    OTLP_FIELD("authority", CONFIG_STR, authority),
    OTLP_FIELD("user_agent", CONFIG_STR, user_agent),
    OTLP_FIELD("auth", CONFIG_ANY, auth),
    OTLP_FIELD("middlewares", CONFIG_ANY, middlewares),
};
static const struct config_schema otlp_schema = {
    .name = "otlp_grpc",
    .size = sizeof(struct otlp_config),
    .fields = otlp_fields,
    .field_count = COUNT_OF(otlp_fields),
    .defaults = otlp_defaults,
    .check = otlp_check,
};

/* ---- requests ---- */

static bool otlp_pack(const void *arg, struct buf *encoded, struct buf *out, struct err *err)
{
    const struct otlp *o = arg;
    if (o->compression == COMPRESS_NONE) {
        struct buf empty = *out;
        *out = *encoded;
        *encoded = empty;
        grpc_prefix(out->data, false, out->len - GRPC_PREFIX_BYTES);
        return true;
    }
    char prefix[GRPC_PREFIX_BYTES] = {0};
    buf_append(out, prefix, sizeof prefix);
    str message = str_skip(buf_view(encoded), GRPC_PREFIX_BYTES);
    if (!compress_bytes(o->compression, message, out, err))
        return false;
    grpc_prefix(out->data, true, out->len - GRPC_PREFIX_BYTES);
    return true;
}

/* libcurl 7.88.1 loses an answer that comes before the body is out, such as "message too large". */
static void add_size_hint(struct err *err, size_t size_bytes)
{
    struct err plain = *err;
    err_set_code(err, plain.code,
                 "%s (if this goes on, the server may not take messages of %zu bytes: see "
                 "sending_queue::batch::max_size with sizer: bytes)",
                 plain.text, size_bytes);
}

static void on_done(void *arg, const struct http_result *result)
{
    struct send_request *request = arg;
    struct otlp *o = request->arg;
    struct send_result out;
    struct buf text;
    buf_init(&text, 8 * KIB);
    request->transport = NULL;
    otlp_answer_read(result, &o->config->headers, &text, &out);
    if (result->outcome == HTTP_TIMEOUT && http_response_status(result->response) == 0)
        http_client_drop_connections(o->client);
    if (out.again_now && request->payload.len > SENT_AT_ONCE_BYTES)
        add_size_hint(&out.err, request->payload.len);
    queue_sent(request, &out);
    buf_deinit(&text);
}

/* Whole milliseconds, at least one; 0 for none. */
static int64_t timeout_ms(const struct otlp_config *c)
{
    return c->timeout_ns / MS + (c->timeout_ns % MS != 0);
}

/* Is it the line of the same header? */
static bool same_header(str line, str other)
{
    str name, other_name, rest;
    str_cut(line, ':', &name, &rest);
    str_cut(other, ':', &other_name, &rest);
    return str_eq_nocase(name, other_name);
}

/* All header lines with the one that fences the term off, which no configured one may contradict. */
static size_t fenced_headers(const struct otlp *o, const char *fencing_line, str *out)
{
    str line = str_from(fencing_line);
    size_t count = 0;
    for (size_t i = 0; i < o->header_count; i++)
        if (!same_header(o->headers[i], line))
            out[count++] = o->headers[i];
    out[count++] = line;
    return count;
}

static void otlp_send(void *arg, struct send_request *r)
{
    struct otlp *o = arg;
    struct http_request request = {
        .method = "POST",
        .url = o->urls[signal_index(r->signal)],
        .headers = o->headers,
        .header_count = o->header_count,
        .body = buf_view(&r->payload),
        .body_static = true,
        .timeout_ms = timeout_ms(o->config),
        .body_max = RESPONSE_MAX,
        .on_done = on_done,
        .arg = r,
    };
    str *fenced = NULL;
    if (r->fencing_line != NULL) {
        fenced = mem_alloc((o->header_count + 1) * sizeof *fenced);
        request.header_count = fenced_headers(o, r->fencing_line, fenced);
        request.headers = fenced;
    }
    r->transport = http_send(o->client, &request);
    mem_free(fenced);
}

static void otlp_cancel(void *arg, struct send_request *r)
{
    (void)arg;
    http_cancel(r->transport);
    r->transport = NULL;
}

/* ---- what all requests have in common ---- */

static void add_header(struct otlp *o, str line)
{
    o->headers[o->header_count++] = line;
}

/* At most 8 digits and a unit; rounded up, the client's own clock is what counts. */
static str timeout_header(struct otlp *o)
{
    static const struct {
        char unit;
        int64_t ms;
    } units[] = {{'m', 1}, {'S', 1000}, {'M', 60000}, {'H', 3600000}};
    int64_t ms = timeout_ms(o->config);
    size_t i = 0;
    while (ms / units[i].ms >= 99999999 && i + 1 < COUNT_OF(units))
        i++;
    int64_t n = (ms + units[i].ms - 1) / units[i].ms;
    return arena_printf(&o->arena, "grpc-timeout: %" PRId64 "%c", n, units[i].unit);
}

/* Metadata names are lower case; a value under a name in -bin travels as base64 without padding. */
static str metadata_header(struct otlp *o, const struct config_pair *pair)
{
    struct buf line;
    buf_init(&line, LIMIT_CONFIG_FILE_BYTES * 2);
    for (size_t i = 0; i < pair->key.len; i++) {
        char c = pair->key.data[i];
        buf_byte(&line, c >= 'A' && c <= 'Z' ? (char)(c + 32) : c);
    }
    buf_text(&line, ": ");
    if (grpc_is_binary_name(pair->key)) {
        base64_encode(&line, pair->value);
        while (line.data[line.len - 1] == '=')
            line.len--;
    } else {
        buf_str(&line, pair->value);
    }
    str copy = arena_str(&o->arena, buf_view(&line));
    explicit_bzero(line.data, line.len);
    buf_deinit(&line);
    return copy;
}

static void make_headers(struct otlp *o)
{
    const struct otlp_config *c = o->config;
    o->headers = ARENA_ARRAY(&o->arena, str, 6 + c->headers.count);
    add_header(o, STR("content-type: application/grpc"));
    add_header(o, STR("te: trailers"));
    add_header(o, STR("grpc-accept-encoding: gzip,zstd"));
    if (o->compression != COMPRESS_NONE)
        add_header(o,
                   arena_printf(&o->arena, "grpc-encoding: %s", compression_name(o->compression)));
    if (c->timeout_ns > 0)
        add_header(o, timeout_header(o));
    str authority =
        c->authority.len > 0 || o->cleartext ? c->authority : c->tls.server_name_override;
    if (authority.len > 0)
        add_header(o, arena_printf(&o->arena, "host: %.*s", STR_ARG(authority)));
    for (size_t i = 0; i < c->headers.count; i++) {
        if (header_owner(c->headers.items[i].key) == NULL)
            add_header(o, metadata_header(o, &c->headers.items[i]));
    }
}

/* As the gRPC library: server_name_override, else the host in `authority`. */
static str verified_name(const struct otlp_config *c)
{
    struct endpoint parsed;
    if (c->tls.server_name_override.len > 0 || c->authority.len == 0)
        return c->tls.server_name_override;
    return endpoint_parse(c->authority, &parsed, NULL) ? parsed.host : c->authority;
}

static void make_urls(struct otlp *o)
{
    static const char *const services[] = {"metrics.v1.MetricsService", "logs.v1.LogsService",
                                           "trace.v1.TraceService"};
    str address = endpoint_address(o->config->endpoint);
    for (size_t i = 0; i < COUNT_OF(services); i++)
        o->urls[i] = arena_printf(&o->arena, "%s://%.*s/opentelemetry.proto.collector.%s/Export",
                                  o->cleartext ? "http" : "https", STR_ARG(address), services[i]);
}

/* ---- TLS material ---- */

static bool load_tls(struct otlp *o, struct arena *store, struct http_tls *tls, struct err *err)
{
    *tls = (struct http_tls){0};
    if (o->cleartext)
        return true;
    o->tls_stamp = tls_client_stamp(&o->config->tls);
    if (!tls_client_load(&o->config->tls, store, tls, err))
        return false;
    tls->server_name = o->server_name;
    return true;
}

static void on_reload_timer(void *arg)
{
    struct otlp *o = arg;
    loop_timer_set_after(&o->reload_timer, o->config->tls.reload_interval_ns);
    if (tls_client_stamp(&o->config->tls) == o->tls_stamp)
        return;
    struct arena store;
    struct http_tls tls;
    struct err err;
    arena_init(&store, 4 * KIB);
    if (load_tls(o, &store, &tls, &err) && http_client_set_tls(o->client, &tls, &err))
        log_info(&o->exporter->base.logger, "TLS files were reloaded");
    else
        log_error(&o->exporter->base.logger,
                  "TLS files changed but cannot be used, the former ones stay in use", F_ERR(&err));
    arena_deinit(&store);
}

/* ---- life ---- */

static const struct queue_transport otlp_transport = {
    .pack = otlp_pack,
    .send = otlp_send,
    .cancel = otlp_cancel,
    .request_max = LIMIT_OTLP_REQUEST_BYTES,
    .prefix_bytes = GRPC_PREFIX_BYTES,
};

static bool otlp_create(struct exporter *e, const void *config, struct err *err)
{
    (void)err;
    const struct otlp_config *c = config;
    struct otlp *o = mem_zalloc(sizeof *o);
    e->base.state = o;
    o->exporter = e;
    o->config = c;
    arena_init(&o->arena, 1024);
    CHECK(compression_parse(c->compression, &o->compression));
    /* `insecure` means cleartext only without a CA; https:// always means TLS, http:// alone does
     * not mean cleartext. */
    bool has_ca = c->tls.ca_file.len > 0 || c->tls.ca_pem.len > 0;
    o->cleartext = c->tls.insecure && !has_ca && !str_starts_with(c->endpoint, STR("https://"));
    o->server_name = verified_name(c);
    make_headers(o);
    make_urls(o);
    struct queue_transport transport = otlp_transport;
    transport.arg = o;
    transport.pack_here_max = o->compression == COMPRESS_NONE ? SIZE_MAX : PACK_HERE_BYTES;
    o->queue = queue_new(e, &c->queue, &c->retry, &transport);
    loop_timer_init(e->base.loop, &o->reload_timer, "otlp_grpc TLS reload", on_reload_timer, o);
    return true;
}

static bool otlp_start(struct exporter *e, struct err *err)
{
    struct otlp *o = e->base.state;
    struct arena store;
    arena_init(&store, 4 * KIB);
    struct http_client_config config = {
        .version = o->cleartext ? HTTP_2_CLEARTEXT : HTTP_2_TLS,
        .proxy = HTTP_PROXY_TUNNEL_ENV,
        .user_agent =
            o->config->user_agent.len > 0 ? o->config->user_agent : STR("baton/" BATON_VERSION),
    };
    bool ok = load_tls(o, &store, &config.tls, err);
    if (ok)
        o->client = http_client_new(e->base.loop, &e->base.logger, &config, err);
    arena_deinit(&store);
    if (o->client == NULL)
        return false;
    if (o->config->tls.reload_interval_ns > 0 && !o->cleartext)
        loop_timer_set_after(&o->reload_timer, o->config->tls.reload_interval_ns);
    return true;
}

static void otlp_consume(struct exporter *e, struct batch *take_batch)
{
    struct otlp *o = e->base.state;
    queue_consume(o->queue, take_batch);
}

static bool otlp_has_room(const struct exporter *e)
{
    const struct otlp *o = e->base.state;
    return queue_has_room(o->queue);
}

static void otlp_statistics(const struct exporter *e, struct exporter_stats *stats)
{
    const struct otlp *o = e->base.state;
    queue_exporter_statistics(o->queue, stats);
}

static void otlp_stop(struct exporter *e, int64_t deadline_ns)
{
    struct otlp *o = e->base.state;
    loop_timer_clear(&o->reload_timer);
    queue_stop(o->queue, deadline_ns);
}

static void otlp_destroy(struct exporter *e)
{
    struct otlp *o = e->base.state;
    if (o == NULL)
        return;
    loop_timer_clear(&o->reload_timer);
    queue_free(o->queue);
    http_client_free(o->client);
    arena_deinit(&o->arena);
    mem_free(o);
    e->base.state = NULL;
}

static const char *const otlp_aliases[] = {"otlp", NULL};
const struct exporter_type otlp_grpc_exporter = {
    .name = "otlp_grpc",
    .aliases = otlp_aliases,
    .signals = SIGNAL_METRICS | SIGNAL_LOGS | SIGNAL_TRACES,
    .stability = "stable",
    .schema = &otlp_schema,
    .create = otlp_create,
    .start = otlp_start,
    .consume = otlp_consume,
    .has_room = otlp_has_room,
    .stop = otlp_stop,
    .statistics = otlp_statistics,
    .destroy = otlp_destroy,
};
