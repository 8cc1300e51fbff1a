/* gzip and zstd against texts that other programs made and programs that read ours; bombs; damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "wire/compress.h"

static const unsigned char gzip_hello[] =
    {/* gzip.compress(b"hello hello hello", mtime=0) of Python */
     0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xcb, 0x48, 0xcd, 0xc9,
     0xc9, 0x57, 0xc8, 0x40, 0x90, 0x00, 0x80, 0x88, 0xf9, 0xe5, 0x11, 0x00, 0x00, 0x00};
static const unsigned char gzip_two[] = {/* members for b"one", b"" and b"two" */
                                         0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
                                         0xcb, 0xcf, 0x4b, 0x05, 0x00, 0xf1, 0x86, 0x6c, 0x7a, 0x03,
                                         0x00, 0x00, 0x00, 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00,
                                         0x00, 0x02, 0x03, 0x03, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
                                         0x00, 0x00, 0x00, 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00,
                                         0x00, 0x02, 0x03, 0x2b, 0x29, 0xcf, 0x07, 0x00, 0x66, 0x8a,
                                         0xca, 0x11, 0x03, 0x00, 0x00, 0x00};
static const unsigned char gzip_named[] = {/* with a file name in its header */
                                           0x1f, 0x8b, 0x08, 0x08, 0x00, 0x00, 0x00, 0x00, 0x02,
                                           0xff, 0x6e, 0x61, 0x6d, 0x65, 0x2e, 0x74, 0x78, 0x74,
                                           0x00, 0xcb, 0x4b, 0xcc, 0x4d, 0x4d, 0x01, 0x00, 0x87,
                                           0xcc, 0xe0, 0x71, 0x05, 0x00, 0x00, 0x00};
static const unsigned char zstd_hello[] = {/* zstd -c */
                                           0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x58, 0x65,
                                           0x00, 0x00, 0x30, 0x68, 0x65, 0x6c, 0x6c,
                                           0x6f, 0x20, 0x01, 0x00, 0x31, 0x4a, 0x11};
static const unsigned char zstd_two[] =
    {/* frames for "one" and "two", a skippable and an empty one between */
     0x28, 0xb5, 0x2f, 0xfd, 0x04, 0x58, 0x19, 0x00, 0x00, 0x6f, 0x6e, 0x65, 0xf6, 0xa1,
     0x08, 0x24, 0x50, 0x2a, 0x4d, 0x18, 0x03, 0x00, 0x00, 0x00, 0x61, 0x62, 0x63, 0x28,
     0xb5, 0x2f, 0xfd, 0x24, 0x00, 0x01, 0x00, 0x00, 0x99, 0xe9, 0xd8, 0x51, 0x28, 0xb5,
     0x2f, 0xfd, 0x04, 0x58, 0x19, 0x00, 0x00, 0x74, 0x77, 0x6f, 0x8b, 0x44, 0xf4, 0xec};

#define BYTES(array) str_make((const char *)(array), sizeof(array))

static void check_decompress(enum compression c, str text, const char *want)
{
    struct buf b;
    struct err err;
    buf_init(&b, 1000);
    buf_text(&b, "!");
    if (!decompress_bytes(c, text, &b, &err))
        fail_msg("%s", err.text);
    assert_string_equal(buf_cstr(&b) + 1, want);
    buf_deinit(&b);
}

static void test_texts_of_others(void **state)
{
    (void)state;
    check_decompress(COMPRESS_GZIP, BYTES(gzip_hello), "hello hello hello");
    check_decompress(COMPRESS_GZIP, BYTES(gzip_two), "onetwo");
    check_decompress(COMPRESS_GZIP, BYTES(gzip_named), "named");
    check_decompress(COMPRESS_ZSTD, BYTES(zstd_hello), "hello hello hello");
    check_decompress(COMPRESS_ZSTD, BYTES(zstd_two), "onetwo");
    check_decompress(COMPRESS_NONE, STR("plain"), "plain");
    check_decompress(COMPRESS_NONE, STR_NONE, "");
}

static void fill(char *text, size_t len, int kind)
{
    uint32_t seed = 5;
    for (size_t i = 0; i < len; i++) {
        seed = seed * 1664525 + 1013904223;
        text[i] = kind == 0   ? '\0'
                  : kind == 1 ? (char)(seed >> 24)
                              : (char)('a' + (seed >> 28) % 5);
    }
}

static void test_round_trips(void **state)
{
    (void)state;
    static char text[3000000];
    static const size_t lens[] = {0, 1, 2, 100, 4095, 4096, 4097, 65536, 300000, sizeof text};
    for (int kind = 0; kind < 3; kind++) {
        fill(text, sizeof text, kind);
        for (size_t i = 0; i < COUNT_OF(lens); i++) {
            for (enum compression c = COMPRESS_NONE; c <= COMPRESS_ZSTD; c++) {
                struct buf packed, out;
                struct err err;
                buf_init(&packed, 4000000);
                buf_init(&out, lens[i]); /* exactly enough */
                assert_true(compress_bytes(c, str_make(text, lens[i]), &packed, &err));
                if (!decompress_bytes(c, buf_view(&packed), &out, &err))
                    fail_msg("kind %d, %zu bytes, %s: %s", kind, lens[i], compression_name(c),
                             err.text);
                assert_true(str_eq(buf_view(&out), str_make(text, lens[i])));
                buf_deinit(&packed);
                buf_deinit(&out);
            }
        }
    }
}

/* What we compress, the programs of that name take apart. */
static void check_by_program(enum compression c, const char *program)
{
    static char text[500000];
    struct buf packed;
    struct err err;
    char folder[] = "/tmp/compress_XXXXXX", path[64], command[200];
    assert_non_null(mkdtemp(folder));
    fill(text, sizeof text, 2);
    buf_init(&packed, sizeof text);
    assert_true(compress_bytes(c, BYTES(text), &packed, &err));
    const str files[] = {buf_view(&packed), BYTES(text)};
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%zu", folder, i);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(files[i].data, 1, files[i].len, f), files[i].len);
        assert_int_equal(fclose(f), 0);
    }
    snprintf(command, sizeof command, "%s -dc <%s/0 | cmp - %s/1", program, folder, folder);
    int status = system(command);
    snprintf(command, sizeof command, "rm -r %s", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(status, 0);
    buf_deinit(&packed);
}

static void test_programs_read_ours(void **state)
{
    (void)state;
    if (system("command -v gzip cmp >/dev/null") == 0)
        check_by_program(COMPRESS_GZIP, "gzip");
    if (system("command -v zstd cmp >/dev/null") == 0)
        check_by_program(COMPRESS_ZSTD, "zstd -q");
}

static void test_bombs(void **state)
{
    (void)state;
    static char zeros[3000000];
    for (enum compression c = COMPRESS_NONE; c <= COMPRESS_ZSTD; c++) {
        struct buf packed, out;
        struct err err;
        buf_init(&packed, sizeof zeros);
        assert_true(compress_bytes(c, BYTES(zeros), &packed, &err));
        static const size_t maxima[] = {0, 1, 4096, 100000, sizeof zeros - 1};
        for (size_t i = 0; i < COUNT_OF(maxima); i++) {
            buf_init(&out, maxima[i] + 6);
            buf_text(&out, "before");
            assert_false(decompress_bytes(c, buf_view(&packed), &out, &err));
            assert_non_null(strstr(err.text, "larger than"));
            assert_string_equal(buf_cstr(&out), "before"); /* nothing of it is left */
            buf_deinit(&out);
        }
        buf_deinit(&packed);
        buf_init(&packed, c == COMPRESS_NONE ? 10 : 5);
        assert_false(compress_bytes(c, BYTES(zeros), &packed, &err));
        assert_non_null(strstr(err.text, "room for"));
        buf_deinit(&packed);
    }
}

/* A length field that lies costs neither memory nor the data. */
static void test_lying_lengths(void **state)
{
    (void)state;
    struct buf out;
    struct err err;
    char lie[sizeof gzip_hello];
    memcpy(lie, gzip_hello, sizeof lie);
    memset(lie + sizeof lie - 4, 0xff, 4);
    buf_init(&out, 1 << 30);
    assert_false(decompress_bytes(COMPRESS_GZIP, str_make(lie, sizeof lie), &out, &err));
    assert_non_null(strstr(err.text, "damaged"));
    assert_true(out.cap < 200000);
    buf_deinit(&out);
    memset(lie + sizeof lie - 4, 0, 4);
    buf_init(&out, 1 << 30);
    assert_false(decompress_bytes(COMPRESS_GZIP, str_make(lie, sizeof lie), &out, &err));
    buf_deinit(&out);
    /* zstd: single segment with a content size of 2^40 in its header, then an empty last block. */
    static const unsigned char zstd_lie[] = {0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0,
                                             0,    0,    1,    0,    0,    1, 0, 0};
    buf_init(&out, 1 << 30);
    assert_false(decompress_bytes(COMPRESS_ZSTD, BYTES(zstd_lie), &out, &err));
    assert_true(out.cap < 200000);
    buf_deinit(&out);
}

static void test_damage(void **state)
{
    (void)state;
    struct buf out;
    struct err err;
    buf_init(&out, 1000);
    for (size_t len = 0; len < sizeof gzip_hello; len++)
        assert_false(
            decompress_bytes(COMPRESS_GZIP, str_make((const char *)gzip_hello, len), &out, &err));
    for (size_t len = 0; len < sizeof zstd_hello; len++)
        assert_false(
            decompress_bytes(COMPRESS_ZSTD, str_make((const char *)zstd_hello, len), &out, &err));
    for (size_t i = 0; i < sizeof gzip_hello - 1; i++) {
        char damaged[sizeof gzip_hello];
        memcpy(damaged, gzip_hello, sizeof damaged);
        damaged[i] ^= 0x41;
        bool header = i >= 4 && i <= 9; /* time, flags of no consequence, system: not checked */
        if (decompress_bytes(COMPRESS_GZIP, str_make(damaged, sizeof damaged), &out, &err) &&
            !header)
            fail_msg("damage at byte %zu went unseen", i);
        out.len = 0;
    }
    char trailing[sizeof gzip_hello + 3];
    memcpy(trailing, gzip_hello, sizeof gzip_hello);
    memcpy(trailing + sizeof gzip_hello, "xyz", 3);
    assert_false(decompress_bytes(COMPRESS_GZIP, str_make(trailing, sizeof trailing), &out, &err));
    assert_false(
        decompress_bytes(COMPRESS_GZIP, STR("not gzip, but long enough to be"), &out, &err));
    assert_false(decompress_bytes(COMPRESS_ZSTD, STR("not zstd"), &out, &err));
    assert_int_equal(out.len, 0);
    buf_deinit(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_of_others),    cmocka_unit_test(test_round_trips),
        cmocka_unit_test(test_programs_read_ours), cmocka_unit_test(test_bombs),
        cmocka_unit_test(test_lying_lengths),      cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
