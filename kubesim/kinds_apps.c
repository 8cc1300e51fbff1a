/*
 * Workloads: apps/v1, batch/v1, autoscaling/v2, discovery.k8s.io/v1; and the one custom resource,
 * quota.openshift.io/v1 ClusterResourceQuota, which has no table and no protobuf, as custom resources
 * have none.
 *
 * There are no controllers: nobody makes pods from these.
 *
 * Specification: k8s.io/api v0.35: the types.go of each group in their order, numbers of
 * generated.proto; defaults of kube-apiserver where metrics depend on them.
 */
#include "kubesim/kinds.h"

static const struct sim_field rolling_update_deployment_fields[] = {
    {"maxUnavailable", 1, SIM_INT_OR_STRING, SIM_POINTER, NULL},
    {"maxSurge", 2, SIM_INT_OR_STRING, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field deployment_strategy_fields[] = {
    {"type", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"rollingUpdate", 2, SIM_OBJECT, SIM_POINTER, rolling_update_deployment_fields},
    SIM_END,
};

static const struct sim_field deployment_spec_fields[] = {
    {"replicas", 1, SIM_INT32, SIM_POINTER, NULL},
    {"selector", 2, SIM_OBJECT, SIM_POINTER, sim_label_selector_fields},
    {"template", 3, SIM_OBJECT, SIM_ALWAYS, sim_pod_template_fields},
    {"strategy", 4, SIM_OBJECT, SIM_ALWAYS, deployment_strategy_fields},
    {"minReadySeconds", 5, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"revisionHistoryLimit", 6, SIM_INT32, SIM_POINTER, NULL},
    {"paused", 7, SIM_BOOL, SIM_OMIT_EMPTY, NULL},
    {"progressDeadlineSeconds", 9, SIM_INT32, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field deployment_condition_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"status", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"lastUpdateTime", 6, SIM_TIME, SIM_ALWAYS, NULL},
    {"lastTransitionTime", 7, SIM_TIME, SIM_ALWAYS, NULL},
    {"reason", 4, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field deployment_status_fields[] = {
    {"observedGeneration", 1, SIM_INT64, SIM_OMIT_EMPTY, NULL},
    {"replicas", 2, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"updatedReplicas", 3, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"readyReplicas", 7, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"availableReplicas", 4, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"unavailableReplicas", 5, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"terminatingReplicas", 9, SIM_INT32, SIM_POINTER, NULL},
    {"conditions", 6, SIM_OBJECTS, SIM_OMIT_EMPTY, deployment_condition_fields},
    {"collisionCount", 8, SIM_INT32, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field deployment_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, deployment_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, deployment_status_fields},
    SIM_END,
};

static const struct sim_field replica_set_spec_fields[] = {
    {"replicas", 1, SIM_INT32, SIM_POINTER, NULL},
    {"minReadySeconds", 4, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"selector", 2, SIM_OBJECT, SIM_POINTER, sim_label_selector_fields},
    {"template", 3, SIM_OBJECT, SIM_ALWAYS, sim_pod_template_fields},
    SIM_END,
};

static const struct sim_field workload_condition_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"status", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"lastTransitionTime", 3, SIM_TIME, SIM_ALWAYS, NULL},
    {"reason", 4, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field replica_set_status_fields[] = {
    {"replicas", 1, SIM_INT32, SIM_ALWAYS, NULL},
    {"fullyLabeledReplicas", 2, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"readyReplicas", 4, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"availableReplicas", 5, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"terminatingReplicas", 7, SIM_INT32, SIM_POINTER, NULL},
    {"observedGeneration", 3, SIM_INT64, SIM_OMIT_EMPTY, NULL},
    {"conditions", 6, SIM_OBJECTS, SIM_OMIT_EMPTY, workload_condition_fields},
    SIM_END,
};

static const struct sim_field replica_set_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, replica_set_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, replica_set_status_fields},
    SIM_END,
};

static const struct sim_field rolling_update_stateful_set_strategy_fields[] = {
    {"partition", 1, SIM_INT32, SIM_POINTER, NULL},
    {"maxUnavailable", 2, SIM_INT_OR_STRING, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field stateful_set_update_strategy_fields[] = {
    {"type", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"rollingUpdate", 2, SIM_OBJECT, SIM_POINTER, rolling_update_stateful_set_strategy_fields},
    SIM_END,
};

static const struct sim_field claim_retention_fields[] = {
    {"whenDeleted", 1, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"whenScaled", 2, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field stateful_set_spec_fields[] = {
    {"replicas", 1, SIM_INT32, SIM_POINTER, NULL},
    {"selector", 2, SIM_OBJECT, SIM_POINTER, sim_label_selector_fields},
    {"template", 3, SIM_OBJECT, SIM_ALWAYS, sim_pod_template_fields},
    {"serviceName", 5, SIM_STRING, SIM_ALWAYS, NULL},
    {"podManagementPolicy", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"updateStrategy", 7, SIM_OBJECT, SIM_ALWAYS, stateful_set_update_strategy_fields},
    {"revisionHistoryLimit", 8, SIM_INT32, SIM_POINTER, NULL},
    {"minReadySeconds", 9, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"persistentVolumeClaimRetentionPolicy", 10, SIM_OBJECT, SIM_POINTER, claim_retention_fields},
    SIM_OPEN_END,
};

static const struct sim_field stateful_set_status_fields[] = {
    {"observedGeneration", 1, SIM_INT64, SIM_OMIT_EMPTY, NULL},
    {"replicas", 2, SIM_INT32, SIM_ALWAYS, NULL},
    {"readyReplicas", 3, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"currentReplicas", 4, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"updatedReplicas", 5, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"currentRevision", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"updateRevision", 7, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"collisionCount", 9, SIM_INT32, SIM_POINTER, NULL},
    {"conditions", 10, SIM_OBJECTS, SIM_OMIT_EMPTY, workload_condition_fields},
    {"availableReplicas", 11, SIM_INT32, SIM_ALWAYS, NULL},
    SIM_END,
};

static const struct sim_field stateful_set_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, stateful_set_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, stateful_set_status_fields},
    SIM_END,
};

static const struct sim_field daemon_set_spec_fields[] = {
    {"selector", 1, SIM_OBJECT, SIM_POINTER, sim_label_selector_fields},
    {"template", 2, SIM_OBJECT, SIM_ALWAYS, sim_pod_template_fields},
    {"updateStrategy", 3, SIM_OBJECT, SIM_ALWAYS, deployment_strategy_fields},
    {"minReadySeconds", 4, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"revisionHistoryLimit", 6, SIM_INT32, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field daemon_set_status_fields[] = {
    {"currentNumberScheduled", 1, SIM_INT32, SIM_ALWAYS, NULL},
    {"numberMisscheduled", 2, SIM_INT32, SIM_ALWAYS, NULL},
    {"desiredNumberScheduled", 3, SIM_INT32, SIM_ALWAYS, NULL},
    {"numberReady", 4, SIM_INT32, SIM_ALWAYS, NULL},
    {"observedGeneration", 5, SIM_INT64, SIM_OMIT_EMPTY, NULL},
    {"updatedNumberScheduled", 6, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"numberAvailable", 7, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"numberUnavailable", 8, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"collisionCount", 9, SIM_INT32, SIM_POINTER, NULL},
    {"conditions", 10, SIM_OBJECTS, SIM_OMIT_EMPTY, workload_condition_fields},
    SIM_END,
};

static const struct sim_field daemon_set_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, daemon_set_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, daemon_set_status_fields},
    SIM_END,
};

static const struct sim_field job_spec_fields[] = {
    {"parallelism", 1, SIM_INT32, SIM_POINTER, NULL},
    {"completions", 2, SIM_INT32, SIM_POINTER, NULL},
    {"activeDeadlineSeconds", 3, SIM_INT64, SIM_POINTER, NULL},
    {"backoffLimit", 7, SIM_INT32, SIM_POINTER, NULL},
    {"backoffLimitPerIndex", 12, SIM_INT32, SIM_POINTER, NULL},
    {"maxFailedIndexes", 13, SIM_INT32, SIM_POINTER, NULL},
    {"selector", 4, SIM_OBJECT, SIM_POINTER, sim_label_selector_fields},
    {"manualSelector", 5, SIM_BOOL, SIM_POINTER, NULL},
    {"template", 6, SIM_OBJECT, SIM_ALWAYS, sim_pod_template_fields},
    {"ttlSecondsAfterFinished", 8, SIM_INT32, SIM_POINTER, NULL},
    {"completionMode", 9, SIM_STRING, SIM_POINTER, NULL},
    {"suspend", 10, SIM_BOOL, SIM_POINTER, NULL},
    {"podReplacementPolicy", 14, SIM_STRING, SIM_POINTER, NULL},
    {"managedBy", 15, SIM_STRING, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field job_condition_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"status", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"lastProbeTime", 3, SIM_TIME, SIM_ALWAYS, NULL},
    {"lastTransitionTime", 4, SIM_TIME, SIM_ALWAYS, NULL},
    {"reason", 5, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"message", 6, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field job_status_fields[] = {
    {"conditions", 1, SIM_OBJECTS, SIM_OMIT_EMPTY, job_condition_fields},
    {"startTime", 2, SIM_TIME, SIM_POINTER, NULL},
    {"completionTime", 3, SIM_TIME, SIM_POINTER, NULL},
    {"active", 4, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"succeeded", 5, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"failed", 6, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"terminating", 11, SIM_INT32, SIM_POINTER, NULL},
    {"completedIndexes", 7, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"failedIndexes", 10, SIM_STRING, SIM_POINTER, NULL},
    {"ready", 9, SIM_INT32, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field job_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, job_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, job_status_fields},
    SIM_END,
};

static const struct sim_field job_template_spec_fields[] = {
    {"metadata", 1, SIM_OBJECT, SIM_ALWAYS, sim_metadata_fields},
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, job_spec_fields},
    SIM_END,
};

static const struct sim_field cron_job_spec_fields[] = {
    {"schedule", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"timeZone", 8, SIM_STRING, SIM_POINTER, NULL},
    {"startingDeadlineSeconds", 2, SIM_INT64, SIM_POINTER, NULL},
    {"concurrencyPolicy", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    {"suspend", 4, SIM_BOOL, SIM_POINTER, NULL},
    {"jobTemplate", 5, SIM_OBJECT, SIM_ALWAYS, job_template_spec_fields},
    {"successfulJobsHistoryLimit", 6, SIM_INT32, SIM_POINTER, NULL},
    {"failedJobsHistoryLimit", 7, SIM_INT32, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field cron_job_status_fields[] = {
    {"active", 1, SIM_OBJECTS, SIM_OMIT_EMPTY, sim_object_reference_fields},
    {"lastScheduleTime", 4, SIM_TIME, SIM_POINTER, NULL},
    {"lastSuccessfulTime", 5, SIM_TIME, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field cron_job_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, cron_job_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, cron_job_status_fields},
    SIM_END,
};

static const struct sim_field scale_target_fields[] = {
    {"kind", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"name", 2, SIM_STRING, SIM_ALWAYS, NULL},
    {"apiVersion", 3, SIM_STRING, SIM_OMIT_EMPTY, NULL},
    SIM_END,
};

static const struct sim_field metric_target_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"value", 2, SIM_QUANTITY, SIM_POINTER, NULL},
    {"averageValue", 3, SIM_QUANTITY, SIM_POINTER, NULL},
    {"averageUtilization", 4, SIM_INT32, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field resource_metric_source_fields[] = {
    {"name", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"target", 2, SIM_OBJECT, SIM_ALWAYS, metric_target_fields},
    SIM_END,
};

static const struct sim_field metric_spec_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"resource", 4, SIM_OBJECT, SIM_POINTER, resource_metric_source_fields},
    SIM_OPEN_END,
};

static const struct sim_field horizontal_pod_autoscaler_spec_fields[] = {
    {"scaleTargetRef", 1, SIM_OBJECT, SIM_ALWAYS, scale_target_fields},
    {"minReplicas", 2, SIM_INT32, SIM_POINTER, NULL},
    {"maxReplicas", 3, SIM_INT32, SIM_ALWAYS, NULL},
    {"metrics", 4, SIM_OBJECTS, SIM_OMIT_EMPTY, metric_spec_fields},
    SIM_OPEN_END,
};

static const struct sim_field metric_value_status_fields[] = {
    {"value", 1, SIM_QUANTITY, SIM_POINTER, NULL},
    {"averageValue", 2, SIM_QUANTITY, SIM_POINTER, NULL},
    {"averageUtilization", 3, SIM_INT32, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field resource_metric_status_fields[] = {
    {"name", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"current", 2, SIM_OBJECT, SIM_ALWAYS, metric_value_status_fields},
    SIM_END,
};

static const struct sim_field metric_status_fields[] = {
    {"type", 1, SIM_STRING, SIM_ALWAYS, NULL},
    {"resource", 4, SIM_OBJECT, SIM_POINTER, resource_metric_status_fields},
    SIM_OPEN_END,
};

static const struct sim_field horizontal_pod_autoscaler_status_fields[] = {
    {"observedGeneration", 1, SIM_INT64, SIM_POINTER, NULL},
    {"lastScaleTime", 2, SIM_TIME, SIM_POINTER, NULL},
    {"currentReplicas", 3, SIM_INT32, SIM_OMIT_EMPTY, NULL},
    {"desiredReplicas", 4, SIM_INT32, SIM_ALWAYS, NULL},
    {"currentMetrics", 5, SIM_OBJECTS, SIM_ALWAYS, metric_status_fields},
    {"conditions", 6, SIM_OBJECTS, SIM_OMIT_EMPTY, workload_condition_fields},
    SIM_END,
};

static const struct sim_field horizontal_pod_autoscaler_fields[] = {
    {"spec", 2, SIM_OBJECT, SIM_ALWAYS, horizontal_pod_autoscaler_spec_fields},
    {"status", 3, SIM_OBJECT, SIM_ALWAYS, horizontal_pod_autoscaler_status_fields},
    SIM_END,
};

static const struct sim_field endpoint_conditions_fields[] = {
    {"ready", 1, SIM_BOOL, SIM_POINTER, NULL},
    {"serving", 2, SIM_BOOL, SIM_POINTER, NULL},
    {"terminating", 3, SIM_BOOL, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field endpoint_fields[] = {
    {"addresses", 1, SIM_STRINGS, SIM_ALWAYS, NULL},
    {"conditions", 2, SIM_OBJECT, SIM_ALWAYS, endpoint_conditions_fields},
    {"hostname", 3, SIM_STRING, SIM_POINTER, NULL},
    {"targetRef", 4, SIM_OBJECT, SIM_POINTER, sim_object_reference_fields},
    {"deprecatedTopology", 5, SIM_STRING_MAP, SIM_OMIT_EMPTY, NULL},
    {"nodeName", 6, SIM_STRING, SIM_POINTER, NULL},
    {"zone", 7, SIM_STRING, SIM_POINTER, NULL},
    SIM_OPEN_END,
};

static const struct sim_field discovery_endpoint_port_fields[] = {
    {"name", 1, SIM_STRING, SIM_POINTER, NULL},
    {"protocol", 2, SIM_STRING, SIM_POINTER, NULL},
    {"port", 3, SIM_INT32, SIM_POINTER, NULL},
    {"appProtocol", 4, SIM_STRING, SIM_POINTER, NULL},
    SIM_END,
};

static const struct sim_field endpoint_slice_fields[] = {
    {"addressType", 4, SIM_STRING, SIM_ALWAYS, NULL},
    {"endpoints", 2, SIM_OBJECTS, SIM_ALWAYS, endpoint_fields},
    {"ports", 3, SIM_OBJECTS, SIM_ALWAYS, discovery_endpoint_port_fields},
    SIM_END,
};

const struct sim_kind sim_deployment_kind = {
    .group = "apps",
    .version = "v1",
    .kind = "Deployment",
    .list_kind = "DeploymentList",
    .plural = "deployments",
    .singular = "deployment",
    .short_name = "deploy",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .has_generation = true,
    .fields = deployment_fields,
    .defaults = {{"spec.replicas", "1"},
                 {"spec.revisionHistoryLimit", "10"},
                 {"spec.progressDeadlineSeconds", "600"}},
    .columns = {{"Name", "name"},
                {"Desired", "spec.replicas"},
                {"Available", "status.availableReplicas"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_replica_set_kind = {
    .group = "apps",
    .version = "v1",
    .kind = "ReplicaSet",
    .list_kind = "ReplicaSetList",
    .plural = "replicasets",
    .singular = "replicaset",
    .short_name = "rs",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .has_generation = true,
    .fields = replica_set_fields,
    .defaults = {{"spec.replicas", "1"}},
    .columns = {{"Name", "name"},
                {"Desired", "spec.replicas"},
                {"Available", "status.availableReplicas"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_stateful_set_kind = {
    .group = "apps",
    .version = "v1",
    .kind = "StatefulSet",
    .list_kind = "StatefulSetList",
    .plural = "statefulsets",
    .singular = "statefulset",
    .short_name = "sts",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .has_generation = true,
    .fields = stateful_set_fields,
    .defaults = {{"spec.replicas", "1"},
                 {"spec.podManagementPolicy", "\"OrderedReady\""},
                 {"spec.revisionHistoryLimit", "10"}},
    .columns = {{"Name", "name"},
                {"Desired", "spec.replicas"},
                {"Ready", "status.readyReplicas"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_daemon_set_kind = {
    .group = "apps",
    .version = "v1",
    .kind = "DaemonSet",
    .list_kind = "DaemonSetList",
    .plural = "daemonsets",
    .singular = "daemonset",
    .short_name = "ds",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .has_generation = true,
    .fields = daemon_set_fields,
    .defaults = {{"spec.revisionHistoryLimit", "10"}},
    .columns = {{"Name", "name"},
                {"Desired", "status.desiredNumberScheduled"},
                {"Ready", "status.numberReady"},
                {"Age", "age"},
                {NULL}},
};

/* As the default of completions depends on whether parallelism was given, it is not in the table. */
static void job_prepare(struct arena *a, struct dom *object, const struct dom *old)
{
    struct dom *spec = dom_getz(object, "spec");
    (void)old;
    if (dom_getz(spec, "parallelism") == NULL) {
        dom_set(spec, STR("parallelism"), dom_number(a, 1));
        if (dom_getz(spec, "completions") == NULL)
            dom_set(spec, STR("completions"), dom_number(a, 1));
    }
}

const struct sim_kind sim_job_kind = {
    .group = "batch",
    .version = "v1",
    .kind = "Job",
    .list_kind = "JobList",
    .plural = "jobs",
    .singular = "job",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .has_generation = true,
    .fields = job_fields,
    .defaults = {{"spec.backoffLimit", "6"},
                 {"spec.completionMode", "\"NonIndexed\""},
                 {"spec.suspend", "false"},
                 {"spec.podReplacementPolicy", "\"TerminatingOrFailed\""}},
    .prepare = job_prepare,
    .columns = {{"Name", "name"},
                {"Completions", "spec.completions"},
                {"Succeeded", "status.succeeded"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_cron_job_kind = {
    .group = "batch",
    .version = "v1",
    .kind = "CronJob",
    .list_kind = "CronJobList",
    .plural = "cronjobs",
    .singular = "cronjob",
    .short_name = "cj",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .has_generation = true,
    .fields = cron_job_fields,
    .defaults = {{"spec.concurrencyPolicy", "\"Allow\""},
                 {"spec.suspend", "false"},
                 {"spec.successfulJobsHistoryLimit", "3"},
                 {"spec.failedJobsHistoryLimit", "1"}},
    .columns = {{"Name", "name"}, {"Schedule", "spec.schedule"}, {"Age", "age"}, {NULL}},
};

const struct sim_kind sim_hpa_kind = {
    .group = "autoscaling",
    .version = "v2",
    .kind = "HorizontalPodAutoscaler",
    .list_kind = "HorizontalPodAutoscalerList",
    .plural = "horizontalpodautoscalers",
    .singular = "horizontalpodautoscaler",
    .short_name = "hpa",
    .namespaced = true,
    .unconditional_update = true,
    .has_status = true,
    .fields = horizontal_pod_autoscaler_fields,
    .defaults = {{"spec.minReplicas", "1"}},
    .columns = {{"Name", "name"},
                {"Min", "spec.minReplicas"},
                {"Max", "spec.maxReplicas"},
                {"Replicas", "status.currentReplicas"},
                {"Age", "age"},
                {NULL}},
};

const struct sim_kind sim_endpoint_slice_kind = {
    .group = "discovery.k8s.io",
    .version = "v1",
    .kind = "EndpointSlice",
    .list_kind = "EndpointSliceList",
    .plural = "endpointslices",
    .singular = "endpointslice",
    .namespaced = true,
    .unconditional_update = true,
    .has_generation = true,
    .fields = endpoint_slice_fields,
    .columns = {{"Name", "name"}, {"AddressType", "addressType"}, {"Age", "age"}, {NULL}},
};

const struct sim_kind sim_cluster_resource_quota_kind = {
    .group = "quota.openshift.io",
    .version = "v1",
    .kind = "ClusterResourceQuota",
    .list_kind = "ClusterResourceQuotaList",
    .plural = "clusterresourcequotas",
    .singular = "clusterresourcequota",
    .columns = {{"Name", "name"}, {"Age", "age"}, {NULL}},
};
