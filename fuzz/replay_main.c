/*
 * replay_main.c -- runs a fuzz target over a folder of inputs, once each.
 *
 *	fuzz_cid fuzz/corpus/cid
 *
 * Stands in for libFuzzer where it is not built in, so that every input that
 * ever broke a decoder is tried again with any compiler.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void replay(const char *folder, const char *name)
{
	char path[4096];
	uint8_t *data = NULL;
	size_t size = 0;
	FILE *file, *copy;
	int c;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "rb");
	copy = open_memstream((char **)&data, &size);
	if (!file || !copy) {
		perror(path);
		exit(1);
	}
	while ((c = getc(file)) != EOF)
		putc(c, copy);
	fclose(file);
	fclose(copy);
	printf("%s\n", path);
	fflush(stdout);
	/* In memory of just its size, so that a sanitizer sees reads behind it. */
	uint8_t *exact = malloc(size);
	for (size_t i = 0; i < size; i++)
		exact[i] = data[i];
	free(data);
	LLVMFuzzerTestOneInput(exact, size);
	free(exact);
}

int main(int argc, char **argv)
{
	struct dirent *entry;
	int n = 0;
	DIR *dir;

	if (argc != 2 || !(dir = opendir(argv[1]))) {
		fprintf(stderr, "usage: %s FOLDER\n", argv[0]);
		return 2;
	}
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		replay(argv[1], entry->d_name);
		n++;
	}
	closedir(dir);
	return n > 0 ? 0 : 1;
}
