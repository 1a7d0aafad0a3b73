#include "net/tls.h"

#include <assert.h>
#include <limits.h>
#include <stdatomic.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/ssl.h>

#include "base/alloc.h"

struct tls_server {
	atomic_uint refs;
	SSL_CTX *ssl;
	BIO_METHOD *method;
};

struct tls {
	struct tls_server *server;
	SSL *ssl;
	/* Of the call that runs. */
	struct slice in;
	struct buf *cipher;
};

static int bio_read(BIO *bio, char *out, int n)
{
	struct tls *tls = BIO_get_data(bio);
	size_t take = tls->in.len < (size_t)n ? tls->in.len : (size_t)n;

	BIO_clear_retry_flags(bio);
	if (take == 0) {
		BIO_set_retry_read(bio);
		return -1;
	}
	memcpy(out, tls->in.ptr, take);
	tls->in = SLICE_OF(tls->in.ptr + take, tls->in.len - take);
	return (int)take;
}

static int bio_write(BIO *bio, const char *bytes, int n)
{
	struct tls *tls = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (!tls->cipher)
		return -1;
	buf_add(tls->cipher, bytes, (size_t)n);
	return n;
}

static long bio_ctrl(BIO *bio UNUSED, int cmd, long num UNUSED, void *ptr UNUSED)
{
	return cmd == BIO_CTRL_FLUSH;
}

static const unsigned char protocols[] = "\x08http/1.1";

static int choose_alpn(SSL *ssl UNUSED, const unsigned char **out, unsigned char *out_len,
		       const unsigned char *theirs, unsigned n, void *arg UNUSED)
{
	unsigned char *chosen;

	if (SSL_select_next_proto(&chosen, out_len, protocols, sizeof(protocols) - 1, theirs, n) !=
	    OPENSSL_NPN_NEGOTIATED)
		return SSL_TLSEXT_ERR_NOACK;
	*out = chosen;
	return SSL_TLSEXT_ERR_OK;
}

static bool openssl_failed(struct err *err, const char *what, const char *file)
{
	char text[160];
	unsigned long e = ERR_peek_last_error();

	ERR_error_string_n(e, text, sizeof(text));
	ERR_clear_error();
	return err_set(err, ERR_INVALID, "%s %s: %s", what, file, text);
}

static bool load(SSL_CTX *ssl, const char *cert, const char *key, struct err *err)
{
	if (SSL_CTX_use_certificate_chain_file(ssl, cert) != 1)
		return openssl_failed(err, "certificate", cert);
	if (SSL_CTX_use_PrivateKey_file(ssl, key, SSL_FILETYPE_PEM) != 1)
		return openssl_failed(err, "private key", key);
	if (SSL_CTX_check_private_key(ssl) != 1)
		return openssl_failed(err, "private key does not fit the certificate:", key);
	return true;
}

bool tls_server_new(const char *cert, const char *key, struct tls_server **out, struct err *err)
{
	struct tls_server *tls = xcalloc(1, sizeof(*tls));

	atomic_init(&tls->refs, 1);
	tls->method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "buf");
	tls->ssl = SSL_CTX_new(TLS_server_method());
	if (!tls->method || !tls->ssl)
		alloc_failed(sizeof(*tls));
	BIO_meth_set_read(tls->method, bio_read);
	BIO_meth_set_write(tls->method, bio_write);
	BIO_meth_set_ctrl(tls->method, bio_ctrl);
	SSL_CTX_set_min_proto_version(tls->ssl, TLS1_2_VERSION);
	SSL_CTX_set_options(tls->ssl, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
					      SSL_OP_IGNORE_UNEXPECTED_EOF |
					      SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_mode(tls->ssl, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
	/* Sessions resume by tickets alone: no table that grows, no lock. */
	SSL_CTX_set_session_cache_mode(tls->ssl, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_num_tickets(tls->ssl, 1);
	SSL_CTX_set_alpn_select_cb(tls->ssl, choose_alpn, NULL);
	if (!load(tls->ssl, cert, key, err)) {
		tls_server_unref(tls);
		return false;
	}
	*out = tls;
	return true;
}

struct tls_server *tls_server_ref(struct tls_server *tls)
{
	atomic_fetch_add(&tls->refs, 1);
	return tls;
}

void tls_server_unref(struct tls_server *tls)
{
	if (!tls || atomic_fetch_sub(&tls->refs, 1) > 1)
		return;
	SSL_CTX_free(tls->ssl);
	BIO_meth_free(tls->method);
	xfree(tls);
}

struct tls *tls_new(struct tls_server *server)
{
	struct tls *tls = xcalloc(1, sizeof(*tls));
	BIO *bio = BIO_new(server->method);

	tls->server = tls_server_ref(server);
	tls->ssl = SSL_new(server->ssl);
	if (!bio || !tls->ssl)
		alloc_failed(sizeof(*tls));
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	SSL_set_accept_state(tls->ssl);
	return tls;
}

void tls_free(struct tls *tls)
{
	if (!tls)
		return;
	SSL_free(tls->ssl);
	tls_server_unref(tls->server);
	xfree(tls);
}

enum tls_result tls_read(struct tls *tls, struct slice in, struct buf *plain, struct buf *cipher)
{
	enum { RECORD = 16 * 1024 };
	int n, e;

	ERR_clear_error();
	tls->in = in;
	tls->cipher = cipher;
	/* Reading does the handshake too, as far as the bytes go. */
	while ((n = SSL_read(tls->ssl, buf_reserve(plain, RECORD), RECORD)) > 0)
		plain->len += (size_t)n;
	e = SSL_get_error(tls->ssl, n);
	tls->cipher = NULL;
	ERR_clear_error();
	if (e == SSL_ERROR_ZERO_RETURN)
		return TLS_EOF;
	return e == SSL_ERROR_WANT_READ && tls->in.len == 0 ? TLS_OK : TLS_BAD;
}

bool tls_write(struct tls *tls, struct slice plain, struct buf *cipher)
{
	int n = 1;

	ERR_clear_error();
	tls->cipher = cipher;
	while (plain.len > 0 && n > 0) {
		n = SSL_write(tls->ssl, plain.ptr, plain.len < INT_MAX ? (int)plain.len : INT_MAX);
		if (n > 0)
			plain = SLICE_OF(plain.ptr + n, plain.len - (size_t)n);
	}
	tls->cipher = NULL;
	ERR_clear_error();
	return n > 0;
}

void tls_close(struct tls *tls, struct buf *cipher)
{
	if (!SSL_is_init_finished(tls->ssl))
		return;
	tls->cipher = cipher;
	SSL_shutdown(tls->ssl);
	tls->cipher = NULL;
	ERR_clear_error();
}

struct slice tls_alpn(const struct tls *tls)
{
	const unsigned char *name = NULL;
	unsigned n = 0;

	SSL_get0_alpn_selected(tls->ssl, &name, &n);
	return SLICE_OF(name, n);
}
