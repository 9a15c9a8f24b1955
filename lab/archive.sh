# shellcheck shell=bash
# The package archive the containers install from: they have no way out of the
# lab. It holds the whole closure of the image and of what a formation needs, so
# that debootstrap reads from it too and only apt ever talks to the mirror.

# What the image is made of beyond Priority: required, as LAB images have it.
image_packages() {
	echo apt usr-is-merged systemd systemd-sysv udev dbus iproute2 iputils-ping netbase \
		ca-certificates locales sudo procps
}

formation_packages() {
	local version
	case $1 in bookworm) version=15 ;; trixie) version=17 ;; esac
	echo "postgresql-$version" "postgresql-client-$version" "postgresql-$version-auto-failover" \
		pg-auto-failover-cli postgresql-common postgresql-contrib python3-psycopg2 ssl-cert
}

tool_packages() {
	echo openssl iptables nftables systemd-resolved pgbouncer haproxy
}

# closure PACKAGE...: the names of all that installing them on an empty system
# would bring, by APT_CONFIG.
closure() {
	apt-get install --print-uris -qq "$@" | sed -nE "s/^'[^']+' ([^_]+)_.*/\1/p" | sort
}

# fetch_packages SUITE DIR: the .debs into DIR/apt/cache/archives and the lists
# of names image, formation and all into DIR/apt.
fetch_packages() {
	local suite=$1 dir=$2/apt key required
	local update=("package lists of $suite" apt-get update -o APT::Update::Error-Mode=any)
	key=$(signed_by "$mirror")
	private_apt "$dir"
	# An empty machine, so that apt resolves everything from nothing.
	: >"$dir/status"
	cat >>"$dir/apt.conf" <<-CONF
		Dir::State::status "$dir/status";
		APT::Get::AllowUnauthenticated "false";
		Debug::NoLocking "true";
	CONF
	source_stanza "$mirror" "$suite" "$key" >"$dir/lab.sources"
	local -x APT_CONFIG=$dir/apt.conf
	if [[ $suite == "$host_codename" ]]; then
		logged 120 "${update[@]}"
	elif ! (logged 120 "${update[@]}") 2>/dev/null; then
		key=$(unset APT_CONFIG && newest_keyring "$key" "$2/keyring")
		source_stanza "$mirror" "$suite" "$key" >"$dir/lab.sources"
		logged 120 "${update[@]}"
	fi
	mapfile -t required < <(apt-cache dumpavail |
		awk '$1 == "Package:" { name = $2 } $1 == "Priority:" && $2 == "required" { print name }')
	((${#required[@]})) || give_up "the mirror $mirror has no packages of $suite for $arch." \
		"Name another: PGHA_LAB_MIRROR=<URI of a Debian mirror>"
	local image formation tools
	read -ra image <<<"${required[*]} $(image_packages)"
	read -ra formation <<<"$(formation_packages "$suite")"
	read -ra tools <<<"$(tool_packages)"
	closure "${image[@]}" >"$dir/image"
	closure "${image[@]}" "${formation[@]}" | comm -13 "$dir/image" - >"$dir/formation"
	closure "${image[@]}" "${formation[@]}" "${tools[@]}" >"$dir/all"
	logged 600 "packages of $suite" apt-get install --download-only \
		"${image[@]}" "${formation[@]}" "${tools[@]}"
	mapfile -t all <"$dir/all"
	apt-cache show --no-all-versions "${all[@]}" >"$dir/Packages"
}

# lay_pool DIR POOL: every .deb where its own index entry says it is.
lay_pool() {
	local dir=$1 root=$2 package version architecture path
	while read -r package version architecture path; do
		mkdir -p "$root/${path%/*}"
		mv "$dir/cache/archives/${package}_${version//:/%3a}_$architecture.deb" "$root/$path"
	done < <(awk -v RS='' '{
		split("", field)
		n = split($0, line, "\n")
		for (i = 1; i <= n; i++) if (match(line[i], /^[A-Za-z-]+: /))
			field[substr(line[i], 1, RLENGTH - 2)] = substr(line[i], RLENGTH + 1)
		print field["Package"], field["Version"], field["Architecture"], field["Filename"]
	}' "$dir/Packages")
}

# write_repository ROOT SUITE LABEL <PACKAGES: dists/SUITE of a repository with
# one component, signed both ways that apt knows.
write_repository() {
	local root=$1 suite=$2 label=$3
	local dist=$root/dists/$suite index=main/binary-$arch file
	mkdir -p "$dist/$index"
	cat >"$dist/$index/Packages"
	gzip -9nk "$dist/$index/Packages"
	{
		printf 'Origin: pgha lab\nLabel: %s\nSuite: %s\nCodename: %s\n' "$label" "$suite" "$suite"
		printf 'Date: %s\nArchitectures: %s\nComponents: main\n' "$(LC_ALL=C date -uR)" "$arch"
		printf 'Description: packages for the containers of a pgha lab\nSHA256:\n'
		for file in "$index"/Packages{,.gz}; do
			printf ' %s %s %s\n' "$(sha256sum <"$dist/$file" | cut -d' ' -f1)" \
				"$(stat -c %s "$dist/$file")" "$file"
		done
	} >"$dist/Release"
	sign --clearsign "$dist/Release" "$dist/InRelease"
	sign --detach-sign "$dist/Release" "$dist/Release.gpg"
}

sign() {
	logged 60 "signature of $2" gpg --homedir "$key_dir/private" --batch --yes \
		--digest-algo SHA512 --armor --output "$3" "$1" "$2"
}

# make_key_pair DIR: without a passphrase; the private half stays in a folder
# that root alone can enter.
make_key_pair() {
	local dir=$1
	gpg --homedir "$dir/private" --batch --passphrase '' --quick-gen-key \
		'pgha lab archive' ed25519 sign never
	gpg --homedir "$dir/private" --batch --export >"$dir/lab.gpg"
	gpg --homedir "$dir/private" --batch --armor --export >"$dir/lab.asc.part"
	mv "$dir/lab.asc.part" "$dir/lab.asc"
}

# make_archive SUITE DIR: DIR/debian and DIR/pgdg over one pool.
make_archive() {
	local suite=$1 dir=$2
	lay_pool "$dir/apt" "$dir/debian"
	write_repository "$dir/debian" "$suite" 'Debian of the lab' <"$dir/apt/Packages"
	# PGDG's suites are called <code name>-pgdg, with the component main.
	awk -v RS='' -v ORS='\n\n' 'NR == FNR { for (i = 1; i <= NF; i++) wanted[$i]; next }
		$2 in wanted' "$dir/apt/formation" "$dir/apt/Packages" |
		write_repository "$dir/pgdg" "$suite-pgdg" 'PGDG of the lab'
	cp "$key_dir/lab.asc" "$dir/key.asc"
}
