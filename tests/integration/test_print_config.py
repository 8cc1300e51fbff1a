"""What print-config shows can be loaded again: it is as valid as before, nobody is warned of anything new, and it shows the same."""
import glob
import os
import re
import subprocess

import peers
import pytest


def examples():
    """(name, text) of every example file and every whole configuration in the documents."""
    found = []
    for path in sorted(glob.glob(os.path.join(peers.ROOT, "examples", "**", "*.yaml"), recursive=True)):
        with open(path, encoding="utf-8") as file:
            found.append((os.path.relpath(path, peers.ROOT), file.read()))
    pages = sorted(glob.glob(os.path.join(peers.ROOT, "docs", "**", "*.md"), recursive=True))
    for path in [os.path.join(peers.ROOT, "README.md"), *pages]:
        with open(path, encoding="utf-8") as file:
            blocks = re.findall(r"^```yaml\n(.*?)^```", file.read(), re.M | re.S)
        found += [(f"{os.path.relpath(path, peers.ROOT)} {i}", text) for i, text in enumerate(blocks, 1)]
    return [(name, text) for name, text in found if re.search(r"^(receivers|exporters|extensions|service):", text, re.M)]


EXAMPLES = examples() + [("a receiver of each kind", """
extensions: {k8s_leader_elector: {lease_name: x, standby: cold, fencing: {header: x-fencing-token}}}
receivers:
  dummy: {}
  k8s_cluster: {k8s_leader_elector: k8s_leader_elector}
  kymastats: {resources: [{version: v1, resource: things}], k8s_leader_elector: k8s_leader_elector}
exporters: {debug: , nop: , otlp_grpc: {endpoint: "backend:4317"}}
service:
  extensions: [k8s_leader_elector]
  pipelines: {metrics: {receivers: [dummy, k8s_cluster, kymastats], exporters: [debug, nop, otlp_grpc]}}
""")]


def command(name, path, *more):
    env = {k: v for k, v in os.environ.items() if not k.startswith(("KUBE", "POD_"))}
    return subprocess.run([peers.BATON, name, "--config", str(path), *more], capture_output=True, text=True, timeout=20, env=env)


def warnings(done):
    """Without the place, which is another one in what was printed."""
    return sorted(re.sub(r"\S+?:\d+:\d+: ", "", line) for line in done.stderr.split("\n") if line.strip())


def test_there_are_examples():
    names = [name for name, _ in EXAMPLES]
    assert len(names) > 15 and any("kymastats" in name for name in names) and any("examples/" in name for name in names)


@pytest.mark.parametrize("text", [text for _, text in EXAMPLES], ids=[name for name, _ in EXAMPLES])
def test_what_is_printed_loads_again(text, tmp_path):
    before, after = tmp_path / "before.yaml", tmp_path / "after.yaml"
    before.write_text(text)
    valid = command("validate", before)
    printed = command("print-config", before, "--mode", "unredacted")
    if valid.returncode != 0:
        assert valid.stderr.strip()  # a part of a configuration, or one that shows an error: there is nothing to load again
        return
    assert printed.returncode == 0, printed.stderr
    after.write_text(printed.stdout)
    valid_again = command("validate", after)
    assert valid_again.returncode == 0, valid_again.stderr
    new = [line for line in warnings(valid_again) if line not in warnings(valid)]
    assert not new, new
    assert command("print-config", after, "--mode", "unredacted").stdout == printed.stdout
