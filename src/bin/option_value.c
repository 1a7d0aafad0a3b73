#include "bin/option_value.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "model/duration.h"

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit sizes[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "KiB", UINT64_C(1) << 10 },
	{ "MiB", UINT64_C(1) << 20 },
	{ "GiB", UINT64_C(1) << 30 },
	{ "TiB", UINT64_C(1) << 40 },
	{ "KB", UINT64_C(1000) },
	{ "MB", UINT64_C(1000000) },
	{ "GB", UINT64_C(1000000000) },
	{ "TB", UINT64_C(1000000000000) },
};

/* Digits, and at most six behind a point, as millionths. */
static bool decimal(const char **text, uint64_t *millionths)
{
	const char *p = *text;
	uint64_t whole = 0, part = 0, scale = 100000;

	if (*p < '0' || *p > '9')
		return false;
	for (; *p >= '0' && *p <= '9'; p++) {
		if (whole > UINT64_MAX / 10000000000)
			return false;
		whole = 10 * whole + (uint64_t)(*p - '0');
	}
	if (*p == '.') {
		if (*++p < '0' || *p > '9')
			return false;
		for (; *p >= '0' && *p <= '9'; p++, scale /= 10)
			part += scale * (uint64_t)(*p - '0');
	}
	if (whole > (UINT64_MAX - part) / 1000000)
		return false;
	*millionths = whole * 1000000 + part;
	*text = p;
	return true;
}

static bool times(uint64_t millionths, uint64_t factor, uint64_t *out)
{
	unsigned __int128 product = (unsigned __int128)millionths * factor / 1000000;

	*out = (uint64_t)product;
	return product <= INT64_MAX;
}

bool size_parse(const char *text, uint64_t *out)
{
	uint64_t millionths;
	char *end;

	errno = 0; /* plain bytes go beyond what has room for millionths */
	if (*text >= '0' && *text <= '9') {
		unsigned long long n = strtoull(text, &end, 10);

		if (!errno && !*end && n <= INT64_MAX) {
			*out = n;
			return true;
		}
	}
	if (!decimal(&text, &millionths))
		return false;
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++)
		if (!strcmp(text, sizes[i].name))
			return times(millionths, sizes[i].factor, out);
	return false;
}

static bool int_parse(const char *text, int64_t *out)
{
	char *end;

	errno = 0;
	*out = strtoll(text, &end, 10);
	return !errno && end != text && !*end && (*text == '-' || (*text >= '0' && *text <= '9'));
}

static bool number(enum option_type type, const char *text, int64_t *out)
{
	struct err unused;
	uint64_t size;

	switch (type) {
	case OPTION_INT:
		return int_parse(text, out);
	case OPTION_DURATION:
		return duration_parse(slice_str(text), out, &unused);
	case OPTION_SIZE:
		if (!size_parse(text, &size))
			return false;
		*out = (int64_t)size;
		return true;
	case OPTION_BOOL:
	case OPTION_TEXT:
	case OPTION_PATH:
	case OPTION_ENUM:
	case OPTION_LIST:
	case OPTION_KUBO:
		break;
	}
	return false;
}

static bool in_range(const struct option_row *row, int64_t n)
{
	int64_t bound;

	if (row->lo && number(row->type, row->lo, &bound) && n < bound)
		return false;
	return !(row->hi && number(row->type, row->hi, &bound) && n > bound);
}

static const char *expand_home(const char *path, struct arena *mem)
{
	const char *home = getenv("HOME");

	if (strncmp(path, "~/", 2) != 0 || !home)
		return path;
	return arena_printf(mem, "%s/%s", home, path + 2);
}

struct texts texts_split(const char *text, struct arena *mem)
{
	struct texts out = { 0 };
	const char **items;
	size_t max = 1;

	for (const char *p = text; *p; p++)
		max += *p == ',';
	items = arena_new_array(mem, const char *, max);
	while (*text) {
		size_t n;

		text += strspn(text, " ,");
		n = strcspn(text, ",");
		while (n > 0 && text[n - 1] == ' ')
			n--;
		if (n > 0)
			items[out.n++] = (const char *)arena_copy(mem, SLICE_OF(text, n)).ptr;
		text += strcspn(text, ",");
	}
	out.items = items;
	return out;
}

static bool set_enum(const struct option_row *row, const char *text, int *out)
{
	for (int i = 0; row->names[i]; i++) {
		if (!strcmp(text, row->names[i])) {
			*out = i;
			return true;
		}
	}
	return false;
}

static bool set_list(const struct option_row *row, struct texts list, struct texts *out)
{
	const char *what;

	for (size_t i = 0; row->check && i < list.n; i++)
		if (!row->check(list.items[i], &what))
			return false;
	*out = list;
	return true;
}

static bool set_number(const struct option_row *row, const char *text, void *out)
{
	int64_t n;

	if (!number(row->type, text, &n) || !in_range(row, n))
		return false;
	if (row->type == OPTION_SIZE)
		*(uint64_t *)out = (uint64_t)n;
	else
		*(int64_t *)out = n;
	return true;
}

bool option_set(const struct option_row *row, const char *text, struct arena *mem,
		struct config *config)
{
	void *out = (char *)config + row->offset;
	const char *what;

	switch (row->type) {
	case OPTION_BOOL:
		*(bool *)out = !strcmp(text, "true");
		return *(bool *)out || !strcmp(text, "false");
	case OPTION_INT:
	case OPTION_SIZE:
	case OPTION_DURATION:
		return set_number(row, text, out);
	case OPTION_TEXT:
		if (*text && row->check && !row->check(text, &what))
			return false;
		*(const char **)out = text;
		return true;
	case OPTION_PATH:
		*(const char **)out = expand_home(text, mem);
		return true;
	case OPTION_ENUM:
		return set_enum(row, text, out);
	case OPTION_LIST:
		return set_list(row, texts_split(text, mem), out);
	case OPTION_KUBO:
		break;
	}
	return false;
}

static const char *range(const struct option_row *row, struct arena *mem)
{
	if (row->lo && row->hi)
		return arena_printf(mem, ", from %s to %s", row->lo, row->hi);
	if (row->lo)
		return arena_printf(mem, ", at least %s", row->lo);
	return "";
}

static const char *one_of(const struct option_row *row, struct arena *mem)
{
	char *out = arena_printf(mem, "%s", row->names[0]);

	for (int i = 1; row->names[i]; i++)
		out = arena_printf(mem, "%s%s%s", out, row->names[i + 1] ? ", " : " or ",
				   row->names[i]);
	return out;
}

const char *option_allowed(const struct option_row *row, struct arena *mem)
{
	const char *what = "a text";

	switch (row->type) {
	case OPTION_BOOL:
		return "true or false";
	case OPTION_INT:
		return arena_printf(mem, "a number%s", range(row, mem));
	case OPTION_SIZE:
		return arena_printf(mem, "a size such as 64MiB%s", range(row, mem));
	case OPTION_DURATION:
		return arena_printf(mem, "a duration such as 90s%s", range(row, mem));
	case OPTION_TEXT:
		if (row->check)
			row->check("", &what);
		return what;
	case OPTION_PATH:
		return "a path";
	case OPTION_ENUM:
		return one_of(row, mem);
	case OPTION_LIST:
		if (row->check)
			row->check("", &what);
		return arena_printf(mem, "a list, each item %s", what);
	case OPTION_KUBO:
		return "a list, each item a URL such as http://127.0.0.1:5001 or "
		       "unix:/run/ipfs/api.sock, without user and password: worker.kubo_auth has "
		       "those";
	}
	return what;
}
