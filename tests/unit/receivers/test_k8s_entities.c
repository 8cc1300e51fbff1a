/* What entity events say of each kind, in both formats, and when and in which batches they are sent. */
#include "k8s_entities_world.h"

#include <stdlib.h>
#include <time.h>

#include "base/limits.h"

enum { FIVE_MINUTES = 300 };

static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    loop = fake_loop_new(1000 * SECOND, 1700000000 * SECOND);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

/* One that leads, with empty stores. */
static struct replica *leader_of(int64_t interval_ns, const char *namespaces)
{
    struct replica *r = replica_new(loop, interval_ns, namespaces);
    replica_sync(r, 100);
    replica_activate(r, "");
    replica_run_ms(r, 100);
    assert_int_equal(r->batch_count, 0);
    return r;
}

static struct replica *leader(void)
{
    return leader_of(FIVE_MINUTES * SECOND, "");
}

/* ---- texts ---- */

#define POD_1                                                                                        \
    "{\"metadata\":{\"name\":\"web-1\",\"namespace\":\"shop\",\"uid\":\"p-1\",\"resourceVersion\":"  \
    "\"201\",\"creationTimestamp\":\"2026-01-02T03:04:05Z\",\"labels\":{\"app\":\"web\","            \
    "\"k8s.pod.name\":\"odd\"},\"ownerReferences\":[{\"kind\":\"ReplicaSet\",\"name\":\"web-rs\","   \
    "\"uid\":\"other\",\"controller\":true}]},\"spec\":{\"nodeName\":\"n1\",\"containers\":[{"       \
    "\"name\":\"app\"},{\"name\":\"side\"},{\"name\":\"late\"}]},\"status\":{\"phase\":"             \
    "\"Running\",\"reason\":\"Fine\",\"containerStatuses\":[{\"name\":\"app\",\"image\":"            \
    "\"reg.io/web:2.1\",\"containerID\":\"containerd://c0ffee\",\"state\":{\"running\":{"            \
    "\"startedAt\":\"2026-01-02T03:04:06Z\"}}},{\"name\":\"side\",\"image\":\"UPPER\","              \
    "\"containerID\":\"docker://00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff\"," \
    "\"state\":{\"terminated\":{\"reason\":\"Error\",\"startedAt\":\"2026-01-02T03:04:07Z\"}}}]}}"

static void test_a_pod_of_a_deployment(void **state)
{
    (void)state;
    struct replica *r = leader();
    replica_put(r, KIND_REPLICA_SET,
                "{\"metadata\":{\"name\":\"web-rs\",\"namespace\":\"shop\",\"uid\":\"rs-1\","
                "\"resourceVersion\":\"198\",\"ownerReferences\":[{\"kind\":\"Deployment\","
                "\"name\":\"web\",\"uid\":\"d-1\"}]},\"spec\":{\"replicas\":1}}");
    replica_put(r, KIND_REPLICA_SET,
                "{\"metadata\":{\"name\":\"web-rs\",\"namespace\":\"other\",\"uid\":\"rs-2\","
                "\"resourceVersion\":\"199\"},\"spec\":{\"replicas\":1}}");
    replica_put(r, KIND_POD, POD_1);
    replica_run_ms(r, 100);
    replica_expect(
        r,
        "state k8s.replicaset {k8s.replicaset.uid=rs-1} {k8s.deployment.name=web, "
        "k8s.deployment.uid=d-1, k8s.namespace.name=shop, k8s.workload.kind=ReplicaSet, "
        "k8s.workload.name=web-rs, replicaset.creation_timestamp=0001-01-01T00:00:00Z} 300000",
        "state k8s.replicaset {k8s.replicaset.uid=rs-2} {k8s.namespace.name=other, "
        "k8s.workload.kind=ReplicaSet, k8s.workload.name=web-rs, "
        "replicaset.creation_timestamp=0001-01-01T00:00:00Z} 300000",
        "state k8s.pod {k8s.pod.uid=p-1} {k8s.deployment.name=web, k8s.deployment.uid=d-1, "
        "k8s.namespace.name=shop, k8s.node.name=n1, k8s.pod.label.app=web, "
        "k8s.pod.label.k8s.pod.name=odd, k8s.pod.name=web-1, k8s.pod.phase=Running, "
        "k8s.pod.status_reason=Fine, k8s.replicaset.name=web-rs, k8s.replicaset.uid=other, "
        "k8s.workload.kind=Deployment, k8s.workload.name=web, "
        "pod.creation_timestamp=2026-01-02T03:04:05Z} 300000",
        "state container {container.id=c0ffee} {container.creation_timestamp=2026-01-02T03:04:06Z, "
        "container.image.name=reg.io/web, container.image.tag=2.1, container.status=running, "
        "k8s.container.name=app, k8s.namespace.name=shop, k8s.node.name=n1, k8s.pod.name=web-1, "
        "k8s.pod.uid=p-1} 300000",
        "state container "
        "{container.id=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff} "
        "{container.creation_timestamp=2026-01-02T03:04:07Z, container.status=terminated, "
        "container.status.reason=Error, k8s.container.name=side, k8s.namespace.name=shop, "
        "k8s.node.name=n1, k8s.pod.name=web-1, k8s.pod.uid=p-1} 300000",
        NULL);
    replica_free(r);
}

/* k8s_cluster.md 9.2 */
static void test_a_pod_that_cannot_start(void **state)
{
    (void)state;
    struct replica *r = leader();
    replica_put(r, KIND_POD,
                "{\"metadata\":{\"name\":\"bad\",\"namespace\":\"shop\",\"uid\":\"p-2\","
                "\"resourceVersion\":\"201\"},\"spec\":{\"containers\":[{\"name\":\"app\"},"
                "{\"name\":\"side\"}]},\"status\":{\"containerStatuses\":[{\"name\":\"app\","
                "\"image\":\"reg.io/x:1\",\"ready\":false,\"restartCount\":0,\"containerID\":\"\","
                "\"state\":{\"waiting\":{\"reason\":\"ErrImagePull\"}}}]}}");
    replica_run_ms(r, 100);
    replica_expect(r,
                   "state k8s.pod {k8s.pod.uid=p-2} {k8s.namespace.name=shop, k8s.node.name=, "
                   "k8s.pod.name=bad, k8s.pod.phase=Unknown, "
                   "pod.creation_timestamp=0001-01-01T00:00:00Z} 300000",
                   "state container {container.id=} {container.image.name=reg.io/x, "
                   "container.image.tag=1, container.status=waiting, "
                   "container.status.reason=ErrImagePull, k8s.container.name=app, "
                   "k8s.namespace.name=shop, k8s.node.name=, k8s.pod.name=bad, k8s.pod.uid=p-2} "
                   "300000",
                   NULL);
    replica_free(r);
}

/* A pod in phase Pending with these container statuses and owners. */
static void put_pod(struct replica *r, const char *uid, uint64_t version, const char *statuses,
                    const char *more_metadata)
{
    struct buf b;
    buf_init(&b, 1 * MIB);
    buf_printf(&b,
               "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"shop\",\"uid\":\"%s\","
               "\"resourceVersion\":\"%" PRIu64 "\"%s},\"status\":{\"phase\":\"Pending\","
               "\"containerStatuses\":[%s]}}",
               uid, uid, version, more_metadata, statuses);
    replica_put(r, KIND_POD, buf_cstr(&b));
    buf_deinit(&b);
}

static void test_containers_are_told_apart_by_id(void **state)
{
    (void)state;
    struct replica *r = leader();
    struct k8s_stream *pods = replica_stream(r, KIND_POD, STR("shop"));
    /* Those that never started share one entity, the last one's. */
    put_pod(r, "p", 201, "{\"name\":\"a\"},{\"name\":\"b\"},{\"name\":\"c\"}", "");
    replica_run_ms(r, 100);
    assert_int_equal(replica_count(r, "state container {container.id=} {k8s.container.name=c,"), 1);
    assert_int_equal(replica_record_count(r), 2);
    replica_forget(r);
    /* One starts: the shared entity stays, the last one's still. */
    put_pod(r, "p", 202,
            "{\"name\":\"a\",\"containerID\":\"x://1\"},{\"name\":\"b\"},{\"name\":\"c\"}", "");
    replica_run_ms(r, 100);
    assert_int_equal(replica_count(r, "state container {container.id=} {k8s.container.name=c,"), 1);
    assert_int_equal(replica_count(r, "state container {container.id=1} {k8s.container.name=a,"),
                     1);
    assert_int_equal(replica_record_count(r), 3);
    replica_forget(r);
    /* All run: it vanishes. */
    put_pod(r, "p", 203,
            "{\"name\":\"a\",\"containerID\":\"x://1\"},{\"name\":\"b\",\"containerID\":\"x://"
            "2\"},{\"name\":\"c\",\"containerID\":\"x://3\"}",
            "");
    replica_run_ms(r, 100);
    assert_int_equal(replica_count(r, "delete container {container.id=}"), 1);
    assert_int_equal(replica_count(r, "state container"), 3);
    assert_int_equal(replica_record_count(r), 5);
    assert_string_equal(replica_record(r, 0), "delete container {container.id=}");
    replica_forget(r);
    /* Two restart, one with an id that is kept in another form. */
    put_pod(r, "p", 204,
            "{\"name\":\"c\",\"containerID\":\"x://3\"},{\"name\":\"a\",\"containerID\":"
            "\"x://ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff\"},{\"name\":"
            "\"b\",\"containerID\":\"x://4\"}",
            "");
    replica_run_ms(r, 100);
    assert_int_equal(replica_count(r, "delete container {container.id=1}"), 1);
    assert_int_equal(replica_count(r, "delete container {container.id=2}"), 1);
    assert_int_equal(replica_count(r, "state container"), 3);
    assert_int_equal(replica_record_count(r), 6);
    replica_forget(r);
    /* Gone: the pod and each of its containers. */
    replica_delete(r, pods, "p", 205, false);
    replica_run_ms(r, 100);
    replica_expect(
        r, "delete k8s.pod {k8s.pod.uid=p}", "delete container {container.id=3}",
        "delete container {container.id=4}",
        "delete container "
        "{container.id=ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff}",
        NULL);
    replica_free(r);
}

static void test_owners(void **state)
{
    (void)state;
    struct replica *r = leader();
    replica_put(r, KIND_JOB,
                "{\"metadata\":{\"name\":\"nightly-1\",\"namespace\":\"shop\",\"uid\":\"j-1\","
                "\"resourceVersion\":\"150\",\"ownerReferences\":[{\"kind\":\"Other\",\"name\":"
                "\"x\",\"uid\":\"y\"},{\"kind\":\"CronJob\",\"name\":\"nightly\",\"uid\":\"cj-1\"}"
                "]}}");
    replica_put(r, KIND_JOB,
                "{\"metadata\":{\"name\":\"once\",\"namespace\":\"shop\",\"uid\":\"j-2\","
                "\"resourceVersion\":\"151\"}}");
    replica_run_ms(r, 100);
    replica_forget(r);
#define OWNERS(list) ",\"ownerReferences\":[" list "]"
#define OWNER(kind, name, uid) "{\"kind\":\"" kind "\",\"name\":\"" name "\",\"uid\":\"" uid "\"}"
#define POD_STATE(uid, before_name, behind_name)                                                   \
    "state k8s.pod {k8s.pod.uid=" uid "} {" before_name "k8s.namespace.name=shop, "                \
    "k8s.node.name=, k8s.pod.name=" uid ", k8s.pod.phase=Pending, " behind_name                    \
    "pod.creation_timestamp=0001-01-01T00:00:00Z} 300000"
    put_pod(r, "a", 201, "", OWNERS(OWNER("Job", "nightly-1", "j-1")));
    put_pod(r, "b", 202, "", OWNERS(OWNER("Job", "once", "j-2")));
    put_pod(r, "c", 203, "", OWNERS(OWNER("Job", "unknown", "j-3")));
    put_pod(r, "d", 204, "", OWNERS(OWNER("DaemonSet", "ds", "1") "," OWNER("Widget", "w", "2")));
    put_pod(r, "e", 205, "", OWNERS(OWNER("Widget", "w", "2") "," OWNER("Job", "once", "j-2")));
    put_pod(r, "f", 206, "", OWNERS(OWNER("Pod", "other", "9") "," OWNER("Pod", "more", "8")));
    put_pod(r, "g", 207, "", OWNERS(OWNER("ReplicaSet", "nobody", "7")));
    replica_run_ms(r, 100);
    replica_expect(
        r,
        POD_STATE("a",
                  "k8s.cronjob.name=nightly, k8s.cronjob.uid=cj-1, k8s.job.name=nightly-1, "
                  "k8s.job.uid=j-1, ",
                  "k8s.workload.kind=CronJob, k8s.workload.name=nightly, "),
        POD_STATE("b", "k8s.job.name=once, k8s.job.uid=j-2, ",
                  "k8s.workload.kind=Job, k8s.workload.name=once, "),
        POD_STATE("c", "k8s.job.name=unknown, k8s.job.uid=j-3, ", ""),
        POD_STATE("d", "k8s.daemonset.name=ds, k8s.daemonset.uid=1, ",
                  "k8s.widget.name=w, k8s.widget.uid=2, k8s.workload.kind=Widget, "
                  "k8s.workload.name=w, "),
        POD_STATE("e", "k8s.job.name=once, k8s.job.uid=j-2, ",
                  "k8s.widget.name=w, k8s.widget.uid=2, k8s.workload.kind=Job, "
                  "k8s.workload.name=once, "),
        /* A pod's own name comes last; of two owners of a kind the last counts. */
        "state k8s.pod {k8s.pod.uid=f} {k8s.namespace.name=shop, k8s.node.name=, k8s.pod.name=f, "
        "k8s.pod.phase=Pending, k8s.pod.uid=8, k8s.workload.kind=Pod, k8s.workload.name=more, "
        "pod.creation_timestamp=0001-01-01T00:00:00Z} 300000",
        POD_STATE("g", "", "k8s.replicaset.name=nobody, k8s.replicaset.uid=7, "), NULL);
    replica_free(r);
}

static void put_service(struct replica *r, const char *namespace, const char *name,
                        uint64_t version, const char *selector)
{
    struct buf b;
    buf_init(&b, 64 * KIB);
    buf_printf(&b,
               "{\"metadata\":{\"name\":\"%s\",\"namespace\":\"%s\",\"uid\":\"%s/%s\","
               "\"resourceVersion\":\"%" PRIu64 "\"},\"spec\":{%s}}",
               name, namespace, namespace, name, version, selector);
    replica_put(r, KIND_SERVICE, buf_cstr(&b));
    buf_deinit(&b);
}

static void check_services(const char *namespaces)
{
    struct replica *r = leader_of(FIVE_MINUTES * SECOND, namespaces);
    put_service(r, "shop", "zz", 150, "\"selector\":{\"app\":\"web\"}");
    put_service(r, "shop", "bb", 151, "\"selector\":{\"app\":\"web\",\"tier\":\"front\"}");
    put_service(r, "shop", "aa", 152, "");
    put_service(r, "shop", "a0", 153, "\"selector\":{}");
    put_service(r, "shop", "a1", 154, "\"selector\":{\"app\":\"other\"}");
    put_service(r, "shop", "a2", 155, "\"selector\":{\"app\":\"web\",\"tier\":\"back\"}");
    put_service(r, "bank", "a3", 156, "\"selector\":{\"app\":\"web\"}");
    put_pod(r, "a", 201, "", ",\"labels\":{\"app\":\"web\",\"tier\":\"front\"}");
    put_pod(r, "b", 202, "", ",\"labels\":{\"app\":\"web\"}");
    put_pod(r, "c", 203, "", ",\"labels\":{\"tier\":\"front\"}");
    put_pod(r, "d", 204, "", "");
    replica_run_ms(r, 100);
    size_t found = 0;
    for (size_t i = 0; i < replica_record_count(r); i++) {
        const char *text = replica_record(r, i);
        if (strncmp(text, "state k8s.pod", 13) != 0)
            continue;
        const char *service = strstr(text, "k8s.service.");
        char uid = text[27];
        assert_true((service != NULL) == (uid == 'a' || uid == 'b'));
        if (service != NULL)
            assert_memory_equal(service, uid == 'a' ? "k8s.service.bb=," : "k8s.service.zz=,", 16);
        found++;
    }
    assert_int_equal(found, 4);
    /* A service that goes is no longer found. */
    replica_forget(r);
    replica_delete(r, replica_stream(r, KIND_SERVICE, STR("shop")), "shop/bb", 205, false);
    put_pod(r, "a", 206, "", ",\"labels\":{\"app\":\"web\",\"tier\":\"front\"}");
    replica_run_ms(r, 100);
    assert_non_null(strstr(replica_record(r, 1), "k8s.service.zz=,"));
    replica_free(r);
}

static void test_a_pod_names_the_first_service_that_selects_it(void **state)
{
    (void)state;
    check_services("");
    check_services("bank shop");
}

#define META(name, uid, version, more)                                                             \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"shop\",\"uid\":\"" uid                   \
    "\",\"resourceVersion\":\"" version "\",\"creationTimestamp\":\"2026-01-02T03:04:05Z\"" more   \
    "}"
#define TEAM ",\"labels\":{\"team\":\"x\"}"

static void test_workloads(void **state)
{
    (void)state;
    static const struct {
        enum object_kind kind;
        const char *lower, *camel, *spec, *before, *behind;
    } cases[] = {
        {KIND_DEPLOYMENT, "deployment", "Deployment", "", "k8s.deployment.name=n, ", ""},
        {KIND_REPLICA_SET, "replicaset", "ReplicaSet", "", "", ""},
        {KIND_DAEMON_SET, "daemonset", "DaemonSet", "", "", ""},
        {KIND_STATEFUL_SET, "statefulset", "StatefulSet",
         ",\"status\":{\"currentRevision\":\"r1\",\"updateRevision\":\"r2\"}", "", ""},
        {KIND_JOB, "job", "Job", "", "", ""},
        {KIND_CRON_JOB, "cronjob", "CronJob",
         ",\"spec\":{\"schedule\":\"1 * * * *\",\"concurrencyPolicy\":\"Forbid\"}", "", ""},
        {KIND_REPLICATION_CONTROLLER, "replicationcontroller", "ReplicationController", "", "", ""},
        {KIND_HPA, "hpa", "HPA", "", "", ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct replica *r = leader();
        struct buf json, text;
        buf_init(&json, 64 * KIB);
        buf_init(&text, 64 * KIB);
        buf_printf(
            &json,
            META("n", "u", "201",
                 TEAM
                 ",\"ownerReferences\":[{\"kind\":\"Zoo\",\"name\":\"z\",\"uid\":\"zu\"}]") "%s}",
            cases[i].spec);
        replica_put(r, cases[i].kind, buf_cstr(&json));
        replica_run_ms(r, 100);
        bool is_set = cases[i].kind == KIND_STATEFUL_SET, is_cron = cases[i].kind == KIND_CRON_JOB;
        bool is_late = strcmp(cases[i].lower, "k8s") > 0; /* where X.creation_timestamp sorts */
        struct buf label;
        buf_init(&label, 1024);
        buf_printf(&label, "k8s.%s.label.team=x, ", cases[i].lower);
        buf_printf(&text, "state k8s.%s {k8s.%s.uid=u} {", cases[i].lower, cases[i].lower);
        buf_text(&text, is_cron ? "concurrency_policy=Forbid, " : "");
        buf_text(&text, is_set ? "current_revision=, " : "");
        if (!is_late)
            buf_printf(&text, "%s.creation_timestamp=2026-01-02T03:04:05Z, ", cases[i].lower);
        bool is_before = strcmp(buf_cstr(&label), "k8s.namespace") < 0;
        buf_text(&text, is_before ? buf_cstr(&label) : "");
        buf_text(&text, cases[i].before);
        buf_text(&text, "k8s.namespace.name=shop, ");
        buf_text(&text, is_before ? "" : buf_cstr(&label));
        buf_printf(&text, "k8s.workload.kind=%s, k8s.workload.name=n, ", cases[i].camel);
        buf_text(&text, "k8s.zoo.name=z, k8s.zoo.uid=zu");
        if (is_late && !is_cron)
            buf_printf(&text, ", %s.creation_timestamp=2026-01-02T03:04:05Z", cases[i].lower);
        buf_text(&text, is_cron ? ", schedule=1 * * * *" : "");
        buf_text(&text, is_set ? ", update_revision=" : "");
        buf_text(&text, "} 300000");
        if (cases[i].kind == KIND_DEPLOYMENT) { /* its name sorts behind its label */
            replica_expect(r,
                           "state k8s.deployment {k8s.deployment.uid=u} "
                           "{deployment.creation_timestamp=2026-01-02T03:04:05Z, "
                           "k8s.deployment.label.team=x, k8s.deployment.name=n, "
                           "k8s.namespace.name=shop, k8s.workload.kind=Deployment, "
                           "k8s.workload.name=n, k8s.zoo.name=z, k8s.zoo.uid=zu} 300000",
                           NULL);
        } else {
            replica_expect(r, buf_cstr(&text), NULL);
        }
        buf_deinit(&json);
        buf_deinit(&text);
        buf_deinit(&label);
        replica_free(r);
    }
}

static void test_plain_kinds(void **state)
{
    (void)state;
    struct replica *r = leader();
    replica_put(r, KIND_NODE,
                "{\"metadata\":{\"name\":\"n1\",\"uid\":\"n-1\",\"resourceVersion\":\"201\","
                "\"labels\":{\"zone\":\"a\"},\"creationTimestamp\":\"2026-01-02T03:04:05Z\"},"
                "\"status\":{\"conditions\":[{\"type\":\"Ready\",\"status\":\"True\"},{\"type\":"
                "\"PIDPressure\",\"status\":\"Unknown\"},{\"type\":\"Custom\",\"status\":\"True\"},"
                "{\"type\":\"MemoryPressure\",\"status\":\"False\"},{\"type\":\"DiskPressure\","
                "\"status\":\"odd\"},{\"type\":\"NetworkUnavailable\",\"status\":\"\"}]}}");
    replica_put(r, KIND_NAMESPACE,
                "{\"metadata\":{\"name\":\"shop\",\"uid\":\"ns-1\",\"resourceVersion\":\"202\","
                "\"labels\":{\"not\":\"told\"}},\"status\":{\"phase\":\"Active\"}}");
    replica_put(r, KIND_NAMESPACE,
                "{\"metadata\":{\"name\":\"new\",\"uid\":\"ns-2\",\"resourceVersion\":\"203\"}}");
    replica_put(r, KIND_SERVICE,
                META("web", "s-1", "204",
                     TEAM
                     ",\"annotations\":{\"note\":\"long\","
                     "\"kubectl.kubernetes.io/last-applied-configuration\":\"{}\"}") ",\"spec\":{"
                                                                                     "\"selector\":"
                                                                                     "{\"app\":"
                                                                                     "\"web\"}}}");
    replica_put(r, KIND_PERSISTENT_VOLUME,
                "{\"metadata\":{\"name\":\"pv\",\"uid\":\"v-1\",\"resourceVersion\":\"205\","
                "\"labels\":{\"a\":\"b\"},\"annotations\":{\"c\":\"d\"}}}");
    replica_put(r, KIND_PERSISTENT_VOLUME_CLAIM,
                META("pvc", "c-1", "206",
                     TEAM ",\"annotations\":{\"c\":\"\"}") ",\"spec\":{\"volumeName\":\"pv\"}}");
    replica_put(r, KIND_PERSISTENT_VOLUME_CLAIM, META("new", "c-2", "207", "") "}");
    /* Kinds without entities. */
    replica_put(r, KIND_RESOURCE_QUOTA, META("q", "q-1", "208", "") "}");
    replica_run_ms(r, 100);
    replica_expect(
        r,
        "state k8s.node {k8s.node.uid=n-1} {k8s.node.condition_disk_pressure=odd, "
        "k8s.node.condition_memory_pressure=false, k8s.node.condition_network_unavailable=, "
        "k8s.node.condition_pid_pressure=unknown, k8s.node.condition_ready=true, "
        "k8s.node.label.zone=a, k8s.node.name=n1, node.creation_timestamp=2026-01-02T03:04:05Z} "
        "300000",
        "state k8s.namespace {k8s.namespace.uid=ns-1} "
        "{k8s.namespace.creation_timestamp=0001-01-01T00:00:00Z, k8s.namespace.name=shop, "
        "k8s.namespace.phase=active} 300000",
        "state k8s.namespace {k8s.namespace.uid=ns-2} "
        "{k8s.namespace.creation_timestamp=0001-01-01T00:00:00Z, k8s.namespace.name=new, "
        "k8s.namespace.phase=unknown} 300000",
        "state k8s.service {k8s.service.uid=s-1} {k8s.namespace.name=shop, "
        "k8s.service.annotation.note=long, "
        "k8s.service.creation_timestamp=2026-01-02T03:04:05Z, k8s.service.label.team=x, "
        "k8s.service.name=web, k8s.service.selector.app=web} 300000",
        "state k8s.persistentvolume {k8s.persistentvolume.uid=v-1} "
        "{k8s.persistentvolume.annotation.c=d, "
        "k8s.persistentvolume.creation_timestamp=0001-01-01T00:00:00Z, "
        "k8s.persistentvolume.label.a=b, k8s.persistentvolume.name=pv} 300000",
        "state k8s.persistentvolumeclaim {k8s.persistentvolumeclaim.uid=c-1} "
        "{k8s.namespace.name=shop, k8s.persistentvolume.name=pv, "
        "k8s.persistentvolumeclaim.annotation.c=, "
        "k8s.persistentvolumeclaim.creation_timestamp=2026-01-02T03:04:05Z, "
        "k8s.persistentvolumeclaim.label.team=x, k8s.persistentvolumeclaim.name=pvc} 300000",
        "state k8s.persistentvolumeclaim {k8s.persistentvolumeclaim.uid=c-2} "
        "{k8s.namespace.name=shop, "
        "k8s.persistentvolumeclaim.creation_timestamp=2026-01-02T03:04:05Z, "
        "k8s.persistentvolumeclaim.name=new} 300000",
        NULL);
    replica_free(r);
}

static void test_formats(void **state)
{
    (void)state;
    static const struct {
        bool is_spec;
        int64_t interval_ns;
        const char *behind;
    } cases[] = {
        {false, 90 * SECOND, " 90000"}, {false, 0, ""}, {true, 90 * SECOND, " 90"},
        {true, 1500 * MS, " 1"},        {true, 0, ""},
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct replica *r = leader_of(cases[i].interval_ns, "");
        r->k.entity_spec_format = cases[i].is_spec;
        replica_put(r, KIND_DAEMON_SET, META("n", "u", "201", "") "}");
        replica_delete(r, replica_stream(r, KIND_DAEMON_SET, STR("")), "u", 202, false);
        replica_run_ms(r, 100);
        struct buf text;
        buf_init(&text, 4096);
        buf_printf(&text,
                   "state k8s.daemonset {k8s.daemonset.uid=u} "
                   "{daemonset.creation_timestamp=2026-01-02T03:04:05Z, k8s.namespace.name=shop, "
                   "k8s.workload.kind=DaemonSet, k8s.workload.name=n}%s",
                   cases[i].behind);
        replica_expect(r, buf_cstr(&text), "delete k8s.daemonset {k8s.daemonset.uid=u}", NULL);
        buf_deinit(&text);
        replica_free(r);
    }
}

/* Against the C library's calendar. */
static void test_times(void **state)
{
    (void)state;
    struct replica *r = leader();
    struct entity_writer *w = &r->k.entities->writer;
    uint64_t random = 88172645463325252;
    entity_writer_begin(w, 1);
    for (int i = 0; i < 20000; i++) {
        const int64_t first = INT64_C(-62135596800), last = INT64_C(253402300799);
        random ^= random << 13, random ^= random >> 7, random ^= random << 17;
        int64_t s = i == 0   ? first
                    : i == 1 ? last
                             : first + (int64_t)(random % (uint64_t)(last - first));
        time_t time = s;
        struct tm tm;
        char expected[64];
        assert_non_null(gmtime_r(&time, &tm));
        snprintf(expected, sizeof expected, "%04d-%02d-%02dT%02d:%02d:%02dZ", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec);
        entity_put_time(w, STR("t"), s);
        str got = w->items[w->item_count - 1].attribute.value.text;
        if (!str_eqz(got, expected))
            fail_msg("%" PRId64 ": %.*s, expected %s", s, STR_ARG(got), expected);
        w->item_count = 0;
    }
    batch_unref(entity_writer_end(w));
    replica_free(r);
}

/* ---- when ---- */

static void test_changes_share_a_batch_and_do_not_wait_long(void **state)
{
    (void)state;
    struct replica *r = leader();
    int64_t began_ns = loop_wall_ns(loop);
    for (uint64_t i = 0; i < 20; i++) {
        char uid[8];
        snprintf(uid, sizeof uid, "p%" PRIu64, i);
        put_pod(r, uid, 201 + i, "", "");
        replica_run_ms(r, 1);
    }
    replica_run_ms(r, 100);
    assert_int_equal(r->batch_count, 1);
    assert_int_equal(replica_record_count(r), 20);
    assert_true(r->batches[0].time_ns - began_ns <= 100 * MS);
    /* Whatever is pending when no more comes. */
    replica_forget(r);
    put_pod(r, "q", 300, "", "");
    replica_run_ms(r, 100);
    assert_int_equal(r->batch_count, 1);
    replica_free(r);
}

static void test_a_read_that_changes_nothing(void **state)
{
    (void)state;
    struct replica *r = leader();
    struct k8s_stream *pods = replica_stream(r, KIND_POD, STR("shop"));
    put_pod(r, "p", 201, "", "");
    replica_run_ms(r, 100);
    replica_forget(r);
    put_pod(r, "p", 201, "", ""); /* the store keeps the old one */
    /* The same version again with more fields: an update for the watch, none for entities. */
    struct object *before = replica_decode(r, KIND_POD, POD_1);
    struct object *after = replica_decode(r, KIND_POD, POD_1);
    const struct watch_change told = {.kind = WATCH_UPDATED,
                                      .before = before,
                                      .after = after,
                                      .resource_version = 201,
                                      .by_list = true};
    entities_change(r->k.entities, pods, &told);
    object_unref(&r->pool, before);
    object_unref(&r->pool, after);
    replica_run_ms(r, 1000);
    assert_int_equal(r->batch_count, 0);
    replica_free(r);
}

/* Many objects, put while nobody leads. */
static void fill(struct replica *r, size_t pods, uint64_t first_version)
{
    for (size_t i = 0; i < pods; i++) {
        char uid[16];
        snprintf(uid, sizeof uid, "p%zu", i);
        put_pod(
            r, uid, first_version + i,
            "{\"name\":\"a\",\"image\":\"reg.io/team/service:1.2.3\",\"containerID\":\"x://1\"}",
            ",\"labels\":{\"app\":\"web\",\"pod-template-hash\":\"12345\"}");
    }
}

static void test_a_full_state_is_cut_into_batches(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, FIVE_MINUTES * SECOND, "");
    fill(r, 1500, 200);
    replica_activate(r, "");
    replica_run_ms(r, 1000);
    assert_int_equal(r->batch_count, 0); /* not full yet */
    r->room = 2;
    replica_sync(r, 3000);
    replica_run_ms(r, 1000);
    assert_int_equal(r->batch_count, 2); /* no room for more */
    size_t before = replica_record_count(r);
    put_pod(r, "p0", 3001, "", "");
    replica_delete(r, replica_stream(r, KIND_POD, STR("")), "p1499", 3002, false);
    r->room = NOT_LIMITED;
    entities_room(r->k.entities);
    replica_run_ms(r, 1000);
    assert_true(before < replica_record_count(r));
    for (size_t i = 0; i < r->batch_count; i++) {
        assert_true(r->batches[i].record_count <= LIMIT_ENTITY_BATCH_RECORDS + 1);
        assert_true(r->batches[i].arena_bytes <= LIMIT_ENTITY_BATCH_BYTES + 8 * KIB);
    }
    assert_true(r->batch_count >= 6);
    /* Each once; p0 twice, as it changed; p1499 never, but its end. */
    assert_int_equal(replica_count(r, "state k8s.pod {k8s.pod.uid=p"), 1500);
    assert_int_equal(replica_count(r, "state k8s.pod {k8s.pod.uid=p0}"), 2);
    assert_int_equal(replica_count(r, "state k8s.pod {k8s.pod.uid=p1499}"), 0);
    assert_int_equal(replica_count(r, "delete k8s.pod {k8s.pod.uid=p1499}"), 1);
    assert_int_equal(r->k.entities->counters.gap_streams, 0);
    replica_free(r);
}

static void test_a_withheld_batch_is_sent_again(void **state)
{
    (void)state;
    struct replica *r = leader();
    put_pod(r, "p", 201, "", "");
    r->gate_closed = true;
    replica_run_ms(r, 1000);
    put_pod(r, "q", 202, "", "");
    replica_run_ms(r, 1000);
    assert_int_equal(r->batch_count, 0);
    r->gate_closed = false;
    replica_run_ms(r, 1000);
    assert_int_equal(replica_count(r, "state k8s.pod"), 2);
    assert_int_equal(r->k.entities->counters.records, 2);
    replica_free(r);
}

static void test_nothing_is_sent_by_who_does_not_lead(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, SECOND, "");
    replica_sync(r, 100);
    put_pod(r, "p", 201, "", "");
    replica_run_ms(r, 5000);
    replica_activate(r, "");
    entities_deactivate(r->k.entities);
    put_pod(r, "q", 202, "", "");
    replica_run_ms(r, 5000);
    assert_int_equal(r->batch_count, 0);
    replica_free(r);
}

static void test_deletes_that_a_list_finds(void **state)
{
    (void)state;
    struct replica *r = leader();
    struct k8s_stream *pods = replica_stream(r, KIND_POD, STR(""));
    put_pod(r, "p", 201, "{\"name\":\"a\",\"containerID\":\"x://1\"}", "");
    put_pod(r, "q", 202, "", "");
    replica_run_ms(r, 100);
    replica_forget(r);
    replica_delete(r, pods, "p", 0, true);
    replica_set_version(pods, 300);
    replica_run_ms(r, 100);
    replica_expect(r, "delete k8s.pod {k8s.pod.uid=p}", "delete container {container.id=1}", NULL);
    replica_free(r);
}

/* ---- repetitions ---- */

static void test_repetitions(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 10 * SECOND, "");
    fill(r, 300, 200);
    replica_sync(r, 1000);
    replica_activate(r, "");
    replica_run_ms(r, 9900);
    assert_int_equal(replica_record_count(r), 600); /* the first state */
    replica_forget(r);
    for (int round = 0; round < 5; round++) {
        replica_run_ms(r, 10000);
        assert_int_equal(replica_record_count(r), 600);
        replica_forget(r);
    }
    assert_int_equal(r->k.entities->counters.repetitions, 5);
    /* Long without room: the rounds that were missed are not made up for. */
    r->room = 0;
    replica_run_ms(r, 45000);
    r->room = NOT_LIMITED;
    entities_room(r->k.entities);
    replica_run_ms(r, 1000);
    assert_int_equal(replica_count(r, "state k8s.pod"),
                     300 * 2); /* that of then, and the present one */
    replica_free(r);
}

/* Two replicas, one after the other: a round is neither lost nor doubled. */
static void test_repetitions_across_a_change_of_leader(void **state)
{
    (void)state;
    for (int64_t at_ms = 1000; at_ms < 40000; at_ms += 2700) {
        struct replica *a = replica_new(loop, 10 * SECOND, "");
        struct replica *b = replica_new(loop, 10 * SECOND, "");
        fill(a, 10, 200);
        fill(b, 10, 200);
        replica_sync(a, 1000);
        replica_sync(b, 1000);
        replica_activate(a, "");
        replica_run_ms(a, at_ms);
        size_t sent = replica_count(a, "state k8s.pod");
        assert_int_equal(sent, 10 * (1 + (size_t)at_ms / 10000));
        entities_deactivate(a->k.entities);
        replica_activate(b, replica_position(a));
        replica_run_ms(b, 40500 - at_ms);
        assert_int_equal(sent + replica_count(b, "state k8s.pod"), 10 * 5);
        assert_int_equal(b->k.entities->counters.gap_streams, 0);
        replica_free(a);
        replica_free(b);
    }
}

static void test_clocks_that_step(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 10 * SECOND, "");
    fill(r, 1, 200);
    replica_sync(r, 1000);
    replica_activate(r, "");
    replica_run_ms(r, 500);
    replica_forget(r);
    fake_loop_step_wall(loop, -3600 * SECOND);
    replica_run_ms(r, 2000);
    assert_int_equal(r->batch_count, 0);
    replica_run_ms(r, 10000);
    assert_int_equal(r->batch_count, 1);
    fake_loop_step_wall(loop, 3600 * SECOND);
    replica_run_ms(r, 2000);
    assert_int_equal(r->batch_count, 2);
    replica_free(r);
}

/* ---- state of streams ---- */

static void test_a_kind_that_is_not_served_at_first(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 0, "");
    struct k8s_stream *hpas = replica_stream(r, KIND_HPA, STR(""));
    /* Not served: synced, but without a version. */
    for (size_t i = 0; i < r->k.stream_count; i++) {
        r->watches[i].synced = true;
        if (&r->watches[i] != hpas->watch)
            replica_set_version(&r->streams[i], 100);
        entities_state(r->k.entities, &r->streams[i]);
    }
    replica_activate(r, "");
    replica_run_ms(r, 100);
    put_pod(r, "p", 201, "", "");
    replica_run_ms(r, 100);
    assert_int_equal(replica_record_count(r), 1);
    replica_forget(r);
    /* It appears. */
    replica_put_object(r, hpas, replica_decode(r, KIND_HPA, META("h", "h-1", "150", "") "}"), true);
    replica_set_version(hpas, 300);
    entities_state(r->k.entities, hpas);
    replica_run_ms(r, 100);
    assert_int_equal(replica_count(r, "state k8s.hpa"), 1);
    assert_int_equal(r->k.entities->counters.gap_streams, 0);
    replica_free(r);
}

/* Permission is taken away and given back. */
static void test_a_stream_that_is_lost_for_a_while(void **state)
{
    (void)state;
    struct replica *r = leader_of(0, "");
    struct k8s_stream *pods = replica_stream(r, KIND_POD, STR(""));
    put_pod(r, "p", 201, "", "");
    put_pod(r, "q", 202, "", "");
    replica_run_ms(r, 100);
    replica_forget(r);
    for (int round = 0; round < 2; round++) {
        pods->watch->synced = false;
        entities_state(r->k.entities, pods);
        replica_run_ms(r, 2000);
        if (round == 1) /* seen by nobody */
            replica_put_object(
                r, pods, replica_decode(r, KIND_POD, META("n", "n-1", "250", "") ",\"status\":{}}"),
                true);
        pods->watch->synced = true;
        replica_set_version(pods, 300 + (uint64_t)round);
        entities_state(r->k.entities, pods);
        replica_run_ms(r, 2000);
        if (round == 0) /* nothing happened meanwhile, which the fingerprint shows */
            assert_int_equal(replica_record_count(r), 0);
    }
    assert_int_equal(replica_count(r, "state k8s.pod"), 3);
    assert_int_equal(r->k.entities->counters.gap_streams, 1);
    assert_int_equal(r->k.entities->counters.gap_objects, 3);
    replica_free(r);
}

/* Whoever answers 404 for a kind of Kubernetes itself (a proxy, a server of another version) has not deleted its objects. */
static void test_a_kind_that_is_not_served_for_a_while(void **state)
{
    (void)state;
    struct replica *r = leader_of(0, "");
    struct k8s_stream *pods = replica_stream(r, KIND_POD, STR(""));
    put_pod(r, "p", 201, "", "");
    put_pod(r, "q", 202, "", "");
    replica_run_ms(r, 100);
    replica_forget(r);
    /* As the watch does it: the trouble is told, then the store is emptied in slices, then it is not synced any more. */
    pods->watch->trouble = WATCH_NOT_SERVED;
    pods->watch->version[0] = '\0';
    entities_state(r->k.entities, pods);
    replica_delete(r, pods, "p", 0, true);
    entities_state(r->k.entities, pods);
    replica_delete(r, pods, "q", 0, true);
    pods->watch->synced = false;
    entities_state(r->k.entities, pods);
    replica_run_ms(r, 2000);
    assert_int_equal(replica_record_count(r), 0);
    pods->watch->trouble = WATCH_WELL;
    replica_put_object(r, pods, replica_decode(r, KIND_POD, META("p", "p", "201", "") "}"), true);
    replica_put_object(r, pods, replica_decode(r, KIND_POD, META("q", "q", "202", "") "}"), true);
    pods->watch->synced = true;
    replica_set_version(pods, 300);
    entities_state(r->k.entities, pods);
    replica_run_ms(r, 2000);
    /* Nothing happened meanwhile, which the fingerprint shows. */
    assert_int_equal(replica_record_count(r), 0);
    assert_int_equal(r->k.entities->counters.gap_streams, 0);
    replica_free(r);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test(fn)
    const struct CMUnitTest tests[] = {
        TEST(test_a_pod_of_a_deployment),
        TEST(test_a_pod_that_cannot_start),
        TEST(test_containers_are_told_apart_by_id),
        TEST(test_owners),
        TEST(test_a_pod_names_the_first_service_that_selects_it),
        TEST(test_workloads),
        TEST(test_plain_kinds),
        TEST(test_formats),
        TEST(test_times),
        TEST(test_changes_share_a_batch_and_do_not_wait_long),
        TEST(test_a_read_that_changes_nothing),
        TEST(test_a_full_state_is_cut_into_batches),
        TEST(test_a_withheld_batch_is_sent_again),
        TEST(test_nothing_is_sent_by_who_does_not_lead),
        TEST(test_deletes_that_a_list_finds),
        TEST(test_repetitions),
        TEST(test_repetitions_across_a_change_of_leader),
        TEST(test_clocks_that_step),
        TEST(test_a_kind_that_is_not_served_at_first),
        TEST(test_a_stream_that_is_lost_for_a_while),
        TEST(test_a_kind_that_is_not_served_for_a_while),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
