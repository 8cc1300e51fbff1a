/*
 * Speed of the OTLP encoder, and of memcpy over the same bytes in the same run.
 *
 *   ninja -C build/release bench/bench_otlp && build/release/bench/bench_otlp
 *
 * Three shapes: many points of one metric (the request is one message of megabytes), one resource
 * with one metric for each object (as k8s_cluster makes them), and log records with a nested body
 * (as k8sobjects makes them). The best of several rounds counts: the machine may be busy.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/limits.h"
#include "telemetry/otlp.h"

enum { ITEMS = 20000, ROUNDS = 15 };

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static struct attributes six_attributes(struct batch *b, int i)
{
    const struct attribute items[] = {
        {STR("k8s.namespace.name"), VALUE_OF_STR(arena_printf(&b->arena, "namespace-%d", i % 50))},
        {STR("k8s.pod.name"),
         VALUE_OF_STR(arena_printf(&b->arena, "deployment-%d-7d4b9c6f5-%05d", i % 700, i))},
        {STR("k8s.pod.uid"),
         VALUE_OF_STR(arena_printf(&b->arena, "5b8f6c1e-3d2a-4f7b-9c0d-%012d", i))},
        {STR("k8s.node.name"),
         VALUE_OF_STR(arena_printf(&b->arena, "ip-10-0-%d-%d.internal", i % 9, i % 250))},
        {STR("k8s.container.name"), VALUE_OF_STR(STR("application"))},
        {STR("restart_count"), VALUE_OF_INT(i % 7)},
    };
    return batch_attributes(b, items, COUNT_OF(items));
}

static const struct metric_desc phase = {.name = {"k8s.pod.phase", 13},
                                         .description = {"Current phase of the pod", 24},
                                         .type = METRIC_GAUGE};

static struct batch *one_metric(void)
{
    struct batch *b = batch_new(SIGNAL_METRICS);
    struct metric *m = batch_metric(b, batch_scope(b, batch_resource(b)), &phase);
    for (int i = 0; i < ITEMS; i++) {
        struct point *p = batch_point(b, m);
        p->time_ns = INT64_C(1700000000000000000);
        p->value = VALUE_OF_INT(2);
        p->attributes = six_attributes(b, i);
    }
    return b;
}

static struct batch *one_resource_each(void)
{
    struct batch *b = batch_new(SIGNAL_METRICS);
    for (int i = 0; i < ITEMS; i++) {
        struct resource *r = batch_resource(b);
        r->attributes = six_attributes(b, i);
        struct scope *s = batch_scope(b, r);
        s->name = STR("k8sclusterreceiver");
        s->version = STR("0.149.0");
        struct point *p = batch_point(b, batch_metric(b, s, &phase));
        p->time_ns = INT64_C(1700000000000000000);
        p->value = VALUE_OF_INT(2);
    }
    return b;
}

static struct value nested(struct batch *b, int i, int depth)
{
    struct attributes list = six_attributes(b, i);
    struct attribute *items = ARENA_ARRAY(&b->arena, struct attribute, list.count + 2);
    memcpy(items, list.items, list.count * sizeof *items);
    for (size_t k = 0; k < 2 && depth > 0; k++)
        items[list.count++] = (struct attribute){STR("spec"), nested(b, i, depth - 1)};
    return (struct value){.kind = VALUE_MAP, .map = {items, list.count}};
}

static struct batch *nested_logs(void)
{
    struct batch *b = batch_new(SIGNAL_LOGS);
    struct scope *s = batch_scope(b, batch_resource(b));
    for (int i = 0; i < ITEMS / 20; i++)
        batch_log(b, s)->body = nested(b, i, 4);
    return b;
}

static size_t encode_all(const struct batch *b, struct buf *out)
{
    struct otlp_cursor c;
    size_t item_count, bytes = 0;
    otlp_cursor_init(&c, b, LIMIT_OTLP_REQUEST_BYTES);
    for (buf_clear(out); otlp_next(&c, out, &item_count) == OTLP_REQUEST; buf_clear(out))
        bytes += out->len;
    return bytes;
}

static void run(const char *name, struct batch *b, struct buf *out)
{
    size_t bytes = encode_all(b, out);
    char *from = mem_zalloc(bytes), *to = mem_zalloc(bytes);
    memset(from, 1, bytes);
    int64_t best = INT64_MAX, copy_best = INT64_MAX;
    for (int round = 0; round < ROUNDS; round++) {
        int64_t start = now_ns();
        encode_all(b, out);
        int64_t middle = now_ns();
        memcpy(to, from, bytes);
        __asm__ volatile("" : : "r"(to) : "memory");
        int64_t end = now_ns();
        best = middle - start < best ? middle - start : best;
        copy_best = end - middle < copy_best ? end - middle : copy_best;
    }
    double items = (double)b->item_count;
    printf("%-28s %5.1f MB %7.0f MB/s %6.0f ns an item (%4.0f bytes)   memcpy %6.0f MB/s, encode "
           "takes %.1f times as long\n",
           name, (double)bytes / 1e6, (double)bytes * 1e3 / (double)best, (double)best / items,
           (double)bytes / items, (double)bytes * 1e3 / (double)copy_best,
           (double)best / (double)copy_best);
    mem_free(from);
    mem_free(to);
    batch_unref(b);
}

int main(void)
{
    struct buf out;
    buf_init(&out, LIMIT_OTLP_REQUEST_BYTES);
    run("points of one metric", one_metric(), &out);
    run("one resource for each point", one_resource_each(), &out);
    run("logs with nested bodies", nested_logs(), &out);
    buf_deinit(&out);
    return 0;
}
