#!/usr/bin/env python3
"""The commands as people and scripts use them, against a fake server: cli_test.py PROGRAM."""
import base64
import datetime
import hashlib
import json
import os
import pathlib
import pty
import re
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import fcntl
import termios

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from fake_v1 import KEY, FakeServer  # noqa: E402

PROGRAM = sys.argv.pop(1)
F_OFD_SETLK = 37  # fcntl.h; Python names it from 3.12 on
CID = "bafybeiczsscdsbs7ffqz55asqdf3smv6klcw3gofszvwlyarci47bgf354"


def nobody():
    """The URL of a port where nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{s.getsockname()[1]}"


class Case(unittest.TestCase):
    def setUp(self):
        self.home = tempfile.TemporaryDirectory(prefix="pinfold-cli-")
        self.addCleanup(self.home.cleanup)
        self.fake = FakeServer()
        self.fake.__enter__()
        self.addCleanup(self.fake.__exit__)
        self.env = {"PATH": os.environ["PATH"], "HOME": self.home.name, "PINFOLD_SERVER": self.fake.url,
                    "PINFOLD_KEY": KEY, "TERM": "xterm"}
        for name in ("ASAN_OPTIONS", "UBSAN_OPTIONS", "LLVM_PROFILE_FILE"):
            if name in os.environ:
                self.env[name] = os.environ[name]

    def run_as_server(self, data):
        """The fake as the server of this data directory, until what is returned is closed."""
        file = open(data / "server.json", "w")
        self.addCleanup(file.close)
        file.write(json.dumps({"url": self.fake.url, "store": "", "cert_file": ""}))
        file.flush()
        fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0))
        return file

    def run_it(self, *args, code=0, stdin="", **env):
        full = {k: v for k, v in {**self.env, **env}.items() if v is not None}
        out = subprocess.run([PROGRAM, *args], env=full, input=stdin, capture_output=True, text=True,
                             timeout=60)
        self.assertEqual(out.returncode, code, f"{args}: {out.stdout}{out.stderr}")
        return out

    def on_terminal(self, *args, columns=60, stdin=None, **env):
        """What a terminal of that width would show; stdout and stderr together."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        child = subprocess.Popen([PROGRAM, *args], env={**self.env, **env}, stdout=slave, stderr=slave,
                                 stdin=stdin or subprocess.DEVNULL)
        os.close(slave)
        text = b""
        try:
            while part := os.read(master, 65536):
                text += part
        except OSError:  # the other end is closed
            pass
        os.close(master)
        self.assertEqual(child.wait(60), 0, text)
        return text.decode().replace("\r\n", "\n")


class Usage(Case):
    def test_nothing_at_all_is_wrong_usage_and_help_is_not(self):
        self.assertIn("pin add", self.run_it(code=2).stderr)
        for args in (["--help"], ["help"], ["pin", "--help"], ["pin", "add", "--help"], ["help", "pin", "add"],
                     ["pin", "add", "-h"], ["-h"], ["pin", "-h"], ["pin", "add", CID, "--name", "x", "-h"]):
            self.assertIn("pin add", self.run_it(*args).stdout)

    def test_mistyped_words_are_told_with_the_nearest(self):
        for args, said in (
            (["pn", "add"], 'no command "pn"'),
            (["stauts"], 'did you mean "status"?'),
            (["pin", "lst"], 'did you mean "pin ls"?'),
            (["pin", "lst"], "Try: pinfold pin --help"),
            (["help", "stauts"], 'did you mean "status"?'),
            (["help", "pin", "lst"], 'did you mean "pin ls"?'),
            (["--json", "pin", "ls"], "options stand behind the command"),
            (["up", "--kubo", "foo"], '"foo" (--kubo) is not allowed'),
            (["up", "--kubo", "htp://me:secret@h"], '"htp://***@h" (--kubo) is not allowed'),
            (["config", "check", "--kubo", "http://me:secret@h"], '"http://***@h" (--kubo) is not allowed'),
            (["config", "show", "--kubo", "http://me:secret@h"], "without user and password"),
            (["pin", "ls", "--stats", "x"], "did you mean --status?"),
            (["pin", "ls", "--stat", "x"], "did you mean --status?"),
            (["pin", "ls", "-json", "-l"], "there is no option -j; options begin with --"),
            (["pin", "ls", "--limit"], "--limit wants a value"),
            (["pin", "ls", "--all=yes"], "--all takes no value"),
            (["pin", "ls", "--limit", "x"], "a number"),
            (["pin", "ls", "extra"], 'does not want "extra"'),
            (["pin", "get"], "wants ID|CID..."),
            (["pin", "add", CID, "--replicas", "3-2"], "a range such as 2-3"),
            (["pin", "add", CID, "--meta", "novalue"], "NAME=VALUE"),
            (["pin", "update", CID], "say what to change"),
            (["completion", "tcsh"], "bash, zsh or fish"),
            (["config", "show", "--worker-kubo-auth", "bearer:x"], "--worker-kubo-auth-file"),
        ):
            self.assertIn(said, self.run_it(*args, code=2).stderr, args)
        self.assertEqual(self.fake.calls, [])

    def test_without_a_key_the_remedy_is_told(self):
        own = {"PINFOLD_KEY": None, "PINFOLD_SERVER": None, "PINFOLD_LISTEN": self.fake.url[7:]}
        said = self.run_it("status", code=2, **own).stderr
        self.assertRegex(said, r"there is no .*/\.pinfold/admin\.key, which .*\(pinfold up\)\nElse give --key")
        pathlib.Path(self.home.name, "admin.key").mkdir()
        self.run_as_server(pathlib.Path(self.home.name))
        said = self.run_it("status", "--data", self.home.name, code=2, **own).stderr
        self.assertIn("Is a directory", said)

    def test_without_a_key_and_without_a_server_it_is_the_server_that_is_missing(self):
        gone = nobody()
        said = self.run_it("pin", "get", CID, code=3, PINFOLD_KEY=None, PINFOLD_SERVER=gone).stderr
        self.assertIn(f"no server at {gone}", said)
        self.assertNotIn("key", said)
        said = self.run_it("status", code=3, PINFOLD_KEY=None, PINFOLD_SERVER=None, PINFOLD_LISTEN=gone[7:]).stderr
        self.assertIn(f"no server at {gone}", said)
        self.assertIn(f"No server is known to run with the data directory {self.home.name}/.pinfold", said)

    def test_what_cannot_be_printed_is_code_1(self):
        for args in (["pin", "ls"], ["status", "--json"], ["help"], ["config", "show"], ["pin", "add", CID]):
            self.run_it("pin", "add", CID)
            with open("/dev/full", "w") as full:
                out = subprocess.run([PROGRAM, *args], env=self.env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
            self.assertEqual(out.returncode, 1, args)
            self.assertIn("stdout: No space left on device", out.stderr)
        with open("/dev/full", "w") as full:
            out = subprocess.run([PROGRAM, "pin", "add", "-", "--json"], env=self.env, stdout=full, stderr=subprocess.PIPE, text=True,
                                 input="Qm1\n" * 1000, timeout=60)
        self.assertEqual(out.returncode, 1)
        self.assertIn("stdout: not all could be written", out.stderr)

    def test_no_server_is_code_3(self):
        gone = nobody()
        for args in (["status"], ["pin", "add", CID, CID], ["pin", "add", "-"], ["pin", "rm", CID], ["peer", "ls"]):
            said = self.run_it(*args, "--server", gone, code=3, stdin=CID + "\n").stderr
            self.assertIn(f"no server at {gone}", said)

    def test_a_key_that_is_not_accepted_is_code_1(self):
        self.assertIn("does not accept this API key", self.run_it("status", "--key", "x", code=1).stderr)
        self.run_it("pin", "add", "-", "--key", "x", code=1, stdin=CID + "\n")

    def test_completion_scripts_are_sound(self):
        script = self.run_it("completion", "bash").stdout
        check = script + '\nCOMP_WORDS=(pinfold pin ""); COMP_CWORD=2; _pinfold; echo "${COMPREPLY[@]}"'
        check += '\nCOMP_WORDS=(pinfold pin add --repl); COMP_CWORD=3; _pinfold; echo "${COMPREPLY[@]}"'
        out = subprocess.run(["bash", "-c", check], capture_output=True, text=True, check=True).stdout
        self.assertEqual(out.splitlines(), ["add ls get wait update retry rm", "--replicas"])
        for words, index, want in (("pin ls --status p", 4, "pinning pinned"), ("key create --scope ''", 4, "read write admin metrics"),
                                   ("up --log-level w", 3, "warn"), ("doc ''", 2, "man metrics config"), ("completion z", 2, "zsh")):
            check = script + f'\nCOMP_WORDS=(pinfold {words}); COMP_CWORD={index}; _pinfold; echo "${{COMPREPLY[@]}}"'
            out = subprocess.run(["bash", "-c", check], capture_output=True, text=True, check=True).stdout
            self.assertEqual(out, want + "\n")
        check = script + '\ncd "$0"; COMP_WORDS=(pinfold store backup "a "); COMP_CWORD=3; _pinfold; echo "${COMPREPLY[@]}"'
        pathlib.Path(self.home.name, "a file").touch()
        out = subprocess.run(["bash", "-c", check, self.home.name], capture_output=True, text=True, check=True).stdout
        self.assertEqual(out, "a file\n")

    def test_fish_completes_words_and_options(self):
        check = self.run_it("completion", "fish").stdout
        for line in ("pinfold ", "pinfold pin u", "pinfold pin add --repl", "pinfold pin add ", "pinfold pin add --mode ", "pinfold doc ",
                     "pinfold up --log-l", "pinfold up --log-level w"):
            check += f"\necho == {line!r}; complete -C '{line}'"
        out = subprocess.run(["fish", "--no-config", "-c", check], capture_output=True, text=True, check=True,
                             cwd=self.home.name, env={**self.env, "XDG_DATA_HOME": self.home.name}).stdout
        first, second, third, fourth, *choices = (part.split("\n")[1:-1] for part in out.split("== ")[1:])
        self.assertIn("pin", first)
        self.assertEqual(second, ["update\tChange what is kept of a pin, how long and how often."])
        self.assertEqual(third, ["--replicas\tCopies: 2, a range such as 2-3, or all."])
        self.assertEqual(fourth, ["fish/"])  # files alone
        self.assertEqual([[line.split("\t")[0] for line in c] for c in choices],
                         [["direct", "recursive"], ["config", "man", "metrics"], ["--log-level"], ["warn"]])

    def test_zsh_completes_words_and_options(self):
        """Typed at a terminal: what is completed goes into a file."""
        pathlib.Path(self.home.name, "script").write_text(self.run_it("completion", "zsh").stdout)
        master, slave = pty.openpty()
        child = subprocess.Popen(["zsh", "-f", "-i"], stdin=slave, stdout=slave, stderr=slave, cwd=self.home.name,
                                 env={**self.env, "ZDOTDIR": self.home.name, "TERM": "dumb"}, start_new_session=True)
        os.close(slave)
        # Ctrl-A: to the start of the line.
        os.write(master, b"source ./script\npinfold pin upd\t --repl\t\x01echo >done \nexit\n")
        try:
            while os.read(master, 65536):
                pass
        except OSError:  # it has ended
            pass
        os.close(master)
        child.wait(60)
        self.assertEqual(pathlib.Path(self.home.name, "done").read_text().split(), ["pinfold", "pin", "update", "--replicas"])

    def test_every_command_of_the_help_has_help_and_stands_in_the_manual_page(self):
        man = self.run_it("doc", "man").stdout.replace("\\-", "-").replace("\\&", "")
        lines = re.findall(r"^  ((?:[a-z]+ ?)+)", self.run_it("help").stdout, re.M)
        self.assertGreater(len(lines), 25)
        for words in (line.strip() for line in lines):
            text = self.run_it(*words.split(), "--help").stdout
            self.assertIn(f'.SS "{words}', man)
            for option in re.findall(r"^  --([a-z-]+)", text, re.M):
                self.assertTrue(option == "help" or f"--{option}\\fR" in man, (words, option))


class Finding(Case):
    """Where server and key come from."""

    def test_the_admin_key_of_the_data_directory_is_found(self):
        data = pathlib.Path(self.home.name, "data")
        data.mkdir()
        (data / "admin.key").write_text(KEY + "\n")
        said = self.run_it("status", "--data", str(data), code=2, PINFOLD_KEY=None).stderr
        self.assertIn("is not a server that runs with the data directory", said)  # but any that listens on loopback
        self.run_as_server(data)
        self.run_it("status", "--data", str(data), PINFOLD_KEY=None)
        (pathlib.Path(self.home.name) / ".pinfold").symlink_to(data)
        self.run_it("status", PINFOLD_KEY=None)

    def test_the_admin_key_goes_to_no_server_of_another_machine(self):
        data = pathlib.Path(self.home.name, ".pinfold")
        data.mkdir()
        (data / "admin.key").write_text(KEY + "\n")
        self.run_as_server(data)
        elsewhere = self.fake.url.replace("127.0.0.1", "0.0.0.0")  # reaches the fake, but is no loopback address
        said = self.run_it("status", "--server", elsewhere, code=2, PINFOLD_KEY=None).stderr
        self.assertIn("is not a server that runs with the data directory", said)
        self.assertEqual(self.fake.calls, [])
        self.run_it("status", "--server", elsewhere)  # with a key that was given
        self.run_it("status", "--server", self.fake.url.replace("127.0.0.1", "localhost"), PINFOLD_KEY=None)

    def test_the_admin_key_goes_to_nobody_who_listens_where_a_killed_server_did(self):
        data = pathlib.Path(self.home.name, ".pinfold")
        data.mkdir()
        (data / "admin.key").write_text(KEY + "\n")
        self.run_as_server(data).close()
        for place in ({"PINFOLD_SERVER": self.fake.url}, {"PINFOLD_SERVER": None, "PINFOLD_LISTEN": self.fake.url[7:]}):
            said = self.run_it("status", code=2, PINFOLD_KEY=None, **place).stderr
            self.assertIn("is not a server that runs with the data directory", said)
            self.assertEqual(self.fake.calls, [])

    def test_a_server_is_named_by_a_url_without_a_user(self):
        for url in (self.fake.url.replace("://", "://me:secret@"), "ftp://127.0.0.1", "http://", "http://a b"):
            said = self.run_it("status", code=2, PINFOLD_SERVER=url).stderr
            self.assertIn("the server must be http://HOST:PORT", said)
            self.assertNotIn("secret", said)

    def test_no_proxy_stands_before_a_server_of_this_machine(self):
        proxies = {"http_proxy": nobody(), "all_proxy": nobody()}
        self.run_it("status", **proxies)
        self.run_it("status", PINFOLD_SERVER=None, PINFOLD_LISTEN=self.fake.url[7:], **proxies)
        self.run_it("pin", "add", "-", stdin=CID, **proxies)
        self.run_it("status", "--server", "http://example.invalid", code=3, http_proxy=proxies["http_proxy"])

    def test_a_server_that_never_answers_is_code_3_in_time(self):
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            url = f"http://127.0.0.1:{deaf.getsockname()[1]}"
            for args, stdin in ((["status"], ""), (["pin", "ls"], ""), (["pin", "add", "-"], CID)):
                said = self.run_it(*args, "--server", url, "--request-timeout", "300ms", code=3, stdin=stdin).stderr
                self.assertIn(f"{url} gave no answer for 300ms", said)
            self.run_it("status", "--server", url, "--request-timeout", "1us", code=3)
        self.run_it("status", "--request-timeout", "soon", code=2)
        for longest in ("0s", "100000d", "106751991d4h54s775ms807us"):
            self.fake.becomes = "pinned"
            self.run_it("pin", "add", CID, "--wait", "--request-timeout", longest)

    def test_the_server_is_where_the_configuration_listens(self):
        listen = self.fake.url.removeprefix("http://")
        self.run_it("status", PINFOLD_SERVER=None, PINFOLD_LISTEN=listen)
        config = pathlib.Path(self.home.name, "c.json")
        config.write_text(json.dumps({"listen": listen}))
        self.run_it("status", "--config", str(config), PINFOLD_SERVER=None)

    def test_a_key_file_and_an_owner_are_used(self):
        path = pathlib.Path(self.home.name, "k")
        path.write_text(KEY + "\n")
        self.run_it("pin", "ls", "--key-file", str(path), "--owner", "alice", PINFOLD_KEY=None)
        self.assertEqual(self.fake.calls[-1][4], "alice")
        self.run_it("pin", "ls", PINFOLD_OWNER="bob")
        self.assertEqual(self.fake.calls[-1][4], "bob")


class Pins(Case):
    def test_options_become_members(self):
        self.run_it("pin", "add", CID, "--name", "n", "--tag", "a,b", "--tag", "c", "--meta", "k=v,w=x",
                    "--replicas", "2-3", "--zone", "z", "--peer-tag", "ssd", "--peer-tag", "eu", "--priority", "-5", "--ttl", "30d")
        self.assertEqual(self.fake.calls[-1][3], {
            "cid": CID, "name": "n", "tags": ["a", "b", "c"], "meta": {"k": "v,w=x"}, "zones": ["z"],
            "peer_tags": ["ssd", "eu"],
            "replicas": {"min": 2, "max": 3}, "priority": -5, "ttl": "30d"})
        self.run_it("pin", "update", CID, "--replicas", "all", "--expires", "never")
        self.assertEqual(self.fake.calls[-1][3], {"replicas": -1, "expires": None})
        self.run_it("pin", "add", CID, "--mode", "direct", "--peer", "12D3a", "--peer", "12D3b", "--origin", "/ip4/1.2.3.4/tcp/1/p2p/Q", "--wait",
                    "--timeout", "0s", "--verbose", code=1)
        self.assertEqual(next(c for c in reversed(self.fake.calls) if c[0] == "POST")[3], {
            "cid": CID, "mode": "direct", "allocations": ["12D3a", "12D3b"], "origins": ["/ip4/1.2.3.4/tcp/1/p2p/Q"]})

    def test_json_is_a_document_a_line(self):
        for args in (["pin", "add", CID, "Qm1"], ["pin", "ls"], ["pin", "get", CID, "Qm1"]):
            lines = self.run_it(*args, "--json").stdout.splitlines()
            self.assertEqual({json.loads(line)["cid"] for line in lines}, {CID, "Qm1"})

    def test_what_the_server_refuses_is_told_and_the_rest_is_done(self):
        out = self.run_it("pin", "add", "nonsense", CID, code=1)
        self.assertIn("cid: nonsense is no CID (INVALID, HTTP 400)", out.stderr)
        self.assertIn(CID, out.stdout)

    def test_a_pin_is_named_by_id_or_by_cid_if_that_is_clear(self):
        self.run_it("pin", "add", CID)
        pin = self.fake.pins[0]
        self.assertIn("no provider found", self.run_it("pin", "get", pin["id"]).stdout)
        self.fake.pins[0]["allocations"] = ["12D3KooWGRUV", "12D3KooWJbJF"]
        self.assertRegex(self.run_it("pin", "get", pin["id"]).stdout, r"\nprefers +12D3KooWGRUV, ?12D3KooWJbJF\n")
        self.run_it("pin", "add", CID)
        told = self.run_it("pin", "rm", CID, code=1).stderr
        self.assertIn("more than once", told)
        self.assertIn(f"{pin['id']}  queued", told)
        self.run_it("pin", "rm", pin["id"])
        self.run_it("pin", "rm", CID)
        self.assertEqual(self.fake.pins, [])
        self.assertIn("not pinned", self.run_it("pin", "get", CID, code=1).stderr)

    def test_a_cid_may_stand_behind_ipfs_but_with_no_path(self):
        for text in (f"/ipfs/{CID}", f"ipfs://{CID}", f"/ipfs/{CID}/"):
            self.run_it("pin", "add", text)
            self.assertEqual(self.fake.calls[-1][3]["cid"], CID)
            self.run_it("pin", "rm", text)
        for text in (f"/ipfs/{CID}/a", "/ipfs", "ipfs://a/b", ""):
            self.run_it("pin", "add", text, code=1)
            self.assertEqual(self.fake.calls[-1][3]["cid"], text)

    def test_wait_ends_with_what_became_of_it(self):
        self.fake.becomes = "pinned"
        self.assertIn("pinned", self.run_it("pin", "add", CID, "--wait").stdout)
        self.fake.becomes = "failed"
        self.assertIn("pin get", self.run_it("pin", "wait", CID, code=1).stderr)
        self.fake.becomes = "pinning"
        self.assertIn("still pinning", self.run_it("pin", "wait", CID, "--timeout", "1s", code=1).stderr)

    def test_the_time_of_a_wait_is_for_all_pins_and_may_be_long(self):
        self.fake.becomes = "pinned"
        self.run_it("pin", "add", CID, "Qm1", "--wait", "--timeout", "2h")
        waits = [int(c[2]["wait"][:-2]) for c in self.fake.calls if "wait" in c[2]]
        self.assertEqual(len(waits), 2)
        self.assertLessEqual(max(waits), 60000)  # of one call
        self.fake.becomes = "pinning"
        said = self.run_it("pin", "wait", CID, "Qm1", "--timeout", "10ms", code=1).stderr
        self.assertEqual(said.count("still pinning"), 2)
        self.assertIn({"wait": "0ms"}, [c[2] for c in self.fake.calls])  # nothing was left for the second
        for args in (["pin", "wait", CID, "--timeout", "soon"], ["pin", "add", CID, "--wait", "--timeout", "5"]):
            made = len(self.fake.pins)
            self.assertIn("--timeout: ", self.run_it(*args, code=2).stderr)
            self.assertEqual(len(self.fake.pins), made)

    def test_a_pin_that_was_made_is_printed_although_waiting_failed(self):
        self.fake.becomes = "unreadable"
        out = self.run_it("pin", "add", CID, "--wait", "--json", code=1)
        self.assertEqual(json.loads(out.stdout)["cid"], CID)

    def test_an_empty_page_with_more_behind_is_no_empty_list(self):
        self.run_it("pin", "add", CID)
        self.fake.empty_page = True
        out = self.run_it("pin", "ls", "--tag", "x")
        self.assertIn(CID, out.stdout)
        self.assertEqual(out.stderr, "")
        self.fake.pins.clear()
        self.assertEqual(self.run_it("pin", "ls", "--tag", "x").stderr, "no such pins\n")

    def test_a_list_goes_over_as_many_pages_as_are_wanted(self):
        for n in range(25):
            self.fake.pins.append(self.fake.pin({"cid": f"Qm{n}"}))
        self.assertEqual(len(self.run_it("pin", "ls", "--json", "--all").stdout.splitlines()), 25)
        out = self.run_it("pin", "ls", "--json", "--limit", "7")
        self.assertEqual(len(out.stdout.splitlines()), 7)
        self.assertIn("--all", out.stderr)
        for n in range(25, 1030):  # more than a page
            self.fake.pins.append(self.fake.pin({"cid": f"Qm{n}"}))
        self.assertEqual(len(self.run_it("pin", "ls", "--all").stdout.splitlines()), 1 + 1030)

    def test_filters_reach_the_server(self):
        self.run_it("pin", "ls", "--status", "failed", "--status", "queued", "--tag", "a b", "--name", "x&y")
        query = self.fake.calls[-1][2]
        self.assertEqual((query["status"], query["tag"], query["name"]), ("failed,queued", "a b", "x&y"))
        self.run_it("pin", "ls", "--name", ",a,,b")  # a name is no list
        self.assertEqual(self.fake.calls[-1][2]["name"], ",a,,b")
        self.run_it("pin", "ls", "--peer", "node 1", "--all-owners", "--expires-before", "2027-01-31T12:00:00Z")
        self.assertEqual({k: self.fake.calls[-1][2][k] for k in ("peer", "all_owners", "expires_before")},
                         {"peer": "node 1", "all_owners": "true", "expires_before": "2027-01-31T12:00:00Z"})
        for text, days in (("7d", 7), ("36h", 1.5), ("99999d", 99999)):
            self.run_it("pin", "ls", "--expires-before", text)
            then = datetime.datetime.fromisoformat(self.fake.calls[-1][2]["expires_before"].replace("Z", "+00:00"))
            away = then - datetime.datetime.now(datetime.timezone.utc)
            self.assertAlmostEqual(away / datetime.timedelta(days=1), days, delta=0.1)
        self.run_it("pin", "ls", "--expires-before", "soon")  # the server says what is wrong with it
        self.assertEqual(self.fake.calls[-1][2]["expires_before"], "soon")

    def test_pins_of_all_owners_are_shown_with_their_owner(self):
        self.fake.pins.append({**self.fake.pin({"cid": CID}), "owner": "somebody"})
        for args, shown in ((["--all-owners", "--peer", "x"], True), ([], False)):
            out = self.run_it("pin", "ls", *args).stdout
            self.assertEqual(("OWNER" in out, "somebody" in out), (shown, shown))

    def test_an_empty_list_says_so_to_people_and_nothing_to_programs(self):
        for args, said in ((["pin", "ls"], "no pins"), (["pin", "ls", "--tag", "x"], "no such pins")):
            out = self.run_it(*args)
            self.assertEqual((out.stdout, out.stderr), ("", said + "\n"))
            out = self.run_it(*args, "--json")
            self.assertEqual((out.stdout, out.stderr), ("", ""))

    def test_retry_posts(self):
        self.run_it("pin", "add", CID)
        self.run_it("pin", "retry", CID)
        self.assertEqual(self.fake.calls[-1][:2], ("POST", f"/v1/pins/{self.fake.pins[0]['id']}/retry"))


class Bulk(Case):
    def test_lines_are_cids_or_objects_and_options_are_defaults(self):
        lines = f'{CID}\n\n  Qm1 \r\n{{"cid":"Qm2","name":"own"}}\nQm3'
        out = self.run_it("pin", "add", "-", "--name", "n", stdin=lines)
        self.assertEqual([(i["cid"], i["name"]) for i in self.fake.bulk],
                         [(CID, "n"), ("Qm1", "n"), ("Qm2", "own"), ("Qm3", "n")])
        self.assertIn("4 pins accepted, 0 refused", out.stderr)
        self.assertEqual(out.stdout, "")

    def test_refused_lines_are_told_by_number(self):
        out = self.run_it("pin", "add", "-", code=1, stdin='Qm1\nbad\n{"cid":\nQm2\n')
        self.assertIn("line 2: cid: bad is no CID", out.stderr)
        self.assertIn("2 pins accepted, 2 refused", out.stderr)

    def test_blank_lines_count(self):
        out = self.run_it("pin", "add", "-", code=1, stdin="\n \t\r\n\nbad\nQm1\n\n")
        self.assertIn("line 4: cid: bad is no CID", out.stderr)
        self.assertIn("1 pins accepted, 1 refused", out.stderr)

    def test_stdin_that_cannot_be_read_is_code_1(self):
        directory = os.open("/", os.O_RDONLY)
        out = subprocess.run([PROGRAM, "pin", "add", "-"], env=self.env, stdin=directory, capture_output=True, text=True, timeout=60)
        os.close(directory)
        self.assertEqual(out.returncode, 1)
        self.assertIn("stdin: Is a directory", out.stderr)

    def test_lines_of_stdin_are_not_waited_for(self):
        for option in (["--wait"], ["--timeout", "1s"]):
            self.assertIn("not for -", self.run_it("pin", "add", "-", *option, code=2, stdin="Qm1\n").stderr)
        self.assertEqual(self.fake.bulk, [])

    def test_many_lines_stream_and_json_tells_each(self):
        out = self.run_it("pin", "add", "-", "--json", stdin="".join(f"Qm{n}\n" for n in range(20000)))
        self.assertEqual(len(out.stdout.splitlines()), 20000)
        self.assertEqual(len(self.fake.bulk), 20000)

    def test_answers_come_while_stdin_is_still_open(self):
        child = subprocess.Popen([PROGRAM, "pin", "add", "-", "--json"], env=self.env, text=True,
                                 stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                                 bufsize=1)
        for cid in ("Qm1", "Qm2"):
            child.stdin.write(cid + "\n")
            self.assertEqual(json.loads(child.stdout.readline())["pin"]["cid"], cid)
        child.stdin.close()
        child.stdout.close()
        self.assertEqual(child.wait(60), 0)

    def test_a_terminal_sees_a_bar_with_rate_and_time_left(self):
        with tempfile.TemporaryFile("w+") as f:
            f.write("".join(f"Qm{n}\n" for n in range(5000)))
            f.seek(0)
            text = self.on_terminal("pin", "add", "-", columns=100, stdin=f)
        self.assertRegex(text, r"done  \[=*>? *\] +\d+ %  [\d,]+/s  \d+ s left")


class People(Case):
    def test_tables_are_cut_to_the_terminal_and_coloured_only_there(self):
        self.fake.pins.append(self.fake.pin({"cid": CID, "name": "\x1b[2Jevil\n"}))
        text = self.on_terminal("pin", "ls", columns=80)
        self.assertIn("\x1b[33mqueued\x1b[0m", text)
        self.assertNotIn("\x1b[2Jevil", text)
        for columns in (80, 60, 30):
            text = self.on_terminal("pin", "ls", columns=columns)
            self.assertIn(self.fake.pins[0]["id"], text)
            for line in re.sub(r"\x1b\[\d*m", "", text).splitlines():
                self.assertLessEqual(len(line), columns)
        self.assertNotIn("\x1b", self.on_terminal("pin", "ls", NO_COLOR="1"))
        plain = self.run_it("pin", "ls").stdout
        self.assertIn(CID, plain)
        self.assertNotIn("\x1b", plain)

    def test_peers_have_states_and_sizes(self):
        out = self.run_it("peer", "ls").stdout
        self.assertRegex(out, r"1  12D3KooWGRUV +one +a +up +active +5.0 GiB +1.5 KiB +\d+ d ago")
        self.assertIn("connection refused", out)
        self.assertEqual([json.loads(line)["up"] for line in self.run_it("peer", "ls", "--json").stdout.splitlines()],
                         [True, False])

    def test_peers_are_added_by_url_or_id_and_wished_about(self):
        for args, call in (
            (["add", "http://127.0.0.1:5001", "--zone", "a"], ("POST", "/v1/peers", {"url": "http://127.0.0.1:5001", "zone": "a"})),
            (["add", "12D3"], ("POST", "/v1/peers", {"id": "12D3"})),
            (["set", "12D3", "--tag", "ssd"], ("PATCH", "/v1/peers/12D3", {"tags": ["ssd"]})),
            (["drain", "12D3"], ("POST", "/v1/peers/12D3/drain", None)),
            (["pause", "a/b"], ("POST", "/v1/peers/a%2Fb/pause", None)),
            (["resume", "12D3"], ("POST", "/v1/peers/12D3/resume", None)),
            (["rm", "12D3"], ("DELETE", "/v1/peers/12D3", None)),
            (["rm", "12D3", "--lost"], ("POST", "/v1/peers/12D3/forget", None)),
        ):
            self.run_it("peer", *args)
            method, path, _, body, _ = self.fake.calls[-1]
            self.assertEqual((method, path, body), call)

    def test_a_new_key_is_printed_alone(self):
        out = self.run_it("key", "create", "--owner", "alice", "--scope", "write")
        self.assertEqual(out.stdout, "pin_live_new\n")
        self.assertEqual(self.fake.calls[-1][3:], ({"scope": "write"}, "alice"))
        self.assertEqual(self.run_it("key", "rotate", "0123456789ab", "--overlap", "1h").stdout, "pin_live_new\n")
        self.assertEqual(self.fake.calls[-1][1:4:2], ("/v1/keys/0123456789ab/rotate", {"overlap": "1h"}))
        self.assertEqual(len(self.run_it("key", "ls", "--json").stdout.splitlines()), 3)
        self.run_it("key", "revoke", "0123456789ab")
        self.assertEqual(self.fake.calls[-1][:2], ("DELETE", "/v1/keys/0123456789ab"))

    def test_owners_denials_status_and_drift(self):
        self.run_it("owner", "set", "alice", "--replicas", "2", "--max-bytes", "1GiB", "--disabled", "false")
        self.assertEqual(self.fake.calls[-1][1:4:2], ("/v1/owners/alice", {"replicas": 2, "max_bytes": 1 << 30, "disabled": False}))
        limits = ("replicas", "max-pins", "max-bytes", "max-requests", "max-fetches")
        self.run_it("owner", "set", "alice", *(word for name in limits for word in (f"--{name}", "default")))
        self.assertEqual(self.fake.calls[-1][3], dict.fromkeys(("replicas", "max_pins", "max_bytes", "max_requests_per_second", "max_fetches")))
        self.assertIn("a number, or default", self.run_it("owner", "set", "alice", "--max-pins", "many", code=2).stderr)
        self.assertIn("is not allowed", self.run_it("owner", "set", "alice", "--priority", "default", code=2).stderr)
        self.assertRegex(self.run_it("owner", "show", "alice").stdout, r"REPLICAS +2-3\n")
        self.assertIn("1.0 TiB", self.run_it("owner", "ls").stdout)
        self.run_it("deny", "add", CID, "--reason", "r")
        self.assertEqual(self.fake.calls[-1][3], {"cid": CID, "reason": "r"})
        self.run_it("deny", "add", "ab" * 32)
        self.assertEqual(self.fake.calls[-1][3], {"digest": "ab" * 32})
        self.assertIn("ab" * 32, self.run_it("deny", "ls").stdout)
        self.run_it("deny", "rm", CID)
        self.assertIn("pinned     7", self.run_it("status").stdout)
        self.assertEqual(json.loads(self.run_it("status", "--json").stdout)["usage"]["pins"], {"pinned": 7})
        self.assertIn("1 missing, 0 surplus", self.run_it("drift").stdout)

    def foreign(self, *args, code=0):
        """`drift --foreign --json` as lines, and what it said on stderr."""
        out = self.run_it("drift", "--foreign", "--json", *args, code=code)
        return [json.loads(line)["cid"] for line in out.stdout.splitlines()], out.stderr

    def test_a_list_that_the_server_cuts_is_told_as_cut(self):
        first, rest = '{"cid":"a","peer":"p"}\n{"cid":', '"b","peer":"p"}\n'
        self.fake.stream, self.fake.cut = [first], True
        cids, said = self.foreign(code=1)
        self.assertEqual(cids, ["a"])
        self.assertIn("broke off", said)
        self.assertNotIn("no server", said)
        self.fake.stream = [first, rest]  # at the end of a line it is not whole either
        cids, said = self.foreign(code=1)
        self.assertEqual(cids, ["a", "b"])
        self.assertIn("broke off", said)
        self.fake.cut = False
        self.assertEqual(self.foreign(), (["a", "b"], ""))

    def test_lines_that_are_no_answer_are_a_failure_and_the_others_are_given(self):
        line = '{"cid":"a","peer":"p"}\n'
        for stream, says in (([line, "<html>\n", line], "no JSON: 1\n"), ([line, line, '{"cid":'], "within a line"),
                             ([line, line, '{"cid":"c"}'], "within a line")):
            self.fake.stream = stream
            cids, said = self.foreign(code=1)
            self.assertEqual(cids, ["a", "a"])
            self.assertIn(says, said)

    def test_blank_lines_tell_that_a_server_is_still_there(self):
        self.fake.stream = [*(piece for _ in range(6) for piece in ("\n", 1.1)), '{"cid":"a","peer":"p"}\n\n']
        self.assertEqual(self.foreign("--request-timeout", "4s"), (["a"], ""))
        self.fake.stream = ["\n", 5]
        self.assertEqual(self.foreign("--request-timeout", "1s", code=1)[0], [])

    def test_config_check_names_every_mistake(self):
        out = self.run_it("config", "check", "--http-loops", "0", code=2, PINFOLD_LOG_LEVEL="loud", PINFOLD_LOGLEVEL="x")
        for said in ('http.loops: "0" (--http-loops)', 'log.level: "loud" (PINFOLD_LOG_LEVEL)', "did you mean PINFOLD_LOG_LEVEL?"):
            self.assertIn(said, out.stderr)
        self.run_it("config", "check")
        out = self.run_it("config", "check", "--json", "--http-loops", "0", code=2, PINFOLD_LOG_LEVEL="loud", PINFOLD_LOGLEVEL="x")
        told = json.loads(out.stdout)
        self.assertEqual((told["good"], len(told["problems"]), len(told["warnings"]), out.stderr), (False, 2, 1, ""))
        self.assertIn('http.loops: "0" (--http-loops)', "\n".join(told["problems"]))
        self.assertIn("did you mean PINFOLD_LOG_LEVEL?", told["warnings"][0])
        file = pathlib.Path(self.home.name) / "some.json"
        file.write_text("{}")
        told = json.loads(self.run_it("config", "check", "--json", "--config", str(file)).stdout)
        self.assertEqual(told, {"good": True, "file": str(file), "problems": [], "warnings": []})
        self.assertNotIn("file", json.loads(self.run_it("config", "check", "--json").stdout))
        shown = self.run_it("config", "show", "--kubo", "http://a:1", "--kubo", "http://b:2",
                            PINFOLD_WORKER_KUBO_AUTH="bearer:hunter2").stdout
        self.assertIn("(hidden)", shown)
        self.assertNotIn("hunter2", shown)
        self.assertRegex(shown, r"kubo +http://a:1,http://b:2 +flag +--kubo")


class State(Case):
    """Pins in ipfs-cluster's form, to and from a store that no server has open."""
    PEERS = ["12D3KooWGHTKzeT4KaLGLrbKKyT8zKrBPXAUBRzCAN6ZMDMo4M6M", "12D3KooWFBFCDQzAkQSwPZLV883pKdsmb6urQ3sMjfJHUxn5GCVv"]

    def pin(self, i):
        """Each field is what ipfs-cluster may have there, by turns."""
        data = b"\x01\x55\x12\x20" + hashlib.sha256(str(i).encode()).digest()
        depth = (-1, 0, 2)[i % 3]
        return {"replication_factor_min": (-1, 0, 2)[i % 3], "replication_factor_max": (-1, 0, 3)[i % 3],
                "name": ("", "a <b> & \u00e4\u2028\"", "n" * 300)[i % 3], "mode": "recursive" if depth else "direct",
                "shard_size": (0, 1 << 40)[i % 2], "user_allocations": None,
                "expire_at": ("0001-01-01T00:00:00Z", "2096-01-15T08:00:01Z")[i % 2],
                "metadata": (None, {"k": "v"}, {"a": "", "tags": "x,y"})[i % 3], "pin_update": (None, CID)[i % 2],
                "origins": ([], [f"/ip4/1.2.3.4/tcp/4001/p2p/{self.PEERS[0]}"] * 25)[i % 2],
                "cid": "b" + base64.b32encode(data).decode().lower().rstrip("="),
                "type": ("pin", "meta-pin", "clusterdag-pin", "shard-pin", "bad-type")[i % 5],
                "allocations": ([], self.PEERS)[i % 2], "max_depth": depth, "reference": (CID, None)[i % 2],
                "timestamp": ("2023-11-14T22:13:20Z", "0001-01-01T00:00:00Z")[i % 2]}

    def state(self, verb, *args, data="data", **more):
        return self.run_it("store", verb, *args, "--data", f"{self.home.name}/{data}", **more)

    def exported(self, data="data", *args):
        return sorted(self.state("export", *args, data=data).stdout.split("\n")[:-1])

    def test_nothing_is_lost_from_export_to_import_to_export(self):
        pins = [self.pin(i) for i in range(3000)]
        file = pathlib.Path(self.home.name, "export")
        out = self.state("import", stdin="".join(json.dumps(pin) + "\n" for pin in pins))
        self.assertIn(" 3000 written, 0 were there already, 0 refused", out.stderr)
        first = self.exported()
        by_cid = {pin["cid"]: pin for pin in pins}
        self.assertEqual({pin["cid"]: pin for pin in map(json.loads, first)}, by_cid)
        self.assertIn("3000 pins of admin written", self.state("export", str(file)).stderr)
        self.assertEqual(sorted(file.read_text().split("\n")[:-1]), first)
        self.state("import", str(file), data="other")
        self.assertEqual(self.exported("other"), first)
        again = self.state("import", str(file), "--json", data="other")
        self.assertEqual(json.loads(again.stdout), {"written": 0, "unchanged": 3000, "refused": 0, "denied": 0})
        self.assertRegex(self.run_it("store", "check", "--data", f"{self.home.name}/other").stdout, r"wrong +0\n")

    def test_what_ctl_prints_is_read_and_bad_pins_are_told_by_their_line(self):
        good, changed = self.pin(1), {**self.pin(1), "name": "changed"}
        text = f"{json.dumps(good, indent=4)}\nnonsense\n{{\"cid\":\n\n{json.dumps({'cid': 'Qm'})}\n"
        lines = text.count("\n")
        out = self.state("import", "--json", stdin=text + json.dumps({**good, "metadata": {"k": "v" * 20000}}), code=1)
        at = json.dumps(good, indent=4).count("\n") + 2
        for line, said in ((at, "JSON"), (at + 1, "JSON"), (lines, "cid"), (lines + 1, "metadata")):
            self.assertRegex(out.stderr, f"(?m)^line {line}: .*{said}")
        self.assertEqual(json.loads(out.stdout), {"written": 1, "unchanged": 0, "refused": 4, "denied": 0})
        self.state("import", stdin=json.dumps(changed))
        self.assertEqual([json.loads(line) for line in self.exported()], [changed])

    def test_owners_have_pins_of_their_own(self):
        self.state("import", "--owner", "you", stdin=json.dumps(self.pin(1)))
        self.assertEqual(self.exported(), [])
        self.assertEqual(len(self.exported("data", "--owner", "you")), 1)
        self.assertIn("--owner", self.state("export", "--owner", "a b", code=2).stderr)

    def test_pins_of_all_owners_go_out_and_come_back_in_one_file(self):
        file = pathlib.Path(self.home.name, "all")
        for owner, numbers in (("admin", (1, 2)), ("you", (2, 3)), ("zoe", (2,))):
            self.state("import", "--owner", owner, stdin="".join(json.dumps(self.pin(i)) + "\n" for i in numbers))
        self.assertIn("5 pins of all owners written", self.state("export", "--all-owners", str(file)).stderr)
        lines = [json.loads(line) for line in file.read_text().split("\n")[:-1]]
        self.assertEqual(sorted((pin.pop("owner"), pin["cid"]) for pin in lines),
                         sorted((o, self.pin(i)["cid"]) for o, i in (("admin", 1), ("admin", 2), ("you", 2), ("you", 3), ("zoe", 2))))
        again = self.state("import", str(file), "--json", data="other")
        self.assertEqual(json.loads(again.stdout), {"written": 5, "unchanged": 0, "refused": 0, "denied": 0})
        for owner in ("admin", "you", "zoe"):
            self.assertEqual(self.exported("other", "--owner", owner), self.exported("data", "--owner", owner))
        self.assertEqual(self.exported("other", "--all-owners"), sorted(file.read_text().split("\n")[:-1]))
        self.state("import", str(file), "--owner", "heir", data="third")  # an owner that is given has all
        self.assertEqual(len(self.exported("third", "--owner", "heir")), 3)
        self.assertEqual(self.exported("third"), [])
        self.assertIn("exclude", self.state("export", "--all-owners", "--owner", "you", code=2).stderr)
        self.assertRegex(self.run_it("store", "check", "--data", f"{self.home.name}/other").stdout, r"wrong +0\n")

    def test_an_import_may_say_replicas_and_peers_of_its_own(self):
        self.state("import", "--replicas", "2-3", "--peer", self.PEERS[1], stdin="".join(json.dumps(self.pin(i)) + "\n" for i in range(6)))
        for pin in map(json.loads, self.exported()):
            self.assertEqual((pin["replication_factor_min"], pin["replication_factor_max"], pin["allocations"]), (2, 3, [self.PEERS[1]]))
        self.state("import", "--replicas", "all", stdin=json.dumps(self.pin(1)))
        pin = next(p for p in map(json.loads, self.exported()) if p["cid"] == self.pin(1)["cid"])
        self.assertEqual((pin["replication_factor_min"], pin["replication_factor_max"], pin["allocations"]), (-1, -1, self.PEERS))
        for args, said in ((["--replicas", "0"], "a range such as 2-3"), (["--replicas", "4294967298"], "100 at most"),
                           (["--replicas", "2-4294967298"], "100 at most"), (["--replicas", "99-101"], "100 at most"), (["--peer", "foo"], "--peer: ")):
            self.assertIn(said, self.state("import", *args, code=2).stderr)

    def test_nothing_that_is_there_is_written_over_and_no_part_is_left(self):
        file = pathlib.Path(self.home.name, "export")
        file.write_text("mine")
        self.state("import", stdin=json.dumps(self.pin(1)))
        self.assertIn("exists", self.state("export", str(file), code=1).stderr)
        self.assertEqual(file.read_text(), "mine")
        with open("/dev/full", "w") as full:
            out = subprocess.run([PROGRAM, "store", "export", "--data", f"{self.home.name}/data"], env=self.env,
                                 stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
        self.assertEqual(out.returncode, 1)
        self.assertIn("No space left", out.stderr)
        self.assertIn("No such file", self.state("import", f"{self.home.name}/none", code=1).stderr)
        self.assertIn("1 MiB", self.state("import", stdin="{" + "x" * (2 << 20), code=1).stderr)


if __name__ == "__main__":
    unittest.main()
