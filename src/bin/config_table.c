#include "bin/config.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static bool check_listen(const char *text, const char **what)
{
	const char *colon = strrchr(text, ':');
	char *end;
	long port;

	*what = "HOST:PORT, such as 127.0.0.1:9480 or [::1]:9480";
	if (!colon || colon == text || !isdigit((unsigned char)colon[1]))
		return false;
	if (memchr(text, ':', (size_t)(colon - text)) && (*text != '[' || colon[-1] != ']'))
		return false;
	port = strtol(colon + 1, &end, 10);
	return !*end && port <= 65535;
}

static bool check_network(const char *text, const char **what)
{
	char address[INET6_ADDRSTRLEN];
	size_t n = strcspn(text, "/");
	unsigned char bytes[16];
	long bits, max = 0;
	char *end;

	*what = "a network such as 10.0.0.0/8 or fd00::/8";
	if (n >= sizeof(address) || text[n] != '/' || !isdigit((unsigned char)text[n + 1]))
		return false;
	memcpy(address, text, n);
	address[n] = '\0';
	if (inet_pton(AF_INET, address, bytes) == 1)
		max = 32;
	else if (inet_pton(AF_INET6, address, bytes) == 1)
		max = 128;
	bits = strtol(text + n + 1, &end, 10);
	return max && !*end && bits <= max;
}

static bool check_auth(const char *text, const char **what)
{
	*what = "bearer:TOKEN or basic:USER:PASSWORD";
	if (!strncmp(text, "bearer:", 7))
		return text[7];
	return !strncmp(text, "basic:", 6) && strchr(text + 6, ':');
}

static const char *const levels[] = { "debug", "info", "warn", "error", NULL };
static const char *const formats[] = { "logfmt", "json", NULL };
static const char *const kinds[] = { "rocksdb", "mem", NULL };
static const char *const adopted[] = { "keep", "take", NULL };

#define ROW(name, type, member, def, ...)                                              \
	{                                                                              \
		name, OPTION_##type, offsetof(struct config, member), def, __VA_ARGS__ \
	}
#define DURATION(name, member, def, lo, hi, text) \
	ROW(name, DURATION, member, def, lo, hi, .help = text)
#define INT(name, member, def, lo, hi, text)  ROW(name, INT, member, def, lo, hi, .help = text)
#define SIZE(name, member, def, lo, hi, text) ROW(name, SIZE, member, def, lo, hi, .help = text)
#define ENUM(name, member, def, list, text) \
	ROW(name, ENUM, member, def, .names = list, .help = text)

/* In the order of struct config; rows of one group stand together. */
const struct option_row option_rows[] = {
	ROW("data", PATH, data, "~/.pinfold", .help = "Directory of the store and of admin.key."),
	ROW("listen", TEXT, listen, "127.0.0.1:9480", .check = check_listen,
	    .help = "Where HTTP is served; port 0 takes any free one."),
	ROW("kubo", KUBO, kubo, "",
	    .help = "Kubo nodes to keep pins on, one peer each. In the file an item may be an "
		    "object with url, auth or auth_file, ca_file, zone and tags. Empty: the one "
		    "that IPFS_PATH/api names, else 127.0.0.1:5001."),

	ROW("tls.cert_file", PATH, tls.cert_file, "", .help = "PEM, leaf first; empty: no TLS."),
	ROW("tls.key_file", PATH, tls.key_file, "", .help = "PEM, of the certificate."),

	ENUM("log.level", log.level, "info", levels,
	     "What is logged at least; debug writes a line a request, for looking and not for "
	     "good."),
	ENUM("log.format", log.format, "logfmt", formats, "One line an event either way."),

	ENUM("store.kind", store.kind, "rocksdb", kinds,
	     "mem forgets everything at exit: for tests."),
	ROW("store.rocksdb.path", PATH, store.rocksdb_path, "",
	    .help = "Directory of the database; empty: store in the data directory."),
	SIZE("store.rocksdb.cache", store.rocksdb_cache, "64MiB", "1MiB", "1TiB",
	     "Memory for blocks read."),
	SIZE("store.rocksdb.write_buffer", store.rocksdb_write_buffer, "32MiB", "1MiB", "16GiB",
	     "Memory for rows not yet in a table file, of all tables together."),

	INT("bus.queue_max", bus.queue_max, "65536", "16", "16777216",
	    "Messages a queue holds; what does not fit is found again in the store. A node has "
	    "as much running as its share has room for: 300 a node are enough."),

	INT("http.loops", http.loops, "1", "1", "64", "Threads that own sockets."),
	INT("http.workers", http.workers, "0", "0", "1024",
	    "Threads that run handlers; 0: two more than there are processors, at least 4."),
	INT("http.backlog", http.backlog, "1024", "1", "65535",
	    "Connections the kernel keeps waiting."),
	SIZE("http.max_head", http.max_head, "16KiB", "1KiB", "1MiB",
	     "Request line and headers together; beyond: 431 or 414."),
	SIZE("http.max_body", http.max_body, "256KiB", "1KiB", "1GiB",
	     "A whole body; beyond: 413. Streams have no limit."),
	SIZE("http.max_buffered", http.max_buffered, "256MiB", "1MiB", "1TiB",
	     "All whole bodies that are on their way together; beyond: 503."),
	SIZE("http.max_pipelined", http.max_pipelined, "16KiB", "1", "1MiB",
	     "Kept behind the request in work."),
	INT("http.max_connections", http.max_connections, "16384", "1", "1000000", "Beyond: 503."),
	INT("http.max_per_address", http.max_per_address, "1024", "0", "1000000",
	    "Connections of one IPv4 address or IPv6 /64, but for loopback; beyond: 429; 0: no "
	    "limit, as behind a proxy on another machine."),
	INT("http.max_queued", http.max_queued, "1024", "1", "1000000",
	    "Requests waiting for a thread before reading stops."),
	DURATION("http.head_timeout", http.head_us, "10s", "10ms", "1h",
		 "TLS handshake; then from the first byte to the end of the headers."),
	DURATION("http.body_timeout", http.body_us, "1m", "10ms", "24h",
		 "A whole body; of a streamed one, each byte after the last."),
	DURATION("http.idle_timeout", http.idle_us, "75s", "10ms", "24h", "Between requests."),
	DURATION("http.write_timeout", http.write_us, "30s", "10ms", "1h",
		 "What http.min_rate is averaged over when a client takes a reply."),
	SIZE("http.min_rate", http.min_rate, "256", "0", "1GiB",
	     "Bytes a second that a client takes of a reply, at least; 0: any in that time."),
	DURATION("http.queue_timeout", http.queue_us, "10s", "10ms", "1h",
		 "Waiting for a thread; beyond: 503."),
	DURATION("http.drain_timeout", http.drain_us, "30s", "0s", "1h",
		 "What requests in work get at the end of the process."),

	INT("owner.replicas_min", owner.rf_min, "1", "-1", "100",
	    "Copies below which a pin is not yet pinned; -1: one on every peer."),
	INT("owner.replicas_max", owner.rf_max, "1", "-1", "100",
	    "Copies that are made; -1, as the least too: one on every peer."),
	INT("owner.quota_pins", owner.quota_pins, "0", "0", "1000000000000", "Pins; 0: no limit."),
	SIZE("owner.quota_bytes", owner.quota_bytes, "0", "0", NULL,
	     "Bytes, soft since sizes are known late; 0: no limit."),
	INT("owner.requests_per_second", owner.requests_per_second, "0", "0", "1000000",
	    "Requests on average; 0: no limit."),
	INT("owner.concurrent_fetches", owner.concurrent_fetches, "0", "0", "1000000",
	    "Fetches of an owner that run at once; 0: no limit but fairness."),

	DURATION("planner.poll", planner.poll_us, "1s", "1ms", "1h",
		 "How often due work is looked for."),
	DURATION("planner.sweep_interval", planner.sweep_us, "6h", "10ms", "30d",
		 "From the end of one look at everything to the start of the next."),
	DURATION("planner.sweep_pause", planner.pace_us, "20ms", "0s", "1m",
		 "Between two batches of a sweep: leaves room for users."),
	INT("planner.batch", planner.batch, "32", "1", "10000",
	    "CIDs looked at and written together: other writes wait that long."),
	DURATION("planner.republish", planner.republish_us, "1m", "1ms", "24h",
		 "An assignment without a report is sent again after this."),
	DURATION("planner.recheck", planner.recheck_us, "5m", "1ms", "24h",
		 "When what cannot be satisfied is looked at again."),
	DURATION("planner.forget", planner.forget_us, "24h", "1ms", "365d",
		 "How long rows of what ended are kept."),
	DURATION("planner.peers_refresh", planner.peers_refresh_us, "5s", "1ms", "1h",
		 "How old the known state of the peers may be."),
	SIZE("planner.keep_free", planner.keep_free, "1GiB", "0", NULL, "Left free on every peer."),
	INT("planner.guard_permille", planner.guard_permille, "10", "0", "1000",
	    "Unpins without an ended or expired request that one pass may make, in thousandths of "
	    "the CIDs that it looks at ..."),
	INT("planner.guard_min", planner.guard_min, "100", "0", "1000000000",
	    "... but at least these."),
	DURATION("planner.guard_window", planner.guard_window_us, "10m", "1ms", "24h",
		 "How long a pass lasts; each thread that decides has passes of its own."),

	DURATION("ttl.scan_interval", ttl.scan_us, "5m", "10ms", "1h",
		 "How often expired pins are looked for; a pin shows `expiring` this long before."),

	DURATION("peer.suspect_after", peer.suspect_us, "30s", "1ms", "24h",
		 "Silence after which a peer gets nothing new."),
	DURATION("peer.down_after", peer.down_us, "2m", "1ms", "24h",
		 "Silence after which a peer counts as down."),
	DURATION("peer.grace", peer.grace_us, "10m", "0s", "30d",
		 "How long a peer is down before its copies are made elsewhere."),

	INT("worker.max_fetches", worker.max_fetches, "10", "1", "1000",
	    "Fetches that run at once on one node; half as many more for owners who have none "
	    "running."),
	INT("worker.max_patient", worker.max_patient, "64", "0", "10000",
	    "Fetches that get nothing which run beside those."),
	DURATION("worker.patience", worker.patience_us, "2s", "1ms", "1h",
		 "A fetch that gets no block for so long gives its place away until it gets one."),
	DURATION("worker.stall_timeout", worker.stall_us, "2m", "1ms", "24h",
		 "A fetch without progress for so long has failed."),
	DURATION("worker.retry_min", worker.retry_min_us, "5s", "1ms", "24h",
		 "The shortest wait before a failed copy is tried again; grows by factor 2."),
	DURATION("worker.retry_max", worker.retry_max_us, "1h", "1ms", "30d", "The longest."),
	DURATION("worker.unpin_grace", worker.unpin_grace_us, "10s", "0s", "24h",
		 "From the order to unpin to the unpin."),
	DURATION("worker.heartbeat", worker.heartbeat_us, "5s", "1ms", "1h",
		 "Between two signs of life asked of a node."),
	DURATION("worker.heartbeat_timeout", worker.heartbeat_timeout_us, "10s", "1ms", "1h",
		 "How long a node may take to give one."),
	DURATION("worker.report", worker.report_us, "15s", "1ms", "1h",
		 "Between two reports of a node's state without news."),
	DURATION("worker.compare", worker.compare_us, "1h", "1ms", "30d",
		 "Between two comparisons with all pins of a node."),
	INT("worker.journal_max", worker.journal_max, "100000", "16", "100000000",
	    "Tasks of one node kept in memory; the rest waits in the store."),
	INT("worker.gc_percent", worker.gc_percent, "0", "0", "100",
	    "Remove what no pin holds when so much of a repository is used; 0: only by order."),
	DURATION("worker.gc_pause", worker.gc_pause_us, "6h", "1s", "30d",
		 "Between two such removals on one node."),
	ENUM("worker.adopted_pins", worker.adopted_pins, "keep", adopted,
	     "Pins that were on a node before: keep them for ever, or take them as our own."),
	ROW("worker.kubo_auth", TEXT, worker.kubo_auth, "", .secret = true, .check = check_auth,
	    .help = "Authorization for nodes that name none."),
	ROW("worker.kubo_ca_file", PATH, worker.kubo_ca_file, "",
	    .help = "Certificates to trust of nodes behind https that name no ca_file, PEM; empty: "
		    "the system's."),

	ROW("origins.allow", LIST, origins.allow, "", .check = check_network,
	    .help = "Networks where origins may lie although they are not public."),
};
const size_t n_option_rows = ARRAY_LEN(option_rows);

static char *renamed(const char *prefix, const char *name, int (*letter)(int c), char sep,
		     struct arena *mem)
{
	char *out = arena_printf(mem, "%s%s", prefix, name);

	for (char *p = out + strlen(prefix); *p; p++)
		*p = *p == '.' || *p == '_' ? sep : (char)letter((unsigned char)*p);
	return out;
}

char *option_env(const struct option_row *row, struct arena *mem)
{
	return renamed("PINFOLD_", row->name, toupper, '_', mem);
}

char *option_flag(const struct option_row *row, struct arena *mem)
{
	return renamed("--", row->name, tolower, '-', mem);
}
