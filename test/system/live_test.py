#!/usr/bin/env python3
"""The commands against a real server whose only Kubo does not answer: live_test.py PROGRAM."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

PROGRAM = sys.argv.pop(1)
CID = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
LEAF = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Live(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory(prefix="pinfold-live-")
        self.addCleanup(self.dir.cleanup)
        self.listen = f"127.0.0.1:{free_port()}"
        self.env = {**{k: v for k, v in os.environ.items() if not k.startswith("PINFOLD_")},
                    "PINFOLD_DATA": f"{self.dir.name}/data", "PINFOLD_LISTEN": self.listen}
        self.server = None
        self.addCleanup(self.stop)
        self.start()

    def start(self):
        self.log = open(f"{self.dir.name}/log", "ab")
        self.server = subprocess.Popen([PROGRAM, "up", "--kubo", f"http://127.0.0.1:{free_port()}"],
                                       env=self.env, stdout=self.log, stderr=self.log)
        until = time.monotonic() + 60
        while True:
            try:
                urllib.request.urlopen(f"http://{self.listen}/readyz", timeout=5).close()
                return
            except (urllib.error.URLError, OSError):
                self.assertIsNone(self.server.poll(), pathlib.Path(self.log.name).read_text())
                self.assertLess(time.monotonic(), until, "not ready")
                time.sleep(0.05)

    def stop(self, how=signal.SIGTERM):
        if self.server:
            self.server.send_signal(how)
            code = self.server.wait(60)
            self.log.close()
            self.server = None
            return code

    def run_it(self, *args, code=0, stdin=""):
        out = subprocess.run([PROGRAM, *args], env=self.env, input=stdin, capture_output=True, text=True,
                             timeout=60)
        self.assertEqual(out.returncode, code, f"{args}: {out.stdout}{out.stderr}")
        return out

    def key(self):
        return pathlib.Path(self.env["PINFOLD_DATA"], "admin.key").read_text().strip()

    def json(self, *args, **more):
        return [json.loads(line) for line in self.run_it(*args, "--json", **more).stdout.splitlines()]

    def test_the_life_of_a_pin_without_a_kubo(self):
        pin = self.json("pin", "add", CID, "--name", "a", "--tag", "x,y", "--replicas", "1-2", "--ttl", "30d")[0]
        self.assertEqual((pin["cid"], pin["tags"], pin["replicas"]), (CID, ["x", "y"], {"min": 1, "max": 2}))
        self.assertEqual(self.json("pin", "ls", "--tag", "x")[0]["id"], pin["id"])
        changed = self.json("pin", "update", CID, "--name", "b", "--expires", "never")[0]
        self.assertEqual(changed["name"], "b")
        self.assertNotIn("expires", changed)
        self.assertIn("still queued", self.run_it("pin", "wait", CID, "--timeout", "1ms", code=1).stderr)
        self.run_it("pin", "retry", pin["id"])
        self.run_it("pin", "rm", CID)
        self.assertEqual(self.json("pin", "ls"), [])

    def test_what_was_acknowledged_outlives_a_kill(self):
        self.run_it("pin", "add", "-", stdin=f"{CID}\n{LEAF}\n")
        self.stop(signal.SIGKILL)
        self.assertEqual(self.json("store", "check")[0]["requests"], 2)
        self.run_it("store", "backup", f"{self.dir.name}/backup")
        self.start()
        self.assertEqual({p["cid"] for p in self.json("pin", "ls")}, {CID, LEAF})
        self.assertRegex(self.run_it("store", "check").stdout, r"wrong +0\n")
        self.assertEqual(self.stop(), 0)
        self.run_it("status", code=3)

    def test_a_backup_that_cannot_be_made_tells_the_remedy(self):
        for path in (f"{self.dir.name}/not/there", f"{self.dir.name}/data"):
            request = urllib.request.Request(
                f"http://{self.listen}/v1/store/backup", json.dumps({"dir": path}).encode(),
                {"Authorization": f"Bearer {self.key()}", "Content-Type": "application/json"})
            with self.assertRaises(urllib.error.HTTPError) as raised:
                urllib.request.urlopen(request, timeout=60)
            with raised.exception as reply:
                self.assertEqual((reply.code, reply.headers["Content-Type"]), (400, "application/problem+json"))
                problem = json.load(reply)
            self.assertIn(path, problem["detail"])
            self.assertIn("name a new directory", problem["detail"])
            told = self.run_it("store", "backup", path, code=1).stderr
            self.assertEqual(told, f"pinfold: {problem['detail']} (invalid, HTTP 400)\n")

    def test_keys_and_owners_keep_apart(self):
        key = self.run_it("key", "create", "--owner", "alice", "--scope", "write").stdout.strip()
        self.run_it("owner", "set", "alice", "--replicas", "2")
        pin = self.json("pin", "add", CID, "--key", key)[0]
        self.assertEqual(pin["replicas"]["max"], 2)
        self.assertEqual(self.json("pin", "ls"), [])
        self.run_it("pin", "get", pin["id"], code=1)
        self.assertEqual(self.json("pin", "ls", "--owner", "alice")[0]["id"], pin["id"])
        self.run_it("peer", "ls", "--key", "wrong", code=1)
        new = self.run_it("key", "rotate", self.json("key", "ls", "--owner", "alice")[0]["id"], "--owner", "alice")
        self.run_it("status", "--key", new.stdout.strip())

    def test_what_is_not_there_is_named_and_empty_lists_say_so(self):
        for args, said in ((["peer", "drain", "foo"], 'no peer "foo"'), (["key", "revoke", "foo"], 'no key "foo"'),
                           (["pin", "get", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], 'no pin "01ARZ3NDEKTSV4RRFFQ69G5FAV"'),
                           (["pin", "rm", "01ARZ3NDEKTSV4RRFFQ69G5FAV"], 'no pin "01ARZ3NDEKTSV4RRFFQ69G5FAV"'),
                           (["deny", "rm", LEAF], f'"{LEAF[:20]}')):
            self.assertIn(said, self.run_it(*args, code=1).stderr)
        for args in (["pin", "ls"], ["peer", "ls"], ["owner", "ls"], ["deny", "ls"]):
            out = self.run_it(*args)
            self.assertEqual(out.stdout, "")
            self.assertTrue(out.stderr.startswith("no "), out.stderr)
            out = self.run_it(*args, "--json")
            self.assertEqual((out.stdout, out.stderr), ("", ""))

    def test_the_deny_list_names_why(self):
        self.run_it("deny", "add", CID, "--reason", "takedown 17")
        self.assertIn("takedown 17", self.run_it("pin", "add", CID, code=1).stderr)
        self.run_it("deny", "rm", CID)
        self.run_it("pin", "add", CID)

    def test_an_import_takes_nothing_that_is_denied(self):
        self.run_it("deny", "add", LEAF, "--reason", "takedown 17")
        self.stop()
        lines = "".join(json.dumps({"cid": cid}) + "\n" for cid in (CID, LEAF, CID))
        out = self.run_it("store", "import", "--json", stdin=lines, code=1)
        self.assertRegex(out.stderr, "(?m)^line 2: this content is on the deny list: takedown 17$")
        self.assertIn("1 refused, 1 of those as they are on the deny list", out.stderr)
        self.assertEqual(json.loads(out.stdout), {"written": 1, "unchanged": 0, "refused": 1, "denied": 1})
        self.start()
        self.assertEqual([pin["cid"] for pin in self.json("pin", "ls")], [CID])

    def test_bench_tells_figures_and_leaves_nothing_behind(self):
        small = ("bench", "--pins", "500", "--seconds", "1", "--connections", "4")
        self.run_it("pin", "add", CID)
        for more in ([], ["--self"]):
            lines = self.json(*small, *more)
            self.assertEqual({line["bench"] for line in lines}, {"bulk", "post", "post1", "get", "list", "drop"})
            for line in lines:
                self.assertEqual(list(line), ["bench", "metric", "value", "unit", "goal", "met"])
                self.assertEqual(line["goal"] is None, line["met"] is None)
                self.assertGreater(line["value"], 0, line)
        self.assertEqual([pin["cid"] for pin in self.json("pin", "ls")], [CID])
        self.assertRegex(self.run_it(*small, "--owner", "alice").stdout, r"post +rate +\d+(\.\d+)? +pins/s +>= 10000 ")
        self.assertEqual(self.json("pin", "ls", "--owner", "alice"), [])
        for args, code, said in ((["--server", "https://127.0.0.1:1", "--key", "any"], 2, "plain HTTP"),
                                 (["--pins", "0"], 2, "a number from 1"),
                                 (["--server", f"127.0.0.1:{free_port()}"], 3, "no server"),
                                 (["--key", "wrong"], 1, "does not accept")):
            self.assertIn(said, self.run_it(*small, *args, code=code).stderr)

    def test_a_bench_that_is_interrupted_leaves_nothing_behind(self):
        child = subprocess.Popen([PROGRAM, "bench", "--pins", "500", "--seconds", "3600"], env=self.env,
                                 stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        until = time.monotonic() + 60
        while not self.json("pin", "ls") and time.monotonic() < until:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        out, err = child.communicate(timeout=60)
        self.assertEqual(child.returncode, 1, err)
        self.assertIn("interrupted", err)
        self.assertEqual(self.json("pin", "ls"), [])

    def test_promtool_accepts_the_metrics(self):
        key = pathlib.Path(self.env["PINFOLD_DATA"], "admin.key")
        self.assertEqual(key.stat().st_mode & 0o777, 0o600)
        request = urllib.request.Request(f"http://{self.listen}/metrics",
                                         headers={"Authorization": f"Bearer {key.read_text().strip()}"})
        with urllib.request.urlopen(request, timeout=10) as reply:
            text = reply.read()
        out = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True)
        self.assertEqual(out.returncode, 0, out.stderr)
        self.assertIn(b"pin_events_total{", text)


if __name__ == "__main__":
    unittest.main()
