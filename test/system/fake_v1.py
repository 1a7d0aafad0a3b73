"""A server that answers the commands' calls of /v1 and remembers them; standard library alone."""
import http.server
import json
import threading
import time
import urllib.parse

KEY = "pin_live_0123456789ab_secret_crc"
ULID = "01ARZ3NDEKTSV4RRFFQ69G5F"  # two characters short: 00, 01, ... follow


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        pass

    def answer(self, status, value=None, kind="application/json"):
        body = b"" if value is None else json.dumps(value).encode()
        self.send_response(status)
        if body:
            self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def problem(self, status, code, detail):
        self.answer(status, {"type": "about:blank", "title": "no", "status": status, "code": code,
                             "detail": detail}, "application/problem+json")

    def chunks(self):
        """The lines of a chunked body, as they come."""
        rest = b""
        while size := int(self.rfile.readline().split(b";")[0], 16):
            rest += self.rfile.read(size)
            self.rfile.readline()
            *lines, rest = rest.split(b"\n")
            yield from lines
        self.rfile.readline()
        if rest:
            yield rest

    def handle_any(self):
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        fake = self.server.fake
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            self.close_connection = True
            return self.problem(401, "UNAUTHORIZED", "no such key")
        if url.path == "/v1/bulk/create":
            return self.bulk(fake)
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = json.loads(body) if body else None
        fake.calls.append((self.command, url.path, query, body, self.headers.get("Pinfold-Owner")))
        name = self.command + " " + "/".join(p for p in url.path.split("/")[2:3])
        route = getattr(self, "on_" + name.lower().replace(" ", "_"), None)
        if not route:
            return self.problem(404, "NOT_FOUND", "there is no such route")
        route(fake, url.path.split("/")[3:], query, body)

    do_GET = do_POST = do_PATCH = do_DELETE = handle_any

    def bulk(self, fake):
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for n, line in enumerate(self.chunks(), 1):
            if not line.strip():  # counted and passed over
                continue
            item = json.loads(line)
            fake.bulk.append(item)
            result = {"line": n, "status": 202, "pin": fake.pin(item)}
            if not item["cid"].startswith(("bafy", "Qm")):
                result = {"line": n, "status": 400,
                          "error": {"code": "INVALID", "detail": f"cid: {item['cid']} is no CID"}}
            text = (json.dumps(result) + "\n").encode()
            self.wfile.write(b"%x\r\n%s\r\n" % (len(text), text))
        self.wfile.write(b"0\r\n\r\n")

    def stream(self, fake):
        """Pieces of text as they are, pauses in seconds between them; cut: without an end."""
        self.send_response(200)
        self.send_header("Content-Type", "application/x-ndjson")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for piece in fake.stream:
            if isinstance(piece, str):
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece.encode()))
            else:
                time.sleep(piece)
        if fake.cut:
            self.close_connection = True
        else:
            self.wfile.write(b"0\r\n\r\n")

    # ---- routes: /v1/NAME/rest...

    def on_post_pins(self, fake, rest, query, body):
        if rest:  # retry
            return self.with_pin(fake, rest, lambda p: self.answer(202, p))
        if not body["cid"].startswith(("bafy", "Qm")):
            return self.problem(400, "INVALID", f"cid: {body['cid']} is no CID")
        pin = fake.pin(body)
        fake.pins.insert(0, pin)
        self.answer(202, pin)

    def on_get_pins(self, fake, rest, query, body):
        if rest:
            if "wait" in query and fake.becomes == "unreadable":
                return self.problem(503, "UNAVAILABLE", "nothing was done; try again")
            if "wait" in query and fake.becomes:
                for p in fake.pins:
                    p["status"] = fake.becomes
            return self.with_pin(fake, rest, lambda p: self.answer(200, p))
        if fake.empty_page and "cursor" not in query:  # a look at many rows without a hit
            return self.answer(200, {"pins": [], "next": "0"})
        pins = [p for p in fake.pins if query.get("cid", p["cid"]) == p["cid"]]
        start, limit = int(query.get("cursor", 0)), int(query.get("limit", 100))
        page = {"pins": pins[start:start + limit]}
        if start + limit < len(pins):
            page["next"] = str(start + limit)
        self.answer(200, page)

    def with_pin(self, fake, rest, then):
        for pin in fake.pins:
            if pin["id"] == rest[0]:
                return then(pin)
        self.problem(404, "NOT_FOUND", f"there is no pin {rest[0]}")

    def on_patch_pins(self, fake, rest, query, body):
        self.with_pin(fake, rest, lambda p: (p.update(body), self.answer(200, p)))

    def on_delete_pins(self, fake, rest, query, body):
        self.with_pin(fake, rest, lambda p: (fake.pins.remove(p), self.answer(204)))

    def on_get_peers(self, fake, rest, query, body):
        self.answer(200, {"peers": [
            {"id": "12D3KooWGRUV", "number": 1, "name": "one", "zone": "a", "wish": "active", "up": True,
             "free_bytes": 5 << 30, "used_bytes": 1536, "last_seen": "2020-01-01T00:00:00Z"},
            {"id": "12D3KooWother", "number": 2, "wish": "draining", "up": False,
             "down_reason": "connection refused"}]})

    def on_post_peers(self, fake, rest, query, body):
        self.answer(200, {"id": rest[0] if rest else body.get("id", "new"), "number": 3,
                          "wish": rest[1] if rest else "active", "up": True})

    def on_patch_peers(self, fake, rest, query, body):
        self.answer(200, {"id": rest[0], "number": 3, "wish": "active", "up": True, **body})

    def on_delete_peers(self, fake, rest, query, body):
        self.answer(204)

    def on_post_keys(self, fake, rest, query, body):
        key = {"id": "0123456789ab", "owner": self.headers.get("Pinfold-Owner", "admin"),
               "scope": (body or {}).get("scope", "write"), "created": "2026-01-01T00:00:00Z",
               "key": "pin_live_new"}
        self.answer(200 if rest else 201, key)

    def on_get_keys(self, fake, rest, query, body):
        keys = [{"id": f"{n:012d}", "owner": "admin", "scope": "read", "created": "2026-01-01T00:00:00Z"}
                for n in range(3)]
        at = int(query.get("cursor", 0))
        self.answer(200, {"keys": keys[at:at + 2], **({"next": "2"} if at == 0 else {})})

    def on_delete_keys(self, fake, rest, query, body):
        self.answer(204)

    def on_get_owners(self, fake, rest, query, body):
        owner = {"owner": rest[0] if rest else "alice", "disabled": False, "priority": 0,
                 "replicas": {"min": 2, "max": 3}, "max_bytes": 1 << 40}
        self.answer(200, owner if rest else {"owners": [owner]})

    def on_patch_owners(self, fake, rest, query, body):
        self.answer(200, {"owner": rest[0], "disabled": False, "priority": 0})

    def on_get_deny(self, fake, rest, query, body):
        self.answer(200, {"entries": [{"digest": "ab" * 32, "added": "2026-01-01T00:00:00Z"}]})

    def on_post_deny(self, fake, rest, query, body):
        self.answer(201, {"digest": "cd" * 32, "added": "2026-01-01T00:00:00Z"})

    def on_delete_deny(self, fake, rest, query, body):
        self.answer(204)

    def on_get_status(self, fake, rest, query, body):
        self.answer(200, {"version": "0.1.0", "store": "mem", "time": "2026-01-01T00:00:00Z",
                          "owner": "admin", "scope": "admin"})

    def on_get_usage(self, fake, rest, query, body):
        self.answer(200, {"owner": "admin", "pins": {"pinned": 7}, "bytes": 3 << 20,
                          "approximate": False})

    def on_get_drift(self, fake, rest, query, body):
        if rest == ["foreign"]:
            return self.stream(fake)
        self.answer(200, {"missing": 1, "surplus": 0, "complete": True, "peers": [],
                          "copies": [{"cid": "bafyone", "peer": "12D3", "op": "pin", "attempts": 2}]})


class FakeServer:
    """Use as a context manager; `calls` holds (method, path, query, body, owner).  `stream` are the
    pieces of GET /v1/drift/foreign, `cut` if its end does not come."""

    def __init__(self):
        self.calls, self.bulk, self.pins, self.becomes = [], [], [], None
        self.made, self.empty_page = 0, False
        self.stream, self.cut = [], False

    def pin(self, ask):
        self.made += 1
        pin = {"id": f"{ULID}{self.made:02d}", "status": "queued", "mode": "recursive",
               "replicas": {"min": 1, "max": 1}, "priority": 0, "created": "2026-01-01T00:00:00Z",
               "pinned_copies": 0, "revision": "1", "copies": [
                   {"peer": "12D3KooWGRUV", "peer_name": "one", "state": "error", "desired": True,
                    "attempts": 4, "error": "no provider found"}]}
        pin.update({k: v for k, v in ask.items() if k in ("cid", "name", "tags", "meta")})
        return pin

    def __enter__(self):
        self.http = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.http.fake, self.http.daemon_threads = self, True
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        self.thread = threading.Thread(target=self.http.serve_forever, args=(0.05,))
        self.thread.start()
        return self

    def __exit__(self, *args):
        self.http.shutdown()
        self.http.server_close()
        self.thread.join()
