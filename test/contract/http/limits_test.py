"""What a hostile client, or a thousand of them, cannot do to the server."""
import os
import resource
import signal
import socket
import threading
import tempfile
import time
import unittest.mock

from probe import PATIENCE, ProbeTest, main


def resident(pid):
    """Bytes of memory that a process has in use."""
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


class Limits(ProbeTest):
    def refused(self, c, status):
        answer = c.answer()
        self.assertEqual(answer.status, status)
        self.assertEqual(answer.headers["content-type"], "application/json")
        self.assertEqual(answer.headers["connection"], "close")
        self.assertEqual(answer.headers["x-always"], "yes")
        self.assertIn(b'"status":%d' % status, answer.body)
        self.assertTrue(c.ended())

    def test_a_head_that_is_too_long_is_refused(self):
        probe = self.start(max_head=1000)
        for head, status in ((b"X: " + b"a" * 1000, 431), (b"A: b\r\n" * 110, 431)):
            with probe.connect() as c:
                c.send(b"GET / HTTP/1.1\r\nHost: a\r\n" + head + b"\r\n\r\n")
                self.refused(c, status)
        with probe.connect() as c:
            c.send(b"GET /" + b"a" * 2000)
            self.refused(c, 414)
        self.assertEqual(probe.stats()["parse_errors"], 3)

    def test_a_body_that_is_too_long_is_refused_while_it_is_being_sent(self):
        probe = self.start(max_body=1000)
        with probe.connect() as c:
            c.send(b"POST /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 9999999\r\n\r\n")
            c.sock.settimeout(PATIENCE)
            for _ in range(20):
                c.send(b"x" * 50000)
            self.refused(c, 413)
        with probe.connect() as c:
            c.send(b"POST /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"3e9\r\n" + b"x" * 1001 + b"\r\n")
            self.refused(c, 413)
        self.assertEqual(probe.ask("/echo", method="POST", body=b"x" * 1000).status, 200)

    def test_bodies_are_limited_over_all(self):
        probe = self.start(max_buffered=150000)
        part = b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n" + b"x" * 100000
        with probe.connect() as first, probe.connect() as second:
            first.send(part)
            self.assertEqual(probe.ask("/echo", method="POST", body=b"y" * 10000).status, 200)
            second.send(part)
            self.refused(second, 503)
            first.send(b"x")
            self.assertEqual(first.answer().status, 200)
        self.assertEqual(probe.ask("/echo", method="POST", body=b"y" * 140000).status, 200)

    def test_what_was_pipelined_and_answered_takes_no_memory(self):
        # Freed memory that a sanitizer holds back would hide what the server keeps.
        held_back = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":quarantine_size_mb=1"}
        with unittest.mock.patch.dict(os.environ, held_back):
            probe = self.start()
        request = b"GET /hello HTTP/1.1\r\nHost: a\r\nX: " + b"x" * 8000 + b"\r\n\r\n"
        many = request * 1000
        with probe.connect() as c:
            self.assertEqual(c.ask("/hello").status, 202)
            before = most = resident(probe.process.pid)
            sender = threading.Thread(target=lambda: [c.send(many) for _ in range(8)])
            sender.start()
            answered = 0
            while answered < 8000:
                self.assertTrue(c.more())
                answered, c.rest = answered + c.rest.count(b"delegates"), c.rest[-8:]
                most = max(most, resident(probe.process.pid))
            sender.join()
        self.assertLess(most - before, 2 * len(many))

    def test_smuggled_requests_never_reach_a_handler(self):
        probe = self.start()
        smuggled = b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n"
        fronts = [
            b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" % len(smuggled),
            b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
            b"Content-Length: 0\r\nContent-Length: %d\r\n\r\n" % len(smuggled),
            b"X: y\r\n Content-Length: %d\r\n\r\n" % len(smuggled),
            b"X: y\rContent-Length: %d\r\n\r\n" % len(smuggled),
            b"Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n",
            b"Transfer-Encoding: chunked\r\n\r\n0\r\nX: y\r\n\r\n",
        ]
        for front in fronts:
            with probe.connect() as c:
                c.send(b"POST /echo HTTP/1.1\r\nHost: a\r\n" + front + smuggled)
                self.refused(c, 400)
        self.assertEqual(probe.stats()["requests"], 0)

    def test_paths_that_are_not_clean_text_are_refused(self):
        probe = self.start()
        for path in (b"/%00", b"/%ff", b"/%c0%af", b"/%0a", b"/%zz", b"/\xff", b"/a\0b"):
            with probe.connect() as c:
                c.send(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
                self.refused(c, 400)

    def test_http2_is_told_that_it_is_not_spoken(self):
        with self.start().connect() as c:
            c.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 100)
            self.refused(c, 505)

    def test_a_request_that_is_cut_short_is_refused(self):
        probe = self.start()
        for part in (b"GET / HT", b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab"):
            with probe.connect() as c:
                c.send(part)
                c.sock.shutdown(socket.SHUT_WR)
                self.refused(c, 400)

    def test_a_request_that_is_cut_short_behind_another_is_refused(self):
        probe = self.start()
        for path in (b"/echo", b"/bulk"):
            with probe.connect() as c:
                c.send(b"GET /slow?ms=200 HTTP/1.1\r\nHost: a\r\n\r\n"
                       b"POST " + path + b" HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
                c.sock.shutdown(socket.SHUT_WR)
                self.assertEqual(c.answer().body, b"slow\n")
                self.refused(c, 400)
        probe.until(open=0)

    def test_connections_are_limited_over_all(self):
        probe = self.start(max_connections=5)
        held = [probe.connect() for _ in range(5)]
        for c in held:
            self.assertEqual(c.ask("/hello").status, 202)
        with probe.connect() as c:
            answer = c.answer()
            self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
        self.assertEqual(probe.stats()["refused"], 1)
        held[0].sock.close()
        probe.until(open=4)
        self.assertEqual(probe.ask("/hello").status, 202)
        for c in held[1:]:
            c.sock.close()

    def test_connections_are_limited_by_address(self):
        probe = self.start(max_per_address=3)
        held = [probe.connect() for _ in range(3)]
        for c in held:
            self.assertEqual(c.ask("/hello").status, 202)
        with probe.connect() as c:
            self.assertEqual(c.answer().status, 429)
        sock = socket.socket()
        sock.bind(("127.0.0.9", 0))
        sock.settimeout(PATIENCE)
        sock.connect(("127.0.0.1", probe.port))
        sock.sendall(b"GET /hello HTTP/1.1\r\nHost: a\r\n\r\n")
        self.assertIn(b"202", sock.recv(100))
        for c in [*held, ]:
            c.sock.close()
        sock.close()
        probe.until(open=0)
        self.assertEqual(probe.ask("/hello").status, 202)


    def test_the_log_tells_once_that_an_address_has_met_its_limit(self):
        with tempfile.TemporaryFile("w+") as log:
            probe = self.start(stderr=log, max_per_address=1)
            with probe.connect() as held:
                self.assertEqual(held.ask("/hello").status, 202)
                for _ in range(3):
                    with probe.connect() as c:
                        self.assertEqual(c.answer().status, 429)
            log.seek(0)
            text = log.read()
        self.assertEqual(text.count("are answered 429"), 1, text)
        self.assertRegex(text, "level=warn .*127.0.0.1 has 1 connections")

    def test_a_limit_by_address_may_spare_loopback(self):
        probe = self.start(max_per_address=3, spare_loopback=1)
        held = [probe.connect() for _ in range(8)]
        for c in held:
            self.assertEqual(c.ask("/hello").status, 202)
            c.sock.close()


class Deadlines(ProbeTest):
    """The times are what the server was told; how late it was is not asserted."""

    def drip(self, c, piece, until=PATIENCE):
        """Sends a piece now and then until the server has had enough."""
        end = time.monotonic() + until
        c.sock.settimeout(0.05)
        while time.monotonic() < end:
            try:
                c.send(piece)
                if not c.more() or c.rest:
                    break
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                break
        else:
            self.fail("the server waits for ever")
        c.sock.settimeout(PATIENCE)

    def test_dripping_headers_are_cut(self):
        probe = self.start(head_ms=400)
        with probe.connect() as c:
            c.send(b"GET / HTTP/1.1\r\nHost: a\r\nX: ")
            self.drip(c, b"a")
            self.assertEqual(c.answer().status, 408)
        probe.until(open=0, timeouts=1, late=1)

    def test_a_dripping_body_is_cut(self):
        probe = self.start(body_ms=400)
        with probe.connect() as c:
            c.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
            self.drip(c, b"a")
            self.assertEqual(c.answer().status, 408)

    def test_a_streamed_body_may_drip_but_not_stop(self):
        probe = self.start(body_ms=1000)
        with probe.connect() as c:
            c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n")
            for _ in range(8):
                time.sleep(0.2)
                c.send(b"ab\n")
            c.head()
            for _ in range(8):
                self.assertEqual(c.chunk(), b"2\n")
            with self.assertRaises((EOFError, ConnectionResetError)):
                c.chunk()
        probe.until(open=0, closed=1)

    def test_the_least_rate_is_not_for_a_streamed_body(self):
        probe = self.start(body_ms=1000, min_rate=1000000)
        with probe.connect() as c:
            c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nContent-Length: 36\r\n\r\n")
            for _ in range(12):  # 10 bytes a second
                time.sleep(0.3)
                c.send(b"ab\n")
            c.head()
            got = b""
            while b"2\n" in (piece := c.chunk()):
                got += piece
            self.assertEqual(got.count(b"2\n"), 12)

    def test_an_idle_connection_is_closed(self):
        probe = self.start(idle_ms=200, head_ms=60000)
        with probe.connect() as c:
            self.assertEqual(c.ask("/hello").status, 202)
            self.assertTrue(c.ended())
        probe.until(open=0, timeouts=1, late=0)

    def test_a_connection_that_never_speaks_is_closed(self):
        probe = self.start(head_ms=200)
        with probe.connect() as c:
            self.assertTrue(c.ended())

    def test_a_handler_may_take_longer_than_any_deadline(self):
        probe = self.start(head_ms=100, body_ms=100, idle_ms=100, queue_ms=100, write_ms=100)
        self.assertEqual(probe.ask("/slow?ms=700").status, 200)

    def test_a_client_that_does_not_read_is_cut(self):
        probe = self.start(write_ms=300)
        with probe.connect() as c:
            c.request("/big?n=50000000")
            probe.until(open=0, timeouts=1)

    def test_a_slow_reader_that_reads_is_served(self):
        probe = self.start(write_ms=1000, min_rate=20000)
        with probe.connect() as c:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            c.request("/big?n=12000000")
            got = 0
            while got < 12000000:
                time.sleep(0.02)
                data = c.sock.recv(200000)
                self.assertTrue(data)
                got += len(data)


    def test_a_reader_below_the_least_rate_is_cut_though_it_reads(self):
        probe = self.start(write_ms=1000, min_rate=1000000000)
        with probe.connect() as c:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            c.request("/big?n=60000000")
            with self.assertRaises((EOFError, ConnectionResetError)):
                got = 0
                while got < 60000000:
                    time.sleep(0.02)
                    data = c.sock.recv(200000)
                    if not data:
                        raise EOFError
                    got += len(data)
        probe.until(open=0, timeouts=1)


class Overload(ProbeTest):
    def test_waiting_too_long_for_a_worker_is_answered_503(self):
        probe = self.start(workers=1, queue_ms=300)
        probe.command("block")
        with probe.connect() as first, probe.connect() as second:
            first.request("/block")
            probe.until(requests=1, queued=0)
            second.request("/hello")
            answer = second.answer()
            self.assertEqual((answer.status, answer.headers["retry-after"]), (503, "1"))
            self.assertEqual(probe.stats()["late"], 1)
            probe.command("unblock")
            self.assertEqual(first.answer().status, 200)

    def test_a_full_queue_stops_reading_and_loses_nothing(self):
        probe = self.start(workers=1, max_queued=10, queue_ms=60000)
        probe.command("block")
        clients = [probe.connect() for _ in range(60)]
        clients[0].request("/block")
        probe.until(requests=1, queued=0)
        for c in clients[1:]:
            c.request("/hello")
            time.sleep(0.002)
        time.sleep(0.3)
        self.assertLess(probe.stats()["queued"], 59)
        probe.command("unblock")
        for c in clients:
            with c:
                self.assertIn(c.answer().status, (200, 202))

    def test_who_cannot_be_read_for_too_long_is_answered_503(self):
        probe = self.start(workers=1, max_queued=1, queue_ms=60000, head_ms=500)
        probe.command("block")
        clients = [probe.connect() for _ in range(3)]
        for n, c in enumerate(clients):
            c.request("/block" if n == 0 else "/hello")
            probe.until(requests=n + 1)
        with probe.connect() as late:
            late.send(b"GET")
            self.assertEqual(late.answer().status, 503)
        probe.until(late=1)
        probe.command("unblock")
        self.assertEqual([c.answer().status for c in clients], [200, 202, 202])

    def test_a_stalled_client_may_be_cut_in_the_moment_an_overload_ends(self):
        probe = self.start(workers=1, max_queued=1, queue_ms=1000, write_ms=1000)
        probe.command("block")
        with probe.connect() as stalled, probe.connect() as busy, \
                probe.connect() as first, probe.connect() as second:
            stalled.request("/big?n=50000000")
            probe.until(requests=1, queued=0)
            busy.request("/block")
            probe.until(requests=2, queued=0)
            for c in (first, second):
                c.request("/hello")
            probe.until(queued=2)
            stalled.send(b"GET")  # not read: the queue is full
            time.sleep(0.1)
            # While it is stopped all deadlines pass, and are then met in one go.
            os.kill(probe.process.pid, signal.SIGSTOP)
            time.sleep(1.5)
            os.kill(probe.process.pid, signal.SIGCONT)
            for c in (first, second):
                self.assertEqual(c.answer().status, 503)
            probe.command("unblock")
            self.assertEqual(busy.answer().status, 200)
        probe.until(open=0)

    def test_running_out_of_descriptors_is_survived(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (60, hard))
        try:
            probe = self.start()
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        clients = [probe.connect() for _ in range(100)]
        end = time.monotonic() + PATIENCE
        while probe.stats()["accept_errors"] == 0 and time.monotonic() < end:
            time.sleep(0.01)
        self.assertEqual(clients[0].ask("/hello").status, 202)
        for c in clients:
            c.sock.close()
        self.assertEqual(probe.ask("/hello").status, 202)

    def test_ten_thousand_idle_connections_are_cheap(self):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        n = 10000
        most = hard if hard == resource.RLIM_INFINITY else max(hard, n + 100)
        resource.setrlimit(resource.RLIMIT_NOFILE, (n + 100, most))  # fails where only root may
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        probe = self.start(backlog=4096)
        with probe.connect() as c:
            c.ask("/hello")
        before = int(probe.command("rss"))
        clients = [probe.connect() for _ in range(n)]
        for c in clients:
            c.request("/hello")
        for c in clients:
            self.assertEqual(c.answer().status, 202)
        probe.until(open=n)
        print(f"{(int(probe.command('rss')) - before) / n:.0f} bytes a connection")
        self.assertEqual(probe.ask("/hello").status, 202)
        for c in clients:
            c.sock.close()
        probe.until(open=0)


class Drain(ProbeTest):
    def test_requests_in_work_are_finished_and_idle_ones_closed(self):
        probe = self.start()
        with probe.connect() as busy, probe.connect() as idle, probe.connect() as waiting, \
                probe.connect() as fresh, probe.connect() as sending:
            sending.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nab")
            self.assertEqual(idle.ask("/hello").status, 202)
            busy.request("/slow?ms=300")
            waiting.request("/wait")
            probe.until(requests=3, open=5)
            probe.tell("drain 30000")
            self.assertTrue(idle.ended())
            self.assertTrue(fresh.ended())
            self.assertEqual(waiting.answer().body, b"time up\n")
            sending.send(b"cd")
            self.assertEqual(sending.answer().body, b"abcd")
            answer = busy.answer()
            self.assertEqual((answer.status, answer.headers["connection"]), (200, "close"))
            for c in (busy, idle, waiting, fresh, sending):
                c.sock.close()
            self.assertEqual(probe.answer(), "clean")
            with self.assertRaises(ConnectionRefusedError):
                probe.connect()

    def test_what_does_not_finish_in_time_is_cut(self):
        probe = self.start()
        with probe.connect() as c:
            c.request("/hold")
            probe.until(held=1)
            self.assertEqual(probe.command("drain 100"), "cut")
            self.assertTrue(c.ended())

    def test_a_drain_waits_for_a_release(self):
        probe = self.start(loops=2)
        with probe.connect() as c:
            c.request("/hold")
            probe.until(held=1)
            probe.tell("drain 60000")
            c.sock.settimeout(0.3)
            with self.assertRaises(TimeoutError):
                c.answer()
            c.sock.settimeout(PATIENCE)
            self.assertEqual(probe.command("release"), "1")
            self.assertEqual(c.answer().body, b"held\n")
            c.sock.close()
            self.assertEqual(probe.answer(), "clean")


if __name__ == "__main__":
    main()
