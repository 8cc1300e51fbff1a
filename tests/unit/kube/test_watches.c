/* Watches over a connection: what is asked, what users are told and when, what is shared, what is left when it ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/limits.h"
#include "kube/watches.h"
#include "test_world.h"
#include "wire/pb.h"

#define MS INT64_C(1000000)
#define PROTOBUF "application/vnd.kubernetes.protobuf;stream=watch"
#define JSON "application/json"
#define OBJECT(name, uid, rv)                                                                      \
    "{\"metadata\":{\"name\":\"" name "\",\"uid\":\"00000000-0000-0000-0000-00000000000" uid       \
    "\",\"resourceVersion\":\"" rv "\"},\"status\":{\"phase\":\"Active\"}}"
#define EVENT(type, name, uid, rv) "{\"type\":\"" type "\",\"object\":" OBJECT(name, uid, rv) "}\n"
#define BOOKMARK(rv) "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" rv "\"}}}\n"
#define SYNCED(rv)                                                                                 \
    "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"" rv                   \
    "\",\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
#define ERROR_EVENT(code, reason)                                                                  \
    "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":" #code ",\"reason\":\"" reason "\"}}\n"
#define LIST(rv, token, items)                                                                     \
    "{\"kind\":\"NamespaceList\",\"metadata\":{\"resourceVersion\":\"" rv "\",\"continue\":\"" token "\"},\"items\":[" items "]}"

enum { ANSWERS_MAX = 32 };
struct answer {
    int status;
    const char *type;
    const char *body;
    size_t len;
    enum then { END, HOLD, CUT } then;
    const char *headers;
};
struct fixture {
    struct world w;
    struct test_server server;
    struct watches *set;
    struct watch_config config;
    char path[256];
    pthread_mutex_t lock;
    struct answer answers[ANSWERS_MAX];
    size_t answer_count, asked;
    char requests[ANSWERS_MAX][512];
    char accepts[ANSWERS_MAX][128];
    struct test_conn *held; /* the last connection that is kept open */
    bool lists_hang;        /* no streaming lists, and pages that take their time; whatever is prepared */
};

struct user {
    struct watch_user base;
    struct watch *watch;
    struct buf told; /* changes */
    int state_count;
    bool leaves, gives_back; /* when it is told of a state */
    bool is_slow, told_synced;
};

/* -- the server -- */

static void chunk(struct test_conn *c, const char *data, size_t len)
{
    conn_printf(c, "%zx\r\n", len);
    conn_write(c, data, len);
    conn_printf(c, "\r\n");
}

static void handle(struct test_conn *c, const struct test_request *r, void *arg)
{
    struct fixture *f = arg;
    static const struct answer nothing = {.status = 500, .body = "no answer is prepared"};
    static const struct answer no_streaming = {.status = 422, .body = "no streaming lists here"};
    static const struct answer slow_list = {.status = 200, .type = JSON, .body = "{", .len = 1, .then = HOLD};
    pthread_mutex_lock(&f->lock);
    struct answer a = f->asked < f->answer_count ? f->answers[f->asked] : nothing;
    if (f->lists_hang)
        a = strstr(r->text, "sendInitialEvents") != NULL ? no_streaming : slow_list;
    if (f->asked < ANSWERS_MAX) {
        snprintf(f->requests[f->asked], sizeof f->requests[0], "%.*s", (int)strcspn(r->text, "\r"), r->text);
        const char *accept = request_header(r, "accept");
        str_put(f->accepts[f->asked], sizeof f->accepts[0], str_from(accept == NULL ? "" : accept));
    }
    f->asked++;
    f->held = a.then == HOLD ? c : f->held;
    pthread_mutex_unlock(&f->lock);
    if (a.status != 200) {
        conn_answer(c, a.status, a.headers == NULL ? "" : a.headers, a.body);
        return;
    }
    conn_printf(c, "HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n", a.type);
    pthread_mutex_lock(&f->lock); /* tell_more waits for the end of the chunk */
    if (a.len > 0)
        chunk(c, a.body, a.len);
    pthread_mutex_unlock(&f->lock);
    if (a.then == HOLD)
        conn_wait_for_close(c);
    else if (a.then == CUT)
        c->ended = true;
    else
        conn_printf(c, "0\r\n\r\n");
}

static void prepare_bytes(struct fixture *f, const char *type, str body, enum then then)
{
    pthread_mutex_lock(&f->lock);
    CHECK(f->answer_count < ANSWERS_MAX);
    f->answers[f->answer_count++] =
        (struct answer){.status = 200, .type = type, .body = body.data, .len = body.len, .then = then};
    pthread_mutex_unlock(&f->lock);
}
static void prepare(struct fixture *f, const char *body, enum then then)
{
    prepare_bytes(f, JSON, str_from(body), then);
}
static void prepare_status(struct fixture *f, int status, const char *headers, const char *body)
{
    pthread_mutex_lock(&f->lock);
    f->answers[f->answer_count++] = (struct answer){.status = status, .headers = headers, .body = body};
    pthread_mutex_unlock(&f->lock);
}
/* More on the stream that is held. */
static void tell_more(struct fixture *f, const char *text)
{
    pthread_mutex_lock(&f->lock);
    chunk(f->held, text, strlen(text));
    pthread_mutex_unlock(&f->lock);
}
static size_t asked(struct fixture *f)
{
    pthread_mutex_lock(&f->lock);
    size_t count = f->asked;
    pthread_mutex_unlock(&f->lock);
    return count;
}

/* -- the world -- */

static const struct watch_periods periods = {
    .list_watch =
        {
            .backoff_min_ns = 2 * MS,
            .backoff_max_ns = 10 * MS,
            .backoff_reset_ns = 60000 * MS,
            .not_served_ns = 20 * MS,
            .forbidden_ns = 20 * MS,
        },
    .watch_idle_ms = 60000,
    .watch_first_ms = 60000,
    .streaming_idle_ms = 60000,
    .list_idle_ms = 60000,
    .linger_ms = 50,
};

static struct fixture *fixture_new(void)
{
    struct fixture *f = mem_zalloc(sizeof *f);
    struct buf text;
    world_init(&f->w);
    pthread_mutex_init(&f->lock, NULL);
    server_start(&f->server, false, NULL, handle, f);
    buf_init(&text, 4096);
    buf_printf(&text,
               "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
               "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%u'}}]\nusers: [{name: u, user: {token: very-secret}}]\n",
               f->server.port);
    str_put(f->path, sizeof f->path, str_from(world_put(&f->w, "config", buf_cstr(&text))));
    buf_deinit(&text);
    f->set = watches_new(f->w.loop, &f->w.logger);
    watches_set_periods(f->set, &periods);
    f->config = (struct watch_config){
        .kube = {.auth = KUBE_AUTH_KUBECONFIG, .kubeconfig_path = str_from(f->path)},
        .qps = 1000,
        .burst = 1000,
        .version = STR("v1"),
        .plural = STR("namespaces"),
        .codec = object_codec_of(KIND_NAMESPACE),
    };
    return f;
}

static void fixture_free(struct fixture *f)
{
    assert_int_equal(world_logged(&f->w, "very-secret"), 0);
    watches_free(f->set);
    server_stop(&f->server);
    world_deinit(&f->w);
    pthread_mutex_destroy(&f->lock);
    mem_free(f);
}

_Noreturn static void never(struct fixture *f, const char *condition)
{
    size_t count = asked(f);
    fail_msg("never: %s; %zu requests, the last is \"%s\"; log:\n%s", condition, count,
             count == 0 ? "" : f->requests[(count < ANSWERS_MAX ? count : ANSWERS_MAX) - 1], buf_cstr(&f->w.log_text));
    abort();
}

#define UNTIL(f, condition)                                                                        \
    do {                                                                                           \
        int64_t end_ns_ = loop_boot_ns((f)->w.loop) + 20000 * MS;                                  \
        while (!(condition)) {                                                                     \
            if (loop_boot_ns((f)->w.loop) > end_ns_)                                               \
                never(f, #condition);                                                              \
            world_run_for_ms(&(f)->w, 1);                                                          \
        }                                                                                          \
    } while (0)

static void on_change(void *arg, const struct watch_change *c)
{
    struct user *slow = arg;
    if (slow->is_slow && c->kind == WATCH_DELETED) { /* so that the sweep takes more than one slice */
        usleep(5000);
        slow->is_slow = false;
    }
    static const char *const kinds[] = {"+", "~", "-"};
    struct user *u = arg;
    const struct object *o = c->after != NULL ? c->after : c->before;
    buf_printf(&u->told, "%s%.*s%s@%" PRIu64 " ", kinds[c->kind], STR_ARG(object_name(o)), c->by_list ? "*" : "",
               c->resource_version);
}
static void on_state(void *arg)
{
    struct user *u = arg;
    u->state_count++;
    u->told_synced |= watch_is_synced(u->watch, &u->base);
    if (u->leaves)
        watch_leave(u->watch, &u->base);
    if (u->gives_back)
        watch_unref(u->watch);
}

static void user_join(struct user *u, struct watch *w, unsigned fields)
{
    *u = (struct user){.watch = w, .base = {.on_change = on_change, .on_state = on_state, .arg = u, .fields = fields}};
    buf_init(&u->told, 1 << 20);
    watch_join(w, &u->base);
}
static void expect_told(struct user *u, const char *expected)
{
    assert_string_equal(buf_cstr(&u->told), expected);
    buf_clear(&u->told);
}
static void user_end(struct user *u)
{
    watch_leave(u->watch, &u->base);
    watch_unref(u->watch);
    buf_deinit(&u->told);
}

static struct watch *get(struct fixture *f)
{
    struct err err;
    struct watch *w = watches_get(f->set, &f->config, &err);
    if (w == NULL)
        fail_msg("%s", err.text);
    return w;
}

static struct user *start(struct fixture *f, struct user *u)
{
    user_join(u, get(f), 0);
    return u;
}
static bool synced(struct user *u)
{
    return watch_is_synced(u->watch, &u->base);
}

static void expect_request(struct fixture *f, size_t index, const char *start_, const char *end)
{
    const char *text = f->requests[index];
    if (strncmp(text, start_, strlen(start_)) != 0 || strstr(text, end) == NULL)
        fail_msg("request %zu is \"%s\"", index, text);
}

/* -- tests -- */

static void test_streaming_list_and_changes(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    prepare(f, EVENT("ADDED", "a", "1", "10") EVENT("ADDED", "b", "2", "5") SYNCED("20"), HOLD);
    start(f, &u);
    assert_false(synced(&u));
    UNTIL(f, synced(&u));
    UNTIL(f, u.state_count == 1);
    expect_told(&u, "+a*@10 +b*@5 ");
    assert_true(str_eqz(watch_resource_version(u.watch), "20"));
    expect_request(f, 0, "GET /api/v1/namespaces?watch=true&allowWatchBookmarks=true&timeoutSeconds=",
                   "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan HTTP");
    assert_string_equal(f->accepts[0], "application/vnd.kubernetes.protobuf,application/json");
    assert_int_equal(world_logged(&f->w, "A watch is synced"), 1);
    tell_more(f, EVENT("MODIFIED", "a", "1", "21") EVENT("DELETED", "b", "2", "22") EVENT("DELETED", "who", "9", "23")
                     EVENT("ADDED", "b", "3", "24") BOOKMARK("30"));
    UNTIL(f, str_eqz(watch_resource_version(u.watch), "30"));
    expect_told(&u, "~a@21 -b@22 +b@24 ");
    assert_int_equal(watch_store(u.watch)->count, 2);
    struct watch_stats stats;
    watch_statistics(u.watch, &stats);
    assert_true(stats.object_count == 2 && stats.watch_requests == 1 && stats.lists == 0 && stats.events == 6 &&
                stats.decode_failures == 0 && stats.bytes > 0 && stats.bytes_received > 500);
    user_end(&u);
    fixture_free(f);
}

static void test_pages(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    prepare_status(f, 422, "", "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"code\":422}");
    prepare(f, LIST("20", "t/1", OBJECT("a", "1", "10")), END);
    prepare(f, LIST("20", "t2", OBJECT("b", "2", "11")), CUT); /* complete, however it ended */
    prepare(f, "{\"kind\":\"NamespaceList\",\"metadata\":{\"resourceVersion\":\"20\",\"continue\":\"t3\"},\"items\":["
               OBJECT("c", "3", "12"), CUT); /* not complete: the same page again */
    prepare(f, LIST("20", "", OBJECT("c", "3", "12") "," OBJECT("d", "4", "13")), END);
    prepare(f, "", HOLD);
    start(f, &u);
    UNTIL(f, synced(&u));
    expect_told(&u, "+a*@10 +b*@11 +c*@12 +d*@13 ");
    UNTIL(f, asked(f) == 6);
    expect_request(f, 1, "GET /api/v1/namespaces?limit=500 HTTP", "");
    expect_request(f, 2, "GET /api/v1/namespaces?limit=500&continue=t%2F1 HTTP", "");
    expect_request(f, 3, "GET /api/v1/namespaces?limit=500&continue=t2 HTTP", "");
    expect_request(f, 4, "GET /api/v1/namespaces?limit=500&continue=t2 HTTP", "");
    expect_request(f, 5, "GET /api/v1/namespaces?watch=true", "&resourceVersion=20 HTTP");
    user_end(&u);
    fixture_free(f);
}

/* The first bookmark of a watch may be later than those that follow: until it has come, there is more patience. */
static void test_quiet_watch_whose_first_bookmark_is_late_is_not_listed_again(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct watch_periods hasty = periods;
    struct user u;
    hasty.watch_idle_ms = 50;
    watches_set_periods(f->set, &hasty);
    prepare_status(f, 422, "", "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"code\":422}");
    prepare(f, LIST("20", "", OBJECT("a", "1", "10")), END);
    prepare(f, "", HOLD);
    start(f, &u);
    UNTIL(f, asked(f) == 3);
    world_run_for_ms(&f->w, 4 * hasty.watch_idle_ms);
    assert_int_equal(asked(f), 3);
    tell_more(f, BOOKMARK("30"));
    UNTIL(f, str_eqz(watch_resource_version(u.watch), "30"));
    prepare(f, LIST("30", "", ""), END);
    prepare(f, "", HOLD);
    UNTIL(f, asked(f) >= 4); /* and from then on the patience that bookmarks allow */
    user_end(&u);
    fixture_free(f);
}

/* After a 410 the list is put over what is there: what is the same is not told, what is gone is. */
static void test_relist(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    prepare(f, EVENT("ADDED", "a", "1", "10") EVENT("ADDED", "b", "2", "11") EVENT("ADDED", "c", "3", "12") SYNCED("20")
                   ERROR_EVENT(410, "Expired"), END);
    prepare(f, EVENT("ADDED", "c", "4", "30") EVENT("ADDED", "b", "2", "31") EVENT("ADDED", "a", "1", "10") SYNCED("40"), HOLD);
    start(f, &u);
    UNTIL(f, str_eqz(watch_resource_version(u.watch), "40"));
    expect_told(&u, "+a*@10 +b*@11 +c*@12 +c*@30 ~b*@31 -c*@0 ");
    assert_int_equal(world_logged(&f->w, "too old"), 1);
    user_end(&u);
    fixture_free(f);
}

/* The watch goes on, and tells of things, while the sweep of thousands of objects is still at work. */
static void test_sweep_in_slices(void **state)
{
    (void)state;
    enum { COUNT = 9000 };
    struct fixture *f = fixture_new();
    struct user u;
    struct buf first;
    buf_init(&first, 64 << 20);
    for (int i = 0; i < COUNT; i++)
        buf_printf(&first, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"n\",\"uid\":\"00000000-0000-0000-0000-%012x\","
                           "\"resourceVersion\":\"%d\"}}}\n", i + 4096, i + 1);
    buf_text(&first, SYNCED("10000") ERROR_EVENT(410, "Expired"));
    prepare_bytes(f, JSON, buf_view(&first), END);
    prepare(f, EVENT("ADDED", "a", "1", "20000") SYNCED("20001") EVENT("ADDED", "b", "2", "20002") EVENT("DELETED", "a", "1", "20003")
                   EVENT("ADDED", "a", "3", "20004") BOOKMARK("20005"), HOLD);
    start(f, &u);
    UNTIL(f, watch_store(u.watch)->count == 2 && str_eqz(watch_resource_version(u.watch), "20005"));
    size_t deletions = 0;
    for (const char *at = buf_cstr(&u.told); (at = strstr(at, "-n*@0 ")) != NULL; at++)
        deletions++;
    assert_int_equal(deletions, COUNT);
    assert_non_null(strstr(buf_cstr(&u.told), "+b@20002"));
    user_end(&u);
    buf_deinit(&first);
    fixture_free(f);
}

static void test_sharing(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u, v;
    prepare(f, EVENT("ADDED", "a", "1", "10") SYNCED("20"), HOLD);
    start(f, &u);
    UNTIL(f, synced(&u));
    struct watch *w = get(f);
    assert_ptr_equal(w, u.watch);
    user_join(&v, w, 0);
    assert_true(synced(&v)); /* at once, and it is told so */
    UNTIL(f, v.state_count == 1);
    expect_told(&v, ""); /* what is there is in the store */
    tell_more(f, EVENT("ADDED", "b", "2", "21"));
    UNTIL(f, watch_store(w)->count == 2);
    expect_told(&u, "+a*@10 +b@21 ");
    expect_told(&v, "+b@21 ");
    assert_int_equal(asked(f), 1);
    /* Another selector, namespace, kind or credential is another watch. */
    struct watch *others[4];
    f->config.label_selector = STR("a=b,c in (d)");
    others[0] = get(f);
    f->config.label_selector = STR_NONE;
    f->config.field_selector = STR("metadata.name=x");
    others[1] = get(f);
    f->config.field_selector = STR_NONE;
    f->config.group = STR("apps");
    f->config.plural = STR("deployments");
    f->config.namespaced = true;
    f->config.codec = object_codec_of(KIND_DEPLOYMENT);
    others[2] = get(f);
    f->config.namespace = STR("shop");
    others[3] = get(f);
    for (int i = 0; i < 4; i++) {
        assert_ptr_not_equal(others[i], w);
        assert_ptr_equal(watch_client(others[i]), watch_client(w)); /* one client */
        watch_unref(others[i]);
        for (int k = 0; k < i; k++)
            assert_ptr_not_equal(others[i], others[k]);
    }
    user_end(&u);
    tell_more(f, EVENT("DELETED", "b", "2", "22"));
    UNTIL(f, watch_store(w)->count == 1); /* the other one still uses it */
    expect_told(&v, "-b@22 ");
    user_end(&v);
    fixture_free(f);
}

static void test_labels_and_paths(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    prepare_status(f, 404, "Content-Type: text/plain\r\n", "404 page not found\n");
    f->config.group = STR("apps");
    f->config.plural = STR("deployments");
    f->config.namespaced = true;
    f->config.namespace = STR("shop");
    f->config.label_selector = STR("a=b,c in (d)");
    f->config.field_selector = STR("metadata.name=x");
    f->config.codec = object_codec_of(KIND_DEPLOYMENT);
    start(f, &u);
    UNTIL(f, watch_trouble(u.watch) == WATCH_NOT_SERVED);
    assert_true(str_eqz(watch_label(u.watch), "apps/v1 deployments in shop with labels a=b,c in (d) with fields metadata.name=x"));
    expect_request(f, 0, "GET /apis/apps/v1/namespaces/shop/deployments?watch=true",
                   "&labelSelector=a%3Db%2Cc%20in%20%28d%29&fieldSelector=metadata.name%3Dx HTTP");
    user_end(&u);
    char *many = mem_alloc(10000);
    memset(many, 'x', 10000);
    f->config.label_selector = str_make(many, 10000);
    struct err err;
    assert_null(watches_get(f->set, &f->config, &err));
    assert_non_null(strstr(err.text, "selectors of deployments are longer"));
    f->config.label_selector = STR_NONE;
    f->config.kube.kubeconfig_path = STR("/no/such/file");
    assert_null(watches_get(f->set, &f->config, &err));
    assert_non_null(strstr(err.text, "/no/such/file"));
    mem_free(many);
    fixture_free(f);
}

/* A later user that wants more: everything is listed again, the earlier one does not notice but for updates. */
static void test_more_fields(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u, v, x;
    prepare(f, EVENT("ADDED", "a", "1", "10") SYNCED("20"), HOLD);
    prepare(f, EVENT("ADDED", "a", "1", "10") SYNCED("21"), HOLD);
    start(f, &u);
    UNTIL(f, synced(&u));
    assert_null(object_meta(store_next(watch_store(u.watch), &(uint32_t){0})));
    user_join(&v, get(f), OBJECT_METADATA);
    assert_true(synced(&u) && !synced(&v));
    UNTIL(f, synced(&v));
    UNTIL(f, v.state_count >= 1);
    assert_true(synced(&u));
    assert_non_null(object_meta(store_next(watch_store(u.watch), &(uint32_t){0})));
    expect_told(&u, "+a*@10 ~a*@10 ");
    /* Fields that mean nothing to the kind cost nothing. */
    user_join(&x, get(f), OBJECT_METADATA | OBJECT_SPEC_IMAGE | OBJECT_STATES);
    assert_true(synced(&x));
    assert_int_equal(asked(f), 2);
    user_end(&x);
    user_end(&v);
    user_end(&u);
    /* Known before the start: read with them at once. */
    prepare(f, EVENT("ADDED", "a", "1", "10") SYNCED("22"), HOLD);
    f->config.fields = OBJECT_METADATA;
    struct watch *early = get(f);
    f->config.fields = 0;
    start(f, &u);
    UNTIL(f, synced(&u));
    user_join(&v, early, OBJECT_METADATA);
    assert_true(synced(&v));
    assert_int_equal(asked(f), 3);
    user_end(&v);
    user_end(&u);
    fixture_free(f);
}

static void test_linger(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    prepare(f, EVENT("ADDED", "a", "1", "10") SYNCED("20"), HOLD);
    prepare(f, EVENT("ADDED", "b", "2", "30") SYNCED("40"), HOLD);
    struct watch *w = get(f);
    w = get(f); /* a second reference, which outlives all uses */
    user_join(&u, w, 0);
    UNTIL(f, synced(&u));
    watch_leave(w, &u.base);
    buf_deinit(&u.told);
    user_join(&u, w, 0); /* a reload */
    assert_true(synced(&u));
    assert_int_equal(watch_store(w)->count, 1);
    assert_int_equal(asked(f), 1);
    watch_leave(w, &u.base);
    buf_deinit(&u.told);
    UNTIL(f, watch_store(w)->count == 0); /* nobody came */
    struct watch_stats stats;
    watch_statistics(w, &stats);
    assert_int_equal(stats.bytes, 0);
    assert_int_equal(watches_pool(f->set)->object_count, 0);
    user_join(&u, w, 0);
    assert_false(synced(&u));
    UNTIL(f, synced(&u));
    expect_told(&u, "+b*@30 ");
    watch_unref(w);
    user_end(&u);
    fixture_free(f);
}

/* A user may go while it is told of a state; the last reference may go with a full store. */
static void test_leaving_while_told(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u, v;
    prepare(f, EVENT("ADDED", "a", "1", "10") SYNCED("20"), HOLD);
    start(f, &u);
    user_join(&v, get(f), 0);
    u.leaves = u.gives_back = true;
    v.leaves = v.gives_back = true;
    UNTIL(f, u.state_count == 1 && v.state_count == 1);
    UNTIL(f, watches_pool(f->set)->object_count == 0);
    buf_deinit(&u.told);
    buf_deinit(&v.told);
    fixture_free(f);
}

static void test_end_of_everything_with_full_stores(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    prepare(f, EVENT("ADDED", "a", "1", "10") SYNCED("20"), HOLD);
    start(f, &u);
    UNTIL(f, synced(&u));
    user_end(&u);
    fixture_free(f); /* in the same turn */
    f = fixture_new();
    start(f, &u); /* nothing is answered yet */
    user_end(&u);
    fixture_free(f);
}

static void test_forbidden(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    static const char status[] = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"code\":403,\"message\":\"namespaces is forbidden\"}";
    for (int i = 0; i < 3; i++) {
        prepare_status(f, 403, "", status);
        prepare_status(f, 403, "", status);
    }
    prepare(f, EVENT("ADDED", "a", "1", "10") SYNCED("20"), HOLD);
    start(f, &u);
    UNTIL(f, watch_trouble(u.watch) == WATCH_FORBIDDEN);
    assert_true(synced(&u)); /* nothing to wait for */
    assert_non_null(strstr(watch_trouble_text(u.watch).data, "namespaces is forbidden"));
    UNTIL(f, u.state_count == 1);
    UNTIL(f, watch_trouble(u.watch) == WATCH_WELL);
    UNTIL(f, synced(&u) && watch_store(u.watch)->count == 1);
    assert_true(str_eqz(watch_trouble_text(u.watch), ""));
    assert_int_equal(world_logged(&f->w, "No permission"), 1);
    assert_int_equal(world_logged(&f->w, "ClusterRole: {apiGroups: [\\\"\\\"], resources: [\\\"namespaces\\\"], verbs: [\\\"list\\\", "
                                         "\\\"watch\\\"]}"), 1);
    assert_int_equal(world_logged(&f->w, "\"verb\": \"list\""), 1);
    assert_int_equal(world_logged(&f->w, "well again"), 1);
    user_end(&u);
    fixture_free(f);
}

static void test_not_served(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    for (int i = 0; i < 3; i++)
        prepare_status(f, 404, "", "404 page not found\n");
    prepare(f, EVENT("ADDED", "a", "1", "10") EVENT("ADDED", "b", "2", "11") SYNCED("20") EVENT("MODIFIED", "a", "1", "21"), END);
    prepare_status(f, 404, "", "404 page not found\n");
    start(f, &u);
    UNTIL(f, watch_trouble(u.watch) == WATCH_NOT_SERVED);
    assert_true(synced(&u));
    UNTIL(f, asked(f) >= 5);
    UNTIL(f, watch_trouble(u.watch) == WATCH_NOT_SERVED && watch_store(u.watch)->count == 0);
    UNTIL(f, synced(&u));
    expect_told(&u, "+a*@10 +b*@11 ~a@21 -a*@0 -b*@0 ");
    /* The line waits for what the server offers instead; the first one is left out if the watch is well again before. */
    UNTIL(f, world_logged(&f->w, "does not serve") >= 1);
    assert_true(world_logged(&f->w, "does not serve") <= 2);
    user_end(&u);
    fixture_free(f);
}

static void test_unreachable_is_said_once(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u, v;
    unsigned port = f->server.port;
    server_stop(&f->server);
    start(f, &u);
    f->config.label_selector = STR("a=b");
    start(f, &v);
    UNTIL(f, watch_trouble(u.watch) == WATCH_FAILING && watch_trouble(v.watch) == WATCH_FAILING);
    assert_int_equal(world_logged(&f->w, "cannot be reached"), 1);
    assert_false(synced(&u));
    (void)port;
    user_end(&u);
    user_end(&v);
    server_start(&f->server, false, NULL, handle, f);
    fixture_free(f);
}

static void test_an_outage_is_said_after_the_watch_that_said_the_last_one_has_left(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u, v;
    server_stop(&f->server);
    start(f, &u);
    f->config.label_selector = STR("a=b");
    struct watch *w = get(f); /* keeps the client */
    UNTIL(f, watch_trouble(u.watch) == WATCH_FAILING);
    user_end(&u);
    user_join(&v, w, 0);
    UNTIL(f, watch_trouble(w) == WATCH_FAILING);
    assert_int_equal(world_logged(&f->w, "cannot be reached"), 2);
    user_end(&v);
    server_start(&f->server, false, NULL, handle, f);
    fixture_free(f);
}

/* A frame of protobuf; `is_bad`: an object whose status is a number. */
static void put_frame(struct buf *out, const char *type, const char *name, char uid_end, const char *rv, bool is_bad, bool ends_initial)
{
    struct buf b;
    char uid[] = "00000000-0000-0000-0000-000000000000";
    uid[sizeof uid - 2] = uid_end;
    buf_init(&b, 65536);
    pb_put_bytes(&b, 1, str_from(type));
    size_t extension = pb_open(&b, 2), envelope = pb_open(&b, 1);
    buf_append(&b, "k8s\0", 4);
    size_t object = pb_open(&b, 2), meta = pb_open(&b, 1);
    pb_put_bytes(&b, 1, str_from(name));
    pb_put_bytes(&b, 5, str_from(name[0] == '\0' ? "" : uid));
    pb_put_bytes(&b, 6, str_from(rv));
    if (ends_initial) {
        size_t annotation = pb_open(&b, 12);
        pb_put_bytes(&b, 1, STR("k8s.io/initial-events-end"));
        pb_put_bytes(&b, 2, STR("true"));
        pb_close(&b, annotation);
    }
    pb_close(&b, meta);
    if (is_bad)
        pb_put_u64(&b, 3, 7);
    pb_close(&b, object);
    pb_close(&b, envelope);
    pb_close(&b, extension);
    unsigned char head[] = {0, 0, (unsigned char)(b.len >> 8), (unsigned char)b.len};
    buf_append(out, head, sizeof head);
    buf_str(out, buf_view(&b));
    buf_deinit(&b);
}

/* An object that cannot be read keeps its last state, and is not taken for gone by the next list. */
static void test_undecodable_objects(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    struct buf first, second;
    struct watch_stats stats;
    buf_init(&first, 1 << 16);
    buf_init(&second, 1 << 16);
    put_frame(&first, "ADDED", "a", '1', "10", false, false);
    put_frame(&first, "BOOKMARK", "", '0', "20", false, true);
    put_frame(&first, "MODIFIED", "a", '1', "21", true, false);
    put_frame(&first, "ADDED", "b", '2', "22", false, false);
    put_frame(&first, "DELETED", "b", '2', "23", true, false); /* deletions are told by their uid */
    put_frame(&first, "ADDED", "c", '3', "24", true, false);   /* never known */
    prepare_bytes(f, PROTOBUF, buf_view(&first), END);
    prepare_status(f, 410, "", "");
    put_frame(&second, "ADDED", "a", '1', "21", true, false);
    put_frame(&second, "BOOKMARK", "", '0', "30", false, true);
    prepare_bytes(f, PROTOBUF, buf_view(&second), HOLD);
    start(f, &u);
    UNTIL(f, str_eqz(watch_resource_version(u.watch), "30"));
    watch_statistics(u.watch, &stats);
    assert_int_equal(stats.decode_failures, 3);
    expect_told(&u, "+a*@10 +b@22 -b@23 ");
    assert_int_equal(watch_store(u.watch)->count, 1);
    expect_request(f, 1, "GET /api/v1/namespaces?watch=true", "&resourceVersion=24 HTTP"); /* the stream went on */
    assert_int_equal(world_logged(&f->w, "An object cannot be read"), 1);                  /* not for each */
    assert_int_equal(world_logged(&f->w, "\"name\": \"a\""), 1);
    user_end(&u);
    buf_deinit(&first);
    buf_deinit(&second);
    fixture_free(f);
}

/* Three times in a row: JSON from then on. */
static void test_protobuf_that_cannot_be_read(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    for (int i = 0; i < 3; i++)
        prepare_bytes(f, PROTOBUF, STR("\0\0\0\4rubbish"), END);
    prepare(f, EVENT("ADDED", "a", "1", "10") SYNCED("20"), HOLD);
    start(f, &u);
    UNTIL(f, synced(&u));
    assert_string_equal(f->accepts[2], "application/vnd.kubernetes.protobuf,application/json");
    assert_string_equal(f->accepts[3], "application/json");
    assert_int_equal(world_logged(&f->w, "goes on in JSON"), 1);
    assert_int_equal(world_logged(&f->w, "watch of namespaces: watch event: "), 2);
    user_end(&u);
    fixture_free(f);
}

static void test_answers_that_are_none(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    prepare_bytes(f, "text/html", STR("<html>"), END);
    prepare(f, "{\"kind\":\"Status\"}", END);
    prepare(f, "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"who\"}}}", END);
    prepare(f, EVENT("ADDED", "a", "1", "10") "{\"type\":\"ADD", CUT);
    prepare(f, EVENT("ADDED", "b", "2", "11") SYNCED("30"), HOLD);
    f->config.codec = object_codec_of(KIND_CLUSTER_RESOURCE_QUOTA); /* JSON only */
    start(f, &u);
    UNTIL(f, synced(&u));
    expect_told(&u, "+a*@10 +b*@11 -a*@0 ");
    assert_int_equal(asked(f), 5);
    for (int i = 0; i < 5; i++)
        assert_string_equal(f->accepts[i], "application/json");
    user_end(&u);
    fixture_free(f);
}

static void test_throttled(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    prepare_status(f, 429, "Retry-After: 1\r\n", "Too many requests");
    prepare(f, SYNCED("20"), HOLD);
    int64_t begin_ns = loop_boot_ns(f->w.loop);
    start(f, &u);
    UNTIL(f, synced(&u));
    assert_true(loop_boot_ns(f->w.loop) - begin_ns >= 1000 * MS);
    user_end(&u);
    fixture_free(f);
}

/* Lists take tokens and places; the first attempt of a watch takes none. */
static void test_lists_are_limited(void **state)
{
    (void)state;
    enum { USERS = 12 };
    struct fixture *f = fixture_new();
    struct user users[USERS];
    char names[USERS][16];
    f->lists_hang = true;
    f->config.qps = 0.0001;
    f->config.burst = 2;
    for (int i = 0; i < USERS; i++) {
        snprintf(names[i], sizeof names[i], "n=%d", i);
        f->config.label_selector = str_from(names[i]);
        start(f, &users[i]);
    }
    UNTIL(f, asked(f) == USERS + 2);
    world_run_for_ms(&f->w, 50);
    assert_int_equal(asked(f), USERS + 2);
    /* Another user of the client with more: the larger numbers win, and then the places are what is short. */
    f->config.qps = 1000;
    f->config.burst = 1000;
    f->config.label_selector = STR_NONE;
    struct watch *more = get(f);
    for (int i = 0; i < USERS; i++) { /* those that wait for a token have theirs already: they ask anew */
        user_end(&users[i]);
        f->config.label_selector = str_from(names[i]);
        start(f, &users[i]);
    }
    UNTIL(f, asked(f) == USERS + 2 + LIMIT_LISTS_AT_ONCE);
    world_run_for_ms(&f->w, 50);
    assert_int_equal(asked(f), USERS + 2 + LIMIT_LISTS_AT_ONCE);
    for (int i = 0; i < USERS; i++)
        user_end(&users[i]);
    watch_unref(more);
    fixture_free(f);
}

static void count_watch(void *arg, struct watch *w)
{
    (void)w;
    ++*(int *)arg;
}

static void test_each(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    int count = 0;
    watches_each(f->set, count_watch, &count);
    assert_int_equal(count, 0);
    struct watch *w = get(f);
    watches_each(f->set, count_watch, &count);
    assert_int_equal(count, 1);
    watch_unref(w);
    fixture_free(f);
}

/* Who waits for it is told that there is nothing to wait for, once the half is gone. */
static void test_half_a_list_that_becomes_forbidden(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    struct buf page;
    static const char status[] = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"code\":403,\"message\":\"no\"}";
    buf_init(&page, 4 * MIB);
    buf_text(&page, "{\"kind\":\"NamespaceList\",\"metadata\":{\"resourceVersion\":\"20\",\"continue\":\"t\"},\"items\":[");
    for (int i = 0; i < 3000; i++)
        buf_printf(&page, "%s{\"metadata\":{\"name\":\"n%d\",\"uid\":\"00000000-0000-0000-0000-%012d\",\"resourceVersion\":\"10\"}}",
                   i > 0 ? "," : "", i, i);
    buf_text(&page, "]}");
    prepare_status(f, 422, "", "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"code\":422}");
    prepare(f, buf_cstr(&page), END);
    for (int i = 0; i < 20; i++)
        prepare_status(f, 403, "", status);
    user_join(&u, get(f), 0);
    u.is_slow = true;
    UNTIL(f, watch_trouble(u.watch) == WATCH_FORBIDDEN);
    UNTIL(f, synced(&u));
    world_run_for_ms(&f->w, 300);
    assert_true(u.told_synced);
    user_end(&u);
    fixture_free(f);
    buf_deinit(&page);
}

/* A load balancer whose API servers are away answers for them: what was known stays known, as after any other error. */
static void test_a_404_of_a_proxy_empties_no_store(void **state)
{
    (void)state;
    struct fixture *f = fixture_new();
    struct user u;
    prepare(f, EVENT("ADDED", "a", "1", "10") EVENT("ADDED", "b", "2", "11") SYNCED("20") EVENT("MODIFIED", "a", "1", "21"), END);
    prepare_status(f, 404, "Content-Type: text/html\r\n", "<html><head><title>404 Not Found</title></head></html>\n");
    prepare(f, LIST("21", "", OBJECT("a", "1", "21")), END); /* has the server gone back? */
    prepare(f, EVENT("MODIFIED", "b", "2", "22"), HOLD);
    user_join(&u, get(f), 0);
    UNTIL(f, str_eqz(watch_resource_version(u.watch), "22"));
    expect_told(&u, "+a*@10 +b*@11 ~a@21 ~b@22 ");
    assert_true(synced(&u));
    user_end(&u);
    fixture_free(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streaming_list_and_changes),
        cmocka_unit_test(test_quiet_watch_whose_first_bookmark_is_late_is_not_listed_again),
        cmocka_unit_test(test_pages),
        cmocka_unit_test(test_relist),
        cmocka_unit_test(test_sweep_in_slices),
        cmocka_unit_test(test_sharing),
        cmocka_unit_test(test_labels_and_paths),
        cmocka_unit_test(test_more_fields),
        cmocka_unit_test(test_linger),
        cmocka_unit_test(test_leaving_while_told),
        cmocka_unit_test(test_end_of_everything_with_full_stores),
        cmocka_unit_test(test_forbidden),
        cmocka_unit_test(test_not_served),
        cmocka_unit_test(test_half_a_list_that_becomes_forbidden),
        cmocka_unit_test(test_a_404_of_a_proxy_empties_no_store),
        cmocka_unit_test(test_unreachable_is_said_once),
        cmocka_unit_test(test_an_outage_is_said_after_the_watch_that_said_the_last_one_has_left),
        cmocka_unit_test(test_undecodable_objects),
        cmocka_unit_test(test_protobuf_that_cannot_be_read),
        cmocka_unit_test(test_answers_that_are_none),
        cmocka_unit_test(test_throttled),
        cmocka_unit_test(test_lists_are_limited),
        cmocka_unit_test(test_each),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
