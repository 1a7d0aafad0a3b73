#!/usr/bin/env python3
"""Four real Kubo nodes: three that Pinfold keeps pins on, and a user's own that has the content and
asks with `ipfs pin remote`.  What became of it is asked of the nodes, never of Pinfold."""
import os
import time

import servers
from servers import stays, until

SERVICE = "--service=pinfold"
# Until a dead node is replaced: counts as down, stays away for the grace time, is seen by a sweep and the
# content is fetched; the rest is room for a busy machine.
REPLACED = sum(int(servers.Pinfold.WAITS[w].removesuffix("s"))
               for w in ("peer-down-after", "peer-grace", "planner-sweep-interval")) + 15
NOBODY = "bafkreib3wkbxjz4hhcxw3nymqrlsurwwd7vqlgjbqh4fzzsiub2w7cvtva"  # content of nobody


class FourKubos(servers.Story):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.kubos = servers.Kubos(cls.dir, 4)
        cls.addClassCleanup(cls.kubos.stop)
        *cls.peers, cls.user = cls.kubos.nodes
        cls.pinfold = servers.Pinfold(cls.dir, [k.url for k in cls.peers]).start()
        cls.addClassCleanup(cls.pinfold.stop)
        cls.pinfold.cli("owner", "set", "alice", "--replicas", "2")
        cls.alice = cls.pinfold.owner_key("alice")
        cls.bob = cls.pinfold.owner_key("bob")
        cls.user.ipfs("pin", "remote", "service", "add", "pinfold", cls.pinfold.url, cls.alice)

    def setUp(self):
        until(lambda: sum(p["up"] for p in self.pinfold.peers()) == 3, "all three peers are up")

    def content(self, size=300_000):
        """New content that the user's node alone has."""
        return self.user.add(os.urandom(size))

    def holders(self, cid):
        return [k for k in self.peers if k.pinned(cid) is not None]

    def until_held(self, cid, n):
        return until(lambda: len(h := self.holders(cid)) == n and h, f"{n} nodes hold {cid}")

    def until_gone(self, cid):
        until(lambda: not self.holders(cid), f"no node holds {cid}")

    def remote_add(self, *args):
        self.user.ipfs("pin", "remote", "add", SERVICE, *args)

    # --- the standard client ----------------------------------------------------------------

    def test_remote_add_ls_and_rm_place_the_owners_default_of_two_copies(self):
        cid = self.content()
        self.remote_add("--name=story", cid)  # returns when it is pinned
        self.assertEqual(len(self.holders(cid)), 2)
        self.assertIn(cid, self.user.ipfs("pin", "remote", "ls", SERVICE, "--name=story"))
        stays(lambda: len(self.holders(cid)) == 2, "two nodes hold it", 4)
        self.user.ipfs("pin", "remote", "rm", SERVICE, "--name=story")
        self.until_gone(cid)
        self.assertNotIn(cid, self.user.ipfs("pin", "remote", "ls", SERVICE, "--name=story"))

    # --- nodes come and go -------------------------------------------------------------------

    def test_a_dead_holder_is_replaced_and_its_return_leaves_two_copies(self):
        cid = self.content()
        self.remote_add(cid)
        lost = self.holders(cid)[0]
        others = [k for k in self.peers if k is not lost]
        lost.kill()
        began = time.monotonic()
        until(lambda: all(k.pinned(cid) is not None for k in others), "the other two hold it", REPLACED)
        servers.say(f"replaced after {time.monotonic() - began:.1f} s of at most {REPLACED}")
        # Its repository still has the pin; once it is back the pin may be gone at once.
        self.assertIn(cid, lost.ipfs("pin", "ls", "--type=recursive", "-q"))
        lost.boot()
        self.until_held(cid, 2)
        stays(lambda: len(self.holders(cid)) == 2, "two nodes hold it", 5)

    def test_a_drained_node_gives_its_copies_away(self):
        cids = [self.content(1000) for _ in range(5)]
        for cid in cids:
            self.remote_add(cid)
        drained = self.holders(cids[0])[0]
        self.pinfold.cli("peer", "drain", drained.id)
        self.addCleanup(self.pinfold.cli, "peer", "resume", drained.id)
        others = [k for k in self.peers if k is not drained]
        until(lambda: all(k.pinned(c) is not None for c in cids for k in others), "the others hold all")
        until(lambda: all(drained.pinned(c) is None for c in cids), "the drained node holds none")

    def test_a_kubo_that_restarts_in_mid_pin_ends_up_with_the_pin(self):
        cid = servers.cid_of(data := os.urandom(1000))
        pin = self.pinfold.pin(cid, self.alice, replicas=3)
        busy = until(lambda: [k for k in self.peers if k.running("pin/add", cid)], "a node fetches it")
        busy[0].kill()
        busy[0].boot()
        self.assertEqual(self.user.put_block(data), cid)
        self.until_held(cid, 3)
        self.pinfold.unpin(pin, self.alice)
        self.until_gone(cid)

    def test_pinfold_starts_while_kubo_is_down(self):
        node = self.peers[0]
        node.kill()
        try:
            other = servers.Pinfold(self.dir / "other", [node.url]).start()
            cid = self.content(1000)
            other.pin(cid)
            until(lambda: not any(p["up"] for p in other.peers()), "the node counts as down")
        finally:
            node.boot()
        until(lambda: node.pinned(cid) is not None, "it holds the pin after its start")
        other.stop()
        node.rpc("pin/rm", arg=cid)

    # --- pins come and go ----------------------------------------------------------------------

    def test_a_pin_goes_when_its_time_is_up_and_not_before(self):
        cid = self.content(1000)
        asked = time.monotonic()
        self.pinfold.pin(cid, self.alice, ttl="9s")
        self.until_held(cid, 2)
        while True:
            held = self.holders(cid)
            if time.monotonic() > asked + 9:
                break
            self.assertEqual(len(held), 2)
            time.sleep(0.2)
        self.until_gone(cid)

    def test_cancelling_what_nobody_has_ends_the_fetch_on_the_node(self):
        pin = self.pinfold.pin(NOBODY, self.alice)
        until(lambda: [k for k in self.peers if k.running("pin/add", NOBODY)], "a node fetches it")
        self.pinfold.unpin(pin, self.alice)
        until(lambda: not any(k.running("pin/add", NOBODY) for k in self.peers), "no node fetches it")
        stays(lambda: not any(k.running("pin/add", NOBODY) for k in self.peers), "no node fetches it", 4)

    def test_the_copies_of_two_owners_go_with_the_last(self):
        cid = self.content(1000)
        first = self.pinfold.pin(cid, self.alice)
        second = self.pinfold.pin(cid, self.bob, replicas=2)
        held = self.until_held(cid, 2)
        self.pinfold.unpin(first, self.alice)
        stays(lambda: self.holders(cid) == held, "the same two hold it", 5)
        self.pinfold.unpin(second, self.bob)
        self.until_gone(cid)

    def test_a_users_own_pin_is_adopted_and_never_removed(self):
        cid = self.content(1000)
        own = self.peers[1]
        own.ipfs("pin", "add", "--name=mine", cid)
        pin = self.pinfold.pin(cid, self.alice, replicas=3)
        self.until_held(cid, 3)
        until(lambda: self.pinfold.status(pin, self.alice) == "pinned", "the user is told so")
        self.assertEqual(own.pinned(cid), "mine")
        self.pinfold.unpin(pin, self.alice)
        until(lambda: self.holders(cid) == [own], "only the user's own pin is left")
        stays(lambda: own.pinned(cid) == "mine", "it stays", 5)

    def test_a_pin_removed_behind_our_back_comes_back(self):
        cid = self.content(1000)
        self.remote_add(cid)
        self.holders(cid)[0].ipfs("pin", "rm", cid)
        self.assertEqual(len(self.holders(cid)), 1)
        self.until_held(cid, 2)


if __name__ == "__main__":
    servers.main()
