/* create, get, update, patch, delete: what is stored, which errors come, in which order. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

#define SPEC                                                                                       \
    "\"spec\":{\"holderIdentity\":\"h\",\"leaseDurationSeconds\":15,\"renewTime\":\"" T0 "\"}"
#define LEASE(name) "{\"metadata\":{\"name\":\"" name "\"}," SPEC "}"

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_deinit(&w);
    return 0;
}

static const char *format(const char *pattern, const char *a, const char *b)
{
    struct buf buffer;
    buf_init(&buffer, 1 << 20);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    buf_printf(&buffer, pattern, a, b);
#pragma GCC diagnostic pop
    const char *text = arena_cstr(&w.arena, buf_view(&buffer));
    buf_deinit(&buffer);
    return text;
}

static void test_create(void **state)
{
    (void)state;
    uint64_t before = kubesim_resource_version(w.sim);
    struct answer a = post(&w, LEASES, LEASE("a"));
    assert_answer(a, 201, NULL);
    assert_string_equal(text_at(&w, a.json, "kind"), "Lease");
    assert_string_equal(text_at(&w, a.json, "apiVersion"), "coordination.k8s.io/v1");
    assert_string_equal(text_at(&w, a.json, "metadata.namespace"), "default");
    assert_string_equal(text_at(&w, a.json, "metadata.creationTimestamp"), "2026-01-02T03:04:05Z");
    assert_int_equal(strlen(text_at(&w, a.json, "metadata.uid")), 36);
    assert_int_equal(text_at(&w, a.json, "metadata.uid")[14], '4');
    assert_int_equal(kubesim_resource_version(w.sim), before + 1);
    assert_answer(post(&w, LEASES, LEASE("a")), 409, "AlreadyExists");
    assert_int_equal(kubesim_resource_version(w.sim), before + 1);
    struct answer b = get(&w, LEASES "/a");
    assert_true(str_eq(a.body, b.body));
}

static void test_create_generates_names(void **state)
{
    (void)state;
    struct answer a = post(&w, LEASES, "{\"metadata\":{\"generateName\":\"gen-\"}}");
    struct answer b = post(&w, LEASES, "{\"metadata\":{\"generateName\":\"gen-\"}}");
    assert_answer(a, 201, NULL);
    assert_answer(b, 201, NULL);
    assert_int_equal(strlen(text_at(&w, a.json, "metadata.name")), 9);
    assert_string_not_equal(text_at(&w, a.json, "metadata.name"),
                            text_at(&w, b.json, "metadata.name"));
}

static void test_create_refusals(void **state)
{
    static const struct {
        const char *body;
        int status;
        const char *reason, *field;
    } cases[] = {
        {"", 400, "BadRequest", NULL},
        {"{", 400, "BadRequest", NULL},
        {"[]", 400, "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"x\"}}{}", 400, "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"\xff\"}}", 400, "BadRequest", NULL},
        {"{\"metadata\":5}", 400, "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"x\"},\"spec\":[]}", 400, "BadRequest", NULL},
        {"{\"kind\":\"Pod\",\"metadata\":{\"name\":\"x\"}}", 400, "BadRequest", NULL},
        {"{\"kind\":5,\"metadata\":{\"name\":\"x\"}}", 400, "BadRequest", NULL},
        {"{\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"x\"}}", 400, "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"x\",\"namespace\":\"other\"}}", 400, "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"renewTime\":\"2026-01-02T03:04:05.123Z\"}}",
         400, "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"renewTime\":\"2026-01-02T03:04:05Z\"}}", 400,
         "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"renewTime\":1}}", 400, "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"leaseDurationSeconds\":2147483648}}", 400,
         "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"leaseDurationSeconds\":1.5}}", 400,
         "BadRequest", NULL},
        {"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"leaseDurationSeconds\":0}}", 422, "Invalid",
         "spec.leaseDurationSeconds"},
        {"{\"metadata\":{\"name\":\"x\"},\"spec\":{\"leaseTransitions\":-1}}", 422, "Invalid",
         "spec.leaseTransitions"},
        {"{}", 422, "Invalid", "metadata.name"},
        {"null", 422, "Invalid", "metadata.name"},
        {"{\"metadata\":{\"name\":\"A\"}}", 422, "Invalid", "metadata.name"},
        {"{\"metadata\":{\"name\":\"x\",\"labels\":{\"a b\":\"c\"}}}", 422, "Invalid",
         "metadata.labels"},
        {"{\"metadata\":{\"name\":\"x\",\"labels\":{\"a\":\"b c\"}}}", 422, "Invalid",
         "metadata.labels"},
        {"{\"metadata\":{\"name\":\"x\",\"annotations\":{\"a b\":\"c\"}}}", 422, "Invalid",
         "metadata.annotations"},
        {"{\"metadata\":{\"name\":\"x\",\"ownerReferences\":[{\"kind\":\"Pod\",\"name\":\"p\","
         "\"uid\":\"u\"}]}}",
         422, "Invalid", "metadata.ownerReferences.apiVersion"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct answer a = post(&w, LEASES, cases[i].body);
        print_message("%s\n", cases[i].body);
        assert_answer(a, cases[i].status, cases[i].reason);
        assert_string_equal(text_at(&w, a.json, "kind"), "Status");
        assert_string_equal(text_at(&w, a.json, "status"), "Failure");
        assert_string_not_equal(text_at(&w, a.json, "message"), "");
        if (cases[i].field != NULL)
            assert_string_equal(text_at(&w, a.json, "details.causes.0.field"), cases[i].field);
    }
    assert_answer(post(&w, "/apis/coordination.k8s.io/v1/namespaces/missing/leases", LEASE("a")),
                  404, "NotFound");
    /* The namespace is looked at before the rules, after the form. */
    assert_answer(post(&w, "/apis/coordination.k8s.io/v1/namespaces/missing/leases", "{}"), 404,
                  "NotFound");
    assert_answer(post(&w, "/apis/coordination.k8s.io/v1/namespaces/missing/leases", "{"), 400,
                  "BadRequest");
    assert_answer(get(&w, LEASES "/x"), 404, "NotFound");
}

static void test_two_causes_in_one_answer(void **state)
{
    (void)state;
    struct answer a = post(&w, LEASES,
                           "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"leaseDurationSeconds\":0,"
                           "\"leaseTransitions\":-1}}");
    assert_answer(a, 422, "Invalid");
    assert_int_equal(at(a.json, "details.causes")->count, 2);
    assert_string_equal(text_at(&w, a.json, "details.name"), "x");
    assert_string_equal(text_at(&w, a.json, "details.group"), "coordination.k8s.io");
    assert_string_equal(text_at(&w, a.json, "details.kind"), "Lease");
    assert_string_equal(text_at(&w, a.json, "code"), "422");
}

static void test_many_causes(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 1 << 20);
    buf_text(&b, "{\"metadata\":{\"name\":\"x\",\"labels\":{\"z\":\"\"");
    for (int i = 0; i < 100; i++)
        buf_printf(&b, ",\"bad key %d\":\"\"", i);
    buf_text(&b, "}}}");
    struct answer a = post(&w, LEASES, buf_cstr(&b));
    assert_answer(a, 422, "Invalid");
    assert_int_equal(at(a.json, "details.causes")->count, 32);
    buf_deinit(&b);
}

static void test_form_of_what_is_kept(void **state)
{
    (void)state;
    struct answer a =
        post(&w, LEASES,
             "{\"zzz\":1,\"metadata\":{\"managedFields\":[{}],\"labels\":{\"b\":\"2\",\"a\":\"1\"},"
             "\"name\":\"x\",\"uid\":\"mine\","
             "\"selfLink\":\"s\",\"annotations\":{},\"creationTimestamp\":null},"
             "\"spec\":{\"renewTime\":\"2026-01-02T03:04:05.123456+01:00\",\"holderIdentity\":\"\","
             "\"acquireTime\":null,\"strategy\":\"s\",\"other\":{}}}");
    assert_answer(a, 201, NULL);
    assert_null(at(a.json, "zzz"));
    assert_null(at(a.json, "metadata.managedFields"));
    assert_null(at(a.json, "metadata.annotations"));
    assert_null(at(a.json, "spec.acquireTime"));
    assert_null(at(a.json, "spec.strategy"));
    assert_null(at(a.json, "spec.other"));
    assert_string_equal(text_at(&w, a.json, "metadata.labels"), "{\"a\":\"1\",\"b\":\"2\"}");
    assert_string_equal(text_at(&w, a.json, "spec"),
                        "{\"holderIdentity\":\"\",\"renewTime\":\"2026-01-02T02:04:05.123456Z\"}");
    assert_string_not_equal(text_at(&w, a.json, "metadata.uid"), "mine");
    /* Unknown fields are told in a warning, and refused if asked to. */
    size_t pos;
    assert_true(str_find(a.warning, STR("unknown field"), &pos));
    assert_answer(post(&w, LEASES "?fieldValidation=Strict",
                       "{\"metadata\":{\"name\":\"y\"},\"spec\":{\"other\":1}}"),
                  400, "BadRequest");
    assert_answer(post(&w, LEASES "?fieldValidation=Strict",
                       "{\"metadata\":{\"name\":\"y\",\"name\":\"z\"}}"),
                  400, "BadRequest");
    assert_answer(post(&w, LEASES "?fieldValidation=Strict",
                       "{\"metadata\":{\"name\":\"y\"},\"spec\":{\"strategy\":\"s\"}}"),
                  201, NULL);
    a = post(&w, LEASES "?fieldValidation=Ignore",
             "{\"metadata\":{\"name\":\"z\"},\"spec\":{\"other\":1}}");
    assert_answer(a, 201, NULL);
    assert_int_equal(a.warning.len, 0);
}

static void test_update(void **state)
{
    (void)state;
    struct answer a = post(&w, LEASES, LEASE("a"));
    const char *version = text_at(&w, a.json, "metadata.resourceVersion"),
               *uid = text_at(&w, a.json, "metadata.uid");
    const char *next = format("{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"%s\",\"uid\":\"%"
                              "s\"},\"spec\":{\"holderIdentity\":\"n\"}}",
                              version, uid);
    struct answer b = put(&w, LEASES "/a", next);
    assert_answer(b, 200, NULL);
    assert_string_equal(text_at(&w, b.json, "metadata.uid"), uid);
    assert_string_equal(text_at(&w, b.json, "spec"), "{\"holderIdentity\":\"n\"}");
    assert_string_not_equal(text_at(&w, b.json, "metadata.resourceVersion"), version);
    assert_answer(put(&w, LEASES "/a", next), 409, "Conflict");
    assert_answer(put(&w, LEASES "/a", LEASE("a")), 422, "Invalid");
    assert_answer(put(&w, LEASES "/a", "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"0\"}}"),
                  422, "Invalid");
    assert_answer(put(&w, LEASES "/a", "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"x\"}}"),
                  500, NULL);
    assert_answer(
        put(&w, LEASES "/a", "{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"99999\"}}"), 409,
        "Conflict");
    assert_answer(put(&w, LEASES "/a", "{\"metadata\":{\"name\":\"a\",\"uid\":\"other\"}}"), 409,
                  "Conflict");
    assert_answer(put(&w, LEASES "/a", LEASE("b")), 400, "BadRequest");
    assert_answer(put(&w, LEASES "/a", "{}"), 400, "BadRequest");
}

static void test_update_without_change_makes_no_version(void **state)
{
    (void)state;
    struct answer a = post(&w, LEASES, LEASE("a"));
    uint64_t before = kubesim_resource_version(w.sim);
    const char *same = arena_cstr(&w.arena, a.body);
    struct answer b = put(&w, LEASES "/a", same);
    assert_answer(b, 200, NULL);
    assert_true(str_eq(a.body, b.body));
    assert_answer(patch(&w, LEASES "/a", "{\"spec\":{\"holderIdentity\":\"h\"}}"), 200, NULL);
    assert_int_equal(kubesim_resource_version(w.sim), before);
}

static void test_update_creates_a_lease_but_no_namespace(void **state)
{
    (void)state;
    assert_answer(put(&w, LEASES "/new", LEASE("new")), 201, NULL);
    assert_answer(
        put(&w, LEASES "/new2", "{\"metadata\":{\"name\":\"new2\",\"resourceVersion\":\"3\"}}"),
        201, NULL);
    /* A uid makes sure that it is the old one. */
    assert_answer(put(&w, LEASES "/new3", "{\"metadata\":{\"name\":\"new3\",\"uid\":\"u\"}}"), 409,
                  "Conflict");
    assert_answer(put(&w, NAMESPACES "/new", "{\"metadata\":{\"name\":\"new\"}}"), 404, "NotFound");
    assert_answer(
        put(&w, "/apis/coordination.k8s.io/v1/namespaces/missing/leases/new", LEASE("new")), 404,
        "NotFound");
}

static void test_delete(void **state)
{
    (void)state;
    struct answer a = post(&w, LEASES, LEASE("a"));
    const char *uid = text_at(&w, a.json, "metadata.uid");
    uint64_t before = kubesim_resource_version(w.sim);
    struct asked with = {
        .method = "DELETE", .path = LEASES "/a", .body = "{\"preconditions\":{\"uid\":\"other\"}}"};
    assert_answer(ask(&w, with), 409, "Conflict");
    with.body = "{\"preconditions\":{\"resourceVersion\":\"1\"}}";
    assert_answer(ask(&w, with), 409, "Conflict");
    with.body = "{\"propagationPolicy\":\"Foo\"}";
    assert_answer(ask(&w, with), 422, "Invalid");
    with.body = "[]";
    assert_answer(ask(&w, with), 400, "BadRequest");
    assert_answer(del(&w, LEASES "/a?dryRun=All"), 200, NULL);
    assert_int_equal(kubesim_resource_version(w.sim), before);
    with.body = format("{\"preconditions\":{\"uid\":\"%s\"}}%s", uid, "");
    a = ask(&w, with);
    assert_answer(a, 200, NULL);
    assert_string_equal(text_at(&w, a.json, "status"), "Success");
    assert_string_equal(text_at(&w, a.json, "details.uid"), uid);
    /* A deletion is a change of its own. */
    assert_int_equal(kubesim_resource_version(w.sim), before + 1);
    assert_answer(del(&w, LEASES "/a"), 404, "NotFound");
}

static void test_finalizers(void **state)
{
    (void)state;
    assert_answer(post(&w, LEASES, "{\"metadata\":{\"name\":\"f\",\"finalizers\":[\"x.io/y\"]}}"),
                  201, NULL);
    struct answer a = del(&w, LEASES "/f");
    assert_answer(a, 200, NULL);
    assert_string_equal(text_at(&w, a.json, "metadata.deletionTimestamp"), "2026-01-02T03:04:05Z");
    assert_string_equal(text_at(&w, a.json, "metadata.deletionGracePeriodSeconds"), "0");
    uint64_t before = kubesim_resource_version(w.sim);
    assert_answer(del(&w, LEASES "/f"), 200, NULL);
    assert_int_equal(kubesim_resource_version(w.sim), before);
    assert_answer(get(&w, LEASES "/f"), 200, NULL);
    assert_answer(patch(&w, LEASES "/f", "{\"metadata\":{\"deletionTimestamp\":null}}"), 200, NULL);
    assert_string_not_equal(text_at(&w, get(&w, LEASES "/f").json, "metadata.deletionTimestamp"),
                            "");
    assert_answer(patch(&w, LEASES "/f", "{\"metadata\":{\"finalizers\":[]}}"), 200, NULL);
    assert_answer(get(&w, LEASES "/f"), 404, "NotFound");
}

static void test_delete_collection(void **state)
{
    (void)state;
    assert_answer(post(&w, LEASES, "{\"metadata\":{\"name\":\"a\",\"labels\":{\"x\":\"1\"}}}"), 201,
                  NULL);
    assert_answer(
        post(
            &w, LEASES,
            "{\"metadata\":{\"name\":\"b\",\"labels\":{\"x\":\"2\"},\"finalizers\":[\"f.io/f\"]}}"),
        201, NULL);
    assert_answer(post(&w, LEASES, "{\"metadata\":{\"name\":\"c\"}}"), 201, NULL);
    struct answer a = del(&w, LEASES "?labelSelector=x");
    assert_answer(a, 200, NULL);
    assert_int_equal(at(a.json, "items")->count, 2);
    assert_answer(get(&w, LEASES "/a"), 404, "NotFound");
    assert_answer(get(&w, LEASES "/b"), 200, NULL);
    assert_answer(get(&w, LEASES "/c"), 200, NULL);
    assert_answer(del(&w, LEASES "?labelSelector=!!"), 400, "BadRequest");
    assert_answer(del(&w, NAMESPACES), 405, "MethodNotAllowed");
}

static void test_patches(void **state)
{
    (void)state;
    assert_answer(post(&w, LEASES, LEASE("a")), 201, NULL);
    struct answer a =
        patch(&w, LEASES "/a",
              "{\"metadata\":{\"labels\":{\"x\":\"y\"}},\"spec\":{\"holderIdentity\":null}}");
    assert_answer(a, 200, NULL);
    assert_string_equal(text_at(&w, a.json, "metadata.labels"), "{\"x\":\"y\"}");
    assert_null(at(a.json, "spec.holderIdentity"));
    assert_string_equal(text_at(&w, a.json, "spec.leaseDurationSeconds"), "15");
    assert_answer(patch(&w, LEASES "/a", "{\"metadata\":{\"resourceVersion\":\"1\"}}"), 409,
                  "Conflict");
    assert_answer(patch(&w, LEASES "/a", "{\"metadata\":{\"name\":\"b\"}}"), 400, "BadRequest");
    assert_answer(patch(&w, LEASES "/a", "{\"metadata\":{\"uid\":\"b\"}}"), 422, "Invalid");
    assert_answer(patch(&w, LEASES "/a", "{\"spec\":{\"renewTime\":\"x\"}}"), 422, "Invalid");
    assert_answer(patch(&w, LEASES "/a", "[]"), 400, "BadRequest");
    assert_answer(patch(&w, LEASES "/a", "{"), 400, "BadRequest");
    assert_answer(patch(&w, LEASES "/b", "{}"), 404, "NotFound");
    struct asked json = {
        .method = "PATCH",
        .path = LEASES "/a",
        .content_type = "application/json-patch+json",
        .body = "[{\"op\":\"replace\",\"path\":\"/spec/leaseDurationSeconds\",\"value\":7}]"};
    assert_string_equal(text_at(&w, ask(&w, json).json, "spec.leaseDurationSeconds"), "7");
    json.body = "[{\"op\":\"test\",\"path\":\"/spec/leaseDurationSeconds\",\"value\":8}]";
    assert_answer(ask(&w, json), 422, "Invalid");
    json.body = "{}";
    assert_answer(ask(&w, json), 400, "BadRequest");
    json.content_type = "application/json";
    assert_answer(ask(&w, json), 415, "UnsupportedMediaType");
    struct asked apply = {.method = "PATCH",
                          .path = LEASES "/made?fieldManager=m",
                          .content_type = "application/apply-patch+yaml",
                          .body = LEASE("made")};
    assert_answer(ask(&w, apply), 201, NULL);
    assert_answer(ask(&w, apply), 200, NULL);
}

static void test_dry_run_changes_nothing(void **state)
{
    (void)state;
    uint64_t before = kubesim_resource_version(w.sim);
    struct answer a = post(&w, LEASES "?dryRun=All", LEASE("a"));
    assert_answer(a, 201, NULL);
    assert_null(at(a.json, "metadata.resourceVersion"));
    assert_answer(get(&w, LEASES "/a"), 404, "NotFound");
    assert_answer(post(&w, LEASES "?dryRun=x", LEASE("a")), 422, "Invalid");
    assert_int_equal(kubesim_resource_version(w.sim), before);
    assert_answer(post(&w, LEASES, LEASE("a")), 201, NULL);
    assert_answer(patch(&w, LEASES "/a?dryRun=All", "{\"spec\":{\"holderIdentity\":\"z\"}}"), 200,
                  NULL);
    assert_string_equal(text_at(&w, get(&w, LEASES "/a").json, "spec.holderIdentity"), "h");
}

static void test_namespaces(void **state)
{
    (void)state;
    struct answer a = post(&w, NAMESPACES, "{\"metadata\":{\"name\":\"n\"}}");
    assert_answer(a, 201, NULL);
    assert_string_equal(text_at(&w, a.json, "status.phase"), "Active");
    assert_string_equal(text_at(&w, a.json, "spec.finalizers.0"), "kubernetes");
    assert_string_equal(text_at(&w, a.json, "metadata.labels"),
                        "{\"kubernetes.io/metadata.name\":\"n\"}");
    assert_null(at(a.json, "metadata.namespace"));
    assert_answer(post(&w, NAMESPACES, "{\"metadata\":{\"name\":\"a.b\"}}"), 422, "Invalid");
    assert_answer(put(&w, NAMESPACES "/n", "{\"metadata\":{\"name\":\"n\"}}"), 200, NULL);
    assert_answer(patch(&w, NAMESPACES "/n", "{\"status\":{\"phase\":\"Bad\"}}"), 200, NULL);
    assert_string_equal(text_at(&w, get(&w, NAMESPACES "/n").json, "status.phase"), "Active");
    assert_answer(patch(&w, NAMESPACES "/n/status",
                        "{\"status\":{\"phase\":\"Odd\"},\"spec\":{\"finalizers\":[]}}"),
                  200, NULL);
    a = get(&w, NAMESPACES "/n/status");
    assert_string_equal(text_at(&w, a.json, "status.phase"), "Odd");
    assert_string_equal(text_at(&w, a.json, "spec.finalizers.0"), "kubernetes");
    assert_answer(del(&w, NAMESPACES "/default"), 403, "Forbidden");
    assert_answer(del(&w, NAMESPACES "/kube-system"), 403, "Forbidden");
}

static void test_a_deleted_namespace_takes_its_contents_along(void **state)
{
    static const char in_n[] = "/apis/coordination.k8s.io/v1/namespaces/n/leases";
    struct watcher leases, namespaces;
    (void)state;
    post(&w, NAMESPACES, "{\"metadata\":{\"name\":\"n\"}}");
    post(&w, in_n, LEASE("a"));
    post(&w, in_n, "{\"metadata\":{\"name\":\"f\",\"finalizers\":[\"x.io/y\"]}}");
    post(&w, LEASES, LEASE("elsewhere"));
    watch(&w, &leases, ALL_LEASES "?watch=1");
    watch(&w, &namespaces, NAMESPACES "?watch=1&fieldSelector=metadata.name%3Dn");
    events(&w, &leases);
    events(&w, &namespaces);
    struct answer a = del(&w, NAMESPACES "/n");
    assert_answer(a, 200, NULL);
    assert_string_equal(text_at(&w, a.json, "status.phase"), "Terminating");
    assert_string_equal(events(&w, &leases), "DELETED a,MODIFIED f/WAIT");
    assert_string_equal(events(&w, &namespaces), "MODIFIED n/WAIT");
    a = post(&w, in_n, LEASE("late"));
    assert_answer(a, 403, "Forbidden");
    assert_string_equal(text_at(&w, a.json, "details.causes.0.reason"), "NamespaceTerminating");
    assert_answer(patch(&w, "/apis/coordination.k8s.io/v1/namespaces/n/leases/f",
                        "{\"metadata\":{\"finalizers\":null}}"),
                  200, NULL);
    assert_string_equal(events(&w, &leases), "MODIFIED f,DELETED f/WAIT");
    assert_string_equal(events(&w, &namespaces), "DELETED n/WAIT");
    assert_answer(get(&w, NAMESPACES "/n"), 404, "NotFound");
    assert_answer(get(&w, LEASES "/elsewhere"), 200, NULL);
    watch_end(&leases);
    watch_end(&namespaces);
}

static void test_paths_and_methods(void **state)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *reason;
    } cases[] = {
        {"GET", "/nope", 404, NULL},
        {"GET", "/apis/nope.io/v1/foos", 404, NULL},
        {"GET", "/apis/coordination.k8s.io/v2/leases", 404, "NotFound"},
        {"GET", "/apis/coordination.k8s.io/v1/foos", 404, "NotFound"},
        {"GET", LEASES "/a/status", 404, "NotFound"},
        {"GET", LEASES "/a/b/c/d/e", 404, "NotFound"},
        {"GET", LEASES "//a", 404, "NotFound"},
        {"GET", "/apis/coordination.k8s.io/v1/leases/a", 404, "NotFound"},
        {"GET", "/api/v1/namespaces/default/namespaces", 404, "NotFound"},
        {"POST", LEASES "/a", 405, "MethodNotAllowed"},
        {"PUT", LEASES, 405, "MethodNotAllowed"},
        {"PATCH", LEASES, 405, "MethodNotAllowed"},
        {"POST", ALL_LEASES, 405, "MethodNotAllowed"},
        {"BREW", LEASES, 405, "MethodNotAllowed"},
        {"BREW", LEASES "/a", 405, "MethodNotAllowed"},
        {"HEAD", LEASES, 405, "MethodNotAllowed"},
        {"GET", "/_sim/nope", 404, "NotFound"},
        {"PUT", "/_sim/faults", 405, "MethodNotAllowed"},
        {"GET", "/readyz", 200, NULL},
        {"GET", "", 200, NULL},
        {"GET", "%", 404, NULL},
        {"GET", "/%zz", 404, NULL},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        print_message("%s %s\n", cases[i].method, cases[i].path);
        assert_answer(ask(&w, (struct asked){.method = cases[i].method, .path = cases[i].path}),
                      cases[i].status, cases[i].reason);
    }
}

static void test_forms_of_answers(void **state)
{
    (void)state;
    post(&w, LEASES, LEASE("a"));
    struct asked a = {.method = "GET", .path = LEASES "/a", .accept = "text/html"};
    assert_answer(ask(&w, a), 406, "NotAcceptable");
    a.accept = "application/cbor, application/json";
    assert_string_equal(text_at(&w, ask(&w, a).json, "kind"), "Lease");
    a.accept = "application/json;q=0.1, application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9";
    world_pass(&w, 125 * SECOND);
    struct answer t = ask(&w, a);
    assert_string_equal(text_at(&w, t.json, "kind"), "Table");
    assert_string_equal(text_at(&w, t.json, "columnDefinitions.1.name"), "Holder");
    assert_string_equal(text_at(&w, t.json, "rows.0.cells"), "[\"a\",\"h\",\"2m5s\"]");
    assert_string_equal(text_at(&w, t.json, "rows.0.object.kind"), "PartialObjectMetadata");
    assert_null(at(t.json, "rows.0.object.spec"));
    a.accept = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io";
    assert_string_equal(text_at(&w, ask(&w, a).json, "kind"), "PartialObjectMetadata");
    a.accept = "application/json;as=Table;v=v1;g=other";
    assert_answer(ask(&w, a), 406, "NotAcceptable");
    a.accept = "application/json;as=Table;v=v1;g=meta.k8s.io";
    a.path = LEASES "/a?includeObject=x";
    assert_answer(ask(&w, a), 400, "BadRequest");
}

static void test_ages(void **state)
{
    static const struct {
        int64_t s;
        const char *text;
    } cases[] = {{0, "0s"},
                 {119, "119s"},
                 {120, "2m"},
                 {125, "2m5s"},
                 {600, "10m"},
                 {659, "10m"},
                 {3 * 3600 - 1, "179m"},
                 {3 * 3600, "3h"},
                 {3 * 3600 + 60, "3h1m"},
                 {8 * 3600 + 60, "8h"},
                 {47 * 3600, "47h"},
                 {48 * 3600, "2d"},
                 {49 * 3600, "2d1h"},
                 {9 * 86400 + 3600, "9d"},
                 {800 * 86400, "2y70d"},
                 {3650 * 86400, "10y"}};
    (void)state;
    post(&w, LEASES, LEASE("a"));
    struct asked a = {.method = "GET",
                      .path = LEASES "/a",
                      .accept = "application/json;as=Table;v=v1;g=meta.k8s.io"};
    int64_t made = w.wall_ns;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        w.wall_ns = made + cases[i].s * SECOND;
        assert_string_equal(text_at(&w, ask(&w, a).json, "rows.0.cells.2"), cases[i].text);
    }
}

static void test_protobuf_body(void **state)
{
    /* A Lease "otel-c" in namespace "obs" as k8s.io/api encodes it. */
    static const char hex[] = "6b3873000a1f0a16636f6f7264696e6174696f6e2e6b38732e696f2f763112054c65"
                              "61736512360a0d0a066f74656c2d"
                              "631a036f627312250a05706f642d61100f1a0b08a5ebdcca06108094ef3a220b08a5"
                              "ebdcca06108094ef3a2800";
    char bytes[sizeof hex / 2];
    (void)state;
    for (size_t i = 0; i < sizeof bytes; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (char)strtol(digits, NULL, 16);
    }
    post(&w, NAMESPACES, "{\"metadata\":{\"name\":\"obs\"}}");
    struct kubesim_request r = {.method = "POST",
                                .path = STR("/apis/coordination.k8s.io/v1/namespaces/obs/leases"),
                                .authorization = STR("Bearer admin-token"),
                                .content_type = STR("application/vnd.kubernetes.protobuf"),
                                .body = str_make(bytes, sizeof bytes)};
    struct kubesim_call *call = kubesim_call_start(w.sim, &r, NULL, NULL);
    struct answer a = take(&w, call);
    kubesim_call_free(call);
    assert_answer(a, 201, NULL);
    assert_string_equal(text_at(&w, a.json, "metadata.name"), "otel-c");
    assert_string_equal(text_at(&w, a.json, "spec"),
                        "{\"holderIdentity\":\"pod-a\",\"leaseDurationSeconds\":15,\"acquireTime\":"
                        "\"2026-01-02T03:04:05.123456Z\","
                        "\"renewTime\":\"2026-01-02T03:04:05.123456Z\",\"leaseTransitions\":0}");
    /* Every cut is refused. */
    for (size_t len = 0; len < sizeof bytes; len++) {
        r.body = str_make(bytes, len);
        call = kubesim_call_start(w.sim, &r, NULL, NULL);
        a = take(&w, call);
        kubesim_call_free(call);
        assert_true(a.status >= 400);
    }
}

static void test_limits(void **state)
{
    struct buf b;
    (void)state;
    buf_init(&b, 8 << 20);
    buf_text(&b, "{\"metadata\":{\"name\":\"x\",\"annotations\":{\"a\":\"");
    for (int i = 0; i < 262144; i++)
        buf_byte(&b, 'x');
    buf_text(&b, "\"}}}");
    assert_answer(post(&w, LEASES, buf_cstr(&b)), 422, "Invalid"); /* 256 KiB and the key */
    buf_clear(&b);
    buf_text(&b, "{\"metadata\":{\"name\":\"x\",\"labels\":{");
    for (int i = 0; i <= 10000; i++)
        buf_printf(&b, "%s\"l%d\":\"\"", i == 0 ? "" : ",", i);
    buf_text(&b, "}}}");
    assert_answer(post(&w, LEASES, buf_cstr(&b)), 400, "BadRequest");
    buf_clear(&b);
    for (int i = 0; i < 100000; i++)
        buf_byte(&b, '[');
    assert_answer(post(&w, LEASES, buf_cstr(&b)), 400, "BadRequest");
    buf_deinit(&b);
    struct kubesim_request r = {.method = "POST",
                                .path = STR(LEASES),
                                .authorization = STR("Bearer admin-token"),
                                .body_too_long = true};
    struct kubesim_call *call = kubesim_call_start(w.sim, &r, NULL, NULL);
    assert_answer(take(&w, call), 413, "RequestEntityTooLarge");
    kubesim_call_free(call);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_create),
        CASE(test_create_generates_names),
        CASE(test_create_refusals),
        CASE(test_two_causes_in_one_answer),
        CASE(test_many_causes),
        CASE(test_form_of_what_is_kept),
        CASE(test_update),
        CASE(test_update_without_change_makes_no_version),
        CASE(test_update_creates_a_lease_but_no_namespace),
        CASE(test_delete),
        CASE(test_finalizers),
        CASE(test_delete_collection),
        CASE(test_patches),
        CASE(test_dry_run_changes_nothing),
        CASE(test_namespaces),
        CASE(test_a_deleted_namespace_takes_its_contents_along),
        CASE(test_paths_and_methods),
        CASE(test_forms_of_answers),
        CASE(test_ages),
        CASE(test_protobuf_body),
        CASE(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
