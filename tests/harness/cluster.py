"""Objects of a small cluster, made through the API, and what k8s_cluster says of them through the debug exporter (verbosity detailed)."""
import os
import re
import time

from harness.ticks import unix_ns

ATTRIBUTE = re.compile(r"^     -> ([^:]+): (\w+)\((.*)\)$")


def pod(name, namespace, node="", phase="Running", containers=("app",), labels=None, owners=None):
    """(object, status) of a pod whose containers run."""
    statuses = [{"name": c, "image": f"reg.example/{c}:1.2", "imageID": "", "ready": True, "restartCount": 0,
                 "containerID": f"containerd://{(name + c).encode().hex():0<64.64}", "state": {"running": {"startedAt": "2026-01-01T00:00:00Z"}}}
                for c in containers]
    return {"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": namespace, "labels": labels or {"app": "web"}, "ownerReferences": owners or []},
            "spec": {**({"nodeName": node} if node else {}),
                     "containers": [{"name": c, "image": f"reg.example/{c}:1.2",
                                     "resources": {"requests": {"cpu": "100m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}}}
                                    for c in containers]}}, {"phase": phase, "containerStatuses": statuses}


class Cluster:
    """One namespace of a server, with a name of its own, so that tests do not see each other's objects."""

    def __init__(self, api, namespace):
        self.api, self.namespace = api, namespace
        api.create_namespace(namespace)

    def path(self, plural, group="/api/v1"):
        return f"{group}/namespaces/{self.namespace}/{plural}"

    def create(self, plural, body, status=None, group="/api/v1"):
        made = self.api.create(self.path(plural, group), body)
        return self.set_status(plural, made, status, group) if status is not None else made

    def set_status(self, plural, body, status, group="/api/v1"):
        code, answer = self.api.request("PUT", f"{self.path(plural, group)}/{body['metadata']['name']}/status", {**body, "status": status})
        assert code == 200, (code, answer)
        return answer

    def create_pods(self, count, prefix="pod"):
        return [self.create("pods", *pod(f"{prefix}-{n}", self.namespace)) for n in range(count)]

    def set_phase(self, made, phase):
        return self.set_status("pods", made, {**made["status"], "phase": phase})

    def delete(self, plural, name, group="/api/v1"):
        code, answer = self.api.request("DELETE", f"{self.path(plural, group)}/{name}?gracePeriodSeconds=0")
        assert code in (200, 202), (code, answer)


class Resources:
    """What one replica's debug exporter wrote: {tick: [(attributes, {metric name: [value, ...]})]}, of whole batches."""

    def __init__(self, output):
        self.path = output.path

    def ticks(self):
        if not os.path.exists(self.path):
            return {}
        with open(self.path) as f:
            text = f.read()
        return parse(text[:text.rfind("\n\n") + 1] if "\n\n" in text else "")

    def complete(self):
        """All ticks but the newest, which may still be under way."""
        ticks = self.ticks()
        return {when: ticks[when] for when in sorted(ticks)[:-1]}

    def wait(self, condition, timeout=20, what="the condition"):
        """Until condition(ticks) is true of the complete ticks; returns them."""
        end = time.monotonic() + timeout
        while True:
            ticks = self.complete()
            if condition(ticks):
                return ticks
            assert time.monotonic() < end, f"{what} did not come true in {timeout} s; {len(ticks)} complete ticks in {self.path}"
            time.sleep(0.02)

    def wait_tick(self, condition, timeout=20, what="the condition"):
        """Until the newest complete tick satisfies condition(resources); returns (tick, resources)."""
        newest = lambda ticks: max(ticks) if ticks else None
        ticks = self.wait(lambda ticks: ticks and condition(ticks[newest(ticks)]), timeout, what)
        return newest(ticks), ticks[newest(ticks)]


def parse(text):
    ticks, attributes, metrics, name, in_resource = {}, None, None, None, False

    def close(stamp):
        if attributes is not None and stamp is not None:
            ticks.setdefault(stamp, []).append((attributes, metrics))

    stamp = None
    for line in text.split("\n"):
        if line.startswith("ResourceMetrics #"):
            close(stamp)
            attributes, metrics, stamp, in_resource = {}, {}, None, True
        elif line.startswith(("ScopeMetrics #", "Resource entity refs:")):
            in_resource = False
        elif in_resource and ATTRIBUTE.match(line):
            key, _, value = ATTRIBUTE.match(line).groups()
            attributes[key] = value
        elif line.startswith("     -> Name: "):
            name = line[len("     -> Name: "):]
        elif line.startswith("Timestamp: "):
            stamp = unix_ns(line)
        elif line.startswith("Value: ") and metrics is not None:
            metrics.setdefault(name, []).append(float(line[len("Value: "):]))
    close(stamp)
    return ticks


def pods_of(resources, namespace):
    """{pod name: phase} of the pod resources (not the containers') of one namespace."""
    found = {}
    for attributes, metrics in resources:
        if "k8s.pod.phase" in metrics and attributes.get("k8s.namespace.name") == namespace:
            assert attributes["k8s.pod.name"] not in found, f"{attributes['k8s.pod.name']} twice in one tick"
            found[attributes["k8s.pod.name"]] = metrics["k8s.pod.phase"][0]
    return found


def containers_of(resources, namespace):
    """[(pod, container)] of one namespace, as often as they come."""
    return [(attributes["k8s.pod.name"], attributes["k8s.container.name"]) for attributes, _ in resources
            if "k8s.container.name" in attributes and attributes.get("k8s.namespace.name") == namespace]
