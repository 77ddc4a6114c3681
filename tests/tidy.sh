#!/bin/sh
# Style and layering as a test: everything that docs/STYLE.md says and a program
# can see. Prints each finding as file:line: text; exit code 1 when there is one.
# The tables are in tidy.rules, the look at each line is in tidy.awk.
set -eu
cd "$(dirname "$0")/.."
LC_ALL=C
export LC_ALL

status=0

# What may stand in the top folder: the house of docs/ARCHITECTURE.md, and what
# git and a build leave there.
check_top() {
	for entry in * .[!.]*; do
		case $entry in
		base | bench | cluster | connectors | docs | node) ;;
		proto | tests) ;;
		CMakeLists.txt | CMakePresets.json | README.md) ;;
		.ci | .clang-format | .gitignore) ;;
		.git | .cache | build | compile_commands.json) ;;
		'*' | '.[!.]*') ;; # none of that kind
		*)
			echo "$entry:1: not a room of the house"
			status=1
			;;
		esac
	done
}

# The files of ours, one a line. No name has a blank: check_names.
files() {
	find . -name .git -prune -o -path ./build -prune -o \
		-path ./.cache -prune -o -path ./tests/fuzz/corpus -prune -o \
		-type f "$@" -print | sed 's,^\./,,' | sort
}

code_files() {
	files \( -name '*.c' -o -name '*.h' \)
}

text_files() {
	files \( -name '*.c' -o -name '*.h' -o -name '*.sh' -o \
		-name '*.awk' -o -name '*.proto' -o -name '*.md' -o \
		-name '*.yaml' -o -name '*.rules' -o -name CMakeLists.txt \)
}

scripts() {
	files -name '*.sh'
	files -path './.ci/*'
}

check_names() {
	if files | grep '[^A-Za-z0-9._/+-]' | sed 's/$/:1: an odd file name/' |
		grep .; then
		status=1
	fi
}

check_lines() {
	# shellcheck disable=SC2046 # no name has a blank
	awk -f tests/tidy.awk tests/tidy.rules $(text_files) || status=1
}

check_format() {
	if ! command -v clang-format-14 >/dev/null; then
		echo "tidy: no clang-format-14, the layout is not checked" >&2
		return 0
	fi
	code_files | xargs -r -P 2 -n 32 \
		clang-format-14 --dry-run -Werror 2>&1 |
		grep -E '^[^ ]+:[0-9]+:[0-9]+: ' && status=1
	return 0
}

check_scripts() {
	if ! command -v shellcheck >/dev/null; then
		echo "tidy: no shellcheck, the scripts are not checked" >&2
		return 0
	fi
	# shellcheck disable=SC2046 # no name has a blank
	set -- $(scripts)
	[ $# -eq 0 ] || shellcheck -x -f gcc "$@" || status=1
}

check_top
check_names
check_lines
check_format
check_scripts
exit $status
