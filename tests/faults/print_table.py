#!/usr/bin/python3
"""Prints docs/faults.md."""
import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.dirname(HERE)]
import all_faults  # noqa: E402, F401
from registry import document  # noqa: E402

sys.stdout.write(document())
