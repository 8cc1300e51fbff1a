"""singleton_receiver_creator: read as leader election, and rewritten by `baton migrate` while replicas run."""
import json
import os
import signal
import subprocess

import yaml
from harness.processes import BATON
from harness.replicas import LED, LOST, RELEASED
from harness.world import SHORT

RELOADED = "Config updated, restart service"
READY = "Everything is ready"

OLD = """\
# The agent of this cluster
receivers:
  # one pod only
  singleton_receiver_creator/foo:
    auth_type: kubeConfig
    leader_election:
      lease_name: {lease}     # as ever
      lease_namespace: default
      lease_duration: {lease_duration}
      renew_deadline: {renew_deadline}
      retry_period: {retry_period}
    receiver:
      dummy/foo:
        interval: 200ms
        allow_short_interval: true # a test
exporters:
  debug/dummy-foo: {exporter}
service:
  telemetry: {{logs: {{encoding: json}}}}
  pipelines:
    metrics/dummy-foo:
      receivers: [singleton_receiver_creator/foo]
      exporters: [debug/dummy-foo]
"""


def old_config(world, name):
    return OLD.format(lease=world.lease, exporter=json.dumps(world.exporter(name, "dummy-foo")), **SHORT)


def migrate(*arguments):
    return subprocess.run([BATON, "migrate", *arguments], capture_output=True, text=True, timeout=20)


def old_warnings(replica, start=0):
    return [line for line in replica.log(start) if "singleton_receiver_creator" in line.get("warning", "")]


def test_old_configuration_leads_and_says_once_how_it_is_read(world):
    a = world.start_leader("a", old_config(world, "a"))
    world.output(a).wait_more(3)
    said = old_warnings(a)
    assert len(said) == 1 and said[0]["level"] == "warn" and said[0]["place"] == f"{a.config_path}:4:3"
    text = said[0]["warning"]
    assert f"baton migrate --in-place {a.config_path}" in text
    # What it shows is YAML, and it is the change.
    shown = yaml.safe_load("\n".join(line[4:] for line in text.split("\n") if line.startswith("    ")))
    assert shown["extensions"] == {"k8s_leader_elector/foo": {"auth_type": "kubeConfig", "lease_name": world.lease,
                                                              "lease_namespace": "default", **SHORT}}
    assert shown["receivers"] == {"dummy/foo": {"k8s_leader_elector": "k8s_leader_elector/foo"}}
    assert shown["service"] == {"extensions": ["k8s_leader_elector/foo"], "pipelines": {"metrics/dummy-foo": {"receivers": ["dummy/foo"]}}}


def test_migrated_under_a_running_replica_without_a_change_of_leader(world):
    a = world.start_leader("a", old_config(world, "a"))
    b = world.start_standby("b", old_config(world, "b"))
    world.output(a).wait_more(3)
    done = migrate("--in-place", a.config_path, b.config_path)
    assert done.returncode == 0, done.stderr
    with open(a.config_path) as f:
        text = f.read()
    assert "singleton" not in text
    for comment in ("# The agent of this cluster\n", "  # one pod only\n  dummy/foo:\n", "# as ever\n", "allow_short_interval: true # a test\n"):
        assert comment in text
    uid = world.api.lease(world.lease)["metadata"]["uid"]
    for replica in (b, a):
        mark = len(replica.err)
        replica.signal(signal.SIGHUP)
        world.expect(replica, RELOADED, start=mark)
        world.expect(replica, READY, start=mark)
        assert old_warnings(replica, mark) == []
    world.output(a).wait_more(3)
    assert not a.wait_log(RELEASED, 0) and not a.wait_log(LOST, 0)
    lease = world.api.lease(world.lease)
    assert lease["metadata"]["uid"] == uid and lease["spec"]["leaseTransitions"] == 0
    world.end(a)
    world.expect(b, LED, predecessor="released")
    world.output(b).wait_more(2)
    world.check_once("a", "b")


def test_old_and_migrated_replicas_exclude_each_other(world, tmp_path):
    a = world.start_leader("a", old_config(world, "a"))
    world.output(a).wait_more(2)
    path = tmp_path / "old.yaml"
    path.write_text(old_config(world, "b"))
    done = migrate(str(path))
    assert done.returncode == 0 and done.stdout and path.read_text() == old_config(world, "b")
    b = world.start_standby("b", done.stdout)
    world.output(a).wait_more(2)
    world.end(a)
    world.expect(b, LED, predecessor="released")
    world.output(b).wait_more(2)
    world.check_once("a", "b")


def test_diff_is_what_patch_takes(kind, tmp_path):
    path = tmp_path / "old.yaml"
    text = OLD.format(lease="l", exporter="{}", **SHORT)
    path.write_text(text)
    path.chmod(0o600)
    shown = migrate("--diff", str(path))
    assert shown.returncode == 0 and shown.stdout.startswith(f"--- {path}\n+++ {path}\n@@ ") and path.read_text() == text
    subprocess.run(["patch", "-s", str(path)], input=shown.stdout, text=True, check=True, timeout=20)
    patched = path.read_text()
    path.write_text(text)
    assert migrate("--in-place", str(path)).returncode == 0
    assert path.read_text() == patched and path.stat().st_mode & 0o777 == 0o600
    assert set(os.listdir(tmp_path)) <= {"old.yaml", "old.yaml.orig"}  # patch may keep the old one
    checked = subprocess.run([BATON, "validate", "--config", str(path)], capture_output=True, text=True, timeout=20)
    assert (checked.returncode, checked.stderr) == (0, "")


def test_what_cannot_be_carried_over_is_said_and_nothing_is_written(kind, tmp_path):
    path = tmp_path / "old.yaml"
    text = OLD.format(lease="l", exporter="{}", **SHORT).replace("      dummy/foo:\n", "      dummy/bar:\n      dummy/foo:\n")
    path.write_text(text)
    done = migrate("--in-place", str(path))
    assert done.returncode == 1 and path.read_text() == text
    assert f"Error: {path}:14:7: receivers::singleton_receiver_creator/foo::receiver: holds 2 receivers" in done.stderr
    started = subprocess.run([BATON, "--config", str(path)], capture_output=True, text=True, timeout=20)
    assert started.returncode == 1 and f"{path}:14:7: " in started.stderr and started.stderr.count("\n") <= 4
