"""Pods: phases, states of containers, images, quantities and owners."""
from objects import Kind, owner

IMAGE = "registry.example.com/x:1"
HEX = "0123456789abcdef" * 4
STARTED = "2026-01-01T00:00:00Z"
RUNNING = {"running": {"startedAt": STARTED}}


def waiting(reason=None):
    return {"waiting": {"reason": reason, "message": "m"} if reason is not None else {}}


def terminated(reason=None, code=1, **more):
    return {"terminated": {"exitCode": code, **({"reason": reason} if reason is not None else {}), **more}}


def container(name="app", requests=None, limits=None, **more):
    resources = {**({"requests": requests} if requests else {}), **({"limits": limits} if limits else {})}
    return {"name": name, "image": IMAGE, **({"resources": resources} if resources else {}), **more}


def entry(name="app", identity=None, state=None, image=IMAGE, ready=False, restarts=0, last=None):
    """Of status.containerStatuses; without an id of its own it gets one of the pod's name and its own."""
    return {"name": name, "image": image, "imageID": "", "ready": ready, "restartCount": restarts, "state": state or {}, "lastState": last or {},
            "containerID": identity}


def spec(*containers, **more):
    return {"spec": {"containers": list(containers) or [container()], **more}}


def status(*entries, phase="Running", **more):
    return {"phase": phase, **({"containerStatuses": list(entries)} if entries else {}), **more}


def shapes():
    k = Kind("pods")
    for group in (phases, states, never_started, entries, images, identities, quantities, other_containers, owners, labels, lives):
        group(k)
    for shape in k.shapes:
        for key, value in (shape.status or {}).items():
            if key.endswith("ontainerStatuses"):
                for item in value:
                    if item["containerID"] is None:
                        item["containerID"] = f"containerd://{shape.name}-{item['name']}"
    return k.shapes


def phases(k):
    k.add("bare", spec())
    for phase in ("Pending", "Running", "Succeeded", "Failed", "Unknown", "Odd"):
        k.add(f"phase-{phase.lower()}", spec(nodeName="good"), status(phase=phase))
    k.add("phase-empty", spec(), {"phase": "", "message": "x"})
    for reason in ("Evicted", "NodeAffinity", "NodeLost", "Shutdown", "UnexpectedAdmissionError", "Terminated", "evicted"):
        k.add(f"reason-{reason.lower()}{'-low' if reason.islower() else ''}", spec(nodeName="good"),
              status(phase="Failed", reason=reason, message="The node was low on resource: memory."))
    k.add("unscheduled", spec(nodeSelector={"a": "b"}), status(phase="Pending", conditions=[
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}]))
    k.add("unknown-node", spec(nodeName="nowhere"), status(entry(state=RUNNING, ready=True)))
    k.add("guaranteed", spec(container("app", {"cpu": "1", "memory": "1Gi"}, {"cpu": "1", "memory": "1Gi"})), status(entry(state=RUNNING)))


def states(k):
    for number, reason in enumerate(("ContainerCreating", "CrashLoopBackOff", "CreateContainerConfigError", "ErrImagePull", "ImagePullBackOff",
                                     "PodInitializing", "", None)):
        k.add(f"waiting-{number}", spec(nodeName="good"), status(entry(state=waiting(reason), restarts=number)))
    for number, reason in enumerate(("OOMKilled", "Completed", "Error", "ContainerCannotRun", "DeadlineExceeded", "", None)):
        k.add(f"terminated-{number}", spec(nodeName="good", restartPolicy="Never"),
              status(entry(state=terminated(reason, number, startedAt=STARTED, finishedAt=STARTED), restarts=number), phase="Failed"))
    k.add("crash-loop", spec(nodeName="good"), status(entry(
        state=waiting("CrashLoopBackOff"), restarts=42, last=terminated("Error", 2, startedAt=STARTED, finishedAt=STARTED))))
    k.add("was-killed", spec(nodeName="good"), status(entry(state=RUNNING, ready=True, restarts=1, last=terminated("OOMKilled", 137))))
    k.add("last-without-reason", spec(), status(entry(state=RUNNING, last=terminated())))
    k.add("last-running", spec(), status(entry(state=RUNNING, last=RUNNING)))
    k.add("no-state", spec(), status(entry(ready=True)))
    k.add("ready-but-waiting", spec(), status(entry(state=waiting("ErrImagePull"), ready=True)))
    k.add("terminated-unstarted", spec(restartPolicy="Never"), status(entry(state=terminated("Error"))))
    k.add("restarts-most", spec(), status(entry(state=RUNNING, restarts=2147483647)))
    k.add("restarts-negative", spec(), status(entry(state=RUNNING, restarts=-1)))
    k.add("fraction", spec(), status(entry(state={"running": {}})))


def never_started(k):
    k.add("cannot-pull", spec(container("app", {"memory": "1500m"}), container("side")),
          status(entry("app", "", waiting("ErrImagePull"), "registry.example.com/x:1"), phase="Pending"), namespace="odd-a")
    k.add("creating", spec(container("a"), container("b")),
          status(entry("a", "", waiting("ContainerCreating")), entry("b", "", waiting("ContainerCreating")), phase="Pending"), namespace="odd-b")
    k.add("half-started", spec(container("a"), container("b")), status(entry("a", None, RUNNING, ready=True), entry("b", "", waiting("ImagePullBackOff"))))
    k.add("config-error", spec(container("a", {"cpu": "1"})), status(entry("a", "", waiting("CreateContainerConfigError"), "")), namespace="odd-c")


def entries(k):
    k.add("entry-without-container", spec(container("a")), status(entry("a", "containerd://ea", RUNNING), entry("ghost", "containerd://eb", RUNNING)))
    k.add("only-ghosts", spec(container("a")), status(entry("ghost", "containerd://ec", RUNNING)))
    k.add("entry-missing", spec(container("a"), container("b", {"cpu": "10m"}), container("c")), status(entry("c", "containerd://ed", RUNNING, ready=True)))
    k.add("entry-twice", spec(container("a")), status(entry("a", "containerd://ee", RUNNING, restarts=1),
                                                      entry("a", "containerd://ef", waiting("Error"), ready=True, restarts=2)))
    k.add("id-twice", spec(container("a"), container("b")), status(entry("a", "containerd://eg", RUNNING), entry("b", "containerd://eg", RUNNING)))
    k.add("other-order", spec(container("a"), container("b"), container("c")),
          status(entry("c", "c://e1", RUNNING, restarts=3), entry("b", "c://e2", RUNNING, restarts=2), entry("a", "c://e3", RUNNING, restarts=1)))
    names = [f"c{i}" for i in range(30)]
    k.add("thirty", spec(*[container(name, {"cpu": f"{i}m"}) for i, name in enumerate(names)]),
          status(*[entry(name, f"containerd://thirty{i}", RUNNING, ready=i % 2 == 0, restarts=i) for i, name in enumerate(names)]))


IMAGES = [
    "nginx", "nginx:1.25", "library/nginx", "docker.io/library/nginx:1", "example.com:5000/a/b:test", "localhost:5000/x", "host:5000", "a.b/c:D_e.f-1",
    f"reg.io/x@sha256:{HEX}", f"reg.io/x:1.2@sha256:{HEX}", f"reg.io/x@sha512:{HEX * 2}", f"reg.io/x@md5:{HEX[:32]}", f"sha256:{HEX}", HEX,
    f"sha256:{HEX[:63]}", f"reg.io/x@sha256:{HEX[:63]}", "UPPER/x:1", "UPPER", "a/B:1", "a//b:1", "/a", "a/", "a:", ":1", " a:1", "a b:1", "a:1 ",
    "[2001:db8::1]:5000/x:1",
    "a__b/c:1", "a___b:1", "a.-b:1", "a---b:1", "-a:1", "a:.1", "a:-1", "a:" + "t" * 128, "a:" + "t" * 129, "reg.io/" + "n" * 248 + ":1",
    "reg.io/" + "n" * 249 + ":1", "ünï:1", "example.com/ü:1", "http://a/b:1", "a.b:80:1", "a:b:c", "xn--n3h.com/m:1", "EXAMPLE.com/a:1", "a@b", "@",
    "example.com/a:1@", "x@sha256:" + HEX.upper(), "a.b.c:8080/d_e__f-g--h/i:2", "1/2/3:4", "a/b@sha256:" + HEX + "@sha256:" + HEX,
]


def images(k):
    """Several to a pod; the text of the status counts."""
    for number in range(0, len(IMAGES), 3):
        some = IMAGES[number:number + 3]
        k.add(f"images-{number // 3:02}", spec(*[container(f"i{i}") for i in range(len(some))]),
              status(*[entry(f"i{i}", f"containerd://image-{number + i}", RUNNING, image) for i, image in enumerate(some)]))
    k.add("image-empty", spec(), status(entry("app", "containerd://image-empty", RUNNING, "")))


def identities(k):
    texts = [f"docker://{HEX}", f"cri-o://{HEX[1:]}f", "bare-id", "://x", "a b://c", "x_1-y://z://w", "ü://y", "containerd://", "containerd:///a", "a://"]
    for number, text in enumerate(texts):
        k.add(f"id-{number}", spec(), status(entry("app", text, RUNNING)))


QUANTITIES = [
    ("0", "0"), ("100m", "1e3"), ("1.5", "1.5Gi"), ("1n", "1n"), ("0.1", "100m"), ("2", "1500m"), ("1k", "12e6"), ("1e3", "1E"), ("3920m", "8Gi"),
    ("1E", "10E"), ("10E", "16Ei"), ("9223372036854775807", "9223372036854775807"), ("9223372036854775808", "9223372036854775808"),
    ("1e19", "1e19"), ("0.0001", "9007199254740993"), ("123456789012", "1.0000000001Ki"), ("33m", "0.5Ki"), ("7u", "1T"), ("9e15", "7Ei"),
    ("9223372036854775.807", "8Ei"), ("+1", "5."), (".5", "00012"),
]


def quantities(k):
    for number, (cpu, memory) in enumerate(QUANTITIES):
        k.add(f"quantity-{number:02}", spec(container("app", {"cpu": cpu, "memory": memory, "ephemeral-storage": memory})), status(entry(
            "app", f"containerd://quantity-{number}", RUNNING)))
    k.add("limits-only", spec(container("app", None, {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "10Gi"})))  # requests follow limits
    k.add("devices", spec(container("app", None, {"nvidia.com/gpu": "1", "example.com/foo": "3"}), container("huge", {"cpu": "1"}, {
        "hugepages-2Mi": "4Mi", "memory": "8Mi"})))
    k.add("each-its-own", spec(container("a", {"cpu": "1"}), container("b", {"memory": "1"}), container("c", {"ephemeral-storage": "1Mi"}),
                               container("d", None, {"ephemeral-storage": "1500m"}), container("e")))
    k.add("pod-level", {"spec": {"containers": [container()], "resources": {"requests": {"cpu": "1"}, "limits": {"cpu": "2", "memory": "1Gi"}}}})


def other_containers(k):
    sidecar = container("sidecar", {"cpu": "50m"}, restartPolicy="Always")
    k.add("init", spec(container("app"), initContainers=[container("first", {"cpu": "2"}), container("second")], nodeName="good"), status(
        entry("app", "", waiting("PodInitializing")), phase="Pending", initContainerStatuses=[
            entry("first", "containerd://init-1", terminated("Completed", 0)), entry("second", "containerd://init-2", RUNNING)]), namespace="odd-a")
    k.add("sidecar", spec(container("app"), initContainers=[sidecar]), status(
        entry("app", "containerd://sidecar-app", RUNNING, ready=True),
        initContainerStatuses=[entry("sidecar", "containerd://sidecar-1", RUNNING, ready=True)]))
    k.add("init-only-entries", spec(container("app", {"cpu": "1m"}), initContainers=[container("first")]), status(
        phase="Pending", initContainerStatuses=[entry("first", "", waiting("PodInitializing"))]))
    k.add("ephemeral", spec(), status(entry("app", "containerd://ephemeral-app", RUNNING), ephemeralContainerStatuses=[
        entry("debug", "containerd://ephemeral-1", RUNNING)]), ephemeral=[{"name": "debug", "image": "busybox", "targetContainerName": "app"}])
    k.add("static", spec(container(), hostNetwork=True, nodeName="good"), status(entry("app", "containerd://static", RUNNING)), annotations={
        "kubernetes.io/config.mirror": "x", "kubernetes.io/config.source": "file", "kubernetes.io/config.hash": "x"},
        ownerReferences=[owner("v1", "Node", "good", "uid:nodes//good", True)])


def owners(k):
    def add(name, *references, namespace="odd-a", **labels):
        k.add(name, spec(), status(entry("app", f"containerd://{name}", RUNNING)), namespace=namespace, ownerReferences=list(references),
              **({"labels": labels} if labels else {}))
    web = owner("apps/v1", "ReplicaSet", "web-1", "uid:replicasets/odd-a/web-1", True)
    nightly = owner("batch/v1", "Job", "nightly-1", "uid:jobs/odd-a/nightly-1", True)
    add("of-deployment", web, app="web")
    add("of-cronjob", nightly)
    add("of-lost-set", owner("apps/v1", "ReplicaSet", "gone", "gone-3", True))
    add("of-lost-job", owner("batch/v1", "Job", "gone", "gone-4", True))
    add("of-set-with-lost-owner", owner("apps/v1", "ReplicaSet", "lost-1", "uid:replicasets/odd-b/lost-1", True), namespace="odd-b")
    add("of-job-with-lost-owner", owner("batch/v1", "Job", "lost-cron-1", "uid:jobs/odd-b/lost-cron-1", True), namespace="odd-b")
    add("of-set-alone", owner("apps/v1", "ReplicaSet", "alone", "uid:replicasets/odd-c/alone", True), namespace="odd-c")
    add("of-job-alone", owner("batch/v1", "Job", "single", "uid:jobs/odd-c/single", True), namespace="odd-c")
    add("of-stateful", owner("apps/v1", "StatefulSet", "db", "uid:statefulsets/odd-a/db", True), app="db")
    add("of-daemon", owner("apps/v1", "DaemonSet", "agent", "uid:daemonsets/odd-a/agent", True))
    add("of-controller", owner("v1", "ReplicationController", "old", "uid:replicationcontrollers/odd-a/old", True))
    add("of-custom", owner("example.com/v1", "MyThing", "thing", "t-2", True))
    add("of-set-and-job", nightly, {**web, "controller": False})
    add("of-two-sets", web, owner("apps/v1", "ReplicaSet", "alone", "uid:replicasets/odd-c/alone", False))
    add("of-custom-and-set", owner("example.com/v1", "MyThing", "thing", "t-2"), web)
    add("of-set-and-custom", web, owner("example.com/v1", "MyThing", "thing", "t-2"))
    add("of-two-customs", owner("example.com/v1", "A", "a", "a-9"), owner("example.com/v1", "B", "b", "b-9", True))
    add("of-two-of-a-kind", owner("example.com/v1", "A", "a", "a-9"), owner("other.com/v2", "A", "b", "b-9", True))
    # The uid decides, whatever name stands beside it.
    add("of-misnamed", owner("apps/v1", "ReplicaSet", "not-its-name", "uid:replicasets/odd-a/web-1", True))
    # A uid of an object of another namespace.
    add("of-other-namespace", owner("apps/v1", "ReplicaSet", "web-1", "uid:replicasets/odd-a/web-1", True), namespace="odd-b")
    add("of-other-group", owner("example.com/v9", "ReplicaSet", "web-1", "uid:replicasets/odd-a/web-1", True))
    add("of-wrong-kind", owner("batch/v1", "Job", "web-1", "uid:replicasets/odd-a/web-1", True))


def labels(k):
    clash = {"k8s.pod.name": "clash", "k8s.pod.phase": "clash", "k8s.workload.kind": "clash", "k8s.node.name": "clash", "k8s.service.web": "clash",
             "pod.creation_timestamp": "clash", "k8s.deployment.name": "clash", "k8s.pod.uid": "clash", "k8s.pod.label.x": "y"}
    k.add("labels-clash", spec(), labels=clash)
    k.add("labels-odd", spec(), labels={"empty": "", "a" * 63: "b" * 63, "example.com/A_b.c-d": "E_f.g-H", "p" * 60 + ".example.com/x": "1", "app": "web",
                                        "tier": "front"}, annotations={"unicode": "日本語 🚀", "long": "x" * 20000}, namespace="odd-a")
    k.add("matches-two", spec(), labels={"app": "web", "tier": "front"}, namespace="odd-b")
    k.add("matches-name", spec(), labels={"app": "web"}, namespace="odd-c")
    k.add("matches-empty-value", spec(), labels={"a": ""}, namespace="odd-a")
    k.add("matches-nothing", spec(), labels={"app": "nothing"}, namespace="odd-b")
    k.add("many-labels", spec(), labels={f"label-{i}": f"value-{i}" for i in range(100)})


def lives(k):
    k.add("leaving", spec(nodeName="good", terminationGracePeriodSeconds=5), status(entry("app", "containerd://leaving", RUNNING)),
          finalizers=["example.com/stay"], deleted=True)
    k.add("p" + "0123456789." * 22 + "x" * 10, spec(container("c" + "0" * 61 + "z")), status(entry("c" + "0" * 61 + "z", "containerd://long", RUNNING)))
    k.add("gated", spec(schedulingGates=[{"name": "example.com/wait"}]))
    k.add("full-status", spec(nodeName="good"), status(
        entry("app", f"containerd://{HEX}", RUNNING, ready=True), podIP="10.1.2.3", podIPs=[{"ip": "10.1.2.3"}], hostIP="192.0.2.1",
        hostIPs=[{"ip": "192.0.2.1"}], startTime=STARTED, observedGeneration=3, conditions=[
            {"type": "Ready", "status": "True", "lastTransitionTime": STARTED}, {"type": "example.com/gate", "status": "Unknown"}]))
