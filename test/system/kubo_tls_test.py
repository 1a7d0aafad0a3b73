"""A Kubo behind https: what is wrong with its TLS is told, keeps pins waiting, and is over when it is mended."""
import contextlib
import socket
import ssl
import subprocess
import threading

from servers import FakeKubo, Pinfold, Story, cid_of, main, stays, until


def certificate(directory, name, san="IP:127.0.0.1", expired=False):
    """Self-signed; its file serves as authority too."""
    cert, key = directory / f"{name}.crt", directory / f"{name}.key"

    def openssl(*args):
        subprocess.run(["openssl", *args], check=True, capture_output=True)

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", f"/CN={name}",
            "-addext", f"subjectAltName={san}", "-keyout", key, "-out", cert)
    if expired:
        openssl("x509", "-in", cert, "-signkey", key, "-days", "-1", "-out", cert)
    return cert, key


class Front:
    """Speaks TLS before a server of plain HTTP, or refuses to; `show()` changes how and ends what is connected."""

    def __init__(self, port):
        self.behind, self.context, self.open = port, None, set()
        self.lock = threading.Lock()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def show(self, cert_and_key):
        context = None
        if cert_and_key:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*cert_and_key)
        with self.lock:
            self.context = context
            for s in self.open:
                with contextlib.suppress(OSError):
                    s.shutdown(socket.SHUT_RDWR)
            self.open.clear()  # each is closed by the thread that serves it

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                s, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(s,), daemon=True).start()

    def serve(self, s):
        context = self.context
        with contextlib.suppress(OSError), contextlib.ExitStack() as both:
            both.enter_context(s)
            if not context:  # as Kubo answers a TLS hello
                s.recv(1024)
                return s.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            s = both.enter_context(context.wrap_socket(s, server_side=True))
            back = both.enter_context(socket.create_connection(("127.0.0.1", self.behind)))
            with self.lock:
                if self.context is not context:
                    return
                self.open |= {s, back}
            there = threading.Thread(target=self.copy, args=(s, back), daemon=True)
            there.start()
            self.copy(back, s)
            there.join()

    @staticmethod
    def copy(a, b):
        with contextlib.suppress(OSError):
            while part := a.recv(65536):
                b.sendall(part)
        with contextlib.suppress(OSError):
            b.shutdown(socket.SHUT_RDWR)

    def close(self):
        self.listener.close()
        self.show(None)


class KuboTls(Story):
    def test_what_is_wrong_with_the_tls_of_a_node_is_told_until_it_is_mended(self):
        good = certificate(self.dir, "good")
        wrong = {
            "issuer": (certificate(self.dir, "stranger"), ("TLS: ", "certificate")),
            "name": (certificate(self.dir, "named", san="DNS:kubo.example.org"), ("TLS: ", "127.0.0.1")),
            "time": (certificate(self.dir, "late", expired=True), ("TLS: ", "expired")),
            "no TLS": (None, ("TLS: ", "wrong version number")),
        }
        trusted = self.dir / "trusted.pem"
        trusted.write_bytes(b"".join(c.read_bytes() for c in (good[0], self.dir / "named.crt", self.dir / "late.crt")))
        kubo = FakeKubo()
        front = Front(kubo.port)
        self.addCleanup(front.close)
        front.show(good)
        p = Pinfold(self.dir, [front.url], worker_kubo_ca_file=str(trusted)).start()
        self.addCleanup(p.kill)

        def up():
            return [q["up"] for q in p.peers()] == [True]

        until(up, "the node is up")
        for what, (shown, words) in wrong.items():
            with self.subTest(wrong=what):
                front.show(shown)
                peer = until(lambda: [q for q in p.peers() if q.get("down_reason")], f"it is down for its {what}")[0]
                for word in words:
                    self.assertIn(word, peer["down_reason"])
                self.assertIn("TLS: ", p.cli("peer", "ls", "--json").stdout)
                pin = p.pin(cid_of(what))
                stays(lambda: p.status(pin) in ("queued", "pinning"), "the pin waits", 2)
                copy, = p.ask("GET", f"/v1/pins/{pin}").json["copies"] or [{}]
                self.assertFalse(copy.get("attempts"), copy)
                front.show(good)
                until(up, "it is up again")
                until(lambda: p.status(pin) == "pinned", "the pin is there")
        p.stop()

    def test_a_file_of_authorities_that_is_missing_is_told_and_read_when_it_comes(self):
        good = certificate(self.dir, "good")
        trusted = self.dir / "later.pem"
        kubo = FakeKubo()
        front = Front(kubo.port)
        self.addCleanup(front.close)
        front.show(good)
        p = Pinfold(self.dir / "later", [front.url], worker_kubo_ca_file=str(trusted)).start()
        self.addCleanup(p.kill)
        text = until(lambda: [line for line in p.log.read_text().splitlines() if "TLS: " in line], "the log says why it is down")[0]
        self.assertIn(trusted.name, text)
        trusted.write_bytes(good[0].read_bytes())
        until(lambda: [q["up"] for q in p.peers()] == [True], "the node is up")
        p.stop()


if __name__ == "__main__":
    main()
