#!/usr/bin/env python3
"""kill9_test.py [ROUNDS] -- 32 writers create, change and delete pins while the server
is killed with SIGKILL at random moments and started again, ROUNDS times (default 20).

After every start each acknowledged pin, change and deletion must hold, asked one by one; every few
rounds and at the end the lists must say the same and the store must be sound; and when the
killing stops all pins must be pinned and the node must hold what is wanted and nothing else.

A call whose answer was lost is asked again with its idempotency key as soon as the server is back:
it must be answered then, and have happened once.
"""
import http.client
import json
import os
import random
import sys
import threading
import time

import servers
from servers import say, until

WRITERS = 32
OWNERS = 4
ROUNDS = int(sys.argv.pop()) if sys.argv[-1].isdigit() else 20
SEED = int(os.environ.get("KILL9_SEED", random.randrange(1 << 32)))


class Writer(threading.Thread):
    """Does one thing after the other and remembers what was acknowledged.

    pins:   id -> (cid, name) of what lives
    ended:  ids of what was deleted
    """

    def __init__(self, story, number, key):
        super().__init__(daemon=True)
        self.story, self.number, self.key = story, number, key
        self.rand = random.Random(f"{SEED}/{number}")
        self.pins, self.ended, self.calls = {}, set(), 0
        self.connection = None
        self.wrong = None

    def run(self):
        try:
            while not self.story.over.is_set():
                self.act()
        except Exception as e:  # told by the test's thread
            self.wrong = e

    def act(self):
        self.calls += 1
        what = self.rand.random()
        if not self.pins or what < (0.55 if len(self.pins) < 150 else 0.1):
            # Every eighth CID is shared by all writers: requests of several owners on one copy.
            cid = servers.cid_of(self.rand.randrange(50) if what < 0.07 else self.rand.random())
            self.call("POST", None, cid, f"w{self.number}-{self.calls}")
            return
        pin = self.rand.choice(list(self.pins))
        cid, name = self.pins[pin]
        if what < 0.8:
            self.call("PATCH", pin, cid, f"w{self.number}-{self.calls}")
        else:
            self.call("DELETE", pin, cid, name)

    def call(self, method, pin, cid, name):
        """Until it is answered.  `cid` and `name`: what holds once it is done."""
        with self.story.turn:
            self.story.turn.wait_for(lambda: not self.story.checking)
            self.story.busy += 1
        try:
            self.attempt(method, pin, cid, name, f"{self.number}-{self.calls}")
        finally:
            with self.story.turn:
                self.story.busy -= 1
                self.story.turn.notify_all()

    def attempt(self, method, pin, cid, name, key):
        body = {"POST": {"cid": cid, "name": name}, "PATCH": {"name": name}, "DELETE": None}[method]
        status, text = self.insist(method, f"/v1/pins/{pin}" if pin else "/v1/pins", body, key)
        self.pins.pop(pin, None)
        if status != {"POST": 202, "PATCH": 200, "DELETE": 204}[method]:
            raise AssertionError(f"{method} {pin} {cid} {name} {key}: {status} {text}")
        if method == "DELETE":
            self.ended.add(pin)
        else:
            self.pins[json.loads(text)["id"]] = (cid, name)

    def insist(self, *request):
        while True:
            reply = self.once(*request)
            if reply and reply[0] != 503:  # it is starting
                return reply
            time.sleep(0.05)

    def once(self, method, path, body, key):
        """(status, body), or None if there was no answer."""
        headers = {"Authorization": f"Bearer {self.key}", "Idempotency-Key": key}
        if body is not None:
            headers["Content-Type"] = "application/json"
        try:
            if not self.connection:
                self.connection = http.client.HTTPConnection("127.0.0.1", self.story.pinfold.port, timeout=60)
            self.connection.request(method, path, json.dumps(body) if body else None, headers)
            response = self.connection.getresponse()
            return response.status, response.read()
        except (OSError, http.client.HTTPException):
            self.connection.close()
            self.connection = None
            return None


class Kill9(servers.Story):
    def setUp(self):
        say(f"seed {SEED} (KILL9_SEED), {ROUNDS} rounds")
        self.kubo = servers.FakeKubo()
        self.pinfold = servers.Pinfold(self.dir, [self.kubo.url], worker_compare="5s", http_workers="32").start()
        self.keys = [self.pinfold.owner_key(f"owner{n}") for n in range(OWNERS)]
        self.rand = random.Random(SEED)
        self.over, self.turn = threading.Event(), threading.Condition()
        self.checking, self.busy = False, 0
        self.writers = [Writer(self, n, self.keys[n % OWNERS]) for n in range(WRITERS)]
        self.known = set()  # checked one by one already

    def tearDown(self):
        self.over.set()
        self.pinfold.kill()

    def pause(self):
        """All calls are answered, and none begins until resume()."""
        with self.turn:
            self.checking = True
            if not self.turn.wait_for(lambda: self.busy == 0, servers.PATIENCE):
                raise AssertionError("calls are never answered")

    def resume(self):
        with self.turn:
            self.checking = False
            self.turn.notify_all()

    def check_each(self, everything=False):
        """What each writer was told holds: all of it, or what is new and a sample of the rest."""
        for w in self.writers:
            facts = [(pin, True) for pin in w.pins] + [(pin, False) for pin in w.ended]
            old = [f for f in facts if f in self.known]
            if not everything:
                facts = [f for f in facts if f not in self.known] + self.rand.sample(old, min(5, len(old)))
            for pin, there in facts:
                status, body = w.insist("GET", f"/v1/pins/{pin}", None, "none")
                self.assertEqual(status, 200 if there else 404, f"{pin}: {body}")
                if there:
                    got = json.loads(body)
                    self.assertEqual((got["cid"], got["name"]), w.pins[pin])
            self.known |= set(facts)

    def check_lists(self):
        for n, key in enumerate(self.keys):
            reply = self.pinfold.ask("GET", "/v1/pins", key=key, headers={"Accept": "application/x-ndjson"})
            self.assertEqual(reply.status, 200)
            listed = [(line["id"], line["cid"], line["name"]) for line in reply.lines]
            wanted = {(p, *v) for w in self.writers[n::OWNERS] for p, v in w.pins.items()}
            self.assertEqual(set(listed) - wanted, set(), "listed and not asked for")
            self.assertEqual(wanted - set(listed), set(), "acknowledged and not listed")
            self.assertEqual(len(listed), len(wanted), "listed twice")

    def check_store(self):
        out = self.pinfold.cli("store", "check", "--data", str(self.pinfold.dir))
        say(f"store check: {out.stdout.strip()}")

    def wrongs(self):
        return [str(w.wrong) for w in self.writers if w.wrong]

    def test_what_was_acknowledged_survives_kills_at_any_moment(self):
        for w in self.writers:
            w.start()
        for n in range(ROUNDS):
            time.sleep(self.rand.uniform(0.05, 1.5))
            self.pinfold.kill()
            self.pinfold.start(wait=self.rand.random() < 0.7)
            if self.pinfold.process.poll() is None and self.rand.random() < 0.2:
                self.pinfold.kill()  # while it starts
                self.pinfold.start()
            self.pinfold.wait_ready()
            self.pause()
            self.assertEqual(self.wrongs(), [])
            self.check_each()
            if n % 5 == 4:
                self.check_lists()
                self.pinfold.kill()
                self.check_store()
                self.pinfold.start()
            self.resume()
            say(f"round {n + 1}: {sum(len(w.pins) for w in self.writers)} pins, "
                f"{sum(len(w.ended) for w in self.writers)} deletions hold")
        self.pause()
        self.over.set()
        self.assertEqual(self.wrongs(), [])
        self.check_each(everything=True)
        self.check_lists()
        self.check_all_pinned()
        self.pinfold.stop()
        self.check_store()

    def check_all_pinned(self):
        wanted = {cid for w in self.writers for cid, _ in w.pins.values()}
        until(lambda: set(self.kubo.pins()) == wanted, f"the node holds the {len(wanted)} CIDs and no others")
        for n, key in enumerate(self.keys):
            until(lambda: all(line["status"] == "pinned" for line in self.pinfold.ask(
                "GET", "/v1/pins", key=key, headers={"Accept": "application/x-ndjson"}).lines),
                f"all pins of owner {n} are pinned", every=1)


if __name__ == "__main__":
    servers.main()
