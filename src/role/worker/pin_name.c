#include "role/worker/pin_name.h"

#include <stdio.h>
#include <string.h>

#define HIDES " direct="

/* What follows our own part; NULL if the pin is not ours. */
static const char *rest(const char *ours, const char *name)
{
	size_t n = strlen(ours);

	return strncmp(name, ours, n) == 0 ? name + n : NULL;
}

bool pin_name_is_ours(const char *ours, const char *name)
{
	const char *after = rest(ours, name);

	return after && (*after == '\0' || pin_name_hidden(ours, name));
}

const char *pin_name_hidden(const char *ours, const char *name)
{
	const char *after = rest(ours, name);

	if (!after || strncmp(after, HIDES, strlen(HIDES)) != 0)
		return NULL;
	return after + strlen(HIDES);
}

void pin_name_over(const char *ours, const char *direct, char out[KUBO_NAME_MAX + 1])
{
	size_t n = (size_t)snprintf(out, KUBO_NAME_MAX + 1, "%s" HIDES, ours);

	for (; *direct && n < KUBO_NAME_MAX; direct++)
		if ((unsigned char)*direct >= ' ' && *direct != 0x7f)
			out[n++] = *direct;
	out[n] = '\0';
}
