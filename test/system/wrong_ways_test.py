"""Commands that need no server, that meet something that is none, and servers that cannot start:
each says what is wrong, with the right exit code, and leaves nothing behind."""
import contextlib
import json
import os
import pathlib
import socket
import ssl
import subprocess
import threading
import time

from servers import PATIENCE, PROGRAM, FakeKubo, Pinfold, Story, ask, cid_of, end_process, free_port, main, until

KEY = "pin_live_0123456789ab_secret_crc"


class Case(Story):
    def run_it(self, *args, code=0, stdin="", cwd=None, **env):
        kept = {k: os.environ[k] for k in ("PATH", "ASAN_OPTIONS", "UBSAN_OPTIONS") if k in os.environ}
        out = subprocess.run([PROGRAM, *map(str, args)], env={**kept, "HOME": str(self.dir), "no_proxy": "*", **env}, cwd=cwd,
                             input=stdin, capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(out.returncode, code, f"{args}: {out.stdout}{out.stderr}")
        return out

    def file(self, name, content):
        path = self.dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path


class Alone(Case):
    """No server at all."""

    def test_the_lists_and_the_version(self):
        self.assertEqual("pinfold " + json.loads(self.run_it("version", "--json").stdout)["version"] + "\n", self.run_it("version").stdout)
        docs = pathlib.Path(__file__).resolve().parents[2] / "docs"
        for what, page in (("metrics", "metrics.md"), ("config", "configuration.md")):
            self.assertEqual(self.run_it("doc", what).stdout, (docs / page).read_text())
        self.assertEqual(self.run_it("config", "doc").stdout, self.run_it("doc", "config").stdout)
        self.assertIn(".TH", self.run_it("doc", "man").stdout)
        self.assertIn('"poem"', self.run_it("doc", "poem", code=2).stderr)

    def test_the_configuration_as_json_names_value_and_source(self):
        secret = self.file("auth", "bearer:hunter2\n")
        config = self.file("config.json", {"http": {"workers": 7}, "kubo": ["http://a:1", {"url": "http://b:2", "zone": "z", "tags": ["t"]}]})
        out = self.run_it("config", "show", "--json", "--config", config, "--log-level", "warn",
                          PINFOLD_WORKER_KUBO_AUTH_FILE=str(secret), PINFOLD_WORKER_STALL_TIMEOUT="3m")
        rows = {r["option"]: r for r in map(json.loads, out.stdout.splitlines())}
        self.assertEqual((rows["http.workers"]["value"], rows["http.workers"]["source"]), ("7", "file"))
        self.assertEqual((rows["log.level"]["value"], rows["log.level"]["source"]), ("warn", "flag"))
        self.assertEqual(rows["worker.stall_timeout"]["place"], "PINFOLD_WORKER_STALL_TIMEOUT")
        self.assertEqual(rows["listen"]["source"], "default")
        self.assertNotIn("hunter2", out.stdout)

    def test_each_mistake_in_the_file_is_told_where_it_is(self):
        for content, words in (
            ({"kubo": "http://a:1"}, ("kubo", "list")), ({"kubo": [7]}, ("kubo[0]", "URL")), ({"kubo": [{"zone": "z"}]}, ("kubo[0]", "url is missing")),
            ({"kubo": [{"url": "ftp://a"}]}, ("kubo[0].url", "ftp://a")), ({"kubo": ["http://me:pw@a:1"]}, ('"http://***@a:1"', "user and password go into auth")), ({"kubo": [{"url": "http://a:1", "tags": "t"}]}, ("kubo[0].tags",)),
            ({"kubo": [{"url": "http://a:1", "tags": [1]}]}, ("kubo[0].tags",)), ({"kubo": [{"url": "http://a:1", "zone": 1}]}, ("kubo[0].zone",)),
            ({"kubo": [{"url": "http://a:1", "auth": "hunter2"}]}, ("kubo[0].auth", "bearer:TOKEN")),
            ({"kubo": [{"url": "http://a:1", "auth_file": str(self.dir / "none")}]}, ("kubo[0].auth_file", "No such file")),
            ({"kubo": [{"url": "http://a:1", "auth_file": 7}]}, ("kubo[0].auth",)), ({"kubo": [{"url": "http://a:1", "zne": "z"}]}, ("did you mean zone?",)),
            ({"tls": {"key_file": "/k"}}, ("tls.key_file", "tls.cert_file")), ({"tls": {"cert_file": "/c"}}, ("tls.cert_file", "tls.key_file")),
            ({"peer": {"suspect_after": "3h", "down_after": "1h"}}, ("peer.suspect_after",)), ({"data": ""}, ("data",)),
            ({"worker": {"retry_min": "2h", "retry_max": "1h"}}, ("worker.retry_min",)), ({"worker": {"kubo_auth_file": "/none"}}, ("worker.kubo_auth_file",)),
            ({"store": {"rocksdb": {"cache": "1"}}}, ("store.rocksdb.cache", "1MiB")), ({"store": {"rocksdb": {"cache": "many"}}}, ("store.rocksdb.cache",)),
            ({"origins": {"allow": [7]}}, ("origins.allow",)), ({"origins": {"allow": ["a,b"]}}, ("origins.allow",)), ({"origins": {"allow": ["10.0.0.0/64"]}}, ("origins.allow",)),
            ({"http": {"workers": "7x"}}, ("http.workers",)), ({"listen": "nowhere"}, ("listen", "HOST:PORT")), ({"http": 7}, ("http",)),
            ("{", ("config.json",)), ('{"http":{"workers":1,"workers":2}}', ("config.json",)),
        ):
            with self.subTest(content=content):
                out = self.run_it("config", "check", "--config", self.file("config.json", content), code=2)
                for word in words:
                    self.assertIn(word, out.stderr)
        self.assertIn("none.json", self.run_it("config", "check", "--config", self.dir / "none.json", code=2).stderr)
        empty = self.file("empty", "")
        self.assertIn("kubo_auth_file", self.run_it("config", "check", "--worker-kubo-auth-file", empty, code=2).stderr)

    def test_keys_that_cannot_be_had_are_wrong_usage(self):
        self.assertIn("cannot read", self.run_it("status", "--key-file", self.dir / "none", code=2).stderr)
        bad = self.file("config.json", {"http": {"workers": "7x"}})
        for args in (("status",), ("store", "check"), ("store", "backup", "/tmp/x"), ("store", "restore", "/tmp/x"), ("config", "show"), ("up",)):
            self.assertIn("http.workers", self.run_it(*args, code=2, PINFOLD_CONFIG=str(bad)).stderr)

    def test_every_command_says_when_no_server_is_there(self):
        nobody = f"http://127.0.0.1:{free_port()}"
        cid = cid_of(1)
        for args in (("pin", "add", cid), ("pin", "ls"), ("pin", "get", cid), ("pin", "wait", cid), ("pin", "update", cid, "--name", "n"), ("pin", "retry", cid),
                     ("pin", "rm", cid), ("peer", "ls"), ("peer", "add", "http://127.0.0.1:1"), ("peer", "set", "p", "--zone", "z"), ("peer", "drain", "p"),
                     ("peer", "pause", "p"), ("peer", "resume", "p"), ("peer", "gc", "p"), ("peer", "rm", "p"), ("key", "create"), ("key", "ls"),
                     ("key", "rotate", "k"), ("key", "revoke", "k"), ("owner", "ls"), ("owner", "show", "o"), ("owner", "set", "o", "--replicas", "2"),
                     ("deny", "add", cid), ("deny", "ls"), ("deny", "rm", cid), ("status",), ("drift",), ("rebalance",)):
            with self.subTest(args=args):
                out = self.run_it(*args, "--key", KEY, "--server", nobody, code=3)
                self.assertIn(nobody, out.stderr)
                self.assertEqual(out.stdout, "")
        self.run_it("pin", "add", "-", "--key", KEY, "--server", nobody, code=3, stdin=f"{cid}\n")


class Strangers(Case):
    """Something answers that is no Pinfold."""

    def serve(self, answer, context=None):
        """Answers each connection by `answer` as soon as a request has come, and closes."""
        listener = socket.create_server(("127.0.0.1", 0))
        def loop():
            with contextlib.suppress(OSError):
                while True:
                    client, _ = listener.accept()
                    with client, contextlib.suppress(OSError):
                        if context:
                            client = context.wrap_socket(client, server_side=True)
                        client.recv(65536)
                        client.sendall(answer)
        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        def stop():
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            thread.join()
        self.addCleanup(stop)
        return f"127.0.0.1:{listener.getsockname()[1]}"

    def test_what_it_answers_is_not_taken_for_an_answer(self):
        ok = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n%s"
        for answer, code, words in (
            (ok % (6, b"<html>"), 1, "no JSON"), (ok % (100, b'{"pins":['), 1, "broke off"), (b"", 3, "no server"),
            (b"SSH-2.0-OpenSSH_9.2\r\n", 3, "no server"), (b"HTTP/1.1 500 No\r\nContent-Length: 3\r\n\r\nno!", 1, "HTTP 500"),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 1, "broke off"),
        ):
            with self.subTest(answer=answer):
                out = self.run_it("pin", "ls", "--key", KEY, "--server", self.serve(answer) + "///", code=code)
                self.assertIn(words, out.stderr)

    def test_a_key_that_it_did_not_make_is_not_printed(self):
        server = self.serve(b"HTTP/1.1 201 Created\r\nContent-Length: 2\r\n\r\n{}")
        self.assertEqual(self.run_it("key", "create", "--key", KEY, "--server", server, code=1).stdout, "")

    def test_a_certificate_that_nobody_signed_is_refused(self):
        cert, key = self_signed(self.dir)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert, key)
        server = self.serve(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", context)
        self.assertIn("certificate", self.run_it("status", "--key", KEY, "--server", f"https://{server}", code=3).stderr)


def self_signed(directory, name="tls", kind="ec", san=None):
    cert, key = directory / f"{name}.crt", directory / f"{name}.key"
    curve = ["-pkeyopt", "ec_paramgen_curve:prime256v1"] if kind == "ec" else []
    names = ["-addext", f"subjectAltName={san}"] if san else []
    subprocess.run(["openssl", "req", "-x509", "-newkey", kind, *curve, *names, "-nodes", "-days", "2",
                    "-subj", "/CN=127.0.0.1", "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


class Starting(Case):
    @staticmethod
    def told(pinfold):
        file = pinfold.dir / "server.json"
        return file.exists() and file.read_text().endswith("}")

    def test_what_cannot_be_served_is_told(self):
        cert, key = self_signed(self.dir)
        _, other = self_signed(self.dir, "other")
        _, rsa = self_signed(self.dir, "rsa", "rsa:2048")
        junk = self.file("junk", "no certificate\n")
        for flags, words in (
            (("--tls-cert-file", self.dir / "none", "--tls-key-file", key), "none"), (("--tls-cert-file", junk, "--tls-key-file", key), "junk"),
            (("--tls-cert-file", cert, "--tls-key-file", junk), "junk"), (("--tls-cert-file", cert, "--tls-key-file", other), "mismatch"),
            (("--tls-cert-file", cert, "--tls-key-file", rsa), "does not fit"),
            (("--listen", "192.0.2.1:1"), "192.0.2.1"), (("--data", junk), "junk"), (("--data", "/proc/none"), "/proc/none"),
            (("--store-rocksdb-path", junk), "junk"), (("--origins-allow", "10.0.0.0/99"), "origins.allow"),
        ):
            with self.subTest(flags=flags):
                given = ["--data", self.dir / "data", "--listen", f"127.0.0.1:{free_port()}", *flags]
                out = subprocess.run([PROGRAM, "up", *map(str, given)], env={**os.environ, "HOME": str(self.dir)}, capture_output=True, text=True,
                                     timeout=PATIENCE)
                self.assertIn(out.returncode, (1, 2), out.stderr)
                self.assertIn(words, out.stderr)

    def test_the_kubo_is_found_where_its_file_says(self):
        for n, (api, env, words) in enumerate((
            ("/ip4/127.0.0.1/tcp/1\n", "IPFS_PATH", "http://127.0.0.1:1"), ("/ip6/::1/tcp/1", "IPFS_PATH", "http://[::1]:1"),
            ("/dns4/localhost/tcp/1", "IPFS_PATH", "http://localhost:1"), (f"/unix{self.dir}/none.sock", "IPFS_PATH", f"unix:{self.dir}/none.sock"),
            ("/ip4/127.0.0.1/tcp/2", "HOME", "http://127.0.0.1:2"), ("", "IPFS_PATH", "http://127.0.0.1:5001"),
        )):
            with self.subTest(api=api):
                home = self.dir / f"found{n}"
                self.file(f"found{n}/{'.ipfs/' if env == 'HOME' else ''}api", api)
                pinfold = Pinfold(home, [])
                pinfold.up_env = {**pinfold.env(key=False), env: str(home)}
                pinfold.start()
                self.assertIn(words, pinfold.log.read_text())
                pinfold.stop()
        for api in ("/ip4/127.0.0.1/udp/1", "nonsense", "/onion/x/tcp/1"):
            with self.subTest(api=api):
                self.file("wrong/api", api)
                out = self.run_it("up", "--data", self.dir / "wrong/data", "--listen", "127.0.0.1:0", code=1, IPFS_PATH=str(self.dir / "wrong"))
                self.assertIn("pass --kubo URL", out.stderr)

    def test_tls_is_served_and_read_again_on_a_signal(self):
        cert, key = self_signed(self.dir)
        pinfold = Pinfold(self.dir / "tls", ["http://127.0.0.1:1"], tls_cert_file=str(cert), tls_key_file=str(key))
        trusted = ssl.create_default_context(cafile=cert)
        trusted.check_hostname = False
        def shown():
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", pinfold.port), 10) as s:
                with trusted.wrap_socket(s) as t:
                    return t.getpeercert(binary_form=True)
        pinfold.start(wait=False)
        first = until(shown, "the first certificate is served")
        new_cert, new_key = self_signed(self.dir, "new")
        cert.write_text("junk")
        pinfold.process.send_signal(1)
        until(lambda: "reload" in pinfold.log.read_text(), "the reload has failed")
        trusted.verify_mode = ssl.CERT_NONE
        self.assertEqual(shown(), first, "what cannot be read changes nothing")
        cert.write_bytes(new_cert.read_bytes())
        key.write_bytes(new_key.read_bytes())
        pinfold.process.send_signal(1)
        until(lambda: shown() == ssl.PEM_cert_to_DER_cert(new_cert.read_text()), "the new certificate is served")
        pinfold.stop()

    def test_the_limit_of_a_body_is_the_one_that_was_configured(self):
        for limit, good in (("2KiB", 1900), ("1MiB", 900_000)):
            pinfold = Pinfold(self.dir / limit, [FakeKubo().url], store_kind="mem", http_max_body=limit).start()
            bodies = [json.dumps({"cid": cid_of("body")}).ljust(n) for n in (good, good * 2)]
            self.assertEqual([pinfold.ask("POST", "/v1/pins", raw=body).status for body in bodies], [202, 413])
            pinfold.stop()

    def test_commands_on_the_machine_of_a_tls_server_need_nothing_else(self):
        cert, key = self_signed(self.dir, "named", san="DNS:pins.example.org")
        pinfold = Pinfold(self.dir / "own", ["http://127.0.0.1:1"], tls_cert_file=str(cert), tls_key_file=str(key))
        pinfold.start(wait=False)
        until(lambda: self.told(pinfold), "it listens")
        self.assertIn("https://", self.run_it("status", "--data", pinfold.dir).stdout)
        self.run_it("status", "--data", pinfold.dir, PINFOLD_CA=str(key))  # is for others
        self.run_it("store", "backup", self.dir / "tls-backup", "--data", pinfold.dir)
        loopback = f"https://127.0.0.1:{pinfold.port}"
        self.assertIn("certificate", self.run_it("status", "--data", pinfold.dir, "--server", loopback, code=3).stderr)
        new_cert, _ = self_signed(self.dir, "stranger", san="IP:127.0.0.1")
        cert.write_bytes(new_cert.read_bytes())
        out = self.run_it("status", "--data", pinfold.dir, code=3)
        self.assertIn("another certificate", out.stderr)
        pinfold.stop()

    def test_a_server_is_trusted_by_the_authority_that_is_named(self):
        cert, key = self_signed(self.dir, "ca", san="IP:127.0.0.1")
        pinfold = Pinfold(self.dir / "by-ca", ["http://127.0.0.1:1"], tls_cert_file=str(cert), tls_key_file=str(key))
        pinfold.start(wait=False)
        until(lambda: self.told(pinfold), "it listens")
        named = ("--data", pinfold.dir, "--server", f"https://127.0.0.1:{pinfold.port}")
        self.assertIn("--ca", self.run_it("status", *named, code=3).stderr)
        self.run_it("status", *named, "--ca", cert)
        self.run_it("status", *named, PINFOLD_CA=str(cert))
        pinfold.stop()

    def test_a_store_in_memory_serves_and_forgets(self):
        kubo = FakeKubo()
        pinfold = Pinfold(self.dir / "mem", [kubo.url], store_kind="mem").start()
        pin = pinfold.pin(cid_of("mem"))
        until(lambda: pinfold.status(pin) == "pinned", "it is pinned")
        reply = pinfold.ask("POST", "/v1/store/backup", {"dir": str(self.dir / "mem-backup")})
        self.assertEqual((reply.status, reply.json["code"]), (400, "invalid"))
        self.assertFalse((self.dir / "mem-backup").exists())
        pinfold.stop()
        pinfold.start()
        self.assertEqual(pinfold.ask("GET", f"/v1/pins/{pin}").status, 404)
        pinfold.stop()


class Orders(Case):
    """A real server with one node."""

    def setUp(self):
        self.kubo = FakeKubo()
        self.pinfold = Pinfold(self.dir / self._testMethodName, [self.kubo.url]).start()
        self.addCleanup(lambda: end_process(self.pinfold.process))

    def test_backup_while_it_serves_and_restore_elsewhere(self):
        p = self.pinfold
        ids = {p.pin(cid_of(n)) for n in range(5)}
        p.cli("store", "check", "--repair", PINFOLD_DATA=str(p.dir))
        here = self.dir / "here"
        here.mkdir()
        env = {**p.env(), "PINFOLD_DATA": str(p.dir)}
        out = self.run_it("store", "backup", "copy", "--json", cwd=here, **env)
        self.assertEqual(json.loads(out.stdout), {"store": str(p.dir / "store"), "backup": str(here / "copy")})
        self.assertTrue((here / "copy" / "FORMAT").exists())
        out = self.run_it("store", "backup", "copy", "--json", cwd=here, code=1, **env)
        self.assertIn("copy", out.stderr)
        self.assertEqual(out.stdout, "")
        p.pin(cid_of("later"))
        self.assertIn("already", self.run_it("store", "restore", here / "copy", code=1, **env).stderr)
        p.stop()
        self.assertIn("already", self.run_it("store", "restore", here / "copy", code=1, **env).stderr)
        for wrong in (here, self.dir / "nowhere", self.file("plain", "x")):
            out = self.run_it("store", "restore", wrong, "--data", here / "new", code=1, **env)
            self.assertIn(str(wrong), out.stderr)
            self.assertFalse((here / "new").exists())
        (p.dir / "store").rename(p.dir / "lost")
        (p.dir / "store.part").mkdir()
        self.assertIn("store.part", self.run_it("store", "restore", here / "copy", code=1, **env).stderr)
        (p.dir / "store.part").rmdir()
        (here / "copy" / "extra").mkdir()
        out = self.run_it("store", "restore", here / "copy", code=1, **env)
        self.assertIn("extra", out.stderr)
        self.assertEqual(sorted(f.name for f in p.dir.iterdir() if f.name.startswith("store")), [], "nothing half made stays")
        (here / "copy" / "extra").rmdir()
        out = self.run_it("store", "restore", here / "copy", "--data", here / "new", "--json", **env)  # nothing but the backup is left
        self.assertEqual(json.loads(out.stdout), {"store": str(here / "new" / "store"), "backup": str(here / "copy")})
        offline = self.run_it("store", "backup", here / "of-new", "--data", here / "new", "--json", **env)
        self.assertEqual(json.loads(offline.stdout)["backup"], str(here / "of-new"))
        self.run_it("store", "restore", here / "copy", **env)
        p.start()
        self.assertEqual({pin["id"] for pin in p.ask("GET", "/v1/pins").json["pins"]}, ids)

    def test_a_backup_holds_no_key_and_is_all_that_keys_need(self):
        p, copy = self.pinfold, self.dir / "with_keys"
        alice = p.owner_key("alice")
        pin = p.pin(cid_of("of alice"), alice)
        p.cli("store", "backup", str(copy), PINFOLD_DATA=str(p.dir))
        files = [f.read_bytes() for f in copy.rglob("*") if f.is_file()]
        _, _, key_id, secret, _ = alice.split("_")
        self.assertTrue(any(key_id.encode() in f for f in files), "so are keys found by such a search")
        self.assertFalse(any(secret.encode() in f for f in files))
        elsewhere = Pinfold(self.dir / "elsewhere", [self.kubo.url])
        elsewhere.dir.parent.mkdir()
        self.run_it("store", "restore", copy, "--data", elsewhere.dir)
        self.addCleanup(lambda: end_process(elsewhere.process))
        p.stop()
        elsewhere.start()
        self.assertEqual([x["id"] for x in elsewhere.ask("GET", "/v1/pins", key=alice).json["pins"]], [pin])

    def test_lines_may_come_as_slowly_as_somebody_makes_them(self):
        self.pinfold.stop()
        slow = Pinfold(self.dir / "slow", [self.kubo.url], http_body_timeout="2s").start()
        self.addCleanup(lambda: end_process(slow.process))
        child = subprocess.Popen([PROGRAM, "pin", "add", "-", "--json"], env=slow.env(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(lambda: end_process(child))
        self.addCleanup(child.stdin.close)
        self.addCleanup(child.stdout.close)
        for n in range(8):  # about 100 bytes a second, for three times as long
            child.stdin.write(cid_of(n) + "\n")
            child.stdin.flush()
            self.assertEqual(json.loads(child.stdout.readline())["status"], 202)
            time.sleep(0.8)
        child.stdin.close()
        self.assertEqual(child.wait(PATIENCE), 0)

    def test_who_cannot_see_whether_a_server_runs_does_not_start_one(self):
        self.pinfold.stop()
        (self.pinfold.dir / "server.json").symlink_to("elsewhere")
        out = self.run_it("up", "--data", self.pinfold.dir, "--kubo", self.kubo.url, "--listen", f"127.0.0.1:{free_port()}", code=1)
        self.assertIn("server.json", out.stderr)

    def test_orders_about_a_directory_go_to_the_server_that_has_it(self):
        other = Pinfold(self.dir / "other_server", [self.kubo.url]).start()
        self.addCleanup(lambda: end_process(other.process))
        self.pinfold.pin(cid_of("mine"))
        env = {**other.env(), "PINFOLD_DATA": str(self.pinfold.dir)}  # of the wrong server, but for the directory
        self.run_it("store", "backup", self.dir / "right", **env)
        self.assertEqual(json.loads(self.run_it("store", "check", "--json", **env).stdout)["requests"], 1)
        copied = json.loads(self.run_it("store", "check", "--json", "--store-rocksdb-path", self.dir / "right").stdout)
        self.assertEqual(copied["requests"], 1)
        out = self.run_it("store", "backup", self.dir / "wrong", "--data", other.dir, "--store-rocksdb-path", self.pinfold.dir / "store", code=1)
        self.assertIn("is in use, but no server with the data directory", out.stderr)
        self.assertFalse((self.dir / "wrong").exists())

    def test_a_data_directory_has_one_server(self):
        """A second one would write its own admin.key over that of the first."""
        listen = f"127.0.0.1:{free_port()}"
        out = self.run_it("up", "--data", self.pinfold.dir, "--store-kind", "mem", "--listen", listen, "--kubo", self.kubo.url, code=1)
        self.assertIn(f"a server runs with the data directory {self.pinfold.dir}", out.stderr)
        self.assertIn(self.pinfold.url, self.run_it("status", "--data", self.pinfold.dir).stdout)

    def test_the_data_directory_alone_tells_where_its_server_is(self):
        out = self.run_it("status", "--data", self.pinfold.dir)
        self.assertIn(self.pinfold.url, out.stdout)
        file = self.pinfold.dir / "server.json"
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)
        self.pinfold.kill()
        self.assertTrue(file.exists())
        listen = f"127.0.0.1:{free_port()}"
        with socket.create_server(("127.0.0.1", self.pinfold.port)) as other:  # who has the port now gets no key
            told = self.run_it("status", "--data", self.pinfold.dir, code=3, PINFOLD_LISTEN=listen).stderr
            self.assertIn(f"no server at http://{listen}", told)
            other.setblocking(False)
            with self.assertRaises(BlockingIOError):
                other.accept()
        self.pinfold.start()
        self.pinfold.stop()
        self.assertFalse(file.exists())

    def test_what_orders_print(self):
        p = self.pinfold
        until(lambda: [q["up"] for q in p.peers()] == [True], "the node is up")
        peer = p.peers()[0]["id"]
        preview = json.loads(p.cli("rebalance", "--dry-run", "--json").stdout)
        self.assertEqual((preview["moves"], preview["complete"]), (0, True))
        self.assertIn("0 copies would move", p.cli("rebalance", "--dry-run").stdout)
        self.assertIn("drift", p.cli("rebalance").stdout)
        self.assertIn("missing", json.loads(p.cli("drift", "--json", "--limit", "1").stdout))
        p.cli("peer", "gc", peer)
        p.cli("peer", "gc", "nobody", code=1)
        self.assertEqual(json.loads(p.cli("peer", "set", peer, "--zone", "z", "--json").stdout)["zone"], "z")
        self.assertIn("--zone", p.cli("peer", "set", peer, code=2).stderr)
        self.assertIn("--replicas", p.cli("owner", "set", "alice", code=2).stderr)
        made = json.loads(p.cli("key", "create", "--json", "--owner", "alice").stdout)
        self.assertEqual(p.ask("GET", "/v1/status", key=made["key"]).json["owner"], "alice")

    def test_what_has_no_peer_says_why(self):
        p = self.pinfold
        peer = until(lambda: p.peers(), "the node is a peer")[0]["id"]
        here, away, none = (p.cli("pin", "add", cid_of(i), *more, "--json").stdout for i, more in
                            enumerate((["--replicas", "3"], ["--zone", "eu"], [])))
        here, away, none = (json.loads(text)["id"] for text in (here, away, none))
        until(lambda: p.ask("GET", f"/v1/pins/{here}").json["pinned_copies"] == 1, "one copy is there")
        seen = p.ask("GET", f"/v1/pins/{here}").json
        self.assertEqual((seen["missing_copies"], seen["left_out"]), (2, []), "there is no other peer")
        self.assertIn("2 more wanted, and no other peer to take them", p.cli("pin", "get", here).stdout)
        seen = p.ask("GET", f"/v1/pins/{away}").json
        self.assertEqual((seen["missing_copies"], seen["left_out"]), (1, [{"peer": peer, "reason": "wrong zone"}]))
        told = p.cli("pin", "get", away).stdout
        self.assertIn("1 more wanted, and no peer to take it", told)
        self.assertIn(f"{peer}  wrong zone", told)
        self.assertIn(f"0 of 1 copies; 1 more has no peer: {peer} wrong zone",
                      p.ask("GET", f"/pins/{away}").json["info"]["status_details"])
        tagged = json.loads(p.cli("pin", "add", cid_of(4), "--peer-tag", "ssd", "--json").stdout)["id"]
        self.assertEqual(p.ask("GET", f"/v1/pins/{tagged}").json["left_out"], [{"peer": peer, "reason": "wrong tags"}])
        p.cli("peer", "set", peer, "--tag", "ssd")
        until(lambda: p.ask("GET", f"/v1/pins/{tagged}").json["status"] == "pinned", "it is where the tag is")
        until(lambda: p.ask("GET", f"/v1/pins/{none}").json["status"] == "pinned", "what lacks nothing is pinned")
        self.assertNotIn("missing_copies", p.ask("GET", f"/v1/pins/{none}").json)
        p.cli("peer", "drain", peer)
        seen = p.ask("GET", f"/v1/pins/{here}").json
        self.assertEqual((seen["missing_copies"], seen["left_out"]), (3, [{"peer": peer, "reason": "draining"}]))

    def test_pins_of_others_on_a_node_are_told(self):
        ask(self.kubo.port, "POST", f"/api/v0/pin/add?arg={cid_of('of somebody else')}")
        p = Pinfold(self.dir / "strays", [self.kubo.url]).start()
        until(lambda: [q.get("foreign_pins") for q in p.ask("GET", "/v1/peers").json["peers"]] == [1], "it is counted")
        seen = p.ask("GET", "/v1/drift").json["peers"][0]
        self.assertEqual((seen["foreign_pins"], seen["lost_pins"]), (1, 0))
        p.stop()

    def test_a_node_that_was_added_by_url_is_driven_after_a_restart_with_the_secret_of_all(self):
        self.kubo = FakeKubo("--auth", "Bearer s3cret")
        p = Pinfold(self.dir / "added", ["http://127.0.0.1:1"]).start()
        self.assertIn("Access Denied", p.cli("peer", "add", self.kubo.url, code=1).stderr)
        p.stop()
        p = Pinfold(self.dir / "added", ["http://127.0.0.1:1"], worker_kubo_auth_file=self.file("secret", "bearer:s3cret\n")).start()
        for url in ("http://127.0.0.1:1", "ftp://x", "unix:/none.sock"):
            self.assertIn(url, p.cli("peer", "add", url, code=1).stderr)
        told = p.cli("peer", "add", "http://me:secret@127.0.0.1:1", code=1).stderr
        self.assertIn("http://***@127.0.0.1:1", told)
        self.assertNotIn("secret", told + p.log.read_text())
        self.assertEqual(p.peers(), [])
        p.cli("peer", "add", self.kubo.url, "--zone", "b")
        p.cli("peer", "add", f"{self.kubo.url}/") # the same node under two URLs is one
        until(lambda: [q["up"] for q in p.peers()] == [True], "it is a peer")
        for cid in (cid_of("before"), cid_of("after")):
            pin = p.pin(cid)
            until(lambda: p.status(pin) == "pinned", "it holds the pin")
            self.assertIn(cid, self.kubo.pins())
            p.stop()
            p.start()
        self.assertEqual([q["zone"] for q in p.peers()], ["b"])
        p.stop()


main()
