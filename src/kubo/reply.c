#include "kubo/reply.h"

#include <jansson.h>
#include <stdio.h>
#include <string.h>

static void json_free(json_t *json)
{
	json_decref(json);
}
DEFINE_CLEANUP(json_t, json_free)

static const char *text_of(const json_t *obj, const char *key)
{
	const char *s = json_string_value(json_object_get(obj, key));

	return s ? s : "";
}

/* Absent counts as 0: Kubo leaves zeros out. */
static bool number_of(const json_t *obj, const char *key, uint64_t *out)
{
	const json_t *value = json_object_get(obj, key);

	if (value && (!json_is_integer(value) || json_integer_value(value) < 0))
		return false;
	*out = (uint64_t)json_integer_value(value);
	return true;
}

static const char *keep(struct reply *r, const char *s)
{
	return (const char *)arena_copy(r->mem, slice_str(s)).ptr;
}

/* Words from outside that end up in logs and answers: one line, printable. */
static void set_text(char text[KUBO_TEXT_MAX + 1], const char *words, size_t len)
{
	size_t n;

	while (len > 0 && (unsigned char)words[len - 1] <= ' ')
		len--;
	n = len < KUBO_TEXT_MAX ? len : KUBO_TEXT_MAX;
	while (n < len && n > 0 && ((unsigned char)words[n] & 0xc0) == 0x80)
		n--; /* not in the middle of a UTF-8 character */
	memcpy(text, words, n);
	text[n] = 0;
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
			text[i] = ' ';
	}
	if (n == 0)
		snprintf(text, KUBO_TEXT_MAX + 1, "failed without a message");
}

static bool read_id(struct reply *r, const json_t *obj)
{
	const json_t *addrs = json_object_get(obj, "Addresses");
	size_t n = json_array_size(addrs);
	const char **kept;

	if (n > KUBO_ADDRS_MAX)
		n = KUBO_ADDRS_MAX;
	kept = arena_new_array(r->mem, const char *, n + 1);
	for (size_t i = 0; i < n; i++) {
		const char *addr = json_string_value(json_array_get(addrs, i));

		if (!addr)
			return false;
		kept[i] = keep(r, addr);
	}
	r->done->who = (struct kubo_node_id){
		.peer_id = keep(r, text_of(obj, "ID")),
		.agent = keep(r, text_of(obj, "AgentVersion")),
		.addrs = kept,
		.n_addrs = (unsigned)n,
	};
	r->complete = r->done->who.peer_id[0] != 0;
	return r->complete;
}

static bool read_version(struct reply *r, const json_t *obj)
{
	r->done->version = keep(r, text_of(obj, "Version"));
	r->complete = r->done->version[0] != 0;
	return r->complete;
}

static bool read_pin(struct reply *r, const char *cid, const json_t *obj, struct kubo_pin *pin)
{
	const char *type = text_of(obj, "Type");

	/* "indirect through <cid>" */
	if (strncmp(type, "indirect", strlen("indirect")) == 0)
		type = "indirect";
	if (!*cid || !kubo_type_of(type, &pin->type))
		return false;
	pin->cid = keep(r, cid);
	pin->name = keep(r, text_of(obj, "Name"));
	return true;
}

static bool read_pin_ls(struct reply *r, const json_t *obj)
{
	json_t *keys = json_object_get(obj, "Keys");
	void *first = json_object_iter(keys);

	if (json_object_size(keys) != 1 ||
	    !read_pin(r, json_object_iter_key(first), json_object_iter_value(first), &r->done->pin))
		return false;
	r->complete = true;
	return true;
}

/* pin/add, pin/rm and pin/update name the pins they made or removed. */
static bool read_pins(struct reply *r, const json_t *obj)
{
	const json_t *pins = json_object_get(obj, "Pins");

	if (pins && (json_array_size(pins) == 0 || !json_is_string(json_array_get(pins, 0))))
		return false;
	r->complete = r->complete || pins;
	return true;
}

static bool read_pin_add(struct reply *r, const json_t *obj)
{
	struct kubo_progress *now = &r->done->progress;
	struct kubo_progress seen;

	if (!number_of(obj, "Progress", &seen.nodes) || !number_of(obj, "Bytes", &seen.bytes))
		return false;
	/* The line with the pins has none, and no number ever falls. */
	now->nodes = seen.nodes > now->nodes ? seen.nodes : now->nodes;
	now->bytes = seen.bytes > now->bytes ? seen.bytes : now->bytes;
	return read_pins(r, obj);
}

static bool read_pin_line(struct reply *r, const json_t *obj)
{
	struct kubo_pin pin;

	if (!read_pin(r, text_of(obj, "Cid"), obj, &pin))
		return false;
	buf_add(&r->pins, &pin, sizeof(pin));
	return true;
}

/* files/stat, or dag/stat, whose shape has changed over the versions. */
static bool read_stat(struct reply *r, const json_t *obj)
{
	static const char *const keys[] = { "CumulativeSize", "TotalSize", "Size" };
	const json_t *inner = json_array_get(json_object_get(obj, "DagStats"), 0);

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const json_t *in = json_object_get(obj, keys[i]) ? obj : inner;

		if (!json_object_get(in, keys[i]))
			continue;
		r->complete = number_of(in, keys[i], &r->done->size_bytes);
		return r->complete;
	}
	return false;
}

static bool read_repo(struct reply *r, const json_t *obj)
{
	r->complete = json_object_get(obj, "RepoSize") &&
		      number_of(obj, "RepoSize", &r->done->repo.used_bytes) &&
		      number_of(obj, "StorageMax", &r->done->repo.max_bytes);
	return r->complete;
}

static bool read_connect(struct reply *r, const json_t *obj)
{
	const char *word = json_string_value(json_array_get(json_object_get(obj, "Strings"), 0));
	size_t n = word ? strlen(word) : 0, want = strlen(" success");

	if (!word)
		return false;
	r->complete = n > want && strcmp(word + n - want, " success") == 0;
	if (!r->complete)
		set_text(r->done->text, word, n);
	return true;
}

static bool read_gc(struct reply *r, const json_t *obj)
{
	const char *error = text_of(obj, "Error");

	if (*error) {
		set_text(r->done->text, error, strlen(error));
		return true;
	}
	r->done->collected++;
	return json_is_object(json_object_get(obj, "Key"));
}

static bool (*const read_kind[KUBO_N_KINDS])(struct reply *, const json_t *) = {
	[KUBO_ID] = read_id,
	[KUBO_VERSION] = read_version,
	[KUBO_PIN_LS] = read_pin_ls,
	[KUBO_PIN_ADD] = read_pin_add,
	[KUBO_PIN_RM] = read_pins,
	[KUBO_PIN_UPDATE] = read_pins,
	[KUBO_PIN_LIST] = read_pin_line,
	[KUBO_STAT] = read_stat,
	[KUBO_REPO_STAT] = read_repo,
	[KUBO_SWARM_CONNECT] = read_connect,
	[KUBO_REPO_GC] = read_gc,
};

static json_t *parse(struct slice text)
{
	return json_loadb((const char *)text.ptr, text.len, JSON_REJECT_DUPLICATES, NULL);
}

bool reply_line(struct reply *r, struct slice line)
{
	CLEANUP(json_free) json_t *obj = parse(line);

	if (!json_is_object(obj))
		return false;
	if (strcmp(text_of(obj, "Type"), "error") == 0 && json_object_get(obj, "Message")) {
		set_text(r->done->text, text_of(obj, "Message"), strlen(text_of(obj, "Message")));
		return true;
	}
	return read_kind[r->done->kind](r, obj);
}

void reply_error_text(struct slice body, char text[KUBO_TEXT_MAX + 1])
{
	CLEANUP(json_free) json_t *obj = parse(body);
	const char *words = json_string_value(json_object_get(obj, "Message"));
	const uint8_t *end;

	if (words) {
		set_text(text, words, strlen(words));
		return;
	}
	end = body.len > 0 ? memchr(body.ptr, '\n', body.len) : NULL;
	set_text(text, (const char *)body.ptr, end ? (size_t)(end - body.ptr) : body.len);
}
