#include "bin/load.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/buf.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "bin/pin_cid.h"

#define READ_BYTES  (256 * 1024)
#define LINES_CHUNK 500 /* of a bulk stream, sent at once */
#define LOOK_MS     200
#define QUIET_S     30 /* nothing came for so long: give up */

struct link { /* a connection */
	int fd;
	bool busy, writable, reply_chunked, head_done;
	struct buf in, out;
	int64_t began;        /* of the request */
	uint64_t pin;         /* of a single one */
	int64_t body_to_come; /* of a reply with a length */
	/* bulk and drop */
	uint64_t next, end; /* pins still to send */
	uint64_t answered;
	bool sent_all;
};

struct load {
	struct load_options o;
	struct load_result *out;
	struct clock clock;
	struct err *err;
	bool broken; /* *err says why */
	int epoll_fd;
	struct link *links;
	uint64_t next; /* pin, or stream of a bulk */
	uint64_t random;
	int64_t began, until, last_at;
	bool stopping;
	unsigned n_busy;
};

const char *load_mode_name(enum load_mode mode)
{
	static const char *const names[LOAD_MODES] = {
		"post", "bulk", "get", "cid", "list", "drop"
	};

	return names[mode];
}

static void give_up(struct load *l, const char *why)
{
	if (l->broken)
		return;
	l->broken = true;
	err_set(l->err, ERR_UNAVAILABLE, "%s: %s", load_mode_name(l->o.mode), why);
}

static bool streams(const struct load *l)
{
	return l->o.mode == LOAD_BULK || l->o.mode == LOAD_DROP;
}

/* ---- pins ------------------------------------------------------------------------------ */

static uint64_t mix(uint64_t x)
{
	x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
	return x ^ x >> 31;
}

static void write_cid(struct load *l, uint64_t pin, char out[PIN_CID_TEXT + 1])
{
	uint8_t cid[PIN_CID_LEN];

	if (!l->o.cids) {
		pin_cid(l->o.seed, pin, cid);
		pin_cid_text(cid, out);
	} else if (fscanf(l->o.cids, "%59s", out) != 1) {
		*out = '\0';
		give_up(l, "not so many CIDs in the file");
	}
}

static const char *key_of(const struct load *l, uint64_t pin)
{
	return l->o.keys[pin / l->o.block % l->o.n_keys];
}

static bool has_pin(const struct load *l, uint64_t pin)
{
	return pin < l->o.n_ids && l->o.ids[pin][0] != 0;
}

static void keep_id(struct load *l, uint64_t pin, const void *id)
{
	if (l->o.ids && pin < l->o.n_ids)
		memcpy(l->o.ids[pin], id, LOAD_ID_LEN);
}

/* ---- requests ---------------------------------------------------------------------------- */

static void put_head(const struct load *l, struct link *c, const char *method, const char *path,
		     const char *key)
{
	buf_printf(&c->out, "%s %s HTTP/1.1\r\nHost: pinfold\r\nAuthorization: Bearer %s\r\n%s",
		   method, path, key, l->o.header);
}

static void put_pin(struct load *l, uint64_t pin, struct buf *out)
{
	char cid[PIN_CID_TEXT + 1];

	write_cid(l, pin, cid);
	buf_printf(out, "{\"cid\":\"%s\",\"name\":\"pin %" PRIu64 "\"%s}", cid, pin, l->o.more);
}

static void ask_post(struct load *l, struct link *c)
{
	CLEANUP(buf_free) struct buf body = { 0 };

	c->pin = l->o.first + l->next++;
	put_pin(l, c->pin, &body);
	put_head(l, c, "POST", "/pins", key_of(l, c->pin));
	buf_printf(&c->out, "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%.*s",
		   body.len, SLICE_FMT(buf_slice(&body)));
}

static void ask_get(struct load *l, struct link *c)
{
	char cid[PIN_CID_TEXT + 1] = "", path[16 + PIN_CID_TEXT];

	do
		c->pin = mix(++l->random) % l->o.n_ids;
	while (!has_pin(l, c->pin)); /* that one was refused */
	l->next++;
	if (l->o.mode == LOAD_CID)
		write_cid(l, c->pin, cid);
	snprintf(path, sizeof(path), "/pins/%.*s",
		 l->o.mode == LOAD_CID ? PIN_CID_TEXT : LOAD_ID_LEN,
		 l->o.mode == LOAD_CID ? cid : l->o.ids[c->pin]);
	put_head(l, c, "GET", path, key_of(l, c->pin));
	buf_add_str(&c->out, "\r\n");
}

static void ask_list(struct load *l, struct link *c)
{
	l->next++;
	put_head(l, c, "GET", l->o.path, l->o.keys[0]);
	buf_add_str(&c->out, "Accept: application/x-ndjson\r\n\r\n");
}

static void ask_bulk(struct load *l, struct link *c)
{
	uint64_t stream = l->next++;

	c->next = c->pin = l->o.first + stream * l->o.block;
	c->end = l->o.first + l->o.count;
	if (c->end - c->next > l->o.block)
		c->end = c->next + l->o.block;
	c->sent_all = false;
	put_head(l, c, "POST", l->o.mode == LOAD_BULK ? "/v1/bulk/create" : "/v1/bulk/delete",
		 key_of(l, c->pin));
	buf_add_str(&c->out, "Content-Type: application/x-ndjson\r\n"
			     "Transfer-Encoding: chunked\r\n\r\n");
}

static void send_lines(struct load *l, struct link *c)
{
	CLEANUP(buf_free) struct buf lines = { 0 };

	for (unsigned i = 0; i < LINES_CHUNK && c->next < c->end; i++, c->next++) {
		if (l->o.mode == LOAD_BULK)
			put_pin(l, c->next, &lines);
		else if (has_pin(l, c->next))
			buf_printf(&lines, "{\"id\":\"%.*s\"}", LOAD_ID_LEN, l->o.ids[c->next]);
		else
			continue;
		buf_add_byte(&lines, '\n');
	}
	if (lines.len > 0)
		buf_printf(&c->out, "%zx\r\n", lines.len);
	buf_add_slice(&c->out, buf_slice(&lines));
	if (lines.len > 0)
		buf_add_str(&c->out, "\r\n");
	c->sent_all = c->next >= c->end;
	if (c->sent_all)
		buf_add_str(&c->out, "0\r\n\r\n");
}

static void (*const ask[LOAD_MODES])(struct load *l, struct link *c) = {
	[LOAD_POST] = ask_post, [LOAD_BULK] = ask_bulk, [LOAD_GET] = ask_get,
	[LOAD_CID] = ask_get,   [LOAD_LIST] = ask_list, [LOAD_DROP] = ask_bulk,
};

/* ---- replies ------------------------------------------------------------------------------- */

static bool has_id(struct slice text, struct slice *id)
{
	static const char *const fields[] = { "\"requestid\":\"", "\"id\":\"" };

	for (size_t i = 0; i < ARRAY_LEN(fields); i++) {
		size_t n = strlen(fields[i]);
		const uint8_t *at = memmem(text.ptr, text.len, fields[i], n);

		if (!at || (size_t)(at - text.ptr) + n + LOAD_ID_LEN > text.len)
			continue;
		*id = SLICE_OF(at + n, LOAD_ID_LEN);
		return true;
	}
	return false;
}

static void refused(struct load *l, struct slice answer)
{
	if (l->out->failed++ == 0)
		snprintf(l->out->refusal, sizeof(l->out->refusal), "%.*s", SLICE_FMT(answer));
}

/* One line of a bulk's answers, or of a listing. */
static void take_line(struct load *l, struct link *c, struct slice line)
{
	struct slice id;

	l->last_at = clock_mono_us(&l->clock);
	if (l->o.mode == LOAD_LIST) {
		l->out->done++;
		return;
	}
	if (memmem(line.ptr, line.len, "\"status\":202", 12) && has_id(line, &id)) {
		keep_id(l, c->pin + c->answered, id.ptr);
		l->out->done++;
	} else if (l->o.mode == LOAD_DROP && memmem(line.ptr, line.len, "\"status\":204", 12)) {
		l->out->done++;
	} else {
		refused(l, line);
	}
	c->answered++;
}

/* Takes the whole chunks that have come; true: the last of them. */
static bool take_chunks(struct load *l, struct link *c)
{
	CLEANUP(buf_free) struct buf text = { 0 };
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
	for (size_t from = 0; from < text.len && !l->broken;) {
		const uint8_t *end = memchr(text.ptr + from, '\n', text.len - from);
		size_t n = end ? (size_t)(end - text.ptr) - from : text.len - from;

		if (!end)
			give_up(l, "a chunk ends within a line");
		else if (n > 0)
			take_line(l, c, SLICE_OF(text.ptr + from, n));
		from += n + 1;
	}
	buf_drop(&c->in, at);
	return last;
}

static unsigned status_of(const struct link *c)
{
	return c->in.len > 12 ? (unsigned)strtoul((const char *)c->in.ptr + 9, NULL, 10) : 0;
}

/* The body of a reply that has come whole. */
static struct slice body_of(const struct link *c)
{
	return SLICE_OF(c->in.ptr + c->in.len - c->body_to_come, (size_t)c->body_to_come);
}

/* Reads the head of a reply; false: it, or a body of known length, has not come whole. */
static bool take_head(struct load *l, struct link *c)
{
	const uint8_t *end = memmem(c->in.ptr, c->in.len, "\r\n\r\n", 4);
	size_t n = end ? (size_t)(end - c->in.ptr) + 4 : 0;
	const uint8_t *length;

	if (!end)
		return false;
	length = memmem(c->in.ptr, n, "\r\nContent-Length:", 17);
	c->reply_chunked = !length && memmem(c->in.ptr, n, "chunked", 7);
	c->body_to_come = length ? strtol((const char *)length + 17, NULL, 10) : 0;
	if (!c->reply_chunked)
		return c->in.len >= n + (size_t)c->body_to_come;
	if (l->out->first_byte_us == 0)
		l->out->first_byte_us = clock_mono_us(&l->clock) - c->began;
	buf_drop(&c->in, n);
	return c->head_done = true;
}

/* True: the reply is whole. */
static bool take_reply(struct load *l, struct link *c)
{
	unsigned want = l->o.mode == LOAD_POST ? 202 : 200;
	struct slice id;

	if (!c->head_done && !take_head(l, c))
		return false;
	if (c->head_done)
		return take_chunks(l, c);
	if (streams(l) || l->o.mode == LOAD_LIST) {
		struct slice said = body_of(c);
		char why[160];

		snprintf(why, sizeof(why), "HTTP %u: %.*s", status_of(c), SLICE_FMT(said));
		give_up(l, why);
		return true;
	}
	if (status_of(c) != want || (l->o.mode == LOAD_POST && !has_id(buf_slice(&c->in), &id))) {
		refused(l, body_of(c));
	} else {
		l->out->done++;
		if (l->o.mode == LOAD_POST)
			keep_id(l, c->pin, id.ptr);
	}
	l->last_at = clock_mono_us(&l->clock);
	c->in.len = 0;
	return true;
}

/* ---- connections ----------------------------------------------------------------------------- */

static void watch(struct load *l, struct link *c, bool write)
{
	struct epoll_event e = { .events = write ? EPOLLIN | EPOLLOUT : EPOLLIN, .data.ptr = c };

	if (c->writable == write)
		return;
	c->writable = write;
	if (epoll_ctl(l->epoll_fd, EPOLL_CTL_MOD, c->fd, &e) != 0)
		give_up(l, strerror(errno));
}

static void flush(struct load *l, struct link *c)
{
	while (!l->broken) {
		ssize_t n;

		if (streams(l) && c->busy && !c->sent_all && c->out.len == 0)
			send_lines(l, c);
		if (c->out.len == 0)
			break;
		n = send(c->fd, c->out.ptr, c->out.len, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			give_up(l, "the server hung up");
		else
			buf_drop(&c->out, (size_t)n);
	}
	watch(l, c, c->out.len > 0);
}

static bool more(const struct load *l)
{
	uint64_t count = streams(l) ? (l->o.count + l->o.block - 1) / l->o.block : l->o.count;

	return !l->stopping && !l->broken && (l->o.count == 0 || l->next < count);
}

static void begin(struct load *l, struct link *c)
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

static void on_readable(struct load *l, struct link *c)
{
	while (!l->broken) {
		ssize_t n = recv(c->fd, buf_reserve(&c->in, READ_BYTES), READ_BYTES, 0);

		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0) {
			give_up(l, "the server hung up");
			return;
		}
		c->in.len += (size_t)n;
		l->out->bytes += (uint64_t)n;
		if (c->busy && take_reply(l, c)) {
			histogram_note(&l->out->took, clock_mono_us(&l->clock) - c->began);
			c->busy = false;
			l->n_busy--;
			begin(l, c);
		}
		if (n < READ_BYTES)
			return;
	}
}

static void open_link(struct load *l, struct link *c)
{
	struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
	int one = 1;

	c->fd = socket(l->o.to.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0 || connect(c->fd, (const struct sockaddr *)&l->o.to, l->o.to_len) != 0 ||
	    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) != 0 ||
	    fcntl(c->fd, F_SETFL, O_NONBLOCK) != 0 ||
	    epoll_ctl(l->epoll_fd, EPOLL_CTL_ADD, c->fd, &e) != 0)
		give_up(l, strerror(errno));
}

static void run(struct load *l)
{
	int64_t heard = clock_mono_us(&l->clock), now;
	struct epoll_event events[256];

	while (l->n_busy > 0 && !l->broken) {
		int n = epoll_wait(l->epoll_fd, events, ARRAY_LEN(events), LOOK_MS);

		now = clock_mono_us(&l->clock);
		if (n > 0)
			heard = now;
		else if (now - heard > QUIET_S * US_PER_S)
			give_up(l, "nothing came for 30 s");
		if ((l->until && now >= l->until) || (l->o.stop && l->o.stop(l->o.stop_ctx)))
			l->stopping = true;
		for (int i = 0; i < n; i++) {
			struct link *c = events[i].data.ptr;

			if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
				on_readable(l, c);
			if (events[i].events & EPOLLOUT)
				flush(l, c);
		}
	}
}

/* ---- the whole ------------------------------------------------------------------------- */

static bool check(struct load_options *o, struct err *err)
{
	bool reads = o->mode == LOAD_GET || o->mode == LOAD_CID || o->mode == LOAD_DROP;
	uint64_t there = 0;

	assert(o->n_keys > 0 && o->connections > 0);
	if (o->mode == LOAD_LIST && o->count == 0)
		o->count = 1;
	if (o->seconds == 0 && o->count == 0)
		return err_set(err, ERR_INVALID, "a time or a number of pins is needed");
	if ((o->mode == LOAD_BULK || o->mode == LOAD_DROP) && o->count == 0)
		return err_set(err, ERR_INVALID, "a number of pins is needed");
	for (uint64_t i = 0; reads && o->ids && i < o->n_ids && !there; i++)
		there = o->ids[i][0] != 0;
	if (reads && !there)
		return err_set(err, ERR_INVALID, "there are no ids of pins");
	if (o->block == 0)
		o->block = o->mode == LOAD_BULK && o->count >= o->n_keys ? o->count / o->n_keys : 1;
	return true;
}

static void close_all(struct load *l)
{
	for (uint64_t i = 0; i < l->o.connections; i++) {
		if (l->links[i].fd >= 0)
			close(l->links[i].fd);
		buf_free(&l->links[i].in);
		buf_free(&l->links[i].out);
	}
	close(l->epoll_fd);
	xfree(l->links);
}

bool load_run(const struct load_options *options, struct load_result *out, struct err *err)
{
	struct load l = { .o = *options, .out = out, .err = err, .random = options->seed };

	*out = (struct load_result){ 0 };
	if (!check(&l.o, err))
		return false;
	clock_init_system(&l.clock);
	l.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l.links = xcalloc(l.o.connections, sizeof(*l.links));
	for (uint64_t i = 0; i < l.o.connections; i++)
		l.links[i].fd = -1;
	for (uint64_t i = 0; i < l.o.connections && !l.broken; i++)
		open_link(&l, &l.links[i]);
	l.began = l.last_at = clock_mono_us(&l.clock);
	if (l.o.seconds > 0)
		l.until = l.began + (int64_t)l.o.seconds * US_PER_S;
	for (uint64_t i = 0; i < l.o.connections; i++)
		begin(&l, &l.links[i]);
	run(&l);
	close_all(&l);
	out->seconds = (double)(l.last_at - l.began) / 1e6;
	return !l.broken;
}

bool load_resolve(const char *host, const char *port, struct load_options *out, struct err *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found;
	int e = getaddrinfo(host, port, &hints, &found);

	if (e != 0)
		return err_set(err, ERR_UNAVAILABLE, "%s port %s: %s", host, port, gai_strerror(e));
	memcpy(&out->to, found->ai_addr, found->ai_addrlen);
	out->to_len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}
