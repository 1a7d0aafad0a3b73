/* temp_dir.h -- a directory of the test's own that goes with it. */
#pragma once

#define TEMP_DIR_MAX 256

/* Makes an empty directory under TMPDIR or /tmp; writes its path to `out`. */
void temp_dir_make(char out[TEMP_DIR_MAX]);
/* With all that is in it. */
void temp_dir_remove(const char *path);
