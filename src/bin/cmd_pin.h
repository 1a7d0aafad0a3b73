/* cmd_pin.h -- what the two halves of the pin commands share. */
#pragma once

#include <jansson.h>

#include "bin/command.h"

/* The options of pin add and pin update as members of a PinCreate or PinPatch. */
enum exit_code pin_body(const struct invocation *in, json_t *body);

/* pin add -: a line of stdin is a CID, or a JSON object as /v1/bulk/create takes it. */
enum exit_code pin_add_stdin(struct invocation *in);

/* Microseconds of a clock that never steps. */
int64_t mono_us(void);
