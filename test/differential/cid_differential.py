#!/usr/bin/env python3
"""Our CID decoder against go-cid, on many valid, mutated and random CIDs.

Both are given the same lines (see verdicts.c) and must agree.  Where we are
stricter on purpose, a rule below says so from the input and from what the
referee made of it; a difference that no rule decides fails the test, and so
does an input that a rule refuses but we accept.

usage: cid_differential.py VERDICTS REFEREE_SOURCE [COUNT [SEED]]
"""
import random
import sys

from differential import compare, mutate
from multiformats import B58, encode, number, varint

OUR_BASES = b"fFbBvVkKzmu"
CID_MAX = 160
TEXT_MAX = 2 * CID_MAX + 1
LETTERS = [b"0", b"1", b"=", b"\n", b" ", b"/", b"z", b"-"]


def random_bytes_of_cid(r):
    digest = r.randbytes(r.choice([0, 1, 5, 19, 20, 28, 32, 32, 32, 32, 48, 64, 128]))
    if r.random() < 0.2:
        return b"\x12\x20" + r.randbytes(32)
    padding = [r.random() < 0.01 for _ in range(4)]
    codec = r.choice([0x55, 0x70, 0x71, 0x72, 0x129, 0x200, 0, 0x7F, 0x80, r.getrandbits(62)])
    code = r.choice([0, 0x11, 0x12, 0x13, 0x1E, 0xB220, 0xB401, r.getrandbits(30)])
    version = 1 if r.random() < 0.97 else r.choice([0, 2, 3, 17, 300])
    length = len(digest) if r.random() < 0.95 else r.choice([len(digest) + 1, 0, 1 << 40])
    return (varint(version, padding[0]) + varint(codec, padding[1]) + varint(code, padding[2])
            + varint(length, padding[3]) + digest)


def make_input(r):
    data = random_bytes_of_cid(r)
    if r.random() < 0.3:
        return "b", mutate(r, data, LETTERS) if r.random() < 0.6 else data
    if data[:2] == b"\x12\x20" and r.random() < 0.8:
        text = number(data, B58)
    else:
        text = encode(r.choice(OUR_BASES.decode()), data)
    if r.random() < 0.02:
        text = r.choice("0179chptCTMUZ") + text[1:]  # bases of the table that we do not take
    text = text.encode()
    if r.random() < 0.02:
        text = b"/ipfs/" + text
    return "t", mutate(r, text, LETTERS) if r.random() < 0.6 else text


def stricter(kind, given, found):
    """Why we refuse what the referee takes, or None.  `found`: (bytes, text in the base given)."""
    data, text = found
    if len(data) > CID_MAX:
        return "longer than any hash that Kubo takes"
    if kind == "b":
        return None
    if len(given) > TEXT_MAX:
        return "text longer than any CID has"
    if b"/" in given and given[:1] != b"m":
        return "a path"
    if given[:2] != b"Qm" and given[:1] not in OUR_BASES:
        return "a base that CIDs are not written in"
    if text != given:
        return "not the canonical text"
    return None


def main():
    verdicts, source = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    r = random.Random(seed)
    compare("cid", verdicts, source, [make_input(r) for _ in range(count)],
            stricter)


main()
