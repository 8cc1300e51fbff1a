/* k8s_leader_elector: every key and every check, and its life over a faked elector. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "../service/fake_elector.h"
#include "../service/fake_loop.h"
#include "extensions/extensions.h"

#define MS INT64_C(1000000)
#define SECOND (1000 * MS)

/* -- what the service gives it -- */

const char *const kube_auth_names[] = {"none", "serviceAccount", "kubeConfig", "tls", NULL};

struct service {
    struct elector_set *electors;
    uint64_t generation;
    int holders, quiesced, stopped;
};
struct elector_set *service_electors(struct service *s)
{
    return s->electors;
}
uint64_t service_generation(const struct service *s)
{
    return s->generation;
}
void service_hold(struct service *s)
{
    s->holders++;
}
void service_release(struct service *s)
{
    s->holders--;
}
void extension_quiesced(struct extension *x)
{
    x->base.service->quiesced++;
}
void extension_stopped(struct extension *x)
{
    x->base.service->stopped++;
}

/* -- configuration -- */

struct decoded {
    struct arena arena;
    struct config_messages messages;
    void *config;
};

static void decode(struct decoded *d, const char *yaml)
{
    struct node *root;
    struct err err;
    arena_init(&d->arena, 4096);
    config_messages_init(&d->messages, &d->arena);
    if (!yaml_parse(&d->arena, STR("test.yaml"), str_from(yaml), &root, &err))
        fail_msg("%s", err.text);
    d->config = config_decode(&d->arena, leader_elector_extension.schema, root,
                              STR("extensions::k8s_leader_elector"), &root->place, &d->messages);
}

/* The only message is an error (or, with `warning`, a warning) that says `text`; NULL: there is
 * none. */
static void assert_says(const char *yaml, bool warning, const char *text)
{
    struct decoded d;
    decode(&d, yaml);
    size_t at;
    if (d.messages.error_count != (text != NULL && !warning) ||
        d.messages.warning_count != (text != NULL && warning)) {
        struct buf b;
        buf_init(&b, 65536);
        config_messages_print(&b, &d.messages, true, true);
        fail_msg("%s\ngives\n%s", yaml, buf_cstr(&b));
    }
    if (text != NULL && !str_find(d.messages.first->text, str_from(text), &at))
        fail_msg("\"%.*s\" does not say \"%s\"", STR_ARG(d.messages.first->text), text);
    arena_deinit(&d.arena);
}
#define GOOD "lease_name: l\nlease_namespace: ns\n"
#define assert_error(yaml, text) assert_says(yaml, false, text)
#define assert_good(yaml) assert_says(yaml, false, NULL)

static void test_names(void **state)
{
    (void)state;
    assert_good(GOOD);
    assert_good("lease_name: l");
    assert_error("lease_namespace: ns", "lease_name is missing");
    assert_error("", "lease_name is missing");
    assert_error("lease_name: ''\nlease_namespace: ns", "lease_name is missing");
    assert_error("lease_name: Upper\nlease_namespace: ns", "lease_name must be");
    assert_error("lease_name: a_b\nlease_namespace: ns", "lease_name must be");
    assert_error("lease_name: a..b\nlease_namespace: ns", "lease_name must be");
    assert_good("lease_name: k8s.cluster.receiver.opentelemetry.io\nlease_namespace: ns");
    assert_error("lease_name: l\nlease_namespace: ''", "lease_namespace is empty");
    assert_error("lease_name: l\nlease_namespace: a.b", "lease_namespace must be");
    assert_error("lease_name: l\nlease_namespace: Kube", "lease_namespace must be");

    char yaml[512];
    char name[300] = "";
    for (int i = 0; i < 245; i++)
        name[i] = i % 60 == 59 ? '.' : 'a';
    snprintf(yaml, sizeof yaml, "lease_name: %s\nlease_namespace: ns", name);
    assert_good(yaml); /* 245 and -standby are 253 */
    snprintf(yaml, sizeof yaml, "lease_name: %sx\nlease_namespace: ns", name);
    assert_error(yaml, "246 characters; 245 is the most");
    for (int i = 0; i < 254; i++)
        name[i] = i % 60 == 59 ? '.' : 'a';
    snprintf(yaml, sizeof yaml, "lease_name: %s\nlease_namespace: ns", name);
    assert_error(yaml, "lease_name must be");
}

static void test_old_metrics(void **state)
{
    (void)state;
    assert_good(GOOD "compat_metrics: none");
    assert_good(GOOD "compat_metrics: singleton_receiver_creator");
    assert_error(GOOD "compat_metrics: all", "valid values: none, singleton_receiver_creator");
    assert_error(GOOD "compat_metrics: ''", "valid values: none, singleton_receiver_creator");
}

static void test_standby_and_outage(void **state)
{
    (void)state;
    assert_good(GOOD "standby: auto\ncrowd: true\nhandover_wait: 20s");
    assert_good(GOOD "crowd: true");
    assert_good(GOOD "standby: cold");
    assert_good(GOOD "standby: warm");
    assert_error(GOOD "standby: hot", "valid values: auto, cold, warm");
    assert_says(GOOD "standby: warm\ncrowd: true", true, "only with standby: auto");
    assert_says(GOOD "standby: cold\nhandover_wait: 1s", true, "only with standby: auto");
    assert_good(GOOD "handover_wait: 0s");
    assert_good(GOOD "handover_wait: 10m");
    assert_error(GOOD "handover_wait: 601s", "handover_wait must be at most 600s");
    assert_error(GOOD "handover_wait: -1s", "handover_wait must not be negative");
    assert_good(GOOD "on_api_outage: stop");
    assert_says(GOOD "on_api_outage: keep", true, "two replicas emit the same data");
    assert_error(GOOD "on_api_outage: go", "valid values: keep, stop");
}

static void test_durations(void **state)
{
    (void)state;
    assert_good(GOOD "lease_duration: 15s\nrenew_deadline: 10s\nretry_period: 2s");
    assert_error(GOOD "lease_duration: 10s", "lease_duration must be greater than renew_deadline");
    assert_good(GOOD "lease_duration: 11s");
    assert_error(GOOD "retry_period: 8.333333334s",
                 "renew_deadline must be greater than 1.2 times retry_period");
    assert_good(GOOD "retry_period: 8.333333333s"); /* 1.2 x 8.333333333 = 9.9999999996 */
    assert_error(GOOD "renew_deadline: 2400ms", "renew_deadline must be greater than 1.2");
    assert_good(GOOD "renew_deadline: 2401ms");
    assert_error(GOOD "lease_duration: 0s", "lease_duration must be greater than zero");
    assert_error(GOOD "renew_deadline: -1s", "renew_deadline must be greater than zero");
    assert_error(GOOD "retry_period: 0", "retry_period must be greater than zero");
    assert_error(GOOD "lease_duration: 25h", "at most 24h");
    assert_error(GOOD "lease_duration: 2562047h", "at most 24h");
    assert_good(GOOD "lease_duration: 24h");
    assert_error(GOOD "renew_deadline: 2562047h",
                 "lease_duration must be greater than renew_deadline");
    struct decoded d; /* 1.2 times this is over int64 */
    decode(&d, GOOD "renew_deadline: 2562047h\nretry_period: 2562046h");
    assert_int_equal(d.messages.error_count, 3); /* each of the three relations */
    arena_deinit(&d.arena);
    assert_says(GOOD "lease_duration: 15.2s", true, "rounded up to 16s");
    assert_says(GOOD "lease_duration: 10.000000001s", true,
                "rounded up to 11s"); /* greater than the deadline by that */
    assert_error(GOOD "safety_margin: -1ms", "safety_margin must not be negative");
    assert_good(GOOD "safety_margin: 0s");
    assert_good(GOOD "safety_margin: 12999ms");
    assert_error(GOOD "safety_margin: 13s", "safety_margin must be greater than retry_period");
    assert_error(GOOD "safety_margin: 20s", "safety_margin must be greater than retry_period");
    assert_good(GOOD "request_timeout: 10s");
    assert_error(GOOD "request_timeout: 11s", "request_timeout must not be greater");
    assert_error(GOOD "request_timeout: -1s", "request_timeout must not be negative");
    assert_error(GOOD "lease_duration: fifteen", "duration");
    assert_error(GOOD "lease_durations: 15s", "lease_durations");
}

static void test_fencing(void **state)
{
    (void)state;
    assert_good(GOOD "fencing: {resource_attribute: lease.fencing_token}");
    assert_good(GOOD "fencing: {scope_attribute: fencing, header: X-Fencing-Token}");
    assert_good(GOOD "fencing:");
    assert_error(GOOD "fencing: {}", "give resource_attribute, scope_attribute or header");
    assert_error(GOOD "fencing: {attribute: x, header: h}", "attribute");
    assert_error(GOOD "fencing: {resource_attribute: ''}", "resource_attribute is empty");
    assert_error(GOOD "fencing: {scope_attribute: ''}", "scope_attribute is empty");
    assert_error(GOOD "fencing: {header: ''}", "header is empty");
    assert_error(GOOD "fencing: {resource_attribute: 'a b'}", "resource_attribute must be UTF-8 of at most 255 bytes without spaces");
    assert_error(GOOD "fencing: {scope_attribute: \"a\\nb\"}", "scope_attribute must be UTF-8");
    assert_good(GOOD "fencing: {scope_attribute: \"\\u00e4\"}");
    assert_error(GOOD "fencing: {header: 'x fencing'}", "\"x fencing\" is not a header name");
    assert_error(GOOD "fencing: {header: 'x:'}", "is not a header name");
    assert_error(GOOD "fencing: {header: Content-Type}", "is a header of gRPC or HTTP itself");
    assert_error(GOOD "fencing: {header: grpc-token}", "is a header of gRPC or HTTP itself");
    assert_error(GOOD "fencing: {header: token-bin}", "ends in -bin");
    char yaml[600], name[257];
    memset(name, 'n', 256);
    name[256] = '\0';
    snprintf(yaml, sizeof yaml, GOOD "fencing: {header: %s}", name);
    assert_error(yaml, "at most 255");
    snprintf(yaml, sizeof yaml, GOOD "fencing: {header: %s}", name + 1);
    assert_good(yaml);
    snprintf(yaml, sizeof yaml, GOOD "fencing: {resource_attribute: %s}", name);
    assert_error(yaml, "at most 255");
}

static void test_after_crash_and_ready(void **state)
{
    (void)state;
    assert_good(GOOD "after_crash: skip");
    assert_good(GOOD "after_crash: repeat");
    assert_error(GOOD "after_crash: both", "valid values: repeat, skip");
    assert_good(GOOD "ready_endpoint: 0.0.0.0:13133");
    assert_good(GOOD "ready_endpoint: ':13133'");
    assert_good(GOOD "ready_endpoint: '[::1]:13133'");
    assert_error(GOOD "ready_endpoint: ''", "ready_endpoint is empty");
    assert_error(GOOD "ready_endpoint: 'localhost'", "");
    assert_error(GOOD "ready_endpoint: '::1:80'", "");
}

static void test_other_keys(void **state)
{
    (void)state;
    assert_good(GOOD "auth_type: serviceAccount");
    assert_good(GOOD "auth_type: none");
    assert_good(GOOD "auth_type: kubeConfig\ncontext: kind");
    assert_error(GOOD "auth_type: tls", "invalid authType for kubernetes: tls");
    assert_error(GOOD "auth_type: token", "");
    assert_says(GOOD "context: kind", true, "only with auth_type: kubeConfig");
    assert_good(GOOD "release_on_shutdown: false");
    assert_error(GOOD "release_on_shutdown: 1", "");
    assert_good(GOOD "identity: pod-7");
    assert_error(GOOD "identity: ''", "identity is empty");
    char yaml[700];
    char identity[514];
    memset(identity, 'i', 513);
    identity[513] = '\0';
    snprintf(yaml, sizeof yaml, GOOD "identity: %s", identity);
    assert_error(yaml, "at most 512 bytes");
    snprintf(yaml, sizeof yaml, GOOD "identity: %s", identity + 1);
    assert_good(yaml);
}

static void test_dead_holder_keys(void **state)
{
    (void)state;
    assert_good(GOOD "dead_holder_check: auto");
    assert_good(GOOD "dead_holder_check: true");
    assert_good(GOOD "dead_holder_check: 'true'");
    assert_good(GOOD "dead_holder_check: false");
    assert_error(GOOD "dead_holder_check: yes", "valid values: auto, false, true");
    assert_error(GOOD "dead_holder_check: 1", "");
    assert_error(GOOD "compat_metrics: true", "expected type 'string'"); /* no choice of this key */
    assert_good(GOOD "container_name: baton");
    assert_error(GOOD "container_name: ''", "container_name is empty");
    assert_error(GOOD "container_name: The_Collector", "must be the name of a container");
    assert_says(GOOD "dead_holder_check: false\ncontainer_name: baton", true, "has no effect");
    assert_good(GOOD "termination_message_path: ''");
    assert_good(GOOD "termination_message_path: /tmp/message");
    assert_error(GOOD "termination_message_path: message", "must begin with \"/\"");
}

/* -- life -- */

struct life {
    struct loop *loop;
    struct service service;
    struct decoded decoded;
    struct extension extension;
};

static void life_init(struct life *l, const char *yaml)
{
    *l = (struct life){0};
    l->loop = fake_loop_new(0, SECOND);
    l->service.electors = elector_set_new(l->loop, NULL);
    l->service.generation = 1;
    decode(&l->decoded, yaml);
    assert_int_equal(l->decoded.messages.error_count, 0);
    l->extension.type = &leader_elector_extension;
    l->extension.base.service = &l->service;
    l->extension.base.loop = l->loop;
}

static void life_deinit(struct life *l)
{
    fake_loop_run(l->loop, 30 * SECOND);
    assert_int_equal(l->service.holders, 0);
    elector_set_free(l->service.electors);
    loop_free(l->loop);
    arena_deinit(&l->decoded.arena);
}

static bool create(struct life *l, struct err *err)
{
    return leader_elector_extension.create(&l->extension, l->decoded.config, err);
}

static void test_what_the_elector_gets(void **state)
{
    (void)state;
    struct life l;
    struct err err;
    life_init(&l, GOOD);
    assert_true(create(&l, &err));
    const struct elector_config *c = &fake_elector_find(l.service.electors, "l")->config;
    assert_int_equal(c->kube.auth, KUBE_AUTH_SERVICE_ACCOUNT);
    assert_true(str_eqz(c->lease_namespace, "ns"));
    assert_int_equal(c->identity.len, 0);
    assert_int_equal(c->lease_duration_ns, 15 * SECOND);
    assert_int_equal(c->renew_deadline_ns, 10 * SECOND);
    assert_int_equal(c->retry_period_ns, 2 * SECOND);
    assert_int_equal(c->safety_margin_ns, SECOND);
    assert_int_equal(c->request_timeout_ns, 0);
    assert_true(c->release_on_shutdown);
    assert_int_equal(c->dead_holder_check, DEAD_HOLDER_AUTO);
    assert_int_equal(c->container_name.len, 0);
    assert_true(str_eqz(c->termination_message_path, "/dev/termination-log"));
    leader_elector_extension.destroy(&l.extension);
    life_deinit(&l);

    life_init(&l, "lease_name: other\nlease_namespace: ns2\nauth_type: kubeConfig\ncontext: "
                  "kind\nidentity: me\nlease_duration: 30.5s\n"
                  "renew_deadline: 20s\nretry_period: 3s\nsafety_margin: 2s\nrequest_timeout: "
                  "4s\nrelease_on_shutdown: false\ndead_holder_check: true\ncontainer_name: c\n"
                  "termination_message_path: /m\n");
    assert_true(create(&l, &err));
    c = &fake_elector_find(l.service.electors, "other")->config;
    assert_int_equal(c->kube.auth, KUBE_AUTH_KUBECONFIG);
    assert_true(str_eqz(c->kube.context, "kind"));
    assert_true(str_eqz(c->lease_namespace, "ns2"));
    assert_true(str_eqz(c->identity, "me"));
    assert_int_equal(c->lease_duration_ns, 31 * SECOND);
    assert_int_equal(c->renew_deadline_ns, 20 * SECOND);
    assert_int_equal(c->retry_period_ns, 3 * SECOND);
    assert_int_equal(c->safety_margin_ns, 2 * SECOND);
    assert_int_equal(c->request_timeout_ns, 4 * SECOND);
    assert_false(c->release_on_shutdown);
    assert_int_equal(c->dead_holder_check, DEAD_HOLDER_ON);
    assert_true(str_eqz(c->container_name, "c"));
    assert_true(str_eqz(c->termination_message_path, "/m"));
    leader_elector_extension.destroy(&l.extension);
    life_deinit(&l);
}

static void test_what_the_service_gets(void **state)
{
    (void)state;
    struct life l;
    struct err err;
    life_init(&l, GOOD);
    assert_true(create(&l, &err));
    const struct elector_options *o = leader_elector_extension.options(&l.extension);
    assert_false(o->repeats_after_crash);
    assert_int_equal(o->fencing_resource.len + o->fencing_scope.len + o->fencing_header.len + o->ready_endpoint.len, 0);
    leader_elector_extension.destroy(&l.extension);
    life_deinit(&l);

    life_init(&l, GOOD "after_crash: repeat\nfencing: {resource_attribute: r, scope_attribute: s, header: h}\n"
                       "ready_endpoint: ':1'\nauth_type: kubeConfig\ncontext: kind\n");
    assert_true(create(&l, &err));
    o = leader_elector_extension.options(&l.extension);
    assert_true(o->repeats_after_crash);
    assert_true(str_eqz(o->fencing_resource, "r") && str_eqz(o->fencing_scope, "s") && str_eqz(o->fencing_header, "h"));
    assert_true(str_eqz(o->ready_endpoint, ":1"));
    /* Commands see the same Lease without an instance. */
    struct elector_config c;
    assert_true(leader_elector_extension.lease(l.decoded.config, &c, &err));
    assert_true(str_eqz(c.lease_name, "l") && str_eqz(c.lease_namespace, "ns") && str_eqz(c.kube.context, "kind"));
    assert_int_equal(c.kube.auth, KUBE_AUTH_KUBECONFIG);
    leader_elector_extension.destroy(&l.extension);
    life_deinit(&l);
}

static void test_namespace_from_the_environment(void **state)
{
    (void)state;
    struct life l;
    struct err err;
    setenv("POD_NAMESPACE", "from-env", 1);
    life_init(&l, "lease_name: l");
    assert_true(create(&l, &err));
    assert_true(
        str_eqz(fake_elector_find(l.service.electors, "l")->config.lease_namespace, "from-env"));
    leader_elector_extension.destroy(&l.extension);
    life_deinit(&l);

    setenv("POD_NAMESPACE", "Not A Namespace", 1);
    life_init(&l, "lease_name: l");
    assert_false(create(&l, &err));
    assert_non_null(strstr(err.text, "POD_NAMESPACE"));
    life_deinit(&l);

    /* Left to the credentials. */
    unsetenv("POD_NAMESPACE");
    life_init(&l, "lease_name: l");
    assert_true(create(&l, &err));
    assert_int_equal(fake_elector_find(l.service.electors, "l")->config.lease_namespace.len, 0);
    leader_elector_extension.destroy(&l.extension);
    life_deinit(&l);
    setenv("POD_NAMESPACE", "", 1);
    life_init(&l, "lease_name: l");
    l.service.electors->refuse = "no namespace";
    assert_false(create(&l, &err));
    assert_string_equal(err.text, "no namespace");
    life_deinit(&l);
    unsetenv("POD_NAMESPACE");
}

static void test_life(void **state)
{
    (void)state;
    struct life l;
    struct err err;
    life_init(&l, GOOD);
    assert_true(create(&l, &err));
    struct elector *e = leader_elector_extension.elector(&l.extension);
    assert_false(e->started);
    assert_true(leader_elector_extension.start(&l.extension, &err));
    assert_true(e->started);
    fake_elector_lead(e, INHERIT_NONE, 0);
    l.service.electors->release_takes_ns = SECOND;
    leader_elector_extension.quiesce(&l.extension);
    assert_int_equal(l.service.electors->release_count, 1);
    assert_int_equal(l.service.quiesced, 0);
    fake_loop_run(l.loop, SECOND);
    assert_int_equal(l.service.quiesced, 1);
    assert_int_equal(l.service.stopped, 0);
    leader_elector_extension.stop(&l.extension);
    assert_int_equal(l.service.stopped, 1);
    leader_elector_extension.destroy(&l.extension);
    life_deinit(&l);
}

static void test_stopped_while_it_releases(void **state)
{
    (void)state;
    struct life l;
    struct err err;
    life_init(&l, GOOD);
    assert_true(create(&l, &err) && leader_elector_extension.start(&l.extension, &err));
    fake_elector_lead(leader_elector_extension.elector(&l.extension), INHERIT_NONE, 0);
    l.service.electors->release_takes_ns = 9 * SECOND;
    leader_elector_extension.quiesce(&l.extension);
    fake_loop_run(l.loop, 3 * SECOND);
    leader_elector_extension.stop(&l.extension);
    assert_int_equal(l.service.stopped, 0);
    fake_loop_run(l.loop, 6 * SECOND);
    assert_int_equal(l.service.quiesced, 1);
    assert_int_equal(l.service.stopped, 1);
    leader_elector_extension.destroy(&l.extension);
    life_deinit(&l);
}

static void test_destroyed_without_a_start(void **state)
{
    (void)state;
    struct life l;
    struct err err;
    life_init(&l, GOOD);
    assert_true(create(&l, &err));
    leader_elector_extension.destroy(&l.extension);
    assert_int_equal(l.service.holders, 1); /* until the elector is gone */
    fake_loop_run(l.loop, 0);
    assert_int_equal(l.service.holders, 0);
    life_deinit(&l);
}

static void test_reinstated(void **state)
{
    (void)state;
    struct life l;
    struct err err;
    life_init(&l, GOOD);
    assert_true(create(&l, &err));
    struct elector *e = leader_elector_extension.elector(&l.extension);
    e->config.lease_duration_ns = 99 * SECOND; /* as a configuration that failed left it */
    l.service.generation = 3;
    leader_elector_extension.reinstate(&l.extension);
    assert_int_equal(e->config.lease_duration_ns, 15 * SECOND);
    assert_int_equal(e->ref_count, 1);
    assert_int_equal(e->generation, 3);
    fake_loop_run(l.loop, 0);
    assert_int_equal(l.service.holders, 0);
    leader_elector_extension.destroy(&l.extension);
    life_deinit(&l);
}

static void test_names_of_the_type(void **state)
{
    (void)state;
    assert_string_equal(leader_elector_extension.name, "k8s_leader_elector");
    assert_string_equal(leader_elector_extension.aliases[0], "leaderelector");
    assert_string_equal(leader_elector_extension.aliases[1], "leader_elector");
    assert_null(leader_elector_extension.aliases[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_old_metrics),
        cmocka_unit_test(test_fencing),
        cmocka_unit_test(test_after_crash_and_ready),
        cmocka_unit_test(test_what_the_service_gets),
        cmocka_unit_test(test_standby_and_outage),
        cmocka_unit_test(test_other_keys),
        cmocka_unit_test(test_dead_holder_keys),
        cmocka_unit_test(test_what_the_elector_gets),
        cmocka_unit_test(test_namespace_from_the_environment),
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_stopped_while_it_releases),
        cmocka_unit_test(test_destroyed_without_a_start),
        cmocka_unit_test(test_reinstated),
        cmocka_unit_test(test_names_of_the_type),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
