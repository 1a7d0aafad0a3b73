#include "role/api/api.h"

#include <assert.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/log.h"
#include "model/excerpt.h"
#include "net/url.h"
#include "role/api/call.h"
#include "role/api/once.h"

static const struct route routes[] = {
	{ METHOD_POST, "/pins", SCOPE_WRITE, false, create_pin },
	{ METHOD_GET, "/pins", SCOPE_READ, false, psa_list },
	{ METHOD_GET, "/pins/{requestid}", SCOPE_READ, false, psa_get },
	{ METHOD_POST, "/pins/{requestid}", SCOPE_WRITE, false, replace_pin },
	{ METHOD_DELETE, "/pins/{requestid}", SCOPE_WRITE, false, delete_pin },
	{ METHOD_POST, "/v1/pins", SCOPE_WRITE, false, create_pin },
	{ METHOD_GET, "/v1/pins", SCOPE_READ, false, v1_list_pins },
	{ METHOD_GET, "/v1/pins/{id}", SCOPE_READ, false, v1_get_pin },
	{ METHOD_PATCH, "/v1/pins/{id}", SCOPE_WRITE, false, patch_pin },
	{ METHOD_DELETE, "/v1/pins/{id}", SCOPE_WRITE, false, delete_pin },
	{ METHOD_POST, "/v1/pins/{id}/retry", SCOPE_WRITE, false, retry_pin },
	{ METHOD_POST, "/v1/bulk/create", SCOPE_WRITE, true, v1_bulk_create, REPEAT_LINES },
	{ METHOD_POST, "/v1/bulk/delete", SCOPE_WRITE, true, v1_bulk_delete, REPEAT_LINES },
	{ METHOD_GET, "/v1/usage", SCOPE_READ, false, v1_usage },
	{ METHOD_GET, "/v1/status", SCOPE_READ, false, v1_status },
	{ METHOD_GET, "/v1/peers", SCOPE_READ, false, v1_list_peers },
	{ METHOD_POST, "/v1/peers", SCOPE_ADMIN, false, v1_add_peer, REPEAT_SAME },
	{ METHOD_GET, "/v1/peers/{peer}", SCOPE_READ, false, v1_get_peer },
	{ METHOD_PATCH, "/v1/peers/{peer}", SCOPE_ADMIN, false, v1_patch_peer, REPEAT_SAME },
	{ METHOD_DELETE, "/v1/peers/{peer}", SCOPE_ADMIN, false, v1_remove_peer, REPEAT_SAME },
	{ METHOD_POST, "/v1/peers/{peer}/drain", SCOPE_ADMIN, false, v1_drain_peer, REPEAT_SAME },
	{ METHOD_POST, "/v1/peers/{peer}/pause", SCOPE_ADMIN, false, v1_pause_peer, REPEAT_SAME },
	{ METHOD_POST, "/v1/peers/{peer}/resume", SCOPE_ADMIN, false, v1_resume_peer, REPEAT_SAME },
	{ METHOD_POST, "/v1/peers/{peer}/forget", SCOPE_ADMIN, false, v1_forget_peer, REPEAT_SAME },
	{ METHOD_POST, "/v1/peers/{peer}/gc", SCOPE_ADMIN, false, v1_gc_peer, REPEAT_SAME },
	{ METHOD_POST, "/v1/rebalance", SCOPE_ADMIN, false, v1_rebalance, REPEAT_SAME },
	{ METHOD_GET, "/v1/drift", SCOPE_ADMIN, false, v1_drift },
	{ METHOD_GET, "/v1/drift/foreign", SCOPE_ADMIN, false, v1_foreign },
	{ METHOD_POST, "/v1/store/backup", SCOPE_ADMIN, false, v1_store_backup, REPEAT_SAME },
	{ METHOD_POST, "/v1/store/check", SCOPE_ADMIN, false, v1_store_check, REPEAT_SAME },
	{ METHOD_GET, "/v1/owners", SCOPE_ADMIN, false, v1_list_owners },
	{ METHOD_GET, "/v1/owners/{owner}", SCOPE_ADMIN, false, v1_get_owner },
	{ METHOD_PATCH, "/v1/owners/{owner}", SCOPE_ADMIN, false, v1_patch_owner, REPEAT_SAME },
	{ METHOD_GET, "/v1/keys", SCOPE_ADMIN, false, v1_list_keys },
	{ METHOD_POST, "/v1/keys", SCOPE_ADMIN, false, v1_create_key, REPEAT_SECRET },
	{ METHOD_DELETE, "/v1/keys/{keyid}", SCOPE_ADMIN, false, v1_revoke_key, REPEAT_SAME },
	{ METHOD_POST, "/v1/keys/{keyid}/rotate", SCOPE_ADMIN, false, v1_rotate_key,
	  REPEAT_SECRET },
	{ METHOD_GET, "/v1/deny", SCOPE_ADMIN, false, v1_list_deny },
	{ METHOD_POST, "/v1/deny", SCOPE_ADMIN, false, v1_add_deny, REPEAT_SAME },
	{ METHOD_DELETE, "/v1/deny/{digest}", SCOPE_ADMIN, false, v1_remove_deny, REPEAT_SAME },
	{ METHOD_GET, "/v1/openapi.json", SCOPE_NONE, false, v1_openapi },
	{ METHOD_GET, "/healthz", SCOPE_NONE, false, get_health },
	{ METHOD_GET, "/readyz", SCOPE_NONE, false, get_ready },
	{ METHOD_GET, "/metrics", SCOPE_METRICS, false, get_metrics },
};

const struct route *api_routes(size_t *n)
{
	*n = ARRAY_LEN(routes);
	return routes;
}

struct api *api_new(const struct api_options *options)
{
	struct api *api = xcalloc(1, sizeof(*api));

	api->options = *options;
	if (api->options.peer_up_us == 0)
		api->options.peer_up_us = 90 * US_PER_S;
	pthread_mutex_init(&api->lock, NULL);
	api->rate = rate_new();
	api->waiters = waiters_new();
	api->delegates = delegates_new(options->store, options->clock, api->options.peer_up_us);
	return api;
}

void api_free(struct api *api)
{
	if (!api)
		return;
	delegates_free(api->delegates);
	waiters_free(api->waiters);
	rate_free(api->rate);
	pthread_mutex_destroy(&api->lock);
	xfree(api);
}

void api_pin_changed(struct api *api, struct slice cid)
{
	waiters_wake(api->waiters, cid);
}

/* ---- finding the route ------------------------------------------------------------------ */

static bool matches(const char *pattern, struct slice path, struct slice params[ROUTE_PARAMS])
{
	const uint8_t *p = path.ptr, *end = p + path.len;
	size_t n = 0;

	while (*pattern) {
		const uint8_t *from = p;

		if (*pattern != '{') {
			if (p == end || *p++ != (uint8_t)*pattern++)
				return false;
			continue;
		}
		while (p < end && *p != '/')
			p++;
		if (p == from)
			return false;
		params[n++] = SLICE_OF(from, (size_t)(p - from));
		pattern = strchr(pattern, '}') + 1;
	}
	return p == end;
}

/* *allowed gets a bit for each method that the path has. */
static const struct route *find_route(enum http_method method, struct slice path,
				      struct slice params[ROUTE_PARAMS], unsigned *allowed)
{
	if (method == METHOD_HEAD)
		method = METHOD_GET;
	*allowed = 0;
	for (size_t i = 0; i < ARRAY_LEN(routes); i++) {
		struct slice found[ROUTE_PARAMS] = { 0 };

		if (!matches(routes[i].pattern, path, found))
			continue;
		*allowed |= 1U << routes[i].method;
		if (routes[i].method == method) {
			memcpy(params, found, sizeof(found));
			return &routes[i];
		}
	}
	return NULL;
}

static bool begins(struct slice path, const char *prefix)
{
	size_t n = strlen(prefix);

	return path.len >= n && memcmp(path.ptr, prefix, n) == 0;
}

static enum api_shape shape_of(struct slice path)
{
	if (path.len == 0)
		return API_SHAPE_BOTH;
	return begins(path, "/pins") ? API_SHAPE_PSA : API_SHAPE_PROBLEM;
}

/* ---- replies ---------------------------------------------------------------------------- */

static void header(struct call *c, const char *name, const char *value)
{
	http_response_header(c->res, name, slice_str(value));
}

bool reply_error(struct call *c, enum api_error error, const char *detail)
{
	enum api_shape shape = c->psa ? API_SHAPE_PSA : API_SHAPE_PROBLEM;
	const char *retry = api_error_retry(error);

	c->refused = api_error_code(error);
	c->res->body.len = 0;
	c->res->status = api_error_status(error);
	c->res->content_type = api_error_body(shape, error, c->res->status, detail, &c->res->body);
	if (retry && error != API_RATE)
		header(c, "Retry-After", retry);
	return true;
}

bool reply_missing(struct call *c, const char *what)
{
	return reply_error(c, API_NOT_FOUND,
			   c->psa ? ""
				  : arena_printf(c->mem, "there is no %s \"%s\"", what,
						 excerpt(c->params[0]).text));
}

bool reply_outcome(struct call *c, const struct pins_result *result)
{
	if (result->outcome == PINS_NOT_FOUND && c->params[0].len > 0 && !*result->why)
		return reply_missing(c, "pin");
	return reply_error(c, api_error_outcome(result->outcome), result->why);
}

bool reply_json(struct call *c, unsigned status)
{
	c->res->status = status;
	c->res->content_type = "application/json";
	return true;
}

bool reply_empty(struct call *c, unsigned status)
{
	c->res->status = status;
	return true;
}

static void reply_fault(struct call *c, const struct err *err)
{
	enum api_error error = api_error_fault(err->code);

	/* That the disk is full the store has said once. */
	if (error != API_INVALID && error != API_NO_SPACE)
		log_err(error == API_INTERNAL ? LOG_ERROR : LOG_WARN, err, c->route->pattern);
	reply_error(c, error, api_error_detail(error, err));
}

/* ---- durability ------------------------------------------------------------------------- */

static void not_durable(struct http_token *token, enum api_shape shape, const struct err *failed)
{
	unsigned status = api_error_status(API_UNKNOWN);
	struct buf body = { 0 };
	const char *type = api_error_body(shape, API_UNKNOWN, status, "", &body);

	log_err(LOG_ERROR, failed, "make a write durable");
	http_token_reply(token, status, type, buf_slice(&body));
	buf_free(&body);
}

static void durable_psa(void *ctx, const struct err *failed)
{
	if (failed)
		not_durable(ctx, API_SHAPE_PSA, failed);
	else
		http_token_release(ctx);
}

static void durable_v1(void *ctx, const struct err *failed)
{
	if (failed)
		not_durable(ctx, API_SHAPE_PROBLEM, failed);
	else
		http_token_release(ctx);
}

void reply_when_durable(struct call *c, uint64_t mark)
{
	store_when_durable(c->api->options.store, mark, c->psa ? durable_psa : durable_v1,
			   http_response_hold(c->res));
}

/* ---- requests --------------------------------------------------------------------------- */

static bool is_json(struct slice type)
{
	size_t n = 0;

	while (n < type.len && type.ptr[n] != ';' && type.ptr[n] != ' ')
		n++;
	return http_name_is(SLICE_OF(type.ptr, n), "application/json");
}

struct json_doc *call_json(struct call *c)
{
	static const struct json_limits limits = { .max_depth = 8 };
	const struct slice *type = http_header_get(c->req, "Content-Type");
	struct json_doc *doc = NULL;
	struct err why = { 0 };

	/* The standard's clients may leave it out or send something else; /v1 is exact. */
	if (!c->psa && type && !is_json(*type)) {
		reply_error(c, API_MEDIA_TYPE,
			    arena_printf(c->mem,
					 "Content-Type is \"%s\"; it must be "
					 "application/json",
					 excerpt(*type).text));
		return NULL;
	}
	if (!json_parse(c->req->body, &limits, &doc, &why))
		reply_error(c, API_INVALID, why.text);
	return doc;
}

static bool is_key(struct slice key)
{
	for (size_t i = 0; i < key.len; i++)
		if (key.ptr[i] < ' ' || key.ptr[i] > '~' || key.ptr[i] == '"' || key.ptr[i] == '\\')
			return false;
	return key.len > 0;
}

bool call_key(struct call *c, struct slice *out)
{
	const struct slice *value = http_header_get(c->req, "Idempotency-Key");
	struct slice key;

	*out = (struct slice){ NULL, 0 };
	if (!value)
		return true;
	key = *value;
	if (key.len >= 2 && key.ptr[0] == '"' && key.ptr[key.len - 1] == '"')
		key = SLICE_OF(key.ptr + 1, key.len - 2);
	if (value->len > IDEMPOTENCY_KEY_MAX || !is_key(key))
		return reply_error(c, API_INVALID,
				   arena_printf(c->mem,
						"Idempotency-Key is \"%s\"; it must be 1 to %d "
						"printable ASCII characters without quotes and "
						"backslashes, or that in quotes",
						excerpt(*value).text, IDEMPOTENCY_KEY_MAX)),
		       false;
	*out = key;
	return true;
}

bool call_ulid(struct call *c, struct ulid *out)
{
	struct err ignored;

	if (!ulid_parse(c->params[0], out, &ignored))
		return reply_missing(c, "pin"), false;
	c->id = *out;
	return true;
}

struct pins_call call_pins(struct call *c)
{
	return (struct pins_call){
		.owner = c->owner,
		.route = slice_str(arena_printf(c->mem, "%s %s", http_method_name(c->route->method),
						c->route->pattern)),
	};
}

/* ---- before the handler ----------------------------------------------------------------- */

/* The key is in a header and never in a cookie, so any origin may ask. */
static const char cors[] =
	"Access-Control-Allow-Origin: *\r\n"
	"Access-Control-Expose-Headers: Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, "
	"X-RateLimit-Reset, Link, ETag, Idempotency-Replayed\r\n";

/* Which methods a path has: for Allow. */
static const char *allow_text(struct call *c, unsigned allowed)
{
	char *text = arena_alloc(c->mem, 64);
	size_t len = 0;

	for (unsigned m = METHOD_GET; m <= METHOD_OPTIONS; m++) {
		bool has = allowed >> m & 1 || m == METHOD_OPTIONS ||
			   (m == METHOD_HEAD && allowed >> METHOD_GET & 1);

		if (has)
			len += (size_t)snprintf(text + len, 64 - len, "%s%s", len ? ", " : "",
						http_method_name((enum http_method)m));
	}
	return text;
}

static void preflight(struct call *c, unsigned allowed)
{
	const char *methods = allow_text(c, allowed);

	c->res->status = 204;
	header(c, "Allow", methods);
	header(c, "Access-Control-Allow-Methods", methods);
	header(c, "Access-Control-Allow-Headers",
	       "Authorization, Content-Type, Idempotency-Key, If-Match, Pinfold-Owner");
	header(c, "Access-Control-Max-Age", "86400");
}

static void refuse_token(struct call *c)
{
	reply_error(c, API_UNAUTHORIZED, "");
	header(c, "WWW-Authenticate", "Bearer");
}

static bool bearer(const struct http_request *req, struct slice *token)
{
	const struct slice *value = http_header_get(req, "Authorization");

	if (!value || value->len <= 7 || !http_name_is(SLICE_OF(value->ptr, 7), "bearer "))
		return false;
	*token = SLICE_OF(value->ptr + 7, value->len - 7);
	while (token->len > 0 && token->ptr[0] == ' ')
		*token = SLICE_OF(token->ptr + 1, token->len - 1);
	return true;
}

static bool act_for(struct call *c)
{
	const struct slice *other = http_header_get(c->req, "Pinfold-Owner");

	c->owner = slice_str(c->who.owner);
	if (!other || slice_eq(*other, c->owner))
		return true;
	if (!key_scope_allows(c->who.scopes, SCOPE_ADMIN))
		return reply_error(c, API_FORBIDDEN,
				   "Pinfold-Owner names another owner; that takes an admin key"),
		       false;
	if (!owner_valid(*other))
		return reply_error(c, API_INVALID,
				   arena_printf(c->mem,
						"Pinfold-Owner is \"%s\"; it must be 1 to %d "
						"printable characters without spaces",
						excerpt(*other).text, OWNER_MAX)),
		       false;
	c->owner = *other;
	return true;
}

static void rate_headers(struct call *c, const struct rate_answer *rate)
{
	int64_t reset = clock_wall_us(c->api->options.clock) + rate->full_us;

	header(c, "X-RateLimit-Limit", arena_printf(c->mem, "%u", rate->limit));
	header(c, "X-RateLimit-Remaining", arena_printf(c->mem, "%u", rate->remaining));
	header(c, "X-RateLimit-Reset",
	       arena_printf(c->mem, "%lld", (long long)((reset + US_PER_S - 1) / US_PER_S)));
}

/* By the key's own owner: acting for others does not help. */
static bool within_rate(struct call *c, bool *within, struct err *err)
{
	struct slice owner = slice_str(c->who.owner);
	const struct owner_row *row;
	struct rate_answer rate;
	uint32_t per_s;

	*within = true;
	if (!pins_owner(c->api->options.pins, owner, c->mem, &row, err))
		return false;
	per_s = pins_bounds(c->api->options.pins, row).max_requests_per_s;
	if (per_s == 0)
		return true;
	*within =
		rate_take(c->api->rate, owner, per_s, clock_mono_us(c->api->options.clock), &rate);
	rate_headers(c, &rate);
	if (!*within) {
		reply_error(c, API_RATE, "");
		header(c, "Retry-After",
		       arena_printf(c->mem, "%lld",
				    (long long)((rate.retry_us + US_PER_S - 1) / US_PER_S)));
	}
	return true;
}

/* Who asks, whether he may, for whom, and how often; *go false: replied to. */
static bool admit(struct call *c, bool *go, struct err *err)
{
	struct slice token;
	bool good;

	*go = c->route->scope == SCOPE_NONE;
	if (*go)
		return true;
	if (!bearer(c->req, &token)) {
		refuse_token(c);
		return true;
	}
	if (!keys_verify(c->api->options.keys, token, &c->who, &good, err))
		return false;
	if (!good) {
		refuse_token(c);
		return true;
	}
	if (!key_scope_allows(c->who.scopes, (enum key_scope)c->route->scope))
		return reply_error(c, API_FORBIDDEN,
				   arena_printf(c->mem, "this key has the scope %s; %s is needed",
						key_scope_name(c->who.scopes),
						key_scope_name(c->route->scope)));
	if (!act_for(c))
		return true;
	return within_rate(c, go, err);
}

static bool decode_params(struct call *c, struct err *err)
{
	for (size_t i = 0; i < ROUTE_PARAMS; i++) {
		if (c->params[i].len > 0 && !url_decode(c->mem, c->params[i], &c->params[i], err))
			return false;
	}
	return true;
}

/* As the route treats repetitions. */
static bool run_handler(struct call *c, struct err *err)
{
	switch (c->route->repeat) {
	case REPEAT_SAME:
	case REPEAT_SECRET:
		return handle_once(c, err);
	case REPEAT_LINES:
		if (http_header_get(c->req, "Idempotency-Key"))
			return reply_error(c, API_INVALID,
					   "Idempotency-Key is for single calls; give each line "
					   "its own \"key\"");
		break;
	case REPEAT_OWN:
		break;
	}
	return c->route->handler(c, err);
}

static void handle(void *ctx, struct http_request *req, struct http_response *res)
{
	struct call *c = arena_new_of(req->mem, struct call);
	struct err err = { 0 };
	unsigned allowed;
	bool go;

	*c = (struct call){ .api = ctx, .req = req, .res = res, .mem = req->mem };
	req->call = c;
	c->psa = shape_of(req->path) == API_SHAPE_PSA;
	c->route = find_route(req->method, req->path, c->params, &allowed);
	if (!c->route && allowed && req->method == METHOD_OPTIONS) {
		preflight(c, allowed);
	} else if (!c->route && allowed) {
		reply_error(c, API_METHOD, "");
		header(c, "Allow", allow_text(c, allowed));
	} else if (!c->route) {
		reply_error(c, API_NOT_FOUND, "");
	} else if (!admit(c, &go, &err) ||
		   (go && (!decode_params(c, &err) || !run_handler(c, &err)))) {
		reply_fault(c, &err);
	}
}

static enum http_body_mode body_mode(void *ctx UNUSED, enum http_method method, struct slice path)
{
	struct slice params[ROUTE_PARAMS];
	unsigned allowed;
	const struct route *route = find_route(method, path, params, &allowed);

	return route && route->stream ? HTTP_BODY_STREAM : HTTP_BODY_WHOLE;
}

static void error_body(void *ctx UNUSED, unsigned status, const char *why, struct slice path,
		       struct buf *out, const char **content_type)
{
	*content_type = api_error_body(shape_of(path), api_error_http(status), status, why, out);
}

static void answered(void *ctx, const struct http_answer *answer)
{
	struct metrics *m = ((struct api *)ctx)->options.metrics;
	enum metric_api api = begins(answer->path, "/pins") ? API_PINS
			      : begins(answer->path, "/v1") ? API_V1
							    : API_OPS;

	if (answer->status < 200 || answer->status > 599)
		return;
	metrics_add(m, METRIC_HTTP_REQUESTS, api, CLASS_2XX + answer->status / 100 - 2, 1);
	if (answer->us >= 0)
		metrics_observe(m, METRIC_HTTP_SECONDS, api, 0, answer->us);
}

/* Did the server fail, and nobody has said so yet?  A full disk (507, and /readyz) and overload
 * (503) last, anybody may ask meanwhile, and who noticed them has said it once. */
static bool is_fault(const struct http_answer *a)
{
	return a->failed || a->stopped || a->status == 500 || a->status == 504;
}

static void ended(void *ctx UNUSED, const struct http_answer *answer)
{
	enum log_level level = is_fault(answer) ? LOG_ERROR : LOG_DEBUG;
	const struct call *call = answer->call;
	const struct route *route = call ? call->route : NULL;
	struct slice params[ROUTE_PARAMS];
	unsigned allowed;

	if (!log_enabled(level))
		return;
	if (!call && answer->path.len > 0)
		route = find_route(answer->method, answer->path, params, &allowed);
	request_log(level, route, answer);
}

void api_app(struct api *api, struct http_app *out)
{
	*out = (struct http_app){
		.ctx = api,
		.handler = handle,
		.body_mode = body_mode,
		.error_body = error_body,
		.headers = cors,
		.answered = answered,
		.ended = ended,
	};
}
