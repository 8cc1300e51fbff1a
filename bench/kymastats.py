#!/usr/bin/python3
"""What kymastats costs: baton, and a client-go program that lists with the dynamic client each interval, on the same real kube-apiserver.

  make bench-kymastats                         100, 1,000 and 20,000 objects, 30 s interval, 3 ticks of each program; about 30 minutes
  bench/kymastats.py --sizes 100 --interval 5 --ticks 3 ...

One after the other: the listing program (tests/peers/cmd/crlister: it lists, decodes and counts points, and emits nothing), baton with the
exporter `nop` (which does as much), and baton that sends to an OTLP sink in Go over cleartext gRPC (that encodes and sends all points, which
the listing program does not; the same limit is laid on it). Objects have three conditions and a state, and do not change, but for the last
row: --churn new statuses a second.

"CPU a tick" is user and system time of all threads over the measured intervals, all that happens between ticks included, divided by their
number. Resident memory is that at the end of each interval; its peak includes the start. Requests are counted by the API server: the
difference of apiserver_request_total for the resource over the measured intervals; a watch is counted when it ends, and those that are open
are shown beside. Bytes are those of TCP (TLS included, compressed as sent), read from the kernel. What there is an hour is that of the
measured intervals, scaled; the server ends a watch after 5 to 10 minutes, so an hour has about 8 watches that a short run does not show.
A number past what is demanded of baton is marked OVER, and the exit status is 1.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from harness.api import ApiServer, Sink  # noqa: E402
from harness.meter import bytes_read, cpu_seconds  # noqa: E402
from harness.processes import PEERS, Process  # noqa: E402
from harness.replicas import Baton  # noqa: E402

MIB = 1 << 20
HOUR = 3600
# What is demanded of baton, at this number of objects.
DEMANDED_AT = 20_000
CPU_RATIO = 50  # the listing program's CPU a tick, to baton's
RSS_MIB = 32
GROUP = "bench-{}.kyma.test"
PLURAL = "telemetries"
TITLES = {"lister": "client-go, lists", "nop": "baton, nop", "otlp": "baton, otlp_grpc"}


class Server:
    """The API server, and what it counted for one custom resource."""

    def __init__(self, folder):
        self.server = ApiServer("apiserver", folder)

    def counted(self, metric, group):
        """{verb: sum} of the samples of one metric of /metrics."""
        status, text = self.server.api.request("GET", "/metrics", timeout=60)
        if status != 200:
            raise SystemExit(f"/metrics: {status}")
        found = {}
        for line in text.split("\n"):
            if line.startswith(f"{metric}{{") and f'group="{group}"' in line and f'resource="{PLURAL}"' in line:
                verb = re.search(r'verb="(\w+)"', line).group(1)
                found[verb] = found.get(verb, 0) + int(float(line.rsplit(" ", 1)[1]))
        return found

    def requests(self, group):
        return self.counted("apiserver_request_total", group)


def loader(server, group, objects, *more):
    return subprocess.Popen([os.path.join(PEERS, "crloader"), "--kubeconfig", server.kubeconfig, "--resource", f"{group}/v1beta1/{PLURAL}",
                             "--objects", str(objects), "--conditions", "3", *more], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


class Program:
    """One of the three, from its start to its end."""

    def __init__(self, kind, server, group, options, folder):
        self.kind, self.sink = kind, None
        if kind == "lister":
            command = [os.path.join(PEERS, "crlister"), "--outlive-parent", "--kubeconfig", server.kubeconfig,
                       "--resource", f"{group}/v1beta1/{PLURAL}", "--interval", f"{options.interval}s"]
            self.process = Process(command, "crlister")
            return
        exporter = {"nop": {}}
        if kind == "otlp":
            self.sink = Sink("bench", ("--light",))
            exporter = {"otlp_grpc": {"endpoint": self.sink.endpoint, "tls": {"insecure": True}}}
        config = {
            "receivers": {"kymastats": {"auth_type": "kubeConfig", "collection_interval": f"{options.interval}s",
                                        "resources": [{"group": group, "version": "v1beta1", "resource": PLURAL}]}},
            "exporters": exporter,
            "service": {"pipelines": {"metrics": {"receivers": ["kymastats"], "exporters": list(exporter)}}},
        }
        self.process = Baton(f"baton-{kind}", config, folder, server.kubeconfig)

    def wait_first(self, interval):
        """Past the start: the first tick is done, or (nop gives no sign) could be, and the next one is not near."""
        if self.kind == "lister":
            found = self.process.out.wait(lambda text: text.startswith("{"), 300)
        elif self.kind == "otlp":
            found = self.sink.wait_call(lambda call: call.get("points"), 300)
        else:
            found = self.process.wait_log("Everything is ready", 60)
        if found is None:
            raise SystemExit(f"{self.process.name} did not start: {self.process.err.texts()[-5:]}")
        if self.kind == "nop":
            time.sleep(2 * interval)  # no sign: the list, and the tick after it
        if self.kind != "lister":
            # Ticks are at multiples of the interval: measure from the middle between two.
            time.sleep(interval - (time.time() - interval / 2) % interval)
        else:
            time.sleep(interval / 2)

    def stop(self):
        self.process.stop()
        if self.sink:
            self.sink.stop()


def measure(kind, bench, group, objects, options, folder, churn=0):
    server = bench.server
    program = Program(kind, server, group, options, folder)
    changes = None
    try:
        program.wait_first(options.interval)
        pid, port = program.process.pid, server.api.port
        start_cpu = cpu_seconds(pid)
        if churn:
            changes = loader(server, group, objects, "--churn", str(churn), "--seconds", str(HOUR))
            time.sleep(1)  # it looks for its objects first
        cpu, read, requests, began = cpu_seconds(pid), bytes_read(pid, port), bench.requests(group), time.monotonic()
        resident = []
        for tick in range(1, options.ticks + 1):
            time.sleep(max(0, began + tick * options.interval - time.monotonic()))
            resident.append(program.process.memory()["VmRSS"] / MIB)
        seconds = time.monotonic() - began
        after = bench.requests(group)
        scale = HOUR / seconds
        result = {
            "cpu": (cpu_seconds(pid) - cpu) / options.ticks, "rss": statistics.median(resident), "start_cpu": start_cpu,
            "bytes": (bytes_read(pid, port) - read) * scale,  # below zero: it has another connection now
            "log": [text for text in program.process.err.texts() if "watch" in text.lower()], "peak": program.process.memory()["VmHWM"] / MIB,
            "requests": {verb: count - requests.get(verb, 0) for verb, count in after.items() if count > requests.get(verb, 0)},
            "open": bench.counted("apiserver_longrunning_requests", group).get("WATCH", 0), "scale": scale,
        }
        if program.sink:
            result["points"] = sorted({sum(c["points"] for c in calls) for calls in by_tick(program.sink.calls()).values()})
        elif kind == "lister":
            result["points"] = sorted({int(re.search(r'"points":(\d+)', text).group(1)) for text in program.process.out.texts()})
        return result
    finally:
        if changes:
            changes.terminate()
            changes.communicate()
        program.stop()


def by_tick(calls):
    ticks = {}
    for call in calls:
        if call.get("points"):
            ticks.setdefault(call["max"], []).append(call)
    return ticks


class Report:
    def __init__(self):
        self.over = []

    def limit(self, text, is_demanded, is_over):
        if is_demanded and is_over:
            self.over.append(text)
        return " OVER" if is_over and is_demanded else ""

    def show(self, objects, results, churn):
        lister = results["lister"]
        demanded = objects >= DEMANDED_AT
        print(f"\n{objects} objects")
        print(f"  {'':26} {'CPU a tick, ms':>15} {'ratio':>12} {'RSS MiB':>12} {'peak MiB':>10} {'start CPU s':>12} {'lists/h':>9} "
              f"{'other/h':>8} {'watches':>8} {'kB/h':>11} {'ratio':>9}  points")
        for kind, r in results.items():
            name = TITLES.get(kind) or f"{TITLES[kind.split('+')[0]]}, {churn}/s"
            steady = kind in ("nop", "otlp")
            lists = r["requests"].get("LIST", 0)
            # With changes a program works for them: its lists and memory count, its CPU is for information.
            cpu_ratio = lister["cpu"] / r["cpu"] if r["cpu"] else float("inf")
            ours = kind != "lister"
            marks = (self.limit(f"{objects} objects, {name}: CPU a tick is 1/{cpu_ratio:.0f} of the listing program's, demanded is 1/{CPU_RATIO}",
                                demanded and steady, cpu_ratio < CPU_RATIO),
                     self.limit(f"{objects} objects, {name}: {r['rss']:.1f} MiB resident, {RSS_MIB} are allowed", demanded and ours, r["rss"] > RSS_MIB),
                     self.limit(f"{objects} objects, {name}: {lists} list requests, none is allowed", ours, lists > 0))
            others = sum(count for verb, count in r["requests"].items() if verb != "LIST")
            if "+" in kind:
                others = 0  # those of the program that makes the changes
            bytes_ratio = "" if not ours or r["bytes"] < 0 else f"1/{lister['bytes'] / r['bytes']:.0f}" if r["bytes"] else "none"
            print(f"  {name:26} {r['cpu'] * 1000:15.2f} {'1/%.0f%s' % (cpu_ratio, marks[0]) if ours else '':>12} {'%.1f%s' % (r['rss'], marks[1]):>12} "
                  f"{r['peak']:10.1f} {r['start_cpu']:12.2f} {'%.0f%s' % (lists * r['scale'], marks[2]):>9} {others * r['scale']:8.0f} "
                  f"{r['open']:8} {'reopened' if r['bytes'] < 0 else '%.0f' % (r['bytes'] / 1000):>11} {bytes_ratio:>9}  {'/'.join(str(n) for n in r.get('points', ['']))}")
            for text in r["log"] if ours and lists > 0 else ():
                print(f"    {text[:400]}")
        sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--sizes", type=lambda text: [int(n) for n in text.split(",") if n], default=[100, 1_000, 20_000])
    parser.add_argument("--interval", type=int, default=30, help="seconds between ticks")
    parser.add_argument("--ticks", type=int, default=3, help="measured, of each program")
    parser.add_argument("--churn", type=int, default=10, help="changes a second in the last row; 0: no such row")
    options = parser.parse_args()
    for program in ("apiserver", "crloader", "crlister", "otlpsink"):
        if not os.path.exists(os.path.join(PEERS, program)):
            raise SystemExit(f"{PEERS}/{program} is missing: sh tests/peers/build.sh build/peers (needs Go)")
    folder = tempfile.mkdtemp(prefix="baton-bench-")
    report = Report()
    bench = Server(os.path.join(folder, "apiserver"))
    try:
        print(f"{options.interval} s interval, {options.ticks} ticks measured; an hour is scaled from these {options.interval * options.ticks} s")
        sys.stdout.flush()
        for objects in options.sizes:
            group = GROUP.format(objects)
            process = loader(bench.server, group, objects)
            _, errors = process.communicate()
            if process.returncode != 0:
                raise SystemExit(f"crloader: {errors}")
            results = {kind: measure(kind, bench, group, objects, options, folder) for kind in ("lister", "nop", "otlp")}
            if options.churn:
                results["otlp+churn"] = measure("otlp", bench, group, objects, options, folder, options.churn)
            report.show(objects, results, options.churn)
    finally:
        bench.server.stop()
        shutil.rmtree(folder, ignore_errors=True)
    print("\n" + ("\n".join(f"OVER {text}" for text in report.over) if report.over else "Everything is within its limits."))
    return 1 if report.over else 0


if __name__ == "__main__":
    sys.exit(main())
