"""Handing over on purpose: by `baton lease yield`, by the annotation alone, by SIGUSR1; and when nobody is there to take over."""
import signal

import pytest
from harness.lease import ERROR, NOBODY, NOT_TAKEN, OK, lease, of
from harness.replicas import FOLLOWS, LED, LOST
from harness.ticks import SECOND, doubled
from harness.world import PATIENT, SHORT, SHORT_DURATION, wait_until

HANDS_OVER = "Handing over: the running tick is finished"
YIELD = "baton.dev/yield"
A, B = "a_uid-of-a", "b_uid-of-b"


def annotations(world):
    return world.api.lease(world.lease)["metadata"].get("annotations", {})


def ask(world, token):
    world.api.edit_lease(world.lease, lambda found: found["metadata"].setdefault("annotations", {}).update({YIELD: token}))


def token(world):
    found = world.api.lease(world.lease)
    return f"{found['metadata']['uid']}/{found['spec']['leaseTransitions']}"


def yield_lease(world, *more):
    return lease("yield", *of(world, *more))


@pytest.mark.ipv6
def test_yield_hands_over_and_the_old_leader_stays_a_candidate(world):
    a, b = world.start_pair()
    world.output(a).wait_more(3)
    result = yield_lease(world)
    assert result.status == OK, result
    assert result.out.startswith(f"default/{world.lease}: {B} leads now, transitions 1; {A} led before"), result
    world.expect(a, HANDS_OVER)
    world.expect(a, FOLLOWS, holder=B)
    world.expect(b, LED, predecessor="released", transitions=1)
    assert YIELD not in annotations(world), "the request stayed on the Lease"
    assert not a.wait_log(LOST, 0), "a hand-over is no loss"
    world.output(b).wait_more(3)
    mark = len(a.err)
    result = yield_lease(world, "--output", "json")
    assert result.status == OK, result
    (line,) = result.lines()
    assert {key: line[key] for key in ("namespace", "name", "outcome", "from", "to", "transitions")} == {
        "namespace": "default", "name": world.lease, "outcome": "taken", "from": B, "to": A, "transitions": 2}
    world.expect(a, LED, start=mark, predecessor="released", transitions=2)
    world.output(a).wait_more(3)
    world.check_once(a, b)


def test_yields_in_a_row_with_ticks_of_one_second(world):
    config = lambda name: world.config(name, interval="1s")
    a, b = world.start_leader("a", config("a")), world.start_standby("b", config("b"))
    world.output(a).wait_more(1)
    for turn in range(1, 7):
        leader = a if turn % 2 == 0 else b
        result = yield_lease(world)
        assert result.status == OK and f"{leader.name}_uid-of-{leader.name} leads now, transitions {turn};" in result.out, result
        world.output(leader).wait_more(1 + turn % 2)
    world.check_once(a, b, interval=SECOND)


def test_a_loop_of_yields_loses_and_doubles_nothing(world):
    """Without a pause between: each request finds its leader in the middle of whatever it does."""
    a, b = world.start_pair()
    world.output(a).wait_more(2)
    for turn in range(1, 13):
        result = yield_lease(world)
        assert result.status == OK, result
    world.output(a).wait_more(3)
    assert world.spec()["leaseTransitions"] == 12
    world.check_once(a, b)


@pytest.mark.parametrize("standby", ["auto", "cold", "warm"])
def test_three_replicas_in_each_mode(world, standby):
    config = lambda name: world.config(name, extensions={"leaderelector/foo": world.extension(**SHORT, standby=standby)})
    replicas = [world.start_leader("a", config("a"))]
    replicas += [world.start(name, config(name)) for name in ("b", "c")]
    for replica in replicas[1:]:
        assert replica.err.wait(lambda text: FOLLOWS in text or "This replica stands by" in text or "is the next to lead" in text, 20)
    world.output("a").wait_more(2)
    leaders = []
    for turn in range(1, 7):
        result = yield_lease(world, "--output", "json")
        (line,) = result.lines()
        assert result.status == OK and line["outcome"] == "taken" and line["transitions"] == turn and line["from"] != line["to"], result
        leaders.append(line["to"].split("_")[0])
        world.output(leaders[-1]).wait_more(2)
    assert all(before != after for before, after in zip(["a"] + leaders, leaders))
    world.check_once("a", "b", "c")


def test_the_annotation_alone_is_a_request_and_one_for_another_term_is_none(world):
    a, b = world.start_pair()
    watch = world.watch()
    world.output(a).wait_more(1)
    wrong = [f"{token(world).rsplit('/', 1)[0]}/1", "another-uid/0", "nonsense"]
    for text in wrong:
        ask(world, text)
        watch.wait_more(2)
    assert not a.wait_log(HANDS_OVER, 0)
    ask(world, token(world))
    world.expect(b, LED, predecessor="released", transitions=1)
    assert YIELD not in annotations(world)
    world.output(b).wait_more(3)
    world.check_once(a, b)


def test_a_request_survives_a_reload(world):
    """The leader waits for a standby that is not ready, and reads its configuration again meanwhile."""
    extension = lambda: {"leaderelector/foo": world.extension(**SHORT, handover_wait="60s")}
    a = world.start_leader("a", world.config("a", extensions=extension()))
    name = f"{world.lease}-standby"
    wait_until(lambda: world.api.lease(name), 10, "the standby's Lease")

    def stand_by(holder, duration, synced):
        def change(found):
            found["spec"].update(holderIdentity=holder, leaseDurationSeconds=duration)
            found["metadata"].setdefault("annotations", {})["baton.dev/synced"] = synced
        world.api.edit_lease(name, change)
    stand_by("somebody", 3600, "false")
    world.watch().wait_more(2)
    ask(world, token(world))
    world.expect(a, "Going on until the next leader is ready to take over")
    mark = len(a.err)
    a.signal(signal.SIGHUP)
    world.expect(a, "Everything is ready", start=mark)
    world.expect(a, "Going on until the next leader is ready to take over", start=mark)
    assert not a.wait_log(HANDS_OVER, 0)
    stand_by("somebody", 3600, "true")
    world.expect(a, HANDS_OVER, start=mark)
    stand_by("", 1, "false")  # and goes, without having claimed it
    world.expect(a, LED, start=mark, timeout=20)
    ticks = world.output(a).wait_more(3)
    assert doubled(ticks) == []


def test_a_request_is_seen_without_permission_to_watch(world):
    """The leader's own renewal meets the newer version."""
    world.api.create_namespace(world.lease)
    rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "update", "create"]}]
    world.api.create_role({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                           "metadata": {"name": "no-watch", "namespace": world.lease}, "rules": rules}, "baton-a", "baton-b")
    extension = lambda: {"leaderelector/foo": world.extension(lease_namespace=world.lease, **PATIENT)}
    config = lambda name: world.config(name, extensions=extension())
    a = world.start_leader("a", config("a"), user="baton-a")
    b = world.start_standby("b", config("b"), user="baton-b")
    world.output(a).wait_more(1)
    result = lease("yield", "--name", world.lease, "--namespace", world.lease, "--kubeconfig", world.server.kubeconfig_of("admin"))
    assert result.status == OK and f"{B} leads now" in result.out, result
    world.output(b).wait_more(3)
    world.check_once(a, b)


def test_sigusr1_hands_over_what_the_process_leads(world):
    receivers = {"dummy/foo": "leaderelector/foo", "dummy/bar": "leaderelector/bar"}
    extensions = lambda: {"leaderelector/foo": world.extension(), "leaderelector/bar": world.extension(f"{world.lease}-bar")}
    config = lambda name: world.config(name, receivers, extensions())
    a = world.start("a", config("a"))
    for name in (world.lease, f"{world.lease}-bar"):
        world.expect(a, LED, lease=f"default/{name}")
    b = world.start("b", config("b"))
    for name in (world.lease, f"{world.lease}-bar"):
        world.expect(b, FOLLOWS, lease=f"default/{name}")
    for output in ("dummy-foo", "dummy-bar"):
        world.output(a, output).wait_more(2)
    b.signal(signal.SIGUSR1)
    world.expect(b, "Nothing to hand over: this replica leads by no Lease")
    a.signal(signal.SIGUSR1)
    for name in (world.lease, f"{world.lease}-bar"):
        world.expect(b, LED, lease=f"default/{name}", predecessor="released")
    for output in ("dummy-foo", "dummy-bar"):
        world.output(b, output).wait_more(3)
        world.check_once(a, b, output=output)
    assert a.alive() and b.alive()


def test_without_another_candidate_the_old_leader_takes_it_back(world):
    a = world.start_leader("a")
    world.output(a).wait_more(2)
    mark = len(a.err)
    result = yield_lease(world)
    assert result.status == NOT_TAKEN, result
    assert f"nobody else took it over: {A} released it and took it back after" in result.out, result
    world.expect(a, LED, start=mark)
    ticks = world.output(a).wait_more(3)
    assert doubled(ticks) == []
    # The pause is bounded: a lease duration, and what it takes to claim.
    gaps = [after - before for before, after in zip(ticks, ticks[1:])]
    assert max(gaps) < (SHORT_DURATION + 3) * SECOND
    json_result = yield_lease(world, "--output", "json")
    (line,) = json_result.lines()
    assert json_result.status == NOT_TAKEN and line["outcome"] == "not_taken" and line["from"] == line["to"] == A


def test_a_leader_that_does_not_know_the_request(world):
    """It is asked in vain, and the request is taken back."""
    world.api.create_lease(world.lease, spec={"holderIdentity": "somebody", "leaseDurationSeconds": 60, "leaseTransitions": 3,
                                              "renewTime": renew_time()}, annotations={"example.com/kept": "yes"})
    watch = world.watch()
    result = yield_lease(world, "--timeout", "1s")
    assert result.status == NOT_TAKEN and "somebody has not handed over in time, the request is taken back" in result.out, result
    seen = [found["metadata"].get("annotations", {}) for _, _, found in watch.events]
    wait_until(lambda: annotations(world) == {"example.com/kept": "yes"}, 5, "the request is gone")
    assert any(YIELD in found for found in seen)
    spec = world.spec()
    assert spec["holderIdentity"] == "somebody" and spec["leaseTransitions"] == 3


def renew_time():
    import datetime
    return datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def test_nobody_leads(world):
    result = yield_lease(world)
    assert result.status == NOBODY and "nobody leads who could hand over: the Lease is absent" in result.out, result
    world.api.create_lease(world.lease, spec={"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 3})
    result = yield_lease(world)
    assert result.status == NOBODY and "the Lease is free" in result.out, result
    world.api.edit_lease(world.lease, lambda found: found["spec"].update(
        holderIdentity="dead", leaseDurationSeconds=2, renewTime="2020-01-01T00:00:00.000000Z"))
    result = yield_lease(world)
    assert result.status == NOBODY and "the Lease is expired" in result.out, result


def test_what_must_be_permitted(world):
    a = world.start_leader("a")
    result = lease("yield", *of(world, user="nobody"))
    assert result.status == ERROR and "Error: " in result.errors and "forbidden" in result.errors.lower(), result
    world.api.create_role({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                           "metadata": {"name": world.lease, "namespace": "default"},
                           "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [world.lease],
                                      "verbs": ["get", "watch"]}]}, "nobody")
    result = lease("yield", *of(world, user="nobody"))
    assert result.status == ERROR and "(needed on the Lease: get, watch and update)" in result.errors, result
    assert a.alive() and not a.wait_log(HANDS_OVER, 0)
