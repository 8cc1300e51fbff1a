/* What the files of the HTTP client share: http_client.c (life), http_call.c (one exchange), http_pool.c (libcurl and libuv),
 * http_h2c.c (cleartext HTTP/2). */
#ifndef IO_HTTP_INTERNAL_H
#define IO_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "base/buf.h"
#include "base/list.h"
#include "io/http_client.h"
#include "io/http_proxy.h"
#include "io/http_tls.h"

struct http_response {
    int status; /* of the last complete header block; 0: none yet */
    bool http2;
    bool head_done;       /* the final header block is complete; what follows are trailers */
    struct buf lines;     /* header and trailer lines as they came, each with its line end */
    size_t trailer_start; /* offset in `lines` */
};
enum http_line { HTTP_LINE_MORE, HTTP_LINE_HEAD_DONE, HTTP_LINE_TOO_LARGE };
void http_response_init(struct http_response *r);
void http_response_deinit(struct http_response *r);
/* Takes the next line of an answer's header or trailers; HEAD_DONE once, at the end of the final header. */
enum http_line http_response_feed(struct http_response *r, str line);

struct http_client {
    struct loop *loop;
    struct logger logger;
    enum http_version version;
    struct http_tls_set *tls;
    struct http_proxy_set *proxy;
    char *user_agent; /* or NULL */
    long connect_timeout_ms;
    long connections_max;
    struct list pools; /* the first one that is not retired takes requests */
    struct list h2cs;  /* cleartext HTTP/2 connections */
    struct list calls; /* all but those in `ended` */
    struct list ended; /* finished or cancelled, to be freed when nothing of ours is on the stack */
    uint64_t call_number;   /* of the next call */
    struct loop_task start; /* puts new calls under way */
    struct loop_task thin;  /* looks whether there are too many connections */
    size_t answered_most;   /* exchanges that one HTTP/2 connection has had open at once, as far as seen */
    unsigned depth;         /* handlers of this client on the stack */
    bool freed;
};

/* One multi handle: connections and the calls on them. */
struct http_pool {
    struct list node; /* in client->pools */
    struct http_client *client;
    CURLM *multi;
    struct loop_timer curl_timer;
    struct loop_timer idle_timer; /* armed while there are no calls */
    struct loop_timer rest_timer; /* armed while sockets rest */
    struct loop_task again;       /* posted while HTTP/2 data comes, see http_pool.c */
    bool stirred;                 /* HTTP/2 data came since then */
    struct list sockets;          /* struct http_socket: those that libcurl waits for */
    int *open_fds;                /* all sockets of connections, waited for or idle */
    size_t open_count, open_cap;
    size_t call_count, stream_count;
    size_t patient_count; /* calls with piece_bytes_max: lists and watches, which can wait for a moment */
    bool is_http2;         /* its connection speaks HTTP/2: there is no second one */
    size_t calls_max;      /* SIZE_MAX until libcurl found that the connection takes no more */
    curl_off_t sent;       /* of the bodies of its calls, when that was last looked at */
    size_t answered_count; /* calls of an HTTP/2 connection whose answer has begun */
    bool asked;            /* within one look of `thin` */
    bool retired; /* takes no new calls; freed with its last one */
};

enum http_stop { HTTP_STOP_NOT, HTTP_STOP_TOO_LARGE, HTTP_STOP_ABORTED };

/* Of a call over cleartext HTTP/2. */
enum h2c_state {
    H2C_NONE,             /* not begun, or over */
    H2C_WAITING,          /* another call connects to its origin */
    H2C_CONNECTING,       /* it connects, for all that wait */
    H2C_CONNECTING_ALONE, /* for itself only */
    H2C_OPEN,             /* it has a stream */
};

struct http_call {
    struct list node; /* in client->calls or client->ended */
    struct http_client *client;
    struct http_pool *pool; /* NULL: not under way */
    CURL *easy;
    uint64_t number;
    struct curl_slist *headers, *connect_to;
    struct http_tls_set *tls;
    char *method, *url; /* as given */
    char *body_copy;
    str body;
    size_t body_sent;
    size_t body_max;
    int64_t idle_timeout_ns;
    int64_t last_data_ns;
    struct loop_timer timeout, idle;
    struct http_response response;
    struct buf answer;
    size_t answer_bytes; /* received, kept or not */
    enum http_stop stop;
    bool h2c; /* goes by http_h2c.c; the members below are of that */
    enum h2c_state h2c_state;
    char *origin; /* "host:port" */
    bool reused;
    bool answer_ended; /* the server has said all */
    struct h2c *connection;
    struct list h2c_node;
    int32_t stream_id;
    uint32_t http2_error;
    bool sends; /* a body, if only an empty one */
    bool stream;
    bool fresh;       /* not on a connection that exists */
    bool turned_away; /* libcurl wanted a second HTTP/2 connection for it */
    bool answered;    /* counted in pool->answered_count */
    size_t piece_bytes_max; /* 0: on_data does not mind */
    bool started;  /* or waiting for client->start */
    bool resend_refused; /* libcurl wanted to send the body again */
    bool silenced; /* no callback any more */
    void (*on_headers)(void *arg, const struct http_response *r);
    bool (*on_data)(void *arg, str data);
    void (*on_leave)(void *arg);
    void (*on_done)(void *arg, const struct http_result *result);
    void *arg;
    struct err refused; /* what is wrong with the request itself; text empty if nothing */
    char curl_error[CURL_ERROR_SIZE];
    bool no_descriptor; /* left for a socket; libcurl calls that a server that cannot be reached */
};

/* http_client.c: around everything that may call back; the last leave does what had to wait. */
void http_client_enter(struct http_client *client);
void http_client_leave(struct http_client *client);

/* http_call.c */
struct http_call *http_call_new(struct http_client *client, const struct http_request *request);
void http_call_free(struct http_call *call);
/* Why it failed, in libcurl's words if those are right. Lives as long as the call does. */
const char *http_call_failure(const struct http_call *call, CURLcode code);
/* Calls on_done, unless silenced, and moves the call to client->ended. Within enter and leave only. */
void http_call_finish(struct http_call *call, enum http_outcome outcome, CURLcode code);
/* The outcome of a transfer that libcurl ended. */
void http_call_curl_done(struct http_call *call, CURLcode code);

/* What came for a call: a line of its header or trailers, and data. False: the exchange is to be ended, unless it has been silenced. */
NODISCARD bool http_call_line(struct http_call *call, str line);
NODISCARD bool http_call_data(struct http_call *call, str data);

/* http_h2c.c */
void http_h2c_start(struct http_call *call);
/* libcurl has connected for this call, or failed to. */
void http_h2c_connected(struct http_call *call, CURLcode code);
void http_h2c_leave(struct http_call *call); /* the call is over, for whatever reason */
void http_h2c_drop(struct http_client *client);
void http_h2c_sweep(struct http_client *client); /* frees closed connections */
void http_h2c_close(struct http_client *client); /* when there are no calls any more */

/* http_pool.c */
void http_pool_start(struct http_call *call); /* puts it on a pool of its client */
void http_pool_remove(struct http_call *call);
/* It was turned away: to another pool. */
void http_pool_move(struct http_call *call);
/* The header of its answer is complete. */
void http_pool_answered(struct http_call *call);
/* Asks streams to leave when more connections wait for their end than LIMIT_HTTP_DRAINING_CONNECTIONS. */
void http_pool_thin(void *client);
void http_pool_retire(struct http_pool *pool); /* closes idle connections; http_client_leave frees it once it has no calls */
void http_pool_free(struct http_pool *pool);
curl_socket_t http_pool_open_socket(void *call, curlsocktype purpose,
                                   struct curl_sockaddr *address);
int http_pool_close_socket(void *pool, curl_socket_t fd);

#endif
