"""The fault suite: faults of the table (registry.py), several at once, each on a stage of its own.

They wait most of the time. So all that were selected are begun by one pool of threads, and each test takes the result of its own; faults that need
the machine for themselves run behind the others, when their test is asked.
"""
import concurrent.futures
import os
import random
import sys
import threading
import time
import traceback

import pytest

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
from harness import clock, standstill  # noqa: E402
from harness.api import ApiServer  # noqa: E402
from harness.processes import BATON, KUBESIM, PEERS  # noqa: E402
from harness.proxy import FaultProxy  # noqa: E402

from all_faults import FAULTS, NAMES_OF  # noqa: E402
from lagging import LaggingServer  # noqa: E402
from stage import NAMES, TIMINGS, Stage  # noqa: E402

LOG_LINES_SHOWN = 25


def pytest_addoption(parser):
    parser.addoption("--server", choices=("kubesim", "apiserver"), default="kubesim", help="what the faults are played on")
    parser.addoption("--timing", choices=tuple(TIMINGS), default="short", help="durations of the election")
    parser.addoption("--standby", choices=("auto", "warm", "cold"), default="auto", help="standby mode of the replicas")
    parser.addoption("--at-once", type=int, default=12, help="faults played at the same time")
    parser.addoption("--seed", type=int, default=None, help="of what is random in a fault")


def pytest_terminal_summary(terminalreporter):
    standstill.report(terminalreporter.write_line)


def pytest_collection_modifyitems(config, items):
    kind = config.getoption("--server")
    here = lambda item: not hasattr(item, "callspec") or "name" not in item.callspec.params or kind in FAULTS[item.callspec.params["name"]].servers
    config.hook.pytest_deselected(items=[item for item in items if not here(item)])
    items[:] = [item for item in items if here(item)]
    items.sort(key=lambda item: hasattr(item, "callspec") and FAULTS[item.callspec.params["name"]].alone)


class Theatre:
    """All stages of a run: servers, the proxy, the pool."""

    def __init__(self, options, folder):
        self.kind, self.timing = options("--server"), TIMINGS[options("--timing")]
        self.standby, self.folder = options("--standby"), folder
        self.seed = options("--seed") if options("--seed") is not None else int(time.time())
        print(f"faults: seed {self.seed}")
        random.seed(self.seed)
        self.proxy = FaultProxy()
        self.clocks = clock.build(folder)
        self.pool = concurrent.futures.ThreadPoolExecutor(options("--at-once"))
        # Of these each has one server, so one is played after the other, in no place of the pool.
        self.disturbing, self.lagging_ones = concurrent.futures.ThreadPoolExecutor(1), concurrent.futures.ThreadPoolExecutor(1)
        self.results, self.lock = {}, threading.Lock()
        self.shared, self.own, self.lagging = None, None, None

    def serve(self, name):
        return ApiServer(self.kind, os.path.join(self.folder, name), arguments=("--rbac",) if self.kind == "kubesim" else ())

    def server(self):
        with self.lock:
            self.shared = self.shared or self.serve("server")
            return self.shared

    def begin(self, names):
        for name in names:
            if not FAULTS[name].alone:
                self.results[name] = self.pool_for(FAULTS[name]).submit(self.play, name)

    def pool_for(self, fault):
        if fault.two_servers:
            return self.lagging_ones
        return self.disturbing if fault.own_server and self.kind == "apiserver" else self.pool

    def result(self, name):
        return self.results[name].result() if name in self.results else self.play(name)

    def play(self, name):
        """[what is wrong], log of the stage"""
        fault = FAULTS[name]
        if fault.two_servers:
            self.lagging = self.lagging or LaggingServer(self.server(), self.proxy, os.path.join(self.folder, "lagging-server"))
            try:
                return self.play_on(self.server(), fault)
            finally:
                self.lagging.mend()
        if not fault.own_server:
            return self.play_on(self.server(), fault)
        if self.kind == "kubesim":
            server = self.serve(f"server-of-{name}")
            try:
                return self.play_on(server, fault)
            finally:
                server.stop()
        self.own = self.own or self.serve("disturbed-server")  # a server takes long to start: one for all who disturb it
        try:
            return self.play_on(self.own, fault)
        finally:
            self.own.mend()

    def play_on(self, server, fault):
        folder = os.path.join(self.folder, fault.name)
        os.makedirs(folder)
        stage = Stage(server, self.proxy, self.clocks, folder, fault.name.replace("_", "-"), fault, self.timing, self.standby,
                      NAMES_OF.get(fault.name, NAMES))
        stage.lagging = self.lagging if fault.two_servers else None
        begun = time.monotonic()
        try:
            try:
                fault.play(stage)
            except Exception:  # whatever it is, it belongs to this fault's test
                return [traceback.format_exc()], log_of(stage)
            problems = stage.finish()
            return problems, log_of(stage) if problems else f"{time.monotonic() - begun:.1f} s"
        finally:
            stage.close()

    def close(self):
        for pool in (self.pool, self.disturbing, self.lagging_ones):
            pool.shutdown(cancel_futures=True)
        for server in (self.lagging, self.shared, self.own):
            if server:
                server.stop()
        self.proxy.stop()


def log_of(stage):
    text = []
    for replica in stage.replicas.values():
        text.append(f"-- {replica.name} (pid {replica.pid}, {'runs' if replica.alive() else 'ended'})")
        for line in replica.log()[-LOG_LINES_SHOWN:]:
            fields = {k: v for k, v in line.items() if k not in ("ts", "level", "msg", "resource", "caller", "role") and "otelcol" not in k}
            text.append(f"{line.get('ts', '')[11:23]} {line.get('level', '')} {line.get('msg', '')} {fields}"[:400])
    text.append("-- the Lease")
    for when, kind, lease in (stage.lease_watch.events if stage.lease_watch else [])[-12:]:
        spec = lease.get("spec", {})
        text.append(f"{time.strftime('%H:%M:%S', time.gmtime(when))}.{int(when % 1 * 1000):03} {kind} {spec.get('holderIdentity')!r} "
                    f"{spec.get('leaseDurationSeconds')} {spec.get('leaseTransitions')}")
    text.append("-- arrivals")
    text += [f"{time.strftime('%H:%M:%S', time.gmtime(a.time_ns / 1e9))}.{a.time_ns // 10**6 % 1000:03} {a.peer} {a.signal} {a.tick}"
             for a in stage.backend.arrivals()[-40:]]
    return "\n".join(text)


@pytest.fixture(scope="session")
def theatre(request, tmp_path_factory):
    options = request.config.getoption
    for program in (BATON, KUBESIM if options("--server") == "kubesim" else os.path.join(PEERS, "apiserver"), os.path.join(PEERS, "faultproxy")):
        assert os.path.exists(program), f"{program} is not built"
    theatre = Theatre(options, str(tmp_path_factory.mktemp("faults")))
    theatre.begin([item.callspec.params["name"] for item in request.session.items if hasattr(item, "callspec")])
    yield theatre
    theatre.close()
