"""Replicas on different API servers of one cluster, one of which is behind or stands still, and replicas that move from one to the other."""
import time

from registry import APISERVER, fault
from stage import FOLLOWS, LED, LOST

GROUP = {"group": "two_servers", "servers": APISERVER, "two_servers": True}
KEPT = "the leader stays, none missing"
LAG_MS = 200


def pair(stage, leader=None, standby=None):
    """a leads on one server, b stands by on another one; both are caught up."""
    a = stage.start_leader("a", server=leader)
    b = stage.start_standby("b", server=standby)
    stage.settle(a)
    return a, b


def move(stage, replica, server):
    """As a load balancer does when a backend of it goes: connections are reset, new ones go elsewhere."""
    link = stage.link(replica)
    link.target(server.url.removeprefix("https://"))
    assert link.cut() > 0, f"{replica.name} has no connection that could move"


def is_behind(stage):
    newest = int(stage.api.lease(stage.lease)["metadata"]["resourceVersion"])
    assert stage.lagging.cached_version(stage.lease) < newest, "the cache of the server shows the newest version"


def stays(a, b):
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)


@fault("the leader's server is 200 ms behind; then SIGTERM", KEPT, **GROUP)
def leader_on_a_server_that_lags(stage):
    a, b = pair(stage, leader=stage.lagging)
    stage.lagging.lag(LAG_MS)
    stage.lease_watch.wait_more(5)
    stays(a, b)
    stage.hand_over(a, b)


@fault("the standby's server is 200 ms behind; then SIGTERM of the leader", KEPT, **GROUP)
def standby_on_a_server_that_lags(stage):
    a, b = pair(stage, standby=stage.lagging)
    stage.lagging.lag(LAG_MS)
    stage.lease_watch.wait_more(5)
    stays(a, b)
    stage.hand_over(a, b)


@fault("the standby's server is 200 ms behind; SIGKILL of the leader", "*excused*", **GROUP)
def standby_on_a_server_that_lags_and_sigkill(stage):
    a, b = pair(stage, standby=stage.lagging)
    stage.lagging.lag(LAG_MS)
    stage.lease_watch.wait_more(3)
    mark = stage.backend.mark()
    stage.take_over(a, candidates=[b], since=stage.kill(a), mark=mark)


@fault("the leader's server hears nothing from etcd any more, and catches up when another one leads", "*excused*; it stops in time and follows later", **GROUP)
def leader_on_a_server_that_stands(stage):
    a, b = pair(stage, leader=stage.lagging)
    mark, since, log = stage.backend.mark(), time.time(), len(a.err)
    stage.lagging.stand()
    stage.take_over(a, candidates=[b], since=since, mark=mark)
    stage.expect(a, LOST, start=log)
    stage.lagging.catch_up()  # what waited there is written now: a renewal of a term that has ended
    stage.expect(a, FOLLOWS, 40, start=log, holder="b_uid-of-b")
    stage.lease_watch.wait_more(3)
    assert not b.wait_log(LOST, 0)
    stage.hand_over(b, a)


@fault("the standby's server hears nothing from etcd any more, for longer than the Lease, and catches up; then SIGTERM of the leader",
       "the standby, to which the Lease looks as if it had run out, takes nothing; none missing", **GROUP)
def standby_on_a_server_that_stands(stage):
    a, b = pair(stage, standby=stage.lagging)
    stage.lagging.stand()
    stage.wait_past(stage.timing.lease + 2 * stage.timing.retry)
    is_behind(stage)
    stage.lagging.catch_up()  # a claim that waited there meets a newer version
    stage.lease_watch.wait_more(3)
    stays(a, b)
    stage.hand_over(a, b)


@fault("the process of the standby's server stands still for longer than the Lease; then SIGTERM of the leader", KEPT, **GROUP)
def server_of_the_standby_is_paused(stage):
    a, b = pair(stage, standby=stage.lagging)
    stage.lagging.freeze()
    stage.wait_past(stage.timing.lease + 2 * stage.timing.retry)
    stage.lagging.thaw()
    stage.lease_watch.wait_more(3)
    stays(a, b)
    stage.hand_over(a, b)


@fault("the standby moves to a server whose cache has stopped before what it knows already, which catches up later; then SIGTERM of the leader",
       "what it is shown of the past counts for nothing: it takes nothing; none missing", **GROUP)
def standby_moves_into_the_past(stage):
    a, b = pair(stage)
    stage.lagging.stand()
    stage.lease_watch.wait_more(2)
    move(stage, b, stage.lagging)
    is_behind(stage)
    stage.wait_past(stage.timing.lease)
    stage.lagging.catch_up()
    stage.lease_watch.wait_more(3)
    stays(a, b)
    stage.hand_over(a, b)


@fault("the leader moves to a server that is 200 ms behind, and back, again and again; then SIGTERM", KEPT, **GROUP)
def leader_moves_to_and_fro(stage):
    a, b = pair(stage)
    stage.lagging.lag(LAG_MS)
    for server in (stage.lagging, stage.server, stage.lagging):
        move(stage, a, server)
        stage.lease_watch.wait_more(2)
    stays(a, b)
    stage.hand_over(a, b)


@fault("the leader moves to a server whose cache shows its former renewals, and from it when it has been lost; the standby takes over on the other one",
       "*excused*; it follows when it is back", **GROUP)
def leader_moves_into_the_past(stage):
    a, b = pair(stage)
    stage.lagging.stand()
    stage.lease_watch.wait_more(2)
    mark, since, log = stage.backend.mark(), time.time(), len(a.err)
    move(stage, a, stage.lagging)
    is_behind(stage)
    stage.take_over(a, candidates=[b], since=since, mark=mark)
    move(stage, a, stage.server)
    stage.lagging.catch_up()
    stage.expect(a, FOLLOWS, 40, start=log, holder="b_uid-of-b")
    stage.lease_watch.wait_more(2)
    stage.hand_over(b, a)


@fault("leader and standby change servers at once, one of which is 200 ms behind; SIGTERM of the leader right behind it", "none missing", **GROUP)
def both_change_servers(stage):
    a, b = pair(stage, leader=stage.lagging)
    stage.lagging.lag(LAG_MS)
    move(stage, a, stage.server)
    move(stage, b, stage.lagging)
    stage.hand_over(a, b)
