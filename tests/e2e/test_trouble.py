"""The API server answers wrongly, late or not at all."""
import time

import pytest
from harness.replicas import FOLLOWS, LED, LOST
from harness.ticks import SECOND
from harness.world import PATIENT, SHORT, wait_until

AGAIN = "This replica leads again"
kubesim = pytest.mark.only("kubesim")


def patient(world, name):
    return world.config(name, extensions={"leaderelector/foo": world.extension(**PATIENT)})


def started_leading(replica, mark):
    return replica.wait_log(LED, 0, mark) or replica.wait_log(AGAIN, 0, mark)


def wait_for_a_leader(replicas, marks, timeout=25):
    return wait_until(lambda: next((r for r in replicas if started_leading(r, marks[r])), None), timeout, "somebody leads again")


SHORT_FAULTS = {
    "500": {"status": 500},
    "500 after the write": {"status": 500, "execute": True},
    "503": {"status": 503},
    "429 with Retry-After": {"status": 429, "retry_after": 1},
    "409": {"status": 409, "reason": "Conflict"},
    "401": {"status": 401},
    "slow answer": {"answer_delay_ms": 400},
    "cut before the write": {"cut": "before"},
    "cut after the write": {"cut": "after"},
    "cut in the middle of the answer": {"cut": "middle"},
    "hangs before the write": {"hang": "before"},
    "hangs after the write": {"hang": "after"},
    "not JSON": {"status": 200, "body": "<html>proxy</html>", "content_type": "text/html"},
}


@kubesim
@pytest.mark.parametrize("fault", SHORT_FAULTS, ids=lambda name: name.replace(" ", "-"))
def test_one_failed_renewal_costs_neither_leadership_nor_a_tick(troubled_world, fault):
    world = troubled_world
    a = world.start_leader("a", patient(world, "a"))
    b = world.start_standby("b", patient(world, "b"))
    watch = world.watch()
    world.api.fault("update", times=1, **SHORT_FAULTS[fault])
    wait_until(lambda: world.api.sim("GET", "faults")[0]["hits"] == 1, 5, "the fault")
    watch.wait_more(1)
    world.output(a).wait_more(2)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    emitted, none = world.check_once("a", "b")
    assert none == []
    assert world.spec()["leaseTransitions"] == 0


LONG_FAULTS = {
    "500": {"status": 500},
    "429 with Retry-After": {"status": 429, "retry_after": 1},
    "cut": {"cut": "before"},
    "hang": {"hang": "before"},
    "slow": {"delay_ms": 3000},
}


@kubesim
@pytest.mark.parametrize("fault", LONG_FAULTS, ids=lambda name: name.replace(" ", "-"))
def test_gate_closes_when_trouble_outlasts_the_lease_and_all_recovers(troubled_world, fault):
    world = troubled_world
    a, b = world.start_pair()
    watch = world.watch()
    watch.wait_more(1)
    world.api.fault(**LONG_FAULTS[fault])
    began = time.time()
    lost, line = world.expect(a, LOST)
    assert line["reason"] == "no renewal succeeded in time" and lost - began < 3
    # Until after the expiry: nobody can claim either.
    wait_until(lambda: time.time() > lost + 1.5, 3, "the Lease has expired")
    assert not b.wait_log(LED, 0)
    marks = {a: len(a.err), b: len(b.err)}
    mended = time.time()
    world.api.sim("DELETE", "faults")
    leader = wait_for_a_leader((a, b), marks)
    world.output(leader).wait_more(3)
    emitted = sorted(tick for ticks in world.check_no_double("a", "b") for tick in ticks)
    assert [tick for tick in emitted if (lost + 0.05) * SECOND < tick < (mended - 0.3) * SECOND] == [], "it emitted with a closed gate"


@kubesim
def test_fault_of_the_leader_alone_makes_the_standby_take_over(troubled_world):
    """Its connection is broken, everybody else's is not."""
    world = troubled_world
    world.api.create_role({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": world.lease, "namespace": "default"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "watch", "update", "create"]}],
    }, "baton-a")
    a = world.start_leader("a", user="baton-a")
    b = world.start_standby("b")
    world.watch().wait_more(2)
    world.api.sim("POST", "faults", {"match": {"user": "baton-a"}, "hang": "before"})
    world.api.sim("POST", "drop_watches", {"how": "stall", "user": "baton-a"})
    lost, _ = world.expect(a, LOST)
    led, _ = world.expect(b, LED, predecessor="expired")
    assert lost < led
    world.output(b).wait_more(3)
    mark = len(a.err)
    world.api.sim("DELETE", "faults")
    world.expect(a, FOLLOWS, 20, start=mark, holder="b_uid-of-b")
    old, new = world.check_no_double("a", "b")
    assert max(old) < min(new)


@kubesim
@pytest.mark.parametrize("how", ["end", "cut", "error"])
def test_standby_whose_watch_ends_watches_again(troubled_world, how):
    world = troubled_world
    a, b = world.start_pair()
    world.api.sim("POST", "drop_watches", {"how": how})
    watch = world.watch()
    watch.wait_more(2)
    signalled = world.end(a)
    when, _ = world.expect(b, LED, predecessor="released")
    assert when - signalled < 1.5
    world.output(b).wait_more(2)
    world.check_once("a", "b")


@kubesim
def test_leader_whose_watch_is_silent_sees_it_by_its_own_writes(troubled_world):
    """Nothing ends, nothing comes: what happens to the Lease between two renewals would stay unseen until a bookmark is missed."""
    world = troubled_world
    durations = {"lease_duration": "12s", "renew_deadline": "8s", "retry_period": "500ms"}  # renewed every 4 s
    a = world.start_leader("a", world.config("a", extensions={"leaderelector/foo": world.extension(**durations)}))
    world.output(a).wait_more(1)
    world.api.sim("POST", "drop_watches", {"how": "stall"})
    watch = world.watch()
    watch.wait_more(3)  # a write that is not shown, and the one by which that is noticed
    found = world.api.lease(world.lease)
    wanted = f"{found['metadata']['uid']}/{found['spec']['leaseTransitions']}"
    asked = time.time()
    world.api.edit_lease(world.lease, lambda lease: lease["metadata"].setdefault("annotations", {}).update({"baton.dev/yield": wanted}))
    when, _ = world.expect(a, "Handing over: the running tick is finished")
    assert when - asked < 2, "it was seen by a renewal"


@kubesim
def test_compacted_history_and_restored_server_do_not_confuse_anybody(troubled_world):
    world = troubled_world
    a, b = world.start_pair()
    watch = world.watch()
    watch.wait_more(1)
    world.api.sim("POST", "compact")
    world.api.sim("POST", "drop_watches", {"how": "cut"})
    world.watch().wait_more(2)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    world.end(a)
    world.expect(b, LED, predecessor="released")
    world.output(b).wait_more(2)
    world.check_once("a", "b")


def test_server_that_stands_still_for_a_moment_costs_nothing(troubled_world):
    world = troubled_world
    a = world.start_leader("a", patient(world, "a"))
    b = world.start_standby("b", patient(world, "b"))
    watch = world.watch()
    watch.wait_more(1)
    world.server.freeze()
    world.output(a).wait_more(7)
    world.server.thaw()
    watch.wait_more(2)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    world.check_once("a", "b")


def test_server_that_stands_still_longer_than_the_lease(troubled_world):
    world = troubled_world
    a, b = world.start_pair()
    world.watch().wait_more(1)
    world.server.freeze()
    frozen = time.time()
    lost, _ = world.expect(a, LOST)
    assert lost - frozen < 2.5
    wait_until(lambda: time.time() > frozen + 4, 6, "the Lease has expired")
    marks = {a: len(a.err), b: len(b.err)}
    thawed = time.time()
    world.server.thaw()
    leader = wait_for_a_leader((a, b), marks)
    world.output(leader).wait_more(3)
    emitted = sorted(tick for ticks in world.check_no_double("a", "b") for tick in ticks)
    assert [tick for tick in emitted if (lost + 0.05) * SECOND < tick < (thawed - 0.3) * SECOND] == []
    # Exactly one of them leads from here on.
    other = b if leader is a else a
    world.output(leader).wait_more(10)
    holder = world.api.holder(world.lease)
    assert holder == f"{leader.name}_uid-of-{leader.name}" or started_leading(other, marks[other])
    world.check_no_double("a", "b")


@pytest.mark.only("apiserver")
def test_server_that_restarts_keeps_its_leader_if_it_is_quick_else_finds_a_new_one(troubled_world):
    world = troubled_world
    a, b = world.start_pair()
    world.watch().wait_more(2)
    marks = {a: len(a.err), b: len(b.err)}
    world.server.restart()
    if a.wait_log(LOST, 0, marks[a]):
        wait_for_a_leader((a, b), marks)
    leader = a if world.api.holder(world.lease) == "a_uid-of-a" else b
    world.output(leader).wait_more(5)
    world.check_no_double("a", "b")
    standby = b if leader is a else a
    world.output(leader).wait_more(10)  # the standby's watch is up again, or it reads
    mark = len(standby.err)
    signalled = world.end(leader)
    when, _ = world.expect(standby, LED, start=mark)
    assert when - signalled < 2.0
    world.check_no_double("a", "b")


@kubesim
def test_restarted_connections_keep_the_leader(troubled_world):
    world = troubled_world
    a = world.start_leader("a", patient(world, "a"))
    b = world.start_standby("b", patient(world, "b"))
    world.api.sim("POST", "restart", {"down_ms": 1000})
    wait_until(lambda: try_lease(world), 10, "the server is back")
    world.watch().wait_more(2)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    world.end(a)
    world.expect(b, LED, predecessor="released")
    world.output(b).wait_more(2)
    world.check_once("a", "b")


def try_lease(world):
    try:
        return world.api.lease(world.lease)
    except OSError:
        return None


def test_nobody_there_at_the_start(troubled_world):
    """It starts, says so once, and leads when the server comes."""
    world = troubled_world
    world.server.freeze()
    a = world.start("a")
    world.expect(a, "A call for the Lease failed, trying on")
    world.expect(a, "Everything is ready")
    world.server.thaw()
    world.expect(a, LED)
    world.expect(a, "Calls for the Lease succeed again")
    assert sum("A call for the Lease failed, trying on" in line.get("msg", "") for line in a.log()) == 1


@kubesim
def test_a_refusal_behind_a_late_answer_is_told(troubled_world):
    """Or one behind the other: each kind of failure is told once in a row."""
    world = troubled_world
    failures = lambda: [line["error"] for line in a.log() if line.get("msg") == "A call for the Lease failed, trying on"]
    fault = world.api.fault(status=500)
    a = world.start("a", world.config("a", extensions={"leaderelector/foo": world.extension(**SHORT, standby="warm")}))
    wait_until(failures, 20, "a failure")
    hang = world.api.fault(hang="before")
    world.api.sim("DELETE", f"faults/{fault}")
    wait_until(lambda: len(failures()) == 2, 20, "another kind of failure")
    world.api.sim("DELETE", f"faults/{hang}")
    world.expect(a, LED)
    assert "500" in failures()[0] and "500" not in failures()[1]
