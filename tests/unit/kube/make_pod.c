/* See make_pod.h. Field numbers: core/v1 and meta/v1 generated.proto. */
#include "tests/unit/kube/make_pod.h"

#include <stdarg.h>
#include <stdio.h>

#include "wire/pb.h"

static uint64_t mixed(uint64_t n)
{
    n = (n ^ n >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    n = (n ^ n >> 27) * UINT64_C(0x94d049bb133111eb);
    return n ^ n >> 31;
}

static void text(struct buf *b, uint32_t field, const char *format, ...) PRINTF_LIKE(3, 4);
static void text(struct buf *b, uint32_t field, const char *format, ...)
{
    char line[512];
    va_list args;
    va_start(args, format);
    int len = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    CHECK(len >= 0 && (size_t)len < sizeof line);
    pb_put_bytes_always(b, field, str_make(line, (size_t)len));
}

static void uid(struct buf *b, uint32_t field, uint64_t seed)
{
    uint64_t high = mixed(seed), low = mixed(seed + 1);
    text(b, field, "%08x-%04x-4%03x-8%03x-%012llx", (unsigned)(high >> 32), (unsigned)(high >> 16 & 0xffff), (unsigned)(high & 0xfff),
         (unsigned)(low >> 52), (unsigned long long)(low & 0xffffffffffff));
}

static void time_s(struct buf *b, uint32_t field, uint64_t s)
{
    size_t mark = pb_open(b, field);
    pb_put_u64_always(b, 1, s);
    pb_put_u64_always(b, 2, 0);
    pb_close(b, mark);
}

static void pair(struct buf *b, uint32_t field, const char *key, const char *value)
{
    size_t mark = pb_open(b, field);
    text(b, 1, "%s", key);
    text(b, 2, "%s", value);
    pb_close(b, mark);
}

static void quantity(struct buf *b, uint32_t field, const char *resource, const char *amount)
{
    size_t mark = pb_open(b, field);
    text(b, 1, "%s", resource);
    size_t inner = pb_open(b, 2);
    text(b, 1, "%s", amount);
    pb_close(b, inner);
    pb_close(b, mark);
}

static void managed_fields(struct buf *b, unsigned entries)
{
    for (unsigned i = 0; i < entries; i++) {
        size_t mark = pb_open(b, 17);
        text(b, 1, "kube-controller-manager");
        text(b, 2, "Update");
        text(b, 3, "v1");
        time_s(b, 4, 1767323045);
        text(b, 6, "FieldsV1");
        size_t fields = pb_open(b, 7);
        size_t raw = pb_open(b, 1);
        for (unsigned k = 0; k < 12; k++)
            buf_printf(b, "{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:app-%u\":{}},\"f:ownerReferences\":{}}}", k);
        pb_close(b, raw);
        pb_close(b, fields);
        text(b, 8, "%s", "");
        pb_close(b, mark);
    }
}

static void metadata(struct buf *b, unsigned i)
{
    char value[64];
    size_t mark = pb_open(b, 1);
    text(b, 1, "checkout-service-%08x-%04x-%04u", i % 1000 * 2654435761U, i * 40503U & 0xffff, i % 10000);
    text(b, 2, "checkout-service-%08x-", i % 1000 * 2654435761U);
    text(b, 3, "namespace-%02u", i % 40);
    text(b, 4, "%s", "");
    uid(b, 5, 1000000 + i * 2ULL);
    text(b, 6, "%u", 100000 + i);
    pb_put_u64_always(b, 7, 0);
    time_s(b, 8, 1767323045 + i);
    snprintf(value, sizeof value, "checkout-%u", i % 1000);
    pair(b, 11, "app.kubernetes.io/instance", value);
    pair(b, 11, "app.kubernetes.io/managed-by", "Helm");
    pair(b, 11, "app.kubernetes.io/name", value);
    pair(b, 11, "app.kubernetes.io/version", "1.2.3");
    pair(b, 11, "helm.sh/chart", "checkout-1.2.3");
    snprintf(value, sizeof value, "%08x", i % 1000 * 2654435761U);
    pair(b, 11, "pod-template-hash", value);
    pair(b, 12, "prometheus.io/scrape", "true");
    size_t owner = pb_open(b, 13);
    text(b, 1, "ReplicaSet");
    text(b, 3, "checkout-service-%08x", i % 1000 * 2654435761U);
    uid(b, 4, i % 1000);
    text(b, 5, "apps/v1");
    pb_put_u64_always(b, 6, 1);
    pb_put_u64_always(b, 7, 1);
    pb_close(b, owner);
    managed_fields(b, 2);
    pb_close(b, mark);
}

static const char *image_of(char line[96], unsigned i, unsigned c)
{
    snprintf(line, 96, "registry.example.com:5000/team/service-%u:1.%u.3", (i + c) % 30, (i + c) % 30);
    return line;
}

static const char *const container_names[] = {"main", "istio-proxy", "config-reloader", "metrics"};

static void container(struct buf *b, unsigned i, unsigned c)
{
    char line[96];
    size_t mark = pb_open(b, 2);
    text(b, 1, "%s", container_names[c % COUNT_OF(container_names)]);
    text(b, 2, "%s", image_of(line, i, c));
    text(b, 5, "%s", "");
    for (unsigned k = 0; k < 6; k++) {
        size_t env = pb_open(b, 7);
        text(b, 1, "ENVIRONMENT_VARIABLE_%u", k);
        text(b, 2, "http://some-service.namespace.svc.cluster.local:8080/%u", k);
        pb_close(b, env);
    }
    size_t resources = pb_open(b, 8);
    quantity(b, 1, "cpu", "500m");
    quantity(b, 1, "memory", "512Mi");
    quantity(b, 2, "cpu", "100m");
    quantity(b, 2, "memory", "128Mi");
    pb_close(b, resources);
    size_t mounts = pb_open(b, 9);
    text(b, 1, "kube-api-access-x2x4z");
    text(b, 3, "/var/run/secrets/kubernetes.io/serviceaccount");
    pb_close(b, mounts);
    text(b, 13, "/dev/termination-log");
    text(b, 14, "IfNotPresent");
    text(b, 20, "File");
    pb_close(b, mark);
}

static void spec(struct buf *b, unsigned i, unsigned container_count)
{
    size_t mark = pb_open(b, 2);
    size_t volume = pb_open(b, 1);
    text(b, 1, "kube-api-access-x2x4z");
    pb_close(b, volume);
    for (unsigned c = 0; c < container_count; c++)
        container(b, i, c);
    text(b, 3, "Always");
    text(b, 6, "ClusterFirst");
    text(b, 8, "default");
    text(b, 10, "node-%03u.eu-central-1.compute.internal", i % 100);
    text(b, 19, "default-scheduler");
    pb_close(b, mark);
}

static void container_status(struct buf *b, unsigned i, unsigned c)
{
    char line[96];
    size_t mark = pb_open(b, 8);
    text(b, 1, "%s", container_names[c % COUNT_OF(container_names)]);
    size_t state = pb_open(b, 2);
    size_t running = pb_open(b, 2);
    time_s(b, 1, 1767323055);
    pb_close(b, running);
    pb_close(b, state);
    pb_put_bytes_always(b, 3, STR_NONE);
    pb_put_u64_always(b, 4, 1);
    pb_put_u64_always(b, 5, i % 3);
    text(b, 6, "%s", image_of(line, i, c));
    uint64_t digest = mixed(i % 30 + c);
    text(b, 7, "registry.example.com:5000/team/service@sha256:%016llx%016llx%016llx%016llx", (unsigned long long)digest,
         (unsigned long long)mixed(digest), (unsigned long long)mixed(digest + 1), (unsigned long long)mixed(digest + 2));
    uint64_t id = i * 16ULL + c;
    text(b, 8, "containerd://%016llx%016llx%016llx%016llx", (unsigned long long)mixed(id), (unsigned long long)mixed(id + (1ULL << 40)),
         (unsigned long long)mixed(id + (2ULL << 40)), (unsigned long long)mixed(id + (3ULL << 40)));
    pb_put_u64_always(b, 9, 1);
    pb_close(b, mark);
}

static void status(struct buf *b, unsigned i, unsigned container_count)
{
    static const char *const conditions[] = {"PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"};
    size_t mark = pb_open(b, 3);
    text(b, 1, "Running");
    for (size_t k = 0; k < COUNT_OF(conditions); k++) {
        size_t condition = pb_open(b, 2);
        text(b, 1, "%s", conditions[k]);
        text(b, 2, "True");
        pb_put_bytes_always(b, 3, STR_NONE);
        time_s(b, 4, 1767323050);
        text(b, 5, "%s", "");
        text(b, 6, "%s", "");
        pb_close(b, condition);
    }
    text(b, 3, "%s", "");
    text(b, 4, "%s", "");
    text(b, 5, "10.0.%u.%u", i / 100 % 100, i % 100);
    text(b, 6, "10.244.%u.%u", i / 250 % 250, i % 250);
    time_s(b, 7, 1767323048);
    for (unsigned c = 0; c < container_count; c++)
        container_status(b, i, c);
    text(b, 9, "Burstable");
    pb_close(b, mark);
}

void make_pod(struct buf *b, unsigned i, unsigned container_count)
{
    metadata(b, i);
    spec(b, i, container_count);
    status(b, i, container_count);
}
