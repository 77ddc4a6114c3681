#!/bin/sh
# Every rule must be needed: run the simulation without it, see a violation
# (rules.txt). A simulation that finds nothing proves nothing.
# usage: rules.sh SYNOD-SIM-PRODUCT RULES.TXT
set -u
sim=$1
table=$2
bad=0

for rule in $("$sim" --rules); do
	if ! grep -q "^$rule " "$table"; then
		echo "$rule: not in $table" >&2
		bad=1
	fi
done

while read -r rule seeds; do
	case $rule in '' | '#'*) continue ;; esac
	if [ "$seeds" = none ]; then
		echo "$rule: nothing to be shown"
		continue
	fi
	out=$("$sim" --seeds "$seeds" --without "$rule" --until-bad 2>/dev/null)
	code=$?
	if [ $code -ne 1 ]; then
		echo "$rule: no violation in $seeds seeds (exit $code)" >&2
		bad=1
		continue
	fi
	# The rule must be what makes the difference.
	first=$(echo "$out" | sed 's/.*"first_bad":\([0-9]*\).*/\1/')
	if ! "$sim" --seed "$first" >/dev/null; then
		echo "$rule: seed $first fails with it too" >&2
		bad=1
	else
		echo "$rule: seed $first"
	fi
done <"$table"
exit $bad
