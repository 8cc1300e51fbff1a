"""What the status of the leader's pod says when it is lost, and when it is not: a claim before the expiry needs a proof."""
import time

from harness.holder_pod import Pod, message, message_path, running, terminated
from registry import fault
from stage import LED, LOST

AT_ONCE = "The holder's container has terminated: claiming at once"
STAYS = "proves nothing: the leader stays, none missing"


def in_pods(stage, containers=("baton",), **settings):
    """a in a pod of its own, which leads, and b, which follows it."""
    pod = Pod(stage, "a", containers)
    pod.report(*(running() for _ in containers))
    change = {"termination_message_path": message_path(stage, "a"), **settings}
    a = stage.start_leader("a", env=pod.env, **change)
    b = stage.start_standby("b", **{**change, "termination_message_path": message_path(stage, "b")})
    stage.settle(a)
    return a, b, pod


def goes_on(stage, a, b):
    stage.lease_watch.wait_more(4)
    stage.backend.more(3, ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0) and not b.wait_log(AT_ONCE, 0)
    stage.hand_over(a, b)


def last_words(stage, when):
    return terminated(when, message(stage, "a"))


@fault("another container of the leader's pod has terminated", STAYS, "dead_holder")
def status_of_another_container(stage):
    a, b, pod = in_pods(stage, ("baton", "other"))
    pod.report(running(), terminated(time.time()))
    goes_on(stage, a, b)


@fault("a pod of the same name and another uid has terminated: the leader's was deleted by force, while its process lives", STAYS, "dead_holder")
def status_of_another_uid(stage):
    a, b, pod = in_pods(stage)
    pod.delete()
    pod.create()
    pod.report(terminated(time.time()))
    goes_on(stage, a, b)


@fault("the leader's pod is deleted by force, its process lives", STAYS, "dead_holder")
def pod_deleted_by_force(stage):
    a, b, pod = in_pods(stage)
    pod.delete()
    goes_on(stage, a, b)


@fault("the leader's pod is deleted by force, its process is killed", "proves nothing: *excused*", "dead_holder")
def pod_deleted_by_force_and_sigkill(stage):
    a, b, pod = in_pods(stage)
    mark, since = stage.backend.mark(), stage.kill(a)
    pod.delete()
    stage.take_over(a, candidates=[b], since=since, mark=mark)
    assert not b.wait_log(AT_ONCE, 0)


@fault("SIGKILL of the leader, its container's end is reported at once, at a lease duration of 9 s", "claimed as soon as it is reported", "dead_holder")
def status_of_a_killed_leader(stage):
    a, b, pod = in_pods(stage, lease_duration="9s", renew_deadline="6s")
    mark, since = stage.backend.mark(), stage.kill(a)
    pod.report(last_words(stage, since))
    reported = time.time()
    stage.taken_by([b], mark)
    stage.expect(b, AT_ONCE)
    stage.excuse(since, reported + 1, "the leader was killed")


@fault("SIGKILL of the leader, its container's end is reported when its successor leads", "*excused*; the successor stays", "dead_holder")
def status_comes_late(stage):
    a, b, pod = in_pods(stage)
    mark, since = stage.backend.mark(), stage.kill(a)
    stage.take_over(a, candidates=[b], since=since, mark=mark)
    c = stage.start_standby("c")
    pod.report(last_words(stage, since))
    stage.lease_watch.wait_more(3)
    assert not b.wait_log(LOST, 0) and not c.wait_log(LED, 0) and not c.wait_log(AT_ONCE, 0)
    stage.hand_over(b, c)


@fault("SIGKILL of the leader; its container runs again and has its Lease back when the former instance's end is reported",
       "taken back at once by the new process, which stays; what fell due in between is missing", "dead_holder")
def status_of_a_former_instance(stage):
    a, b, pod = in_pods(stage)
    since = stage.kill(a)
    a.wait(5)
    words = last_words(stage, since)
    again = stage.start_leader("d", env=pod.env, termination_message_path=message_path(stage, "a"))
    stage.excuse(since, time.time(), "the container was restarted")
    pod.report(words)
    stage.lease_watch.wait_more(2)
    pod.report(running(), last=words)
    stage.lease_watch.wait_more(3)
    assert not again.wait_log(LOST, 0) and not b.wait_log(LED, 0) and not b.wait_log(AT_ONCE, 0)
    stage.hand_over(again, b)
