/* gRPC framing, codes and retry information; vectors from hand-assembled and generated messages. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>

#include "wire/grpc.h"
#include "wire/pb.h"
#include "wire/text.h"

static void test_frame(void **state)
{
    (void)state;
    struct buf b;
    bool compressed = true;
    str message;
    struct err err;
    buf_init(&b, 100000);
    grpc_frame(&b, false, STR_NONE);
    assert_memory_equal(b.data, "\0\0\0\0\0", 5);
    assert_true(grpc_unframe(buf_view(&b), &compressed, &message, &err));
    assert_false(compressed);
    assert_int_equal(message.len, 0);
    buf_clear(&b);
    static char big[70000];
    memset(big, 'x', sizeof big);
    grpc_frame(&b, true, str_make(big, sizeof big));
    assert_memory_equal(b.data, "\x01\x00\x01\x11\x70", 5);
    assert_true(grpc_unframe(buf_view(&b), &compressed, &message, &err));
    assert_true(compressed);
    assert_true(str_eq(message, str_make(big, sizeof big)));
    buf_deinit(&b);
}

static void test_unframe_errors(void **state)
{
    (void)state;
    static const struct {
        str body;
        const char *part;
    } bad[] = {
        {{NULL, 0}, "0 bytes"},
        {{"\0\0\0\0", 4}, "4 bytes"},
        {{"\0\0\0\0\1", 5}, "cut short: 0 of 1"},
        {{"\0\xff\xff\xff\xff", 5}, "cut short: 0 of 4294967295"},
        {{"\0\0\0\0\1ab", 7}, "1 bytes after"},
        {{"\2\0\0\0\0", 5}, "flag 2"},
    };
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        bool compressed;
        str message;
        struct err err = {0};
        assert_false(grpc_unframe(bad[i].body, &compressed, &message, &err));
        if (strstr(err.text, bad[i].part) == NULL)
            fail_msg("%s", err.text);
    }
}

static void test_codes(void **state)
{
    (void)state;
    assert_string_equal(grpc_code_name(GRPC_OK), "OK");
    assert_string_equal(grpc_code_name(GRPC_CANCELLED), "Canceled");
    assert_string_equal(grpc_code_name(GRPC_UNAVAILABLE), "Unavailable");
    assert_string_equal(grpc_code_name(GRPC_UNAUTHENTICATED), "Unauthenticated");
    assert_string_equal(grpc_code_name((enum grpc_code)17), "Unknown");
    assert_int_equal(GRPC_UNAUTHENTICATED, 16);
    assert_int_equal(grpc_code_from_http(400), 13);
    assert_int_equal(grpc_code_from_http(401), 16);
    assert_int_equal(grpc_code_from_http(403), 7);
    assert_int_equal(grpc_code_from_http(404), 12);
    assert_int_equal(grpc_code_from_http(429), 14);
    assert_int_equal(grpc_code_from_http(502), 14);
    assert_int_equal(grpc_code_from_http(503), 14);
    assert_int_equal(grpc_code_from_http(504), 14);
    assert_int_equal(grpc_code_from_http(500), 2);
    assert_int_equal(grpc_code_from_http(200), 2);
    assert_int_equal(grpc_code_from_rst(7), 14);
    assert_int_equal(grpc_code_from_rst(8), 1);
    assert_int_equal(grpc_code_from_rst(11), 8);
    assert_int_equal(grpc_code_from_rst(0), 13);
    assert_int_equal(grpc_code_from_rst(UINT32_MAX), 13);
}

static void test_message_decode(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    grpc_message_decode(&b, STR("caf%C3%A9 100%25 %zz %4 %%41 a+b % %41"));
    assert_string_equal(buf_cstr(&b), "caf\xc3\xa9 100% %zz %4 %A a+b % A");
    buf_deinit(&b);
}

static void test_retry_delay(void **state)
{
    (void)state;
    int64_t delay = 77;
    assert_true(grpc_retry_delay(
        STR("CA4SBGJ1c3kaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIBQ"),
        &delay));
    assert_true(delay == INT64_C(5000000000));
    delay = 77;
    assert_true(grpc_retry_delay(
        STR("CA4SBGJ1c3kaMAoodHlwZS5nb29nbGVhcGlzLmNvbS9nb29nbGUucnBjLlJldHJ5SW5mbxIECgIIBQ=="),
        &delay));
    assert_true(delay == INT64_C(5000000000));
    delay = 77;
    assert_false(grpc_retry_delay(STR_NONE, &delay));
    assert_false(grpc_retry_delay(STR("CA4SBGJ1c3k"), &delay)); /* no details */
    assert_false(grpc_retry_delay(STR("not base64!"), &delay));
    assert_false(grpc_retry_delay(STR("CA4SBGJ1c3kaMAoodH"), &delay)); /* cut */
    assert_true(delay == 77);
}

/* A status with one foreign detail and one RetryInfo of these seconds and nanos. */
static bool retry_delay_of(int64_t seconds, int32_t nanos, const char *type_url, int64_t *delay)
{
    struct buf b, text;
    buf_init(&b, 1000);
    buf_init(&text, 1000);
    pb_put_u64(&b, 1, 14);
    size_t any = pb_open(&b, 3);
    pb_put_bytes(&b, 1, STR("type.googleapis.com/google.rpc.ErrorInfo"));
    pb_put_bytes(&b, 2, STR("\x0a\x01x"));
    pb_close(&b, any);
    any = pb_open(&b, 3);
    pb_put_bytes(&b, 1, str_from(type_url));
    size_t info = pb_open(&b, 2);
    size_t duration = pb_open(&b, 1);
    pb_put_u64(&b, 1, (uint64_t)seconds);
    pb_put_u64(&b, 2, (uint64_t)(int64_t)nanos);
    pb_close(&b, duration);
    pb_close(&b, info);
    pb_close(&b, any);
    base64_encode(&text, buf_view(&b));
    bool ok = grpc_retry_delay(buf_view(&text), delay);
    buf_deinit(&b);
    buf_deinit(&text);
    return ok;
}

static void test_retry_delay_range(void **state)
{
    (void)state;
    static const char url[] = "type.googleapis.com/google.rpc.RetryInfo";
    int64_t delay = 77;
    assert_true(retry_delay_of(1, 500000000, url, &delay) && delay == 1500000000);
    assert_true(retry_delay_of(0, 0, url, &delay) && delay == 0);
    assert_true(retry_delay_of(1, 0, "example.org/google.rpc.RetryInfo", &delay) &&
                delay == 1000000000);
    assert_true(retry_delay_of(INT64_MAX, 999999999, url, &delay) && delay == INT64_MAX);
    assert_true(retry_delay_of(INT64_C(9223372036), 854775807, url, &delay) && delay == INT64_MAX);
    delay = 77;
    assert_false(retry_delay_of(-1, 0, url, &delay));
    assert_false(retry_delay_of(0, -1, url, &delay));
    assert_false(retry_delay_of(0, 1000000000, url, &delay));
    assert_false(retry_delay_of(1, 0, "type.googleapis.com/xgoogle.rpc.RetryInfo", &delay));
    assert_false(retry_delay_of(1, 0, "", &delay));
    assert_true(delay == 77);
}

static void test_names(void **state)
{
    (void)state;
    assert_true(grpc_is_metadata_name(STR("X-Fencing_token.1")));
    assert_false(grpc_is_metadata_name(STR("")));
    assert_false(grpc_is_metadata_name(STR("a b")));
    assert_false(grpc_is_metadata_name(STR("a:b")));
    assert_false(grpc_is_metadata_name(STR("\xc3\xa4")));
    assert_true(grpc_is_reserved_name(STR("Content-Type")));
    assert_true(grpc_is_reserved_name(STR("te")));
    assert_true(grpc_is_reserved_name(STR("USER-AGENT")));
    assert_true(grpc_is_reserved_name(STR("grpc-anything")));
    assert_false(grpc_is_reserved_name(STR("grpc")));
    assert_false(grpc_is_reserved_name(STR("x-te")));
    assert_true(grpc_is_binary_name(STR("data-BIN")));
    assert_false(grpc_is_binary_name(STR("-bin")));
    assert_false(grpc_is_binary_name(STR("bin")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame),       cmocka_unit_test(test_unframe_errors),
        cmocka_unit_test(test_codes),       cmocka_unit_test(test_message_decode),
        cmocka_unit_test(test_retry_delay), cmocka_unit_test(test_retry_delay_range),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
