/*
 * keys.h -- API keys in the store: make, list, revoke, rotate, verify.
 *
 * A key that was verified is remembered for 30 s, one that is not there for 5 s; so a
 * revocation holds at once in this process and within 30 s in others.  Whatever is wrong
 * with a key, the answer is the same and takes as long.
 *
 * Any thread; no lock is held across a call of the store.
 */
#pragma once

#include "auth/api_key.h"
#include "base/arena.h"
#include "base/clock.h"
#include "base/rand.h"
#include "store/store.h"

#define KEYS_NAME_MAX   64         /* bytes */
#define KEYS_OVERLAP_US US_PER_DAY /* an old secret stays good so long, by default */
#define KEYS_ADMIN      "admin"    /* the owner of the first key */

struct keys;

/* Makes the pepper if the store has none. */
bool keys_open(struct store *store, struct clock *clock, struct rand *rand, struct keys **out,
	       struct err *err) MUST_CHECK;
void keys_free(struct keys *keys); /* NULL is fine */
DEFINE_CLEANUP(struct keys, keys_free)

struct key_wish {
	struct slice owner, name;
	enum key_scope scope;
	int64_t expires_at; /* us; 0 = never */
};

/* A new key: `text` is the only place where its secret stands.  *row is in `mem`. */
bool keys_create(struct keys *keys, const struct key_wish *wish, struct arena *mem,
		 struct api_key_text *text, const struct api_key **row, struct err *err) MUST_CHECK;

/* Up to `limit` keys of `owner` (empty: of all) in order of their ids after `after`;
 * *more tells whether there can be others after the last one. */
bool keys_list(struct keys *keys, struct slice owner, struct slice after, size_t limit,
	       struct arena *mem, const struct api_key ***out, size_t *n, bool *more,
	       struct err *err) MUST_CHECK;

/* Ends a key of `owner` for ever; *found false if there is none. */
bool keys_revoke(struct keys *keys, struct slice owner, struct slice id, struct arena *mem,
		 bool *found, struct err *err) MUST_CHECK;

/* Gives a key that is good a new secret; the old one stays good for `overlap_us`, one from
 * before that does not.  *row is NULL if there is no such key. */
bool keys_rotate(struct keys *keys, struct slice owner, struct slice id, int64_t overlap_us,
		 struct arena *mem, struct api_key_text *text, const struct api_key **row,
		 struct err *err) MUST_CHECK;

struct key_identity { /* who a good key speaks for */
	char owner[OWNER_MAX + 1];
	char key_id[API_KEY_ID_LEN + 1];
	uint8_t scopes;
};

/* *good false: malformed, unknown, wrong secret, expired or revoked. */
bool keys_verify(struct keys *keys, struct slice text, struct key_identity *out, bool *good,
		 struct err *err) MUST_CHECK;

/* Sees to it that `dir`/admin.key holds a good key of the owner "admin" with scope admin,
 * and that only this user can read it: makes one where there is none. */
bool keys_ensure_admin(struct keys *keys, const char *dir, struct err *err) MUST_CHECK;
