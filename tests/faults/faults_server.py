"""The API server answers wrongly, late, or not at all."""
import time

from registry import APISERVER, KUBESIM, fault
from stage import LED, LOST

KEPT = "the leader stays, none missing"
STOPPED = "the leader stops in time, nobody leads meanwhile, somebody does when it is over; what fell due until then is missing"

ONE_RENEWAL = {
    "500": ("answered 500", {"status": 500}),
    "500_executed": ("carried out and answered 500", {"status": 500, "execute": True}),
    "503": ("answered 503", {"status": 503}),
    "429": ("answered 429 with Retry-After: 5", {"status": 429, "retry_after": 5}),
    "409": ("answered 409", {"status": 409}),
    "401": ("answered 401", {"status": 401}),
    "late": ("answered late, within the time for a call", {"answer_delay_ms": 300}),
    "cut_before": ("lost with its connection", {"cut": "before"}),
    "cut_after": ("carried out, its answer is lost with the connection", {"cut": "after"}),
    "cut_middle": ("carried out, the connection breaks in the middle of the answer", {"cut": "middle"}),
    "hangs_before": ("never carried out nor answered", {"hang": "before"}),
    "hangs_after": ("carried out and never answered", {"hang": "after"}),
}
STORMS = {
    "500": ("500", {"status": 500}),
    "429": ("429 with Retry-After", {"status": 429, "retry_after": 1}),
    "409": ("409", {"status": 409}),
    "hang": ("nothing", {"hang": "before"}),
    "cut": ("by a broken connection", {"cut": "before"}),
}


def one_renewal(stage, rule):
    a, b = stage.pair()
    rule_id = stage.link(a).rule(method="PUT", times=1, **rule)
    stage.lease_watch.wait_more(3)
    assert stage.link(a).hits(rule_id) == 1, "no renewal was met"
    stage.backend.more(2, ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


def storm(stage, rule):
    a, b = stage.pair()
    links = [stage.link(replica) for replica in (a, b)]
    mark, since = stage.backend.mark(), time.time()
    for link in links:
        link.rule(method="PUT", **rule)
    stage.expect(a, LOST)
    stage.wait_past(stage.timing.lease)
    assert not b.wait_log(LED, 0)
    for link in links:
        link.heal()
    healed, mark = time.time(), stage.backend.mark()
    stage.taken_by([a, b], mark)
    stage.excuse(since, healed + 1 + stage.timing.retry, "nobody could renew")


def only_the_leader(stage, rule):
    a, b = stage.pair()
    mark, since = stage.backend.mark(), time.time()
    stage.link(a).rule(method="PUT", **rule)
    leader = stage.take_over(a, candidates=[b], since=since, mark=mark)
    stage.link(a).heal()
    stage.lease_watch.wait_more(2)
    stage.hand_over(leader, a)


def named(play, name, rule):
    def played(stage):
        play(stage, rule)
    played.__name__ = name
    return played


for key, (words, rule_of) in ONE_RENEWAL.items():
    fault(f"one renewal is {words}", KEPT, "server", web=True)(named(one_renewal, f"renewal_{key}", rule_of))
for key, (words, rule_of) in STORMS.items():
    fault(f"all writes are answered {words}, for longer than the Lease", STOPPED, "server", web=True)(named(storm, f"storm_{key}", rule_of))
for key in ("500", "409", "hang"):
    words, rule_of = STORMS[key]
    fault(f"the leader's writes are answered {words}, nobody else's", "*excused*", "server", web=True)(
        named(only_the_leader, f"leader_storm_{key}", rule_of))


@fault("every answer takes 300 ms; then SIGTERM", "the leader stays, none missing", "server", web=True)
def slow_answers(stage):
    a, b = stage.pair()
    for replica in (a, b):
        stage.link(replica).rule(method="PUT,GET,POST", answer_delay_ms=300)
        stage.link(replica).cut()
    stage.lease_watch.wait_more(4)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


def carried_out_unanswered(stage, **rule):
    """A read tells the leader that its writes stand."""
    a, b = stage.pair()
    rule_id = stage.link(a).rule(method="PUT", **rule)
    stage.backend.more(int(3 * stage.timing.lease / stage.timing.interval), ["a"])
    assert stage.link(a).hits(rule_id) >= 3
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.link(a).clear()
    stage.lease_watch.wait_more(1)
    stage.hand_over(a, b)


@fault("each answer to a write of the leader takes longer than it waits", KEPT, "server", web=True)
def answers_too_slow(stage):
    carried_out_unanswered(stage, answer_delay_ms=5000)


@fault("the leader's writes are carried out and never answered", KEPT, "server", web=True)
def answers_never_come(stage):
    carried_out_unanswered(stage, hang="after")


@fault("the leader's writes are carried out and answered 500", KEPT, "server", web=True)
def answers_are_wrong(stage):
    carried_out_unanswered(stage, status=500, execute=True)


@fault("the watch is ended by 410 Gone, and refused so once more", "none missing", "server", web=True)
def watch_gone(stage):
    a, b = stage.pair()
    for replica in (a, b):
        stage.link(replica).rule(path="watch=", status=410, times=1)
        stage.link(replica).cut("fin")
    stage.lease_watch.wait_more(2)
    stage.hand_over(a, b)


@fault("the API server stands still, for less than the Lease", KEPT, "server", own_server=True)
def server_pauses(stage):
    a, b = stage.pair()
    stage.lease_watch.wait_more(1)
    stage.server.freeze()
    stage.wait_past(stage.timing.lease / 3)
    stage.server.thaw()
    stage.lease_watch.wait_more(2)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the API server stands still, for longer than the Lease", STOPPED, "server", own_server=True)
def server_stands_still(stage):
    a, b = stage.pair()
    since = time.time()
    stage.server.freeze()
    stage.expect(a, LOST)
    stage.wait_past(stage.timing.lease)
    mark = stage.backend.mark()
    stage.server.thaw()
    healed = time.time()
    stage.taken_by([a, b], mark)
    stage.excuse(since, healed + stage.timing.lease, "the API server stood still")


@fault("the API server drops all connections and is away for a moment", KEPT, "server", servers=KUBESIM, own_server=True)
def server_restarts_quickly(stage):
    a, b = stage.pair()
    stage.lease_watch.wait_more(1)
    stage.api.sim("POST", "restart", {"down_ms": int(stage.timing.lease * 250)})
    stage.backend.more(int(stage.timing.lease / stage.timing.interval), ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the API server drops all connections and is away for longer than the Lease", STOPPED, "server", servers=KUBESIM, own_server=True)
def server_restarts_slowly(stage):
    a, b = stage.pair()
    since = time.time()
    down = stage.timing.lease + 2
    stage.api.sim("POST", "restart", {"down_ms": int(down * 1000)})
    stage.expect(a, LOST)
    stage.wait_past(max(0, since + down - time.time()))
    mark = stage.backend.mark()
    stage.taken_by([a, b], mark)
    stage.excuse(since, since + down + stage.timing.lease, "the API server was away")


@fault("the API server is stopped and started again", STOPPED + "; after a short one nothing happened", "server", servers=APISERVER, own_server=True)
def server_restarted(stage):
    a, b = stage.pair()
    since = time.time()
    stage.server.restart()
    healed, mark = time.time(), stage.backend.mark()
    stage.taken_by([a, b], mark)
    stage.excuse(since, healed + stage.timing.lease, "the API server was away")


@fault("history is compacted while all watches are down", "none missing", "server", servers=KUBESIM, own_server=True)
def history_compacted(stage):
    a, b = stage.pair()
    stage.api.sim("POST", "compact")
    stage.api.sim("POST", "drop_watches", {"how": "cut"})
    stage.backend.more(int(stage.timing.lease / stage.timing.interval), ["a"])
    stage.hand_over(a, b)


@fault("the API server is restored from an older state", "the leader stays or another one follows; never two", "server", servers=KUBESIM,
       own_server=True)
def server_restored(stage):
    a, b = stage.pair()
    version = int(stage.api.lease(stage.lease)["metadata"]["resourceVersion"])
    since = time.time()
    stage.lease_watch.wait_more(2)
    stage.api.sim("POST", "rollback", {"resource_version": version})
    restored, mark = time.time(), stage.backend.mark()
    stage.taken_by([a, b], mark, count=int(2 * stage.timing.lease / stage.timing.interval))
    stage.excuse(since, restored + stage.timing.lease, "the API server was restored")
