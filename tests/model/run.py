#!/usr/bin/python3
"""Checks the model of the election with Spin.

  run.py            what `make test` runs: all properties, all mutations, both with few faults
  run.py --long     these and runs with more states; minutes and gigabytes
  run.py --only X   runs and mutations whose name contains X
  run.py --rows     prints the rows that the model takes instead of comparing them with transitions.txt

Each run is a number of candidates, Leases and faults. A run passes if Spin has searched all of it and found no error; a mutation, which
breaks one rule of the machine, passes if Spin refutes it. A trail of an error stays in build/model/NAME; `--replay NAME` prints it.
The last line is `N passed, N failed`.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import subprocess
import sys
import time

import table

FOLDER = os.path.dirname(os.path.abspath(__file__))
WORK = os.path.join(os.path.dirname(os.path.dirname(FOLDER)), "build", "model")
WORKERS = 2
MEMORY_MB = 1900        # of one run; two are never near it together
MEMORY_LONG_MB = 12000
PROPERTIES = ["never two past the gate", "a lost leader is always replaced", "time can always go on", "every step is in the table"]
# In the order of election.pml.
FAULTS = ["lose", "refuse", "watch", "pause", "crash", "stop", "yield", "hold", "hand", "deny", "proof", "forbid", "standby-hand"]


class Run:
    """Candidates, Leases, the kinds of faults and how many of them; times in units."""

    def __init__(self, candidates, leases, faults, budget, bound, duration=4, delay=1, undisturbed=0, prompt=0, renewal=1, limits=0):
        self.shape = (candidates, leases)
        mask = sum(1 << FAULTS.index(name) for name in faults.split())
        self.environment = {"FAULTS": mask, "BUDGET": budget, "BOUND": bound, "DURATION": duration, "DELAY": delay,
                            "UNDISTURBED": undisturbed, "PROMPT": prompt, "RENEWAL": renewal, "LIMITS": limits}
        self.unchecked = limits  # properties that do not hold


ALL = "lose refuse watch pause crash stop yield hold hand"
BOTH = "lose refuse watch pause crash stop yield hand standby-hand forbid proof"  # with a standby
RUNS = {
    "hand-over": Run(2, 1, "stop", 1, 12, undisturbed=1),
    "one candidate, any three faults": Run(1, 1, ALL + " forbid", 3, 20),
    "one candidate, pauses": Run(1, 1, "pause yield hold lose", 4, 20),
    "one candidate, proofs": Run(1, 1, "crash yield lose proof pause stop", 3, 20),
    "any one fault": Run(2, 1, ALL, 1, 12),
    "pauses, ends and hands, prompt": Run(2, 1, "pause yield watch hold hand stop", 3, 16, delay=0, prompt=1),
    "pauses and refusals, prompt": Run(2, 1, "forbid pause stop watch", 4, 16, delay=0, prompt=1),
    "any two faults, prompt": Run(2, 1, ALL + " proof", 2, 14, duration=5, delay=0, prompt=1, renewal=2),
    "unanswered writes, undisturbed": Run(2, 1, "lose", 2, 14, duration=5, delay=0, prompt=1, undisturbed=1),
    "deleted at any time": Run(2, 1, "crash hand", 2, 14, delay=0, limits=1),
    "three": Run(3, 1, "", 0, 12, duration=3, delay=0),
    "three, any one fault": Run(3, 1, ALL + " proof", 1, 12, duration=3, delay=0, prompt=1),
    "three, two crashes": Run(3, 1, "crash stop yield", 2, 12, duration=3, delay=0, prompt=1),
    "two and a standby, two faults": Run(2, 2, "lose refuse watch pause crash yield hand standby-hand", 2, 12, duration=3, delay=0, prompt=1),
    "two and a standby, slow": Run(2, 2, BOTH, 1, 14, delay=1, prompt=1),
    "three and a standby, any one fault": Run(3, 2, BOTH, 1, 12, duration=3, delay=0, prompt=1),
    "three and a standby, ends and hands": Run(3, 2, "crash yield hand standby-hand", 2, 9, duration=3, delay=0, prompt=1),
    "leader and standby die": Run(3, 2, "crash", 2, 6, duration=3, delay=0, prompt=1),
    "a standby that is not permitted": Run(3, 2, BOTH + " deny", 1, 12, duration=3, delay=0, prompt=1),
}
LONG_RUNS = {
    "ends and losses": Run(2, 1, "lose stop yield hand", 2, 12, delay=0),
    "slow and dead": Run(2, 1, "lose pause crash proof", 1, 12),
    "three, any two faults": Run(3, 1, ALL, 2, 12, duration=3, delay=0, prompt=1),
    "three, a crash": Run(3, 1, "crash", 1, 12, duration=3, delay=0),
    "two and a standby, any two faults": Run(2, 2, BOTH, 2, 12, duration=3, delay=0, prompt=1),
    "two and a standby, hands and pauses": Run(2, 2, "watch standby-hand pause", 3, 14, duration=3, delay=0, prompt=1),
    "two and a standby, in any order": Run(2, 2, "crash", 1, 12, delay=0),
    "three and a standby, losses": Run(3, 2, "lose crash pause", 2, 12, duration=3, delay=0, prompt=1),
    "three and a standby, stops": Run(3, 2, "crash yield stop hand standby-hand", 2, 12, duration=3, delay=0, prompt=1),
}
ONE_CRASH = Run(2, 2, "crash", 1, 6, duration=3, delay=0)
GATES, LED, STAYS = "never two past the gate", "a lost leader is always replaced", "who leads undisturbed leads for ever"
# What the words of a broken assertion mean.
ASSERTIONS = {"v<=1": GATES, "leaderless<=": LED, "gate[": GATES, "without<=": LED, "!(led)": STAYS, "row_missing": "every step is in the table"}


class Mutation:
    """A rule of machine.pml that is broken, the run that refutes it, and the property that no longer holds."""

    def __init__(self, rule, run, broken, why, also=""):
        self.rule, self.run, self.broken, self.why = rule, run, broken, why
        self.name = rule + also
        with open(os.path.join(FOLDER, "machine.pml"), encoding="utf-8") as file:
            self.number = int(re.search(rf"^#define {rule} (\d+)$", file.read(), re.M).group(1))


MUTATIONS = [
    Mutation("FLAG_GATE", Run(2, 1, "pause", 1, 12), GATES, "the gate is a flag that the candidate clears itself"),
    Mutation("NO_MARGIN", Run(2, 1, "lose", 1, 12), GATES, "no margin for clocks of different rates"),
    Mutation("RESPONSE_DEADLINE", Run(2, 1, "lose", 1, 12), GATES, "the gate counts from the answer"),
    Mutation("FOREIGN_IGNORED", Run(2, 1, "pause", 1, 12), GATES, "no stop at another name in a newer version"),
    Mutation("LATE_EVENT", RUNS["hand-over"], STAYS, "an older watch event counts as another holder"),
    Mutation("CREATE_AT_ONCE", Run(2, 1, "hand", 1, 12), GATES, "a Lease that went away is created at once"),
    Mutation("CLEARED_IS_FREE", Run(2, 1, "hand", 1, 12), GATES, "a holder that was removed by hand frees the Lease"),
    Mutation("EDITED_COUNTS", Run(2, 1, "hand", 1, 12), GATES, "a duration that was shortened by hand shortens the wait"),
    Mutation("NO_PRECONDITION", Run(2, 1, "lose", 1, 12), GATES, "writes without the version that they are based on"),
    Mutation("LATE_NOT_FOUND", Run(2, 1, "hand", 1, 12), GATES, "a read that found nothing outweighs what the watch has shown meanwhile"),
    Mutation("YIELD_UNSEEN", Run(2, 1, "yield deny", 1, 12), LED, "after a yield nobody looks for a Lease that was never seen"),
    Mutation("OLD_PROOF", Run(2, 1, "crash proof", 1, 12), GATES, "a proof counts for a later version, too"),
    Mutation("OLD_PROOF", ONE_CRASH, GATES, "so does that of a standby Lease that ran out", " with a standby"),
    Mutation("PROOF_AT_ONCE", ONE_CRASH, GATES, "what a released standby Lease says counts as if it had run out"),
    Mutation("NO_GIVING_UP", Run(3, 2, "crash deny", 1, 12, duration=3, delay=0, prompt=1), LED,
             "a standby that cannot claim keeps its place"),
    Mutation("ANSWERED_BY_READ", Run(2, 1, "lose", 1, 12), GATES, "a read that shows an unanswered write counts from when it was itself sent"),
    Mutation("RELEASE_WITH_OPEN_GATE", Run(2, 1, "stop", 1, 12), GATES, "the Lease is released by one who may still act"),
    Mutation("LAST_UNANSWERED", Run(2, 1, "lose", 2, 12), GATES, "of several unanswered writes the last one is taken for the one that stands"),
    Mutation("FORGETFUL_HAND", RUNS["unanswered writes, undisturbed"], STAYS,
             "of several unanswered writes a candidate knows only the last one for its own"),
]


# protocol.pml: flags. Anything may take any time in all of them.
PROTOCOL_RUNS = {
    "protocol, two faults": {"L": 1, "D": 3, "FAULTS": 2},
    "protocol, clocks of different rates": {"L": 1, "D": 4, "FAULTS": 0, "SLOW_CLOCK": 1},
    "protocol, three candidates": {"N": 3, "L": 1, "D": 2, "DELAY": 0, "FAULTS": 0},
    "protocol, a standby": {"L": 2, "D": 2, "DELAY": 0, "FAULTS": 0},
    "protocol, one that may not lead": {"L": 2, "D": 2, "DELAY": 0, "FAULTS": 0, "DENIED": 1, "BOUND": 10},
}
PROTOCOL_LONG_RUNS = {
    "protocol, three faults": {"L": 1, "D": 3, "FAULTS": 3},
    "protocol, three candidates, a fault": {"N": 3, "L": 1, "D": 2, "DELAY": 0, "FAULTS": 1},
    "protocol, a standby, a fault": {"L": 2, "D": 2, "DELAY": 0, "FAULTS": 1},
}
PROTOCOL_PROPERTIES = [GATES, LED, "time can always go on"]
ONE_FAULT, STANDBY_FAULT = {"L": 1, "D": 3, "FAULTS": 1}, {"L": 2, "D": 2, "DELAY": 0, "FAULTS": 1}
PROTOCOL_MUTATIONS = {
    "MUT_FLAG": (ONE_FAULT, GATES),
    "MUT_NO_MARGIN": (PROTOCOL_RUNS["protocol, clocks of different rates"], GATES),
    "MUT_NEVER_GIVES_UP": (PROTOCOL_RUNS["protocol, one that may not lead"], LED),
}
PROTOCOL_LONG_MUTATIONS = {
    "MUT_DEADLINE_FROM_ANSWER": (ONE_FAULT, GATES),
    "MUT_CREATE_AT_ONCE": (ONE_FAULT, GATES),
    "MUT_CLEARED_IS_FREE": (ONE_FAULT, GATES),
    "MUT_NO_VERSION_CHECK": (ONE_FAULT, GATES),
    "MUT_RELEASE_WITH_OPEN_GATE": (ONE_FAULT, GATES),
    "MUT_PROOF_WITHOUT_VERSION": (STANDBY_FAULT, GATES),
}


def build(shape, memory_mb=MEMORY_MB):
    """The checker for so many candidates and Leases; returns its folder, or raises with the tools' words."""
    folder = os.path.join(WORK, "candidates-%d-leases-%d" % shape)
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    for file in os.listdir(FOLDER):
        if file.endswith(".pml"):
            shutil.copy(os.path.join(FOLDER, file), folder)
    table.write_header(table.load(), os.path.join(folder, "transitions.h"))
    for command in (["spin", "-DN=%d" % shape[0], "-DL=%d" % shape[1], "-a", "election.pml"],
                    ["gcc", "-O1", "-w", "-DSAFETY", "-DNOREDUCE", "-DCOLLAPSE", "-DVECTORSZ=2048", f"-DMEMLIM={memory_mb}",
                     "-o", "pan", "pan.c"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
        text = done.stdout + done.stderr
        if done.returncode != 0 or "Error:" in text:
            raise RuntimeError(f"{' '.join(command)}: {text.strip()}")
    return folder


class Result:
    def __init__(self, output, seconds):
        self.output = output
        self.seconds = seconds
        number = lambda pattern: float(m.group(1)) if (m := re.search(pattern, output)) else 0.0
        self.states = int(number(r"(\d+) states, stored"))
        self.memory_mb = number(r"([\d.]+)\s+total actual memory usage")
        self.errors = re.findall(r"pan:\d+: (.*?) \(at depth", output)
        self.complete = bool(re.search(r"errors: 0", output)) and "Search not completed" not in output and \
            "max search depth too small" not in output
        self.rows = {int(i) for i in re.findall(r"^ROW (\d+)", output, re.M)}


def search(name, run, mutation=0, collecting=0, depth=3000000, more=()):
    """Runs the checker, in a folder of its own, where the trail of an error stays."""
    folder = os.path.join(WORK, re.sub(r"\W+", "-", name))
    os.makedirs(folder, exist_ok=True)
    for file in os.listdir(folder):
        if file.endswith(".trail") and "-r" not in more:
            os.remove(os.path.join(folder, file))
    pan = os.path.join(WORK, "candidates-%d-leases-%d" % run.shape, "pan")
    environment = {**os.environ, **{key: str(value) for key, value in run.environment.items()},
                   "MUTATION": str(mutation), "COLLECTING": str(collecting)}
    start = time.monotonic()
    done = subprocess.run([pan, f"-m{depth}", "-w22", *more], cwd=folder, capture_output=True, text=True, env=environment)
    return Result(done.stdout + done.stderr, time.monotonic() - start)


def show(name, result, note):
    print(f"model {name}: {result.states} states, {result.memory_mb:.0f} MB, {result.seconds:.1f} s{note}")
    sys.stdout.flush()


class Count:
    def __init__(self):
        self.passed = self.failed = 0

    def add(self, passed, failed):
        self.passed += passed
        self.failed += failed


def check_run(name, run, count, rows):
    """One check for each property: a search ends at the first that is broken, so an error fails that one and passes none. The long runs
    take steps that the others do not; they do not make the table."""
    is_long = name in LONG_RUNS
    result = search(name, run, collecting=int(is_long))
    rows |= result.rows
    if result.complete:
        show(name, result, "")
        count.add(len(PROPERTIES) - is_long - run.unchecked + run.environment["UNDISTURBED"], 0)
        return
    show(name, result, f": FAILED: {'; '.join(result.errors) or 'not searched to the end'}")
    if not result.errors:
        print(result.output[-2000:])
    count.add(0, 1)


def broken_property(result):
    return next((name for words, name in ASSERTIONS.items() for error in result.errors if words in error), None)


def check_mutation(mutation, count):
    """It must break the property that it is there for."""
    result = search(mutation.name, mutation.run, mutation.number, collecting=1)
    broken = broken_property(result)
    good = broken == mutation.broken
    said = f"refuted by `{broken}`" if good else f"FAILED: not refuted by `{mutation.broken}`, but {broken or result.errors or 'searched to the end'}"
    show(mutation.name, result, f": {said} ({mutation.why})")
    count.add(int(good), int(not good))


def check_protocol(name, flags, broken, memory_mb, count):
    """A run of protocol.pml; with `broken` it is a mutation that must break that property."""
    folder = os.path.join(WORK, re.sub(r"\W+", "-", name))
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
    defines = [f"-D{key}={value}" for key, value in flags.items()]
    start = time.monotonic()
    for command in (["spin", "-a", *defines, os.path.join(FOLDER, "protocol.pml")],
                    ["gcc", "-O1", "-w", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=2048", f"-DMEMLIM={memory_mb}", "-o", "pan", "pan.c"],
                    ["./pan", "-m3000000", "-w22"]):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    result = Result(done.stdout + done.stderr, time.monotonic() - start)
    good = result.complete if broken is None else broken_property(result) == broken
    said = ": FAILED" if not good else f": refuted by `{broken}`" if broken else ""
    show(name, result, said)
    if not good:
        print(result.output[-2000:])
    count.add((len(PROTOCOL_PROPERTIES) if broken is None else 1) if good else 0, int(not good))


def check_rows(rows, count):
    """The model must take every row: one that it never takes would let a trace pass that the model does not have."""
    known = {table.index_of(row): row for row in table.load()}
    missing = sorted(set(known) - rows)
    for index in missing:
        print(f"model: no run takes the row: {table.format_row(known[index])}")
    print(f"model: {len(known)} rows of transitions.txt, {len(known) - len(missing)} taken")
    count.add(int(not missing), int(bool(missing)))


def print_rows(runs):
    rows = set()
    for name, run in runs.items():
        result = search(name, run, collecting=1)
        print(f"{name}: {result.states} states {result.errors}", file=sys.stderr)
        rows |= result.rows
    for row in sorted((table.row_of(index) for index in rows), key=lambda r: [c.index(w) for w, c in zip(r, table.COLUMNS)]):
        print(table.format_row(row))


def replay(name):
    """The trail in words: STEP lines become `machine: row`; a record is version * 32 + holder * 4 + form."""
    cases = [(n, run, 0) for n, run in {**RUNS, **LONG_RUNS}.items()] + [(m.name, m.run, m.number) for m in MUTATIONS]
    _, run, mutation = next(case for case in cases if case[0] == name)
    for line in search(name, run, mutation, 1, more=["-r", "-n"]).output.split("\n"):
        match = re.match(r"\s*STEP (\d+) ((?:\d+ ){7})(.*)", line)
        if match:
            row = [column[int(n)] for n, column in zip(match.group(2).split(), table.COLUMNS)]
            line = f"machine {match.group(1)}: {table.format_row(row)}  {match.group(3)}"
        if not re.match(r"\s*(ROW|D_STEP)", line):
            print(line.strip())


def build_all(shapes, memory_mb, count):
    """True if all could be built."""
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        for task in [pool.submit(build, shape, memory_mb) for shape in sorted(shapes)]:
            try:
                task.result()
            except (RuntimeError, OSError, table.TableError) as error:
                print(f"model: FAILED to build: {error}")
                count.add(0, 1)
    return count.failed == 0


def main():
    if shutil.which("spin") is None:
        print("spin is not installed: Debian's package spin, or `make deps-test`\n0 passed, 1 failed")
        return 1
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--long", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--rows", action="store_true")
    parser.add_argument("--replay", metavar="NAME")
    options = parser.parse_args()
    if options.replay:
        return replay(options.replay)
    runs = {**RUNS, **(LONG_RUNS if options.long else {})}
    runs = {name: run for name, run in runs.items() if options.only in name}
    mutations = [mutation for mutation in MUTATIONS if options.only in mutation.name]
    protocol_runs = {**PROTOCOL_RUNS, **(PROTOCOL_LONG_RUNS if options.long else {})}
    protocol_mutations = {**PROTOCOL_MUTATIONS, **(PROTOCOL_LONG_MUTATIONS if options.long else {})}
    protocol = [(name, flags, None) for name, flags in protocol_runs.items()]
    protocol += [(name, {**flags, name: 1}, broken) for name, (flags, broken) in protocol_mutations.items()]
    protocol = [case for case in protocol if options.only in case[0]]
    count = Count()
    rows = set()
    start = time.monotonic()
    shapes = {run.shape for run in runs.values()} | {mutation.run.shape for mutation in mutations}
    memory_mb = MEMORY_LONG_MB if options.long else MEMORY_MB
    if build_all(shapes, memory_mb, count) and options.rows:
        return print_rows(runs)
    if count.failed == 0:
        with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
            tasks = [pool.submit(check_run, name, run, count, rows) for name, run in runs.items()]
            tasks += [pool.submit(check_mutation, mutation, count) for mutation in mutations]
            tasks += [pool.submit(check_protocol, *case, memory_mb, count) for case in protocol]
            for task in tasks:
                task.result()
        if not options.only:
            check_rows(rows, count)
    print(f"model: {time.monotonic() - start:.0f} s")
    print(f"{count.passed} passed, {count.failed} failed")
    return 1 if count.failed else 0


if __name__ == "__main__":
    sys.exit(main())
