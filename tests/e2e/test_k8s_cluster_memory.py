"""k8s_cluster on a generated cluster: what it may take of memory, and a tick that meets a backend slower than itself.

FULL_SIZE=1 runs the latter with 10,000 pods, a queue of 16 MiB and 5 s for each request, which takes two minutes."""
import collections
import json
import os
import statistics

import pytest
from harness.api import ApiServer, Sink
from harness.meter import Meter, latency_seconds
from harness.processes import PEERS
from harness.replicas import Baton

MIB = 1 << 20
PODS = 10_000
FULL_SIZE = bool(os.environ.get("FULL_SIZE"))
STEADY_MAX = 32 * MIB
PEAK_RATIO = 1.3
REQUEST_MAX = 4 * MIB

pytestmark = [
    pytest.mark.only("kubesim"),
    pytest.mark.skipif(not os.path.exists(os.path.join(PEERS, "otlpsink")), reason="the OTLP sink is not built: sh tests/peers/build.sh build/peers"),
]


@pytest.fixture
def cluster(tmp_path):
    """Starts kubesim with a generated cluster."""
    started = []

    def start(spec, *arguments):
        started.append(ApiServer("kubesim", str(tmp_path / "server"), arguments=("--generate", spec, *arguments)))
        return started[-1]
    yield start
    for server in started:
        server.stop()


@pytest.fixture
def collector(tmp_path):
    """Starts baton with a sink; gives (process, sink)."""
    started = []

    def start(server, interval, sink_arguments, **exporter):
        sink = Sink("sink", sink_arguments)
        started.append(sink)
        process = Baton("baton", {
            "receivers": {"k8s_cluster": {"auth_type": "kubeConfig", "collection_interval": interval}},
            "exporters": {"otlp_grpc": {"endpoint": sink.endpoint, "tls": {"insecure": True}, **exporter}},
            "service": {"pipelines": {"metrics": {"receivers": ["k8s_cluster"], "exporters": ["otlp_grpc"]}}},
        }, str(tmp_path), server.kubeconfig)
        started.append(process)
        return process, sink
    yield start
    for thing in reversed(started):
        thing.stop()


@pytest.mark.parametrize("compression", ["none", "gzip"])
def test_memory_with_10000_pods(cluster, collector, compression):
    server = cluster(f"pods={PODS}", "--churn", "20")
    process, sink = collector(server, "5s", ("--light",), compression=compression)
    meter = Meter(process, sink)
    meter.wait_first(60)
    ticks, resident = meter.wait_ticks(3, 180)
    steady, peak = statistics.median(resident), process.memory()["VmHWM"]
    points = [sum(call["points"] for call in calls) for calls in ticks.values()]
    print(f"{compression}: {steady / MIB:.1f} MiB between ticks, {peak / MIB:.1f} at most; {points} points")
    assert min(points) > 15 * PODS
    assert max(call["bytes"] for calls in ticks.values() for call in calls) < REQUEST_MAX
    assert steady <= STEADY_MAX
    assert peak <= PEAK_RATIO * steady


def identity(resource):
    """What a resource is about: (kind, uid), or the pod and the name of a container."""
    attributes = resource["attrs"]
    if "k8s.container.name" in attributes:
        return "container", attributes["k8s.pod.uid"], attributes["k8s.container.name"]
    uids = [(key, value) for key, value in attributes.items() if key.endswith(".uid") and (key != "k8s.node.uid" or "k8s.pod.uid" not in attributes)]
    metrics = tuple(sorted({metric["name"] for scope in resource["scopes"] for metric in scope["metrics"]}))
    return *uids[0], metrics if uids[0][0] == "k8s.node.uid" else ()


def objects_of(calls):
    """{identity: how often}"""
    return collections.Counter(identity(resource) for call in calls for resource in call["resources"])


def pods_of(server):
    """uids of the pods that are there."""
    _, body = server.api.request("GET", "/api/v1/pods", timeout=60)
    return {item["metadata"]["uid"] for item in body["items"]}


def test_a_slow_backend_gets_each_object_once(cluster, collector):
    """A queue that holds a quarter of a tick, and a backend that takes its time for each request while pods come and go: what was there
    all the time is in the tick exactly once, nothing is in it twice, and nothing was lost."""
    pods, delay_ms, queue_bytes, consumers, interval = (PODS, 5000, 16 * MIB, 10, "10s") if FULL_SIZE else (2000, 700, 2 * MIB, 2, "2s")
    server = cluster(f"pods={pods}", "--churn", "100")
    process, sink = collector(server, interval, ("--control", "127.0.0.1:0", "--max-recv-mib", "4"), compression="none", timeout="30s",
                              sending_queue={"max_bytes": queue_bytes, "num_consumers": consumers})
    sink.control("fault", {"delay_ms": delay_ms, "times": -1})
    meter = Meter(process, sink)
    before = pods_of(server)
    assert meter.sink.wait_call(lambda call: "resources" in call, 60) is not None
    # The second tick is whole once the third has begun.
    whole = None
    while whole is None:
        meter.wait_quiet(delay_ms / 1000 / 4)
        seen = sorted(stamps_of(sink).items())
        whole = seen[:-1] if len(seen) >= 3 else None
    stayed = before & pods_of(server)
    assert len(stayed) > 100
    containers = []
    for _, calls in whole:
        found = objects_of(calls)
        assert len(calls) > 4  # it was cut
        assert [name for name, count in found.items() if count > 1] == []
        assert {uid for uid in stayed if ("k8s.pod.uid", uid, ()) not in found} == set()
        containers.append({name for name in found if name[0] == "container" and name[1] in stayed})
    assert len(containers[0]) >= len(stayed) and all(names == containers[0] for names in containers)
    assert max(latency_seconds(*tick) for tick in whole) > delay_ms / 1000 * 2  # the backend was what it waited for
    assert [line["msg"] for line in process.log() if "Dropping" in line["msg"] or "Rejecting" in line["msg"]] == []


def stamps_of(sink):
    """{time stamp: calls} of calls with content."""
    ticks = {}
    for call in sink.calls():
        if "resources" in call:
            stamp = call["resources"][0]["scopes"][0]["metrics"][0]["points"][0]["ts"]
            ticks.setdefault(stamp, []).append(call)
    return ticks

