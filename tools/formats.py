#!/usr/bin/env python3
"""Fails if docs/formats.md does not end with the listing that formats_doc prints, gives an enum other
numbers than its header, or takes another row apart than the encoder makes."""
import pathlib
import re
import subprocess
import sys

doc, program = sys.argv[1:3]
text = pathlib.Path(doc).read_text()
want = subprocess.run([program], capture_output=True, text=True, check=True).stdout
have = text[text.find("\n### ", text.find("\n## The tables")):]
if have != want:
    lines = zip(have.splitlines() + [""], want.splitlines() + [""])
    first = next((pair for pair in lines if pair[0] != pair[1]), ("the end", "more"))
    print(f"docs/formats.md has {first[0]!r} where the schema has {first[1]!r}: "
          "replace its listing by what formats_doc prints")
    sys.exit(1)

example = text[text.find("\n## One row, byte by byte"):text.find("\n## The tables")]
blocks = re.findall(r"(?:^    (?:[0-9a-f]{2} )+.*\n)+", example, re.M)
taken = ["".join(re.match(r"((?:[0-9a-f]{2} )+)", line.strip())[1] for line in block.splitlines()) for block in blocks]
row = subprocess.run([program, "row"], capture_output=True, text=True, check=True).stdout.split()
if [t.replace(" ", "") for t in taken] != row:
    print(f"docs/formats.md: its row is {taken}, of the encoder {row}")
    sys.exit(1)

src = pathlib.Path(doc).resolve().parents[1] / "src"
headers = "".join(p.read_text() for d in ("model", "store", "auth") for p in sorted((src / d).glob("*.h")))
rows = re.findall(r"^\| `enum (\w+)` \|.*\| (.*) \|$", text, re.M)
ENUMS = {"fact_kind", "end_cause", "pin_mode", "copy_reason", "copy_state", "copy_failure", "pin_status", "wake_cause",
         "peer_wish", "op_state", "key_scope"}
if {name for name, _ in rows} != ENUMS:
    print(f"docs/formats.md: its enums are not those that the store keeps: {ENUMS ^ {name for name, _ in rows}}")
    sys.exit(1)
for name, listed in rows:
    body = re.search(r"^enum " + name + r" \{(.*?)\};", headers, re.M | re.S)
    members = [m.strip() for m in re.sub(r"/\*.*?\*/", "", body[1], flags=re.S).split(",") if m.strip()] if body else []
    numbers = [re.fullmatch(r"([A-Z]\w+) = (\d+)", m) for m in members]
    if not all(numbers):
        print(f"enum {name} is kept on disk: each member needs its number, such as \"= 1\"")
        sys.exit(1)
    want = ", ".join(f"{m[2]} {m[1].split('_', 1)[1].lower().replace('_', ' ')}" for m in numbers)
    if listed != want:
        print(f"docs/formats.md: enum {name} is \"{want}\" in its header")
        sys.exit(1)
