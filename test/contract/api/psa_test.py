"""The IPFS Pinning Service API 1.0.0, subtlety by subtlety."""
import concurrent.futures
import datetime
import json
import re
import socket
import time
import unittest
import urllib.parse

from probe import Probe, cid_of

V0 = "QmUNLLsPACCz1vLxQVkXqqLX5R1X345qqfHbsf67hvA3Nn"
V1 = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"
ALL = "queued,pinning,pinned,failed"
ULID = re.compile(r"^[0-7][0-9A-HJKMNP-TV-Z]{25}$")
PEER = "12D3KooWGRUVh7SGNS5DPyoHWTt3ZVUWZRgBGx6rqG9eBeYDcL1Q"


class Psa(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.probe = Probe()
        cls.owners = 0

    @classmethod
    def tearDownClass(cls):
        cls.probe.stop()

    def setUp(self):  # each test acts for an owner of its own
        type(self).owners += 1
        self.owner = f"owner-{self.owners}"

    def ask(self, method, path, *args, headers=None, **kwargs):
        return self.probe.ask(method, path, *args,
                              headers={"Pinfold-Owner": self.owner, **(headers or {})}, **kwargs)

    def add(self, body, status=202, **headers):
        reply = self.ask("POST", "/pins", body, headers=headers)
        self.assertEqual(reply.status, status, reply.body)
        return reply.json

    def list(self, **query):
        reply = self.ask("GET", "/pins", **query)
        self.assertEqual(reply.status, 200, reply.body)
        return reply.json

    def until(self, rid, status):
        def there():
            reply = self.ask("GET", f"/pins/{rid}")
            return reply.status == 200 and reply.json["status"] == status and reply.json
        return self.probe.until(there, f"{rid} is {status}")

    def test_without_a_good_token_everything_is_401_in_the_right_shape(self):
        good = self.probe.key
        bad = ["", "purposefullyInvalid", good[:-1] + ("a" if good[-1] != "a" else "b"), good + "x"]
        for path, method in (("/pins", "GET"), ("/pins", "POST"), ("/pins/x", "GET"),
                             ("/pins/x", "POST"), ("/pins/x", "DELETE")):
            bodies = set()
            for key in bad:
                reply = self.probe.ask(method, path, key=key)
                self.assertEqual(reply.status, 401)
                self.assertEqual(reply.headers["Content-Type"], "application/json")
                self.assertEqual(reply.headers["WWW-Authenticate"], "Bearer")
                self.assertEqual(reply.reason, "UNAUTHORIZED")
                bodies.add(reply.body)
            self.assertEqual(len(bodies), 1, "every failure looks the same")
        for header in ("Basic abc", good, "Bearer", "Bearer "):
            self.assertEqual(self.probe.ask("GET", "/pins", key="", headers={"Authorization": header}).status, 401)
        self.assertEqual(self.probe.ask("GET", "/pins?access_token=" + good, key="").status, 401)
        self.assertEqual(self.probe.ask("GET", "/pins", key="", headers={"Authorization": "bearer " + good}).status, 200)

    def test_a_pin_is_shown_as_the_standard_says(self):
        origin = f"/ip4/203.0.113.9/tcp/4001/p2p/{PEER}"
        made = self.add({"cid": V0, "name": "näme", "origins": [origin], "meta": {"app_id": "x"}})
        self.assertRegex(made["requestid"], ULID)
        self.assertIn(made["status"], ("queued", "pinning", "pinned"))
        self.assertRegex(made["created"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(made["pin"], {"cid": V0, "name": "näme", "origins": [origin], "meta": {"app_id": "x"}})
        self.assertTrue(1 <= len(made["delegates"]) <= 20)
        for delegate in made["delegates"]:
            self.assertRegex(delegate, r"/p2p/[1-9A-HJ-NP-Za-km-z]+$")
        for value in made["info"].values():
            self.assertIsInstance(value, str)
        done = self.until(made["requestid"], "pinned")
        self.assertEqual(done["created"], made["created"])
        self.assertEqual(done["info"]["dag_size"], "12345")

    def test_absent_members_are_left_out_and_never_null(self):
        made = self.add({"cid": cid_of("bare")})
        self.assertEqual(set(made["pin"]), {"cid"})
        self.assertNotIn("null", json.dumps(made))

    def test_the_cid_is_shown_as_it_was_given(self):
        for text in (V0, V1, "zdj7WbTaiJT1fgatdet9Ei9iDB5hdCxkbVyhyh8YTUnXMiwYi",
                     "f0170122059948439065f29619ef41280cbb932be52c56d99c5966b65e0111239f098bbef",
                     "BAFYBEICZSSCDSBS7FFQZ55ASQDF3SMV6KLCW3GOFSZVWLYARCI47BGF354"):
            made = self.add({"cid": text})
            self.assertEqual(made["pin"]["cid"], text)
            self.assertEqual(self.ask("GET", f"/pins/{made['requestid']}").json["pin"]["cid"], text)

    def test_by_cid_means_by_its_bytes_and_the_newest_request(self):
        first = self.add({"cid": V1})
        second = self.add({"cid": V1})
        self.assertNotEqual(first["requestid"], second["requestid"])
        self.assertEqual(self.ask("GET", f"/pins/{V1}").json["requestid"], second["requestid"])
        other_base = "zdj7WbTaiJT1fgatdet9Ei9iDB5hdCxkbVyhyh8YTUnXMiwYi"
        self.assertEqual(self.ask("GET", f"/pins/{other_base}").json["requestid"], second["requestid"])
        self.assertEqual(self.ask("GET", f"/pins/{V0}").status, 404)
        self.assertEqual(self.list(cid=V0, status=ALL)["count"], 0)
        self.assertEqual(self.list(cid=f"{V0},{V1}", status=ALL)["count"], 2)

    def test_unknown_and_foreign_ids_are_404(self):
        made = self.add({"cid": cid_of("mine")})
        stranger = {"Pinfold-Owner": "stranger"}
        for rid in (made["requestid"], "01ARZ3NDEKTSV4RRFFQ69G5FAV", "nonsense", "%20", "01ARZ3NDEKTSV4RRFFQ69G5FAI",
                    cid_of("mine")):
            for method in ("GET", "POST", "DELETE"):
                body = {"cid": cid_of("new")} if method == "POST" else None
                reply = self.probe.ask(method, f"/pins/{rid}", body, headers=stranger)
                self.assertEqual((reply.status, reply.reason), (404, "NOT_FOUND"), (method, rid))
        self.assertEqual(self.probe.ask("GET", "/pins", headers=stranger, status=ALL).json["count"], 0)
        self.assertEqual(self.ask("GET", f"/pins/{made['requestid']}").status, 200)

    def test_deleting_ends_it_once_in_any_state(self):
        for state in (None, "queued", "failed"):
            made = self.add({"cid": cid_of(f"delete {state}"), **({"meta": {"test": state}} if state else {})})
            reply = self.ask("DELETE", f"/pins/{made['requestid']}")
            self.assertEqual((reply.status, reply.body), (202, b""))
            self.assertEqual(self.ask("DELETE", f"/pins/{made['requestid']}").status, 404)
            self.assertEqual(self.ask("GET", f"/pins/{made['requestid']}").status, 404)
        self.assertEqual(self.list(status=ALL), {"count": 0, "results": []})

    def test_replacing_makes_a_new_request_with_the_new_body_alone(self):
        for cid in (cid_of("replacement"), cid_of("replaced")):  # another CID, and the same
            old = self.add({"cid": cid_of("replaced"), "name": "old", "meta": {"a": "b"}})
            reply = self.ask("POST", f"/pins/{old['requestid']}", {"cid": cid})
            self.assertEqual(reply.status, 202)
            new = reply.json
            self.assertNotEqual(new["requestid"], old["requestid"])
            self.assertEqual(new["pin"], {"cid": cid})
            self.assertEqual(self.ask("GET", f"/pins/{old['requestid']}").status, 404)
            self.assertEqual(self.ask("GET", f"/pins/{new['requestid']}").status, 200)
            self.assertEqual(self.ask("POST", f"/pins/{old['requestid']}", {"cid": cid}).status, 404)
        self.assertEqual(self.list(status=ALL)["count"], 2)

    def test_only_pinned_ones_are_listed_unless_a_status_is_given(self):
        self.add({"cid": cid_of("q"), "meta": {"test": "queued"}})
        failed = self.add({"cid": cid_of("f"), "meta": {"test": "failed"}})
        pinned = self.add({"cid": cid_of("p")})
        self.until(failed["requestid"], "failed")
        self.until(pinned["requestid"], "pinned")
        self.assertEqual([r["requestid"] for r in self.list()["results"]], [pinned["requestid"]])
        for status, n in (("queued", 1), ("failed", 1), ("pinning", 0), ("queued,failed", 2), (ALL, 3)):
            self.assertEqual(self.list(status=status)["count"], n, status)
        self.assertIn("no provider", self.ask("GET", f"/pins/{failed['requestid']}").json["info"]["status_details"])

    def test_a_pin_about_to_expire_is_pinned_only_if_a_node_has_it(self):
        waiting = self.add({"cid": cid_of("near and nowhere"), "meta": {"test": "queued", "pinfold.ttl": "4m"}})
        there = self.add({"cid": cid_of("near"), "meta": {"pinfold.ttl": "4m"}})
        self.until(there["requestid"], "pinned")
        self.assertEqual(waiting["status"], "queued")
        self.assertEqual(self.ask("GET", f"/pins/{waiting['requestid']}").json["status"], "queued")
        self.assertEqual([r["requestid"] for r in self.list()["results"]], [there["requestid"]])
        self.assertEqual(self.list(status="queued")["count"], 1)
        v1 = [self.ask("GET", f"/v1/pins/{pin['requestid']}").json["status"] for pin in (waiting, there)]
        self.assertEqual(v1, ["queued", "expiring"])

    def test_what_failed_for_others_has_not_failed_for_a_new_request(self):
        body = {"cid": cid_of("failed before"), "meta": {"test": "failed"}}
        self.until(self.add(body)["requestid"], "failed")
        time.sleep(0.01)  # `created` tells milliseconds
        self.assertEqual(self.add(body)["status"], "queued")

    def test_names_match_in_four_ways(self):
        for name in ("Alpha", "alpha", "alphabet", "beta"):
            rid = self.add({"cid": cid_of("name " + name), "name": name})["requestid"]
            self.until(rid, "pinned")
        for match, name, found in ((None, "Alpha", {"Alpha"}), ("exact", "alpha", {"alpha"}), ("exact", "alph", set()),
                                   ("iexact", "ALPHA", {"Alpha", "alpha"}), ("partial", "lph", {"Alpha", "alpha", "alphabet"}),
                                   ("partial", "LPH", set()), ("ipartial", "ALPHA", {"Alpha", "alpha", "alphabet"})):
            query = {"name": name, **({"match": match} if match else {})}
            result = self.list(**query)
            self.assertEqual({r["pin"]["name"] for r in result["results"]}, found, query)
            self.assertEqual(result["count"], len(found))

    def test_meta_finds_pins_that_have_all_of_it(self):
        self.until(self.add({"cid": cid_of("m1"), "meta": {"a": "1", "b": "2"}})["requestid"], "pinned")
        self.until(self.add({"cid": cid_of("m2"), "meta": {"a": "1"}})["requestid"], "pinned")
        for meta, n in (({"a": "1"}, 2), ({"b": "2", "a": "1"}, 1), ({"a": "2"}, 0), ({}, 2)):
            self.assertEqual(self.list(meta=json.dumps(meta))["count"], n, meta)

    def test_pages_by_before_lose_nothing_even_when_clients_keep_milliseconds(self):
        cids = [cid_of(f"page {i}") for i in range(35)]
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda c: self.add({"cid": c, "meta": {"test": "queued"}}), cids))
        for limit in (1, 7, 10, 35, 1000):
            seen, before, pages = [], None, 0
            while True:
                query = {"status": ALL, "limit": limit, **({"before": before} if before else {})}
                page = self.list(**query)
                times = [r["created"] for r in page["results"]]
                self.assertEqual(times, sorted(times, reverse=True))
                self.assertTrue(page["results"])
                seen += [r["pin"]["cid"] for r in page["results"]]
                pages += 1
                if page["count"] == len(page["results"]):
                    break
                self.assertGreater(page["count"], len(page["results"]))
                # As Go writes it: zeros at the end of the fraction are dropped.
                before = re.sub(r"\.?0+Z$", "Z", times[-1]) if "." in times[-1] else times[-1]
            self.assertEqual(sorted(seen), sorted(cids), limit)
            self.assertLessEqual(pages, -(-35 // limit) + 1)

    def test_counts_are_of_all_filters_before_and_after_included(self):
        made = [self.add({"cid": cid_of(f"count {i}"), "meta": {"test": "queued"}}) for i in range(5)]
        created = [m["created"] for m in made]
        self.assertEqual(len(set(created)), 5)
        for query, n in (({}, 5), ({"before": created[2]}, 2), ({"after": created[2]}, 2),
                         ({"before": created[3], "after": created[0]}, 2), ({"before": created[0]}, 0),
                         ({"after": "1960-01-01T00:00:00Z"}, 5), ({"before": "1960-01-01T00:00:00Z"}, 0)):
            self.assertEqual(self.list(status=ALL, limit=1, **query)["count"], n, query)
        moved = datetime.datetime.fromisoformat(created[2].replace("Z", "+00:00"))
        other_zone = moved.astimezone(datetime.timezone(datetime.timedelta(hours=5, minutes=30))).isoformat()
        self.assertEqual(self.list(status=ALL, before=other_zone)["count"], 2)

    def test_ten_are_given_where_no_limit_is(self):
        for i in range(12):
            self.add({"cid": cid_of(f"ten {i}"), "meta": {"test": "queued"}})
        page = self.list(status=ALL)
        self.assertEqual((len(page["results"]), page["count"]), (10, 12))

    def test_lists_may_come_with_commas_or_one_by_one(self):
        for i in range(3):
            self.add({"cid": cid_of(f"list {i}"), "meta": {"test": "queued"}})
        one, two = cid_of("list 0"), cid_of("list 1")
        for query in (f"cid={one}%2C{two}", f"cid={one},{two}", f"cid={one}&cid={two}"):
            for status in ("status=queued%2Cpinned", "status=queued&status=pinned"):
                reply = self.ask("GET", f"/pins?{query}&{status}&unknown=1")
                self.assertEqual(reply.json["count"], 2, query)

    def test_malformed_filters_are_400(self):
        twice = cid_of(1)
        for query in ("cid=notacid", "cid=", f"cid={twice},{twice}", "cid=" + ",".join(cid_of(i) for i in range(11)),
                      "status=done", "status=", "status=pinned,pinned", "status=expiring", "match=fuzzy", "match=", "limit=0",
                      "limit=1001", "limit=-1", "limit=x", "limit=", "limit=1e2", "limit=99999999999999999999", "before=yesterday",
                      "before=2020-01-01", "after=1", "before=", "meta=", "meta=1", "meta=[]", "meta=%7B%22a%22%3A1%7D",
                      "meta=%7B%22a%22%3A%22b%22", "meta=%7B%22a%22%3A%7B%7D%7D", "name=" + "x" * 256, "limit=1&limit=2",
                      "name=%ff", "name=%00", "name=%zz"):
            reply = self.ask("GET", "/pins?" + query)
            self.assertEqual(reply.status, 400, query)
            self.assertEqual(reply.reason, "BAD_REQUEST", query)
            self.assertTrue(reply.json["error"]["details"], query)
        self.assertEqual(self.ask("GET", "/pins?name=" + urllib.parse.quote("é" * 255)).status, 200)
        self.assertEqual(self.ask("GET", "/pins?cid=" + ",".join(cid_of(i) for i in range(10))).status, 200)

    def test_malformed_bodies_are_400(self):
        cid = cid_of("body")
        peer = f"/ip4/203.0.113.9/tcp/4001/p2p/{PEER}"
        for body in ({}, [], {"cid": ""}, {"cid": "Q"}, {"cid": 5}, {"cid": None}, {"cid": "/ipfs/" + cid}, {"cid": cid + "a"},
                     {"cid": "z" + V0}, {"cid": cid[:-1]}, {"cid": "k" * 600}, {"cid": cid, "name": 5}, {"cid": cid, "name": "x" * 256},
                     {"cid": cid, "name": "a\0b"}, {"cid": cid, "origins": "x"}, {"cid": cid, "origins": [5]},
                     {"cid": cid, "origins": ["/ip4/203.0.113.9/tcp/4001"]}, {"cid": cid, "origins": [peer, peer]},
                     {"cid": cid, "origins": [peer.replace("4001", str(i)) for i in range(21)]}, {"cid": cid, "origins": None},
                     {"cid": cid, "meta": []}, {"cid": cid, "meta": {"a": 1}}, {"cid": cid, "meta": {"a": None}}, {"cid": cid, "meta": None},
                     {"cid": cid, "meta": {str(i): "" for i in range(1001)}}, {"cid": cid, "meta": {"a": "x" * 16385}},
                     {"cid": cid, "meta": {"pinfold.replicas": "many"}}, {"cid": cid, "meta": {"pinfold.ttl": "0s"}},
                     {"cid": cid, "meta": {"pinfold.tags": ""}}, {"cid": cid, "meta": {"pinfold.colour": "red"}}):
            reply = self.ask("POST", "/pins", body)
            self.assertEqual((reply.status, reply.reason), (400, "BAD_REQUEST"), body)
        for raw in (b"", b"{", b"nonsense", b'{"cid":"%s"} x' % cid.encode(), b'{"cid":"%s","cid":"%s"}' % (cid.encode(), cid.encode()),
                    b'{"cid":"%s","name":"\xff"}' % cid.encode(), b'{"cid":"%s","x":1e400}' % cid.encode(),
                    b'{"cid":"%s","x":%s}' % (cid.encode(), b"9" * 400), b'{"cid":"%s","x":%s}' % (cid.encode(), b"[" * 10000 + b"]" * 10000),
                    b'{"cid":"%s","name":"\\ud800"}' % cid.encode(), b'{"cid":"%s","name":"a\nb"}' % cid.encode()):
            reply = self.ask("POST", "/pins", raw=raw)
            self.assertEqual((reply.status, reply.reason), (400, "BAD_REQUEST"), raw[:80])
        self.assertEqual(self.list(status=ALL)["count"], 0)

    def test_hash_functions_that_kubo_refuses_are_refused(self):
        md5 = "f01" + "55" + "d501" + "10" + "00" * 16
        reply = self.ask("POST", "/pins", {"cid": md5})
        self.assertEqual(reply.status, 400)

    def test_names_may_have_255_code_points_and_none(self):
        for name in ("", "x" * 255, "🐧" * 255):
            made = self.add({"cid": cid_of("names"), "name": name})
            self.assertEqual(made["pin"].get("name", ""), name)
        self.assertEqual(self.ask("POST", "/pins", {"cid": cid_of(1), "name": "🐧" * 256}).status, 400)

    def test_members_the_standard_does_not_name_are_ignored(self):
        self.add({"cid": cid_of("extra"), "extra": {"a": [1]}})

    def test_reserved_meta_keys_do_what_they_say_and_stay(self):
        meta = {"pinfold.replicas": "2-3", "pinfold.ttl": "30d", "pinfold.tags": "b,a", "pinfold.priority": "-5", "other": "x"}
        made = self.add({"cid": cid_of("reserved"), "meta": meta})
        self.assertEqual(made["pin"]["meta"], meta)
        self.assertRegex(made["info"]["pinned_until"], r"Z$")
        native = self.ask("GET", f"/v1/pins/{made['requestid']}").json
        self.assertEqual((native["replicas"], native["tags"], native["priority"]), ({"min": 2, "max": 3}, ["a", "b"], -5))

    def test_browsers_may_ask(self):
        for path in ("/pins", "/pins/x", "/v1/pins"):
            reply = self.probe.ask("OPTIONS", path, key="", headers={"Origin": "https://example.org",
                                                                     "Access-Control-Request-Method": "POST"})
            self.assertEqual((reply.status, reply.body), (204, b""))
            self.assertEqual(reply.headers["Access-Control-Allow-Origin"], "*")
            for header in ("Authorization", "Content-Type", "Idempotency-Key"):
                self.assertIn(header, reply.headers["Access-Control-Allow-Headers"])
            self.assertEqual(reply.headers["Access-Control-Max-Age"], "86400")
        for key in ("", None):
            self.assertEqual(self.probe.ask("GET", "/pins", key=key).headers["Access-Control-Allow-Origin"], "*")

    def test_other_methods_are_405_and_say_which_there_are(self):
        for method, path, allowed in (("PUT", "/pins", "GET, HEAD, POST, OPTIONS"), ("DELETE", "/pins", "GET, HEAD, POST, OPTIONS"),
                                      ("PATCH", "/pins/x", "GET, HEAD, POST, DELETE, OPTIONS")):
            reply = self.ask(method, path)
            self.assertEqual((reply.status, reply.headers["Allow"]), (405, allowed))
            self.assertEqual(reply.reason, "METHOD_NOT_ALLOWED")

    def test_what_the_http_layer_refuses_has_a_failure_too(self):
        long = self.ask("GET", "/pins?meta=" + "x" * 30000)
        self.assertEqual((long.status, long.headers["Content-Type"]), (414, "application/json"))
        self.assertIn("reason", long.json["error"])
        large = self.ask("POST", "/pins", raw=b'{"x":"' + b"x" * 300000 + b'"}')
        self.assertEqual((large.status, large.reason), (413, "BODY_TOO_LARGE"))
        self.assertEqual(large.headers["Access-Control-Allow-Origin"], "*", "a browser may read why")
        with socket.create_connection(("127.0.0.1", self.probe.port), 60) as other:
            other.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
            answer = other.makefile("rb").read()
        self.assertTrue(answer.startswith(b"HTTP/1.1 505 "))
        self.assertIn(b'"code":"http_version"', answer)
        self.assertIn(b'"reason":"HTTP_VERSION_NOT_SUPPORTED"', answer)
        headers = self.ask("GET", "/pins", headers={"X-Long": "x" * 20000})
        self.assertEqual(headers.status, 431)
        self.assertIn("reason", headers.json["error"])

    def test_a_repeated_call_under_a_key_has_one_effect(self):
        body = {"cid": cid_of("once"), "name": "n", "meta": {"test": "queued"}}
        for key in ('"8e03978e-40d5-43e8-bc93-6894a57f9324"', "bare-key"):
            first = self.ask("POST", "/pins", body, headers={"Idempotency-Key": key})
            again = self.ask("POST", "/pins", dict(reversed(body.items())), headers={"Idempotency-Key": key})
            self.assertEqual((first.status, again.status), (202, 202))
            self.assertEqual(first.body, again.body)
            self.assertIsNone(first.headers["Idempotency-Replayed"])
            self.assertEqual(again.headers["Idempotency-Replayed"], "true")
            other = self.ask("POST", "/pins", {**body, "name": "m"}, headers={"Idempotency-Key": key})
            self.assertEqual((other.status, other.reason), (422, "IDEMPOTENCY_KEY_REUSED"))
        self.assertEqual(self.list(status=ALL)["count"], 2)
        made = self.ask("POST", f"/pins/{first.json['requestid']}", body, headers={"Idempotency-Key": "bare-key"})
        self.assertEqual(made.status, 202, "another route is another scope")
        gone = [self.ask("DELETE", f"/pins/{made.json['requestid']}", headers={"Idempotency-Key": "d"}) for _ in range(2)]
        self.assertEqual([(g.status, g.body) for g in gone], [(202, b"")] * 2)

    def test_a_call_that_changed_nothing_may_be_tried_again_under_its_key(self):
        key = {"Idempotency-Key": "again"}
        self.assertEqual(self.ask("POST", "/pins", {"cid": "bad"}, headers=key).status, 400)
        self.assertEqual(self.ask("DELETE", "/pins/01ARZ3NDEKTSV4RRFFQ69G5FAV", headers=key).status, 404)
        self.assertEqual(self.ask("POST", "/pins", {"cid": cid_of("again")}, headers=key).status, 202)
        for bad in ('""', "", '"a', "x" * 256, 'a"b', "a\\b", "é"):
            self.assertEqual(self.ask("POST", "/pins", {"cid": cid_of(1)}, headers={"Idempotency-Key": bad}).status, 400, bad)

    def test_one_key_at_the_same_moment_makes_one_pin(self):
        def go(_):
            return self.ask("POST", "/pins", {"cid": cid_of("race")}, headers={"Idempotency-Key": "race"})
        with concurrent.futures.ThreadPoolExecutor(16) as pool:
            replies = list(pool.map(go, range(64)))
        self.assertLessEqual({r.status for r in replies}, {202, 409})
        self.assertEqual(len({r.json["requestid"] for r in replies if r.status == 202}), 1)
        for r in replies:
            if r.status == 409:
                self.assertEqual(r.reason, "IDEMPOTENCY_KEY_IN_USE")
        self.assertEqual(self.list(status=ALL)["count"], 1)

    def test_keys_of_two_owners_do_not_meet(self):
        ids = set()
        for owner in ("key-a", "key-b"):
            headers = {"Idempotency-Key": "same", "Pinfold-Owner": owner}
            ids.add(self.probe.ask("POST", "/pins", {"cid": cid_of("same")}, headers=headers).json["requestid"])
        self.assertEqual(len(ids), 2)

    def test_quotas_are_insufficient_funds(self):
        self.assertEqual(self.ask("PATCH", f"/v1/owners/{self.owner}", {"max_pins": 2}).status, 200)
        made = [self.add({"cid": cid_of(f"quota {i}")}) for i in range(2)]
        self.assertEqual(self.add({"cid": cid_of("quota 2")}, 409)["error"]["reason"], "INSUFFICIENT_FUNDS")
        self.assertEqual(self.ask("POST", f"/pins/{made[0]['requestid']}", {"cid": cid_of("quota 3")}).status, 202)
        self.assertEqual(self.ask("DELETE", f"/pins/{made[1]['requestid']}").status, 202)
        self.add({"cid": cid_of("quota 4")})

    def test_what_a_worker_does_not_fetch_as_it_is_denied_has_failed_and_says_why(self):
        pin = self.add({"cid": cid_of("denied later"), "meta": {"test": "denied"}})
        details = self.until(pin["requestid"], "failed")["info"]["status_details"]
        self.assertEqual(details, "0 of 1 copies; this content is on the deny list: court order")
        copies = self.ask("GET", f"/v1/pins/{pin['requestid']}").json["copies"]
        self.assertEqual([copy["failure"] for copy in copies], ["denied"])

    def test_counts_are_exact_to_a_thousand(self):
        def add(i):
            self.add({"cid": cid_of(f"{self.owner} {i}"), "name": f"n{i}", "meta": {"test": "queued"}})

        raw = "".join(json.dumps({"cid": cid_of(f"{self.owner} {i}"), "name": f"n{i}", "meta": {"test": "queued"}}) + "\n" for i in range(999))
        self.assertEqual(len(self.ask("POST", "/v1/bulk/create", raw=raw).lines), 999)
        for i, count in enumerate((999, 1000, 1001, 1001), 999):
            for filters in ({}, {"name": "n", "match": "partial"}):  # from totals, and row by row
                page = self.list(status="queued", limit=1, **filters)
                self.assertEqual((page["count"], len(page["results"])), (count, 1), filters)
            add(i)

    def test_a_quota_of_bytes_refuses_once_it_is_used_up(self):
        size = 12345  # of each pin that the probe's worker says it holds
        for i in range(2):
            pin = self.add({"cid": cid_of(f"{self.owner} bytes {i}")})
            self.probe.until(lambda: self.ask("GET", f"/pins/{pin['requestid']}").json["status"] == "pinned", "it is pinned")
        self.assertEqual(self.ask("GET", "/v1/usage").json["bytes"], 2 * size)
        for bound, refused in ((2 * size + 1, False), (2 * size, True), (2 * size - 1, True), (1, True), (0, False)):
            self.assertEqual(self.ask("PATCH", f"/v1/owners/{self.owner}", {"max_bytes": bound}).status, 200)
            self.probe.fail(2, "clock")  # what is known of an owner's usage is a second old at most
            body = {"cid": cid_of(f"{self.owner} bound {bound}"), "meta": {"test": "queued"}}  # of no size
            reply = self.ask("POST", "/pins", body)
            self.assertEqual(reply.status, 409 if refused else 202, bound)
            if refused:
                self.assertEqual(reply.reason, "INSUFFICIENT_FUNDS")
                self.assertEqual(self.ask("POST", f"/pins/{pin['requestid']}", body).status, 409, "a replacement brings bytes too")
            lines = self.ask("POST", "/v1/bulk/create", raw=json.dumps({**body, "cid": cid_of(f"{self.owner} line {bound}")})).lines
            self.assertEqual([line["status"] for line in lines], [409 if refused else 202], bound)

    def test_content_on_the_deny_list_is_refused(self):
        self.assertEqual(self.ask("POST", "/v1/deny", {"cid": V0, "reason": "court order"}).status, 201)
        try:
            for cid in (V0, V1):  # the same content under another CID
                reply = self.ask("POST", "/pins", {"cid": cid})
                self.assertEqual((reply.status, reply.reason), (403, "DENIED"))
                self.assertIn("court order", reply.json["error"]["details"])
        finally:
            self.assertEqual(self.ask("DELETE", f"/v1/deny/{V1}").status, 204)
        self.add({"cid": V0})

    def test_too_many_requests_are_429_and_say_how_long_to_wait(self):
        key = self.probe.new_key("read", "hasty")
        self.assertEqual(self.ask("PATCH", "/v1/owners/hasty", {"max_requests_per_second": 2}).status, 200)
        replies = [self.probe.ask("GET", "/pins", key=key) for _ in range(8)]
        self.assertEqual(replies[0].headers["X-RateLimit-Limit"], "4")
        refused = [r for r in replies if r.status == 429]
        self.assertTrue(refused)
        self.assertEqual(refused[0].reason, "TOO_MANY_REQUESTS")
        self.assertEqual(refused[0].headers["X-RateLimit-Remaining"], "0")
        self.assertGreaterEqual(int(refused[0].headers["Retry-After"]), 1)
        self.assertGreater(int(refused[0].headers["X-RateLimit-Reset"]), 1600000000)

    def test_scopes_bound_what_a_key_may_do(self):
        read, write = self.probe.new_key("read", self.owner), self.probe.new_key("write", self.owner)
        body = {"cid": cid_of("scope")}
        self.assertEqual(self.probe.ask("POST", "/pins", body, key=read).status, 403)
        made = self.probe.ask("POST", "/pins", body, key=write)
        self.assertEqual(made.status, 202)
        self.assertEqual(self.probe.ask("GET", f"/pins/{made.json['requestid']}", key=read).status, 200)
        self.assertEqual(self.probe.ask("DELETE", f"/pins/{made.json['requestid']}", key=read).status, 403)
        for key in (read, write):
            reply = self.probe.ask("GET", "/pins", key=key, headers={"Pinfold-Owner": "other"})
            self.assertEqual((reply.status, reply.reason), (403, "FORBIDDEN"))
            self.assertEqual(self.probe.ask("GET", "/pins", key=key, headers={"Pinfold-Owner": self.owner}).status, 200)
        self.assertEqual(self.probe.ask("GET", "/pins", headers={"Pinfold-Owner": "with space"}).status, 400)

    def test_a_disabled_owner_may_only_have_less(self):
        made = self.add({"cid": cid_of("disabled")})
        self.ask("PATCH", f"/v1/owners/{self.owner}", {"disabled": True})
        reply = self.ask("POST", "/pins", {"cid": cid_of("more")})
        self.assertEqual((reply.status, reply.reason), (403, "OWNER_DISABLED"))
        self.assertEqual(self.ask("DELETE", f"/pins/{made['requestid']}").status, 202)


class Budget(unittest.TestCase):
    """Searches that would read too many rows; five pins, the oldest pinned, the others queued."""

    def with_budget(self, budget):
        probe = Probe("budget", str(budget))
        self.addCleanup(probe.stop)
        oldest = probe.ask("POST", "/pins", {"cid": cid_of(0)}).json["requestid"]
        probe.until(lambda: probe.ask("GET", f"/pins/{oldest}").json["status"] == "pinned", "it is pinned")
        for i in range(1, 5):
            self.assertEqual(probe.ask("POST", "/pins", {"cid": cid_of(i), "name": f"n{i}", "meta": {"test": "queued"}}).status, 202)
        return probe

    def test_nothing_within_the_budget_is_too_broad_and_a_count_that_is_cut_is_one_more(self):
        for budget, found in ((4, False), (5, True), (6, True)):
            with self.subTest(budget=budget):
                probe = self.with_budget(budget)
                reply = probe.ask("GET", "/pins")
                self.assertEqual(reply.status, 200 if found else 400)
                self.assertEqual(reply.json["count"] if found else reply.reason, 1 if found else "FILTER_TOO_BROAD")
                page = probe.ask("GET", "/pins", name="n", match="partial", status=ALL).json
                self.assertEqual((page["count"], len(page["results"])), (4 if found else 5, 4))
                page = probe.ask("GET", "/pins", name="n", match="partial", status=ALL, limit=2).json
                self.assertEqual((page["count"], len(page["results"])), (4 if found else 5, 2))
                page = probe.ask("GET", "/v1/pins", name="n", match="partial", count="true").json
                self.assertEqual((page["count"], page["count_exact"], "cut" in page), (4 if found else 5, found, not found))

    def test_a_status_that_no_pin_has_is_told_at_once(self):
        reply = self.with_budget(1).ask("GET", "/pins?limit=1&status=pinning")
        self.assertEqual((reply.status, reply.json), (200, {"count": 0, "results": []}))


if __name__ == "__main__":
    unittest.main()
