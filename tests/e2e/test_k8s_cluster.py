"""The k8s_cluster receiver as it ships: election with cold and warm standby, reload, sharing, and a server that does not give everything."""
import json
import signal
import socket

import pytest
from harness.cluster import Cluster, Resources, containers_of, pod, pods_of
from harness.replicas import FOLLOWS, LED
from harness.ticks import MS, doubled
from harness.world import wait_until

INTERVAL_MS = 500
INTERVAL = INTERVAL_MS * MS
SYNCED = "All watches are synced"


def config(world, name, standby="warm", receivers=("k8s_cluster",), elector=True, output="all", **settings):
    extension = world.extension(**{"lease_duration": "3s", "renew_deadline": "2s", "retry_period": "500ms", "standby": standby})
    receiver = {"auth_type": "kubeConfig", "collection_interval": f"{INTERVAL_MS}ms", **settings}
    if elector:
        receiver["leaderelector"] = "leaderelector/foo"
    return {
        "receivers": {r: dict(receiver) for r in receivers},
        "extensions": {"leaderelector/foo": extension} if elector else {},
        "exporters": {f"debug/{n}": world.exporter(name, f"{output}-{n}" if n else output) for n in range(len(receivers))},
        "service": {"extensions": ["leaderelector/foo"] if elector else [],
                    "pipelines": {f"metrics/{n}": {"receivers": [r], "exporters": [f"debug/{n}"]} for n, r in enumerate(receivers)}},
    }


def resources(world, name, output="all"):
    return Resources(world.output(name, output))


def cluster(world):
    return Cluster(world.api, f"ns-{world.lease}"[:60].strip("-"))


def check_handed_over(world, namespace, names, *replicas):
    """Each tick by one replica, none missing, and each complete one with each of these pods and their containers exactly once."""
    ticks = [resources(world, replica).ticks() for replica in replicas]
    assert doubled(*[list(t) for t in ticks]) == []
    assert world.missing(*ticks, interval=INTERVAL) == []
    for by_tick in ticks:
        for when in sorted(by_tick)[:-1]:
            assert set(pods_of(by_tick[when], namespace)) == names, when
            assert sorted(containers_of(by_tick[when], namespace)) == sorted((name, "app") for name in names), when
    return ticks


def test_a_warm_standby_takes_over_within_the_interval(world):
    c = cluster(world)
    names = {made["metadata"]["name"] for made in c.create_pods(12)}
    a = world.start("a", config(world, "a"))
    world.expect(a, LED)
    b = world.start("b", config(world, "b"))
    world.expect(b, FOLLOWS)
    world.expect(b, SYNCED)
    resources(world, "a").wait(lambda ticks: len(ticks) >= 3, what="three ticks of a")
    assert resources(world, "b").ticks() == {}
    world.end(a)
    resources(world, "b").wait(lambda ticks: len(ticks) >= 3, what="three ticks of b")
    check_handed_over(world, c.namespace, names, "a", "b")


def test_a_warm_standby_after_a_crash(world):
    c = cluster(world)
    names = {made["metadata"]["name"] for made in c.create_pods(5)}
    a = world.start("a", config(world, "a"))
    world.expect(a, LED)
    b = world.start("b", config(world, "b"))
    world.expect(b, SYNCED)
    resources(world, "a").wait(lambda ticks: len(ticks) >= 2, what="two ticks of a")
    a.signal(signal.SIGKILL)
    world.expect(b, LED)
    tick, first = min(resources(world, "b").wait(lambda ticks: len(ticks) >= 2, what="two ticks of b").items())
    assert set(pods_of(first, c.namespace)) == names
    assert doubled(list(resources(world, "a").ticks()), list(resources(world, "b").ticks())) == []


@pytest.mark.only("kubesim")
def test_a_cold_standby_asks_nothing_until_it_leads(world, readers):
    c = cluster(world)
    c.create_pods(3)
    a = world.start("a", config(world, "a", standby="cold"), user="baton-a")
    world.expect(a, LED)
    resources(world, "a").wait(lambda ticks: len(ticks) >= 1, what="a tick of a")
    b = world.start("b", config(world, "b", standby="cold"), user="baton-b")
    world.expect(b, FOLLOWS)
    resources(world, "a").wait(lambda ticks, before=len(resources(world, "a").complete()): len(ticks) >= before + 2, what="more ticks")
    assert asked(world, "baton-b", "nodes") == 0  # of the pods it may watch one, the holder's
    world.end(a)
    tick, found = resources(world, "b").wait_tick(lambda r: len(pods_of(r, c.namespace)) == 3, what="a full tick of b")
    assert asked(world, "baton-b", "nodes") > 0


@pytest.fixture
def readers(world):
    """baton-a and baton-b may do everything on kubesim while the test runs."""
    rules = [world.api.sim("POST", "rules", {"allow": True, "user": user})["id"] for user in ("baton-a", "baton-b")]
    yield
    for rule in rules:
        world.api.request("DELETE", f"/_sim/rules/{rule}")


def asked(world, user, resource):
    """Requests (lists and watches) of this user for this resource so far."""
    counters = world.api.sim("GET", "requests?last=0")["counters"]
    return sum(c["count"] for c in counters if c["user"] == user and c["resource"] == resource)


def test_changes_are_in_the_next_tick(world):
    c = cluster(world)
    made = c.create_pods(3)
    world.start("a", config(world, "a", elector=False))
    out = resources(world, "a")
    out.wait_tick(lambda r: pods_of(r, c.namespace) == {"pod-0": 2, "pod-1": 2, "pod-2": 2}, what="three running pods")
    c.set_phase(made[0], "Failed")
    c.delete("pods", "pod-1")
    c.create("pods", *pod("late", c.namespace, phase="Pending"))
    out.wait_tick(lambda r: pods_of(r, c.namespace) == {"pod-0": 4, "pod-2": 2, "late": 1}, what="the changes")
    # A pod that is made again under the same name is another one.
    c.delete("pods", "pod-2")
    again = c.create("pods", *pod("pod-2", c.namespace, phase="Succeeded"))
    _, found = out.wait_tick(lambda r: pods_of(r, c.namespace) == {"pod-0": 4, "pod-2": 3, "late": 1}, what="the new pod")
    assert [a["k8s.pod.uid"] for a, m in found if "k8s.pod.phase" in m and a["k8s.pod.name"] == "pod-2"
            and a["k8s.namespace.name"] == c.namespace] == [again["metadata"]["uid"]]


@pytest.mark.only("kubesim")
def test_a_reload_keeps_store_lease_and_ticks(world, readers):
    c = cluster(world)
    names = {made["metadata"]["name"] for made in c.create_pods(4)}
    a = world.start("a", config(world, "a"), user="baton-a")
    world.expect(a, LED)
    out = resources(world, "a")
    out.wait(lambda ticks: len(ticks) >= 2, what="two ticks")
    before = {kind: asked(world, "baton-a", kind) for kind in ("pods", "nodes", "deployments")}
    changed = config(world, "a")
    changed["receivers"]["k8s_cluster"]["node_conditions_to_report"] = ["Ready", "DiskPressure"]
    a.write_config(changed)
    seen = len(a.err)
    a.signal(signal.SIGHUP)
    assert a.wait_log("Everything is ready", 10, start=seen)
    out.wait(lambda ticks, before=len(out.complete()): len(ticks) >= before + 3, what="three more ticks")
    assert {kind: asked(world, "baton-a", kind) for kind in before} == before
    check_handed_over(world, c.namespace, names, "a")


@pytest.mark.only("kubesim")
def test_a_reload_while_the_backend_hangs_keeps_the_store(world, readers):
    """The old exporter drains for its whole time before the new receiver joins the watches."""
    c = cluster(world)
    c.create_pods(4)
    with socket.create_server(("127.0.0.1", 0)) as backend:  # accepts and never answers
        hanging = config(world, "a", elector=False)
        hanging["exporters"] = {"otlp_grpc": {"endpoint": f"127.0.0.1:{backend.getsockname()[1]}", "tls": {"insecure": True}, "timeout": "60s"}}
        hanging["service"]["pipelines"]["metrics/0"]["exporters"] = ["otlp_grpc"]
        a = world.start("a", hanging, user="baton-a")
        world.expect(a, SYNCED)
        backend.settimeout(20)
        connection, _ = backend.accept()
        with connection:
            connection.settimeout(20)
            assert connection.recv(1)  # there is something to drain
            before = {kind: asked(world, "baton-a", kind) for kind in ("pods", "nodes", "deployments")}
            a.write_config(config(world, "a", elector=False))
            seen = len(a.err)
            a.signal(signal.SIGHUP)
            assert a.wait_log("Everything is ready", 20, start=seen)
    resources(world, "a").wait_tick(lambda r: len(pods_of(r, c.namespace)) == 4, what="all pods, after the reload")
    assert {kind: asked(world, "baton-a", kind) for kind in before} == before


@pytest.mark.only("kubesim")
def test_two_receivers_share_their_watches(world, readers):
    c = cluster(world)
    c.create_pods(2)
    before = asked(world, "baton-a", "pods")
    world.start("a", config(world, "a", receivers=("k8s_cluster/x", "k8s_cluster/y"), elector=False), user="baton-a")
    for n in (0, 1):
        Resources(world.output("a", f"all-{n}" if n else "all")).wait_tick(
            lambda r: len(pods_of(r, c.namespace)) == 2, what=f"both pods at output {n}")
    assert asked(world, "baton-a", "pods") == before + 1


def forbid(world, user, resource):
    return world.api.sim("POST", "rules", {"allow": False, "user": user, "verb": "*", "resource": resource})["id"]


@pytest.mark.only("kubesim")
def test_a_forbidden_kind_does_not_stop_the_others(world, readers):
    c = cluster(world)
    c.create_pods(2)
    rule = forbid(world, "baton-b", "replicationcontrollers")
    b = world.start("b", config(world, "b", elector=False), user="baton-b")
    resources(world, "b").wait_tick(lambda r: len(pods_of(r, c.namespace)) == 2, what="both pods")
    lines = [line for line in b.log() if line.get("level") == "warn" and "replicationcontrollers" in json.dumps(line)]
    assert len(lines) == 1 and "forbidden" in json.dumps(lines[0]).lower(), lines
    assert b.alive()
    world.api.request("DELETE", f"/_sim/rules/{rule}")


def test_a_user_without_rights_is_told_what_is_missing(world):
    b = world.start("b", config(world, "b", elector=False), user="nobody")
    found = wait_until(lambda: [line for line in b.log() if line.get("level") == "warn" and "pods" in json.dumps(line)], 20, "a warning about pods")
    assert "list" in json.dumps(found[0]) and "watch" in json.dumps(found[0])
    world.end(b)


def test_a_namespace_only(world):
    c, other = cluster(world), Cluster(world.api, f"other-{world.lease}"[:60].strip("-"))
    c.create_pods(2)
    other.create_pods(3)
    world.start("a", config(world, "a", elector=False, namespaces=[c.namespace]))
    _, found = resources(world, "a").wait_tick(lambda r: len(pods_of(r, c.namespace)) == 2, what="the pods of one namespace")
    assert pods_of(found, other.namespace) == {}
    assert not any("k8s.node.uid" in a or "k8s.namespace.phase" in m for a, m in found)


def test_ticks_stay_aligned_while_pods_come_and_go(world):
    """Objects that are there throughout are in each tick exactly once."""
    c = cluster(world)
    steady = {made["metadata"]["name"] for made in c.create_pods(20, "steady")}
    a = world.start("a", config(world, "a"))
    world.expect(a, LED)
    out = resources(world, "a")
    out.wait(lambda ticks: len(ticks) >= 1, what="a tick")
    for n in range(40):
        c.create("pods", *pod(f"brief-{n}", c.namespace))
        if n >= 5:
            c.delete("pods", f"brief-{n - 5}")
    ticks = out.wait(lambda ticks, before=len(out.complete()): len(ticks) >= before + 2, what="two more ticks")
    for when, found in ticks.items():
        assert steady <= set(pods_of(found, c.namespace)), when
    assert world.missing(ticks, interval=INTERVAL) == []
