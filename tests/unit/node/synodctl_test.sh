#!/bin/sh
# The program itself: exit codes, and which stream gets what. $1: synodctl.
set -u
ctl=$1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
n_failed=0

# check EXIT ARGS...: run it; out and err stay in files.
check() {
	expected=$1
	shift
	"$ctl" "$@" >"$work/out" 2>"$work/err" </dev/null
	got=$?
	if [ "$got" -ne "$expected" ]; then
		echo "synodctl $*: exit code $got, not $expected"
		cat "$work/err"
		n_failed=$((n_failed + 1))
	fi
}

# holds FILE TEXT
holds() {
	if ! grep -qF -- "$2" "$work/$1"; then
		echo "'$2' is not in $1:"
		cat "$work/$1"
		n_failed=$((n_failed + 1))
	fi
}

# is_empty FILE
is_empty() {
	if [ -s "$work/$1" ]; then
		echo "$1 is not empty:"
		cat "$work/$1"
		n_failed=$((n_failed + 1))
	fi
}

SYNODCTL_ENDPOINT=ipc://$work/none.sock
export SYNODCTL_ENDPOINT

check 0 --version
holds out 'synodctl '
is_empty err
check 0 help
holds out 'Usage: synodctl'
check 2
is_empty out
holds err 'Usage: synodctl'
check 2 stauts
holds err "did you mean 'status'?  [usage]"
check 3 status
is_empty out
holds err "synodctl: error: ipc://$work/none.sock: No such file or directory"
holds err 'hint: '
check 3 -o json status
holds out '"ok": false'
holds out '"code": "network"'
check 3 log append x
is_empty out
check 2 node transfer-leader --to n2
holds err "hint: synodctl node transfer-leader --to n2 --yes"
check 0 explain not_leader
is_empty err
[ "$(cat "$work/out")" = "$(printf 'not_leader\tThis node does not lead.')" ] ||
	{ echo 'explain is no tsv'; n_failed=$((n_failed + 1)); }
check 0 explain -o table
holds out 'CODE'

if [ -w /dev/full ]; then
	"$ctl" explain >/dev/full 2>"$work/err"
	[ $? -eq 1 ] || { echo 'a full disk is no error'; n_failed=$((n_failed + 1)); }
	holds err 'No space left on device'
fi

[ "$n_failed" -eq 0 ]
