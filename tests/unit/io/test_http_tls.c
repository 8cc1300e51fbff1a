/* The HTTP client over TLS: whom it trusts, which name it sends, client certificates, versions, rotation. */
#include "tests/unit/io/peer.h"

#include <sys/stat.h>

#include "tests/unit/io/certs.h"

static struct cert ca, other_ca, server, named, client_a, client_b;
static char folder[] = "/tmp/test_tls_XXXXXX";

static int make_certs(void **state)
{
    (void)state;
    ca = cert_make("Test CA", NULL, NULL);
    other_ca = cert_make("Other CA", NULL, NULL);
    server = cert_make("by address", "IP:127.0.0.1,IP:::1", &ca);
    named = cert_make("by name", "DNS:kubernetes.default.svc,IP:10.0.0.1", &ca);
    client_a = cert_make("client-a", NULL, &ca);
    client_b = cert_make("client-b", NULL, &ca);
    unsetenv("SSL_CERT_FILE");
    unsetenv("SSL_CERT_DIR");
    return mkdtemp(folder) == NULL;
}

static int free_certs(void **state)
{
    (void)state;
    struct cert *all[] = {&ca, &other_ca, &server, &named, &client_a, &client_b};
    for (size_t i = 0; i < COUNT_OF(all); i++)
        cert_free(all[i]);
    char command[64];
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    return system(command);
}

/* -- the server: tells in headers what it saw of the handshake -- */

static void serve_tls(struct peer_connection *c)
{
    while (peer_request(c)) {
        char answer[512], subject[128] = "none";
        X509 *peer = SSL_get1_peer_certificate(c->ssl);
        if (peer != NULL)
            X509_NAME_oneline(X509_get_subject_name(peer), subject, sizeof(subject));
        X509_free(peer);
        const char *sni = SSL_get_servername(c->ssl, TLSEXT_NAMETYPE_host_name);
        (void)snprintf(answer, sizeof(answer),
                       "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Subject: %s\r\nX-Sni: "
                       "%s\r\nX-Version: %s\r\n\r\nok",
                       subject, sni == NULL ? "none" : sni, SSL_get_version(c->ssl));
        if (!peer_text(c, answer))
            return;
    }
    atomic_fetch_add(&c->peer->closed_by_client, 1);
}

static int accept_any(int ok, X509_STORE_CTX *context)
{
    (void)ok, (void)context;
    return 1;
}

static SSL_CTX *tls_context(const struct cert *c, int min_version, int max_version)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(context, 0);
    SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
    assert_int_equal(SSL_CTX_use_certificate(context, c->x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, c->key), 1);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, accept_any); /* ask for a certificate */
    assert_int_equal(SSL_CTX_set_min_proto_version(context, min_version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(context, max_version), 1);
    return context;
}

static struct peer *tls_peer(const struct cert *c)
{
    return peer_start_on(AF_INET, serve_tls, NULL, tls_context(c, 0, 0));
}

/* One GET with these settings; the exchange has the header that was asked for. */
static void get(const struct cert *c, const struct http_tls *tls, const char *header,
                struct exchange *x)
{
    struct peer *p = tls_peer(c);
    struct world *w = world_new(&(struct http_client_config){.tls = *tls});
    x->header_name = header;
    exchange_run(w, x, (struct http_request){.url = url_of(p, "/")}, false);
    world_free(w);
    exchange_free(x);
    peer_stop(p);
}

static enum http_outcome outcome_of(const struct cert *c, const struct http_tls *tls)
{
    struct exchange x = {0};
    get(c, tls, NULL, &x);
    check_outcome(&x, x.outcome);
    return x.outcome;
}

static void test_own_ca(void **state)
{
    (void)state;
    struct http_tls tls = {.ca_pem = str_from(ca.cert_pem)};
    assert_int_equal(outcome_of(&server, &tls), HTTP_DONE);
    tls.ca_pem = str_from(other_ca.cert_pem);
    assert_int_equal(outcome_of(&server, &tls), HTTP_CONNECT_FAILED);
    char both[8192];
    (void)snprintf(both, sizeof(both), "# a bundle\n%s\n%s", other_ca.cert_pem, ca.cert_pem);
    tls.ca_pem = str_from(both);
    assert_int_equal(outcome_of(&server, &tls), HTTP_DONE);
    assert_int_equal(outcome_of(&named, &tls),
                     HTTP_CONNECT_FAILED); /* trusted, but for another name */
    tls = (struct http_tls){.insecure_skip_verify = true};
    assert_int_equal(outcome_of(&named, &tls), HTTP_DONE);
}

static void put(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    fclose(file);
}

/* Folder with the CA as openssl-rehash links it. */
static void put_hashed(const struct cert *c, const char *dir)
{
    char path[128], command[256];
    assert_int_equal(mkdir(dir, 0755), 0);
    (void)snprintf(path, sizeof(path), "%s/ca.pem", dir);
    put(path, c->cert_pem);
    (void)snprintf(command, sizeof(command),
                   "cd %s && ln -s ca.pem $(openssl x509 -noout -hash -in ca.pem).0", dir);
    assert_int_equal(system(command), 0);
}

static void test_system_roots(void **state)
{
    (void)state;
    const struct http_tls system_only = {0};
    const struct http_tls other_only = {.ca_pem = str_from(other_ca.cert_pem)};
    const struct http_tls both = {.ca_pem = str_from(other_ca.cert_pem), .system_roots_too = true};
    assert_int_equal(outcome_of(&server, &system_only), HTTP_CONNECT_FAILED);
    assert_int_equal(outcome_of(&server, &both), HTTP_CONNECT_FAILED);
    char path[64], other_path[64];
    (void)snprintf(path, sizeof(path), "%s/roots", folder);
    (void)snprintf(other_path, sizeof(other_path), "%s/roots.pem", folder);
    put_hashed(&ca, path);
    put(other_path, ca.cert_pem);
    for (int as_file = 0; as_file < 2; as_file++) {
        setenv(as_file ? "SSL_CERT_FILE" : "SSL_CERT_DIR", as_file ? other_path : path, 1);
        assert_int_equal(outcome_of(&server, &system_only), HTTP_DONE);
        assert_int_equal(outcome_of(&server, &both), HTTP_DONE);
        assert_int_equal(outcome_of(&server, &other_only),
                         HTTP_CONNECT_FAILED); /* only the one that was given */
        unsetenv(as_file ? "SSL_CERT_FILE" : "SSL_CERT_DIR");
    }
    setenv("SSL_CERT_FILE", "/nonexistent/roots.pem", 1);
    struct err err;
    struct logger logger = {0};
    struct loop *loop = loop_new(&logger, &err);
    assert_null(http_client_new(loop, &logger, &(struct http_client_config){.tls = both}, &err));
    assert_non_null(strstr(err.text, "/nonexistent/roots.pem"));
    loop_free(loop);
    unsetenv("SSL_CERT_FILE");
}

static void test_server_name(void **state)
{
    (void)state;
    struct http_tls tls = {.ca_pem = str_from(ca.cert_pem),
                           .server_name = STR("kubernetes.default.svc")};
    struct peer *p = tls_peer(&named);
    struct world *w = world_new(&(struct http_client_config){.tls = tls});
    struct exchange x = {.header_name = "X-Sni"}, own_host = {0};
    exchange_run(w, &x, (struct http_request){.url = url_of(p, "/a?b")}, false);
    check_outcome(&x, HTTP_DONE);
    assert_string_equal(x.header, "kubernetes.default.svc");
    char expected[128];
    (void)snprintf(expected, sizeof(expected), "GET /a?b HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n\r\n",
                   p->port);
    assert_string_equal(peer_seen(p), expected);
    str host = STR("Host: mine");
    exchange_run(w, &own_host,
                 (struct http_request){.url = url_of(p, "/"), .headers = &host, .header_count = 1},
                 false);
    check_outcome(&own_host, HTTP_DONE);
    assert_true(own_host.reused);
    assert_non_null(strstr(peer_seen(p), "\r\nHost: mine\r\n"));
    exchange_free(&x);
    exchange_free(&own_host);
    world_free(w);
    peer_stop(p);

    tls.server_name = STR("wrong.example");
    assert_int_equal(outcome_of(&named, &tls), HTTP_CONNECT_FAILED);
    tls.server_name = STR("10.0.0.1"); /* an address instead of a name: verified, not sent */
    struct exchange y = {0};
    get(&named, &tls, "X-Sni", &y);
    check_outcome(&y, HTTP_DONE);
    assert_string_equal(y.header, "none");
    tls.server_name = STR("::1");
    assert_int_equal(outcome_of(&server, &tls), HTTP_DONE);
    tls.server_name = STR("not a name");
    assert_int_equal(outcome_of(&named, &tls), HTTP_CONNECT_FAILED);
}

static void test_client_certificate_and_rotation(void **state)
{
    (void)state;
    struct http_tls tls = {.ca_pem = str_from(ca.cert_pem)};
    struct exchange none = {0};
    get(&server, &tls, "X-Subject", &none);
    assert_string_equal(none.header, "none");

    tls.cert_pem = str_from(client_a.cert_pem);
    tls.key_pem = str_from(client_a.key_pem);
    struct peer *p = tls_peer(&server);
    struct world *w = world_new(&(struct http_client_config){.tls = tls});
    struct exchange xs[3] = {0};
    for (int i = 0; i < 3; i++) {
        if (i == 2) {
            struct err err;
            tls.cert_pem = str_from(client_b.cert_pem);
            assert_false(http_client_set_tls(
                w->client, &tls, &err)); /* certificate without its key: nothing changes */
            assert_non_null(strstr(err.text, "do not belong together"));
            tls.key_pem = str_from(client_b.key_pem);
            assert_true(http_client_set_tls(w->client, &tls, &err));
            run_until(w, &p->closed_by_client, 1);
        }
        xs[i].header_name = "X-Subject";
        exchange_run(w, &xs[i], (struct http_request){.url = url_of(p, "/")}, false);
        check_outcome(&xs[i], HTTP_DONE);
        assert_string_equal(xs[i].header, i < 2 ? "/CN=client-a" : "/CN=client-b");
        assert_int_equal(xs[i].reused, i == 1);
        exchange_free(&xs[i]);
    }
    world_free(w);
    peer_stop(p);
}

/* A running request keeps the material that it was started with. */
static void test_rotation_under_way(void **state)
{
    (void)state;
    struct peer *p = tls_peer(&server);
    struct http_tls tls = {.ca_pem = str_from(ca.cert_pem)};
    struct world *w = world_new(&(struct http_client_config){.tls = tls});
    struct exchange x = {0};
    struct err err;
    exchange_start(w, &x, (struct http_request){.url = url_of(p, "/")}, false);
    tls.ca_pem = str_from(other_ca.cert_pem);
    assert_true(http_client_set_tls(w->client, &tls, &err));
    loop_run(w->loop);
    check_outcome(&x, HTTP_DONE);
    struct exchange y = {0};
    exchange_run(w, &y, (struct http_request){.url = url_of(p, "/")}, false);
    check_outcome(&y, HTTP_CONNECT_FAILED);
    exchange_free(&x);
    exchange_free(&y);
    world_free(w);
    peer_stop(p);
}

static void expect_bad(const struct http_tls *tls, const char *text)
{
    struct err err;
    struct logger logger = {0};
    struct loop *loop = loop_new(&logger, &err);
    assert_null(http_client_new(loop, &logger, &(struct http_client_config){.tls = *tls}, &err));
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" is not in: %s", text, err.text);
    loop_free(loop);
}

static void test_bad_material(void **state)
{
    (void)state;
    str cert = str_from(client_a.cert_pem), key = str_from(client_a.key_pem);
    expect_bad(&(struct http_tls){.ca_pem = STR("nonsense")}, "CA holds no certificate");
    expect_bad(&(struct http_tls){.ca_pem = key}, "CA holds no certificate");
    expect_bad(
        &(struct http_tls){
            .ca_pem = STR("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")},
        "CA holds no");
    expect_bad(&(struct http_tls){.cert_pem = cert}, "given together");
    expect_bad(&(struct http_tls){.key_pem = key}, "given together");
    expect_bad(&(struct http_tls){.cert_pem = key, .key_pem = key},
               "client certificate cannot be read");
    expect_bad(&(struct http_tls){.cert_pem = cert, .key_pem = cert}, "client key cannot be read");
    expect_bad(&(struct http_tls){.cert_pem = cert, .key_pem = str_from(client_b.key_pem)},
               "do not belong together");
    expect_bad(&(struct http_tls){.min_version = STR("1.4")}, "min_version");
    expect_bad(&(struct http_tls){.max_version = STR("TLS 1.2")}, "max_version");
    expect_bad(&(struct http_tls){.min_version = STR("1.3"), .max_version = STR("1.2")},
               "newer than");
    /* an encrypted key is refused, not asked about on the terminal */
    BIO *bio = BIO_new(BIO_s_mem());
    static char password[] = "secret";
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, client_a.key, EVP_aes_128_cbc(), password,
                                                   6, NULL, NULL),
                     1);
    char *encrypted = cert_bio_text(bio);
    expect_bad(&(struct http_tls){.cert_pem = cert, .key_pem = str_from(encrypted)},
               "without a password");
    mem_free(encrypted);
}

static void test_versions(void **state)
{
    (void)state;
    static const struct {
        const char *min, *max;
        int server_min, server_max;
        const char *version; /* NULL: they do not agree */
    } cases[] = {
        {"", "", 0, 0, "TLSv1.3"},
        {"", "1.2", 0, 0, "TLSv1.2"},
        {"1.3", "", 0, TLS1_2_VERSION, NULL},
        {"", "", 0, TLS1_1_VERSION, NULL},
        {"1.1", "", 0, TLS1_1_VERSION, "TLSv1.1"},
        {"1.0", "1.0", 0, 0, "TLSv1"},
        {"", "1.2", TLS1_3_VERSION, 0, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct peer *p =
            peer_start_on(AF_INET, serve_tls, NULL,
                          tls_context(&server, cases[i].server_min, cases[i].server_max));
        struct world *w =
            world_new(&(struct http_client_config){.tls = {.ca_pem = str_from(ca.cert_pem),
                                                           .min_version = str_from(cases[i].min),
                                                           .max_version = str_from(cases[i].max)}});
        struct exchange x = {.header_name = "X-Version"};
        exchange_run(w, &x, (struct http_request){.url = url_of(p, "/")}, false);
        check_outcome(&x, cases[i].version == NULL ? HTTP_CONNECT_FAILED : HTTP_DONE);
        if (cases[i].version != NULL)
            assert_string_equal(x.header, cases[i].version);
        exchange_free(&x);
        world_free(w);
        peer_stop(p);
    }
}

/* h2 is offered, the server knows only HTTP/1.1; and a plain URL works, too. */
static void test_http2_client_with_http1_servers(void **state)
{
    (void)state;
    static char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    struct peer *tls_server = tls_peer(&server), *plain_server = peer_start(serve_text, answer);
    struct world *w = world_new(&(struct http_client_config){
        .version = HTTP_2_TLS, .tls = {.ca_pem = str_from(ca.cert_pem)}});
    struct exchange xs[6] = {0};
    for (size_t i = 0; i < COUNT_OF(xs); i++)
        exchange_start(w, &xs[i],
                       (struct http_request){.url = url_of(i % 2 ? tls_server : plain_server, "/")},
                       false);
    loop_run(w->loop);
    for (size_t i = 0; i < COUNT_OF(xs); i++) {
        check_outcome(&xs[i], HTTP_DONE);
        assert_false(xs[i].http2);
        exchange_free(&xs[i]);
    }
    world_free(w);
    peer_stop(tls_server);
    peer_stop(plain_server);
}

static void serve_garbage(struct peer_connection *c)
{
    peer_text(c, "this is not TLS at all\r\n");
}

static void test_not_tls(void **state)
{
    (void)state;
    struct peer *p = peer_start(serve_garbage, NULL);
    struct world *w =
        world_new(&(struct http_client_config){.tls = {.insecure_skip_verify = true}});
    struct exchange x = {0};
    char url[64];
    (void)snprintf(url, sizeof(url), "https://127.0.0.1:%d/", p->port);
    exchange_run(w, &x,
                 (struct http_request){.url = str_from(url), .method = "POST", .body = STR("b")},
                 false);
    check_outcome(&x, HTTP_CONNECT_FAILED);
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
}

int main(void)
{
    alarm(55);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_own_ca),
        cmocka_unit_test(test_system_roots),
        cmocka_unit_test(test_server_name),
        cmocka_unit_test(test_client_certificate_and_rotation),
        cmocka_unit_test(test_rotation_under_way),
        cmocka_unit_test(test_bad_material),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_http2_client_with_http1_servers),
        cmocka_unit_test(test_not_tls),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}
