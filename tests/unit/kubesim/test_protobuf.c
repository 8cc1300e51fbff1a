/* Answers in protobuf: objects, lists, errors, watches; what a fault does to them. That the fields are right is shown against a real
 * server by tests/integration/kubesim_protobuf_cases.py; here it is the frames around them, and that JSON and protobuf say the same. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "kubesim/proto.h"
#include "wire/pb.h"
#include "wire/text.h"

#define PROTOBUF "application/vnd.kubernetes.protobuf"
#define PODS "/api/v1/namespaces/default/pods"
#define INITIAL "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w, NULL);
    return 0;
}

static int setup_openshift(void **state)
{
    struct kubesim_config config = {.openshift = true};
    (void)state;
    world_init(&w, &config);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_deinit(&w);
    return 0;
}

static struct answer ask_as(const char *method, const char *path, const char *accept,
                            const char *body)
{
    return ask(&w, (struct asked){.method = method, .path = path, .accept = accept, .body = body});
}

static struct answer get_protobuf(const char *path)
{
    return ask_as("GET", path, PROTOBUF ",application/json", NULL);
}

/* The object in an envelope; its kind goes to *kind. */
static str open_envelope(str body, str *version, str *kind)
{
    str raw = STR_NONE;
    struct pb p, type;
    assert_true(str_starts_with(body, str_make("k8s", 4)));
    pb_init(&p, str_skip(body, 4));
    for (uint32_t field = 1; field <= 4; field++) {
        assert_true(pb_next(&p));
        assert_int_equal(p.field, field);
        if (field == 2) {
            raw = pb_bytes(&p);
        } else if (field == 1) {
            type = pb_message(&p);
            assert_true(pb_next(&type) && type.field == 1);
            *version = pb_bytes(&type);
            assert_true(pb_next(&type) && type.field == 2);
            *kind = pb_bytes(&type);
            assert_false(pb_next(&type));
        } else {
            assert_int_equal(pb_bytes(&p).len, 0);
        }
    }
    assert_false(pb_next(&p));
    assert_false(pb_failed(&p));
    return raw;
}

static const struct sim_kind *kind_named(const char *name)
{
    for (size_t i = 0; sim_kinds_builtin[i] != NULL; i++) {
        if (strcmp(sim_kinds_builtin[i]->kind, name) == 0)
            return sim_kinds_builtin[i];
    }
    fail();
    return NULL;
}

/* A message of the kind as the tree that JSON would have given. */
static struct dom *read_message(const struct sim_kind *kind, str message)
{
    struct buf b;
    struct err err;
    struct sim_schema_report report = {.arena = &w.arena};
    buf_init(&b, (size_t)1 << 24);
    proto_envelope_begin(&b, &(struct proto_type){"", "", ""}, message.len);
    buf_str(&b, message);
    proto_envelope_end(&b);
    struct dom *d =
        proto_read(&w.arena, arena_str(&w.arena, buf_view(&b)), kind->fields, true, &err);
    buf_deinit(&b);
    assert_non_null(d);
    d = schema_apply(kind, d, &report);
    assert_false(report.failed);
    return d;
}

static const char *hex(str bytes)
{
    struct buf b;
    buf_init(&b, (size_t)1 << 20);
    hex_encode(&b, bytes);
    const char *text = arena_cstr(&w.arena, buf_view(&b));
    buf_deinit(&b);
    return text;
}

/* -- objects and lists -- */

/* The example of a Lease, whose bytes were made by another encoder. */
static void test_bytes_of_a_lease(void **state)
{
    (void)state;
    assert_answer(post(&w, LEASES,
                       "{\"metadata\":{\"name\":\"otel-c\"},\"spec\":{\"holderIdentity\":\"pod-a\","
                       "\"leaseDurationSeconds\":15,\"acquireTime\":\"" T0
                       "\",\"renewTime\":\"2026-01-02T03:04:15.500000Z\",\"leaseTransitions\":0}}"),
                  201, NULL);
    str version, kind, raw = open_envelope(get_protobuf(LEASES "/otel-c").body, &version, &kind);
    assert_true(str_eqz(version, "coordination.k8s.io/v1"));
    assert_true(str_eqz(kind, "Lease"));
    const char *text = hex(raw);
    /* metadata: name, generateName empty, namespace, selfLink empty, uid */
    assert_non_null(strstr(text, "0a066f74656c2d6312001a0764656661756c7422002a24"));
    /* generation 0, creationTimestamp with nanos 0, then spec */
    assert_non_null(strstr(text, "38004208"));
    assert_non_null(strstr(text, "1226"
                                 "0a05706f642d61"
                                 "100f"
                                 "1a0b08a5ebdcca06108094ef3a"
                                 "220c08afebdcca061080cab5ee01"
                                 "2800"));
}

static void test_list(void **state)
{
    str version, kind, raw;
    struct pb p, meta;
    (void)state;
    for (int i = 0; i < 3; i++) {
        char body[100];
        snprintf(body, sizeof body, "{\"metadata\":{\"name\":\"p%d\"}}", i);
        assert_answer(post(&w, PODS, body), 201, NULL);
    }
    struct answer a = get_protobuf(PODS "?limit=2");
    raw = open_envelope(a.body, &version, &kind);
    assert_true(str_eqz(kind, "PodList"));
    pb_init(&p, raw);
    assert_true(pb_next(&p) && p.field == 1);
    meta = pb_message(&p);
    assert_true(pb_next(&meta) && meta.field == 1 && pb_bytes(&meta).len == 0);
    assert_true(pb_next(&meta) && meta.field == 2 && str_eqz(pb_bytes(&meta), "8"));
    assert_true(pb_next(&meta) && meta.field == 3 && pb_bytes(&meta).len > 0);
    assert_true(pb_next(&meta) && meta.field == 4 && pb_i64(&meta) == 1);
    for (int i = 0; i < 2; i++) {
        assert_true(pb_next(&p) && p.field == 2);
        struct dom *pod = read_message(kind_named("Pod"), pb_bytes(&p));
        assert_string_equal(text_at(&w, pod, "metadata.name"), i == 0 ? "p0" : "p1");
        assert_string_equal(text_at(&w, pod, "status.phase"), "Pending");
    }
    assert_false(pb_next(&p));
    /* An empty list still says at which version. */
    raw = open_envelope(get_protobuf("/apis/apps/v1/deployments").body, &version, &kind);
    assert_string_equal(hex(raw), "0a070a00120138"
                                  "1a00");
}

/* JSON and protobuf of everything in a generated cluster, also of its long lists. */
static void test_same_in_both_forms(void **state)
{
    struct err err;
    (void)state;
    assert_true(kubesim_generate(w.sim, STR("pods=400,persistentvolumes=0"), &err));
    for (size_t i = 0; sim_kinds_builtin[i] != NULL; i++) {
        const struct sim_kind *k = sim_kinds_builtin[i];
        char path[200];
        str version, kind;
        struct pb p;
        snprintf(path, sizeof path, "/%s%s/%s/%s", k->group[0] == '\0' ? "api" : "apis/", k->group,
                 k->version, k->plural);
        const struct dom *json = at(get(&w, path).json, "items");
        struct dom *item = json->first;
        pb_init(&p, open_envelope(get_protobuf(path).body, &version, &kind));
        assert_true(str_eqz(kind, k->list_kind));
        assert_true(pb_next(&p) && p.field == 1);
        pb_skip(&p);
        for (; pb_next(&p); item = item->next) {
            struct dom *object = read_message(k, pb_bytes(&p));
            assert_non_null(item);
            dom_remove(dom_getz(item, "metadata"), STR("managedFields"));
            if (!dom_equal(item, object))
                print_message("%s\n%s\n", text_at(&w, item, ""), text_at(&w, object, ""));
            assert_true(dom_equal(item, object));
        }
        assert_false(pb_failed(&p));
        assert_null(item);
    }
}

static void test_errors(void **state)
{
    str version, kind, raw;
    struct pb p;
    uint64_t code = 0;
    (void)state;
    struct answer a = get_protobuf(PODS "/nope");
    assert_int_equal(a.status, 404);
    raw = open_envelope(a.body, &version, &kind);
    assert_true(str_eqz(version, "v1") && str_eqz(kind, "Status"));
    pb_init(&p, raw);
    while (pb_next(&p)) {
        if (p.field == 2)
            assert_true(str_eqz(pb_bytes(&p), "Failure"));
        else if (p.field == 3)
            assert_true(str_eqz(pb_bytes(&p), "pods \"nope\" not found"));
        else if (p.field == 4)
            assert_true(str_eqz(pb_bytes(&p), "NotFound"));
        else if (p.field == 6)
            code = pb_u64(&p);
        else
            pb_skip(&p);
    }
    assert_int_equal(code, 404);
    /* Nothing acceptable: JSON, whatever was asked for. */
    assert_answer(ask_as("GET", PODS, PROTOBUF ";as=Table;g=meta.k8s.io;v=v1", NULL), 406,
                  "NotAcceptable");
    /* Switches speak JSON. */
    assert_answer(ask_as("POST", "/_sim/churn", PROTOBUF, ""), 400, "BadRequest");
}

static void test_metadata_only(void **state)
{
    str version, kind, raw;
    struct pb p;
    (void)state;
    assert_answer(post(&w, PODS, "{\"metadata\":{\"name\":\"p\"}}"), 201, NULL);
    struct answer a =
        ask_as("GET", PODS "/p", PROTOBUF ";as=PartialObjectMetadata;g=meta.k8s.io;v=v1", NULL);
    raw = open_envelope(a.body, &version, &kind);
    assert_true(str_eqz(version, "meta.k8s.io/v1") && str_eqz(kind, "PartialObjectMetadata"));
    pb_init(&p, raw);
    assert_true(pb_next(&p) && p.field == 1);
    pb_skip(&p);
    assert_false(pb_next(&p));
}

static void test_custom_resources_are_json(void **state)
{
    static const char path[] = "/apis/quota.openshift.io/v1/clusterresourcequotas";
    (void)state;
    struct answer a = ask_as("POST", path, PROTOBUF ",application/json",
                             "{\"metadata\":{\"name\":\"q\"},\"status\":{\"total\":{\"hard\":{"
                             "\"cpu\":1.5,\"pods\":\"3\"}}},\"anything\":[null]}");
    assert_answer(a, 201, NULL);
    assert_string_equal(text_at(&w, a.json, "status.total.hard.cpu"), "1.5");
    assert_string_equal(text_at(&w, get_protobuf(path).json, "items.0.anything"), "[null]");
    assert_answer(ask_as("GET", path, PROTOBUF, NULL), 406, "NotAcceptable");
    /* Their metadata can be had in protobuf. */
    str version, kind;
    open_envelope(
        ask_as("GET", path, PROTOBUF ";as=PartialObjectMetadataList;g=meta.k8s.io;v=v1", NULL).body,
        &version, &kind);
    assert_true(str_eqz(kind, "PartialObjectMetadataList"));
}

/* -- watches -- */

struct frames {
    char text[2000]; /* "ADDED a 5,BOOKMARK initial 7,..." */
    str rest;        /* an incomplete frame at the end */
};

static void name_of_object(struct frames *f, str kind, str raw)
{
    const struct sim_kind *k = str_eqz(kind, "Pod") ? kind_named("Pod") : kind_named("Lease");
    size_t len = strlen(f->text);
    if (str_eqz(kind, "Status")) {
        snprintf(f->text + len, sizeof f->text - len, " status");
        return;
    }
    struct dom *d = read_message(k, raw);
    bool ends = at(d, "metadata.annotations") != NULL;
    const char *name = text_at(&w, d, "metadata.name");
    snprintf(f->text + len, sizeof f->text - len, "%s%s%s %s", ends ? " initial" : "",
             name[0] == '\0' ? "" : " ", name, text_at(&w, d, "metadata.resourceVersion"));
}

static void read_frames(struct frames *f, str body)
{
    *f = (struct frames){.rest = body};
    while (f->rest.len >= 4) {
        const unsigned char *n = (const unsigned char *)f->rest.data;
        size_t frame_len = (size_t)n[0] << 24 | (size_t)n[1] << 16 | (size_t)n[2] << 8 | n[3];
        struct pb p, extension;
        str version, kind;
        if (f->rest.len - 4 < frame_len)
            return;
        pb_init(&p, str_make(f->rest.data + 4, frame_len));
        f->rest = str_skip(f->rest, 4 + frame_len);
        assert_true(pb_next(&p) && p.field == 1);
        size_t len = strlen(f->text);
        str type = pb_bytes(&p);
        snprintf(f->text + len, sizeof f->text - len, "%s%.*s", len == 0 ? "" : ",", STR_ARG(type));
        assert_true(pb_next(&p) && p.field == 2);
        extension = pb_message(&p);
        assert_true(pb_next(&extension) && extension.field == 1);
        str raw = open_envelope(pb_bytes(&extension), &version, &kind);
        name_of_object(f, kind, raw);
        assert_false(pb_next(&extension) || pb_next(&p));
    }
}

static void test_watch(void **state)
{
    struct watcher x;
    struct frames f;
    (void)state;
    assert_answer(post(&w, PODS, "{\"metadata\":{\"name\":\"a\"}}"), 201, NULL);
    watch_as(&w, &x, PODS "?watch=1&" INITIAL, NULL, PROTOBUF);
    read_frames(&f, take(&w, x.call).body);
    assert_string_equal(f.text, "ADDED a 6,BOOKMARK initial 6");
    assert_string_equal(kubesim_call_head(x.call)->content_type, PROTOBUF ";stream=watch");
    assert_answer(patch(&w, PODS "/a", "{\"metadata\":{\"labels\":{\"l\":\"1\"}}}"), 200, NULL);
    assert_answer(del(&w, PODS "/a"), 200, NULL);
    read_frames(&f, take(&w, x.call).body);
    /* The deletion shows the last state with a version of its own. */
    assert_string_equal(f.text, "MODIFIED a 7,DELETED a 8");
    world_pass(&w, 61 * SECOND);
    read_frames(&f, take(&w, x.call).body);
    assert_string_equal(f.text, "BOOKMARK 8");
    watch_end(&x);
}

/* Two frames whose bytes were made by another encoder. */
static void test_bytes_of_frames(void **state)
{
    struct watcher x;
    (void)state;
    kubesim_compact(w.sim);
    for (int i = 0; i < 2; i++)
        assert_answer(
            post(&w, PODS,
                 i == 0 ? "{\"metadata\":{\"name\":\"a\"}}" : "{\"metadata\":{\"name\":\"b\"}}"),
            201, NULL);
    watch_as(&w, &x, PODS "?watch=1&labelSelector=x&" INITIAL, NULL, PROTOBUF);
    assert_string_equal(
        hex(take(&w, x.call).body),
        "0000008d0a08424f4f4b4d41524b1280010a7e6b3873000a090a0276311203506f6412690a340a0012001a00220"
        "02a0032013738004200622"
        "10a196b38732e696f2f696e697469616c2d6576656e74732d656e64120474727565121c1a003200"
        "42004a0052005800600068008201008a01009a0100c201001a130a001a0022002a0032004a005a00720088010"
        "01a002200");
    watch_end(&x);
    kubesim_compact(w.sim);
    watch_as(&w, &x, PODS "?watch=1&resourceVersion=1", NULL, PROTOBUF);
    assert_string_equal(
        hex(take(&w, x.call).body),
        "000000610a054552524f5212580a566b3873000a0c0a0276311206537461747573123e0a060a0012001a0012074"
        "661696c7572651a1f746f6f206f6c64207265736f757263652076657273696f6e3a2031202837292207457870697"
        "26564309a031a002200");
    watch_end(&x);
}

static void test_faults_in_frames(void **state)
{
    struct watcher x;
    struct frames f;
    (void)state;
    assert_answer(post(&w, PODS, "{\"metadata\":{\"name\":\"a\"}}"), 201, NULL);
    /* cut in the middle of a frame */
    assert_answer(
        post(&w, "/_sim/faults", "{\"match\":{\"verb\":\"watch\"},\"times\":1,\"cut\":\"middle\"}"),
        201, NULL);
    watch_as(&w, &x, PODS "?watch=1&" INITIAL, NULL, PROTOBUF);
    struct answer a = take(&w, x.call);
    assert_int_equal(a.state, KUBESIM_CUT);
    read_frames(&f, a.body);
    assert_string_equal(f.text, "");
    assert_true(f.rest.len > 4);
    watch_end(&x);
    /* the same by a switch, behind a complete frame */
    watch_as(&w, &x, PODS "?watch=1", NULL, PROTOBUF);
    assert_int_equal(kubesim_drop_watches(w.sim, KUBESIM_DROP_CUT, STR_NONE, STR_NONE), 1);
    a = take(&w, x.call);
    assert_int_equal(a.state, KUBESIM_CUT);
    assert_true(a.body.len > 10);
    watch_end(&x);
    /* an ERROR event */
    watch_as(&w, &x, PODS "?watch=1", NULL, PROTOBUF);
    take(&w, x.call);
    kubesim_drop_watches(w.sim, KUBESIM_DROP_ERROR, STR_NONE, STR_NONE);
    a = take(&w, x.call);
    read_frames(&f, a.body);
    assert_string_equal(f.text, "ERROR status");
    assert_int_equal(a.state, KUBESIM_END);
    watch_end(&x);
    /* a status */
    assert_answer(
        post(&w, "/_sim/faults",
             "{\"match\":{\"verb\":\"list\"},\"times\":1,\"status\":429,\"retry_after\":7}"),
        201, NULL);
    a = get_protobuf(PODS);
    str version, kind;
    assert_int_equal(a.status, 429);
    assert_int_equal(a.retry_after_s, 7);
    open_envelope(a.body, &version, &kind);
    assert_true(str_eqz(kind, "Status"));
    /* half a list */
    assert_answer(
        post(&w, "/_sim/faults", "{\"match\":{\"verb\":\"list\"},\"times\":1,\"cut\":\"middle\"}"),
        201, NULL);
    size_t whole = get_protobuf(PODS "/a").body.len;
    a = get_protobuf(PODS);
    assert_int_equal(a.state, KUBESIM_CUT);
    assert_in_range(a.body.len, 1, whole);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_bytes_of_a_lease),
        CASE(test_list),
        CASE(test_same_in_both_forms),
        CASE(test_errors),
        CASE(test_metadata_only),
        cmocka_unit_test_setup_teardown(test_custom_resources_are_json, setup_openshift, teardown),
        CASE(test_watch),
        CASE(test_bytes_of_frames),
        CASE(test_faults_in_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
