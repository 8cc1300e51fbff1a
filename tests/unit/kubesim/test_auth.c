/* Tokens, rules, Roles and bindings. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#define RBAC "/apis/rbac.authorization.k8s.io/v1"

static struct world w;

static int setup(void **state)
{
    (void)state;
    world_init(&w, NULL);
    return 0;
}

static int setup_rbac(void **state)
{
    struct kubesim_config config = {.rbac = true};
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

static int status_as(const char *user, const char *method, const char *path)
{
    struct asked a = {.method = method, .path = path, .user = user};
    if (strcmp(method, "POST") == 0)
        a.body = "{\"metadata\":{\"generateName\":\"x\"}}";
    if (strcmp(method, "PATCH") == 0) {
        a.body = "{}";
        a.content_type = "application/merge-patch+json";
    }
    return ask(&w, a).status;
}

static void rule(bool allow, const char *text)
{
    struct err err;
    if (!kubesim_rule_add(w.sim, allow, str_from(text), &err))
        fail_msg("%s", err.text);
}

static void test_tokens(void **state)
{
    (void)state;
    assert_answer(ask(&w, (struct asked){.method = "GET", .path = LEASES, .user = "stranger"}), 401,
                  "Unauthorized");
    assert_answer(ask(&w, (struct asked){.method = "GET", .path = "/readyz", .user = "stranger"}),
                  401, "Unauthorized");
    assert_int_equal(status_as("", "GET", "/readyz"), 200);
    assert_int_equal(status_as("", "GET", "/version"), 200);
    assert_int_equal(status_as("", "GET", "/apis"), 403);
    assert_int_equal(status_as("", "GET", LEASES), 403);
    assert_int_equal(status_as("a", "GET", LEASES), 200);
    assert_int_equal(status_as("a", "GET", "/apis"), 200);
    /* A token that is replaced is unknown from then on. */
    assert_answer(post(&w, "/_sim/users", "{\"name\":\"a\",\"token\":\"new-token\"}"), 200, NULL);
    assert_int_equal(status_as("a", "GET", LEASES), 401);
    assert_int_equal(status_as("new", "GET", LEASES), 200);
    assert_answer(post(&w, "/_sim/users", "{\"name\":\"a\"}"), 400, "BadRequest");
}

static void test_headers(void **state)
{
    static const struct {
        const char *header;
        int status;
    } cases[] = {{"Bearer a-token", 200},   {"bearer a-token", 200}, {"Bearer  a-token ", 200},
                 {"Bearer a-token x", 401}, {"Bearer", 403},         {"Bearer ", 403},
                 {"Basic YTpi", 403},       {"a-token", 403}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct kubesim_request r = {
            .method = "GET", .path = STR(LEASES), .authorization = str_from(cases[i].header)};
        struct kubesim_call *call = kubesim_call_start(w.sim, &r, NULL, NULL);
        assert_int_equal(take(&w, call).status, cases[i].status);
        kubesim_call_free(call);
    }
}

static void test_deny(void **state)
{
    (void)state;
    rule(false, "a:update,create:leases");
    rule(false, "*:list:leases:default");
    rule(false, "b:get:leases:*:secret");
    rule(false, "b:watch:leases:*:secret");
    assert_int_equal(status_as("a", "POST", LEASES), 403);
    assert_int_equal(status_as("b", "POST", LEASES), 201);
    assert_int_equal(status_as("a", "POST", NAMESPACES), 201);
    assert_int_equal(status_as("admin", "GET", LEASES), 403);
    assert_int_equal(status_as("admin", "GET", ALL_LEASES), 200);
    assert_int_equal(status_as("b", "GET", LEASES "/secret"), 403);
    assert_int_equal(status_as("b", "GET", LEASES "/other"), 404);
    assert_int_equal(status_as("b", "GET", LEASES "?watch=1&fieldSelector=metadata.name%3Dsecret"),
                     403);
    assert_int_equal(status_as("b", "GET", LEASES "?watch=1&fieldSelector=metadata.name%3Dother"),
                     200);
    struct answer a =
        ask(&w, (struct asked){.method = "PUT", .path = LEASES "/x", .user = "a", .body = "{}"});
    assert_answer(a, 403, "Forbidden");
    assert_string_equal(text_at(&w, a.json, "message"),
                        "leases.coordination.k8s.io \"x\" is forbidden: User \"a\" cannot update "
                        "resource \"leases\" in API group "
                        "\"coordination.k8s.io\" in the namespace \"default\"");
    assert_string_equal(text_at(&w, a.json, "details"),
                        "{\"name\":\"x\",\"group\":\"coordination.k8s.io\",\"kind\":\"leases\"}");
}

static void test_rules_over_http(void **state)
{
    (void)state;
    struct answer a =
        post(&w, "/_sim/rules",
             "{\"allow\":false,\"user\":\"a\",\"verb\":\"get\",\"resource\":\"leases\"}");
    assert_int_equal(a.status, 201);
    assert_int_equal(status_as("a", "GET", LEASES "/x"), 403);
    a = get(&w, "/_sim/rules");
    assert_string_equal(text_at(&w, a.json, "0.user"), "a");
    assert_string_equal(text_at(&w, a.json, "0.namespace"), "*");
    assert_answer(del(&w, "/_sim/rules/1"), 200, NULL);
    assert_int_equal(status_as("a", "GET", LEASES "/x"), 404);
    assert_answer(post(&w, "/_sim/rules", "{\"user\":\"a\"}"), 400, "BadRequest");
    assert_answer(post(&w, "/_sim/rules", "{\"allow\":true,\"users\":\"a\"}"), 400, "BadRequest");
}

static void test_bad_rules(void **state)
{
    static const char *const cases[] = {"", "a", "a:get", "a:get:leases:ns:name:more"};
    struct err err;
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_false(kubesim_rule_add(w.sim, true, str_from(cases[i]), &err));
}

static void test_impersonation(void **state)
{
    (void)state;
    rule(false, "bob:get:leases");
    struct kubesim_request r = {.method = "GET",
                                .path = STR(LEASES "/x"),
                                .authorization = STR("Bearer admin-token"),
                                .impersonate_user = STR("bob")};
    struct kubesim_call *call = kubesim_call_start(w.sim, &r, NULL, NULL);
    assert_answer(take(&w, call), 403, "Forbidden");
    kubesim_call_free(call);
    r.impersonate_user = STR("carl");
    call = kubesim_call_start(w.sim, &r, NULL, NULL);
    assert_answer(take(&w, call), 404, "NotFound");
    kubesim_call_free(call);
}

static void bind_role(const char *rules, const char *subject)
{
    struct buf b;
    buf_init(&b, 8192);
    buf_printf(&b, "{\"metadata\":{\"name\":\"r\"},\"rules\":%s}", rules);
    assert_answer(post(&w, RBAC "/namespaces/default/roles", buf_cstr(&b)), 201, NULL);
    buf_clear(&b);
    buf_printf(&b,
               "{\"metadata\":{\"name\":\"r\"},\"roleRef\":{\"kind\":\"Role\",\"name\":\"r\"},"
               "\"subjects\":[%s]}",
               subject);
    assert_answer(post(&w, RBAC "/namespaces/default/rolebindings", buf_cstr(&b)), 201, NULL);
    buf_deinit(&b);
}

static void test_roles(void **state)
{
    (void)state;
    assert_int_equal(status_as("a", "GET", LEASES "/mine"), 403);
    assert_int_equal(status_as("admin", "GET", LEASES "/mine"), 404);
    bind_role("[{\"apiGroups\":[\"coordination.k8s.io\"],\"resources\":[\"leases\"],"
              "\"resourceNames\":[\"mine\"],\"verbs\":[\"get\",\"watch\"]},"
              "{\"apiGroups\":[\"coordination.k8s.io\"],\"resources\":[\"leases\"],\"verbs\":["
              "\"create\"]}]",
              "{\"kind\":\"User\",\"name\":\"a\"}");
    assert_int_equal(status_as("a", "GET", LEASES "/mine"), 404);
    assert_int_equal(status_as("a", "GET", LEASES "/other"), 403);
    assert_int_equal(status_as("a", "GET", LEASES), 403);
    assert_int_equal(status_as("a", "POST", LEASES), 201);
    assert_int_equal(status_as("a", "DELETE", LEASES "/mine"), 403);
    assert_int_equal(status_as("a", "GET", LEASES "?watch=1&fieldSelector=metadata.name%3Dmine"),
                     200);
    assert_int_equal(status_as("a", "GET", LEASES "?watch=1"), 403);
    assert_int_equal(
        status_as("a", "GET", "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/mine"),
        403);
    assert_int_equal(
        status_as("a", "GET", ALL_LEASES "?watch=1&fieldSelector=metadata.name%3Dmine"), 403);
    assert_int_equal(status_as("b", "GET", LEASES "/mine"), 403);
    /* The binding goes, so does the right. */
    assert_answer(del(&w, RBAC "/namespaces/default/rolebindings/r"), 200, NULL);
    assert_int_equal(status_as("a", "GET", LEASES "/mine"), 403);
}

static void test_subjects(void **state)
{
    static const char rules[] = "[{\"apiGroups\":[\"*\"],\"resources\":[\"*\"],\"verbs\":[\"*\"]}]";
    static const struct {
        const char *subject;
        bool a, b;
    } cases[] = {
        {"{\"kind\":\"Group\",\"name\":\"crew\"}", false, true},
        {"{\"kind\":\"Group\",\"name\":\"cre\"}", false, false},
        {"{\"kind\":\"Group\",\"name\":\"system:authenticated\"}", true, true},
        {"{\"kind\":\"User\",\"name\":\"b\"},{\"kind\":\"User\",\"name\":\"a\"}", true, true},
        {"{\"kind\":\"Odd\",\"name\":\"a\"}", false, false}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bind_role(rules, cases[i].subject);
        assert_int_equal(status_as("a", "GET", LEASES) == 200, cases[i].a);
        assert_int_equal(status_as("b", "GET", LEASES) == 200, cases[i].b);
        del(&w, RBAC "/namespaces/default/rolebindings/r");
        del(&w, RBAC "/namespaces/default/roles/r");
    }
}

static void test_cluster_roles_and_paths(void **state)
{
    (void)state;
    post(&w, RBAC "/clusterroles",
         "{\"metadata\":{\"name\":\"c\"},\"rules\":[{\"nonResourceURLs\":[\"/"
         "foo\"],\"verbs\":[\"get\"]},"
         "{\"apiGroups\":[\"\"],\"resources\":[\"namespaces\",\"namespaces/"
         "status\"],\"verbs\":[\"get\",\"list\"]}]}");
    post(&w, RBAC "/clusterrolebindings",
         "{\"metadata\":{\"name\":\"c\"},\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"c\"},"
         "\"subjects\":[{\"kind\":\"User\",\"name\":\"a\"}]}");
    assert_int_equal(status_as("a", "GET", "/foo"), 404);
    assert_int_equal(status_as("b", "GET", "/foo"), 403);
    assert_int_equal(status_as("a", "GET", NAMESPACES), 200);
    assert_int_equal(status_as("a", "GET", NAMESPACES "/default/status"), 200);
    assert_int_equal(status_as("a", "PATCH", NAMESPACES "/default/status"), 403);
    assert_int_equal(status_as("a", "GET", LEASES), 403);
    /* Broken references give nothing. */
    post(&w, RBAC "/clusterrolebindings",
         "{\"metadata\":{\"name\":\"d\"},\"roleRef\":{\"kind\":\"ClusterRole\",\"name\":\"gone\"},"
         "\"subjects\":[{\"kind\":\"User\",\"name\":\"b\"}]}");
    assert_int_equal(status_as("b", "GET", NAMESPACES), 403);
    assert_answer(post(&w, RBAC "/clusterrolebindings", "{\"metadata\":{\"name\":\"e\"}}"), 422,
                  "Invalid");
    rule(true, "b:list:namespaces");
    assert_int_equal(status_as("b", "GET", NAMESPACES), 200);
    rule(false, "b:*:*");
    assert_int_equal(status_as("b", "GET", NAMESPACES), 403);
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define RBAC_CASE(f) cmocka_unit_test_setup_teardown(f, setup_rbac, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_tokens),
        CASE(test_headers),
        CASE(test_deny),
        CASE(test_rules_over_http),
        CASE(test_bad_rules),
        CASE(test_impersonation),
        RBAC_CASE(test_roles),
        RBAC_CASE(test_subjects),
        RBAC_CASE(test_cluster_roles_and_paths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
