/*
 * pin_json.h -- pins as JSON: what clients send, and what they are shown.
 *
 * The objects of the Pinning Service API 1.0.0 (Pin, PinStatus) and those of /v1 (PinCreate,
 * PinPatch, Pin, Copy; see openapi.json).  Optional members that have no value are left
 * out, never null.
 */
#pragma once

#include "kubo/kubo.h"
#include "role/api/delegates.h"
#include "role/pins.h"
#include "role/shortage.h"
#include "json/json_reader.h"
#include "json/json_writer.h"

/* A Pin of the standard: members it does not name are ignored.  What it points to lives in
 * the document or in `mem`.  ERR_INVALID. */
bool psa_read_pin(const json_t *body, struct arena *mem, struct pin_ask *out,
		  struct err *err) MUST_CHECK;

/* PinCreate (`creating`; with `line` also its key) or PinPatch. */
bool v1_read_pin(const json_t *body, bool creating, bool line, struct arena *mem,
		 struct pin_ask *out, struct err *err) MUST_CHECK;

/* Members that several objects have: a number, or an object of two. */
bool v1_read_replicas(const json_t *value, int32_t *min, int32_t *max, struct err *err) MUST_CHECK;
bool v1_read_duration(struct slice text, const char *name, int64_t *us, struct err *err) MUST_CHECK;
bool v1_read_strings(const json_t *value, const char *name, size_t max, struct arena *mem,
		     struct slice_list *out, struct err *err) MUST_CHECK;

/* Of a queued copy among all that its peer has not settled. */
struct queue_place {
	uint32_t position; /* from 1; 0: it is not queued */
	uint32_t length;
	bool at_least; /* the queue is longer than what was read: both may be more */
};

/* What is shown of a pin beside its row. */
struct pin_extra {
	struct delegates *delegates;  /* of /pins alone; refreshed */
	const struct cid_view *view;  /* shown_view(); NULL: not looked at */
	const struct peer_row *peers; /* sorted by number, as store_peers() gives them */
	size_t n_peers;
	const struct queue_place *places;     /* for each copy of the view, or NULL */
	const struct kubo_progress *progress; /* likewise; all 0 where nothing is known */
	struct shortage shortage;             /* of copies; none where nothing is known */
	struct slice_list allocations;        /* wished; empty where they were not looked up */
	bool owner;                           /* name him: they are not all of one */
};

/* A PinStatus. */
void psa_write_status(struct json_writer *w, const struct owner_pin *row,
		      const struct pin_extra *extra);

/* A Pin of /v1, with its copies if `extra` has a view. */
void v1_write_pin(struct json_writer *w, const struct owner_pin *row,
		  const struct pin_extra *extra);

/* "created" and its like: an RFC 3339 time, with six digits where three would not tell it. */
void json_key_time(struct json_writer *w, const char *name, int64_t us);
/* Left out where it has no value. */
void json_key_time_if(struct json_writer *w, const char *name, int64_t us);
void json_key_str_if(struct json_writer *w, const char *name, struct slice text);
void json_key_strings(struct json_writer *w, const char *name, struct slice_list list);
void json_key_replicas(struct json_writer *w, int32_t min, int32_t max);
