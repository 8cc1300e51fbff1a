/*
 * Entities of workloads: ReplicationController, DaemonSet, Deployment, ReplicaSet, StatefulSet,
 * Job, CronJob and HorizontalPodAutoscaler share one set of attributes and differ in a few.
 *
 * Order matters where keys may be equal: an owner of an odd kind may overwrite the namespace, but
 * not a Deployment's own name.
 *
 * Specification: k8s_cluster.md 4.4 (generic set and extras), 8.0 rows 2 and 5, 8.1 (revisions of a
 * StatefulSet are always empty).
 */
#include "receivers/k8s_cluster/entity_records.h"

struct workload_words {
    str kind, label_prefix, created_key;
};
static const struct workload_words words_of[KIND_COUNT] = {
#define WORDS(camel_case, lower_case)                                                              \
    {                                                                                              \
        .kind = STR(camel_case), .label_prefix = STR("k8s." lower_case ".label."),                 \
        .created_key = STR(lower_case ".creation_timestamp"),                                      \
    }
    [KIND_REPLICATION_CONTROLLER] = WORDS("ReplicationController", "replicationcontroller"),
    [KIND_DAEMON_SET] = WORDS("DaemonSet", "daemonset"),
    [KIND_DEPLOYMENT] = WORDS("Deployment", "deployment"),
    [KIND_REPLICA_SET] = WORDS("ReplicaSet", "replicaset"),
    [KIND_STATEFUL_SET] = WORDS("StatefulSet", "statefulset"),
    [KIND_JOB] = WORDS("Job", "job"),
    [KIND_CRON_JOB] = WORDS("CronJob", "cronjob"),
    [KIND_HPA] = WORDS("HPA", "hpa"),
#undef WORDS
};

void entity_describe_workload(struct entity_writer *w, const struct object *o)
{
    const struct workload_words *words = &words_of[o->kind];
    entity_put_labels(w, words->label_prefix, o);
    entity_put(w, STR("k8s.workload.kind"), words->kind);
    entity_put(w, STR("k8s.workload.name"), object_name(o));
    entity_put_created(w, words->created_key, o);
    entity_put_atom(w, STR("k8s.namespace.name"), o->namespace);
    size_t count;
    const struct object_owner *owners = entity_owners(o, &count);
    for (size_t i = 0; i < count; i++)
        entity_put_owner(w, o, &owners[i]);
    if (o->kind == KIND_DEPLOYMENT) {
        entity_put(w, STR("k8s.deployment.name"), object_name(o));
    } else if (o->kind == KIND_STATEFUL_SET) {
        entity_put(w, STR("current_revision"), STR(""));
        entity_put(w, STR("update_revision"), STR(""));
    } else if (o->kind == KIND_CRON_JOB) {
        const struct workload_object *job = CONTAINER_OF(o, const struct workload_object, object);
        entity_put_atom(w, STR("schedule"), job->schedule);
        entity_put_atom(w, STR("concurrency_policy"), job->concurrency_policy);
    }
}
