"""Somebody edits, clears, swaps or deletes the Lease, or damages the note on it."""
import json
import re
import signal
import threading
import time

from registry import fault
from stage import LED, LOST, Stage

NOTE = "baton.dev/note"


def edit(stage, change, name=None):
    stage.api.edit_lease(name or stage.lease, change)
    return time.time()


@fault("another holder's name is written into the Lease, for 2 s", "the leader stops at once; what fell due until that name has expired is missing; a new grid",
       "lease")
def holder_edited(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()

    def foreign(lease):
        lease["spec"].update(holderIdentity="somebody", leaseDurationSeconds=2, leaseTransitions=lease["spec"]["leaseTransitions"] + 1)
    when = edit(stage, foreign)
    stage.expect(a, LOST, 5)
    stage.taken_by([a, b], mark, count=8)
    stage.allowed.fresh_starts = 2
    stage.excuse(when, when + max(2, stage.timing.lease), "somebody held the Lease")


@fault("the holder's name is removed by hand", "nobody takes the Lease before the leader must have stopped; what fell due until then is missing", "lease")
def holder_cleared(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()
    when = edit(stage, lambda lease: lease["spec"].update(holderIdentity=""))
    stage.expect(a, LOST, 5)
    stage.taken_by([a, b], mark, count=8)
    stage.excuse(when, when + stage.timing.lease, "the holder was removed")


@fault("the duration is edited to 1 s", "the leader writes its own again, stays; none missing", "lease")
def duration_edited(stage):
    a, b = stage.pair()
    for _ in range(3):
        edit(stage, lambda lease: lease["spec"].update(leaseDurationSeconds=1))
        stage.lease_watch.wait_more(2)
    stage.backend.more(3, ["a"])
    assert not b.wait_log(LED, 0) and stage.spec()["leaseDurationSeconds"] == stage.timing.lease
    stage.hand_over(a, b)


@fault("the Lease is deleted", "the leader creates it again, stays; none missing", "lease")
def lease_deleted(stage):
    a, b = stage.pair()
    deleted = stage.lease_watch.events[-1][2]["metadata"]["uid"]
    stage.api.delete_lease(stage.lease)
    wait_for(stage, lambda lease: lease["metadata"]["uid"] != deleted)
    stage.backend.more(int(stage.timing.lease / stage.timing.interval) + 3, ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the Lease is deleted three times in a row", "the leader creates it again, stays; none missing", "lease")
def lease_deleted_again(stage):
    a, b = stage.pair()
    for _ in range(3):
        deleted = stage.lease_watch.events[-1][2]["metadata"]["uid"]
        stage.api.delete_lease(stage.lease)
        wait_for(stage, lambda lease: lease["metadata"]["uid"] != deleted)
        stage.lease_watch.wait_more(1)
    stage.backend.more(3, ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)


@fault("the Lease is deleted and created again with another holder", "the leader stops at once; what fell due until that holder has expired is missing; a new grid",
       "lease")
def lease_recreated(stage):
    a, b = stage.pair()
    # Slow links, so that the foreign Lease is there first.
    for replica in (a, b):
        stage.link(replica).set(up={"delay_ms": 200})
    mark, when = stage.backend.mark(), time.time()
    stage.api.delete_lease(stage.lease)
    stage.api.create_lease(stage.lease, spec={"holderIdentity": "somebody", "leaseDurationSeconds": 2, "leaseTransitions": 0})
    stage.expect(a, LOST, 5)
    for replica in (a, b):
        stage.link(replica).heal()
    leader = stage.taken_by([a, b], mark, count=8)
    stage.allowed.fresh_starts = 2
    stage.excuse(when, when + max(2, stage.timing.lease) + 0.4, "somebody held the Lease")
    assert stage.spec()["holderIdentity"].startswith(leader.name)


@fault("the leader is killed and the Lease deleted", "*excused*, counted from the deletion", "lease")
def lease_deleted_after_sigkill(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()
    when = stage.kill(a)
    stage.api.delete_lease(stage.lease)
    deleted = time.time()
    stage.allowed.fresh_starts = 2  # the note went with the Lease
    stage.take_over(a, candidates=[b], since=when, mark=mark, reachable=deleted + stage.timing.lease)


@fault("somebody writes labels and annotations all the time, so that renewals and the release meet conflicts", "the leader stays, none missing; the marks stay", "lease")
def foreign_annotations(stage):
    a, b = stage.pair()
    stop = threading.Event()
    count = 0

    def write():
        nonlocal count
        while not stop.is_set():
            count += 1
            edit(stage, lambda lease: lease["metadata"].setdefault("annotations", {}).update({"example.com/count": str(count)}))
            stop.wait(0.02)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        stage.backend.more(int(2 * stage.timing.lease / stage.timing.interval), ["a"])
        assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
        stage.hand_over(a, b)
    finally:
        stop.set()
        writer.join()
    stage.lease_watch.wait_more(2)
    assert stage.api.lease(stage.lease)["metadata"]["annotations"]["example.com/count"] == str(count)


def wait_for(stage, accept):
    end = time.monotonic() + 20
    while not ((lease := stage.api.lease(stage.lease)) and accept(lease)):
        assert time.monotonic() < end, "the Lease did not become what it should"
        time.sleep(0.02)


# -- the note, damaged while the leader stands still, before another one reads it --

def with_times(change):
    """Changes all times of the note by so many ns."""
    def damage(note):
        document = json.loads(note)
        for receiver in document["receivers"]:
            for key in ("start", "enqueued", "acknowledged"):
                receiver[key] += change
        return json.dumps(document)
    return damage


NOTES = {
    "note_cut_off": ("the note is cut off in the middle", lambda note: note[:len(note) // 2]),
    "note_not_json": ("the note is something else", lambda note: "\x01 \u00e4 <html>"),
    "note_of_a_later_version": ("the note has an unknown version", lambda note: re.sub(r'"v":\s*\d+', '"v":99', note)),
    "note_from_the_future": ("the note is of an hour from now", with_times(3600 * 10**9)),
    "note_of_another_term": ("the note has another term's token", lambda note: re.sub(r'"transitions":\s*(\d+)', '"transitions":7', note)),
    "note_too_big": ("the note has 100 kB", lambda note: note[:-1] + ',"more":"' + "x" * 100_000 + '"}'),
    "note_with_huge_numbers": ("the note has numbers beyond all bounds", lambda note: re.sub(r'"enqueued":\s*\d+', '"enqueued":' + "9" * 40, note)),
    "note_removed": ("the note is gone", lambda note: None),
}


def damaged_note(stage: Stage, damage):
    a, b = stage.pair()
    mark, since = stage.backend.mark(), time.time()
    a.signal(signal.SIGSTOP)

    def change(lease):
        annotations = lease["metadata"]["annotations"]
        damaged = damage(annotations.pop(NOTE))
        if damaged is not None:
            annotations[NOTE] = damaged
    edited = edit(stage, change)
    stage.allowed.fresh_starts = 2
    leader = stage.take_over(a, candidates=[b], since=since, mark=mark, reachable=edited + stage.timing.lease)
    a.signal(signal.SIGCONT)
    stage.backend.more(4, [leader.name])
    assert len(stage.fresh_ticks()) == 2, "the note should have been ignored"


def named(name, damage):
    def played(stage):
        damaged_note(stage, damage)
    played.__name__ = name
    return played


for key, (words, damage_of) in NOTES.items():
    fault(f"{words} when the leader is lost", "*excused*; the successor begins afresh, and says so", "lease")(named(key, damage_of))


@fault("two replicas have the same configured identity; SIGTERM", "they exclude each other; none missing", "lease")
def equal_identities(stage):
    a, b = stage.pair(identity="same")
    stage.lease_watch.wait_more(3)
    assert not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("two replicas have the same configured identity; SIGKILL", "*excused*", "lease")
def equal_identities_sigkill(stage):
    a, b = stage.pair(identity="same")
    mark = stage.backend.mark()
    since = stage.kill(a)
    stage.taken_by([b], mark)
    stage.excuse(since, since + stage.timing.lease, "a was lost")


@fault("the contents of two Leases are swapped", "both leaders stop at once; what fell due until the Leases have expired is missing; new grids", "lease")
def leases_swapped(stage):
    one, two = stage.lease, f"{stage.lease}-two"
    of_two = stage.watch(two)
    settings = {"leases": {"dummy/foo": one, "dummy/bar": two}, "pipelines": {"metrics": ["dummy/foo"], "logs": ["dummy/bar"]}}
    a = stage.start_leader("a", **settings)
    assert of_two.wait_holder(lambda holder: holder.startswith("a_"), 20)
    b = stage.start_standby("b", **settings)
    stage.settle(a)
    # b takes the second one, so that each leads one.
    edit(stage, lambda lease: lease["spec"].update(holderIdentity="b_uid-of-b"), two)
    stage.wait_past(stage.timing.lease + 1)
    stage.backend.more(4)
    mark, when = stage.backend.mark(), time.time()
    contents = [stage.api.lease(name) for name in (one, two)]

    def swap(other):
        def change(lease):
            lease["spec"] = other["spec"]
            lease["metadata"]["annotations"] = other["metadata"]["annotations"]
        return change
    edit(stage, swap(contents[1]), one)
    edit(stage, swap(contents[0]), two)
    stage.wait_past(stage.timing.lease)
    stage.taken_by([a, b], mark, count=20)
    stage.allowed.fresh_starts = 12
    stage.excuse(when - 3 * stage.timing.lease, when + 2 * stage.timing.lease, "the Leases were swapped")
