#!/usr/bin/env python3
"""Fails if docs/formats.md does not end with the listing that formats_doc prints."""
import pathlib
import subprocess
import sys

doc, program = sys.argv[1:3]
text = pathlib.Path(doc).read_text()
want = subprocess.run([program], capture_output=True, text=True, check=True).stdout
have = text[text.find("\n### "):]
if have != want:
    lines = zip(have.splitlines() + [""], want.splitlines() + [""])
    first = next((pair for pair in lines if pair[0] != pair[1]), ("the end", "more"))
    print(f"docs/formats.md has {first[0]!r} where the schema has {first[1]!r}: "
          "replace its listing by what formats_doc prints")
    sys.exit(1)
