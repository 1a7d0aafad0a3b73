"""Whole processes for tests: Pinfold, real Kubo nodes, fake ones.  Each test has a directory of its
own and free ports; what was started is stopped by its pid, also when the test is stopped, and the
logs of a test that failed are kept.

Environment: PINFOLD_PROGRAM, FAKE_KUBO_SERVER (set by meson), TEST_KEEP (keep all directories).
"""
import atexit
import base64
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parents[2]
PROGRAM = os.environ.get("PINFOLD_PROGRAM", str(ROOT / "build/pinfold"))
FAKE_KUBO = os.environ.get("FAKE_KUBO_SERVER", str(ROOT / "build/test/lib/fake_kubo_server"))
KUBO_TOOL = str(ROOT / "tools/kubo")
PATIENCE = 120  # seconds until a test that waits in vain fails; nothing is measured with it

_started = contextlib.ExitStack()
atexit.register(_started.close)


def _interrupted(*_):  # meson's time-out: unwind, so that atexit runs
    raise KeyboardInterrupt


signal.signal(signal.SIGTERM, _interrupted)


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def until(condition, what, patience=PATIENCE, every=0.1):
    """Waits for `condition()` to be true and gives its value."""
    say(f"waiting until {what}")
    end = time.monotonic() + patience
    while not (value := condition()):
        if time.monotonic() > end:
            raise AssertionError(f"waited in vain until {what}")
        time.sleep(every)
    return value


def stays(condition, what, seconds):
    """Holds `condition()` to be true all that time."""
    say(f"watching for {seconds} s that {what}")
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not condition():
            raise AssertionError(f"it did not stay so that {what}")
        time.sleep(0.2)


def free_port():
    """Below the ephemeral range, so that it is still free after a kill."""
    while True:
        port = random.randrange(10000, 30000)
        with socket.socket() as s, contextlib.suppress(OSError):
            s.bind(("127.0.0.1", port))
            return port


def cid_of(data, codec=0x55):
    """CIDv1 sha2-256 in base32 of bytes or text; raw unless told otherwise."""
    data = data if isinstance(data, bytes) else str(data).encode()
    made = bytes([1, codec, 0x12, 0x20]) + hashlib.sha256(data).digest()
    return "b" + base64.b32encode(made).decode().lower().rstrip("=")


def end_process(process, sig=signal.SIGTERM):
    """By pid and for good; its exit code."""
    if process.poll() is None:
        process.send_signal(sig)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


class Reply:
    def __init__(self, response):
        self.status, self.headers, self.body = response.status, response.headers, response.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def lines(self):
        return [json.loads(line) for line in self.body.splitlines() if line]


def ask(port, method, path, body=None, headers=None, timeout=60):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        return Reply(connection.getresponse())
    finally:
        connection.close()


class Pinfold:
    """`pinfold up` with short waits.  `options` are added to its flags."""

    WAITS = {
        "peer-suspect-after": "6s", "peer-down-after": "8s", "peer-grace": "4s",
        "planner-poll": "100ms", "planner-sweep-interval": "3s", "planner-recheck": "1s",
        "planner-republish": "3s", "planner-peers-refresh": "500ms", "planner-keep-free": "0",
        "worker-heartbeat": "1s", "worker-heartbeat-timeout": "5s", "worker-report": "1s",
        "worker-compare": "3s", "worker-unpin-grace": "500ms", "worker-retry-min": "500ms",
        "worker-retry-max": "2s", "ttl-scan-interval": "2s", "http-drain-timeout": "5s",
    }

    def __init__(self, directory, kubos=(), env=None, **options):
        self.dir = pathlib.Path(directory, "pinfold")
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = None
        self.starts = 0
        waits = {**self.WAITS, **{k.replace("_", "-"): v for k, v in options.items()}}
        self.command = [PROGRAM, "up", "--data", str(self.dir), "--listen", f"127.0.0.1:{self.port}"]
        self.command += [a for k in kubos for a in ("--kubo", k)]
        self.command += [a for k, v in waits.items() for a in (f"--{k}", v)]
        self.up_env = env
        _started.callback(self.kill)

    @property
    def log(self):
        return self.dir.parent / "pinfold.log"

    def start(self, wait=True):
        self.dir.parent.mkdir(parents=True, exist_ok=True)
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, env=self.up_env or self.env(key=False),
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        self.starts += 1
        if wait:
            self.wait_ready()
        return self

    def wait_ready(self):
        end = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(OSError, http.client.HTTPException):
                if ask(self.port, "GET", "/readyz").status == 200:
                    return
            if self.process.poll() is not None:
                raise AssertionError(f"pinfold ended with {self.process.returncode}: {self.tail()}")
            if time.monotonic() > end:
                raise AssertionError(f"pinfold does not get ready: {self.tail()}")
            time.sleep(0.02)

    def tail(self):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-20:])

    def kill(self):
        """kill -9"""
        if self.process:
            end_process(self.process, signal.SIGKILL)

    def stop(self):
        code = end_process(self.process)
        if code != 0:
            raise AssertionError(f"pinfold ended with {code}: {self.tail()}")

    # --- talking to it -------------------------------------------------------------------

    @property
    def key(self):
        return (self.dir / "admin.key").read_text().strip()

    def env(self, key=True, **more):
        """For programs that this test starts: none of the user's own settings."""
        kept = ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE")
        out = {k: os.environ[k] for k in kept if k in os.environ}
        out |= {"HOME": str(self.dir.parent), "PINFOLD_SERVER": self.url, "no_proxy": "*"}
        if key:
            out["PINFOLD_KEY"] = self.key
        return {k: v for k, v in {**out, **more}.items() if v is not None}

    def cli(self, *args, code=0, stdin="", **env):
        out = subprocess.run([PROGRAM, *args], env=self.env(**env), input=stdin, text=True,
                             capture_output=True, timeout=PATIENCE)
        if out.returncode != code:
            raise AssertionError(f"pinfold {args} ended with {out.returncode}, not {code}: "
                                 f"{out.stdout}{out.stderr}")
        return out

    def owner_key(self, owner, scope="write"):
        return self.cli("key", "create", "--owner", owner, "--scope", scope).stdout.strip()

    def ask(self, method, path, body=None, key=None, headers=None, raw=None, **query):
        if query:
            path += "?" + urllib.parse.urlencode(query)
        h = {} if key == "" else {"Authorization": f"Bearer {key or self.key}"}
        if body is not None:
            raw = json.dumps(body)
            h["Content-Type"] = "application/json"
        return ask(self.port, method, path, raw, {**h, **(headers or {})})

    def pin(self, cid, key=None, **fields):
        """POST /v1/pins; the pin's id."""
        reply = self.ask("POST", "/v1/pins", {"cid": cid, **fields}, key)
        if reply.status not in (200, 201, 202):
            raise AssertionError(f"POST /v1/pins: {reply.status} {reply.body}")
        return reply.json["id"]

    def unpin(self, pin_id, key=None):
        reply = self.ask("DELETE", f"/v1/pins/{pin_id}", key=key)
        if reply.status not in (200, 202, 204):
            raise AssertionError(f"DELETE: {reply.status} {reply.body}")

    def peers(self):
        return self.ask("GET", "/v1/peers").json["peers"]

    def status(self, pin_id, key=None):
        return self.ask("GET", f"/v1/pins/{pin_id}", key=key).json["status"]


class FakeKubo:
    """One node in memory that does at once what it is told; see fake_kubo_server.c."""

    def __init__(self, *args):
        self.process = subprocess.Popen([FAKE_KUBO, *args], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE)
        _started.callback(self.stop)
        self.url = self.process.stdout.readline().strip()
        self.port = int(self.url.rsplit(":", 1)[1])

    def stop(self):
        end_process(self.process)
        self.process.stdin.close()
        self.process.stdout.close()

    def order(self, what, **query):
        path = f"/fake/{what}" + ("?" + urllib.parse.urlencode(query) if query else "")
        reply = ask(self.port, "POST", path)
        if reply.status != 200:
            raise AssertionError(f"{path}: {reply.status} {reply.body}")
        return reply

    def fault(self, name, **query):
        self.order("fault", name=name, **query)

    def pins(self):
        return {line["Cid"]: line["Name"] for line in self.order("pins").lines}


class Kubo:
    """One of the nodes of `Kubos`.  Its HTTP API is asked directly, never through Pinfold."""

    def __init__(self, tool, told):
        self.tool, self.n, self.url, self.swarm = tool, told["node"], told["api"], told["swarm"]
        self.id = told["id"]
        self.port = int(self.url.rsplit(":", 1)[1])

    def rpc(self, command, **query):
        path = f"/api/v0/{command}" + ("?" + urllib.parse.urlencode(query) if query else "")
        return ask(self.port, "POST", path)

    def pinned(self, cid):
        """The name of the pin, or None; also None while the node does not answer."""
        try:
            reply = self.rpc("pin/ls", arg=cid, type="recursive", names="true")
        except (OSError, http.client.HTTPException):
            return None
        return reply.json["Keys"][cid].get("Name", "") if reply.status == 200 else None

    def pins(self):
        return set(self.rpc("pin/ls", type="recursive").json.get("Keys", {}))

    def running(self, command, cid):
        """Whether a call of that command is in work on the node."""
        return any(c["Active"] and c["Command"] == command and cid in c["Args"]
                   for c in self.rpc("diag/cmds").json)

    def add(self, data, pin=True):
        """Content of this node alone; its CID."""
        cid = subprocess.run(self.tool.command("ipfs", str(self.n), "add", "-Q", "--cid-version=1",
                                               f"--pin={str(pin).lower()}"), env=self.tool.env,
                             input=data, capture_output=True, check=True, timeout=PATIENCE)
        return cid.stdout.decode().strip()

    def put_block(self, data):
        """One raw block, not pinned; its CID."""
        out = subprocess.run(self.tool.command("ipfs", str(self.n), "block", "put"), env=self.tool.env,
                             input=data, capture_output=True, check=True, timeout=PATIENCE)
        return out.stdout.decode().strip()

    def ipfs(self, *args, code=0):
        out = subprocess.run(self.tool.command("ipfs", str(self.n), *args), env=self.tool.env,
                             capture_output=True, text=True, timeout=PATIENCE)
        if out.returncode != code:
            raise AssertionError(f"ipfs {args} ended with {out.returncode}: {out.stdout}{out.stderr}")
        return out.stdout

    def kill(self):
        say(f"SIGKILL to Kubo {self.n}")
        self.tool.run("kill", str(self.n))

    def boot(self):
        say(f"booting Kubo {self.n}")
        self.tool.run("boot", str(self.n))


class Kubos:
    """N real nodes on loopback, connected with each other: `nodes`."""

    def __init__(self, directory, n):
        # The path of a unix socket has 108 bytes at most: a directory of its own.
        self.dir = tempfile.mkdtemp(prefix="kubo-")
        self.kept = pathlib.Path(directory)
        self.env = {**os.environ, "KUBO_NODES_DIR": self.dir}
        _started.callback(self.stop)
        say(f"starting {n} Kubo nodes")
        self.nodes = [Kubo(self, json.loads(line)) for line in self.run("start", str(n)).splitlines()]

    def command(self, *args):
        return [KUBO_TOOL, *args]

    def run(self, *args):
        out = subprocess.run(self.command(*args), env=self.env, capture_output=True, text=True,
                             timeout=900)  # it may have to be built
        if out.returncode != 0:
            raise AssertionError(f"tools/kubo {args}: {out.stderr}")
        return out.stdout

    def stop(self):
        if not os.path.isdir(self.dir):
            return
        for log in pathlib.Path(self.dir).glob("node*/log"):
            self.kept.mkdir(parents=True, exist_ok=True)
            shutil.copy(log, self.kept / f"{log.parent.name}.log")
        self.run("wipe")
        shutil.rmtree(self.dir, ignore_errors=True)


class Story(unittest.TestCase):
    """Tests of one class share what setUpClass() starts in `cls.dir`."""

    failed = True  # until tearDownClass(), which is not reached when setUpClass() fails

    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix=f"pinfold-{cls.__name__.lower()}-"))
        cls.addClassCleanup(cls._tidy)

    @classmethod
    def _tidy(cls):
        if cls.failed or "TEST_KEEP" in os.environ:
            say(f"logs are kept in {cls.dir}")
        else:
            shutil.rmtree(cls.dir, ignore_errors=True)

    def run(self, result=None):
        say(f"-- {self._testMethodName}")
        type(self).wrong = lambda: len(result.failures) + len(result.errors)
        return super().run(result)

    @classmethod
    def tearDownClass(cls):
        cls.failed = cls.wrong() > 0


def main():
    sys.stdout.reconfigure(line_buffering=True)
    unittest.main(verbosity=2)
