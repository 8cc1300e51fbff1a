/* Objects of all kinds from JSON: what is kept, what odd values become, limits, errors. (Protobuf: test_object_pod.c, and
 * tests/integration/test_objects.py against protoc and a real API server.) */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/limits.h"
#include "tests/unit/kube/object_print.h"
#include "wire/pb.h"

static const uint64_t hash_key[2] = {1, 2};
enum { ALL = OBJECT_METADATA | OBJECT_STATES | OBJECT_LAST_TERMINATED | OBJECT_SPEC_IMAGE };

static int setup(void **state)
{
    struct object_pool *pool = calloc(1, sizeof *pool);
    object_pool_init(pool, hash_key);
    *state = pool;
    return 0;
}

/* Whatever a test did: every atom was given back. */
static int teardown(void **state)
{
    struct object_pool *pool = *state;
    assert_int_equal(atoms_count(pool->atoms), 0);
    object_pool_deinit(pool);
    free(pool);
    return 0;
}

static struct object *decode(struct object_pool *pool, enum object_kind kind, unsigned fields, enum object_format format, str bytes)
{
    struct err err = {0};
    const struct object_codec *codec = object_codec_of(kind);
    struct object *o = codec->decode(codec, pool, fields, format, bytes, &err);
    if (o == NULL)
        print_error("%s\n", err.text);
    assert_non_null(o);
    return o;
}

static struct object *from_json(struct object_pool *pool, enum object_kind kind, unsigned fields, const char *json)
{
    return decode(pool, kind, fields, FORMAT_JSON, str_from(json));
}

static void check_print(struct object_pool *pool, enum object_kind kind, unsigned fields, const char *json, const char *expected)
{
    struct object *o = from_json(pool, kind, fields, json);
    struct buf b;
    buf_init(&b, 1 << 20);
    object_print(&b, pool, o);
    assert_string_equal(buf_cstr(&b), expected);
    buf_deinit(&b);
    object_unref(pool, o);
}

#define META "\"metadata\":{\"name\":\"x\",\"namespace\":\"shop\",\"uid\":\"u-1\",\"resourceVersion\":\"7\"}"
#define PRINTED(kind) "{\"kind\":\"" kind "\",\"name\":\"x\",\"namespace\":\"shop\",\"uid\":\"u-1\",\"version\":7,"

static void test_every_kind(void **state)
{
    static const struct {
        enum object_kind kind;
        const char *json, *printed;
    } cases[] = {
        {KIND_NODE,
         "{" META ",\"status\":{\"allocatable\":{\"pods\":\"110\",\"cpu\":\"3920m\",\"memory\":\"8Gi\",\"bad\":\"x\"},"
         "\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\",\"reason\":\"r\"},{\"type\":\"DiskPressure\",\"status\":\"Unknown\"}],"
         "\"nodeInfo\":{\"kubeletVersion\":\"v1.35.0\",\"containerRuntimeVersion\":\"containerd://2.0\",\"osImage\":\"Debian\","
         "\"operatingSystem\":\"linux\",\"architecture\":\"amd64\"}}}",
         PRINTED("Node") "\"kubelet\":\"v1.35.0\",\"runtime\":\"containerd://2.0\",\"os_image\":\"Debian\",\"os\":\"linux\","
         "\"conditions\":[[\"Ready\",\"True\"],[\"DiskPressure\",\"Unknown\"]],"
         "\"allocatable\":[[\"cpu\",3920],[\"memory\",8589934592],[\"pods\",110]]}"},
        {KIND_NAMESPACE, "{" META ",\"status\":{\"phase\":\"Active\"},\"spec\":{\"finalizers\":[\"kubernetes\"]}}",
         PRINTED("Namespace") "\"phase\":\"Active\"}"},
        {KIND_RESOURCE_QUOTA,
         "{" META ",\"spec\":{\"hard\":{\"pods\":\"1\"}},\"status\":{\"hard\":{\"limits.cpu\":\"2\",\"cpu\":\"1500m\",\"pods\":\"10\","
         "\"requests.memory\":\"1Gi\"},\"used\":{\"limits.cpu\":\"250m\",\"pods\":\"3\"}}}",
         PRINTED("ResourceQuota") "\"hard\":[[\"cpu\",2],[\"limits.cpu\",2000],[\"pods\",10],[\"requests.memory\",1073741824]],"
         "\"used\":[[\"limits.cpu\",250],[\"pods\",3]]}"},
        {KIND_SERVICE,
         "{" META ",\"spec\":{\"type\":\"LoadBalancer\",\"trafficDistribution\":\"\",\"publishNotReadyAddresses\":true,"
         "\"selector\":{\"app\":\"web\"}},\"status\":{\"loadBalancer\":{\"ingress\":[{\"ip\":\"10.0.0.1\"},{}]}}}",
         PRINTED("Service") "\"type\":\"LoadBalancer\",\"has_distribution\":true,\"distribution\":\"\",\"publish\":true,\"ingress\":2,"
         "\"selector\":[]}"},
        {KIND_ENDPOINT_SLICE,
         "{\"metadata\":{\"name\":\"x\",\"namespace\":\"shop\",\"uid\":\"u-1\",\"resourceVersion\":\"7\","
         "\"labels\":{\"a\":\"b\",\"kubernetes.io/service-name\":\"web\"}},\"addressType\":\"IPv4\",\"endpoints\":["
         "{\"zone\":\"z1\",\"conditions\":{\"ready\":true}},{\"zone\":\"z1\",\"conditions\":{\"ready\":false,\"serving\":true,"
         "\"terminating\":true}},{\"conditions\":{}},{\"zone\":null,\"conditions\":{\"ready\":false}}]}",
         PRINTED("EndpointSlice") "\"service\":\"web\",\"address_type\":1,\"zones\":[[\"z1\",1,2,1],[\"\",1,1,0]]}"},
        {KIND_DEPLOYMENT, "{" META ",\"spec\":{\"replicas\":3},\"status\":{\"availableReplicas\":2,\"replicas\":9}}",
         PRINTED("Deployment") "\"counts\":[3,2,0,0,0],\"present\":1,\"target_version\":\"\",\"target_kind\":\"\",\"target_name\":\"\","
         "\"schedule\":\"\",\"policy\":\"\"}"},
        {KIND_REPLICA_SET, "{" META ",\"spec\":{\"replicas\":0},\"status\":{}}",
         PRINTED("ReplicaSet") "\"counts\":[0,0,0,0,0],\"present\":1,\"target_version\":\"\",\"target_kind\":\"\",\"target_name\":\"\","
         "\"schedule\":\"\",\"policy\":\"\"}"},
        {KIND_REPLICATION_CONTROLLER, "{" META ",\"spec\":{},\"status\":{\"availableReplicas\":1}}",
         PRINTED("ReplicationController") "\"counts\":[0,1,0,0,0],\"present\":0,\"target_version\":\"\",\"target_kind\":\"\","
         "\"target_name\":\"\",\"schedule\":\"\",\"policy\":\"\"}"},
        {KIND_STATEFUL_SET,
         "{" META ",\"spec\":{\"replicas\":5},\"status\":{\"readyReplicas\":1,\"currentReplicas\":2,\"updatedReplicas\":3,"
         "\"availableReplicas\":4}}",
         PRINTED("StatefulSet") "\"counts\":[5,4,1,2,3],\"present\":1,\"target_version\":\"\",\"target_kind\":\"\",\"target_name\":\"\","
         "\"schedule\":\"\",\"policy\":\"\"}"},
        {KIND_DAEMON_SET,
         "{" META ",\"status\":{\"currentNumberScheduled\":1,\"desiredNumberScheduled\":2,\"numberMisscheduled\":3,\"numberReady\":4}}",
         PRINTED("DaemonSet") "\"counts\":[1,2,3,4,0],\"present\":0,\"target_version\":\"\",\"target_kind\":\"\",\"target_name\":\"\","
         "\"schedule\":\"\",\"policy\":\"\"}"},
        {KIND_JOB, "{" META ",\"spec\":{\"parallelism\":4,\"completions\":null},\"status\":{\"active\":2,\"failed\":1}}",
         PRINTED("Job") "\"counts\":[0,4,2,0,1],\"present\":2,\"target_version\":\"\",\"target_kind\":\"\",\"target_name\":\"\","
         "\"schedule\":\"\",\"policy\":\"\"}"},
        {KIND_CRON_JOB, "{" META ",\"spec\":{\"schedule\":\"* * * * *\"},\"status\":{\"active\":[{\"name\":\"a\"},{}]}}",
         PRINTED("CronJob") "\"counts\":[2,0,0,0,0],\"present\":0,\"target_version\":\"\",\"target_kind\":\"\",\"target_name\":\"\","
         "\"schedule\":\"\",\"policy\":\"\"}"},
        {KIND_HPA,
         "{" META ",\"spec\":{\"minReplicas\":1,\"maxReplicas\":9,\"scaleTargetRef\":{\"apiVersion\":\"apps/v1\",\"kind\":\"Deployment\","
         "\"name\":\"web\"}},\"status\":{\"currentReplicas\":2,\"desiredReplicas\":3}}",
         PRINTED("HorizontalPodAutoscaler") "\"counts\":[1,9,2,3,0],\"present\":1,\"target_version\":\"apps/v1\","
         "\"target_kind\":\"Deployment\",\"target_name\":\"web\",\"schedule\":\"\",\"policy\":\"\"}"},
        {KIND_PERSISTENT_VOLUME,
         "{" META ",\"spec\":{\"capacity\":{\"storage\":\"5Gi\"},\"storageClassName\":\"fast\",\"persistentVolumeReclaimPolicy\":\"Retain\"},"
         "\"status\":{\"phase\":\"Bound\"}}",
         PRINTED("PersistentVolume") "\"phase\":\"Bound\",\"class\":\"fast\",\"reclaim\":\"Retain\",\"capacity\":5368709120}"},
        {KIND_PERSISTENT_VOLUME_CLAIM,
         "{" META ",\"spec\":{\"resources\":{\"requests\":{\"storage\":\"1Gi\"}},\"storageClassName\":\"fast\",\"volumeName\":\"v\"},"
         "\"status\":{\"phase\":\"Pending\"}}",
         PRINTED("PersistentVolumeClaim") "\"phase\":\"Pending\",\"class\":\"fast\",\"volume\":\"\",\"capacity\":null,\"request\":1073741824}"},
        {KIND_CLUSTER_RESOURCE_QUOTA,
         "{" META ",\"status\":{\"total\":{\"hard\":{\"pods\":10},\"used\":{\"requests.cpu\":\"1\"}},\"namespaces\":[{\"namespace\":\"a\","
         "\"status\":{\"hard\":{\"pods\":\"4\"},\"used\":{\"cpu\":1.5}}},{\"namespace\":\"b\"}]}}",
         PRINTED("ClusterResourceQuota") "\"hard\":[[\"pods\",10]],\"used\":[[\"requests.cpu\",1000]],\"namespaces\":[{\"namespace\":\"a\","
         "\"hard\":[[\"pods\",4]],\"used\":[[\"cpu\",2]]},{\"namespace\":\"b\",\"hard\":[],\"used\":[]}]}"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        check_print(*state, cases[i].kind, 0, cases[i].json, cases[i].printed);
}

/* What only entity events need is kept on demand. */
static void test_metadata(void **state)
{
    check_print(*state, KIND_CRON_JOB, OBJECT_METADATA,
                "{\"metadata\":{\"name\":\"x\",\"creationTimestamp\":\"2026-01-02T03:04:05Z\",\"labels\":{\"b\":\"2\",\"a\":\"1\",\"b\":\"\\u00e9\"},"
                "\"annotations\":{\"c\":\"d\"},\"ownerReferences\":[{\"kind\":\"K\",\"name\":\"n\",\"uid\":"
                "\"00000000-0000-4000-8000-000000000001\",\"controller\":true},{\"kind\":\"L\",\"uid\":\"own\"}]},"
                "\"spec\":{\"schedule\":\"@daily\",\"concurrencyPolicy\":\"Forbid\"}}",
                "{\"kind\":\"CronJob\",\"name\":\"x\",\"namespace\":\"\",\"uid\":\"\",\"version\":0,\"created\":1767323045,"
                "\"labels\":[[\"a\",\"1\"],[\"b\",\"\\u00c3\\u00a9\"]],"
                "\"owners\":[{\"kind\":\"K\",\"name\":\"n\",\"uid\":\"00000000-0000-4000-8000-000000000001\",\"controller\":true},"
                "{\"kind\":\"L\",\"name\":\"\",\"uid\":\"own\",\"controller\":false}],\"annotations\":[],\"counts\":[0,0,0,0,0],\"present\":0,"
                "\"target_version\":\"\",\"target_kind\":\"\",\"target_name\":\"\",\"schedule\":\"@daily\",\"policy\":\"Forbid\"}");
    check_print(*state, KIND_SERVICE, OBJECT_METADATA,
                "{\"metadata\":{\"name\":\"x\",\"annotations\":{\"z\":\"1\",\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\","
                "\"kubectl.kubernetes.io/last-applied-configuration-2\":\"{}\",\"a\\u0062\":null}},\"spec\":{\"selector\":{\"app\":\"web\"}}}",
                "{\"kind\":\"Service\",\"name\":\"x\",\"namespace\":\"\",\"uid\":\"\",\"version\":0,\"created\":null,\"labels\":[],\"owners\":[],"
                "\"annotations\":[[\"ab\",\"\"],[\"z\",\"1\"]],\"type\":\"\",\"has_distribution\":false,\"distribution\":\"\",\"publish\":false,"
                "\"ingress\":0,\"selector\":[[\"app\",\"web\"]]}");
    check_print(*state, KIND_PERSISTENT_VOLUME_CLAIM, OBJECT_METADATA, "{\"spec\":{\"volumeName\":\"v\"}}",
                "{\"kind\":\"PersistentVolumeClaim\",\"name\":\"\",\"namespace\":\"\",\"uid\":\"\",\"version\":0,\"created\":null,"
                "\"labels\":[],\"owners\":[],\"annotations\":[],\"phase\":\"\",\"class\":\"\",\"volume\":\"v\",\"capacity\":null,"
                "\"request\":null}");
}

/* Values of other types, null, and members that come twice. */
static void test_odd_json(void **state)
{
    static const struct {
        const char *json, *counts;
    } cases[] = {
        {"{}", "[0,0,0,0,0],\"present\":0"},
        {"{\"spec\":null,\"status\":null,\"metadata\":null}", "[0,0,0,0,0],\"present\":0"},
        {"{\"spec\":[],\"status\":\"x\",\"metadata\":7}", "[0,0,0,0,0],\"present\":0"},
        {"{\"spec\":{\"replicas\":\"3\"},\"status\":{\"availableReplicas\":1.5}}", "[0,0,0,0,0],\"present\":0"},
        {"{\"spec\":{\"replicas\":2147483648},\"status\":{\"availableReplicas\":99999999999999999999}}", "[0,0,0,0,0],\"present\":0"},
        {"{\"spec\":{\"replicas\":3,\"replicas\":4}}", "[4,0,0,0,0],\"present\":1"},
        {"{\"spec\":{\"replicas\":3,\"replicas\":null}}", "[0,0,0,0,0],\"present\":0"},
        {"{\"spec\":{\"replicas\":3},\"spec\":{\"paused\":true},\"spec\":null}", "[3,0,0,0,0],\"present\":1"},
        {"{\"status\":{\"availableReplicas\":5,\"availableReplicas\":null}}", "[0,5,0,0,0],\"present\":0"},
        {"{\"Spec\":{\"Replicas\":3}}", "[0,0,0,0,0],\"present\":0"},
        {"{\"sp\\u0065c\":{\"r\\u0065plicas\":-3}}", "[-3,0,0,0,0],\"present\":1"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char expected[500];
        snprintf(expected, sizeof expected,
                 "{\"kind\":\"Deployment\",\"name\":\"\",\"namespace\":\"\",\"uid\":\"\",\"version\":0,\"counts\":%s,\"target_version\":\"\","
                 "\"target_kind\":\"\",\"target_name\":\"\",\"schedule\":\"\",\"policy\":\"\"}",
                 cases[i].counts);
        check_print(*state, KIND_DEPLOYMENT, 0, cases[i].json, expected);
    }
    static const struct {
        const char *hard, *printed;
    } amounts[] = {
        {"{\"a\":1,\"b\":\" 2 \",\"c\":null,\"d\":[],\"e\":true,\"f\":\"\",\"g\":1.5,\"h\":1e3,\"i\":\"-1\"}",
         "[[\"a\",1],[\"b\",2],[\"c\",0],[\"g\",2],[\"h\",1000],[\"i\",-1]]"},
        {"{\"a\":\"1\",\"a\":\"2\"}", "[[\"a\",2]]"},
        {"{\"b\":\"1\",\"a\":\"2\",\"a\":\"x\",\"b\":\"3\"}", "[[\"b\",3]]"},
        {"{\"a.cpu\":\"100u\",\"cpu\":\"100u\",\"a.cpux\":\"1m\"}", "[[\"a.cpu\",1],[\"a.cpux\",1],[\"cpu\",1]]"},
        {"{\"a\":1},\"hard\":null", "[]"},
        {"{\"a\":1},\"hard\":{\"b\":2}", "[[\"a\",1],[\"b\",2]]"},
        {"{\"\\u0061\":1,\"\\u0062\":2}", "[[\"a\",1],[\"b\",2]]"},
    };
    for (size_t i = 0; i < COUNT_OF(amounts); i++) {
        char json[500], expected[500];
        snprintf(json, sizeof json, "{\"status\":{\"hard\":%s}}", amounts[i].hard);
        snprintf(expected, sizeof expected,
                 "{\"kind\":\"ResourceQuota\",\"name\":\"\",\"namespace\":\"\",\"uid\":\"\",\"version\":0,\"hard\":%s,\"used\":[]}",
                 amounts[i].printed);
        check_print(*state, KIND_RESOURCE_QUOTA, 0, json, expected);
    }
}

static void test_times(void **state)
{
    static const struct {
        const char *json;
        int64_t created_s;
    } cases[] = {
        {"\"2026-01-02T03:04:05Z\"", 1767323045},
        {"\"2026-01-02T03:04:05.999999Z\"", 1767323045},
        {"\"2026-01-02T04:04:05+01:00\"", 1767323045},
        {"\"1969-12-31T23:59:59Z\"", -1},
        {"\"1969-12-31T23:59:58.5Z\"", -2},
        {"\"1970-01-01T00:00:00Z\"", 0},
        {"null", INT64_MIN},
        {"\"\"", INT64_MIN},
        {"\"yesterday\"", INT64_MIN},
        {"5", INT64_MIN},
        {"\"0001-01-01T00:00:00Z\"", INT64_MIN},
        {"\"9999-01-01T00:00:00Z\"", INT64_MIN},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        char json[200];
        snprintf(json, sizeof json, "{\"metadata\":{\"creationTimestamp\":%s}}", cases[i].json);
        struct object *o = from_json(*state, KIND_NAMESPACE, OBJECT_METADATA, json);
        assert_true(object_meta(o)->created_s == cases[i].created_s);
        object_unref(*state, o);
    }
    static const struct {
        const char *bytes;
        size_t len;
        int64_t created_s;
    } messages[] = {
        {"\x0a\x02\x42\x00", 4, INT64_MIN}, /* the zero time */
        {"\x0a\x04\x42\x02\x08\x05", 6, 5},
        {"\x0a\x04\x42\x02\x10\x05", 6, 0}, /* nanoseconds alone: not the zero time */
        {"\x0a\x0d\x42\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 15, -1},
        {"\x0a\x0d\x42\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\x7f\x00", 14, INT64_MIN}, /* past the years that fit nanoseconds */
    };
    for (size_t i = 0; i < COUNT_OF(messages); i++) {
        char bytes[16];
        memcpy(bytes, messages[i].bytes, messages[i].len);
        if (i == 4) {
            bytes[1] = 0x0c;
            bytes[3] = 0x0a;
        }
        struct object *o = decode(*state, KIND_NAMESPACE, OBJECT_METADATA, FORMAT_PROTOBUF, str_make(bytes, messages[i].len));
        assert_true(object_meta(o)->created_s == messages[i].created_s);
        object_unref(*state, o);
    }
}

static struct object *with_uid(struct object_pool *pool, const char *name, const char *uid)
{
    char json[300];
    snprintf(json, sizeof json, "{\"metadata\":{\"name\":\"%s\",\"uid\":\"%s\"}}", name, uid);
    return from_json(pool, KIND_NAMESPACE, 0, json);
}

static void test_uids(void **state)
{
    struct object_pool *pool = *state;
    static const char *const uids[] = {
        "01234567-89ab-cdef-0123-456789abcdef", "01234567-89AB-cdef-0123-456789abcdef", "0123456789abcdef0123456789abcdef0123",
        "01234567-89ab-cdef-0123-456789abcdeg", "01234567+89ab-cdef-0123-456789abcdef", "01234567-89ab-cdef-0123-456789abcde", "p-1", "",
    };
    struct object *objects[COUNT_OF(uids)];
    char buffer[UID_TEXT_BYTES];
    for (size_t i = 0; i < COUNT_OF(uids); i++) {
        objects[i] = with_uid(pool, "x", uids[i]);
        assert_true(str_eqz(object_uid(objects[i], buffer), uids[i]));
        assert_int_equal(objects[i]->uid_at == 0, i == 0); /* only the first is kept as bytes alone */
        for (size_t k = 0; k < i; k++)
            assert_memory_not_equal(objects[i]->uid, objects[k]->uid, 16);
        struct object *again = with_uid(pool, "other", uids[i]);
        /* Without a uid the name tells objects apart. */
        assert_int_equal(memcmp(again->uid, objects[i]->uid, 16) == 0, uids[i][0] != '\0');
        object_unref(pool, again);
    }
    struct object *again = with_uid(pool, "x", "");
    assert_memory_equal(again->uid, objects[COUNT_OF(uids) - 1]->uid, 16);
    object_unref(pool, again);
    for (size_t i = 0; i < COUNT_OF(uids); i++)
        object_unref(pool, objects[i]);
}

static void test_errors(void **state)
{
    struct object_pool *pool = *state;
    static const struct {
        enum object_kind kind;
        enum object_format format;
        str bytes;
        const char *error;
    } cases[] = {
        {KIND_POD, FORMAT_JSON, {"[]", 2}, "Pod: expected a JSON object"},
        {KIND_POD, FORMAT_JSON, {"", 0}, "Pod: line 1 column 1: the text ends before its last value does"},
        {KIND_POD, FORMAT_JSON, {"{\"spec\":{\"nodeName\":\"a\"}", 24}, "Pod: line 1 column 25: the text ends before its last value does"},
        {KIND_NODE, FORMAT_JSON, {"{} {}", 5}, "Node: line 1 column 4: there is text after the document"},
        {KIND_POD, FORMAT_PROTOBUF, {"\x0a\x05\x0a\x01x", 5}, "Pod: a length that goes past the end at byte 1"},
        {KIND_POD, FORMAT_PROTOBUF, {"\x12\x04\x12\x02\x08\x01", 6}, "Pod: a field with another wire type than its schema has at byte 5"},
        {KIND_JOB, FORMAT_PROTOBUF, {"\x0b\x0c", 2}, "Job: a group, which no message here has at byte 0"},
        {KIND_CLUSTER_RESOURCE_QUOTA, FORMAT_PROTOBUF, {"", 0}, "ClusterResourceQuota: expected JSON: this kind has no protobuf form"},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err;
        const struct object_codec *codec = object_codec_of(cases[i].kind);
        assert_null(codec->decode(codec, pool, ALL, cases[i].format, cases[i].bytes, &err));
        assert_string_equal(err.text, cases[i].error);
        assert_null(codec->decode(codec, pool, ALL, cases[i].format, cases[i].bytes, NULL));
    }
    char *large = calloc(1, LIMIT_WATCH_EVENT_BYTES + 1);
    struct err err;
    const struct object_codec *codec = object_codec_of(KIND_POD);
    assert_null(codec->decode(codec, pool, 0, FORMAT_PROTOBUF, str_make(large, LIMIT_WATCH_EVENT_BYTES + 1), &err));
    assert_string_equal(err.text, "Pod: 16777217 bytes, expected at most 16777216");
    free(large);
    assert_int_equal(pool->object_count, 0);
}

/* Lists, maps and texts that are longer than anybody needs are cut. */
static void test_limits(void **state)
{
    struct object_pool *pool = *state;
    struct buf b;
    buf_init(&b, 4 * MIB);
    buf_text(&b, "{\"metadata\":{\"labels\":{");
    for (unsigned i = 0; i < 2 * LIMIT_OBJECT_ENTRIES; i++)
        buf_printf(&b, "%s\"label-%u\":\"%u\"", i == 0 ? "" : ",", 99999 - i, i % 7);
    buf_text(&b, "},\"name\":\"");
    for (unsigned i = 0; i < 70000; i++)
        buf_byte(&b, 'n');
    buf_text(&b, "\",\"uid\":\"");
    for (unsigned i = 0; i < 70000; i++)
        buf_byte(&b, 'u');
    buf_text(&b, "\",\"ownerReferences\":[{}");
    for (unsigned i = 0; i < 70000; i++)
        buf_text(&b, ",{}");
    buf_text(&b, "]},\"status\":{\"conditions\":[{}");
    for (unsigned i = 0; i < 70000; i++)
        buf_text(&b, ",{}");
    buf_text(&b, "]}}");
    assert_false(b.overflow);
    struct object *o = decode(pool, KIND_NODE, OBJECT_METADATA, FORMAT_JSON, buf_view(&b));
    const struct object_meta *meta = object_meta(o);
    assert_int_equal(meta->label_count, LIMIT_OBJECT_ENTRIES);
    const struct object_label *labels = object_at(o, meta->labels_at);
    assert_string_equal(atoms_text(pool->atoms, labels[0].key).data, "label-95904"); /* the first ones, sorted */
    assert_string_equal(atoms_text(pool->atoms, labels[LIMIT_OBJECT_ENTRIES - 1].key).data, "label-99999");
    assert_int_equal(meta->owner_count, LIMIT_OBJECT_ENTRIES);
    assert_int_equal(((struct node_object *)o)->condition_count, LIMIT_OBJECT_ENTRIES);
    char buffer[UID_TEXT_BYTES];
    assert_int_equal(o->name_len, LIMIT_OBJECT_TEXT_BYTES);
    assert_int_equal(object_uid(o, buffer).len, LIMIT_OBJECT_TEXT_BYTES);
    /* The same object again finds the working memory of usual size. */
    assert_true(pool->block.cap <= LIMIT_OBJECT_SCRATCH_BYTES);
    object_unref(pool, o);
    buf_deinit(&b);
}

static void test_references(void **state)
{
    struct object_pool *pool = *state;
    struct object *o = from_json(pool, KIND_NAMESPACE, 0, "{\"metadata\":{\"name\":\"x\"},\"status\":{\"phase\":\"Active\"}}");
    assert_int_equal(pool->object_count, 1);
    assert_true(pool->object_bytes >= o->size_bytes && pool->object_bytes < o->size_bytes + 16);
    assert_ptr_equal(object_ref(o), o);
    object_unref(pool, o);
    assert_int_equal(pool->object_count, 1);
    assert_int_equal(atoms_count(pool->atoms), 1);
    object_unref(pool, o);
    object_unref(pool, NULL);
    assert_int_equal(pool->object_count + pool->object_bytes, 0);
}

static void test_kinds(void **state)
{
    (void)state;
    for (enum object_kind kind = 0; kind < KIND_COUNT; kind++) {
        const struct object_codec *codec = object_codec_of(kind);
        const struct object_resource *resource = object_resource_of(kind);
        assert_string_equal(codec->kind, object_kind_name(kind));
        assert_int_equal(codec->has_protobuf, kind != KIND_CLUSTER_RESOURCE_QUOTA);
        assert_true(strlen(resource->plural) > strlen(codec->kind) || kind == KIND_HPA);
        bool cluster_scoped = kind == KIND_NODE || kind == KIND_NAMESPACE || kind == KIND_PERSISTENT_VOLUME || kind == KIND_CLUSTER_RESOURCE_QUOTA;
        assert_int_equal(resource->namespaced, !cluster_scoped);
    }
    assert_string_equal(object_resource_of(KIND_HPA)->version, "v2");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_every_kind, setup, teardown), cmocka_unit_test_setup_teardown(test_metadata, setup, teardown),
        cmocka_unit_test_setup_teardown(test_odd_json, setup, teardown),   cmocka_unit_test_setup_teardown(test_times, setup, teardown),
        cmocka_unit_test_setup_teardown(test_uids, setup, teardown),       cmocka_unit_test_setup_teardown(test_errors, setup, teardown),
        cmocka_unit_test_setup_teardown(test_limits, setup, teardown),     cmocka_unit_test_setup_teardown(test_references, setup, teardown),
        cmocka_unit_test(test_kinds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
