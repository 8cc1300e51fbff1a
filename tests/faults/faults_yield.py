"""Handing over on purpose, by the annotation or by SIGUSR1, while something else goes wrong."""
import signal
import time

from registry import fault
from stage import FOLLOWS, LED, LOST

YIELD = "baton.dev/yield"
HANDS_OVER = "Handing over: the running tick is finished"
NONE = "the other one leads, the former leader stays a candidate; none missing"
LATE = NONE + "; what it had handed over may come behind the successor's first ticks"


def token(stage):
    found = stage.api.lease(stage.lease)
    return f"{found['metadata']['uid']}/{found['spec']['leaseTransitions']}"


def ask(stage, text):
    stage.api.edit_lease(stage.lease, lambda found: found["metadata"].setdefault("annotations", {}).update({YIELD: text}))


def handed_over(stage, old, *candidates, mark):
    """None of the candidates ends; returns the new leader. The former one follows."""
    leader = stage.taken_by(candidates, mark)
    stage.expect(old, HANDS_OVER)
    stage.expect(old, FOLLOWS, 30, holder=stage.identities[leader.name])
    assert not old.wait_log(LOST, 0), "a hand-over is no loss"
    return leader


def turns(replica):
    return sum(HANDS_OVER in text for text in replica.err.texts())


def back_again(stage, leader, old):
    """The former leader is a candidate as good as any."""
    stage.backend.more(2, [leader.name])
    stage.hand_over(leader, old)


@fault("asked while the backend takes longer than an interval for each request", LATE, "yield")
def yield_with_a_slow_backend(stage):
    a, b = stage.pair()
    stage.allowed.late_from = {"a"}
    stage.backend.fault(delay_ms=int(stage.timing.interval * 1500))
    stage.backend.more(3, ["a"])
    mark = stage.backend.mark()
    ask(stage, token(stage))
    leader = handed_over(stage, a, b, mark=mark)
    stage.backend.clear()
    stage.backend.more(4, [leader.name])


@fault("asked while the backend refuses everything, for a second", LATE, "yield")
def yield_with_a_backend_that_refuses(stage):
    a, b = stage.pair()
    stage.allowed.late_from = {"a"}
    mark = stage.backend.mark()
    stage.backend.fault(code=14, message="not now")
    stage.wait_past(2 * stage.timing.interval)
    ask(stage, token(stage))
    stage.lease_watch.wait_holder(lambda holder: holder.startswith("b_"), 20)
    stage.wait_past(2 * stage.timing.interval)
    stage.backend.clear()
    handed_over(stage, a, b, mark=mark)
    stage.backend.more(4, ["b"])


@fault("SIGUSR1 under back-pressure: the queue is full and a tick half collected", LATE + "; ticks that found no room are missing", "yield")
def yield_under_back_pressure(stage):
    a, b, since = stage.pair_under_back_pressure()
    mark = stage.backend.mark()
    a.signal(signal.SIGUSR1)
    stage.end_back_pressure(a, since)
    handed_over(stage, a, b, mark=mark)
    stage.backend.more(4, ["b"])


def during_a_renewal(stage, **rule):
    a, b = stage.pair()
    link = stage.link(a)
    rule_id = link.rule(method="PUT", times=1, **rule)
    end = time.monotonic() + 20
    while link.hits(rule_id) == 0:
        assert time.monotonic() < end, "no renewal was met"
        stage.wait_past(0.005)
    mark = stage.backend.mark()
    a.signal(signal.SIGUSR1)
    back_again(stage, handed_over(stage, a, b, mark=mark), a)


@fault("asked during a renewal that is never carried out nor answered", NONE, "yield", web=True)
def yield_during_a_renewal_that_hangs(stage):
    during_a_renewal(stage, hang="before")


@fault("asked during a renewal that is carried out and never answered", NONE, "yield", web=True)
def yield_during_a_renewal_without_answer(stage):
    during_a_renewal(stage, hang="after")


@fault("asked during a renewal that is answered late, and 409", NONE, "yield", web=True)
def yield_during_a_renewal_that_conflicts(stage):
    during_a_renewal(stage, answer_delay_ms=300, status=409, execute=True)


@fault("asked by the annotation, which is written again and again, and by SIGUSR1, twice", "one change; " + NONE, "yield")
def yield_asked_twice(stage):
    a, b = stage.pair()
    asked, mark = token(stage), stage.backend.mark()
    ask(stage, asked)
    a.signal(signal.SIGUSR1)
    ask(stage, asked)
    a.signal(signal.SIGUSR1)
    handed_over(stage, a, b, mark=mark)
    for _ in range(3):
        ask(stage, asked)  # of a term that has ended by now
        stage.lease_watch.wait_more(1)
    stage.backend.more(5, ["b"])
    assert turns(a) == 1 and turns(b) == 0 and not b.wait_log(LOST, 0)
    assert stage.spec()["leaseTransitions"] == 1
    stage.hand_over(b, a)


@fault("asked by an annotation of an earlier term, of another Lease's uid, of a later term, and by nonsense", "the leader stays, none missing", "yield")
def yield_asked_of_another_term(stage):
    a, b = stage.pair()
    first = token(stage)
    stage.hand_over(a, b)
    c = stage.start_standby("c")
    uid = first.split("/", maxsplit=1)[0]
    for text in (first, f"{uid}/2", "another-uid/1", f"{uid}/1x", f"{uid}/-1", "", "/", "nonsense"):
        ask(stage, text)
        stage.lease_watch.wait_more(2)
    stage.backend.more(3, ["b"])
    assert turns(b) == 0 and not b.wait_log(LOST, 0) and not c.wait_log(LED, 0)
    stage.hand_over(b, c)


@fault("asked when there is no other candidate", "it takes the Lease back one lease duration later; what fell due meanwhile is missing, but for the newest",
       "yield")
def yield_without_another_candidate(stage):
    a = stage.start_leader("a")
    stage.settle(a)
    log, since = len(a.err), time.time()
    ask(stage, token(stage))
    stage.expect(a, HANDS_OVER, start=log)
    stage.expect(a, LED, start=log)
    stage.excuse(since, since + stage.timing.lease + stage.timing.retry, "nobody else was there")
    stage.backend.more(3, ["a"])
    b = stage.start_standby("b")
    stage.hand_over(a, b)


@fault("asked, and the standby is killed at the same moment", "it takes the Lease back one lease duration later, what fell due meanwhile is missing, but for the newest",
       "yield")
def yield_and_sigkill_of_the_standby(stage):
    a, b = stage.pair()
    log = len(a.err)
    stage.kill(b)
    since = a.signal(signal.SIGUSR1)
    stage.expect(a, HANDS_OVER, start=log)
    stage.expect(a, LED, start=log)
    stage.excuse(since, since + 2 * stage.timing.lease, "the standby was dead")
    stage.backend.more(3, ["a"])


@fault("asked, and the leader is killed at the same moment", "*excused*", "yield")
def yield_and_sigkill_of_the_leader(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()
    a.signal(signal.SIGUSR1)
    stage.take_over(a, candidates=[b], since=stage.kill(a), mark=mark)
