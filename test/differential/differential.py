"""What the differential tests share: an independent decoder in Go, and mutated inputs.

A referee and our program of the same kind read lines "<kind> <hex>" and answer
each with "- <why>" or "+ <hex> <hex>" (see verdicts.c).

    differential.py SOURCE...    only builds these referees
"""
import collections
import os
import pathlib
import subprocess
import sys

KUBO = pathlib.Path(__file__).parents[2] / "tools/kubo"


def give_up(why):
    """A comparison that could not be made is a failed one."""
    sys.exit(f"not compared: {why}")


def build(source):
    """Builds the Go program in `source` below $PINFOLD_TOOLS (default ~/.cache/pinfold)."""
    found = subprocess.run([KUBO, "go"], stdout=subprocess.PIPE, text=True)
    if found.returncode != 0:
        give_up("no Go compiler to build the referee with")
    go = found.stdout.strip()
    tools = pathlib.Path(os.environ.get("PINFOLD_TOOLS") or pathlib.Path.home() / ".cache/pinfold")
    tools.mkdir(parents=True, exist_ok=True)
    binary = tools / pathlib.Path(source).name
    env = dict(os.environ, GOFLAGS="-mod=readonly -buildvcs=false")
    made = subprocess.run([go, "build", "-o", binary, "."], cwd=source, env=env, text=True,
                          capture_output=True)
    if made.returncode != 0:
        give_up("the referee could not be built: " + made.stderr.strip())
    return binary


def mutate(r, data, letters):
    data = bytearray(data)
    for _ in range(r.choice([1, 1, 1, 2, 4])):
        at = r.randrange(len(data) + 1)
        what = r.randrange(6)
        if what == 0:
            data[at:at] = bytes([r.getrandbits(8)])
        elif what == 1:
            data[at:at + 1] = b""
        elif what == 2:
            data = data[:at]
        elif what == 3 and at < len(data):
            data[at] ^= 1 << r.randrange(8)
        elif what == 4 and at < len(data):
            data[at:at + 1] = data[at:at + 1].swapcase()
        else:
            data[at:at + 1] = r.choice(letters)
    return bytes(data)


def verdicts(command, lines):
    out = subprocess.run(command, input=lines, text=True, capture_output=True, timeout=120)
    if out.returncode != 0:
        sys.exit(f"{command} failed: {out.stderr}")
    return out.stdout.splitlines()


def accepted(line):
    return [bytes.fromhex(part) for part in line.split()[1:]] if line[0] == "+" else None


def lines_of(inputs):
    return "".join(f"{kind} {given.hex()}\n" for kind, given in inputs)


def compare(what, verdicts_binary, source, inputs, stricter, same_text=bytes, reword=None):
    """Fails unless both agree on all `inputs` (kind, bytes), but for those that
    stricter(kind, given, found) says why we refuse.  same_text() turns the text
    the referee writes into ours.  What only we read is given to the referee in
    other words: reword(given) is (kind, bytes, why) or None."""
    inputs = [i for i in inputs if i[1]]
    reworded = [reword and reword(given) for _, given in inputs]
    ours = verdicts([verdicts_binary, what], lines_of(inputs))
    theirs = verdicts([build(source), what],
                      lines_of(r[:2] if r else i for r, i in zip(reworded, inputs)))
    assert len(ours) == len(theirs) == len(inputs)

    tally, wrong = collections.Counter(), 0
    for (kind, given), words, our, their in zip(inputs, reworded, ours, theirs):
        mine, found = accepted(our), accepted(their)
        rule = stricter(kind, given, found) if found else None
        if found:
            found[1] = same_text(found[1])
        if mine == found and not rule:
            tally["both accept" if found else "both refuse"] += 1
            if found and words:
                tally["both accept, reworded: " + words[2]] += 1
        elif rule and mine is None:
            tally["refused by rule: " + rule] += 1
        else:
            wrong += 1
            if wrong <= 20:
                print(f"differ: {kind} {given!r}\n  ours    {our}\n  referee {their}\n  rule    {rule}")
    for what, n in sorted(tally.items()):
        print(f"{n:7} {what}")
    print(f"{wrong:7} differ")
    if wrong or min(tally["both accept"], tally["both refuse"]) < len(inputs) // 10:
        sys.exit(1)


if __name__ == "__main__":
    for given in sys.argv[1:]:
        build(given)
