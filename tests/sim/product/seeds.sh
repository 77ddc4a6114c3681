#!/bin/sh
# Seeds that once failed are run for ever (seeds.txt).
# usage: seeds.sh SYNOD-SIM-PRODUCT SEEDS.TXT
set -u
sim=$1
bad=0

while read -r seed rest; do
	case $seed in '' | '#'*) continue ;; esac
	if ! "$sim" --seed "$seed" >/dev/null; then
		echo "seed $seed: $rest" >&2
		bad=1
	fi
done <"$2"
exit $bad
