#!/bin/sh
# Seeds that once failed are run for ever (seeds.txt).
# usage: seeds.sh SYNOD-SIM SEEDS.TXT
set -u
sim=$1
bad=0

while read -r nodes seed rest; do
	case $nodes in '' | '#'*) continue ;; esac
	if ! "$sim" --nodes "$nodes" --seed "$seed" >/dev/null; then
		echo "nodes $nodes seed $seed: $rest" >&2
		bad=1
	fi
done <"$2"
exit $bad
