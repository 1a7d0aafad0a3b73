#include "kubo/transfer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/alloc.h"

#define MAX_RUNNING_DEFAULT 32
#define ANSWER_MAX_BYTES    ((uint64_t)1 << 20) /* of what is no stream */
#define ERROR_MAX_BYTES     ((size_t)4096)      /* kept of a page that tells an error */
#define LIST_PART           512                 /* pins that make a part worth giving out */
#define CONNECT_TIMEOUT_MS  5000L
/* Authorities that were mended are read again after so long; a day else.  A file that could not be
 * read is not kept; no test waits for one that could. */
#define CA_CACHE_S 60L

bool curl_node_new(const struct kubo_node *cfg, struct clock *clock, bool *part_is_there,
		   struct curl_node **out, struct err *err)
{
	static const char *const headers[] = { ("User-Agent: pinfold/" PINFOLD_VERSION),
					       "Content-Type:", "Accept:" };
	CLEANUP(curl_node_free) struct curl_node *node = xcalloc(1, sizeof(*node));
	__attribute__((cleanup(buf_free_at_scope_end))) struct buf path = { 0 }, auth = { 0 };

	if (!request_base(cfg->url, &node->base, &path, err))
		return false;
	if (cfg->secret && strpbrk(cfg->secret, "\r\n"))
		return err_set(err, ERR_INVALID, "the secret holds a line break");
	for (size_t i = 0; i < ARRAY_LEN(headers); i++)
		node->headers = curl_slist_append(node->headers, headers[i]);
	if (cfg->auth == KUBO_AUTH_BEARER) {
		buf_printf(&auth, "Authorization: Bearer %s", cfg->secret);
		buf_add_byte(&auth, 0);
		node->headers = curl_slist_append(node->headers, (const char *)auth.ptr);
	}
	if (cfg->auth == KUBO_AUTH_BASIC)
		node->user_password = xstrdup(cfg->secret);
	if (path.len > 0) {
		buf_add_byte(&path, 0);
		node->socket_path = xstrdup((const char *)path.ptr);
	}
	if (cfg->ca_file)
		node->ca_file = xstrdup(cfg->ca_file);
	node->clock = clock;
	node->part_is_there = part_is_there;
	node->max_running = cfg->max_connections ? cfg->max_connections : MAX_RUNNING_DEFAULT;
	node->waiting_end = &node->waiting;
	*out = TAKE(node);
	return true;
}

void curl_node_free(struct curl_node *node)
{
	if (!node)
		return;
	while (node->idle) {
		struct transfer *transfer = node->idle;

		node->idle = transfer->next;
		transfer_free(transfer);
	}
	curl_slist_free_all(node->headers);
	buf_free(&node->base);
	xfree(node->socket_path);
	xfree(node->user_password);
	xfree(node->ca_file);
	xfree(node);
}

static bool is_stream(const struct transfer *t)
{
	return t->op.kind == KUBO_PIN_ADD || t->op.kind == KUBO_PIN_LIST ||
	       t->op.kind == KUBO_REPO_GC;
}

static bool on_line(void *ctx, struct slice line)
{
	struct transfer *t = ctx;
	struct kubo_progress before = t->done.progress;

	if (!reply_line(&t->reply, line))
		return false;
	if (t->op.kind == KUBO_PIN_ADD &&
	    (t->done.progress.nodes > before.nodes || t->done.progress.bytes > before.bytes))
		t->heard_us = clock_mono_us(t->node->clock);
	return true;
}

static size_t on_body(char *bytes, size_t one, size_t n, void *ctx)
{
	struct transfer *t = ctx;
	long status = 0;

	assert(one == 1);
	if (t->op.kind == KUBO_PIN_LIST &&
	    t->reply.pins.len / sizeof(struct kubo_pin) >= LIST_PART) {
		t->wants_taker = *t->node->part_is_there = true;
		return CURL_WRITEFUNC_PAUSE;
	}
	t->received += n;
	if (t->op.kind == KUBO_PIN_LIST)
		t->heard_us = clock_mono_us(t->node->clock);
	if (!is_stream(t) && t->received > ANSWER_MAX_BYTES)
		return 0;
	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	if (status == 200)
		return lines_feed(&t->lines, SLICE_OF(bytes, n), on_line, t) ? n : 0;
	if (t->error_body.len < ERROR_MAX_BYTES)
		buf_add(&t->error_body, bytes,
			n < ERROR_MAX_BYTES - t->error_body.len
				? n
				: ERROR_MAX_BYTES - t->error_body.len);
	return t->received > ANSWER_MAX_BYTES ? 0 : n;
}

/* Comes for headers and, after the body, for trailers. */
static size_t on_header(char *bytes, size_t one, size_t n, void *ctx)
{
	static const char name[] = "X-Stream-Error:";
	struct transfer *t = ctx;
	size_t from = sizeof(name) - 1, len = one * n;

	if (len <= from || (bytes[0] | 0x20) != 'x' || strncasecmp(bytes, name, from) != 0)
		return len;
	while (from < len && bytes[from] == ' ')
		from++;
	reply_error_text(SLICE_OF(bytes + from, len - from), t->trailer);
	return len;
}

static CURL *easy_new(const struct curl_node *node, struct transfer *t)
{
	CURL *easy = curl_easy_init();

	if (!easy)
		alloc_failed(sizeof(*t));
	curl_easy_setopt(easy, CURLOPT_PRIVATE, t);
	curl_easy_setopt(easy, CURLOPT_ERRORBUFFER, t->why);
	curl_easy_setopt(easy, CURLOPT_POSTFIELDS, "");
	curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE, 0L);
	curl_easy_setopt(easy, CURLOPT_HTTPHEADER, node->headers);
	curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(easy, CURLOPT_PROXY, "");
	curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(easy, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_TIMEOUT_MS);
	curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(easy, CURLOPT_WRITEDATA, t);
	curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(easy, CURLOPT_HEADERDATA, t);
	if (node->socket_path)
		curl_easy_setopt(easy, CURLOPT_UNIX_SOCKET_PATH, node->socket_path);
	if (node->user_password)
		curl_easy_setopt(easy, CURLOPT_USERPWD, node->user_password);
	if (node->ca_file)
		curl_easy_setopt(easy, CURLOPT_CAINFO, node->ca_file);
	curl_easy_setopt(easy, CURLOPT_CA_CACHE_TIMEOUT, CA_CACHE_S);
	return easy;
}

static const char *keep(struct arena *mem, const char *s)
{
	return s ? (const char *)arena_copy(mem, slice_str(s)).ptr : NULL;
}

struct transfer *transfer_for(struct curl_node *node, const struct kubo_op *op, uint64_t id,
			      int64_t now_us)
{
	struct transfer *t = node->idle;

	if (t) {
		node->idle = t->next;
	} else {
		t = xcalloc(1, sizeof(*t));
		t->node = node;
		t->mem = arena_new();
		t->easy = easy_new(node, t);
	}
	t->op = *op;
	t->op.cid = keep(t->mem, op->cid);
	t->op.to_cid = keep(t->mem, op->to_cid);
	t->op.name = keep(t->mem, op->name);
	t->op.addr = keep(t->mem, op->addr);
	t->limits = kubo_limits_of(op);
	memset(&t->done, 0, sizeof(t->done));
	t->done.id = id;
	t->done.ctx = op->ctx;
	t->done.kind = op->kind;
	t->done.node = op->node;
	t->dag = false;
	t->started_us = now_us;
	t->deadline_us = t->limits.timeout_us ? now_us + t->limits.timeout_us : INT64_MAX;
	transfer_prepare(t);
	return t;
}

void transfer_release(struct transfer *t)
{
	assert(t->state == TRANSFER_IDLE);
	arena_reset(t->mem);
	t->next = t->node->idle;
	t->node->idle = t;
}

void transfer_free(struct transfer *t)
{
	if (!t)
		return;
	curl_easy_cleanup(t->easy);
	lines_free(&t->lines);
	buf_free(&t->reply.pins);
	buf_free(&t->url);
	buf_free(&t->error_body);
	arena_free(t->mem);
	xfree(t);
}

void transfer_prepare(struct transfer *t)
{
	t->reply = (struct reply){ .done = &t->done, .mem = t->mem, .pins = t->reply.pins };
	t->reply.pins.len = 0;
	lines_reset(&t->lines);
	t->error_body.len = 0;
	t->received = 0;
	t->taken = 0;
	t->wants_taker = false;
	t->trailer[0] = 0;
	t->done.text[0] = 0;
	t->why[0] = 0;
	t->url.len = 0;
	buf_add_slice(&t->url, buf_slice(&t->node->base));
	request_command(&t->url, &t->op, t->dag);
	buf_add_byte(&t->url, 0);
	curl_easy_setopt(t->easy, CURLOPT_URL, (const char *)t->url.ptr);
}

static void fail(struct transfer *t, enum kubo_outcome outcome, const char *text)
{
	t->done.outcome = outcome;
	snprintf(t->done.text, sizeof(t->done.text), "%s", text);
}

/* Which certificate does not do and why, or what came in place of one, only libcurl's words say;
 * they may have several lines. */
static void fail_tls(struct transfer *t, CURLcode result)
{
	char text[sizeof(t->why) + 8];

	snprintf(text, sizeof(text), "TLS: %s", t->why[0] ? t->why : curl_easy_strerror(result));
	for (char *c = text; (c = strpbrk(c, "\r\n"));)
		*c = ' ';
	fail(t, KUBO_UNREACHABLE, text);
}

/* The connection failed, not Kubo. */
static void fail_connection(struct transfer *t, CURLcode result)
{
	switch ((int)result) {
	case CURLE_WRITE_ERROR:
		fail(t, KUBO_UNKNOWN, "the answer makes no sense or is too long");
		return;
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_CONNECT_ERROR:
		fail_tls(t, result);
		return;
	case CURLE_UNSUPPORTED_PROTOCOL:
	case CURLE_WEIRD_SERVER_REPLY:
		fail(t, KUBO_UNKNOWN, curl_easy_strerror(result));
		return;
	default:
		fail(t, KUBO_UNREACHABLE, curl_easy_strerror(result));
	}
}

/* Kubo has answered with a failure. */
static void fail_kubo(struct transfer *t, const char *text)
{
	char words[KUBO_TEXT_MAX + 1];

	snprintf(words, sizeof(words), "%s", text);
	fail(t, kubo_classify(t->done.http_status, words), words);
}

static void judge_stream(struct transfer *t, CURLcode result)
{
	bool ends_it = t->op.kind == KUBO_PIN_LIST || t->op.kind == KUBO_REPO_GC;

	if (result == CURLE_OK && !lines_end(&t->lines, on_line, t))
		result = CURLE_WRITE_ERROR;
	if (result == CURLE_OK && ends_it)
		t->reply.complete = true;
	if (t->trailer[0])
		fail_kubo(t, t->trailer);
	else if (t->done.text[0])
		fail_kubo(t, t->done.text);
	else if (t->reply.complete)
		t->done.outcome = KUBO_OK;
	else if (result != CURLE_OK)
		fail_connection(t, result);
	else
		fail(t, KUBO_UNKNOWN, "the answer ended without a result");
}

bool transfer_finish(struct transfer *t, CURLcode result)
{
	long status = 0;

	curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
	t->done.http_status = (int)status;
	if (status == 200) {
		judge_stream(t, result);
	} else if (status == 0 || (result != CURLE_OK && t->error_body.len == 0)) {
		fail_connection(t, result);
	} else {
		reply_error_text(buf_slice(&t->error_body), t->done.text);
		fail_kubo(t, t->done.text);
	}
	/* files/stat knows dag-pb and raw alone. */
	if (t->op.kind == KUBO_STAT && !t->dag && t->done.http_status == 500 &&
	    (t->done.outcome == KUBO_UNKNOWN || t->done.outcome == KUBO_BAD_REQUEST)) {
		t->dag = true;
		transfer_prepare(t);
		return false;
	}
	return true;
}
