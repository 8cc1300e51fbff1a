/*
 * Our requests through protoc: it must read them with the schema in otlp_subset.proto, and its own
 * writer must make the same bytes of what it read. Needs the program protoc.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/limits.h"
#include "telemetry/otlp.h"
#include "tests/unit/telemetry/golden_batches.h"

static const char *message_of(enum signal signal)
{
    return signal == SIGNAL_METRICS ? "otlp.Metrics"
           : signal == SIGNAL_LOGS  ? "otlp.Logs"
                                    : "otlp.Traces";
}

static void encode(struct buf *out, const struct batch *b)
{
    struct otlp_cursor c;
    size_t item_count;
    otlp_cursor_init(&c, b, MIB);
    assert_int_equal(otlp_next(&c, out, &item_count), OTLP_REQUEST);
    assert_int_equal(item_count, b->item_count);
}

/* What `protoc --<mode>=MESSAGE` makes of `in`. */
static void run_protoc(struct buf *out, const char *mode, enum signal signal, str in)
{
    char path[] = "/tmp/baton-test-otlp-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, in.data, in.len), (ssize_t)in.len);
    close(fd);
    char command[4096];
    snprintf(command, sizeof command, "protoc -I'%s' --%s=%s otlp_subset.proto <%s",
             TEST_SOURCE_DIR, mode, message_of(signal), path);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    char chunk[4096];
    for (size_t len; (len = fread(chunk, 1, sizeof chunk, f)) > 0;)
        buf_append(out, chunk, len);
    assert_int_equal(pclose(f), 0);
    unlink(path);
    assert_false(out->overflow);
}

static void check_same_bytes(struct batch *b)
{
    struct buf request, text, again;
    buf_init(&request, MIB);
    buf_init(&text, 16 * MIB);
    buf_init(&again, MIB);
    encode(&request, b);
    run_protoc(&text, "decode", b->signal, buf_view(&request));
    run_protoc(&again, "encode", b->signal, buf_view(&text));
    assert_int_equal(again.len, request.len);
    assert_memory_equal(again.data, request.data, request.len);
    buf_deinit(&request);
    buf_deinit(&text);
    buf_deinit(&again);
    batch_unref(b);
}

static void test_protoc_writes_the_same(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(golden_batches); i++)
        check_same_bytes(golden_batches[i].make());
}

/* Mended texts are what a strict reader takes. */
static void test_mended_texts_are_readable(void **state)
{
    (void)state;
    struct batch *b = batch_new(SIGNAL_LOGS);
    const struct attribute inner[] = {ATTR_STR("k\xfe", "v"), ATTR_STR("k", "\xed\xa0\x80")};
    struct scope *s = batch_scope(b, batch_resource(b));
    for (int i = 0; i < 10; i++) {
        struct log_record *r = batch_log(b, s);
        r->severity_text = STR("cut \xe2\x82");
        r->attributes = ATTRIBUTES(b, ATTR_STR("good", "text"), ATTR_MAP("map", inner));
    }
    s->version = STR("\xff");
    check_same_bytes(b);
}

static const char text_of_protoc[] = "resource_metrics {\n"
                                     "  resource {\n"
                                     "    attributes {\n"
                                     "      key: \"k8s.pod.uid\"\n"
                                     "      value {\n"
                                     "        string_value: \"u-1\"\n"
                                     "      }\n"
                                     "    }\n"
                                     "    entity_refs {\n"
                                     "      type: \"k8s.pod\"\n"
                                     "      id_keys: \"k8s.pod.uid\"\n"
                                     "    }\n"
                                     "  }\n"
                                     "  scope_metrics {\n"
                                     "    scope {\n"
                                     "      name: \"scope\"\n"
                                     "    }\n"
                                     "    metrics {\n"
                                     "      name: \"k8s.container.restarts\"\n"
                                     "      unit: \"{restart}\"\n"
                                     "      sum {\n"
                                     "        data_points {\n"
                                     "          start_time_unix_nano: 100\n"
                                     "          time_unix_nano: 1581452773000000789\n"
                                     "          as_int: 0\n"
                                     "          attributes {\n"
                                     "            key: \"n\"\n"
                                     "            value {\n"
                                     "              int_value: 0\n"
                                     "            }\n"
                                     "          }\n"
                                     "        }\n"
                                     "        data_points {\n"
                                     "          start_time_unix_nano: 100\n"
                                     "          time_unix_nano: 1581452773000000789\n"
                                     "          as_int: -1\n"
                                     "          attributes {\n"
                                     "            key: \"n\"\n"
                                     "            value {\n"
                                     "              int_value: 1\n"
                                     "            }\n"
                                     "          }\n"
                                     "        }\n"
                                     "        aggregation_temporality: 2\n"
                                     "        is_monotonic: true\n"
                                     "      }\n"
                                     "    }\n"
                                     "  }\n"
                                     "  schema_url: \"https://r\"\n"
                                     "}\n";

static void test_text_of_protoc(void **state)
{
    (void)state;
    struct batch *b = batch_new(SIGNAL_METRICS);
    struct resource *r = batch_resource(b);
    static const str id_keys[] = {TEXT("k8s.pod.uid")};
    static const struct entity_ref ref = {
        .type = TEXT("k8s.pod"), .id_keys = id_keys, .id_key_count = 1};
    r->attributes = ATTRIBUTES(b, ATTR_STR("k8s.pod.uid", "u-1"));
    r->entity_refs = &ref;
    r->entity_ref_count = 1;
    r->schema_url = STR("https://r");
    struct scope *s = batch_scope(b, r);
    s->name = STR("scope");
    static const struct metric_desc restarts = {.name = TEXT("k8s.container.restarts"),
                                                .unit = TEXT("{restart}"),
                                                .type = METRIC_SUM,
                                                .temporality = TEMPORALITY_CUMULATIVE,
                                                .monotonic = true};
    struct metric *m = batch_metric(b, s, &restarts);
    for (int i = 0; i < 2; i++) {
        struct point *p = batch_point(b, m);
        p->start_ns = 100;
        p->time_ns = T1;
        p->value = VALUE_OF_INT(-i);
        p->attributes = ATTRIBUTES(b, ATTR_INT("n", i));
    }
    struct buf request, text;
    buf_init(&request, MIB);
    buf_init(&text, MIB);
    encode(&request, b);
    run_protoc(&text, "decode", b->signal, buf_view(&request));
    assert_string_equal(buf_cstr(&text), text_of_protoc);
    buf_deinit(&request);
    buf_deinit(&text);
    batch_unref(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protoc_writes_the_same),
        cmocka_unit_test(test_mended_texts_are_readable),
        cmocka_unit_test(test_text_of_protoc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
