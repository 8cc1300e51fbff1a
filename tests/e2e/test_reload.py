"""SIGHUP, and how the program ends."""
import signal
import time

import pytest
from harness.replicas import LED, LOST, RELEASED
from harness.ticks import MS

RELOADED = "Config updated, restart service"
READY = "Everything is ready"
REFUSED = "The new configuration is not valid; the old one goes on"


def reload(world, replica, config=None, message=RELOADED):
    """Returns the number of the first log line after it."""
    if config is not None:
        replica.write_config(config)
    mark = len(replica.err)
    replica.signal(signal.SIGHUP)
    world.expect(replica, message, start=mark)
    if message == RELOADED:
        world.expect(replica, READY, start=mark)
    return mark


def test_reload_keeps_the_lease_and_every_tick(world):
    a, b = world.start_pair()
    world.output(a).wait_more(3)
    uid = world.api.lease(world.lease)["metadata"]["uid"]
    for _ in range(5):
        reload(world, a)
        world.output(a).wait_more(2)
    assert not b.wait_log(LED, 0) and not a.wait_log(RELEASED, 0) and not a.wait_log(LOST, 0)
    lease = world.api.lease(world.lease)
    assert lease["metadata"]["uid"] == uid and lease["spec"]["leaseTransitions"] == 0
    emitted, none = world.check_once("a", "b")
    assert none == []
    world.end(a)
    world.expect(b, LED, predecessor="released")
    world.output(b).wait_more(2)
    world.check_once("a", "b")


def test_reload_takes_a_changed_interval_over(world):
    a = world.start_leader("a")
    world.output(a).wait_more(3)
    reload(world, a, world.config("a", interval="100ms"))
    before = len(world.output(a).ticks())
    ticks = world.output(a).wait_more(6)[before:]
    assert {after - earlier for earlier, after in zip(ticks[1:], ticks[2:])} == {100 * MS}
    world.check_no_double("a")
    assert not a.wait_log(RELEASED, 0)


def test_reload_takes_changed_durations_over_without_a_change_of_leader(world):
    a, b = world.start_pair()
    longer = dict(world.extension(), lease_duration="9s", renew_deadline="6s")
    reload(world, a, world.config("a", extensions={"leaderelector/foo": longer}))
    watch = world.watch()
    found = None
    end = time.monotonic() + 10
    while found is None and time.monotonic() < end:
        watch.wait_more(1)
        found = next((lease for _, _, lease in watch.events if lease["spec"]["leaseDurationSeconds"] == 9), None)
    assert found and found["spec"]["leaseTransitions"] == 0
    world.output(a).wait_more(2)
    assert not b.wait_log(LED, 0)
    world.check_once("a", "b")


@pytest.mark.parametrize("broken", ["receivers: [", "receivers: {dummy/foo: {no_such_key: 1}}\n", ""], ids=["yaml", "key", "empty"])
def test_bad_new_configuration_leaves_the_old_one_running(world, broken):
    a, b = world.start_pair()
    world.output(a).wait_more(2)
    mark = reload(world, a, broken, REFUSED)
    _, line = world.expect(a, REFUSED, start=mark)
    assert line["level"] == "error" and line["error"]
    world.output(a).wait_more(4)
    assert a.alive() and not b.wait_log(LED, 0)
    # And a good one after it is taken.
    reload(world, a, world.config("a"))
    world.output(a).wait_more(2)
    world.check_once("a", "b")


def test_new_configuration_that_cannot_be_created_leaves_the_old_one_running(world):
    a, b = world.start_pair()
    world.output(a).wait_more(2)
    config = world.config("a", {"dummy/foo": "leaderelector/foo", "dummy/bar": "leaderelector/bar"}, {
        "leaderelector/foo": world.extension(), "leaderelector/bar": dict(world.extension(), context="no-such-context")})
    reload(world, a, config, "Reload failed; the old configuration goes on")
    world.output(a).wait_more(4)
    assert not b.wait_log(LED, 0) and not a.wait_log(LOST, 0)
    world.check_once("a", "b")


def test_reload_without_the_extension_releases_its_lease(world):
    a, b = world.start_pair()
    world.output(a).wait_more(2)
    mark = reload(world, a, world.config("a", {"dummy/free": None}, {}))
    world.expect(a, RELEASED, start=mark)
    world.expect(b, LED, predecessor="released")
    world.output(b).wait_more(2)
    world.output(a, "dummy-free").wait_more(2)
    world.check_once("a", "b")


def test_standby_reloads_and_still_takes_over(world):
    a, b = world.start_pair()
    world.output(a).wait_more(2)
    reload(world, b)
    world.output(a).wait_more(2)
    assert world.output(b).ticks() == []
    signalled = world.end(a)
    when, _ = world.expect(b, LED, predecessor="released")
    assert when - signalled < 1.0
    world.output(b).wait_more(2)
    world.check_once("a", "b")


def test_many_hangups_at_once_end_well(world):
    a, b = world.start_pair()
    world.output(a).wait_more(2)
    for _ in range(30):
        a.signal(signal.SIGHUP)
    world.output(a).wait_more(5)
    assert not b.wait_log(LED, 0)
    world.check_once("a", "b")
    world.end(a)
    world.expect(b, LED, predecessor="released")


def test_new_lease_name_releases_the_old_lease(world):
    a = world.start_leader("a")
    world.output(a).wait_more(2)
    other = f"{world.lease}-other"
    mark = reload(world, a, world.config("a", extensions={"leaderelector/foo": world.extension(other)}))
    world.expect(a, RELEASED, start=mark, lease=f"default/{world.lease}")
    world.expect(a, LED, start=mark, lease=f"default/{other}")
    assert world.api.holder(world.lease) == "" and world.api.holder(other) == "a_uid-of-a"
    world.output(a).wait_more(2)
    world.check_no_double("a")


def test_second_signal_ends_at_once(troubled_world):
    world = troubled_world
    a = world.start_leader("a")
    world.output(a).wait_more(1)
    world.server.freeze()
    a.signal(signal.SIGTERM)
    world.expect(a, "Received signal from OS", signal="terminated")
    again = a.signal(signal.SIGTERM)
    assert a.wait(5) == 1
    assert time.time() - again < 2
    assert a.wait_log("Second signal, ending at once", 1)


def test_sigterm_while_the_server_stands_still_ends_within_its_bound(troubled_world):
    world = troubled_world
    a = world.start_leader("a")
    world.output(a).wait_more(1)
    world.server.freeze()
    signalled = world.end(a)
    assert time.time() - signalled < 4.0
    world.expect(a, "The Lease could not be released in time")


def test_sigterm_of_a_standby_ends_at_once_and_writes_nothing(world):
    a, b = world.start_pair()
    world.watch().wait_more(1)
    version = world.spec()["renewTime"]
    signalled = world.end(b)
    assert time.time() - signalled < 2.0
    assert not b.wait_log(RELEASED, 0)
    assert world.api.holder(world.lease) == "a_uid-of-a" and version


def test_release_can_be_switched_off(world):
    settings = dict(world.extension(), release_on_shutdown=False)
    a = world.start_leader("a", world.config("a", extensions={"leaderelector/foo": settings}))
    world.output(a).wait_more(1)
    world.end(a)
    assert world.api.holder(world.lease) == "a_uid-of-a"


def test_three_replicas_after_a_reload_hand_over_down_to_the_last(world):
    a, b = world.start_pair()
    reload(world, b)
    c = world.start_standby("c")
    world.end(b)
    world.end(a)
    world.expect(c, LED, predecessor="released")
    world.output(c).wait_more(1)
    world.check_once("a", "b", "c")
