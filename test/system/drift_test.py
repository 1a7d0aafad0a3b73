"""What nodes have that nobody asked for, and what a fresh placement would move."""
import http.client
import json

from servers import FakeKubo, Pinfold, Story, ask, cid_of, end_process, main, until

ONE = "12D3KooWGRUVh7SGNS5DPyoHWTt3ZVUWZRgBGx6rqG9eBeYDcL1Q"
TWO = "12D3KooWJbJFaZ1dwpuu9tQY3ELCCCpWMJc1dSRVbcMwhiLiFq7q"
MANY = 2500  # more than two parts of a node's list
FOREIGN = "/v1/drift/foreign"


class Foreign(Story):
    def setUp(self):
        held = self.dir / "held"
        self.many = [cid_of(f"of somebody {n}") for n in range(MANY)]
        held.write_text("\n".join(self.many))
        self.one, self.two = FakeKubo("--id", ONE, "--held", f"theirs:{held}"), FakeKubo("--id", TWO)
        self.kept = cid_of("asked for, and theirs")
        self.direct = cid_of("a direct one")
        ask(self.one.port, "POST", f"/api/v0/pin/add?arg={self.kept}&name=kept")
        ask(self.one.port, "POST", f"/api/v0/pin/add?arg={self.direct}&recursive=false&name=direct")
        self.pinfold = Pinfold(self.dir / self._testMethodName, [self.one.url, self.two.url]).start()
        self.addCleanup(lambda: end_process(self.pinfold.process))
        until(lambda: [q["up"] for q in self.pinfold.peers()] == [True, True], "both nodes are up")

    def test_every_pin_of_a_node_that_nobody_asked_for_is_listed(self):
        p = self.pinfold
        both = [p.pin(self.kept, replicas=2), p.pin(cid_of("ours"), replicas=2)]
        until(lambda: [p.status(b) for b in both] == ["pinned"] * 2, "what was asked for is there")
        held = self.one.pins()
        self.assertEqual(held[self.kept], "kept", "it was adopted")
        ask(self.two.port, "POST", f"/api/v0/pin/add?arg={self.direct}")  # without a name
        want = {(ONE, cid, "recursive", "theirs") for cid in self.many} | {(ONE, self.direct, "direct", "direct"), (TWO, self.direct, "recursive", None)}
        for query, peers in (("", {ONE, TWO}), (f"?peer={ONE}", {ONE}), (f"?peer={TWO}", {TWO})):
            reply = p.ask("GET", FOREIGN + query)
            self.assertEqual((reply.status, reply.headers["Content-Type"]), (200, "application/x-ndjson"))
            told = [(line["peer"], line["cid"], line["type"], line.get("name")) for line in reply.lines]
            self.assertEqual(len(told), len(set(told)))
            self.assertEqual(set(told), {w for w in want if w[0] in peers})
        out = p.cli("drift", "--foreign").stdout.splitlines()
        self.assertEqual(len(out), 1 + len(want))
        self.assertEqual(out[0].split(), ["CID", "PEER", "TYPE", "NAME"])
        out = p.cli("drift", "--foreign", "--peer", TWO, "--json").stdout
        self.assertEqual(json.loads(out), {"peer": TWO, "cid": self.direct, "type": "recursive"})
        ask(self.two.port, "POST", f"/api/v0/pin/rm?arg={self.direct}")
        out = p.cli("drift", "--foreign", "--peer", TWO)
        self.assertEqual((out.stdout, out.stderr), ("", "no foreign pins\n"))
        self.assertEqual(self.one.pins(), held, "nothing was removed")

    def test_a_list_that_cannot_be_read_is_told_and_the_others_are_there(self):
        p = self.pinfold
        ask(self.two.port, "POST", f"/api/v0/pin/add?arg={self.direct}")
        self.one.fault("fail", on="pin/ls", text="unlucky")
        lines = p.ask("GET", FOREIGN).lines
        self.assertEqual({(line["peer"], "cid" in line) for line in lines}, {(ONE, False), (TWO, True)})
        self.assertIn("unlucky", next(line["error"] for line in lines if "error" in line))
        out = p.cli("drift", "--foreign", code=1)
        self.assertIn(self.direct, out.stdout)
        self.assertIn("unlucky", out.stderr)

    def test_a_node_that_makes_its_list_for_long_is_waited_for(self):
        ask(self.two.port, "POST", f"/api/v0/pin/add?arg={self.direct}")
        self.two.fault("slow", on="pin/ls", ms=4500)
        out = self.pinfold.cli("drift", "--foreign", "--peer", TWO, "--json", "--request-timeout", "3s")
        self.assertEqual(json.loads(out.stdout)["cid"], self.direct)

    def test_a_pin_whose_name_is_no_cid_is_told_as_the_node_tells_it(self):
        self.two.order("pin", arg="no-cid-of-ours")
        lines = self.pinfold.ask("GET", FOREIGN + f"?peer={TWO}").lines
        self.assertEqual(lines, [{"peer": TWO, "cid": "no-cid-of-ours", "type": "recursive", "name": "foreign"}])

    def test_who_asks_wrongly_is_told(self):
        p = self.pinfold
        for query in ("?peer=nobody", "?peer=", f"?peer={ONE}&peer={TWO}"):
            self.assertEqual(p.ask("GET", FOREIGN + query).status, 400)
        self.assertEqual(p.ask("GET", FOREIGN, key=p.owner_key("tenant")).status, 403)
        for args in (("--foreign", "--limit", "3"), ("--peer", ONE)):
            p.cli("drift", *args, code=2)

    def test_one_list_at_a_time_is_read_and_who_leaves_makes_room(self):
        p = self.pinfold
        self.one.fault("silent", on="pin/ls")
        waiting = http.client.HTTPConnection("127.0.0.1", p.port, timeout=60)
        waiting.request("GET", FOREIGN, headers={"Authorization": f"Bearer {p.key}"})
        until(lambda: p.ask("GET", FOREIGN + f"?peer={TWO}").status == 409, "the first is being read")
        waiting.close()
        until(lambda: p.ask("GET", FOREIGN + f"?peer={TWO}").status == 200, "there is room")


class Rebalance(Story):
    def test_a_preview_tells_the_moves_and_makes_none(self):
        one, two = FakeKubo("--id", ONE), FakeKubo("--id", TWO)
        p = Pinfold(self.dir / "rebalance", [one.url]).start()
        self.addCleanup(lambda: end_process(p.process))
        pins = [p.pin(cid_of(f"moves {n}")) for n in range(40)]
        until(lambda: all(p.status(pin) == "pinned" for pin in pins), "all lie on the only node")
        p.cli("peer", "add", two.url)

        def preview():
            return json.loads(p.cli("rebalance", "--dry-run", "--json").stdout)

        told = until(lambda: (now := preview())["moves"] > 0 and now, "the new node would get some")
        self.assertEqual((told["cids"], told["complete"]), (40, True))
        self.assertGreater(p.ask("POST", "/v1/rebalance", {"dry_run": True}).json["moves"], 0)
        self.assertRegex(p.cli("rebalance", "--dry-run").stdout, r"^[1-9]\d* copies would move, of 40 CIDs\n")
        self.assertEqual((len(one.pins()), len(two.pins())), (40, 0))
        p.cli("rebalance")
        until(lambda: len(two.pins()) > 0 and len(one.pins()) + len(two.pins()) == 40, "some have moved")
        until(lambda: preview()["moves"] == 0, "the rest is as a fresh placement would have it")


main()
