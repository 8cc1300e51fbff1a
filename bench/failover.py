#!/usr/bin/python3
"""What a change of leader costs: baton and the Go collector on the same real kube-apiserver, 1 s ticks, an OTLP sink each.

  make bench-failover            SIGTERM 30, SIGKILL 4 and SIGSTOP 3 trials of baton, 3, 2 and 1 of the reference
  bench/failover.py --term 100 --kill 10 --stop 5 --reference-term 5 ...

Two replicas run; the leader gets the signal at a random moment; the ended one comes back as standby for the next trial. Printed for
each kind of trial, as median, 99th percentile and maximum:
  lease        signal until the other replica is the holder, seen by a watch of our own (ms)
  request      signal until the other replica's first request is at its sink (ms)
  gap          longest distance between two neighbouring ticks of the data, over both replicas (s)
  missing      ticks of the series that nobody emitted, in all
  doubled      ticks that both replicas emitted, in all
  stale        ticks of the old leader that were collected after the first of the new one, in all
The reference has no dummy receiver: it runs k8s_cluster (one namespace object is enough to tick) with the same interval, and its ticks
have no schedule, so "missing" is counted as gap / interval - 1.
"""
import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from harness.api import ApiServer, Sink  # noqa: E402
from harness.processes import PEERS  # noqa: E402
from harness.replicas import Baton, GoCollector  # noqa: E402

SECOND = 1_000_000_000


def baton_config(lease, endpoint):
    return {
        "receivers": {"dummy/foo": {"interval": "1s", "allow_short_interval": True, "leaderelector": "leaderelector/foo"}},
        "extensions": {"leaderelector/foo": {"auth_type": "kubeConfig", "lease_name": lease, "lease_namespace": "default"}},
        "exporters": {"otlp": {"endpoint": endpoint, "tls": {"insecure": True}}},
        "service": {"extensions": ["leaderelector/foo"],
                    "pipelines": {"metrics": {"receivers": ["dummy/foo"], "exporters": ["otlp"]}}},
    }


def reference_config(lease, endpoint):
    return {
        "receivers": {"k8s_cluster": {"auth_type": "kubeConfig", "collection_interval": "1s", "k8s_leader_elector": "k8s_leader_elector"}},
        "extensions": {"k8s_leader_elector": {"auth_type": "kubeConfig", "lease_name": lease, "lease_namespace": "default"}},
        "exporters": {"otlp_grpc": {"endpoint": endpoint, "tls": {"insecure": True}}},
        "service": {"extensions": ["k8s_leader_elector"],
                    "telemetry": {"metrics": {"level": "none"}},
                    "pipelines": {"metrics": {"receivers": ["k8s_cluster"], "exporters": ["otlp_grpc"]}}},
    }


class Side:
    """One of the two replicas, with its sink; the process may be started again."""

    def __init__(self, name, bench):
        self.name, self.bench = name, bench
        self.sink = Sink(name, ("--summary", "--max-recv-mib", "256"))
        self.process = None

    def start(self):
        folder, kubeconfig = self.bench.folder, self.bench.server.kubeconfig
        name = f"{self.name}-{random.randrange(1 << 30)}"
        if self.bench.reference:
            self.process = GoCollector(name, reference_config(self.bench.lease, self.sink.endpoint), folder, kubeconfig)
        else:
            self.process = Baton(name, baton_config(self.bench.lease, self.sink.endpoint), folder, kubeconfig)

    def ticks(self, start=0):
        """Time stamps in order of arrival, ns."""
        return [tick for call in self.sink.calls(start) for tick in sorted({ts for _, ts in call["distinct"]})]

    def stop(self):
        if self.process:
            self.process.stop()
        self.sink.stop()


class Bench:
    def __init__(self, server, folder, reference):
        self.server, self.folder, self.reference = server, folder, reference
        self.lease = f"bench-{'go' if reference else 'baton'}-{random.randrange(1 << 30)}"
        self.sides = [Side("a", self), Side("b", self)]
        self.watch = server.api.watch_lease(self.lease)

    def begin(self):
        self.sides[0].start()
        if self.sides[0].sink.wait_call(lambda call: True, 90) is None:
            raise RuntimeError(f"nothing was emitted: {self.sides[0].process.err.texts()[-5:]}")
        self.sides[1].start()
        self.wait_follower(self.sides[1])
        return self.sides[0], self.sides[1]

    def wait_follower(self, side):
        """Until the replica stands by: it says so, or (the reference says nothing) two seconds have passed."""
        if self.reference:
            time.sleep(2)  # the reference gives no sign
        elif side.process.wait_log("Another replica leads", 30) is None:
            raise RuntimeError(f"{side.name} does not stand by: {side.process.err.texts()[-5:]}")

    def trial(self, kind, old, new):
        """Numbers of one change of leader; afterwards `new` leads and `old` stands by."""
        first = (len(old.sink.process.out), len(new.sink.process.out))
        events = len(self.watch)
        # Let it tick, then any moment.
        for _ in range(3):
            old.sink.wait_call(lambda call: True, 30, len(old.sink.process.out))
        time.sleep(random.random())
        holder = self.server.api.holder(self.lease)
        signalled = old.process.signal({"term": signal.SIGTERM, "kill": signal.SIGKILL, "stop": signal.SIGSTOP}[kind])
        taken = self.watch.wait_holder(lambda h: h not in ("", holder), 60, events)
        request = new.sink.wait_call(lambda call: True, 60, first[1])
        if taken is None or request is None:
            raise RuntimeError("nobody took over")
        if kind == "stop":
            left = signalled + 25 - time.time()
            if left > 0:
                time.sleep(left)  # the length of the pause is the trial
            old.process.signal(signal.SIGCONT)
        for _ in range(13 if kind == "stop" and self.reference else 3):
            new.sink.wait_call(lambda call: True, 30, len(new.sink.process.out))
        result = self.numbers(old.ticks(first[0]), new.ticks(first[1]))
        result.update(lease=(taken[0] - signalled) * 1000, request=(request[0] - signalled) * 1000)
        if kind != "stop":
            if kind == "term":
                old.process.wait(30)
            old.process.stop()
            old.start()
            self.wait_follower(old)
        return result

    def numbers(self, old, new):
        both = sorted(set(old) | set(new))
        gaps = [b - a for a, b in zip(both, both[1:])]
        missing = sum(max(0, round(gap / SECOND) - 1) for gap in gaps)
        stale = sum(1 for tick in old if new and tick > new[0])
        return {"gap": max(gaps, default=0) / SECOND, "missing": missing, "doubled": len(set(old) & set(new)), "stale": stale}

    def end(self):
        self.watch.close()
        for side in self.sides:
            side.stop()


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(p * len(ordered)))]


def show(program, kind, results):
    spread = lambda key, form: "/".join(form % percentile([r[key] for r in results], p) for p in (0.5, 0.99, 1))
    total = lambda key: sum(r[key] for r in results)
    print(f"{program:12} {kind:5} {len(results):4}   {spread('lease', '%.0f'):>22} {spread('request', '%.0f'):>22} "
          f"{spread('gap', '%.1f'):>15} {total('missing'):8} {total('doubled'):8} {total('stale'):6}")
    sys.stdout.flush()


def run(server, folder, reference, counts):
    program = "Go collector" if reference else "baton"
    bench = Bench(server, folder, reference)
    try:
        old, new = bench.begin()
        for kind, count in counts.items():
            results = []
            for _ in range(count):
                results.append(bench.trial(kind, old, new))
                old, new = new, old
            if results:
                show(program, {"term": "TERM", "kill": "KILL", "stop": "STOP"}[kind], results)
    finally:
        bench.end()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    for name, count in {"term": 30, "kill": 4, "stop": 3, "reference-term": 3, "reference-kill": 2, "reference-stop": 1}.items():
        parser.add_argument(f"--{name}", type=int, default=count)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    random.seed(options.seed)
    for program in ("apiserver", "otlpsink"):
        if not os.path.exists(os.path.join(PEERS, program)):
            raise SystemExit(f"{PEERS}/{program} is missing: sh tests/peers/build.sh build/peers (needs Go)")
    folder = tempfile.mkdtemp(prefix="baton-bench-")
    print(f"seed {options.seed}; median / 99th percentile / maximum of each")
    print(f"{'program':12} {'kind':5} {'n':>4}   {'lease ms':>22} {'request ms':>22} {'gap s':>15} {'missing':>8} {'doubled':>8} {'stale':>6}")
    server = ApiServer("apiserver", os.path.join(folder, "server"))
    try:
        run(server, folder, False, {"term": options.term, "kill": options.kill, "stop": options.stop})
        reference = {"term": options.reference_term, "kill": options.reference_kill, "stop": options.reference_stop}
        if sum(reference.values()) == 0:
            pass
        elif os.path.exists(os.path.join(PEERS, "otelcol-ref")):
            run(server, folder, True, reference)
        else:
            print("the Go collector is not built: sh tests/reference/build.sh build/peers/otelcol-ref")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
