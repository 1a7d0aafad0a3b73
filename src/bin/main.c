/* The program `pinfold`: see command.h. */
#include <locale.h>
#include <unistd.h>

#include "bin/command.h"

/* jemalloc reads it: few heaps, and a thread that gives back what was freed
 * (docs/decisions/0306-allocator.md). */
extern const char *const malloc_conf;
const char *const malloc_conf = "narenas:4,background_thread:true";

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	return command_main(argc, argv, (const char *const *)environ);
}
