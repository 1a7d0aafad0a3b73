#!/bin/sh
# full_disk.sh TEST LIBRARY -- runs TEST with LIBRARY between it and the disk.
set -eu
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# The sanitizers want to be first, and need not.
ASAN_OPTIONS=verify_asan_link_order=0${ASAN_OPTIONS:+:$ASAN_OPTIONS} PINFOLD_FAIL_WRITES=$dir/fail LD_PRELOAD=$2 "$1"
