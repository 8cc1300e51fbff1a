#!/usr/bin/python3
"""The JSON files of kubesim/cluster as C strings: embed.py OUT.c FILE.json...; pod.json becomes `const char cluster_pod[]`."""
import json
import os
import sys

with open(sys.argv[1], "w", encoding="utf-8") as out:
    for path in sys.argv[2:]:
        name = os.path.splitext(os.path.basename(path))[0]
        with open(path, encoding="utf-8") as file:
            text = json.dumps(json.load(file), separators=(",", ":"), ensure_ascii=False)
        # No longer than what every compiler takes in one literal.
        pieces = [text[i:i + 1000] for i in range(0, len(text), 1000)]
        out.write(f"extern const char cluster_{name}[];\nconst char cluster_{name}[] =\n")
        out.write("\n".join("    " + json.dumps(piece, ensure_ascii=False) for piece in pieces) + ";\n")
