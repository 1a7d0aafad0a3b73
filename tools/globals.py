#!/usr/bin/env python3
"""Fails if an object file of src/ holds data that can change at run time.

State belongs to a struct that is passed along.  Read from the object files: whatever
lies in a writable section counts, thread-local or not.
"""
import pathlib
import re
import subprocess
import sys

ALLOWED = {  # each has its reason where it is defined
    "log.c": {"min_level", "format", "fields", "depth"},
}
WRITABLE = re.compile(r"^(\.data|\.bss|\.tdata|\.tbss)(\.(?!rel\.ro)|$)|^\*COM\*$")
# What the compiler adds to builds with coverage or sanitizers is not ours.
TOOLING = re.compile(r"^(__|\.)")

build = pathlib.Path(sys.argv[1])
objects = [o for o in (build / "src").rglob("*.o") if ".a.p" in str(o.parent)]
bad = 0
for path in sorted(objects):
    source = re.sub(r"^.*_(?=\w+\.c\.o$)", "", path.name).removesuffix(".o")
    out = subprocess.run(["objdump", "-t", str(path)], capture_output=True, text=True, check=True)
    for line in out.stdout.splitlines():
        m = re.match(r"^[0-9a-f]+ (.{7}) (\S+)\s+[0-9a-f]+\s+(?:\.hidden )?(\S+)$", line)
        if not m or "O" not in m[1] or not WRITABLE.match(m[2]) or TOOLING.match(m[3]):
            continue
        if re.sub(r"\.\d+$", "", m[3]) not in ALLOWED.get(source, ()):
            print(f"{path.name}: {m[3]} lies in {m[2]}: no mutable globals")
            bad += 1
print(f"{len(objects)} object files, {bad} mutable globals")
sys.exit(bad > 0 or not objects)
