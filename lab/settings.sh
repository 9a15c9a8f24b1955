# shellcheck shell=bash
# shellcheck disable=SC2034  # read by the files that source this one
# Names, places and addresses of one lab. Everything is keyed by the lab's name.

lab=${PGHA_LAB:-pgha}
cache_dir=${PGHA_LAB_CACHE:-/var/cache/pgha-lab}

lock_file=/run/pgha-lab/$lab.lock

# use_scope [MEMBER]: the names and places of the lab, or of a member of its cluster, which is a sandbox of its own.
# A lab's name holds no dot, so no other lab's names are like a member's.
use_scope() {
	member=${1:-}
	run_dir=/run/pgha-lab/$lab${member:+/$member}
	state_dir=/var/lib/pgha-lab/$lab${member:+/$member}
	incus_dir=$state_dir/incus
	netns=pgha-lab-$lab${member:+.$member}
	netns_path=/run/netns/$netns
	# The control group, from the root of the cgroup v2 hierarchy.
	cgroup=$netns
}
use_scope "${LAB_MEMBER:-}"

# Two labs may use the same addresses: each is alone in its network namespace.
bridge=incusbr0
bridge_address=10.77.7.1
archive_port=8080
# Of a cluster: m1 is 10.77.7.11, and so on to m9; the containers have what is past those.
member_network=10.77.7
dhcp_range=$member_network.50,$member_network.250
archive_url=http://$bridge_address:$archive_port

# The images by their alias, and the Debian suite each is made of.
declare -A suite_of=([debian/12]=bookworm [debian/13]=trixie)
