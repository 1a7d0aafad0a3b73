/* /v1/bulk: many pins by one request, NDJSON in and out. */
#include "base/alloc.h"
#include "base/log.h"
#include "role/api/pin_reply.h"

#define LINE_MAX (64 * 1024)

struct bulk_batch;

struct bulk {
	struct call *c;
	struct bulk_batch *batch;
	struct buf rest;   /* a line that has not ended */
	struct arena *mem; /* of one batch */
	uint64_t line;     /* number of the last line that was taken */
	bool overlong;     /* skipping to the end of a line that is too long */
	bool create;       /* else: delete */
};

struct bulk_item {
	uint64_t line;
	struct json_doc *doc;
	struct slice key;
	const char *why; /* NULL: sound */
	struct pin_ask ask;
	struct pin_target target;
};

struct bulk_batch {
	struct bulk_item items[PINS_BATCH_MAX];
	size_t n;
};

static bool read_delete(const json_t *body, struct bulk_item *item, struct err *err)
{
	struct fields {
		struct slice id, key;
	} f = { 0 };
	static const struct json_field fields[] = {
		{ "id", JSON_STR, .required = true, .offset = offsetof(struct fields, id) },
		{ "key", JSON_STR, .offset = offsetof(struct fields, key) },
	};
	uint64_t given;

	if (!json_fields(body, "", fields, 2, JSON_UNKNOWN_REFUSED, &f, &given, err))
		return false;
	item->target.key = f.key;
	return ulid_parse(f.id, &item->target.id, err) || err_wrap(err, "id");
}

static void read_line(struct bulk *b, struct slice text, struct bulk_item *item)
{
	static const struct json_limits limits = { .max_depth = 8 };
	struct err err = { 0 };
	bool ok = json_parse(text, &limits, &item->doc, &err);

	if (ok && b->create)
		ok = v1_read_pin(json_root(item->doc), true, true, b->mem, &item->ask, &err);
	else if (ok)
		ok = read_delete(json_root(item->doc), item, &err);
	item->key = b->create ? item->ask.key : item->target.key;
	if (ok && item->key.ptr && item->key.len == 0)
		ok = err_set(&err, ERR_INVALID, "key is empty; leave it out, or give it one");
	if (!ok)
		item->why = arena_printf(b->mem, "%s", err.text);
}

/* ---- replies ---------------------------------------------------------------------------- */

static void begin_result(struct json_writer *w, const struct bulk_item *item, unsigned status)
{
	json_begin_object(w);
	json_key_u64(w, "line", item->line);
	json_key_u64(w, "status", status);
	if (item->key.len > 0)
		json_key_str(w, "key", item->key);
}

static void end_result(struct json_writer *w)
{
	json_end_object(w);
	buf_add_byte(w->out, '\n');
}

static void write_error(const struct bulk_item *item, enum api_error error, const char *detail,
			struct buf *out)
{
	struct json_writer w = json_writer(out);

	begin_result(&w, item, api_error_status(error));
	json_key(&w, "error");
	json_begin_object(&w);
	json_key_cstr(&w, "code", api_error_code(error));
	if (!detail || !*detail)
		detail = api_error_detail(error, NULL);
	if (*detail)
		json_key_cstr(&w, "detail", detail);
	json_end_object(&w);
	end_result(&w);
}

static void write_result(const struct bulk *b, const struct bulk_item *item,
			 const struct pins_result *result, struct buf *out)
{
	struct json_writer w = json_writer(out);
	struct pin_extra extra = { .view = NULL };

	if (result->outcome != PINS_DONE) {
		write_error(item, api_error_outcome(result->outcome), result->why, out);
		return;
	}
	begin_result(&w, item, b->create ? 202 : 204);
	if (result->replayed && result->body.len > 0) {
		json_key(&w, "pin");
		json_raw(&w, result->body);
	} else if (result->pin) {
		json_key(&w, "pin");
		v1_write_pin(&w, result->pin, &extra);
	}
	end_result(&w);
}

/* What a repetition under the line's key gets. */
static void encode(void *ctx UNUSED, const struct pins_result *result, struct arena *mem,
		   uint16_t *http_status, struct slice *body)
{
	struct pin_extra extra = { .view = NULL };
	struct buf text = { 0 };
	struct json_writer w = json_writer(&text);

	*http_status = 200;
	if (!result->pin)
		return;
	v1_write_pin(&w, result->pin, &extra);
	*body = arena_copy(mem, buf_slice(&text));
	buf_free(&text);
}

/* ---- batches ---------------------------------------------------------------------------- */

/* False: *error is what each line is told. */
static bool run_verb(struct bulk *b, struct bulk_item *const *sound, size_t n,
		     struct pins_result *results, enum api_error *error)
{
	struct pins *pins = b->c->api->options.pins;
	struct pin_target *targets = arena_new_array(b->mem, struct pin_target, n);
	struct pin_ask *asks = arena_new_array(b->mem, struct pin_ask, n);
	struct pins_call call = call_pins(b->c);
	struct err err = { 0 };
	uint64_t mark;
	bool ok;

	call.encode = encode;
	for (size_t i = 0; i < n; i++) {
		asks[i] = sound[i]->ask;
		targets[i] = sound[i]->target;
	}
	if (b->create)
		ok = pins_create(pins, &call, asks, n, b->mem, results, &mark, &err);
	else
		ok = pins_remove(pins, &call, targets, n, b->mem, results, &mark, &err);
	*error = ok ? API_UNKNOWN : api_error_fault(err.code);
	/* A line is told only what is durable; other requests share the wait. */
	ok = ok && store_sync(b->c->api->options.store, mark, &err);
	if (!ok)
		log_err(*error == API_INTERNAL ? LOG_ERROR : LOG_WARN, &err, b->c->route->pattern);
	return ok;
}

static void run_batch(struct bulk *b, struct bulk_batch *batch, struct buf *out)
{
	struct bulk_item **sound = arena_new_array(b->mem, struct bulk_item *, batch->n);
	struct pins_result *results = arena_new_array(b->mem, struct pins_result, batch->n);
	enum api_error error = API_INTERNAL;
	size_t n = 0, next = 0;
	bool ok;

	for (size_t i = 0; i < batch->n; i++) {
		if (!batch->items[i].why)
			sound[n++] = &batch->items[i];
	}
	ok = n == 0 || run_verb(b, sound, n, results, &error);
	for (size_t i = 0; i < batch->n; i++) {
		struct bulk_item *item = &batch->items[i];

		if (item->why)
			write_error(item, API_INVALID, item->why, out);
		else if (!ok)
			write_error(item, error, "", out);
		else
			write_result(b, item, &results[next++], out);
		json_doc_free(item->doc);
	}
	batch->n = 0;
	arena_reset(b->mem);
}

static bool blank(struct slice line)
{
	for (size_t i = 0; i < line.len; i++) {
		if (!memchr(" \t\r", line.ptr[i], 3))
			return false;
	}
	return true;
}

static bool key_is_in(const struct bulk_batch *batch, struct slice key)
{
	for (size_t i = 0; i < batch->n && key.len > 0; i++) {
		if (slice_eq(batch->items[i].key, key))
			return true;
	}
	return false;
}

static void take_line(struct bulk *b, struct bulk_batch *batch, struct slice line, struct buf *out)
{
	struct bulk_item *item = &batch->items[batch->n];

	b->line++;
	if (!b->overlong && blank(line))
		return;
	*item = (struct bulk_item){ .line = b->line };
	if (b->overlong || line.len > LINE_MAX) {
		item->why = "the line is too long; at most 65536 bytes are allowed";
	} else {
		read_line(b, line, item);
		if (key_is_in(batch, item->key)) { /* it repeats a line that must be done first */
			json_doc_free(item->doc);
			run_batch(b, batch, out);
			item = &batch->items[0];
			*item = (struct bulk_item){ .line = b->line };
			read_line(b, line, item);
		}
	}
	b->overlong = false;
	batch->n++;
}

/* Keeps what follows the last line's end until more of it comes. */
static void keep_rest(struct bulk *b, struct slice bytes)
{
	if (b->overlong)
		return;
	buf_add_slice(&b->rest, bytes);
	if (b->rest.len > LINE_MAX) {
		b->overlong = true;
		b->rest.len = 0;
	}
}

static bool chunk(void *arg, struct slice bytes, bool last, struct buf *out, struct err *err UNUSED)
{
	struct bulk *b = arg;
	struct bulk_batch *batch = b->batch;
	const uint8_t *end;

	while (bytes.len > 0 && (end = memchr(bytes.ptr, '\n', bytes.len))) {
		size_t len = (size_t)(end - bytes.ptr);
		struct slice line = SLICE_OF(bytes.ptr, len);

		if (b->rest.len > 0) {
			keep_rest(b, line);
			line = buf_slice(&b->rest);
		}
		take_line(b, batch, line, out);
		b->rest.len = 0;
		bytes = SLICE_OF(bytes.ptr + len + 1, bytes.len - len - 1);
		if (batch->n == PINS_BATCH_MAX)
			run_batch(b, batch, out);
	}
	keep_rest(b, bytes);
	if (last && (b->rest.len > 0 || b->overlong))
		take_line(b, batch, buf_slice(&b->rest), out);
	if (batch->n > 0)
		run_batch(b, batch, out);
	return true;
}

static void close_bulk(void *arg)
{
	struct bulk *b = arg;

	arena_free(b->mem);
	buf_free(&b->rest);
	xfree(b->batch);
}

static bool reply_bulk(struct call *c, bool create)
{
	static const struct http_consume_ops ops = { .chunk = chunk, .close = close_bulk };
	struct bulk *b = arena_new_of(c->mem, struct bulk);

	*b = (struct bulk){ .c = c, .mem = arena_new(), .create = create };
	b->batch = xmalloc(sizeof(*b->batch));
	b->batch->n = 0;
	c->res->status = 200;
	c->res->content_type = "application/x-ndjson";
	http_response_consume(c->res, &ops, b);
	return true;
}

bool v1_bulk_create(struct call *c, struct err *err UNUSED)
{
	return reply_bulk(c, true);
}

bool v1_bulk_delete(struct call *c, struct err *err UNUSED)
{
	return reply_bulk(c, false);
}
