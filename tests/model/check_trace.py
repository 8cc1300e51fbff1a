#!/usr/bin/python3
"""Checks the steps of real election machines against the model's transitions.

  check_trace.py [FILE ...]      (or standard input)

Lines of the form `step WHO STATE CALL GATE EVENT -> STATE CALL GATE` (step_trace.h) are looked at, all others passed over. Each must
be a row of transitions.txt, or change nothing at a moment that the model does not have: a timer before anything is due, news for a
machine that has stopped. Exits 1 with those that are not, or if there is no step at all. WHO
is the seed of a simulated world, or a candidate.
"""
import collections
import sys

import table

SHOWN_MAX = 20


def is_stutter(row):
    """A timer after which everything is as before, or anything that does nothing to a machine that has stopped."""
    unchanged = row[0] == row[4] and row[5] == "none" and row[2] == row[6]
    return unchanged and (row[3] == "timer" or row[0] == "stopped")


def check(lines, rows, taken, outside):
    """Counts the rows taken, and puts into `outside` each row that the model does not have: how often, and the first line with it.
    Returns the number of steps."""
    known = set(rows)
    steps = 0
    for line in lines:
        if not line.startswith("step "):
            continue
        steps += 1
        row = tuple(line.replace("->", " ").split()[2:])
        if row in known:
            taken[row] += 1
        elif not (len(row) == len(table.COLUMNS) and is_stutter(row)):
            outside.setdefault(row, [0, line.strip()])[0] += 1
    return steps


def main(paths):
    rows = table.load()
    taken = collections.Counter()
    outside = {}
    steps = 0
    for path in paths or ["-"]:
        with (sys.stdin if path == "-" else open(path, encoding="utf-8")) as file:
            steps += check(file, rows, taken, outside)
    for count, first in sorted(outside.values(), reverse=True)[:SHOWN_MAX]:
        print(f"the model has no such step, {count} times, first: {first}")
    print(f"{steps} steps, {len(taken)} of {len(rows)} rows taken, {len(outside)} that the model does not have")
    return 1 if outside or steps == 0 else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
