"""Memory, a log that nobody reads, and what kubectl shows."""
import os
import shutil
import signal
import subprocess
import time

import pytest
import yaml
from harness.processes import BATON, ROOT
from harness.replicas import FOLLOWS, LED
from harness.ticks import SECOND
from harness.world import wait_until

KIB, MIB = 1 << 10, 1 << 20


def is_release():
    """Sanitizers and debug builds need more."""
    with open(BATON, "rb") as f:
        return b"__asan_init" not in f.read()


def example(world):
    """The decision record's configuration, but for the names of the Leases."""
    with open(os.path.join(ROOT, "examples", "leader-election.yaml")) as f:
        config = yaml.safe_load(f)
    for extension in config["extensions"].values():
        extension["lease_name"] = f"{world.lease}-{extension['lease_name']}"
    return config


@pytest.mark.skipif(not is_release(), reason="a sanitized build")
def test_memory_of_leader_and_standby(world):
    a = world.start("a", example(world))
    for lease in ("foo", "bar"):
        world.expect(a, LED, lease=f"default/{world.lease}-{lease}")
    b = world.start("b", example(world))
    for lease in ("foo", "bar"):
        world.expect(b, FOLLOWS, lease=f"default/{world.lease}-{lease}")
    world.watch(f"{world.lease}-foo").wait_more(2)  # the version that was there, and a renewal
    for replica in (a, b):
        memory = replica.memory()
        assert memory["RssAnon"] <= 6 * MIB, memory
        assert memory["VmRSS"] <= 20 * MIB, memory


@pytest.mark.skipif(not is_release(), reason="a sanitized build")
def test_memory_stays_flat_over_ten_thousand_ticks(world):
    receivers = {f"dummy/{n}": "leaderelector/foo" for n in range(20)}
    config = world.config("a", receivers, interval="10ms")
    config["exporters"] = {"debug": dict(world.exporter("a", "all"), verbosity="basic")}
    for pipeline in config["service"]["pipelines"].values():
        pipeline["exporters"] = ["debug"]
    a = world.start_leader("a", config)
    line = len(b'Metrics\t{"resource metrics": 1, "metrics": 1, "data points": 5}\n')
    emitted = lambda: os.path.getsize(world.output(a, "all").path) // line
    wait_until(lambda: os.path.exists(world.output(a, "all").path) and emitted() > 2000, 60, "2,000 ticks")
    before, first = a.memory(), emitted()
    wait_until(lambda: emitted() > first + 10_000, 120, "10,000 ticks more")
    after = a.memory()
    assert after["RssAnon"] - before["RssAnon"] <= 256 * KIB, (before, after)


def test_log_that_nobody_reads_stops_no_tick(world):
    """The pipe behind stderr is full after 64 KiB; ticks and hand-over go on."""
    config = world.config("a", {"dummy/foo": "leaderelector/foo", "dummy/loud": None}, interval="1s")
    config["receivers"]["dummy/loud"]["interval"] = "10ms"
    config["exporters"]["debug/dummy-loud"] = {"verbosity": "detailed"}
    config["service"]["telemetry"] = {"logs": {"level": "debug"}}
    path, fifo = os.path.join(world.folder, "a.yaml"), os.path.join(world.folder, "stderr")
    with open(path, "w") as f:
        yaml.safe_dump(config, f)
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    try:
        a = world.start_other(["sh", "-c", f'exec "{BATON}" --config "{path}" 2>"{fifo}"'], "a", env=dict(
            os.environ, KUBECONFIG=world.server.kubeconfig, POD_NAME="a", POD_UID="uid-of-a"))
        watch = world.watch()
        assert watch.wait_holder(lambda holder: holder == "a_uid-of-a", 20)
        watch.wait_more(3)  # 3 s of 100 texts of 1.3 KB a second: the pipe has been full for long
        world.output("a").wait_more(2)
        emitted = world.ticks("a")[0]
        assert {after - before for before, after in zip(emitted[1:], emitted[2:])} == {SECOND}
        signalled = a.signal(signal.SIGTERM)
        assert watch.wait_holder(lambda holder: holder == "", 5)
        assert a.wait(10) == 0 and time.time() - signalled < 5
    finally:
        os.close(reader)


def test_closed_stderr_ends_nothing(world):
    path = os.path.join(world.folder, "a.yaml")
    with open(path, "w") as f:
        yaml.safe_dump(world.config("a"), f)
    a = world.start_other(["sh", "-c", f'exec "{BATON}" --config "{path}" 2>&- >&-'], "a", env=dict(
        os.environ, KUBECONFIG=world.server.kubeconfig, POD_NAME="a", POD_UID="uid-of-a"))
    world.output("a").wait_more(3)
    a.signal(signal.SIGTERM)
    assert a.wait(10) == 0
    assert world.api.holder(world.lease) == ""
    world.check_once("a")


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl is not here")
def test_kubectl_shows_the_holder(world):
    world.start_leader("a")
    done = subprocess.run(["kubectl", "--kubeconfig", world.server.kubeconfig, "--cache-dir", world.folder, "get", "lease", world.lease],
                          capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    head, row = done.stdout.strip().split("\n")
    assert head.split() == ["NAME", "HOLDER", "AGE"]
    assert row.split()[:2] == [world.lease, "a_uid-of-a"]
