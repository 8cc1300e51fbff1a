"""The Go collector (tests/reference/build.sh) and baton on one kube-apiserver, with odd objects of every kind (objects/)."""
import os
import sys
import time

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
import collectors  # noqa: E402
import fill  # noqa: E402
import objects  # noqa: E402
from harness.api import ApiServer  # noqa: E402
from harness.processes import BATON, PEERS  # noqa: E402


def pytest_addoption(parser):
    parser.addoption("--twice", action="store_true", help="the reference on both sides: shows that objects and comparison are steady")
    parser.addoption("--seed", type=int, default=time.time_ns() % 1_000_000, help="of the texts of chance")


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    for program in (*(os.path.join(PEERS, name) for name in ("apiserver", "otlpsink", "loader")), collectors.REFERENCE):
        if not os.path.exists(program):
            pytest.skip(f"SKIPPED, there is no {program}: tests/peers/build.sh and tests/reference/build.sh make it, which needs Go")
    assert os.path.exists(BATON), f"{BATON} is not built"
    server = ApiServer("apiserver", str(tmp_path_factory.mktemp("server")))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def cluster(server):
    """With all the objects; tests may add to them and change them."""
    cluster = fill.Cluster(server.api)
    cluster.ask("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", fill.QUOTA_CRD)
    collectors.wait_until(lambda: server.api.request("GET", cluster.path("clusterresourcequotas"))[0] == 200, "the new kind is served")
    refused = cluster.fill(objects.every_shape())
    assert not refused, "\n".join(refused)
    return cluster


@pytest.fixture
def pair(request, server, cluster, tmp_path):
    """Starts both collectors with the same settings."""
    started = []

    def start(receiver=None, **options):
        started.append(collectors.Pair(server, str(tmp_path), receiver, twice=request.config.getoption("--twice"), **options))
        return started[-1]

    yield start
    for each in started:
        each.stop()
