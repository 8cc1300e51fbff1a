/* What `baton lease` shows of a Lease, in each of its states. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "service/lease_view.h"

#define SECOND INT64_C(1000000000)
#define NOW_NS (INT64_C(1767268800) * SECOND) /* 2026-01-01T12:00:00Z */
#define NOTE(uid, transitions)                                                                                                     \
    "{\\\"v\\\":1,\\\"uid\\\":\\\"" uid "\\\",\\\"transitions\\\":" transitions                                                    \
    ",\\\"margin\\\":1000000000,\\\"receivers\\\":[{\\\"id\\\":\\\"k8s_cluster\\\",\\\"interval\\\":30000000000,\\\"phase\\\":5,"  \
    "\\\"start\\\":1767268000000000000,\\\"enqueued\\\":1767268790000000000,\\\"acknowledged\\\":0},{\\\"id\\\":\\\"x\\\","        \
    "\\\"interval\\\":0,\\\"phase\\\":0,\\\"start\\\":0,\\\"enqueued\\\":0,\\\"acknowledged\\\":1767268760000000000,"              \
    "\\\"position\\\":\\\"p\\\"}]}"
#define LEASE(holder, duration, annotations)                                                                                       \
    "{\"kind\":\"Lease\",\"apiVersion\":\"coordination.k8s.io/v1\",\"metadata\":{\"name\":\"l\",\"namespace\":\"ns\",\"uid\":\"u\"," \
    "\"resourceVersion\":\"42\",\"annotations\":{" annotations "}},\"spec\":{\"holderIdentity\":\"" holder                         \
    "\",\"leaseDurationSeconds\":" duration ",\"acquireTime\":\"2026-01-01T11:00:00.000000Z\",\"renewTime\":"                      \
    "\"2026-01-01T11:59:57.500000Z\",\"leaseTransitions\":7}}"

static void put(struct lease_half *h, const char *json)
{
    struct err err;
    if (!lease_parse(&h->lease, str_from(json), &err))
        fail_msg("%s", err.text);
    h->known = LEASE_HERE;
    h->expires_ns = h->lease.renew_ns + h->lease.duration_s * SECOND;
}

static void fail_half(struct lease_half *h, enum lease_known known, const char *text)
{
    h->known = known;
    err_set(&h->err, "%s", text);
}

struct shown {
    struct buf table, json, line;
};

static struct shown show(struct lease_view *v)
{
    struct shown s;
    buf_init(&s.table, MIB);
    buf_init(&s.json, MIB);
    buf_init(&s.line, MIB);
    struct json_writer w = {.out = &s.json};
    lease_view_table(&s.table, v, NOW_NS);
    lease_view_json(&w, v, NOW_NS);
    lease_view_line(&s.line, v, NOW_NS);
    return s;
}

static void free_shown(struct shown *s, struct lease_view *v)
{
    buf_deinit(&s->table);
    buf_deinit(&s->json);
    buf_deinit(&s->line);
    lease_view_deinit(v);
}

static void test_held_with_a_synced_standby_and_a_note(void **state)
{
    (void)state;
    struct lease_view v;
    lease_view_init(&v, STR("ns"), STR("l"));
    put(&v.main, LEASE("pod-a", "15", "\"baton.dev/note\":\"" NOTE("u", "7") "\""));
    put(&v.standby, LEASE("pod-b", "15", "\"baton.dev/synced\":\"true\""));
    struct shown s = show(&v);
    assert_string_equal(buf_cstr(&s.table),
                        "ns/l: held\n"
                        "  holder       pod-a\n"
                        "  since        2026-01-01T11:00:00.000Z (1h0m0s ago)\n"
                        "  renewed      2026-01-01T11:59:57.500Z (2.5s ago)\n"
                        "  expires in   12s, duration 15s\n"
                        "  transitions  7\n"
                        "  standby      pod-b, synced\n"
                        "  RECEIVER     INTERVAL    LAST TICK                                   ACKNOWLEDGED\n"
                        "  k8s_cluster  30s         2026-01-01T11:59:50.000Z (10s ago)          never\n"
                        "  x            -           never                                       2026-01-01T11:59:20.000Z (40s ago)\n");
    assert_string_equal(
        buf_cstr(&s.json),
        "{\"namespace\":\"ns\",\"name\":\"l\",\"observed\":\"2026-01-01T12:00:00.000Z\",\"state\":\"held\",\"holder\":\"pod-a\",\"since\":"
        "\"2026-01-01T11:00:00.000000Z\",\"renewed\":\"2026-01-01T11:59:57.500000Z\",\"durationSeconds\":15,\"expiresInSeconds\":12.5,"
        "\"transitions\":7,\"uid\":\"u\",\"resourceVersion\":\"42\",\"standby\":{\"state\":\"held\",\"holder\":\"pod-b\",\"since\":"
        "\"2026-01-01T11:00:00.000000Z\",\"renewed\":\"2026-01-01T11:59:57.500000Z\",\"durationSeconds\":15,\"expiresInSeconds\":12.5,"
        "\"transitions\":7,\"uid\":\"u\",\"resourceVersion\":\"42\",\"synced\":true},\"note\":{\"receivers\":[{\"id\":\"k8s_cluster\","
        "\"intervalSeconds\":30,\"start\":\"2026-01-01T11:46:40.000000000Z\",\"lastTick\":\"2026-01-01T11:59:50.000000000Z\","
        "\"acknowledged\":null,\"position\":\"\"},{\"id\":\"x\",\"intervalSeconds\":0,\"start\":null,\"lastTick\":null,\"acknowledged\":"
        "\"2026-01-01T11:59:20.000000000Z\",\"position\":\"p\"}]}}");
    assert_string_equal(buf_cstr(&s.line), "ns/l: held by pod-a, transitions 7; standby pod-b, synced");
    free_shown(&s, &v);
}

static void test_expired_with_a_note_of_another_term(void **state)
{
    (void)state;
    struct lease_view v;
    lease_view_init(&v, STR("ns"), STR("l"));
    put(&v.main, LEASE("pod-\\u001b[2Ja", "2", "\"baton.dev/note\":\"" NOTE("u", "6") "\""));
    put(&v.standby, LEASE("pod-b", "15", "\"baton.dev/synced\":\"false\""));
    struct shown s = show(&v);
    assert_string_equal(buf_cstr(&s.table), "ns/l: expired\n"
                                            "  holder       pod-?[2Ja\n"
                                            "  since        2026-01-01T11:00:00.000Z (1h0m0s ago)\n"
                                            "  renewed      2026-01-01T11:59:57.500Z (2.5s ago)\n"
                                            "  expired      500ms ago, duration 2s\n"
                                            "  transitions  7\n"
                                            "  standby      pod-b, not synced yet\n"
                                            "  note         none of this term\n");
    size_t at;
    assert_true(str_find(buf_view(&s.json), STR("\"state\":\"expired\""), &at));
    assert_true(str_find(buf_view(&s.json), STR("\"expiresInSeconds\":-0.5"), &at));
    assert_true(str_find(buf_view(&s.json), STR("\"note\":null"), &at));
    assert_string_equal(buf_cstr(&s.line), "ns/l: expired, was held by pod-?[2Ja, transitions 7; standby pod-b, not synced yet");
    free_shown(&s, &v);
}

static void test_released_absent_forbidden_failed(void **state)
{
    (void)state;
    struct lease_view v;
    lease_view_init(&v, STR("ns"), STR("l"));
    put(&v.main, LEASE("", "1", ""));
    put(&v.standby, LEASE("pod-b", "1", ""));
    struct shown s = show(&v);
    assert_string_equal(buf_cstr(&s.table), "ns/l: free\n"
                                            "  holder       nobody: released\n"
                                            "  changed      2026-01-01T11:59:57.500Z (2.5s ago)\n"
                                            "  transitions  7\n"
                                            "  standby      none (pod-b has not renewed in time)\n"
                                            "  note         none of this term\n");
    assert_string_equal(buf_cstr(&s.line), "ns/l: free, transitions 7; no standby");
    free_shown(&s, &v);

    lease_view_init(&v, STR("ns"), STR("l"));
    v.main.known = v.standby.known = LEASE_ABSENT;
    s = show(&v);
    assert_string_equal(buf_cstr(&s.table), "ns/l: absent\n  standby      no Lease of its own: there is one with standby: auto only\n");
    assert_string_equal(buf_cstr(&s.json), "{\"namespace\":\"ns\",\"name\":\"l\",\"observed\":\"2026-01-01T12:00:00.000Z\",\"state\":"
                                           "\"absent\",\"standby\":{\"state\":\"absent\",\"synced\":false}}");
    assert_string_equal(buf_cstr(&s.line), "ns/l: absent; no standby");
    free_shown(&s, &v);

    lease_view_init(&v, STR("ns"), STR("l"));
    put(&v.main, LEASE("pod-a", "15", ""));
    fail_half(&v.standby, LEASE_FORBIDDEN, "403: no");
    s = show(&v);
    size_t at;
    assert_true(str_find(buf_view(&s.table), STR("  standby      unknown: 403: no\n"), &at));
    assert_string_equal(buf_cstr(&s.line), "ns/l: held by pod-a, transitions 7; standby unknown");
    free_shown(&s, &v);

    lease_view_init(&v, STR("ns"), STR("l"));
    fail_half(&v.main, LEASE_FAILED, "connection refused\n\x1b");
    s = show(&v);
    assert_string_equal(buf_cstr(&s.table), "ns/l: failed\n  reason       connection refused??\n");
    assert_true(str_find(buf_view(&s.json), STR("\"state\":\"failed\",\"reason\":\"connection refused\\n"), &at));
    free_shown(&s, &v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_held_with_a_synced_standby_and_a_note),
        cmocka_unit_test(test_expired_with_a_note_of_another_term),
        cmocka_unit_test(test_released_absent_forbidden_failed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
