/*
 * The four ways to reach an API server.
 *
 *   serviceAccount  address from the environment of the container, token, CA and namespace from the
 * mounted folder none            the same address, no credential, TLS not verified kubeConfig
 * kube/kubeconfig.c; without any kubeconfig in a pod: as serviceAccount, as client-go does tls
 * refused: the reference accepts the word, has no way to say which files, and crashes
 *
 * Life: kube_access_load, then read-only until kube_access_free. All texts live in its arena.
 *
 * Invariant: the server URL has a scheme, a host and no user info, query, fragment or slash at its
 * end, so that a path can be appended and the result may be logged.
 *
 * Specification: client-go rest.InClusterConfig, rest.DefaultServerURL; the collector's k8sconfig
 * (auth_type).
 */
#include "kube/access.h"

#include "base/limits.h"
#include "io/file.h"
#include "wire/text.h"

enum { ACCESS_ARENA_BYTES = 4096 };

const char *const kube_auth_names[] = {"none", "serviceAccount", "kubeConfig", "tls", NULL};

/* -- server URL -- */

static bool url_has_bad_bytes(str text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c == 0x7F || c == '"' || c == '\\' || c == '<' || c == '>')
            return true;
    }
    return false;
}

static bool port_check(str port, struct err *err)
{
    uint64_t number;
    if (str_to_u64(port, &number) && number > 0 && number <= UINT16_MAX)
        return true;
    return err_set(err, "the port must be a number from 1 to 65535, got \"%.*s\"", STR_ARG(port));
}

/* host, host:port, [v6] or [v6]:port */
static bool authority_check(str authority, struct err *err)
{
    str host, port;
    if (authority.len > 0 && authority.data[0] == '[') {
        str rest;
        if (!str_cut(authority, ']', &host, &rest) || host.len < 2)
            return err_set(err, "an IPv6 address must be written as \"[address]\"");
        if (rest.len == 0)
            return true;
        if (rest.data[0] != ':')
            return err_set(err, "after \"]\" only \":port\" may follow");
        return port_check(str_skip(rest, 1), err);
    }
    bool has_port = str_cut(authority, ':', &host, &port);
    size_t pos;
    if (has_port && str_find(port, STR(":"), &pos))
        return err_set(err, "an IPv6 address needs brackets: \"[%.*s]\"", STR_ARG(authority));
    if (host.len == 0)
        return err_set(err, "no host");
    return !has_port || port_check(port, err);
}

/* The URL up to '?' or '#', without slashes at its end. */
static str url_without_tail(str text)
{
    str head, rest;
    str_cut(text, '#', &head, &rest);
    str_cut(head, '?', &head, &rest);
    while (head.len > 0 && head.data[head.len - 1] == '/')
        head.len--;
    return head;
}

bool kube_access_set_server(struct kube_access *access, str text, bool default_https,
                            struct err *err)
{
    text = str_trim(text);
    if (url_has_bad_bytes(text))
        return err_set(err, "a URL must not contain spaces, quotes or control characters");
    bool is_https = default_https;
    size_t scheme_end;
    str rest = text;
    if (str_find(text, STR("://"), &scheme_end)) {
        str scheme = str_make(text.data, scheme_end);
        is_https = str_eq_nocase(scheme, STR("https"));
        if (!is_https && !str_eq_nocase(scheme, STR("http")))
            return err_set(err, "the scheme must be https or http, got \"%.*s\"", STR_ARG(scheme));
        rest = str_skip(text, scheme_end + 3);
    }
    rest = url_without_tail(rest);
    str authority, path;
    str_cut(rest, '/', &authority, &path);
    size_t pos;
    if (str_find(authority, STR("@"), &pos))
        return err_set(err, "user name and password do not belong into the URL; use the fields "
                            "username and password of the user");
    if (!authority_check(authority, err))
        return false;
    access->is_https = is_https;
    access->server =
        arena_printf(&access->arena, "%s://%.*s", is_https ? "https" : "http", STR_ARG(rest));
    return true;
}

/* -- inside a cluster -- */

static bool server_variable(const struct kube_access *access, const char *name, str *value,
                            struct err *err)
{
    if (env_get(name, value) && value->len > 0)
        return true;
    return err_set(err,
                   "auth_type %s: the environment variable %s is not set, which Kubernetes sets "
                   "in every container; outside a cluster use auth_type kubeConfig",
                   kube_auth_names[access->auth], name);
}

static bool load_server_from_environment(struct kube_access *access, struct err *err)
{
    str host, port;
    if (!server_variable(access, "KUBERNETES_SERVICE_HOST", &host, err) ||
        !server_variable(access, "KUBERNETES_SERVICE_PORT", &port, err))
        return false;
    size_t pos;
    bool is_bare_ipv6 = str_find(host, STR(":"), &pos) && host.data[0] != '[';
    str url =
        arena_printf(&access->arena, is_bare_ipv6 ? "https://[%.*s]:%.*s" : "https://%.*s:%.*s",
                     STR_ARG(host), STR_ARG(port));
    if (!kube_access_set_server(access, url, true, err))
        return err_wrap(err, "KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT");
    return true;
}

static str service_account_directory(const struct kube_config *config)
{
    if (config->service_account_dir.len > 0)
        return config->service_account_dir;
    return STR("/var/run/secrets/kubernetes.io/serviceaccount");
}

/* The namespace is a convenience: without the file the Lease's namespace has to be configured. */
static void load_namespace_file(struct kube_access *access, str directory)
{
    str path = arena_printf(&access->arena, "%.*s/namespace", STR_ARG(directory));
    struct buf text;
    struct err ignored;
    buf_init(&text, 4096);
    if (file_read(path.data, &text, &ignored))
        access->namespace = arena_str(&access->arena, str_trim(buf_view(&text)));
    buf_deinit(&text);
}

static bool load_in_cluster(struct kube_access *access, const struct kube_config *config,
                            struct err *err)
{
    if (!load_server_from_environment(access, err))
        return false;
    str directory = service_account_directory(config);
    load_namespace_file(access, directory);
    if (access->auth == KUBE_AUTH_NONE) {
        access->insecure_skip_verify = true;
        return true;
    }
    access->token_path = arena_printf(&access->arena, "%.*s/token", STR_ARG(directory));
    access->ca.path = arena_printf(&access->arena, "%.*s/ca.crt", STR_ARG(directory));
    access->ca_is_optional = true;
    return true;
}

/* -- kubeconfig, with the way out for a pod -- */

static bool load_kubeconfig(struct kube_access *access, const struct kube_config *config,
                            const struct logger *logger, struct err *err)
{
    bool found;
    if (!kubeconfig_load(access, config, logger, &found, err))
        return false;
    if (found)
        return true;
    str directory = service_account_directory(config);
    str token_path = arena_printf(&access->arena, "%.*s/token", STR_ARG(directory));
    str host;
    if (config->context.len == 0 && env_get("KUBERNETES_SERVICE_HOST", &host) && host.len > 0 &&
        file_stamp(token_path.data) != 0) {
        log_info(logger, "No kubeconfig found; using the service account of this pod");
        access->auth = KUBE_AUTH_SERVICE_ACCOUNT;
        return load_in_cluster(access, config, err);
    }
    return err_set(err,
                   "auth_type kubeConfig: no kubeconfig found: none of the files in KUBECONFIG "
                   "exists, nor (if that is not set) $HOME/.kube/config");
}

static bool load(struct kube_access *access, const struct kube_config *config,
                 const struct logger *logger, struct err *err)
{
    switch (access->auth) {
    case KUBE_AUTH_NONE:
    case KUBE_AUTH_SERVICE_ACCOUNT:
        return load_in_cluster(access, config, err);
    case KUBE_AUTH_KUBECONFIG:
        return load_kubeconfig(access, config, logger, err);
    case KUBE_AUTH_TLS:
        return err_set(err, "auth_type tls is not supported: no setting says which certificate and "
                            "key to use (the OpenTelemetry Collector accepts the word and then "
                            "crashes); use auth_type kubeConfig with client-certificate and "
                            "client-key in the kubeconfig");
    }
    CHECK(false);
    return false;
}

struct kube_access *kube_access_load(const struct kube_config *config, const struct logger *logger,
                                     struct err *err)
{
    struct kube_access *access = mem_zalloc(sizeof *access);
    arena_init(&access->arena, ACCESS_ARENA_BYTES);
    access->auth = config->auth;
    if (load(access, config, logger, err))
        return access;
    kube_access_free(access);
    return NULL;
}

void kube_access_free(struct kube_access *access)
{
    if (access == NULL)
        return;
    arena_deinit(&access->arena);
    mem_free(access);
}
