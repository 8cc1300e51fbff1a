/*
 * Speed of decoding pods into compact objects, and of memcpy over the same bytes in the same run.
 *
 *   ninja -C build/release bench/bench_objects && build/release/bench/bench_objects
 *
 * Pods are those of the tests: about 5 kB in protobuf, two containers. Each round decodes all of them into a store and drops it again,
 * so that texts are found as often as in a cluster. CPU time; the best of several rounds counts: the machine may be busy. The last lines are one
 * object of 1.5 MB, the largest that an API server takes, in shapes that cost most.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "kube/store.h"
#include "tests/unit/kube/make_pod.h"
#include "wire/pb.h"

enum { PODS = 10000, ROUNDS = 9 };
static const uint64_t hash_key[2] = {1, 2};

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

struct input {
    struct buf bytes;
    size_t starts[PODS + 1];
};

static str pod_at(const struct input *in, unsigned i)
{
    return str_make(in->bytes.data + in->starts[i], in->starts[i + 1] - in->starts[i]);
}

static void decode_all(const struct input *in, unsigned fields, bool with_store, int64_t *decode_ns, int64_t *free_ns)
{
    struct object_pool pool;
    struct store store;
    const struct object_codec *codec = object_codec_of(KIND_POD);
    struct err err;
    object_pool_init(&pool, hash_key);
    store_init(&store, &pool);
    int64_t start = now_ns();
    for (unsigned i = 0; i < PODS; i++) {
        struct object *before, *o = codec->decode(codec, &pool, fields, FORMAT_PROTOBUF, pod_at(in, i), &err);
        CHECK(o != NULL);
        if (with_store)
            store_put(&store, o, &before);
        else
            object_unref(&pool, o);
    }
    int64_t decoded = now_ns();
    store_deinit(&store);
    *decode_ns = decoded - start;
    *free_ns = now_ns() - decoded;
    object_pool_deinit(&pool);
}

static void bench_pods(const struct input *in, const char *what, unsigned fields, bool with_store, int64_t copy_ns)
{
    int64_t best = INT64_MAX, best_free = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t decode_ns, free_ns;
        decode_all(in, fields, with_store, &decode_ns, &free_ns);
        best = decode_ns < best ? decode_ns : best;
        best_free = free_ns < best_free ? free_ns : best_free;
    }
    printf("%-34s %6.2f us a pod %7.0f MB/s %6.1f times memcpy, freeing %.2f us\n", what, (double)best / PODS / 1000,
           (double)in->bytes.len / (double)best * 1000, (double)best / (double)copy_ns, (double)best_free / PODS / 1000);
}

static void bench_one(const char *what, enum object_kind kind, enum object_format format, str bytes)
{
    struct object_pool pool;
    struct err err;
    const struct object_codec *codec = object_codec_of(kind);
    object_pool_init(&pool, hash_key);
    int64_t best = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = now_ns();
        struct object *o = codec->decode(codec, &pool, UINT32_MAX, format, bytes, &err);
        if (o == NULL)
            printf("%s\n", err.text);
        CHECK(o != NULL);
        object_unref(&pool, o);
        int64_t took = now_ns() - start;
        best = took < best ? took : best;
    }
    printf("%-34s %6.2f ms for %zu kB\n", what, (double)best / 1e6, bytes.len / 1000);
    object_pool_deinit(&pool);
}

enum { LARGE = 1500 * 1000 };

static void large_pod(struct buf *b, bool same_digest)
{
    size_t spec = pb_open(b, 2);
    for (unsigned i = 0; b->len < LARGE / 2; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "container-%u", i);
        size_t c = pb_open(b, 2);
        pb_put_bytes(b, 1, str_make(name, (size_t)len));
        pb_put_bytes(b, 2, STR("reg.io/app:1"));
        pb_close(b, c);
    }
    pb_close(b, spec);
    size_t status = pb_open(b, 3);
    for (unsigned i = 0; b->len < LARGE; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "container-%u", 100000 - i);
        size_t c = pb_open(b, 8);
        pb_put_bytes(b, 1, str_make(name, (size_t)len));
        pb_put_bytes(b, 6, same_digest ? STR("") : STR("reg.io/app:1"));
        pb_close(b, c);
    }
    pb_close(b, status);
}

static void unsorted_labels(struct buf *b)
{
    size_t meta = pb_open(b, 1);
    for (unsigned i = 0; b->len < LARGE; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "label-%u", i * 2654435761U);
        size_t c = pb_open(b, 11);
        pb_put_bytes(b, 1, str_make(name, (size_t)len));
        pb_put_bytes(b, 2, str_make(name, (size_t)len));
        pb_close(b, c);
    }
    pb_close(b, meta);
}

static void many_zones(struct buf *b)
{
    for (unsigned i = 0; b->len < LARGE; i++) {
        char name[32];
        int len = snprintf(name, sizeof name, "z%u", i % 4096);
        size_t c = pb_open(b, 2);
        pb_put_bytes(b, 7, str_make(name, (size_t)len));
        pb_close(b, c);
    }
}

static void many_fields(struct buf *b, uint32_t list)
{
    size_t status = pb_open(b, list);
    while (b->len < LARGE)
        pb_put_bytes_always(b, list == 2 ? 2 : 8, STR_NONE);
    pb_close(b, status);
}

static void tiny_json(struct buf *b)
{
    buf_text(b, "{\"status\":{\"conditions\":[{}");
    while (b->len < LARGE)
        buf_text(b, ",{}");
    buf_text(b, "]}}");
}

static void bench_large(void)
{
    struct buf b;
    buf_init(&b, 4 * MIB);
    large_pod(&b, false);
    bench_one("pod of many containers", KIND_POD, FORMAT_PROTOBUF, buf_view(&b));
    buf_clear(&b);
    large_pod(&b, true);
    bench_one("the same without status images", KIND_POD, FORMAT_PROTOBUF, buf_view(&b));
    buf_clear(&b);
    unsorted_labels(&b);
    bench_one("labels in no order", KIND_JOB, FORMAT_PROTOBUF, buf_view(&b));
    buf_clear(&b);
    many_zones(&b);
    bench_one("slice of 4096 zones", KIND_ENDPOINT_SLICE, FORMAT_PROTOBUF, buf_view(&b));
    buf_clear(&b);
    many_fields(&b, 2);
    bench_one("empty containers", KIND_POD, FORMAT_PROTOBUF, buf_view(&b));
    buf_clear(&b);
    many_fields(&b, 3);
    bench_one("empty container statuses", KIND_POD, FORMAT_PROTOBUF, buf_view(&b));
    buf_clear(&b);
    tiny_json(&b);
    bench_one("JSON: empty conditions", KIND_NODE, FORMAT_JSON, buf_view(&b));
    buf_deinit(&b);
}

int main(void)
{
    static struct input in;
    buf_init(&in.bytes, 256 * MIB);
    for (unsigned i = 0; i < PODS; i++) {
        in.starts[i] = in.bytes.len;
        make_pod(&in.bytes, i, 2);
    }
    in.starts[PODS] = in.bytes.len;
    char *copy = malloc(in.bytes.len);
    int64_t copy_ns = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = now_ns();
        memcpy(copy, in.bytes.data, in.bytes.len);
        __asm__ volatile("" : : "r"(copy) : "memory");
        int64_t took = now_ns() - start;
        copy_ns = took < copy_ns ? took : copy_ns;
    }
    free(copy);
    printf("%d pods of %zu bytes on average\n", PODS, in.bytes.len / PODS);
    unsigned all = OBJECT_METADATA | OBJECT_STATES | OBJECT_LAST_TERMINATED | OBJECT_SPEC_IMAGE;
    bench_pods(&in, "metrics only, decode and drop", 0, false, copy_ns);
    bench_pods(&in, "metrics only, into a store", 0, true, copy_ns);
    bench_pods(&in, "everything, into a store", all, true, copy_ns);
    bench_large();
    buf_deinit(&in.bytes);
    return 0;
}
