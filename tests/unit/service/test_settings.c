/* A whole configuration: what is read from a good one, and every fault with its place and text. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "service/settings.h"
#include "settings_fakes.h"

static struct settings *load(const char *text)
{
    char path[] = "/tmp/baton_settings_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
    const struct config_source source = {.location = str_from(path)};
    struct settings *s = settings_load(&fake_types, &source, 1);
    unlink(path);
    return s;
}

/* With "f" for the name of the file. */
static void print_text(struct buf *b, str text, str source)
{
    size_t at;
    while (source.len > 0 && str_find(text, source, &at)) {
        buf_append(b, text.data, at);
        buf_byte(b, 'f');
        text = str_skip(text, at + source.len);
    }
    buf_str(b, text);
}

/* Messages of one kind, with "f:" for the file. */
static char *messages(const struct settings *s, bool errors)
{
    struct buf b;
    buf_init(&b, MIB);
    for (const struct config_message *m = s->messages.first; m != NULL; m = m->next) {
        if (m->is_error != errors)
            continue;
        buf_printf(&b, "f:%" PRIu32 ":%" PRIu32 ": %.*s%s", m->place.line, m->place.column,
                   STR_ARG(m->path), m->path.len > 0 ? ": " : "");
        print_text(&b, m->text, m->place.source);
        buf_byte(&b, '\n');
    }
    size_t len;
    return buf_take(&b, &len);
}

static struct settings *good(const char *text)
{
    struct settings *s = load(text);
    if (s->messages.error_count > 0)
        fail_msg("%s\n%s", text, messages(s, true));
    return s;
}

static void bad(const char *text, const char *expected)
{
    struct settings *s = load(text);
    char *got = messages(s, true);
    if (strcmp(got, expected) != 0)
        fail_msg("\n%s\ngot:\n%swanted:\n%s", text, got, expected);
    mem_free(got);
    settings_free(s);
}

#define PIPELINE "service: {pipelines: {metrics: {receivers: [dummy], exporters: [debug]}}}\n"
#define BASE "receivers: {dummy: }\nexporters: {debug: }\n" PIPELINE

/* ---- good ones ---- */

static void test_components(void **state)
{
    (void)state;
    struct settings *s = good("receivers:\n"
                              "  dummy/x:\n"
                              "    interval: 5s\n"
                              "    leaderelector: ' k8s_leader_elector / a '\n"
                              "  ' nop ':\n"
                              "  dummy/unused:\n"
                              "    k8s_leader_elector: nosuch\n"
                              "exporters:\n"
                              "  debug:\n"
                              "processors:\n"
                              "  batch/1:\n"
                              "extensions:\n"
                              "  k8s_leader_elector/a:\n"
                              "  health_check:\n"
                              "service:\n"
                              "  extensions: [k8s_leader_elector/a]\n"
                              "  pipelines:\n"
                              "    metrics/m:\n"
                              "      receivers: [dummy/x, nop, dummy/x]\n"
                              "      processors: [batch/1]\n"
                              "      exporters: [debug, debug]\n"
                              "    traces: {receivers: [nop], exporters: [debug]}\n");
    assert_int_equal(s->component_count, 7);
    const struct component_settings *dummy = settings_find(s, COMPONENT_RECEIVER, STR("dummy/x"));
    assert_non_null(dummy);
    assert_true(str_eqz(dummy->type_name, "dummy"));
    assert_true(str_eqz(dummy->name, "x"));
    assert_ptr_equal(dummy->type, &fake_dummy);
    assert_int_equal(((const struct dummy_config *)dummy->config)->interval_ns, 5 * SECOND);
    assert_true(str_eqz(dummy->elector_id, "k8s_leader_elector/a"));
    assert_true(str_eqz(dummy->elector_key, "leaderelector"));
    assert_int_equal(dummy->elector_place.line, 4);
    assert_int_equal(dummy->place.line, 2);
    assert_int_equal(dummy->place.column, 3);
    assert_null(node_get(dummy->node, STR("leaderelector")));
    assert_true(dummy->used);
    const struct component_settings *nop = settings_find(s, COMPONENT_RECEIVER, STR("nop"));
    assert_true(nop->used);
    assert_int_equal(nop->elector_id.len, 0);
    /* Nothing uses it: it need not fit. */
    assert_false(settings_find(s, COMPONENT_RECEIVER, STR("dummy/unused"))->used);
    assert_false(settings_find(s, COMPONENT_EXTENSION, STR("health_check"))->used);
    assert_true(settings_find(s, COMPONENT_EXTENSION, STR("k8s_leader_elector/a"))->used);
    assert_null(settings_find(s, COMPONENT_EXPORTER, STR("dummy/x")));
    assert_int_equal(s->pipeline_count, 2);
    assert_int_equal(s->pipelines[0].signal, SIGNAL_METRICS);
    assert_true(str_eqz(s->pipelines[0].id, "metrics/m"));
    assert_int_equal(s->pipelines[0].receivers.count, 2); /* each once */
    assert_int_equal(s->pipelines[0].exporters.count, 1);
    assert_int_equal(s->pipelines[1].signal, SIGNAL_TRACES);
    assert_int_equal(s->pipelines[1].processors.count, 0);
    assert_int_equal(s->messages.warning_count, 0);
    settings_free(s);
}

/* All three keys work with all three type names, on every receiver. */
static void test_elector_spellings(void **state)
{
    (void)state;
    static const char *const names[] = {"leaderelector", "leader_elector", "k8s_leader_elector"};
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        for (size_t k = 0; k < COUNT_OF(names); k++) {
            char text[600];
            snprintf(text, sizeof text,
                     "receivers: {nop: {%s: %s/1}}\nexporters: {debug: }\nextensions: {%s/1: "
                     "}\nservice:\n  extensions: [%s/1]\n"
                     "  pipelines: {logs: {receivers: [nop], exporters: [debug]}}\n",
                     names[i], names[k], names[k], names[k]);
            struct settings *s = good(text);
            assert_true(str_eqz(s->components[0].elector_key, names[i]));
            assert_int_equal(s->messages.warning_count, 0);
            settings_free(s);
        }
    }
    struct settings *s =
        good("receivers: {dummy: {leaderelector: }}\nexporters: {debug: }\n" PIPELINE);
    assert_int_equal(s->components[0].elector_id.len, 0); /* null: not elected */
    settings_free(s);
}

static void test_telemetry(void **state)
{
    (void)state;
    struct settings *s = good(BASE);
    assert_int_equal(s->logs.level, LOG_INFO);
    assert_int_equal(s->logs.encoding, LOG_CONSOLE);
    assert_true(s->logs.sampling.enabled);
    assert_int_equal(s->logs.sampling.tick_ns, 10 * SECOND);
    assert_int_equal(s->logs.sampling.initial, 10);
    assert_int_equal(s->logs.sampling.thereafter, 100);
    assert_int_equal(s->logs.output_paths.count, 1);
    assert_true(str_eqz(s->logs.output_paths.items[0], "stderr"));
    assert_int_equal(s->logs.initial_fields_json.len, 0);
    assert_int_equal(s->resource.count, 0);
    assert_int_equal(s->metrics_reader_count, 1);
    assert_true(s->metrics_readers[0].is_default &&
                str_eqz(s->metrics_readers[0].host, "localhost"));
    assert_int_equal(s->metrics_readers[0].port, 8888);
    settings_free(s);
    s = good(BASE "  \n");
    settings_free(s);
    s = good("receivers: {dummy: }\nexporters: {debug: }\nservice:\n  pipelines: {metrics: "
             "{receivers: [dummy], exporters: [debug]}}\n"
             "  telemetry:\n"
             "    logs:\n"
             "      level: Warning\n"
             "      encoding: json\n"
             "      disable_caller: true\n"
             "      disable_zap_resource: true\n"
             "      sampling: {enabled: false, tick: 1s, initial: 3, thereafter: 4}\n"
             "      output_paths: [stdout, /tmp/x]\n"
             "      initial_fields: {a: b, 'q\"': [1, 2.5, {x: ~}], t: true}\n"
             "    metrics: {level: Detailed, readers: [{pull: {exporter: {prometheus: {host: "
             "localhost, port: 8888}}}}], views: []}\n"
             "    traces: {level: none, propagators: [tracecontext]}\n"
             "    resource: {service.name: mine, host: ~, empty: ''}\n");
    assert_int_equal(s->metrics_reader_count, 1);
    assert_false(s->metrics_readers[0].is_default || s->metrics_readers[0].has_constant_labels);
    assert_true(s->metrics_readers[0].without_units && s->metrics_readers[0].without_type_suffix &&
                s->metrics_readers[0].without_scope_info);
    assert_int_equal(s->logs.level, LOG_WARN);
    assert_int_equal(s->logs.encoding, LOG_JSON);
    assert_true(s->logs.disable_caller);
    assert_true(s->logs.disable_zap_resource);
    assert_false(s->logs.sampling.enabled);
    assert_int_equal(s->logs.sampling.tick_ns, SECOND);
    assert_int_equal(s->logs.sampling.thereafter, 4);
    assert_int_equal(s->logs.output_paths.count, 2);
    assert_true(str_eqz(s->logs.initial_fields_json,
                        "\"a\": \"b\", \"q\\\"\": [1, 2.5, {\"x\": null}], \"t\": true"));
    assert_int_equal(s->resource.count, 3);
    assert_true(str_eqz(s->resource.items[0].value, "mine"));
    assert_null(s->resource.items[1].value.data); /* removed */
    assert_non_null(s->resource.items[2].value.data);
    assert_int_equal(s->resource.items[2].value.len, 0);
    settings_free(s);
    s = good("receivers: {dummy: }\nexporters: {debug: }\nservice:\n  pipelines: {metrics: "
             "{receivers: [dummy], exporters: [debug]}}\n"
             "  telemetry: {resource: {schema_url: x, attributes: [{name: a, value: b}, {name: n, "
             "value: 5}]}}\n");
    assert_int_equal(s->resource.count, 2);
    assert_true(str_eqz(s->resource.items[1].value, "5"));
    settings_free(s);
}

static void test_warnings(void **state)
{
    (void)state;
    struct settings *s =
        good("receivers: {dummy: }\nexporters: {push/1: }\nextensions: {health_check: }\nservice:\n"
             "  extensions: [health_check, health_check]\n"
             "  pipelines: {metrics: {receivers: [dummy], exporters: [push/1]}}\n"
             "  telemetry: {metrics: {address: 'x:1'}, logs: {processors: [{batch: {}}]}}\n");
    char *got = messages(s, false);
    assert_string_equal(
        got, "f:2:13: exporters: \"push\" alias is deprecated; use \"push_grpc\" instead\n"
             "f:7:25: service::telemetry::metrics::address: is deprecated and has no effect: the "
             "Go collector removed it as well\n"
             "f:7:61: service::telemetry::logs::processors: has no effect: baton does not export "
             "its own logs\n"
             "f:5:30: service::extensions: \"health_check\" is listed twice\n");
    mem_free(got);
    assert_int_equal(s->extensions.count, 1);
    assert_true(str_eqz(s->components[1].id, "push/1")); /* as written */
    assert_ptr_equal(s->components[1].type, &fake_push);
    settings_free(s);
}

/* ---- faults ---- */

static void test_top_level(void **state)
{
    (void)state;
    bad("", "f:0:0: empty configuration file\n");
    bad("receivers:\nservice:\n", "f:1:1: empty configuration file\n");
    bad("extensions: {health_check: }\n" PIPELINE,
        "f:1:1: receivers: no receiver configuration specified in config\n"
        "f:1:1: exporters: no exporter configuration specified in config\n");
    bad("receivers: {nop: }\nexporters: {debug: }\n",
        "f:1:1: service::pipelines: service must have at least one pipeline\n");
    bad("receivers: {nop: }\nexporters: {debug: }\nservice: {pipelines: {}}\n",
        "f:3:11: service::pipelines: service must have at least one pipeline\n");
    bad(BASE "recievers: {}\nx-anchors: 1\n",
        "f:4:1: '' has invalid keys: recievers (valid keys: connectors, exporters, extensions, "
        "processors, receivers, service; did you mean "
        "\"receivers\"?)\n"
        "f:5:1: '' has invalid keys: x-anchors (valid keys: connectors, exporters, extensions, "
        "processors, receivers, service); blocks that only "
        "hold anchors are not allowed either\n");
    bad("receivers: nop\nexporters: {debug: }\n" PIPELINE,
        "f:1:12: receivers: expected a map of ids to configurations, such as \"nop:\"\n"
        "f:3:45: service::pipelines::metrics: references receiver \"dummy\" which is not "
        "configured; there are no receivers\n");
    bad(BASE "connectors: {forward: , routing/x: }\n",
        "f:4:14: 2 components are of types that baton does not have:\n"
        "  f:4:14: connectors: unknown type: \"forward\" for id: \"forward\"\n"
        "  f:4:25: connectors: unknown type: \"routing\" for id: \"routing/x\"\n"
        "  baton has no connectors\n");
    bad("service: 5\nreceivers: {nop: }\nexporters: {debug: }\n",
        "f:1:10: service: expected a map or struct, got \"int\"\n"
        "f:1:1: service::pipelines: service must have at least one pipeline\n");
}

static void test_components_faults(void **state)
{
    (void)state;
    bad("receivers: {dumy/1: , dummy: }\nexporters: {debug: , logging: }\n" PIPELINE,
        "f:1:13: 2 components are of types that baton does not have:\n"
        "  f:1:13: receivers: unknown type: \"dumy\" for id: \"dumy/1\"; did you mean \"dummy\"?\n"
        "  f:2:22: exporters: unknown type: \"logging\" for id: \"logging\"; it is named debug now\n"
        "  baton has receivers: dummy, nop; exporters: debug, push_grpc\n");
    bad("receivers: {dumy/1: , dummy: }\nexporters: {debug: }\n" PIPELINE,
        "f:1:13: receivers: unknown type: \"dumy\" for id: \"dumy/1\" (valid values: dummy, nop; "
        "did you mean \"dummy\"?)\n");
    bad("receivers: {dummy: }\nexporters: {debug: , logging: }\n" PIPELINE,
        "f:2:22: exporters: the logging exporter has been deprecated, use the debug exporter "
        "instead\n");
    bad("receivers: {dummy: , ' dummy': , 'a b': , dummy/: }\nexporters: {debug: }\n" PIPELINE,
        "f:1:22: receivers: duplicate name \" dummy\" after unmarshaling dummy\n"
        "f:1:34: receivers: in \"a b\" id: invalid character(s) in type \"a b\"\n"
        "f:1:43: receivers: in \"dummy/\" id: the part after / should not be empty\n");
    bad("receivers: {dummy: {intervall: 5s}, dummy/2: {interval: 5ms}, dummy/3: text}\nexporters: "
        "{debug: }\n" PIPELINE,
        "f:1:21: receivers::dummy: has invalid keys: intervall; did you mean \"interval\"?\n"
        "f:1:57: receivers::dummy/2::interval: must be at least 1s\n"
        "f:1:72: receivers::dummy/3: expected a map or struct, got \"string\"\n");
}

/* What Kyma's Telemetry manager generates for its agents, with the components of that collector: all that is missing in one error,
 * sorted by place, and nothing else. */
static void test_generated(void **state)
{
    (void)state;
    bad("extensions:\n"
        "  health_check: {}\n"
        "  pprof: {endpoint: \"127.0.0.1:1777\"}\n"
        "  k8s_leader_elector: {}\n"
        "service:\n"
        "  extensions: [health_check, pprof, k8s_leader_elector]\n"
        "  telemetry:\n"
        "    metrics:\n"
        "      readers:\n"
        "        - pull: {exporter: {prometheus: {host: \"${env:MY_POD_IP:-127.0.0.1}\", port: 8888}}}\n"
        "    logs: {level: info, encoding: json}\n"
        "  pipelines:\n"
        "    metrics/input:\n"
        "      receivers: [k8s_cluster, kymastats, otlp]\n"
        "      processors: [memory_limiter, k8sattributes, transform/set-kyma-input-name]\n"
        "      exporters: [routing/enrichment]\n"
        "    metrics/enrichment:\n"
        "      receivers: [routing/enrichment]\n"
        "      processors: [filter/drop-envoy]\n"
        "      exporters: [forward]\n"
        "    metrics/output:\n"
        "      receivers: [forward]\n"
        "      processors: [batch]\n"
        "      exporters: [push, otlphttp/backend]\n"
        "receivers:\n"
        "  k8s_cluster: {auth_type: serviceAccount, collection_interval: 30s, k8s_leader_elector: "
        "k8s_leader_elector}\n"
        "  kymastats:\n"
        "    auth_type: serviceAccount\n"
        "    collection_interval: 30s\n"
        "    resources:\n"
        "      - {group: operator.kyma-project.io, version: v1beta1, resource: telemetries}\n"
        "    k8s_leader_elector: k8s_leader_elector\n"
        "  otlp: {protocols: {grpc: {endpoint: \"0.0.0.0:4317\"}}}\n"
        "processors:\n"
        "  batch: {}\n"
        "  memory_limiter: {check_interval: 1s, limit_percentage: 75}\n"
        "  k8sattributes: {auth_type: serviceAccount}\n"
        "  filter/drop-envoy: {error_mode: ignore}\n"
        "  transform/set-kyma-input-name: {error_mode: ignore}\n"
        "exporters:\n"
        "  push: {endpoint: x}\n"
        "  otlphttp/backend: {endpoint: \"https://x\"}\n"
        "connectors:\n"
        "  routing/enrichment: {default_pipelines: [metrics/enrichment]}\n"
        "  forward: {}\n",
        "f:3:3: 11 components are of types that baton does not have:\n"
        "  f:3:3: extensions: unknown type: \"pprof\" for id: \"pprof\"\n"
        "  f:26:3: receivers: unknown type: \"k8s_cluster\" for id: \"k8s_cluster\"\n"
        "  f:27:3: receivers: unknown type: \"kymastats\" for id: \"kymastats\"\n"
        "  f:33:3: receivers: unknown type: \"otlp\" for id: \"otlp\"\n"
        "  f:36:3: processors: unknown type: \"memory_limiter\" for id: \"memory_limiter\"\n"
        "  f:37:3: processors: unknown type: \"k8sattributes\" for id: \"k8sattributes\"\n"
        "  f:38:3: processors: unknown type: \"filter\" for id: \"filter/drop-envoy\"\n"
        "  f:39:3: processors: unknown type: \"transform\" for id: \"transform/set-kyma-input-name\"\n"
        "  f:42:3: exporters: unknown type: \"otlphttp\" for id: \"otlphttp/backend\"\n"
        "  f:44:3: connectors: unknown type: \"routing\" for id: \"routing/enrichment\"\n"
        "  f:45:3: connectors: unknown type: \"forward\" for id: \"forward\"\n"
        "  baton has receivers: dummy, nop; processors: batch; exporters: debug, push_grpc; extensions: "
        "health_check, k8s_leader_elector; no connectors\n");
}

/* More than are shown; the count is right. */
static void test_many_missing(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, MIB);
    buf_text(&b, BASE "processors:\n");
    for (unsigned i = 0; i < LIMIT_CONFIG_MESSAGES + 5; i++)
        buf_printf(&b, "  nosuch/%u:\n", i);
    struct settings *s = load(buf_cstr(&b));
    assert_int_equal(s->messages.error_count, 1);
    size_t at;
    assert_true(str_find(s->messages.first->text, STR(":204:3: processors: unknown type"), &at));
    assert_true(
        str_ends_with(s->messages.first->text, STR("  and 5 more\n  baton has processors: batch")));
    assert_true(str_starts_with(s->messages.first->text, STR("205 components")));
    settings_free(s);
    buf_deinit(&b);
}

/* ---- singleton_receiver_creator ---- */

#define OLD_SINGLETON                                                                              \
    "receivers:\n"                                                                                 \
    "  singleton_receiver_creator/s:\n"                                                            \
    "    leader_election: {lease_name: l, lease_namespace: \"${env:BATON_TEST_NS:-n}\"}\n"         \
    "    receiver:\n"                                                                              \
    "      dummy:\n"

static void test_singleton(void **state)
{
    (void)state;
    struct settings *s =
        good(OLD_SINGLETON "        interval: 5s\n"
                           "        note: ${env:BATON_TEST_SECRET:-s3cret}\n"
                           "exporters: {debug: }\n"
                           "service: {pipelines: {metrics: {receivers: "
                           "[singleton_receiver_creator/s], exporters: [debug]}}}\n");
    const struct component_settings *dummy = settings_find(s, COMPONENT_RECEIVER, STR("dummy"));
    const struct component_settings *elector =
        settings_find(s, COMPONENT_EXTENSION, STR("k8s_leader_elector/s"));
    assert_int_equal(s->component_count, 3);
    assert_true(dummy != NULL && dummy->used && elector != NULL && elector->used);
    assert_true(str_eqz(dummy->elector_id, "k8s_leader_elector/s"));
    assert_int_equal(((const struct dummy_config *)dummy->config)->interval_ns, 5 * SECOND);
    assert_true(str_eqz(s->pipelines[0].receivers.items[0], "dummy"));
    char *warnings = messages(s, false);
    /* One, with the new YAML, and no value that came from the environment. */
    assert_string_equal(
        warnings, "f:2:3: receivers: singleton_receiver_creator is a receiver of the past: this "
                  "configuration is read as\n"
                  "    extensions:\n"
                  "      k8s_leader_elector/s:\n"
                  "        lease_name: l\n"
                  "        lease_namespace: \"${env:BATON_TEST_NS:-n}\"\n"
                  "    receivers:\n"
                  "      dummy: # its settings as they are, and\n"
                  "        k8s_leader_elector: k8s_leader_elector/s\n"
                  "    service:\n"
                  "      extensions: [k8s_leader_elector/s]\n"
                  "      pipelines:\n"
                  "        metrics:\n"
                  "          receivers: [dummy]\n"
                  "  To have it written: baton migrate --in-place f\n");
    mem_free(warnings);
    settings_free(s);
}

/* Faults lead into the file as it is, and each is said once. */
static void test_singleton_faults(void **state)
{
    (void)state;
#define REST                                                                                       \
    "exporters: {debug: }\nservice: {pipelines: {metrics: {receivers: "                            \
    "[singleton_receiver_creator/s], exporters: [debug]}}}\n"
    bad(OLD_SINGLETON "        intervall: 5s\n" REST,
        "f:6:9: receivers::dummy: has invalid keys: intervall; did you mean \"interval\"?\n");
    bad("receivers: {singleton_receiver_creator/s: {receiver: {dummy: , nop: }}}\n" REST,
        "f:1:64: receivers::singleton_receiver_creator/s::receiver: holds 2 receivers, of which the "
        "old receiver ran one at random: keep one; the others need a singleton_receiver_creator of "
        "their own\n");
    bad("receivers: {singleton_receiver_creator/s: {receiver: {nosuch: }}}\n" REST,
        "f:1:55: receivers: unknown type: \"nosuch\" for id: \"nosuch\" (valid values: dummy, "
        "nop)\n");
    bad("receivers: {singleton_receiver_creator/s: {receiver: {dummy: }}}\nextensions: 5\n" REST,
        "f:2:13: extensions: expected a map of ids to configurations, such as "
        "\"leader_elector:\"\n"
        "f:1:13: service::extensions: references extension \"k8s_leader_elector/s\" which is not "
        "configured; there are no extensions\n"
        "f:1:13: receivers::dummy::k8s_leader_elector: receiver \"dummy\" names extension "
        "\"k8s_leader_elector/s\", which is not configured; there are no extensions; configure it "
        "under extensions and list it in service::extensions\n");
#undef REST
}

static void test_references(void **state)
{
    (void)state;
    bad("receivers: {dummy: }\nexporters: {debug: }\nservice:\n  extensions: [helth_check]\n  "
        "pipelines:\n"
        "    metrics: {receivers: [dumy], processors: [batch], exporters: [debug/2]}\n",
        "f:4:16: service::extensions: references extension \"helth_check\" which is not "
        "configured; there are no extensions\n"
        "f:6:27: service::pipelines::metrics: references receiver \"dumy\" which is not configured "
        "(configured: dummy; did you mean \"dummy\"?)\n"
        "f:6:47: service::pipelines::metrics: references processor \"batch\" which is not "
        "configured; there are no processors\n"
        "f:6:67: service::pipelines::metrics: references exporter \"debug/2\" which is not "
        "configured (configured: debug; did you mean \"debug\"?)\n");
    /* What was reported in its own section is not reported again where it is used. */
    bad("receivers: {nosuch: }\nexporters: {debug: }\nservice: {pipelines: {metrics: {receivers: "
        "[nosuch], exporters: [debug]}}}\n",
        "f:1:13: receivers: unknown type: \"nosuch\" for id: \"nosuch\" (valid values: dummy, "
        "nop)\n");
    bad("receivers: {dummy: }\nexporters: {debug: }\nconnectors: {forward: }\n"
        "service: {pipelines: {metrics: {receivers: [dummy], exporters: [forward]}}}\n",
        "f:3:14: connectors: unknown type: \"forward\" for id: \"forward\" (baton has no "
        "connectors)\n");
}

static void test_pipelines(void **state)
{
    (void)state;
#define WITH(pipelines)                                                                            \
    "receivers: {dummy: , nop: }\nexporters: {debug: , push_grpc: }\nprocessors: {batch: "         \
    "}\nservice: {pipelines: {" pipelines "}}\n"
    bad(WITH("foo: , metrics/: , profiles: "),
        "f:4:23: service::pipelines: in \"foo\" id: unknown pipeline signal: \"foo\" (valid "
        "values: logs, metrics, traces)\n"
        "f:4:30: service::pipelines: in \"metrics/\" id: the part after / should not be empty\n"
        "f:4:42: service::pipelines: pipeline \"profiles\": baton does not support the profiles "
        "signal\n");
    bad(WITH("metrics: , logs: {receivers: [], exporters: }"),
        "f:4:23: service::pipelines::metrics: must have at least one receiver\n"
        "f:4:23: service::pipelines::metrics: must have at least one exporter\n"
        "f:4:34: service::pipelines::logs: must have at least one receiver\n"
        "f:4:34: service::pipelines::logs: must have at least one exporter\n");
    bad(WITH("metrics: text, logs: {receivers: nop, exporters: [debug, ~]}, traces: {recievers: "
             "[nop], exporters: {debug: }}"),
        "f:4:32: service::pipelines::metrics: expected a map or struct, got \"string\"\n"
        "f:4:56: service::pipelines::logs::receivers: source data must be an array or slice, got "
        "string\n"
        "f:4:80: service::pipelines::logs::exporters::1: id must not be empty\n"
        "f:4:94: service::pipelines::traces: has invalid keys: recievers; did you mean "
        "\"receivers\"?\n"
        "f:4:123: service::pipelines::traces::exporters: source data must be an array or slice, "
        "got map\n"
        "f:4:85: service::pipelines::traces: must have at least one receiver\n");
    bad(WITH("metrics: {receivers: [dummy], processors: [batch, ' batch'], exporters: [debug]}"),
        "f:4:73: service::pipelines::metrics: references processor \"batch\" multiple times\n");
    bad(WITH("traces: {receivers: [nop, dummy], exporters: [debug, push_grpc]}"),
        "f:4:49: service::pipelines::traces: failed to create \"dummy\" receiver for data type "
        "\"traces\": telemetry type is not supported (dummy "
        "supports: metrics, logs)\n"
        "f:4:76: service::pipelines::traces: failed to create \"push_grpc\" exporter for data type "
        "\"traces\": telemetry type is not supported "
        "(push_grpc supports: metrics)\n");
    bad(WITH("metrics: {receivers: [nop], exporters: [debug]}, ' metrics': {receivers: [nop], "
             "exporters: [debug]}"),
        "f:4:72: service::pipelines: duplicate name \" metrics\" after unmarshaling metrics\n");
    bad("receivers: {dummy: }\nexporters: {debug: }\nservice: {pipelines: [metrics]}\n",
        "f:3:22: service::pipelines: expected a map of pipelines, such as \"metrics:\"\n");
#undef WITH
}

/* The three faults of a receiver's election key, each with its own text and remedy. */
static void test_elector_faults(void **state)
{
    (void)state;
#define WITH(elector, extensions, listed)                                                          \
    "receivers:\n  dummy/r:\n    " elector "\nexporters: {debug: }\nextensions: {" extensions      \
    "}\nservice:\n  extensions: [" listed "]\n"                                                    \
    "  pipelines: {metrics: {receivers: [dummy/r], exporters: [debug]}}\n"
    bad(WITH("leaderelector: leaderelector",
             "health_check: , leader_elector/b: ", "health_check, leader_elector/b"),
        "f:3:20: receivers::dummy/r::leaderelector: receiver \"dummy/r\" names extension "
        "\"leaderelector\", which is not configured (configured: "
        "health_check, leader_elector/b; did you mean \"leader_elector/b\"?); configure it under "
        "extensions and list it in "
        "service::extensions\n");
    bad(WITH("k8s_leader_elector: health_check", "health_check: ", "health_check"),
        "f:3:25: receivers::dummy/r::k8s_leader_elector: receiver \"dummy/r\" names extension "
        "\"health_check\", which is of type \"health_check\" and "
        "not a leader elector; name an extension of type k8s_leader_elector, leaderelector, "
        "leader_elector\n");
    bad(WITH("leader_elector: leader_elector", "leader_elector: ", ""),
        "f:3:21: receivers::dummy/r::leader_elector: receiver \"dummy/r\" names extension "
        "\"leader_elector\", which is configured but missing from "
        "service::extensions; add it there\n");
    /* A wrong type says so even if it is not listed either. */
    bad(WITH("leader_elector: health_check", "health_check: ", ""),
        "f:3:21: receivers::dummy/r::leader_elector: receiver \"dummy/r\" names extension "
        "\"health_check\", which is of type \"health_check\" and "
        "not a leader elector; name an extension of type k8s_leader_elector, leaderelector, "
        "leader_elector\n");
    bad(WITH("leader_elector: a b", "", ""), "f:3:21: receivers::dummy/r::leader_elector: in \"a "
                                             "b\" id: invalid character(s) in type \"a b\"\n");
    bad(WITH("leader_elector: [a]", "", ""),
        "f:3:21: receivers::dummy/r::leader_elector: must be the id of a leader elector extension, "
        "such as k8s_leader_elector\n");
    bad(WITH("{leader_elector: leader_elector, leaderelector: leader_elector}",
             "leader_elector: ", "leader_elector"),
        "f:3:38: receivers::dummy/r::leaderelector: \"leader_elector\" and \"leaderelector\" are "
        "spellings of one key; keep one of them\n");
    /* The extension's own fault is enough. */
    bad(WITH("leader_elector: nosuch", "nosuch: ", "nosuch"),
        "f:5:14: extensions: unknown type: \"nosuch\" for id: \"nosuch\" (valid values: "
        "health_check, k8s_leader_elector)\n");
#undef WITH
}

static void test_telemetry_faults(void **state)
{
    (void)state;
#define WITH(telemetry)                                                                            \
    "receivers: {dummy: }\nexporters: {debug: }\nservice:\n  pipelines: {metrics: {receivers: "    \
    "[dummy], exporters: [debug]}}\n  telemetry: {" telemetry "}\n"
    bad(WITH("logs: {level: loud}"),
        "f:5:29: service::telemetry::logs::level: invalid value \"loud\" (valid values: debug, "
        "dpanic, error, fatal, info, panic, warn, warning)\n");
    bad(WITH("logs: {encoding: xml, output_paths: [], initial_fields: [a]}"),
        "f:5:32: service::telemetry::logs::encoding: invalid value \"xml\" (valid values: console, "
        "json)\n");
    bad(WITH("logs: {output_paths: [], initial_fields: [a]}"),
        "f:5:56: service::telemetry::logs::initial_fields: expected a map or struct\n"
        "f:5:36: service::telemetry::logs::output_paths: must name at least one of stderr, stdout "
        "or a file\n");
    bad(WITH("metrics: {readers: []}"),
        "f:5:34: service::telemetry::metrics::readers: collector telemetry metrics reader should "
        "exist when metric level is not none\n");
    bad(WITH("metrics: {readers: [{pull: {}}], views: []}"),
        "f:5:34: service::telemetry::metrics::readers: each reader must be a map with one key, "
        "pull or periodic, that has an exporter\n"
        "f:5:55: service::telemetry::metrics::views: can only be set when "
        "service::telemetry::metrics::level is detailed\n");
    bad(WITH("metrics: {readers: [{pull: {exporter: {prometheus: }}}]}"),
        "f:5:66: service::telemetry::metrics::readers::0::pull::exporter::prometheus::host: host must be specified: an address of this machine, localhost, or \"\" for all addresses\n"
        "f:5:66: service::telemetry::metrics::readers::0::pull::exporter::prometheus::port: port must be specified\n");
    bad(WITH(
            "metrics: {readers: [{pull: {exporter: {prometheus: {host: h, port: 70000, nosuch: 1}}}}]}"),
        "f:5:82: service::telemetry::metrics::readers::0::pull::exporter::prometheus::port: must be between 0 and 65535, got 70000\n"
        "f:5:89: service::telemetry::metrics::readers::0::pull::exporter::prometheus: has invalid keys: nosuch (valid keys: host, port, with_resource_constant_labels, without_scope_info, without_type_suffix, without_units)\n");
    bad(WITH(
            "metrics: {readers: [{pull: {exporter: {prometheus: {host: h, port: 1, with_resource_constant_labels: {included: [a, b], excluded: [b]}}}}}]}"),
        "f:5:145: service::telemetry::metrics::readers::0::pull::exporter::prometheus::with_resource_constant_labels::excluded: b is in both lists\n");
    bad(WITH("metrics: {readers: [{pull: {exporter: {otlp: {}}}}]}"),
        "f:5:53: service::telemetry::metrics::readers::0::pull::exporter: a pull reader needs the exporter prometheus\n");
    bad(WITH("metrics: {readers: text}"),
        "f:5:34: service::telemetry::metrics::readers: source data must be an array or slice\n");
    bad(WITH("nosuch: 1, traces: {nosuch: 1}"),
        "f:5:15: service::telemetry: has invalid keys: nosuch (valid keys: logs, metrics, "
        "resource, traces)\n"
        "f:5:35: service::telemetry::traces: has invalid keys: nosuch (valid keys: level, limits, "
        "processors, propagators, sampler)\n");
    bad(WITH("resource: {a: 1, b: [x]}"),
        "f:5:29: service::telemetry::resource::a: expected type 'string'; put the value in quotes, "
        "or null to remove the attribute\n"
        "f:5:35: service::telemetry::resource::b: expected type 'string'; put the value in quotes, "
        "or null to remove the attribute\n");
    bad(WITH("resource: {a: b, attributes: [{name: a, value: b}]}"),
        "f:5:26: service::telemetry::resource::a: plain attributes and the list `attributes` "
        "cannot stand side by side; move this one into the list\n");
    bad(WITH("resource: {attributes: [{name: a}, x]}"),
        "f:5:39: service::telemetry::resource::attributes: expected a map with the keys name and "
        "value\n"
        "f:5:50: service::telemetry::resource::attributes: expected a map with the keys name and "
        "value\n");
    bad(WITH("resource: {attributes_list: 'a=b'}"),
        "f:5:26: service::telemetry::resource::attributes_list: is not supported; use "
        "`attributes`, a list of name and value\n");
#undef WITH
}

static void test_unreadable(void **state)
{
    (void)state;
    struct settings *s = load("receivers: [\n");
    assert_int_equal(s->messages.error_count, 1);
    assert_null(s->root);
    assert_true(str_ends_with(s->messages.first->text, STR("(the contents are not valid YAML)")));
    settings_free(s);
    s = settings_load(&fake_types, NULL, 0);
    assert_true(str_eqz(s->messages.first->text, "at least one config flag must be provided"));
    settings_free(s);
}

static void test_rule_errors(void **state)
{
    (void)state;
    struct settings *s = load("receivers: {dummy: {interval: 1ms}}\nexporters: {debug: }\n");
    assert_int_equal(s->messages.error_count, 2);
    assert_int_equal(s->messages.rule_error_count, 2);
    settings_free(s);
    s = load("receivers: {dummy: {interval: x}}\nexporters: {debug: }\n");
    assert_int_equal(s->messages.error_count, 2);
    assert_int_equal(s->messages.rule_error_count, 1);
    settings_free(s);
    settings_free(NULL);
}

/* ---- printing ---- */

static char *print(const struct settings *s, bool json, bool redact)
{
    struct buf b;
    size_t len;
    buf_init(&b, MIB);
    settings_print(&b, s, json, redact);
    return buf_take(&b, &len);
}

static void test_print(void **state)
{
    (void)state;
    struct settings *s =
        good("receivers: {dummy/x: {leaderelector: leaderelector}}\n"
             "exporters: {push_grpc: {endpoint: 'h:1', headers: {authorization: Bearer s3cret}}}\n"
             "extensions: {leaderelector: }\n"
             "service:\n  extensions: [leaderelector]\n"
             "  pipelines: {metrics: {receivers: [dummy/x], exporters: [push_grpc]}}\n"
             "  telemetry: {resource: {host: ~}}\n");
    char *redacted = print(s, false, true), *plain = print(s, false, false),
         *json = print(s, true, false);
    assert_null(strstr(redacted, "s3cret"));
    static const char start[] = "receivers:\n"
                                "    dummy/x:\n"
                                "        interval: 1m0s\n"
                                "        note: \"\"\n"
                                "        leaderelector: leaderelector\n"
                                "processors: {}\n"
                                "exporters:\n"
                                "    push_grpc:\n"
                                "        endpoint: h:1\n"
                                "        headers:\n"
                                "            authorization: \"[REDACTED]\"\n"
                                "extensions:\n"
                                "    leaderelector:\n"
                                "        auth_type: \"\"\n"
                                "        context: \"\"\n"
                                "        lease_name: \"\"\n"
                                "        lease_namespace: \"\"\n"
                                "        lease_duration: 0s\n"
                                "        renew_deadline: 0s\n"
                                "        retry_period: 0s\n"
                                "service:\n"
                                "    extensions:\n"
                                "        - leaderelector\n"
                                "    pipelines:\n"
                                "        metrics:\n"
                                "            receivers:\n"
                                "                - dummy/x\n"
                                "            processors: []\n"
                                "            exporters:\n"
                                "                - push_grpc\n"
                                "    telemetry:\n";
    if (strncmp(redacted, start, sizeof start - 1) != 0)
        fail_msg("%s", redacted);
    /* What is printed is a configuration that prints the same. */
    struct settings *again = good(plain);
    char *second = print(again, false, false);
    assert_string_equal(plain, second);
    settings_free(again);
    mem_free(second);
    again = good(json);
    second = print(again, false, false);
    assert_string_equal(plain, second);
    settings_free(again);
    mem_free(second);
    mem_free(redacted);
    mem_free(plain);
    mem_free(json);
    settings_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_components),     cmocka_unit_test(test_elector_spellings),
        cmocka_unit_test(test_telemetry),      cmocka_unit_test(test_warnings),
        cmocka_unit_test(test_top_level),      cmocka_unit_test(test_components_faults),
        cmocka_unit_test(test_generated),      cmocka_unit_test(test_many_missing),
        cmocka_unit_test(test_singleton),      cmocka_unit_test(test_singleton_faults),
        cmocka_unit_test(test_references),     cmocka_unit_test(test_pipelines),
        cmocka_unit_test(test_elector_faults), cmocka_unit_test(test_telemetry_faults),
        cmocka_unit_test(test_unreadable),     cmocka_unit_test(test_rule_errors),
        cmocka_unit_test(test_print),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
