"""The comparison itself: it finds every change of a tick or of an event, and lets through what the listed rows allow and no more."""
import copy
import fractions

import pytest

from compare import Quantities, event_differences, exact, metric_differences, rounded, time_faults

NOW, THEN = 1_900_000_000_000_000_000, 1_800_000_000_000_000_000
SCOPE = "github.com/open-telemetry/opentelemetry-collector-contrib/receiver/k8sclusterreceiver"
SCHEMA = "https://opentelemetry.io/schemas/1.18.0"


def metric(name, unit, *points, kind="gauge"):
    """Points are (value, attributes)."""
    return {"name": name, "description": "theirs", "unit": unit, "type": kind, "monotonic": False, "temporality": 2 if kind == "sum" else 0, "points": [
        {"ts": NOW, "start": THEN, "value": value, "kind": "double" if isinstance(value, float) else "int", "attrs": attrs} for value, attrs in points]}


def resource(attrs, *metrics):
    return {"attrs": attrs, "schema": SCHEMA, "scopes": [{"name": SCOPE, "version": "0.149.0", "metrics": list(metrics)}]}


TICK = [
    resource({"k8s.pod.uid": "p-1", "k8s.pod.name": "web-1", "k8s.namespace.name": "shop", "k8s.node.name": ""}, metric("k8s.pod.phase", "", (2, {}))),
    resource({"container.id": "c0ffee", "k8s.container.name": "app", "k8s.pod.uid": "p-1", "k8s.pod.name": "web-1"},
             metric("k8s.container.cpu_limit", "{cpu}", (1.5, {})), metric("k8s.container.memory_request", "By", (67108864, {})),
             metric("k8s.container.status.state", "{container}", (1, {"state": "running"}), (0, {"state": "waiting"}), kind="sum")),
    # Two resources with the same attributes: conditions, and the dynamic metrics of the same node.
    resource({"k8s.node.uid": "n-1", "k8s.node.name": "n1"}, metric("k8s.node.condition", "{condition}", (1, {"condition": "Ready"}))),
    resource({"k8s.node.uid": "n-1", "k8s.node.name": "n1"}, metric("k8s.node.condition_ready", "", (1, {}))),
    resource({"k8s.resourcequota.uid": "q-1", "k8s.resourcequota.name": "q"}, metric(
        "k8s.resource_quota.hard_limit", "{resource}", (2000, {"resource": "limits.cpu"}), (0, {"resource": "secrets"}))),
]
TICK[3]["scopes"][0]["metrics"][0]["points"][0]["start"] = 0
QUANTITIES = Quantities.read(quotas=[{"metadata": {"uid": "q-1"}, "status": {"hard": {"limits.cpu": "2", "secrets": "10E"}}}])


def first(tick, number=0):
    return tick[number]["scopes"][0]["metrics"][0]


def point(tick, number=0):
    return first(tick, number)["points"][0]


ALTERATIONS = {
    "value off by one": lambda t: point(t).update(value=3),
    "double off by a bit": lambda t: point(t, 1).update(value=1.5000000000000002),
    "integer for double": lambda t: point(t, 1).update(value=1, kind="int"),
    "double for integer": lambda t: point(t).update(value=2.0, kind="double"),
    "no value": lambda t: (point(t).pop("value"), point(t).update(kind="none")),
    "point flags": lambda t: point(t).update(flags=1),
    "missing point": lambda t: first(t, 4)["points"].pop(),
    "extra point": lambda t: first(t)["points"].append({"ts": NOW, "start": THEN, "value": 2, "kind": "int", "attrs": {"a": "b"}}),
    "point twice": lambda t: first(t)["points"].append(copy.deepcopy(point(t))),
    "missing point attribute": lambda t: point(t, 4)["attrs"].clear(),
    "other point attribute": lambda t: point(t, 4)["attrs"].update(resource="limits.CPU"),
    "type of a point attribute": lambda t: point(t, 4)["attrs"].update(resource=True),
    "missing resource attribute": lambda t: t[0]["attrs"].pop("k8s.node.name"),
    "empty resource attribute": lambda t: t[1]["attrs"].update({"container.image.tag": ""}),
    "other resource attribute": lambda t: t[0]["attrs"].update({"k8s.node.name": "n1"}),
    "missing resource": lambda t: t.pop(0),
    "extra resource": lambda t: t.append(resource({"k8s.pod.uid": "p-2"}, metric("k8s.pod.phase", "", (1, {})))),
    "resource twice": lambda t: t.append(copy.deepcopy(t[0])),
    "metrics in one resource": lambda t: (first(t, 2), t[2]["scopes"][0]["metrics"].append(first(t, 3)), t.pop(3)),
    "missing metric": lambda t: t[1]["scopes"][0]["metrics"].pop(),
    "extra metric": lambda t: t[0]["scopes"][0]["metrics"].append(metric("k8s.pod.status_reason", "", (6, {}))),
    "metric twice": lambda t: t[0]["scopes"][0]["metrics"].append(copy.deepcopy(first(t))),
    "unit": lambda t: first(t, 1).update(unit="1"),
    "sum for gauge": lambda t: first(t).update(type="sum"),
    "monotonic": lambda t: t[1]["scopes"][0]["metrics"][2].update(monotonic=True),
    "temporality": lambda t: t[1]["scopes"][0]["metrics"][2].update(temporality=1),
    "scope name": lambda t: t[0]["scopes"][0].update(name="otelcol/k8sclusterreceiver"),
    "scope attributes": lambda t: t[0]["scopes"][0].update(attrs={"a": "b"}),
    "scope schema": lambda t: t[0]["scopes"][0].update(schema=SCHEMA),
    "two scopes": lambda t: t[0]["scopes"].append({"name": SCOPE, "version": "", "metrics": []}),
    "resource schema": lambda t: t[3].pop("schema"),
    "row 6: not saturated": lambda t: first(t, 4)["points"][1].update(value="9223372036854775806"),
    "row 6: wraps as the reference": lambda t: first(t, 4)["points"][1].update(value=0),
    "row 6: a quantity in range": lambda t: point(t, 4).update(value="9223372036854775807"),
    "row 6: twice": lambda t: first(t, 4)["points"].append(copy.deepcopy(first(t, 4)["points"][1])),
}


def ours():
    """TICK as ours says it: the wanted differences and no other."""
    tick = copy.deepcopy(TICK)
    first(tick, 4)["points"][1]["value"] = "9223372036854775807"
    return tick


@pytest.mark.parametrize("what", ALTERATIONS)
def test_finds_an_altered_tick(what):
    altered = ours()
    ALTERATIONS[what](altered)
    found = metric_differences(TICK, altered, QUANTITIES)
    assert found, what
    # Both directions, where no row sees only ours.
    if not what.startswith("row 6"):
        assert metric_differences(altered, ours(), QUANTITIES), what


def test_a_difference_names_object_metric_and_values():
    altered = ours()
    point(altered)["value"] = 3
    found, = metric_differences(TICK, altered, QUANTITIES)
    for part in ("web-1", "shop", "k8s.pod.phase", "reference int 2", "ours int 3"):
        assert part in found, found


def test_lets_the_listed_differences_through():
    tick = ours()
    tick[0]["entities"] = [{"type": "k8s.pod", "id": ["k8s.pod.uid"], "description": ["k8s.pod.name"]}]  # 1
    tick.append(resource({"k8s.persistentvolume.uid": "v"}, metric("k8s.persistentvolume.status.phase", "", (1, {}))))  # 3
    tick.append(resource({"k8s.statefulset.uid": "s"}, metric("k8s.statefulset.pod.available", "", (1, {}))))  # 4
    first(tick)["description"] = "ours"  # 7
    point(tick).update(ts=NOW + 5, start=THEN + 5)  # 9
    tick[0]["scopes"][0]["version"] = "1"  # 10
    first(tick, 4)["points"].reverse()  # 11
    tick[1]["scopes"][0]["metrics"].reverse()
    tick.reverse()
    assert metric_differences(TICK, tick, QUANTITIES) == []


def test_times():
    ticks = {NOW: ours()}
    assert time_faults(ticks) == []
    later = copy.deepcopy(ticks[NOW])
    for each in later:
        for one in each["scopes"][0]["metrics"]:
            for item in one["points"]:
                item["ts"] += 10
    assert time_faults({**ticks, NOW + 10: later}) == []
    for change in (lambda t: point(t).update(ts=NOW + 1), lambda t: point(t).update(start=0), lambda t: point(t).update(start=THEN + 1),
                   lambda t: point(t, 3).update(start=THEN), lambda t: point(t).update(start=NOW + 1)):
        altered = ours()
        change(altered)
        assert time_faults({NOW: altered})


def test_quantities():
    for quantity, value in {"0": 0, "1e3": 1000, "100m": fractions.Fraction(1, 10), "1.5Gi": 3 << 29, "-1": -1, "10E": 10 ** 19, "16Ei": 1 << 64,
                            ".5": fractions.Fraction(1, 2), "5.": 5, "1n": fractions.Fraction(1, 10 ** 9), "1E3": 1000, "1E": 10 ** 18,
                            "-1.0000000001Ki": -1024 - fractions.Fraction(1024, 10 ** 10), "12e-1": fractions.Fraction(6, 5)}.items():
        assert exact(quantity) == value, quantity
    assert [rounded(fractions.Fraction(n, 2)) for n in (-3, -2, 0, 1, 2)] == [-2, -1, 0, 1, 1]
    assert exact(7) == 7 and exact(1.5) == fractions.Fraction(3, 2)


def event(kind, entity_type, identity, attributes=None, interval=300000):
    attrs = {"otel.entity.event.type": kind, "otel.entity.type": entity_type, "otel.entity.id": identity}
    if attributes is not None:
        attrs.update({"otel.entity.attributes": attributes, "otel.entity.interval": interval})
    return {"ts": NOW, "observed": 0, "severity": 0, "text": "", "body": None, "attrs": attrs,
            "around": {"resource": {"attrs": {}}, "scope": {"name": "", "version": "", "attrs": {"otel.entity.event_as_log": True}}}}


POD = {"k8s.pod.uid": "p-1"}
EVENTS = [
    event("entity_state", "k8s.pod", POD, {"k8s.pod.phase": "Pending", "app": "web", "k8s.service.all": ""}),
    event("entity_state", "container", {"container.id": ""}, {"k8s.pod.uid": "p-1", "container.status": "waiting"}),
    event("entity_state", "container", {"container.id": ""}, {"k8s.pod.uid": "p-2", "container.status": "waiting"}),
    event("entity_delete", "container", {"container.id": ""}),
    event("entity_state", "k8s.pod", POD, {"k8s.pod.phase": "Running", "app": "web", "k8s.node.name": "n1"}),
    event("entity_state", "k8s.job", {"k8s.job.uid": "j-1"}, {"k8s.workload.name": "mail"}),
    event("entity_delete", "k8s.job", {"k8s.job.uid": "j-1"}),
    event("entity_state", "k8s.node", {"k8s.node.uid": "n-1"}, {"k8s.node.name": "n1"}),
]


def our_events():
    events = copy.deepcopy(EVENTS)
    for one in (0, 4):
        state(events, one)["k8s.pod.label.app"] = state(events, one).pop("app")
    return events


def state(events, number):
    return events[number]["attrs"]["otel.entity.attributes"]


EVENT_ALTERATIONS = {
    "value": lambda e: state(e, 4).update({"k8s.pod.phase": "Pending"}),
    "type of a value": lambda e: state(e, 4).update({"k8s.pod.phase": 2}),
    "missing attribute": lambda e: state(e, 4).pop("k8s.node.name"),
    "extra attribute": lambda e: state(e, 4).update({"k8s.node.uid": ""}),
    "label without its value": lambda e: state(e, 4).update({"k8s.pod.label.app": ""}),
    "label of another kind": lambda e: state(e, 4).update({"k8s.node.label.a": "b"}),
    "service key of another kind": lambda e: state(e, 7).update({"k8s.service.x": ""}),
    "missing entity": lambda e: e.pop(4) and e.pop(0),
    "extra entity": lambda e: e.append(event("entity_state", "k8s.pod", {"k8s.pod.uid": "p-9"}, {})),
    "other id key": lambda e: e[5]["attrs"].update({"otel.entity.id": {"k8s.job.name": "j-1"}}),
    "missing delete": lambda e: e.pop(6),
    "extra delete": lambda e: e.append(event("entity_delete", "k8s.pod", POD)),
    "alive again": lambda e: e.append(e[5]),
    "missing delete of a shared id": lambda e: e.pop(3),
    "one of a shared id": lambda e: e.pop(2),
    "state of a shared id": lambda e: state(e, 2).update({"container.status": "running"}),
    "interval": lambda e: e[4]["attrs"].update({"otel.entity.interval": 300}),
    "no interval": lambda e: e[4]["attrs"].pop("otel.entity.interval"),
    "event name": lambda e: e[4].update(event="entity.state"),
    "severity": lambda e: e[4].update(severity=9),
    "observed time": lambda e: e[4].update(observed=NOW),
    "no time": lambda e: e[4].update(ts=0),
    "body": lambda e: e[4].update(body=""),
    "another attribute of the record": lambda e: e[4]["attrs"].update({"a": "b"}),
    "scope attribute": lambda e: e[4]["around"]["scope"].update(attrs={}),
    "scope name": lambda e: e[4]["around"]["scope"].update(name="x"),
    "resource": lambda e: e[4]["around"]["resource"].update(attrs={"a": "b"}),
}


@pytest.mark.parametrize("what", EVENT_ALTERATIONS)
def test_finds_altered_events(what):
    altered = our_events()
    EVENT_ALTERATIONS[what](altered)
    assert event_differences(EVENTS, altered), what


def test_lets_the_listed_differences_of_events_through():
    events = our_events()
    events.insert(0, event("entity_state", "k8s.persistentvolume", {"k8s.persistentvolume.uid": "v"}, {}))  # 3
    events.insert(0, event("entity_delete", "k8s.persistentvolumeclaim", {"k8s.persistentvolumeclaim.uid": "v"}))
    state(events, 2)["k8s.service.web"] = ""  # 8
    events[3]["ts"] += 7  # 9
    events[3], events[4] = events[4], events[3]  # 11
    assert event_differences(EVENTS, events) == []


def test_the_last_state_of_what_is_gone_is_free():
    events = our_events()
    state(events, 5)["k8s.workload.name"] = "other"
    assert event_differences(EVENTS, events) == []


def test_a_label_does_not_hide_what_is_not_a_label():
    reference = [event("entity_state", "k8s.pod", POD, {"k8s.pod.name": "web-1"})]
    labelled = [event("entity_state", "k8s.pod", POD, {"k8s.pod.name": "web-1", "k8s.pod.label.k8s.pod.name": "clash"})]
    assert event_differences(reference, labelled) == []
    service = [event("entity_state", "k8s.service", {"k8s.service.uid": "s"}, {"k8s.service.label.a": "b"})]
    assert event_differences(service, service) == []
    assert event_differences([event("entity_state", "k8s.service", {"k8s.service.uid": "s"}, {"a": "b"})], service)
