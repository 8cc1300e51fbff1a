/* Watch streams cut at every byte, and streams that are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "kube/lease_stream.h"

static const char events[] =
    "{\"type\":\"ADDED\",\"object\":{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/"
    "v1\",\"metadata\":"
    "{\"name\":\"x\",\"resourceVersion\":\"10\",\"annotations\":{\"a\":\"}]\\\"{\"}},\"spec\":{"
    "\"holderIdentity\":\"p\"}}}\n"
    "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":"
    "\"11\",\"creationTimestamp\":null,"
    "\"annotations\":{\"k8s.io/initial-events-end\":\"true\"}},\"spec\":{}}}\n"
    "{\"object\":{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"12\"},\"spec\":{"
    "\"holderIdentity\":\"\"}},\"type\":\"MODIFIED\"}\n"
    "  "
    "\n{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Lease\",\"metadata\":{\"resourceVersion\":"
    "\"13\"},\"spec\":{}}}"
    "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"x\",\"resourceVersion\":\"14\"},"
    "\"spec\":{}}}\n";
static const char expected[] = "seen 10 p;synced 11 ;seen 12 ;bookmark 13 ;deleted 14 ;";

static void step_print(struct buf *out, struct lease_stream *s, enum lease_stream_step step,
                       const struct err *err)
{
    static const char *const names[] = {"more",   "seen",  "deleted", "bookmark",
                                        "synced", "error", "broken"};
    buf_printf(out, "%s ", names[step]);
    if (step == LEASE_STREAM_ERROR)
        buf_printf(out, "%d %.*s %.*s", s->status.code, STR_ARG(s->status.reason),
                   STR_ARG(s->status.message));
    else if (step == LEASE_STREAM_BROKEN)
        buf_text(out, err->text);
    else
        buf_printf(out, "%.*s %.*s", STR_ARG(s->lease.resource_version), STR_ARG(s->lease.holder));
    buf_byte(out, ';');
}

static void feed(struct lease_stream *s, struct buf *out, const char *data, size_t len)
{
    char *exact = mem_alloc(len); /* freed right away: nothing may point into it later */
    memcpy(exact, data, len);
    str piece = str_make(exact, len);
    for (;;) {
        struct err err = {0};
        enum lease_stream_step step = lease_stream_next(s, &piece, &err);
        if (step == LEASE_STREAM_MORE)
            break;
        step_print(out, s, step, &err);
    }
    assert_int_equal(piece.len, 0);
    memset(exact, 'X', len);
    mem_free(exact);
}

static void test_cut_everywhere(void **state)
{
    (void)state;
    size_t len = sizeof events - 1;
    for (size_t cut = 0; cut <= len; cut++) {
        struct lease_stream s;
        struct buf out;
        lease_stream_init(&s);
        buf_init(&out, 65536);
        feed(&s, &out, events, cut);
        feed(&s, &out, events + cut, len - cut);
        assert_string_equal(buf_cstr(&out), expected);
        assert_true(lease_stream_is_between(&s));
        buf_deinit(&out);
        lease_stream_deinit(&s);
    }
}

static void test_pieces_of_every_size(void **state)
{
    (void)state;
    size_t len = sizeof events - 1;
    for (size_t size = 1; size < 64; size++) {
        struct lease_stream s;
        struct buf out;
        lease_stream_init(&s);
        buf_init(&out, 65536);
        for (size_t at = 0; at < len; at += size)
            feed(&s, &out, events + at, len - at < size ? len - at : size);
        assert_string_equal(buf_cstr(&out), expected);
        buf_deinit(&out);
        lease_stream_deinit(&s);
    }
}

static void test_end_inside_an_event(void **state)
{
    (void)state;
    static const char one[] = "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"x\"}}}";
    for (size_t len = 0; len < sizeof one; len++) {
        struct lease_stream s;
        struct buf out;
        lease_stream_init(&s);
        buf_init(&out, 65536);
        feed(&s, &out, "\n ", 2);
        feed(&s, &out, one, len);
        assert_int_equal(lease_stream_is_between(&s), len == 0 || len == sizeof one - 1);
        buf_deinit(&out);
        lease_stream_deinit(&s);
    }
}

static void run(const char *text, size_t len, struct buf *out)
{
    struct lease_stream s;
    lease_stream_init(&s);
    feed(&s, out, text, len);
    feed(&s, out, events, sizeof events - 1); /* after an end nothing more comes */
    lease_stream_deinit(&s);
}

static void test_error_event(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 65536);
    static const char text[] =
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"metadata\":{},"
        "\"status\":\"Failure\","
        "\"message\":\"too old \\\"resource\\\" version\",\"reason\":\"Expired\",\"code\":410}}\n";
    run(text, sizeof text - 1, &out);
    assert_string_equal(buf_cstr(&out), "error 410 Expired too old \"resource\" version;");
    buf_deinit(&out);
}

static void test_malformed(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"{\"type\":\"ADDED\"}", "expected a watch event"},
        {"{\"object\":{}}", "expected a watch event"},
        {"{\"type\":7,\"object\":{}}", "expected a watch event"},
        {"{\"type\":\"PATCHED\",\"object\":{}}", "type \"PATCHED\""},
        {"{\"type\":\"ADDED\",\"object\":[]}", "a ADDED event: Lease: the document"},
        {"{\"type\":\"ADDED\",\"object\":{\"spec\":{\"leaseDurationSeconds\":\"x\"}}}",
         "spec.leaseDurationSeconds"},
        {"{\"type\":\"ADDED\",\"object\":{\"kind\":\"Pod\"}}", "kind"},
        {"{\"type\":\"ERROR\",\"object\":{}}", "without a Status"},
        {"{\"type\":\"ERROR\",\"object\":5}", "without a Status"},
        {"[1]", "expected a watch event"},
        {"}", "watch event"},
        {"404 page not found\n", "watch event"},
        {"{\"type\":\"ADDED\" \"object\":{}}", "line 1 column"},
        {"\"text\"", "expected a watch event"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf out;
        buf_init(&out, 65536);
        run(cases[i].text, strlen(cases[i].text), &out);
        const char *got = buf_cstr(&out);
        size_t pos;
        bool only_one = str_find(buf_view(&out), STR(";"), &pos) && pos == out.len - 1;
        if (strncmp(got, "broken ", 7) != 0 || strstr(got, cases[i].reason) == NULL || !only_one)
            fail_msg("%s: got \"%s\", want broken with \"%s\"", cases[i].text, got,
                     cases[i].reason);
        buf_deinit(&out);
    }
}

static void test_event_over_the_limit(void **state)
{
    (void)state;
    struct lease_stream s;
    struct buf out;
    lease_stream_init(&s);
    buf_init(&out, 65536);
    static const char head[] = "{\"type\":\"ADDED\",\"object\":{\"x\":\"";
    static char filler[4096];
    memset(filler, 'f', sizeof filler);
    feed(&s, &out, head, sizeof head - 1);
    for (size_t sent = 0; sent < 2 * LIMIT_LEASE_BYTES; sent += sizeof filler)
        feed(&s, &out, filler, sizeof filler);
    assert_true(s.pending.cap <= LIMIT_LEASE_BYTES + 4096 + 1); /* a NUL behind it */
    assert_int_equal(strncmp(buf_cstr(&out), "broken an event of more than", 28), 0);
    buf_deinit(&out);
    lease_stream_deinit(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere),      cmocka_unit_test(test_pieces_of_every_size),
        cmocka_unit_test(test_end_inside_an_event), cmocka_unit_test(test_error_event),
        cmocka_unit_test(test_malformed),           cmocka_unit_test(test_event_over_the_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
