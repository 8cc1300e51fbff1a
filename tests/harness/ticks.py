"""What the debug exporter wrote to a file at verbosity detailed: the ticks, in order of emission."""
import calendar
import os
import re
import time

SECOND = 1_000_000_000
MS = 1_000_000
STAMP = re.compile(r"(\d{4})-(\d\d)-(\d\d) (\d\d):(\d\d):(\d\d)(?:\.(\d+))? \+0000 UTC$")
HEAD = re.compile(r"^(Metrics|Logs|Traces)\t\{")
# The line that carries the tick's time, for each signal.
TIMED = {"Metrics": "Timestamp: ", "Logs": "Timestamp: ", "Traces": "    Start time     : "}


def unix_ns(text):
    year, month, day, hour, minute, second, fraction = STAMP.search(text).groups()
    seconds = calendar.timegm((int(year), int(month), int(day), int(hour), int(minute), int(second)))
    return seconds * SECOND + int((fraction or "").ljust(9, "0"))


def parse(text):
    """[(signal, time of the tick, number of points, records or spans)] of all whole batches in the text."""
    batches, signal, stamps = [], None, []

    def close():
        if signal is not None and stamps:
            assert len(set(stamps)) == 1, f"one batch carries several times: {sorted(set(stamps))}"
            batches.append((signal, stamps[0], len(stamps)))

    for line in text.split("\n"):
        head = HEAD.match(line)
        if head:
            close()
            signal, stamps = head.group(1), []
        elif signal is not None and line.startswith(TIMED[signal]) and STAMP.search(line):
            stamps.append(unix_ns(line))
    close()
    return batches


class Output:
    """One output file of one replica."""

    def __init__(self, path):
        self.path = path

    def batches(self):
        if not os.path.exists(self.path):
            return []
        with open(self.path) as f:
            text = f.read()
        # A batch ends with an empty line; what comes behind the last one is still being written.
        return parse(text[:text.rfind("\n\n") + 1] if "\n\n" in text else "")

    def ticks(self):
        return [when for _, when, _ in self.batches()]

    def wait(self, condition, timeout, what="the condition"):
        """Until condition(ticks) holds; returns the ticks."""
        end = time.monotonic() + timeout
        while True:
            ticks = self.ticks()
            if condition(ticks):
                return ticks
            assert time.monotonic() < end, f"{what} did not come true in {timeout} s: {len(ticks)} ticks in {self.path}"
            time.sleep(0.01)

    def wait_more(self, count, timeout=20):
        """Until so many ticks more than now are there."""
        before = len(self.ticks())
        return self.wait(lambda ticks: len(ticks) >= before + count, timeout, f"{count} more ticks")


def doubled(*emitted):
    """Ticks that were emitted more than once, over all lists."""
    seen, twice = set(), []
    for ticks in emitted:
        for tick in ticks:
            if tick in seen:
                twice.append(tick)
            seen.add(tick)
    return twice


def holes(interval_ns, *emitted, fresh=True):
    """[(time of the tick before, missing ticks)] of the aligned series that all lists make together; the first tick of a `fresh` start has a
    time of its own and is left out. Fails for a tick off the grid."""
    ticks = sorted(tick for ticks in emitted for tick in ticks)[1 if fresh else 0:]
    result = []
    for before, after in zip(ticks, ticks[1:]):
        assert (after - before) % interval_ns == 0, f"tick {after} is {(after - before) / MS} ms behind the one before: off the grid"
        if after - before > interval_ns:
            result.append((before, (after - before) // interval_ns - 1))
    return result
