/* io/http_server.h without sockets: which addresses are open, what is taken, and a way to ask. Link instead of io/http_server.c. */
#ifndef FAKE_HTTP_SERVER_H
#define FAKE_HTTP_SERVER_H

#include "io/http_server.h"

/* For the tests of one world: an address "host:port" that cannot be had; "" or NULL: all can. */
void fake_http_server_refuse(const char *address);
/* How many are open now, and how often one was opened. */
size_t fake_http_server_count(void);
size_t fake_http_server_opened(void);
/* A GET of `path` at the open server of this address; false if there is none. */
bool fake_http_server_get(const char *address, const char *path, struct http_reply *reply);

#endif
