"""What a well-meaning client gets from the server, in every way a handler may answer."""
import socket
import threading
import time

from probe import ProbeTest, main


class Replies(ProbeTest):
    def test_a_reply_has_status_headers_and_body(self):
        answer = self.start().ask("/echo?a=b%20c", method="POST", body=b"hello")
        self.assertEqual((answer.status, answer.body), (200, b"hello"))
        self.assertEqual(answer.headers["x-method"], "POST")
        self.assertEqual(answer.headers["x-path"], "/echo")
        self.assertEqual(answer.headers["x-query"], "a=b%20c")
        self.assertEqual(answer.headers["x-peer"], "127.0.0.1")
        self.assertRegex(answer.headers["date"], r"^\w{3}, \d\d \w{3} \d{4} [\d:]{8} GMT$")
        self.assertNotIn("injected", answer.headers)
        self.assertNotIn("connection", answer.headers)

    def test_a_connection_serves_many_requests(self):
        probe = self.start()
        with probe.connect() as c:
            for i in range(50):
                self.assertEqual(c.ask("/echo", method="PUT", body=b"x" * i).body, b"x" * i)
        self.assertEqual(probe.stats()["accepted"], 1)

    def test_pipelined_requests_are_answered_in_order(self):
        with self.start().connect() as c:
            for i in range(100):
                c.request(f"/slow?ms={2 * (i % 2)}" if i % 3 == 0 else "/echo", method="POST",
                          body=b"%d" % i)
            for i in range(100):
                self.assertEqual(c.answer().body, b"slow\n" if i % 3 == 0 else b"%d" % i)

    def test_more_than_the_buffer_can_be_pipelined(self):
        with self.start(max_pipelined=1000).connect() as c:
            body = b"y" * 700
            sender = threading.Thread(
                target=lambda: [c.request("/echo", method="POST", body=body) for _ in range(3000)])
            sender.start()
            for _ in range(3000):
                self.assertEqual(c.answer().body, body)
            sender.join()

    def test_chunked_bodies_are_joined(self):
        with self.start().connect() as c:
            c.send(b"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            for piece in (b"3\r\nabc\r\n", b"1\r", b"\nd\r\n0\r\n", b"\r\n"):
                c.send(piece)
                time.sleep(0.01)
            self.assertEqual(c.answer().body, b"abcd")

    def test_head_has_the_length_and_no_body(self):
        with self.start().connect() as c:
            answer = c.ask("/hello", method="HEAD")
            self.assertEqual((answer.status, answer.headers["content-length"]), (202, "74"))
            answer = c.ask("/stream", method="HEAD")
            self.assertEqual(answer.headers["transfer-encoding"], "chunked")
            self.assertEqual(c.ask("/hello").status, 202)

    def test_a_status_without_a_body_has_no_length(self):
        with self.start().connect() as c:
            for status in (204, 304):
                self.assertNotIn("content-length", c.ask(f"/empty?status={status}").headers)
            self.assertEqual(c.ask("/empty?status=200").headers["content-length"], "0")
            self.assertEqual(c.ask("*", method="OPTIONS").status, 204)

    def test_connection_close_closes_after_the_answer(self):
        with self.start().connect() as c:
            answer = c.ask("/hello", headers=["Connection: close"])
            self.assertEqual(answer.headers["connection"], "close")
            self.assertTrue(c.ended())

    def test_an_old_client_is_closed_unless_it_asks_otherwise(self):
        probe = self.start()
        with probe.connect() as c:
            c.send(b"GET /hello HTTP/1.0\r\n\r\n")
            self.assertEqual(c.answer().status, 202)
            self.assertTrue(c.ended())
        with probe.connect() as c:
            for _ in range(2):
                c.send(b"GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
                self.assertEqual(c.answer().headers["connection"], "keep-alive")
        with probe.connect() as c:
            c.send(b"GET /stream?n=3 HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
            answer = c.answer()
            self.assertEqual(answer.body, b"s" * 30)
            self.assertNotIn("transfer-encoding", answer.headers)

    def test_an_expected_continue_is_sent_before_the_body(self):
        with self.start().connect() as c:
            for path in ("/echo", "/bulk"):
                c.send(b"POST %s HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                       b"Content-Length: 4\r\n\r\n" % path.encode())
                self.assertEqual(c.head()[0], 100)
                c.send(b"abc\n")
                self.assertEqual(c.answer().status, 200)

    def test_no_continue_is_sent_for_a_body_that_is_refused(self):
        with self.start(max_body=1000).connect() as c:
            c.send(b"POST /hello HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n"
                   b"Content-Length: 1001\r\n\r\n")
            self.assertEqual(c.answer().status, 413)
        with self.start().connect() as c:
            c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nX-Refuse: yes\r\n"
                   b"Content-Length: 1001\r\n\r\n")
            self.assertEqual(c.answer().status, 401)
            self.assertTrue(c.ended())

    def test_a_half_closed_client_gets_all_its_answers(self):
        with self.start().connect() as c:
            c.request("/slow?ms=50")
            c.request("/echo", method="POST", body=b"second")
            c.sock.shutdown(socket.SHUT_WR)
            self.assertEqual(c.answer().body, b"slow\n")
            self.assertEqual(c.answer().body, b"second")
            self.assertTrue(c.ended())

    def test_long_work_ends_when_the_client_has_left_or_the_server_drains(self):
        probe = self.start(workers=1)
        with probe.connect() as c:
            c.request("/tireless")
            probe.until(requests=1, queued=0)
        self.assertEqual(probe.ask("/hello").status, 202, "the one worker is free again")
        with probe.connect() as c:
            c.request("/tireless")
            probe.until(requests=3, queued=0)
            self.assertEqual(probe.command("drain 60000"), "clean")
            self.assertEqual(c.answer().body, b"broken off\n")

    def test_a_large_reply_arrives_whole(self):
        with self.start().connect() as c:
            c.request("/big?n=8000000")
            time.sleep(0.1)
            self.assertEqual(c.answer().body, b"b" * 8000000)
            self.assertEqual(c.ask("/hello").status, 202)

    def test_a_handler_that_does_not_answer_is_an_error(self):
        answer = self.start().ask("/silent")
        self.assertEqual((answer.status, answer.headers["content-type"]), (500, "application/json"))

    def test_several_loops_share_the_address(self):
        probe = self.start(loops=3)
        for _ in range(30):
            self.assertEqual(probe.ask("/hello").status, 202)
        self.assertEqual(probe.stats()["requests"], 30)


class Deferred(ProbeTest):
    def test_held_replies_leave_when_they_are_released(self):
        probe = self.start()
        with probe.connect() as c:
            c.request("/hold")
            probe.until(held=1)
            c.sock.settimeout(0.2)
            with self.assertRaises(TimeoutError):
                c.answer()
            c.sock.settimeout(60)
            probe.command("release")
            self.assertEqual(c.answer().body, b"held\n")

    def test_many_held_replies_are_released_at_once(self):
        probe = self.start(loops=2)
        clients = [probe.connect() for _ in range(500)]
        for c in clients:
            c.request("/hold")
        probe.until(held=500)
        self.assertEqual(probe.command("release"), "500")
        for c in clients:
            with c:
                self.assertEqual(c.answer().body, b"held\n")

    def test_a_release_before_the_handler_has_returned_waits_for_it(self):
        probe = self.start()
        with probe.connect() as c:
            c.request("/hold?ms=100")
            probe.until(held=1)
            probe.command("release")
            self.assertEqual(c.answer().body, b"held\n")

    def test_a_held_reply_can_be_replaced_by_an_error(self):
        probe = self.start()
        for ms in (0, 50):
            with probe.connect() as c:
                c.request(f"/hold?ms={ms}")
                probe.until(held=1)
                probe.command("fail")
                answer = c.answer()
                self.assertEqual((answer.status, answer.body), (507, b"disk full\n"))
                self.assertEqual(answer.headers["x-always"], "yes")

    def test_a_client_that_leaves_does_not_keep_a_hold(self):
        probe = self.start()
        with probe.connect() as c:
            c.request("/hold")
            probe.until(held=1)
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        probe.until(open=0)
        self.assertEqual(probe.command("release"), "1")

    def test_a_wait_ends_when_it_is_woken_or_over(self):
        probe = self.start()
        self.assertEqual(probe.ask("/wait?ms=30").body, b"time up\n")
        with probe.connect() as c:
            c.request("/wait")
            while probe.command("wake") == "0":
                time.sleep(0.01)
            self.assertEqual(c.answer().body, b"woken\n")
            self.assertEqual(c.ask("/wait?ms=0").body, b"time up\n")

    def test_a_wait_ends_when_the_client_leaves(self):
        probe = self.start()
        with probe.connect() as c:
            c.request("/wait")
            probe.until(requests=1)
        probe.until(open=0, gone=1)
        self.assertEqual(probe.command("wake"), "0")

    def test_a_half_closed_client_gets_the_answer_of_its_wait(self):
        probe = self.start()
        with probe.connect() as c:
            c.request("/wait")
            probe.until(requests=1)
            c.sock.shutdown(socket.SHUT_WR)
            self.assertEqual(c.answer().body, b"gone\n")

    def test_waking_and_leaving_at_once_is_safe(self):
        probe = self.start(loops=2)
        for _ in range(30):
            clients = [probe.connect() for _ in range(20)]
            for c in clients:
                c.request("/wait?ms=5")
            probe.tell("wake")
            for c in clients:
                c.sock.close()
            probe.answer()
        probe.until(open=0)


class Streams(ProbeTest):
    def test_a_stream_comes_in_chunks_and_ends(self):
        probe = self.start()
        with probe.connect() as c:
            self.assertEqual(c.ask("/stream?n=1000&size=100").body, b"s" * 100000)
            self.assertEqual(c.ask("/hello").status, 202)
        self.assertEqual(probe.stats()["closed"], 1)

    def test_a_stream_with_nothing_to_say_is_asked_again(self):
        self.assertEqual(self.start().ask("/stream?n=2&size=0").body, b"")

    def test_a_stream_that_has_to_look_for_what_it_sends_is_not_cut(self):
        with self.start().connect() as c:
            c.request("/stream?n=200&size=0&seeks=1")
            c.sock.shutdown(socket.SHUT_WR)
            self.assertEqual((c.answer().status, c.rest), (200, b""))

    def test_a_slow_reader_stops_the_stream(self):
        probe = self.start()
        with probe.connect() as c:
            c.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            c.request("/stream?n=1000&size=100000")
            before, made = -1, 0
            while made != before:
                time.sleep(0.2)
                before, made = made, probe.stats()["made"]
            self.assertLess(made, 200)
            self.assertLess(int(probe.command("rss")), 200 << 20)
            self.assertEqual(len(c.answer().body), 100000000)

    def test_a_stream_is_closed_when_the_client_leaves(self):
        probe = self.start()
        with probe.connect() as c:
            c.request("/stream?n=1000000&size=1000")
            c.head()
        probe.until(open=0, closed=1)

    def test_a_stream_that_fails_is_cut(self):
        probe = self.start()
        with probe.connect() as c:
            c.request("/stream?n=10&fail=5")
            with self.assertRaises((EOFError, ConnectionResetError)):
                c.answer()
        probe.until(open=0, closed=1)

    def test_a_body_is_consumed_while_it_comes(self):
        probe = self.start()
        with probe.connect() as c:
            c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
            c.send(b"4\r\nabc\n\r\n")
            self.assertEqual(c.head()[0], 200)
            self.assertEqual(c.chunk(), b"3\n")
            c.send(b"5\r\nabcd\n\r\n")
            self.assertEqual(c.chunk(), b"4\n")
            c.send(b"0\r\n\r\n")
            self.assertEqual(c.chunk(), b"end\n")
            self.assertEqual(c.chunk(), b"")
            self.assertEqual(c.ask("/hello").status, 202)
        self.assertEqual(probe.stats()["closed"], 1)

    def test_a_large_body_is_consumed_in_bounded_memory(self):
        probe = self.start()
        line, n = b"x" * 999 + b"\n", 50000
        with probe.connect() as c:
            def send():
                c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n"
                       % (n * len(line)))
                for _ in range(n // 1000):
                    c.send(line * 1000)
            sender = threading.Thread(target=send)
            sender.start()
            self.assertEqual(c.answer().body, b"999\n" * n + b"end\n")
            sender.join()
        self.assertLess(int(probe.command("rss")), 200 << 20)

    def test_a_consumed_body_may_be_empty(self):
        probe = self.start()
        self.assertEqual(probe.ask("/bulk", method="POST", body=b"").body, b"end\n")
        self.assertEqual(probe.ask("/bulk").body, b"end\n")

    def test_a_consumer_may_fail(self):
        probe = self.start()
        self.assertEqual(probe.ask("/bulk", method="POST", body=b"!").status, 500)
        with probe.connect() as c:
            c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc\n")
            c.head()
            self.assertEqual(c.chunk(), b"3\n")
            c.send(b"!")
            with self.assertRaises((EOFError, ConnectionResetError)):
                c.chunk()
        probe.until(closed=2)

    def test_a_consumer_is_closed_when_the_client_leaves(self):
        probe = self.start()
        with probe.connect() as c:
            c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc\n")
            c.head()
        probe.until(open=0, closed=1)

    def test_broken_framing_cuts_a_consumed_body(self):
        probe = self.start()
        with probe.connect() as c:
            c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n")
            self.assertEqual(c.answer().status, 400)
        with probe.connect() as c:
            c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
                   b"2\r\na\n\r\n")
            c.head()
            c.chunk()
            c.send(b"x\r\n")
            with self.assertRaises((EOFError, ConnectionResetError)):
                c.chunk()
        probe.until(open=0)

    def test_a_refused_body_is_not_read(self):
        with self.start().connect() as c:
            c.send(b"POST /bulk HTTP/1.1\r\nHost: a\r\nX-Refuse: yes\r\n"
                   b"Content-Length: 1000000\r\n\r\n" + b"x" * 1000)
            answer = c.answer()
            self.assertEqual((answer.status, answer.headers["connection"]), (401, "close"))
            self.assertTrue(c.ended())


if __name__ == "__main__":
    main()
