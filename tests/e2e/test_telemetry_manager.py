"""Configurations of the shape that Kyma's Telemetry manager generates, for the cluster-level agent and for the gateway: baton names all
components that it lacks in one error; without those the rest runs unchanged, with a service account, against the real API server."""
import os
import subprocess

import pytest
import yaml
from harness.api import Sink
from harness.cluster import pod
from harness.in_cluster import account_folder, start_in_cluster, token_of
from harness.kyma import CustomResource, condition
from harness.processes import BATON
from harness.replicas import LED

pytestmark = pytest.mark.only("apiserver")

SECTIONS = ("extensions", "receivers", "processors", "exporters", "connectors")
NAMESPACE = "kyma-system"
SWITCHED_OFF = (
    "k8s.container.storage_request", "k8s.container.storage_limit", "k8s.container.ephemeralstorage_request",
    "k8s.container.ephemeralstorage_limit", "k8s.container.ready", "k8s.namespace.phase", "k8s.hpa.current_replicas",
    "k8s.hpa.desired_replicas", "k8s.hpa.min_replicas", "k8s.hpa.max_replicas", "k8s.replicaset.available", "k8s.replicaset.desired",
    "k8s.replication_controller.available", "k8s.replication_controller.desired", "k8s.resource_quota.hard_limit",
    "k8s.resource_quota.used", "k8s.cronjob.active_jobs")


def exporter():
    return {"endpoint": "${OTLP_ENDPOINT_X}", "tls": {"insecure": True}, "compression": "gzip",
            "sending_queue": {"enabled": True, "queue_size": 256},
            "retry_on_failure": {"enabled": True, "initial_interval": "5s", "max_interval": "30s", "max_elapsed_time": "300s"}}


def common(lease, extensions):
    """What both have."""
    return {
        "extensions": {"health_check": {"endpoint": "${MY_POD_IP}:13133"},
                       "k8s_leader_elector": {"auth_type": "serviceAccount", "lease_name": lease, "lease_namespace": NAMESPACE},
                       "pprof": {"endpoint": "127.0.0.1:1777"}, **extensions},
        "service": {"pipelines": {},
                    "telemetry": {"metrics": {"readers": [{"pull": {"exporter": {"prometheus": {"host": "${MY_POD_IP}", "port": 8888}}}}]},
                                  "logs": {"level": "info", "encoding": "json"}},
                    "extensions": ["health_check", "pprof", *extensions, "k8s_leader_elector"]},
        "receivers": {},
        "processors": {"batch": {"send_batch_size": 1024, "timeout": "10s", "send_batch_max_size": 1024},
                       "memory_limiter": {"check_interval": "1s", "limit_percentage": 75, "spike_limit_percentage": 15},
                       "service_enrichment": {"resource_attributes": ["kyma.app_name"]}},
        "exporters": {},
        "connectors": {},
    }


def agent(lease):
    config = common(lease, {})
    config["receivers"] = {
        "k8s_cluster": {"auth_type": "serviceAccount", "collection_interval": "30s", "node_conditions_to_report": [],
                        "metrics": {name: {"enabled": False} for name in SWITCHED_OFF}, "k8s_leader_elector": "k8s_leader_elector"},
        "kubeletstats": {"auth_type": "serviceAccount", "collection_interval": "30s", "endpoint": "https://${MY_NODE_NAME}:10250"}}
    config["processors"].update({
        "filter/drop-non-pvc-volumes-metrics": {"error_mode": "ignore"}, "k8sattributes": {"passthrough": False},
        "resource/drop-service-name": {"attributes": [{"action": "delete", "key": "service.name"}]},
        "transform/insert-cluster-attributes": {"error_mode": "ignore"}})
    config["exporters"]["otlp/x"] = exporter()
    config["connectors"].update({"routing/enrichment": {"default_pipelines": []}, "routing/runtime-input": {"error_mode": "ignore"}})
    config["service"]["pipelines"] = {
        "metrics/input-runtime": {"receivers": ["kubeletstats", "k8s_cluster"], "exporters": ["routing/runtime-input"],
                                  "processors": ["memory_limiter", "filter/drop-non-pvc-volumes-metrics", "resource/drop-service-name"]},
        "metrics/enrichment": {"receivers": ["routing/runtime-input"], "processors": ["k8sattributes", "service_enrichment"],
                               "exporters": ["routing/enrichment"]},
        "metrics/output-x": {"receivers": ["routing/enrichment", "routing/runtime-input"],
                             "processors": ["transform/insert-cluster-attributes", "batch"], "exporters": ["otlp/x"]}}
    return config


def gateway(lease):
    config = common(lease, {"cgroupruntime": {"gomaxprocs": {"enabled": False}, "gomemlimit": {"enabled": True, "ratio": 0.8}}})
    resources = [("operator.kyma-project.io", "telemetries"), ("telemetry.kyma-project.io", "logpipelines"),
                 ("telemetry.kyma-project.io", "tracepipelines"), ("telemetry.kyma-project.io", "metricpipelines")]
    config["receivers"] = {
        "kymastats": {"auth_type": "serviceAccount", "collection_interval": "30s", "k8s_leader_elector": "k8s_leader_elector",
                      "resources": [{"group": group, "version": "v1beta1", "resource": plural} for group, plural in resources]},
        "otlp": {"protocols": {"http": {"endpoint": "${MY_POD_IP}:4318"}, "grpc": {"endpoint": "${MY_POD_IP}:4317"}}}}
    config["processors"].update({"k8s_attributes": {"passthrough": False}, "transform/set-kyma-input-name-kyma": {"error_mode": "ignore"}})
    config["exporters"]["otlp_grpc/x"] = exporter()
    config["connectors"].update({"forward/enrichment": {}, "forward/input": {}})
    config["service"]["pipelines"] = {
        "metrics/input-kyma-stats": {"receivers": ["kymastats"], "processors": ["transform/set-kyma-input-name-kyma"], "exporters": ["forward/input"]},
        "metrics/input-otlp": {"receivers": ["otlp"], "exporters": ["forward/input"]},
        "metrics/enrichment": {"receivers": ["forward/input"], "processors": ["memory_limiter", "k8s_attributes", "service_enrichment"],
                               "exporters": ["forward/enrichment"]},
        "metrics/x-output": {"receivers": ["forward/enrichment"], "processors": ["batch"], "exporters": ["otlp_grpc/x"]}}
    return config


SHAPES = pytest.mark.parametrize("shape", (agent, gateway), ids=("agent", "gateway"))


def known_types():
    """{section: types} of this baton, with their other names."""
    listed = yaml.safe_load(subprocess.run([BATON, "components"], capture_output=True, text=True, check=True).stdout)
    return {section: {name for entry in listed[section] for name in (entry["name"], *entry.get("aliases", []))} for section in SECTIONS}


def places(text):
    """{(section, id): (line, column)} of all components in the text, as a YAML reader of others sees it."""
    found = {}
    for section, content in yaml.compose(text).value:
        if section.value in SECTIONS:
            for key, _ in content.value:
                found[section.value, key.value] = (key.start_mark.line + 1, key.start_mark.column + 1)
    return found


def environment(**more):
    return {"MY_POD_IP": "127.0.0.9", "MY_NODE_NAME": "node", "OTLP_ENDPOINT_X": "127.0.0.1:1", **more}


@SHAPES
@pytest.mark.parametrize("command", ([], ["validate"]), ids=("run", "validate"))
def test_one_error_lists_all_that_baton_lacks(kind, tmp_path, shape, command):
    path, known = tmp_path / "collector.yaml", known_types()
    text = yaml.safe_dump(shape("x"), sort_keys=False, indent=4)
    path.write_text(text)
    missing = {place: f"{section}: unknown type: \"{name.split('/')[0]}\" for id: \"{name}\""
               for (section, name), place in places(text).items() if name.split("/")[0] not in known[section]}
    assert len(missing) > 8
    done = subprocess.run([BATON, *command, "--config", str(path)], capture_output=True, text=True, timeout=20,
                          env={**os.environ, **environment()})
    assert done.returncode == 1 and done.stdout == ""
    lines = [line for line in done.stderr.rstrip("\n").split("\n") if not line.startswith("Warning: ")]  # old names, where they still do
    first = min(missing)
    listed = [f"  {path}:{line}:{column}: {what}" for (line, column), what in sorted(missing.items())]
    assert lines[:2] == ["Error: invalid configuration:",
                         f"{path}:{first[0]}:{first[1]}: {len(missing)} components are of types that baton does not have:"]
    assert [line.split(";")[0] for line in lines[2:-1]] == listed  # behind a semicolon: did you mean
    assert lines[-1].startswith("  baton has receivers: ")


def without_missing(config, source):
    """The configuration without what baton lacks, and one pipeline in place of those that connectors joined."""
    known = known_types()
    has = lambda section, name: name.split("/")[0] in known[section]
    rest = {section: {name: settings for name, settings in config[section].items() if has(section, name)} for section in SECTIONS}
    service = dict(config["service"], extensions=[name for name in config["service"]["extensions"] if has("extensions", name)])
    service["pipelines"] = {"metrics/x": {"receivers": [source], "processors": list(rest["processors"]), "exporters": list(rest["exporters"])}}
    return {**{section: content for section, content in rest.items() if content}, "service": service}


@pytest.fixture
def sink(world):
    made = Sink("x")
    yield made
    made.stop()


@pytest.fixture
def cluster(world):
    """The namespace of the Lease with a pod, and the resources that the gateway names, with an object each."""
    world.api.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}})
    world.api.request("POST", f"/api/v1/namespaces/{NAMESPACE}/pods", pod("app", NAMESPACE)[0])
    made = [CustomResource(world.api, group, plural, versions=(("v1beta1", True),), namespaced=plural == "telemetries").install()
            for group, plural in ((r["group"], r["resource"]) for r in gateway("x")["receivers"]["kymastats"]["resources"])]
    for resource in made:
        resource.put("default", NAMESPACE, status={"state": "Ready", "conditions": [condition("Healthy"), condition("Configured", "False", "NoEndpoint")]})
    yield made
    for resource in made:
        resource.remove()


@SHAPES
def test_what_is_left_runs_unchanged(kind, world, cluster, mounts, sink, shape):
    source, points = {agent: ("k8s_cluster", None), gateway: ("kymastats", 4 * 3)}[shape]
    config = without_missing(shape(world.lease), source)
    assert config["receivers"][source] == shape(world.lease)["receivers"][source]
    address = {"kubesim": "127.0.0.2", "apiserver": "127.0.0.3"}[kind]  # the ports are fixed, and the suites run side by side
    a = start_in_cluster(world, "a", config, account_folder(world, token_of(world, "admin")),
                         **environment(OTLP_ENDPOINT_X=sink.endpoint, MY_POD_IP=address))
    world.expect(a, LED)
    assert world.api.holder(world.lease, NAMESPACE) == "a_uid-of-a"
    found = sink.wait_call(lambda call: call.get("points"), 45)  # the first tick comes within one interval
    assert found, a.err.texts()
    assert points in (None, found[1]["points"]), found
    assert not [line for line in a.log() if line.get("level") == "error"]
    world.end(a)
    assert world.api.holder(world.lease, NAMESPACE) == ""
