/*
 * server.h -- one whole Pinfold in one process: the store, the bus, the roles, the API.
 *
 * Built top-down from the configuration and taken apart in reverse.  Kubo nodes that do
 * not answer do not keep it from starting: their peers are down until they do.
 */
#pragma once

#include "base/err.h"
#include "bin/config.h"

struct server;

/* The data directory is there.  Opens the store, starts every role,
 * listens.  Errors name the option to change. */
bool server_start(const struct config *config, struct server **out, struct err *err) MUST_CHECK;

/* The address it listens on, as a URL. */
const char *server_url(const struct server *server);

/* Stops listening, lets requests in work finish within the configured time; true: none was
 * cut. */
bool server_drain(struct server *server);

/* Ends what is left; what was acknowledged is in the store.  NULL is fine. */
void server_free(struct server *server);

/* Reads the TLS certificate and key again; false: they are bad and the old ones stay. */
bool server_reload(struct server *server, struct err *err) MUST_CHECK;
