/* Error bodies: Status as JSON and protobuf (bytes that protoc reads the same way), plain text, rubbish. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/limits.h"
#include "kube/status.h"

static void parse(struct kube_status *s, struct arena *a, const void *data, size_t len, char **copy)
{
    *copy = mem_alloc(len);
    memcpy(*copy, data, len);
    status_parse(s, a, str_make(*copy, len));
}

static void check(const char *body, bool found, int code, const char *reason, const char *message,
                  int64_t retry)
{
    struct kube_status s;
    struct arena a;
    char *copy;
    arena_init(&a, 256);
    parse(&s, &a, body, strlen(body), &copy);
    assert_int_equal(s.found, found);
    assert_int_equal(s.code, code);
    assert_true(str_eqz(s.reason, reason));
    if (!str_eqz(s.message, message))
        fail_msg("%s: message \"%.*s\"", body, STR_ARG(s.message));
    assert_int_equal(s.retry_after_s, retry);
    mem_free(copy);
    arena_deinit(&a);
}

static void test_json(void **state)
{
    (void)state;
    check("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},\"status\":\"Failure\","
          "\"message\":\"leases \\\"x\\\" not "
          "found\",\"reason\":\"NotFound\",\"details\":{\"name\":\"x\",\"kind\":\"leases\"},"
          "\"code\":404}\n",
          true, 404, "NotFound", "leases \"x\" not found", -1);
    check(" {\"details\":{\"causes\":[],\"retryAfterSeconds\":5},\"code\":429,\"kind\":\"Status\"}",
          true, 429, "", "", 5);
    check("{\"kind\":\"Status\",\"details\":null,\"code\":\"x\",\"reason\":null,\"message\":5}",
          true, 0, "", "", -1);
    check("{\"kind\":\"Status\",\"details\":{\"retryAfterSeconds\":-5},\"code\":99999}", true, 0,
          "", "", -1);
}

static void test_text(void **state)
{
    (void)state;
    check("404 page not found\n", false, 0, "", "404 page not found", -1);
    check("\r\n  Too many requests, please try again later.\r\nsecond line", false, 0, "",
          "Too many requests, please try again later.", -1);
    check("", false, 0, "", "", -1);
    check("\n\n", false, 0, "", "", -1);
    check("<html><body>no</body></html>", false, 0, "",
          "the answer is HTML: not from an API server but a proxy or another server", -1);
    check("\xff\xfe", false, 0, "", "", -1);
    check("{\"message\":\"x\"}", false, 0, "", "{\"message\":\"x\"}", -1);
    check("{\"kind\":\"Status\",", false, 0, "", "{\"kind\":\"Status\",", -1);
}

/* runtime.Unknown around meta.v1.Status, checked with protoc --decode_raw:
 *   typeMeta {apiVersion "v1" kind "Status"} raw {metadata {} status "Failure" message "too old" reason "Expired"
 *   details {retryAfterSeconds 7} code 410} */
static const unsigned char vector[] = {
    'k', '8', 's', 0,    0x0a, 0x0c, 0x0a, 0x02, 'v',  '1',  0x12, 0x06, 'S',  't',
    'a', 't', 'u', 's',  0x12, 0x24, 0x0a, 0x00, 0x12, 0x07, 'F',  'a',  'i',  'l',
    'u', 'r', 'e', 0x1a, 0x07, 't',  'o',  'o',  ' ',  'o',  'l',  'd',  0x22, 0x07,
    'E', 'x', 'p', 'i',  'r',  'e',  'd',  0x2a, 0x02, 0x28, 0x07, 0x30, 0x9a, 0x03,
};

static void test_protobuf(void **state)
{
    (void)state;
    struct kube_status s;
    struct arena a;
    char *copy;
    arena_init(&a, 256);
    parse(&s, &a, vector, sizeof vector, &copy);
    assert_true(s.found);
    assert_int_equal(s.code, 410);
    assert_true(str_eqz(s.reason, "Expired"));
    assert_true(str_eqz(s.message, "too old"));
    assert_int_equal(s.retry_after_s, 7);
    mem_free(copy);
    unsigned char other[sizeof vector];
    memcpy(other, vector, sizeof vector);
    memcpy(other + 12, "Secret", 6); /* an object of another kind is no Status */
    parse(&s, &a, other, sizeof other, &copy);
    assert_false(s.found);
    assert_int_equal(s.message.len + s.reason.len, 0);
    mem_free(copy);
    for (size_t len = 0; len < sizeof vector; len++) {
        parse(&s, &a, vector, len, &copy);
        assert_false(s.found && s.code == 410);
        mem_free(copy);
    }
    arena_deinit(&a);
}

static void test_print(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 4096);
    struct kube_status s = {.reason = STR("Conflict"),
                            .message = STR("the object\nhas\x7f been\tmodified")};
    status_print(&b, 409, &s);
    assert_string_equal(buf_cstr(&b), "409 Conflict (Conflict): the object has  been modified");
    buf_clear(&b);
    s = (struct kube_status){0};
    status_print(&b, 599, &s);
    assert_string_equal(buf_cstr(&b), "599");
    buf_clear(&b);
    static char text[LIMIT_STATUS_MESSAGE_BYTES + 10];
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 2);
    s.message = str_make(text + 1, sizeof text - 1); /* a character sits across the limit */
    status_print(&b, 400, &s);
    assert_true(b.len <= LIMIT_STATUS_MESSAGE_BYTES + 32);
    assert_true(str_ends_with(buf_view(&b), STR("\xc3\xa9...")));
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_protobuf),
        cmocka_unit_test(test_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
