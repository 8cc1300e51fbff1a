/*
 * The simulator over HTTP/1.1, with or without TLS: one thread, driven from outside by polling two descriptors.
 *
 *   struct kubesim_http *http = kubesim_http_new(sim, listen_fd, cert_pem, key_pem, &err);
 *   while (...) { poll(kubesim_http_fds, timeout_ms); timeout_ms = kubesim_http_step(http); }
 */
#ifndef KUBESIM_HTTP_H
#define KUBESIM_HTTP_H

#include "kubesim/core.h"

struct kubesim_http;
/* Serves on a listening socket, which it closes in the end. Without a certificate (NULL, NULL) it speaks plain HTTP. */
struct kubesim_http *kubesim_http_new(int listen_fd, const char *cert_pem, const char *key_pem, struct err *err);
/* The adapter is made first, so that its functions can be part of the simulator's configuration. */
void kubesim_http_serve(struct kubesim_http *http, struct kubesim *sim);
/* All connections end. Before kubesim_free. */
void kubesim_http_free(struct kubesim_http *http);
enum { KUBESIM_HTTP_FDS = 2 };
void kubesim_http_fds(const struct kubesim_http *http, int fds[KUBESIM_HTTP_FDS]); /* to poll for input */
/* Does what can be done now; gives the milliseconds after which to call again at the latest, -1: no limit. */
int kubesim_http_step(struct kubesim_http *http);
/* For kubesim_config.connections_cut, with the adapter as `arg`. */
void kubesim_http_cut(struct kubesim_http *http, int64_t down_ns);

/* A socket that listens on "127.0.0.1:0", "[::1]:8443", ...; -1 with err. The port that was chosen goes to *port. */
int kubesim_listen(str endpoint, uint16_t *port, struct err *err);

#endif
