import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import peers  # noqa: E402


@pytest.fixture(scope="session")
def certs(tmp_path_factory):
    """A CA with `server` (127.0.0.1, ::1, localhost), `named` (sink.test only) and `client`."""
    c = peers.Certificates(tmp_path_factory.mktemp("certs"))
    return c.make("server").make("named", "DNS:sink.test").make("client", "DNS:client")


@pytest.fixture
def sinks(tmp_path):
    """Starts sinks that end with the test."""
    if not os.path.exists(peers.SINK):
        pytest.skip(f"SKIPPED, there is no {peers.SINK}: build it with tests/peers/build.sh, which needs Go")
    started = []

    def start(**options):
        started.append(peers.Sink(tmp_path, **options))
        return started[-1]

    yield start
    for s in started:
        s.__exit__()


@pytest.fixture
def drivers():
    started = []

    def start(config, exporter="otlp_grpc", **options):
        started.append(peers.Driver(exporter, config, **options))
        return started[-1]

    yield start
    for d in started:
        d.__exit__()
