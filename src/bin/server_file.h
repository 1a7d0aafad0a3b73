/*
 * server_file.h -- DIR/server.json: how commands reach the server that has the data directory.
 *
 * `pinfold up` holds a lock on it as long as it runs, writes it when it listens, and takes it away
 * when it ends.  The kernel drops the lock with the process, so what a killed server left is none,
 * and who gets its port afterwards gets no key.  A data directory has one server: the next one that
 * is started with it does not get the lock.  So `--data DIR` alone is enough for every command,
 * whatever flags the server was started with, and an order about a directory goes to the server
 * that has it open and to no other.
 *
 *	{"url":"https://127.0.0.1:9480","store":"/srv/pinfold/store","cert_file":"/etc/cert.pem"}
 */
#pragma once

#include "base/arena.h"
#include "base/err.h"

struct server_file {
	const char *url;       /* that can be called: never 0.0.0.0 */
	const char *store;     /* path of the store, without symbolic links; "": in memory */
	const char *cert_file; /* of its TLS; "": none */
};

/* Makes it for this user alone, empty, and locks it until server_file_remove().  *lock is -1 where
 * the file system knows no such locks: there is none then.  ERR_UNAVAILABLE: a server that runs has
 * it; ERR_INTERNAL: it cannot be made or opened, so perhaps one has. */
bool server_file_lock(const char *dir, int *lock, struct err *err) MUST_CHECK;

/* Into the one that is locked, once. */
bool server_file_write(int lock, const struct server_file *file, struct err *err) MUST_CHECK;

/* False: there is none of a server that runs, and *out stays as it is.  Texts in `mem`. */
bool server_file_read(const char *dir, struct arena *mem, struct server_file *out);

/* Negative is fine. */
void server_file_remove(const char *dir, int lock);

/* A URL to listen on as one that can be called: 0.0.0.0 and [::] become loopback. */
const char *callable_url(const char *url, struct arena *mem);
