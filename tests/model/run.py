#!/usr/bin/python3
"""Checks the model of the election (election.pml) with Spin.

  run.py            what `make test` runs: seconds for each
  run.py --long     larger ones as well: minutes and gigabytes
  run.py --only X   those whose name contains X

A run passes if Spin has searched the whole state space and found no error. A mutation breaks one rule of the protocol, and passes if Spin
refutes it. The last line is `N passed, N failed`.
"""
import argparse
import os
import re
import shutil
import subprocess
import sys
import time

FOLDER = os.path.dirname(os.path.abspath(__file__))
WORK = os.path.join(os.path.dirname(os.path.dirname(FOLDER)), "build", "model")
MODEL = os.path.join(FOLDER, "election.pml")

ONE = {"L": 1, "D": 3}
TWO = {"L": 2, "D": 2, "DELAY": 0}
RUNS = {
    "one Lease, faults": {**ONE, "FAULTS": 2},
    "one Lease, clocks of different rates": {"L": 1, "D": 4, "FAULTS": 0, "SLOW_CLOCK": 1},
    "three candidates": {"N": 3, "L": 1, "D": 2, "DELAY": 0, "FAULTS": 0},
    "standby's Lease": {**TWO, "FAULTS": 0},
    "standby's Lease, one that may not lead": {**TWO, "FAULTS": 0, "DENIED": 1, "BOUND": 10},
}
LONG_RUNS = {
    "one Lease, more faults": {**ONE, "FAULTS": 3},
    "three candidates, a fault": {"N": 3, "L": 1, "D": 2, "DELAY": 0, "FAULTS": 1},
    "standby's Lease, a fault": {**TWO, "FAULTS": 1},
}
# Flag that breaks a rule: the run that must refute it, what must be violated.
GATE, LED = "two past the gate", "nobody leads for too long"
MUTATIONS = {
    "MUT_FLAG": ({**ONE, "FAULTS": 1}, GATE),
    "MUT_DEADLINE_FROM_ANSWER": ({**ONE, "FAULTS": 1}, GATE),
    "MUT_CREATE_AT_ONCE": ({**ONE, "FAULTS": 1}, GATE),
    "MUT_CLEARED_IS_FREE": ({**ONE, "FAULTS": 1}, GATE),
    "MUT_NO_VERSION_CHECK": ({**ONE, "FAULTS": 1}, GATE),
    "MUT_RELEASE_WITH_OPEN_GATE": ({**ONE, "FAULTS": 1}, GATE),
    "MUT_NO_MARGIN": (RUNS["one Lease, clocks of different rates"], GATE),
    "MUT_PROOF_WITHOUT_VERSION": ({**TWO, "FAULTS": 1}, GATE),
    "MUT_NEVER_GIVES_UP": (RUNS["standby's Lease, one that may not lead"], LED),
}


def search(name, flags, memory_mb):
    """(what is violated or None, states, megabytes, whether all was searched, output)"""
    folder = os.path.join(WORK, re.sub(r"\W+", "-", name))
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    defines = [f"-D{key}={value}" for key, value in flags.items()]
    for command in (["spin", "-a", *defines, MODEL],
                    ["gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048", f"-DMEMLIM={memory_mb}", "-o", "pan", "pan.c"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        if done.returncode != 0:
            return "the model itself", 0, 0, False, done.stdout + done.stderr
    output = subprocess.run(["./pan", "-m3000000", "-w25"], cwd=folder, capture_output=True, text=True).stdout
    violated = re.search(r"^pan:1: (.*)", output, re.M)
    what = None
    if violated:
        what = LED if "without" in violated.group(1) else GATE if "gate" in violated.group(1) else violated.group(1)
    states = re.search(r"(\d+) states, stored", output)
    megabytes = re.search(r"([\d.]+)\s+total actual memory usage", output)
    whole = "errors: 0" in output and not re.search(r"max search depth too small|out of memory|Search not completed", output)
    return what, int(states.group(1)) if states else 0, float(megabytes.group(1)) if megabytes else 0, whole, output


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", default="")
    options = parser.parse_args()
    if shutil.which("spin") is None:
        print("spin is not installed (Debian package spin; `make deps-test`)\n0 passed, 1 failed")
        return 1
    passed = failed = 0
    cases = [(name, flags, None) for name, flags in {**RUNS, **(LONG_RUNS if options.long else {})}.items()]
    cases += [(name, {**flags, name: 1}, expected) for name, (flags, expected) in MUTATIONS.items()]
    for name, flags, expected in cases:
        if options.only not in name:
            continue
        start = time.monotonic()
        what, states, megabytes, whole, output = search(name, flags, 16000 if options.long else 1900)
        good = what == expected and (whole or expected is not None)
        said = what or ("holds" if whole else "not searched to the end")
        print(f"{'ok    ' if good else 'FAILED'} {name}: {said}; {states} states, {megabytes:.0f} MB, {time.monotonic() - start:.1f} s", flush=True)
        if not good:
            print(output[-3000:])
        passed, failed = passed + good, failed + (not good)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
