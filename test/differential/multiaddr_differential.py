#!/usr/bin/env python3
"""Our multiaddr decoder against go-multiaddr, on many valid and mutated addresses.

As cid_differential.py: agreement, or a rule below that says where we are stricter.

usage: multiaddr_differential.py VERDICTS REFEREE_SOURCE [COUNT [SEED]]
"""
import ipaddress
import random
import re
import sys

from differential import compare, mutate
from multiformats import varint

BYTES_MAX, TEXT_MAX = 512, 4096
LETTERS = [b"0", b"1", b"/", b".", b":", b"%", b"\n", b" ", b"Q", b"-"]
PEERS = ["QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC",
         "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
         "k51qzi5uqu5dh9xctmfy9dlgvcmkn9lp6wlqb2tm8568r5g45wyu379bu4xrgq"]
HASHES = ["uEiDDq4_xNyDorZBH3TlGazyJdOWSwvo4PUo5YHFMrvDE8g",
          "zQmbWTwYGcmdyK9CYfNBcfs9nhZs17a6FQ4Y8oea278xx41"]
BARE = ["quic", "quic-v1", "webtransport", "ws", "wss", "tls", "http", "https", "p2p-circuit",
        "webrtc-direct", "webrtc", "utp"]
NAMES = ["dns", "dns4", "dns6", "dnsaddr", "sni"]
PORTS = ["tcp", "udp", "dccp", "sctp"]
ONION = "vww6ybal4bd7szmgncyruucpgfkqahzddi37ktceo3ah7ngmcopnpyyd"
OURS = set(BARE + NAMES + PORTS + ["ip4", "ip6", "ip6zone", "p2p", "ipfs", "certhash", "unix",
                                   "http-path", "onion3", "garlic32"])


def part(r):
    pick = r.randrange(12)
    if pick < 2:
        return "ip4/" + str(ipaddress.IPv4Address(r.getrandbits(32)))
    if pick < 4:
        bits = r.getrandbits(128) & r.choice([-1, 0xFFFF, 0xFFFF << 64, (0xFFFF << 112) | 1])
        return "ip6/" + r.choice([str, lambda a: a.exploded])(ipaddress.IPv6Address(bits))
    if pick < 6:
        return f"{r.choice(PORTS)}/{r.choice([0, 80, 4001, 65535, r.randrange(70000)])}"
    if pick == 6:
        return f"{r.choice(NAMES)}/{r.choice(['example.com', 'a', 'x-1._y.example', 'A.B'])}"
    if pick == 7:
        return f"{r.choice(['p2p', 'ipfs'])}/{r.choice(PEERS)}"
    if pick == 8:
        return r.choice([f"certhash/{r.choice(HASHES)}", f"onion3/{ONION}:{r.randrange(1, 65536)}",
                         "garlic32/" + "a" * 52, "ip6zone/eth0", "http-path/a%2Fb~%7E"])
    return r.choice(BARE)


def sized(value):
    return varint(len(value)) + value


def binary_part(r):
    return r.choice([
        b"\x04" + r.randbytes(4), b"\x29" + r.randbytes(16), b"\x06" + r.randbytes(2),
        b"\x91\x02" + r.randbytes(2), b"\xcd\x03", b"\xdd\x03", b"\xa2\x02",
        b"\x36" + sized(b"example.com"), b"\xe1\x03" + sized(b"a/b c"),
        b"\xa5\x03" + sized(b"\x12\x20" + r.randbytes(32)),
        b"\xd2\x03" + sized(b"\x12\x20" + r.randbytes(32)),
        b"\xbd\x03" + r.randbytes(37), b"\xbf\x03" + sized(r.randbytes(32))])


def make_input(r):
    if r.random() < 0.3:
        data = b"".join(binary_part(r) for _ in range(r.randrange(1, 5)))
        return "b", mutate(r, data, LETTERS) if r.random() < 0.6 else data
    text = "/" + "/".join(part(r) for _ in range(r.randrange(1, 6)))
    if r.random() < 0.05:
        text += "/unix/run/a.sock"
    text = text.encode()
    return "t", mutate(r, text, LETTERS) if r.random() < 0.5 else text


def parts(text):
    """(name, value) of each part of a canonical text."""
    words = text.decode("utf-8", "surrogateescape").split("/")[1:]
    while words:
        name = words.pop(0)
        if name == "unix":
            yield name, "/".join(words)
            return
        yield name, words.pop(0) if name not in BARE and words else ""


def is_host(name):
    labels = name.split(".")
    return len(name) <= 253 and all(re.fullmatch(r"[A-Za-z0-9_-]{1,63}", l) for l in labels)


def is_one_case(text):
    return text == (text.upper() if text[:1].isupper() else text.lower())


def loose_value(name, value, canonical):
    """Why we do not read the text of a value that the referee reads, or None."""
    if name == "ip6" and ":" not in value:
        return "an IPv4 address as ip6"
    if name in PORTS and not re.fullmatch(r"0|[1-9][0-9]*", value):
        return "a port with zeros or a sign in front"
    if name in ("onion3", "garlic32") and value != canonical:
        return "not the canonical text of a value"
    if name in ("p2p", "ipfs", "certhash"):
        if name != "certhash" and value[:1] in "Q1":
            return None
        if value[:1] not in "fFbBvVkKzmu":
            return "a base that CIDs are not written in"
        if value[:1] not in "zmu" and not is_one_case(value):
            return "not the canonical text of a value"
        if value[:1] == "u" and value != canonical:
            return "not the canonical text of a value"
    if name == "http-path" and not re.fullmatch(r"([A-Za-z0-9._~-]|%[0-9A-Fa-f]{2})+", value):
        return "a path that is not percent-encoded"
    return None


def stricter(kind, given, found):
    """Why we refuse what the referee takes, or None."""
    data, text = found
    if len(data) > BYTES_MAX or len(given) > TEXT_MAX:
        return "too long"
    for name, value in parts(text):
        if name not in OURS:
            return "a protocol we do not know"
        if name in NAMES and not is_host(value):
            return "not a host name in ASCII"
        if name == "ip6zone" and not re.fullmatch(r"[!-.0-~]{1,32}", value):
            return "not a zone"
        if name == "unix" and (not value or value.endswith("/")):
            return "not the path of a socket"
        if name == "unix" and re.search("[\udc80-\udcff]", value):
            return "a path that is not UTF-8"
    if kind == "b":
        return None
    for (name, value), (_, canonical) in zip(parts(given), parts(text)):
        rule = loose_value(name, value, canonical)
        if rule:
            return rule
    if given.endswith(b"/"):
        return "a slash at the end"
    return None


def same_text(text):
    """The referee writes a space in a path as "+", which not all read; we write %20."""
    return re.sub(rb"(?<=/http-path/)[^/]*", lambda m: m[0].replace(b"+", b"%20"), text)


def main():
    verdicts, source = sys.argv[1:3]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 100_000
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    r = random.Random(seed)
    compare("multiaddr", verdicts, source, [make_input(r) for _ in range(count)],
            stricter, same_text)


main()
