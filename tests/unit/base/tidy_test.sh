#!/bin/sh
# tidy_test.sh TOP: tests/tidy.sh finds what it says it finds. A small house that
# is tidy; then one offence of each kind, and tidy must name its file and line.
# shellcheck disable=SC2016 # what stands in quotes is expanded later, by eval
set -eu

top=$1
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
clean=$dir/clean
house=$dir/house
n_offences=0
n_missed=0

# Without clang-format and shellcheck, which take most of the time: offences
# that they must find ask for them with with_tools.
mkdir "$dir/bin"
for tool in awk cp dirname find grep mkdir mv printf rm sed sh sort xargs; do
	ln -s "$(command -v "$tool")" "$dir/bin/$tool"
done
all_tools=$PATH
few_tools=$dir/bin

# -- a tidy house ------------------------------------------------------------
mkdir -p "$clean/tests/unit/base" "$clean/base" "$clean/proto" \
	"$clean/cluster/core" "$clean/cluster/store" "$clean/cluster/wire" \
	"$clean/node/ctl" "$clean/docs"
cp "$top/.clang-format" "$clean"
cp "$top/tests/tidy.sh" "$top/tests/tidy.awk" "$top/tests/tidy.rules" \
	"$clean/tests"
cat >"$clean/base/thing.h" <<'END'
/* Things: counted, never lost. Any thread. */
#ifndef BASE_THING_H
#define BASE_THING_H

struct thing {
	int count;
};

typedef int (*thing_fn)(void *ctx);

/* How many there are. */
int thing_count(const struct thing *t);

#endif
END
cat >"$clean/base/thing.c" <<'END'
#include "base/thing.h"

#include <string.h>
#include <xxhash.h>

int thing_count(const struct thing *t)
{
	/* strcpy( in a comment and "in a string" are no calls. */
	const char *text = "system(popen(";

	return t->count + (int)strlen(text);
}
END
cat >"$clean/proto/limits.h" <<'END'
/* Every limit. */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

#define LIMIT_FRAME_BYTES 100
enum {
	LIMIT_NODES = 9,
};

#endif
END
cat >"$clean/cluster/core/machine.c" <<'END'
#include <stdint.h>

#include "base/thing.h"
#include "proto/limits.h"

int machine_step(const struct thing *t, int64_t now_us)
{
	if (now_us > LIMIT_NODES)
		return LIMIT_FRAME_BYTES;
	return thing_count(t);
}
END
cat >"$clean/tests/unit/base/thing_test.c" <<'END'
#include "base/thing.h"

#include <cmocka.h>

static void test_thing_counts(void **state)
{
	struct thing t = {1};

	assert_int_equal(thing_count(&t), 1);
}
END
echo 'synod_room(base SOURCES thing.c NEEDS PkgConfig::XXHASH)' \
	>"$clean/base/CMakeLists.txt"
echo '# Synod' >"$clean/README.md"

# -- how an offence is shown -------------------------------------------------
run_tidy() {
	rc=0
	PATH=$tools sh "$house/tests/tidy.sh" >"$dir/out" 2>"$dir/err" || rc=$?
}

fresh_house() {
	rm -rf "$house"
	cp -R "$clean" "$house"
}

missed() {
	echo "tidy_test: $*" >&2
	sed 's/^/  /' "$dir/out" "$dir/err" >&2
	n_missed=$((n_missed + 1))
}

# offence FINDING COMMAND: after the command, tidy fails and prints the finding
# (a regular expression that matches a whole line).
offence() {
	n_offences=$((n_offences + 1))
	fresh_house
	(cd "$house" && eval "$2")
	run_tidy
	[ "$rc" -eq 1 ] || missed "exit code $rc after: $2"
	grep -qx "$1" "$dir/out" || missed "\"$1\" was not found after: $2"
}

# allowed COMMAND: after the command the house is still tidy.
allowed() {
	fresh_house
	(cd "$house" && eval "$1")
	run_tidy
	[ "$rc" -eq 0 ] || missed "exit code $rc after: $1"
}

with_tools() {
	tools=$all_tools
	"$@"
	tools=$few_tools
}

# append FILE LINE...: \t in a line is a tab.
append() {
	file=$1
	shift
	printf '%b\n' "$@" >>"$file"
}

# include FILE HEADER: as its last include.
include() {
	sed -i "/^int \|^static /{s|^|#include $2\n\n|;:a;n;ba}" "$1"
}

tools=$few_tools
allowed :
with_tools allowed :
allowed 'mkdir build && append build/x.c "gets("'

# -- layering ----------------------------------------------------------------
offence 'base/thing.c:[0-9]*: base may not include proto/limits.h' \
	'include base/thing.c \"proto/limits.h\"'
offence 'cluster/core/machine.c:[0-9]*: .* may not include cluster/store/log.h' \
	'include cluster/core/machine.c \"cluster/store/log.h\"'
offence 'cluster/store/a.c:1: cluster/store may not include proto/limits.h' \
	'append cluster/store/a.c "#include \"proto/limits.h\""'
offence 'cluster/wire/a.c:1: cluster/wire may not include cluster/store/log.h' \
	'append cluster/wire/a.c "#include \"cluster/store/log.h\""'
offence 'node/ctl/a.c:1: node/ctl may not include cluster/core/control.h' \
	'append node/ctl/a.c "#include \"cluster/core/control.h\""'
offence 'node/ctl/a.c:1: node/ctl may not include node/loop.h' \
	'append node/ctl/a.c "#include \"node/loop.h\""'
offence 'node/a.c:1: node may not include node/ctl/table.h' \
	'append node/a.c "#include \"node/ctl/table.h\""'
offence 'base/thing.c:[0-9]*: base may not include tests/sim/world.h' \
	'include base/thing.c \"tests/sim/world.h\"'
offence 'base/thing.c:[0-9]*: "err.h": name it from the top folder' \
	'include base/thing.c \"err.h\"'
offence 'cluster/odd/a.c:1: this file is in no room of tests/tidy.rules' \
	'mkdir cluster/odd && append cluster/odd/a.c "int a;"'
allowed 'append node/ctl/a.c "#include \"node/config.h\""'
allowed 'append node/a.c "#include \"cluster/core/control.h\""'

# -- one library, one room ---------------------------------------------------
for header in uv.h raft.h lmdb.h nng/nng.h yaml.h jansson.h cmocka.h \
	libsmartcols.h nghttp2/nghttp2.h systemd/sd-daemon.h \
	protobuf-c/protobuf-c.h; do
	offence "base/thing.c:[0-9]*: <$header> belongs to .*" \
		"include base/thing.c '<$header>'"
done
offence 'proto/a.c:1: <xxhash.h> belongs to base' \
	'append proto/a.c "#include <xxhash.h>"'
offence 'node/ctl/a.c:1: <uv.h> belongs to node .*' \
	'append node/ctl/a.c "#include <uv.h>"'
offence 'base/thing.c:[0-9]*: <glib.h> is of no library of the house' \
	'include base/thing.c "<glib.h>"'
offence 'base/CMakeLists.txt:2: PkgConfig::LMDB belongs to cluster/store .*' \
	'append base/CMakeLists.txt "# more" "link(PkgConfig::LMDB)" &&
	sed -i 2d base/CMakeLists.txt'
allowed 'append node/a.c "#include <uv.h>"'
allowed 'append tests/unit/base/b.c "#include <jansson.h>"'

# -- purity ------------------------------------------------------------------
for call in time clock_gettime getrandom socket pthread_create fopen rng_entropy \
	getenv log_event printf thread_start; do
	offence "cluster/core/machine.c:14: $call() in a pure file" \
		"append cluster/core/machine.c 'int a(void)' '{' \
		'\\t$call(0);' '}'"
done
offence 'cluster/core/machine.c:[0-9]*: time.h in a pure file' \
	'include cluster/core/machine.c "<time.h>"'
offence 'cluster/core/machine.c:[0-9]*: base/thread.h in a pure file' \
	'include cluster/core/machine.c \"base/thread.h\"'
offence 'base/row_decode.c:1: unistd.h in a pure file' \
	'append base/row_decode.c "#include <unistd.h>"'
offence 'base/row_decode.c:3: clock_gettime() in a pure file' \
	'append base/row_decode.c "int a(void)" "{" "\treturn clock_gettime();"'
allowed 'append cluster/core/machine.c "int a(void)" "{" "\tc->time(0);" "}"'

# -- calls that nobody may make ----------------------------------------------
for call in strcpy strcat sprintf gets system popen atoi alloca rand mktemp \
	tmpnam usleep sleep strtok gmtime; do
	offence "base/thing.c:15: $call(): .*" \
		"append base/thing.c 'int a(void)' '{' '\\t$call(0);' '}'"
done
offence 'tests/unit/base/thing_test.c:14: sleep(): .*' \
	'append tests/unit/base/thing_test.c "int a(void)" "{" \
	"\t(void)0;" "\tsleep(1);" "}"'
offence 'base/thing.c:13: assert() can be compiled away; use CHECK' \
	'append base/thing.c "assert(1);"'
allowed 'append base/thing.c "int a(void)" "{" "\tgmtime_r(0, 0);" "}"'

# -- layout ------------------------------------------------------------------
long=$(printf '%070d' 0)
offence 'base/thing.c:13: 81 columns, at most 80' \
	"append base/thing.c '\\tx$long;;'"
allowed "append base/thing.c '/* é${long}abc */'"
offence 'base/thing.c:13: spaces where a tab belongs' \
	'append base/thing.c "        return 0;"'
offence 'base/thing.c:13: blanks at the end of the line' \
	'append base/thing.c "int a; "'
offence 'docs/a.md:1: blanks at the end of the line' \
	'append docs/a.md "text\t"'
offence 'base/thing.c:13: a carriage return' \
	'append base/thing.c "int a;\r"'
offence 'base/thing.c:13: a // comment; the house writes .*' \
	'append base/thing.c "int a; // why"'
offence 'base/thing.c:13: unfinished work belongs into an issue' \
	'append base/thing.c "/* TO""DO: later */"'
offence 'base/CMakeLists.txt:2: unfinished work belongs into an issue' \
	'append base/CMakeLists.txt "# FIX""ME"'
offence 'base/thing.c:13: unfinished work belongs into an issue' \
	'append base/thing.c "/* X""XX */"'
allowed 'append base/thing.c "/* mkstemp wants X""XX""X""XX */"'
offence 'base/thing.c:13: typedef hides what it is; .*' \
	'append base/thing.c "typedef struct thing thing_t;"'
offence 'base/a.h:1: a header begins with what it promises' \
	'append base/a.h "#ifndef A" "#define A" "#endif"'
offence 'base/thing.c:1: the first include is not base/thing.h' \
	'sed -i 1d base/thing.c && sed -i "1i #include <stdio.h>" base/thing.c'
with_tools offence 'base/thing.c:13:[0-9]*: error: code should be .*' \
	'append base/thing.c "int  a;"'

# -- sizes -------------------------------------------------------------------
# lines N: so many lines of a function's body.
lines() {
	awk -v n="$1" 'BEGIN { while (n--) print "\t;" }'
}
offence 'base/thing.c:14: a function of 71 lines, at most 70' \
	'{ echo "int a(void)"; echo "{"; lines 69; echo "}"; } >>base/thing.c'
allowed '{ echo "int a(void)"; echo "{"; lines 68; echo "}"; } >>base/thing.c'
offence 'base/thing.c:13: a function of 6 arguments, at most 5' \
	'append base/thing.c "int a(int a, int (*b)(int, int), int c," \
	"\tint d, int e, int f)" "{" "}"'
allowed 'append base/thing.c "int a(int a, int (*b)(int, int), int c," \
	"\tint d, int e)" "{" "}"'
allowed 'append base/thing.c "__attribute__((format(printf, 5, 6))) int" \
	"a(int a, int b, int c, int d, const char *e, ...)" "{" "}"'
offence 'base/thing.c:801: 801 lines, at most 800' 'lines 789 >>base/thing.c'
allowed 'lines 788 >>base/thing.c'
grep -q 'base/thing.c:800: warning: 800 lines' "$dir/out" ||
	missed 'no warning of a file that grows'

# -- the rest ----------------------------------------------------------------
offence 'proto/limits.h:5: LIMIT_FRAME_BYTES bounds nothing' \
	'sed -i "s/LIMIT_FRAME_BYTES/1/" cluster/core/machine.c'
offence 'proto/limits.h:7: LIMIT_NODES bounds nothing' \
	'sed -i "s/LIMIT_NODES/1/" cluster/core/machine.c &&
	append tests/unit/base/thing_test.c "int a = LIMIT_NODES;"'
offence 'misc:1: not a room of the house' 'mkdir misc'
offence '.hidden:1: not a room of the house' 'append .hidden x'
offence 'docs/a b.md:1: an odd file name' 'append "docs/a b.md" x'
offence 'tests/tidy.rules:1: a rule that nobody knows: rom' \
	'sed -i "1s/.*/rom base/" tests/tidy.rules'
with_tools offence 'tests/a.sh:2:[0-9]*: .*SC2086.*' \
	'append tests/a.sh "#!/bin/sh" "echo \$1"'

echo "$n_offences offences, $n_missed missed"
[ "$n_missed" -eq 0 ]
