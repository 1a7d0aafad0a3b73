/*
 * fake_kubo_server -- the part of Kubo's RPC that Pinfold uses, over HTTP, for load tests and
 * for the ways in which a node misbehaves.  One thread, about 10 us a request.
 *
 *	fake_kubo_server [--port N] [--unix PATH] [--auth HEADER] [--fault QUERY]
 *	                 [--held NAME:FILE] [--id PEERID]
 *
 * Listens on 127.0.0.1 (port 0, the default: a free one) or on a unix socket, writes its
 * address to stdout as one line, and ends with its standard input when that is a pipe, or by a
 * signal.  Everything succeeds at once until told otherwise, by --fault or by
 *
 *	POST /fake/fault?name=late-error&on=pin/add&text=...&ms=50&n=3&times=1&but=CID
 *	POST /fake/pin?arg=CID[&type=direct]     POST /fake/lose?arg=CID
 *	POST /fake/pins    POST /fake/counts     POST /fake/last   (the last request's head)
 *
 * --id: who it is.  --held: it has the CIDs of FILE, one a line, pinned recursively under NAME.
 * fake_kubo_rpc.c has the names of the faults.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "lib/fake_kubo_rpc.h"

#define HEAD_MAX 16384

struct conn {
	struct conn *prev, *next;
	int fd;
	bool busy;    /* an answer is not finished */
	bool blocked; /* bytes wait for the socket */
	int64_t due_us;
	struct buf in, out;
	struct fake_answer answer;
};

struct server {
	struct clock clock;
	struct fake_rpc *rpc;
	int epoll_fd, listen_fd;
	struct conn *conns;
	int64_t due_us; /* nothing is due before */
};

static void conn_close(struct server *s, struct conn *c)
{
	if (c->prev)
		c->prev->next = c->next;
	else
		s->conns = c->next;
	if (c->next)
		c->next->prev = c->prev;
	close(c->fd);
	buf_free(&c->in);
	buf_free(&c->out);
	xfree(c);
}

/* False if the connection is gone. */
static bool flush(struct server *s, struct conn *c)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT, .data.ptr = c };
	ssize_t n = 0;

	if (c->out.len > 0)
		n = send(c->fd, c->out.ptr, c->out.len, MSG_NOSIGNAL);
	if (n < 0 && errno != EAGAIN)
		return false;
	buf_drop(&c->out, n > 0 ? (size_t)n : 0);
	if ((c->out.len > 0) == c->blocked)
		return true;
	c->blocked = c->out.len > 0;
	event.events = c->blocked ? EPOLLIN | EPOLLOUT : EPOLLIN;
	return epoll_ctl(s->epoll_fd, EPOLL_CTL_MOD, c->fd, &event) == 0;
}

/* Does what an answer wants next, once its bytes are sent.  False: close. */
static bool after_answer(struct server *s, struct conn *c)
{
	c->busy = false;
	switch (c->answer.then) {
	case THEN_NEXT:
		return true;
	case THEN_CLOSE:
		return flush(s, c) && c->blocked; /* tests' answers fit into the socket */
	case THEN_HANG:
		c->busy = true;
		return true;
	case THEN_REPEAT:
		c->busy = true;
		c->due_us = clock_mono_us(&s->clock) + c->answer.wait_us;
		if (c->due_us < s->due_us)
			s->due_us = c->due_us;
		return true;
	case THEN_LIST:
		c->busy = true;
		while (c->answer.then == THEN_LIST && !c->blocked) {
			fake_rpc_go_on(s->rpc, &c->answer, &c->out);
			if (!flush(s, c))
				return false;
		}
		c->busy = c->answer.then == THEN_LIST;
		return true;
	}
	return false;
}

static size_t body_length(struct slice head)
{
	const char *at = memmem(head.ptr, head.len, "\r\nContent-Length:", 17);

	return at ? strtoul(at + 17, NULL, 10) : 0;
}

/* Serves the requests that have come whole.  False: close. */
static bool serve(struct server *s, struct conn *c)
{
	while (!c->busy && c->in.len > 0) {
		const uint8_t *end = memmem(c->in.ptr, c->in.len, "\r\n\r\n", 4);
		struct slice head = { c->in.ptr, end ? (size_t)(end - c->in.ptr) + 4 : 0 };
		size_t whole;

		if (!end)
			return c->in.len < HEAD_MAX;
		whole = head.len + body_length(head);
		if (whole > c->in.len)
			return whole < HEAD_MAX;
		fake_rpc_serve(s->rpc, head, &c->answer, &c->out);
		buf_drop(&c->in, whole);
		if (!after_answer(s, c))
			return false;
	}
	return flush(s, c);
}

static bool read_more(struct server *s, struct conn *c)
{
	ssize_t n = recv(c->fd, buf_reserve(&c->in, 4096), 4096, 0);

	if (n <= 0)
		return n < 0 && errno == EAGAIN;
	c->in.len += (size_t)n;
	return c->in.len < 2 * HEAD_MAX && serve(s, c);
}

static bool on_event(struct server *s, struct conn *c, uint32_t events)
{
	if (events & EPOLLOUT) {
		if (!flush(s, c))
			return false;
		if (!c->blocked && c->busy && c->answer.then == THEN_LIST &&
		    (!after_answer(s, c) || !serve(s, c)))
			return false;
	}
	return !(events & (EPOLLIN | EPOLLHUP | EPOLLERR)) || read_more(s, c);
}

static void accept_all(struct server *s)
{
	int fd, one = 1;

	while ((fd = accept4(s->listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
		struct conn *c = xcalloc(1, sizeof(*c));
		struct epoll_event event = { .events = EPOLLIN, .data.ptr = c };

		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
		c->fd = fd;
		c->due_us = INT64_MAX;
		c->next = s->conns;
		if (s->conns)
			s->conns->prev = c;
		s->conns = c;
		epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event);
	}
}

static void run_due(struct server *s, int64_t now_us)
{
	struct conn *next;

	s->due_us = INT64_MAX;
	for (struct conn *c = s->conns; c; c = next) {
		next = c->next;
		if (c->due_us <= now_us) {
			c->due_us = INT64_MAX;
			fake_rpc_go_on(s->rpc, &c->answer, &c->out);
			if (!after_answer(s, c) || !serve(s, c)) {
				conn_close(s, c);
				continue;
			}
		}
		if (c->due_us < s->due_us)
			s->due_us = c->due_us;
	}
}

static int ms_to(const struct server *s, int64_t now_us)
{
	if (s->due_us == INT64_MAX)
		return -1;
	return s->due_us > now_us ? (int)((s->due_us - now_us + 999) / 1000) : 0;
}

/* The standard input's events carry the server itself, the listener's NULL. */
static void loop(struct server *s)
{
	struct epoll_event events[256];

	for (;;) {
		int64_t now_us = clock_mono_us(&s->clock);
		int n = epoll_wait(s->epoll_fd, events, 256, ms_to(s, now_us));

		for (int i = 0; i < n; i++) {
			if (events[i].data.ptr == s)
				return;
			if (!events[i].data.ptr)
				accept_all(s);
			else if (!on_event(s, events[i].data.ptr, events[i].events))
				conn_close(s, events[i].data.ptr);
		}
		now_us = clock_mono_us(&s->clock);
		if (now_us >= s->due_us)
			run_due(s, now_us);
	}
}

static void die(const char *what)
{
	fprintf(stderr, "fake_kubo_server: %s: %s\n", what, strerror(errno));
	exit(EXIT_FAILURE);
}

static int listen_tcp(unsigned port)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(addr);
	int one = 1;

	addr.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&addr, len) < 0 || listen(fd, 1024) < 0 ||
	    getsockname(fd, (struct sockaddr *)&addr, &len) < 0)
		die("listen");
	printf("http://127.0.0.1:%u\n", ntohs(addr.sin_port));
	return fd;
}

static int listen_unix(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 || listen(fd, 1024) < 0)
		die(path);
	printf("unix:%s\n", path);
	return fd;
}

static void watch(struct server *s, int fd, void *ptr)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = ptr };

	if (epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0)
		die("epoll");
}

static void apply_fault(struct server *s, const char *fault)
{
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf head = { 0 };
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf out = { 0 };
	struct fake_answer answer;

	buf_printf(&head, "POST /fake/fault?%s HTTP/1.1\r\n\r\n", fault);
	fake_rpc_serve(s->rpc, buf_slice(&head), &answer, &out);
	if (memcmp(out.ptr, "HTTP/1.1 200", 12) != 0) {
		errno = EINVAL;
		die(fault);
	}
}

static void hold_pins(struct server *s, char *name)
{
	char *path = strchr(name, ':');
	FILE *f = NULL;
	char cid[520];

	if (path) {
		*path++ = '\0';
		f = fopen(path, "re");
	}
	if (!f) {
		fprintf(stderr, "--held is NAME:FILE\n");
		exit(EXIT_FAILURE);
	}
	while (fscanf(f, "%519s", cid) == 1)
		fake_rpc_hold(s->rpc, cid, name);
	fclose(f);
}

int main(int argc, char **argv)
{
	struct server s = { .listen_fd = -1, .due_us = INT64_MAX };
	struct stat in;
	unsigned port = 0;

	clock_init_system(&s.clock);
	s.rpc = fake_rpc_new();
	s.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 1; i + 1 < argc; i += 2) {
		if (strcmp(argv[i], "--port") == 0)
			port = (unsigned)atoi(argv[i + 1]);
		else if (strcmp(argv[i], "--unix") == 0)
			s.listen_fd = listen_unix(argv[i + 1]);
		else if (strcmp(argv[i], "--auth") == 0)
			fake_rpc_authorize(s.rpc, argv[i + 1]);
		else if (strcmp(argv[i], "--fault") == 0)
			apply_fault(&s, argv[i + 1]);
		else if (strcmp(argv[i], "--held") == 0)
			hold_pins(&s, argv[i + 1]);
		else if (strcmp(argv[i], "--id") == 0)
			fake_rpc_name(s.rpc, argv[i + 1]);
	}
	if (s.listen_fd < 0)
		s.listen_fd = listen_tcp(port);
	fflush(stdout);
	watch(&s, s.listen_fd, NULL);
	if (fstat(STDIN_FILENO, &in) == 0 && S_ISFIFO(in.st_mode))
		watch(&s, STDIN_FILENO, &s);
	loop(&s);
	while (s.conns)
		conn_close(&s, s.conns);
	fake_rpc_free(s.rpc);
	return EXIT_SUCCESS;
}
