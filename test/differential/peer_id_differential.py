#!/usr/bin/env python3
"""Our peer ids against go-libp2p's, on many valid and mutated ones.

As cid_differential.py: agreement, or a rule below that says where we are stricter.

usage: peer_id_differential.py VERDICTS REFEREE_SOURCE [COUNT [SEED]]
"""
import random
import sys

from differential import compare, mutate
from multiformats import B58, encode, number, varint

OUR_BASES = b"fFbBvVkKzmu"
LETTERS = [b"0", b"1", b"Q", b"m", b"k", b"z", b"\n", b" ", b"/"]


def random_hash(r):
    pick = r.random()
    if pick < 0.4:
        return b"\x00\x24\x08\x01\x12\x20" + r.randbytes(32)
    if pick < 0.8:
        return b"\x12\x20" + r.randbytes(32)
    digest = r.randbytes(r.choice([0, 1, 20, 31, 32, 41, 42, 43, 64]))
    length = len(digest) if r.random() < 0.9 else r.randrange(70)
    return varint(r.choice([0, 0, 0x12, 0x13, 0x1E])) + varint(length) + digest


def make_input(r):
    data = random_hash(r)
    if r.random() < 0.3:
        return "b", mutate(r, data, LETTERS) if r.random() < 0.5 else data
    if r.random() < 0.5:
        text = number(data, B58)
    else:
        codec = 0x72 if r.random() < 0.9 else r.choice([0x55, 0x70, 0x71])
        base = r.choice(OUR_BASES.decode()) if r.random() < 0.97 else r.choice("0179chptCTMUZ")
        text = base + encode(base if base.encode() in OUR_BASES else "b",
                             b"\x01" + varint(codec) + data)[1:]
    text = text.encode()
    return "t", mutate(r, text, LETTERS) if r.random() < 0.5 else text


def is_key(data):
    """A key of 1 to 42 bytes, or the sha2-256 of one, as the specification of peer ids has it."""
    return data[0] == 0 and 1 <= data[1] <= 42 or data[:2] == b"\x12\x20"


def stricter(kind, given, found):
    """Why we refuse what the referee takes, or None."""
    data, _ = found
    if not is_key(data):
        return "the hash of no key"
    if kind == "b" or given[:1] in b"Q1":
        return None
    if given[:1] not in OUR_BASES:
        return "a base that CIDs are not written in"
    if given.decode() != encode(given[:1].decode(), b"\x01\x72" + data):
        return "not the canonical text of a CID"
    return None


def main():
    verdicts, source = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    r = random.Random(seed)
    compare("peer_id", verdicts, source, [make_input(r) for _ in range(count)], stricter)


main()
