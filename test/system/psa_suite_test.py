#!/usr/bin/env python3
"""The official compliance suite of the Pinning Service API against the whole program.

Its content is made up and exists nowhere, so the node is the fake one, which pins at once.
"""
import subprocess

import servers


class PsaSuite(servers.Story):
    def test_nine_checks_of_nine_pass(self):
        kubo = servers.FakeKubo()
        pinfold = servers.Pinfold(self.dir, [kubo.url]).start()
        key = pinfold.owner_key("compliance")
        servers.say("waiting for the suite, about a minute")
        out = subprocess.run([servers.ROOT / "tools/psa-suite", pinfold.url, key],
                             capture_output=True, text=True, timeout=480)
        print(out.stdout, out.stderr)
        self.assertEqual(out.returncode, 0)
        self.assertEqual(out.stdout.splitlines()[-1], "psa-suite: 9 passed, 0 failed")
        pinfold.stop()


if __name__ == "__main__":
    servers.main()
