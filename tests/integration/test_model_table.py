"""The checker of steps against the model's table can fail."""
import collections
import os
import sys

import peers
import pytest

sys.path.insert(0, os.path.join(peers.ROOT, "tests", "model"))
import check_trace  # noqa: E402
import table  # noqa: E402


def unknown(*lines):
    outside = {}
    check_trace.check(list(lines), table.load(), collections.Counter(), outside)
    return outside


def test_a_step_of_the_model_passes():
    assert not unknown("something else", "step 0 following none closed seen-released -> claiming claim closed")
    assert not unknown("step 3 leading none open timer -> leading none open")  # nothing was due


@pytest.mark.parametrize("step", [
    "leading none open seen-other -> leading none open",        # goes on beside another holder
    "leading none closed timer -> leading none open",           # a gate that opens by itself
    "following none closed deleted -> claiming create closed",  # takes what went away at once
    "leading none open stop -> releasing release open",         # releases while it may act
    "leading renew open got-back -> leading none open",         # an event that the model does not have
    "leading none open",
])
def test_another_step_does_not(step):
    assert unknown("step 0 " + step)


def test_a_trace_without_steps_is_no_proof(tmp_path):
    (tmp_path / "trace").write_text("nothing\n")
    assert check_trace.main([str(tmp_path / "trace")]) == 1


def test_a_row_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "t").write_text("leading none open timer -> led none open\n")
    with pytest.raises(table.TableError, match="t:1: 'led' is none of learning"):
        table.load(str(tmp_path / "t"))
