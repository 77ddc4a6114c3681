#!/bin/sh
# sh node/demo.sh [up] [-y] [-o json] [--postgres] [--no-install] [--port-base N]
# sh node/demo.sh down
#
# From a fresh Debian 12 to two databases that are kept equal: installs what is
# missing (with sudo when not root), builds, starts three nodes on 127.0.0.1 and
# two SQLite databases (--postgres: two throw-away PostgreSQL servers), changes
# rows on both sides, makes a conflict, kills with -9 the node that reads a
# database while it is written to, and proves from the databases themselves that
# nothing was lost, nothing was written twice and both are equal. Leaves all of
# it running; `down` stops and removes it. Writes only to ./build and to
# ${XDG_STATE_HOME:-~/.local/state}/synod-demo. Safe to run twice.
set -eu
cd "$(dirname "$0")/.."
. tests/packages.sh

command=up
output=text
install=yes
ask=yes
kind=sqlite
port_base=41001
while [ $# -gt 0 ]; do
	case $1 in
	up | down) command=$1 ;;
	-y | --yes) ask=no ;;
	-o) output=$2; shift ;;
	--postgres) kind=postgres ;;
	--no-install) install=no ;;
	--port-base) port_base=$2; shift ;;
	*) sed -n '2,14s/^# \{0,1\}//p' "$0"; exit 2 ;;
	esac
	shift
done
[ -t 0 ] || ask=no

home=${XDG_STATE_HOME:-$HOME/.local/state}/synod-demo
bin=$PWD/build/demo/node
ctl=$bin/ctl/synodctl
. node/demo_lib.sh

if [ "$command" = down ]; then
	for i in 1 2 3; do stop_node $i; done
	stop_postgres berlin
	stop_postgres paris
	rm -rf "$home"
	say "The demo is stopped and removed."
	exit 0
fi

say "synod demo — installs nothing outside apt, writes only to ./build and $home"

# -- packages, build ------------------------------------------------------------
kinds=build
[ $kind = sqlite ] || kinds="build postgres"
# shellcheck disable=SC2086 # a list of words
missing=$(packages_missing $kinds)
if [ -n "$missing" ] && [ "$install" = no ]; then
	fail "packages are missing: $missing"
elif [ -n "$missing" ]; then
	say "[1/3] packages   apt-get install $missing"
	if [ "$ask" = yes ]; then
		printf '      go on? [Y/n] '
		read -r answer
		case $answer in n* | N*) exit 1 ;; esac
	fi
	# shellcheck disable=SC2086
	packages_install $kinds >&2
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

# -- 1 three nodes ---------------------------------------------------------------
for i in 1 2 3; do stop_node $i; done
stop_postgres berlin
stop_postgres paris
rm -rf "$home"
mkdir -p "$home"
chmod 711 "$home"
for i in 1 2 3; do write_node_file $i; done
begin=$(now_ms)
for i in 1 2 3; do start_node $i; done
for i in 1 2 3; do
	wait_for 20 "n$i: start (port $((port_base + 10 * (i - 1))) in use?)" \
		has_leader $i
done
step 1 "Three nodes on this machine, leader $(leader_of 1)" "$(since "$begin")"

# -- 2 two databases -----------------------------------------------------------------
start_databases
for db in berlin paris; do
	sql $db "CREATE TABLE items (sku varchar(20) PRIMARY KEY, name varchar(40) NOT NULL, qty bigint NOT NULL)"
	prepare_table $db items
done
sql berlin "INSERT INTO items VALUES ('A-1001', 'Anvil', 12), ('B-2002', 'Bolt M6', 400)"
# What no repeat can hide: a trigger of the application counts in Paris how
# often each row was written.
create_audit paris
write_definition "$home/stock.yaml"
step 2 "Two databases, kept equal both ways:" ""
show_file "$home/stock.yaml"
run_ctl config apply -f "$home/stock.yaml" --message "the demo" -y
wait_for 30 "the tasks: run" all_run
wait_for 10 "paris: the rows that Berlin had before" has_rows paris 2
say "     the two rows that Berlin had are in Paris; berlin is read by $(owner_of berlin/capture)"

# -- 3, 4 a change each way ----------------------------------------------------------
change() { # FROM TO STATEMENT QUESTION ANSWER: sets $took
	sql "$1" "$3"
	begin=$(now_ms)
	wait_for 10 "$2: the change of $1" answers "$2" "$4" "$5"
	took=$(($(now_ms) - begin))
	show_sql "$1" "$3"
	say "     … is in $2 after $took ms"
}
step 3 "A change in Berlin …" ""
change berlin paris "UPDATE items SET qty = 7 WHERE sku = 'A-1001'" \
	"SELECT qty FROM items WHERE sku = 'A-1001'" 7
there=$took
step 4 "… and one in Paris" ""
change paris berlin "INSERT INTO items VALUES ('C-3003', 'Crank', 3)" \
	"SELECT qty FROM items WHERE sku = 'C-3003'" 3
back=$took

# -- 5 a conflict ------------------------------------------------------------------------
step 5 "Both change the same row while the sync is paused: a conflict" ""
run_ctl sync pause stock -y
sql berlin "UPDATE items SET name = 'Anvil XL' WHERE sku = 'A-1001'"
nap 20
sql paris "UPDATE items SET name = 'Amboss' WHERE sku = 'A-1001'"
show_sql berlin "UPDATE items SET name = 'Anvil XL' WHERE sku = 'A-1001'"
show_sql paris "UPDATE items SET name = 'Amboss' WHERE sku = 'A-1001'"
run_ctl sync resume stock -y
name="SELECT name FROM items WHERE sku = 'A-1001'"
wait_for 10 "berlin: the verdict" answers berlin "$name" Amboss
wait_for 10 "paris: the verdict" answers paris "$name" Amboss
conflict=$(on_any conflict list -o tsv --no-headers | head -n 1 | cut -f 1)
[ -n "$conflict" ] || fail "the conflict is not in the journal"
[ "$output" = json ] || on_any conflict show "$conflict" -o table | sed 's/^/     /'
say "     both sides: 'Amboss', the later write; neither had seen the other's"

# -- 6 kill -9 the owner while Berlin is written to ----------------------------------------
victim=$(owner_of berlin/capture)
step 6 "kill -9 $victim (it reads Berlin) while Berlin is written to" ""
rows=400
write_rows berlin 1 $rows &
writer=$!
wait_for 20 "paris: the first rows" has_rows paris 100
last=$(sql berlin "SELECT count(*) FROM items WHERE sku LIKE 'W-%'")
kill -KILL "$(cat "$home/$victim.pid")"
killed=$(now_ms)
rm -f "$home/$victim.pid"
wait_for 20 "paris: a row written after the kill" \
	arrived_behind "$last"
failover=$(($(now_ms) - killed))
say "     first row written after the kill is in Paris $(seconds $failover) s after it; berlin is read by $(owner_of berlin/capture)"
wait $writer || fail "the writer could not write to Berlin"
written=$(sql berlin "SELECT count(*) FROM items WHERE sku LIKE 'W-%'")
[ "$written" -eq $rows ] || fail "Berlin has $written of $rows rows"
wait_for 20 "paris: all rows" arrived_all "$written" || true
arrived=$(sql paris "SELECT count(*) FROM items WHERE sku LIKE 'W-%'")
twice=$(sql paris "SELECT count(*) FROM audit WHERE hits > 1 AND sku LIKE 'W-%'")
lost=$((written - arrived))
say "     written $written · arrived $arrived · lost $lost · written twice $twice"
[ "$lost" -eq 0 ] || fail "$lost rows are lost"
[ "$twice" -eq 0 ] || fail "$twice rows were written twice"

# -- 7 proof ---------------------------------------------------------------------------------
everything="SELECT sku, name, qty FROM items ORDER BY sku"
sql berlin "$everything" >"$home/berlin.rows"
sql paris "$everything" >"$home/paris.rows"
differences=$(diff "$home/berlin.rows" "$home/paris.rows" | grep -c '^[<>]' || true)
count=$(wc -l <"$home/berlin.rows")
step 7 "Proof: $count rows read back from both databases, $differences differences" ""
say "     sha256 $(sha256sum <"$home/berlin.rows" | cut -c 1-16)… and $(sha256sum <"$home/paris.rows" | cut -c 1-16)…"
[ "$differences" -eq 0 ] || fail "the databases differ: diff $home/berlin.rows $home/paris.rows"

if [ "$output" = json ]; then
	printf '{"ok":true,"both_ways_ms":[%d,%d],"conflict":{"id":"%s","winner":"paris","value":"Amboss"},"failover_s":%s,"written":%d,"arrived":%d,"lost":%d,"twice":%d,"differences":%d}\n' \
		"$there" "$back" "$conflict" "$(seconds $failover)" \
		"$written" "$arrived" "$lost" "$twice" "$differences"
	exit 0
fi
show_what_next
