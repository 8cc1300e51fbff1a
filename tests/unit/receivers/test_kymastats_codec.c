/* What is kept of a custom resource, and what is odd about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "base/limits.h"
#include "base/slab.h"
#include "receivers/kymastats/codec.h"

static const uint64_t hash_key[2] = {1, 2};

struct world {
    struct object_pool pool;
    struct object *object;
};

static const struct custom_resource *decode_text(struct world *w, str json)
{
    struct err err;
    object_pool_init(&w->pool, hash_key);
    w->object = custom_resource_codec->decode(custom_resource_codec, &w->pool, ~0U, FORMAT_JSON,
                                              json, &err);
    if (w->object == NULL)
        fail_msg("%.*s: %s", STR_ARG(json), err.text);
    return custom_resource_of(w->object);
}

static const struct custom_resource *decode(struct world *w, const char *json)
{
    return decode_text(w, str_from(json));
}

static void done(struct world *w)
{
    object_unref(&w->pool, w->object);
    assert_int_equal(atoms_count(w->pool.atoms), 0);
    object_pool_deinit(&w->pool);
}

static void assert_text(const struct world *w, atom n, const char *expected)
{
    str text = atoms_text(w->pool.atoms, n);
    if (!str_eqz(text, expected))
        fail_msg("%.*s, expected %s", STR_ARG(text), expected);
}

static const char telemetry[] =
    "{\"apiVersion\":\"operator.kyma-project.io/v1beta1\",\"kind\":\"Telemetry\",\"metadata\":{"
    "\"annotations\":{\"state\":\"no\"},\"creationTimestamp\":\"2026-01-01T00:00:00Z\","
    "\"generation\":3,\"labels\":{\"a\":\"b\"},\"managedFields\":[{\"manager\":\"x\"}],\"name\":"
    "\"default\",\"namespace\":\"kyma-system\",\"resourceVersion\":\"4711\",\"uid\":"
    "\"01234567-89ab-cdef-0123-456789abcdef\"},\"spec\":{\"status\":{\"state\":\"no\"}},"
    "\"status\":{\"conditions\":[{\"lastTransitionTime\":\"2026-01-01T00:00:00Z\",\"message\":"
    "\"All well\",\"observedGeneration\":3,\"reason\":\"ComponentsRunning\",\"status\":\"True\","
    "\"type\":\"LogComponentsHealthy\"},{\"reason\":\"NoPipelineDeployed\",\"status\":\"False\","
    "\"type\":\"Traces\"}],\"endpoints\":{\"state\":\"no\"},\"state\":\"Ready\"}}";

static void test_an_ordinary_object(void **state)
{
    (void)state;
    struct world w;
    char uid[UID_TEXT_BYTES];
    const struct custom_resource *r = decode(&w, telemetry);
    assert_true(str_eqz(object_name(w.object), "default"));
    assert_text(&w, w.object->namespace, "kyma-system");
    assert_true(str_eqz(object_uid(w.object, uid), "01234567-89ab-cdef-0123-456789abcdef"));
    assert_int_equal(w.object->resource_version, 4711);
    assert_int_equal(w.object->kind, KIND_COUNT);
    assert_true(r->has_status && r->has_state && r->has_conditions);
    assert_int_equal(r->fault_count, 0);
    assert_text(&w, r->state, "Ready");
    assert_int_equal(r->condition_count, 2);
    assert_text(&w, custom_conditions(r)[0].type, "LogComponentsHealthy");
    assert_text(&w, custom_conditions(r)[0].status, "True");
    assert_text(&w, custom_conditions(r)[0].reason, "ComponentsRunning");
    assert_text(&w, custom_conditions(r)[1].type, "Traces");
    done(&w);
    assert_null(custom_resource_codec->release == NULL ? custom_resource_codec : NULL);
    assert_false(custom_resource_codec->has_protobuf);
}

/* The bound that docs/components/kymastats.md names: with ten conditions and a name of 63 bytes, whatever else is in the object. */
static void test_an_object_takes_at_most_400_bytes(void **state)
{
    (void)state;
    struct world w;
    struct buf json;
    buf_init(&json, 2 * MIB);
    buf_printf(&json,
               "{\"metadata\":{\"name\":\"%063d\",\"namespace\":\"shop\",\"uid\":"
               "\"01234567-89ab-cdef-0123-456789abcdef\",\"annotations\":{\"a\":\"",
               7);
    for (int i = 0; i < 1000; i++)
        buf_text(&json, "1234567890");
    buf_text(&json, "\"}},\"spec\":[\"x\"],\"status\":{\"state\":\"Ready\",\"conditions\":[");
    for (int i = 0; i < 10; i++)
        buf_printf(&json,
                   "%s{\"type\":\"Type%d\",\"status\":\"True\",\"reason\":\"R\",\"message\":"
                   "\"a long explanation\"}",
                   i > 0 ? "," : "", i);
    buf_text(&json, "]}}");
    decode_text(&w, buf_view(&json));
    assert_in_range(w.pool.object_bytes, 100, 400);
    done(&w);
    buf_deinit(&json);
}

struct odd {
    const char *status; /* the member with its key, or nothing */
    bool has_status, has_state, has_conditions;
    unsigned conditions, faults;
};

static void test_odd_statuses(void **state)
{
    (void)state;
    static const struct odd cases[] = {
        {"", false, false, false, 0, 0},
        {",\"status\":null", false, false, false, 0, 0},
        {",\"status\":\"Ready\"", false, false, false, 0, 0},
        {",\"status\":[{\"state\":\"Ready\"}]", false, false, false, 0, 0},
        {",\"status\":7", false, false, false, 0, 0},
        {",\"status\":{}", true, false, false, 0, 0},
        {",\"status\":{\"state\":\"\"}", true, true, false, 0, 0},
        {",\"status\":{\"state\":null}", true, false, false, 0, 0},
        {",\"status\":{\"state\":{\"state\":\"Ready\"}}", true, false, false, 0, 0},
        {",\"status\":{\"state\":3,\"conditions\":{\"type\":\"A\"}}", true, false, false, 0, 0},
        {",\"status\":{\"conditions\":null}", true, false, false, 0, 0},
        {",\"status\":{\"conditions\":\"True\"}", true, false, false, 0, 0},
        {",\"status\":{\"conditions\":[]}", true, false, true, 0, 0},
        /* twice: the last one counts */
        {",\"status\":{\"state\":\"a\",\"conditions\":[{}]},\"status\":{}", true, false, false, 0,
         0},
        {",\"status\":{\"state\":\"a\"},\"status\":null", false, false, false, 0, 0},
        {",\"status\":{\"conditions\":[1],\"conditions\":[{\"type\":\"\",\"status\":\"\","
         "\"reason\":\"\"}]}",
         true, false, true, 1, 0},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        const struct odd *c = &cases[i];
        struct world w;
        char json[512];
        snprintf(json, sizeof json, "{\"metadata\":{\"name\":\"a\"}%s}", c->status);
        const struct custom_resource *r = decode(&w, json);
        if (r->has_status != c->has_status || r->has_state != c->has_state ||
            r->has_conditions != c->has_conditions || r->condition_count != c->conditions ||
            r->fault_count != c->faults)
            fail_msg("%s", json);
        done(&w);
    }
}

static void odd_condition(const char *entry, int fault)
{
    struct world w;
    char json[512];
    snprintf(json, sizeof json,
             "{\"status\":{\"conditions\":[{\"type\":\"A\",\"status\":\"True\",\"reason\":\"x\"},"
             "%s,{\"type\":\"B\",\"status\":\"True\",\"reason\":\"y\"},%s]}}",
             entry, entry);
    const struct custom_resource *r = decode(&w, json);
    if (fault < 0 ? r->fault_count != 0
                  : r->fault_count != 2 || r->fault != fault || r->fault_index != 1)
        fail_msg("%s: %d faults, %d at %d", entry, r->fault_count, r->fault, r->fault_index);
    assert_int_equal(r->condition_count, fault < 0 ? 4 : 2);
    assert_text(&w, custom_conditions(r)[r->condition_count - (fault < 0 ? 2 : 1)].type, "B");
    done(&w);
}

static void test_odd_conditions(void **state)
{
    (void)state;
    odd_condition("null", CONDITION_NO_MAP);
    odd_condition("\"True\"", CONDITION_NO_MAP);
    odd_condition("[\"type\"]", CONDITION_NO_MAP);
    odd_condition("{}", CONDITION_NO_TYPE);
    odd_condition("{\"type\":{\"a\":1},\"status\":\"True\",\"reason\":\"x\"}", CONDITION_NO_TYPE);
    odd_condition("{\"type\":\"A\",\"status\":true,\"reason\":\"x\"}", CONDITION_NO_STATUS);
    odd_condition("{\"type\":\"A\",\"reason\":\"x\"}", CONDITION_NO_STATUS);
    odd_condition("{\"type\":\"A\",\"status\":\"True\",\"reason\":null}", CONDITION_NO_REASON);
    odd_condition("{\"type\":\"A\",\"status\":\"True\"}", CONDITION_NO_REASON);
    odd_condition("{\"reason\":\"\",\"type\":\"A\",\"status\":\"\",\"more\":[1,{}]}", -1);
}

static void test_unicode_and_long_texts(void **state)
{
    (void)state;
    struct world w;
    struct buf json;
    static char text[10240 + 1];
    memset(text, 'r', sizeof text - 1);
    buf_init(&json, 1 * MIB);
    buf_printf(&json,
               "{\"metadata\":{\"name\":\"k\u00e4se\",\"namespace\":\"\u540d\"},\"status\":{"
               "\"state\":\"\\u00e4\\ud83d\\ude00\\n\",\"conditions\":[{\"type\":\"\\u0000\","
               "\"status\":\"True\",\"reason\":\"%s\"}]}}",
               text);
    const struct custom_resource *r = decode_text(&w, buf_view(&json));
    assert_true(str_eqz(object_name(w.object), "k\u00e4se"));
    assert_text(&w, w.object->namespace, "\u540d");
    assert_text(&w, r->state, "\u00e4\U0001F600\n");
    assert_text(&w, custom_conditions(r)[0].reason, text);
    assert_int_equal(atoms_text(w.pool.atoms, custom_conditions(r)[0].type).len, 1);
    done(&w);
    buf_deinit(&json);
}

static void test_many_conditions(void **state)
{
    (void)state;
    static const unsigned counts[] = {200, LIMIT_OBJECT_ENTRIES, LIMIT_OBJECT_ENTRIES + 10, 70000};
    for (size_t n = 0; n < COUNT_OF(counts); n++) {
        struct world w;
        struct buf json;
        buf_init(&json, 16 * MIB);
        buf_text(&json, "{\"status\":{\"conditions\":[");
        for (unsigned i = 0; i < counts[n]; i++)
            buf_printf(&json, "{\"type\":\"T%u\",\"status\":\"True\",\"reason\":\"\"},0,", i);
        buf_text(&json, "0]}}");
        const struct custom_resource *r = decode_text(&w, buf_view(&json));
        unsigned kept = counts[n] < LIMIT_OBJECT_ENTRIES ? counts[n] : LIMIT_OBJECT_ENTRIES;
        assert_int_equal(r->condition_count, kept);
        assert_int_equal(r->fault_count, counts[n] < UINT16_MAX ? counts[n] + 1 : UINT16_MAX);
        char last[16];
        snprintf(last, sizeof last, "T%u", kept - 1);
        assert_text(&w, custom_conditions(r)[kept - 1].type, last);
        done(&w);
        buf_deinit(&json);
    }
}

static void test_what_cannot_be_read(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",     "[]", "{", "{\"status\":{\"conditions\":[{]}}", "{\"status\":{\"state\":\"\xff\"}}",
        "{} {}"};
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct object_pool pool;
        struct err err = {.text = ""};
        object_pool_init(&pool, hash_key);
        assert_null(custom_resource_codec->decode(custom_resource_codec, &pool, 0, FORMAT_JSON,
                                                  str_from(texts[i]), &err));
        assert_true(err.text[0] != '\0');
        assert_null(custom_resource_codec->decode(custom_resource_codec, &pool, 0, FORMAT_PROTOBUF,
                                                  STR(""), &err));
        assert_int_equal(atoms_count(pool.atoms), 0);
        object_pool_deinit(&pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_ordinary_object),
        cmocka_unit_test(test_an_object_takes_at_most_400_bytes),
        cmocka_unit_test(test_odd_statuses),
        cmocka_unit_test(test_odd_conditions),
        cmocka_unit_test(test_unicode_and_long_texts),
        cmocka_unit_test(test_many_conditions),
        cmocka_unit_test(test_what_cannot_be_read),
    };
    return cmocka_run_group_tests_name("kymastats_codec", tests, NULL, NULL);
}
