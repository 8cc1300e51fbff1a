"""`baton lease status`: what it says of a Lease in each state, as a table, as JSON, and line by line."""
import datetime
import json
import os
import re
import signal
import time

import pytest
import yaml
from harness import clock
from harness.lease import ERROR, NOBODY, OK, lease, of, watch
from harness.replicas import LED
from harness.world import wait_until

A, B = "a_uid-of-a", "b_uid-of-b"
KEYS = {"namespace", "name", "observed", "state", "holder", "since", "renewed", "durationSeconds", "expiresInSeconds", "transitions", "uid",
        "resourceVersion", "standby", "note"}


def status(world, *more, env=None, **options):
    return lease("status", *of(world, *more, **options), env=env)


def test_of_a_leader(world):
    a = world.start_leader("a")
    ticks = world.output(a).wait_more(3)
    world.watch().wait_more(2)
    result = status(world)
    assert result.status == OK, result
    lines = result.out.splitlines()
    assert lines[0] == f"default/{world.lease}: held"
    assert f"  holder       {A}" in lines and "  transitions  0" in lines
    assert any(line.startswith("  dummy/foo  200ms") for line in lines), result
    (found,) = status(world, "--output=json").leases()
    assert set(found) == KEYS
    stored = world.api.lease(world.lease)
    assert (found["holder"], found["state"], found["durationSeconds"], found["transitions"]) == (A, "held", 3, 0)
    assert found["since"] == stored["spec"]["acquireTime"] and found["uid"] == stored["metadata"]["uid"]
    assert 0 < found["expiresInSeconds"] <= 3
    assert found["standby"]["synced"] is False
    (receiver,) = found["note"]["receivers"]
    assert receiver["id"] == "dummy/foo" and receiver["intervalSeconds"] == 0.2 and receiver["lastTick"] >= receiver["acknowledged"] > receiver["start"]
    assert len(ticks) > 0


def test_of_a_configuration_with_two_electors(world):
    receivers = {"dummy/foo": "leaderelector/foo", "dummy/bar": "leaderelector/bar"}
    extensions = {"leaderelector/foo": world.extension(), "leaderelector/bar": world.extension(f"{world.lease}-bar"),
                  "leaderelector/same": world.extension()}
    config = world.config("a", receivers, extensions)
    a = world.start("a", config)
    for name in (world.lease, f"{world.lease}-bar"):
        world.expect(a, LED, lease=f"default/{name}")
    result = lease("status", "--config", a.config_path, "--output", "json", kubeconfig=world.server.kubeconfig_of("admin"))
    assert result.status == OK, result
    assert [found["name"] for found in result.leases()] == [world.lease, f"{world.lease}-bar"]
    assert {found["holder"] for found in result.leases()} == {A}
    # In a cluster's configuration the credentials are a service account's: outside of a cluster the kubeconfig stands in for them.
    for extension in config["extensions"].values():
        extension["auth_type"] = "serviceAccount"
    a.write_config(config)
    result = lease("status", "--config", a.config_path, "--kubeconfig", world.server.kubeconfig_of("admin"))
    assert result.status == OK and result.out.count(": held\n") == 2, result
    result = lease("status", "--config", a.config_path, kubeconfig=world.server.kubeconfig_of("admin"))
    assert result.status == OK and result.out.count(": held\n") == 2, result


def test_absent_released_expired(world):
    result = status(world)
    assert result.status == NOBODY and result.out.startswith(f"default/{world.lease}: absent\n"), result
    world.api.create_lease(world.lease, spec={"holderIdentity": "", "leaseDurationSeconds": 1, "leaseTransitions": 3})
    result = status(world)
    assert result.status == NOBODY and f"default/{world.lease}: free\n  holder       nobody: released\n" in result.out, result
    world.api.edit_lease(world.lease, lambda found: found["spec"].update(
        holderIdentity="dead", leaseDurationSeconds=2, renewTime="2020-01-01T00:00:00.000000Z"))
    result = status(world)
    assert result.status == NOBODY and f"default/{world.lease}: expired\n  holder       dead\n" in result.out, result
    (found,) = status(world, "--output", "json").leases()
    assert found["state"] == "expired" and found["expiresInSeconds"] < 0


def test_forbidden_and_unreachable(world, tmp_path):
    world.api.create_lease(world.lease, spec={"holderIdentity": "x", "leaseDurationSeconds": 60})
    result = status(world, user="nobody")
    assert result.status == ERROR and f"default/{world.lease}: forbidden" in result.out, result
    assert "needed on Leases in namespace default: get and watch" in result.errors
    with open(world.server.kubeconfig_of("admin")) as f:
        kubeconfig = yaml.safe_load(f)
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    path = os.path.join(tmp_path, "dead.kubeconfig")
    with open(path, "w") as f:
        yaml.safe_dump(kubeconfig, f)
    result = lease("status", "--name", world.lease, "--namespace", "default", "--kubeconfig", path)
    assert result.status == ERROR and f"default/{world.lease}: failed" in result.out and "127.0.0.1:9" in result.errors, result


def test_standby_is_shown(world):
    world.api.create_lease(world.lease, spec={"holderIdentity": "x", "leaseDurationSeconds": 60, "renewTime": "2100-01-01T00:00:00.000000Z"})
    assert "standby      no Lease of its own" in status(world).out
    name = f"{world.lease}-standby"
    world.api.create_lease(name, spec={"holderIdentity": "y", "leaseDurationSeconds": 60, "renewTime": "2100-01-01T00:00:00.000000Z"},
                           annotations={"baton.dev/synced": "false"})
    assert "  standby      y, not synced yet\n" in status(world).out
    world.api.edit_lease(name, lambda found: found["metadata"]["annotations"].update({"baton.dev/synced": "true"}))
    assert "  standby      y, synced\n" in status(world).out
    (found,) = status(world, "--output", "json").leases()
    assert found["standby"]["holder"] == "y" and found["standby"]["synced"] is True
    # A holder whose clock is ahead does not hold it for longer than its duration.
    assert 0 < found["expiresInSeconds"] <= 60 and 0 < found["standby"]["expiresInSeconds"] <= 60


def test_watch_prints_a_line_for_each_change(world):
    process = watch(world)
    last = lambda process: process.out.texts()[-1].split(" ", 1)[1] if len(process.out) else ""

    def expect(text):
        wait_until(lambda: any(line.split(" ", 1)[-1] == text for line in process.out.texts()), 10, f"a line that says: {text}")
    expect(f"default/{world.lease}: absent; no standby")
    a = world.start_leader("a")
    expect(f"default/{world.lease}: held by {A}, transitions 0; no standby")
    before = len(process.out)
    world.watch().wait_more(3)
    assert len(process.out) == before, "renewals are no changes"
    b = world.start_standby("b")
    expect(f"default/{world.lease}: held by {A}, transitions 0; standby {B}, synced")
    world.end(a)
    expect(f"default/{world.lease}: held by {B}, transitions 1; no standby")
    b.signal(signal.SIGKILL)
    expect(f"default/{world.lease}: expired, was held by {B}, transitions 1; no standby")

    def stand_by(lease):
        lease["spec"].update(holderIdentity="y", leaseDurationSeconds=60)
        lease["metadata"].setdefault("annotations", {})["baton.dev/synced"] = "true"
    world.api.edit_lease(f"{world.lease}-standby", stand_by)
    expect(f"default/{world.lease}: expired, was held by {B}, transitions 1; standby y, synced")
    assert world.api.delete_lease(world.lease)[0] == 200
    expect(f"default/{world.lease}: absent; standby y, synced")
    assert last(process) == f"default/{world.lease}: absent; standby y, synced"


def test_of_a_leader_with_a_real_standby(world):
    world.start_leader("a")
    world.start_standby("b")
    wait_until(lambda: f"  standby      {B}, synced\n" in status(world).out, 10, "b stands by")
    (found,) = status(world, "--output", "json").leases()
    assert found["holder"] == A and found["standby"]["holder"] == B and found["standby"]["synced"] is True


def test_watch_in_json(world):
    process = watch(world, "--output", "json")
    lines = lambda: [json.loads(text) for text in process.out.texts()]
    wait_until(lines, 20, "a line on the Lease that is not there")
    world.start_leader("a")
    wait_until(lambda: any(line["state"] == "held" and line["holder"] == A for line in lines()), 10, "a line on the leader")
    assert lines()[0]["state"] == "absent" and "observed" in lines()[0]


def test_watch_goes_on_after_the_server_was_away(troubled_world):
    world = troubled_world
    process = watch(world)
    world.start_leader("a")
    held = lambda text: f"held by {A}" in text
    assert process.out.wait(held, 20)
    world.server.restart()
    # The leader writes its Lease again, which kubesim has forgotten; then somebody else's name must be seen.
    wait_until(lambda: world.api.lease(world.lease), 30, "the leader writes its Lease again")
    world.api.edit_lease(world.lease, lambda found: found["spec"].update(holderIdentity="somebody"))
    assert process.out.wait(lambda text: "held by somebody" in text, 30)


# The machine at hand has a clock that is off by so much; half an hour, for the server's certificate must look valid.
WRONG_CLOCKS = pytest.mark.parametrize("off_s", (1800, -1800), ids=("ahead", "behind"))
AWAY = re.compile(r"\(([^)]*) (ago|ahead)\)")


@pytest.fixture
def wrong_clock(world, off_s):
    """Environment of a process whose clock is wrong."""
    own = clock.Clock(clock.build(world.folder), os.path.join(world.folder, "clock"), wall_s=off_s)
    yield own.env()
    own.close()


def unix(text):
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def rfc3339(seconds):
    return datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@WRONG_CLOCKS
def test_the_clock_of_the_server_counts(world, wrong_clock):
    a = world.start_leader("a")
    world.output(a).wait_more(3)
    world.watch().wait_more(2)
    result = status(world, env=wrong_clock)
    assert result.status == OK and f"default/{world.lease}: held\n" in result.out, result
    distances = [found[0] for found in AWAY.findall(result.out)]
    assert len(distances) == 4 and not any("h" in text or re.search(r"\dm\d", text) for text in distances), result
    (found,) = status(world, "--output", "json", env=wrong_clock).leases()
    assert found["state"] == "held" and 0 < found["expiresInSeconds"] <= 3
    assert abs(unix(found["observed"]) - time.time()) < 600, "observed is not of the server's clock"


@WRONG_CLOCKS
def test_what_has_expired_by_the_clock_of_the_server(world, wrong_clock):
    """By the clock at hand it would be held, or it would be held for longer."""
    world.api.create_lease(world.lease, spec={"holderIdentity": "dead", "leaseDurationSeconds": 60, "leaseTransitions": 3,
                                              "acquireTime": rfc3339(time.time() - 930), "renewTime": rfc3339(time.time() - 330)})
    result = status(world, env=wrong_clock)
    assert result.status == NOBODY and f"default/{world.lease}: expired\n" in result.out, result
    assert re.search(r"renewed .*\(5m\d+(\.\d+)?s ago\)", result.out) and re.search(r"since .*\(15m\d+(\.\d+)?s ago\)", result.out), result
    (found,) = status(world, "--output", "json", env=wrong_clock).leases()
    assert found["state"] == "expired" and -600 < found["expiresInSeconds"] <= -240


@pytest.mark.parametrize("off_s", (1800,), ids=("ahead",))
def test_watch_with_a_wrong_clock(world, wrong_clock):
    a = world.start_leader("a")
    process = watch(world, "--output", "json", env=wrong_clock)
    lines = lambda: [json.loads(text) for text in process.out.texts()]
    last = lambda: lines()[-1] if len(process.out) else {}
    wait_until(lambda: last().get("state") == "held", 10, "the leader is seen")
    before = len(process.out)
    world.watch().wait_more(4)
    assert [line["state"] for line in lines()[before:]] in ([], ["held"]), lines()  # at most the news of a note
    world.end(a)
    wait_until(lambda: last()["state"] == "free", 10, "the release is seen")
    b = world.start_leader("b")
    wait_until(lambda: last()["holder"] == B, 10, "the next leader is seen")
    killed = b.signal(signal.SIGKILL)
    wait_until(lambda: last()["state"] == "expired", 20, "the expiry is seen")
    assert killed - 10 < unix(last()["observed"]) < killed + 600


def test_usage(world):
    for arguments, text in (
            (["status"], "which Lease?"),
            (["status", "--name", "x", "--config", "y.yaml"], "give --config or --name, not both"),
            (["yield", "--name", "x", "--watch"], "--watch belongs to lease status"),
            (["list", "--name", "x"], "lease needs one of: status, yield"),
            (["status", "--name", "x", "--output", "xml"], "table or json"),
            (["yield", "--name", "x", "--timeout", "soon"], '"--timeout" flag'),
            (["yield", "--name", "x", "--timeout", "-1s"], "must be positive"),
            (["status", "--name", "Not_A_Name", "--namespace", "default"], "--name must be the name of a Lease")):
        result = lease(*arguments, kubeconfig=world.server.kubeconfig_of("admin"))
        assert result.status == ERROR and text in result.errors, (arguments, result)
