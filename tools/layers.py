#!/usr/bin/env python3
"""Fails if a folder under src/ includes a folder that is not below it (docs/architecture.md)."""
import pathlib
import re
import sys

BELOW = {  # folder: what it may include besides itself
    "base": "",
    "model": "base",
    "json": "base",
    "net": "base",
    "kubo": "base model json net",
    "cql": "base net",
    "bus": "base model json",
    "store": "base model",
    "reconcile": "base model",
    "auth": "base model",
    "billing": "base model",
    "role": "base model json net kubo bus store reconcile auth billing",
    "bin": "base model json net kubo bus store reconcile auth billing role cql",
}
# Of an interface with several back ends, roles see the caller's header alone.
HIDDEN = re.compile(r"^(store/(store_ops\.h|mem/|rocksdb/|kv/)|bus/(bus_ops\.h|mem/|local/|nats/))")

src = pathlib.Path(sys.argv[1]) / "src"
bad = files = 0
for path in sorted(src.rglob("*.[ch]")):
    here = path.relative_to(src).parts[0]
    test = path.stem.endswith("_test")
    files += 1
    for n, line in enumerate(path.read_text().splitlines(), 1):
        m = re.match(r'#include "([^"]+)"', line)
        if not m:
            continue
        there = m[1].split("/")[0]
        if "/" not in m[1] or there not in BELOW:
            print(f"{path}:{n}: name it from src/: {m[1]}")
            bad += 1
        elif there != here and there not in BELOW[here].split():
            print(f"{path}:{n}: {here}/ must not include {there}/")
            bad += 1
        elif here == "role" and not test and HIDDEN.match(m[1]):
            print(f"{path}:{n}: {here}/ must not name a back end: {m[1]}")
            bad += 1
print(f"{files} files, {bad} forbidden includes")
sys.exit(bad > 0 or files == 0)
