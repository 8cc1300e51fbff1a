"""Marks: one new object of every kind. A watch keeps the order of the changes of a kind, so who has seen the mark has seen all that came before."""
import itertools
import json

from compare import Entity, points_of
from fill import Cluster
from objects import KINDS, QUOTAS, Shape, template

NUMBERS = itertools.count(1)
SELECTOR = {"selector": {"matchLabels": {"app": "x"}}, "template": template()}

# plural: attribute that names the object, as a resource attribute of metrics and as the id of an entity (None: no entity)
ATTRIBUTES = {
    "namespaces": ("k8s.namespace.uid", "k8s.namespace"), "nodes": ("k8s.node.uid", "k8s.node"), "pods": ("k8s.pod.uid", "k8s.pod"),
    "cronjobs": ("k8s.cronjob.uid", "k8s.cronjob"), "jobs": ("k8s.job.uid", "k8s.job"), "deployments": ("k8s.deployment.uid", "k8s.deployment"),
    "replicasets": ("k8s.replicaset.uid", "k8s.replicaset"), "daemonsets": ("k8s.daemonset.uid", "k8s.daemonset"),
    "statefulsets": ("k8s.statefulset.uid", "k8s.statefulset"),
    "replicationcontrollers": ("k8s.replicationcontroller.uid", "k8s.replicationcontroller"),
    "horizontalpodautoscalers": ("k8s.hpa.uid", "k8s.hpa"), "resourcequotas": ("k8s.resourcequota.uid", None),
    "services": ("k8s.service.uid", "k8s.service"), "clusterresourcequotas": ("openshift.clusterquota.uid", None),
}
OPTIONAL = ("services", "clusterresourcequotas")  # without metrics by default


def shapes(name, namespace):
    rest = {
        "cronjobs": {"spec": {"schedule": "@daily", "jobTemplate": {"spec": {"template": template("Never")}}}},
        "jobs": {"spec": {"template": template("Never")}},
        "deployments": {"spec": SELECTOR}, "replicasets": {"spec": SELECTOR}, "daemonsets": {"spec": SELECTOR},
        "statefulsets": {"spec": {**SELECTOR, "serviceName": "x"}},
        "replicationcontrollers": {"spec": {"selector": {"app": "x"}, "template": template()}},
        "horizontalpodautoscalers": {"spec": {"scaleTargetRef": {"apiVersion": "example.com/v1", "kind": "X", "name": "x"}, "maxReplicas": 1}},
        "services": {"spec": {"type": "LoadBalancer", "ports": [{"port": 80}], "allocateLoadBalancerNodePorts": False}},
        "clusterresourcequotas": {"status": {"total": {"hard": {"pods": "1"}}}},
        "pods": {"spec": {"containers": [{"name": "app", "image": "x"}]}},
    }
    found = [Shape(plural, name, "" if not KINDS[plural][3] else QUOTAS if plural == "resourcequotas" and namespace != QUOTAS else namespace,
                   {}, rest.get(plural, {}), {"hard": {"pods": "1"}} if plural == "resourcequotas" else None) for plural in ATTRIBUTES]
    slices = Shape("endpointslices", name, namespace, {"labels": {"kubernetes.io/service-name": name}},
                   {"addressType": "IPv4", "endpoints": [{"addresses": ["10.9.9.9"], "zone": name}]})
    return [*found, slices]


class Mark:
    def __init__(self, cluster: Cluster, namespace="odd-a"):
        self.name = f"mark-{next(NUMBERS)}"
        made = shapes(self.name, namespace)
        refused = cluster.fill(made)
        assert not refused, refused
        uids = {shape.plural: cluster.uids[f"{shape.plural}/{shape.namespace}/{shape.name}"] for shape in made}
        self.resources = {(attribute, uids[plural]) for plural, (attribute, _) in ATTRIBUTES.items()}
        self.default_resources = {(attribute, uids[plural]) for plural, (attribute, _) in ATTRIBUTES.items() if plural not in OPTIONAL}
        self.entities = {(entity, json.dumps({attribute: uids[plural]})) for plural, (attribute, entity) in ATTRIBUTES.items() if entity}

    def in_metrics(self, resources):
        """With everything switched on."""
        there = {item for resource in resources for item in resource["attrs"].items()}
        zones = {point["attrs"].get("k8s.service.endpoint.zone") for _, _, point in points_of(resources)}
        return self.resources <= there and self.name in zones

    def in_default_metrics(self, resources):
        return self.default_resources <= {item for resource in resources for item in resource["attrs"].items()}

    def in_events(self, entities: dict[tuple, Entity]):
        return self.entities <= entities.keys()
