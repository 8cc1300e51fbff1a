#!/usr/bin/python3
"""Runs bench_tick, without compression and with gzip, against an OTLP sink in Go: bench/tick.py [TICKS [PODS]]"""
import os
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from harness.api import Sink  # noqa: E402
from harness.processes import BATON  # noqa: E402

PROGRAM = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(BATON))), "bench", "bench_tick")


def main():
    for compression in ("none", "gzip"):
        sink = Sink("bench", ("--summary",))
        try:
            print(f"-- {compression}")
            sys.stdout.flush()
            subprocess.run([PROGRAM, sink.endpoint, compression, *(sys.argv[1:] or ["10"])], check=True)
        finally:
            sink.stop()


if __name__ == "__main__":
    main()
