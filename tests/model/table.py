"""The table of transitions (transitions.txt): what a step of the election machine may do.

A row reads  `state call gate event -> state call gate`: before, what happened, after. `call` before is the one under way, `call`
after the one that the step starts; the gate is open or closed at the time of the step. The model takes exactly these rows
(run.py fails if it takes another one, or if it never takes one of them); the program's traces must stay within them
(check_trace.py).
"""
import os

FOLDER = os.path.dirname(os.path.abspath(__file__))
STATES = ["learning", "following", "claiming", "leading", "releasing", "stopped"]
CALLS = ["none", "get", "create", "claim", "renew", "release"]
GATES = ["closed", "open"]
# In the order of machine.pml.
EVENTS = ["start", "timer", "seen-old", "seen-mine", "seen-edited", "seen-other", "seen-cleared", "seen-released", "absent",
          "deleted", "deleted-old", "watch-up", "watch-down", "got-old", "got-mine", "got-edited", "got-other", "got-cleared",
          "got-released", "got-absent", "ok", "conflict", "refused", "forbidden", "unknown", "stop", "yield", "hold", "campaign", "rest",
          "proven"]
COLUMNS = [STATES, CALLS, GATES, EVENTS, STATES, CALLS, GATES]


class TableError(Exception):
    pass


def parse_row(text, place):
    words = text.replace("->", " ").split()
    if len(words) != len(COLUMNS) or "->" not in text:
        raise TableError(f"{place}: expected `state call gate event -> state call gate`, found {text.strip()!r}")
    for word, column in zip(words, COLUMNS):
        if word not in column:
            raise TableError(f"{place}: {word!r} is none of {', '.join(column)}")
    return tuple(words)


def format_row(row):
    return f"{row[0]:9} {row[1]:7} {row[2]:6} {row[3]:13} -> {row[4]:9} {row[5]:7} {row[6]}"


def load(path=os.path.join(FOLDER, "transitions.txt")):
    rows = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            line = line.split("#")[0]
            if line.strip():
                rows.append(parse_row(line, f"{os.path.basename(path)}:{number}"))
    if len(set(rows)) != len(rows):
        raise TableError(f"{path}: a row is there twice")
    return rows


def index_of(row):
    index = 0
    for word, column in zip(row, COLUMNS):
        index = index * len(column) + column.index(word)
    return index


def row_of(index):
    words = []
    for column in reversed(COLUMNS):
        words.append(column[index % len(column)])
        index //= len(column)
    return tuple(reversed(words))


def write_header(rows, path):
    """The table as C for the checker that Spin makes. Rows that were taken are printed when it ends."""
    size = 1
    for column in COLUMNS:
        size *= len(column)
    sizes = [len(column) for column in COLUMNS]
    with open(path, "w", encoding="utf-8") as out:
        out.write("/* Made of transitions.txt by table.py. */\n#include <stdio.h>\n#include <stdlib.h>\n")
        out.write(f"enum {{ ROW_SPACE = {size} }};\n")
        out.write("static unsigned char row_known[ROW_SPACE], row_taken[ROW_SPACE], rows_ready;\n")
        out.write("static const int row_list[] = {" + "".join(f"{index_of(row)}, " for row in rows) + "-1};\n")
        out.write("static void print_rows(void)\n{\n    for (int i = 0; i < ROW_SPACE; i++)\n        if (row_taken[i])\n"
                  '            printf("ROW %d%s\\n", i, row_known[i] ? "" : " unknown");\n}\n')
        out.write("static int transition_is_known(int s, int c, int g, int e, int s2, int c2, int g2)\n{\n"
                  "    if (!rows_ready) {\n        rows_ready = 1;\n        for (int i = 0; row_list[i] >= 0; i++)\n"
                  "            row_known[row_list[i]] = 1;\n        atexit(print_rows);\n    }\n"
                  f"    int i = (((((s * {sizes[1]} + c) * {sizes[2]} + g) * {sizes[3]} + e) * {sizes[4]} + s2) * {sizes[5]} + c2)"
                  f" * {sizes[6]} + g2;\n    row_taken[i] = 1;\n    return row_known[i];\n}}\n")
