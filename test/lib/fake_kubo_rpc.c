#include "lib/fake_kubo_rpc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

#define HEADERS                                                               \
	"Access-Control-Allow-Headers: X-Stream-Output, X-Chunked-Output\r\n" \
	"Content-Type: application/json\r\n"                                  \
	"Server: kubo/0.42.0\r\nTrailer: X-Stream-Error\r\nVary: Origin\r\n"

enum fault {
	FAULT_NONE,
	FAULT_FAIL,        /* 500 with `text` */
	FAULT_STATUS,      /* the status `n` with a page */
	FAULT_DENY,        /* 403 */
	FAULT_LATE_ERROR,  /* 200, progress, `text` in the trailer */
	FAULT_ERROR_LINE,  /* 200, `text` in an error line */
	FAULT_EMPTY,       /* 200 and a proper end, without a result */
	FAULT_CUT,         /* 200, half a line, the connection breaks */
	FAULT_CLOSE,       /* the connection breaks at once */
	FAULT_SILENT,      /* no answer */
	FAULT_NO_PROGRESS, /* 200 and {} for ever */
	FAULT_PROGRESS,    /* 200 and growing progress: `n` times, then success; 0: for ever */
	FAULT_SLOW,        /* success after `ms` */
	FAULT_LOSE,        /* success that is not true: nothing is kept */
	FAULT_GARBAGE,     /* 200 and a line that is no JSON */
	FAULT_LONG_LINE,   /* 200 and a line without end */
};

static const struct {
	const char *name;
	enum fault fault;
} faults[] = {
	{ "none", FAULT_NONE },
	{ "fail", FAULT_FAIL },
	{ "status", FAULT_STATUS },
	{ "deny", FAULT_DENY },
	{ "late-error", FAULT_LATE_ERROR },
	{ "error-line", FAULT_ERROR_LINE },
	{ "empty", FAULT_EMPTY },
	{ "cut", FAULT_CUT },
	{ "close", FAULT_CLOSE },
	{ "silent", FAULT_SILENT },
	{ "no-progress", FAULT_NO_PROGRESS },
	{ "progress", FAULT_PROGRESS },
	{ "slow", FAULT_SLOW },
	{ "lose", FAULT_LOSE },
	{ "garbage", FAULT_GARBAGE },
	{ "long-line", FAULT_LONG_LINE },
};

struct pin {
	char *cid; /* NULL: free slot */
	char *name;
	bool recursive;
	bool gone; /* the slot is passed over, not free */
};

struct fake_rpc {
	struct pin *pins; /* open addressing; `slots` is a power of two */
	size_t slots, used, n_pins;
	enum fault fault;
	char on[40];   /* only this command; "": all */
	char but[520]; /* not for this CID */
	char text[160];
	int64_t ms;
	unsigned n, times; /* times: calls it still holds for; 0: all */
	char *authorization;
	const char *peer_id;
	struct buf last; /* the last head that was no order of the test */
	uint64_t calls;
};

/* --- pins ---------------------------------------------------------------------------- */

static struct pin *slot_of(const struct fake_rpc *rpc, const char *cid)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a */

	for (const char *c = cid; *c; c++)
		hash = (hash ^ (uint8_t)*c) * UINT64_C(0x100000001b3);
	for (size_t i = hash & (rpc->slots - 1);; i = (i + 1) & (rpc->slots - 1)) {
		if (!rpc->pins[i].cid || strcmp(rpc->pins[i].cid, cid) == 0)
			return &rpc->pins[i];
	}
}

static struct pin *find_pin(const struct fake_rpc *rpc, const char *cid)
{
	struct pin *pin = slot_of(rpc, cid);

	return pin->cid && !pin->gone ? pin : NULL;
}

static void grow(struct fake_rpc *rpc)
{
	struct pin *old = rpc->pins;
	size_t n = rpc->slots;

	rpc->slots = n ? 2 * n : 1024;
	rpc->pins = xcalloc(rpc->slots, sizeof(*rpc->pins));
	rpc->used = rpc->n_pins;
	for (size_t i = 0; i < n; i++) {
		if (!old[i].cid)
			continue;
		if (!old[i].gone) {
			*slot_of(rpc, old[i].cid) = old[i];
			continue;
		}
		xfree(old[i].cid);
	}
	xfree(old);
}

static void drop_pin(struct fake_rpc *rpc, const char *cid)
{
	struct pin *pin = find_pin(rpc, cid);

	if (!pin)
		return;
	pin->gone = true;
	xfree(pin->name);
	pin->name = NULL;
	rpc->n_pins--;
}

static void put_pin(struct fake_rpc *rpc, const char *cid, const char *name, bool recursive)
{
	struct pin *pin;

	drop_pin(rpc, cid);
	if (4 * (rpc->used + 1) > 3 * rpc->slots)
		grow(rpc);
	pin = slot_of(rpc, cid);
	if (!pin->cid) {
		pin->cid = xstrdup(cid);
		rpc->used++;
	}
	pin->name = xstrdup(name);
	pin->recursive = recursive;
	pin->gone = false;
	rpc->n_pins++;
}

/* --- answers --------------------------------------------------------------------------- */

static void begin_stream(struct buf *out)
{
	buf_add_str(out, "HTTP/1.1 200 OK\r\n" HEADERS
			 "X-Chunked-Output: 1\r\nTransfer-Encoding: chunked\r\n\r\n");
}

static void add_chunk(struct buf *out, const char *text)
{
	buf_printf(out, "%zx\r\n%s\r\n", strlen(text), text);
}

static void end_stream(struct buf *out)
{
	buf_add_str(out, "0\r\n\r\n");
}

static void answer_json(struct buf *out, const char *json)
{
	begin_stream(out);
	add_chunk(out, json);
	end_stream(out);
}

static void answer_page(struct buf *out, unsigned status, const char *text)
{
	buf_printf(out,
		   "HTTP/1.1 %u Status\r\nContent-Type: text/plain\r\nContent-Length: "
		   "%zu\r\n\r\n%s\n",
		   status, strlen(text) + 1, text);
}

static void answer_failure(struct buf *out, const char *text)
{
	buf_printf(
		out,
		"HTTP/1.1 500 Internal Server Error\r\n" HEADERS
		"Content-Length: %zu\r\n\r\n{\"Message\":\"%s\",\"Code\":0,\"Type\":\"error\"}\n",
		strlen(text) + sizeof("{\"Message\":\"\",\"Code\":0,\"Type\":\"error\"}"), text);
}

/* --- the query ---------------------------------------------------------------------------- */

static int hex_digit(char c)
{
	const char *at = c ? strchr("0123456789abcdef", c | 0x20) : NULL;

	return at ? (int)(at - "0123456789abcdef") : -1;
}

/* The value of `key` in "cmd?a=b&c=d", decoded; false if it is not there. */
static bool query(const char *target, const char *key, char *out, size_t size)
{
	const char *at = strchr(target, '?');
	size_t len = strlen(key), n = 0;

	*out = 0;
	while (at && (strncmp(at + 1, key, len) != 0 || at[1 + len] != '='))
		at = strchr(at + 1, '&');
	if (!at)
		return false;
	for (at += 2 + len; *at && *at != '&' && n + 1 < size; at++) {
		if (*at == '%' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
			out[n++] = (char)(hex_digit(at[1]) * 16 + hex_digit(at[2]));
			at += 2;
		} else {
			out[n++] = *at;
		}
	}
	out[n] = 0;
	return true;
}

static bool query_is(const char *target, const char *key, const char *want)
{
	char got[40];

	return query(target, key, got, sizeof(got)) && strcmp(got, want) == 0;
}

/* --- commands ---------------------------------------------------------------------------- */

static void pin_add(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	bool recursive = !query_is(answer->target, "recursive", "false");
	const struct pin *pin = find_pin(rpc, answer->cid);
	char name[300], json[600];

	if (pin && pin->recursive && !recursive) {
		snprintf(json, sizeof(json), "pin: %.500s already pinned recursively", answer->cid);
		answer_failure(out, json);
		return;
	}
	query(answer->target, "name", name, sizeof(name));
	if (rpc->fault != FAULT_LOSE || !answer->held)
		put_pin(rpc, answer->cid, name, recursive);
	snprintf(json, sizeof(json), "%s{\"Pins\":[\"%s\"]}\n",
		 recursive ? "{\"Progress\":1,\"Bytes\":1000}\n" : "", answer->cid);
	answer_json(out, json);
}

static void pin_rm(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	char json[600];

	if (!find_pin(rpc, answer->cid)) {
		answer_failure(out, "not pinned or pinned indirectly");
		return;
	}
	drop_pin(rpc, answer->cid);
	snprintf(json, sizeof(json), "{\"Pins\":[\"%s\"]}\n", answer->cid);
	answer_json(out, json);
}

static void pin_ls(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	const struct pin *pin;
	char json[1000];

	answer->recursive = query_is(answer->target, "type", "recursive");
	if (query_is(answer->target, "stream", "true")) {
		begin_stream(out);
		answer->then = THEN_LIST;
		answer->cursor = 0;
		return;
	}
	pin = find_pin(rpc, answer->cid);
	if (!pin || pin->recursive != answer->recursive) {
		snprintf(json, sizeof(json), "path '%s' is not pinned", answer->cid);
		answer_failure(out, json);
		return;
	}
	snprintf(json, sizeof(json), "{\"Keys\":{\"%s\":{\"Type\":\"%s\",\"Name\":\"%s\"}}}\n",
		 pin->cid, pin->recursive ? "recursive" : "direct", pin->name);
	answer_json(out, json);
}

static void pin_update(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	const struct pin *from = find_pin(rpc, answer->cid);
	char to[520] = "", name[300], json[1200];
	const char *second = strstr(answer->target, "&arg=");

	if (second)
		snprintf(to, sizeof(to), "%.*s", (int)strcspn(second + 5, "&"), second + 5);
	if (!from || !from->recursive) {
		answer_failure(out, "'from' cid was not recursively pinned already");
		return;
	}
	if (find_pin(rpc, to)) {
		answer_failure(out, "'to' cid was already recursively pinned");
		return;
	}
	snprintf(name, sizeof(name), "%s", from->name);
	if (!query_is(answer->target, "unpin", "false"))
		drop_pin(rpc, answer->cid);
	put_pin(rpc, to, name, true);
	snprintf(json, sizeof(json), "{\"Pins\":[\"/ipfs/%s\",\"/ipfs/%s\"]}\n", answer->cid, to);
	answer_json(out, json);
}

static void stat(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	const char *cid = strncmp(answer->cid, "/ipfs/", 6) == 0 ? answer->cid + 6 : answer->cid;
	char json[700];

	if (!find_pin(rpc, cid)) {
		snprintf(json, sizeof(json),
			 "block was not found locally (offline): ipld: could not find %s", cid);
		answer_failure(out, json);
	} else if (strncmp(answer->target, "dag/", 4) == 0) {
		answer_json(out, "{\"UniqueBlocks\":2,\"TotalSize\":2000,\"DagStats\":[]}\n");
	} else {
		answer_json(out, "{\"Hash\":\"x\",\"Size\":900,\"CumulativeSize\":1000}\n");
	}
}

static void id(struct fake_rpc *rpc, struct fake_answer *answer UNUSED, struct buf *out)
{
	char json[400];

	snprintf(json, sizeof(json),
		 "{\"ID\":\"%.100s\",\"PublicKey\":\"\",\"Addresses\":["
		 "\"/ip4/127.0.0.1/tcp/4001/p2p/%.100s\"],"
		 "\"AgentVersion\":\"kubo/0.42.0/fake\",\"Protocols\":[]}\n",
		 rpc->peer_id, rpc->peer_id);
	answer_json(out, json);
}

static void version(struct fake_rpc *rpc UNUSED, struct fake_answer *answer UNUSED, struct buf *out)
{
	answer_json(out, "{\"Version\":\"0.42.0\",\"Commit\":\"\",\"Repo\":\"18\"}\n");
}

static void repo_stat(struct fake_rpc *rpc, struct fake_answer *answer UNUSED, struct buf *out)
{
	char json[100];

	snprintf(json, sizeof(json), "{\"RepoSize\":%zu,\"StorageMax\":10000000000000}\n",
		 1000 * rpc->n_pins);
	answer_json(out, json);
}

static void repo_gc(struct fake_rpc *rpc UNUSED, struct fake_answer *answer UNUSED, struct buf *out)
{
	answer_json(out, "{\"Key\":{\"/\":\"bafkqaaa\"}}\n{\"Key\":{\"/\":\"bafkqaab\"}}\n");
}

static void swarm_connect(struct fake_rpc *rpc UNUSED, struct fake_answer *answer, struct buf *out)
{
	const char *peer = strrchr(answer->cid, '/');
	char json[600];

	snprintf(json, sizeof(json), "{\"Strings\":[\"connect %s success\"]}\n",
		 peer ? peer + 1 : "");
	answer_json(out, json);
}

typedef void command_fn(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out);

static const struct command {
	const char *name;
	command_fn *run;
} commands[] = {
	{ "pin/ls", pin_ls },
	{ "pin/add", pin_add },
	{ "files/stat", stat },
	{ "pin/rm", pin_rm },
	{ "pin/update", pin_update },
	{ "dag/stat", stat },
	{ "id", id },
	{ "version", version },
	{ "repo/stat", repo_stat },
	{ "repo/gc", repo_gc },
	{ "swarm/connect", swarm_connect },
};

static void run_command(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	size_t len = strcspn(answer->target, "?");

	query(answer->target, "arg", answer->cid, sizeof(answer->cid));
	for (size_t i = 0; i < ARRAY_LEN(commands); i++) {
		if (strlen(commands[i].name) == len &&
		    memcmp(commands[i].name, answer->target, len) == 0) {
			commands[i].run(rpc, answer, out);
			return;
		}
	}
	answer_page(out, 404, "404 page not found");
}

/* --- misbehaviour --------------------------------------------------------------------------- */

/* True if the answer was given, or is none. */
static bool misbehave(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	char json[400];

	answer->wait_us = rpc->ms * 1000;
	switch (rpc->fault) {
	case FAULT_NONE:
	case FAULT_LOSE:
		return false;
	case FAULT_FAIL:
		answer_failure(out, rpc->text);
		return true;
	case FAULT_STATUS:
		answer_page(out, rpc->n, rpc->text);
		return true;
	case FAULT_DENY:
		answer_page(out, 403, "403 - Forbidden");
		return true;
	case FAULT_LATE_ERROR:
		begin_stream(out);
		add_chunk(out, "{}\n");
		buf_printf(out, "0\r\nX-Stream-Error: %s\r\n\r\n", rpc->text);
		return true;
	case FAULT_ERROR_LINE:
		snprintf(json, sizeof(json),
			 "{}\n{\"Message\":\"%s\",\"Code\":0,\"Type\":\"error\"}\n", rpc->text);
		answer_json(out, json);
		return true;
	case FAULT_EMPTY:
		answer_json(out, "\n");
		return true;
	case FAULT_CUT:
		begin_stream(out);
		buf_add_str(out, "40\r\n{\"Pins\":[\"baf");
		answer->then = THEN_CLOSE;
		return true;
	case FAULT_CLOSE:
		answer->then = THEN_CLOSE;
		return true;
	case FAULT_SILENT:
		answer->then = THEN_HANG;
		return true;
	case FAULT_GARBAGE:
		answer_json(out, "pinned, honestly\n");
		return true;
	case FAULT_LONG_LINE:
		begin_stream(out);
		for (unsigned i = 0; i < 2000; i++)
			add_chunk(
				out,
				"                                                                ");
		answer->then = THEN_HANG;
		return true;
	case FAULT_NO_PROGRESS:
	case FAULT_PROGRESS:
		begin_stream(out);
		answer->then = THEN_REPEAT;
		return true;
	case FAULT_SLOW:
		answer->then = THEN_REPEAT;
		return true;
	}
	return false;
}

static void add_progress(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	char json[600];

	if (rpc->fault != FAULT_PROGRESS) {
		add_chunk(out, "{}\n");
		return;
	}
	answer->step++;
	snprintf(json, sizeof(json), "{\"Progress\":%u,\"Bytes\":%u}\n", answer->step,
		 1000 * answer->step);
	add_chunk(out, json);
	if (answer->step != rpc->n)
		return;
	put_pin(rpc, answer->cid, "", true);
	snprintf(json, sizeof(json), "{\"Pins\":[\"%s\"]}\n", answer->cid);
	add_chunk(out, json);
	end_stream(out);
	answer->then = THEN_NEXT;
}

static void add_list(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf lines = { 0 };

	for (; answer->cursor < rpc->slots && lines.len < 32768; answer->cursor++) {
		const struct pin *pin = &rpc->pins[answer->cursor];

		if (pin->cid && !pin->gone && pin->recursive == answer->recursive)
			buf_printf(&lines, "{\"Cid\":\"%s\",\"Type\":\"%s\",\"Name\":\"%s\"}\n",
				   pin->cid, pin->recursive ? "recursive" : "direct", pin->name);
	}
	if (lines.len > 0) {
		buf_printf(out, "%zx\r\n", lines.len);
		buf_add_slice(out, buf_slice(&lines));
		buf_add_str(out, "\r\n");
	}
	if (answer->cursor < rpc->slots)
		return;
	end_stream(out);
	answer->then = THEN_NEXT;
}

void fake_rpc_go_on(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	if (answer->then == THEN_LIST) {
		add_list(rpc, answer, out);
	} else if (rpc->fault == FAULT_NO_PROGRESS || rpc->fault == FAULT_PROGRESS) {
		add_progress(rpc, answer, out);
	} else { /* slow, or the fault was taken back: late, but right */
		answer->then = THEN_NEXT;
		run_command(rpc, answer, out);
	}
}

/* --- orders of the test: POST /fake/... --------------------------------------------------- */

static void set_fault(struct fake_rpc *rpc, const char *target, struct buf *out)
{
	char name[40], number[20];
	size_t i = 0;

	query(target, "name", name, sizeof(name));
	while (i < ARRAY_LEN(faults) && strcmp(faults[i].name, name) != 0)
		i++;
	if (i == ARRAY_LEN(faults)) {
		answer_page(out, 400, "no such fault");
		return;
	}
	rpc->fault = faults[i].fault;
	query(target, "on", rpc->on, sizeof(rpc->on));
	query(target, "but", rpc->but, sizeof(rpc->but));
	if (!query(target, "text", rpc->text, sizeof(rpc->text)))
		snprintf(rpc->text, sizeof(rpc->text), "context deadline exceeded");
	rpc->ms = query(target, "ms", number, sizeof(number)) ? atoi(number) : 50;
	rpc->n = query(target, "n", number, sizeof(number)) ? (unsigned)atoi(number) : 0;
	rpc->times = query(target, "times", number, sizeof(number)) ? (unsigned)atoi(number) : 0;
	answer_json(out, "{}\n");
}

static void obey(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out)
{
	const char *order = answer->target;
	char cid[520], json[100];

	query(order, "arg", cid, sizeof(cid));
	if (strncmp(order, "fault?", 6) == 0) {
		set_fault(rpc, order, out);
	} else if (strncmp(order, "lose?", 5) == 0) {
		drop_pin(rpc, cid);
		answer_json(out, "{}\n");
	} else if (strncmp(order, "pin?", 4) == 0) {
		put_pin(rpc, cid, "foreign", !query_is(order, "type", "direct"));
		answer_json(out, "{}\n");
	} else if (strcmp(order, "pins") == 0) {
		begin_stream(out);
		answer->recursive = true;
		answer->then = THEN_LIST;
	} else if (strcmp(order, "last") == 0) {
		buf_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", rpc->last.len);
		buf_add_slice(out, buf_slice(&rpc->last));
	} else if (strcmp(order, "counts") == 0) {
		snprintf(json, sizeof(json), "{\"calls\":%llu,\"pins\":%zu}\n",
			 (unsigned long long)rpc->calls, rpc->n_pins);
		answer_json(out, json);
	} else {
		answer_page(out, 404, "no such order");
	}
}

/* --- one request --------------------------------------------------------------------------- */

static bool may(const struct fake_rpc *rpc, struct slice head)
{
	char want[300];
	int n;

	if (memmem(head.ptr, head.len, "\r\nUser-Agent: Mozilla", 21))
		return false;
	if (!rpc->authorization)
		return true;
	n = snprintf(want, sizeof(want), "\r\nAuthorization: %s\r\n", rpc->authorization);
	return memmem(head.ptr, head.len, want, (size_t)n) != NULL;
}

static bool faulty(struct fake_rpc *rpc, const char *target)
{
	size_t len = strlen(rpc->on);
	char cid[520];

	query(target, "arg", cid, sizeof(cid));
	if (rpc->fault == FAULT_NONE || (*cid && strcmp(cid, rpc->but) == 0))
		return false;
	return len == 0 || (strncmp(target, rpc->on, len) == 0 && strchr("?", target[len]));
}

/* Copies what follows `prefix` in "POST <prefix>target HTTP/1.1". */
static bool target_of(struct slice head, const char *prefix, char *target, size_t size)
{
	size_t from = strlen("POST ") + strlen(prefix);
	const uint8_t *end;

	if (head.len < from || memcmp(head.ptr + 5, prefix, strlen(prefix)) != 0)
		return false;
	end = memchr(head.ptr + from, ' ', head.len - from);
	if (!end || (size_t)(end - head.ptr) - from >= size)
		return false;
	memcpy(target, head.ptr + from, (size_t)(end - head.ptr) - from);
	target[(size_t)(end - head.ptr) - from] = 0;
	return true;
}

void fake_rpc_serve(struct fake_rpc *rpc, struct slice head, struct fake_answer *answer,
		    struct buf *out)
{
	answer->then = THEN_NEXT;
	answer->step = 0;
	answer->cursor = 0;
	answer->held = false;
	if (head.len < 5 || memcmp(head.ptr, "POST ", 5) != 0) {
		answer_page(out, 405, "405 - Method Not Allowed");
		return;
	}
	if (target_of(head, "/fake/", answer->target, sizeof(answer->target))) {
		obey(rpc, answer, out);
		return;
	}
	rpc->last.len = 0;
	buf_add_slice(&rpc->last, head);
	rpc->calls++;
	if (!target_of(head, "/api/v0/", answer->target, sizeof(answer->target))) {
		answer_page(out, 404, "404 page not found");
	} else if (!may(rpc, head)) {
		answer_page(out, 403,
			    "Kubo RPC Access Denied: Please provide a valid "
			    "authorization token as defined in the API.Authorizations "
			    "configuration.");
	} else if (!faulty(rpc, answer->target)) {
		run_command(rpc, answer, out);
	} else {
		answer->held = true;
		query(answer->target, "arg", answer->cid, sizeof(answer->cid));
		if (!misbehave(rpc, answer, out))
			run_command(rpc, answer, out);
		if (rpc->times > 0 && --rpc->times == 0)
			rpc->fault = FAULT_NONE;
	}
}

void fake_rpc_authorize(struct fake_rpc *rpc, const char *header)
{
	xfree(rpc->authorization);
	rpc->authorization = header ? xstrdup(header) : NULL;
}

void fake_rpc_hold(struct fake_rpc *rpc, const char *cid, const char *name)
{
	put_pin(rpc, cid, name, true);
}

struct fake_rpc *fake_rpc_new(void)
{
	struct fake_rpc *rpc = xcalloc(1, sizeof(*rpc));

	grow(rpc);
	rpc->peer_id = "12D3KooWFake";
	return rpc;
}

void fake_rpc_name(struct fake_rpc *rpc, const char *peer_id)
{
	rpc->peer_id = peer_id;
}

void fake_rpc_free(struct fake_rpc *rpc)
{
	for (size_t i = 0; i < rpc->slots; i++) {
		xfree(rpc->pins[i].cid);
		xfree(rpc->pins[i].name);
	}
	xfree(rpc->pins);
	xfree(rpc->authorization);
	buf_free(&rpc->last);
	xfree(rpc);
}
