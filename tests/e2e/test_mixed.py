"""baton and client-go compete for one Lease."""
import signal

import pytest
from harness.candidate import check_never_two, expect, start_candidate
from harness.replicas import FOLLOWS, LED, LOST
from harness.ticks import SECOND
from harness.world import SHORT_DURATION

pytestmark = pytest.mark.only("apiserver")


def test_each_takes_over_from_the_other_after_a_release(world):
    go = start_candidate(world, "go-1")
    expect(go, "started")
    a = world.start_standby("a")
    candidates, batons, transitions = [go], ["a"], 0
    for turn in range(3):
        signalled = candidates[-1].signal(signal.SIGTERM)
        when, line = world.expect(a, LED)
        transitions += 1
        assert when - signalled < 1.0 and line["transitions"] == transitions
        world.output(a).wait_more(2)
        candidates.append(start_candidate(world, f"go-{turn + 2}"))
        expect(candidates[-1], f"leader {a.name}_uid-of-{a.name}")
        signalled = world.end(a)
        started = expect(candidates[-1], "started") / SECOND
        transitions += 1
        assert started - signalled < 2.5 and world.spec()["leaseTransitions"] == transitions
        a = world.start_standby(f"a{turn}")
        batons.append(a.name)
        expect(candidates[-1], "tick", start=len(candidates[-1].out))
    check_never_two(world, candidates, *batons)


def test_each_takes_over_from_the_other_after_a_crash(world):
    go = start_candidate(world, "go-1")
    expect(go, "started")
    a = world.start_standby("a")
    expect(go, "tick", start=len(go.out))
    killed = go.signal(signal.SIGKILL)
    when, line = world.expect(a, LED)
    assert SHORT_DURATION - 0.8 < when - killed < SHORT_DURATION + 1.0 and line["transitions"] == 1
    world.output(a).wait_more(2)
    second = start_candidate(world, "go-2")
    expect(second, "leader a_uid-of-a")
    world.watch().wait_more(2)
    killed = a.signal(signal.SIGKILL)
    started = expect(second, "started") / SECOND
    assert SHORT_DURATION - 1.2 < started - killed < SHORT_DURATION + 2.5
    assert world.spec()["leaseTransitions"] == 2
    check_never_two(world, [go, second], "a")


def test_paused_baton_yields_to_client_go(world):
    a = world.start_leader("a")
    go = start_candidate(world, "go")
    expect(go, "leader a_uid-of-a")
    world.output(a).wait_more(2)
    a.signal(signal.SIGSTOP)
    expect(go, "started")
    a.signal(signal.SIGCONT)
    # As it sees first that its time is over, or the other name.
    assert a.err.wait(lambda text: '"holder":"go"' in text.replace(": ", ":") and (FOLLOWS in text or LOST in text), 20)
    for _ in range(3):
        expect(go, "tick", start=len(go.out))
    check_never_two(world, [go], "a")


def test_recorded_duration_of_the_other_counts(world):
    go = start_candidate(world, "go", duration="6s", renew="4s", retry="500ms")
    expect(go, "started")
    a = world.start_standby("a")  # 3 s
    expect(go, "tick", start=len(go.out))
    killed = go.signal(signal.SIGKILL)
    when, _ = world.expect(a, LED)
    assert 5.3 < when - killed < 7.0
    check_never_two(world, [go], "a")


def test_client_go_without_release_is_waited_out(world):
    go = start_candidate(world, "go", release=False)
    expect(go, "started")
    a = world.start_standby("a")
    signalled = go.signal(signal.SIGTERM)
    when, _ = world.expect(a, LED)
    assert when - signalled > SHORT_DURATION - 0.8
    check_never_two(world, [go], "a")
