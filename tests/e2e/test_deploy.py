"""deploy/*.yaml: the real API server takes every object as it stands, the configuration inside is valid, the probes ask where baton answers, and the
permissions are all that a replica needs."""
import json
import os
import subprocess

import pytest
import yaml
from harness.processes import BATON, ROOT
from harness.replicas import LED
from harness.world import wait_until
from test_ready import get, port_of

pytestmark = pytest.mark.only("apiserver")

FILES = ("deployment.yaml", "daemonset.yaml")
PLURALS = {"Namespace": "namespaces", "ServiceAccount": "serviceaccounts", "ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings",
           "Role": "roles", "RoleBinding": "rolebindings", "ConfigMap": "configmaps", "Deployment": "deployments", "DaemonSet": "daemonsets",
           "PodDisruptionBudget": "poddisruptionbudgets"}


def objects(name):
    with open(os.path.join(ROOT, "deploy", name)) as f:
        return [made for made in yaml.safe_load_all(f) if made]


def of_kind(name, *kinds):
    (found,) = [made for made in objects(name) if made["kind"] in kinds]
    return found


def collection(made):
    version = made["apiVersion"]
    root = "/api/v1" if version == "v1" else f"/apis/{version}"
    namespace = made["metadata"].get("namespace")
    return f"{root}/namespaces/{namespace}/{PLURALS[made['kind']]}" if namespace else f"{root}/{PLURALS[made['kind']]}"


@pytest.fixture
def namespace(world):
    status, answer = world.api.request("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "baton"}})
    assert status in (201, 409), answer


@pytest.mark.parametrize("name", FILES)
def test_the_api_server_takes_every_object(world, namespace, name):
    for made in objects(name):
        status, answer = world.api.request("POST", f"{collection(made)}?dryRun=All&fieldValidation=Strict", made)
        taken = status == 201 or (made["kind"] == "Namespace" and status == 409)
        assert taken, (made["kind"], answer)


@pytest.mark.parametrize("name", FILES)
def test_configuration_is_valid_and_probes_ask_where_it_answers(world, name, tmp_path):
    text = of_kind(name, "ConfigMap")["data"]["config.yaml"]
    path = os.path.join(tmp_path, "config.yaml")
    with open(path, "w") as f:
        f.write(text)
    done = subprocess.run([BATON, "validate", "--config", path], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    workload = of_kind(name, "Deployment", "DaemonSet")
    pod = workload["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    (port,) = container["ports"]
    endpoint = yaml.safe_load(text)["extensions"]["k8s_leader_elector"]["ready_endpoint"]
    assert endpoint.rsplit(":", 1)[1] == str(port["containerPort"])
    for probe, path in (("readinessProbe", "/ready"), ("livenessProbe", "/live")):
        assert container[probe]["httpGet"] == {"path": path, "port": port["name"]}
    assert pod["terminationGracePeriodSeconds"] >= 30
    assert pod["serviceAccountName"] == of_kind(name, "ServiceAccount")["metadata"]["name"]


@pytest.mark.parametrize("name", FILES)
def test_permissions_are_all_that_a_replica_needs(world, name):
    """The rules of the file, for a user of this test in a namespace of its own; the configuration of the file, with a kubeconfig."""
    world.api.create_namespace(world.lease)
    role, cluster_role = of_kind(name, "Role"), of_kind(name, "ClusterRole")
    role["metadata"] = {"name": "baton", "namespace": world.lease}
    world.api.create_role(role, "baton-a", "baton-b")
    cluster_role["metadata"] = {"name": world.lease}
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    world.api.create(f"{rbac}/clusterroles", cluster_role)
    world.api.create(f"{rbac}/clusterrolebindings", {
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": {"name": world.lease},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": world.lease},
        "subjects": [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": user} for user in ("baton-a", "baton-b")]})
    replicas = []
    for user in ("baton-a", "baton-b"):
        config = yaml.safe_load(of_kind(name, "ConfigMap")["data"]["config.yaml"])
        config["receivers"]["k8s_cluster"].update(auth_type="kubeConfig", collection_interval="1s")
        config["extensions"]["k8s_leader_elector"].update(auth_type="kubeConfig", lease_namespace=world.lease, ready_endpoint="127.0.0.1:0")
        config["exporters"] = {"debug": world.exporter(user, "all")}
        config["service"]["pipelines"]["metrics"]["exporters"] = ["debug"]
        replicas.append(world.start(user, config, user=user))
    wait_until(lambda: any(replica.wait_log(LED, 0) for replica in replicas), 20, "one of them leads")
    for replica in replicas:
        port = port_of(world, replica)
        wait_until(lambda: get(port)[0] == 200, 30, f"{replica.name} is ready")
    for replica in replicas:
        said = json.dumps(replica.log())
        assert "No permission" not in said and "forbidden" not in said.lower(), said
