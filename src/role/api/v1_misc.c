/* What is neither pins nor settings: status, the interface's description, health, metrics. */
#include "base/log.h"
#include "model/time_text.h"
#include "role/api/call.h"
#include "role/api/pin_json.h"
#include "role/restored.h"

extern const unsigned char openapi_json[];
extern const unsigned openapi_json_len;

bool v1_openapi(struct call *c, struct err *err UNUSED)
{
	buf_add(&c->res->body, openapi_json, openapi_json_len);
	return reply_json(c, 200);
}

bool v1_status(struct call *c, struct err *err)
{
	struct store *store = c->api->options.store;
	struct json_writer w = reply_writer(c);
	struct store_counters counters;
	int64_t restored;

	if (!restored_at(store, &restored, err))
		return false;
	store_counters(store, &counters);
	json_begin_object(&w);
	json_key_cstr(&w, "version", PINFOLD_VERSION);
	json_key_cstr(&w, "store", store_backend_name(store));
	json_key_cstr(&w, "store_id", store_id(store));
	json_key_time(&w, "time", clock_wall_us(c->api->options.clock));
	json_key_str(&w, "owner", c->owner);
	json_key_cstr(&w, "scope", key_scope_name(c->who.scopes));
	json_key_bool(&w, "read_only", counters.read_only);
	if (restored > 0)
		json_key_time(&w, "restored", restored);
	json_end_object(&w);
	return reply_json(c, 200);
}

static bool reply_text(struct call *c, unsigned status, const char *text)
{
	buf_add_str(&c->res->body, text);
	c->res->status = status;
	c->res->content_type = "text/plain; charset=utf-8";
	return true;
}

bool get_health(struct call *c, struct err *err UNUSED)
{
	return reply_text(c, 200, "ok\n");
}

bool get_ready(struct call *c, struct err *err UNUSED)
{
	struct store_counters counters;

	store_counters(c->api->options.store, &counters);
	if (!counters.read_only)
		return reply_text(c, 200, "ready\n");
	/* Anybody may ask, as often as he likes: paths and the system's words are not for him, and
	 * the log has had them from who met the failure. */
	http_response_header(c->res, "Retry-After", SLICE_LIT("1"));
	return reply_text(c, 503, "no writes: there is no space on the disk, or it failed\n");
}

bool get_metrics(struct call *c, struct err *err UNUSED)
{
	const struct slice *accept = http_header_get(c->req, "Accept");
	enum metrics_format format = metrics_negotiate(accept ? *accept : (struct slice){ 0 });

	metrics_write(c->api->options.metrics, format, &c->res->body);
	c->res->status = 200;
	c->res->content_type = metrics_content_type(format);
	return true;
}
