#!/usr/bin/env python3
"""Ten thousand CIDs that nobody has do not stand in the way of one that is there."""
import json

import servers
from servers import until

MANY = 10_000
SOON = 120  # seconds, also with sanitizers; the ten thousand alone would keep the node busy for hours


class Unfetchable(servers.Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kubo = servers.FakeKubo()
        # Long waits: a place is not won because an earlier fetch has failed.
        cls.pinfold = servers.Pinfold(cls.dir, [cls.kubo.url], worker_patience="500ms", worker_stall_timeout="10m",
                                      worker_retry_max="1h").start()
        cls.addClassCleanup(cls.pinfold.stop)
        cls.mine, cls.other = cls.pinfold.owner_key("mine"), cls.pinfold.owner_key("other")
        cls.kubo.fault("no-progress", on="pin/add", ms=500)
        lines = "".join(json.dumps({"cid": servers.cid_of(f"nobody has {i}")}) + "\n" for i in range(MANY))
        reply = cls.pinfold.ask("POST", "/v1/bulk/create", key=cls.mine, raw=lines,
                                headers={"Content-Type": "application/x-ndjson"})
        assert [line["status"] for line in reply.lines] == [202] * MANY, reply.body[:1000]

    def pinning(self):
        reply = self.pinfold.ask("GET", "/v1/pins", key=self.mine, status="pinning", limit=1, count="true")
        return reply.json["count"]

    def soon_pinned(self, cid, key):
        until(lambda: self.pinning() > 0, "fetches of what nobody has are under way")
        self.kubo.fault("no-progress", on="pin/add", ms=500, but=cid)
        pin = self.pinfold.pin(cid, key)
        until(lambda: self.pinfold.status(pin, key) == "pinned", "what is there is pinned", SOON)
        self.assertIn(cid, self.kubo.pins())

    def test_a_pin_of_the_same_owner_is_made_while_they_wait(self):
        self.soon_pinned(servers.cid_of("local, the same owner's"), self.mine)

    def test_a_pin_of_another_owner_is_made_while_they_wait(self):
        self.soon_pinned(servers.cid_of("local, another owner's"), self.other)

    def test_a_pin_is_made_after_a_restart_too(self):
        until(lambda: self.pinning() > 0, "fetches of what nobody has are under way")
        self.pinfold.kill()
        self.pinfold.start()
        self.soon_pinned(servers.cid_of("local, after the restart"), self.other)


if __name__ == "__main__":
    servers.main()
