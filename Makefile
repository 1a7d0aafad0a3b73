# The verbs.  Meson and Ninja do the work; tools/builds/ describes the builds.
.DEFAULT_GOAL := all
.PHONY: all run test check soak bench fuzz cov docs format clean setup

SOURCES = $(shell git ls-files -co --exclude-standard '*.[ch]')
# of `make fuzz`: seconds for each target, and how many run at once
TIME ?= 60
JOBS ?= 1

all: setup ## build/pinfold
	@tools/build release

run: all ## Pinfold on this machine, with a Kubo of its own if there is none
	@tools/run $(ARGS)

setup: ## install what is missing (Debian 12)
	@tools/setup

test: ## everything, in the release, asan+ubsan and tsan builds
	@tools/setup || { echo "0 passed, 1 failed"; exit 1; }
	@tools/test-run

check: setup ## the quick part of the tests
	@tools/test-run check

soak: all ## the long tests
	@meson test -C build --no-rebuild --suite soak --timeout-multiplier 0 --verbose

bench: all ## every bench, one after the other
	@set -e; for b in $$(find bench -maxdepth 1 -type f -perm -u+x | sort); do $$b; done

bench-%: all ## one of them: bench/NAME
	@bench/$*

fuzz: setup ## every decoder for TIME seconds, JOBS at once
	@tools/build fuzz
	@tools/fuzz --seconds $(TIME) --jobs $(JOBS)

cov: setup ## line coverage of src/ by the tests of `make test`
	@tools/build cov
	@find build-cov -name '*.gcda' -delete
	@tools/test-run cov; tests=$$?; tools/coverage.py build-cov && exit $$tests

docs: all ## what the program prints of itself: options, metrics, manual page
	@tools/printed.py build/pinfold . --write

format: setup
	@clang-format -i $(SOURCES)

clean:
	rm -rf build build-asan build-tsan build-cov build-fuzz
