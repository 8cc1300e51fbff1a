"""kymastats as it ships against a real kube-apiserver: resources of every shape that come, go and change their versions."""
import collections
import json
import os
import re
import sys
import time

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness.api import ApiServer, Sink  # noqa: E402
from harness.kyma import CONDITIONS, STATE, CustomResource, Points, condition, conditions, states  # noqa: E402
from harness.processes import BATON, PEERS  # noqa: E402
from harness.replicas import Baton  # noqa: E402
from harness.world import wait_until  # noqa: E402

WAIT_S = 60  # the machine may be busy
LEFT_OUT, CONDITIONS_LEFT_OUT = "A resource without a status", "Conditions of a resource are left out"
NOT_SERVED = "The API server does not serve this resource"
SCOPE = "github.com/kyma-project/opentelemetry-collector-components/receiver/kymastatsreceiver"


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    if not os.path.exists(os.path.join(PEERS, "apiserver")):
        pytest.skip("SKIPPED, there is no apiserver: build it with tests/peers/build.sh, which needs Go")
    server = ApiServer("apiserver", str(tmp_path_factory.mktemp("server")))
    yield server
    server.stop()


@pytest.fixture
def resource(server, request):
    """Makes definitions in an API group of the test's own; they go with the test."""
    group = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower())[:50].strip("-") + ".kyma.test"
    made = []

    def make(plural="telemetries", install=True, **options):
        made.append(CustomResource(server.api, group, plural, **options))
        return made[-1].install() if install else made[-1]
    yield make
    for r in made:
        server.api.request("DELETE", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{r.name}")


@pytest.fixture
def run(server, tmp_path):
    """Starts baton with these receivers ({id: settings}); returns it with the Points of each, unless a sink is given (with more
    settings of its exporter)."""
    assert os.path.exists(BATON), f"{BATON} is not built"
    started = []

    def start(receivers, user="admin", exporter=None, settings=None):
        config = {"receivers": {}, "exporters": {}, "service": {"pipelines": {}}}
        for number, (name, own) in enumerate(receivers.items()):
            config["receivers"][name] = {"auth_type": "kubeConfig", "collection_interval": "300ms", **own}
            config["exporters"][f"debug/{number}"] = {"use_internal_logger": False, "verbosity": "detailed",
                                                      "output_paths": [str(tmp_path / f"{number}.out")]}
            config["service"]["pipelines"][f"metrics/{number}"] = {"receivers": [name], "exporters": [f"debug/{number}"]}
        if exporter is not None:
            config["exporters"] = {"otlp_grpc": {"endpoint": exporter.endpoint, "tls": {"insecure": True},
                                                  **(settings or {})}}
            config["service"]["pipelines"] = {"metrics": {"receivers": list(receivers), "exporters": ["otlp_grpc"]}}
        started.append(Baton(f"baton-{len(started)}", config, str(tmp_path), kubeconfig=server.kubeconfig_of(user)))
        return started[-1], [Points(str(tmp_path / f"{number}.out")) for number in range(len(receivers))]
    yield start
    for baton in started:
        baton.stop()
        held_up = [line for line in baton.log() if "held up the event loop" in line.get("msg", "")]
        assert [line for line in held_up if line["cpu_milliseconds"] > line["limit_ms"]] == [], "the others had to wait for the processor"


@pytest.fixture
def sink():
    sink = Sink("sink", ())
    yield sink
    sink.stop()


def listed(*resources):
    """Entries of `resources`: each is a CustomResource, or that and a version."""
    pairs = [r if isinstance(r, tuple) else (r, r.versions[0][0]) for r in resources]
    return {"resources": [{"group": r.group, "version": version, "resource": r.plural} for r, version in pairs]}


def lines(baton, text):
    return [line for line in baton.log() if text in line.get("msg", "")]


def requests(api, resource):
    """{verb: number of requests} of the server for a resource so far."""
    status, text = api.request("GET", "/metrics", timeout=30)
    assert status == 200
    found = {}
    for line in text.split("\n"):
        if line.startswith("apiserver_request_total{") and f'group="{resource.group}"' in line and f'resource="{resource.plural}"' in line:
            verb = re.search(r'verb="(\w+)"', line).group(1)
            found[verb] = found.get(verb, 0) + int(float(line.rsplit(" ", 1)[1]))
    return found


def open_watches(api, group, plural):
    status, text = api.request("GET", "/metrics", timeout=30)
    assert status == 200
    return sum(int(float(line.rsplit(" ", 1)[1])) for line in text.split("\n") if line.startswith("apiserver_longrunning_requests{")
               and f'group="{group}"' in line and f'resource="{plural}"' in line and 'verb="WATCH"' in line)


def test_points_and_attributes(resource, run):
    r, cluster = resource(versions=(("v1beta1", True),)), resource("pipelines", namespaced=False)
    begin = time.time_ns()
    r.put("default", status={"state": "Warning", "more": {"state": "x"}, "conditions": [
        condition("A", message="m"), condition("B", "False", "Broken"), condition("C", "Unknown", ""), condition("A", "True", "Fine")]})
    cluster.put("käse".encode("idna").decode(), status={"state": ""})
    baton, (points,) = run({"kymastats": listed(r, cluster)})
    tick, found = points.wait(lambda p: len(p) == 6, WAIT_S, "six points")
    attributes = {"k8s.namespace.name": "default", "k8s.resource.group": r.group, "k8s.resource.kind": "telemetries",
                  "k8s.resource.name": "default", "k8s.resource.version": "v1beta1"}
    common = {"group": r.group, "kind": "telemetries", "name": "default", "namespace": "default", "version": "v1beta1"}
    start = found[0][4]
    assert begin < start <= tick

    def point(kind, status, reason, value):
        return attributes, CONDITIONS, {**common, "type": kind, "status": status, "reason": reason}, value, start
    assert found[:5] == [point("A", "True", "Fine", 1), point("B", "False", "Broken", 0), point("C", "Unknown", "", -1),
                         point("A", "True", "Fine", 1), (attributes, STATE, {**common, "state": "Warning"}, 1, start)]
    assert [list(p[2]) for p in found[:5]] == [sorted(p[2]) for p in found[:5]]
    attributes, _, common, _, _ = found[5]
    assert "k8s.namespace.name" not in attributes and attributes["k8s.resource.kind"] == "pipelines"
    assert common["namespace"] == "" and common["state"] == ""
    with open(points.path) as f:
        text = f.read()
    assert set(re.findall(r"InstrumentationScope (\S+)", text)) == {SCOPE}
    assert "SchemaURL: h" not in text and set(re.findall(r"-> (?:DataType|Unit): (\S+)", text)) == {"Gauge", "1"}
    # A change is in the next tick.
    r.put("default", status={"state": "Ready"})
    when = time.time_ns()
    tick, _ = points.wait(lambda p: states(p, "telemetries") == {"default": "Ready"}, WAIT_S, "the new state")
    ticks = points.ticks()
    late = [t for t in ticks if t > when + 300_000_000 and states(ticks[t], "telemetries") != {"default": "Ready"}]
    assert len(late) == 0, late


LONG = "r" * 10240
ODD = {
    # name: (status or nothing, state, number of conditions, lines)
    "absent": (None, None, 0, [LEFT_OUT]),
    "null": ("null", None, 0, [LEFT_OUT]),
    "text": ("Ready", None, 0, [LEFT_OUT]),
    "list": ([{"state": "Ready"}], None, 0, [LEFT_OUT]),
    "empty": ({}, None, 0, []),
    "state-number": ({"state": 3, "conditions": [condition("A")]}, None, 1, []),
    "state-map": ({"state": {"state": "Ready"}, "conditions": [condition("A")]}, None, 1, []),
    "conditions-absent": ({"state": "Ready"}, "Ready", 0, []),
    "conditions-map": ({"state": "Ready", "conditions": {"A": condition("A")}}, "Ready", 0, []),
    "conditions-text": ({"state": "Ready", "conditions": "True"}, "Ready", 0, []),
    "conditions-mixed": ({"state": "Ready", "conditions": [
        7, "A", None, [condition("B")], {}, condition("C"), {"type": "D", "status": "True"}, {"type": "E", "status": True, "reason": "x"},
        {"type": ["F"], "status": "True", "reason": "x"}, {"status": "True", "reason": "x"}, {"type": "G", "reason": "x"},
        condition("H", "false", "")]}, "Ready", 2, [CONDITIONS_LEFT_OUT]),
    "conditions-200": ({"conditions": [condition(f"Type{n}", "False") for n in range(200)]}, None, 200, []),
    "unicode": ({"state": "gut — 好 \U0001f600", "conditions": [condition("Zustand ä", "Wahr", "\u2028")]}, "gut — 好 \U0001f600", 1, []),
    "long": ({"state": LONG, "conditions": [condition(LONG, "True", LONG)]}, LONG, 1, []),
}


def test_odd_objects(resource, run):
    r = resource()
    for name, (status, _, _, _) in ODD.items():
        r.put(name, **({} if status is None else {"status": None if status == "null" else status}))
    baton, (points,) = run({"kymastats": listed(r)})
    expected = {name: state for name, (_, state, _, _) in ODD.items() if state is not None}
    count = sum(number for _, _, number, _ in ODD.values())
    _, found = points.wait(lambda p: len(p) == len(expected) + count, WAIT_S, "all points")
    assert states(found) == expected
    by_name = {}
    for name, *rest in conditions(found):
        by_name.setdefault(name, []).append(rest)
    assert {name: len(by_name.get(name, [])) for name in ODD} == {name: number for name, (_, _, number, _) in ODD.items()}
    assert by_name["conditions-mixed"] == [["C", "True", "Fine", 1], ["H", "false", "", -1]]
    assert by_name["conditions-200"] == [[f"Type{n}", "False", "Fine", 0] for n in range(200)]
    assert by_name["unicode"] == [["Zustand ä", "Wahr", "\u2028", -1]]
    assert by_name["long"] == [[LONG, "True", LONG, 1]]
    # Each is spoken of once, whatever number of ticks there were, and again when it is another version.
    wait_until(lambda: len(points.ticks()) >= 5, WAIT_S, "five ticks")

    def said():
        return {name: [text for text in (LEFT_OUT, CONDITIONS_LEFT_OUT) for line in lines(baton, text) if line["name"] == name] for name in ODD}
    assert said() == {name: expected for name, (_, _, _, expected) in ODD.items()}
    line = lines(baton, CONDITIONS_LEFT_OUT)[0]
    assert (line["kind"], line["namespace"], line["count"], line["first"]) == ("telemetries", "default", 10, 0)
    r.put("text", status="Warning")
    wait_until(lambda: len(said()["text"]) == 2, WAIT_S, "another line about another version")
    assert len(said()["list"]) == 1


def test_objects_nested_deeply(resource, run):
    """The server takes them, so they must not stop the rest."""
    r = resource()
    deep = "x"
    for number in range(200):
        deep = {"a": deep} if number % 2 else [deep]
    r.put("deep", spec={"deep": deep}, status={"deep": deep, "state": "Ready"})
    r.put("flat", status={"state": "Ready"})
    _, (points,) = run({"kymastats": listed(r)})
    points.wait(lambda p: states(p) == {"deep": "Ready", "flat": "Ready"}, WAIT_S, "both")


def test_a_resource_that_is_installed_later(resource, run):
    there, later = resource("pipelines"), resource("telemetries", install=False, versions=(("v1beta1", True),))
    there.put("p", status={"state": "Ready"})
    baton, (points,) = run({"kymastats": listed(later, there)})
    points.wait(lambda p: states(p) == {"p": "Ready"}, WAIT_S, "the resource that is there")
    line = wait_until(lambda: lines(baton, NOT_SERVED), WAIT_S, "the line")[0]
    assert line["watch"] == f"{later.group}/v1beta1 telemetries"
    assert line["offered"] == f'the API group "{later.group}" has no version v1beta1 but v1'
    later.install()
    begin = time.monotonic()
    later.put("default", status={"state": "Ready"})
    points.wait(lambda p: states(p) == {"p": "Ready", "default": "Ready"}, 40, "the resource that was installed")
    assert time.monotonic() - begin < 31
    assert len(lines(baton, NOT_SERVED)) == 1


def test_what_the_server_offers(resource, run):
    r = resource(versions=(("v1beta1", True), ("v1alpha1", False)))
    wanted = [{"group": r.group, "version": "v1alpha1", "resource": "telemetries"},
              {"group": r.group, "version": "v1beta1", "resource": "telemetry"},
              {"group": r.group.replace("kyma.test", "kima.test"), "version": "v1", "resource": "Telemetry"},
              {"group": "", "version": "v1", "resource": "pod"}]
    baton, _ = run({"kymastats": {"resources": wanted}})
    wait_until(lambda: len(lines(baton, NOT_SERVED)) == 4, WAIT_S, "four lines")
    offered = {(line["watch"]): line["offered"] for line in lines(baton, NOT_SERVED)}
    assert offered == {
        f"{r.group}/v1alpha1 telemetries":
            f'the API group "{r.group}" has no version v1alpha1 but v1beta1; did you mean "{r.group}/v1beta1 telemetries"?',
        f"{r.group}/v1beta1 telemetry": f'{r.group}/v1beta1 has no resource "telemetry"; did you mean "telemetries"?',
        f"{wanted[2]['group']}/v1 Telemetry":
            f'there is no API group "{wanted[2]["group"]}"; did you mean "{r.group}/v1beta1 telemetries"?',
        "pod": 'v1 has no resource "pod"; did you mean "pods"?',
    }


def test_a_definition_that_goes_and_comes_back(resource, run):
    r, other = resource(), resource("pipelines")
    other.put("p", status={"state": "Ready"})
    baton, (points,) = run({"kymastats": listed(r, other)})
    for round_ in range(2):
        r.put("default", status={"state": f"Round{round_}"})
        points.wait(lambda p: states(p) == {"p": "Ready", "default": f"Round{round_}"}, 40, f"round {round_}")  # noqa: B023
        r.remove()
        gone = time.time_ns()
        points.wait(lambda p: states(p) == {"p": "Ready"}, WAIT_S, "its objects are gone")
        ticks = points.ticks()
        late = [t for t in ticks if t > gone + 5_000_000_000 and states(ticks[t]) != {"p": "Ready"}]
        assert late == []
        wait_until(lambda: len(lines(baton, NOT_SERVED)) == round_ + 1, WAIT_S, "the line")  # noqa: B023
        r.install()
    points.wait(lambda p: states(p) == {"p": "Ready"}, WAIT_S, "the other one")


def test_a_version_that_is_not_served_any_more(resource, run):
    r = resource(versions=(("v1", True), ("v2", True)))
    r.put("default", status={"state": "Ready"})
    baton, (points,) = run({"kymastats": listed((r, "v1"), (r, "v2"))})

    def versions(p):
        return sorted(a["version"] for _, metric, a, _, _ in p if metric == STATE)
    points.wait(lambda p: versions(p) == ["v1", "v2"], WAIT_S, "both versions")
    r.serve((("v1", False), ("v2", True)))
    points.wait(lambda p: versions(p) == ["v2"], WAIT_S, "the version that is left")
    wait_until(lambda: lines(baton, NOT_SERVED), WAIT_S, "the line")
    assert f'has no version v1 but v2; did you mean "{r.group}/v2 telemetries"?' in lines(baton, NOT_SERVED)[0]["offered"]
    r.serve((("v1", True), ("v2", True)))
    points.wait(lambda p: versions(p) == ["v1", "v2"], 40, "both versions again")


def allow(api, name, resource):
    api.create("/apis/rbac.authorization.k8s.io/v1/clusterroles", {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
        "rules": [{"apiGroups": [resource.group], "resources": [resource.plural], "verbs": ["get", "list", "watch"]}]})
    api.create("/apis/rbac.authorization.k8s.io/v1/clusterrolebindings", {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": name},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "nobody"}],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name}})


def test_a_forbidden_resource(server, resource, run):
    r, forbidden = resource(), resource("pipelines")
    r.put("default", status={"state": "Ready"})
    forbidden.put("p", status={"state": "Ready"})
    allow(server.api, "kymastats-first", r)
    baton, (points,) = run({"kymastats": listed(forbidden, r)}, user="nobody")
    points.wait(lambda p: states(p) == {"default": "Ready"}, WAIT_S, "what is allowed")
    found = lines(baton, "No permission for a resource")
    assert len(found) == 1 and f'apiGroups: ["{forbidden.group}"], resources: ["pipelines"]' in found[0]["rule"]
    allow(server.api, "kymastats-second", forbidden)
    points.wait(lambda p: states(p) == {"default": "Ready", "p": "Ready"}, WAIT_S, "what is allowed now")


def test_a_broken_resource(server, resource, run):
    """Its objects need a conversion for which there is no webhook: lists fail for ever."""
    r, broken = resource(), resource("pipelines", versions=(("v1", True), ("v2", True)))
    r.put("default", status={"state": "Ready"})
    broken.put("p", status={"state": "Ready"})
    status, answer = server.api.request(
        "PATCH", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{broken.name}",
        {"spec": {"conversion": {"strategy": "Webhook", "webhook": {
            "conversionReviewVersions": ["v1"], "clientConfig": {"url": "https://127.0.0.1:1/convert"}}}}}, "application/merge-patch+json")
    assert status == 200, answer
    wait_until(lambda: server.api.request("GET", broken.path("v2"))[0] in (429, 500), WAIT_S, "a list that fails")
    baton, (points,) = run({"kymastats": listed((broken, "v2"), r)})
    points.wait(lambda p: states(p) == {"default": "Ready"}, WAIT_S, "the other one")
    ready = lines(baton, "All resources are watched")
    assert ready and ready[0]["without"] == f"{broken.group}/v2 pipelines (requests fail)"
    status, answer = server.api.request(
        "PATCH", f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{broken.name}",
        {"spec": {"conversion": {"strategy": "None", "webhook": None}}}, "application/merge-patch+json")
    assert status == 200, answer
    points.wait(lambda p: states(p) == {"default": "Ready", "p": "Ready"}, WAIT_S, "the one that was mended")


def test_large_objects(resource, run):
    """Next to nothing of them is kept, and no handler takes long (the fixture looks at the log)."""
    r = resource()
    huge = "x" * 1_400_000
    baton, (points,) = run({"kymastats": listed(r)})
    wait_until(lambda: lines(baton, "All resources are watched"), WAIT_S, "ready")
    for number in range(3):
        r.put(f"object-{number}", spec={"text": huge[:100_000]},
              status={"state": "Ready", "message": huge[:1_200_000], "conditions": [condition("A", message=huge[:100_000])]})
    points.wait(lambda p: len(states(p)) == 3 and len(conditions(p)) == 3, WAIT_S, "three objects by the watch")
    r.put("object-0", status={"state": "Changed", "many": [{"a": "é\\\"\n", "b": [1.5e3, None, True]}] * 30_000})
    points.wait(lambda p: states(p)["object-0"] == "Changed", WAIT_S, "a change")


def points_of(calls):
    """{tick: [(name, type of the condition or nothing)]} of what a sink got."""
    ticks = {}
    for call in calls:
        for r in call["resources"]:
            for metric in r["scopes"][0]["metrics"]:
                for p in metric["points"]:
                    ticks.setdefault(p["ts"], []).append((p["attrs"]["name"], p["attrs"].get("type")))
    return ticks


def test_many_objects(server, resource, run, sink):
    count = 20_000
    r = resource()
    r.fill(count, {"state": "Ready", "conditions": [condition("A"), condition("B", "False", "No")]})
    # On a busy machine the sink takes its time; a batch whose time was up would be sent again.
    baton, _ = run({"kymastats": {**listed(r), "collection_interval": "4s"}}, exporter=sink, settings={"timeout": "60s"})
    wait_until(lambda: lines(baton, "All resources are watched"), WAIT_S, "ready")
    before = requests(server.api, r)

    def two_whole_ticks():
        ticks = points_of(sink.calls())
        first = [ticks[when] for when in sorted(ticks)[:2]]
        return len(ticks) >= 3 and all(len(tick) >= 3 * count for tick in first) and first  # a batch that is sent again comes behind the third
    found = wait_until(two_whole_ticks, 120, "two whole ticks and a part of another")
    assert not lines(baton, "Exporting failed")
    for tick in found:
        assert len(tick) == 3 * count and set(tick) == {(f"object-{n}", kind) for n in range(count) for kind in ("A", "B", None)}
    after = requests(server.api, r)
    assert after.get("LIST", 0) == before.get("LIST", 0), (before, after)
    with open(f"/proc/{baton.pid}/status") as f:
        print("resident:", re.search(r"VmRSS:\s+(.*)", f.read()).group(1))


def test_objects_created_again_while_a_tick_waits(server, resource, run):
    """Each changes its place with another one, between those that were told of and those that are to come: no name comes twice."""
    count, pairs = 1500, 20
    r = resource()
    r.fill(count, {"state": "Ready", "conditions": [condition("A", "True", "R" * 3000)]})
    names = sorted(f"object-{n}" for n in range(count))  # as a list has them
    status = {"state": "Ready", "conditions": [condition("A")]}
    slow = Sink("slow", ("--control", "127.0.0.1:0"))
    try:
        slow.control("fault", {"delay_ms": 700, "times": -1})
        run({"kymastats": {**listed(r), "collection_interval": "2s"}}, exporter=slow,
            settings={"compression": "none", "sending_queue": {"max_bytes": 1_200_000, "num_consumers": 1}})
        wait_until(lambda: slow.calls(), WAIT_S, "the first part of a tick")
        when, = points_of(slow.calls())
        for early, late in zip(names[:pairs], reversed(names)):
            r.delete(early)
            r.delete(late)
            r.put(early, status=status)  # takes the place that was freed last
            r.put(late, status=status)
        assert list(points_of(slow.calls())) == [when]  # the tick is still under way
        ticks = wait_until(lambda: len(points_of(slow.calls())) > 1 and points_of(slow.calls()), WAIT_S, "the next tick")
    finally:
        slow.stop()
    told = collections.Counter(ticks[when])
    assert [point for point, times in told.items() if times > 1] == []
    assert {(name, kind) for name in names[:-pairs] for kind in ("A", None)} <= set(told)


def test_equal_watches_are_shared(server, resource, run):
    r = resource()
    r.put("default", status={"state": "Ready"})
    both = {"resources": [*listed(r)["resources"], {"group": "", "version": "v1", "resource": "pods"}]}

    def watches():
        return open_watches(server.api, r.group, r.plural), open_watches(server.api, "", "pods")
    before = watches()[1]  # the server watches some of its own resources
    _, (first, second, third) = run({"kymastats/a": both, "kymastats/b": both, "k8s_cluster": {}})
    for points in (first, second):
        points.wait(lambda p: states(p) == {"default": "Ready"}, WAIT_S, "both receivers")
    wait_until(lambda: "k8s.namespace.phase" in open(third.path).read(), WAIT_S, "k8s_cluster")
    # Of pods one for both, and one for k8s_cluster, which keeps other things of them.
    assert watches() == (1, before + 2)
