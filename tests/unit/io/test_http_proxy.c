/* Proxies: who goes through one (NO_PROXY), and requests through CONNECT, plain proxies and SOCKS5, with and without credentials. */
#include "tests/unit/io/peer.h"

#include "io/http_proxy.h"
#include "tests/unit/io/certs.h"

/* -- NO_PROXY; the expectations were compared with golang.org/x/net/http/httpproxy -- */

static void test_no_proxy(void **state)
{
    (void)state;
    static const struct {
        const char *no_proxy, *host, *port;
        bool bypassed;
    } cases[] = {
        {"", "example.com", "443", false},
        {"", "localhost", "443", true},
        {"", "localhost.example.com", "443", false},
        {"", "127.0.0.1", "443", true},
        {"", "127.5.6.7", "443", true},
        {"", "::1", "443", true},
        {"", "::ffff:127.0.0.1", "443", true},
        {"", "10.0.0.1", "443", false},
        {"*", "example.com", "443", true},
        {"x, * ,y", "10.0.0.1", "443", true},
        {"example.com", "example.com", "443", true},
        {"example.com", "EXAMPLE.com", "443", true},
        {"Example.COM", "a.b.example.com", "443", true},
        {"example.com", "badexample.com", "443", false},
        {"example.com", "example.com.evil.org", "443", false},
        {".example.com", "example.com", "443", false},
        {".example.com", "a.example.com", "443", true},
        {"*.example.com", "example.com", "443", false},
        {"*.example.com", "a.example.com", "443", true},
        {"*example.com", "aexample.com", "443", false},
        {"example.com:443", "example.com", "443", true},
        {"example.com:443", "a.example.com", "443", true},
        {"example.com:443", "example.com", "4317", false},
        {"example.com:", "example.com", "4317", true},
        {" example.com , other.org ", "other.org", "80", true},
        {",,", "other.org", "80", false},
        {":80", "other.org", "80", false},
        {"10.0.0.0/8", "10.255.0.1", "443", true},
        {"10.0.0.0/8", "11.0.0.1", "443", false},
        {"10.0.0.0/8", "ten.example.com", "443", false},
        {"10.1.2.3/13", "10.0.9.9", "443", true},
        {"10.1.2.3/13", "10.8.0.0", "443", false},
        {"0.0.0.0/0", "8.8.8.8", "443", true},
        {"0.0.0.0/0", "2001:db8::1", "443", false},
        {"10.0.0.0/33", "10.0.0.1", "443", false},
        {"10.0.0.0/", "10.0.0.0", "443", false},
        {"10.0.0.0/x", "10.0.0.0", "443", false},
        {"fd00::/8", "fd12::1", "443", true},
        {"fd00::/8", "fe00::1", "443", false},
        {"::ffff:10.0.0.0/104", "10.1.1.1", "443", true},
        {"10.0.0.1", "10.0.0.1", "443", true},
        {"10.0.0.1", "10.0.0.11", "443", false},
        {"10.0.0.1:443", "10.0.0.1", "443", true},
        {"10.0.0.1:443", "10.0.0.1", "80", false},
        {"::ffff:10.0.0.1", "10.0.0.1", "443", true},
        {"2001:db8::1", "2001:db8:0::1", "443", true},
        {"[2001:db8::1]:443", "2001:db8::1", "443", true},
        {"[2001:db8::1]:443", "2001:db8::1", "80", false},
        {"fe80::1", "fe80::1%eth0", "80", true},
        {"svc,cluster.local", "otel.svc", "4317", true},
        {"svc,cluster.local", "otel.ns.svc.cluster.local", "4317", true},
        {"svc,cluster.local", "otel.svc.example", "4317", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        if (http_proxy_bypassed(str_from(cases[i].no_proxy), str_from(cases[i].host),
                                str_from(cases[i].port)) != cases[i].bypassed)
            fail_msg("NO_PROXY=%s %s:%s", cases[i].no_proxy, cases[i].host, cases[i].port);
}

/* -- a proxy: CONNECT, absolute URLs and SOCKS5 -- */

struct proxy {
    const char *want_auth; /* NULL: none */
    const char *refuse;    /* an answer instead of a tunnel */
    bool socks;
    const struct peer *origin; /* where every tunnel ends, whatever name was asked for */
};

static void relay(struct peer_connection *c, int port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0) {
        struct pollfd fds[2] = {{.fd = c->fd, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
        char buffer[65536];
        while (poll(fds, 2, -1) > 0) {
            int from = fds[0].revents ? 0 : 1;
            ssize_t got = read(fds[from].fd, buffer, sizeof(buffer));
            if (got <= 0 || send(fds[1 - from].fd, buffer, (size_t)got, MSG_NOSIGNAL) != got)
                break;
        }
    }
    close(fd);
}

static void serve_socks(struct peer_connection *c, const struct proxy *proxy)
{
    const char *hello = peer_take(c, 2);
    if (hello == NULL || peer_take(c, (size_t)hello[1]) == NULL || !peer_write(c, "\5\0", 2))
        return;
    const char *head = peer_take(c, 5); /* version, connect, 0, type, length of the name */
    if (head == NULL || head[3] != 3)
        return;
    size_t len = (size_t)head[4];
    const char *name = peer_take(c, len + 2);
    if (name == NULL)
        return;
    pthread_mutex_lock(&c->peer->mutex);
    buf_append(&c->peer->seen, name, len);
    pthread_mutex_unlock(&c->peer->mutex);
    if (peer_write(c, "\5\0\0\1\0\0\0\0\0\0", 10))
        relay(c, proxy->origin->port);
}

static void serve_proxy(struct peer_connection *c)
{
    const struct proxy *proxy = c->peer->arg;
    if (proxy->socks) {
        serve_socks(c, proxy);
        return;
    }
    while (peer_request(c)) {
        const char *seen = peer_seen(c->peer);
        if (proxy->refuse != NULL) {
            peer_text(c, proxy->refuse);
            return;
        }
        if (proxy->want_auth != NULL && strstr(seen, proxy->want_auth) == NULL) {
            peer_text(c, "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: Basic "
                         "realm=\"x\"\r\nContent-Length: 0\r\n\r\n");
            return;
        }
        if (strncmp(seen, "CONNECT ", 8) == 0) {
            if (peer_text(c, "HTTP/1.1 200 Connection established\r\nX-Of-Proxy: 1\r\n\r\n"))
                relay(c, proxy->origin->port);
            return;
        }
        if (!peer_text(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nfrom proxy"))
            return;
    }
}

static char origin_answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\norigin";
static struct cert ca, server;

static SSL_CTX *tls_context(void)
{
    SSL_CTX *context = SSL_CTX_new(TLS_server_method());
    assert_int_equal(SSL_CTX_use_certificate(context, server.x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(context, server.key), 1);
    return context;
}

static void set_proxy(const char *variable, const char *format, int port)
{
    char url[128];
    (void)snprintf(url, sizeof(url), format, port);
    setenv(variable, url, 1);
}

static void clear_proxies(void)
{
    static const char *const names[] = {"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy",
                                        "NO_PROXY",   "no_proxy",   "ALL_PROXY"};
    for (size_t i = 0; i < COUNT_OF(names); i++)
        unsetenv(names[i]);
}

struct proxy_case {
    enum http_proxy mode;
    const char *variable, *value; /* environment; %d is the proxy's port */
    const char *proxy_url;        /* for HTTP_PROXY_URL */
    const char *no_proxy;
    const char
        *url; /* of the request; names that do not exist reach the origin only through the proxy */
    struct proxy proxy;
    bool origin_tls;
    enum http_outcome outcome;
    const char *body;
    const char *proxy_seen, *proxy_not_seen;
    const char *err;
};

static void run_case(const struct proxy_case *k)
{
    const str headers[] = {STR("Authorization: Bearer topsecret"), STR("X-Mine: 1")};
    struct peer *origin =
        peer_start_on(AF_INET, serve_text, origin_answer, k->origin_tls ? tls_context() : NULL);
    struct proxy proxy = k->proxy;
    proxy.origin = origin;
    struct peer *p = peer_start(serve_proxy, &proxy);
    char proxy_url[128] = "";
    clear_proxies();
    if (k->variable != NULL)
        set_proxy(k->variable, k->value, p->port);
    if (k->no_proxy != NULL)
        setenv("NO_PROXY", k->no_proxy, 1);
    if (k->proxy_url != NULL)
        (void)snprintf(proxy_url, sizeof(proxy_url), k->proxy_url, p->port);
    struct world *w =
        world_new(&(struct http_client_config){.proxy = k->mode,
                                               .proxy_url = str_from(proxy_url),
                                               .user_agent = STR("agent/1"),
                                               .tls = {.ca_pem = str_from(ca.cert_pem)}});
    clear_proxies(); /* read when the client was made */
    struct exchange x = {.header_name = "X-Of-Proxy"};
    char url[128];
    (void)snprintf(url, sizeof(url), k->url, origin->port);
    exchange_run(
        w, &x,
        (struct http_request){
            .url = str_from(url), .headers = headers, .header_count = 2, .timeout_ms = 10000},
        false);
    check_outcome(&x, k->outcome);
    if (k->outcome == HTTP_DONE) {
        assert_true(str_eqz(buf_view(&x.body), k->body));
        assert_string_equal(x.header, "(none)");
        assert_int_equal(x.headers_count, 1);
    }
    const char *seen = peer_seen(p);
    if (k->proxy_seen != NULL && strstr(seen, k->proxy_seen) == NULL)
        fail_msg("%s not in: %s", k->proxy_seen, seen);
    if (k->proxy_seen == NULL && k->outcome == HTTP_DONE)
        assert_string_equal(seen, "");
    if (k->proxy_not_seen != NULL)
        assert_null(strstr(seen, k->proxy_not_seen));
    if (k->err != NULL && strstr(x.err, k->err) == NULL)
        fail_msg("%s not in: %s", k->err, x.err);
    if (k->outcome == HTTP_DONE && strcmp(k->body, "origin") == 0)
        assert_non_null(strstr(peer_seen(origin), "Bearer topsecret"));
    exchange_free(&x);
    world_free(w);
    peer_stop(p);
    peer_stop(origin);
}

static const char refused[] = "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n";
/* Who is not asked through a proxy is asked at 0.0.0.0, this machine: a name would be looked up in a network. */
static const struct proxy_case request_cases[] = {
    /* as gRPC does: a tunnel also for http URLs, by HTTPS_PROXY; secrets of the request stay in the tunnel */
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://127.0.0.1:%d",
     .url = "http://backend.invalid:4317/x", .body = "origin",
     .proxy_seen = "CONNECT backend.invalid:4317 HTTP/1.1\r\n", .proxy_not_seen = "topsecret"},
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://127.0.0.1:%d",
     .url = "http://backend.invalid:4317/x", .body = "origin",
     .proxy_seen = "User-Agent: agent/1\r\n", .proxy_not_seen = "X-Mine"},
    {HTTP_PROXY_TUNNEL_ENV, "https_proxy", "127.0.0.1:%d", .url = "http://10.9.8.7:80/x",
     .body = "origin", .proxy_seen = "CONNECT 10.9.8.7:80 HTTP/1.1\r\n"},
    {HTTP_PROXY_TUNNEL_ENV, "https_proxy", "https://127.0.0.1:%d",
     .url = "https://backend.invalid:443/x", .origin_tls = true, .body = "origin",
     .proxy_seen = "CONNECT backend.invalid:443 HTTP/1.1\r\n"}, /* the scheme is not looked at */
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://127.0.0.1:%d", .no_proxy = "0.0.0.0",
     .url = "http://0.0.0.0:1/x", .outcome = HTTP_CONNECT_FAILED,
     .proxy_not_seen = "CONNECT"},
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://127.0.0.1:%d", .url = "http://127.0.0.1:%d/x",
     .body = "origin"},
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://127.0.0.1:%d", .url = "http://localhost:%d/x",
     .body = "origin"},
    {HTTP_PROXY_TUNNEL_ENV, "HTTP_PROXY", "http://127.0.0.1:%d", .url = "http://127.0.0.1:%d/x",
     .body = "origin"},
    /* credentials */
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://us%%65r:p%%40ss@127.0.0.1:%d",
     .url = "http://backend.invalid:1/", .body = "origin",
     .proxy = {.want_auth = "Proxy-Authorization: Basic dXNlcjpwQHNz\r\n"},
     .proxy_seen = "CONNECT"},
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://user@127.0.0.1:%d",
     .url = "http://backend.invalid:1/", .body = "origin",
     .proxy = {.want_auth = "Proxy-Authorization: Basic dXNlcjo=\r\n"}, .proxy_seen = "CONNECT"},
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://u:wrongsecret@127.0.0.1:%d",
     .url = "http://backend.invalid:1/", .outcome = HTTP_CONNECT_FAILED,
     .proxy = {.want_auth = "Basic dXNlcjpwQHNz"}, .err = "407"},
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://127.0.0.1:%d",
     .url = "http://backend.invalid:1/", .outcome = HTTP_CONNECT_FAILED,
     .proxy = {.refuse = refused}, .err = "403"},
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "http://127.0.0.1:%d",
     .url = "http://backend.invalid:1/", .outcome = HTTP_CONNECT_FAILED, .proxy = {.refuse = ""}},
    {HTTP_PROXY_TUNNEL_ENV, "HTTPS_PROXY", "://", .url = "http://127.0.0.1:%d/",
     .body = "origin"}, /* nonsense is ignored */
    /* as Go's net/http does */
    {HTTP_PROXY_ENV, "http_proxy", "http://127.0.0.1:%d", .url = "http://backend.invalid/x",
     .body = "from proxy", .proxy_seen = "GET http://backend.invalid/x HTTP/1.1\r\n"},
    {HTTP_PROXY_ENV, "HTTPS_PROXY", "http://127.0.0.1:%d", .url = "https://backend.invalid/x",
     .origin_tls = true, .body = "origin", .proxy_seen = "CONNECT backend.invalid:443 HTTP/1.1\r\n",
     .proxy_not_seen = "topsecret"},
    {HTTP_PROXY_ENV, "HTTPS_PROXY", "http://127.0.0.1:%d", .url = "http://0.0.0.0:1/x",
     .outcome = HTTP_CONNECT_FAILED, .proxy_not_seen = "GET"},
    {HTTP_PROXY_ENV, "HTTP_PROXY", "http://127.0.0.1:%d", .no_proxy = "0.0.0.0/8",
     .url = "http://0.0.0.0:1/x", .outcome = HTTP_CONNECT_FAILED, .proxy_not_seen = "GET"},
    /* by URL: NO_PROXY does not count */
    {HTTP_PROXY_URL, .proxy_url = "http://127.0.0.1:%d", .no_proxy = "*",
     .url = "http://127.0.0.1:%d/x", .body = "from proxy", .proxy_seen = "GET http://127.0.0.1:"},
    {HTTP_PROXY_URL, .proxy_url = "http://127.0.0.1:%d", .url = "https://backend.invalid/x",
     .origin_tls = true, .body = "origin", .proxy_seen = "CONNECT backend.invalid:443",
     .proxy_not_seen = "topsecret"},
    {HTTP_PROXY_URL, .proxy_url = "socks5://127.0.0.1:%d", .url = "http://backend.invalid/x",
     .proxy = {.socks = true}, .body = "origin",
     .proxy_seen = "backend.invalid"}, /* the proxy resolves */
    /* none */
    {HTTP_PROXY_NONE, "HTTPS_PROXY", "http://127.0.0.1:%d", .url = "http://0.0.0.0:1/x",
     .outcome = HTTP_CONNECT_FAILED, .proxy_not_seen = "CONNECT"},
    {HTTP_PROXY_NONE, "http_proxy", "http://127.0.0.1:%d", .url = "http://0.0.0.0:1/x",
     .outcome = HTTP_CONNECT_FAILED, .proxy_not_seen = "GET"},
};

static void test_requests(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(request_cases); i++)
        run_case(&request_cases[i]);
}

/* The proxy is spoken to in TLS, checked with the same settings. */
static void test_https_proxy(void **state)
{
    (void)state;
    struct peer *origin = peer_start(serve_text, origin_answer);
    for (int trusted = 0; trusted < 2; trusted++) {
        struct proxy proxy = {.origin = origin};
        struct peer *p = peer_start_on(AF_INET, serve_proxy, &proxy, tls_context());
        char proxy_url[64];
        (void)snprintf(proxy_url, sizeof(proxy_url), "https://127.0.0.1:%d", p->port);
        struct world *w = world_new(&(struct http_client_config){
            .proxy = HTTP_PROXY_URL,
            .proxy_url = str_from(proxy_url),
            .tls = {.ca_pem = trusted ? str_from(ca.cert_pem) : STR_NONE}});
        struct exchange x = {0};
        exchange_run(w, &x, (struct http_request){.url = STR("http://backend.invalid/x")}, false);
        check_outcome(&x, trusted ? HTTP_DONE : HTTP_CONNECT_FAILED);
        exchange_free(&x);
        world_free(w);
        peer_stop(p);
    }
    peer_stop(origin);
}

/* HTTP/2 by prior knowledge inside a tunnel, to a server of others; all requests in one. */
static void test_cleartext_http2_through_a_tunnel(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_proxy_XXXXXX", port_text[16], log_path[64], url[64], command[64];
    assert_non_null(mkdtemp(folder));
    (void)snprintf(log_path, sizeof(log_path), "%s/log", folder);
    struct peer origin = {.port = free_port()};
    (void)snprintf(port_text, sizeof(port_text), "%d", origin.port);
    const char *const args[] = {
        "nghttpd", "--no-tls", "-a", "127.0.0.1", "--echo-upload", "--trailer=grpc-status: 0",
        port_text, NULL};
    pid_t pid = process_start(args, origin.port, log_path);
    for (int by_url = 0; by_url < 2; by_url++) {
        struct proxy proxy = {.origin = &origin,
                              .want_auth = "Proxy-Authorization: Basic dTpw\r\n"};
        struct peer *p = peer_start(serve_proxy, &proxy);
        clear_proxies();
        set_proxy("HTTPS_PROXY", "http://u:p@127.0.0.1:%d", p->port);
        (void)snprintf(url, sizeof(url), "http://u:p@127.0.0.1:%d", p->port);
        struct world *w = world_new(
            &(struct http_client_config){.version = HTTP_2_CLEARTEXT,
                                         .proxy_url = str_from(url),
                                         .proxy = by_url ? HTTP_PROXY_URL : HTTP_PROXY_TUNNEL_ENV});
        clear_proxies();
        for (int i = 0; i < 3; i++) {
            struct exchange x = {.trailer_name = "grpc-status"};
            exchange_run(w, &x,
                         (struct http_request){.method = "POST",
                                               .url = STR("http://collector.invalid:4317/Export"),
                                               .body = STR("payload"),
                                               .timeout_ms = 10000},
                         false);
            check_outcome(&x, HTTP_DONE);
            assert_true(x.http2);
            assert_string_equal(x.trailer, "0");
            assert_true(str_eqz(buf_view(&x.body), "payload"));
            assert_int_equal(x.reused, i > 0);
            exchange_free(&x);
        }
        assert_int_equal(p->requests, 1);
        world_free(w);
        peer_stop(p);
    }
    process_stop(pid);
    (void)snprintf(command, sizeof(command), "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

static void test_bad_proxy_urls(void **state)
{
    (void)state;
    static const char *const urls[] = {"",
                                       "ftp://user:topsecret@proxy:1",
                                       "http://",
                                       "http://user:topsecret@",
                                       "http://proxy:99999",
                                       "socks4://user:topsecret@proxy",
                                       "http://proxy:topsecret"};
    struct err err;
    struct logger logger = {0};
    struct loop *loop = loop_new(&logger, &err);
    for (size_t i = 0; i < COUNT_OF(urls); i++) {
        err = (struct err){0};
        struct http_client *client = http_client_new(
            loop, &logger,
            &(struct http_client_config){.proxy = HTTP_PROXY_URL, .proxy_url = str_from(urls[i])},
            &err);
        if (client != NULL)
            fail_msg("%s", urls[i]);
        assert_non_null(strstr(err.text, "proxy_url"));
        assert_null(strstr(err.text, "topsecret"));
    }
    loop_free(loop);
}

static void test_default_ports_and_schemes(void **state)
{
    (void)state;
    static const struct {
        enum http_proxy mode;
        const char *text, *address;
        bool https;
    } cases[] = {
        {HTTP_PROXY_TUNNEL_ENV, "proxy", "http://proxy:443",
         false}, /* as gRPC: it always means to speak to an https site */
        {HTTP_PROXY_TUNNEL_ENV, "https://proxy", "http://proxy:443", false},
        {HTTP_PROXY_TUNNEL_ENV, "socks5://proxy:1", "http://proxy:1", false},
        {HTTP_PROXY_TUNNEL_ENV, "[::1]:3128", "http://[::1]:3128", false},
        {HTTP_PROXY_ENV, "proxy", "http://proxy:80", false},
        {HTTP_PROXY_ENV, "https://proxy", "https://proxy:443", true},
        {HTTP_PROXY_ENV, "socks5://proxy", "socks5h://proxy:1080", false},
        {HTTP_PROXY_ENV, "http://u:p@proxy:3128/path?q", "http://proxy:3128", false},
    };
    const struct logger logger = {0};
    struct err err;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        setenv("HTTPS_PROXY", cases[i].text, 1);
        struct http_proxy_set *set = http_proxy_set_new(cases[i].mode, STR_NONE, &logger, &err);
        assert_non_null(set);
        assert_non_null(set->https.address);
        assert_string_equal(set->https.address, cases[i].address);
        assert_int_equal(set->https.https, cases[i].https);
        http_proxy_set_free(set);
    }
    clear_proxies();
}

static void test_bad_environment_is_logged(void **state)
{
    (void)state;
    setenv("HTTPS_PROXY", "gopher://user:topsecret@proxy:1", 1);
    struct world *w = world_new(&(struct http_client_config){.proxy = HTTP_PROXY_ENV});
    clear_proxies();
    assert_non_null(strstr(buf_cstr(&w->logged), "HTTPS_PROXY"));
    assert_null(strstr(buf_cstr(&w->logged), "topsecret"));
    world_free(w);
}

static int make_certs(void **state)
{
    (void)state;
    clear_proxies();
    ca = cert_make("Test CA", NULL, NULL);
    server = cert_make("server", "IP:127.0.0.1,DNS:backend.invalid", &ca);
    return 0;
}

static int free_certs(void **state)
{
    (void)state;
    cert_free(&ca);
    cert_free(&server);
    return 0;
}

int main(void)
{
    alarm(55);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_proxy),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_https_proxy),
        cmocka_unit_test(test_cleartext_http2_through_a_tunnel),
        cmocka_unit_test(test_bad_proxy_urls),
        cmocka_unit_test(test_default_ports_and_schemes),
        cmocka_unit_test(test_bad_environment_is_logged),
    };
    return cmocka_run_group_tests(tests, make_certs, free_certs);
}
