/*
 * multiaddr_value.h -- the kinds of value that parts of a multiaddr have.
 *
 * For multiaddr.c alone: one row of functions a kind.
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/slice.h"

#define VALUE_MAX   512
#define VALUE_SIZED (-1) /* its length stands in front of it */
#define VALUE_TAIL  (-2) /* so too, and its text is all that follows, slashes and all */

struct value {
	size_t len;
	uint8_t bytes[VALUE_MAX];
};

struct value_kind {
	int size; /* bytes, or one of the above */
	/* Text to bytes, which `check` then sees.  `text` is 1 to VALUE_MAX bytes, or
	 * more where a slash cannot end it. */
	bool (*parse)(struct slice text, struct value *out, struct err *err);
	/* Bytes are good; NULL: all are.  The length is right if `size` says one. */
	bool (*check)(struct slice bytes, struct err *err);
	void (*print)(struct slice bytes, struct buf *out);
};

extern const struct value_kind value_none, value_ip4, value_ip6, value_zone, value_port, value_name,
	value_peer, value_unix_path, value_http_path, value_certhash, value_onion3, value_garlic32;
