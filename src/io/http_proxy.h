/* Which proxy a request goes through. */
#ifndef IO_HTTP_PROXY_H
#define IO_HTTP_PROXY_H

#include <curl/curl.h>

#include "io/http_client.h"

struct http_proxy_url {
    char *address; /* for CURLOPT_PROXY, without user info; NULL: no proxy */
    char *user, *password;
    bool https;
};
struct http_proxy_set {
    enum http_proxy mode;
    struct http_proxy_url https, http; /* by the scheme of the request's URL; PROXY_URL and TUNNEL_ENV use `https` for all */
    char *no_proxy;
};

/* Reads the environment if `mode` says so; a bad variable there is ignored with a warning, a bad proxy_url is an error. */
struct http_proxy_set *http_proxy_set_new(enum http_proxy mode, str proxy_url,
                                          const struct logger *logger, struct err *err);
void http_proxy_set_free(struct http_proxy_set *set);
/* Sets the proxy, or none, for a URL of these parts; `host` without brackets. True if it is an https proxy. */
bool http_proxy_set_apply(const struct http_proxy_set *set, CURL *easy, bool https_url, str host,
                          str port, bool tunnel);
/* Whether the list `no_proxy` or the loopback rule keeps host:port away from proxies, as golang.org/x/net/http/httpproxy decides. */
bool http_proxy_bypassed(str no_proxy, str host, str port);

#endif
