#include "role/api/errors.h"

#include "json/json_writer.h"

static const struct row {
	unsigned status;
	const char *code;   /* /v1 */
	const char *reason; /* /pins */
	const char *title;
	const char *detail; /* where there is nothing better to say */
	const char *retry;  /* seconds, as text */
} rows[API_ERRORS] = {
	[API_INVALID] = { 400, "invalid", "BAD_REQUEST", "The request is wrong", "", NULL },
	[API_TOO_BROAD] = { 400, "filter_too_broad", "FILTER_TOO_BROAD", "The filter is too broad",
			    "nothing was found among the newest pins; narrow the filter by before, "
			    "after, status or an exact name",
			    NULL },
	[API_UNAUTHORIZED] = { 401, "unauthorized", "UNAUTHORIZED", "Not authenticated",
			       "Access token is missing or invalid", NULL },
	[API_FORBIDDEN] = { 403, "forbidden", "FORBIDDEN", "Not allowed",
			    "this key may not do that", NULL },
	[API_DENIED] = { 403, "denied", "DENIED", "This content may not be pinned", "", NULL },
	[API_DISABLED] = { 403, "owner_disabled", "OWNER_DISABLED", "The owner is disabled", "",
			   NULL },
	[API_NOT_FOUND] = { 404, "not_found", "NOT_FOUND", "Not found",
			    "The specified resource was not found", NULL },
	[API_METHOD] = { 405, "method_not_allowed", "METHOD_NOT_ALLOWED", "Method not allowed",
			 "see the header Allow", NULL },
	[API_CONFLICT] = { 409, "conflict", "CONFLICT", "Not in this state", "", NULL },
	[API_QUOTA] = { 409, "quota_exceeded", "INSUFFICIENT_FUNDS", "The quota is used up", "",
			NULL },
	[API_KEY_IN_USE] = { 409, "idempotency_key_in_use", "IDEMPOTENCY_KEY_IN_USE",
			     "The idempotency key is in use", "", "1" },
	[API_PRECONDITION] = { 412, "precondition_failed", "PRECONDITION_FAILED",
			       "The pin has changed", "", NULL },
	[API_TOO_LARGE] = { 413, "too_large", "BODY_TOO_LARGE", "The body is too large", "", NULL },
	[API_URI_TOO_LONG] = { 414, "uri_too_long", "URI_TOO_LONG", "The request line is too long",
			       "", NULL },
	[API_MEDIA_TYPE] = { 415, "media_type", "UNSUPPORTED_MEDIA_TYPE", "Not this media type", "",
			     NULL },
	[API_KEY_REUSED] = { 422, "idempotency_key_reused", "IDEMPOTENCY_KEY_REUSED",
			     "The idempotency key was used for another request", "", NULL },
	[API_RATE] = { 429, "too_many_requests", "TOO_MANY_REQUESTS", "Too many requests",
		       "wait as long as Retry-After says", "1" },
	[API_HEADERS_TOO_LARGE] = { 431, "headers_too_large", "HEADERS_TOO_LARGE",
				    "The headers are too large", "", NULL },
	[API_SLOW] = { 408, "request_timeout", "REQUEST_TIMEOUT", "The request came too slowly", "",
		       NULL },
	[API_INTERNAL] = { 500, "internal", "INTERNAL_SERVER_ERROR", "An error of ours",
			   "it was logged; the request can be tried again", NULL },
	[API_NOT_HERE] = { 501, "not_implemented", "NOT_IMPLEMENTED", "Not offered here", "",
			   NULL },
	[API_HTTP_VERSION] = { 505, "http_version", "HTTP_VERSION_NOT_SUPPORTED",
			       "This version of HTTP is not spoken here", "", NULL },
	[API_UNAVAILABLE] = { 503, "unavailable", "SERVICE_UNAVAILABLE", "Not available now",
			      "nothing was done; try again", "5" },
	[API_UNKNOWN] = { 504, "outcome_unknown", "OUTCOME_UNKNOWN", "The outcome is not known",
			  "it may have been done or not; look, or ask again with the same "
			  "Idempotency-Key",
			  "5" },
	[API_NO_SPACE] = { 507, "no_space", "INSUFFICIENT_STORAGE", "The server's disk is full",
			   "nothing was done; try again when its operator has made room", "60" },
};

unsigned api_error_status(enum api_error error)
{
	return rows[error].status;
}

const char *api_error_code(enum api_error error)
{
	return rows[error].code;
}

const char *api_error_retry(enum api_error error)
{
	return rows[error].retry;
}

enum api_error api_error_outcome(enum pins_outcome outcome)
{
	static const enum api_error errors[PINS_OUTCOMES] = {
		[PINS_DONE] = API_INTERNAL,
		[PINS_INVALID] = API_INVALID,
		[PINS_NOT_FOUND] = API_NOT_FOUND,
		[PINS_DENIED] = API_DENIED,
		[PINS_DISABLED] = API_DISABLED,
		[PINS_QUOTA] = API_QUOTA,
		[PINS_PRECONDITION] = API_PRECONDITION,
		[PINS_KEY_IN_USE] = API_KEY_IN_USE,
		[PINS_KEY_REUSED] = API_KEY_REUSED,
	};

	return errors[outcome];
}

enum api_error api_error_fault(enum err_code code)
{
	switch (code) {
	case ERR_INVALID:
		return API_INVALID;
	case ERR_DENIED:
		return API_FORBIDDEN;
	case ERR_EXHAUSTED:
		return API_RATE;
	case ERR_NO_SPACE:
		return API_NO_SPACE;
	case ERR_TIMEOUT:
		return API_UNKNOWN;
	case ERR_UNAVAILABLE:
	case ERR_CANCELED:
		return API_UNAVAILABLE;
	case ERR_NONE:
	case ERR_CORRUPT:
	case ERR_INTERNAL:
		break;
	}
	return API_INTERNAL;
}

enum api_error api_error_http(unsigned status)
{
	for (unsigned i = 0; i < API_ERRORS; i++) {
		if (rows[i].status == status)
			return (enum api_error)i;
	}
	return status < 500 ? API_INVALID : API_INTERNAL;
}

const char *api_error_detail(enum api_error error, const struct err *fault)
{
	return error == API_INVALID && fault ? fault->text : rows[error].detail;
}

static void write_psa(struct json_writer *w, const struct row *row, const char *detail)
{
	json_key(w, "error");
	json_begin_object(w);
	json_key_cstr(w, "reason", row->reason);
	if (*detail)
		json_key_cstr(w, "details", detail);
	json_end_object(w);
}

static void write_problem(struct json_writer *w, const struct row *row, unsigned status,
			  const char *detail)
{
	json_key_cstr(w, "type", "about:blank");
	json_key_cstr(w, "title", row->title);
	json_key_u64(w, "status", status);
	if (*detail)
		json_key_cstr(w, "detail", detail);
	json_key_cstr(w, "code", row->code);
}

const char *api_error_body(enum api_shape shape, enum api_error error, unsigned status,
			   const char *detail, struct buf *out)
{
	const struct row *row = &rows[error];
	struct json_writer w = json_writer(out);

	if (!detail || !*detail)
		detail = row->detail;
	json_begin_object(&w);
	if (shape != API_SHAPE_PROBLEM)
		write_psa(&w, row, detail);
	if (shape != API_SHAPE_PSA)
		write_problem(&w, row, status, detail);
	json_end_object(&w);
	return shape == API_SHAPE_PROBLEM ? "application/problem+json" : "application/json";
}
