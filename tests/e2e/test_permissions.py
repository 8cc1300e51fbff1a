"""RBAC: what is said when a permission is missing, and what the least Role is good for."""
import pytest
import yaml
from harness.replicas import LED
from harness.world import wait_until

DENIED = "No permission for the Lease"
NO_WATCH = "No permission to watch the Lease"
CAN_WATCH = "The Lease can be watched now"


@pytest.fixture
def namespace(world):
    """Roles of one test must not help another: a namespace of its own."""
    world.api.create_namespace(world.lease)
    return world.lease


def config(world, name, namespace):
    return world.config(name, extensions={"leaderelector/foo": world.extension(
        lease_namespace=namespace, lease_duration="3s", renew_deadline="2s", retry_period="500ms")})


def lease_rules(world, verbs, create=True):
    rules = [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"],
              "resourceNames": [world.lease, f"{world.lease}-standby"], "verbs": verbs}]
    if create:
        rules.append({"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]})
    return rules


def role(namespace, rules):
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "test", "namespace": namespace}, "rules": rules}


def test_missing_permission_names_the_role_and_that_very_role_mends_it(world, namespace):
    a = world.start("a", config(world, "a", namespace), user="nobody")
    _, line = world.expect(a, DENIED)
    assert line["level"] == "error" and line["verb"] in ("get", "create")
    named = yaml.safe_load(line["role"])
    assert named["kind"] == "Role" and named["metadata"]["namespace"] == namespace
    world.api.create_role(named, "nobody")
    world.expect(a, LED, 20)
    world.output(a).wait_more(2)
    verbs = [line["verb"] for line in a.log() if line.get("msg", "").startswith(DENIED)]
    assert len(verbs) == len(set(verbs)), f"the same refusal was said twice: {verbs}"


def test_role_of_the_log_line_is_all_that_replicas_need(world, namespace):
    probe = world.start("probe", config(world, "probe", namespace), user="nobody")
    _, line = world.expect(probe, DENIED)
    world.end(probe)
    world.api.create_role(yaml.safe_load(line["role"]), "baton-a", "baton-b")
    a = world.start_leader("a", config(world, "a", namespace), user="baton-a")
    b = world.start_standby("b", config(world, "b", namespace), user="baton-b")
    world.output(a).wait_more(2)
    signalled = world.end(a)
    when, line = world.expect(b, LED, predecessor="released")
    assert when - signalled < 1.0
    world.output(b).wait_more(2)
    world.check_once("a", "b")
    for replica in (a, b):
        said = [line["msg"] for line in replica.log() if line.get("level") in ("warn", "error")]
        of_the_machine = ("A handler held up the event loop", "Own metrics are not served yet")  # busy; another replica has the address
        assert [text for text in said if not text.startswith(of_the_machine)] == []


def test_lease_of_a_manifest_needs_no_create(world, namespace):
    world.api.create_lease(world.lease, namespace)
    world.api.create_lease(f"{world.lease}-standby", namespace)
    world.api.create_role(role(namespace, lease_rules(world, ["get", "watch", "update"], create=False)), "baton-a")
    a = world.start_leader("a", config(world, "a", namespace), user="baton-a")
    world.output(a).wait_more(2)
    assert not a.wait_log(DENIED, 0) and not a.wait_log("No permission for the standby's Lease", 0)


def test_without_watch_it_polls_and_says_so_once(world, namespace):
    world.api.create_role(role(namespace, lease_rules(world, ["get", "update"])), "baton-a", "baton-b")
    a = world.start_leader("a", config(world, "a", namespace), user="baton-a")
    b = world.start_standby("b", config(world, "b", namespace), user="baton-b")
    _, line = world.expect(b, NO_WATCH)
    assert line["level"] == "warn" and "watch" in yaml.safe_load(line["role"])["rules"][0]["verbs"]
    world.output(a).wait_more(8)
    signalled = world.end(a)
    when, _ = world.expect(b, LED, predecessor="released")
    assert when - signalled < 2.0, "it reads every retry_period, 500 ms"
    world.output(b).wait_more(2)
    world.check_once("a", "b")
    said = [line["lease"] for line in b.log() if line.get("msg", "").startswith(NO_WATCH)]
    assert len(said) == len(set(said)), f"said twice: {said}"


@pytest.mark.only("kubesim")
def test_permission_that_is_taken_away_and_given_back(world, namespace):
    """Takes until the gate closes, and needs no restart."""
    a = world.start_leader("a", config(world, "a", namespace))
    world.output(a).wait_more(2)
    rule = world.api.sim("POST", "rules", {"allow": False, "user": "admin", "verb": "update", "resource": "leases", "namespace": namespace})
    world.expect(a, DENIED, verb="update")
    world.expect(a, "This replica does not lead any more", reason="no renewal succeeded in time")
    mark = len(a.err)
    world.api.sim("DELETE", f"rules/{rule['id']}")
    wait_until(lambda: a.wait_log("This replica leads again", 0, mark) or a.wait_log(LED, 0, mark), 20, "it leads again")
    world.output(a).wait_more(2)
    assert sum(line.get("msg", "").startswith(DENIED) for line in a.log()) == 1


def test_missing_namespace_is_said_once_and_mended_without_restart(world):
    name = f"not-yet-{world.lease}"
    a = world.start("a", config(world, "a", name))
    found = a.wait_log("The Lease cannot be created: its namespace does not exist", 20 if world.server.kind == "apiserver" else 3)
    if found is None:
        assert world.server.kind == "kubesim", "nothing was said"
        pytest.skip("kubesim has no namespaces that must exist")
    world.api.create_namespace(name)
    world.expect(a, LED)
    assert sum("its namespace does not exist" in line.get("msg", "") for line in a.log()) == 1
