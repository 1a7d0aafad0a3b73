#include "kubo/kubo.h"

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "kubo/kubo_ops.h"
#include "kubo/request.h"

static const struct kind {
	const char *name;
	bool cid, to_cid, addr; /* texts it needs */
	struct kubo_limits limits;
} kinds[KUBO_N_KINDS] = {
	[KUBO_ID] = { "id", .limits = { 10 * US_PER_S } },
	[KUBO_VERSION] = { "version", .limits = { 5 * US_PER_S } },
	[KUBO_PIN_LS] = { "pin/ls", .cid = true, .limits = { 30 * US_PER_S } },
	[KUBO_PIN_ADD] = { "pin/add", .cid = true, .limits = { 0, 2 * US_PER_MIN } },
	/* These wait behind a garbage collection, which can take long. */
	[KUBO_PIN_RM] = { "pin/rm", .cid = true, .limits = { 5 * US_PER_MIN } },
	[KUBO_PIN_UPDATE] = { "pin/update", .cid = true, .to_cid = true, .limits = { US_PER_H } },
	[KUBO_PIN_LIST] = { "pin/ls-all", .limits = { 0, 5 * US_PER_MIN } },
	[KUBO_STAT] = { "stat", .cid = true, .limits = { 30 * US_PER_S } },
	[KUBO_REPO_STAT] = { "repo/stat", .limits = { 30 * US_PER_S } },
	[KUBO_SWARM_CONNECT] = { "swarm/connect", .addr = true, .limits = { 30 * US_PER_S } },
	[KUBO_REPO_GC] = { "repo/gc", .limits = { 24 * US_PER_H } },
};

static const char *const outcome_names[KUBO_N_OUTCOMES] = {
	[KUBO_OK] = "ok",
	[KUBO_NOT_PINNED] = "not-pinned",
	[KUBO_ALREADY_PINNED] = "already-pinned",
	[KUBO_NOT_LOCAL] = "not-local",
	[KUBO_STALLED] = "stalled",
	[KUBO_TIMED_OUT] = "timed-out",
	[KUBO_DENIED] = "denied",
	[KUBO_UNREACHABLE] = "unreachable",
	[KUBO_BAD_REQUEST] = "bad-request",
	[KUBO_DISK_FULL] = "disk-full",
	[KUBO_RESTARTING] = "restarting",
	[KUBO_CANCELED] = "canceled",
	[KUBO_UNKNOWN] = "unknown",
};

static const char *const type_names[] = {
	[KUBO_DIRECT] = "direct",
	[KUBO_RECURSIVE] = "recursive",
	[KUBO_INDIRECT] = "indirect",
};

const char *kubo_kind_name(enum kubo_kind kind)
{
	assert(kind < KUBO_N_KINDS);
	return kinds[kind].name;
}

const char *kubo_outcome_name(enum kubo_outcome outcome)
{
	assert(outcome < KUBO_N_OUTCOMES);
	return outcome_names[outcome];
}

const char *kubo_type_name(enum kubo_type type)
{
	assert(type < ARRAY_LEN(type_names));
	return type_names[type];
}

bool kubo_type_of(const char *name, enum kubo_type *out)
{
	for (unsigned t = 0; t < ARRAY_LEN(type_names); t++) {
		if (strcmp(name, type_names[t]) == 0) {
			*out = t;
			return true;
		}
	}
	return false;
}

struct kubo_limits kubo_limits_of(const struct kubo_op *op)
{
	struct kubo_limits limits = kinds[op->kind].limits;

	if (op->timeout_us > 0)
		limits.timeout_us = op->timeout_us;
	if (op->stall_us > 0 && op->kind == KUBO_PIN_ADD)
		limits.stall_us = op->stall_us;
	return limits;
}

/* What may stand in a query: control characters and, but in names, spaces may not. */
static bool check_text(const char *what, const char *s, size_t max, char lowest, struct err *err)
{
	if (!s || !*s)
		return err_set(err, ERR_INVALID, "%s is missing", what);
	for (size_t i = 0; s[i]; i++) {
		if (i >= max)
			return err_set(err, ERR_INVALID, "%s is longer than %zu bytes", what, max);
		if ((unsigned char)s[i] < (unsigned char)lowest || s[i] == 0x7f)
			return err_set(err, ERR_INVALID, "%s has a byte 0x%02x at %zu", what,
				       (unsigned char)s[i], i);
	}
	return true;
}

static bool check_op(const struct kubo *kubo, const struct kubo_op *op, struct err *err)
{
	const struct kind *kind = &kinds[op->kind];

	if (op->node >= kubo->n_nodes)
		return err_set(err, ERR_INVALID, "there is no node %u", op->node);
	if (kind->cid && !check_text("cid", op->cid, KUBO_CID_MAX, '!', err))
		return false;
	if (kind->to_cid && !check_text("to_cid", op->to_cid, KUBO_CID_MAX, '!', err))
		return false;
	if (kind->addr && !check_text("addr", op->addr, KUBO_ADDR_MAX, '!', err))
		return false;
	if (op->name && *op->name && !check_text("name", op->name, KUBO_NAME_MAX, ' ', err))
		return false;
	return true;
}

void kubo_free(struct kubo *kubo)
{
	if (kubo)
		kubo->ops->free(kubo);
}

bool kubo_add_node(struct kubo *kubo, const struct kubo_node *cfg, unsigned *node, struct err *err)
{
	assert(cfg->url && (cfg->auth == KUBO_AUTH_NONE || cfg->secret));
	if (!kubo->ops->add_node(kubo, cfg, err)) {
		CLEANUP(buf_free) struct buf shown = { 0 };

		request_shown(cfg->url, &shown);
		return err_wrap(err, "kubo node %.*s", SLICE_FMT(buf_slice(&shown)));
	}
	*node = kubo->n_nodes++;
	return true;
}

bool kubo_start(struct kubo *kubo, const struct kubo_op *op, uint64_t *id, struct err *err)
{
	assert(op->kind < KUBO_N_KINDS);
	assert(op->type == KUBO_DIRECT || op->type == KUBO_RECURSIVE);
	if (!check_op(kubo, op, err) || !kubo->ops->start(kubo, op, kubo->last_id + 1, err))
		return err_wrap(err, "kubo %s", kinds[op->kind].name);
	*id = ++kubo->last_id;
	return true;
}

void kubo_cancel(struct kubo *kubo, uint64_t id)
{
	kubo->ops->cancel(kubo, id);
}

bool kubo_next(struct kubo *kubo, int64_t until_mono_us, struct kubo_done *out)
{
	return kubo->ops->next(kubo, until_mono_us, out);
}

void kubo_wake(struct kubo *kubo)
{
	kubo->ops->wake(kubo);
}

bool kubo_progress(struct kubo *kubo, uint64_t id, struct kubo_progress *out)
{
	return kubo->ops->progress(kubo, id, out);
}
