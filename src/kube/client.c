/*
 * Requests to the API server.
 *
 * Life of a call: kube_send copies the request -> a credential is there, or an exec plugin is
 * waited for -> http_send on the client of its lane -> a 401 renews the credential once and sends
 * again -> on_done, and the call is gone. kube_cancel ends it at any point without a callback.
 *
 * Each lane is an http_client of its own, made when it is first used: a list of 100 MB must not
 * delay the renewal of a Lease. TLS material is compared before each request, so that a rotated
 * certificate counts for the next connection.
 *
 * timeout_ms covers all of a call: waiting for a plugin, and both attempts around a 401.
 *
 * Invariants: callbacks come from the loop only, never out of kube_send; errors hold method,
 * server, path and what the server said, never a header; the client may be freed inside a callback.
 *
 * Specification: Kubernetes API conventions (Status, 401, 429), client-go rest.
 */
#include "kube/client.h"

#include <openssl/evp.h>

#include "base/limits.h"
#include "kube/credentials.h"
#include "kube/status.h"
#include "wire/text.h"

#define MS_NS INT64_C(1000000)
enum { HTTP_BAD_GATEWAY = 502 };

#if defined(__x86_64__)
#define ARCH "amd64"
#elif defined(__aarch64__)
#define ARCH "arm64"
#else
#define ARCH "other"
#endif

struct lane {
    struct http_client *http; /* NULL until used */
    uint64_t tls_generation;  /* what `http` was told last */
};

struct kube_client {
    struct loop *loop;
    struct logger logger;
    struct kube_access *access;
    struct credentials *credentials;
    struct lane lanes[KUBE_LANE_COUNT];
    struct list calls;
    char *key;
};

struct kube_call {
    struct list link;
    struct kube_client *client;
    struct arena arena;
    struct kube_request request; /* texts in the arena, body too */
    struct credential_waiter waiter;
    struct loop_timer timer; /* while a plugin runs */
    struct loop_task failing;
    struct err *failure;
    int64_t deadline_ns; /* boot clock; 0: none */
    uint64_t generation; /* of the credential that was sent */
    bool was_renewed;
    struct http_call *http; /* NULL: nothing is under way */
};

/* -- client -- */

static void hash_text(EVP_MD_CTX *ctx, str s)
{
    uint64_t len = s.len; /* so that moving a byte between two fields makes another hash */
    EVP_DigestUpdate(ctx, &len, sizeof len);
    EVP_DigestUpdate(ctx, s.data == NULL ? "" : s.data, s.len);
}

static void hash_exec(EVP_MD_CTX *ctx, const struct exec_config *exec)
{
    hash_text(ctx, exec->api_version);
    hash_text(ctx, exec->cluster_config_json);
    for (char **arg = exec->args; *arg != NULL; arg++)
        hash_text(ctx, str_from(*arg));
    hash_text(ctx, STR("env"));
    for (char **env = exec->env; *env != NULL; env++)
        hash_text(ctx, str_from(*env));
    hash_text(ctx, exec->provide_cluster_info ? STR("info") : STR("none"));
}

/* Salted by the process's random key: a short password must not be guessable from it. */
static char *client_key_new(const struct kube_client *client)
{
    const struct kube_access *a = client->access;
    const uint64_t *salt = loop_hash_key(client->loop);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    CHECK(ctx != NULL && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL) == 1);
    EVP_DigestUpdate(ctx, salt, 2 * sizeof *salt);
    const str fields[] = {
        a->namespace, a->ca.path,
        a->ca.text,   a->cert.path,
        a->cert.text, a->key.path,
        a->key.text,  a->tls_server_name,
        a->proxy_url, a->token_path,
        a->token,     a->username,
        a->password,  a->insecure_skip_verify ? STR("insecure") : STR_NONE,
    };
    for (size_t i = 0; i < COUNT_OF(fields); i++)
        hash_text(ctx, fields[i]);
    for (size_t i = 0; i < a->impersonation_count; i++)
        hash_text(ctx, a->impersonation[i]);
    if (a->exec != NULL)
        hash_exec(ctx, a->exec);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned digest_len = 0;
    CHECK(EVP_DigestFinal_ex(ctx, digest, &digest_len) == 1 && digest_len >= 16);
    EVP_MD_CTX_free(ctx);
    struct buf key;
    buf_init(&key, a->server.len + 128);
    buf_printf(&key, "%.*s %s ", STR_ARG(a->server), kube_auth_names[a->auth]);
    hex_encode(&key, str_make((const char *)digest, 16));
    size_t len;
    return buf_take(&key, &len);
}

struct kube_client *kube_client_new(struct loop *loop, const struct logger *logger,
                                    const struct kube_config *config, struct err *err)
{
    struct kube_access *access = kube_access_load(config, logger, err);
    if (access == NULL)
        return NULL;
    struct credentials *credentials =
        credentials_new(loop, logger, access, &credential_periods_default, err);
    if (credentials == NULL) {
        kube_access_free(access);
        return NULL;
    }
    struct kube_client *client = mem_zalloc(sizeof *client);
    client->loop = loop;
    client->logger = *logger;
    client->access = access;
    client->credentials = credentials;
    list_init(&client->calls);
    client->key = client_key_new(client);
    return client;
}

void kube_client_free(struct kube_client *client)
{
    if (client == NULL)
        return;
    while (!list_empty(&client->calls))
        kube_cancel(CONTAINER_OF(client->calls.next, struct kube_call, link));
    for (size_t i = 0; i < KUBE_LANE_COUNT; i++)
        http_client_free(client->lanes[i].http);
    credentials_free(client->credentials);
    kube_access_free(client->access);
    mem_free(client->key);
    mem_free(client);
}

str kube_client_server(const struct kube_client *client)
{
    return client->access->server;
}

str kube_client_namespace(const struct kube_client *client)
{
    return client->access->namespace;
}

str kube_client_key(const struct kube_client *client)
{
    return str_from(client->key);
}

bool kube_client_pod(const struct kube_client *client, str *pod_name, str *pod_uid)
{
    credentials_pod(client->credentials, pod_name, pod_uid);
    return pod_name->len > 0;
}

/* -- lanes -- */

static struct http_client *lane_new(struct kube_client *client, const struct http_tls *tls,
                                    struct err *err)
{
    struct http_client_config config = {
        .version = HTTP_2_TLS,
        .tls = *tls,
        .proxy = client->access->proxy_url.len > 0 ? HTTP_PROXY_URL : HTTP_PROXY_NONE,
        .proxy_url = client->access->proxy_url,
        .user_agent = STR("baton/" BATON_VERSION " (linux/" ARCH ")"),
    };
    return http_client_new(client->loop, &client->logger, &config, err);
}

/* The lane's http_client with the TLS material of now; NULL with err. */
static struct http_client *lane_get(struct kube_client *client, enum kube_lane which,
                                    struct err *err)
{
    struct lane *lane = &client->lanes[which];
    uint64_t generation = credentials_tls_generation(client->credentials);
    if (lane->http != NULL && lane->tls_generation == generation)
        return lane->http;
    struct http_tls tls;
    credentials_tls(client->credentials, &tls);
    if (lane->http == NULL)
        lane->http = lane_new(client, &tls, err);
    else if (!http_client_set_tls(lane->http, &tls, err))
        return NULL;
    lane->tls_generation = generation;
    return lane->http;
}

void kube_client_drop_connections(struct kube_client *client, enum kube_lane lane)
{
    if (client->lanes[lane].http != NULL)
        http_client_drop_connections(client->lanes[lane].http);
}

/* -- results -- */

static void call_free(struct kube_call *call)
{
    list_remove(&call->link);
    list_remove(&call->waiter.link);
    loop_timer_clear(&call->timer);
    loop_task_cancel(&call->failing);
    mem_free(call->failure);
    arena_deinit(&call->arena);
    mem_free(call);
}

/* The call is gone before its user hears of it, so that the user may do as it likes. */
static void call_finish(struct kube_call *call, const struct kube_result *result)
{
    void (*on_done)(void *, const struct kube_result *) = call->request.on_done;
    void *arg = call->request.arg;
    call_free(call);
    on_done(arg, result);
}

static void error_prefix(const struct kube_call *call, struct buf *b)
{
    buf_printf(b, "%s %.*s%.*s: ", call->request.method, STR_ARG(call->client->access->server),
               STR_ARG(call->request.path));
}

static void call_failing(void *arg)
{
    struct kube_call *call = arg;
    struct kube_result result = {
        .outcome = (enum http_outcome)call->failure->code,
        .retry_after_ms = -1,
        .credentials_failed = true,
    };
    struct buf text;
    buf_init(&text, ERR_TEXT_MAX - 1);
    error_prefix(call, &text);
    err_set(&result.err, "%s%s", buf_cstr(&text), call->failure->text);
    buf_deinit(&text);
    call_finish(call, &result);
}

/* Nothing was sent, and the user hears of it when the present handler is over. */
static void call_fail_later(struct kube_call *call, enum http_outcome outcome,
                            const struct err *why)
{
    loop_timer_clear(&call->timer);
    call->failure = mem_alloc(sizeof *call->failure);
    *call->failure = *why;
    call->failure->code = (int)outcome;
    loop_task_post(&call->failing);
}

static void read_headers(const struct kube_call *call, const struct http_response *r,
                         struct kube_result *result)
{
    str value;
    int64_t delay_ns;
    result->status = http_response_status(r);
    if (http_response_header(r, "date", &value) && !http_date_parse(value, &result->server_time_ns))
        result->server_time_ns = 0;
    if (http_response_header(r, "retry-after", &value) &&
        retry_after_parse(value, loop_wall_ns(call->client->loop), &delay_ns))
        result->retry_after_ms = delay_ns / MS_NS;
}

static void describe(const struct kube_call *call, const struct http_result *http,
                     const struct kube_status *status, struct kube_result *result)
{
    struct buf text;
    buf_init(&text, ERR_TEXT_MAX - 1);
    if (http->outcome == HTTP_DONE) {
        error_prefix(call, &text);
        status_print(&text, result->status, status);
        err_set_code(&result->err, result->status, "%s", buf_cstr(&text));
    } else {
        result->err = http->err; /* names method and URL itself */
    }
    buf_deinit(&text);
}

static void call_done(struct kube_call *call, const struct http_result *http)
{
    struct kube_result result = {.outcome = http->outcome, .retry_after_ms = -1};
    struct kube_status status = {.retry_after_s = -1};
    struct arena arena;
    arena_init(&arena, 1024);
    if (http->response != NULL)
        read_headers(call, http->response, &result);
    bool is_good = http->outcome == HTTP_DONE && result.status < 300;
    if (is_good) {
        result.body = http->body;
    } else {
        if (http->outcome == HTTP_DONE)
            status_parse(&status, &arena, http->body);
        result.reason = status.reason;
        result.message = status.message;
        if (result.retry_after_ms < 0 && status.retry_after_s >= 0)
            result.retry_after_ms = status.retry_after_s * 1000;
        describe(call, http, &status, &result);
        if (status.is_html) /* what a proxy says is nothing about kinds, objects and permissions */
            result.status = HTTP_BAD_GATEWAY;
    }
    call_finish(call, &result);
    arena_deinit(&arena);
}

/* -- sending -- */

static void call_attempt(struct kube_call *call);

static void on_http_done(void *arg, const struct http_result *http)
{
    struct kube_call *call = arg;
    struct credentials *credentials = call->client->credentials;
    call->http = NULL;
    if (http->outcome != HTTP_DONE)
        credentials_check_tls(credentials);
    bool is_refused = http->outcome == HTTP_DONE && http_response_status(http->response) == 401;
    if (is_refused && !call->was_renewed && credentials_renew(credentials, call->generation)) {
        call->was_renewed = true;
        call_attempt(call);
        return;
    }
    call_done(call, http);
}

static void on_http_headers(void *arg, const struct http_response *r)
{
    struct kube_call *call = arg;
    int status = http_response_status(r);
    if (status >= 200 && status < 300)
        call->request.on_open(call->request.arg, r);
}

static bool on_http_data(void *arg, str data)
{
    struct kube_call *call = arg;
    return call->request.on_data(call->request.arg, data);
}

static void on_http_leave(void *arg)
{
    struct kube_call *call = arg;
    call->request.on_leave(call->request.arg);
}

/* The headers in an array of the call's arena. */
static size_t call_headers(struct kube_call *call, str **headers)
{
    const struct kube_access *access = call->client->access;
    struct arena *a = &call->arena;
    str *h = ARENA_ARRAY(a, str, 3 + access->impersonation_count);
    size_t count = 0;
    h[count++] = arena_printf(a, "Accept: %s", call->request.accept);
    if (call->request.body.len > 0)
        h[count++] = arena_printf(a, "Content-Type: %s", call->request.content_type);
    str authorization = credentials_authorization(call->client->credentials);
    if (authorization.len > 0)
        h[count++] = authorization;
    for (size_t i = 0; i < access->impersonation_count; i++)
        h[count++] = access->impersonation[i];
    *headers = h;
    return count;
}

static str call_url(struct kube_call *call)
{
    const struct kube_request *r = &call->request;
    return arena_printf(&call->arena, "%.*s%.*s%s%.*s", STR_ARG(call->client->access->server),
                        STR_ARG(r->path), r->query.len > 0 ? "?" : "", STR_ARG(r->query));
}

/* What is left of timeout_ms, at least a millisecond: the HTTP client reports the timeout then. */
static int64_t call_left_ms(const struct kube_call *call)
{
    if (call->deadline_ns == 0)
        return 0;
    int64_t left_ms = (call->deadline_ns - loop_boot_ns(call->client->loop) + MS_NS - 1) / MS_NS;
    return left_ms < 1 ? 1 : left_ms;
}

static void call_transmit(struct kube_call *call)
{
    const struct kube_request *r = &call->request;
    struct err err;
    loop_timer_clear(&call->timer);
    struct http_client *http = lane_get(call->client, r->lane, &err);
    if (http == NULL) {
        call_fail_later(call, HTTP_CONNECT_FAILED, &err);
        return;
    }
    str *headers;
    size_t header_count = call_headers(call, &headers);
    call->generation = credentials_generation(call->client->credentials);
    struct http_request request = {
        .method = r->method,
        .url = call_url(call),
        .headers = headers,
        .header_count = header_count,
        .body = r->body,
        .timeout_ms = call_left_ms(call),
        .idle_timeout_ms = r->idle_timeout_ms,
        .stream = r->stream,
        .fresh_connection = r->fresh_connection,
        .body_max = r->body_max,
        .piece_bytes_max = r->piece_bytes_max,
        .on_headers = r->on_open == NULL ? NULL : on_http_headers,
        .on_data = r->on_data == NULL ? NULL : on_http_data,
        .on_leave = r->on_leave == NULL ? NULL : on_http_leave,
        .on_done = on_http_done,
        .arg = call,
    };
    call->http = http_send(http, &request);
}

static void on_credential(void *arg, const struct err *err)
{
    struct kube_call *call = arg;
    if (err == NULL)
        call_transmit(call);
    else
        call_fail_later(call, HTTP_CONNECT_FAILED, err);
}

static void on_credential_timeout(void *arg)
{
    struct kube_call *call = arg;
    list_remove(&call->waiter.link);
    struct err err;
    err_set(&err, "no answer from the exec plugin within the timeout of the request");
    call_fail_later(call, HTTP_TIMEOUT, &err);
}

static void call_attempt(struct kube_call *call)
{
    struct err err;
    switch (credentials_get(call->client->credentials, &call->waiter, &err)) {
    case CREDENTIAL_READY:
        call_transmit(call);
        break;
    case CREDENTIAL_PENDING:
        if (call->deadline_ns != 0)
            loop_timer_set(&call->timer, call->deadline_ns);
        break;
    case CREDENTIAL_FAILED:
        call_fail_later(call, HTTP_CONNECT_FAILED, &err);
        break;
    }
}

static const char *copy_or(struct arena *a, const char *text, const char *otherwise)
{
    return text == NULL ? otherwise : arena_cstr(a, str_from(text));
}

struct kube_call *kube_send(struct kube_client *client, const struct kube_request *request)
{
    CHECK(request->on_done != NULL && request->lane < KUBE_LANE_COUNT);
    CHECK(request->path.len > 0 && request->path.data[0] == '/');
    struct kube_call *call = mem_zalloc(sizeof *call);
    struct arena *a = &call->arena;
    arena_init(a, 1024);
    call->client = client;
    call->request = *request;
    call->request.method = copy_or(a, request->method, "GET");
    call->request.path = arena_str(a, request->path);
    call->request.query = arena_str(a, request->query);
    call->request.body = arena_str(a, request->body);
    call->request.content_type = copy_or(a, request->content_type, "application/json");
    call->request.accept = copy_or(a, request->accept, "application/json");
    if (request->timeout_ms > 0)
        call->deadline_ns = loop_boot_ns(client->loop) + request->timeout_ms * MS_NS;
    list_init(&call->waiter.link);
    call->waiter.fn = on_credential;
    call->waiter.arg = call;
    loop_timer_init(client->loop, &call->timer, "kube_credential_timeout", on_credential_timeout,
                    call);
    loop_task_init(client->loop, &call->failing, "kube_call_failing", call_failing, call);
    list_append(&client->calls, &call->link);
    call_attempt(call);
    return call;
}

void kube_cancel(struct kube_call *call)
{
    if (call->http != NULL)
        http_cancel(call->http);
    call_free(call);
}
