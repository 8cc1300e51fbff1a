"""Custom resources of any shape on a real API server, and what kymastats says of them through the debug exporter (verbosity detailed)."""
import http.client
import json
import os
import queue
import threading
import time

from harness.cluster import ATTRIBUTE
from harness.ticks import unix_ns
from harness.world import wait_until

CONDITIONS, STATE = "kyma.resource.status.conditions", "kyma.resource.status.state"
DEFINITIONS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"


def condition(kind, status="True", reason="Fine", **more):
    return {"type": kind, "status": status, "reason": reason, **more}


class CustomResource:
    """One definition that accepts anything: `versions` are (name, is served); the first one is stored."""

    def __init__(self, api, group, plural, versions=(("v1", True),), namespaced=True, subresource=False):
        self.api, self.group, self.plural, self.namespaced = api, group, plural, namespaced
        self.kind = plural[:1].upper() + plural[1:-1]
        self.subresource = subresource
        self.versions = list(versions)

    @property
    def name(self):
        return f"{self.plural}.{self.group}"

    def definition(self):
        anything = {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}
        return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": self.name},
                "spec": {"group": self.group, "scope": "Namespaced" if self.namespaced else "Cluster",
                         "names": {"plural": self.plural, "singular": self.kind.lower(), "kind": self.kind, "listKind": self.kind + "List"},
                         "versions": [{"name": name, "served": served, "storage": number == 0, "schema": anything,
                                       **({"subresources": {"status": {}}} if self.subresource else {})}
                                      for number, (name, served) in enumerate(self.versions)]}}

    def install(self):
        """In place of one that another test has left behind, with its objects."""
        self.api.request("DELETE", f"{DEFINITIONS}/{self.name}")
        wait_until(lambda: self.api.request("GET", f"{DEFINITIONS}/{self.name}")[0] == 404, 30, f"{self.name} is gone")
        self.api.create(DEFINITIONS, self.definition())
        self.wait_served()
        return self

    def wait_served(self):
        for version, served in self.versions:
            wait_until(lambda: (self.api.request("GET", self.path(version))[0] == 200) == served, 30, f"{self.name} {version} served: {served}")

    def serve(self, versions):
        """Which versions are served, from now on."""
        self.versions = list(versions)
        status, answer = self.api.request("PATCH", f"{DEFINITIONS}/{self.name}", {"spec": self.definition()["spec"]},
                                          "application/merge-patch+json")
        assert status == 200, (status, answer)
        self.wait_served()

    def remove(self):
        status, answer = self.api.request("DELETE", f"{DEFINITIONS}/{self.name}")
        assert status == 200, (status, answer)
        wait_until(lambda: self.api.request("GET", f"{DEFINITIONS}/{self.name}")[0] == 404, 30, f"{self.name} is gone")

    def path(self, version=None, namespace=None):
        base = f"/apis/{self.group}/{version or self.versions[0][0]}"
        return f"{base}/namespaces/{namespace}/{self.plural}" if namespace else f"{base}/{self.plural}"

    def body(self, name, namespace="default", version=None, **more):
        metadata = {"name": name, **({"namespace": namespace} if self.namespaced else {})}
        return {"apiVersion": f"{self.group}/{version or self.versions[0][0]}", "kind": self.kind, "metadata": metadata, **more}

    def place(self, namespace="default"):
        return self.path(None, namespace if self.namespaced else None)

    def put(self, name, namespace="default", **more):
        """Creates it, or replaces what is there; `more`: spec, status."""
        body = self.body(name, namespace, **more)
        status, answer = self.api.request("POST", self.place(namespace), body)
        if status == 409:
            old = self.api.request("GET", f"{self.place(namespace)}/{name}")[1]
            body["metadata"]["resourceVersion"] = old["metadata"]["resourceVersion"]
            status, answer = self.api.request("PUT", f"{self.place(namespace)}/{name}", body)
        assert status in (200, 201), (status, answer)
        return answer

    def delete(self, name, namespace="default"):
        status, answer = self.api.request("DELETE", f"{self.place(namespace)}/{name}")
        assert status == 200, (status, answer)

    def fill(self, count, status, prefix="object", workers=4):
        """Creates `count` objects over a few connections."""
        numbers = queue.Queue()
        for number in range(count):
            numbers.put(number)
        failed = []

        def work():
            connection = self.api.connect(60)
            while not failed:
                try:
                    number = numbers.get_nowait()
                except queue.Empty:
                    break
                try:
                    connection.request("POST", self.place(), json.dumps(self.body(f"{prefix}-{number}", status=status)), self.api.headers)
                    answer = connection.getresponse()
                    text = answer.read()
                    if answer.status != 201:
                        failed.append(text)
                except (OSError, http.client.HTTPException) as e:
                    failed.append(e)
            connection.close()

        threads = [threading.Thread(target=work, daemon=True) for _ in range(workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not failed, failed[0]


class Points:
    """What one debug exporter wrote: {tick: [(resource attributes, metric, point attributes, value, start)]}, of whole batches."""

    def __init__(self, path):
        self.path = path

    def ticks(self):
        if not os.path.exists(self.path):
            return {}
        with open(self.path, encoding="utf-8", errors="surrogateescape", newline="\n") as f:
            text = f.read()
        return parse(text[:text.rfind("\n\n") + 1] if "\n\n" in text else "")

    def wait(self, condition, timeout=20, what="the condition"):
        """Until condition(points of the newest tick but one, which is complete) is true; returns (tick, points)."""
        end = time.monotonic() + timeout
        while True:
            ticks = self.ticks()
            whole = sorted(ticks)[:-1]
            if whole and condition(ticks[whole[-1]]):
                return whole[-1], ticks[whole[-1]]
            assert time.monotonic() < end, f"{what} did not come true in {timeout} s; {len(ticks)} ticks in {self.path}, " \
                f"the newest with {len(ticks[whole[-1]]) if whole else 0} points: {str(ticks[whole[-1]] if whole else '')[:2000]}"
            time.sleep(0.05)


def parse(text):
    ticks, resource, metric, attributes, start, stamp, into = {}, {}, None, {}, None, None, None
    for line in text.split("\n"):
        if line.startswith("ResourceMetrics #"):
            resource, attributes = {}, {}
            into = resource
        elif line.startswith("Metric #"):
            into = None
        elif line.startswith("NumberDataPoints #"):
            attributes = {}
            into = attributes
        elif line.startswith("     -> Name: ") and into is None:
            metric = line[len("     -> Name: "):]
        elif into is not None and ATTRIBUTE.match(line):
            key, _, value = ATTRIBUTE.match(line).groups()
            into[key] = value
        elif line.startswith("StartTimestamp: "):
            start = unix_ns(line)
        elif line.startswith("Timestamp: "):
            stamp = unix_ns(line)
        elif line.startswith("Value: "):
            ticks.setdefault(stamp, []).append((resource, metric, attributes, int(line[len("Value: "):]), start))
    return ticks


def states(points, kind=None):
    """{name: state} of one kind; each name once."""
    found = {}
    for _, metric, attributes, value, _ in points:
        if metric == STATE and kind in (None, attributes["kind"]):
            assert attributes["name"] not in found and value == 1, attributes
            found[attributes["name"]] = attributes["state"]
    return found


def conditions(points, kind=None):
    """[(name, type, status, reason, value)] in order."""
    return [(a["name"], a["type"], a["status"], a["reason"], value) for _, metric, a, value, _ in points
            if metric == CONDITIONS and kind in (None, a["kind"])]
