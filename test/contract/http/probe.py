"""Starts http_probe and talks to it: plain sockets, so that nothing is polite by accident."""
import os
import re
import socket
import subprocess
import sys
import time
import unittest

PROGRAM = os.environ.get("HTTP_PROBE", "build/test/contract/http/http_probe")
PATIENCE = 60  # seconds until a test that hangs fails


class Probe:
    def __init__(self, stderr=None, **options):
        args = [f"{k}={v}" for k, v in options.items()]
        self.process = subprocess.Popen([PROGRAM, *args], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE, stderr=stderr, text=True, bufsize=1)
        first = self.process.stdout.readline()
        if not first.startswith("port "):
            self.process.communicate(timeout=PATIENCE)
            raise RuntimeError(f"http_probe did not start: {first!r}")
        self.port = int(first.split()[1])
        self.tls = "cert" in options

    def command(self, line):
        self.tell(line)
        return self.answer()

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().rstrip("\n")

    def stats(self):
        return {k: int(v) for k, v in (pair.split("=") for pair in self.command("stats").split())}

    def until(self, **wanted):
        """Waits until the counters have these values."""
        end = time.monotonic() + PATIENCE
        while True:
            stats = self.stats()
            if all(stats[k] == v for k, v in wanted.items()):
                return stats
            if time.monotonic() > end:
                raise AssertionError(f"waited in vain for {wanted}: {stats}")
            time.sleep(0.01)

    def connect(self):
        sock = socket.create_connection(("127.0.0.1", self.port), PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return Connection(sock)

    def ask(self, *args, **kwargs):
        with self.connect() as c:
            return c.ask(*args, **kwargs)

    def stop(self):
        out, _ = self.process.communicate(timeout=PATIENCE)
        if not out.endswith("done\n") or self.process.returncode != 0:
            raise AssertionError(f"http_probe ended with {self.process.returncode}: {out!r}")


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body


class Connection:
    def __init__(self, sock):
        self.sock, self.rest = sock, b""

    def __del__(self):
        self.sock.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.sock.close()

    def send(self, data):
        self.sock.sendall(data)

    def request(self, path, method="GET", body=None, headers=()):
        lines = [f"{method} {path} HTTP/1.1", "Host: probe", *headers]
        if body is not None:
            lines.append(f"Content-Length: {len(body)}")
        self.send("\r\n".join([*lines, "", ""]).encode() + (body or b""))

    def ask(self, *args, **kwargs):
        self.request(*args, **kwargs)
        return self.answer(head_only=kwargs.get("method") == "HEAD")

    def more(self):
        data = self.sock.recv(65536)
        self.rest += data
        return len(data) > 0

    def take(self, n):
        while len(self.rest) < n:
            if not self.more():
                raise EOFError(self.rest)
        out, self.rest = self.rest[:n], self.rest[n:]
        return out

    def line(self):
        while b"\r\n" not in self.rest:
            if not self.more():
                raise EOFError(self.rest)
        out, self.rest = self.rest.split(b"\r\n", 1)
        return out.decode()

    def head(self):
        status, headers = int(self.line().split()[1]), {}
        while line := self.line():
            name, value = line.split(":", 1)
            headers[name.lower()] = value.strip()
        return status, headers

    def chunk(self):
        n = int(self.line(), 16)
        out = self.take(n)
        if self.line():
            raise AssertionError("a chunk is longer than it says")
        return out

    def answer(self, head_only=False):
        status, headers = self.head()
        body = b""
        if head_only or status in (204, 304) or status < 200:
            pass
        elif headers.get("transfer-encoding") == "chunked":
            pieces = []
            while piece := self.chunk():
                pieces.append(piece)
            body = b"".join(pieces)
        elif "content-length" in headers:
            body = self.take(int(headers["content-length"]))
        else:
            body = self.until_end()
        return Answer(status, headers, body)

    def until_end(self):
        while self.more():
            pass
        out, self.rest = self.rest, b""
        return out

    def ended(self):
        """True if the server has closed, or reset, and sent nothing before."""
        try:
            return self.until_end() == b""
        except ConnectionResetError:
            return True


class ProbeTest(unittest.TestCase):
    """A server a test, made by self.start(options); it must end well."""

    def start(self, **options):
        probe = Probe(**options)
        self.addCleanup(probe.process.stdout.close)
        self.addCleanup(probe.stop)
        return probe


def main():
    unittest.main(argv=[sys.argv[0], "-v"])
