# shellcheck shell=sh disable=SC2154
# Sourced by node/demo.sh, which sets output, kind, home, bin, ctl, port_base:
# nodes, databases and waits of the demo.

say() { [ "$output" = json ] || printf '%s\n' "$*"; }
step() { say ""; say "$(printf '%s  %-66s %s' "$1" "$2" "$3")"; }
now_ms() { echo $(($(date +%s%N) / 1000000)); }
seconds() { printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)); }
since() { echo "$(seconds $(($(now_ms) - $1))) s"; }
nap() { sleep "0.$(printf '%03d' "$1")"; }
fail() {
	if [ "$output" = json ]; then
		printf '{"ok":false,"error":"%s"}\n' "$(printf %s "$*" | tr '"\n' "' ")"
	else
		printf 'demo: error: %s\n      logs: %s/n*.log\n' "$*" "$home" >&2
	fi
	exit 1
}

# wait_for SECONDS WHAT COMMAND...: until it succeeds.
wait_for() {
	limit=$(($(now_ms) + $1 * 1000))
	what=$2
	shift 2
	until "$@" >/dev/null 2>&1; do
		[ "$(now_ms)" -lt "$limit" ] || fail "$what: not within its time"
		nap 2
	done
}

# -- nodes ------------------------------------------------------------------------
endpoint() { echo "ipc://$home/n$1.sock"; }
endpoints() { echo "$(endpoint 1),$(endpoint 2),$(endpoint 3)"; }
on() { node=$1; shift; "$ctl" --endpoint "$(endpoint "$node")" "$@"; }
on_any() { "$ctl" --endpoint "$(endpoints)" "$@"; }
run_ctl() {
	say "     \$ synodctl $*"
	result=$(on_any "$@" 2>&1) || fail "synodctl $*: $result"
}

write_node_file() {
	cat >"$home/n$1.yaml" <<YAML
synod: 1
name: n$1
cluster: demo
data: $home/n$1
members:
  n1: 127.0.0.1:$port_base
  n2: 127.0.0.1:$((port_base + 10))
  n3: 127.0.0.1:$((port_base + 20))
admin: { socket: $home/n$1.sock }
http: { listen: "127.0.0.1:$((port_base + 10 * ($1 - 1) + 5))" }
limits: { log: 4GiB, state: 1GiB }
YAML
}

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
	kill -TERM "$pid" 2>/dev/null || true
	tries=0
	while kill -0 "$pid" 2>/dev/null; do
		tries=$((tries + 1))
		[ $tries -lt 100 ] || kill -KILL "$pid"
		nap 100
	done
	rm -f "$home/n$1.pid"
}

start_node() {
	"$bin/synodd" --config "$home/n$1.yaml" >>"$home/n$1.log" 2>&1 &
	echo $! >"$home/n$1.pid"
}

leader_of() {
	on "$1" node list -o tsv --no-headers 2>/dev/null |
		awk '$0 ~ /leader/ { print $1; exit }'
}
has_leader() { [ -n "$(leader_of "$1")" ]; }

# Tasks, one a line: name, node, state.
tasks() { on_any sync show stock -o tsv --no-headers 2>/dev/null; }
all_run() {
	tasks >"$home/tasks" && [ -s "$home/tasks" ] &&
		! awk -F '\t' '$3 != "running" { bad = 1 } END { exit !bad }' "$home/tasks"
}
owner_of() { tasks | awk -F '\t' -v task="$1" '$1 == task { print $2; exit }'; }

# -- databases ----------------------------------------------------------------------
pg_bin=
for dir in /usr/lib/postgresql/*/bin; do pg_bin=$dir; done
# PostgreSQL refuses to run as root.
as_pg() {
	if [ "$(id -u)" -eq 0 ]; then runuser -u postgres -- "$@"; else "$@"; fi
}
pg_port() { if [ "$1" = berlin ]; then echo $((port_base + 40)); else echo $((port_base + 50)); fi; }

start_postgres() {
	dir=$home/$1.pg
	mkdir -p "$dir"
	[ "$(id -u)" -ne 0 ] || chown postgres "$dir"
	{
		as_pg "$pg_bin/initdb" -D "$dir/data" -U postgres -A trust --no-sync
		cat >>"$dir/data/postgresql.conf" <<CONF
port = $(pg_port "$1")
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
CONF
		as_pg "$pg_bin/pg_ctl" -D "$dir/data" -l "$dir/log" -w start
		PGHOST=127.0.0.1 PGPORT=$(pg_port "$1") psql -qX -U postgres -c \
			"CREATE ROLE synod LOGIN REPLICATION" -c \
			"CREATE DATABASE $1 OWNER synod"
		PGHOST=127.0.0.1 PGPORT=$(pg_port "$1") psql -qX -U postgres \
			-d "$1" -c "ALTER SCHEMA public OWNER TO synod"
	} >"$home/$1.pg.log" 2>&1 || fail "PostgreSQL for $1 does not start: $home/$1.pg.log"
}

stop_postgres() {
	[ -s "$home/$1.pg/data/postmaster.pid" ] || return 0
	as_pg "$pg_bin/pg_ctl" -D "$home/$1.pg/data" -m fast -w stop >/dev/null 2>&1 || true
}

start_databases() {
	[ "$kind" = postgres ] || return 0
	start_postgres berlin
	start_postgres paris
}

# sql DATABASE STATEMENT
sql() {
	if [ "$kind" = postgres ]; then
		psql -qXAt -v ON_ERROR_STOP=1 -h 127.0.0.1 -p "$(pg_port "$1")" \
			-U synod -d "$1" -c "$2"
	else
		sqlite3 -cmd ".timeout 10000" "$home/$1.db" "$2"
	fi
}

show_sql() {
	if [ "$kind" = postgres ]; then
		say "     \$ psql -h 127.0.0.1 -p $(pg_port "$1") -U synod -d $1 -c \"$2\""
	else
		say "     \$ sqlite3 $home/$1.db \"$2\""
	fi
}

show_file() { [ "$output" = json ] || sed 's/^/     | /' "$1"; }

# In a two-way sync PostgreSQL has to tell whole rows where a text may be stored
# apart.
prepare_table() {
	if [ "$kind" = postgres ]; then
		sql "$1" "ALTER TABLE $2 REPLICA IDENTITY FULL"
	else
		sql "$1" "PRAGMA journal_mode = WAL" >/dev/null
	fi
}

create_audit() {
	hit="INSERT INTO audit VALUES (NEW.sku, 1) ON CONFLICT (sku) DO UPDATE SET hits = audit.hits + 1"
	sql "$1" "CREATE TABLE audit (sku varchar(20) PRIMARY KEY, hits bigint NOT NULL)"
	if [ "$kind" = postgres ]; then
		sql "$1" "CREATE FUNCTION hit() RETURNS trigger LANGUAGE plpgsql SET search_path = public AS \$\$ BEGIN $hit; RETURN NULL; END \$\$"
		sql "$1" "CREATE TRIGGER audit AFTER INSERT OR UPDATE ON items FOR EACH ROW EXECUTE FUNCTION hit()"
	else
		sql "$1" "CREATE TRIGGER audit_i AFTER INSERT ON items BEGIN $hit; END"
		sql "$1" "CREATE TRIGGER audit_u AFTER UPDATE ON items BEGIN $hit; END"
	fi
}

write_definition() {
	if [ "$kind" = postgres ]; then
		berlin="{ type: postgresql, host: 127.0.0.1, port: $(pg_port berlin), database: berlin, user: synod, tls: disable }"
		paris="{ type: postgresql, host: 127.0.0.1, port: $(pg_port paris), database: paris, user: synod, tls: disable }"
	else
		berlin="{ type: sqlite, path: $home/berlin.db }"
		paris="{ type: sqlite, path: $home/paris.db }"
	fi
	cat >"$1" <<YAML
synod: 1
connections:
  berlin: $berlin
  paris: $paris
syncs:
  stock:
    between: [berlin, paris]
    tables: [items]
YAML
}

answers() { [ "$(sql "$1" "$2")" = "$3" ]; }
has_rows() { [ "$(sql "$1" "SELECT count(*) FROM items")" -ge "$2" ]; }
# Rows of the writer are numbered: one behind the last that was there at the
# kill was written after it.
arrived_behind() {
	[ "$(sql paris "SELECT count(*) FROM items WHERE sku > 'W-$(printf %06d "$1")' AND sku LIKE 'W-%'")" -gt 0 ]
}
arrived_all() { [ "$(sql paris "SELECT count(*) FROM items WHERE sku LIKE 'W-%'")" -ge "$1" ]; }

# write_rows DATABASE FIRST LAST: one transaction a row, each by a client of its
# own, as an application would.
write_rows() {
	i=$2
	while [ "$i" -le "$3" ]; do
		sql "$1" "INSERT INTO items VALUES ('W-$(printf %06d "$i")', 'written $i', $i)" || return 1
		i=$((i + 1))
	done
}

show_what_next() {
	cat <<TEXT

The demo is still running ($victim is down). Go on with:
   export SYNODCTL_ENDPOINT=$(endpoints)
   export PATH=$bin/ctl:$PWD/build/demo/bench:\$PATH
   synodctl status                    what an operator looks at
   synodctl sync show stock           its tables and tasks
   synodctl conflict list             what was decided, and why
   synodctl events --follow           fail-overs, elections, conflicts
   curl http://127.0.0.1:$((port_base + 5))/metrics
TEXT
	if [ "$kind" = postgres ]; then
		echo "   psql -h 127.0.0.1 -p $(pg_port berlin) -U synod -d berlin    one side; the other: -p $(pg_port paris) -d paris"
	else
		echo "   sqlite3 $home/berlin.db            one side; the other: paris.db"
	fi
	cat <<TEXT
   $bin/synodd --config $home/$victim.yaml &    start $victim again
   sh node/demo.sh down               stop and remove everything
TEXT
}
