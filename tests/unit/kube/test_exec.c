/* Exec credential plugins: what they are told, what they may answer, when they run. The plugin is a shell script. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <time.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "kube/credentials.h"
#include "kube/exec_credential.h"
#include "kube/pem.h"
#include "test_world.h"
#include "wire/text.h"

#define V1 "client.authentication.k8s.io/v1"

static struct test_cert ca, serving, client_cert, client_cert_2;
static SSL_CTX *tls;

static int setup(void **state)
{
    (void)state;
    cert_make(&ca, "test ca", NULL, NULL);
    cert_make(&serving, "server", &ca, "IP:127.0.0.1");
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
    cert_free(&client_cert);
    cert_free(&client_cert_2);
    SSL_CTX_free(tls);
    return 0;
}

static void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", text, part);
}

/* -- the output -- */

static bool parse(const char *output, struct exec_credential *c, struct arena *a, struct err *err)
{
    char *exact = mem_alloc(strlen(output));
    memcpy(exact, output, strlen(output));
    bool ok = exec_output_parse(c, a, STR(V1), str_make(exact, strlen(output)), err);
    mem_free(exact);
    return ok;
}

static void test_good_outputs(void **state)
{
    (void)state;
    struct exec_credential c;
    struct arena a;
    struct err err;
    arena_init(&a, 1024);
    assert_true(
        parse("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
              "\",\"status\":{\"expirationTimestamp\":"
              "\"2026-01-02T03:04:05Z\",\"token\":\" t0\\u0041\\n\",\"other\":{}},\"spec\":{}}\n",
              &c, &a, &err));
    assert_true(str_eqz(c.token, "t0A"));
    assert_int_equal(c.expires_ns, INT64_C(1767323045000000000));
    assert_true(parse("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
                      "\",\"status\":{\"expirationTimestamp\":null,"
                      "\"token\":\"t\",\"clientKeyData\":\"\"}}",
                      &c, &a, &err));
    assert_int_equal(c.expires_ns, 0);
    assert_true(parse("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
                      "\",\"status\":{\"expirationTimestamp\":"
                      "\"1960-01-01T00:00:00Z\",\"token\":\"t\"}}",
                      &c, &a, &err));
    assert_int_equal(c.expires_ns, 1);
    arena_deinit(&a);
}

/* Plugins say "never" with the last second that RFC 3339 has a form for. */
static void test_credentials_that_outlive_us(void **state)
{
    (void)state;
    struct exec_credential c;
    struct arena a;
    struct err err;
    arena_init(&a, 1024);
    assert_true(parse("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
                      "\",\"status\":{\"expirationTimestamp\":"
                      "\"9999-12-31T23:59:59Z\",\"token\":\"t\"}}",
                      &c, &a, &err));
    assert_int_equal(c.expires_ns, INT64_MAX);
    assert_true(parse("{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
                      "\",\"status\":{\"expirationTimestamp\":"
                      "\"1600-01-01T00:00:00Z\",\"token\":\"t\"}}",
                      &c, &a, &err));
    assert_int_equal(c.expires_ns, 1);
    arena_deinit(&a);
}

static void test_bad_outputs(void **state)
{
    (void)state;
#define HEAD "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\","
    static const struct {
        const char *output, *reason;
    } cases[] = {
        {"", "not a JSON object"},
        {"SECRET", "not a JSON object"},
        {"[\"SECRET\"]", "not a JSON object"},
        {HEAD "\"status\":{\"token\":\"SECRET\"}", "not JSON: line 1"},
        {HEAD "\"status\":{\"token\":\"SECRET\"}} SECRET", "not JSON: line 1"},
        {"{\"apiVersion\":\"" V1 "\",\"status\":{\"token\":\"SECRET\"}}",
         "not of kind ExecCredential"},
        {"{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1
         "beta1\",\"status\":{\"token\":\"SECRET\"}}",
         "another apiVersion"},
        {HEAD "\"spec\":{}}", "has no status"},
        {HEAD "\"status\":null}", "has no status"},
        {HEAD "\"status\":{}}", "neither status.token nor a client certificate"},
        {HEAD "\"status\":{\"token\":\"  \"}}", "neither status.token nor a client certificate"},
        {HEAD "\"status\":{\"token\":5}}", "status.token in its output: expected a string"},
        {HEAD "\"status\":{\"token\":\"SEC\\nRET\"}}", "control characters"},
        {HEAD "\"status\":{\"token\":\"SECRET\",\"expirationTimestamp\":\"tomorrow\"}}",
         "no RFC 3339 time"},
        {HEAD "\"status\":{\"clientCertificateData\":\"SECRET\"}}", "only one of"},
        {HEAD "\"status\":{\"clientKeyData\":\"SECRET\"}}", "only one of"},
        {HEAD "\"status\":{\"clientCertificateData\":\"SECRET\",\"clientKeyData\":\"SECRET\"}}",
         "no certificate in it"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct exec_credential c;
        struct arena a;
        struct err err = {0};
        arena_init(&a, 1024);
        assert_false(parse(cases[i].output, &c, &a, &err));
        assert_contains(err.text, cases[i].reason);
        assert_null(strstr(err.text, "SEC"));
        arena_deinit(&a);
    }
}

static void test_pem(void **state)
{
    (void)state;
    struct err err;
    struct test_cert other;
    cert_make(&other, "x", NULL, NULL);
    char *chain = mem_alloc(16384);
    snprintf(chain, 16384, "text before\n%s\n%s", client_cert.cert_pem, ca.cert_pem);
    assert_true(pem_check_certificates(str_from(chain), &err));
    assert_true(pem_check_pair(str_from(chain), str_from(client_cert.key_pem),
                               &err)); /* intermediates may follow */
    assert_false(pem_check_pair(str_from(chain), str_from(other.key_pem), &err));
    assert_contains(err.text, "does not belong");
    assert_false(pem_check_pair(str_from(chain), str_from(chain), &err));
    assert_contains(err.text, "private key cannot be read");
    assert_false(pem_check_pair(str_from(chain), STR_NONE, &err));
    assert_false(pem_check_certificates(STR_NONE, &err));
    assert_false(pem_check_certificates(str_from(client_cert.key_pem), &err));
    assert_contains(err.text, "no certificate in it");
    snprintf(chain, 16384, "%s-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
             ca.cert_pem);
    assert_false(pem_check_certificates(str_from(chain), &err));
    assert_contains(err.text, "certificate 2 in it cannot be read");
    BIO *bio = BIO_new(BIO_s_mem());
    assert_int_equal(PEM_write_bio_PKCS8PrivateKey(bio, client_cert.key, EVP_aes_128_cbc(), "pass",
                                                   4, NULL, NULL),
                     1);
    char *locked = bio_text(bio);
    assert_false(pem_check_pair(str_from(client_cert.cert_pem), str_from(locked), &err));
    assert_contains(err.text, "needs a pass phrase");
    mem_free(locked);
    mem_free(chain);
    cert_free(&other);
}

/* -- running -- */

struct fixture {
    struct world w;
    struct test_server server;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char seen[8192];
    char token[64];                     /* accepted; empty: all */
    int request_count, release_late_at; /* GET /late is answered when so many requests have come */
    char user[1024];
    char cluster[512];
    struct outcome o[3];
};

static void handle(struct test_conn *c, const struct test_request *r, void *arg)
{
    struct fixture *f = arg;
    const char *auth = request_header(r, "authorization");
    pthread_mutex_lock(&f->lock);
    size_t len = strlen(f->seen);
    snprintf(f->seen + len, sizeof f->seen - len, "%s%s%s\n", auth == NULL ? "-" : auth,
             r->client_name[0] == '\0' ? "" : " ", r->client_name);
    f->request_count++;
    pthread_cond_broadcast(&f->changed);
    while (request_is(r, "GET /late") && f->request_count < f->release_late_at)
        pthread_cond_wait(&f->changed, &f->lock);
    bool ok = f->token[0] == '\0' || (auth != NULL && strstr(auth, f->token) != NULL);
    pthread_mutex_unlock(&f->lock);
    conn_answer(c, ok ? 200 : 401, "", "{}");
}

/* A plugin that notes its run and what it was told, then does `work`. */
static void plugin_write(struct fixture *f, const char *work)
{
    char text[2048];
    snprintf(
        text, sizeof text,
        "#!/bin/sh\necho run >> \"$0.runs\"\nprintf '%%s' \"$KUBERNETES_EXEC_INFO\" > \"$0.info\"\n"
        "printf '%%s,' \"$EXTRA\" \"$@\" > \"$0.args\"\n%s\n",
        work);
    const char *path = world_put(&f->w, "plugin", text);
    assert_int_equal(chmod(path, 0700), 0);
}

static void plugin_answers(struct fixture *f, const char *status)
{
    char text[16384];
    snprintf(text, sizeof text,
             "{\"kind\":\"ExecCredential\",\"apiVersion\":\"" V1 "\",\"status\":{%s}}", status);
    world_put(&f->w, "plugin.out", text);
}

static char *file_text(struct fixture *f, const char *name)
{
    static char text[65536];
    text[0] = '\0';
    FILE *in = fopen(world_path(&f->w, name), "r");
    if (in != NULL) {
        text[fread(text, 1, sizeof text - 1, in)] = '\0';
        fclose(in);
    }
    return text;
}

static size_t plugin_runs(struct fixture *f)
{
    return strlen(file_text(f, "plugin.runs")) / 4;
}

static struct fixture *fixture_new(void)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    world_init(&f->w);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    server_start(&f->server, false, tls, handle, f);
    world_put(&f->w, "ca.crt", ca.cert_pem);
    plugin_write(f, "cat \"$0.out\"");
    plugin_answers(f, "\"token\":\"t1\"");
    snprintf(
        f->cluster, sizeof f->cluster,
        "    server: https://127.0.0.1:%u\n    certificate-authority: ca.crt\n    tls-server-name: "
        "127.0.0.1\n"
        "    extensions: [{name: client.authentication.k8s.io/exec, extension: {audience: me}}]",
        f->server.port);
    snprintf(
        f->user, sizeof f->user,
        "    exec: {apiVersion: " V1
        ", command: ./plugin, args: [a, 'b c'], env: [{name: EXTRA, value: x}], "
        "interactiveMode: Never, provideClusterInfo: true, installHint: 'get it from the shop'}");
    return f;
}

static struct kube_client *client_new(struct fixture *f)
{
    struct err err;
    struct kube_client *client = world_client(&f->w, f->cluster, f->user, &err);
    if (client == NULL)
        fail_msg("%s", err.text);
    return client;
}

static void fixture_free(struct fixture *f, struct kube_client *client)
{
    kube_client_free(client);
    server_stop(&f->server);
    world_deinit(&f->w);
    mem_free(f);
}

static void call(struct fixture *f, struct kube_client *client)
{
    world_call(&f->w, client, (struct kube_request){0}, &f->o[0]);
}

static const char *text_at(struct json_object *o, const char *a, const char *b, const char *c)
{
    const char *const path[] = {a, b, c};
    for (size_t i = 0; i < COUNT_OF(path) && path[i] != NULL; i++)
        if (!json_object_object_get_ex(o, path[i], &o))
            return NULL;
    return json_object_get_string(o);
}

static void test_what_the_plugin_is_told(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct kube_client *client = client_new(f);
    assert_int_equal(plugin_runs(f), 0); /* not before the first request */
    call(f, client);
    assert_int_equal(f->o[0].status, 200);
    assert_string_equal(f->seen, "Bearer t1\n");
    assert_string_equal(file_text(f, "plugin.args"), "x,a,b c,");
    struct json_object *info = json_tokener_parse(file_text(f, "plugin.info"));
    assert_string_equal(text_at(info, "kind", NULL, NULL), "ExecCredential");
    assert_string_equal(text_at(info, "apiVersion", NULL, NULL), V1);
    assert_string_equal(text_at(info, "spec", "interactive", NULL), "false");
    char server[64];
    snprintf(server, sizeof server, "https://127.0.0.1:%u", f->server.port);
    assert_string_equal(text_at(info, "spec", "cluster", "server"), server);
    assert_string_equal(text_at(info, "spec", "cluster", "tls-server-name"), "127.0.0.1");
    assert_null(text_at(info, "spec", "cluster", "insecure-skip-tls-verify"));
    struct buf pem;
    buf_init(&pem, 65536);
    assert_true(base64_decode(
        str_from(text_at(info, "spec", "cluster", "certificate-authority-data")), &pem));
    assert_string_equal(buf_cstr(&pem), ca.cert_pem);
    buf_deinit(&pem);
    struct json_object *config = NULL, *spec = NULL, *cluster = NULL;
    json_object_object_get_ex(info, "spec", &spec);
    json_object_object_get_ex(spec, "cluster", &cluster);
    json_object_object_get_ex(cluster, "config", &config);
    assert_string_equal(text_at(config, "audience", NULL, NULL), "me");
    json_object_put(info);
    call(f, client);
    assert_int_equal(plugin_runs(f), 1); /* kept: it does not expire */
    fixture_free(f, client);
}

static void test_one_run_for_all(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct kube_client *client = client_new(f);
    for (int i = 0; i < 3; i++)
        world_send(&f->w, client, (struct kube_request){.lane = (enum kube_lane)i}, &f->o[i]);
    world_run(&f->w);
    for (int i = 0; i < 3; i++)
        assert_int_equal(f->o[i].status, 200);
    assert_int_equal(plugin_runs(f), 1);
    /* A 401 to all three: again one run. */
    snprintf(f->token, sizeof f->token, "t2");
    plugin_answers(f, "\"token\":\"t2\"");
    for (int i = 0; i < 3; i++)
        world_send(&f->w, client, (struct kube_request){.lane = (enum kube_lane)i}, &f->o[i]);
    world_run(&f->w);
    for (int i = 0; i < 3; i++)
        assert_int_equal(f->o[i].status, 200);
    assert_int_equal(plugin_runs(f), 2);
    /* A token that is never accepted: one more run, then the 401 is handed on. */
    snprintf(f->token, sizeof f->token, "t3");
    call(f, client);
    assert_int_equal(f->o[0].status, 401);
    assert_false(f->o[0].credentials_failed);
    assert_int_equal(plugin_runs(f), 3);
    fixture_free(f, client);
}

static void test_client_certificate_from_the_plugin(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    const struct test_cert *certs[] = {&client_cert, &client_cert_2};
    struct kube_client *client = client_new(f);
    for (int i = 0; i < 2; i++) {
        struct buf status;
        buf_init(&status, 65536);
        buf_text(&status, "\"clientCertificateData\":");
        buf_json_string(&status, str_from(certs[i]->cert_pem));
        buf_text(&status, ",\"clientKeyData\":");
        buf_json_string(&status, str_from(certs[i]->key_pem));
        if (i == 1)
            buf_text(&status, ",\"token\":\"t9\"");
        plugin_answers(f, buf_cstr(&status));
        buf_deinit(&status);
        call(f, client);
        snprintf(f->token, sizeof f->token, "t9"); /* from now on the first one is refused */
    }
    assert_int_equal(f->o[0].status, 200);
    assert_string_equal(f->seen, "- client-1\n- client-1\nBearer t9 client-2\n");
    fixture_free(f, client);
}

static void test_failures(void **state)
{
    (void)state;
    static const struct {
        const char *work, *reason;
    } cases[] = {
        {"echo SECRET; exit 7", "plugin: exit code 7"},
        {"kill -9 $$", "plugin: ended by signal 9"},
        {"echo SECRET", "plugin: its output is not a JSON object"},
        {"exec dd if=/dev/zero bs=1024 count=2048 2>/dev/null", "plugin"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct fixture *f = fixture_new();
        plugin_write(f, cases[i].work);
        struct kube_client *client = client_new(f);
        call(f, client);
        assert_int_equal(f->o[0].outcome, HTTP_CONNECT_FAILED);
        assert_true(f->o[0].credentials_failed);
        assert_int_equal(f->o[0].status, 0);
        assert_contains(f->o[0].err, "GET https://127.0.0.1:");
        assert_contains(f->o[0].err, "exec plugin ");
        assert_contains(f->o[0].err, cases[i].reason);
        assert_null(strstr(f->o[0].err, "SECRET"));
        assert_int_equal(atomic_load(&f->server.request_count), 0);
        /* Asked again at once: the same answer without another run. Later it is tried again. */
        call(f, client);
        assert_true(f->o[0].credentials_failed);
        assert_int_equal(plugin_runs(f), 1);
        plugin_write(f, "cat \"$0.out\"");
        while (!(f->o[0].status == 200)) {
            world_run_for_ms(&f->w, 50);
            call(f, client);
        }
        assert_int_equal(plugin_runs(f), 2);
        fixture_free(f, client);
    }
}

static void test_command_not_found(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    unlink(world_path(&f->w, "plugin"));
    struct kube_client *client = client_new(f);
    call(f, client);
    assert_true(f->o[0].credentials_failed);
    assert_contains(f->o[0].err, "/plugin");
    assert_contains(f->o[0].err, "get it from the shop");
    fixture_free(f, client);
}

static void test_expiry(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    char status[256], when[64];
    struct kube_client *client = client_new(f);
    /* Already over: used for the request that waited, fetched anew for the next. */
    plugin_answers(f, "\"token\":\"t1\",\"expirationTimestamp\":\"2020-01-01T00:00:00Z\"");
    call(f, client);
    call(f, client);
    assert_int_equal(plugin_runs(f), 2);
    assert_string_equal(f->seen, "Bearer t1\nBearer t1\n");
    /* Good for a day: kept. */
    time_t t = time(NULL) + 86400;
    struct tm tm;
    strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &tm));
    snprintf(status, sizeof status, "\"token\":\"t2\",\"expirationTimestamp\":\"%s\"", when);
    plugin_answers(f, status);
    for (int i = 0; i < 3; i++)
        call(f, client);
    assert_int_equal(plugin_runs(f), 3);
    fixture_free(f, client);
}

/* Whether or not the plugin has a new token for us. */
static void test_a_late_401_does_not_run_it_again(void **state)
{
    (void)state;
    for (int is_same = 0; is_same < 2; is_same++) {
        struct fixture *f = fixture_new();
        struct kube_client *client = client_new(f);
        call(f, client);
        f->release_late_at = 4; /* this one, the late one, the other one and its second attempt */
        snprintf(f->token, sizeof f->token, "t2");
        if (is_same == 0)
            plugin_answers(f, "\"token\":\"t2\"");
        world_send(&f->w, client,
                   (struct kube_request){.path = STR("/late"), .lane = KUBE_LANE_LIST}, &f->o[0]);
        while (strcmp(f->seen, "Bearer t1\nBearer t1\n") != 0)
            world_run_for_ms(&f->w, 1);
        world_send(&f->w, client, (struct kube_request){.lane = KUBE_LANE_LEASE}, &f->o[1]);
        world_run(&f->w);
        assert_int_equal(f->o[0].status, is_same ? 401 : 200);
        assert_int_equal(f->o[1].status, is_same ? 401 : 200);
        assert_int_equal(f->request_count, 5);
        assert_int_equal(plugin_runs(f), 2);
        fixture_free(f, client);
    }
}

static void plugin_answers_for_3_s(struct fixture *f, int64_t *expires_ns)
{
    struct buf status;
    buf_init(&status, 1024);
    *expires_ns = loop_wall_ns(f->w.loop) + INT64_C(3000000000);
    buf_text(&status, "\"token\":\"t1\",\"expirationTimestamp\":\"");
    rfc3339_print(&status, *expires_ns, 9);
    buf_text(&status, "\"");
    plugin_answers(f, buf_cstr(&status));
    buf_deinit(&status);
}

static void test_failed_early_renewal(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct kube_client *client = client_new(f);
    int64_t expires_ns;
    plugin_answers_for_3_s(f, &expires_ns);
    call(f, client);
    plugin_write(f, "exit 1");
    /* Half of the time the old one is good, and the new one cannot be had: tried once, said once, nobody suffers. */
    while (loop_wall_ns(f->w.loop) < expires_ns - INT64_C(200000000)) {
        f->seen[0] = '\0';
        call(f, client);
        assert_int_equal(f->o[0].status, 200);
        world_run_for_ms(&f->w, 10);
    }
    assert_int_equal(plugin_runs(f), 2);
    assert_int_equal(world_logged(&f->w, "Credential could not be renewed before its end"), 1);
    fixture_free(f, client);
}

static void test_renewed_early_without_waiting(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct kube_client *client = client_new(f);
    char fifo[128];
    snprintf(fifo, sizeof fifo, "%s", world_path(&f->w, "fifo"));
    assert_int_equal(mkfifo(fifo, 0600), 0);
    int64_t expires_ns;
    plugin_answers_for_3_s(f, &expires_ns);
    call(f, client);
    /* The next run waits until it is told to go on. */
    plugin_answers(f, "\"token\":\"t2\"");
    plugin_write(f, "read go < \"${0%/*}/fifo\"; cat \"$0.out\"");
    while (plugin_runs(f) < 2) {
        f->seen[0] = '\0';
        call(f, client);
        world_run_for_ms(&f->w, 10);
    }
    assert_true(loop_wall_ns(f->w.loop) < expires_ns);
    f->seen[0] = '\0';
    call(f, client);
    assert_string_equal(f->seen, "Bearer t1\n");
    FILE *go = fopen(fifo, "w");
    assert_non_null(go);
    fputs("go\n", go);
    fclose(go);
    while (strstr(f->seen, "t2") == NULL) {
        f->seen[0] = '\0';
        call(f, client);
    }
    assert_int_equal(f->o[0].status, 200);
    assert_int_equal(plugin_runs(f), 2);
    fixture_free(f, client);
}

static void never(void *arg, const struct kube_result *r)
{
    (void)arg;
    fail_msg("called back: %s", r->err.text);
}

static void test_a_plugin_that_hangs(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    plugin_write(f, "exec sleep 600");
    struct kube_client *client = client_new(f);
    struct kube_request request = {.method = "GET", .path = STR("/"), .on_done = never};
    struct kube_call *cancelled = kube_send(client, &request);
    world_call(&f->w, client, (struct kube_request){.timeout_ms = 100}, &f->o[0]);
    assert_int_equal(f->o[0].outcome, HTTP_TIMEOUT);
    assert_true(f->o[0].credentials_failed);
    assert_contains(f->o[0].err, "no answer from the exec plugin");
    kube_cancel(cancelled);
    kube_send(client, &request);
    fixture_free(f, client); /* ends the process too */
}

/* -- files over time, without a server -- */

static void test_periods(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct err err;
    world_put(&f->w, "token", "one");
    world_put(&f->w, "c.pem", client_cert.cert_pem);
    world_put(&f->w, "k.pem", client_cert.key_pem);
    struct kube_access *access = mem_zalloc(sizeof *access);
    arena_init(&access->arena, 1024);
    access->auth = KUBE_AUTH_KUBECONFIG;
    access->token_path = arena_str(&access->arena, str_from(world_path(&f->w, "token")));
    access->ca.path = arena_str(&access->arena, str_from(world_path(&f->w, "ca.crt")));
    access->cert.path = arena_str(&access->arena, str_from(world_path(&f->w, "c.pem")));
    access->key.path = arena_str(&access->arena, str_from(world_path(&f->w, "k.pem")));
    struct credential_periods long_periods = credential_periods_default, no_periods = {0};
    assert_int_equal(long_periods.token_ns, INT64_C(50000000000));
    assert_int_equal(long_periods.tls_ns, INT64_C(300000000000));
    struct credential_waiter waiter = {0};
    struct credentials *slow =
        credentials_new(f->w.loop, &f->w.logger, access, &long_periods, &err);
    struct credentials *fast = credentials_new(f->w.loop, &f->w.logger, access, &no_periods, &err);
    assert_non_null(slow);
    assert_non_null(fast);
    uint64_t slow_tls = credentials_tls_generation(slow),
             fast_tls = credentials_tls_generation(fast);
    world_put(&f->w, "c.pem", client_cert_2.cert_pem);
    world_put(&f->w, "k.pem", client_cert_2.key_pem);
    assert_int_equal(credentials_get(slow, &waiter, &err), CREDENTIAL_READY);
    assert_int_equal(credentials_get(fast, &waiter, &err), CREDENTIAL_READY);
    assert_int_equal(credentials_tls_generation(slow), slow_tls); /* not for five minutes */
    assert_true(credentials_tls_generation(fast) > fast_tls);
    struct http_tls now;
    credentials_tls(fast, &now);
    assert_true(str_eqz(now.cert_pem, client_cert_2.cert_pem));
    assert_true(str_eqz(now.key_pem, client_cert_2.key_pem));
    assert_true(str_eqz(now.ca_pem, ca.cert_pem));
    credentials_check_tls(slow); /* but after a failure */
    assert_true(credentials_tls_generation(slow) > slow_tls);
    uint64_t generation = credentials_generation(fast);
    assert_false(credentials_renew(fast, generation));
    assert_true(credentials_renew(fast, generation - 1));
    world_put(&f->w, "token", "two");
    assert_true(credentials_renew(fast, generation));
    assert_true(str_eqz(credentials_authorization(fast), "Authorization: Bearer two"));
    credentials_free(slow);
    credentials_free(fast);
    kube_access_free(access);
    fixture_free(f, NULL);
}

/* A CA file that stays unreadable must not let the client certificate run out. */
static void test_a_broken_ca_file_does_not_hold_up_the_client_certificate(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct err err;
    world_put(&f->w, "ca.pem", ca.cert_pem);
    world_put(&f->w, "c.pem", client_cert.cert_pem);
    world_put(&f->w, "k.pem", client_cert.key_pem);
    struct kube_access *access = mem_zalloc(sizeof *access);
    arena_init(&access->arena, 1024);
    access->auth = KUBE_AUTH_KUBECONFIG;
    access->ca.path = arena_str(&access->arena, str_from(world_path(&f->w, "ca.pem")));
    access->cert.path = arena_str(&access->arena, str_from(world_path(&f->w, "c.pem")));
    access->key.path = arena_str(&access->arena, str_from(world_path(&f->w, "k.pem")));
    struct credential_periods no_periods = {0};
    struct credential_waiter waiter = {0};
    struct credentials *c = credentials_new(f->w.loop, &f->w.logger, access, &no_periods, &err);
    assert_non_null(c);
    world_put(&f->w, "ca.pem", "no PEM");
    world_put(&f->w, "c.pem", client_cert_2.cert_pem);
    world_put(&f->w, "k.pem", client_cert_2.key_pem);
    assert_int_equal(credentials_get(c, &waiter, &err), CREDENTIAL_READY);
    struct http_tls now;
    credentials_tls(c, &now);
    assert_true(str_eqz(now.ca_pem, ca.cert_pem));
    assert_true(str_eqz(now.cert_pem, client_cert_2.cert_pem));
    assert_true(str_eqz(now.key_pem, client_cert_2.key_pem));
    assert_int_equal(world_logged(&f->w, "Certificate files have changed and cannot be used"), 1);
    assert_int_equal(world_logged(&f->w, "ca.pem"), 1);
    credentials_free(c);
    kube_access_free(access);
    fixture_free(f, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_outputs),
        cmocka_unit_test(test_credentials_that_outlive_us),
        cmocka_unit_test(test_bad_outputs),
        cmocka_unit_test(test_pem),
        cmocka_unit_test(test_what_the_plugin_is_told),
        cmocka_unit_test(test_one_run_for_all),
        cmocka_unit_test(test_client_certificate_from_the_plugin),
        cmocka_unit_test(test_failures),
        cmocka_unit_test(test_command_not_found),
        cmocka_unit_test(test_expiry),
        cmocka_unit_test(test_a_late_401_does_not_run_it_again),
        cmocka_unit_test(test_failed_early_renewal),
        cmocka_unit_test(test_renewed_early_without_waiting),
        cmocka_unit_test(test_a_plugin_that_hangs),
        cmocka_unit_test(test_periods),
        cmocka_unit_test(test_a_broken_ca_file_does_not_hold_up_the_client_certificate),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
