#!/usr/bin/env python3
"""Our reading and writing of ipfs-cluster's pins against its own code, on many messages, whole
and cut: the fields that are read and the bytes that are written must be the same.

Not compared: messages that no encoder writes.  The library refuses fields of another wire type,
and of options that stand twice it takes the later ones alone.

usage: cluster_pin_differential.py VERDICTS REFEREE_SOURCE [COUNT [SEED]]
"""
import random
import sys

from differential import compare
from multiformats import varint

TEXTS = ["", "a", "b\"<>&", "\u00e9", "\U0001f433", "\x7f", "long " * 30]


def zigzag(n):
    return varint((n << 1 ^ n >> 63) & (1 << 64) - 1)


def chunk(field, data):
    return varint(field << 3 | 2) + varint(len(data)) + data


def some_bytes(r):
    return bytes(r.getrandbits(8) for _ in range(r.randrange(40)))


def number(r):
    return r.getrandbits(64) >> r.randrange(64)


def text(r):
    damage = b"\xff" if r.random() < 0.01 else b""
    return "".join(r.choice(TEXTS) for _ in range(r.randrange(4))).encode() + damage


def pair(r):
    return chunk(1, r.choice([b"a", b"b", b"kind"])) + chunk(2, text(r))


def unknown(r):
    field = r.choice([11, 100, 5000])
    return r.choice([varint(field << 3) + varint(number(r)), chunk(field, some_bytes(r)),
                     varint(field << 3 | 1) + bytes(8), varint(field << 3 | 5) + bytes(4)])


def message(r, parts):
    """Some of the parts, now and then out of their order, or with an unknown field."""
    chosen = [make() for make in parts if r.random() < 0.6]
    if r.random() < 0.2:
        chosen.append(unknown(r))
    if r.random() < 0.2:
        r.shuffle(chosen)
    return b"".join(chosen)


def options(r):
    def factor():
        return zigzag(r.choice([0, 1, -1, 3, 1000, -2147483648, 2147483647]))

    return message(r, [
        lambda: b"\x08" + factor(), lambda: b"\x10" + factor(), lambda: chunk(3, text(r)),
        lambda: b"\x20" + varint(number(r)), lambda: chunk(6, pair(r)), lambda: chunk(6, pair(r)),
        lambda: chunk(7, some_bytes(r)), lambda: b"\x40" + varint(number(r)),
        lambda: chunk(9, some_bytes(r)), lambda: chunk(10, pair(r)), lambda: chunk(10, pair(r))])


def pin(r):
    return message(r, [
        lambda: chunk(1, some_bytes(r)), lambda: b"\x10" + varint(r.randrange(6)),
        lambda: chunk(3, some_bytes(r)), lambda: chunk(3, some_bytes(r)),
        lambda: b"\x20" + zigzag(r.randrange(-1, 4)), lambda: chunk(5, some_bytes(r)),
        lambda: chunk(6, options(r)), lambda: b"\x38" + varint(number(r))])


def stricter(kind, given, found):
    fields = found[1].decode().split(" ")
    for hexes in [fields[7]] + fields[9].replace(":", ",").split(","):
        if 0 in bytes.fromhex(hexes):
            return "a text with a NUL"
    return None


def main():
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100000
    r = random.Random(int(sys.argv[4]) if len(sys.argv) > 4 else 1)
    inputs = []
    for _ in range(count):
        given = pin(r)
        cut = r.randrange(len(given) + 1) if r.random() < 0.4 else len(given)
        inputs.append(("b", given[:cut]))
    compare("cluster_pin", sys.argv[1], sys.argv[2], inputs, stricter)


main()
