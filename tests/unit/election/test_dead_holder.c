/* What proves that a holder's process is dead, and what does not: states of its pod and versions of its Lease, in the order in which they
 * are observed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/limits.h"
#include "election/holder_pod.h"

#define ACQUIRED INT64_C(1764291600250000000) /* 2025-11-28T01:00:00.25Z */
#define UID "0f3c-11"
#define MINE "00112233445566778899aabbccddeeff"
#define OTHER "ffeeddccbbaa99887766554433221100"

#define RUNNING "{\"running\":{\"startedAt\":\"2025-11-28T00:59:00Z\"}}"
#define ENDED_WITH(id, time, more)                                                                 \
    "{\"terminated\":{\"exitCode\":137,\"reason\":\"OOMKilled\",\"startedAt\":\"2025-11-28T00:59:00Z\",\"finishedAt\":\"" time           \
    "\",\"containerID\":\"" id "\"" more "}}"
#define ENDED ENDED_WITH("containerd://aa", "2025-11-28T01:02:03Z", "")
#define BACK_OFF "{\"waiting\":{\"reason\":\"CrashLoopBackOff\"}}"
#define MESSAGE(text) ",\"message\":\"" text "\""
#define STATUS(name, state) "{\"name\":\"" name "\",\"state\":" state ",\"lastState\":{}}"
#define STATUS_LAST(name, state, last) "{\"name\":\"" name "\",\"state\":" state ",\"lastState\":" last "}"
#define META(uid, version) "\"metadata\":{\"name\":\"p\",\"uid\":\"" uid "\",\"resourceVersion\":\"" version "\"}"
#define POD_OF(uid, version, names, statuses)                                                      \
    "{\"kind\":\"Pod\"," META(uid, version) ",\"spec\":{" names "},\"status\":{" statuses "}}"
#define ONE "\"containers\":[{\"name\":\"c\",\"image\":\"i\"}]"
#define POD(statuses) POD_OF(UID, "7", ONE, statuses)
#define C(state) "\"containerStatuses\":[" STATUS("c", state) "]"

static void see(struct dead_proof *d, const char *json)
{
    struct err err;
    if (!dead_proof_see_pod(d, str_from(json), &err))
        fail_msg("%s", err.text);
}

struct shape {
    const char *what, *container, *pod;
    enum proof proof;
};
static const struct shape shapes[] = {
    {"terminated", "", POD(C(ENDED)), PROOF_ORDER},
    {"running", "", POD(C(RUNNING)), PROOF_NONE},
    {"waits to be started again after its end", "",
     POD("\"containerStatuses\":[" STATUS_LAST("c", BACK_OFF, ENDED) "]"), PROOF_ORDER},
    {"runs again after its end", "",
     POD("\"containerStatuses\":[" STATUS_LAST("c", RUNNING, ENDED) "]"), PROOF_NONE},
    {"was never started", "", POD(C("{\"waiting\":{\"reason\":\"ContainerCreating\"}}")), PROOF_NONE},
    {"a state that is not known here", "",
     POD("\"containerStatuses\":[" STATUS_LAST("c", "{\"paused\":{}}", ENDED) "]"), PROOF_NONE},
    {"phase alone", "", POD("\"phase\":\"Failed\",\"reason\":\"NodeLost\""), PROOF_NONE},
    {"phase Failed by the pod collector, statuses as they were", "",
     POD("\"phase\":\"Failed\",\"conditions\":[{\"type\":\"DisruptionTarget\",\"status\":\"True\"}]," C(RUNNING)),
     PROOF_NONE},
    {"phase Unknown on a node that is gone", "",
     POD("\"phase\":\"Unknown\",\"conditions\":[{\"type\":\"Ready\",\"status\":\"False\",\"reason\":\"NodeLost\"}]," C(
         RUNNING)),
     PROOF_NONE},
    {"an end that the kubelet made up", "",
     POD(C("{\"terminated\":{\"exitCode\":137,\"reason\":\"ContainerStatusUnknown\",\"message\":\"The container could not be "
           "located\",\"startedAt\":null,\"finishedAt\":null}}")),
     PROOF_NONE},
    {"made up, with an id", "",
     POD(C("{\"terminated\":{\"reason\":\"ContainerStatusUnknown\",\"finishedAt\":\"2025-11-28T01:02:03Z\",\"containerID\":\"x\"}}")),
     PROOF_NONE},
    {"lost by the runtime", "",
     POD(C("{\"terminated\":{\"exitCode\":255,\"reason\":\"Unknown\",\"finishedAt\":\"2025-11-28T01:02:03Z\",\"containerID\":\"x\"}}")),
     PROOF_NONE},
    {"lost by the runtime, with the holder's message", "",
     POD("\"containerStatuses\":[" STATUS_LAST(
         "c", RUNNING, "{\"terminated\":{\"exitCode\":255,\"reason\":\"Unknown\",\"message\":\"baton.dev/incarnation " MINE "\"}}") "]"),
     PROOF_NONE},
    {"an end without an id", "", POD(C(ENDED_WITH("", "2025-11-28T01:02:03Z", ""))), PROOF_NONE},
    {"an end without a time", "", POD(C(ENDED_WITH("a", "yesterday", ""))), PROOF_NONE},
    {"another uid", "", POD_OF("0f3c-12", "9", ONE, C(ENDED)), PROOF_NONE},
    {"no statuses", "", POD_OF(UID, "9", ONE, ""), PROOF_NONE},
    {"no spec", "", POD_OF(UID, "9", "", C(ENDED)), PROOF_NONE},
    {"two containers, one runs", "",
     POD_OF(UID, "7", "\"containers\":[{\"name\":\"c\"},{\"name\":\"d\"}]",
            "\"containerStatuses\":[" STATUS("c", ENDED) "," STATUS("d", RUNNING) "]"),
     PROOF_NONE},
    {"two containers, one without a status", "",
     POD_OF(UID, "7", "\"containers\":[{\"name\":\"c\"},{\"name\":\"d\"}]", C(ENDED)), PROOF_NONE},
    {"two containers, both ended", "",
     POD_OF(UID, "7", "\"containers\":[{\"name\":\"c\"},{\"name\":\"d\"}]",
            "\"containerStatuses\":[" STATUS("c", ENDED) "," STATUS("d", ENDED) "]"),
     PROOF_ORDER},
    {"two containers, the named one ended", "c",
     POD_OF(UID, "7", "\"containers\":[{\"name\":\"c\"},{\"name\":\"d\"}]",
            "\"containerStatuses\":[" STATUS("c", ENDED) "," STATUS("d", RUNNING) "]"),
     PROOF_ORDER},
    {"two containers, the other one ended", "d",
     POD_OF(UID, "7", "\"containers\":[{\"name\":\"c\"},{\"name\":\"d\"}]",
            "\"containerStatuses\":[" STATUS("c", ENDED) "," STATUS("d", RUNNING) "]"),
     PROOF_NONE},
    {"a name that the pod does not have", "x", POD(C(ENDED)), PROOF_NONE},
    {"a sidecar runs on", "",
     POD_OF(UID, "7", ONE ",\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\"}]",
            C(ENDED) ",\"initContainerStatuses\":[" STATUS("s", RUNNING) "]"),
     PROOF_ORDER},
    {"the collector is a sidecar that runs on", "s",
     POD_OF(UID, "7", ONE ",\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\"}]",
            C(ENDED) ",\"initContainerStatuses\":[" STATUS("s", RUNNING) "]"),
     PROOF_NONE},
    {"the collector is a sidecar that ended", "s",
     POD_OF(UID, "7", ONE ",\"initContainers\":[{\"name\":\"s\",\"restartPolicy\":\"Always\"}]",
            C(RUNNING) ",\"initContainerStatuses\":[" STATUS("s", ENDED) "]"),
     PROOF_ORDER},
    {"an init container that is done", "i",
     POD_OF(UID, "7", ONE ",\"initContainers\":[{\"name\":\"i\"}]",
            C(RUNNING) ",\"initContainerStatuses\":[" STATUS("i", ENDED) "]"),
     PROOF_NONE},
    {"the same name twice", "",
     POD("\"containerStatuses\":[" STATUS("c", ENDED) "," STATUS("c", RUNNING) "]"), PROOF_NONE},
    {"finished in the second in which the term began", "",
     POD(C(ENDED_WITH("a", "2025-11-28T01:00:00Z", ""))), PROOF_NONE},
    {"finished in the second after it", "", POD(C(ENDED_WITH("a", "2025-11-28T01:00:01Z", ""))),
     PROOF_ORDER},
    {"finished before the term began: another process holds it", "",
     POD(C(ENDED_WITH("a", "2025-11-28T00:59:59Z", ""))), PROOF_NONE},
    {"its message names the holder's process", "",
     POD(C(ENDED_WITH("a", "2025-11-28T01:02:03Z", MESSAGE("baton.dev/incarnation " MINE "\\n")))),
     PROOF_MESSAGE},
    {"so does one of several lines", "",
     POD(C(ENDED_WITH("", "", MESSAGE("bye\\nbaton.dev/incarnation " OTHER "\\nbaton.dev/incarnation " MINE)))),
     PROOF_MESSAGE},
    {"the message of the instance before, and it runs again", "x",
     POD("\"containerStatuses\":[" STATUS_LAST(
         "c", RUNNING, ENDED_WITH("a", "x", MESSAGE("baton.dev/incarnation " MINE "\\n"))) "]"),
     PROOF_MESSAGE},
    {"its message names another process", "",
     POD(C(ENDED_WITH("a", "2025-11-28T01:02:03Z", MESSAGE("baton.dev/incarnation " OTHER "\\n")))),
     PROOF_NONE},
    {"a message that was cut off", "",
     POD(C(ENDED_WITH("a", "2025-11-28T01:02:03Z", MESSAGE("baton.dev/incarnation 00112233")))), PROOF_NONE},
    {"a message of its own", "",
     POD(C(ENDED_WITH("a", "2025-11-28T01:02:03Z", MESSAGE("out of memory")))), PROOF_ORDER},
    {"members of odd types", "",
     "{\"metadata\":{\"uid\":\"" UID "\",\"resourceVersion\":7},\"spec\":[],\"status\":{\"containerStatuses\":[3,null,{\"name\":[],"
     "\"state\":7}],\"initContainerStatuses\":{}}}",
     PROOF_NONE},
};

static void test_shapes(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(shapes); i++) {
        struct dead_proof d;
        dead_proof_init(&d, STR(UID), str_from(shapes[i].container));
        dead_proof_see_lease(&d, 100, STR(MINE), ACQUIRED);
        assert_int_equal(dead_proof_judge(&d), PROOF_NONE);
        see(&d, shapes[i].pod);
        if (dead_proof_judge(&d) != shapes[i].proof)
            fail_msg("%s: %d", shapes[i].what, (int)dead_proof_judge(&d));
        /* without a record that tells its writer nothing is proven */
        dead_proof_see_lease(&d, 100, STR_NONE, ACQUIRED);
        assert_int_equal(dead_proof_judge(&d), PROOF_NONE);
        dead_proof_deinit(&d);
    }
}

static void test_a_later_version_of_the_record_ends_a_proof_by_order(void **state)
{
    (void)state;
    struct dead_proof d;
    dead_proof_init(&d, STR(UID), STR_NONE);
    dead_proof_see_lease(&d, 100, STR(MINE), ACQUIRED);
    see(&d, POD_OF(UID, "7", ONE, C(ENDED)));
    assert_int_equal(dead_proof_judge(&d), PROOF_ORDER);
    dead_proof_see_lease(&d, 101, STR(MINE), ACQUIRED);
    assert_int_equal(dead_proof_judge(&d), PROOF_NONE);
    /* the same end again, for another reason, is no news */
    see(&d, POD_OF(UID, "8", ONE, "\"phase\":\"Running\"," C(ENDED)));
    assert_int_equal(dead_proof_judge(&d), PROOF_NONE);
    /* the end of another instance is */
    see(&d, POD_OF(UID, "9", ONE, C(ENDED_WITH("containerd://bb", "2025-11-28T01:02:04Z", ""))));
    assert_int_equal(dead_proof_judge(&d), PROOF_ORDER);
    /* an older state that a lagging server shows changes nothing */
    see(&d, POD_OF(UID, "6", ONE, C(RUNNING)));
    assert_int_equal(dead_proof_judge(&d), PROOF_ORDER);
    dead_proof_deinit(&d);
}

/* The container was restarted and its new process took its own Lease back, before the status with the end of the old one came. */
static void test_late_status_of_a_container_that_runs_again(void **state)
{
    (void)state;
    static const char *const messages[] = {"", MESSAGE("baton.dev/incarnation " MINE)};
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        struct dead_proof d;
        char pod[2000];
        dead_proof_init(&d, STR(UID), STR_NONE);
        dead_proof_see_lease(&d, 100, STR(MINE), ACQUIRED);
        see(&d, POD_OF(UID, "5", ONE, C(RUNNING)));
        const int64_t taken_back = INT64_C(1764291724100000000); /* 01:02:04.1, a second after the end */
        dead_proof_see_lease(&d, 110, STR(OTHER), taken_back);
        (void)snprintf(pod, sizeof pod, "%s%s%s",
                       "{" META(UID, "7") ",\"spec\":{" ONE "},\"status\":{\"containerStatuses\":[{\"name\":\"c\",\"state\":{"
                       "\"terminated\":{\"finishedAt\":\"2025-11-28T01:02:03Z\",\"containerID\":\"a\"",
                       messages[i], "}}}]}}");
        see(&d, pod);
        assert_int_equal(dead_proof_judge(&d), PROOF_NONE);
        dead_proof_deinit(&d);
    }
}

static void test_message_holds_for_every_record_of_that_process(void **state)
{
    (void)state;
    struct dead_proof d;
    dead_proof_init(&d, STR(UID), STR_NONE);
    dead_proof_see_lease(&d, 100, STR(OTHER), ACQUIRED);
    see(&d, POD(C(ENDED_WITH("a", "2025-11-28T01:02:03Z", MESSAGE("baton.dev/incarnation " MINE)))));
    assert_int_equal(dead_proof_judge(&d), PROOF_NONE);
    dead_proof_see_lease(&d, 101, STR(MINE), ACQUIRED); /* its last renewal, come late */
    assert_int_equal(dead_proof_judge(&d), PROOF_MESSAGE);
    dead_proof_see_lease(&d, 102, STR(MINE), 0);
    assert_int_equal(dead_proof_judge(&d), PROOF_MESSAGE);
    dead_proof_see_lease(&d, 103, STR(OTHER), ACQUIRED);
    assert_int_equal(dead_proof_judge(&d), PROOF_NONE);
    dead_proof_deinit(&d);
}

static void test_what_was_seen_stays_when_the_pod_goes(void **state)
{
    (void)state;
    struct dead_proof d;
    dead_proof_init(&d, STR(UID), STR_NONE);
    dead_proof_see_lease(&d, 100, STR(MINE), ACQUIRED);
    see(&d, POD(C(ENDED)));
    see(&d, POD_OF("0f3c-12", "9", ONE, C(RUNNING))); /* a new pod under the name */
    assert_int_equal(dead_proof_judge(&d), PROOF_ORDER);
    dead_proof_deinit(&d);
}

static void test_many_containers_are_not_read_to_the_end(void **state)
{
    (void)state;
    struct dead_proof d;
    struct buf names, statuses, pod;
    buf_init(&names, 64 * KIB);
    buf_init(&statuses, 128 * KIB);
    buf_init(&pod, 256 * KIB);
    for (int i = 0; i <= LIMIT_HOLDER_CONTAINERS; i++) {
        buf_printf(&names, "%s{\"name\":\"c%d\"}", i == 0 ? "" : ",", i);
        buf_printf(&statuses, "%s{\"name\":\"c%d\",\"state\":%s}", i == 0 ? "" : ",", i, ENDED);
        if (i < LIMIT_HOLDER_CONTAINERS - 1)
            continue;
        buf_clear(&pod);
        buf_printf(&pod, "{%s,\"spec\":{\"containers\":[%.*s]},\"status\":{\"containerStatuses\":[%.*s]}}", META(UID, "7"),
                   STR_ARG(buf_view(&names)), STR_ARG(buf_view(&statuses)));
        dead_proof_init(&d, STR(UID), STR_NONE);
        dead_proof_see_lease(&d, 100, STR(MINE), ACQUIRED);
        see(&d, buf_cstr(&pod));
        assert_int_equal(dead_proof_judge(&d), i < LIMIT_HOLDER_CONTAINERS ? PROOF_ORDER : PROOF_NONE);
        dead_proof_deinit(&d);
    }
    buf_deinit(&names);
    buf_deinit(&statuses);
    buf_deinit(&pod);
}

static void test_a_name_that_the_pod_lacks_is_noticed(void **state)
{
    (void)state;
    struct dead_proof d;
    dead_proof_init(&d, STR(UID), STR("colector"));
    assert_false(dead_proof_lacks_container(&d));
    see(&d, POD(C(RUNNING)));
    assert_true(dead_proof_lacks_container(&d));
    dead_proof_deinit(&d);
    dead_proof_init(&d, STR(UID), STR("c"));
    see(&d, POD(C(RUNNING)));
    assert_false(dead_proof_lacks_container(&d));
    dead_proof_deinit(&d);
}

static void test_unreadable_pod_is_an_error_and_changes_nothing(void **state)
{
    (void)state;
    struct dead_proof d;
    struct err err;
    dead_proof_init(&d, STR(UID), STR_NONE);
    dead_proof_see_lease(&d, 100, STR(MINE), ACQUIRED);
    see(&d, POD(C(ENDED)));
    assert_false(dead_proof_see_pod(&d, STR("[]"), &err));
    assert_string_equal(err.text, "a pod must be a JSON object");
    assert_false(dead_proof_see_pod(&d, STR("{" META(UID, "8") ",\"status\":{\"containerStatuses\":[{]}}"), &err));
    assert_memory_equal(err.text, "pod: line 1 column ", 19);
    assert_int_equal(dead_proof_judge(&d), PROOF_ORDER);
    dead_proof_deinit(&d);
}

static void test_identities(void **state)
{
    (void)state;
    static const struct {
        const char *identity, *name, *uid;
    } cases[] = {
        {"collector-7d9f-x2x_0a1b-2c3d", "collector-7d9f-x2x", "0a1b-2c3d"},
        {"a.b_0", "a.b", "0"},
        {"collector", NULL, NULL},
        {"", NULL, NULL},
        {"_0a1b", NULL, NULL},
        {"collector_", NULL, NULL},
        {"two_parts_more", NULL, NULL},
        {"Collector_0a1b", NULL, NULL},
        {"rack 7_0a1b", NULL, NULL},
        {"collector_0a 1b", NULL, NULL},
        {"collector_0A", NULL, NULL},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        str name, uid;
        bool ok = holder_identity_split(str_from(cases[i].identity), &name, &uid);
        assert_int_equal(ok, cases[i].name != NULL);
        if (ok)
            assert_true(str_eqz(name, cases[i].name) && str_eqz(uid, cases[i].uid));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_a_later_version_of_the_record_ends_a_proof_by_order),
        cmocka_unit_test(test_late_status_of_a_container_that_runs_again),
        cmocka_unit_test(test_message_holds_for_every_record_of_that_process),
        cmocka_unit_test(test_what_was_seen_stays_when_the_pod_goes),
        cmocka_unit_test(test_many_containers_are_not_read_to_the_end),
        cmocka_unit_test(test_a_name_that_the_pod_lacks_is_noticed),
        cmocka_unit_test(test_unreadable_pod_is_an_error_and_changes_nothing),
        cmocka_unit_test(test_identities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
