#!/usr/bin/python3
"""Runs everything that tests baton and prints one count over all of it; the last line is `N passed, N failed[, N skipped]`.

  --quick    unit tests and house rules only
  --only X   stages whose name contains X
  --long     instead: the end-to-end suites with jitter, the fault suite at the default durations, and an hour of soak

Stages run one after the other, programs of a stage two at a time; those that only compute (model, simulation, fuzzers) run at the lowest priority
beside those that wait for servers. A stage that cannot run counts as failed, never as nothing;
only the suites that need Go are skipped, loudly, on a machine without it.
"""
import argparse
import concurrent.futures
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PYTHON = "/usr/bin/python3"
WORKERS = 2
SANITIZER = {
    "ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1:abort_on_error=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}


class Tally:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.failures = []

    def add(self, name, passed, failed, skipped=0):
        self.passed += passed
        self.failed += failed
        self.skipped += skipped
        if failed:
            self.failures.append(name)


def run(command, timeout, env=None, cwd=ROOT):
    """(exit status, output); a status of None means that it ran out of time."""
    full_env = dict(os.environ, **SANITIZER, **(env or {}))
    process = subprocess.Popen(command, cwd=cwd, env=full_env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, start_new_session=True)
    try:
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output.decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, 9)
        output, _ = process.communicate()
        return None, output.decode(errors="replace") + f"\n(ended after {timeout} s)"


def show_failure(name, output):
    lines = output.strip().split("\n")
    errors = [i for i, line in enumerate(lines) if "error:" in line]
    first = max(0, min(errors[0] - 2, len(lines) - 60)) if errors and name.startswith("build") else max(0, len(lines) - 60)
    print(f"--- {name} failed:")
    reasons = [line for line in lines[:first] if re.match(r"E  |_{5,} .* _{5,}$|\[  ERROR  ", line)]  # pytest's and cmocka's; else they are far above
    for line in reasons[:30] + lines[first:first + 60]:
        print(f"    {line}")
    sys.stdout.flush()


def build(tally, folder, target=None):
    status, output = run(["make", "--no-print-directory", target or folder], 1800)
    if status != 0:
        show_failure(f"build {folder}", output)
        tally.add(f"build {folder}", 0, 1)
        return False
    tally.add(f"build {folder}", 1, 0)
    return True


def count_unittest(output):
    """Python's unittest says `Ran N tests` and, if so, `FAILED (failures=A, errors=B)`."""
    ran = re.search(r"^Ran (\d+) tests? in", output, re.M)
    if not ran:
        return 0, 0
    bad = sum(int(n) for n in re.findall(r"(?:failures|errors)=(\d+)", output))
    return max(int(ran.group(1)) - bad, 0), bad


def count_cmocka(output):
    """cmocka reports `[  PASSED  ] N test(s).` and `[  FAILED  ] N test(s), listed below`, once for each group."""
    passed = sum(int(n) for n in re.findall(r"\[  PASSED  \] (\d+) test\(s\)", output))
    failed = sum(int(n) for n in re.findall(r"\[  FAILED  \] (\d+) test\(s\)", output))
    return passed, failed


def run_program(folder, test, tally):
    name = f"{os.path.basename(folder)} {test['name']}"
    status, output = run(test["cmd"], test.get("timeout") or 120, test.get("env"), test.get("workdir") or os.path.join(ROOT, "build", folder))
    passed, failed = count_cmocka(output)
    if passed + failed == 0:
        passed, failed = count_unittest(output)
    if passed + failed == 0:
        passed, failed = (1, 0) if status == 0 else (0, 1)
    elif status != 0 and failed == 0:
        failed = 1  # a sanitizer or a crash after the last test
    if failed:
        show_failure(name, output)
    tally.add(name, passed, failed)


def stage_unit(tally, folder):
    """Every program that Meson lists as a test, in this build."""
    if not build(tally, folder):
        return
    listed = subprocess.run(["meson", "introspect", "--tests", f"build/{folder}"], cwd=ROOT, capture_output=True, text=True)
    tests = json.loads(listed.stdout)
    if not tests:
        tally.add(f"{folder}: Meson lists no tests", 0, 1)
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda test: run_program(folder, test, tally), tests))


def stage_model(tally, worlds=250):
    """The model of the election, and its mutations, searched by Spin; then the steps of the program's machine in random worlds, each of
    which the model must have. (The simulation's steps: stage_simulation.)"""
    status, output = run([PYTHON, "tests/model/run.py"], 1200)
    counts = re.search(r"^(\d+) passed, (\d+) failed$", output, re.M)
    passed, failed = (int(counts.group(1)), int(counts.group(2))) if counts else (0, 1)
    if status != 0:
        show_failure("model", output)
        failed = max(failed, 1)
    tally.add("model", passed, failed)
    for name in ("election", "standby"):
        program = f"tests/unit/election_test_{name}_world"
        traced = f"set -e; make -s build/plain/build.ninja; ninja -C build/plain {program} >/dev/null; trace=$(mktemp); trap 'rm -f $trace' EXIT; " \
                 f"TRACE=1 WORLDS={worlds} build/plain/{program} >$trace; {PYTHON} tests/model/check_trace.py $trace"
        status, output = run(["sh", "-c", traced], 600)
        if status != 0:
            show_failure(f"steps of {name} worlds", output)
        else:
            print(f"model: {name} worlds: {output.strip().splitlines()[-1]}")
        tally.add(f"steps of {name} worlds", int(status == 0), int(status != 0))


def stage_house(tally):
    for name, command in {
        "house rules": [PYTHON, "scripts/check_house.py", "build/plain"],
        "format": ["sh", "-c", "git ls-files 'src/*.c' 'kubesim/*.c' | xargs clang-format --dry-run -Werror"],
    }.items():
        status, output = run(command, 120)
        if status != 0:
            show_failure(name, output)
        tally.add(name, int(status == 0), int(status != 0))


def stage_fuzz(tally, seconds=4):
    """A short look for new faults; the corpus itself is replayed as unit tests in every build."""
    if not build(tally, "asan"):
        return
    programs = {}
    for folder in ("tests/fuzz", "kubesim"):
        path = os.path.join(ROOT, "build", "asan", folder)
        programs.update({n: os.path.join(path, n) for n in os.listdir(path)
                         if n.startswith("fuzz_") and os.path.isfile(os.path.join(path, n)) and os.access(os.path.join(path, n), os.X_OK)})
    names = sorted(programs)
    seed = int(time.time())
    print(f"fuzz: {len(names)} fuzzers for {seconds} s each, seed {seed}")

    def one(name):
        work = os.path.join(ROOT, "build", "asan", "work", name)
        shutil.rmtree(work, ignore_errors=True)
        os.makedirs(work)
        corpus = os.path.join(ROOT, "tests", "fuzz", "corpus", name[len("fuzz_"):])
        status, output = run([programs[name], f"-max_total_time={seconds}", f"-seed={seed}", "-timeout=10", "-rss_limit_mb=2048",
                              "-max_len=16384", "-print_final_stats=0", "-verbosity=0", f"-artifact_prefix={work}/", work, corpus], 120)
        if status != 0:
            show_failure(name, output)
        tally.add(name, int(status == 0), int(status != 0))

    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(one, names))


def stage_simulation(tally, seeds=2000):
    """Simulated hours, whose steps the model must have; the same traces again in another order; mutations that must be noticed."""
    sim = os.path.join(ROOT, "build", "plain", "tests", "sim", "sim")
    status, output = run(["make", "--no-print-directory", "sim-steps", f"SEEDS={seeds}"], 1200)
    print("simulation: " + " ".join(output.strip().split("\n")[-3:]))
    if status != 0:
        show_failure("simulation", output)
    tally.add("simulation", int(status == 0), int(status != 0))
    known = re.search(r"^\d+ steps, .*, 0 that the model does not have$", output, re.M) is not None
    tally.add("steps of the simulation", int(known), int(not known))
    traces = [re.search(r"all traces (\w+)", run([sim, "--seeds", "40", "--jobs", jobs], 300)[1]) for jobs in ("1", "2", "1")]
    same = all(traces) and len({found.group(1) for found in traces}) == 1
    if not same:
        print(f"simulation: the traces of the same seeds differ: {[found and found.group(1) for found in traces]}")
    tally.add("simulation: same seeds, same traces", int(same), int(not same))
    crowds = [run([sim, "--crowd", "1000", "--seed", seed], 120) for seed in ("1", "2", "3")]
    for status, output in crowds:
        if status != 0:
            show_failure("simulated crowd", output)
    print("simulation: " + crowds[0][1].split("\n")[0])
    tally.add("simulation: 1,000 candidates", sum(status == 0 for status, _ in crowds), sum(status != 0 for status, _ in crowds))
    status, output = run([PYTHON, "tests/sim/mutations.py", "--seconds", "60"], 600)
    caught = len(re.findall(r"^ok  ", output, re.M))
    missed = len(re.findall(r"^FAIL", output, re.M))
    if status != 0:
        show_failure("mutations of the simulation", output)
        missed = max(missed, 1)
    tally.add("mutations of the simulation", caught, missed)


def stage_peers(tally):
    """Builds the real peers; returns False if this machine has no Go."""
    status, output = run(["sh", "tests/peers/build.sh", "build/peers"], 2400)
    if status == 77:
        print("!" * 100)
        print("!! Go is not installed: every suite against the real API server, client-go and the OTLP sink is SKIPPED")
        print("!" * 100)
        tally.add("peers", 0, 0, 1)
        return False
    if status != 0:
        show_failure("build of the real peers", output)
    tally.add("build of the real peers", int(status == 0), int(status != 0))
    if status == 0:
        status_of_tests, output = run(["go", "test", "-v", "./cmd/..."], 600, {"GOTOOLCHAIN": "local", "GOWORK": "off"}, cwd=os.path.join(ROOT, "tests", "peers"))
        passed, failed = (len(re.findall(rf"^--- {word}", output, re.M)) for word in ("PASS", "FAIL"))
        failed += int(status_of_tests != 0 and failed == 0)
        if failed:
            show_failure("tests of the real peers", output)
        tally.add("tests of the real peers", passed, failed)
    return status == 0


def build_reference(tally):
    """The Go collector; its exit status."""
    status, output = run(["sh", "tests/reference/build.sh", "build/peers/otelcol-ref"], 2400)
    if status == 77:
        print("!" * 100)
        print("!! Go is not installed: the comparison with the Go collector is SKIPPED")
        print("!" * 100)
        tally.add("reference", 0, 0, 1)
        return status
    if status != 0:
        show_failure("build of the Go collector", output)
    tally.add("build of the Go collector", int(status == 0), int(status != 0))
    return status


def stage_reference(tally, status):
    """baton beside the Go collector, if that was built. The tests of the comparison itself need no Go."""
    tests = ["tests/reference"] if status == 0 else ["tests/reference/test_compare.py"]
    stage_pytest(tally, "beside the Go collector", tests, 900)


def stage_pytest(tally, name, arguments, timeout, more_env=None):
    """A pytest suite; its own last line is read."""
    env = {"PYTHONDONTWRITEBYTECODE": "1", **(more_env or {})}
    status, output = run([PYTHON, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", "-rsfE", *arguments], timeout, env)
    for line in output.split("\n"):
        if line.startswith(("SKIPPED", "the machine stood still")):
            print(f"{name}: {line}")
    counts = {word: int(n) for n, word in re.findall(r"(\d+) (passed|failed|skipped|errors?)", output.strip().split("\n")[-1])}
    failed = counts.get("failed", 0) + counts.get("error", 0) + counts.get("errors", 0)
    if status not in (0, 1) or (status == 1 and failed == 0) or not counts:
        failed += 1
    if failed:
        show_failure(name, output)
    tally.add(name, counts.get("passed", 0), failed, counts.get("skipped", 0))


def stage_end_to_end(tally, have_go, *arguments):
    """The same suite on both servers, side by side: it waits most of the time."""
    servers = {"kubesim": "e2e on kubesim", **({"apiserver": "e2e on the real API server"} if have_go else {})}
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        list(pool.map(lambda server: stage_pytest(tally, servers[server], ["tests/e2e", f"--server={server}", *arguments], 1800), servers))


# Suites that wait for servers most of the time; they run beside the others.
WAITING = [f"tests/integration/{name}.py" for name in ("test_list_watch", "test_kymastats")]


def stage_integration(tally):
    env = {"BATON_BUILD": os.path.join(ROOT, "build", "plain")}
    others = ["tests/integration", *(f"--ignore={path}" for path in WAITING)]
    with concurrent.futures.ThreadPoolExecutor(WORKERS) as pool:
        waiting = pool.submit(stage_pytest, tally, "list and watch with real peers", WAITING, 1200, env)
        status = pool.submit(build_reference, tally).result()  # which others meet, too
        rest = [pool.submit(stage_pytest, tally, "integration with real peers", others, 1200, env),
                pool.submit(stage_reference, tally, status)]
        for suite in [waiting, *rest]:
            suite.result()


def stage_faults(tally, have_go, *arguments, timeout=900):
    """The fault suite on both servers; docs/faults.md says what is in it."""
    if not have_go:
        print("!! The fault suite needs the real peers: SKIPPED")
        tally.add("faults", 0, 0, 1)
        return
    for server in ("kubesim", "apiserver"):
        stage_pytest(tally, f"faults on {server}", ["tests/faults", f"--server={server}", *arguments], timeout)


def perform(name, stage, tally):
    start = time.monotonic()
    stage()
    print(f"{name}: {time.monotonic() - start:.0f} s; {tally.passed} passed, {tally.failed} failed so far", flush=True)


class Beside:
    """Stages that compute, at the lowest priority beside those that wait for servers."""

    def __init__(self, stages, tally):
        self.stages, self.tally = stages, tally
        self.thread = threading.Thread(target=self.work)

    def work(self):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 19)  # of this thread, and of what it starts
        for name, stage in self.stages:
            perform(name, stage, self.tally)

    def start(self):
        self.thread.start()

    def wait(self):
        self.thread.join()


class Soak:
    """Runs beside the other stages, as it waits most of the time."""

    def __init__(self, minutes):
        self.minutes = minutes
        self.process = None

    def start(self, have_go):
        if have_go:
            self.output = tempfile.TemporaryFile()
            self.process = subprocess.Popen([PYTHON, "tests/soak/soak.py", f"--minutes={self.minutes}"], cwd=ROOT, stdin=subprocess.DEVNULL,
                                            stdout=self.output, stderr=subprocess.STDOUT, start_new_session=True)

    def collect(self, tally):
        if self.process is None:
            print("!! The soak needs the real peers: SKIPPED")
            tally.add("soak", 0, 0, 1)
            return
        try:
            status = self.process.wait(self.minutes * 60 + 300)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            status = None
        self.output.seek(0)
        output = self.output.read().decode(errors="replace")
        print("\n".join(f"soak: {line}" for line in output.strip().split("\n")[-9:]))
        if status != 0:
            show_failure("soak", output)
        tally.add("soak", int(status == 0), int(status != 0))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--long", action="store_true", help="only what takes long")
    parser.add_argument("--minutes", type=float, default=None, help="of the soak (default 5, with --long 60)")
    options = parser.parse_args()
    tally = Tally()
    have_peers = []
    stages = [
        ("unit asan", lambda: stage_unit(tally, "asan")),
        ("unit plain", lambda: stage_unit(tally, "plain")),
        ("house", lambda: stage_house(tally)),
    ]
    if not options.quick:
        stages += [
            ("release", lambda: build(tally, "release", "all")),
            ("peers", lambda: have_peers.append(stage_peers(tally))),
            ("end to end", lambda: stage_end_to_end(tally, not have_peers or have_peers[0])),
            ("integration and reference", lambda: stage_integration(tally)),
        ]
        soak = Soak(options.minutes or 5)
        after_peers = 1 + [name for name, _ in stages].index("peers")
        stages.insert(after_peers, ("soak begins", lambda: soak.start(not have_peers or have_peers[0])))
        computing = [("model", lambda: stage_model(tally)), ("simulation", lambda: stage_simulation(tally)), ("fuzz", lambda: stage_fuzz(tally))]
        beside = Beside([each for each in computing if options.only in each[0]], tally)
        stages[after_peers:after_peers] = [("", beside.start)]
        stages += [("", beside.wait)]
        stages += [("faults", lambda: stage_faults(tally, not have_peers or have_peers[0])), ("soak", lambda: soak.collect(tally))]
    if options.long:
        soak = Soak(options.minutes or 60)
        stages = [("release", lambda: build(tally, "release", "all")),
                  ("peers", lambda: have_peers.append(stage_peers(tally))),
                  ("end to end, jitter", lambda: stage_end_to_end(tally, not have_peers or have_peers[0], "--jitter=100")),
                  ("soak begins", lambda: soak.start(not have_peers or have_peers[0])),
                  ("faults", lambda: stage_faults(tally, not have_peers or have_peers[0], "--timing=defaults", "--at-once=24", timeout=7200)),
                  ("soak", lambda: soak.collect(tally))]
    for name, stage in stages:
        if name == "":
            stage()
        elif options.only in name:
            perform(name, stage, tally)
    for name in tally.failures:
        print(f"FAILED: {name}")
    skipped = f", {tally.skipped} skipped" if tally.skipped else ""
    print(f"{tally.passed} passed, {tally.failed} failed{skipped}")
    return 1 if tally.failed else 0


if __name__ == "__main__":
    sys.exit(main())
