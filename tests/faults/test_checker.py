"""The checker of the fault suite: it finds what it must find."""
from checker import MS, SECOND, Allowed, Arrival, arrival_of, check
from harness import standstill

INTERVAL = SECOND
T0 = 1_700_000_000 * SECOND


def arrive(peer, *ticks, signal="metrics", value=1, start=0):
    return [Arrival(0, peer, signal, T0 + int(tick * SECOND), [(("series", n), T0 + int(tick * SECOND), (value, start)) for n in range(3)])
            for tick in ticks]


def problems(arrivals, fresh=(0,), **allowed):
    rules = Allowed()
    for name, value in allowed.items():
        setattr(rules, name, value)
    return [text.split(":")[0] for text in check(arrivals, {T0 + int(f * SECOND) for f in fresh}, INTERVAL, rules, "test")]


def excused(begin, end):
    rules = Allowed()
    rules.excuse(T0 + begin * SECOND, T0 + end * SECOND, "test")
    return rules.excuses


def test_a_change_of_leader_that_nobody_sees():
    assert problems(arrive("a", 0, 0.3, 1.3, 2.3) + arrive("b", 3.3, 4.3)) == []


def test_ticks_that_a_standstill_explains(monkeypatch):
    monkeypatch.setattr(standstill, "excused", {})
    of = lambda begin, end: [(T0 + int(begin * SECOND), T0 + int(end * SECOND))]
    assert problems(arrive("a", 0, 0.3, 3.3), standstills=of(1.3, 2.3)) == [] and list(standstill.excused.values()) == [2]
    assert problems(arrive("a", 0, 0.3, 3.3), standstills=of(2.3, 3.3)) == ["missing"]
    assert problems(arrive("a", 0, 0.3, 3.3), standstills=of(0.3, 1.3)) == ["missing"]
    assert problems(arrive("a", 0, 0.3, 1.3) + arrive("b", 1.3, 3.3), standstills=of(1.3, 2.3)) == ["doubled"]


def test_tick_of_two_replicas():
    assert problems(arrive("a", 0, 0.3, 1.3) + arrive("b", 1.3, 2.3)) == ["doubled"]


def test_tick_of_two_replicas_is_found_whatever_is_allowed():
    rules = {"repeats": True, "late_from": {"a", "b"}, "restarted_order": True, "fresh_starts": 9, "excuses": excused(-9, 99)}
    assert problems(arrive("a", 0, 0.3, 1.3) + arrive("b", 1.3, 2.3), **rules) == ["doubled"]


def test_tick_that_comes_again():
    again = arrive("a", 0, 0.3, 1.3, 1.3)
    assert problems(again) == ["repeated"]
    assert problems(again, repeats=True) == []
    assert problems(arrive("a", 0, 0.3, 1.3) + arrive("a", 1.3, value=2), repeats=True) == ["refused by a strict backend"]
    assert problems(arrive("a", 0, 0.3, 1.3) + arrive("a", 1.3, start=7), repeats=True) == ["refused by a strict backend"]


def test_other_signals_are_series_of_their_own():
    logs = [a._replace(samples=[(("log", 0), a.tick, None)]) for a in arrive("a", 0, 0.3, 1.3, signal="logs")]
    assert problems(arrive("a", 0, 0.3, 1.3) + logs) == []
    assert problems(arrive("a", 0, 0.3, 1.3, 2.3) + logs[:2] + arrive("b", 2.3, signal="logs")) == ["missing"]


def test_sample_that_is_older():
    late = arrive("a", 0, 0.3, 1.3) + arrive("b", 3.3) + arrive("a", 2.3) + arrive("b", 4.3)
    assert problems(late) == ["refused by a strict backend"]
    assert problems(late, late_from={"a"}) == []
    assert problems(late, late_from={"b"}) == ["refused by a strict backend"]
    assert problems(late, restarted_order=True) == []


def test_late_is_not_what_came_in_the_successors_time():
    assert problems(arrive("a", 0, 0.3) + arrive("b", 1.3, 3.3) + arrive("a", 2.3), late_from={"a"}) == ["refused by a strict backend"]


def test_missing_tick():
    hole = arrive("a", 0, 0.3, 1.3) + arrive("b", 4.3, 5.3)
    assert problems(hole) == ["missing"]
    assert problems(hole, excuses=excused(2, 4)) == []
    assert problems(hole, excuses=excused(3, 4)) == ["missing"]
    assert problems(hole, excuses=excused(2, 3)) == ["missing"]


def test_hole_behind_the_first_tick_of_a_fresh_start():
    assert problems(arrive("a", 0, 1, 2)) == []
    assert problems(arrive("a", 0, 1.2, 2.2)) == ["missing"]


def test_fresh_start_in_the_middle():
    ticks = arrive("a", 0, 0.3, 1.3) + arrive("b", 1.9, 2.6, 3.6)
    assert problems(ticks) == ["off the grid", "off the grid"]
    assert [text[:14] for text in problems(ticks, fresh=(0, 1.9))] == ["2 fresh starts"]
    assert problems(ticks, fresh=(0, 1.9), fresh_starts=2) == []
    assert problems(arrive("a", 0, 0.3, 1.3) + arrive("b", 4.9, 5.6), fresh=(0, 4.9), fresh_starts=2) == ["missing"]


def test_off_the_grid():
    assert problems(arrive("a", 0, 0.3, 1.3) + arrive("b", 2.31, 3.31)) == ["off the grid"]


def test_line_of_the_sink():
    point = {"ts": T0, "start": 0, "value": 4, "attrs": {"host": "h"}}
    call = {"t": 5, "peer": "a", "signal": "metrics", "resources": [{"attrs": {"x": "y"}, "scopes": [
        {"metrics": [{"name": "dummy", "points": [point, point]}]}]}]}
    arrival = arrival_of(call)
    assert (arrival.peer, arrival.tick, len(arrival.samples)) == ("a", T0, 2)
    assert arrival.samples[0][0] != arrival.samples[1][0], "points of one tick are told apart by their place"
    assert arrival_of({"t": 5, "peer": "a", "signal": "metrics", "refused": 14}) is None
    assert MS * 1000 == SECOND
