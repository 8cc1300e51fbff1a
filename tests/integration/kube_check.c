/*
 * Checks the Kubernetes client and the Lease codec against a live API server.
 *
 *   kube_check ADMIN.kubeconfig [OTHER.kubeconfig ...]
 *
 * Everything in tests/unit/kube is our own idea of an API server; this is the same code against the real one. The suite of Lease
 * calls runs with each kubeconfig. Then, with the first one, which must be an administrator's, it makes a service account with
 * the smallest Role, a pod and a token bound to it, and runs the suite again the way a pod does.
 *
 * One line a check, "ok" or "FAIL"; exit status 1 if any failed. It writes to namespace `default` and cleans up.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "kube/lease.h"
#include "wire/json.h"
#include "wire/text.h"

#define SECOND_NS INT64_C(1000000000)
#define NAMESPACE "default"
#define LEASES "/apis/coordination.k8s.io/v1/namespaces/" NAMESPACE "/leases"

/* -- the check's own world -- */

struct check {
    struct loop *loop;
    struct logger logger;
    struct loop_timer guard;
    size_t failed, passed;
    const char *label; /* which credential */
    struct kube_client *client;
    char name[64];      /* of the Lease */
    bool is_done;       /* the call that is waited for */
    const char *events; /* of the watch that is waited for */
    /* the last answer */
    struct kube_result result;
    struct buf body, reason, message;
    struct lease lease; /* parsed from it, if it was one */
    bool is_http2;
};

static void print_log(void *arg, str line)
{
    (void)arg;
    fprintf(stderr, "%.*s", STR_ARG(line));
}

static int64_t wall(void *arg)
{
    struct check *c = arg;
    return c->loop == NULL ? 0 : loop_wall_ns(c->loop);
}

PRINTF_LIKE(3, 4) static bool expect(struct check *c, bool ok, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("%s %s: ", ok ? "ok  " : "FAIL", c->label);
    vprintf(format, args);
    va_end(args);
    if (!ok && c->result.err.text[0] != '\0')
        printf(" [%s]", c->result.err.text);
    printf("\n");
    fflush(stdout);
    *(ok ? &c->passed : &c->failed) += 1;
    return ok;
}

static void guard_fired(void *arg)
{
    struct check *c = arg;
    printf("FAIL %s: nothing for 30 s; the watch has seen \"%s\"\n", c->label,
           c->events == NULL ? "" : c->events);
    exit(1);
}

/* Until `*done`: others stop the loop for reasons of their own. */
static void run(struct check *c, const bool *done)
{
    loop_timer_set_after(&c->guard, 30 * SECOND_NS);
    while (!*done)
        loop_run(c->loop);
    loop_timer_clear(&c->guard);
}

/* -- calls -- */

static void keep_result(struct check *c, const struct kube_result *r)
{
    c->result = *r;
    buf_clear(&c->body);
    buf_clear(&c->reason);
    buf_clear(&c->message);
    buf_str(&c->body, r->body);
    buf_str(&c->reason, r->reason);
    buf_str(&c->message, r->message);
}

static void call_done(void *arg, const struct kube_result *r)
{
    struct check *c = arg;
    keep_result(c, r);
    c->is_done = true;
    loop_stop(c->loop);
}

static void send_and_wait(struct check *c, struct kube_request request)
{
    c->is_done = false;
    request.timeout_ms = 20000;
    request.on_done = call_done;
    request.arg = c;
    kube_send(c->client, &request);
    run(c, &c->is_done);
}

static void call_open(void *arg, const struct http_response *r)
{
    struct check *c = arg;
    c->is_http2 = http_response_is_http2(r);
}

/* True if the answer has that status and reason. */
static bool call(struct check *c, const char *method, const char *path, str body, int status,
                 const char *reason)
{
    send_and_wait(c, (struct kube_request){.lane = KUBE_LANE_LEASE,
                                           .method = method,
                                           .path = str_from(path),
                                           .body = body,
                                           .on_open = call_open});
    return c->result.outcome == HTTP_DONE && c->result.status == status &&
           str_eqz(buf_view(&c->reason), reason);
}

static const char *lease_url(struct check *c)
{
    static char url[512];
    snprintf(url, sizeof url, LEASES "/%s", c->name);
    return url;
}

/* As call, and reads the Lease in a good answer. */
static bool lease_call(struct check *c, const char *method, const char *path, const struct lease *l,
                       int status, const char *reason)
{
    struct buf body;
    buf_init(&body, 1 << 20);
    if (l != NULL)
        lease_print(&body, l);
    bool ok = call(c, method, path, buf_view(&body), status, reason);
    buf_deinit(&body);
    struct err err;
    if (ok && status < 300 && strcmp(method, "DELETE") != 0 &&
        !lease_parse(&c->lease, buf_view(&c->body), &err))
        return expect(c, false, "%s answered no Lease: %s", method, err.text);
    return ok;
}

static bool merge_patch(struct check *c, const char *patch)
{
    send_and_wait(c, (struct kube_request){.lane = KUBE_LANE_LIST,
                                           .method = "PATCH",
                                           .path = str_from(lease_url(c)),
                                           .body = str_from(patch),
                                           .content_type = "application/merge-patch+json"});
    return c->result.status == 200;
}

/* The text at a.b or a.b.c in the last answer; empty if absent. */
static str body_text(struct check *c, const char *a, const char *b, const char *d)
{
    struct json j;
    struct arena arena;
    const char *path[] = {a, b, d};
    size_t depth = 0;
    str key, found = STR_NONE;
    arena_init(&arena, 1024);
    json_init(&j, buf_view(&c->body));
    bool inside = json_object(&j);
    while (inside && json_key(&j, &key)) {
        if (!str_eqz(key, path[depth])) {
            json_skip(&j);
            continue;
        }
        depth++;
        if (depth == COUNT_OF(path) || path[depth] == NULL) {
            if (!json_get_string(&j, &arena, &found))
                found = STR_NONE;
            break;
        }
        inside = json_object(&j);
    }
    static char text[65536];
    snprintf(text, sizeof text, "%.*s", STR_ARG(found));
    arena_deinit(&arena);
    return str_from(text);
}

/* -- watching -- */

struct watching {
    struct check *check;
    struct lease_watch *watch;
    char events
        [4096]; /* "opened seen synced ...", without bookmarks: those come when the server likes */
    size_t bookmark_count;
    char resource_version[64];
    const char *until; /* waits for events that end so */
    bool is_there, is_over;
};

static void on_event(void *arg, enum lease_event event, const struct lease *lease,
                     const struct kube_result *result)
{
    static const char *const names[] = {"opened", "seen", "deleted", "synced", "bookmark", "ended"};
    struct watching *w = arg;
    size_t len = strlen(w->events);
    if (event == LEASE_BOOKMARK)
        w->bookmark_count++;
    else
        snprintf(w->events + len, sizeof w->events - len, "%s%s", len == 0 ? "" : " ",
                 names[event]);
    if (lease != NULL)
        snprintf(w->resource_version, sizeof w->resource_version, "%.*s",
                 STR_ARG(lease->resource_version));
    if (event == LEASE_ENDED) {
        keep_result(w->check, result);
        w->is_over = true;
    }
    w->is_there = w->is_over || str_ends_with(str_from(w->events), str_from(w->until));
    loop_stop(w->check->loop);
}

static bool watch_until(struct watching *w, const char *until)
{
    w->until = until;
    w->is_there = w->is_over || str_ends_with(str_from(w->events), str_from(until));
    w->check->events = w->events;
    run(w->check, &w->is_there);
    w->check->events = NULL;
    return str_ends_with(str_from(w->events), str_from(until));
}

static void watch_start(struct watching *w, struct check *c, bool initial, const char *version,
                        int64_t timeout_s)
{
    *w = (struct watching){.check = c, .until = "ended"};
    w->watch = lease_watch_start(c->client, STR(NAMESPACE), str_from(c->name), initial,
                                 str_from(version), timeout_s, 60000, on_event, w);
}

/* -- the suite -- */

static void check_no_lease(struct check *c)
{
    struct watching w;
    expect(c, lease_call(c, "GET", lease_url(c), NULL, 404, "NotFound"),
           "GET of a missing Lease: 404 NotFound");
    int64_t off = c->result.server_time_ns - loop_wall_ns(c->loop);
    expect(c, off > -10 * SECOND_NS && off < 10 * SECOND_NS, "Date header is read");
    watch_start(&w, c, true, "", 300);
    watch_until(&w, "synced");
    expect(c, strcmp(w.events, "opened synced") == 0, "initial watch without a Lease: \"%s\"",
           w.events);
    lease_watch_free(w.watch);
    send_and_wait(c, (struct kube_request){.method = "GET",
                                           .path = str_from(lease_url(c)),
                                           .accept = "application/vnd.kubernetes.protobuf"});
    expect(c,
           c->result.status == 404 && str_eqz(buf_view(&c->reason), "NotFound") &&
               c->message.len > 0,
           "Status in protobuf: %s", c->result.err.text);
    expect(c,
           call(c, "GET", "/apis/no.such.group/v1/things", STR_NONE, 404, "") ||
               c->result.status == 403,
           "unknown group: %s", c->result.err.text);
}

static void check_create(struct check *c, struct watching *w)
{
    struct lease l;
    lease_init(&l);
    l.name = str_from(c->name);
    l.namespace = STR(NAMESPACE);
    l.holder = STR("pod-1 \"quoted\" \xc3\xa9");
    l.duration_s = 15;
    l.renew_ns = l.acquire_ns =
        loop_wall_ns(c->loop) / SECOND_NS * SECOND_NS; /* six digits even of whole seconds */
    lease_annotation_set(&l, STR("baton.test/note"),
                         STR("{\"a\":\"line\\n\xf0\x9f\x98\x80\"}\n\ttab"));
    expect(c, lease_call(c, "POST", LEASES, &l, 201, ""), "POST: 201");
    expect(c, c->is_http2, "HTTP/2");
    expect(c, str_eq(c->lease.holder, l.holder) && c->lease.has_holder, "holder comes back");
    expect(c,
           str_eq(lease_annotation_get(&c->lease, STR("baton.test/note")), l.annotations[0].value),
           "annotation with escapes comes back");
    expect(c, c->lease.renew_ns == l.renew_ns && c->lease.acquire_ns == l.acquire_ns,
           "times come back");
    expect(c, c->lease.uid.len == 36 && c->lease.resource_version.len > 0,
           "uid and resourceVersion are there");
    expect(c, watch_until(w, "seen"), "the watch sees it");
    expect(c, str_eqz(c->lease.resource_version, w->resource_version),
           "with the resourceVersion of the answer");
    expect(c, lease_call(c, "POST", LEASES, &l, 409, "AlreadyExists"), "POST again: %s",
           c->result.err.text);
    lease_deinit(&l);
}

static void check_update(struct check *c, struct watching *w, struct check *stranger)
{
    struct lease l;
    lease_init(&l);
    lease_copy(&l, &c->lease);
    expect(c,
           merge_patch(stranger, "{\"metadata\":{\"labels\":{\"foreign\":\"1\"},\"annotations\":{"
                                 "\"foreign/a\":\"b \\\"c\\\"\"},"
                                 "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":"
                                 "\"ConfigMap\",\"name\":\"n\",\"uid\":\"u\"}]}}"),
           "a stranger adds label, annotation and owner");
    watch_until(w, "seen seen");
    l.renew_ns += SECOND_NS + 123456789;
    expect(c, lease_call(c, "PUT", lease_url(c), &l, 409, "Conflict"),
           "PUT with a stale resourceVersion: %s", c->result.err.text);
    lease_call(c, "GET", lease_url(c), NULL, 200, "");
    char created[64];
    snprintf(created, sizeof created, "%.*s",
             STR_ARG(body_text(c, "metadata", "creationTimestamp", NULL)));
    lease_copy(&l, &c->lease);
    l.renew_ns += SECOND_NS + 123456789;
    l.transitions++;
    expect(c, lease_call(c, "PUT", lease_url(c), &l, 200, ""), "PUT with the present one: 200");
    expect(c,
           c->lease.renew_ns == l.renew_ns / 1000 * 1000 && c->lease.transitions == l.transitions,
           "time is kept to the microsecond");
    expect(c, str_eqz(body_text(c, "metadata", "labels", "foreign"), "1"), "foreign label is kept");
    expect(c, str_eqz(lease_annotation_get(&c->lease, STR("foreign/a")), "b \"c\""),
           "foreign annotation is kept");
    size_t pos;
    expect(c, str_find(buf_view(&c->body), STR("\"ownerReferences\":[{"), &pos),
           "foreign owner is kept");
    expect(c,
           created[0] != '\0' &&
               str_eqz(body_text(c, "metadata", "creationTimestamp", NULL), created),
           "creationTimestamp stays though it is not sent");
    expect(c, watch_until(w, "seen seen seen"), "the watch sees the update");
    expect(c, !str_eqz(c->lease.resource_version, ""), "resourceVersion %.*s",
           STR_ARG(c->lease.resource_version));
    lease_copy(&l, &c->lease);
    l.resource_version = STR_NONE;
    expect(c, lease_call(c, "PUT", lease_url(c), &l, 422, "Invalid"),
           "PUT without resourceVersion: %s", c->result.err.text);
    expect(c, call(c, "PUT", lease_url(c), STR("{"), 400, "BadRequest"),
           "PUT of rubbish: 400 BadRequest");
    lease_deinit(&l);
}

static void check_release_and_delete(struct check *c, struct watching *w, struct check *admin)
{
    struct lease l;
    lease_init(&l);
    lease_call(c, "GET", lease_url(c), NULL, 200, "");
    lease_copy(&l, &c->lease);
    l.holder = STR_NONE;
    l.duration_s = 1;
    expect(c, lease_call(c, "PUT", lease_url(c), &l, 200, ""), "release: 200");
    expect(c, c->lease.has_holder && c->lease.holder.len == 0 && c->lease.duration_s == 1,
           "an empty holder is a field");
    lease_copy(&l, &c->lease);
    expect(c, lease_call(admin, "DELETE", lease_url(c), NULL, 200, ""), "DELETE: 200");
    expect(c, watch_until(w, "deleted"), "the watch sees it: \"%s\"", w->events);
    expect(c, resource_version_newer(str_from(w->resource_version), l.resource_version),
           "with a newer resourceVersion");
    expect(c, lease_call(c, "PUT", lease_url(c), &l, 409, "Conflict"),
           "PUT with the uid of a deleted Lease: %s", c->result.err.text);
    lease_deinit(&l);
}

static void check_watch_ends(struct check *c)
{
    struct watching w;
    size_t bookmark_count = 0;
    for (int tries = 0; tries < 5 && bookmark_count == 0;
         tries++) { /* a short watch may well end without one */
        if (tries > 0)
            lease_watch_free(w.watch);
        watch_start(&w, c, true, "", 6);
        watch_until(&w, "ended");
        expect(c,
               c->result.outcome == HTTP_DONE && c->result.status == 200 &&
                   strcmp(w.events, "opened synced ended") == 0,
               "watch ends by its time limit: \"%s\"", w.events);
        bookmark_count = w.bookmark_count;
    }
    expect(c, bookmark_count > 0, "bookmarks come");
    lease_watch_free(w.watch);
    /* On from the last bookmark. */
    char version[64];
    snprintf(version, sizeof version, "%s", w.resource_version);
    watch_start(&w, c, false, version, 1);
    watch_until(&w, "ended");
    expect(c,
           c->result.outcome == HTTP_DONE && c->result.status == 200 &&
               str_starts_with(str_from(w.events), STR("opened")),
           "watch from resourceVersion %s: \"%s\"", version, w.events);
    lease_watch_free(w.watch);
    watch_start(&w, c, true, "999999999999", 5);
    watch_until(&w, "ended");
    expect(c,
           c->result.status == 504 && str_eqz(buf_view(&c->reason), "Timeout") &&
               c->result.retry_after_ms > 0,
           "watch from the future: %s", c->result.err.text);
    lease_watch_free(w.watch);
    watch_start(&w, c, true, "rubbish", 5);
    watch_until(&w, "ended");
    expect(c, c->result.status >= 400 && c->message.len > 0, "watch from rubbish: %s",
           c->result.err.text);
    lease_watch_free(w.watch);
}

/* `admin` may do what the smallest Role does not allow: patch and delete. */
static void check_all(struct check *c, struct check *admin)
{
    struct watching w;
    uint64_t random = loop_random_u64(c->loop);
    snprintf(c->name, sizeof c->name, "kube-check-%016" PRIx64, random);
    if (admin != c)
        memcpy(admin->name, c->name, sizeof admin->name);
    check_no_lease(c);
    watch_start(&w, c, true, "", 300);
    watch_until(&w, "synced");
    check_create(c, &w);
    check_update(c, &w, admin);
    check_release_and_delete(c, &w, admin);
    lease_watch_free(w.watch);
    check_watch_ends(c);
}

static void check_init(struct check *c, struct check *from, const char *label)
{
    *c = (struct check){.loop = from->loop, .logger = from->logger, .label = label};
    loop_timer_init(c->loop, &c->guard, "guard", guard_fired, c);
    buf_init(&c->body, 1 << 20);
    buf_init(&c->reason, 1 << 16);
    buf_init(&c->message, 1 << 16);
    lease_init(&c->lease);
}

static void check_deinit(struct check *c, struct check *sum)
{
    kube_client_free(c->client);
    buf_deinit(&c->body);
    buf_deinit(&c->reason);
    buf_deinit(&c->message);
    lease_deinit(&c->lease);
    sum->failed += c->failed;
    sum->passed += c->passed;
}

static bool connect_with(struct check *c, const char *kubeconfig)
{
    struct err err;
    struct kube_config config = {.auth = KUBE_AUTH_KUBECONFIG,
                                 .kubeconfig_path = str_from(kubeconfig)};
    c->client = kube_client_new(c->loop, &c->logger, &config, &err);
    if (c->client == NULL)
        return expect(c, false, "%s", err.text);
    call(c, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews",
         STR("{\"kind\":\"SelfSubjectReview\",\"apiVersion\":\"authentication.k8s.io/v1\"}"), 201,
         "");
    str name = body_text(c, "status", "userInfo", "username");
    return expect(c, c->result.status == 201 && name.len > 0, "the server knows us as %.*s",
                  STR_ARG(name));
}

/* -- as a pod -- */

static void put_file(const char *dir, const char *name, str text)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    CHECK(f != NULL && fwrite(text.data, 1, text.len, f) == text.len && fclose(f) == 0);
}

PRINTF_LIKE(4, 5)
static bool post(struct check *admin, const char *path, int status, const char *format, ...)
{
    char body[4096];
    va_list args;
    va_start(args, format);
    vsnprintf(body, sizeof body, format, args);
    va_end(args);
    return expect(admin, call(admin, "POST", path, str_from(body), status, ""), "POST %s", path);
}

#define RBAC "/apis/rbac.authorization.k8s.io/v1/namespaces/" NAMESPACE

/* The account, its Role (any Lease name here, for the suite makes names up), its pod and a token bound to the pod. */
static bool make_account(struct check *admin, const char *account, char *token, size_t size,
                         char *pod_uid, size_t uid_size)
{
    char path[512];
    bool ok = post(admin, "/api/v1/namespaces/" NAMESPACE "/serviceaccounts", 201,
                   "{\"metadata\":{\"name\":\"%s\"}}", account) &&
              post(admin, RBAC "/roles", 201,
                   "{\"metadata\":{\"name\":\"%s\"},\"rules\":[{\"apiGroups\":[\"coordination.k8s."
                   "io\"],\"resources\":[\"leases\"],"
                   "\"verbs\":[\"get\",\"create\",\"update\",\"watch\"]}]}",
                   account) &&
              post(admin, RBAC "/rolebindings", 201,
                   "{\"metadata\":{\"name\":\"%s\"},\"roleRef\":{\"apiGroup\":\"rbac.authorization."
                   "k8s.io\",\"kind\":\"Role\","
                   "\"name\":\"%s\"},\"subjects\":[{\"kind\":\"ServiceAccount\",\"name\":\"%s\","
                   "\"namespace\":\"" NAMESPACE "\"}]}",
                   account, account, account) &&
              post(admin, "/api/v1/namespaces/" NAMESPACE "/pods", 201,
                   "{\"metadata\":{\"name\":\"%s\"},\"spec\":{\"serviceAccountName\":\"%s\","
                   "\"containers\":[{\"name\":\"c\","
                   "\"image\":\"x\"}]}}",
                   account, account);
    if (!ok)
        return false;
    snprintf(pod_uid, uid_size, "%.*s", STR_ARG(body_text(admin, "metadata", "uid", NULL)));
    snprintf(path, sizeof path, "/api/v1/namespaces/" NAMESPACE "/serviceaccounts/%s/token",
             account);
    ok = post(admin, path, 201,
              "{\"kind\":\"TokenRequest\",\"apiVersion\":\"authentication.k8s.io/"
              "v1\",\"spec\":{\"expirationSeconds\":3600,"
              "\"boundObjectRef\":{\"kind\":\"Pod\",\"apiVersion\":\"v1\",\"name\":\"%s\",\"uid\":"
              "\"%s\"}}}",
              account, pod_uid);
    snprintf(token, size, "%.*s", STR_ARG(body_text(admin, "status", "token", NULL)));
    return ok && token[0] != '\0';
}

static void remove_account(struct check *admin, const char *account)
{
    static const char *const collections[] = {RBAC "/roles", RBAC "/rolebindings",
                                              "/api/v1/namespaces/" NAMESPACE "/serviceaccounts",
                                              "/api/v1/namespaces/" NAMESPACE "/pods"};
    char path[512];
    for (size_t i = 0; i < COUNT_OF(collections); i++) {
        snprintf(path, sizeof path, "%s/%s", collections[i], account);
        call(admin, "DELETE", path, STR("{\"gracePeriodSeconds\":0}"), 200, "");
    }
}

/* The folder as a kubelet would fill it, with a token that is no good yet. */
static bool fill_folder(struct check *admin, const char *dir)
{
    if (!expect(admin,
                call(admin, "GET",
                     "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication",
                     STR_NONE, 200, ""),
                "read the CA from the cluster"))
        return false;
    put_file(dir, "ca.crt", body_text(admin, "data", "client-ca-file", NULL));
    put_file(dir, "namespace", STR(NAMESPACE "\n"));
    put_file(dir, "token", STR("not.a.token\n"));
    return true;
}

static void set_service_address(struct check *admin)
{
    str server = kube_client_server(admin->client), host, port, path;
    server = str_skip(server, strlen("https://"));
    str_cut(server, '/', &server, &path);
    size_t colon = server.len;
    while (colon > 0 && server.data[colon - 1] != ':')
        colon--;
    host = str_make(server.data, colon - 1);
    port = str_skip(server, colon);
    if (host.data[0] == '[')
        host = str_make(host.data + 1, host.len - 2);
    char text[256];
    snprintf(text, sizeof text, "%.*s", STR_ARG(host));
    setenv("KUBERNETES_SERVICE_HOST", text, 1);
    snprintf(text, sizeof text, "%.*s", STR_ARG(port));
    setenv("KUBERNETES_SERVICE_PORT", text, 1);
}

static void check_as_pod(struct check *admin, struct check *c, const char *account, const char *dir)
{
    static char token[16384];
    char pod_uid[64];
    struct err err;
    if (!make_account(admin, account, token, sizeof token, pod_uid, sizeof pod_uid) ||
        !fill_folder(admin, dir))
        return;
    set_service_address(admin);
    struct kube_config config = {.auth = KUBE_AUTH_SERVICE_ACCOUNT,
                                 .service_account_dir = str_from(dir)};
    c->client = kube_client_new(c->loop, &c->logger, &config, &err);
    if (c->client == NULL) {
        expect(c, false, "%s", err.text);
        return;
    }
    expect(c, call(c, "GET", LEASES "/none", STR_NONE, 401, "Unauthorized"), "bad token: %s",
           c->result.err.text);
    put_file(dir, "token", str_from(token));
    expect(c, call(c, "GET", LEASES "/none", STR_NONE, 404, "NotFound"),
           "the token was replaced: %s", c->result.err.text);
    str name, uid;
    bool found = kube_client_pod(c->client, &name, &uid);
    expect(c, found && str_eqz(name, account) && str_eqz(uid, pod_uid),
           "pod and uid from the token: %.*s %.*s", STR_ARG(name), STR_ARG(uid));
    expect(c, str_eqz(kube_client_namespace(c->client), NAMESPACE), "namespace from the file");
    expect(c,
           call(c, "GET", "/api/v1/namespaces/" NAMESPACE "/secrets", STR_NONE, 403, "Forbidden"),
           "%s", c->result.err.text);
    check_all(c, admin);
}

static void run_as_pod(struct check *admin)
{
    struct check c;
    char account[64], dir[] = "/tmp/kube_check_XXXXXX", path[64];
    CHECK(mkdtemp(dir) != NULL);
    snprintf(account, sizeof account, "kube-check-%016" PRIx64, loop_random_u64(admin->loop));
    check_init(&c, admin, "service account");
    check_as_pod(admin, &c, account, dir);
    remove_account(admin, account);
    check_deinit(&c, admin);
    static const char *const files[] = {"ca.crt", "namespace", "token", ""};
    for (size_t i = 0; i < COUNT_OF(files); i++) {
        snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        remove(path);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: kube_check ADMIN.kubeconfig [OTHER.kubeconfig ...]\n");
        return 2;
    }
    struct check root = {0}, admin;
    struct err err;
    root.logger.log = log_new(&(struct log_config){
        .level = LOG_INFO, .sink = print_log, .wall_ns = wall, .wall_arg = &root});
    root.loop = loop_new(&root.logger, &err);
    CHECK(root.loop != NULL);
    check_init(&admin, &root, argv[1]);
    if (connect_with(&admin, argv[1])) {
        check_all(&admin, &admin);
        for (int i = 2; i < argc; i++) {
            struct check other;
            check_init(&other, &root, argv[i]);
            if (connect_with(&other, argv[i]))
                check_all(&other, &admin);
            check_deinit(&other, &root);
        }
        run_as_pod(&admin);
    }
    check_deinit(&admin, &root);
    loop_free(root.loop);
    log_free(root.logger.log);
    printf("%zu ok, %zu failed\n", root.passed, root.failed);
    return root.failed == 0 && root.passed > 0 ? 0 : 1;
}
