#include "kubo/request.h"

#include <curl/curl.h>
#include <string.h>

static void curlu_free(CURLU *url)
{
	curl_url_cleanup(url);
}
DEFINE_CLEANUP(CURLU, curlu_free)

static void curl_text_free(char *text)
{
	curl_free(text);
}
DEFINE_CLEANUP(char, curl_text_free)

static bool has_part(CURLU *url, CURLUPart part)
{
	CLEANUP(curl_text_free) char *text = NULL;

	return curl_url_get(url, part, &text, 0) == CURLUE_OK;
}

bool request_base(const char *text, struct buf *base, struct buf *socket_path, struct err *err)
{
	CLEANUP(curlu_free) CURLU *url = curl_url();
	CLEANUP(curl_text_free) char *scheme = NULL;
	CLEANUP(curl_text_free) char *whole = NULL;
	size_t n;

	if (strncmp(text, "unix:", strlen("unix:")) == 0) {
		text += strlen("unix:");
		if (strncmp(text, "//", 2) == 0)
			text += 2;
		if (text[0] != '/')
			return err_set(err, ERR_INVALID, "the socket's path must be absolute");
		buf_add_str(socket_path, text);
		buf_add_str(base, "http://kubo/api/v0/");
		return true;
	}
	if (curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK ||
	    curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK ||
	    (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0))
		return err_set(err, ERR_INVALID, "not an http://, https:// or unix: URL");
	if (has_part(url, CURLUPART_USER) || has_part(url, CURLUPART_PASSWORD))
		return err_set(err, ERR_INVALID,
			       "user and password go into auth or worker.kubo_auth, not into the "
			       "URL");
	if (has_part(url, CURLUPART_QUERY) || has_part(url, CURLUPART_FRAGMENT))
		return err_set(err, ERR_INVALID, "no query or fragment may stand in the URL");
	if (curl_url_get(url, CURLUPART_URL, &whole, 0) != CURLUE_OK)
		return err_set(err, ERR_INVALID, "not a URL");
	for (n = strlen(whole); n > 0 && whole[n - 1] == '/';)
		n--;
	buf_add(base, whole, n);
	buf_add_str(base, "/api/v0/");
	return true;
}

void request_shown(const char *url, struct buf *out)
{
	const char *scheme = strstr(url, "://"), *at = strrchr(url, '@');
	bool first = scheme && scheme < strchrnul(url, '@');
	const char *user = first ? scheme + strlen("://") : url;

	if (!at || strncmp(url, "unix:", strlen("unix:")) == 0) {
		buf_add_str(out, url);
		return;
	}
	buf_add(out, url, (size_t)(user - url));
	buf_add_str(out, "***");
	buf_add_str(out, at);
}

/* RFC 3986 section 2.3: all but unreserved characters as %XX. */
static void add_encoded(struct buf *url, const char *text)
{
	static const char unreserved[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
					 "0123456789-._~";
	size_t plain;

	for (; *text; text += plain) {
		plain = strspn(text, unreserved);
		buf_add(url, text, plain);
		if (plain == 0) {
			buf_printf(url, "%%%02X", (unsigned char)*text);
			plain = 1;
		}
	}
}

static void add_arg(struct buf *url, const char *before, const char *text)
{
	buf_add_str(url, before);
	add_encoded(url, text);
}

void request_command(struct buf *url, const struct kubo_op *op, bool dag)
{
	switch (op->kind) {
	case KUBO_ID:
		buf_add_str(url, "id");
		return;
	case KUBO_VERSION:
		buf_add_str(url, "version");
		return;
	case KUBO_PIN_LS: /* without a type Kubo walks every pinned DAG for a miss */
		add_arg(url, "pin/ls?arg=", op->cid);
		add_arg(url, "&names=true&type=", kubo_type_name(op->type));
		return;
	case KUBO_PIN_ADD:
		add_arg(url, "pin/add?arg=", op->cid);
		buf_add_str(url, op->type == KUBO_RECURSIVE ? "&progress=true"
							    : "&progress=true&recursive=false");
		if (op->name && *op->name)
			add_arg(url, "&name=", op->name);
		return;
	case KUBO_PIN_RM:
		add_arg(url, "pin/rm?arg=", op->cid);
		return;
	case KUBO_PIN_UPDATE:
		add_arg(url, "pin/update?arg=", op->cid);
		add_arg(url, "&arg=", op->to_cid);
		buf_add_str(url, op->keep_old ? "&unpin=false" : "&unpin=true");
		return;
	case KUBO_PIN_LIST:
		add_arg(url, "pin/ls?stream=true&names=true&type=", kubo_type_name(op->type));
		return;
	case KUBO_STAT:
		add_arg(url, dag ? "dag/stat?arg=" : "files/stat?arg=%2Fipfs%2F", op->cid);
		buf_add_str(url, dag ? "&progress=false&offline=true" : "&offline=true");
		return;
	case KUBO_REPO_STAT:
		buf_add_str(url, "repo/stat?size-only=true");
		return;
	case KUBO_SWARM_CONNECT:
		add_arg(url, "swarm/connect?arg=", op->addr);
		return;
	case KUBO_REPO_GC:
		buf_add_str(url, "repo/gc?stream-errors=true");
		return;
	case KUBO_N_KINDS:
		break;
	}
	__builtin_unreachable();
}
