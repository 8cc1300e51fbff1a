/* The hand-over note: what is written comes back, what is broken is refused whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/limits.h"
#include "election/note.h"

static void print_and_parse(const struct note *n, struct note *back)
{
    struct buf text;
    struct err err;
    buf_init(&text, 64 * KIB);
    assert_int_equal(note_print(&text, n), 0);
    if (!note_parse(back, buf_view(&text), &err))
        fail_msg("%s", err.text);
    buf_deinit(&text);
}

static void test_written_note_comes_back(void **state)
{
    (void)state;
    struct note n, back;
    note_init(&n);
    note_init(&back);
    n.lease_uid = STR("7f0c-\"quoted\"");
    n.transitions = 12;
    const struct note_entry foo = {.interval_ns = 60000000000,
                                   .phase_ns = 1,
                                   .start_ns = 1795409504632842276,
                                   .enqueued_ns = INT64_MAX,
                                   .acknowledged_ns = 0,
                                   .position = STR("rv 12\n")};
    note_put(&n, STR("dummy/foo"), &(struct note_entry){.interval_ns = 5});
    note_put(&n, STR("dummy/foo"), &foo); /* replaces */
    note_put(&n, STR("k8s_events"), &(struct note_entry){.position = STR("771")});
    print_and_parse(&n, &back);
    assert_true(str_eqz(back.lease_uid, "7f0c-\"quoted\""));
    assert_int_equal(back.transitions, 12);
    assert_int_equal(back.receiver_count, 2);
    const struct note_entry *e = note_find(&back, STR("dummy/foo"));
    assert_non_null(e);
    assert_int_equal(e->start_ns, foo.start_ns);
    assert_int_equal(e->enqueued_ns, INT64_MAX);
    assert_true(str_eq(e->position, foo.position));
    assert_true(str_eqz(note_find(&back, STR("k8s_events"))->position, "771"));
    assert_null(note_find(&back, STR("dummy")));
    note_deinit(&n);
    note_deinit(&back);
}

/* More than fit. */
static void put_many(struct note *n)
{
    char id[32];
    for (int i = 0; i < 200; i++) {
        int len = snprintf(id, sizeof id, "dummy/%d", i);
        note_put(n, str_make(id, (size_t)len),
                 &(struct note_entry){.interval_ns = 1, .enqueued_ns = 1795409504632842276});
    }
}

static void test_full_note_leaves_receivers_out_and_says_so(void **state)
{
    (void)state;
    struct note n, back;
    struct buf text;
    struct err err;
    note_init(&n);
    note_init(&back);
    put_many(&n);
    buf_init(&text, 64 * KIB);
    size_t left_out = note_print(&text, &n);
    assert_true(left_out > 0 && left_out < 200);
    assert_true(text.len <= LIMIT_NOTE_BYTES);
    assert_true(note_parse(&back, buf_view(&text), &err));
    assert_int_equal(back.receiver_count, 200 - left_out);
    buf_deinit(&text);
    note_deinit(&n);
    note_deinit(&back);
}

/* Each batch has another position, for as long as a term lasts. */
static void test_new_positions_take_the_place_of_old_ones(void **state)
{
    (void)state;
    struct note n;
    char text[LIMIT_POSITION_BYTES + 1];
    note_init(&n);
    for (int i = 0; i < 10000; i++) {
        int len = snprintf(text, sizeof text, "%0*d", 10 + i % 500, i);
        note_put(&n, STR("k8s_cluster"),
                 &(struct note_entry){.position = str_make(text, (size_t)len)});
        assert_true(
            str_eq(note_find(&n, STR("k8s_cluster"))->position, str_make(text, (size_t)len)));
    }
    assert_true(n.arena.used_bytes < 4 * LIMIT_POSITION_BYTES);
    note_deinit(&n);
}

/* Receivers that are gone, by reloads, or from terms before, do not push out of a full note those that work. */
static void test_full_note_keeps_who_said_something_last(void **state)
{
    (void)state;
    struct note n, back;
    struct buf text;
    struct err err;
    note_init(&n);
    note_init(&back);
    put_many(&n);
    note_put(&n, STR("dummy/7"), &(struct note_entry){.interval_ns = 7});
    buf_init(&text, 64 * KIB);
    assert_true(note_print(&text, &n) > 0);
    assert_true(note_parse(&back, buf_view(&text), &err));
    assert_non_null(note_find(&back, STR("dummy/199")));
    assert_int_equal(note_find(&back, STR("dummy/7"))->interval_ns, 7);
    assert_null(note_find(&back, STR("dummy/0")));
    buf_deinit(&text);
    note_deinit(&n);
    note_deinit(&back);
}

static void test_positions_do_not_grow_the_note_in_memory(void **state)
{
    (void)state;
    struct note n;
    note_init(&n);
    note_put(&n, STR("r"), &(struct note_entry){.position = STR("same")});
    size_t used = n.arena.used_bytes;
    for (int i = 0; i < 10000; i++)
        note_put(&n, STR("r"), &(struct note_entry){.enqueued_ns = i, .position = STR("same")});
    assert_int_equal(n.arena.used_bytes, used);
    note_deinit(&n);
}

static void test_broken_notes_are_refused_whole(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "7",
        "{\"v\":2}",
        "{\"v\":\"1\"}",
        "{\"receivers\":[]}",
        "{\"v\":1,\"receivers\":[{\"id\":\"a\",\"interval\":1}]",
        "{\"v\":1} x",
        "{\"v\":1,\"uid\":\"\xff\"}",
    };
    struct note n;
    struct err err;
    note_init(&n);
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        if (note_parse(&n, str_from(texts[i]), &err))
            fail_msg("%s was accepted", texts[i]);
        assert_true(strlen(err.text) > 0);
        assert_int_equal(n.receiver_count, 0);
    }
    char *big = mem_alloc(LIMIT_NOTE_BYTES + 1);
    memset(big, ' ', LIMIT_NOTE_BYTES + 1);
    memcpy(big, "{\"v\":1}", 7);
    assert_false(note_parse(&n, str_make(big, LIMIT_NOTE_BYTES + 1), &err));
    assert_true(note_parse(&n, str_make(big, LIMIT_NOTE_BYTES), &err));
    mem_free(big);
    note_deinit(&n);
}

static void test_odd_members_are_passed_over(void **state)
{
    (void)state;
    struct note n;
    struct err err;
    note_init(&n);
    assert_true(note_parse(&n,
                           STR("{\"v\":1,\"new\":{\"a\":[1]},\"transitions\":-4,\"margin\":\"x\","
                               "\"uid\":7,\"receivers\":[7,"
                               "{\"interval\":1},{\"id\":\"ok\",\"interval\":\"x\",\"phase\":3,"
                               "\"later\":null},{\"id\":\"neg\",\"interval\":-1}]}"),
                           &err));
    assert_int_equal(n.transitions, 0);
    assert_int_equal(n.receiver_count, 1);
    assert_int_equal(note_find(&n, STR("ok"))->phase_ns, 3);
    note_deinit(&n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_note_comes_back),
        cmocka_unit_test(test_full_note_leaves_receivers_out_and_says_so),
        cmocka_unit_test(test_positions_do_not_grow_the_note_in_memory),
        cmocka_unit_test(test_new_positions_take_the_place_of_old_ones),
        cmocka_unit_test(test_full_note_keeps_who_said_something_last),
        cmocka_unit_test(test_broken_notes_are_refused_whole),
        cmocka_unit_test(test_odd_members_are_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
