/* Requests to a server of our own: what is sent, what is understood, what happens when credentials or certificates change. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "test_world.h"

static struct test_cert ca, serving, other_ca, client_cert, client_cert_2;
static SSL_CTX *tls;

static int setup(void **state)
{
    (void)state;
    cert_make(&ca, "test ca", NULL, NULL);
    cert_make(&other_ca, "other ca", NULL, NULL);
    cert_make(&serving, "server", &ca, "IP:127.0.0.1,IP:::1,DNS:kube.test");
    cert_make(&client_cert, "client-1", &ca, NULL);
    cert_make(&client_cert_2, "client-2", &ca, NULL);
    tls = server_tls(&serving, &ca);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cert_free(&ca);
    cert_free(&serving);
    cert_free(&other_ca);
    cert_free(&client_cert);
    cert_free(&client_cert_2);
    SSL_CTX_free(tls);
    return 0;
}

/* What a test's handler needs and leaves behind; the handler runs in another thread, the test looks when the answer is there. */
struct script {
    pthread_mutex_t lock;
    char seen[16384];   /* one line a request */
    char token[64];     /* the one that is accepted; empty: all */
    char rotate_to[64]; /* a request with another token makes this the content of... */
    const char *path;   /* ...this file */
    int rotations;      /* how often; the content ends with the number from the second time on */
    int status;
    const char *headers, *body;
};

static void script_note(struct script *s, const char *line)
{
    pthread_mutex_lock(&s->lock);
    size_t len = strlen(s->seen);
    snprintf(s->seen + len, sizeof s->seen - len, "%s\n", line);
    pthread_mutex_unlock(&s->lock);
}

static void script_handle(struct test_conn *c, const struct test_request *r, void *arg)
{
    struct script *s = arg;
    const char *auth = request_header(r, "authorization");
    char line[8300];
    snprintf(line, sizeof line, "%s%s%s", auth == NULL ? "-" : auth,
             r->client_name[0] == '\0' ? "" : " ", r->client_name);
    script_note(s, line);
    pthread_mutex_lock(&s->lock);
    bool ok = s->token[0] == '\0' ||
              (auth != NULL && strncmp(auth, "Bearer ", 7) == 0 && strcmp(auth + 7, s->token) == 0);
    char content[96];
    bool rotates = !ok && s->path != NULL;
    snprintf(content, sizeof content, s->rotations == 0 ? "%s" : "%s%d", s->rotate_to,
             s->rotations);
    s->rotations += rotates;
    pthread_mutex_unlock(&s->lock);
    if (rotates)
        file_put(s->path, content);
    if (ok)
        conn_answer(c, s->status == 0 ? 200 : s->status, s->headers == NULL ? "" : s->headers,
                    s->body == NULL ? "{}" : s->body);
    else
        conn_answer(c, 401, "Content-Type: application/json\r\n",
                    "{\"kind\":\"Status\",\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\","
                    "\"code\":401}");
}

struct fixture {
    struct world w;
    struct test_server server;
    struct script script;
    struct outcome o;
    char cluster[512];
};

static struct fixture *fixture_new_at(bool is_ipv6, bool is_https,
                                      void (*handle)(struct test_conn *,
                                                     const struct test_request *, void *))
{
    struct fixture *f = mem_zalloc(sizeof *f);
    world_init(&f->w);
    pthread_mutex_init(&f->script.lock, NULL);
    server_start(&f->server, is_ipv6, is_https ? tls : NULL,
                 handle == NULL ? script_handle : handle, &f->script);
    world_put(&f->w, "ca.crt", ca.cert_pem);
    snprintf(f->cluster, sizeof f->cluster, "    server: http%s://%s:%u/prefix/%s",
             is_https ? "s" : "", is_ipv6 ? "[::1]" : "127.0.0.1", f->server.port,
             is_https ? "\n    certificate-authority: ca.crt" : "");
    return f;
}

static struct fixture *fixture_new(void (*handle)(struct test_conn *, const struct test_request *,
                                                  void *))
{
    return fixture_new_at(false, true, handle);
}

static void fixture_free(struct fixture *f, struct kube_client *client)
{
    kube_client_free(client);
    server_stop(&f->server);
    world_deinit(&f->w);
    mem_free(f);
}

static struct kube_client *client_of(struct fixture *f, const char *user)
{
    struct err err;
    struct kube_client *client = world_client(&f->w, f->cluster, user, &err);
    if (client == NULL)
        fail_msg("%s", err.text);
    return client;
}

static void call(struct fixture *f, struct kube_client *client)
{
    world_call(&f->w, client, (struct kube_request){0}, &f->o);
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", text, part);
}

/* -- requests and answers -- */

static void echo(struct test_conn *c, const struct test_request *r, void *arg)
{
    (void)arg;
    conn_answer(c, 200, "Date: Thu, 01 Jan 1970 00:01:40 GMT\r\n", r->text);
}

static void test_what_is_sent(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(echo);
    struct kube_client *client = client_of(f, "    token: t0\n    as: jane\n    as-groups: [a, b]");
    world_call(&f->w, client,
               (struct kube_request){.method = "PUT",
                                     .path = STR("/apis/x/y"),
                                     .query = STR("a=b%20c"),
                                     .body = STR("{\"k\":1}"),
                                     .lane = KUBE_LANE_LEASE,
                                     .timeout_ms = 20000},
               &f->o);
    assert_int_equal(f->o.outcome, HTTP_DONE);
    assert_int_equal(f->o.status, 200);
    assert_string_equal(f->o.err, "");
    assert_int_equal(f->o.server_time_ns, INT64_C(100000000000));
    assert_int_equal(f->o.retry_after_ms, -1);
    const char *got = f->o.body;
    assert_true(strncmp(got, "PUT /prefix/apis/x/y?a=b%20c HTTP/1.1\r\n", 39) == 0);
    assert_contains(got, "\r\nAuthorization: Bearer t0\r\n");
    assert_contains(got, "\r\nAccept: application/json\r\n");
    assert_contains(got, "\r\nContent-Type: application/json\r\n");
    assert_contains(got, "\r\nUser-Agent: baton/" BATON_VERSION " (linux/");
    assert_contains(got, "\r\nImpersonate-User: jane\r\n");
    assert_contains(got, "\r\nImpersonate-Group: a\r\n");
    assert_contains(got, "\r\nImpersonate-Group: b\r\n");
    assert_contains(got, "\r\n\r\n{\"k\":1}");
    assert_null(strstr(got, "Accept-Encoding"));
    world_call(&f->w, client,
               (struct kube_request){.accept = "application/vnd.kubernetes.protobuf"}, &f->o);
    assert_contains(f->o.body, "\r\nAccept: application/vnd.kubernetes.protobuf\r\n");
    assert_null(strstr(f->o.body, "Content-Type"));
    world_call(&f->w, client,
               (struct kube_request){.method = "PATCH",
                                     .body = STR("{}"),
                                     .content_type = "application/merge-patch+json"},
               &f->o);
    assert_contains(f->o.body, "\r\nContent-Type: application/merge-patch+json\r\n");
    fixture_free(f, client);
}

static void test_lanes_have_connections_of_their_own(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct kube_client *client = client_of(f, "    token: t0");
    for (int round = 0; round < 3; round++)
        for (enum kube_lane lane = 0; lane < KUBE_LANE_COUNT; lane++)
            world_call(&f->w, client, (struct kube_request){.lane = lane}, &f->o);
    assert_int_equal(server_connections(&f->server), KUBE_LANE_COUNT);
    fixture_free(f, client);
}

static void test_ipv6(void **state)
{
    (void)state;
    struct fixture *f = fixture_new_at(true, true, NULL);
    struct kube_client *client = client_of(f, "    token: t0");
    call(f, client);
    assert_int_equal(f->o.status, 200);
    char want[64];
    snprintf(want, sizeof want, "https://[::1]:%u/prefix", f->server.port);
    assert_true(str_eqz(kube_client_server(client), want));
    fixture_free(f, client);
}

static void test_http_without_credentials(void **state)
{
    (void)state;
    struct fixture *f = fixture_new_at(false, false, NULL);
    struct kube_client *client = client_of(f, "    token: t0");
    call(f, client);
    assert_int_equal(f->o.status, 200);
    assert_string_equal(f->script.seen, "-\n");
    fixture_free(f, client);
}

static void test_basic(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct kube_client *client = client_of(f, "    username: Aladdin\n    password: open sesame");
    call(f, client);
    assert_string_equal(f->script.seen, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\n");
    fixture_free(f, client);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *headers, *body, *reason, *message, *err;
        int64_t retry_after_ms;
    } cases[] = {
        {409, "Content-Type: application/json\r\n",
         "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\",\"message\":\"the "
         "object has been modified\","
         "\"reason\":\"Conflict\",\"code\":409}",
         "Conflict", "the object has been modified",
         "/prefix/x: 409 Conflict (Conflict): the object has been modified", -1},
        {404, "Content-Type: text/plain\r\n", "404 page not found\n", "", "404 page not found",
         "/prefix/x: 404 Not Found: 404 page not found", -1},
        {429, "Retry-After: 7\r\n", "Too many requests, please try again later.\n", "",
         "Too many requests, please try again later.", "429 Too Many Requests: Too many", 7000},
        {429, "",
         "{\"kind\":\"Status\",\"reason\":\"TooManyRequests\",\"details\":{\"retryAfterSeconds\":3}"
         "}",
         "TooManyRequests", "", "429 Too Many Requests (TooManyRequests)", 3000},
        {503, "Retry-After: 1\r\n", "{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":9}}",
         "", "", "503 Service Unavailable", 1000},
        {500, "Retry-After: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "", "", "",
         "500 Internal Server Error", 0},
        {500, "Retry-After: soon\r\n", "", "", "", "500 Internal Server Error", -1},
        {302, "Location: https://elsewhere/\r\n", "", "", "", "/prefix/x: 302", -1},
    };
    struct fixture *f = fixture_new(NULL);
    struct kube_client *client = client_of(f, "    token: SECRET");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        f->script.status = cases[i].status;
        f->script.headers = cases[i].headers;
        f->script.body = cases[i].body;
        call(f, client);
        assert_int_equal(f->o.outcome, HTTP_DONE);
        assert_int_equal(f->o.status, cases[i].status);
        assert_string_equal(f->o.reason, cases[i].reason);
        assert_string_equal(f->o.message, cases[i].message);
        assert_int_equal(f->o.retry_after_ms, cases[i].retry_after_ms);
        assert_string_equal(f->o.body, "");
        assert_contains(f->o.err, cases[i].err);
        assert_int_equal(strncmp(f->o.err, "GET https://127.0.0.1:", 22), 0);
        assert_null(strstr(f->o.err, "SECRET"));
        assert_false(f->o.credentials_failed);
    }
    fixture_free(f, client);
}

/* A load balancer without a server behind it: what it says of an object is no answer about that object. */
static void test_a_page_of_a_proxy_is_no_answer(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *err;
    } cases[] = {{404, "/prefix/x: 404 Not Found: the answer is HTML"},
                 {403, "/prefix/x: 403 Forbidden: the answer is HTML"},
                 {409, "/prefix/x: 409 Conflict: the answer is HTML"},
                 {503, "/prefix/x: 503 Service Unavailable: the answer is HTML"}};
    struct fixture *f = fixture_new(NULL);
    struct kube_client *client = client_of(f, "    token: SECRET");
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        f->script.status = cases[i].status;
        f->script.headers = "Content-Type: text/html\r\n";
        f->script.body = "<html><body>no server</body></html>\n";
        call(f, client);
        assert_int_equal(f->o.outcome, HTTP_DONE);
        assert_int_equal(f->o.status, 502);
        assert_contains(f->o.err, cases[i].err);
    }
    fixture_free(f, client);
}

static void hold(struct test_conn *c, const struct test_request *r, void *arg)
{
    (void)r;
    (void)arg;
    conn_wait_for_close(c);
}

static void test_timeout(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(hold);
    struct kube_client *client = client_of(f, "    token: t");
    world_call(&f->w, client, (struct kube_request){.timeout_ms = 50}, &f->o);
    assert_int_equal(f->o.outcome, HTTP_TIMEOUT);
    assert_int_equal(f->o.status, 0);
    assert_false(f->o.credentials_failed);
    assert_contains(f->o.err, "/prefix/x");
    fixture_free(f, client);
}

static void test_refused(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(hold);
    struct kube_client *client = client_of(f, "    token: t");
    server_stop(&f->server);
    call(f, client);
    assert_int_equal(f->o.outcome, HTTP_CONNECT_FAILED);
    assert_contains(f->o.err, "/prefix/x");
    kube_client_free(client);
    world_deinit(&f->w);
    mem_free(f);
}

/* -- tokens -- */

static void test_401_with_a_static_token(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct kube_client *client = client_of(f, "    token: old");
    snprintf(f->script.token, sizeof f->script.token, "new");
    call(f, client);
    assert_int_equal(f->o.status, 401);
    assert_string_equal(f->o.reason, "Unauthorized");
    assert_string_equal(f->script.seen, "Bearer old\n"); /* once: nothing could have changed */
    fixture_free(f, client);
}

static void test_401_reads_the_token_again(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    f->script.path = world_put(&f->w, "token", "old\n");
    snprintf(f->script.token, sizeof f->script.token, "new");
    snprintf(f->script.rotate_to, sizeof f->script.rotate_to, "  new\n");
    struct kube_client *client = client_of(f, "    tokenFile: token");
    call(f, client);
    assert_int_equal(f->o.status, 200);
    assert_string_equal(f->script.seen, "Bearer old\nBearer new\n");
    call(f, client);
    assert_string_equal(f->script.seen, "Bearer old\nBearer new\nBearer new\n");
    fixture_free(f, client);
}

static void test_401_for_ever(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    f->script.path = world_put(&f->w, "token", "one");
    snprintf(f->script.token, sizeof f->script.token, "never");
    snprintf(f->script.rotate_to, sizeof f->script.rotate_to, "two");
    struct kube_client *client = client_of(f, "    tokenFile: token");
    call(f, client);
    assert_int_equal(f->o.status, 401);
    assert_string_equal(f->script.seen,
                        "Bearer one\nBearer two\n"); /* renewed once, and no further */
    fixture_free(f, client);
}

static void test_a_rotated_token_is_seen_at_once(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    world_put(&f->w, "token", "one");
    struct kube_client *client = client_of(f, "    tokenFile: token\n    token: zero");
    call(f, client);
    world_put(&f->w, "token", "two");
    call(f, client);
    world_put(&f->w, "token", "\n"); /* empty: the old one stays, said once */
    call(f, client);
    call(f, client);
    unlink(world_path(&f->w, "token"));
    call(f, client);
    world_put(&f->w, "token", "bad\ntoken");
    call(f, client);
    assert_int_equal(world_logged(&f->w, "Token file cannot be used"), 1);
    world_put(&f->w, "token", "three");
    call(f, client);
    world_put(&f->w, "token", "");
    call(f, client);
    assert_int_equal(world_logged(&f->w, "Token file cannot be used"), 2);
    assert_string_equal(f->script.seen,
                        "Bearer one\nBearer two\nBearer two\nBearer two\nBearer two\nBearer two\n"
                        "Bearer three\nBearer three\n");
    fixture_free(f, client);
}

static void test_token_file_at_start(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct err err;
    assert_null(world_client(&f->w, f->cluster, "    tokenFile: absent", &err));
    assert_contains(err.text, "/absent");
    world_put(&f->w, "empty", " \n");
    assert_null(world_client(&f->w, f->cluster, "    tokenFile: empty", &err));
    assert_contains(err.text, "empty, expected a token");
    struct kube_client *client = client_of(f, "    token: beside\n    tokenFile: absent");
    call(f, client);
    world_put(&f->w, "absent", "now");
    call(f, client);
    assert_string_equal(f->script.seen, "Bearer beside\nBearer now\n");
    fixture_free(f, client);
}

/* -- service account -- */

static struct kube_client *in_cluster(struct fixture *f, enum kube_auth auth, struct err *err)
{
    char port[16];
    snprintf(port, sizeof port, "%u", f->server.port);
    setenv("KUBERNETES_SERVICE_HOST", f->server.is_ipv6 ? "::1" : "127.0.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", port, 1);
    struct kube_config config = {.auth = auth, .service_account_dir = str_from(f->w.dir)};
    return kube_client_new(f->w.loop, &f->w.logger, &config, err);
}

static void test_service_account(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct fixture *f = fixture_new_at(v6 == 1, true, NULL);
        struct err err;
        assert_null(in_cluster(f, KUBE_AUTH_SERVICE_ACCOUNT, &err));
        assert_contains(err.text, "auth_type serviceAccount: no token");
        /* {"kubernetes.io":{"pod":{"name":"pod-1","uid":"uid-1"}}} */
        world_put(&f->w, "token",
                  "e30.eyJrdWJlcm5ldGVzLmlvIjp7InBvZCI6eyJuYW1lIjoicG9kLTEiLCJ1aWQiOiJ1aWQtMSJ9fX0."
                  "c2ln\n");
        world_put(&f->w, "namespace", "obs");
        struct kube_client *client = in_cluster(f, KUBE_AUTH_SERVICE_ACCOUNT, &err);
        assert_non_null(client);
        str name, uid;
        assert_true(kube_client_pod(client, &name, &uid));
        assert_true(str_eqz(name, "pod-1"));
        assert_true(str_eqz(uid, "uid-1"));
        assert_true(str_eqz(kube_client_namespace(client), "obs"));
        call(f, client);
        assert_int_equal(f->o.status, 200);
        assert_contains(f->script.seen, "Bearer e30.ey");
        fixture_free(f, client);
    }
}

static void test_none(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct err err;
    world_put(&f->w, "token", "SECRET");
    struct kube_client *client =
        in_cluster(f, KUBE_AUTH_NONE, &err); /* the server's CA is unknown */
    call(f, client);
    assert_int_equal(f->o.status, 200);
    assert_string_equal(f->script.seen, "-\n");
    str name, uid;
    assert_false(kube_client_pod(client, &name, &uid));
    fixture_free(f, client);
}

/* -- TLS -- */

static void test_certificate_of_another_ca(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct kube_client *client = client_of(f, "    token: t");
    kube_client_free(client);
    world_put(&f->w, "ca.crt", other_ca.cert_pem);
    client = client_of(f, "    token: t");
    call(f, client);
    assert_int_equal(f->o.outcome, HTTP_CONNECT_FAILED);
    assert_string_equal(f->script.seen, "");
    /* The file changes: looked at after the failure, used for the next request. */
    world_put(&f->w, "ca.crt", "no PEM");
    call(f, client);
    call(f, client);
    assert_int_equal(f->o.outcome, HTTP_CONNECT_FAILED);
    assert_int_equal(world_logged(&f->w, "Certificate files have changed and cannot be used"), 1);
    world_put(&f->w, "ca.crt", ca.cert_pem);
    call(f, client);
    call(f, client);
    assert_int_equal(f->o.status, 200);
    fixture_free(f, client);
}

static void test_tls_options(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    snprintf(f->cluster, sizeof f->cluster,
             "    server: https://127.0.0.1:%u\n    insecure-skip-tls-verify: true",
             f->server.port);
    struct kube_client *client = client_of(f, "    token: t");
    call(f, client);
    assert_int_equal(f->o.status, 200);
    kube_client_free(client);
    for (int i = 0; i < 2; i++) {
        snprintf(f->cluster, sizeof f->cluster,
                 "    server: https://127.0.0.1:%u\n    certificate-authority: ca.crt\n"
                 "    tls-server-name: %s",
                 f->server.port, i == 0 ? "kube.test" : "other.test");
        client = client_of(f, "    token: t");
        call(f, client);
        assert_int_equal(f->o.status, i == 0 ? 200 : 0);
        assert_int_equal(f->o.outcome, i == 0 ? HTTP_DONE : HTTP_CONNECT_FAILED);
        if (i == 0)
            kube_client_free(client);
    }
    fixture_free(f, client);
}

static void test_client_certificate(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct err err;
    world_put(&f->w, "c.pem", client_cert.cert_pem);
    world_put(&f->w, "k.pem", client_cert.key_pem);
    struct kube_client *client =
        client_of(f, "    client-certificate: c.pem\n    client-key: k.pem");
    call(f, client);
    assert_string_equal(f->script.seen, "- client-1\n");
    /* Rotated: noticed on a 401, and sent again over a new connection. */
    world_put(&f->w, "c.pem", client_cert_2.cert_pem);
    snprintf(f->script.token, sizeof f->script.token, "x");
    call(f, client); /* the key is still the old one: not used */
    assert_int_equal(f->o.status, 401);
    assert_int_equal(world_logged(&f->w, "Certificate files have changed and cannot be used"), 1);
    assert_string_equal(f->script.seen, "- client-1\n- client-1\n");
    world_put(&f->w, "k.pem", client_cert_2.key_pem);
    call(f, client);
    assert_string_equal(f->script.seen, "- client-1\n- client-1\n- client-1\n- client-2\n");
    kube_client_free(client);
    /* At start a pair that does not fit is an error. */
    world_put(&f->w, "k.pem", client_cert.key_pem);
    assert_null(world_client(&f->w, f->cluster,
                             "    client-certificate: c.pem\n    client-key: k.pem", &err));
    assert_contains(err.text, "does not belong to the certificate");
    assert_contains(err.text, "c.pem");
    assert_null(world_client(&f->w, f->cluster,
                             "    client-certificate: absent.pem\n    client-key: k.pem", &err));
    assert_contains(err.text, "absent.pem");
    world_put(&f->w, "ca.crt", "nothing");
    assert_null(world_client(&f->w, f->cluster, "    token: t", &err));
    assert_contains(err.text, "ca.crt");
    assert_contains(err.text, "no certificate in it");
    server_stop(&f->server);
    world_deinit(&f->w);
    mem_free(f);
}

/* -- proxies -- */

static void proxy_handle(struct test_conn *c, const struct test_request *r, void *arg)
{
    char line[256];
    snprintf(line, sizeof line, "%.*s", (int)strcspn(r->text, "\r"), r->text);
    script_note(arg, line);
    conn_answer(c, 502, "", "");
    c->ended = true;
}

static void test_proxies(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct test_server proxy;
    struct script seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
    server_start(&proxy, false, NULL, proxy_handle, &seen);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%u", proxy.port);
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY",
                                        "all_proxy"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        setenv(names[i], url, 1);
    struct kube_client *client = client_of(f, "    token: t");
    call(f, client);
    assert_int_equal(f->o.status, 200);
    assert_int_equal(atomic_load(&proxy.request_count), 0);
    kube_client_free(client);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unsetenv(names[i]);
    size_t len = strlen(f->cluster);
    snprintf(f->cluster + len, sizeof f->cluster - len, "\n    proxy-url: %s", url);
    client = client_of(f, "    token: SECRET");
    call(f, client);
    assert_int_equal(f->o.outcome, HTTP_CONNECT_FAILED);
    char want[128];
    snprintf(want, sizeof want, "CONNECT 127.0.0.1:%u HTTP/1.1\n", f->server.port);
    assert_string_equal(seen.seen, want);
    kube_client_free(client);
    server_stop(&proxy);
    fixture_free(f, NULL);
}

/* -- the key for sharing -- */

static void test_keys(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    static const char *const users[] = {
        "    token: SECRET",
        "    token: SECRET2",
        "    username: SECRET\n    password: a",
        "    username: SECRET\n    password: b",
        "    token: SECRET\n    as: jane",
        "    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: a}",
        "    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: a, args: [b]}",
        "    exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: a, env: [{name: b, value: c}]}",
        "    {}",
    };
    char keys[COUNT_OF(users)][256];
    for (size_t i = 0; i < COUNT_OF(users); i++) {
        struct kube_client *one = client_of(f, users[i]), *two = client_of(f, users[i]);
        assert_true(str_eq(kube_client_key(one), kube_client_key(two)));
        str_put(keys[i], sizeof keys[i], kube_client_key(one));
        assert_null(strstr(keys[i], "SECRET"));
        assert_contains(keys[i], "https://127.0.0.1:");
        for (size_t j = 0; j < i; j++)
            assert_string_not_equal(keys[i], keys[j]);
        kube_client_free(one);
        kube_client_free(two);
    }
    fixture_free(f, NULL);
}

/* -- ends -- */

static void never(void *arg, const struct kube_result *r)
{
    (void)arg;
    fail_msg("called back: %s", r->err.text);
}

static void test_cancel(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct kube_client *client = client_of(f, "    token: t");
    struct kube_request request = {.method = "GET", .path = STR("/"), .on_done = never};
    kube_cancel(kube_send(client, &request)); /* at once */
    for (int i = 0; i < 20; i++) {            /* somewhere on the way */
        struct kube_call *running = kube_send(client, &request);
        if (i > 0)
            world_run_for_ms(&f->w, 0);
        kube_cancel(running);
    }
    call(f, client);
    assert_int_equal(f->o.status, 200);
    kube_send(client, &request);
    fixture_free(f, client); /* cancels */
}

struct stream_test {
    struct fixture *f;
    struct kube_client *client;
    struct kube_call *call;
    int opened, data;
    bool cancel_in_open, cancel_in_data, free_in_data, stop_in_data;
};

static void stream_open(void *arg, const struct http_response *r)
{
    struct stream_test *t = arg;
    assert_int_equal(http_response_status(r), 200);
    t->opened++;
    if (t->cancel_in_open) {
        kube_cancel(t->call);
        loop_stop(t->f->w.loop);
    }
}

static bool stream_data(void *arg, str data)
{
    struct stream_test *t = arg;
    assert_true(data.len > 0);
    t->data++;
    if (t->cancel_in_data)
        kube_cancel(t->call);
    if (t->free_in_data)
        kube_client_free(t->client);
    if (t->cancel_in_data || t->free_in_data)
        loop_stop(t->f->w.loop);
    return !t->stop_in_data;
}

static void stream_done(void *arg, const struct kube_result *r)
{
    struct stream_test *t = arg;
    assert_true(t->stop_in_data);
    assert_int_equal(r->outcome, HTTP_ABORTED);
    assert_int_equal(r->status, 200);
    assert_true(r->err.text[0] != '\0');
    kube_client_free(t->client);
    loop_stop(t->f->w.loop);
}

static void stream_handle(struct test_conn *c, const struct test_request *r, void *arg)
{
    (void)r;
    (void)arg;
    conn_printf(c, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n");
    conn_wait_for_close(c);
}

static void test_streams_end_anywhere(void **state)
{
    (void)state;
    for (int way = 0; way < 4; way++) {
        struct fixture *f = fixture_new(stream_handle);
        struct stream_test t = {.f = f,
                                .client = client_of(f, "    token: t"),
                                .cancel_in_open = way == 0,
                                .cancel_in_data = way == 1,
                                .free_in_data = way == 2,
                                .stop_in_data = way == 3};
        t.call = kube_send(t.client, &(struct kube_request){.method = "GET",
                                                            .path = STR("/"),
                                                            .lane = KUBE_LANE_WATCH,
                                                            .stream = true,
                                                            .on_open = stream_open,
                                                            .on_data = stream_data,
                                                            .on_done = stream_done,
                                                            .arg = &t});
        world_run(&f->w);
        assert_int_equal(t.opened, 1);
        assert_int_equal(t.data, way == 0 ? 0 : 1);
        if (way < 2)
            kube_client_free(t.client);
        fixture_free(f, NULL);
    }
}

static void test_refused_streams_do_not_open(void **state)
{
    (void)state;
    struct fixture *f = fixture_new(NULL);
    struct kube_client *client = client_of(f, "    token: t");
    f->script.status = 403;
    f->script.body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"no\"}";
    struct stream_test t = {.f = f};
    f->o.world = &f->w;
    f->w.waiting_for = 1;
    kube_send(client, &(struct kube_request){.method = "GET",
                                             .path = STR("/"),
                                             .stream = true,
                                             .on_open = stream_open,
                                             .on_data = stream_data,
                                             .on_done = outcome_done,
                                             .arg = &f->o});
    world_run(&f->w);
    assert_int_equal(f->o.status, 403);
    assert_string_equal(f->o.reason, "Forbidden");
    assert_int_equal(t.opened + t.data, 0);
    fixture_free(f, client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_sent),
        cmocka_unit_test(test_lanes_have_connections_of_their_own),
        cmocka_unit_test(test_ipv6),
        cmocka_unit_test(test_http_without_credentials),
        cmocka_unit_test(test_basic),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_a_page_of_a_proxy_is_no_answer),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_401_with_a_static_token),
        cmocka_unit_test(test_401_reads_the_token_again),
        cmocka_unit_test(test_401_for_ever),
        cmocka_unit_test(test_a_rotated_token_is_seen_at_once),
        cmocka_unit_test(test_token_file_at_start),
        cmocka_unit_test(test_service_account),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_certificate_of_another_ca),
        cmocka_unit_test(test_tls_options),
        cmocka_unit_test(test_client_certificate),
        cmocka_unit_test(test_proxies),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_streams_end_anywhere),
        cmocka_unit_test(test_refused_streams_do_not_open),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
