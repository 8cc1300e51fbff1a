/* Pods: joins of containers and statuses, images, ids, quantities; protobuf and JSON give the same; what a pod costs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "base/slab.h"
#include "kube/store.h"
#include "tests/unit/kube/make_pod.h"
#include "tests/unit/kube/object_print.h"
#include "wire/pb.h"

static const uint64_t hash_key[2] = {1, 2};
enum { ALL = OBJECT_METADATA | OBJECT_STATES | OBJECT_LAST_TERMINATED };

static int setup(void **state)
{
    struct object_pool *pool = calloc(1, sizeof *pool);
    object_pool_init(pool, hash_key);
    *state = pool;
    return 0;
}

static int teardown(void **state)
{
    struct object_pool *pool = *state;
    assert_int_equal(atoms_count(pool->atoms), 0);
    object_pool_deinit(pool);
    free(pool);
    return 0;
}

static struct pod_object *decode(struct object_pool *pool, unsigned fields, enum object_format format, str bytes)
{
    struct err err = {0};
    const struct object_codec *codec = object_codec_of(KIND_POD);
    struct object *o = codec->decode(codec, pool, fields, format, bytes, &err);
    if (o == NULL)
        print_error("%s\n", err.text);
    assert_non_null(o);
    assert_int_equal(o->kind, KIND_POD);
    return (struct pod_object *)o;
}

static struct pod_object *from_json(struct object_pool *pool, unsigned fields, const char *json)
{
    return decode(pool, fields, FORMAT_JSON, str_from(json));
}

static void check_atom(const struct object_pool *pool, atom n, const char *text)
{
    assert_string_equal(atoms_text(pool->atoms, n).data, text);
}

static void check_id(const struct pod_object *pod, unsigned c, const char *id)
{
    char buffer[CONTAINER_ID_TEXT_BYTES];
    str text = container_id(&pod->object, &pod->containers[c], buffer);
    if (!str_eqz(text, id))
        print_error("%.*s\n", STR_ARG(text));
    assert_true(str_eqz(text, id));
}

static void test_a_running_pod(void **state)
{
    struct object_pool *pool = *state;
    struct pod_object *pod = from_json(
        pool, 0,
        "{\"metadata\":{\"name\":\"web-1\",\"namespace\":\"shop\",\"uid\":\"p-1\"},"
        "\"spec\":{\"nodeName\":\"n1\",\"containers\":[{\"name\":\"app\",\"image\":\"reg.io/web:2.1\","
        "\"resources\":{\"requests\":{\"cpu\":\"250m\",\"memory\":\"64Mi\"},\"limits\":{\"cpu\":\"1500m\",\"nvidia.com/gpu\":\"1\"}}}]},"
        "\"status\":{\"phase\":\"Running\",\"reason\":\"x\",\"qosClass\":\"y\",\"containerStatuses\":[{\"name\":\"app\","
        "\"image\":\"reg.io/web:2.1\",\"ready\":true,\"restartCount\":2,\"containerID\":\"containerd://c0ffee\","
        "\"state\":{\"running\":{\"startedAt\":\"2026-01-01T00:00:00Z\"}}}]}}");
    const struct object *o = &pod->object;
    assert_true(str_eqz(object_name(o), "web-1"));
    check_atom(pool, o->namespace, "shop");
    check_atom(pool, pod->node, "n1");
    assert_int_equal(pod->phase, POD_PHASE_RUNNING);
    assert_int_equal(pod->phase_text | pod->status_reason | pod->qos_class, 0); /* not asked for */
    assert_null(object_meta(o));
    assert_int_equal(pod->container_count, 1);
    const struct container *c = &pod->containers[0];
    check_atom(pool, c->name, "app");
    check_atom(pool, c->image_name, "reg.io/web");
    check_atom(pool, c->image_tag, "2.1");
    check_id(pod, 0, "c0ffee");
    assert_int_equal(c->flags, CONTAINER_HAS_SPEC | CONTAINER_HAS_STATUS | CONTAINER_READY | CONTAINER_HAS_IMAGE);
    assert_int_equal(c->restart_count, 2);
    assert_int_equal(c->state, CONTAINER_STATE_NONE);
    assert_int_equal(c->quantity_mask, 1 << CPU_LIMIT | 1 << CPU_REQUEST | 1 << MEMORY_REQUEST);
    assert_int_equal(container_quantity(o, c, CPU_REQUEST), 250);
    assert_int_equal(container_quantity(o, c, CPU_LIMIT), 1500);
    assert_int_equal(container_quantity(o, c, MEMORY_REQUEST), 67108864);
    object_unref(pool, &pod->object);
}

static void test_phases(void **state)
{
    struct object_pool *pool = *state;
    static const struct {
        const char *json;
        enum pod_phase phase;
        const char *text;
    } cases[] = {
        {"{\"status\":{\"phase\":\"Pending\"}}", POD_PHASE_PENDING, ""},     {"{\"status\":{\"phase\":\"Running\"}}", POD_PHASE_RUNNING, ""},
        {"{\"status\":{\"phase\":\"Succeeded\"}}", POD_PHASE_SUCCEEDED, ""}, {"{\"status\":{\"phase\":\"Failed\"}}", POD_PHASE_FAILED, ""},
        {"{\"status\":{\"phase\":\"Unknown\"}}", POD_PHASE_UNKNOWN, ""},     {"{\"status\":{\"phase\":\"running\"}}", POD_PHASE_OTHER, "running"},
        {"{\"status\":{\"phase\":\"\"}}", POD_PHASE_EMPTY, ""},              {"{}", POD_PHASE_EMPTY, ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pod_object *pod = from_json(pool, 0, cases[i].json);
        assert_int_equal(pod->phase, cases[i].phase);
        check_atom(pool, pod->phase_text, cases[i].text);
        object_unref(pool, &pod->object);
    }
}

/* Spec entries in their order with the first status of their name; then the statuses that belong to none, in their order. */
static void test_join(void **state)
{
    struct object_pool *pool = *state;
    struct pod_object *pod = from_json(
        pool, 0,
        "{\"status\":{\"containerStatuses\":[{\"name\":\"z\",\"restartCount\":1},{\"name\":\"b\",\"restartCount\":2},"
        "{\"name\":\"a\",\"restartCount\":3},{\"name\":\"b\",\"restartCount\":4},{\"restartCount\":5}]},"
        "\"spec\":{\"containers\":[{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"},{\"name\":\"a\"}]}}");
    static const struct {
        const char *name;
        unsigned flags;
        int restarts, index;
    } expected[] = {
        {"a", CONTAINER_HAS_SPEC | CONTAINER_HAS_STATUS, 3, 2}, {"b", CONTAINER_HAS_SPEC | CONTAINER_HAS_STATUS, 2, 1},
        {"c", CONTAINER_HAS_SPEC, 0, 0},                        {"a", CONTAINER_HAS_SPEC | CONTAINER_HAS_STATUS, 3, 2},
        {"z", CONTAINER_HAS_STATUS, 1, 0},                      {"b", CONTAINER_HAS_STATUS, 4, 3},
        {"", CONTAINER_HAS_STATUS, 5, 4},
    };
    assert_int_equal(pod->container_count, COUNT_OF(expected));
    for (size_t i = 0; i < COUNT_OF(expected); i++) {
        const struct container *c = &pod->containers[i];
        check_atom(pool, c->name, expected[i].name);
        assert_int_equal(c->flags, expected[i].flags);
        assert_int_equal(c->restart_count, expected[i].restarts);
        assert_int_equal(c->status_index, expected[i].index);
    }
    object_unref(pool, &pod->object);
}

/* The same with so many that they are joined by a map, and past the limit. */
static void test_join_many(void **state)
{
    struct object_pool *pool = *state;
    for (unsigned count = 15; count <= 5000; count = count < 20 ? count + 1 : count * 16) {
        struct buf b;
        buf_init(&b, 4 * MIB);
        buf_text(&b, "{\"spec\":{\"containers\":[");
        for (unsigned i = 0; i < count; i++)
            buf_printf(&b, "%s{\"name\":\"c%u\"}", i == 0 ? "" : ",", i);
        buf_text(&b, "]},\"status\":{\"containerStatuses\":[");
        for (unsigned i = 0; i < count; i++)
            buf_printf(&b, "%s{\"name\":\"c%u\",\"restartCount\":%u}", i == 0 ? "" : ",", count - i, count - i);
        buf_text(&b, "]}}");
        struct pod_object *pod = decode(pool, 0, FORMAT_JSON, buf_view(&b));
        unsigned kept = count < LIMIT_OBJECT_ENTRIES ? count : LIMIT_OBJECT_ENTRIES;
        unsigned joined = 0, alone = 0;
        for (unsigned i = 0; i < pod->container_count; i++) {
            const struct container *c = &pod->containers[i];
            assert_int_equal((c->flags & CONTAINER_HAS_SPEC) != 0, i < kept);
            if ((c->flags & CONTAINER_HAS_STATUS) == 0)
                continue;
            char name[32];
            snprintf(name, sizeof name, "c%d", c->restart_count);
            check_atom(pool, c->name, name);
            joined += i < kept;
            alone += i >= kept;
        }
        /* Statuses are numbered from `count` down to 1, containers from 0 up; both lists are cut. */
        assert_int_equal(joined, count == kept ? count - 1 : kept - (count - kept) - 1);
        assert_int_equal(joined + alone, kept);
        object_unref(pool, &pod->object);
        buf_deinit(&b);
    }
}

static void test_container_ids(void **state)
{
    struct object_pool *pool = *state;
#define HEX64 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    static const struct {
        const char *text, *id;
        bool is_hex;
    } cases[] = {
        {"docker://ab", "ab", false},
        {"cri-o://ab", "ab", false},
        {"a_B-9://", "", false},
        {"", "", false},
        {"ab", "ab", false},
        {"://ab", "://ab", false},
        {"a.b://ab", "a.b://ab", false},
        {"a:/ab", "a:/ab", false},
        {"a://b://c", "b://c", false},
        {"containerd://" HEX64, HEX64, true},
        {HEX64, HEX64, true},
        {"containerd://" HEX64 "0", HEX64 "0", false},
        {"containerd://0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef",
         "0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", false},
        {"containerd://g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
         "g123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[300];
        snprintf(json, sizeof json, "{\"status\":{\"containerStatuses\":[{\"containerID\":\"%s\"}]}}", cases[i].text);
        struct pod_object *pod = from_json(pool, 0, json);
        assert_int_equal((pod->containers[0].flags & CONTAINER_ID_IS_HEX) != 0, cases[i].is_hex);
        check_id(pod, 0, cases[i].id);
        object_unref(pool, &pod->object);
    }
}

/* Where the runtime reports a bare digest, the spec knows the name; only on demand. */
static void test_spec_images(void **state)
{
    struct object_pool *pool = *state;
#define STATUS_OF(name, image) "{\"name\":\"" name "\",\"image\":\"" image "\"}"
    static const char json[] =
        "{\"spec\":{\"initContainers\":[{\"name\":\"i\",\"image\":\"init:1\"},{\"name\":\"a\",\"image\":\"never:1\"}],"
        "\"containers\":[{\"name\":\"a\",\"image\":\"app:1\"},{\"name\":\"b\",\"image\":\"app:2\"},{\"name\":\"c\",\"image\":\"app:3\"},"
        "{\"name\":\"d\"},{\"name\":\"e\",\"image\":\"app:5\"},{\"name\":\"f\",\"image\":\"app:6\"}]},\"status\":{\"containerStatuses\":["
        STATUS_OF("a", "sha256:" HEX64) "," STATUS_OF("b", "") "," STATUS_OF("c", "sha256:0123") "," STATUS_OF("d", "sha256:" HEX64) ","
        STATUS_OF("e", "x/sha256:" HEX64) "," STATUS_OF("i", "sha512:" HEX64) "," STATUS_OF("j", "sha256:" HEX64) ","
        STATUS_OF("a", "sha256:" HEX64) "]}}";
    static const struct {
        const char *name, *image_then, *tag_then, *image, *tag;
    } expected[] = {
        {"a", "app", "1", "sha256", HEX64},    {"b", "app", "2", NULL, NULL},
        {"c", "sha256", "0123", "sha256", "0123"}, {"d", "sha256", HEX64, "sha256", HEX64},
        {"e", "x/sha256", HEX64, "x/sha256", HEX64}, {"f", NULL, NULL, NULL, NULL},
        {"i", "init", "1", "sha512", HEX64},   {"j", "sha256", HEX64, "sha256", HEX64},
        {"a", "app", "1", "sha256", HEX64},
    };
    for (int asked = 0; asked < 2; asked++) {
        struct pod_object *pod = from_json(pool, asked ? OBJECT_SPEC_IMAGE : 0, json);
        assert_int_equal(pod->container_count, COUNT_OF(expected));
        for (size_t i = 0; i < COUNT_OF(expected); i++) {
            const struct container *c = &pod->containers[i];
            const char *image = asked ? expected[i].image_then : expected[i].image;
            check_atom(pool, c->name, expected[i].name);
            assert_int_equal((c->flags & CONTAINER_HAS_IMAGE) != 0, image != NULL);
            check_atom(pool, c->image_name, image == NULL ? "" : image);
            const char *tag = asked ? expected[i].tag_then : expected[i].tag;
            check_atom(pool, c->image_tag, tag == NULL ? "" : tag);
        }
        object_unref(pool, &pod->object);
    }
}

static void test_states(void **state)
{
    struct object_pool *pool = *state;
    static const struct {
        const char *json;
        enum container_state state;
        const char *reason, *last;
        int64_t started_s;
        bool has_last;
    } cases[] = {
        {"{\"state\":{}}", CONTAINER_STATE_NONE, "", "", INT64_MIN, false},
        {"{\"state\":{\"running\":{}}}", CONTAINER_RUNNING, "", "", INT64_MIN, false},
        {"{\"state\":{\"running\":{\"startedAt\":\"1970-01-01T00:00:09Z\"}}}", CONTAINER_RUNNING, "", "", 9, false},
        {"{\"state\":{\"running\":null,\"waiting\":{\"reason\":\"ErrImagePull\",\"message\":\"m\"}}}", CONTAINER_WAITING, "ErrImagePull", "",
         INT64_MIN, false},
        {"{\"state\":{\"terminated\":{\"reason\":\"OOMKilled\",\"startedAt\":\"1970-01-01T00:00:08Z\",\"finishedAt\":"
         "\"1970-01-01T00:00:09Z\"}},\"lastState\":{\"terminated\":{\"reason\":\"Error\"}}}",
         CONTAINER_TERMINATED, "OOMKilled", "Error", 8, true},
        {"{\"lastState\":{\"terminated\":{}}}", CONTAINER_STATE_NONE, "", "", INT64_MIN, true},
        {"{\"lastState\":{\"waiting\":{\"reason\":\"x\"}}}", CONTAINER_STATE_NONE, "", "", INT64_MIN, false},
        {"{\"state\":{\"waiting\":{\"reason\":\"w\"},\"terminated\":{\"reason\":\"t\"}}}", CONTAINER_TERMINATED, "t", "", INT64_MIN, false},
        {"{\"state\":{\"waiting\":{\"reason\":\"w\"},\"running\":{},\"terminated\":{\"reason\":\"t\"}}}", CONTAINER_RUNNING, "", "", INT64_MIN,
         false},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[400];
        snprintf(json, sizeof json, "{\"status\":{\"containerStatuses\":[%s]}}", cases[i].json);
        struct pod_object *pod = from_json(pool, ALL, json);
        const struct container *c = &pod->containers[0];
        assert_int_equal(c->state, cases[i].state);
        check_atom(pool, c->reason, cases[i].reason);
        check_atom(pool, c->last_terminated_reason, cases[i].last);
        assert_true(c->started_s == cases[i].started_s);
        assert_int_equal((c->flags & CONTAINER_HAS_LAST_TERMINATED) != 0, cases[i].has_last);
        object_unref(pool, &pod->object);
    }
}

/* A quantity that is none counts as absent; the last one of several counts. */
static void test_quantities(void **state)
{
    struct object_pool *pool = *state;
    struct pod_object *pod = from_json(pool, 0,
                                       "{\"spec\":{\"containers\":[{\"resources\":{\"limits\":{\"cpu\":1,\"memory\":\"x\",\"storage\":null,"
                                       "\"ephemeral-storage\":\"1.5Gi\"},\"requests\":{\"cpu\":\"1\",\"cpu\":\"-1500m\",\"memory\":\"1500m\","
                                       "\"memory\":\"bad\",\"ephemeral\\u002dstorage\":\"1E\"}}}]}}");
    const struct container *c = &pod->containers[0];
    static const int64_t expected[CONTAINER_QUANTITY_COUNT] = {1000, -1500, -1, -1, 0, -1, 1610612736, INT64_C(1000000000000000000)};
    for (unsigned q = 0; q < CONTAINER_QUANTITY_COUNT; q++) {
        assert_int_equal(container_has_quantity(c, q), expected[q] != -1);
        if (container_has_quantity(c, q))
            assert_true(container_quantity(&pod->object, c, q) == expected[q]);
    }
    object_unref(pool, &pod->object);
}

/* Bytes as they come: no UTF-8, members in any order, unknown ones, messages that come twice. */
static void test_odd_protobuf(void **state)
{
    struct object_pool *pool = *state;
    struct buf b;
    buf_init(&b, 10000);
    size_t mark = pb_open(&b, 3), status = pb_open(&b, 8), inner = pb_open(&b, 2);
    pb_put_bytes_always(&b, 1, STR("\x0a\x01w")); /* waiting */
    pb_close(&b, inner);
    pb_put_u64_always(&b, 5, UINT64_MAX - 1); /* restarts: -2 */
    pb_put_fixed64(&b, 99, 7);
    pb_put_fixed32(&b, 98, 7);
    pb_put_bytes(&b, 1, STR("no"));
    pb_put_bytes(&b, 1, STR("c\xff"));
    inner = pb_open(&b, 2); /* again, which merges: terminated, which goes first */
    pb_put_bytes_always(&b, 3, STR("\x1a\x01t"));
    pb_close(&b, inner);
    pb_close(&b, status);
    pb_close(&b, mark);
    for (int i = 0; i < 2; i++) {
        mark = pb_open(&b, 2);
        size_t container = pb_open(&b, 2);
        pb_put_bytes(&b, 1, STR("c\xff"));
        pb_put_bytes_always(&b, 8, STR("\x12\x00")); /* requests: an entry without key and value */
        pb_put_bytes_always(&b, 8, STR("\x12\x05\x0a\x03" "cpu")); /* a key without value: 0 */
        pb_close(&b, container);
        pb_close(&b, mark);
    }
    pb_put_bytes(&b, 1, STR("\x0a\x02x\xfe"));
    struct pod_object *pod = decode(pool, ALL, FORMAT_PROTOBUF, buf_view(&b));
    assert_true(str_eq(object_name(&pod->object), STR("x\xfe")));
    assert_int_equal(pod->container_count, 2);
    const struct container *c = &pod->containers[0];
    check_atom(pool, c->name, "c\xff");
    assert_int_equal(c->restart_count, -2);
    assert_int_equal(c->state, CONTAINER_TERMINATED);
    check_atom(pool, c->reason, "t");
    assert_int_equal(c->quantity_mask, 1 << CPU_REQUEST);
    assert_int_equal(container_quantity(&pod->object, c, CPU_REQUEST), 0);
    object_unref(pool, &pod->object);
    buf_deinit(&b);
}

/* Every cut of a pod's bytes is an error or an object; nothing leaks. */
static void test_cuts(void **state)
{
    struct object_pool *pool = *state;
    const struct object_codec *codec = object_codec_of(KIND_POD);
    struct buf b;
    buf_init(&b, 100000);
    make_pod(&b, 3, 2);
    for (size_t len = 0; len < b.len; len++) {
        struct err err;
        char *exact = malloc(len + 1);
        memcpy(exact, b.data, len);
        struct object *o = codec->decode(codec, pool, ALL, FORMAT_PROTOBUF, str_make(exact, len), &err);
        free(exact);
        object_unref(pool, o);
        assert_int_equal(pool->object_count, 0);
        assert_int_equal(atoms_count(pool->atoms), 0);
    }
    buf_deinit(&b);
}

struct cost {
    size_t pod, container; /* bytes, everything divided by the number */
    size_t atoms;          /* of the pod's, the share of texts */
};

/* A cluster of 10,000 pods in one store: what one costs, and what a container more in each adds. */
static struct cost measure(unsigned fields, unsigned container_count)
{
    enum { PODS = 10000 };
    struct object_pool pool;
    struct store store;
    struct buf b;
    object_pool_init(&pool, hash_key);
    store_init(&store, &pool);
    buf_init(&b, 100000);
    for (unsigned i = 0; i < PODS; i++) {
        struct object *before;
        buf_clear(&b);
        make_pod(&b, i, container_count);
        struct pod_object *pod = decode(&pool, fields, FORMAT_PROTOBUF, buf_view(&b));
        assert_int_equal(pod->object.name_len, 35);
        assert_int_equal(pod->container_count, container_count);
        assert_int_equal(pod->containers[0].flags & (CONTAINER_ID_IS_HEX | CONTAINER_HAS_IMAGE), CONTAINER_ID_IS_HEX | CONTAINER_HAS_IMAGE);
        assert_int_equal(store_put(&store, &pod->object, &before), STORE_ADDED);
    }
    size_t bytes = object_pool_bytes(&pool) + store_bytes(&store) - store.object_bytes;
    assert_true(object_pool_bytes(&pool) >= pool.object_bytes + atoms_bytes(pool.atoms));
    struct cost cost = {.pod = bytes / PODS, .atoms = atoms_bytes(pool.atoms) / PODS};
    store_deinit(&store);
    assert_int_equal(atoms_count(pool.atoms), 0);
    assert_true(object_pool_bytes(&pool) < 2 * MIB); /* after the shrink */
    object_pool_deinit(&pool);
    buf_deinit(&b);
    return cost;
}

static void test_cost(void **state)
{
    (void)state;
    struct cost two = measure(0, 2), three = measure(0, 3);
    two.container = three.pod - two.pod;
    printf("a pod of two containers: %zu bytes (texts: %zu of them), a container: %zu\n", two.pod, two.atoms, two.container);
    assert_true(two.pod <= 600);
    assert_true(two.container <= 192);
    struct cost full = measure(ALL, 2);
    printf("with 6 labels, an owner, states: %zu bytes (texts: %zu of them)\n", full.pod, full.atoms);
    assert_true(full.pod <= 900);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_running_pod, setup, teardown),
        cmocka_unit_test_setup_teardown(test_phases, setup, teardown),
        cmocka_unit_test_setup_teardown(test_join, setup, teardown),
        cmocka_unit_test_setup_teardown(test_join_many, setup, teardown),
        cmocka_unit_test_setup_teardown(test_container_ids, setup, teardown),
        cmocka_unit_test_setup_teardown(test_spec_images, setup, teardown),
        cmocka_unit_test_setup_teardown(test_states, setup, teardown),
        cmocka_unit_test_setup_teardown(test_quantities, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_protobuf, setup, teardown),
        cmocka_unit_test_setup_teardown(test_cuts, setup, teardown),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
