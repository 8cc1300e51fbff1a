"""The page and the example of k8s_cluster: configurations are valid, and the permissions in the example are enough, and no more."""
import os
import re
import subprocess
import sys

import pytest
import yaml

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness.api import ApiServer  # noqa: E402
from harness.processes import PEERS  # noqa: E402
import peers  # noqa: E402

EXAMPLE = os.path.join(peers.ROOT, "examples", "k8s-cluster.yaml")


def warnings(baton):
    """All but the one about the default port of own metrics, which another process of this machine may have."""
    return [line for line in baton.log().split("\n") if "\twarn\t" in line and "Own metrics are not served yet" not in line]


def validate(text, tmp_path):
    file = tmp_path / "config.yaml"
    file.write_text(text)
    env = {k: v for k, v in os.environ.items() if not k.startswith("KUBE")}
    return subprocess.run([peers.BATON, "validate", "--config", str(file)], capture_output=True, text=True, timeout=20, env=env)


def test_examples_of_the_page(tmp_path):
    with open(os.path.join(peers.ROOT, "docs", "components", "k8s_cluster.md"), encoding="utf-8") as f:
        examples = re.findall(r"^```yaml\n(.*?)^```", f.read(), re.M | re.S)
    assert len(examples) >= 5
    for example in examples:
        done = validate(example, tmp_path)
        assert done.returncode == 0 and done.stderr == "", example + done.stderr


def test_every_key_is_on_the_page(tmp_path):
    done = subprocess.run([peers.BATON, "print-config", "--config", "yaml:{receivers: {k8s_cluster: {}}, exporters: {debug: {}}, "
                           "service: {pipelines: {metrics: {receivers: [k8s_cluster], exporters: [debug]}}}}"],
                          capture_output=True, text=True, timeout=20)
    assert done.returncode == 0, done.stderr
    keys = yaml.safe_load(done.stdout)["receivers"]["k8s_cluster"]
    with open(os.path.join(peers.ROOT, "docs", "components", "k8s_cluster.md"), encoding="utf-8") as f:
        described = set(re.findall(r"^\| `([a-z_]+)` \|", f.read(), re.M))
    assert set(keys) <= described, set(keys) - described


def manifests(kind):
    with open(EXAMPLE, encoding="utf-8") as f:
        return [m for m in yaml.safe_load_all(f) if m["kind"] == kind]


def test_example_is_valid(tmp_path):
    config = manifests("ConfigMap")[0]["data"]["config.yaml"]
    done = validate(config, tmp_path)
    assert done.returncode == 0 and done.stderr == "", done.stderr


def test_permissions_of_the_example(tmp_path):
    """A user with just that ClusterRole: everything is synced. Without one rule: that kind is named, the others come."""
    if not os.path.exists(os.path.join(PEERS, "apiserver")):
        pytest.skip("SKIPPED, there is no apiserver: build it with tests/peers/build.sh, which needs Go")
    role = manifests("ClusterRole")[0]
    server = ApiServer("apiserver", str(tmp_path / "server"))
    kubectl = ["kubectl", "--kubeconfig", server.kubeconfig]
    try:
        def grant(rules):
            subprocess.run([*kubectl, "apply", "-f", "-"], input=yaml.safe_dump({**role, "rules": rules}), check=True, text=True,
                           capture_output=True)

        grant(role["rules"])
        subprocess.run([*kubectl, "create", "clusterrolebinding", "b", "--clusterrole", role["metadata"]["name"], "--user", "nobody"],
                       check=True, capture_output=True)
        config = {
            "receivers": {"k8s_cluster": {"auth_type": "kubeConfig", "metrics": {"k8s.service.endpoint.count": {"enabled": True}}}},
            "exporters": {"nop": {}},
            "service": {"pipelines": {s: {"receivers": ["k8s_cluster"], "exporters": ["nop"]} for s in ("metrics", "logs")}},
        }
        file = tmp_path / "config.yaml"
        file.write_text(yaml.safe_dump(config))
        env = dict(os.environ, KUBECONFIG=server.kubeconfig_of("nobody"))
        with peers.Process([peers.BATON, "--config", str(file)], env=env) as baton:
            baton.wait_log("All watches are synced")
            assert '"watches": 16,' in baton.log() and '"without": ""' in baton.log() and warnings(baton) == [], baton.log()
        without_jobs = [r for r in role["rules"] if r["apiGroups"] != ["batch"]]
        grant(without_jobs)
        with peers.Process([peers.BATON, "--config", str(file)], env=env) as baton:
            baton.wait_log("All watches are synced")
            assert '"without": "batch/v1 jobs (forbidden), batch/v1 cronjobs (forbidden)"' in baton.log(), baton.log()
    finally:
        server.stop()
