#!/usr/bin/python3
"""What a change of leader costs: baton and the Go collector on the same real kube-apiserver, 1 s ticks, an OTLP sink each.

  make bench-failover            SIGTERM 30, SIGKILL 4 and SIGSTOP 3 trials of baton, 3, 2 and 1 of the reference
  make bench-failover PODS=10000 the same with k8s_cluster and so many pods in the cluster
  bench/failover.py --term 100 --kill 10 --stop 5 --reference-term 5 ...

Two replicas run; the leader gets the signal at a random moment; the ended one comes back as standby for the next trial. Printed for
each kind of trial, as median, 99th percentile and maximum:
  lease        signal until the other replica is the holder, seen by a watch of our own (ms)
  answered     the same from when the old leader's last request was at its sink, if that was after the signal (ms)
  request      signal until the other replica's first request is at its sink (ms)
  gap          longest distance between two neighbouring ticks of the data, over both replicas (s)
  expiry       SIGKILL, SIGSTOP: from when the Lease runs out until the time stamp of the first tick of the new leader, latest (s)
  missing      ticks of the series that nobody emitted, in all
  doubled      ticks that both replicas emitted, in all
  stale        ticks of the old leader that were collected after the first of the new one, in all
  part         with --pods: ticks that have not as many points as the others have, in all
The reference has no dummy receiver: without --pods it runs k8s_cluster, too (one namespace object is enough to tick), with the same
interval; its ticks have no schedule, so "missing" is counted as gap / interval - 1.
"""
import argparse
import datetime
import os
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from harness.api import ApiServer, Sink  # noqa: E402
from harness.meter import ticks_of, wait_idle  # noqa: E402
from harness.processes import PEERS  # noqa: E402
from harness.replicas import Baton, GoCollector  # noqa: E402

SECOND = 1_000_000_000


def baton_config(lease, endpoint, pods):
    dummy = {"dummy/foo": {"interval": "1s", "allow_short_interval": True, "leaderelector": "leaderelector/foo"}}
    cluster = {"k8s_cluster": {"auth_type": "kubeConfig", "collection_interval": "1s", "leaderelector": "leaderelector/foo"}}
    receivers = cluster if pods else dummy
    return {
        "receivers": receivers,
        "extensions": {"leaderelector/foo": {"auth_type": "kubeConfig", "lease_name": lease, "lease_namespace": "default"}},
        "exporters": {"otlp": {"endpoint": endpoint, "tls": {"insecure": True}}},
        "service": {"extensions": ["leaderelector/foo"],
                    "pipelines": {"metrics": {"receivers": list(receivers), "exporters": ["otlp"]}}},
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
        self.sink = Sink(name, ("--light", "--max-recv-mib", "256"))
        self.process = None

    def start(self):
        folder, kubeconfig = self.bench.folder, self.bench.server.kubeconfig
        name = f"{self.name}-{random.randrange(1 << 30)}"
        if self.bench.reference:
            self.process = GoCollector(name, reference_config(self.bench.lease, self.sink.endpoint), folder, kubeconfig)
        else:
            self.process = Baton(name, baton_config(self.bench.lease, self.sink.endpoint, self.bench.pods), folder, kubeconfig)

    def ticks(self, start=0):
        """{time stamp in ns: number of points}, in order of arrival."""
        return {stamp: sum(call["points"] for call in calls) for stamp, calls in ticks_of(self.sink.calls(start)).items()}

    def wait_ticks(self, count):
        """Until that many have begun to arrive."""
        stamps = set()
        while len(stamps) < count:
            start = len(self.sink.process.out)
            found = self.sink.wait_call(lambda call: call.get("points") and call["max"] not in stamps, 30, start)
            if found is None:
                raise RuntimeError(f"{self.name} does not tick: {self.process.err.texts()[-5:]}")
            stamps.add(found[1]["max"])

    def stop(self):
        if self.process:
            self.process.stop()
        self.sink.stop()


class Bench:
    def __init__(self, server, folder, reference, pods):
        self.server, self.folder, self.reference, self.pods = server, folder, reference, pods
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
        """Until the replica stands by: the standby's Lease says that all is read, or (the reference says nothing) two seconds have passed."""
        if self.reference:
            time.sleep(2)  # the reference gives no sign
            return
        end = time.monotonic() + 60
        while time.monotonic() < end:
            lease = self.server.api.lease(f"{self.lease}-standby") or {"spec": {}, "metadata": {}}
            if lease["spec"].get("holderIdentity") and lease["metadata"].get("annotations", {}).get("baton.dev/synced") == "true":
                return
            time.sleep(0.05)
        raise RuntimeError(f"{side.name} does not stand by: {side.process.err.texts()[-5:]}")

    def expiry_s(self):
        """When the Lease as it is now runs out."""
        lease = self.server.api.lease(self.lease)
        renewed = datetime.datetime.fromisoformat(lease["spec"]["renewTime"].replace("Z", "+00:00")).timestamp()
        return renewed + lease["spec"]["leaseDurationSeconds"]

    def trial(self, kind, old, new):
        """Numbers of one change of leader; afterwards `new` leads and `old` stands by."""
        first = (len(old.sink.process.out), len(new.sink.process.out))
        events = len(self.watch)
        # Let it tick, then any moment.
        old.wait_ticks(3)
        if kind != "term":  # who has just started cannot know for how long the Lease it finds has not been renewed
            self.watch.wait_holder(lambda h: True, 30, len(self.watch))
        time.sleep(random.random())
        holder = self.server.api.holder(self.lease)
        signalled = old.process.signal({"term": signal.SIGTERM, "kill": signal.SIGKILL, "stop": signal.SIGSTOP}[kind])
        expiry = self.expiry_s()
        taken = self.watch.wait_holder(lambda h: h not in ("", holder), 60, events)
        request = new.sink.wait_call(lambda call: True, 60, first[1])
        if taken is None or request is None:
            raise RuntimeError("nobody took over")
        if kind == "stop":
            left = signalled + 25 - time.time()
            if left > 0:
                time.sleep(left)  # the length of the pause is the trial
            old.process.signal(signal.SIGCONT)
        new.wait_ticks(13 if kind == "stop" and self.reference else 3)
        old_ticks, new_ticks = old.ticks(first[0]), new.ticks(first[1])
        # After a pause in the middle of a request it is sent again, unchanged: that is of its term, not of this change.
        new_ticks = {stamp: n for stamp, n in new_ticks.items() if stamp > (signalled - 1) * SECOND}
        result = self.numbers(kind, old_ticks, new_ticks)
        last = max([call["t"] / 1e9 for call in old.sink.calls(first[0]) if call["t"] / 1e9 < taken[0]], default=0)
        result.update(lease=(taken[0] - signalled) * 1000, answered=(taken[0] - max(signalled, last)) * 1000,
                      request=(request[0] - signalled) * 1000, expiry=None if kind == "term" else min(new_ticks) / SECOND - expiry)
        if kind != "stop":
            if kind == "term":
                old.process.wait(30)
            old.process.stop()
            old.start()
        self.wait_follower(old)
        return result

    def numbers(self, kind, old, new):
        both = sorted(set(old) | set(new))
        usual = statistics.mode([*old.values(), *new.values()])
        new_stamps = list(new)
        whole = list(old.values())[1:-1 if kind == "kill" else None] + list(new.values())[:-1]  # the others may have been cut by us
        part = [n for n in whole if n != usual]
        gaps = [b - a for a, b in zip(both, both[1:])]
        missing = sum(max(0, round(gap / SECOND) - 1) for gap in gaps)
        stale = sum(1 for tick in old if new and tick > new_stamps[0])
        return {"gap": max(gaps, default=0) / SECOND, "missing": missing, "doubled": len(set(old) & set(new)), "stale": stale,
                "part": len(part) if self.pods else 0}

    def end(self):
        self.watch.close()
        for side in self.sides:
            side.stop()


def load(server, pods):
    subprocess.run([os.path.join(PEERS, "loader"), "--kubeconfig", server.kubeconfig, "--pods", str(pods), "--deployments",
                    str(max(pods // 10, 1)), "--nodes", str(max(pods // 100, 1))], stdout=subprocess.DEVNULL, check=True)
    wait_idle(server.process.pid)


def percentile(values, p):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(p * len(ordered)))]


def show(program, kind, results):
    spread = lambda key, form: "/".join(form % percentile([r[key] for r in results], p) for p in (0.5, 0.99, 1))
    total = lambda key: sum(r[key] for r in results)
    expiry = "" if kind == "TERM" else "%.1f" % max(r["expiry"] for r in results)
    print(f"{program:12} {kind:5} {len(results):4}   {spread('lease', '%.0f'):>18} {spread('answered', '%.0f'):>18} {spread('request', '%.0f'):>18} "
          f"{spread('gap', '%.1f'):>15} {expiry:>7} {total('missing'):7} {total('doubled'):7} {total('stale'):5} {total('part'):4}")
    sys.stdout.flush()


def run(server, folder, reference, pods, counts):
    program = "Go collector" if reference else "baton"
    bench = Bench(server, folder, reference, pods)
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
    parser.add_argument("--pods", type=int, default=0, help="in the cluster, of which k8s_cluster tells; 0: the receiver is dummy")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    options = parser.parse_args()
    random.seed(options.seed)
    for program in ("apiserver", "otlpsink"):
        if not os.path.exists(os.path.join(PEERS, program)):
            raise SystemExit(f"{PEERS}/{program} is missing: sh tests/peers/build.sh build/peers (needs Go)")
    folder = tempfile.mkdtemp(prefix="baton-bench-")
    print(f"seed {options.seed}; median / 99th percentile / maximum of each")
    print(f"{'program':12} {'kind':5} {'n':>4}   {'lease ms':>18} {'answered ms':>18} {'request ms':>18} {'gap s':>15} {'expiry':>7} "
          f"{'missing':>7} {'doubled':>7} {'stale':>5} {'part':>4}")
    server = ApiServer("apiserver", os.path.join(folder, "server"))
    try:
        if options.pods:
            load(server, options.pods)
        run(server, folder, False, options.pods, {"term": options.term, "kill": options.kill, "stop": options.stop})
        reference = {"term": options.reference_term, "kill": options.reference_kill, "stop": options.reference_stop}
        if sum(reference.values()) == 0:
            pass
        elif os.path.exists(os.path.join(PEERS, "otelcol-ref")):
            run(server, folder, True, options.pods, reference)
        else:
            print("the Go collector is not built: sh tests/reference/build.sh build/peers/otelcol-ref")
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
