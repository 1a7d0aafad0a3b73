"""Each metric that /metrics shows is fed: after a busy run its series have moved."""
import re
import socket

from servers import FakeKubo, Pinfold, Story, cid_of, main, until

# What stays 0 while all is well: the unit tests of what feeds them see them move.
QUIET = {"cluster_unpins_held_back", "bus_consumer_lag", "store_timeouts_total", "store_unavailable_total",
         "store_connections_active", "store_connection_errors_total"}
# Fed, but not by this run.
LABELS = {'kind="store"', 'kind="nats"', 'kind="other"', 'source="reconciler",op="pin"', 'code="3xx"', 'code="5xx"', 'reason="limit"', 'reason="tls"', 'reason="deadline"', 'reason="surplus"',
          'status="error"', 'status="timeout"', 'status="unavailable"', 'operation="drop"'}


class Metrics(Story):
    def series(self):
        """{name{labels}: value}; of histograms the counts, of events the sums over all prefixes."""
        reply = self.pinfold.ask("GET", "/metrics")
        self.assertEqual(reply.status, 200)
        self.names = set(re.findall(r"^# TYPE (\S+)", reply.body.decode(), re.M))
        found = {}
        for line in reply.body.decode().splitlines():
            if line.startswith("#") or "_bucket{" in line or "_sum" in line.split("{")[0]:
                continue
            name, value = line.rsplit(" ", 1)
            name = re.sub(r',mh_prefix="\w\w"', "", name)
            found[name] = found.get(name, 0) + float(value)
        return found

    def test_every_metric_moves(self):
        kubo = FakeKubo()
        self.pinfold = p = Pinfold(self.dir / "all", [kubo.url], planner_sweep_interval="1h")
        p.start()
        pins = [p.pin(cid_of(n)) for n in range(20)]
        self.assertEqual(self.series()["store_pins"], 20)
        until(lambda: all(p.status(i) == "pinned" for i in pins), "all are pinned")
        for pin in pins[:5]:
            p.unpin(pin)
        until(lambda: len(kubo.pins()) == 15, "some are unpinned")
        for path, status in (("/pins", 200), ("/v1/nothing", 404), ("/nothing", 404)):
            self.assertEqual(p.ask("GET", path).status, status)
        self.assertEqual(p.ask("GET", "/pins", key="").status, 401)
        with socket.create_connection(("127.0.0.1", p.port)) as s:
            s.sendall(b"no HTTP\r\n\r\n")
            s.recv(1000)
        p.pin(cid_of("short"), ttl="1s")
        kubo.fault("fail", on="pin/add", text="context deadline exceeded")
        p.pin(cid_of("unfetchable"))
        silent = None

        def all_move():
            nonlocal silent
            now = self.series()
            moved = {name for name, value in now.items() if value != 0}
            silent = {n for n in now if n not in moved and n.split("{")[0] not in QUIET and not any(label in n for label in LABELS)}
            silent |= {n for n in self.names if not any(s.split("{")[0] in (n, n + "_count") for s in now)}
            return not silent

        try:
            until(all_move, "each has moved", patience=60)
        except AssertionError:
            self.fail(f"nothing feeds {sorted(silent)}")
        now = self.series()
        self.assertEqual(now["store_pins"], 16)  # 15, and the one that cannot be fetched
        self.assertEqual(now["cluster_pin_actual"], 15)
        self.assertEqual(now["cluster_pin_desired"], now["cluster_pin_actual"] + now['cluster_pin_drifted{reason="missing"}'])
        p.stop()


main()
