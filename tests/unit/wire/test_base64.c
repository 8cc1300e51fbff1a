/* base64 against OpenSSL, hexadecimal digits, percent encoding. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#include "wire/text.h"

static void test_base64_by_openssl(void **state)
{
    (void)state;
    srand(3);
    for (int len = 0; len < 200; len++) {
        unsigned char bytes[200], text[400];
        for (int i = 0; i < len; i++)
            bytes[i] = (unsigned char)(rand() & 0xff);
        int text_len = EVP_EncodeBlock(text, bytes, len);
        struct buf b;
        buf_init(&b, 1000);
        base64_encode(&b, str_make((char *)bytes, (size_t)len));
        assert_true(str_eq(buf_view(&b), str_make((char *)text, (size_t)text_len)));
        buf_clear(&b);
        assert_true(base64_decode(str_make((char *)text, (size_t)text_len), &b));
        assert_true(str_eq(buf_view(&b), str_make((char *)bytes, (size_t)len)));
        buf_clear(&b);
        while (text_len > 0 && text[text_len - 1] == '=')
            text_len--;
        assert_true(
            base64_decode(str_make((char *)text, (size_t)text_len), &b)); /* without padding */
        for (int i = 0; i < text_len; i++)
            text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
        assert_true(base64url_decode(str_make((char *)text, (size_t)text_len), &b)); /* appends */
        assert_int_equal(b.len, 2 * len);
        assert_memory_equal(b.data, bytes, (size_t)len);
        if (len > 0)
            assert_memory_equal(b.data + len, bytes, (size_t)len);
        buf_deinit(&b);
    }
}

static void check_base64(const char *text, bool url, const char *want)
{
    struct buf b;
    buf_init(&b, 100);
    buf_text(&b, "!");
    bool ok = url ? base64url_decode(str_from(text), &b) : base64_decode(str_from(text), &b);
    if (ok != (want != NULL))
        fail_msg("%s was %s", text, ok ? "accepted" : "refused");
    assert_int_equal(buf_cstr(&b)[0], '!');
    assert_string_equal(buf_cstr(&b) + 1, ok ? want : "");
    buf_deinit(&b);
}

static void test_base64_forms(void **state)
{
    (void)state;
    check_base64("aGVs\n bG8\t=\r\n", false, "hello");
    check_base64("", false, "");
    check_base64("   ", false, "");
    static const char *const bad[] = {
        "a",        "aGVsb",     "=",   "==",    "aGVs=",     "aG=V", "a=G=", "aGVs==",
        "aG==aG==", "aGVsbG8==", "aG=", "aG===", "aGVsbG8=x", "a-_b", "aGV*", "aGVs\x80"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        check_base64(bad[i], false, NULL);
    check_base64("-_-_", true, "\xfb\xff\xbf");
    check_base64("aG==", true, NULL);
    check_base64("aG Vs", true, NULL);
    check_base64("a+/b", true, NULL);
    check_base64("a", true, NULL);
    struct buf b;
    buf_init(&b, 4);
    assert_false(base64_decode(STR("aGVsbG8="), &b)); /* five bytes */
    assert_int_equal(b.len, 0);
    buf_deinit(&b);
}

static void test_hex(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    hex_encode(&b, STR("\x00\x01\x7f\x80\xff"));
    assert_string_equal(buf_cstr(&b), "00017f80ff");
    buf_deinit(&b);
}

static void test_url(void **state)
{
    (void)state;
    struct buf b;
    char all[256];
    for (int i = 0; i < 256; i++)
        all[i] = (char)i;
    buf_init(&b, 2000);
    url_encode(&b, STR("aZ09-._~ /?&=+%\xc3\xa4\x00"));
    assert_string_equal(buf_cstr(&b), "aZ09-._~%20%2F%3F%26%3D%2B%25%C3%A4%00");
    buf_clear(&b);
    url_encode(&b, str_make(all, 256));
    struct buf decoded;
    buf_init(&decoded, 256);
    assert_true(url_decode(buf_view(&b), &decoded));
    assert_true(str_eq(buf_view(&decoded), str_make(all, 256)));
    buf_clear(&decoded);
    assert_true(url_decode(STR("a+b%2f%2F"), &decoded));
    assert_string_equal(buf_cstr(&decoded), "a+b//");
    static const char *const bad[] = {"%", "a%4", "%4", "%zz", "%4z", "%%20"};
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        assert_false(url_decode(str_from(bad[i]), &decoded));
    assert_string_equal(buf_cstr(&decoded), "a+b//");
    buf_deinit(&decoded);
    buf_init(&decoded, 2);
    assert_false(url_decode(STR("abc"), &decoded));
    assert_int_equal(decoded.len, 0);
    buf_deinit(&decoded);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base64_by_openssl),
        cmocka_unit_test(test_base64_forms),
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_url),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
