"""Objects of every built-in kind, usual and odd, as requests to an API server: (kind, collection path, object with its status)."""

CORE = "/api/v1"
SHOP = "/api/v1/namespaces/shop"
APPS = "/apis/apps/v1/namespaces/shop"
BATCH = "/apis/batch/v1/namespaces/shop"
PATHS = {
    "Pod": f"{SHOP}/pods", "Node": f"{CORE}/nodes", "Namespace": f"{CORE}/namespaces", "ReplicationController": f"{SHOP}/replicationcontrollers",
    "ResourceQuota": f"{SHOP}/resourcequotas", "Service": f"{SHOP}/services", "DaemonSet": f"{APPS}/daemonsets",
    "Deployment": f"{APPS}/deployments", "ReplicaSet": f"{APPS}/replicasets", "StatefulSet": f"{APPS}/statefulsets", "Job": f"{BATCH}/jobs",
    "CronJob": f"{BATCH}/cronjobs", "HorizontalPodAutoscaler": "/apis/autoscaling/v2/namespaces/shop/horizontalpodautoscalers",
    "EndpointSlice": "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices", "PersistentVolume": f"{CORE}/persistentvolumes",
    "PersistentVolumeClaim": f"{SHOP}/persistentvolumeclaims",
}
VERSIONS = {"DaemonSet": "apps/v1", "Deployment": "apps/v1", "ReplicaSet": "apps/v1", "StatefulSet": "apps/v1", "Job": "batch/v1",
            "CronJob": "batch/v1", "HorizontalPodAutoscaler": "autoscaling/v2", "EndpointSlice": "discovery.k8s.io/v1"}
HEX = "0123456789abcdef" * 4
SECOND = "2026-01-02T03:04:05Z"
TEMPLATE = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "reg.io/web:1"}]}}
SELECTOR = {"matchLabels": {"app": "web"}}
OWNERS = [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web-1", "uid": "01234567-89ab-4def-8123-456789abcdef", "controller": True},
          {"apiVersion": "example.com/v1", "kind": "Odd", "name": "o", "uid": "NOT-A-UUID"}]
LABELS = {"app": "web", "example.com/tier": "front-end", "empty": "", "z": "1"}


def shape(kind, name, spec=None, status=None, labels=None, **rest):
    metadata = {"name": name, **rest.pop("metadata", {})}
    if labels:
        metadata["labels"] = labels
    body = {"apiVersion": VERSIONS.get(kind, "v1"), "kind": kind, "metadata": metadata, **rest}
    if spec is not None:
        body["spec"] = spec
    return kind, PATHS[kind], body, status


def container(name, image="reg.io/web:1", limits=None, requests=None):
    return {"name": name, "image": image, "resources": {"limits": limits or {}, "requests": requests or {}}}


def status_of(name, image="reg.io/web:1", container_id="", ready=False, restarts=0, **states):
    return {"name": name, "image": image, "imageID": f"{image}@sha256:{HEX}", "containerID": container_id, "ready": ready,
            "restartCount": restarts, **states}


def pods():
    running = {"state": {"running": {"startedAt": SECOND}}, "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled",
               "startedAt": SECOND, "finishedAt": SECOND}}}
    waiting = {"state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off"}}}
    ended = {"state": {"terminated": {"exitCode": 0, "reason": "Completed", "startedAt": SECOND, "finishedAt": SECOND}}}
    usual = {"containers": [container("main", "reg.io:5000/team/app:1.2.3", {"cpu": "1500m", "memory": "1.5Gi"}, {"cpu": "100m", "memory": "64Mi"}),
                            container("side", f"reg.io/side@sha256:{HEX}", {"ephemeral-storage": "1Gi"}, {"ephemeral-storage": "1e3"})],
             "initContainers": [container("init", "reg.io/init:3")], "nodeName": "n1"}
    yield shape("Pod", "usual", usual, {
        "phase": "Running", "qosClass": "Burstable", "startTime": SECOND,
        "containerStatuses": [status_of("side", f"sha256:{HEX}", f"containerd://{HEX}", True, 3, **running),
                              status_of("main", "reg.io:5000/team/app:1.2.3", f"containerd://{HEX[::-1]}", True, 0, **running)],
        "initContainerStatuses": [status_of("init", **ended)]}, LABELS, metadata={"ownerReferences": OWNERS})
    yield shape("Pod", "bare", {"containers": [container("c")]})
    yield shape("Pod", "waiting", {"containers": [container("c"), container("d")]}, {
        "phase": "Pending", "containerStatuses": [status_of("c", "", "", **waiting)]})
    yield shape("Pod", "evicted", {"containers": [container("c", requests={"cpu": "0", "memory": "0"})]},
                {"phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: memory."})
    yield shape("Pod", "ended", {"containers": [container("c", "UPPER/x:1", requests={"cpu": "1e-3", "memory": "128974848"})]}, {
        "phase": "Succeeded", "reason": "größer ☃", "containerStatuses": [status_of("c", "Not An Image", "docker://ab", False, 2147483647, **ended),
                                                                        status_of("stray", "x", "cri-o://0", True, 1, **running)]})
    yield shape("Pod", "huge", {"containers": [container("c", limits={"cpu": "9E", "memory": "8Ei", "example.com/gpu": "2"},
                                                         requests={"cpu": "100u", "memory": "9223372036854775807"})]},
                {"phase": "Unknown", "containerStatuses": []})


def nodes():
    yield shape("Node", "n1", None, {
        "capacity": {"cpu": "4"}, "allocatable": {"cpu": "3920m", "memory": "8Gi", "pods": "110", "hugepages-2Mi": "0", "example.com/gpu": "1"},
        "conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": SECOND}, {"type": "DiskPressure", "status": "Unknown"},
                       {"type": "example.com/Odd", "status": "Maybe"}],
        "nodeInfo": {"kubeletVersion": "v1.35.0", "containerRuntimeVersion": "containerd://2.0.1", "osImage": "Debian GNU/Linux 12",
                     "operatingSystem": "linux", "machineID": "m", "systemUUID": "s", "bootID": "b", "kernelVersion": "6.1", "kubeProxyVersion": "",
                     "architecture": "amd64"},
        "images": [{"names": [f"reg.io/image-{i}@sha256:{HEX}"], "sizeBytes": 10 ** 9 + i} for i in range(20)]}, LABELS)
    yield shape("Node", "n2", {"unschedulable": True})


def controllers():
    common = {"selector": SELECTOR, "template": TEMPLATE}
    yield shape("Deployment", "web", {"replicas": 3, **common}, {"replicas": 3, "availableReplicas": 2, "readyReplicas": 3, "updatedReplicas": 3},
                LABELS, metadata={"annotations": {"deployment.kubernetes.io/revision": "1"}})
    yield shape("Deployment", "none", {"replicas": 0, **common})
    yield shape("Deployment", "default", common)
    yield shape("ReplicaSet", "web", {"replicas": 2, **common}, {"replicas": 2, "availableReplicas": 1, "readyReplicas": 1, "fullyLabeledReplicas": 2},
                LABELS, metadata={"ownerReferences": OWNERS[:1]})
    yield shape("ReplicationController", "old", {"replicas": 4, "selector": {"app": "web"}, "template": TEMPLATE},
                {"replicas": 4, "availableReplicas": 3, "readyReplicas": 3})
    yield shape("StatefulSet", "db", {"replicas": 5, "serviceName": "db", **common},
                {"replicas": 5, "readyReplicas": 1, "currentReplicas": 2, "updatedReplicas": 3, "availableReplicas": 1, "currentRevision": "a"})
    yield shape("DaemonSet", "agent", common, {"currentNumberScheduled": 1, "desiredNumberScheduled": 2, "numberMisscheduled": 3, "numberReady": 1})
    job = {"metadata": {"labels": {"job": "x"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}
    yield shape("Job", "mail", {"parallelism": 4, "template": job}, {"active": 2, "failed": 1, "startTime": SECOND}, LABELS)
    yield shape("Job", "batch", {"parallelism": 0, "completions": 7, "template": job})
    yield shape("CronJob", "nightly", {"schedule": "0 3 * * *", "concurrencyPolicy": "Forbid", "jobTemplate": {"spec": {"template": job}}},
                {"active": [{"kind": "Job", "name": "nightly-1"}, {"kind": "Job", "name": "nightly-2"}], "lastScheduleTime": SECOND})
    yield shape("CronJob", "idle", {"schedule": "@hourly", "jobTemplate": {"spec": {"template": job}}})
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    yield shape("HorizontalPodAutoscaler", "web", {"minReplicas": 2, "maxReplicas": 9, "scaleTargetRef": target},
                {"currentReplicas": 3, "desiredReplicas": 4, "currentMetrics": []})
    yield shape("HorizontalPodAutoscaler", "default", {"maxReplicas": 1, "scaleTargetRef": target})


def others():
    yield shape("Namespace", "team-a", None, None, LABELS)
    yield shape("ResourceQuota", "odd", {"hard": {"limits.cpu": "2", "cpu": "1500m", "pods": "10", "requests.memory": "1Gi",
                                                  "count/widgets.example.com": "1e3", "fast.storageclass.storage.k8s.io/requests.storage": "1.5Ti"}},
                {"hard": {"limits.cpu": "2", "cpu": "1500m", "pods": "10", "requests.memory": "1Gi", "count/widgets.example.com": "1e3"},
                 "used": {"limits.cpu": "250m", "pods": "0"}})
    yield shape("Service", "web", {"type": "LoadBalancer", "selector": {"app": "web", "tier": "front"}, "ports": [{"port": 80}],
                                   "publishNotReadyAddresses": True, "trafficDistribution": "PreferClose"},
                {"loadBalancer": {"ingress": [{"ip": "203.0.113.1", "ipMode": "VIP"}, {"hostname": "lb.example.com"}]}}, LABELS,
                metadata={"annotations": {"note": "größer ☃", "kubectl.kubernetes.io/last-applied-configuration": "{\"a\":1}", "empty": ""}})
    yield shape("Service", "headless", {"clusterIP": "None", "ports": [{"port": 80}]})
    endpoints = [{"addresses": ["10.0.0.1"], "zone": "z1", "conditions": {"ready": True}},
                 {"addresses": ["10.0.0.2"], "zone": "z1", "conditions": {"ready": False, "serving": True, "terminating": True}},
                 {"addresses": ["10.0.0.3"], "conditions": {}}, {"addresses": ["10.0.0.4"], "zone": "z2", "conditions": {"ready": False}}]
    yield shape("EndpointSlice", "web-1", labels={"kubernetes.io/service-name": "web", "a": "b"}, addressType="IPv4", endpoints=endpoints, ports=[])
    yield shape("EndpointSlice", "empty", addressType="IPv6", endpoints=[])
    yield shape("PersistentVolume", "v1", {"capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
                                           "persistentVolumeReclaimPolicy": "Retain", "hostPath": {"path": "/x"}}, {"phase": "Bound"}, LABELS,
                metadata={"annotations": {"a": "1", "b": "2"}})
    claim = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1.5Gi"}}}
    yield shape("PersistentVolumeClaim", "c1", {**claim, "storageClassName": "fast", "volumeName": "v1"},
                {"phase": "Bound", "capacity": {"storage": "5Gi"}, "accessModes": ["ReadWriteOnce"]})
    yield shape("PersistentVolumeClaim", "c2", claim, {"phase": "Pending"})


def shapes():
    yield from nodes()
    yield from pods()
    yield from controllers()
    yield from others()  # with the quota, which would refuse pods, at the end
