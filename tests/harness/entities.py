"""Entity events of k8s_cluster, as the debug exporter wrote them (verbosity detailed), and changes of objects that can be told apart in them."""
import json
import os
import re
import threading
import time
from collections import Counter

ATTRIBUTE = re.compile(r"^     -> ([^:]+): (\w+)\((.*)\)$")


class Events:
    """What one replica sent, in order: {"event", "type", "id", "attributes", "interval"}."""

    def __init__(self, output):
        self.path = output.path

    def records(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path) as f:
            text = f.read()
        return parse(text[:text.rfind("\n\n") + 1] if "\n\n" in text else "")


def parse(text):
    records, record = [], None
    for line in text.split("\n"):
        if line.startswith("LogRecord #"):
            record = {"event": "", "type": "", "id": {}, "attributes": {}, "interval": None}
            records.append(record)
        elif line.startswith("ResourceLog #"):
            record = None
        elif record is not None and line.startswith("EventName: "):
            record["event"] = line[len("EventName: "):].replace(".", "_")
        elif record is not None and ATTRIBUTE.match(line):
            key, kind, value = ATTRIBUTE.match(line).groups()
            name = {"otel.entity.event.type": "event", "otel.entity.type": "type", "entity.type": "type", "otel.entity.id": "id",
                    "entity.id": "id", "otel.entity.attributes": "attributes", "entity.description": "attributes",
                    "otel.entity.interval": "interval", "entity.report.interval": "interval"}[key]
            record[name] = json.loads(value) if kind in ("Map", "Int") else value
    return records


def keys_of(records):
    """("state", uid, label rv) and ("delete", uid) of all records but those of containers."""
    for record in records:
        if record["type"] == "container":
            continue
        uid = next(iter(record["id"].values()))
        if record["event"] == "entity_delete":
            yield "delete", uid
        else:
            labels = [value for key, value in record["attributes"].items() if key.endswith(".label.rv")]
            yield "state", uid, labels[0] if labels else ""


def counts(*outputs):
    """How often each came, over all of these."""
    return Counter(key for output in outputs for key in keys_of(Events(output).records()))


class Changes:
    """Makes, changes and deletes objects in a namespace until it is stopped; `made` are the keys of what the API server has done."""

    def __init__(self, cluster, pause=0.02):
        self.cluster, self.pause = cluster, pause
        self.made, self.failed = [], None
        self.number = 0
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _label(self):
        self.number += 1
        return {"rv": str(self.number)}

    def _body(self, plural, name):
        meta = {"name": name, "labels": self._label()}
        if plural == "pods":
            return {"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": {"containers": [{"name": "app", "image": "reg.example/app:1"}]}}
        return {"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": {"ports": [{"port": 80}], "selector": {"app": name}}}

    def _note_state(self, answer):
        self.made.append(("state", answer["metadata"]["uid"], answer["metadata"]["labels"]["rv"]))

    def _run(self):
        try:
            self._work()
        except Exception as problem:  # told by stop()
            self.failed = problem

    def _work(self):
        for n in range(10**6):
            plural, name = ("pods", "services")[n % 2], f"changing-{n}"
            made = self.cluster.create(plural, self._body(plural, name))
            self._note_state(made)
            for _ in range(2):
                code, answer = self.cluster.api.request("PATCH", f"{self.cluster.path(plural)}/{name}", {"metadata": {"labels": self._label()}},
                                                        content_type="application/merge-patch+json")
                assert code == 200, (code, answer)
                self._note_state(answer)
                if self.ended.wait(self.pause):
                    return
            if plural == "services" and n % 3 != 0:  # the end of a pod is more than one change
                self.cluster.delete(plural, name)
                self.made.append(("delete", made["metadata"]["uid"]))

    def wait_more(self, count, timeout=30):
        wanted, end = len(self.made) + count, time.monotonic() + timeout
        while len(self.made) < wanted:
            assert self.failed is None, self.failed
            assert time.monotonic() < end, f"{count} changes took longer than {timeout} s"
            time.sleep(0.01)

    def stop(self):
        self.ended.set()
        self.thread.join(20)
        assert self.failed is None, self.failed
        return self.made
