"""The leader ends: in order, in the middle of something, or killed."""
import os
import signal
import time

from harness.processes import BATON
from registry import fault
from stage import LED, LOST

NONE = "none missing"
EXCUSED = "*excused*"


@fault("SIGTERM of the leader", NONE, "ends")
def sigterm(stage):
    a, b = stage.pair()
    stage.hand_over(a, b)


@fault("SIGINT of the leader", NONE, "ends")
def sigint(stage):
    a, b = stage.pair()
    stage.hand_over(a, b, number=signal.SIGINT)


@fault("SIGTERM, and again while it stops", "it ends at once, which may leave the Lease held: " + EXCUSED, "ends")
def sigterm_twice(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()
    stage.may_have_ended.add("a")
    since = a.signal(signal.SIGTERM)
    a.signal(signal.SIGTERM)
    assert a.wait(20) in (0, 1)
    stage.take_over(a, candidates=[b], since=since, mark=mark)


@fault("SIGTERM of each leader in turn, five times, new replicas take the places", NONE, "ends")
def sigterm_in_a_row(stage):
    leader, standby = stage.pair()
    for name in stage.next_names(4):
        new = stage.start_standby(name)
        leader = stage.hand_over(leader, standby)
        standby = new


@fault("SIGTERM as soon as the replica leads", NONE, "ends")
def sigterm_of_a_new_leader(stage):
    a, b, c = stage.trio()
    mark = stage.backend.mark()
    stage.end(a)
    taken = stage.lease_watch.wait_holder(lambda holder: holder[:2] in ("b_", "c_"), 30)
    new, other = (b, c) if taken[1]["spec"]["holderIdentity"].startswith("b_") else (c, b)
    stage.expect(new, LED)
    stage.end(new)
    stage.taken_by([other], mark)


@fault("SIGTERM of the only replica; another one starts later", "what fell due in between is missing, but for the newest; the grid goes on", "ends")
def sigterm_without_a_standby(stage):
    a = stage.start_leader("a")
    stage.settle(a)
    when = stage.end(a)
    stage.wait_past(2 * stage.timing.interval)
    mark = stage.backend.mark()
    started = time.time()
    b = stage.start_leader("b")
    stage.taken_by([b], mark)
    stage.excuse(when, started, "nobody ran")


@fault("SIGTERM while the API server gives the leader no answer", EXCUSED, "ends")
def sigterm_while_the_server_hangs(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()
    stage.link(a).hold()
    when = stage.end(a)
    stage.take_over(a, candidates=[b], since=when, mark=mark)


@fault("the release is answered 409 once", NONE, "ends", web=True)
def sigterm_release_conflicts(stage):
    release_answered(stage, status=409)


@fault("the release is carried out, and answered 500", NONE, "ends", web=True)
def sigterm_release_answered_500(stage):
    release_answered(stage, status=500, execute=True)


@fault("the connection breaks before the release is carried out", NONE, "ends", web=True)
def sigterm_release_cut(stage):
    release_answered(stage, cut="before")


@fault("the release is answered 429 with Retry-After: 5, as by an API server that shuts down", NONE, "ends", web=True)
def sigterm_release_asked_for_patience(stage):
    release_answered(stage, status=429, retry_after=5)


def release_answered(stage, **rule):
    a, b = stage.pair()
    stage.lease_watch.wait_more(1)  # the next renewal is far enough
    rule_id = stage.link(a).rule(method="PUT", times=1, **rule)
    mark = stage.backend.mark()
    stage.end(a)
    stage.taken_by([b], mark)
    assert stage.link(a).hits(rule_id) == 1, "the release was not met"


@fault("SIGHUP: the leader loads its configuration again", NONE, "ends")
def sighup(stage):
    a, b = stage.pair()
    mark = len(a.err)
    a.signal(signal.SIGHUP)
    stage.backend.more(5, ["a"])
    assert not a.wait_log(LOST, 0, mark) and not b.wait_log(LED, 0)


@fault("SIGKILL of the leader", EXCUSED, "ends")
def sigkill(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()
    stage.take_over(a, candidates=[b], since=stage.kill(a), mark=mark)


@fault("SIGKILL right behind the first tick of all", EXCUSED, "ends")
def sigkill_of_a_new_leader(stage):
    a = stage.start_leader("a")
    b = stage.start_standby("b")
    stage.backend.wait(1, ["a"])
    stage.allowed.fresh_starts = 2  # the note on the first tick may not have been written
    mark = stage.backend.mark()
    stage.take_over(a, candidates=[b], since=stage.kill(a), mark=mark)


@fault("SIGKILL while a tick is on its way to the backend", EXCUSED + ", from when the way was blocked", "ends")
def sigkill_while_sending(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()
    since = time.time()
    stage.backend_link(a).hold(down=False)
    stage.wait_past(2 * stage.timing.interval)
    stage.kill(a)
    stage.backend_link(a).heal()
    stage.take_over(a, candidates=[b], since=since, mark=mark)


@fault("SIGKILL of each new leader, three times in a row", EXCUSED, "ends")
def sigkill_in_a_row(stage):
    leader, standby = stage.pair()
    for name in stage.next_names(3):
        new = stage.start_standby(name)
        mark = stage.backend.mark()
        leader = stage.take_over(leader, candidates=[standby], since=stage.kill(leader), mark=mark)
        stage.settle(leader)
        standby = new


@fault("the leader's container is restarted in its pod", "taken back at once by the new process; what fell due in between is missing", "ends")
def container_restarted(stage):
    a, b = stage.pair()
    mark = stage.backend.mark()
    when = stage.kill(a)
    a.wait(5)
    again = stage.start("d", LED, env={"POD_NAME": "a", "POD_UID": "uid-of-a"})
    led = time.time()
    stage.taken_by([again], mark)
    stage.excuse(when, led, "the container was away")
    assert not b.wait_log(LED, 0), "the standby took the Lease of a container that came back"


@fault("all replicas are killed, new ones start", "taken when the Lease has expired by the clock of a new one; " + EXCUSED, "ends")
def everybody_is_killed(stage):
    a, b, c = stage.trio()
    mark = stage.backend.mark()
    since = stage.kill(a, b, c)
    new = [stage.start(name) for name in ("d", "e")]
    stage.take_over(a, candidates=new, since=since, mark=mark, reachable=time.time() + stage.timing.lease)


@fault("nobody reads the leader's standard error, which is full; then SIGTERM", NONE, "ends")
def stderr_blocked(stage):
    fill = os.path.join(stage.folder, "full")
    os.mkfifo(fill)
    reader = os.open(fill, os.O_RDONLY | os.O_NONBLOCK)
    writer = os.open(fill, os.O_WRONLY | os.O_NONBLOCK)
    try:
        while True:
            os.write(writer, b"x" * 4096)
    except BlockingIOError:
        pass  # there is no room for another line
    script = stage.write("blocked.sh", f'#!/bin/sh\nexec "{BATON}" "$@" 2>"{fill}"\n')
    os.chmod(script, 0o755)
    a = stage.start("a", program=script)
    stage.backend.wait(2, ["a"])
    b = stage.start_standby("b")
    stage.settle(a)
    mark = stage.backend.mark()
    stage.end(a)
    stage.taken_by([b], mark)
    os.close(reader)
    os.close(writer)
