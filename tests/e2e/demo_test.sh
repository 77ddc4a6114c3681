#!/bin/sh
# sh tests/e2e/demo_test.sh [--postgres]   runs node/demo.sh as a newcomer would
# and reads its claim and the databases that it leaves behind.
set -eu
cd "$(dirname "$0")/../.."

scratch=$(mktemp -d)
# The servers of the demo run as another user when this one is root.
chmod 711 "$scratch"
XDG_STATE_HOME=$scratch
export XDG_STATE_HOME
port_base=$((20000 + $$ % 20000 / 100 * 100 + 1))
cleanup() {
	sh node/demo.sh down >/dev/null 2>&1 || true
	rm -rf "$scratch"
}
trap cleanup EXIT

die() {
	echo "demo_test: $*" >&2
	tail -n 20 "$scratch"/synod-demo/*.log >&2 || true
	exit 1
}

sh node/demo.sh -y -o json --no-install --port-base "$port_base" "$@" \
	>"$scratch/out" 2>"$scratch/err" ||
	die "the demo failed: $(cat "$scratch/err" "$scratch/out")"
line=$(tail -n 1 "$scratch/out")
echo "$line"
for claim in '"ok":true' '"lost":0' '"twice":0' '"differences":0' \
	'"written":400' '"arrived":400' '"winner":"paris"' '"value":"Amboss"'
do
	case $line in
	*"$claim"*) ;;
	*) die "the last line does not say $claim" ;;
	esac
done

# Not by its own word alone.
rows() { sqlite3 "$scratch/synod-demo/$1.db" \
	"SELECT sku, name, qty FROM items ORDER BY sku"; }
if [ $# -eq 0 ]; then
	[ "$(rows berlin)" = "$(rows paris)" ] || die "the files differ"
	[ "$(rows berlin | wc -l)" -eq 403 ] || die "rows are missing"
fi
sh node/demo.sh down >/dev/null || die "down failed"
[ ! -e "$scratch/synod-demo" ] || die "down left files behind"
