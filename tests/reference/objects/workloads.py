"""Workload kinds, autoscalers and quotas."""
from objects import Kind, owner, template

SELECTOR = {"selector": {"matchLabels": {"app": "x"}}}
LABELS = {"app": "x", "empty": "", "example.com/part.of": "Shop_1", "k8s.workload.name": "clash", "k8s.namespace.name": "clash"}
LONG = "l" + "0123456789" * 6 + "z"


def shapes():
    return [shape for kind in (cron_jobs, jobs, deployments, replica_sets, daemon_sets, stateful_sets, replication_controllers, autoscalers, quotas,
                               cluster_quotas) for shape in kind()]


def cron_jobs():
    k = Kind("cronjobs")

    def spec(**more):
        return {"spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": {"template": template("Never")}}, **more}}
    k.add("nightly", spec(schedule="0 3 * * *", concurrencyPolicy="Forbid"), namespace="odd-a", labels=LABELS)
    k.add("bare", spec())
    k.add("empty-status", spec(), {})
    active = [{"apiVersion": "batch/v1", "kind": "Job", "namespace": "odd-a", "name": f"j{i}", "uid": f"u{i}"} for i in range(3)]
    k.add("suspended-busy", spec(suspend=True, concurrencyPolicy="Replace"), {"active": active, "lastScheduleTime": "2026-01-01T00:00:00Z"})
    k.add("one-active", spec(schedule="@hourly", timeZone="Etc/UTC"), {"active": active[:1]})
    k.add("empty-reference", spec(), {"active": [{}, {}]})
    k.add("macro", spec(schedule="@every 1h30m", startingDeadlineSeconds=0), annotations={"note": "ünïcödé ✓"})
    k.add("owned", spec(), ownerReferences=[owner("example.com/v1", "Backup", "b", "b-1"), owner("example.com/v1", "Backup", "c", "c-1", True)])
    return k.shapes


def jobs():
    k = Kind("jobs")

    def spec(**more):
        return {"spec": {"template": template("Never"), **more}}
    started = {"startTime": "2026-01-01T00:00:00Z"}
    k.add("nightly-1", spec(), {"active": 1, **started}, namespace="odd-a",
          ownerReferences=[owner("batch/v1", "CronJob", "nightly", "uid:cronjobs/odd-a/nightly", True)])
    k.add("lost-cron-1", spec(), namespace="odd-b", ownerReferences=[owner("batch/v1", "CronJob", "gone", "gone-1", True)])
    k.add("single", spec(completions=1, parallelism=1), namespace="odd-c")
    k.add("work-queue", spec(parallelism=4), {"active": 2, "failed": 1, **started}, labels={"team": "x"})
    k.add("no-parallelism", spec(completions=3), {"succeeded": 2, **started})
    k.add("zero", spec(completions=0, parallelism=0), {})
    k.add("suspended", spec(suspend=True, completions=5, parallelism=5))
    k.add("indexed", spec(completions=3, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=1),
          {"active": 1, "succeeded": 1, "completedIndexes": "0", "failedIndexes": "", "ready": 1, **started})
    k.add("many", spec(completions=2147483647, parallelism=100000), {"active": 99999, "succeeded": 1000000000, "failed": 7, **started})
    k.add("done", spec(completions=1), {"succeeded": 1, "completionTime": "2026-01-01T01:00:00Z", "conditions": [
        {"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}], **started})
    k.add("failed", spec(backoffLimit=0), {"failed": 1, "conditions": [
        {"type": "FailureTarget", "status": "True", "reason": "x"}, {"type": "Failed", "status": "True", "reason": "x"}], **started})
    k.add("terminating-pods", spec(podReplacementPolicy="Failed"), {"active": 1, "terminating": 2, "ready": 0, **started})
    k.add("uncounted", spec(), {"active": 0, "uncountedTerminatedPods": {"succeeded": ["a", "b"], "failed": ["c"]}, **started})
    k.add("owners", spec(), labels=LABELS, ownerReferences=[owner("example.com/v1", "Train", "t", "t-1"), owner("v1", "Pod", "p", "p-1"),
                                                            owner("batch/v1", "CronJob", "nightly", "uid:cronjobs/odd-a/nightly")])
    return k.shapes


def deployments():
    k = Kind("deployments")

    def spec(**more):
        return {"spec": {**SELECTOR, "template": template(), **more}}
    k.add("web", spec(replicas=3), {"replicas": 3, "availableReplicas": 2, "readyReplicas": 3, "updatedReplicas": 3}, namespace="odd-a", labels=LABELS)
    k.add("no-replicas-given", spec())
    k.add("zero", spec(replicas=0), {})
    k.add("none-available", spec(replicas=5), {"replicas": 5, "unavailableReplicas": 5, "observedGeneration": 1})
    k.add("more-than-wanted", spec(replicas=1), {"replicas": 9, "availableReplicas": 9, "readyReplicas": 9})
    k.add("most", spec(replicas=2147483647), {"replicas": 2147483647, "availableReplicas": 2147483647, "readyReplicas": 2147483647})
    k.add("paused", spec(replicas=2, paused=True, strategy={"type": "Recreate"}), {"replicas": 1, "availableReplicas": 1, "readyReplicas": 1})
    k.add("owned", spec(), ownerReferences=[owner("example.com/v1", "App", "a", "a-1", True)], annotations={"note": "ключ"})
    k.add("conditions", spec(), {"conditions": [{"type": "Progressing", "status": "Unknown", "reason": "x"}], "collisionCount": 3})
    k.add(LONG * 3, spec(replicas=1))
    k.add("leaving", spec(replicas=4), {"replicas": 4}, finalizers=["example.com/stay"], deleted=True)
    return k.shapes


def replica_sets():
    k = Kind("replicasets")

    def spec(**more):
        return {"spec": {**SELECTOR, "template": template(), **more}}
    k.add("web-1", spec(replicas=3), {"replicas": 3, "availableReplicas": 1, "readyReplicas": 2}, namespace="odd-a",
          ownerReferences=[owner("apps/v1", "Deployment", "web", "uid:deployments/odd-a/web", True)])
    k.add("lost-1", spec(replicas=1), namespace="odd-b", ownerReferences=[owner("apps/v1", "Deployment", "gone", "gone-2", True)])
    k.add("alone", spec(), namespace="odd-c", labels=LABELS)
    k.add("old-web", spec(replicas=0), {"replicas": 0}, namespace="odd-a",
          ownerReferences=[owner("apps/v1", "Deployment", "web", "uid:deployments/odd-a/web", True)])
    k.add("rollout", spec(replicas=2, minReadySeconds=10), {"replicas": 1},
          ownerReferences=[owner("argoproj.io/v1alpha1", "Rollout", "r", "r-1", True), owner("apps/v1", "Deployment", "d", "d-1")])
    k.add("shared", spec(replicas=1), {"replicas": 1, "fullyLabeledReplicas": 1}, ownerReferences=[
        owner("apps/v1", "Deployment", "one", "one-1"), owner("apps/v1", "Deployment", "two", "two-1", True)])
    k.add("surplus", spec(replicas=1), {"replicas": 7, "availableReplicas": 7, "readyReplicas": 7, "terminatingReplicas": 2})
    k.add("empty-status", spec(replicas=6), {"replicas": 0})
    k.add("expressions", {"spec": {"selector": {"matchExpressions": [{"key": "app", "operator": "Exists"}]}, "template": template()}})
    return k.shapes


def daemon_sets():
    k = Kind("daemonsets")

    def spec(**more):
        return {"spec": {**SELECTOR, "template": template(), **more}}

    def status(current=0, wrong=0, desired=0, ready=0, **more):
        return {"currentNumberScheduled": current, "numberMisscheduled": wrong, "desiredNumberScheduled": desired, "numberReady": ready, **more}
    k.add("agent", spec(), status(5, 1, 6, 4, numberAvailable=4), namespace="odd-a", labels=LABELS)
    k.add("bare", spec())
    k.add("only-ready", spec(), status(ready=3))
    k.add("only-wrong", spec(updateStrategy={"type": "OnDelete"}), status(wrong=2))
    k.add("no-nodes", spec(), status())
    k.add("most", spec(), status(2147483647, 2147483647, 2147483647, 2147483647))
    k.add("owned", spec(), ownerReferences=[owner("apps/v1", "Deployment", "web", "uid:deployments/odd-a/web")], annotations={"a": "é"})
    k.add("unavailable", spec(minReadySeconds=1), status(3, 0, 3, 0, numberUnavailable=3, observedGeneration=9))
    return k.shapes


def stateful_sets():
    k = Kind("statefulsets")

    def spec(**more):
        return {"spec": {**SELECTOR, "template": template(), "serviceName": "db", **more}}
    k.add("db", spec(replicas=3), {"replicas": 3, "readyReplicas": 2, "currentReplicas": 1, "updatedReplicas": 2, "availableReplicas": 2,
                                   "currentRevision": "db-1", "updateRevision": "db-2"}, namespace="odd-a", labels=LABELS)
    k.add("no-replicas-given", spec())
    k.add("zero", spec(replicas=0), {"replicas": 0})
    k.add("only-current", spec(replicas=2), {"replicas": 2, "currentReplicas": 2, "currentRevision": "r"})
    k.add("only-updated", spec(replicas=2), {"replicas": 2, "updatedReplicas": 1, "updateRevision": "r"})
    k.add("only-ready", spec(replicas=2, podManagementPolicy="Parallel"), {"replicas": 2, "readyReplicas": 2})
    k.add("claims", spec(volumeClaimTemplates=[{"metadata": {"name": "d"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {
        "requests": {"storage": "1Gi"}}}}]), annotations={"note": "ÿ"})
    k.add("partition", spec(replicas=4, updateStrategy={"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}, ordinals={"start": 5}),
          {"replicas": 4, "readyReplicas": 4, "availableReplicas": 4, "collisionCount": 2})
    k.add("owned", spec(), ownerReferences=[owner("example.com/v1", "Postgres", "pg", "pg-1", True), owner("v1", "ConfigMap", "cm", "cm-1")])
    return k.shapes


def replication_controllers():
    k = Kind("replicationcontrollers")

    def spec(**more):
        return {"spec": {"selector": {"app": "x"}, "template": template(), **more}}
    k.add("old", spec(replicas=2), {"replicas": 2, "availableReplicas": 1, "readyReplicas": 2}, namespace="odd-a", labels=LABELS)
    k.add("no-replicas-given", spec())
    k.add("zero", spec(replicas=0), {"replicas": 0})
    k.add("no-selector", {"spec": {"replicas": 1, "template": template()}})
    k.add("surplus", spec(replicas=1), {"replicas": 3, "availableReplicas": 3, "readyReplicas": 3, "fullyLabeledReplicas": 3})
    k.add("conditions", spec(minReadySeconds=4), {"replicas": 0, "conditions": [{"type": "ReplicaFailure", "status": "True"}]})
    k.add("owned", spec(), ownerReferences=[owner("apps.openshift.io/v1", "DeploymentConfig", "dc", "dc-1", True)])
    return k.shapes


def autoscalers():
    k = Kind("horizontalpodautoscalers")

    def spec(kind="Deployment", name="web", version="apps/v1", **more):
        target = {"kind": kind, "name": name, **({"apiVersion": version} if version else {})}
        return {"spec": {"scaleTargetRef": target, "maxReplicas": 10, **more}}

    def resource(**target):
        return [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    k.add("web", spec(minReplicas=2, metrics=resource(type="Utilization", averageUtilization=80)),
          {"currentReplicas": 3, "desiredReplicas": 4, "lastScaleTime": "2026-01-01T00:00:00Z"}, namespace="odd-a", labels=LABELS)
    k.add("no-min-no-metrics", spec())
    k.add("empty-metrics", spec(metrics=[], minReplicas=1), {"desiredReplicas": 1})
    k.add("no-version", spec("ReplicationController", "old", None), {"currentReplicas": 1, "desiredReplicas": 0})
    k.add("custom-target", spec("Rollout", "r.x", "argoproj.io/v1alpha1", minReplicas=3, maxReplicas=3), {"currentReplicas": 0, "desiredReplicas": 3})
    k.add("external", spec(metrics=[{"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "1500m"}}}]),
          {"desiredReplicas": 2, "currentMetrics": [{"type": "External", "external": {"metric": {"name": "queue"}, "current": {"value": "10E"}}}]})
    k.add("behaviour", spec(behavior={"scaleDown": {"stabilizationWindowSeconds": 0, "policies": [
        {"type": "Pods", "value": 1, "periodSeconds": 60}]}}), {"desiredReplicas": 0, "conditions": [{"type": "AbleToScale", "status": "Odd"}]})
    k.add("most", spec(minReplicas=1, maxReplicas=2147483647), {"currentReplicas": 2147483647, "desiredReplicas": 2147483647})
    k.add("several", spec("StatefulSet", "db", metrics=resource(type="AverageValue", averageValue="100m") + [
        {"type": "Pods", "pods": {"metric": {"name": "p"}, "target": {"type": "AverageValue", "averageValue": "1k"}}}]), {"desiredReplicas": 1})
    k.add("owned", spec(), ownerReferences=[owner("keda.sh/v1alpha1", "ScaledObject", "s", "s-1", True)], annotations={"note": "Ω"})
    return k.shapes


def quotas():
    k = Kind("resourcequotas")
    k.add("bare", {"spec": {"hard": {"pods": "10"}}})
    k.add("no-spec")
    k.add("empty-status", {"spec": {"hard": {"cpu": "1"}}}, {})
    k.add("plain", {}, {"hard": {"limits.cpu": "2", "cpu": "1500m", "pods": "10", "requests.memory": "1Gi"}, "used": {"limits.cpu": "250m", "pods": "3"}},
          labels=LABELS)
    k.add("cpus", {}, {"hard": {"cpu": "500m", "limits.cpu": "1.5", "requests.cpu": "100m"}, "used": {"cpu": "1m", "limits.cpu": "1500u",
                                                                                                   "requests.cpu": "0"}})
    k.add("counts", {}, {"hard": {"count/jobs.batch": "5", "count/widgets.example.com": "1e3", "count/deployments.apps": "0", "services": "3",
                                  "services.loadbalancers": "1", "persistentvolumeclaims": "4", "secrets": "100"},
                         "used": {"count/jobs.batch": "2", "count/widgets.example.com": "7"}})
    k.add("devices", {}, {"hard": {"requests.nvidia.com/gpu": "4", "limits.example.com/foo": "2", "requests.hugepages-2Mi": "8Mi"},
                          "used": {"requests.nvidia.com/gpu": "1"}})
    k.add("storage", {}, {"hard": {"requests.storage": "1.5Ti", "fast.storageclass.storage.k8s.io/requests.storage": "500Gi",
                                   "fast.storageclass.storage.k8s.io/persistentvolumeclaims": "3", "limits.ephemeral-storage": "12e6"}})
    k.add("only-used", {}, {"used": {"pods": "3", "requests.cpu": "1n"}})
    k.add("fractions", {}, {"hard": {"requests.memory": "1500m", "limits.memory": "0.1", "memory": "1.0000000001Ki", "requests.cpu": "999999n"},
                            "used": {"requests.memory": "1u", "memory": "1025"}})
    k.add("zeros", {}, {"hard": {"pods": "0", "requests.cpu": "0m", "requests.memory": "0Ki", "secrets": "0e5"}, "used": {"pods": "00"}})
    k.add("huge", {}, {"hard": {"requests.memory": "10E", "limits.memory": "1E", "limits.cpu": "1E", "requests.cpu": "10E", "memory": "16Ei",
                                "requests.storage": "1e19", "pods": "9223372036854775807", "secrets": "9223372036854775808",
                                "configmaps": "9007199254740993"},
                       "used": {"limits.cpu": "9223372036854775807", "requests.cpu": "9223372036854775808", "requests.memory": "7E"}})
    k.add("edges", {}, {"hard": {"limits.cpu": "9223372036854775", "requests.cpu": "9223372036854776", "memory": "7Ei", "limits.memory": "8Ei",
                                 "requests.memory": "9223372036854775806500m"}})
    k.add("suffixes", {}, {"hard": {"pods": "1k", "secrets": "1M", "services": "2G", "configmaps": "3T", "requests.memory": "4P", "limits.memory": "1Ki",
                                    "memory": "2Mi", "requests.storage": "5Pi", "count/a.b": "1E3", "count/c.d": "+5", "count/e.f": "5."}})
    k.add("scoped", {"spec": {"hard": {"pods": "4"}, "scopes": ["NotTerminating"]}}, {"hard": {"pods": "4"}, "used": {"pods": "1"}})
    k.add("example-cpus", {}, {"hard": {"count/x.cpu": "5", "example.com/my.cpu": "250", "requests.example.com/cpu": "3"}})
    return k.shapes


def cluster_quotas():
    """Of OpenShift; its definition has no schema, so that everything is accepted."""
    k = Kind("clusterresourcequotas")

    def status(total, **namespaces):
        return {"status": {"total": total, "namespaces": [{"namespace": name, "status": each} for name, each in namespaces.items()]}}
    k.add("crq-bare", {"spec": {"selector": {}, "quota": {"hard": {"pods": "1"}}}})
    k.add("crq-plain", status({"hard": {"pods": "10", "limits.cpu": "1500m", "cpu": "1500m"}, "used": {"pods": "2"}},
                              a={"hard": {"pods": "5", "requests.cpu": "100m"}, "used": {"pods": "1"}}, b={"used": {"pods": "1", "memory": "1.5Gi"}}))
    k.add("crq-negative", status({"hard": {"pods": "-1", "limits.cpu": "-100m", "cpu": "-1500m", "memory": "-1.5Gi", "secrets": "-10E",
                                           "requests.cpu": "-10E"}, "used": {"pods": "-0"}}, a={"hard": {"requests.cpu": "-1n", "pods": "-1m"}}))
    k.add("crq-numbers", status({"hard": {"pods": 7, "requests.memory": 1.5, "cpu": "1e3"}, "used": {}}, a={}, **{"": {"hard": {"pods": "1"}}}))
    k.add("crq-huge", status({"hard": {"memory": "10E", "limits.cpu": "10E", "pods": "16Ei"}}), labels={"a": "b"})
    k.add("crq-twice", {"status": {"total": {"hard": {"a/b": "1"}}, "namespaces": [
        {"namespace": "a", "status": {"hard": {"x": "1"}}}, {"namespace": "b", "status": {"hard": {"x": "2"}}}]}})
    return k.shapes
