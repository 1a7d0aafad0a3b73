/*
 * tls.h -- TLS 1.2 and 1.3 for servers, as a filter of bytes; no sockets.
 *
 * Ciphertext that was received goes in, plaintext comes out, and the other way
 * round.  Nothing is buffered here between calls but a partial record, so an idle
 * connection costs what OpenSSL needs and no more.
 */
#pragma once

#include <stdbool.h>

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

/* Certificate, key and settings; shared by connections, which keep it alive. */
struct tls_server;

/* PEM files: the certificate followed by its chain, and its key. */
bool tls_server_new(const char *cert, const char *key, struct tls_server **out,
		    struct err *err) MUST_CHECK;
struct tls_server *tls_server_ref(struct tls_server *tls);
void tls_server_unref(struct tls_server *tls); /* NULL is fine */

struct tls;

struct tls *tls_new(struct tls_server *server);
void tls_free(struct tls *tls); /* NULL is fine */

enum tls_result {
	TLS_OK,
	TLS_EOF, /* the peer said that it sends no more */
	TLS_BAD, /* the connection cannot go on; an alert may be in `cipher` */
};

/* Takes all of `in`.  Appends decrypted bytes to `plain`, and what must be sent (handshake,
 * alerts) to `cipher`. */
enum tls_result tls_read(struct tls *tls, struct slice in, struct buf *plain, struct buf *cipher);

/* Encrypts all of `plain`; false: not possible any more. */
bool tls_write(struct tls *tls, struct slice plain, struct buf *cipher) MUST_CHECK;

/* Appends the note that no more will be sent. */
void tls_close(struct tls *tls, struct buf *cipher);

/* The protocol that ALPN chose; empty if the client named none that is ours. */
struct slice tls_alpn(const struct tls *tls);
