"""The end-to-end suite: baton as it ships, against kubesim (--server=kubesim) or a real kube-apiserver (--server=apiserver).

Each test gets a `world` (tests/harness/world.py) with a Lease name of its own on a server that all tests share; `troubled_world` has one on a server
that the test may stop and freeze. Tests marked `ipv6` run a second time on ::1; `only("kubesim")` names the server that a test needs.
"""
import itertools
import json
import os
import re
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import jitter, standstill  # noqa: E402
from harness.api import ApiServer  # noqa: E402
from harness.in_cluster import no_mounts  # noqa: E402
from harness.processes import BATON, KUBESIM, PEERS  # noqa: E402
from harness.world import World  # noqa: E402

LOG_LINES_SHOWN = 40
NUMBERS = itertools.count(1)


def pytest_addoption(parser):
    parser.addoption("--server", choices=("kubesim", "apiserver"), default="kubesim", help="what the tests run against")
    parser.addoption("--jitter", type=int, default=0, metavar="MS", help="a busy machine, made: harness/jitter.py")


def pytest_configure(config):
    if config.getoption("--jitter"):
        jitter.enable(config.getoption("--jitter"))
    config.addinivalue_line("markers", "ipv6: runs on ::1 as well")
    config.addinivalue_line("markers", "only(server): runs on this server only")


def pytest_terminal_summary(terminalreporter):
    standstill.report(terminalreporter.write_line)


def pytest_generate_tests(metafunc):
    if "host" in metafunc.fixturenames:
        hosts = ["127.0.0.1"] + (["::1"] if metafunc.definition.get_closest_marker("ipv6") else [])
        metafunc.parametrize("host", hosts, ids=lambda host: "v6" if ":" in host else "v4", scope="session")


def pytest_collection_modifyitems(config, items):
    kind = config.getoption("--server")
    here = lambda item: all(mark.args[0] == kind for mark in item.iter_markers("only"))
    config.hook.pytest_deselected(items=[item for item in items if not here(item)])
    items[:] = [item for item in items if here(item)]


@pytest.fixture(scope="session")
def kind(request):
    kind = request.config.getoption("--server")
    for program in (BATON, KUBESIM if kind == "kubesim" else os.path.join(PEERS, "apiserver")):
        assert os.path.exists(program), f"{program} is not built"
    return kind


def serve(kind, tmp_path_factory, name, host):
    return ApiServer(kind, str(tmp_path_factory.mktemp(name)), host, arguments=("--rbac",) if kind == "kubesim" else ())


@pytest.fixture(scope="session")
def servers(kind, tmp_path_factory):
    """By address; started when first asked for."""
    started = {}

    def get(host):
        if host not in started:
            started[host] = serve(kind, tmp_path_factory, "server", host)
        return started[host]
    yield get
    for server in started.values():
        server.stop()


@pytest.fixture(scope="session")
def troubled_server(kind, tmp_path_factory):
    server = serve(kind, tmp_path_factory, "troubled", "127.0.0.1")
    yield server
    server.stop()


def make_world(server, request, tmp_path):
    name = re.sub(r"[^a-z0-9]+", "-", request.node.name.lower().removeprefix("test_"))[:40].strip("-")
    world = World(server, str(tmp_path), f"{name}-{next(NUMBERS)}")
    request.node.world = world
    return world


@pytest.fixture
def world(servers, host, request, tmp_path):
    world = make_world(servers(host), request, tmp_path)
    yield world
    world.close()


@pytest.fixture
def troubled_world(troubled_server, request, tmp_path):
    """On a server that the test may disturb; it must be mended at the end of the test, or it is here."""
    world = make_world(troubled_server, request, tmp_path)
    yield world
    world.close()
    troubled_server.mend()


@pytest.fixture
def mounts():
    """Skips where this user cannot mount."""
    reason = no_mounts()
    if reason:
        pytest.skip(reason)


def short(text):
    """A log line without the fields that are the same in all of them."""
    try:
        line = json.loads(text)
        return " ".join([str(line.pop("ts", ""))[11:], str(line.pop("level", "")), str(line.pop("msg", ""))] + [
            f"{key}={value}" for key, value in line.items() if key not in ("resource", "caller", "otelcol.component.kind")])
    except (ValueError, AttributeError):
        return text


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    world = getattr(item, "world", None)
    report = outcome.get_result()
    if world is None or not report.failed or call.when != "call":
        return
    for process in world.processes:
        lines = [short(text) for text in process.err.texts()] or process.out.texts()
        report.sections.append((f"{process.name} (pid {process.pid}, {'runs' if process.alive() else 'ended'})",
                                "\n".join(line[:600] for line in lines[-LOG_LINES_SHOWN:])))
