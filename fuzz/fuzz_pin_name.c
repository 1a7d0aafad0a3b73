/* Names of a node's pins: whose a pin is, and what it hides. */
#include "fuzz_target.h"

#include <string.h>

#include "base/arena.h"
#include "role/worker/pin_name.h"

#define OURS "pinfold/01arz3ndektsv4rrffq69g5fav"

/* A name of a user's own as it is kept: what is hidden comes back the same from then on. */
static void hide(const char *direct)
{
	char name[KUBO_NAME_MAX + 1], again[KUBO_NAME_MAX + 1];
	const char *hidden;

	pin_name_over(OURS, direct, name);
	assert(strlen(name) <= KUBO_NAME_MAX && pin_name_is_ours(OURS, name));
	hidden = pin_name_hidden(OURS, name);
	assert(hidden && strlen(hidden) <= strlen(direct));
	pin_name_over(OURS, hidden, again);
	assert(strcmp(again, name) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	const char *name = arena_printf(mem, "%.*s", (int)size, (const char *)data);
	const char *hidden = pin_name_hidden(OURS, name);

	if (hidden) {
		assert(hidden > name && hidden <= name + strlen(name));
		assert(pin_name_is_ours(OURS, name));
	} else {
		assert(pin_name_is_ours(OURS, name) == (strcmp(name, OURS) == 0));
	}
	hide(hidden ? hidden : name);
	return 0;
}
