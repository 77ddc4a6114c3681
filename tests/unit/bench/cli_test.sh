#!/bin/sh
# synod-bench as a user meets it: exit codes, messages, the last line of -o json,
# and that nothing is left behind.
# cli_test.sh SYNOD_BENCH SYNODD
set -u
bench=$1
synodd=$2
TMPDIR=$(mktemp -d)
export TMPDIR
trap 'rm -rf "$TMPDIR"' EXIT
out=$TMPDIR/out
failed=0

fail() {
	echo "FAIL: $*"
	sed 's/^/    /' "$out"
	failed=1
}

# expect CODE ARGS...: output goes to $out.
expect() {
	want=$1
	shift
	"$@" >"$out" 2>&1 </dev/null
	got=$?
	[ "$got" -eq "$want" ] || fail "exit $got, not $want: $*"
}

says() {
	grep -q -e "$1" "$out" || fail "does not say: $1"
}

expect 2 "$bench"
says 'synod-bench --help'
expect 2 "$bench" lag
expect 2 "$bench" log --sizes 4K
says '4KiB'
expect 0 "$bench" --help
says 'failover'
expect 0 "$bench" log --help
says 'vs etcd'
expect 0 "$bench" --version

expect 3 env PATH=/nonexistent "$bench" log --vs etcd
says 'etcd-server'
expect 3 "$bench" log --endpoint "ipc://$TMPDIR/nobody.sock" --seconds 1
says 'nobody.sock'
expect 3 "$bench" log --synodd /nonexistent/synodd
says '/nonexistent/synodd'

expect 0 "$bench" log --synodd "$synodd" --sizes 128,64KiB --concurrency 4 \
	--seconds 0.3 -o json
tail -n 1 "$out" >"$TMPDIR/last"
for key in scenario durability cases size concurrency entries_s mb_s p50_ms \
	p95_ms p99_ms max_ms cpu_s rss_bytes; do
	grep -q "\"$key\":" "$TMPDIR/last" || fail "no $key in the last line"
done
grep -q '"durability":"fsync on a quorum"' "$TMPDIR/last" ||
	fail "the durability is not said"

expect 0 "$bench" fleet --synodd "$synodd" --nodes 1
says 'leader'

# Interrupted in the middle of a run: nodes end, files go.
"$bench" log --synodd "$synodd" --sizes 128 --concurrency 4 --seconds 60 \
	>"$out" 2>&1 &
pid=$!
tries=0
until ls "$TMPDIR"/synod-*/n3.sock >/dev/null 2>&1 || [ $tries -ge 100 ]; do
	sleep 0.1
	tries=$((tries + 1))
done
nodes=$(cat /proc/"$pid"/task/"$pid"/children)
kill -TERM "$pid"
wait "$pid"
[ $? -eq 143 ] || fail "SIGTERM does not end it with 143"
[ -n "$nodes" ] || fail "no nodes ran"
for node in $nodes; do
	[ ! -e "/proc/$node/exe" ] || fail "node $node outlived the bench"
done

rm -f "$TMPDIR/last" "$out"
[ -z "$(ls -A "$TMPDIR")" ] || {
	ls -lR "$TMPDIR" >"$out"
	fail "left behind"
}
exit $failed
