"""Under which name a replica leads, and who counts as the same replica."""
import re
import signal
import socket

import pytest
from harness.in_cluster import account_folder, start_in_cluster, token_of
from harness.replicas import FOLLOWS, LED
from harness.world import SHORT_DURATION, wait_until

NO_POD = {"POD_NAME": None, "POD_UID": None}


def in_cluster(world, name, files, **env):
    config = world.config(name, extensions={"leaderelector/foo": dict(world.extension(), auth_type="serviceAccount")})
    return start_in_cluster(world, name, config, files, **env)


def test_pod_name_and_uid(world):
    world.start_leader("a", env={"POD_NAME": "collector-7d9f-x2x", "POD_UID": "0a1b-2c3d"})
    assert world.api.holder(world.lease) == "collector-7d9f-x2x_0a1b-2c3d"


def test_configured_identity_goes_first(world):
    extensions = {"leaderelector/foo": dict(world.extension(), identity="rack 7 \u00e4")}
    world.start_leader("a", world.config("a", extensions=extensions))
    assert world.api.holder(world.lease) == "rack 7 \u00e4"


def test_host_name_and_random_without_a_pod(world):
    a = world.start_leader("a", env=NO_POD)
    first = world.api.holder(world.lease)
    assert re.fullmatch(re.escape(socket.gethostname()) + "_[0-9a-f]{16}", first)
    world.end(a)
    world.start_leader("b", env=NO_POD)
    assert world.api.holder(world.lease) != first


def test_half_a_pod_is_no_identity(world):
    world.start_leader("a", env={"POD_UID": None})
    assert world.api.holder(world.lease).startswith(socket.gethostname() + "_")


def test_restarted_container_takes_its_own_lease_back_at_once(world):
    pod = {"POD_NAME": "pod", "POD_UID": "uid-1"}
    a = world.start_leader("a", env=pod)
    b = world.start_standby("b")
    world.watch().wait_more(2)
    a.signal(signal.SIGKILL)
    a.wait(5)
    again = world.start("a2", env=pod)
    when, line = world.expect(again, LED)
    assert when - again.started < 1.5 and line["transitions"] == 1
    assert not b.wait_log(LED, 0)
    world.output(again).wait_more(3)
    before, after, none = world.check_no_double("a", "a2", "b")
    assert max(before) < min(after) and none == []


def test_other_pod_of_the_same_name_waits(world):
    """A StatefulSet's pod keeps its name; its uid tells that the old one may still run."""
    a = world.start_leader("a", env={"POD_NAME": "pod", "POD_UID": "uid-1"})
    world.output(a).wait_more(1)
    killed = a.signal(signal.SIGKILL)
    again = world.start("a2", env={"POD_NAME": "pod", "POD_UID": "uid-2"})
    when, _ = world.expect(again, LED)
    assert when - killed > SHORT_DURATION - 1.2


def test_two_processes_of_one_pod_exclude_each_other(world):
    """Two containers of one pod, by mistake, on the same Lease."""
    pod = {"POD_NAME": "pod", "POD_UID": "uid-1"}
    a = world.start_leader("a", env=pod)
    b = world.start("b", env=pod)
    world.expect(b, FOLLOWS)
    world.watch().wait_more(4)
    assert not b.wait_log(LED, 0) and world.output(b).ticks() == []
    signalled = world.end(a)
    when, _ = world.expect(b, LED, predecessor="released")
    assert when - signalled < 1.0
    world.output(b).wait_more(2)
    world.check_once("a", "b")


def test_equal_configured_identities_exclude_each_other(world):
    def config(name):
        return world.config(name, extensions={"leaderelector/foo": dict(world.extension(), identity="same")})
    a = world.start_leader("a", config("a"))
    b = world.start("b", config("b"))
    world.expect(b, FOLLOWS)
    world.watch().wait_more(3)
    assert not b.wait_log(LED, 0)
    world.end(a)
    world.expect(b, LED)
    world.output(b).wait_more(2)
    world.check_once("a", "b")


def test_service_account_files_with_a_rotated_token(world, mounts):
    folder = account_folder(world, "wrong")
    a = in_cluster(world, "a", folder, POD_NAMESPACE=None)
    failures = lambda: [line["error"] for line in a.log() if line.get("msg") == "A call for the Lease failed, trying on"]
    wait_until(lambda: any("401" in error for error in failures()), 20, "a refusal")  # behind a late answer, on a busy machine
    assert not any("wrong" in error for error in failures())
    account_folder(world, token_of(world, "admin") + "\n")
    world.expect(a, LED)
    world.output(a).wait_more(1)
    world.end(a)


@pytest.mark.only("apiserver")
def test_bound_token_tells_the_pod(world, mounts):
    api, account, pod = world.api, f"{world.lease}-account", f"{world.lease}-pod"
    api.create("/api/v1/namespaces/default/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account}})
    uid = api.create("/api/v1/namespaces/default/pods", {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod},
        "spec": {"serviceAccountName": account, "containers": [{"name": "c", "image": "baton"}]}})["metadata"]["uid"]
    token = api.create(f"/api/v1/namespaces/default/serviceaccounts/{account}/token", {
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest",
        "spec": {"expirationSeconds": 3600, "boundObjectRef": {"kind": "Pod", "apiVersion": "v1", "name": pod, "uid": uid}}})["status"]["token"]
    api.create_role({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": account, "namespace": "default"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "watch", "update", "create"]}],
    }, f"system:serviceaccount:default:{account}")
    folder = account_folder(world, token)
    a = in_cluster(world, "a", folder, POD_NAME=None, POD_UID=None)
    world.expect(a, LED)
    assert api.holder(world.lease) == f"{pod}_{uid}"
    # The claims are that pod's, whatever the environment says; and its restarted container is known again.
    a.signal(signal.SIGKILL)
    a.wait(5)
    again = in_cluster(world, "a2", folder, POD_NAME="other", POD_UID="other")
    when, _ = world.expect(again, LED)
    assert when - again.started < 1.5
    assert api.holder(world.lease) == f"{pod}_{uid}"
