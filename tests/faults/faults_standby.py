"""Replicas that do not lead: they come, go and are lost, alone or with the leader."""
import signal
import time

from registry import fault
from stage import FOLLOWS, LED, LOST, PATIENCE

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
    mark, since = stage.backend.mark(), stage.kill(a, b)
    stage.take_over(a, candidates=[c], since=since, mark=mark, reachable=since + stage.timing.lease)  # c is young: it counts from its start


@fault("leader and standby are cut off at once, a third replica is there", "*excused*; both follow when they are back", "standby")
def leader_and_standby_cut_off(stage):
    a, b, c = stage.trio()
    mark, since = stage.backend.mark(), time.time()
    for replica in (a, b):
        stage.link(replica).hold()
    stage.take_over(a, candidates=[c], since=since, mark=mark, reachable=since + stage.timing.lease)  # as above
    logs = {replica: len(replica.err) for replica in (a, b)}
    for replica in (a, b):
        stage.link(replica).heal()
    if stage.standby == "auto":
        first_in_line(stage, a, b)
    else:
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
    stage.take_over(a, candidates=[c], since=since, mark=mark, reachable=since + stage.timing.lease)  # as above
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


# -- the standby's Lease; all of this is for `standby: auto` --

def standby_lease(stage):
    return f"{stage.lease}-standby"


def first_in_line(stage, *candidates):
    """The replica that the standby's Lease names."""
    end = time.monotonic() + PATIENCE
    while True:
        holder = stage.api.holder(standby_lease(stage)) or ""
        found = next((c for c in candidates if holder == f"{c.name}_uid-of-{c.name}"), None)
        if found:
            return found
        assert time.monotonic() < end, f"the standby's Lease names {holder!r}"
        time.sleep(0.02)


@fault("the standby's Lease is deleted; SIGTERM of the leader", "none missing", "standby")
def standby_lease_deleted(stage):
    a, b, c = stage.trio(standby="auto")
    first_in_line(stage, b, c)
    stage.api.delete_lease(standby_lease(stage))
    first_in_line(stage, b, c)
    stage.hand_over(a, b, c)


@fault("another name is written into the standby's Lease and never renewed; SIGTERM of the leader when it has run out", "none missing", "standby")
def standby_lease_edited(stage):
    a, b, c = stage.trio(standby="auto")
    first_in_line(stage, b, c)
    stage.api.edit_lease(standby_lease(stage), lambda lease: lease["spec"].update(holderIdentity="nobody-here", leaseDurationSeconds=2))
    first_in_line(stage, b, c)
    assert not a.wait_log(LOST, 0)
    stage.hand_over(a, b, c)


@fault("another name is written into the standby's Lease; SIGKILL of the leader at once",
       "*excused*, and as long again as the Lease of the standby that is not there", "standby")
def standby_lease_edited_and_sigkill(stage):
    a, b, c = stage.trio(standby="auto")
    first_in_line(stage, b, c)
    mark = stage.backend.mark()
    stage.api.edit_lease(standby_lease(stage), lambda lease: lease["spec"].update(holderIdentity="nobody-here"))
    since = stage.kill(a)
    stage.take_over(a, candidates=[b, c], since=since, mark=mark, reachable=since + 2 * stage.timing.lease)


@fault("the standby's annotation about the main Lease is nonsense; leader and standby are killed, a third replica is there", "*excused*, and one more lease duration",
       "standby")
def standby_note_damaged(stage):
    a, b, c = stage.trio(standby="auto")
    killed = first_in_line(stage, b, c)
    stage.kill(killed)
    stage.api.edit_lease(standby_lease(stage), lambda lease: lease["metadata"]["annotations"].update({"baton.dev/main": "\u00e4/1/2/999"}))
    mark = stage.backend.mark()
    since = stage.kill(a)
    other = c if killed is b else b
    stage.take_over(a, candidates=[other], since=since, mark=mark, reachable=since + 3 * stage.timing.lease)


@fault("the first in line is cut off; SIGTERM of the leader", "what fell due until the standby's Lease has run out as well is missing", "standby")
def standby_cut_off_and_sigterm(stage):
    a, b, c = stage.trio(standby="auto")
    first = first_in_line(stage, b, c)
    other = c if first is b else b
    stage.link(first).hold()
    mark = stage.backend.mark()
    when = stage.end(a)
    stage.taken_by([other], mark)
    stage.excuse(when, when + stage.timing.lease + 2 * stage.timing.retry, "the first in line was cut off")
    stage.link(first).heal()
    stage.backend.more(5, [other.name])


@fault("nobody may write the standby's Lease; SIGTERM of the leader", "as with `cold`: none missing; said once", "standby")
def standby_lease_forbidden(stage):
    leases = {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"]}
    stage.api.create_role({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": stage.lease, "namespace": "default"},
        "rules": [{**leases, "resourceNames": [stage.lease], "verbs": ["get", "watch", "update"]}]}, "baton-a", "baton-b")
    stage.api.create_lease(stage.lease)
    a = stage.start_leader("a", user="baton-a", standby="auto")
    b = stage.start_standby("b", user="baton-b", standby="auto")
    stage.settle(a)
    stage.hand_over(a, b)


@fault("a crowd of six (`crowd: true`); leader and standby are killed at once", "*excused*, and two more lease durations: each looks once in one", "standby")
def crowd_loses_leader_and_standby(stage):
    a, b = stage.pair(standby="auto", crowd=True)
    others = [stage.start(name, standby="auto", crowd=True) for name in stage.next_names(4)]
    first = first_in_line(stage, b, *others)
    rest = [r for r in (b, *others) if r is not first]
    mark = stage.backend.mark()
    since = stage.kill(a, first)
    stage.take_over(a, candidates=rest, since=since, mark=mark, reachable=since + 4 * stage.timing.lease)


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
