"""What is always checked: everything that arrived at the backend, in order of arrival, against the promises.

A tick belongs to one replica. A backend that refuses a sample which is older than one that it has of the same series, or another one of the same
time, refuses none. A tick may be missing only inside a window that the fault excuses, and begin a new grid only where a fresh start is part
of the fault.
"""
import collections
import json

from harness import standstill

SECOND = 1_000_000_000
MS = 1_000_000

# One batch at the backend. `samples`: [(series, time, what must be equal in a repetition)]
Arrival = collections.namedtuple("Arrival", "time_ns peer signal tick samples")
# From `begin` to `end` (ns, by ticks' own times) ticks may be missing, for `why`.
Excuse = collections.namedtuple("Excuse", "begin end why")


class Allowed:
    """What a fault makes different from the rule."""

    def __init__(self):
        self.excuses = []
        self.standstills = []       # [(begin, end)] as excuses, but nothing that the fault brings: harness/standstill.py
        self.fresh_starts = 1       # grids that begin: the first one of the series, and one more for each note that is lost
        self.repeats = False        # an answer can get lost: the same replica sends a tick once more, unchanged
        self.late_from = set()      # what these had handed over in their term may arrive after the successor's first tick
        self.restarted_order = False  # clocks that are wrong by more than the note bears: time goes back at the backend

    def excuse(self, begin, end, why):
        self.excuses.append(Excuse(int(begin), int(end), why))


def arrival_of(call):
    """An Arrival of a decoded line of the sink; None for a call that it refused."""
    if call.get("refused") or not call.get("resources"):
        return None
    samples = []
    for resource in call["resources"]:
        of_resource = json.dumps(resource["attrs"], sort_keys=True)
        for scope in resource["scopes"]:
            for metric in scope.get("metrics") or []:
                for number, point in enumerate(metric["points"]):
                    series = (of_resource, metric["name"], json.dumps(point["attrs"], sort_keys=True), number)
                    samples.append((series, point["ts"], (point.get("value"), point["start"])))
            for kind, stamp in (("logs", "ts"), ("spans", "start")):
                samples += [((of_resource, kind, number), item[stamp], None) for number, item in enumerate(scope.get(kind) or [])]
    ticks = {time for _, time, _ in samples}
    assert len(ticks) == 1, f"one request carries several ticks: {sorted(ticks)}"
    return Arrival(call["t"], call["peer"], call["signal"], ticks.pop(), samples)


def doubled(arrivals):
    """[(signal, tick, peers)] of ticks that came from more than one replica."""
    peers = collections.defaultdict(set)
    for a in arrivals:
        peers[a.signal, a.tick].add(a.peer)
    return [(signal, tick, sorted(who)) for (signal, tick), who in sorted(peers.items()) if len(who) > 1]


def repeated(arrivals):
    """[(signal, tick, peer)] of ticks that the same replica sent more than once."""
    count = collections.Counter((a.signal, a.tick, a.peer) for a in arrivals)
    return sorted(key for key, n in count.items() if n > 1)


class StrictBackend:
    """Takes a sample only if it is newer than all of its series, or a repetition of the newest one."""

    def __init__(self):
        self.newest = {}

    def refusals(self, arrival):
        """[why] of the samples of this batch that it refuses; the others are taken."""
        refused = []
        for series, time, content in arrival.samples:
            known = self.newest.get(series)
            if known is None or time > known[0]:
                self.newest[series] = (time, content)
            elif time < known[0]:
                refused.append(f"{arrival.peer}: tick {time} came after {known[0]}")
            elif content != known[1]:
                refused.append(f"{arrival.peer}: tick {time} has {content}, it had {known[1]}")
        return refused


def out_of_order(arrivals, late_from):
    backend, problems, first_of = StrictBackend(), [], {}
    for a in arrivals:
        first_of.setdefault(a.peer, a.tick)
        refusals = backend.refusals(a)
        # Late is only what is older than everything of those that came behind.
        is_late = a.peer in late_from and any(peer != a.peer and a.tick < first for peer, first in first_of.items())
        if refusals and not is_late:
            problems.append(refusals[0])
    return problems


def segments(ticks, fresh):
    """The ticks, cut in front of each fresh start: [[first tick of its own time, then a grid ...]]"""
    parts = []
    for tick in ticks:
        if tick in fresh or not parts:
            parts.append([])
        parts[-1].append(tick)
    return parts


def holes(ticks, interval, fresh):
    """([(first missing tick, last missing tick)], [ticks off the grid]); `fresh` are first ticks of fresh starts."""
    missing, off_grid, before = [], [], None
    for part in segments(sorted(ticks), fresh):
        if before is not None and part[0] - before > 2 * interval:
            missing.append((before + interval, part[0] - interval))
        if len(part) > 1 and part[1] - part[0] > interval:
            missing.append((part[0] + interval, part[1] - 1))
        for earlier, later in zip(part[1:], part[2:]):
            if (later - earlier) % interval:
                off_grid.append(later)
            if later - earlier >= 2 * interval:
                missing.append((earlier + interval, later - interval))
        before = part[-1]
    return missing, off_grid


def check(arrivals, fresh, interval, allowed, name):
    """[problem] of everything that arrived; `fresh`: ticks that began afresh, with a time of their own."""
    problems = [f"doubled: {signal} of tick {tick} came from {peers}" for signal, tick, peers in doubled(arrivals)]
    if not allowed.repeats:
        problems += [f"repeated: {peer} sent {signal} of tick {tick} more than once" for signal, tick, peer in repeated(arrivals)]
    if not allowed.restarted_order:
        problems += [f"refused by a strict backend: {text}" for text in out_of_order(arrivals, allowed.late_from)]
    if len(fresh) > allowed.fresh_starts:
        problems.append(f"{len(fresh)} fresh starts at {sorted(fresh)}, {allowed.fresh_starts} at most")
    for signal in sorted({a.signal for a in arrivals}):
        missing, off_grid = holes({a.tick for a in arrivals if a.signal == signal}, interval, fresh)
        problems += [f"off the grid: {signal} of tick {tick}" for tick in off_grid]
        left = [(first, last) for first, last in missing if not any(e.begin <= first and last <= e.end for e in allowed.excuses)]
        for first, last in standstill.others(left, allowed.standstills, interval, name):
            near = [f"{e.why}: {(e.begin - first) / SECOND:+.3f} to {(e.end - last) / SECOND:+.3f} s" for e in allowed.excuses]
            problems.append(f"missing: {signal} of ticks {first} to {last} ({(last - first) // interval + 1} of {interval // MS} ms)"
                            + (f"; excused relative to them: {near}" if near else ""))
    return problems
