#!/usr/bin/env python3
"""The README's quick start, pasted line by line beside a fresh `make run`: quick_start_test.py ROOT."""
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(sys.argv.pop(1))


class QuickStart(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory(prefix="pinfold-quick-")
        self.addCleanup(self.home.cleanup)
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            self.listen = f"127.0.0.1:{s.getsockname()[1]}"
        cache = os.environ.get("XDG_CACHE_HOME", os.path.expanduser("~/.cache"))
        self.env = {"PATH": os.environ["PATH"], "HOME": self.home.name, "PINFOLD_LISTEN": self.listen,
                    "KUBO_CACHE": os.environ.get("KUBO_CACHE", f"{cache}/pinfold/kubo")}

    def start(self):
        log = pathlib.Path(self.home.name, "log")
        with log.open("wb") as out:
            server = subprocess.Popen([ROOT / "tools/run"], env=self.env, stdout=out, stderr=out,
                                      stdin=subprocess.DEVNULL)
        self.addCleanup(self.stop, server)
        until = time.monotonic() + 1200  # the first run on a machine builds Kubo
        while True:
            try:
                urllib.request.urlopen(f"http://{self.listen}/readyz", timeout=5).close()
                return server
            except (urllib.error.URLError, OSError):
                self.assertIsNone(server.poll(), log.read_text())
                self.assertLess(time.monotonic(), until, log.read_text())
                time.sleep(0.1)

    def stop(self, server):
        if server.poll() is None:
            server.send_signal(signal.SIGTERM)
            server.wait(120)

    def test_every_line_does_what_it_says(self):
        section = re.search(r"^## Quick start\n(.*?)^## ", (ROOT / "README.md").read_text(), re.S | re.M)[1]
        lines = "".join(re.findall(r"^```\n(.*?)^```", section, re.S | re.M))
        self.assertGreater(lines.count("\n"), 8)
        server = self.start()
        script = "set -eu\n" + lines.replace("127.0.0.1:9480", self.listen)
        out = subprocess.run(["bash", "-c", script], env=self.env, cwd=ROOT, capture_output=True, text=True,
                             timeout=300)
        self.assertEqual(out.returncode, 0, out.stdout + out.stderr)
        self.assertRegex(out.stdout, r"\n\S+ +Qm\S+ +pinned +1/1 ")
        self.assertRegex(out.stdout, r"Qm\S+\s+(pinned|queued|pinning)\s+readme\n$")
        self.stop(server)
        self.assertEqual(server.returncode, 0)


if __name__ == "__main__":
    unittest.main()
