"""One test for each fault of the table, and the table itself."""
import os

import pytest
from all_faults import FAULTS
from registry import document

DOCUMENT = os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "docs", "faults.md")


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_fault(theatre, name):
    problems, log = theatre.result(name)
    print(log)
    assert not problems, "\n".join([f"{FAULTS[name].happens}; promised: {FAULTS[name].promise}", *problems[:12], f"seed {theatre.seed}"])


def test_table_is_what_the_document_says():
    with open(DOCUMENT) as f:
        assert f.read() == document(), "docs/faults.md is old: /usr/bin/python3 tests/faults/print_table.py >docs/faults.md"


def test_table_has_at_least_45_kinds_on_each_server():
    for server in ("kubesim", "apiserver"):
        assert sum(server in fault.servers for fault in FAULTS.values()) >= 45
