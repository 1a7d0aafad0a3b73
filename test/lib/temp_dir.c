#include "lib/temp_dir.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

void temp_dir_make(char out[TEMP_DIR_MAX])
{
	const char *base = getenv("TMPDIR");

	snprintf(out, TEMP_DIR_MAX, "%s/pinfold-XXXXXX", base ? base : "/tmp");
	if (!mkdtemp(out))
		abort();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st, (void)type, (void)at;
	return remove(path);
}

void temp_dir_remove(const char *path)
{
	nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}
