/* request.h -- where a node is and how it is asked: URLs of Kubo's RPC; pure. */
#pragma once

#include "base/buf.h"
#include "kubo/kubo.h"

/*
 * Takes apart the URL of a node.  Appends to `base` what stands before the command,
 * "http://127.0.0.1:5001/api/v0/", and to `socket_path` the path of a unix socket, or
 * nothing; neither ends with NUL.  ERR_INVALID: another scheme, user or password (those go
 * into struct kubo_node), a query, a fragment, a relative socket path.
 */
bool request_base(const char *url, struct buf *base, struct buf *socket_path,
		  struct err *err) MUST_CHECK;

/* Appends the URL as it may be shown and logged: "***" instead of user and password, whether it
 * makes sense or not. */
void request_shown(const char *url, struct buf *out);

/* Appends command and query of an operation: "pin/rm?arg=Qm...".  `dag`: KUBO_STAT asks by
 * dag/stat, which takes every codec and reads every block, not by files/stat. */
void request_command(struct buf *url, const struct kubo_op *op, bool dag);
