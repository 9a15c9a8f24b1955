# shellcheck shell=bash
# Packages come by the machine's own apt alone: its mirror, its proxies, its CA
# settings, its keys. Nothing here names a package host, and nothing changes
# the machine's sources: other suites are read through a private apt state.

readonly archive_keyring=/usr/share/keyrings/debian-archive-keyring.gpg

# "URI SUITE" of every source that apt reads, in either format. apt prints what
# it would fetch without fetching it, so this works before any update.
apt_sources() {
	apt-get update --print-uris 2>/dev/null |
		sed -nE "s#^'(.*)/dists/(.*)/InRelease' .*#\1 \2#p"
}

# The URI that serves Debian's own main archive on this machine. Third parties
# use the code name as their suite too, so a path that ends in /debian wins.
debian_mirror() {
	local uri suite first=''
	if [[ -n ${PGHA_LAB_MIRROR:-} ]]; then
		printf '%s\n' "${PGHA_LAB_MIRROR%/}"
		return
	fi
	while read -r uri suite; do
		case $suite in "$host_codename" | stable | oldstable) ;; *) continue ;; esac
		if [[ $uri == */debian ]]; then
			printf '%s\n' "$uri"
			return
		fi
		: "${first:=$uri}"
	done < <(apt_sources)
	[[ -n $first ]] || give_up "no Debian mirror for $host_codename among this machine's apt sources." \
		"Add one under /etc/apt, or name one: PGHA_LAB_MIRROR=<URI of a Debian mirror>"
	printf '%s\n' "$first"
}

# The key file that the machine's sources name for a URI, if they name one.
signed_by() {
	local key
	key=$(cat /etc/apt/sources.list /etc/apt/sources.list.d/*.{list,sources} 2>/dev/null |
		awk -v uri="${1%/}" '
			function named(  i) {
				for (i = 2; i <= NF; i++) if ($i == uri || $i == uri "/") return 1
				return 0
			}
			/^deb / && named() && match($0, /signed-by=[^] ]+/) { print substr($0, RSTART + 10, RLENGTH - 10) }
			/^[ \t]*$/ { here = 0; key = "" }
			tolower($1) == "uris:" { here = named() }
			tolower($1) == "signed-by:" { key = $2 }
			here && key ~ /^\// { print key; key = "" }' | head -n 1)
	printf '%s\n' "${key:-$archive_keyring}"
}

# source_stanza URI SUITE KEY
source_stanza() {
	printf 'Types: deb\nURIs: %s\nSuites: %s\nComponents: main\n' "$1" "$2"
	printf 'Architectures: %s\nTargets: Packages\nSigned-By: %s\n\n' "$arch" "$3"
}

# newest_keyring KEY DIR: a machine may be older than the suite it is to fetch. The
# newest keyring package of its own suite, which its own keys vouch for, knows the
# newer one.
newest_keyring() {
	local key=$1 dir=$2
	private_apt "$dir"
	source_stanza "$mirror" "$host_codename" "$key" >"$dir/lab.sources"
	logged 120 "package lists of $host_codename" env APT_CONFIG="$dir/apt.conf" apt-get update
	logged 60 "Debian's newest keys" env -C "$dir" APT_CONFIG="$dir/apt.conf" \
		apt-get download debian-archive-keyring
	dpkg-deb -x "$dir"/debian-archive-keyring_*.deb "$dir"
	echo "$dir$archive_keyring"
}

# private_apt DIR: a configuration on top of the machine's own (APT_CONFIG is
# read last), with its lists, cache and sources under DIR. The caller writes
# DIR/lab.sources and runs apt with APT_CONFIG=DIR/apt.conf.
private_apt() {
	local dir=$1
	mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
	{
		[[ -z ${APT_CONFIG:-} ]] || printf '#include "%s";\n' "$APT_CONFIG"
		cat <<-CONF
			Dir::State::lists "$dir/lists";
			Dir::Cache "$dir/cache";
			Dir::Etc::sourcelist "$dir/lab.sources";
			Dir::Etc::sourceparts "-";
			Acquire::Retries "3";
			Acquire::http::Timeout "20";
			Acquire::https::Timeout "20";
			DPkg::Lock::Timeout "120";
			APT::Install-Recommends "false";
			APT::Get::Assume-Yes "true";
			Acquire::Languages "none";
		CONF
	} >"$dir/apt.conf"
}
