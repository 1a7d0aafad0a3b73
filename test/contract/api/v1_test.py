"""The native API."""
import concurrent.futures
import http.client
import json
import threading
import time
import unittest

from probe import Probe, cid_of

NDJSON = "application/x-ndjson"
PEER_A = "12D3KooWGRUVh7SGNS5DPyoHWTt3ZVUWZRgBGx6rqG9eBeYDcL1Q"
PEER_B = "12D3KooWJbJFaZ1dwpuu9tQY3ELCCCpWMJc1dSRVbcMwhiLiFq7q"


class V1(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.probe = Probe()
        cls.owners = 0

    @classmethod
    def tearDownClass(cls):
        cls.probe.stop()

    def setUp(self):
        type(self).owners += 1
        self.owner = f"owner-{self.owners}"

    def ask(self, method, path, *args, headers=None, **kwargs):
        return self.probe.ask(method, path, *args, headers={"Pinfold-Owner": self.owner, **(headers or {})}, **kwargs)

    def add(self, body, **headers):
        reply = self.ask("POST", "/v1/pins", body, headers=headers)
        self.assertEqual(reply.status, 202, reply.body)
        return reply.json

    def queued(self, text, **more):
        return self.add({"cid": cid_of(text), "meta": {"test": "queued"}, **more})

    def assert_problem(self, reply, status, code):
        self.assertEqual((reply.status, reply.code), (status, code), reply.body)
        self.assertEqual(reply.headers["Content-Type"], "application/problem+json")
        self.assertEqual(reply.json["status"], status)
        self.assertTrue(reply.json["title"])

    def test_a_pin_has_all_that_was_asked_for(self):
        body = {"cid": cid_of("all"), "name": "n", "tags": ["b", "a", "b"], "meta": {"k": "v"}, "replicas": {"min": 1, "max": 3},
                "zones": ["z2", "z1"], "peer_tags": ["ssd", "eu", "ssd"], "priority": 7, "ttl": "1h30m", "mode": "direct", "allocations": [PEER_A]}
        pin = self.add(body)
        self.assertEqual({k: pin[k] for k in ("cid", "name", "meta", "replicas", "priority", "mode")},
                         {k: body[k] for k in ("cid", "name", "meta", "replicas", "priority", "mode")})
        self.assertEqual((pin["tags"], pin["zones"], pin["peer_tags"]), (["a", "b"], ["z1", "z2"], ["eu", "ssd"]))
        changed = self.ask("PATCH", f"/v1/pins/{pin['id']}", {"peer_tags": []}).json
        self.assertNotIn("peer_tags", changed)
        self.assertEqual((changed["zones"], changed["revision"] > pin["revision"]), (["z1", "z2"], True))
        self.assertRegex(pin["expires"], r"Z$")
        self.assertNotIn("null", json.dumps(pin))
        for replicas, shown in ((2, {"min": 2, "max": 2}), (-1, {"min": -1, "max": -1})):
            self.assertEqual(self.add({"cid": cid_of("r"), "replicas": replicas})["replicas"], shown)

    def test_the_peers_that_a_request_prefers_are_shown_afterwards(self):
        pin = self.queued("prefers", allocations=[PEER_B, PEER_A])
        path = f"/v1/pins/{pin['id']}"
        self.ask("PATCH", path, {"name": "renamed"})
        self.queued("prefers")  # of the same CID, and prefers none
        for query in ("", "?wait=10ms"):
            self.assertEqual(self.ask("GET", path + query).json["allocations"], [PEER_B, PEER_A])
        self.assertNotIn("allocations", self.ask("GET", f"/v1/pins/{self.queued('prefers none')['id']}").json)

    def test_bad_pins_name_the_field_the_value_and_what_is_allowed(self):
        cid = cid_of("bad")
        for more, words in (({"replicas": 0}, ("replicas", "0", "1 to 100")), ({"replicas": "2"}, ("replicas",)),
                            ({"replicas": {"min": 3, "max": 2}}, ("replicas", "3 to 2")), ({"replicas": {"min": 1}}, ("replicas.max", "missing")),
                            ({"replicas": {"min": -1, "max": 1}}, ("replicas",)), ({"priority": 101}, ("priority", "101", "-100 to 100")),
                            ({"priority": 1.5}, ("priority",)), ({"ttl": "soon"}, ("ttl", "soon")), ({"ttl": "0s"}, ("ttl",)),
                            ({"ttl": "1d", "expires": "2099-01-01T00:00:00Z"}, ("ttl", "expires")), ({"expires": "2001-01-01T00:00:00Z"}, ("expiry",)),
                            ({"expires": "tomorrow"}, ("expires", "tomorrow")), ({"tags": ["a,b"]}, ("tags", "a,b")), ({"tags": [""]}, ("tags",)),
                            ({"tags": ["x" * 65]}, ("tags",)), ({"tags": [str(i) for i in range(33)]}, ("tags", "33", "32")), ({"zones": "x"}, ("zones",)),
                            ({"peer_tags": "x"}, ("peer_tags",)), ({"peer_tags": ["a,b"]}, ("peer_tags", "a,b")),
                            ({"mode": "deep"}, ("mode",)), ({"name": None}, ("name", "null")), ({"colour": "red"}, ("colour", "not known")),
                            ({"allocations": ["x"]}, ("allocations",)), ({"priority": 1, "meta": {"pinfold.priority": "1"}}, ("pinfold.priority",)),
                            ({"key": "x"}, ("key", "not known"))):
            reply = self.ask("POST", "/v1/pins", {"cid": cid, **more})
            self.assert_problem(reply, 400, "invalid")
            for word in words:
                self.assertIn(word, reply.json["detail"], more)

    def test_other_media_types_are_415(self):
        reply = self.ask("POST", "/v1/pins", raw='{"cid":"%s"}' % cid_of(1), headers={"Content-Type": "text/xml"})
        self.assert_problem(reply, 415, "media_type")
        for good in ("application/json; charset=utf-8", "Application/JSON"):
            self.assertEqual(self.ask("POST", "/v1/pins", raw='{"cid":"%s"}' % cid_of(1), headers={"Content-Type": good}).status, 202)

    def test_a_patch_changes_what_it_names_and_nothing_else(self):
        pin = self.queued("patch", name="n", tags=["a"], priority=3, ttl="1d")
        path = f"/v1/pins/{pin['id']}"
        reply = self.ask("PATCH", path, {"tags": [], "replicas": 2})
        self.assertEqual(reply.status, 200)
        self.assertEqual(reply.headers["ETag"], f'"{reply.json["revision"]}"')
        self.assertNotIn("tags", reply.json)
        self.assertEqual((reply.json["name"], reply.json["priority"], reply.json["replicas"], reply.json["expires"]),
                         ("n", 3, {"min": 2, "max": 2}, pin["expires"]))
        self.assertNotEqual(reply.json["revision"], pin["revision"])
        self.assertNotIn("expires", self.ask("PATCH", path, {"expires": None}).json)
        self.assertEqual(self.ask("PATCH", path, {"meta": {"only": "this"}}).json["meta"], {"only": "this"})
        same = self.ask("PATCH", path, {"priority": 3}).json
        self.assertEqual(same["revision"], self.ask("PATCH", path, {}).json["revision"], "no difference, no revision")
        for bad in ({"cid": cid_of(1)}, {"mode": "direct"}, {"origins": []}, {"status": "pinned"}):
            self.assert_problem(self.ask("PATCH", path, bad), 400, "invalid")
        reply = self.ask("PATCH", path, raw='{"meta":{"only":null}}', headers={"Content-Type": "application/merge-patch+json"})
        self.assert_problem(reply, 415, "media_type")

    def test_if_match_guards_against_changes_in_between(self):
        pin = self.queued("match")
        path, etag = f"/v1/pins/{pin['id']}", f'"{pin["revision"]}"'
        self.assertEqual(self.ask("GET", path).headers["ETag"], etag)
        self.assertEqual(self.ask("PATCH", path, {"name": "one"}, headers={"If-Match": etag}).status, 200)
        self.assert_problem(self.ask("PATCH", path, {"name": "two"}, headers={"If-Match": etag}), 412, "precondition_failed")
        for bad in ('"nonsense"', '""', "0", '"-1"', '"99999999999999999999"'):
            self.assert_problem(self.ask("PATCH", path, {"name": "x"}, headers={"If-Match": bad}), 412, "precondition_failed")
        now = self.ask("PATCH", path, {"name": "any"}, headers={"If-Match": "*"})
        self.assertEqual(now.status, 200)
        others = f'{etag}, "1" ,"nonsense"'
        self.assert_problem(self.ask("PATCH", path, {"name": "x"}, headers={"If-Match": others}), 412, "precondition_failed")
        self.assert_problem(self.ask("PATCH", path, {"name": "x"}, headers={"If-Match": "W/" + now.headers["ETag"]}), 412, "precondition_failed")
        again = [self.ask("PATCH", path, {"name": "one of them"}, headers={"If-Match": f"{others}, {now.headers['ETag']}", "Idempotency-Key": "list"})
                 for _ in range(2)]
        self.assertEqual([r.status for r in again], [200, 200])

    def test_only_one_of_many_with_the_same_if_match_wins(self):
        pin = self.queued("one wins")
        def go(i):
            return self.ask("PATCH", f"/v1/pins/{pin['id']}", {"name": str(i)}, headers={"If-Match": pin["revision"]}).status
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            self.assertEqual(sorted(pool.map(go, range(24))), [200] + [412] * 23)

    def test_a_repeated_patch_under_a_key_gives_the_same_result(self):
        pin = self.queued("patch once")
        def go(name):
            return self.ask("PATCH", f"/v1/pins/{pin['id']}", {"name": name}, headers={"Idempotency-Key": "p", "If-Match": pin["revision"]})
        first, again, other = go("x"), go("x"), go("y")
        self.assertEqual((first.status, again.status, other.status), (200, 200, 422))
        self.assertEqual(first.body, again.body)
        self.assertEqual(again.headers["Idempotency-Replayed"], "true")
        self.assertEqual((again.headers["ETag"], first.headers["ETag"]), (f'"{first.json["revision"]}"',) * 2)

    def test_copies_tell_what_happens_on_each_peer(self):
        failed = self.add({"cid": cid_of("copies failed"), "replicas": 2, "meta": {"test": "failed"}})
        copies = self.probe.until(lambda: self.ask("GET", f"/v1/pins/{failed['id']}").json["copies"], "there are copies")
        self.assertEqual([c["peer"] for c in copies], [PEER_A, PEER_B])
        self.assertEqual({k: copies[0][k] for k in ("state", "attempts", "failure", "desired")},
                         {"state": "error", "attempts": 5, "failure": "stalled", "desired": True})
        for member in ("error", "next_retry", "failing_since", "assigned"):
            self.assertTrue(copies[0][member])
        queued = self.queued("copies queued")
        copies = self.probe.until(lambda: self.ask("GET", f"/v1/pins/{queued['id']}").json["copies"], "there are copies")
        self.assertGreaterEqual(copies[0]["queue_position"], 1)
        self.assertGreaterEqual(copies[0]["queue_length"], copies[0]["queue_position"])
        psa = self.ask("GET", f"/pins/{queued['id']}").json
        self.assertIn("queue position", psa["info"]["status_details"])

    def test_the_place_in_a_long_queue_is_told_as_at_least(self):
        lines = "".join(json.dumps({"cid": cid_of(f"long queue {i}"), "meta": {"test": "queued"}}) + "\n" for i in range(300))
        self.assertEqual(len(self.ask("POST", "/v1/bulk/create", raw=lines).lines), 300)
        last = self.queued("long queue, last")

        def copy():
            return next((c for c in self.ask("GET", f"/v1/pins/{last['id']}").json["copies"] if "queue_at_least" in c), None)

        place = self.probe.until(copy, "the queue is long")
        self.assertIs(place["queue_at_least"], True)
        self.assertGreaterEqual(place["queue_length"], 256)
        self.assertGreaterEqual(place["queue_position"], 200)
        details = self.ask("GET", f"/pins/{last['id']}").json["info"]["status_details"]
        self.assertRegex(details, r"queue position: at least \d+ of at least \d+")

    def test_waiting_ends_when_it_is_pinned_or_failed_or_time_is_up(self):
        for how, status in ((None, "pinned"), ("failed", "failed")):
            pin = self.add({"cid": cid_of(f"wait {how}"), **({"meta": {"test": how}} if how else {})})
            self.assertEqual(self.ask("GET", f"/v1/pins/{pin['id']}?wait=30s").json["status"], status)
        pin = self.queued("wait in vain")
        self.assertEqual(self.ask("GET", f"/v1/pins/{pin['id']}?wait=50ms").json["status"], "queued")
        for bad in ("x", "", "6m", "-1s", "30", "1s&wait=1s"):
            self.assert_problem(self.ask("GET", f"/v1/pins/{pin['id']}?wait={bad}"), 400, "invalid")

    def test_a_waiter_is_woken_by_the_change(self):
        pin = self.queued("woken")
        self.probe.until(lambda: self.ask("GET", f"/v1/pins/{pin['id']}").json["copies"], "the worker has looked")
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            waiting = [pool.submit(self.ask, "GET", f"/v1/pins/{pin['id']}?wait=60s") for _ in range(16)]
            time.sleep(0.2)
            self.assertFalse(any(w.done() for w in waiting))
            self.assertEqual(self.ask("POST", f"/v1/pins/{pin['id']}/retry").status, 202)
            for w in waiting:
                self.assertEqual(w.result(30).json["status"], "pinned")

    def test_clients_that_leave_while_they_wait_harm_nobody(self):
        pin = self.queued("left")
        for _ in range(20):
            c = http.client.HTTPConnection("127.0.0.1", self.probe.port)
            c.request("GET", f"/v1/pins/{pin['id']}?wait=60s", headers={"Authorization": "Bearer " + self.probe.key, "Pinfold-Owner": self.owner})
            c.close()
        self.assertEqual(self.ask("POST", f"/v1/pins/{pin['id']}/retry").status, 202)
        self.assertEqual(self.ask("GET", f"/v1/pins/{pin['id']}?wait=30s").json["status"], "pinned")

    def test_deleting(self):
        pin = self.queued("delete")
        reply = self.ask("DELETE", f"/v1/pins/{pin['id']}")
        self.assertEqual((reply.status, reply.body), (204, b""))
        for method in ("GET", "DELETE", "PATCH"):
            body = {} if method == "PATCH" else None
            self.assert_problem(self.ask(method, f"/v1/pins/{pin['id']}", body), 404, "not_found")
        self.assert_problem(self.ask("POST", f"/v1/pins/{pin['id']}/retry"), 404, "not_found")
        self.assert_problem(self.ask("GET", "/v1/pins/nonsense"), 404, "not_found")
        self.assert_problem(self.ask("GET", "/v1/nowhere"), 404, "not_found")

    def test_pages_by_cursor_give_each_pin_once_while_others_come(self):
        made = [self.queued(f"cursor {i}", tags=["t"] if i % 2 else [])["id"] for i in range(23)]
        for limit in (1, 5, 23):
            seen, cursor = [], None
            while True:
                page = self.ask("GET", "/v1/pins", limit=limit, tag="t", **({"cursor": cursor} if cursor else {})).json
                seen += [p["id"] for p in page["pins"]]
                self.queued("newcomer", tags=["other"])
                cursor = page.get("next")
                if not cursor:
                    break
            self.assertEqual(seen, sorted(made[1::2], reverse=True), limit)

    def test_altered_cursors_are_refused(self):
        for i in range(3):
            self.queued(f"altered {i}")
        cursor = self.ask("GET", "/v1/pins", limit=1).json["next"]
        self.assertEqual(self.ask("GET", "/v1/pins", limit=1, cursor=cursor).status, 200)
        altered = [cursor[:-2], cursor + "00", "zz", "0", "x" * 1000, cursor[:-1] + ("0" if cursor[-1] != "0" else "1")]
        altered += [cursor[:i] + ("0" if cursor[i] != "0" else "1") + cursor[i + 1:] for i in range(0, len(cursor), 7)]
        for bad in altered:
            self.assert_problem(self.ask("GET", "/v1/pins", limit=1, cursor=bad), 400, "invalid")
        reply = self.ask("GET", "/v1/pins", limit=1, cursor=cursor, name="other filter")
        self.assert_problem(reply, 400, "invalid")

    def test_filters_and_counts(self):
        for i in range(4):
            self.queued(f"filter {i}", name=f"n{i % 2}", tags=["x", f"t{i}"])
        for query, n in ((dict(tag="x"), 4), (dict(tag="x,t1"), 1), (dict(tag="nope"), 0), (dict(name="n1"), 2), (dict(status="queued,expiring"), 4),
                         (dict(status="pinned"), 0), (dict(cid=",".join(cid_of(f"filter {i}") for i in range(3))), 3), (dict(limit=1), 4)):
            page = self.ask("GET", "/v1/pins", count="true", **query).json
            self.assertEqual((page["count"], page["count_exact"]), (n, True), query)
        self.assertNotIn("count", self.ask("GET", "/v1/pins").json)
        for bad in ("count=1", "copies=yes", "order=oldest", "order=store", "tag=", "limit=0"):
            self.assert_problem(self.ask("GET", "/v1/pins?" + bad), 400, "invalid")

    def listed(self, query, stream=False, **headers):
        """The pins of all pages, or of a stream; by whoever asks."""
        if stream:
            reply = self.probe.ask("GET", "/v1/pins?" + query, headers={"Accept": NDJSON, **headers})
            self.assertEqual(reply.status, 200, reply.body)
            return reply.lines
        pins, cursor = [], ""
        while True:
            reply = self.probe.ask("GET", f"/v1/pins?{query}&limit=3{cursor}", headers=headers)
            self.assertEqual(reply.status, 200, reply.body)
            pins += reply.json["pins"]
            if "next" not in reply.json:
                return pins
            cursor = "&cursor=" + reply.json["next"]

    def test_an_owner_lists_his_pins_on_a_peer_and_an_admin_everybodys(self):
        other = self.owner + "-b"
        mine = [self.add({"cid": cid_of(f"on a peer {i}"), "replicas": 2}) for i in range(5)]
        theirs = self.probe.ask("POST", "/v1/pins", {"cid": mine[0]["cid"], "replicas": 1}, headers={"Pinfold-Owner": other}).json
        unplaced = self.queued("on no peer yet", zones=["nowhere"])
        for pin in mine:
            self.ask("GET", f"/v1/pins/{pin['id']}?wait=30s")
        newest = [p["id"] for p in reversed(mine)]
        for stream in (False, True):
            for peer in (PEER_A, PEER_B):
                pins = self.listed(f"peer={peer}", stream, **{"Pinfold-Owner": self.owner})
                self.assertEqual([p["id"] for p in pins], newest)
                self.assertNotIn("owner", pins[0])
            found = [len(self.listed(f"peer={peer}", stream, **{"Pinfold-Owner": other})) for peer in (PEER_A, PEER_B)]
            self.assertEqual(found, [1, 0], "he asked for one copy, and is told of one")
            everybody = self.listed(f"peer={PEER_B}&all_owners=true&copies=true", stream)
            own = {p["id"]: p["owner"] for p in everybody if p["owner"].startswith(self.owner)}
            self.assertEqual(own, {**{p["id"]: self.owner for p in mine}, theirs["id"]: other})
            self.assertEqual(len({p["id"] for p in everybody}), len(everybody))
            self.assertNotIn(unplaced["id"], [p["id"] for p in everybody])
            self.assertTrue(all(p["copies"] for p in everybody))
        self.assertEqual(self.ask("GET", "/v1/pins", peer="1", count="true").json["count"], 5)
        self.assertEqual(self.ask("GET", "/v1/pins", peer="2", status="queued").json["pins"], [])

    def test_an_owner_lists_what_ends_before_a_time_and_an_admin_everybodys(self):
        other = {"Pinfold-Owner": self.owner + "-b"}
        far = self.queued("ends far", ttl="3000d")
        self.queued("ends never")
        late = self.queued("ends late", ttl="20d")
        soon = self.queued("ends soon", ttl="10d")
        theirs = self.probe.ask("POST", "/v1/pins", {"cid": cid_of("ends theirs"), "ttl": "15d"}, headers=other).json
        before = "expires_before=" + time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 30 * 86400))
        for stream in (False, True):
            found = self.listed(before, stream, **{"Pinfold-Owner": self.owner})
            self.assertEqual([p["id"] for p in found], [soon["id"], late["id"]])
            everybody = self.listed(before + "&all_owners=true", stream)
            own = [p["id"] for p in everybody if p["owner"].startswith(self.owner)]
            self.assertEqual(own, [soon["id"], theirs["id"], late["id"]])
            ends = [p["expires"] for p in everybody]
            self.assertEqual(ends, sorted(ends))
        self.assertEqual(len(self.ask("GET", "/v1/pins", expires_before=far["expires"]).json["pins"]), 2)

    def test_everybodys_pins_are_for_admins_and_never_all_of_them(self):
        asks = f"peer={PEER_A}&all_owners=true"
        for scope in ("read", "write"):
            reply = self.probe.ask("GET", "/v1/pins?" + asks, key=self.probe.new_key(scope, self.owner))
            self.assert_problem(reply, 403, "forbidden")
        for bad in (asks + "&count=true", "all_owners=true", "all_owners=yes", "peer=", "peer=nobody", "expires_before=soon", "expires_before=",
                    f"peer={PEER_A}&peer={PEER_B}", f"peer={PEER_A}&order=store"):
            for accept in ("application/json", NDJSON):
                self.assert_problem(self.probe.ask("GET", "/v1/pins?" + bad, headers={"Accept": accept}), 400, "invalid")
        self.assert_problem(self.ask("GET", "/v1/pins?" + asks), 400, "invalid")  # Pinfold-Owner names one
        for i in range(2):
            self.ask("GET", f"/v1/pins/{self.add({'cid': cid_of(f'paged {i}')})['id']}?wait=30s")
        cursor = self.probe.ask("GET", f"/v1/pins?{asks}&limit=1").json["next"]
        for other in (asks.replace(PEER_A, PEER_B), f"peer={PEER_A}"):
            self.assert_problem(self.probe.ask("GET", f"/v1/pins?{other}&cursor={cursor}"), 400, "invalid")

    def test_streams_give_every_pin_on_a_line(self):
        lines = "".join('{"cid":"%s","name":"s%d"}\n' % (cid_of(f"stream {i}"), i) for i in range(1700))
        self.assertEqual(len(self.ask("POST", "/v1/bulk/create", raw=lines).lines), 1700)
        for query, with_copies in (("", False), ("?copies=true", True), ("?order=store", False), ("?order=store&copies=true", True)):
            reply = self.ask("GET", "/v1/pins" + query, headers={"Accept": NDJSON})
            self.assertEqual(reply.headers["Content-Type"], NDJSON)
            self.assertEqual(sorted(p["name"] for p in reply.lines), sorted(f"s{i}" for i in range(1700)), query)
            self.assertEqual("copies" in reply.lines[0], with_copies)
            self.assertEqual({p["cid"] for p in reply.lines}, {cid_of(f"stream {i}") for i in range(1700)})
        newest = [p["id"] for p in self.ask("GET", "/v1/pins", headers={"Accept": NDJSON}).lines]
        self.assertEqual(newest, sorted(newest, reverse=True))
        named = self.ask("GET", "/v1/pins?name=s7", headers={"Accept": NDJSON}).lines
        self.assertEqual([p["name"] for p in named], ["s7"])
        cursor = self.ask("GET", "/v1/pins", limit=1).json["next"]
        rest = self.ask("GET", "/v1/pins", cursor=cursor, headers={"Accept": NDJSON}).lines
        self.assertEqual([p["id"] for p in rest], newest[1:])

    def test_a_stream_reads_what_lies_in_the_store_only_if_much_of_it_is_the_owners(self):
        def pins(owner, n):
            lines = "".join('{"cid":"%s"}\n' % cid_of(f"{owner} {i}") for i in range(n))
            self.ask("POST", "/v1/bulk/create", raw=lines, headers={"Pinfold-Owner": owner})
            reply = self.ask("GET", "/v1/pins?order=store", headers={"Accept": NDJSON, "Pinfold-Owner": owner})
            ids = [p["id"] for p in reply.lines]
            self.assertEqual(len(ids), n)
            return ids, sorted(ids, reverse=True)

        ids, newest = pins("has-much", 5000)
        self.assertNotEqual(ids, newest)
        ids, newest = pins("has-little", 50)
        self.assertEqual(ids, newest)

    def test_a_stream_that_cannot_be_is_refused_as_a_page_is(self):
        self.queued("refused stream")
        for bad in ("cursor=00", "cursor=zz", "order=store&name=s7", "order=store&cursor=00", "order=store&cursor=", "limit=10", "count=true", "tag="):
            self.assert_problem(self.ask("GET", "/v1/pins?" + bad, headers={"Accept": NDJSON}), 400, "invalid")

    def test_bulk_answers_each_line_in_order(self):
        good = cid_of("bulk")
        raw = "\n".join(['{"cid":"%s","key":"k1","name":"first"}' % good, "", "nonsense", '{"cid":"Q","key":"k2"}', '{"cid":"%s","ttl":"1d"}\r' % good,
                         '{"cid":"%s","name":"%s"}' % (good, "x" * 70000), '{"cid":"%s","key":"k1","name":"first"}' % good,
                         '{"cid":"%s","key":"k1","name":"other"}' % good, '{"cid":"%s","name":"last"}' % good, " \t\r", "\0", '{"cid":"%s","key":""}' % good])
        lines = self.ask("POST", "/v1/bulk/create", raw=raw).lines
        self.assertEqual([line["line"] for line in lines], [1, 3, 4, 5, 6, 7, 8, 9, 11, 12])
        self.assertEqual([line["status"] for line in lines], [202, 400, 400, 202, 400, 202, 422, 202, 400, 400])
        self.assertEqual(lines[5]["pin"], lines[0]["pin"], "the same key twice is the same pin, wherever the stream was cut")
        self.assertEqual((lines[0]["key"], lines[2]["key"]), ("k1", "k2"))
        again = self.ask("POST", "/v1/bulk/create", raw=raw.split("\n")[0]).lines
        self.assertEqual(again[0]["pin"], lines[0]["pin"])
        self.assertEqual(self.ask("GET", "/v1/pins", count="true").json["count"], 3)

    def test_bulk_deletes(self):
        ids = [self.queued(f"bulk delete {i % 2}")["id"] for i in range(6)]
        raw = "".join(json.dumps({"id": rid, "key": rid}) + "\n" for rid in ids) + '{"id":"%s"}\n{"id":"x"}\n' % ids[0]
        lines = self.ask("POST", "/v1/bulk/delete", raw=raw).lines
        self.assertEqual([line["status"] for line in lines], [204] * 6 + [404, 400])
        again = self.ask("POST", "/v1/bulk/delete", raw=raw).lines
        self.assertEqual([line["status"] for line in again], [204] * 6 + [404, 400])

    def test_counts_are_exact_to_ten_thousand(self):
        raw = "".join('{"cid":"%s","name":"n","meta":{"test":"queued"}}\n' % cid_of(f"{self.owner} {i}") for i in range(10002)).splitlines(True)
        self.assertEqual(len(self.ask("POST", "/v1/bulk/create", raw="".join(raw[:9999])).lines), 9999)
        for n, count, exact in ((10000, 9999, True), (10001, 10000, True), (10002, 10001, False), (10002, 10001, False)):
            for filters in ({}, {"name": "n"}):  # from totals, and row by row
                page = self.ask("GET", "/v1/pins", count="true", limit=1, **filters).json
                self.assertEqual((page["count"], page["count_exact"]), (count, exact), filters)
            self.assertEqual(self.ask("POST", "/v1/bulk/create", raw=raw[n - 1]).lines[0]["status"], 202)

    def test_bulk_reads_while_it_answers(self):
        def body():
            for i in range(5000):
                yield b'{"cid":"%s"}\n' % cid_of(f"slow {i}").encode()
        c = http.client.HTTPConnection("127.0.0.1", self.probe.port, timeout=60)
        c.request("POST", "/v1/bulk/create", body(), {"Authorization": "Bearer " + self.probe.key, "Pinfold-Owner": self.owner}, encode_chunked=True)
        self.assertEqual(len(c.getresponse().read().splitlines()), 5000)
        c.close()
        self.assertEqual(self.ask("GET", "/v1/pins", count="true").json["count"], 5000)

    def test_owners_defaults_fill_what_a_request_leaves_out(self):
        settings = {"replicas": {"min": 2, "max": 4}, "ttl": "1d", "max_ttl": "2d", "zones": ["eu"], "peer_tags": ["ssd"],
                    "priority": 5, "max_pins": 100}
        reply = self.ask("PATCH", f"/v1/owners/{self.owner}", settings)
        self.assertEqual(reply.status, 200)
        for key, value in settings.items():
            self.assertEqual(reply.json[key], value)
        pin = self.add({"cid": cid_of("defaults")})
        self.assertEqual((pin["replicas"], pin["zones"], pin["peer_tags"], pin["priority"]),
                         ({"min": 2, "max": 4}, ["eu"], ["ssd"], 5))
        self.assertNotIn("peer_tags", self.add({"cid": cid_of("none"), "peer_tags": []}))
        self.assertIn("expires", pin)
        self.assertEqual(self.add({"cid": cid_of("defaults"), "replicas": 1})["replicas"], {"min": 1, "max": 1})
        for bad in ({"ttl": "3d"}, {"expires": None}):
            self.assert_problem(self.ask("POST", "/v1/pins", {"cid": cid_of(1), **bad}), 400, "invalid")
        for bad in ({"max_pins": -1}, {"replicas": 0}, {"ttl": "x"}, {"zones": [""]}, {"peer_tags": ["a,b"]}, {"what": 1}, {"disabled": "yes"}):
            self.assert_problem(self.ask("PATCH", f"/v1/owners/{self.owner}", bad), 400, "invalid")
        self.assertIn(self.owner, [o["owner"] for o in self.ask("GET", "/v1/owners").json["owners"]])
        usage = self.ask("GET", "/v1/usage").json
        self.assertEqual((usage["owner"], sum(usage["pins"].values()), usage["max_pins"]), (self.owner, 3, 100))
        again = self.ask("PATCH", f"/v1/owners/{self.owner}", {"replicas": None, "max_pins": None}).json
        others = self.ask("GET", f"/v1/owners/{self.owner}-not").json
        self.assertEqual([again.get(k) for k in ("replicas", "max_pins")], [others.get(k) for k in ("replicas", "max_pins")])
        self.assertEqual(again["ttl"], "1d")
        self.assertNotEqual(self.add({"cid": cid_of("default again")})["replicas"], {"min": 2, "max": 4})

    def test_of_two_changes_of_an_owner_at_once_none_is_lost(self):
        for n in range(20):
            path = f"/v1/owners/{self.owner}-{n}"
            with concurrent.futures.ThreadPoolExecutor(2) as both:
                list(both.map(lambda change: self.ask("PATCH", path, change), ({"max_pins": 7}, {"disabled": True})))
            now = self.ask("GET", path).json
            self.assertEqual((now["max_pins"], now["disabled"]), (7, True))

    def test_keys_live_from_their_making_to_their_revocation(self):
        made = self.ask("POST", "/v1/keys", {"scope": "write", "name": "laptop"})
        self.assertEqual(made.status, 201)
        self.assertEqual(made.headers["Cache-Control"], "no-store")
        key, kid = made.json["key"], made.json["id"]
        self.assertRegex(key, r"^pinfold_live_[0-9A-Za-z]{12}_[0-9A-Za-z]{43}_[0-9A-Za-z]{6}$")
        self.assertEqual(self.probe.ask("GET", "/v1/status", key=key).json["owner"], self.owner)
        listed = self.ask("GET", "/v1/keys").json["keys"]
        self.assertEqual([(k["id"], k["name"], k["scope"]) for k in listed], [(kid, "laptop", "write")])
        self.assertNotIn("key", listed[0])
        turned = self.ask("POST", f"/v1/keys/{kid}/rotate", {"overlap": "1h"}).json
        self.assertEqual(turned["id"], kid)
        for good in (key, turned["key"]):
            self.assertEqual(self.probe.ask("GET", "/v1/status", key=good).status, 200)
        hard = self.ask("POST", f"/v1/keys/{kid}/rotate", {"overlap": "0s"}).json["key"]
        self.assertEqual([self.probe.ask("GET", "/v1/status", key=k).status for k in (key, turned["key"], hard)], [401, 401, 200])
        stranger = {"Pinfold-Owner": "stranger"}
        self.assertEqual(self.probe.ask("DELETE", f"/v1/keys/{kid}", headers=stranger).status, 404)
        self.assertEqual(self.ask("DELETE", f"/v1/keys/{kid}").status, 204)
        self.assertEqual(self.ask("DELETE", f"/v1/keys/{kid}").status, 404)
        self.assertEqual(self.ask("POST", f"/v1/keys/{kid}/rotate").status, 404)
        self.assertEqual(self.probe.ask("GET", "/v1/status", key=hard).status, 401)
        for bad in ({}, {"scope": "root"}, {"scope": "read", "name": "x" * 65}, {"scope": "read", "owner": "a b"}, {"scope": "read", "ttl": "0s"},
                    {"scope": "read", "expires": "2001-01-01T00:00:00Z"}):
            self.assert_problem(self.ask("POST", "/v1/keys", bad), 400, "invalid")

    def test_every_call_that_changes_something_has_one_effect_under_one_idempotency_key(self):
        kid = self.ask("POST", "/v1/keys", {"scope": "read"}).json["id"]
        digest = self.ask("POST", "/v1/deny", {"cid": cid_of("denied once")}).json["digest"]
        calls = (("PATCH", f"/v1/owners/{self.owner}", {"priority": 5}), ("DELETE", f"/v1/deny/{digest}", None),
                 ("POST", "/v1/deny", {"cid": cid_of("denied again"), "reason": "r"}), ("POST", "/v1/store/check", {}),
                 ("DELETE", f"/v1/keys/{kid}", None))
        for method, path, body in calls:
            first, second = (self.ask(method, path, body, headers={"Idempotency-Key": "one"}) for _ in range(2))
            self.assertLess(first.status, 300, (path, first.body))
            self.assertEqual((second.status, second.body), (first.status, first.body), path)
            self.assertEqual((first.headers["Idempotency-Replayed"], second.headers["Idempotency-Replayed"]), (None, "true"), path)
            self.assertEqual(second.headers["Content-Type"], first.headers["Content-Type"])
        other = self.ask("PATCH", f"/v1/owners/{self.owner}", {"priority": 6}, headers={"Idempotency-Key": "one"})
        self.assert_problem(other, 422, "idempotency_key_reused")
        wrong = self.ask("PATCH", f"/v1/owners/{self.owner}", {"priority": 600}, headers={"Idempotency-Key": "two"})
        self.assert_problem(wrong, 400, "invalid")
        right = self.ask("PATCH", f"/v1/owners/{self.owner}", {"priority": 6}, headers={"Idempotency-Key": "two"})
        self.assertEqual((right.status, right.json["priority"]), (200, 6), "what changed nothing leaves the key free")
        bulk = self.ask("POST", "/v1/bulk/create", raw="{}\n", headers={"Idempotency-Key": "one"})
        self.assert_problem(bulk, 400, "invalid")

    def test_a_secret_is_told_once_and_a_key_turned_once(self):
        again = {"Idempotency-Key": "one"}
        made = self.ask("POST", "/v1/keys", {"scope": "write"}, headers=again)
        self.assertEqual(made.status, 201)
        self.assert_problem(self.ask("POST", "/v1/keys", {"scope": "write"}, headers=again), 409, "conflict")
        self.assertEqual(len(self.ask("GET", "/v1/keys").json["keys"]), 1)
        path = f"/v1/keys/{made.json['id']}/rotate"
        self.assertEqual(self.ask("POST", path, {"overlap": "1h"}, headers=again).status, 200)
        self.assert_problem(self.ask("POST", path, {"overlap": "1h"}, headers=again), 409, "conflict")
        self.assertEqual(self.probe.ask("GET", "/v1/status", key=made.json["key"]).status, 200, "its secret is still the one before")

    def test_keys_expire(self):
        key = self.probe.new_key("read", self.owner, ttl="300ms")
        self.assertEqual(self.probe.ask("GET", "/v1/status", key=key).status, 200)
        self.probe.until(lambda: self.probe.ask("GET", "/v1/status", key=key).status == 401, "the key has expired")

    def test_each_key_reaches_just_what_its_scope_allows(self):
        spec = self.probe.ask("GET", "/v1/openapi.json", key="").json
        fill = {"{peer}": PEER_A, "{owner}": "x", "{keyid}": "0123456789ab", "{digest}": "0" * 64, "{id}": "01ARZ3NDEKTSV4RRFFQ69G5FAV", "{requestid}": "x"}
        keys = {"none": "", **{s: self.probe.new_key(s, self.owner) for s in ("read", "write", "metrics")}}
        allows = {"none": {"none"}, "read": {"none", "read"}, "write": {"none", "read", "write"}, "metrics": {"none", "metrics"}}
        self.assertEqual(spec["paths"]["/metrics"]["get"]["x-scope"], "metrics")
        for path, item in spec["paths"].items():
            for name, value in fill.items():
                path = path.replace(name, value)
            for method in set(item) & {"get", "post", "patch", "delete"}:
                scope = item[method]["x-scope"]
                for have, key in keys.items():
                    status = self.probe.ask(method.upper(), path, key=key).status
                    if scope in allows[have]:
                        self.assertNotIn(status, (401, 403), (method, path, have))
                    else:
                        self.assertEqual(status, 401 if have == "none" else 403, (method, path, have))

    def test_peers_are_shown_changed_and_sent_away(self):
        peers = self.ask("GET", "/v1/peers").json["peers"]
        self.assertEqual([p["id"] for p in peers][:2], [PEER_A, PEER_B])
        path = f"/v1/peers/{PEER_B}"
        self.assertTrue(self.ask("GET", path).json["up"])
        changed = self.ask("PATCH", path, {"zone": "b", "name": "second", "tags": ["ssd"]}).json
        self.assertEqual((changed["zone"], changed["name"], changed["tags"]), ("b", "second", ["ssd"]))
        for verb, wish in (("pause", "paused"), ("drain", "draining"), ("resume", "active")):
            self.assertEqual(self.ask("POST", f"{path}/{verb}").json["wish"], wish)
            self.assertEqual(self.ask("GET", path).json["wish"], wish)
        self.assertEqual(self.ask("GET", path).json["zone"], "b")
        pin = self.add({"cid": cid_of("holds")})
        self.ask("GET", f"/v1/pins/{pin['id']}?wait=30s")
        self.assert_problem(self.ask("DELETE", path), 409, "conflict")
        new = "12D3KooWSsFKYVZFV9zmrLUPPsmZ9KhfLe2mRnNJzKVAqPkjZf1B"
        reply = self.ask("POST", "/v1/peers", {"id": new, "zone": "c"})
        if reply.status == 201:
            self.assertEqual((reply.json["zone"], reply.json["up"]), ("c", False))
            self.assertEqual(self.ask("DELETE", f"/v1/peers/{new}").status, 204)
            self.assertEqual(self.ask("DELETE", f"/v1/peers/{new}").status, 404)
            self.assertEqual(self.ask("POST", "/v1/peers", {"id": new}).json["wish"], "active")
        for bad in ({}, {"id": "x"}, {"id": PEER_A, "url": "http://x"}, {"id": PEER_A, "zone": "a,b"}, {"id": PEER_A, "tags": [""]}):
            self.assert_problem(self.ask("POST", "/v1/peers", bad), 400, "invalid")
        self.assert_problem(self.ask("POST", "/v1/peers", {"url": "http://127.0.0.1:1"}), 409, "conflict")
        self.assert_problem(self.ask("GET", "/v1/peers/nobody"), 404, "not_found")
        self.assertFalse({"url", "down_reason"} & set(self.probe.ask("GET", path, key=self.probe.new_key("read")).json))

    def test_who_pins_what_another_owner_pins_is_shown_nothing_of_the_other(self):
        cid, other = cid_of("shared"), {"Pinfold-Owner": "mallory"}
        mine = self.add({"cid": cid, "replicas": 2, "meta": {"test": "failed"}})
        self.probe.until(lambda: self.ask("GET", f"/v1/pins/{mine['id']}").json["status"] == "failed", "it has failed")
        time.sleep(0.01)  # `created` tells milliseconds
        theirs = self.probe.ask("POST", "/v1/pins", {"cid": cid, "replicas": 1}, headers=other).json
        self.assertEqual(theirs["status"], "queued")
        def looked():
            pin = self.probe.ask("GET", f"/v1/pins/{theirs['id']}", headers=other).json
            return pin["status"] == "failed" and pin
        pin = self.probe.until(looked, "the worker has looked again")
        self.assertEqual(len(pin["copies"]), 1)
        self.assertNotIn("failing_since", pin["copies"][0])
        self.assertEqual(pin["copies"][0]["attempts"], 1)
        for reply in (self.probe.ask("GET", "/v1/pins", headers=other, copies="true"),
                      self.probe.ask("GET", "/v1/pins?copies=true&order=store", headers={"Accept": "application/x-ndjson", **other})):
            found = reply.json["pins"] if b'"pins"' in reply.body else reply.lines
            self.assertEqual([len(p["copies"]) for p in found if p["id"] == theirs["id"]], [1])
        self.assertIn("attempt 1 failed", self.probe.ask("GET", f"/pins/{theirs['id']}", headers=other).json["info"]["status_details"])
        self.assertEqual(len(self.ask("GET", f"/v1/pins/{mine['id']}").json["copies"]), 2)

    def test_drift_counts_what_is_not_as_desired(self):
        before = self.ask("GET", "/v1/drift").json
        pin = self.queued("drift")
        self.probe.until(lambda: self.ask("GET", f"/v1/pins/{pin['id']}").json["copies"], "there are copies")
        after = self.ask("GET", "/v1/drift", limit=1).json
        self.assertEqual((after["missing"] - before["missing"], after["surplus"], after["complete"]), (2, before["surplus"], True))
        self.assertEqual(len(after["copies"]), 1)
        self.assert_problem(self.ask("GET", "/v1/drift/foreign"), 503, "unavailable")  # no worker runs here

    def test_the_deny_list_takes_cids_and_digests(self):
        digest = self.ask("POST", "/v1/deny", {"cid": cid_of("denied"), "reason": "r"}).json["digest"]
        self.assertEqual(self.ask("DELETE", f"/v1/deny/{digest}").status, 204)
        self.assertEqual(self.ask("POST", "/v1/deny", {"digest": digest}).status, 201)
        self.assert_problem(self.ask("POST", "/v1/pins", {"cid": cid_of("denied")}), 403, "denied")
        self.assertIn(digest, [e["digest"] for e in self.ask("GET", "/v1/deny").json["entries"]])
        self.assertEqual(self.ask("DELETE", f"/v1/deny/{cid_of('denied')}").status, 204)
        self.assertEqual(self.ask("DELETE", f"/v1/deny/{digest}").status, 404)
        for bad in ({}, {"cid": "x"}, {"digest": "x"}, {"digest": digest.upper()}, {"cid": cid_of(1), "digest": digest}):
            self.assert_problem(self.ask("POST", "/v1/deny", bad), 400, "invalid")

    def test_health_is_open_and_metrics_are_not(self):
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/metrics", 401)):
            self.assertEqual(self.probe.ask("GET", path, key="").status, status)
        self.assertIn(b'http_requests_total{api="v1",code="2xx"} ', self.probe.ask("GET", "/metrics").body)
        self.assertEqual(self.probe.ask("GET", "/metrics", headers={"Accept": "application/openmetrics-text"}).body[-6:], b"# EOF\n")
        self.assertEqual(self.probe.ask("HEAD", "/healthz", key="").status, 200)
        refused = self.probe.ask("GET", "/metrics", key=self.probe.new_key("write", self.owner))
        self.assert_problem(refused, 403, "forbidden")
        self.assertIn("has the scope write; metrics is needed", refused.json["detail"])

    def test_what_is_deleted_while_somebody_waits_is_not_found(self):
        pin = self.queued("deleted while waited for")
        self.probe.until(lambda: self.ask("GET", f"/v1/pins/{pin['id']}").json["copies"], "the worker has looked")
        replies = []
        waiter = threading.Thread(target=lambda: replies.append(self.ask("GET", f"/v1/pins/{pin['id']}?wait=60s")))
        waiter.start()
        time.sleep(0.1)
        self.assertEqual(self.ask("DELETE", f"/v1/pins/{pin['id']}").status, 204)
        waiter.join(30)
        self.assertEqual(replies[0].status, 404)


if __name__ == "__main__":
    unittest.main()
