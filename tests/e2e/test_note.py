"""The hand-over note: what a successor makes of the one that it finds, and what it leaves itself. The predecessors here are Leases made by hand, so that
each sentence about the note is tried by itself; real predecessors are in test_handover.py."""
import datetime
import itertools
import json
import re
import signal
import time

import pytest
from harness.replicas import LED
from harness.ticks import MS, SECOND, doubled
from harness.world import INTERVAL, wait_until

NOTE, IGNORED, AFRESH = "baton.dev/note", "Ignoring the hand-over note of the previous leader", "note on this receiver cannot be used; starting afresh"
RECEIVER = "dummy/foo"


def micro(ns):
    return datetime.datetime.fromtimestamp(ns / SECOND, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def entry(enqueued, **more):
    """Of a series that began a while ago, on a grid of its own."""
    return {"id": RECEIVER, "interval": INTERVAL, "phase": enqueued % INTERVAL, "start": enqueued - 100 * INTERVAL, "enqueued": enqueued,
            "acknowledged": enqueued, **more}


def leave(world, receivers, released=True, holder="dead", text=None, transitions=7, **token):
    """A Lease with a note of its term; `token` and `text` make it another one."""
    now = time.time_ns()
    made = world.api.create_lease(world.lease, spec={
        "holderIdentity": "" if released else holder, "leaseDurationSeconds": 1 if released else 2, "leaseTransitions": transitions,
        "acquireTime": micro(now - 60 * SECOND), "renewTime": micro(now)})
    note = {"v": 1, "uid": made["metadata"]["uid"], "transitions": transitions, "receivers": receivers, **token}
    made["metadata"].setdefault("annotations", {})[NOTE] = json.dumps(note) if text is None else text
    status, answer = world.api.request("PUT", world.api.lease_path(world.lease), made)
    assert status == 200, answer


def note_of(lease):
    text = lease["metadata"].get("annotations", {}).get(NOTE, "")
    assert len(text.encode()) <= 4096
    return json.loads(text) if text else None


def start(world, name="a", **options):
    replica = world.start(name, **options)
    world.expect(replica, LED)
    _, line = world.expect(replica, "Collecting as leader")
    return replica, line


def test_after_a_release_ticks_go_on_behind_the_last_one(world):
    last = time.time_ns() // MS * MS
    watch = world.watch()
    leave(world, [entry(last)])
    a, line = start(world)
    assert line["inherited"] == "released"
    ticks = world.output(a).wait_more(3)
    if ticks[0] - last <= 6 * INTERVAL:  # a few ticks are caught up; a machine that needs longer to start has an outage
        assert ticks[0] == last + INTERVAL
    assert {(tick - last) % INTERVAL for tick in ticks} == {0}, "the phase was not taken over"
    # The very claim carries the note under the new token, the start of the series as it was.
    claims = [lease for _, _, lease in watch.events if lease["spec"].get("holderIdentity") == "a_uid-of-a"]
    note = note_of(claims[0])
    assert (note["uid"], note["transitions"]) == (claims[0]["metadata"]["uid"], 8)
    assert note["receivers"] == [entry(last)]
    wait_until(lambda: note_of(world.api.lease(world.lease))["receivers"][0]["enqueued"] > last, 10, "a note of the new ticks")
    newest = note_of(world.api.lease(world.lease))["receivers"][0]
    assert newest["start"] == last - 100 * INTERVAL and newest["phase"] == last % INTERVAL


@pytest.mark.only("kubesim")
@pytest.mark.parametrize("delay_ms", [150, 1500], ids=["answered", "unanswered"])
def test_a_claim_that_is_given_back_before_its_term_leaves_the_note(world, delay_ms):
    """Whoever ends with its claim under way has emitted nothing: the next one must go on where the leader before them ended."""
    name = world.lease
    for attempt in itertools.count(1):  # with later answers, until the signal comes before
        world.lease = f"{name}-{attempt}"
        last = time.time_ns() // MS * MS
        leave(world, [entry(last)])
        world.api.fault("update", times=1, answer_delay_ms=attempt * delay_ms)
        a = world.start(f"a{attempt}", world.config(f"a{attempt}", extensions={"leaderelector/foo": world.extension(standby="warm")}))
        wait_until(lambda: world.spec().get("holderIdentity", "").startswith("a"), 10, "the claim is carried out")
        a.signal(signal.SIGTERM)
        assert a.wait(10) == 0
        if not a.wait_log(LED, 0):
            break
        assert attempt < 8
    lease = world.api.lease(world.lease)
    assert lease["spec"]["holderIdentity"] == "" and lease["spec"]["leaseTransitions"] == 8
    note = note_of(lease)
    assert note["transitions"] == 8 and note["receivers"] == [entry(last)]
    assert world.output(a).ticks() == []


@pytest.mark.only("kubesim")
def test_a_claim_that_is_given_back_after_a_crash_counts_as_sent_what_may_have_been(world):
    """The release is an orderly one, so nobody waits; but the leader before may have emitted until its gate closed."""
    last = time.time_ns() // MS * MS
    leave(world, [entry(last)], released=False)
    world.api.fault("update", times=1, answer_delay_ms=1500)
    a = world.start("a", world.config("a", extensions={"leaderelector/foo": world.extension(standby="warm")}))
    wait_until(lambda: world.spec().get("holderIdentity") == "a_uid-of-a", 20, "the claim is carried out")
    claimed = time.time_ns()
    a.signal(signal.SIGTERM)
    wait_until(lambda: not a.alive(), 10, "the end")
    note = note_of(world.api.lease(world.lease))
    (left,) = note["receivers"]
    assert note["transitions"] == 8 and last + 2 * SECOND <= left["enqueued"] <= claimed
    assert left == {**entry(last), "enqueued": left["enqueued"]}
    b, line = start(world, "b")
    assert line["inherited"] == "released"
    ticks = world.output(b).wait_more(2)
    assert ticks[0] > left["enqueued"] and {(tick - last) % INTERVAL for tick in ticks} == {0}


def test_after_an_expiry_only_the_newest_tick_behind_the_gate(world):
    last = time.time_ns() // MS * MS
    leave(world, [entry(last)], released=False)
    a, line = start(world)
    led = time.time_ns()
    assert line["inherited"] == "expired" and line["ticks_maybe_sent_by_predecessor"] >= 4  # the gate closed 1 s before 2 s had passed
    ticks = world.output(a).wait_more(3)
    assert ticks[0] > led - INTERVAL - SECOND and ticks[0] > last + SECOND
    assert {(tick - last) % INTERVAL for tick in ticks} == {0}


@pytest.mark.only("kubesim")
def test_a_term_that_was_over_before_it_was_noticed_inherits_from_its_predecessor(world):
    """A pause between a claim and its answer, longer than the gate but not than the call may take; nobody else comes. What the predecessor may have
    sent after its note counts as sent all the same."""
    settings = {"lease_duration": "4s", "renew_deadline": "3s", "retry_period": "500ms", "safety_margin": "2s", "request_timeout": "3s", "standby": "warm"}
    last = time.time_ns() // MS * MS
    leave(world, [entry(last)], released=False)
    watch = world.watch()
    world.api.fault("update", times=1, answer_delay_ms=300)
    b = world.start("b", world.config("b", extensions={"leaderelector/foo": world.extension(**settings)}))
    taken = watch.wait_holder(lambda holder: holder == "b_uid-of-b", 20)
    b.signal(signal.SIGSTOP)
    wait_until(lambda: time.time() > taken[0] + 2.3, 10, "the end of the gate")
    b.signal(signal.SIGCONT)
    _, line = world.expect(b, "Collecting as leader")
    assert line["inherited"] == "expired" and line["ticks_maybe_sent_by_predecessor"] >= 4
    ticks = world.output(b).wait_more(3)
    assert ticks[0] > last + 2 * SECOND - INTERVAL


def test_a_second_crash_does_not_lose_the_note(world):
    """The second leader is killed as soon as it has claimed the Lease."""
    last = time.time_ns() // MS * MS
    leave(world, [entry(last, acknowledged=0)], released=False)
    b_config = world.config("b")
    a = world.start("a")
    world.expect(a, LED)
    a.signal(signal.SIGKILL)
    b = world.start("b", b_config)
    world.expect(b, LED, predecessor="expired", transitions=9)
    _, line = world.expect(b, "Collecting as leader")
    assert line["inherited"] == "expired"
    ticks = world.output(b).wait_more(2)
    assert {(tick - last) % INTERVAL for tick in ticks} == {0}
    assert doubled(*world.ticks("a", "b")) == []
    wait_until(lambda: note_of(world.api.lease(world.lease))["receivers"][0]["enqueued"] > last, 10, "a note of the new ticks")
    assert note_of(world.api.lease(world.lease))["receivers"][0]["start"] == last - 100 * INTERVAL


@pytest.mark.parametrize("what, changes", {
    "token of an earlier term": {"transitions": 6},
    "token of another Lease": {"uid": "11111111-2222-3333-4444-555555555555"},
}.items())
def test_note_of_another_term_is_not_used(world, what, changes):
    """client-go keeps annotations that it does not know: the note on the Lease may be old."""
    receivers = [entry(time.time_ns() // MS * MS)]
    made_with = dict(changes)
    transitions = made_with.pop("transitions", None)
    if transitions is None:
        leave(world, receivers, **made_with)
    else:
        leave(world, receivers, text=None)
        world.api.edit_lease(world.lease, lambda lease: lease["spec"].update(leaseTransitions=9))
    a, line = start(world)
    assert line["inherited"] == "none" and not a.wait_log(IGNORED, 0)
    world.output(a).wait_more(2)


@pytest.mark.parametrize("what, text", {
    "unknown version": '{"v":2,"uid":"x","transitions":7,"receivers":[]}',
    "no JSON": "ticks: 7",
    "cut": '{"v":1,"uid":"x","transi',
    "too long": json.dumps({"v": 1, "uid": "x", "transitions": 7, "receivers": [], "more": "x" * 4096}),
}.items())
def test_note_that_cannot_be_read_is_said_and_not_used(world, what, text):
    leave(world, [], text=text)
    a, line = start(world)
    assert line["inherited"] == "none"
    world.expect(a, IGNORED)
    world.output(a).wait_more(2)
    wait_until(lambda: note_of(world.api.lease(world.lease))["v"] == 1, 10, "a note of its own")


@pytest.mark.parametrize("what, changes", {
    "from the future": {"ahead": 60 * SECOND},
    "of another interval": {"interval": 2 * INTERVAL},
    "without a tick": {"enqueued": 0},
}.items())
def test_entry_that_cannot_be_used_is_said(world, what, changes):
    now = time.time_ns() // MS * MS
    ahead = changes.get("ahead", 0)
    leave(world, [{**entry(now + ahead), **{key: value for key, value in changes.items() if key != "ahead"}}])
    a, line = start(world)
    assert line["inherited"] == "none"
    assert a.err.wait(lambda text: AFRESH in text, 5)
    ticks = world.output(a).wait_more(2)
    assert min(ticks) > now and max(ticks) < now + 30 * SECOND


def test_a_clock_that_is_a_little_ahead_is_believed(world):
    """The predecessor's clock was 2 s ahead: its ticks are not repeated, the successor waits until its own clock has come there."""
    last = time.time_ns() // MS * MS + 2 * SECOND
    leave(world, [entry(last)])
    a, line = start(world)
    assert line["inherited"] == "released"
    ticks = world.output(a).wait(lambda ticks: len(ticks) >= 2, 20, "two ticks")
    assert ticks[0] == last + INTERVAL


def test_entries_of_other_receivers_are_nothing_to_this_one(world):
    now = time.time_ns() // MS * MS
    leave(world, [{**entry(now), "id": "dummy/other"}])
    a, line = start(world)
    assert line["inherited"] == "none" and not a.err.wait(lambda text: AFRESH in text, 0)
    world.output(a).wait_more(1)


def test_note_is_bounded_and_what_does_not_fit_is_said(world):
    """Forty receivers with long names: those that fit go on, the others begin afresh; nothing comes twice."""
    receivers = {f"dummy/{'long-name-' * 8}{n:02}": "leaderelector/foo" for n in range(40)}

    def config(name):
        made = world.config(name, receivers)
        made["exporters"] = {"debug": world.exporter(name, "all")}
        made["service"]["pipelines"] = {"metrics": {"receivers": list(receivers), "exporters": ["debug"]}}
        made["service"]["telemetry"] = {"logs": {"sampling": {"enabled": False}}}
        return made
    watch = world.watch()
    a = world.start_leader("a", config("a"))
    b = world.start_standby("b", config("b"))
    _, line = world.expect(a, "The hand-over note is full: some receivers start afresh after a change of leader")
    assert line["limit_bytes"] == 4096
    world.output(a, "all").wait(lambda ticks: len(ticks) >= 120, 30, "three ticks of each")
    world.end(a)
    world.expect(b, LED, predecessor="released")
    wait_until(lambda: sum("Collecting as leader" in text for text in b.err.texts()) == 40, 10, "all receivers collect")
    inherited = [line["inherited"] for line in b.log() if line.get("msg") == "Collecting as leader"]
    _, released = watch.wait_holder(lambda holder: holder == "", 10)
    assert set(inherited) == {"released", "none"} and inherited.count("released") == len(note_of(released)["receivers"])
    world.output(b, "all").wait(lambda ticks: len(ticks) >= 80, 30, "two ticks of each")
    assert doubled(*world.ticks("a", "b", output="all")) == []
    for _, _, lease in watch.events:
        note_of(lease)


def test_note_of_a_recreated_lease_names_it_at_once(world):
    """With the default durations the next renewal is 5 s away."""
    settings = {"lease_duration": "15s", "renew_deadline": "10s", "retry_period": "2s"}
    a = world.start_leader("a", world.config("a", extensions={"leaderelector/foo": world.extension(**settings)}))
    world.output(a).wait_more(2)
    assert world.api.delete_lease(world.lease)[0] == 200

    def vouched():
        lease = world.api.lease(world.lease)
        note = note_of(lease) if lease else None
        return note and note["uid"] == lease["metadata"]["uid"] and note["receivers"]
    wait_until(vouched, 3, "a note under the new uid")


def test_annotations_are_two_and_hold_what_is_documented(world):
    world.start_leader("a")
    world.watch().wait_more(3)
    annotations = world.api.lease(world.lease)["metadata"]["annotations"]
    assert {key for key in annotations if key.startswith("baton.dev/")} == {"baton.dev/incarnation", NOTE}
    assert re.fullmatch(r"[0-9a-f]{32}/3", annotations["baton.dev/incarnation"])
    assert set(note_of(world.api.lease(world.lease))) == {"v", "uid", "transitions", "receivers"}
