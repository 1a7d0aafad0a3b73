"""A whole server on a disk that fills up, and on one that fails: what was acknowledged stays, nothing
else is acknowledged, reading goes on, and it goes on by itself once there is room."""
import os
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "system"))
from servers import FakeKubo, Pinfold, Story, cid_of, main, say, until  # noqa: E402


class FullDisk(Story):
    def setUp(self):
        self.switch = self.dir / f"{self._testMethodName}.fail"
        kubo = FakeKubo()
        self.pinfold = Pinfold(self.dir / self._testMethodName, [kubo.url])
        self.pinfold.up_env = self.pinfold.env(key=False, LD_PRELOAD=os.environ["FAIL_WRITES"], PINFOLD_FAIL_WRITES=str(self.switch))
        self.pinfold.start()
        self.told = {}

    def tearDown(self):
        self.switch.unlink(missing_ok=True)
        self.pinfold.stop()

    def add(self, n, key=None):
        """POST /v1/pins; what was acknowledged is remembered."""
        headers = {"Idempotency-Key": key} if key else {}
        reply = self.pinfold.ask("POST", "/v1/pins", {"cid": cid_of(n)}, headers=headers)
        if reply.status == 202:
            self.told[cid_of(n)] = reply.json["id"]
        return reply

    def there(self):
        return {p["cid"]: p["id"] for p in self.pinfold.ask("GET", "/v1/pins", limit=1000).json["pins"]}

    def assert_told_is_there(self):
        there = self.there()
        self.assertEqual({c: there.get(c) for c in self.told}, self.told)

    def assert_sound_after_kill(self):
        self.pinfold.kill()
        self.pinfold.start()
        self.assert_told_is_there()
        found = self.pinfold.ask("POST", "/v1/store/check", {}).json
        self.assertEqual((found["wrong"], found["orphans"]), (0, 0), found)

    def test_a_full_disk_is_507_until_there_is_room(self):
        p = self.pinfold
        for n in range(20):
            self.assertEqual(self.add(n).status, 202)
        first = self.told[cid_of(0)]
        self.switch.write_text("full")
        refused = until(lambda: (r := self.add("trigger")).status != 202 and r, "a write is refused")
        say(f"refused with {refused.status}")
        self.assertEqual((refused.status, refused.json["code"]), (507, "no_space"))
        self.assertEqual(refused.headers["Retry-After"], "60")
        for method, path, body in (("POST", "/v1/pins", {"cid": cid_of("other")}), ("PATCH", f"/v1/pins/{first}", {"name": "n"}),
                                   ("DELETE", f"/v1/pins/{first}", None), ("POST", "/v1/keys", {"scope": "read"}),
                                   ("PATCH", "/v1/owners/alice", {"max_pins": 1})):
            reply = p.ask(method, path, body)
            self.assertEqual((reply.status, reply.json["code"]), (507, "no_space"), (method, path))
        reply = p.ask("POST", "/pins", {"cid": cid_of("psa")})
        self.assertEqual((reply.status, reply.json["error"]["reason"]), (507, "INSUFFICIENT_STORAGE"))
        lines = p.ask("POST", "/v1/bulk/create", raw='{"cid":"%s"}\n' % cid_of("bulk")).lines
        self.assertEqual([line["status"] for line in lines], [507])
        out = p.cli("pin", "add", cid_of("cli"), code=1)
        self.assertIn("507", out.stderr)
        self.assert_told_is_there()
        self.assertEqual(p.ask("GET", f"/v1/pins/{first}").status, 200)
        ready = p.ask("GET", "/readyz", key="")
        self.assertEqual(ready.status, 503)
        self.assertIn(b"space", ready.body)
        self.assertNotIn(b"/", ready.body, "no path")
        self.assertEqual(p.ask("GET", "/healthz", key="").status, 200)
        self.switch.unlink()
        until(lambda: self.add("room").status == 202, "there is room again")
        p.wait_ready()
        for n in range(20, 30):
            self.assertEqual(self.add(n).status, 202)
        self.assert_told_is_there()
        until(lambda: all(p.status(i) == "pinned" for i in self.told.values()), "all that was acknowledged is pinned")
        self.assert_sound_after_kill()

    def test_who_asks_while_the_disk_is_full_does_not_fill_the_log(self):
        p = self.pinfold
        p.stop()  # its log is a file, and files are full
        p.process = child = subprocess.Popen(p.command, env=p.up_env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.addCleanup(child.stderr.close)
        p.wait_ready()
        self.switch.write_text("full")
        until(lambda: self.add("trigger").status != 202, "a write is refused")
        for n in range(5):
            self.assertEqual(self.add(n).status, 507)
            self.assertEqual(p.ask("GET", "/readyz", key="").status, 503)
        self.switch.unlink()
        until(lambda: self.add("room").status == 202, "there is room again")
        p.stop()
        logged = child.stderr.read()
        self.assertEqual(logged.count("no writes until the disk takes them again"), 1, logged)
        self.assertNotRegex(logged, r'msg="?(request|/)')

    def test_a_disk_that_cannot_sync_acknowledges_nothing(self):
        for n in range(20):
            self.assertEqual(self.add(n).status, 202)
        self.switch.write_text("sync")
        statuses = {self.add(f"unsure {n}", key=f"k{n}").status for n in range(10)}
        self.assertLessEqual(statuses, {503, 504}, "nothing is acknowledged, and it is told how it stands")
        self.assert_told_is_there()
        self.switch.unlink()
        until(lambda: self.add("again").status == 202, "the disk is trusted again")
        self.assert_told_is_there()
        self.assert_sound_after_kill()


main()
