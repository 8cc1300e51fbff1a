"""The network between a replica and the API server."""
import time

from registry import fault
from stage import FOLLOWS, LED, LOST

EXCUSED = "*excused*; the cut off one stops in time and follows when it is back"


def cut_off(stage, replica, others, disturb, reachable=None):
    """The leader is lost behind its link; later it is back, and takes over again in order."""
    mark, since = stage.backend.mark(), time.time()
    disturb(stage.link(replica))
    leader = stage.take_over(replica, candidates=others, since=since, mark=mark, reachable=reachable)
    log = len(replica.err)
    stage.link(replica).heal()
    stage.expect(replica, FOLLOWS, 20, start=log, holder=f"{leader.name}_uid-of-{leader.name}")
    stage.backend.more(3, [leader.name])
    stage.hand_over(leader, replica)


@fault("the leader is cut off from the API server, both ways", EXCUSED, "network")
def partition_of_the_leader(stage):
    a, b = stage.pair()
    cut_off(stage, a, [b], lambda link: link.hold())


@fault("what the leader sends to the API server is lost", EXCUSED, "network")
def partition_to_the_server(stage):
    a, b = stage.pair()
    cut_off(stage, a, [b], lambda link: link.hold(down=False))


@fault("what the API server answers to the leader is lost, its writes are carried out", EXCUSED, "network")
def partition_from_the_server(stage):
    a, b = stage.pair()
    cut_off(stage, a, [b], lambda link: link.hold(up=False))


@fault("nobody listens any more where the leader finds the API server", EXCUSED, "network")
def refused_leader(stage):
    a, b = stage.pair()

    def disturb(link):
        link.set(refuse=True)
        link.cut()
    cut_off(stage, a, [b], disturb)


@fault("the standby is cut off from the API server for longer than the Lease; then SIGTERM of the leader", "none missing", "network")
def partition_of_the_standby(stage):
    a, b = stage.pair()
    stage.link(b).hold()
    stage.wait_past(stage.timing.lease + 1)
    stage.link(b).heal()
    stage.lease_watch.wait_more(4)
    assert not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("all replicas are cut off from the API server for longer than the Lease",
       "the leader stops in time, somebody leads when it is over; what fell due until then is missing", "network")
def partition_of_everybody(stage):
    a, b = stage.pair()
    since = time.time()
    for replica in (a, b):
        stage.link(replica).hold()
    stage.expect(a, LOST)
    stage.wait_past(stage.timing.lease)
    mark = stage.backend.mark()
    for replica in (a, b):
        stage.link(replica).heal()
    healed = time.time()
    stage.taken_by([a, b], mark)
    stage.excuse(since, healed + stage.timing.lease, "all were cut off")


@fault("the leader is cut off again and again, for less than the Lease", "the leader stays, none missing", "network")
def flapping(stage):
    a, b = stage.pair()
    for _ in range(4):
        stage.link(a).hold()
        stage.wait_past(stage.timing.lease / 6)
        stage.link(a).heal()
        stage.lease_watch.wait_more(1)
    stage.backend.more(2, ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)


@fault("the leader's connections are half open: the server's side is gone", "the leader stays, none missing", "network")
def half_open_leader(stage):
    a, b = stage.pair()
    stage.link(a).cut("half")
    stage.lease_watch.wait_more(3)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the standby's watch is half open; the leader goes in order a while later", "none missing", "network")
def half_open_standby(stage):
    a, b = stage.pair()
    stage.link(b).cut("half")
    stage.wait_past(stage.timing.lease + 1)
    stage.lease_watch.wait_more(2)
    assert not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the standby's watch is half open when the leader is killed", "*excused*", "network")
def half_open_standby_and_sigkill(stage):
    a, b = stage.pair()
    stage.link(b).cut("half")
    mark = stage.backend.mark()
    stage.take_over(a, candidates=[b], since=stage.kill(a), mark=mark)


@fault("30 to 90 ms on each way, at random; then SIGTERM", "the leader stays, none missing", "network")
def delay_and_jitter(stage):
    a, b = stage.pair()
    for replica in (a, b):
        stage.link(replica).set(up={"delay_ms": 30, "jitter_ms": 60}, down={"delay_ms": 30, "jitter_ms": 60})
    stage.lease_watch.wait_more(5)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("20 kB a second each way; then SIGTERM", "the leader stays, none missing", "network")
def slow_bytes(stage):
    a, b = stage.pair()
    for replica in (a, b):
        stage.link(replica).set(up={"bytes_per_second": 20000}, down={"bytes_per_second": 20000})
        stage.link(replica).cut("fin")
    stage.lease_watch.wait_more(4)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


def cut_again_and_again(stage, how):
    a, b = stage.pair()
    end = time.monotonic() + 2 * stage.timing.lease
    while time.monotonic() < end:
        for replica in (a, b):
            stage.link(replica).cut(how)
        stage.wait_past(stage.timing.lease / 8)
    stage.lease_watch.wait_more(2)
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("all connections are reset, again and again", "the leader stays, none missing", "network")
def resets(stage):
    cut_again_and_again(stage, "rst")


@fault("all connections are ended, again and again", "the leader stays, none missing", "network")
def ends_of_connections(stage):
    cut_again_and_again(stage, "fin")


@fault("the leader is cut off from the API server, the standby too, a moment later", "the leader stops in time; what fell due until the standby was back is missing",
       "network")
def partition_of_both_in_turn(stage):
    a, b = stage.pair()
    mark, since = stage.backend.mark(), time.time()
    stage.link(a).hold()
    stage.wait_past(stage.timing.lease / 2)
    stage.link(b).hold()
    stage.expect(a, LOST)
    stage.wait_past(stage.timing.lease)
    mark = stage.backend.mark()
    stage.link(b).heal()
    healed = time.time()
    leader = stage.taken_by([b], mark)
    stage.excuse(since, healed + stage.timing.lease, "both were cut off")
    log = len(a.err)
    stage.link(a).heal()
    stage.expect(a, FOLLOWS, 20, start=log, holder="b_uid-of-b")
    stage.backend.more(3, [leader.name])
