/*
 * A small HTTP/1.1 server in threads of its own, for tests: over TLS or not, on 127.0.0.1 or ::1, every answer written byte by
 * byte by the test's handler. And the certificates it needs.
 */
#ifndef TEST_SERVER_H
#define TEST_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/buf.h"

enum { SERVER_CONNECTIONS_MAX = 4096, REQUEST_BYTES_MAX = 1 << 16 };

struct test_request {
    char text[REQUEST_BYTES_MAX + 1]; /* request line and headers, NUL-terminated */
    char *body;                       /* within text */
    size_t body_len;
    char client_name[64]; /* CN of the client's certificate, or empty */
};

struct test_server;
struct test_conn {
    struct test_server *server;
    int fd;
    SSL *ssl;
    pthread_t thread;
    bool ended; /* the handler wants the connection closed */
};

struct test_server {
    int listener;
    unsigned port;
    bool is_ipv6;
    SSL_CTX *tls; /* NULL: cleartext */
    void (*handle)(struct test_conn *conn, const struct test_request *request, void *arg);
    void *arg;
    pthread_t thread;
    pthread_mutex_t lock;
    struct test_conn *conns[SERVER_CONNECTIONS_MAX];
    size_t conn_count;
    atomic_uint request_count;
    atomic_bool stopping;
};

/* -- for handlers -- */

static inline void conn_write(struct test_conn *c, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = c->ssl != NULL ? SSL_write(c->ssl, data, (int)len) : send(c->fd, data, len, MSG_NOSIGNAL);
        if (n <= 0) {
            c->ended = true;
            return;
        }
        data += n;
        len -= (size_t)n;
    }
}

PRINTF_LIKE(2, 3) static inline void conn_printf(struct test_conn *c, const char *format, ...)
{
    char *text = NULL;
    va_list args;
    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    CHECK(len >= 0);
    conn_write(c, text, (size_t)len);
    free(text);
}

/* A whole answer; `headers` each with its line end. */
static inline void conn_answer(struct test_conn *c, int status, const char *headers, const char *body)
{
    conn_printf(c, "HTTP/1.1 %d X\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers, strlen(body), body);
}

/* The first value of a header, or NULL; for one use at a time in a thread. */
static inline const char *request_header(const struct test_request *r, const char *name)
{
    static _Thread_local char value[8192];
    size_t len = strlen(name);
    for (const char *line = strstr(r->text, "\r\n"); line != NULL && line[2] != '\r'; line = strstr(line + 2, "\r\n")) {
        if (strncasecmp(line + 2, name, len) != 0 || line[2 + len] != ':')
            continue;
        const char *start = line + 3 + len;
        start += strspn(start, " ");
        snprintf(value, sizeof value, "%.*s", (int)strcspn(start, "\r"), start);
        return value;
    }
    return NULL;
}

static inline bool request_is(const struct test_request *r, const char *line_start)
{
    return strncmp(r->text, line_start, strlen(line_start)) == 0;
}

/* Waits until the client closes. */
static inline void conn_wait_for_close(struct test_conn *c)
{
    char byte;
    while ((c->ssl != NULL ? SSL_read(c->ssl, &byte, 1) : (int)recv(c->fd, &byte, 1, 0)) > 0)
        ;
    c->ended = true;
}

/* -- the server -- */

static inline bool conn_read_request(struct test_conn *c, struct test_request *r)
{
    size_t len = 0, head_len = 0, body_len = 0;
    for (;;) {
        r->text[len] = '\0';
        char *end = strstr(r->text, "\r\n\r\n");
        if (end != NULL && head_len == 0) {
            head_len = (size_t)(end + 4 - r->text);
            const char *length = request_header(r, "content-length");
            body_len = length == NULL ? 0 : strtoul(length, NULL, 10);
        }
        if (head_len > 0 && len >= head_len + body_len)
            break;
        if (len == REQUEST_BYTES_MAX)
            return false;
        size_t room = REQUEST_BYTES_MAX - len;
        ssize_t n = c->ssl != NULL ? SSL_read(c->ssl, r->text + len, (int)room) : recv(c->fd, r->text + len, room, 0);
        if (n <= 0)
            return false;
        len += (size_t)n;
    }
    r->body = r->text + head_len;
    r->body_len = body_len;
    r->client_name[0] = '\0';
    X509 *cert = c->ssl == NULL ? NULL : SSL_get1_peer_certificate(c->ssl);
    if (cert != NULL)
        X509_NAME_get_text_by_NID(X509_get_subject_name(cert), NID_commonName, r->client_name, sizeof r->client_name);
    X509_free(cert);
    return true;
}

static inline void *conn_run(void *arg)
{
    struct test_conn *c = arg;
    struct test_request *r = mem_alloc(sizeof *r);
    bool ok = c->ssl == NULL || SSL_accept(c->ssl) == 1;
    while (ok && !c->ended && conn_read_request(c, r)) {
        atomic_fetch_add(&c->server->request_count, 1);
        c->server->handle(c, r, c->server->arg);
    }
    if (c->ssl != NULL && ok)
        SSL_shutdown(c->ssl);
    shutdown(c->fd, SHUT_RDWR);
    mem_free(r);
    return NULL;
}

static inline void *server_run(void *arg)
{
    struct test_server *s = arg;
    for (;;) {
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0 || atomic_load(&s->stopping)) {
            if (fd >= 0)
                close(fd);
            return NULL;
        }
        int on = 1;
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        struct test_conn *c = mem_zalloc(sizeof *c);
        c->server = s;
        c->fd = fd;
        pthread_mutex_lock(&s->lock);
        CHECK(s->conn_count < SERVER_CONNECTIONS_MAX);
        s->conns[s->conn_count++] = c;
        if (s->tls != NULL) {
            c->ssl = SSL_new(s->tls);
            SSL_set_fd(c->ssl, fd);
        }
        CHECK(pthread_create(&c->thread, NULL, conn_run, c) == 0);
        pthread_mutex_unlock(&s->lock);
    }
}

static inline void server_start(struct test_server *s, bool is_ipv6, SSL_CTX *tls,
                                void (*handle)(struct test_conn *, const struct test_request *, void *), void *arg)
{
    memset(s, 0, sizeof *s);
    s->is_ipv6 = is_ipv6;
    s->tls = tls;
    s->handle = handle;
    s->arg = arg;
    pthread_mutex_init(&s->lock, NULL);
    s->listener = socket(is_ipv6 ? AF_INET6 : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(s->listener >= 0);
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } address = {0};
    socklen_t len = sizeof address.v4;
    address.v4.sin_family = AF_INET;
    address.v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (is_ipv6) {
        len = sizeof address.v6;
        address.v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = in6addr_loopback};
    }
    CHECK(bind(s->listener, &address.any, len) == 0 && listen(s->listener, 128) == 0);
    CHECK(getsockname(s->listener, &address.any, &len) == 0);
    s->port = ntohs(is_ipv6 ? address.v6.sin6_port : address.v4.sin_port);
    CHECK(pthread_create(&s->thread, NULL, server_run, s) == 0);
}

/* All handlers must end when their connection does. */
static inline void server_stop(struct test_server *s)
{
    atomic_store(&s->stopping, true);
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    for (size_t i = 0; i < s->conn_count; i++)
        shutdown(s->conns[i]->fd, SHUT_RDWR);
    for (size_t i = 0; i < s->conn_count; i++) {
        struct test_conn *c = s->conns[i];
        pthread_join(c->thread, NULL);
        SSL_free(c->ssl);
        close(c->fd);
        mem_free(c);
    }
    pthread_mutex_destroy(&s->lock);
}

static inline size_t server_connections(struct test_server *s)
{
    pthread_mutex_lock(&s->lock);
    size_t count = s->conn_count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

/* -- certificates -- */

struct test_cert {
    X509 *cert;
    EVP_PKEY *key;
    char *cert_pem, *key_pem;
};

static inline char *bio_text(BIO *bio)
{
    char *data;
    long len = BIO_get_mem_data(bio, &data);
    char *text = str_dup(str_make(data, (size_t)len));
    BIO_free(bio);
    return text;
}

static inline void cert_extension(X509 *cert, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX ctx;
    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, &ctx, nid, value);
    CHECK(e != NULL && X509_add_ext(cert, e, -1) == 1);
    X509_EXTENSION_free(e);
}

/* A certificate for `name`; `issuer` NULL: a CA of its own. `alt_names` as in openssl.cnf, or NULL. */
static inline void cert_make(struct test_cert *out, const char *name, const struct test_cert *issuer, const char *alt_names)
{
    static atomic_long serial = 1;
    out->key = EVP_EC_gen("P-256");
    out->cert = X509_new();
    CHECK(out->key != NULL && out->cert != NULL);
    X509_set_version(out->cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(out->cert), atomic_fetch_add(&serial, 1));
    X509_gmtime_adj(X509_getm_notBefore(out->cert), -3600);
    X509_gmtime_adj(X509_getm_notAfter(out->cert), 86400);
    X509_set_pubkey(out->cert, out->key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(out->cert), "CN", MBSTRING_UTF8, (const unsigned char *)name, -1, -1, 0);
    X509 *parent = issuer == NULL ? out->cert : issuer->cert;
    X509_set_issuer_name(out->cert, X509_get_subject_name(parent));
    cert_extension(out->cert, parent, NID_basic_constraints, issuer == NULL ? "critical,CA:TRUE" : "CA:FALSE");
    if (alt_names != NULL)
        cert_extension(out->cert, parent, NID_subject_alt_name, alt_names);
    CHECK(X509_sign(out->cert, issuer == NULL ? out->key : issuer->key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_X509(bio, out->cert) == 1);
    out->cert_pem = bio_text(bio);
    bio = BIO_new(BIO_s_mem());
    CHECK(PEM_write_bio_PrivateKey(bio, out->key, NULL, NULL, 0, NULL, NULL) == 1);
    out->key_pem = bio_text(bio);
}

static inline void cert_free(struct test_cert *c)
{
    X509_free(c->cert);
    EVP_PKEY_free(c->key);
    mem_free(c->cert_pem);
    mem_free(c->key_pem);
}

/* `client_ca` not NULL: clients may show a certificate of it. */
static inline SSL_CTX *server_tls(const struct test_cert *cert, const struct test_cert *client_ca)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    CHECK(ctx != NULL && SSL_CTX_use_certificate(ctx, cert->cert) == 1 && SSL_CTX_use_PrivateKey(ctx, cert->key) == 1);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (client_ca != NULL) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), client_ca->cert);
        SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    }
    return ctx;
}

/* -- files -- */

static inline void file_put(const char *path, const char *text)
{
    /* As the kubelet does: a new file takes the place of the old one in one step. */
    char temporary[512];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE *f = fopen(temporary, "w");
    CHECK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0 && rename(temporary, path) == 0);
}

#endif
