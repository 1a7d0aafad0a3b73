#!/usr/bin/env python3
"""The commands as a newcomer types them, against a real server and a real Kubo that it finds by
itself: what cli_test.py holds against a fake server and live_test.py without a Kubo is not repeated."""
import json
import pathlib

import servers
from servers import cid_of, until


class Newcomer(servers.Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        kubos = servers.Kubos(cls.dir, 2)
        cls.addClassCleanup(kubos.stop)
        cls.first, cls.second = kubos.nodes
        cls.pinfold = servers.Pinfold(cls.dir)  # no --kubo: IPFS_PATH/api names it
        cls.pinfold.up_env = cls.pinfold.env(key=False, IPFS_PATH=f"{kubos.dir}/node1")
        cls.pinfold.start()
        cls.addClassCleanup(cls.pinfold.stop)

    def run_it(self, *args, **more):
        return self.pinfold.cli(*args, **more)

    def lines(self, *args, **more):
        return [json.loads(line) for line in self.run_it(*args, "--json", **more).stdout.splitlines()]

    def test_a_pin_from_adding_to_removing(self):
        cid = self.first.add(b"a newcomer's content", pin=False)
        out = self.run_it("pin", "add", cid, "--name", "hello", "--wait", "--timeout", "1m").stdout
        self.assertIn(cid, out)
        self.assertIsNotNone(self.first.pinned(cid))
        self.assertIn("hello", self.run_it("pin", "ls").stdout)
        pin = self.lines("pin", "get", cid)[0]
        self.assertEqual((pin["cid"], pin["status"], pin["pinned_copies"]), (cid, "pinned", 1))
        self.assertEqual([c["state"] for c in pin["copies"]], ["pinned"])
        self.run_it("pin", "rm", cid)
        until(lambda: self.first.pinned(cid) is None, "Kubo holds it no more")
        self.run_it("pin", "rm", cid, code=1)
        self.run_it("pin", "get", cid, code=1)

    def test_two_thousand_lines_from_stdin_become_two_thousand_pins(self):
        key = self.pinfold.owner_key("crowd")
        cids = [cid_of(f"line {n}") for n in range(2000)]
        out = self.run_it("pin", "add", "-", stdin="\n".join(cids), PINFOLD_KEY=key)
        self.assertIn("2000 pins accepted, 0 refused", out.stderr)
        listed = self.lines("pin", "ls", "--all", PINFOLD_KEY=key)
        self.assertEqual(sorted(p["cid"] for p in listed), sorted(cids))
        some = self.run_it("pin", "ls", "--limit", "70", "--json", PINFOLD_KEY=key)
        self.assertEqual(len(some.stdout.splitlines()), 70)
        self.assertIn("There are more", some.stderr)
        mixed = "\n".join([cids[0], "nonsense", json.dumps({"cid": cids[1], "name": "one"}), "{"])
        out = self.run_it("pin", "add", "-", stdin=mixed, code=1, PINFOLD_KEY=key)
        self.assertIn("line 2", out.stderr)
        self.assertIn("2 pins accepted, 2 refused", out.stderr)

    def test_scopes_bound_what_a_key_may_do(self):
        read, write = (self.pinfold.owner_key("scoped", s) for s in ("read", "write"))
        cid = cid_of("scoped")
        self.run_it("pin", "add", cid, code=1, PINFOLD_KEY=read)
        self.run_it("pin", "add", cid, PINFOLD_KEY=write)
        self.assertEqual(self.lines("pin", "ls", PINFOLD_KEY=read)[0]["cid"], cid)
        self.run_it("pin", "rm", cid, code=1, PINFOLD_KEY=read)
        scraper = self.pinfold.owner_key("scoped", "metrics")
        for key, status in ((read, 403), (write, 403), (scraper, 200)):
            self.assertEqual(self.pinfold.ask("GET", "/metrics", key=key).status, status)
        self.assertEqual(self.pinfold.ask("GET", "/v1/pins", key=scraper).status, 403)
        for args in (["key", "create", "--scope", "admin"], ["owner", "ls"], ["drift"], ["deny", "ls"],
                     ["pin", "ls", "--owner", "admin"]):
            self.run_it(*args, code=1, PINFOLD_KEY=write)
        keys = self.lines("key", "ls", "--owner", "scoped")
        self.assertEqual({k["scope"] for k in keys}, {"read", "write", "metrics"})
        self.assertNotIn(write, json.dumps(keys))
        self.run_it("key", "revoke", *(k["id"] for k in keys), "--owner", "scoped")
        until(lambda: self.pinfold.ask("GET", "/v1/pins", key=write).status == 401, "the key is useless")
        self.run_it("pin", "ls", code=1, PINFOLD_KEY=write)

    def test_a_second_node_joins_and_takes_copies(self):
        cid = self.first.add(b"for two nodes", pin=False)
        out = self.run_it("pin", "add", cid, "--replicas", "2")
        self.assertEqual(out.returncode, 0)
        until(lambda: self.first.pinned(cid) is not None, "the first node holds it")
        self.run_it("peer", "add", self.second.url, "--zone", "garage")
        until(lambda: self.second.pinned(cid) is not None, "the second node holds it")
        peers = {p["id"]: p for p in self.lines("peer", "ls")}
        self.assertEqual(set(peers), {self.first.id, self.second.id})
        self.assertEqual(peers[self.second.id]["zone"], "garage")

    def test_what_is_wrong_is_told_on_stderr_with_its_code(self):
        for args, code in ((["pin", "add"], 2), (["pin", "add", "x", "--replicas", "some"], 2), (["pin", "frob"], 2), (["--frob"], 2),
                           (["pin", "add", "not-a-cid"], 1), (["pin", "get", cid_of("unknown")], 1), (["peer", "drain", "nobody"], 1),
                           (["status", "--key", "wrong"], 1), (["status", "--server", f"http://127.0.0.1:{servers.free_port()}"], 3)):
            out = self.run_it(*args, code=code)
            self.assertEqual(out.stdout, "", args)
            self.assertTrue(out.stderr.strip(), args)
        self.assertIn("pinned", self.run_it("status").stdout)

    def test_a_second_server_on_the_same_data_or_port_says_so(self):
        other = servers.Pinfold(self.dir, [self.first.url])
        self.assertIn(f"a server runs with the data directory {other.dir}", self.run_it(*other.command[1:], code=1).stderr)
        store = ["--data", f"{self.dir}/other", "--store-rocksdb-path", f"{other.dir}/store"]
        self.assertIn(f"in use by process {self.pinfold.process.pid}", self.run_it(*other.command[1:], *store, code=1).stderr)
        port = ["--data", f"{self.dir}/other", "--listen", f"127.0.0.1:{self.pinfold.port}"]
        self.assertIn(str(self.pinfold.port), self.run_it(*other.command[1:], *port, code=1).stderr)

    def test_the_log_names_the_kubo_that_was_found(self):
        log = pathlib.Path(self.pinfold.log).read_text()
        self.assertIn(self.first.url, log)


if __name__ == "__main__":
    servers.main()
