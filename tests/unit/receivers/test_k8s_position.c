/* The text of positions: its size, what comes back, and all that is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#include "base/limits.h"
#include "receivers/k8s_cluster/position.h"

static uint64_t random_state = 88172645463325252;

static uint64_t next_random(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

static bool read_back(str text, uint64_t hash, int64_t *repeated_ms, struct stream_mark *marks,
                      size_t count)
{
    struct err err;
    return position_parse(text, hash, repeated_ms, marks, count, &err);
}

static void check_round_trip(const struct stream_mark *marks, size_t count, int64_t repeated_ms)
{
    struct stream_mark back[200];
    struct buf text;
    int64_t repeated_back;
    buf_init(&text, 16 * KIB);
    position_print(&text, 77, repeated_ms, marks, count);
    assert_true(read_back(buf_view(&text), 77, &repeated_back, back, count));
    assert_int_equal(repeated_back, repeated_ms);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(back[i].known, marks[i].known);
        assert_int_equal(back[i].version, marks[i].known ? marks[i].version : 0);
        if (marks[i].known)
            assert_true(fingerprints_equal(back[i].fingerprint, marks[i].fingerprint));
    }
    buf_deinit(&text);
}

static void test_what_is_printed_comes_back(void **state)
{
    (void)state;
    for (int round = 0; round < 2000; round++) {
        struct stream_mark marks[200];
        size_t count = (size_t)(next_random() % 200);
        uint64_t around = next_random() >> (1 + next_random() % 63);
        for (size_t i = 0; i < count; i++) {
            uint64_t back = next_random() >> (next_random() % 64);
            marks[i] = (struct stream_mark){.known = next_random() % 8 != 0,
                                            .version = back < around ? around - back : 0,
                                            .fingerprint = next_random()};
        }
        check_round_trip(marks, count, (int64_t)(next_random() >> 20));
    }
    struct stream_mark extreme[] = {
        {.known = true, .version = INT64_MAX, .fingerprint = UINT64_MAX},
        {.known = true, .version = 1},
        {.known = true},
        {.known = false, .version = 5}};
    check_round_trip(extreme, COUNT_OF(extreme), INT64_MAX);
    check_round_trip(extreme, 0, 0);
}

static void test_versions_beyond_any_server_count_as_unknown(void **state)
{
    (void)state;
    struct stream_mark marks[] = {{.known = true, .version = UINT64_MAX},
                                  {.known = true, .version = 7, .fingerprint = 3}};
    struct stream_mark back[2];
    struct buf text;
    int64_t repeated_ms;
    buf_init(&text, KIB);
    position_print(&text, 1, 5, marks, 2);
    assert_true(read_back(buf_view(&text), 1, &repeated_ms, back, 2));
    assert_false(back[0].known);
    assert_true(back[1].known && back[1].version == 7);
    buf_deinit(&text);
}

static void test_size(void **state)
{
    (void)state;
    struct stream_mark marks[180];
    /* A large cluster: versions of a year, streams that changed within the last days. */
    for (size_t i = 0; i < COUNT_OF(marks); i++)
        marks[i] = (struct stream_mark){.known = true,
                                        .version = 4000000000 - next_random() % 30000000,
                                        .fingerprint = next_random()};
    struct buf text;
    buf_init(&text, 16 * KIB);
    position_print(&text, next_random(), 1700000000000, marks, COUNT_OF(marks));
    if (text.len > 1536)
        fail_msg("%zu bytes", text.len);
    buf_deinit(&text);
}

static void expect_refused(str text, uint64_t hash, size_t count, const char *why)
{
    struct stream_mark marks[4] = {{.version = 99}};
    int64_t repeated_ms = 42;
    struct err err;
    assert_false(position_parse(text, hash, &repeated_ms, marks, count, &err));
    size_t at;
    if (!str_find(str_from(err.text), str_from(why), &at))
        fail_msg("\"%s\" does not say \"%s\"", err.text, why);
    assert_int_equal(repeated_ms, 42);
    assert_int_equal(marks[0].version, 99);
}

static void test_what_is_refused(void **state)
{
    (void)state;
    const struct stream_mark marks[] = {{.known = true, .version = 500, .fingerprint = 5},
                                        {.known = false},
                                        {.known = true, .version = 480, .fingerprint = 6}};
    struct buf b;
    buf_init(&b, KIB);
    position_print(&b, 77, 1234567, marks, 3);
    str text = buf_view(&b);
    expect_refused(STR(""), 77, 3, "begins with '1'");
    expect_refused(STR("2AAAAAAAAAAAAAAA"), 77, 3, "begins with '1'");
    expect_refused(STR("1AAAAAAAAAAAAAAA"), 77, 3, "cut or edited");
    expect_refused(text, 78, 3, "other kinds or namespaces");
    expect_refused(text, 77, 2, "malformed at its end");
    expect_refused(text, 77, 4, "malformed at stream 4 of 4");
    /* Cut anywhere; one character changed, anywhere, to anything. */
    for (size_t len = 0; len < text.len; len++)
        expect_refused(str_make(text.data, len), 77, 3, "position: ");
    for (size_t i = 0; i < text.len; i++) {
        char original = b.data[i];
        for (int c = 0; c < 256; c++) {
            b.data[i] = (char)c;
            if (b.data[i] != original)
                expect_refused(text, 77, 3, "position: ");
        }
        b.data[i] = original;
    }
    int64_t repeated_ms;
    struct stream_mark back[3];
    assert_true(read_back(text, 77, &repeated_ms, back, 3));
    buf_deinit(&b);
}

static void test_the_hash_tells_streams_apart(void **state)
{
    (void)state;
    uint64_t pods = position_hash(0, 1, STR("a"));
    assert_true(pods == position_hash(0, 1, STR("a")));
    assert_true(pods != position_hash(0, 2, STR("a")));
    assert_true(pods != position_hash(0, 1, STR("b")));
    assert_true(pods != position_hash(pods, 1, STR("a")));
    assert_true(position_hash(pods, 1, STR("b")) !=
                position_hash(position_hash(0, 1, STR("b")), 1, STR("a")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_printed_comes_back),
        cmocka_unit_test(test_versions_beyond_any_server_count_as_unknown),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test(test_the_hash_tells_streams_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
