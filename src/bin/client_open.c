#include <limits.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "bin/client.h"
#include "bin/config_kubo.h"
#include "bin/server_file.h"
#include "model/duration.h"

#define CALL_TIMEOUT_US     (60 * US_PER_S)
#define CALL_TIMEOUT_MAX_US (20 * US_PER_DAY) /* libcurl knows no longer ones: none */

static const char *from_env(const struct invocation *in, const char *name)
{
	size_t n = strlen(name);

	for (const char *const *e = in->env; e && *e; e++)
		if (!strncmp(*e, name, n) && (*e)[n] == '=' && (*e)[n + 1])
			return *e + n + 1;
	return NULL;
}

/* The option, else the variable; NULL: neither. */
static const char *asked(const struct invocation *in, const char *option, const char *variable)
{
	const char *value = given(in, option);

	return value ? value : from_env(in, variable);
}

/* ---- which server ----------------------------------------------------------------------- */

static const char *trimmed(const char *url, struct arena *mem)
{
	size_t n = strlen(url);

	while (n > 0 && url[n - 1] == '/')
		n--;
	return arena_printf(mem, "%s%.*s", strstr(url, "://") ? "" : "http://", (int)n, url);
}

static bool loopback_host(const char *host)
{
	return !strcmp(host, "localhost") || !strcmp(host, "[::1]") ||
	       (!strncmp(host, "127.", 4) && strspn(host, "0123456789.") == strlen(host));
}

/* Scheme and port. */
static const char *door_of(const char *url, struct arena *mem)
{
	CURLU *parts = curl_url();
	char *scheme = NULL, *port = NULL;
	const char *door = "";

	if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	    curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK)
		door = arena_printf(mem, "%s %s", scheme, port);
	curl_free(scheme);
	curl_free(port);
	curl_url_cleanup(parts);
	return door;
}

/* The server that has the data directory; without one that runs, where it would listen.  Any user
 * of the machine may listen there meanwhile: only a `running` one gets the admin key. */
static struct server_file own_server(const struct config *config, struct arena *mem, bool *running)
{
	struct server_file file = {
		.url = arena_printf(mem, "%s://%s", *config->tls.cert_file ? "https" : "http",
				    config->listen),
		.cert_file = config->tls.cert_file,
	};

	*running = server_file_read(config->data, mem, &file);
	file.url = callable_url(file.url, mem);
	return file;
}

/* The server that was named; false: that is no URL of one, or holds a password. */
static bool at_named_server(struct client *client, const char *server, const struct config *config)
{
	bool running;
	struct server_file own = own_server(config, client->in->mem, &running);
	CURLU *parts = curl_url();
	char *scheme = NULL, *host = NULL, *user = NULL;
	bool ok;

	client->base = trimmed(server, client->in->mem);
	ok = parts && curl_url_set(parts, CURLUPART_URL, client->base, 0) == CURLUE_OK &&
	     curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
	     curl_url_get(parts, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
	     curl_url_get(parts, CURLUPART_USER, &user, 0) != CURLUE_OK &&
	     (!strcmp(scheme, "http") || !strcmp(scheme, "https"));
	client->local = ok && loopback_host(host);
	client->own =
		client->local && running &&
		!strcmp(door_of(client->base, client->in->mem), door_of(own.url, client->in->mem));
	curl_free(scheme);
	curl_free(host);
	curl_free(user);
	curl_url_cleanup(parts);
	return ok;
}

static void at_own_server(struct client *client, const struct config *config)
{
	struct server_file file = own_server(config, client->in->mem, &client->own);

	client->base = file.url;
	client->own_cert = file.cert_file;
	client->local = true;
	client->without = client->own ? NULL : config->data;
}

/* ---- its certificate ------------------------------------------------------------------- */

static X509 *first_certificate(const char *path)
{
	FILE *f = fopen(path, "re");
	X509 *cert = f ? PEM_read_X509(f, NULL, NULL, NULL) : NULL;

	if (f)
		fclose(f);
	return cert;
}

/* As libcurl wants to be told of a public key; NULL: there is no certificate. */
static const char *key_of_certificate(const char *path, struct arena *mem)
{
	unsigned char digest[EVP_MAX_MD_SIZE], text[2 * EVP_MAX_MD_SIZE], *der = NULL;
	X509 *cert = first_certificate(path);
	const char *out = NULL;
	unsigned n = 0;
	int len;

	len = cert ? i2d_PUBKEY(X509_get0_pubkey(cert), &der) : 0;
	if (len > 0 && EVP_Digest(der, (size_t)len, digest, &n, EVP_sha256(), NULL)) {
		EVP_EncodeBlock(text, digest, (int)n);
		out = arena_printf(mem, "sha256//%s", text);
	}
	OPENSSL_free(der);
	X509_free(cert);
	return out;
}

/*
 * The server of this machine is known by the very key in its certificate's file: the name in it is
 * one for others, not 127.0.0.1, and who has signed it does not matter here.
 */
static void find_trust(struct client *client)
{
	client->ca_file = given(client->in, "ca");
	if (!client->ca_file && client->own_cert && *client->own_cert)
		client->pinned_key = key_of_certificate(client->own_cert, client->in->mem);
	if (!client->ca_file && !client->pinned_key)
		client->ca_file = from_env(client->in, "PINFOLD_CA");
}

/* ---- the key ---------------------------------------------------------------------------- */

/* False, with words on stderr: a file that was named cannot be read. */
static bool find_given_key(struct client *client)
{
	struct invocation *in = client->in;
	struct err err;

	client->key = given(in, "key");
	if (!client->key && given(in, "key-file")) {
		client->key = config_secret_file(given(in, "key-file"), in->mem, &err);
		if (!client->key)
			fprintf(stderr, "pinfold: %s\n", err.text);
		return client->key;
	}
	if (!client->key)
		client->key = from_env(in, "PINFOLD_KEY");
	return true;
}

/* The admin key goes to the server of its data directory alone. */
static enum exit_code find_admin_key(struct client *client, const char *data)
{
	struct arena *mem = client->in->mem;
	const char *path = arena_printf(mem, "%s/admin.key", data);
	enum exit_code code;
	struct err err = { 0 };

	if (client->own)
		client->key = config_secret_file(path, mem, &err);
	if (client->key)
		return EXIT_DONE;
	code = client->local ? client_reach(client) : EXIT_DONE;
	if (code) /* without a server the key is not what is missing */
		return code;
	if (!client->own && (!client->local || access(path, F_OK) == 0)) {
		fprintf(stderr,
			"pinfold: no API key: %s is not a server that runs with the data directory "
			"%s, and does not get the one that lies there\n"
			"Give --key, --key-file or PINFOLD_KEY, or the --data of that server.\n",
			client->base, data);
		return EXIT_USAGE;
	}
	if (access(path, F_OK) == 0)
		fprintf(stderr, "pinfold: no API key: %s\n", err.text);
	else
		fprintf(stderr,
			"pinfold: no API key: there is no %s, which a server on this machine makes "
			"when it first starts (pinfold up)\n",
			path);
	fprintf(stderr, "Else give --key or PINFOLD_KEY, or --data DIR.\n");
	return EXIT_USAGE;
}

/* ---- both ------------------------------------------------------------------------------- */

static enum exit_code find_timeout(struct client *client)
{
	const char *text = given(client->in, "request-timeout");
	struct err err;

	client->timeout_us = CALL_TIMEOUT_US;
	if (text && !duration_parse(slice_str(text), &client->timeout_us, &err))
		return usage_error(client->in, "--request-timeout: %s", err.text);
	if (client->timeout_us > CALL_TIMEOUT_MAX_US)
		client->timeout_us = 0;
	return EXIT_DONE;
}

enum exit_code client_open(struct invocation *in, struct client *out)
{
	const char *server = asked(in, "server", "PINFOLD_SERVER");
	struct config_result result;
	enum exit_code code;
	struct err err;

	*out = (struct client){ .in = in, .json = is_given(in, "json") };
	if (!command_config(in, NULL, &result, &err)) {
		fprintf(stderr, "pinfold: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (!server)
		at_own_server(out, &result.config);
	else if (!at_named_server(out, server, &result.config))
		return usage_error(in, "the server must be http://HOST:PORT or https://HOST, "
				       "without a user: the key goes into --key or PINFOLD_KEY");
	out->owner = asked(in, "owner", "PINFOLD_OWNER");
	find_trust(out);
	code = find_timeout(out);
	if (code)
		return code;
	if (!find_given_key(out))
		return EXIT_USAGE;
	out->curl = curl_easy_init();
	if (!out->curl)
		return EXIT_FAILED;
	return out->key ? EXIT_DONE : find_admin_key(out, result.config.data);
}

enum exit_code client_open_store(struct invocation *in, const char *store, struct client *out)
{
	struct server_file file = { 0 };
	struct config_result result;
	char real[PATH_MAX];
	struct err err;

	*out = (struct client){ .in = in, .local = true };
	if (!command_config(in, NULL, &result, &err)) {
		fprintf(stderr, "pinfold: %s\n", err.text);
		return EXIT_USAGE;
	}
	if (!server_file_read(result.config.data, in->mem, &file) || !realpath(store, real) ||
	    strcmp(real, file.store) != 0) {
		fprintf(stderr,
			"pinfold: %s is in use, but no server with the data directory %s has it: "
			"give --data as that server has it\n",
			store, result.config.data);
		return EXIT_FAILED;
	}
	out->base = file.url;
	out->own_cert = file.cert_file;
	find_trust(out);
	out->key = config_secret_file(arena_printf(in->mem, "%s/admin.key", result.config.data),
				      in->mem, &err);
	if (!out->key) {
		fprintf(stderr, "pinfold: no API key: %s\n", err.text);
		return EXIT_FAILED;
	}
	out->curl = curl_easy_init();
	return out->curl ? EXIT_DONE : EXIT_FAILED;
}
