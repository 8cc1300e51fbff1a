"""deploy/flowschema.yaml on a real API server: renewals hold while the level of ordinary workloads is full."""
import json
import os
import socket

import pytest
import yaml
from harness.api import Api, ApiServer
from harness.processes import ROOT
from harness.replicas import LED, LOST
from harness.world import PATIENT, World, wait_until

pytestmark = pytest.mark.only("apiserver")

FLOWS = "/apis/flowcontrol.apiserver.k8s.io/v1"
NAMESPACE = ACCOUNT = "baton"
GREEDY = "greedy"
CONFIG_MAPS, CONFIG_MAP_BYTES = 16, 900_000  # one list is more than socket buffers hold
LISTS = 8


@pytest.fixture(scope="module")
def small_server(kind, tmp_path_factory):
    """With few seats, a service account for baton and one for somebody who lists without end."""
    server = ApiServer(kind, str(tmp_path_factory.mktemp("small")), arguments=("--max-requests-inflight", "20", "--extra",
                                                                              "--max-mutating-requests-inflight=10"))
    try:
        prepare(server)
        yield server
    finally:
        server.stop()


def prepare(server):
    api = server.api
    for name in (NAMESPACE, GREEDY):
        api.create_namespace(name)
        make_user(server, name)
    api.create_role({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "leases", "namespace": NAMESPACE},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "watch", "update", "create"]}],
    }, f"system:serviceaccount:{NAMESPACE}:{ACCOUNT}")
    api.create_role({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "lists", "namespace": GREEDY},
        "rules": [{"apiGroups": [""], "resources": ["configmaps"], "verbs": ["list"]}],
    }, f"system:serviceaccount:{GREEDY}:{GREEDY}")
    for number in range(CONFIG_MAPS):
        api.create(f"/api/v1/namespaces/{GREEDY}/configmaps", {
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": f"large-{number}"}, "data": {"text": "x" * CONFIG_MAP_BYTES}})
    # Its share without what it may borrow, so that a handful of lists fills it on any machine.
    level = get(api, f"{FLOWS}/prioritylevelconfigurations/workload-low")
    level["metadata"].setdefault("annotations", {})["apf.kubernetes.io/autoupdate-spec"] = "false"
    level["spec"]["limited"].update(nominalConcurrencyShares=1, borrowingLimitPercent=0)
    status, answer = api.request("PUT", f"{FLOWS}/prioritylevelconfigurations/workload-low", level)
    assert status == 200, answer


def make_user(server, namespace):
    """A kubeconfig with a token of the service account of the same name."""
    api = server.api
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts"
    api.create(path, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": namespace}})
    token = api.create(f"{path}/{namespace}/token", {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
                                                     "spec": {"expirationSeconds": 3600}})["status"]["token"]
    with open(server.kubeconfig) as f:
        config = yaml.safe_load(f)
    config["users"][0]["user"] = {"token": token}
    with open(server.kubeconfig_of(f"account-{namespace}"), "w") as f:
        yaml.safe_dump(config, f)


def get(api, path):
    status, answer = api.request("GET", path)
    assert status == 200, (path, answer)
    return answer


def flow_schema():
    with open(os.path.join(ROOT, "deploy", "flowschema.yaml")) as f:
        return yaml.safe_load(f)


@pytest.fixture
def applied(small_server):
    schema = flow_schema()
    small_server.api.create(f"{FLOWS}/flowschemas", schema)
    yield schema
    small_server.api.request("DELETE", f"{FLOWS}/flowschemas/{schema['metadata']['name']}")


@pytest.fixture
def full_level(small_server):
    """Lists whose answers nobody reads: each keeps its seat until the server's request timeout (60 s), the others wait behind it."""
    greedy = Api(small_server.kubeconfig_of(f"account-{GREEDY}"))
    open_lists = []

    def fill():
        for _ in range(LISTS):
            plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plain.connect((greedy.host, greedy.port))
            tls = greedy.context.wrap_socket(plain, server_hostname=greedy.host)
            tls.sendall(f"GET /api/v1/namespaces/{GREEDY}/configmaps HTTP/1.1\r\nHost: {greedy.host}\r\n"
                        f"Authorization: {greedy.headers['Authorization']}\r\n\r\n".encode())
            open_lists.append(tls)
        wait_until(lambda: waiting(small_server.api) > 0, 20, "requests wait for a seat of workload-low")
    yield fill
    for tls in open_lists:
        tls.close()


def waiting(api):
    """Requests that wait for a seat of workload-low."""
    connection = api.connect()
    try:
        connection.request("GET", "/metrics", headers={**api.headers, "Accept": "text/plain"})
        lines = connection.getresponse().read().decode().splitlines()
    finally:
        connection.close()
    return sum(float(line.rsplit(" ", 1)[1]) for line in lines
               if line.startswith("apiserver_flowcontrol_current_inqueue_requests{") and 'priority_level="workload-low"' in line)


def level_of(server, path, method="GET", body=None):
    """Name of the priority level to which baton's request goes."""
    api = Api(server.kubeconfig_of(f"account-{ACCOUNT}"))
    connection = api.connect()
    try:
        connection.request(method, path, None if body is None else json.dumps(body), api.headers)
        answer = connection.getresponse()
        answer.read(1)
        uid = answer.headers["X-Kubernetes-PF-PriorityLevel-UID"]
    finally:
        connection.close()
    levels = get(server.api, f"{FLOWS}/prioritylevelconfigurations")["items"]
    return {level["metadata"]["uid"]: level["metadata"]["name"] for level in levels}[uid]


LEASES = Api.lease_path(namespace=NAMESPACE)
CALLS = {
    "get": (f"{LEASES}/probe",),
    "create": (LEASES, "POST", {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "Not a name"}}),
    "update": (f"{LEASES}/probe", "PUT", {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "other"}}),
    "watch": (f"{LEASES}?watch=true&timeoutSeconds=1&fieldSelector=metadata.name%3Dprobe",),
}


def test_calls_for_leases_change_their_level_and_no_others_do(small_server):
    before = {verb: level_of(small_server, *call) for verb, call in CALLS.items()}
    assert set(before.values()) == {"workload-low"}, before
    schema = flow_schema()
    small_server.api.create(f"{FLOWS}/flowschemas", schema)
    try:
        wait_until(lambda: level_of(small_server, *CALLS["get"]) == "leader-election", 10, "the FlowSchema is in force")
        after = {verb: level_of(small_server, *call) for verb, call in CALLS.items()}
        assert set(after.values()) == {"leader-election"}, after
        assert level_of(small_server, f"/api/v1/namespaces/{NAMESPACE}/pods") == "workload-low"
        assert level_of(small_server, Api.lease_path(namespace="default")) == "workload-low"
    finally:
        small_server.api.request("DELETE", f"{FLOWS}/flowschemas/{schema['metadata']['name']}")


@pytest.fixture
def small_world(small_server, request, tmp_path):
    world = World(small_server, str(tmp_path), request.node.name.removeprefix("test_").replace("_", "-")[:50])
    request.node.world = world
    yield world
    world.close()


def start_pair(world):
    def config(name):
        return world.config(name, extensions={"leaderelector/foo": world.extension(lease_namespace=NAMESPACE, **PATIENT)})
    a = world.start_leader("a", config("a"), user=f"account-{ACCOUNT}")
    b = world.start_standby("b", config("b"), user=f"account-{ACCOUNT}")
    world.output(a).wait_more(3)
    watch = world.api.watch_lease(world.lease, NAMESPACE)
    world.watches.append(watch)
    return a, b, watch


def test_renewals_hold_while_lists_fill_workload_low(small_world, small_server, applied, full_level):
    wait_until(lambda: level_of(small_server, *CALLS["get"]) == "leader-election", 10, "the FlowSchema is in force")
    a, b, watch = start_pair(small_world)
    full_level()
    watch.wait_more(8)
    assert waiting(small_world.api) > 0, "the level was not full all the time"
    # A change of leader goes through as well.
    mark = len(b.err)
    small_world.end(a)
    small_world.expect(b, LED, start=mark, predecessor="released")
    watch.wait_more(3)
    assert waiting(small_world.api) > 0
    small_world.output(b).wait_more(3)
    for replica in (a, b):
        assert not replica.wait_log(LOST, 0) and not replica.wait_log("A call for the Lease failed", 0)
    small_world.check_once("a", "b")


def test_without_the_flowschema_the_same_lists_cost_the_term(small_world, full_level):
    """So the test above can fail."""
    a, _, _ = start_pair(small_world)
    full_level()
    small_world.expect(a, LOST, 30)
