/* commands.h -- the functions of the command table; each is explained by its row there. */
#pragma once

#include "bin/command.h"

/* cmd_config.c */
enum exit_code cmd_config_check(struct invocation *in);
enum exit_code cmd_config_show(struct invocation *in);
enum exit_code cmd_config_doc(struct invocation *in);

/* cmd_help.c */
enum exit_code cmd_help(struct invocation *in);
enum exit_code cmd_version(struct invocation *in);
enum exit_code cmd_completion(struct invocation *in);
enum exit_code cmd_doc(struct invocation *in);
