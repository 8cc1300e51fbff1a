"""A leader that crashed, and what the status of its pod proves. There is no kubelet here: the tests write what it would report."""
import signal
import time

import pytest
import yaml
from harness.holder_pod import Pod, back_off, message, message_path, running, terminated, unix
from harness.metrics import free_port, page, reader
from harness.replicas import LED
from harness.world import SHORT, SHORT_DURATION, wait_until

AT_ONCE = "The holder's container has terminated: claiming at once"
DENIED = "No permission to watch the pod of the Lease's holder"
DEFAULT_DURATION = 15


def config(world, name, **settings):
    settings = {"termination_message_path": message_path(world, name), **settings}
    return world.config(name, extensions={"leaderelector/foo": world.extension(**settings)})


def later_second_than_the_term(world):
    """The container ends in a second of its own, as all do that ran for a while."""
    began = int(unix(world.spec()["acquireTime"]))
    wait_until(lambda: int(time.time()) > began, 3, "the next second")


def crash(world, replica):
    """Kills it, once it has left a note; returns (when, the last renewal on the Lease)."""
    annotation = "baton.dev/note"
    wait_until(lambda: '"enqueued"' in world.api.lease(world.lease)["metadata"]["annotations"].get(annotation, ""), 10, "a note")
    when = replica.signal(signal.SIGKILL)
    replica.wait(5)
    return when, unix(world.spec()["renewTime"])


def check_claimed_before_expiry(world, b, reported, renewed, proof, duration=DEFAULT_DURATION):
    when, line = world.expect(b, LED)
    print(f"{world.lease}: leads {(when - reported) * 1000:.0f} ms after the status, "
          f"{renewed + duration - when:.1f} s before the Lease expires")
    assert unix(world.spec()["acquireTime"]) < renewed + duration - 1
    assert line["predecessor"] == "expired"
    _, said = world.expect(b, AT_ONCE)
    assert said["proof"] == proof and 0 < said["expires_in_s"] <= duration
    world.output(b).wait_more(2)
    before, after = world.check_no_double("a", "b")
    assert max(before) < min(after)


@pytest.mark.parametrize("shape", ("terminated", "waits", "restarted", "gone"))
def test_termination_message_hands_over_at_once(world, shape):
    """Whatever has happened to the pod since: the message tells which process is gone."""
    pod = Pod(world, "a")
    a = world.start_leader("a", config(world, "a"), env=pod.env)
    b = world.start_standby("b", config(world, "b"))
    world.output(a).wait_more(2)
    assert message(world, "a").startswith("baton.dev/incarnation ")
    killed, renewed = crash(world, a)
    end = terminated(killed, message(world, "a"))
    if shape == "terminated":
        reported = pod.report(end)
    elif shape == "waits":
        reported = pod.report(back_off(), last=end)
    elif shape == "restarted":
        reported = pod.report(running(), last=end)
    else:
        reported = pod.report(end, phase="Failed")
        pod.delete()
    check_claimed_before_expiry(world, b, reported, renewed, "termination message")


def test_container_status_hands_over_at_once(world):
    """Without a termination message the order of what was seen decides; only the named container counts."""
    settings = {"termination_message_path": "", "container_name": "baton"}
    pod = Pod(world, "a", ("other", "baton"), sidecars=("mesh",))
    pod.report(running(), running(), inits=(running(),))
    a = world.start_leader("a", config(world, "a", **settings), env=pod.env)
    b = world.start_standby("b", config(world, "b", **settings))
    world.output(a).wait_more(2)
    later_second_than_the_term(world)
    killed, renewed = crash(world, a)
    reported = pod.report(running(), terminated(killed), inits=(running(),))
    check_claimed_before_expiry(world, b, reported, renewed, "container status")


def test_standby_that_comes_after_the_crash(world):
    pod = Pod(world, "a")
    a = world.start_leader("a", config(world, "a"), env=pod.env)
    world.output(a).wait_more(2)
    killed, renewed = crash(world, a)
    reported = pod.report(terminated(killed, message(world, "a")))
    port = free_port()
    settings = config(world, "b")
    settings["service"]["telemetry"] = {"metrics": reader(port)}
    b = world.start("b", settings)
    check_claimed_before_expiry(world, b, reported, renewed, "termination message")
    assert page(port).get("baton_leader_elector_dead_holders", lease=world.lease, namespace="default") == 1


@pytest.mark.parametrize("with_message", (True, False), ids=("message", "no-message"))
def test_late_status_of_a_container_that_runs_again(world, with_message):
    """The new process took its own Lease back before the kubelet's report of the old one's end came."""
    path = {} if with_message else {"termination_message_path": ""}
    pod = Pod(world, "a")
    a = world.start_leader("a", config(world, "a", **path, **SHORT), env=pod.env)
    b = world.start_standby("b", config(world, "b", **path, **SHORT))
    world.output(a).wait_more(2)
    killed, _ = crash(world, a)
    old_message = message(world, "a")
    again = world.start("a2", config(world, "a2", **path, **SHORT), env=pod.env)
    world.expect(again, LED)
    watch = world.watch()
    pod.report(terminated(killed, old_message))
    watch.wait_more(3)
    pod.report(running(), last=terminated(killed, old_message))
    watch.wait_more(2)
    assert not b.wait_log(LED, 0) and not b.wait_log(AT_ONCE, 0)
    assert {lease["spec"]["holderIdentity"] for _, _, lease in watch.events} == {pod.identity}
    world.check_no_double("a", "a2", "b")


def made_up_end():
    return {"terminated": {"exitCode": 137, "reason": "ContainerStatusUnknown", "startedAt": None, "finishedAt": None,
                           "message": "The container could not be located when the pod was terminated"}}


NOT_READY = [{"type": "Ready", "status": "False", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status."}]
# What may be seen of a pod after a crash: (containers, what happens). None of it proves anything.
NO_PROOF = {
    "nothing": (("baton",), lambda pod, when: None),
    "deleted": (("baton",), lambda pod, when: pod.delete()),
    "deletion-asked": (("baton",), lambda pod, when: pod.delete(600)),
    "another-uid": (("baton",), lambda pod, when: (pod.delete(), pod.create(), pod.report(terminated(when)))),
    "phase-failed": (("baton",), lambda pod, when: pod.report(running(), phase="Failed", conditions=[
        {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByPodGC"}])),
    "phase-unknown": (("baton",), lambda pod, when: pod.report(running(), phase="Unknown", reason="NodeLost")),
    "unreachable": (("baton",), lambda pod, when: pod.report(running(), conditions=NOT_READY)),
    "status-unknown": (("baton",), lambda pod, when: pod.report(made_up_end(), phase="Failed")),
    "another-runs": (("baton", "other"), lambda pod, when: pod.report(terminated(when), running())),
    "wrong-container": (("baton", "other"), lambda pod, when: pod.report(running(), terminated(when))),
    "runs-again": (("baton",), lambda pod, when: pod.report(running(), last=terminated(when))),
    "earlier-instance": (("baton",), lambda pod, when: pod.report(terminated(when - 3600))),
    "other-message": (("baton",), lambda pod, when: pod.report(terminated(when, f"baton.dev/incarnation {'0f' * 16}\n"))),
    "configured-identity": (("baton",), lambda pod, when: pod.report(terminated(when))),
}


def test_what_proves_nothing(world):
    """One process leads by one Lease for each case, under the identity of that case's pod; the last case is one that proves it."""
    cases = {**NO_PROOF, "proof": (("baton",), lambda pod, when: pod.report(terminated(when)))}
    pods, leases = {}, {case: f"{world.lease}-{case}" for case in cases}
    for case, (containers, _) in cases.items():
        extra = {"nodeName": "node-1"} if case == "deletion-asked" else {}
        pods[case] = Pod(world, case, containers, **extra)
        pods[case].report(*(running() for _ in containers))

    def replica(name):
        extensions = {f"leaderelector/{case}": world.extension(
            leases[case], **SHORT, termination_message_path="", identity=identity(name, case),
            **({"container_name": "baton"} if case == "wrong-container" else {})) for case in cases}
        config = world.config(name, {f"dummy/{case}": f"leaderelector/{case}" for case in cases}, extensions)
        config["service"]["telemetry"] = {"logs": {"sampling": {"enabled": False}}}  # equal lines about many Leases
        return config

    def identity(name, case):
        if case == "configured-identity":
            return f"{name} of {pods[case].identity}"
        return pods[case].identity if name == "a" else f"{name}_other"

    a = world.start("a", replica("a"))
    for lease in leases.values():
        world.expect(a, LED, lease=f"default/{lease}")
    b = world.start("b", replica("b"))
    for lease in leases.values():
        world.expect(b, "Another replica leads", lease=f"default/{lease}")
    began = max(int(unix(world.spec(lease)["acquireTime"])) for lease in leases.values())
    wait_until(lambda: int(time.time()) > began, 3, "the next second")
    killed = a.signal(signal.SIGKILL)
    a.wait(5)
    specs = world.api.lease_specs()  # all at one moment: the first ones may expire soon
    renewed = {case: unix(specs[lease]["renewTime"]) for case, lease in leases.items()}
    for case, (_, happens) in sorted(cases.items(), key=lambda item: item[0] != "proof"):  # the proof first: it must come before the expiry
        happens(pods[case], killed)
    for lease in leases.values():
        world.expect(b, LED, lease=f"default/{lease}")
    early = [case for case, lease in leases.items() if unix(world.spec(lease)["acquireTime"]) < renewed[case] + SHORT_DURATION]
    said = {line["lease"].removeprefix(f"default/{world.lease}-") for line in b.log() if line.get("msg") == AT_ONCE}
    assert early == ["proof"] and said == {"proof"}
    for case in cases:
        world.check_no_double("a", "b", output=f"dummy-{case}")


def test_without_permission_it_waits_for_the_expiry(world):
    """auto says nothing; true says which Role is missing, and with that very Role it works."""
    user, namespace = "baton-b", world.lease
    world.api.create_namespace(namespace)  # roles of one test must not help another
    world.api.create_role({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": "leases", "namespace": namespace},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["get", "watch", "update", "create"]}]}, user)

    def spec():
        return world.api.lease(world.lease, namespace)["spec"]

    def crash_of(replica, pod):
        killed = replica.signal(signal.SIGKILL)
        replica.wait(5)
        renewed = unix(spec()["renewTime"])
        pod.report(terminated(killed, message(world, replica.name)))
        return renewed

    short = {**SHORT, "lease_namespace": namespace}
    pod = Pod(world, "a", namespace=namespace)
    a = world.start_leader("a", config(world, "a", **short), env=pod.env)
    demanding = world.start("b", config(world, "b", **short, standby="warm", dead_holder_check=True), user=user)
    silent = world.start("c", config(world, "c", **short, standby="warm"), user=user)
    _, line = world.expect(demanding, DENIED)
    assert line["level"] == "warn"
    role = yaml.safe_load(line["role"])
    assert role["rules"] == [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "watch"]}]
    world.expect(silent, "Another replica leads")
    world.output(a).wait_more(2)
    renewed = crash_of(a, pod)
    wait_until(lambda: demanding.wait_log(LED, 0) or silent.wait_log(LED, 0), 20, "one of them leads")
    assert unix(spec()["acquireTime"]) >= renewed + SHORT_DURATION
    for replica in (demanding, silent):
        assert not replica.wait_log(AT_ONCE, 0)
    assert not silent.wait_log(DENIED, 0)
    world.end(demanding)
    world.end(silent)

    world.api.create_role(role, user)
    pod = Pod(world, "d", namespace=namespace)
    d = world.start_leader("d", config(world, "d", lease_namespace=namespace), env=pod.env)
    e = world.start_standby("e", config(world, "e", lease_namespace=namespace), user=user)
    world.output(d).wait_more(2)
    renewed = crash_of(d, pod)
    world.expect(e, AT_ONCE)
    world.expect(e, LED)
    assert unix(spec()["acquireTime"]) < renewed + DEFAULT_DURATION - 1


@pytest.mark.only("kubesim")
def test_only_the_next_in_line_watches_the_pod(world):
    """So the cost does not grow with the number of replicas."""
    def watches():
        return sum(watch["resource"] == "pods" for watch in world.api.sim("GET", "requests?last=0")["watches"])
    wait_until(lambda: watches() == 0, 10, "the watches of tests before have ended")
    pod = Pod(world, "a")
    a = world.start_leader("a", config(world, "a"), env=pod.env)
    b = world.start_standby("b", config(world, "b"))
    others = [world.start(name, config(world, name)) for name in "cde"]
    for replica in others:
        world.expect(replica, "Another replica is the next to lead")
    wait_until(lambda: watches() == 1, 10, "a watch on the pod")
    world.output(a).wait_more(5)
    assert watches() == 1
    killed, renewed = crash(world, a)
    reported = pod.report(terminated(killed, message(world, "a")))
    check_claimed_before_expiry(world, b, reported, renewed, "termination message")
    wait_until(lambda: watches() == 1, 10, "the next one watches the pod of the new leader")


def test_off_means_off(world):
    pod = Pod(world, "a")
    a = world.start_leader("a", config(world, "a", **SHORT, dead_holder_check=False), env=pod.env)
    b = world.start_standby("b", config(world, "b", **SHORT, dead_holder_check=False))
    world.output(a).wait_more(2)
    assert message(world, "a") == ""
    later_second_than_the_term(world)
    killed, renewed = crash(world, a)
    pod.report(terminated(killed))
    world.expect(b, LED)
    assert unix(world.spec()["acquireTime"]) >= renewed + SHORT_DURATION and not b.wait_log(AT_ONCE, 0)


def test_name_of_no_container_is_said(world):
    pod = Pod(world, "a")
    world.start_leader("a", config(world, "a", container_name="colector"), env=pod.env)
    b = world.start_standby("b", config(world, "b", container_name="colector"))
    _, line = world.expect(b, "The pod of the Lease's holder has no container of this name")
    assert line["level"] == "warn" and line["container_name"] == "colector"
