"""What operators order by the native API: peers, owners, care of the store."""
import concurrent.futures
import unittest

from probe import Probe, cid_of

NDJSON = "application/x-ndjson"
PEER_A = "12D3KooWGRUVh7SGNS5DPyoHWTt3ZVUWZRgBGx6rqG9eBeYDcL1Q"
PEER_B = "12D3KooWJbJFaZ1dwpuu9tQY3ELCCCpWMJc1dSRVbcMwhiLiFq7q"
PEER_C = "12D3KooWSsFKYVZFV9zmrLUPPsmZ9KhfLe2mRnNJzKVAqPkjZf1B"


class Operator(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.probe = Probe()

    @classmethod
    def tearDownClass(cls):
        cls.probe.stop()

    def ask(self, method, path, *args, headers=None, **kwargs):
        return self.probe.ask(method, path, *args, headers=headers, **kwargs)

    def assert_problem(self, reply, status, code):
        self.assertEqual((reply.status, reply.code), (status, code), reply.body)

    def wish(self, peer):
        return self.ask("GET", f"/v1/peers/{peer}").json["wish"]

    def test_an_order_reaches_the_peer_it_means_whatever_the_peers_are_named(self):
        for bad in ("2", "007", PEER_B):
            self.assert_problem(self.ask("PATCH", f"/v1/peers/{PEER_A}", {"name": bad}), 400, "invalid")
            self.assert_problem(self.ask("POST", "/v1/peers", {"id": PEER_A, "name": bad}), 400, "invalid")
        for peer in (PEER_A, PEER_B):
            self.assertEqual(self.ask("PATCH", f"/v1/peers/{peer}", {"name": "twin"}).status, 200)
        for method, verb in (("GET", ""), ("POST", "/drain"), ("POST", "/forget"), ("POST", "/gc"), ("DELETE", "")):
            reply = self.ask(method, "/v1/peers/twin" + verb)
            self.assert_problem(reply, 409, "conflict")
            self.assertIn(PEER_A, reply.json["detail"])
        self.assert_problem(self.ask("PATCH", "/v1/peers/twin", {"zone": "z"}), 409, "conflict")
        self.assertEqual((self.wish(PEER_A), self.wish(PEER_B)), ("active", "active"))
        self.ask("PATCH", f"/v1/peers/{PEER_B}", {"name": "other"})
        self.assertEqual(self.ask("POST", "/v1/peers/twin/pause").json["id"], PEER_A)
        self.assertEqual(self.ask("POST", "/v1/peers/2/drain").json["id"], PEER_B)
        self.assertEqual([self.ask("POST", f"/v1/peers/{p}/resume").status for p in ("1", "other")], [200, 200])

    def test_of_two_orders_to_a_peer_at_once_none_is_lost(self):
        path = f"/v1/peers/{PEER_B}"
        for n in range(60):
            verb, wish = (("drain", "draining"), ("resume", "active"))[n % 2]
            with concurrent.futures.ThreadPoolExecutor(2) as both:
                done = list(both.map(lambda order: self.ask(*order).status,
                                     (("POST", f"{path}/{verb}"), ("PATCH", path, {"zone": f"z{n}"}))))
            now = self.ask("GET", path).json
            self.assertEqual((done, now["wish"], now["zone"]), ([200, 200], wish, f"z{n}"))
        self.ask("POST", f"{path}/resume")

    def test_a_peer_that_was_removed_is_not_there_until_it_is_added_again(self):
        path = f"/v1/peers/{PEER_C}"
        self.assertEqual(self.ask("POST", "/v1/peers", {"id": PEER_C, "name": "third"}).status, 201)
        self.assertEqual(self.ask("DELETE", path).status, 204)
        for order in (("GET", path), ("GET", "/v1/peers/third"), ("DELETE", path), ("PATCH", path, {"zone": "z"}), ("POST", path + "/gc"),
                      *(("POST", f"{path}/{verb}") for verb in ("drain", "pause", "resume"))):
            self.assert_problem(self.ask(*order), 404, "not_found")
        self.assertEqual(self.ask("POST", path + "/forget").json["wish"], "forgotten")  # once more: it is
        self.assertNotIn(PEER_C, [p["id"] for p in self.ask("GET", "/v1/peers").json["peers"]])
        self.assertEqual(self.ask("POST", "/v1/peers", {"id": PEER_C}).json["wish"], "active")
        self.assertEqual(self.ask("POST", path + "/forget").json["wish"], "forgotten")
        self.assertEqual(self.ask("GET", path).status, 404)

    def test_no_limit_is_another_thing_than_the_limit_for_all(self):
        path, usage = "/v1/owners/limits", {"Pinfold-Owner": "limits"}
        for given, shown in ((5, 5), (0, 0), (None, 1000000), (0, 0)):
            reply = self.ask("PATCH", path, {"max_pins": given})
            self.assertEqual((reply.status, reply.json["max_pins"]), (200, shown))
            self.assertEqual(self.ask("PATCH", path, {"priority": 1}).json["max_pins"], shown, "what is absent stays")
            self.assertEqual(self.ask("GET", "/v1/usage", headers=usage).json.get("max_pins", 0), shown)
        self.assertEqual(self.ask("GET", "/v1/owners/nobody").json["max_pins"], 1000000)

    def test_what_reads_the_whole_store_runs_once_at_a_time(self):
        lines = "".join('{"cid":"%s"}\n' % cid_of(f"whole {i}") for i in range(3000))
        self.assertEqual(len(self.ask("POST", "/v1/bulk/create", raw=lines).lines), 3000)
        check = ("POST", "/v1/store/check", {})

        def some_are_refused():
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                replies = list(pool.map(lambda _: self.ask(*check), range(8)))
            self.assertIn(200, [r.status for r in replies])
            for r in replies:
                if r.status != 200:
                    self.assert_problem(r, 409, "conflict")
            return any(r.status == 409 for r in replies)

        self.probe.until(some_are_refused, "two meet")
        self.assertEqual(self.ask(*check).status, 200)


if __name__ == "__main__":
    unittest.main()
