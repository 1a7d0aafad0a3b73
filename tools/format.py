#!/usr/bin/env python3
"""Fails if clang-format would change a source file (.clang-format; `make format` mends it)."""
import pathlib
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
files = sorted(str(p) for d in ("src", "test", "fuzz", "bench") for p in (root / d).rglob("*.[ch]"))
if not files:
    sys.exit("no source files")
sys.exit(subprocess.run(["clang-format", "--dry-run", "-Werror", *files]).returncode)
