#!/usr/bin/env python3
"""Our reading of durations against Go's, on many valid and mutated ones: the same microseconds,
or a rule below that says where we are stricter, or what only we read.

Our text has no sign, fraction or nanosecond and each unit once, the largest first; it has days,
and reaches a thousand times as far, since we count microseconds and Go nanoseconds.

usage: duration_differential.py VERDICTS REFEREE_SOURCE [COUNT [SEED]]
"""
import random
import re
import sys

from differential import compare, mutate

UNITS = {"d": 86400_000_000, "h": 3600_000_000, "m": 60_000_000, "s": 1_000_000, "ms": 1000,
         "us": 1}
ORDER = list(UNITS)
LETTERS = [b"0", b"1", b"d", b"h", b"m", b"s", b"u", b"n", b"\xc2\xb5", b".", b"-", b"+", b" ",
           b"w", b"\0"]
GO_MAX = ((1 << 63) - 1) // 1000  # microseconds


def count_of(r, unit):
    """Small ones, and those about the edges of what Go and we can hold."""
    if r.random() < 0.85:
        return r.choice([0, 1, 59, 60, r.randrange(10000)])
    most = r.choice([GO_MAX, (1 << 63) - 1, 1 << 64]) // UNITS[unit]
    return max(0, most + r.randrange(-2, 3))


def make_input(r):
    if r.random() < 0.05:
        return "t", r.choice(["0", "-1s", "+1h", "1.5h", ".5s", "1.s", "1h 1m", "1H", "01s",
                              "3ns", "2\u00b5s", "2\u03bcs", "1m1h", "1s1s"]).encode()
    units = sorted(r.sample(ORDER, r.choice([1, 1, 2, 3, 6])), key=ORDER.index)
    text = "".join(f"{count_of(r, u)}{u}" for u in units).encode()
    return "t", mutate(r, text, LETTERS) if r.random() < 0.4 else text


def parts(given):
    """(number, unit) of each part, if it is numbers and our units alone; else nothing."""
    if not re.fullmatch(rb"([0-9]+(d|h|ms|m|s|us))+", given):
        return []
    return [(n.decode(), u.decode())
            for n, u in re.findall(rb"([0-9]+)(d|h|ms|m|s|us)", given)]


def reword(given):
    found = parts(given)
    if sum(int(n) * UNITS[u] for n, u in found) > GO_MAX:
        less = {"d": (86400_000, "us"), "h": (3600_000, "us"), "m": (60_000, "us"),
                "s": (1, "ms"), "ms": (1, "us"), "us": (1, "ns")}
        text = "".join(f"{int(n) * less[u][0]}{less[u][1]}" for n, u in found)
        return "n", text.encode(), "more than 292 years, as a thousandth of it"
    if any(u == "d" for _, u in found):
        text = "".join(f"{int(n) * 24}h" if u == "d" else n + u for n, u in found)
        return "t", text.encode(), "days, as hours"
    return None


def stricter(kind, given, found):
    """Why we refuse what the referee takes, or None."""
    if given == b"0":
        return "zero without a unit"
    if given[:1] in b"+-":
        return "a sign"
    if b"." in given:
        return "a fraction"
    if re.search(rb"[0-9](ns|\xc2\xb5s|\xce\xbcs)", given):
        return "nanoseconds, or a unit that is not ASCII"
    ours = parts(given)
    if any(n[0] == "0" and n != "0" for n, _ in ours):
        return "a number that begins with 0"
    at = [ORDER.index(u) for _, u in ours]
    if at != sorted(set(at)):
        return "a unit twice, or a smaller one first"
    return None


def same_text(text):
    """The referee writes microseconds, we the units that are in them."""
    left, out = int(text), ""
    for unit, size in UNITS.items():
        n, left = divmod(left, size)
        out += f"{n}{unit}" if n else ""
    return (out or "0s").encode()


def main():
    verdicts, source = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    r = random.Random(seed)
    compare("duration", verdicts, source, [make_input(r) for _ in range(count)], stricter,
            same_text, reword)


main()
