"""Ticks that a replica could not emit because it did not get to run: the test's machine stood still, or another process had its processors.

The replica says so itself, with the time that passed and the processor time that it had of it; nothing else kept the tick waiting. Those ticks are no
fault of the program, which emits the newest one only; a test that counts ticks leaves them out, and their number is printed at the end of the run.
"""
import time

from harness.replicas import Baton, time_ns

MESSAGE, NOT_RUN, FULL = "Ticks skipped", "this process did not run", "an exporter was full"
LOG_WAIT_S = 2  # a line is written by a thread of its own, behind the data of the tick
excused = {}  # (test or place, first tick): number of ticks, for the report at the end


def windows(replicas, reasons=(NOT_RUN,)):
    """[(first, last)] times of ticks that were skipped in a row, for one of the reasons."""
    lines = [line for replica in replicas if isinstance(replica, Baton) for line in replica.log() if line.get("msg") == MESSAGE]
    return [(time_ns(line["first"]), time_ns(line["last"])) for line in lines if line["reason"].startswith(tuple(reasons))]


def others(missing, standstills, interval_ns, where):
    """Those of `missing`, [(first missing tick, last missing tick)], that no standstill explains. Behind a first tick with a time of its own they are
    off the grid, so less than an interval of difference is none."""
    rest = []
    for first, last in missing:
        if any(begin - interval_ns < first and last < end + interval_ns for begin, end in standstills):
            excused[where, first] = (last - first) // interval_ns + 1
        else:
            rest.append((first, last))
    return rest


def settle(look):
    """The last result of `look`, which finds what is wrong: the first one that is empty, or when the log has had time to come."""
    end = time.monotonic() + LOG_WAIT_S
    while (wrong := look()) and time.monotonic() < end:
        time.sleep(0.05)
    return wrong


def report(write_line):
    if excused:
        places = ", ".join(sorted({where for where, _ in excused}))
        write_line(f"the machine stood still: {sum(excused.values())} ticks left out in {places}")
