#!/usr/bin/env python3
"""mutations.py -- does the simulation notice when a rule of the design is undone?

    test/sim/mutations.py [--seeds N] [NAME...]

Takes each rule out of a copy of the sources, one at a time, and runs the test or the scenario
that tells of it, if there is one, or the simulation, from seed 1 until a seed fails.  A rule that can be
taken out without any of N seeds (1,000) noticing is either not needed or not tested, and fails
the run.  What is to notice must itself pass first: a test that always fails notices nothing.
"""
import argparse
import os
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
    "repetition": ["src/role/op_log_test"],
    "halves": ["src/model/model_copy_test"],
    "look": ["test/contract/store/store_loose_test"],
    "answer": ["test/contract/role/worker_contract"],
    "floor": ["test/contract/store/store_loose_test"],
    "hint": ["src/reconcile/reconcile_reconcile_test"],
    "rebuilt": ["test/contract/store/store_care_contract", "mem"],
    "stream": ["test/contract/kubo_curl_test"],
    "durable": ["src/store/rocksdb/store_committer_test"],
}

# Programs that a test starts, by the variable that names them.
HELPERS = {"stream": {"FAKE_KUBO_SERVER": "test/lib/fake_kubo_server"}}

SIM = "test/sim/pinfold-sim"
TEST_S = 120  # what one test may take
SEED_S = 20   # and one seed; a schedule without end is a failure as well

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
              "bool node_begin(struct node *node, struct task *t, struct err *err)\n{\n\treturn probe(",
              "static bool fetch(struct node *node, struct task *t, struct err *err);\n\n"
              "bool node_begin(struct node *node, struct task *t, struct err *err)\n{\n"
              "\treturn t->copy.desired ? fetch(node, t, err) : probe("),
    "answer": ("R4: an older state is told as that of a newer generation", "src/role/worker/queue.c",
               "if (!node_report(node, t, copy_state(&t->copy), &err))",
               "if (!node_report(node, t, (enum copy_state)t->copy.state, &err))"),
    "hint": ("R1: an assignment that nobody reports on is not sent again", "src/reconcile/reconcile.c",
             "\ts->publish[s->plan.n_publish++] = c->peer_no;\n\tlook_again_in(s, max_us(",
             "\tlook_again_in(s, max_us("),
    "rebuilt": ("R3: derived rows that are wrong are found and left", "src/store/check.c",
                "return dry_run || out.n == 0 || store->ops->write(",
                "return dry_run || now_us > 0 || store->ops->write("),
    "stream": ("R5: a stream that ends is taken for a pin", "src/kubo/transfer.c",
               "if (result == CURLE_OK && ends_it)", "if (result == CURLE_OK && (ends_it || true))"),
    "durable": ("R6: what is not synced yet is told as durable", "src/store/rocksdb/committer.c",
                "*ok = (mark & ((UINT64_C(1) << END_BITS) - 1)) <= c->durable;", "*ok = true;"),
    "floor": ("derived rows of a larger view are dated no higher", "src/store/derive.c",
              "return top.version == version && top.n == 1;", "return top.version >= version;"),
}


def run(command, seconds, env=None):
    """What the program says that went wrong, or None."""
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              timeout=seconds, env=os.environ | (env or {}))
    except subprocess.TimeoutExpired:
        return f"no end after {seconds} s"
    if done.returncode == 0:
        return None
    said = [line for line in done.stdout.splitlines() if "FAILED" in line or line.startswith("seed ")]
    return said[0].strip() if said else f"ended with {done.returncode}"


def build(tree, programs):
    """What keeps them from being built, or None."""
    done = subprocess.run(["ninja", "-C", "build", *programs], cwd=tree, stdout=subprocess.PIPE,
                          text=True)
    return done.stdout[-2000:] if done.returncode != 0 else None


def judge(tree, name, seeds):
    """What is said by the test, the scenario or the seeds that are to notice the mutation."""
    program, *args = TESTS.get(name, [SIM])
    helpers = HELPERS.get(name, {})
    wrong = build(tree, [program, *helpers.values()])
    if wrong:
        sys.exit(f"mutations: {name!r} does not build:\n{wrong}")
    if name in TESTS:
        return run([tree / "build" / program, *args], TEST_S,
                   {variable: str(tree / "build" / path) for variable, path in helpers.items()})
    told = ["--scenario", SCENARIOS[name]] if name in SCENARIOS else []
    return run([tree / "build" / program, "--count", str(seeds), "--first", *told], seeds * SEED_S)


def must_pass(tree, names):
    """Every program passes as it is; of the simulation some seeds."""
    for name in names:
        said = judge(tree, name, 5)
        if said:
            sys.exit(f"mutations: what is to notice {name!r} fails without it: {said}")


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
        names = args.names or list(MUTATIONS)
        must_pass(tree, names)
        for name in names:
            what, path, old, new = MUTATIONS[name]
            source = tree / path
            text = source.read_text()
            if text.count(old) != 1:
                sys.exit(f"mutations: {path} has {text.count(old)} places of {name!r}, not one")
            source.write_text(text.replace(old, new))
            said = judge(tree, name, args.seeds)
            source.write_text(text)
            survived += said is None
            print(f"{name:11} {what}: {said or f'NOT NOTICED by {args.seeds} seeds'}", flush=True)
    print(f"{len(names) - survived} passed, {survived} failed")
    return survived > 0


if __name__ == "__main__":
    sys.exit(main())
