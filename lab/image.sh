# shellcheck shell=bash
# The container image: a small Debian with systemd that boots in about a second,
# behaves as the image servers' Debian does where a formation can tell (systemd,
# networkd, /etc/hosts), and has the lab's archive as its only package source.

# Read by dpkg inside debootstrap and later in every container.
write_dpkg_settings() {
	mkdir -p "$1/etc/dpkg/dpkg.cfg.d"
	cat >"$1/etc/dpkg/dpkg.cfg.d/lab" <<-'CFG'
		# Containers of a lab are thrown away: no fsync for every unpacked file.
		force-unsafe-io
		path-exclude=/usr/share/doc/*
		path-include=/usr/share/doc/*/copyright
		path-exclude=/usr/share/man/*
		path-exclude=/usr/share/info/*
		path-exclude=/usr/share/locale/*
	CFG
}

# make_rootfs SUITE ENTRY ROOTFS: from the entry's own archive, no network.
make_rootfs() {
	local suite=$1 entry=$2 rootfs=$3 include
	include=$(image_packages)
	write_dpkg_settings "$rootfs"
	logged 600 "debootstrap $suite" debootstrap --variant=minbase --arch="$arch" \
		--keyring="$key_dir/lab.gpg" --include="${include// /,}" \
		"$suite" "$rootfs" "file://$entry/debian"
	rm -rf "$rootfs"/var/cache/apt/archives/*.deb "$rootfs"/var/lib/apt/lists/* "$rootfs"/var/log/*.log
}

configure_rootfs() {
	local suite=$1 rootfs=$2 unit
	rm -f "$rootfs/etc/apt/sources.list"
	cp "$key_dir/lab.gpg" "$rootfs/usr/share/keyrings/pgha-lab.gpg"
	cat >"$rootfs/etc/apt/sources.list.d/debian.sources" <<-SOURCES
		Types: deb
		URIs: http://$bridge_address:$archive_port/debian
		Suites: $suite
		Components: main
		Signed-By: /usr/share/keyrings/pgha-lab.gpg
	SOURCES
	echo 'Acquire::Languages "none";' >"$rootfs/etc/apt/apt.conf.d/90lab"
	echo 'LANG=C.UTF-8' >"$rootfs/etc/default/locale"
	# Filled by systemd at the first boot: each container has its own.
	: >"$rootfs/etc/machine-id"
	# Incus's dnsmasq is the bridge's address and knows every container's name.
	rm -f "$rootfs/etc/resolv.conf"
	printf 'search incus\nnameserver %s\n' "$bridge_address" >"$rootfs/etc/resolv.conf"
	cat >"$rootfs/etc/systemd/network/eth0.network" <<-'NETWORK'
		[Match]
		Name=eth0

		[Network]
		DHCP=ipv4
		LinkLocalAddressing=no
		IPv6AcceptRA=no

		[DHCPv4]
		ClientIdentifier=mac
	NETWORK
	chroot "$rootfs" systemctl enable systemd-networkd.service
	# A container has no disks to trim, no consoles to log in on, and in a lab
	# nothing may start apt behind a drill's back.
	for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
		fstrim.timer console-getty.service getty@.service getty-static.service \
		systemd-remount-fs.service sys-kernel-debug.mount sys-kernel-tracing.mount \
		dev-hugepages.mount systemd-firstboot.service; do
		ln -sf /dev/null "$rootfs/etc/systemd/system/$unit"
	done
}

# The metadata half of a split image. The hosts file is what the image servers'
# Debian has; a name that resolves to 127.0.1.1 is part of what a formation meets.
write_metadata() {
	local suite=$1 dir=$2 machine=x86_64
	[[ $arch == arm64 ]] && machine=aarch64
	mkdir -p "$dir/templates"
	cat >"$dir/metadata.yaml" <<-YAML
		architecture: $machine
		creation_date: $(date +%s)
		properties:
		  os: debian
		  release: $suite
		  architecture: $arch
		  description: Debian $suite of the pgha lab
		templates:
		  /etc/hostname:
		    when: [create, copy]
		    template: hostname.tpl
		  /etc/hosts:
		    when: [create, copy]
		    template: hosts.tpl
	YAML
	echo '{{ container.name }}' >"$dir/templates/hostname.tpl"
	printf '127.0.0.1\tlocalhost\n127.0.1.1\t{{ container.name }}\n\n::1\tlocalhost ip6-localhost ip6-loopback\n' \
		>"$dir/templates/hosts.tpl"
}

# pack_image SUITE ENTRY WORK: WORK/rootfs into the two files that Incus imports.
pack_image() {
	local suite=$1 entry=$2 work=$3
	configure_rootfs "$suite" "$work/rootfs" >>"$log_file" 2>&1
	logged 300 "mksquashfs $suite" mksquashfs "$work/rootfs" "$entry/rootfs.squashfs" \
		-comp zstd -Xcompression-level 3 -noappend -no-progress
	write_metadata "$suite" "$work/metadata"
	tar -C "$work/metadata" -cf "$entry/metadata.tar" metadata.yaml templates
}
