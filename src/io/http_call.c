/*
 * One HTTP exchange: an easy handle of libcurl, its callbacks, and what became of it.
 *
 * Life of a call: http_call_new copies the request into an easy handle; http_pool_start gives that
 * to a multi handle; libcurl calls back with header lines and data, which go to on_headers and
 * on_data or into `answer`; when libcurl, a timer or a limit ends the exchange, http_call_finish
 * takes the handle off and calls on_done; the memory goes when none of our handlers is on the
 * stack.
 *
 * Time: the timers are the loop's, which count time asleep; only the connect timeout is libcurl's.
 *
 * Requests are never sent twice behind the caller's back once a byte of the body went out: libcurl
 * would repeat a POST on a fresh connection if the reused one died before an answer, and a server
 * may have acted on the first. on_seek refuses to rewind the body, which ends such a call as
 * HTTP_BROKEN.
 *
 * Name resolution runs in threads of libcurl; CURLOPT_QUICK_EXIT lets a call end while its thread
 * still waits for a name server, otherwise the loop would wait with it.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "io/http_internal.h"

enum { NS_PER_MS = 1000000, STATUS_REDIRECT_MIN = 300 };

/* -- callbacks of libcurl -- */

/* See http_pool.c: what did not fit into a transfer's buffer may have been forgotten. A piece that
 * leaves room in its buffer says that nothing was. */
static void data_arrived(struct http_call *call, size_t len)
{
    bool had_room = call->piece_bytes_max > len && len > 0;
    if (call->pool != NULL)
        call->pool->stirred |= call->response.http2 && !had_room;
    if (call->idle_timeout_ns > 0)
        call->last_data_ns = loop_boot_ns(call->client->loop);
}

/* A count that is not `len`: libcurl ends the transfer. */
static size_t refuse(size_t len)
{
    return len == 0 ? 1 : 0;
}

bool http_call_line(struct http_call *call, str text)
{
    if (call->silenced)
        return false;
    data_arrived(call, 0);
    enum http_line line = http_response_feed(&call->response, text);
    /* On HTTP/2 the stream says where it ends; libcurl would stop at the length and lose the trailers.
     * With pieces of limited size the stream may say it late. */
    if (call->pool != NULL && call->response.http2 && !call->response.head_done &&
        call->piece_bytes_max == 0)
        curl_easy_setopt(call->easy, CURLOPT_IGNORE_CONTENT_LENGTH, 1L);
    switch (line) {
    case HTTP_LINE_TOO_LARGE:
        call->stop = HTTP_STOP_TOO_LARGE;
        return false;
    case HTTP_LINE_HEAD_DONE:
        http_pool_answered(call);
        if (call->on_headers != NULL)
            call->on_headers(call->arg, &call->response);
        break;
    case HTTP_LINE_MORE:
        break;
    }
    return !call->silenced;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    size_t len = size * count;
    return http_call_line(arg, str_make(data, len)) ? len : refuse(len);
}

/* An answer that is kept: whole, or, of an error, the beginning. */
static bool keep(struct http_call *call, str data)
{
    call->answer_bytes += data.len;
    if (call->response.status < STATUS_REDIRECT_MIN) {
        buf_str(&call->answer, data);
        return !call->answer.overflow;
    }
    size_t most =
        call->body_max < LIMIT_HTTP_ERROR_BODY_BYTES ? call->body_max : LIMIT_HTTP_ERROR_BODY_BYTES;
    size_t room = most - call->answer.len;
    buf_append(&call->answer, data.data, data.len < room ? data.len : room);
    return call->answer_bytes <= LIMIT_HTTP_BODY_BYTES; /* no more is read to save the connection */
}

bool http_call_data(struct http_call *call, str data)
{
    if (call->silenced)
        return false;
    data_arrived(call, data.len);
    if (call->on_data != NULL && call->response.status < STATUS_REDIRECT_MIN) {
        bool more = call->on_data(call->arg, data);
        if (!more && !call->silenced)
            call->stop = HTTP_STOP_ABORTED;
        return more && !call->silenced;
    }
    if (keep(call, data))
        return true;
    call->stop = HTTP_STOP_TOO_LARGE;
    return false;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    size_t len = size * count;
    return http_call_data(arg, str_make(data, len)) ? len : refuse(len);
}

static size_t on_send(char *buffer, size_t size, size_t count, void *arg)
{
    struct http_call *call = arg;
    if (call->silenced) /* cancelled: a static body may be gone */
        return CURL_READFUNC_ABORT;
    size_t left = call->body.len - call->body_sent;
    size_t len = size * count < left ? size * count : left;
    if (len > 0)
        memcpy(buffer, call->body.data + call->body_sent, len);
    call->body_sent += len;
    return len;
}

/* There is a connection; nothing of the request was sent on it yet. */
static int on_connected(void *arg, char *address, char *own_address, int port, int own_port)
{
    struct http_call *call = arg;
    (void)address, (void)own_address, (void)port, (void)own_port;
    if (!call->pool->is_http2 && call->client->version == HTTP_2_TLS)
        call->pool->is_http2 = http_tls_is_http2(call->easy);
    return CURL_PREREQFUNC_OK;
}

static int on_seek(void *arg, curl_off_t offset, int origin)
{
    struct http_call *call = arg;
    (void)offset, (void)origin;
    call->resend_refused = true;
    return CURL_SEEKFUNC_FAIL;
}

/* -- the end -- */

/* The URL without user info, query and fragment. */
static void add_shown_url(struct buf *b, str url)
{
    size_t scheme_len = 0;
    if (str_find(url, STR("://"), &scheme_len)) {
        scheme_len += 3;
        buf_str(b, str_make(url.data, scheme_len));
    }
    url = str_skip(url, scheme_len);
    for (size_t i = 0; i < url.len; i++)
        if (url.data[i] == '?' || url.data[i] == '#')
            url.len = i;
    size_t authority_len = url.len;
    for (size_t i = 0; i < authority_len; i++)
        if (url.data[i] == '/')
            authority_len = i;
    for (size_t i = authority_len; i > 0; i--)
        if (url.data[i - 1] == '@') {
            url = str_skip(url, i);
            break;
        }
    buf_str(b, url);
}

const char *http_call_failure(const struct http_call *call, CURLcode code)
{
    if (call->no_descriptor)
        return "no descriptor is left (too many open files)";
    return call->curl_error[0] != '\0' ? call->curl_error : curl_easy_strerror(code);
}

static void explain(struct http_call *call, enum http_outcome outcome, CURLcode code,
                    struct err *err)
{
    static const char *const reasons[] = {
        [HTTP_CONNECT_FAILED] = "cannot connect",
        [HTTP_TIMEOUT] = "no complete answer in time",
        [HTTP_BROKEN] = "the connection broke",
        [HTTP_TOO_LARGE] = "the answer is too large",
        [HTTP_ABORTED] = "the answer was not wanted any more",
    };
    struct buf shown;
    buf_init(&shown, LIMIT_HTTP_URL_BYTES);
    add_shown_url(&shown, str_from(call->url));
    const char *detail = "";
    const char *reason = reasons[outcome];
    if (call->refused.text[0] != '\0') {
        reason = "cannot be sent";
        detail = call->refused.text;
    } else if (outcome == HTTP_CONNECT_FAILED || outcome == HTTP_BROKEN) {
        detail = call->resend_refused ? "the server may have acted, so it was not sent again"
                 : call->curl_error[0] != '\0' || code != CURLE_OK ? http_call_failure(call, code)
                                                                   : "it ended within the header";
    }
    err_set(err, "%s %s: %s%s%s", call->method, buf_cstr(&shown), reason,
            detail[0] == '\0' ? "" : ": ", detail);
    buf_deinit(&shown);
}

/* libcurl has no other way to tell the code than its error text: "... was not closed cleanly:
 * CANCEL (err 8)". */
static uint32_t stream_error(const struct http_call *call, CURLcode code)
{
    const char *at = code == CURLE_HTTP2_STREAM ? strstr(call->curl_error, "(err ") : NULL;
    return at == NULL ? 0 : (uint32_t)strtoul(at + strlen("(err "), NULL, 10);
}

static void silence(struct http_call *call)
{
    call->silenced = true;
    http_h2c_leave(call);
    loop_timer_clear(&call->timeout);
    loop_timer_clear(&call->idle);
    list_remove(&call->node);
    list_append(&call->client->ended, &call->node);
}

void http_call_finish(struct http_call *call, enum http_outcome outcome, CURLcode code)
{
    CHECK(!call->silenced && call->client->depth > 0);
    struct http_result result = {.outcome = outcome, .response = &call->response};
    long connects = 0;
    if (call->h2c)
        result.connection_reused = call->reused && call->response.status != 0;
    else if (curl_easy_getinfo(call->easy, CURLINFO_NUM_CONNECTS, &connects) == CURLE_OK)
        result.connection_reused =
            call->pool != NULL && call->response.status != 0 && connects == 0;
    if (call->pool != NULL)
        http_pool_remove(call);
    result.body = buf_view(&call->answer);
    result.http2_error = call->h2c ? call->http2_error : stream_error(call, code);
    if (outcome != HTTP_DONE)
        explain(call, outcome, code, &result.err);
    silence(call);
    call->on_done(call->arg, &result);
}

void http_call_curl_done(struct http_call *call, CURLcode code)
{
    if (call->silenced)
        return;
    if (call->h2c) {
        http_h2c_connected(call, code);
        return;
    }
    bool was_turned_away = call->turned_away && code != CURLE_OK;
    call->turned_away = false;
    if (was_turned_away && call->body_sent == 0) {
        call->curl_error[0] = '\0';
        http_pool_move(call);
        return;
    }
    call->resend_refused |= was_turned_away;
    curl_off_t sent_at_us = 0;
    curl_easy_getinfo(call->easy, CURLINFO_PRETRANSFER_TIME_T, &sent_at_us);
    enum http_outcome outcome = HTTP_BROKEN;
    if (code == CURLE_OK && call->response.head_done)
        outcome = HTTP_DONE;
    else if (call->stop == HTTP_STOP_TOO_LARGE)
        outcome = HTTP_TOO_LARGE;
    else if (call->stop == HTTP_STOP_ABORTED)
        outcome = HTTP_ABORTED;
    else if (sent_at_us == 0)
        outcome = HTTP_CONNECT_FAILED;
    http_call_finish(call, outcome, code);
}

void http_cancel(struct http_call *call)
{
    CHECK(!call->silenced);
    struct http_client *client = call->client;
    http_client_enter(client);
    silence(call);
    http_client_leave(client);
}

/* -- timers -- */

static void time_is_up(struct http_call *call)
{
    struct http_client *client = call->client;
    http_client_enter(client);
    http_call_finish(call, HTTP_TIMEOUT, CURLE_OPERATION_TIMEDOUT);
    http_client_leave(client);
}

static void timeout_fired(void *arg)
{
    time_is_up(arg);
}

/* Data only notes when it came; the timer is set anew when it finds that some did. */
static void idle_fired(void *arg)
{
    struct http_call *call = arg;
    int64_t deadline_ns = call->last_data_ns + call->idle_timeout_ns;
    if (loop_boot_ns(call->client->loop) < deadline_ns)
        loop_timer_set(&call->idle, deadline_ns);
    else
        time_is_up(call);
}

/* -- the easy handle -- */

static bool is_clean(str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == '\0')
            return false;
    return true;
}

static void add_line(struct http_call *call, const char *line)
{
    call->headers = curl_slist_append(call->headers, line);
    CHECK(call->headers != NULL);
}

static bool has_header(const struct http_request *request, const char *name)
{
    for (size_t i = 0; i < request->header_count; i++) {
        str key, value;
        if (str_cut(request->headers[i], ':', &key, &value) && str_eq_nocase(key, str_from(name)))
            return true;
    }
    return false;
}

/* Headers as given, without those that libcurl would add of its own accord. */
static void set_headers(struct http_call *call, const struct http_request *request)
{
    static const char *const not_by_default[] = {"Accept", "Content-Type", "Expect"};
    for (size_t i = 0; i < request->header_count; i++) {
        str line = request->headers[i], key, value;
        if (!str_cut(line, ':', &key, &value) || key.len == 0 || !is_clean(line)) {
            /* what has no name may be a value, and values are secret */
            bool named = key.len < line.len && is_clean(key);
            err_set(&call->refused,
                    "header \"%.*s\" is not of the form \"Name: value\" in one line",
                    named ? (int)key.len : 0, named ? key.data : "");
            continue;
        }
        struct buf text;
        buf_init(&text, SIZE_MAX - 1);
        buf_str(&text, key);
        if (str_trim(value).len == 0)
            buf_byte(&text, ';'); /* "Name:" would remove the header, "Name;" sends it empty */
        else
            buf_printf(&text, ": %.*s", STR_ARG(str_trim(value)));
        add_line(call, buf_cstr(&text));
        explicit_bzero(text.data, text.len);
        buf_deinit(&text);
    }
    for (size_t i = 0; i < COUNT_OF(not_by_default); i++)
        if (!has_header(request, not_by_default[i])) {
            char line[32];
            (void)snprintf(line, sizeof(line), "%s:", not_by_default[i]);
            add_line(call, line);
        }
}

static void set_method(struct http_call *call, const struct http_request *request)
{
    const char *method = call->method;
    bool sends = request->body.len > 0 || strcmp(method, "POST") == 0 ||
                 strcmp(method, "PUT") == 0 || strcmp(method, "PATCH") == 0;
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(call->easy, CURLOPT_NOBODY, 1L);
        return;
    }
    call->sends = sends;
    if (sends) {
        curl_easy_setopt(call->easy, CURLOPT_POST, 1L);
        curl_easy_setopt(call->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.len);
        curl_easy_setopt(call->easy, CURLOPT_READFUNCTION, on_send);
        curl_easy_setopt(call->easy, CURLOPT_READDATA, call);
        curl_easy_setopt(call->easy, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(call->easy, CURLOPT_SEEKDATA, call);
    }
    if (request->body_static) {
        call->body = request->body;
    } else if (request->body.len > 0) {
        call->body_copy = str_dup(request->body);
        call->body = str_make(call->body_copy, request->body.len);
    }
    curl_easy_setopt(call->easy, CURLOPT_CUSTOMREQUEST, method);
}

/* Connects to the URL's host but speaks TLS with another name: libcurl takes that name from the
 * URL. */
static void set_server_name(struct http_call *call, CURLU *url, const struct http_request *request,
                            const char *host, const char *port)
{
    const char *name = call->tls->server_name;
    struct buf text;
    buf_init(&text, LIMIT_HTTP_URL_BYTES);
    buf_printf(&text, "::%s:%s", host, port);
    call->connect_to = curl_slist_append(NULL, buf_cstr(&text));
    CHECK(call->connect_to != NULL);
    curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to);
    if (!has_header(request, "Host")) {
        char *given_port = NULL;
        buf_clear(&text);
        if (curl_url_get(url, CURLUPART_PORT, &given_port, CURLU_NO_DEFAULT_PORT) == CURLUE_OK)
            buf_printf(&text, "Host: %s:%s", host, given_port);
        else
            buf_printf(&text, "Host: %s", host);
        curl_free(given_port);
        add_line(call, buf_cstr(&text));
    }
    buf_clear(&text);
    if (strchr(name, ':') != NULL)
        buf_printf(&text, "[%s]", name);
    else
        buf_text(&text, name);
    char *whole = NULL;
    if (curl_url_set(url, CURLUPART_HOST, buf_cstr(&text), 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_URL, &whole, 0) == CURLUE_OK)
        curl_easy_setopt(call->easy, CURLOPT_URL, whole);
    else
        err_set(&call->refused, "tls: \"%s\" is not a server name", name);
    curl_free(whole);
    buf_deinit(&text);
}

/* libcurl only connects, see http_h2c.c. */
static void set_h2c(struct http_call *call, const char *host, const char *port)
{
    struct buf origin;
    buf_init(&origin, LIMIT_HTTP_URL_BYTES + 8);
    buf_printf(&origin, "%s:%s", host, port);
    call->origin = buf_take(&origin, NULL);
    call->h2c = true;
}

/* What depends on the URL: version, proxy, TLS. */
static void set_target(struct http_call *call, const struct http_request *request)
{
    struct http_client *client = call->client;
    CURLU *url = curl_url();
    CHECK(url != NULL);
    char *scheme = NULL, *host = NULL, *port = NULL;
    CURLUcode code = curl_url_set(url, CURLUPART_URL, call->url, CURLU_PATH_AS_IS);
    if (code == CURLUE_OK && curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK) {
        bool https = strcmp(scheme, "https") == 0;
        bool h2c = client->version == HTTP_2_CLEARTEXT && !https;
        long version =
            https && client->version != HTTP_1_1 ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1;
        curl_easy_setopt(call->easy, CURLOPT_HTTP_VERSION, version);
        curl_easy_setopt(call->easy, CURLOPT_PIPEWAIT, version == CURL_HTTP_VERSION_2TLS ? 1L : 0L);
        curl_easy_setopt(call->easy, CURLOPT_FRESH_CONNECT,
                         h2c || request->fresh_connection ? 1L : 0L);
        if (h2c)
            set_h2c(call, host, port);
        str bare = str_from(host);
        if (host[0] == '[')
            bare = str_make(host + 1, strlen(host) - 2);
        bool https_proxy =
            http_proxy_set_apply(client->proxy, call->easy, https, bare, str_from(port), h2c);
        if (https_proxy && h2c) /* its socket speaks TLS, which is libcurl's */
            err_set(&call->refused, "cleartext HTTP/2 cannot go through an https proxy");
        else if (https_proxy)
            http_tls_set_apply_proxy(call->tls, call->easy);
        curl_easy_setopt(call->easy, CURLOPT_URL, call->url);
        http_tls_set_apply(call->tls, call->easy);
        if (https && call->tls->server_name != NULL)
            set_server_name(call, url, request, host, port);
    } else {
        err_set(&call->refused, "not a URL of http or https");
    }
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
}

static void set_fixed_options(struct http_call *call)
{
    CURL *easy = call->easy;
    curl_easy_setopt(easy, CURLOPT_PRIVATE, (char *)call);
    curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, call->curl_error);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(easy, CURLOPT_HEADEROPT,
                     (long)CURLHEADER_SEPARATE); /* tokens are not for proxies */
    curl_easy_setopt(easy, CURLOPT_UPLOAD_BUFFERSIZE, (long)LIMIT_HTTP_UPLOAD_BYTES);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, call->client->connect_timeout_ms);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, call->client->user_agent);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, http_pool_open_socket);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, call);
    curl_easy_setopt(easy, CURLOPT_PREREQFUNCTION, on_connected);
    curl_easy_setopt(easy, CURLOPT_PREREQDATA, call);
    curl_easy_setopt(easy, CURLOPT_CLOSESOCKETFUNCTION, http_pool_close_socket);
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, call);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
}

/* -- life -- */

static void set_timers(struct http_call *call, const struct http_request *request)
{
    struct loop *loop = call->client->loop;
    loop_timer_init(loop, &call->timeout, "http timeout", timeout_fired, call);
    loop_timer_init(loop, &call->idle, "http idle timeout", idle_fired, call);
    if (request->timeout_ms > 0)
        loop_timer_set_after(&call->timeout, request->timeout_ms * NS_PER_MS);
    if (request->idle_timeout_ms > 0) {
        call->idle_timeout_ns = request->idle_timeout_ms * NS_PER_MS;
        call->last_data_ns = loop_boot_ns(loop);
        loop_timer_set(&call->idle, call->last_data_ns + call->idle_timeout_ns);
    }
}

struct http_call *http_call_new(struct http_client *client, const struct http_request *request)
{
    CHECK(request->method != NULL && request->on_done != NULL);
    struct http_call *call = mem_zalloc(sizeof(*call));
    call->client = client;
    list_init(&call->h2c_node);
    call->easy = curl_easy_init();
    CHECK(call->easy != NULL);
    call->tls = http_tls_set_ref(client->tls);
    call->method = str_dup(str_from(request->method));
    call->url = str_dup(request->url);
    call->stream = request->stream;
    call->fresh = request->fresh_connection;
    call->piece_bytes_max = request->piece_bytes_max;
    call->on_headers = request->on_headers;
    call->on_data = request->on_data;
    call->on_leave = request->on_leave;
    call->on_done = request->on_done;
    call->arg = request->arg;
    call->body_max = request->body_max > 0 ? request->body_max : LIMIT_HTTP_BODY_BYTES;
    http_response_init(&call->response);
    buf_init(&call->answer, call->body_max);
    set_fixed_options(call);
    curl_easy_setopt(
        call->easy, CURLOPT_BUFFERSIZE,
        (long)(request->piece_bytes_max > 0 ? request->piece_bytes_max : LIMIT_HTTP_BUFFER_BYTES));
    set_method(call, request);
    set_headers(call, request);
    if (request->url.len > LIMIT_HTTP_URL_BYTES || !is_clean(request->url))
        err_set(&call->refused, "the URL is too long or has a forbidden byte");
    else
        set_target(call, request);
    curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
    set_timers(call, request);
    return call;
}

void http_call_free(struct http_call *call)
{
    CHECK(call->silenced);
    if (call->pool != NULL)
        http_pool_remove(call);
    list_remove(&call->node);
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    http_tls_set_unref(call->tls);
    http_response_deinit(&call->response);
    buf_deinit(&call->answer);
    mem_free(call->method);
    mem_free(call->url);
    mem_free(call->body_copy);
    mem_free(call->origin);
    mem_free(call);
}
