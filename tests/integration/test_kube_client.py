"""The API client, its credentials and the Lease watch against a real kube-apiserver, by the program kube_check."""
import os
import re
import subprocess
import sys

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from harness.api import ApiServer  # noqa: E402
from harness.processes import PEERS  # noqa: E402
import peers  # noqa: E402

CHECK = os.path.join(peers.BUILD, "tests", "integration", "kube_check")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_kube_client_against_the_real_server(host, tmp_path):
    if not os.path.exists(os.path.join(PEERS, "apiserver")):
        pytest.skip("SKIPPED, there is no apiserver: build it with tests/peers/build.sh, which needs Go")
    if host == "::1" and not peers.has_ipv6():
        pytest.skip("SKIPPED, this machine has no ::1")
    server = ApiServer("apiserver", str(tmp_path / "server"), host)
    try:
        done = subprocess.run([CHECK, server.kubeconfig, server.kubeconfig_of("cert")], capture_output=True, text=True, timeout=300,
                              stdin=subprocess.DEVNULL)
    finally:
        server.stop()
    ok = re.findall(r"^ok", done.stdout, re.M)
    assert done.returncode == 0 and len(ok) > 50, done.stdout[-4000:] + done.stderr[-2000:]
