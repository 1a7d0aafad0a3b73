/*
 * load -- a bounded load on a Pinfold server, and what came of it.
 *
 *	load post --port N --keys FILE [--connections 64] [--seconds 20] [--count N] [--pid PID]
 *	load bulk --port N --keys FILE --count N [--connections 1] ...
 *	load get|cid --port N --keys FILE --ids FILE ...
 *	load list --port N --keys FILE [--path PATH] [--header "Name: value"]
 *
 * One thread, epoll, keep-alive connections to 127.0.0.1, one request at a time on each.
 *
 *	post    POST /pins, a new CID each, the key of the next owner each
 *	bulk    POST /v1/bulk/create: the pins of one owner after the other as one stream each
 *	get     GET /pins/<request id>, of a pin at random; cid: GET /pins/<cid>
 *	list    GET the path with the first key as an NDJSON stream
 *
 * FILE of --keys has one API key a line: the owners.  CIDs follow from --seed and a pin's
 * number alone, or --cids FILE has one a line.  --ids FILE holds the request id of each pin (26
 *bytes each), written by post and bulk, read by get and cid.  Pin i belongs to owner i / block %
 *owners; `block` is 1 in post, and count / owners in bulk.
 *
 * Writes one JSON object to stdout: done, failed, seconds, rate, p50_us, p99_us, max_us,
 * first_byte_us, bytes, and with --pid the microseconds of CPU the server took.
 */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/clock.h"
#include "load_figures.h"
#include "load_options.h"

#define OWNERS_MAX  1000
#define KEY_MAX     128
#define READ_BYTES  (256 * 1024)
#define ID_LEN      26
#define CID_TEXT    59    /* base32 of 36 bytes, and the 'b' */
#define LINES_CHUNK 500   /* of a bulk stream, sent at once */
#define QUIET_MS    30000 /* nothing came for so long: give up */

struct conn {
	int fd;
	bool busy, writable, reply_chunked, head_done;
	struct buf in, out;
	int64_t began;        /* of the request */
	uint64_t pin;         /* of a single one */
	int64_t body_to_come; /* of a reply with a length */
	/* bulk */
	uint64_t next, end; /* pins still to send */
	uint64_t answered;
	bool sent_all;
};

struct load {
	struct options o;
	struct clock clock;
	int epoll_fd;
	struct conn *conns;
	char keys[OWNERS_MAX][KEY_MAX];
	unsigned n_keys;
	FILE *cids;
	uint8_t *ids; /* mapped */
	uint64_t n_ids;
	uint64_t next; /* pin, or stream of a bulk */
	uint64_t random;
	uint64_t done, failed, bytes;
	int64_t began, until, last_at, first_byte_us;
	bool stopping;
	unsigned n_busy;
	struct histogram took;
};

/* ---- pins ------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void write_cid(const struct load *l, uint64_t pin, char out[CID_TEXT + 1])
{
	uint8_t bytes[40] = { 0x01, 0x55, 0x12, 0x20 };
	unsigned bits = 0, have = 0, n = 0;

	if (l->cids) {
		if (fscanf(l->cids, "%59s", out) != 1)
			die("not so many CIDs in the file");
		return;
	}
	for (unsigned k = 0; k < 4; k++) {
		uint64_t word = mix(mix(l->o.seed) + UINT64_C(0x9e3779b97f4a7c15) * (4 * pin + k));

		memcpy(bytes + 4 + 8 * k, &word, 8);
	}
	out[n++] = 'b';
	for (unsigned i = 0; i < 36; i++) {
		bits = bits << 8 | bytes[i];
		for (have += 8; have >= 5; have -= 5)
			out[n++] = "abcdefghijklmnopqrstuvwxyz234567"[bits >> (have - 5) & 31];
	}
	out[n++] = "abcdefghijklmnopqrstuvwxyz234567"[bits << (5 - have) & 31];
	out[n] = '\0';
	assert(n == CID_TEXT);
}

static const char *key_of(const struct load *l, uint64_t pin)
{
	return l->keys[pin / l->o.block % l->n_keys];
}

static void keep_id(struct load *l, uint64_t pin, const void *id)
{
	if (l->ids && pin < l->n_ids)
		memcpy(l->ids + pin * ID_LEN, id, ID_LEN);
}

/* ---- requests ---------------------------------------------------------------------------- */

static void ask_post(struct load *l, struct conn *c)
{
	char cid[CID_TEXT + 1], body[200];
	int n;

	c->pin = l->o.first + l->next++;
	write_cid(l, c->pin, cid);
	n = snprintf(body, sizeof(body), "{\"cid\":\"%s\",\"name\":\"pin %" PRIu64 "\"}", cid,
		     c->pin);
	buf_printf(&c->out,
		   "POST /pins HTTP/1.1\r\nHost: pinfold\r\nAuthorization: Bearer %s\r\n"
		   "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n%s",
		   key_of(l, c->pin), n, body);
}

static void ask_get(struct load *l, struct conn *c)
{
	char cid[CID_TEXT + 1];

	do
		c->pin = mix(++l->random) % l->n_ids;
	while (l->ids[c->pin * ID_LEN] == 0); /* that one was refused */
	l->next++;
	write_cid(l, c->pin, cid);
	buf_printf(&c->out, "GET /pins/%.*s HTTP/1.1\r\nHost: pinfold\r\n",
		   l->o.mode == MODE_CID ? CID_TEXT : ID_LEN,
		   l->o.mode == MODE_CID ? cid : (const char *)l->ids + c->pin * ID_LEN);
	buf_printf(&c->out, "Authorization: Bearer %s\r\n\r\n", key_of(l, c->pin));
}

static void ask_list(struct load *l, struct conn *c)
{
	l->next++;
	buf_printf(&c->out,
		   "GET %s HTTP/1.1\r\nHost: pinfold\r\nAuthorization: Bearer %s\r\n"
		   "Accept: application/x-ndjson\r\n%s%s\r\n",
		   l->o.path, l->keys[0], l->o.header, *l->o.header ? "\r\n" : "");
}

static void send_lines(struct load *l, struct conn *c)
{
	struct buf lines = { 0 };
	char cid[CID_TEXT + 1];

	for (unsigned i = 0; i < LINES_CHUNK && c->next < c->end; i++) {
		write_cid(l, c->next, cid);
		buf_printf(&lines, "{\"cid\":\"%s\",\"name\":\"pin %" PRIu64 "\"}\n", cid, c->next);
		c->next++;
	}
	if (lines.len > 0)
		buf_printf(&c->out, "%zx\r\n", lines.len);
	buf_add_slice(&c->out, buf_slice(&lines));
	buf_add_str(&c->out, lines.len > 0 ? "\r\n" : "0\r\n\r\n");
	c->sent_all = lines.len == 0;
	buf_free(&lines);
}

static void ask_bulk(struct load *l, struct conn *c)
{
	uint64_t stream = l->next++;

	c->next = c->pin = l->o.first + stream * l->o.block;
	c->end = c->next + l->o.block;
	c->sent_all = false;
	buf_printf(&c->out,
		   "POST /v1/bulk/create HTTP/1.1\r\nHost: pinfold\r\nAuthorization: Bearer %s\r\n"
		   "Content-Type: application/x-ndjson\r\nTransfer-Encoding: chunked\r\n\r\n",
		   key_of(l, c->pin));
}

static void (*const ask[MODES])(struct load *l, struct conn *c) = {
	[MODE_POST] = ask_post, [MODE_BULK] = ask_bulk, [MODE_GET] = ask_get,
	[MODE_CID] = ask_get,   [MODE_LIST] = ask_list,
};

/* ---- replies ------------------------------------------------------------------------------- */

static bool has_id(struct slice text, struct slice *id)
{
	static const char *const fields[] = { "\"requestid\":\"", "\"id\":\"" };

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		size_t n = strlen(fields[i]);
		const uint8_t *at = memmem(text.ptr, text.len, fields[i], n);

		if (!at || (size_t)(at - text.ptr) + n + ID_LEN > text.len)
			continue;
		*id = SLICE_OF(at + n, ID_LEN);
		return true;
	}
	return false;
}

/* One line of a bulk's answers, or of a listing. */
static void take_line(struct load *l, struct conn *c, struct slice line)
{
	struct slice id;

	l->last_at = clock_mono_us(&l->clock);
	if (l->o.mode == MODE_LIST) {
		l->done++;
		return;
	}
	if (memmem(line.ptr, line.len, "\"status\":202", 12) && has_id(line, &id)) {
		keep_id(l, c->pin + c->answered, id.ptr);
		l->done++;
	} else {
		if (l->failed++ == 0)
			fprintf(stderr, "load: %.*s\n", (int)line.len, line.ptr);
	}
	c->answered++;
}

/* Takes the whole chunks that have come; true: the last of them. */
static bool take_chunks(struct load *l, struct conn *c)
{
	struct buf text = { 0 };
	size_t at = 0;
	bool last = false;

	/* The pieces of the server end where lines end, or nearly: what does not stays. */
	while (!last) {
		const uint8_t *end = memmem(c->in.ptr + at, c->in.len - at, "\r\n", 2);
		size_t n = end ? strtoul((const char *)c->in.ptr + at, NULL, 16) : 0;
		size_t head = end ? (size_t)(end - c->in.ptr) - at + 2 : 0;

		if (!end || at + head + n + 2 > c->in.len)
			break;
		last = n == 0;
		buf_add(&text, c->in.ptr + at + head, n);
		at += head + n + 2;
	}
	for (size_t from = 0; from < text.len;) {
		const uint8_t *end = memchr(text.ptr + from, '\n', text.len - from);
		size_t n = end ? (size_t)(end - text.ptr) - from : text.len - from;

		if (!end)
			die("a chunk ends within a line");
		if (n > 0)
			take_line(l, c, SLICE_OF(text.ptr + from, n));
		from += n + 1;
	}
	buf_free(&text);
	buf_drop(&c->in, at);
	return last;
}

static unsigned status_of(const struct conn *c)
{
	return c->in.len > 12 ? (unsigned)strtoul((const char *)c->in.ptr + 9, NULL, 10) : 0;
}

static void refused(struct load *l, const struct conn *c)
{
	if (l->failed++ == 0)
		fprintf(stderr, "load: %.*s\n", (int)c->in.len, c->in.ptr);
}

/* Reads the head of a reply; false: it has not come whole. */
static bool take_head(struct load *l, struct conn *c)
{
	const uint8_t *end = memmem(c->in.ptr, c->in.len, "\r\n\r\n", 4);
	size_t n = end ? (size_t)(end - c->in.ptr) + 4 : 0;
	const uint8_t *length;

	if (!end)
		return false;
	length = memmem(c->in.ptr, n, "\r\nContent-Length:", 17);
	c->reply_chunked = !length && memmem(c->in.ptr, n, "chunked", 7);
	c->body_to_come = length ? strtol((const char *)length + 17, NULL, 10) : 0;
	if (l->o.mode <= MODE_CID && l->o.mode != MODE_BULK)
		return c->in.len >= n + (size_t)c->body_to_come;
	if (status_of(c) != 200)
		refused(l, c);
	if (l->first_byte_us == 0)
		l->first_byte_us = clock_mono_us(&l->clock) - c->began;
	buf_drop(&c->in, n);
	return c->head_done = true;
}

/* True: the reply is whole. */
static bool take_reply(struct load *l, struct conn *c)
{
	unsigned want = l->o.mode == MODE_POST ? 202 : 200;
	struct slice id;

	if (!c->head_done && !take_head(l, c))
		return false;
	if (c->head_done)
		return take_chunks(l, c);
	if (status_of(c) != want || (l->o.mode == MODE_POST && !has_id(buf_slice(&c->in), &id)))
		refused(l, c);
	else
		l->done++;
	if (l->o.mode == MODE_POST && status_of(c) == want)
		keep_id(l, c->pin, id.ptr);
	l->last_at = clock_mono_us(&l->clock);
	c->in.len = 0;
	return true;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void watch(struct load *l, struct conn *c, bool write)
{
	struct epoll_event e = { .events = write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c };

	if (c->writable == write)
		return;
	c->writable = write;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) != 0)
		die("epoll_ctl");
}

static void flush(struct load *l, struct conn *c)
{
	for (;;) {
		ssize_t n;

		if (l->o.mode == MODE_BULK && c->busy && !c->sent_all && c->out.len == 0)
			send_lines(l, c);
		if (c->out.len == 0)
			break;
		n = send(c->fd, c->out.ptr, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			die("the server hung up");
		if (n < 0)
			break;
		buf_drop(&c->out, (size_t)n);
	}
	watch(l, c, c->out.len > 0);
}

static bool more(const struct load *l)
{
	uint64_t count = l->o.mode == MODE_BULK ? l->o.count / l->o.block : l->o.count;

	return !l->stopping && (l->o.count == 0 || l->next < count);
}

static void begin(struct load *l, struct conn *c)
{
	if (!more(l))
		return;
	c->busy = true;
	c->head_done = false;
	c->answered = 0;
	c->began = clock_mono_us(&l->clock);
	l->n_busy++;
	ask[l->o.mode](l, c);
	flush(l, c);
}

static void on_readable(struct load *l, struct conn *c)
{
	for (;;) {
		ssize_t n = recv(c->fd, buf_reserve(&c->in, READ_BYTES), READ_BYTES, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			die("the server hung up");
		c->in.len += (size_t)n;
		l->bytes += (uint64_t)n;
		if (c->busy && take_reply(l, c)) {
			histogram_note(&l->took, clock_mono_us(&l->clock) - c->began);
			c->busy = false;
			l->n_busy--;
			begin(l, c);
		}
		if (n < READ_BYTES)
			return;
	}
}

static void open_conn(struct load *l, struct conn *c)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)l->o.port),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof(to)) != 0)
		die("cannot connect");
	setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) != 0)
		die("cannot watch a connection");
}

static void run(struct load *l)
{
	struct epoll_event events[256];

	while (l->n_busy > 0) {
		int n = epoll_wait(l->epoll_fd, events, ARRAY_LEN(events), QUIET_MS);

		if (n == 0)
			die("nothing came for 30 s");
		if (l->until && clock_mono_us(&l->clock) >= l->until)
			l->stopping = true;
		for (int i = 0; i < n; i++) {
			struct conn *c = events[i].data.ptr;

			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				on_readable(l, c);
			if (events[i].events & EPOLLOUT)
				flush(l, c);
		}
	}
}

/* ---- start -------------------------------------------------------------------------------------
 */

static void read_keys(struct load *l)
{
	FILE *f = fopen(l->o.keys, "r");

	if (!f)
		die("cannot read the keys");
	while (l->n_keys < OWNERS_MAX && fgets(l->keys[l->n_keys], KEY_MAX, f)) {
		char *key = l->keys[l->n_keys];

		key[strcspn(key, "\r\n")] = '\0';
		l->n_keys += *key != '\0';
	}
	fclose(f);
	if (l->n_keys == 0)
		die("no keys");
}

static void map_ids(struct load *l)
{
	bool make = l->o.mode == MODE_POST || l->o.mode == MODE_BULK;
	int fd = open(l->o.ids, make ? O_RDWR | O_CREAT : O_RDWR, 0600);
	uint64_t want = l->o.count ? l->o.first + l->o.count : 1000 * 1000;
	off_t size;

	if (fd < 0)
		die("cannot open the ids");
	size = lseek(fd, 0, SEEK_END);
	if (make && size < (off_t)(want * ID_LEN)) {
		size = (off_t)(want * ID_LEN);
		if (ftruncate(fd, size) != 0)
			die("cannot grow the ids");
	}
	l->n_ids = (uint64_t)size / ID_LEN;
	if (!make && l->o.count == 0 && l->o.seconds == 0)
		die("get needs --seconds or --count");
	l->ids = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (l->ids == MAP_FAILED)
		die("cannot map the ids");
	close(fd);
}

static void check_bounds(struct load *l)
{
	struct options *o = &l->o;

	if (o->mode == MODE_LIST && o->count == 0)
		o->count = 1;
	if (o->seconds == 0 && o->count == 0)
		die("--seconds or --count is needed");
	if (o->block == 0)
		o->block = o->mode == MODE_BULK && o->count >= l->n_keys ? o->count / l->n_keys : 1;
	if (o->mode == MODE_BULK && o->count == 0)
		die("bulk needs --count");
	if ((o->mode == MODE_GET || o->mode == MODE_CID) && !o->ids)
		die("get and cid need --ids");
}

static void report(const struct load *l, double cpu)
{
	double seconds = (double)(l->last_at - l->began) / 1e6;

	printf("{\"done\":%" PRIu64 ",\"failed\":%" PRIu64 ",\"seconds\":%.3f,\"rate\":%.1f,"
	       "\"p50_us\":%" PRIu64 ",\"p99_us\":%" PRIu64 ",\"max_us\":%" PRIu64
	       ",\"first_byte_us\":%" PRId64 ",\"bytes\":%" PRIu64 ",\"cpu_us\":%.0f}\n",
	       l->done, l->failed, seconds, seconds > 0 ? (double)l->done / seconds : 0,
	       histogram_us(&l->took, 0.5), histogram_us(&l->took, 0.99), histogram_us(&l->took, 1),
	       l->first_byte_us, l->bytes, cpu);
}

int main(int argc, char **argv)
{
	struct load *l = xcalloc(1, sizeof(*l));
	double cpu;

	l->o = options_read(argc, argv);
	clock_init_system(&l->clock);
	read_keys(l);
	check_bounds(l);
	if (l->o.ids)
		map_ids(l);
	if (l->o.cids && !(l->cids = fopen(l->o.cids, "r")))
		die("cannot read the CIDs");
	l->random = l->o.seed;
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->conns = xcalloc(l->o.connections, sizeof(*l->conns));
	for (uint64_t i = 0; i < l->o.connections; i++)
		open_conn(l, &l->conns[i]);
	cpu = l->o.pid ? process_cpu_us(l->o.pid) : 0;
	l->began = l->last_at = clock_mono_us(&l->clock);
	if (l->o.seconds > 0)
		l->until = l->began + (int64_t)l->o.seconds * US_PER_S;
	for (uint64_t i = 0; i < l->o.connections; i++)
		begin(l, &l->conns[i]);
	run(l);
	report(l, l->o.pid ? process_cpu_us(l->o.pid) - cpu : 0);
	for (uint64_t i = 0; i < l->o.connections; i++) {
		close(l->conns[i].fd);
		buf_free(&l->conns[i].in);
		buf_free(&l->conns[i].out);
	}
	close(l->epoll_fd);
	xfree(l->conns);
	xfree(l);
	return EXIT_SUCCESS;
}
