/* TLS settings of HTTP connections: checked once, shared by all transfers that were started with them. */
#ifndef IO_HTTP_TLS_H
#define IO_HTTP_TLS_H

#include <curl/curl.h>

#include "io/http_client.h"

struct http_tls_set {
    unsigned ref_count;
    char *ca_pem, *cert_pem, *key_pem; /* NULL: none */
    size_t ca_len, cert_len, key_len;
    char *roots_file, *roots_dir; /* of the system; NULL: not trusted, or not there */
    char *server_name;            /* NULL: the URL's host */
    bool insecure_skip_verify;
    bool weak; /* versions before 1.2 are allowed */
    long curl_version;
};

/* A copy with one reference; NULL with err when the material is unusable. */
struct http_tls_set *http_tls_set_new(const struct http_tls *tls, struct err *err);
struct http_tls_set *http_tls_set_ref(struct http_tls_set *set);
void http_tls_set_unref(struct http_tls_set *set);
/* Sets everything but the name; `set` must outlive the transfer. */
void http_tls_set_apply(const struct http_tls_set *set, CURL *easy);
/* The same for the TLS connection to an https proxy. */
void http_tls_set_apply_proxy(const struct http_tls_set *set, CURL *easy);
/* The transfer has a connection on which the server chose HTTP/2. */
bool http_tls_is_http2(CURL *easy);

#endif
