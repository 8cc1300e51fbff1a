"""examples/kyma on the real API server: two replicas with the permissions of the example, and changes of leader in the middle."""
import os
import signal
import subprocess

import pytest
import yaml
from harness.kyma import CONDITIONS, STATE, Points
from harness.processes import ROOT
from harness.replicas import FOLLOWS, LED
from harness.ticks import MS, doubled
from harness.world import wait_until

pytestmark = pytest.mark.only("apiserver")
FOLDER = os.path.join(ROOT, "examples", "kyma")
NAMESPACE, ACCOUNT = "kyma-system", "telemetry-kymastats"
INTERVAL_MS = 500
INTERVAL = INTERVAL_MS * MS


def manifests(name):
    with open(os.path.join(FOLDER, name)) as f:
        return list(yaml.safe_load_all(f))


def expected():
    """[(metric, kind, name, type or state, value)] of objects.yaml, in order."""
    plurals = {"Telemetry": "telemetries", "MetricPipeline": "metricpipelines"}
    found = []
    for body in manifests("objects.yaml"):
        kind, name, status = plurals[body["kind"]], body["metadata"]["name"], body["status"]
        for c in status["conditions"]:
            found.append((CONDITIONS, kind, name, c["type"], {"True": 1, "False": 0}.get(c["status"], -1)))
        if "state" in status:
            found.append((STATE, kind, name, status["state"], 1))
    return sorted(found)


@pytest.fixture
def kubeconfig(world, tmp_path):
    """The example is applied; the file has a token of its service account."""
    kubectl = ["kubectl", "--kubeconfig", world.server.kubeconfig]
    for name in ("crds.yaml", "rbac.yaml"):
        subprocess.run([*kubectl, "apply", "-f", os.path.join(FOLDER, name)], check=True, capture_output=True)
    subprocess.run([*kubectl, "wait", "--for=condition=Established", "-f", os.path.join(FOLDER, "crds.yaml")], check=True, capture_output=True)

    def objects(*command):
        return subprocess.run([*kubectl, *command, "-f", os.path.join(FOLDER, "objects.yaml")], capture_output=True).returncode == 0
    wait_until(lambda: objects("delete", "--ignore-not-found") and objects("apply"), 30, "the new kinds are served")
    status, answer = world.api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/{ACCOUNT}/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}})
    assert status == 201, answer
    with open(world.server.kubeconfig) as f:
        config = yaml.safe_load(f)
    config["users"][0]["user"] = {"token": answer["status"]["token"]}
    path = tmp_path / "account.kubeconfig"
    path.write_text(yaml.safe_dump(config))
    world.api.delete_lease(manifests("config.yaml")[0]["extensions"]["k8s_leader_elector"]["lease_name"], NAMESPACE)  # of another test
    return str(path)


def config(world, name, standby):
    """config.yaml with another interval, other credentials and an output that can be read."""
    config = manifests("config.yaml")[0]
    config["receivers"]["kymastats"].update(auth_type="kubeConfig", collection_interval=f"{INTERVAL_MS}ms")
    config["extensions"]["k8s_leader_elector"].update(auth_type="kubeConfig", standby=standby, lease_duration="3s", renew_deadline="2s",
                                                      retry_period="500ms")
    config["exporters"] = {"debug": world.exporter(name, "all")}
    config["service"]["pipelines"]["metrics"]["exporters"] = ["debug"]
    return config


def points(world, name):
    return Points(world.output(name, "all").path)


def seen(tick):
    return sorted((metric, a["kind"], a["name"], a["type"] if metric == CONDITIONS else a["state"], value) for _, metric, a, value, _ in tick)


@pytest.mark.parametrize("standby", ["warm", "cold"])
def test_each_condition_once_in_each_tick(world, kubeconfig, standby):
    wanted, names = expected(), ["a", "b", "c", "d"]
    leader = world.start(names[0], config(world, names[0], standby), kubeconfig=kubeconfig)
    world.expect(leader, LED)
    for before, name in zip(names, names[1:]):
        successor = world.start(name, config(world, name, standby), kubeconfig=kubeconfig)
        world.expect(successor, FOLLOWS)
        points(world, before).wait(lambda tick: seen(tick) == wanted, 30, f"all points by {before}")
        world.end(leader)
        world.expect(successor, LED)
        leader = successor
    points(world, names[-1]).wait(lambda tick: seen(tick) == wanted, 30, "all points by the last one")
    emitted = [points(world, name).ticks() for name in names]
    assert doubled(*[list(ticks) for ticks in emitted]) == []
    assert world.missing(*emitted, interval=INTERVAL) == []
    last = max(emitted[-1])  # may still be under way
    for ticks in emitted:
        for when, tick in ticks.items():
            assert when == last or seen(tick) == wanted, when
    # The series go on: one start time throughout.
    assert len({p[4] for ticks in emitted for tick in ticks.values() for p in tick}) == 1


def test_a_crash(world, kubeconfig):
    wanted = expected()
    a = world.start("a", config(world, "a", "warm"), kubeconfig=kubeconfig)
    world.expect(a, LED)
    b = world.start("b", config(world, "b", "warm"), kubeconfig=kubeconfig)
    world.expect(b, FOLLOWS)
    points(world, "a").wait(lambda tick: seen(tick) == wanted, 30, "all points by a")
    a.signal(signal.SIGKILL)
    world.expect(b, LED)
    points(world, "b").wait(lambda tick: seen(tick) == wanted, 30, "all points by b")
    first, second = points(world, "a").ticks(), points(world, "b").ticks()
    assert doubled(list(first), list(second)) == []
    assert seen(second[min(second)]) == wanted


def test_a_change_under_a_new_leader(world, kubeconfig):
    """A change that the leader has not told of is in the first tick of its successor."""
    a = world.start("a", config(world, "a", "warm"), kubeconfig=kubeconfig)
    world.expect(a, LED)
    b = world.start("b", config(world, "b", "warm"), kubeconfig=kubeconfig)
    world.expect(b, FOLLOWS)
    points(world, "a").wait(lambda tick: seen(tick) == expected(), 30, "all points by a")
    world.end(a)
    status, answer = world.api.request("PATCH", "/apis/telemetry.kyma-project.io/v1beta1/metricpipelines/second",
                                       {"status": {"state": "Ready", "conditions": []}}, "application/merge-patch+json")
    assert status == 200, answer
    points(world, "b").wait(lambda tick: (STATE, "metricpipelines", "second", "Ready", 1) in seen(tick), 30, "the change")
    assert doubled(list(points(world, "a").ticks()), list(points(world, "b").ticks())) == []
