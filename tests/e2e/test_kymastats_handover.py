"""kymastats over many changes of leader on a real API server, while the statuses that it reads change."""
import itertools
import os
import threading
import time

import pytest
from harness.kyma import CONDITIONS, STATE, CustomResource, Points, condition
from harness.replicas import LED
from harness.ticks import MS, doubled

pytestmark = pytest.mark.only("apiserver")

OBJECTS, CHANGES, INTERVAL_MS = 50, 20, 500
KINDS = ("Ready", "Deployed", "Reconciled")


def kinds_of(number):
    return KINDS[:2 + number % 2]


def status(number, version):
    """All of it tells the same version, so that a mixture would be seen."""
    return {"state": f"v{version}", "conditions": [condition(kind, ("True", "False", "Unknown")[version % 3], f"V{version}") for kind in kinds_of(number)]}


@pytest.fixture
def resource(world):
    made = CustomResource(world.api, f"{world.lease}.kyma.test", "telemetries").install()
    for number in range(OBJECTS):
        made.put(f"object-{number}", status=status(number, 0))
    yield made
    made.remove()


class Changes:
    """Gives one object after the other a new status; `done` is [(when it was answered, ns, object, version)]."""

    def __init__(self, resource):
        self.resource, self.done, self.failed = resource, [], None
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            for count in itertools.count():
                if self.stopping.wait(0.05):
                    return
                self.put(count % OBJECTS, 1 + count // OBJECTS)
        except AssertionError as error:
            self.failed = error

    def put(self, number, version):
        self.resource.put(f"object-{number}", status=status(number, version))
        self.done.append((time.time_ns(), number, version))

    def stop(self):
        self.stopping.set()
        self.thread.join()
        assert self.failed is None, self.failed


def config(world, resource, name, interval_ms=INTERVAL_MS):
    entry = {"group": resource.group, "version": "v1", "resource": resource.plural}
    return {"receivers": {"kymastats": {"auth_type": "kubeConfig", "collection_interval": f"{interval_ms}ms", "resources": [entry],
                                        "k8s_leader_elector": "k8s_leader_elector"}},
            "extensions": {"k8s_leader_elector": world.extension()}, "exporters": {"debug": world.exporter(name, "kymastats")},
            "service": {"extensions": ["k8s_leader_elector"],
                        "pipelines": {"metrics": {"receivers": ["kymastats"], "exporters": ["debug"]}}}}


def points(world, name):
    return Points(world.output(name, "kymastats").path)


def ticks_in(path):
    """How many time stamps; cheaper than all points, for waiting."""
    if not os.path.exists(path):
        return 0
    with open(path) as f:
        return len({line for line in f if line.startswith("Timestamp: ")})


def wait_ticks(world, name, count, timeout=30):
    path, end = points(world, name).path, time.monotonic() + timeout
    while ticks_in(path) <= count:  # the last one may be under way
        assert time.monotonic() < end, f"{name} did not emit {count} ticks"
        time.sleep(0.02)


def versions(tick):
    """{object: version} of one tick, each with its state and each of its conditions exactly once, all of one version."""
    seen, found = {}, {}
    for _, metric, attributes, value, _ in tick:
        name = attributes["name"]
        if metric == STATE:
            key, version = (name, None), int(attributes["state"][1:])
        else:
            assert metric == CONDITIONS
            key, version = (name, attributes["type"]), int(attributes["reason"][1:])
            assert value == (1, 0, -1)[version % 3], attributes
        assert key not in seen, f"{key} twice in one tick"
        seen[key] = version
        assert found.setdefault(name, version) == version, f"{name}: of two versions in one tick"
    expected = {(f"object-{n}", kind) for n in range(OBJECTS) for kind in (None, *kinds_of(n))}
    assert set(seen) == expected, f"missing: {sorted(expected - set(seen), key=str)}, more: {sorted(set(seen) - expected, key=str)}"
    return found


def test_each_condition_once_in_each_tick_through_changes_of_leader(world, resource):
    lead = world.start_leader("replica-0", config(world, resource, "replica-0"))
    changes, names = Changes(resource), ["replica-0"]
    for turn in range(1, CHANGES + 1):
        name = f"replica-{turn}"
        standby = world.start_standby(name, config(world, resource, name))
        wait_ticks(world, lead.name, 1)
        world.end(lead)
        world.expect(standby, LED)
        lead = standby
        names.append(name)
    wait_ticks(world, lead.name, 2)
    changes.stop()
    world.end(lead)
    assert world.spec()["leaseTransitions"] == CHANGES

    of_replicas = {name: points(world, name).ticks() for name in names}
    stamps = [sorted(ticks) for ticks in of_replicas.values()]
    assert all(stamps), f"a leader emitted nothing: {[name for name, ticks in of_replicas.items() if not ticks]}"
    assert doubled(*stamps) == [] and world.missing(*stamps, interval=INTERVAL_MS * MS) == []
    merged = {when: tick for ticks in of_replicas.values() for when, tick in ticks.items()}
    seen = {when: versions(tick) for when, tick in sorted(merged.items())}
    assert len(seen) > CHANGES
    # What was answered an interval before a tick is in it, whoever emits it; and no leader goes back behind the one before.
    for when, number, version in changes.done:
        stale = [tick for tick, of in seen.items() if tick > when + INTERVAL_MS * MS and of[f"object-{number}"] < version]
        assert stale == [], f"object-{number} got version {version} at {when}, and ticks {stale} do not know"
    for before, after in zip(seen.values(), list(seen.values())[1:]):
        assert all(after[name] >= version for name, version in before.items())
    assert max(version for _, _, version in changes.done) >= 1


def test_change_is_in_the_next_tick(world, resource):
    """Right after a tick a status is changed: the tick after it has the change, also if another replica emits it."""
    interval_ms = 2000
    a = world.start_leader("a", config(world, resource, "a", interval_ms))
    world.start_standby("b", config(world, resource, "b", interval_ms))
    wait_ticks(world, "a", 0)
    for version in (1, 2):
        count = ticks_in(points(world, "a").path)
        wait_ticks(world, "a", count)
        resource.put("object-7", status=status(7, version))
        changed = time.time_ns()
        if version == 2:
            world.end(a)
            wait_ticks(world, "b", 1)
        else:
            wait_ticks(world, "a", count + 1)
        merged = {**points(world, "a").ticks(), **points(world, "b").ticks()}
        after = min(when for when in merged if when > changed)
        assert after - changed < interval_ms * MS
        assert versions(merged[after])["object-7"] == version
