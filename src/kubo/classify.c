#include <stddef.h>
#include <string.h>

#include "kubo/kubo.h"

/* Kubo answers nearly every failure with 500 and code 0, so the words decide.  The
 * first row whose words occur in the message counts: narrow ones stand first. */
static const struct {
	const char *words;
	enum kubo_outcome outcome;
} texts[] = {
	{ "no space left on device", KUBO_DISK_FULL },
	{ "disk quota exceeded", KUBO_DISK_FULL },
	{ "not enough space", KUBO_DISK_FULL },

	{ "not pinned or pinned indirectly", KUBO_NOT_PINNED },    /* pin/rm */
	{ "is not pinned", KUBO_NOT_PINNED },                      /* pin/ls, js-ipfs' pin/rm */
	{ "cid was not recursively pinned", KUBO_NOT_PINNED },     /* pin/update from */
	{ "is pinned indirectly", KUBO_NOT_PINNED },               /* pin/rm before 0.5 */
	{ "already pinned recursively", KUBO_ALREADY_PINNED },     /* direct over recursive */
	{ "was already recursively pinned", KUBO_ALREADY_PINNED }, /* pin/update to */
	{ "is pinned recursively", KUBO_ALREADY_PINNED },

	{ "RPC Access Denied", KUBO_DENIED },

	{ "not found locally (offline)", KUBO_NOT_LOCAL },
	{ "could not find", KUBO_NOT_LOCAL },
	{ "block not found", KUBO_NOT_LOCAL },
	{ "merkledag: not found", KUBO_NOT_LOCAL },

	{ "context deadline exceeded", KUBO_TIMED_OUT },
	{ "request timed out", KUBO_TIMED_OUT },
	/* We hang up when we cancel, so this one comes from the daemon going down. */
	{ "context canceled", KUBO_RESTARTING },
	{ "promise channel was closed", KUBO_RESTARTING },
	{ "datastore closed", KUBO_RESTARTING },
	{ "leveldb: closed", KUBO_RESTARTING },
	{ "pebble: closed", KUBO_RESTARTING },
	{ "is closed", KUBO_RESTARTING },
	{ "someone else has the lock", KUBO_RESTARTING },
	{ "in offline mode", KUBO_RESTARTING },

	/* swarm/connect: the other peer */
	{ "dial to self attempted", KUBO_BAD_REQUEST },
	{ "failed to dial", KUBO_UNREACHABLE },
	{ "dial backoff", KUBO_UNREACHABLE },
	{ "no good addresses", KUBO_UNREACHABLE },
	{ "no addresses", KUBO_UNREACHABLE },
	{ "gater disallows", KUBO_DENIED },

	{ "invalid path", KUBO_BAD_REQUEST },
	{ "invalid cid", KUBO_BAD_REQUEST },
	{ "invalid CID", KUBO_BAD_REQUEST },
	{ "path does not have enough components", KUBO_BAD_REQUEST },
	{ "selected encoding not supported", KUBO_BAD_REQUEST },
	{ "found no ipfs peers at", KUBO_BAD_REQUEST }, /* an address without /p2p/ */
	{ "invalid peer address", KUBO_BAD_REQUEST },
	{ "failed to parse multiaddr", KUBO_BAD_REQUEST },
	{ "invalid multiaddr", KUBO_BAD_REQUEST },
	{ "hash functions not allowed", KUBO_BAD_REQUEST },
	{ "digest", KUBO_BAD_REQUEST }, /* too small or too large */
	{ "no decoder registered", KUBO_BAD_REQUEST },
	{ "unrecognized object type", KUBO_BAD_REQUEST },
	{ "pin name", KUBO_BAD_REQUEST },
	{ "argument \"", KUBO_BAD_REQUEST },
	{ "api version mismatch", KUBO_BAD_REQUEST },
	{ "unknown command", KUBO_BAD_REQUEST },
};

/* When no words are known, as from a proxy in front. */
static const struct {
	int status;
	enum kubo_outcome outcome;
} statuses[] = {
	{ 400, KUBO_BAD_REQUEST }, { 401, KUBO_DENIED },      { 403, KUBO_DENIED },
	{ 404, KUBO_BAD_REQUEST }, { 405, KUBO_BAD_REQUEST }, { 407, KUBO_DENIED },
	{ 408, KUBO_TIMED_OUT },   { 411, KUBO_BAD_REQUEST }, { 413, KUBO_BAD_REQUEST },
	{ 414, KUBO_BAD_REQUEST }, { 431, KUBO_BAD_REQUEST }, { 502, KUBO_RESTARTING },
	{ 503, KUBO_RESTARTING },  { 504, KUBO_TIMED_OUT },   { 507, KUBO_DISK_FULL },
};

enum kubo_outcome kubo_classify(int http_status, const char *message)
{
	/* A refusal is one whatever else its page says. */
	if (http_status == 401 || http_status == 403)
		return KUBO_DENIED;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		if (strstr(message, texts[i].words))
			return texts[i].outcome;
	}
	for (size_t i = 0; i < ARRAY_LEN(statuses); i++) {
		if (http_status == statuses[i].status)
			return statuses[i].outcome;
	}
	return KUBO_UNKNOWN;
}
