"""Somebody edits, clears or deletes the Lease."""
import signal
import time

from harness.replicas import FOLLOWS, LED, LOST
from harness.ticks import SECOND
from harness.world import INTERVAL, SHORT_DURATION, wait_until

EDITED = "Somebody else shortened our Lease"
GONE = "The Lease was deleted"
CLEARED = "The holder was removed from the Lease by hand"


def test_foreign_holder_stops_the_leader_at_once_and_it_comes_back_after_expiry(world):
    a = world.start_leader("a")
    watch = world.watch()
    world.output(a).wait_more(2)

    def foreign(lease):
        lease["spec"].update(holderIdentity="somebody", leaseDurationSeconds=2, leaseTransitions=lease["spec"]["leaseTransitions"] + 1)
    world.api.edit_lease(world.lease, foreign)
    edited = time.time()
    _, line = world.expect(a, LOST, 5)
    assert line["reason"] == "the Lease carries another name" and line["holder"] == "somebody"
    assert watch.wait_holder(lambda holder: holder == "somebody", 5)
    taken = watch.wait_holder(lambda holder: holder == "a_uid-of-a", 20, len(watch))
    assert taken and 1.8 < taken[0] - edited < 3.5, taken and taken[0] - edited
    assert taken[1]["spec"]["leaseTransitions"] == 2
    ticks = world.output(a).wait_more(2)
    inside = [tick for tick in ticks if (edited + 0.1) * SECOND < tick < (taken[0] - 0.1) * SECOND]
    assert inside == [], "it emitted while the Lease carried another name"


def test_deleted_lease_is_recreated_by_its_leader_and_not_taken_by_the_standby(world):
    a, b = world.start_pair()
    watch = world.watch()
    world.output(a).wait_more(2)
    uid = world.api.lease(world.lease)["metadata"]["uid"]
    first = len(watch)
    assert world.api.delete_lease(world.lease)[0] == 200
    deleted = time.time()
    again = watch.wait_holder(lambda holder: holder == "a_uid-of-a", 10, first + 1)
    assert again and again[0] - deleted < 1.0
    assert again[1]["metadata"]["uid"] != uid
    world.expect(b, GONE, recreating_now=False)
    world.expect(a, GONE, recreating_now=True)
    world.output(a).wait_more(SHORT_DURATION * SECOND // INTERVAL + 3)
    assert not b.wait_log(LED, 0) and not a.wait_log(LOST, 0)
    emitted, none = world.check_once(a, b)
    assert none == []
    # And the recreated one is released and taken like any other.
    world.end(a)
    world.expect(b, LED, predecessor="released")
    world.output(b).wait_more(2)
    world.check_once(a, b)


def test_cleared_holder_is_free_only_after_the_leader_must_have_stopped(world):
    a, b = world.start_pair()
    watch = world.watch()
    world.output(a).wait_more(2)
    first = len(watch)
    world.api.edit_lease(world.lease, lambda lease: lease["spec"].update(holderIdentity=""))
    cleared = time.time()
    world.expect(a, LOST, 5)
    world.expect(b, CLEARED, 5)
    taken = watch.wait_holder(lambda holder: holder != "", 20, first + 1)
    assert taken and SHORT_DURATION - 0.2 < taken[0] - cleared < SHORT_DURATION + 1.5
    leader = a if taken[1]["spec"]["holderIdentity"] == "a_uid-of-a" else b
    world.output(leader).wait_more(2)
    emitted = sorted(tick for ticks in world.check_no_double(a, b) for tick in ticks)
    assert [tick for tick in emitted if (cleared + 0.2) * SECOND < tick < (taken[0] - 0.2) * SECOND] == []


def test_shortened_duration_is_written_again_and_costs_nothing(world):
    a, b = world.start_pair()
    watch = world.watch()
    world.output(a).wait_more(2)
    first = len(watch)
    world.api.edit_lease(world.lease, lambda lease: lease["spec"].update(leaseDurationSeconds=1))
    edited = time.time()
    world.expect(a, EDITED, 5, duration_s=1)
    while world.spec()["leaseDurationSeconds"] != SHORT_DURATION:
        assert time.time() - edited < 2, "the duration was not written again"
    wait_until(lambda: any(lease["spec"]["leaseDurationSeconds"] == SHORT_DURATION for _, _, lease in watch.events[first:]), 5,
               "a renewal with the full duration")
    world.output(a).wait_more(2 * SECOND // INTERVAL)
    # With a duration of 1 s and a margin of 1 s the gate closes until the renewal, milliseconds later, has succeeded: no tick is lost by it.
    assert not b.wait_log(LED, 0)
    assert world.spec()["holderIdentity"] == "a_uid-of-a" and world.spec()["leaseTransitions"] == 0
    world.check_once(a, b)


def test_a_term_that_is_lost_with_a_tick_half_handed_over_notes_it_in_the_release(world):
    """A pause; then all at once: a tick that is due, a stop, and a hand that shortened the Lease."""
    def config(name):
        made = world.config(name)
        made["exporters"]["debug/logs"] = world.exporter(name, "logs")
        made["service"]["pipelines"]["logs"] = {"receivers": ["dummy/foo"], "exporters": ["debug/logs"]}  # so a tick has two parts
        return made
    a = world.start_leader("a", config("a"))
    b = world.start("b", config("b"))
    world.expect(b, FOLLOWS)
    last = world.output(a).wait_more(2)[-1]
    a.signal(signal.SIGSTOP)
    wait_until(lambda: time.time_ns() > last + 2 * INTERVAL, 5, "the next tick")
    world.api.edit_lease(world.lease, lambda lease: lease["spec"].update(leaseDurationSeconds=1))
    a.signal(signal.SIGTERM)
    a.signal(signal.SIGCONT)
    assert a.wait(20) == 0
    world.expect(b, LED)
    world.output(b).wait_more(3)
    world.check_no_double("a", "b")


def test_labels_and_foreign_annotations_survive_renewals_and_the_release(world):
    a = world.start_leader("a")
    watch = world.watch()

    def decorate(lease):
        lease["metadata"].setdefault("labels", {})["team"] = "observability"
        lease["metadata"].setdefault("annotations", {})["example.com/note"] = "kept: \u00e4 \"quoted\"\nsecond line"
    world.api.edit_lease(world.lease, decorate)
    watch.wait_more(2)
    assert not a.wait_log(LOST, 0)
    world.end(a)
    released = world.api.lease(world.lease)
    assert released["spec"]["holderIdentity"] == "" and released["spec"]["leaseDurationSeconds"] == 1
    b = world.start_leader("b")
    for lease in (released, world.api.lease(world.lease)):
        assert lease["metadata"]["labels"] == {"team": "observability"}
        assert lease["metadata"]["annotations"]["example.com/note"] == "kept: \u00e4 \"quoted\"\nsecond line"
    assert b.alive()


def test_empty_lease_of_a_manifest_is_claimed_at_once(world):
    world.api.create_lease(world.lease, labels={"from": "manifest"})
    a = world.start("a")
    when, line = world.expect(a, LED)
    assert when - a.started < 2.5 and line["predecessor"] == "unknown"
    stored = world.api.lease(world.lease)
    assert stored["spec"]["holderIdentity"] == "a_uid-of-a" and stored["metadata"]["labels"] == {"from": "manifest"}


def test_old_lease_of_a_dead_holder_is_waited_out(world):
    """Its times are those of another clock; only what this process has watched counts."""
    world.api.create_lease(world.lease, spec={"holderIdentity": "long-gone", "leaseDurationSeconds": 2, "leaseTransitions": 7,
                                              "acquireTime": "2020-01-01T00:00:00.000000Z", "renewTime": "2020-01-01T00:00:00.000000Z"})
    a = world.start("a")
    followed, line = world.expect(a, FOLLOWS)
    assert line["holder"] == "long-gone"
    led, line = world.expect(a, LED)
    assert 1.8 < led - followed < 3.5 and line["transitions"] == 8
