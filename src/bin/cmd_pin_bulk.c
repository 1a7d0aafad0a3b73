#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "bin/client.h"
#include "bin/cmd_pin.h"
#include "bin/progress.h"

#define READ_SIZE      (64 << 10)
#define LINE_MAX_BYTES (1 << 20)

struct bulk {
	struct client client;
	const json_t *defaults;           /* from the options, for every line */
	struct buf in;                    /* read from stdin, not yet made into lines to send */
	struct buf out;                   /* lines to send */
	struct buf answer;                /* received, not yet a whole line */
	struct buf refusal;               /* the body of an answer other than 2xx */
	uint64_t lines, done, bad;        /* lines that get an answer, and what it was */
	int64_t moved_us;                 /* mono; when bytes last went either way */
	uint64_t read_bytes, total_bytes; /* total 0: nobody knows */
	bool eof, paused;
	const char *broken; /* why reading ended early */
	struct progress progress;
};

/* ---- stdin into lines ------------------------------------------------------------------- */

static void complain(struct bulk *b, uint64_t line, const char *why)
{
	progress_clear(&b->progress);
	fprintf(stderr, "line %" PRIu64 ": %s\n", line, why);
}

static bool blank(struct slice line)
{
	for (size_t i = 0; i < line.len; i++)
		if (line.ptr[i] != ' ' && line.ptr[i] != '\r' && line.ptr[i] != '\t')
			return false;
	return true;
}

/* A line as the server wants it, which counts blank ones as well.  What is no JSON object is taken
 * for a CID, and the server says what is wrong with it: so each line gets exactly one answer. */
static void make_line(struct bulk *b, struct slice line)
{
	CLEANUP(json) json_t *item = NULL;
	char *text;

	if (blank(line)) {
		buf_add_byte(&b->out, '\n');
		return;
	}
	while (line.len && (line.ptr[line.len - 1] == '\r' || line.ptr[line.len - 1] == ' '))
		line.len--;
	while (line.len && *line.ptr == ' ')
		line = SLICE_OF(line.ptr + 1, line.len - 1);
	if (line.len && *line.ptr == '{')
		item = json_loadb((const char *)line.ptr, line.len, JSON_REJECT_DUPLICATES, NULL);
	if (!item) {
		item = json_object();
		if (json_object_set_new(item, "cid",
					json_stringn((const char *)line.ptr, line.len)))
			json_object_set_new(item, "cid", json_string("?"));
	}
	json_object_update_missing(item, (json_t *)b->defaults);
	b->lines++;
	b->moved_us = mono_us();
	text = json_dumps(item, JSON_COMPACT);
	buf_add_str(&b->out, text);
	buf_add_byte(&b->out, '\n');
	free(text);
}

static void make_lines(struct bulk *b)
{
	size_t at = 0;

	for (;;) {
		const uint8_t *start = b->in.ptr + at, *end;
		size_t left = b->in.len - at;

		end = left ? memchr(start, '\n', left) : NULL;
		if (!end && !(b->eof && left && !b->broken)) /* half a line means nothing */
			break;
		make_line(b, SLICE_OF(start, end ? (size_t)(end - start) : left));
		at += end ? (size_t)(end - start) + 1 : left;
	}
	buf_drop(&b->in, at);
	if (b->in.len > LINE_MAX_BYTES) {
		b->broken = "a line of stdin is longer than 1 MiB";
		b->eof = true;
	}
}

static bool stdin_ready(int timeout_ms)
{
	struct pollfd fd = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&fd, 1, timeout_ms) > 0;
}

static void read_some(struct bulk *b)
{
	ssize_t n = read(STDIN_FILENO, buf_reserve(&b->in, READ_SIZE), READ_SIZE);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n < 0)
		b->broken = arena_printf(b->client.in->mem, "stdin: %s", strerror(errno));
	if (n > 0) {
		b->in.len += (size_t)n;
		b->read_bytes += (uint64_t)n;
	} else {
		b->eof = true;
	}
	make_lines(b);
}

static size_t send_some(char *out, size_t size, size_t n, void *ctx)
{
	struct bulk *b = ctx;
	size_t room = size * n;

	while (b->out.len == 0 && !b->eof && stdin_ready(0))
		read_some(b);
	if (b->out.len == 0 && !b->eof) {
		b->paused = true;
		return CURL_READFUNC_PAUSE;
	}
	if (room > b->out.len)
		room = b->out.len;
	if (room)
		memcpy(out, b->out.ptr, room);
	buf_drop(&b->out, room);
	b->moved_us = mono_us();
	return room;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void take_result(struct bulk *b, struct slice line)
{
	CLEANUP(json) json_t *result = json_loadb((const char *)line.ptr, line.len, 0, NULL);
	struct arena *mem = arena_new();
	json_int_t status = json_integer_value(json_object_get(result, "status"));
	const json_t *error = json_object_get(result, "error");

	if (status / 100 == 2) {
		b->done++;
	} else {
		b->bad++;
		complain(b, (uint64_t)json_integer_value(json_object_get(result, "line")),
			 member(mem, error, "detail", member(mem, error, "code", "refused")));
	}
	if (b->client.json)
		print_json(result);
	else if (status / 100 == 2 && is_given(b->client.in, "verbose"))
		printf("%s %s\n", member(mem, json_object_get(result, "pin"), "id", "?"),
		       member(mem, json_object_get(result, "pin"), "cid", "?"));
	arena_free(mem);
	progress_show(&b->progress, b->done, b->bad,
		      b->total_bytes ? (double)b->read_bytes / (double)b->total_bytes : -1);
}

static size_t take_answer(char *bytes, size_t size, size_t n, void *ctx)
{
	struct bulk *b = ctx;
	const uint8_t *end;
	long status = 0;
	size_t at = 0;

	b->moved_us = mono_us();
	curl_easy_getinfo(b->client.curl, CURLINFO_RESPONSE_CODE, &status);
	if (status / 100 != 2) {
		buf_add(&b->refusal, bytes, size * n);
		return size * n;
	}
	buf_add(&b->answer, bytes, size * n);
	while ((end = memchr(b->answer.ptr + at, '\n', b->answer.len - at))) {
		size_t len = (size_t)(end - b->answer.ptr) - at;

		if (len)
			take_result(b, SLICE_OF(b->answer.ptr + at, len));
		at += len + 1;
		if (at == b->answer.len)
			break;
	}
	buf_drop(&b->answer, at);
	fflush(stdout); /* somebody may read while they write */
	return size * n;
}

/* Nothing moves although the server owes an answer.  stdin may be slow for as long as it likes. */
static bool stalled(const struct bulk *b)
{
	return b->client.timeout_us > 0 && (b->eof || b->lines > b->done + b->bad) &&
	       mono_us() - b->moved_us > b->client.timeout_us;
}

/* Both directions at once: the server answers while we still send, and stdin may be slow. */
static CURLcode transfer(struct bulk *b)
{
	struct curl_waitfd input = { .fd = STDIN_FILENO, .events = CURL_WAIT_POLLIN };
	CURLM *multi = curl_multi_init();
	CURLcode code = CURLE_OK;
	int running = 1, queued;
	CURLMsg *msg;

	curl_multi_add_handle(multi, b->client.curl);
	b->moved_us = mono_us();
	while (running && !stalled(b)) {
		if (b->paused && stdin_ready(0)) {
			b->paused = false;
			curl_easy_pause(b->client.curl, CURLPAUSE_CONT);
		}
		curl_multi_perform(multi, &running);
		if (running)
			curl_multi_poll(multi, &input, b->paused ? 1 : 0, 1000, NULL);
	}
	if (running)
		code = CURLE_OPERATION_TIMEDOUT;
	while ((msg = curl_multi_info_read(multi, &queued)))
		if (msg->msg == CURLMSG_DONE)
			code = msg->data.result;
	curl_multi_remove_handle(multi, b->client.curl);
	curl_multi_cleanup(multi);
	return code;
}

static enum exit_code run(struct bulk *b)
{
	struct curl_slist *headers = client_prepare(&b->client, "POST", "/v1/bulk/create",
						    "application/x-ndjson", "application/x-ndjson");
	enum exit_code code;
	CURLcode sent;

	headers = curl_slist_append(headers, "Transfer-Encoding: chunked");
	curl_easy_setopt(b->client.curl, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(b->client.curl, CURLOPT_TIMEOUT_MS, 0L);
	curl_easy_setopt(b->client.curl, CURLOPT_UPLOAD, 1L);
	curl_easy_setopt(b->client.curl, CURLOPT_READFUNCTION, send_some);
	curl_easy_setopt(b->client.curl, CURLOPT_READDATA, b);
	curl_easy_setopt(b->client.curl, CURLOPT_WRITEFUNCTION, take_answer);
	curl_easy_setopt(b->client.curl, CURLOPT_WRITEDATA, b);
	sent = transfer(b);
	progress_clear(&b->progress);
	code = client_outcome(&b->client, sent, buf_slice(&b->refusal));
	curl_slist_free_all(headers);
	if (b->broken)
		fprintf(stderr, "pinfold: %s\n", b->broken);
	return code;
}

enum exit_code pin_add_stdin(struct invocation *in)
{
	CLEANUP(json) json_t *defaults = json_object();
	struct bulk b = { .defaults = defaults };
	enum exit_code code = pin_body(in, defaults);
	struct stat st;

	if (is_given(in, "wait") || is_given(in, "timeout"))
		return usage_error(in,
				   "--wait and --timeout are for CIDs in the command, not for -");
	if (!code)
		code = client_open(in, &b.client);
	if (code)
		return code;
	if (fstat(STDIN_FILENO, &st) == 0 && S_ISREG(st.st_mode))
		b.total_bytes = (uint64_t)st.st_size;
	if (isatty(STDIN_FILENO))
		fprintf(stderr, "Reading CIDs, one a line; Ctrl-D ends.\n");
	progress_start(&b.progress);
	code = run(&b);
	if (b.done + b.bad > 0 || code == EXIT_DONE)
		fprintf(stderr, "%" PRIu64 " pins accepted, %" PRIu64 " refused in %.1f s\n",
			b.done, b.bad, progress_seconds(&b.progress));
	client_close(&b.client);
	buf_free(&b.in);
	buf_free(&b.out);
	buf_free(&b.answer);
	buf_free(&b.refusal);
	return code ? code : b.bad || b.broken ? EXIT_FAILED : EXIT_DONE;
}
