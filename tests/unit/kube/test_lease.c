/* Lease codec: what is read, what is kept, what is written, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>
#include <json-c/json.h>

#include "base/limits.h"
#include "kube/lease.h"

/* As kube-apiserver v1.35 returns it, with foreign members added. */
static const char full[] =
    "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"metadata\":{"
    "\"name\":\"otel-c\",\"namespace\":\"obs\",\"uid\":\"5b1b54d5-6f8a-4a5c-a6a8-5e0f8f7a5d0e\","
    "\"resourceVersion\":\"1234567\",\"generation\":3,\"creationTimestamp\":\"2026-01-02T03:04:"
    "05Z\","
    "\"deletionTimestamp\":\"2026-01-02T03:04:06Z\",\"deletionGracePeriodSeconds\":0,"
    "\"selfLink\":\"/x\",\"labels\":{\"app\":\"caf\\u00e9\",\"b\":\"2\"},"
    "\"annotations\":{\"note\":\"line\\n\\\"quoted\\\" \\\\ \\u00e9 "
    "\\ud83d\\ude00\",\"empty\":\"\"},"
    "\"ownerReferences\":[{\"apiVersion\":\"v1\",\"kind\":\"Pod\",\"name\":\"p\",\"uid\":\"u\"}],"
    "\"finalizers\":[\"example.com/f\"],\"future\":{\"a\":[1,2.5,null]},"
    "\"managedFields\":[{\"manager\":\"x\",\"fieldsV1\":{\"f:spec\":{}}}]},"
    "\"spec\":{\"holderIdentity\":\"pod-a_uid\",\"leaseDurationSeconds\":15,"
    "\"acquireTime\":\"2026-01-02T03:04:05.123456Z\",\"renewTime\":\"2026-01-02T04:04:07.000001+01:"
    "00\","
    "\"leaseTransitions\":7,\"strategy\":\"OldestEmulationVersion\",\"preferredHolder\":null,"
    "\"new\":[true]}}";

static struct json_object *printed(const struct lease *l)
{
    struct buf b;
    buf_init(&b, 4 * MIB);
    lease_print(&b, l);
    assert_false(b.overflow);
    struct json_tokener *t = json_tokener_new();
    json_tokener_set_flags(t, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
    struct json_object *o = json_tokener_parse_ex(t, b.data, (int)b.len);
    assert_int_equal(json_tokener_get_parse_end(t), b.len);
    json_tokener_free(t);
    buf_deinit(&b);
    assert_non_null(o);
    return o;
}

static struct json_object *at(struct json_object *o, const char *a, const char *b)
{
    struct json_object *first = NULL, *second = NULL;
    json_object_object_get_ex(o, a, &first);
    json_object_object_get_ex(first, b, &second);
    return second;
}

static void test_reads_everything(void **state)
{
    (void)state;
    struct lease l;
    struct err err;
    lease_init(&l);
    char *text = str_dup(str_from(full));
    assert_true(lease_parse(&l, str_from(text), &err));
    memset(text, 'X', sizeof full - 1); /* nothing may point into it */
    mem_free(text);
    assert_true(str_eqz(l.name, "otel-c"));
    assert_true(str_eqz(l.namespace, "obs"));
    assert_true(str_eqz(l.uid, "5b1b54d5-6f8a-4a5c-a6a8-5e0f8f7a5d0e"));
    assert_true(str_eqz(l.resource_version, "1234567"));
    assert_true(l.has_holder);
    assert_true(str_eqz(l.holder, "pod-a_uid"));
    assert_int_equal(l.duration_s, 15);
    assert_int_equal(l.transitions, 7);
    assert_int_equal(l.acquire_ns, INT64_C(1767323045123456000));
    assert_int_equal(l.renew_ns, INT64_C(1767323047000001000));
    assert_int_equal(l.annotation_count, 2);
    assert_true(str_eqz(lease_annotation_get(&l, STR("note")),
                        "line\n\"quoted\" \\ \xc3\xa9 \xf0\x9f\x98\x80"));
    assert_int_equal(lease_annotation_get(&l, STR("absent")).len, 0);
    lease_deinit(&l);
}

static void test_writes_back_what_it_does_not_know(void **state)
{
    (void)state;
    struct lease l, copy;
    struct err err;
    lease_init(&l);
    lease_init(&copy);
    assert_true(lease_parse(&l, str_from(full), &err));
    lease_copy(&copy, &l);
    lease_deinit(&l);

    struct json_object *was = json_tokener_parse(full), *is = printed(&copy);
    static const char *const kept[] = {
        "name",        "namespace",       "uid",        "resourceVersion", "labels",
        "annotations", "ownerReferences", "finalizers", "future"};
    static const char *const dropped[] = {"managedFields",     "generation",
                                          "creationTimestamp", "deletionTimestamp",
                                          "selfLink",          "deletionGracePeriodSeconds"};
    for (size_t i = 0; i < COUNT_OF(kept); i++) {
        assert_non_null(at(is, "metadata", kept[i]));
        assert_true(json_object_equal(at(was, "metadata", kept[i]), at(is, "metadata", kept[i])));
    }
    for (size_t i = 0; i < COUNT_OF(dropped); i++)
        assert_null(at(is, "metadata", dropped[i]));
    assert_string_equal(json_object_get_string(at(is, "spec", "strategy")),
                        "OldestEmulationVersion");
    assert_true(json_object_equal(at(was, "spec", "new"), at(is, "spec", "new")));
    assert_string_equal(json_object_get_string(at(is, "spec", "acquireTime")),
                        "2026-01-02T03:04:05.123456Z");
    assert_string_equal(json_object_get_string(at(is, "spec", "renewTime")),
                        "2026-01-02T03:04:07.000001Z");
    assert_int_equal(json_object_get_int(at(is, "spec", "leaseDurationSeconds")), 15);
    assert_int_equal(json_object_get_int(at(is, "spec", "leaseTransitions")), 7);
    json_object_put(was);
    json_object_put(is);
    lease_deinit(&copy);
}

static void test_writes_a_release_and_a_creation(void **state)
{
    (void)state;
    struct lease l;
    lease_init(&l);
    l.name = STR("n");
    l.namespace = STR("ns");
    struct json_object *o = printed(&l);
    assert_string_equal(json_object_get_string(at(o, "spec", "holderIdentity")), "");
    assert_null(at(o, "spec", "leaseDurationSeconds"));
    assert_null(at(o, "spec", "renewTime"));
    assert_null(at(o, "metadata", "uid"));
    assert_null(at(o, "metadata", "resourceVersion"));
    assert_null(at(o, "metadata", "annotations"));
    json_object_put(o);
    l.renew_ns = INT64_C(1767323045000000000); /* whole seconds still have six digits */
    o = printed(&l);
    assert_string_equal(json_object_get_string(at(o, "spec", "renewTime")),
                        "2026-01-02T03:04:05.000000Z");
    json_object_put(o);
    lease_deinit(&l);
}

static void test_absent_and_null_fields(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{\"metadata\":{\"name\":\"x\"}}",
        "{\"metadata\":{\"name\":\"x\",\"annotations\":null},\"spec\":null}",
        ("{\"metadata\":{\"name\":\"x\"},\"spec\":{\"holderIdentity\":null,"
         "\"leaseDurationSeconds\":null,"
         "\"acquireTime\":null,\"renewTime\":null,\"leaseTransitions\":null}}"),
        "{\"metadata\":{\"name\":\"x\"},\"spec\":{\"renewTime\":\"yesterday\",\"acquireTime\":\"\"}"
        "}",
    };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct lease l;
        struct err err;
        lease_init(&l);
        assert_true(lease_parse(&l, str_from(texts[i]), &err));
        assert_true(str_eqz(l.name, "x"));
        assert_false(l.has_holder);
        assert_int_equal(l.duration_s, 0);
        assert_int_equal(l.acquire_ns, 0);
        assert_int_equal(l.renew_ns, 0);
        lease_deinit(&l);
    }
}

static void test_parse_replaces_all(void **state)
{
    (void)state;
    struct lease l;
    struct err err;
    lease_init(&l);
    assert_true(lease_parse(&l, str_from(full), &err));
    assert_true(lease_parse(
        &l, STR("{\"metadata\":{\"name\":\"y\"},\"spec\":{\"holderIdentity\":\"\"}}"), &err));
    assert_true(l.has_holder);
    assert_int_equal(l.holder.len, 0);
    assert_int_equal(l.annotation_count, 0);
    assert_int_equal(l.metadata_rest.len, 0);
    assert_int_equal(l.spec_rest.len, 0);
    assert_int_equal(l.uid.len, 0);
    lease_deinit(&l);
}

static void test_refuses(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "Lease"},
        {"[]", "JSON object"},
        {"{", "Lease: line 1"},
        {"{\"metadata\":{\"name\":\"x\"}} x", "line 1 column 27"},
        {"{\"kind\":\"Pod\"}", "kind"},
        {"{\"metadata\":[]}", "metadata: expected an object"},
        {"{\"metadata\":{\"name\":5}}", "metadata.name: expected a string"},
        {"{\"metadata\":{\"annotations\":[]}}", "metadata.annotations"},
        {"{\"metadata\":{\"annotations\":{\"a\":1}}}", "metadata.annotations"},
        {"{\"spec\":7}", "spec: expected an object"},
        {"{\"spec\":{\"holderIdentity\":{}}}", "spec.holderIdentity: expected a string"},
        {"{\"spec\":{\"leaseDurationSeconds\":\"15\"}}", "spec.leaseDurationSeconds"},
        {"{\"spec\":{\"leaseDurationSeconds\":-1}}", "spec.leaseDurationSeconds"},
        {"{\"spec\":{\"leaseDurationSeconds\":2147483648}}", "spec.leaseDurationSeconds"},
        {"{\"spec\":{\"leaseDurationSeconds\":1.5}}", "spec.leaseDurationSeconds"},
        {"{\"spec\":{\"leaseTransitions\":99999999999999999999}}", "spec.leaseTransitions"},
        {"{\"spec\":{\"renewTime\":5}}", "spec.renewTime"},
        {"{\"spec\":{\"x\":[1,}}", "Lease: line 1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct lease l;
        struct err err = {0};
        lease_init(&l);
        assert_false(lease_parse(&l, str_from(cases[i].text), &err));
        if (strstr(err.text, cases[i].reason) == NULL)
            fail_msg("%s: \"%s\" lacks \"%s\"", cases[i].text, err.text, cases[i].reason);
        lease_deinit(&l);
    }
}

static void test_every_prefix_is_refused(void **state)
{
    (void)state;
    struct lease l;
    struct err err;
    lease_init(&l);
    for (size_t len = 0; len < sizeof full - 1; len++) {
        char *exact = mem_alloc(len);
        memcpy(exact, full, len);
        assert_false(lease_parse(&l, str_make(exact, len), &err));
        mem_free(exact);
    }
    lease_deinit(&l);
}

static void test_size_limit(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 2 * LIMIT_LEASE_BYTES);
    static const char head[] = "{\"metadata\":{\"name\":\"x\",\"annotations\":{\"a\":\"",
                      tail[] = "\"}}}";
    buf_text(&b, head);
    while (b.len + sizeof tail - 1 < LIMIT_LEASE_BYTES)
        buf_byte(&b, 'v');
    buf_text(&b, tail);
    assert_int_equal(b.len, LIMIT_LEASE_BYTES);
    struct lease l;
    struct err err;
    lease_init(&l);
    assert_true(lease_parse(&l, buf_view(&b), &err));
    assert_true(lease_annotation_get(&l, STR("a")).len > LIMIT_LEASE_BYTES - 100);
    buf_byte(&b, ' ');
    assert_false(lease_parse(&l, buf_view(&b), &err));
    assert_non_null(strstr(err.text, "bytes"));
    lease_deinit(&l);
    buf_deinit(&b);
}

static void test_annotations(void **state)
{
    (void)state;
    struct lease l;
    lease_init(&l);
    char key[32], value[32];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        snprintf(value, sizeof value, "value-%d", i);
        lease_annotation_set(&l, str_from(key), str_from(value));
    }
    assert_int_equal(l.annotation_count, 100);
    for (int i = 0; i < 100; i += 2) {
        snprintf(key, sizeof key, "key-%d", i);
        lease_annotation_set(&l, str_from(key), STR_NONE);
        lease_annotation_set(&l, str_from(key), STR_NONE); /* again: nothing */
    }
    assert_int_equal(l.annotation_count, 50);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "key-%d", i);
        snprintf(value, sizeof value, "value-%d", i);
        assert_true(str_eqz(lease_annotation_get(&l, str_from(key)), i % 2 == 0 ? "" : value));
    }
    lease_annotation_set(&l, STR("key-1"), STR("new"));
    assert_true(str_eqz(lease_annotation_get(&l, STR("key-1")), "new"));
    assert_int_equal(l.annotation_count, 50);
    lease_deinit(&l);
}

static void test_replacing_for_days_does_not_grow(void **state)
{
    (void)state;
    struct lease l;
    struct err err;
    lease_init(&l);
    assert_true(lease_parse(&l, str_from(full), &err));
    char value[512];
    memset(value, 'x', sizeof value);
    for (int i = 0; i < 100000; i++) {
        int n = snprintf(value, sizeof value, "%d", i);
        value[n] = 'x';
        lease_annotation_set(&l, STR("note"), str_make(value, sizeof value));
        assert_true(l.arena.used_bytes < 256 * 1024);
    }
    assert_true(str_eq(lease_annotation_get(&l, STR("note")), str_make(value, sizeof value)));
    assert_true(str_eqz(l.holder, "pod-a_uid"));
    /* Its own text, when the arena is replaced underneath. */
    for (int i = 0; i < 1000; i++) {
        lease_annotation_set(&l, STR("a"), lease_annotation_get(&l, STR("note")));
        lease_annotation_set(&l, STR("a"), STR("b"));
    }
    lease_deinit(&l);
}

static void test_copy_of_a_copy_can_grow(void **state)
{
    (void)state;
    struct lease a, b;
    lease_init(&a);
    lease_init(&b);
    char key[32];
    for (int i = 0; i < 40; i++) {
        snprintf(key, sizeof key, "k%d", i);
        lease_annotation_set(&a, str_from(key), STR("v"));
        lease_copy(&b, &a);
        snprintf(key, sizeof key, "more%d", i);
        lease_annotation_set(&b, str_from(key), STR("w"));
        assert_int_equal(b.annotation_count, (size_t)i + 2);
        assert_true(str_eqz(lease_annotation_get(&b, str_from(key)), "w"));
        assert_true(str_eqz(lease_annotation_get(&b, STR("k0")), "v"));
    }
    lease_deinit(&a);
    lease_deinit(&b);
}

static void test_resource_versions(void **state)
{
    (void)state;
    assert_true(resource_version_newer(STR("10"), STR("9")));
    assert_false(resource_version_newer(STR("9"), STR("10")));
    assert_false(resource_version_newer(STR("10"), STR("10")));
    assert_true(
        resource_version_newer(STR("99999999999999999999999"), STR("18446744073709551616")));
    assert_true(resource_version_newer(STR("0011"), STR("10")));
    assert_false(resource_version_newer(STR("0010"), STR("10")));
    assert_true(resource_version_newer(STR("1"), STR("0")));
    assert_false(resource_version_newer(STR(""), STR("1")));
    assert_false(resource_version_newer(STR("2"), STR("")));
    assert_false(resource_version_newer(STR("2a"), STR("1")));
    assert_false(resource_version_newer(STR("-2"), STR("1")));
}

static void test_path(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1024);
    lease_path(&b, STR("obs"), STR("otel-c"));
    assert_string_equal(buf_cstr(&b), "/apis/coordination.k8s.io/v1/namespaces/obs/leases/otel-c");
    buf_clear(&b);
    lease_path(&b, STR("obs"), STR_NONE);
    assert_string_equal(buf_cstr(&b), "/apis/coordination.k8s.io/v1/namespaces/obs/leases");
    buf_clear(&b);
    lease_path(&b, STR("a/../b"), STR("x?y"));
    assert_string_equal(buf_cstr(&b),
                        "/apis/coordination.k8s.io/v1/namespaces/a%2F..%2Fb/leases/x%3Fy");
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_everything),
        cmocka_unit_test(test_writes_back_what_it_does_not_know),
        cmocka_unit_test(test_writes_a_release_and_a_creation),
        cmocka_unit_test(test_absent_and_null_fields),
        cmocka_unit_test(test_parse_replaces_all),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_every_prefix_is_refused),
        cmocka_unit_test(test_size_limit),
        cmocka_unit_test(test_annotations),
        cmocka_unit_test(test_replacing_for_days_does_not_grow),
        cmocka_unit_test(test_copy_of_a_copy_can_grow),
        cmocka_unit_test(test_resource_versions),
        cmocka_unit_test(test_path),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
