"""Each call of the store that a route makes fails once: before and after its effect."""
import concurrent.futures
import http.client
import json
import unittest

from probe import Probe, cid_of

NDJSON = {"Accept": "application/x-ndjson"}
PEER = "12D3KooWGRUVh7SGNS5DPyoHWTt3ZVUWZRgBGx6rqG9eBeYDcL1Q"
FAULTS = {503: "unavailable", 504: "outcome_unknown"}


class FailingStore(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.probe = Probe("failing")
        cls.runs = 0

    @classmethod
    def tearDownClass(cls):
        cls.probe.stop()

    def ask(self, method, path, body=None, **more):
        return self.probe.ask(method, path, body, headers={"Pinfold-Owner": self.owner, **more.pop("headers", {})}, **more)

    def pin(self, **more):
        reply = self.ask("POST", "/v1/pins", {"cid": cid_of(f"pin {self.runs}"), **more})
        self.assertEqual(reply.status, 202, reply.body)
        return reply.json

    def assert_fault(self, reply, psa):
        """A fault is told as one, and shows nothing of the inside."""
        self.assertIn(reply.status, FAULTS, reply.body)
        self.assertNotIn(b"made to fail", reply.body)
        if psa:
            self.assertIn(reply.reason, ("SERVICE_UNAVAILABLE", "OUTCOME_UNKNOWN"))
        else:
            self.assertEqual(reply.code, FAULTS[reply.status])
        self.assertTrue(reply.headers["Retry-After"])

    def each_failure(self, when, prepare):
        """`prepare` gives what to ask; asked until no call of it is left to fail (of the later
        ones of very many only some do).  Yields the reply, or None where it broke off, and how
        to ask again."""
        n, calls = 0, 0
        while calls >= n:
            n += 1 + n // 24
            type(self).runs += 1
            self.owner = f"owner-{self.runs}"
            request = prepare()
            def again(request=request):
                return self.ask(*request[:2], **request[2])
            self.probe.fail(n, when)
            try:
                reply = again()
            except (http.client.IncompleteRead, ConnectionResetError):
                reply = None
            calls = self.probe.fail(0)
            if calls >= n:
                yield reply, again
            else:
                self.assertLess(reply.status, 300, reply.body)
        self.assertGreater(n, 1, "the store was never asked")

    def assert_sound(self):
        found = self.ask("POST", "/v1/store/check", {}).json
        self.assertEqual((found["wrong"], found["orphans"]), (0, 0), found)

    # ---- requests that change something ----

    def changes(self, prepare, good, psa=False, told=lambda reply: True):
        """A change that failed is told so; asked again it is done, and the store is sound."""
        for when in ("before", "after"):
            faults = 0
            for reply, again in self.each_failure(when, prepare):
                if reply.status >= 500:
                    self.assert_fault(reply, psa)
                    faults += 1
                else: # what failed was not in the way
                    self.assertIn(reply.status, good, reply.body)
                reply = again()
                self.assertIn(reply.status, good, (when, reply.body))
                self.assertTrue(told(reply), reply.body)
            self.assertGreater(faults, 0)
        self.assert_sound()

    def request(self, method, path, body=None, key=False, **more):
        headers = dict(more.pop("headers", {}))
        if key:
            headers["Idempotency-Key"] = f"key-{self.runs}"
        return method, path, {"body": body, "headers": headers, **more}

    def test_creating_a_pin(self):
        def prepare():
            return self.request("POST", "/v1/pins", {"cid": cid_of(f"create {self.runs}"), "tags": ["a"], "name": "n", "ttl": "1h"})
        self.changes(prepare, (202,))

    def test_creating_a_pin_under_a_key_makes_one(self):
        def prepare():
            return self.request("POST", "/v1/pins", {"cid": cid_of(f"keyed {self.runs}")}, key=True)
        for when in ("before", "after"):
            for reply, again in self.each_failure(when, prepare):
                if reply.status >= 500:
                    self.assert_fault(reply, False)
                second = again()
                # "Nothing was done" gives the key back; else it is held until its time.
                self.assertIn(second.status, (202,) if reply.status == 503 else (202, 409), second.body)
                if second.status == 409:
                    self.assertEqual((second.code, second.headers["Retry-After"]), ("idempotency_key_in_use", "1"))
                    self.probe.fail(61, "clock")
                    second = again()
                    self.assertEqual(second.status, 202, second.body)
                pins = self.ask("GET", "/v1/pins").json["pins"]
                self.assertLessEqual(len(pins), 1)
                if 202 in (reply.status, second.status):
                    self.assertEqual(len(pins), 1)
        self.assert_sound()

    def test_changing_a_pin(self):
        def prepare():
            pin = self.pin(name="old", tags=["x"])
            return self.request("PATCH", f"/v1/pins/{pin['id']}", {"name": "new", "tags": ["y"], "ttl": "2h"})
        self.changes(prepare, (200,), told=lambda r: (r.json["name"], r.json["tags"]) == ("new", ["y"]))

    def test_removing_a_pin(self):
        def prepare():
            return self.request("DELETE", f"/v1/pins/{self.pin()['id']}")
        self.changes(prepare, (204, 404), told=lambda r: self.ask("GET", "/v1/pins").json["pins"] == [])

    def test_asking_for_a_retry(self):
        def prepare():
            return self.request("POST", f"/v1/pins/{self.pin()['id']}/retry")
        self.changes(prepare, (202,))

    def test_the_standards_verbs(self):
        def create():
            return self.request("POST", "/pins", {"cid": cid_of(f"psa {self.runs}"), "origins": ["/ip4/203.0.113.1/tcp/4001/p2p/" + PEER]})
        def replace():
            pin = self.ask("POST", "/pins", {"cid": cid_of(f"old {self.runs}")}).json
            return self.request("POST", f"/pins/{pin['requestid']}", {"cid": cid_of(f"new {self.runs}")})
        def delete():
            return self.request("DELETE", f"/pins/{self.pin()['id']}")
        self.changes(create, (202,), psa=True)
        self.changes(replace, (202, 404), psa=True)
        self.changes(delete, (202, 404), psa=True)

    def test_owners(self):
        def prepare():
            return self.request("PATCH", f"/v1/owners/{self.owner}", {"max_pins": 10, "replicas": 2, "zones": ["a"]})
        self.changes(prepare, (200,), told=lambda r: self.ask("GET", f"/v1/owners/{self.owner}").json["max_pins"] == 10)

    def test_keys(self):
        def made():
            return self.ask("POST", "/v1/keys", {"scope": "write"}).json["id"]
        self.changes(lambda: self.request("POST", "/v1/keys", {"scope": "read", "name": "laptop"}), (201,))
        self.changes(lambda: self.request("POST", f"/v1/keys/{made()}/rotate", {"overlap": "1h"}), (200, 201))
        self.changes(lambda: self.request("DELETE", f"/v1/keys/{made()}"), (204, 404),
                     told=lambda r: all(k.get("state") != "active" for k in self.ask("GET", "/v1/keys").json["keys"] if k["owner"] == self.owner))

    def test_a_key_is_made_once_under_one_idempotency_key(self):
        def prepare():
            return self.request("POST", "/v1/keys", {"scope": "read"}, key=True)
        for when in ("before", "after"):
            for reply, again in self.each_failure(when, prepare):
                if reply.status >= 500:
                    self.assert_fault(reply, False)
                second = again()
                self.assertIn(second.status, (201,) if reply.status == 503 else (201, 409), second.body)
                mine = [k for k in self.ask("GET", "/v1/keys").json["keys"] if k["owner"] == self.owner]
                self.assertLessEqual(len(mine), 1)

    def test_a_keyed_removal_that_was_done_is_told_as_done(self):
        def prepare():
            digest = self.ask("POST", "/v1/deny", {"cid": cid_of(f"gone {self.runs}")}).json["digest"]
            return self.request("DELETE", f"/v1/deny/{digest}", key=True)
        for when in ("before", "after"):
            for reply, again in self.each_failure(when, prepare):
                if reply.status >= 500:
                    self.assert_fault(reply, False)
                self.assert_done_in_time(again, (204,))

    def assert_done_in_time(self, again, good):
        """Asked for under its key again it is done; if its claim could not be ended, as soon as that is over."""
        reply = again()
        if reply.status == 409:
            self.assertEqual(reply.code, "idempotency_key_in_use")
            self.probe.fail(61, "clock")
            reply = again()
        for reply in (reply, again()):
            self.assertIn(reply.status, good, reply.body)
        return reply

    def test_a_keyed_order_to_forget_a_peer_that_was_done_is_told_as_done(self):
        lost = "12D3KooWSsFKYVZFV9zmrLUPPsmZ9KhfLe2mRnNJzKVAqPkjZf1B"
        def prepare():
            self.assertIn(self.ask("POST", "/v1/peers", {"id": lost}).status, (200, 201))
            return self.request("POST", f"/v1/peers/{lost}/forget", key=True)
        for when in ("before", "after"):
            for reply, again in self.each_failure(when, prepare):
                if reply.status >= 500:
                    self.assert_fault(reply, False)
                told = self.assert_done_in_time(again, (200,))
                self.assertEqual((told.json["wish"], told.headers["Idempotency-Replayed"]), ("forgotten", "true"))
                self.assertEqual(self.ask("GET", f"/v1/peers/{lost}").status, 404)

    def test_a_keyed_call_that_outlasts_its_claim_is_not_begun_anew(self):
        self.owner = "owner-slow"
        def drain():
            return self.ask("POST", f"/v1/peers/{PEER}/drain", headers={"Idempotency-Key": "slow"})
        with concurrent.futures.ThreadPoolExecutor(1) as other:
            self.probe.fail(1, "hold")
            try:
                first = other.submit(drain)
                self.probe.until(lambda: self.probe.fail(1, "hold") == 1, "it is at work")
                for _ in range(3):
                    reply = drain()
                    self.assertEqual((reply.status, reply.code), (409, "idempotency_key_in_use"))
                    self.probe.fail(61, "clock")
            finally:
                self.probe.fail(0, "hold")
            self.assertEqual(first.result().json["wish"], "draining")
        reply = drain()
        self.assertEqual((reply.status, reply.headers["Idempotency-Replayed"]), (200, "true"))

    def test_the_deny_list(self):
        def add():
            return self.request("POST", "/v1/deny", {"cid": cid_of(f"deny {self.runs}"), "reason": "r"})
        def remove():
            digest = self.ask("POST", "/v1/deny", {"cid": cid_of(f"deny {self.runs}")}).json["digest"]
            return self.request("DELETE", f"/v1/deny/{digest}")
        self.changes(add, (200, 201))
        self.changes(remove, (204, 404))

    def test_peers(self):
        new = "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"
        def gone():
            self.ask("DELETE", f"/v1/peers/{new}")
        def add():
            gone()
            return self.request("POST", "/v1/peers", {"id": new, "zone": "c"})
        def remove():
            self.ask("POST", "/v1/peers", {"id": new})
            return self.request("DELETE", f"/v1/peers/{new}")
        def patch():
            return self.request("PATCH", f"/v1/peers/{PEER}", {"zone": f"z{self.runs}", "tags": ["fast"]})
        self.changes(add, (200, 201))
        self.changes(remove, (204, 404))
        self.changes(patch, (200,), told=lambda r: r.json["zone"] == f"z{self.runs}")
        for verb in ("drain", "pause", "resume"):
            self.changes(lambda: self.request("POST", f"/v1/peers/{PEER}/{verb}"), (200,))

    def test_what_cannot_be_made_durable_has_an_unknown_outcome(self):
        self.owner = "owner-sync"
        pin = self.pin()
        lines = json.dumps({"cid": cid_of("unsure bulk"), "key": "line"}) + "\n"
        asked = [self.request("POST", "/v1/pins", {"cid": cid_of("unsure")}, key=True),
                 self.request("POST", "/pins", {"cid": cid_of("unsure")}, key=True),
                 self.request("PATCH", f"/v1/pins/{pin['id']}", {"name": "new"}, key=True),
                 self.request("POST", "/v1/keys", {"scope": "read"})]
        try:
            self.probe.fail(1, "sync")
            for method, path, more in asked:
                reply = self.ask(method, path, **more)
                self.assertEqual(reply.status, 504, (path, reply.body))
                self.assertIn(b"Idempotency-Key", reply.body)
                self.assertNotIn(b"nothing was done", reply.body)
            line, = self.ask("POST", "/v1/bulk/create", raw=lines).lines
            self.assertEqual((line["status"], line["error"]["code"]), (504, "outcome_unknown"))
            self.assertIn("Idempotency-Key", line["error"]["detail"])
        finally:
            self.probe.fail(0)
        before = len(self.ask("GET", "/v1/pins").json["pins"])
        for method, path, more in asked[:3]:
            reply = self.ask(method, path, **more)
            self.assertLess(reply.status, 300, (path, reply.body))
            self.assertEqual(reply.headers["Idempotency-Replayed"], "true")
        line, = self.ask("POST", "/v1/bulk/create", raw=lines).lines
        self.assertEqual(line["status"], 202)
        self.assertEqual(len(self.ask("GET", "/v1/pins").json["pins"]), before, "nothing is done twice")

    # ---- bulk ----

    def bulk(self, path, lines, good):
        """Each line is told done or not; done at last, however often it is asked for."""
        def prepare():
            return "POST", path, {"raw": "".join(json.dumps(line) + "\n" for line in lines())}
        for when in ("before", "after"):
            faults = 0
            for reply, again in self.each_failure(when, prepare):
                if reply is not None and reply.status >= 500: # before the first line
                    self.assert_fault(reply, False)
                elif reply is not None:
                    self.assertEqual(reply.status, 200)
                    for line in reply.lines:
                        self.assertIn(line["status"], (*good, *FAULTS), line)
                        faults += line["status"] in FAULTS
                    self.assertNotIn(b"made to fail", reply.body)
                told = again().lines
                self.assertEqual([line["line"] for line in told], [1, 2, 3])
                for line in told:
                    self.assertIn(line["status"], (*good, 404), line)
            self.assertGreater(faults, 0)
        self.assert_sound()

    def test_bulk_create(self):
        self.bulk("/v1/bulk/create", lambda: [{"cid": cid_of(f"bulk {self.runs} {i}")} for i in range(3)], (202,))

    def test_bulk_delete(self):
        def lines():
            raw = "".join(json.dumps({"cid": cid_of(f"bulk {self.runs} {i}")}) + "\n" for i in range(3))
            made = self.ask("POST", "/v1/bulk/create", raw=raw).lines
            return [{"id": line["pin"]["id"]} for line in made]
        self.bulk("/v1/bulk/delete", lines, (204,))

    # ---- requests that only read ----

    def reads(self, path, psa=False, **more):
        """What could not be read is told as a fault, never as something that is not there."""
        faults = 0
        def prepare():
            pin = self.pin(tags=["t"], name="shown")
            return "GET", path.format(id=pin["id"], cid=pin["cid"], owner=self.owner, peer=PEER), more
        for reply, again in self.each_failure("before", prepare):
            if reply is None: # a stream that had begun
                faults += 1
            elif reply.status != 200:
                self.assert_fault(reply, psa)
                faults += 1
            self.assertEqual(again().status, 200)
        self.assertGreater(faults, 0)

    def test_reads_by_the_native_api(self):
        for path in ("/v1/pins/{id}", "/v1/pins", "/v1/pins?count=true&copies=true", "/v1/pins?tag=t", "/v1/pins?name=shown",
                     "/v1/usage", "/v1/peers", "/v1/peers/{peer}", "/v1/owners", "/v1/keys", "/v1/deny", "/v1/drift"):
            with self.subTest(path):
                self.reads(path)

    def test_streams_break_off_where_the_store_fails(self):
        for path in ("/v1/pins?copies=true", "/v1/pins?order=store", "/v1/pins?order=store&copies=true"):
            with self.subTest(path):
                self.reads(path, headers=NDJSON)

    def test_reads_by_the_standard(self):
        for path in ("/pins", "/pins/{id}", "/pins/{cid}", "/pins?name=shown", "/pins?cid={cid}", "/pins?status=queued,pinning,pinned,failed"):
            with self.subTest(path):
                self.reads(path, psa=True)

    def test_a_check_that_cannot_read_says_so(self):
        faults = 0
        for reply, again in self.each_failure("before", lambda: self.request("POST", "/v1/store/check", {})):
            self.assert_fault(reply, False)
            faults += 1
        self.assertGreater(faults, 4)


unittest.main()
