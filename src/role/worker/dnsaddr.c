#include "role/worker/dnsaddr.h"

#include <arpa/nameser.h>
#include <pthread.h>
#include <resolv.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define ANSWER_MAX  16384
#define TXT_MAX     1024 /* bytes of a record's text that are read */
#define WAIT_S      2    /* for one answer */
#define TRIES       2
#define PREFIX      "dnsaddr="
#define NAME_PREFIX "_dnsaddr."

struct dnsaddr_query {
	pthread_t thread;
	char name[sizeof(NAME_PREFIX) + NS_MAXDNAME];
	struct sockaddr_in server; /* family 0: the system's */
	atomic_bool over;
	size_t len; /* of the answer */
	uint8_t answer[ANSWER_MAX];
};

/* ---- reading ------------------------------------------------------------------------- */

/* A record's text is given in pieces of up to 255 bytes.  False if it is cut or too long. */
static bool join(const uint8_t *data, size_t n, char text[TXT_MAX], size_t *len)
{
	*len = 0;
	while (n > 0) {
		size_t piece = data[0];

		if (piece > n - 1 || piece > TXT_MAX - *len)
			return false;
		memcpy(text + *len, data + 1, piece);
		*len += piece;
		data += 1 + piece;
		n -= 1 + piece;
	}
	return true;
}

static bool ends_in(const struct multiaddr *addr, struct slice suffix)
{
	return addr->len > suffix.len &&
	       memcmp(addr->bytes + addr->len - suffix.len, suffix.ptr, suffix.len) == 0;
}

static bool read_record(const ns_rr *rr, struct slice suffix, struct multiaddr *out)
{
	const size_t skip = strlen(PREFIX);
	char text[TXT_MAX];
	struct err ignored;
	size_t len;

	return ns_rr_type(*rr) == ns_t_txt && ns_rr_class(*rr) == ns_c_in &&
	       join(ns_rr_rdata(*rr), ns_rr_rdlen(*rr), text, &len) && len > skip &&
	       memcmp(text, PREFIX, skip) == 0 &&
	       multiaddr_parse(SLICE_OF((const uint8_t *)text + skip, len - skip), out, &ignored) &&
	       ends_in(out, suffix);
}

size_t dnsaddr_read(struct slice answer, struct slice suffix, struct multiaddr *out, size_t max)
{
	ns_msg msg;
	size_t n = 0;

	if (suffix.len == 0 || answer.len > ANSWER_MAX ||
	    ns_initparse(answer.ptr, (int)answer.len, &msg) != 0)
		return 0;
	for (int i = 0; i < ns_msg_count(msg, ns_s_an) && n < max; i++) {
		ns_rr rr;

		if (ns_parserr(&msg, ns_s_an, i, &rr) != 0)
			break;
		n += read_record(&rr, suffix, &out[n]);
	}
	return n;
}

/* ---- asking --------------------------------------------------------------------------- */

static void *ask(void *arg)
{
	struct dnsaddr_query *q = arg;
	struct __res_state state = { 0 };
	int n = -1;

	if (res_ninit(&state) == 0) {
		state.retrans = WAIT_S;
		state.retry = TRIES;
		if (q->server.sin_family == AF_INET) {
			state.nsaddr_list[0] = q->server;
			state.nscount = 1;
		}
		n = res_nquery(&state, q->name, ns_c_in, ns_t_txt, q->answer, ANSWER_MAX);
		res_nclose(&state);
	}
	if (n > 0)
		q->len = n < ANSWER_MAX ? (size_t)n : ANSWER_MAX;
	atomic_store(&q->over, true);
	return NULL;
}

bool dnsaddr_ask(struct slice name, const struct sockaddr_in *server, struct dnsaddr_query **out,
		 struct err *err)
{
	struct dnsaddr_query *q;

	if (name.len >= NS_MAXDNAME)
		return err_set(err, ERR_INVALID, "a name of %zu bytes is too long", name.len);
	q = xcalloc(1, sizeof(*q));
	snprintf(q->name, sizeof(q->name), NAME_PREFIX "%.*s", SLICE_FMT(name));
	if (server)
		q->server = *server;
	if (pthread_create(&q->thread, NULL, ask, q) != 0) {
		xfree(q);
		return err_set(err, ERR_UNAVAILABLE, "no thread to look a name up");
	}
	*out = q;
	return true;
}

bool dnsaddr_over(const struct dnsaddr_query *q)
{
	return atomic_load(&q->over);
}

size_t dnsaddr_end(struct dnsaddr_query *q, struct slice suffix, struct multiaddr *out, size_t max)
{
	size_t n;

	pthread_join(q->thread, NULL);
	n = dnsaddr_read(SLICE_OF(q->answer, q->len), suffix, out, max);
	xfree(q);
	return n;
}
