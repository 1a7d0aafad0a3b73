#!/usr/bin/env python3
"""Fails if a header does not compile alone, does not open as a manual, or has a
function nobody explains.

The manual: the first line of the first comment is "NAME.h -- what it is for".  A function
counts as explained if the paragraph it is declared in (lines up to a blank one) or the
comment just above holds words about it: related calls may share one comment.
"""
import concurrent.futures
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys

root, build = map(pathlib.Path, sys.argv[1:3])
# A folder the build does not know yet has nothing below it to stand on.
known = [m.parent for m in (root / "src").glob("*/meson.build")]
headers = sorted(p for d in [*known, root / "test", root / "bench"] for p in d.rglob("*.h"))


def include_flags():
    """Where the build looks for headers: every -I and -isystem it names."""
    flags = {"-I" + str(root / "src"): None}
    for entry in json.loads((build / "compile_commands.json").read_text()):
        args = shlex.split(entry["command"])
        for arg, value in zip(args, args[1:] + [""]):
            if arg == "-isystem":
                flags["-isystem" + str((build / value).resolve())] = None
            elif arg.startswith(("-I", "-isystem")):
                name = "-isystem" if arg.startswith("-isystem") else "-I"
                flags[name + str((build / arg.removeprefix(name)).resolve())] = None
    return list(flags)


def compiles(path, flags):
    cmd = ["gcc", "-std=gnu17", "-D_GNU_SOURCE", "-Wall", "-Wextra", "-Werror", "-fsyntax-only",
           *flags, "-include", str(path), "-x", "c", "/dev/null"]
    out = subprocess.run(cmd, capture_output=True, text=True)
    return None if out.returncode == 0 else f"{path}: does not stand alone:\n{out.stderr}"


def declared(paragraph):
    """True if a function is declared at file scope in these lines."""
    code = re.sub(r"/\*.*?\*/", "", paragraph, flags=re.S)
    code = re.sub(r"^#.*(\\\n.*)*", "", code, flags=re.M)
    while (flat := re.sub(r"\{[^{}]*\}", "", code)) != code:
        code = flat
    return re.search(r"^(?!typedef|static|\s)[a-z][\w\s\*]*?\w+\s*\([^;{]*\)[^;{()]*(\([^;()]*\)[^;{()]*)*;",
                     code, re.M)


def reads_badly(path):
    text = path.read_text()
    if not re.match(r"/\*\s*(\* )?" + re.escape(path.name) + r" -- \S", text):
        yield f'{path}:1: must open with a comment "{path.name} -- what it is for"'
    before = ""
    for m in re.finditer(r"(?:.+\n)+", text):
        paragraph = m[0]
        found = declared(paragraph)
        if found and "/*" not in paragraph and not before.rstrip().endswith("*/"):
            line = text.count("\n", 0, m.start()) + 1
            yield f"{path}:{line}: nobody says what this does: {' '.join(found[0].split())[:70]}"
        before = paragraph


flags = include_flags()
with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
    bad = [b for b in pool.map(lambda p: compiles(p, flags), headers) if b]
bad += [b for p in headers for b in reads_badly(p)]
print("\n".join(bad))
print(f"{len(headers)} headers, {len(bad)} findings")
sys.exit(bool(bad) or not headers)
