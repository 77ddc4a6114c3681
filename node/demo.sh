#!/bin/sh
# sh node/demo.sh [up] [-y] [-o json] [--no-install] [--port-base N]
# sh node/demo.sh down
#
# From a fresh Debian 12 to a running cluster: installs what is missing (with
# sudo when not root), builds, starts three nodes on 127.0.0.1, writes to them,
# kills the leader with -9 while a client goes on writing, and proves from the
# nodes' own logs that nothing was lost and nothing stands there twice. Leaves
# the cluster running; `down` stops and removes it. Writes only to ./build and to
# ${XDG_STATE_HOME:-~/.local/state}/synod-demo. Safe to run twice.
set -eu
cd "$(dirname "$0")/.."
. tests/packages.sh

command=up
output=text
install=yes
ask=yes
port_base=41001
while [ $# -gt 0 ]; do
	case $1 in
	up | down) command=$1 ;;
	-y | --yes) ask=no ;;
	-o) output=$2; shift ;;
	--no-install) install=no ;;
	--port-base) port_base=$2; shift ;;
	*) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
	shift
done
[ -t 0 ] || ask=no

home=${XDG_STATE_HOME:-$HOME/.local/state}/synod-demo
bin=$PWD/build/demo/node
ctl=$bin/ctl/synodctl

say() { [ "$output" = json ] || printf '%s\n' "$*"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
seconds() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }
fail() {
	if [ "$output" = json ]; then
		printf '{"ok":false,"error":"%s"}\n' "$*"
	else
		printf 'demo: error: %s\n      logs: %s/n*.log\n' "$*" "$home"
	fi >&2
	exit 1
}
endpoint() { echo "ipc://$home/n$1.sock"; }
on() { node=$1; shift; "$ctl" --endpoint "$(endpoint "$node")" "$@"; }

# Only what this script started: the pid must still be that very program (which
# may have been built again since).
is_ours() {
	[ -s "$home/n$1.pid" ] || return 1
	case $(readlink "/proc/$(cat "$home/n$1.pid")/exe" || true) in
	"$bin/synodd"*) return 0 ;;
	esac
	return 1
}

stop_node() {
	is_ours "$1" || return 0
	pid=$(cat "$home/n$1.pid")
	kill -"${2:-TERM}" "$pid" 2>/dev/null || true
	tries=0
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || kill -KILL "$pid"
		sleep 0.1
	done
	rm -f "$home/n$1.pid"
}

start_node() {
	"$bin/synodd" --config "$home/n$1.yaml" >>"$home/n$1.log" 2>&1 &
	echo $! >"$home/n$1.pid"
}

# wait_for SECONDS WHAT COMMAND...: until it succeeds.
wait_for() {
	limit=$(($(now_ms) + $1 * 1000))
	what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt "$limit" ] || fail "$what: not within its time"
		sleep 0.05
	done
}

leader_of() {
	on "$1" node list -o tsv --no-headers 2>/dev/null |
		awk '$0 ~ /leader/ { sub(/^n/, "", $1); print $1; exit }'
}

has_leader() { [ -n "$(leader_of "$1")" ]; }

# All values of a node's log, one a line.
values() {
	on "$1" log tail --from 1 -n 1000000 -o jsonl |
		sed -n 's/.*"value":"\([^"]*\)".*/\1/p'
}

# The chain over all that a node has applied; the others say nothing of theirs.
digest() {
	on "$1" status -o json |
		sed -n 's/.*"digest": *"\([0-9a-f]*\)".*/\1/p' | head -n 1
}

same_digests() {
	one=$(digest 1)
	[ -n "$one" ] && [ "$one" = "$(digest 2)" ] && [ "$one" = "$(digest 3)" ]
}

if [ "$command" = down ]; then
	for i in 1 2 3; do stop_node $i; done
	rm -rf "$home"
	say "The demo cluster is stopped and removed."
	exit 0
fi

say "synod demo — installs nothing outside apt, writes only to ./build and $home"

# -- 1 packages, 2 build ------------------------------------------------------
missing=$(packages_missing build)
if [ -n "$missing" ] && [ "$install" = no ]; then
	fail "packages are missing: $missing"
elif [ -n "$missing" ]; then
	say "[1/3] packages   apt-get install $missing"
	if [ "$ask" = yes ]; then
		printf '      go on? [Y/n] '
		read -r answer
		case $answer in n* | N*) exit 1 ;; esac
	fi
	packages_install build >&2
else
	say "[1/3] packages   all present"
fi
begin=$(now_ms)
mkdir -p build
if ! { cmake --preset demo && cmake --build --preset demo; } >build/demo.log 2>&1
then
	tail -n 40 build/demo.log >&2
	fail "the build failed: build/demo.log"
fi
say "[2/3] build      $(seconds $(($(now_ms) - begin))) s"
say "[3/3] demo"

# -- three nodes ----------------------------------------------------------------
for i in 1 2 3; do stop_node $i; done
rm -rf "$home"
mkdir -p "$home"
chmod 700 "$home"
for i in 1 2 3; do
	cat >"$home/n$i.yaml" <<YAML
synod: 1
name: n$i
cluster: demo
data: $home/n$i
members:
  n1: 127.0.0.1:$port_base
  n2: 127.0.0.1:$((port_base + 10))
  n3: 127.0.0.1:$((port_base + 20))
admin: { socket: $home/n$i.sock }
limits: { log: 4GiB, state: 1GiB }
YAML
done
begin=$(now_ms)
for i in 1 2 3; do start_node $i; done
for i in 1 2 3; do
	wait_for 20 "n$i: start (port $((port_base + 10 * (i - 1))) in use?)" \
		has_leader $i
done
leader=$(leader_of 1)
say ""
say "1  Three nodes on this machine, leader n$leader   $(seconds $(($(now_ms) - begin))) s"
say "   $ synodctl --endpoint $(endpoint 1) status"
[ "$output" = json ] || on 1 status -o table | sed 's/^/     /'

# -- a value written on one node is in the log of another -------------------------
other=$((leader % 3 + 1))
third=$((other % 3 + 1))
say ""
say "2  A value given to n$other is on a quorum's disks, and in n$third's log"
say "   $ synodctl --endpoint $(endpoint $other) log append hello"
index=$(on $other log append hello -o json |
	sed -n 's/.*"index": *\([0-9]*\).*/\1/p')
[ -n "$index" ] || fail "the append gave no index"
say "     committed at index $index"
wait_for 5 "n$third: the value" sh -c \
	"'$ctl' --endpoint '$(endpoint $third)' log tail --from $index -n 1 -o jsonl | grep -q hello"
say "     n$third has it at the same index"

# -- kill -9 the leader while a client writes ---------------------------------------
say ""
say "3  kill -9 of the leader n$leader while a client writes through n$other"
written=0
refused=0
failover=
i=0
while [ $i -lt 100 ]; do
	i=$((i + 1))
	if [ $i -eq 40 ]; then
		kill -KILL "$(cat "$home/n$leader.pid")"
		killed=$(now_ms)
	fi
	if on $other log append "w-$i" --timeout 5s >/dev/null 2>&1; then
		written=$((written + 1))
		echo "w-$i" >>"$home/acknowledged"
		if [ $i -ge 40 ] && [ -z "$failover" ]; then
			failover=$(($(now_ms) - killed))
		fi
	else
		refused=$((refused + 1))
	fi
done
[ -n "$failover" ] || fail "no value was acknowledged after the kill"
say "     first value acknowledged $(seconds "$failover") s after the kill (a new process each)"

all_arrived() {
	values $other >"$home/log"
	[ "$(sort -u "$home/log" | grep -c '^w-')" -ge "$written" ]
}
# A node learns of the last commit a moment after the client did.
wait_for 2 "n$other: show what was acknowledged" all_arrived || true
lost=$(sort "$home/acknowledged" | comm -23 - "$(
	sort "$home/log" >"$home/log.sorted"
	echo "$home/log.sorted"
)" | wc -l)
twice=$(sort "$home/log" | uniq -d | wc -l)
arrived=$((written - lost))
say "     acknowledged $written · in the log $arrived · lost $lost · twice $twice · without an answer $refused"
[ "$lost" -eq 0 ] || fail "$lost acknowledged values are not in the log"
[ "$twice" -eq 0 ] || fail "$twice values stand in the log twice"

# -- the dead one comes back -----------------------------------------------------------
say ""
say "4  n$leader starts again and catches up"
begin=$(now_ms)
start_node "$leader"
wait_for 20 "equal logs" same_digests
equal=yes
say "     all three logs have the digest $(digest 1)   $(seconds $(($(now_ms) - begin))) s"

# -- hand-over, and what it can do -------------------------------------------------------
say ""
say "5  Leadership on request"
new=$(leader_of $other)
to=$((new % 3 + 1))
say "   $ synodctl --endpoint $(endpoint "$new") node transfer-leader --to n$to"
on "$new" node transfer-leader --to "n$to" --yes >/dev/null ||
	fail "leadership was not handed over"
wait_for 5 "n$to: lead" sh -c \
	"'$ctl' --endpoint '$(endpoint $to)' node list -o tsv --no-headers | grep n$to | grep -q leader"
say "     n$to leads"

if [ "$output" = json ]; then
	printf '{"ok":true,"written":%d,"arrived":%d,"lost":%d,"twice":%d,"failover_s":%s,"logs_equal":%s}\n' \
		"$written" "$arrived" "$lost" "$twice" "$(seconds "$failover")" \
		"$([ "$equal" = yes ] && echo true)"
	exit 0
fi
cat <<TEXT

The cluster is running. Go on with:
   export SYNODCTL_ENDPOINT=$(endpoint 1),$(endpoint 2),$(endpoint 3)
   export PATH=$bin/ctl:$PWD/build/demo/bench:\$PATH
   synodctl status                    what an operator looks at
   synodctl log append A B C          three values, one index each
   synodctl log tail --follow         what comes in
   synodctl events                    elections, members
   synod-bench log --seconds 2        how fast it is here (its own three nodes)
   sh node/demo.sh down               stop and remove everything
TEXT
