"""What a collector costs, seen from outside: processor time, memory, what it reads from the API server, and its ticks at the sink."""
import os
import re
import subprocess
import time

CPU_CLOCK_OF_PROCESS = 2  # clock_getcpuclockid(3): all threads, ended ones included, in ns


def cpu_seconds(pid):
    return time.clock_gettime((~pid << 3) | CPU_CLOCK_OF_PROCESS)


def wait_idle(pid, share=0.1, over_s=2.0, patience_s=90.0):
    """Until the process takes less than this share of a processor, so that what it still does for something else is not measured.
    False after the patience: it never was."""
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        before = cpu_seconds(pid)
        time.sleep(over_s)  # the window of the measurement
        if cpu_seconds(pid) - before < share * over_s:
            return True
    return False


def bytes_read(pid, port):
    """Received so far on connections of this process that are open now, to this port of the other side."""
    text = subprocess.run(["ss", "-tinpHO", f"dport = :{port}"], capture_output=True, text=True, check=False).stdout
    lines = [line for line in text.split("\n") if f"pid={pid}," in line]
    return sum(int(n) for line in lines for n in re.findall(r"bytes_received:(\d+)", line))


def ticks_of(calls):
    """{time stamp: its calls in order of arrival} of the sink's lines. What a tick says has one stamp."""
    ticks = {}
    for call in calls:
        if call.get("points"):
            ticks.setdefault(call["max"], []).append(call)
    return ticks


class Meter:
    """One collector and its sink."""

    def __init__(self, process, sink):
        self.process, self.sink = process, sink

    def ticks(self, start=0):
        return ticks_of(self.sink.calls(start))

    def wait_quiet(self, quiet_s=1.0):
        """Until nothing has arrived for so long: between two ticks."""
        count, since = -1, time.monotonic()
        while time.monotonic() - since < quiet_s:
            now = len(self.sink.process.out)
            if now != count:
                count, since = now, time.monotonic()
            assert self.process.alive(), f"{self.process.name} has ended: {self.process.err.texts()[-5:]}"
            time.sleep(0.05)

    def wait_first(self, timeout):
        """Until the first tick has arrived."""
        if self.sink.wait_call(lambda call: call.get("points"), timeout) is None:
            raise RuntimeError(f"{self.process.name} sent nothing in {timeout} s: {self.process.err.texts()[-5:]}")
        self.wait_quiet()

    def wait_ticks(self, count, timeout):
        """Until so many more ticks have arrived; returns {stamp: calls}, and the resident bytes after each. A tick of which something was there
        before (a busy machine is quiet in the middle of one, too) is not among them."""
        start, resident, end = len(self.sink.process.out), [], time.monotonic() + timeout
        begun = set(self.ticks())
        while len(resident) < count:
            before = len(self.sink.process.out)
            if self.sink.wait_call(lambda call: call.get("points"), end - time.monotonic(), before) is None:
                raise RuntimeError(f"{self.process.name}: {len(resident)} of {count} ticks in {timeout} s")
            self.wait_quiet()
            resident.append(self.process.memory()["VmRSS"])
        return {stamp: calls for stamp, calls in self.ticks(start).items() if stamp not in begun}, resident


def latency_seconds(stamp, calls):
    """From the time that a tick is about until all of it is at the sink."""
    return (max(call["t"] for call in calls) - stamp) / 1e9
