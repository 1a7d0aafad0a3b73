#include "role/api/call.h"

/* What went wrong; NULL: nothing. */
static const char *code_of(const struct http_answer *a, const struct call *c)
{
	if (a->stopped)
		return "cut";
	if (a->status == 0)
		return "client_left";
	if (c && c->refused)
		return c->refused;
	if (a->status >= 400)
		return api_error_code(api_error_http(a->status));
	return a->failed ? "failed" : a->cut ? "cut" : NULL;
}

/* Empty: no key was good. */
static struct slice owner_of(const struct call *c)
{
	return c->owner.len > 0 ? c->owner : slice_str(c->who.owner);
}

void request_log(enum log_level level, const struct route *route, const struct http_answer *a)
{
	static const struct ulid none;
	const struct call *c = a->call;
	const char *code = code_of(a, c);
	struct log_field fields[9];
	char client[HTTP_PEER_TEXT], id[ULID_TEXT_MAX];
	unsigned n = 0;

	if (a->path.len > 0)
		fields[n++] = log_field_push("method", "%s", http_method_name(a->method));
	if (route)
		fields[n++] = log_field_push("route", "%s", route->pattern);
	if (a->status > 0)
		fields[n++] = log_field_push("status", "%u", a->status);
	if (code)
		fields[n++] = log_field_push("error", "%s", code);
	if (c && owner_of(c).len > 0)
		fields[n++] = log_field_push("owner", "%.*s", SLICE_FMT(owner_of(c)));
	if (c && ulid_cmp(&c->id, &none) != 0) {
		ulid_text(&c->id, id);
		fields[n++] = log_field_push("requestid", "%s", id);
	}
	if (a->us >= 0)
		fields[n++] = log_field_push("duration_us", "%lld", (long long)a->us);
	fields[n++] = log_field_push("bytes", "%llu", (unsigned long long)a->bytes);
	fields[n++] = log_field_push("client", "%s", http_peer_text(&a->peer, client));
	log_at(level, __FILE__, __LINE__, "request");
	while (n > 0)
		log_field_pop(&fields[--n]);
}
