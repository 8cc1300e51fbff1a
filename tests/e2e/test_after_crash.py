"""`after_crash`: ticks that a crashed leader may have emitted are left out, or come again."""
import signal

import pytest
from harness.replicas import LED
from harness.ticks import SECOND, doubled
from harness.world import INTERVAL, SHORT


def config(world, name, after_crash, interval=f"{INTERVAL // 1_000_000}ms"):
    extension = world.extension(**SHORT, **({"after_crash": after_crash} if after_crash else {}))
    return world.config(name, extensions={"leaderelector/foo": extension}, interval=interval)


def crash(world, after_crash, interval=f"{INTERVAL // 1_000_000}ms", more=2):
    """(ticks of the leader that is killed, ticks of its successor)"""
    a = world.start_leader("a", config(world, "a", after_crash, interval))
    b = world.start_standby("b", config(world, "b", after_crash, interval))
    world.output(a).wait_more(2)
    world.watch().wait_more(2)
    a.signal(signal.SIGKILL)
    _, line = world.expect(b, "Collecting as leader", inherited="expired")
    world.expect(b, LED, predecessor="expired")
    world.output(b).wait_more(more)
    return (*world.ticks("a", "b"), line)


@pytest.mark.parametrize("after_crash", [None, "skip"])
def test_skip_leaves_out_what_may_have_been_sent(world, after_crash):
    before, after, line = crash(world, after_crash)
    assert doubled(before, after) == [] and min(after) > max(before)
    # Of what fell due after the gate of the crashed leader closed only the newest tick comes, late; the ones before are counted.
    assert line["ticks_maybe_sent_by_predecessor"] > 0
    assert world.missing(after, fresh=False) == []


def test_repeat_emits_the_newest_few_again(world):
    """Fifteen ticks fall due while the Lease of 3 s expires: five come late, each with its own time."""
    before, after, line = crash(world, "repeat", more=7)
    assert line["ticks_maybe_sent_by_predecessor"] == 0
    assert world.missing(after, fresh=False) == []
    assert doubled(before, after) == []
    (hole,) = world.missing(before, after)
    assert hole[0] == max(before) + INTERVAL


def test_repeat_fills_a_hole_of_few_ticks(world):
    """At an interval of 1 s all that was missed comes again: no tick is missing, and those that were not acknowledged may come twice."""
    before, after, _ = crash(world, "repeat", interval="1s", more=3)
    assert world.missing(set(before) | set(after), interval=SECOND) == []
    repeated = doubled(before, after)
    assert all(tick > before[0] for tick in repeated) and len(repeated) <= 5
