"""More cases for kubesim_vs_apiserver.py: every kind in JSON and in protobuf, watches, errors and pages in protobuf.

The objects are the ones of kubesim/cluster, so what generated clusters are made of is shown to be what a real server accepts. Protobuf
is decoded by protoc with the .proto files that Kubernetes publishes (from Go's module cache, where the real server was built from),
and compared with all fields, those that are written although they are empty, too. What kubesim leaves out on purpose is in LEFT_OUT.
"""

import glob
import json
import os
import re
import shutil
import struct
import subprocess
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
CLUSTER = os.path.join(ROOT, "kubesim", "cluster")
PROTOBUF = "application/vnd.kubernetes.protobuf"
BOTH = PROTOBUF + ",application/json"
META = "g=meta.k8s.io;v=v1"
CASES = []

# Not modelled: admission, defaults of parts nobody reads, what controllers inside the real server fill in.
LEFT_OUT = {
    "managedFields", "volumes", "tolerations", "securityContext", "env", "livenessProbe", "readinessProbe", "volumeMounts",
    "clusterIP", "clusterIPs", "internalTrafficPolicy", "persistentVolumeSource", "csi", "behavior", "workloadRef", "taints",
    "lastPhaseTransitionTime",
}
# What other parts of the real server add: labels of the pod's node; and how old a template is, which comes and goes there.
LEFT_OUT_KEYS = ('"topology.kubernetes.io/', '"deprecated.daemonset.template.generation')
# Fill the places of the templates; what the server decides itself is taken off below.
PLACES = {"n": "00001", "p": "00001", "k": "00001", "s": "0001", "x": "bcdfg", "t": "bcdfghjklm", "z": "01", "i": "10.100.100.101",
          "h": "10.200.100.101", "e": "10.100.100.102", "f": "10.100.100.103", "g": "10.100.100.104", "c": "100m", "d": "500m",
          "m": "128Mi", "w": "384Mi", "u": "0a4cf0c1-6b3e-4b6e-9d5f-6d1f0a6e2b11", "o": "1b5da1d2-7c4f-4c7f-8e60-7e201b7f3c22",
          "A": "a" * 64, "B": "b" * 64, "C": "c" * 64, "D": "d" * 64}
KINDS = {  # file: plural, group and version, namespaced, type in the .proto files
    "namespace": ("namespaces", "v1", False, "core.v1.Namespace"),
    "node": ("nodes", "v1", False, "core.v1.Node"),
    "pod": ("pods", "v1", True, "core.v1.Pod"),
    "replication_controller": ("replicationcontrollers", "v1", True, "core.v1.ReplicationController"),
    "quota": ("resourcequotas", "v1", True, "core.v1.ResourceQuota"),
    "service": ("services", "v1", True, "core.v1.Service"),
    "volume": ("persistentvolumes", "v1", False, "core.v1.PersistentVolume"),
    "volume_claim": ("persistentvolumeclaims", "v1", True, "core.v1.PersistentVolumeClaim"),
    "deployment": ("deployments", "apps/v1", True, "apps.v1.Deployment"),
    "replica_set": ("replicasets", "apps/v1", True, "apps.v1.ReplicaSet"),
    "stateful_set": ("statefulsets", "apps/v1", True, "apps.v1.StatefulSet"),
    "daemon_set": ("daemonsets", "apps/v1", True, "apps.v1.DaemonSet"),
    "job": ("jobs", "batch/v1", True, "batch.v1.Job"),
    "cron_job": ("cronjobs", "batch/v1", True, "batch.v1.CronJob"),
    "hpa": ("horizontalpodautoscalers", "autoscaling/v2", True, "autoscaling.v2.HorizontalPodAutoscaler"),
    "endpoint_slice": ("endpointslices", "discovery.k8s.io/v1", True, "discovery.v1.EndpointSlice"),
}
# More objects, which nothing generated looks like: name: (file whose kind it has, object).
ODD = {
    "odd-pod": ("pod", {
        "metadata": {"labels": {}, "annotations": {"a": "\u00e4\u20ac\U0001f600"}},
        "spec": {
            "initContainers": [
                {"name": "side", "image": "side", "restartPolicy": "Always", "command": ["a", ""], "args": ["-b"], "workingDir": "/",
                 "resources": {"requests": {"cpu": "5m"}}, "terminationMessagePath": "/x", "terminationMessagePolicy": "File",
                 "imagePullPolicy": "Always"}],
            "containers": [
                {"name": "one", "image": "one@sha256:" + "0" * 64, "stdin": True, "stdinOnce": True, "tty": True,
                 "ports": [{"containerPort": 1, "hostPort": 1, "protocol": "UDP"}], "resources": {}, "terminationMessagePath": "/x",
                 "terminationMessagePolicy": "FallbackToLogsOnError", "imagePullPolicy": "Never"},
                {"name": "two", "image": "two:1", "resources": {"limits": {"cpu": "1", "memory": "1Gi", "example.com/gpu": "2"},
                                                               "requests": {"cpu": "1", "memory": "1Gi", "example.com/gpu": "2"}},
                 "terminationMessagePath": "/x", "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}],
            "restartPolicy": "OnFailure", "terminationGracePeriodSeconds": 0, "activeDeadlineSeconds": 5, "dnsPolicy": "Default",
            "nodeSelector": {"b": "2", "a": "1"}, "hostNetwork": True, "hostPID": True, "hostname": "h", "subdomain": "s",
            "schedulerName": "mine", "automountServiceAccountToken": False, "enableServiceLinks": False, "setHostnameAsFQDN": True,
            "shareProcessNamespace": False, "priority": 0, "preemptionPolicy": "PreemptLowerPriority", "serviceAccountName": "sa",
            "serviceAccount": "sa"},
        "status": {
            "phase": "Failed", "reason": "Evicted", "message": "m", "nominatedNodeName": "n", "hostIP": "1.2.3.4", "podIP": "1.2.3.5",
            "hostIPs": [{"ip": "1.2.3.4"}], "podIPs": [{"ip": "1.2.3.5"}, {"ip": "fd00::1"}], "startTime": "2026-01-02T03:04:05Z",
            "qosClass": "Burstable", "observedGeneration": 1,
            "conditions": [{"type": "Ready", "status": "Unknown", "lastProbeTime": "2026-01-02T03:04:05Z", "lastTransitionTime": None,
                            "reason": "r", "message": "m", "observedGeneration": 3}],
            "initContainerStatuses": [{"name": "side", "ready": False, "restartCount": 0, "image": "", "imageID": "", "started": False,
                                       "state": {"waiting": {"reason": "PodInitializing"}}}],
            "containerStatuses": [
                {"name": "one", "ready": True, "restartCount": 7, "image": "i", "imageID": "d", "containerID": "c://1", "started": True,
                 "state": {"terminated": {"exitCode": -1, "signal": 9, "reason": "r", "message": "m", "containerID": "c://0",
                                          "startedAt": "2026-01-02T03:04:05Z", "finishedAt": None}},
                 "lastState": {"running": {"startedAt": None}}},
                {"name": "two", "ready": False, "restartCount": 2147483647, "image": "i", "imageID": "", "lastState": {}, "state": {},
                 "allocatedResources": {"cpu": "1"}, "resources": {"limits": {"cpu": "1500m"}}}]}}),
    "bare-pod": ("pod", {
        "spec": {"containers": [{"name": "c", "image": "c", "resources": {}, "terminationMessagePath": "/dev/termination-log",
                                 "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}],
                 "priority": 0, "preemptionPolicy": "PreemptLowerPriority"}}),
    "odd-node": ("node", {
        "metadata": {"finalizers": ["x.io/y"]}, "spec": {"unschedulable": True, "externalID": "e"},
        "status": {"capacity": {"cpu": "0", "example.com/odd": "7"}, "allocatable": {"pods": "0"}, "phase": "Running",
                   "conditions": [{"type": "Custom", "status": "Unknown"}], "nodeInfo": {}}}),
    "odd-service": ("service", {
        "spec": {"type": "LoadBalancer", "ports": [{"port": 1, "targetPort": "named", "appProtocol": "h2c", "name": "n", "protocol": "SCTP"}],
                 "externalIPs": ["9.9.9.9"], "loadBalancerSourceRanges": ["1.0.0.0/8"], "externalTrafficPolicy": "Cluster",
                 "publishNotReadyAddresses": True, "sessionAffinity": "None", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack",
                 "allocateLoadBalancerNodePorts": False, "loadBalancerClass": "a/b", "trafficDistribution": "PreferClose"},
        "status": {"loadBalancer": {"ingress": [{"ip": "8.8.8.8", "ipMode": "VIP"}, {"hostname": "h"}]},
                   "conditions": [{"type": "T", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z", "reason": "R",
                                   "message": "", "observedGeneration": 1}]}}),
    "odd-deployment": ("deployment", {
        "spec": {"replicas": 0, "paused": True, "minReadySeconds": 3, "revisionHistoryLimit": 0, "progressDeadlineSeconds": 9,
                 "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": "1%"}},
                 "selector": {"matchExpressions": [{"key": "a", "operator": "In", "values": ["b", "c"]},
                                                   {"key": "z", "operator": "DoesNotExist"}]},
                 "template": {"metadata": {"labels": {"a": "b"}, "annotations": {"x": ""}},
                              "spec": {"containers": [{"name": "c", "image": "c", "terminationMessagePath": "/x",
                                                       "terminationMessagePolicy": "File", "imagePullPolicy": "Always"}],
                                       "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst",
                                       "schedulerName": "default-scheduler"}}},
        "status": {"unavailableReplicas": 2, "terminatingReplicas": 1, "collisionCount": 4}}),
    "odd-hpa": ("hpa", {
        "spec": {"scaleTargetRef": {"kind": "X", "name": "x", "apiVersion": "g/v1"}, "minReplicas": 3, "maxReplicas": 3,
                 "metrics": [{"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1500m"}}}]},
        "status": {"currentReplicas": 3, "desiredReplicas": 0, "currentMetrics": None, "observedGeneration": 2,
                   "conditions": [{"type": "ScalingActive", "status": "False"}]}}),
    "odd-endpoints": ("endpoints", {
        "subsets": [{"addresses": [{"ip": "1.2.3.4", "hostname": "h", "nodeName": "n",
                                    "targetRef": {"kind": "Pod", "name": "p", "namespace": "cmp", "fieldPath": "f"}}],
                     "notReadyAddresses": [{"ip": "1.2.3.5"}],
                     "ports": [{"name": "p", "port": 1, "protocol": "TCP", "appProtocol": "x"}]}]}),
    "odd-slice": ("endpoint_slice", {
        "addressType": "FQDN", "endpoints": [{"addresses": ["a.example.com"], "conditions": {"ready": False}, "hostname": "h"},
                                             {"addresses": ["b.example.com"], "conditions": {}}], "ports": None}),
}
KINDS_OF_ODD = dict(KINDS, endpoints=("endpoints", "v1", True, "core.v1.Endpoints"))


# -- protobuf --


class Protoc:
    """protoc with Kubernetes' own .proto files; a folder of links, removed at exit."""

    def __init__(self):
        self.folder = None
        self.cache = {}
        links = {}
        for module in ("api", "apimachinery"):
            found = subprocess.run(["go", "list", "-m", "-f", "{{.Dir}}", "k8s.io/" + module], capture_output=True, text=True, check=False,
                                   cwd=os.path.join(ROOT, "tests", "apiserver"), env=dict(os.environ, GOFLAGS="-mod=mod", GOPROXY="off"))
            links[module] = found.stdout.strip()
        if not all(map(os.path.isdir, links.values())) or shutil.which("protoc") is None:
            return
        self.temporary = tempfile.TemporaryDirectory()
        self.folder = self.temporary.name
        os.mkdir(os.path.join(self.folder, "k8s.io"))
        for module, target in links.items():
            os.symlink(target, os.path.join(self.folder, "k8s.io", module))

    def decode(self, kind, data):
        """A message as nested lists of (name, value) in the order of the bytes; texts as protoc prints them."""
        if (kind, data) in self.cache:
            return self.cache[kind, data]
        group = kind.rsplit(".", 1)[0]
        package = "k8s.io/api/" + group.replace(".", "/")
        name = "k8s.io.api." + kind
        if kind.startswith("meta.v1."):
            package, name = "k8s.io/apimachinery/pkg/apis/meta/v1", "k8s.io.apimachinery.pkg.apis." + kind
        result = subprocess.run(["protoc", "-I" + self.folder, "--decode=" + name, package + "/generated.proto"], input=data,
                                capture_output=True, check=False)
        if result.returncode != 0:
            raise ValueError(f"{name}: {result.stderr.decode()}")
        self.cache[kind, data] = parse_text(result.stdout.decode())
        return self.cache[kind, data]


def parse_text(text):
    stack = [[]]
    for line in text.splitlines():
        line = line.strip()
        if line.endswith(" {") and ": " not in line:
            inner = []
            stack[-1].append([line[:-2], inner])
            stack.append(inner)
        elif line == "}":
            stack.pop()
        else:
            name, value = line.split(": ", 1)
            stack[-1].append([name, value])
    assert len(stack) == 1
    return stack[0]


def varint(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        shift, at = shift + 7, at + 1
        if byte < 128:
            return value, at


def fields(data):
    """(number, bytes) of a message that has only such fields."""
    at, out = 0, []
    while at < len(data):
        key, at = varint(data, at)
        assert key & 7 == 2, f"wire type {key & 7}"
        length, at = varint(data, at)
        assert at + length <= len(data)
        out.append((key >> 3, data[at:at + length]))
        at += length
    return out


def unwrap(data):
    """apiVersion, kind and the object of an envelope, whose form is checked."""
    assert data[:4] == b"k8s\0", data[:40]
    numbers, values = zip(*fields(data[4:]))
    assert numbers == (1, 2, 3, 4) and values[2:] == (b"", b""), numbers
    version, kind = fields(values[0])
    return version[1].decode(), kind[1].decode(), values[1]


def canon(server, message, kind="", is_status=False, versions=True):
    """Without what must differ; see Server.canon of the other file. Versions of lists and bookmarks are of whatever was written last."""
    out = []
    is_status = is_status or (kind == "" and any(name == "code" for name, _ in message))
    for name, value in message:
        if name in LEFT_OUT or (isinstance(value, list) and value and str(value[0][1]).startswith(LEFT_OUT_KEYS)):
            continue
        if name == "uid" and value != '""' and kind != "ownerReferences":
            value = server.label("uid", value)
        elif name == "resourceVersion" and value != '""':
            value = server.label("rv", int(value.strip('"'))) if versions or kind != "metadata" else "rv"
        elif name in ("creationTimestamp", "deletionTimestamp") and value:
            value = "now"
        elif name == "continue":
            value = value != '""'
        elif name == "message" and kind in ("", "causes") and is_status:
            value = "..."
        elif isinstance(value, list):
            value = canon(server, value, name, is_status, versions or name == "items")
        out.append([name, value])
    return out


def decode(server, kind, data, versions=True):
    return canon(server, server.protoc.decode(kind, data), versions=versions)


def type_of(api_version, kind):
    if kind in ("Status", "PartialObjectMetadata", "PartialObjectMetadataList"):
        return "meta.v1." + kind
    group, _, version = api_version.rpartition("/")
    return {"": "core", "discovery.k8s.io": "discovery", "coordination.k8s.io": "coordination"}.get(group, group) + f".{version}.{kind}"


def ask(server, method, path, body=None, accept=BOTH, user="admin", content_type="application/json"):
    """What is compared of an answer in protobuf."""
    response, data = server.send_bytes(method, path, body, user, {"Accept": accept, "Content-Type": content_type})
    result = {"status": response.status, "type": response.getheader("Content-Type")}
    if response.getheader("Retry-After"):
        result["retry_after"] = response.getheader("Retry-After")
    if data[:4] == b"k8s\0":
        api_version, kind, raw = unwrap(data)
        result["envelope"] = [api_version, kind]
        result["object"] = decode(server, type_of(api_version, kind), raw, not kind.endswith("List"))
    elif (response.getheader("Content-Type") or "").startswith("application/json"):
        result["json"] = server.canon(json.loads(data))
    return result


def watch(server, path, query, actions=(), accept=BOTH):
    connection = server.connect()
    connection.request("GET", f"{path}?watch=true&timeoutSeconds=1&{query}", None, server.headers("admin", {"Accept": accept}))
    response = connection.getresponse()
    for action in actions:
        action(server)
    data = response.read()
    connection.close()
    events = []
    while data:
        length = struct.unpack(">I", data[:4])[0]
        frame, data = data[4:4 + length], data[4 + length:]
        assert len(frame) == length
        (one, name), (two, extension) = fields(frame)
        ((three, raw),) = fields(extension)
        assert (one, two, three) == (1, 2, 1)
        api_version, kind, message = unwrap(raw)
        events.append([name.decode(), api_version, kind, decode(server, type_of(api_version, kind), message, name != b"BOOKMARK")])
    return {"status": response.status, "type": response.getheader("Content-Type"), "events": events}


def without_late_bookmarks(*args):
    """Whether there are more bookmarks than the one that ends the initial events is a matter of time."""
    result = watch(*args)
    while len(result["events"]) > 1 and result["events"][-2][0] == "BOOKMARK":
        result["events"].pop()
    name, api_version, kind, message = result["events"][-1]
    if name == "BOOKMARK":  # a number that is no pointer inside the real server shows as 0
        message = json.loads(json.dumps(message).replace('["replicas", "0"], ', "").replace('["replicas", "0"]', ""))
        result["events"][-1] = [name, api_version, kind, message]
    return result


# -- objects --


def sample(name):
    """The object of a generated cluster as somebody would send it."""
    with open(os.path.join(CLUSTER, name + ".json"), encoding="utf-8") as file:
        text = file.read()
    for letter, value in PLACES.items():
        text = re.sub("~" + letter + "~{%d}" % (len(value) - 2), value, text)
    assert "~" not in text
    plural, version, namespaced, kind = KINDS[name]
    o = json.loads(text)
    o["apiVersion"], o["kind"] = version, kind.rsplit(".", 1)[1]
    for key in ("uid", "creationTimestamp", "generation", "managedFields", "generateName"):
        o["metadata"].pop(key, None)
    if namespaced:
        o["metadata"]["namespace"] = "cmp"
    for key in ("clusterIP", "clusterIPs"):
        o.get("spec", {}).pop(key, None)
    if name == "job":  # the server would choose the selector
        o["spec"] |= {"manualSelector": True, "selector": {"matchLabels": {"app": "batch"}}}
    if name == "volume_claim":
        o["metadata"]["finalizers"] = ["kubernetes.io/pvc-protection"]
    return o


def odd(name):
    kind_name, o = ODD[name]
    kind = KINDS_OF_ODD[kind_name]
    return {"apiVersion": kind[1], "kind": kind[3].rsplit(".", 1)[1]} | o | {"metadata": {"name": name} | o.get("metadata", {})}


def collection(name):
    plural, version, namespaced, _ = KINDS_OF_ODD[name]
    return ("/api/" if version == "v1" else "/apis/") + version + ("/namespaces/cmp" if namespaced else "") + "/" + plural


def path_of(name):
    return collection(name) + "/" + sample(name)["metadata"]["name"]


def kind_case(name):
    """Creates an object, gives it its status, changes it, reads it in several forms."""
    def run(s):
        o = sample(name)
        path = path_of(name)
        out = [ask(s, "POST", collection(name), o)]
        if "status" in o and name != "namespace":
            out.append(ask(s, "PATCH", path + "/status", {"status": o["status"]}, content_type="application/merge-patch+json"))
        label = {"metadata": {"labels": {"touched": "yes"}}}
        out.append(ask(s, "PATCH", path, label, content_type="application/merge-patch+json"))
        out.append(ask(s, "PATCH", path, label, content_type="application/merge-patch+json"))
        out.append(ask(s, "GET", path, accept=PROTOBUF))
        out.append(ask(s, "GET", path, accept=f"{PROTOBUF};as=PartialObjectMetadata;{META}"))
        out.append(without_late_bookmarks(s, collection(name), "fieldSelector=metadata.name%3D" + o["metadata"]["name"]
                         + "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"))
        listed = "?fieldSelector=metadata.name%3D" + o["metadata"]["name"]
        out.append(ask(s, "GET", collection(name) + listed))
        out.append(ask(s, "GET", collection(name) + listed, accept=f"{PROTOBUF};as=PartialObjectMetadataList;{META},application/json"))
        if name not in ("node", "namespace"):  # others need these
            gone = ask(s, "DELETE", path + "?gracePeriodSeconds=0&propagationPolicy=Background")
            out.append(gone if name != "pod" else gone["envelope"])  # there, pods are marked before they go
        return out
    run.__name__ = "protobuf_of_" + name
    return run


CASES += [kind_case(name) for name in KINDS]


def odd_case(name):
    def run(s):
        path = collection(ODD[name][0])
        out = [ask(s, "POST", path, odd(name))]
        if "status" in odd(name):
            out.append(ask(s, "PATCH", f"{path}/{name}/status", {"status": odd(name)["status"]}, content_type="application/merge-patch+json"))
        return out + [ask(s, "GET", f"{path}/{name}"), ask(s, "GET", f"{path}/{name}", accept="application/json")["status"]]
    run.__name__ = "protobuf_of_" + name.replace("-", "_")
    return run


CASES += [odd_case(name) for name in ODD]


def case(function):
    CASES.append(function)
    return function


LEASES = "/apis/coordination.k8s.io/v1/namespaces/cmp/leases"
PODS = "/api/v1/namespaces/cmp/pods"


def lease(name, **spec):
    return {"metadata": {"name": name}, "spec": spec}


@case
def protobuf_errors(s):
    s.send("POST", LEASES, lease("pb", holderIdentity="x"))
    return [ask(s, "GET", LEASES + "/nope"), ask(s, "GET", PODS + "/nope", accept=PROTOBUF), ask(s, "POST", LEASES, lease("pb")),
            ask(s, "PUT", LEASES + "/pb", {"metadata": {"name": "pb", "resourceVersion": "1"}}), ask(s, "POST", LEASES, lease("Bad_Name")),
            ask(s, "POST", LEASES, "{"), ask(s, "GET", PODS, user="nobody"), ask(s, "GET", PODS, user=None)["status"],
            ask(s, "GET", PODS + "?resourceVersion=99999999"), ask(s, "GET", PODS + "?continue=x"),
            ask(s, "GET", PODS + "/nope", accept=f"{PROTOBUF};as=PartialObjectMetadata;{META}"),
            ask(s, "GET", "/apis/nope.io/v1/foos"), ask(s, "POST", PODS, "x", content_type="text/plain"),
            ask(s, "DELETE", LEASES + "/pb"), ask(s, "DELETE", LEASES + "/pb")]


@case
def protobuf_accept(s):
    s.send("POST", LEASES, lease("pb", holderIdentity="x"))
    accepts = [PROTOBUF, PROTOBUF + ";stream=watch", "application/json," + PROTOBUF, PROTOBUF + ";q=0.1,application/json;q=0.5",
               PROTOBUF + ";q=0.5,application/json;q=0.1", f"{PROTOBUF};as=Table;{META}", f"{PROTOBUF};as=Table;{META},application/json",
               "application/cbor", f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v2," + PROTOBUF, "text/html," + PROTOBUF,
               "APPLICATION/VND.KUBERNETES.PROTOBUF", "*/*," + PROTOBUF]
    return [ask(s, "GET", LEASES + "/pb", accept=accept) for accept in accepts]


@case
def protobuf_pages(s):
    for i in range(3):
        s.send("POST", LEASES, lease(f"page{i}"))
    out, token = [], ""
    for _ in range(3):
        response, data = s.send_bytes("GET", f"{LEASES}?limit=2{token}", None, "admin", {"Accept": PROTOBUF})
        api_version, kind, raw = unwrap(data)
        message = s.protoc.decode("coordination.v1." + kind, raw)
        out.append([response.status, api_version, kind, canon(s, message)])
        text = dict(map(tuple, dict(map(tuple, message[:1]))["metadata"])).get("continue", '""').strip('"')
        if not text:
            break
        token = "&continue=" + text
    return out


def changes():
    def do(method, path, body=None):
        return lambda s: s.send(method, LEASES + path, body, headers={"Content-Type": "application/merge-patch+json"} if method == "PATCH"
                                else None)
    return [do("POST", "", lease("pw1", holderIdentity="x") | {"metadata": {"name": "pw1", "labels": {"app": "pw"}}}),
            do("PATCH", "/pw1", {"spec": {"holderIdentity": "y"}}), do("PATCH", "/pw1", {"metadata": {"labels": {"app": "other"}}}),
            do("PATCH", "/pw1", {"metadata": {"labels": {"app": "pw"}}}), do("DELETE", "/pw1")]


@case
def protobuf_watch(s):
    select = "labelSelector=app%3Dpw&resourceVersion="
    return [watch(s, LEASES, select + s.version(), changes()),
            watch(s, LEASES, select + s.version(), changes(), accept=f"{PROTOBUF};as=PartialObjectMetadata;{META}")]


@case
def protobuf_watch_bookmarks(s):
    """With a time limit of a second the last bookmark comes at once."""
    initial = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&labelSelector=app%3Dnone"
    out = []
    for path in [LEASES] + [collection(name) for name in KINDS]:
        out.append(without_late_bookmarks(s, path, initial))
    return out


@case
def protobuf_watch_too_new(s):
    return watch(s, LEASES, "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true&resourceVersion=99999999")


@case
def protobuf_bodies(s):
    """What one server sends in protobuf, it accepts as a body, too."""
    out = []
    for name in ("pod", "deployment", "hpa", "endpoint_slice", "volume"):
        ask(s, "POST", collection(name), sample(name))
        _, data = s.send_bytes("GET", path_of(name), None, "admin", {"Accept": PROTOBUF})
        body = data.replace(b"bcdfg", b"hjklm").replace(b"00001", b"00002")  # another name of the same length
        answer = ask(s, "POST", collection(name) + "?dryRun=All", body, content_type=PROTOBUF)
        out.append([name, answer["status"], answer["object"][1:]])
        ask(s, "DELETE", path_of(name) + "?gracePeriodSeconds=0")
    return out


def unused_samples():
    """Files of the cluster that no case is about; for a test."""
    return {os.path.basename(path)[:-5] for path in glob.glob(CLUSTER + "/*.json")} - set(KINDS)
