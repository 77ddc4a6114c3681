#!/bin/sh
# replay_test.sh PLANTED_REPLAY CORPUS_DIR: the replay finds a planted bug, keeps
# the input that shows it, finds the same one again, and refuses to pass without
# a corpus.
set -eu

replay=$1
corpus=$2
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cd "$dir"

fail() {
	echo "replay_test: $*" >&2
	exit 1
}

if "$replay" "$corpus" 5000 2>first; then
	fail "the planted bug was not found"
fi
grep -q 'data\[0\] != 3 does not hold' first || fail "another death: $(cat first)"
grep -q '^fuzz-crash.bin holds the input: round [0-9]' first ||
	fail "it does not say which input it was"
mv fuzz-crash.bin first.bin
[ "$(od -An -tu1 -N1 first.bin | tr -d ' ')" = 3 ] ||
	fail "the input that was kept does not show the bug"

if "$replay" "$corpus" 5000 2>second; then
	fail "the second run did not find it"
fi
cmp first.bin fuzz-crash.bin || fail "two runs differ"

mkdir empty
rc=0
"$replay" "$dir/empty" 10 2>/dev/null || rc=$?
[ "$rc" -eq 66 ] || fail "an empty corpus passed with $rc"
