#!/usr/bin/env python3
"""coverage.py BUILD -- line coverage of src/ by the tests that were run in BUILD.

One line a folder, one a file, the worst first, and the total last.  Every line of src/
that the compiler made code for counts, but for the tests beside it (*_test.c, *_test.h).
Exit code 1 when the total is below GOAL.
"""
import collections
import json
import pathlib
import subprocess
import sys

GOAL = 85.0
ROOT = pathlib.Path(__file__).resolve().parent.parent


def percent(covered, total):
    return 100 * covered / total if total else 100.0


def show(title, rows):
    print(f"{title:<44}{'lines':>8}{'missed':>8}{'%':>8}")
    for name, (covered, total) in sorted(rows.items(), key=lambda r: (percent(*r[1]), r[0])):
        print(f"{name:<44}{total:>8}{total - covered:>8}{percent(covered, total):>8.1f}")
    print()


def main():
    report = subprocess.run(
        ["gcovr", "--root", ROOT, "--object-directory", sys.argv[1], "--filter", "src/",
         "--exclude", r".*_test\.[ch]$", "--json-summary", "-", sys.argv[1]],
        cwd=ROOT, check=True, stdout=subprocess.PIPE).stdout
    files = {f["filename"]: (f["line_covered"], f["line_total"]) for f in json.loads(report)["files"]}
    folders = collections.defaultdict(lambda: (0, 0))
    for name, (covered, total) in files.items():
        there = folders[str(pathlib.Path(name).parent)]
        folders[str(pathlib.Path(name).parent)] = there[0] + covered, there[1] + total
    covered, total = (sum(f[i] for f in files.values()) for i in (0, 1))
    show("file", files)
    show("folder", folders)
    done = percent(covered, total)
    print(f"line coverage of src/: {done:.1f} % ({covered} of {total} lines); goal {GOAL:.0f} %: "
          + ("met" if done >= GOAL else "missed"))
    sys.exit(done < GOAL)


main()
