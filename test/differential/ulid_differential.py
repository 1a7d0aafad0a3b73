#!/usr/bin/env python3
"""Our ULIDs against oklog/ulid's strict parser, on many valid and mutated ones: there is no
difference, in what is read, in the bytes, in the text or in the time.

usage: ulid_differential.py VERDICTS REFEREE_SOURCE [COUNT [SEED]]
"""
import random
import sys

from differential import compare, mutate

DIGITS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LETTERS = [b"I", b"L", b"O", b"U", b"i", b"l", b"o", b"u", b"8", b"Z", b"-", b"\0", b"\xff", b" "]


def make_input(r):
    if r.random() < 0.05:
        return "t", r.randbytes(26)
    text = r.choice("01234567" if r.random() < 0.95 else DIGITS)
    text += "".join(r.choice(DIGITS) for _ in range(25))
    text = r.choice([str.upper, str.lower])(text).encode()
    if r.random() < 0.3:  # of the right length still
        at = r.randrange(26)
        return "t", text[:at] + r.choice(LETTERS) + text[at + 1:]
    return "t", mutate(r, text, LETTERS) if r.random() < 0.3 else text


def main():
    verdicts, source = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    r = random.Random(seed)
    compare("ulid", verdicts, source, [make_input(r) for _ in range(count)],
            lambda kind, given, found: None)


main()
