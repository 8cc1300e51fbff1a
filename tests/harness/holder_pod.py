"""The pod of a Lease's holder, and what a kubelet reports of it. There is none: the tests write what it would report."""
import calendar
import os
import re
import time


class Pod:
    """A pod of the collector, and its kubelet."""

    def __init__(self, world, name, containers=("baton",), sidecars=(), namespace="default", **spec):
        self.api, self.containers, self.name = world.api, containers, f"{world.lease}-{name}"
        self.pods = f"/api/v1/namespaces/{namespace}/pods"
        self.body = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": self.name},
            "spec": {"containers": [{"name": c, "image": "baton"} for c in containers],
                     "initContainers": [{"name": c, "image": "other", "restartPolicy": "Always"} for c in sidecars], **spec}}
        self.path = f"{self.pods}/{self.name}"
        self.create()
        self.report(running())

    def create(self):
        self.uid = self.api.create(self.pods, self.body)["metadata"]["uid"]

    @property
    def identity(self):
        return f"{self.name}_{self.uid}"

    @property
    def env(self):
        return {"POD_NAME": self.name, "POD_UID": self.uid}

    def report(self, *states, last=None, inits=(), **status):
        """One state for each container; returns when the server has it."""
        names = [c["name"] for c in self.body["spec"]["initContainers"]]
        status = {"phase": "Running", **status, "containerStatuses": statuses(self.containers, states, last),
                  "initContainerStatuses": statuses(names, inits, None)}
        code, found = self.api.request("GET", self.path)
        assert code == 200, found
        code, answer = self.api.request("PUT", f"{self.path}/status", {**found, "status": status})
        assert code == 200, answer
        return time.time()

    def delete(self, seconds=0):
        code, answer = self.api.request("DELETE", f"{self.path}?gracePeriodSeconds={seconds}")
        assert code in (200, 202), answer


def statuses(names, states, last):
    return [{"name": name, "image": "i", "imageID": "", "ready": "running" in state, "restartCount": 1 if last else 0,
             "state": state, "lastState": last or {}} for name, state in zip(names, states)]


def running():
    return {"running": {"startedAt": "2026-01-01T00:00:00Z"}}


def terminated(when, message="", instance="aa", **more):
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(when))
    return {"terminated": {"exitCode": 137, "reason": "Error", "startedAt": "2026-01-01T00:00:00Z", "finishedAt": stamp,
                           "containerID": f"containerd://{instance}", **({"message": message} if message else {}), **more}}


def back_off():
    return {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}


def unix(text):
    match = re.fullmatch(r"(.*)\.(\d{6})Z", text)
    return calendar.timegm(time.strptime(match.group(1), "%Y-%m-%dT%H:%M:%S")) + int(match.group(2)) / 1e6


def message_path(world, name):
    """The file that a container has for its termination message."""
    path = os.path.join(world.folder, f"{name}.message")
    open(path, "a").close()
    return path


def message(world, name):
    with open(message_path(world, name)) as f:
        return f.read()
