"""Clocks that step, run at another rate, or are wrong. Each replica that needs it has a clock of its own (clock.py)."""
import time

from registry import fault
from stage import FOLLOWS, LED, LOST

HOUR = 3600
WRONG = "Clocks that are further apart than a note bears (5 s, or an interval): "


def excuse_all(stage, why):
    stage.allowed.excuse(0, 2**62, why)


@fault("the leader's wall clock steps forth by 10 s", "the ticks of these 10 s are missing, but for the newest", "clocks")
def wall_clock_steps_forth(stage):
    a, b = stage.start_leader("a", clock={}), stage.start_standby("b")
    stage.settle(a)
    when = time.time()
    a.clock.step_wall(10)
    stage.backend.more(5, ["a"])
    stage.excuse(when, when + 10, "the clock stepped", slack=1.2)  # it looks at the clock once a second
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)


@fault("the leader's wall clock steps back by 3 s", "no tick comes twice, none is missing: ticks wait until the clock has come round again", "clocks")
def wall_clock_steps_back(stage):
    a, b = stage.start_leader("a", clock={}), stage.start_standby("b", clock={"wall_s": -3})
    stage.settle(a)
    a.clock.step_wall(-3)
    stage.backend.more(5, ["a"])
    assert not a.wait_log(LOST, 0) and not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the leader's wall clock steps back by 3 s; SIGTERM, the successor's clock is right",
       "no tick comes twice; what the leader's clock had not come to is missing, but for the newest", "clocks")
def wall_clock_steps_back_alone(stage):
    a, b = stage.start_leader("a", clock={}), stage.start_standby("b")
    stage.settle(a)
    a.clock.step_wall(-3)
    when = time.time()
    stage.backend.more(5, ["a"])
    stage.hand_over(a, b)
    stage.excuse(when, time.time(), "the leader's clock was behind", slack=0)


@fault("the leader's wall clock steps back by an hour; then SIGTERM", "no tick comes twice, none is missing: the successor goes on where it stopped", "clocks")
def wall_clock_steps_back_far(stage):
    a, b = stage.start_leader("a", clock={}), stage.start_standby("b")
    stage.settle(a)
    stage.lease_watch.wait_more(1)
    when = time.time()
    a.clock.step_wall(-HOUR)
    stage.lease_watch.wait_more(2)
    stage.hand_over(a, b)
    stage.excuse(when, time.time(), "the leader waited for its clock")


@fault("the standby's wall clock steps forth and back; then SIGTERM of the leader", "none missing", "clocks")
def wall_clock_of_the_standby_steps(stage):
    a, b = stage.start_leader("a"), stage.start_standby("b", clock={})
    stage.settle(a)
    for seconds in (HOUR, -2 * HOUR, HOUR):
        b.clock.step_wall(seconds)
        stage.lease_watch.wait_more(1)
    assert not b.wait_log(LED, 0)
    stage.hand_over(a, b)


@fault("the standby's clock is 3 s behind; SIGTERM of the leader", "no tick comes twice, none is missing", "clocks")
def standby_behind(stage):
    a, b = stage.start_leader("a"), stage.start_standby("b", clock={"wall_s": -3})
    stage.settle(a)
    stage.hand_over(a, b)


@fault("the standby's clock is 3 s ahead; SIGTERM of the leader", "ticks that its clock has passed are missing, but for the newest; none comes twice", "clocks")
def standby_ahead(stage):
    a, b = stage.start_leader("a"), stage.start_standby("b", clock={"wall_s": 3})
    stage.settle(a)
    when = time.time()
    stage.hand_over(a, b)
    stage.excuse(when, when + 3, "its clock is ahead")


@fault("the standby's clock is an hour ahead; SIGTERM of the leader", WRONG + "ticks jump, none comes twice", "clocks")
def standby_an_hour_ahead(stage):
    a, b = stage.start_leader("a"), stage.start_standby("b", clock={"wall_s": HOUR})
    stage.settle(a)
    stage.hand_over(a, b)
    excuse_all(stage, "an hour was jumped over")


@fault("the standby's clock is an hour behind; SIGTERM of the leader", WRONG + "begins afresh, and says so; time goes back at the backend", "clocks")
def standby_an_hour_behind(stage):
    a, b = stage.start_leader("a"), stage.start_standby("b", clock={"wall_s": -HOUR})
    stage.settle(a)
    clocks_disagree(stage)
    stage.hand_over(a, b)
    stage.expect(b, "The previous leader's note on this receiver cannot be used")


@fault("the leader's clock is an hour ahead; SIGKILL", WRONG + "begins afresh, and says so; time goes back at the backend; the Lease is taken as ever", "clocks")
def leader_an_hour_ahead(stage):
    a, b = stage.start_leader("a", clock={"wall_s": HOUR}), stage.start_standby("b")
    stage.settle(a)
    clocks_disagree(stage)
    mark = stage.backend.mark()
    stage.take_over(a, candidates=[b], since=stage.kill(a), mark=mark)
    stage.expect(b, "The previous leader's note on this receiver cannot be used")


def clocks_disagree(stage):
    stage.allowed.restarted_order = True
    stage.allowed.fresh_starts = 2
    excuse_all(stage, "the clocks disagree")


def rates(stage, leader_ppm, standby_ppm):
    """A partition: the leader's gate must close before the standby's patience ends, by whatever clocks."""
    a, b = stage.start_leader("a", clock={"rate_ppm": leader_ppm}), stage.start_standby("b", clock={"rate_ppm": standby_ppm})
    stage.settle(a)
    mark, since = stage.backend.mark(), time.time()
    stage.link(a).hold()
    stage.take_over(a, candidates=[b], since=since, mark=mark, slack=1.5 + 0.03 * stage.timing.lease)
    log = len(a.err)
    stage.link(a).heal()
    stage.expect(a, FOLLOWS, 20, start=log)


@fault("the leader's boot time runs 3 % slow, the standby's 3 % fast; the leader is cut off", "*excused*", "clocks")
def rates_against_the_margin(stage):
    rates(stage, -30000, 30000)


@fault("the leader's boot time runs 3 % fast, the standby's 3 % slow; the leader is cut off", "*excused*, and 3 % longer", "clocks")
def rates_for_the_margin(stage):
    rates(stage, 30000, -30000)


@fault("the leader's machine sleeps for longer than the Lease: boot time leaps", "nothing is emitted until a renewal has succeeded; ticks may be missing until then", "clocks")
def boot_time_leaps(stage):
    a, b = stage.start_leader("a", clock={}), stage.start_standby("b")
    stage.settle(a)
    stage.lease_watch.wait_more(1)
    when = time.time()
    a.clock.leap_boot(stage.timing.lease + 1)
    stage.backend.more(5)
    stage.excuse(when, when + stage.timing.lease, "it slept")


@fault("replicas on machines that have run for years and for seconds", "*excused*", "clocks")
def boot_times_far_apart(stage):
    a, b = stage.start_leader("a", clock={"boot_s": 3e8}), stage.start_standby("b", clock={"boot_s": -1000 if uptime() > 2000 else 0})
    stage.settle(a)
    mark = stage.backend.mark()
    stage.take_over(a, candidates=[b], since=stage.kill(a), mark=mark)


def uptime():
    return time.clock_gettime(time.CLOCK_BOOTTIME)
