"""baton says what the Go collector v0.149.0 says, but for the listed differences (README.md)."""
import concurrent.futures
import os
import random
import subprocess

import objects
from collectors import wait_until
from compare import (DYNAMIC, NEWER_METRICS, Quantities, entities_of, event_differences, exact, metric_differences, number, points_of, rounded, text,
                     time_faults)
from harness.processes import PEERS
from marks import Mark
from objects.chance import Chance
from settings import ATTRIBUTES, EVERYTHING, FILTERS, METRICS, NEVER_SEEN, NEWER, NOTHING, TEXTS

BOTH = ("metrics", "logs")
SHOWN = 60  # differences in one report


def expect_none(differences):
    assert not differences, f"{len(differences)} differences:\n" + "\n".join(str(item)[:1500] for item in differences[:SHOWN])


def quantities(cluster):
    return Quantities.read(cluster.list("pods"), cluster.list("nodes"), cluster.list("resourcequotas"), cluster.list("clusterresourcequotas"))


def compare_metrics(pair, cluster, seen=lambda resources: True):
    """A settled tick of each, compared; the ticks."""
    reference, ours = pair.settled(seen)
    for side in pair.sides:
        whole = side.complete()
        expect_none([f"{side.name}: {fault}" for fault in time_faults({when: side.ticks[when] for when in whole})])
    expect_none(metric_differences(reference, ours, None if pair.twice else quantities(cluster)))
    return reference, ours


def compare_events(pair, marks=()):
    """Until the events of both are equal; the differences of the last look if they never are."""
    def seen(side):
        entities, _ = entities_of(side.events())
        return all(mark.in_events(entities) for mark in marks)
    for side in pair.sides:
        wait_until(lambda side=side: seen(side), lambda side=side: f"{side.name} has no events of the marks", pause=0.2)
    last = []

    def equal():
        last[:] = event_differences(pair.reference.events(), pair.ours.events(), newer=not pair.twice)
        return not last
    try:
        wait_until(equal, "equal events", 10, pause=0.3)
    except AssertionError:
        expect_none(last)


def names(resources):
    return {metric["name"] for _, metric, _ in points_of(resources)}


def test_shapes_are_many_and_different():
    shapes = objects.every_shape()
    different = {text([str(part) for part in shape.without_names()]) for shape in shapes}
    assert len(different) >= 250, f"{len(different)} different shapes of {len(shapes)}"
    assert {shape.plural for shape in shapes} == set(objects.KINDS)
    # Not many of one kind only.
    assert len(different) - sum(shape.plural == "pods" for shape in shapes) >= 120


def test_default(pair, cluster):
    reference, _ = compare_metrics(pair(), cluster)
    assert len(reference) > 300


def test_everything_on(pair, cluster):
    both = pair(EVERYTHING, ours=NEWER)
    reference, ours = compare_metrics(both, cluster)
    assert {name for name in names(reference) if not DYNAMIC.match(name)} == set(METRICS) - NEVER_SEEN
    assert {key for resource in reference for key in resource["attrs"]} == set(ATTRIBUTES)
    if not both.twice:
        check_entity_references(ours)
        check_newer_metrics(cluster, ours)


# Row 1: type, attribute that identifies, attributes that describe (those that are there).
ENTITIES = [(kind, f"{kind}.uid", [f"{kind}.name", *more]) for kind, *more in (
    ("k8s.namespace",), ("k8s.node", "k8s.kubelet.version"), ("k8s.deployment",), ("k8s.replicaset",), ("k8s.statefulset",), ("k8s.daemonset",),
    ("k8s.cronjob",), ("k8s.job",), ("k8s.replicationcontroller",), ("k8s.resourcequota",), ("k8s.pod", "k8s.pod.qos_class"),
    ("k8s.service", "k8s.service.type", "k8s.service.publish_not_ready_addresses"),
    ("k8s.persistentvolume", "k8s.storageclass.name", "k8s.persistentvolume.reclaim_policy"), ("k8s.persistentvolumeclaim",),
    ("k8s.hpa", "k8s.hpa.scaletargetref.apiversion", "k8s.hpa.scaletargetref.kind", "k8s.hpa.scaletargetref.name"), ("openshift.clusterquota",))]
ENTITIES.insert(0, ("k8s.container", "container.id", ["k8s.container.name", "container.image.name", "container.image.tag",
                                                      "k8s.container.status.last_terminated_reason"]))


def check_entity_references(resources):
    wrong, types = [], set()
    for resource in resources:
        attrs, got = resource["attrs"], resource.get("entities", [])
        dynamic = all(DYNAMIC.match(name) for name in names([resource]))
        kind, identity, description = next(entity for entity in ENTITIES if entity[1] in attrs)
        wanted = [] if dynamic else [{"type": kind, "id": [identity], "description": [key for key in description if key in attrs]}]
        types.update(entity["type"] for entity in got)
        if got != wanted:
            wrong.append(f"{text(attrs)}: {got}, not {wanted}")
    expect_none(wrong)
    assert types == {entity[0] for entity in ENTITIES}


def check_newer_metrics(cluster, resources):
    """Rows 3 and 4: what ours says of volumes, claims and available pods."""
    got = {(next(value for key, value in resource["attrs"].items() if key.endswith(".uid")), metric["name"], *point["attrs"].values()): number(point)
           for resource, metric, point in points_of(resources) if NEWER_METRICS.match(metric["name"]) or metric["name"] in NEWER["metrics"]}
    wanted = {}
    for plural, phases in (("persistentvolumes", ("Pending", "Available", "Bound", "Released", "Failed")),
                           ("persistentvolumeclaims", ("Pending", "Bound", "Lost"))):
        for item in cluster.list(plural):
            uid, spec, kind = item["metadata"]["uid"], item["spec"], f"k8s.{plural[:-1]}"
            for phase in phases:
                wanted[uid, f"{kind}.status.phase", phase] = int(item["status"].get("phase") == phase)
            for metric, amounts in (("capacity", spec.get("capacity") or item["status"].get("capacity", {})),
                                    ("request", spec.get("resources", {}).get("requests", {}))):
                if "storage" in amounts:
                    wanted[uid, f"{kind}.storage.{metric}"] = rounded(exact(amounts["storage"]))
    for item in cluster.list("statefulsets"):
        wanted[item["metadata"]["uid"], "k8s.statefulset.pod.available"] = item["status"].get("availableReplicas", 0)
    assert got == wanted


def test_filters(pair, cluster):
    reference, _ = compare_metrics(pair(FILTERS), cluster)
    pods = {resource["attrs"]["k8s.pod.name"] for resource in reference if "k8s.pod.name" in resource["attrs"]}
    assert "bare" in pods and "of-deployment" in pods and "of-lost-set" not in pods


def test_one_metric_only(pair, cluster):
    reference, _ = compare_metrics(pair({**NOTHING, "metrics": {**NOTHING["metrics"], "k8s.job.desired_successful_pods": {"enabled": True}}}), cluster)
    assert names(reference) == {"k8s.job.desired_successful_pods"}


def test_texts_of_chance(request, pair, cluster):
    """Quantities, images, container ids and names of conditions from a generator."""
    seed = request.config.getoption("--seed")
    chance = Chance(random.Random(seed))
    shapes = chance.shapes()
    refused = cluster.fill(shapes)
    try:
        assert not refused, "\n".join(refused)
        conditions = [chance.name() for _ in range(100)]
        reference, _ = compare_metrics(pair({**TEXTS, "node_conditions_to_report": conditions}), cluster)
        assert sum(1 for _ in points_of(reference)) > 2000
    except AssertionError as error:
        raise AssertionError(f"--seed={seed}: {error}") from None
    finally:
        in_parallel(lambda shape: cluster.delete(shape.plural, shape.namespace, shape.name), shapes)


def test_namespaces(pair, cluster):
    both = pair({**EVERYTHING, "namespaces": ["odd-a", objects.QUOTAS], "namespace": "odd-b"}, signals=BOTH)
    reference, _ = compare_metrics(both, cluster)
    assert {resource["attrs"].get("k8s.namespace.name") for resource in reference} == {"odd-a", objects.QUOTAS}
    compare_events(both)


def test_namespace(pair, cluster):
    reference, _ = compare_metrics(pair({"namespace": "odd-b", "distribution": "openshift"}), cluster)
    assert {resource["attrs"].get("k8s.namespace.name") for resource in reference} == {"odd-b"}


def test_leader_elector(pair, cluster):
    compare_metrics(pair(elector="reference-test"), cluster)


def test_entity_events(pair, cluster):
    both = pair(signals=BOTH)
    both.settled()
    compare_events(both, [Mark(cluster)])
    check_services(cluster, both)


def test_entity_events_alone(pair, cluster):
    """No metrics pipeline uses the receiver."""
    both = pair(signals=("logs",))
    for side in both.sides:
        wait_until(side.events, f"{side.name}: an event")
    compare_events(both, [Mark(cluster)])


def test_entity_events_without_interval(pair, cluster):
    both = pair({"metadata_collection_interval": 0}, signals=BOTH)
    both.settled()
    compare_events(both, [Mark(cluster)])


def test_entity_events_again_and_again(pair, cluster):
    """Every entity, changed or not, comes again with each interval."""
    both = pair({"metadata_collection_interval": "2s"}, signals=BOTH)
    both.settled()
    mark = Mark(cluster)
    compare_events(both, [mark])

    def thrice(side):
        entities, _ = entities_of(side.events())
        return all(entity.count >= 3 for entity in entities.values())
    for side in both.sides:
        wait_until(lambda side=side: thrice(side), f"{side.name}: three states of every entity", pause=0.2)
    compare_events(both)


def check_services(cluster, pair):
    """Row 8: what ours says of the service of a pod: the first by name whose selector is not empty and matches."""
    services = cluster.list("services")
    pods = {pod["metadata"]["uid"]: pod for pod in cluster.list("pods")}
    entities = {}
    for record in pair.ours.events():
        if record["attrs"].get("otel.entity.type") == "k8s.pod" and "otel.entity.attributes" in record["attrs"]:
            entities[record["attrs"]["otel.entity.id"]["k8s.pod.uid"]] = record["attrs"]["otel.entity.attributes"]
    if pair.twice:
        return
    assert entities.keys() == pods.keys()
    wrong = []
    for uid, attributes in entities.items():
        labels = pods[uid]["metadata"].get("labels", {})
        matching = sorted(service["metadata"]["name"] for service in services
                          if service["metadata"]["namespace"] == pods[uid]["metadata"]["namespace"] and service["spec"].get("selector")
                          and service["spec"]["selector"].items() <= labels.items())
        wanted = {f"k8s.service.{name}": "" for name in matching[:1]}
        got = {key: value for key, value in attributes.items() if key.startswith("k8s.service.")}
        if wanted != got:
            wrong.append(f"pod {pods[uid]['metadata']['name']}: {got}, not {wanted}")
    expect_none(wrong)


# ---- changes while both run ----

def load(server, *arguments):
    """The loader of tests/peers; a small cluster, the same each time."""
    sizes = ("--namespaces=3", "--nodes=5", "--deployments=20", "--pods=200", "--services=10", "--statefulsets=3", "--daemonsets=3", "--jobs=5",
             "--cronjobs=3", "--hpas=3", "--quotas=3", "--replicationcontrollers=3")
    command = [os.path.join(PEERS, "loader"), "--kubeconfig", server.kubeconfig, *sizes, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr


def test_churn(pair, server, cluster):
    """A generated cluster whose pods change 100 times a second, and which then goes."""
    load(server)
    both = pair(signals=BOTH)
    both.settled()
    load(server, "--churn=100", "--seconds=3")
    mark = Mark(cluster)
    reference, _ = compare_metrics(both, cluster, mark.in_default_metrics)
    assert sum("load-" in resource["attrs"].get("k8s.namespace.name", "") for resource in reference) > 600
    compare_events(both, [mark])
    load(server, "--delete")
    mark = Mark(cluster)
    reference, _ = compare_metrics(both, cluster, mark.in_default_metrics)
    assert not any("load-" in resource["attrs"].get("k8s.namespace.name", "") for resource in reference)
    compare_events(both, [mark])


def in_parallel(work, items):
    """The server may refuse some: a status that does not suit the object."""
    def one(item):
        try:
            work(item)
            return 1
        except AssertionError as error:
            assert ": 422 " in str(error) or ": 404 " in str(error), error
            return 0
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        return sum(pool.map(one, items))


def give_status_of_next(cluster, shapes):
    """Everything gets the status of the next object of its kind."""
    pairs = []
    for plural in objects.KINDS:
        some = [shape for shape in shapes if shape.plural == plural and shape.status is not None]
        pairs += list(zip(some, some[1:] + some[:1]))
    taken = in_parallel(lambda two: cluster.set_status(two[0].plural, two[0].namespace, two[0].name, two[1].status), pairs)
    assert taken > len(pairs) / 2, f"only {taken} of {len(pairs)} statuses were taken"


def relabel(cluster, shapes, value):
    return in_parallel(lambda shape: cluster.patch(shape.plural, shape.namespace, shape.name, {"metadata": {"labels": {"touched": value}}}), shapes)


def change_specs(cluster):
    for plural, namespace, name, spec in (
            ("deployments", "odd-a", "web", {"replicas": 7}), ("statefulsets", "odd-a", "db", {"replicas": 0}),
            ("replicasets", "odd-c", "alone", {"replicas": 2}), ("jobs", "odd-c", "single", {"suspend": True, "parallelism": 9}),
            ("cronjobs", "odd-a", "nightly", {"schedule": "1 2 3 4 5", "concurrencyPolicy": "Allow"}),
            ("horizontalpodautoscalers", "odd-a", "web", {"minReplicas": 5, "maxReplicas": 50, "scaleTargetRef": {"name": "other"}}),
            ("services", "odd-a", "web", {"type": "NodePort", "selector": {"app": None, "tier": "front"}}),
            ("services", "odd-a", "also-web", {"publishNotReadyAddresses": True, "trafficDistribution": "PreferClose"}),
            ("nodes", "", "good", {"unschedulable": True})):
        cluster.patch(plural, namespace, name, {"spec": spec})
    cluster.patch("endpointslices", "odd-a", "web-1", {"endpoints": [{"addresses": ["10.1.0.9"], "zone": "z9", "conditions": {"ready": False}}]})
    cluster.patch("endpointslices", "odd-a", "web-2", {"metadata": {"labels": {"kubernetes.io/service-name": "also-web"}}})
    cluster.patch("clusterresourcequotas", "", "crq-plain", {"status": {"total": {"hard": {"pods": "11", "limits.cpu": None}}}})


def test_changes_while_running(pair, cluster):
    """Statuses, labels and specs change, objects go and come again, and the ones that a finalizer held are let go."""
    shapes = [shape for shape in objects.every_shape() if not shape.deleted]
    held = [shape for shape in objects.every_shape() if shape.deleted and shape.metadata.get("finalizers")]
    both = pair(EVERYTHING, ours=NEWER, signals=BOTH)
    both.settled()
    change_specs(cluster)
    give_status_of_next(cluster, shapes)
    in_parallel(lambda shape: cluster.patch(shape.plural, shape.namespace, shape.name, {"metadata": {"finalizers": None}}), held)
    stay = ("namespaces", "persistentvolumes", "persistentvolumeclaims")
    gone = [shape for number, shape in enumerate(shapes) if number % 5 == 0 and shape.plural not in stay]
    in_parallel(lambda shape: cluster.delete(shape.plural, shape.namespace, shape.name), gone)
    again = gone[::2]
    assert not cluster.fill(again)
    mark = Mark(cluster, "odd-b")
    compare_metrics(both, cluster, mark.in_metrics)
    # What a pod says of its owners depends on what was known of them at that moment: all are changed once more, now that nothing else changes.
    relabel(cluster, [shape for shape in shapes if shape not in gone or shape in again], "yes")
    compare_events(both, [mark, Mark(cluster)])
    entities, _ = entities_of(both.ours.events())
    assert sum(entity.last == "entity_delete" for entity in entities.values()) >= len(gone) / 2
