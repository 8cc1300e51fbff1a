/*
 * The API server: where it is, who we are, and requests to it. Credentials: serviceAccount (token file, re-read), kubeConfig
 * (all of client-go's rules that matter to a daemon, exec plugins included), none. Tokens are re-read on rotation and on 401.
 * Specification: kubernetes client-go (clientcmd, rest, transport), Kubernetes API conventions.
 */
#ifndef KUBE_CLIENT_H
#define KUBE_CLIENT_H

#include "io/http_client.h"

enum kube_auth { KUBE_AUTH_NONE, KUBE_AUTH_SERVICE_ACCOUNT, KUBE_AUTH_KUBECONFIG, KUBE_AUTH_TLS };
/* Texts of auth_type: none, serviceAccount, kubeConfig, tls. */
extern const char *const kube_auth_names[]; /* NULL-terminated, in the order of the enum */

struct kube_config {
    enum kube_auth auth;
    str context;               /* kubeConfig: instead of current-context; may be empty */
    str kubeconfig_path;       /* explicit file instead of KUBECONFIG and ~/.kube/config; may be empty */
    str service_account_dir;   /* empty: /var/run/secrets/kubernetes.io/serviceaccount */
};

struct kube_client;
/* Reads configuration and credentials; does not connect. An exec plugin runs at the first request. err names file and field. */
struct kube_client *kube_client_new(struct loop *loop, const struct logger *logger, const struct kube_config *config, struct err *err);
/* Cancels all calls without calling back. */
void kube_client_free(struct kube_client *client);
/* "https://10.0.0.1:443": for log lines. */
str kube_client_server(const struct kube_client *client);
/* Namespace of the context or of the service account's file; empty if neither says one. */
str kube_client_namespace(const struct kube_client *client);
/* Two clients with the same server, credentials and options are the same for sharing; texts are equal then. Holds no secret (hashes). */
str kube_client_key(const struct kube_client *client);
/* Pod name and uid from the claims of a bound service account token (kubernetes.io.pod.{name,uid}); false if the credential has none. */
bool kube_client_pod(const struct kube_client *client, str *pod_name, str *pod_uid);

/* Who is asked for: requests that must not wait for others go over connections of their own. */
enum kube_lane { KUBE_LANE_LEASE, KUBE_LANE_WATCH, KUBE_LANE_LIST, KUBE_LANE_COUNT };

/* New requests of this lane get connections of their own: the one that is there is hung. Requests under way stay on theirs. */
void kube_client_drop_connections(struct kube_client *client, enum kube_lane lane);

struct kube_result {
    enum http_outcome outcome;
    int status;               /* HTTP status, 0 if there was no answer; 502 for any error that is a page of somebody in between */
    str reason;               /* of the Status object, e.g. "Conflict", "AlreadyExists", "Expired"; empty if none */
    str message;
    str body;                 /* buffered answers below 300 */
    int64_t retry_after_ms;   /* -1 if not said */
    int64_t server_time_ns;   /* Date header, 0 if none */
    bool credentials_failed;  /* exec plugin or token file: nothing was sent, err says why */
    struct err err;           /* for logs, set unless status < 300: verb, path, status, reason, message */
};
struct kube_request {
    enum kube_lane lane;
    const char *method;
    str path;                 /* "/apis/coordination.k8s.io/v1/..." */
    str query;                /* without '?', encoded; may be empty */
    str body;                 /* JSON unless content_type says otherwise; copied */
    const char *content_type, *accept; /* NULL: application/json */
    int64_t timeout_ms, idle_timeout_ms;
    bool stream, fresh_connection;
    size_t body_max;
    size_t piece_bytes_max;   /* see http_client.h: the end may come late, trust the content */
    bool (*on_data)(void *arg, str data); /* streams */
    void (*on_open)(void *arg, const struct http_response *r); /* streams: headers with status < 300 are there; may be NULL */
    void (*on_leave)(void *arg); /* streams, see http_client.h; may be NULL */
    void (*on_done)(void *arg, const struct kube_result *result);
    void *arg;
};
struct kube_call;
/* Callbacks come later, from the loop. On 401 the credential is renewed and the request sent once more (it was not executed). */
struct kube_call *kube_send(struct kube_client *client, const struct kube_request *request);
void kube_cancel(struct kube_call *call);

#endif
