/*
 * The watch on the holder's pod.
 *
 * Life of a watch: dead_holder_follow with a holder of the right form -> a watch on that one pod, without a resourceVersion, so that it
 * begins with the pod as it is -> each state goes to the proof, and so does each version of the Lease -> a proof is told from a task ->
 * the holder changes, or this replica does not follow any more: the watch ends, the proof is forgotten.
 *
 * Invariants
 *  - one watch at most, and none unless this replica waits behind a holder whose pod can be named.
 *  - the Lease is shown to the proof before any state of the pod that arrives later: the order in which they were observed.
 *  - trouble with pods never reaches the election: no watch, no proof, and the Lease is claimed when it expires.
 */
#include "election/dead_holder.h"

#include "base/limits.h"
#include "election/note.h"
#include "kube/watch_stream.h"
#include "wire/text.h"

#define MS INT64_C(1000000)
#define SECOND_NS (1000 * MS)
#define RETRY_FIRST_NS (100 * MS)
#define RETRY_MAX_NS (5 * SECOND_NS)
#define DENIED_RETRY_NS (60 * SECOND_NS) /* RBAC is mended by people */

struct dead_holder {
    struct dead_holder_config config;
    struct logger logger;
    char *container_name;

    char *key;             /* uid of the Lease and its holder, NULL: nobody is followed */
    str pod_name, pod_uid; /* within the key */
    struct dead_proof proof;
    uint64_t told_version; /* of the Lease, 0: none */

    struct kube_call *call;
    struct watch_stream stream;
    bool has_stream;
    struct err broken; /* why the stream was given up; code -1 if it was */
    uint32_t failure_count;
    struct loop_timer timer; /* next watch */
    struct loop_task tell;
    bool denied_said, namespace_said, container_said;
};

static void watch_begin(struct dead_holder *d);

static void on_timer(void *arg)
{
    struct dead_holder *d = arg;
    if (d->key != NULL && d->call == NULL)
        watch_begin(d);
}

static void on_tell(void *arg)
{
    struct dead_holder *d = arg;
    if (d->key == NULL || d->told_version == d->proof.version)
        return;
    enum proof proof = dead_proof_judge(&d->proof);
    if (proof == PROOF_NONE)
        return;
    d->told_version = d->proof.version;
    d->config.on_proven(d->config.arg, d->told_version, proof); /* may free us */
}

struct dead_holder *dead_holder_new(const struct dead_holder_config *config)
{
    struct dead_holder *d = mem_zalloc(sizeof *d);
    d->config = *config;
    d->logger = *config->logger;
    d->container_name = str_dup(config->container_name);
    loop_timer_init(config->loop, &d->timer, "watch of the holder's pod", on_timer, d);
    loop_task_init(config->loop, &d->tell, "dead holder", on_tell, d);
    return d;
}

static void watch_end(struct dead_holder *d)
{
    if (d->call != NULL)
        kube_cancel(d->call);
    d->call = NULL;
    if (d->has_stream)
        watch_stream_deinit(&d->stream);
    d->has_stream = false;
    loop_timer_clear(&d->timer);
}

static void forget(struct dead_holder *d)
{
    if (d->key == NULL)
        return;
    watch_end(d);
    loop_task_cancel(&d->tell);
    dead_proof_deinit(&d->proof);
    mem_free(d->key);
    d->key = NULL;
    d->told_version = 0;
    d->failure_count = 0;
}

void dead_holder_free(struct dead_holder *d)
{
    if (d == NULL)
        return;
    forget(d);
    mem_free(d->container_name);
    mem_free(d);
}

/* ---- the pod ---- */

static void say_container(struct dead_holder *d)
{
    if (d->container_said || !dead_proof_lacks_container(&d->proof))
        return;
    d->container_said = true;
    log_warn(&d->logger,
             "The pod of the Lease's holder has no container of this name: set container_name to "
             "the collector's container, or the holder's end is not noticed before the Lease "
             "expires",
             F_CSTR("container_name", d->container_name), F_STR("pod", d->pod_name));
}

static void pod_came(struct dead_holder *d, str json)
{
    struct err err;
    if (!dead_proof_see_pod(&d->proof, json, &err)) {
        log_debug(&d->logger, "The pod of the Lease's holder cannot be read",
                  F_STR("pod", d->pod_name), F_ERR(&err));
        return;
    }
    d->failure_count = 0;
    say_container(d);
    loop_task_post(&d->tell);
}

static void on_open(void *arg, const struct http_response *r)
{
    struct dead_holder *d = arg;
    str type = STR_NONE;
    (void)http_response_header(r, "content-type", &type);
    d->has_stream = watch_stream_init(&d->stream, false, type, &d->broken);
    if (!d->has_stream) {
        d->broken.code = -1;
        return;
    }
    if (d->denied_said)
        log_info(&d->logger, "The pod of the Lease's holder can be watched now",
                 F_STR("pod", d->pod_name));
    d->denied_said = false;
}

/* False ends the stream. */
static bool on_data(void *arg, str data)
{
    struct dead_holder *d = arg;
    while (d->has_stream) {
        switch (watch_stream_next(&d->stream, &data, &d->broken)) {
        case STREAM_MORE:
            return true;
        case STREAM_OBJECT:
            pod_came(d, d->stream.bytes);
            break;
        case STREAM_ERROR:
            return false; /* 410 and the like: a new watch begins with the present state */
        case STREAM_BROKEN:
            d->broken.code = -1;
            return false;
        default: /* bookmarks; and a pod that is gone proves nothing: what was seen before stays */
            break;
        }
    }
    return false;
}

static void say_denied(struct dead_holder *d, const struct err *err)
{
    if (d->denied_said)
        return;
    d->denied_said = true;
    struct buf role;
    buf_init(&role, 4 * KIB);
    buf_printf(&role,
               "{apiVersion: rbac.authorization.k8s.io/v1, kind: Role, metadata: {name: "
               "baton-pods, namespace: %.*s}, rules: [{apiGroups: [\"\"], resources: [pods], "
               "verbs: [get, watch]}]}",
               STR_ARG(d->config.namespace));
    if (d->config.demanded)
        log_warn(&d->logger,
                 "No permission to watch the pod of the Lease's holder (dead_holder_check: true): "
                 "after a crash the Lease is claimed when it expires, and not before; apply this "
                 "Role and bind it to the collector's service account",
                 F_STR("role", buf_view(&role)), F_ERR(err));
    else
        log_debug(&d->logger,
                  "No permission to watch the pod of the Lease's holder: after a crash the Lease "
                  "is claimed when it expires, and not before",
                  F_STR("role", buf_view(&role)), F_ERR(err));
    buf_deinit(&role);
}

static int64_t retry_delay_ns(struct dead_holder *d)
{
    int64_t delay_ns = RETRY_FIRST_NS << (d->failure_count < 8 ? d->failure_count : 8);
    d->failure_count++;
    delay_ns = delay_ns < RETRY_MAX_NS ? delay_ns : RETRY_MAX_NS;
    return delay_ns / 2 + (int64_t)(loop_random_u64(d->config.loop) % (uint64_t)(delay_ns / 2));
}

static void on_done(void *arg, const struct kube_result *result)
{
    struct dead_holder *d = arg;
    d->call = NULL;
    watch_end(d);
    int64_t delay_ns = retry_delay_ns(d);
    if (result->outcome == HTTP_DONE && result->status == 403) {
        say_denied(d, &result->err);
        delay_ns = DENIED_RETRY_NS;
    } else if (d->broken.code == -1) {
        log_debug(&d->logger, "The watch on the holder's pod is not readable", F_ERR(&d->broken));
    } else if (result->outcome != HTTP_DONE || result->status >= 300) {
        log_debug(&d->logger, "The watch on the holder's pod ended", F_ERR(&result->err));
    }
    loop_timer_set_after(&d->timer, delay_ns);
}

static void watch_begin(struct dead_holder *d)
{
    struct buf path, query;
    buf_init(&path, 4 * KIB);
    buf_init(&query, 8 * KIB);
    buf_printf(&path, "/api/v1/namespaces/%.*s/pods", STR_ARG(d->config.namespace));
    buf_text(&query, "watch=true&allowWatchBookmarks=true&fieldSelector=metadata.name%3D");
    url_encode(&query, d->pod_name);
    /* Between 5 and 10 minutes, as client-go does. */
    buf_printf(&query, "&timeoutSeconds=%u",
               300 + (unsigned)(loop_random_u64(d->config.loop) % 300));
    d->broken = (struct err){0};
    d->call = kube_send(d->config.client, &(struct kube_request){
                                              .lane = KUBE_LANE_LEASE, /* one small object */
                                              .method = "GET",
                                              .path = buf_view(&path),
                                              .query = buf_view(&query),
                                              .idle_timeout_ms = LIMIT_WATCH_IDLE_MS,
                                              .stream = true,
                                              .on_open = on_open,
                                              .on_data = on_data,
                                              .on_done = on_done,
                                              .arg = d,
                                          });
    buf_deinit(&path);
    buf_deinit(&query);
}

/* ---- the Lease ---- */

static bool is_followed(const struct dead_holder *d, const struct lease *lease)
{
    str uid, holder;
    return d->key != NULL && str_cut(str_from(d->key), '\n', &uid, &holder) &&
           str_eq(uid, lease->uid) && str_eq(holder, lease->holder);
}

/* Pods of replicas are in their own namespace; a Lease in another one says nothing about where its holders are. */
static bool namespace_fits(struct dead_holder *d)
{
    str own = kube_client_namespace(d->config.client);
    if (own.len == 0 || str_eq(own, d->config.namespace))
        return true;
    if (!d->namespace_said && d->config.demanded)
        log_warn(&d->logger,
                 "dead_holder_check has no effect: the Lease is not in the namespace of this "
                 "replica, so the pod of its holder cannot be found",
                 F_STR("lease_namespace", d->config.namespace), F_STR("namespace", own));
    d->namespace_said = true;
    return false;
}

static void begin(struct dead_holder *d, const struct lease *lease)
{
    str name, uid;
    if (!holder_identity_split(lease->holder, &name, &uid) || !namespace_fits(d))
        return;
    size_t len;
    struct buf key;
    buf_init(&key, 4 * KIB);
    buf_printf(&key, "%.*s\n%.*s", STR_ARG(lease->uid), STR_ARG(lease->holder));
    if (key.overflow) {
        buf_deinit(&key);
        return;
    }
    d->key = buf_take(&key, &len);
    CHECK(holder_identity_split(str_from(d->key + lease->uid.len + 1), &d->pod_name, &d->pod_uid));
    dead_proof_init(&d->proof, d->pod_uid, str_from(d->container_name));
    watch_begin(d);
}

void dead_holder_follow(struct dead_holder *d, const struct lease *lease)
{
    uint64_t version;
    bool is_held = lease != NULL && lease->holder.len > 0 && lease->uid.len > 0 &&
                   str_to_u64(lease->resource_version, &version);
    if (d->key != NULL && (!is_held || !is_followed(d, lease)))
        forget(d);
    if (!is_held)
        return;
    if (d->key == NULL)
        begin(d, lease);
    if (d->key == NULL || version == d->proof.version)
        return;
    str incarnation, rest;
    str_cut(lease_annotation_get(lease, STR(INCARNATION_ANNOTATION)), '/', &incarnation, &rest);
    dead_proof_see_lease(&d->proof, version, incarnation, lease->acquire_ns);
    loop_task_post(&d->tell);
}
