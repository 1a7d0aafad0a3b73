#include "bin/config_kubo.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bin/nearest.h"
#include "kubo/request.h"

#define SECRET_MAX 4096

const char *config_secret_file(const char *path, struct arena *mem, struct err *err)
{
	char line[SECRET_MAX];
	FILE *f = fopen(path, "re");
	bool got;

	if (f) {
		errno = 0;
		got = fgets(line, sizeof(line), f) != NULL;
		if (!got && !errno)
			errno = ENODATA;
		fclose(f);
		line[got ? strcspn(line, "\r\n") : 0] = '\0';
		if (got && *line && strlen(line) < sizeof(line) - 1)
			return arena_printf(mem, "%s", line);
		if (got)
			errno = ENODATA;
	}
	if (err)
		err_set(err, ERR_INVALID, "cannot read a secret from %s: %s", path,
			strerror(errno));
	return NULL;
}

static bool good_url(const char *url, struct err *err)
{
	CLEANUP(buf_free) struct buf base = { 0 };
	CLEANUP(buf_free) struct buf path = { 0 };

	if (strpbrk(url, " \t\r\n"))
		return err_set(err, ERR_INVALID, "no space may stand in a URL");
	return request_base(url, &base, &path, err);
}

const char *config_kubo_shown(const char *text, struct arena *mem)
{
	CLEANUP(buf_free) struct buf out = { 0 };

	request_shown(text, &out);
	return arena_printf(mem, "%.*s", SLICE_FMT(buf_slice(&out)));
}

bool config_kubo_urls(struct texts urls, struct arena *mem, struct config *config)
{
	struct config_kubo *nodes = arena_new_array(mem, struct config_kubo, urls.n + 1);

	for (size_t i = 0; i < urls.n; i++) {
		struct err why;

		if (!good_url(urls.items[i], &why))
			return false;
		nodes[i] = (struct config_kubo){ .url = urls.items[i], .zone = "" };
	}
	config->kubo = nodes;
	config->n_kubo = urls.n;
	return true;
}

/* "bearer:TOKEN" or "basic:USER:PASSWORD". */
static bool set_auth(struct config_kubo *node, const char *text)
{
	if (!strncmp(text, "bearer:", 7) && text[7]) {
		node->auth = KUBO_AUTH_BEARER;
		node->secret = text + 7;
		return true;
	}
	if (!strncmp(text, "basic:", 6) && strchr(text + 6, ':')) {
		node->auth = KUBO_AUTH_BASIC;
		node->secret = text + 6;
		return true;
	}
	return false;
}

static bool set_tags(struct config_kubo *node, const json_t *value, struct arena *mem)
{
	const char **items = arena_new_array(mem, const char *, json_array_size(value) + 1);
	json_t *item;
	size_t i;

	if (!json_is_array(value))
		return false;
	json_array_foreach(value, i, item)
	{
		if (!json_is_string(item) || !json_string_length(item))
			return false;
		items[i] = arena_printf(mem, "%s", json_string_value(item));
	}
	node->tags = (struct texts){ items, i };
	return true;
}

/* One member of an object; `text` is NULL if it is no string. */
static bool set_member(struct config_kubo *node, const char *at, const char *key,
		       const json_t *value, struct arena *mem, struct err *err)
{
	static const char *const keys[] = { "url", "auth", "auth_file", "ca_file", "zone", "tags" };
	const char *text =
		json_is_string(value) ? arena_printf(mem, "%s", json_string_value(value)) : NULL;
	const char *near;

	if (!strcmp(key, "url")) {
		if (!text)
			return err_set(err, ERR_INVALID, "%s.url: must be a text", at);
		if (!good_url(text, err))
			return err_wrap(err, "%s.url: \"%s\" is not allowed", at,
					config_kubo_shown(text, mem));
		node->url = text;
		return true;
	}
	if (!strcmp(key, "auth_file")) {
		text = text ? config_secret_file(text, mem, err) : NULL;
		if (json_is_string(value) && !text)
			return err_wrap(err, "%s.auth_file", at);
		key = "auth";
	}
	if (!strcmp(key, "auth"))
		return (text && set_auth(node, text)) ||
		       err_set(err, ERR_INVALID,
			       "%s.auth: must be bearer:TOKEN or basic:USER:PASSWORD", at);
	if (!strcmp(key, "ca_file")) {
		node->ca_file = text;
		return (text && *text) ||
		       err_set(err, ERR_INVALID, "%s.ca_file: must be a path", at);
	}
	if (!strcmp(key, "zone")) {
		node->zone = text;
		return text || err_set(err, ERR_INVALID, "%s.zone: must be a text", at);
	}
	if (!strcmp(key, "tags"))
		return set_tags(node, value, mem) ||
		       err_set(err, ERR_INVALID, "%s.tags: must be a list of texts", at);
	near = nearest(key, keys, ARRAY_LEN(keys));
	return err_set(err, ERR_INVALID, "%s.%s: there is no such option%s%s%s", at, key,
		       near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static bool set_node(struct config_kubo *node, size_t i, json_t *value, struct arena *mem,
		     struct err *err)
{
	const char *at = arena_printf(mem, "kubo[%zu]", i), *key;
	json_t *member;

	*node = (struct config_kubo){ .zone = "" };
	if (json_is_string(value))
		return set_member(node, at, "url", value, mem, err);
	if (!json_is_object(value))
		return err_set(err, ERR_INVALID, "%s: must be a URL or an object with url", at);
	json_object_foreach(value, key,
			    member) if (!set_member(node, at, key, member, mem, err)) return false;
	return node->url || err_set(err, ERR_INVALID, "%s: url is missing", at);
}

bool config_kubo_objects(const json_t *value, struct arena *mem, struct config *config,
			 struct err *err)
{
	struct config_kubo *nodes =
		arena_new_array(mem, struct config_kubo, json_array_size(value) + 1);
	json_t *item;
	size_t i;

	if (!json_is_array(value))
		return err_set(err, ERR_INVALID, "kubo: must be a list of URLs and objects");
	json_array_foreach(value, i,
			   item) if (!set_node(&nodes[i], i, item, mem, err)) return false;
	config->kubo = nodes;
	config->n_kubo = i;
	return true;
}

void config_kubo_finish(struct config *config)
{
	struct config_kubo *unnamed = &config->added_kubo;

	*unnamed = (struct config_kubo){ .zone = "" };
	if (*config->worker.kubo_ca_file)
		unnamed->ca_file = config->worker.kubo_ca_file;
	if (*config->worker.kubo_auth)
		set_auth(unnamed, config->worker.kubo_auth);
	for (size_t i = 0; i < config->n_kubo; i++) {
		struct config_kubo *node = &config->kubo[i];

		if (!node->ca_file)
			node->ca_file = unnamed->ca_file;
		if (node->auth != KUBO_AUTH_NONE)
			continue;
		node->auth = unnamed->auth;
		node->secret = unnamed->secret;
	}
}
