"""The log has one line a request, and nothing in it that is secret."""
import http.client
import json
import re
import shlex
import socket
import struct
import tempfile
import unittest

from probe import Probe, cid_of


def parsed(line):
    if line.startswith("{"):
        return json.loads(line)
    return dict(word.split("=", 1) for word in shlex.split(line))


class RequestLog(unittest.TestCase):
    def lines(self, level, work, log="logfmt"):
        """What the log says of requests that `work` makes."""
        with tempfile.TemporaryFile("w+") as err:
            probe = Probe("log", log, level, stderr=err)
            try:
                work(probe)
            finally:
                probe.stop()
            err.seek(0)
            self.text = err.read()
        return [line for line in map(parsed, self.text.splitlines()) if line["msg"] == "request"]

    def test_a_request_is_one_line_with_what_operators_ask_for(self):
        def work(probe):
            alice = probe.new_key("write", "alice")
            self.id = probe.ask("POST", "/pins", {"cid": cid_of("logged")}, key=alice).json["requestid"]
            self.body = probe.ask("GET", f"/v1/pins/{self.id}", key=alice).body
            probe.ask("DELETE", f"/pins/{self.id}", key=alice, headers={"Pinfold-Owner": "alice"})
            probe.ask("GET", "/v1/pins", headers={"Pinfold-Owner": "alice"})

        for log in ("logfmt", "json"):
            made, create, get, delete, listed = self.lines("debug", work, log)
            self.assertEqual((made["method"], made["route"], made["status"], made["owner"]), ("POST", "/v1/keys", "201", "admin"))
            self.assertEqual((create["method"], create["route"], create["status"]), ("POST", "/pins", "202"))
            self.assertEqual((get["route"], get["bytes"]), ("/v1/pins/{id}", str(len(self.body))))
            self.assertEqual((delete["method"], delete["route"]), ("DELETE", "/pins/{requestid}"))
            self.assertEqual({line.get("requestid") for line in (create, get, delete)}, {self.id})
            self.assertEqual({line["owner"] for line in (create, get, delete, listed)}, {"alice"}, "who is acted for")
            for line in (made, create, get, delete, listed):
                self.assertEqual((line["level"], line["client"], line.get("error")), ("debug", "127.0.0.1", None))
                self.assertGreater(int(line["duration_us"]), 0)

    def test_a_repetition_under_a_key_names_the_pin_too(self):
        def work(probe):
            for path, name in (("/pins", "requestid"), ("/v1/pins", "id")):
                replies = [probe.ask("POST", path, {"cid": cid_of(path)}, headers={"Idempotency-Key": "again"}) for _ in range(2)]
                self.assertEqual(replies[1].headers["Idempotency-Replayed"], "true")
                self.ids += [reply.json[name] for reply in replies]

        self.ids = []
        self.assertEqual([line.get("requestid") for line in self.lines("debug", work)], self.ids)

    def test_by_default_what_went_well_has_no_line_and_what_clients_did_wrong_neither(self):
        def work(probe):
            self.assertEqual(probe.ask("POST", "/pins", {"cid": cid_of("quiet")}).status, 202)
            self.assertEqual(probe.ask("GET", "/v1/nothing").status, 404)
            self.assertEqual(probe.ask("GET", "/pins", key="").status, 401)
            with socket.create_connection(("127.0.0.1", probe.port)) as s:
                s.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
                self.assertEqual(s.recv(4096)[:12], b"HTTP/1.1 505")
            probe.fail(1)
            self.assertEqual(probe.ask("GET", "/v1/pins").status, 503)

        self.assertEqual(self.lines("info", work), [])

    def test_what_the_server_failed_at_is_an_error(self):
        def work(probe):
            probe.fail(1, "sync")
            self.assertEqual(probe.ask("POST", "/v1/pins", {"cid": cid_of("not durable")}).status, 504)

        for log in ("logfmt", "json"):
            line, = self.lines("error", work, log)
            self.assertEqual((line["level"], line["status"], line["route"], line["owner"]), ("error", "504", "/v1/pins", "admin"))

    def test_who_was_refused_and_why_is_told(self):
        def work(probe):
            read = probe.new_key("read", "alice")
            probe.ask("POST", "/pins", {"cid": cid_of("refused")}, key=read)
            probe.ask("GET", "/v1/pins", key="")
            probe.ask("GET", "/v1/pins/01ARZ3NDEKTSV4RRFFQ69G5FAV")
            probe.ask("GET", "/v1/nothing")
            with socket.create_connection(("127.0.0.1", probe.port)) as s:
                s.sendall(b"nonsense\r\n\r\n")
                while s.recv(4096):
                    pass

        lines = self.lines("debug", work)[1:]
        self.assertEqual([(x.get("status"), x.get("error"), x.get("route"), x.get("owner"), x.get("requestid")) for x in lines],
                         [("403", "forbidden", "/pins", "alice", None), ("401", "unauthorized", "/v1/pins", None, None),
                          ("404", "not_found", "/v1/pins/{id}", "admin", "01ARZ3NDEKTSV4RRFFQ69G5FAV"),
                          ("404", "not_found", None, None, None), ("400", "invalid", None, None, None)])
        self.assertNotIn("method", lines[4])

    def test_a_stream_is_logged_when_it_has_ended_with_all_its_bytes(self):
        def work(probe):
            raw = "".join('{"cid":"%s"}\n' % cid_of(f"bulk {i}") for i in range(500))
            self.bulk = probe.ask("POST", "/v1/bulk/create", raw=raw).body
            c = http.client.HTTPConnection("127.0.0.1", probe.port, timeout=60)
            c.request("GET", "/v1/pins", headers={"Authorization": "Bearer " + probe.key, "Accept": "application/x-ndjson"})
            self.stream = c.getresponse().read()
            c.close()

        bulk, stream = self.lines("debug", work)
        self.assertEqual((bulk["route"], bulk["status"], bulk["bytes"]), ("/v1/bulk/create", "200", str(len(self.bulk))))
        self.assertEqual((stream["route"], stream["status"], stream["bytes"]), ("/v1/pins", "200", str(len(self.stream))))
        self.assertGreater(len(self.stream), 10000)

    def test_a_client_that_left_has_a_line_too(self):
        def work(probe):
            pin = probe.ask("POST", "/v1/pins", {"cid": cid_of("left"), "meta": {"test": "queued"}}).json
            probe.fail(1, "hold")
            with socket.create_connection(("127.0.0.1", probe.port)) as s:
                s.sendall(f"GET /v1/pins/{pin['id']} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {probe.key}\r\n\r\n".encode())
                probe.until(lambda: probe.fail(1, "hold") == 1, "it is in work")
                s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            probe.fail(0, "hold")

        line, = (line for line in self.lines("debug", work) if line.get("route") == "/v1/pins/{id}")
        self.assertEqual((line["error"], line["bytes"], line.get("status"), line["level"]), ("client_left", "0", None, "debug"))

    def test_what_is_cut_at_the_end_of_the_server_is_an_error_and_no_client_left(self):
        def work(probe):
            pin = probe.ask("POST", "/v1/pins", {"cid": cid_of("cut"), "meta": {"test": "queued"}}).json
            probe.fail(1, "hold")
            s = socket.create_connection(("127.0.0.1", probe.port))
            self.addCleanup(s.close)
            s.sendall(f"GET /v1/pins/{pin['id']} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {probe.key}\r\n\r\n".encode())
            probe.until(lambda: probe.fail(1, "hold") == 1, "it is in work")

        line, = self.lines("error", work)
        self.assertEqual((line["error"], line["route"], line.get("status"), line["level"]), ("cut", "/v1/pins/{id}", None, "error"))

    def test_no_line_holds_what_is_secret(self):
        hidden = "h1dd3n"

        def work(probe):
            alice = probe.new_key("write", "alice")
            kid = alice.split("_")[2]
            probe.ask("GET", "/v1/pins", key=alice, cursor=hidden)
            probe.ask("POST", "/pins", {"cid": cid_of("secret"), "meta": {"x": hidden}}, key=alice, headers={"Idempotency-Key": f'"{hidden}"'})
            probe.ask("GET", f"/v1/pins/{hidden}", key=alice)
            probe.ask("GET", f"/nowhere/{hidden}?key={hidden}", key=alice)
            probe.ask("DELETE", f"/v1/keys/{alice}")
            probe.ask("GET", "/v1/pins", key=hidden)
            probe.ask("POST", f"/v1/keys/{kid}/rotate", headers={"Pinfold-Owner": "alice"})
            self.secrets = [hidden, alice, alice.split("_")[3], probe.key, probe.key.split("_")[3], "Bearer"]

        for log in ("logfmt", "json"):
            self.assertEqual(len(self.lines("debug", work, log)), 8)
            for secret in self.secrets:
                self.assertIsNone(re.search(re.escape(secret), self.text), secret)


if __name__ == "__main__":
    unittest.main()
