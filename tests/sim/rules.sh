#!/bin/sh
# Every rule of the guard must be needed: run the simulator without it, see a
# violation (rules.txt). A simulator that finds nothing proves nothing.
# usage: rules.sh SYNOD-SIM RULES.TXT
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

while read -r rule nodes seeds; do
	case $rule in '' | '#'*) continue ;; esac
	if [ "$seeds" = none ]; then
		echo "$rule: nothing to be shown"
		continue
	fi
	"$sim" --nodes "$nodes" --seeds "$seeds" --without "$rule" \
		--until-bad -o json 2>/dev/null >"rules.$$"
	code=$?
	if [ $code -ne 1 ]; then
		echo "$rule: no violation in $seeds seeds (exit $code)" >&2
		bad=1
		continue
	fi
	# The rule must be what makes the difference.
	first=$(sed 's/.*"first_bad":\([0-9]*\).*/\1/' "rules.$$")
	if ! "$sim" --nodes "$nodes" --seed "$first" >/dev/null; then
		echo "$rule: seed $first fails with it too" >&2
		bad=1
	else
		echo "$rule: $(cut -d, -f1-3 "rules.$$")"
	fi
done <"$table"
rm -f "rules.$$"
exit $bad
