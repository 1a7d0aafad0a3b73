#!/usr/bin/env python3
"""Fails if a function of ours has the name of one in a library we link, or of another of ours.

The loader takes ours for the library's own calls too: a json_null() of ours once ended every
process in which jansson read a null.
"""
import pathlib
import re
import subprocess
import sys

program, build = sys.argv[1], pathlib.Path(sys.argv[2])


def names(*args):
    out = subprocess.run(["nm", "--defined-only", "--extern-only", *map(str, args)],
                         capture_output=True, text=True, check=True).stdout
    return {m[1] for m in re.finditer(r"^[0-9a-f]+ [TDBRWi] ([^@\s]+)", out, re.M)}


linked = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
libraries = re.findall(r"=> (/\S+)", linked)
objects = [o for o in (build / "src").rglob("*.o") if ".a.p" in str(o.parent)]
ours, bad = set(), 0
for path in sorted(objects):
    mine = names(path)
    for name in sorted(ours & mine):
        print(f"{name} in {path.name} is a name of ours already")
        bad += 1
    ours |= mine
for library in libraries:
    for name in sorted(ours & names("-D", library)):
        print(f"{name} is also a name in {pathlib.Path(library).name}")
        bad += 1
print(f"{len(ours)} names of ours, {len(libraries)} libraries, {bad} clashes")
sys.exit(bad > 0 or not libraries or not ours)
