#!/usr/bin/python3
"""What `make run` shows: two replicas of baton on an in-memory API server, a hand-over, and who emitted which tick.

Starts kubesim and two replicas with examples/leader-election.yaml, prints who leads and what is emitted, ends the leader of one
Lease with SIGTERM, and measures what the change of leader did to the data. Exit status 0 only if every tick of every receiver was
emitted by exactly one replica.
"""
import calendar
import json
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
BATON = os.path.join(ROOT, "build", "release", "baton")
KUBESIM = os.path.join(ROOT, "build", "release", "kubesim", "kubesim")
INTERVAL_NS = 1_000_000_000
TIMESTAMP = re.compile(r"^Timestamp: (\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(?:\.(\d+))? \+0000 UTC$", re.M)
START = time.time()


def say(who, text):
    print(f"{time.time() - START:6.2f} s  {who:9}  {text}")
    sys.stdout.flush()


def unix_ns(match):
    date, clock, fraction = match.groups()
    year, month, day = map(int, date.split("-"))
    hour, minute, second = map(int, clock.split(":"))
    seconds = calendar.timegm((year, month, day, hour, minute, second))
    return seconds * 1_000_000_000 + int((fraction or "").ljust(9, "0"))


class Replica:
    """One baton; its JSON log lines arrive in `events` as (when, replica, line)."""

    def __init__(self, name, kubeconfig, events):
        self.name = name
        environment = dict(os.environ, KUBECONFIG=kubeconfig, POD_NAME=name, POD_UID=f"uid-of-{name}")
        self.process = subprocess.Popen(
            [BATON, "--config", os.path.join(ROOT, "examples", "leader-election.yaml"), "--set", "exporters.debug.verbosity=detailed",
             "--set", "service.telemetry.logs.encoding=json"],
            env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        threading.Thread(target=self.read, args=(events,), daemon=True).start()

    def read(self, events):
        for line in self.process.stderr:
            events.put((time.time(), self, line))


class Demo:
    def __init__(self):
        self.events = queue.Queue()
        self.leader = {}    # lease -> replica
        self.led_at = {}    # lease -> time of the last change
        self.ticks = {}     # time stamp -> replicas that emitted it

    def take(self, when, replica, line):
        try:
            entry = json.loads(line)
        except ValueError:
            say(replica.name, line.rstrip())
            return
        message = entry.get("msg", "")
        lease = entry.get("lease", "")
        if message == "This replica leads now":
            self.leader[lease] = replica
            self.led_at[lease] = when
            say(replica.name, f"leads {lease}")
        elif message.startswith(("Another replica leads", "The Lease is released", "This replica does not lead")):
            say(replica.name, f"{message} ({lease})")
        elif entry.get("level") in ("error", "warn"):
            say(replica.name, line.rstrip())
        stamps = {unix_ns(m) for m in TIMESTAMP.finditer(message)}
        for stamp in sorted(stamps):
            self.ticks.setdefault(stamp, []).append(replica)
            say(replica.name, f"emits the tick of {stamp // 1_000_000_000 % 1000}.{stamp // 1_000_000 % 1000:03} s")

    def until(self, condition, timeout):
        """Handles events until the condition holds; False if it does not in time."""
        end = time.time() + timeout
        while not condition():
            left = end - time.time()
            if left <= 0:
                return False
            try:
                self.take(*self.events.get(timeout=left))
            except queue.Empty:
                return condition()
        return True

    def count_aligned(self):
        return sum(len(v) for v in self.series().values())

    def series(self):
        """Ticks by phase: each receiver has one of its own, so each phase with more than one tick is a receiver's series."""
        phases = {}
        for stamp in sorted(self.ticks):
            phases.setdefault(stamp % INTERVAL_NS, []).append(stamp)
        return {phase: stamps for phase, stamps in phases.items() if len(stamps) > 1}

    def judge(self):
        doubled = sum(len(replicas) - 1 for replicas in self.ticks.values())
        missing = 0
        for stamps in self.series().values():
            missing += (stamps[-1] - stamps[0]) // INTERVAL_NS + 1 - len(stamps)
        return doubled, missing


def start_kubesim(folder):
    process = subprocess.Popen([KUBESIM, "--listen", "127.0.0.1:0", "--dir", folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    ready = process.stdout.readline().split()
    if len(ready) != 3 or ready[0] != "ready":
        raise SystemExit("kubesim did not start")
    say("kubesim", f"serves the Kubernetes API at {ready[2]} (in memory)")
    return process, ready[1]


def run(demo, replicas, kubeconfig):
    for name in ("baton-0", "baton-1"):
        replicas.append(Replica(name, kubeconfig, demo.events))
        # The second one comes when the first leads, so that there is one leader to end.
        if len(replicas) == 1 and not demo.until(lambda: len(demo.leader) == 2, 5):
            return "no replica became leader"
    if not demo.until(lambda: demo.count_aligned() >= 6, 10):
        return "no ticks were emitted"
    lease, old = "default/foo", demo.leader["default/foo"]
    new = next(r for r in replicas if r is not old)
    leases = [name for name, r in demo.leader.items() if r is old]
    say("demo", f"ends {old.name}, the leader of {' and '.join(sorted(leases))}, with SIGTERM")
    ended_at = time.time()
    old.process.send_signal(signal.SIGTERM)
    if not demo.until(lambda: all(r is new for r in demo.leader.values()), 10):
        return "nobody took over"
    takeover_ms = max(demo.led_at[name] - ended_at for name in leases) * 1000
    say("demo", f"{new.name} leads, {takeover_ms:.0f} ms after the signal")
    ticks = demo.count_aligned()
    if not demo.until(lambda: demo.count_aligned() >= ticks + 6, 10):
        return "the new leader emits nothing"
    doubled, missing = demo.judge()
    gap_ms = max((b - a for stamps in demo.series().values() for a, b in zip(stamps, stamps[1:])), default=0) / 1e6
    print(f"\n{len(demo.ticks)} ticks: {missing} missing, {doubled} doubled; change of leader {takeover_ms:.0f} ms after SIGTERM; "
          f"longest gap between two ticks of a receiver {gap_ms:.0f} ms (interval {INTERVAL_NS / 1e6:.0f} ms)")
    return "" if doubled == 0 and missing == 0 else "some ticks were not emitted exactly once"


def main():
    folder = tempfile.mkdtemp(prefix="baton-demo-")
    processes, replicas, problem = [], [], ""
    try:
        kubesim, kubeconfig = start_kubesim(folder)
        processes.append(kubesim)
        problem = run(Demo(), replicas, kubeconfig)
    finally:
        for process in [r.process for r in replicas] + processes:
            process.terminate()
        for process in [r.process for r in replicas] + processes:
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
        shutil.rmtree(folder, ignore_errors=True)
    if problem:
        print(f"FAILED: {problem}")
    return 1 if problem else 0


if __name__ == "__main__":
    sys.exit(main())
