#!/usr/bin/python3
"""Soak: three replicas on the real API server, 1 s ticks, random faults for as long as asked. The promises are the exit status.

  make soak MINUTES=5            or: tests/soak/soak.py --minutes 5 [--seed N] [--server kubesim]

Every few seconds one of the faults below is done to a replica or its links, by a random number whose seed is printed. Each one ends before the next
one begins, and a replica that ended is started again. At the end it prints ticks, how many are missing (by promise, and not), doubled, out of order
at a strict backend, changes of leader, and how the memory of the replicas that lived long has grown.

What is excused: ticks that fell due from a fault that may take a leader down in disorder until its Lease had expired (and, if everybody was cut
off, until somebody was back). A planned change excuses nothing.
"""
import argparse
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path[:0] = [os.path.join(ROOT, "tests"), os.path.join(ROOT, "tests", "faults")]
from harness.api import ApiServer  # noqa: E402
from harness.proxy import FaultProxy  # noqa: E402

from harness import clock, standstill  # noqa: E402
from checker import doubled, holes, out_of_order  # noqa: E402
from registry import Fault  # noqa: E402
from stage import FOLLOWS, LED, Stage, Timing  # noqa: E402

SECOND = 1_000_000_000
TIMING = Timing(3, 2, 0.5, 0.3, 1000)
RUNNING = 3
REPLICAS_MAX = 400
# Growth of a replica's memory behind its first minute: caches fill, and a page here and there.
GROWTH_MAX_BYTES = 2 << 20
WARM_UP_S = 60


class Soak:
    def __init__(self, stage, seed):
        self.stage, self.random = stage, random.Random(seed)
        self.names = iter(f"r{n}" for n in range(REPLICAS_MAX))
        self.running, self.done, self.early, self.growth = [], {}, {}, {}
        self.started = {}

    # -- replicas --

    def add(self, expect=None):
        replica = self.stage.start(next(self.names), expect)
        self.running.append(replica)
        self.started[replica.name] = time.time()
        return replica

    def drop(self, replica):
        self.running.remove(replica)
        self.look_at_memory(replica)

    def look_at_memory(self, *replicas):
        for replica in replicas or self.running:
            if not replica.alive() or time.time() - self.started[replica.name] < WARM_UP_S:
                continue
            now = replica.memory()["RssAnon"]
            self.early.setdefault(replica.name, now)
            self.growth[replica.name] = now - self.early[replica.name]

    def leader(self):
        holder = self.stage.api.holder(self.stage.lease) or ""
        return next((r for r in self.running if holder == f"{r.name}_uid-of-{r.name}"), None)

    def settle(self):
        """Somebody leads and ticks, everybody else follows."""
        end = time.monotonic() + 60
        while (leader := self.leader()) is None:
            assert time.monotonic() < end, "nobody leads"
            time.sleep(0.05)
        self.stage.backend.more(2, [leader.name], 60)
        return leader

    # -- faults --

    def lost(self, leader, since, reachable=None):
        """Waits until somebody emits again; excuses what fell due meanwhile."""
        mark = self.stage.backend.mark()
        others = [r for r in self.running if r.alive()]
        self.stage.taken_by(others, mark, count=1)
        until = max(self.stage.expiry(leader), reachable or 0)
        self.stage.excuse(since, until, f"{leader.name} was lost", slack=2)

    def sigterm_of_the_leader(self):
        leader = self.settle()
        self.drop(leader)
        self.stage.end(leader)
        self.add()

    def sigterm_of_a_standby(self):
        leader = self.settle()
        standby = self.random.choice([r for r in self.running if r is not leader])
        self.drop(standby)
        self.stage.end(standby)
        self.add(FOLLOWS)

    def sigkill_of_the_leader(self):
        leader = self.settle()
        self.drop(leader)
        self.lost(leader, self.stage.kill(leader))
        self.add()

    def sigkill_of_a_standby(self):
        leader = self.settle()
        standby = self.random.choice([r for r in self.running if r is not leader])
        self.drop(standby)
        self.stage.kill(standby)
        self.add(FOLLOWS)

    def pause_of_the_leader(self):
        leader = self.settle()
        self.stage.allowed.late_from.add(leader.name)  # what it had handed over
        since = leader.signal(signal.SIGSTOP)
        time.sleep(self.random.choice([0.5, 2, 4, 7]))
        leader.signal(signal.SIGCONT)
        self.lost(leader, since, reachable=time.time())

    def pause_of_a_standby(self):
        leader = self.settle()
        standby = self.random.choice([r for r in self.running if r is not leader])
        standby.signal(signal.SIGSTOP)
        time.sleep(self.random.choice([0.5, 4]))
        standby.signal(signal.SIGCONT)

    def partition_of_the_leader(self):
        leader = self.settle()
        link, since = self.stage.link(leader), time.time()
        link.hold(*self.random.choice([(True, True), (True, False), (False, True)]))
        time.sleep(self.random.choice([0.5, 2, 5]))
        link.heal()
        self.lost(leader, since, reachable=time.time())

    def partition_of_a_standby(self):
        leader = self.settle()
        link = self.stage.link(self.random.choice([r for r in self.running if r is not leader]))
        link.hold()
        time.sleep(self.random.choice([1, 5]))
        link.heal()

    def partition_of_everybody(self):
        leader = self.settle()
        since = time.time()
        for replica in self.running:
            self.stage.link(replica).hold()
        time.sleep(self.random.choice([1, 4]))
        for replica in self.running:
            self.stage.link(replica).heal()
        self.lost(leader, since, reachable=time.time() + TIMING.lease)

    def cut_of_all_connections(self):
        self.settle()
        how = self.random.choice(["rst", "fin", "half"])
        for replica in self.running:
            self.stage.link(replica).cut(how)
        if how == "half":
            time.sleep(TIMING.lease + 2)  # whoever only listens finds out when the Lease should have expired

    def slow_network(self):
        self.settle()
        slow = {"delay_ms": 20, "jitter_ms": 30}
        for replica in self.running:
            self.stage.link(replica).set(up=slow, down=slow)
        time.sleep(4)
        for replica in self.running:
            self.stage.link(replica).heal()

    def backend_refuses(self):
        self.settle()
        self.stage.backend.fault(code=14, message="not now")
        time.sleep(1)
        self.stage.backend.clear()

    def backend_refuses_during_a_hand_over(self):
        leader = self.settle()
        self.stage.allowed.late_from.add(leader.name)
        self.stage.backend.fault(code=14, message="not now")
        leader.signal(signal.SIGTERM)
        time.sleep(1)
        self.stage.backend.clear()
        self.drop(leader)
        self.stage.end(leader)
        self.add()

    def foreign_annotation(self):
        self.settle()
        mark = str(time.time())
        self.stage.api.edit_lease(self.stage.lease, lambda lease: lease["metadata"].setdefault("annotations", {}).update({"example.com/mark": mark}))

    def lease_deleted(self):
        self.settle()
        self.stage.api.delete_lease(self.stage.lease)

    FAULTS = (sigterm_of_the_leader, sigterm_of_the_leader, sigterm_of_a_standby, sigkill_of_the_leader, sigkill_of_a_standby, pause_of_the_leader,
              pause_of_a_standby, partition_of_the_leader, partition_of_a_standby, partition_of_everybody, cut_of_all_connections, slow_network,
              backend_refuses, backend_refuses_during_a_hand_over, foreign_annotation, lease_deleted)

    def run(self, seconds):
        end = time.monotonic() + seconds
        self.add(LED)
        for _ in range(RUNNING - 1):
            self.add(FOLLOWS)
        while time.monotonic() < end:
            fault = self.random.choice(self.FAULTS)
            self.done[fault.__name__] = self.done.get(fault.__name__, 0) + 1
            print(f"{time.strftime('%H:%M:%S', time.gmtime())} {fault.__name__}", flush=True)
            fault(self)
            self.look_at_memory()
            time.sleep(self.random.uniform(0.5, 3))
        self.settle()

    # -- the end --

    def report(self):
        """Prints the numbers; returns what breaks a promise."""
        stage = self.stage
        arrivals, fresh, interval = stage.backend.arrivals(), stage.fresh_ticks(), stage.timing.interval_ms * 1_000_000
        problems = [f"{r.name} ended by itself with {r.wait(1)}" for r in self.running if not r.alive()]
        problems += stage.broken_promises()
        grown = {name: size for name, size in self.growth.items() if size > GROWTH_MAX_BYTES}
        problems += [f"memory of {name} grew by {size} bytes behind its first minute" for name, size in grown.items()]
        missing, _ = holes({a.tick for a in arrivals}, interval, fresh)
        count = lambda found: sum((last - first) // interval + 1 for first, last in found)
        excuses = [(e.begin, e.end) for e in stage.allowed.excuses] + stage.allowed.standstills
        allowed = [hole for hole in missing if any(begin <= hole[0] and hole[1] <= end for begin, end in excuses)]
        leaders = [a.peer for a in arrivals]
        print(f"faults           {sum(self.done.values())} ({', '.join(f'{n} {name}' for name, n in sorted(self.done.items()))})")
        print(f"ticks            {len({a.tick for a in arrivals})}")
        print(f"missing          {count(missing)}: {count(allowed)} as promised, {count(missing) - count(allowed)} not")
        print(f"doubled          {len(doubled(arrivals))}")
        print(f"refused          {len(out_of_order(arrivals, stage.allowed.late_from))} by a strict backend")
        print(f"leader changed   {sum(before != after for before, after in zip(leaders, leaders[1:]))} times, as the backend saw it")
        print(f"memory           grew by {max(self.growth.values(), default=0)} bytes at most ({len(self.growth)} replicas older than {WARM_UP_S} s)")
        standstill.report(print)
        return problems


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--server", choices=("kubesim", "apiserver"), default="apiserver")
    parser.add_argument("--standby", default="auto")
    options = parser.parse_args()
    print(f"soak: {options.minutes:g} minutes on {options.server}, seed {options.seed}", flush=True)
    folder = tempfile.mkdtemp(prefix="soak-")
    server = ApiServer(options.server, os.path.join(folder, "server"), arguments=("--rbac",) if options.server == "kubesim" else ())
    proxy = FaultProxy()
    fault = Fault("soak", None, "", "", None, (), False, False, False, False)
    stage = Stage(server, proxy, clock.build(folder), folder, "soak", fault, TIMING, options.standby, [f"r{n}" for n in range(REPLICAS_MAX)])
    soak = Soak(stage, options.seed)
    stage.allowed.repeats = True  # connections break while answers are on their way
    problems = []
    try:
        soak.run(options.minutes * 60)
    except Exception:
        problems.append(traceback.format_exc())
    finally:
        problems += soak.report()
        stage.close()
        proxy.stop()
        server.stop()
    for problem in problems[:20]:
        print(f"BROKEN: {problem}")
    if problems:
        print(f"replayed (as far as timing allows) by --seed {options.seed}; logs are in {folder}")
    else:
        shutil.rmtree(folder, ignore_errors=True)
    print("all promises held" if not problems else f"{len(problems)} promises broken")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
