#!/usr/bin/python3
"""House rules that a compiler does not check: include direction, lengths, banned functions, mutable file-scope state, layout.

usage: check_house.py [BUILD_FOLDER]   (with a build folder the object files are checked for mutable state)
Prints one line for each finding, `file:line: text`, and exits 1 if there are any.
"""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
FILE_LINES_MAX = 800
FUNCTION_LINES_MAX = 70
LINE_COLUMNS_MAX = 140

# A file may include its own room and the rooms named here.
ROOMS = {
    "base": [],
    "wire": ["base"],
    "io": ["base", "wire"],
    "telemetry": ["base", "wire", "io"],
    "config": ["base", "wire", "io"],
    "kube": ["base", "wire", "io"],
    "election": ["base", "wire", "io", "telemetry", "config", "kube"],
    "service": ["base", "wire", "io", "telemetry", "config", "kube", "election"],
}
for leaf in ("receivers", "processors", "exporters", "extensions"):
    ROOMS[leaf] = ["base", "wire", "io", "telemetry", "config", "kube", "election", "service"]
ROOMS[""] = list(ROOMS)  # main.c, components.c

BANNED = {
    "strcpy": "memcpy with a length", "strcat": "buf_str", "sprintf": "buf_printf or snprintf", "vsprintf": "buf_printf",
    "gets": "fgets", "strtok": "str_cut", "atoi": "str_to_i64", "atol": "str_to_i64", "atof": "strtod with checks",
    "sscanf": "a reader of its own", "alloca": "an arena", "rand": "loop_random", "srand": "loop_random",
    "malloc": "mem_alloc", "calloc": "mem_zalloc", "realloc": "mem_realloc", "system": "spawn_run", "popen": "spawn_run",
}
MAY_ALLOCATE = {"src/base/base.c"}
CLOCKS = re.compile(r"\b(clock_gettime|gettimeofday|time|uv_now|uv_hrtime)\s*\(")


def source_files():
    for folder in ("src", "kubesim", "tests", "bench"):
        for path, _, names in os.walk(os.path.join(ROOT, folder)):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.relpath(os.path.join(path, name), ROOT)


def strip(text):
    """The code without comments and literals; line numbers are kept."""
    keep_lines = lambda m: "\n" * m.group(0).count("\n") if m.group(0).startswith("/") else '""'
    return re.sub(r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', keep_lines, text, flags=re.S)


def check_includes(path, text, find):
    room = path.split("/")[1] if path.count("/") >= 2 else ""
    for number, line in enumerate(text.split("\n"), 1):
        match = re.match(r'\s*#include "([^"]+)"', line)
        if not match:
            continue
        target = match.group(1)
        if not os.path.exists(os.path.join(ROOT, "src", target)):
            find(path, number, f'"{target}" is not a path below src/')
            continue
        target_room = target.split("/")[0] if "/" in target else ""
        if target_room != room and target_room not in ROOMS.get(room, []):
            find(path, number, f"{room or 'the program'}/ must not include {target_room}/ (only rooms to its left)")


def check_lengths(path, lines, code_lines, find):
    if len(lines) > FILE_LINES_MAX:
        find(path, len(lines), f"{len(lines)} lines, at most {FILE_LINES_MAX}")
    for number, line in enumerate(lines, 1):
        if len(line) > LINE_COLUMNS_MAX:
            find(path, number, f"{len(line)} columns, at most {LINE_COLUMNS_MAX}")
    start = None
    for number, line in enumerate(code_lines, 1):
        if line == "{":
            start = number
        elif line.startswith("}") and start is not None:
            if number - start - 1 > FUNCTION_LINES_MAX:
                find(path, start, f"function of {number - start - 1} lines, at most {FUNCTION_LINES_MAX}")
            start = None


def check_calls(path, code_lines, find):
    in_src = path.startswith("src/")
    for number, line in enumerate(code_lines, 1):
        for match in re.finditer(r"(?<![\w.>])([a-z_]+)\s*\(", line):
            name = match.group(1)
            if name in BANNED and (in_src or name not in ("malloc", "calloc", "realloc", "system", "popen")):
                if path not in MAY_ALLOCATE:
                    find(path, number, f"{name} is banned: use {BANNED[name]}")
        if in_src and not path.startswith("src/io/") and CLOCKS.search(line):
            find(path, number, "clocks are read in io/ only")


def check_top(path, text, find):
    if path.startswith("src/") and not text.startswith("/*"):
        find(path, 1, "begins without a comment that says what it is")


def check_state(build, find):
    """Mutable objects of static storage in the program's object files; constant tables are in .rodata or .data.rel.ro."""
    for path, _, names in os.walk(os.path.join(build, "src")):
        for name in names:
            if not name.endswith(".o"):
                continue
            table = subprocess.run(["objdump", "-t", os.path.join(path, name)], capture_output=True, text=True).stdout
            for line in table.split("\n"):
                match = re.match(r"^\S+ ......O (\S+)\s+([0-9a-f]+) (?:\.hidden )?(\S+)$", line)
                if match and re.match(r"\.(data|bss|tdata|tbss)(?!\.rel\.ro)|\*COM\*", match.group(1)):
                    if not match.group(3).startswith(("__san", "__asan", "__odr", ".L")):
                        find(name, 0, f"mutable file-scope state: {match.group(3)}")



def main():
    findings = []
    find = lambda path, line, text: findings.append(f"{path}:{line}: {text}")
    count = 0
    for path in source_files():
        count += 1
        with open(os.path.join(ROOT, path), encoding="utf-8") as f:
            text = f.read()
        code_lines = strip(text).split("\n")
        if path.startswith("src/"):
            check_includes(path, text, find)
            check_top(path, text, find)
        if path.startswith(("src/", "kubesim/")):
            check_lengths(path, text.split("\n"), code_lines, find)
        if path.startswith(("src/", "kubesim/")):
            check_calls(path, code_lines, find)
    if len(sys.argv) > 1:
        check_state(sys.argv[1], find)
    for finding in findings:
        print(finding)
    print(f"{count} files checked, {len(findings)} findings")
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
