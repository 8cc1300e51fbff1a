"""Mistakes in the configuration: exit status 1, and a message with file, line and column, the key, and what is wrong with it.

No API server is asked: everything here is found before anything is sent.
"""
import os
import subprocess

import pytest
from harness.processes import BATON

GOOD = """\
receivers:
  dummy/foo:
    interval: 1s
    allow_short_interval: true
    leaderelector: leaderelector/foo
extensions:
  leaderelector/foo:
    auth_type: kubeConfig
    lease_name: foo
    lease_namespace: default
    lease_duration: 15s
    renew_deadline: 10s
    retry_period: 2s
exporters:
  debug:
  otlp_grpc:
    endpoint: localhost:4317
service:
  extensions: [leaderelector/foo]
  pipelines:
    metrics:
      receivers: [dummy/foo]
      exporters: [debug, otlp_grpc]
"""

# name: (what is replaced, by what, where the message points to, words of the message)
BAD = {
    "extension that does not exist": ("leaderelector: leaderelector/foo", "leaderelector: leaderelector/bar", "leaderelector/bar",
                                      ["dummy/foo", "leaderelector/bar", "not configured"]),
    "extension that the service does not start": ("extensions: [leaderelector/foo]", "extensions: []", "leaderelector/foo\nextensions:",
                                                  ["leaderelector/foo", "service::extensions"]),
    "extension is listed and absent": ("extensions: [leaderelector/foo]", "extensions: [leaderelector/foo, leaderelector/baz]",
                                       "leaderelector/baz]", ["leaderelector/baz", "not configured"]),
    "extension id is a number": ("leaderelector: leaderelector/foo", "leaderelector: 7", "7", ["leaderelector", "must be the id"]),
    "extension id is a list": ("leaderelector: leaderelector/foo", "leaderelector: [leaderelector/foo]", "[leaderelector/foo]\nextensions",
                               ["leaderelector"]),
    "two spellings of the key": ("leaderelector: leaderelector/foo\n", "leaderelector: leaderelector/foo\n    leader_elector: leaderelector/foo\n",
                                 None, ["leader_elector", "leaderelector"]),
    "no lease name": ("    lease_name: foo\n", "", None, ["lease_name", "missing"]),
    "empty lease name": ("lease_name: foo", "lease_name: ''", None, ["lease_name"]),
    "lease name with capitals": ("lease_name: foo", "lease_name: Foo_Bar", "Foo_Bar", ["lease_name", "Foo_Bar"]),
    "lease name that is too long": ("lease_name: foo", f"lease_name: {'a' * 254}", "a" * 254, ["lease_name", "253"]),
    "lease name is a list": ("lease_name: foo", "lease_name: [foo]", "[foo]", ["lease_name", "string"]),
    "namespace that is none": ("lease_namespace: default", "lease_namespace: de.fault", "de.fault", ["lease_namespace", "de.fault"]),
    "empty namespace from the environment": ("lease_namespace: default", "lease_namespace: ${env:BATON_TEST_EMPTY}", None, ["lease_namespace", "empty"]),
    "duration without unit": ("lease_duration: 15s", "lease_duration: '15'", "'15'", ["lease_duration", "unit"]),
    "duration is a boolean": ("lease_duration: 15s", "lease_duration: true", "true\n    renew", ["lease_duration"]),
    "negative retry period": ("retry_period: 2s", "retry_period: -2s", "-2s", ["retry_period", "greater than zero"]),
    "duration equals the deadline": ("renew_deadline: 10s", "renew_deadline: 15s", "15s\n    renew", ["lease_duration", "greater than renew_deadline"]),
    "deadline too near to the retry period": ("renew_deadline: 10s", "renew_deadline: 2400ms", "2400ms", ["renew_deadline", "1.2"]),
    "margin eats the duration": ("retry_period: 2s", "retry_period: 2s\n    safety_margin: 14s", "14s", ["safety_margin"]),
    "unknown key of the extension": ("retry_period: 2s", "retry_periods: 2s", "retry_periods", ["retry_periods", "retry_period"]),
    "unknown key of the receiver": ("allow_short_interval: true", "alow_short_interval: true", "alow_short_interval", ["alow_short_interval"]),
    "unknown section": ("exporters:\n  debug:", "x-anchors: {}\nexporters:\n  debug:", "x-anchors", ["x-anchors"]),
    "unknown type": ("  dummy/foo:\n", "  dumy/foo:\n", "dumy/foo", ["dumy", "dummy"]),
    "auth type": ("auth_type: kubeConfig", "auth_type: token", "token", ["auth_type", "token"]),
    "interval below a minute": ("    allow_short_interval: true\n", "", "1s", ["interval", "1 minute"]),
    "interval that is no duration": ("interval: 1s", "interval: often", "often", ["interval", "valid duration"]),
    "endpoint of IPv6 without brackets": ("endpoint: localhost:4317", "endpoint: ::1:4317", "::1:4317", ["endpoint", "["]),
    "key twice": ("    lease_name: foo\n", "    lease_name: foo\n    lease_name: bar\n", "lease_name: bar", ["lease_name"]),
    "tab in the indentation": ("    lease_name: foo\n", "\tlease_name: foo\n", None, ["tab"]),
    "pipeline without exporters": ("exporters: [debug, otlp_grpc]", "exporters: []", None, ["metrics", "exporter"]),
    "elector in service but on another signal": ("    metrics:\n", "    metric:\n", "metric:", ["metric"]),
}


def place_of(text, needle):
    before = text[:text.index(needle)]
    return f"{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


def run(tmp_path, text, *arguments, command=()):
    path = tmp_path / "config.yaml"
    path.write_text(text)
    environment = dict(os.environ, BATON_TEST_EMPTY="", KUBECONFIG=str(tmp_path / "absent"))
    return subprocess.run([BATON, *command, "--config", str(path), *arguments], env=environment, capture_output=True, text=True, timeout=20)


@pytest.mark.parametrize("name", BAD, ids=lambda name: name.replace(" ", "-"))
def test_mistake_is_named_with_its_place(kind, tmp_path, name):
    old, new, needle, words = BAD[name]
    assert GOOD.count(old) == 1, old
    text = GOOD.replace(old, new)
    done = run(tmp_path, text)
    assert done.returncode == 1 and done.stdout == ""
    lines = [line for line in done.stderr.split("\n") if all(word in line for word in words)]
    assert lines, done.stderr
    assert any(f"{tmp_path}/config.yaml:" in line for line in lines), done.stderr
    if needle is not None:
        wanted = f"{tmp_path}/config.yaml:{place_of(text, needle)}:"
        assert any(line.startswith(wanted) for line in lines), f"expected {wanted}\n{done.stderr}"
    # `validate` finds the same.
    checked = run(tmp_path, text, command=("validate",))
    assert checked.returncode == 1 and all(line in checked.stderr for line in lines)


def test_good_one_is_silently_valid(kind, tmp_path):
    done = run(tmp_path, GOOD, command=("validate",))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_all_mistakes_are_said_at_once(kind, tmp_path):
    done = run(tmp_path, GOOD.replace("lease_name: foo", "lease_name: Foo").replace("retry_period: 2s", "retry_period: 0s")
               .replace("interval: 1s", "interval: often"))
    assert done.returncode == 1
    for word in ("lease_name", "retry_period", "interval"):
        assert word in done.stderr


def test_fraction_of_a_second_is_rounded_up_with_a_warning(world):
    extension = dict(world.extension(), lease_duration="3200ms")
    a = world.start_leader("a", world.config("a", extensions={"leaderelector/foo": extension}))
    assert world.spec()["leaseDurationSeconds"] == 4
    assert any(line.get("level") == "warn" and "lease_duration is rounded up to 4s" in text
               for text, line in zip(a.err.texts(), a.log())), a.err.texts()


@pytest.mark.parametrize("arguments, words", [
    ([], "at least one config flag must be provided"),
    (["--config", "/no/such/file.yaml"], "/no/such/file.yaml"),
    (["--config", "yaml:receivers: ["], "yaml"),
    (["--no-such-flag"], "no-such-flag"),
    (["--set", "a.b"], "missing equal sign"),
], ids=["none", "missing-file", "not-yaml", "flag", "set"])
def test_bad_command_line(kind, arguments, words):
    done = subprocess.run([BATON, *arguments], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and done.stderr.startswith("Error: ") and words in done.stderr
