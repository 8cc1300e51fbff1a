/*
 * Which proxy a request goes through.
 *
 * The environment follows golang.org/x/net/http/httpproxy: upper-case names before lower-case ones;
 * NO_PROXY is a comma-separated list of
 *   *                       everything
 *   10.0.0.0/8, fd00::/8    networks, compared with hosts that are addresses (names are not
 * resolved) 10.1.2.3, [fd00::1]:80  addresses, with a port if only that one is meant
 *   example.com[:port]      the domain and all below it; .example.com and *.example.com only those
 * below and localhost and loopback addresses never go through a proxy. HTTP_PROXY_TUNNEL_ENV is
 * what gRPC does: HTTPS_PROXY for every URL, CONNECT always, and a proxy without a port has port
 * 443, whatever its scheme, which is not looked at.
 *
 * Life of a set: read once when a client is made, consulted for each request, since NO_PROXY
 * depends on the host.
 */
#include "io/http_proxy.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/limits.h"
#include "io/file.h"

/* -- addresses -- */

/* 4 or 16 bytes; IPv4 mapped into IPv6 counts as IPv4. */
struct address {
    unsigned char bytes[16];
    unsigned len; /* 0: not an address */
};

static struct address parse_address(str text)
{
    static const unsigned char mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    struct address a = {.len = 0};
    char copy[INET6_ADDRSTRLEN + 1];
    str plain, zone;
    str_cut(text, '%', &plain, &zone);
    if (plain.len == 0 || plain.len >= sizeof(copy))
        return a;
    memcpy(copy, plain.data, plain.len);
    copy[plain.len] = '\0';
    if (inet_pton(AF_INET, copy, a.bytes) == 1) {
        a.len = 4;
    } else if (inet_pton(AF_INET6, copy, a.bytes) == 1) {
        a.len = 16;
        if (memcmp(a.bytes, mapped, sizeof(mapped)) == 0) {
            memmove(a.bytes, a.bytes + sizeof(mapped), 4);
            a.len = 4;
        }
    }
    return a;
}

static bool is_loopback(struct address a)
{
    static const unsigned char loopback6[16] = {[15] = 1};
    return (a.len == 4 && a.bytes[0] == 127) ||
           (a.len == 16 && memcmp(a.bytes, loopback6, 16) == 0);
}

static bool same_prefix(struct address a, struct address b, unsigned bits)
{
    if (a.len != b.len)
        return false;
    unsigned whole = bits / 8, rest = bits % 8;
    if (memcmp(a.bytes, b.bytes, whole) != 0)
        return false;
    unsigned mask = (0xff00u >> rest) & 0xffu;
    return rest == 0 || ((a.bytes[whole] ^ b.bytes[whole]) & mask) == 0;
}

/* -- NO_PROXY -- */

/* "network/bits"; false if `entry` is not one. */
static bool match_network(str entry, struct address host, bool *matches)
{
    str network, bits_text;
    uint64_t bits;
    if (!str_cut(entry, '/', &network, &bits_text) || !str_to_u64(bits_text, &bits))
        return false;
    struct address a = parse_address(network);
    bool v6_form = memchr(network.data, ':', network.len) != NULL;
    if (a.len == 0 || bits > (v6_form ? 128 : 32))
        return false;
    if (v6_form && a.len == 4) /* mapped: the first 96 bits are fixed */
        bits = bits < 96 ? 0 : bits - 96;
    *matches = host.len > 0 && same_prefix(a, host, (unsigned)bits);
    return true;
}

/* Splits "host:port" and "[host]:port" at the port; an entry without one stays whole. */
static void split_port(str entry, str *host, str *port)
{
    *host = entry;
    *port = STR_NONE;
    if (entry.len > 0 && entry.data[0] == '[') {
        size_t end;
        if (str_find(entry, STR("]:"), &end)) {
            *host = str_make(entry.data + 1, end - 1);
            *port = str_skip(entry, end + 2);
        }
        return;
    }
    str head, rest;
    if (str_cut(entry, ':', &head, &rest) && memchr(rest.data, ':', rest.len) == NULL) {
        *host = head;
        *port = rest;
    }
}

static bool ends_with_nocase(str s, str suffix)
{
    return s.len >= suffix.len && str_eq_nocase(str_skip(s, s.len - suffix.len), suffix);
}

static bool match_domain(str entry, str host)
{
    if (str_starts_with(entry, STR("*.")))
        entry = str_skip(entry, 1);
    if (entry.data[0] == '.')
        return ends_with_nocase(host, entry);
    if (str_eq_nocase(host, entry))
        return true;
    return host.len > entry.len && host.data[host.len - entry.len - 1] == '.' &&
           ends_with_nocase(host, entry);
}

bool http_proxy_bypassed(str no_proxy, str host, str port)
{
    struct address address = parse_address(host);
    if (str_eqz(host, "localhost") || is_loopback(address))
        return true;
    while (no_proxy.len > 0) {
        str entry, entry_host, entry_port;
        bool matches = false;
        str_cut(no_proxy, ',', &entry, &no_proxy);
        entry = str_trim(entry);
        if (str_eqz(entry, "*"))
            return true;
        if (entry.len == 0)
            continue;
        if (match_network(entry, address, &matches)) {
            if (matches)
                return true;
            continue;
        }
        split_port(entry, &entry_host, &entry_port);
        if (entry_host.len == 0 || (entry_port.len > 0 && !str_eq(entry_port, port)))
            continue;
        struct address entry_address = parse_address(entry_host);
        if (entry_address.len > 0)
            matches = same_prefix(entry_address, address, entry_address.len * 8);
        else
            matches = match_domain(entry_host, host);
        if (matches)
            return true;
    }
    return false;
}

/* -- proxy URLs -- */

static char *url_part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    if (curl_url_get(url, part, &text, flags) != CURLUE_OK)
        return NULL;
    char *copy = str_dup(str_from(text));
    curl_free(text);
    return copy;
}

/* The scheme to give to libcurl, or NULL. As in Go, socks5 lets the proxy resolve the name. */
static const char *curl_scheme(const char *scheme, bool tunnel)
{
    if (tunnel || strcmp(scheme, "http") == 0)
        return "http";
    if (strcmp(scheme, "https") == 0)
        return "https";
    if (strcmp(scheme, "socks5") == 0 || strcmp(scheme, "socks5h") == 0)
        return "socks5h";
    return NULL;
}

static const char *default_port(const char *scheme, bool tunnel)
{
    if (tunnel || strcmp(scheme, "https") == 0)
        return "443";
    return strcmp(scheme, "http") == 0 ? "80" : "1080";
}

static bool parse_proxy(const char *text, bool tunnel, struct http_proxy_url *proxy)
{
    CURLU *url = curl_url();
    CHECK(url != NULL);
    struct buf full;
    size_t pos;
    buf_init(&full, LIMIT_HTTP_URL_BYTES);
    if (!str_find(str_from(text), STR("://"), &pos))
        buf_text(&full, "http://");
    buf_text(&full, text);
    bool ok = !full.overflow && curl_url_set(url, CURLUPART_URL, buf_cstr(&full),
                                             CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK;
    char *scheme = ok ? url_part(url, CURLUPART_SCHEME, 0) : NULL;
    char *host = ok ? url_part(url, CURLUPART_HOST, 0) : NULL;
    char *port = ok ? url_part(url, CURLUPART_PORT, 0) : NULL;
    const char *known = scheme == NULL ? NULL : curl_scheme(scheme, tunnel);
    ok = known != NULL && host != NULL && host[0] != '\0';
    if (ok) {
        struct buf address;
        buf_init(&address, LIMIT_HTTP_URL_BYTES);
        buf_printf(&address, "%s://%s:%s", known, host,
                   port != NULL ? port : default_port(known, tunnel));
        proxy->address = buf_take(&address, &pos);
        proxy->user = url_part(url, CURLUPART_USER, CURLU_URLDECODE);
        proxy->password = url_part(url, CURLUPART_PASSWORD, CURLU_URLDECODE);
        proxy->https = strcmp(known, "https") == 0;
    }
    mem_free(scheme);
    mem_free(host);
    mem_free(port);
    explicit_bzero(full.data, full.len); /* user info */
    buf_deinit(&full);
    curl_url_cleanup(url);
    return ok;
}

/* -- life -- */

static bool env_first(const char *upper, const char *lower, str *value)
{
    return (env_get(upper, value) && value->len > 0) || (env_get(lower, value) && value->len > 0);
}

static void load_variable(const char *upper, const char *lower, bool tunnel,
                          struct http_proxy_url *proxy, const struct logger *logger)
{
    str value;
    if (!env_first(upper, lower, &value))
        return;
    char *text = str_dup(value);
    if (!parse_proxy(text, tunnel, proxy))
        log_warn(logger, "A proxy variable of the environment is not a URL and is ignored",
                 F_CSTR("variable", upper));
    explicit_bzero(text, value.len);
    mem_free(text);
}

struct http_proxy_set *http_proxy_set_new(enum http_proxy mode, str proxy_url,
                                          const struct logger *logger, struct err *err)
{
    struct http_proxy_set *set = mem_zalloc(sizeof(*set));
    set->mode = mode;
    if (mode == HTTP_PROXY_URL) {
        char *text = str_dup(proxy_url);
        bool ok = parse_proxy(text, false, &set->https);
        mem_free(text);
        if (!ok) {
            err_set(err, "proxy_url is not a proxy's address: expected http://host:port, "
                         "https://host:port or "
                         "socks5://host:port");
            http_proxy_set_free(set);
            return NULL;
        }
    }
    if (mode == HTTP_PROXY_ENV || mode == HTTP_PROXY_TUNNEL_ENV) {
        str value;
        load_variable("HTTPS_PROXY", "https_proxy", mode == HTTP_PROXY_TUNNEL_ENV, &set->https,
                      logger);
        if (mode == HTTP_PROXY_ENV)
            load_variable("HTTP_PROXY", "http_proxy", false, &set->http, logger);
        if (env_first("NO_PROXY", "no_proxy", &value))
            set->no_proxy = str_dup(value);
    }
    return set;
}

static void proxy_url_deinit(struct http_proxy_url *proxy)
{
    mem_free(proxy->address);
    mem_free(proxy->user);
    if (proxy->password != NULL)
        explicit_bzero(proxy->password, strlen(proxy->password));
    mem_free(proxy->password);
}

void http_proxy_set_free(struct http_proxy_set *set)
{
    if (set == NULL)
        return;
    proxy_url_deinit(&set->https);
    proxy_url_deinit(&set->http);
    mem_free(set->no_proxy);
    mem_free(set);
}

bool http_proxy_set_apply(const struct http_proxy_set *set, CURL *easy, bool https_url, str host,
                          str port, bool tunnel)
{
    const struct http_proxy_url *proxy =
        set->mode == HTTP_PROXY_ENV && !https_url ? &set->http : &set->https;
    bool from_env = set->mode == HTTP_PROXY_ENV || set->mode == HTTP_PROXY_TUNNEL_ENV;
    if (proxy->address == NULL ||
        (from_env && http_proxy_bypassed(str_from(set->no_proxy), host, port))) {
        /* both: the environment is read by libcurl too */
        curl_easy_setopt(easy, CURLOPT_PROXY, "");
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "*");
        return false;
    }
    curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
    curl_easy_setopt(easy, CURLOPT_PROXY, proxy->address);
    if (proxy->user != NULL) {
        curl_easy_setopt(easy, CURLOPT_PROXYUSERNAME, proxy->user);
        curl_easy_setopt(easy, CURLOPT_PROXYPASSWORD,
                         proxy->password != NULL ? proxy->password : "");
        curl_easy_setopt(easy, CURLOPT_PROXYAUTH, CURLAUTH_BASIC);
    }
    if (tunnel || set->mode == HTTP_PROXY_TUNNEL_ENV)
        curl_easy_setopt(easy, CURLOPT_HTTPPROXYTUNNEL, 1L);
    return proxy->https;
}
