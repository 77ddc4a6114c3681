# shellcheck shell=sh
# Sourced by tests/run.sh and node/demo.sh from the top folder:
# packages_install KIND... installs what tests/packages.txt names and is missing.

packages_missing() {
	for kind in "$@"; do
		sed -n "s/^$kind //p" tests/packages.txt
	done | while read -r package; do
		state=$(dpkg-query -W -f '${db:Status-Status}' "$package" \
			2>/dev/null || true)
		[ "$state" = installed ] || printf '%s ' "$package"
	done
}

packages_install() {
	missing=$(packages_missing "$@")
	if [ -z "$missing" ]; then
		echo "all packages are present"
		return
	fi
	as_root=
	if [ "$(id -u)" -ne 0 ]; then
		as_root=sudo
		command -v sudo >/dev/null || {
			echo "not root and no sudo; as root: apt-get install $missing" >&2
			exit 1
		}
	fi
	echo "installing: $missing"
	log=$(mktemp)
	# shellcheck disable=SC2086 # a list of words
	if ! { $as_root apt-get update -qq &&
		$as_root env DEBIAN_FRONTEND=noninteractive apt-get install \
			-y -qq --no-install-recommends $missing; } >"$log" 2>&1
	then
		cat "$log" >&2
		exit 1
	fi
	rm -f "$log"
}
