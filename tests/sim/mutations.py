#!/usr/bin/python3
"""Mutations of the real code, each of which the simulation must notice: every one breaks a promise, and a run of seeds must fail.

usage: mutations.py [--build FOLDER] [--seeds N] [--only TEXT] [--seconds S] [--jobs J]

A mutation is (name, file, text that stands there once, text instead[, arguments of the simulation instead of seeds from 1 on]). The changed
file is compiled as the build compiles it and linked in front of the archives, so that the original stays out. Prints how many seeds each one needed. Exit status 1 if one survives, or if
its text is not there (then the code has changed, and the mutation must follow).
"""
import argparse
import concurrent.futures
import json
import os
import re
import shlex
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def seeds_from(first):
    """For a mutation that shows itself in few worlds: 200 seeds of its own."""
    return ["--first", str(first), "--seeds", "200", "--jobs", "1", "--stop-at-first"]


MUTATIONS = [
    ("a flag instead of the deadline", "src/election/elector.c",
     "return e->leading && election_may_act(&e->machine, loop_boot_ns(e->loop));",
     "return e->leading;"),
    ("the deadline counts from the answer", "src/election/election.c",
     'm->gate_ns = m->lease_gate_ns = gate_after(m, sent_ns, m->lease.duration_ns);',
     'm->gate_ns = m->lease_gate_ns = gate_after(m, now_ns, m->lease.duration_ns);', seeds_from(101)),
    ("no safety margin", "src/election/election.c",
     "return sent_ns + min_i64(m->config.duration_ns, recorded_ns) - m->config.margin_ns;",
     "return sent_ns + min_i64(m->config.duration_ns, recorded_ns);"),
    ("a leader goes on beside a foreign holder until its gate closes", "src/election/election.c",
     "    if (lease->holder != HOLDER_ME) {\n        if (lease->holder == HOLDER_NONE)",
     "    if (lease->holder != HOLDER_ME && !election_may_act(m, now_ns)) {\n        if (lease->holder == HOLDER_NONE)"),
    ("an older version counts as news", "src/election/election.c",
     "bool newer = !m->seen || lease->version > m->lease.version;",
     "bool newer = !m->seen || lease->version != m->lease.version;"),
    ("a standby makes a deleted Lease again at once", "src/election/election.c",
     "        m->promised_ns = max_i64(m->promised_ns, now_ns + m->longest_ns);\n        m->confirming = false;",
     "        m->promised_ns = now_ns;\n        m->confirming = false;"),
    ("a cleared holder counts as a release", "src/election/elector_call.c",
     ".released = lease->holder.len == 0 && lease->duration_s == 1,",
     ".released = lease->holder.len == 0,"),
    ("the release waits until all is drained", "src/service/stop.c",
     "return s->phase_timed_out || !receivers_are_busy(g, true);",
     "return !receivers_are_busy(g, true);", seeds_from(201)),
    ("the note of a foreign token is used", "src/election/elector_note.c",
     "if (!str_eq(note->lease_uid, e->current.uid) || note->transitions != e->current.transitions)",
     "if (false)"),
    ("a successor does not skip what its predecessor may have sent", "src/service/tick_schedule.c",
     "        tick_schedule_pass(s, closed_ns);",
     ""),
    ("a successor takes the safety margin off the predecessor's time", "src/election/elector_note.c",
     "p->gate_closed_ns = e->machine.promised_ns;",
     "p->gate_closed_ns = e->machine.promised_ns - e->machine.config.margin_ns;"),
    ("what counts as sent is not noted", "src/service/receivers.c",
     "p->enqueued_ns = p->schedule.done_ns;",
     "{}"),
    ("the gate is not asked as a batch is handed over", "src/service/fan_out.c",
     "(n->active && n->joined && elector_may_emit(n->elector))",
     "(n->active && n->joined)"),
    ("an update does not carry the uid", "src/kube/lease.c",
     'if (l->uid.len > 0)\n        json_write_key_string(w, STR("uid"), l->uid);',
     ""),
    ("every record of our incarnation counts as our hand", "src/election/elector_call.c",
     "        if (lease->renew_ns == e->unanswered_ns[i])\n            return true;\n    }\n    return false;",
     "        (void)i;\n    }\n    return true;"),
    ("a claim does not count the transition", "src/election/elector_call.c",
     "lease->transitions == INT32_MAX ? 0 : lease->transitions + 1;",
     "lease->transitions;"),
    ("the release carries the note of the last renewal", "src/election/elector_call.c",
     "    elector_note_write(e, lease);\n}",
     "    if (call != CALL_RELEASE)\n        elector_note_write(e, lease);\n}"),
    ("claims come a margin and a half too early", "src/election/election_wait.c",
     "return m->promised_ns + m->config.stagger_ns;",
     "return m->promised_ns + m->config.stagger_ns - m->config.margin_ns * 3 / 2;"),
    ("a tick of which a part went out is begun again by the successor", "src/service/ticks.c",
     "    } else if (n->tick.time_ns > n->progress.enqueued_ns) {",
     "    } else if (false) {"),
    ("a note of an hour ahead is believed", "src/service/tick_schedule.c",
     "sub_saturated(entry->enqueued_ns, now_ns) <= ahead_max_ns;",
     "ahead_max_ns > 0;"),
    ("keep opens a gate again that a pause has closed", "src/election/election.c",
     "if (!m->config.keep || m->blind || !open || m->gate_ns - now_ns > keep_step_ns(m) / 2)",
     "if (!m->config.keep || m->blind || m->gate_ns - now_ns > keep_step_ns(m) / 2)"),
    ("what a crashed leader may have sent does not come again", "src/service/tick_schedule.c",
     "    s->done_ns = known ? entry->acknowledged_ns : s->start_ns;",
     "    (void)known;"),
    ("an overdue tick is not made up for after a release", "src/service/tick_schedule.c",
     "s->catching_up = inheritance != INHERIT_EXPIRED;",
     "s->catching_up = false;\n    if (!s->catching_up)\n        tick_schedule_pass(s, now_ns);"),
    ("who has handed over, and to nobody, holds back for good", "src/election/election.c",
     "        m->hold_back_ns = now_ns + m->config.duration_ns;",
     "        m->hold_back_ns = INT64_MAX;"),
    ("who has handed over takes every release for its own", "src/election/election.c",
     "    return is_later || election_is_foreign(m, lease);",
     "    (void)is_later;\n    return election_is_foreign(m, lease);"),
    ("a standby that may not claim keeps its place", "src/election/standby.c",
     "    out->gives_up = !s->giving_up;\n    s->giving_up = true;",
     "    out->gives_up = false;"),
    ("what the Lease asks for is not heard", "src/election/elector_facts.c",
     "return token.len > 0 && str_eq(token, elector_fencing_token(e));",
     "return token.len > 0 && false;"),
    ("everybody in a crowd has a watch", "src/election/standby.c",
     "out->watch_standby = !s->crowd || s->held || s->led;",
     "out->watch_standby = true;", ["--crowd", "1000"]),
]


def commands(build):
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        table = json.load(f)
    compile_of = {}
    for entry in table:
        path = os.path.relpath(os.path.join(entry["directory"], entry["file"]), ROOT)
        if "libbaton_" in entry["output"]:
            compile_of[path] = entry["command"]
    listed = subprocess.run(["ninja", "-C", build, "-t", "commands", "tests/sim/sim"], capture_output=True, text=True, check=True)
    return compile_of, listed.stdout.strip().split("\n")[-1]


def mutant(build, mutation, compile_of, link):
    """Builds one; gives the path of the program, or raises."""
    name, path, old, new = mutation[:4]
    folder = os.path.join(build, "tests", "sim", "mutants", re.sub(r"[^a-z0-9]+", "-", name.lower()))
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        text = f.read()
    if text.count(old) != 1:
        raise RuntimeError(f"its text is {text.count(old)} times in {path}, not once: adapt the mutation")
    source, obj, program = (os.path.join(folder, n) for n in ("mutant.c", "mutant.o", "sim"))
    with open(source, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))
    command = shlex.split(compile_of[path])
    command = [a for a in command if a != "-Werror" and not a.startswith("-MQ") and a not in ("-MD",)]
    for option in ("-MQ", "-MF"):
        while option in command:
            at = command.index(option)
            del command[at:at + 2]
    command[command.index("-o") + 1] = obj
    command[command.index("-c") + 1] = source
    linked = shlex.split(link)
    at = linked.index("-o")
    linked[at + 1] = program
    linked.insert(at + 2, obj)
    for step in (command, linked):
        done = subprocess.run(step, cwd=build, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError("it does not build:\n" + done.stderr[-2000:])
    return program


def hunt(options, mutation, compile_of, link):
    """(caught, text)"""
    try:
        program = mutant(options.build, mutation, compile_of, link)
    except (RuntimeError, KeyError) as error:
        return False, f"NOT TRIED: {error}"
    arguments = mutation[4] if len(mutation) > 4 else ["--seeds", str(options.seeds), "--jobs", "1", "--stop-at-first"]
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    found = re.search(r"^seed (\d+) FAILED: (.*)$", done.stdout, re.M)
    if done.returncode == 0 or not found:
        return False, f"SURVIVED {options.seeds} seeds"
    return True, f"caught by seed {found.group(1)}: {found.group(2)[:100]}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", default=os.path.join(ROOT, "build", "plain"))
    parser.add_argument("--seeds", type=int, default=200)
    parser.add_argument("--only", default="")
    parser.add_argument("--seconds", type=float, default=0, help="begin no further mutation after so long")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    options = parser.parse_args()
    options.build = os.path.abspath(options.build)
    compile_of, link = commands(options.build)
    chosen = [m for m in MUTATIONS if options.only in m[0]]
    begun = time.monotonic()
    left_out = []

    def one(mutation):
        if options.seconds and time.monotonic() - begun > options.seconds:
            left_out.append(mutation[0])
            return None
        caught, text = hunt(options, mutation, compile_of, link)
        print(f"{'ok  ' if caught else 'FAIL'} {mutation[0]}: {text}", flush=True)
        return caught

    with concurrent.futures.ThreadPoolExecutor(max(1, options.jobs)) as pool:
        results = [r for r in pool.map(one, chosen) if r is not None]
    print(f"{sum(results)} of {len(results)} mutations caught in {time.monotonic() - begun:.0f} s"
          + (f"; {len(left_out)} left for another time" if left_out else ""))
    return 0 if results and all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
