/* What is said of a resource that is not served, by a server whose answers the test writes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/buf.h"
#include "kube/discovery.h"

/* ---- a client whose calls wait for the test ---- */

struct kube_call {
    char path[256];
    void (*on_done)(void *arg, const struct kube_result *result);
    void *arg;
};
static struct kube_call call;
static bool is_called;
static unsigned call_count;
static char told[8192];
static bool is_told;

struct kube_call *kube_send(struct kube_client *client, const struct kube_request *r)
{
    (void)client;
    assert_false(is_called);
    assert_true(r->timeout_ms > 0 && r->body_max > 0);
    snprintf(call.path, sizeof call.path, "%.*s", STR_ARG(r->path));
    call.on_done = r->on_done;
    call.arg = r->arg;
    is_called = true;
    call_count++;
    return &call;
}

void kube_cancel(struct kube_call *c)
{
    assert_ptr_equal(c, &call);
    is_called = false;
}

static void done(void *arg, str offer)
{
    assert_ptr_equal(arg, told);
    assert_false(is_told);
    snprintf(told, sizeof told, "%.*s", STR_ARG(offer));
    is_told = true;
}

static void answer(const char *path, int status, const char *body)
{
    assert_true(is_called);
    assert_string_equal(call.path, path);
    is_called = false;
    char *copy = str_dup(str_from(body)); /* gone when the call is over */
    call.on_done(call.arg, &(struct kube_result){
                               .outcome = HTTP_DONE, .status = status, .body = str_from(copy)});
    mem_free(copy);
}

static struct discovery *begin(const char *group, const char *version, const char *plural)
{
    is_told = is_called = false;
    call_count = 0;
    return discovery_start(NULL, str_from(group), str_from(version), str_from(plural), done, told);
}

static void expect(const char *text)
{
    assert_true(is_told);
    assert_false(is_called);
    assert_string_equal(told, text);
}

static const char groups[] =
    "{\"kind\":\"APIGroupList\",\"groups\":["
    "{\"name\":\"apps\",\"versions\":[{\"groupVersion\":\"apps/v1\",\"version\":\"v1\"}],"
    "\"preferredVersion\":{\"groupVersion\":\"apps/v1\",\"version\":\"v1\"}},"
    "{\"name\":\"operator.kyma-project.io\",\"versions\":[{\"version\":\"v1alpha1\"},{\"version\":"
    "\"v1beta1\"}],\"preferredVersion\":{\"version\":\"v1beta1\"}}]}";
static const char resources[] =
    "{\"kind\":\"APIResourceList\",\"resources\":["
    "{\"name\":\"telemetries\",\"singularName\":\"telemetry\",\"namespaced\":true,\"kind\":"
    "\"Telemetry\",\"shortNames\":[\"tm\"],\"verbs\":[\"list\"]},"
    "{\"name\":\"telemetries/status\",\"kind\":\"Telemetry\"},"
    "{\"name\":\"btpoperators\",\"singularName\":\"btpoperator\",\"kind\":\"BtpOperator\"}]}";
#define GROUP "operator.kyma-project.io"

static void ask(const char *group, const char *version, const char *plural, const char *path,
                const char *expected)
{
    begin(group, version, plural);
    answer("/apis", 200, groups);
    if (path != NULL)
        answer(path, 200, resources);
    expect(expected);
}

static void test_resources(void **state)
{
    (void)state;
    static const char *const near[] = {"telemetry", "Telemetry", "TELEMETRIES", "tm", "telemetris"};
    for (size_t i = 0; i < COUNT_OF(near); i++) {
        char expected[256];
        snprintf(expected, sizeof expected,
                 GROUP "/v1beta1 has no resource \"%s\"; did you mean \"telemetries\"?", near[i]);
        ask(GROUP, "v1beta1", near[i], "/apis/" GROUP "/v1beta1", expected);
    }
    ask(GROUP, "v1beta1", "logpipelines", "/apis/" GROUP "/v1beta1",
        GROUP "/v1beta1 has no resource \"logpipelines\" but telemetries, btpoperators");
    ask(GROUP, "v1beta1", "telemetries", "/apis/" GROUP "/v1beta1",
        GROUP "/v1beta1 telemetries is served by now");
}

static void test_versions(void **state)
{
    (void)state;
    ask(GROUP, "v1", "telemetries", "/apis/" GROUP "/v1beta1",
        "the API group \"" GROUP "\" has no version v1 but v1alpha1, v1beta1; did you mean \"" GROUP
        "/v1beta1 telemetries\"?");
    ask(GROUP, "v1", "logpipelines", "/apis/" GROUP "/v1beta1",
        "the API group \"" GROUP "\" has no version v1 but v1alpha1, v1beta1");
}

static void test_groups(void **state)
{
    (void)state;
    ask("operator.kyma-projekt.io", "v1beta1", "telemetries", "/apis/" GROUP "/v1beta1",
        "there is no API group \"operator.kyma-projekt.io\"; did you mean \"" GROUP
        "/v1beta1 telemetries\"?");
    ask("operators.kyma-project.io", "v1", "else", "/apis/" GROUP "/v1beta1",
        "there is no API group \"operators.kyma-project.io\"; did you mean \"" GROUP "/v1beta1\"?");
    ask("telemetry.kyma-project.io", "v1", "logpipelines", NULL,
        "there is no API group \"telemetry.kyma-project.io\", nor one of a similar name");
}

static void test_the_core_group(void **state)
{
    (void)state;
    begin("", "v1", "pod");
    answer("/api", 200, "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}");
    answer("/api/v1", 200,
           "{\"resources\":[{\"name\":\"pods\",\"singularName\":\"pod\",\"kind\":\"Pod\"}]}");
    expect("v1 has no resource \"pod\"; did you mean \"pods\"?");
    begin("", "v2", "pods");
    answer("/api", 200, "{\"versions\":[\"v1\"]}");
    answer("/api/v1", 200, "{\"resources\":[{\"name\":\"pods\"}]}");
    expect("the core API group has no version v2 but v1; did you mean \"v1 pods\"?");
}

static void test_servers_that_do_not_tell(void **state)
{
    (void)state;
    begin(GROUP, "v1", "things");
    answer("/apis", 403, "");
    expect("");
    begin(GROUP, "v1", "things");
    answer("/apis", 200, "<html>");
    expect("there is no API group \"" GROUP "\", nor one of a similar name");
    begin(GROUP, "v1beta1", "things");
    answer("/apis", 200, groups);
    answer("/apis/" GROUP "/v1beta1", 503, "");
    expect("");
    begin(GROUP, "v1", "things");
    answer("/apis", 200, groups);
    answer("/apis/" GROUP "/v1beta1", 503, "");
    expect("the API group \"" GROUP "\" has no version v1 but v1alpha1, v1beta1");
    begin("", "v1", "things");
    answer("/api", 200, "{\"versions\":3}");
    expect("");
    begin(GROUP, "v1", "things");
    answer("/apis", 200, "{\"groups\":[1,{\"name\":2},{\"name\":\"" GROUP "\",\"versions\":[]}]}");
    expect("");
    begin(GROUP, "v1", "things");
    answer("/apis", 200,
           "{\"groups\":[{\"name\":\"" GROUP "\",\"versions\":[3,{\"version\":\"a/b\"}]}]}");
    expect("");
}

static void test_many_names(void **state)
{
    (void)state;
    struct buf body;
    buf_init(&body, 1 << 20);
    buf_text(&body, "{\"resources\":[");
    for (int i = 0; i < 40; i++)
        buf_printf(&body, "%s{\"name\":\"r%d\"}", i > 0 ? "," : "", i);
    buf_text(&body, "]}");
    begin(GROUP, "v1beta1", "things");
    answer("/apis", 200, groups);
    answer("/apis/" GROUP "/v1beta1", 200, buf_cstr(&body));
    expect(GROUP "/v1beta1 has no resource \"things\" but r0, r1, r2, r3, r4, r5, r6, r7, r8, r9 "
                 "and 30 more");
    buf_deinit(&body);
}

static void test_cancel(void **state)
{
    (void)state;
    struct discovery *d = begin(GROUP, "v1", "things");
    discovery_cancel(d);
    assert_false(is_called || is_told);
    d = begin(GROUP, "v1", "things");
    answer("/apis", 200, groups);
    discovery_cancel(d);
    assert_false(is_called || is_told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resources),  cmocka_unit_test(test_versions),
        cmocka_unit_test(test_groups),     cmocka_unit_test(test_the_core_group),
        cmocka_unit_test(test_many_names), cmocka_unit_test(test_servers_that_do_not_tell),
        cmocka_unit_test(test_cancel),
    };
    return cmocka_run_group_tests_name("discovery", tests, NULL, NULL);
}
