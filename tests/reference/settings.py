"""Everything that the reference lets one switch on."""
from objects.nodes import ALLOCATABLES, CONDITIONS

METRICS = """
k8s.container.cpu_limit k8s.container.cpu_request k8s.container.ephemeralstorage_limit k8s.container.ephemeralstorage_request
k8s.container.memory_limit k8s.container.memory_request k8s.container.ready k8s.container.restarts k8s.container.status.reason
k8s.container.status.state k8s.container.storage_limit k8s.container.storage_request k8s.cronjob.active_jobs
k8s.daemonset.current_scheduled_nodes k8s.daemonset.desired_scheduled_nodes k8s.daemonset.misscheduled_nodes k8s.daemonset.ready_nodes
k8s.deployment.available k8s.deployment.desired k8s.hpa.current_replicas k8s.hpa.desired_replicas k8s.hpa.max_replicas k8s.hpa.min_replicas
k8s.job.active_pods k8s.job.desired_successful_pods k8s.job.failed_pods k8s.job.max_parallel_pods k8s.job.successful_pods k8s.namespace.phase
k8s.node.condition k8s.pod.phase k8s.pod.status_reason k8s.replicaset.available k8s.replicaset.desired k8s.replication_controller.available
k8s.replication_controller.desired k8s.resource_quota.hard_limit k8s.resource_quota.used k8s.service.endpoint.count
k8s.service.load_balancer.ingress.count k8s.statefulset.current_pods k8s.statefulset.desired_pods k8s.statefulset.ready_pods
k8s.statefulset.updated_pods openshift.appliedclusterquota.limit openshift.appliedclusterquota.used openshift.clusterquota.limit
openshift.clusterquota.used
""".split()
# A container cannot ask for `storage`: the server refuses it.
NEVER_SEEN = {"k8s.container.storage_limit", "k8s.container.storage_request"}

ATTRIBUTES = """
container.id container.image.name container.image.tag container.runtime container.runtime.version k8s.container.name
k8s.container.status.last_terminated_reason k8s.cronjob.name k8s.cronjob.uid k8s.daemonset.name k8s.daemonset.uid k8s.deployment.name
k8s.deployment.uid k8s.hpa.name k8s.hpa.scaletargetref.apiversion k8s.hpa.scaletargetref.kind k8s.hpa.scaletargetref.name k8s.hpa.uid
k8s.job.name k8s.job.uid k8s.kubelet.version k8s.namespace.name k8s.namespace.uid k8s.node.name k8s.node.uid k8s.pod.name k8s.pod.qos_class
k8s.pod.uid k8s.replicaset.name k8s.replicaset.uid k8s.replicationcontroller.name k8s.replicationcontroller.uid k8s.resourcequota.name
k8s.resourcequota.uid k8s.service.name k8s.service.publish_not_ready_addresses k8s.service.traffic_distribution k8s.service.type
k8s.service.uid k8s.statefulset.name k8s.statefulset.uid openshift.clusterquota.name openshift.clusterquota.uid os.description os.type
""".split()

EVERYTHING = {
    "distribution": "openshift",
    "metrics": {name: {"enabled": True} for name in METRICS},
    "resource_attributes": {name: {"enabled": True} for name in ATTRIBUTES},
    "node_conditions_to_report": CONDITIONS,
    "allocatable_types_to_report": ALLOCATABLES,
}

# What the reference does not know.
NEWER = {
    "metrics": {name: {"enabled": True} for name in (
        "k8s.statefulset.pod.available", "k8s.persistentvolume.status.phase", "k8s.persistentvolume.storage.capacity",
        "k8s.persistentvolumeclaim.status.phase", "k8s.persistentvolumeclaim.storage.capacity", "k8s.persistentvolumeclaim.storage.request")},
    "resource_attributes": {"k8s.persistentvolume.reclaim_policy": {"enabled": True}},
}

NOTHING = {
    "metrics": {name: {"enabled": False} for name in METRICS},
    "node_conditions_to_report": [],
}

# With the names of many node conditions beside it.
TEXTS = {
    "distribution": "openshift",
    "metrics": {name: {"enabled": "quota" in name or name in ("k8s.container.ready", "k8s.container.cpu_request", "k8s.container.memory_request")}
                for name in METRICS},
    "resource_attributes": {"k8s.node.uid": {"enabled": True}},
}

FILTERS = {
    "metrics": {"k8s.node.condition": {"enabled": True}, "k8s.container.restarts": {"enabled": False}, "k8s.pod.status_reason": {"enabled": True},
                "k8s.service.load_balancer.ingress.count": {"enabled": True}, "k8s.container.status.state": {"enabled": True}},
    "node_conditions_to_report": ["Ready", "DiskPressure"],
    "resource_attributes": {
        "k8s.pod.name": {"metrics_include": [{"regexp": "^of-"}, {"strict": "bare"}, {"regexp": "IMAGES|images-0[0-9]$"}, {"strict": "id"}],
                         "metrics_exclude": [{"regexp": "lost"}]},
        "container.image.tag": {"metrics_exclude": [{"strict": "latest"}]},
        "container.id": {"metrics_include": [{"regexp": "."}]},
        "k8s.namespace.name": {"metrics_exclude": [{"strict": "odd-b"}, {"regexp": "^kube-"}]},
        "k8s.node.name": {"metrics_exclude": [{"regexp": "a(llocatable|bsent)-"}]},
        "k8s.deployment.uid": {"enabled": False},
        "k8s.deployment.name": {"enabled": False, "metrics_include": [{"strict": "web"}]},
        "k8s.replicaset.name": {"metrics_include": [{"regexp": "(?i)^WEB|^a.*e$"}]},
        "k8s.job.name": {"metrics_include": [{"regexp": "\\d"}, {"regexp": "[[:^alpha:]]queue$"}]},
        "k8s.service.publish_not_ready_addresses": {"enabled": True, "metrics_include": [{"strict": "false"}]},
        "k8s.statefulset.uid": {"metrics_include": [{"strict": "no such"}]},
        "k8s.pod.qos_class": {"enabled": True, "metrics_exclude": [{"regexp": "Burst.*"}]},
        "k8s.service.traffic_distribution": {"enabled": True, "metrics_include": [{"regexp": "Same"}]},
    },
}
