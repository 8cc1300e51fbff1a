/* Claims of service account tokens. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "kube/jwt.h"
#include "wire/text.h"

static void base64url(struct buf *out, const char *text)
{
    struct buf plain;
    buf_init(&plain, 65536);
    base64_encode(&plain, str_from(text));
    for (size_t i = 0; i < plain.len && plain.data[i] != '='; i++) {
        char c = plain.data[i];
        buf_byte(out, c == '+' ? '-' : c == '/' ? '_' : c);
    }
    buf_deinit(&plain);
}

static bool pod_of(const char *claims, char *out, size_t size)
{
    struct buf token;
    struct arena a;
    buf_init(&token, 65536);
    arena_init(&a, 256);
    base64url(&token, "{\"alg\":\"RS256\"}");
    buf_byte(&token, '.');
    base64url(&token, claims);
    buf_text(&token, ".c2ln");
    str name = STR("-"), uid = STR("-");
    bool found = jwt_pod(&a, buf_view(&token), &name, &uid);
    snprintf(out, size, "%.*s %.*s", STR_ARG(name), STR_ARG(uid));
    buf_deinit(&token);
    arena_deinit(&a);
    return found;
}

static void test_bound_token(void **state)
{
    (void)state;
    char out[256];
    assert_true(pod_of(
        "{\"aud\":[\"https://"
        "kubernetes.default.svc\"],\"exp\":1798729200,\"kubernetes.io\":{\"namespace\":\"obs\","
        "\"node\":{\"name\":\"n\",\"uid\":\"nu\"},\"pod\":{\"name\":\"otel-0\",\"uid\":\"6f0e-1\"},"
        "\"serviceaccount\":{\"name\":\"otel\",\"uid\":\"su\"},\"warnafter\":1},\"sub\":\"x\"}",
        out, sizeof out));
    assert_string_equal(out, "otel-0 6f0e-1");
    assert_true(
        pod_of("{\"kubernetes.io\":{\"pod\":{\"uid\":\"u\\u0041\",\"name\":\"n\\u0042~?\"}}}", out,
               sizeof out));
    assert_string_equal(out, "nB~? uA");
}

static void test_tokens_without_a_pod(void **state)
{
    (void)state;
    static const char *const claims[] = {
        "{}",
        "[]",
        "",
        "5",
        "{\"kubernetes.io\":5}",
        "{\"kubernetes.io\":{\"pod\":null}}",
        "{\"kubernetes.io\":{\"pod\":{\"name\":\"n\"}}}",
        "{\"kubernetes.io\":{\"pod\":{\"name\":\"\",\"uid\":\"\"}}}",
        "{\"kubernetes.io\":{\"pod\":{\"name\":1,\"uid\":2}}}",
        "{\"kubernetes.io\":{\"serviceaccount\":{\"name\":\"n\",\"uid\":\"u\"}}}",
        "{\"pod\":{\"name\":\"n\",\"uid\":\"u\"}}",
        "{\"kubernetes.io\":{\"pod\":{\"name\":\"n\",\"uid\":\"u\"}}",
        "{\"kubernetes.io\":{\"pod\":{\"name\":\"n\",\"uid\":\"u\"}}} x",
    };
    char out[256];
    for (size_t i = 0; i < COUNT_OF(claims); i++) {
        assert_false(pod_of(claims[i], out, sizeof out));
        assert_string_equal(out, "- -");
    }
}

static void test_no_tokens(void **state)
{
    (void)state;
    static const char *const tokens[] = {"",   ".", "..", "a.b", "a.!!!!.c", "0123456789abcdef",
                                         "..."};
    struct arena a;
    arena_init(&a, 256);
    str name, uid;
    for (size_t i = 0; i < COUNT_OF(tokens); i++)
        assert_false(jwt_pod(&a, str_from(tokens[i]), &name, &uid));
    arena_deinit(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bound_token),
        cmocka_unit_test(test_tokens_without_a_pod),
        cmocka_unit_test(test_no_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
