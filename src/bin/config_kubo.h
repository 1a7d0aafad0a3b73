/* config_kubo.h -- the list of Kubo nodes, the one option that is made of objects. */
#pragma once

#include <jansson.h>

#include "bin/config.h"

/* Nodes without anything but a URL.  False: one is no URL that Kubo can have. */
bool config_kubo_urls(struct texts urls, struct arena *mem, struct config *config) MUST_CHECK;

/* An array of URLs and objects {url, auth | auth_file, zone, tags}. */
bool config_kubo_objects(const json_t *value, struct arena *mem, struct config *config,
			 struct err *err) MUST_CHECK;

/* A value of the option as errors may show it: without passwords. */
const char *config_kubo_shown(const char *text, struct arena *mem);

/* Gives worker.kubo_auth and worker.kubo_ca_file to the nodes that have none of their own, and to
 * those to come. */
void config_kubo_finish(struct config *config);

/* The first line of the file, without its end; NULL: it cannot be read (errno tells), is
 * empty or longer than 4 KiB.  *err is set then, unless it is NULL. */
const char *config_secret_file(const char *path, struct arena *mem, struct err *err);
