# awk -f tidy.awk tidy.rules FILE...: checks every file against the rules and
# prints what it finds as file:line: text. Exit code 1 when it found something.
# Runs in mawk and gawk; LC_ALL=C.

function finding(line, text) {
	printf "%s:%d: %s\n", FILENAME, line, text
	n_findings++
}

function begins(text, start) {
	return substr(text, 1, length(start)) == start
}

function ends(text, end) {
	return length(text) >= length(end) &&
		substr(text, length(text) - length(end) + 1) == end
}

function folder_of(path) {
	return match(path, /\/[^\/]*$/) ? substr(path, 1, RSTART - 1) : "."
}

# The longest room that is the beginning of the path.
function room_of(path,    dir) {
	dir = folder_of(path)
	while (!(dir in room_may)) {
		if (dir !~ /\//)
			return ""
		dir = folder_of(dir)
	}
	return dir
}

# Is the file in one of the places? "node" is the room, "tests/" all below it.
function is_at(places,    i, n, place) {
	n = split(places, place, " ")
	for (i = 1; i <= n; i++) {
		if (place[i] == room)
			return 1
		if (ends(place[i], "/") && begins(FILENAME, place[i]))
			return 1
	}
	return 0
}

# -- the tables ----------------------------------------------------------------

function add_words(table, start,    i) {
	for (i = start; i <= NF; i++)
		table[$i] = 1
}

function read_rule(    name, rest) {
	if ($1 == "" || $1 ~ /^#/)
		return
	name = $2
	rest = $0
	sub(/^[^ ]+ +[^ ]+ */, "", rest)
	if ($1 == "room")
		room_may[name] = rest
	else if ($1 == "library")
		library_at[name] = rest
	else if ($1 == "link")
		link_at[name] = rest
	else if ($1 == "banned")
		banned_why[name] = rest
	else if ($1 == "libc")
		add_words(is_libc, 2)
	else if ($1 == "foreign")
		is_foreign[name " " $3] = 1
	else if ($1 == "impure")
		add_words(is_impure, 2)
	else if ($1 == "impure-include")
		add_words(is_impure_include, 2)
	else
		finding(FNR, "a rule that nobody knows: " $1)
}

function alternatives(table,    name, all) {
	for (name in table)
		all = all (all == "" ? "" : "|") name
	gsub(/\*/, "[a-z0-9_]*", all)
	return all
}

function finish_rules() {
	# A dot or an arrow before the name: a member of that name.
	call_head = "(^|[^A-Za-z0-9_.>])("
	banned_call = call_head alternatives(banned_why) ") ?\\("
	impure_call = call_head alternatives(is_impure) ") ?\\("
	has_rules = 1
}

# -- each file -----------------------------------------------------------------

function end_file() {
	if (file == "")
		return
	if (n_lines > 800)
		printf "%s:%d: %d lines, at most 800\n", file, n_lines, n_lines
	else if (n_lines > 500)
		printf "%s:%d: warning: %d lines, is it one noun?\n", file, \
			n_lines, n_lines
	n_findings += n_lines > 800
}

function begin_file() {
	file = FILENAME
	room = room_of(FILENAME)
	is_header = FILENAME ~ /\.h$/
	is_code = is_header || FILENAME ~ /\.c$/
	is_test = room == "tests"
	is_pure = room == "cluster/core" || FILENAME ~ /_decode\.c$/
	is_text = FILENAME ~ /\.md$/
	in_comment = in_body = n_includes = 0
	declaration = ""
	own_header = FILENAME
	sub(/\.c$/, ".h", own_header)
	if (is_code && room == "")
		finding(1, "this file is in no room of tests/tidy.rules")
	if (is_header && !begins($0, "/*"))
		finding(1, "a header begins with what it promises")
}

# -- each line -----------------------------------------------------------------

# The line without comments, and with empty strings.
function strip(line,    out, mark, rest) {
	while (line != "") {
		if (in_comment) {
			if (!match(line, /\*\//))
				return out
			line = substr(line, RSTART + 2)
			in_comment = 0
			continue
		}
		if (!match(line, /\/\*|\/\/|"|'/))
			return out line
		mark = substr(line, RSTART, RLENGTH)
		out = out substr(line, 1, RSTART - 1)
		rest = substr(line, RSTART + RLENGTH)
		if (mark == "//") {
			has_line_comment = 1
			return out
		}
		if (mark == "/*") {
			in_comment = 1
			line = rest
			continue
		}
		out = out mark mark
		if (mark == "\"")
			match(rest, /^([^"\\]|\\.)*"/)
		else
			match(rest, /^([^'\\]|\\.)*'/)
		if (RSTART == 0)
			return out
		line = substr(rest, RLENGTH + 1)
	}
	return out
}

# With tabs of 8; a character of UTF-8 is one column.
function columns(line,    i, n, part, width) {
	gsub(/[\200-\277]/, "", line)
	n = split(line, part, "\t")
	for (i = 1; i < n; i++) {
		width += length(part[i])
		width += 8 - width % 8
	}
	return width + length(part[n])
}

function check_text() {
	if ($0 ~ /[ \t]$/)
		finding(FNR, "blanks at the end of the line")
	if ($0 ~ /\r/)
		finding(FNR, "a carriage return")
	if (!is_text &&
	    $0 ~ /(^|[^A-Za-z0-9_])(TO[D]O|FIX[M]E|X[X]X)([^A-Za-z0-9_]|$)/)
		finding(FNR, "unfinished work belongs into an issue")
}

function check_layout(was_comment) {
	if (columns($0) > 80)
		finding(FNR, columns($0) " columns, at most 80")
	if (!was_comment && $0 ~ /^\t*        /)
		finding(FNR, "spaces where a tab belongs")
	if (has_line_comment)
		finding(FNR, "a // comment; the house writes /* */")
	if (code ~ /^typedef/ && code !~ /\(/)
		finding(FNR, "typedef hides what it is; only callbacks have one")
}

function check_library(header,    name) {
	for (name in library_at) {
		if (header != name && !(ends(name, "/") && begins(header, name)))
			continue
		if (!is_at(library_at[name]))
			finding(FNR, "<" header "> belongs to " library_at[name])
		return
	}
	name = header
	sub(/\/.*/, "/", name)
	if (!(header in is_libc) && !(name in is_libc))
		finding(FNR, "<" header "> is of no library of the house")
}

function check_room(header,    i, n, may) {
	if (header !~ /\//) {
		# A test may have helpers beside it.
		if (!is_test)
			finding(FNR, "\"" header "\": name it from the top folder")
		return
	}
	if (room_of(header) == room)
		return
	n = split(room_may[room], may, " ")
	for (i = 1; i <= n; i++)
		if (begins(header, may[i]))
			return
	finding(FNR, room " may not include " header)
}

function check_include(line,    header, is_ours) {
	is_ours = line ~ /"/
	header = line
	gsub(/^#[ \t]*include[ \t]*[<"]|[>"].*$/, "", header)
	n_includes++
	if (n_includes == 1 && !is_header && has_file[own_header] &&
	    header != own_header && folder_of(FILENAME) "/" header != own_header)
		finding(FNR, "the first include is not " own_header)
	if (is_ours)
		check_room(header)
	else
		check_library(header)
	if (is_pure && header in is_impure_include)
		finding(FNR, header " in a pure file")
}

function name_at_match(text,    name) {
	name = substr(text, RSTART, RLENGTH)
	gsub(/^[^A-Za-z0-9_]|[ (]/, "", name)
	return name
}

function check_calls(    name) {
	if (match(code, banned_call)) {
		name = name_at_match(code)
		finding(FNR, name "(): " banned_why[name])
	}
	if (is_pure && match(code, impure_call))
		finding(FNR, name_at_match(code) "() in a pure file")
	if (!is_test && code ~ /(^|[^A-Za-z0-9_])assert\(/)
		finding(FNR, "assert() can be compiled away; use CHECK")
}

# How many parameters the declaration has: the commas of the first group of
# parentheses, nested ones left out.
function count_parameters(text,    i, c, depth, n, start) {
	while (match(text, /__attribute__ ?\(\(([^()]|\([^()]*\))*\)\)/))
		text = substr(text, 1, RSTART - 1) substr(text, RSTART + RLENGTH)
	start = index(text, "(")
	if (start == 0)
		return 0
	n = 1
	for (i = start; i <= length(text); i++) {
		c = substr(text, i, 1)
		if (c == "(")
			depth++
		else if (c == ")" && --depth == 0)
			break
		else if (c == "," && depth == 1)
			n++
	}
	# The rest of a printf is not counted.
	return text ~ /, *\.\.\.\)/ ? n - 1 : n
}

# A callback whose arguments a library dictates.
function is_foreign_signature(    name) {
	if (!match(declaration, /[A-Za-z0-9_]+\(/))
		return 0
	name = substr(declaration, RSTART, RLENGTH - 1)
	return (FILENAME " " name) in is_foreign
}

function check_function(    n) {
	if (in_body) {
		if (code ~ /^}/) {
			n = FNR - body_line + 1
			if (n > 70)
				finding(body_line, "a function of " n \
					" lines, at most 70")
			in_body = 0
			declaration = ""
		}
		return
	}
	if (code ~ /^{[ \t]*$/) {
		in_body = 1
		body_line = FNR
		n = count_parameters(declaration)
		if (n > 5 && !is_foreign_signature())
			finding(declaration_line, "a function of " n \
				" arguments, at most 5")
		return
	}
	if (code ~ /^(#|}|[ \t]*$)/ || code ~ /[;{][ \t]*$/) {
		declaration = ""
		return
	}
	if (declaration == "")
		declaration_line = FNR
	declaration = declaration " " code
}

# Rooms below proto cannot include the limits: they have a constant of their own
# whose comment names the limit, and a unit test compares the two.
function note_limits(    rest, name) {
	rest = room == "base" || room == "cluster/store" ? $0 : code
	while (match(rest, /(^|[^A-Za-z0-9_])LIMIT_[A-Z0-9_]+/)) {
		name = substr(rest, RSTART, RLENGTH)
		sub(/^[^L]/, "", name)
		if (FILENAME != "proto/limits.h")
			limit_used[name] = 1
		else if (!(name in limit_line))
			limit_line[name] = FNR
		rest = substr(rest, RSTART + RLENGTH)
	}
}

function check_link(    name, rest) {
	rest = $0
	sub(/#.*/, "", rest)
	for (name in link_at)
		if (index(rest, name) && !is_at(link_at[name]))
			finding(FNR, name " belongs to " link_at[name])
}

BEGIN {
	for (i = 2; i < ARGC; i++)
		has_file[ARGV[i]] = 1
}

FILENAME == ARGV[1] {
	read_rule()
	next
}

FNR == 1 {
	if (!has_rules)
		finish_rules()
	end_file()
	begin_file()
}

{
	n_lines = FNR
	check_text()
}

is_code {
	was_comment = in_comment
	has_line_comment = 0
	code = strip($0)
	check_layout(was_comment)
	if (code ~ /^#[ \t]*include/)
		check_include($0)
	check_calls()
	check_function()
	if (!is_test && /LIMIT_/)
		note_limits()
}

FILENAME ~ /CMakeLists\.txt$/ && /::/ {
	check_link()
}

END {
	end_file()
	FILENAME = "proto/limits.h"
	for (name in limit_line)
		if (!(name in limit_used))
			finding(limit_line[name], name " bounds nothing")
	exit n_findings > 0
}
