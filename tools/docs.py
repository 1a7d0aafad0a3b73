#!/usr/bin/env python3
"""Fails if docs/architecture.md leaves out a folder, or a document links to what is not there."""
import pathlib
import re
import subprocess
import sys

root = pathlib.Path(sys.argv[1])
listed = subprocess.run(["git", "-C", str(root), "ls-files", "-co", "--exclude-standard"],
                        capture_output=True, text=True).stdout.split()
files = [pathlib.PurePath(f) for f in listed if (root / f).exists()]
if not files:  # a tree without git: all that lies there
    files = [p.relative_to(root) for p in root.rglob("*") if p.is_file()]
folders = {f"{f.parts[0]}/" for f in files if len(f.parts) > 1 and not f.parts[0].startswith((".", "build"))}
for f in files:
    if f.parts[0] == "src":
        folders |= {"/".join(f.parts[1:n]) + "/" for n in (2, 3) if len(f.parts) > n}

bad = []
text = (root / "docs/architecture.md").read_text()
for folder in sorted(folders):
    if not re.search(r"(?<![\w-])" + re.escape(folder), text):
        bad.append(f"docs/architecture.md does not name {folder}")
for path in [p for p in files if p.suffix == ".md"]:
    for link in re.findall(r"\]\(([^)#\s]+)", (root / path).read_text()):
        if "://" not in link and not (root / path.parent / link).exists():
            bad.append(f"{path}: links to {link}, which is not there")
print("\n".join(bad))
print(f"{len(folders)} folders, {len(bad)} findings")
sys.exit(bool(bad) or not folders)
