"""Replicas that do not lead: they come, go and are lost, alone or with the leader."""
import signal
import time

from registry import fault
from stage import FOLLOWS, LED, LOST

CROWD = [f"r{n}" for n in range(50)]


@fault("SIGTERM of the standby; another one comes; SIGTERM of the leader", "none missing", "standby")
def standby_ends(stage):
    a, b = stage.pair()
    stage.end(b)
    c = stage.start_standby("c")
    assert not a.wait_log(LOST, 0)
    stage.hand_over(a, c)


@fault("SIGKILL of the standby; SIGTERM of the leader, a third replica is there", "none missing", "standby")
def standby_killed(stage):
    a, b, c = stage.trio()
    stage.kill(b)
    stage.lease_watch.wait_more(int(stage.timing.lease) + 1)
    stage.hand_over(a, c)


@fault("leader and standby are killed at once, a third replica is there", "*excused*", "standby")
def leader_and_standby_killed(stage):
    a, b, c = stage.trio()
    mark = stage.backend.mark()
    stage.take_over(a, candidates=[c], since=stage.kill(a, b), mark=mark)


@fault("leader and standby are cut off at once, a third replica is there", "*excused*; both follow when they are back", "standby")
def leader_and_standby_cut_off(stage):
    a, b, c = stage.trio()
    mark, since = stage.backend.mark(), time.time()
    for replica in (a, b):
        stage.link(replica).hold()
    stage.take_over(a, candidates=[c], since=since, mark=mark)
    logs = {replica: len(replica.err) for replica in (a, b)}
    for replica in (a, b):
        stage.link(replica).heal()
    for replica in (a, b):
        stage.expect(replica, FOLLOWS, 20, start=logs[replica], holder="c_uid-of-c")
    stage.lease_watch.wait_more(2)
    stage.hand_over(c, a, b)


@fault("SIGSTOP of leader and standby at once, a third replica is there", "*excused*; the paused ones emit nothing when they go on", "standby")
def leader_and_standby_paused(stage):
    a, b, c = stage.trio()
    mark, since = stage.backend.mark(), time.time()
    for replica in (a, b):
        replica.signal(signal.SIGSTOP)
    stage.take_over(a, candidates=[c], since=since, mark=mark)
    for replica in (b, a):
        replica.signal(signal.SIGCONT)
    stage.backend.more(5, ["c"])
    stage.lease_watch.wait_more(2)
    stage.hand_over(c, a, b)


@fault("SIGTERM of leader and standby at once, a third replica is there", "none missing", "standby")
def leader_and_standby_end(stage):
    a, b, c = stage.trio()
    mark = stage.backend.mark()
    for replica in (b, a):
        stage.may_have_ended.add(replica.name)
        replica.signal(signal.SIGTERM)
    for replica in (a, b):
        assert replica.wait(20) == 0
    stage.taken_by([c], mark)


@fault("a standby may read the Lease and not write it; SIGTERM of the leader, a third replica is there", "none missing", "standby")
def standby_forbidden_to_claim(stage):
    stage.api.create_role({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": stage.lease, "namespace": "default"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [stage.lease], "verbs": ["get", "watch"]},
                  {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [f"{stage.lease}-standby"],
                   "verbs": ["get", "watch", "update"]},
                  {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]}]}, "baton-b")
    a = stage.start_leader("a")
    b = stage.start_standby("b", user="baton-b")
    c = stage.start_standby("c")
    stage.settle(a)
    mark = stage.backend.mark()
    when = stage.end(a)
    stage.taken_by([c], mark)
    if stage.standby == "auto":  # b is first in line, and gives it up when it has tried in vain
        stage.excuse(when, when + 3 * stage.timing.retry, "the first in line was refused")
    assert not b.wait_log(LED, 0)


def crowd(stage):
    first, *others = CROWD
    leader = stage.start_leader(first)
    for name in others:
        stage.start(name)
    stage.settle(leader)
    for name in others:
        stage.expect(stage.replicas[name], FOLLOWS, 60)
    return leader, [stage.replicas[name] for name in others]


@fault("50 candidates; SIGTERM of the leader", "none missing", "standby", alone=True)
def fifty_claim_what_is_released(stage):
    leader, others = crowd(stage)
    stage.hand_over(leader, *others)
    assert sum(bool(r.wait_log(LED, 0)) for r in others) == 1


@fault("50 candidates; SIGKILL of the leader", "*excused*", "standby", alone=True)
def fifty_claim_what_has_expired(stage):
    leader, others = crowd(stage)
    mark = stage.backend.mark()
    stage.take_over(leader, candidates=others, since=stage.kill(leader), mark=mark)
    assert sum(bool(r.wait_log(LED, 0)) for r in others) == 1


stage_names = {"fifty_claim_what_is_released": CROWD, "fifty_claim_what_has_expired": CROWD}
