/* The program `pinfold`: see command.h. */
#include <locale.h>
#include <unistd.h>

#include "bin/command.h"

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "C.UTF-8");
	return command_main(argc, argv, (const char *const *)environ);
}
