#!/usr/bin/env python3
"""Bad input and bad nodes against the whole program, over real sockets and the embedded store.

What test/contract/api holds the API to, word by word, is not repeated: here no layer may let
anything through, fall over, or make something of nothing.
"""
import base64
import concurrent.futures
import json
import os
import subprocess
import urllib.parse

import servers
from servers import cid_of, until

V0 = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
RAW = "bafkreifzjut3te2nhyekklss27nh3k72ysco7y32koao5eei66wof36n5e"
SHA = "00" * 32

NOT_CIDS = {
    "nothing": "", "one letter": "Q", "a blank": " ", "blanks around": f" {RAW} ", "a line break": f"{RAW}\n",
    "a NUL": f"{RAW}\0", "a path": f"/ipfs/{RAW}", "a URL": f"ipfs://{RAW}", "a name": "/ipns/example.org",
    "letters that are not base58": "QmInvalid0OIl", "46 letters of less than 34 bytes": "Qm" + "1" * 44,
    "v0 in a multibase": "z" + V0, "v0 cut": V0[:-1], "v0 too long": V0 + "1", "v0 in lower case": V0.lower(),
    "v1 cut": RAW[:-1], "v1 too long": RAW + "a", "mixed case": "BAFKREI" + RAW[7:], "padding": RAW + "=",
    "an unknown multibase": "!" + RAW[1:], "an emoji": "\U0001f427", "the multibase alone": "b", "hex cut in the middle": "f0155000",
    "a trailing byte": "f0155000000", "a short digest": "f01551220b94d27", "version 2": "f0255122" + SHA,
    "version 0 in hex": "f1220" + SHA, "v0 with sha1": "f1114" + "00" * 20, "a codec in two bytes for one": "f01d500" + "1220" + SHA,
    "a varint without end": "f01" + "ff" * 12, "a digest of 2^63 bytes": "f015512" + "ff" * 8 + "7f", "an identity of 129 bytes, which Kubo refuses": "f0155008101" + "00" * 129,
    "md5, which Kubo refuses": "f0155d50110" + "00" * 16, "murmur3, which Kubo refuses": "f01552208" + "00" * 8,
    "600 letters": "b" + "a" * 600, "ten thousand letters": "k" * 10_000, "markup": "<script>alert(1)</script>",
    "a format": "%s%n%s%n", "SQL": "' OR 1=1 --", "upwards": "../../../etc/passwd", "a number in text": "42",
}
NOT_TEXT = (42, -1, 1.5, True, None, [], [RAW], {}, {"/": RAW})


class Hostile(servers.Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kubo = servers.FakeKubo()
        cls.pinfold = servers.Pinfold(cls.dir, [cls.kubo.url], worker_patience="300ms", worker_stall_timeout="3s").start()
        cls.addClassCleanup(cls.pinfold.stop)
        cls.alice = cls.pinfold.owner_key("alice")
        cls.mallory = cls.pinfold.owner_key("mallory")

    def ask(self, *args, **kwargs):
        return self.pinfold.ask(*args, **{"key": self.mallory, **kwargs})

    def refused(self, reply, what, status=400):
        """An error of the right shape that tells nothing of the inside."""
        self.assertEqual(reply.status, status, (what, reply.body[:300]))
        said = reply.json
        self.assertTrue(said.get("error", said).get("details" if "error" in said else "detail"), what)
        for inside in (b"src/", b".c:", b"rocksdb", b"errno", str(self.dir).encode()):
            self.assertNotIn(inside, reply.body, what)

    def nothing_is_pinned(self):
        self.assertEqual(self.ask("GET", "/v1/pins").json["pins"], [])

    # --- texts ------------------------------------------------------------------------------

    def test_what_is_no_cid_is_refused_wherever_a_cid_may_stand(self):
        for what, cid in [*NOT_CIDS.items(), *((repr(v), v) for v in NOT_TEXT)]:
            for path in ("/pins", "/v1/pins"):
                self.refused(self.ask("POST", path, {"cid": cid}), f"{path}: {what}")
            if isinstance(cid, str) and 0 < len(cid) < 4000:
                quoted = urllib.parse.quote(cid, safe="")
                for path in ("/pins?cid=", "/v1/pins?cid="):
                    if "Kubo" not in what:  # well formed all the same
                        self.refused(self.ask("GET", path + quoted), f"{path}: {what}")
                for path in ("/pins/", "/v1/pins/"):
                    self.assertIn(self.ask("GET", path + quoted).status, (400, 404), f"{path}: {what}")
                    self.assertIn(self.ask("DELETE", path + quoted).status, (400, 404), f"{path}: {what}")
        lines = "".join(json.dumps({"cid": cid}) + "\n" for cid in NOT_CIDS.values() if len(str(cid)) < 1000)
        reply = self.ask("POST", "/v1/bulk/create", raw=lines, headers={"Content-Type": "application/x-ndjson"})
        self.assertEqual({line["status"] for line in reply.lines}, {400})
        self.assertEqual(len(reply.lines), lines.count("\n"))
        self.nothing_is_pinned()

    def test_names_are_kept_letter_by_letter_or_refused(self):
        for n, name in enumerate(("", "x" * 255, "\U0001f427" * 255, "\u202egnp.exe", "a\u0301", '"\\/\b\f', "<b>&amp;</b>",
                                  "%00%s%n", "-rf", "\ufeff", "\u2028")):
            pin = self.pinfold.pin(cid_of(f"name {n}"), self.alice, name=name)
            self.assertEqual(self.ask("GET", f"/v1/pins/{pin}", key=self.alice).json.get("name", ""), name)
            if name:
                found = self.ask("GET", "/v1/pins", key=self.alice, name=name).json["pins"]
                self.assertEqual([p["id"] for p in found], [pin], ascii(name))
        for name in ("x" * 256, "\U0001f427" * 256, "a\0b", "\0", 5, [], {}, True):
            self.refused(self.ask("POST", "/v1/pins", {"cid": RAW, "name": name}), ascii(name))
            self.refused(self.ask("POST", "/pins", {"cid": RAW, "name": name}), ascii(name))
        for bad in (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82", b"\\ud800", b"\\udc00\\ud800", b"\\u0000"):
            for path in ("/pins", "/v1/pins"):
                self.refused(self.post(path, b'{"cid":"%s","name":"%s"}' % (RAW.encode(), bad)), (path, bad))
        self.nothing_is_pinned()

    def post(self, path, raw, **headers):
        return self.ask("POST", path, raw=raw, headers={"Content-Type": "application/json", **headers})

    def test_json_bombs_are_refused_and_the_server_goes_on(self):
        cid = RAW.encode()
        bombs = [b"", b"{", b"[]", b"null", b'"x"', b"{}x", b"[" * 10_000, b"[" * 10_000 + b"]" * 10_000, b"[" * 900_000,
                 b'{"a":' * 10_000 + b"1" + b"}" * 10_000, b'{"cid":"%s","cid":"%s"}' % (cid, cid), b'{"cid":"%s"}{"cid":"%s"}' % (cid, cid),
                 b'{"cid":"%s","priority":1%s}' % (cid, b"0" * 400), b'{"cid":"%s","priority":1e400}' % cid,
                 b'{"cid":"%s","priority":NaN}' % cid, b'{"cid":"%s",}' % cid,
                 b"{'cid':'%s'}" % cid, b'{"cid":"%s"/**/}' % cid, b'\xef\xbb\xbf{"cid":"%s"}' % cid, b'{"cid":"%s"}\0' % cid,
                 json.dumps({"cid": RAW}).encode("utf-16"), b'{"cid":"%s","meta":{"a":"%s"}}' % (cid, b"x" * 20_000),
                 b'{"cid":"%s","origins":[%s]}' % (cid, b",".join([b'"/ip4/1.2.3.4/tcp/1"'] * 30_000))]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            paths = ("/v1/pins", "/pins")
            for (path, bomb), reply in zip(((p, b) for p in paths for b in bombs),
                                           pool.map(lambda x: self.post(*x), [(p, b) for p in paths for b in bombs])):
                self.refused(reply, (path, bomb[:60]), 400 if len(bomb) < 200_000 else reply.status)
                self.assertIn(reply.status, (400, 413))
        self.refused(self.post("/v1/pins", b" " * 2_000_000), "two megabytes of blanks", 413)
        self.assertEqual(self.pinfold.starts, 1)
        self.nothing_is_pinned()

    # --- what belongs to others -----------------------------------------------------------------

    def test_a_foreign_pin_does_not_exist_whatever_is_tried(self):
        cid = cid_of("alice's")
        pin = self.pinfold.pin(cid, self.alice, name="secret", tags=["private"])
        until(lambda: self.pinfold.status(pin, self.alice) == "pinned", "it is pinned")
        before = self.ask("GET", f"/v1/pins/{pin}", key=self.alice).json
        for method, path, body in (("GET", f"/pins/{pin}", None), ("GET", f"/pins/{cid}", None), ("DELETE", f"/pins/{pin}", None),
                                   ("POST", f"/pins/{pin}", {"cid": RAW}), ("GET", f"/v1/pins/{pin}", None),
                                   ("GET", f"/v1/pins/{pin}?wait=1s", None), ("DELETE", f"/v1/pins/{pin}", None),
                                   ("PATCH", f"/v1/pins/{pin}", {"name": "mine"}), ("POST", f"/v1/pins/{pin}/retry", None)):
            self.refused(self.ask(method, path, body), (method, path), 404)
        self.refused(self.ask("GET", "/v1/pins", headers={"Pinfold-Owner": "alice"}), "another owner's name", 403)
        self.refused(self.ask("GET", "/v1/pins", key=self.mallory[:-1] + ("a" if self.mallory[-1] != "a" else "b")), "a key changed", 401)
        reply = self.ask("POST", "/v1/bulk/delete", raw=json.dumps({"id": pin}) + "\n", headers={"Content-Type": "application/x-ndjson"})
        self.assertEqual(reply.lines[0]["status"], 404)
        for query in ({}, {"cid": cid}, {"name": "secret"}, {"tag": "private"}):
            self.assertEqual(self.ask("GET", "/v1/pins", **query).json["pins"], [])
        self.assertEqual(self.ask("GET", "/pins", cid=cid).json, {"count": 0, "results": []})
        for path in ("/v1/drift", "/v1/owners", "/v1/owners/alice", "/v1/deny", "/v1/keys"):
            self.refused(self.ask("GET", path), path, 403)
        self.assertEqual(self.ask("GET", f"/v1/pins/{pin}", key=self.alice).json, before)
        self.assertIn(cid, self.kubo.pins())

    def test_cursors_that_were_altered_or_belong_to_others_are_refused(self):
        for n in range(5):
            self.pinfold.pin(cid_of(f"page {n}"), self.alice)
        cursor = self.ask("GET", "/v1/pins", key=self.alice, limit=2).json["next"]
        self.assertEqual(len(self.ask("GET", "/v1/pins", key=self.alice, limit=2, cursor=cursor).json["pins"]), 2)
        self.refused(self.ask("GET", "/v1/pins", cursor=cursor), "alice's")
        self.refused(self.ask("GET", "/v1/pins", key=self.alice, cursor=cursor, tag="x"), "with other filters")
        for at in range(len(cursor)):
            other = "A" if cursor[at] != "A" else "B"
            self.refused(self.ask("GET", "/v1/pins", key=self.alice, cursor=cursor[:at] + other + cursor[at + 1:]), f"letter {at}")
        for bad in ("x", cursor[:-1], cursor[1:], cursor + "A", cursor * 2, "\0", base64.urlsafe_b64encode(os.urandom(60)).decode()):
            self.refused(self.ask("GET", "/v1/pins", key=self.alice, cursor=bad), ascii(bad))

    # --- nodes ------------------------------------------------------------------------------------

    def honest(self, made, when):
        """No pin is shown as pinned that the node does not have.  (The fake ends a fetch that never
        ended well once it is told something else.)"""
        shown = {cid for pin, cid in made.items() if self.pinfold.status(pin, self.alice) == "pinned"}
        self.assertLessEqual(shown, set(self.kubo.pins()), when)

    def test_no_misbehaviour_of_a_node_makes_a_pin_or_loses_one(self):
        faults = [("fail", {"text": text}) for text in (
            "context deadline exceeded", "pin: context canceled", "block was not found locally (offline): ipld: could not find x",
            "failed to get block: no space left on device", "could not choose a decoder: no decoder registered for multicodec code 1",
            "pin: failed to decode", "something new")]
        faults += [("late-error", {"text": "pin: context deadline exceeded"}), ("error-line", {}), ("empty", {}), ("cut", {}),
                   ("close", {}), ("silent", {}), ("no-progress", {"ms": 100}), ("progress", {"ms": 100}),
                   ("garbage", {}), ("long-line", {}), ("deny", {}), ("status", {"n": 502}), ("status", {"n": 404})]
        self.addCleanup(self.kubo.fault, "none")
        made = {}
        for n, (fault, how) in enumerate(faults):
            self.kubo.fault(fault, on="pin/add", **how)
            cid = cid_of(f"fault {n}")
            made[self.pinfold.pin(cid, self.alice)] = cid
            calls = self.kubo.order("counts").json["calls"]
            until(lambda: self.kubo.order("counts").json["calls"] > calls + 2, f"the node has been asked: {fault} {how}")
            self.honest(made, fault)
        self.kubo.fault("none")
        for pin in made:
            self.assertEqual(self.ask("POST", f"/v1/pins/{pin}/retry", key=self.alice).status, 202)
        until(lambda: all(self.pinfold.status(p, self.alice) == "pinned" for p in made), "all are pinned on a good node")
        self.assertLessEqual(set(made.values()), set(self.kubo.pins()))

    def test_a_pin_that_a_node_did_not_keep_is_found_and_made_again(self):
        cid = cid_of("not kept")
        self.kubo.fault("lose", on="pin/add", times=1)
        pin = self.pinfold.pin(cid, self.alice)
        until(lambda: cid in self.kubo.pins(), "it is really there")
        until(lambda: self.pinfold.status(pin, self.alice) == "pinned", "it is pinned")

    def test_a_node_that_forgets_everything_gets_it_all_again(self):
        pins = {self.pinfold.pin(cid_of(f"forgotten {n}"), self.alice): cid_of(f"forgotten {n}") for n in range(20)}
        until(lambda: set(pins.values()) <= set(self.kubo.pins()), "all are pinned")
        for cid in self.kubo.pins():
            self.kubo.order("lose", arg=cid)
        until(lambda: set(pins.values()) <= set(self.kubo.pins()), "all are pinned again")

    # --- the API's description -----------------------------------------------------------------------

    def test_z_requests_made_from_the_served_description_get_answers_it_describes(self):
        spec = self.dir / "openapi.json"
        spec.write_bytes(self.ask("GET", "/v1/openapi.json").body)
        out = subprocess.run([servers.ROOT / "tools/st-openapi", spec, self.pinfold.url, self.pinfold.owner_key("tester", "admin"),
                              "--request-timeout", "45",  # an example waits for 30 s
                              "--exclude-path", "/v1/store/backup"],  # it writes where it is told to
                             capture_output=True, text=True, timeout=600, env={**os.environ, "ST_EXAMPLES": "10"})
        if out.returncode != 0:
            print(out.stdout, out.stderr)
        self.assertEqual(out.returncode, 0)
        self.assertRegex(out.stdout.splitlines()[-1], r"^st-openapi: \d{3,} passed, 0 failed$")


if __name__ == "__main__":
    servers.main()
