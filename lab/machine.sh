# shellcheck shell=bash
# The machine the lab stands on: what it must be, and the programs it needs.

check_machine() {
	((EUID == 0)) || give_up "this needs root (namespaces, mounts): run it with sudo."
	local id=none version=none
	# shellcheck source=/dev/null
	[[ ! -r /etc/os-release ]] || read -r id version host_codename < <(
		. /etc/os-release && printf '%s %s %s\n' "${ID:-}" "${VERSION_ID:-}" "${VERSION_CODENAME:-}"
	) || true
	case $id/$version in
	debian/12 | debian/13) ;;
	*) give_up "this machine is not Debian 12 or 13 (os-release says $id $version)." \
		"Use a machine, or a container with CAP_SYS_ADMIN, of one of these." ;;
	esac
	arch=$(dpkg --print-architecture)
	case $arch in
	amd64 | arm64) ;;
	*) give_up "CPU architecture $arch is not supported; amd64 and arm64 are." ;;
	esac
}

# An Incus that the machine already has is used as it is: Debian's package
# keeps incusd off PATH, Zabbly's keeps everything under /opt/incus.
find_incus() {
	local dir
	incusd='' incus_path=$PATH
	for dir in /opt/incus/bin /usr/libexec/incus; do
		if [[ -x $dir/incusd ]]; then
			incusd=$dir/incusd incus_path=$dir:$PATH
			return
		fi
	done
	incusd=$(command -v incusd) || return 0
}

# Prints the packages whose program is not there.
missing_packages() {
	local program package
	find_incus
	if [[ -z $incusd ]]; then
		echo incus-base
		# It needs one of these; the small one serves where systemd is not the init.
		[[ -n $(command -v systemd-sysusers) ]] || echo systemd-standalone-sysusers
	fi
	while read -r program package; do
		[[ -n $(PATH=$incus_path command -v "$program") ]] || echo "$package"
	done <<-'PROGRAMS'
		dnsmasq dnsmasq-base
		nft nftables
		ip iproute2
		unsquashfs squashfs-tools
		mkfs.btrfs btrfs-progs
		debootstrap debootstrap
		busybox busybox
		gpg gpg
		gpg-agent gpg-agent
		gpgv gpgv
		nsenter util-linux
		findmnt mount
	PROGRAMS
}

# install_packages PACKAGE...: in a session of its own that outlives this
# process, because dpkg killed half-way leaves the machine to be repaired.
install_packages() {
	local dir=$cache_dir/host-apt packages=("$@") uri suite mirror status=0
	private_apt "$dir"
	mirror=$(debian_mirror)
	{
		while read -r uri suite; do
			case $suite in
			"$host_codename" | "$host_codename"-* | "$host_codename"/* | stable* | oldstable*)
				source_stanza "$uri" "$suite" "$(signed_by "$uri")" ;;
			esac
		done < <(apt_sources | grep -v -e '-backports$')
		# Debian 12 has Incus in its backports only.
		if [[ $host_codename == bookworm ]]; then
			source_stanza "$mirror" bookworm-backports "$(signed_by "$mirror")"
			packages=("${packages[@]/%incus-base/incus-base/bookworm-backports}")
		fi
	} >"$dir/lab.sources"
	printf '\n== install: %s\n' "${packages[*]}" >>"$log_file"
	(
		close_inherited
		exec setsid "$lab_home/install-packages" "$dir" "${packages[@]}"
	) </dev/null >>"$log_file" 2>&1 &
	wait $! || status=$?
	((status == 0)) || {
		printf 'lab: installing %s failed (exit code %s).\n' "$*" "$status" >&2
		show_log_tail
		exit 3
	}
	rm -rf "$dir/lists" "$dir/cache"
	find_incus
}
