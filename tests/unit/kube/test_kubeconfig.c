/* kubeconfig: fields, merge, paths, choice of context, what is refused and where the error points. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "base/buf.h"
#include "kube/access.h"

static int64_t no_clock(void *arg)
{
    (void)arg;
    return 0;
}

/* What was logged, so that warnings are seen. */
static struct buf log_text;
static void log_sink(void *arg, str line)
{
    (void)arg;
    buf_str(&log_text, line);
}
static struct logger logger;

static int setup(void **state)
{
    (void)state;
    buf_init(&log_text, 1 << 20);
    logger.log =
        log_new(&(struct log_config){.level = LOG_INFO, .sink = log_sink, .wall_ns = no_clock});
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    log_free(logger.log);
    buf_deinit(&log_text);
    return 0;
}

static struct kube_access *access_new(void)
{
    struct kube_access *a = mem_zalloc(sizeof *a);
    arena_init(&a->arena, 1024);
    a->auth = KUBE_AUTH_KUBECONFIG;
    return a;
}

/* One cluster `c`, user `u`, context `x`, with these fields. */
static struct kube_access *load(const char *cluster, const char *user, struct err *err)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    buf_printf(&text,
               "apiVersion: v1\nkind: Config\ncurrent-context: x\n"
               "contexts: [{name: x, context: {cluster: c, user: u, namespace: ns}}]\n"
               "clusters:\n- name: c\n  cluster:\n    %s\n"
               "users:\n- name: u\n  user:\n    %s\n",
               cluster, user);
    struct kube_access *a = access_new();
    bool ok = kubeconfig_load_text(a, STR("kc.yaml"), STR("/dir"), buf_view(&text), STR_NONE,
                                   &logger, err);
    buf_deinit(&text);
    if (ok)
        return a;
    kube_access_free(a);
    return NULL;
}

static struct kube_access *load_ok(const char *cluster, const char *user)
{
    struct err err;
    struct kube_access *a = load(cluster, user, &err);
    if (a == NULL)
        fail_msg("%s", err.text);
    return a;
}

static void assert_str(str got, const char *want)
{
    if (!str_eqz(got, want))
        fail_msg("got \"%.*s\", want \"%s\"", STR_ARG(got), want);
}

static void test_plain(void **state)
{
    (void)state;
    struct kube_access *a = load_ok("server: https://h:6443", "token: t0");
    assert_str(a->server, "https://h:6443");
    assert_true(a->is_https);
    assert_str(a->namespace, "ns");
    assert_str(a->token, "t0");
    assert_false(a->has_basic);
    assert_false(a->insecure_skip_verify);
    assert_null(a->exec);
    assert_int_equal(a->impersonation_count, 0);
    kube_access_free(a);
    a = load_ok("server: https://h", "token: 12345");
    assert_str(a->token, "12345");
    kube_access_free(a);
    a = load_ok("server: https://h", "# nothing");
    assert_str(a->token, "");
    kube_access_free(a);
}

static void test_json_is_yaml(void **state)
{
    (void)state;
    static const char text[] =
        "{\n\t\"kind\": \"Config\", \"apiVersion\": \"v1\", \"preferences\": {}, "
        "\"current-context\": \"x\",\n"
        "\t\"clusters\": [{\"name\": \"c\", \"cluster\": {\"server\": "
        "\"https:\\/\\/[::1]:6443/prefix/\"}}],\n"
        "\t\"users\": [{\"name\": \"u\", \"user\": {\"token\": \"t\\u0041\"}}],\n"
        "\t\"contexts\": [{\"name\": \"x\", \"context\": {\"cluster\": \"c\", \"user\": "
        "\"u\"}}]\n}\n";
    struct kube_access *a = access_new();
    struct err err;
    if (!kubeconfig_load_text(a, STR("kc"), STR("/d"), str_from(text), STR_NONE, &logger, &err))
        fail_msg("%s", err.text);
    assert_str(a->server, "https://[::1]:6443/prefix");
    assert_str(a->token, "tA");
    assert_str(a->namespace, "");
    kube_access_free(a);
}

static void test_servers(void **state)
{
    (void)state;
    static const struct {
        const char *cluster, *want; /* want NULL: refused */
    } cases[] = {
        {"server: https://h/", "https://h"},
        {"server: HTTPS://h:1", "https://h:1"},
        {"server: http://127.0.0.1:8001", "http://127.0.0.1:8001"},
        {"server: https://h/k8s/clusters/c-1/", "https://h/k8s/clusters/c-1"},
        {"server: https://h/a?x=1#f", "https://h/a"},
        {"server: h:8080", "http://h:8080"},
        {"server: h", "http://h"},
        {"{server: 'h:6443', insecure-skip-tls-verify: true}", "https://h:6443"},
        {"{server: 'h:6443', certificate-authority: ca.crt}", "https://h:6443"},
        {"server: '[2001:db8::1]:6443'", "http://[2001:db8::1]:6443"},
        {"server: https://[2001:db8::1]", "https://[2001:db8::1]"},
        {"server: https://2001:db8::1", NULL},
        {"server: https://h:0", NULL},
        {"server: https://h:65536", NULL},
        {"server: https://h:http", NULL},
        {"server: 'https://h:'", NULL},
        {"server: https://", NULL},
        {"server: https://:443", NULL},
        {"server: https://user:secret@h", NULL},
        {"server: ftp://h", NULL},
        {"server: unix:///x", NULL},
        {"server: 'https://h h'", NULL},
        {"server: \"https://h\\r\\nX: y\"", NULL},
        {"server: https://[::1", NULL},
        {"server: https://[::1]x", NULL},
        {"server: https://[]", NULL},
        {"server: ''", NULL},
        {"server: {}", NULL},
        {"tls-server-name: x", NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err;
        struct kube_access *a = load(cases[i].cluster, "{}", &err);
        if (a == NULL && cases[i].want != NULL)
            fail_msg("%s: %s", cases[i].cluster, err.text);
        if (a != NULL && cases[i].want == NULL)
            fail_msg("%s: accepted as %.*s", cases[i].cluster, STR_ARG(a->server));
        if (a != NULL)
            assert_str(a->server, cases[i].want);
        if (a == NULL && (strstr(err.text, "clusters[c].cluster.server: ") == NULL ||
                          strstr(err.text, "secret") != NULL))
            fail_msg("%s: %s", cases[i].cluster, err.text);
        kube_access_free(a);
    }
}

static void test_tls_fields(void **state)
{
    (void)state;
    struct kube_access *a = load_ok(
        "{server: 'https://h', certificate-authority: ca.crt, tls-server-name: name, proxy-url: "
        "'socks5://p:1', disable-compression: true}",
        "{client-certificate: certs/c.pem, client-key: /abs/k.pem}");
    assert_str(a->ca.path, "/dir/ca.crt");
    assert_str(a->cert.path, "/dir/certs/c.pem");
    assert_str(a->key.path, "/abs/k.pem");
    assert_str(a->tls_server_name, "name");
    assert_str(a->proxy_url, "socks5://p:1");
    assert_true(a->disable_compression);
    kube_access_free(a);
    /* Data wins over a file, with a warning. */
    buf_clear(&log_text);
    a = load_ok("{server: 'https://h', certificate-authority: ca.crt, certificate-authority-data: "
                "\"aGVs\\n bG8=\"}",
                "{}");
    assert_str(a->ca.path, "");
    assert_str(a->ca.text, "hello");
    assert_non_null(strstr(buf_cstr(&log_text), "the data is used"));
    kube_access_free(a);
}

static void test_impersonation(void **state)
{
    (void)state;
    struct kube_access *a = load_ok(
        "server: https://h", "{token: t, as: jane, as-uid: 42, as-groups: [dev, 'ops team'], "
                             "as-user-extra: {Scopes: [a, b], 'acme.com/p%x': [c]}}");
    static const char *const want[] = {
        "Impersonate-User: jane",
        "Impersonate-Uid: 42",
        "Impersonate-Group: dev",
        "Impersonate-Group: ops team",
        "Impersonate-Extra-scopes: a",
        "Impersonate-Extra-scopes: b",
        "Impersonate-Extra-acme.com%2Fp%25x: c",
    };
    assert_int_equal(a->impersonation_count, COUNT_OF(want));
    for (size_t i = 0; i < COUNT_OF(want); i++)
        assert_str(a->impersonation[i], want[i]);
    kube_access_free(a);
}

static void test_exec(void **state)
{
    (void)state;
    struct kube_access *a = load_ok("{server: 'https://h', extensions: [{name: other, extension: "
                                    "1}, {name: client.authentication.k8s.io/exec, extension: "
                                    "{audience: x, list: [1, true, null]}}]}",
                                    "exec: {apiVersion: client.authentication.k8s.io/v1, command: "
                                    "bin/plugin, args: [get, --cluster, 5], env: [{name: A, value: "
                                    "'b=c'}, {name: EMPTY, value: ''}], installHint: 'do this', "
                                    "provideClusterInfo: true, interactiveMode: IfAvailable}");
    assert_non_null(a->exec);
    assert_string_equal(a->exec->args[0], "/dir/bin/plugin");
    assert_string_equal(a->exec->args[1], "get");
    assert_string_equal(a->exec->args[3], "5");
    assert_null(a->exec->args[4]);
    assert_int_equal(a->exec->env_count, 2);
    assert_string_equal(a->exec->env[0], "A=b=c");
    assert_string_equal(a->exec->env[1], "EMPTY=");
    assert_null(a->exec->env[2]);
    assert_str(a->exec->install_hint, "do this");
    assert_true(a->exec->provide_cluster_info);
    struct json_object *is = json_tokener_parse(a->exec->cluster_config_json.data);
    struct json_object *want = json_tokener_parse("{\"audience\":\"x\",\"list\":[1,true,null]}");
    assert_true(json_object_equal(is, want));
    json_object_put(is);
    json_object_put(want);
    kube_access_free(a);
    a = load_ok("server: https://h",
                "exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws}");
    assert_string_equal(a->exec->args[0], "aws"); /* through PATH */
    assert_null(a->exec->args[1]);
    assert_false(a->exec->provide_cluster_info);
    kube_access_free(a);
    /* Another credential sets the plugin aside. */
    buf_clear(&log_text);
    a = load_ok(
        "server: https://h",
        "{token: t, exec: {apiVersion: client.authentication.k8s.io/v1beta1, command: aws}}");
    assert_null(a->exec);
    assert_non_null(strstr(buf_cstr(&log_text), "exec plugin is not used"));
    kube_access_free(a);
}

static void test_refuses(void **state)
{
    (void)state;
#define V1 "apiVersion: client.authentication.k8s.io/v1, "
    static const struct {
        const char *cluster, *user, *reason;
    } cases[] = {
        {"{server: 'https://h', certificate-authority: x, insecure-skip-tls-verify: true}", "{}",
         "kc.yaml:8:79: clusters[c].cluster.insecure-skip-tls-verify: contradicts"},
        {"{server: 'https://h', insecure-skip-tls-verify: 'true'}", "{}",
         "insecure-skip-tls-verify: expected true or false"},
        {"{server: 'https://h', certificate-authority-data: '***'}", "{}",
         "certificate-authority-data: expected PEM text in base64"},
        {"{server: 'https://h', proxy-url: 'ftp://p'}", "{}",
         "clusters[c].cluster.proxy-url: expected a URL"},
        {"{server: 'https://h', proxy-url: 'http://'}", "{}", "proxy-url"},
        {"server: https://h", "{client-certificate: c}", "users[u].user.client-key: missing"},
        {"server: https://h", "{client-key: c}", "users[u].user.client-certificate: missing"},
        {"server: https://h", "{token: SECRET, username: a, password: SECRET}",
         "both a token and a user name"},
        {"server: https://h", "{token: \"SEC\\nRET\"}", "users[u].user.token: control characters"},
        {"server: https://h", "{token: \"a\\0b\"}", "users[u].user.token: a NUL"},
        {"server: https://h", "{token: [SECRET]}",
         "kc.yaml:12:13: users[u].user.token: expected a text"},
        {"server: https://h", "auth-provider: {name: gcp}",
         "users[u].user.auth-provider: auth providers are not supported"},
        {"server: https://h", "as-groups: [a]", "users[u].user.as: must be set"},
        {"server: https://h", "{as: a, as-groups: b}", "as-groups: expected a list"},
        {"server: https://h", "{as: a, as-groups: [{}]}", "as-groups: expected a list of texts"},
        {"server: https://h", "{as: \"a\\r\\nb\"}", "as: control characters"},
        {"server: https://h", "{as: a, as-user-extra: [x]}", "as-user-extra: expected a map"},
        {"server: https://h", "{as: a, as-user-extra: {x: y}}", "as-user-extra: expected keys"},
        {"server: https://h", "exec: x", "users[u].user.exec: expected a map"},
        {"server: https://h", "exec: {command: x}",
         "exec.apiVersion: expected client.authentication.k8s.io/v1"},
        {"server: https://h",
         "exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: x}",
         "exec.apiVersion"},
        {"server: https://h", "exec: {" V1 "command: x}", "exec.interactiveMode: required"},
        {"server: https://h", "exec: {" V1 "command: x, interactiveMode: Always}",
         "exec.interactiveMode: Always needs a terminal"},
        {"server: https://h", "exec: {" V1 "command: x, interactiveMode: maybe}",
         "exec.interactiveMode: expected Never"},
        {"server: https://h", "exec: {" V1 "interactiveMode: Never}", "exec.command: missing"},
        {"server: https://h", "exec: {" V1 "command: x, interactiveMode: Never, args: y}",
         "args: expected a list"},
        {"server: https://h", "exec: {" V1 "command: x, interactiveMode: Never, env: [{value: y}]}",
         "exec.env: expected items"},
        {"server: https://h",
         "exec: {" V1 "command: x, interactiveMode: Never, env: [{name: 'A=B'}]}", "exec.env"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        struct kube_access *a = load(cases[i].cluster, cases[i].user, &err);
        if (a != NULL)
            fail_msg("%s %s: accepted", cases[i].cluster, cases[i].user);
        if (strstr(err.text, cases[i].reason) == NULL || strncmp(err.text, "kc.yaml:", 8) != 0 ||
            strstr(err.text, "SEC") != NULL)
            fail_msg("%s %s: \"%s\" lacks \"%s\"", cases[i].cluster, cases[i].user, err.text,
                     cases[i].reason);
    }
}

static void check_text(const char *text, const char *context, const char *reason)
{
    struct kube_access *a = access_new();
    struct err err = {0};
    bool ok = kubeconfig_load_text(a, STR("kc"), STR("/d"), str_from(text), str_from(context),
                                   &logger, &err);
    if (ok && reason != NULL)
        fail_msg("%s: accepted", text);
    if (!ok && (reason == NULL || strstr(err.text, reason) == NULL))
        fail_msg("%s: \"%s\" lacks \"%s\"", text, err.text, reason == NULL ? "(success)" : reason);
    kube_access_free(a);
}

static void test_documents(void **state)
{
    (void)state;
    check_text("", "", "no current-context and no context configured (defined: none)");
    check_text("[]", "", "kc:1:1: kubeconfig: expected a map");
    check_text("kind: Secret", "", "kc:1:7: kind: expected Config");
    check_text("apiVersion: v2", "", "apiVersion: expected v1");
    check_text("{current-context: a, contexts: [{name: b}, {name: c}]}", "",
               "context \"a\" does not exist (defined: b, c)");
    check_text("{current-context: a, contexts: [{name: a}]}", "zz",
               "context \"zz\" does not exist (defined: a)");
    check_text("{contexts: {name: a}}", "a", "contexts: expected a list");
    check_text("{contexts: [a]}", "a", "contexts: expected items with a name");
    check_text("{contexts: [{name: a, context: []}]}", "a", "context: expected a map");
    check_text("{contexts: [{name: a, context: {cluster: c}}]}", "a",
               "contexts[a].context.cluster: there is no cluster \"c\"");
    check_text("{contexts: [{name: a, context: null}]}", "a", "there is no cluster \"\"");
    check_text("{contexts: [{name: a}, {name: a}]}", "a", "contexts: expected each name only once");
    check_text("{contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c}]}", "a",
               "clusters[c].cluster.server: missing");
    check_text("{contexts: [{name: a, context: {cluster: c}}], clusters: [{name: c, cluster: "
               "{server: 'https://h'}}]}",
               "a", NULL);
    check_text("a: [", "", "kubeconfig");
    check_text("a: 1\na: 2", "", "kubeconfig");
    buf_clear(&log_text);
    check_text("{contexts: [{name: a, context: {cluster: c, user: gone}}], clusters: [{name: c, "
               "cluster: {server: 'https://h'}}]}",
               "a", NULL);
    assert_non_null(strstr(buf_cstr(&log_text), "not defined: requests are anonymous"));
}

static void test_http_sends_no_credentials(void **state)
{
    (void)state;
    buf_clear(&log_text);
    struct kube_access *a = load_ok("server: http://h", "{token: SECRET, as: jane}");
    assert_false(a->is_https);
    assert_int_equal(a->token.len, 0);
    assert_int_equal(a->impersonation_count, 1);
    assert_non_null(strstr(buf_cstr(&log_text), "credentials are not sent"));
    assert_null(strstr(buf_cstr(&log_text), "SECRET"));
    kube_access_free(a);
}

static void test_aliases_cannot_multiply_text(void **state)
{
    (void)state;
    struct buf user;
    buf_init(&user, 1 << 20);
    buf_text(&user, "{username: &a ");
    for (int i = 0; i < 100000; i++)
        buf_byte(&user, 'x');
    buf_text(&user, ", as: b, as-groups: [");
    for (int i = 0; i < 5000; i++)
        buf_text(&user, "*a ,");
    buf_text(&user, "]}");
    struct err err;
    assert_null(load("server: https://h", buf_cstr(&user), &err));
    if (strstr(err.text, "as-groups: too much text") == NULL)
        fail_msg("%s", err.text);
    buf_deinit(&user);
}

/* -- files -- */

static char dir[] = "/tmp/kubeconfig_test_XXXXXX";

static char *write_file(const char *name, const char *text)
{
    static char path[4][256];
    static int turn;
    turn = (turn + 1) % 4;
    snprintf(path[turn], sizeof path[0], "%s/%s", dir, name);
    FILE *f = fopen(path[turn], "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
    return path[turn];
}

static bool load_files(struct kube_access **a, struct kube_config config, struct err *err)
{
    config.auth = KUBE_AUTH_KUBECONFIG;
    *a = kube_access_load(&config, &logger, err);
    return *a != NULL;
}

static void test_merge(void **state)
{
    (void)state;
    char sub[300], list[2048];
    snprintf(sub, sizeof sub, "%s/sub", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    char *one = write_file(
        "one",
        "clusters: [{name: c, cluster: {server: 'https://one', certificate-authority: ca1}}]\n");
    char *two = write_file(
        "sub/two", "current-context: x\n"
                   "contexts: [{name: x, context: {cluster: c, user: u, namespace: two}}]\n"
                   "clusters: [{name: c, cluster: {server: 'https://two', tls-server-name: two}}]\n"
                   "users: [{name: u, user: {tokenFile: tok, username: ''}}]\n");
    char *three =
        write_file("three", "current-context: y\ncontexts: [{name: y, context: {cluster: c3}}]\n"
                            "clusters: [{name: c3, cluster: {server: 'https://three'}}]\n");
    snprintf(list, sizeof list, "%s/absent:%s:%s::%s:%s:", dir, one, two, two, three);
    setenv("KUBECONFIG", list, 1);
    struct kube_access *a;
    struct err err;
    if (!load_files(&a, (struct kube_config){0}, &err))
        fail_msg("%s", err.text);
    char want[300];
    assert_str(a->server, "https://one");
    assert_str(a->tls_server_name, ""); /* stanzas are not mixed */
    assert_str(a->namespace, "two");
    snprintf(want, sizeof want, "%s/ca1", dir);
    assert_str(a->ca.path, want);
    snprintf(want, sizeof want, "%s/sub/tok", dir);
    assert_str(a->token_path, want);
    kube_access_free(a);
    assert_true(load_files(&a, (struct kube_config){.context = STR("y")}, &err));
    assert_str(a->server, "https://three");
    kube_access_free(a);
    /* A broken file is an error, wherever it is in the list. */
    char *broken = write_file("broken", "a: [");
    snprintf(list, sizeof list, "%s:%s", two, broken);
    setenv("KUBECONFIG", list, 1);
    assert_false(load_files(&a, (struct kube_config){0}, &err));
    assert_non_null(strstr(err.text, broken));
    /* An explicit path is used alone. */
    assert_true(load_files(&a, (struct kube_config){.kubeconfig_path = str_from(two)}, &err));
    assert_str(a->server, "https://two");
    kube_access_free(a);
    snprintf(want, sizeof want, "%s/absent", dir);
    assert_false(load_files(&a, (struct kube_config){.kubeconfig_path = str_from(want)}, &err));
    assert_non_null(strstr(err.text, want));
}

static void test_default_file(void **state)
{
    (void)state;
    struct kube_access *a;
    struct err err;
    char sub[300];
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
    setenv("HOME", dir, 1);
    assert_false(load_files(&a, (struct kube_config){0}, &err));
    assert_non_null(strstr(err.text, "no kubeconfig found"));
    /* In a pod: its service account. */
    char *token = write_file("token", "t");
    (void)token;
    setenv("KUBERNETES_SERVICE_HOST", "10.0.0.1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_true(load_files(&a, (struct kube_config){.service_account_dir = str_from(dir)}, &err));
    assert_int_equal(a->auth, KUBE_AUTH_SERVICE_ACCOUNT);
    assert_str(a->server, "https://10.0.0.1:443");
    kube_access_free(a);
    assert_false(load_files(
        &a, (struct kube_config){.service_account_dir = str_from(dir), .context = STR("x")}, &err));
    snprintf(sub, sizeof sub, "%s/.kube", dir);
    assert_int_equal(mkdir(sub, 0700), 0);
    write_file(".kube/config", "{current-context: x, contexts: [{name: x, context: {cluster: c}}], "
                               "clusters: [{name: c, cluster: "
                               "{server: 'https://home'}}]}");
    assert_true(load_files(&a, (struct kube_config){0}, &err));
    assert_str(a->server, "https://home");
    kube_access_free(a);
    setenv("KUBECONFIG", "", 1); /* empty counts as not set */
    assert_true(load_files(&a, (struct kube_config){0}, &err));
    kube_access_free(a);
    unsetenv("KUBECONFIG");
}

static void test_in_cluster(void **state)
{
    (void)state;
    struct err err;
    struct kube_config config = {.auth = KUBE_AUTH_SERVICE_ACCOUNT,
                                 .service_account_dir = str_from(dir)};
    unsetenv("KUBERNETES_SERVICE_HOST");
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    assert_null(kube_access_load(&config, &logger, &err));
    assert_non_null(strstr(
        err.text,
        "auth_type serviceAccount: the environment variable KUBERNETES_SERVICE_HOST is not set"));
    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "", 1);
    assert_null(kube_access_load(&config, &logger, &err));
    assert_non_null(strstr(err.text, "KUBERNETES_SERVICE_PORT is not set"));
    setenv("KUBERNETES_SERVICE_PORT", "x", 1);
    assert_null(kube_access_load(&config, &logger, &err));
    assert_non_null(
        strstr(err.text, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT: the port"));
    setenv("KUBERNETES_SERVICE_PORT", "6443", 1);
    write_file("namespace", "obs\n");
    struct kube_access *a = kube_access_load(&config, &logger, &err);
    assert_non_null(a);
    assert_str(a->server, "https://[fd00::1]:6443");
    assert_str(a->namespace, "obs");
    assert_true(a->ca_is_optional);
    assert_false(a->insecure_skip_verify);
    kube_access_free(a);
    config.auth = KUBE_AUTH_NONE;
    a = kube_access_load(&config, &logger, &err);
    assert_non_null(a);
    assert_true(a->insecure_skip_verify);
    assert_int_equal(a->token_path.len, 0);
    assert_false(pem_source_given(&a->ca));
    kube_access_free(a);
    config.auth = KUBE_AUTH_TLS;
    assert_null(kube_access_load(&config, &logger, &err));
    assert_non_null(strstr(err.text, "auth_type tls is not supported"));
    assert_non_null(strstr(err.text, "kubeConfig"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_json_is_yaml),
        cmocka_unit_test(test_servers),
        cmocka_unit_test(test_tls_fields),
        cmocka_unit_test(test_impersonation),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_http_sends_no_credentials),
        cmocka_unit_test(test_aliases_cannot_multiply_text),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_default_file),
        cmocka_unit_test(test_in_cluster),
    };
    if (mkdtemp(dir) == NULL)
        return 1;
    int failed = cmocka_run_group_tests(tests, setup, teardown);
    static const char *const files[] = {"one",   "sub/two",   "three",       "broken",
                                        "token", "namespace", ".kube/config"};
    char path[300];
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/sub", dir);
    rmdir(path);
    snprintf(path, sizeof path, "%s/.kube", dir);
    rmdir(path);
    rmdir(dir);
    return failed;
}
