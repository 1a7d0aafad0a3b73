#!/usr/bin/env python3
"""embed.py NAME FILE OUT -- writes the bytes of FILE as the C array NAME."""
import pathlib
import sys

name, source, out = sys.argv[1:4]
data = pathlib.Path(source).read_bytes()
rows = [",".join(map(str, data[i:i + 24])) for i in range(0, len(data), 24)]
pathlib.Path(out).write_text(
    f"extern const unsigned char {name}[];\nextern const unsigned {name}_len;\n"
    f"const unsigned char {name}[] = {{\n" + ",\n".join(rows) + f"\n}};\nconst unsigned {name}_len = {len(data)};\n")
