#!/usr/bin/python3
"""What k8s_cluster costs: the Go collector and baton on the same real kube-apiserver in one run, and baton on kubesim from size to size.

  make bench-k8s-cluster                   10,000 pods on the real server; 1,000, 10,000 and 100,000 on kubesim; about 15 minutes
  make bench-k8s-cluster PODS=50000        another size on the real server
  bench/k8s_cluster.py --pods 0 --sizes 1000 --interval 2 --ticks 5 ...

Both collect every --interval seconds with their defaults and send to an OTLP sink in Go over cleartext gRPC. Processor time is user plus
system of all threads. "start" is what it costs until the first tick has arrived, and begins when the server has become idle; "tick" is the
mean of the --ticks after it. Resident memory is that between two ticks; its peak includes the start. The latency of a tick is from its
time stamp until its last request is at the sink. "floor" is what libcurl alone takes to upload a tick's bytes to the same sink, as
bench_tick measures it. A number past what is demanded of baton is marked OVER, and the exit status is 1.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from harness.api import ApiServer, Sink  # noqa: E402
from harness.meter import Meter, bytes_read, cpu_seconds, latency_seconds, wait_idle  # noqa: E402
from harness.processes import BATON, PEERS  # noqa: E402
from harness.replicas import Baton, GoCollector, decode  # noqa: E402

BENCH_TICK = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(BATON))), "bench", "bench_tick")
MIB = 1 << 20
REQUEST_MAX = 4 * MIB
PEAK_RATIO = 1.3
FLOOR_RATIO = 3
CHURNS = (20, 500)

# Limits: {(server, pods): {name: most}}; seconds and MiB.
LIMITS = {
    ("apiserver", 10_000): {"steady": 32, "start_cpu": 0.4, "cpu_none": 0.08, "cpu_gzip": 0.12},
    ("kubesim", 10_000): {"steady": 32, "start_cpu": 0.4, "cpu_none": 0.08, "cpu_gzip": 0.12},
    ("apiserver", 50_000): {"steady": 80, "start_cpu": 2.0, "cpu_gzip": 0.6},
    ("kubesim", 100_000): {"steady": 130, "latency": 1.5},
}


class Run:
    """One collector from its start to its end."""

    def __init__(self, server, program, compression, options, folder):
        self.server, self.program, self.compression, self.options = server, program, compression, options
        self.sink = Sink(program, ("--light", "--max-recv-mib", "1024" if program == "reference" else "4"))
        exporter = {"endpoint": self.sink.endpoint, "compression": compression, "tls": {"insecure": True}, "timeout": "30s"}
        config = {
            "receivers": {"k8s_cluster": {"auth_type": "kubeConfig", "collection_interval": f"{options.interval}s"}},
            "exporters": {"otlp_grpc": exporter},
            "service": {"pipelines": {"metrics": {"receivers": ["k8s_cluster"], "exporters": ["otlp_grpc"]}}},
        }
        if program == "reference":
            config["service"]["telemetry"] = {"metrics": {"level": "none"}, "logs": {"level": "error"}}
            self.process = GoCollector(f"reference-{compression}", config, folder, server.kubeconfig)
        else:
            self.process = Baton(f"baton-{compression}", config, folder, server.kubeconfig)
        self.meter = Meter(self.process, self.sink)

    def measure(self, churn=None):
        """{name: number}; `churn(rate)` sets the changes a second of the cluster."""
        o = self.options
        patience = 120 + 3 * o.interval
        self.meter.wait_first(600)
        result = {"start_cpu": cpu_seconds(self.process.pid)}
        first = min(self.meter.ticks().items())
        result["start_s"] = first[1][-1]["t"] / 1e9 - self.process.started
        before = cpu_seconds(self.process.pid)
        ticks, resident = self.meter.wait_ticks(o.ticks, o.ticks * patience)
        calls = [call for of_tick in ticks.values() for call in of_tick]
        memory = self.process.memory()
        result.update(
            cpu=(cpu_seconds(self.process.pid) - before) / len(ticks), steady=statistics.median(resident) / MIB, peak=memory["VmHWM"] / MIB,
            read=bytes_read(self.process.pid, self.server.api.port) / 1e6, requests=len(calls) / len(ticks),
            largest=max(call["bytes"] for call in calls), size=sum(call["bytes"] for call in calls) / len(ticks) / 1e6,
            wire=sum(call["wire_bytes"] for call in calls) / len(ticks) / 1e6,
            points=[sum(call["points"] for call in of_tick) for of_tick in ticks.values()])
        for rate in CHURNS if churn else ():
            churn(rate)
            ticks, _ = self.meter.wait_ticks(o.ticks + 1, o.ticks * patience)
            late = [latency_seconds(stamp, of_tick) for stamp, of_tick in sorted(ticks.items())[1:]]
            result[f"latency_{rate}"] = max(late)
        if churn:
            churn(0)
        result["peak"] = self.process.memory()["VmHWM"] / MIB
        lines = [decode(text) for text in self.process.err.texts()]
        result["slow"] = [f"{line['handler']}, {line['milliseconds']} ms" for line in lines if "held up the event loop" in line.get("msg", "")]
        return result

    def stop(self):
        self.process.stop()
        self.sink.stop()


def measure(server, program, compression, options, folder, churn=None):
    if not wait_idle(server.process.pid):
        print("the server is still busy with something else: what follows is too high")
    run = Run(server, program, compression, options, folder)
    try:
        return run.measure(churn)
    finally:
        run.stop()


def floor_seconds_per_mb(folder):
    """Of a bare libcurl upload to a sink of the same kind, uncompressed."""
    sink = Sink("floor")
    try:
        text = subprocess.run([BENCH_TICK, sink.endpoint, "none", "5"], capture_output=True, text=True, check=True, cwd=folder).stdout
    finally:
        sink.stop()
    size = float(re.search(r"on the wire ([\d.]+) MB", text).group(1))
    return float(re.search(r"bare curl +([\d.]+) ms mean", text).group(1)) / 1000 / size


class Table:
    def __init__(self, floor):
        self.floor, self.over = floor, []

    def mark(self, column, name, value, most, form):
        text = form % value
        if most is None:
            return text
        if value > most:
            self.over.append(f"{column}: {name} is {text}, limit {form % most}")
            return f"{text} OVER {form % most}"
        return f"{text} (of {form % most})"

    def show(self, title, server, pods, program, results):
        """`results`: {compression: measured}."""
        limits = LIMITS.get((server, pods), {}) if program == "baton" else {}
        ours = program == "baton"
        print(f"\n{title}")

        def line(name, *texts):
            print(f"  {name:34} " + "   ".join(f"{text:>22}" for text in texts))

        def row(name, key, form, most=lambda c: None):
            line(name, *(self.mark(f"{title} {c}", name, r[key], most(c), form) for c, r in results.items()))
        line("compression", *results)
        row("processor until the first tick, s", "start_cpu", "%.3f", lambda c: limits.get("start_cpu"))
        row("start until the first tick, s", "start_s", "%.2f")
        row("processor for a tick, s", "cpu", "%.3f", lambda c: limits.get(f"cpu_{c}"))
        if "none" in results and ours:
            r = results["none"]
            most = FLOOR_RATIO if limits else None
            line("  as multiple of the floor", self.mark(f"{title} none", "multiple of a bare upload", r["cpu"] / (self.floor * r["size"]), most, "%.1f"))
        row("resident between ticks, MiB", "steady", "%.1f", lambda c: limits.get("steady"))
        row("resident at most, MiB", "peak", "%.1f", lambda c: PEAK_RATIO * results[c]["steady"] if limits else None)
        row("read from the API server, MB", "read", "%.1f")
        row("requests a tick", "requests", "%.1f")
        row("largest request, bytes", "largest", "%d", lambda c: REQUEST_MAX - 1 if ours else None)
        row("OTLP a tick, MB", "size", "%.1f")
        row("  on the wire, MB", "wire", "%.1f")
        line("points a tick", *("/".join(str(n) for n in sorted(set(r["points"]))) for r in results.values()))
        for rate in CHURNS:
            key = f"latency_{rate}"
            line(f"latency at {rate} changes/s, s", *(self.mark(f"{title} {c}", f"latency at {rate}/s", r[key], limits.get("latency"), "%.2f")
                                                      if key in r else "" for c, r in results.items()))
        slow = [text for r in results.values() for text in r["slow"]]
        if ours:
            line("handlers over 10 ms", str(len(slow)))
            for text in slow[:5]:
                print(f"    {text}")
        sys.stdout.flush()


def loader(server, pods, *more):
    tenth = max(pods // 10, 1)
    command = [os.path.join(PEERS, "loader"), "--kubeconfig", server.kubeconfig, "--pods", str(pods), "--deployments", str(tenth),
               "--nodes", str(max(pods // 100, 1)), *more]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


class LoaderChurn:
    def __init__(self, server, pods):
        self.server, self.pods, self.process = server, pods, None

    def __call__(self, rate):
        if self.process:
            self.process.terminate()
            self.process.communicate()
            self.process = None
        if rate:
            self.process = loader(self.server, self.pods, "--churn", str(rate), "--seconds", "3600")


def on_real_server(table, pods, options, folder):
    server = ApiServer("apiserver", os.path.join(folder, "apiserver"))
    churn = LoaderChurn(server, pods)
    try:
        print(f"loading {pods} pods into the real server ...")
        sys.stdout.flush()
        process = loader(server, pods)
        _, errors = process.communicate()
        if process.returncode != 0:
            raise SystemExit(f"loader: {errors}")
        programs = ["baton"]
        if os.path.exists(os.path.join(PEERS, "otelcol-ref")):
            programs.append("reference")
        else:
            print("the Go collector is not built: sh tests/reference/build.sh build/peers/otelcol-ref")
        for program in programs:
            results = {c: measure(server, program, c, options, folder, churn if c == "gzip" else None) for c in ("none", "gzip")}
            table.show(f"{program}, real server, {pods} pods", "apiserver", pods, program, results)
    finally:
        churn(0)
        server.stop()


def on_kubesim(table, pods, options, folder):
    server = ApiServer("kubesim", os.path.join(folder, f"kubesim-{pods}"), arguments=("--generate", f"pods={pods}"))
    try:
        churn = lambda rate: server.api.sim("POST", f"churn?rate={rate}")
        results = {c: measure(server, "baton", c, options, folder, churn if c == "gzip" else None) for c in ("none", "gzip")}
        table.show(f"baton, kubesim, {pods} pods", "kubesim", pods, "baton", results)
        return results
    finally:
        server.stop()


def show_growth(sizes):
    """{pods: results}: cost for a pod from size to size."""
    print("\ngrowth on kubesim, for one pod")
    print(f"  {'pods':>8} {'start, us':>10} {'tick none, us':>14} {'tick gzip, us':>14} {'resident over the smallest, bytes':>34}")
    base = min(sizes)
    for pods, results in sorted(sizes.items()):
        gzip = results["gzip"]
        more = (gzip["steady"] - sizes[base]["gzip"]["steady"]) * MIB / (pods - base) if pods > base else None
        print(f"  {pods:8} {gzip['start_cpu'] / pods * 1e6:10.1f} {results['none']['cpu'] / pods * 1e6:14.2f} {gzip['cpu'] / pods * 1e6:14.2f} "
              f"{'' if more is None else '%.0f' % more:>34}")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--pods", type=int, default=10_000, help="on the real server; 0: none")
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",") if n], default=[1_000, 10_000, 100_000], help="on kubesim")
    parser.add_argument("--interval", type=int, default=10, help="seconds between ticks")
    parser.add_argument("--ticks", type=int, default=3)
    options = parser.parse_args()
    folder = tempfile.mkdtemp(prefix="baton-bench-")
    try:
        floor = floor_seconds_per_mb(folder)
        print(f"floor: libcurl alone takes {floor * 1e3:.2f} ms to upload 1 MB")
        table, sizes = Table(floor), {}
        if options.pods:
            on_real_server(table, options.pods, options, folder)
        for pods in options.sizes:
            sizes[pods] = on_kubesim(table, pods, options, folder)
        if len(sizes) > 1:
            show_growth(sizes)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + ("\n".join(f"OVER {text}" for text in table.over) if table.over else "Everything is within its limits."))
    return 1 if table.over else 0


if __name__ == "__main__":
    sys.exit(main())
