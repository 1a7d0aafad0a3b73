"""The same server behind TLS."""
import select
import shutil
import socket
import ssl
import subprocess
import tempfile
import time
import warnings

from probe import PATIENCE, Connection, ProbeTest, main


def both_ways(c, data, last):
    """Sends `data` and reads at the same time, until what came ends with `last`.  In one thread:
    an SSL object is not to be used by two at once."""
    blocked = (ssl.SSLWantReadError, ssl.SSLWantWriteError)
    view, timeout = memoryview(data), c.sock.gettimeout()
    c.sock.setblocking(False)
    while view or not c.rest.endswith(last):
        moved = False
        try:
            if view:
                view, moved = view[c.sock.send(view[:65536]):], True
        except blocked:
            pass
        try:
            if not c.more():
                raise EOFError(c.rest[-100:])
            moved = True
        except blocked:
            pass
        if not moved and not any(select.select([c.sock], [c.sock] if view else [], [], timeout)):
            raise TimeoutError("nothing moves")
    c.sock.settimeout(timeout)


class Tls(ProbeTest):
    def setUp(self):
        self.dir = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.dir)
        self.cert, self.key = f"{self.dir}/cert.pem", f"{self.dir}/key.pem"
        self.make_cert("first")

    def make_cert(self, name):
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-subj", f"/CN={name}", "-addext", "subjectAltName=DNS:localhost",
             "-days", "2", "-keyout", self.key, "-out", self.cert],
            check=True, capture_output=True)

    def start(self, **options):
        return super().start(cert=self.cert, key=self.key, **options)

    def client(self, **settings):
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        tls.load_verify_locations(self.cert)
        for name, value in settings.items():
            setattr(tls, name, value)
        return tls

    def connect(self, probe, tls=None):
        sock = socket.create_connection(("127.0.0.1", probe.port), PATIENCE)
        return Connection((tls or self.client()).wrap_socket(sock, server_hostname="localhost"))

    def test_requests_are_served_in_both_versions(self):
        probe = self.start()
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            tls = self.client(minimum_version=version, maximum_version=version)
            with self.connect(probe, tls) as c:
                self.assertEqual(c.ask("/hello").status, 202)
                self.assertEqual(c.ask("/echo", method="POST", body=b"x" * 100000).body,
                                 b"x" * 100000)
                self.assertEqual(c.ask("/stream?n=100&size=10000").body, b"s" * 1000000)
                c.request("/slow?ms=20")
                c.request("/hello")
                self.assertEqual((c.answer().status, c.answer().status), (200, 202))

    def test_older_versions_are_refused(self):
        probe = self.start()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            tls = self.client(minimum_version=ssl.TLSVersion.TLSv1,
                              maximum_version=ssl.TLSVersion.TLSv1_1)
        tls.set_ciphers("ALL:@SECLEVEL=0")
        with self.assertRaises((ssl.SSLError, ConnectionResetError)):
            self.connect(probe, tls)
        probe.until(open=0, tls_errors=1)

    def test_alpn_chooses_http11_and_never_h2(self):
        probe = self.start()
        for offer, chosen in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1"),
                              (["h2"], None)):
            tls = self.client()
            tls.set_alpn_protocols(offer)
            with self.connect(probe, tls) as c:
                self.assertEqual(c.sock.selected_alpn_protocol(), chosen)
                self.assertEqual(c.ask("/hello").status, 202)

    def test_closing_is_announced(self):
        probe = self.start()
        with self.connect(probe) as c:
            c.ask("/hello", headers=["Connection: close"])
            self.assertEqual(c.sock.recv(10), b"")  # an EOF without notice would raise

    def test_a_client_that_speaks_plain_is_cut(self):
        probe = self.start()
        with probe.connect() as c:
            c.request("/hello")
            c.until_end()
        probe.until(open=0, tls_errors=1)
        self.assertEqual(probe.stats()["requests"], 0)

    def test_a_handshake_that_stalls_is_cut(self):
        probe = self.start(head_ms=300)
        with probe.connect() as c:
            c.send(b"\x16\x03\x01\x02\x00\x01\x00")
            self.assertTrue(c.ended())
        probe.until(open=0, timeouts=1)

    def test_dripping_headers_are_cut(self):
        probe = self.start(head_ms=500)
        with self.connect(probe) as c:
            try:
                c.send(b"GET / HTTP/1.1\r\nX: ")
                while True:
                    c.send(b"y")
                    time.sleep(0.02)
            except OSError:
                pass
        probe.until(open=0)
        self.assertEqual(probe.stats()["timeouts"], 1)

    def test_a_large_reply_meets_a_slow_reader(self):
        probe = self.start()
        with self.connect(probe) as c:
            c.request("/big?n=6000000")
            time.sleep(0.3)
            self.assertEqual(c.answer().body, b"b" * 6000000)

    def test_a_body_is_consumed_in_bounded_memory(self):
        probe = self.start()
        n, line = 20000, b"x" * 999 + b"\n"
        with self.connect(probe) as c:
            head = b"POST /bulk HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (n * len(line))
            both_ways(c, head + line * n, b"\r\n0\r\n\r\n")
            self.assertEqual(c.answer().body, b"999\n" * n + b"end\n")

    def test_a_client_leaving_ends_a_wait(self):
        probe = self.start()
        with self.connect(probe) as c:
            c.request("/wait")
            probe.until(requests=1)
        probe.until(open=0, gone=1)

    def test_a_new_certificate_is_taken_and_a_bad_one_is_not(self):
        probe = self.start()
        old = self.client()
        with self.connect(probe, old) as kept:
            kept.ask("/hello")
            self.make_cert("second")
            self.assertEqual(probe.command("reload"), "ok")
            with self.connect(probe) as c:
                self.assertIn("second", str(c.sock.getpeercert()["subject"]))
            self.assertEqual(kept.ask("/hello").status, 202)
            new = self.client()
            for path in (self.cert, self.key):
                with open(path, "w") as f:
                    f.write("nonsense")
                self.assertNotEqual(probe.command("reload"), "ok")
                with self.connect(probe, new) as c:
                    self.assertEqual(c.ask("/hello").status, 202)

    def test_a_key_of_another_certificate_is_refused(self):
        probe = self.start()
        shutil.copy(self.cert, f"{self.dir}/old.pem")
        good = self.client()
        self.make_cert("second")
        shutil.copy(f"{self.dir}/old.pem", self.cert)
        self.assertIn("private key", probe.command("reload"))
        with self.connect(probe, good) as c:
            self.assertEqual(c.ask("/hello").status, 202)

    def test_idle_connections_are_cheap(self):
        probe = self.start()
        tls = self.client()
        n = 300
        for c in [self.connect(probe, tls) for _ in range(20)]:
            c.ask("/hello")
            c.sock.close()
        probe.until(open=0)
        before = int(probe.command("rss"))
        clients = [self.connect(probe, tls) for _ in range(n)]
        for c in clients:
            self.assertEqual(c.ask("/hello").status, 202)
        probe.until(open=n)
        print(f"{(int(probe.command('rss')) - before) / n:.0f} bytes a connection")
        for c in clients:
            c.sock.close()


if __name__ == "__main__":
    main()
