"""Writes shapes into an API server, as their author, their controller and their kubelet would, and reads back what became of them."""
import concurrent.futures
import json
import threading
import time

from objects import KINDS, UID

WORKERS = 16
IDLE_MAX_S = 30  # the server closes idle connections after 90 s
QUOTA_CRD = {
    "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "clusterresourcequotas.quota.openshift.io"},
    "spec": {"group": "quota.openshift.io", "scope": "Cluster",
             "names": {"plural": "clusterresourcequotas", "singular": "clusterresourcequota", "kind": "ClusterResourceQuota"},
             "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                 "type": "object", "x-kubernetes-preserve-unknown-fields": True}}}]}}


class Cluster:
    """One API server with objects; connections are kept, one for each thread."""

    def __init__(self, api):
        self.api = api
        self.uids = {}  # "KIND/NAMESPACE/NAME": uid
        self.local = threading.local()

    def ask(self, method, path, body=None, content_type="application/json"):
        """The decoded answer; an AssertionError with the server's words if it refused."""
        now = time.monotonic()
        if now - getattr(self.local, "used", 0) > IDLE_MAX_S:
            self.local.connection = self.api.connect(60)
        self.local.used = now
        connection = self.local.connection
        headers = {**self.api.headers, "Content-Type": content_type}
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status in (200, 201, 202), f"{method} {path}: {answer.status} {text[:2000]}"
        return json.loads(text)

    @staticmethod
    def path(plural, namespace="", name=""):
        before, _, _, namespaced = KINDS[plural]
        return before + (f"/namespaces/{namespace}" if namespaced and namespace else "") + f"/{plural}" + (f"/{name}" if name else "")

    def resolve(self, value):
        """With the uids of the objects that are named."""
        if isinstance(value, dict):
            return {key: self.resolve(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        return self.uids[value[len(UID):]] if isinstance(value, str) and value.startswith(UID) else value

    def put(self, shape):
        path = self.path(shape.plural, shape.namespace)
        made = self.ask("POST", path, self.resolve(shape.body()))
        self.uids[f"{shape.plural}/{shape.namespace}/{shape.name}"] = made["metadata"]["uid"]
        path = f"{path}/{shape.name}"
        if shape.ephemeral:
            self.ask("PATCH", f"{path}/ephemeralcontainers", {"spec": {"ephemeralContainers": shape.ephemeral}}, "application/strategic-merge-patch+json")
        if shape.status is not None:
            self.set_status(shape.plural, shape.namespace, shape.name, shape.status)
        if shape.deleted:
            self.ask("DELETE", path)
        return made

    def set_status(self, plural, namespace, name, status):
        """Replaces the whole status."""
        path = self.path(plural, namespace, name)
        current = self.ask("GET", path)
        current["status"] = status
        return self.ask("PUT", f"{path}/status", current)

    def patch(self, plural, namespace, name, change):
        return self.ask("PATCH", self.path(plural, namespace, name), change, "application/merge-patch+json")

    def delete(self, plural, namespace, name):
        return self.ask("DELETE", self.path(plural, namespace, name), {"gracePeriodSeconds": 0, "propagationPolicy": "Background"})

    def list(self, plural):
        return self.ask("GET", self.path(plural))["items"]

    def fill(self, shapes):
        """Kind after kind, in the order of the list; returns the refusals as texts."""
        refused = []

        def one(shape):
            try:
                self.put(shape)
            except AssertionError as error:
                refused.append(f"{shape.plural} {shape.namespace}/{shape.name}: {error}")

        kinds = list(dict.fromkeys(shape.plural for shape in shapes))
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            for plural in kinds:
                list(pool.map(one, [shape for shape in shapes if shape.plural == plural]))
        return refused
