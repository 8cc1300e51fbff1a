/*
 * What a tick of a large cluster costs from finished batches to the wire.
 *
 *   bench_tick ENDPOINT none|gzip|zstd [TICKS [PODS]]      ENDPOINT: host:port of an OTLP sink, cleartext (bench/tick.py starts one)
 *
 * The tick is that of k8s_cluster with its defaults: for each pod one resource with one point and two containers with seven, each
 * resource with scope and entity reference, handed over in batches as the exporter has room. Processor time is user plus system, all
 * threads, of this process; the sink is another one. Stages that the program runs one into the other are run alone here:
 *
 *   build      the batches (a receiver's share, without its stores)
 *   encode     the cursor over all batches, into one buffer
 *   compress   the encoded requests
 *   export     the whole way through queue and exporter, without building
 *   bare curl  libcurl alone uploading the same payloads, one call each, as floor: what a tick may cost is a multiple of that
 */
#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

#include "base/limits.h"
#include "exporters/exporters.h"
#include "io/log_writer.h"
#include "io/loop_uv.h"
#include "telemetry/otlp.h"
#include "wire/compress.h"
#include "wire/grpc.h"

enum { BATCH_PODS = 170, CONTAINERS = 2 };

struct bench {
    struct loop *loop;
    struct log *log;
    struct logger logger;
    struct exporter exporter;
    const char *endpoint;
    enum compression compression;
    int pods, next_pod;
    size_t open_count;
    int64_t build_ns; /* spent on batches while exporting */
    int64_t time_ns;
    size_t points;
    int outcomes[3];
    bool starving;
    struct loop_task feed;
};

static int64_t cpu_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static int64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static double ms(int64_t ns)
{
    return (double)ns / 1e6;
}

/* ---- the tick ---- */

/* The reference's descriptions of container metrics are about this long. */
#define LONG_TEXT                                                                                  \
    ", as it stands in the specification that the control plane has accepted, rounded up to whole units, for as long as the container is known to the cluster"
#define DESC(n, d, u)                                                                              \
    {                                                                                              \
        .name = {n, sizeof(n) - 1}, .description = {d, sizeof(d) - 1}, .unit = {u, sizeof(u) - 1}, \
        .type = METRIC_GAUGE                                                                       \
    }
static const struct metric_desc container_metrics[] = {
    DESC("k8s.container.cpu_limit", "Most processor time that the container may use" LONG_TEXT,
         "{cpu}"),
    DESC("k8s.container.cpu_request",
         "Processor time that is set aside for the container" LONG_TEXT, "{cpu}"),
    DESC("k8s.container.ephemeralstorage_request",
         "Local ephemeral storage that is set aside for the container", "By"),
    DESC("k8s.container.memory_limit", "Most memory that the container may use" LONG_TEXT, "By"),
    DESC("k8s.container.memory_request", "Memory that is set aside for the container" LONG_TEXT,
         "By"),
    DESC("k8s.container.ready",
         "Whether the container has passed its readiness probe: 1 or 0" LONG_TEXT, ""),
    DESC("k8s.container.restarts",
         "How often the container was restarted lately, as its kubelet counts", "{restart}"),
};
static const struct metric_desc pod_phase =
    DESC("k8s.pod.phase",
         "Phase of the pod: 1 pending, 2 running, 3 succeeded, 4 failed, 5 unknown", "");

static const str pod_id[] = {STR("k8s.pod.uid")}, container_id[] = {STR("container.id")};
static const str pod_keys[] = {STR("k8s.pod.name"), STR("k8s.namespace.name"),
                               STR("k8s.node.name")};
static const str container_keys[] = {STR("k8s.container.name"),  STR("container.image.name"),
                                     STR("container.image.tag"), STR("k8s.pod.name"),
                                     STR("k8s.pod.uid"),         STR("k8s.namespace.name"),
                                     STR("k8s.node.name")};
static const struct entity_ref pod_entity = {.type = STR("k8s.pod"),
                                             .id_keys = pod_id,
                                             .id_key_count = 1,
                                             .description_keys = pod_keys,
                                             .description_key_count = COUNT_OF(pod_keys)};
static const struct entity_ref container_entity = {.type = STR("container"),
                                                   .id_keys = container_id,
                                                   .id_key_count = 1,
                                                   .description_keys = container_keys,
                                                   .description_key_count =
                                                       COUNT_OF(container_keys)};

/* Names are made without printf: the bench is not about making names. */
static str numbered(struct arena *a, str prefix, unsigned n, unsigned digits)
{
    char *text = arena_alloc(a, prefix.len + digits);
    memcpy(text, prefix.data, prefix.len);
    for (unsigned i = digits; i-- > 0; n /= 10)
        text[prefix.len + i] = (char)('0' + n % 10);
    return str_make(text, prefix.len + digits);
}

/* Digits that repeat no more than those of real identifiers do. */
static str hexadecimal(struct arena *a, uint64_t seed, unsigned digits, bool dashes)
{
    char *text = arena_alloc(a, digits);
    for (unsigned i = 0; i < digits; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        text[i] = dashes && (i == 8 || i == 13 || i == 18 || i == 23)
                      ? '-'
                      : "0123456789abcdef"[seed >> 60];
    }
    return str_make(text, digits);
}

static void add_point(struct bench *b, struct batch *batch, struct scope *s,
                      const struct metric_desc *desc, struct value value)
{
    struct point *p = batch_point(batch, batch_metric(batch, s, desc));
    p->time_ns = b->time_ns;
    p->start_ns = INT64_C(1767268800000000000);
    p->value = value;
    b->points++;
}

static struct scope *add_resource(struct batch *batch, const struct attribute *items, size_t count,
                                  const struct entity_ref *entity)
{
    struct resource *r = batch_resource(batch);
    r->schema_url = STR("https://opentelemetry.io/schemas/1.18.0");
    r->attributes = batch_attributes(batch, items, count);
    r->entity_refs = entity;
    r->entity_ref_count = 1;
    struct scope *s = batch_scope(batch, r);
    s->name = STR(
        "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sclusterreceiver");
    s->version = STR("0.1.0");
    return s;
}

static void add_pod(struct bench *b, struct batch *batch, unsigned n)
{
    struct arena *a = &batch->arena;
    str uid = hexadecimal(a, n, 36, true);
    str name = numbered(a, numbered(a, STR("deployment-"), n / 10, 4), n, 12);
    str namespace = numbered(a, STR("namespace-"), n / 100, 3);
    str node = numbered(a, STR("ip-10-0-0-"), n % 100, 3);
    const struct attribute pod[] = {{STR("k8s.namespace.name"), VALUE_OF_STR(namespace)},
                                    {STR("k8s.node.name"), VALUE_OF_STR(node)},
                                    {STR("k8s.pod.name"), VALUE_OF_STR(name)},
                                    {STR("k8s.pod.uid"), VALUE_OF_STR(uid)}};
    struct scope *s = add_resource(batch, pod, COUNT_OF(pod), &pod_entity);
    add_point(b, batch, s, &pod_phase, VALUE_OF_INT(2));
    for (unsigned c = 0; c < CONTAINERS; c++) {
        const struct attribute container[] = {
            {STR("container.id"),
             VALUE_OF_STR(hexadecimal(a, (uint64_t)n << 32 | (c + 1), 64, false))},
            {STR("container.image.name"),
             VALUE_OF_STR(
                 numbered(a, STR("registry.example.com/team/application-"), n / 10 % 200, 3))},
            {STR("container.image.tag"), VALUE_OF_STR(STR("v1.24.7"))},
            {STR("k8s.container.name"), VALUE_OF_STR(c == 0 ? STR("application") : STR("proxy"))},
            pod[0],
            pod[1],
            pod[2],
            pod[3],
        };
        s = add_resource(batch, container, COUNT_OF(container), &container_entity);
        add_point(b, batch, s, &container_metrics[0], VALUE_OF_DOUBLE(0.5));
        add_point(b, batch, s, &container_metrics[1], VALUE_OF_DOUBLE(0.1));
        for (size_t i = 2; i < COUNT_OF(container_metrics); i++)
            add_point(b, batch, s, &container_metrics[i],
                      VALUE_OF_INT((int64_t)(i * (n % 7) * 1048576)));
    }
}

static struct batch *make_batch(struct bench *b)
{
    int64_t start = cpu_ns();
    struct batch *batch = batch_new(SIGNAL_METRICS);
    for (int i = 0; i < BATCH_PODS && b->next_pod < b->pods; i++)
        add_pod(b, batch, (unsigned)b->next_pod++);
    b->build_ns += cpu_ns() - start;
    return batch;
}

/* ---- through the exporter ---- */

static void on_outcome(void *arg, enum outcome worst)
{
    struct bench *b = arg;
    b->outcomes[worst]++;
    if (--b->open_count == 0 && b->next_pod == b->pods)
        loop_stop(b->loop);
}

static void feed(void *arg)
{
    struct bench *b = arg;
    if (b->next_pod == b->pods)
        return;
    if (!b->exporter.type->has_room(&b->exporter)) {
        b->starving = true;
        return;
    }
    struct batch *batch = make_batch(b);
    batch->delivery =
        (struct delivery){.pending = 1, .worst = OUTCOME_SENT, .fn = on_outcome, .arg = b};
    b->open_count++;
    b->exporter.type->consume(&b->exporter, batch);
    loop_task_post(&b->feed);
}

void exporter_room(struct exporter *e)
{
    struct bench *b = CONTAINER_OF(e, struct bench, exporter);
    if (b->starving)
        loop_task_post(&b->feed);
    b->starving = false;
}

void exporter_stopped(struct exporter *e)
{
    loop_stop(CONTAINER_OF(e, struct bench, exporter)->loop);
}

static int64_t wall_ns(void *arg)
{
    const struct bench *b = arg;
    return b->loop == NULL ? 0 : loop_wall_ns(b->loop);
}

static const void *read_config(const struct bench *b, struct arena *arena)
{
    struct node *root;
    struct err err;
    struct config_messages messages;
    config_messages_init(&messages, arena);
    str text =
        arena_printf(arena, "endpoint: %s\ntls: {insecure: true}\ncompression: %s\n", b->endpoint,
                     b->compression == COMPRESS_NONE ? "none" : compression_name(b->compression));
    CHECK(yaml_parse(arena, STR("bench"), text, &root, &err));
    const void *config =
        config_decode(arena, otlp_grpc_exporter.schema, root, STR(""), NULL, &messages);
    CHECK(messages.error_count == 0);
    return config;
}

static size_t rss_bytes(bool peak)
{
    char line[256];
    size_t kib = 0;
    FILE *f = fopen("/proc/self/status", "r");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL)
        if (sscanf(line, peak ? "VmHWM: %zu" : "VmRSS: %zu", &kib) == 1)
            break;
    fclose(f);
    return kib * KIB;
}

static int64_t tick(struct bench *b)
{
    b->next_pod = 0;
    b->build_ns = 0;
    b->points = 0;
    b->time_ns = wall_ns(b);
    int64_t start = cpu_ns();
    loop_task_post(&b->feed);
    loop_run(b->loop);
    return cpu_ns() - start - b->build_ns;
}

static void run_export(struct bench *b, int ticks)
{
    struct err err;
    struct arena arena;
    arena_init(&arena, 1024);
    b->exporter.type = &otlp_grpc_exporter;
    b->exporter.base.id = STR("otlp_grpc");
    b->exporter.base.loop = b->loop;
    b->exporter.base.logger = b->logger;
    const void *config = read_config(b, &arena);
    CHECK(b->exporter.type->create(&b->exporter, config, &err));
    CHECK(b->exporter.type->start(&b->exporter, &err));
    loop_task_init(b->loop, &b->feed, "feed", feed, b);
    int64_t least = INT64_MAX, all = 0, build = 0, wall = 0;
    tick(b);
    struct rusage before, after;
    getrusage(RUSAGE_SELF, &before);
    for (int i = 0; i < ticks; i++) {
        int64_t start = now_ns();
        int64_t took = tick(b);
        wall += now_ns() - start;
        build += b->build_ns;
        all += took;
        least = took < least ? took : least;
    }
    getrusage(RUSAGE_SELF, &after);
    printf(
        "export      %7.1f ms mean, %.1f least; built meanwhile %.1f; wall %.1f; page faults %ld, "
        "switches %ld; outcomes %d sent, %d dropped, %d refused\n",
        ms(all / ticks), ms(least), ms(build / ticks), ms(wall / ticks),
        (after.ru_minflt - before.ru_minflt) / ticks,
        (after.ru_nvcsw + after.ru_nivcsw - before.ru_nvcsw - before.ru_nivcsw) / ticks,
        b->outcomes[0], b->outcomes[1], b->outcomes[2]);
    printf("memory      %7.1f MiB now, %.1f peak\n", (double)rss_bytes(false) / (double)MIB,
           (double)rss_bytes(true) / (double)MIB);
    b->exporter.type->stop(&b->exporter, loop_boot_ns(b->loop) + INT64_C(1000000000));
    loop_run(b->loop);
    b->exporter.type->destroy(&b->exporter);
    arena_deinit(&arena);
}

/* ---- stages alone, and the floor ---- */

struct payloads {
    struct buf items[4096];
    size_t count, encoded_bytes, wire_bytes, largest;
    int64_t encode_ns, compress_ns;
};

static void pack(const struct bench *b, struct payloads *p, struct buf *encoded)
{
    struct err err;
    int64_t start = cpu_ns();
    struct buf small;
    buf_init(&small, 8 * MIB);
    if (b->compression != COMPRESS_NONE)
        CHECK(compress_bytes(b->compression, buf_view(encoded), &small, &err));
    p->compress_ns += cpu_ns() - start;
    CHECK(p->count < COUNT_OF(p->items));
    struct buf *out = &p->items[p->count++];
    buf_init(out, 8 * MIB);
    grpc_frame(out, b->compression != COMPRESS_NONE,
               b->compression != COMPRESS_NONE ? buf_view(&small) : buf_view(encoded));
    buf_deinit(&small);
    p->encoded_bytes += encoded->len;
    p->wire_bytes += out->len;
    p->largest = encoded->len > p->largest ? encoded->len : p->largest;
}

static void make_payloads(struct bench *b, struct payloads *p)
{
    struct buf encoded;
    buf_init(&encoded, LIMIT_OTLP_REQUEST_BYTES);
    b->next_pod = 0;
    b->points = 0;
    b->build_ns = 0;
    b->time_ns = wall_ns(b);
    while (b->next_pod < b->pods) {
        struct batch *batch = make_batch(b);
        struct otlp_cursor c;
        size_t item_count;
        otlp_cursor_init(&c, batch, LIMIT_OTLP_REQUEST_BYTES);
        while (!c.done) {
            int64_t start = cpu_ns();
            buf_clear(&encoded);
            CHECK(otlp_next(&c, &encoded, &item_count) == OTLP_REQUEST);
            p->encode_ns += cpu_ns() - start;
            pack(b, p, &encoded);
        }
        int64_t start = cpu_ns();
        batch_unref(batch);
        b->build_ns += cpu_ns() - start;
    }
    buf_deinit(&encoded);
}

static size_t ignore(char *data, size_t size, size_t count, void *arg)
{
    (void)data, (void)arg;
    return size * count;
}

/* As an application would use it: everything at its default but what gRPC needs. */
static void bare_upload(const struct bench *b, const struct buf *payload)
{
    char url[256];
    snprintf(url, sizeof url,
             "http://%s/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
             b->endpoint);
    CURL *easy = curl_easy_init();
    struct curl_slist *headers = curl_slist_append(NULL, "Content-Type: application/grpc");
    headers = curl_slist_append(headers, "TE: trailers");
    headers = curl_slist_append(headers, "Expect:");
    if (b->compression != COMPRESS_NONE)
        headers =
            curl_slist_append(headers, b->compression == COMPRESS_GZIP ? "grpc-encoding: gzip"
                                                                       : "grpc-encoding: zstd");
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    curl_easy_setopt(easy, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, payload->data);
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)payload->len);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, ignore);
    CURLcode code = curl_easy_perform(easy);
    if (code != CURLE_OK)
        fprintf(stderr, "bare curl: %s\n", curl_easy_strerror(code));
    curl_slist_free_all(headers);
    curl_easy_cleanup(easy);
}

static void run_stages(struct bench *b, int ticks)
{
    static struct payloads p;
    make_payloads(b, &p); /* warm */
    for (size_t i = 0; i < p.count; i++)
        buf_deinit(&p.items[i]);
    p = (struct payloads){0};
    make_payloads(b, &p);
    printf(
        "tick        %zu points, %.1f MB in %zu batches' requests, largest %zu bytes; on the wire "
        "%.1f MB (%.1f %%)\n",
        b->points, (double)p.encoded_bytes / 1e6, p.count, p.largest, (double)p.wire_bytes / 1e6,
        100.0 * (double)p.wire_bytes / (double)p.encoded_bytes);
    printf("build       %7.1f ms\nencode      %7.1f ms\ncompress    %7.1f ms\n", ms(b->build_ns),
           ms(p.encode_ns), ms(p.compress_ns));
    int64_t least = INT64_MAX, all = 0;
    for (int i = 0; i < ticks; i++) {
        int64_t start = cpu_ns();
        for (size_t k = 0; k < p.count; k++)
            bare_upload(b, &p.items[k]);
        int64_t took = cpu_ns() - start;
        all += took;
        least = took < least ? took : least;
    }
    printf("bare curl   %7.1f ms mean, %.1f least\n", ms(all / ticks), ms(least));
    for (size_t i = 0; i < p.count; i++)
        buf_deinit(&p.items[i]);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_tick ENDPOINT none|gzip|zstd [TICKS [PODS]]\n");
        return 2;
    }
    struct err err;
    mem_setup();
    struct bench b = {
        .endpoint = argv[1],
        .compression = strcmp(argv[2], "gzip") == 0   ? COMPRESS_GZIP
                       : strcmp(argv[2], "zstd") == 0 ? COMPRESS_ZSTD
                                                      : COMPRESS_NONE,
        .pods = argc > 4 ? atoi(argv[4]) : 10000,
    };
    int ticks = argc > 3 ? atoi(argv[3]) : 10;
    struct log_writer *writer = log_writer_new("stderr", &err);
    CHECK(writer != NULL);
    const struct log_config config = {.level = LOG_WARN,
                                      .sink = log_writer_write,
                                      .sink_arg = writer,
                                      .wall_ns = wall_ns,
                                      .wall_arg = &b};
    b.log = log_new(&config);
    b.logger.log = b.log;
    b.loop = loop_new(&b.logger, &err);
    CHECK(b.loop != NULL);
    run_export(&b, ticks);
    run_stages(&b, ticks);
    loop_free(b.loop);
    log_free(b.log);
    log_writer_free(writer, 1000);
    return b.outcomes[OUTCOME_DROPPED] + b.outcomes[OUTCOME_REFUSED] > 0;
}
