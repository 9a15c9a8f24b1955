# shellcheck shell=bash
# The lab's Incus: what `lab env` exports, its set-up, its images, its health.

# The remote `local` is the daemon's socket: of a cluster, that of m1. The remotes m1, m2, … are its members' addresses.
lab_environment() {
	local socket_dir=$incus_dir client_bin=$state_dir/client/bin
	! is_cluster || socket_dir=$state_dir/m1/incus
	cat <<-ENV
		export INCUS_DIR=$socket_dir
		export INCUS_SOCKET=$socket_dir/unix.socket
		export INCUS_CONF=$state_dir/client
		unset INCUS_REMOTE INCUS_PROJECT
		export PGHA_LAB=$lab
		export PGHA_LAB_NETNS=$netns
		export PGHA_LAB_ARCHIVE=$archive_url
		export PGHA_LAB_KEY=$state_dir/www/pgdg/key.asc
		export PGHA_LAB_MEMBERS="$(member_names | paste -sd ' ')"
	ENV
	# shellcheck disable=SC2016  # for the shell that reads it
	! is_cluster ||
		printf 'case ":$PATH:" in *:%s:*) ;; *) export PATH=%s:$PATH ;; esac\n' "$client_bin" "$client_bin"
	case ":$PATH:" in
	*":${incusd%/*}:"*) ;;
	*) [[ $incusd != /opt/incus/* ]] || echo "export PATH=${incusd%/*}:\$PATH" ;;
	esac
}

use_lab_environment() {
	find_incus
	eval "$(lab_environment)"
	# The lab itself talks to a cluster by sockets, which are there whatever becomes of the network.
	! is_cluster || export INCUS_CONF=$state_dir/admin PATH=$incus_path
}

# Sets lab_state: absent, up, daemon-dead, archive-dead or broken, and for a
# cluster members-down or dns-dead as well; and, when it is up, lab_aliases: the images' aliases, from the one request that also proves
# that the daemon answers.
examine_lab() {
	lab_state=absent lab_aliases=''
	[[ -e $run_dir || -e $state_dir || -e $netns_path ]] || return 0
	lab_state=broken
	! is_cluster || { examine_cluster && return; }
	[[ -e $run_dir/raised && -d $incus_dir && -e $netns_path ]] && holder_alive || return 0
	lab_state=daemon-dead
	lab_aliases=$(timeout 10 incus query /1.0/images/aliases 2>/dev/null) || return 0
	lab_state=archive-dead
	archive_answers && lab_state=up && return
	# Without the bridge there is nothing that a server could listen on.
	ip -n "$netns" -4 addr show dev "$bridge" 2>/dev/null | grep -qF "$bridge_address/" || lab_state=broken
}

# From inside the lab, as a container would ask.
archive_answers() {
	timeout 5 nsenter --net="$netns_path" bash -c '
		exec 3<>"/dev/tcp/$1/$2" && printf "GET /pgdg/key.asc HTTP/1.0\r\n\r\n" >&3 &&
		read -r answer <&3 && [[ $answer == *" 200 "* ]]' - "$bridge_address" "$archive_port" 2>/dev/null
}

start_daemon() {
	order incusd
	logged 130 "incusd" incus admin waitready --timeout 120
}

start_archive_server() {
	local deadline=$((SECONDS + 60))
	order archive
	until archive_answers; do
		((SECONDS < deadline)) || give_up "the archive's server does not answer on $archive_url." \
			"See $state_dir/sandbox.log"
		sleep 0.05
	done
}

# Nothing routes out: no NAT, no other interface in the namespace, no IPv6.
preseed() {
	cat >"$state_dir/preseed.yaml" <<-YAML
		networks:
		- name: $bridge
		  type: bridge
		  config:
		    ipv4.address: $bridge_address/24
		    ipv4.nat: "false"
		    ipv4.firewall: "false"
		    ipv6.address: none
		    ipv6.firewall: "false"
		    dns.domain: incus
		storage_pools:
		- name: default
		  driver: dir
		profiles:
		- name: default
		  devices:
		    eth0: {type: nic, network: $bridge, name: eth0}
		    root: {type: disk, pool: default, path: /}
	YAML
	# A config of its own also keeps the client from its first-run message.
	echo 'default-remote: local' >"$state_dir/client/config.yml"
	logged 60 "preseed" bash -c 'exec incus admin init --preseed <"$1"' - "$state_dir/preseed.yaml"
}

has_image() {
	[[ $lab_aliases == *"/images/aliases/$(alias_path "$1")\""* ]]
}

alias_path() {
	echo "${1//\//%2F}"
}

# add_image IMAGE ENTRY: into the running lab, from the cache. Hard links make
# the lab's archive independent of the cache at no cost; another file system
# makes that a copy.
add_image() {
	local image=$1 entry=$2 repository
	for repository in debian pgdg; do
		mkdir -p "$state_dir/www/$repository"
		cp -al "$entry/$repository/." "$state_dir/www/$repository/" 2>/dev/null ||
			cp -a "$entry/$repository/." "$state_dir/www/$repository/"
	done
	ln -sfn ../debian/pool "$state_dir/www/pgdg/pool"
	cp "$entry/key.asc" "$state_dir/www/pgdg/key.asc"
	logged 120 "import of $image" incus image import "$entry/metadata.tar" "$entry/rootfs.squashfs" --alias "$image"
}
