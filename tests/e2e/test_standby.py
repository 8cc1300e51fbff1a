"""`standby: auto`: one replica leads, one is ready to, the others do nothing; through ends and crashes of each of them."""
import signal
import time

import pytest
import yaml
from harness.cluster import Cluster, Resources
from harness.metrics import free_port, page, reader
from harness.replicas import LED, LOST, RELEASED
from harness.ticks import MS, doubled
from harness.world import PATIENT, SHORT, SHORT_DURATION, wait_until

STANDS_BY = "This replica stands by"
SYNCED = "This standby is synced"
GIVES_UP = "This replica gives standing by up"
NO_STANDBY = "No permission for the standby's Lease"
CAN_STAND_BY = "The standby's Lease can be used now"
GOES_ON = "Going on until the next leader is ready"
KEEPS = "The Lease was not renewed in time; going on all the same"
KEPT_S = 4  # longer than any gate of SHORT


def standby_lease(world):
    return f"{world.lease}-standby"


def standby(world):
    """(who stands by, whether it says that it is synced); its identity begins with the replica's name."""
    lease = world.api.lease(standby_lease(world))
    if lease is None:
        return "", False
    annotations = lease["metadata"].get("annotations", {})
    return lease["spec"].get("holderIdentity", ""), annotations.get("baton.dev/synced") == "true"


def expect_standby(world, replica, timeout=20):
    """Until this replica stands by, synced, and others can see that."""
    world.expect(replica, SYNCED, timeout)
    wait_until(lambda: standby(world) == (f"{replica.name}_uid-of-{replica.name}", True), timeout, f"{replica.name} stands by, synced")


def config(world, name, **settings):
    return world.config(name, extensions={"leaderelector/foo": world.extension(**{**SHORT, **settings})})


def start_three(world, users=("admin", "admin", "admin"), **settings):
    a = world.start_leader("a", config(world, "a", **settings), user=users[0])
    b = world.start_standby("b", config(world, "b", **settings), user=users[1])
    expect_standby(world, b)
    c = world.start_standby("c", config(world, "c", **settings), user=users[2])
    return a, b, c


def rules(names, verbs):
    return {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": names, "verbs": verbs}


CREATE = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]}


def grant(world, name, users, *role_rules):
    world.api.create_role({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                           "metadata": {"name": f"{world.lease}-{name}", "namespace": "default"}, "rules": list(role_rules)}, *users)


@pytest.fixture
def users(world):
    """Three that may do what they need with both Leases."""
    names = ("baton-a", "baton-b", "nobody")
    grant(world, "all", names, rules([world.lease, standby_lease(world)], ["get", "watch", "update"]), CREATE)
    return names


# -- who does what --

@pytest.mark.only("kubesim")
def test_requests_of_each_role(world, users):
    world.api.sim("DELETE", "requests")
    a, b, c = start_three(world, users)
    world.expect(c, "Another replica is the next to lead", holder="b_uid-of-b")
    assert world.api.counts("nobody") == {"get": 1, "watch": 1}, "one look at the main Lease, and a watch on the standby's"
    assert world.api.counts("baton-b")["watch"] == 2
    watch = world.watch()
    watch.wait_more(1)
    world.api.sim("DELETE", "requests")
    before = len(watch)
    watch.wait_more(4)
    counts, renewals = {user: world.api.counts(user) for user in users}, len(watch) - before
    assert counts["nobody"] == {}, "a cold replica asks nothing"
    assert set(counts["baton-a"]) == {"update"} and set(counts["baton-b"]) == {"update"}
    assert renewals - 1 <= counts["baton-a"]["update"] <= renewals + 1
    assert renewals - 2 <= counts["baton-b"]["update"] <= renewals + 2, "about as often as the leader"
    # Each tells by the annotations what it knows of the main Lease.
    uid, version = world.api.lease(standby_lease(world))["metadata"]["annotations"]["baton.dev/main"].split("/")
    assert uid == world.api.lease(world.lease)["metadata"]["uid"] and int(version) > 0


def test_roles_in_the_metrics(world):
    ports = {name: free_port() for name in ("a", "b", "c")}
    labels = {"lease": world.lease, "namespace": "default"}
    replicas = []
    for name, port in ports.items():
        settings = config(world, name)
        settings["service"].setdefault("telemetry", {})["metrics"] = reader(port)
        replicas.append(world.start(name, settings))
        world.expect(replicas[-1], {"a": LED, "b": SYNCED, "c": "Another replica is the next to lead"}[name])

    def role(port):
        found = page(port)
        return [r for r in ("cold", "warm", "leading") if found.get("baton_leader_elector_role", role=r, **labels) == 1]
    for name, expected in {"a": "leading", "b": "warm", "c": "cold"}.items():
        wait_until(lambda: role(ports[name]) == [expected], 10, f"{name} is {expected}")
        wait_until(lambda: page(ports[name]).get("baton_leader_elector_standby_synced", **labels) == 1, 10, f"{name} knows of b")
        assert page(ports[name]).get("baton_leader_elector_has_standby", **labels) == 1
        assert page(ports[name]).get("baton_drains_unfinished") == 0


# -- ends and crashes --

def test_ends_down_to_the_last(world):
    replicas = list(start_three(world))
    while len(replicas) > 1:
        leader, successor = replicas[:2]
        world.output(leader).wait_more(3)
        signalled = world.end(leader)
        when, _ = world.expect(successor, LED, predecessor="released")
        assert when - signalled < 1.0
        replicas.pop(0)
        if len(replicas) > 1:
            expect_standby(world, replicas[1])
    world.output(replicas[0]).wait_more(3)
    world.check_once("a", "b", "c")
    assert standby(world)[0] == "", "who leads lets go of the standby's Lease"
    world.end(replicas[0])
    assert world.api.holder(world.lease) == ""


def test_end_of_the_standby(world):
    a, b, c = start_three(world)
    world.end(b)
    assert b.wait_log(RELEASED, 0) is None, "it led nothing"
    expect_standby(world, c, 2)
    assert not a.wait_log(LOST, 0)
    world.end(a)
    world.expect(c, LED, predecessor="released")
    world.output(c).wait_more(2)
    world.check_once("a", "c")


def test_crash_of_the_leader(world):
    a, b, c = start_three(world)
    world.watch().wait_more(1)
    killed = a.signal(signal.SIGKILL)
    when, _ = world.expect(b, LED)
    assert SHORT_DURATION - 1.5 < when - killed < SHORT_DURATION + 1.0
    expect_standby(world, c)
    world.output(b).wait_more(2)
    world.check_no_double("a", "b", "c")


def test_crash_of_the_standby(world):
    a, b, c = start_three(world)
    b.signal(signal.SIGKILL)
    expect_standby(world, c)
    world.output(a).wait_more(2)
    assert not a.wait_log(LOST, 0)
    world.check_once("a", "b", "c")


@pytest.mark.parametrize("crowd", [False, True], ids=["watching", "crowd"])
def test_crash_of_both(world, crowd):
    a, b, c = start_three(world, crowd=crowd)
    world.output(a).wait_more(3)
    a.signal(signal.SIGKILL)
    killed = b.signal(signal.SIGKILL)
    when, _ = world.expect(c, LED)
    assert when - killed < 2 * SHORT_DURATION
    world.output(c).wait_more(2)
    world.check_no_double("a", "b", "c")


def test_paused_leader_comes_back_as_the_last(world):
    a, b, c = start_three(world)
    world.output(a).wait_more(2)
    a.signal(signal.SIGSTOP)
    world.expect(b, LED)
    expect_standby(world, c)
    a.signal(signal.SIGCONT)
    world.expect(a, LOST)
    world.output(b).wait_more(3)
    world.end(b)
    world.expect(c, LED, predecessor="released")
    expect_standby(world, a)
    world.output(c).wait_more(2)
    world.check_no_double("a", "b", "c")


def test_deleted_standby_lease_comes_back(world):
    a, b, c = start_three(world)
    world.api.delete_lease(standby_lease(world))
    wait_until(lambda: standby(world) == ("b_uid-of-b", True), 10, "b has made it again")
    world.end(a)
    world.expect(b, LED, predecessor="released")
    world.check_no_double("a", "b", "c")


# -- permissions --

def test_without_permission_for_the_second_lease(world):
    grant(world, "main", ("baton-a", "baton-b"), rules([world.lease], ["get", "watch", "update"]), CREATE)
    a = world.start_leader("a", config(world, "a"), user="baton-a")
    b = world.start_standby("b", config(world, "b"), user="baton-b")
    for replica in (a, b):
        _, line = world.expect(replica, NO_STANDBY)
        assert line["level"] == "warn" and line["standby_lease"] == standby_lease(world)
        assert standby_lease(world) in yaml.safe_load(line["role"])["rules"][0]["resourceNames"]
    world.output(a).wait_more(8)
    world.end(a)
    world.expect(b, LED, predecessor="released")
    world.output(b).wait_more(2)
    world.check_once("a", "b")
    # It is noticed when it comes.
    grant(world, "standby", ("baton-a", "baton-b"), rules([standby_lease(world)], ["get", "watch", "update"]))
    c = world.start("c", config(world, "c"), user="baton-a")
    expect_standby(world, c)
    world.expect(b, CAN_STAND_BY, 20)
    world.end(b)
    world.expect(c, LED, predecessor="released")
    for replica in (a, b, c):
        assert sum(line.get("msg", "").startswith(NO_STANDBY) for line in replica.log()) <= 1


def test_standby_that_may_not_lead_gives_up(world):
    """It has the permission to stand by, and only that."""
    both = [world.lease, standby_lease(world)]
    grant(world, "lead", ("baton-a",), rules(both, ["get", "watch", "update"]), CREATE)
    grant(world, "look", ("baton-b",), rules(both, ["get", "watch"]), rules([standby_lease(world)], ["update"]), CREATE)
    a = world.start_leader("a", config(world, "a"), user="baton-a")
    b = world.start_standby("b", config(world, "b"), user="baton-b")
    expect_standby(world, b)
    c = world.start_standby("c", config(world, "c"), user="baton-a")
    world.end(a)
    _, line = world.expect(b, GIVES_UP)
    assert line["level"] == "warn" and line["forbidden"]
    world.expect(c, LED)
    world.output(c).wait_more(2)
    world.check_no_double("a", "b", "c")
    assert not b.wait_log(LED, 0)


# -- a crowd --

@pytest.mark.only("kubesim")
def test_crowd_reads_instead_of_watching(world, users):
    a, b, c = start_three(world, users, crowd=True)
    world.watch().wait_more(1)
    assert "watch" not in world.api.counts("nobody")
    world.api.sim("DELETE", "requests")
    began = time.monotonic()
    wait_until(lambda: world.api.counts("nobody").get("get", 0) >= 3, 30, "three reads")
    assert time.monotonic() - began > 2 * 0.8 * SHORT_DURATION, "at most one in four fifths of a lease duration"
    assert set(world.api.counts("nobody")) == {"get"}
    b.signal(signal.SIGKILL)
    expect_standby(world, c)
    assert not a.wait_log(LOST, 0)


# -- changes of the mode --

def test_reload_changes_the_mode(world):
    a, b, c = start_three(world)
    for replica in (c, b, a):
        for mode in ("warm", "cold", "auto"):
            replica.write_config(config(world, replica.name, standby=mode))
            mark = len(replica.err)
            replica.signal(signal.SIGHUP)
            world.expect(replica, "Config updated, restart service", start=mark)
            world.expect(replica, "Everything is ready", start=mark)
            world.output(a).wait_more(2)
    assert not a.wait_log(LOST, 0) and not a.wait_log(RELEASED, 0)
    wait_until(lambda: standby(world)[1], 20, "somebody stands by")
    world.end(a)
    wait_until(lambda: b.wait_log(LED, 0) or c.wait_log(LED, 0), 20, "b or c leads")
    wait_until(lambda: standby(world)[1], 20, "the other one stands by")
    emitted = world.check_no_double("a", "b", "c")
    assert len(emitted[0]) > 10


# -- a hand-over that waits --

def k8s_config(world, name, wait):
    extension = world.extension(**SHORT, handover_wait=wait)
    return {"receivers": {"k8s_cluster": {"auth_type": "kubeConfig", "collection_interval": "500ms", "leaderelector": "leaderelector/foo"}},
            "extensions": {"leaderelector/foo": extension}, "exporters": {"debug/0": world.exporter(name, "all")},
            "service": {"extensions": ["leaderelector/foo"], "pipelines": {"metrics": {"receivers": ["k8s_cluster"], "exporters": ["debug/0"]}}}}


@pytest.fixture
def slow_standby(world):
    """a leads; b stands by and gets no pods. Returns (a, b, a function that mends it)."""
    allowed = [world.api.sim("POST", "rules", {"allow": True, "user": user})["id"] for user in ("baton-a", "baton-b")]
    fault = world.api.sim("POST", "faults", {"match": {"resource": "pods", "user": "baton-b"}, "status": 503})["id"]
    Cluster(world.api, f"ns-{world.lease}"[:60].strip("-")).create_pods(3)
    a = world.start_leader("a", k8s_config(world, "a", "30s"), user="baton-a")
    b = world.start_standby("b", k8s_config(world, "b", "30s"), user="baton-b")
    world.expect(b, STANDS_BY)
    Resources(world.output("a", "all")).wait(lambda ticks: len(ticks) >= 2, what="ticks of a")
    yield a, b, lambda: world.api.sim("DELETE", f"faults/{fault}")
    world.api.request("DELETE", f"/_sim/faults/{fault}")
    for rule in allowed:
        world.api.request("DELETE", f"/_sim/rules/{rule}")


def check_k8s_ticks(world, *names):
    emitted = [list(Resources(world.output(name, "all")).ticks()) for name in names]
    assert doubled(*emitted) == [] and world.missing(*emitted, interval=500 * MS) == []


@pytest.mark.only("kubesim")
def test_leader_waits_for_a_synced_standby(world, slow_standby):
    a, b, mend = slow_standby
    a.signal(signal.SIGTERM)
    world.expect(a, GOES_ON)
    ticks = Resources(world.output("a", "all"))
    before = len(ticks.complete())
    ticks.wait(lambda found: len(found) >= before + 3, what="more ticks of a")
    assert world.api.holder(world.lease) == "a_uid-of-a" and not b.wait_log(SYNCED, 0)
    mend()
    world.expect(b, SYNCED)
    world.expect(a, "Handing over")
    assert a.wait(10) == 0
    world.expect(b, LED, predecessor="released")
    Resources(world.output("b", "all")).wait(lambda found: len(found) >= 2, what="ticks of b")
    check_k8s_ticks(world, "a", "b")


@pytest.mark.only("kubesim")
def test_second_signal_ends_the_wait(world, slow_standby):
    a, b, mend = slow_standby
    a.signal(signal.SIGTERM)
    world.expect(a, GOES_ON)
    a.signal(signal.SIGTERM)
    world.expect(a, "Second signal, not waiting")
    assert a.wait(10) == 0, "an end in order"
    assert a.wait_log(RELEASED, 0)
    world.expect(b, LED, predecessor="released")
    mend()
    Resources(world.output("b", "all")).wait(lambda found: len(found) >= 1, what="a tick of b")


def test_leader_does_not_wait_for_nobody(world):
    a = world.start_leader("a", config(world, "a", handover_wait="60s"))
    world.output(a).wait_more(1)
    world.end(a)
    assert a.wait_log(GOES_ON, 0) is None


# -- while the API server is away --

def test_keep_goes_on_without_the_api_server(troubled_world):
    world = troubled_world
    a = world.start_leader("a", config(world, "a", on_api_outage="keep"))
    assert a.wait_log("Configuration warning", 0, path="extensions::leaderelector/foo::on_api_outage")
    world.output(a).wait_more(2)
    world.server.freeze()
    world.expect(a, KEEPS)
    world.output(a).wait_more(KEPT_S * 5)
    world.server.thaw()
    world.expect(a, "Calls for the Lease succeed again")
    world.output(a).wait_more(3)
    assert not a.wait_log(LOST, 0)
    world.check_once("a")


@pytest.mark.only("kubesim")
def test_first_of_many_unanswered_writes_is_known(world):
    """It is carried out, those after it are not, nothing is answered and no watch tells: the record is this replica's own all the same."""
    grant(world, "unwatched", ("baton-a",), rules([world.lease, standby_lease(world)], ["get", "update"]), CREATE)
    a = world.start_leader("a", config(world, "a", on_api_outage="keep"), user="baton-a")
    world.output(a).wait_more(2)
    world.api.fault("update", times=1, hang="after")
    wait_until(lambda: world.api.sim("GET", "faults")[0]["hits"] == 1, 10, "the write that is carried out")
    faults = [world.api.fault("update", hang="before"), world.api.fault("get", hang="before")]

    def hits(fault):
        return next(each["hits"] for each in world.api.sim("GET", "faults") if each["id"] == fault)
    wait_until(lambda: hits(faults[0]) >= 6, 30, "more unanswered writes than an elector keeps in mind otherwise")
    for fault in faults:
        world.api.sim("DELETE", f"faults/{fault}")
    world.expect(a, "Calls for the Lease succeed again")
    world.output(a).wait_more(3)
    assert not a.wait_log(LOST, 0)
    world.check_once("a")


def test_keep_does_not_survive_a_pause(troubled_world):
    world = troubled_world
    a = world.start_leader("a", config(world, "a", on_api_outage="keep"))
    world.output(a).wait_more(2)
    world.server.freeze()
    world.expect(a, KEEPS)
    a.signal(signal.SIGSTOP)
    before = world.output(a).ticks()
    time.sleep(2 * SHORT_DURATION)  # the length of the pause is the test
    mark = len(a.err)
    a.signal(signal.SIGCONT)
    world.expect(a, LOST, start=mark)
    assert len(world.output(a).ticks()) <= len(before) + 1, "one may have been on its way when it was stopped"
    world.server.thaw()
    wait_until(lambda: a.wait_log("This replica leads again", 0, mark) or a.wait_log(LED, 0, mark), 20, "it leads again")
    world.output(a).wait_more(2)
    world.check_no_double("a")


def test_keep_ends_when_somebody_else_leads(world):
    a = world.start_leader("a", config(world, "a", on_api_outage="keep", **PATIENT))
    world.output(a).wait_more(2)
    world.api.edit_lease(world.lease, lambda lease: lease["spec"].update(holderIdentity="somebody-else"))
    world.expect(a, LOST, reason="the Lease carries another name")
