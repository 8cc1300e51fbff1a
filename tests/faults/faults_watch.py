"""Watch events come late, in another order, twice, or not at all."""
from registry import fault
from stage import LED, LOST


def disturb(stage, *replicas, **events):
    """The replica's watch begins again, and its events are changed from then on."""
    for replica in replicas:
        rule_id = stage.link(replica).rule(path="watch=", events=events)
        stage.link(replica).cut()
        while stage.link(replica).hits(rule_id) == 0:
            stage.lease_watch.wait_more(1)


def then_hand_over(stage, a, b):
    stage.lease_watch.wait_more(4)
    stage.backend.more(2, ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("events come three intervals late, at the leader and at the standby; then SIGTERM", "the leader stays, none missing", "watch", web=True)
def events_late(stage):
    a, b = stage.pair()
    disturb(stage, a, b, delay_ms=3 * stage.timing.interval_ms)
    then_hand_over(stage, a, b)


@fault("of two changes in a row the later one comes first; then SIGTERM", "the leader stays; none missing, or *excused* if the release was held back",
       "watch", web=True)
def events_reordered(stage):
    a, b = stage.pair()
    disturb(stage, a, b, swap=True)
    stage.lease_watch.wait_more(4)
    stage.backend.more(2, ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    hand_over_unseen(stage, a, b)


@fault("each change comes twice; then SIGTERM", "the leader stays, none missing", "watch", web=True)
def events_repeated(stage):
    a, b = stage.pair()
    disturb(stage, a, b, repeat=True)
    then_hand_over(stage, a, b)


@fault("every second change is lost; then SIGTERM", "the leader stays; none missing, or *excused* if the release was lost", "watch", web=True)
def events_lost(stage):
    a, b = stage.pair()
    disturb(stage, a, b, drop=2)
    stage.lease_watch.wait_more(4)
    stage.backend.more(2, ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    hand_over_unseen(stage, a, b)


@fault("the standby's watch is open and says nothing any more; then SIGTERM of the leader", "the standby takes nothing that is renewed; *excused*", "watch",
       web=True)
def watch_silent(stage):
    a, b = stage.pair()
    disturb(stage, b, silent=True)
    stage.lease_watch.wait_more(int(stage.timing.lease) + 1)
    assert not b.wait_log(LED, 0)
    hand_over_unseen(stage, a, b)


def hand_over_unseen(stage, a, b):
    """The standby may not see the release; it looks when the Lease should have expired."""
    mark = stage.backend.mark()
    when = stage.end(a)
    stage.taken_by([b], mark)
    stage.excuse(when, when + stage.timing.lease, "the release was not seen")
