#!/usr/bin/env python3
"""Our reading of RFC 3339 times against Go's, on many valid and mutated ones: the same
microsecond, or a rule below that says where we are stricter, or what only we read.

usage: time_differential.py VERDICTS REFEREE_SOURCE [COUNT [SEED]]
"""
import random
import re
import sys

from differential import compare, mutate

LETTERS = [b"0", b"9", b"T", b"t", b"Z", b"z", b"-", b"+", b":", b".", b",", b" ", b"\0"]
US_OF_YEARS = range(-62135596800000000, 253402300800000000)  # 0001 to 9999
RFC_3339 = (rb"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
            rb"([Zz]|[+-][0-9]{2}:[0-9]{2})")


def edge(r, least, most):
    """Mostly inside, now and then at or beyond an edge."""
    return r.choice([least, most, most + 1, least - 1 if least else 0]) if r.random() < 0.1 else (
        r.randint(least, most))


def make_input(r):
    year = r.choice([0, 1, 4, 1600, 1900, 1970, 2000, 2024, 9999]) if r.random() < 0.3 else (
        r.randrange(10000))
    text = (f"{year:04}-{edge(r, 1, 12):02}-{edge(r, 1, 31):02}{r.choice('TTTt')}"
            f"{edge(r, 0, 23):02}:{edge(r, 0, 59):02}:{edge(r, 0, 59):02}")
    if r.random() < 0.6:
        digits = r.randrange(1, 12) if r.random() < 0.3 else r.choice([3, 6, 9])
        text += "." + "".join(r.choice("0123456789") for _ in range(digits))
    text += r.choice("ZZZz") if r.random() < 0.5 else (
        f"{r.choice('+-')}{edge(r, 0, 23):02}:{edge(r, 0, 59):02}")
    text = text.encode()
    return "t", mutate(r, text, LETTERS) if r.random() < 0.4 else text


def reword(given):
    """RFC 3339 5.6 lets T and Z be in lower case; Go wants capitals."""
    if re.fullmatch(RFC_3339, given) and given != given.upper():
        return "t", given.upper(), "t or z in lower case"
    return None


def stricter(kind, given, found):
    """Why we refuse what the referee takes, or None."""
    if not re.fullmatch(RFC_3339, given):
        return "not written as RFC 3339 says (a comma, an hour of one digit)"
    if re.search(rb"\.[0-9]{10}", given):
        return "more than 9 digits of a fraction"
    if given[:4] == b"0000" or int.from_bytes(found[0], "big", signed=True) not in US_OF_YEARS:
        return "not in the years 0001 to 9999"
    offset = re.search(rb"[+-]([0-9]{2}):([0-9]{2})$", given)
    if offset and (int(offset[1]) > 23 or int(offset[2]) > 59):
        return "an offset of 24 hours or 60 minutes"
    return None


def main():
    verdicts, source = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    r = random.Random(seed)
    compare("time", verdicts, source, [make_input(r) for _ in range(count)], stricter,
            reword=reword)


main()
