/*
 * Exporter otlp_grpc on a fake HTTP client: what it asks of it, and what it makes of the answers. Against real HTTP/2 it is tested in
 * tests/integration.
 */
#include "harness.h"

#include <stdlib.h>
#include <unistd.h>

#include "../service/fake_loop.h"
#include "exporters/exporters.h"
#include "io/http_client.h"
#include "wire/compress.h"
#include "wire/grpc.h"
#include "wire/pb.h"

/* ---- the HTTP client ---- */

enum { CALLS_MAX = 64, HEADERS_MAX = 32 };

struct http_call {
    bool open;
    char *method, *url;
    char *headers[HEADERS_MAX];
    size_t header_count;
    str body;
    bool body_static;
    int64_t timeout_ms;
    size_t body_max;
    void (*on_done)(void *arg, const struct http_result *result);
    void *arg;
};
struct http_client {
    enum http_version version;
    enum http_proxy proxy;
    char *user_agent, *server_name, *ca_pem, *cert_pem, *min_version;
    bool insecure_skip_verify, system_roots_too;
    size_t set_tls_count, drop_count, cancel_count;
    struct http_call calls[CALLS_MAX];
    size_t call_count;
};
struct http_response {
    int status;
    bool http2;
    const char *headers, *trailers; /* "name: value\n..." */
};

static struct http_client *the_client; /* of the test under way */
static bool client_fails;

static void copy_tls(struct http_client *c, const struct http_tls *tls)
{
    mem_free(c->server_name);
    mem_free(c->ca_pem);
    mem_free(c->cert_pem);
    mem_free(c->min_version);
    c->server_name = str_dup(tls->server_name);
    c->ca_pem = str_dup(tls->ca_pem);
    c->cert_pem = str_dup(tls->cert_pem);
    c->min_version = str_dup(tls->min_version);
    c->insecure_skip_verify = tls->insecure_skip_verify;
    c->system_roots_too = tls->system_roots_too;
}

struct http_client *http_client_new(struct loop *loop, const struct logger *logger,
                                    const struct http_client_config *config, struct err *err)
{
    (void)loop, (void)logger;
    if (client_fails) {
        err_set(err, "no client today");
        return NULL;
    }
    struct http_client *c = mem_zalloc(sizeof *c);
    c->version = config->version;
    c->proxy = config->proxy;
    c->user_agent = str_dup(config->user_agent);
    copy_tls(c, &config->tls);
    the_client = c;
    return c;
}

static void free_call(struct http_call *call)
{
    mem_free(call->method);
    mem_free(call->url);
    for (size_t i = 0; i < call->header_count; i++)
        mem_free(call->headers[i]);
    *call = (struct http_call){0};
}

void http_client_free(struct http_client *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->call_count; i++) {
        assert_false(c->calls[i].open);
        free_call(&c->calls[i]);
    }
    copy_tls(c, &(struct http_tls){0});
    mem_free(c->server_name);
    mem_free(c->ca_pem);
    mem_free(c->cert_pem);
    mem_free(c->min_version);
    mem_free(c->user_agent);
    mem_free(c);
    the_client = NULL;
}

void http_client_drop_connections(struct http_client *c)
{
    c->drop_count++;
}

bool http_client_set_tls(struct http_client *c, const struct http_tls *tls, struct err *err)
{
    size_t at;
    if (str_find(tls->cert_pem, STR("broken"), &at))
        return err_set(err, "broken certificate");
    c->set_tls_count++;
    copy_tls(c, tls);
    return true;
}

struct http_call *http_send(struct http_client *c, const struct http_request *request)
{
    assert_true(c->call_count < CALLS_MAX && request->header_count <= HEADERS_MAX);
    struct http_call *call = &c->calls[c->call_count++];
    *call = (struct http_call){
        .open = true,
        .method = str_dup(str_from(request->method)),
        .url = str_dup(request->url),
        .header_count = request->header_count,
        .body = request->body,
        .body_static = request->body_static,
        .timeout_ms = request->timeout_ms,
        .body_max = request->body_max,
        .on_done = request->on_done,
        .arg = request->arg,
    };
    for (size_t i = 0; i < request->header_count; i++)
        call->headers[i] = str_dup(request->headers[i]);
    return call;
}

void http_cancel(struct http_call *call)
{
    assert_true(call->open);
    call->open = false;
    the_client->cancel_count++;
}

int http_response_status(const struct http_response *r)
{
    return r->status;
}

bool http_response_is_http2(const struct http_response *r)
{
    return r->http2;
}

static bool find(const char *lines, const char *name, str *value)
{
    str line, rest = str_from(lines), key;
    while (rest.len > 0) {
        str_cut(rest, '\n', &line, &rest);
        if (str_cut(line, ':', &key, value) && str_eqz(key, name)) {
            *value = str_trim(*value);
            return true;
        }
    }
    return false;
}

bool http_response_header(const struct http_response *r, const char *name, str *value)
{
    return find(r->headers, name, value);
}

bool http_response_trailer(const struct http_response *r, const char *name, str *value)
{
    return find(r->trailers, name, value);
}

/* ---- the test's side ---- */

struct answer {
    enum http_outcome outcome;
    int status;
    const char *headers, *trailers;
    str body;
    uint32_t http2_error;
    bool http1;
};
#define GRPC_HEAD "content-type: application/grpc\n"

static struct harness *start(const char *yaml)
{
    struct harness *h = harness_new(
        &otlp_grpc_exporter, fake_loop_new(1000 * SECOND, INT64_C(1767268800) * SECOND), yaml);
    struct err err;
    client_fails = false;
    if (!h->exporter.type->start(&h->exporter, &err))
        fail_msg("%s", err.text);
    return h;
}

static void stop(struct harness *h)
{
    struct loop *loop = h->loop;
    h->exporter.type->stop(&h->exporter, loop_boot_ns(loop) + 5 * SECOND);
    fake_loop_run(loop, 6 * SECOND);
    assert_int_equal(h->stopped_count, 1);
    harness_free(h);
    loop_free(loop);
    assert_null(the_client);
}

static struct batch *one_item(enum signal signal)
{
    static const struct metric_desc gauge = {.name = STR("the gauge"), .type = METRIC_GAUGE};
    struct batch *b = batch_new(signal);
    struct scope *s = batch_scope(b, batch_resource(b));
    if (signal == SIGNAL_METRICS)
        batch_point(b, batch_metric(b, s, &gauge))->value = VALUE_OF_INT(1);
    else if (signal == SIGNAL_LOGS)
        batch_log(b, s)->body = VALUE_OF_STR(STR("the log"));
    else
        batch_span(b, s)->name = STR("the span");
    return b;
}

static struct http_call *send_batch(struct harness *h, struct batch *take_batch)
{
    size_t before = the_client->call_count;
    harness_consume(h, take_batch);
    fake_loop_settle(h->loop);
    assert_int_equal(the_client->call_count, before + 1);
    return &the_client->calls[before];
}

static struct http_call *send_one(struct harness *h, enum signal signal)
{
    return send_batch(h, one_item(signal));
}

static void finish(struct http_call *call, const struct answer *a)
{
    assert_true(call->open);
    call->open = false;
    struct http_response response = {
        .status = a->status, .http2 = !a->http1, .headers = a->headers, .trailers = a->trailers};
    struct http_result result = {.outcome = a->outcome,
                                 .response = &response,
                                 .body = a->body,
                                 .http2_error = a->http2_error};
    if (a->outcome != HTTP_DONE)
        err_set(&result.err, "POST somewhere: went wrong");
    call->on_done(call->arg, &result);
}

static const struct answer answer_ok = {
    .status = 200, .headers = GRPC_HEAD, .trailers = "grpc-status: 0\n", .body = {"\0\0\0\0\0", 5}};

static bool has_header(const struct http_call *call, const char *line)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (strcmp(call->headers[i], line) == 0)
            return true;
    return false;
}

static bool has_name(const struct http_call *call, const char *name)
{
    for (size_t i = 0; i < call->header_count; i++)
        if (str_starts_with(str_from(call->headers[i]), str_from(name)))
            return true;
    return false;
}

/* ---- requests ---- */

static void test_requests(void **state)
{
    (void)state;
    struct harness *h =
        start("{endpoint: 'host.test:4317', tls: {insecure: true}, compression: none}");
    assert_int_equal(the_client->version, HTTP_2_CLEARTEXT);
    assert_int_equal(the_client->proxy, HTTP_PROXY_TUNNEL_ENV);
    assert_string_equal(the_client->user_agent, "baton/" BATON_VERSION);
    static const struct {
        enum signal signal;
        const char *url, *text;
    } cases[] = {
        {SIGNAL_METRICS,
         "http://host.test:4317/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
         "the gauge"},
        {SIGNAL_LOGS,
         "http://host.test:4317/opentelemetry.proto.collector.logs.v1.LogsService/Export",
         "the log"},
        {SIGNAL_TRACES,
         "http://host.test:4317/opentelemetry.proto.collector.trace.v1.TraceService/Export",
         "the span"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct http_call *call = send_one(h, cases[i].signal);
        assert_string_equal(call->method, "POST");
        assert_string_equal(call->url, cases[i].url);
        assert_true(call->body_static);
        assert_int_equal(call->timeout_ms, 5000);
        assert_true(call->body_max >= 4 * MIB);
        static const char *const headers[] = {"content-type: application/grpc", "te: trailers",
                                              "grpc-accept-encoding: gzip,zstd",
                                              "grpc-timeout: 5000m"};
        assert_int_equal(call->header_count, COUNT_OF(headers));
        for (size_t k = 0; k < COUNT_OF(headers); k++)
            assert_string_equal(call->headers[k], headers[k]);
        bool compressed;
        str message;
        size_t at;
        assert_true(grpc_unframe(call->body, &compressed, &message, NULL));
        assert_false(compressed);
        assert_true(str_find(message, str_from(cases[i].text), &at));
        finish(call, &answer_ok);
        assert_int_equal(h->outcomes[OUTCOME_SENT], (int)i + 1);
    }
    assert_int_equal(h->log_text.len, 0);
    stop(h);
}

static void test_compression(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        enum compression kind;
        const char *header;
    } cases[] = {{"{endpoint: 'h:1'}", COMPRESS_GZIP, "grpc-encoding: gzip"},
                 {"{endpoint: 'h:1', compression: gzip}", COMPRESS_GZIP, "grpc-encoding: gzip"},
                 {"{endpoint: 'h:1', compression: zstd}", COMPRESS_ZSTD, "grpc-encoding: zstd"}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct harness *h = start(cases[i].yaml);
        struct http_call *call = send_one(h, SIGNAL_LOGS);
        assert_true(has_header(call, cases[i].header));
        bool compressed;
        str message;
        size_t at;
        struct buf plain;
        buf_init(&plain, MIB);
        assert_true(grpc_unframe(call->body, &compressed, &message, NULL));
        assert_true(compressed);
        assert_true(decompress_bytes(cases[i].kind, message, &plain, NULL));
        assert_true(str_find(buf_view(&plain), STR("the log"), &at));
        buf_deinit(&plain);
        finish(call, &answer_ok);
        stop(h);
    }
    static const char *const off[] = {"{endpoint: 'h:1', compression: none}",
                                      "{endpoint: 'h:1', compression: ''}"};
    for (size_t i = 0; i < COUNT_OF(off); i++) {
        struct harness *h = start(off[i]);
        struct http_call *call = send_one(h, SIGNAL_LOGS);
        assert_false(has_name(call, "grpc-encoding"));
        finish(call, &answer_ok);
        stop(h);
    }
}

static void test_timeouts(void **state)
{
    (void)state;
    static const struct {
        const char *timeout;
        int64_t ms;
        const char *header; /* NULL: none */
    } cases[] = {
        {"0", 0, NULL},
        {"1ns", 1, "grpc-timeout: 1m"},
        {"1500us", 2, "grpc-timeout: 2m"},
        {"10s", 10000, "grpc-timeout: 10000m"},
        {"99999998ms", 99999998, "grpc-timeout: 99999998m"},
        {"99999999ms", 99999999, "grpc-timeout: 100000S"},
        {"100h", 360000000, "grpc-timeout: 360000S"},
        {"100000h", 360000000000, "grpc-timeout: 6000000M"},
        {"2000000h", 7200000000000, "grpc-timeout: 2000000H"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char yaml[128];
        snprintf(yaml, sizeof yaml, "{endpoint: 'h:1', timeout: %s}", cases[i].timeout);
        struct harness *h = start(yaml);
        struct http_call *call = send_one(h, SIGNAL_LOGS);
        assert_int_equal(call->timeout_ms, cases[i].ms);
        assert_int_equal(has_name(call, "grpc-timeout"), cases[i].header != NULL);
        if (cases[i].header != NULL)
            assert_true(has_header(call, cases[i].header));
        finish(call, &answer_ok);
        stop(h);
    }
}

static void test_headers(void **state)
{
    (void)state;
    struct harness *h = start("{endpoint: 'h:1', headers: {X-TenanZ: a ~, Authorization: Bearer x, "
                              "empty: '', data-BIN: 'a', "
                              "Host: no, TE: no, grpc-anything: no, User-Agent: no, Content-Type: "
                              "no}, user_agent: mine/2}");
    struct http_call *call = send_one(h, SIGNAL_LOGS);
    assert_true(has_header(call, "x-tenanz: a ~"));
    assert_true(has_header(call, "authorization: Bearer x"));
    assert_true(has_header(call, "empty: "));
    assert_true(has_header(call, "data-bin: YQ")); /* without padding */
    assert_int_equal(call->header_count, 5 + 4);
    assert_string_equal(the_client->user_agent, "mine/2");
    finish(call, &answer_ok);
    stop(h);
}

/* The header that fences a term off goes with the requests of its batches, in place of a configured one of that name. */
static void test_fencing_header(void **state)
{
    (void)state;
    struct harness *h = start("{endpoint: 'h:1', headers: {X-Token: mine, other: o}}");
    for (int i = 0; i < 2; i++) {
        struct batch *b = one_item(SIGNAL_LOGS);
        b->origin.fencing_header = STR("X-TOKEN");
        b->origin.fencing_token = i == 0 ? STR("uid/7") : STR("uid/8");
        struct http_call *call = send_batch(h, b);
        assert_true(has_header(call, i == 0 ? "x-token: uid/7" : "x-token: uid/8"));
        assert_false(has_header(call, "x-token: mine"));
        assert_true(has_header(call, "other: o"));
        assert_int_equal(call->header_count, 5 + 2);
        finish(call, &answer_ok);
    }
    struct http_call *call = send_one(h, SIGNAL_LOGS);
    assert_true(has_header(call, "x-token: mine"));
    finish(call, &answer_ok);
    stop(h);
}

/* The name in :authority and the one to verify, as gRPC chooses them. */
static void test_names(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        const char *host; /* header, NULL: of the URL */
        const char *verified;
    } cases[] = {
        {"{endpoint: 'h:1'}", NULL, ""},
        {"{endpoint: 'h:1', authority: other}", "host: other", "other"},
        {"{endpoint: 'h:1', authority: 'other:99'}", "host: other:99", "other"},
        {"{endpoint: 'h:1', authority: '[fd00::1]:99'}", "host: [fd00::1]:99", "fd00::1"},
        {"{endpoint: 'h:1', tls: {server_name_override: sni}}", "host: sni", "sni"},
        {"{endpoint: 'h:1', authority: other, tls: {server_name_override: sni}}", "host: other",
         "sni"},
        {"{endpoint: 'h:1', authority: other, tls: {insecure: true}}", "host: other", ""},
        {"{endpoint: 'h:1', tls: {insecure: true, server_name_override: sni}}", NULL, ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct harness *h = start(cases[i].yaml);
        struct http_call *call = send_one(h, SIGNAL_LOGS);
        assert_int_equal(has_name(call, "host:"), cases[i].host != NULL);
        if (cases[i].host != NULL)
            assert_true(has_header(call, cases[i].host));
        assert_string_equal(the_client->server_name, cases[i].verified);
        finish(call, &answer_ok);
        stop(h);
    }
}

/* Which settings mean cleartext. */
static void test_scheme(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *url;
        bool cleartext;
    } cases[] = {
        {"{endpoint: 'h:1'}", "https://h:1/", false},
        {"{endpoint: 'http://h:1'}", "https://h:1/", false},
        {"{endpoint: 'https://h:1', tls: {insecure: true}}", "https://h:1/", false},
        {"{endpoint: 'http://h:1', tls: {insecure: true}}", "http://h:1/", true},
        {"{endpoint: 'dns:///h:1', tls: {insecure: true}}", "http://h:1/", true},
        {"{endpoint: 'passthrough:///h:1', tls: {insecure: true}}", "http://h:1/", true},
        {"{endpoint: '[::1]:1', tls: {insecure: true}}", "http://[::1]:1/", true},
        {"{endpoint: 'h:1', tls: {insecure: true, ca_pem: x}}", "https://h:1/", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct harness *h = start(cases[i].yaml);
        struct http_call *call = send_one(h, SIGNAL_LOGS);
        assert_true(str_starts_with(str_from(call->url), str_from(cases[i].url)));
        assert_int_equal(the_client->version, cases[i].cleartext ? HTTP_2_CLEARTEXT : HTTP_2_TLS);
        finish(call, &answer_ok);
        stop(h);
    }
}

/* ---- answers ---- */

/* google.rpc.Status with RetryInfo of 5 s (otlp_wire 7h) */
#define RETRY_INFO "CA4SBGJ1c3kaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIBQ"

static void test_answers(void **state)
{
    (void)state;
    static const struct {
        struct answer answer;
        int outcome; /* -1: retried */
        const char *text;
    } cases[] = {
        {{.status = 200, .headers = GRPC_HEAD "grpc-status: 0\n"}, OUTCOME_SENT, NULL},
        {{.status = 200, .headers = GRPC_HEAD, .body = {"\0\0\0\0\0", 5}},
         OUTCOME_SENT,
         NULL}, /* the trailers got lost */
        {{.status = 200, .headers = GRPC_HEAD, .body = {"\0\0\0\0\4", 5}},
         -1,
         "without a grpc-status"},
        {{.status = 200,
          .headers = GRPC_HEAD,
          .trailers = "grpc-status: 3\ngrpc-message: no%20way\n"},
         OUTCOME_REFUSED,
         "not retryable error: rpc error: code = InvalidArgument desc = no way"},
        {{.status = 200, .headers = GRPC_HEAD, .trailers = "grpc-status: 14\n"},
         -1,
         "code = Unavailable"},
        {{.status = 200, .headers = GRPC_HEAD, .trailers = "grpc-status: 16\n"},
         OUTCOME_REFUSED,
         "code = Unauthenticated"},
        {{.status = 200, .headers = GRPC_HEAD, .trailers = "grpc-status: 17\n"},
         OUTCOME_REFUSED,
         "code = Unknown"},
        {{.status = 200, .headers = GRPC_HEAD, .trailers = "grpc-status: -1\n"},
         OUTCOME_REFUSED,
         "code = Unknown"},
        {{.status = 200,
          .headers = GRPC_HEAD,
          .trailers = "grpc-status: 8\ngrpc-status-details-bin: " RETRY_INFO "\n"},
         -1,
         "\"interval\": \"5s\""},
        {{.status = 200,
          .headers = GRPC_HEAD,
          .trailers = "grpc-status: 3\ngrpc-status-details-bin: " RETRY_INFO "\n"},
         OUTCOME_REFUSED,
         "code = InvalidArgument"},
        {{.status = 503, .headers = "content-type: text/html\n"},
         -1,
         "code = Unavailable desc = unexpected HTTP status code received from server: 503, without "
         "a grpc-status; content-type \\\"text/html\\\""},
        {{.status = 404, .headers = ""}, OUTCOME_REFUSED, "code = Unimplemented"},
        {{.status = 404, .headers = "", .http1 = true},
         -1,
         "the server answers by HTTP/1.1 (status 404), gRPC needs HTTP/2"},
        {{.outcome = HTTP_CONNECT_FAILED},
         -1,
         "code = Unavailable desc = POST somewhere: went wrong"},
        {{.outcome = HTTP_BROKEN, .http2_error = 8}, -1, "code = Canceled"},
        {{.outcome = HTTP_BROKEN, .http2_error = 2}, OUTCOME_REFUSED, "code = Internal"},
        {{.outcome = HTTP_BROKEN, .http2_error = 11}, OUTCOME_REFUSED, "code = ResourceExhausted"},
        {{.outcome = HTTP_BROKEN,
          .status = 200,
          .headers = GRPC_HEAD "grpc-status: 8\ngrpc-message: large\n"},
         OUTCOME_REFUSED,
         "code = ResourceExhausted desc = large"},
        {{.outcome = HTTP_BROKEN, .status = 200, .headers = GRPC_HEAD}, -1, "code = Unavailable"},
        {{.outcome = HTTP_TIMEOUT}, -1, "code = DeadlineExceeded"},
        {{.outcome = HTTP_TOO_LARGE, .status = 200, .headers = GRPC_HEAD},
         OUTCOME_REFUSED,
         "code = ResourceExhausted"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct harness *h =
            start("{endpoint: 'h:1', compression: none, retry_on_failure: {initial_interval: 1s}}");
        struct http_call *call = send_one(h, SIGNAL_METRICS);
        finish(call, &cases[i].answer);
        assert_int_equal(the_client->call_count, 1); /* not at once */
        if (cases[i].text == NULL)
            assert_int_equal(h->log_text.len, 0);
        else
            assert_true(harness_logged(h, cases[i].text));
        if (cases[i].outcome >= 0) {
            assert_int_equal(h->outcomes[cases[i].outcome], 1);
            assert_int_equal(the_client->call_count, 1);
        } else {
            assert_int_equal(h->outcomes[0] + h->outcomes[1] + h->outcomes[2], 0);
            fake_loop_run(h->loop, 8 * SECOND);
            assert_int_equal(the_client->call_count, 2);
            finish(&the_client->calls[1], &answer_ok);
            assert_int_equal(h->outcomes[OUTCOME_SENT], 1);
        }
        stop(h);
    }
}

static void test_lost_request(void **state)
{
    (void)state;
    static const struct answer lost[] = {{.outcome = HTTP_BROKEN},
                                         {.outcome = HTTP_BROKEN, .http2_error = 7}};
    for (size_t i = 0; i < COUNT_OF(lost); i++) {
        struct harness *h = start("{endpoint: 'h:1'}");
        finish(send_one(h, SIGNAL_LOGS), &lost[i]);
        assert_int_equal(the_client->call_count, 2); /* at once */
        finish(&the_client->calls[1], &lost[i]);
        assert_int_equal(the_client->call_count, 2);
        assert_false(harness_logged(h, "batch::max_size")); /* small requests are sent in one go */
        fake_loop_run(h->loop, 8 * SECOND);
        finish(&the_client->calls[2], &answer_ok);
        stop(h);
    }
}

static void test_lost_large_request(void **state)
{
    (void)state;
    struct harness *h = start("{endpoint: 'h:1', compression: none}");
    struct batch *b = batch_new(SIGNAL_LOGS);
    char *text = arena_zalloc(&b->arena, 100000);
    memset(text, 'x', 100000);
    batch_log(b, batch_scope(b, batch_resource(b)))->body = VALUE_OF_STR(str_make(text, 100000));
    harness_consume(h, b);
    fake_loop_settle(h->loop);
    finish(&the_client->calls[0], &(struct answer){.outcome = HTTP_BROKEN});
    finish(&the_client->calls[1], &(struct answer){.outcome = HTTP_BROKEN});
    assert_true(harness_logged(h, "the server may not take messages of 100"));
    assert_true(harness_logged(h, "sending_queue::batch::max_size with sizer: bytes"));
    fake_loop_run(h->loop, 8 * SECOND);
    finish(&the_client->calls[2], &answer_ok);
    stop(h);
}

static void test_hung_connection(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        struct answer answer;
        size_t drops;
    } cases[] = {
        {"{endpoint: 'h:1'}", {.outcome = HTTP_TIMEOUT}, 1},
        {"{endpoint: 'h:1'}",
         {.outcome = HTTP_TIMEOUT, .status = 200, .headers = GRPC_HEAD},
         0}, /* it lives */
        {"{endpoint: 'h:1', tls: {insecure: true}}", {.outcome = HTTP_TIMEOUT}, 1},
        {"{endpoint: 'h:1'}", {.outcome = HTTP_CONNECT_FAILED}, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct harness *h = start(cases[i].yaml);
        finish(send_one(h, SIGNAL_LOGS), &cases[i].answer);
        assert_int_equal(the_client->drop_count, cases[i].drops);
        fake_loop_run(h->loop, 8 * SECOND);
        finish(&the_client->calls[1], &answer_ok);
        stop(h);
    }
}

static void put_partial(struct buf *body, int64_t rejected, const char *text)
{
    struct buf message;
    buf_init(&message, MIB);
    size_t mark = pb_open(&message, 1);
    pb_put_u64(&message, 1, (uint64_t)rejected);
    pb_put_bytes(&message, 2, str_from(text));
    pb_close(&message, mark);
    grpc_frame(body, false, buf_view(&message));
    buf_deinit(&message);
}

static void test_partial_success(void **state)
{
    (void)state;
    static const struct {
        enum signal signal;
        const char *text;
    } cases[] = {
        {SIGNAL_METRICS,
         "{\"otelcol.component.id\": \"test\", \"message\": \"odd\", \"dropped_data_points\": 3}"},
        {SIGNAL_LOGS, "\"dropped_log_records\": 3}"},
        {SIGNAL_TRACES, "\"dropped_spans\": 3}"}};
    struct buf body;
    buf_init(&body, MIB);
    put_partial(&body, 3, "odd");
    struct answer partial = answer_ok;
    partial.body = buf_view(&body);
    struct harness *h = start("{endpoint: 'h:1'}");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        harness_clear_log(h);
        finish(send_one(h, cases[i].signal), &partial);
        assert_true(harness_logged(h, "Partial success response\t{"));
        assert_true(harness_logged(h, cases[i].text));
    }
    assert_int_equal(h->outcomes[OUTCOME_SENT], 3);
    buf_deinit(&body);
    stop(h);
}

static void finish_with_message(struct harness *h, const char *head, bool compressed, str message)
{
    struct buf body;
    buf_init(&body, MIB);
    grpc_frame(&body, compressed, message);
    struct answer answer = answer_ok;
    answer.headers = head;
    answer.body = buf_view(&body);
    harness_clear_log(h);
    finish(send_one(h, SIGNAL_LOGS), &answer);
    buf_deinit(&body);
}

static void test_partial_success_forms(void **state)
{
    (void)state;
    struct harness *h = start("{endpoint: 'h:1'}");
    /* field 7 before, inside and behind: {7: 1, 1: {7: 1, 1: 3, 2: "bad", 7: "x"}, 7: 1} */
    static const char unknown[] = "\x38\1\x0a\x0c\x38\1\x08\3\x12\3bad\x3a\1x\x38\1";
    finish_with_message(h, GRPC_HEAD, false, str_make(unknown, sizeof unknown - 1));
    assert_true(harness_logged(h, "\"message\": \"bad\", \"dropped_log_records\": 3}"));
    static const char inner_cut[] = "\x0a\x04\x08\3\x12\x20";
    finish_with_message(h, GRPC_HEAD, false, str_make(inner_cut, sizeof inner_cut - 1));
    assert_int_equal(h->log_text.len, 0);
    const str plain = STR("\x0a\x07\x08\3\x12\3bad");
    for (enum compression c = COMPRESS_GZIP; c <= COMPRESS_ZSTD; c++) {
        struct buf small;
        buf_init(&small, MIB);
        assert_true(compress_bytes(c, plain, &small, NULL));
        finish_with_message(h,
                            c == COMPRESS_GZIP ? GRPC_HEAD "grpc-encoding: gzip\n"
                                               : GRPC_HEAD "grpc-encoding: zstd\n",
                            true, buf_view(&small));
        assert_true(harness_logged(h, "\"message\": \"bad\", \"dropped_log_records\": 3}"));
        finish_with_message(h, GRPC_HEAD, true, buf_view(&small)); /* compressed by what? */
        assert_int_equal(h->log_text.len, 0);
        finish_with_message(h, GRPC_HEAD "grpc-encoding: lzma\n", true, buf_view(&small));
        assert_int_equal(h->log_text.len, 0);
        finish_with_message(h, GRPC_HEAD "grpc-encoding: gzip\n", true, plain);
        assert_int_equal(h->log_text.len, 0);
        buf_deinit(&small);
    }
    assert_int_equal(h->outcomes[OUTCOME_SENT], 10); /* taken is taken */
    stop(h);
}

static void test_secrets_are_masked(void **state)
{
    (void)state;
    struct harness *h =
        start("{endpoint: 'h:1', headers: {authorization: Bearer abcdefgh-secret, x-key: short}}");
    struct answer answer = {
        .status = 200,
        .headers = GRPC_HEAD
        "grpc-status: 16\n"
        "grpc-message: abcdefgh-secret, Bearer abcdefgh-secret, xabcdefgh-secretx, short, "
        "abcdefgh%2Dsecret, abcdefgh-secre\n"};
    finish(send_one(h, SIGNAL_LOGS), &answer);
    assert_true(harness_logged(
        h, "desc = [REDACTED], [REDACTED], x[REDACTED]x, short, [REDACTED], abcdefgh-secre\""));
    struct buf body;
    buf_init(&body, MIB);
    put_partial(&body, 1, "I know abcdefgh-secret");
    answer = answer_ok;
    answer.body = buf_view(&body);
    finish(send_one(h, SIGNAL_LOGS), &answer);
    assert_true(harness_logged(h, "\"message\": \"I know [REDACTED]\""));
    assert_false(harness_logged(h, "abcdefgh-secret"));
    buf_deinit(&body);
    stop(h);
    h = start("{endpoint: 'h:1', headers: {a: '12345678', b: '7654321', c: 'with spaces inside'}}");
    answer = (struct answer){
        .status = 200,
        .headers = GRPC_HEAD
        "grpc-status: 16\ngrpc-message: 12345678 7654321 with spaces inside, with 12345678\n"};
    finish(send_one(h, SIGNAL_LOGS), &answer);
    assert_true(harness_logged(h, "desc = [REDACTED] 7654321 [REDACTED], with [REDACTED]\""));
    stop(h);
}

/* What print-config shows. */
static void test_print(void **state)
{
    (void)state;
    struct harness *h = harness_load(&otlp_grpc_exporter, NULL,
                                     "{endpoint: 'h:1', headers: {a: s3cr3t}, tls: {ca_pem: "
                                     "s3cr3t, cert_pem: s3cr3t, key_pem: s3cr3t}}");
    struct buf text;
    size_t at;
    buf_init(&text, MIB);
    yaml_print(&text,
               config_encode(&h->arena, otlp_grpc_exporter.schema, h->exporter.base.state, true));
    assert_false(str_find(buf_view(&text), STR("s3cr3t"), &at));
    static const char *const shown[] = {"write_buffer_size: 524288", "balancer_name: round_robin",
                                        "a: \"[REDACTED]\"",         "timeout: 5s",
                                        "compression: gzip",         "queue_size: 1000",
                                        "max_elapsed_time: 5m0s"};
    for (size_t i = 0; i < COUNT_OF(shown); i++)
        if (!str_find(buf_view(&text), str_from(shown[i]), &at))
            fail_msg("%s is not in\n%s", shown[i], buf_cstr(&text));
    buf_deinit(&text);
    h->exporter.base.state = NULL;
    h->messages.error_count = 1; /* nothing to destroy */
    harness_free(h);
}

/* A message as long as headers may be is cut, not lost. */
static void test_long_message(void **state)
{
    (void)state;
    char *headers = mem_alloc(50000);
    snprintf(headers, 50000, "%s%s", GRPC_HEAD, "grpc-status: 3\ngrpc-message: begins");
    size_t len = strlen(headers);
    memset(headers + len, 'x', 40000);
    snprintf(headers + len + 40000, 8, "\n");
    struct harness *h = start("{endpoint: 'h:1'}");
    finish(send_one(h, SIGNAL_LOGS), &(struct answer){.status = 200, .headers = headers});
    assert_true(harness_logged(h, "desc = beginsxxxxxx"));
    assert_true(h->log_text.len < 4096);
    mem_free(headers);
    stop(h);
}

/* ---- life ---- */

static void test_stop_cancels(void **state)
{
    (void)state;
    struct harness *h = start("{endpoint: 'h:1', sending_queue: {num_consumers: 2}}");
    for (int i = 0; i < 3; i++)
        harness_consume(h, one_item(SIGNAL_LOGS));
    fake_loop_settle(h->loop);
    assert_int_equal(the_client->call_count, 2);
    h->exporter.type->stop(&h->exporter, loop_boot_ns(h->loop) + SECOND);
    fake_loop_run(h->loop, SECOND / 2);
    assert_int_equal(h->stopped_count, 0);
    fake_loop_run(h->loop, SECOND);
    assert_int_equal(h->stopped_count, 1);
    assert_int_equal(the_client->cancel_count, 2);
    assert_int_equal(h->outcomes[OUTCOME_DROPPED], 3);
    struct loop *loop = h->loop;
    harness_free(h);
    loop_free(loop);
}

static void test_room(void **state)
{
    (void)state;
    struct harness *h = start("{endpoint: 'h:1', sending_queue: {enabled: false}}");
    assert_true(h->exporter.type->has_room(&h->exporter));
    struct http_call *call = send_one(h, SIGNAL_LOGS);
    assert_false(h->exporter.type->has_room(&h->exporter));
    finish(call, &answer_ok);
    fake_loop_settle(h->loop);
    assert_int_equal(h->room_count, 1);
    assert_true(h->exporter.type->has_room(&h->exporter));
    stop(h);
}

static void test_never_started(void **state)
{
    (void)state;
    struct loop *loop = fake_loop_new(0, 0);
    struct harness *h = harness_new(&otlp_grpc_exporter, loop, "{endpoint: 'h:1'}");
    harness_free(h);
    h = harness_new(&otlp_grpc_exporter, loop,
                    "{endpoint: 'h:1', tls: {ca_file: /nonexistent/ca}}");
    struct err err;
    size_t at;
    assert_false(h->exporter.type->start(&h->exporter, &err));
    assert_true(str_find(str_from(err.text), STR("failed to load TLS config: ca_file: "), &at));
    harness_free(h);
    h = harness_new(&otlp_grpc_exporter, loop, "{endpoint: 'h:1'}");
    client_fails = true;
    assert_false(h->exporter.type->start(&h->exporter, &err));
    assert_string_equal(err.text, "no client today");
    client_fails = false;
    harness_free(h);
    loop_free(loop);
}

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void test_tls_settings_and_reload(void **state)
{
    (void)state;
    char folder[] = "/tmp/baton-test-XXXXXX", cert[64], key[64], yaml[512];
    assert_non_null(mkdtemp(folder));
    snprintf(cert, sizeof cert, "%s/cert", folder);
    snprintf(key, sizeof key, "%s/key", folder);
    write_file(cert, "cert one");
    write_file(key, "key one");
    snprintf(yaml, sizeof yaml,
             "{endpoint: 'h:1', tls: {cert_file: %s, key_file: %s, ca_pem: the ca, "
             "reload_interval: 10s, include_system_ca_certs_pool: true, "
             "insecure_skip_verify: true, min_version: '1.3'}}",
             cert, key);
    struct harness *h = start(yaml);
    assert_string_equal(the_client->cert_pem, "cert one");
    assert_string_equal(the_client->ca_pem, "the ca");
    assert_string_equal(the_client->min_version, "1.3");
    assert_true(the_client->insecure_skip_verify && the_client->system_roots_too);
    fake_loop_run(h->loop, 25 * SECOND);
    assert_int_equal(the_client->set_tls_count, 0); /* nothing changed */
    write_file(cert, "certificate two");
    fake_loop_run(h->loop, 10 * SECOND);
    assert_int_equal(the_client->set_tls_count, 1);
    assert_string_equal(the_client->cert_pem, "certificate two");
    assert_true(harness_logged(h, "TLS files were reloaded"));
    write_file(cert, "a broken certificate");
    fake_loop_run(h->loop, 10 * SECOND);
    assert_string_equal(the_client->cert_pem, "certificate two");
    assert_true(
        harness_logged(h, "TLS files changed but cannot be used, the former ones stay in use"));
    assert_int_equal(unlink(cert), 0);
    fake_loop_run(h->loop, 10 * SECOND);
    assert_string_equal(the_client->cert_pem, "certificate two");
    write_file(cert, "certificate three");
    fake_loop_run(h->loop, 10 * SECOND);
    assert_string_equal(the_client->cert_pem, "certificate three");
    unlink(cert);
    unlink(key);
    rmdir(folder);
    stop(h);
}

/* ---- configuration ---- */

static void test_config_errors(void **state)
{
    (void)state;
    static const struct {
        const char *yaml, *text;
    } cases[] = {
        {"{}", "exporters::test::endpoint: requires a non-empty \"endpoint\""},
        {"{endpoint: 'unix:///run/x.sock'}", "Unix sockets are not supported"},
        {"{endpoint: '10.0.0.1'}", "missing port: write \"10.0.0.1:PORT\""},
        {"{endpoint: 'fd00:0:0:0:0:0:0:1:4317'}",
         "an IPv6 address needs brackets: write \"[fd00:0:0:0:0:0:0:1]:4317\""},
        {"{endpoint: 'fd00::1:4317'}", "write \"[fd00::1]:4317\" for port 4317"},
        {"{endpoint: 'https://fd00:0:0:0:0:0:0:1:4317'}", "write \"[fd00:0:0:0:0:0:0:1]:4317\""},
        {"{endpoint: 'fd00::1'}", "[fd00::1]:PORT"},
        {"{endpoint: ':4317'}", "names no host"},
        {"{endpoint: 'ftp://h:1'}", "expected HOST:PORT without \"ftp://\""},
        {"{endpoint: 'u:pw-secret@h:1'}", "must not contain user info (\"@\")"},
        {"{endpoint: 'h:1', compression: lz4}",
         "unsupported compression type \"lz4\": use gzip, zstd or none"},
        {"{endpoint: 'h:1', balancer_name: grpclb}", "invalid balancer_name: grpclb"},
        {"{endpoint: 'h:1', timeout: -1ms}", "'timeout' must be non-negative"},
        {"{endpoint: 'h:1', auth: {authenticator: x}}",
         "authenticator extensions are not supported"},
        {"{endpoint: 'h:1', middlewares: [{id: x}]}", "middleware extensions are not supported"},
        {"{endpoint: 'h:1', authority: \"a\\nb\"}",
         "exporters::test::authority: is not a host name"},
        {"{endpoint: 'h:1', user_agent: \"a\\nb\"}", "user_agent: holds a character"},
        {"{endpoint: 'h:1', headers: {'': x}}", "\"\" is not a header name"},
        {"{endpoint: 'h:1', headers: {'a:b': x}}", "\"a:b\" is not a header name"},
        {"{endpoint: 'h:1', headers: {a: \"pw-secret\\n\"}}",
         "the value of \"a\" holds a line break"},
        {"{endpoint: 'h:1', headers: {a: [pw-secret]}}", "expected type 'string'"},
        {"{endpoint: 'h:1', tls: {key_file: x}}",
         "TLS configuration must include both certificate and key"},
        {"{endpoint: 'h:1', tls: {cert_file: x, cert_pem: y, key_pem: z}}",
         "cert_file and cert_pem are both given"},
        {"{endpoint: 'h:1', tls: {cert_pem: y, key_file: x, key_pem: z}}",
         "key_file and key_pem are both given"},
        {"{endpoint: 'h:1', tls: {max_version: '2'}}", "unsupported TLS version: \"2\""},
        {"{endpoint: 'h:1', tls: {min_version: '1.3', max_version: '1.2'}}",
         "min_version cannot be greater than max_version"},
        {"{endpoint: 'h:1', tls: {reload_interval: -1s}}", "reload_interval: must not be negative"},
        {"{endpoint: 'h:1', tls: {cipher_suites: [A]}}", "cipher_suites: cannot be set here"},
        {"{endpoint: 'h:1', tls: {curve_preferences: [A]}}",
         "curve_preferences: cannot be set here"},
        {"{endpoint: 'h:1', tls: {include_insecure_cipher_suites: true}}",
         "cannot be set here: remove it"},
        {"{endpoint: 'h:1', tls: {tpm: {enabled: true}}}", "tpm: is not supported"},
        {"{endpoint: 'h:1', retry_on_failure: {multiplier: -1}}",
         "'multiplier' must be non-negative"},
        {"{endpoint: 'h:1', sending_queue: {queue_size: 0}}", "`queue_size` must be positive"},
        {"{endpoint: 'h:1', keepalive: {tim: 1s}}", "has invalid keys: tim"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        harness_check(&otlp_grpc_exporter, cases[i].yaml, 1, 0, cases[i].text);
    struct harness *h = harness_load(
        &otlp_grpc_exporter, NULL, "{endpoint: 'u:pw-secret@h:1', headers: {a: \"pw-secret\\n\"}}");
    size_t at;
    assert_false(str_find(buf_view(&h->messages_text), STR("pw-secret"), &at));
    harness_free(h);
}

static void test_config_warnings(void **state)
{
    (void)state;
    static const struct {
        const char *yaml;
        size_t warnings;
        const char *text;
    } cases[] = {
        {"{endpoint: 'h:1', tls: {tpm: {enabled: false}}, read_buffer_size: 1, write_buffer_size: "
         "1, balancer_name: '', auth: , middlewares: []}",
         0, ""},
        {"{endpoint: 'h:1', keepalive: }", 0, ""},
        {"{endpoint: 'h:1', keepalive: {}}", 1, "keepalive: has no effect"},
        {"{endpoint: 'h:1', keepalive: {time: 1s, timeout: 1s, permit_without_stream: true}}", 1,
         "keepalive: has no effect"},
        {"{endpoint: 'h:1', wait_for_ready: true}", 1, "wait_for_ready: has no effect"},
        {"{endpoint: 'h:1', headers: {User-Agent: x}}", 1,
         "\"User-Agent\" is ignored: set `user_agent` instead"},
        {"{endpoint: 'h:1', headers: {host: x}}", 1,
         "\"host\" is ignored: set `authority` instead"},
        {"{endpoint: 'h:1', headers: {grpc-status: x}}", 1, "gRPC's own headers are reserved"},
        {"{endpoint: 'h:1', headers: {TE: x}}", 1, "\"TE\" is ignored: the exporter sets it"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        harness_check(&otlp_grpc_exporter, cases[i].yaml, 0, cases[i].warnings, cases[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_compression),
        cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_headers),
        cmocka_unit_test(test_fencing_header),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_scheme),
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_lost_request),
        cmocka_unit_test(test_lost_large_request),
        cmocka_unit_test(test_hung_connection),
        cmocka_unit_test(test_partial_success),
        cmocka_unit_test(test_partial_success_forms),
        cmocka_unit_test(test_secrets_are_masked),
        cmocka_unit_test(test_print),
        cmocka_unit_test(test_long_message),
        cmocka_unit_test(test_stop_cancels),
        cmocka_unit_test(test_room),
        cmocka_unit_test(test_never_started),
        cmocka_unit_test(test_tls_settings_and_reload),
        cmocka_unit_test(test_config_errors),
        cmocka_unit_test(test_config_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
