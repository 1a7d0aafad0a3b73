#include "role/api/settings.h"

#include "model/excerpt.h"
#include "model/time_text.h"
#include "model/utf8.h"

bool page_read(struct call *c, struct query *q)
{
	struct err why = { 0 };

	return query_read(c->req->query, QUERY_PAGE, c->mem, q, &why) ||
	       (reply_error(c, API_INVALID, why.text), false);
}

bool expiry_read(struct slice ttl, bool has_ttl, struct slice expires, bool has_expires,
		 int64_t now_us, int64_t *out, struct err *err)
{
	int64_t us;

	*out = 0;
	if (has_ttl && has_expires)
		return err_set(err, ERR_INVALID, "ttl and expires say the same; give one");
	if (has_ttl) {
		if (!v1_read_duration(ttl, "ttl", &us, err))
			return false;
		if (us == 0 || us > 36600 * US_PER_DAY)
			return err_set(err, ERR_INVALID, "ttl must be from 1us to 36600d");
		*out = now_us + us;
	}
	if (has_expires && expires.ptr) {
		if (!time_text_parse(expires, out, err))
			return err_wrap(err, "expires");
		if (*out <= now_us)
			return err_set(err, ERR_INVALID, "expires has passed; it must lie ahead");
	}
	return true;
}

bool word_check(struct slice word, const char *name, struct err *err)
{
	if (!utf8_check(word, NULL, err))
		return err_wrap(err, "%s", name);
	if (word.len > PIN_TAG_MAX)
		return err_set(err, ERR_INVALID, "%s has %zu bytes; at most %d are allowed", name,
			       word.len, PIN_TAG_MAX);
	for (size_t i = 0; i < word.len; i++) {
		if (word.ptr[i] < 0x20 || word.ptr[i] == 0x7f || word.ptr[i] == ',')
			return err_set(err, ERR_INVALID,
				       "%s is \"%s\"; commas and control characters are not "
				       "allowed",
				       name, excerpt(word).text);
	}
	return true;
}
