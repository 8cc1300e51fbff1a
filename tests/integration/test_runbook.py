"""Each line that an elector writes is in the runbook, and each line in the runbook is one that the program writes."""
import glob
import os
import re

import peers


def joined(literals):
    return "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', literals)).replace('\\"', '"')


def logged():
    """Texts of all lines above debug in the election."""
    found = set()
    for path in glob.glob(os.path.join(peers.ROOT, "src", "election", "*.c")):
        with open(path, encoding="utf-8") as file:
            source = file.read()
        text = r'((?:"(?:[^"\\]|\\.)*"\s*)+)'
        calls = re.findall(r'(?:log_(?:info|warn|error)\(\s*[^,"]+,|LOG_AT\([^,"]+,[^,"]+,)\s*' + text, source)
        assert len(calls) == len(re.findall(r"\b(?:log_(?:info|warn|error)|LOG_AT)\(", source)), f"{path}: a line whose text is not written there"
        found |= {joined(call) for call in calls}
    return found


def texts_of_sources():
    texts = ""
    for path in glob.glob(os.path.join(peers.ROOT, "src", "**", "*.c"), recursive=True):
        with open(path, encoding="utf-8") as file:
            texts += re.sub(r'"\s*"', "", file.read())
    return texts


def runbook():
    with open(os.path.join(peers.ROOT, "docs", "runbook.md"), encoding="utf-8") as file:
        return file.read()


def test_every_line_of_an_elector_is_in_the_runbook():
    lines = logged()
    assert len(lines) > 25, lines
    page = runbook()
    assert not [line for line in sorted(lines) if f"`{line}`" not in page]


def test_every_line_in_the_runbook_is_written_by_the_program():
    rows = re.findall(r"^\| `([^`]+)`", runbook(), re.M)
    assert len(rows) > 25
    sources = texts_of_sources()
    assert not [line for line in rows if line not in sources]
