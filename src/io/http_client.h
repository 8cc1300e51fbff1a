/*
 * HTTP requests over libcurl's multi interface, and cleartext HTTP/2 over nghttp2. One `struct http_client` is one pool of
 * connections with one TLS and proxy setting; callers that must not wait for each other use clients of their own.
 *
 * Known of libcurl 7.88.1: on cleartext HTTP/2 only the first request of a connection works, so there libcurl only connects;
 * each request that finds an HTTP/2 connection full or sent away (GOAWAY) opens one for itself, also while another one is being
 * opened, so a multi handle has one HTTP/2 connection, and beyond it, or beyond LIMIT_HTTP_LONG_STREAMS streams, there is another
 * handle; transfers are never paused; the server learns of a cancelled HTTP/2 stream when something else is sent on its connection.
 *
 * A request with a body is never repeated by the client once a byte of the body was sent. Connections without a request are
 * closed after LIMIT_HTTP_IDLE_POOL_MS. Redirects are answers like others.
 */
#ifndef IO_HTTP_CLIENT_H
#define IO_HTTP_CLIENT_H

#include "io/loop.h"

enum http_version {
    HTTP_1_1,
    HTTP_2_TLS,       /* h2 by ALPN, HTTP/1.1 if the server does not offer it; cleartext URLs use HTTP/1.1 */
    HTTP_2_CLEARTEXT, /* h2c by prior knowledge; https URLs as with HTTP_2_TLS */
};

struct http_tls {
    str ca_pem;           /* empty: the system's roots */
    str cert_pem, key_pem; /* client certificate; empty: none */
    bool insecure_skip_verify;
    str server_name;      /* name to send and verify instead of the URL's host; empty: the host */
    bool system_roots_too;/* with ca_pem: trust the system's roots as well */
    str min_version, max_version; /* "1.0" .. "1.3", empty: 1.2 and the newest */
};

enum http_proxy {
    HTTP_PROXY_NONE,        /* also ignores the environment */
    HTTP_PROXY_URL,         /* proxy_url: http, https, socks5 */
    HTTP_PROXY_ENV,         /* as Go's net/http does: HTTP_PROXY or HTTPS_PROXY by the URL's scheme, NO_PROXY, never for loopback */
    HTTP_PROXY_TUNNEL_ENV,  /* as gRPC does: HTTPS_PROXY and NO_PROXY whatever the scheme, always by CONNECT, never for loopback */
};

struct http_client_config {
    enum http_version version;
    struct http_tls tls; /* copied */
    enum http_proxy proxy;
    str proxy_url;
    str user_agent;
    int64_t connect_timeout_ms; /* 0: 10 s */
    size_t connections_max;     /* 0: no limit */
};

struct http_client;
struct http_client *http_client_new(struct loop *loop, const struct logger *logger,
                                    const struct http_client_config *config, struct err *err);
/* Cancels what is under way without calling back. */
void http_client_free(struct http_client *client);
/* Idle connections are closed, busy ones are not used for new requests (rotated certificates, a hung server). */
void http_client_drop_connections(struct http_client *client);
/* New TLS material for connections from now on; also drops connections. */
NODISCARD bool http_client_set_tls(struct http_client *client, const struct http_tls *tls, struct err *err);

struct http_response; /* status and headers of an answer under way */
int http_response_status(const struct http_response *r); /* 0: none yet */
/* A header or trailer by name (any case), the last one if repeated; false if absent. Valid during the callback. Of an answer without a body
 * ("trailers-only" in gRPC) all are headers. */
bool http_response_header(const struct http_response *r, const char *name, str *value);
bool http_response_trailer(const struct http_response *r, const char *name, str *value);
bool http_response_is_http2(const struct http_response *r);

enum http_outcome {
    HTTP_DONE,            /* a complete answer, whatever its status */
    HTTP_CONNECT_FAILED,  /* name, TCP, TLS or proxy: nothing was sent */
    HTTP_TIMEOUT,         /* timeout_ms or idle_timeout_ms passed */
    HTTP_BROKEN,          /* the connection or the protocol broke; the server may have acted */
    HTTP_TOO_LARGE,       /* the answer is over body_max */
    HTTP_ABORTED,         /* on_data said stop */
};
struct http_result {
    enum http_outcome outcome;
    const struct http_response *response;
    str body;          /* buffered answer (no on_data, or status >= 300), at most body_max; of status >= 300 the first
                        * LIMIT_HTTP_ERROR_BODY_BYTES */
    uint32_t http2_error; /* RST_STREAM code if known, else 0 */
    bool connection_reused;
    struct err err;    /* text for every outcome but HTTP_DONE: names the URL (without user info and query) and the reason */
};

struct http_request {
    const char *method;       /* "GET" */
    str url;
    const str *headers;       /* each "Name: value" */
    size_t header_count;
    str body;                 /* copied unless body_static; sent if not empty or method is POST/PUT/PATCH */
    bool body_static;         /* the caller keeps `body` alive until on_done or http_cancel */
    int64_t timeout_ms;       /* for the whole exchange; 0: none */
    int64_t idle_timeout_ms;  /* ends a stream on which nothing arrives for so long; 0: none */
    bool stream;              /* a long stream: counted against LIMIT_HTTP_LONG_STREAMS */
    bool fresh_connection;    /* not on a connection that exists */
    size_t body_max;          /* 0: LIMIT_HTTP_BODY_BYTES; of a buffered answer */
    size_t piece_bytes_max;   /* not 0: on_data has much to do and gets so much at most (1 KiB .. 16 KiB), so that handlers stay short. The
                               * end of an HTTP/2 answer without Content-Length may then come late, see above: for those whose content
                               * says where it ends. No trailers */
    /* All optional but on_done; called in the loop's thread; on_done last and exactly once unless cancelled. */
    void (*on_headers)(void *arg, const struct http_response *r);
    bool (*on_data)(void *arg, str data); /* of answers with status < 300; false: stop */
    void (*on_leave)(void *arg); /* streams: the connection takes no more requests, and there are too many like it. If it costs nothing,
                                  * cancel this call and send it again */
    void (*on_done)(void *arg, const struct http_result *result);
    void *arg;
};
struct http_call;
/* Never calls back before it returned. Everything in `request` but a static body may go after the call. */
struct http_call *http_send(struct http_client *client, const struct http_request *request);
/* No callback after this; `call` is invalid. Not from within a callback of the same call, except on_headers and on_data. */
void http_cancel(struct http_call *call);

#endif
