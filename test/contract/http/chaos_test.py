"""Many clients do everything at once and leave whenever they like.

What it shows: nothing crashes, hangs or leaks (the probe frees all, which waits for every
token and every stream), and no connection stays open.  The seed fixes what each client
does, not how the threads meet; it is printed.
"""
import random
import socket
import threading
import time

from probe import PATIENCE, ProbeTest, main

SECONDS = 3
RESET = b"\1\0\0\0\0\0\0\0"  # SO_LINGER: on, 0 s


def ask_something(c, r):
    """False: nothing sensible can follow."""
    kind = r.randrange(9)
    if kind == 0:
        c.request(f"/hold?ms={r.randrange(3)}")
    elif kind == 1:
        c.request(f"/wait?ms={r.randrange(30)}")
    elif kind == 2:
        n, size = r.choice([(2, 0), (r.randrange(1, 200), r.randrange(1, 20000))])
        c.request(f"/stream?n={n}&size={size}")
    elif kind == 3:
        c.request("/bulk", "POST", b"line\n" * r.randrange(3000))
    elif kind == 4:
        c.request("/echo", "POST", b"x" * r.randrange(200000))
    elif kind == 5:
        c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nContent-Length: 100000\r\n\r\n"
               + b"a\n" * r.randrange(1000))
    elif kind == 6:
        c.send(r.randbytes(50))
    elif kind == 7:
        c.request(f"/big?n={r.randrange(3000000)}")
    else:
        c.request("/hello")
    return kind not in (5, 6)


def visit(c, r):
    for _ in range(r.randrange(1, 6)):
        if not ask_something(c, r):
            return
        c.sock.settimeout(r.choice([0.001, 0.05, 2]))
        if r.random() < 0.7:
            c.answer()
    if r.random() < 0.3:
        c.sock.shutdown(socket.SHUT_WR)
        c.sock.settimeout(0.1)
        c.until_end()


def be_a_client(probe, seed, until):
    r = random.Random(seed)
    while time.monotonic() < until:
        try:
            with probe.connect() as c:
                if r.random() < 0.3:
                    c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
                visit(c, r)
        except (OSError, EOFError, ValueError, IndexError):
            pass  # the server may hang up on any of this, and timeouts are part of the game


class Chaos(ProbeTest):
    def run_clients(self, probe, n=16):
        seed = random.SystemRandom().randrange(1 << 32)
        print(f"seed {seed}")
        until = time.monotonic() + SECONDS
        clients = [threading.Thread(target=be_a_client, args=(probe, seed + i, until))
                   for i in range(n)]
        for client in clients:
            client.start()
        r = random.Random(seed)
        while time.monotonic() < until:
            probe.command(r.choice(["release", "release", "wake", "fail"]))
            time.sleep(0.003)
        return clients

    def test_clients_of_all_kinds_leave_nothing_behind(self):
        probe = self.start(loops=2, workers=4)
        for client in self.run_clients(probe):
            client.join()
        # What a client pipelined before it left is still carried out, and may hold again.
        end = time.monotonic() + PATIENCE / 2
        while probe.stats()["open"] > 0 and time.monotonic() < end:
            probe.command("release")
            time.sleep(0.01)
        probe.until(open=0, queued=0)
        self.assertGreater(probe.stats()["r2"], 0)
        self.assertEqual(probe.ask("/hello").status, 202)

    def test_a_drain_may_come_at_any_moment(self):
        probe = self.start(loops=2, workers=4)
        clients = self.run_clients(probe)
        self.assertIn(probe.command("drain 50"), ("clean", "cut"))
        for client in clients:
            client.join()
        self.assertEqual(probe.stats()["open"], 0)


if __name__ == "__main__":
    main()
