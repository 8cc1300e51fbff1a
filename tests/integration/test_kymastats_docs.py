"""The page and the example of kymastats, and a configuration as Kyma's Telemetry manager writes it."""
import os
import re
import subprocess

import peers
import yaml

FOLDER = os.path.join(peers.ROOT, "examples", "kyma")
with open(os.path.join(peers.ROOT, "docs", "components", "kymastats.md"), encoding="utf-8") as page:
    PAGE = page.read()


def command(name, text, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    env = {k: v for k, v in os.environ.items() if not k.startswith("KUBE")}
    return subprocess.run([peers.BATON, name, "--config", str(file)], capture_output=True, text=True, timeout=20, env=env)


def test_examples_are_valid(tmp_path):
    examples = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    assert len(examples) >= 3
    with open(os.path.join(FOLDER, "config.yaml"), encoding="utf-8") as f:
        examples.append(f.read())
    for example in examples:
        done = command("validate", example, tmp_path)
        assert done.returncode == 0 and done.stderr == "", example + done.stderr


def test_every_key_is_on_the_page(tmp_path):
    example = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)[0]
    done = command("print-config", example, tmp_path)
    assert done.returncode == 0, done.stderr
    described = set(re.findall(r"^\| `([a-z_]+)` \|", PAGE, re.M))
    keys = set(yaml.safe_load(done.stdout)["receivers"]["kymastats"])
    assert keys <= described, keys - described


def test_the_example_may_read_what_it_is_told_to_read():
    with open(os.path.join(FOLDER, "config.yaml"), encoding="utf-8") as f:
        config = yaml.safe_load(f)
    with open(os.path.join(FOLDER, "rbac.yaml"), encoding="utf-8") as f:
        rules = next(m for m in yaml.safe_load_all(f) if m["kind"] == "ClusterRole")["rules"]
    allowed = {(group, resource) for rule in rules for group in rule["apiGroups"] for resource in rule["resources"]
               if {"list", "watch"} <= set(rule["verbs"])}
    assert {(r["group"], r["resource"]) for r in config["receivers"]["kymastats"]["resources"]} == allowed


TELEMETRY_MANAGER = """\
extensions:
  k8s_leader_elector:
    auth_type: serviceAccount
    lease_name: telemetry-metric-agent-k8scluster
    lease_namespace: kyma-system
receivers:
  k8s_cluster:
    auth_type: serviceAccount
    collection_interval: 30s
    node_conditions_to_report: []
    metrics:
      k8s.container.storage_request: {enabled: false}
      k8s.namespace.phase: {enabled: false}
    k8s_leader_elector: k8s_leader_elector
  kymastats:
    auth_type: serviceAccount
    collection_interval: 30s
    resources:
      - group: operator.kyma-project.io
        version: v1beta1
        resource: telemetries
      - group: telemetry.kyma-project.io
        version: v1beta1
        resource: metricpipelines
    k8s_leader_elector: k8s_leader_elector
%sexporters:
  otlp_grpc:
    endpoint: backend:4317
    tls: {insecure: true}
service:
  extensions: [k8s_leader_elector]
  telemetry:
    logs: {level: info, encoding: json}
    metrics: {level: none}
  pipelines:
    metrics:
      receivers: [k8s_cluster, kymastats]
%s      exporters: [otlp_grpc]
"""


def test_configuration_of_the_telemetry_manager(tmp_path):
    done = command("validate", TELEMETRY_MANAGER % ("", ""), tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_components_that_are_missing_are_named_at_once(tmp_path):
    text = TELEMETRY_MANAGER % ("processors:\n  memory_limiter: {check_interval: 1s, limit_percentage: 75}\n  transform/set: {}\n",
                                "      processors: [memory_limiter, transform/set]\n")
    done = command("validate", text, tmp_path)
    assert done.returncode == 1
    lines = text.split("\n")
    for name in ("memory_limiter", "transform/set"):
        place = f"config.yaml:{next(n for n, line in enumerate(lines, 1) if line.startswith(f'  {name}:'))}:3"
        assert place in done.stderr, (place, done.stderr)
    assert "resources" not in done.stderr and "kymastats" not in done.stderr, done.stderr
