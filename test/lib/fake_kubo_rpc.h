/*
 * fake_kubo_rpc.h -- the commands of fake_kubo_server: pins in memory, answers as Kubo 0.42
 * words them, and the ways in which a node can misbehave.
 */
#pragma once

#include "base/buf.h"

struct fake_rpc;

/* A node without pins. */
struct fake_rpc *fake_rpc_new(void);
void fake_rpc_free(struct fake_rpc *rpc);

/* Calls must carry this Authorization header from now on; NULL: none. */
void fake_rpc_authorize(struct fake_rpc *rpc, const char *header);

/* Who the node says it is from now on; 12D3KooWFake until then.  The text is borrowed. */
void fake_rpc_name(struct fake_rpc *rpc, const char *peer_id);

/* One recursive pin more. */
void fake_rpc_hold(struct fake_rpc *rpc, const char *cid, const char *name);

/* What is left to do for a connection once the bytes in its buffer are sent. */
enum fake_then {
	THEN_NEXT,   /* read the next request */
	THEN_CLOSE,  /* close the connection */
	THEN_HANG,   /* nothing, until the client closes */
	THEN_REPEAT, /* call fake_rpc_go_on() after wait_us, again and again */
	THEN_LIST,   /* call fake_rpc_go_on() as soon as the bytes are sent */
};

struct fake_answer {
	enum fake_then then;
	int64_t wait_us;
	/* For fake_rpc_go_on() alone. */
	unsigned step;
	size_t cursor;
	bool recursive, held;
	char cid[520];
	char target[2200];
};

/* Serves the request whose head (request line and headers, with the empty line) is `head`. */
void fake_rpc_serve(struct fake_rpc *rpc, struct slice head, struct fake_answer *answer,
		    struct buf *out);
void fake_rpc_go_on(struct fake_rpc *rpc, struct fake_answer *answer, struct buf *out);
