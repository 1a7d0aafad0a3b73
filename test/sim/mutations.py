#!/usr/bin/env python3
"""mutations.py -- does the simulation notice when a rule of the design is undone?

    test/sim/mutations.py [--seeds N] [NAME...]

Takes each rule out of a copy of the sources, one at a time, and runs the test or the scenario
that tells of it, if there is one, or the simulation, from seed 1 until a seed fails.  A rule that can be
taken out without any of N seeds (1,000) noticing is either not needed or not tested, and fails
the run.
"""
import argparse
import pathlib
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent

# The scenario that tells of a rule; without one all is left to chance.
SCENARIOS = {"renewal": "renewal", "wake": "unheard"}

# The test that tells of a rule which takes a rare schedule: seeds would meet it by luck alone, or
# what goes wrong is mended soon by another rule.
TESTS = {
    "repetition": "src/role/op_log_test",
    "halves": "src/model/model_copy_test",
    "look": "test/contract/store/store_loose_test",
    "answer": "test/contract/role/worker_contract",
    "floor": "test/contract/store/store_loose_test",
}

# name: (what is undone, file, the code, what stands there instead)
MUTATIONS = {
    "renewal": ("R2: an expiry ends a request although it was renewed meanwhile", "src/model/request.c",
                "return end->cause != END_BY_TTL || end->judged_rev == newest->rev;", "return newest != NULL;"),
    "repetition": ("R2: a call that may have been done is repeated under another id", "src/role/op_log.c",
                   "claimed, maybe_done ? &next : NULL, &done,", "claimed, maybe_done && !claimed ? &next : NULL, &done,"),
    "fence": ("R4: a state counts whatever generation it answers", "src/model/copy.h",
              "return c->state_gen == c->gen ? (enum copy_state)c->state : COPY_QUEUED;",
              "return c->stamp > 0 ? (enum copy_state)c->state : COPY_QUEUED;"),
    "halves": ("R4: an older desired half replaces a newer one", "src/model/copy.c",
               "if (from->gen > was.gen) {", "if (from->gen > 0 && from->gen != was.gen) {"),
    "look": ("R9: nobody looks again after writing", "src/store/change.c",
             "t->settled = view_same(&again, &t->after);", "t->settled = true;"),
    "wake": ("R10: no wake row is written before a change", "src/store/change.c",
             "wake_writes(t, t->change.wake, t->change.n_wake, WRITE_PUT, &out);\n\t\tif (!change_empty",
             "if (!change_empty"),
    "last-look": ("a worker unpins without asking whether somebody wants it again", "src/role/worker/carry.c",
                  "if (wanted) { /* said,", "if (!node) { /* said,"),
    "adopted": ("a pin that a user made himself is taken for ours", "src/role/worker/carry.c",
                "if (there && !ours(node, &done->pin) && !node->worker->policy.take_adopted) {",
                "if (there && !ours(node, &done->pin) && t->step == TASK_WAITING) {"),
    "probe": ("a pin is added without a look whether it is there", "src/role/worker/carry.c",
              "return probe(node, t, KUBO_RECURSIVE, err);",
              "return t->copy.desired ? fetch(node, t, err) : probe(node, t, KUBO_RECURSIVE, err);"),
    "answer": ("R4: an older state is told as that of a newer generation", "src/role/worker/queue.c",
               "if (!node_report(node, t, copy_state(&t->copy), &err))",
               "if (!node_report(node, t, (enum copy_state)t->copy.state, &err))"),
    "floor": ("derived rows of a larger view are dated no higher", "src/store/derive.c",
              "return top.version == version && top.n == 1;", "return top.version >= version;"),
}


def noticed(program, seeds, scenario):
    """The first seed that fails with what it says, or None."""
    told = ["--scenario", scenario] if scenario else []
    run = subprocess.Popen([program, "--from", "1", "--count", str(seeds)] + told,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        for line in run.stdout:
            if not line[0].isdigit() and "seeds," not in line and "the longest" not in line:
                return line.strip()
        return None if run.wait() == 0 else f"ended with {run.returncode}"
    finally:
        run.kill()
        run.wait()


def fails(program):
    """What the test says that fails, or None."""
    run = subprocess.run([program], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    said = [line for line in run.stdout.splitlines() if "FAILED" in line]
    return said[0].strip() if said else None if run.returncode == 0 else f"ended with {run.returncode}"


def main():
    args = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    args.add_argument("--seeds", type=int, default=1000)
    args.add_argument("names", nargs="*", metavar="NAME")
    args = args.parse_args()
    survived = 0
    with tempfile.TemporaryDirectory(prefix="pinfold-mutations-") as tmp:
        tree = pathlib.Path(tmp) / "tree"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns("build*", ".git"))
        subprocess.run(["meson", "setup", "build", "-Dwerror=false"], cwd=tree, check=True,
                       stdout=subprocess.DEVNULL)
        for name in args.names or MUTATIONS:
            what, path, old, new = MUTATIONS[name]
            source = tree / path
            text = source.read_text()
            if text.count(old) != 1:
                sys.exit(f"mutations: {path} has {text.count(old)} places of {name!r}, not one")
            source.write_text(text.replace(old, new))
            program = TESTS.get(name, "test/sim/pinfold-sim")
            build = subprocess.run(["ninja", "-C", "build", program], cwd=tree,
                                   stdout=subprocess.PIPE, text=True)
            if build.returncode != 0:
                sys.exit(f"mutations: {name!r} does not build:\n{build.stdout[-2000:]}")
            if name in TESTS:
                said = fails(tree / "build" / program)
            else:
                said = noticed(tree / "build" / program, args.seeds, SCENARIOS.get(name))
            source.write_text(text)
            survived += said is None
            print(f"{name:11} {what}: {said or f'NOT NOTICED by {args.seeds} seeds'}", flush=True)
    print(f"{len(args.names or MUTATIONS) - survived} passed, {survived} failed")
    return survived > 0


if __name__ == "__main__":
    sys.exit(main())
