/*
 * Where the API server is and with what to log in, as configuration, environment and kubeconfig files say it: fixed for the
 * life of a client. What changes (file contents, plugin runs) is kube/credentials.
 */
#ifndef KUBE_ACCESS_H
#define KUBE_ACCESS_H

#include "base/arena.h"
#include "base/log.h"
#include "kube/client.h"

/* PEM given as a file or as its text; the text wins. Both empty: none. */
struct pem_source {
    str path, text;
};
static inline bool pem_source_given(const struct pem_source *s)
{
    return s->path.len > 0 || s->text.len > 0;
}

struct key_value {
    str key, value;
};

/* users[].user.exec */
struct exec_config {
    str api_version;
    char **args;           /* NULL-terminated, args[0] is the command */
    char **env;            /* "NAME=value", NULL-terminated; KUBERNETES_EXEC_INFO is not among them */
    size_t env_count;
    str install_hint;      /* may be empty */
    bool provide_cluster_info;
    str cluster_config_json; /* extension of the cluster, JSON; may be empty */
};

struct kube_access {
    struct arena arena;
    enum kube_auth auth;
    str server; /* "https://host:port/prefix", no slash at the end */
    bool is_https;
    str namespace;
    /* TLS */
    struct pem_source ca, cert, key;
    bool ca_is_optional;   /* unreadable: a warning and the system's roots */
    bool insecure_skip_verify;
    str tls_server_name;
    str proxy_url;
    bool disable_compression;
    /* Credentials; only used over https */
    str token, token_path;
    bool has_basic;
    str username, password;
    struct exec_config *exec;
    /* Impersonation headers, "Name: value" */
    str *impersonation;
    size_t impersonation_count;
};

/* Reads environment and kubeconfig files (not tokens and certificates). Anything odd but harmless goes to the log. */
struct kube_access *kube_access_load(const struct kube_config *config, const struct logger *logger, struct err *err);
void kube_access_free(struct kube_access *access);

/* -- parts, for kube/kubeconfig -- */

/* "host:port", "https://host/prefix/" ... to access->server and is_https. Without a scheme: https if `default_https`. */
NODISCARD bool kube_access_set_server(struct kube_access *access, str text, bool default_https, struct err *err);
/* Fills `access` from kubeconfig files; *found is false (and true returned) if no file was there at all and none was demanded. */
NODISCARD bool kubeconfig_load(struct kube_access *access, const struct kube_config *config, const struct logger *logger,
                               bool *found, struct err *err);
/* One text instead of files, for tests and fuzzing; relative paths count from `directory`. */
NODISCARD bool kubeconfig_load_text(struct kube_access *access, str source, str directory, str text, str context,
                                    const struct logger *logger, struct err *err);

#endif
