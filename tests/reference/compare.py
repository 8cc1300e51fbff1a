"""Compares what the reference and baton have sent. The differences that are wanted are normalised one by one, each by a function that is
named after its row of the table in README.md; everything else is reported as a text that names object, metric and both values.

A tick is the list of resources with one time stamp, entity events are a list of records, both as otlpsink writes them.
"""
import collections
import fractions
import json
import math
import re

INT64_MAX, INT64_MIN = 2 ** 63 - 1, -2 ** 63
POWERS = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
BINARY = {"Ki": 1, "Mi": 2, "Gi": 3, "Ti": 4, "Pi": 5, "Ei": 6}
NEWER_METRICS = re.compile(r"k8s\.persistentvolume(claim)?\.")
NEWER_ENTITIES = ("k8s.persistentvolume", "k8s.persistentvolumeclaim")
LABELS_AS_THEY_WERE = ("k8s.service",)
DYNAMIC = re.compile(r"k8s\.node\.(condition|allocatable)_")
EVENT_KEYS = ("otel.entity.event.type", "otel.entity.type", "otel.entity.id", "otel.entity.attributes", "otel.entity.interval")


def text(value):
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


# ---- the rows that change ours or both ----

def row_1_entity_references(ours):
    """The reference has none."""
    return [{key: value for key, value in resource.items() if key != "entities"} for resource in ours]


def row_2_label_keys(entity_type, attributes):
    """Ours have a prefix; with the bare key, as the reference has it, later keys of the entity win."""
    if entity_type in LABELS_AS_THEY_WERE:
        return attributes
    prefix = f"{entity_type}.label."
    bare = {key[len(prefix):]: value for key, value in attributes.items() if key.startswith(prefix)}
    return {**bare, **{key: value for key, value in attributes.items() if not key.startswith(prefix)}}


def row_3_volumes(ours):
    """Persistent volumes and their claims are newer than the reference."""
    return without_metrics(ours, NEWER_METRICS.match)


def row_3_volume_events(ours):
    return [event for event in ours if event["attrs"].get("otel.entity.type") not in NEWER_ENTITIES]


def row_4_available(ours):
    """So is this metric."""
    return without_metrics(ours, lambda name: name == "k8s.statefulset.pod.available")


def row_7_descriptions(metric):
    return {key: value for key, value in metric.items() if key != "description"}


def row_8_services(entity_type, attributes):
    """Which service a pod belongs to is left to chance in the reference."""
    if entity_type != "k8s.pod":
        return attributes
    return {key: value for key, value in attributes.items() if not key.startswith("k8s.service.")}


def row_9_times(point):
    return {key: value for key, value in point.items() if key not in ("ts", "start")}


def row_10_scope_version(scope):
    return {key: value for key, value in scope.items() if key != "version"}


def row_11_order(items):
    return sorted(items, key=text)


def without_metrics(resources, unwanted):
    kept = []
    for resource in resources:
        scopes = [{**scope, "metrics": [metric for metric in scope.get("metrics", []) if not unwanted(metric["name"])]} for scope in resource["scopes"]]
        if any(scope["metrics"] for scope in scopes) or not any(scope.get("metrics") for scope in resource["scopes"]):
            kept.append({**resource, "scopes": scopes})
    return kept


# ---- row 6: quantities beyond int64 ----

def exact(quantity):
    """The value of a quantity as a fraction."""
    match = re.fullmatch(r"([+-]?)(\d*)\.?(\d*)(?:([eE])([+-]?\d+)|([KMGTPE]i|[numkMGTPE])?)", str(quantity))
    assert match and (match[2] or match[3]), f"not a quantity: {quantity!r}"
    value = fractions.Fraction(int(match[2] + match[3]), 10 ** len(match[3]))
    if match[4]:
        value *= fractions.Fraction(10) ** int(match[5])
    elif match[6] in BINARY:
        value *= 1024 ** BINARY[match[6]]
    else:
        value *= fractions.Fraction(10) ** POWERS[match[6] or ""]
    return -value if match[1] == "-" else value


def rounded(value):
    """Away from zero."""
    return math.ceil(value) if value > 0 else math.floor(value)


class Quantities:
    """The quantities behind points, from the objects of the server, by what names the point."""

    def __init__(self):
        self.known = {}

    def add(self, object_uid, part, metric, key, quantity):
        self.known[object_uid, part, metric, key] = quantity

    def of(self, attrs, metric, point):
        """(quantity, number of points it makes of one) behind this point, or None."""
        uid = next((attrs[key] for key in ("k8s.pod.uid", "k8s.node.uid", "k8s.resourcequota.uid", "openshift.clusterquota.uid") if key in attrs), "")
        part = attrs.get("k8s.container.name", point.get("k8s.namespace.name", ""))
        key = point.get("resource", "")
        quantity = self.known.get((uid, part, metric, key))
        milli = metric in ("k8s.container.cpu_request", "k8s.container.cpu_limit", "k8s.node.allocatable_cpu") or key.endswith(".cpu")
        return None if quantity is None else (quantity, 1000 if milli else 1)

    @classmethod
    def read(cls, pods=(), nodes=(), quotas=(), cluster_quotas=()):
        known = cls()
        for pod in pods:
            for container in pod["spec"]["containers"]:
                for list_name, what in (("requests", "request"), ("limits", "limit")):
                    for name, quantity in container.get("resources", {}).get(list_name, {}).items():
                        metric = f"k8s.container.{name.replace('-', '')}_{what}"
                        known.add(pod["metadata"]["uid"], container["name"], metric, "", quantity)
        for node in nodes:
            for name, quantity in node.get("status", {}).get("allocatable", {}).items():
                known.add(node["metadata"]["uid"], "", "k8s.node.allocatable_" + snake(name), "", quantity)
        for quota in quotas:
            known.add_quota(quota["metadata"]["uid"], "", quota.get("status", {}), "k8s.resource_quota.hard_limit", "k8s.resource_quota.used")
        for quota in cluster_quotas:
            uid, status = quota["metadata"]["uid"], quota.get("status", {})
            known.add_quota(uid, "", status.get("total", {}), "openshift.clusterquota.limit", "openshift.clusterquota.used")
            for each in status.get("namespaces", []):
                known.add_quota(uid, each["namespace"], each["status"], "openshift.appliedclusterquota.limit", "openshift.appliedclusterquota.used")
        return known

    def add_quota(self, uid, part, status, hard, used):
        for list_name, metric in (("hard", hard), ("used", used)):
            for key, quantity in status.get(list_name, {}).items():
                self.add(uid, part, metric, key, quantity)


def snake(name):
    """Enough of the rule for the resource names that occur here."""
    for pattern in (r"([a-z])([A-Z0-9])", r"([0-9])([A-Za-z])"):
        name = re.sub(pattern, r"\1_\2", name)
    return re.sub(r"[-. _]", "_", name).lower()


def row_6_quantities(attrs, metric, point, quantities):
    """The saturated value that ours must have, if the quantity is beyond int64; else None."""
    found = quantities.of(attrs, metric, point["attrs"]) if quantities else None
    if found is None:
        return None
    quantity, factor = found
    value = rounded(exact(quantity) * factor)
    if INT64_MIN <= value <= INT64_MAX:
        return None
    value = max(INT64_MIN, min(INT64_MAX, value))
    return value / 1000 if point["kind"] == "double" else value


# ---- metrics ----

def points_of(resources):
    for resource in resources:
        for scope in resource["scopes"]:
            for metric in scope.get("metrics", []):
                for point in metric["points"]:
                    yield resource, metric, point


def time_faults(ticks):
    """Breaks of the rules for times, in the ticks (by their time) of one process: points of a tick share its time, and start at one moment
    before it, dynamic node metrics at none."""
    faults, starts = set(), set()
    for when, resources in ticks.items():
        for _, metric, point in points_of(resources):
            if point["ts"] != when:
                faults.add(f"{metric['name']} at {point['ts']} in the tick of {when}")
            if DYNAMIC.match(metric["name"]):
                if point["start"] != 0:
                    faults.add(f"{metric['name']} starts at {point['start']}, not at 0")
            else:
                starts.add(point["start"])
                if not 0 < point["start"] <= when:
                    faults.add(f"{metric['name']} of the tick of {when} starts at {point['start']}")
    if len(starts) > 1:
        faults.add(f"series start at several times: {sorted(starts)}")
    return sorted(faults)


def metric_differences(reference, ours, quantities=None):
    """Between two ticks; row 6 needs the quantities."""
    ours = row_4_available(row_3_volumes(row_1_entity_references(ours)))
    sides = [collections.defaultdict(list), collections.defaultdict(list)]
    for side, resources in zip(sides, (reference, ours)):
        for resource in resources:
            side[text(resource["attrs"])].append(resource)
    found = []
    for attrs in sorted(sides[0].keys() | sides[1].keys()):
        found += resource_differences(label(json.loads(attrs)), json.loads(attrs), sides[0][attrs], sides[1][attrs], quantities)
    return found


def label(attrs):
    """A resource as a reader knows it."""
    named = {key: value for key, value in attrs.items() if key.startswith(("k8s.", "openshift.")) and key.endswith((".name", ".uid"))}
    return text(named or attrs)


def resource_differences(where, attrs, reference, ours, quantities):
    """Of resources with these attributes, usually one each."""
    if not reference or not ours:
        side, there = ("ours", reference) if reference else ("the reference", ours)
        metrics = sorted({metric["name"] for _, metric, _ in points_of(there)})
        return [f"{where}: resource is not in {side}; attributes {text(attrs)}; metrics {metrics}"]
    found = []
    envelopes = [row_11_order([envelope(resource) for resource in side]) for side in (reference, ours)]
    if envelopes[0] != envelopes[1]:
        found.append(f"{where}: schema and scopes: reference {text(envelopes[0])}, ours {text(envelopes[1])}")
    sides = []
    for resources in (reference, ours):
        by_name = collections.defaultdict(list)
        for metric in (metric for resource in resources for scope in resource["scopes"] for metric in scope.get("metrics", [])):
            by_name[metric["name"]].append(metric)
        sides.append(by_name)
    for name in sorted(sides[0].keys() | sides[1].keys()):
        found += named_metric_differences(f"{where}: {name}", attrs, sides[0].get(name), sides[1].get(name), quantities)
    return found


def envelope(resource):
    """All but attributes and metrics."""
    scopes = [{key: value for key, value in row_10_scope_version(scope).items() if key != "metrics"} for scope in resource["scopes"]]
    return {**{key: value for key, value in resource.items() if key not in ("attrs", "scopes")}, "scopes": row_11_order(scopes)}


def named_metric_differences(where, attrs, reference, ours, quantities):
    """Of metrics of one name in one resource, usually one each."""
    if reference is None or ours is None:
        there = reference or ours
        values = [f"{text(point['attrs'])}={point.get('value')}" for metric in there for point in metric["points"]]
        return [f"{where}: metric is not in {'ours' if ours is None else 'the reference'}: {', '.join(values)}"]
    found = []
    heads = [row_11_order([{key: value for key, value in row_7_descriptions(metric).items() if key != "points"} for metric in side])
             for side in (reference, ours)]
    if heads[0] != heads[1]:
        found.append(f"{where}: reference {text(heads[0])}, ours {text(heads[1])}")
    sides = []
    for metrics in (reference, ours):
        by_attrs = collections.defaultdict(list)
        for point in (point for metric in metrics for point in metric["points"]):
            by_attrs[text(point["attrs"])].append(row_9_times(point))
        sides.append(by_attrs)
    for key in sorted(sides[0].keys() | sides[1].keys()):
        found += point_differences(f"{where}{'' if key == '{}' else key}", attrs, ours[0]["name"], sides[0].get(key, []), sides[1].get(key, []), quantities)
    return found


def point_differences(where, attrs, metric, reference, ours, quantities):
    """Of points with the same attributes, usually one each."""
    shown = [[f"{point['kind']} {point.get('value')}" for point in side] for side in (reference, ours)]
    if not reference or not ours:
        return [f"{where}: point is not in {'ours' if reference else 'the reference'}: {', '.join(shown[0] or shown[1])}"]
    wanted = row_6_quantities(attrs, metric, ours[0], quantities)
    if wanted is not None:
        wrong = [point for point in ours if number(point) != wanted or point["kind"] != reference[0]["kind"]]
        return [f"{where}: row 6: beyond int64, saturated is {wanted}, ours {', '.join(shown[1])}"] if wrong or len(ours) != len(reference) else []
    if row_11_order(reference) != row_11_order(ours):
        return [f"{where}: reference {', '.join(shown[0])}, ours {', '.join(shown[1])}"]
    return []


def number(point):
    value = point.get("value")
    return int(value) if isinstance(value, str) and point["kind"] == "int" else value


# ---- entity events ----

def event_records(calls):
    """Records of Export calls in order, each with what surrounds it."""
    for call in calls:
        for resource in call.get("resources") or []:
            for scope in resource["scopes"]:
                for record in scope.get("logs", []):
                    around = {"resource": {key: value for key, value in resource.items() if key != "scopes"},
                              "scope": {key: value for key, value in scope.items() if key != "logs"}}
                    yield {**record, "around": around}


class Entity:
    """What is known of one entity (type and id) after some events."""

    def __init__(self):
        self.states = {}  # the last by pod: containers that never started share an id
        self.deleted = False
        self.last = None
        self.count = 0


def entities_of(records, newer=False):
    """{(type, id): Entity}, and what surrounds the records, all kinds of it. `newer`: these are ours."""
    if newer:
        records = row_3_volume_events(records)
    found, around = collections.defaultdict(Entity), set()
    for record in records:
        attrs = record["attrs"]
        kind = attrs.get("otel.entity.event.type")
        entity_type = attrs.get("otel.entity.type")
        entity = found[entity_type, text(attrs.get("otel.entity.id"))]
        rest = {key: value for key, value in record.items() if key not in ("ts", "attrs")}
        more = sorted(key for key in attrs if key not in EVENT_KEYS)
        around.add(text([rest, kind, attrs.get("otel.entity.interval"), record["ts"] > 0, more]))
        if kind == "entity_delete":
            entity.deleted = True
        else:
            state = attrs.get("otel.entity.attributes", {})
            state = row_8_services(entity_type, row_2_label_keys(entity_type, state) if newer else state)
            entity.states[state.get("k8s.pod.uid", "") if entity_type == "container" else ""] = state
            entity.count += 1
        entity.last = kind
    return found, around


def event_differences(reference, ours, newer=True):
    """Between the events that two processes have sent about the same objects so far."""
    sides = [entities_of(reference), entities_of(ours, newer)]
    found = [f"events: only {name} has records like {item}" for name, a, b in (("the reference", 0, 1), ("ours", 1, 0))
             for item in sorted(sides[a][1] - sides[b][1])]
    for key in sorted(sides[0][0].keys() | sides[1][0].keys()):
        where = f"{key[0]} {key[1]}"
        pair = [side[0].get(key) for side in sides]
        if None in pair:
            there = pair[0] or pair[1]
            found.append(f"{where}: entity is not in {'the reference' if pair[0] is None else 'ours'}: {text(there.states)}")
            continue
        if pair[0].deleted != pair[1].deleted:
            found.append(f"{where}: deleted: reference {pair[0].deleted}, ours {pair[1].deleted}")
        shared = max(len(entity.states) for entity in pair) > 1
        if not shared and pair[0].last != pair[1].last:
            found.append(f"{where}: last event: reference {pair[0].last}, ours {pair[1].last}")
        if not shared and pair[0].last == pair[1].last == "entity_delete":
            continue  # what was said last may depend on an owner that went at the same moment
        for pod in sorted(pair[0].states.keys() | pair[1].states.keys()):
            found += state_differences(f"{where}{' of pod ' + pod if shared else ''}", pair[0].states.get(pod), pair[1].states.get(pod))
    return found


def state_differences(where, reference, ours):
    if reference is None or ours is None:
        return [f"{where}: state is not in {'the reference' if reference is None else 'ours'}: {text(reference or ours)}"]
    return [f"{where}: {key}: reference {text(reference.get(key))}, ours {text(ours.get(key))}"
            for key in sorted(reference.keys() | ours.keys()) if reference.get(key) != ours.get(key)]
