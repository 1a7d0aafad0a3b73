/* commands.h -- the functions of the command table; each is explained by its row there. */
#pragma once

#include "bin/command.h"

/* cmd_pin.c */
enum exit_code cmd_pin_add(struct invocation *in);
enum exit_code cmd_pin_ls(struct invocation *in);
enum exit_code cmd_pin_get(struct invocation *in);
enum exit_code cmd_pin_rm(struct invocation *in);
enum exit_code cmd_pin_update(struct invocation *in);
enum exit_code cmd_pin_wait(struct invocation *in);
enum exit_code cmd_pin_retry(struct invocation *in);

/* cmd_peer.c */
enum exit_code cmd_peer_ls(struct invocation *in);
enum exit_code cmd_peer_add(struct invocation *in);
enum exit_code cmd_peer_set(struct invocation *in);
enum exit_code cmd_peer_drain(struct invocation *in);
enum exit_code cmd_peer_pause(struct invocation *in);
enum exit_code cmd_peer_resume(struct invocation *in);
enum exit_code cmd_peer_gc(struct invocation *in);
enum exit_code cmd_peer_rm(struct invocation *in);

/* cmd_admin.c */
enum exit_code cmd_key_create(struct invocation *in);
enum exit_code cmd_key_ls(struct invocation *in);
enum exit_code cmd_key_revoke(struct invocation *in);
enum exit_code cmd_key_rotate(struct invocation *in);
enum exit_code cmd_owner_ls(struct invocation *in);
enum exit_code cmd_owner_show(struct invocation *in);
enum exit_code cmd_owner_set(struct invocation *in);
enum exit_code cmd_deny_add(struct invocation *in);
enum exit_code cmd_deny_ls(struct invocation *in);
enum exit_code cmd_deny_rm(struct invocation *in);

/* cmd_status.c */
enum exit_code cmd_status(struct invocation *in);
enum exit_code cmd_rebalance(struct invocation *in);
enum exit_code cmd_drift(struct invocation *in);

/* cmd_bench.c */
enum exit_code cmd_bench(struct invocation *in);

/* cmd_up.c */
enum exit_code cmd_up(struct invocation *in);

/* cmd_store.c */
enum exit_code cmd_store_check(struct invocation *in);
enum exit_code cmd_store_backup(struct invocation *in);
enum exit_code cmd_store_restore(struct invocation *in);

/* cmd_store_state.c */
enum exit_code cmd_store_export(struct invocation *in);
enum exit_code cmd_store_import(struct invocation *in);

/* cmd_config.c */
enum exit_code cmd_config_check(struct invocation *in);
enum exit_code cmd_config_show(struct invocation *in);
enum exit_code cmd_config_doc(struct invocation *in);

/* cmd_help.c */
enum exit_code cmd_help(struct invocation *in);
enum exit_code cmd_version(struct invocation *in);
enum exit_code cmd_completion(struct invocation *in);
enum exit_code cmd_doc(struct invocation *in);
