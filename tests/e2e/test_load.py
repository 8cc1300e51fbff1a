"""What an election by one Lease costs the API server: `standby: cold`; with a standby's Lease, see test_standby.py."""
import pytest
from harness.replicas import LED
from harness.world import SHORT

pytestmark = pytest.mark.only("kubesim")


@pytest.fixture
def users(world):
    """baton-a and baton-b may do what they need with this world's Lease, so that their requests can be counted apart."""
    world.api.create_role({
        "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": {"name": world.lease, "namespace": "default"},
        "rules": [{"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "resourceNames": [world.lease], "verbs": ["get", "watch", "update"]},
                  {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]}],
    }, "baton-a", "baton-b")


def cold(world, name):
    return world.config(name, extensions={"leaderelector/foo": world.extension(standby="cold", **SHORT)})


def test_idle_standby_watches_and_asks_nothing_and_the_leader_writes_once_an_interval(world, users):
    a = world.start_leader("a", cold(world, "a"), user="baton-a")
    world.api.sim("DELETE", "requests")
    b = world.start_standby("b", cold(world, "b"), user="baton-b")
    assert world.api.counts("baton-b") == {"watch": 1}, "a standby needs one watch to learn everything"
    watch = world.watch()
    watch.wait_more(1)
    world.api.sim("DELETE", "requests")
    before = len(watch)
    watch.wait_more(3)
    counts, renewals = world.api.counts("baton-a"), len(watch) - before
    assert world.api.counts("baton-b") == {}
    assert set(counts) == {"update"} and renewals - 1 <= counts["update"] <= renewals + 1
    times = [when for when, _, _ in watch.events[before:]]
    assert all(0.8 < after - earlier < 1.4 for earlier, after in zip(times, times[1:])), "one renewal each second, a third of the duration"
    assert a.alive() and b.alive()


def test_hand_over_needs_one_write_of_each_side(world, users):
    a = world.start_leader("a", cold(world, "a"), user="baton-a")
    b = world.start_standby("b", cold(world, "b"), user="baton-b")
    world.watch().wait_more(2)
    world.api.sim("DELETE", "requests")
    world.end(a)
    world.expect(b, LED)
    assert world.api.counts("baton-a") == {"update": 1}
    assert world.api.counts("baton-b") == {"update": 1}


def test_candidates_do_not_race_when_the_leader_releases(world, users):
    """Five standbys: one claims first, few of the others try in vain."""
    a = world.start_leader("a", cold(world, "a"), user="baton-a")
    standbys = [world.start_standby(f"b{i}", cold(world, f"b{i}"), user="baton-b") for i in range(5)]
    world.output(a).wait_more(1)
    world.api.sim("DELETE", "requests")
    world.end(a)
    for standby in standbys:
        # Each one either leads or names the one that does.
        assert standby.err.wait(lambda text: LED in text or ("Another replica leads" in text and "a_uid-of-a" not in text), 10)
    leaders = [standby for standby in standbys if standby.wait_log(LED, 0)]
    assert len(leaders) == 1
    assert world.api.counts("baton-b")["update"] <= 6
