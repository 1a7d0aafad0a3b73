#!/usr/bin/env python3
"""Fails if a document is not what the program prints from its own tables.

    printed.py PROGRAM ROOT            compare
    printed.py PROGRAM ROOT --write    write them anew (make docs)
"""
import pathlib
import subprocess
import sys

DOCUMENTS = {
    "docs/configuration.md": "config",
    "docs/metrics.md": "metrics",
    "man/pinfold.1": "man",
}

program, root = sys.argv[1], pathlib.Path(sys.argv[2])
bad = 0
for name, what in DOCUMENTS.items():
    text = subprocess.run([program, "doc", what], capture_output=True, text=True, check=True).stdout
    path = root / name
    if sys.argv[3:] == ["--write"]:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    elif not path.exists() or path.read_text() != text:
        print(f"{name} is not what `pinfold doc {what}` prints: run `make docs`")
        bad += 1
print(f"{len(DOCUMENTS)} documents, {bad} out of date")
sys.exit(bad > 0)
