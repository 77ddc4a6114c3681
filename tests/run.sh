#!/bin/sh
# sh tests/run.sh [LABEL...]   installs what the tests need, builds, runs them
#
#   no label     everything that a push must pass
#   unit it ...  only the tests with these labels, in the optimised build
#   nightly      the long campaigns as well (hours)
#
# Installs Debian packages (with sudo when not root), writes only to ./build and
# to temporary folders. Safe to run twice. Ends with "N passed, N failed".
set -eu
cd "$(dirname "$0")/.."
. tests/packages.sh

say() { printf '\n== %s\n' "$*"; }

passed=0
failed=0

# run_preset PRESET CTEST-ARGUMENTS...: build, test, count from the JUnit file.
run_preset() {
	preset=$1
	shift
	say "$preset: build"
	cmake --preset "$preset" >"build/$preset.configure.log" 2>&1 ||
		{ cat "build/$preset.configure.log"; exit 1; }
	cmake --build --preset "$preset" >"build/$preset.build.log" 2>&1 ||
		{ tail -n 60 "build/$preset.build.log"; exit 1; }
	say "$preset: tests"
	junit=$PWD/build/$preset.junit.xml
	rm -f "$junit"
	ctest --test-dir "build/$preset" --output-on-failure --no-tests=error \
		--output-junit "$junit" "$@" || true
	# A run that wrote no report has failed as a whole.
	if [ ! -s "$junit" ]; then
		failed=$((failed + 1))
		return
	fi
	n=$(sed -n 's/.*[^a-z]tests="\([0-9]*\)".*/\1/p' "$junit" | head -n 1)
	f=$(sed -n 's/.*failures="\([0-9]*\)".*/\1/p' "$junit" | head -n 1)
	d=$(sed -n 's/.*disabled="\([0-9]*\)".*/\1/p' "$junit" | head -n 1)
	s=$(sed -n 's/.*skipped="\([0-9]*\)".*/\1/p' "$junit" | head -n 1)
	passed=$((passed + n - f - ${d:-0} - ${s:-0}))
	failed=$((failed + f))
}

say "packages"
packages_install build test
mkdir -p build

jobs=$(nproc)
if [ $# -eq 0 ]; then
	run_preset asan -L 'unit|fuzz' -j "$jobs"
	run_preset tsan -L threads -j "$jobs"
	run_preset release -LE nightly -j "$jobs"
elif [ "$1" = nightly ]; then
	run_preset release -j "$jobs"
else
	labels=$(printf '%s|' "$@")
	run_preset release -L "${labels%|}" -LE nightly -j "$jobs"
fi

printf '\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
