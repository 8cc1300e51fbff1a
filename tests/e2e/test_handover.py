"""A change of leader: none of the ticks missing, none doubled, whatever ends the leader."""
import os
import re
import signal

import pytest
import yaml
from harness.processes import ROOT
from harness.replicas import FOLLOWS, LED, LOST, RELEASED
from harness.ticks import SECOND, doubled
from harness.world import INTERVAL, SHORT_DURATION, wait_until

SIX_DIGITS = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")


def example(world, name, spelling):
    """examples/leader-election.yaml with another interval, Leases of this test, and an output that can be read."""
    with open(os.path.join(ROOT, "examples", "leader-election.yaml")) as f:
        config = yaml.safe_load(f.read().replace("leaderelector", spelling))
    for receiver in config["receivers"].values():
        receiver["interval"] = f"{INTERVAL // 1_000_000}ms"
    for extension in config["extensions"].values():
        extension["lease_name"] = f"{world.lease}-{extension['lease_name']}"
    config["exporters"]["debug"] = world.exporter(name, "all")
    return config


def series(emitted):
    """The aligned ticks of each receiver: each has a phase of its own, and the very first tick has no phase."""
    phases = {}
    for tick in sorted(emitted):
        phases.setdefault(tick % INTERVAL, []).append(tick)
    return [ticks for ticks in phases.values() if len(ticks) > 1]


@pytest.mark.ipv6
@pytest.mark.parametrize("spelling", ["leaderelector", "k8s_leader_elector", "leader_elector"])
def test_example_emits_each_tick_of_each_receiver_once(world, spelling):
    replicas = [world.start(name, example(world, name, spelling)) for name in ("a", "b")]
    leases = [f"{world.lease}-{name}" for name in ("foo", "bar")]
    # Each replica is told of both Leases, either way.
    for replica in replicas:
        for lease in leases:
            found = replica.err.wait(lambda text: f"default/{lease}" in text and (LED in text or FOLLOWS in text), 20)
            assert found, f"{replica.name} says nothing about {lease}"
    outputs = [world.output(name, "all") for name in ("a", "b")]
    emitted = lambda: [tick for output in outputs for tick in output.ticks()]
    wait_until(lambda: [len(ticks) >= 5 for ticks in series(emitted())] == [True, True], 20, "five aligned ticks of both receivers")
    assert doubled(*[output.ticks() for output in outputs]) == []
    for ticks in series(emitted()):
        assert world.missing(ticks, fresh=False) == []
    assert all(count == 5 for output in outputs for _, _, count in output.batches())
    for lease in leases:
        stored = world.api.lease(lease)
        assert stored["spec"]["holderIdentity"] in ("a_uid-of-a", "b_uid-of-b")
        assert stored["spec"]["leaseDurationSeconds"] == 15
        assert stored["spec"]["leaseTransitions"] == 0
        assert SIX_DIGITS.match(stored["spec"]["acquireTime"]) and SIX_DIGITS.match(stored["spec"]["renewTime"])
        assert {"baton.dev/incarnation", "baton.dev/note"} <= set(stored["metadata"]["annotations"])


@pytest.mark.ipv6
def test_sigterm_hands_over_within_a_second_and_loses_no_tick(world):
    a, b = world.start_pair()
    watch = world.watch()
    world.output(a).wait_more(3)
    signalled = world.end(a)
    taken = watch.wait_holder(lambda holder: holder == "b_uid-of-b", 10)
    assert taken, "b did not take the Lease"
    assert taken[0] - signalled < 1.0
    world.expect(a, RELEASED)
    assert not a.wait_log(LOST, 0)
    _, line = world.expect(b, LED)
    assert line["predecessor"] == "released" and line["transitions"] == 1
    world.output(b).wait_more(4)
    world.check_once(a, b)
    # The record went through the form of a release.
    released = watch.wait_holder(lambda holder: holder == "", 0)
    assert released and released[1]["spec"]["leaseDurationSeconds"] == 1
    assert taken[1]["spec"]["leaseDurationSeconds"] == SHORT_DURATION and taken[1]["spec"]["leaseTransitions"] == 1


def test_standby_names_the_leader_that_it_follows(world):
    a = world.start_leader("a")
    b = world.start_standby("b")
    _, line = world.expect(b, FOLLOWS)
    assert line["holder"] == "a_uid-of-a" and line["lease"] == f"default/{world.lease}"
    c = world.start_standby("c")
    world.end(a)
    leader = b if b.wait_log(LED, 0) or (not c.wait_log(LED, 2) and b.wait_log(LED, 2)) else c
    other = c if leader is b else b
    _, line = world.expect(other, FOLLOWS, holder=f"{leader.name}_uid-of-{leader.name}")
    assert not other.wait_log(LED, 0)


def test_ten_hand_overs_in_a_row_lose_and_double_nothing(world):
    leader = world.start_leader("r0")
    names = ["r0"]
    for turn in range(1, 11):
        standby = world.start_standby(f"r{turn}")
        names.append(standby.name)
        world.output(leader).wait_more(2)
        world.end(leader)
        world.expect(standby, LED, predecessor="released", transitions=turn)
        leader = standby
    world.output(leader).wait_more(2)
    world.check_once(*names)


def test_sigint_releases_like_sigterm(world):
    a, b = world.start_pair()
    world.output(a).wait_more(2)
    world.end(a, signal.SIGINT)
    world.expect(b, LED, predecessor="released")
    world.output(b).wait_more(2)
    world.check_once(a, b)


@pytest.mark.ipv6
def test_sigkill_is_taken_over_when_the_lease_has_expired(world):
    a, b = world.start_pair()
    watch = world.watch()
    watch.wait_more(2)  # the hand-over note goes with the first renewal
    a.signal(signal.SIGKILL)
    taken = watch.wait_holder(lambda holder: holder == "b_uid-of-b", 20)
    assert taken, "b did not take the Lease"
    renewals = [when for when, _, lease in watch.events if lease["spec"].get("holderIdentity") == "a_uid-of-a"]
    waited = taken[0] - renewals[-1]
    # b counts from when it saw the last renewal; this watch may have seen it a little sooner or later.
    assert SHORT_DURATION - 0.15 < waited < SHORT_DURATION + 1.0, waited
    _, line = world.expect(b, LED)
    assert line["predecessor"] == "expired" and line["transitions"] == 1
    world.output(b).wait_more(3)
    before, after = world.check_no_double(a, b)
    assert max(before) < min(after)
    aligned = before[1:] + after
    assert {(tick - aligned[0]) % INTERVAL for tick in aligned} == {0}, "the successor ticks on another grid"


def test_first_note_does_not_wait_for_the_next_renewal(world):
    """With the default durations the next renewal is 5 s away."""
    settings = {"lease_duration": "15s", "renew_deadline": "10s", "retry_period": "2s"}
    watch = world.watch()
    world.start_leader("a", world.config("a", extensions={"leaderelector/foo": world.extension(**settings)}))

    def notes():
        return [lease["metadata"].get("annotations", {}).get("baton.dev/note", "") for _, _, lease in watch.events]
    wait_until(lambda: any('"id":"dummy/foo"' in note for note in notes()), 3, "a note on dummy/foo")


def test_sigkill_before_the_first_renewal_doubles_nothing(world):
    a, b = world.start_pair()
    world.output(a).wait_more(1)
    killed = a.signal(signal.SIGKILL)
    when, line = world.expect(b, LED)
    assert when - killed > SHORT_DURATION - 1.2 and line["transitions"] == 1
    world.output(b).wait_more(3)
    before, after = world.check_no_double(a, b)
    assert max(before) < min(after)


def test_paused_leader_emits_nothing_after_another_began(world):
    a, b = world.start_pair()
    world.watch().wait_more(2)
    a.signal(signal.SIGSTOP)
    world.expect(b, LED, predecessor="expired")
    world.output(b).wait_more(3)
    mark = len(a.err)
    a.signal(signal.SIGCONT)
    _, line = world.expect(a, LOST, start=mark)
    if line["holder"] != "b_uid-of-b":  # it noticed the time before it noticed the other one, who is named by a second line
        world.expect(a, FOLLOWS, start=mark, holder="b_uid-of-b")
    world.output(b).wait_more(3)
    old, new = world.check_no_double(a, b)
    assert max(old) < min(new), "the paused leader emitted after the new one had begun"
    # It is a candidate like any other now.
    mark = len(a.err)
    world.end(b)
    world.expect(a, LED, start=mark, predecessor="released", transitions=2)
    world.output(a).wait_more(3)
    old, new = world.check_no_double(a, b)
    last_term = [tick for tick in old if tick > max(new)]
    assert last_term[0] - max(new) == INTERVAL, "a tick is missing at the second change"


def test_pause_shorter_than_the_lease_changes_no_leader(world):
    a, b = world.start_pair()
    world.output(a).wait_more(3)
    paused = a.signal(signal.SIGSTOP)
    # The standby sees nothing of it; the length of the pause is the test.
    assert not b.wait_log(LED, 0.7)
    resumed = a.signal(signal.SIGCONT)
    world.output(a).wait_more(5)
    assert not b.wait_log(LED, 0) and not a.wait_log(LOST, 0), (paused, resumed)
    (emitted, none) = world.check_no_double(a, b)
    assert none == []
    assert [tick for tick in emitted if tick > (resumed + 0.1) * SECOND]
