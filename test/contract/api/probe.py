"""Starts api_probe and talks to it: JSON over plain HTTP connections."""
import hashlib
import http.client
import json
import os
import subprocess
import time
import urllib.parse

PROGRAM = os.environ.get("API_PROBE", "build/test/contract/api/api_probe")
ALPHABET = "abcdefghijklmnopqrstuvwxyz234567"


def cid_of(text):
    """CIDv1 raw sha2-256 of a text, base32."""
    data = bytes([1, 0x55, 0x12, 0x20]) + hashlib.sha256(str(text).encode()).digest()
    bits = int.from_bytes(data, "big") << (-len(data) * 8 % 5)
    n = -(-len(data) * 8 // 5)
    return "b" + "".join(ALPHABET[bits >> 5 * (n - 1 - i) & 31] for i in range(n))


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def reason(self):  # of a Failure
        return self.json["error"]["reason"]

    @property
    def code(self):  # of problem details
        return self.json["code"]


class Probe:
    def __init__(self, *args, stderr=None):
        self.process = subprocess.Popen([PROGRAM, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr,
                                        text=True)
        line = self.process.stdout.readline()
        if not line:
            self.process.communicate(timeout=30)
            raise RuntimeError("api_probe did not start")
        told = json.loads(line)
        self.port, self.key = told["port"], told["key"]

    def stop(self):
        self.process.communicate(timeout=60)
        assert self.process.returncode == 0, self.process.returncode

    def fail(self, n, when="before"):
        """Lets the store's n-th call fail; how many there were since the last time.  `when` "sync":
        from now on nothing becomes durable; "clock": n seconds pass; "hold": see api_probe.c."""
        self.process.stdin.write(f"{n} {when}\n")
        self.process.stdin.flush()
        return int(self.process.stdout.readline())

    def ask(self, method, path, body=None, key=None, headers=None, raw=None, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        h = {} if key == "" else {"Authorization": "Bearer " + (key or self.key)}
        h.update(headers or {})
        data = raw
        if body is not None:
            data = json.dumps(body)
            h.setdefault("Content-Type", "application/json")
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            c.request(method, path, data, h)
            return Reply(c.getresponse())
        finally:
            c.close()

    def new_key(self, scope="write", owner=None, **more):
        body = {"scope": scope, **more}
        if owner:
            body["owner"] = owner
        reply = self.ask("POST", "/v1/keys", body)
        assert reply.status == 201, reply.body
        return reply.json["key"]

    def until(self, condition, what):
        end = time.monotonic() + 30
        while not (value := condition()):
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain until {what}")
            time.sleep(0.005)
        return value
