#!/bin/sh
# A seed is a run: the same again, and whatever the number of processes.
# usage: replay.sh SYNOD-SIM
set -u
digest() {
	"$@" -o json | sed 's/.*"digest":"\([0-9a-f]*\)".*/\1/'
}
one=$(digest "$1" --nodes 3 --seeds 40 --jobs 1)
two=$(digest "$1" --nodes 3 --seeds 40 --jobs 3)
other=$(digest "$1" --nodes 3 --from 2 --seeds 40 --jobs 1)
if [ -z "$one" ] || [ "$one" != "$two" ]; then
	echo "the same seeds ran differently: $one, $two" >&2
	exit 1
fi
if [ "$one" = "$other" ]; then
	echo "other seeds ran alike: $one" >&2
	exit 1
fi
