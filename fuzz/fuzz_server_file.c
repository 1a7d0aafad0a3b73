/* DIR/server.json, as a command finds it: written by any program, while a server has its lock. */
#include "fuzz_target.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "bin/server_file.h"

static bool read_back(const char *dir, int lock, struct arena *mem, struct server_file *file)
{
	struct server_file again;
	struct err err;

	if (ftruncate(lock, 0) != 0 || lseek(lock, 0, SEEK_SET) != 0 ||
	    !server_file_write(lock, file, &err) || !server_file_read(dir, mem, &again))
		return false;
	return strcmp(again.url, file->url) == 0 && strcmp(again.store, file->store) == 0 &&
	       strcmp(again.cert_file, file->cert_file) == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	CLEANUP(arena_free) struct arena *mem = arena_new();
	char dir[] = "/tmp/pinfold-fuzz-XXXXXX";
	struct server_file file = { "as it was", "", "" };
	struct err err;
	int lock;
	bool ok;

	if (!mkdtemp(dir) || !server_file_lock(dir, &lock, &err) ||
	    (size > 0 && pwrite(lock, data, size, 0) != (ssize_t)size)) {
		perror(dir);
		abort();
	}
	if (server_file_read(dir, mem, &file)) {
		callable_url(file.url, mem);
		ok = read_back(dir, lock, mem, &file);
		assert(ok);
	} else {
		assert(strcmp(file.url, "as it was") == 0);
	}
	server_file_remove(dir, lock);
	rmdir(dir);
	return 0;
}
