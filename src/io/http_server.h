/*
 * A small HTTP/1.1 server for pages that are made on request: GET and HEAD only, cleartext, in the loop's thread. Connections, the size
 * of a request and the time that a peer may take for one are bounded (LIMIT_HTTP_SERVER_*).
 */
#ifndef IO_HTTP_SERVER_H
#define IO_HTTP_SERVER_H

#include "base/buf.h"
#include "io/loop.h"

/* What the handler answers. */
struct http_reply {
    unsigned status;          /* 200 unless changed */
    const char *content_type; /* static; text/plain unless changed */
    struct buf body;
};
struct http_server_config {
    str host;      /* IP address, "localhost" (127.0.0.1), a name, or empty: all addresses, IPv6 included if there is any */
    uint16_t port; /* 0: the system chooses */
    int64_t request_ms; /* 0: LIMIT_HTTP_SERVER_REQUEST_MS */
    /* Fills the reply to a GET of `path` (without a query); it is empty at first. HEAD comes as a GET. */
    void (*handle)(void *arg, str path, struct http_reply *reply);
    void *arg;
};

struct http_server;
/* Listens from then on; NULL with err (its code is the errno) if the address cannot be had. A name is looked up here, which may take
 * the resolver's time. */
struct http_server *http_server_new(struct loop *loop, const struct http_server_config *config, struct err *err);
/* Closes all connections at once, answers under way included. Not from within `handle`. */
void http_server_free(struct http_server *s);
uint16_t http_server_port(const struct http_server *s);

#endif
