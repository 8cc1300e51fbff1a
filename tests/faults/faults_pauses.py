"""A process stands still, at each phase of a tick, and goes on when another one leads."""
import random
import signal
import time

from registry import fault
from stage import FOLLOWS, LED, LOST

PROMISE = "*excused*; the paused one emits nothing when it goes on"
SMALL_QUEUE = {"sending_queue": {"num_consumers": 1, "queue_size": 1}}


def let_it_go_on(stage, a, leader):
    """a goes on, notices, and is a candidate like any other."""
    mark = len(a.err)
    a.signal(signal.SIGCONT)
    lost = a.err.wait(lambda text: LOST in text or FOLLOWS in text, 20, mark)
    assert lost, "the paused one does not notice"
    stage.backend.more(4, [leader.name])
    stage.lease_watch.wait_more(1)
    stage.hand_over(leader, a)


def paused(stage, a, *others, since=None):
    """a is stopped now; returns when it has gone on and leads again."""
    mark = stage.backend.mark()
    a.signal(signal.SIGSTOP)
    leader = stage.take_over(a, candidates=others, since=since or time.time(), mark=mark)
    let_it_go_on(stage, a, leader)


@fault("SIGSTOP between two ticks for longer than the Lease", PROMISE, "pauses")
def pause_between_ticks(stage):
    a, b = stage.pair()
    stage.backend.more(1, ["a"])
    paused(stage, a, b)


@fault("SIGSTOP while a tick is collected: the queue is full in the middle of it",
       PROMISE + " but what it had handed over before, which comes behind the successor's first ticks, and again, unchanged, if the answer came too late",
       "pauses")
def pause_while_collecting(stage):
    stage.allowed.late_from = {"a"}
    stage.allowed.repeats = True
    a, b = stage.pair(signals=("metrics", "logs", "traces"), exporter=SMALL_QUEUE)
    since = time.time()
    stage.backend_link(a).hold(down=False)
    stage.wait_past(2 * stage.timing.interval)
    mark = stage.backend.mark()
    a.signal(signal.SIGSTOP)
    stage.backend_link(a).heal()
    leader = stage.take_over(a, candidates=[b], since=since, mark=mark)
    let_it_go_on(stage, a, leader)


@fault("SIGSTOP while a tick is being sent and another one waits in the queue",
       PROMISE + " but what it had handed over before, which comes behind the successor's first ticks, and again, unchanged, if the answer came too late",
       "pauses")
def pause_while_sending(stage):
    a, b = stage.pair()
    stage.allowed.late_from = {"a"}
    stage.allowed.repeats = True
    since = time.time()
    stage.backend_link(a).hold(down=False)
    stage.wait_past(2 * stage.timing.interval)
    mark = stage.backend.mark()
    a.signal(signal.SIGSTOP)
    stage.backend_link(a).heal()
    leader = stage.take_over(a, candidates=[b], since=since, mark=mark)
    let_it_go_on(stage, a, leader)


@fault("SIGSTOP while the answer to a tick is on its way and others wait in the queue",
       PROMISE + " but what it had handed over before; the tick whose answer came too late is sent again, unchanged", "pauses")
def pause_before_the_answer(stage):
    a, b = stage.pair()
    stage.allowed.late_from = {"a"}
    stage.allowed.repeats = True
    since = time.time()
    stage.backend_link(a).hold(up=False)
    stage.backend.more(1, ["a"])
    mark = stage.backend.mark()
    a.signal(signal.SIGSTOP)
    stage.backend_link(a).heal()
    leader = stage.take_over(a, candidates=[b], since=since, mark=mark)
    let_it_go_on(stage, a, leader)


@fault("SIGSTOP while a renewal is under way, which is carried out", PROMISE, "pauses")
def pause_while_renewing(stage):
    a, b = stage.pair()
    stage.link(a).hold(up=False)
    stage.lease_watch.wait_more(1)
    mark = stage.backend.mark()
    since = time.time()
    a.signal(signal.SIGSTOP)
    stage.link(a).heal()
    leader = stage.take_over(a, candidates=[b], since=since, mark=mark)
    let_it_go_on(stage, a, leader)


@fault("SIGSTOP at any moment", PROMISE, "pauses")
def pause_anywhere(stage):
    a, b = stage.pair()
    moment = random.random() * stage.timing.interval
    print(f"{stage.lease}: stopped {moment:.4f} s behind a tick")
    stage.backend.more(1, ["a"])
    stage.wait_past(moment)
    paused(stage, a, b)


@fault("SIGSTOP, for less than the Lease", "the leader stays; what fell due meanwhile is missing, but for the newest", "pauses")
def pause_shorter_than_the_lease(stage):
    a, b = stage.pair()
    stage.lease_watch.wait_more(1)
    when = time.time()
    a.signal(signal.SIGSTOP)
    stage.wait_past(stage.timing.lease / 3)
    a.signal(signal.SIGCONT)
    stage.excuse(when, time.time(), "it stood still", slack=0.2)
    stage.backend.more(4, ["a"])
    assert not b.wait_log(LED, 0) and not a.wait_log(LOST, 0)


@fault("SIGTERM of a leader that stands still; it goes on when another one leads", "*excused*; it releases nothing", "pauses")
def sigterm_of_a_paused_leader(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()
    since = a.signal(signal.SIGSTOP)
    a.signal(signal.SIGTERM)
    leader = stage.take_over(a, candidates=[b], since=since, mark=mark)
    stage.may_have_ended.add("a")
    a.signal(signal.SIGCONT)
    assert a.wait(20) == 0
    stage.backend.more(5, [leader.name])
    assert not b.wait_log(LOST, 0)


@fault("SIGSTOP of the standby for longer than the Lease; then SIGTERM of the leader", "none missing", "pauses")
def pause_of_the_standby(stage):
    a, b = stage.pair()
    b.signal(signal.SIGSTOP)
    stage.wait_past(stage.timing.lease + 1)
    b.signal(signal.SIGCONT)
    stage.lease_watch.wait_more(2)
    assert not b.wait_log(LED, 0), "a standby that stood still took a Lease that was renewed"
    stage.hand_over(a, b)


@fault("everybody stands still for longer than the Lease", "ticks that fell due meanwhile are missing", "pauses")
def pause_of_everybody(stage):
    replicas = stage.pair()
    mark = stage.backend.mark()
    since = time.time()
    for replica in replicas:
        replica.signal(signal.SIGSTOP)
    stage.wait_past(stage.timing.lease + 1)
    for replica in replicas:
        replica.signal(signal.SIGCONT)
    stage.taken_by(replicas, mark)
    stage.excuse(since, time.time(), "everybody stood still", slack=0)
