"""What the benches share: a server on a directory of its own, the fake Kubo, the load, the figures."""
import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
BUILD = pathlib.Path(os.environ.get("BUILD", ROOT / "build"))
OWNERS = 100
# Threads of the server that work after the reply, by name; the rest is the way to it.
LATER = ("planner", "reconciler", "worker", "ttl")


def report(bench, metric, value, unit, goal=None, most=False):
    """One figure; `most`: the goal is an upper bound."""
    met = None if goal is None else bool(value <= goal if most else value >= goal)
    print(json.dumps({"bench": bench, "metric": metric, "value": round(value, 2), "unit": unit,
                      "goal": goal, "met": met}), flush=True)


def note(text):
    print(text, file=sys.stderr, flush=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def stop(process, how=signal.SIGTERM, wait=120):
    if process.poll() is None:
        process.send_signal(how)
    try:
        process.wait(wait)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ticks_us(stat):
    """User and system time of a line of /proc/*/stat."""
    fields = stat[stat.rindex(")") + 2:].split()
    return (int(fields[11]) + int(fields[12])) * 1e6 / os.sysconf("SC_CLK_TCK")


def append_fdatasync(directory, seconds=3, size=600):
    """Appends of `size` bytes a second, each with its fdatasync: (rate, p50 in us)."""
    path = pathlib.Path(directory) / "append"
    took = []
    with open(path, "wb", buffering=0) as f:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.monotonic()
            f.write(b"x" * size)
            os.fdatasync(f.fileno())
            took.append(time.monotonic() - began)
    path.unlink()
    took.sort()
    return len(took) / sum(took), took[len(took) // 2] * 1e6


class Server:
    """`pinfold up` on `directory`, with `kubo` (URLs), until stopped."""

    def __init__(self, directory, kubo=(), *options, ready_s=120):
        self.directory = pathlib.Path(directory)
        self.port = free_port()
        args = [BUILD / "pinfold", "up", "--data", self.directory / "data", "--listen",
                f"127.0.0.1:{self.port}", *options]
        for url in kubo:
            args += ["--kubo", url]
        self.log = open(self.directory / "log", "ab")
        began = time.monotonic()
        self.process = subprocess.Popen(args, stdout=self.log, stderr=self.log)
        self.pid = self.process.pid
        self._wait_ready(began + ready_s)
        self.ready_after = time.monotonic() - began
        self.admin = (self.directory / "data" / "admin.key").read_text().strip()
        self.keys = self.directory / "keys"

    def _wait_ready(self, until):
        while time.monotonic() < until:
            if self.process.poll() is not None:
                sys.exit(f"the server ended: {(self.directory / 'log').read_text()[-2000:]}")
            with contextlib.suppress(OSError, http.client.HTTPException):
                if self.call("GET", "/readyz", key="")[0] == 200:
                    return
            time.sleep(0.01)
        sys.exit("the server does not become ready")

    def call(self, method, path, body=None, key=None):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        headers = {"Authorization": f"Bearer {key if key is not None else self.admin}"}
        if key == "":
            headers = {}
        c.request(method, path, json.dumps(body) if body is not None else None,
                  {**headers, "Content-Type": "application/json"})
        reply = c.getresponse()
        text = reply.read()
        c.close()
        return reply.status, text

    def make_keys(self, owners=OWNERS):
        """One write key for each owner, a line each."""
        keys = []
        for i in range(owners):
            status, text = self.call("POST", "/v1/keys", {"scope": "write", "owner": f"owner-{i}"})
            if status != 201:
                sys.exit(f"no key: {status} {text}")
            keys.append(json.loads(text)["key"])
        self.keys.write_text("\n".join(keys) + "\n")

    def load(self, mode, *args):
        """Runs bench/load and returns what it says."""
        out = subprocess.run([BUILD / "bench" / "load", mode, "--port", str(self.port), "--keys",
                              self.keys, "--pid", str(self.pid), *map(str, args)],
                             stdout=subprocess.PIPE, check=True).stdout
        said = json.loads(out)
        if said["failed"]:
            note(f"{mode}: {said['failed']} of {said['done'] + said['failed']} failed")
        return said

    def cpu_us(self):
        """CPU time in us: "later" that of the roles, "now" of all other threads."""
        text = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        total, later = ticks_us(text), 0
        for task in pathlib.Path(f"/proc/{self.pid}/task").iterdir():
            with contextlib.suppress(OSError):
                text = (task / "stat").read_text()
                if text[text.index("(") + 1:text.rindex(")")] in LATER:
                    later += ticks_us(text)
        return {"now": total - later, "later": later}

    def resident_mib(self, what="VmRSS"):
        for line in pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith(what + ":"):
                return int(line.split()[1]) / 1024
        return 0

    def pins(self):
        """Pins by status, of all owners."""
        total = {}
        for key in self.keys.read_text().split():
            for status, n in json.loads(self.call("GET", "/v1/usage", key=key)[1])["pins"].items():
                total[status] = total.get(status, 0) + n
        return total

    def wait_pinned(self, n, seconds, every=0.5):
        """How many pins are pinned when `n` are, or after so long; and how long that took."""
        began = time.monotonic()
        while True:
            pinned = self.pins().get("pinned", 0)
            if pinned >= n or time.monotonic() - began > seconds:
                return pinned, time.monotonic() - began
            time.sleep(every)

    def stop(self, how=signal.SIGTERM):
        stop(self.process, how)
        self.log.close()


@contextlib.contextmanager
def directory(keep=None):
    """A temporary directory, or the one given, which stays."""
    if keep:
        pathlib.Path(keep).mkdir(parents=True, exist_ok=True)
        yield pathlib.Path(keep)
        return
    with tempfile.TemporaryDirectory(prefix="pinfold-bench-") as d:
        yield pathlib.Path(d)


@contextlib.contextmanager
def fake_kubo(*args):
    """A node at which everything succeeds at once: its URL."""
    p = subprocess.Popen([BUILD / "test/lib/fake_kubo_server", *args], stdin=subprocess.PIPE,
                         stdout=subprocess.PIPE, text=True)
    try:
        yield p.stdout.readline().strip()
    finally:
        p.stdin.close()
        stop(p)


BLOCK = 1000  # pins in a row that belong to one owner


@contextlib.contextmanager
def filled(pins, keep=None, block=BLOCK):
    """A directory and the URL of a node: a store of `pins` pins that are pinned there (bench/fill)."""
    with directory(keep) as d:
        store_id, held = d / "store_id", d / "held"
        if not store_id.exists():
            (d / "data").mkdir()
            began = time.monotonic()
            said = subprocess.run([BUILD / "bench/fill", d / "data/store", "0", str(pins), str(block),
                                   d / "ids", held], stdout=subprocess.PIPE, text=True, check=True).stdout
            note(f"{pins} pins made in {time.monotonic() - began:.0f} s")
            store_id.write_text(said.strip())
        with fake_kubo("--held", f"pinfold/{store_id.read_text()}:{held}") as kubo:
            yield d, kubo


@contextlib.contextmanager
def server(where, kubo=(), *options, **more):
    s = Server(where, kubo, *options, **more)
    try:
        yield s
    finally:
        s.stop()


SETTLE_S = 6


def settle(s=None, share=0.05, seconds=600):
    """The sweep that a new peer causes shall not be in the figures; with a server: until it rests."""
    time.sleep(SETTLE_S)
    until = time.monotonic() + seconds
    while s and time.monotonic() < until:
        before = sum(s.cpu_us().values())
        time.sleep(2)
        if sum(s.cpu_us().values()) - before < share * 2e6:
            return


class Peak:
    """The highest resident memory while it runs."""

    def __init__(self, s):
        self.server, self.mib, self.over = s, 0, threading.Event()
        self.thread = threading.Thread(target=self._watch, daemon=True)

    def _watch(self):
        while not self.over.wait(0.02):
            with contextlib.suppress(OSError):
                self.mib = max(self.mib, self.server.resident_mib())

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.thread.join()


def say_machine():
    note(f"{os.cpu_count()} cores, load {' '.join(f'{x:.1f}' for x in os.getloadavg())}")
