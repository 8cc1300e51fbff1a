"""The odd objects that both collectors look at: every kind that the receiver watches, in as many shapes as an API server accepts.

A shape is one object as its author would write it: `body` without status, and the status that is then written through the subresource.
Texts `uid:KIND/NAMESPACE/NAME` in it become the uid of that object, which must come earlier.
"""
import dataclasses

NAMESPACES = ("odd-a", "odd-b", "odd-c")  # nearly everything is in one of these
QUOTAS = "odd-quotas"  # quotas have one of their own, because the server enforces them
UID = "uid:"

# plural: (path before it, kind, API version, has namespaces)
KINDS = {
    "namespaces": ("/api/v1", "Namespace", "v1", False),
    "nodes": ("/api/v1", "Node", "v1", False),
    "persistentvolumes": ("/api/v1", "PersistentVolume", "v1", False),
    "persistentvolumeclaims": ("/api/v1", "PersistentVolumeClaim", "v1", True),
    "cronjobs": ("/apis/batch/v1", "CronJob", "batch/v1", True),
    "jobs": ("/apis/batch/v1", "Job", "batch/v1", True),
    "deployments": ("/apis/apps/v1", "Deployment", "apps/v1", True),
    "replicasets": ("/apis/apps/v1", "ReplicaSet", "apps/v1", True),
    "daemonsets": ("/apis/apps/v1", "DaemonSet", "apps/v1", True),
    "statefulsets": ("/apis/apps/v1", "StatefulSet", "apps/v1", True),
    "replicationcontrollers": ("/api/v1", "ReplicationController", "v1", True),
    "horizontalpodautoscalers": ("/apis/autoscaling/v2", "HorizontalPodAutoscaler", "autoscaling/v2", True),
    "resourcequotas": ("/api/v1", "ResourceQuota", "v1", True),
    "services": ("/api/v1", "Service", "v1", True),
    "endpointslices": ("/apis/discovery.k8s.io/v1", "EndpointSlice", "discovery.k8s.io/v1", True),
    "clusterresourcequotas": ("/apis/quota.openshift.io/v1", "ClusterResourceQuota", "quota.openshift.io/v1", False),
    "pods": ("/api/v1", "Pod", "v1", True),
}


@dataclasses.dataclass
class Shape:
    plural: str
    name: str
    namespace: str  # empty for kinds without
    metadata: dict = dataclasses.field(default_factory=dict)  # labels, annotations, ownerReferences, finalizers
    rest: dict = dataclasses.field(default_factory=dict)  # spec, or what else stands beside the metadata
    status: dict | None = None  # None: nobody ever writes one
    ephemeral: list = dataclasses.field(default_factory=list)  # ephemeral containers, added through their subresource
    deleted: bool = False  # deleted after that, while a finalizer keeps it

    def body(self):
        _, kind, version, _ = KINDS[self.plural]
        metadata = {"name": self.name, **({"namespace": self.namespace} if self.namespace else {}), **self.metadata}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, **self.rest}

    def without_names(self):
        """What makes it different from others of its kind."""
        return (self.plural, self.metadata, self.rest, self.status, self.ephemeral, self.deleted)


class Kind:
    """Makes the shapes of one kind, each in the next of the namespaces unless told otherwise."""

    def __init__(self, plural):
        self.plural = plural
        self.shapes = []

    def add(self, name, rest=None, status=None, namespace=None, ephemeral=(), deleted=False, **metadata):
        if not KINDS[self.plural][3]:
            namespace = ""
        elif namespace is None:
            namespace = QUOTAS if self.plural == "resourcequotas" else NAMESPACES[len(self.shapes) % len(NAMESPACES)]
        self.shapes.append(Shape(self.plural, name, namespace, metadata, rest or {}, status, list(ephemeral), deleted))


def owner(version, kind, name, uid, controller=None):
    reference = {"apiVersion": version, "kind": kind, "name": name, "uid": uid}
    return reference if controller is None else {**reference, "controller": controller}


def template(restart="Always", **labels):
    return {"metadata": {"labels": labels or {"app": "x"}},
            "spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "registry.example.com/x:1"}]}}


def every_shape():
    from objects import nodes, pods, services, workloads  # they need what is above
    shapes = [*nodes.namespaces(), *nodes.nodes(), *nodes.volumes(), *workloads.shapes(), *services.shapes(), *pods.shapes()]
    order = list(KINDS)
    return sorted(shapes, key=lambda shape: order.index(shape.plural))
