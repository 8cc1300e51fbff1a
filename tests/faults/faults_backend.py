"""The backend is slow, refuses or is away while the leader changes."""
import time

from registry import fault
from stage import FOLLOWS

UNAVAILABLE = 14
LATE = "none missing; what the former leader had handed over may come behind the successor's first ticks"


@fault("the backend takes 300 ms for each request; SIGTERM", "none missing", "backend")
def backend_slow(stage):
    a, b = stage.pair()
    stage.backend.fault(delay_ms=int(stage.timing.interval * 750))
    stage.backend.more(3, ["a"])
    stage.hand_over(a, b)


@fault("the backend takes longer than an interval for each request; SIGTERM", LATE, "backend")
def backend_slower_than_ticks(stage):
    a, b = stage.pair()
    stage.allowed.late_from = {"a"}
    stage.backend.fault(delay_ms=int(stage.timing.interval * 1500))
    stage.backend.more(3, ["a"])
    stage.hand_over(a, b)
    stage.backend.clear()
    stage.backend.more(5, ["b"])


@fault("the backend refuses everything for a second while SIGTERM ends the leader", LATE, "backend")
def backend_refuses(stage):
    a, b = stage.pair()
    stage.allowed.late_from = {"a"}
    mark = stage.backend.mark()
    stage.backend.fault(code=UNAVAILABLE, message="not now")
    stage.wait_past(2 * stage.timing.interval)
    a.signal(15)
    stage.may_have_ended.add("a")
    stage.lease_watch.wait_holder(lambda holder: holder.startswith("b_"), 20)
    stage.wait_past(2 * stage.timing.interval)
    stage.backend.clear()
    assert a.wait(20) == 0
    stage.taken_by([b], mark)


@fault("nobody listens where the leader finds the backend, while SIGTERM ends it", LATE, "backend")
def backend_closed(stage):
    a, b = stage.pair()
    stage.allowed.late_from = {"a"}
    mark = stage.backend.mark()
    stage.backend_link(a).set(refuse=True)
    stage.wait_past(2 * stage.timing.interval)
    a.signal(15)
    stage.may_have_ended.add("a")
    stage.lease_watch.wait_holder(lambda holder: holder.startswith("b_"), 20)
    stage.backend_link(a).heal()
    assert a.wait(20) == 0
    stage.taken_by([b], mark)


@fault("the way to the backend is blocked for everybody while SIGTERM ends the leader",
       "none missing; requests that waited on several connections, some given up and repeated, arrive in any order", "backend")
def backend_black_hole(stage):
    a, b = stage.pair()
    stage.allowed.restarted_order = True
    stage.allowed.repeats = True  # answers come later than they are waited for
    mark = stage.backend.mark()
    for replica in (a, b):
        stage.backend_link(replica).hold()
    stage.wait_past(2 * stage.timing.interval)
    a.signal(15)
    stage.may_have_ended.add("a")
    stage.lease_watch.wait_holder(lambda holder: holder.startswith("b_"), 20)
    stage.wait_past(2 * stage.timing.interval)
    for replica in (a, b):
        stage.backend_link(replica).heal()
    assert a.wait(20) == 0
    stage.taken_by([b], mark)


@fault("connections to the backend break all the time; SIGTERM", "none missing; the same replica may send a tick again, unchanged", "backend")
def backend_cut(stage):
    a, b = stage.pair()
    stage.allowed.repeats = True
    stage.allowed.late_from = {"a"}
    for link in (stage.backend_link(a), stage.backend_link(b)):
        link.set(down={"delay_ms": 30})
    end = time.monotonic() + 2
    while time.monotonic() < end:
        stage.backend_link(a).cut("rst")
        stage.wait_past(0.07)
    stage.hand_over(a, b)


@fault("a connection to the backend is half open; SIGTERM", LATE + "; the same replica may send a tick again", "backend")
def backend_half_open(stage):
    a, b = stage.pair()
    stage.allowed.repeats = True
    stage.allowed.late_from = {"a"}
    stage.backend_link(a).set(down={"delay_ms": 50})
    while stage.backend_link(a).cut("half") == 0:
        pass
    stage.backend.more(2, ["a"])
    stage.hand_over(a, b)


@fault("SIGTERM under back-pressure: the queue is full and a tick half collected", LATE + "; ticks that found no room are missing", "backend")
def sigterm_under_back_pressure(stage):
    a, b, since = stage.pair_under_back_pressure()
    mark = stage.backend.mark()
    a.signal(15)
    stage.may_have_ended.add("a")
    stage.end_back_pressure(a, since)
    assert a.wait(20) == 0
    stage.taken_by([b], mark)


@fault("the backend is away for the leader alone; SIGKILL", "what the leader could not send is lost with it; then *excused*", "backend")
def backend_away_and_sigkill(stage):
    a, b = stage.pair()
    since = time.time()
    stage.backend_link(a).set(refuse=True)
    stage.wait_past(3 * stage.timing.interval)
    mark = stage.backend.mark()
    stage.kill(a)
    stage.take_over(a, candidates=[b], since=since, mark=mark)


@fault("the backend refuses everything while the leader is killed and the next one takes over", "what fell due until it takes data again comes late; *excused*", "backend")
def backend_refuses_and_sigkill(stage):
    a, b = stage.pair()
    since = time.time()
    stage.backend.fault(code=UNAVAILABLE, message="not now")
    stage.kill(a)
    stage.lease_watch.wait_holder(lambda holder: holder.startswith("b_"), 40)
    stage.wait_past(3 * stage.timing.interval)
    mark = stage.backend.mark()
    stage.backend.clear()
    stage.take_over(a, candidates=[b], since=since, mark=mark)
    assert not b.wait_log(FOLLOWS, 0, start=len(b.err))
